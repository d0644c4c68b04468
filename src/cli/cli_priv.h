/* cli/cli_priv.h -- what the files of this room share. */
#ifndef CLI_PRIV_H
#define CLI_PRIV_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json_in.h"
#include "cli/cli.h"

#define CLI_FLAGS_MAX 12
#define CLI_ALIASES_MAX 5

enum cli_flag_type { CLI_STRING, CLI_U64, CLI_BOOL, CLI_LIST };

struct cli_flag {
	const char *name;
	char letter; /* 0: none */
	enum cli_flag_type type;
	bool required;
	const char *def;  /* shown and used when not given; NULL: none */
	const char *help;
};

struct cli_ctx;

struct cli_command {
	const char *name;
	const char *aliases[CLI_ALIASES_MAX + 1];
	const char *args; /* "NAME" or "" for the usage line */
	const char *help;
	struct cli_flag flags[CLI_FLAGS_MAX];
	/* One of the two: */
	enum status (*run)(struct cli_ctx *c);
	const struct cli_command *subs; /* ends with a row whose name is NULL */
	bool hidden;
	bool raw_args; /* everything after the name is the command's own business, unless it begins with one of subs */
	const char *deprecated; /* printed before running; NULL: not */
};

enum cli_format { CLI_HUMAN, CLI_JSON, CLI_JSON_LINE, CLI_YAML };

struct cli_value {
	bool given;
	const char *text;  /* STRING, and the raw text of the others */
	uint64_t number;   /* U64 */
	bool on;           /* BOOL */
	const char **list; /* LIST: split at commas, repeated flags joined */
	size_t n_list;
};

struct cli_ctx {
	struct arena *arena; /* everything below lives here */
	const struct cli_hooks *hooks;
	const struct cli_command *root, *command;
	const char *config_path;
	enum cli_format format;
	bool force;
	struct cli_value values[CLI_FLAGS_MAX]; /* as command->flags */
	char **args; /* what is no flag */
	int n_args;
	struct err err;
	struct cli_http *http;
};

extern const struct cli_command cli_root;

/* args.c */
/** Find the command and its flags; prints usage itself where that is the answer. ST_CLOSED: help was shown, all is well. */
enum status cli_parse(struct cli_ctx *c, int argc, char **argv) MUST_CHECK;
void cli_usage(struct cli_ctx *c, const struct cli_command *cmd, const char *path, FILE *to);
/** The value of a flag of the running command; the flag must be in its table. */
const struct cli_value *cli_flag(struct cli_ctx *c, const char *name);
/** Name of the running command with its parents, without the programme. */
const char *cli_command_path(struct cli_ctx *c);

/* output.c */
/** Print a tree in the chosen format (not for people). */
void cli_print(struct cli_ctx *c, struct json_object *tree);
/** For people: the sentence; otherwise the tree. */
void cli_result(struct cli_ctx *c, struct json_object *tree, const char *fmt, ...) PRINTF_LIKE(3, 4);
void cli_error(struct cli_ctx *c, const char *text);
/** Ask on stderr; true at once with --force. */
bool cli_confirm(struct cli_ctx *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

struct cli_table; /* rows of cells; a cell may have several lines */
struct cli_table *cli_table_new(struct cli_ctx *c, const char *const *header, size_t columns);
void cli_table_cell(struct cli_table *t, const char *text); /* the next cell, left to right */
void cli_table_print(struct cli_table *t);
/** "YYYY-MM-DD HH:MM:SS" of an RFC 3339 text, or `none` if it is NULL. */
const char *cli_time(struct cli_ctx *c, const char *rfc3339, const char *none);
/** Members of an object as text; "" where absent. Borrowed from the tree. */
const char *cli_str(struct json_object *o, const char *name);
bool cli_bool(struct json_object *o, const char *name);
struct json_object *cli_member(struct json_object *o, const char *name);

/**
 * A node, a pre-auth key, or a list of them, changed in place: where the API has no user and no key, objects with empty
 * members, as the Go server's command line prints them. Returns its argument.
 */
struct json_object *cli_filled(struct json_object *o);

/* http.c */
/**
 * One request to the server's API.
 *
 * body      JSON, or NULL: none (borrowed).
 * out       set on ST_OK: the answer's tree, kept until the command ends.
 * action    what was tried ("listing nodes"), put before what went wrong.
 * Blocks up to the time limit of the configuration; retries while the server is starting.
 */
enum status cli_call(struct cli_ctx *c, const char *action, const char *method, const char *path,
		     struct json_object *body, struct json_object **out) MUST_CHECK;
/** Percent-encode a path segment or query value; from the arena. */
const char *cli_escape(struct cli_ctx *c, const char *s);
void cli_http_close(struct cli_ctx *c);

/* A tree that goes when the command ends. */
struct json_object *cli_object(struct cli_ctx *c);
struct json_object *cli_own(struct cli_ctx *c, struct json_object *o);
/** Sets a member to text. */
void cli_put(struct json_object *o, const char *name, const char *text);

/* commands, by file */
enum status cli_users_create(struct cli_ctx *c);
enum status cli_users_list(struct cli_ctx *c);
enum status cli_users_destroy(struct cli_ctx *c);
enum status cli_users_rename(struct cli_ctx *c);
enum status cli_users_role(struct cli_ctx *c);
enum status cli_nodes_list(struct cli_ctx *c);
enum status cli_nodes_routes(struct cli_ctx *c);
enum status cli_nodes_register(struct cli_ctx *c);
enum status cli_nodes_expire(struct cli_ctx *c);
enum status cli_nodes_rename(struct cli_ctx *c);
enum status cli_nodes_delete(struct cli_ctx *c);
enum status cli_nodes_tag(struct cli_ctx *c);
enum status cli_nodes_approve_routes(struct cli_ctx *c);
enum status cli_nodes_backfill(struct cli_ctx *c);
enum status cli_auth_register(struct cli_ctx *c);
enum status cli_auth_approve(struct cli_ctx *c);
enum status cli_auth_reject(struct cli_ctx *c);
enum status cli_preauth_list(struct cli_ctx *c);
enum status cli_preauth_create(struct cli_ctx *c);
enum status cli_preauth_expire(struct cli_ctx *c);
enum status cli_preauth_delete(struct cli_ctx *c);
enum status cli_apikeys_list(struct cli_ctx *c);
enum status cli_apikeys_create(struct cli_ctx *c);
enum status cli_apikeys_expire(struct cli_ctx *c);
enum status cli_apikeys_delete(struct cli_ctx *c);
enum status cli_policy_get(struct cli_ctx *c);
enum status cli_policy_set(struct cli_ctx *c);
enum status cli_policy_check(struct cli_ctx *c);
enum status cli_policy_explain(struct cli_ctx *c);
enum status cli_audit(struct cli_ctx *c);
enum status cli_serve(struct cli_ctx *c);
enum status cli_derp(struct cli_ctx *c);
enum status cli_derp_status(struct cli_ctx *c);
enum status cli_version(struct cli_ctx *c);
enum status cli_configtest(struct cli_ctx *c);
enum status cli_health(struct cli_ctx *c);
enum status cli_generate_key(struct cli_ctx *c);
enum status cli_completion(struct cli_ctx *c);
enum status cli_man(struct cli_ctx *c);
enum status cli_help(struct cli_ctx *c);
enum status cli_debug_create_node(struct cli_ctx *c);

#endif
