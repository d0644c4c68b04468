/* api/keys.c -- /api/v1/preauthkey..., /api/v1/apikey... */
#include "api/api_priv.h"

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

	if (!api_body(r, true, &body) || !api_text(r, body, "user", &user) || !api_bool(r, body, "reusable", &k.reusable) ||
	    !api_bool(r, body, "ephemeral", &k.ephemeral) || !api_time(r, body, "expiration", &k.expires_ns) ||
	    !api_strings(r, body, "aclTags", &tags, &k.n_tags) || !api_text(r, body, "description", &k.description))
		return;
	if (user != NULL && user[0] != '\0' && !api_number(r, user, "invalid user id", &k.user))
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

static void answer_preauths(struct api_op *op)
{
	struct snapshot *s = api_snapshot(op->api, op->loop);
	const char *user = http_req_query(op->req, "user");
	struct api_out o;
	uint64_t only = 0;

	if (user != NULL && user[0] != '\0' && !api_number(op->req, user, "invalid user id", &only))
		return;
	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "preAuthKeys");
	jw_arr_begin(&o.w);
	for (size_t i = 0; i < op->n; i++)
		if (only == 0 || op->preauths[i]->user == only)
			api_put_preauth_key(&o.w, s, op->preauths[i], NULL);
	jw_arr_end(&o.w);
	jw_obj_end(&o.w);
	api_out_send(op->req, &o);
}

static void preauth_list(void *arg, struct http_req *r)
{
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op = api_op_new(a, r, "listing pre-auth keys", answer_preauths);

	api_op_submitted(op, state_preauth_list(a->state, api_op_done, op, &e), &e);
}

static void preauth_expire(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "preauthkeys expire");
	struct json_object *body;
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	const char *text;
	uint64_t id;

	if (!api_body(r, false, &body) || !api_text(r, body, "id", &text) ||
	    !api_number(r, text != NULL ? text : "", "invalid key id", &id))
		return;
	op = api_op_new(a, r, "expiring pre-auth key", answer_empty);
	api_op_submitted(op, state_preauth_expire(a->state, &by, id, api_op_done, op, &e), &e);
}

static void preauth_delete(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "preauthkeys delete");
	const char *text = http_req_query(r, "id");
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t id;

	if (!api_number(r, text != NULL ? text : "", "invalid key id", &id))
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

	if (!api_body(r, true, &body) || !api_time(r, body, "expiration", &k.expires_ns))
		return;
	if (k.expires_ns == TIME_NONE)
		k.expires_ns = clock_unix_ns() + API_KEY_DEFAULT_NS;
	op = api_op_new(a, r, "creating api key", answer_api_key);
	api_op_submitted(op, state_api_key_create(a->state, &k, api_op_done, op, &e), &e);
}

static void answer_api_keys(struct api_op *op)
{
	struct api_out o;

	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "apiKeys");
	jw_arr_begin(&o.w);
	for (size_t i = 0; i < op->n; i++)
		api_put_api_key(&o.w, op->api_keys[i]);
	jw_arr_end(&o.w);
	jw_obj_end(&o.w);
	api_out_send(op->req, &o);
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

	if (!api_body(r, false, &body) || !api_text(r, body, "id", &id) || !api_text(r, body, "prefix", &prefix))
		return;
	if (id != NULL && (id[0] == '\0' || strcmp(id, "0") == 0))
		id = NULL;
	if (prefix != NULL && prefix[0] == '\0')
		prefix = NULL;
	if ((id == NULL) == (prefix == NULL)) {
		api_problem(r, 400, id == NULL ? "must provide id or prefix" : "provide either id or prefix, not both", NULL, NULL);
		return;
	}
	if (id != NULL && !api_number(r, id, "invalid key id", &ref.id))
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
