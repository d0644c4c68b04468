/* One suite for every driver: what store/store.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/vec.h"
#include "store/store.h"

struct fixture {
	bool sqlite;
	char dir[64], path[96];
	struct fake_disk *disk;
	struct store *s;
	struct err err;
};

static void open_store(struct fixture *f)
{
	enum status st = f->sqlite ? store_open_sqlite(&(struct store_sqlite_opts){ .path = f->path }, &f->s, &f->err) :
				     store_open_fake(f->disk, &f->s, &f->err);

	if (st != ST_OK)
		fail_msg("%s", f->err.text);
}

static int set_up(void **state, bool sqlite)
{
	struct fixture *f = xcalloc(1, sizeof *f);

	f->sqlite = sqlite;
	snprintf(f->dir, sizeof f->dir, "/tmp/store-test-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof f->path, "%s/db.sqlite", f->dir);
	f->disk = fake_disk_new();
	open_store(f);
	*state = f;
	return 0;
}

static int with_sqlite(void **state)
{
	return set_up(state, true);
}

static int with_fake(void **state)
{
	return set_up(state, false);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char cmd[160];

	store_close(&f->s);
	fake_disk_free(&f->disk);
	snprintf(cmd, sizeof cmd, "rm -rf %s", f->dir);
	if (system(cmd) != 0)
		return -1;
	free(f);
	return 0;
}

static void put_counter(struct fixture *f, int tailnet, const char *name, int64_t value)
{
	struct store_value row[] = { store_int(tailnet), store_text(name), store_int(value) };

	assert_int_equal(store_put(f->s, STORE_COUNTERS, row, &f->err), ST_OK);
}

static enum status take_int(void *arg, const struct store_value *row, struct err *err)
{
	(void)err;
	*(int64_t *)arg = row[COL_COUNTERS_VALUE].i;
	return ST_OK;
}

static int64_t get_counter(struct fixture *f, int tailnet, const char *name)
{
	struct store_value key[] = { store_int(tailnet), store_text(name) };
	int64_t v = -1;

	if (store_get(f->s, STORE_COUNTERS, key, take_int, &v, &f->err) == ST_NOT_FOUND)
		return -2;
	return v;
}

static void begin(struct fixture *f)
{
	assert_int_equal(store_begin(f->s, &f->err), ST_OK);
}

static void commit(struct fixture *f)
{
	assert_int_equal(store_commit(f->s, &f->err), ST_OK);
}

static void reopen(struct fixture *f)
{
	store_close(&f->s);
	open_store(f);
}

static void what_is_committed_is_there_after_reopening(void **state)
{
	struct fixture *f = *state;

	begin(f);
	put_counter(f, 1, "node", 7);
	commit(f);
	reopen(f);
	assert_int_equal(get_counter(f, 1, "node"), 7);
	assert_int_equal(get_counter(f, 2, "node"), -2);
}

static void what_is_rolled_back_is_not(void **state)
{
	struct fixture *f = *state;
	struct store_value key[] = { store_int(1), store_text("a") };

	begin(f);
	put_counter(f, 1, "a", 1);
	put_counter(f, 1, "b", 1);
	commit(f);
	begin(f);
	put_counter(f, 1, "b", 2);
	put_counter(f, 1, "c", 3);
	assert_int_equal(store_delete(f->s, STORE_COUNTERS, key, &f->err), ST_OK);
	assert_int_equal(get_counter(f, 1, "b"), 2); /* seen inside */
	assert_int_equal(get_counter(f, 1, "a"), -2);
	store_rollback(f->s);
	assert_int_equal(get_counter(f, 1, "a"), 1);
	assert_int_equal(get_counter(f, 1, "b"), 1);
	assert_int_equal(get_counter(f, 1, "c"), -2);
	store_rollback(f->s); /* nothing to do */
}

static void closing_gives_up_an_open_transaction(void **state)
{
	struct fixture *f = *state;

	begin(f);
	put_counter(f, 1, "a", 1);
	reopen(f);
	assert_int_equal(get_counter(f, 1, "a"), -2);
}

static void put_replaces_and_delete_of_nothing_is_no_error(void **state)
{
	struct fixture *f = *state;
	struct store_value key[] = { store_int(1), store_text("never") };

	begin(f);
	put_counter(f, 1, "a", 1);
	put_counter(f, 1, "a", 2);
	assert_int_equal(store_delete(f->s, STORE_COUNTERS, key, &f->err), ST_OK);
	commit(f);
	assert_int_equal(get_counter(f, 1, "a"), 2);
}

static void put_doc(struct fixture *f, const char *kind, const char *key, struct bytes text, int64_t at)
{
	struct store_value row[] = { store_int(1), store_text(kind), store_text(key), store_text_bytes(text),
				     at ? store_int(at) : store_null() };

	assert_int_equal(store_put(f->s, STORE_DOCS, row, &f->err), ST_OK);
}

struct seen {
	char text[256];
	size_t n, stop_after;
};

static enum status note_key(void *arg, const struct store_value *row, struct err *err)
{
	struct seen *s = arg;

	(void)err;
	strncat(s->text, (const char *)row[COL_DOCS_KEY].b.p, row[COL_DOCS_KEY].b.n);
	return ++s->n == s->stop_after ? ST_CLOSED : ST_OK;
}

static void scans_are_in_order_and_obey_conditions(void **state)
{
	static const struct {
		const char *why;
		struct store_cond conds[2];
		size_t n_conds;
		bool descending;
		size_t limit;
		const char *want;
	} cases[] = {
		{ "all", { { 0 } }, 0, false, 0, "abcdefg" },
		{ "backwards", { { 0 } }, 0, true, 0, "gfedcba" },
		{ "limited", { { 0 } }, 0, true, 2, "gf" },
		{ "equal", { { COL_DOCS_KIND, STORE_EQ, { STORE_TEXT, 0, { (const uint8_t *)"y", 1 } } } }, 1, false, 0,
		  "def" },
		{ "less", { { COL_DOCS_AT, STORE_LT, { STORE_INT, 30, { 0, 0 } } } }, 1, false, 0, "ab" },
		{ "not less, and no NULLs", { { COL_DOCS_AT, STORE_GE, { STORE_INT, 30, { 0, 0 } } } }, 1, false, 0,
		  "cdeg" },
		{ "prefix", { { COL_DOCS_KIND, STORE_PREFIX, { STORE_TEXT, 0, { (const uint8_t *)"x", 1 } } } }, 1,
		  false, 0, "abc" },
		{ "both", { { COL_DOCS_KIND, STORE_EQ, { STORE_TEXT, 0, { (const uint8_t *)"y", 1 } } },
			    { COL_DOCS_AT, STORE_GE, { STORE_INT, 50, { 0, 0 } } } }, 2, false, 0, "e" },
	};
	struct fixture *f = *state;

	begin(f);
	put_doc(f, "y", "d", BYTES_LIT("4"), 40);
	put_doc(f, "x.1", "a", BYTES_LIT("1"), 10);
	put_doc(f, "y", "f", BYTES_LIT("6"), 0);
	put_doc(f, "x.1", "b", BYTES_LIT("2"), 20);
	put_doc(f, "y", "e", BYTES_LIT("5"), 50);
	put_doc(f, "x.2", "c", BYTES_LIT("3"), 30);
	put_doc(f, "z", "g", BYTES_LIT("7"), 70);
	commit(f);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct store_query q = { STORE_DOCS, cases[i].conds, cases[i].n_conds, cases[i].descending,
					 cases[i].limit };
		struct seen s = { "", 0, 0 };

		assert_int_equal(store_scan(f->s, &q, note_key, &s, &f->err), ST_OK);
		if (strcmp(s.text, cases[i].want) != 0)
			fail_msg("%s: %s, not %s", cases[i].why, s.text, cases[i].want);
	}
}

static void a_scan_ends_with_what_its_function_says(void **state)
{
	struct fixture *f = *state;
	struct store_query q = { .table = STORE_DOCS };
	struct seen s = { "", 0, 2 };

	begin(f);
	put_doc(f, "x", "a", BYTES_LIT("1"), 1);
	put_doc(f, "x", "b", BYTES_LIT("1"), 1);
	put_doc(f, "x", "c", BYTES_LIT("1"), 1);
	commit(f);
	assert_int_equal(store_scan(f->s, &q, note_key, &s, &f->err), ST_CLOSED);
	assert_string_equal(s.text, "ab");
	begin(f); /* the scan left nothing open */
	put_doc(f, "x", "d", BYTES_LIT("1"), 1);
	commit(f);
}

static void delete_where_removes_what_meets_the_conditions(void **state)
{
	struct fixture *f = *state;
	struct store_cond c = { COL_DOCS_AT, STORE_LT, store_int(2) };
	struct store_query q = { .table = STORE_DOCS, .conds = &c, .n_conds = 1 };
	struct seen s = { "", 0, 0 };

	begin(f);
	put_doc(f, "x", "a", BYTES_LIT("1"), 1);
	put_doc(f, "x", "b", BYTES_LIT("1"), 2);
	put_doc(f, "y", "c", BYTES_LIT("1"), 1);
	assert_int_equal(store_delete_where(f->s, &q, &f->err), ST_OK);
	commit(f);
	q.n_conds = 0;
	assert_int_equal(store_scan(f->s, &q, note_key, &s, &f->err), ST_OK);
	assert_string_equal(s.text, "b");
}

static enum status same_values(void *arg, const struct store_value *row, struct err *err)
{
	const struct store_value *want = arg;

	(void)err;
	for (unsigned i = 0; i < COL_PREAUTH_COUNT; i++) {
		assert_int_equal(row[i].type, want[i].type);
		assert_true(row[i].i == want[i].i);
		assert_true(bytes_eq(row[i].b, want[i].b));
	}
	return ST_OK;
}

static void every_type_of_value_comes_back_as_it_was(void **state)
{
	static const uint8_t blob[] = { 0, 1, 255, 0 };
	struct fixture *f = *state;
	struct store_value row[COL_PREAUTH_COUNT];

	for (unsigned i = 0; i < COL_PREAUTH_COUNT; i++)
		row[i] = store_int(INT64_MAX - i);
	row[COL_PREAUTH_NAME] = store_text("n\xc3\xa4me");
	row[COL_PREAUTH_HASH] = store_blob(bytes_of(blob, sizeof blob));
	row[COL_PREAUTH_TAGS] = store_null();
	row[COL_PREAUTH_DESCRIPTION] = store_text("");
	row[COL_PREAUTH_REVOKED] = store_int(INT64_MIN + 1);
	begin(f);
	assert_int_equal(store_put(f->s, STORE_PREAUTH, row, &f->err), ST_OK);
	commit(f);
	reopen(f);
	assert_int_equal(store_get(f->s, STORE_PREAUTH, row, same_values, row, &f->err), ST_OK);
}

static void a_name_that_must_be_unique_is_refused_twice(void **state)
{
	struct fixture *f = *state;
	struct store_value row[COL_PREAUTH_COUNT];

	for (unsigned i = 0; i < COL_PREAUTH_COUNT; i++)
		row[i] = store_int(1);
	row[COL_PREAUTH_NAME] = store_text("same");
	row[COL_PREAUTH_HASH] = store_blob(BYTES_LIT("x"));
	row[COL_PREAUTH_DESCRIPTION] = store_text("");
	begin(f);
	assert_int_equal(store_put(f->s, STORE_PREAUTH, row, &f->err), ST_OK);
	row[COL_PREAUTH_ID] = store_int(2);
	assert_int_equal(store_put(f->s, STORE_PREAUTH, row, &f->err), ST_CONFLICT);
	store_rollback(f->s);
	assert_int_equal(store_get(f->s, STORE_PREAUTH, row, same_values, row, &f->err), ST_NOT_FOUND);
}

static void two_stores_on_one_disk_are_refused(void **state)
{
	struct fixture *f = *state;
	struct store *second = NULL;
	enum status st = f->sqlite ? store_open_sqlite(&(struct store_sqlite_opts){ .path = f->path }, &second, &f->err) :
				     store_open_fake(f->disk, &second, &f->err);

	assert_int_equal(st, ST_CONFLICT);
	assert_non_null(strstr(f->err.text, "in use by another"));
	assert_null(second);
}

#define BOTH(t)                                                                                    \
	{ #t " (sqlite)", t, with_sqlite, tear_down, NULL }, { #t " (fake)", t, with_fake, tear_down, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(what_is_committed_is_there_after_reopening),
		BOTH(what_is_rolled_back_is_not),
		BOTH(closing_gives_up_an_open_transaction),
		BOTH(put_replaces_and_delete_of_nothing_is_no_error),
		BOTH(scans_are_in_order_and_obey_conditions),
		BOTH(a_scan_ends_with_what_its_function_says),
		BOTH(delete_where_removes_what_meets_the_conditions),
		BOTH(every_type_of_value_comes_back_as_it_was),
		BOTH(a_name_that_must_be_unique_is_refused_twice),
		BOTH(two_stores_on_one_disk_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
