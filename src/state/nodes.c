/* state/nodes.c -- what people and policies do to nodes; see state/state.h. */
#include <stdio.h>
#include <stdlib.h>

#include "policy/engine.h"
#include "state/keys.h"
#include "state/names.h"
#include "state/state_priv.h"

#define FQDN_MAX 255
#define ROUTES_MAX 8192

struct node_req {
	node_id id;
	char name[NODE_NAME_MAX + 1];
	int64_t at_ns;
	struct str_list *tags;
	struct prefix_list *routes;
	user_id user;
};

static void node_release(struct command *c)
{
	struct node_req *r = c->req;

	str_list_unref(&r->tags);
	prefix_list_unref(&r->routes);
}

static struct command *node_command(const struct command_type *type, const struct state_actor *by, node_id id,
				    state_done_fn done, void *arg)
{
	struct command *c = command_new(type, sizeof(struct node_req), by, done, arg);

	((struct node_req *)c->req)->id = id;
	return c;
}

static enum status find(const struct draft *d, const struct command *c, const struct node **out, struct err *err)
{
	*out = draft_node(d, ((const struct node_req *)c->req)->id);
	if (*out != NULL)
		return ST_OK;
	err_set(err, "node not found");
	return ST_NOT_FOUND;
}

static void changed(struct draft *d, struct command *c, struct node *n, const char *action)
{
	command_set_node(c, n);
	draft_put_node(d, n, 0, action);
}

/* ---- name ---------------------------------------------------------------------------------- */

static enum status rename_run(struct draft *d, struct command *c, struct err *err)
{
	const struct node_req *r = c->req;
	const struct node *old, *holder;
	enum status s = find(d, c, &old, err);
	size_t domain = strlen(d->st->cur->dns->base_domain);
	struct node *n;

	if (s != ST_OK)
		return s;
	if (domain > 0 && strlen(r->name) + 1 + domain + 1 > FQDN_MAX) {
		err_set(err, "renaming node: %s.%s. is longer than %d characters", r->name,
			d->st->cur->dns->base_domain, FQDN_MAX);
		return ST_BAD_INPUT;
	}
	holder = draft_node_by_name(d, r->name);
	if (holder != NULL && holder->id != r->id) {
		err_set(err, "renaming node: node name is not unique: %s", r->name);
		return ST_CONFLICT;
	}
	if (holder != NULL) {
		command_set_node(c, old);
		return ST_OK;
	}
	n = node_copy(old);
	node_set_name(n, r->name);
	changed(d, c, n, "node.rename");
	return ST_OK;
}

enum status state_node_rename(struct state *st, const struct state_actor *by, node_id id, const char *name,
			      state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "node rename", .class = CLASS_DURABLE, .run = rename_run };
	struct command *c;
	struct node_req *r;

	if (!name_is_label(name)) {
		err_set(err, "renaming node: a name has 1 to 63 letters, digits and hyphens, no hyphen at its ends");
		return ST_BAD_INPUT;
	}
	c = node_command(&type, by, id, done, arg);
	r = c->req;
	for (size_t i = 0; name[i] != '\0'; i++)
		r->name[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
	return command_submit(st, c, err);
}

/* ---- delete -------------------------------------------------------------------------------- */

static enum status delete_run(struct draft *d, struct command *c, struct err *err)
{
	const struct node *n;
	enum status s = find(d, c, &n, err);

	if (s == ST_OK)
		draft_delete_node(d, n->id, "node.delete");
	return s;
}

enum status state_node_delete(struct state *st, const struct state_actor *by, node_id id, state_done_fn done,
			      void *arg, struct err *err)
{
	static const struct command_type type = { .name = "node delete", .class = CLASS_DURABLE, .run = delete_run };

	return command_submit(st, node_command(&type, by, id, done, arg), err);
}

/* An ephemeral node that has been away long enough; it may have come back since the timer rang. */
static enum status idle_run(struct draft *d, struct command *c, struct err *err)
{
	const struct node *n = draft_node(d, ((struct node_req *)c->req)->id);
	const struct node *vis = snapshot_node(d->st->cur, ((struct node_req *)c->req)->id);
	const struct entry *e = state_entry(d->st, ((struct node_req *)c->req)->id);

	(void)err;
	if (n != NULL && n->ephemeral && vis != NULL && !vis->online && (e == NULL || e->streams == 0))
		draft_delete_node(d, n->id, "node.inactive");
	return ST_OK;
}

struct command *command_delete_idle(node_id id)
{
	static const struct command_type type = { .name = "node idle", .class = CLASS_DURABLE, .run = idle_run };

	return node_command(&type, NULL, id, NULL, NULL);
}

/* ---- expiry -------------------------------------------------------------------------------- */

static enum status expire_run(struct draft *d, struct command *c, struct err *err)
{
	const struct node_req *r = c->req;
	int64_t at = r->at_ns == STATE_NOW ? d->now_ns : r->at_ns;
	const struct node *old;
	enum status s = find(d, c, &old, err);
	struct node *n;

	if (s != ST_OK)
		return s;
	n = node_copy(old);
	n->key_expiry_ns = at;
	changed(d, c, n, "node.expire");
	return ST_OK;
}

enum status state_node_expire(struct state *st, const struct state_actor *by, node_id id, int64_t at_ns,
			      state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "node expire", .class = CLASS_DURABLE, .run = expire_run };
	struct command *c = node_command(&type, by, id, done, arg);

	((struct node_req *)c->req)->at_ns = at_ns;
	return command_submit(st, c, err);
}

/* ---- tags ---------------------------------------------------------------------------------- */

static enum status tags_run(struct draft *d, struct command *c, struct err *err)
{
	const struct node_req *r = c->req;
	const struct node *old;
	enum status s = find(d, c, &old, err);
	struct node *n;

	if (s != ST_OK)
		return s;
	for (uint32_t i = 0; i < r->tags->n; i++)
		if (!policy_tag_exists(d->st->cur->policy, r->tags->v[i])) {
			err_set(err, "requested tags [%s] are invalid or not permitted", r->tags->v[i]);
			return ST_DENIED;
		}
	n = node_copy(old);
	str_list_unref(&n->tags);
	n->tags = str_list_ref(r->tags);
	if (n->user != 0)
		n->created_by = n->user;
	n->user = 0;
	n->key_expiry_ns = TIME_NONE;
	draft_auto_approve(d, n);
	changed(d, c, n, "node.tags");
	return ST_OK;
}

enum status state_node_set_tags(struct state *st, const struct state_actor *by, node_id id, const char *const *tags,
				size_t n, state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "node tags", .class = CLASS_DURABLE, .run = tags_run,
						   .release = node_release };
	enum status s = tags_check(tags, n, err);
	struct command *c;

	if (s == ST_OK && n == 0) {
		err_set(err, "cannot remove all tags from a node - tagged nodes must have at least one tag");
		s = ST_BAD_INPUT;
	}
	if (s != ST_OK)
		return s;
	c = node_command(&type, by, id, done, arg);
	((struct node_req *)c->req)->tags = str_list_new_set(tags, n);
	return command_submit(st, c, err);
}

/* ---- routes --------------------------------------------------------------------------------- */

static enum status routes_run(struct draft *d, struct command *c, struct err *err)
{
	const struct node_req *r = c->req;
	const struct node *old;
	enum status s = find(d, c, &old, err);
	struct node *n;

	if (s != ST_OK)
		return s;
	if (prefix_list_eq(old->approved_routes, r->routes)) {
		command_set_node(c, old);
		return ST_OK;
	}
	n = node_copy(old);
	prefix_list_unref(&n->approved_routes);
	n->approved_routes = prefix_list_ref(r->routes);
	changed(d, c, n, "node.routes");
	return ST_OK;
}

/* Both exit routes if there is one of them. */
static struct prefix_list *route_set(const struct ip_prefix *routes, size_t n)
{
	struct ip_prefix *v = xcalloc(n + 2, sizeof *v);
	struct prefix_list *l;
	bool exit_node = false;

	for (size_t i = 0; i < n; i++) {
		v[i] = routes[i];
		exit_node |= ip_prefix_is_default(&routes[i]);
	}
	if (exit_node) {
		v[n].addr.family = IP_V4;
		v[n + 1].addr.family = IP_V6;
	}
	l = prefix_list_new_set(v, exit_node ? n + 2 : n);
	free(v);
	return l;
}

enum status state_node_set_routes(struct state *st, const struct state_actor *by, node_id id,
				  const struct ip_prefix *routes, size_t n, state_done_fn done, void *arg,
				  struct err *err)
{
	static const struct command_type type = { .name = "node routes", .class = CLASS_DURABLE, .run = routes_run,
						   .release = node_release };
	struct command *c;

	if (n > ROUTES_MAX) {
		err_set(err, "more than %d routes", ROUTES_MAX);
		return ST_TOO_BIG;
	}
	c = node_command(&type, by, id, done, arg);
	((struct node_req *)c->req)->routes = route_set(routes, n);
	return command_submit(st, c, err);
}

static bool approve_one(struct draft *d, const struct node *old)
{
	struct node *n;

	if (old->announced_routes == NULL)
		return false;
	n = node_copy(old);
	if (draft_auto_approve(d, n)) {
		draft_put_node(d, n, 0, "node.routes");
		return true;
	}
	node_unref(&n);
	return false;
}

/* After a new policy: what it approves by itself. */
static enum status approve_run(struct draft *d, struct command *c, struct err *err)
{
	const struct snapshot *w = d->st->cur;

	(void)c;
	(void)err;
	for (size_t i = 0; i < w->n_pages; i++)
		for (uint64_t m = w->pages[i]->used; m != 0; m &= m - 1) {
			const struct node *n = draft_node(d, w->pages[i]->slot[__builtin_ctzll(m)].node->id);

			if (n != NULL)
				approve_one(d, n);
		}
	return ST_OK;
}

struct command *command_approve_all(void)
{
	static const struct command_type type = { .name = "approve all", .class = CLASS_DURABLE, .run = approve_run };
	struct command *c = command_new(&type, 0, NULL, NULL, NULL);

	c->by.who = "policy";
	return c;
}

/* ---- owner ---------------------------------------------------------------------------------- */

static enum status move_run(struct draft *d, struct command *c, struct err *err)
{
	const struct node_req *r = c->req;
	const struct node *old, *all[64];
	enum status s = find(d, c, &old, err);
	struct node *n;
	size_t count;

	if (s != ST_OK)
		return s;
	if (draft_user(d, r->user) == NULL) {
		err_set(err, "user not found");
		return ST_NOT_FOUND;
	}
	count = draft_nodes_by_machine(d, &old->machine, all, 64);
	for (size_t i = 0; i < count && i < 64; i++)
		if (all[i]->id != old->id && all[i]->user == r->user) {
			err_set(err, "this user has that machine already, as node %llu", (unsigned long long)all[i]->id);
			return ST_CONFLICT;
		}
	n = node_copy(old);
	n->user = r->user;
	str_list_unref(&n->tags);
	draft_auto_approve(d, n);
	changed(d, c, n, "node.move");
	command_set_user(c, draft_user(d, r->user));
	return ST_OK;
}

enum status state_node_move(struct state *st, const struct state_actor *by, node_id id, user_id to, state_done_fn done,
			    void *arg, struct err *err)
{
	static const struct command_type type = { .name = "node move", .class = CLASS_DURABLE, .run = move_run };
	struct command *c = node_command(&type, by, id, done, arg);

	((struct node_req *)c->req)->user = to;
	return command_submit(st, c, err);
}

/* ---- addresses -------------------------------------------------------------------------------- */

struct changes {
	VEC(const char *) v;
};

static void say(struct command *c, struct changes *l, const char *what, const struct ip_addr *ip, const struct node *n)
{
	char text[IP_TEXT_MAX];

	ip_format(ip, text);
	vec_push(&l->v, arena_printf(c->a, "%s \"%s\" %s Node(%llu) \"%s\"", what, text,
				     what[0] == 'a' ? "to" : "from", (unsigned long long)n->id, n->name));
}

static enum status backfill_one(struct draft *d, struct command *c, struct changes *l, const struct node *old,
				struct err *err)
{
	const struct tailnet_settings *set = d->st->cur->settings;
	struct node *n = node_copy(old);
	enum status s;

	if (set->prefix4.addr.family == IP_NONE)
		n->ip4 = (struct ip_addr){ 0 };
	if (set->prefix6.addr.family == IP_NONE)
		n->ip6 = (struct ip_addr){ 0 };
	s = draft_give_addresses(d, n, err);
	if (s != ST_OK || (ip_eq(&n->ip4, &old->ip4) && ip_eq(&n->ip6, &old->ip6))) {
		node_unref(&n);
		return s;
	}
	if (n->ip4.family == IP_NONE && old->ip4.family != IP_NONE)
		say(c, l, "removing IPv4", &old->ip4, old);
	else if (!ip_eq(&n->ip4, &old->ip4))
		say(c, l, "assigned IPv4", &n->ip4, n);
	if (n->ip6.family == IP_NONE && old->ip6.family != IP_NONE)
		say(c, l, "removing IPv6", &old->ip6, old);
	else if (!ip_eq(&n->ip6, &old->ip6))
		say(c, l, "assigned IPv6", &n->ip6, n);
	draft_put_node(d, n, 0, "node.addresses");
	return ST_OK;
}

static enum status backfill_run(struct draft *d, struct command *c, struct err *err)
{
	const struct snapshot *w = d->st->cur;
	struct changes l = { .v = { 0 } };
	const char **texts;
	enum status s = ST_OK;

	for (size_t i = 0; s == ST_OK && i < w->n_pages; i++)
		for (uint64_t m = w->pages[i]->used; s == ST_OK && m != 0; m &= m - 1) {
			const struct node *n = draft_node(d, w->pages[i]->slot[__builtin_ctzll(m)].node->id);

			if (n != NULL)
				s = backfill_one(d, c, &l, n, err);
		}
	texts = ARENA_ARRAY(c->a, const char *, l.v.n + 1);
	if (l.v.n > 0)
		memcpy(texts, l.v.v, l.v.n * sizeof *texts);
	c->r.n = l.v.n;
	c->r.texts = texts;
	vec_release(&l.v);
	return s;
}

enum status state_backfill_ips(struct state *st, const struct state_actor *by, state_done_fn done, void *arg,
			       struct err *err)
{
	static const struct command_type type = { .name = "backfill", .class = CLASS_DURABLE, .run = backfill_run };

	return command_submit(st, node_command(&type, by, 0, done, arg), err);
}
