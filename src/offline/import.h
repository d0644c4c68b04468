/*
 * offline/import.h -- open the configured database, taking over that of the Go headscale if one stands there.
 *
 *     P       the configured path: our database, or that of the Go headscale, which is only ever read
 *     P.v1    what was made of the latter; used from then on, with the same configuration
 *
 * Taken over once, whole or not at all: P.v1 appears by a rename when everything is in it and on disk.
 * Source: docs/coming-from-the-go-server.md.
 */
#ifndef OFFLINE_IMPORT_H
#define OFFLINE_IMPORT_H

#include "store/store.h"

#define IMPORT_SUFFIX ".v1"

/**
 * store_open_sqlite() on the database that o->path stands for, made first if it must be. Blocks; at start only.
 *
 * policy_in_use   the policy is that of the database: one that does not compile stops the import, else it is left out.
 * ST_UNSUPPORTED  a Go headscale's schema that is too old or not known, or what store_open_sqlite says so to.
 * ST_BAD_INPUT    a row cannot be understood; err names table, id and column.
 * ST_CONFLICT     another server, or the Go headscale, has it open; two rows exclude each other.
 * ST_IO           the disk, or SQLite.
 * Whatever fails, o->path is as it was and there is no new P.v1 (unless the import itself was done and
 * opening failed). Logs what was taken over, or which file is used.
 */
enum status import_open_sqlite(const struct store_sqlite_opts *o, bool policy_in_use, struct store **out, struct err *err)
	MUST_CHECK;

/** The database that a server configured with `path` uses: P.v1 if it is there and P is not ours. Returned (free()). */
char *import_own_path(const char *path);

#endif
