/*
 * store/sqlite.c -- the SQLite driver; see store/store.h.
 *
 * The file is looked at before SQLite opens it: our databases carry an application_id in their first page, which is
 * written before the database goes into WAL mode, so it is always in the file itself. What is not ours is never
 * opened for writing.
 *
 * One server a file: an advisory lock on "<path>.lock", held by the open descriptor, so it ends with the process
 * however that ends. Other programmes may read the database meanwhile, and back it up.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/vec.h"
#include "store/store_priv.h"

#define SQL_MAX 2048

enum statement { STMT_PUT, STMT_DELETE, STMT_GET, STMT_COUNT };

struct sqlite_store {
	struct store base;
	sqlite3 *db;
	sqlite3_stmt *stmt[STORE_TABLE_COUNT][STMT_COUNT]; /* prepared at first use */
	void (*ran)(void *arg, const char *sql, int64_t ns); /* NULL: nobody is told */
	void *ran_arg;
	sqlite3_stmt *begin, *commit;
	int lock_fd;
	char *path;
};

static struct sqlite_store *own(struct store *s)
{
	return (struct sqlite_store *)s;
}

static enum status sql_failed(struct sqlite_store *s, const char *what, struct err *err)
{
	int rc = sqlite3_extended_errcode(s->db);

	err_set(err, "%s: %s: %s", s->path, what, sqlite3_errmsg(s->db));
	return (rc & 0xff) == SQLITE_CONSTRAINT ? ST_CONFLICT : ST_IO;
}

static enum status sql_run(struct sqlite_store *s, const char *sql, struct err *err)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? ST_OK : sql_failed(s, "database", err);
}

static int64_t sql_number(struct sqlite_store *s, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

/* ---- statements -------------------------------------------------------------------------- */

struct sql {
	char text[SQL_MAX];
	size_t n;
};

static void add(struct sql *q, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add(struct sql *q, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	q->n += (size_t)vsnprintf(q->text + q->n, SQL_MAX - q->n, fmt, ap);
	va_end(ap);
}

static void add_list(struct sql *q, const struct store_table_def *d, unsigned from, unsigned to, const char *fmt,
		     const char *between)
{
	for (unsigned i = from; i < to; i++) {
		add(q, "%s", i > from ? between : "");
		add(q, fmt, d->cols[i], d->cols[i]);
	}
}

static void statement_text(enum store_table t, enum statement which, struct sql *q)
{
	const struct store_table_def *d = &store_tables[t];

	q->n = 0;
	switch (which) {
	case STMT_PUT:
		add(q, "INSERT INTO %s VALUES (?", d->name);
		for (unsigned i = 1; i < d->n_cols; i++)
			add(q, ",?");
		add(q, ") ON CONFLICT (");
		add_list(q, d, 0, d->n_key, "%.0s%s", ",");
		add(q, ") DO UPDATE SET ");
		add_list(q, d, d->n_key, d->n_cols, "%s = excluded.%s", ", ");
		break;
	case STMT_DELETE:
		add(q, "DELETE FROM %s WHERE ", d->name);
		add_list(q, d, 0, d->n_key, "%.0s%s = ?", " AND ");
		break;
	case STMT_GET:
	case STMT_COUNT:
		add(q, "SELECT ");
		add_list(q, d, 0, d->n_cols, "%.0s%s", ",");
		add(q, " FROM %s WHERE ", d->name);
		add_list(q, d, 0, d->n_key, "%.0s%s = ?", " AND ");
		break;
	}
}

static enum status prepared(struct sqlite_store *s, enum store_table t, enum statement which, sqlite3_stmt **out,
			    struct err *err)
{
	struct sql q;

	if (s->stmt[t][which] == NULL) {
		statement_text(t, which, &q);
		if (sqlite3_prepare_v3(s->db, q.text, (int)q.n, SQLITE_PREPARE_PERSISTENT, &s->stmt[t][which], NULL) !=
		    SQLITE_OK)
			return sql_failed(s, store_tables[t].name, err);
	}
	*out = s->stmt[t][which];
	return ST_OK;
}

static void bind(sqlite3_stmt *st, int at, const struct store_value *v)
{
	const void *p = v->b.n > 0 ? (const void *)v->b.p : "";

	switch (v->type) {
	case STORE_NULL:
		sqlite3_bind_null(st, at);
		break;
	case STORE_INT:
		sqlite3_bind_int64(st, at, v->i);
		break;
	case STORE_TEXT:
		sqlite3_bind_text64(st, at, p, v->b.n, SQLITE_STATIC, SQLITE_UTF8);
		break;
	case STORE_BLOB:
		sqlite3_bind_blob64(st, at, p, v->b.n, SQLITE_STATIC);
		break;
	}
}

static void column(sqlite3_stmt *st, int at, struct store_value *v)
{
	memset(v, 0, sizeof *v);
	switch (sqlite3_column_type(st, at)) {
	case SQLITE_INTEGER:
		v->type = STORE_INT;
		v->i = sqlite3_column_int64(st, at);
		break;
	case SQLITE_TEXT:
		v->type = STORE_TEXT;
		v->b = bytes_of(sqlite3_column_text(st, at), (size_t)sqlite3_column_bytes(st, at));
		break;
	case SQLITE_BLOB:
		v->type = STORE_BLOB;
		v->b = bytes_of(sqlite3_column_blob(st, at), (size_t)sqlite3_column_bytes(st, at));
		break;
	default: /* NULL; a REAL is none of ours */
		break;
	}
}

static void reset(sqlite3_stmt *st)
{
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
}

static enum status run(struct sqlite_store *s, enum store_table t, enum statement which,
		       const struct store_value *values, unsigned n, struct err *err)
{
	sqlite3_stmt *st;
	enum status status = prepared(s, t, which, &st, err);

	if (status != ST_OK)
		return status;
	for (unsigned i = 0; i < n; i++)
		bind(st, (int)i + 1, &values[i]);
	if (sqlite3_step(st) != SQLITE_DONE)
		status = sql_failed(s, store_tables[t].name, err);
	reset(st);
	return status;
}

/* Hand the rows of a bound statement to fn. */
static enum status rows(struct sqlite_store *s, enum store_table t, sqlite3_stmt *st, store_row_fn fn, void *arg,
			size_t *n_out, struct err *err)
{
	struct store_value v[STORE_COLUMNS_MAX];
	enum status status = ST_OK;
	int rc;

	*n_out = 0;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		for (unsigned i = 0; i < store_tables[t].n_cols; i++)
			column(st, (int)i, &v[i]);
		++*n_out;
		status = fn(arg, v, err);
		if (status != ST_OK)
			return status;
	}
	return rc == SQLITE_DONE ? ST_OK : sql_failed(s, store_tables[t].name, err);
}

/* ---- the driver -------------------------------------------------------------------------- */

static void sqlite_close(struct store *base)
{
	struct sqlite_store *s = own(base);

	for (int t = 0; t < STORE_TABLE_COUNT; t++)
		for (int i = 0; i < STMT_COUNT; i++)
			sqlite3_finalize(s->stmt[t][i]);
	sqlite3_finalize(s->begin);
	sqlite3_finalize(s->commit);
	if (s->db != NULL)
		sqlite3_close(s->db);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->path);
	free(s);
}

static enum status sqlite_begin(struct store *base, struct err *err)
{
	struct sqlite_store *s = own(base);
	int rc = sqlite3_step(s->begin);

	sqlite3_reset(s->begin);
	return rc == SQLITE_DONE ? ST_OK : sql_failed(s, "begin", err);
}

static void sqlite_rollback(struct store *base)
{
	if (!sqlite3_get_autocommit(own(base)->db)) /* some errors have rolled back already */
		sqlite3_exec(own(base)->db, "ROLLBACK", NULL, NULL, NULL);
}

static enum status sqlite_commit(struct store *base, struct err *err)
{
	struct sqlite_store *s = own(base);
	int rc = sqlite3_step(s->commit);
	enum status st = ST_OK;

	if (rc != SQLITE_DONE) {
		sql_failed(s, "commit", err);
		/*
		 * A full disk is found while frames are written: nothing is committed. After an I/O error (fsync above
		 * all) the commit record may be on the disk or not, and only reading again can tell.
		 */
		st = (rc & 0xff) == SQLITE_IOERR ? ST_UNCERTAIN : ST_IO;
	}
	sqlite3_reset(s->commit);
	if (st != ST_OK)
		sqlite_rollback(base);
	return st;
}

static enum status sqlite_put(struct store *base, enum store_table t, const struct store_value *row, struct err *err)
{
	return run(own(base), t, STMT_PUT, row, store_tables[t].n_cols, err);
}

static enum status sqlite_delete(struct store *base, enum store_table t, const struct store_value *key,
				 struct err *err)
{
	return run(own(base), t, STMT_DELETE, key, store_tables[t].n_key, err);
}

static enum status sqlite_get(struct store *base, enum store_table t, const struct store_value *key, store_row_fn fn,
			      void *arg, struct err *err)
{
	sqlite3_stmt *st;
	enum status status = prepared(own(base), t, STMT_GET, &st, err);
	size_t n = 0;

	if (status != ST_OK)
		return status;
	for (unsigned i = 0; i < store_tables[t].n_key; i++)
		bind(st, (int)i + 1, &key[i]);
	status = rows(own(base), t, st, fn, arg, &n, err);
	reset(st);
	return status == ST_OK && n == 0 ? ST_NOT_FOUND : status;
}

static enum status query(struct sqlite_store *s, const struct store_query *q, bool del, sqlite3_stmt **out,
			 struct err *err)
{
	static const char *const ops[] = { [STORE_EQ] = "=", [STORE_LT] = "<", [STORE_GE] = ">=" };
	const struct store_table_def *d = &store_tables[q->table];
	struct sql sql = { .n = 0 };

	add(&sql, "%s", del ? "DELETE" : "SELECT ");
	if (!del)
		add_list(&sql, d, 0, d->n_cols, "%.0s%s", ",");
	add(&sql, " FROM %s WHERE 1", d->name);
	for (size_t i = 0; i < q->n_conds; i++) {
		const char *col = d->cols[q->conds[i].column];

		if (q->conds[i].op == STORE_PREFIX)
			add(&sql, " AND substr(%s, 1, length(?%zu)) = ?%zu", col, i + 1, i + 1);
		else
			add(&sql, " AND %s %s ?%zu", col, ops[q->conds[i].op], i + 1);
	}
	if (!del) {
		add(&sql, " ORDER BY ");
		add_list(&sql, d, 0, d->n_key, q->descending ? "%.0s%s DESC" : "%.0s%s", ",");
		if (q->limit > 0)
			add(&sql, " LIMIT %zu", q->limit);
	}
	if (sqlite3_prepare_v2(s->db, sql.text, (int)sql.n, out, NULL) != SQLITE_OK)
		return sql_failed(s, d->name, err);
	for (size_t i = 0; i < q->n_conds; i++)
		bind(*out, (int)i + 1, &q->conds[i].v);
	return ST_OK;
}

static enum status sqlite_scan(struct store *base, const struct store_query *q, store_row_fn fn, void *arg,
			       struct err *err)
{
	sqlite3_stmt *st = NULL;
	enum status status = query(own(base), q, false, &st, err);
	size_t n;

	if (status == ST_OK)
		status = rows(own(base), q->table, st, fn, arg, &n, err);
	sqlite3_finalize(st);
	return status;
}

static enum status sqlite_delete_where(struct store *base, const struct store_query *q, struct err *err)
{
	struct sqlite_store *s = own(base);
	sqlite3_stmt *st = NULL;
	enum status status = query(s, q, true, &st, err);

	if (status == ST_OK && sqlite3_step(st) != SQLITE_DONE)
		status = sql_failed(s, store_tables[q->table].name, err);
	sqlite3_finalize(st);
	return status;
}

/* ---- opening ----------------------------------------------------------------------------- */

static enum status take_lock(struct sqlite_store *s, struct err *err)
{
	char *name = sqlite3_mprintf("%s.lock", s->path);

	s->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		err_set(err, "cannot open %s: %s", name, strerror(errno));
	sqlite3_free(name);
	if (s->lock_fd < 0)
		return ST_IO;
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return ST_OK;
	err_set(err, "%s is in use by another server; stop that one first", s->path);
	return errno == EWOULDBLOCK ? ST_CONFLICT : ST_IO;
}

/* Does the database (not ours) have the tables of the Go server? Reads without leaving a trace. */
static bool looks_like_go(const char *path)
{
	char *wal = sqlite3_mprintf("%s-wal", path);
	/* A database that nobody has open is read as a plain file; one with a log needs SQLite's own way. */
	char *uri = sqlite3_mprintf(access(wal, F_OK) == 0 ? "file:%s?mode=ro" : "file:%s?mode=ro&immutable=1", path);
	struct sqlite_store s = { .path = NULL };
	int64_t n = 0;

	if (sqlite3_open_v2(uri, &s.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) == SQLITE_OK)
		n = sql_number(&s, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN"
				   " ('migrations', 'users', 'nodes', 'pre_auth_keys', 'namespaces', 'machines')");
	sqlite3_close(s.db);
	sqlite3_free(uri);
	sqlite3_free(wal);
	return n >= 3;
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Is the file ours, or new? Its first 100 bytes tell (SQLite file format, "The Database Header"). */
static enum status look_at(const char *path, bool *fresh_out, struct err *err)
{
	uint8_t head[100];
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ssize_t n;

	if (fd < 0) {
		err_set(err, "cannot open %s: %s", path, strerror(errno));
		return ST_IO;
	}
	n = pread(fd, head, sizeof head, 0);
	close(fd);
	if (n < 0) {
		err_set(err, "cannot read %s: %s", path, strerror(errno));
		return ST_IO;
	}
	*fresh_out = n == 0;
	if (n == 0)
		return ST_OK;
	if (n == sizeof head && memcmp(head, "SQLite format 3", 16) == 0) {
		if (be32(head + 68) == STORE_SQLITE_ID)
			return ST_OK;
		if (looks_like_go(path)) {
			err_set(err, "%s is a database of the Go headscale. It was not touched. The server imports it when it "
				     "starts: headscale serve",
				path);
			return ST_UNSUPPORTED;
		}
	}
	err_set(err, "%s is no database of this server. It was not touched; choose another path", path);
	return ST_UNSUPPORTED;
}

static enum status migrate(struct sqlite_store *s, struct err *err)
{
	int64_t version = sql_number(s, "PRAGMA user_version");
	char sql[80];
	enum status st;

	if (version > (int64_t)sqlite_version) {
		err_set(err, "%s has schema version %" PRId64 ", this server knows versions up to %u. It was not touched; "
			     "start a newer server, or one with a copy made before the upgrade",
			s->path, version, sqlite_version);
		return ST_UNSUPPORTED;
	}
	for (; version >= 0 && version < (int64_t)sqlite_version; version++) {
		/* A step and its number are one transaction: a crash leaves either version, whole. */
		st = sql_run(s, "BEGIN IMMEDIATE", err);
		if (st == ST_OK)
			st = sql_run(s, sqlite_steps[version], err);
		snprintf(sql, sizeof sql, "PRAGMA user_version = %" PRId64, version + 1);
		if (st == ST_OK)
			st = sql_run(s, sql, err);
		if (st == ST_OK)
			st = sql_run(s, "COMMIT", err);
		if (st != ST_OK) {
			err_prefix(err, "migrating to schema version %" PRId64, version + 1);
			return st == ST_CONFLICT ? ST_IO : st;
		}
	}
	return version >= 0 ? ST_OK : sql_failed(s, "schema version", err);
}

static int statement_ended(unsigned event, void *arg, void *statement, void *ns)
{
	const struct sqlite_store *s = arg;
	const char *sql = sqlite3_sql(statement); /* as prepared: a value may be a secret */

	(void)event;
	s->ran(s->ran_arg, sql != NULL ? sql : "", *(const sqlite3_int64 *)ns);
	return 0;
}

static enum status set_up(struct sqlite_store *s, const struct store_sqlite_opts *o, bool fresh, struct err *err)
{
	char sql[160];
	enum status st;

	if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return sql_failed(s, "open", err);
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, 10000); /* others may read, and back up */
	s->ran = o->ran;
	s->ran_arg = o->ran_arg;
	if (o->ran != NULL)
		(void)sqlite3_trace_v2(s->db, SQLITE_TRACE_PROFILE, statement_ended, s);
	if (fresh) {
		/* Before WAL mode: see the top of this file. */
		snprintf(sql, sizeof sql, "PRAGMA application_id = %d", STORE_SQLITE_ID);
		st = sql_run(s, sql, err);
		if (st != ST_OK)
			return st;
	}
	st = migrate(s, err);
	if (st != ST_OK)
		return st;
	snprintf(sql, sizeof sql,
		 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768;"
		 "PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = %" PRId64,
		 o->wal_autocheckpoint > 0 ? o->wal_autocheckpoint : o->wal_autocheckpoint < 0 ? 0 : 1000);
	st = sql_run(s, sql, err);
	if (st != ST_OK)
		return st;
	if (sqlite3_prepare_v3(s->db, "BEGIN IMMEDIATE", -1, SQLITE_PREPARE_PERSISTENT, &s->begin, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v3(s->db, "COMMIT", -1, SQLITE_PREPARE_PERSISTENT, &s->commit, NULL) != SQLITE_OK)
		return sql_failed(s, "prepare", err);
	return ST_OK;
}

enum status store_open_sqlite(const struct store_sqlite_opts *o, struct store **out, struct err *err)
{
	static const struct store_driver driver = { sqlite_close, sqlite_begin,	 sqlite_commit,
						    sqlite_rollback, sqlite_put, sqlite_delete,
						    sqlite_get,	 sqlite_scan,	 sqlite_delete_where };
	struct sqlite_store *s = xcalloc(1, sizeof *s);
	bool fresh = false;
	enum status st;

	s->base.driver = &driver;
	s->lock_fd = -1;
	s->path = xstrdup(o->path);
	/* The lock first: a database that another server is just making must not be taken for a strange one. */
	st = take_lock(s, err);
	if (st == ST_OK)
		st = look_at(s->path, &fresh, err);
	if (st == ST_OK && chmod(s->path, 0600) != 0) {
		err_set(err, "cannot protect %s: %s", s->path, strerror(errno));
		st = ST_IO;
	}
	if (st == ST_OK)
		st = set_up(s, o, fresh, err);
	if (st != ST_OK) {
		sqlite_close(&s->base);
		return st;
	}
	*out = &s->base;
	return ST_OK;
}
