/* Tests of base/log.h: stderr is turned into a file for the time of a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
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

/* ---- the writer's thread ---- */

static int pipe_fds[2];

static void read_all(char **out, size_t *n_out)
{
	size_t n = 0, cap = 1u << 24;
	char *p = malloc(cap);
	ssize_t got;

	while ((got = read(pipe_fds[0], p + n, cap - n - 1)) > 0)
		n += (size_t)got;
	p[n] = 0;
	*out = p;
	*n_out = n;
}

static void *read_later(void *arg)
{
	static char *text;
	size_t n;

	(void)arg;
	read_all(&text, &n);
	return text;
}

#define EACH 5000

static void *log_many(void *arg)
{
	for (int i = 0; i < EACH; i++)
		log_info("line", LOG_U64("of", (uint64_t)(uintptr_t)arg), LOG_U64("n", (uint64_t)i), LOG_END);
	return NULL;
}

/* Nobody reads while the lines are made: a logger that waited for its reader would wait for ever. */
static void who_logs_never_waits_and_nothing_is_lost_in_silence(void **state)
{
	char filler[4001];
	uint64_t lines = 0, before = log_lines_dropped();
	pthread_t t[2], reader;
	void *text = NULL;
	char *said;
	(void)state;

	memset(filler, 'x', sizeof filler - 1);
	filler[sizeof filler - 1] = 0;
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	assert_int_equal(pipe(pipe_fds), 0);
	saved_stderr = dup(2);
	dup2(pipe_fds[1], 2);
	close(pipe_fds[1]);
	log_writer_start();
	log_info("flushed", LOG_END);
	log_flush(10000);
	assert_int_equal(read(pipe_fds[0], filler, sizeof filler - 1) > 10, 1);
	memset(filler, 'x', sizeof filler - 1);
	for (size_t i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, log_many, (void *)i);
	for (size_t i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 3000; i++) /* more than may wait */
		log_warn("filler", LOG_STR("v", filler), LOG_END);
	assert_true(log_lines_dropped() > before);
	pthread_create(&reader, NULL, read_later, NULL);
	log_writer_stop();
	log_info("afterwards", LOG_END);
	dup2(saved_stderr, 2);
	close(saved_stderr);
	pthread_join(reader, &text);
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	/* Each line is there or counted, and the count stands in the log; then one more. */
	assert_int_equal(lines, 2 * EACH + 3000 - (log_lines_dropped() - before) + 2);
	said = strstr(text, "log lines left out");
	assert_non_null(said);
	said = strstr(said, "lines=");
	assert_non_null(said);
	assert_int_equal(strtoull(said + 6, NULL, 10), log_lines_dropped() - before);
	assert_non_null(strstr(text, "info afterwards\n"));
	close(pipe_fds[0]);
	free(text);
}

/* In a process of its own, which ends by it. */
static void the_last_lines_before_an_abort_are_written(void **state)
{
	char text[4096];
	int fds[2], status;
	ssize_t n = 0, got;
	pid_t pid;
	(void)state;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 2);
		close(fds[1]);
		log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
		log_writer_start();
		log_info("last words", LOG_END);
		abort();
	}
	close(fds[1]);
	while ((got = read(fds[0], text + n, sizeof text - 1 - (size_t)n)) > 0)
		n += got;
	text[n] = 0;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "info last words\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_line_is_one_line),
		cmocka_unit_test(a_json_line_is_json),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(levels_switch_lines_off),
		cmocka_unit_test(who_logs_never_waits_and_nothing_is_lost_in_silence),
		cmocka_unit_test(the_last_lines_before_an_abort_are_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
