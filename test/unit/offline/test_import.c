/* The database of a Go headscale taken over: every row, or none; and its file left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/vec.h"
#include "crypto/hash.h"
#include "offline/import.h"
#include "state/rows.h"
#include "state/state.h"

static char dir[64], path[96], own[100];
static bool policy_in_use;

static int set_up(void **state)
{
	(void)state;
	policy_in_use = true;
	snprintf(dir, sizeof dir, "/tmp/import-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/db.sqlite", dir);
	snprintf(own, sizeof own, "%s.v1", path);
	return 0;
}

static int tear_down(void **state)
{
	char cmd[100];

	(void)state;
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd);
}

/* ---- their database ---------------------------------------------------------------------- */

#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define KEY_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define KEY_0 "0000000000000000000000000000000000000000000000000000000000000000"
#define BCRYPT "$2a$10$Qq8VRhgDMfh1SmSQDX5QDekuRwItDLSUW3TPjcmvEt.M8MYSqG982"
#define LEGACY "0123456789abcdef0123456789abcdef0123456789abcdef"
#define THEN "'2026-01-02 03:04:05.678901234+00:00'"
#define THEN_NS INT64_C(1767323045678901234)

/* As version 0.28 has it. */
static const char schema[] =
	"CREATE TABLE migrations (id text, PRIMARY KEY (id));"
	"CREATE TABLE users (id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime,"
	"  deleted_at datetime, name text, display_name text, email text, provider_identifier text, provider text,"
	"  profile_pic_url text);"
	"CREATE TABLE pre_auth_keys (id integer PRIMARY KEY AUTOINCREMENT, key text, prefix text, hash blob,"
	"  user_id integer, reusable numeric, ephemeral numeric DEFAULT false, used numeric DEFAULT false, tags text,"
	"  created_at datetime, expiration datetime);"
	"CREATE TABLE api_keys (id integer PRIMARY KEY AUTOINCREMENT, prefix text, hash blob, created_at datetime,"
	"  expiration datetime, last_seen datetime);"
	"CREATE TABLE nodes (id integer PRIMARY KEY AUTOINCREMENT, machine_key text, node_key text, disco_key text,"
	"  endpoints text, host_info text, ipv4 text, ipv6 text, hostname text, given_name varchar(63),"
	"  user_id integer, register_method text, tags text, auth_key_id integer, last_seen datetime, expiry datetime,"
	"  approved_routes text, created_at datetime, updated_at datetime, deleted_at datetime);"
	"CREATE TABLE policies (id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime,"
	"  deleted_at datetime, data text);"
	"INSERT INTO migrations VALUES ('202501221827'), ('202511131445-node-forced-tags-to-tags'),"
	"  ('202601121700-migrate-hostinfo-request-tags');";

/* What 0.30 adds. */
static const char later[] =
	"ALTER TABLE pre_auth_keys ADD COLUMN description text; ALTER TABLE pre_auth_keys ADD COLUMN revoked datetime;"
	"ALTER TABLE api_keys ADD COLUMN user_id integer;"
	"CREATE TABLE oauth_clients (id integer PRIMARY KEY AUTOINCREMENT, client_id text, revoked datetime);"
	"INSERT INTO migrations VALUES ('202602201200-clear-tagged-node-user-id'),"
	"  ('202605221435-clear-zero-time-node-expiry'), ('202606181200-recover-null-tags-node-user-id'),"
	"  ('202606191500-api-key-user-id'), ('202606191501-pre-auth-key-description'),"
	"  ('202606201200-pre-auth-key-revoked'), ('202606211200-oauth-clients-and-tokens'), ('SCHEMA_INIT');"
	"UPDATE pre_auth_keys SET description = 'for CI', revoked = " THEN " WHERE id = 3;"
	"UPDATE api_keys SET user_id = 8 WHERE id = 2;"
	"INSERT INTO oauth_clients VALUES (1, 'abcdefabcdef', NULL);";

static const char rows[] =
	"INSERT INTO users (id, name, display_name, email, provider_identifier, provider, profile_pic_url, created_at,"
	"  deleted_at) VALUES"
	"  (3, 'gone', '', '', NULL, '', '', " THEN ", " THEN "),"
	"  (7, 'anna', 'Anna', 'anna@example.com', NULL, NULL, NULL, " THEN ", NULL),"
	"  (8, 'odin', '', '', 'https://id.test/s-odin', 'oidc', 'https://id.test/p.png', " THEN ", NULL),"
	"  (20, 'later', '', '', NULL, '', '', " THEN ", NULL);"
	"DELETE FROM users WHERE id = 20;"
	"INSERT INTO pre_auth_keys (id, key, prefix, hash, user_id, reusable, ephemeral, used, tags, created_at, expiration)"
	"  VALUES (3, '', '3bb0af015354', '" BCRYPT "', 7, 1, 0, 1, '[]', " THEN ", '2099-01-02T03:04:05Z'),"
	"  (4, '" LEGACY "', NULL, NULL, 8, 0, 1, 0, '[\"tag:ci\"]', " THEN ", NULL),"
	"  (5, NULL, 'abcdefabcdef', '" BCRYPT "', NULL, 0, 0, 0, NULL, " THEN ", NULL),"
	"  (6, NULL, 'abcdefabcdf0', '" BCRYPT "', 8, 0, 0, 0, 'null', " THEN ", '0001-01-01 00:00:00+00:00');"
	"INSERT INTO api_keys (id, prefix, hash, created_at, expiration, last_seen) VALUES"
	"  (2, '67f974a4c485', '" BCRYPT "', " THEN ", NULL, " THEN "),"
	"  (9, 'AbC_-12', '" BCRYPT "', " THEN ", '2020-01-01 00:00:00 +0000 UTC', NULL),"
	"  (10, 'tenletters', '" BCRYPT "', " THEN ", NULL, NULL);"
	"INSERT INTO nodes (id, machine_key, node_key, disco_key, endpoints, host_info, ipv4, ipv6, hostname, given_name,"
	"  user_id, register_method, tags, auth_key_id, last_seen, expiry, approved_routes, created_at) VALUES"
	"  (41, 'mkey:" KEY_A "', 'nodekey:" KEY_A "', 'discokey:" KEY_A "',"
	"   '[\"203.0.113.5:41641\",\"[2001:db8::1]:41641\"]',"
	"   '{\"OS\":\"linux\",\"Hostname\":\"Anna''s PC\",\"RoutableIPs\":[\"10.0.0.0/24\"],\"NetInfo\":{\"PreferredDERP\":4}}',"
	"   '100.64.0.1', 'fd7a:115c:a1e0::1', 'Anna''s PC', 'annas-pc', 7, 'cli', NULL, NULL, " THEN ","
	"   '2027-01-02 03:04:05.678901234+01:00', '[\"10.0.0.0/24\",\"0.0.0.0/0\"]', " THEN "),"
	/* 0.28 kept the user of tagged nodes; a time of the year 1 is none */
	"  (42, 'mkey:" KEY_B "', 'nodekey:" KEY_B "', 'discokey:" KEY_0 "', NULL, NULL, '100.64.0.2', NULL, 'web', 'web',"
	"   8, 'authkey', '[\"tag:web\",\"tag:a\"]', 4, NULL, '0001-01-01 00:00:00+00:00', 'null', " THEN "),"
	/* an early 0.29 lost the user of untagged ones; the name is taken, and so is the next */
	"  (43, 'mkey:" KEY_C "', 'nodekey:" KEY_C "', '', '[]', '{}', NULL, 'fd7a:115c:a1e0::3', 'web', 'web',"
	"   NULL, 'oidc', 'null', 3, NULL, NULL, '', " THEN ");"
	"UPDATE sqlite_sequence SET seq = 60 WHERE name = 'nodes';"
	"UPDATE sqlite_sequence SET seq = 16 WHERE name = 'pre_auth_keys';"
	"INSERT INTO policies (id, data, deleted_at, created_at) VALUES (1, '{}', NULL, " THEN "),"
	"  (2, '// mine\n{\"acls\": []}', NULL, " THEN "), (3, 'x', " THEN ", " THEN ");";

static void run_sql(const char *sql)
{
	sqlite3 *db = NULL;
	char *msg = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &msg) != SQLITE_OK)
		fail_msg("%s", msg);
	sqlite3_close(db);
}

static void make_theirs(void)
{
	run_sql(schema);
	run_sql(rows);
}

static void hash_of(const char *suffix, uint8_t out[static SHA256_LEN])
{
	char name[120];
	struct stat sb;
	uint8_t *p;
	int fd;

	snprintf(name, sizeof name, "%s%s", path, suffix);
	memset(out, 0, SHA256_LEN);
	fd = open(name, O_RDONLY);
	if (fd < 0)
		return;
	assert_int_equal(fstat(fd, &sb), 0);
	p = xmalloc((size_t)sb.st_size + 1);
	assert_int_equal(read(fd, p, (size_t)sb.st_size), sb.st_size);
	sha256(bytes_of(p, (size_t)sb.st_size), out);
	free(p);
	close(fd);
}

struct theirs {
	uint8_t hash[4][SHA256_LEN];
	struct timespec mtime;
};

static struct theirs theirs_now(void)
{
	static const char *const suffix[] = { "", "-wal", "-shm", "-journal" };
	struct theirs t;
	struct stat sb;

	for (unsigned i = 0; i < 4; i++)
		hash_of(suffix[i], t.hash[i]);
	assert_int_equal(stat(path, &sb), 0);
	t.mtime = sb.st_mtim;
	return t;
}

static void assert_untouched(const struct theirs *before)
{
	struct theirs now = theirs_now();

	assert_memory_equal(now.hash, before->hash, sizeof now.hash);
	assert_int_equal(now.mtime.tv_sec, before->mtime.tv_sec);
	assert_int_equal(now.mtime.tv_nsec, before->mtime.tv_nsec);
}

/* ---- ours ---------------------------------------------------------------------------------- */

static enum status try_open(struct store **out, struct err *err)
{
	return import_open_sqlite(&(struct store_sqlite_opts){ .path = path }, policy_in_use, out, err);
}

static struct store *must_open(void)
{
	struct store *s = NULL;
	struct err err = { "" };

	if (try_open(&s, &err) != ST_OK)
		fail_msg("%s", err.text);
	return s;
}

static void refused(enum status want, const char *words)
{
	struct theirs before = theirs_now();
	struct store *s = NULL;
	struct err err = { "" };
	struct dirent *e;
	DIR *d;

	assert_int_equal(try_open(&s, &err), want);
	if (strstr(err.text, words) == NULL)
		fail_msg("says: %s\nnot: %s", err.text, words);
	assert_untouched(&before);
	assert_non_null(d = opendir(dir));
	while ((e = readdir(d)) != NULL)
		if (strstr(e->d_name, ".v1") != NULL)
			fail_msg("left behind: %s", e->d_name);
	closedir(d);
}

static enum status keep_node(void *arg, const struct store_value *v, struct err *err)
{
	return row_to_node(v, arg, err);
}

static enum status keep_user(void *arg, const struct store_value *v, struct err *err)
{
	return row_to_user(v, arg, err);
}

static enum status keep_preauth(void *arg, const struct store_value *v, struct err *err)
{
	return row_to_preauth(v, arg, err);
}

static enum status keep_api_key(void *arg, const struct store_value *v, struct err *err)
{
	return row_to_api_key(v, arg, err);
}

static enum status keep_presence(void *arg, const struct store_value *v, struct err *err)
{
	return row_to_presence(v, arg, err);
}

static void get(struct store *s, enum store_table t, int64_t id, store_row_fn fn, void *out)
{
	const struct store_value key[] = { store_int(TAILNET_DEFAULT), store_int(id) };
	struct err err = { "" };

	if (store_get(s, t, key, fn, out, &err) != ST_OK)
		fail_msg("table %d, id %d: %s", (int)t, (int)id, err.text);
}

static enum status count_row(void *arg, const struct store_value *v, struct err *err)
{
	(void)v;
	(void)err;
	++*(unsigned *)arg;
	return ST_OK;
}

static unsigned count(struct store *s, enum store_table t)
{
	const struct store_query q = { .table = t };
	unsigned n = 0;

	assert_int_equal(store_scan(s, &q, count_row, &n, NULL), ST_OK);
	return n;
}

static enum status keep_counter(void *arg, const struct store_value *v, struct err *err)
{
	(void)err;
	*(int64_t *)arg = v[COL_COUNTERS_VALUE].i;
	return ST_OK;
}

static int64_t counter(struct store *s, const char *name)
{
	const struct store_value key[] = { store_int(TAILNET_DEFAULT), store_text(name) };
	int64_t v = -1;

	assert_int_equal(store_get(s, STORE_COUNTERS, key, keep_counter, &v, NULL), ST_OK);
	return v;
}

static enum status keep_text(void *arg, const struct store_value *v, struct err *err)
{
	(void)err;
	*(char **)arg = bytes_strdup(v[COL_DOCS_TEXT].b);
	return ST_OK;
}

/* What a start writes to its log. */
static char *open_logged(void)
{
	char name[120], *text = xcalloc(1, 8192);
	int fd, saved = dup(2);
	struct store *s;

	snprintf(name, sizeof name, "%s/log", dir);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	dup2(fd, 2);
	s = must_open();
	dup2(saved, 2);
	assert_true(pread(fd, text, 8191, 0) >= 0);
	close(fd);
	close(saved);
	store_close(&s);
	return text;
}

static void assert_log(bool has, const char *words)
{
	char *text = open_logged();

	if ((strstr(text, words) != NULL) != has)
		fail_msg("log: %s", text);
	free(text);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void check_users(struct store *s)
{
	struct user *anna = NULL, *odin = NULL;

	assert_int_equal(count(s, STORE_USERS), 2);
	get(s, STORE_USERS, 7, keep_user, &anna);
	get(s, STORE_USERS, 8, keep_user, &odin);
	assert_string_equal(anna->name, "anna");
	assert_string_equal(anna->display_name, "Anna");
	assert_string_equal(anna->email, "anna@example.com");
	assert_string_equal(anna->provider_id, "");
	assert_int_equal(anna->role, ROLE_OWNER);
	assert_true(anna->created_ns == THEN_NS);
	assert_string_equal(odin->provider_id, "https://id.test/s-odin");
	assert_string_equal(odin->provider, "oidc");
	assert_string_equal(odin->picture_url, "https://id.test/p.png");
	assert_int_equal(odin->role, ROLE_MEMBER);
	user_unref(&anna);
	user_unref(&odin);
}

static void check_keys(struct store *s, bool is_later)
{
	struct preauth_key *k[4] = { 0 };
	struct api_key *a[2] = { 0 };
	uint8_t sum[SHA256_LEN];

	for (int i = 0; i < 4; i++)
		get(s, STORE_PREAUTH, 3 + i, keep_preauth, &k[i]);
	assert_string_equal(k[0]->name, "3bb0af015354");
	assert_int_equal(k[0]->hash.form, SECRET_BCRYPT);
	assert_int_equal(k[0]->hash.n, 60);
	assert_memory_equal(k[0]->hash.b, BCRYPT, 60);
	assert_int_equal(k[0]->user, 7);
	assert_true(k[0]->reusable && k[0]->used && !k[0]->ephemeral && k[0]->tags == NULL);
	assert_true(k[0]->expires_ns == INT64_C(4071006245) * NS_PER_S);
	assert_string_equal(k[0]->description, is_later ? "for CI" : "");
	assert_true(k[0]->revoked_ns == (is_later ? THEN_NS : TIME_NONE));
	sha256(BYTES_LIT(LEGACY), sum);
	assert_int_equal(k[1]->hash.form, SECRET_SHA256);
	assert_memory_equal(k[1]->hash.b, sum, SHA256_LEN);
	assert_true(strncmp(k[1]->name, "legacy-", 7) == 0);
	assert_true(k[1]->ephemeral && k[1]->expires_ns == TIME_NONE && str_list_has(k[1]->tags, "tag:ci"));
	assert_true(k[2]->expires_ns == 1); /* nobody's */
	assert_true(k[3]->expires_ns == 1 && k[3]->tags == NULL);
	assert_int_equal(count(s, STORE_API_KEYS), 2);
	get(s, STORE_API_KEYS, 2, keep_api_key, &a[0]);
	get(s, STORE_API_KEYS, 9, keep_api_key, &a[1]);
	assert_string_equal(a[0]->name, "67f974a4c485");
	assert_int_equal(a[0]->kind, API_KEY);
	assert_int_equal(a[0]->user, 0);
	assert_true(a[0]->expires_ns == TIME_NONE && a[0]->last_used_ns == THEN_NS && a[0]->scopes == NULL);
	assert_string_equal(a[1]->name, "AbC_-12");
	assert_true(a[1]->expires_ns == INT64_C(1577836800) * NS_PER_S);
	for (int i = 0; i < 4; i++)
		preauth_key_unref(&k[i]);
	api_key_unref(&a[0]);
	api_key_unref(&a[1]);
}

static void check_nodes(struct store *s)
{
	struct node *n[3] = { 0 };
	char text[KEY_TEXT_MAX], ip[IP_TEXT_MAX];
	struct ip_prefix p;

	assert_int_equal(count(s, STORE_NODES), 3);
	for (int i = 0; i < 3; i++) {
		get(s, STORE_NODES, 41 + i, keep_node, &n[i]);
		get(s, STORE_PRESENCE, 41 + i, keep_presence, n[i]);
	}
	machine_key_format(&n[0]->machine, text);
	assert_string_equal(text, "mkey:" KEY_A);
	assert_memory_equal(n[0]->machine.b, n[0]->key.b, KEY_LEN);
	assert_memory_equal(n[0]->machine.b, n[0]->disco.b, KEY_LEN);
	ip_format(&n[0]->ip4, ip);
	assert_string_equal(ip, "100.64.0.1");
	ip_format(&n[0]->ip6, ip);
	assert_string_equal(ip, "fd7a:115c:a1e0::1");
	assert_string_equal(n[0]->hostname, "Anna's PC");
	assert_string_equal(n[0]->name, "annas-pc");
	assert_int_equal(n[0]->user, 7);
	assert_int_equal(n[0]->method, REGISTER_CLI);
	assert_int_equal(n[0]->endpoints->n, 2);
	assert_int_equal(n[0]->endpoints->v[1].port, 41641);
	assert_int_equal(n[0]->endpoints->v[1].addr.family, IP_V6);
	assert_int_equal(n[0]->home_derp, 4);
	assert_int_equal(ip_prefix_parse(BYTES_LIT("10.0.0.0/24"), &p), ST_OK);
	assert_true(prefix_list_has(n[0]->announced_routes, &p) && prefix_list_has(n[0]->approved_routes, &p));
	assert_int_equal(n[0]->approved_routes->n, 2);
	assert_true(n[0]->key_expiry_ns == THEN_NS + (365 * 86400 - 3600) * NS_PER_S);
	assert_true(n[0]->created_ns == THEN_NS && n[0]->last_seen_ns == THEN_NS && !n[0]->online);
	assert_non_null(n[0]->hostinfo);
	assert_non_null(memmem(n[0]->hostinfo->data, n[0]->hostinfo->n, "\"OS\":\"linux\"", 12));

	assert_int_equal(n[1]->user, 0);
	assert_int_equal(n[1]->created_by, 8);
	assert_int_equal(n[1]->tags->n, 2);
	assert_string_equal(n[1]->tags->v[0], "tag:a");
	assert_int_equal(n[1]->auth_key, 4);
	assert_int_equal(n[1]->method, REGISTER_AUTHKEY);
	assert_true(n[1]->ephemeral && n[1]->key_expiry_ns == TIME_NONE && n[1]->last_seen_ns == TIME_NONE);
	assert_true(n[1]->approved_routes == NULL && n[1]->hostinfo == NULL && n[1]->ip6.family == IP_NONE);
	assert_string_equal(n[1]->name, "web");

	assert_int_equal(n[2]->user, 7);
	assert_string_equal(n[2]->name, "web-1");
	assert_int_equal(n[2]->method, REGISTER_OIDC);
	assert_false(n[2]->ephemeral);
	assert_true(n[2]->tags == NULL && n[2]->endpoints == NULL);
	for (int i = 0; i < 3; i++)
		node_unref(&n[i]);
}

static void ignore(void *arg, struct publication *p)
{
	(void)arg;
	(void)p;
}

static void check_state(struct store *s)
{
	struct state *st = NULL;
	struct snapshot *snap;
	struct err err = { "" };

	if (state_open(&(struct state_opts){ .store = s, .publish = ignore }, &st, &err) != ST_OK)
		fail_msg("%s", err.text);
	snap = state_snapshot(st);
	assert_non_null(snapshot_node(snap, 43));
	snapshot_unref(&snap);
	state_close(&st);
}

static void take_over_all(bool is_later)
{
	const struct store_value policy[] = { store_int(TAILNET_DEFAULT), store_text("policy"), store_text("current") };
	struct theirs before;
	struct store *s;
	char *text = NULL;

	make_theirs();
	if (is_later)
		run_sql(later);
	before = theirs_now();
	s = must_open();
	check_users(s);
	check_keys(s, is_later);
	check_nodes(s);
	assert_int_equal(counter(s, "user"), 20);
	assert_int_equal(counter(s, "node"), 60);
	assert_int_equal(counter(s, "preauth"), 16);
	assert_int_equal(counter(s, "apikey"), 10);
	assert_int_equal(store_get(s, STORE_DOCS, policy, keep_text, &text, NULL), ST_OK);
	assert_string_equal(text, "// mine\n{\"acls\": []}");
	free(text);
	check_state(s);
	assert_untouched(&before);
}

static void all_of_028_comes_over(void **state)
{
	(void)state;
	take_over_all(false);
}

static void all_of_030_comes_over(void **state)
{
	(void)state;
	take_over_all(true);
}

static void a_log_left_behind_counts(void **state)
{
	struct theirs before;
	struct user *u = NULL;
	struct store *s;
	char wal[120];
	int status;
	pid_t child;

	(void)state;
	make_theirs();
	child = fork();
	if (child == 0) { /* a Go server that is killed */
		sqlite3 *db = NULL;

		if (sqlite3_open(path, &db) == SQLITE_OK &&
		    sqlite3_exec(db, "PRAGMA journal_mode = WAL; UPDATE users SET email = 'new@example.com' WHERE id = 7", NULL, NULL,
				 NULL) == SQLITE_OK)
			_exit(0);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	before = theirs_now();
	assert_false(key_bytes_are_zero(before.hash[1])); /* there is a log */
	s = must_open();
	get(s, STORE_USERS, 7, keep_user, &u);
	assert_string_equal(u->email, "new@example.com");
	user_unref(&u);
	store_close(&s);
	assert_untouched(&before);
	assert_log(false, "has changed");
	snprintf(wal, sizeof wal, "%s-wal", path);
	assert_int_equal(unlink(wal), 0);
	assert_log(true, "has changed");
}

static void what_cannot_be_understood_stops_it(void **state)
{
	static const struct {
		const char *sql, *words;
	} cases[] = {
		{ "UPDATE nodes SET node_key = 'nodekey:zz' WHERE id = 42", "table nodes, id 42, column node_key" },
		{ "UPDATE nodes SET node_key = 'mkey:" KEY_B "' WHERE id = 42", "table nodes, id 42, column node_key" },
		{ "UPDATE nodes SET machine_key = NULL WHERE id = 41", "table nodes, id 41, column machine_key" },
		{ "UPDATE nodes SET machine_key = 'mkey:" KEY_0 "' WHERE id = 41", "table nodes, id 41, column machine_key" },
		{ "UPDATE nodes SET disco_key = 'x' WHERE id = 41", "table nodes, id 41, column disco_key" },
		{ "UPDATE nodes SET endpoints = '[\"1.2.3.4\"]' WHERE id = 41", "column endpoints" },
		{ "UPDATE nodes SET endpoints = '[1]' WHERE id = 41", "column endpoints" },
		{ "UPDATE nodes SET host_info = '{\"OS\":' WHERE id = 41", "table nodes, id 41, column host_info" },
		{ "UPDATE nodes SET ipv4 = '100.64.0' WHERE id = 41", "table nodes, id 41, column ipv4" },
		{ "UPDATE nodes SET ipv4 = ipv6 WHERE id = 41", "table nodes, id 41, column ipv4" },
		{ "UPDATE nodes SET ipv4 = '100.64.0.1'", "table nodes, id 42" },
		{ "UPDATE nodes SET node_key = 'nodekey:" KEY_A "'", "table nodes, id 42" },
		{ "UPDATE nodes SET hostname = x'ff' WHERE id = 41", "table nodes, id 41, column hostname" },
		{ "UPDATE nodes SET user_id = 3 WHERE id = 41", "table nodes, id 41, column user_id" },
		{ "UPDATE nodes SET user_id = 'x' WHERE id = 41", "table nodes, id 41, column user_id" },
		{ "UPDATE nodes SET register_method = 'magic' WHERE id = 41", "table nodes, id 41, column register_method" },
		{ "UPDATE nodes SET tags = '{}' WHERE id = 41", "table nodes, id 41, column tags" },
		{ "UPDATE nodes SET expiry = 'soon' WHERE id = 41", "table nodes, id 41, column expiry" },
		{ "UPDATE nodes SET expiry = '2026-13-02 03:04:05+00:00' WHERE id = 41", "table nodes, id 41, column expiry" },
		{ "UPDATE nodes SET created_at = 17 WHERE id = 41", "table nodes, id 41, column created_at" },
		{ "UPDATE nodes SET approved_routes = '[\"10.0.0.0/33\"]' WHERE id = 41", "column approved_routes" },
		{ "DELETE FROM migrations WHERE id LIKE '202601121700%';"
		  "UPDATE nodes SET host_info = '{\"RequestTags\":[\"tag:x\"]}' WHERE id = 41",
		  "table nodes, id 41, column host_info" },
		{ "UPDATE nodes SET id = -1 WHERE id = 41", "table nodes, id -1, column id" },
		{ "UPDATE users SET name = '' WHERE id = 7", "table users, id 7, column name" },
		{ "UPDATE users SET provider_identifier = NULL, name = 'anna'", "table users, id 8" },
		{ "UPDATE pre_auth_keys SET hash = 'x' WHERE id = 3", "table pre_auth_keys, id 3, column hash" },
		{ "UPDATE pre_auth_keys SET prefix = 'x' WHERE id = 3", "table pre_auth_keys, id 3, column prefix" },
		{ "UPDATE pre_auth_keys SET key = 'x' WHERE id = 4", "table pre_auth_keys, id 4, column key" },
		{ "UPDATE pre_auth_keys SET used = 2 WHERE id = 4", "table pre_auth_keys, id 4, column used" },
		{ "UPDATE api_keys SET prefix = 'x' WHERE id = 2", "table api_keys, id 2, column prefix" },
		{ "UPDATE api_keys SET hash = NULL WHERE id = 2", "table api_keys, id 2, column hash" },
		{ "UPDATE policies SET data = x'c300' WHERE id = 2", "table policies, id 2, column data" },
		{ "UPDATE policies SET data = '{\"acls\": [}' WHERE id = 2", "table policies, id 2, column data: the policy" },
		{ "DROP TABLE users", "table users is missing" },
		{ "DROP TABLE policies", "table policies is missing" },
		{ "ALTER TABLE nodes DROP COLUMN ipv6", "table nodes: column ipv6 is missing" },
		{ "ALTER TABLE nodes DROP COLUMN given_name", "table nodes: column given_name is missing" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		(void)unlink(path);
		make_theirs();
		run_sql(cases[i].sql);
		refused(strstr(cases[i].words, "column") || strstr(cases[i].words, "missing") ? ST_BAD_INPUT : ST_CONFLICT,
			cases[i].words);
	}
	(void)state;
}

static void a_policy_that_is_not_in_use_may_be_wrong(void **state)
{
	struct store *s;

	(void)state;
	policy_in_use = false;
	make_theirs();
	run_sql("UPDATE policies SET data = '{\"acls\": [}' WHERE id = 2");
	s = must_open();
	assert_int_equal(count(s, STORE_DOCS), 1); /* the import's own */
	check_nodes(s);
	store_close(&s);
}

static void other_schemas_are_refused(void **state)
{
	(void)state;
	make_theirs();
	run_sql("DELETE FROM migrations WHERE id LIKE '202511131445%'");
	refused(ST_UNSUPPORTED, "before 0.28");
	run_sql("INSERT INTO migrations VALUES ('202511131445-node-forced-tags-to-tags'), ('202901010000-more')");
	refused(ST_UNSUPPORTED, "202901010000-more");
	unlink(path);
	run_sql("CREATE TABLE namespaces (id integer); CREATE TABLE machines (id integer); CREATE TABLE pre_auth_keys (id integer)");
	refused(ST_UNSUPPORTED, "before 0.28");
	unlink(path);
	run_sql("CREATE TABLE photos (id integer)");
	refused(ST_UNSUPPORTED, "no database of this server");
}

static void a_damaged_file_is_refused(void **state)
{
	char junk[512];
	struct stat sb;
	int fd;

	(void)state;
	make_theirs();
	/* An index that disagrees with its table: nothing that is read would tell. */
	run_sql("CREATE TABLE other (a text); INSERT INTO other VALUES ('x'), ('y'); CREATE INDEX other_a ON other (a)");
	assert_int_equal(stat(path, &sb), 0);
	fd = open(path, O_WRONLY);
	memset(junk, 0x55, sizeof junk);
	assert_int_equal(pwrite(fd, junk, sizeof junk, sb.st_size - 4096), (ssize_t)sizeof junk);
	close(fd);
	refused(ST_BAD_INPUT, "damaged");
	assert_int_equal(truncate(path, sb.st_size - 4096), 0);
	refused(ST_BAD_INPUT, "damaged");
}

static void later_starts_go_on_with_what_was_made(void **state)
{
	struct user *u = NULL;
	struct store *s;
	char *p, cmd[250];

	(void)state;
	make_theirs();
	assert_log(true, "taken over");
	assert_log(true, "made of that of the Go headscale");
	assert_log(false, "has changed");
	run_sql("UPDATE users SET email = 'other@example.com' WHERE id = 7");
	assert_log(true, "has changed");
	s = must_open();
	get(s, STORE_USERS, 7, keep_user, &u);
	assert_string_equal(u->email, "anna@example.com");
	user_unref(&u);
	store_close(&s);
	p = import_own_path(path);
	assert_string_equal(p, own);
	free(p);
	/* Theirs is cleared away: ours stays in use, and no empty one is made in its place. */
	assert_int_equal(unlink(path), 0);
	s = must_open();
	assert_int_equal(count(s, STORE_NODES), 3);
	store_close(&s);
	assert_int_not_equal(access(path, F_OK), 0);
	/* Ours is moved to the path itself: it is used there. */
	assert_int_equal(rename(own, path), 0);
	s = must_open();
	assert_int_equal(count(s, STORE_NODES), 3);
	store_close(&s);
	assert_int_not_equal(access(own, F_OK), 0);
	snprintf(cmd, sizeof cmd, "cp %s %s", path, own);
	assert_int_equal(system(cmd), 0);
	assert_log(true, "two databases of ours");
}

static void a_server_that_runs_is_noticed(void **state)
{
	int ready[2], status;
	struct store *s;
	pid_t child;
	char c;

	(void)state;
	make_theirs();
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		sqlite3 *db = NULL;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (sqlite3_open(path, &db) == SQLITE_OK &&
		    sqlite3_exec(db, "PRAGMA journal_mode = WAL; UPDATE users SET email = 'x'", NULL, NULL, NULL) == SQLITE_OK &&
		    write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	refused(ST_CONFLICT, "stop the Go headscale");
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	s = must_open();
	store_close(&s);
	close(ready[0]);
	close(ready[1]);
}

static void a_second_server_of_ours_is_refused(void **state)
{
	struct store *a, *b = NULL;
	struct err err = { "" };

	(void)state;
	make_theirs();
	a = must_open();
	assert_int_equal(try_open(&b, &err), ST_CONFLICT);
	assert_non_null(strstr(err.text, "in use by another server"));
	store_close(&a);
}

static void a_full_disk_leaves_nothing(void **state)
{
	static const rlim_t sizes[] = { 0, 8192, 40960, 65536 };
	struct store *s = NULL;
	int status;

	(void)state;
	make_theirs();
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		pid_t child = fork();

		if (child == 0) {
			const struct rlimit rl = { sizes[i], sizes[i] };
			struct err err = { "" };

			signal(SIGXFSZ, SIG_IGN);
			if (setrlimit(RLIMIT_FSIZE, &rl) != 0)
				_exit(3);
			_exit(try_open(&s, &err) == ST_OK ? 1 : access(own, F_OK) == 0 ? 2 : 0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	s = must_open(); /* what such tries left is no hindrance */
	store_close(&s);
}

static void remains_of_a_killed_try_are_cleared(void **state)
{
	static const char *const names[] = { ".tmp", ".tmp-wal", ".tmp.lock", ".go", ".go-wal", ".go-shm" };
	char name[120];
	struct store *s;

	(void)state;
	make_theirs();
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int fd;

		snprintf(name, sizeof name, "%s%s", own, names[i]);
		fd = open(name, O_WRONLY | O_CREAT, 0600);
		assert_int_equal(write(fd, "junk", 4), 4);
		close(fd);
	}
	s = must_open();
	check_nodes(s);
	store_close(&s);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(name, sizeof name, "%s%s", own, names[i]);
		assert_int_not_equal(access(name, F_OK), 0);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(all_of_028_comes_over),
		T(all_of_030_comes_over),
		T(a_log_left_behind_counts),
		T(what_cannot_be_understood_stops_it),
		T(a_policy_that_is_not_in_use_may_be_wrong),
		T(other_schemas_are_refused),
		T(a_damaged_file_is_refused),
		T(later_starts_go_on_with_what_was_made),
		T(a_server_that_runs_is_noticed),
		T(a_second_server_of_ours_is_refused),
		T(a_full_disk_leaves_nothing),
		T(remains_of_a_killed_try_are_cleared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
