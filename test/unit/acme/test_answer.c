/* Unit tests of acme/answer.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "acme/answer.h"
#include "base/buf.h"

static const char directory[] = "{\"newNonce\":\"https://ca.example/nonce\",\"newAccount\":\"https://ca.example/acct\","
				"\"newOrder\":\"https://ca.example/order\",\"keyChange\":7,"
				"\"meta\":{\"externalAccountRequired\":false,\"website\":\"x\"}}";
static const char order[] = "{\"status\":\"valid\",\"authorizations\":[\"https://ca.example/a/1\",\"https://ca.example/a/2\"],"
			    "\"finalize\":\"https://ca.example/f\",\"certificate\":\"https://ca.example/c\"}";
static const char authz[] = "{\"status\":\"invalid\",\"identifier\":{\"type\":\"dns\",\"value\":\"A.Example\"},\"challenges\":["
			    "{\"type\":\"dns-01\"},{\"type\":\"http-01\",\"url\":\"https://ca.example/ch\",\"token\":\"aZ09-_\","
			    "\"status\":\"invalid\",\"error\":{\"type\":\"urn:ietf:params:acme:error:connection\",\"detail\":\"no\\nway\"}}]}";

static void what_is_in_a_directory(void **state)
{
	struct acme_directory d;

	(void)state;
	assert_int_equal(acme_directory_parse(bytes_of_str(directory), &d, NULL), ST_OK);
	assert_string_equal(d.new_nonce, "https://ca.example/nonce");
	assert_string_equal(d.new_account, "https://ca.example/acct");
	assert_string_equal(d.new_order, "https://ca.example/order");
	assert_false(d.external_account);
}

static void what_is_in_an_order(void **state)
{
	struct acme_order o;

	(void)state;
	assert_int_equal(acme_order_parse(bytes_of_str(order), &o, NULL), ST_OK);
	assert_int_equal(o.state, ACME_VALID);
	assert_int_equal(o.n_authorizations, 2);
	assert_string_equal(o.authorizations[1], "https://ca.example/a/2");
	assert_string_equal(o.finalize, "https://ca.example/f");
	assert_string_equal(o.certificate, "https://ca.example/c");
	assert_string_equal(o.problem.type, "");
}

static void what_is_in_an_authorization(void **state)
{
	struct acme_authorization a;

	(void)state;
	assert_int_equal(acme_authorization_parse(bytes_of_str(authz), "http-01", &a, NULL), ST_OK);
	assert_int_equal(a.state, ACME_INVALID);
	assert_string_equal(a.name, "a.example");
	assert_true(a.offered);
	assert_string_equal(a.token, "aZ09-_");
	assert_string_equal(a.url, "https://ca.example/ch");
	assert_int_equal(a.challenge_state, ACME_INVALID);
	assert_string_equal(a.problem.type, "connection");
	assert_string_equal(a.problem.detail, "no way");
	assert_int_equal(acme_authorization_parse(bytes_of_str(authz), "tls-alpn-01", &a, NULL), ST_OK);
	assert_false(a.offered);
}

static void every_word_for_a_state(void **state)
{
	static const struct {
		const char *word;
		enum acme_state state;
	} cases[] = { { "pending", ACME_PENDING }, { "ready", ACME_READY },   { "processing", ACME_PROCESSING },
		      { "valid", ACME_VALID },	   { "invalid", ACME_INVALID }, { "deactivated", ACME_GONE },
		      { "revoked", ACME_GONE },	   { "Valid", ACME_GONE } };
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct acme_order o;
		char text[200];

		snprintf(text, sizeof text, "{\"status\":\"%s\",\"finalize\":\"https://ca.example/f\"}", cases[i].word);
		assert_int_equal(acme_order_parse(bytes_of_str(text), &o, NULL), ST_OK);
		assert_int_equal(o.state, cases[i].state);
	}
}

/* Nothing that is cut off is taken, and a failure leaves the struct alone. */
static void every_prefix_is_refused(void **state)
{
	struct acme_directory d;
	struct acme_order o;
	struct acme_authorization a;

	(void)state;
	memset(&d, 0x55, sizeof d);
	for (size_t n = 0; n + 1 < sizeof directory; n++)
		assert_int_equal(acme_directory_parse(bytes_of(directory, n), &d, NULL), ST_BAD_INPUT);
	for (size_t n = 0; n + 1 < sizeof order; n++)
		assert_int_equal(acme_order_parse(bytes_of(order, n), &o, NULL), ST_BAD_INPUT);
	for (size_t n = 0; n + 1 < sizeof authz; n++)
		assert_int_equal(acme_authorization_parse(bytes_of(authz, n), "http-01", &a, NULL), ST_BAD_INPUT);
	for (size_t i = 0; i < sizeof d; i++)
		assert_int_equal(((const uint8_t *)&d)[i], 0x55);
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *json, *why;
	} dirs[] = {
		{ "[]", "no object" },
		{ "null", "null" },
		{ "{\"newNonce\":1,\"newAccount\":\"https://a/b\",\"newOrder\":\"https://a/b\"}", "a number for a URL" },
		{ "{\"newNonce\":\"https://a/b\",\"newAccount\":\"https://a/b\"}", "no newOrder" },
		{ "{\"newNonce\":\"file:///etc/passwd\",\"newAccount\":\"https://a/b\",\"newOrder\":\"https://a/b\"}", "another scheme" },
		{ "{\"newNonce\":\"/nonce\",\"newAccount\":\"https://a/b\",\"newOrder\":\"https://a/b\"}", "relative" },
		{ "{\"newNonce\":\"https://a/b c\",\"newAccount\":\"https://a/b\",\"newOrder\":\"https://a/b\"}", "a blank" },
		{ "{\"newNonce\":\"https://a/\\u0001\",\"newAccount\":\"https://a/b\",\"newOrder\":\"https://a/b\"}", "a control" },
	}, orders[] = {
		{ "{\"finalize\":\"https://a/b\"}", "no status" },
		{ "{\"status\":\"ready\"}", "nowhere to finalize" },
		{ "{\"status\":\"ready\",\"finalize\":\"https://a/b\",\"authorizations\":{}}", "authorizations that are no list" },
		{ "{\"status\":\"ready\",\"finalize\":\"https://a/b\",\"authorizations\":[1]}", "an authorization that is a number" },
		{ "{\"status\":\"ready\",\"finalize\":\"https://a/b\",\"certificate\":\"x\"}", "a certificate that is no URL" },
	}, authzs[] = {
		{ "{\"status\":\"valid\"}", "no name" },
		{ "{\"status\":\"valid\",\"identifier\":{\"value\":\"\"}}", "an empty name" },
		{ "{\"status\":\"pending\",\"identifier\":{\"value\":\"a\"},\"challenges\":[3]}", "a challenge that is a number" },
		{ "{\"status\":\"pending\",\"identifier\":{\"value\":\"a\"},\"challenges\":[{\"type\":\"http-01\",\"status\":\"pending\","
		  "\"url\":\"https://a/b\",\"token\":\"../../etc\"}]}", "a token with slashes" },
		{ "{\"status\":\"pending\",\"identifier\":{\"value\":\"a\"},\"challenges\":[{\"type\":\"http-01\",\"status\":\"pending\","
		  "\"url\":\"https://a/b\",\"token\":\"\"}]}", "an empty token" },
		{ "{\"status\":\"pending\",\"identifier\":{\"value\":\"a\"},\"challenges\":[{\"type\":\"http-01\",\"status\":\"pending\","
		  "\"url\":\"https://a/b\"}]}", "no token" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
		struct acme_directory d;

		print_message("directory: %s\n", dirs[i].why);
		assert_int_equal(acme_directory_parse(bytes_of_str(dirs[i].json), &d, NULL), ST_BAD_INPUT);
	}
	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
		struct acme_order o;

		print_message("order: %s\n", orders[i].why);
		assert_int_equal(acme_order_parse(bytes_of_str(orders[i].json), &o, NULL), ST_BAD_INPUT);
	}
	for (size_t i = 0; i < sizeof authzs / sizeof *authzs; i++) {
		struct acme_authorization a;

		print_message("authorization: %s\n", authzs[i].why);
		assert_int_equal(acme_authorization_parse(bytes_of_str(authzs[i].json), "http-01", &a, NULL), ST_BAD_INPUT);
	}
}

static void limits(void **state)
{
	struct acme_order o;
	struct buf b;
	char url[ACME_URL_MAX + 8];

	(void)state;
	memset(url, 'a', sizeof url);
	memcpy(url, "https://", 8);
	url[ACME_URL_MAX - 1] = '\0';
	assert_true(acme_url_ok(url));
	url[ACME_URL_MAX - 1] = 'a';
	url[ACME_URL_MAX] = '\0';
	assert_false(acme_url_ok(url));
	for (size_t n = ACME_NAMES_MAX; n <= ACME_NAMES_MAX + 1; n++) {
		buf_init(&b, 65536);
		buf_put_str(&b, "{\"status\":\"pending\",\"finalize\":\"https://a/b\",\"authorizations\":[");
		for (size_t i = 0; i < n; i++)
			buf_printf(&b, "%s\"https://a/%zu\"", i ? "," : "", i);
		buf_put_str(&b, "]}");
		assert_int_equal(acme_order_parse(buf_bytes(&b), &o, NULL), n > ACME_NAMES_MAX ? ST_TOO_BIG : ST_OK);
		buf_release(&b);
	}
	buf_init(&b, ACME_JSON_MAX + 1);
	memset(buf_reserve(&b, ACME_JSON_MAX + 1), ' ', ACME_JSON_MAX + 1);
	b.n = ACME_JSON_MAX + 1;
	assert_int_equal(acme_order_parse(buf_bytes(&b), &o, NULL), ST_TOO_BIG);
	buf_release(&b);
}

static void problems_are_never_an_error(void **state)
{
	struct acme_problem p;
	char text[2000];

	(void)state;
	acme_problem_parse(BYTES_LIT("<html>"), &p);
	assert_string_equal(p.type, "");
	assert_string_equal(p.detail, "");
	acme_problem_parse(BYTES_LIT("{\"type\":\"urn:ietf:params:acme:error:badNonce\",\"detail\":\"used\"}"), &p);
	assert_string_equal(p.type, "badNonce");
	assert_string_equal(p.detail, "used");
	acme_problem_parse(BYTES_LIT("{\"type\":7,\"detail\":\"used\"}"), &p);
	assert_string_equal(p.type, "");
	snprintf(text, sizeof text, "{\"type\":\"about:blank\",\"detail\":\"x%0700d\"}", 0);
	acme_problem_parse(bytes_of_str(text), &p);
	assert_string_equal(p.type, "about:blank");
	assert_int_equal(strlen(p.detail), sizeof p.detail - 1);
	snprintf(text, sizeof text, "{\"detail\":\"%0510d\xc3\xa4\"}", 0); /* cut inside a character */
	acme_problem_parse(bytes_of_str(text), &p);
	assert_int_equal(strlen(p.detail), 510);
}

static void how_long_to_wait(void **state)
{
	static const struct {
		const char *value;
		int64_t s;
	} cases[] = { { "0", 0 },
		      { "120", 120 },
		      { "99999999999999999999", ACME_RETRY_AFTER_MAX },
		      { "", -1 },
		      { "soon", -1 },
		      { "-5", -1 },
		      { "Thu, 01 Jan 1970 00:16:50 GMT", 10 },
		      { "Thu, 01 Jan 1970 00:00:01 GMT", 0 },
		      { "Thu, 01 Jan 2026 00:00:01 GMT", ACME_RETRY_AFTER_MAX } };
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		print_message("\"%s\"\n", cases[i].value);
		assert_int_equal(acme_retry_after(cases[i].value, 1000), cases[i].s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_a_directory),
		cmocka_unit_test(what_is_in_an_order),
		cmocka_unit_test(what_is_in_an_authorization),
		cmocka_unit_test(every_word_for_a_state),
		cmocka_unit_test(every_prefix_is_refused),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(limits),
		cmocka_unit_test(problems_are_never_an_error),
		cmocka_unit_test(how_long_to_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
