/* cli/commands.c -- the table of commands: names, aliases, flags, help. What they do stands in cmd_*.c. */
#include "cli/cli_priv.h"

#define IDENTIFIER(req) { "identifier", 'i', CLI_U64, req, NULL, "ID" }

static const struct cli_command users[] = {
	{ .name = "create", .aliases = { "c", "new" }, .args = "NAME", .help = "Create a user", .run = cli_users_create,
	  .flags = { { "display-name", 'd', CLI_STRING, false, NULL, "name shown to people" },
		     { "email", 'e', CLI_STRING, false, NULL, "e-mail address" },
		     { "picture-url", 'p', CLI_STRING, false, NULL, "http(s) address of a picture" } } },
	{ .name = "list", .aliases = { "ls", "show" }, .help = "List users", .run = cli_users_list,
	  .flags = { IDENTIFIER(false), { "name", 'n', CLI_STRING, false, NULL, "only the user of this name" },
		     { "email", 'e', CLI_STRING, false, NULL, "only users with this e-mail address" } } },
	{ .name = "destroy", .aliases = { "delete" }, .help = "Remove a user and its pre-auth keys", .run = cli_users_destroy,
	  .flags = { IDENTIFIER(false), { "name", 'n', CLI_STRING, false, NULL, "name" } } },
	{ .name = "rename", .aliases = { "mv" }, .help = "Give a user another name", .run = cli_users_rename,
	  .flags = { IDENTIFIER(false), { "name", 'n', CLI_STRING, false, NULL, "present name" },
		     { "new-name", 'r', CLI_STRING, true, NULL, "new name" } } },
	{ .name = "set-role", .args = "ROLE", .help = "Set a user's role: owner, admin, network-admin, it-admin, auditor or member",
	  .run = cli_users_role,
	  .flags = { IDENTIFIER(false), { "name", 'n', CLI_STRING, false, NULL, "name" } } },
	{ .name = NULL }
};

static const struct cli_command nodes[] = {
	{ .name = "list", .aliases = { "ls", "show" }, .help = "List nodes", .run = cli_nodes_list,
	  .flags = { { "user", 'u', CLI_STRING, false, NULL, "only this user's nodes" },
		     { "tag", 0, CLI_STRING, false, NULL, "only nodes with this tag" },
		     { "name", 'n', CLI_STRING, false, NULL, "only this name or host name; * is any text" },
		     { "ip", 0, CLI_STRING, false, NULL, "only the node of this address" },
		     { "online", 0, CLI_BOOL, false, NULL, "only nodes that are online; =false: offline" },
		     { "expired", 0, CLI_BOOL, false, NULL, "only nodes whose key has expired; =false: has not" },
		     { "sort", 0, CLI_STRING, false, NULL, "id, name, givenName, createdAt, lastSeen or expiry; - before it: downwards" },
		     { "limit", 0, CLI_U64, false, NULL, "at most so many" },
		     { "offset", 0, CLI_U64, false, NULL, "without the first so many" } } },
	{ .name = "list-routes", .aliases = { "lsr", "routes" }, .help = "List routes of nodes", .run = cli_nodes_routes,
	  .flags = { IDENTIFIER(false) } },
	{ .name = "register", .help = "Admit a machine that waits at a login page", .run = cli_nodes_register,
	  .deprecated = "Command \"register\" is deprecated, use 'headscale auth register --auth-id <id> --user <user>' instead",
	  .flags = { { "user", 'u', CLI_STRING, true, NULL, "name of the user" },
		     { "key", 'k', CLI_STRING, true, NULL, "auth ID shown on the login page" } } },
	{ .name = "expire", .aliases = { "logout", "exp", "e" }, .help = "End a node's key now, at a time, or never",
	  .run = cli_nodes_expire,
	  .flags = { IDENTIFIER(true), { "expiry", 'e', CLI_STRING, false, NULL, "when, as RFC 3339 (default: now)" },
		     { "disable", 'd', CLI_BOOL, false, NULL, "the key never expires" } } },
	{ .name = "rename", .args = "NEW_NAME", .help = "Give a node another name", .run = cli_nodes_rename,
	  .flags = { IDENTIFIER(true) } },
	{ .name = "delete", .aliases = { "del" }, .help = "Delete a node", .run = cli_nodes_delete, .flags = { IDENTIFIER(true) } },
	{ .name = "tag", .aliases = { "tags", "t" }, .help = "Replace a node's tags", .run = cli_nodes_tag,
	  .flags = { IDENTIFIER(true), { "tags", 't', CLI_LIST, false, NULL, "tags, each beginning with tag:" } } },
	{ .name = "approve-routes", .help = "Replace a node's approved routes", .run = cli_nodes_approve_routes,
	  .flags = { IDENTIFIER(true), { "routes", 'r', CLI_LIST, false, NULL, "prefixes; none clears" } } },
	{ .name = "backfillips", .help = "Give every node an address of each configured family", .run = cli_nodes_backfill },
	{ .name = NULL }
};

static const struct cli_command auth[] = {
	{ .name = "register", .help = "Admit a machine that waits at a login page", .run = cli_auth_register,
	  .flags = { { "user", 'u', CLI_STRING, true, NULL, "name of the user" },
		     { "auth-id", 0, CLI_STRING, true, NULL, "auth ID shown on the login page" } } },
	{ .name = "approve", .help = "Approve a waiting SSH check", .run = cli_auth_approve,
	  .flags = { { "auth-id", 0, CLI_STRING, true, NULL, "auth ID" } } },
	{ .name = "reject", .help = "Refuse a waiting login or SSH check", .run = cli_auth_reject,
	  .flags = { { "auth-id", 0, CLI_STRING, true, NULL, "auth ID" } } },
	{ .name = NULL }
};

static const struct cli_command preauthkeys[] = {
	{ .name = "list", .aliases = { "ls", "show" }, .help = "List pre-auth keys", .run = cli_preauth_list },
	{ .name = "create", .aliases = { "c", "new" }, .help = "Create a pre-auth key", .run = cli_preauth_create,
	  .flags = { { "user", 'u', CLI_U64, false, NULL, "ID of the user" },
		     { "reusable", 0, CLI_BOOL, false, NULL, "may be used more than once" },
		     { "ephemeral", 0, CLI_BOOL, false, NULL, "its nodes go when they are away" },
		     { "expiration", 'e', CLI_STRING, false, "1h", "how long it may be used: 30m, 24h, 90d" },
		     { "tags", 0, CLI_LIST, false, NULL, "tags that its nodes get" } } },
	{ .name = "expire", .aliases = { "revoke", "exp", "e" }, .help = "End a pre-auth key", .run = cli_preauth_expire,
	  .flags = { { "id", 'i', CLI_U64, false, NULL, "ID" } } },
	{ .name = "delete", .aliases = { "del", "rm", "d" }, .help = "Delete a pre-auth key", .run = cli_preauth_delete,
	  .flags = { { "id", 'i', CLI_U64, false, NULL, "ID" } } },
	{ .name = NULL }
};

static const struct cli_command apikeys[] = {
	{ .name = "list", .aliases = { "ls", "show" }, .help = "List API keys", .run = cli_apikeys_list },
	{ .name = "create", .aliases = { "c", "new" }, .help = "Create an API key", .run = cli_apikeys_create,
	  .flags = { { "expiration", 'e', CLI_STRING, false, "90d", "how long it is good: 30m, 24h, 90d" } } },
	{ .name = "expire", .aliases = { "revoke", "exp", "e" }, .help = "End an API key", .run = cli_apikeys_expire,
	  .flags = { { "id", 'i', CLI_U64, false, NULL, "ID" }, { "prefix", 'p', CLI_STRING, false, NULL, "prefix" } } },
	{ .name = "delete", .aliases = { "remove", "del" }, .help = "Delete an API key", .run = cli_apikeys_delete,
	  .flags = { { "id", 'i', CLI_U64, false, NULL, "ID" }, { "prefix", 'p', CLI_STRING, false, NULL, "prefix" } } },
	{ .name = NULL }
};

#define POLICY_BYPASS                                                                                                  \
	{ "bypass-server-and-access-database-directly", 0, CLI_BOOL, false, NULL, "open the database; no server may run" }, \
	{ "bypass-grpc-and-access-database-directly", 0, CLI_BOOL, false, NULL, "older name of the same" }

static const struct cli_command policy[] = {
	{ .name = "get", .aliases = { "show", "view", "fetch" }, .help = "Print the policy", .run = cli_policy_get,
	  .flags = { POLICY_BYPASS } },
	{ .name = "set", .aliases = { "put", "update" }, .help = "Replace the policy", .run = cli_policy_set,
	  .flags = { { "file", 'f', CLI_STRING, true, NULL, "HuJSON file" }, POLICY_BYPASS } },
	{ .name = "check", .help = "Say whether a policy would be taken", .run = cli_policy_check,
	  .flags = { { "file", 'f', CLI_STRING, true, NULL, "HuJSON file" }, POLICY_BYPASS } },
	{ .name = "explain", .args = "SRC DST[:PORT]", .help = "Say which rule lets SRC reach DST, or what comes nearest",
	  .run = cli_policy_explain,
	  .flags = { { "file", 'f', CLI_STRING, false, NULL, "policy file instead of the server's" },
		     { "nodes", 'n', CLI_STRING, false, NULL, "node list (JSON of `nodes list`) instead of the server's" },
		     { "proto", 'p', CLI_STRING, false, "tcp", "protocol" } } },
	{ .name = NULL }
};

static const struct cli_command generate[] = {
	{ .name = "private-key", .help = "Print a new private key", .run = cli_generate_key },
	{ .name = NULL }
};

static const struct cli_command debug[] = {
	{ .name = "create-node", .help = "Make a pending registration", .run = cli_debug_create_node,
	  .flags = { { "name", 0, CLI_STRING, true, NULL, "host name" },
		     { "user", 'u', CLI_STRING, true, NULL, "user" },
		     { "key", 'k', CLI_STRING, true, NULL, "auth ID" },
		     { "route", 'r', CLI_LIST, false, NULL, "announced routes" } } },
	{ .name = NULL }
};

static const struct cli_command derp[] = {
	{ .name = "status", .help = "Show what goes through the relay: connections, mesh peers, STUN, rates", .run = cli_derp_status,
	  .flags = { { "limit", 'l', CLI_U64, false, "50", "at most so many connections, the busiest first" },
		     { "interval", 'i', CLI_STRING, false, "1s", "rates are over this time; 0: none" },
		     { "socket", 's', CLI_STRING, false, NULL, "socket of a relay that runs alone (its --status-socket)" } } },
	{ .name = NULL }
};

static const struct cli_command commands[] = {
	{ .name = "serve", .help = "Run the server", .run = cli_serve },
	{ .name = "derp", .args = "[flags]", .help = "Run only a relay and STUN", .run = cli_derp, .raw_args = true,
	  .subs = derp },
	{ .name = "users", .aliases = { "user" }, .help = "Manage users", .subs = users },
	{ .name = "nodes", .aliases = { "node" }, .help = "Manage nodes", .subs = nodes },
	{ .name = "auth", .help = "Answer waiting logins and SSH checks", .subs = auth },
	{ .name = "preauthkeys", .aliases = { "preauthkey", "authkey", "pre" }, .help = "Manage pre-auth keys", .subs = preauthkeys },
	{ .name = "apikeys", .aliases = { "apikey", "api" }, .help = "Manage API keys", .subs = apikeys },
	{ .name = "policy", .help = "Read, replace, check and explain the policy", .subs = policy },
	{ .name = "audit", .help = "List who changed what, and when", .run = cli_audit,
	  .flags = { { "actor", 'a', CLI_STRING, false, NULL, "only what this actor did" },
		     { "action", 0, CLI_STRING, false, NULL, "only this kind of change, such as node.rename" },
		     { "since", 's', CLI_STRING, false, NULL, "only from this time on (RFC 3339, or a duration such as 24h)" },
		     { "limit", 'l', CLI_U64, false, "100", "at most so many, newest first" } } },
	{ .name = "health", .help = "Ask the server whether it is well", .run = cli_health },
	{ .name = "configtest", .help = "Check the configuration and change nothing", .run = cli_configtest },
	{ .name = "version", .help = "Print the version", .run = cli_version },
	{ .name = "generate", .aliases = { "gen" }, .help = "Make keys", .subs = generate },
	{ .name = "completion", .args = "bash|zsh|fish", .help = "Print a completion script for a shell", .run = cli_completion },
	{ .name = "man", .help = "Print the manual page", .run = cli_man, .hidden = true },
	{ .name = "debug", .help = "For tests", .subs = debug, .hidden = true },
	{ .name = "help", .args = "[COMMAND]", .help = "Help for a command", .run = cli_help },
	{ .name = NULL }
};

const struct cli_command cli_root = {
	.name = "headscale",
	.help = "headscale: a self-hosted coordination server for Tailscale clients",
	.subs = commands,
};
