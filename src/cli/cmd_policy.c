/* cli/cmd_policy.c -- headscale policy ..., headscale audit */
#include "cli/cli_priv.h"

#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "offline/offline.h"

#define POLICY_FILE_MAX (16u << 20)

static enum status read_file(struct cli_ctx *c, const char *path, const char **text_out)
{
	struct buf b;
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char chunk[16384];
	size_t n;
	enum status s = ST_OK;

	if (f == NULL) {
		err_set(&c->err, "reading policy file: open %s: %s", path, strerror(errno));
		return ST_NOT_FOUND;
	}
	buf_init(&b, POLICY_FILE_MAX);
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_put(&b, chunk, n);
	if (ferror(f) || !buf_ok(&b)) {
		err_set(&c->err, "reading policy file: %s: %s", path, buf_ok(&b) ? "cannot be read" : "longer than 16 MiB");
		s = ST_IO;
	} else {
		*text_out = arena_strndup(c->arena, b.p, b.n);
	}
	buf_release(&b);
	if (f != stdin)
		fclose(f);
	return s;
}

/* As in "line 4, column 35: ..." somewhere in the words. */
static bool position_of(const char *words, unsigned *line, unsigned *column)
{
	const char *at = strstr(words, "line ");

	return at != NULL && sscanf(at, "line %u, column %u:", line, column) == 2 && *line > 0 && *column > 0;
}

static const char *line_of(const char *text, unsigned line)
{
	for (; line > 1 && text != NULL; line--) {
		text = strchr(text, '\n');
		text = text != NULL ? text + 1 : NULL;
	}
	return text;
}

#define SPOT_WIDTH 100 /* of a long line, so much is shown */

/* The place that an error speaks of, with a mark below it, ahead of the words. */
static void show_spot(struct cli_ctx *c, const char *text)
{
	unsigned line, column;
	const char *s;
	size_t n, skip, at;

	if (c->format != CLI_HUMAN || text == NULL || !position_of(c->err.text, &line, &column))
		return;
	s = line_of(text, line);
	if (s == NULL)
		return;
	n = strcspn(s, "\r\n");
	at = column - 1 < n ? column - 1 : n;
	skip = at > SPOT_WIDTH / 2 && n > SPOT_WIDTH ? at - SPOT_WIDTH / 2 : 0;
	while (skip > 0 && ((unsigned char)s[skip] & 0xc0) == 0x80)
		skip--; /* not in the middle of a character */
	fprintf(stderr, "%s:%u:%u\n    ", cli_flag(c, "file")->text, line, column);
	for (size_t i = skip; i < n && i < skip + SPOT_WIDTH; i++)
		putc((unsigned char)s[i] < ' ' ? ' ' : s[i], stderr);
	fputs("\n    ", stderr);
	for (size_t i = skip; i < at; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			putc(' ', stderr);
	fputs("^\n", stderr);
}

static void show_warnings(struct cli_ctx *c, struct json_object *answer)
{
	struct json_object *list = cli_member(answer, "warnings");

	if (c->format != CLI_HUMAN || !json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		fprintf(stderr, "Warning: %s\n", json_object_get_string(json_object_array_get_idx(list, i)));
}

static bool bypass(struct cli_ctx *c)
{
	return cli_flag(c, "bypass-server-and-access-database-directly")->on ||
	       cli_flag(c, "bypass-grpc-and-access-database-directly")->on;
}

static enum status confirm_bypass(struct cli_ctx *c)
{
	if (cli_confirm(c, "DO NOT run this command if an instance of headscale is running, are you sure headscale is not "
			   "running?"))
		return ST_OK;
	err_set(&c->err, "command aborted by user");
	return ST_CLOSED;
}

enum status cli_policy_get(struct cli_ctx *c)
{
	struct json_object *out = NULL;
	const char *text = NULL;
	enum status s;

	if (bypass(c)) {
		s = confirm_bypass(c);
		if (s == ST_OK)
			s = offline_policy_get(c->config_path, c->arena, &text, &c->err);
	} else {
		s = cli_call(c, "loading ACL policy", "GET", "/api/v1/policy", NULL, &out);
		text = s == ST_OK ? cli_str(out, "policy") : NULL;
	}
	if (s == ST_OK)
		printf("%s%s", text, text[0] != '\0' && text[strlen(text) - 1] == '\n' ? "" : "\n");
	return s;
}

enum status cli_policy_set(struct cli_ctx *c)
{
	struct json_object *body = cli_object(c), *out = NULL;
	const char *text = NULL;
	enum status s = read_file(c, cli_flag(c, "file")->text, &text);

	if (s == ST_OK && bypass(c)) {
		s = confirm_bypass(c);
		if (s == ST_OK)
			s = offline_policy_set(c->config_path, text, &c->err);
		out = body;
	} else if (s == ST_OK) {
		cli_put(body, "policy", text);
		s = cli_call(c, "setting ACL policy", "PUT", "/api/v1/policy", body, &out);
	}
	if (s != ST_OK) {
		show_spot(c, text);
		return s;
	}
	show_warnings(c, out);
	cli_result(c, out, "Policy updated.");
	return ST_OK;
}

enum status cli_policy_check(struct cli_ctx *c)
{
	struct json_object *body = cli_object(c), *out = NULL;
	const char *text = NULL;
	enum status s = read_file(c, cli_flag(c, "file")->text, &text);

	if (s == ST_OK && bypass(c)) {
		s = confirm_bypass(c);
		if (s == ST_OK)
			s = offline_policy_check(c->config_path, text, &c->err);
		out = cli_object(c);
	} else if (s == ST_OK) {
		cli_put(body, "policy", text);
		s = cli_call(c, "checking policy", "POST", "/api/v1/policy/check", body, &out);
	}
	if (s != ST_OK) {
		show_spot(c, text);
		return s;
	}
	show_warnings(c, out);
	cli_result(c, out, "Policy is valid");
	return ST_OK;
}

/* The node and user lists that explain needs: from a file, or from the server. */
static enum status explain_world(struct cli_ctx *c, struct json_object **nodes_out, struct json_object **users_out)
{
	const struct cli_value *file = cli_flag(c, "nodes");
	struct json_object *out = NULL;
	const char *text = NULL;
	enum status s;

	if (file->given) {
		s = read_file(c, file->text, &text);
		if (s == ST_OK)
			s = json_parse(bytes_of_str(text), POLICY_FILE_MAX, nodes_out, &c->err);
		if (s != ST_OK) {
			err_prefix(&c->err, "node list %s", file->text);
			return s;
		}
		cli_own(c, *nodes_out);
		if (json_object_is_type(*nodes_out, json_type_object))
			*nodes_out = cli_member(*nodes_out, "nodes");
		*users_out = NULL;
		return ST_OK;
	}
	s = cli_call(c, "listing nodes", "GET", "/api/v1/node", NULL, &out);
	if (s != ST_OK)
		return s;
	*nodes_out = cli_member(out, "nodes");
	s = cli_call(c, "listing users", "GET", "/api/v1/user", NULL, &out);
	if (s == ST_OK)
		*users_out = cli_member(out, "users");
	return s;
}

enum status cli_policy_explain(struct cli_ctx *c)
{
	struct json_object *nodes = NULL, *users = NULL, *out = NULL;
	const struct cli_value *file = cli_flag(c, "file");
	const char *text = NULL;
	enum status s;

	if (c->n_args != 2) {
		err_set(&c->err, "missing parameters: SRC and DST[:PORT], such as `policy explain alice@ server:22`");
		return ST_BAD_INPUT;
	}
	if (file->given) {
		s = read_file(c, file->text, &text);
	} else {
		s = cli_call(c, "loading ACL policy", "GET", "/api/v1/policy", NULL, &out);
		text = s == ST_OK ? cli_str(out, "policy") : NULL;
	}
	if (s == ST_OK)
		s = explain_world(c, &nodes, &users);
	if (s == ST_OK)
		s = offline_policy_explain(&(struct offline_explain){ .policy = text,
								      .nodes = nodes,
								      .users = users,
								      .src = c->args[0],
								      .dst = c->args[1],
								      .proto = cli_flag(c, "proto")->text },
					   c->arena, &out, &c->err);
	if (s != ST_OK)
		return s;
	cli_own(c, out);
	cli_result(c, out, "%s", cli_str(out, "text"));
	return ST_OK;
}

static enum status since_query(struct cli_ctx *c, const char **out)
{
	const struct cli_value *since = cli_flag(c, "since");
	char at[RFC3339_MAX];
	int64_t ns;

	*out = "";
	if (!since->given)
		return ST_OK;
	if (duration_parse(bytes_of_str(since->text), &ns) == ST_OK) {
		ns = clock_unix_ns() - ns;
	} else if (rfc3339_parse(bytes_of_str(since->text), &ns) != ST_OK) {
		err_set(&c->err, "--since \"%s\" is neither RFC 3339 nor a duration such as 24h", since->text);
		return ST_BAD_INPUT;
	}
	rfc3339_format(ns, at);
	*out = arena_printf(c->arena, "&since=%s", cli_escape(c, at));
	return ST_OK;
}

enum status cli_audit(struct cli_ctx *c)
{
	static const char *const header[] = { "ID", "Time", "Actor", "Action", "Target", "Before", "After" };
	const struct cli_value *actor = cli_flag(c, "actor"), *action = cli_flag(c, "action");
	struct json_object *out = NULL, *entries;
	const char *since = NULL;
	struct cli_table *t;
	enum status s = since_query(c, &since);

	if (s != ST_OK)
		return s;
	s = cli_call(c, "listing audit entries", "GET",
		     arena_printf(c->arena, "/api/v1/audit?limit=%" PRIu64 "%s%s%s%s%s", cli_flag(c, "limit")->number, since,
				  actor->given ? "&actor=" : "", actor->given ? cli_escape(c, actor->text) : "",
				  action->given ? "&action=" : "", action->given ? cli_escape(c, action->text) : ""),
		     NULL, &out);
	if (s != ST_OK)
		return s;
	entries = cli_member(out, "entries");
	if (c->format != CLI_HUMAN) {
		cli_print(c, entries);
		return ST_OK;
	}
	t = cli_table_new(c, header, sizeof header / sizeof *header);
	for (size_t i = 0; i < json_object_array_length(entries); i++) {
		struct json_object *e = json_object_array_get_idx(entries, i);

		cli_table_cell(t, cli_str(e, "id"));
		cli_table_cell(t, cli_time(c, cli_str(e, "time"), ""));
		cli_table_cell(t, cli_str(e, "actor"));
		cli_table_cell(t, cli_str(e, "action"));
		cli_table_cell(t, cli_str(e, "target"));
		cli_table_cell(t, cli_str(e, "before"));
		cli_table_cell(t, cli_str(e, "after"));
	}
	cli_table_print(t);
	return ST_OK;
}
