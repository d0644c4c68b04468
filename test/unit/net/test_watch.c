/* test/unit/net/test_watch.c -- files that are rewritten, replaced, and linked anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/watch.h"

struct seen {
	bool changed;
	unsigned n;
};

static void on_change(void *arg)
{
	struct seen *s = arg;

	s->changed = true;
	s->n++;
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void move(const char *dir, const char *from, const char *to)
{
	char a[128], b[128];

	snprintf(a, sizeof a, "%s/%s", dir, from);
	snprintf(b, sizeof b, "%s/%s", dir, to);
	assert_int_equal(rename(a, b), 0);
}

static bool heard(struct loop *l, struct seen *s)
{
	bool got = loop_run_until(l, &s->changed, 5000);

	s->changed = false;
	return got;
}

static bool quiet(struct loop *l, struct seen *s)
{
	loop_run_until(l, &s->changed, WATCH_QUIET_MS * 3);
	return !s->changed;
}

static void every_way_to_change_a_file_is_seen_once(void **state)
{
	char dir[] = "/tmp/test-watch-XXXXXX", path[128], other[128];
	struct loop *l = loop_new(0);
	struct file_watch *w = NULL;
	struct seen s = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	put(dir, "file", "one");
	snprintf(path, sizeof path, "%s/file", dir);
	assert_int_equal(file_watch_new(l, path, on_change, &s, &w, NULL), ST_OK);
	put(dir, "file", "three");
	assert_true(heard(l, &s));
	put(dir, "new", "replaced");
	move(dir, "new", "file");
	assert_true(heard(l, &s));
	put(dir, "unrelated", "x");
	assert_true(quiet(l, &s));
	unlink(path);
	assert_true(quiet(l, &s)); /* nothing to read: wait until it is back */
	put(dir, "file", "back");
	assert_true(heard(l, &s));
	for (int i = 0; i < 20; i++) { /* a burst */
		put(dir, "file", "again and again");
		loop_turn(l, 5);
	}
	assert_true(heard(l, &s));
	assert_true(quiet(l, &s));
	assert_int_equal(s.n, 4);
	file_watch_free(&w);
	put(dir, "file", "nobody looks");
	assert_true(quiet(l, &s));
	unlink(path);
	snprintf(other, sizeof other, "%s/unrelated", dir);
	unlink(other);
	rmdir(dir);
	loop_free(&l);
}

static void a_link_to_a_directory_that_is_swapped_is_seen(void **state)
{
	char dir[] = "/tmp/test-watch-XXXXXX", a[64], b[64], link[64], fresh[64], file[128];
	struct loop *l = loop_new(0);
	struct file_watch *w = NULL;
	struct seen s = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(a, sizeof a, "%s/v1", dir);
	snprintf(b, sizeof b, "%s/v2", dir);
	snprintf(link, sizeof link, "%s/..data", dir);
	snprintf(fresh, sizeof fresh, "%s/..data_tmp", dir);
	snprintf(file, sizeof file, "%s/cert", dir);
	assert_int_equal(mkdir(a, 0700) | mkdir(b, 0700) | symlink("v1", link) | symlink("..data/cert", file), 0);
	put(a, "cert", "old");
	put(b, "cert", "new");
	assert_int_equal(file_watch_new(l, file, on_change, &s, &w, NULL), ST_OK);
	assert_int_equal(symlink("v2", fresh), 0);
	assert_int_equal(rename(fresh, link), 0);
	assert_true(heard(l, &s));
	file_watch_free(&w);
	loop_free(&l);
	snprintf(fresh, sizeof fresh, "rm -r %s", dir);
	assert_int_equal(system(fresh), 0);
}

static void a_missing_directory_is_said(void **state)
{
	struct loop *l = loop_new(0);
	struct file_watch *w = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(file_watch_new(l, "/nonexistent/dir/file", on_change, NULL, &w, &err), ST_IO);
	assert_non_null(strstr(err.text, "/nonexistent/dir"));
	assert_null(w);
	loop_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_to_change_a_file_is_seen_once),
		cmocka_unit_test(a_link_to_a_directory_that_is_swapped_is_seen),
		cmocka_unit_test(a_missing_directory_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
