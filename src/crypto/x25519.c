/*
 * crypto/x25519.c -- see crypto/x25519.h.
 *
 * libsodium and not OpenSSL: one call without contexts and fetches, and measured at half the time of
 * OpenSSL 3.0's generic interface.
 */
#include "crypto/x25519.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "crypto/secret.h"

void x25519_random(uint8_t priv_out[static X25519_LEN])
{
	random_bytes(priv_out, X25519_LEN);
	priv_out[0] &= 248;
	priv_out[31] = (uint8_t)((priv_out[31] & 127) | 64);
}

void x25519_public(const uint8_t priv[static X25519_LEN], uint8_t pub_out[static X25519_LEN])
{
	if (sodium_init() < 0 || crypto_scalarmult_base(pub_out, priv) != 0)
		abort();
}

enum status x25519_shared(const uint8_t priv[static X25519_LEN], const uint8_t pub[static X25519_LEN],
			  uint8_t out[static X25519_LEN])
{
	uint8_t secret[X25519_LEN];
	int bad;

	if (sodium_init() < 0)
		abort();
	bad = crypto_scalarmult(secret, priv, pub); /* refuses a zero result */
	if (!bad)
		memcpy(out, secret, sizeof secret);
	secret_wipe(secret, sizeof secret);
	return bad ? ST_BAD_INPUT : ST_OK;
}
