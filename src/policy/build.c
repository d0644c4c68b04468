/*
 * policy/build.c -- an engine made whole, from the one before, or anew when most classes are dead.
 */
#include "policy/build_priv.h"

#include <stdlib.h>
#include <string.h>

#include "policy/users.h"

static atomic_uint_fast64_t stamps = 1;

/* ---- counted parts ---- */

static bool last(atomic_uint *refs)
{
	return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

static void id_list_unref(struct id_list *l)
{
	if (l && last(&l->refs))
		free(l);
}

static void rec_page_unref(struct rec_page *p)
{
	if (last(&p->refs))
		free(p);
}

static void dyn_page_unref(struct dyn_page *p)
{
	if (!last(&p->refs))
		return;
	for (size_t i = 0; i < DYN_PAGE; i++)
		id_list_unref(p->dyn[i].members);
	free(p);
}

static void router_unref(struct router *r)
{
	if (last(&r->refs))
		free(r);
}

static void ref(atomic_uint *refs)
{
	atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

/* ---- parts that this build may write ---- */

static struct rec_page *own_page(struct build *b, size_t i)
{
	struct rec_page *p = b->e->pages[i], *copy;

	if (p->stamp == b->stamp)
		return p;
	copy = xmalloc(sizeof *copy);
	mem_copy(copy, p, sizeof *copy);
	atomic_init(&copy->refs, 1);
	copy->stamp = b->stamp;
	rec_page_unref(p);
	return b->e->pages[i] = copy;
}

static struct rec_page *insert_page(struct build *b, size_t at)
{
	struct policy_engine *e = b->e;
	struct rec_page *p = xcalloc(1, sizeof *p);

	atomic_init(&p->refs, 1);
	p->stamp = b->stamp;
	e->pages = xreallocarray(e->pages, e->n_pages + 1, sizeof *e->pages);
	memmove(e->pages + at + 1, e->pages + at, (e->n_pages - at) * sizeof *e->pages);
	e->pages[at] = p;
	e->n_pages++;
	return p;
}

/* A page with room where `id` belongs. */
static struct rec_page *room_for(struct build *b, node_id id)
{
	struct policy_engine *e = b->e;
	struct rec_page *p, *q;
	size_t i;

	if (!e->n_pages)
		return insert_page(b, 0);
	i = engine_page(e, id);
	p = own_page(b, i);
	if (p->n < REC_PAGE)
		return p;
	q = insert_page(b, i + 1);
	if (id > p->rec[p->n - 1].id) /* filled in order: leave the page full */
		return q;
	q->n = p->n / 2;
	p->n -= q->n;
	mem_copy(q->rec, p->rec + p->n, q->n * sizeof *q->rec);
	return id < q->rec[0].id ? p : q;
}

static void put_rec(struct build *b, const struct rec *r)
{
	struct rec_page *p = room_for(b, r->id);
	uint32_t i = rec_slot(p, r->id);

	memmove(p->rec + i + 1, p->rec + i, (p->n - i) * sizeof *p->rec);
	p->rec[i] = *r;
	p->n++;
	b->e->n_nodes++;
	if (r->user > b->e->last_user)
		b->e->last_user = r->user;
	if (r->created_by > b->e->last_user)
		b->e->last_user = r->created_by;
}

static void drop_rec(struct build *b, node_id id)
{
	struct policy_engine *e = b->e;
	size_t at = engine_page(e, id);
	struct rec_page *p = own_page(b, at);
	uint32_t i = rec_slot(p, id);

	memmove(p->rec + i, p->rec + i + 1, (p->n - i - 1) * sizeof *p->rec);
	p->n--;
	e->n_nodes--;
	if (p->n)
		return;
	rec_page_unref(p);
	memmove(e->pages + at, e->pages + at + 1, (e->n_pages - at - 1) * sizeof *e->pages);
	e->n_pages--;
}

static struct class_dyn *own_class(struct build *b, policy_class c)
{
	struct policy_engine *e = b->e;
	struct dyn_page *p, *copy;

	while (e->n_dyn <= c / DYN_PAGE) {
		e->dyn = xreallocarray(e->dyn, e->n_dyn + 1, sizeof *e->dyn);
		p = xcalloc(1, sizeof *p);
		atomic_init(&p->refs, 1);
		p->stamp = b->stamp;
		e->dyn[e->n_dyn++] = p;
	}
	p = e->dyn[c / DYN_PAGE];
	if (p->stamp != b->stamp) {
		copy = xmalloc(sizeof *copy);
		mem_copy(copy->dyn, p->dyn, sizeof copy->dyn);
		atomic_init(&copy->refs, 1);
		copy->stamp = b->stamp;
		for (size_t i = 0; i < DYN_PAGE; i++)
			if (copy->dyn[i].members)
				ref(&copy->dyn[i].members->refs);
		dyn_page_unref(p);
		p = e->dyn[c / DYN_PAGE] = copy;
	}
	return &p->dyn[c % DYN_PAGE];
}

static struct id_list *id_list_copy(const struct id_list *l, uint32_t cap, uint64_t stamp)
{
	struct id_list *n = xmalloc(sizeof *n + cap * sizeof *n->id);

	atomic_init(&n->refs, 1);
	n->stamp = stamp;
	n->cap = cap;
	n->n = l ? l->n : 0;
	if (n->n)
		mem_copy(n->id, l->id, n->n * sizeof *n->id);
	return n;
}

static struct id_list *own_members(struct build *b, struct class_dyn *d)
{
	struct id_list *l = d->members;

	if (l && l->stamp == b->stamp && l->n < l->cap)
		return l;
	d->members = id_list_copy(l, l ? (l->n < 8 ? 16 : l->n + l->n / 2) : 4, b->stamp);
	id_list_unref(l);
	return d->members;
}

static uint32_t id_slot(const struct id_list *l, node_id id)
{
	uint32_t lo = 0, hi = l->n;

	if (hi && l->id[hi - 1] < id)
		return hi;
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (l->id[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct kind_dyn *build_kind(struct build *b, uint32_t kind)
{
	struct policy_engine *e = b->e;
	size_t old = b->kind_cap;

	if (kind >= b->kind_cap) {
		b->kind_cap = kind + 64 + kind / 2;
		e->kind_dyn = xreallocarray(e->kind_dyn, b->kind_cap, sizeof *e->kind_dyn);
		memset(e->kind_dyn + old, 0, (b->kind_cap - old) * sizeof *e->kind_dyn);
	}
	return &e->kind_dyn[kind];
}

static void touch(struct build *b, uint32_t kind)
{
	if (!b->prev || b->n_touched > TOUCHED_MAX)
		return;
	for (size_t i = 0; i < b->n_touched; i++)
		if (b->touched[i].kind == kind)
			return;
	if (b->n_touched < TOUCHED_MAX)
		b->touched[b->n_touched] = (struct touched){ kind, *build_kind(b, kind) };
	b->n_touched++;
}

static struct sum rec_sum(const struct ip_addr *a)
{
	return a->family == IP_NONE ? (struct sum){ 0, 0 } : hash_addr(a);
}

static void join_class(struct build *b, const struct rec *r)
{
	struct class_dyn *d = own_class(b, r->class);
	struct kind_dyn *k;
	struct id_list *l = own_members(b, d);
	struct sum s4 = rec_sum(&r->ip4), s6 = rec_sum(&r->ip6);
	uint32_t i = id_slot(l, r->id);

	touch(b, class_at(b->l, r->class)->kind);
	k = build_kind(b, class_at(b->l, r->class)->kind);
	memmove(l->id + i + 1, l->id + i, (l->n - i) * sizeof *l->id);
	l->id[i] = r->id;
	l->n++;
	sum_add(&d->sum4, s4);
	sum_add(&d->sum6, s6);
	sum_add(&k->sum4, s4);
	sum_add(&k->sum6, s6);
	k->n++;
}

static void leave_class(struct build *b, const struct rec *r)
{
	struct class_dyn *d = own_class(b, r->class);
	struct kind_dyn *k;
	struct id_list *l = own_members(b, d);
	struct sum s4 = rec_sum(&r->ip4), s6 = rec_sum(&r->ip6);
	uint32_t i = id_slot(l, r->id);

	touch(b, class_at(b->l, r->class)->kind);
	k = build_kind(b, class_at(b->l, r->class)->kind);
	memmove(l->id + i, l->id + i + 1, (l->n - i - 1) * sizeof *l->id);
	l->n--;
	sum_sub(&d->sum4, s4);
	sum_sub(&d->sum6, s6);
	sum_sub(&k->sum4, s4);
	sum_sub(&k->sum6, s6);
	k->n--;
	if (l->n == 0) {
		id_list_unref(l);
		d->members = NULL;
	}
}

/* ---- routers ---- */

static bool is_approved(const struct policy_node *n, const struct ip_prefix *p)
{
	for (size_t i = 0; i < n->n_approved; i++)
		if (ip_prefix_eq(&n->approved[i], p))
			return true;
	return false;
}

/* NULL if the node serves nothing. */
static struct router *router_of(const struct policy_node *n)
{
	struct router *r;
	size_t max = n->n_advertised;

	if (!max || !n->n_approved)
		return NULL;
	r = xcalloc(1, sizeof *r + 2 * max * sizeof(struct ip_prefix));
	atomic_init(&r->refs, 1);
	r->id = n->id;
	r->registered = n->registered;
	r->live = n->live;
	r->own = (struct ip_prefix *)(r + 1);
	r->served = r->own + max;
	for (size_t i = 0; i < max; i++) {
		const struct ip_prefix *p = &n->advertised[i];
		if (!is_approved(n, p))
			continue;
		r->own[r->n_own++] = *p;
		if (ip_prefix_is_default(p))
			r->exit = true;
		else
			r->served[r->n_served++] = *p;
	}
	if (r->n_own)
		return r;
	free(r);
	return NULL;
}

static void put_router(struct build *b, struct router *r)
{
	struct policy_engine *e = b->e;
	size_t i = engine_router_slot(e, r->id);

	if ((e->n_routers & (e->n_routers - 1)) == 0)
		e->routers = xreallocarray(e->routers, e->n_routers ? 2 * e->n_routers : 1, sizeof *e->routers);
	memmove(e->routers + i + 1, e->routers + i, (e->n_routers - i) * sizeof *e->routers);
	e->routers[i] = r;
	e->n_routers++;
}

static void drop_router(struct build *b, node_id id)
{
	struct policy_engine *e = b->e;
	size_t i = engine_router_slot(e, id);

	if (i == e->n_routers || e->routers[i]->id != id)
		return;
	router_unref(e->routers[i]);
	memmove(e->routers + i, e->routers + i + 1, (e->n_routers - i - 1) * sizeof *e->routers);
	e->n_routers--;
}

static struct route_static *find_static(const struct build *b, const struct ip_prefix *p)
{
	size_t lo = 0, hi = b->n_statics;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int d = ip_prefix_cmp(&b->statics[mid]->prefix, p);
		if (d == 0)
			return b->statics[mid];
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static int by_prefix(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

static int by_static(const void *a, const void *b)
{
	return ip_prefix_cmp(&(*(struct route_static *const *)a)->prefix, &(*(struct route_static *const *)b)->prefix);
}

/* Statics for the routes of these routers that are not there yet. */
static void add_statics(struct build *b, struct router *const *r, size_t n)
{
	VEC(struct ip_prefix) fresh = { 0 };

	for (size_t i = 0; i < n; i++)
		for (uint32_t k = 0; r[i] && k < r[i]->n_served; k++)
			if (!find_static(b, &r[i]->served[k]))
				vec_push(&fresh, r[i]->served[k]);
	if (!fresh.n)
		return;
	qsort(fresh.v, fresh.n, sizeof *fresh.v, by_prefix);
	b->statics = xreallocarray(b->statics, b->n_statics + fresh.n, sizeof *b->statics);
	for (size_t i = 0; i < fresh.n; i++)
		if (i == 0 || ip_prefix_cmp(&fresh.v[i], &fresh.v[i - 1]) != 0)
			b->statics[b->n_statics++] = route_static_new(b->l, fresh.v[i]);
	qsort(b->statics, b->n_statics, sizeof *b->statics, by_static);
	vec_release(&fresh);
}

/* ---- nodes ---- */

static uint32_t kind_of(struct build *b, const struct policy_node *n, struct router *r)
{
	struct route_static **s;
	uint32_t kind;

	if (!r)
		return lineage_kind(b->l, b->e->users, n, NULL, NULL);
	s = xcalloc(r->n_served + 1, sizeof *s);
	for (uint32_t i = 0; i < r->n_served; i++)
		s[i] = find_static(b, &r->served[i]);
	kind = lineage_kind(b->l, b->e->users, n, r, s);
	free(s);
	return kind;
}

static void add_node(struct build *b, const struct policy_node *n, struct router *r)
{
	uint32_t kind = kind_of(b, n, r);
	user_id owner = n->n_tags ? 0 : n->user;
	struct rec rec = { .id = n->id,
			   .registered = n->registered,
			   .user = owner,
			   .created_by = n->created_by,
			   .ip4 = n->ip4,
			   .ip6 = n->ip6,
			   .n_tags = (uint16_t)(n->n_tags > UINT16_MAX ? UINT16_MAX : n->n_tags) };

	rec.class = lineage_class(b->l, kind, b->l->policy->owners_matter ? owner : 0);
	if (r) {
		r->kind = kind;
		put_router(b, r);
	}
	put_rec(b, &rec);
	join_class(b, &rec);
}

static void drop_node(struct build *b, node_id id)
{
	const struct rec *r = engine_rec(b->e, id);
	struct rec copy;

	if (!r)
		return;
	copy = *r;
	leave_class(b, &copy);
	drop_rec(b, id);
	drop_router(b, id);
}
/* ---- making ---- */

static struct policy_engine *engine_alloc(struct lineage *l)
{
	struct policy_engine *e = xcalloc(1, sizeof *e);

	atomic_init(&e->refs, 1);
	e->l = l;
	e->arena = arena_new();
	return e;
}

static int by_wish(const void *a, const void *b)
{
	return ip_prefix_cmp(&((const struct policy_primary *)a)->prefix, &((const struct policy_primary *)b)->prefix);
}

static void set_wishes(struct policy_engine *e, const struct policy_primary *w, size_t n)
{
	e->wished = ARENA_ARRAY(e->arena, struct policy_primary, n);
	e->n_wished = n;
	if (!n)
		return;
	mem_copy(e->wished, w, n * sizeof *w);
	qsort(e->wished, n, sizeof *w, by_wish);
}

static int by_node(const void *a, const void *b)
{
	const struct policy_node *x = *(const struct policy_node *const *)a, *y = *(const struct policy_node *const *)b;
	return x->id < y->id ? -1 : x->id > y->id;
}

struct policy_engine *policy_engine_new(struct policy *p, const struct policy_world *w)
{
	struct policy *all = p ? policy_ref(p) : policy_allow_all();
	struct build b = { .stamp = atomic_fetch_add(&stamps, 1) };
	const struct policy_node **order = xcalloc(w->n_nodes + 1, sizeof *order);
	struct router **routers = xcalloc(w->n_nodes + 1, sizeof *routers);

	b.l = lineage_new(all, &w->settings);
	policy_unref(&all);
	b.e = engine_alloc(b.l);
	b.e->users = users_new(b.l, w->users, w->n_users);
	set_wishes(b.e, w->primaries, w->n_primaries);
	for (size_t i = 0; i < w->n_nodes; i++)
		order[i] = &w->nodes[i];
	qsort(order, w->n_nodes, sizeof *order, by_node);
	for (size_t i = 0; i < w->n_nodes; i++)
		routers[i] = router_of(order[i]);
	add_statics(&b, routers, w->n_nodes);
	for (size_t i = 0; i < w->n_nodes; i++)
		add_node(&b, order[i], routers[i]);
	build_finish(&b);
	free(order);
	free(routers);
	return b.e;
}

/* ---- starting a new lineage when most of the old one is dead ---- */

/* Routers that change their routes, and owners that come and go, leave kinds and classes behind. */
static bool mostly_dead(const struct policy_engine *e)
{
	return e->n_kinds > 1024 + 4 * e->n_live_kinds || e->n_classes > 4096 + 2 * e->n_nodes;
}

static struct router *router_of_kind(const struct router *r, uint32_t kind)
{
	struct router *copy = xcalloc(1, sizeof *copy + (r->n_own + r->n_served) * sizeof *r->own);

	*copy = *r;
	atomic_init(&copy->refs, 1);
	copy->own = (struct ip_prefix *)(copy + 1);
	copy->served = copy->own + r->n_own;
	mem_copy(copy->own, r->own, r->n_own * sizeof *r->own);
	mem_copy(copy->served, r->served, r->n_served * sizeof *r->served);
	copy->kind = kind;
	return copy;
}

static void move_routers(struct build *b, const struct policy_engine *old, const uint32_t *to)
{
	for (size_t i = 0; i < old->n_routers; i++)
		put_router(b, router_of_kind(old->routers[i], to[old->routers[i]->kind]));
}

static void move_routes(struct build *b, const struct policy_engine *old)
{
	b->n_statics = old->n_routes;
	b->statics = xreallocarray(NULL, old->n_routes + 1, sizeof *b->statics);
	for (size_t i = 0; i < old->n_routes; i++) {
		b->statics[i] = old->routes[i].s;
		ref(&b->statics[i]->refs);
	}
}

static struct policy_engine *compacted(const struct policy_engine *old)
{
	struct build b = { .stamp = atomic_fetch_add(&stamps, 1), .l = lineage_again(old->l) };
	uint32_t *to = xcalloc(old->n_kinds + 1, sizeof *to);

	b.e = engine_alloc(b.l);
	b.e->users = users_ref(old->users);
	set_wishes(b.e, old->wished, old->n_wished);
	for (size_t i = 0; i < old->n_live_kinds; i++)
		to[old->live_kinds[i]] = lineage_adopt(b.l, kind_at(old->l, old->live_kinds[i]));
	for (size_t i = 0; i < old->n_pages; i++)
		for (uint32_t k = 0; k < old->pages[i]->n; k++) {
			struct rec r = old->pages[i]->rec[k];
			const struct class_row *row = class_at(old->l, r.class);
			r.class = lineage_class(b.l, to[row->kind], row->owner);
			put_rec(&b, &r);
			join_class(&b, &r);
		}
	move_routers(&b, old, to);
	move_routes(&b, old);
	build_finish(&b);
	free(to);
	return b.e;
}

/* ---- changes ---- */

static void share_parts(struct build *b, const struct policy_engine *e)
{
	struct policy_engine *n = b->e;

	n->last_user = e->last_user;
	n->n_nodes = e->n_nodes;
	n->n_pages = e->n_pages;
	n->pages = xreallocarray(NULL, e->n_pages + 1, sizeof *n->pages);
	for (size_t i = 0; i < e->n_pages; i++) {
		n->pages[i] = e->pages[i];
		ref(&e->pages[i]->refs);
	}
	n->n_dyn = e->n_dyn;
	n->dyn = xreallocarray(NULL, e->n_dyn + 1, sizeof *n->dyn);
	for (size_t i = 0; i < e->n_dyn; i++) {
		n->dyn[i] = e->dyn[i];
		ref(&e->dyn[i]->refs);
	}
	b->kind_cap = e->n_kinds;
	n->kind_dyn = xreallocarray(NULL, e->n_kinds + 1, sizeof *n->kind_dyn);
	mem_copy(n->kind_dyn, e->kind_dyn, e->n_kinds * sizeof *n->kind_dyn);
	for (size_t i = 0; i < e->n_routers; i++) {
		put_router(b, e->routers[i]);
		ref(&e->routers[i]->refs);
	}
	b->n_statics = e->n_routes;
	b->statics = xreallocarray(NULL, e->n_routes + 1, sizeof *b->statics);
	for (size_t i = 0; i < e->n_routes; i++) {
		b->statics[i] = e->routes[i].s;
		ref(&b->statics[i]->refs);
	}
}

/* The node's user, or who made it, is another now. */
static void move_node(struct build *b, const struct rec *r)
{
	const struct user_row *u = users_get(b->e->users, r->n_tags ? r->created_by : r->user);
	uint32_t kind = lineage_kind_for(b->l, rec_kind(b->e, r), u);
	policy_class c = lineage_class(b->l, kind, b->l->policy->owners_matter ? r->user : 0);
	struct rec was = *r, now = *r;
	struct rec_page *p;
	size_t at;

	if (c == r->class)
		return;
	now.class = c;
	leave_class(b, &was);
	p = own_page(b, engine_page(b->e, was.id));
	p->rec[rec_slot(p, was.id)].class = c;
	join_class(b, &now);
	at = engine_router_slot(b->e, was.id);
	if (at < b->e->n_routers && b->e->routers[at]->id == was.id) {
		struct router *old = b->e->routers[at];
		b->e->routers[at] = router_of_kind(old, kind);
		router_unref(old);
	}
}

static int by_user(const void *a, const void *b)
{
	user_id x = *(const user_id *)a, y = *(const user_id *)b;

	return x < y ? -1 : x > y;
}

static bool is_theirs(const struct rec *r, const user_id *user, size_t n)
{
	user_id id = r->n_tags ? r->created_by : r->user;

	return bsearch(&id, user, n, sizeof *user, by_user) != NULL;
}

/* Users first: nodes that come with them are judged by the new ones. */
static void change_users(struct build *b, const struct policy_delta *d)
{
	struct policy_engine *e = b->e;
	user_id *moved;
	size_t n, count = 0;

	if (!d->n_users && !d->n_users_removed) {
		e->users = users_ref(b->prev->users);
		return;
	}
	e->users = users_change(b->l, b->prev->users, d, e->arena, &moved, &n);
	if (n == 0 || moved[0] > e->last_user)
		return; /* sorted: none of them has a node */
	for (size_t i = 0; i < e->n_pages; i++)
		for (uint32_t k = 0; k < e->pages[i]->n; k++)
			count += is_theirs(&e->pages[i]->rec[k], moved, n);
	e->moved = ARENA_ARRAY(e->arena, node_id, count);
	for (size_t i = 0; count && i < e->n_pages; i++)
		for (uint32_t k = 0; k < e->pages[i]->n; k++)
			if (is_theirs(&e->pages[i]->rec[k], moved, n))
				e->moved[e->n_moved++] = e->pages[i]->rec[k].id;
	for (size_t i = 0; i < count; i++)
		move_node(b, engine_rec(e, e->moved[i]));
}

struct policy_engine *policy_engine_update(const struct policy_engine *e, const struct policy_delta *d)
{
	struct build b = { .stamp = atomic_fetch_add(&stamps, 1), .l = lineage_ref(e->l), .prev = e };
	struct router **routers = xcalloc(d->n_changed + 1, sizeof *routers);
	const struct policy_primary *was;
	struct policy_engine *next;
	size_t n;

	b.e = engine_alloc(b.l);
	n = policy_primaries(e, b.e->arena, &was);
	set_wishes(b.e, was, n);
	share_parts(&b, e);
	change_users(&b, d);
	for (size_t i = 0; i < d->n_removed; i++)
		drop_node(&b, d->removed[i]);
	for (size_t i = 0; i < d->n_changed; i++)
		routers[i] = router_of(&d->changed[i]);
	add_statics(&b, routers, d->n_changed);
	for (size_t i = 0; i < d->n_changed; i++) {
		drop_node(&b, d->changed[i].id);
		add_node(&b, &d->changed[i], routers[i]);
	}
	build_finish(&b);
	free(routers);
	if (!mostly_dead(b.e))
		return b.e;
	next = compacted(b.e); /* whose classes are new to everybody */
	policy_engine_unref(&b.e);
	return next;
}

struct policy_engine *policy_engine_ref(struct policy_engine *e)
{
	ref(&e->refs);
	return e;
}

void policy_engine_unref(struct policy_engine **ep)
{
	struct policy_engine *e = *ep;

	*ep = NULL;
	if (!e || !last(&e->refs))
		return;
	for (size_t i = 0; i < e->n_pages; i++)
		rec_page_unref(e->pages[i]);
	for (size_t i = 0; i < e->n_dyn; i++)
		dyn_page_unref(e->dyn[i]);
	for (size_t i = 0; i < e->n_routers; i++)
		router_unref(e->routers[i]);
	for (size_t i = 0; i < e->n_routes; i++)
		route_static_unref(&e->routes[i].s);
	free(e->pages);
	free(e->dyn);
	free(e->routers);
	free(e->kind_dyn);
	users_unref(&e->users);
	arena_free(&e->arena);
	lineage_unref(&e->l);
	free(e);
}
