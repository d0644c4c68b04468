/*
 * crypto/x25519.h -- Diffie-Hellman on Curve25519 (RFC 7748), on bare bytes.
 *
 * The key types of crypto/keys.h have typed functions; this is what those, Noise and DERP are made of.
 * Pure but for x25519_random; any thread.
 */
#ifndef CRYPTO_X25519_H
#define CRYPTO_X25519_H

#include <stdint.h>

#include "base/status.h"

#define X25519_LEN 32

/** A fresh private key, clamped as WireGuard and Tailscale store it. */
void x25519_random(uint8_t priv_out[static X25519_LEN]);

/** The public key of `priv` (clamped or not). */
void x25519_public(const uint8_t priv[static X25519_LEN], uint8_t pub_out[static X25519_LEN]);

/**
 * The shared secret of the two; wipe it after use.
 * ST_BAD_INPUT  `pub` is of low order: the result would be zero whatever the private key. Nothing is written.
 */
enum status x25519_shared(const uint8_t priv[static X25519_LEN], const uint8_t pub[static X25519_LEN],
			  uint8_t out[static X25519_LEN]) MUST_CHECK;

#endif
