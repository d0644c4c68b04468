/* api/nodes.c -- /api/v1/node/..., /api/v1/auth/... The list is in nodes_list.c. */
#include "api/api_priv.h"
#include "api/list.h"

static void answer_node(struct api_op *op)
{
	struct api_out o;

	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "node");
	api_put_node(&o.w, api_snapshot(op->api, op->loop), op->node, op->preauth);
	jw_obj_end(&o.w);
	api_out_send(op->req, &o);
}

static void answer_empty(struct api_op *op)
{
	api_send_empty(op->req);
}

static bool node_of(struct http_req *r, uint64_t *id)
{
	return api_number(r, http_req_param(r, "id"), "type mismatch, parameter: node_id", "path.nodeId", id);
}

/* ---- one node ---- */

static void get_answer(struct api_op *op)
{
	const struct node *n = snapshot_node(api_snapshot(op->api, op->loop), op->number);
	struct api_out o;

	if (n == NULL) {
		api_problem(op->req, 404, "getting node", "node not found", NULL);
		return;
	}
	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "node");
	api_put_node(&o.w, api_snapshot(op->api, op->loop), n, op->preauth);
	jw_obj_end(&o.w);
	api_out_send(op->req, &o);
}

/* The node with its pre-auth key, which only the writer knows; a key that was deleted meanwhile is null. */
static void get_done(void *arg, enum status s, const struct err *err, const struct state_result *res)
{
	api_op_done(arg, s == ST_NOT_FOUND ? ST_OK : s, err, s == ST_OK ? res : NULL);
}

static void get(void *arg, struct http_req *r)
{
	struct api *a = arg;
	const struct node *n;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t id;

	if (!node_of(r, &id))
		return;
	n = snapshot_node(api_snapshot(a, r->loop), id);
	if (n == NULL) {
		api_problem(r, 404, "getting node", "node not found", NULL);
		return;
	}
	op = api_op_new(a, r, "getting node", get_answer);
	op->number = id;
	if (n->auth_key == 0) {
		op->status = ST_OK;
		api_op_done(op, ST_OK, NULL, NULL);
		return;
	}
	api_op_submitted(op, state_preauth_get(a->state, n->auth_key, get_done, op, &e), &e);
}

static void delete_node(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "nodes delete");
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t id;

	if (!node_of(r, &id))
		return;
	op = api_op_new(a, r, "deleting node", answer_empty);
	api_op_submitted(op, state_node_delete(a->state, &by, id, api_op_done, op, &e), &e);
}

static void expire(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "nodes expire");
	const char *query_expiry = http_req_query(r, "expiry");
	enum api_wish query_disable;
	int64_t at = STATE_NOW;
	struct json_object *body;
	bool disable = false;
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t id;

	if (!node_of(r, &id) || !api_body(r, true, "expiry disableExpiry", &body) || !api_time(r, body, "expiry", &at) ||
	    !api_bool(r, body, "disableExpiry", &disable))
		return;
	if (query_expiry != NULL && rfc3339_parse(bytes_of_str(query_expiry), &at) != ST_OK) {
		api_problem(r, 422, "validation failed", "expected string to be RFC 3339 date-time", "query.expiry");
		return;
	}
	if (!api_wish_parse(r, "disableExpiry", &query_disable))
		return;
	disable = disable || query_disable == API_YES;
	if (disable && at != STATE_NOW) {
		api_problem(r, 400, "cannot set both disable_expiry and expiry", NULL, NULL);
		return;
	}
	op = api_op_new(a, r, "expiring node", answer_node);
	api_op_submitted(op, state_node_expire(a->state, &by, id, disable ? TIME_NONE : at, api_op_done, op, &e), &e);
}

static void rename_node(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "nodes rename");
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t id;

	if (!node_of(r, &id))
		return;
	op = api_op_new(a, r, "renaming node", answer_node);
	op->conflict_http = 400;
	api_op_submitted(op, state_node_rename(a->state, &by, id, http_req_param(r, "name"), api_op_done, op, &e), &e);
}

static void set_tags(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "nodes tag");
	struct json_object *body;
	const char **tags;
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t id;
	size_t n;

	if (!node_of(r, &id) || !api_body(r, false, "tags", &body) || !api_strings(r, body, "tags", &tags, &n))
		return;
	if (n == 0) {
		api_problem(r, 400, "cannot remove all tags from a node - tagged nodes must have at least one tag", NULL, NULL);
		return;
	}
	op = api_op_new(a, r, "setting tags", answer_node);
	api_op_submitted(op, state_node_set_tags(a->state, &by, id, tags, n, api_op_done, op, &e), &e);
}

/* To another owner; the Go server had it until 0.27, consoles offer it. */
static void move_node(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "nodes move");
	struct json_object *body;
	const char *user;
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t id;
	user_id to;

	if (!node_of(r, &id) || !api_body(r, false, "user", &body) || !api_text(r, body, "user", &user) ||
	    !api_user_ref(r, api_snapshot(a, r->loop), user, "body.user", &to))
		return;
	if (to == 0) {
		api_problem(r, 422, "validation failed", "expected the number of a user", "body.user");
		return;
	}
	op = api_op_new(a, r, "moving node", answer_node);
	api_op_submitted(op, state_node_move(a->state, &by, id, to, api_op_done, op, &e), &e);
}

static void set_routes(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "nodes approve-routes");
	struct json_object *body;
	const struct ip_prefix *prefixes;
	const char **routes;
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t id;
	size_t n;

	if (!node_of(r, &id) || !api_body(r, false, "routes", &body) || !api_strings(r, body, "routes", &routes, &n))
		return;
	if (!api_prefixes(r, "routes", routes, n, &prefixes))
		return;
	op = api_op_new(a, r, "setting approved routes", answer_node);
	api_op_submitted(op, state_node_set_routes(a->state, &by, id, prefixes, n, api_op_done, op, &e), &e);
}

static void answer_changes(struct api_op *op)
{
	struct api_out o;

	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "changes");
	jw_raw(&o.w, op->json != NULL ? bytes_of(op->json, op->json_n) : BYTES_LIT("[]"));
	jw_obj_end(&o.w);
	api_out_send(op->req, &o);
}

static void backfill(void *arg, struct http_req *r)
{
	enum api_wish confirmed;
	struct state_actor by = api_actor(r, "nodes backfillips");
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;

	if (!api_wish_parse(r, "confirmed", &confirmed))
		return;
	if (confirmed != API_YES) {
		api_problem(r, 400, "backfilling node IPs", "not confirmed, aborting", "query.confirmed");
		return;
	}
	op = api_op_new(a, r, "backfilling node IPs", answer_changes);
	api_op_submitted(op, state_backfill_ips(a->state, &by, api_op_done, op, &e), &e);
}

/* ---- pending logins and SSH checks ---- */

bool api_auth_id(struct http_req *r, const char *detail, const char *id, const char *where)
{
	if (id == NULL || strncmp(id, AUTH_ID_PREFIX, strlen(AUTH_ID_PREFIX)) != 0) {
		api_problem(r, 400, detail, "auth ID has invalid prefix: expected prefix \"" AUTH_ID_PREFIX "\"", where);
		return false;
	}
	if (strlen(id) != AUTH_ID_LEN) {
		api_problem(r, 400, detail,
			    arena_printf(r->arena, "auth ID has invalid length: expected %d, got %zu", AUTH_ID_LEN, strlen(id)),
			    where);
		return false;
	}
	return true;
}

/* where_user, where_id: the members that say them, for problems. */
static void admit(struct api *a, struct http_req *r, const char *user, const char *auth_id, const char *where_user, const char *where_id)
{
	struct state_complete c = { .by = api_actor(r, "auth register"), .auth_id = auth_id, .method = REGISTER_CLI, .expiry_ns = TIME_NONE };
	const struct user *u;
	struct err e = { 0 };
	struct api_op *op;

	if (!api_auth_id(r, "registering node", auth_id, where_id))
		return;
	u = user != NULL && user[0] != '\0' ? snapshot_user_by_name(api_snapshot(a, r->loop), user) : NULL;
	if (u == NULL) {
		api_problem(r, 404, "looking up user", "user not found", where_user);
		return;
	}
	c.user = u->id;
	op = api_op_new(a, r, "registering node", answer_node);
	api_op_submitted(op, state_pending_complete(a->state, &c, api_op_done, op, &e), &e);
}

static void auth_register(void *arg, struct http_req *r)
{
	struct json_object *body;
	const char *user, *id;

	if (api_body(r, false, "user authId", &body) && api_text(r, body, "user", &user) && api_text(r, body, "authId", &id))
		admit(arg, r, user, id, "body.user", "body.authId");
}

/* The older form, with everything in the query. */
static void node_register(void *arg, struct http_req *r)
{
	const char *key = http_req_query(r, "key");

	if (key != NULL && strncmp(key, AUTH_ID_PREFIX, strlen(AUTH_ID_PREFIX)) != 0)
		key = arena_printf(r->arena, AUTH_ID_PREFIX "%s", key);
	admit(arg, r, http_req_query(r, "user"), key, "query.user", "query.key");
}

static void decide(struct api *a, struct http_req *r, bool accept)
{
	struct state_actor by = api_actor(r, accept ? "auth approve" : "auth reject");
	struct json_object *body;
	struct err e = { 0 };
	struct api_op *op;
	const char *id;

	if (!api_body(r, false, "authId", &body) || !api_text(r, body, "authId", &id) || !api_auth_id(r, "invalid auth_id", id, "body.authId"))
		return;
	op = api_op_new(a, r, accept ? "approving auth request" : "rejecting auth request", answer_empty);
	api_op_submitted(op, state_pending_decide(a->state, &by, id, accept, api_op_done, op, &e), &e);
}

static void approve(void *arg, struct http_req *r)
{
	decide(arg, r, true);
}

static void reject(void *arg, struct http_req *r)
{
	decide(arg, r, false);
}

void api_nodes_routes(struct api *a, struct http_router *r)
{
	api_route(r, a, "GET", "/api/v1/node", api_nodes_list);
	api_route(r, a, "GET", "/api/v1/node/{id}", get);
	api_route(r, a, "DELETE", "/api/v1/node/{id}", delete_node);
	api_route(r, a, "POST", "/api/v1/node/{id}/expire", expire);
	api_route(r, a, "POST", "/api/v1/node/{id}/rename/{name}", rename_node);
	api_route(r, a, "POST", "/api/v1/node/{id}/tags", set_tags);
	api_route(r, a, "POST", "/api/v1/node/{id}/user", move_node);
	api_route(r, a, "POST", "/api/v1/node/{id}/approve_routes", set_routes);
	api_route(r, a, "POST", "/api/v1/node/register", node_register);
	api_route(r, a, "POST", "/api/v1/node/backfillips", backfill);
	api_route(r, a, "POST", "/api/v1/auth/register", auth_register);
	api_route(r, a, "POST", "/api/v1/auth/approve", approve);
	api_route(r, a, "POST", "/api/v1/auth/reject", reject);
}
