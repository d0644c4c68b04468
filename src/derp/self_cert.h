/*
 * derp/self_cert.h -- a certificate for a relay that has an address and no name, pinned by clients.
 *
 * Self-signed, P-256, for one IP address, one year (more is refused by some systems). Clients trust it by its digest:
 * `CertName: sha256-raw:<hex>` of the DERP map. Source: docs/wire/derp.md, "DERP map".
 */
#ifndef DERP_SELF_CERT_H
#define DERP_SELF_CERT_H

#include "base/buf.h"
#include "base/status.h"

/**
 * A new certificate and its key, PEM, onto the buffers; key_pem is secret: wipe it.
 * ST_BAD_INPUT: ip is no address. Any thread.
 */
enum status derp_self_cert(const char *ip, int64_t now_unix, struct buf *cert_pem, struct buf *key_pem) MUST_CHECK;
/** "sha256-raw:" and the lower-case hex of the digest of a certificate (DER); out holds DERP_PIN_MAX bytes. */
#define DERP_PIN_MAX 80
void derp_cert_pin(struct bytes der, char out[static DERP_PIN_MAX]);

#endif
