/* api/misc.c -- policy, audit, health, and the maker of pending logins for tests. */
#include "api/api_priv.h"
#include "api/list.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"

/* ---- policy ---- */

/* The version of a policy: when it was stored. Files have none; theirs is a tag of the text. */
static const char *policy_tag(struct api_op *op)
{
	char of_text[17];

	if (op->text_at_ns != TIME_NONE)
		return arena_printf(op->req->arena, "%llx", (unsigned long long)op->text_at_ns);
	api_tag_of(bytes_of_str(op->text), of_text);
	return arena_strdup(op->req->arena, of_text);
}

static void answer_policy(struct api_op *op)
{
	struct api_out o;

	if (api_etag(op->req, policy_tag(op)))
		return;

	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_kstr(&o.w, "policy", op->text);
	jw_key(&o.w, "updatedAt");
	if (op->text_at_ns == TIME_NONE || op->text_at_ns == 0)
		jw_str(&o.w, "0001-01-01T00:00:00Z");
	else
		jw_time(&o.w, op->text_at_ns);
	if (op->json != NULL) {
		jw_key(&o.w, "warnings");
		jw_raw(&o.w, bytes_of(op->json, op->json_n));
	}
	jw_obj_end(&o.w);
	api_out_send(op->req, &o);
}

static void policy_get_done(void *arg, enum status s, const struct err *err, const struct state_result *res)
{
	struct api_op *op = arg;
	struct err e = { 0 };

	if (s == ST_NOT_FOUND) {
		err_set(&e, "acl policy not found; without one everything is allowed");
		err = &e;
	}
	op->text_at_ns = TIME_NONE;
	api_op_done(arg, s, err, res);
}

static void policy_get(void *arg, struct http_req *r)
{
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op = api_op_new(a, r, "loading ACL policy", answer_policy);

	api_op_submitted(op, state_policy_get(a->state, policy_get_done, op, &e), &e);
}

#define POLICY_MISTAKE "parsing policy from bytes" /* consoles look for these words to show a mistake beside the policy */

static void policy_set_done(void *arg, enum status s, const struct err *err, const struct state_result *res)
{
	struct err e = { 0 };

	if (s == ST_BAD_INPUT && err != NULL) {
		err_set(&e, POLICY_MISTAKE ": %s", err->text);
		err = &e;
	}
	api_op_done(arg, s, err, res);
}

/* The moment that an If-Match of ours means; 0, when nothing was ever stored, for any other. */
static int64_t expected(const char *if_match)
{
	unsigned long long ns = 0;
	char end = '\0';

	return sscanf(if_match, "\"%llx%c", &ns, &end) == 2 && end == '"' ? (int64_t)ns : 0;
}

static void policy_set(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "policy set");
	struct json_object *body;
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	const char *text, *expect = http_req_header(r, "if-match");
	int64_t expect_at_ns;
	enum status s;

	if (!api_body(r, false, "policy", &body) || !api_long_text(r, body, "policy", &text))
		return;
	if (!a->policy_in_database) {
		api_problem(r, 400, "update is disabled for modes other than 'database'",
			    a->policy_path[0] != '\0' ? arena_printf(r->arena, "edit %s; it is read when it changes", a->policy_path)
						      : "set policy.mode to database to change the policy here",
			    NULL);
		return;
	}
	op = api_op_new(a, r, "setting policy", answer_policy);
	op->conflict_http = 412;
	if (expect != NULL && strcmp(expect, "*") != 0) {
		expect_at_ns = expected(expect);
		s = state_policy_set_if(a->state, &by, bytes_of_str(text != NULL ? text : ""), expect_at_ns, policy_set_done, op, &e);
	} else {
		s = state_policy_set(a->state, &by, bytes_of_str(text != NULL ? text : ""), policy_set_done, op, &e);
	}
	if (s == ST_BAD_INPUT)
		err_prefix(&e, POLICY_MISTAKE);
	api_op_submitted(op, s, &e);
}

/* {}, as the Go server has it, if there is nothing to say. */
static void answer_check(struct api_op *op)
{
	struct api_out o;

	if (op->json == NULL || op->json_n <= 2) {
		api_send_empty(op->req);
		return;
	}
	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "warnings");
	jw_raw(&o.w, bytes_of(op->json, op->json_n));
	jw_obj_end(&o.w);
	api_out_send(op->req, &o);
}

static void policy_check(void *arg, struct http_req *r)
{
	struct json_object *body;
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	const char *text;

	if (!api_body(r, false, "policy", &body) || !api_long_text(r, body, "policy", &text))
		return;
	op = api_op_new(a, r, "checking policy", answer_check);
	api_op_submitted(op, state_policy_check(a->state, bytes_of_str(text != NULL ? text : ""), api_op_done, op, &e), &e);
}

/* ---- audit ---- */

static void answer_audit(struct api_op *op)
{
	struct api_out o;

	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "entries");
	jw_raw(&o.w, op->json != NULL ? bytes_of(op->json, op->json_n) : BYTES_LIT("[]"));
	jw_obj_end(&o.w);
	api_out_send(op->req, &o);
}

static const char *given(struct http_req *r, const char *name)
{
	const char *v = http_req_query(r, name);

	return v != NULL && v[0] != '\0' ? v : NULL;
}

static void audit_list(void *arg, struct http_req *r)
{
	struct state_audit_filter f = { .from_ns = TIME_NONE, .to_ns = TIME_NONE };
	const char *since = given(r, "since"), *until = given(r, "until"), *limit = given(r, "limit"), *before = given(r, "before");
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t max = 100;

	f.who = given(r, "actor");
	f.action = given(r, "action");
	f.object = given(r, "target");
	if ((since != NULL && rfc3339_parse(bytes_of_str(since), &f.from_ns) != ST_OK) ||
	    (until != NULL && rfc3339_parse(bytes_of_str(until), &f.to_ns) != ST_OK)) {
		api_problem(r, 422, "validation failed", "expected string to be RFC 3339 date-time", "query.since");
		return;
	}
	if ((limit != NULL && !api_number(r, limit, "invalid limit", "query.limit", &max)) ||
	    (before != NULL && !api_number(r, before, "invalid before", "query.before", &f.before_id)))
		return;
	f.max = max > 1000 ? 1000 : (size_t)max;
	op = api_op_new(a, r, "listing audit entries", answer_audit);
	api_op_submitted(op, state_audit_list(a->state, &f, api_op_done, op, &e), &e);
}

/* ---- health ---- */

static void health(void *arg, struct http_req *r)
{
	struct api *a = arg;

	if (!state_store_ok(a->state)) {
		api_problem(r, 500, "pinging database", "the last write failed", NULL);
		return;
	}
	http_respond(r, 200, "application/json", BYTES_LIT("{\"databaseConnectivity\":true}\n"));
}

/* ---- a pending login that no machine waits behind, for tests of consoles ---- */

static void answer_waiting(struct api_op *op)
{
	struct api_out o;

	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "node");
	jw_raw(&o.w, bytes_of(op->json, op->json_n));
	jw_obj_end(&o.w);
	api_out_send(op->req, &o);
}

/* The Hostinfo that a machine of this name with these routes would send. */
static struct bytes hostinfo_of(struct http_req *r, const struct api_waiting *p)
{
	char text[IP_PREFIX_TEXT_MAX];
	struct bytes out;
	struct api_out o;

	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_kstr(&o.w, "Hostname", p->hostname);
	jw_key(&o.w, "RoutableIPs");
	jw_arr_begin(&o.w);
	for (size_t i = 0; i < p->n_routes; i++) {
		ip_prefix_format(&p->routes[i], text);
		jw_str(&o.w, text);
	}
	jw_arr_end(&o.w);
	jw_obj_end(&o.w);
	out = arena_bytes_dup(r->arena, buf_bytes(&o.b));
	buf_release(&o.b);
	return out;
}

static void begin_waiting(struct api *a, struct http_req *r, const char *auth_id, struct api_waiting *p)
{
	struct api_op *op = api_op_new(a, r, "creating node", answer_waiting);
	struct err e = { 0 };
	struct api_out o;

	random_bytes(&p->machine, sizeof p->machine);
	random_bytes(&p->key, sizeof p->key);
	api_out_init(&o);
	api_put_waiting(&o.w, p);
	op->json = buf_take(&o.b, &op->json_n);
	api_op_submitted(op,
			 state_register(a->state,
					&(struct state_register){ .machine = p->machine, .node_key = p->key, .expiry_ns = TIME_NONE,
								  .hostinfo = hostinfo_of(r, p), .auth_id = auth_id },
					api_op_done, op, &e),
			 &e);
}

static void debug_node(void *arg, struct http_req *r)
{
	const char *user, *auth_id, **routes;
	struct api_waiting p = { .hostname = NULL };
	struct json_object *body;
	struct api *a = arg;

	if (!api_body(r, false, "user key name routes", &body) || !api_text(r, body, "user", &user) || !api_text(r, body, "key", &auth_id) ||
	    !api_text(r, body, "name", &p.hostname) || !api_strings(r, body, "routes", &routes, &p.n_routes))
		return;
	p.user = user != NULL && user[0] != '\0' ? snapshot_user_by_name(api_snapshot(a, r->loop), user) : NULL;
	if (p.user == NULL) {
		api_problem(r, 404, "looking up user", "user not found", "body.user");
		return;
	}
	if (!api_auth_id(r, "creating node", auth_id, "body.key") || !api_prefixes(r, "routes", routes, p.n_routes, &p.routes))
		return;
	if (p.hostname == NULL)
		p.hostname = "";
	begin_waiting(a, r, auth_id, &p);
}

void api_misc_routes(struct api *a, struct http_router *r)
{
	api_route(r, a, "GET", "/api/v1/policy", policy_get);
	http_router_add(r, &(struct http_route){ .methods = "PUT", .pattern = "/api/v1/policy", .fn = policy_set, .arg = a,
						 .auth = API_AUTH_ADMIN, .body_max = a->policy_max });
	http_router_add(r, &(struct http_route){ .methods = "POST", .pattern = "/api/v1/policy/check", .fn = policy_check,
						 .arg = a, .auth = API_AUTH_ADMIN, .body_max = a->policy_max });
	api_route(r, a, "GET", "/api/v1/audit", audit_list);
	api_route(r, a, "GET", "/api/v1/health", health);
	api_route(r, a, "POST", "/api/v1/debug/node", debug_node);
}
