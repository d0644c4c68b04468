/*
 * auth/token.h -- is this ID token the provider's word to us, now, for this login?
 *
 * Pure. Source: OpenID Connect Core 1.0, 3.1.3.7; RFC 7515, RFC 8725. Tokens are compact JWS with a public-key signature.
 */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H

#include <json-c/json.h>

#include "auth/counters.h"
#include "auth/provider.h"

#define ID_TOKEN_MAX ((size_t)64 * 1024) /* bytes */
#define ID_TOKEN_LEEWAY_S 60             /* that clocks may differ by */

/* What it must say. Borrowed. */
struct token_rules {
	const char *issuer, *client_id, *nonce;
	unsigned algs;             /* bit 1 << enum jws_alg: what the provider lists */
	const char *access_token;  /* for at_hash; NULL: not looked at */
	int64_t now_s;             /* Unix time */
};

struct token {
	struct json_object *claims; /* an object; returned (token_release) */
	const char *subject;        /* borrowed from claims; 1..255 bytes */
	int64_t expires_ns;         /* of the token */
};

/**
 * Check signature and claims.
 *
 * why_out  set on failure: the OIDC_TOKEN_* it failed for. OIDC_TOKEN_KEY and OIDC_TOKEN_SIGNATURE may mean that the
 *          provider has changed its keys: fetch them and ask again.
 * ST_DENIED: not to be believed; err (may be NULL) has words for the log, with nothing secret in them.
 */
enum status token_verify(struct bytes compact, const struct jwks *keys, const struct token_rules *r, struct token *out,
			 enum oidc_event *why_out, struct err *err) MUST_CHECK;
void token_release(struct token *t);

#endif
