/*
 * store/fake.c -- rows in memory, with faults on order; see store/store.h.
 *
 * Rows of a table lie sorted by key; a transaction keeps what it overwrote and puts it back when it is given up.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/vec.h"
#include "store/store_priv.h"

struct row {
	struct store_value *v; /* owned, with its bytes behind it in one allocation */
};
struct undo {
	enum store_table table;
	struct row old;      /* v NULL: there was none */
	struct row key;      /* a row with the key in it: what to remove if there was none */
};
struct fake_disk {
	VEC(struct row) rows[STORE_TABLE_COUNT];
	VEC(struct undo) undo;
	/* Set and read by a test while the store's thread works. */
	atomic_uint writes, fail_from, fail_until, commit_us;
	_Atomic enum fake_fault fault;
	bool open;
};
struct fake_store {
	struct store base;
	struct fake_disk *d;
};

struct fake_disk *fake_disk_new(void)
{
	return xcalloc(1, sizeof(struct fake_disk));
}

static void undo_clear(struct fake_disk *d)
{
	for (size_t i = 0; i < d->undo.n; i++) {
		free(d->undo.v[i].old.v);
		free(d->undo.v[i].key.v);
	}
	d->undo.n = 0;
}

void fake_disk_free(struct fake_disk **dp)
{
	struct fake_disk *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	undo_clear(d);
	vec_release(&d->undo);
	for (int t = 0; t < STORE_TABLE_COUNT; t++) {
		for (size_t i = 0; i < d->rows[t].n; i++)
			free(d->rows[t].v[i].v);
		vec_release(&d->rows[t]);
	}
	free(d);
}

void fake_disk_fail(struct fake_disk *d, unsigned nth, unsigned times, enum fake_fault fault)
{
	d->fail_from = d->writes + nth;
	d->fail_until = d->fail_from + times;
	d->fault = fault;
}

unsigned fake_disk_writes(const struct fake_disk *d)
{
	return d->writes;
}

void fake_disk_slow(struct fake_disk *d, unsigned commit_us)
{
	d->commit_us = commit_us;
}

/* The fault that this writing call meets. */
static enum fake_fault meet(struct fake_disk *d)
{
	unsigned nth = ++d->writes;

	return d->fault != FAKE_FAULT_NONE && nth >= d->fail_from && nth < d->fail_until ? d->fault : FAKE_FAULT_NONE;
}

static struct row row_copy(const struct store_value *v, unsigned n)
{
	size_t extra = 0;
	struct row r;
	uint8_t *to;

	for (unsigned i = 0; i < n; i++)
		extra += v[i].b.n;
	r.v = xmalloc(n * sizeof *v + extra + 1);
	memcpy(r.v, v, n * sizeof *v);
	to = (uint8_t *)(r.v + n);
	for (unsigned i = 0; i < n; i++) {
		if (v[i].type != STORE_TEXT && v[i].type != STORE_BLOB)
			continue;
		if (v[i].b.n > 0)
			memcpy(to, v[i].b.p, v[i].b.n);
		r.v[i].b.p = to;
		to += v[i].b.n;
	}
	return r;
}

static int value_cmp(const struct store_value *a, const struct store_value *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->type == STORE_INT)
		return a->i < b->i ? -1 : a->i > b->i;
	return bytes_cmp(a->b, b->b);
}

static int key_cmp(enum store_table t, const struct store_value *a, const struct store_value *b)
{
	int c = 0;

	for (unsigned i = 0; i < store_tables[t].n_key && c == 0; i++)
		c = value_cmp(&a[i], &b[i]);
	return c;
}

/* Where the key is, or belongs. */
static size_t find(struct fake_disk *d, enum store_table t, const struct store_value *key, bool *found)
{
	size_t lo = 0, hi = d->rows[t].n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (key_cmp(t, d->rows[t].v[mid].v, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = lo < d->rows[t].n && key_cmp(t, d->rows[t].v[lo].v, key) == 0;
	return lo;
}

static void rows_insert(struct fake_disk *d, enum store_table t, size_t at, struct row r)
{
	vec_push(&d->rows[t], r);
	memmove(d->rows[t].v + at + 1, d->rows[t].v + at, (d->rows[t].n - 1 - at) * sizeof r);
	d->rows[t].v[at] = r;
}

static void rows_remove(struct fake_disk *d, enum store_table t, size_t at)
{
	memmove(d->rows[t].v + at, d->rows[t].v + at + 1, (d->rows[t].n - at - 1) * sizeof(struct row));
	d->rows[t].n--;
}

static void undo_all(struct fake_disk *d)
{
	while (d->undo.n > 0) {
		struct undo *u = &d->undo.v[--d->undo.n];
		bool found;
		size_t at = find(d, u->table, u->key.v, &found);

		if (found) {
			free(d->rows[u->table].v[at].v);
			rows_remove(d, u->table, at);
		}
		if (u->old.v != NULL)
			rows_insert(d, u->table, at, u->old);
		free(u->key.v);
	}
}

static struct fake_disk *disk(struct store *s)
{
	return ((struct fake_store *)s)->d;
}

static enum status failed(struct err *err)
{
	err_set(err, "the disk fails as told");
	return ST_IO;
}

static void fake_close(struct store *s)
{
	disk(s)->open = false;
	free(s);
}

static enum status fake_begin(struct store *s, struct err *err)
{
	return meet(disk(s)) == FAKE_FAULT_NONE ? ST_OK : failed(err);
}

static void fake_rollback(struct store *s)
{
	undo_all(disk(s));
}

static enum status fake_commit(struct store *s, struct err *err)
{
	struct fake_disk *d = disk(s);
	enum fake_fault f = meet(d);

	if (d->commit_us > 0)
		nanosleep(&(struct timespec){ d->commit_us / 1000000, (d->commit_us % 1000000) * 1000L }, NULL);
	if (f == FAKE_FAULT_NONE || f == FAKE_FAULT_DONE)
		undo_clear(d);
	else
		undo_all(d);
	if (f == FAKE_FAULT_NONE)
		return ST_OK;
	failed(err);
	return f == FAKE_FAULT_LOST || f == FAKE_FAULT_DONE ? ST_UNCERTAIN : ST_IO;
}

/* What SQL says with unique indexes, so that a wrong writer is found out here too. */
static bool clashes(struct fake_disk *d, enum store_table t, const struct store_value *row)
{
	static const int unique[STORE_TABLE_COUNT][5] = {
		[STORE_NODES] = { COL_NODES_NODE_KEY, COL_NODES_NAME, COL_NODES_IP4, COL_NODES_IP6, 0 },
		[STORE_PREAUTH] = { COL_PREAUTH_NAME, 0 },
	};

	if (d->rows[t].n > 5000)
		return false; /* quadratic; the small tests suffice */
	for (const int *c = unique[t]; *c != 0; c++)
		for (size_t i = 0; i < d->rows[t].n; i++) {
			const struct store_value *o = d->rows[t].v[i].v;

			if (row[*c].type != STORE_NULL && value_cmp(&o[*c], &row[*c]) == 0 &&
			    value_cmp(&o[0], &row[0]) == 0 && key_cmp(t, o, row) != 0)
				return true;
		}
	return false;
}

static enum status fake_put(struct store *s, enum store_table t, const struct store_value *row, struct err *err)
{
	struct fake_disk *d = disk(s);
	struct undo u = { t, { NULL }, row_copy(row, store_tables[t].n_key) };
	enum fake_fault f;
	bool found;
	size_t at;

	f = meet(d);
	if (f != FAKE_FAULT_NONE && f != FAKE_FAULT_CONFLICT) {
		free(u.key.v);
		return failed(err);
	}
	if (f == FAKE_FAULT_CONFLICT || clashes(d, t, row)) {
		free(u.key.v);
		err_set(err, "a value in %s is not unique", store_tables[t].name);
		return ST_CONFLICT;
	}
	at = find(d, t, row, &found);
	if (found)
		u.old = d->rows[t].v[at];
	vec_push(&d->undo, u);
	if (found)
		d->rows[t].v[at] = row_copy(row, store_tables[t].n_cols);
	else
		rows_insert(d, t, at, row_copy(row, store_tables[t].n_cols));
	return ST_OK;
}

static void remove_at(struct fake_disk *d, enum store_table t, size_t at)
{
	struct undo u = { t, d->rows[t].v[at], row_copy(d->rows[t].v[at].v, store_tables[t].n_key) };

	vec_push(&d->undo, u);
	rows_remove(d, t, at);
}

static enum status fake_delete(struct store *s, enum store_table t, const struct store_value *key, struct err *err)
{
	struct fake_disk *d = disk(s);
	bool found;
	size_t at;

	if (meet(d) != FAKE_FAULT_NONE)
		return failed(err);
	at = find(d, t, key, &found);
	if (found)
		remove_at(d, t, at);
	return ST_OK;
}

static enum status fake_get(struct store *s, enum store_table t, const struct store_value *key, store_row_fn fn,
			    void *arg, struct err *err)
{
	bool found;
	size_t at = find(disk(s), t, key, &found);

	return found ? fn(arg, disk(s)->rows[t].v[at].v, err) : ST_NOT_FOUND;
}

static bool meets(const struct store_query *q, const struct store_value *row)
{
	for (size_t i = 0; i < q->n_conds; i++) {
		const struct store_cond *c = &q->conds[i];
		const struct store_value *v = &row[c->column];
		int order;

		if (v->type == STORE_NULL)
			return false;
		order = value_cmp(v, &c->v);
		if (c->op == STORE_EQ && order != 0)
			return false;
		if (c->op == STORE_LT && order >= 0)
			return false;
		if (c->op == STORE_GE && order < 0)
			return false;
		if (c->op == STORE_PREFIX &&
		    (v->b.n < c->v.b.n || memcmp(v->b.p, c->v.b.p, c->v.b.n) != 0))
			return false;
	}
	return true;
}

static enum status fake_scan(struct store *s, const struct store_query *q, store_row_fn fn, void *arg, struct err *err)
{
	struct fake_disk *d = disk(s);
	size_t n = d->rows[q->table].n, found = 0;
	enum status st;

	for (size_t i = 0; i < n; i++) {
		const struct store_value *row = d->rows[q->table].v[q->descending ? n - 1 - i : i].v;

		if (!meets(q, row))
			continue;
		st = fn(arg, row, err);
		if (st != ST_OK || ++found == q->limit)
			return st;
	}
	return ST_OK;
}

static enum status fake_delete_where(struct store *s, const struct store_query *q, struct err *err)
{
	struct fake_disk *d = disk(s);

	if (meet(d) != FAKE_FAULT_NONE)
		return failed(err);
	for (size_t i = 0; i < d->rows[q->table].n;)
		if (meets(q, d->rows[q->table].v[i].v))
			remove_at(d, q->table, i);
		else
			i++;
	return ST_OK;
}

enum status store_open_fake(struct fake_disk *d, struct store **out, struct err *err)
{
	static const struct store_driver driver = { fake_close, fake_begin, fake_commit, fake_rollback, fake_put,
						    fake_delete, fake_get, fake_scan, fake_delete_where };
	struct fake_store *s;

	if (d->open) {
		err_set(err, "the fake disk is in use by another store");
		return ST_CONFLICT;
	}
	d->open = true;
	s = xcalloc(1, sizeof *s);
	s->base.driver = &driver;
	s->d = d;
	*out = &s->base;
	return ST_OK;
}
