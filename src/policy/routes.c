/*
 * policy/routes.c -- which of its routes a peer shows to whom, and who is primary.
 *
 * For a served route r and a viewer V:
 *   V serves r itself: the primary shows it, unless V is it.
 *   Some servers have a rule that admits V to r: the primary if it is among them, else the first registered.
 *   V has a rule whose sources overlap r (traffic comes from there): the primary.
 *   Else nobody.
 * Steering by way of a router (via) needs no rule of its own: only that router has a rule that admits.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/engine_priv.h"

static bool prefix_has(const struct ip_prefix *p, const struct rec *n)
{
	return n && (ip_prefix_contains(p, &n->ip4) || ip_prefix_contains(p, &n->ip6));
}

static bool ranges_meet(const struct sel *s, const struct ip_prefix *p)
{
	struct ip_range r = ip_range_of_prefix(*p);

	for (uint32_t i = 0; i < s->n_range; i++)
		if (ranges_overlap(&s->range[i], &r))
			return true;
	return false;
}

/* What a capability of x stands for: its addresses, those inside a literal, and what of a literal it serves. */
static bool cap_overlaps(const struct policy_engine *e, const struct tmpl *t, const struct rec *x,
			 const struct route *r)
{
	const struct kind *k = rec_kind(e, x);

	for (uint32_t i = 0; i < t->n_dsts; i++) {
		const struct sel *s = &e->l->policy->sels.v[t->dsts[i]];
		bool lit = sel_is_literal(s);
		if (lit && bit_get(r->s->overlaps, t->dsts[i]))
			return true;
		if (s->kind != SEL_ANY && !bit_get(k->addr, t->dsts[i]))
			continue;
		if ((!lit || sel_has_addr(s, &x->ip4)) && ip_prefix_contains(&r->s->prefix, &x->ip4))
			return true;
		if ((!lit || sel_has_addr(s, &x->ip6)) && ip_prefix_contains(&r->s->prefix, &x->ip6))
			return true;
	}
	return false;
}

/* A destination of the template, as it stands on server x, overlaps the route. */
static bool dst_overlaps(const struct policy_engine *e, const struct tmpl *t, const struct rec *x,
			 const struct route *r)
{
	const struct policy *p = e->l->policy;

	switch (t->kind) {
	case TMPL_PACKET:
		if (p->sels.v[t->dst].kind == SEL_ANY)
			return true;
		if (sel_is_literal(&p->sels.v[t->dst]))
			return bit_get(r->s->overlaps, t->dst);
		break;
	case TMPL_INTERNET:
	case TMPL_VIA:
	case TMPL_VIA_APP:
		if (p->sels.v[t->dst].internet)
			return ranges_meet(&p->sels.v[t->dst], &r->s->prefix);
		return bit_get(r->s->overlaps, t->dst);
	case TMPL_CAP:
		return cap_overlaps(e, t, x, r);
	case TMPL_SELF:
	case TMPL_CAP_SELF:
	case TMPL_BACK:
	case TMPL_BACK_SELF:
		break;
	}
	return prefix_has(&r->s->prefix, x);
}

static bool is_candidate(const struct policy_engine *e, uint32_t server, const struct route *r, policy_class viewer)
{
	const struct rec *x = engine_rec(e, e->routers[server]->id);
	const struct policy *p = e->l->policy;

	for (size_t i = 0; i < p->tmpls.n; i++)
		if (tmpl_admits(e, &p->tmpls.v[i], x->class, viewer) && dst_overlaps(e, &p->tmpls.v[i], x, r))
			return true;
	return false;
}

/* The server that the rules steer this viewer to; UINT32_MAX if no rule admits it. */
static uint32_t steered(const struct policy_engine *e, const struct route *r, policy_class viewer)
{
	uint32_t first = UINT32_MAX;

	if (is_candidate(e, r->primary, r, viewer))
		return r->primary;
	for (uint32_t i = 0; i < r->n_server; i++) {
		if (r->server[i] == r->primary || !is_candidate(e, r->server[i], r, viewer))
			continue;
		if (e->routers[r->server[i]]->live)
			return r->server[i];
		if (first == UINT32_MAX)
			first = r->server[i];
	}
	return first;
}

static bool comes_from(const struct policy_engine *e, const struct route *r, policy_class viewer)
{
	const struct policy *p = e->l->policy;
	const struct class_row *row = class_at(e->l, viewer);
	const struct kind *k = kind_at(e->l, row->kind);

	for (size_t i = 0; i < p->tmpls.n; i++) {
		const struct tmpl *t = &p->tmpls.v[i];
		if (!tmpl_concerns(e, t, k))
			continue;
		if (tmpl_is_self(t) ? r->inside && own_overlaps(e, t->src, viewer, &r->s->prefix)
				    : src_overlaps_route(e, t->src, r))
			return true;
	}
	return false;
}

/* Who shows the route to this viewer; UINT32_MAX: nobody. */
static uint32_t shower(const struct policy_engine *e, const struct route *r, policy_class viewer, node_id viewer_router)
{
	uint32_t s;

	for (uint32_t i = 0; viewer_router && i < r->n_server; i++)
		if (e->routers[r->server[i]]->id == viewer_router)
			return e->routers[r->primary]->id == viewer_router ? UINT32_MAX : r->primary;
	s = steered(e, r, viewer);
	if (s != UINT32_MAX)
		return s;
	return comes_from(e, r, viewer) ? r->primary : UINT32_MAX;
}

static bool shows_exit(const struct policy_engine *e, const struct rec *peer, policy_class viewer)
{
	const struct policy *p = e->l->policy;

	for (size_t i = 0; i < p->tmpls.n; i++) {
		const struct tmpl *t = &p->tmpls.v[i];
		bool out = t->kind == TMPL_INTERNET || (t->kind == TMPL_PACKET && p->sels.v[t->dst].kind == SEL_ANY) ||
			   (t->kind == TMPL_VIA && p->sels.v[t->dst].internet);
		if (out && tmpl_admits(e, t, peer->class, viewer))
			return true;
	}
	return false;
}

bool policy_peer_get(const struct policy_engine *e, policy_class viewer, node_id peer, struct arena *a,
		     struct policy_peer *out)
{
	const struct rec *n = engine_rec(e, peer);
	const struct kind *k, *vk;
	const struct router *r;
	struct ip_prefix *routes;
	uint32_t me;

	if (!n || viewer >= e->n_classes)
		return false;
	k = rec_kind(e, n);
	vk = kind_at(e->l, class_at(e->l, viewer)->kind);
	*out = (struct policy_peer){ .hide_ip4 = (k->flags | vk->flags) & KIND_HIDE_IP4 };
	r = engine_router(e, peer, &me);
	if (!r)
		return true;
	routes = ARENA_ARRAY(a, struct ip_prefix, r->n_served);
	for (uint32_t i = 0; i < r->n_served; i++) {
		const struct route *route = engine_route(e, &r->served[i]);
		if (shower(e, route, viewer, vk->router) == me)
			routes[out->n_routes++] = r->served[i];
	}
	out->routes = routes;
	out->suggest_exit_node = r->exit;
	out->exit_node = r->exit && shows_exit(e, n, viewer);
	return true;
}

policy_form policy_peer_form(const struct policy_engine *e, policy_class viewer, node_id peer)
{
	uint32_t me;
	struct policy_peer p;
	struct arena *a;
	uint64_t h = 1;
	bool hide;

	if (viewer >= e->n_classes)
		return 0;
	hide = kind_at(e->l, class_at(e->l, viewer)->kind)->flags & KIND_HIDE_IP4;
	if (!engine_router(e, peer, &me))
		return hide ? 1 : 0;
	a = arena_new();
	if (!policy_peer_get(e, viewer, peer, a, &p)) {
		arena_free(&a);
		return 0;
	}
	if (p.n_routes || p.exit_node) {
		h = hash_u64(h, (uint64_t)p.exit_node * 2 + hide + 17);
		for (size_t i = 0; i < p.n_routes; i++) {
			h = hash_u64(h, hash_addr(&p.routes[i].addr).a);
			h = hash_u64(h, p.routes[i].bits);
		}
		h |= 2;
	} else {
		h = hide ? 1 : 0;
	}
	arena_free(&a);
	return h;
}

bool policy_self_get(const struct policy_engine *e, node_id id, struct arena *a, struct policy_self *out)
{
	const struct rec *n = engine_rec(e, id);
	const struct router *r;
	struct ip_prefix *own, *primary;
	uint32_t me;

	if (!n)
		return false;
	*out = (struct policy_self){ .hide_ip4 = rec_kind(e, n)->flags & KIND_HIDE_IP4 };
	r = engine_router(e, id, &me);
	if (!r)
		return true;
	own = ARENA_ARRAY(a, struct ip_prefix, r->n_own);
	mem_copy(own, r->own, r->n_own * sizeof *own);
	primary = ARENA_ARRAY(a, struct ip_prefix, r->n_served);
	for (uint32_t i = 0; i < r->n_served; i++)
		if (engine_route(e, &r->served[i])->primary == me)
			primary[out->n_primary++] = r->served[i];
	out->routes = own;
	out->n_routes = r->n_own;
	out->primary = primary;
	out->exit_node = r->exit;
	return true;
}

node_id policy_primary_of(const struct policy_engine *e, const struct ip_prefix *p)
{
	const struct route *r = engine_route(e, p);

	return r ? e->routers[r->primary]->id : 0;
}

size_t policy_primaries(const struct policy_engine *e, struct arena *a, const struct policy_primary **out)
{
	struct policy_primary *v = ARENA_ARRAY(a, struct policy_primary, e->n_routes);

	for (size_t i = 0; i < e->n_routes; i++)
		v[i] = (struct policy_primary){ e->routes[i].s->prefix, e->routers[e->routes[i].primary]->id };
	*out = v;
	return e->n_routes;
}
