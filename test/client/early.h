/*
 * client/early.h -- take the early payload off the front of an opened Noise stream.
 *
 * A layer that passes everything on but those first bytes, so that HTTP/2 may begin at once, as clients do: their
 * preface is under way before the payload has come.
 */
#ifndef CLIENT_EARLY_H
#define CLIENT_EARLY_H

#include "crypto/keys.h"
#include "net/stream.h"

/** What was found; told once, before the first byte behind it. ST_OK: challenge is set; ST_NOT_FOUND: there is none. */
typedef void early_fn(void *arg, enum status s, const struct challenge_key *challenge);

/** A stream over `lower` (taken, paused). A malformed payload ends it with STREAM_END_PROTOCOL. fn may be NULL. */
struct stream *early_stream_new(struct stream *lower, early_fn *fn, void *arg);

#endif
