/*
 * offline/import_read.h -- rows of a Go headscale's database, column by column, through SQL.
 *
 * Getters speak of the row that the reader's statement stands at. What cannot be read is told by import_bad(), which keeps the
 * first mistake of a row; a getter that finds one gives zero, NULL or nothing.
 */
#ifndef OFFLINE_IMPORT_READ_H
#define OFFLINE_IMPORT_READ_H

#include <sqlite3.h>

#include "crypto/hash.h"
#include "crypto/keys.h"
#include "state/records.h"

/* A column of theirs: `optional` ones read as NULL where the schema is older. `sql` instead of the bare name, if given. */
struct import_column {
	const char *name;
	bool optional;
	const char *sql;
};

/* A table being read. The first mistake in a row is kept; who reads ten columns checks once. */
struct import_reader {
	sqlite3 *db;
	sqlite3_stmt *st;
	const char *table;
	const struct import_column *cols;
	int64_t id;
	enum status status;
	struct err *err;
};

/** The row has a mistake in this column: "table T, id N, column C: ..." goes to the reader's err, once. */
void import_bad(struct import_reader *r, unsigned col, const char *fmt, ...) PRINTF_LIKE(3, 4);
/** What SQLite says of the table `what`, as err. Always ST_IO. */
enum status import_sql_failed(sqlite3 *db, const char *what, struct err *err);
/** The one number that a query gives, with up to two texts for ?1 and ?2 (NULL: not used); -1 if it fails. */
int64_t import_number(sqlite3 *db, const char *sql, const char *a, const char *b);
bool import_has_table(sqlite3 *db, const char *table);
bool import_has_column(sqlite3 *db, const char *table, const char *col);
/** The statement for the n columns of the reader's table. ST_BAD_INPUT: a table or column is missing. sqlite3_finalize(r->st). */
enum status import_prepare(struct import_reader *r, unsigned n, const char *where) MUST_CHECK;

bool import_is_null(const struct import_reader *r, unsigned col);
/** Borrowed until the next step. */
struct bytes import_get_bytes(struct import_reader *r, unsigned col);
/** UTF-8 without NUL, "" for NULL; borrowed until the next step. */
const char *import_get_text(struct import_reader *r, unsigned col);
uint64_t import_get_id(struct import_reader *r, unsigned col);
bool import_get_bool(struct import_reader *r, unsigned col);
/** ns since 1970. NULL is TIME_NONE, a time before 1900 (Go's year 1 in some zone) `zero`. */
int64_t import_get_time(struct import_reader *r, unsigned col, int64_t zero);
/** A key as its text says it; not `needed`: NULL and "" are zero. */
void import_get_key(struct import_reader *r, unsigned col, enum key_kind kind, bool needed, uint8_t out[static KEY_LEN]);
/** IP_NONE for NULL and "". */
void import_get_addr(struct import_reader *r, unsigned col, enum ip_family family, struct ip_addr *out);
/* Lists in JSON; NULL for empty ones. Returned (their unref). */
struct str_list *import_get_texts(struct import_reader *r, unsigned col);
struct prefix_list *import_get_prefixes(struct import_reader *r, unsigned col);
struct endpoint_list *import_get_endpoints(struct import_reader *r, unsigned col);
void import_get_bcrypt(struct import_reader *r, unsigned col, struct secret_hash *out);

#endif
