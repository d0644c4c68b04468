/* state/users.c -- commands on users; see state/state.h. */
#include <stdlib.h>

#include "state/state_priv.h"

#define USER_TEXT_MAX 255

bool state_user_name_ok(const char *name)
{
	size_t n = strlen(name);
	unsigned ats = 0;

	if (n < 2 || n > USER_TEXT_MAX || !((name[0] | 32) >= 'a' && (name[0] | 32) <= 'z'))
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];

		ats += c == '@';
		if (!((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.' &&
		    c != '_' && c != '@')
			return false;
	}
	return ats <= 1;
}

struct user_req {
	user_id id;
	enum user_role role;
	const char *name, *display_name, *email, *picture_url, *provider, *provider_id;
};

/* Any user of that name, a provider's too: a policy could not tell them apart. */
static const struct user *name_taken(const struct draft *d, const char *name)
{
	for (size_t i = 0; i < d->users->n; i++)
		if (strcmp(d->users->v[i]->name, name) == 0)
			return d->users->v[i];
	return NULL;
}

static enum status find(const struct draft *d, user_id id, const struct user **out, struct err *err)
{
	*out = draft_user(d, id);
	if (*out != NULL)
		return ST_OK;
	err_set(err, "user not found");
	return ST_NOT_FOUND;
}

static struct user *fresh_user(struct draft *d)
{
	struct user *u = user_new();

	u->id = draft_next_user_id(d);
	u->tailnet = d->st->o.tailnet;
	u->created_ns = d->now_ns;
	u->role = d->users->n == 0 ? ROLE_OWNER : ROLE_MEMBER;
	return u;
}

static void done_user(struct draft *d, struct command *c, struct user *u, const char *action)
{
	command_set_user(c, u);
	draft_put_user(d, u, action);
}

/* ---- create ------------------------------------------------------------------------------ */

static enum status create_run(struct draft *d, struct command *c, struct err *err)
{
	const struct user_req *r = c->req;
	struct user *u;

	if (name_taken(d, r->name) != NULL) {
		err_set(err, "user already exists");
		return ST_CONFLICT;
	}
	u = fresh_user(d);
	user_set_text(&u->name, r->name);
	user_set_text(&u->display_name, r->display_name);
	user_set_text(&u->email, r->email);
	user_set_text(&u->picture_url, r->picture_url);
	done_user(d, c, u, "user.create");
	return ST_OK;
}

static enum status check_name(const char *name, struct err *err)
{
	if (name != NULL && state_user_name_ok(name))
		return ST_OK;
	err_set(err, "a user name has 2 to 255 characters: a letter, then letters, digits, '-', '.', '_' and at most one '@'");
	return ST_BAD_INPUT;
}

enum status state_user_create(struct state *st, const struct state_user_new *r, state_done_fn done, void *arg,
			      struct err *err)
{
	static const struct command_type type = { .name = "user create", .class = CLASS_DURABLE, .run = create_run };
	enum status s = check_name(r->name, err);
	struct user_req *q;
	struct command *c;

	if (s != ST_OK)
		return s;
	c = command_new(&type, sizeof *q, &r->by, done, arg);
	q = c->req;
	q->name = arena_strdup(c->a, r->name);
	q->display_name = arena_strdup(c->a, r->display_name);
	q->email = arena_strdup(c->a, r->email);
	q->picture_url = arena_strdup(c->a, r->picture_url);
	return command_submit(st, c, err);
}

/* ---- rename ------------------------------------------------------------------------------ */

static enum status rename_run(struct draft *d, struct command *c, struct err *err)
{
	const struct user_req *r = c->req;
	const struct user *old, *holder;
	enum status s = find(d, r->id, &old, err);
	struct user *u;

	if (s != ST_OK)
		return s;
	if (old->provider_id[0] != '\0') {
		err_set(err, "the name of this user comes from its identity provider");
		return ST_DENIED;
	}
	holder = name_taken(d, r->name);
	if (holder != NULL && holder != old) {
		err_set(err, "user already exists");
		return ST_CONFLICT;
	}
	u = user_copy(old);
	user_set_text(&u->name, r->name);
	done_user(d, c, u, "user.rename");
	return ST_OK;
}

enum status state_user_rename(struct state *st, const struct state_actor *by, user_id id, const char *name,
			      state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "user rename", .class = CLASS_DURABLE, .run = rename_run };
	enum status s = check_name(name, err);
	struct command *c;

	if (s != ST_OK)
		return s;
	c = command_new(&type, sizeof(struct user_req), by, done, arg);
	((struct user_req *)c->req)->id = id;
	((struct user_req *)c->req)->name = arena_strdup(c->a, name);
	return command_submit(st, c, err);
}

/* ---- delete ------------------------------------------------------------------------------ */

struct owned {
	const struct draft *d;
	user_id user;
	bool any;
};

static bool owned_draft(void *arg, uint64_t hash, uint64_t val)
{
	struct owned *o = arg;
	const struct node_draft *nd = (const struct node_draft *)(uintptr_t)val;

	(void)hash;
	o->any = o->any || (nd->n != NULL && nd->n->user == o->user);
	return !o->any;
}

static bool owns_nodes(const struct draft *d, user_id user)
{
	const struct snapshot *w = d->st->cur;
	struct owned o = { d, user, false };

	trie_each(d->nodes, owned_draft, &o);
	for (size_t i = 0; !o.any && i < w->n_pages; i++)
		for (uint64_t m = w->pages[i]->used; m != 0; m &= m - 1) {
			const struct node *n = w->pages[i]->slot[__builtin_ctzll(m)].node;

			if (n->user == user && (n = draft_node(d, n->id)) != NULL && n->user == user)
				return true;
		}
	return o.any;
}

static enum status delete_run(struct draft *d, struct command *c, struct err *err)
{
	const struct user_req *r = c->req;
	const struct user *u;
	enum status s = find(d, r->id, &u, err);
	struct preauth_key **keys;
	struct api_key **api;
	size_t n;

	if (s != ST_OK)
		return s;
	if (owns_nodes(d, r->id)) {
		err_set(err, "user not empty: node(s) found");
		return ST_CONFLICT;
	}
	n = tables_all_preauth(&d->t, c->a, &keys);
	for (size_t i = 0; i < n; i++)
		if (keys[i]->user == r->id)
			draft_delete_preauth(d, keys[i]->id, "preauthkey.delete");
	n = tables_all_api_keys(&d->t, c->a, &api);
	for (size_t i = 0; i < n; i++)
		if (api[i]->user == r->id)
			draft_delete_api_key(d, api[i]->id, "apikey.delete");
	draft_delete_user(d, r->id);
	return ST_OK;
}

enum status state_user_delete(struct state *st, const struct state_actor *by, user_id id, state_done_fn done,
			      void *arg, struct err *err)
{
	static const struct command_type type = { .name = "user delete", .class = CLASS_DURABLE, .run = delete_run };
	struct command *c = command_new(&type, sizeof(struct user_req), by, done, arg);

	((struct user_req *)c->req)->id = id;
	return command_submit(st, c, err);
}

/* ---- role -------------------------------------------------------------------------------- */

static size_t owners(const struct draft *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->users->n; i++)
		n += d->users->v[i]->role == ROLE_OWNER;
	return n;
}

static enum status role_run(struct draft *d, struct command *c, struct err *err)
{
	const struct user_req *r = c->req;
	const struct user *old;
	enum status s = find(d, r->id, &old, err);
	struct user *u;

	if (s != ST_OK)
		return s;
	if (old->role == ROLE_OWNER && r->role != ROLE_OWNER && owners(d) == 1) {
		err_set(err, "this is the only owner: make another user owner first");
		return ST_DENIED;
	}
	u = user_copy(old);
	u->role = r->role;
	done_user(d, c, u, "user.role");
	return ST_OK;
}

enum status state_user_set_role(struct state *st, const struct state_actor *by, user_id id, enum user_role role,
				state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "user role", .class = CLASS_DURABLE, .run = role_run };
	struct command *c;

	if ((int)role < ROLE_MEMBER || (int)role > ROLE_AUDITOR) {
		err_set(err, "unknown role");
		return ST_BAD_INPUT;
	}
	c = command_new(&type, sizeof(struct user_req), by, done, arg);
	((struct user_req *)c->req)->id = id;
	((struct user_req *)c->req)->role = role;
	return command_submit(st, c, err);
}

/* ---- from an identity provider ------------------------------------------------------------ */

static const struct user *by_provider(const struct draft *d, const char *provider_id)
{
	for (size_t i = 0; i < d->users->n; i++)
		if (strcmp(d->users->v[i]->provider_id, provider_id) == 0)
			return d->users->v[i];
	return NULL;
}

static bool replace(char **field, const char *text)
{
	if (text == NULL || text[0] == '\0' || strcmp(*field, text) == 0)
		return false;
	user_set_text(field, text);
	return true;
}

static enum status login_run(struct draft *d, struct command *c, struct err *err)
{
	const struct user_req *r = c->req;
	const struct user *old = by_provider(d, r->provider_id);
	struct user *u = old ? user_copy(old) : fresh_user(d);
	bool changed = old == NULL;

	(void)err;
	changed |= replace(&u->provider, r->provider);
	changed |= replace(&u->provider_id, r->provider_id);
	if (r->name != NULL && state_user_name_ok(r->name))
		changed |= replace(&u->name, r->name);
	changed |= replace(&u->display_name, r->display_name);
	changed |= replace(&u->email, r->email);
	changed |= replace(&u->picture_url, r->picture_url);
	if (changed) {
		done_user(d, c, u, old ? "user.update" : "user.create");
	} else {
		command_set_user(c, old);
		user_unref(&u);
	}
	return ST_OK;
}

enum status state_user_from_provider(struct state *st, const struct state_user_login *r, state_done_fn done,
				     void *arg, struct err *err)
{
	static const struct command_type type = { .name = "user login", .class = CLASS_DURABLE, .run = login_run };
	struct command *c;
	struct user_req *q;

	if (r->provider_id == NULL || r->provider_id[0] == '\0') {
		err_set(err, "a provider's user has an identifier");
		return ST_BAD_INPUT;
	}
	c = command_new(&type, sizeof *q, &r->by, done, arg);
	q = c->req;
	q->provider = arena_strdup(c->a, r->provider);
	q->provider_id = arena_strdup(c->a, r->provider_id);
	q->name = arena_strdup(c->a, r->name);
	q->display_name = arena_strdup(c->a, r->display_name);
	q->email = arena_strdup(c->a, r->email);
	q->picture_url = arena_strdup(c->a, r->picture_url);
	return command_submit(st, c, err);
}
