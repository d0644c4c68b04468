/* api/users.c -- /api/v1/user... */
#include "api/api_priv.h"
#include "api/list.h"

#define ROLES_EXPECTED "expected owner, admin, network-admin, it-admin, auditor or member"

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

	if (!api_body(r, false, "name displayName email pictureUrl", &body) || !api_text(r, body, "name", &u.name) ||
	    !api_text(r, body, "displayName", &u.display_name) || !api_text(r, body, "email", &u.email) ||
	    !api_text(r, body, "pictureUrl", &u.picture_url))
		return;
	if (u.name == NULL)
		u.name = "";
	op = api_op_new(a, r, "creating user", answer_user);
	api_op_submitted(op, state_user_create(a->state, &u, api_op_done, op, &e), &e);
}

/* The Go server's own filters: of those given, one counts. */
static bool selected(const struct user *u, const char *name, const char *email, uint64_t id)
{
	if (name != NULL)
		return strcmp(u->name, name) == 0;
	if (email != NULL)
		return strcmp(u->email, email) == 0;
	return id == 0 || u->id == id;
}

static int by_number(const void *a, const void *b)
{
	return ((const struct user *)a)->id < ((const struct user *)b)->id ? -1 : 1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct user *)a)->name, ((const struct user *)b)->name);
}

static int by_email(const void *a, const void *b)
{
	return strcmp(((const struct user *)a)->email, ((const struct user *)b)->email);
}

static int by_created(const void *a, const void *b)
{
	int64_t x = ((const struct user *)a)->created_ns, y = ((const struct user *)b)->created_ns;

	return x < y ? -1 : x > y;
}

static const struct api_sort sorts[] = {
	{ "id", by_number }, { "name", by_name }, { "email", by_email }, { "createdAt", by_created }, { NULL, NULL }
};

struct filter {
	const char *name, *email, *search, *provider;
	uint64_t id;
	bool has_role;
	enum user_role role;
};

static bool parse_filter(struct http_req *r, struct filter *f)
{
	const char *id = api_given(r, "id"), *role = api_given(r, "role");

	*f = (struct filter){ .name = api_given(r, "name"), .email = api_given(r, "email"), .search = api_given(r, "search"),
			      .provider = api_given(r, "provider"), .has_role = role != NULL };
	if (id != NULL && !api_number(r, id, "invalid id", "query.id", &f->id))
		return false;
	if (role != NULL && api_role_parse(role, &f->role) != ST_OK) {
		api_problem(r, 422, "validation failed", ROLES_EXPECTED, "query.role");
		return false;
	}
	return true;
}

static bool wanted(const struct filter *f, const struct user *u)
{
	if (!selected(u, f->name, f->email, f->id) || (f->has_role && u->role != f->role))
		return false;
	if (f->provider != NULL && strcmp(u->provider, f->provider) != 0)
		return false;
	return f->search == NULL || api_like(f->search, u->name) || api_like(f->search, u->display_name) || api_like(f->search, u->email);
}

static void list(void *arg, struct http_req *r)
{
	struct api *a = arg;
	struct snapshot *s = api_snapshot(a, r->loop);
	size_t n = 0, first, count, all = snapshot_user_count(s);
	struct api_list how;
	struct filter f;
	struct api_out o;
	const void **v;

	if (!api_list_parse(r, sorts, &how) || !parse_filter(r, &f))
		return;
	v = ARENA_ARRAY(r->arena, const void *, all + 1);
	for (size_t i = 0; i < all; i++)
		if (wanted(&f, snapshot_user_at(s, i)))
			v[n++] = snapshot_user_at(s, i);
	api_list_cut(r, &how, v, n, &first, &count);
	api_out_init(&o);
	jw_obj_begin(&o.w);
	jw_key(&o.w, "users");
	jw_arr_begin(&o.w);
	for (size_t i = 0; i < count; i++)
		api_put_user(&o.w, v[first + i]);
	jw_arr_end(&o.w);
	jw_obj_end(&o.w);
	api_out_send_tagged(r, &o);
}

static void rename_user(void *arg, struct http_req *r)
{
	struct state_actor by = api_actor(r, "users rename");
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op;
	uint64_t id;

	if (!api_number(r, http_req_param(r, "id"), "invalid user id", "path.id", &id))
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

	if (!api_number(r, http_req_param(r, "id"), "invalid user id", "path.id", &id))
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

	if (!api_number(r, http_req_param(r, "id"), "invalid user id", "path.id", &id) || !api_body(r, false, "role", &body) ||
	    !api_text(r, body, "role", &name))
		return;
	if (name == NULL || api_role_parse(name, &role) != ST_OK) {
		api_problem(r, 422, "validation failed", ROLES_EXPECTED, "body.role");
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
