/*
 * state/register.c -- RegisterRequest: who is let in as what; see state/state.h, state_register().
 *
 * The order of decisions: logout; a known node key again (the path of every client's restart, which must not need a
 * good key); with an auth key; a new login for a person to decide. All of it inside one draft, so that of two clients
 * with one one-use key, the second sees it used.
 */
#include <stdio.h>
#include <stdlib.h>

#include "policy/engine.h"
#include "state/keys.h"
#include "state/names.h"
#include "state/register.h"

struct register_req {
	struct state_register r;   /* auth_key in the arena */
	struct hostinfo h;
};

static void register_release(struct command *c)
{
	hostinfo_release(&((struct register_req *)c->req)->h);
}

static enum status refuse(struct err *err, enum status s, const char *words)
{
	err_set(err, "%s", words);
	return s;
}

/* ---- a login becomes a node ----------------------------------------------------------------- */

static int64_t expiry_of(const struct draft *d, const struct login *l, bool tagged)
{
	int64_t lifetime = d->st->cur->settings->key_lifetime_ns;

	if (tagged)
		return TIME_NONE;
	if (l->expiry_ns != TIME_NONE)
		return l->expiry_ns;
	return lifetime > 0 ? d->now_ns + lifetime : TIME_NONE;
}

static void set_owner(struct node *n, const struct login *l)
{
	if (l->keep_tags && n->tags != NULL)
		return; /* what an admin made of it stays */
	str_list_unref(&n->tags);
	n->tags = str_list_ref(l->tags);
	n->user = l->tags ? 0 : l->user;
	if (l->user != 0)
		n->created_by = l->user;
}

static void set_facts(struct draft *d, struct node *n, const struct hostinfo *h)
{
	char name[NODE_NAME_MAX + 1];

	if (h->hostname[0] != '\0' || n->hostname == NULL) {
		if (n->name == NULL || (strcmp(n->hostname, h->hostname) != 0 && name_is_derived(n->name, n->hostname))) {
			draft_unique_name(d, h->hostname, n->id, name);
			node_set_name(n, name);
		}
		node_set_hostname(n, h->hostname);
	}
	if (h->json == NULL)
		return;
	prefix_list_unref(&n->announced_routes);
	n->announced_routes = prefix_list_ref(h->routes);
	str_list_unref(&n->request_tags);
	n->request_tags = str_list_ref(h->request_tags);
	str_list_unref(&n->ssh_host_keys);
	n->ssh_host_keys = str_list_ref(h->ssh_host_keys);
}

/*
 * The Hostinfo of a register request lacks the services that run only later. A node that has one keeps it until the
 * map request that follows; else its peers would lose its services for a moment at every login.
 */
static unsigned set_hostinfo(struct node *n, const struct hostinfo *h)
{
	if (n->hostinfo != NULL || h->json == NULL)
		return 0;
	n->hostinfo = shared_bytes_ref(h->json);
	n->hostinfo_peer = shared_bytes_ref(h->peer);
	if (!h->has_netinfo)
		return SETS_HOSTINFO;
	n->home_derp = h->home_derp;
	return SETS_HOSTINFO | SETS_NETINFO;
}

static enum status new_node(struct draft *d, struct node **out, struct err *err)
{
	struct node *n;

	if (d->n_nodes >= d->st->limits.nodes)
		return refuse(err, ST_TOO_BIG, "the server has as many nodes as it may have");
	n = node_new();
	n->id = draft_next_node_id(d);
	n->tailnet = d->st->o.tailnet;
	n->created_ns = d->now_ns;
	*out = n;
	return ST_OK;
}

enum status login_apply(struct draft *d, struct command *c, const struct login *l, const struct node *old,
			struct err *err)
{
	const struct node *holder = draft_node_by_key(d, &l->node_key);
	unsigned sets = SETS_CAP | SETS_SEEN;
	struct node *n = NULL;
	enum status s;

	if (holder != NULL && (old == NULL || holder->id != old->id))
		return refuse(err, ST_CONFLICT, "node key already in use by another machine");
	if (old == NULL) {
		s = new_node(d, &n, err);
		if (s != ST_OK)
			return s;
		n->ephemeral = l->ephemeral;
	} else {
		n = node_copy(old);
		n->ephemeral = l->method == REGISTER_AUTHKEY ? l->ephemeral : n->ephemeral;
	}
	n->machine = l->machine;
	n->key = l->node_key;
	n->nl_key = l->nl_key;
	if (l->cap != 0)
		n->cap = l->cap;
	n->method = l->method;
	n->auth_key = l->auth_key;
	n->last_seen_ns = d->now_ns;
	set_owner(n, l);
	n->key_expiry_ns = expiry_of(d, l, node_is_tagged(n));
	set_facts(d, n, l->h);
	sets |= set_hostinfo(n, l->h);
	/* Addresses last: the owner and the tags may choose the pool. */
	s = old == NULL ? draft_give_addresses(d, n, err) : ST_OK;
	if (s != ST_OK) {
		node_unref(&n);
		return s;
	}
	draft_auto_approve(d, n);
	command_set_node(c, n);
	command_set_user(c, n->user ? draft_user(d, n->user) : NULL);
	draft_put_node(d, n, sets, old ? "node.login" : "node.register");
	return ST_OK;
}

/* ---- with an auth key ------------------------------------------------------------------------ */

static enum status key_usable(const struct preauth_key *k, int64_t now, struct err *err)
{
	if (k->revoked_ns != TIME_NONE)
		return refuse(err, ST_DENIED, "authkey revoked");
	if (k->expires_ns != TIME_NONE && k->expires_ns <= now)
		return refuse(err, ST_DENIED, "authkey expired");
	if (k->used && !k->reusable)
		return refuse(err, ST_DENIED, "authkey already used");
	return ST_OK;
}

/* Which node of the machine this key means; NULL for none. */
static enum status key_target(const struct draft *d, const struct machine_key *m, const struct preauth_key *k,
			      const struct node **out, struct err *err)
{
	const struct node *all[MACHINE_NODES_MAX], *tagged = NULL, *mine = NULL, *owned = NULL;
	size_t n = draft_nodes_by_machine(d, m, all, MACHINE_NODES_MAX), n_owned = 0;

	if (n > MACHINE_NODES_MAX)
		n = MACHINE_NODES_MAX;
	for (size_t i = 0; i < n; i++) {
		if (node_is_tagged(all[i])) {
			tagged = all[i];
			continue;
		}
		owned = all[i];
		n_owned++;
		if (k->user != 0 && all[i]->user == k->user)
			mine = all[i];
	}
	if (k->tags == NULL)
		*out = mine ? mine : tagged;
	else if (tagged != NULL || k->user != 0)
		*out = tagged ? tagged : mine;
	else if (n_owned <= 1)
		*out = owned;
	else
		return refuse(err, ST_CONFLICT, "machine key maps to ambiguous node ownership");
	return ST_OK;
}

static enum status tags_within(const struct str_list *asked, const struct str_list *have, const struct str_list *more,
			       struct err *err)
{
	for (uint32_t i = 0; asked != NULL && i < asked->n; i++)
		if (!str_list_has(have, asked->v[i]) && !str_list_has(more, asked->v[i])) {
			err_set(err, "requested tags [%s] are invalid or not permitted", asked->v[i]);
			return ST_DENIED;
		}
	return ST_OK;
}

static enum status with_key(struct draft *d, struct command *c, const struct register_req *q, struct preauth_key *k,
			    struct err *err)
{
	const struct state_register *r = &q->r;
	const struct node *old = NULL, *holder;
	struct login l = { .machine = r->machine, .node_key = r->node_key, .nl_key = r->nl_key, .h = &q->h,
			   .cap = r->cap, .ephemeral = k->ephemeral || r->ephemeral, .expiry_ns = r->expiry_ns,
			   .user = k->user, .tags = k->tags, .keep_tags = true, .method = REGISTER_AUTHKEY,
			   .auth_key = k->id };
	enum status s = key_usable(k, d->now_ns, err);

	if (s == ST_OK)
		s = key_target(d, &r->machine, k, &old, err);
	if (s == ST_OK)
		s = tags_within(q->h.request_tags, k->tags, old ? old->tags : NULL, err);
	if (s != ST_OK)
		return s;
	holder = draft_node_by_key(d, &r->node_key);
	if (holder != NULL && (old == NULL || holder->id != old->id)) {
		/* The key of another node of this machine, whose time is over: a fresh one settles it. */
		c->r.outcome = REGISTER_KEY_EXPIRED;
		return ST_OK;
	}
	s = login_apply(d, c, &l, old, err);
	if (s != ST_OK) {
		if (old == NULL)
			err_prefix(err, "creating new node");
		return s;
	}
	c->r.outcome = REGISTER_DONE;
	if (k->reusable)
		return ST_OK;
	k = preauth_key_copy(k);
	k->used = true;
	draft_put_preauth(d, k, NULL);
	return ST_OK;
}

/* ---- a known node ---------------------------------------------------------------------------- */

static void answer(struct draft *d, struct command *c, const struct node *n, enum register_outcome o)
{
	command_set_node(c, n);
	command_set_user(c, n->user ? draft_user(d, n->user) : NULL);
	c->r.outcome = o;
}

static enum status logout(struct draft *d, struct command *c, const struct node *old)
{
	struct node *n;

	if (old == NULL) {
		c->r.outcome = REGISTER_LOGGED_OUT;
		return ST_OK;
	}
	if (old->ephemeral) {
		draft_delete_node(d, old->id, "node.logout");
		c->r.outcome = REGISTER_LOGGED_OUT;
		return ST_OK;
	}
	if (!node_expired(old, d->now_ns)) {
		n = node_copy(old);
		n->key_expiry_ns = d->now_ns;
		draft_put_node(d, n, 0, "node.logout");
	}
	answer(d, c, draft_node(d, old->id), REGISTER_LOGGED_OUT);
	return ST_OK;
}

static enum status shorten(struct draft *d, struct command *c, const struct node *old, int64_t at_ns, struct err *err)
{
	struct node *n;

	if (old->key_expiry_ns != TIME_NONE && at_ns > old->key_expiry_ns)
		return refuse(err, ST_DENIED, "extending key is not allowed");
	if (old->key_expiry_ns != at_ns) {
		n = node_copy(old);
		n->key_expiry_ns = at_ns;
		draft_put_node(d, n, 0, "node.expire");
	}
	answer(d, c, draft_node(d, old->id), REGISTER_DONE);
	return ST_OK;
}

/* The daemon restarted: nothing to ask for, little to change. */
static enum status again(struct draft *d, struct command *c, const struct register_req *q, const struct node *old)
{
	bool nl = !nl_key_is_zero(&q->r.nl_key) && !nl_key_eq(&q->r.nl_key, &old->nl_key);
	unsigned sets = 0;
	struct node *n;

	if (nl || (old->hostinfo == NULL && q->h.json != NULL)) {
		n = node_copy(old);
		if (nl)
			n->nl_key = q->r.nl_key;
		sets = set_hostinfo(n, &q->h);
		draft_put_node(d, n, sets, NULL);
	}
	answer(d, c, draft_node(d, old->id), REGISTER_DONE);
	return ST_OK;
}

/* ---- the whole -------------------------------------------------------------------------------- */

static enum status register_run(struct draft *d, struct command *c, struct err *err)
{
	const struct register_req *q = c->req;
	const struct state_register *r = &q->r;
	const struct node *known = draft_node_by_key(d, &r->node_key);
	struct preauth_key *key = NULL;
	bool has_key = r->auth_key.n > 0, live;
	enum status s = ST_OK;

	if (known != NULL && !machine_key_eq(&known->machine, &r->machine))
		return refuse(err, ST_CONFLICT,
			      has_key ? "node key already in use by another machine" :
					"node exists with a different machine key");
	if (r->expiry_ns != TIME_NONE && r->expiry_ns <= d->now_ns)
		return logout(d, c, known);
	live = known != NULL && !node_expired(known, d->now_ns);
	if (live && r->expiry_ns != TIME_NONE)
		return shorten(d, c, known, r->expiry_ns, err);
	if (has_key) {
		s = keys_find_preauth(d, c, r->auth_key, &key, err);
		if (s == ST_AGAIN)
			return s;
	}
	/* A node that is in order needs no key; a tagged key, though, may want to make it tagged. */
	if (live && (key == NULL || key->tags == NULL || node_is_tagged(known)))
		return again(d, c, q, known);
	if (has_key)
		return s == ST_OK ? with_key(d, c, q, key, err) : s;
	if (known != NULL) {
		answer(d, c, known, REGISTER_KEY_EXPIRED);
		return ST_OK;
	}
	return pending_begin(d, c, r, &q->h, q->h.json, err);
}

enum status state_register(struct state *st, const struct state_register *r, state_done_fn done, void *arg,
			   struct err *err)
{
	static const struct command_type type = { .name = "register", .class = CLASS_DURABLE, .run = register_run,
						   .release = register_release };
	struct register_req *q;
	struct hostinfo h;
	struct command *c;
	enum status s;

	if (node_key_is_zero(&r->node_key) || machine_key_is_zero(&r->machine))
		return refuse(err, ST_BAD_INPUT, "a node key is needed");
	if (r->auth_key.n > 1024)
		return refuse(err, ST_TOO_BIG, "invalid pre auth key");
	s = hostinfo_parse(r->hostinfo, &h, err);
	if (s != ST_OK)
		return s;
	c = command_new(&type, sizeof *q, NULL, done, arg);
	q = c->req;
	q->r = *r;
	q->r.auth_key = arena_bytes_dup(c->a, r->auth_key);
	q->r.hostinfo = (struct bytes){ 0, 0 };
	q->r.auth_id = r->auth_id != NULL ? arena_strdup(c->a, r->auth_id) : NULL;
	q->h = h;
	c->by.who = "client";
	return command_submit(st, c, err);
}
