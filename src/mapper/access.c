/* mapper/access.c -- see mapper/access.h. */
#include "mapper/access.h"

#include "model/node.h"

/* ---- everything is allowed ---------------------------------------------------------------- */

static const void *all_token(void *arg, const struct snapshot *s)
{
	(void)arg;
	return s; /* routes come from the nodes themselves */
}

static bool all_same_classes(void *arg, const struct snapshot *a, const struct snapshot *b)
{
	(void)arg;
	(void)a;
	(void)b;
	return true;
}

static size_t all_class_count(void *arg, const struct snapshot *s)
{
	(void)arg;
	(void)s;
	return 1;
}

static size_t all_peers(void *arg, const struct snapshot *s, uint32_t c, struct arena *a, const uint32_t **out)
{
	(void)arg;
	(void)s;
	(void)c;
	*out = ARENA_ARRAY(a, uint32_t, 1); /* class 0 */
	return 1;
}

static size_t all_members(void *arg, const struct snapshot *s, uint32_t c, struct arena *a, const node_id **out)
{
	node_id *v = ARENA_ARRAY(a, node_id, s->n_nodes);
	size_t n = 0;

	(void)arg;
	(void)c;
	for (size_t i = 0; i < s->n_pages; i++)
		for (uint64_t m = s->pages[i]->used; m != 0; m &= m - 1)
			v[n++] = s->pages[i]->slot[__builtin_ctzll(m)].node->id;
	*out = v;
	return n;
}

/* Announced and approved, in the client's order. */
static size_t served(const struct node *n, struct arena *a, const struct ip_prefix **out, bool subnets_only)
{
	struct ip_prefix *v = ARENA_ARRAY(a, struct ip_prefix, n->announced_routes ? n->announced_routes->n : 0);
	size_t k = 0;

	for (uint32_t i = 0; n->announced_routes != NULL && i < n->announced_routes->n; i++) {
		const struct ip_prefix *p = &n->announced_routes->v[i];

		if (prefix_list_has(n->approved_routes, p) && !(subnets_only && ip_prefix_is_default(p)))
			v[k++] = *p;
	}
	*out = v;
	return k;
}

static size_t primaries(const struct snapshot *s, const struct node *n, struct arena *a, const struct ip_prefix **out)
{
	size_t max = snapshot_primaries_of(s, n->id, NULL, 0);
	struct ip_prefix *v = ARENA_ARRAY(a, struct ip_prefix, max);

	*out = v;
	return snapshot_primaries_of(s, n->id, v, max);
}

static bool all_peer_get(void *arg, const struct snapshot *s, uint32_t viewer, node_id peer, struct arena *a,
			 struct policy_peer *out)
{
	const struct node *n = snapshot_node(s, peer);
	const struct ip_prefix *own;
	size_t n_own;

	(void)arg;
	(void)viewer;
	if (n == NULL)
		return false;
	*out = (struct policy_peer){ 0 };
	if (n->announced_routes == NULL)
		return true;
	out->n_routes = primaries(s, n, a, &out->routes);
	n_own = served(n, a, &own, false);
	for (size_t i = 0; i < n_own; i++)
		out->exit_node |= ip_prefix_is_default(&own[i]);
	return true;
}

static bool all_self_get(void *arg, const struct snapshot *s, node_id id, struct arena *a, struct policy_self *out)
{
	const struct node *n = snapshot_node(s, id);

	(void)arg;
	if (n == NULL)
		return false;
	*out = (struct policy_self){ 0 };
	out->n_routes = served(n, a, &out->routes, false);
	out->n_primary = primaries(s, n, a, &out->primary);
	for (size_t i = 0; i < out->n_routes; i++)
		out->exit_node |= ip_prefix_is_default(&out->routes[i]);
	return true;
}

static void all_self_cap_map(void *arg, const struct snapshot *s, node_id id, struct jw *w)
{
	(void)arg;
	(void)s;
	(void)id;
	jw_raw(w, BYTES_LIT("{}"));
}

static bool all_has_attr(void *arg, const struct snapshot *s, node_id id, const char *attr)
{
	(void)arg;
	(void)s;
	(void)id;
	(void)attr;
	return false;
}

static uint64_t all_digest(void *arg, const struct snapshot *s, node_id id, enum policy_aspect aspect)
{
	struct arena *a;
	struct policy_self self;
	uint64_t h = 1;

	if (aspect != POLICY_ASPECT_SELF)
		return snapshot_node(s, id) != NULL;
	a = arena_new();
	if (!all_self_get(arg, s, id, a, &self))
		h = 0;
	for (size_t i = 0; h != 0 && i < self.n_routes + self.n_primary; i++) {
		const struct ip_prefix *p = i < self.n_routes ? &self.routes[i] : &self.primary[i - self.n_routes];

		for (size_t k = 0; k < sizeof p->addr.b; k++)
			h = (h ^ p->addr.b[k] ^ (uint64_t)p->bits << 8) * 1099511628211u;
		h = (h ^ (i < self.n_routes)) * 1099511628211u | 1;
	}
	arena_free(&a);
	return h;
}

static size_t all_chunks(void *arg, const struct snapshot *s, node_id id, struct arena *a, const struct policy_chunk **out)
{
	struct policy_chunk *c = ARENA_NEW(a, struct policy_chunk);

	(void)arg;
	(void)s;
	(void)id;
	memcpy(c->name, "all", 4);
	c->digest = 1;
	*out = c;
	return 1;
}

static void all_chunk_write(void *arg, const struct snapshot *s, node_id id, const struct policy_chunk *c, struct jw *w)
{
	(void)arg;
	(void)s;
	(void)id;
	(void)c;
	jw_raw(w, BYTES_LIT("[{\"SrcIPs\":[\"*\"],\"DstPorts\":[{\"IP\":\"*\",\"Ports\":{\"First\":0,\"Last\":65535}}]}]"));
}

static void all_ssh_write(void *arg, const struct snapshot *s, node_id id, struct jw *w)
{
	(void)arg;
	(void)s;
	(void)id;
	jw_raw(w, BYTES_LIT("[]"));
}

static size_t all_app_domains(void *arg, const struct snapshot *s, node_id id, struct arena *a,
			      const struct policy_app_domain **out)
{
	(void)arg;
	(void)s;
	(void)id;
	(void)a;
	*out = NULL;
	return 0;
}

static const struct access_ops all_ops = {
	all_token,    all_same_classes, all_class_count, all_peers,       all_members,   all_peer_get,    all_self_get,
	all_self_cap_map, all_has_attr, all_digest,      all_chunks,      all_chunk_write, all_ssh_write, all_app_domains,
};
const struct access access_allow_all = { &all_ops, NULL };

/* ---- the policy engine ---------------------------------------------------------------------- */

static const void *policy_token(void *arg, const struct snapshot *s)
{
	(void)arg;
	return s->policy;
}

static bool policy_same_classes(void *arg, const struct snapshot *a, const struct snapshot *b)
{
	(void)arg;
	return a->policy == b->policy || policy_engine_same_classes(a->policy, b->policy);
}

static size_t policy_count(void *arg, const struct snapshot *s)
{
	(void)arg;
	return policy_class_count(s->policy);
}

static size_t policy_peers(void *arg, const struct snapshot *s, uint32_t c, struct arena *a, const uint32_t **out)
{
	(void)arg;
	if (c >= policy_class_count(s->policy)) {
		*out = NULL;
		return 0;
	}
	return policy_class_peers(s->policy, c, a, out);
}

static size_t policy_members(void *arg, const struct snapshot *s, uint32_t c, struct arena *a, const node_id **out)
{
	(void)arg;
	(void)a;
	return policy_class_members(s->policy, c, out);
}

static bool policy_peer(void *arg, const struct snapshot *s, uint32_t viewer, node_id peer, struct arena *a,
			struct policy_peer *out)
{
	(void)arg;
	return policy_peer_get(s->policy, viewer, peer, a, out);
}

static bool policy_self(void *arg, const struct snapshot *s, node_id id, struct arena *a, struct policy_self *out)
{
	(void)arg;
	return policy_self_get(s->policy, id, a, out);
}

static void policy_cap_map(void *arg, const struct snapshot *s, node_id id, struct jw *w)
{
	(void)arg;
	policy_self_cap_map(s->policy, id, w);
}

static bool policy_has_attr(void *arg, const struct snapshot *s, node_id id, const char *attr)
{
	(void)arg;
	return policy_node_has_attr(s->policy, id, attr);
}

static uint64_t policy_digest_of(void *arg, const struct snapshot *s, node_id id, enum policy_aspect aspect)
{
	(void)arg;
	return policy_digest(s->policy, id, aspect);
}

static size_t policy_chunks(void *arg, const struct snapshot *s, node_id id, struct arena *a, const struct policy_chunk **out)
{
	(void)arg;
	return policy_filter_chunks(s->policy, id, a, out);
}

static void policy_write_chunk(void *arg, const struct snapshot *s, node_id id, const struct policy_chunk *c, struct jw *w)
{
	(void)arg;
	policy_chunk_write(s->policy, id, c, w);
}

static void policy_ssh(void *arg, const struct snapshot *s, node_id id, struct jw *w)
{
	(void)arg;
	policy_ssh_write(s->policy, id, w);
}

static size_t policy_apps(void *arg, const struct snapshot *s, node_id id, struct arena *a,
			  const struct policy_app_domain **out)
{
	(void)arg;
	return policy_app_domains(s->policy, id, a, out);
}

static const struct access_ops policy_ops = {
	policy_token, policy_same_classes, policy_count,    policy_peers,     policy_members, policy_peer,        policy_self,
	policy_cap_map, policy_has_attr,   policy_digest_of, policy_chunks,   policy_write_chunk, policy_ssh,     policy_apps,
};
const struct access access_policy = { &policy_ops, NULL };
