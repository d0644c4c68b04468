/*
 * auth/provider.h -- what a provider says of itself: its discovery document and its signing keys.
 *
 * Pure: bytes in, objects out. Source: OpenID Connect Discovery 1.0, section 3; RFC 7517.
 */
#ifndef AUTH_PROVIDER_H
#define AUTH_PROVIDER_H

#include "base/bytes.h"
#include "base/status.h"

#define PROVIDER_DOCUMENT_MAX ((size_t)256 * 1024) /* bytes of a discovery document */
#define JWKS_DOCUMENT_MAX ((size_t)512 * 1024)
#define JWKS_KEYS_MAX 64 /* more are not looked at */

/* Signature algorithms of ID tokens: those with a public key alone. */
enum jws_alg { JWS_RS256, JWS_RS384, JWS_RS512, JWS_PS256, JWS_PS384, JWS_PS512, JWS_ES256, JWS_ES384, JWS_ES512, JWS_ALG_COUNT };
/** "RS256". Static. */
const char *jws_alg_name(enum jws_alg a);
/** ST_UNSUPPORTED: anything else: "none", HMAC, misspelt. */
enum status jws_alg_parse(const char *name, enum jws_alg *out) MUST_CHECK;

enum provider_client_auth { CLIENT_AUTH_UNKNOWN = 0, CLIENT_AUTH_BASIC, CLIENT_AUTH_FORM };

/* Texts are owned, http or https URLs. */
struct provider {
	char *authorization_endpoint, *token_endpoint, *jwks_uri;
	char *userinfo_endpoint;  /* NULL: it has none */
	unsigned algs;            /* bit 1 << enum jws_alg; not 0 */
	enum provider_client_auth client_auth; /* UNKNOWN: it takes both, or does not say */
};

/**
 * Read a discovery document.
 *
 * issuer  what it must say of itself, letter for letter.
 * ST_BAD_INPUT: malformed, of another issuer, an endpoint missing or no http(s) URL; ST_UNSUPPORTED: none of its
 * algorithms is ours; ST_TOO_BIG. Returned (provider_free).
 */
enum status provider_parse(struct bytes json, const char *issuer, struct provider **out, struct err *err) MUST_CHECK;
void provider_free(struct provider **p);
/** Whether it is the same in all that we use. */
bool provider_equal(const struct provider *a, const struct provider *b);

struct jwks; /* signing keys: RSA of 2048..8192 bits, P-256, P-384, P-521 */
/**
 * Read a key set. Keys that are not for signatures, symmetric, malformed or of kinds we do not know are left out; an
 * empty set is ST_OK. ST_BAD_INPUT: no key set; ST_TOO_BIG. Returned (jwks_free).
 */
enum status jwks_parse(struct bytes json, struct jwks **out, struct err *err) MUST_CHECK;
void jwks_free(struct jwks **j);
size_t jwks_count(const struct jwks *j);

struct _cjose_jwk_int;
/**
 * A key that may have signed: of the algorithm's kind and curve, and of this kid if one is given (n = 0: any).
 * Begin with *at = 0; NULL: no more. Borrowed.
 */
const struct _cjose_jwk_int *jwks_next(const struct jwks *j, enum jws_alg alg, struct bytes kid, size_t *at);

/** Not empty base64url as JOSE writes it: no padding, no length that none has. cjose aborts on some that is not. */
bool jose_text_ok(struct bytes text);

/** An absolute http or https URL with a host, no blanks or control characters, at most 2048 bytes. */
bool provider_url_ok(const char *url);

#endif
