/*
 * acme/x509.h -- what a certificate is asked for with, and the certificate that answers a TLS-ALPN-01 challenge.
 *
 * Pure; any thread. Source: RFC 2986, RFC 8737 section 3.
 */
#ifndef ACME_X509_H
#define ACME_X509_H

#include "acme/jws.h"
#include "net/tls.h"

/** Append a signing request for these DNS names, DER. Names are plain ASCII, 1 or more. */
void acme_csr(const struct acme_key *k, const char *const *names, size_t n_names, struct buf *out);

/**
 * A self-signed certificate for `name` with the digest of the key authorization in it.
 * now_unix: it is good from a day before until a week after. One reference, returned.
 */
struct net_tls_cert *acme_alpn_cert(const char *name, const char *key_authorization, int64_t now_unix);

#endif
