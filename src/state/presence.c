/*
 * state/presence.c -- what changes all day, streams, and the clocks of nodes; see state/state.h.
 *
 * A map update has two halves. Presence goes into the visible world in the turn that takes it. What decides something
 * (host name, routes, tags asked for, SSH host keys) becomes a durable command of the same name and sender, and `done`
 * comes when that is visible too.
 */
#include <stdlib.h>

#include "policy/engine.h"
#include "policy/policy.h"
#include "state/names.h"
#include "state/state_priv.h"

#define CAP_STREAM_READ_ONLY 68 /* from here on clients send their news by themselves, not with the stream */

/* ---- durable facts ------------------------------------------------------------------------ */

struct map_req {
	struct state_map_update u;
	struct endpoint_list *endpoints;
	struct hostinfo h;
	bool stream;       /* state_stream_opened */
	bool has_update;
};

static void map_release(struct command *c)
{
	struct map_req *r = c->req;

	endpoint_list_unref(&r->endpoints);
	hostinfo_release(&r->h);
}

static bool facts_differ(const struct node *n, const struct hostinfo *h)
{
	return strcmp(n->hostname, h->hostname) != 0 || !prefix_list_eq(n->announced_routes, h->routes) ||
	       !str_list_eq(n->request_tags, h->request_tags) || !str_list_eq(n->ssh_host_keys, h->ssh_host_keys);
}

/*
 * Tags that a tagged node asks for in a running connection: it gets them if those it has own all of them (tagOwners), as the
 * hosted service does; else it keeps what it has. Only a change of what it asks for counts, so that what an administrator
 * gave stays. A node of a user gets tags at a login alone.
 */
static bool may_take_tags(const struct policy_engine *e, const struct str_list *has, const struct str_list *asks)
{
	for (uint32_t i = 0; i < asks->n; i++) {
		bool ok = false;

		for (uint32_t k = 0; k < has->n && !ok; k++)
			ok = policy_tag_may_tag(e, has->v[k], asks->v[i]);
		if (!ok)
			return false;
	}
	return true;
}

/* Nothing that it has not: what an administrator or a key gave is not given back by leaving some or all of it out. */
static bool asks_for_less(const struct str_list *has, const struct str_list *asks)
{
	for (uint32_t i = 0; i < asks->n; i++)
		if (!str_list_has(has, asks->v[i]))
			return false;
	return true;
}

static bool take_tags(struct draft *d, struct node *n, const struct str_list *asks)
{
	if (!node_is_tagged(n) || asks == NULL || str_list_eq(n->request_tags, asks))
		return false;
	if (asks_for_less(n->tags, asks) || !may_take_tags(d->st->cur->policy, n->tags, asks))
		return false;
	str_list_unref(&n->tags);
	n->tags = str_list_ref((struct str_list *)asks);
	return true;
}

/* Give the node what its client says of itself; the name follows if it was derived from the old one. True: other tags, too. */
static bool take_facts(struct draft *d, struct node *n, const struct hostinfo *h)
{
	bool tags = take_tags(d, n, h->request_tags);
	char name[NODE_NAME_MAX + 1];

	if (h->hostname[0] != '\0' && strcmp(n->hostname, h->hostname) != 0) {
		if (name_is_derived(n->name, n->hostname)) {
			draft_unique_name(d, h->hostname, n->id, name);
			node_set_name(n, name);
		}
		node_set_hostname(n, h->hostname);
	}
	prefix_list_unref(&n->announced_routes);
	n->announced_routes = prefix_list_ref(h->routes);
	str_list_unref(&n->request_tags);
	n->request_tags = str_list_ref(h->request_tags);
	str_list_unref(&n->ssh_host_keys);
	n->ssh_host_keys = str_list_ref(h->ssh_host_keys);
	draft_auto_approve(d, n);
	return tags;
}

static enum status facts_run(struct draft *d, struct command *c, struct err *err)
{
	struct map_req *r = c->req;
	const struct node *old = draft_node(d, r->u.node);
	struct node *n;
	bool tags;

	if (old == NULL) {
		err_set(err, "node not found");
		return ST_NOT_FOUND;
	}
	if (facts_differ(old, &r->h)) {
		n = node_copy(old);
		tags = take_facts(d, n, &r->h);
		draft_put_node(d, n, 0, tags ? "node.tags" : "node.update");
	}
	command_set_node(c, draft_node(d, r->u.node));
	return ST_OK;
}

static void facts_finish(struct state *st, struct command *c)
{
	struct entry *e = state_entry(st, ((struct map_req *)c->req)->u.node);

	if (e != NULL && e->facts_pending > 0)
		e->facts_pending--;
}

/* ---- presence ------------------------------------------------------------------------------ */

static bool same_blob(const struct shared_bytes *a, const struct shared_bytes *b)
{
	return a == b || (a != NULL && b != NULL && bytes_eq(shared_bytes_view(a), shared_bytes_view(b)));
}

static void take_hostinfo(struct node *n, struct hostinfo *h)
{
	struct shared_bytes *whole;

	if (h->json == NULL)
		return;
	whole = h->has_netinfo ? shared_bytes_ref(h->json) : hostinfo_keep_netinfo(h->json, n->hostinfo);
	if (!same_blob(n->hostinfo, whole)) {
		struct shared_bytes *old = n->hostinfo;

		n->hostinfo = shared_bytes_ref(whole);
		shared_bytes_unref(&old);
	}
	shared_bytes_unref(&whole);
	if (!same_blob(n->hostinfo_peer, h->peer)) {
		shared_bytes_unref(&n->hostinfo_peer);
		n->hostinfo_peer = shared_bytes_ref(h->peer);
	}
	if (h->has_netinfo && h->home_derp != 0)
		n->home_derp = h->home_derp;
}

/* n: a copy of the visible node. */
static void take_presence(struct node *n, struct map_req *r)
{
	if (r->u.cap != 0)
		n->cap = r->u.cap;
	if (!disco_key_is_zero(&r->u.disco))
		n->disco = r->u.disco;
	if (r->u.has_endpoints && !endpoint_list_eq(n->endpoints, r->endpoints)) {
		endpoint_list_unref(&n->endpoints);
		n->endpoints = endpoint_list_ref(r->endpoints);
	}
	take_hostinfo(n, &r->h);
}

static bool presence_same(const struct node *a, const struct node *b)
{
	return a->cap == b->cap && disco_key_eq(&a->disco, &b->disco) && a->endpoints == b->endpoints &&
	       a->hostinfo == b->hostinfo && a->hostinfo_peer == b->hostinfo_peer && a->home_derp == b->home_derp &&
	       a->online == b->online && a->last_seen_ns == b->last_seen_ns && a->router_down == b->router_down;
}

static void put_presence(struct state *st, struct turn *t, const struct node *old, struct node *n)
{
	if (presence_same(old, n)) {
		node_unref(&n);
		return;
	}
	state_presence_dirty(st, n->id);
	turn_put_node(t, n);
}

static const struct command_type facts_type = { .name = "node facts", .class = CLASS_DURABLE, .run = facts_run,
						 .finish = facts_finish, .release = map_release };

static void go_online(struct turn *t, struct entry *e, struct node *n)
{
	e->streams++;
	e->offline_at_ns = 0;
	e->remove_at_ns = 0;
	e->leased = false;
	n->online = true;
	n->router_down = false; /* a reconnect clears what a probe found */
	if (e->relieved && node_is_router(n))
		turn_touch(t, e->id);
	e->relieved = false;
}

static enum status map_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	struct map_req *r = c->req;
	const struct node *old = snapshot_node(turn_world(t), r->u.node);
	struct entry *e;
	struct node *n;
	bool take;

	if (old == NULL) {
		err_set(err, "node not found");
		return ST_NOT_FOUND;
	}
	atomic_fetch_add(&st->n_presence, 1);
	e = state_entry_make(st, r->u.node);
	take = r->has_update && (!r->stream || !e->heard || r->u.cap < CAP_STREAM_READ_ONLY);
	n = node_copy(old);
	if (take) {
		take_presence(n, r);
		e->heard = true;
	}
	if (r->stream)
		go_online(t, e, n);
	command_set_node(c, old);
	put_presence(st, t, old, n);
	old = snapshot_node(turn_world(t), r->u.node);
	if (!take || r->h.json == NULL || (e->facts_pending == 0 && !facts_differ(old, &r->h)))
		return ST_OK;
	/* The rest is durable. Later updates of this node may not be judged by what is visible until it is. */
	e->facts_pending++;
	c->type = &facts_type;
	return ST_AGAIN;
}

static const struct command_type map_type = { .name = "map update", .class = CLASS_NOW, .now = map_now,
					       .release = map_release };

static bool usable(const struct endpoint *e)
{
	static const uint8_t zero[16];

	if (e->port == 0 || e->addr.family == IP_NONE || memcmp(e->addr.b, zero, sizeof zero) == 0)
		return false;
	return e->addr.family != IP_V6 || e->addr.b[0] != 0xfe || (e->addr.b[1] & 0xc0) != 0x80;
}

static struct endpoint_list *usable_endpoints(const struct state_map_update *u)
{
	struct endpoint v[STATE_ENDPOINTS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < u->n_endpoints && n < STATE_ENDPOINTS_MAX; i++)
		if (usable(&u->endpoints[i]))
			v[n++] = u->endpoints[i];
	return endpoint_list_new(v, n);
}

static enum status map_submit(struct state *st, node_id id, const struct state_map_update *u, bool stream,
			      state_done_fn done, void *arg, struct err *err)
{
	struct hostinfo h = { 0 };
	struct command *c;
	struct map_req *r;
	enum status s;

	if (u != NULL) {
		s = hostinfo_parse(u->hostinfo, &h, err);
		if (s != ST_OK)
			return s;
	}
	c = command_new(&map_type, sizeof *r, NULL, done, arg);
	c->by.who = arena_printf(c->a, "node %llu", (unsigned long long)id);
	r = c->req;
	if (u != NULL) {
		r->u = *u;
		r->endpoints = usable_endpoints(u);
		r->h = h;
		r->has_update = true;
	}
	r->u.node = id;
	r->u.endpoints = NULL;
	r->u.hostinfo = (struct bytes){ 0, 0 };
	r->stream = stream;
	return command_submit(st, c, err);
}

enum status state_map_update(struct state *st, const struct state_map_update *u, state_done_fn done, void *arg,
			     struct err *err)
{
	return map_submit(st, u->node, u, false, done, arg, err);
}

enum status state_stream_opened(struct state *st, node_id node, const struct state_map_update *u, state_done_fn done,
				void *arg, struct err *err)
{
	return map_submit(st, node, u, true, done, arg, err);
}

/* ---- the end of streams, probes ------------------------------------------------------------ */

struct event_req {
	node_id node;
	bool down;
};

/* The last stream ended, or the lease of the time before a restart begins to run. */
static void count_down(struct state *st, struct entry *e, int64_t ns)
{
	e->offline_at_ns = state_mono_ns(st) + ns;
	timers_add(&st->mono, e->offline_at_ns, TIMER_OFFLINE, e->id);
}

static enum status closed_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	struct event_req *r = c->req;
	struct entry *e = state_entry(st, r->node);
	const struct node *n = snapshot_node(turn_world(t), r->node);

	(void)err;
	if (e == NULL || n == NULL || e->streams == 0)
		return ST_OK;
	if (--e->streams > 0)
		return ST_OK;
	count_down(st, e, st->o.offline_grace_ns);
	/* Its routes go to a live router at once if there is one; the engine leaves them where they are if there is none. */
	e->relieved = true;
	if (node_is_router(n))
		turn_touch(t, n->id);
	return ST_OK;
}

static enum status health_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	struct event_req *r = c->req;
	const struct node *old = snapshot_node(turn_world(t), r->node);
	struct node *n;

	(void)st;
	(void)err;
	if (old == NULL || old->router_down == r->down)
		return ST_OK;
	n = node_copy(old);
	n->router_down = r->down;
	turn_put_node(t, n);
	return ST_OK;
}

static void event(struct state *st, const struct command_type *type, node_id node, bool down)
{
	struct command *c = command_new(type, sizeof(struct event_req), NULL, NULL, NULL);

	*(struct event_req *)c->req = (struct event_req){ node, down };
	command_submit_internal(st, c);
}

void state_stream_closed(struct state *st, node_id node)
{
	static const struct command_type type = { .name = "stream closed", .class = CLASS_NOW, .now = closed_now };

	event(st, &type, node, false);
}

void state_router_health(struct state *st, node_id node, bool down)
{
	static const struct command_type type = { .name = "router health", .class = CLASS_NOW, .now = health_now };

	event(st, &type, node, down);
}

/* ---- clocks --------------------------------------------------------------------------------- */

void state_arm_node(struct state *st, const struct node *n)
{
	struct entry *e = state_entry_make(st, n->id);

	if (n->key_expiry_ns != TIME_NONE && !n->expired && e->expiry_at_ns != n->key_expiry_ns) {
		e->expiry_at_ns = n->key_expiry_ns;
		timers_add(&st->wall, n->key_expiry_ns, TIMER_EXPIRY, n->id);
	}
	if (e->leased && e->offline_at_ns == 0 && e->streams == 0)
		count_down(st, e, st->o.restart_lease_ns);
	if (n->ephemeral && !n->online && e->streams == 0 && e->remove_at_ns == 0) {
		e->remove_at_ns = state_mono_ns(st) + st->o.ephemeral_timeout_ns;
		timers_add(&st->mono, e->remove_at_ns, TIMER_EPHEMERAL, n->id);
	}
}

static void offline(struct state *st, struct turn *t, node_id id)
{
	struct entry *e = state_entry(st, id);
	const struct node *old = snapshot_node(turn_world(t), id);
	struct node *n;

	if (e == NULL || old == NULL || e->streams > 0 || e->offline_at_ns == 0 ||
	    e->offline_at_ns > state_mono_ns(st))
		return;
	e->offline_at_ns = 0;
	e->relieved = false;
	n = node_copy(old);
	n->online = false;
	if (!e->leased)
		n->last_seen_ns = state_unix_ns(st);
	e->leased = false;
	put_presence(st, t, old, n);
	turn_touch(t, id);
	state_arm_node(st, snapshot_node(turn_world(t), id));
}

static void ephemeral(struct state *st, node_id id)
{
	struct entry *e = state_entry(st, id);

	if (e == NULL || e->streams > 0 || e->remove_at_ns == 0 || e->remove_at_ns > state_mono_ns(st))
		return;
	command_submit_internal(st, command_delete_idle(id));
	/* Should the disk refuse, there is another try. */
	e->remove_at_ns = state_mono_ns(st) + 60 * NS_PER_S;
	timers_add(&st->mono, e->remove_at_ns, TIMER_EPHEMERAL, id);
}

static void expiry(struct state *st, struct turn *t, node_id id)
{
	const struct node *old = snapshot_node(turn_world(t), id);
	struct entry *e = state_entry(st, id);
	struct node *n;

	if (e != NULL && e->expiry_at_ns <= state_unix_ns(st))
		e->expiry_at_ns = 0;
	if (old == NULL || old->expired || !node_expired(old, state_unix_ns(st)))
		return;
	n = node_copy(old);
	n->expired = true;
	turn_put_node(t, n);
}

static void purge(struct state *st)
{
	if (st->purging)
		return;
	st->purging = true;
	command_submit_internal(st, command_purge());
}

void state_timer(struct state *st, struct turn *t, const struct timer *tm)
{
	switch (tm->kind) {
	case TIMER_OFFLINE: offline(st, t, tm->id); break;
	case TIMER_EPHEMERAL: ephemeral(st, tm->id); break;
	case TIMER_EXPIRY: expiry(st, t, tm->id); break;
	case TIMER_PENDING:
		st->pending_timer_ns = 0;
		purge(st);
		break;
	case TIMER_PURGE:
		purge(st);
		timers_add(&st->wall, state_unix_ns(st) + 3600 * NS_PER_S, TIMER_PURGE, 0);
		break;
	case TIMER_AUDIT:
		command_submit_internal(st, command_prune_audit());
		break;
	case TIMER_FLUSH:
		/* Being awake is all: what is due goes with the next batch. */
		if (st->flush_at_ns == tm->at_ns)
			st->flush_at_ns = 0;
		break;
	}
}

/* ---- after a commit whose outcome was not known ----------------------------------------------- */

static struct node *with_presence(const struct node *stored, const struct node *vis)
{
	struct node *n = node_copy(vis);

	n->user = stored->user;
	n->created_by = stored->created_by;
	n->machine = stored->machine;
	n->key = stored->key;
	n->nl_key = stored->nl_key;
	n->key_expiry_ns = stored->key_expiry_ns;
	n->created_ns = stored->created_ns;
	n->method = stored->method;
	n->auth_key = stored->auth_key;
	n->ephemeral = stored->ephemeral;
	node_set_hostname(n, stored->hostname);
	node_set_name(n, stored->name);
	n->ip4 = stored->ip4;
	n->ip6 = stored->ip6;
#define TAKE(type, field) type##_unref(&n->field); n->field = type##_ref(stored->field)
	TAKE(str_list, tags);
	TAKE(prefix_list, announced_routes);
	TAKE(prefix_list, approved_routes);
	TAKE(str_list, request_tags);
	TAKE(str_list, ssh_host_keys);
#undef TAKE
	return n;
}

static void remove_unknown(struct turn *t, const struct loaded *l)
{
	struct snapshot *w = t->st->cur;
	size_t k = 0;

	for (size_t i = 0; i < w->n_pages; i++)
		for (uint64_t m = w->pages[i]->used; m != 0; m &= m - 1) {
			node_id id = w->pages[i]->slot[__builtin_ctzll(m)].node->id;

			while (k < l->nodes.n && l->nodes.v[k]->id < id)
				k++;
			if (k < l->nodes.n && l->nodes.v[k]->id == id)
				continue;
			if (snapshot_node(turn_world(t), id) != NULL)
				turn_remove_node(t, id);
			state_entry_drop(t->st, id);
		}
}

void state_take_loaded(struct state *st, struct turn *t, struct loaded *l)
{
	int64_t now = state_unix_ns(st);
	struct snapshot *next = turn_edit(t);

	/* Removals first: a key, a name or an address may have another holder now. */
	remove_unknown(t, l);
	for (size_t i = 0; i < l->nodes.n; i++) {
		struct node *stored = l->nodes.v[i], *n;
		const struct node *vis = snapshot_node(next, stored->id);

		if (vis == NULL) {
			stored->expired = node_expired(stored, now); /* ours alone */
			stored->online = false;
			turn_add_node(t, stored);
		} else {
			n = with_presence(stored, vis);
			n->expired = node_expired(n, now);
			turn_put_node(t, n);
		}
		state_arm_node(st, snapshot_node(next, stored->id));
	}
	for (size_t i = 0; i < next->users->n; i++)
		vec_push(&t->users, next->users->v[i]->id);
	for (size_t i = 0; i < l->users->n; i++)
		vec_push(&t->users, l->users->v[i]->id);
	user_table_unref(&next->users);
	next->users = user_table_ref(l->users);
	t->world |= WORLD_USERS;
	tables_release(&st->tables);
	tables_copy(&st->tables, &l->t);
	atomic_store(&st->n_pending, st->tables.n_pending);
	trie_unref(&st->name_hints);
	/* A policy that the lost commit may have brought. */
	if (!st->o.policy_from_file && l->policy_text != NULL &&
	    (st->policy_text == NULL || !bytes_eq(shared_bytes_view(l->policy_text), shared_bytes_view(st->policy_text)))) {
		struct policy *p = NULL;

		if (policy_parse(shared_bytes_view(l->policy_text), NULL, &p, NULL) == ST_OK) {
			policy_unref(&st->policy);
			st->policy = p;
			shared_bytes_unref(&st->policy_text);
			st->policy_text = shared_bytes_ref(l->policy_text);
			st->policy_at_ns = l->policy_at_ns;
			t->new_engine = true;
		}
	}
	st->tell_all = true;
}
