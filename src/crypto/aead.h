/*
 * crypto/aead.h -- ChaCha20-Poly1305 (RFC 8439): one object per key and direction, used for many messages.
 *
 * Making an object allocates; sealing and opening do not. One owner at a time, any thread.
 */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

#define AEAD_KEY_LEN 32
#define AEAD_NONCE_LEN 12
#define AEAD_TAG_LEN 16

struct aead;

/** For sealing; `key` is copied. Returned (aead_free). */
struct aead *aead_new_seal(const uint8_t key[static AEAD_KEY_LEN]);
/** For opening; `key` is copied. Returned (aead_free). */
struct aead *aead_new_open(const uint8_t key[static AEAD_KEY_LEN]);
/** Wipes the key, clears *a. Accepts NULL inside. */
void aead_free(struct aead **a);

/**
 * Encrypt `plain` (at most 1 GiB) into out: plain.n + AEAD_TAG_LEN bytes. out may be plain.p, or lie wholly elsewhere.
 * A nonce is used once with a key: the caller counts.
 */
void aead_seal(struct aead *a, const uint8_t nonce[static AEAD_NONCE_LEN], struct bytes ad, struct bytes plain, uint8_t *out);

/**
 * Check and decrypt `sealed` into out: sealed.n - AEAD_TAG_LEN bytes. out may be sealed.p, or lie wholly elsewhere.
 * ST_BAD_INPUT  shorter than a tag, or not made with this key, nonce and ad; out holds zeros then.
 */
enum status aead_open(struct aead *a, const uint8_t nonce[static AEAD_NONCE_LEN], struct bytes ad, struct bytes sealed,
		      uint8_t *out) MUST_CHECK;

#endif
