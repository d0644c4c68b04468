/*
 * store/tables.h -- the tables, their columns and keys, in code. The SQL of each version is in store/sqlite_schema.c.
 *
 * X(identifier, "name"): columns in order; the first `n_key` of a table are its key. Times are nanoseconds since 1970,
 * NULL for none; lists are JSON arrays; keys are texts with their prefixes ("nodekey:...").
 */
#ifndef STORE_TABLES_H
#define STORE_TABLES_H

#include <stddef.h>

#define STORE_COUNTERS_COLS(X) X(TAILNET, "tailnet") X(NAME, "name") X(VALUE, "value")
#define STORE_USERS_COLS(X)                                                                        \
	X(TAILNET, "tailnet") X(ID, "id") X(NAME, "name") X(DISPLAY_NAME, "display_name")          \
	X(EMAIL, "email") X(PROVIDER, "provider") X(PROVIDER_ID, "provider_id")                    \
	X(PICTURE_URL, "picture_url") X(ROLE, "role") X(CREATED, "created_ns")
#define STORE_NODES_COLS(X)                                                                        \
	X(TAILNET, "tailnet") X(ID, "id") X(USER, "user_id") X(CREATED_BY, "created_by")           \
	X(MACHINE_KEY, "machine_key") X(NODE_KEY, "node_key") X(NL_KEY, "nl_key")                  \
	X(KEY_EXPIRY, "key_expiry_ns") X(CREATED, "created_ns") X(METHOD, "method")                \
	X(AUTH_KEY, "auth_key_id") X(EPHEMERAL, "ephemeral") X(HOSTNAME, "hostname")               \
	X(NAME, "name") X(IP4, "ip4") X(IP6, "ip6") X(TAGS, "tags")                                \
	X(ANNOUNCED, "announced_routes") X(APPROVED, "approved_routes")                            \
	X(REQUEST_TAGS, "request_tags") X(SSH_HOST_KEYS, "ssh_host_keys")
#define STORE_PRESENCE_COLS(X)                                                                     \
	X(TAILNET, "tailnet") X(NODE, "node_id") X(DISCO_KEY, "disco_key")                         \
	X(ENDPOINTS, "endpoints") X(HOME_DERP, "home_derp") X(CAP, "cap") X(ONLINE, "online")      \
	X(LAST_SEEN, "last_seen_ns") X(HOSTINFO, "hostinfo") X(HOSTINFO_PEER, "hostinfo_peer")
#define STORE_PREAUTH_COLS(X)                                                                      \
	X(TAILNET, "tailnet") X(ID, "id") X(NAME, "name") X(HASH_FORM, "hash_form")                \
	X(HASH, "hash") X(USER, "user_id") X(REUSABLE, "reusable") X(EPHEMERAL, "ephemeral")       \
	X(USED, "used") X(TAGS, "tags") X(DESCRIPTION, "description") X(CREATED, "created_ns")     \
	X(EXPIRES, "expires_ns") X(REVOKED, "revoked_ns")
#define STORE_API_KEYS_COLS(X)                                                                     \
	X(TAILNET, "tailnet") X(ID, "id") X(KIND, "kind") X(NAME, "name")                          \
	X(HASH_FORM, "hash_form") X(HASH, "hash") X(USER, "user_id") X(PARENT, "parent_id")        \
	X(SCOPES, "scopes") X(TAGS, "tags") X(DESCRIPTION, "description")                          \
	X(CREATED, "created_ns") X(EXPIRES, "expires_ns") X(REVOKED, "revoked_ns")                 \
	X(LAST_USED, "last_used_ns")
#define STORE_PENDING_COLS(X)                                                                      \
	X(TAILNET, "tailnet") X(AUTH_ID, "auth_id") X(KIND, "kind") X(VERDICT, "verdict")          \
	X(CREATED, "created_ns") X(EXPIRES, "expires_ns") X(SOURCE, "source")                      \
	X(MACHINE_KEY, "machine_key") X(NODE_KEY, "node_key") X(NL_KEY, "nl_key")                  \
	X(KEY_EXPIRY, "key_expiry_ns") X(CAP, "cap") X(EPHEMERAL, "ephemeral")                     \
	X(HOSTINFO, "hostinfo") X(HOSTNAME, "hostname") X(SRC, "src_node") X(DST, "dst_node")      \
	X(ANY_DST, "any_destination")
#define STORE_SSH_COLS(X) X(TAILNET, "tailnet") X(SRC, "src_node") X(DST, "dst_node") X(AT, "approved_ns")
#define STORE_DOCS_COLS(X)                                                                         \
	X(TAILNET, "tailnet") X(KIND, "kind") X(KEY, "key") X(TEXT, "text") X(AT, "stored_ns")
#define STORE_AUDIT_COLS(X)                                                                        \
	X(TAILNET, "tailnet") X(ID, "id") X(AT, "at_ns") X(WHO, "who") X(WHY, "why")               \
	X(ACTION, "action") X(OBJECT, "object") X(BEFORE, "before") X(AFTER, "after")

/* identifier, SQL name, number of key columns */
#define STORE_TABLES(T)                                                                            \
	T(COUNTERS, "counters", 2)                                                                 \
	T(USERS, "users", 2)                                                                       \
	T(NODES, "nodes", 2)                                                                       \
	T(PRESENCE, "presence", 2)                                                                 \
	T(PREAUTH, "preauth_keys", 2)                                                              \
	T(API_KEYS, "api_keys", 2)                                                                 \
	T(PENDING, "pending", 2)                                                                   \
	T(SSH, "ssh_approvals", 3)                                                                 \
	T(DOCS, "documents", 3)                                                                    \
	T(AUDIT, "audit", 2)

#define STORE_ENUM_TABLE(id, name, n_key) STORE_##id,
enum store_table { STORE_TABLES(STORE_ENUM_TABLE) STORE_TABLE_COUNT };

/* COL_NODES_ID and so on: indexes into a row; COL_NODES_COUNT is the width. */
#define X(id, name) COL_COUNTERS_##id,
enum { STORE_COUNTERS_COLS(X) COL_COUNTERS_COUNT };
#undef X
#define X(id, name) COL_USERS_##id,
enum { STORE_USERS_COLS(X) COL_USERS_COUNT };
#undef X
#define X(id, name) COL_NODES_##id,
enum { STORE_NODES_COLS(X) COL_NODES_COUNT };
#undef X
#define X(id, name) COL_PRESENCE_##id,
enum { STORE_PRESENCE_COLS(X) COL_PRESENCE_COUNT };
#undef X
#define X(id, name) COL_PREAUTH_##id,
enum { STORE_PREAUTH_COLS(X) COL_PREAUTH_COUNT };
#undef X
#define X(id, name) COL_API_KEYS_##id,
enum { STORE_API_KEYS_COLS(X) COL_API_KEYS_COUNT };
#undef X
#define X(id, name) COL_PENDING_##id,
enum { STORE_PENDING_COLS(X) COL_PENDING_COUNT };
#undef X
#define X(id, name) COL_SSH_##id,
enum { STORE_SSH_COLS(X) COL_SSH_COUNT };
#undef X
#define X(id, name) COL_DOCS_##id,
enum { STORE_DOCS_COLS(X) COL_DOCS_COUNT };
#undef X
#define X(id, name) COL_AUDIT_##id,
enum { STORE_AUDIT_COLS(X) COL_AUDIT_COUNT };
#undef X

#define STORE_COLUMNS_MAX 24

struct store_table_def {
	const char *name;
	unsigned n_key, n_cols;
	const char *const *cols;
};
/** By enum store_table. */
extern const struct store_table_def store_tables[STORE_TABLE_COUNT];

#endif
