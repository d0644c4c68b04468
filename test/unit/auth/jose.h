/* test/unit/auth/jose.h -- keys and tokens for the tests: what a provider makes, good and bad. */
#ifndef TEST_UNIT_AUTH_JOSE_H
#define TEST_UNIT_AUTH_JOSE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjose/cjose.h>

#include "base/arena.h"
#include "crypto/hash.h"

static inline cjose_jwk_t *jose_rsa(const char *kid)
{
	cjose_jwk_t *k = cjose_jwk_create_RSA_random(2048, (const uint8_t *)"\x01\x00\x01", 3, NULL);

	if (k == NULL || (kid != NULL && !cjose_jwk_set_kid(k, kid, strlen(kid), NULL)))
		abort();
	return k;
}

static inline cjose_jwk_t *jose_ec(cjose_jwk_ec_curve crv, const char *kid)
{
	cjose_jwk_t *k = cjose_jwk_create_EC_random(crv, NULL);

	if (k == NULL || (kid != NULL && !cjose_jwk_set_kid(k, kid, strlen(kid), NULL)))
		abort();
	return k;
}

/* {"keys":[...]} of the public halves. */
static inline char *jose_set(struct arena *a, cjose_jwk_t *const *keys, size_t n)
{
	char *out = arena_strdup(a, "{\"keys\":[");

	for (size_t i = 0; i < n; i++) {
		char *one = cjose_jwk_to_json(keys[i], false, NULL);

		out = arena_printf(a, "%s%s%s", out, i ? "," : "", one);
		free(one);
	}
	return arena_printf(a, "%s]}", out);
}

/* A token signed by the key; kid NULL: none in the header. */
static inline char *jose_sign(struct arena *a, const cjose_jwk_t *k, const char *alg, const char *kid, const char *claims)
{
	cjose_header_t *h = cjose_header_new(NULL);
	const char *text = NULL;
	cjose_jws_t *jws;
	char *out;

	cjose_header_set(h, CJOSE_HDR_ALG, alg, NULL);
	if (kid != NULL)
		cjose_header_set(h, CJOSE_HDR_KID, kid, NULL);
	jws = cjose_jws_sign(k, h, (const uint8_t *)claims, strlen(claims), NULL);
	if (jws == NULL || !cjose_jws_export(jws, &text, NULL))
		abort();
	out = arena_strdup(a, text);
	cjose_jws_release(jws);
	cjose_header_release(h);
	return out;
}

static inline char *jose_b64(struct arena *a, const void *p, size_t n)
{
	char *out = arena_alloc(a, BASE64_LEN(n) + 1);

	base64url_encode(bytes_of(p, n), out);
	return out;
}

/* Header and claims as given, "signed" by HMAC-SHA-256 under any secret, or by nothing (key.n 0). */
static inline char *jose_forge(struct arena *a, const char *header, const char *claims, struct bytes key)
{
	char *h = jose_b64(a, header, strlen(header)), *c = jose_b64(a, claims, strlen(claims));
	char *text = arena_printf(a, "%s.%s", h, c);
	uint8_t mac[SHA256_LEN];

	if (key.n == 0)
		return arena_printf(a, "%s.", text);
	hmac_sha256(key, bytes_of_str(text), mac);
	return arena_printf(a, "%s.%s", text, jose_b64(a, mac, sizeof mac));
}

#endif
