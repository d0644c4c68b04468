/*
 * acme/jws.h -- P-256 keys, and requests signed with an account's key (ES256).
 *
 *     {"protected": b64(header), "payload": b64(payload), "signature": b64(r || s)}
 *
 * Pure; any thread. Source: RFC 7515, RFC 7638 (thumbprint), RFC 8555 section 6.2.
 */
#ifndef ACME_JWS_H
#define ACME_JWS_H

#include "base/buf.h"

struct evp_pkey_st;
/* A private key on P-256: of an account, or of a certificate. */
struct acme_key;

/** A fresh one. Returned (acme_key_free). */
struct acme_key *acme_key_new(void);
/** From PEM, unencrypted ("EC PRIVATE KEY" or "PRIVATE KEY"). ST_BAD_INPUT: no private key, or not on P-256. */
enum status acme_key_parse(struct bytes pem, struct acme_key **out, struct err *err) MUST_CHECK;
/** Append it as PEM, "EC PRIVATE KEY". The buffer holds a secret then. */
void acme_key_pem(const struct acme_key *k, struct buf *out);
/** Clears *k, accepts NULL inside. */
void acme_key_free(struct acme_key **k);
/** OpenSSL's object; borrowed. */
struct evp_pkey_st *acme_key_evp(const struct acme_key *k);

/** Append the public key as a JWK: members in the order in which its thumbprint is made, no blanks. */
void acme_key_jwk(const struct acme_key *k, struct buf *out);
#define ACME_THUMBPRINT_LEN 43
void acme_key_thumbprint(const struct acme_key *k, char out[static ACME_THUMBPRINT_LEN + 1]);

struct acme_jws {
	const char *url;       /* where it is sent to */
	const char *nonce;
	const char *kid;       /* the account's URL; NULL: the public key itself is sent */
	struct bytes payload;  /* n = 0: "POST as GET" */
};
/** Append the signed request. */
void acme_jws_write(const struct acme_key *k, const struct acme_jws *jws, struct buf *out);

#endif
