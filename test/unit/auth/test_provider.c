/* test/unit/auth/test_provider.c -- discovery documents and key sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "auth/provider.h"
#include "unit/auth/jose.h"

#define ENDS "\"authorization_endpoint\":\"https://id/a\",\"token_endpoint\":\"https://id/t\",\"jwks_uri\":\"https://id/k\""

static void documents_are_read_or_refused(void **state)
{
	static const struct {
		const char *why, *json;
		enum status want;
	} t[] = {
		{ "the least", "{\"issuer\":\"https://id\"," ENDS "}", ST_OK },
		{ "all", "{\"issuer\":\"https://id\"," ENDS ",\"userinfo_endpoint\":\"http://id/u\",\"x\":[1]}", ST_OK },
		{ "unknown algorithms beside a known one", "{\"issuer\":\"https://id\"," ENDS ",\"id_token_signing_alg_values_supported\":[\"HS256\",7,\"ES256\"]}", ST_OK },
		{ "another issuer", "{\"issuer\":\"https://id/\"," ENDS "}", ST_BAD_INPUT },
		{ "no issuer", "{" ENDS "}", ST_BAD_INPUT },
		{ "an endpoint that is no URL", "{\"issuer\":\"https://id\"," ENDS ",\"token_endpoint\":\"ftp://id/t\"}", ST_BAD_INPUT },
		{ "an endpoint with a fragment", "{\"issuer\":\"https://id\"," ENDS ",\"token_endpoint\":\"https://id/t#x\"}", ST_BAD_INPUT },
		{ "an endpoint with a line end", "{\"issuer\":\"https://id\"," ENDS ",\"token_endpoint\":\"https://id/t\\r\\nx: y\"}", ST_BAD_INPUT },
		{ "an endpoint without host", "{\"issuer\":\"https://id\"," ENDS ",\"userinfo_endpoint\":\"https:///u\"}", ST_BAD_INPUT },
		{ "an endpoint missing", "{\"issuer\":\"https://id\",\"authorization_endpoint\":\"https://id/a\",\"token_endpoint\":\"https://id/t\"}", ST_BAD_INPUT },
		{ "symmetric algorithms alone", "{\"issuer\":\"https://id\"," ENDS ",\"id_token_signing_alg_values_supported\":[\"HS256\",\"none\"]}", ST_UNSUPPORTED },
		{ "algorithms as text", "{\"issuer\":\"https://id\"," ENDS ",\"id_token_signing_alg_values_supported\":\"RS256\"}", ST_BAD_INPUT },
		{ "a list", "[]", ST_BAD_INPUT },
		{ "null", "null", ST_BAD_INPUT },
		{ "cut", "{\"issuer\":\"https://id\"", ST_BAD_INPUT },
		{ "nothing", "", ST_BAD_INPUT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct provider *p = NULL;
		struct err err = { 0 };
		enum status s = provider_parse(bytes_of_str(t[i].json), "https://id", &p, &err);

		if (s != t[i].want)
			fail_msg("%s: %s %s", t[i].why, status_name(s), err.text);
		if (s != ST_OK)
			assert_string_not_equal(err.text, "");
		provider_free(&p);
	}
}

static void what_is_listed_counts(void **state)
{
	struct provider *p = NULL, *q = NULL;

	(void)state;
	assert_int_equal(provider_parse(BYTES_LIT("{\"issuer\":\"https://id\"," ENDS "}"), "https://id", &p, NULL), ST_OK);
	assert_int_equal(p->algs, 1u << JWS_RS256);
	assert_int_equal(p->client_auth, CLIENT_AUTH_UNKNOWN);
	assert_null(p->userinfo_endpoint);
	assert_int_equal(provider_parse(BYTES_LIT("{\"issuer\":\"https://id\"," ENDS ",\"id_token_signing_alg_values_supported\":[\"none\",\"ES384\","
						  "\"PS256\"],\"token_endpoint_auth_methods_supported\":[\"client_secret_post\",\"private_key_jwt\"]}"),
					"https://id", &q, NULL), ST_OK);
	assert_int_equal(q->algs, 1u << JWS_ES384 | 1u << JWS_PS256);
	assert_int_equal(q->client_auth, CLIENT_AUTH_FORM);
	assert_true(provider_equal(p, p));
	assert_false(provider_equal(p, q));
	provider_free(&p);
	provider_free(&q);
}

static size_t keys_of(const char *json)
{
	struct jwks *j = NULL;
	size_t n;

	assert_int_equal(jwks_parse(bytes_of_str(json), &j, NULL), ST_OK);
	n = jwks_count(j);
	jwks_free(&j);
	return n;
}

static void keys_that_are_none_are_left_out(void **state)
{
#define X "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"
#define Y "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"
#define EC(rest) "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"" rest "}]}"
#define SEED_Y "u0yFo9jqKe-q-iRAaRLdhNWxTcMr9lbvbGvVil2UP5I"
#define AT(x, y) "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" x "\",\"y\":\"" y "\"}]}"
	static const struct {
		const char *why, *json;
		size_t want;
	} t[] = {
		{ "good", EC(""), 1 },
		{ "for signatures", EC(",\"use\":\"sig\",\"alg\":\"ES256\",\"key_ops\":[\"verify\"]"), 1 },
		{ "for encryption", EC(",\"use\":\"enc\""), 0 },
		{ "for signing by others", EC(",\"key_ops\":[\"sign\"]"), 0 },
		{ "of an algorithm that is none", EC(",\"alg\":\"HS256\""), 0 },
		{ "a point that is not on the curve", "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" X "\"}]}", 0 },
		{ "a curve that is none", "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-255\",\"x\":\"" X "\",\"y\":\"" Y "\"}]}", 0 },
		{ "with a coordinate that begins with a zero", AT("AFVDiUrz0A7X10Cr29dclrBod7eH219w7qeLkKjXwAo", SEED_Y), 1 },
		{ "the same, without its zero", AT("VUOJSvPQDtfXQKvb11yWsGh3t4fbX3Dup4uQqNfACg", SEED_Y), 1 },
		{ "the same, with a sign", AT("AABVQ4lK89AO19dAq9vXXJawaHe3h9tfcO6ni5Co18AK", "ALtMhaPY6invqvokQGkS3YTVsU3DK_ZW72xr1YpdlD-S"), 1 },
		{ "a coordinate that is too long", AT(X X, Y), 0 },
		{ "a coordinate that is nothing", AT("AAAA", Y), 0 },
		{ "an HMAC secret", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"" X "\"}]}", 0 },
		{ "a short RSA key", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" X X "\",\"e\":\"AQAB\"}]}", 0 },
		{ "no base64url", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"0vx7x4=bbf!AtV\",\"e\":\"AQAB\"}]}", 0 },
		{ "padded", "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "=\",\"y\":\"" Y "=\"}]}", 0 },
		{ "an exponent missing", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" X "\"}]}", 0 },
		{ "no objects", "{\"keys\":[1,null,\"x\",[]]}", 0 },
		{ "none", "{\"keys\":[]}", 0 },
	};
	struct jwks *j = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		if (keys_of(t[i].json) != t[i].want)
			fail_msg("%s", t[i].why);
	assert_int_equal(jwks_parse(BYTES_LIT("{}"), &j, NULL), ST_BAD_INPUT);
	assert_int_equal(jwks_parse(BYTES_LIT("[]"), &j, NULL), ST_BAD_INPUT);
	assert_int_equal(jwks_parse(BYTES_LIT("null"), &j, NULL), ST_BAD_INPUT);
	assert_null(j);
}

static void a_long_list_is_cut(void **state)
{
	struct arena *a = arena_new();
	char *all = arena_strdup(a, "{\"keys\":[");

	(void)state;
	for (int i = 0; i < JWKS_KEYS_MAX + 20; i++)
		all = arena_printf(a, "%s%s{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}", all, i ? "," : "");
	all = arena_printf(a, "%s]}", all);
	assert_int_equal(keys_of(all), JWKS_KEYS_MAX);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_are_read_or_refused),
		cmocka_unit_test(what_is_listed_counts),
		cmocka_unit_test(keys_that_are_none_are_left_out),
		cmocka_unit_test(a_long_list_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
