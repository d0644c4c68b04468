/*
 * derp/meta_cert.h -- the certificate that tells clients the relay's key during the TLS handshake.
 *
 * Sent behind the real chain (net/tls_files.h, net_tls_files_set_extra()). A client that finds it in a TLS 1.3 handshake
 * sends its request and its login at once, which saves a round trip. It proves nothing and nobody verifies it.
 * Source: docs/wire/derp.md, "Fast start".
 */
#ifndef DERP_META_CERT_H
#define DERP_META_CERT_H

#include "base/status.h"
#include "crypto/keys.h"

/**
 * X.509 v3, Ed25519, self-signed: subject CN "derpkey" and 64 hex digits, serial number = protocol version, good for
 * 30 days before and after now_unix.
 *
 * seed     32 bytes of a private key for vectors; NULL: a fresh one, thrown away after signing.
 * der_out  set on ST_OK: returned (free()).
 * ST_IO    the crypto library failed.
 */
enum status derp_meta_cert(const struct node_key *key, int64_t now_unix, const uint8_t *seed, uint8_t **der_out,
                           size_t *n_out) MUST_CHECK;

#endif
