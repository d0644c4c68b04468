/*
 * policy/engine.c -- looking things up in an engine; classes and who sees whom. Building is in build.c.
 */
#include "policy/engine.h"

#include <stdlib.h>
#include <string.h>

#include "policy/build_priv.h"
#include "policy/users.h"

/* ---- looking up ---- */

size_t engine_page(const struct policy_engine *e, node_id id)
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

uint32_t rec_slot(const struct rec_page *p, node_id id)
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
	p = e->pages[engine_page(e, id)];
	i = rec_slot(p, id);
	return i < p->n && p->rec[i].id == id ? &p->rec[i] : NULL;
}

size_t engine_router_slot(const struct policy_engine *e, node_id id)
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
	size_t i = engine_router_slot(e, id);

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
bool policy_engine_same_classes(const struct policy_engine *a, const struct policy_engine *b)
{
	return a->l == b->l;
}

size_t policy_engine_moved(const struct policy_engine *e, const node_id **out)
{
	*out = e->moved;
	return e->n_moved;
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
	n += e->users->n * (sizeof(struct user_row) + (l->words + 8) * sizeof(uint64_t)) +
	     l->n_named * sizeof(struct fit);
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
	return kind_admits(e, ka, kb) || kind_admits(e, kb, ka) || own_admits_behind(e, a, kb) ||
	       own_admits_behind(e, b, ka);
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

struct class_list {
	VEC(policy_class) v;
};

/* Routers with sources of this class's owner behind them; and, for such a router, whose they are. */
static void peers_behind(const struct policy_engine *e, policy_class c, const struct kind *k, struct class_list *l)
{
	if (!e->l->policy->owners_matter)
		return;
	for (size_t i = 0; i < e->n_routers; i++)
		if (own_admits_behind(e, c, kind_at(e->l, e->routers[i]->kind)))
			vec_push(&l->v, policy_class_of(e, e->routers[i]->id));
	for (policy_class x = 0; k->flags & KIND_INSIDE && x < e->n_classes; x++)
		if (engine_class(e, x)->members && own_admits_behind(e, x, k))
			vec_push(&l->v, x);
}

size_t policy_class_peers(const struct policy_engine *e, policy_class c, struct arena *a, const policy_class **out)
{
	struct class_list l = { 0 };
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
				vec_push(&l.v, x);
	}
	for (policy_class x = owner_first(e, c); x != POLICY_CLASS_NONE; x = owner_next(e, x)) {
		const struct kind *o = kind_at(e->l, class_at(e->l, x)->kind);
		if (engine_class(e, x)->members && (own_admits(e, k, o) || own_admits(e, o, k)))
			vec_push(&l.v, x);
	}
	peers_behind(e, c, k, &l);
	copy = ARENA_ARRAY(a, policy_class, l.v.n);
	if (l.v.n)
		qsort(l.v.v, l.v.n, sizeof *l.v.v, by_class);
	for (size_t i = 0; i < l.v.n; i++)
		if (i == 0 || l.v.v[i] != l.v.v[i - 1])
			copy[n++] = l.v.v[i];
	vec_release(&l.v);
	*out = copy;
	return n;
}
