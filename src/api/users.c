/* api/users.c -- /api/v1/user... */
#include "api/api_priv.h"

static void answer_user(struct api_op *op)
{
	struct api_out o;

	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "user");
	api_put_user(&o.w, op->user);
	jw_obj_end(&o.w);
	api_out_send(op->req, &o);
}

static void answer_empty(struct api_op *op)
{
	api_send_empty(op->req);
}

static void create(void *arg, struct http_req *r)
{
	struct state_user_new u = { .by = api_actor(r, "users create") };
	struct json_object *body;
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;

	if (!api_body(r, false, &body) || !api_text(r, body, "name", &u.name) ||
	    !api_text(r, body, "displayName", &u.display_name) || !api_text(r, body, "email", &u.email) ||
	    !api_text(r, body, "pictureUrl", &u.picture_url))
		return;
	if (u.name == NULL)
		u.name = "";
	op = api_op_new(a, r, "creating user", answer_user);
	api_op_submitted(op, state_user_create(a->state, &u, api_op_done, op, &e), &e);
}

static bool selected(const struct user *u, const char *name, const char *email, uint64_t id)
{
	if (name != NULL)
		return strcmp(u->name, name) == 0;
	if (email != NULL)
		return strcmp(u->email, email) == 0;
	return id == 0 || u->id == id;
}

static void list(void *arg, struct http_req *r)
{
	const char *name = http_req_query(r, "name"), *email = http_req_query(r, "email"), *id_text = http_req_query(r, "id");
	struct api *a = arg;
	struct snapshot *s = api_snapshot(a, r->loop);
	uint64_t id = 0;
	struct api_out o;

	if (id_text != NULL && id_text[0] != '\0' && !api_number(r, id_text, "invalid id", &id))
		return;
	if (name != NULL && name[0] == '\0')
		name = NULL;
	if (email != NULL && email[0] == '\0')
		email = NULL;
	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "users");
	jw_arr_begin(&o.w);
	for (size_t i = 0; i < snapshot_user_count(s); i++)
		if (selected(snapshot_user_at(s, i), name, email, id))
			api_put_user(&o.w, snapshot_user_at(s, i));
	jw_arr_end(&o.w);
	jw_obj_end(&o.w);
	api_out_send(r, &o);
}

static void rename_user(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "users rename");
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t id;

	if (!api_number(r, http_req_param(r, "id"), "invalid user id", &id))
		return;
	op = api_op_new(a, r, "renaming user", answer_user);
	api_op_submitted(op, state_user_rename(a->state, &by, id, http_req_param(r, "name"), api_op_done, op, &e), &e);
}

static void delete_user(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "users destroy");
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t id;

	if (!api_number(r, http_req_param(r, "id"), "invalid user id", &id))
		return;
	op = api_op_new(a, r, "deleting user", answer_empty);
	op->conflict_http = 400;
	api_op_submitted(op, state_user_delete(a->state, &by, id, api_op_done, op, &e), &e);
}

static void set_role(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "users set-role");
	enum user_role role = ROLE_MEMBER;
	struct json_object *body;
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	const char *name;
	uint64_t id;

	if (!api_number(r, http_req_param(r, "id"), "invalid user id", &id) || !api_body(r, false, &body) ||
	    !api_text(r, body, "role", &name))
		return;
	if (name == NULL || api_role_parse(name, &role) != ST_OK) {
		api_problem(r, 422, "validation failed",
			    "expected owner, admin, network-admin, it-admin, auditor or member", "body.role");
		return;
	}
	op = api_op_new(a, r, "setting role", answer_user);
	api_op_submitted(op, state_user_set_role(a->state, &by, id, role, api_op_done, op, &e), &e);
}

void api_users_routes(struct api *a, struct http_router *r)
{
	api_route(r, a, "POST", "/api/v1/user", create);
	api_route(r, a, "GET", "/api/v1/user", list);
	api_route(r, a, "POST", "/api/v1/user/{id}/rename/{name}", rename_user);
	api_route(r, a, "POST", "/api/v1/user/{id}/role", set_role);
	api_route(r, a, "DELETE", "/api/v1/user/{id}", delete_user);
}
