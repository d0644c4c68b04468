/* cli/cmd_keys.c -- headscale preauthkeys ..., headscale apikeys ... */
#include "cli/cli_priv.h"

#include <inttypes.h>

#include "base/clock.h"

/* "24h" from now on as RFC 3339 into the member. */
static enum status put_expiration(struct cli_ctx *c, struct json_object *body)
{
	const char *text = cli_flag(c, "expiration")->text;
	char at[RFC3339_MAX];
	int64_t ns;

	if (duration_parse(bytes_of_str(text), &ns) != ST_OK || ns < 0) {
		err_set(&c->err, "parsing duration: not a valid duration string: \"%s\" (write 30m, 24h, 90d or 1y)", text);
		return ST_BAD_INPUT;
	}
	rfc3339_format(clock_unix_ns() + ns, at);
	cli_put(body, "expiration", at);
	return ST_OK;
}

static bool unset_time(const char *rfc3339)
{
	return rfc3339[0] == '\0' || strncmp(rfc3339, "0001-", 5) == 0;
}

static const char *owner_of(struct cli_ctx *c, struct json_object *key)
{
	struct json_object *tags = cli_member(key, "aclTags");
	const char *all = "";

	for (size_t i = 0; tags != NULL && i < json_object_array_length(tags); i++)
		all = arena_printf(c->arena, "%s%s%s", all, i > 0 ? "\n" : "",
				   json_object_get_string(json_object_array_get_idx(tags, i)));
	if (all[0] != '\0')
		return all;
	all = cli_str(cli_member(key, "user"), "name");
	return all[0] != '\0' ? all : "-";
}

enum status cli_preauth_list(struct cli_ctx *c)
{
	static const char *const header[] = { "ID", "Key/Prefix", "Reusable", "Ephemeral", "Used", "Expiration", "Created", "Owner" };
	struct json_object *out = NULL, *keys;
	struct cli_table *t;
	enum status s = cli_call(c, "listing pre-auth keys", "GET", "/api/v1/preauthkey", NULL, &out);

	if (s != ST_OK)
		return s;
	keys = cli_member(out, "preAuthKeys");
	if (c->format != CLI_HUMAN) {
		cli_print(c, cli_filled(keys));
		return ST_OK;
	}
	t = cli_table_new(c, header, sizeof header / sizeof *header);
	for (size_t i = 0; i < json_object_array_length(keys); i++) {
		struct json_object *k = json_object_array_get_idx(keys, i);
		const char *expiry = cli_str(k, "expiration");

		cli_table_cell(t, cli_str(k, "id"));
		cli_table_cell(t, cli_str(k, "key"));
		cli_table_cell(t, cli_bool(k, "reusable") ? "true" : "false");
		cli_table_cell(t, cli_bool(k, "ephemeral") ? "true" : "false");
		cli_table_cell(t, cli_bool(k, "used") ? "true" : "false");
		cli_table_cell(t, unset_time(expiry) ? "-" : cli_time(c, expiry, "-"));
		cli_table_cell(t, cli_time(c, cli_str(k, "createdAt"), ""));
		cli_table_cell(t, owner_of(c, k));
	}
	cli_table_print(t);
	return ST_OK;
}

enum status cli_preauth_create(struct cli_ctx *c)
{
	const struct cli_value *user = cli_flag(c, "user"), *tags = cli_flag(c, "tags");
	struct json_object *body = cli_object(c), *list = json_object_new_array(), *out = NULL, *key;
	enum status s;

	json_object_object_add(body, "aclTags", list);
	for (size_t i = 0; i < tags->n_list; i++)
		json_object_array_add(list, json_object_new_string(tags->list[i]));
	cli_put(body, "user", user->given && user->number != 0 ? user->text : "");
	json_object_object_add(body, "reusable", json_object_new_boolean(cli_flag(c, "reusable")->on));
	json_object_object_add(body, "ephemeral", json_object_new_boolean(cli_flag(c, "ephemeral")->on));
	s = put_expiration(c, body);
	if (s == ST_OK)
		s = cli_call(c, "creating pre-auth key", "POST", "/api/v1/preauthkey", body, &out);
	if (s != ST_OK)
		return s;
	key = cli_member(out, "preAuthKey");
	cli_result(c, cli_filled(key), "%s", cli_str(key, "key"));
	return ST_OK;
}

static enum status need_id(struct cli_ctx *c)
{
	if (cli_flag(c, "id")->given)
		return ST_OK;
	err_set(&c->err, "missing --id parameter: missing parameters");
	return ST_BAD_INPUT;
}

enum status cli_preauth_expire(struct cli_ctx *c)
{
	struct json_object *body = cli_object(c), *out = NULL;
	enum status s = need_id(c);

	if (s != ST_OK)
		return s;
	cli_put(body, "id", cli_flag(c, "id")->text);
	s = cli_call(c, "expiring pre-auth key", "POST", "/api/v1/preauthkey/expire", body, &out);
	if (s == ST_OK)
		cli_result(c, out, "Key expired");
	return s;
}

enum status cli_preauth_delete(struct cli_ctx *c)
{
	struct json_object *out = NULL;
	enum status s = need_id(c);

	if (s != ST_OK)
		return s;
	s = cli_call(c, "deleting pre-auth key", "DELETE",
		     arena_printf(c->arena, "/api/v1/preauthkey?id=%" PRIu64, cli_flag(c, "id")->number), NULL, &out);
	if (s == ST_OK)
		cli_result(c, out, "Key deleted");
	return s;
}

enum status cli_apikeys_list(struct cli_ctx *c)
{
	static const char *const header[] = { "ID", "Prefix", "Expiration", "Created", "Last used" };
	struct json_object *out = NULL, *keys;
	struct cli_table *t;
	enum status s = cli_call(c, "listing API keys", "GET", "/api/v1/apikey", NULL, &out);

	if (s != ST_OK)
		return s;
	keys = cli_member(out, "apiKeys");
	if (c->format != CLI_HUMAN) {
		cli_print(c, keys);
		return ST_OK;
	}
	t = cli_table_new(c, header, sizeof header / sizeof *header);
	for (size_t i = 0; i < json_object_array_length(keys); i++) {
		struct json_object *k = json_object_array_get_idx(keys, i);
		const char *expiry = cli_str(k, "expiration");

		cli_table_cell(t, cli_str(k, "id"));
		cli_table_cell(t, cli_str(k, "prefix"));
		cli_table_cell(t, unset_time(expiry) ? "-" : cli_time(c, expiry, "-"));
		cli_table_cell(t, cli_time(c, cli_str(k, "createdAt"), ""));
		cli_table_cell(t, cli_time(c, cli_str(k, "lastSeen"), "-"));
	}
	cli_table_print(t);
	return ST_OK;
}

enum status cli_apikeys_create(struct cli_ctx *c)
{
	struct json_object *body = cli_object(c), *out = NULL;
	enum status s = put_expiration(c, body);

	if (s == ST_OK)
		s = cli_call(c, "creating API key", "POST", "/api/v1/apikey", body, &out);
	if (s == ST_OK)
		cli_result(c, cli_member(out, "apiKey"), "%s", cli_str(out, "apiKey"));
	return s;
}

/* The bare prefix for a call: "hskey-api-0123456789ab-***", "0123456789ab" and legacy forms are all accepted. */
static const char *bare_prefix(struct cli_ctx *c, const char *text)
{
	const char *p = strncmp(text, "hskey-api-", 10) == 0 ? text + 10 : text;

	return arena_strndup(c->arena, p, strcspn(p, "-*."));
}

static enum status which_key(struct cli_ctx *c, const char **prefix_out)
{
	const struct cli_value *id = cli_flag(c, "id"), *prefix = cli_flag(c, "prefix");
	struct json_object *out = NULL, *keys;
	enum status s;

	if (id->given == prefix->given) {
		err_set(&c->err, id->given ? "only one of --id or --prefix can be provided: missing parameters"
					   : "either --id or --prefix must be provided: missing parameters");
		return ST_BAD_INPUT;
	}
	if (prefix->given) {
		*prefix_out = bare_prefix(c, prefix->text);
		return ST_OK;
	}
	s = cli_call(c, "listing API keys", "GET", "/api/v1/apikey", NULL, &out);
	if (s != ST_OK)
		return s;
	keys = cli_member(out, "apiKeys");
	for (size_t i = 0; i < json_object_array_length(keys); i++) {
		struct json_object *k = json_object_array_get_idx(keys, i);

		if (strcmp(cli_str(k, "id"), id->text) == 0) {
			*prefix_out = bare_prefix(c, cli_str(k, "prefix"));
			return ST_OK;
		}
	}
	err_set(&c->err, "missing parameters: api key %s not found", id->text);
	return ST_NOT_FOUND;
}

enum status cli_apikeys_expire(struct cli_ctx *c)
{
	struct json_object *body = cli_object(c), *out = NULL;
	const char *prefix = NULL;
	enum status s = which_key(c, &prefix);

	if (s != ST_OK)
		return s;
	cli_put(body, "prefix", prefix);
	s = cli_call(c, "expiring API key", "POST", "/api/v1/apikey/expire", body, &out);
	if (s == ST_OK)
		cli_result(c, out, "Key expired");
	return s;
}

enum status cli_apikeys_delete(struct cli_ctx *c)
{
	struct json_object *out = NULL;
	const char *prefix = NULL;
	enum status s = which_key(c, &prefix);

	if (s != ST_OK)
		return s;
	s = cli_call(c, "deleting API key", "DELETE", arena_printf(c->arena, "/api/v1/apikey/%s", cli_escape(c, prefix)), NULL,
		     &out);
	if (s == ST_OK)
		cli_result(c, out, "Key deleted");
	return s;
}
