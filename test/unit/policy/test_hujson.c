/* policy/hujson.h */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json_in.h"
#include "base/vec.h"
#include "policy/hujson.h"

static enum status parse(struct arena *a, const char *text, struct hujson *out, struct hujson_error *e)
{
	return hujson_parse(bytes_of_str(text), a, out, e);
}

static void reads_what_json_does_not_have(void **state)
{
	static const char text[] =
	    "// first\n{ \"a\": [1, 2,], /* b */ \"b\": { \"c\": \"x\\u00e9\\n\", }, // end\n}\n";
	struct arena *a = arena_new();
	struct hujson h;
	(void)state;
	assert_int_equal(parse(a, text, &h, NULL), ST_OK);
	assert_int_equal(h.root->n, 2);
	assert_int_equal(hujson_member(h.root, "a")->n, 2);
	assert_true(bytes_eq_str(hujson_member(hujson_member(h.root, "b"), "c")->text, "x\xc3\xa9\n"));
	assert_null(hujson_member(h.root, "A"));
	assert_int_equal(h.n_extras, 6);
	arena_free(&a);
}

static void positions_are_those_of_the_text(void **state)
{
	static const char text[] = "{\n  \"a\": 12,\n\t\"b\": [ true ]\n}";
	struct arena *a = arena_new();
	struct hujson h;
	unsigned line, column;
	const struct hujson_value *v;
	(void)state;
	assert_int_equal(parse(a, text, &h, NULL), ST_OK);
	v = hujson_member(h.root, "a");
	assert_memory_equal(text + v->pos, "12", 2);
	assert_int_equal(v->end - v->pos, 2);
	hujson_position(h.text, v->pos, &line, &column);
	assert_int_equal(line, 2);
	assert_int_equal(column, 8);
	hujson_position(h.text, hujson_member(h.root, "b")->child->pos, &line, &column);
	assert_int_equal(line, 3);
	assert_int_equal(column, 9);
	arena_free(&a);
}

static void standard_form_is_json_of_the_same_length(void **state)
{
	static const char text[] = "// c\n{\"a\":[1,/* x\ny */],\"b\":\"//no\",}";
	struct arena *a = arena_new();
	struct hujson h;
	struct buf b;
	struct json_object *o = NULL;
	(void)state;
	buf_init(&b, 1000);
	assert_int_equal(parse(a, text, &h, NULL), ST_OK);
	hujson_standardize(&h, &b);
	assert_int_equal(b.n, strlen(text));
	assert_memory_equal(b.p, "    \n{\"a\":[1     \n    ],\"b\":\"//no\" }", b.n);
	assert_int_equal(json_parse(buf_bytes(&b), 1000, &o, NULL), ST_OK);
	json_object_put(o);
	buf_reset(&b);
	hujson_compact(h.root, &b);
	assert_memory_equal(b.p, "{\"a\":[1],\"b\":\"//no\"}", b.n);
	buf_release(&b);
	arena_free(&a);
}

static void refuses_what_is_not_hujson(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column;
	} cases[] = {
		{ "{", 1, 2 },
		{ "[,]", 1, 2 },
		{ "[1 2]", 1, 4 },
		{ "{a:1}", 1, 2 },
		{ "{\"a\" 1}", 1, 6 },
		{ "[1,,]", 1, 4 },
		{ "[01]", 1, 3 },
		{ "[1.]", 1, 2 },
		{ "[-]", 1, 2 },
		{ "[+1]", 1, 2 },
		{ "[0x1]", 1, 3 },
		{ "[NaN]", 1, 2 },
		{ "['a']", 1, 2 },
		{ "[\"a]", 1, 2 },
		{ "[\"\\x\"]", 1, 3 },
		{ "[\"\n\"]", 1, 3 },
		{ "1 2", 1, 3 },
		{ "/* x", 1, 1 },
		{ "/ x", 1, 1 },
		{ "[\"\xff\"]", 1, 2 },
		{ "{\n\"a\":1,\n\"a\":2}", 3, 1 },
		{ "[tru]", 1, 2 },
		{ "\xef\xbb\xbf{}", 1, 1 },
		{ "[\"\\ud8\"]", 1, 3 },
	};
	struct arena *a = arena_new();
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct hujson h;
		struct hujson_error e = { 0 };
		if (parse(a, cases[i].text, &h, &e) != ST_BAD_INPUT || e.line != cases[i].line ||
		    e.column != cases[i].column || !e.message[0])
			fail_msg("%s: %u:%u %s", cases[i].text, e.line, e.column, e.message);
	}
	arena_free(&a);
}

static void blank_text_has_no_value(void **state)
{
	static const char *const texts[] = { "", " \n", "// x", "/* x */ // y\n" };
	struct arena *a = arena_new();
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct hujson h;
		assert_int_equal(parse(a, texts[i], &h, NULL), ST_OK);
		assert_null(h.root);
	}
	arena_free(&a);
}

static void half_a_surrogate_stands_for_nothing(void **state)
{
	struct arena *a = arena_new();
	struct hujson h;
	(void)state;
	assert_int_equal(parse(a, "[\"\\ud83d\\ude80\", \"\\ud83d x\", \"\\udc00\"]", &h, NULL), ST_OK);
	assert_true(bytes_eq_str(h.root->child->text, "\xf0\x9f\x9a\x80"));
	assert_true(bytes_eq_str(h.root->child->next->text, "\xef\xbf\xbd x"));
	assert_true(bytes_eq_str(h.root->child->next->next->text, "\xef\xbf\xbd"));
	arena_free(&a);
}

static void every_prefix_is_refused(void **state)
{
	static const char text[] = "{\"a\": [1.5e+3, \"b\\n\", null, {\"c\": true,},], /* x */ \"d\": false}";
	struct arena *a = arena_new();
	struct hujson h;
	(void)state;
	for (size_t n = 1; n + 1 < sizeof text; n++)
		assert_int_equal(hujson_parse(bytes_of(text, n), a, &h, NULL), ST_BAD_INPUT);
	assert_int_equal(parse(a, text, &h, NULL), ST_OK);
	arena_free(&a);
}

static void hostile_sizes_fail_quickly(void **state)
{
	size_t n = 10 << 20;
	char *text = xmalloc(n);
	struct arena *a = arena_new();
	struct hujson h;
	struct hujson_error e;
	int64_t t = clock_mono_ns();
	(void)state;
	memset(text, '[', n);
	assert_int_equal(hujson_parse(bytes_of(text, n), a, &h, &e), ST_BAD_INPUT);
	assert_int_equal(e.column, HUJSON_DEPTH_MAX + 1);
	for (size_t i = 0; i < n; i++)
		text[i] = i == 0 ? '[' : i % 2 ? '1' : ',';
	assert_int_equal(hujson_parse(bytes_of(text, n), a, &h, &e), ST_TOO_BIG);
	memset(text, ' ', n);
	assert_int_equal(hujson_parse(bytes_of(text, n), a, &h, &e), ST_OK);
	assert_true(clock_mono_ns() - t < 10 * NS_PER_S);
	free(text);
	arena_free(&a);
}

static void many_names_are_compared_in_linear_time(void **state)
{
	struct buf b;
	struct arena *a = arena_new();
	struct hujson h;
	struct hujson_error e;
	(void)state;
	buf_init(&b, 16 << 20);
	buf_put_char(&b, '{');
	for (unsigned i = 0; i < 200000; i++)
		buf_printf(&b, "\"k%u\":0,", i);
	buf_put_str(&b, "}");
	assert_int_equal(hujson_parse(buf_bytes(&b), a, &h, &e), ST_OK);
	b.n--;
	buf_put_str(&b, "\"k77\":0}");
	assert_int_equal(hujson_parse(buf_bytes(&b), a, &h, &e), ST_BAD_INPUT);
	assert_string_equal(e.message, "duplicate field: \"k77\"");
	buf_release(&b);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_json_does_not_have),
		cmocka_unit_test(positions_are_those_of_the_text),
		cmocka_unit_test(standard_form_is_json_of_the_same_length),
		cmocka_unit_test(refuses_what_is_not_hujson),
		cmocka_unit_test(blank_text_has_no_value),
		cmocka_unit_test(half_a_surrogate_stands_for_nothing),
		cmocka_unit_test(every_prefix_is_refused),
		cmocka_unit_test(hostile_sizes_fail_quickly),
		cmocka_unit_test(many_names_are_compared_in_linear_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
