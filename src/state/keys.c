/*
 * state/keys.c -- pre-auth keys and credentials of the API; see state/state.h.
 *
 * A key's text is <marker><12 characters>-<64 characters>. The twelve name it, the rest is random and long, so a plain
 * hash protects it and costs nothing to check. Imported keys bring slow hashes: they are checked once on the helper's
 * thread and get a plain one then.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "state/keys.h"
#include "state/state_priv.h"

#define NAME_LEN 12
#define SECRET_LEN 64
#define LEGACY_PREAUTH_LEN 48
#define LAST_USED_WRITE_NS (60 * NS_PER_S)

/* ---- texts --------------------------------------------------------------------------------- */

static void make_text(const char *marker, char *name, char *out, struct secret_hash *hash)
{
	uint8_t rnd[(NAME_LEN + SECRET_LEN) / 2];
	char hex[NAME_LEN + SECRET_LEN + 1];

	random_bytes(rnd, sizeof rnd);
	hex_encode(bytes_of(rnd, sizeof rnd), hex);
	snprintf(name, KEY_NAME_MAX, "%.*s", NAME_LEN, hex);
	snprintf(out, KEY_SECRET_TEXT_MAX, "%s%.*s-%s", marker, NAME_LEN, hex, hex + NAME_LEN);
	secret_hash_sha256(bytes_of(hex + NAME_LEN, SECRET_LEN), hash);
	secret_wipe(hex, sizeof hex);
	secret_wipe(rnd, sizeof rnd);
}

static bool key_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool key_text_split(struct bytes text, const char *marker, char name[static KEY_NAME_MAX], struct bytes *secret_out)
{
	const uint8_t *at = text.n > 0 ? memmem(text.p, text.n, marker, strlen(marker)) : NULL;
	struct bytes rest;

	if (at == NULL)
		return false;
	rest = bytes_skip(text, (size_t)(at - text.p) + strlen(marker));
	if (rest.n != NAME_LEN + 1 + SECRET_LEN || rest.p[NAME_LEN] != '-')
		return false;
	for (size_t i = 0; i < rest.n; i++)
		if (!key_char(rest.p[i]))
			return false;
	memcpy(name, rest.p, NAME_LEN);
	name[NAME_LEN] = '\0';
	*secret_out = bytes_skip(rest, NAME_LEN + 1);
	return true;
}

void key_legacy_name(struct bytes text, char name[static KEY_NAME_MAX])
{
	uint8_t sum[SHA256_LEN];
	char hex[13];

	sha256(text, sum);
	hex_encode(bytes_of(sum, 6), hex);
	snprintf(name, KEY_NAME_MAX, "legacy-%s", hex);
}

/* The key that this text belongs to, if its secret is right. ST_AGAIN: to the helper, and again. */
static enum status check_secret(struct command *c, key_id id, const struct secret_hash *hash, struct bytes secret)
{
	bool slow;

	if (c->bcrypt_key != 0)
		return c->bcrypt_key == id ? ST_OK : ST_DENIED;
	if (secret_matches(hash, secret, &slow))
		return ST_OK;
	if (!slow || secret.n >= sizeof c->bcrypt_secret)
		return ST_DENIED;
	c->needs_bcrypt = true;
	c->bcrypt_key = id;
	c->bcrypt_hash = *hash;
	memcpy(c->bcrypt_secret, secret.p, secret.n);
	c->bcrypt_secret[secret.n] = '\0';
	return ST_AGAIN;
}

enum status keys_find_preauth(struct draft *d, struct command *c, struct bytes text, struct preauth_key **out,
			      struct err *err)
{
	char name[KEY_NAME_MAX];
	struct bytes secret = text;
	struct preauth_key *k;
	enum status s;

	if (!key_text_split(text, "hskey-auth-", name, &secret)) {
		if (text.n != LEGACY_PREAUTH_LEN) {
			err_set(err, "invalid pre auth key");
			return ST_DENIED;
		}
		key_legacy_name(text, name);
	}
	k = tables_preauth_named(&d->t, name);
	s = k ? check_secret(c, k->id, &k->hash, secret) : ST_DENIED;
	if (s == ST_DENIED)
		err_set(err, "invalid pre auth key");
	if (s != ST_OK)
		return s;
	if (k->hash.form != SECRET_SHA256) {
		k = preauth_key_copy(k);
		secret_hash_sha256(secret, &k->hash);
		draft_put_preauth(d, k, NULL);
		k = tables_preauth_named(&d->t, name);
	}
	*out = k;
	return ST_OK;
}

/* ---- pre-auth keys -------------------------------------------------------------------------- */

struct preauth_req {
	key_id id;
	user_id user;
	bool reusable, ephemeral;
	struct str_list *tags;
	int64_t expires_ns;
	const char *description;
};

static void preauth_release(struct command *c)
{
	str_list_unref(&((struct preauth_req *)c->req)->tags);
}

enum status tag_check(const char *tag, struct err *err)
{
	if (strncmp(tag, "tag:", 4) != 0) {
		err_set(err, "tag must start with the string 'tag:'");
		return ST_BAD_INPUT;
	}
	if (tag[4] == '\0' || strlen(tag) > 128) {
		err_set(err, "a tag has 1 to 124 characters after 'tag:'");
		return ST_BAD_INPUT;
	}
	for (const char *c = tag; *c != '\0'; c++) {
		if (*c >= 'A' && *c <= 'Z') {
			err_set(err, "tag should be lowercase");
			return ST_BAD_INPUT;
		}
		if ((unsigned char)*c <= 0x20 || *c == 0x7f) {
			err_set(err, "tags must not contain spaces");
			return ST_BAD_INPUT;
		}
	}
	return ST_OK;
}

enum status tags_check(const char *const *tags, size_t n, struct err *err)
{
	enum status s = ST_OK;

	if (n > HOSTINFO_TAGS_MAX) {
		err_set(err, "more than %d tags", HOSTINFO_TAGS_MAX);
		return ST_TOO_BIG;
	}
	for (size_t i = 0; i < n && s == ST_OK; i++)
		s = tag_check(tags[i], err);
	return s;
}

static enum status preauth_create_run(struct draft *d, struct command *c, struct err *err)
{
	const struct preauth_req *r = c->req;
	struct preauth_key *k;

	if (r->user != 0 && draft_user(d, r->user) == NULL) {
		err_set(err, "user not found");
		return ST_NOT_FOUND;
	}
	k = preauth_key_new();
	k->id = draft_next_preauth_id(d);
	k->tailnet = d->st->o.tailnet;
	make_text("hskey-auth-", k->name, c->secret, &k->hash);
	k->user = r->user;
	k->reusable = r->reusable;
	k->ephemeral = r->ephemeral;
	k->tags = str_list_ref(r->tags);
	free(k->description);
	k->description = xstrdup(r->description ? r->description : "");
	k->created_ns = d->now_ns;
	k->expires_ns = r->expires_ns;
	c->r.preauth = preauth_key_ref(k);
	c->r.secret = c->secret;
	draft_put_preauth(d, k, "preauthkey.create");
	return ST_OK;
}

enum status state_preauth_create(struct state *st, const struct state_preauth_new *r, state_done_fn done, void *arg,
				 struct err *err)
{
	static const struct command_type type = { .name = "preauth create", .class = CLASS_DURABLE,
						   .run = preauth_create_run, .release = preauth_release };
	enum status s = tags_check(r->tags, r->n_tags, err);
	struct preauth_req *q;
	struct command *c;

	if (s != ST_OK)
		return s;
	if (r->user == 0 && r->n_tags == 0) {
		err_set(err, "auth-key must be either tagged or owned by user");
		return ST_BAD_INPUT;
	}
	c = command_new(&type, sizeof *q, &r->by, done, arg);
	q = c->req;
	q->user = r->user;
	q->reusable = r->reusable;
	q->ephemeral = r->ephemeral;
	q->tags = str_list_new_set(r->tags, r->n_tags);
	q->expires_ns = r->expires_ns;
	q->description = arena_strdup(c->a, r->description);
	return command_submit(st, c, err);
}

static enum status preauth_old(struct draft *d, struct command *c, struct preauth_key **copy_out, struct err *err)
{
	struct preauth_key *k = tables_preauth(&d->t, ((struct preauth_req *)c->req)->id);

	if (k == NULL) {
		err_set(err, "auth-key not found");
		return ST_NOT_FOUND;
	}
	*copy_out = preauth_key_copy(k);
	return ST_OK;
}

static void preauth_changed(struct draft *d, struct command *c, struct preauth_key *k, const char *action)
{
	c->r.preauth = preauth_key_ref(k);
	draft_put_preauth(d, k, action);
}

static enum status preauth_expire_run(struct draft *d, struct command *c, struct err *err)
{
	struct preauth_key *k = NULL;
	enum status s = preauth_old(d, c, &k, err);

	if (s != ST_OK)
		return s;
	k->expires_ns = d->now_ns;
	preauth_changed(d, c, k, "preauthkey.expire");
	return ST_OK;
}

static enum status preauth_revoke_run(struct draft *d, struct command *c, struct err *err)
{
	struct preauth_key *k = NULL;
	enum status s = preauth_old(d, c, &k, err);

	if (s != ST_OK)
		return s;
	if (k->revoked_ns == TIME_NONE)
		k->revoked_ns = d->now_ns;
	preauth_changed(d, c, k, "preauthkey.revoke");
	return ST_OK;
}

static enum status preauth_delete_run(struct draft *d, struct command *c, struct err *err)
{
	key_id id = ((struct preauth_req *)c->req)->id;

	if (tables_preauth(&d->t, id) == NULL) {
		err_set(err, "auth-key not found");
		return ST_NOT_FOUND;
	}
	draft_delete_preauth(d, id, "preauthkey.delete");
	return ST_OK;
}

static enum status preauth_get_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	struct preauth_key *k = tables_preauth(&st->tables, ((struct preauth_req *)c->req)->id);

	(void)t;
	if (k == NULL) {
		err_set(err, "auth-key not found");
		return ST_NOT_FOUND;
	}
	c->r.preauth = preauth_key_ref(k);
	return ST_OK;
}

/* Lists hold their keys by the arena: a reference each, dropped with it. */
static void drop_preauth(void *p)
{
	struct preauth_key *k = p;

	preauth_key_unref(&k);
}

static enum status preauth_list_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	struct preauth_key **v;

	(void)t;
	(void)err;
	c->r.n = tables_all_preauth(&st->tables, c->a, &v);
	c->r.preauths = v;
	for (size_t i = 0; i < c->r.n; i++)
		arena_on_free(c->a, drop_preauth, preauth_key_ref(v[i]));
	return ST_OK;
}

static enum status preauth_by_id(struct state *st, const struct command_type *type, const struct state_actor *by,
				 key_id id, state_done_fn done, void *arg, struct err *err)
{
	struct command *c = command_new(type, sizeof(struct preauth_req), by, done, arg);

	((struct preauth_req *)c->req)->id = id;
	return command_submit(st, c, err);
}

enum status state_preauth_expire(struct state *st, const struct state_actor *by, key_id id, state_done_fn done,
				 void *arg, struct err *err)
{
	static const struct command_type type = { .name = "preauth expire", .class = CLASS_DURABLE,
						   .run = preauth_expire_run };

	return preauth_by_id(st, &type, by, id, done, arg, err);
}

enum status state_preauth_revoke(struct state *st, const struct state_actor *by, key_id id, state_done_fn done,
				 void *arg, struct err *err)
{
	static const struct command_type type = { .name = "preauth revoke", .class = CLASS_DURABLE,
						   .run = preauth_revoke_run };

	return preauth_by_id(st, &type, by, id, done, arg, err);
}

enum status state_preauth_delete(struct state *st, const struct state_actor *by, key_id id, state_done_fn done,
				 void *arg, struct err *err)
{
	static const struct command_type type = { .name = "preauth delete", .class = CLASS_DURABLE,
						   .run = preauth_delete_run };

	return preauth_by_id(st, &type, by, id, done, arg, err);
}

enum status state_preauth_get(struct state *st, key_id id, state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "preauth get", .class = CLASS_NOW, .now = preauth_get_now };

	return preauth_by_id(st, &type, NULL, id, done, arg, err);
}

enum status state_preauth_list(struct state *st, state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "preauth list", .class = CLASS_NOW,
						   .now = preauth_list_now };

	return preauth_by_id(st, &type, NULL, 0, done, arg, err);
}

/* ---- credentials of the API ------------------------------------------------------------------ */

static const char *const api_marker[] = { [API_KEY] = "hskey-api-", [API_CLIENT] = "hskey-client-",
					  [API_TOKEN] = "hskey-oauthtok-" };

struct api_req {
	enum api_key_kind kind;
	key_id id, parent;
	const char *name;
	user_id user;
	struct str_list *scopes, *tags;
	int64_t expires_ns;
	const char *description;
	char text[KEY_SECRET_TEXT_MAX]; /* to be checked */
};

static void api_release(struct command *c)
{
	struct api_req *r = c->req;

	str_list_unref(&r->scopes);
	str_list_unref(&r->tags);
	secret_wipe(r->text, sizeof r->text);
}

static enum status api_create_run(struct draft *d, struct command *c, struct err *err)
{
	const struct api_req *r = c->req;
	struct api_key *k;

	if (r->user != 0 && draft_user(d, r->user) == NULL) {
		err_set(err, "user not found");
		return ST_NOT_FOUND;
	}
	if (r->parent != 0 && tables_api_key(&d->t, r->parent) == NULL) {
		err_set(err, "no such OAuth client");
		return ST_NOT_FOUND;
	}
	k = api_key_new();
	k->id = draft_next_api_key_id(d);
	k->tailnet = d->st->o.tailnet;
	k->kind = r->kind;
	make_text(api_marker[r->kind], k->name, c->secret, &k->hash);
	k->user = r->user;
	k->parent = r->parent;
	k->scopes = str_list_ref(r->scopes);
	k->tags = str_list_ref(r->tags);
	free(k->description);
	k->description = xstrdup(r->description ? r->description : "");
	k->created_ns = d->now_ns;
	k->expires_ns = r->expires_ns;
	c->r.api_key = api_key_ref(k);
	c->r.secret = c->secret;
	draft_put_api_key(d, k, "apikey.create");
	return ST_OK;
}

enum status state_api_key_create(struct state *st, const struct state_api_key_new *r, state_done_fn done, void *arg,
				 struct err *err)
{
	static const struct command_type type = { .name = "api key create", .class = CLASS_DURABLE,
						   .run = api_create_run, .release = api_release };
	enum status s = tags_check(r->tags, r->n_tags, err);
	struct command *c;
	struct api_req *q;

	if (s == ST_OK && (r->kind < API_KEY || r->kind > API_TOKEN || r->n_scopes > 256)) {
		err_set(err, "no such kind of key, or too many scopes");
		s = ST_BAD_INPUT;
	}
	if (s != ST_OK)
		return s;
	c = command_new(&type, sizeof *q, &r->by, done, arg);
	q = c->req;
	q->kind = r->kind;
	q->user = r->user;
	q->parent = r->parent;
	q->scopes = str_list_new_set(r->scopes, r->n_scopes);
	q->tags = str_list_new_set(r->tags, r->n_tags);
	q->expires_ns = r->expires_ns;
	q->description = arena_strdup(c->a, r->description);
	return command_submit(st, c, err);
}

static struct api_key *api_of(const struct tables *t, const struct api_req *r)
{
	struct api_key *k = r->id ? tables_api_key(t, r->id) : r->name ? tables_api_key_named(t, r->kind, r->name) : NULL;

	return k != NULL && k->kind == r->kind ? k : NULL;
}

static enum status api_find(const struct draft *d, const struct command *c, struct api_key **out, struct err *err)
{
	*out = api_of(&d->t, c->req);
	if (*out != NULL)
		return ST_OK;
	err_set(err, "api key not found");
	return ST_NOT_FOUND;
}

static enum status api_end(struct draft *d, struct command *c, bool revoke, struct err *err)
{
	struct api_key *k;
	enum status s = api_find(d, c, &k, err);

	if (s != ST_OK)
		return s;
	k = api_key_copy(k);
	if (!revoke)
		k->expires_ns = d->now_ns;
	else if (k->revoked_ns == TIME_NONE)
		k->revoked_ns = d->now_ns;
	c->r.api_key = api_key_ref(k);
	draft_put_api_key(d, k, revoke ? "apikey.revoke" : "apikey.expire");
	return ST_OK;
}

static enum status api_expire_run(struct draft *d, struct command *c, struct err *err)
{
	return api_end(d, c, false, err);
}

static enum status api_revoke_run(struct draft *d, struct command *c, struct err *err)
{
	return api_end(d, c, true, err);
}

static enum status api_delete_run(struct draft *d, struct command *c, struct err *err)
{
	struct api_key *k, **all;
	enum status s = api_find(d, c, &k, err);
	key_id id;
	size_t n;

	if (s != ST_OK)
		return s;
	id = k->id;
	n = k->kind == API_CLIENT ? tables_all_api_keys(&d->t, c->a, &all) : 0;
	for (size_t i = 0; i < n; i++)
		if (all[i]->parent == id)
			draft_delete_api_key(d, all[i]->id, "apikey.delete");
	draft_delete_api_key(d, id, "apikey.delete");
	return ST_OK;
}

static enum status api_by_ref(struct state *st, const struct command_type *type, const struct state_api_key_ref *r,
			      state_done_fn done, void *arg, struct err *err)
{
	struct command *c = command_new(type, sizeof(struct api_req), &r->by, done, arg);
	struct api_req *q = c->req;

	q->kind = r->kind;
	q->id = r->id;
	q->name = arena_strdup(c->a, r->name);
	return command_submit(st, c, err);
}

enum status state_api_key_expire(struct state *st, const struct state_api_key_ref *r, state_done_fn done, void *arg,
				 struct err *err)
{
	static const struct command_type type = { .name = "api key expire", .class = CLASS_DURABLE,
						   .run = api_expire_run };

	return api_by_ref(st, &type, r, done, arg, err);
}

enum status state_api_key_revoke(struct state *st, const struct state_api_key_ref *r, state_done_fn done, void *arg,
				 struct err *err)
{
	static const struct command_type type = { .name = "api key revoke", .class = CLASS_DURABLE,
						   .run = api_revoke_run };

	return api_by_ref(st, &type, r, done, arg, err);
}

enum status state_api_key_delete(struct state *st, const struct state_api_key_ref *r, state_done_fn done, void *arg,
				 struct err *err)
{
	static const struct command_type type = { .name = "api key delete", .class = CLASS_DURABLE,
						   .run = api_delete_run };

	return api_by_ref(st, &type, r, done, arg, err);
}

/* ---- last use --------------------------------------------------------------------------------- */

static struct last_use *last_use(struct state *st, key_id id)
{
	uint64_t v;

	for (size_t pos = 0; trie_next(st->last_uses, trie_hash_id(id), &pos, &v);)
		if (((struct last_use *)(uintptr_t)v)->id == id)
			return (struct last_use *)(uintptr_t)v;
	return NULL;
}

static void note_use(struct state *st, key_id id)
{
	struct last_use *u = last_use(st, id);

	if (u == NULL) {
		u = xcalloc(1, sizeof *u);
		u->id = id;
		u->written_ns = TIME_NONE;
		trie_put(&st->last_uses, trie_hash_id(id), (uint64_t)(uintptr_t)u, &trie_numbers);
	}
	u->at_ns = state_unix_ns(st);
	if (!u->queued && (u->written_ns == TIME_NONE || u->at_ns - u->written_ns >= LAST_USED_WRITE_NS)) {
		u->queued = true;
		vec_push(&st->used, id);
	}
}

/* The key with what is known of its use; returned. */
static struct api_key *with_last_use(struct state *st, struct api_key *k)
{
	const struct last_use *u = last_use(st, k->id);
	struct api_key *c;

	if (u == NULL)
		return api_key_ref(k);
	c = api_key_copy(k);
	c->last_used_ns = u->at_ns;
	return c;
}

void state_last_use_rows(struct state *st, struct draft *d)
{
	for (size_t i = 0; i < st->used.n; i++) {
		struct last_use *u = last_use(st, st->used.v[i]);
		struct api_key *k = tables_api_key(&d->t, st->used.v[i]);

		if (u == NULL)
			continue;
		u->queued = false;
		u->written_ns = u->at_ns;
		if (k == NULL)
			continue;
		k = api_key_copy(k);
		k->last_used_ns = u->at_ns;
		draft_put_api_key(d, k, NULL);
	}
	st->used.n = 0;
}

struct sweep {
	struct state *st;
	VEC(struct last_use *) gone;
};

static bool sweep_one(void *arg, uint64_t hash, uint64_t val)
{
	struct last_use *u = (struct last_use *)(uintptr_t)val;
	struct sweep *s = arg;

	(void)hash;
	if (tables_api_key(&s->st->tables, u->id) == NULL)
		vec_push(&s->gone, u);
	return true;
}

void state_sweep_last_uses(struct state *st)
{
	struct sweep s = { st, { 0 } };

	trie_each(st->last_uses, sweep_one, &s);
	for (size_t i = 0; i < s.gone.n; i++) {
		trie_del(&st->last_uses, trie_hash_id(s.gone.v[i]->id), (uint64_t)(uintptr_t)s.gone.v[i]);
		free(s.gone.v[i]);
	}
	vec_release(&s.gone);
}

/* ---- check and list ------------------------------------------------------------------------------ */

static bool legacy_api(struct bytes text, char name[static KEY_NAME_MAX], struct bytes *secret)
{
	if (text.n != 7 + 1 + 32 || text.p[7] != '.')
		return false;
	memcpy(name, text.p, 7);
	name[7] = '\0';
	*secret = bytes_skip(text, 8);
	return memchr(name, '\0', 7) == NULL;
}

static struct api_key *api_by_text(const struct tables *t, struct bytes text, struct bytes *secret)
{
	char name[KEY_NAME_MAX];

	for (int kind = API_KEY; kind <= API_TOKEN; kind++)
		if (key_text_split(text, api_marker[kind], name, secret))
			return tables_api_key_named(t, (enum api_key_kind)kind, name);
	return legacy_api(text, name, secret) ? tables_api_key_named(t, API_KEY, name) : NULL;
}

static enum status api_upgrade_run(struct draft *d, struct command *c, struct err *err)
{
	const struct api_req *r = c->req;
	struct bytes secret = { 0, 0 };
	struct api_key *k = api_by_text(&d->t, bytes_of_str(r->text), &secret);

	(void)err;
	if (k == NULL || k->id != r->id || k->hash.form == SECRET_SHA256)
		return ST_OK;
	k = api_key_copy(k);
	secret_hash_sha256(secret, &k->hash);
	draft_put_api_key(d, k, NULL);
	return ST_OK;
}

static void upgrade(struct state *st, key_id id, const char *text)
{
	static const struct command_type type = { .name = "api key upgrade", .class = CLASS_DURABLE,
						   .run = api_upgrade_run, .release = api_release };
	struct command *c = command_new(&type, sizeof(struct api_req), NULL, NULL, NULL);
	struct api_req *q = c->req;

	q->id = id;
	snprintf(q->text, sizeof q->text, "%s", text);
	command_submit_internal(st, c);
}

static enum status refuse(struct err *err, const char *why)
{
	err_set(err, "%s", why);
	return ST_DENIED;
}

static enum status api_check_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	struct api_req *r = c->req;
	struct bytes secret = { 0, 0 };
	struct api_key *k = api_by_text(&st->tables, bytes_of_str(r->text), &secret), *parent;
	int64_t now = state_unix_ns(st);
	enum status s;

	(void)t;
	if (k == NULL)
		return refuse(err, "unknown key");
	s = check_secret(c, k->id, &k->hash, secret);
	if (s == ST_AGAIN)
		return s;
	if (s != ST_OK)
		return refuse(err, "wrong secret");
	parent = k->parent ? tables_api_key(&st->tables, k->parent) : NULL;
	if (k->revoked_ns != TIME_NONE || (k->parent != 0 && (parent == NULL || parent->revoked_ns != TIME_NONE)))
		return refuse(err, "revoked key");
	if (k->expires_ns != TIME_NONE && k->expires_ns <= now)
		return refuse(err, "expired key");
	if (k->hash.form != SECRET_SHA256)
		upgrade(st, k->id, r->text);
	note_use(st, k->id);
	c->r.api_key = with_last_use(st, k);
	command_set_user(c, k->user ? snapshot_user(st->cur, k->user) : NULL);
	return ST_OK;
}

enum status state_api_key_check(struct state *st, struct bytes text, state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "api key check", .class = CLASS_NOW, .now = api_check_now,
						   .release = api_release };
	struct command *c;
	struct api_req *q;

	if (text.n == 0 || text.n >= KEY_SECRET_TEXT_MAX || memchr(text.p, '\0', text.n) != NULL) {
		err_set(err, "no key has that form");
		return ST_BAD_INPUT;
	}
	c = command_new(&type, sizeof *q, NULL, done, arg);
	q = c->req;
	memcpy(q->text, text.p, text.n);
	return command_submit(st, c, err);
}

static void drop_api(void *p)
{
	struct api_key *k = p;

	api_key_unref(&k);
}

static enum status api_list_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	const struct api_req *r = c->req;
	struct api_key **v;
	size_t n = tables_all_api_keys(&st->tables, c->a, &v), m = 0;

	(void)t;
	(void)err;
	for (size_t i = 0; i < n; i++) {
		if (r->kind != 0 && v[i]->kind != r->kind)
			continue;
		v[m] = with_last_use(st, v[i]);
		arena_on_free(c->a, drop_api, v[m++]);
	}
	c->r.n = m;
	c->r.api_keys = v;
	return ST_OK;
}

enum status state_api_key_list(struct state *st, enum api_key_kind kind, state_done_fn done, void *arg,
			       struct err *err)
{
	static const struct command_type type = { .name = "api key list", .class = CLASS_NOW, .now = api_list_now };
	struct command *c = command_new(&type, sizeof(struct api_req), NULL, done, arg);

	((struct api_req *)c->req)->kind = kind;
	return command_submit(st, c, err);
}
