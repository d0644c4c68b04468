/* offline/import_priv.h -- between the files of the import and its rows. */
#ifndef OFFLINE_IMPORT_PRIV_H
#define OFFLINE_IMPORT_PRIV_H

#include <sqlite3.h>

#include "store/store.h"

struct import_counts {
	uint64_t users, nodes, preauth_keys, api_keys;
	uint64_t left_out; /* OAuth clients, API keys of a form that nobody accepts any more */
	bool policy;
	bool policy_left_out; /* it does not compile, and is not in use */
};

/** Has it the tables of a Go headscale, of whatever age? ST_NOT_FOUND: no. ST_BAD_INPUT: SQLite cannot read it. */
enum status import_is_go(sqlite3 *db, struct err *err) MUST_CHECK;
/** ST_UNSUPPORTED: its schema is too old, or one we do not know; err says what to do. */
enum status import_check_schema(sqlite3 *db, struct err *err) MUST_CHECK;
/**
 * Put everything of `db` into `to`, where a transaction is open and nothing else is.
 *
 * db  a copy of one's own: temporary tables and an index are made in it.
 * ST_BAD_INPUT, ST_CONFLICT  see import.h. ST_IO.
 */
enum status import_rows(sqlite3 *db, bool policy_in_use, struct store *to, struct import_counts *out, struct err *err)
	MUST_CHECK;

#endif
