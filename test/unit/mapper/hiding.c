/* test/unit/mapper/hiding.c -- see hiding.h. */
#include "hiding.h"

#include <assert.h>
#include <stdio.h>

static const struct hiding_at *at(void *arg, const struct snapshot *s)
{
	const struct hiding *h = arg;

	assert(s->seq < h->at.n && h->at.v[s->seq].seq == s->seq);
	return &h->at.v[s->seq];
}

static const void *token(void *arg, const struct snapshot *s)
{
	struct hiding *h = arg;

	return &h->tokens[at(arg, s)->token % sizeof h->tokens];
}

static const struct hiding_rules *rules(void *arg, const struct snapshot *s)
{
	const struct hiding *h = arg;

	return &h->rules.v[at(arg, s)->rules];
}

static bool same_classes(void *arg, const struct snapshot *a, const struct snapshot *b)
{
	return rules(arg, a)->line == rules(arg, b)->line;
}

static size_t class_count(void *arg, const struct snapshot *s)
{
	(void)arg;
	(void)s;
	return HIDING_CLASSES_MAX;
}

static size_t peers(void *arg, const struct snapshot *s, uint32_t c, struct arena *a, const uint32_t **out)
{
	uint32_t *v = ARENA_ARRAY(a, uint32_t, HIDING_CLASSES_MAX);
	size_t n = 0;

	for (uint32_t i = 0; i < HIDING_CLASSES_MAX; i++)
		if (rules(arg, s)->sees[c][i])
			v[n++] = i;
	*out = v;
	return n;
}

static size_t members(void *arg, const struct snapshot *s, uint32_t c, struct arena *a, const node_id **out)
{
	node_id *v = ARENA_ARRAY(a, node_id, s->n_nodes);
	size_t n = 0;

	(void)arg;
	for (size_t i = 0; i < s->n_pages; i++)
		for (uint64_t m = s->pages[i]->used; m != 0; m &= m - 1) {
			const struct slot *slot = &s->pages[i]->slot[__builtin_ctzll(m)];

			if (slot->class_id == c)
				v[n++] = slot->node->id;
		}
	*out = v;
	return n;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0xff51afd7ed558ccdu;
	return h ^ h >> 31;
}

static bool serves(const struct node *n, const struct ip_prefix *p)
{
	return prefix_list_has(n->announced_routes, p) && prefix_list_has(n->approved_routes, p);
}

/* Of those that serve the prefix, one is shown to this class. */
static node_id shower(const struct snapshot *s, const struct ip_prefix *p, uint32_t viewer)
{
	node_id ids[64];
	size_t n = 0;

	for (size_t i = 0; i < s->n_pages; i++)
		for (uint64_t m = s->pages[i]->used; m != 0; m &= m - 1) {
			const struct node *x = s->pages[i]->slot[__builtin_ctzll(m)].node;

			if (n < 64 && serves(x, p))
				ids[n++] = x->id;
		}
	return n > 0 ? ids[viewer % n] : 0;
}

static bool peer_get(void *arg, const struct snapshot *s, uint32_t viewer, node_id peer, struct arena *a, struct policy_peer *out)
{
	const struct node *n = snapshot_node(s, peer);
	struct ip_prefix *v;

	(void)arg;
	if (n == NULL)
		return false;
	*out = (struct policy_peer){ 0 };
	if (n->announced_routes == NULL)
		return true;
	v = ARENA_ARRAY(a, struct ip_prefix, n->announced_routes->n);
	for (uint32_t i = 0; i < n->announced_routes->n; i++)
		if (serves(n, &n->announced_routes->v[i]) && shower(s, &n->announced_routes->v[i], viewer) == peer)
			v[out->n_routes++] = n->announced_routes->v[i];
	out->routes = v;
	return true;
}

static bool self_get(void *arg, const struct snapshot *s, node_id id, struct arena *a, struct policy_self *out)
{
	const struct node *n = snapshot_node(s, id);
	struct ip_prefix *v;

	(void)arg;
	if (n == NULL)
		return false;
	*out = (struct policy_self){ 0 };
	out->routes = n->announced_routes ? n->announced_routes->v : NULL;
	out->n_routes = n->announced_routes ? n->announced_routes->n : 0;
	v = ARENA_ARRAY(a, struct ip_prefix, out->n_routes);
	out->n_primary = snapshot_primaries_of(s, id, v, out->n_routes);
	out->primary = v;
	return true;
}

static void self_cap_map(void *arg, const struct snapshot *s, node_id id, struct jw *w)
{
	char text[32];

	(void)id;
	snprintf(text, sizeof text, "rules-%u", (unsigned)(rules(arg, s)->line % 3));
	jw_obj_begin(w);
	jw_key(w, text);
	jw_null(w);
	jw_obj_end(w);
}

static bool has_attr(void *arg, const struct snapshot *s, node_id id, const char *attr)
{
	(void)arg;
	(void)s;
	(void)id;
	(void)attr;
	return false;
}

/* The addresses of the members of a class. */
static uint64_t members_hash(void *arg, const struct snapshot *s, uint32_t c, struct arena *a)
{
	const node_id *ids;
	size_t n = members(arg, s, c, a, &ids);
	uint64_t h = c + 1;

	for (size_t i = 0; i < n; i++) {
		const struct node *x = snapshot_node(s, ids[i]);

		for (size_t k = 12; k < 16; k++)
			h = mix(h, x->ip4.b[k] + 256u);
	}
	return h;
}

static uint32_t ssh_class(uint32_t c)
{
	return (c + 1) % HIDING_CLASSES_MAX;
}

static size_t chunks(void *arg, const struct snapshot *s, node_id id, struct arena *a, const struct policy_chunk **out)
{
	const struct slot *slot = snapshot_slot(s, id, NULL);
	struct policy_chunk *v = ARENA_ARRAY(a, struct policy_chunk, HIDING_CLASSES_MAX);
	size_t n = 0;

	for (uint32_t c = 0; slot != NULL && c < HIDING_CLASSES_MAX; c++) {
		const node_id *ids;

		if (!rules(arg, s)->sees[slot->class_id][c] || members(arg, s, c, a, &ids) == 0)
			continue;
		snprintf(v[n].name, sizeof v[n].name, "c%u", c);
		v[n].digest = members_hash(arg, s, c, a);
		v[n++].rule = c;
	}
	*out = v;
	return n;
}

static void write_addresses(void *arg, const struct snapshot *s, uint32_t c, struct jw *w)
{
	struct arena *a = arena_new();
	const node_id *ids;
	size_t n = members(arg, s, c, a, &ids);

	jw_arr_begin(w);
	for (size_t i = 0; i < n; i++) {
		char text[IP_TEXT_MAX];

		ip_format(&snapshot_node(s, ids[i])->ip4, text);
		jw_str(w, text);
	}
	jw_arr_end(w);
	arena_free(&a);
}

static void chunk_write(void *arg, const struct snapshot *s, node_id id, const struct policy_chunk *c, struct jw *w)
{
	(void)id;
	jw_arr_begin(w);
	jw_obj_begin(w);
	jw_key(w, "SrcIPs");
	write_addresses(arg, s, c->rule, w);
	jw_obj_end(w);
	jw_arr_end(w);
}

static void ssh_write(void *arg, const struct snapshot *s, node_id id, struct jw *w)
{
	const struct slot *slot = snapshot_slot(s, id, NULL);

	write_addresses(arg, s, ssh_class(slot->class_id), w);
}

static uint64_t digest(void *arg, const struct snapshot *s, node_id id, enum policy_aspect aspect)
{
	const struct slot *slot = snapshot_slot(s, id, NULL);
	struct arena *a = arena_new();
	const struct policy_chunk *c;
	struct policy_self self = { 0 };
	uint64_t h = 1;

	if (slot == NULL) {
		h = 0;
	} else if (aspect == POLICY_ASPECT_SSH) {
		h = members_hash(arg, s, ssh_class(slot->class_id), a);
	} else if (aspect == POLICY_ASPECT_FILTER) {
		size_t n = chunks(arg, s, id, a, &c);

		for (size_t i = 0; i < n; i++)
			h = mix(mix(h, c[i].digest), c[i].rule);
	} else {
		h = mix(h, rules(arg, s)->line % 3);
		self_get(arg, s, id, a, &self);
		for (size_t i = 0; i < self.n_routes; i++)
			h = mix(h, self.routes[i].addr.b[13]);
		for (size_t i = 0; i < self.n_primary; i++)
			h = mix(h, self.primary[i].addr.b[13] + 1000u);
	}
	arena_free(&a);
	return h;
}

static size_t app_domains(void *arg, const struct snapshot *s, node_id id, struct arena *a, const struct policy_app_domain **out)
{
	(void)arg;
	(void)s;
	(void)id;
	(void)a;
	*out = NULL;
	return 0;
}

void hiding_init(struct hiding *h)
{
	static const struct access_ops ops = { token,    same_classes, class_count, peers,  members,     peer_get,  self_get,
					       self_cap_map, has_attr, digest,      chunks, chunk_write, ssh_write, app_domains };

	memset(h, 0, sizeof *h);
	h->access = (struct access){ &ops, h };
}

void hiding_release(struct hiding *h)
{
	vec_release(&h->rules);
	vec_release(&h->at);
}

void hiding_new_rules(struct hiding *h, struct world *w)
{
	struct hiding_rules r = { .line = h->rules.n + 1 };

	for (uint32_t i = 0; i < HIDING_CLASSES_MAX; i++)
		for (uint32_t k = i; k < HIDING_CLASSES_MAX; k++)
			r.sees[i][k] = r.sees[k][i] = world_rand(w, 10) < 6;
	vec_push(&h->rules, r);
}

void hiding_note(struct hiding *h, const struct snapshot *s, bool decided)
{
	h->token += decided;
	while (h->at.n <= s->seq) {
		struct hiding_at a = { .seq = h->at.n, .rules = h->rules.n - 1, .token = h->token };

		vec_push(&h->at, a);
	}
}

bool hiding_sees(const struct hiding *h, const struct snapshot *s, uint32_t a, uint32_t b)
{
	return h->rules.v[h->at.v[s->seq].rules].sees[a][b];
}
