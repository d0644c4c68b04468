/*
 * api/api.c -- credentials, bodies, and the way of a request through the writer and back.
 *
 * A command's answer comes on the writer's thread. It takes its own references there and goes to the request's loop,
 * behind the snapshot that shows it: messages of one poster keep their order.
 */
#include "api/api_priv.h"
#include "api/list.h"

#include <stdlib.h>

#include "base/vec.h"
#include "crypto/secret.h"
#include "net/addr_rate.h"

struct api *api_new(const struct api_opts *o)
{
	struct api *a = xcalloc(1, sizeof *a);

	a->state = o->state;
	a->snapshot = o->snapshot;
	a->snapshot_arg = o->snapshot_arg;
	a->policy_in_database = o->policy_in_database;
	a->policy_path = xstrdup(o->policy_path != NULL ? o->policy_path : "");
	a->policy_max = o->policy_max != 0 ? o->policy_max : (size_t)4 << 20;
	a->cors_origins = xcalloc(o->n_cors_origins + 1, sizeof *a->cors_origins);
	for (; a->n_cors_origins < o->n_cors_origins; a->n_cors_origins++)
		a->cors_origins[a->n_cors_origins] = xstrdup(o->cors_origins[a->n_cors_origins]);
	a->rate = o->requests_per_second != 0 ? addr_rate_new(2.0 * o->requests_per_second, o->requests_per_second) : NULL;
	return a;
}

void api_free(struct api **a)
{
	if (*a == NULL)
		return;
	free((*a)->policy_path);
	for (size_t i = 0; i < (*a)->n_cors_origins; i++)
		free((*a)->cors_origins[i]);
	free((*a)->cors_origins);
	addr_rate_free(&(*a)->rate);
	free(*a);
	*a = NULL;
}

void api_set_router(struct api *a, const struct http_router *r)
{
	a->router = r;
}

void api_route(struct http_router *r, struct api *a, const char *method, const char *pattern, http_handler_fn *fn)
{
	http_router_add(r, &(struct http_route){ .methods = method, .pattern = pattern, .fn = fn, .arg = a, .auth = API_AUTH_ADMIN });
}

void api_add_routes(struct api *a, struct http_router *r)
{
	api_users_routes(a, r);
	api_nodes_routes(a, r);
	api_keys_routes(a, r);
	api_misc_routes(a, r);
	api_openapi_routes(a, r);
}

struct snapshot *api_snapshot(struct api *a, struct loop *l)
{
	return a->snapshot(a->snapshot_arg, l);
}

/* ---- answers ---- */

void api_out_init(struct api_out *o)
{
	buf_init(&o->b, (size_t)1 << 30);
	jw_init(&o->w, &o->b);
}

void api_out_send(struct http_req *r, struct api_out *o)
{
	buf_put_char(&o->b, '\n');
	http_respond(r, 200, "application/json", buf_bytes(&o->b));
	buf_release(&o->b);
}

void api_out_send_tagged(struct http_req *r, struct api_out *o)
{
	char tag[17];

	api_tag_of(buf_bytes(&o->b), tag);
	if (api_etag(r, tag))
		buf_release(&o->b);
	else
		api_out_send(r, o);
}

void api_send_empty(struct http_req *r)
{
	http_respond(r, 200, "application/json", BYTES_LIT("{}\n"));
}

void api_problem(struct http_req *r, int http_status, const char *detail, const char *message, const char *where)
{
	struct api_out o;

	api_out_init(&o);
	api_put_problem(&o.w, http_status, detail, message, where);
	buf_put_char(&o.b, '\n');
	http_respond(r, http_status, "application/problem+json", buf_bytes(&o.b));
	buf_release(&o.b);
}

static int http_status_of(const struct api_op *op)
{
	switch (op->status) {
	case ST_NOT_FOUND:
		return 404;
	case ST_CONFLICT:
		return op->conflict_http != 0 ? op->conflict_http : 409;
	case ST_BAD_INPUT:
	case ST_DENIED:
	case ST_EXPIRED:
	case ST_UNSUPPORTED:
	case ST_TOO_BIG:
		return 400;
	case ST_BUSY:
	case ST_CLOSED:
		return 503;
	default:
		return 500;
	}
}

/* ---- requests that wait for the writer ---- */

static void cancelled(void *arg, struct http_req *r)
{
	struct api_op *op = arg;

	(void)r;
	op->req = NULL;
}

struct api_op *api_op_new(struct api *a, struct http_req *r, const char *action, void (*answer)(struct api_op *op))
{
	struct api_op *op = xcalloc(1, sizeof *op);

	op->api = a;
	op->req = r;
	op->loop = r->loop;
	op->action = action;
	op->answer = answer;
	http_on_cancel(r, cancelled, op);
	return op;
}

static void free_secret(char **s)
{
	if (*s == NULL)
		return;
	secret_wipe(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

static void op_free(struct api_op *op)
{
	node_unref(&op->node);
	user_unref(&op->user);
	preauth_key_unref(&op->preauth);
	api_key_unref(&op->api_key);
	for (size_t i = 0; i < op->n; i++) {
		if (op->preauths != NULL)
			preauth_key_unref(&op->preauths[i]);
		if (op->api_keys != NULL)
			api_key_unref(&op->api_keys[i]);
	}
	free(op->preauths);
	free(op->api_keys);
	free_secret(&op->secret);
	free(op->text);
	free(op->json);
	free(op);
}

static void op_finish(void *arg)
{
	struct api_op *op = arg;

	if (op->req != NULL) {
		if (op->status == ST_OK)
			op->answer(op);
		else
			api_problem(op->req, http_status_of(op), op->action,
				    op->err.text[0] != '\0' ? op->err.text : status_name(op->status), NULL);
	}
	op_free(op);
}

static void take_lists(struct api_op *op, const struct state_result *res)
{
	op->n = res->n;
	if (res->preauths != NULL) {
		op->preauths = xcalloc(res->n + 1, sizeof *op->preauths);
		for (size_t i = 0; i < res->n; i++)
			op->preauths[i] = preauth_key_ref(res->preauths[i]);
	}
	if (res->api_keys != NULL) {
		op->api_keys = xcalloc(res->n + 1, sizeof *op->api_keys);
		for (size_t i = 0; i < res->n; i++)
			op->api_keys[i] = api_key_ref(res->api_keys[i]);
	}
}

/* Rows and texts are borrowed for the call: they become JSON here. */
static void take_json(struct api_op *op, const struct state_result *res)
{
	struct api_out o;

	if (res->audit == NULL && res->texts == NULL)
		return;
	api_out_init(&o);
	jw_arr_begin(&o.w);
	for (size_t i = 0; i < res->n; i++) {
		if (res->audit != NULL)
			api_put_audit(&o.w, &res->audit[i]);
		else
			jw_str(&o.w, res->texts[i]);
	}
	jw_arr_end(&o.w);
	op->json = buf_take(&o.b, &op->json_n);
}

void api_op_done(void *arg, enum status s, const struct err *err, const struct state_result *res)
{
	struct api_op *op = arg;

	op->status = s;
	if (err != NULL)
		op->err = *err;
	if (s == ST_OK && res != NULL) {
		op->node = res->node != NULL ? node_ref(res->node) : NULL;
		op->user = res->user != NULL ? user_ref(res->user) : NULL;
		op->preauth = res->preauth != NULL ? preauth_key_ref(res->preauth) : NULL;
		op->api_key = res->api_key != NULL ? api_key_ref(res->api_key) : NULL;
		op->secret = xstrdup(res->secret);
		op->text = res->text.p != NULL ? bytes_strdup(res->text) : NULL;
		op->text_at_ns = res->text_at_ns;
		take_lists(op, res);
		take_json(op, res);
	}
	loop_post(op->loop, op_finish, op);
}

void api_op_submitted(struct api_op *op, enum status s, const struct err *err)
{
	if (s == ST_OK)
		return;
	op->status = s;
	if (err != NULL)
		op->err = *err;
	op_finish(op);
}

/* ---- who asks ---- */

struct credential {
	const char *name; /* for the audit log */
};

struct state_actor api_actor(struct http_req *r, const char *why)
{
	const struct credential *c = r->auth_data;

	return (struct state_actor){ .who = c != NULL ? c->name : "local", .why = why };
}

static void unauthorized(struct http_req *r)
{
	http_resp_header(r, "WWW-Authenticate", "Bearer");
	api_problem(r, 401, "Unauthorized", NULL, NULL);
}

static bool origin_allowed(const struct api *a, const char *origin)
{
	for (size_t i = 0; i < a->n_cors_origins; i++)
		if (strcmp(a->cors_origins[i], "*") == 0 || strcmp(a->cors_origins[i], origin) == 0)
			return true;
	return false;
}

void api_cors(struct api *a, struct http_req *r)
{
	const char *origin = http_req_header(r, "origin");

	if (a->n_cors_origins == 0 || strncmp(r->path, "/api/", 5) != 0)
		return;
	http_resp_header(r, "Vary", "Origin");
	if (origin == NULL || !origin_allowed(a, origin))
		return;
	http_resp_header(r, "Access-Control-Allow-Origin", origin);
	http_resp_header(r, "Access-Control-Expose-Headers", "ETag, X-Total-Count, Retry-After");
	if (strcmp(r->method, "OPTIONS") != 0)
		return;
	http_resp_header(r, "Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE");
	http_resp_header(r, "Access-Control-Allow-Headers", "Authorization, Content-Type, If-None-Match, If-Match");
	http_resp_header(r, "Access-Control-Max-Age", "600");
}

struct check {
	struct api *api;
	struct http_req *req; /* NULL: cancelled */
	struct loop *loop;
	enum status status;
	char name[KEY_SECRET_TEXT_MAX];
};

static void check_cancelled(void *arg, struct http_req *r)
{
	struct check *c = arg;

	(void)r;
	c->req = NULL;
}

static void check_finish(void *arg)
{
	struct check *c = arg;
	struct http_req *r = c->req;

	if (r != NULL && c->status == ST_OK) {
		struct credential *cred = ARENA_NEW(r->arena, struct credential);

		cred->name = arena_printf(r->arena, "api key %s", c->name);
		r->auth_data = cred;
		r->who = cred->name;
		http_on_cancel(r, NULL, NULL);
		http_router_resume(c->api->router, r);
	} else if (r != NULL && c->status == ST_BUSY) {
		http_respond_overload(r, 503, 1, 5);
	} else if (r != NULL) {
		unauthorized(r);
	}
	free(c);
}

static void check_done(void *arg, enum status s, const struct err *err, const struct state_result *res)
{
	struct check *c = arg;

	(void)err;
	c->status = s;
	if (s == ST_OK && res->api_key != NULL) {
		/* An OAuth client's secret or token is no key to API v1. */
		if (res->api_key->kind != API_KEY)
			c->status = ST_DENIED;
		memcpy(c->name, res->api_key->name, sizeof res->api_key->name);
	}
	loop_post(c->loop, check_finish, c);
}

enum http_verdict api_check(void *arg, struct http_req *r)
{
	const char *header = http_req_header(r, "authorization");
	struct api *a = arg;
	struct check *c;

	if (r->route->auth == API_AUTH_PUBLIC)
		return HTTP_ALLOW;
	if (!addr_rate_take(a->rate, &r->client, clock_mono_ns())) {
		http_respond_overload(r, 429, 1, 2);
		return HTTP_REFUSED;
	}
	if (r->route->auth != API_AUTH_ADMIN || header == NULL || strncmp(header, "Bearer ", 7) != 0 || header[7] == '\0') {
		unauthorized(r);
		return HTTP_REFUSED;
	}
	c = xcalloc(1, sizeof *c);
	c->api = a;
	c->req = r;
	c->loop = r->loop;
	http_on_cancel(r, check_cancelled, c);
	if (state_api_key_check(a->state, bytes_of_str(header + 7), check_done, c, NULL) != ST_OK) {
		http_on_cancel(r, NULL, NULL);
		free(c);
		unauthorized(r);
		return HTTP_REFUSED;
	}
	return HTTP_LATER;
}

enum http_verdict api_check_local(void *arg, struct http_req *r)
{
	(void)arg;
	r->who = "local socket";
	return HTTP_ALLOW;
}
