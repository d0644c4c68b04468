/*
 * policy/reach.c -- may a packet from here to there pass? Rule by rule, before reduction.
 *
 * For tests of the policy and for explaining; the filter itself is made in filter.c.
 */
#include <string.h>

#include "policy/engine_priv.h"

static bool in_range(const struct ip_range *r, const struct ip_addr *a)
{
	struct ip_range one = { *a, *a };

	return ranges_overlap(r, &one);
}

static bool literal_has(const struct src_static *st, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < st->n_literal; i++)
		if (sel_has_addr(st->literal[i], a))
			return true;
	return false;
}

static bool any_has(const struct policy_engine *e, const struct ip_addr *a)
{
	for (size_t i = 0; i < 3; i++)
		if (in_range(&e->l->any_range[i], a))
			return true;
	for (size_t i = 0; i < e->n_routes; i++)
		if (ip_prefix_contains(&e->routes[i].s->prefix, a))
			return true;
	return false;
}

static bool cond_ok(const struct srcset *s, const struct flow *f, const struct kind *k)
{
	const uint64_t *cond = f->cond ? f->cond : k ? k->cond : NULL;

	/* What is no device of the tailnet cannot be judged, and stays. */
	return s->cond < 0 || !cond || bit_get(cond, (size_t)s->cond);
}

bool flow_src(const struct policy_engine *e, const struct tmpl *t, const struct flow *f)
{
	const struct srcset *s = &e->l->policy->srcsets.v[t->src];
	const struct src_static *st = &e->l->src[t->src];
	const struct kind *k = f->src.rec ? rec_kind(e, f->src.rec) : NULL;

	if (!cond_ok(s, f, k))
		return false;
	if (tmpl_is_self(t))
		return k && f->src.rec->user && (s->any || s->danger || bits_meet(k->addr, st->addr, e->l->words));
	if (s->danger || (k && bits_meet(k->addr, st->addr, e->l->words)) || literal_has(st, &f->src.addr))
		return true;
	return s->any && any_has(e, &f->src.addr);
}

static bool is_served_by_via(const struct policy_engine *e, const struct tmpl *t)
{
	for (size_t i = 0; i < e->n_routers; i++)
		if (tmpl_concerns(e, t, kind_at(e->l, e->routers[i]->kind)))
			return true;
	return false;
}

bool flow_dst(const struct policy_engine *e, const struct tmpl *t, const struct flow *f)
{
	const struct sel *s = &e->l->policy->sels.v[t->dst];

	switch (t->kind) {
	case TMPL_PACKET:
		if (s->kind == SEL_ANY)
			return true;
		if (sel_is_device(s))
			return f->dst.rec && bit_get(rec_kind(e, f->dst.rec)->addr, t->dst);
		return sel_has_addr(s, &f->dst.addr);
	case TMPL_INTERNET:
		return e->n_exit && sel_has_addr(s, &f->dst.addr);
	case TMPL_VIA:
		return sel_has_addr(s, &f->dst.addr) && is_served_by_via(e, t);
	case TMPL_SELF:
		return f->dst.rec && f->src.rec && f->dst.rec->user && f->dst.rec->user == f->src.rec->user;
	case TMPL_VIA_APP:
	case TMPL_CAP:
	case TMPL_CAP_SELF:
	case TMPL_BACK:
	case TMPL_BACK_SELF:
		break;
	}
	return false;
}

static bool usual_proto(int proto)
{
	return proto == 6 || proto == 17 || proto == 1 || proto == 58;
}

bool flow_port(const struct tmpl *t, const struct flow *f)
{
	if (t->proto < 0   ? f->proto >= 0 && !usual_proto(f->proto)
	    : f->proto < 0 ? !usual_proto(t->proto)
			   : f->proto != t->proto)
		return false;
	for (uint32_t i = 0; i < t->n_port; i++)
		if (f->port >= t->port[i].first && f->port <= t->port[i].last)
			return true;
	return false;
}

const struct tmpl *flow_rule(const struct policy_engine *e, const struct flow *f)
{
	const struct policy *p = e->l->policy;

	for (size_t i = 0; i < p->tmpls.n; i++)
		if (flow_port(&p->tmpls.v[i], f) && flow_src(e, &p->tmpls.v[i], f) && flow_dst(e, &p->tmpls.v[i], f))
			return &p->tmpls.v[i];
	return NULL;
}

struct find {
	const struct ip_addr *addr;
	const struct rec *hit;
};

static void match_addr(void *arg, const struct rec *r)
{
	struct find *f = arg;

	if (ip_eq(&r->ip4, f->addr) || ip_eq(&r->ip6, f->addr))
		f->hit = r;
}

struct end end_of(const struct policy_engine *e, const struct ip_addr *a)
{
	struct find f = { a, NULL };

	engine_each(e, match_addr, &f);
	return (struct end){ *a, f.hit };
}
