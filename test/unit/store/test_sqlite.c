/* What only a file can do: be somebody else's, be newer, be readable by others, be killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/buf.h"
#include "base/vec.h"
#include "store/store.h"

static char dir[64], path[96];

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/sqlite-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/db.sqlite", dir);
	return 0;
}

static int tear_down(void **state)
{
	char cmd[100];

	(void)state;
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd);
}

static enum status try_open(struct store **out, struct err *err)
{
	return store_open_sqlite(&(struct store_sqlite_opts){ .path = path }, out, err);
}

static struct store *must_open(void)
{
	struct store *s = NULL;
	struct err err = { "" };

	if (try_open(&s, &err) != ST_OK)
		fail_msg("%s", err.text);
	return s;
}

static void run_sql(const char *sql)
{
	sqlite3 *db = NULL;
	char *msg = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &msg) != SQLITE_OK)
		fail_msg("%s", msg);
	sqlite3_close(db);
}

struct image {
	char *p;
	size_t n;
	time_t mtime;
};

static struct image read_image(void)
{
	struct image im = { 0 };
	struct stat sb;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &sb), 0);
	im.n = (size_t)sb.st_size;
	im.mtime = sb.st_mtime;
	im.p = malloc(im.n + 1);
	assert_int_equal(read(fd, im.p, im.n), (ssize_t)im.n);
	close(fd);
	return im;
}

static void refused_and_untouched(const char *words)
{
	struct image before = read_image(), after;
	struct store *s = NULL;
	struct err err = { "" };

	assert_int_equal(try_open(&s, &err), ST_UNSUPPORTED);
	if (strstr(err.text, words) == NULL)
		fail_msg("says: %s", err.text);
	after = read_image();
	assert_int_equal(before.n, after.n);
	assert_memory_equal(before.p, after.p, before.n);
	free(before.p);
	free(after.p);
}

static void a_database_of_the_go_server_is_known_and_left_alone(void **state)
{
	(void)state;
	run_sql("CREATE TABLE migrations (id text primary key); CREATE TABLE users (id integer primary key);"
		"CREATE TABLE nodes (id integer primary key); CREATE TABLE pre_auth_keys (id integer primary key)");
	refused_and_untouched("import");
	run_sql("PRAGMA journal_mode = WAL; INSERT INTO users VALUES (1)");
	refused_and_untouched("import");
}

static void what_is_no_database_is_left_alone(void **state)
{
	int fd;

	(void)state;
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	refused_and_untouched("no database of this server");
}

static void a_strange_database_is_left_alone(void **state)
{
	(void)state;
	run_sql("CREATE TABLE photos (id integer primary key)");
	refused_and_untouched("no database of this server");
}

static void a_newer_schema_is_left_alone(void **state)
{
	struct store *s;

	(void)state;
	s = must_open();
	store_close(&s);
	run_sql("PRAGMA user_version = 999; PRAGMA wal_checkpoint(TRUNCATE)");
	refused_and_untouched("newer server");
}

static void nobody_else_may_read_it(void **state)
{
	static const char *const suffix[] = { "", "-wal", "-shm", ".lock" };
	struct err err;
	struct store *s;
	mode_t old;

	(void)state;
	old = umask(0);
	s = must_open();
	umask(old);
	assert_int_equal(store_begin(s, &err), ST_OK);
	assert_int_equal(store_put(s, STORE_COUNTERS,
				   (struct store_value[]){ store_int(1), store_text("a"), store_int(1) }, &err),
			 ST_OK);
	assert_int_equal(store_commit(s, &err), ST_OK);
	for (size_t i = 0; i < 4; i++) {
		char name[128];
		struct stat sb;

		snprintf(name, sizeof name, "%s%s", path, suffix[i]);
		assert_int_equal(stat(name, &sb), 0);
		assert_int_equal(sb.st_mode & 0777, 0600);
	}
	store_close(&s);
}

static enum status take_int(void *arg, const struct store_value *row, struct err *err)
{
	(void)err;
	*(int64_t *)arg = row[COL_COUNTERS_VALUE].i;
	return ST_OK;
}

/* A child commits 1, 2, 3 ... and says each number when the commit has returned; it is killed in the middle. */
static void nothing_acknowledged_is_lost_when_the_process_is_killed(void **state)
{
	struct store_value key[] = { store_int(1), store_text("n") };
	int64_t said = 0, stored = 0, n;
	struct store *s;
	struct err err;
	int p[2], wstatus;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		s = NULL;
		if (try_open(&s, &err) != ST_OK)
			_exit(1);
		for (n = 1;; n++) {
			struct store_value row[] = { key[0], key[1], store_int(n) };

			if (store_begin(s, &err) != ST_OK || store_put(s, STORE_COUNTERS, row, &err) != ST_OK ||
			    store_commit(s, &err) != ST_OK || write(p[1], &n, sizeof n) != sizeof n)
				_exit(1);
		}
	}
	while (said < 50)
		assert_int_equal(read(p[0], &said, sizeof said), sizeof said);
	kill(pid, SIGKILL);
	waitpid(pid, &wstatus, 0);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	while (read(p[0], &n, sizeof n) == sizeof n)
		said = n;
	close(p[0]);
	close(p[1]);
	s = must_open(); /* the lock went with the process */
	assert_int_equal(store_get(s, STORE_COUNTERS, key, take_int, &stored, &err), ST_OK);
	assert_true(stored == said || stored == said + 1);
	store_close(&s);
}

/* RLIMIT_FSIZE stands in for a full disk. */
static void a_full_disk_is_an_error_and_no_loss(void **state)
{
	struct store_value key[] = { store_int(1), store_text("n") };
	char *big = xcalloc(1, 1 << 20);
	int64_t stored = 0;
	struct rlimit old, small;
	struct store *s;
	struct err err = { "" };
	enum status st;

	(void)state;
	memset(big, 'x', (1 << 20) - 1);
	signal(SIGXFSZ, SIG_IGN);
	s = must_open();
	assert_int_equal(store_begin(s, &err), ST_OK);
	assert_int_equal(store_put(s, STORE_COUNTERS, (struct store_value[]){ key[0], key[1], store_int(1) }, &err),
			 ST_OK);
	assert_int_equal(store_commit(s, &err), ST_OK);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 256 << 10;
	setrlimit(RLIMIT_FSIZE, &small);
	st = store_begin(s, &err);
	if (st == ST_OK)
		st = store_put(s, STORE_COUNTERS, (struct store_value[]){ key[0], key[1], store_int(2) }, &err);
	if (st == ST_OK)
		st = store_put(s, STORE_DOCS,
			       (struct store_value[]){ key[0], store_text("k"), store_text("k"), store_text(big),
						       store_null() },
			       &err);
	if (st == ST_OK)
		st = store_commit(s, &err);
	store_rollback(s);
	assert_int_not_equal(st, ST_OK);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(store_get(s, STORE_COUNTERS, key, take_int, &stored, &err), ST_OK);
	assert_int_equal(stored, 1);
	assert_int_equal(store_begin(s, &err), ST_OK);
	assert_int_equal(store_put(s, STORE_COUNTERS, (struct store_value[]){ key[0], key[1], store_int(3) }, &err),
			 ST_OK);
	assert_int_equal(store_commit(s, &err), ST_OK);
	store_close(&s);
	s = must_open();
	assert_int_equal(store_get(s, STORE_COUNTERS, key, take_int, &stored, &err), ST_OK);
	assert_int_equal(stored, 3);
	store_close(&s);
	free(big);
}

/* Columns in code and columns in SQL are two lists; they must be one. */
static void the_schema_has_the_columns_of_the_tables(void **state)
{
	struct store *s;
	sqlite3 *db = NULL;

	(void)state;
	s = must_open();
	store_close(&s);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (int t = 0; t < STORE_TABLE_COUNT; t++) {
		sqlite3_stmt *st = NULL;
		char sql[100];
		unsigned n = 0, keys = 0;

		snprintf(sql, sizeof sql, "SELECT name, pk FROM pragma_table_info('%s') ORDER BY cid",
			 store_tables[t].name);
		assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
		while (sqlite3_step(st) == SQLITE_ROW) {
			assert_true(n < store_tables[t].n_cols);
			assert_string_equal((const char *)sqlite3_column_text(st, 0), store_tables[t].cols[n]);
			keys += sqlite3_column_int(st, 1) > 0;
			n++;
		}
		assert_int_equal(n, store_tables[t].n_cols);
		assert_int_equal(keys, store_tables[t].n_key);
		sqlite3_finalize(st);
	}
	sqlite3_close(db);
}

static void note_statement(void *arg, const char *sql, int64_t ns)
{
	struct buf *said = arg;

	assert_true(ns >= 0);
	buf_printf(said, "%s;", sql);
}

/* Keys and their hashes are values: what is told of a statement must not have them. */
static void statements_are_told_of_without_their_values(void **state)
{
	struct store *s = NULL;
	struct err err = { "" };
	struct store_value row[8] = { 0 };
	struct buf said;
	char *text;
	size_t n;

	(void)state;
	assert_true(store_tables[STORE_DOCS].n_cols <= 8);
	buf_init(&said, 1u << 16);
	assert_int_equal(store_open_sqlite(&(struct store_sqlite_opts){ .path = path, .ran = note_statement, .ran_arg = &said }, &s, &err),
			 ST_OK);
	for (unsigned i = 0; i < store_tables[STORE_DOCS].n_cols; i++)
		row[i] = store_text("very-secret");
	assert_int_equal(store_begin(s, &err), ST_OK);
	(void)!store_put(s, STORE_DOCS, row, &err);
	store_rollback(s);
	store_close(&s);
	buf_put_char(&said, 0);
	text = buf_take(&said, &n);
	assert_non_null(strstr(text, "BEGIN IMMEDIATE;"));
	assert_non_null(strstr(text, store_tables[STORE_DOCS].name));
	assert_null(strstr(text, "very-secret"));
	free(text);
}

static void the_log_is_worked_in_when_it_is_asked_for(void **state)
{
	static const int64_t asked[] = { 0, 7, -1 }, set[] = { 1000, 7, 0 };
	(void)state;

	for (size_t i = 0; i < 3; i++) {
		struct store *s = NULL;
		struct err err = { "" };
		char expected[64];
		struct buf said;

		buf_init(&said, 1u << 16);
		assert_int_equal(store_open_sqlite(&(struct store_sqlite_opts){ .path = path, .wal_autocheckpoint = asked[i],
									.ran = note_statement, .ran_arg = &said }, &s, &err), ST_OK);
		store_close(&s);
		buf_put_char(&said, 0);
		snprintf(expected, sizeof expected, "wal_autocheckpoint = %d;", (int)set[i]);
		assert_non_null(strstr((char *)said.p, expected));
		buf_release(&said);
	}
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_database_of_the_go_server_is_known_and_left_alone),
		T(what_is_no_database_is_left_alone),
		T(a_strange_database_is_left_alone),
		T(a_newer_schema_is_left_alone),
		T(nobody_else_may_read_it),
		T(nothing_acknowledged_is_lost_when_the_process_is_killed),
		T(a_full_disk_is_an_error_and_no_loss),
		T(the_schema_has_the_columns_of_the_tables),
		T(statements_are_told_of_without_their_values),
		T(the_log_is_worked_in_when_it_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
