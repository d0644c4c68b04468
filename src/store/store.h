/*
 * store/store.h -- rows that outlive the process: one small interface, a driver each for SQLite and memory.
 *
 *     begin -> put, delete ... -> commit        rows in, all or none, on disk when commit returns
 *     get, scan                                 rows out, as last committed or changed in this transaction
 *
 * Tables and their columns are named in store/tables.h; a row is an array of values in the order of its table's
 * columns, the first ones of which are its key. What the rows mean is the business of state/.
 *
 * A store is used by one thread at a time (that of state/, which waits for the disk); every call may block.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/bytes.h"
#include "base/status.h"
#include "store/tables.h"

enum store_type { STORE_NULL = 0, STORE_INT, STORE_TEXT, STORE_BLOB };
struct store_value {
	enum store_type type;
	int64_t i;        /* INT */
	struct bytes b;   /* TEXT (UTF-8), BLOB; borrowed */
};
static inline struct store_value store_null(void)
{
	return (struct store_value){ STORE_NULL, 0, { 0, 0 } };
}
static inline struct store_value store_int(int64_t i)
{
	return (struct store_value){ STORE_INT, i, { 0, 0 } };
}
static inline struct store_value store_text(const char *s)
{
	return (struct store_value){ STORE_TEXT, 0, bytes_of_str(s) };
}
static inline struct store_value store_text_bytes(struct bytes b)
{
	return (struct store_value){ STORE_TEXT, 0, b };
}
static inline struct store_value store_blob(struct bytes b)
{
	return (struct store_value){ STORE_BLOB, 0, b };
}

struct store;

/* The application_id of our databases ("HsC1"): byte 68 of the file, big endian. */
#define STORE_SQLITE_ID 0x48734331

struct store_sqlite_opts {
	const char *path;            /* made with mode 0600 if it is not there */
	int64_t wal_autocheckpoint;  /* pages; 0: SQLite's own default; negative: only when it is closed */
	/** Told of each statement when it has ended: its text without the values, and how long it took. NULL: nobody. */
	void (*ran)(void *arg, const char *sql, int64_t ns);
	void *ran_arg;
};
/**
 * Open (making or migrating it forward) an SQLite database: WAL, synchronous=FULL. Blocks.
 *
 * ST_CONFLICT     another server has it open.
 * ST_UNSUPPORTED  the file is something else: a database of the Go headscale, one of a newer version of ours, or no
 *                 database of ours at all; err says what to do. It is left as it was.
 * ST_IO           the disk, or SQLite. Returned (store_close).
 */
enum status store_open_sqlite(const struct store_sqlite_opts *opts, struct store **out, struct err *err) MUST_CHECK;

/** Close, giving up an open transaction. Accepts NULL inside. */
void store_close(struct store **s);

/** Start a transaction; there is none yet. ST_IO. */
enum status store_begin(struct store *s, struct err *err) MUST_CHECK;
/**
 * End it. The transaction is over whatever comes back.
 * ST_OK         every row is on disk.
 * ST_IO         nothing of it is, nor will be.
 * ST_UNCERTAIN  it may be or not: read again what matters.
 */
enum status store_commit(struct store *s, struct err *err) MUST_CHECK;
/** Give it up; does nothing without one. */
void store_rollback(struct store *s);

/* Inside a transaction. ST_IO: roll back. */

/** Insert the row, or replace that of its key. All columns. ST_CONFLICT: another row has a value that must be unique. */
enum status store_put(struct store *s, enum store_table t, const struct store_value *row, struct err *err) MUST_CHECK;
/** Remove the row of that key, if there is one. `key`: the key columns. */
enum status store_delete(struct store *s, enum store_table t, const struct store_value *key, struct err *err)
	MUST_CHECK;

/* Inside a transaction or not. */

/* A row as read; values are borrowed for the call. Anything but ST_OK ends the scan and is what it returns. */
typedef enum status (*store_row_fn)(void *arg, const struct store_value *row, struct err *err);

/** The row of that key, through fn. ST_NOT_FOUND. */
enum status store_get(struct store *s, enum store_table t, const struct store_value *key, store_row_fn fn, void *arg,
		      struct err *err) MUST_CHECK;

enum store_op { STORE_EQ, STORE_LT, STORE_GE, STORE_PREFIX /* text that begins so */ };
struct store_cond {
	unsigned column;        /* index in the table's columns */
	enum store_op op;       /* a NULL in the row meets none */
	struct store_value v;
};
struct store_query {
	enum store_table table;
	const struct store_cond *conds; /* all must hold */
	size_t n_conds;
	bool descending;        /* by key, else ascending */
	size_t limit;           /* 0: none */
};
enum status store_scan(struct store *s, const struct store_query *q, store_row_fn fn, void *arg, struct err *err)
	MUST_CHECK;
/** Inside a transaction: remove all rows that meet the conditions; limit and order do not count. */
enum status store_delete_where(struct store *s, const struct store_query *q, struct err *err) MUST_CHECK;

/* ---- in memory, for tests ---------------------------------------------------------------- */

/* What lies on the pretended disk; several stores may be opened on it one after the other. */
struct fake_disk;
struct fake_disk *fake_disk_new(void);
void fake_disk_free(struct fake_disk **d);

enum fake_fault {
	FAKE_FAULT_NONE,
	FAKE_FAULT_IO,         /* the call fails, nothing of the transaction stays */
	FAKE_FAULT_LOST,       /* a commit says ST_UNCERTAIN and did not happen; other calls: as IO */
	FAKE_FAULT_CONFLICT,   /* a put is refused as not unique; other calls: as IO */
	FAKE_FAULT_DONE,       /* a commit says ST_UNCERTAIN and did happen; other calls: as IO */
};
/** The nth call that writes (begin, put, delete, delete_where, commit) from now on fails; 1 is the next. `times` in a row. */
void fake_disk_fail(struct fake_disk *d, unsigned nth, unsigned times, enum fake_fault fault);
/** Writing calls since the disk was made. */
unsigned fake_disk_writes(const struct fake_disk *d);
/** Each commit takes so long. */
void fake_disk_slow(struct fake_disk *d, unsigned commit_us);
/** Borrows d, which must outlive the store. ST_CONFLICT: a store is open on it. */
enum status store_open_fake(struct fake_disk *d, struct store **out, struct err *err) MUST_CHECK;

#endif
