/* policy/digest.c -- one number for what a node gets, to compare two engines by. */
#include "policy/engine_priv.h"

static uint64_t self_digest(const struct policy_engine *e, const struct rec *n)
{
	struct arena *a = arena_new();
	struct policy_self self;
	struct buf b;
	struct jw w;
	uint64_t d;

	buf_init(&b, POLICY_TEXT_MAX * 8);
	jw_init(&w, &b);
	policy_self_cap_map(e, n->id, &w);
	buf_put_char(&b, 0);
	d = hash_string(b.p ? (const char *)b.p : "").a;
	buf_release(&b);
	if (policy_self_get(e, n->id, a, &self)) {
		d = hash_u64(d, self.hide_ip4);
		for (size_t i = 0; i < self.n_routes; i++)
			d = hash_u64(hash_u64(d, hash_addr(&self.routes[i].addr).a), self.routes[i].bits);
		for (size_t i = 0; i < self.n_primary; i++)
			d = hash_u64(hash_u64(d, hash_addr(&self.primary[i].addr).b), self.primary[i].bits);
	}
	arena_free(&a);
	return d ? d : 1;
}

uint64_t policy_digest(const struct policy_engine *e, node_id id, enum policy_aspect aspect)
{
	const struct rec *n = engine_rec(e, id);

	if (!n)
		return 0;
	switch (aspect) {
	case POLICY_ASPECT_FILTER:
		return filter_digest(e, n);
	case POLICY_ASPECT_SSH:
		return ssh_digest(e, n);
	case POLICY_ASPECT_SELF:
		return self_digest(e, n);
	}
	return 0;
}
