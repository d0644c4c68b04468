/* cli/cmd_users.c -- headscale users ... */
#include "cli/cli_priv.h"

#include <inttypes.h>

enum status cli_users_create(struct cli_ctx *c)
{
	struct json_object *body = cli_object(c), *out = NULL;
	const char *picture = cli_flag(c, "picture-url")->text;
	enum status s;

	if (c->n_args < 1) {
		err_set(&c->err, "missing parameters: the name of the user");
		return ST_BAD_INPUT;
	}
	if (picture != NULL && strncmp(picture, "http://", 7) != 0 && strncmp(picture, "https://", 8) != 0) {
		err_set(&c->err, "invalid picture URL: \"%s\" begins with neither http:// nor https://", picture);
		return ST_BAD_INPUT;
	}
	cli_put(body, "name", c->args[0]);
	cli_put(body, "displayName", cli_flag(c, "display-name")->text);
	cli_put(body, "email", cli_flag(c, "email")->text);
	cli_put(body, "pictureUrl", picture);
	s = cli_call(c, "creating user", "POST", "/api/v1/user", body, &out);
	if (s == ST_OK)
		cli_result(c, cli_member(out, "user"), "User created");
	return s;
}

/* The list for --identifier, --name or --email (the first that is given). */
static enum status query(struct cli_ctx *c, const char *action, struct json_object **users_out)
{
	const struct cli_value *id = cli_flag(c, "identifier"), *name = cli_flag(c, "name"), *email = cli_flag(c, "email");
	const char *path = "/api/v1/user";
	struct json_object *out = NULL;
	enum status s;

	if (id->given)
		path = arena_printf(c->arena, "/api/v1/user?id=%" PRIu64, id->number);
	else if (name->given)
		path = arena_printf(c->arena, "/api/v1/user?name=%s", cli_escape(c, name->text));
	else if (email->given)
		path = arena_printf(c->arena, "/api/v1/user?email=%s", cli_escape(c, email->text));
	s = cli_call(c, action, "GET", path, NULL, &out);
	if (s == ST_OK)
		*users_out = cli_member(out, "users");
	return s;
}

enum status cli_users_list(struct cli_ctx *c)
{
	static const char *const header[] = { "ID", "Name", "Username", "Email", "Created", "Role" };
	struct json_object *users = NULL;
	struct cli_table *t;
	enum status s = query(c, "listing users", &users);

	if (s != ST_OK)
		return s;
	if (c->format != CLI_HUMAN) {
		cli_print(c, users);
		return ST_OK;
	}
	t = cli_table_new(c, header, sizeof header / sizeof *header);
	for (size_t i = 0; i < json_object_array_length(users); i++) {
		struct json_object *u = json_object_array_get_idx(users, i);

		cli_table_cell(t, cli_str(u, "id"));
		cli_table_cell(t, cli_str(u, "displayName"));
		cli_table_cell(t, cli_str(u, "name"));
		cli_table_cell(t, cli_str(u, "email"));
		cli_table_cell(t, cli_time(c, cli_str(u, "createdAt"), ""));
		cli_table_cell(t, cli_str(u, "role"));
	}
	cli_table_print(t);
	return ST_OK;
}

/* Is it the one user that --identifier and --name mean? With both given, both must fit. */
static enum status only_one(struct cli_ctx *c, struct json_object *users)
{
	const struct cli_value *id = cli_flag(c, "identifier"), *name = cli_flag(c, "name");
	struct json_object *u;

	if (json_object_array_length(users) == 0) {
		err_set(&c->err, "no user matches; `headscale users list` shows them");
		return ST_NOT_FOUND;
	}
	if (json_object_array_length(users) > 1) {
		err_set(&c->err, "multiple users match query, specify an ID");
		return ST_CONFLICT;
	}
	u = json_object_array_get_idx(users, 0);
	if (id->given && name->given && strcmp(cli_str(u, "name"), name->text) != 0) {
		err_set(&c->err, "user %s is \"%s\", not \"%s\": nothing was changed", id->text, cli_str(u, "name"), name->text);
		return ST_CONFLICT;
	}
	return ST_OK;
}

/* The one user meant by --identifier or --name. */
static enum status the_user(struct cli_ctx *c, struct json_object **user_out)
{
	struct json_object *users = NULL;
	enum status s;

	if (!cli_flag(c, "identifier")->given && !cli_flag(c, "name")->given) {
		err_set(&c->err, "--name or --identifier flag is required");
		return ST_BAD_INPUT;
	}
	s = query(c, "looking up user", &users);
	if (s == ST_OK)
		s = only_one(c, users);
	if (s == ST_OK)
		*user_out = json_object_array_get_idx(users, 0);
	return s;
}

enum status cli_users_destroy(struct cli_ctx *c)
{
	struct json_object *u = NULL, *out = NULL, *declined;
	enum status s = the_user(c, &u);

	if (s != ST_OK)
		return s;
	if (!cli_confirm(c, "Do you want to remove the user \"%s\" (%s) and any associated preauthkeys?", cli_str(u, "name"),
			 cli_str(u, "id"))) {
		declined = cli_object(c);
		cli_put(declined, "Result", "User not destroyed");
		cli_result(c, declined, "User not destroyed");
		return ST_OK;
	}
	s = cli_call(c, "destroying user", "DELETE", arena_printf(c->arena, "/api/v1/user/%s", cli_str(u, "id")), NULL, &out);
	if (s == ST_OK)
		cli_result(c, out, "User destroyed");
	return s;
}

enum status cli_users_rename(struct cli_ctx *c)
{
	struct json_object *u = NULL, *out = NULL;
	enum status s = the_user(c, &u);

	if (s != ST_OK)
		return s;
	s = cli_call(c, "renaming user", "POST",
		     arena_printf(c->arena, "/api/v1/user/%s/rename/%s", cli_str(u, "id"),
				  cli_escape(c, cli_flag(c, "new-name")->text)),
		     NULL, &out);
	if (s == ST_OK)
		cli_result(c, cli_member(out, "user"), "User renamed");
	return s;
}

enum status cli_users_role(struct cli_ctx *c)
{
	struct json_object *u = NULL, *out = NULL, *body = cli_object(c);
	enum status s;

	if (c->n_args < 1) {
		err_set(&c->err, "missing parameters: the role (owner, admin, network-admin, it-admin, auditor or member)");
		return ST_BAD_INPUT;
	}
	s = the_user(c, &u);
	if (s != ST_OK)
		return s;
	cli_put(body, "role", c->args[0]);
	s = cli_call(c, "setting role", "POST", arena_printf(c->arena, "/api/v1/user/%s/role", cli_str(u, "id")), body, &out);
	if (s == ST_OK)
		cli_result(c, cli_member(out, "user"), "User role set");
	return s;
}
