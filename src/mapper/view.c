/* mapper/view.c -- see mapper/mapper_priv.h. */
#include "mapper/mapper_priv.h"

void view_init(struct view *v, const struct access *x, const struct snapshot *s, uint32_t class_id)
{
	*v = (struct view){ .class_id = class_id, .a = arena_new() };
	v->n_bits = x->ops->class_count(x->arg, s);
	v->bits = ARENA_ARRAY(v->a, uint64_t, v->n_bits / 64 + 1);
	if (class_id >= v->n_bits)
		return; /* a node without a class: it sees nobody */
	v->n_classes = x->ops->peers(x->arg, s, class_id, v->a, &v->classes);
	for (size_t i = 0; i < v->n_classes; i++)
		v->bits[v->classes[i] / 64] |= UINT64_C(1) << (v->classes[i] % 64);
}

void view_release(struct view *v)
{
	arena_free(&v->a);
	*v = (struct view){ 0 };
}

uint64_t view_mask(const struct view *v, const struct page *p)
{
	uint64_t mask = 0;

	for (uint64_t m = p->used; m != 0; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctzll(m);

		mask |= (uint64_t)view_sees_slot(v, &p->slot[i]) << i;
	}
	return mask;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0xff51afd7ed558ccdu;
	return h ^ h >> 29;
}

uint64_t form_of(const struct access *x, const struct snapshot *s, uint32_t viewer, node_id peer, struct arena *a)
{
	struct policy_peer p;
	uint64_t h = 0;

	if (!x->ops->peer_get(x->arg, s, viewer, peer, a, &p) ||
	    (p.n_routes == 0 && !p.exit_node && !p.hide_ip4 && !p.suggest_exit_node))
		return 0;
	h = mix(h, 1u + p.exit_node + 2u * p.hide_ip4 + 4u * p.suggest_exit_node);
	for (size_t i = 0; i < p.n_routes; i++) {
		uint64_t v[2];

		memcpy(v, p.routes[i].addr.b, sizeof v);
		h = mix(mix(mix(h, v[0]), v[1]), p.routes[i].bits + 1000u * p.routes[i].addr.family);
	}
	return h | 1;
}

bool node_serves_prefix(const struct node *n, const struct ip_prefix *p)
{
	return prefix_list_has(n->approved_routes, p) && prefix_list_has(n->announced_routes, p);
}

bool node_serves(const struct node *n)
{
	if (n->announced_routes == NULL || n->approved_routes == NULL)
		return false;
	for (uint32_t i = 0; i < n->announced_routes->n; i++)
		if (!ip_prefix_is_default(&n->announced_routes->v[i]) &&
		    prefix_list_has(n->approved_routes, &n->announced_routes->v[i]))
			return true;
	return false;
}
