/*
 * state/draft.c -- what a batch of durable commands would make of the world; see state/state_priv.h.
 *
 * Everything in a draft hangs on tries and counted tables, so a savepoint is a handful of references, and a command
 * that fails in the middle leaves nothing behind. IDs are counted in the tables and so are given back too; that is
 * right, for nobody has seen them.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/policy.h"
#include "state/names.h"
#include "state/state_priv.h"

/* ---- node drafts ------------------------------------------------------------------------- */

static void nd_ref(uint64_t v)
{
	atomic_fetch_add_explicit(&((struct node_draft *)(uintptr_t)v)->refs, 1, memory_order_relaxed);
}

static void nd_unref(uint64_t v)
{
	struct node_draft *nd = (struct node_draft *)(uintptr_t)v;

	if (atomic_fetch_sub_explicit(&nd->refs, 1, memory_order_acq_rel) != 1)
		return;
	node_unref(&nd->n);
	free(nd);
}

static const struct trie_ops nd_ops = { nd_ref, nd_unref };

static struct node_draft *nd_get(const struct draft *d, node_id id)
{
	uint64_t v;

	for (size_t pos = 0; trie_next(d->nodes, trie_hash_id(id), &pos, &v);)
		if (((struct node_draft *)(uintptr_t)v)->id == id)
			return (struct node_draft *)(uintptr_t)v;
	return NULL;
}

/* n: taken, NULL for removed. What earlier commands of the batch set stays set. */
static void nd_put(struct draft *d, node_id id, struct node *n, unsigned sets)
{
	struct node_draft *old = nd_get(d, id), *nd = xcalloc(1, sizeof *nd);

	atomic_init(&nd->refs, 1);
	nd->id = id;
	nd->n = n;
	nd->sets = sets | (old ? old->sets : 0);
	trie_put(&d->nodes, trie_hash_id(id), (uint64_t)(uintptr_t)nd, &nd_ops);
	nd_unref((uint64_t)(uintptr_t)nd);
	if (old != NULL)
		trie_del(&d->nodes, trie_hash_id(id), (uint64_t)(uintptr_t)old);
}

/* ---- operations -------------------------------------------------------------------------- */

static void audit_object_unref(enum audit_kind kind, void **p)
{
	switch (kind) {
	case AUDIT_NODE: node_unref((struct node **)p); break;
	case AUDIT_USER: user_unref((struct user **)p); break;
	case AUDIT_PREAUTH: preauth_key_unref((struct preauth_key **)p); break;
	case AUDIT_API_KEY: api_key_unref((struct api_key **)p); break;
	case AUDIT_TEXT: shared_bytes_unref((struct shared_bytes **)p); break;
	case AUDIT_NONE: break;
	}
}

void op_release(struct op *op)
{
	switch (op->kind) {
	case OP_PUT_NODE:
	case OP_PUT_PRESENCE: node_unref(&op->u.node); break;
	case OP_PUT_USER: user_unref(&op->u.user); break;
	case OP_PUT_PREAUTH: preauth_key_unref(&op->u.preauth); break;
	case OP_PUT_API_KEY: api_key_unref(&op->u.api_key); break;
	case OP_PUT_PENDING:
	case OP_DEL_PENDING: pending_unref(&op->u.pending); break;
	case OP_PUT_SSH:
	case OP_DEL_SSH: ssh_approval_unref(&op->u.ssh); break;
	case OP_PUT_DOC:
		free(op->u.doc->kind);
		free(op->u.doc->key);
		shared_bytes_unref(&op->u.doc->text);
		free(op->u.doc);
		break;
	case OP_AUDIT:
		audit_object_unref(op->u.audit->kind, &op->u.audit->before);
		audit_object_unref(op->u.audit->kind, &op->u.audit->after);
		free(op->u.audit->who);
		free(op->u.audit->why);
		free(op->u.audit);
		break;
	case OP_DEL_NODE:
	case OP_DEL_USER:
	case OP_DEL_PREAUTH:
	case OP_DEL_API_KEY:
	case OP_CLEAR_SSH:
	case OP_PRUNE_AUDIT:
	case OP_COUNTER: break;
	}
}

static void push(struct draft *d, enum op_kind kind, void *object)
{
	struct op op = { .kind = kind };

	op.u.node = object; /* all pointers of the union */
	vec_push(&d->ops, op);
}

static void push_id(struct draft *d, enum op_kind kind, uint64_t id)
{
	struct op op = { .kind = kind, .u = { .id = id } };

	vec_push(&d->ops, op);
}

/* before, after: taken. */
static void audit(struct draft *d, const char *action, enum audit_kind kind, const char *what, uint64_t id,
		  void *before, void *after)
{
	struct audit_entry *e = xcalloc(1, sizeof *e);

	e->id = ++d->t.last_audit;
	e->at_ns = d->now_ns;
	e->who = xstrdup(d->by.who);
	e->why = xstrdup(d->by.why);
	e->action = action;
	e->kind = kind;
	e->before = before;
	e->after = after;
	snprintf(e->object, sizeof e->object, "%s:%" PRIu64, what, id);
	push(d, OP_AUDIT, e);
}

void draft_audit_text(struct draft *d, const char *action, const char *object, struct shared_bytes *before,
		      struct shared_bytes *after)
{
	audit(d, action, AUDIT_TEXT, "", 0, before, after);
	snprintf(d->ops.v[d->ops.n - 1].u.audit->object, sizeof d->ops.v[0].u.audit->object, "%s", object);
}

/* ---- life -------------------------------------------------------------------------------- */

void draft_init(struct draft *d, struct state *st)
{
	memset(d, 0, sizeof *d);
	d->st = st;
	d->now_ns = state_unix_ns(st);
	tables_copy(&d->t, &st->tables);
	d->by_node_key = trie_ref(st->cur->by_node_key);
	d->by_machine_key = trie_ref(st->cur->by_machine_key);
	d->by_addr = trie_ref(st->cur->by_addr);
	d->by_name = trie_ref(st->cur->by_name);
	d->users = user_table_ref(st->cur->users);
	d->n_nodes = st->cur->n_nodes;
	d->policy_at_ns = TIME_NONE;
}

static void release_roots(struct draft *d)
{
	tables_release(&d->t);
	trie_unref(&d->by_node_key);
	trie_unref(&d->by_machine_key);
	trie_unref(&d->by_addr);
	trie_unref(&d->by_name);
	trie_unref(&d->nodes);
	user_table_unref(&d->users);
	policy_unref(&d->policy);
	shared_bytes_unref(&d->policy_text);
}

static void cut(struct draft *d, size_t ops, size_t users, size_t auth_ids)
{
	while (d->ops.n > ops)
		op_release(&d->ops.v[--d->ops.n]);
	d->user_ids.n = users;
	while (d->auth_ids.n > auth_ids)
		free(d->auth_ids.v[--d->auth_ids.n]);
}

void draft_release(struct draft *d)
{
	cut(d, 0, 0, 0);
	vec_release(&d->ops);
	vec_release(&d->user_ids);
	vec_release(&d->auth_ids);
	release_roots(d);
}

struct savepoint {
	struct draft roots; /* the counted parts; its vectors are only their lengths */
};

struct savepoint *draft_save(struct draft *d)
{
	struct savepoint *s = xmalloc(sizeof *s);

	s->roots = *d;
	tables_copy(&s->roots.t, &d->t);
	trie_ref(d->by_node_key);
	trie_ref(d->by_machine_key);
	trie_ref(d->by_addr);
	trie_ref(d->by_name);
	trie_ref(d->nodes);
	user_table_ref(d->users);
	if (d->policy != NULL)
		policy_ref(d->policy);
	shared_bytes_ref(d->policy_text);
	return s;
}

void draft_restore(struct draft *d, struct savepoint **sp)
{
	struct savepoint *s = *sp;

	*sp = NULL;
	cut(d, s->roots.ops.n, s->roots.user_ids.n, s->roots.auth_ids.n);
	release_roots(d);
	d->t = s->roots.t;
	d->by_node_key = s->roots.by_node_key;
	d->by_machine_key = s->roots.by_machine_key;
	d->by_addr = s->roots.by_addr;
	d->by_name = s->roots.by_name;
	d->nodes = s->roots.nodes;
	d->n_nodes = s->roots.n_nodes;
	d->users = s->roots.users;
	d->world = s->roots.world;
	d->policy = s->roots.policy;
	d->policy_text = s->roots.policy_text;
	d->policy_at_ns = s->roots.policy_at_ns;
	free(s);
	trie_unref(&d->st->name_hints); /* they may speak of names that are free again */
}

void draft_forget(struct savepoint **sp)
{
	struct savepoint *s = *sp;

	*sp = NULL;
	release_roots(&s->roots);
	free(s);
}

/* ---- nodes ------------------------------------------------------------------------------- */

const struct node *draft_node(const struct draft *d, node_id id)
{
	const struct node_draft *nd = nd_get(d, id);

	return nd ? nd->n : snapshot_node(d->st->cur, id);
}

const struct node *draft_node_by_key(const struct draft *d, const struct node_key *k)
{
	const struct node *n;
	uint64_t id;

	for (size_t pos = 0; trie_next(d->by_node_key, node_key_hash(k), &pos, &id);)
		if ((n = draft_node(d, id)) != NULL && node_key_eq(&n->key, k))
			return n;
	return NULL;
}

const struct node *draft_node_by_name(const struct draft *d, const char *name)
{
	const struct node *n;
	uint64_t id;

	for (size_t pos = 0; trie_next(d->by_name, trie_hash_text(name), &pos, &id);)
		if ((n = draft_node(d, id)) != NULL && strcmp(n->name, name) == 0)
			return n;
	return NULL;
}

size_t draft_nodes_by_machine(const struct draft *d, const struct machine_key *k, const struct node **out, size_t max)
{
	const struct node *n;
	size_t found = 0;
	uint64_t id;

	for (size_t pos = 0; trie_next(d->by_machine_key, machine_key_hash(k), &pos, &id);) {
		n = draft_node(d, id);
		if (n == NULL || !machine_key_eq(&n->machine, k))
			continue;
		if (found < max)
			out[found] = n;
		found++;
	}
	return found;
}

bool draft_addr_taken(void *draft, const struct ip_addr *a)
{
	const struct draft *d = draft;
	const struct node *n;
	uint64_t id;

	for (size_t pos = 0; trie_next(d->by_addr, trie_hash_bytes(a, sizeof *a), &pos, &id);)
		if ((n = draft_node(d, id)) != NULL && (ip_eq(&n->ip4, a) || ip_eq(&n->ip6, a)))
			return true;
	return false;
}

static struct node_index draft_index(struct draft *d)
{
	return (struct node_index){ &d->by_node_key, &d->by_machine_key, &d->by_addr, &d->by_name };
}

static void note_freed(struct draft *d, const struct node *old, const struct node *now)
{
	if (now == NULL || strcmp(old->name, now->name) != 0)
		trie_unref(&d->st->name_hints);
	if (now == NULL || !ip_eq(&old->ip4, &now->ip4) || !ip_eq(&old->ip6, &now->ip6)) {
		addr_pool_freed(&d->st->pool4);
		addr_pool_freed(&d->st->pool6);
		for (size_t i = 0; i < d->st->more_pools.n; i++)
			addr_pool_freed(&d->st->more_pools.v[i]);
	}
}

void draft_put_node(struct draft *d, struct node *n, unsigned sets, const char *action)
{
	struct node_index ix = draft_index(d);
	struct node *old = node_ref((struct node *)(uintptr_t)draft_node(d, n->id));

	n->expired = node_expired(n, d->now_ns);
	if (action != NULL)
		audit(d, action, AUDIT_NODE, "node", n->id, node_ref(old), node_ref(n));
	node_index_swap(&ix, old, n);
	if (old == NULL)
		d->n_nodes++;
	else
		note_freed(d, old, n);
	push(d, OP_PUT_NODE, node_ref(n));
	if (old == NULL)
		push(d, OP_PUT_PRESENCE, node_ref(n));
	nd_put(d, n->id, n, sets);
	node_unref(&old);
}

void draft_delete_node(struct draft *d, node_id id, const char *action)
{
	struct node_index ix = draft_index(d);
	struct node *old = node_ref((struct node *)(uintptr_t)draft_node(d, id));

	if (old == NULL)
		return;
	if (action != NULL)
		audit(d, action, AUDIT_NODE, "node", id, node_ref(old), NULL);
	node_index_swap(&ix, old, NULL);
	note_freed(d, old, NULL);
	d->n_nodes--;
	push_id(d, OP_DEL_NODE, id);
	nd_put(d, id, NULL, 0);
	node_unref(&old);
}

node_id draft_next_node_id(struct draft *d)
{
	return ++d->t.last_node;
}

user_id draft_next_user_id(struct draft *d)
{
	return ++d->t.last_user;
}

key_id draft_next_preauth_id(struct draft *d)
{
	return ++d->t.last_preauth;
}

key_id draft_next_api_key_id(struct draft *d)
{
	return ++d->t.last_api_key;
}

static unsigned hint_get(const struct trie *hints, uint64_t hash)
{
	uint64_t v;
	size_t pos = 0;

	return trie_next(hints, hash, &pos, &v) ? (unsigned)v : 0;
}

void draft_unique_name(struct draft *d, const char *hostname, node_id self, char out[static NODE_NAME_MAX + 1])
{
	char base[NODE_NAME_MAX + 1];
	const struct node *holder;
	uint64_t hash;
	unsigned hint;

	name_from_hostname(hostname, base);
	hash = trie_hash_text(base);
	hint = hint_get(d->st->name_hints, hash);
	for (unsigned n = hint;; n++) {
		name_numbered(base, n, out);
		holder = draft_node_by_name(d, out);
		if (holder != NULL && holder->id != self)
			continue;
		if (n > hint + 8) {
			/* A thousand of one name should not ask a thousand times: remember where the free ones begin. */
			if (hint > 0)
				trie_del(&d->st->name_hints, hash, hint);
			trie_put(&d->st->name_hints, hash, n, &trie_numbers);
		}
		return;
	}
}

static struct addr_pool *extra_pool(struct state *st, const struct ip_prefix *p)
{
	struct addr_pool pool = { 0 };

	for (size_t i = 0; i < st->more_pools.n; i++)
		if (ip_prefix_eq(&st->more_pools.v[i].prefix, p))
			return &st->more_pools.v[i];
	addr_pool_set(&pool, *p, st->cur->settings->random_addresses);
	vec_push(&st->more_pools, pool);
	return &st->more_pools.v[st->more_pools.n - 1];
}

static enum status give_ip4(struct draft *d, struct node *n)
{
	struct arena *a = arena_new();
	const struct ip_prefix *pools = NULL;
	size_t n_pools = facts_ip_pools(d->st, n, a, &pools);
	enum status s = ST_TOO_BIG;

	if (n_pools == 0)
		s = addr_pool_next(&d->st->pool4, draft_addr_taken, d, &n->ip4);
	for (size_t i = 0; i < n_pools && s != ST_OK; i++) {
		struct ip_prefix p = ip_prefix_masked(pools[i]);

		s = addr_pool_next(extra_pool(d->st, &p), draft_addr_taken, d, &n->ip4);
	}
	arena_free(&a);
	return s;
}

enum status draft_give_addresses(struct draft *d, struct node *n, struct err *err)
{
	const struct tailnet_settings *set = d->st->cur->settings;
	enum status s = ST_OK;

	if (n->ip4.family == IP_NONE && set->prefix4.addr.family != IP_NONE) {
		s = give_ip4(d, n);
		if (s != ST_OK)
			err_set(err, "allocating IPs: allocating IPv4 address: failed to allocate IP");
	}
	if (s == ST_OK && n->ip6.family == IP_NONE && set->prefix6.addr.family != IP_NONE) {
		s = addr_pool_next(&d->st->pool6, draft_addr_taken, d, &n->ip6);
		if (s != ST_OK)
			err_set(err, "allocating IPs: allocating IPv6 address: failed to allocate IP");
	}
	return s;
}

bool draft_auto_approve(struct draft *d, struct node *n)
{
	VEC(struct ip_prefix) all = { 0 };
	size_t had;

	for (uint32_t i = 0; n->approved_routes != NULL && i < n->approved_routes->n; i++)
		vec_push(&all, n->approved_routes->v[i]);
	had = all.n;
	for (uint32_t i = 0; n->announced_routes != NULL && i < n->announced_routes->n; i++)
		if (!prefix_list_has(n->approved_routes, &n->announced_routes->v[i]) &&
		    facts_auto_approves(d->st, n, &n->announced_routes->v[i]))
			vec_push(&all, n->announced_routes->v[i]);
	if (all.n > had) {
		prefix_list_unref(&n->approved_routes);
		n->approved_routes = prefix_list_new_set(all.v, all.n);
	}
	had = all.n - had;
	vec_release(&all);
	return had > 0;
}

/* ---- users, keys, pendings --------------------------------------------------------------- */

const struct user *draft_user(const struct draft *d, user_id id)
{
	return user_table_get(d->users, id);
}

void draft_put_user(struct draft *d, struct user *u, const char *action)
{
	struct user *old = user_ref(user_table_get(d->users, u->id));

	audit(d, action, AUDIT_USER, "user", u->id, old, user_ref(u));
	push(d, OP_PUT_USER, user_ref(u));
	user_table_put(&d->users, u);
	vec_push(&d->user_ids, u->id);
	d->world |= WORLD_USERS;
	user_unref(&u);
}

void draft_delete_user(struct draft *d, user_id id)
{
	struct user *old = user_table_get(d->users, id);

	audit(d, "user.delete", AUDIT_USER, "user", id, user_ref(old), NULL);
	push_id(d, OP_DEL_USER, id);
	user_table_del(&d->users, id);
	vec_push(&d->user_ids, id);
	d->world |= WORLD_USERS;
}

void draft_put_preauth(struct draft *d, struct preauth_key *k, const char *action)
{
	struct preauth_key *old = preauth_key_ref(tables_preauth(&d->t, k->id));

	if (action != NULL)
		audit(d, action, AUDIT_PREAUTH, "preauthkey", k->id, preauth_key_ref(old), preauth_key_ref(k));
	push(d, OP_PUT_PREAUTH, preauth_key_ref(k));
	tables_swap_preauth(&d->t, old, k);
	preauth_key_unref(&old);
	preauth_key_unref(&k);
}

void draft_delete_preauth(struct draft *d, key_id id, const char *action)
{
	struct preauth_key *old = preauth_key_ref(tables_preauth(&d->t, id));

	if (old == NULL)
		return;
	if (action != NULL)
		audit(d, action, AUDIT_PREAUTH, "preauthkey", id, preauth_key_ref(old), NULL);
	push_id(d, OP_DEL_PREAUTH, id);
	tables_swap_preauth(&d->t, old, NULL);
	preauth_key_unref(&old);
}

void draft_put_api_key(struct draft *d, struct api_key *k, const char *action)
{
	struct api_key *old = api_key_ref(tables_api_key(&d->t, k->id));

	if (action != NULL)
		audit(d, action, AUDIT_API_KEY, "apikey", k->id, api_key_ref(old), api_key_ref(k));
	push(d, OP_PUT_API_KEY, api_key_ref(k));
	tables_swap_api_key(&d->t, old, k);
	api_key_unref(&old);
	api_key_unref(&k);
}

void draft_delete_api_key(struct draft *d, key_id id, const char *action)
{
	struct api_key *old = api_key_ref(tables_api_key(&d->t, id));

	if (old == NULL)
		return;
	if (action != NULL)
		audit(d, action, AUDIT_API_KEY, "apikey", id, api_key_ref(old), NULL);
	push_id(d, OP_DEL_API_KEY, id);
	tables_swap_api_key(&d->t, old, NULL);
	api_key_unref(&old);
}

void draft_put_pending(struct draft *d, struct pending *p)
{
	struct pending *old = pending_ref(tables_pending(&d->t, p->auth_id));

	push(d, OP_PUT_PENDING, pending_ref(p));
	tables_swap_pending(&d->t, old, p);
	vec_push(&d->auth_ids, xstrdup(p->auth_id));
	pending_unref(&old);
	pending_unref(&p);
}

void draft_delete_pending(struct draft *d, const char *auth_id)
{
	struct pending *old = pending_ref(tables_pending(&d->t, auth_id));

	if (old == NULL)
		return;
	push(d, OP_DEL_PENDING, pending_ref(old));
	tables_swap_pending(&d->t, old, NULL);
	vec_push(&d->auth_ids, xstrdup(old->auth_id));
	pending_unref(&old);
}

void draft_put_ssh(struct draft *d, node_id src, node_id dst)
{
	struct ssh_approval *a = ssh_approval_new(src, dst, d->now_ns);

	tables_put_ssh(&d->t, a);
	push(d, OP_PUT_SSH, a);
}

void draft_delete_ssh(struct draft *d, struct ssh_approval *a)
{
	atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	push(d, OP_DEL_SSH, a);
	tables_del_ssh(&d->t, a);
}

void draft_clear_ssh(struct draft *d)
{
	if (d->t.ssh == NULL)
		return;
	trie_unref(&d->t.ssh);
	push_id(d, OP_CLEAR_SSH, 0);
}

void draft_put_doc(struct draft *d, const char *kind, const char *key, struct shared_bytes *text)
{
	struct doc *doc = xcalloc(1, sizeof *doc);

	doc->kind = xstrdup(kind);
	doc->key = xstrdup(key);
	doc->text = text;
	doc->at_ns = d->now_ns;
	push(d, OP_PUT_DOC, doc);
}
