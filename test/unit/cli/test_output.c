/* Results as JSON, YAML and tables: order, spelling, and nothing that drives a terminal. */
#include "cli/cli_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static struct cli_ctx c;
static int saved = -1;
static FILE *captured;

static void capture(void)
{
	fflush(stdout);
	captured = tmpfile();
	assert_non_null(captured);
	saved = dup(STDOUT_FILENO);
	assert_true(dup2(fileno(captured), STDOUT_FILENO) >= 0);
}

static char *release(void)
{
	static char text[4096];
	size_t n;

	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	rewind(captured);
	n = fread(text, 1, sizeof text - 1, captured);
	text[n] = '\0';
	fclose(captured);
	return text;
}

static int set_up(void **state)
{
	(void)state;
	c = (struct cli_ctx){ .arena = arena_new(), .root = &cli_root };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(&c.arena);
	return 0;
}

static struct json_object *sample(void)
{
	struct json_object *o = cli_own(&c, json_tokener_parse("{\"name\":\"a\",\"givenName\":\"b\",\"online\":true,\"user\":null,"
							       "\"tags\":[\"tag:x\"],\"empty\":[],\"id\":\"7\",\"word\":\"yes\"}"));
	assert_non_null(o);
	return o;
}

static void json_is_indented_by_tabs_and_sorted(void **state)
{
	(void)state;
	c.format = CLI_JSON;
	capture();
	cli_print(&c, sample());
	assert_string_equal(release(), "{\n\t\"empty\": [],\n\t\"givenName\": \"b\",\n\t\"id\": \"7\",\n\t\"name\": \"a\",\n\t\"online\": true,\n"
				       "\t\"tags\": [\n\t\t\"tag:x\"\n\t],\n\t\"user\": null,\n\t\"word\": \"yes\"\n}\n");
}

static void json_line_is_one_line(void **state)
{
	char *text;

	(void)state;
	c.format = CLI_JSON_LINE;
	capture();
	cli_print(&c, sample());
	text = release();
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void yaml_keys_are_lower_case_and_texts_stay_texts(void **state)
{
	char *text;

	(void)state;
	c.format = CLI_YAML;
	capture();
	cli_print(&c, sample());
	text = release();
	assert_non_null(strstr(text, "givenname: b\n"));
	assert_non_null(strstr(text, "id: \"7\"\n"));
	assert_non_null(strstr(text, "word: \"yes\"\n"));
	assert_non_null(strstr(text, "user: null\n"));
}

static void a_table_pads_columns_and_defuses_control_characters(void **state)
{
	static const char *const header[] = { "ID", "Name" };
	struct cli_table *t;

	(void)state;
	t = cli_table_new(&c, header, 2);
	cli_table_cell(t, "1");
	cli_table_cell(t, "evil\033[31m");
	cli_table_cell(t, "22");
	cli_table_cell(t, "two\nlines");
	capture();
	cli_table_print(t);
	assert_string_equal(release(), "ID | Name\n1  | evil?[31m\n22 | two\n   | lines\n");
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test_setup_teardown(json_is_indented_by_tabs_and_sorted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(json_line_is_one_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(yaml_keys_are_lower_case_and_texts_stay_texts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_table_pads_columns_and_defuses_control_characters, set_up, tear_down),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
