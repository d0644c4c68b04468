/* crypto/hash.c -- see crypto/hash.h. libsodium's, which need no context on the heap. */
#include "crypto/hash.h"

#include <sodium.h>

_Static_assert(SHA256_LEN == crypto_hash_sha256_BYTES, "same length");

void sha256(struct bytes in, uint8_t out[static SHA256_LEN])
{
	crypto_hash_sha256(out, in.p, in.n);
}

void hmac_sha256(struct bytes key, struct bytes in, uint8_t out[static SHA256_LEN])
{
	crypto_auth_hmacsha256_state st;

	crypto_auth_hmacsha256_init(&st, key.p, key.n);
	crypto_auth_hmacsha256_update(&st, in.p, in.n);
	crypto_auth_hmacsha256_final(&st, out);
	sodium_memzero(&st, sizeof st);
}
