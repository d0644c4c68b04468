/* api/keys.c -- /api/v1/preauthkey..., /api/v1/apikey... */
#include "api/api_priv.h"
#include "api/list.h"

#define PREAUTH_DEFAULT_NS (3600 * NS_PER_S)
#define API_KEY_DEFAULT_NS (90 * 24 * 3600 * NS_PER_S)

static void answer_empty(struct api_op *op)
{
	api_send_empty(op->req);
}

/* ---- pre-auth keys ---- */

static void answer_created(struct api_op *op)
{
	struct api_out o;

	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "preAuthKey");
	api_put_preauth_key(&o.w, api_snapshot(op->api, op->loop), op->preauth, op->secret);
	jw_obj_end(&o.w);
	api_out_send(op->req, &o);
}

static void preauth_create(void *arg, struct http_req *r)
{
	struct state_preauth_new k = { .by = api_actor(r, "preauthkeys create"), .expires_ns = TIME_NONE };
	const char *user, **tags;
	struct json_object *body;
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;

	if (!api_body(r, true, "user reusable ephemeral expiration aclTags description", &body) || !api_text(r, body, "user", &user) || !api_bool(r, body, "reusable", &k.reusable) ||
	    !api_bool(r, body, "ephemeral", &k.ephemeral) || !api_time(r, body, "expiration", &k.expires_ns) ||
	    !api_strings(r, body, "aclTags", &tags, &k.n_tags) || !api_text(r, body, "description", &k.description))
		return;
	if (!api_user_ref(r, api_snapshot(a, r->loop), user, "body.user", &k.user))
		return;
	k.tags = tags;
	if (k.user == 0 && k.n_tags == 0) {
		api_problem(r, 400, "auth-key must be either tagged or owned by user", NULL, NULL);
		return;
	}
	/* A key that was born expired, as the Go server makes it of a missing time, serves nobody. */
	if (k.expires_ns == TIME_NONE)
		k.expires_ns = clock_unix_ns() + PREAUTH_DEFAULT_NS;
	op = api_op_new(a, r, "creating pre-auth key", answer_created);
	api_op_submitted(op, state_preauth_create(a->state, &k, api_op_done, op, &e), &e);
}

static int compare_time(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* Both kinds of keys, by the same three members and one more. */
#define COMPARE(name, type, member)                                                                                    \
	static int name(const void *a, const void *b)                                                                  \
	{                                                                                                              \
		return compare_time((int64_t)((const struct type *)a)->member, (int64_t)((const struct type *)b)->member); \
	}
COMPARE(preauth_by_id, preauth_key, id)
COMPARE(preauth_by_created, preauth_key, created_ns)
COMPARE(preauth_by_expiry, preauth_key, expires_ns)
COMPARE(apikey_by_id, api_key, id)
COMPARE(apikey_by_created, api_key, created_ns)
COMPARE(apikey_by_expiry, api_key, expires_ns)
COMPARE(apikey_by_seen, api_key, last_used_ns)

static const struct api_sort preauth_sorts[] = {
	{ "id", preauth_by_id }, { "createdAt", preauth_by_created }, { "expiration", preauth_by_expiry }, { NULL, NULL }
};
static const struct api_sort apikey_sorts[] = { { "id", apikey_by_id },
						{ "createdAt", apikey_by_created },
						{ "expiration", apikey_by_expiry },
						{ "lastSeen", apikey_by_seen },
						{ NULL, NULL } };

struct filter {
	user_id user; /* 0: all */
	const char *tag;
	enum api_wish used, reusable, ephemeral, expired;
	int64_t now_ns;
};

static bool parse_filter(struct api_op *op, struct filter *f)
{
	struct http_req *r = op->req;

	*f = (struct filter){ .tag = api_given(r, "tag"), .now_ns = clock_unix_ns() };
	return api_user_ref(r, api_snapshot(op->api, op->loop), api_given(r, "user"), "query.user", &f->user) &&
	       api_wish_parse(r, "used", &f->used) && api_wish_parse(r, "reusable", &f->reusable) &&
	       api_wish_parse(r, "ephemeral", &f->ephemeral) && api_wish_parse(r, "expired", &f->expired);
}

static bool over(int64_t expires_ns, int64_t now_ns)
{
	return expires_ns != TIME_NONE && expires_ns <= now_ns;
}

static bool wanted(const struct filter *f, const struct preauth_key *k)
{
	return (f->user == 0 || k->user == f->user) && (f->tag == NULL || str_list_has(k->tags, f->tag)) &&
	       api_wish_fits(f->used, k->used) && api_wish_fits(f->reusable, k->reusable) &&
	       api_wish_fits(f->ephemeral, k->ephemeral) && api_wish_fits(f->expired, over(k->expires_ns, f->now_ns));
}

static void answer_preauths(struct api_op *op)
{
	struct snapshot *s = api_snapshot(op->api, op->loop);
	const void **v = ARENA_ARRAY(op->req->arena, const void *, op->n + 1);
	size_t n = 0, first, count;
	struct api_list how;
	struct filter f;
	struct api_out o;

	if (!api_list_parse(op->req, preauth_sorts, &how) || !parse_filter(op, &f))
		return;
	for (size_t i = 0; i < op->n; i++)
		if (wanted(&f, op->preauths[i]))
			v[n++] = op->preauths[i];
	api_list_cut(op->req, &how, v, n, &first, &count);
	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "preAuthKeys");
	jw_arr_begin(&o.w);
	for (size_t i = 0; i < count; i++)
		api_put_preauth_key(&o.w, s, v[first + i], NULL);
	jw_arr_end(&o.w);
	jw_obj_end(&o.w);
	api_out_send_tagged(op->req, &o);
}

static void preauth_list(void *arg, struct http_req *r)
{
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op = api_op_new(a, r, "listing pre-auth keys", answer_preauths);

	api_op_submitted(op, state_preauth_list(a->state, api_op_done, op, &e), &e);
}

static void expire_id(struct api *a, struct http_req *r, key_id id)
{
	struct state_actor by = api_actor(r, "preauthkeys expire");
	struct api_op *op = api_op_new(a, r, "expiring pre-auth key", answer_empty);
	struct err e = { 0 };

	api_op_submitted(op, state_preauth_expire(a->state, &by, id, api_op_done, op, &e), &e);
}

/* Is this the key, said by its text or by what lists show of it? */
static bool is_key(struct http_req *r, const struct preauth_key *k, const char *text)
{
	char masked[KEY_SECRET_TEXT_MAX];

	preauth_key_mask(k, masked);
	if (strcmp(masked, text) == 0)
		return true;
	return strncmp(text, "hskey-auth-", 11) == 0 && strcmp(k->name, arena_strndup(r->arena, text + 11, strcspn(text + 11, "-*"))) == 0;
}

static void expire_listed(struct api_op *op)
{
	for (size_t i = 0; i < op->n; i++) {
		if (is_key(op->req, op->preauths[i], op->wanted)) {
			expire_id(op->api, op->req, op->preauths[i]->id);
			return;
		}
	}
	api_problem(op->req, 404, "expiring pre-auth key", "auth-key not found", "body.key");
}

/* By number; or, as until 0.27 and still by consoles, by the key's text (with a user, which says nothing more). */
static void preauth_expire(void *arg, struct http_req *r)
{
	struct json_object *body;
	const char *id_text, *key;
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t id;

	if (!api_body(r, false, "id user key", &body) || !api_text(r, body, "id", &id_text) || !api_text(r, body, "key", &key))
		return;
	if (id_text != NULL || key == NULL || key[0] == '\0') {
		if (api_number(r, id_text != NULL ? id_text : "", "invalid key id", "body.id", &id))
			expire_id(a, r, id);
		return;
	}
	op = api_op_new(a, r, "expiring pre-auth key", expire_listed);
	op->wanted = arena_strdup(r->arena, key);
	api_op_submitted(op, state_preauth_list(a->state, api_op_done, op, &e), &e);
}

static void preauth_delete(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "preauthkeys delete");
	const char *text = http_req_query(r, "id");
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t id;

	if (!api_number(r, text != NULL ? text : "", "invalid key id", "query.id", &id))
		return;
	op = api_op_new(a, r, "deleting pre-auth key", answer_empty);
	api_op_submitted(op, state_preauth_delete(a->state, &by, id, api_op_done, op, &e), &e);
}

/* ---- API keys ---- */

static void answer_api_key(struct api_op *op)
{
	struct api_out o;

	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_kstr(&o.w, "apiKey", op->secret);
	jw_obj_end(&o.w);
	api_out_send(op->req, &o);
}

static void apikey_create(void *arg, struct http_req *r)
{
	struct state_api_key_new k = { .by = api_actor(r, "apikeys create"), .kind = API_KEY, .expires_ns = TIME_NONE };
	struct json_object *body;
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;

	if (!api_body(r, true, "expiration", &body) || !api_time(r, body, "expiration", &k.expires_ns))
		return;
	if (k.expires_ns == TIME_NONE)
		k.expires_ns = clock_unix_ns() + API_KEY_DEFAULT_NS;
	op = api_op_new(a, r, "creating api key", answer_api_key);
	api_op_submitted(op, state_api_key_create(a->state, &k, api_op_done, op, &e), &e);
}

static void answer_api_keys(struct api_op *op)
{
	const void **v = ARENA_ARRAY(op->req->arena, const void *, op->n + 1);
	int64_t now_ns = clock_unix_ns();
	size_t n = 0, first, count;
	enum api_wish expired;
	struct api_list how;
	struct api_out o;

	if (!api_list_parse(op->req, apikey_sorts, &how) || !api_wish_parse(op->req, "expired", &expired))
		return;
	for (size_t i = 0; i < op->n; i++)
		if (api_wish_fits(expired, over(op->api_keys[i]->expires_ns, now_ns)))
			v[n++] = op->api_keys[i];
	api_list_cut(op->req, &how, v, n, &first, &count);
	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "apiKeys");
	jw_arr_begin(&o.w);
	for (size_t i = 0; i < count; i++)
		api_put_api_key(&o.w, v[first + i]);
	jw_arr_end(&o.w);
	jw_obj_end(&o.w);
	api_out_send_tagged(op->req, &o);
}

static void apikey_list(void *arg, struct http_req *r)
{
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op = api_op_new(a, r, "listing api keys", answer_api_keys);

	api_op_submitted(op, state_api_key_list(a->state, API_KEY, api_op_done, op, &e), &e);
}

/* The 12 (or 7) characters that name a key, out of any form it is shown in. */
static const char *bare_prefix(struct http_req *r, const char *text)
{
	const char *p = strncmp(text, "hskey-api-", 10) == 0 ? text + 10 : text;

	return arena_strndup(r->arena, p, strcspn(p, "-*."));
}

static void apikey_expire(void *arg, struct http_req *r)
{
	struct state_api_key_ref ref = { .by = api_actor(r, "apikeys expire"), .kind = API_KEY };
	const char *id, *prefix;
	struct json_object *body;
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;

	if (!api_body(r, false, "id prefix", &body) || !api_text(r, body, "id", &id) || !api_text(r, body, "prefix", &prefix))
		return;
	if (id != NULL && (id[0] == '\0' || strcmp(id, "0") == 0))
		id = NULL;
	if (prefix != NULL && prefix[0] == '\0')
		prefix = NULL;
	if ((id == NULL) == (prefix == NULL)) {
		api_problem(r, 400, id == NULL ? "must provide id or prefix" : "provide either id or prefix, not both", NULL, NULL);
		return;
	}
	if (id != NULL && !api_number(r, id, "invalid key id", "body.id", &ref.id))
		return;
	ref.name = prefix != NULL ? bare_prefix(r, prefix) : NULL;
	op = api_op_new(a, r, "expiring api key", answer_empty);
	api_op_submitted(op, state_api_key_expire(a->state, &ref, api_op_done, op, &e), &e);
}

static void apikey_delete(void *arg, struct http_req *r)
{
	struct state_api_key_ref ref = { .by = api_actor(r, "apikeys delete"), .kind = API_KEY };
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;

	ref.name = bare_prefix(r, http_req_param(r, "prefix"));
	op = api_op_new(a, r, "deleting api key", answer_empty);
	api_op_submitted(op, state_api_key_delete(a->state, &ref, api_op_done, op, &e), &e);
}

void api_keys_routes(struct api *a, struct http_router *r)
{
	api_route(r, a, "POST", "/api/v1/preauthkey", preauth_create);
	api_route(r, a, "GET", "/api/v1/preauthkey", preauth_list);
	api_route(r, a, "POST", "/api/v1/preauthkey/expire", preauth_expire);
	api_route(r, a, "DELETE", "/api/v1/preauthkey", preauth_delete);
	api_route(r, a, "POST", "/api/v1/apikey", apikey_create);
	api_route(r, a, "GET", "/api/v1/apikey", apikey_list);
	api_route(r, a, "POST", "/api/v1/apikey/expire", apikey_expire);
	api_route(r, a, "DELETE", "/api/v1/apikey/{prefix}", apikey_delete);
}
