/* test/unit/auth/test_token.c -- ID tokens: good ones, and every way they are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "auth/token.h"
#include "unit/auth/jose.h"

#define ISSUER "https://id.example.com"
#define NOW 1700000000
#define GOOD "{\"iss\":\"https://id.example.com\",\"aud\":\"me\",\"sub\":\"s1\",\"exp\":1700000300,\"iat\":1700000000,\"nonce\":\"n1\"}"

struct world {
	struct arena *a;
	cjose_jwk_t *rsa, *other, *p256, *p384, *p521;
	struct jwks *keys; /* rsa, p256, p384, p521 */
	char *set;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->a = arena_new();
	w->rsa = jose_rsa("r1");
	w->other = jose_rsa("r1");
	w->p256 = jose_ec(CJOSE_JWK_EC_P_256, "e1");
	w->p384 = jose_ec(CJOSE_JWK_EC_P_384, "e2");
	w->p521 = jose_ec(CJOSE_JWK_EC_P_521, "e3");
	w->set = jose_set(w->a, (cjose_jwk_t *[]){ w->rsa, w->p256, w->p384, w->p521 }, 4);
	assert_int_equal(jwks_parse(bytes_of_str(w->set), &w->keys, NULL), ST_OK);
	assert_int_equal(jwks_count(w->keys), 4);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	jwks_free(&w->keys);
	cjose_jwk_release(w->rsa);
	cjose_jwk_release(w->other);
	cjose_jwk_release(w->p256);
	cjose_jwk_release(w->p384);
	cjose_jwk_release(w->p521);
	arena_free(&w->a);
	free(w);
	return 0;
}

static struct token_rules rules(void)
{
	return (struct token_rules){ .issuer = ISSUER, .client_id = "me", .nonce = "n1", .algs = (1u << JWS_ALG_COUNT) - 1,
				     .now_s = NOW };
}

/* What becomes of a token: OIDC_IDENTIFIED stands for "believed". */
static enum oidc_event verdict(struct world *w, const char *token, const struct token_rules *r)
{
	enum oidc_event why = OIDC_EVENT_COUNT;
	struct err err = { 0 };
	struct token t;

	if (token_verify(bytes_of_str(token), w->keys, r, &t, &why, &err) == ST_OK) {
		assert_non_null(t.subject);
		token_release(&t);
		return OIDC_IDENTIFIED;
	}
	assert_int_not_equal(err.text[0], '\0');
	return why;
}

#define assert_verdict(w, token, r, want) assert_string_equal(oidc_event_name(verdict(w, token, r)), oidc_event_name(want))

static void every_algorithm_is_believed(void **state)
{
	struct world *w = *state;
	struct token_rules r = rules();
	const struct {
		const char *alg, *kid;
		cjose_jwk_t *key;
	} t[] = {
		{ "RS256", "r1", w->rsa }, { "RS384", "r1", w->rsa }, { "RS512", NULL, w->rsa }, { "PS256", "r1", w->rsa },
		{ "PS384", "r1", w->rsa }, { "PS512", "r1", w->rsa }, { "ES256", "e1", w->p256 }, { "ES384", "e2", w->p384 },
		{ "ES512", "e3", w->p521 }, { "ES256", NULL, w->p256 },
	};

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		char *token = jose_sign(w->a, t[i].key, t[i].alg, t[i].kid, GOOD);
		struct token out;
		enum oidc_event why;

		print_message("%s\n", t[i].alg);
		assert_int_equal(token_verify(bytes_of_str(token), w->keys, &r, &out, &why, NULL), ST_OK);
		assert_string_equal(out.subject, "s1");
		assert_true(out.expires_ns == (int64_t)1700000300 * 1000000000);
		token_release(&out);
	}
}

static void claims_are_checked(void **state)
{
#define C(iss, aud, rest) "{\"iss\":" iss ",\"aud\":" aud "," rest "}"
#define OK_REST "\"sub\":\"s1\",\"exp\":1700000300,\"iat\":1700000000,\"nonce\":\"n1\""
	static const struct {
		const char *why, *claims;
		enum oidc_event want;
	} t[] = {
		{ "good", GOOD, OIDC_IDENTIFIED },
		{ "one audience of several", C("\"" ISSUER "\"", "[\"x\",\"me\"]", OK_REST), OIDC_IDENTIFIED },
		{ "azp is us", C("\"" ISSUER "\"", "[\"x\",\"me\"]", OK_REST ",\"azp\":\"me\""), OIDC_IDENTIFIED },
		{ "azp is another", C("\"" ISSUER "\"", "[\"x\",\"me\"]", OK_REST ",\"azp\":\"x\""), OIDC_TOKEN_AUDIENCE },
		{ "azp is a number", C("\"" ISSUER "\"", "\"me\"", OK_REST ",\"azp\":1"), OIDC_TOKEN_AUDIENCE },
		{ "another audience", C("\"" ISSUER "\"", "\"you\"", OK_REST), OIDC_TOKEN_AUDIENCE },
		{ "no audience of several", C("\"" ISSUER "\"", "[\"x\",\"y\"]", OK_REST), OIDC_TOKEN_AUDIENCE },
		{ "audience with a tail", C("\"" ISSUER "\"", "\"me\\u0000x\"", OK_REST), OIDC_TOKEN_AUDIENCE },
		{ "an object as audience", C("\"" ISSUER "\"", "{\"me\":1}", OK_REST), OIDC_TOKEN_AUDIENCE },
		{ "another issuer", C("\"https://id.example.org\"", "\"me\"", OK_REST), OIDC_TOKEN_ISSUER },
		{ "issuer with a slash", C("\"" ISSUER "/\"", "\"me\"", OK_REST), OIDC_TOKEN_ISSUER },
		{ "issuer with a tail", C("\"" ISSUER "\\u0000\"", "\"me\"", OK_REST), OIDC_TOKEN_ISSUER },
		{ "no issuer", "{\"aud\":\"me\"," OK_REST "}", OIDC_TOKEN_ISSUER },
		{ "expired", C("\"" ISSUER "\"", "\"me\"", "\"sub\":\"s1\",\"exp\":1699999900,\"nonce\":\"n1\""), OIDC_TOKEN_TIME },
		{ "a little late", C("\"" ISSUER "\"", "\"me\"", "\"sub\":\"s1\",\"exp\":1699999990,\"nonce\":\"n1\""), OIDC_IDENTIFIED },
		{ "no expiry", C("\"" ISSUER "\"", "\"me\"", "\"sub\":\"s1\",\"nonce\":\"n1\""), OIDC_TOKEN_TIME },
		{ "expiry as text", C("\"" ISSUER "\"", "\"me\"", "\"sub\":\"s1\",\"exp\":\"1700000300\",\"nonce\":\"n1\""), OIDC_TOKEN_TIME },
		{ "expiry beyond all time", C("\"" ISSUER "\"", "\"me\"", "\"sub\":\"s1\",\"exp\":1e300,\"nonce\":\"n1\""), OIDC_TOKEN_TIME },
		{ "expiry with a fraction", C("\"" ISSUER "\"", "\"me\"", "\"sub\":\"s1\",\"exp\":1700000300.5,\"nonce\":\"n1\""), OIDC_IDENTIFIED },
		{ "issued tomorrow", C("\"" ISSUER "\"", "\"me\"", "\"sub\":\"s1\",\"exp\":1700990000,\"iat\":1700086400,\"nonce\":\"n1\""), OIDC_TOKEN_TIME },
		{ "valid from tomorrow", C("\"" ISSUER "\"", "\"me\"", OK_REST ",\"nbf\":1700086400"), OIDC_TOKEN_TIME },
		{ "another nonce", C("\"" ISSUER "\"", "\"me\"", "\"sub\":\"s1\",\"exp\":1700000300,\"nonce\":\"n2\""), OIDC_TOKEN_NONCE },
		{ "no nonce", C("\"" ISSUER "\"", "\"me\"", "\"sub\":\"s1\",\"exp\":1700000300"), OIDC_TOKEN_NONCE },
		{ "no subject", C("\"" ISSUER "\"", "\"me\"", "\"exp\":1700000300,\"nonce\":\"n1\""), OIDC_TOKEN_MALFORMED },
		{ "a number as subject", C("\"" ISSUER "\"", "\"me\"", "\"sub\":7,\"exp\":1700000300,\"nonce\":\"n1\""), OIDC_TOKEN_MALFORMED },
		{ "no object", "[1]", OIDC_TOKEN_MALFORMED },
		{ "no JSON", "hello", OIDC_TOKEN_MALFORMED },
	};
	struct world *w = *state;
	struct token_rules r = rules();

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		print_message("%s\n", t[i].why);
		assert_verdict(w, jose_sign(w->a, w->rsa, "RS256", "r1", t[i].claims), &r, t[i].want);
	}
}

static void forgeries_are_refused(void **state)
{
	struct world *w = *state;
	struct token_rules r = rules();
	char *good = jose_sign(w->a, w->rsa, "RS256", "r1", GOOD), *cut;
	struct bytes key = bytes_of_str(w->set);

	/* Nothing, in any spelling, with and without something in the signature's place. */
	assert_verdict(w, jose_forge(w->a, "{\"alg\":\"none\"}", GOOD, (struct bytes){ 0 }), &r, OIDC_TOKEN_MALFORMED);
	assert_verdict(w, jose_forge(w->a, "{\"alg\":\"none\"}", GOOD, key), &r, OIDC_TOKEN_ALGORITHM);
	assert_verdict(w, jose_forge(w->a, "{\"alg\":\"NoNe\",\"kid\":\"r1\"}", GOOD, key), &r, OIDC_TOKEN_ALGORITHM);
	assert_verdict(w, jose_forge(w->a, "{\"alg\":\"\"}", GOOD, key), &r, OIDC_TOKEN_ALGORITHM);
	assert_verdict(w, jose_forge(w->a, "{}", GOOD, key), &r, OIDC_TOKEN_ALGORITHM);
	/* The public key as secret of an HMAC. */
	assert_verdict(w, jose_forge(w->a, "{\"alg\":\"HS256\",\"kid\":\"r1\"}", GOOD, key), &r, OIDC_TOKEN_ALGORITHM);
	assert_verdict(w, jose_forge(w->a, "{\"alg\":\"RS256\",\"kid\":\"r1\"}", GOOD, key), &r, OIDC_TOKEN_SIGNATURE);
	/* Two algorithms in one header: whoever wins, nothing is believed. */
	assert_verdict(w, jose_forge(w->a, "{\"alg\":\"RS256\",\"alg\":\"HS256\"}", GOOD, key), &r, OIDC_TOKEN_ALGORITHM);
	assert_int_not_equal(verdict(w, jose_forge(w->a, "{\"alg\":\"HS256\",\"alg\":\"RS256\"}", GOOD, key), &r), OIDC_IDENTIFIED);
	/* A key of its own in the header. */
	assert_verdict(w, jose_sign(w->a, w->other, "RS256", "r1", GOOD), &r, OIDC_TOKEN_SIGNATURE);
	assert_verdict(w, jose_sign(w->a, w->other, "RS256", "zz", GOOD), &r, OIDC_TOKEN_KEY);
	/* A curve that is not the algorithm's: no key of that kind. */
	assert_verdict(w, jose_sign(w->a, w->p384, "ES256", "e2", GOOD), &r, OIDC_TOKEN_KEY);
	/* What the provider does not list. */
	r.algs = 1u << JWS_RS256;
	assert_verdict(w, jose_sign(w->a, w->p256, "ES256", "e1", GOOD), &r, OIDC_TOKEN_ALGORITHM);
	assert_verdict(w, jose_sign(w->a, w->rsa, "RS512", "r1", GOOD), &r, OIDC_TOKEN_ALGORITHM);
	/* Extensions and other kinds of token. */
	assert_verdict(w, jose_forge(w->a, "{\"alg\":\"RS256\",\"crit\":[\"b64\"]}", GOOD, key), &r, OIDC_TOKEN_MALFORMED);
	assert_verdict(w, jose_forge(w->a, "{\"alg\":\"RS256\",\"typ\":\"AT+jwt\"}", GOOD, key), &r, OIDC_TOKEN_MALFORMED);
	/* Every cut of a good one, and every bit of its signature's first bytes. */
	for (size_t n = 0; n < strlen(good); n += 7) {
		cut = arena_strndup(w->a, good, n);
		assert_int_not_equal(verdict(w, cut, &r), OIDC_IDENTIFIED);
	}
	for (int bit = 0; bit < 5; bit++) {
		cut = arena_strdup(w->a, good);
		strrchr(cut, '.')[3 + bit] = strrchr(cut, '.')[3 + bit] == 'A' ? 'B' : 'A';
		assert_int_not_equal(verdict(w, cut, &r), OIDC_IDENTIFIED);
	}
	assert_verdict(w, good, &r, OIDC_IDENTIFIED);
	assert_verdict(w, arena_printf(w->a, "%s.x", good), &r, OIDC_TOKEN_MALFORMED);
	assert_verdict(w, arena_printf(w->a, "%s=", good), &r, OIDC_TOKEN_MALFORMED);
}

static void claims_of_one_and_signature_of_another_are_refused(void **state)
{
	struct world *w = *state;
	struct token_rules r = rules();
	char *a = jose_sign(w->a, w->rsa, "RS256", "r1", GOOD), *b;
	char *claims = jose_b64(w->a, GOOD " ", sizeof GOOD);
	size_t head = strcspn(a, ".");

	b = arena_printf(w->a, "%.*s.%s%s", (int)head, a, claims, strrchr(a, '.'));
	assert_verdict(w, b, &r, OIDC_TOKEN_SIGNATURE);
}

static void the_access_token_must_be_the_one(void **state)
{
	/* SHA-256 of "abc" begins ba7816bf 8f01cfea 414140de 5dae2223. */
	static const char *const claims = "{\"iss\":\"" ISSUER "\",\"aud\":\"me\"," OK_REST ",\"at_hash\":\"ungWv48Bz-pBQUDeXa4iIw\"}";
	struct world *w = *state;
	struct token_rules r = rules();

	r.access_token = "abc";
	assert_verdict(w, jose_sign(w->a, w->rsa, "RS256", "r1", claims), &r, OIDC_IDENTIFIED);
	assert_verdict(w, jose_sign(w->a, w->rsa, "RS384", "r1", claims), &r, OIDC_TOKEN_ACCESS_HASH);
	r.access_token = "abd";
	assert_verdict(w, jose_sign(w->a, w->rsa, "RS256", "r1", claims), &r, OIDC_TOKEN_ACCESS_HASH);
	assert_verdict(w, jose_sign(w->a, w->rsa, "RS256", "r1", GOOD), &r, OIDC_IDENTIFIED);
}

static void a_long_token_is_refused_unread(void **state)
{
	struct world *w = *state;
	struct token_rules r = rules();
	size_t n = ID_TOKEN_MAX + 1;
	char *t = arena_alloc(w->a, n + 1);

	memset(t, 'a', n);
	t[10] = t[20] = '.';
	assert_verdict(w, t, &r, OIDC_TOKEN_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_algorithm_is_believed),
		cmocka_unit_test(claims_are_checked),
		cmocka_unit_test(forgeries_are_refused),
		cmocka_unit_test(claims_of_one_and_signature_of_another_are_refused),
		cmocka_unit_test(the_access_token_must_be_the_one),
		cmocka_unit_test(a_long_token_is_refused_unread),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
