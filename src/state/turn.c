/*
 * state/turn.c -- from the visible world to the next publication; see state/state_priv.h.
 *
 * What a turn changed is told by comparing the two snapshots node by node at its end, not by keeping a list on the
 * way: however many things happened to a node in one turn, peers hear of it once and rightly.
 */
#include <stdlib.h>

#include "policy/engine.h"
#include "policy/policy.h"
#include "state/hostinfo.h"
#include "state/state_priv.h"

struct snapshot *turn_world(struct turn *t)
{
	return t->next ? t->next : t->st->cur;
}

struct snapshot *turn_edit(struct turn *t)
{
	if (t->next == NULL)
		t->next = snapshot_begin(t->st->cur, t->st->cur->seq + 1);
	return t->next;
}

void turn_touch(struct turn *t, node_id id)
{
	turn_edit(t);
	vec_push(&t->touched, id);
}

static bool same_blob(const struct shared_bytes *a, const struct shared_bytes *b)
{
	return a == b || (a != NULL && b != NULL && bytes_eq(shared_bytes_view(a), shared_bytes_view(b)));
}

/* The routes peers may use: announced and approved. */
static bool same_served(const struct node *a, const struct node *b)
{
	if (prefix_list_eq(a->announced_routes, b->announced_routes) &&
	    prefix_list_eq(a->approved_routes, b->approved_routes))
		return true;
	for (int turn = 0; turn < 2; turn++) {
		const struct node *x = turn ? b : a, *y = turn ? a : b;

		for (uint32_t i = 0; x->announced_routes != NULL && i < x->announced_routes->n; i++) {
			const struct ip_prefix *p = &x->announced_routes->v[i];

			if (prefix_list_has(x->approved_routes, p) &&
			    !(prefix_list_has(y->announced_routes, p) && prefix_list_has(y->approved_routes, p)))
				return false;
		}
	}
	return true;
}

/* What the difference means for those who have the node as a peer. */
static enum slot_touch difference(const struct node *a, const struct node *b)
{
	if (a->user != b->user || !node_key_eq(&a->key, &b->key) || !machine_key_eq(&a->machine, &b->machine) ||
	    a->key_expiry_ns != b->key_expiry_ns || a->expired != b->expired || strcmp(a->name, b->name) != 0 ||
	    !ip_eq(&a->ip4, &b->ip4) || !ip_eq(&a->ip6, &b->ip6) || !str_list_eq(a->tags, b->tags) ||
	    a->cap != b->cap || !disco_key_eq(&a->disco, &b->disco) || a->created_ns != b->created_ns ||
	    !same_blob(a->hostinfo_peer, b->hostinfo_peer) || !same_served(a, b))
		return TOUCH_WHOLE;
	/* Last seen is told of those who are offline. */
	if (a->home_derp != b->home_derp || a->online != b->online ||
	    (!b->online && a->last_seen_ns != b->last_seen_ns) || !endpoint_list_eq(a->endpoints, b->endpoints))
		return TOUCH_PRESENCE;
	return TOUCH_SILENT;
}

void turn_put_node(struct turn *t, struct node *n)
{
	const struct node *old = snapshot_node(turn_world(t), n->id);

	if (old != NULL) {
		snapshot_replace_node(turn_edit(t), n, difference(old, n));
		vec_push(&t->touched, n->id);
	}
	node_unref(&n);
}

void turn_add_node(struct turn *t, struct node *n)
{
	snapshot_add_node(turn_edit(t), n, POLICY_CLASS_NONE);
	vec_push(&t->touched, n->id);
}

void turn_remove_node(struct turn *t, node_id id)
{
	snapshot_remove_node(turn_edit(t), id);
	vec_push(&t->touched, id);
}

/* ---- a committed draft ------------------------------------------------------------------- */

struct gather {
	struct node_draft **v;
	size_t n;
};

static bool gather_one(void *arg, uint64_t hash, uint64_t val)
{
	struct gather *g = arg;

	(void)hash;
	g->v[g->n++] = (struct node_draft *)(uintptr_t)val;
	return true;
}

static int cmp_draft(const void *a, const void *b)
{
	const struct node_draft *x = *(struct node_draft *const *)a, *y = *(struct node_draft *const *)b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Durable facts of the draft, presence of the visible node but for what the draft sets. */
static struct node *merge(const struct node_draft *nd, const struct node *vis)
{
	struct node *n = node_copy(nd->n);

	n->disco = vis->disco;
	n->online = vis->online;
	n->router_down = vis->router_down;
	endpoint_list_unref(&n->endpoints);
	n->endpoints = endpoint_list_ref(vis->endpoints);
	if (!(nd->sets & SETS_CAP))
		n->cap = vis->cap;
	if (!(nd->sets & SETS_SEEN))
		n->last_seen_ns = vis->last_seen_ns;
	if (!(nd->sets & SETS_NETINFO))
		n->home_derp = vis->home_derp;
	if (!(nd->sets & SETS_HOSTINFO)) {
		shared_bytes_unref(&n->hostinfo);
		shared_bytes_unref(&n->hostinfo_peer);
		n->hostinfo = shared_bytes_ref(vis->hostinfo);
		n->hostinfo_peer = shared_bytes_ref(vis->hostinfo_peer);
	} else if (!(nd->sets & SETS_NETINFO)) {
		struct shared_bytes *with = hostinfo_keep_netinfo(n->hostinfo, vis->hostinfo);

		shared_bytes_unref(&n->hostinfo);
		n->hostinfo = with;
	}
	return n;
}

static void apply_node(struct turn *t, const struct node_draft *nd)
{
	const struct node *vis = snapshot_node(turn_world(t), nd->id);

	if (nd->n == NULL) {
		if (vis != NULL)
			turn_remove_node(t, nd->id);
		state_entry_drop(t->st, nd->id);
		return;
	}
	if (vis == NULL)
		turn_add_node(t, nd->n);
	else
		turn_put_node(t, merge(nd, vis));
	if (vis != NULL && nd->sets != 0)
		state_presence_dirty(t->st, nd->id);
	state_arm_node(t->st, snapshot_node(turn_world(t), nd->id));
}

void turn_apply(struct turn *t, struct draft *d)
{
	struct gather g = { xcalloc(trie_count(d->nodes) + 1, sizeof(struct node_draft *)), 0 };
	struct state *st = t->st;

	trie_each(d->nodes, gather_one, &g);
	qsort(g.v, g.n, sizeof g.v[0], cmp_draft);
	for (size_t i = 0; i < g.n; i++)
		apply_node(t, g.v[i]);
	free(g.v);
	if (d->users != turn_world(t)->users) {
		struct snapshot *next = turn_edit(t);

		user_table_unref(&next->users);
		next->users = user_table_ref(d->users);
		for (size_t i = 0; i < d->user_ids.n; i++)
			vec_push(&t->users, d->user_ids.v[i]);
	}
	t->world |= d->world;
	if (d->policy != NULL) {
		turn_edit(t);
		policy_unref(&st->policy);
		st->policy = policy_ref(d->policy);
		shared_bytes_unref(&st->policy_text);
		st->policy_text = shared_bytes_ref(d->policy_text);
		st->policy_at_ns = d->policy_at_ns;
		t->new_engine = true;
	}
	tables_release(&st->tables);
	tables_copy(&st->tables, &d->t);
	if (d->auth_ids.n > 0)
		state_arm_pendings(st);
}

/* ---- publishing -------------------------------------------------------------------------- */

static int cmp_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static size_t sort_unique(uint64_t *v, size_t n)
{
	size_t m = 0;

	if (n > 1)
		qsort(v, n, sizeof *v, cmp_id);
	for (size_t i = 0; i < n; i++)
		if (m == 0 || v[m - 1] != v[i])
			v[m++] = v[i];
	return m;
}

/* What a node itself is told of, beside its form: see control/health.h. */
static bool own_facts_differ(const struct node *a, const struct node *b)
{
	struct hostinfo_facts x, y;

	if (a == b)
		return false;
	if (!prefix_list_eq(a->announced_routes, b->announced_routes) || !prefix_list_eq(a->approved_routes, b->approved_routes) ||
	    !str_list_eq(a->request_tags, b->request_tags))
		return true;
	if (same_blob(a->hostinfo, b->hostinfo))
		return false;
	hostinfo_facts(a->hostinfo, &x);
	hostinfo_facts(b->hostinfo, &y);
	return strcmp(x.client_version, y.client_version) != 0;
}

static bool change_of(const struct snapshot *prev, const struct snapshot *next, node_id id, struct node_change *out)
{
	const struct slot *a = snapshot_slot(prev, id, NULL), *b = snapshot_slot(next, id, NULL);

	if (a == NULL && b == NULL)
		return false;
	*out = (struct node_change){ .id = id };
	out->old_class = a ? a->class_id : b->class_id;
	out->new_class = b ? b->class_id : a->class_id;
	if (a == NULL)
		out->kind = CHANGE_ADDED;
	else if (b == NULL)
		out->kind = CHANGE_REMOVED;
	else if (b->whole_seq == next->seq)
		out->kind = CHANGE_WHOLE;
	else if (b->presence_seq == next->seq)
		out->kind = CHANGE_PRESENCE;
	else if (own_facts_differ(a->node, b->node))
		out->self_only = true;
	else
		return false;
	return true;
}

static void count_online(struct state *st, const struct snapshot *prev, const struct snapshot *next, node_id id)
{
	const struct node *a = snapshot_node(prev, id), *b = snapshot_node(next, id);

	st->online -= a != NULL && a->online;
	st->online += b != NULL && b->online;
}

static void show(struct state *st, struct snapshot *next)
{
	struct snapshot *old;

	pthread_mutex_lock(&st->lock);
	old = st->shown;
	st->shown = snapshot_ref(next);
	pthread_mutex_unlock(&st->lock);
	snapshot_unref(&old);
	atomic_store(&st->n_nodes, next->n_nodes);
	atomic_store(&st->n_online, st->online);
	atomic_fetch_add(&st->n_publications, 1);
}

void turn_end(struct turn *t)
{
	struct state *st = t->st;
	struct snapshot *prev = st->cur, *next = t->next;
	struct publication *pub;
	struct node_change *changes;
	size_t n = 0;

	if (next != NULL) {
		next->made_ns = state_unix_ns(st);
		t->users.n = sort_unique(t->users.v, t->users.n);
		t->touched.n = sort_unique(t->touched.v, t->touched.n);
		facts_update(t, prev);
		t->touched.n = sort_unique(t->touched.v, t->touched.n);
		changes = xcalloc(t->touched.n + 1, sizeof *changes);
		for (size_t i = 0; i < t->touched.n; i++) {
			n += change_of(prev, next, t->touched.v[i], &changes[n]);
			count_online(st, prev, next, t->touched.v[i]);
		}
		pub = publication_new(prev, next, t->world, changes, n, t->users.v, t->users.n);
		free(changes);
		st->cur = next;
		show(st, next);
		if (st->o.publish != NULL)
			st->o.publish(st->o.publish_arg, pub);
		publication_unref(&pub);
		snapshot_unref(&prev);
		t->next = NULL;
	}
	vec_release(&t->touched);
	vec_release(&t->users);
}
