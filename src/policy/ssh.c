/*
 * policy/ssh.c -- the SSH rules of a node, and the question of check mode.
 *
 * For each rule of the policy, in order: towards the user's own devices (autogroup:self); or towards
 * this node as a destination; or, with local parts, towards a node that is only a source (the hosted
 * service does so). Check rules go before accept rules at the end.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/users.h"

struct ssh_out { /* one rule on the wire */
	const struct ssh_rule *r;
	const char *local; /* NULL: the rule's own map; else the only login it maps, to itself */
	const struct rec **from;
	size_t n_from;
};

struct ssh_work {
	const struct policy_engine *e;
	struct arena *a;
	const struct ssh_rule *r;
	const uint64_t *cond; /* that sources are taken to fulfil; NULL: those they do */
	VEC(struct ssh_out) out;
	VEC(const struct rec *) src; /* devices the sources of r select */
};

static bool selects(const uint32_t *sel, uint32_t n, const struct kind *k)
{
	for (uint32_t i = 0; i < n; i++)
		if (bit_get(k->addr, sel[i]))
			return true;
	return false;
}

static bool is_source(const struct ssh_work *w, const struct kind *k)
{
	return src_selects_if(w->e, w->r->src, k, w->cond ? w->cond : k->cond);
}

/* The local part of the user's login, if its domain is one of those of the rule. */
static const char *local_part(struct ssh_work *w, user_id user)
{
	const struct user_row *u = users_get(w->e->users, user);
	const char *login = u && u->email && *u->email ? u->email : u ? u->name : NULL;
	const char *at = login ? strrchr(login, '@') : NULL;

	for (uint32_t i = 0; at && i < w->r->n_local; i++)
		if (strcasecmp(at + 1, w->r->local[i]) == 0)
			return arena_strndup(w->a, login, (size_t)(at - login));
	return NULL;
}

static void emit(struct ssh_work *w, const struct rec **from, size_t n, user_id user)
{
	struct ssh_out o = { .r = w->r, .n_from = n };
	const char *local;

	if (n == 0)
		return;
	o.from = ARENA_ARRAY(w->a, const struct rec *, n);
	mem_copy(o.from, from, n * sizeof *from);
	vec_push(&w->out, o);
	o.local = user ? local_part(w, user) : NULL;
	local = o.local;
	if (local)
		vec_push(&w->out, o);
}

static void add_src(struct ssh_work *w, policy_class c)
{
	const node_id *id;
	size_t n = policy_class_members(w->e, c, &id);

	for (size_t i = 0; i < n; i++)
		vec_push(&w->src, engine_rec(w->e, id[i]));
}

static int by_owner(const void *a, const void *b)
{
	const struct rec *x = *(const struct rec *const *)a, *y = *(const struct rec *const *)b;

	if (x->user != y->user) /* tagged devices, which have none, last */
		return x->user - 1 < y->user - 1 ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void collect_src(struct ssh_work *w)
{
	w->src.n = 0;
	for (size_t i = 0; i < w->e->n_live_kinds; i++) {
		uint32_t k = w->e->live_kinds[i];
		if (!is_source(w, kind_at(w->e->l, k)))
			continue;
		for (policy_class c = kind_first(w->e, k); c != POLICY_CLASS_NONE; c = kind_next(w->e, c))
			add_src(w, c);
	}
	if (w->src.n)
		qsort(w->src.v, w->src.n, sizeof *w->src.v, by_owner);
}

/* Devices of one owner among the sources, by way of the owner's classes. */
static void collect_own(struct ssh_work *w, const struct rec *n)
{
	w->src.n = 0;
	for (policy_class c = owner_first(w->e, n->class); c != POLICY_CLASS_NONE; c = owner_next(w->e, c))
		if (is_source(w, kind_at(w->e->l, class_at(w->e->l, c)->kind)))
			add_src(w, c);
}

static void emit_own(struct ssh_work *w, const struct rec *n)
{
	collect_own(w, n);
	emit(w, w->src.v, w->src.n, n->user);
}

static void emit_by_user(struct ssh_work *w)
{
	size_t k;

	for (size_t i = 0; i < w->src.n; i = k) {
		for (k = i + 1; k < w->src.n && w->src.v[k]->user == w->src.v[i]->user; k++)
			;
		emit(w, w->src.v + i, k - i, w->src.v[i]->user);
	}
}

static void compile_one(struct ssh_work *w, const struct rec *n)
{
	const struct kind *k = rec_kind(w->e, n);
	bool local = w->r->n_local > 0;

	if (w->r->self && n->user)
		emit_own(w, n);
	if (selects(w->r->dst, w->r->n_dst, k)) {
		collect_src(w);
		if (local)
			emit_by_user(w);
		else
			emit(w, w->src.v, w->src.n, 0);
	} else if (w->r->n_dst && local && is_source(w, k)) {
		if (n->user)
			emit_own(w, n);
		else
			emit(w, &n, 1, 0);
	}
}

static void compile(struct ssh_work *w, const struct rec *n)
{
	const struct policy *p = w->e->l->policy;

	for (int check = 1; check >= 0; check--)
		for (size_t i = 0; i < p->ssh.n; i++)
			if (p->ssh.v[i].check == (check == 1)) {
				w->r = &p->ssh.v[i];
				compile_one(w, n);
			}
}

static void release(struct ssh_work *w)
{
	vec_release(&w->out);
	vec_release(&w->src);
}

/* ---- JSON ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_addr(struct arena *a, const char **v, size_t *n, const struct ip_addr *addr, uint32_t times)
{
	char text[IP_TEXT_MAX];
	const char *copy;

	if (addr->family == IP_NONE)
		return;
	ip_format(addr, text);
	copy = arena_strdup(a, text);
	while (times--)
		v[(*n)++] = copy;
}

/* A device with n tags stands n times. */
static void write_principals(struct ssh_work *w, const struct ssh_out *o, struct jw *j)
{
	size_t total = 0, n = 0;
	const char **v;

	for (size_t i = 0; i < o->n_from; i++)
		total += 2 * (size_t)(o->from[i]->n_tags ? o->from[i]->n_tags : 1);
	v = ARENA_ARRAY(w->a, const char *, total);
	for (size_t i = 0; i < o->n_from; i++) {
		uint32_t times = o->from[i]->n_tags ? o->from[i]->n_tags : 1;
		put_addr(w->a, v, &n, &o->from[i]->ip4, times);
		put_addr(w->a, v, &n, &o->from[i]->ip6, times);
	}
	qsort(v, n, sizeof *v, by_text);
	jw_arr_begin(j);
	for (size_t i = 0; i < n; i++) {
		jw_obj_begin(j);
		jw_kstr(j, "nodeIP", v[i]);
		jw_obj_end(j);
	}
	jw_arr_end(j);
}

static void write_accept(struct jw *j)
{
	jw_kbool(j, "accept", true);
	jw_kbool(j, "allowAgentForwarding", true);
	jw_kbool(j, "allowLocalPortForwarding", true);
	jw_kbool(j, "allowRemotePortForwarding", true);
}

struct recorders {
	struct ssh_work *w;
	struct jw *j;
	const struct ssh_rule *r;
};

static void write_recorder(void *arg, const struct rec *n)
{
	struct recorders *c = arg;
	char text[IP_TEXT_MAX];

	if (!selects(c->r->recorder, c->r->n_recorder, rec_kind(c->w->e, n)))
		return;
	if (n->ip4.family) {
		ip_format(&n->ip4, text);
		jw_str(c->j, arena_printf(c->w->a, "%s:80", text));
	}
	if (n->ip6.family) {
		ip_format(&n->ip6, text);
		jw_str(c->j, arena_printf(c->w->a, "[%s]:80", text));
	}
}

static void write_recording(struct ssh_work *w, const struct ssh_rule *r, struct jw *j)
{
	if (!r->n_recorder)
		return;
	jw_key(j, "recorders");
	jw_arr_begin(j);
	engine_each(w->e, write_recorder, &(struct recorders){ w, j, r });
	jw_arr_end(j);
	if (!r->enforce_recorder)
		return;
	jw_key(j, "onRecordingFailure");
	jw_obj_begin(j);
	jw_kstr(j, "RejectSessionWithMessage", "session rejected: it could not be recorded");
	jw_kstr(j, "TerminateSessionWithMessage", "session terminated: its recording failed");
	jw_obj_end(j);
}

static void write_rule(struct ssh_work *w, const struct ssh_out *o, struct jw *j)
{
	jw_obj_begin(j);
	jw_key(j, "principals");
	write_principals(w, o, j);
	jw_key(j, "sshUsers");
	if (o->local) {
		jw_obj_begin(j);
		jw_key_bytes(j, bytes_of_str(o->local));
		jw_str(j, o->local);
		jw_obj_end(j);
	} else {
		jw_raw(j, bytes_of_str(o->r->users));
	}
	jw_key(j, "action");
	jw_obj_begin(j);
	if (o->r->check)
		jw_kstr(j, "holdAndDelegate",
			"https://unused/machine/ssh/action/$SRC_NODE_ID/to/$DST_NODE_ID?local_user=$LOCAL_USER");
	else
		write_accept(j);
	write_recording(w, o->r, j);
	jw_obj_end(j);
	if (o->r->accept_env) {
		jw_key(j, "acceptEnv");
		jw_raw(j, bytes_of_str(o->r->accept_env));
	}
	jw_obj_end(j);
}

void policy_ssh_write(const struct policy_engine *e, node_id id, struct jw *j)
{
	const struct rec *n = engine_rec(e, id);
	struct ssh_work w = { .e = e, .a = arena_new() };

	if (n)
		compile(&w, n);
	jw_arr_begin(j);
	for (size_t i = 0; i < w.out.n; i++)
		write_rule(&w, &w.out.v[i], j);
	jw_arr_end(j);
	release(&w);
	arena_free(&w.a);
}

uint64_t ssh_digest(const struct policy_engine *e, const struct rec *n)
{
	struct ssh_work w = { .e = e, .a = arena_new() };
	uint64_t d = 2;

	compile(&w, n);
	for (size_t i = 0; i < w.out.n; i++) {
		const struct ssh_out *o = &w.out.v[i];
		struct buf b;
		struct jw j;
		struct sum s;
		buf_init(&b, POLICY_TEXT_MAX * 64);
		jw_init(&j, &b);
		write_rule(&w, o, &j);
		buf_put_char(&b, 0);
		s = hash_string(b.p ? (const char *)b.p : "");
		d = hash_u64(d, s.a);
		buf_release(&b);
	}
	release(&w);
	arena_free(&w.a);
	return d ? d : 1;
}

/* ---- questions ---- */

static bool has_source(const struct ssh_out *o, node_id src)
{
	for (size_t i = 0; i < o->n_from; i++)
		if (o->from[i]->id == src)
			return true;
	return false;
}

/* Does the rule's map let this login in? As the client reads it: the own entry, else "*", which is not for root. */
static bool lets_in(const struct ssh_out *o, const char *user)
{
	if (!*user)
		return false;
	if (o->local)
		return strcmp(o->local, user) == 0;
	for (uint32_t i = 0; i < o->r->n_user; i++)
		if (strcmp(o->r->user[i], user) == 0)
			return true;
	return o->r->nonroot && strcmp(user, "root") != 0;
}

struct policy_ssh_answer policy_ssh_ask(const struct policy_engine *e, node_id src, node_id dst, const char *user)
{
	struct policy_ssh_answer out = { 0 };
	const struct rec *n = engine_rec(e, dst);
	struct ssh_work w = { .e = e, .a = arena_new() };
	unsigned column;

	if (n)
		compile(&w, n);
	for (size_t i = 0; i < w.out.n; i++) {
		const struct ssh_out *o = &w.out.v[i];
		if (!has_source(o, src) || (user && !lets_in(o, user)))
			continue;
		out.verdict = o->r->check ? POLICY_SSH_CHECK : POLICY_SSH_ACCEPT;
		out.period_ns = o->r->check ? o->r->period_ns : 0;
		out.any_destination = o->r->check && o->r->any_destination;
		hujson_position(e->l->policy->text, o->r->pos, &out.line, &column);
		break;
	}
	release(&w);
	arena_free(&w.a);
	return out;
}

bool ssh_lets_all(const struct policy_engine *e, const struct rec *dst, const node_id *src, size_t n, const char *user,
		  enum ssh_want want, const uint64_t *cond)
{
	struct ssh_work w = { .e = e, .a = arena_new(), .cond = cond };
	bool all = true;

	compile(&w, dst);
	for (size_t s = 0; s < n && all; s++) {
		bool in = false;
		for (size_t i = 0; i < w.out.n && !in; i++)
			in = (want != SSH_WANT_CHECK || w.out.v[i].r->check) && has_source(&w.out.v[i], src[s]) &&
			     lets_in(&w.out.v[i], user);
		all = in == (want != SSH_WANT_DENY);
	}
	release(&w);
	arena_free(&w.a);
	return all;
}
