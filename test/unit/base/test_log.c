/* Tests of base/log.h: stderr is turned into a file for the time of a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json_in.h"
#include "base/log.h"

static char line[70000];

static FILE *capture_file;
static int saved_stderr;

static void capture_begin(void)
{
	capture_file = tmpfile();
	assert_non_null(capture_file);
	saved_stderr = dup(2);
	dup2(fileno(capture_file), 2);
}

static void capture_end(void)
{
	size_t n;

	dup2(saved_stderr, 2);
	close(saved_stderr);
	rewind(capture_file);
	n = fread(line, 1, sizeof line - 1, capture_file);
	line[n] = 0;
	fclose(capture_file);
}

static void a_text_line_is_one_line(void **state)
{
	(void)state;
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	capture_begin();
	log_info("node registered", LOG_U64("node", 7), LOG_STR("user", "an\na"), LOG_STR("bare", "x.y"), LOG_STR("none", NULL),
		 LOG_I64("d", -1), LOG_BOOL("ok", 1), LOG_END);
	log_debug("not shown", LOG_END);
	capture_end();
	assert_non_null(strstr(line, "Z info node registered node=7 user=\"an\\na\" bare=x.y none=\"\" d=-1 ok=true\n"));
	assert_int_equal(strcspn(line, "\n") + 1, strlen(line));
}

static void a_json_line_is_json(void **state)
{
	struct json_object *o = NULL;
	const char *s = NULL;
	uint64_t u = 0;
	(void)state;

	log_configure(LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
	capture_begin();
	log_debug("hello", LOG_STR("user", "\"\xff"), LOG_U64("n", 3), LOG_END);
	capture_end();
	assert_int_equal(json_parse(bytes_of_str(line), sizeof line, &o, NULL), ST_OK);
	assert_int_equal(json_get_str(o, "msg", &s, NULL), ST_OK);
	assert_string_equal(s, "hello");
	assert_int_equal(json_get_str(o, "level", &s, NULL), ST_OK);
	assert_string_equal(s, "debug");
	assert_int_equal(json_get_u64_text(o, "n", &u, NULL), ST_OK);
	assert_int_equal(u, 3);
	json_object_put(o);
}

static void long_values_are_cut(void **state)
{
	char *huge = malloc(100001);
	(void)state;

	memset(huge, 'z', 100000);
	huge[100000] = 0;
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	capture_begin();
	log_warn("big", LOG_STR("v", huge), LOG_STR("after", "seen"), LOG_END);
	capture_end();
	assert_true(strlen(line) < 10000);
	assert_non_null(strstr(line, " after=seen\n"));
	free(huge);
}

static void levels_switch_lines_off(void **state)
{
	(void)state;
	log_configure(LOG_LEVEL_OFF, LOG_FORMAT_TEXT);
	assert_false(log_enabled(LOG_LEVEL_ERROR));
	log_configure(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
	assert_true(log_enabled(LOG_LEVEL_ERROR));
	assert_true(log_enabled(LOG_LEVEL_WARN));
	assert_false(log_enabled(LOG_LEVEL_INFO));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_line_is_one_line),
		cmocka_unit_test(a_json_line_is_json),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(levels_switch_lines_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
