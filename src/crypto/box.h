/*
 * crypto/box.h -- NaCl's box between two X25519 keys: nonce, tag, ciphertext.
 *
 *     0                24            40
 *     | nonce, random  | tag         | as long as the plain text |
 *
 * DERP's ClientInfo and ServerInfo travel in it. Any thread.
 */
#ifndef CRYPTO_BOX_H
#define CRYPTO_BOX_H

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

#define BOX_NONCE_LEN 24
#define BOX_OVERHEAD 40 /* nonce and tag */

/**
 * Seal `plain` from `from` to `to` under a random nonce; out holds plain.n + BOX_OVERHEAD bytes, apart from plain.
 * ST_BAD_INPUT  `to` is zero or of low order.
 */
enum status box_seal(const struct node_private *from, const struct node_key *to, struct bytes plain, uint8_t *out) MUST_CHECK;

/**
 * Open what was sealed by `from` for `to`; out holds sealed.n - BOX_OVERHEAD bytes, apart from sealed.
 * ST_BAD_INPUT  too short, not from that key, changed on the way, or `from` is zero or of low order; out undefined.
 */
enum status box_open(const struct node_private *to, const struct node_key *from, struct bytes sealed, uint8_t *out) MUST_CHECK;

#endif
