/* store/store_priv.h -- what a driver is: a table of functions behind store.h. */
#ifndef STORE_STORE_PRIV_H
#define STORE_STORE_PRIV_H

#include "store/store.h"

struct store_driver {
	void (*close)(struct store *s);
	enum status (*begin)(struct store *s, struct err *err);
	enum status (*commit)(struct store *s, struct err *err);
	void (*rollback)(struct store *s);
	enum status (*put)(struct store *s, enum store_table t, const struct store_value *row, struct err *err);
	enum status (*del)(struct store *s, enum store_table t, const struct store_value *key, struct err *err);
	enum status (*get)(struct store *s, enum store_table t, const struct store_value *key, store_row_fn fn,
			   void *arg, struct err *err);
	enum status (*scan)(struct store *s, const struct store_query *q, store_row_fn fn, void *arg,
			    struct err *err);
	enum status (*delete_where)(struct store *s, const struct store_query *q, struct err *err);
};

/* The front of every driver's own struct. */
struct store {
	const struct store_driver *driver;
	bool in_txn;
};

/* store/sqlite_schema.c: step i brings a database from version i to i + 1. */
extern const char *const sqlite_steps[];
extern const unsigned sqlite_version; /* number of steps */

#endif
