/*
 * state/facts.c -- what the policy engine is told, and what comes back: classes and primary routers.
 *
 * The engine hears of a node when something changed that decides something. Whether a router is live is such a thing;
 * for all other nodes it is not, so that coming and going of clients costs the engine nothing.
 */
#include <stdlib.h>

#include "policy/engine.h"
#include "state/state_priv.h"

bool node_is_router(const struct node *n)
{
	for (uint32_t i = 0; n->announced_routes != NULL && i < n->announced_routes->n; i++)
		if (!ip_prefix_is_default(&n->announced_routes->v[i]) &&
		    prefix_list_has(n->approved_routes, &n->announced_routes->v[i]))
			return true;
	return false;
}

bool facts_live(struct state *st, const struct node *n)
{
	const struct entry *e;

	if (!node_is_router(n))
		return true;
	e = state_entry(st, n->id);
	return n->online && !n->router_down && !(e != NULL && e->relieved);
}

static void add_attr(struct policy_node *f, struct policy_attr *attrs, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	attrs[f->n_attrs++] = (struct policy_attr){ .name = name, .type = POLICY_ATTR_STRING, .str = value };
}

/* Texts and arrays that the node does not have itself are from a. */
static void describe(struct state *st, const struct node *n, struct arena *a, struct policy_node *f)
{
	struct hostinfo_facts *h = ARENA_NEW(a, struct hostinfo_facts);
	struct policy_attr *attrs = ARENA_ARRAY(a, struct policy_attr, 3);

	*f = (struct policy_node){ 0 };
	f->id = n->id;
	f->registered = n->created_ns == TIME_NONE ? 0 : (uint64_t)n->created_ns;
	f->user = n->user;
	f->created_by = n->created_by;
	f->tags = n->tags ? n->tags->v : NULL;
	f->n_tags = n->tags ? n->tags->n : 0;
	f->ip4 = n->ip4;
	f->ip6 = n->ip6;
	f->advertised = n->announced_routes ? n->announced_routes->v : NULL;
	f->n_advertised = n->announced_routes ? n->announced_routes->n : 0;
	f->approved = n->approved_routes ? n->approved_routes->v : NULL;
	f->n_approved = n->approved_routes ? n->approved_routes->n : 0;
	f->live = facts_live(st, n);
	f->attrs = attrs;
	if (n->hostinfo == NULL)
		return;
	hostinfo_facts(n->hostinfo, h);
	for (char *c = h->os; *c != '\0'; c++) /* clients say "macOS", policies "macos" */
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
	add_attr(f, attrs, "node:os", h->os);
	add_attr(f, attrs, "node:osVersion", h->os_version);
	add_attr(f, attrs, "node:tsVersion", h->client_version);
}

static bool same_posture(const struct node *a, const struct node *b)
{
	struct hostinfo_facts x = { "", "", "" }, y = { "", "", "" };

	if (a->hostinfo == b->hostinfo)
		return true;
	if (a->hostinfo != NULL)
		hostinfo_facts(a->hostinfo, &x);
	if (b->hostinfo != NULL)
		hostinfo_facts(b->hostinfo, &y);
	return strcmp(x.os, y.os) == 0 && strcmp(x.os_version, y.os_version) == 0 &&
	       strcmp(x.client_version, y.client_version) == 0;
}

static bool same_facts(const struct node *a, const struct node *b)
{
	return a->user == b->user && a->created_by == b->created_by && a->created_ns == b->created_ns &&
	       str_list_eq(a->tags, b->tags) && ip_eq(&a->ip4, &b->ip4) && ip_eq(&a->ip6, &b->ip6) &&
	       prefix_list_eq(a->announced_routes, b->announced_routes) &&
	       prefix_list_eq(a->approved_routes, b->approved_routes) && same_posture(a, b);
}

static enum policy_role role_of(enum user_role r)
{
	switch (r) {
	case ROLE_OWNER: return POLICY_ROLE_OWNER;
	case ROLE_ADMIN: return POLICY_ROLE_ADMIN;
	case ROLE_NETWORK_ADMIN: return POLICY_ROLE_NETWORK_ADMIN;
	case ROLE_IT_ADMIN: return POLICY_ROLE_IT_ADMIN;
	case ROLE_AUDITOR: return POLICY_ROLE_AUDITOR;
	case ROLE_MEMBER: break;
	}
	return POLICY_ROLE_MEMBER;
}

static struct policy_user user_facts(const struct user *u)
{
	return (struct policy_user){ u->id, u->name, u->email, u->provider_id, role_of(u->role), false };
}

struct policy_engine *facts_compile(struct state *st, struct snapshot *w, struct policy *p)
{
	struct arena *a = arena_new();
	struct policy_world world = { 0 };
	struct policy_user *users = ARENA_ARRAY(a, struct policy_user, w->users->n + 1);
	struct policy_node *nodes = ARENA_ARRAY(a, struct policy_node, w->n_nodes + 1);
	struct policy_primary *primaries = ARENA_ARRAY(a, struct policy_primary, w->routes->n + 1);
	struct policy_engine *e;
	size_t n = 0;

	for (size_t i = 0; i < w->users->n; i++)
		users[i] = user_facts(w->users->v[i]);
	for (size_t i = 0; i < w->n_pages; i++)
		for (uint64_t m = w->pages[i]->used; m != 0; m &= m - 1) {
			const struct node *node = w->pages[i]->slot[__builtin_ctzll(m)].node;
			struct entry *entry = state_entry_make(st, node->id);

			describe(st, node, a, &nodes[n]);
			entry->live_told = nodes[n++].live;
		}
	for (size_t i = 0; i < w->routes->n; i++)
		primaries[i] = (struct policy_primary){ w->routes->v[i].prefix, w->routes->v[i].node };
	world.users = users;
	world.n_users = w->users->n;
	world.nodes = nodes;
	world.n_nodes = n;
	world.primaries = primaries;
	world.n_primaries = w->routes->n;
	world.settings.auto_update = w->settings->auto_update == AUTO_UPDATE_ON  ? POLICY_AUTO_UPDATE_ON :
				     w->settings->auto_update == AUTO_UPDATE_OFF ? POLICY_AUTO_UPDATE_OFF :
										   POLICY_AUTO_UPDATE_UNSET;
	world.settings.no_file_sharing = !w->settings->file_sharing;
	world.settings.https = w->settings->https;
	e = policy_engine_new(p, &world);
	arena_free(&a);
	return e;
}

static void routers_set(struct state *st, node_id id, bool is)
{
	size_t i = 0;

	while (i < st->routers.n && st->routers.v[i] < id)
		i++;
	if (is == (i < st->routers.n && st->routers.v[i] == id))
		return;
	if (is) {
		vec_push(&st->routers, id);
		memmove(st->routers.v + i + 1, st->routers.v + i, (st->routers.n - 1 - i) * sizeof id);
		st->routers.v[i] = id;
	} else {
		memmove(st->routers.v + i, st->routers.v + i + 1, (st->routers.n - 1 - i) * sizeof id);
		st->routers.n--;
	}
}

static int cmp_primary(const void *a, const void *b)
{
	return ip_prefix_cmp(&((const struct route_primary *)a)->prefix, &((const struct route_primary *)b)->prefix);
}

static struct route_table *elected(const struct policy_engine *e)
{
	struct arena *a = arena_new();
	const struct policy_primary *p = NULL;
	size_t n = policy_primaries(e, a, &p);
	struct route_primary *v = ARENA_ARRAY(a, struct route_primary, n + 1);
	struct route_table *t;

	for (size_t i = 0; i < n; i++)
		v[i] = (struct route_primary){ p[i].prefix, p[i].node };
	qsort(v, n, sizeof *v, cmp_primary);
	t = route_table_new(v, n);
	arena_free(&a);
	return t;
}

static void touch_whole(struct turn *t, node_id id)
{
	const struct slot *s = snapshot_slot(t->next, id, NULL);

	if (s == NULL)
		return;
	snapshot_set_class(t->next, id, s->class_id, true);
	vec_push(&t->touched, id);
}

/* Both lists are sorted: walk them together, and touch whoever gained or lost a prefix. */
static void compare_routes(struct turn *t, const struct route_table *old, const struct route_table *now)
{
	size_t i = 0, k = 0;
	bool any = false;

	while (i < old->n || k < now->n) {
		int c = i == old->n ? 1 : k == now->n ? -1 : ip_prefix_cmp(&old->v[i].prefix, &now->v[k].prefix);
		node_id a = c <= 0 ? old->v[i].node : 0, b = c >= 0 ? now->v[k].node : 0;

		if (a != b) {
			any = true;
			touch_whole(t, a);
			touch_whole(t, b);
		}
		i += c <= 0;
		k += c >= 0;
	}
	if (any)
		t->world |= WORLD_ROUTES;
}

static void take_routes(struct turn *t)
{
	struct route_table *now = elected(t->next->policy);

	compare_routes(t, t->next->routes, now);
	route_table_unref(&t->next->routes);
	t->next->routes = now;
}

static void reclass(struct turn *t, node_id id, bool renumbered)
{
	const struct slot *s = snapshot_slot(t->next, id, NULL);
	policy_class c = policy_class_of(t->next->policy, id);

	if (s != NULL)
		snapshot_set_class(t->next, id, c, !renumbered && s->class_id != c && s->class_id != POLICY_CLASS_NONE);
}

static void reclass_all(struct turn *t)
{
	VEC(node_id) ids = { 0 };

	for (size_t i = 0; i < t->next->n_pages; i++)
		for (uint64_t m = t->next->pages[i]->used; m != 0; m &= m - 1)
			vec_push(&ids, t->next->pages[i]->slot[__builtin_ctzll(m)].node->id);
	for (size_t i = 0; i < ids.n; i++)
		reclass(t, ids.v[i], true);
	vec_release(&ids);
}

static void compile_anew(struct turn *t)
{
	struct policy_engine *e = facts_compile(t->st, t->next, t->st->policy);

	policy_engine_unref(&t->next->policy);
	t->next->policy = e;
	t->world |= WORLD_POLICY;
	reclass_all(t);
	take_routes(t);
}

static bool same_user(const struct user *a, const struct user *b)
{
	return a->role == b->role && strcmp(a->name, b->name) == 0 && strcmp(a->email, b->email) == 0 &&
	       strcmp(a->provider_id, b->provider_id) == 0;
}

/* The users of this turn that the engine knows otherwise. */
static void user_delta(struct turn *t, const struct snapshot *prev, struct arena *a, struct policy_delta *d)
{
	struct policy_user *changed = ARENA_ARRAY(a, struct policy_user, t->users.n);
	user_id *removed = ARENA_ARRAY(a, user_id, t->users.n);

	d->users = changed;
	d->users_removed = removed;
	for (size_t i = 0; i < t->users.n; i++) {
		user_id id = t->users.v[i];
		const struct user *old = snapshot_user(prev, id), *now = snapshot_user(t->next, id);

		if (now == NULL)
			removed[d->n_users_removed++] = id;
		else if (old == NULL || !same_user(old, now))
			changed[d->n_users++] = user_facts(now);
	}
}

/* Nodes that changed class because of their users alone. */
static void reclass_moved(struct turn *t)
{
	const node_id *moved;
	size_t n = policy_engine_moved(t->next->policy, &moved);

	for (size_t i = 0; i < n; i++) {
		reclass(t, moved[i], false);
		vec_push(&t->touched, moved[i]);
	}
}

void facts_update(struct turn *t, const struct snapshot *prev)
{
	struct arena *a = arena_new();
	struct policy_node *changed = ARENA_ARRAY(a, struct policy_node, t->touched.n + 1);
	node_id *removed = ARENA_ARRAY(a, node_id, t->touched.n + 1);
	struct policy_delta delta = { .changed = changed, .removed = removed };
	size_t n = t->touched.n;
	bool routers = false;

	for (size_t i = 0; i < n; i++) {
		node_id id = t->touched.v[i];
		const struct node *old = snapshot_node(prev, id), *now = snapshot_node(t->next, id);
		struct entry *e;
		bool live;

		if (now == NULL) {
			if (old != NULL)
				removed[delta.n_removed++] = id;
			routers |= old != NULL && node_is_router(old);
			routers_set(t->st, id, false);
			continue;
		}
		if (old == now && !node_is_router(now))
			continue; /* only looked at */
		routers_set(t->st, id, node_is_router(now));
		e = state_entry_make(t->st, id);
		live = facts_live(t->st, now);
		if (old != NULL && (old == now || same_facts(old, now)) && live == e->live_told)
			continue;
		e->live_told = live;
		routers |= node_is_router(now) || (old != NULL && node_is_router(old));
		if (!t->new_engine)
			describe(t->st, now, a, &changed[delta.n_changed++]);
	}
	user_delta(t, prev, a, &delta);
	if (t->new_engine) {
		compile_anew(t);
	} else if (delta.n_changed + delta.n_removed + delta.n_users + delta.n_users_removed > 0) {
		struct policy_engine *e = policy_engine_update(t->next->policy, &delta);
		bool same = policy_engine_same_classes(t->next->policy, e);

		policy_engine_unref(&t->next->policy);
		t->next->policy = e;
		if (same) {
			for (size_t i = 0; i < delta.n_changed; i++)
				reclass(t, changed[i].id, false);
			reclass_moved(t);
		} else {
			t->world |= WORLD_POLICY;
			reclass_all(t);
		}
		if (routers || !same)
			take_routes(t);
	}
	arena_free(&a);
}

bool facts_auto_approves(struct state *st, const struct node *n, const struct ip_prefix *p)
{
	struct arena *a = arena_new();
	struct policy_node f;
	bool yes;

	describe(st, n, a, &f);
	yes = policy_auto_approves(st->cur->policy, &f, p);
	arena_free(&a);
	return yes;
}

size_t facts_ip_pools(struct state *st, const struct node *n, struct arena *a, const struct ip_prefix **out)
{
	struct policy_node f;

	describe(st, n, a, &f);
	return policy_ip_pools(st->cur->policy, &f, a, out);
}
