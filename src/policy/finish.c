/*
 * policy/finish.c -- what depends on all nodes: elections, which source lists are equal, which templates merge.
 *
 * In an update only what the touched kinds have to do with is summed anew.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/build_priv.h"

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
		build_kind(b, e->n_kinds - 1);
	e->live_kinds = ARENA_ARRAY(e->arena, uint32_t, e->n_kinds);
	e->live_bits = ARENA_ARRAY(e->arena, uint64_t, l->words);
	e->holder = ARENA_ARRAY(e->arena, uint32_t, n_sel);
	if (!same_live(b)) {
		memset(e->holder, 0xff, n_sel * sizeof *e->holder);
		find_live(e);
		return;
	}
	e->n_live_kinds = b->prev->n_live_kinds;
	mem_copy(e->live_kinds, b->prev->live_kinds, e->n_live_kinds * sizeof *e->live_kinds);
	mem_copy(e->live_bits, b->prev->live_bits, l->words * sizeof *e->live_bits);
	mem_copy(e->holder, b->prev->holder, n_sel * sizeof *e->holder);
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

void build_finish(struct build *b)
{
	finish_kinds(b);
	finish_routes(b);
	finish_sources(b);
	finish_merging(b);
	free(b->statics);
}
