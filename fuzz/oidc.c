/*
 * fuzz/oidc.c -- what a provider sends: discovery, keys, ID tokens, claims. The first byte says which.
 *
 * Nothing is ever believed that was not signed; what is read of a discovery document are URLs; a person's stored name
 * begins with the issuer and has no character that a URL has not.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/identity.h"
#include "auth/provider.h"
#include "auth/token.h"
#include "base/json_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The example keys of RFC 7517, appendix A.1. */
static const char keys_text[] =
	"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
	"\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\",\"kid\":\"1\"},{\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nn"
	"drQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93"
	"lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4v"
	"MQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\",\"kid\":\"2\"}]}";

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void discovery(struct bytes in)
{
	struct provider *p = NULL;

	if (provider_parse(in, "https://id.example.com", &p, NULL) != ST_OK)
		return;
	check(provider_url_ok(p->authorization_endpoint) && provider_url_ok(p->token_endpoint) && provider_url_ok(p->jwks_uri));
	check(p->algs != 0 && p->algs < 1u << JWS_ALG_COUNT);
	check(provider_equal(p, p));
	provider_free(&p);
}

static void keys(struct bytes in)
{
	struct jwks *j = NULL;
	size_t n = 0;

	if (jwks_parse(in, &j, NULL) != ST_OK)
		return;
	for (size_t at = 0; jwks_next(j, JWS_RS256, (struct bytes){ 0 }, &at) != NULL;)
		n++;
	for (size_t at = 0; jwks_next(j, JWS_ES256, (struct bytes){ 0 }, &at) != NULL;)
		n++;
	check(n <= jwks_count(j) && jwks_count(j) <= JWKS_KEYS_MAX);
	jwks_free(&j);
}

static void token(struct bytes in)
{
	static struct jwks *known;
	const struct token_rules r = { .issuer = "https://id.example.com", .client_id = "me", .nonce = "n", .now_s = 1700000000,
				       .algs = (1u << JWS_ALG_COUNT) - 1 };
	enum oidc_event why = OIDC_EVENT_COUNT;
	struct token t;

	if (known == NULL)
		check(jwks_parse(BYTES_LIT(keys_text), &known, NULL) == ST_OK && jwks_count(known) == 2);
	check(token_verify(in, known, &r, &t, &why, NULL) == ST_DENIED);
	check(why >= OIDC_TOKEN_MALFORMED && why <= OIDC_TOKEN_ACCESS_HASH);
}

static void claims(struct bytes in)
{
	struct json_object *o = NULL;
	struct identity id = { 0 }, *copy;
	const char *sub = "";
	struct arena *a;

	if (json_parse(in, 1 << 18, &o, NULL) != ST_OK || !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return;
	}
	a = arena_new();
	identity_read(a, o, &id);
	identity_read(a, o, &id); /* again changes nothing */
	check(id.n_groups <= IDENTITY_GROUPS_MAX);
	if (json_get_str(o, "sub", &sub, NULL) == ST_OK && identity_provider_id(a, "https://id/", sub, &id.provider_id) == ST_OK) {
		check(strncmp(id.provider_id, "https://id/", 11) == 0 && id.provider_id[11] != '\0');
		for (const char *c = id.provider_id; *c; c++)
			check(*c > ' ' && (unsigned char)*c < 0x7f);
		copy = identity_copy(&id);
		check(*identity_display(copy) != '\0');
		identity_free(&copy);
	}
	arena_free(&a);
	json_object_put(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parts[])(struct bytes) = { discovery, keys, token, claims };

	if (size > 0)
		parts[data[0] % 4](bytes_of(data + 1, size - 1));
	return 0;
}
