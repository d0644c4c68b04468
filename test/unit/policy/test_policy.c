/* policy/policy.h and what it is made of: texts, warnings, durations, versions, postures, selectors. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "policy/policy.h"
#include "policy/policy_priv.h"

static struct policy *parse(const char *text, struct policy_error *e)
{
	struct policy *p = NULL;

	return policy_parse(bytes_of_str(text), NULL, &p, e) == ST_OK ? p : NULL;
}

static void a_fault_has_its_place(void **state)
{
	struct policy_error e = { 0 };
	(void)state;
	assert_null(
	    parse("{\n  // x\n  \"acls\": [\n    {\"action\": \"deny\", \"src\": [], \"dst\": []},\n  ],\n}", &e));
	assert_int_equal(e.http_status, 400);
	assert_int_equal(e.line, 4);
	assert_int_equal(e.column, 16);
	assert_string_equal(e.message, "action=\"deny\" is not supported");
}

static void the_first_section_in_order_is_the_answer(void **state)
{
	struct policy_error e = { 0 };
	(void)state;
	assert_null(parse("{\"ssh\":[{}],\"acls\":[{\"action\":\"x\"}],\"groups\":{\"group:a\":[\"b\"]}}", &e));
	assert_string_equal(e.message, "groups[\"group:a\"]: username must contain @, got: \"b\"");
}

static void text_and_standard_form_are_kept(void **state)
{
	struct policy *p = parse("{\"acls\":[],} // x", NULL), *blank = parse(" // x", NULL);
	char *s = policy_standard_json(p, NULL);
	size_t n;
	(void)state;
	assert_true(bytes_eq_str(policy_text(p), "{\"acls\":[],} // x"));
	assert_string_equal(s, "{\"acls\":[] }     ");
	free(s);
	s = policy_standard_json(blank, &n);
	assert_string_equal(s, "{}");
	assert_int_equal(n, 2);
	free(s);
	policy_unref(&p);
	policy_unref(&blank);
	assert_null(p);
	policy_unref(&p);
}

static void quoting_is_that_of_go(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "\"\"" },
		{ "a\"b\\", "\"a\\\"b\\\\\"" },
		{ "\t\n\x01\x7f", "\"\\t\\n\\x01\\x7f\"" },
		{ "\xd1\x81\xf0\x9f\x9a\x80", "\"\xd1\x81\xf0\x9f\x9a\x80\"" },
		{ "\xff", "\"\\xff\"" },
		{ "\xe2\x80\x8b", "\"\\u200b\"" },
		{ "\xc2\xa0", "\"\\u00a0\"" },
	};
	struct arena *a = arena_new();
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(quoted_str(a, cases[i].in), cases[i].out);
	arena_free(&a);
}

static void durations_are_those_of_go(void **state)
{
	static const struct {
		const char *text;
		int64_t ns; /* -1: refused */
		const char *why;
	} cases[] = {
		{ "0", 0, NULL },
		{ "1h30m", 5400 * NS_PER_S, NULL },
		{ "-1m", -60 * NS_PER_S, NULL },
		{ "1.5h", 5400 * NS_PER_S, NULL },
		{ ".5s", NS_PER_S / 2, NULL },
		{ "100ms", 100 * NS_PER_MS, NULL },
		{ "1\xc2\xb5s", 1000, NULL },
		{ "", -1, "time: invalid duration \"\"" },
		{ "-", -1, "time: invalid duration \"-\"" },
		{ "abc", -1, "time: invalid duration \"abc\"" },
		{ "5", -1, "time: missing unit in duration \"5\"" },
		{ "5x", -1, "time: unknown unit \"x\" in duration \"5x\"" },
		{ "1h5", -1, "time: missing unit in duration \"1h5\"" },
		{ "9999999999h", -1, "time: invalid duration \"9999999999h\"" },
	};
	struct arena *a = arena_new();
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t ns = 0;
		const char *why = NULL;
		bool ok = go_duration(a, cases[i].text, &ns, &why);
		if (ok != !cases[i].why || (ok && ns != cases[i].ns) || (!ok && strcmp(why, cases[i].why) != 0))
			fail_msg("%s: %lld %s", cases[i].text, (long long)ns, why ? why : "");
	}
	arena_free(&a);
}

static void versions_compare_field_by_field(void **state)
{
	(void)state;
	assert_true(version_cmp("1.9", "1.10") < 0);
	assert_true(version_cmp("12", "12.0") < 0);
	assert_true(version_cmp("1.40.0-t1", "1.40.0-t1") == 0);
	assert_true(version_cmp("1.040", "1.40") == 0);
	assert_true(version_cmp("2", "10") < 0);
	assert_true(version_cmp("1.b", "1.a") > 0);
	assert_true(version_cmp("99999999999999999999", "100000000000000000000") < 0);
}

static bool holds(const char *assertion, const struct policy_attr *a, size_t n)
{
	char text[300];
	struct policy *p;
	bool ok;

	snprintf(text, sizeof text, "{\"postures\":{\"posture:x\":[\"%s\"]}}", assertion);
	p = parse(text, NULL);
	assert_non_null(p);
	ok = posture_holds(&p->postures.v[0], a, n);
	policy_unref(&p);
	return ok;
}

static void assertions_mean_what_is_documented(void **state)
{
	const struct policy_attr a[] = {
		{ .name = "node:os", .type = POLICY_ATTR_STRING, .str = "linux" },
		{ .name = "custom:tier", .type = POLICY_ATTR_NUMBER, .num = 3 },
		{ .name = "node:tsAutoUpdate", .type = POLICY_ATTR_BOOL, .flag = true },
		{ .name = "custom:off", .type = POLICY_ATTR_BOOL, .flag = false },
		{ .name = "node:tsVersion", .type = POLICY_ATTR_STRING, .str = "1.60.1" },
	};
	static const struct {
		const char *assertion;
		bool holds;
	} cases[] = {
		{ "node:os == 'linux'", true },
		{ "node:os=='macos'", false },
		{ "node:os != 'macos'", true },
		{ "node:os IN ['macos', 'linux']", true },
		{ "node:os in ['macos']", false },
		{ "node:os NOT IN ['macos']", true },
		{ "node:os IS SET", true },
		{ "node:os NOT SET", false },
		{ "custom:none IS SET", false },
		{ "custom:none not set", true },
		{ "custom:none != 'x'", false },
		{ "custom:none NOT IN ['x']", false },
		{ "custom:tier >= 3", true },
		{ "custom:tier < 3", false },
		{ "custom:tier > 2.5", true },
		{ "custom:tier == '3'", false },
		{ "node:tsAutoUpdate", true },
		{ "custom:off", false },
		{ "custom:off == false", true },
		{ "custom:none", false },
		{ "node:tsVersion >= '1.9'", true },
		{ "node:tsVersion < '1.60.1'", false },
		{ "node:tsVersion <= '1.60.1'", true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (holds(cases[i].assertion, a, 5) != cases[i].holds)
			fail_msg("%s", cases[i].assertion);
}

static void a_hostile_policy_is_refused_in_time(void **state)
{
	struct buf b;
	struct policy_error e = { 0 };
	struct policy *p = NULL;
	int64_t t = clock_mono_ns();
	(void)state;
	buf_init(&b, 8 << 20);
	buf_put_str(&b, "{\"acls\":[");
	for (unsigned i = 0; i < 60000; i++)
		buf_printf(&b, "{\"action\":\"accept\",\"src\":[\"*\"],\"dst\":[\"*:%u\"]},", 1 + i % 60000);
	buf_put_str(&b, "]}");
	assert_int_equal(policy_parse(buf_bytes(&b), NULL, &p, &e), ST_TOO_BIG);
	assert_non_null(strstr(e.message, "too many"));
	buf_reset(&b);
	buf_put_str(&b, "{\"ipsets\":{");
	for (unsigned i = 0; i < 15; i++)
		buf_printf(&b, "\"ipset:%u\":[\"ipset:%u\",\"ipset:%u\",\"ipset:%u\",\"ipset:%u\"],", i, i + 1, i + 1,
			   i + 1, i + 1);
	buf_put_str(&b, "\"ipset:15\":[]}}");
	assert_int_equal(policy_parse(buf_bytes(&b), NULL, &p, &e), ST_BAD_INPUT);
	assert_string_equal(e.message, "ipsets: too many entries");
	assert_true(clock_mono_ns() - t < 20 * NS_PER_S);
	buf_release(&b);
}

static void warnings_have_their_place(void **state)
{
	const struct policy_warning *w;
	struct policy *p = parse("{\"ssh\":[{\"action\":\"accept\",\"src\":[\"autogroup:member\"],\n"
				 "\"dst\":[\"autogroup:member\"],\"users\":[\"x\"]}]}",
				 NULL);
	(void)state;
	assert_int_equal(policy_warnings(p, &w), 1);
	assert_int_equal(w[0].line, 2);
	assert_int_equal(w[0].column, 8);
	policy_unref(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_has_its_place),
		cmocka_unit_test(the_first_section_in_order_is_the_answer),
		cmocka_unit_test(text_and_standard_form_are_kept),
		cmocka_unit_test(quoting_is_that_of_go),
		cmocka_unit_test(durations_are_those_of_go),
		cmocka_unit_test(versions_compare_field_by_field),
		cmocka_unit_test(assertions_mean_what_is_documented),
		cmocka_unit_test(a_hostile_policy_is_refused_in_time),
		cmocka_unit_test(warnings_have_their_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
