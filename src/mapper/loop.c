/*
 * mapper/loop.c -- a publication comes to a loop: whom it concerns, and how urgently.
 *
 *     changed node --its class, before and after--> classes that see it --> their groups here: note it
 *                  --its own streams-------------> compare what is theirs alone
 *     another policy ---------------------------> every stream by itself, from its old class to its new one
 *     DNS, DERP map, settings -----------------> every group
 */
#include "mapper/mapper_priv.h"

#include <assert.h>

/* ---- routers: nodes whose form may depend on other routers -------------------------------------------- */

static size_t router_at(const id_vec *v, node_id id)
{
	size_t lo = 0, hi = v->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (v->v[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void router_set(id_vec *v, node_id id, bool is)
{
	size_t i = router_at(v, id);
	bool was = i < v->n && v->v[i] == id;

	if (is && !was) {
		vec_push(v, id);
		memmove(v->v + i + 1, v->v + i, (v->n - 1 - i) * sizeof *v->v);
		v->v[i] = id;
	} else if (!is && was) {
		memmove(v->v + i, v->v + i + 1, (v->n - 1 - i) * sizeof *v->v);
		v->n--;
	}
}

static void routers_find(struct mapper_loop *ml)
{
	for (size_t i = 0; i < ml->snap->n_pages; i++)
		for (uint64_t m = ml->snap->pages[i]->used; m != 0; m &= m - 1) {
			const struct node *n = ml->snap->pages[i]->slot[__builtin_ctzll(m)].node;

			if (node_serves(n))
				vec_push(&ml->routers, n->id);
		}
}

/* Do the two serve a prefix in common? */
static bool share_prefix(const struct node *a, const struct node *b)
{
	for (uint32_t i = 0; a->announced_routes != NULL && i < a->announced_routes->n; i++)
		if (node_serves_prefix(a, &a->announced_routes->v[i]) && node_serves_prefix(b, &a->announced_routes->v[i]))
			return true;
	return false;
}

/* Does it serve a prefix in which the other's addresses lie? */
static bool routes_to(const struct node *router, const struct node *n)
{
	for (uint32_t i = 0; i < router->announced_routes->n; i++) {
		const struct ip_prefix *p = &router->announced_routes->v[i];

		if (node_serves_prefix(router, p) && !ip_prefix_is_default(p) &&
		    (ip_prefix_contains(p, &n->ip4) || ip_prefix_contains(p, &n->ip6)))
			return true;
	}
	return false;
}

static bool concerns_router(const struct node *router, const struct node *n)
{
	return n != NULL && (node_serves(n) ? share_prefix(n, router) || routes_to(router, n) : routes_to(router, n));
}

/* Routers that are not in the publication but may be shown otherwise because of it. */
static void other_routers(struct mapper_loop *ml, const struct publication *p, id_vec *out)
{
	for (size_t i = 0; i < ml->routers.n; i++) {
		const struct node *r = snapshot_node(p->next, ml->routers.v[i]);

		for (size_t k = 0; r != NULL && k < p->n_nodes; k++)
			if (p->nodes[k].id != r->id && (concerns_router(r, snapshot_node(p->prev, p->nodes[k].id)) ||
							concerns_router(r, snapshot_node(p->next, p->nodes[k].id)))) {
				vec_push(out, r->id);
				break;
			}
	}
}

/* ---- whom it concerns ------------------------------------------------------------------------------------ */

struct mark {
	const struct snapshot *s; /* in which the class number is meant */
	uint32_t class_id;
	node_id id;
	bool urgent, presence;
};
struct marks {
	VEC(struct mark) v;
};

static int by_class(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	if (x->s != y->s)
		return x->s < y->s ? -1 : 1;
	if (x->class_id != y->class_id)
		return x->class_id < y->class_id ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void mark_changes(const struct publication *p, bool same_rules, struct marks *m)
{
	for (size_t i = 0; i < p->n_nodes; i++) {
		const struct node_change *c = &p->nodes[i];
		bool moved = c->kind != CHANGE_ADDED && c->kind != CHANGE_REMOVED && c->old_class != c->new_class;
		bool urgent = moved || c->kind == CHANGE_REMOVED, presence = c->kind == CHANGE_PRESENCE;

		if (c->self_only)
			continue;
		if (c->kind != CHANGE_ADDED && (moved || !same_rules || c->kind == CHANGE_REMOVED))
			vec_push(&m->v, ((struct mark){ p->prev, c->old_class, c->id, urgent, presence }));
		if (c->kind != CHANGE_REMOVED)
			vec_push(&m->v, ((struct mark){ p->next, c->new_class, c->id, urgent, presence }));
	}
}

static bool changed_user(const struct publication *p, const struct node *n)
{
	for (size_t i = 0; i < p->n_users; i++)
		if (!node_is_tagged(n) && n->user == p->users[i])
			return true;
	return false;
}

/* Who sees a node of a user whose profile changed gets to hear it. */
static void mark_users(const struct publication *p, struct marks *m)
{
	for (size_t i = 0; p->n_users > 0 && i < p->next->n_pages; i++)
		for (uint64_t rest = p->next->pages[i]->used; rest != 0; rest &= rest - 1) {
			const struct slot *s = &p->next->pages[i]->slot[__builtin_ctzll(rest)];

			if (changed_user(p, s->node))
				vec_push(&m->v, ((struct mark){ p->next, s->class_id, s->node->id, false, false }));
		}
}

static void tell_groups(struct mapper_loop *ml, const struct publication *p, struct marks *m, int64_t now_ns)
{
	const struct access *x = ml->w.x;
	id_vec ids = { 0 };

	if (m->v.n > 1)
		qsort(m->v.v, m->v.n, sizeof *m->v.v, by_class);
	for (size_t i = 0, k; i < m->v.n; i = k) {
		const struct mark *run = &m->v.v[i];
		const uint32_t *classes;
		bool urgent = false, presence = true;
		size_t n;

		ids.n = 0;
		for (k = i; k < m->v.n && m->v.v[k].s == run->s && m->v.v[k].class_id == run->class_id; k++) {
			vec_push(&ids, m->v.v[k].id);
			urgent |= m->v.v[k].urgent;
			presence &= m->v.v[k].presence;
		}
		if (run->class_id >= x->ops->class_count(x->arg, run->s))
			continue; /* a node without a class is seen by nobody */
		n = x->ops->peers(x->arg, run->s, run->class_id, ml->w.a, &classes);
		for (size_t c = 0; c < n; c++) {
			struct group *g = group_of(ml, classes[c], false);

			if (g == NULL)
				continue;
			group_touch(ml, g, p->prev, now_ns, urgent);
			group_log(g, ids.v, ids.n);
			if (!presence) /* other profiles may be needed, too */
				splice_forget_profiles(&g->splice);
		}
	}
	arena_reset(ml->w.a);
	vec_release(&ids);
}

static void each_group(struct mapper_loop *ml, void (*fn)(struct mapper_loop *ml, struct group *g, void *arg), void *arg)
{
	for (size_t i = 0; i < ml->group_buckets; i++)
		for (struct group *g = ml->groups[i], *next; g != NULL; g = next) {
			next = g->next;
			fn(ml, g, arg);
		}
}

struct news {
	const struct publication *p;
	const id_vec *ids;
	int64_t now_ns;
};

static void touch_world(struct mapper_loop *ml, struct group *g, void *arg)
{
	const struct news *n = arg;

	group_touch(ml, g, n->p->prev, n->now_ns, true);
	if (n->p->world & WORLD_POLICY || n->p->prev->dns != n->p->next->dns) {
		g->log_lost = true;
		splice_forget(&g->splice);
	}
}

static void touch_routers(struct mapper_loop *ml, struct group *g, void *arg)
{
	const struct news *n = arg;

	group_touch(ml, g, n->p->prev, n->now_ns, true);
	group_log(g, n->ids->v, n->ids->n);
	splice_forget(&g->splice);
}

/* SSH rules name nodes that the rule's node may not see. */
static void touch_ssh(struct mapper_loop *ml, struct group *g, void *arg)
{
	const struct access *x = ml->w.x;
	const struct news *n = arg;
	node_id id;

	if (g->waiting || g->in_step.n == 0)
		return;
	id = g->in_step.first->id;
	if (x->ops->digest(x->arg, n->p->prev, id, POLICY_ASPECT_SSH) != x->ops->digest(x->arg, n->p->next, id, POLICY_ASPECT_SSH))
		group_touch(ml, g, n->p->prev, n->now_ns, true);
}

/* ---- streams whose own node changed ------------------------------------------------------------------------- */

static void move_to_class(struct map_stream *ms, uint32_t class_id)
{
	struct mapper_loop *ml = ms->ml;
	struct group *old = ms->g;

	stream_list_del(&old->lagging, ms);
	ms->g = group_of(ml, class_id, true);
	stream_list_add(&ms->g->lagging, ms);
	group_drop_if_empty(ml, &old);
}

static void say_gone(struct map_stream *ms, const struct publication *p)
{
	struct work *wk = &ms->ml->w;
	const struct node *n = snapshot_node(p->prev, ms->id);
	struct jw w;

	stream_end(ms, MAP_END_GONE);
	if (n == NULL || !ms->sink->can_take(ms->arg))
		return;
	pack_begin(&wk->pack, ms->format);
	jw_init(&w, &wk->pack.text);
	jw_obj_begin(&w);
	jw_key(&w, "Node");
	encode_self(wk, &w, p->prev, n, true);
	jw_obj_end(&w);
	pack_send(&wk->pack, ms->sink, ms->arg);
	arena_reset(wk->a);
}

static void tell_self(struct mapper_loop *ml, const struct publication *p)
{
	for (size_t i = 0; i < p->n_nodes; i++) {
		const struct node_change *c = &p->nodes[i];

		if (c->kind == CHANGE_PRESENCE && !c->self_only)
			continue;
		for (struct map_stream *ms = stream_of_node(ml, c->id, NULL); ms != NULL; ms = stream_of_node(ml, c->id, ms)) {
			if (ms->ended)
				continue;
			if (c->kind == CHANGE_REMOVED) {
				say_gone(ms, p);
				continue;
			}
			stream_detach(ms, p->prev);
			if (ms->g->class_id != c->new_class)
				move_to_class(ms, c->new_class);
			vec_push(&ml->eager, ms);
		}
	}
}

/* Its own user's profile is a node's own news: it may see no other node of that user. */
static void tell_owners(struct mapper_loop *ml, const struct publication *p)
{
	for (size_t i = 0; p->n_users > 0 && i < ml->node_buckets; i++)
		for (struct map_stream *ms = ml->nodes[i]; ms != NULL; ms = ms->node_next) {
			const struct node *n = ms->ended ? NULL : snapshot_node(p->next, ms->id);

			if (n != NULL && changed_user(p, n)) {
				stream_detach(ms, p->prev);
				vec_push(&ml->eager, ms);
			}
		}
}

/* Class numbers mean something else now: every stream goes from its old class to its new one by itself. */
static void regroup(struct mapper_loop *ml, const struct publication *p)
{
	VEC(struct map_stream *) all = { 0 };

	for (size_t i = 0; i < ml->node_buckets; i++)
		for (struct map_stream *ms = ml->nodes[i]; ms != NULL; ms = ms->node_next)
			if (!ms->ended)
				vec_push(&all, ms);
	for (size_t i = 0; i < all.n; i++)
		stream_detach(all.v[i], p->prev);
	for (size_t i = 0; i < all.n; i++) {
		struct group *g = all.v[i]->g;

		stream_list_del(&g->lagging, all.v[i]);
		all.v[i]->g = NULL;
		group_drop_if_empty(ml, &g);
	}
	for (size_t i = 0; i < all.n; i++) {
		const struct slot *s = snapshot_slot(p->next, all.v[i]->id, NULL);
		struct map_stream *ms = all.v[i];

		ms->g = group_of(ml, s != NULL ? s->class_id : 0, true);
		stream_list_add(&ms->g->lagging, ms);
		if (s == NULL)
			say_gone(ms, p); /* out of the group again */
		else
			vec_push(&ml->eager, ms);
	}
	mapper_count(ml->m, COUNT_REGROUPED, all.n);
	vec_release(&all);
}

static void run_eager(struct mapper_loop *ml, int64_t now_ns)
{
	for (size_t i = 0; i < ml->eager.n; i++)
		stream_catch_up(ml->eager.v[i], now_ns);
	ml->eager.n = 0;
}

/* ---- the loop ------------------------------------------------------------------------------------------------ */

struct mapper_loop *mapper_loop_new(struct mapper *m, struct snapshot *snap)
{
	struct mapper_loop *ml = xcalloc(1, sizeof *ml);

	ml->m = m;
	work_init(&ml->w, m);
	ml->snap = snapshot_ref(snap);
	ml->view_gen = 1;
	ml->group_buckets = ml->node_buckets = NODE_BUCKETS_MIN;
	ml->groups = xcalloc(ml->group_buckets, sizeof(struct group *));
	ml->nodes = xcalloc(ml->node_buckets, sizeof(struct map_stream *));
	ml->due_ns = INT64_MAX;
	routers_find(ml);
	return ml;
}

void mapper_loop_free(struct mapper_loop **mlp)
{
	struct mapper_loop *ml = *mlp;

	*mlp = NULL;
	if (ml == NULL)
		return;
	assert(ml->n_streams == 0);
	work_release(&ml->w);
	snapshot_unref(&ml->snap);
	vec_release(&ml->routers);
	vec_release(&ml->eager);
	free(ml->groups);
	free(ml->nodes);
	free(ml);
}

static void keep_routers(struct mapper_loop *ml, const struct publication *p)
{
	for (size_t i = 0; i < p->n_nodes; i++) {
		const struct node *n = snapshot_node(p->next, p->nodes[i].id);

		if (p->nodes[i].kind != CHANGE_PRESENCE)
			router_set(&ml->routers, p->nodes[i].id, n != NULL && node_serves(n));
	}
}

static void concern(struct mapper_loop *ml, const struct publication *p, bool same_rules, int64_t now_ns)
{
	struct news news = { .p = p, .now_ns = now_ns };
	struct marks marks = { 0 };
	id_vec others = { 0 };

	if (p->world & (WORLD_POLICY | WORLD_DNS | WORLD_DERP | WORLD_SETTINGS))
		each_group(ml, touch_world, &news);
	mark_changes(p, same_rules, &marks);
	mark_users(p, &marks);
	tell_groups(ml, p, &marks, now_ns);
	vec_release(&marks.v);
	if (same_rules)
		return;
	other_routers(ml, p, &others);
	news.ids = &others;
	if (others.n > 0)
		each_group(ml, touch_routers, &news);
	each_group(ml, touch_ssh, &news);
	vec_release(&others);
}

void mapper_loop_advance(struct mapper_loop *ml, struct publication *p, int64_t now_ns)
{
	const struct access *x = ml->w.x;
	bool same_rules = x->ops->token(x->arg, p->prev) == x->ops->token(x->arg, p->next);
	struct snapshot *old = ml->snap;

	assert(p->prev->seq == old->seq);
	ml->snap = snapshot_ref(p->next);
	ml->view_gen += !same_rules;
	keep_routers(ml, p);
	if (!same_rules && !x->ops->same_classes(x->arg, p->prev, p->next))
		regroup(ml, p);
	else {
		concern(ml, p, same_rules, now_ns);
		tell_self(ml, p);
		tell_owners(ml, p);
	}
	snapshot_unref(&old);
	groups_run(ml, now_ns);
	run_eager(ml, now_ns);
	streams_tell_ends(ml);
}

struct snapshot *mapper_loop_snapshot(const struct mapper_loop *ml)
{
	return ml->snap;
}

int64_t mapper_loop_next_deadline(const struct mapper_loop *ml)
{
	int64_t alive = ml->n_streams > 0 ? (ml->alive_s + 1) * NS_PER_S : INT64_MAX;

	return alive < ml->due_ns ? alive : ml->due_ns;
}

void mapper_loop_tick(struct mapper_loop *ml, int64_t now_ns)
{
	groups_run(ml, now_ns);
	if (ml->n_streams > 0)
		streams_alive(ml, now_ns);
	streams_tell_ends(ml);
}

size_t mapper_loop_streams(const struct mapper_loop *ml)
{
	return ml->n_streams;
}

enum status map_once(struct mapper_loop *ml, node_id id, const struct map_client *client, const struct map_sink *sink,
		     void *arg, int64_t now_ns)
{
	const struct slot *slot = snapshot_slot(ml->snap, id, NULL);
	struct group *g;

	if (slot == NULL)
		return ST_NOT_FOUND;
	g = group_of(ml, slot->class_id, true);
	first_send(&ml->w, ml->snap, slot->node, group_view(ml, g), &g->splice, client, now_ns, sink, arg);
	group_drop_if_empty(ml, &g);
	return ST_OK;
}
