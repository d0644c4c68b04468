/*
 * policy/match.c -- who is a source of a rule, and which rules concern whom, kind by kind.
 *
 * Everything here is bit tests: selectors of a rule against selectors that match a node.
 */
#include <string.h>

#include "policy/engine_priv.h"

static const struct srcset *set_of(const struct policy_engine *e, uint32_t src)
{
	return &e->l->policy->srcsets.v[src];
}

static bool cond_holds(const struct srcset *s, const struct kind *k)
{
	return s->cond < 0 || bit_get(k->cond, (size_t)s->cond);
}

static int literal_families(const struct policy_engine *e, const struct src_static *st, const struct kind *k)
{
	int f = 0;

	for (uint32_t i = 0; i < st->n_literal; i++) {
		const struct sel *s = st->literal[i];
		if (!bit_get(k->addr, (size_t)(s - e->l->policy->sels.v)))
			continue;
		for (uint32_t r = 0; r < s->n_range; r++)
			f |= s->range[r].from.family == IP_V4 ? FAM_4 : FAM_6;
	}
	return f;
}

int src_lists(const struct policy_engine *e, uint32_t src, const struct kind *k)
{
	const struct srcset *s = set_of(e, src);
	const struct src_static *st = &e->l->src[src];

	if ((s->danger && s->cond < 0) || !cond_holds(s, k))
		return 0;
	if (bits_meet(k->addr, st->addr, e->l->words))
		return FAM_BOTH;
	if (s->cond < 0)
		return 0;
	/* Under a condition ranges cannot stand for devices: those that fulfil it are listed. */
	return s->any || s->danger ? FAM_BOTH : literal_families(e, st, k);
}

/* Device selectors with an address inside a route of this router. */
static bool inside_meets(const struct policy_engine *e, const struct kind *k, const uint64_t *mask)
{
	const struct router *r = engine_router(e, k->router, NULL);

	for (uint32_t i = 0; r && i < r->n_served; i++) {
		const struct route *route = engine_route(e, &r->served[i]);
		if (route && route->inside && bits_meet(route->inside, mask, e->l->words))
			return true;
	}
	return false;
}

bool src_admits(const struct policy_engine *e, uint32_t src, const struct kind *k)
{
	const struct srcset *s = set_of(e, src);
	const struct src_static *st = &e->l->src[src];

	if (cond_holds(s, k)) {
		if (s->danger || bits_meet(k->addr, st->addr, e->l->words) || bits_meet(k->addr, st->lit, e->l->words))
			return true;
		if (s->any && (bit_get(k->addr, e->l->any) || s->cond >= 0))
			return true;
	}
	if (!k->router)
		return false;
	if (bits_meet(k->route, st->lit, e->l->words) || ((s->any || s->danger) && k->flags & KIND_ROUTES))
		return true;
	return k->flags & KIND_INSIDE && inside_meets(e, k, st->addr);
}

bool src_overlaps_route(const struct policy_engine *e, uint32_t src, const struct route *r)
{
	const struct srcset *s = set_of(e, src);
	const struct src_static *st = &e->l->src[src];

	return s->any || s->danger || bits_meet(r->s->overlaps, st->lit, e->l->words) ||
	       (r->inside && bits_meet(r->inside, st->addr, e->l->words));
}

static void route_texts(const struct policy_engine *e, src_text_fn *fn, void *arg)
{
	for (size_t i = 0; i < e->n_routes; i++) {
		struct src_text t = { .text = e->routes[i].s->text, .hash = e->routes[i].s->hash };
		fn(arg, &t);
	}
}

static void literal_texts(const struct policy_engine *e, uint32_t src, const struct srcset *s, src_text_fn *fn,
			  void *arg)
{
	const struct src_static *st = &e->l->src[src];

	for (uint32_t i = 0; i < st->n_text; i++) {
		const struct src_text *t = &st->text[i];
		uint32_t holder = t->single && t->sel != UINT32_MAX ? e->holder[t->sel] : UINT32_MAX;
		if (s->cond >= 0 && (!t->single || holder != UINT32_MAX))
			continue; /* judged as a device, or in st->outside */
		if (holder != UINT32_MAX &&
		    src_lists(e, src, kind_at(e->l, holder)) & (t->addr.family == IP_V4 ? FAM_4 : FAM_6))
			continue;
		if (s->any && t->is_prefix && !t->single && engine_route(e, &t->prefix))
			continue;
		fn(arg, t);
	}
}

void src_texts(const struct policy_engine *e, uint32_t src, src_text_fn *fn, void *arg)
{
	static const struct src_text all = { .text = "*", .hash = { 42, 43 } };
	const struct srcset *s = set_of(e, src);
	const struct src_static *st = &e->l->src[src];

	if (s->danger && s->cond < 0) {
		fn(arg, &all);
		return;
	}
	if (s->any) {
		for (size_t i = 0; s->cond < 0 && i < 3; i++)
			fn(arg, &e->l->any_text[i]);
		route_texts(e, fn, arg);
	}
	literal_texts(e, src, s, fn, arg);
	for (uint32_t i = 0; i < st->n_outside; i++)
		fn(arg, &st->outside[i]);
}

bool src_selects_if(const struct policy_engine *e, uint32_t src, const struct kind *k, const uint64_t *cond)
{
	const struct srcset *s = set_of(e, src);
	const struct src_static *st = &e->l->src[src];

	if (s->cond >= 0 && !bit_get(cond, (size_t)s->cond))
		return false;
	return s->any || s->danger || bits_meet(k->addr, st->addr, e->l->words) ||
	       bits_meet(k->addr, st->lit, e->l->words);
}

bool src_selects(const struct policy_engine *e, uint32_t src, const struct kind *k)
{
	return src_selects_if(e, src, k, k->cond);
}

static bool via_concerns(const struct policy_engine *e, const struct tmpl *t, const struct kind *k)
{
	const struct sel *s = &e->l->policy->sels.v[t->dst];

	if (!k->router)
		return false;
	for (uint32_t i = 0; i < t->n_via; i++)
		if (bit_get(k->addr, t->via[i]))
			return s->internet ? k->flags & KIND_EXIT : bit_get(k->route, t->dst);
	return false;
}

static bool dst_concerns(const struct policy_engine *e, uint32_t dst, const struct kind *k)
{
	const struct sel *s = &e->l->policy->sels.v[dst];

	return s->kind == SEL_ANY || bit_get(k->addr, dst) || bit_get(k->route, dst);
}

bool tmpl_concerns(const struct policy_engine *e, const struct tmpl *t, const struct kind *k)
{
	switch (t->kind) {
	case TMPL_PACKET:
		return dst_concerns(e, t->dst, k);
	case TMPL_INTERNET:
		return k->flags & KIND_EXIT;
	case TMPL_SELF:
	case TMPL_CAP_SELF:
	case TMPL_BACK_SELF:
		return !(k->flags & KIND_TAGGED);
	case TMPL_VIA:
	case TMPL_VIA_APP:
		return via_concerns(e, t, k);
	case TMPL_CAP:
		for (uint32_t i = 0; i < t->n_dsts; i++)
			if (dst_concerns(e, t->dsts[i], k))
				return true;
		return false;
	case TMPL_BACK:
		return src_selects(e, t->who, k);
	}
	return false;
}

/* ---- chains of classes: those younger than the engine are not its own ---- */

static policy_class older(const struct policy_engine *e, policy_class c, bool owner)
{
	while (c != POLICY_CLASS_NONE && c >= e->n_classes)
		c = owner ? class_at(e->l, c)->owner_before : class_at(e->l, c)->kind_before;
	return c;
}

policy_class owner_first(const struct policy_engine *e, policy_class c)
{
	uint32_t slot = class_at(e->l, c)->owner_slot;

	if (slot == UINT32_MAX)
		return POLICY_CLASS_NONE;
	return older(e, atomic_load_explicit(&e->l->owners[slot / CHUNK_ROWS][slot % CHUNK_ROWS], memory_order_acquire),
		     true);
}

policy_class owner_next(const struct policy_engine *e, policy_class c)
{
	return older(e, class_at(e->l, c)->owner_before, true);
}

policy_class kind_first(const struct policy_engine *e, uint32_t kind)
{
	return older(e, atomic_load_explicit(&kind_at(e->l, kind)->classes, memory_order_acquire), false);
}

policy_class kind_next(const struct policy_engine *e, policy_class c)
{
	return older(e, class_at(e->l, c)->kind_before, false);
}

uint32_t own_sources(const struct policy_engine *e, uint32_t src, policy_class c, struct sum *out)
{
	uint32_t n = 0;

	*out = (struct sum){ 0, 0 };
	for (policy_class o = owner_first(e, c); o != POLICY_CLASS_NONE; o = owner_next(e, o)) {
		const struct class_dyn *d = engine_class(e, o);
		if (!d->members || !src_selects(e, src, kind_at(e->l, class_at(e->l, o)->kind)))
			continue;
		n += d->members->n;
		sum_add(out, d->sum4);
		sum_add(out, d->sum6);
	}
	return n;
}

/* ---- visibility ---- */

bool kind_admits(const struct policy_engine *e, const struct kind *a, const struct kind *b)
{
	const struct policy *p = e->l->policy;

	for (size_t i = 0; i < p->tmpls.n; i++) {
		const struct tmpl *t = &p->tmpls.v[i];
		if (!tmpl_is_self(t) && tmpl_concerns(e, t, a) && src_admits(e, t->src, b))
			return true;
	}
	return false;
}

bool own_admits(const struct policy_engine *e, const struct kind *a, const struct kind *b)
{
	const struct policy *p = e->l->policy;

	if (!p->owners_matter)
		return false;
	for (size_t i = 0; i < p->tmpls.n; i++) {
		const struct tmpl *t = &p->tmpls.v[i];
		if (tmpl_is_self(t) && tmpl_concerns(e, t, a) && src_selects(e, t->src, b))
			return true;
	}
	return false;
}

bool own_overlaps(const struct policy_engine *e, uint32_t src, policy_class c, const struct ip_prefix *p)
{
	for (policy_class o = owner_first(e, c); o != POLICY_CLASS_NONE; o = owner_next(e, o)) {
		const struct id_list *l = engine_class(e, o)->members;
		if (!l || !src_selects(e, src, kind_at(e->l, class_at(e->l, o)->kind)))
			continue;
		for (uint32_t i = 0; i < l->n; i++) {
			const struct rec *r = engine_rec(e, l->id[i]);
			if (ip_prefix_contains(p, &r->ip4) || ip_prefix_contains(p, &r->ip6))
				return true;
		}
	}
	return false;
}

/* A source of the owner's lies behind this router. */
static bool own_behind(const struct policy_engine *e, uint32_t src, policy_class c, const struct kind *b)
{
	const struct router *r = b->flags & KIND_INSIDE ? engine_router(e, b->router, NULL) : NULL;

	for (uint32_t i = 0; r && i < r->n_served; i++)
		if (own_overlaps(e, src, c, &r->served[i]))
			return true;
	return false;
}

bool own_admits_behind(const struct policy_engine *e, policy_class a, const struct kind *b)
{
	const struct policy *p = e->l->policy;
	const struct class_row *row = class_at(e->l, a);

	if (!p->owners_matter || !row->owner || !(b->flags & KIND_INSIDE))
		return false;
	for (size_t i = 0; i < p->tmpls.n; i++) {
		const struct tmpl *t = &p->tmpls.v[i];
		if (tmpl_is_self(t) && tmpl_concerns(e, t, kind_at(e->l, row->kind)) && own_behind(e, t->src, a, b))
			return true;
	}
	return false;
}

bool tmpl_admits(const struct policy_engine *e, const struct tmpl *t, policy_class a, policy_class b)
{
	const struct class_row *ra = class_at(e->l, a), *rb = class_at(e->l, b);
	const struct kind *kb = kind_at(e->l, rb->kind);

	if (!tmpl_concerns(e, t, kind_at(e->l, ra->kind)))
		return false;
	if (!tmpl_is_self(t))
		return src_admits(e, t->src, kb);
	return ra->owner && ((ra->owner == rb->owner && src_selects(e, t->src, kb)) || own_behind(e, t->src, a, kb));
}
