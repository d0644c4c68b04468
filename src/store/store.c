/* store/store.c -- see store/store.h: the table of tables, and the way to the driver. */
#include "store/store.h"

#include <assert.h>

#include "store/store_priv.h"

#define X(id, name) name,
static const char *const cols_COUNTERS[] = { STORE_COUNTERS_COLS(X) };
static const char *const cols_USERS[] = { STORE_USERS_COLS(X) };
static const char *const cols_NODES[] = { STORE_NODES_COLS(X) };
static const char *const cols_PRESENCE[] = { STORE_PRESENCE_COLS(X) };
static const char *const cols_PREAUTH[] = { STORE_PREAUTH_COLS(X) };
static const char *const cols_API_KEYS[] = { STORE_API_KEYS_COLS(X) };
static const char *const cols_PENDING[] = { STORE_PENDING_COLS(X) };
static const char *const cols_SSH[] = { STORE_SSH_COLS(X) };
static const char *const cols_DOCS[] = { STORE_DOCS_COLS(X) };
static const char *const cols_AUDIT[] = { STORE_AUDIT_COLS(X) };
#undef X

#define T(id, sql_name, keys) { sql_name, keys, sizeof cols_##id / sizeof cols_##id[0], cols_##id },
const struct store_table_def store_tables[STORE_TABLE_COUNT] = { STORE_TABLES(T) };
#undef T

_Static_assert(COL_NODES_COUNT <= STORE_COLUMNS_MAX, "the widest table");

void store_close(struct store **s)
{
	struct store *old = *s;

	*s = NULL;
	if (old == NULL)
		return;
	store_rollback(old);
	old->driver->close(old);
}

enum status store_begin(struct store *s, struct err *err)
{
	enum status st;

	assert(!s->in_txn);
	st = s->driver->begin(s, err);
	if (st == ST_OK)
		s->in_txn = true;
	return st;
}

enum status store_commit(struct store *s, struct err *err)
{
	assert(s->in_txn);
	s->in_txn = false;
	return s->driver->commit(s, err);
}

void store_rollback(struct store *s)
{
	if (!s->in_txn)
		return;
	s->in_txn = false;
	s->driver->rollback(s);
}

enum status store_put(struct store *s, enum store_table t, const struct store_value *row, struct err *err)
{
	assert(s->in_txn && t < STORE_TABLE_COUNT);
	return s->driver->put(s, t, row, err);
}

enum status store_delete(struct store *s, enum store_table t, const struct store_value *key, struct err *err)
{
	assert(s->in_txn && t < STORE_TABLE_COUNT);
	return s->driver->del(s, t, key, err);
}

enum status store_get(struct store *s, enum store_table t, const struct store_value *key, store_row_fn fn, void *arg,
		      struct err *err)
{
	return s->driver->get(s, t, key, fn, arg, err);
}

enum status store_scan(struct store *s, const struct store_query *q, store_row_fn fn, void *arg, struct err *err)
{
	return s->driver->scan(s, q, fn, arg, err);
}

enum status store_delete_where(struct store *s, const struct store_query *q, struct err *err)
{
	assert(s->in_txn);
	return s->driver->delete_where(s, q, err);
}
