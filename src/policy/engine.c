/*
 * policy/engine.c -- building an engine, whole or from the one before.
 *
 * A build owns what carries its stamp and may change it; the rest is shared with older engines and
 * copied first. When the nodes are in place, finish() derives what depends on all of them: elections,
 * which source lists are equal, which templates merge.
 */
#include "policy/engine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/engine_priv.h"

/* A kind whose nodes change in an update, as it was. More than these, and everything is summed anew. */
#define TOUCHED_MAX 64
struct touched {
	uint32_t kind;
	struct kind_dyn before;
};

struct build {
	struct policy_engine *e;
	const struct policy_engine *prev; /* NULL for a whole build */
	struct touched touched[TOUCHED_MAX];
	size_t n_touched; /* may pass TOUCHED_MAX */
	struct lineage *l;
	uint64_t stamp;
	size_t kind_cap;
	struct route_static **statics; /* sorted by prefix; references of this build */
	size_t n_statics;
};

static atomic_uint_fast64_t stamps = 1;

/* ---- looking up ---- */

static size_t page_of(const struct policy_engine *e, node_id id)
{
	size_t lo = 0, hi = e->n_pages;

	while (lo + 1 < hi) {
		size_t mid = (lo + hi) / 2;
		if (e->pages[mid]->rec[0].id <= id)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* Where id is or would be in a page. */
static uint32_t slot_of(const struct rec_page *p, node_id id)
{
	uint32_t lo = 0, hi = p->n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (p->rec[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct rec *engine_rec(const struct policy_engine *e, node_id id)
{
	const struct rec_page *p;
	uint32_t i;

	if (!e->n_pages)
		return NULL;
	p = e->pages[page_of(e, id)];
	i = slot_of(p, id);
	return i < p->n && p->rec[i].id == id ? &p->rec[i] : NULL;
}

static size_t router_slot(const struct policy_engine *e, node_id id)
{
	size_t lo = 0, hi = e->n_routers;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (e->routers[mid]->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct router *engine_router(const struct policy_engine *e, node_id id, uint32_t *index_out)
{
	size_t i = router_slot(e, id);

	if (id == 0 || i == e->n_routers || e->routers[i]->id != id)
		return NULL;
	if (index_out)
		*index_out = (uint32_t)i;
	return e->routers[i];
}

const struct class_dyn *engine_class(const struct policy_engine *e, policy_class c)
{
	static const struct class_dyn none;

	return c / DYN_PAGE < e->n_dyn ? &e->dyn[c / DYN_PAGE]->dyn[c % DYN_PAGE] : &none;
}

const struct route *engine_route(const struct policy_engine *e, const struct ip_prefix *p)
{
	size_t lo = 0, hi = e->n_routes;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int d = ip_prefix_cmp(&e->routes[mid].s->prefix, p);
		if (d == 0)
			return &e->routes[mid];
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

void engine_each(const struct policy_engine *e, void (*fn)(void *arg, const struct rec *r), void *arg)
{
	for (size_t i = 0; i < e->n_pages; i++)
		for (uint32_t k = 0; k < e->pages[i]->n; k++)
			fn(arg, &e->pages[i]->rec[k]);
}

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
	memcpy(copy, p, sizeof *copy);
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
	i = page_of(e, id);
	p = own_page(b, i);
	if (p->n < REC_PAGE)
		return p;
	q = insert_page(b, i + 1);
	if (id > p->rec[p->n - 1].id) /* filled in order: leave the page full */
		return q;
	q->n = p->n / 2;
	p->n -= q->n;
	memcpy(q->rec, p->rec + p->n, q->n * sizeof *q->rec);
	return id < q->rec[0].id ? p : q;
}

static void put_rec(struct build *b, const struct rec *r)
{
	struct rec_page *p = room_for(b, r->id);
	uint32_t i = slot_of(p, r->id);

	memmove(p->rec + i + 1, p->rec + i, (p->n - i) * sizeof *p->rec);
	p->rec[i] = *r;
	p->n++;
	b->e->n_nodes++;
}

static void drop_rec(struct build *b, node_id id)
{
	struct policy_engine *e = b->e;
	size_t at = page_of(e, id);
	struct rec_page *p = own_page(b, at);
	uint32_t i = slot_of(p, id);

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
		memcpy(copy->dyn, p->dyn, sizeof copy->dyn);
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
		memcpy(n->id, l->id, n->n * sizeof *n->id);
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

static struct kind_dyn *own_kind(struct build *b, uint32_t kind)
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
		b->touched[b->n_touched] = (struct touched){ kind, *own_kind(b, kind) };
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
	k = own_kind(b, class_at(b->l, r->class)->kind);
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
	k = own_kind(b, class_at(b->l, r->class)->kind);
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
	size_t i = router_slot(e, r->id);

	if ((e->n_routers & (e->n_routers - 1)) == 0)
		e->routers = xreallocarray(e->routers, e->n_routers ? 2 * e->n_routers : 1, sizeof *e->routers);
	memmove(e->routers + i + 1, e->routers + i, (e->n_routers - i) * sizeof *e->routers);
	e->routers[i] = r;
	e->n_routers++;
}

static void drop_router(struct build *b, node_id id)
{
	struct policy_engine *e = b->e;
	size_t i = router_slot(e, id);

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
		return lineage_kind(b->l, n, NULL, NULL);
	s = xcalloc(r->n_served + 1, sizeof *s);
	for (uint32_t i = 0; i < r->n_served; i++)
		s[i] = find_static(b, &r->served[i]);
	kind = lineage_kind(b->l, n, r, s);
	free(s);
	return kind;
}

static void add_node(struct build *b, const struct policy_node *n, struct router *r)
{
	uint32_t kind = kind_of(b, n, r);
	user_id owner = n->n_tags ? 0 : n->user;
	struct rec rec = { .id = n->id, .registered = n->registered, .user = owner, .ip4 = n->ip4, .ip6 = n->ip6,
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

/* ---- what depends on all nodes ---- */

static int by_registration(const void *a, const void *b, void *arg)
{
	const struct policy_engine *e = arg;
	const struct router *x = e->routers[*(const uint32_t *)a], *y = e->routers[*(const uint32_t *)b];

	if (x->registered != y->registered)
		return x->registered < y->registered ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static uint32_t wished_server(const struct policy_engine *e, const struct route *r)
{
	size_t lo = 0, hi = e->n_wished;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (ip_prefix_cmp(&e->wished[mid].prefix, &r->s->prefix) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == e->n_wished || ip_prefix_cmp(&e->wished[lo].prefix, &r->s->prefix) != 0)
		return UINT32_MAX;
	for (uint32_t i = 0; i < r->n_server; i++)
		if (e->routers[r->server[i]]->id == e->wished[lo].node)
			return r->server[i];
	return UINT32_MAX;
}

/* Who was it and is live stays; else the first registered that is live; else who it was, or the first. */
static uint32_t elect(const struct policy_engine *e, const struct route *r)
{
	uint32_t was = wished_server(e, r);

	if (was != UINT32_MAX && e->routers[was]->live)
		return was;
	for (uint32_t i = 0; i < r->n_server; i++)
		if (e->routers[r->server[i]]->live)
			return r->server[i];
	return was != UINT32_MAX ? was : r->server[0];
}

struct inside_work {
	struct policy_engine *e;
	struct route *r;
};

static void mark_inside(void *arg, const struct rec *n)
{
	struct inside_work *w = arg;
	const struct kind *k = rec_kind(w->e, n);

	if (!ip_prefix_contains(&w->r->s->prefix, &n->ip4) && !ip_prefix_contains(&w->r->s->prefix, &n->ip6))
		return;
	for (size_t i = 0; i < w->e->l->words; i++)
		w->r->inside[i] |= k->addr[i];
}

static void finish_route(struct build *b, struct route *r)
{
	struct policy_engine *e = b->e;
	bool inside = false;

	qsort_r(r->server, r->n_server, sizeof *r->server, by_registration, e);
	r->primary = elect(e, r);
	for (uint32_t i = 0; i < r->n_server; i++)
		inside |= (kind_at(e->l, e->routers[r->server[i]]->kind)->flags & KIND_INSIDE) != 0;
	if (!inside || !bit_get(r->s->overlaps, e->l->any))
		return;
	r->inside = ARENA_ARRAY(e->arena, uint64_t, e->l->words);
	engine_each(e, mark_inside, &(struct inside_work){ e, r });
}

/* Routes from routers: count the servers of each prefix, then list them. */
static void finish_routes(struct build *b)
{
	struct policy_engine *e = b->e;
	struct route *all = ARENA_ARRAY(e->arena, struct route, b->n_statics);

	for (size_t i = 0; i < b->n_statics; i++)
		all[i].s = b->statics[i];
	e->routes = all;
	e->n_routes = b->n_statics;
	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < e->n_routers; i++)
			for (uint32_t k = 0; k < e->routers[i]->n_served; k++) {
				struct route *r = (struct route *)engine_route(e, &e->routers[i]->served[k]);
				if (pass && (r->n_server == 0 || r->server[r->n_server - 1] != i))
					r->server[r->n_server] = (uint32_t)i;
				else if (pass)
					continue; /* advertised twice */
				r->n_server++;
			}
		for (size_t i = 0; pass == 0 && i < e->n_routes; i++) {
			all[i].server = ARENA_ARRAY(e->arena, uint32_t, all[i].n_server);
			all[i].n_server = 0;
		}
	}
	/* What nobody serves any more goes. */
	e->n_routes = 0;
	for (size_t i = 0; i < b->n_statics; i++) {
		if (all[i].n_server)
			all[e->n_routes++] = all[i];
		else
			route_static_unref(&b->statics[i]);
	}
	for (size_t i = 0; i < e->n_routes; i++) {
		finish_route(b, &all[i]);
		sum_add(&e->routes_sum, all[i].s->hash);
	}
	for (size_t i = 0; i < e->n_routers; i++)
		e->n_exit += e->routers[i]->exit;
}

/* No kind got its first node or lost its last. */
static bool same_live(const struct build *b)
{
	if (!b->prev || b->n_touched > TOUCHED_MAX)
		return false;
	for (size_t i = 0; i < b->n_touched; i++)
		if (!b->touched[i].before.n != !b->e->kind_dyn[b->touched[i].kind].n)
			return false;
	return true;
}

static void find_live(struct policy_engine *e)
{
	const struct lineage *l = e->l;

	for (uint32_t k = 0; k < e->n_kinds; k++) {
		const uint64_t *bits = kind_at(l, k)->addr;
		if (!e->kind_dyn[k].n)
			continue;
		e->live_kinds[e->n_live_kinds++] = k;
		for (size_t w = 0; w < l->words; w++) {
			e->live_bits[w] |= bits[w];
			for (uint64_t m = bits[w] & l->single[w]; m; m &= m - 1)
				e->holder[w * 64 + (size_t)__builtin_ctzll(m)] = k;
		}
	}
}

static void finish_kinds(struct build *b)
{
	struct policy_engine *e = b->e;
	struct lineage *l = b->l;
	size_t n_sel = l->policy->sels.n + 1;

	pthread_mutex_lock(&l->lock);
	e->n_kinds = l->n_kinds;
	e->n_classes = l->n_classes;
	pthread_mutex_unlock(&l->lock);
	if (e->n_kinds)
		own_kind(b, e->n_kinds - 1);
	e->live_kinds = ARENA_ARRAY(e->arena, uint32_t, e->n_kinds);
	e->live_bits = ARENA_ARRAY(e->arena, uint64_t, l->words);
	e->holder = ARENA_ARRAY(e->arena, uint32_t, n_sel);
	if (!same_live(b)) {
		memset(e->holder, 0xff, n_sel * sizeof *e->holder);
		find_live(e);
		return;
	}
	e->n_live_kinds = b->prev->n_live_kinds;
	memcpy(e->live_kinds, b->prev->live_kinds, e->n_live_kinds * sizeof *e->live_kinds);
	memcpy(e->live_bits, b->prev->live_bits, l->words * sizeof *e->live_bits);
	memcpy(e->holder, b->prev->holder, n_sel * sizeof *e->holder);
}

static void add_text(void *arg, const struct src_text *t)
{
	struct src_dyn *d = arg;

	sum_add(&d->sum, t->hash);
	d->n++;
}

static void sum_source(struct policy_engine *e, uint32_t src)
{
	struct src_dyn *d = &e->src[src];

	for (size_t i = 0; i < e->n_live_kinds; i++) {
		uint32_t k = e->live_kinds[i];
		int f = src_lists(e, src, kind_at(e->l, k));
		if (f & FAM_4)
			sum_add(&d->sum, e->kind_dyn[k].sum4);
		if (f & FAM_6)
			sum_add(&d->sum, e->kind_dyn[k].sum6);
		if (f)
			d->n += e->kind_dyn[k].n;
	}
	src_texts(e, src, add_text, d);
}

/* What the touched kinds had is taken away, what they have now added; texts are as they were. */
static void adjust_source(const struct build *b, uint32_t src)
{
	struct policy_engine *e = b->e;
	struct src_dyn *d = &e->src[src];

	for (size_t i = 0; i < b->n_touched; i++) {
		const struct kind_dyn *was = &b->touched[i].before, *is = &e->kind_dyn[b->touched[i].kind];
		int f = src_lists(e, src, kind_at(e->l, b->touched[i].kind));
		if (f & FAM_4) {
			sum_sub(&d->sum, was->sum4);
			sum_add(&d->sum, is->sum4);
		}
		if (f & FAM_6) {
			sum_sub(&d->sum, was->sum6);
			sum_add(&d->sum, is->sum6);
		}
		if (f)
			d->n += is->n - was->n;
	}
}

/* Texts of lists depend on which single addresses are devices, and on the served routes. */
static bool same_texts(const struct build *b)
{
	const struct policy_engine *e = b->e, *p = b->prev;

	return p && b->n_touched <= TOUCHED_MAX && e->n_routes == p->n_routes && e->routes_sum.a == p->routes_sum.a &&
	       e->routes_sum.b == p->routes_sum.b &&
	       memcmp(e->holder, p->holder, (e->l->policy->sels.n + 1) * sizeof *e->holder) == 0;
}

static int by_sum(const void *a, const void *b, void *arg)
{
	const struct policy_engine *e = arg;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	const struct sum *x = &e->src[i].sum, *y = &e->src[k].sum;

	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	if (x->b != y->b)
		return x->b < y->b ? -1 : 1;
	return i < k ? -1 : i > k;
}

static void finish_sources(struct build *b)
{
	struct policy_engine *e = b->e;
	size_t n = e->l->policy->srcsets.n;
	uint32_t *order = ARENA_ARRAY(e->arena, uint32_t, n);

	bool same = same_texts(b);

	e->src = ARENA_ARRAY(e->arena, struct src_dyn, n);
	for (uint32_t i = 0; i < n; i++) {
		if (same) {
			e->src[i] = b->prev->src[i];
			adjust_source(b, i);
		} else {
			sum_source(e, i);
		}
		order[i] = i;
	}
	qsort_r(order, n, sizeof *order, by_sum, e);
	for (size_t i = 0; i < n; i++) {
		struct src_dyn *d = &e->src[order[i]], *before = i ? &e->src[order[i - 1]] : NULL;
		bool twin = before && before->sum.a == d->sum.a && before->sum.b == d->sum.b;
		d->canon = twin ? before->canon : order[i];
	}
}

/* A packet template that has sources and destinations anywhere. */
static bool is_present(const struct policy_engine *e, const struct tmpl *t)
{
	if (t->kind == TMPL_CAP || t->kind == TMPL_BACK)
		return true;
	if (!e->src[t->src].n)
		return false;
	if (t->kind == TMPL_INTERNET)
		return e->n_exit > 0;
	if (t->kind != TMPL_PACKET)
		return false;
	return !sel_is_device(&e->l->policy->sels.v[t->dst]) || bit_get(e->live_bits, t->dst);
}

/* By template: the first present packet template with the same list and protocol, if it comes earlier. */
static void finish_merging(struct build *b)
{
	struct policy_engine *e = b->e;
	size_t n = e->l->policy->tmpls.n, size = 64;
	uint32_t *table;

	while (size < 2 * n)
		size *= 2;
	table = xcalloc(size, sizeof *table);
	e->present = ARENA_ARRAY(e->arena, bool, n);
	e->leader = ARENA_ARRAY(e->arena, uint32_t, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct tmpl *t = &e->l->policy->tmpls.v[i];
		uint32_t canon = e->src[t->src].canon;
		size_t h = (canon * 0x9e3779b1u + (uint32_t)t->proto * 0x85ebca6bu) & (size - 1);
		e->present[i] = is_present(e, t);
		e->leader[i] = UINT32_MAX;
		if (t->kind != TMPL_PACKET && t->kind != TMPL_INTERNET && t->kind != TMPL_VIA)
			continue;
		for (; table[h]; h = (h + 1) & (size - 1)) {
			const struct tmpl *o = &e->l->policy->tmpls.v[table[h] - 1];
			if (e->src[o->src].canon == canon && o->proto == t->proto)
				break;
		}
		if (table[h])
			e->leader[i] = table[h] - 1;
		else if (e->present[i])
			table[h] = (e->leader[i] = i) + 1;
	}
	free(table);
}

static void finish(struct build *b)
{
	finish_kinds(b);
	finish_routes(b);
	finish_sources(b);
	finish_merging(b);
	free(b->statics);
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
	memcpy(e->wished, w, n * sizeof *w);
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

	b.l = lineage_new(all, w);
	policy_unref(&all);
	b.e = engine_alloc(b.l);
	set_wishes(b.e, w->primaries, w->n_primaries);
	for (size_t i = 0; i < w->n_nodes; i++)
		order[i] = &w->nodes[i];
	qsort(order, w->n_nodes, sizeof *order, by_node);
	for (size_t i = 0; i < w->n_nodes; i++)
		routers[i] = router_of(order[i]);
	add_statics(&b, routers, w->n_nodes);
	for (size_t i = 0; i < w->n_nodes; i++)
		add_node(&b, order[i], routers[i]);
	finish(&b);
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

static void move_routers(struct build *b, const struct policy_engine *old, const uint32_t *to)
{
	for (size_t i = 0; i < old->n_routers; i++) {
		const struct router *r = old->routers[i];
		struct router *copy = xcalloc(1, sizeof *copy + (r->n_own + r->n_served) * sizeof *r->own);
		*copy = *r;
		atomic_init(&copy->refs, 1);
		copy->own = (struct ip_prefix *)(copy + 1);
		copy->served = copy->own + r->n_own;
		memcpy(copy->own, r->own, r->n_own * sizeof *r->own);
		memcpy(copy->served, r->served, r->n_served * sizeof *r->served);
		copy->kind = to[r->kind];
		put_router(b, copy);
	}
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
	finish(&b);
	free(to);
	return b.e;
}

/* ---- changes ---- */

static void share_parts(struct build *b, const struct policy_engine *e)
{
	struct policy_engine *n = b->e;

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
	memcpy(n->kind_dyn, e->kind_dyn, e->n_kinds * sizeof *n->kind_dyn);
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
	for (size_t i = 0; i < d->n_removed; i++)
		drop_node(&b, d->removed[i]);
	for (size_t i = 0; i < d->n_changed; i++)
		routers[i] = router_of(&d->changed[i]);
	add_statics(&b, routers, d->n_changed);
	for (size_t i = 0; i < d->n_changed; i++) {
		drop_node(&b, d->changed[i].id);
		add_node(&b, &d->changed[i], routers[i]);
	}
	finish(&b);
	free(routers);
	if (!mostly_dead(b.e))
		return b.e;
	next = compacted(b.e);
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
	arena_free(&e->arena);
	lineage_unref(&e->l);
	free(e);
}

bool policy_engine_same_classes(const struct policy_engine *a, const struct policy_engine *b)
{
	return a->l == b->l;
}

struct policy *policy_engine_policy(const struct policy_engine *e)
{
	return e->l->policy;
}

static size_t table_memory(const struct table *t)
{
	return t->size * (sizeof *t->hash + sizeof *t->id);
}

size_t policy_engine_memory(const struct policy_engine *e)
{
	struct lineage *l = e->l;
	size_t n = sizeof *e + sizeof *l + arena_size(e->arena);

	pthread_mutex_lock(&l->lock);
	n += arena_size(l->arena) + arena_size(l->policy->arena);
	n += table_memory(&l->kind_table) + table_memory(&l->class_table) + table_memory(&l->owner_table);
	n += l->owner_cap * sizeof *l->owner_ids;
	n += (l->n_kinds + CHUNK_ROWS) * sizeof(void *) + (l->n_classes + CHUNK_ROWS) * sizeof(struct class_row);
	pthread_mutex_unlock(&l->lock);
	n += e->n_pages * sizeof(struct rec_page) + e->n_dyn * sizeof(struct dyn_page) +
	     e->n_kinds * sizeof *e->kind_dyn;
	for (size_t i = 0; i < e->n_dyn; i++)
		for (size_t k = 0; k < DYN_PAGE; k++)
			if (e->dyn[i]->dyn[k].members)
				n += sizeof(struct id_list) + e->dyn[i]->dyn[k].members->cap * sizeof(node_id);
	return n;
}

/* ---- classes ---- */

size_t policy_class_count(const struct policy_engine *e)
{
	return e->n_classes;
}

policy_class policy_class_of(const struct policy_engine *e, node_id id)
{
	const struct rec *r = engine_rec(e, id);

	return r ? r->class : POLICY_CLASS_NONE;
}

size_t policy_class_members(const struct policy_engine *e, policy_class c, const node_id **out)
{
	const struct id_list *l = engine_class(e, c)->members;

	*out = l ? l->id : NULL;
	return l ? l->n : 0;
}

bool policy_class_sees(const struct policy_engine *e, policy_class a, policy_class b)
{
	const struct class_row *ra, *rb;
	const struct kind *ka, *kb;

	if (a >= e->n_classes || b >= e->n_classes)
		return false;
	ra = class_at(e->l, a);
	rb = class_at(e->l, b);
	ka = kind_at(e->l, ra->kind);
	kb = kind_at(e->l, rb->kind);
	if (ra->owner && ra->owner == rb->owner && (own_admits(e, ka, kb) || own_admits(e, kb, ka)))
		return true;
	return kind_admits(e, ka, kb) || kind_admits(e, kb, ka);
}

static int by_class(const void *a, const void *b)
{
	policy_class x = *(const policy_class *)a, y = *(const policy_class *)b;
	return x < y ? -1 : x > y;
}

struct templates { /* that concern a kind, and that admit it */
	const struct tmpl **on, **from;
	size_t n_on, n_from;
};

static struct templates templates_of(const struct policy_engine *e, const struct kind *k, struct arena *a)
{
	const struct policy *p = e->l->policy;
	struct templates t = { ARENA_ARRAY(a, const struct tmpl *, p->tmpls.n),
			       ARENA_ARRAY(a, const struct tmpl *, p->tmpls.n), 0, 0 };

	for (size_t i = 0; i < p->tmpls.n; i++) {
		if (tmpl_is_self(&p->tmpls.v[i]))
			continue;
		if (tmpl_concerns(e, &p->tmpls.v[i], k))
			t.on[t.n_on++] = &p->tmpls.v[i];
		if (src_admits(e, p->tmpls.v[i].src, k))
			t.from[t.n_from++] = &p->tmpls.v[i];
	}
	return t;
}

static bool kinds_meet(const struct policy_engine *e, const struct templates *t, const struct kind *k)
{
	for (size_t i = 0; i < t->n_on; i++)
		if (src_admits(e, t->on[i]->src, k))
			return true;
	for (size_t i = 0; i < t->n_from; i++)
		if (tmpl_concerns(e, t->from[i], k))
			return true;
	return false;
}

size_t policy_class_peers(const struct policy_engine *e, policy_class c, struct arena *a, const policy_class **out)
{
	VEC(policy_class) v = { 0 };
	const struct class_row *row = class_at(e->l, c);
	const struct kind *k = kind_at(e->l, row->kind);
	struct templates t = templates_of(e, k, a);
	policy_class *copy;
	size_t n = 0;

	for (size_t i = 0; i < e->n_live_kinds; i++) {
		uint32_t o = e->live_kinds[i];
		if (!kinds_meet(e, &t, kind_at(e->l, o)))
			continue;
		for (policy_class x = kind_first(e, o); x != POLICY_CLASS_NONE; x = kind_next(e, x))
			if (engine_class(e, x)->members)
				vec_push(&v, x);
	}
	for (policy_class x = owner_first(e, c); x != POLICY_CLASS_NONE; x = owner_next(e, x)) {
		const struct kind *o = kind_at(e->l, class_at(e->l, x)->kind);
		if (engine_class(e, x)->members && (own_admits(e, k, o) || own_admits(e, o, k)))
			vec_push(&v, x);
	}
	copy = ARENA_ARRAY(a, policy_class, v.n);
	if (v.n)
		qsort(v.v, v.n, sizeof *v.v, by_class);
	for (size_t i = 0; i < v.n; i++)
		if (i == 0 || v.v[i] != v.v[i - 1])
			copy[n++] = v.v[i];
	vec_release(&v);
	*out = copy;
	return n;
}
