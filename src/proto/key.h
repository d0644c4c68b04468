/*
 * proto/key.h -- the answer to GET /key?v=N: our Noise key. Pure; any thread.
 * Source: docs/wire/noise.md, "Order of events".
 */
#ifndef PROTO_KEY_H
#define PROTO_KEY_H

#include "base/buf.h"
#include "crypto/keys.h"

/** {"legacyPublicKey":"mkey:00..","publicKey":"mkey:.."} and a newline. */
void key_response_encode(const struct machine_key *noise, struct buf *b);

#endif
