/*
 * policy/filter.c -- the packet filter of one node, as rules, as JSON and in named chunks.
 *
 * Merging comes before reduction: a packet template joins the first one with the same sources and
 * protocol that is present anywhere in the tailnet, and the rule stands where that one stood, though
 * nothing of it may concern this node. Templates for autogroup:self and via exist for their node only
 * and take part at their own place. Capability rules never merge.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/engine_priv.h"

/* ---- rules ---- */

struct pick { /* a template that concerns the node, and the one it merges with */
	uint32_t lead, tmpl;
};

struct special { /* of self or via: exists on this node only */
	uint32_t tmpl, lead;
	struct sum sum;
	int32_t proto;
};

struct gather {
	const struct policy_engine *e;
	const struct rec *n;
	const struct kind *k;
	struct pick *pick;
	size_t n_pick;
	struct special *special;
	size_t n_special;
};

static bool same_list(const struct sum *a, const struct sum *b)
{
	return a->a == b->a && a->b == b->b;
}

/* The first present packet template before `before` with this list and protocol; else `before`. */
static uint32_t static_lead(const struct policy_engine *e, const struct sum *sum, int32_t proto, uint32_t before)
{
	for (uint32_t i = 0; i < before; i++) {
		const struct tmpl *t = &e->l->policy->tmpls.v[i];
		if ((t->kind == TMPL_PACKET || t->kind == TMPL_INTERNET) && e->present[i] && t->proto == proto &&
		    same_list(&e->src[t->src].sum, sum))
			return i;
	}
	return before;
}

static uint32_t special_lead(const struct gather *g, const struct sum *sum, int32_t proto, uint32_t lead)
{
	for (size_t i = 0; i < g->n_special; i++)
		if (g->special[i].proto == proto && same_list(&g->special[i].sum, sum) && g->special[i].lead < lead)
			return g->special[i].lead;
	return lead;
}

static void add_special(struct gather *g, uint32_t i, const struct sum *sum)
{
	const struct tmpl *t = &g->e->l->policy->tmpls.v[i];
	uint32_t lead = special_lead(g, sum, t->proto, static_lead(g->e, sum, t->proto, i));

	g->special[g->n_special++] = (struct special){ i, lead, *sum, t->proto };
	g->pick[g->n_pick++] = (struct pick){ lead, i };
}

static void gather_one(struct gather *g, uint32_t i)
{
	const struct policy_engine *e = g->e;
	const struct tmpl *t = &e->l->policy->tmpls.v[i];
	struct sum sum;

	switch (t->kind) {
	case TMPL_PACKET:
	case TMPL_INTERNET:
		if (e->present[i])
			g->pick[g->n_pick++] =
			    (struct pick){ special_lead(g, &e->src[t->src].sum, t->proto, e->leader[i]), i };
		break;
	case TMPL_SELF:
		if (own_sources(e, t->src, g->n->class, &sum))
			add_special(g, i, &sum);
		break;
	case TMPL_VIA:
		if (e->src[t->src].n)
			add_special(g, i, &e->src[t->src].sum);
		break;
	case TMPL_CAP_SELF:
	case TMPL_BACK_SELF:
		if (own_sources(e, t->src, g->n->class, &sum))
			g->pick[g->n_pick++] = (struct pick){ i, i };
		break;
	case TMPL_CAP:
	case TMPL_BACK:
		g->pick[g->n_pick++] = (struct pick){ i, i };
		break;
	case TMPL_VIA_APP:
		break;
	}
}

static int by_lead(const void *a, const void *b)
{
	const struct pick *x = a, *y = b;

	if (x->lead != y->lead)
		return x->lead < y->lead ? -1 : 1;
	return x->tmpl < y->tmpl ? -1 : x->tmpl > y->tmpl;
}

static void to_rule(const struct gather *g, size_t from, size_t to, struct arena *a, struct out_rule *r)
{
	const struct tmpl *t = &g->e->l->policy->tmpls.v[g->pick[from].tmpl];

	*r = (struct out_rule){ .src = t->src,
				.own = tmpl_is_self(t),
				.proto = t->proto,
				.cap = t->caps ? t : NULL,
				.n_tmpl = (uint32_t)(to - from) };
	r->tmpl = ARENA_ARRAY(a, uint32_t, to - from);
	for (size_t i = from; i < to; i++)
		r->tmpl[i - from] = g->pick[i].tmpl;
}

size_t filter_rules(const struct policy_engine *e, const struct rec *n, struct arena *a, const struct out_rule **out)
{
	size_t n_tmpl = e->l->policy->tmpls.n, count = 0;
	struct gather g = { .e = e, .n = n, .k = rec_kind(e, n) };
	struct out_rule *rules;

	g.pick = ARENA_ARRAY(a, struct pick, n_tmpl);
	g.special = ARENA_ARRAY(a, struct special, n_tmpl);
	for (uint32_t i = 0; i < n_tmpl; i++)
		if (tmpl_concerns(e, &e->l->policy->tmpls.v[i], g.k))
			gather_one(&g, i);
	qsort(g.pick, g.n_pick, sizeof *g.pick, by_lead);
	rules = ARENA_ARRAY(a, struct out_rule, g.n_pick);
	for (size_t i = 0, k; i < g.n_pick; i = k) {
		for (k = i + 1; k < g.n_pick && g.pick[k].lead == g.pick[i].lead; k++)
			;
		to_rule(&g, i, k, a, &rules[count++]);
	}
	*out = rules;
	return count;
}

/* ---- sources ---- */

struct texts {
	struct arena *a;
	VEC(const char *) v;
};

static void put_addr(struct texts *t, const struct ip_addr *addr)
{
	char text[IP_TEXT_MAX];

	if (addr->family == IP_NONE)
		return;
	ip_format(addr, text);
	vec_push(&t->v, arena_strdup(t->a, text));
}

static void put_members(const struct policy_engine *e, policy_class c, int families, struct texts *t)
{
	const struct id_list *l = engine_class(e, c)->members;

	for (uint32_t i = 0; l && i < l->n; i++) {
		const struct rec *r = engine_rec(e, l->id[i]);
		if (families & FAM_4)
			put_addr(t, &r->ip4);
		if (families & FAM_6)
			put_addr(t, &r->ip6);
	}
}

static void put_text(void *arg, const struct src_text *s)
{
	struct texts *t = arg;
	vec_push(&t->v, s->text);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct text_list sorted(struct texts *t)
{
	struct text_list out = { ARENA_ARRAY(t->a, const char *, t->v.n), 0 };

	if (t->v.n)
		qsort(t->v.v, t->v.n, sizeof *t->v.v, by_text);
	for (size_t i = 0; i < t->v.n; i++)
		if (i == 0 || strcmp(t->v.v[i], t->v.v[i - 1]) != 0)
			out.v[out.n++] = t->v.v[i];
	vec_release(&t->v);
	return out;
}

static void put_own(const struct policy_engine *e, const struct rec *n, uint32_t src, struct texts *t)
{
	for (policy_class c = owner_first(e, n->class); c != POLICY_CLASS_NONE; c = owner_next(e, c))
		if (src_selects(e, src, kind_at(e->l, class_at(e->l, c)->kind)))
			put_members(e, c, FAM_BOTH, t);
}

static void put_devices(const struct policy_engine *e, uint32_t src, struct texts *t)
{
	for (size_t i = 0; i < e->n_live_kinds; i++) {
		uint32_t k = e->live_kinds[i];
		int f = src_lists(e, src, kind_at(e->l, k));
		if (!f)
			continue;
		for (policy_class c = kind_first(e, k); c != POLICY_CLASS_NONE; c = kind_next(e, c))
			put_members(e, c, f, t);
	}
}

struct text_list filter_sources(const struct policy_engine *e, const struct rec *n, const struct out_rule *r,
				struct arena *a)
{
	struct texts t = { .a = a };

	if (r->own) {
		put_own(e, n, r->src, &t);
	} else {
		put_devices(e, r->src, &t);
		src_texts(e, r->src, put_text, &t);
	}
	return sorted(&t);
}

/* ---- JSON ---- */

static void write_texts(struct jw *w, const struct text_list *l)
{
	jw_arr_begin(w);
	for (size_t i = 0; i < l->n; i++)
		jw_str(w, l->v[i]);
	jw_arr_end(w);
}

static void write_ports(struct jw *w, const char *ip, const struct tmpl *t)
{
	for (uint32_t i = 0; i < t->n_port; i++) {
		jw_obj_begin(w);
		jw_kstr(w, "IP", ip);
		jw_key(w, "Ports");
		jw_obj_begin(w);
		jw_ku64(w, "First", t->port[i].first);
		jw_ku64(w, "Last", t->port[i].last);
		jw_obj_end(w);
		jw_obj_end(w);
	}
}

static void write_addr_ports(struct jw *w, const struct ip_addr *a, const struct tmpl *t)
{
	char text[IP_TEXT_MAX];

	if (a->family == IP_NONE)
		return;
	ip_format(a, text);
	write_ports(w, text, t);
}

/* Does this part of a literal or set concern the node: by an address of it or a route it serves? */
static bool range_concerns(const struct policy_engine *e, const struct ip_range *r, const struct rec *n,
			   bool routes_only)
{
	struct ip_range one = { n->ip4, n->ip4 };
	const struct router *router;

	if (!routes_only && n->ip4.family && ranges_overlap(r, &one))
		return true;
	one = (struct ip_range){ n->ip6, n->ip6 };
	if (!routes_only && n->ip6.family && ranges_overlap(r, &one))
		return true;
	router = engine_router(e, n->id, NULL);
	for (uint32_t i = 0; router && i < router->n_served; i++) {
		one = ip_range_of_prefix(router->served[i]);
		if (ranges_overlap(r, &one))
			return true;
	}
	return false;
}

static void write_dst(const struct policy_engine *e, const struct rec *n, const struct tmpl *t, struct jw *w)
{
	const struct sel *s = &e->l->policy->sels.v[t->dst];

	if (t->kind == TMPL_PACKET && s->kind == SEL_ANY) {
		write_ports(w, "*", t);
	} else if (t->kind == TMPL_SELF || sel_is_device(s)) {
		write_addr_ports(w, &n->ip4, t);
		write_addr_ports(w, &n->ip6, t);
	} else {
		for (uint32_t i = 0; i < s->n_range; i++)
			if (s->internet || range_concerns(e, &s->range[i], n, t->kind == TMPL_VIA))
				write_ports(w, s->range_text[i], t);
	}
}

static void write_prefix(struct jw *w, const struct ip_addr *a)
{
	char text[IP_PREFIX_TEXT_MAX];
	struct ip_prefix p;

	if (a->family == IP_NONE)
		return;
	p = ip_prefix_of(*a);
	ip_prefix_format(&p, text);
	jw_str(w, text);
}

/* A literal narrows to the node's addresses inside; what a router serves of it is the literal itself. */
static void write_cap_literal(const struct policy_engine *e, const struct rec *n, const struct sel *s, struct jw *w)
{
	if (n->ip4.family && sel_has_addr(s, &n->ip4))
		write_prefix(w, &n->ip4);
	if (n->ip6.family && sel_has_addr(s, &n->ip6))
		write_prefix(w, &n->ip6);
	for (uint32_t i = 0; i < s->n_range; i++)
		if (range_concerns(e, &s->range[i], n, true)) {
			struct ip_prefix p[256];
			size_t k = ip_range_prefixes(s->range[i], p, 256);
			for (size_t x = 0; x < k; x++) {
				char text[IP_PREFIX_TEXT_MAX];
				ip_prefix_format(&p[x], text);
				jw_str(w, text);
			}
		}
}

static void write_grant(const struct policy_engine *e, const struct rec *n, const struct tmpl *t, const struct sel *s,
			struct jw *w)
{
	jw_obj_begin(w);
	jw_key(w, "Dsts");
	jw_arr_begin(w);
	if (s && sel_is_literal(s)) {
		write_cap_literal(e, n, s, w);
	} else {
		write_prefix(w, &n->ip4);
		write_prefix(w, &n->ip6);
	}
	jw_arr_end(w);
	jw_key(w, "CapMap");
	jw_raw(w, bytes_of_str(t->caps));
	jw_obj_end(w);
}

static void write_grants(const struct policy_engine *e, const struct rec *n, const struct tmpl *t, struct jw *w)
{
	const struct kind *k = rec_kind(e, n);

	jw_key(w, "CapGrant");
	jw_arr_begin(w);
	if (t->kind != TMPL_CAP)
		write_grant(e, n, t, NULL, w);
	for (uint32_t i = 0; i < t->n_dsts; i++) {
		const struct sel *s = &e->l->policy->sels.v[t->dsts[i]];
		if (s->kind == SEL_ANY || bit_get(k->addr, t->dsts[i]) || bit_get(k->route, t->dsts[i]))
			write_grant(e, n, t, s, w);
	}
	jw_arr_end(w);
}

/* All of a rule but its sources. */
static void write_targets(const struct policy_engine *e, const struct rec *n, const struct out_rule *r, struct jw *w)
{
	if (r->cap) {
		write_grants(e, n, r->cap, w);
		return;
	}
	jw_key(w, "DstPorts");
	jw_arr_begin(w);
	for (uint32_t i = 0; i < r->n_tmpl; i++)
		write_dst(e, n, &e->l->policy->tmpls.v[r->tmpl[i]], w);
	jw_arr_end(w);
	if (r->proto >= 0) {
		jw_key(w, "IPProto");
		jw_arr_begin(w);
		jw_i64(w, r->proto);
		jw_arr_end(w);
	}
}

static void write_rule(const struct policy_engine *e, const struct rec *n, const struct out_rule *r,
		       const struct text_list *sources, struct jw *w)
{
	jw_obj_begin(w);
	jw_key(w, "SrcIPs");
	write_texts(w, sources);
	write_targets(e, n, r, w);
	jw_obj_end(w);
}

void policy_filter_write(const struct policy_engine *e, node_id id, struct jw *w)
{
	const struct rec *n = engine_rec(e, id);
	const struct out_rule *rules;
	struct arena *a = arena_new();
	size_t count = n ? filter_rules(e, n, a, &rules) : 0;

	jw_arr_begin(w);
	for (size_t i = 0; i < count; i++) {
		struct text_list l = filter_sources(e, n, &rules[i], a);
		write_rule(e, n, &rules[i], &l, w);
	}
	jw_arr_end(w);
	arena_free(&a);
}

/* ---- chunks ---- */

/* Devices as sources, beyond this many, are cut by ranges of node IDs. */
#define CHUNK_SOURCES  512
#define CHUNK_ID_SHIFT 8
#define PART_WHOLE     UINT32_MAX
#define PART_TEXTS     (UINT32_MAX - 1)

static uint64_t targets_digest(const struct policy_engine *e, const struct rec *n, const struct out_rule *r)
{
	struct buf b;
	struct jw w;
	struct sum s;

	buf_init(&b, POLICY_TEXT_MAX * 64);
	jw_init(&w, &b);
	jw_obj_begin(&w);
	write_targets(e, n, r, &w);
	jw_obj_end(&w);
	buf_put_char(&b, 0);
	s = hash_string(b.p ? (const char *)b.p : "");
	buf_release(&b);
	return s.a ^ (s.b << 1);
}

static struct sum rule_sum(const struct policy_engine *e, const struct rec *n, const struct out_rule *r)
{
	struct sum s = e->src[r->src].sum;

	if (r->own)
		own_sources(e, r->src, n->class, &s);
	return s;
}

static uint64_t digest_of(uint64_t targets, struct sum s)
{
	return hash_u64(hash_u64(targets, s.a), s.b);
}

struct part {
	uint32_t part;
	struct sum sum;
};
struct parts {
	const struct policy_engine *e;
	VEC(struct part) v;
	struct sum texts;
	bool any_text;
};

static void part_member(struct parts *p, const struct rec *r, int f)
{
	uint32_t id = (uint32_t)(r->id >> CHUNK_ID_SHIFT);
	struct part *x;

	if (!p->v.n || p->v.v[p->v.n - 1].part != id)
		vec_push(&p->v, ((struct part){ id, { 0, 0 } }));
	x = &p->v.v[p->v.n - 1];
	if (f & FAM_4 && r->ip4.family)
		sum_add(&x->sum, hash_addr(&r->ip4));
	if (f & FAM_6 && r->ip6.family)
		sum_add(&x->sum, hash_addr(&r->ip6));
}

static void part_text(void *arg, const struct src_text *t)
{
	struct parts *p = arg;

	p->any_text = true;
	sum_add(&p->texts, t->hash);
}

/* All nodes in the order of IDs, as long as they are sources. */
static struct parts parts_of(const struct policy_engine *e, uint32_t src)
{
	struct parts p = { .e = e };

	for (size_t i = 0; i < e->n_pages; i++)
		for (uint32_t k = 0; k < e->pages[i]->n; k++) {
			const struct rec *r = &e->pages[i]->rec[k];
			int f = src_lists(e, src, rec_kind(e, r));
			if (f)
				part_member(&p, r, f);
		}
	src_texts(e, src, part_text, &p);
	return p;
}

static size_t device_sources(const struct policy_engine *e, uint32_t src)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_live_kinds; i++)
		if (src_lists(e, src, kind_at(e->l, e->live_kinds[i])))
			n += e->kind_dyn[e->live_kinds[i]].n;
	return n;
}

struct chunk_list {
	VEC(struct policy_chunk) v;
};

static uint64_t chunk_name(const struct policy_engine *e, const struct out_rule *r)
{
	return e->l->policy->tmpls.v[r->tmpl[0]].name;
}

static void add_chunk(struct chunk_list *l, uint64_t name, uint32_t nth, uint32_t rule, uint32_t part, uint64_t digest)
{
	struct policy_chunk c = { .digest = digest ? digest : 1, .rule = rule, .part = part };
	int n = snprintf(c.name, sizeof c.name, "r%012llx", (unsigned long long)(name & 0xffffffffffff));

	if (nth)
		n += snprintf(c.name + n, sizeof c.name - (size_t)n, "-%u", nth);
	if (part == PART_TEXTS)
		snprintf(c.name + n, sizeof c.name - (size_t)n, ".n");
	else if (part != PART_WHOLE)
		snprintf(c.name + n, sizeof c.name - (size_t)n, ".%u", part);
	vec_push(&l->v, c);
}

static void add_rule_chunks(const struct policy_engine *e, const struct rec *n, const struct out_rule *r, uint32_t rule,
			    uint32_t nth, struct chunk_list *l)
{
	uint64_t targets = targets_digest(e, n, r), name = chunk_name(e, r);
	struct parts p;

	if (r->own || device_sources(e, r->src) <= CHUNK_SOURCES) {
		add_chunk(l, name, nth, rule, PART_WHOLE, digest_of(targets, rule_sum(e, n, r)));
		return;
	}
	p = parts_of(e, r->src);
	for (size_t i = 0; i < p.v.n; i++)
		add_chunk(l, name, nth, rule, p.v.v[i].part, digest_of(targets, p.v.v[i].sum));
	if (p.any_text)
		add_chunk(l, name, nth, rule, PART_TEXTS, digest_of(targets, p.texts));
	vec_release(&p.v);
}

size_t policy_filter_chunks(const struct policy_engine *e, node_id id, struct arena *a, const struct policy_chunk **out)
{
	const struct rec *n = engine_rec(e, id);
	const struct out_rule *rules;
	struct chunk_list l = { 0 };
	size_t count = n ? filter_rules(e, n, a, &rules) : 0;
	struct policy_chunk *copy;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t nth = 0;
		for (uint32_t k = 0; k < i; k++)
			nth += chunk_name(e, &rules[k]) == chunk_name(e, &rules[i]);
		add_rule_chunks(e, n, &rules[i], i, nth, &l);
	}
	copy = ARENA_ARRAY(a, struct policy_chunk, l.v.n);
	if (l.v.n)
		mem_copy(copy, l.v.v, l.v.n * sizeof *copy);
	count = l.v.n;
	vec_release(&l.v);
	*out = copy;
	return count;
}

static struct text_list part_sources(const struct policy_engine *e, const struct out_rule *r, uint32_t part,
				     struct arena *a)
{
	struct texts t = { .a = a };

	if (part == PART_TEXTS) {
		src_texts(e, r->src, put_text, &t);
		return sorted(&t);
	}
	for (size_t i = 0; i < e->n_pages; i++)
		for (uint32_t k = 0; k < e->pages[i]->n; k++) {
			const struct rec *n = &e->pages[i]->rec[k];
			int f = (uint32_t)(n->id >> CHUNK_ID_SHIFT) == part ? src_lists(e, r->src, rec_kind(e, n)) : 0;
			if (f & FAM_4)
				put_addr(&t, &n->ip4);
			if (f & FAM_6)
				put_addr(&t, &n->ip6);
		}
	return sorted(&t);
}

void policy_chunk_write(const struct policy_engine *e, node_id id, const struct policy_chunk *c, struct jw *w)
{
	const struct rec *n = engine_rec(e, id);
	const struct out_rule *rules;
	struct arena *a = arena_new();
	size_t count = n ? filter_rules(e, n, a, &rules) : 0;

	jw_arr_begin(w);
	if (c->rule < count) {
		const struct out_rule *r = &rules[c->rule];
		struct text_list l =
		    c->part == PART_WHOLE ? filter_sources(e, n, r, a) : part_sources(e, r, c->part, a);
		write_rule(e, n, r, &l, w);
	}
	jw_arr_end(w);
	arena_free(&a);
}

uint64_t filter_digest(const struct policy_engine *e, const struct rec *n)
{
	const struct out_rule *rules;
	struct arena *a = arena_new();
	size_t count = filter_rules(e, n, a, &rules);
	uint64_t d = 1;

	for (size_t i = 0; i < count; i++)
		d = hash_u64(d, digest_of(targets_digest(e, n, &rules[i]), rule_sum(e, n, &rules[i])));
	arena_free(&a);
	return d ? d : 1;
}
