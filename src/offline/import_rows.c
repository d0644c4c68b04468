/*
 * offline/import_rows.c -- the rows of a Go headscale's database as ours; see offline/import_priv.h.
 *
 * Its tables are read through SQL in the columns they have since its version 0.28; what later versions added is read
 * where it is there. What its later migrations do to rows (owners of tagged nodes, times before 1900, owners lost) is
 * done here while reading, so the version it last ran as makes no difference.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json_in.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "crypto/hash.h"
#include "offline/import_priv.h"
#include "policy/policy.h"
#include "state/hostinfo.h"
#include "state/keys.h"
#include "state/names.h"
#include "state/rows.h"

#define MINIMUM "202511131445-node-forced-tags-to-tags"
#define REQUEST_TAGS "202601121700-migrate-hostinfo-request-tags"
#define LIST_MAX ((size_t)4 << 20)
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

/* ---- reading ----------------------------------------------------------------------------- */

/* A column of its: `optional` ones read as NULL where the schema is older. `sql` instead of the bare name, if given. */
struct column {
	const char *name;
	bool optional;
	const char *sql;
};

/* A table being read. The first mistake in a row is kept; who reads ten columns checks once. */
struct reader {
	sqlite3 *db;
	sqlite3_stmt *st;
	const char *table;
	const struct column *cols;
	int64_t id;
	enum status status;
	struct err *err;
};

static void bad(struct reader *r, unsigned col, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void bad(struct reader *r, unsigned col, const char *fmt, ...)
{
	char why[400];
	va_list ap;

	if (r->status != ST_OK)
		return;
	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	err_set(r->err, "table %s, id %" PRId64 ", column %s: %s", r->table, r->id, r->cols[col].name, why);
	r->status = ST_BAD_INPUT;
}

static enum status sql_failed(sqlite3 *db, const char *what, struct err *err)
{
	err_set(err, "table %s: %s", what, sqlite3_errmsg(db));
	return ST_IO;
}

static int64_t number(sqlite3 *db, const char *sql, const char *a, const char *b)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK) {
		if (a != NULL)
			sqlite3_bind_text(st, 1, a, -1, SQLITE_STATIC);
		if (b != NULL)
			sqlite3_bind_text(st, 2, b, -1, SQLITE_STATIC);
		if (sqlite3_step(st) == SQLITE_ROW)
			v = sqlite3_column_int64(st, 0);
	}
	sqlite3_finalize(st);
	return v;
}

static bool has_table(sqlite3 *db, const char *table)
{
	return number(db, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?1", table, NULL) > 0;
}

static bool has_column(sqlite3 *db, const char *table, const char *col)
{
	return number(db, "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2", table, col) > 0;
}

static enum status prepare(struct reader *r, unsigned n, const char *where)
{
	struct buf sql;
	int rc;

	if (!has_table(r->db, r->table)) {
		err_set(r->err, "table %s is missing", r->table);
		return ST_BAD_INPUT;
	}
	buf_init(&sql, 1u << 16);
	for (unsigned i = 0; i < n; i++) {
		const struct column *c = &r->cols[i];
		bool there = c->sql != NULL || has_column(r->db, r->table, c->name);

		if (!there && !c->optional) {
			err_set(r->err, "table %s: column %s is missing", r->table, c->name);
			buf_release(&sql);
			return ST_BAD_INPUT;
		}
		buf_printf(&sql, "%s%s", i == 0 ? "SELECT " : ", ", c->sql ? c->sql : there ? c->name : "NULL");
	}
	buf_printf(&sql, " FROM %s %s", r->table, where);
	rc = sqlite3_prepare_v2(r->db, (const char *)sql.p, (int)sql.n, &r->st, NULL);
	buf_release(&sql);
	return rc == SQLITE_OK ? ST_OK : sql_failed(r->db, r->table, r->err);
}

static bool is_null(const struct reader *r, unsigned col)
{
	return sqlite3_column_type(r->st, (int)col) == SQLITE_NULL;
}

static struct bytes get_bytes(struct reader *r, unsigned col)
{
	const void *p = sqlite3_column_blob(r->st, (int)col);

	return bytes_of(p, (size_t)sqlite3_column_bytes(r->st, (int)col));
}

/* NULL is "". Lives until the next row. */
static const char *get_text(struct reader *r, unsigned col)
{
	struct bytes b = bytes_of_str("");

	if (!is_null(r, col)) {
		const char *p = (const char *)sqlite3_column_text(r->st, (int)col);

		b = bytes_of(p, (size_t)sqlite3_column_bytes(r->st, (int)col));
	}
	if (!utf8_valid(b) || (b.n > 0 && memchr(b.p, 0, b.n) != NULL)) {
		bad(r, col, "no text");
		return "";
	}
	return b.n > 0 ? (const char *)b.p : "";
}

/* NULL is 0. */
static uint64_t get_id(struct reader *r, unsigned col)
{
	int64_t v = sqlite3_column_int64(r->st, (int)col);

	if (!is_null(r, col) && sqlite3_column_type(r->st, (int)col) != SQLITE_INTEGER)
		bad(r, col, "\"%s\" is no number", get_text(r, col));
	else if (v < 0 || v >= INT64_C(1) << 53)
		bad(r, col, "%" PRId64 " is out of range", v);
	return (uint64_t)v;
}

/* NULL is false. */
static bool get_bool(struct reader *r, unsigned col)
{
	uint64_t v = get_id(r, col);

	if (v > 1)
		bad(r, col, "%" PRIu64 " is neither 0 nor 1", v);
	return v != 0;
}

/*
 * "2025-02-05 16:46:13.960213431+00:00", with T, Z or no zone too, or as Go prints it: " +0000 UTC m=+0.1" behind. NULL
 * is TIME_NONE, a time before 1900 (Go's year 1 in some zone) `zero`.
 */
static int64_t get_time(struct reader *r, unsigned col, int64_t zero)
{
	const char *text = get_text(r, col), *rest;
	int64_t ns = TIME_NONE;
	char iso[48];
	size_t n;

	if (text[0] == '\0')
		return TIME_NONE;
	n = strspn(text, "0123456789-");
	if (n == 10 && memcmp(text, "1900", 4) < 0 && (text[10] == ' ' || text[10] == 'T'))
		return zero;
	n = n == 10 ? 11 + strspn(text + 10 + (text[10] != '\0'), "0123456789:.") : 0;
	if (n < 19 || n > 30) {
		bad(r, col, "\"%.60s\" is no time", text);
		return TIME_NONE;
	}
	snprintf(iso, sizeof iso, "%.10sT%.*s", text, (int)(n - 11), text + 11);
	rest = text + n;
	rest += strspn(rest, " ");
	if ((*rest == '+' || *rest == '-') && strspn(rest + 1, "0123456789:") >= 4)
		snprintf(iso + n, sizeof iso - n, "%.3s:%.2s", rest, rest[3] == ':' ? rest + 4 : rest + 3);
	else
		snprintf(iso + n, sizeof iso - n, "%s", *rest == '\0' ? "Z" : rest);
	if (rfc3339_parse(bytes_of_str(iso), &ns) != ST_OK)
		bad(r, col, "\"%.60s\" is no time", text);
	return ns;
}

static void get_key(struct reader *r, unsigned col, enum key_kind kind, bool needed, uint8_t out[static KEY_LEN])
{
	const char *text = get_text(r, col);

	memset(out, 0, KEY_LEN);
	if (text[0] != '\0' && key_text_parse(kind, bytes_of_str(text), out) != ST_OK)
		bad(r, col, "no key of the form %s<64 hex digits>", key_prefix(kind));
	else if (needed && key_bytes_are_zero(out))
		bad(r, col, "no key is given");
}

static void get_addr(struct reader *r, unsigned col, enum ip_family family, struct ip_addr *out)
{
	const char *text = get_text(r, col);

	if (text[0] != '\0' && (ip_parse(bytes_of_str(text), out) != ST_OK || out->family != family))
		bad(r, col, "\"%.60s\" is no IPv%d address", text, (int)family);
}

/* A JSON array of texts; absent lists are NULL, empty, or null. To be returned (json_object_put). */
static struct json_object *get_array(struct reader *r, unsigned col, size_t *n_out)
{
	const char *text = get_text(r, col);
	struct json_object *o = NULL;
	struct err why = { "" };

	*n_out = 0;
	if (text[0] == '\0')
		return NULL;
	if (json_parse(bytes_of_str(text), LIST_MAX, &o, &why) != ST_OK)
		bad(r, col, "%s", why.text);
	else if (o != NULL && !json_object_is_type(o, json_type_array))
		bad(r, col, "no JSON array");
	else if (o != NULL)
		*n_out = json_object_array_length(o);
	for (size_t i = 0; i < *n_out; i++)
		if (!json_object_is_type(json_object_array_get_idx(o, i), json_type_string)) {
			bad(r, col, "no JSON array of texts");
			*n_out = 0;
		}
	return o;
}

static const char *item(struct json_object *o, size_t i)
{
	return json_object_get_string(json_object_array_get_idx(o, i));
}

static struct str_list *get_texts(struct reader *r, unsigned col)
{
	size_t n;
	struct json_object *o = get_array(r, col, &n);
	const char **v = xcalloc(n + 1, sizeof *v);
	struct str_list *l;

	for (size_t i = 0; i < n; i++)
		v[i] = item(o, i);
	l = str_list_new_set(v, n);
	free(v);
	json_object_put(o);
	return l;
}

static struct prefix_list *get_prefixes(struct reader *r, unsigned col)
{
	size_t n;
	struct json_object *o = get_array(r, col, &n);
	struct ip_prefix *v = xcalloc(n + 1, sizeof *v);
	struct prefix_list *l;

	for (size_t i = 0; i < n; i++)
		if (ip_prefix_parse(bytes_of_str(item(o, i)), &v[i]) != ST_OK)
			bad(r, col, "\"%.60s\" is no prefix", item(o, i));
	l = prefix_list_new_set(v, r->status == ST_OK ? n : 0);
	free(v);
	json_object_put(o);
	return l;
}

static bool endpoint_of(const char *text, struct endpoint *out)
{
	const char *colon = strrchr(text, ':');
	struct bytes host;
	unsigned port = 0;

	if (colon == NULL || colon == text || strlen(colon + 1) < 1 || strlen(colon + 1) > 5 ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return false;
	port = (unsigned)strtoul(colon + 1, NULL, 10);
	host = bytes_of(text, (size_t)(colon - text));
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = bytes_of(host.p + 1, host.n - 2);
	out->port = (uint16_t)port;
	return port <= 65535 && ip_parse(host, &out->addr) == ST_OK;
}

static struct endpoint_list *get_endpoints(struct reader *r, unsigned col)
{
	size_t n;
	struct json_object *o = get_array(r, col, &n);
	struct endpoint *v = xcalloc(n + 1, sizeof *v);
	struct endpoint_list *l;

	for (size_t i = 0; i < n; i++)
		if (!endpoint_of(item(o, i), &v[i]))
			bad(r, col, "\"%.60s\" is no address with a port", item(o, i));
	l = endpoint_list_new(v, r->status == ST_OK ? n : 0);
	free(v);
	json_object_put(o);
	return l;
}

static void get_bcrypt(struct reader *r, unsigned col, struct secret_hash *out)
{
	struct bytes b = get_bytes(r, col);

	if (b.n != 60 || memcmp(b.p, "$2", 2) != 0) {
		bad(r, col, "no bcrypt hash");
		return;
	}
	out->form = SECRET_BCRYPT;
	out->n = (uint8_t)b.n;
	memcpy(out->b, b.p, b.n);
}

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
typedef void (*row_fn)(struct import *im, struct reader *r);

static void put(struct import *im, struct reader *r, enum store_table t, const struct store_value *v)
{
	if (r->status != ST_OK)
		return;
	r->status = store_put(im->to, t, v, r->err);
	if (r->status != ST_OK)
		err_prefix(r->err, "table %s, id %" PRId64, r->table, r->id);
}

static enum status each(struct import *im, const char *table, const struct column *cols, unsigned n, const char *where,
			row_fn fn)
{
	struct reader r = { .db = im->db, .table = table, .cols = cols, .err = im->err };
	enum status s = prepare(&r, n, where);
	int rc = SQLITE_DONE;

	while (s == ST_OK && (rc = sqlite3_step(r.st)) == SQLITE_ROW) {
		r.id = sqlite3_column_int64(r.st, 0);
		if (r.id <= 0 || r.id >= INT64_C(1) << 53)
			bad(&r, 0, "%" PRId64 " is out of range", r.id);
		else
			fn(im, &r);
		s = r.status;
		arena_reset(im->a);
	}
	if (s == ST_OK && rc != SQLITE_DONE)
		s = sql_failed(im->db, table, im->err);
	sqlite3_finalize(r.st);
	return s;
}

/* ---- users --------------------------------------------------------------------------------- */

enum { U_ID, U_NAME, U_DISPLAY, U_EMAIL, U_PROVIDER_ID, U_PROVIDER, U_PICTURE, U_CREATED, U_COUNT };
static const struct column user_cols[U_COUNT] = {
	[U_ID] = { .name = "id" },
	[U_NAME] = { .name = "name" },
	[U_DISPLAY] = { .name = "display_name" },
	[U_EMAIL] = { .name = "email" },
	[U_PROVIDER_ID] = { .name = "provider_identifier" },
	[U_PROVIDER] = { .name = "provider" },
	[U_PICTURE] = { .name = "profile_pic_url" },
	[U_CREATED] = { .name = "created_at" },
};

static void user_row(struct import *im, struct reader *r)
{
	struct store_value v[COL_USERS_COUNT];
	struct user *u = user_new();

	u->id = (user_id)r->id;
	u->tailnet = TAILNET_DEFAULT;
	user_set_text(&u->name, get_text(r, U_NAME));
	user_set_text(&u->display_name, get_text(r, U_DISPLAY));
	user_set_text(&u->email, get_text(r, U_EMAIL));
	user_set_text(&u->provider_id, get_text(r, U_PROVIDER_ID));
	user_set_text(&u->provider, get_text(r, U_PROVIDER));
	user_set_text(&u->picture_url, get_text(r, U_PICTURE));
	u->role = im->counts->users == 0 ? ROLE_OWNER : ROLE_MEMBER; /* they come by id */
	u->created_ns = get_time(r, U_CREATED, TIME_NONE);
	if (u->name[0] == '\0' && u->provider_id[0] == '\0')
		bad(r, U_NAME, "a local user without a name");
	row_from_user(u, v);
	put(im, r, STORE_USERS, v);
	user_unref(&u);
	im->counts->users++;
}

/* ---- pre-auth keys --------------------------------------------------------------------------- */

enum { P_ID, P_KEY, P_PREFIX, P_HASH, P_USER, P_USER_LIVES, P_DESCRIPTION, P_REUSABLE, P_EPHEMERAL, P_USED, P_TAGS,
       P_CREATED, P_EXPIRES, P_REVOKED, P_COUNT };
static const struct column preauth_cols[P_COUNT] = {
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
static void preauth_secret(struct reader *r, struct preauth_key *k)
{
	const char *prefix = get_text(r, P_PREFIX), *plain = get_text(r, P_KEY);

	if (prefix[0] != '\0') {
		if (name_chars(prefix, 12))
			memcpy(k->name, prefix, 13);
		else
			bad(r, P_PREFIX, "not 12 letters and digits");
		get_bcrypt(r, P_HASH, &k->hash);
		return;
	}
	if (!name_chars(plain, 48)) {
		bad(r, P_KEY, "neither a prefix nor a key of 48 digits");
		return;
	}
	key_legacy_name(bytes_of_str(plain), k->name);
	k->hash = (struct secret_hash){ .form = SECRET_SHA256, .n = SHA256_LEN };
	sha256(bytes_of_str(plain), k->hash.b);
}

static void preauth_row(struct import *im, struct reader *r)
{
	struct store_value v[COL_PREAUTH_COUNT];
	struct preauth_key *k = preauth_key_new();

	k->id = (key_id)r->id;
	k->tailnet = TAILNET_DEFAULT;
	preauth_secret(r, k);
	k->user = is_null(r, P_USER_LIVES) ? 0 : get_id(r, P_USER);
	free(k->description);
	k->description = xstrdup(get_text(r, P_DESCRIPTION));
	k->reusable = get_bool(r, P_REUSABLE);
	k->ephemeral = get_bool(r, P_EPHEMERAL);
	k->used = get_bool(r, P_USED);
	k->tags = get_texts(r, P_TAGS);
	k->created_ns = get_time(r, P_CREATED, TIME_NONE);
	k->expires_ns = get_time(r, P_EXPIRES, LONG_AGO);
	k->revoked_ns = get_time(r, P_REVOKED, LONG_AGO);
	if (k->user == 0 && k->tags == NULL)
		k->expires_ns = LONG_AGO; /* its nodes would belong to nobody */
	row_from_preauth(im->a, k, v);
	put(im, r, STORE_PREAUTH, v);
	preauth_key_unref(&k);
	im->counts->preauth_keys++;
}

/* ---- API keys -------------------------------------------------------------------------------- */

enum { A_ID, A_PREFIX, A_HASH, A_CREATED, A_EXPIRES, A_LAST_SEEN, A_COUNT };
static const struct column api_cols[A_COUNT] = {
	[A_ID] = { .name = "id" },
	[A_PREFIX] = { .name = "prefix" },
	[A_HASH] = { .name = "hash" },
	[A_CREATED] = { .name = "created_at" },
	[A_EXPIRES] = { .name = "expiration" },
	[A_LAST_SEEN] = { .name = "last_seen" },
};

/* user_id is not read: there, every API key has the operator's rights, whoever made it. */
static void api_row(struct import *im, struct reader *r)
{
	const char *prefix = get_text(r, A_PREFIX);
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
		bad(r, A_PREFIX, "neither 7 nor 12 characters");
	get_bcrypt(r, A_HASH, &k->hash);
	k->created_ns = get_time(r, A_CREATED, TIME_NONE);
	k->expires_ns = get_time(r, A_EXPIRES, LONG_AGO);
	k->last_used_ns = get_time(r, A_LAST_SEEN, TIME_NONE);
	row_from_api_key(im->a, k, v);
	put(im, r, STORE_API_KEYS, v);
	api_key_unref(&k);
	im->counts->api_keys++;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

enum { N_ID, N_MACHINE, N_KEY, N_DISCO, N_ENDPOINTS, N_HOSTINFO, N_IP4, N_IP6, N_HOSTNAME, N_NAME, N_USER, N_USER_LIVES,
       N_METHOD, N_TAGS, N_AUTH_KEY, N_KEY_THERE, N_KEY_USER, N_KEY_EPHEMERAL, N_EXPIRY, N_LAST_SEEN, N_APPROVED,
       N_CREATED, N_COUNT };
static const struct column node_cols[N_COUNT] = {
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

static enum register_method get_method(struct reader *r)
{
	const char *text = get_text(r, N_METHOD);

	if (strcmp(text, "authkey") == 0)
		return REGISTER_AUTHKEY;
	if (strcmp(text, "oidc") == 0)
		return REGISTER_OIDC;
	if (strcmp(text, "cli") != 0 && text[0] != '\0')
		bad(r, N_METHOD, "\"%.60s\" is no way to register", text);
	return REGISTER_CLI;
}

/* Tagged nodes belong to nobody; one that lost its owner to an early 0.29 gets that of its key. */
static void get_owner(struct reader *r, struct node *n)
{
	user_id user = is_null(r, N_USER_LIVES) ? 0 : get_id(r, N_USER), by_key = get_id(r, N_KEY_USER);

	if (user == 0 && (is_null(r, N_USER) || n->tags != NULL))
		user = by_key;
	n->created_by = user;
	if (n->tags == NULL) {
		n->user = user;
		if (user == 0)
			bad(r, N_USER, "the node has neither a user that exists nor tags; delete it, or give it tags, with the Go "
				       "server first");
	}
}

static void get_hostinfo(struct reader *r, struct node *n)
{
	struct hostinfo h = { 0 };
	struct err why = { "" };

	if (hostinfo_parse(bytes_of_str(get_text(r, N_HOSTINFO)), &h, &why) != ST_OK) {
		bad(r, N_HOSTINFO, "%s", why.text);
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
	    number(r->db, "SELECT count(*) FROM migrations WHERE id = ?1", REQUEST_TAGS, NULL) == 0)
		bad(r, N_HOSTINFO, "the node asks for tags that this version of the Go server had not stored; start its last "
				   "0.28 release once");
}

static void get_hostname(struct reader *r, struct node *n)
{
	const char *text = get_text(r, N_HOSTNAME);
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
static bool take_name(struct reader *r, const char *name, bool own)
{
	if (!own && number(r->db, "SELECT count(*) FROM nodes WHERE given_name = ?1", name, NULL) != 0)
		return false;
	(void)number(r->db, "INSERT OR IGNORE INTO temp.import_names VALUES (?1)", name, NULL);
	return sqlite3_changes(r->db) == 1;
}

/* The name it has. There nothing but the running server kept names valid and unique. */
static void get_name(struct reader *r, struct node *n)
{
	const char *text = get_text(r, N_NAME);
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

static void node_row(struct import *im, struct reader *r)
{
	struct store_value v[COL_NODES_COUNT], p[COL_PRESENCE_COUNT];
	struct node *n = node_new();

	n->id = (node_id)r->id;
	n->tailnet = TAILNET_DEFAULT;
	get_key(r, N_MACHINE, KEY_MACHINE, true, n->machine.b);
	get_key(r, N_KEY, KEY_NODE, true, n->key.b);
	get_key(r, N_DISCO, KEY_DISCO, false, n->disco.b);
	n->endpoints = get_endpoints(r, N_ENDPOINTS);
	get_addr(r, N_IP4, IP_V4, &n->ip4);
	get_addr(r, N_IP6, IP_V6, &n->ip6);
	n->tags = get_texts(r, N_TAGS);
	n->approved_routes = get_prefixes(r, N_APPROVED);
	n->method = get_method(r);
	n->auth_key = is_null(r, N_KEY_THERE) ? 0 : get_id(r, N_AUTH_KEY);
	n->ephemeral = get_bool(r, N_KEY_EPHEMERAL);
	n->key_expiry_ns = get_time(r, N_EXPIRY, TIME_NONE);
	n->last_seen_ns = get_time(r, N_LAST_SEEN, TIME_NONE);
	n->created_ns = get_time(r, N_CREATED, TIME_NONE);
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
static const struct column policy_cols[D_COUNT] = {
	[D_ID] = { .name = "id" },
	[D_DATA] = { .name = "data" },
	[D_CREATED] = { .name = "created_at" },
};

static bool policy_compiles(struct import *im, struct reader *r, struct bytes text)
{
	struct policy_error perr = { 0 };
	struct policy *p = NULL;
	bool good = policy_parse(text, NULL, &p, &perr) == ST_OK;

	if (!good && im->policy_in_use)
		bad(r, D_DATA, "the policy cannot be used: line %u, column %u: %s", perr.line, perr.column, perr.message);
	im->counts->policy_left_out = !good;
	policy_unref(&p);
	return good;
}

static void policy_row(struct import *im, struct reader *r)
{
	struct store_value v[COL_DOCS_COUNT] = { store_int(TAILNET_DEFAULT), store_text("policy"), store_text("current") };
	int64_t at = get_time(r, D_CREATED, TIME_NONE);

	v[COL_DOCS_TEXT] = store_text(get_text(r, D_DATA));
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
	rows = number(db, sql, NULL, NULL);
	given = number(db, "SELECT max(seq) FROM sqlite_sequence WHERE name = ?1", table, NULL);
	return rows > given ? rows : given;
}

static enum status counters(struct import *im)
{
	int64_t preauth = highest(im->db, "pre_auth_keys"), api = highest(im->db, "api_keys");
	const struct {
		const char *name;
		int64_t value;
	} all[] = { { "node", highest(im->db, "nodes") },
		    { "user", highest(im->db, "users") },
		    { "key", preauth > api ? preauth : api } };
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
	int64_t n = number(db,
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
	if (s == ST_OK && has_column(db, "nodes", "given_name") &&
	    sqlite3_exec(db, "CREATE TEMP TABLE import_names (name TEXT PRIMARY KEY);"
			     "CREATE INDEX import_given_names ON nodes (given_name)", NULL, NULL, NULL) != SQLITE_OK)
		s = sql_failed(db, "nodes", err);
	if (s == ST_OK)
		s = each(&im, "nodes", node_cols, N_COUNT, "ORDER BY id", node_row);
	if (s == ST_OK)
		s = each(&im, "policies", policy_cols, D_COUNT, "WHERE deleted_at IS NULL ORDER BY id DESC LIMIT 1", policy_row);
	if (s == ST_OK)
		s = counters(&im);
	if (s == ST_OK && has_table(db, "oauth_clients"))
		out->left_out += (uint64_t)number(db, "SELECT count(*) FROM oauth_clients WHERE revoked IS NULL", NULL, NULL);
	arena_free(&im.a);
	return s;
}
