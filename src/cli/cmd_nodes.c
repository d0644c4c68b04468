/* cli/cmd_nodes.c -- headscale nodes ..., headscale auth ... */
#include "cli/cli_priv.h"

#include <inttypes.h>

#include "base/clock.h"

static const char *lines(struct cli_ctx *c, struct json_object *list)
{
	const char *all = "";

	for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++)
		all = arena_printf(c->arena, "%s%s%s", all, i > 0 ? "\n" : "",
				   json_object_get_string(json_object_array_get_idx(list, i)));
	return all;
}

/* "[AbCdE]": the first five characters of the base64 of a key written as prefix:hex. */
static const char *short_key(struct cli_ctx *c, const char *key)
{
	const char *hex = strchr(key, ':');
	char b64[BASE64_LEN(32) + 1];
	uint8_t raw[32];

	if (hex == NULL || hex_decode(bytes_of_str(hex + 1), raw, sizeof raw) != ST_OK)
		return "";
	base64_encode(bytes_of(raw, sizeof raw), b64);
	return arena_printf(c->arena, "[%.5s]", b64);
}

static bool is_past(const char *rfc3339)
{
	int64_t ns;

	return rfc3339[0] != '\0' && rfc3339_parse(bytes_of_str(rfc3339), &ns) == ST_OK && ns != TIME_NONE &&
	       ns <= clock_unix_ns();
}

static void node_row(struct cli_ctx *c, struct cli_table *t, struct json_object *n)
{
	struct json_object *user = cli_member(n, "user"), *tags = cli_member(n, "tags");
	struct json_object *key = cli_member(n, "preAuthKey");
	bool tagged = tags != NULL && json_object_array_length(tags) > 0;

	cli_table_cell(t, cli_str(n, "id"));
	cli_table_cell(t, cli_str(n, "name"));
	cli_table_cell(t, cli_str(n, "givenName"));
	cli_table_cell(t, short_key(c, cli_str(n, "machineKey")));
	cli_table_cell(t, short_key(c, cli_str(n, "nodeKey")));
	cli_table_cell(t, tagged ? "tagged-devices" : cli_str(user, "name"));
	cli_table_cell(t, lines(c, tags));
	cli_table_cell(t, lines(c, cli_member(n, "ipAddresses")));
	cli_table_cell(t, cli_bool(key, "ephemeral") ? "true" : "false");
	cli_table_cell(t, cli_time(c, cli_str(n, "lastSeen"), ""));
	cli_table_cell(t, cli_time(c, cli_str(n, "expiry"), "N/A"));
	cli_table_cell(t, cli_bool(n, "online") ? "online" : "offline");
	cli_table_cell(t, is_past(cli_str(n, "expiry")) ? "yes" : "no");
}

/* The flags of `nodes list` as a query; those of kind BOOL as true and false. */
static const char *list_path(struct cli_ctx *c)
{
	static const char *const flags[] = { "user", "tag", "name", "ip", "online", "expired", "sort", "limit", "offset" };
	const char *path = "/api/v1/node";
	char mark = '?';

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		const struct cli_value *v = cli_flag(c, flags[i]);

		if (!v->given)
			continue;
		path = arena_printf(c->arena, "%s%c%s=%s", path, mark, flags[i], cli_escape(c, v->text));
		mark = '&';
	}
	return path;
}

enum status cli_nodes_list(struct cli_ctx *c)
{
	static const char *const header[] = { "ID",	      "Hostname",  "Name",	"MachineKey", "NodeKey",   "User",   "Tags",
					      "IP addresses", "Ephemeral", "Last seen", "Expiration", "Connected", "Expired" };
	struct json_object *out = NULL, *nodes;
	struct cli_table *t;
	enum status s;

	s = cli_call(c, "listing nodes", "GET", list_path(c), NULL, &out);
	if (s != ST_OK)
		return s;
	nodes = cli_member(out, "nodes");
	if (c->format != CLI_HUMAN) {
		cli_print(c, cli_filled(nodes));
		return ST_OK;
	}
	t = cli_table_new(c, header, sizeof header / sizeof *header);
	for (size_t i = 0; i < json_object_array_length(nodes); i++)
		node_row(c, t, json_object_array_get_idx(nodes, i));
	cli_table_print(t);
	return ST_OK;
}

static bool has_routes(struct json_object *n)
{
	struct json_object *a = cli_member(n, "availableRoutes"), *b = cli_member(n, "approvedRoutes");

	return (a != NULL && json_object_array_length(a) > 0) || (b != NULL && json_object_array_length(b) > 0);
}

enum status cli_nodes_routes(struct cli_ctx *c)
{
	static const char *const header[] = { "ID", "Hostname", "Approved", "Available", "Serving (Primary)" };
	const struct cli_value *id = cli_flag(c, "identifier");
	struct json_object *out = NULL, *nodes, *shown = cli_own(c, json_object_new_array());
	struct cli_table *t;
	enum status s;

	if (id->given) {
		s = cli_call(c, "listing routes", "GET", arena_printf(c->arena, "/api/v1/node/%" PRIu64, id->number), NULL, &out);
		if (s == ST_OK && has_routes(cli_member(out, "node")))
			json_object_array_add(shown, json_object_get(cli_member(out, "node")));
	} else {
		s = cli_call(c, "listing routes", "GET", "/api/v1/node", NULL, &out);
		nodes = s == ST_OK ? cli_member(out, "nodes") : NULL;
		for (size_t i = 0; nodes != NULL && i < json_object_array_length(nodes); i++)
			if (has_routes(json_object_array_get_idx(nodes, i)))
				json_object_array_add(shown, json_object_get(json_object_array_get_idx(nodes, i)));
	}
	if (s != ST_OK)
		return s;
	if (c->format != CLI_HUMAN) {
		cli_print(c, cli_filled(shown));
		return ST_OK;
	}
	t = cli_table_new(c, header, sizeof header / sizeof *header);
	for (size_t i = 0; i < json_object_array_length(shown); i++) {
		struct json_object *n = json_object_array_get_idx(shown, i);

		cli_table_cell(t, cli_str(n, "id"));
		cli_table_cell(t, cli_str(n, "givenName"));
		cli_table_cell(t, lines(c, cli_member(n, "approvedRoutes")));
		cli_table_cell(t, lines(c, cli_member(n, "availableRoutes")));
		cli_table_cell(t, lines(c, cli_member(n, "subnetRoutes")));
	}
	cli_table_print(t);
	return ST_OK;
}

static enum status admit(struct cli_ctx *c, const char *auth_id)
{
	struct json_object *body = cli_object(c), *out = NULL, *node;
	enum status s;

	cli_put(body, "user", cli_flag(c, "user")->text);
	cli_put(body, "authId", auth_id);
	s = cli_call(c, "registering node", "POST", "/api/v1/auth/register", body, &out);
	if (s != ST_OK)
		return s;
	node = cli_member(out, "node");
	cli_result(c, cli_filled(node), "Node %s registered", cli_str(node, "givenName"));
	return ST_OK;
}

enum status cli_auth_register(struct cli_ctx *c)
{
	return admit(c, cli_flag(c, "auth-id")->text);
}

enum status cli_nodes_register(struct cli_ctx *c)
{
	const char *key = cli_flag(c, "key")->text;

	if (strncmp(key, "hskey-authreq-", 14) != 0)
		key = arena_printf(c->arena, "hskey-authreq-%s", key);
	return admit(c, key);
}

static enum status verdict(struct cli_ctx *c, const char *path, const char *action, const char *said)
{
	struct json_object *body = cli_object(c), *out = NULL;
	enum status s;

	cli_put(body, "authId", cli_flag(c, "auth-id")->text);
	s = cli_call(c, action, "POST", path, body, &out);
	if (s == ST_OK)
		cli_result(c, out, "%s", said);
	return s;
}

enum status cli_auth_approve(struct cli_ctx *c)
{
	return verdict(c, "/api/v1/auth/approve", "approving auth request", "Auth request approved");
}

enum status cli_auth_reject(struct cli_ctx *c)
{
	return verdict(c, "/api/v1/auth/reject", "rejecting auth request", "Auth request rejected");
}

static const char *node_path(struct cli_ctx *c, const char *tail)
{
	return arena_printf(c->arena, "/api/v1/node/%" PRIu64 "%s", cli_flag(c, "identifier")->number, tail);
}

enum status cli_nodes_expire(struct cli_ctx *c)
{
	const struct cli_value *expiry = cli_flag(c, "expiry"), *disable = cli_flag(c, "disable");
	struct json_object *body = cli_object(c), *out = NULL;
	const char *said = "Node expired";
	int64_t at;
	enum status s;

	if (expiry->given && disable->on) {
		err_set(&c->err, "--expiry and --disable exclude each other");
		return ST_BAD_INPUT;
	}
	if (disable->on) {
		json_object_object_add(body, "disableExpiry", json_object_new_boolean(1));
		said = "Node expiry disabled";
	} else if (expiry->given) {
		if (rfc3339_parse(bytes_of_str(expiry->text), &at) != ST_OK) {
			err_set(&c->err, "parsing expiry time: \"%s\" is not RFC 3339, such as 2027-01-31T12:00:00Z", expiry->text);
			return ST_BAD_INPUT;
		}
		cli_put(body, "expiry", expiry->text);
		if (at > clock_unix_ns())
			said = "Node expiration updated";
	}
	s = cli_call(c, "expiring node", "POST", node_path(c, "/expire"), body, &out);
	if (s == ST_OK)
		cli_result(c, cli_filled(cli_member(out, "node")), "%s", said);
	return s;
}

enum status cli_nodes_rename(struct cli_ctx *c)
{
	struct json_object *out = NULL;
	enum status s;

	if (c->n_args < 1 || c->args[0][0] == '\0') {
		err_set(&c->err, "missing parameters: the new name");
		return ST_BAD_INPUT;
	}
	s = cli_call(c, "renaming node", "POST",
		     node_path(c, arena_printf(c->arena, "/rename/%s", cli_escape(c, c->args[0]))), NULL, &out);
	if (s == ST_OK)
		cli_result(c, cli_filled(cli_member(out, "node")), "Node renamed");
	return s;
}

enum status cli_nodes_delete(struct cli_ctx *c)
{
	struct json_object *out = NULL, *res = cli_object(c);
	enum status s;

	s = cli_call(c, "getting node", "GET", node_path(c, ""), NULL, &out);
	if (s != ST_OK)
		return s;
	if (!cli_confirm(c, "Do you want to remove the node %s?", cli_str(cli_member(out, "node"), "givenName"))) {
		cli_put(res, "Result", "Node not deleted");
		cli_result(c, res, "Node not deleted");
		return ST_OK;
	}
	s = cli_call(c, "deleting node", "DELETE", node_path(c, ""), NULL, &out);
	if (s == ST_OK) {
		cli_put(res, "Result", "Node deleted");
		cli_result(c, res, "Node deleted");
	}
	return s;
}

static enum status put_list(struct cli_ctx *c, const char *flag, const char *action, const char *tail)
{
	const struct cli_value *v = cli_flag(c, flag);
	struct json_object *body = cli_object(c), *list = json_object_new_array(), *out = NULL;
	enum status s;

	for (size_t i = 0; i < v->n_list; i++)
		json_object_array_add(list, json_object_new_string(v->list[i]));
	json_object_object_add(body, flag, list);
	s = cli_call(c, action, "POST", node_path(c, tail), body, &out);
	if (s == ST_OK)
		cli_result(c, cli_filled(cli_member(out, "node")), "Node updated");
	return s;
}

enum status cli_nodes_tag(struct cli_ctx *c)
{
	return put_list(c, "tags", "setting tags", "/tags");
}

enum status cli_nodes_approve_routes(struct cli_ctx *c)
{
	return put_list(c, "routes", "setting approved routes", "/approve_routes");
}

enum status cli_nodes_backfill(struct cli_ctx *c)
{
	struct json_object *out = NULL;
	enum status s;

	if (!cli_confirm(c, "Are you sure that you want to assign/remove IPs to/from nodes?"))
		return ST_OK;
	s = cli_call(c, "backfilling IPs", "POST", "/api/v1/node/backfillips?confirmed=true", NULL, &out);
	if (s == ST_OK)
		cli_result(c, out, "Node IPs backfilled successfully");
	return s;
}

enum status cli_debug_create_node(struct cli_ctx *c)
{
	const struct cli_value *routes = cli_flag(c, "route");
	struct json_object *body = cli_object(c), *list = json_object_new_array(), *out = NULL;
	enum status s;

	cli_put(body, "user", cli_flag(c, "user")->text);
	cli_put(body, "key", cli_flag(c, "key")->text);
	cli_put(body, "name", cli_flag(c, "name")->text);
	for (size_t i = 0; i < routes->n_list; i++)
		json_object_array_add(list, json_object_new_string(routes->list[i]));
	json_object_object_add(body, "routes", list);
	s = cli_call(c, "creating node", "POST", "/api/v1/debug/node", body, &out);
	if (s == ST_OK)
		cli_result(c, cli_filled(cli_member(out, "node")), "Node created");
	return s;
}
