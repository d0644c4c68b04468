/*
 * crypto/blake2s.h -- BLAKE2s-256 (RFC 7693), unkeyed, and HMAC and HKDF over it as Noise uses them.
 *
 * For handshakes, not for bulk data. Any thread; cannot fail (aborts without memory or without the algorithm).
 */
#ifndef CRYPTO_BLAKE2S_H
#define CRYPTO_BLAKE2S_H

#include <stdint.h>

#include "base/bytes.h"

#define BLAKE2S_LEN 32

/** Hash of a followed by b; either may be empty. `out` may be a.p. */
void blake2s(struct bytes a, struct bytes b, uint8_t out[static BLAKE2S_LEN]);

/** HMAC (RFC 2104) with a block of 64 bytes, over a followed by b. */
void blake2s_hmac(const uint8_t key[static BLAKE2S_LEN], struct bytes a, struct bytes b, uint8_t out[static BLAKE2S_LEN]);

/**
 * HKDF with two outputs: RFC 5869 with `salt` as the salt, no info, 64 bytes cut in two halves; the Noise
 * specification's HKDF(salt, ikm, 2). Outputs are secrets. Either may be the salt.
 */
void blake2s_hkdf(const uint8_t salt[static BLAKE2S_LEN], struct bytes ikm, uint8_t out1[static BLAKE2S_LEN],
		  uint8_t out2[static BLAKE2S_LEN]);

#endif
