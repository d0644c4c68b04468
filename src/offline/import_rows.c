/*
 * offline/import_rows.c -- the rows of a Go headscale's database as ours; see offline/import_priv.h.
 *
 * Its tables are read through SQL in the columns they have since its version 0.28; what later versions added is read
 * where it is there. What its later migrations do to rows (owners of tagged nodes, times before 1900, owners lost) is
 * done here while reading, so the version it last ran as makes no difference.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_in.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "crypto/hash.h"
#include "offline/import_priv.h"
#include "offline/import_read.h"
#include "policy/policy.h"
#include "state/hostinfo.h"
#include "state/keys.h"
#include "state/names.h"
#include "state/rows.h"

#define MINIMUM "202511131445-node-forced-tags-to-tags"
#define REQUEST_TAGS "202601121700-migrate-hostinfo-request-tags"
#define LONG_AGO ((int64_t)1) /* a moment in 1970: over, for what is over since year 1 */

/* Newer than MINIMUM and known here; what is older left nothing behind that is not seen in the columns. */
static const char *const known[] = {
	MINIMUM,
	REQUEST_TAGS,
	"202602201200-clear-tagged-node-user-id",
	"202605221435-clear-zero-time-node-expiry",
	"202606181200-recover-null-tags-node-user-id",
	"202606191500-api-key-user-id",
	"202606191501-pre-auth-key-description",
	"202606201200-pre-auth-key-revoked",
	"202606211200-oauth-clients-and-tokens",
	"SCHEMA_INIT",
};

/* ---- what all tables share --------------------------------------------------------------- */

struct import {
	sqlite3 *db;
	struct store *to;
	struct arena *a;
	bool policy_in_use;
	struct import_counts *counts;
	struct err *err;
};

/* One row: read it, put it. What goes wrong goes to the reader's status and err. */
typedef void (*row_fn)(struct import *im, struct import_reader *r);

static void put(struct import *im, struct import_reader *r, enum store_table t, const struct store_value *v)
{
	if (r->status != ST_OK)
		return;
	r->status = store_put(im->to, t, v, r->err);
	if (r->status != ST_OK)
		err_prefix(r->err, "table %s, id %" PRId64, r->table, r->id);
}

static enum status each(struct import *im, const char *table, const struct import_column *cols, unsigned n, const char *where,
			row_fn fn)
{
	struct import_reader r = { .db = im->db, .table = table, .cols = cols, .err = im->err };
	enum status s = import_prepare(&r, n, where);
	int rc = SQLITE_DONE;

	while (s == ST_OK && (rc = sqlite3_step(r.st)) == SQLITE_ROW) {
		r.id = sqlite3_column_int64(r.st, 0);
		if (r.id <= 0 || r.id >= INT64_C(1) << 53)
			import_bad(&r, 0, "%" PRId64 " is out of range", r.id);
		else
			fn(im, &r);
		s = r.status;
		arena_reset(im->a);
	}
	if (s == ST_OK && rc != SQLITE_DONE)
		s = import_sql_failed(im->db, table, im->err);
	sqlite3_finalize(r.st);
	return s;
}

/* ---- users --------------------------------------------------------------------------------- */

enum { U_ID, U_NAME, U_DISPLAY, U_EMAIL, U_PROVIDER_ID, U_PROVIDER, U_PICTURE, U_CREATED, U_COUNT };
static const struct import_column user_cols[U_COUNT] = {
	[U_ID] = { .name = "id" },
	[U_NAME] = { .name = "name" },
	[U_DISPLAY] = { .name = "display_name" },
	[U_EMAIL] = { .name = "email" },
	[U_PROVIDER_ID] = { .name = "provider_identifier" },
	[U_PROVIDER] = { .name = "provider" },
	[U_PICTURE] = { .name = "profile_pic_url" },
	[U_CREATED] = { .name = "created_at" },
};

static void user_row(struct import *im, struct import_reader *r)
{
	struct store_value v[COL_USERS_COUNT];
	struct user *u = user_new();

	u->id = (user_id)r->id;
	u->tailnet = TAILNET_DEFAULT;
	user_set_text(&u->name, import_get_text(r, U_NAME));
	user_set_text(&u->display_name, import_get_text(r, U_DISPLAY));
	user_set_text(&u->email, import_get_text(r, U_EMAIL));
	user_set_text(&u->provider_id, import_get_text(r, U_PROVIDER_ID));
	user_set_text(&u->provider, import_get_text(r, U_PROVIDER));
	user_set_text(&u->picture_url, import_get_text(r, U_PICTURE));
	u->role = im->counts->users == 0 ? ROLE_OWNER : ROLE_MEMBER; /* they come by id */
	u->created_ns = import_get_time(r, U_CREATED, TIME_NONE);
	if (u->name[0] == '\0' && u->provider_id[0] == '\0')
		import_bad(r, U_NAME, "a local user without a name");
	row_from_user(u, v);
	put(im, r, STORE_USERS, v);
	user_unref(&u);
	im->counts->users++;
}

/* ---- pre-auth keys --------------------------------------------------------------------------- */

enum { P_ID, P_KEY, P_PREFIX, P_HASH, P_USER, P_USER_LIVES, P_DESCRIPTION, P_REUSABLE, P_EPHEMERAL, P_USED, P_TAGS,
       P_CREATED, P_EXPIRES, P_REVOKED, P_COUNT };
static const struct import_column preauth_cols[P_COUNT] = {
	[P_ID] = { .name = "id" },
	[P_KEY] = { .name = "key" },
	[P_PREFIX] = { .name = "prefix" },
	[P_HASH] = { .name = "hash" },
	[P_USER] = { .name = "user_id" },
	[P_USER_LIVES] = { .name = "user_id", .sql = "(SELECT 1 FROM users u WHERE u.id = user_id AND u.deleted_at IS NULL)" },
	[P_DESCRIPTION] = { .name = "description", .optional = true },
	[P_REUSABLE] = { .name = "reusable" },
	[P_EPHEMERAL] = { .name = "ephemeral" },
	[P_USED] = { .name = "used" },
	[P_TAGS] = { .name = "tags" },
	[P_CREATED] = { .name = "created_at" },
	[P_EXPIRES] = { .name = "expiration" },
	[P_REVOKED] = { .name = "revoked", .optional = true },
};

static bool name_chars(const char *s, size_t n)
{
	return strlen(s) == n &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == n;
}

/* A key of today has a name and a hash; one from before 0.28 stands there as it is, and is hashed now. */
static void preauth_secret(struct import_reader *r, struct preauth_key *k)
{
	const char *prefix = import_get_text(r, P_PREFIX), *plain = import_get_text(r, P_KEY);

	if (prefix[0] != '\0') {
		if (name_chars(prefix, 12))
			memcpy(k->name, prefix, 13);
		else
			import_bad(r, P_PREFIX, "not 12 letters and digits");
		import_get_bcrypt(r, P_HASH, &k->hash);
		return;
	}
	if (!name_chars(plain, 48)) {
		import_bad(r, P_KEY, "neither a prefix nor a key of 48 digits");
		return;
	}
	key_legacy_name(bytes_of_str(plain), k->name);
	k->hash = (struct secret_hash){ .form = SECRET_SHA256, .n = SHA256_LEN };
	sha256(bytes_of_str(plain), k->hash.b);
}

static void preauth_row(struct import *im, struct import_reader *r)
{
	struct store_value v[COL_PREAUTH_COUNT];
	struct preauth_key *k = preauth_key_new();

	k->id = (key_id)r->id;
	k->tailnet = TAILNET_DEFAULT;
	preauth_secret(r, k);
	k->user = import_is_null(r, P_USER_LIVES) ? 0 : import_get_id(r, P_USER);
	free(k->description);
	k->description = xstrdup(import_get_text(r, P_DESCRIPTION));
	k->reusable = import_get_bool(r, P_REUSABLE);
	k->ephemeral = import_get_bool(r, P_EPHEMERAL);
	k->used = import_get_bool(r, P_USED);
	k->tags = import_get_texts(r, P_TAGS);
	k->created_ns = import_get_time(r, P_CREATED, TIME_NONE);
	k->expires_ns = import_get_time(r, P_EXPIRES, LONG_AGO);
	k->revoked_ns = import_get_time(r, P_REVOKED, LONG_AGO);
	if (k->user == 0 && k->tags == NULL)
		k->expires_ns = LONG_AGO; /* its nodes would belong to nobody */
	row_from_preauth(im->a, k, v);
	put(im, r, STORE_PREAUTH, v);
	preauth_key_unref(&k);
	im->counts->preauth_keys++;
}

/* ---- API keys -------------------------------------------------------------------------------- */

enum { A_ID, A_PREFIX, A_HASH, A_CREATED, A_EXPIRES, A_LAST_SEEN, A_COUNT };
static const struct import_column api_cols[A_COUNT] = {
	[A_ID] = { .name = "id" },
	[A_PREFIX] = { .name = "prefix" },
	[A_HASH] = { .name = "hash" },
	[A_CREATED] = { .name = "created_at" },
	[A_EXPIRES] = { .name = "expiration" },
	[A_LAST_SEEN] = { .name = "last_seen" },
};

/* user_id is not read: there, every API key has the operator's rights, whoever made it. */
static void api_row(struct import *im, struct import_reader *r)
{
	const char *prefix = import_get_text(r, A_PREFIX);
	struct store_value v[COL_API_KEYS_COUNT];
	struct api_key *k;

	if (strlen(prefix) == 10) { /* of the oldest releases: no server accepts it since 0.13 */
		im->counts->left_out++;
		return;
	}
	k = api_key_new();
	k->id = (key_id)r->id;
	k->tailnet = TAILNET_DEFAULT;
	k->kind = API_KEY;
	if (strlen(prefix) == 7 || name_chars(prefix, 12))
		memcpy(k->name, prefix, strlen(prefix) + 1);
	else
		import_bad(r, A_PREFIX, "neither 7 nor 12 characters");
	import_get_bcrypt(r, A_HASH, &k->hash);
	k->created_ns = import_get_time(r, A_CREATED, TIME_NONE);
	k->expires_ns = import_get_time(r, A_EXPIRES, LONG_AGO);
	k->last_used_ns = import_get_time(r, A_LAST_SEEN, TIME_NONE);
	row_from_api_key(im->a, k, v);
	put(im, r, STORE_API_KEYS, v);
	api_key_unref(&k);
	im->counts->api_keys++;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

enum { N_ID, N_MACHINE, N_KEY, N_DISCO, N_ENDPOINTS, N_HOSTINFO, N_IP4, N_IP6, N_HOSTNAME, N_NAME, N_USER, N_USER_LIVES,
       N_METHOD, N_TAGS, N_AUTH_KEY, N_KEY_THERE, N_KEY_USER, N_KEY_EPHEMERAL, N_EXPIRY, N_LAST_SEEN, N_APPROVED,
       N_CREATED, N_COUNT };
static const struct import_column node_cols[N_COUNT] = {
	[N_ID] = { .name = "id" },
	[N_MACHINE] = { .name = "machine_key" },
	[N_KEY] = { .name = "node_key" },
	[N_DISCO] = { .name = "disco_key" },
	[N_ENDPOINTS] = { .name = "endpoints" },
	[N_HOSTINFO] = { .name = "host_info" },
	[N_IP4] = { .name = "ipv4" },
	[N_IP6] = { .name = "ipv6" },
	[N_HOSTNAME] = { .name = "hostname" },
	[N_NAME] = { .name = "given_name" },
	[N_USER] = { .name = "user_id" },
	[N_USER_LIVES] = { .name = "user_id", .sql = "(SELECT 1 FROM users u WHERE u.id = user_id AND u.deleted_at IS NULL)" },
	[N_METHOD] = { .name = "register_method" },
	[N_TAGS] = { .name = "tags" },
	[N_AUTH_KEY] = { .name = "auth_key_id" },
	[N_KEY_THERE] = { .name = "auth_key_id", .sql = "(SELECT 1 FROM pre_auth_keys k WHERE k.id = auth_key_id)" },
	[N_KEY_USER] = { .name = "auth_key_id",
			 .sql = "(SELECT u.id FROM pre_auth_keys k JOIN users u ON u.id = k.user_id"
				" WHERE k.id = auth_key_id AND u.deleted_at IS NULL)" },
	[N_KEY_EPHEMERAL] = { .name = "auth_key_id",
			      .sql = "(SELECT k.ephemeral FROM pre_auth_keys k WHERE k.id = auth_key_id)" },
	[N_EXPIRY] = { .name = "expiry" },
	[N_LAST_SEEN] = { .name = "last_seen" },
	[N_APPROVED] = { .name = "approved_routes" },
	[N_CREATED] = { .name = "created_at" },
};

static enum register_method get_method(struct import_reader *r)
{
	const char *text = import_get_text(r, N_METHOD);

	if (strcmp(text, "authkey") == 0)
		return REGISTER_AUTHKEY;
	if (strcmp(text, "oidc") == 0)
		return REGISTER_OIDC;
	if (strcmp(text, "cli") != 0 && text[0] != '\0')
		import_bad(r, N_METHOD, "\"%.60s\" is no way to register", text);
	return REGISTER_CLI;
}

/* Tagged nodes belong to nobody; one that lost its owner to an early 0.29 gets that of its key. */
static void get_owner(struct import_reader *r, struct node *n)
{
	user_id user = import_is_null(r, N_USER_LIVES) ? 0 : import_get_id(r, N_USER), by_key = import_get_id(r, N_KEY_USER);

	if (user == 0 && (import_is_null(r, N_USER) || n->tags != NULL))
		user = by_key;
	n->created_by = user;
	if (n->tags == NULL) {
		n->user = user;
		if (user == 0)
			import_bad(r, N_USER, "the node has neither a user that exists nor tags; delete it, or give it tags, with the Go "
				       "server first");
	}
}

static void get_hostinfo(struct import_reader *r, struct node *n)
{
	struct hostinfo h = { 0 };
	struct err why = { "" };

	if (hostinfo_parse(bytes_of_str(import_get_text(r, N_HOSTINFO)), &h, &why) != ST_OK) {
		import_bad(r, N_HOSTINFO, "%s", why.text);
		return;
	}
	n->hostinfo = shared_bytes_ref(h.json);
	n->hostinfo_peer = shared_bytes_ref(h.peer);
	n->home_derp = h.home_derp;
	n->announced_routes = prefix_list_ref(h.routes);
	n->request_tags = str_list_ref(h.request_tags);
	n->ssh_host_keys = str_list_ref(h.ssh_host_keys);
	hostinfo_release(&h);
	/* Only releases before 0.28.0 itself kept such tags nowhere else, and the policy decided each time. */
	if (n->request_tags != NULL && n->tags == NULL &&
	    import_number(r->db, "SELECT count(*) FROM migrations WHERE id = ?1", REQUEST_TAGS, NULL) == 0)
		import_bad(r, N_HOSTINFO, "the node asks for tags that this version of the Go server had not stored; start its last "
				   "0.28 release once");
}

static void get_hostname(struct import_reader *r, struct node *n)
{
	const char *text = import_get_text(r, N_HOSTNAME);
	char kept[NODE_HOSTNAME_MAX + 1];
	size_t len = 0, step;

	while (text[len] != '\0') {
		step = utf8_len(bytes_of_str(text + len));
		if (step == 0 || len + step > NODE_HOSTNAME_MAX)
			break;
		len += step;
	}
	memcpy(kept, text, len);
	kept[len] = '\0';
	node_set_hostname(n, kept);
}

/* Is the name free for this node? If so it is taken. `own`: the name in its row, which others make way for. */
static bool take_name(struct import_reader *r, const char *name, bool own)
{
	if (!own && import_number(r->db, "SELECT count(*) FROM nodes WHERE given_name = ?1", name, NULL) != 0)
		return false;
	(void)import_number(r->db, "INSERT OR IGNORE INTO temp.import_names VALUES (?1)", name, NULL);
	return sqlite3_changes(r->db) == 1;
}

/* The name it has. There nothing but the running server kept names valid and unique. */
static void get_name(struct import_reader *r, struct node *n)
{
	const char *text = import_get_text(r, N_NAME);
	char base[NODE_NAME_MAX + 1], name[NODE_NAME_MAX + 1];
	unsigned i = 0;

	if (r->status != ST_OK)
		return;
	if (name_is_label(text) && take_name(r, text, true)) {
		node_set_name(n, text);
		return;
	}
	if (name_is_label(text))
		snprintf(base, sizeof base, "%s", text);
	else
		name_from_hostname(n->hostname, base);
	do
		name_numbered(base, i++, name);
	while (!take_name(r, name, false));
	node_set_name(n, name);
	log_warn("the name of a node was not valid or taken, it gets another", LOG_U64("node", n->id), LOG_STR("old", text),
		 LOG_STR("new", name), LOG_END);
}

static void node_row(struct import *im, struct import_reader *r)
{
	struct store_value v[COL_NODES_COUNT], p[COL_PRESENCE_COUNT];
	struct node *n = node_new();

	n->id = (node_id)r->id;
	n->tailnet = TAILNET_DEFAULT;
	import_get_key(r, N_MACHINE, KEY_MACHINE, true, n->machine.b);
	import_get_key(r, N_KEY, KEY_NODE, true, n->key.b);
	import_get_key(r, N_DISCO, KEY_DISCO, false, n->disco.b);
	n->endpoints = import_get_endpoints(r, N_ENDPOINTS);
	import_get_addr(r, N_IP4, IP_V4, &n->ip4);
	import_get_addr(r, N_IP6, IP_V6, &n->ip6);
	n->tags = import_get_texts(r, N_TAGS);
	n->approved_routes = import_get_prefixes(r, N_APPROVED);
	n->method = get_method(r);
	n->auth_key = import_is_null(r, N_KEY_THERE) ? 0 : import_get_id(r, N_AUTH_KEY);
	n->ephemeral = import_get_bool(r, N_KEY_EPHEMERAL);
	n->key_expiry_ns = import_get_time(r, N_EXPIRY, TIME_NONE);
	n->last_seen_ns = import_get_time(r, N_LAST_SEEN, TIME_NONE);
	n->created_ns = import_get_time(r, N_CREATED, TIME_NONE);
	get_owner(r, n);
	get_hostinfo(r, n);
	get_hostname(r, n);
	get_name(r, n);
	row_from_node(im->a, n, v);
	put(im, r, STORE_NODES, v);
	row_from_presence(im->a, n, p);
	put(im, r, STORE_PRESENCE, p);
	node_unref(&n);
	im->counts->nodes++;
}

/* ---- policy, counters ------------------------------------------------------------------------- */

enum { D_ID, D_DATA, D_CREATED, D_COUNT };
static const struct import_column policy_cols[D_COUNT] = {
	[D_ID] = { .name = "id" },
	[D_DATA] = { .name = "data" },
	[D_CREATED] = { .name = "created_at" },
};

static bool policy_compiles(struct import *im, struct import_reader *r, struct bytes text)
{
	struct policy_error perr = { 0 };
	struct policy *p = NULL;
	bool good = policy_parse(text, NULL, &p, &perr) == ST_OK;

	if (!good && im->policy_in_use)
		import_bad(r, D_DATA, "the policy cannot be used: line %u, column %u: %s", perr.line, perr.column, perr.message);
	im->counts->policy_left_out = !good;
	policy_unref(&p);
	return good;
}

static void policy_row(struct import *im, struct import_reader *r)
{
	struct store_value v[COL_DOCS_COUNT] = { store_int(TAILNET_DEFAULT), store_text("policy"), store_text("current") };
	int64_t at = import_get_time(r, D_CREATED, TIME_NONE);

	v[COL_DOCS_TEXT] = store_text(import_get_text(r, D_DATA));
	v[COL_DOCS_AT] = at == TIME_NONE ? store_null() : store_int(at);
	if (v[COL_DOCS_TEXT].b.n == 0 || !policy_compiles(im, r, v[COL_DOCS_TEXT].b))
		return;
	put(im, r, STORE_DOCS, v);
	im->counts->policy = true;
}

/* The highest id that a table ever gave; its AUTOINCREMENT remembers those of rows deleted. */
static int64_t highest(sqlite3 *db, const char *table)
{
	char sql[100];
	int64_t rows, given;

	snprintf(sql, sizeof sql, "SELECT max(id) FROM %s", table);
	rows = import_number(db, sql, NULL, NULL);
	given = import_number(db, "SELECT max(seq) FROM sqlite_sequence WHERE name = ?1", table, NULL);
	return rows > given ? rows : given;
}

static enum status counters(struct import *im)
{
	const struct {
		const char *name;
		int64_t value;
	} all[] = { { "node", highest(im->db, "nodes") },
		    { "user", highest(im->db, "users") },
		    { "preauth", highest(im->db, "pre_auth_keys") },
		    { "apikey", highest(im->db, "api_keys") } };
	enum status s = ST_OK;

	for (size_t i = 0; s == ST_OK && i < sizeof all / sizeof all[0]; i++) {
		struct store_value v[COL_COUNTERS_COUNT] = { store_int(TAILNET_DEFAULT), store_text(all[i].name),
							     store_int(all[i].value) };

		if (all[i].value > 0)
			s = store_put(im->to, STORE_COUNTERS, v, im->err);
	}
	return s;
}

/* ---- public ---------------------------------------------------------------------------------- */

enum status import_is_go(sqlite3 *db, struct err *err)
{
	int64_t n = import_number(db,
			   "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN"
			   " ('migrations', 'users', 'nodes', 'pre_auth_keys', 'namespaces', 'machines')",
			   NULL, NULL);

	if (n >= 0)
		return n >= 3 ? ST_OK : ST_NOT_FOUND;
	err_set(err, "SQLite finds it damaged: %s", sqlite3_errmsg(db));
	return ST_BAD_INPUT;
}

static bool is_known(const char *id)
{
	if (strcmp(id, MINIMUM) < 0)
		return true;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(id, known[i]) == 0)
			return true;
	return false;
}

enum status import_check_schema(sqlite3 *db, struct err *err)
{
	sqlite3_stmt *st = NULL;
	bool recent = false;
	enum status s = ST_OK;

	if (sqlite3_prepare_v2(db, "SELECT id FROM migrations WHERE id IS NOT NULL", -1, &st, NULL) == SQLITE_OK) {
		while (s == ST_OK && sqlite3_step(st) == SQLITE_ROW) {
			const char *id = (const char *)sqlite3_column_text(st, 0);

			recent |= strcmp(id, MINIMUM) == 0;
			if (is_known(id))
				continue;
			err_set(err, "it was last used by a Go headscale newer than what this version takes over (0.28 to 0.30): it "
				     "has migration %.100s. Use a newer version of this server",
				id);
			s = ST_UNSUPPORTED;
		}
	}
	sqlite3_finalize(st);
	if (s == ST_OK && !recent) {
		err_set(err, "it was last used by a Go headscale before 0.28. Start that once with the last release of each "
			     "0.x in between, up to 0.28, then this one");
		s = ST_UNSUPPORTED;
	}
	return s;
}

enum status import_rows(sqlite3 *db, bool policy_in_use, struct store *to, struct import_counts *out, struct err *err)
{
	struct import im = { .db = db, .to = to, .a = arena_new(), .policy_in_use = policy_in_use, .counts = out, .err = err };
	enum status s;

	*out = (struct import_counts){ 0 };
	s = each(&im, "users", user_cols, U_COUNT, "WHERE deleted_at IS NULL ORDER BY id", user_row);
	if (s == ST_OK)
		s = each(&im, "pre_auth_keys", preauth_cols, P_COUNT, "ORDER BY id", preauth_row);
	if (s == ST_OK)
		s = each(&im, "api_keys", api_cols, A_COUNT, "ORDER BY id", api_row);
	if (s == ST_OK && import_has_column(db, "nodes", "given_name") &&
	    sqlite3_exec(db, "CREATE TEMP TABLE import_names (name TEXT PRIMARY KEY);"
			     "CREATE INDEX import_given_names ON nodes (given_name)", NULL, NULL, NULL) != SQLITE_OK)
		s = import_sql_failed(db, "nodes", err);
	if (s == ST_OK)
		s = each(&im, "nodes", node_cols, N_COUNT, "ORDER BY id", node_row);
	if (s == ST_OK)
		s = each(&im, "policies", policy_cols, D_COUNT, "WHERE deleted_at IS NULL ORDER BY id DESC LIMIT 1", policy_row);
	if (s == ST_OK)
		s = counters(&im);
	if (s == ST_OK && import_has_table(db, "oauth_clients"))
		out->left_out += (uint64_t)import_number(db, "SELECT count(*) FROM oauth_clients WHERE revoked IS NULL", NULL, NULL);
	arena_free(&im.a);
	return s;
}
