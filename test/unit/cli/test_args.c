/* Arguments find their command and flags, whatever way they are written; mistakes are named. */
#include "cli/cli_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static enum status parse(struct cli_ctx *c, const char *line)
{
	static char *argv[32];
	char *copy, *save = NULL;
	int argc = 0;

	*c = (struct cli_ctx){ .arena = arena_new(), .root = &cli_root };
	copy = arena_strdup(c->arena, line);
	for (char *p = strtok_r(copy, " ", &save); p != NULL; p = strtok_r(NULL, " ", &save))
		argv[argc++] = p;
	return cli_parse(c, argc, argv);
}

static void commands_have_aliases(void **state)
{
	static const struct {
		const char *line, *name;
	} cases[] = {
		{ "headscale node ls", "list" },	{ "headscale nodes list", "list" },
		{ "headscale pre new --user 1", "create" }, { "headscale authkey c -u1", "create" },
		{ "headscale api ls", "list" },		{ "headscale user c alice", "create" },
		{ "headscale nodes lsr", "list-routes" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct cli_ctx c;

		if (parse(&c, cases[i].line) != ST_OK || strcmp(c.command->name, cases[i].name) != 0)
			fail_msg("%s", cases[i].line);
		arena_free(&c.arena);
	}
}

static void a_flag_may_be_written_in_five_ways(void **state)
{
	static const char *const lines[] = {
		"headscale nodes delete -i 7",	  "headscale nodes delete -i7",		"headscale nodes delete -i=7",
		"headscale nodes delete --identifier 7", "headscale nodes delete --identifier=7", "headscale --identifier=7 nodes delete",
	};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct cli_ctx c;

		if (parse(&c, lines[i]) != ST_OK || cli_flag(&c, "identifier")->number != 7)
			fail_msg("%s", lines[i]);
		arena_free(&c.arena);
	}
}

static void lists_take_commas_and_repetition(void **state)
{
	struct cli_ctx c;

	(void)state;
	assert_int_equal(parse(&c, "headscale nodes tag -i 1 -t tag:a,tag:b -t tag:c"), ST_OK);
	assert_int_equal(cli_flag(&c, "tags")->n_list, 3);
	assert_string_equal(cli_flag(&c, "tags")->list[2], "tag:c");
	arena_free(&c.arena);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "headscale nodes delete", "required flag(s) \"identifier\" not set" },
		{ "headscale debug create-node", "required flag(s) \"key\", \"name\", \"user\" not set" },
		{ "headscale nodes delete -i -1", "invalid argument" },
		{ "headscale nodes delete --wrong", "unknown flag: --wrong" },
		{ "headscale nodes delete -i", "flag needs an argument" },
		{ "headscale nonsense", "unknown command \"nonsense\"" },
		{ "headscale nodes list -o xml", "unknown output format" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct cli_ctx c;

		if (parse(&c, cases[i].line) == ST_OK || strstr(c.err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].line, c.err.text);
		arena_free(&c.arena);
	}
}

static void defaults_stand_in_for_flags(void **state)
{
	struct cli_ctx c;

	(void)state;
	assert_int_equal(parse(&c, "headscale preauthkeys create --user 1"), ST_OK);
	assert_string_equal(cli_flag(&c, "expiration")->text, "1h");
	assert_false(cli_flag(&c, "reusable")->on);
	arena_free(&c.arena);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(commands_have_aliases),
		cmocka_unit_test(a_flag_may_be_written_in_five_ways),
		cmocka_unit_test(lists_take_commas_and_repetition),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(defaults_stand_in_for_flags),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
