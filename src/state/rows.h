/*
 * state/rows.h -- between the objects of state and the rows of the store.
 *
 * Objects are immutable, so rows are made on the store's thread; values borrow from the object and from `a`.
 */
#ifndef STATE_ROWS_H
#define STATE_ROWS_H

#include "base/arena.h"
#include "state/records.h"
#include "model/node.h"
#include "store/store.h"

void row_from_node(struct arena *a, const struct node *n, struct store_value v[static COL_NODES_COUNT]);
void row_from_presence(struct arena *a, const struct node *n, struct store_value v[static COL_PRESENCE_COUNT]);
void row_from_user(const struct user *u, struct store_value v[static COL_USERS_COUNT]);
void row_from_preauth(struct arena *a, const struct preauth_key *k, struct store_value v[static COL_PREAUTH_COUNT]);
void row_from_api_key(struct arena *a, const struct api_key *k, struct store_value v[static COL_API_KEYS_COUNT]);
void row_from_pending(struct arena *a, const struct pending *p, struct store_value v[static COL_PENDING_COUNT]);

/* Back. ST_BAD_INPUT: the row cannot be understood; err says which. Out: one reference, returned. */
enum status row_to_node(const struct store_value *v, struct node **out, struct err *err) MUST_CHECK;
/** Into a node that nobody shares yet. */
enum status row_to_presence(const struct store_value *v, struct node *n, struct err *err) MUST_CHECK;
enum status row_to_user(const struct store_value *v, struct user **out, struct err *err) MUST_CHECK;
enum status row_to_preauth(const struct store_value *v, struct preauth_key **out, struct err *err) MUST_CHECK;
enum status row_to_api_key(const struct store_value *v, struct api_key **out, struct err *err) MUST_CHECK;
enum status row_to_pending(const struct store_value *v, struct pending **out, struct err *err) MUST_CHECK;

#endif
