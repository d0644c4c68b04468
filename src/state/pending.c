/*
 * state/pending.c -- what waits for a person: logins without a key, SSH sessions under a check rule; see state/state.h.
 *
 * The number of open entries is bounded, and whoever asks for many gets their own pushed out: the oldest of the same
 * machine, then the oldest of the same source, and when all is full the oldest of whichever source holds most. So a
 * stranger with one address cannot flush what others wait for. Entries live in the store and survive a restart.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "policy/engine.h"
#include "state/register.h"

#define SSH_PERIOD_MAX_NS (168 * 3600 * NS_PER_S) /* no policy lets an approval count longer */

static enum status not_found(const char *auth_id, struct err *err)
{
	err_set(err, "no pending auth session for auth_id %.*s", AUTH_ID_LEN, auth_id);
	return ST_NOT_FOUND;
}

static bool auth_id_ok(const char *id)
{
	size_t prefix = strlen(AUTH_ID_PREFIX);

	if (id == NULL || strlen(id) != AUTH_ID_LEN || strncmp(id, AUTH_ID_PREFIX, prefix) != 0)
		return false;
	for (const char *c = id + prefix; *c != '\0'; c++)
		if (!(*c >= '0' && *c <= '9') && !(*c >= 'a' && *c <= 'f'))
			return false;
	return true;
}

/* ---- room -------------------------------------------------------------------------------------- */

/* Neighbours count as one: an IPv6 /64 is one customer. */
static bool same_source(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, a->family == IP_V6 ? 8 : 16) == 0;
}

struct census {
	struct pending **v; /* open ones, oldest first */
	size_t n;
};

static struct census open_ones(const struct draft *d, struct arena *a)
{
	struct census c = { 0 };
	size_t n = tables_all_pending(&d->t, a, &c.v);

	for (size_t i = 0; i < n; i++)
		if (c.v[i]->verdict == VERDICT_OPEN)
			c.v[c.n++] = c.v[i];
	return c;
}

static size_t count_source(const struct census *c, const struct ip_addr *source, const struct pending **oldest)
{
	size_t n = 0;

	*oldest = NULL;
	for (size_t i = 0; i < c->n; i++) {
		if (!same_source(&c->v[i]->source, source))
			continue;
		if (*oldest == NULL)
			*oldest = c->v[i];
		n++;
	}
	return n;
}

static int cmp_source(const void *pa, const void *pb)
{
	const struct pending *a = *(struct pending *const *)pa, *b = *(struct pending *const *)pb;
	int c;

	if (a->source.family != b->source.family)
		return a->source.family < b->source.family ? -1 : 1;
	c = memcmp(a->source.b, b->source.b, a->source.family == IP_V6 ? 8 : 16);
	return c != 0 ? c : a->created_ns < b->created_ns ? -1 : a->created_ns > b->created_ns;
}

/* The oldest entry of the source with most entries, the newcomer counted with its own. Sorts the census. */
static const struct pending *of_largest(struct census *c, const struct ip_addr *newcomer)
{
	const struct pending *best = NULL;
	size_t most = 0, from = 0;

	qsort(c->v, c->n, sizeof c->v[0], cmp_source);
	for (size_t i = 0; i < c->n; i++) {
		size_t n;

		if (i + 1 < c->n && same_source(&c->v[i]->source, &c->v[i + 1]->source))
			continue;
		n = i + 1 - from + same_source(&c->v[i]->source, newcomer);
		if (n > most) {
			most = n;
			best = c->v[from];
		}
		from = i + 1;
	}
	return best;
}

static void push_out(struct draft *d, const struct pending *p)
{
	if (p == NULL)
		return;
	atomic_fetch_add(&d->st->n_evicted, 1);
	draft_delete_pending(d, p->auth_id);
}

static void make_room(struct draft *d, const struct machine_key *machine, const struct ip_addr *source)
{
	const struct state_limits *l = &d->st->limits;
	struct arena *a;
	const struct pending *oldest = NULL;
	struct census c;
	size_t n = 0;

	if (d->t.n_pending == 0)
		return;
	a = arena_new();
	c = open_ones(d, a);
	for (size_t i = 0; machine != NULL && i < c.n; i++) {
		if (c.v[i]->kind != PENDING_LOGIN || !machine_key_eq(&c.v[i]->machine, machine))
			continue;
		if (oldest == NULL)
			oldest = c.v[i];
		n++;
	}
	if (n >= l->pending_per_machine)
		push_out(d, oldest);
	else if (source->family != IP_NONE && count_source(&c, source, &oldest) >= l->pending_per_source)
		push_out(d, oldest);
	else if (c.n >= l->pending)
		push_out(d, of_largest(&c, source));
	arena_free(&a);
}

/* auth_id NULL: a random one. */
static struct pending *fresh(struct draft *d, struct command *c, enum pending_kind kind, const struct ip_addr *source,
			     const char *auth_id)
{
	struct pending *p = pending_new();
	uint8_t rnd[12];

	random_bytes(rnd, sizeof rnd);
	memcpy(p->auth_id, AUTH_ID_PREFIX, sizeof AUTH_ID_PREFIX);
	hex_encode(bytes_of(rnd, sizeof rnd), p->auth_id + strlen(AUTH_ID_PREFIX));
	if (auth_id != NULL)
		snprintf(p->auth_id, sizeof p->auth_id, "%s", auth_id);
	p->tailnet = d->st->o.tailnet;
	p->kind = kind;
	p->created_ns = d->now_ns;
	p->expires_ns = d->now_ns + d->st->o.pending_lifetime_ns;
	p->source = *source;
	memcpy(c->auth_id, p->auth_id, sizeof c->auth_id);
	c->r.auth_id = c->auth_id;
	return p;
}

/* ---- logins -------------------------------------------------------------------------------------- */

struct login_search {
	const struct draft *d;
	const struct state_register *r;
	struct pending *found;
};

static bool search_login(void *arg, uint64_t hash, uint64_t val)
{
	struct login_search *s = arg;
	struct pending *p = (struct pending *)(uintptr_t)val;

	(void)hash;
	if (p->kind == PENDING_LOGIN && p->verdict == VERDICT_OPEN && p->expires_ns > s->d->now_ns &&
	    machine_key_eq(&p->machine, &s->r->machine) && node_key_eq(&p->node_key, &s->r->node_key))
		s->found = p;
	return s->found == NULL;
}

static struct pending *same_login(const struct draft *d, const struct state_register *r)
{
	struct login_search s = { d, r, NULL };

	trie_each(d->t.pending, search_login, &s);
	return s.found;
}

static bool same_hostinfo(const struct shared_bytes *a, const struct shared_bytes *b)
{
	return a == b || (a != NULL && b != NULL && bytes_eq(shared_bytes_view(a), shared_bytes_view(b)));
}

enum status pending_begin(struct draft *d, struct command *c, const struct state_register *r, const struct hostinfo *h,
			  struct shared_bytes *hostinfo, struct err *err)
{
	struct pending *old = same_login(d, r), *p;

	if (r->auth_id != NULL && !auth_id_ok(r->auth_id)) {
		err_set(err, "auth ID has invalid characters");
		return ST_BAD_INPUT;
	}
	if (r->auth_id != NULL && tables_pending(&d->t, r->auth_id) != NULL) {
		err_set(err, "%s waits already", r->auth_id);
		return ST_CONFLICT;
	}
	c->r.outcome = REGISTER_LOGIN;
	if (old != NULL) {
		/* It asks again before anybody decided: the same entry, with what it says now. */
		memcpy(c->auth_id, old->auth_id, sizeof c->auth_id);
		c->r.auth_id = c->auth_id;
		if (same_hostinfo(old->hostinfo, hostinfo))
			return ST_OK;
		p = pending_copy(old);
		shared_bytes_unref(&p->hostinfo);
		free(p->hostname);
	} else {
		make_room(d, &r->machine, &r->source);
		p = fresh(d, c, PENDING_LOGIN, &r->source, r->auth_id);
		p->machine = r->machine;
		p->node_key = r->node_key;
		free(p->hostname);
	}
	p->nl_key = r->nl_key;
	p->key_expiry_ns = r->expiry_ns;
	p->cap = r->cap;
	p->ephemeral = r->ephemeral;
	p->hostinfo = shared_bytes_ref(hostinfo);
	p->hostname = xstrdup(h->hostname);
	draft_put_pending(d, p);
	return ST_OK;
}

struct pending_req {
	char auth_id[AUTH_ID_LEN + 1];
	user_id user;
	enum register_method method;
	int64_t expiry_ns;
	bool accept;
	struct state_ssh_check ssh;
};

static enum status find_open(const struct draft *d, const char *auth_id, struct pending **out, struct err *err)
{
	struct pending *p = tables_pending(&d->t, auth_id);

	if (p == NULL || p->expires_ns <= d->now_ns)
		return not_found(auth_id, err);
	if (p->verdict != VERDICT_OPEN) {
		err_set(err, "this request has been decided already");
		return ST_CONFLICT;
	}
	*out = p;
	return ST_OK;
}

/* Which node of the machine this login means; NULL for a new one. */
static enum status login_target(const struct draft *d, const struct pending *p, user_id user, bool tags,
				const struct node **out, struct err *err)
{
	const struct node *all[MACHINE_NODES_MAX], *tagged = NULL, *mine = NULL;
	size_t n = draft_nodes_by_machine(d, &p->machine, all, MACHINE_NODES_MAX), owned = 0;

	if (n > MACHINE_NODES_MAX)
		n = MACHINE_NODES_MAX;
	for (size_t i = 0; i < n; i++) {
		if (node_is_tagged(all[i])) {
			tagged = all[i];
		} else {
			owned++;
			if (all[i]->user == user)
				mine = all[i];
		}
	}
	*out = mine && !(tags && tagged) ? mine : tagged;
	if (mine == NULL && tagged != NULL && owned > 0) {
		err_set(err, "machine key maps to ambiguous node ownership");
		return ST_CONFLICT;
	}
	return ST_OK;
}

static enum status tags_allowed(const struct draft *d, const struct str_list *tags, user_id user,
				const struct node *old, struct err *err)
{
	const struct policy_engine *e = d->st->cur->policy;

	for (uint32_t i = 0; tags != NULL && i < tags->n; i++) {
		bool ok = policy_user_may_tag(e, user, tags->v[i]);

		for (uint32_t k = 0; !ok && old != NULL && old->tags != NULL && k < old->tags->n; k++)
			ok = policy_tag_may_tag(e, old->tags->v[k], tags->v[i]);
		if (!ok) {
			err_set(err, "requested tags [%s] are invalid or not permitted", tags->v[i]);
			return ST_DENIED;
		}
	}
	return ST_OK;
}

static enum status complete(struct draft *d, struct command *c, const struct pending_req *r, struct pending *p,
			    struct hostinfo *h, struct err *err)
{
	const struct node *old = NULL;
	struct login l = { .machine = p->machine, .node_key = p->node_key, .nl_key = p->nl_key, .h = h, .cap = p->cap,
			   .ephemeral = p->ephemeral, .user = r->user, .tags = h->request_tags, .method = r->method };
	struct pending *decided;
	enum status s;

	l.expiry_ns = r->expiry_ns != TIME_NONE ? r->expiry_ns : p->key_expiry_ns;
	s = login_target(d, p, r->user, l.tags != NULL, &old, err);
	if (s == ST_OK)
		s = tags_allowed(d, l.tags, r->user, old, err);
	if (s == ST_OK)
		s = login_apply(d, c, &l, old, err);
	if (s != ST_OK)
		return s;
	decided = pending_copy(p);
	decided->verdict = VERDICT_ACCEPTED;
	decided->dst = c->node;
	draft_put_pending(d, decided);
	return ST_OK;
}

static enum status complete_run(struct draft *d, struct command *c, struct err *err)
{
	const struct pending_req *r = c->req;
	struct hostinfo h = { 0 };
	struct pending *p = NULL;
	enum status s = find_open(d, r->auth_id, &p, err);

	if (s == ST_OK && p->kind != PENDING_LOGIN) {
		err_set(err, "this id belongs to an SSH check, not to a login");
		s = ST_CONFLICT;
	}
	if (s == ST_OK && draft_user(d, r->user) == NULL) {
		err_set(err, "user not found");
		s = ST_NOT_FOUND;
	}
	if (s == ST_OK)
		s = hostinfo_parse(shared_bytes_view(p->hostinfo), &h, err);
	if (s != ST_OK)
		return s;
	s = complete(d, c, r, p, &h, err);
	hostinfo_release(&h);
	return s;
}

static struct command *by_id(const struct command_type *type, const struct state_actor *by, const char *auth_id,
			     state_done_fn done, void *arg)
{
	struct command *c = command_new(type, sizeof(struct pending_req), by, done, arg);
	struct pending_req *r = c->req;

	snprintf(r->auth_id, sizeof r->auth_id, "%s", auth_id);
	return c;
}

static enum status check_id(const char *auth_id, struct err *err)
{
	size_t n = auth_id ? strlen(auth_id) : 0;

	if (auth_id_ok(auth_id))
		return ST_OK;
	if (n < strlen(AUTH_ID_PREFIX) || strncmp(auth_id, AUTH_ID_PREFIX, strlen(AUTH_ID_PREFIX)) != 0)
		err_set(err, "auth ID has invalid prefix: expected prefix \"%s\"", AUTH_ID_PREFIX);
	else if (n != AUTH_ID_LEN)
		err_set(err, "auth ID has invalid length: expected %d, got %zu", AUTH_ID_LEN, n);
	else
		err_set(err, "auth ID has invalid characters");
	return ST_BAD_INPUT;
}

enum status state_pending_complete(struct state *st, const struct state_complete *r, state_done_fn done, void *arg,
				   struct err *err)
{
	static const struct command_type type = { .name = "login complete", .class = CLASS_DURABLE,
						   .run = complete_run };
	enum status s = check_id(r->auth_id, err);
	struct pending_req *q;
	struct command *c;

	if (s != ST_OK)
		return s;
	c = by_id(&type, &r->by, r->auth_id, done, arg);
	q = c->req;
	q->user = r->user;
	q->method = r->method;
	q->expiry_ns = r->expiry_ns;
	return command_submit(st, c, err);
}

/* ---- decisions ------------------------------------------------------------------------------------ */

static enum status decide_run(struct draft *d, struct command *c, struct err *err)
{
	const struct pending_req *r = c->req;
	struct pending *p = NULL;
	enum status s = find_open(d, r->auth_id, &p, err);

	if (s == ST_OK && r->accept && p->kind == PENDING_LOGIN) {
		err_set(err, "a login is accepted by registering it for a user");
		s = ST_CONFLICT;
	}
	if (s != ST_OK)
		return s;
	p = pending_copy(p);
	p->verdict = r->accept ? VERDICT_ACCEPTED : VERDICT_REJECTED;
	if (r->accept)
		draft_put_ssh(d, p->src, p->any_destination ? 0 : p->dst);
	c->r.pending = pending_ref(p);
	draft_audit_text(d, r->accept ? "auth.approve" : "auth.reject", p->auth_id, NULL, NULL);
	draft_put_pending(d, p);
	return ST_OK;
}

enum status state_pending_decide(struct state *st, const struct state_actor *by, const char *auth_id, bool accept,
				 state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "decide", .class = CLASS_DURABLE, .run = decide_run };
	enum status s = check_id(auth_id, err);
	struct command *c;

	if (s != ST_OK)
		return s;
	c = by_id(&type, by, auth_id, done, arg);
	((struct pending_req *)c->req)->accept = accept;
	return command_submit(st, c, err);
}

static enum status get_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	const struct pending_req *r = c->req;
	struct pending *p = tables_pending(&st->tables, r->auth_id);

	(void)t;
	if (p == NULL || p->expires_ns <= state_unix_ns(st))
		return not_found(r->auth_id, err);
	c->r.pending = pending_ref(p);
	return ST_OK;
}

enum status state_pending_get(struct state *st, const char *auth_id, state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "pending get", .class = CLASS_NOW, .now = get_now };
	enum status s = check_id(auth_id, err);

	return s == ST_OK ? command_submit(st, by_id(&type, NULL, auth_id, done, arg), err) : s;
}

static void drop(void *p)
{
	struct pending *x = p;

	pending_unref(&x);
}

static enum status list_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	struct pending **v;
	size_t n = tables_all_pending(&st->tables, c->a, &v), m = 0;
	int64_t now = state_unix_ns(st);

	(void)t;
	(void)err;
	for (size_t i = 0; i < n; i++)
		if (v[i]->verdict == VERDICT_OPEN && v[i]->expires_ns > now) {
			v[m] = pending_ref(v[i]);
			arena_on_free(c->a, drop, v[m++]);
		}
	c->r.n = m;
	c->r.pendings = v;
	return ST_OK;
}

enum status state_pending_list(struct state *st, state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "pending list", .class = CLASS_NOW, .now = list_now };

	return command_submit(st, by_id(&type, NULL, "", done, arg), err);
}

/* ---- waiting --------------------------------------------------------------------------------------- */

static void tell(struct state *st, struct waiter *w, enum pending_verdict v, node_id node)
{
	const struct node *n = node ? snapshot_node(st->cur, node) : NULL;
	const struct user *u = n && n->user ? snapshot_user(st->cur, n->user) : NULL;

	if (node != 0 && n == NULL)
		v = VERDICT_GONE; /* accepted, and deleted since */
	w->fn(w->arg, v, (struct node *)(uintptr_t)n, (struct user *)(uintptr_t)u);
}

/* True if there is a verdict; told. */
static bool tell_if_known(struct state *st, struct waiter *w)
{
	const struct pending *p = tables_pending(&st->tables, w->auth_id);
	bool bound = p != NULL && (p->kind == PENDING_LOGIN ? machine_key_eq(&p->machine, &w->machine) &&
								      node_key_eq(&p->node_key, &w->node_key) :
							      p->src == w->src && p->dst == w->dst);

	if (!bound || p->expires_ns <= state_unix_ns(st))
		tell(st, w, VERDICT_GONE, 0);
	else if (p->verdict == VERDICT_ACCEPTED)
		tell(st, w, VERDICT_ACCEPTED, p->kind == PENDING_LOGIN ? p->dst : 0);
	else if (p->verdict == VERDICT_REJECTED)
		tell(st, w, VERDICT_REJECTED, 0);
	else
		return false;
	return true;
}

void state_tell_waiters(struct state *st, char *const *auth_ids, size_t n)
{
	for (size_t i = 0; i < (auth_ids ? n : 1); i++)
		for (size_t k = 0; k < st->waiters.n;) {
			struct waiter w = st->waiters.v[k];

			if ((auth_ids != NULL && strcmp(w.auth_id, auth_ids[i]) != 0) || !tell_if_known(st, &w)) {
				k++;
				continue;
			}
			st->waiters.v[k] = st->waiters.v[--st->waiters.n];
		}
}

void state_end_waiters(struct state *st)
{
	while (st->waiters.n > 0) {
		struct waiter w = st->waiters.v[--st->waiters.n];

		w.fn(w.arg, VERDICT_CANCELLED, NULL, NULL);
	}
}

/* The request is the waiter itself; told or kept in `finish`, after the turn was published. */
static enum status wait_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	(void)st;
	(void)t;
	(void)c;
	(void)err;
	return ST_OK;
}

static void wait_finish(struct state *st, struct command *c)
{
	struct waiter *w = c->req;

	if (!tell_if_known(st, w))
		vec_push(&st->waiters, *w);
}

enum status state_pending_wait(struct state *st, const char *auth_id, const struct machine_key *machine,
			       const struct node_key *node_key, node_id src, node_id dst, state_verdict_fn fn,
			       void *arg, uint64_t *token_out, struct err *err)
{
	static const struct command_type type = { .name = "wait", .class = CLASS_NOW, .now = wait_now,
						   .finish = wait_finish };
	enum status s = check_id(auth_id, err);
	struct command *c;
	struct waiter *w;
	uint64_t token;

	if (s != ST_OK)
		return s;
	c = command_new(&type, sizeof *w, NULL, NULL, NULL);
	w = c->req;
	memcpy(w->auth_id, auth_id, sizeof w->auth_id);
	if (machine != NULL)
		w->machine = *machine;
	if (node_key != NULL)
		w->node_key = *node_key;
	w->src = src;
	w->dst = dst;
	w->fn = fn;
	w->arg = arg;
	pthread_mutex_lock(&st->lock);
	token = w->token = st->next_token++;
	pthread_mutex_unlock(&st->lock);
	s = command_submit(st, c, err);
	if (s == ST_OK && token_out != NULL)
		*token_out = token;
	return s;
}

static enum status cancel_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	(void)st;
	(void)t;
	(void)c;
	(void)err;
	return ST_OK;
}

static void cancel_finish(struct state *st, struct command *c)
{
	uint64_t token = *(uint64_t *)c->req;

	for (size_t i = 0; i < st->waiters.n; i++) {
		struct waiter w = st->waiters.v[i];

		if (w.token != token)
			continue;
		st->waiters.v[i] = st->waiters.v[--st->waiters.n];
		w.fn(w.arg, VERDICT_CANCELLED, NULL, NULL);
		return;
	}
}

void state_pending_cancel(struct state *st, uint64_t token)
{
	static const struct command_type type = { .name = "cancel wait", .class = CLASS_NOW, .now = cancel_now,
						   .finish = cancel_finish };
	struct command *c = command_new(&type, sizeof token, NULL, NULL, NULL);

	*(uint64_t *)c->req = token;
	command_submit_internal(st, c);
}

/* ---- what is over --------------------------------------------------------------------------------- */

struct soonest {
	int64_t at_ns;
};

static bool soonest_one(void *arg, uint64_t hash, uint64_t val)
{
	const struct pending *p = (const struct pending *)(uintptr_t)val;
	struct soonest *s = arg;

	(void)hash;
	if (p->expires_ns < s->at_ns)
		s->at_ns = p->expires_ns;
	return true;
}

void state_arm_pendings(struct state *st)
{
	struct soonest s = { INT64_MAX };

	trie_each(st->tables.pending, soonest_one, &s);
	if (s.at_ns == INT64_MAX || (st->pending_timer_ns != 0 && st->pending_timer_ns <= s.at_ns))
		return;
	st->pending_timer_ns = s.at_ns;
	timers_add(&st->wall, s.at_ns, TIMER_PENDING, 0);
}

static bool over(int64_t at_ns, int64_t keep_ns, int64_t now_ns)
{
	return at_ns != TIME_NONE && at_ns < now_ns - keep_ns;
}

static enum status purge_run(struct draft *d, struct command *c, struct err *err)
{
	int64_t keep = d->st->o.revoked_keep_ns, now = d->now_ns;
	struct preauth_key **keys;
	struct ssh_approval **ssh;
	struct pending **v;
	struct api_key **api;
	size_t n;

	(void)err;
	n = tables_all_pending(&d->t, c->a, &v);
	for (size_t i = 0; i < n; i++)
		if (v[i]->expires_ns <= now)
			draft_delete_pending(d, v[i]->auth_id);
	n = tables_all_ssh(&d->t, c->a, &ssh);
	for (size_t i = 0; i < n && over(ssh[i]->at_ns, SSH_PERIOD_MAX_NS, now); i++)
		draft_delete_ssh(d, ssh[i]);
	n = tables_all_api_keys(&d->t, c->a, &api);
	for (size_t i = 0; i < n; i++)
		if ((api[i]->kind == API_TOKEN && over(api[i]->expires_ns, 0, now)) ||
		    (keep > 0 && over(api[i]->revoked_ns, keep, now)))
			draft_delete_api_key(d, api[i]->id, NULL);
	n = keep > 0 ? tables_all_preauth(&d->t, c->a, &keys) : 0;
	for (size_t i = 0; i < n; i++)
		if (over(keys[i]->revoked_ns, keep, now) || over(keys[i]->expires_ns, keep, now))
			draft_delete_preauth(d, keys[i]->id, NULL);
	return ST_OK;
}

static void purge_finish(struct state *st, struct command *c)
{
	(void)c;
	st->purging = false;
	state_sweep_last_uses(st);
	state_arm_pendings(st);
}

struct command *command_purge(void)
{
	static const struct command_type type = { .name = "purge", .class = CLASS_DURABLE, .run = purge_run,
						   .finish = purge_finish };

	return command_new(&type, 0, NULL, NULL, NULL);
}

/* ---- old rows of the audit log ------------------------------------------------------------------------ */

static enum status prune_run(struct draft *d, struct command *c, struct err *err)
{
	struct op op = { .kind = OP_PRUNE_AUDIT };

	(void)c;
	(void)err;
	op.u.prune.before_ns = d->now_ns - d->st->o.audit_keep_ns;
	op.u.prune.more = &d->st->audit_more;
	vec_push(&d->ops, op);
	return ST_OK;
}

/* Where there is more, it goes on soon; whatever waits comes in between. */
static void prune_finish(struct state *st, struct command *c)
{
	int64_t in_ns = atomic_exchange(&st->audit_more, false) ? NS_PER_S / 4 : 3600 * NS_PER_S;

	(void)c;
	timers_add(&st->wall, state_unix_ns(st) + in_ns, TIMER_AUDIT, 0);
}

struct command *command_prune_audit(void)
{
	static const struct command_type type = { .name = "prune audit", .class = CLASS_DURABLE, .run = prune_run,
						   .finish = prune_finish };

	return command_new(&type, 0, NULL, NULL, NULL);
}

/* ---- SSH checks -------------------------------------------------------------------------------------- */

static bool approved(const struct draft *d, const struct state_ssh_check *r)
{
	int64_t pair = tables_ssh_approved(&d->t, r->src, r->dst), any = tables_ssh_approved(&d->t, r->src, 0);

	if (r->period_ns <= 0)
		return false;
	return (pair != TIME_NONE && d->now_ns - pair < r->period_ns) ||
	       (r->any_destination && any != TIME_NONE && d->now_ns - any < r->period_ns);
}

static enum status ssh_run(struct draft *d, struct command *c, struct err *err)
{
	const struct pending_req *q = c->req;
	const struct state_ssh_check *r = &q->ssh;
	struct pending *p = q->auth_id[0] ? tables_pending(&d->t, q->auth_id) : NULL;

	if (p != NULL && (p->kind != PENDING_SSH || p->src != r->src || p->dst != r->dst)) {
		err_set(err, "src/dst pair does not match auth session");
		return ST_DENIED;
	}
	if (draft_node(d, r->src) == NULL || draft_node(d, r->dst) == NULL) {
		err_set(err, "node not found");
		return ST_NOT_FOUND;
	}
	if (p != NULL && p->expires_ns > d->now_ns) {
		memcpy(c->auth_id, p->auth_id, sizeof c->auth_id);
		c->r.auth_id = c->auth_id;
		c->r.ssh = p->verdict == VERDICT_ACCEPTED ? SSH_ACCEPT :
			   p->verdict == VERDICT_REJECTED ? SSH_REJECT :
							    SSH_HOLD;
		return ST_OK;
	}
	if (approved(d, r)) {
		c->r.ssh = SSH_ACCEPT;
		return ST_OK;
	}
	make_room(d, NULL, &r->source);
	p = fresh(d, c, PENDING_SSH, &r->source, NULL);
	p->src = r->src;
	p->dst = r->dst;
	p->any_destination = r->any_destination;
	c->r.ssh = SSH_HOLD;
	draft_put_pending(d, p);
	return ST_OK;
}

enum status state_ssh_check(struct state *st, const struct state_ssh_check *r, state_done_fn done, void *arg,
			    struct err *err)
{
	static const struct command_type type = { .name = "ssh check", .class = CLASS_DURABLE, .run = ssh_run };
	const char *id = r->auth_id ? r->auth_id : "";
	enum status s = id[0] != '\0' ? check_id(id, err) : ST_OK;
	struct pending_req *q;
	struct command *c;

	if (s != ST_OK)
		return s;
	c = by_id(&type, NULL, id, done, arg);
	q = c->req;
	q->ssh = *r;
	q->ssh.auth_id = NULL;
	return command_submit(st, c, err);
}
