/*
 * store/sqlite_schema.c -- the SQL of every version of the schema, one step a version.
 *
 * A step that was ever released is never changed: another one follows it. The version of a database is its
 * user_version; its application_id says that it is ours.
 *
 * Tables of short rows are WITHOUT ROWID: one tree instead of two. Not so where rows may pass some 1,000 bytes: in such
 * a tree each of those takes an overflow page of its own (100,000 nodes: 590 MB instead of 235).
 */
#include "store/store_priv.h"

static const char step_1[] =
	"CREATE TABLE counters ("
	"  tailnet INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,"
	"  PRIMARY KEY (tailnet, name)) WITHOUT ROWID;"

	"CREATE TABLE users ("
	"  tailnet INTEGER NOT NULL, id INTEGER NOT NULL,"
	"  name TEXT NOT NULL, display_name TEXT NOT NULL, email TEXT NOT NULL,"
	"  provider TEXT NOT NULL, provider_id TEXT NOT NULL, picture_url TEXT NOT NULL,"
	"  role INTEGER NOT NULL, created_ns INTEGER,"
	"  PRIMARY KEY (tailnet, id)) WITHOUT ROWID;"
	"CREATE UNIQUE INDEX users_local_name ON users (tailnet, name) WHERE provider_id = '';"
	"CREATE UNIQUE INDEX users_provider_id ON users (tailnet, provider_id) WHERE provider_id != '';"

	"CREATE TABLE nodes ("
	"  tailnet INTEGER NOT NULL, id INTEGER NOT NULL,"
	"  user_id INTEGER NOT NULL, created_by INTEGER NOT NULL," /* 0: none */
	"  machine_key TEXT NOT NULL, node_key TEXT NOT NULL, nl_key TEXT,"
	"  key_expiry_ns INTEGER, created_ns INTEGER, method INTEGER NOT NULL,"
	"  auth_key_id INTEGER NOT NULL, ephemeral INTEGER NOT NULL,"
	"  hostname TEXT NOT NULL, name TEXT NOT NULL, ip4 TEXT, ip6 TEXT,"
	"  tags TEXT, announced_routes TEXT, approved_routes TEXT, request_tags TEXT, ssh_host_keys TEXT,"
	"  PRIMARY KEY (tailnet, id)) WITHOUT ROWID;"
	"CREATE UNIQUE INDEX nodes_node_key ON nodes (tailnet, node_key);"
	"CREATE UNIQUE INDEX nodes_name ON nodes (tailnet, name);"
	"CREATE UNIQUE INDEX nodes_ip4 ON nodes (tailnet, ip4) WHERE ip4 IS NOT NULL;"
	"CREATE UNIQUE INDEX nodes_ip6 ON nodes (tailnet, ip6) WHERE ip6 IS NOT NULL;"

	"CREATE TABLE presence ("
	"  tailnet INTEGER NOT NULL, node_id INTEGER NOT NULL,"
	"  disco_key TEXT, endpoints TEXT, home_derp INTEGER NOT NULL, cap INTEGER NOT NULL,"
	"  online INTEGER NOT NULL, last_seen_ns INTEGER, hostinfo TEXT, hostinfo_peer TEXT,"
	"  PRIMARY KEY (tailnet, node_id));"

	"CREATE TABLE preauth_keys ("
	"  tailnet INTEGER NOT NULL, id INTEGER NOT NULL,"
	"  name TEXT NOT NULL, hash_form INTEGER NOT NULL, hash BLOB NOT NULL,"
	"  user_id INTEGER NOT NULL, reusable INTEGER NOT NULL, ephemeral INTEGER NOT NULL, used INTEGER NOT NULL,"
	"  tags TEXT, description TEXT NOT NULL, created_ns INTEGER, expires_ns INTEGER, revoked_ns INTEGER,"
	"  PRIMARY KEY (tailnet, id)) WITHOUT ROWID;"
	"CREATE UNIQUE INDEX preauth_keys_name ON preauth_keys (tailnet, name);"

	"CREATE TABLE api_keys ("
	"  tailnet INTEGER NOT NULL, id INTEGER NOT NULL,"
	"  kind INTEGER NOT NULL, name TEXT NOT NULL, hash_form INTEGER NOT NULL, hash BLOB NOT NULL,"
	"  user_id INTEGER NOT NULL, parent_id INTEGER NOT NULL, scopes TEXT, tags TEXT,"
	"  description TEXT NOT NULL, created_ns INTEGER, expires_ns INTEGER, revoked_ns INTEGER,"
	"  last_used_ns INTEGER,"
	"  PRIMARY KEY (tailnet, id)) WITHOUT ROWID;"
	"CREATE UNIQUE INDEX api_keys_name ON api_keys (tailnet, kind, name);"

	"CREATE TABLE pending ("
	"  tailnet INTEGER NOT NULL, auth_id TEXT NOT NULL,"
	"  kind INTEGER NOT NULL, verdict INTEGER NOT NULL, created_ns INTEGER, expires_ns INTEGER, source TEXT,"
	"  machine_key TEXT, node_key TEXT, nl_key TEXT, key_expiry_ns INTEGER, cap INTEGER NOT NULL,"
	"  ephemeral INTEGER NOT NULL, hostinfo TEXT, hostname TEXT NOT NULL,"
	"  src_node INTEGER NOT NULL, dst_node INTEGER NOT NULL, any_destination INTEGER NOT NULL,"
	"  PRIMARY KEY (tailnet, auth_id));"

	"CREATE TABLE ssh_approvals ("
	"  tailnet INTEGER NOT NULL, src_node INTEGER NOT NULL, dst_node INTEGER NOT NULL," /* dst 0: any */
	"  approved_ns INTEGER NOT NULL,"
	"  PRIMARY KEY (tailnet, src_node, dst_node)) WITHOUT ROWID;"

	"CREATE TABLE documents ("
	"  tailnet INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,"
	"  text TEXT NOT NULL, stored_ns INTEGER,"
	"  PRIMARY KEY (tailnet, kind, key));"

	"CREATE TABLE audit ("
	"  tailnet INTEGER NOT NULL, id INTEGER NOT NULL,"
	"  at_ns INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, action TEXT NOT NULL,"
	"  object TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,"
	"  PRIMARY KEY (tailnet, id));";

const char *const sqlite_steps[] = { step_1 };
const unsigned sqlite_version = sizeof sqlite_steps / sizeof sqlite_steps[0];
