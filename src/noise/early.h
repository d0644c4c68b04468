/*
 * noise/early.h -- the early payload: what the server says inside Noise before HTTP/2 begins.
 *
 *     0               5               9
 *     | ff ff ff 54 53 | len, u32 BE  | JSON: {"nodeKeyChallenge":"chalpub:..."} |
 *
 * Understood by clients from capability version 49; they do not wait for it, and none answers the challenge. Pure; any
 * thread. Source: docs/wire/noise.md, "Early payload".
 */
#ifndef NOISE_EARLY_H
#define NOISE_EARLY_H

#include "base/buf.h"
#include "base/bytes.h"
#include "crypto/keys.h"

#define NOISE_EARLY_MIN_VERSION 49
#define NOISE_EARLY_HEADER_LEN 9
#define NOISE_EARLY_JSON_MAX 4096 /* what our own reader takes; clients take 10 MiB */

/** Append the plain bytes of the payload to `out` (seal them with what follows). */
void noise_early_encode(const struct challenge_key *challenge, struct buf *out);

/**
 * Read the early payload at the front of the opened stream (the client's side).
 *
 * used_out      set on ST_OK: bytes to drop before HTTP/2 begins.
 * ST_AGAIN      fewer bytes than it has.
 * ST_NOT_FOUND  there is none: all of `in` is HTTP/2.
 * ST_TOO_BIG    longer than NOISE_EARLY_JSON_MAX.
 * ST_BAD_INPUT  no JSON object, or no challenge in it.
 */
enum status noise_early_decode(struct bytes in, struct challenge_key *challenge_out, size_t *used_out) MUST_CHECK;

#endif
