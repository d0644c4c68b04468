/* Tests of base/json_out.h and base/json_in.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/utf8.h"

static char *quoted(struct bytes s)
{
	struct buf b;
	struct jw w;

	buf_init(&b, 1 << 20);
	jw_init(&w, &b);
	jw_str_bytes(&w, s);
	assert_true(buf_ok(&b));
	return buf_take(&b, NULL);
}

static void the_writer_keeps_the_commas(void **state)
{
	struct buf b;
	struct jw w;
	char *text;
	(void)state;

	buf_init(&b, 4096);
	jw_init(&w, &b);
	jw_obj_begin(&w);
	jw_ku64(&w, "ID", 7);
	jw_kstr(&w, "Name", NULL);
	jw_key(&w, "List");
	jw_arr_begin(&w);
	jw_i64(&w, -1);
	jw_null(&w);
	jw_obj_begin(&w);
	jw_obj_end(&w);
	jw_arr_begin(&w);
	jw_arr_end(&w);
	jw_raw(&w, BYTES_LIT("{\"a\":1}"));
	jw_double(&w, 0.1);
	jw_double(&w, NAN);
	jw_double(&w, 3);
	jw_arr_end(&w);
	jw_kbool(&w, "T", true);
	jw_kbool(&w, "F", false);
	jw_ktime(&w, "At", 1500 * NS_PER_MS);
	jw_ktime(&w, "Never", TIME_NONE);
	jw_key_bytes(&w, BYTES_LIT("a\"\0"));
	jw_str(&w, "");
	jw_obj_end(&w);
	text = buf_take(&b, NULL);
	assert_string_equal(text, "{\"ID\":7,\"Name\":\"\",\"List\":[-1,null,{},[],{\"a\":1},0.1,null,3],\"T\":true,\"F\":false,"
				  "\"At\":\"1970-01-01T00:00:01.5Z\",\"Never\":\"0001-01-01T00:00:00Z\",\"a\\\"\\u0000\":\"\"}");
	free(text);
}

static void strings_are_escaped_and_mended(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "\"plain\"" },
		{ "eight by8", "\"eight by8\"" },
		{ "\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\"" },
		{ "\n\r\t\"\\/", "\"\\n\\r\\t\\\"\\\\/\"" },
		{ "0123456\"89", "\"0123456\\\"89\"" },
		{ "01234567\"", "\"01234567\\\"\"" },
		{ "gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x98\x80", "\"gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x98\x80\"" },
		{ "a\xff" "b", "\"a\xef\xbf\xbd" "b\"" },
		{ "a\xe2\x82", "\"a\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xc3\xbc\"\xc3\xbc", "\"\xc3\xbc\\\"\xc3\xbc\"" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *text = quoted(bytes_of_str(cases[i].in));

		assert_string_equal(text, cases[i].out);
		free(text);
	}
}

static void any_bytes_give_json_that_reads_back(void **state)
{
	(void)state;
	srand(11);
	for (int round = 0; round < 3000; round++) {
		uint8_t raw[40];
		size_t n = (size_t)rand() % sizeof raw;
		struct json_object *o = NULL;
		struct err e = { { 0 } };
		char *text;

		for (size_t i = 0; i < n; i++)
			raw[i] = rand() % 3 ? (uint8_t)(' ' + rand() % 95) : (uint8_t)rand();
		text = quoted(bytes_of(raw, n));
		if (json_parse(bytes_of_str(text), 1000, &o, &e) != ST_OK)
			fail_msg("%s: %s", e.text, text);
		if (utf8_valid(bytes_of(raw, n))) {
			assert_int_equal(json_object_get_string_len(o), n);
			assert_memory_equal(json_object_get_string(o), raw, n);
		}
		json_object_put(o);
		free(text);
	}
}

static void doubles_read_back_equal(void **state)
{
	static const double cases[] = { 0, -0.5, 0.1, 1e300, 5e-324, 1.0 / 3, 123456789.125, -1.7976931348623157e308, 9007199254740993.0 };
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf b;
		struct jw w;
		char *text;

		buf_init(&b, 100);
		jw_init(&w, &b);
		jw_double(&w, cases[i]);
		text = buf_take(&b, NULL);
		assert_true(strtod(text, NULL) == cases[i]);
		free(text);
	}
}

static void what_is_no_json_is_refused(void **state)
{
	static const char *const bad[] = {
		"", " ", "{", "}", "[", "]", "{]", "[}", "[1", "[1,", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}",
		"{\"a\" 1}", "{\"a\":1 \"b\":2}", "[1 2]", "1 2", "{} x", "{}{}", "nul", "nullx", "True", "NaN", "-NaN", "Infinity", "-Infinity", "01",
		"-", "+1", "1.", ".5", "1e", "1e+", "0x10", "--1", "\"", "\"abc", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"a\nb\"", "\"\x1f\"",
		"'a'", "/**/1", "//x\n1", "\"\xff\"", "\"\xed\xa0\x80\"", "{\"a\\u0000b\":1}", "\xef\xbb\xbf{}", "[1]]", "{\"a\":1}}", "[\"a\":1]", "{1:2}",
	};
	struct json_object *o = (void *)1;
	(void)state;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct err e = { { 0 } };

		if (json_parse(bytes_of_str(bad[i]), 1000, &o, &e) != ST_BAD_INPUT)
			fail_msg("taken: %s", bad[i]);
		assert_int_not_equal(e.text[0], 0);
	}
	assert_int_equal(json_parse(BYTES_LIT("{}\0"), 1000, &o, NULL), ST_BAD_INPUT);
	assert_int_equal(json_parse(BYTES_LIT("\"\\\0\""), 1000, &o, NULL), ST_BAD_INPUT);
	assert_int_equal(json_parse(BYTES_LIT("[1,2,3]"), 6, &o, NULL), ST_TOO_BIG);
	assert_ptr_equal(o, (void *)1);
}

static void what_is_json_is_taken(void **state)
{
	static const char *const good[] = {
		"null", " null ", "true", "false", "0", "-0", "0.5", "1e5", "1E+5", "-1.25e-3", "\"\"", "[]", "{}", " [ ] ", " { } ", "[[],{}]",
		"{\"a\":{\"b\":[1,2,{\"c\":null}]},\"d\":\"\\u00fc\\n\\/\"}", "\"\\ud83d\\ude00\"", "\"\\ud800\"", "[1,2 , 3\n,\t4\r]", "\"\\u0000\"", "123456789012345678901234567890",
	};
	(void)state;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct json_object *o = NULL;
		struct err e = { { 0 } };

		if (json_parse(bytes_of_str(good[i]), 1000, &o, &e) != ST_OK)
			fail_msg("%s: %s", good[i], e.text);
		json_object_put(o);
	}
}

static void every_prefix_of_a_text_is_refused(void **state)
{
	static const char text[] = "{\"a\":[1,true,null,\"x\\u00e9\\n\",{\"b\":-1.5e3}],\"c\":{}}";
	struct json_object *o = NULL;
	(void)state;

	for (size_t n = 0; n < sizeof text - 1; n++) {
		char *copy = malloc(n + 1); /* exactly sized: reading past the end shows */

		memcpy(copy, text, n);
		assert_int_equal(json_parse(bytes_of(copy, n), 1000, &o, NULL), ST_BAD_INPUT);
		free(copy);
	}
	assert_int_equal(json_parse(bytes_of_str(text), 1000, &o, NULL), ST_OK);
	json_object_put(o);
}

static void depth_has_a_limit(void **state)
{
	char text[2 * (JSON_DEPTH_MAX + 1) + 1];
	struct json_object *o = NULL;
	struct err e;
	(void)state;

	for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		assert_int_equal(json_parse(bytes_of(text, (size_t)depth * 2), 1000, &o, &e), depth <= JSON_DEPTH_MAX ? ST_OK : ST_BAD_INPUT);
	}
	assert_string_equal(e.text, "JSON, byte 64: nested too deep");
	json_object_put(o);
}

static struct json_object *tree(const char *text)
{
	struct json_object *o = NULL;

	assert_int_equal(json_parse(bytes_of_str(text), 4096, &o, NULL), ST_OK);
	return o;
}

static void members_are_read_by_type(void **state)
{
	struct json_object *o = tree("{\"s\":\"x\",\"b\":true,\"i\":-5,\"u\":\"18446744073709551614\",\"un\":7,\"o\":{},\"a\":[],\"z\":null,"
				     "\"t\":\"2024-01-02T03:04:05Z\",\"t0\":\"0001-01-01T00:00:00Z\",\"dup\":1,\"dup\":2}");
	struct json_object *sub = NULL;
	const char *s = "old";
	bool b = false;
	int64_t i = 1;
	uint64_t u = 1;
	(void)state;

	assert_int_equal(json_get_str(o, "s", &s, NULL), ST_OK);
	assert_string_equal(s, "x");
	s = "old";
	assert_int_equal(json_get_str(o, "absent", &s, NULL), ST_OK);
	assert_int_equal(json_get_str(o, "z", &s, NULL), ST_OK);
	assert_int_equal(json_get_str(NULL, "z", &s, NULL), ST_OK);
	assert_string_equal(s, "old");
	assert_int_equal(json_get_bool(o, "b", &b, NULL), ST_OK);
	assert_true(b);
	assert_int_equal(json_get_i64(o, "i", &i, NULL), ST_OK);
	assert_int_equal(i, -5);
	assert_int_equal(json_get_i64(o, "dup", &i, NULL), ST_OK);
	assert_int_equal(i, 2);
	assert_int_equal(json_get_u64_text(o, "u", &u, NULL), ST_OK);
	assert_true(u == UINT64_MAX - 1);
	assert_int_equal(json_get_u64_text(o, "un", &u, NULL), ST_OK);
	assert_int_equal(u, 7);
	assert_int_equal(json_get_obj(o, "o", &sub, NULL), ST_OK);
	assert_true(json_object_is_type(sub, json_type_object));
	assert_int_equal(json_get_arr(o, "a", &sub, NULL), ST_OK);
	assert_true(json_object_is_type(sub, json_type_array));
	assert_int_equal(json_get_time(o, "t", &i, NULL), ST_OK);
	assert_int_equal(i, 1704164645 * NS_PER_S);
	assert_int_equal(json_get_time(o, "t0", &i, NULL), ST_OK);
	assert_true(i == TIME_NONE);
	json_object_put(o);
}

static void a_member_of_another_type_is_named(void **state)
{
	struct json_object *o = tree("{\"s\":1,\"b\":\"true\",\"i\":1.0,\"big\":9223372036854775808,\"u\":-1,\"ut\":\"-1\",\"ux\":\"99999999999999999999\",\"ue\":\"\","
				     "\"nul\":\"a\\u0000b\",\"t\":\"yesterday\",\"o\":[],\"a\":{}}");
	struct json_object *list = tree("[]"), *sub = NULL;
	struct err e = { { 0 } };
	const char *s = NULL;
	bool b;
	int64_t i;
	uint64_t u;
	(void)state;

	assert_int_equal(json_get_str(o, "s", &s, &e), ST_BAD_INPUT);
	assert_non_null(strstr(e.text, "s: should be a string"));
	assert_int_equal(json_get_str(o, "nul", &s, &e), ST_BAD_INPUT);
	assert_int_equal(json_get_bool(o, "b", &b, NULL), ST_BAD_INPUT);
	assert_int_equal(json_get_i64(o, "i", &i, NULL), ST_BAD_INPUT);
	assert_int_equal(json_get_i64(o, "big", &i, NULL), ST_BAD_INPUT);
	assert_int_equal(json_get_u64_text(o, "u", &u, NULL), ST_BAD_INPUT);
	assert_int_equal(json_get_u64_text(o, "ut", &u, NULL), ST_BAD_INPUT);
	assert_int_equal(json_get_u64_text(o, "ux", &u, NULL), ST_BAD_INPUT);
	assert_int_equal(json_get_u64_text(o, "ue", &u, NULL), ST_BAD_INPUT);
	assert_int_equal(json_get_time(o, "t", &i, &e), ST_BAD_INPUT);
	assert_non_null(strstr(e.text, "yesterday"));
	assert_int_equal(json_get_obj(o, "o", &sub, NULL), ST_BAD_INPUT);
	assert_int_equal(json_get_arr(o, "a", &sub, NULL), ST_BAD_INPUT);
	assert_int_equal(json_get_str(list, "s", &s, NULL), ST_BAD_INPUT);
	assert_null(s);
	assert_null(sub);
	json_object_put(o);
	json_object_put(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_writer_keeps_the_commas),
		cmocka_unit_test(strings_are_escaped_and_mended),
		cmocka_unit_test(any_bytes_give_json_that_reads_back),
		cmocka_unit_test(doubles_read_back_equal),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(what_is_json_is_taken),
		cmocka_unit_test(every_prefix_of_a_text_is_refused),
		cmocka_unit_test(depth_has_a_limit),
		cmocka_unit_test(members_are_read_by_type),
		cmocka_unit_test(a_member_of_another_type_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
