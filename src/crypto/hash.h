/* crypto/hash.h -- SHA-256 and HMAC-SHA-256 in one call. Pure; any thread; cannot fail (aborts without memory). */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include <stdint.h>

#include "base/bytes.h"

#define SHA256_LEN 32

void sha256(struct bytes in, uint8_t out[static SHA256_LEN]);
/** `key` of any length (RFC 2104). */
void hmac_sha256(struct bytes key, struct bytes in, uint8_t out[static SHA256_LEN]);

#endif
