/* The tree of values: places, limits, aliases, merges. */
#include "unit/config/helper.h"

#include "config/tree.h"

struct parsed {
	struct arena *arena;
	struct cfg_tree tree;
	struct cfg_tree_error e;
	unsigned more;
	enum status s;
};

static struct parsed parse(const char *text)
{
	struct parsed p = { .arena = arena_new() };

	p.s = cfg_tree_parse(p.arena, bytes_of_str(text), &p.tree, &p.more, &p.e);
	return p;
}

static void done(struct parsed *p)
{
	cfg_tree_wipe(&p->tree);
	arena_free(&p->arena);
}

static void values_know_their_place(void **state)
{
	struct parsed p = parse("# c\na:\n  b: [1, two]\n  'c': ~\n");
	const struct cfg_node *a, *b;
	(void)state;

	assert_int_equal(p.s, ST_OK);
	a = cfg_member(p.tree.root, "a");
	b = cfg_member(a, "b");
	assert_int_equal(b->line, 3);
	assert_int_equal(b->column, 6);
	assert_string_equal(b->items[1]->s, "two");
	assert_int_equal(b->items[1]->column, 10);
	assert_true(cfg_is_null(cfg_member(a, "c")));
	assert_int_equal(a->pairs[1].line, 4);
	assert_null(cfg_member(a, "d"));
	done(&p);
}

static void null_has_four_forms_and_quotes_end_it(void **state)
{
	struct parsed p = parse("a: null\nb: ~\nc:\nd: NULL\ne: 'null'\nf: \"\"\ng: !!str null\n");
	(void)state;

	assert_int_equal(p.s, ST_OK);
	for (size_t i = 0; i < p.tree.root->n; i++)
		assert_int_equal(cfg_is_null(p.tree.root->pairs[i].value), i < 4);
	done(&p);
}

static void json_is_read_too(void **state)
{
	struct parsed p = parse("{\n\t\"a\": {\"b\": [true, 1, null, \"x\\u00e9\\/\"]}\n}\n");
	(void)state;

	assert_int_equal(p.s, ST_OK);
	assert_string_equal(cfg_member(cfg_member(p.tree.root, "a"), "b")->items[3]->s, "x\xc3\xa9/");
	done(&p);
}

static void nothing_is_no_value(void **state)
{
	static const char *const texts[] = { "", "# comment only\n", "---\n...\n", "\n\n" };
	(void)state;

	for (size_t i = 0; i < 4; i++) {
		struct parsed p = parse(texts[i]);

		assert_int_equal(p.s, ST_OK);
		assert_true(!p.tree.root || cfg_is_null(p.tree.root));
		done(&p);
	}
}

static void only_the_first_document_counts(void **state)
{
	struct parsed p = parse("a: 1\n---\na: 2\n");
	(void)state;

	assert_int_equal(p.s, ST_OK);
	assert_string_equal(cfg_member(p.tree.root, "a")->s, "1");
	assert_int_equal(p.more, 2);
	done(&p);
}

static void a_key_stands_once(void **state)
{
	struct parsed p = parse("a: 1\nb: 2\n\na: 3\n");
	(void)state;

	assert_int_equal(p.s, ST_BAD_INPUT);
	assert_int_equal(p.e.line, 4);
	assert_non_null(strstr(p.e.text, "first in line 1"));
	done(&p);
}

static void merged_maps_give_what_is_not_there(void **state)
{
	struct parsed p =
	    parse("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: 9\nw: {<<: *y}\nq: {'<<': 1}\n");
	const struct cfg_node *z;
	(void)state;

	assert_int_equal(p.s, ST_OK);
	z = cfg_member(p.tree.root, "z");
	assert_int_equal(z->n, 3);
	assert_string_equal(cfg_member(z, "a")->s, "9");
	assert_string_equal(cfg_member(z, "b")->s, "2"); /* the first map wins */
	assert_string_equal(cfg_member(z, "c")->s, "4");
	assert_int_equal(cfg_member(p.tree.root, "w")->n, 2);
	assert_string_equal(cfg_member(cfg_member(p.tree.root, "q"), "<<")->s, "1");
	done(&p);
	p = parse("a: {<<: words}\n");
	assert_int_equal(p.s, ST_BAD_INPUT);
	done(&p);
}

static void an_alias_is_the_value_it_names(void **state)
{
	struct parsed p = parse("a: &n [1]\nb: *n\nc: &n 7\nd: *n\n");
	(void)state;

	assert_int_equal(p.s, ST_OK);
	assert_ptr_equal(cfg_member(p.tree.root, "a"), cfg_member(p.tree.root, "b"));
	assert_string_equal(cfg_member(p.tree.root, "d")->s, "7");
	done(&p);
}

static void what_cannot_be_read_has_a_place(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *part;
	} cases[] = {
		{ "a: *nobody\n", 1, "names no finished value" },
		{ "\na: &a [*a]\n", 2, "names no finished value" }, /* no cycles */
		{ "a: 1\n b: 2\n", 2, "not valid YAML" },
		{ "a: [1, 2\n", 2, "not valid YAML" },
		{ "a: \"x\n", 2, "not valid YAML" },
		{ "a:\n\tb: 1\n", 2, "not valid YAML" },
		{ "a: \"\\0\"\n", 1, "NUL" },
		{ "? [a, b]\n: 1\n", 1, "cannot be a key" },
		{ "a: @x\n", 1, "not valid YAML" },
		{ "a: \xff\n", 1, "not valid YAML" },
		{ "{a: 1}}\n", 1, "not valid YAML" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct parsed p = parse(cases[i].text);

		if (p.s != ST_BAD_INPUT || p.e.line != cases[i].line || !strstr(p.e.text, cases[i].part))
			fail_msg("%s: status %d, line %u, %s", cases[i].text, p.s, p.e.line, p.e.text);
		done(&p);
	}
}

static void depth_is_bounded_also_through_aliases(void **state)
{
	char text[4096] = "a: ";
	struct parsed p;
	(void)state;

	for (int i = 0; i < CONFIG_DEPTH_MAX - 2; i++)
		strcat(text, "[");
	for (int i = 0; i < CONFIG_DEPTH_MAX - 2; i++)
		strcat(text, "]");
	p = parse(text);
	assert_int_equal(p.s, ST_OK);
	done(&p);
	memmove(text + 4, text + 3, strlen(text + 3) + 1);
	text[3] = '[';
	strcat(text, "]");
	p = parse(text);
	assert_int_equal(p.s, ST_TOO_BIG);
	done(&p);
	strcpy(text, "a0: &a0 x\n");
	for (int i = 1; i <= CONFIG_DEPTH_MAX; i++)
		sprintf(text + strlen(text), "a%d: &a%d [*a%d]\n", i, i, i - 1);
	p = parse(text);
	assert_int_equal(p.s, ST_TOO_BIG);
	assert_non_null(strstr(p.e.text, "levels"));
	done(&p);
}

static void a_billion_laughs_are_cut_short(void **state)
{
	char text[4096] = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
	struct parsed p;
	(void)state;

	for (int i = 1; i < 9; i++) {
		sprintf(text + strlen(text), "a%d: &a%d [", i, i);
		for (int k = 0; k < 9; k++)
			sprintf(text + strlen(text), "%s*a%d", k ? ", " : "", i - 1);
		strcat(text, "]\n");
	}
	p = parse(text);
	assert_int_equal(p.s, ST_TOO_BIG);
	assert_non_null(strstr(p.e.text, "values"));
	assert_true(arena_size(p.arena) < (size_t)4 << 20);
	done(&p);
}

static void merges_are_counted_too(void **state)
{
	char *text = xcalloc(1, 1 << 20);
	struct parsed p;
	(void)state;

	strcpy(text, "a: &a {");
	for (int i = 0; i < 5000; i++)
		sprintf(text + strlen(text), "k%d: 1, ", i);
	strcat(text, "}\nb: {<<: [");
	for (int i = 0; i < 1000; i++)
		strcat(text, "*a, ");
	strcat(text, "]}\n");
	p = parse(text);
	assert_int_equal(p.s, ST_TOO_BIG);
	done(&p);
	free(text);
}

static void anchors_are_bounded(void **state)
{
	char *text = xcalloc(1, 1 << 20);
	struct parsed p;
	(void)state;

	for (int i = 0; i < 300; i++)
		sprintf(text + strlen(text), "- &a%d x\n", i);
	p = parse(text);
	assert_int_equal(p.s, ST_TOO_BIG);
	done(&p);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_know_their_place),
		cmocka_unit_test(null_has_four_forms_and_quotes_end_it),
		cmocka_unit_test(json_is_read_too),
		cmocka_unit_test(nothing_is_no_value),
		cmocka_unit_test(only_the_first_document_counts),
		cmocka_unit_test(a_key_stands_once),
		cmocka_unit_test(merged_maps_give_what_is_not_there),
		cmocka_unit_test(an_alias_is_the_value_it_names),
		cmocka_unit_test(what_cannot_be_read_has_a_place),
		cmocka_unit_test(depth_is_bounded_also_through_aliases),
		cmocka_unit_test(a_billion_laughs_are_cut_short),
		cmocka_unit_test(merges_are_counted_too),
		cmocka_unit_test(anchors_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
