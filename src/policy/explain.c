/*
 * policy/explain.c -- see policy/explain.h.
 *
 * Every packet template is asked for each pair of addresses; the best answer of a template counts.
 */
#include "policy/explain.h"

#include <stdlib.h>
#include <string.h>

#include "policy/users.h"

#define STEPS_MAX 20
#define ENDS_MAX  2

struct ask {
	const struct policy_engine *e;
	struct arena *a;
	struct end src[ENDS_MAX], dst[ENDS_MAX];
	size_t n_src, n_dst;
	uint16_t port;
	int proto;
	VEC(struct policy_step) steps;
};

static size_t ends_of(const struct policy_engine *e, const struct policy_end *p, struct end *out)
{
	const struct rec *r = p->node ? engine_rec(e, p->node) : NULL;
	size_t n = 0;

	if (!r) {
		if (p->addr.family)
			out[n++] = end_of(e, &p->addr);
		return n;
	}
	if (p->addr.family) {
		out[n++] = (struct end){ p->addr, r };
		return n;
	}
	if (r->ip4.family)
		out[n++] = (struct end){ r->ip4, r };
	if (r->ip6.family)
		out[n++] = (struct end){ r->ip6, r };
	return n;
}

static bool fits_port(const struct tmpl *t, const struct flow *f)
{
	struct flow any = *f;

	if (f->port || !t->n_port)
		return flow_port(t, f);
	any.port = t->port[0].first;
	return flow_port(t, &any);
}

static bool fits_proto(const struct tmpl *t, const struct flow *f)
{
	struct flow any = *f;

	if (!t->n_port)
		return false;
	any.port = t->port[0].first;
	return flow_port(t, &any);
}

static enum policy_miss judge_pair(const struct ask *q, const struct tmpl *t, const struct flow *f, bool *near)
{
	/* All conditions taken as fulfilled: does the source fit but for its posture? */
	uint64_t *all = ARENA_ARRAY(q->a, uint64_t, q->e->l->cond_words);
	struct flow lax = *f;
	bool src = flow_src(q->e, t, f), dst = flow_dst(q->e, t, f);

	memset(all, 0xff, q->e->l->cond_words * sizeof *all);
	lax.cond = all;
	*near = src || dst;
	if (src && dst)
		return fits_port(t, f) ? POLICY_HIT : fits_proto(t, f) ? POLICY_MISS_PORT : POLICY_MISS_PROTO;
	if (dst && fits_port(t, f) && flow_src(q->e, t, &lax))
		return POLICY_MISS_POSTURE;
	return src ? POLICY_MISS_DST : POLICY_MISS_SRC;
}

static const char *ports_text(struct arena *a, const struct tmpl *t)
{
	struct buf b;
	const char *out;

	buf_init(&b, 400);
	for (uint32_t i = 0; i < t->n_port; i++) {
		const struct ports *p = &t->port[i];
		buf_put_str(&b, i ? "," : "");
		if (p->first == 0)
			buf_put_char(&b, '*');
		else if (p->first == p->last)
			buf_printf(&b, "%u", p->first);
		else
			buf_printf(&b, "%u-%u", p->first, p->last);
	}
	out = arena_strndup(a, b.p ? (const void *)b.p : "", b.n);
	buf_release(&b);
	return out;
}

static const char *source_text(const struct ask *q, const struct tmpl *t)
{
	char *s = arena_strdup(q->a, q->e->l->policy->srcsets.v[t->src].text);
	size_t n = strlen(s);

	for (char *p = s; *p; p++)
		if (*p == '\n')
			*p = ' ';
	while (n && s[n - 1] == ' ')
		s[--n] = 0;
	return s;
}

static const char *sentence(const struct ask *q, const struct policy_step *s, const struct tmpl *t)
{
	static const char *const why[] = {
		[POLICY_HIT] = "allows it",
		[POLICY_MISS_PORT] = "allows this destination, but not this port",
		[POLICY_MISS_PROTO] = "allows this destination, but not this protocol",
		[POLICY_MISS_POSTURE] = "would allow it, but the source does not fulfil its posture",
		[POLICY_MISS_DST] = "has this source, but not this destination",
		[POLICY_MISS_SRC] = "has this destination, but not this source",
	};
	const char *proto = t->proto >= 0 ? arena_printf(q->a, " (protocol %d)", t->proto) : "";

	if (!s->line)
		return arena_printf(q->a, "the server's own rule: %s -> %s%s %s", s->source, s->target, proto,
				    why[s->miss]);
	return arena_printf(q->a, "%s[%u] (line %u): %s -> %s%s %s", s->grant ? "grants" : "acls", s->index, s->line,
			    s->source, s->target, proto, why[s->miss]);
}

static void add_step(struct ask *q, const struct tmpl *t, enum policy_miss miss)
{
	const struct policy *p = q->e->l->policy;
	const struct rule *r = &p->rules.v[t->rule];
	struct policy_step s = { .miss = miss, .grant = r->grant, .index = r->index };
	unsigned column;

	if (r->index != UINT32_MAX && p->tree.root)
		hujson_position(p->text, r->pos, &s.line, &column);
	s.source = source_text(q, t);
	s.target = arena_printf(q->a, "%s:%s", t->kind == TMPL_SELF ? "autogroup:self" : p->sels.v[t->dst].text,
				ports_text(q->a, t));
	s.text = sentence(q, &s, t);
	vec_push(&q->steps, s);
}

static bool is_packet(const struct tmpl *t)
{
	return t->kind == TMPL_PACKET || t->kind == TMPL_INTERNET || t->kind == TMPL_SELF || t->kind == TMPL_VIA;
}

static void judge(struct ask *q, const struct tmpl *t)
{
	enum policy_miss best = POLICY_MISS_DST;
	bool any = false;

	for (size_t i = 0; i < q->n_src; i++)
		for (size_t k = 0; k < q->n_dst; k++) {
			struct flow f = { .src = q->src[i], .dst = q->dst[k], .port = q->port, .proto = q->proto };
			bool near;
			enum policy_miss m = judge_pair(q, t, &f, &near);
			if (near && (!any || m < best))
				best = m;
			any |= near;
		}
	if (any)
		add_step(q, t, best);
}

static int by_miss(const void *a, const void *b)
{
	const struct policy_step *x = a, *y = b;

	if (x->miss != y->miss)
		return x->miss < y->miss ? -1 : 1;
	if (x->grant != y->grant)
		return x->grant ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void conclude(struct ask *q, struct policy_explanation *out)
{
	size_t n = q->steps.n;
	struct policy_step *copy;

	if (n)
		qsort(q->steps.v, n, sizeof *q->steps.v, by_miss);
	out->allowed = n && q->steps.v[0].miss == POLICY_HIT;
	if (out->allowed) /* what comes near does not matter then */
		while (q->steps.v[n - 1].miss != POLICY_HIT)
			n--;
	if (n > STEPS_MAX)
		n = STEPS_MAX;
	copy = ARENA_ARRAY(q->a, struct policy_step, n);
	if (n)
		mem_copy(copy, q->steps.v, n * sizeof *copy);
	out->steps = copy;
	out->n_steps = n;
	if (n)
		out->text = arena_printf(q->a, "%s: %s", out->allowed ? "allowed" : "denied", copy[0].text);
	else
		out->text = "denied: no rule has this source or this destination";
}

void policy_explain(const struct policy_engine *e, const struct policy_end *src, const struct policy_end *dst,
		    uint16_t port, int proto, struct arena *a, struct policy_explanation *out)
{
	struct ask q = { .e = e, .a = a, .port = port, .proto = proto };
	const struct policy *p = e->l->policy;

	*out = (struct policy_explanation){ 0 };
	q.n_src = ends_of(e, src, q.src);
	q.n_dst = ends_of(e, dst, q.dst);
	for (size_t i = 0; i < p->tmpls.n; i++)
		if (is_packet(&p->tmpls.v[i]))
			judge(&q, &p->tmpls.v[i]);
	conclude(&q, out);
	vec_release(&q.steps);
	if (q.n_src && q.n_dst && q.src[0].rec && q.dst[0].rec)
		out->visible = policy_class_sees(e, q.src[0].rec->class, q.dst[0].rec->class);
}

/* ---- reading an end ---- */

struct first {
	const struct policy_engine *e;
	const char *text;
	node_id id;
	uint32_t sel;
};

static void take_first(void *arg, const struct rec *r)
{
	struct first *f = arg;
	const struct user_row *u = users_get(f->e->users, r->user);

	if (f->id)
		return;
	if (f->sel != STRMAP_NONE ? bit_get(rec_kind(f->e, r)->addr, f->sel) : u && user_is(u, f->text))
		f->id = r->id;
}

enum status policy_end_parse(const struct policy_engine *e, const char *text, struct policy_end *out, struct err *err)
{
	const struct policy *p = e->l->policy;
	struct first f = { .e = e, .text = text, .sel = strmap_get_str(&p->sel_by_text, text) };
	uint32_t host = strmap_get_str(&p->host_by_name, text);
	struct ip_addr addr;

	if (host != STRMAP_NONE || ip_parse(bytes_of_str(text), &addr) == ST_OK) {
		struct end x;
		if (host != STRMAP_NONE)
			addr = p->hosts.v[host].addr;
		x = end_of(e, &addr);
		*out = (struct policy_end){ x.rec ? x.rec->id : 0, addr };
		return ST_OK;
	}
	engine_each(e, take_first, &f);
	if (!f.id) {
		err_set(err, "%s: neither an address nor a host, and it selects no device", text);
		return ST_NOT_FOUND;
	}
	*out = (struct policy_end){ .node = f.id };
	return ST_OK;
}
