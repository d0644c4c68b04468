/*
 * policy/tests.c -- run the `tests` and `sshTests` of a policy.
 *
 * Whatever is wrong with a test, unknown names included, makes it fail. One device stands for its
 * class: all of a class behave alike.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/engine_priv.h"

struct run {
	const struct policy_engine *e;
	struct arena *a;
	VEC(struct policy_test_failure) failures;
	VEC(const char *) errors; /* of the test at hand */
};

struct ends {
	VEC(struct end) v;
};

static void add_rec(struct ends *l, const struct rec *r)
{
	if (r->ip4.family)
		vec_push(&l->v, ((struct end){ r->ip4, r }));
	if (r->ip6.family)
		vec_push(&l->v, ((struct end){ r->ip6, r }));
}

/* One device of each class that a selector of devices matches. */
static void add_selected(const struct policy_engine *e, uint32_t sel, struct ends *l)
{
	for (size_t i = 0; i < e->n_live_kinds; i++) {
		if (!bit_get(kind_at(e->l, e->live_kinds[i])->addr, sel))
			continue;
		for (policy_class c = kind_first(e, e->live_kinds[i]); c != POLICY_CLASS_NONE; c = kind_next(e, c)) {
			const struct id_list *m = engine_class(e, c)->members;
			if (m)
				add_rec(l, engine_rec(e, m->id[0]));
		}
	}
}

/* The single address that a literal or the name of a host stands for. */
static bool one_address(const struct policy *p, const char *text, struct ip_addr *out)
{
	uint32_t host = strmap_get_str(&p->host_by_name, strncmp(text, "host:", 5) == 0 ? text + 5 : text);
	const struct ip_prefix *x;

	if (ip_parse(bytes_of_str(text), out) == ST_OK)
		return true;
	if (host == STRMAP_NONE)
		return false;
	x = &p->hosts.v[host];
	*out = x->addr;
	return x->bits == (x->addr.family == IP_V4 ? 32 : 128);
}

static void find_sources(const struct policy_engine *e, uint32_t sel, const char *text, struct ends *l)
{
	struct ip_addr addr;

	if (sel != STRMAP_NONE) {
		add_selected(e, sel, l);
	} else if (one_address(e->l->policy, text, &addr)) {
		struct end x = end_of(e, &addr);
		if (x.rec)
			vec_push(&l->v, x);
	}
}

static bool parse_port(const char *text, bool portless, uint16_t *out)
{
	unsigned long v = 0;

	if (!*text)
		return false;
	for (const char *s = text; *s; s++) {
		if (*s < '0' || *s > '9' || v > 65535)
			return false;
		v = v * 10 + (unsigned long)(*s - '0');
	}
	*out = (uint16_t)v;
	return v <= 65535 && (portless ? v == 0 : v >= 1);
}

static int test_proto(const char *text, bool *ok)
{
	struct parse c = { 0 };
	int32_t n = -1;

	*ok = true;
	if (!*text)
		return -1;
	c.a = arena_new();
	*ok = parse_proto(&c, 0, text, &n);
	arena_free(&c.a);
	return n;
}

struct assertion_of { /* one "host:port" of a test */
	const char *text;
	uint32_t sel;
};

/* The destination's addresses; for autogroup:self the owner's devices of each source apart. */
static bool find_dst(const struct policy_engine *e, const struct assertion_of *x, const char **port, struct ends *l,
		     bool *self, struct arena *a)
{
	const char *colon = strrchr(x->text, ':'), *host;
	struct ip_addr addr;
	size_t n;

	*self = false;
	if (!colon)
		return false;
	*port = colon + 1;
	n = (size_t)(colon - x->text);
	host = arena_strndup(a, x->text, n);
	if (strcmp(host, "autogroup:self") == 0) {
		*self = true;
		return true;
	}
	if (x->sel != STRMAP_NONE) {
		add_selected(e, x->sel, l);
		return l->v.n > 0;
	}
	if (n > 2 && host[0] == '[' && host[n - 1] == ']')
		host = arena_strndup(a, host + 1, n - 2);
	if (!one_address(e->l->policy, host, &addr))
		return false;
	vec_push(&l->v, end_of(e, &addr));
	return true;
}

static bool reaches(const struct policy_engine *e, struct flow *f, const struct ends *dst)
{
	for (size_t i = 0; i < dst->v.n; i++) {
		f->dst = dst->v.v[i];
		if (flow_rule(e, f))
			return true;
	}
	return false;
}

/* How many of the sources reach the destination; false: the assertion is no good. */
static bool count_reaching(struct run *r, const struct net_test *t, const struct ends *src,
			   const struct assertion_of *x, const uint64_t *cond, size_t *n_out)
{
	struct ends dst = { 0 };
	struct flow f = { .cond = cond };
	const char *port = "";
	bool self, ok, proto_ok;

	f.proto = test_proto(t->proto, &proto_ok);
	ok = proto_ok && find_dst(r->e, x, &port, &dst, &self, r->a) &&
	     parse_port(port, f.proto >= 0 && f.proto != 6 && f.proto != 17 && f.proto != 132, &f.port);
	*n_out = 0;
	for (size_t i = 0; ok && i < src->v.n; i++) {
		f.src = src->v.v[i];
		if (self) {
			ok = f.src.rec->user != 0;
			dst.v.n = 0;
			add_rec(&dst, f.src.rec);
		}
		*n_out += ok && reaches(r->e, &f, &dst);
	}
	vec_release(&dst.v);
	return ok;
}

static void complain(struct run *r, const char *what, const char *want, const char *got)
{
	vec_push(&r->errors, arena_printf(r->a, "address %s: want: %s, got: %s", quoted_str(r->a, what), want, got));
}

/* Conditions that the assumed attributes fulfil; NULL if the test assumes none. */
static const uint64_t *assumed(struct run *r, const struct policy_attr *attr, uint32_t n)
{
	const struct policy *p = r->e->l->policy;
	uint64_t *bits;

	if (n == 0)
		return NULL;
	bits = ARENA_ARRAY(r->a, uint64_t, r->e->l->cond_words);
	for (size_t i = 0; i < p->conds.n; i++)
		for (uint32_t k = 0; k < p->conds.v[i].n; k++)
			if (posture_holds(&p->postures.v[p->conds.v[i].posture[k]], attr, n))
				bit_set(bits, i);
	return bits;
}

static void run_net(struct run *r, const struct net_test *t)
{
	struct ends src = { 0 };
	const uint64_t *cond = assumed(r, t->attr, t->n_attr);
	size_t n;

	find_sources(r->e, t->src_sel, t->src, &src);
	if (src.v.n == 0)
		vec_push(&r->errors, arena_printf(r->a, "src %s selects no device", quoted_str(r->a, t->src)));
	if (t->n_accept + t->n_deny == 0)
		vec_push(&r->errors, "neither accept nor deny");
	for (uint32_t i = 0; i < t->n_accept && src.v.n; i++) {
		struct assertion_of x = { t->accept[i], t->accept_sel[i] };
		if (!count_reaching(r, t, &src, &x, cond, &n))
			complain(r, x.text, "Accept", "invalid address");
		else if (n < src.v.n)
			complain(r, x.text, "Accept", "Drop");
	}
	for (uint32_t i = 0; i < t->n_deny && src.v.n; i++) {
		struct assertion_of x = { t->deny[i], t->deny_sel[i] };
		if (!count_reaching(r, t, &src, &x, cond, &n))
			complain(r, x.text, "Drop", "invalid address");
		else if (n > 0)
			complain(r, x.text, "Drop", "Accept");
	}
	vec_release(&src.v);
}

/* ---- sshTests ---- */

static void find_devices(const struct policy_engine *e, uint32_t sel, const char *text, struct ends *l)
{
	struct ends all = { 0 };

	find_sources(e, sel, text, &all);
	for (size_t i = 0; i < all.v.n; i++)
		if (i == 0 || all.v.v[i].rec != all.v.v[i - 1].rec)
			vec_push(&l->v, all.v.v[i]);
	vec_release(&all.v);
}

/* The sources of a test of SSH, and what it assumes of them. */
struct ssh_from {
	const node_id *id;
	size_t n;
	const uint64_t *cond;
};

static void ssh_logins(struct run *r, const struct rec *dst, const struct ssh_from *from, const char **user, uint32_t n,
		       enum ssh_want want)
{
	static const char *const word[] = { "accept", "check", "deny" };

	for (uint32_t u = 0; u < n; u++)
		if (!*user[u] || !ssh_lets_all(r->e, dst, from->id, from->n, user[u], want, from->cond))
			vec_push(&r->errors,
				 arena_printf(r->a, "user %s: want: %s", quoted_str(r->a, user[u]), word[want]));
}

static void ssh_asserts(struct run *r, const struct ssh_test *t, const struct rec *dst, const struct ssh_from *from)
{
	ssh_logins(r, dst, from, t->accept, t->n_accept, SSH_WANT_IN);
	ssh_logins(r, dst, from, t->check, t->n_check, SSH_WANT_CHECK);
	ssh_logins(r, dst, from, t->deny, t->n_deny, SSH_WANT_DENY);
}

/* autogroup:self: each device of a user from that user's devices; false if a source has none. */
static bool ssh_self(struct run *r, const struct ssh_test *t, const struct ends *src, const struct ssh_from *all)
{
	node_id *id = ARENA_ARRAY(r->a, node_id, src->v.n);

	for (size_t i = 0; i < src->v.n; i++) {
		struct ssh_from own = { id, 0, all->cond };
		if (!src->v.v[i].rec->user)
			return false;
		for (size_t k = 0; k < src->v.n; k++)
			if (src->v.v[k].rec->user == src->v.v[i].rec->user)
				id[own.n++] = src->v.v[k].rec->id;
		ssh_asserts(r, t, src->v.v[i].rec, &own);
	}
	return src->v.n > 0;
}

static bool ssh_towards(struct run *r, const struct ssh_test *t, uint32_t sel, const char *text,
			const struct ssh_from *from)
{
	struct ends dst = { 0 };
	bool any;

	find_devices(r->e, sel, text, &dst);
	for (size_t i = 0; i < dst.v.n; i++)
		ssh_asserts(r, t, dst.v.v[i].rec, from);
	any = dst.v.n > 0;
	vec_release(&dst.v);
	return any;
}

static void run_ssh(struct run *r, const struct ssh_test *t)
{
	struct ends src = { 0 };
	struct ssh_from from = { .cond = assumed(r, t->attr, t->n_attr) };
	node_id *ids;

	find_devices(r->e, t->src_sel, t->src, &src);
	if (src.v.n == 0)
		vec_push(&r->errors, arena_printf(r->a, "src %s selects no device", quoted_str(r->a, t->src)));
	if (t->n_accept + t->n_check + t->n_deny == 0)
		vec_push(&r->errors, "no assertion");
	if (t->n_dst == 0)
		vec_push(&r->errors, "no dst");
	ids = ARENA_ARRAY(r->a, node_id, src.v.n);
	for (size_t i = 0; i < src.v.n; i++)
		ids[i] = src.v.v[i].rec->id;
	from.id = ids;
	from.n = src.v.n;
	for (uint32_t i = 0; i < t->n_dst; i++)
		if (!(strcmp(t->dst[i], "autogroup:self") == 0 ? ssh_self(r, t, &src, &from)
							       : ssh_towards(r, t, t->dst_sel[i], t->dst[i], &from)))
			vec_push(&r->errors,
				 arena_printf(r->a, "dst %s selects no device", quoted_str(r->a, t->dst[i])));
	vec_release(&src.v);
}

static void close_test(struct run *r, const char *src, bool ssh)
{
	const char **copy;

	if (!r->errors.n)
		return;
	copy = ARENA_ARRAY(r->a, const char *, r->errors.n);
	mem_copy(copy, r->errors.v, r->errors.n * sizeof *copy);
	vec_push(&r->failures, ((struct policy_test_failure){ arena_strdup(r->a, src), copy, r->errors.n, ssh }));
	r->errors.n = 0;
}

enum status policy_run_tests(const struct policy_engine *e, struct arena *a,
			     const struct policy_test_failure **failures_out, size_t *n_out)
{
	const struct policy *p = e->l->policy;
	struct run r = { .e = e, .a = a };
	struct policy_test_failure *copy;
	size_t n;

	for (size_t i = 0; i < p->tests.n; i++) {
		run_net(&r, &p->tests.v[i]);
		close_test(&r, p->tests.v[i].src, false);
	}
	for (size_t i = 0; i < p->ssh_tests.n; i++) {
		run_ssh(&r, &p->ssh_tests.v[i]);
		close_test(&r, p->ssh_tests.v[i].src, true);
	}
	n = r.failures.n;
	copy = ARENA_ARRAY(a, struct policy_test_failure, n);
	if (n)
		mem_copy(copy, r.failures.v, n * sizeof *copy);
	vec_release(&r.failures);
	vec_release(&r.errors);
	if (n && failures_out) {
		*failures_out = copy;
		*n_out = n;
	}
	return n ? ST_DENIED : ST_OK;
}
