/* state/load.c -- the rows of a tailnet as objects; see state/state_priv.h. Any thread that owns the store. */
#include <stdlib.h>

#include "state/rows.h"
#include "state/state_priv.h"

void loaded_free(struct loaded **lp)
{
	struct loaded *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	tables_release(&l->t);
	user_table_unref(&l->users);
	for (size_t i = 0; i < l->nodes.n; i++)
		node_unref(&l->nodes.v[i]);
	vec_release(&l->nodes);
	shared_bytes_unref(&l->policy_text);
	free(l);
}

static void at_least(uint64_t *counter, uint64_t id)
{
	if (*counter < id)
		*counter = id;
}

static enum status on_counter(void *arg, const struct store_value *v, struct err *err)
{
	struct loaded *l = arg;
	const struct {
		const char *name;
		uint64_t *to;
	} all[] = { { "node", &l->t.last_node },
		    { "user", &l->t.last_user },
		    { "preauth", &l->t.last_preauth },
		    { "apikey", &l->t.last_api_key },
		    /* One for both, of databases that were made so: what it gave is not given again. */
		    { "key", &l->t.last_preauth },
		    { "key", &l->t.last_api_key },
		    { "audit", &l->t.last_audit } };

	(void)err;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (bytes_eq_str(v[COL_COUNTERS_NAME].b, all[i].name) && v[COL_COUNTERS_VALUE].i > 0)
			at_least(all[i].to, (uint64_t)v[COL_COUNTERS_VALUE].i);
	return ST_OK;
}

static enum status on_user(void *arg, const struct store_value *v, struct err *err)
{
	struct loaded *l = arg;
	struct user *u = NULL;
	enum status s = row_to_user(v, &u, err);

	if (s != ST_OK)
		return s;
	at_least(&l->t.last_user, u->id);
	user_table_put(&l->users, u);
	user_unref(&u);
	return ST_OK;
}

static enum status on_node(void *arg, const struct store_value *v, struct err *err)
{
	struct loaded *l = arg;
	struct node *n = NULL;
	enum status s = row_to_node(v, &n, err);

	if (s != ST_OK)
		return s;
	at_least(&l->t.last_node, n->id);
	vec_push(&l->nodes, n);
	return ST_OK;
}

static struct node *find_node(struct loaded *l, int64_t id)
{
	size_t lo = 0, hi = l->nodes.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->nodes.v[mid]->id < (uint64_t)id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->nodes.n && l->nodes.v[lo]->id == (uint64_t)id ? l->nodes.v[lo] : NULL;
}

static enum status on_presence(void *arg, const struct store_value *v, struct err *err)
{
	struct node *n = find_node(arg, v[COL_PRESENCE_NODE].i);

	return n ? row_to_presence(v, n, err) : ST_OK;
}

static enum status on_preauth(void *arg, const struct store_value *v, struct err *err)
{
	struct loaded *l = arg;
	struct preauth_key *k = NULL;
	enum status s = row_to_preauth(v, &k, err);

	if (s != ST_OK)
		return s;
	at_least(&l->t.last_preauth, k->id);
	tables_swap_preauth(&l->t, NULL, k);
	preauth_key_unref(&k);
	return ST_OK;
}

static enum status on_api_key(void *arg, const struct store_value *v, struct err *err)
{
	struct loaded *l = arg;
	struct api_key *k = NULL;
	enum status s = row_to_api_key(v, &k, err);

	if (s != ST_OK)
		return s;
	at_least(&l->t.last_api_key, k->id);
	tables_swap_api_key(&l->t, NULL, k);
	api_key_unref(&k);
	return ST_OK;
}

static enum status on_pending(void *arg, const struct store_value *v, struct err *err)
{
	struct loaded *l = arg;
	struct pending *p = NULL;
	enum status s = row_to_pending(v, &p, err);

	if (s != ST_OK)
		return s;
	tables_swap_pending(&l->t, NULL, p);
	pending_unref(&p);
	return ST_OK;
}

static enum status on_ssh(void *arg, const struct store_value *v, struct err *err)
{
	struct loaded *l = arg;
	struct ssh_approval *a =
		ssh_approval_new((node_id)v[COL_SSH_SRC].i, (node_id)v[COL_SSH_DST].i, v[COL_SSH_AT].i);

	(void)err;
	tables_put_ssh(&l->t, a);
	ssh_approval_unref(&a);
	return ST_OK;
}

static enum status on_policy(void *arg, const struct store_value *v, struct err *err)
{
	struct loaded *l = arg;

	(void)err;
	shared_bytes_unref(&l->policy_text);
	l->policy_text = shared_bytes_new(v[COL_DOCS_TEXT].b);
	l->policy_at_ns = v[COL_DOCS_AT].type == STORE_INT ? v[COL_DOCS_AT].i : TIME_NONE;
	return ST_OK;
}

static enum status on_audit(void *arg, const struct store_value *v, struct err *err)
{
	struct loaded *l = arg;

	(void)err;
	at_least(&l->t.last_audit, (uint64_t)v[COL_AUDIT_ID].i);
	return ST_OK;
}

enum status load_all(struct store *s, tailnet_id tailnet, struct loaded **out, struct err *err)
{
	const struct store_cond mine = { 0, STORE_EQ, store_int(tailnet) };
	const struct {
		enum store_table table;
		store_row_fn fn;
	} all[] = { { STORE_COUNTERS, on_counter },   { STORE_USERS, on_user },	      { STORE_NODES, on_node },
		    { STORE_PRESENCE, on_presence },  { STORE_PREAUTH, on_preauth },  { STORE_API_KEYS, on_api_key },
		    { STORE_PENDING, on_pending },    { STORE_SSH, on_ssh } };
	struct store_query last = { .table = STORE_AUDIT, .conds = &mine, .n_conds = 1, .descending = true, .limit = 1 };
	struct store_value policy[] = { store_int(tailnet), store_text("policy"), store_text("current") };
	struct loaded *l = xcalloc(1, sizeof *l);
	enum status st = ST_OK;

	l->users = user_table_new();
	l->policy_at_ns = TIME_NONE;
	for (size_t i = 0; st == ST_OK && i < sizeof all / sizeof all[0]; i++) {
		struct store_query q = { .table = all[i].table, .conds = &mine, .n_conds = 1 };

		st = store_scan(s, &q, all[i].fn, l, err);
	}
	if (st == ST_OK)
		st = store_scan(s, &last, on_audit, l, err);
	if (st == ST_OK)
		st = store_get(s, STORE_DOCS, policy, on_policy, l, err);
	if (st == ST_NOT_FOUND)
		st = ST_OK;
	if (st == ST_OK)
		*out = l;
	else
		loaded_free(&l);
	return st;
}
