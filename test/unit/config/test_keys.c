/* Every key: what it takes, what it refuses, and that nothing else changes with it. */
#include "unit/config/helper.h"

#include <ctype.h>
#include <glob.h>

#include "base/clock.h"
#include "config/keys.h"

/* What a kind takes and refuses; values are written behind the key. */
struct kind_case {
	enum key_kind kind;
	const char *good[4], *bad[9];
};

static const struct kind_case kinds[] = {
	{ KEY_STR, { "/some/where", "17", "\"true\"" }, { "[a, b]", "{a: b}" } },
	{ KEY_BOOL, { "true", "\"1\"", "f" }, { "yes", "2", "[true]", "{a: true}", "maybe" } },
	{ KEY_INT, { "77", "\"77\"" }, { "many", "1.5", "[4]", "0x10", "99999999999999999999", "010", "1 2" } },
	{ KEY_DURATION, { "77s", "1m17s" }, { "soon", "77", "[5s]", "5 parsecs", "1h30", "99999999y" } },
	{ KEY_MODE, { "\"0750\"", "750", "0o750" }, { "\"0888\"", "rwx", "0", "\"01777\"", "[7]", "-1" } },
	{ KEY_SSLMODE, { "true", "verify-full", "require" }, { "maybe", "[disable]" } },
	{ KEY_LISTEN,
	  { "10.0.0.1:443", "\"[::1]:99\"", ":https" },
	  { "8080", "10.0.0.1", "a:b:c", "h:70000", "\"[1.2.3.4]:1\"", "[\"1:1\"]", "\"bad name:80\"", "\"[]:1\"" } },
	{ KEY_URL,
	  { "http://other.example.net:8080/hs", "HTTPS://[::1]/" },
	  { "ftp://x", "x.example.com", "https://", "https://u:p@h/", "https://h:0/", "https://h/?a=b",
	    "\"https://a b/\"", "[https://a]", "https://h:99999/" } },
	{ KEY_HTTP, { "https://acme.example.net/dir" }, { "acme.example.net", "https:///x", "[https://a]" } },
	{ KEY_V4, { "198.51.100.7", "none" }, { "::1", "300.1.1.1", "x", "[1.1.1.1]" } },
	{ KEY_V6, { "2001:db8::7", "none" }, { "1.1.1.1", "x", "[\"::1\"]" } },
	{ KEY_PREFIX_V4,
	  { "100.100.0.0/16" },
	  { "fd7a:115c:a1e0::/48", "100.100.0.0", "100.100.0.0/33", "[100.64.0.0/10]" } },
	{ KEY_PREFIX_V6, { "fd7a:115c:a1e0:b1a::/64" }, { "100.64.0.0/10", "\"fd7a::\"", "fd7a::/129", "fd7a::1" } },
	{ KEY_DOMAIN, { "a.example.net" }, { "a.example.net.", "-a.net", "a..b", "\"a b\"", "a/b", "[a.net]" } },
	{ KEY_LIST, { "[a, b]", "a b" }, { "{a: b}", "[[a]]", "[{a: b}]", "[null]", "[\"\"]" } },
	{ KEY_URLS, { "[https://a.net/x]", "https://a.net/x http://b.net/y" }, { "[a.net]", "{a: b}", "[ftp://x]" } },
	{ KEY_DOMAINS, { "[a.net, B.net.]" }, { "[\"a b\"]", "{a: b}", "[..]" } },
	{ KEY_RESOLVERS,
	  { "[9.9.9.9, \"2620:fe::fe\"]", "[https://dns.nextdns.io/abc]", "[\"9.9.9.9:5353\"]" },
	  { "[dns.quad9.net]", "[ftp://x]", "{a: b}", "[9.9.9]", "[\"9.9.9.9:dns\"]" } },
	{ KEY_PREFIXES,
	  { "[10.0.0.0/8, \"::1\"]", "10.0.0.0/8 192.0.2.1" },
	  { "[0.0.0.0/0]", "[\"::/0\"]", "[10.0.0.0/8, proxy]", "{a: b}", "[10.0.0.0/40]" } },
	{ KEY_SPLIT,
	  { "{corp.net: [10.0.0.53]}", "{Corp.net.: 10.0.0.53, b.net: []}" },
	  { "[a]", "words", "{\"a b\": [1.1.1.1]}", "{a.net: [nowhere]}", "{a.net: {b: c}}" } },
	{ KEY_RECORDS,
	  { "[{name: a.b, type: A, value: 100.64.0.3}]", "[{name: a.b, type: AAAA, value: \"fd7a::1\"}]" },
	  { "{name: a}", "words", "[words]", "[{type: A, value: 1.1.1.1}]", "[{name: a.b}]",
	    "[{name: a.b, type: A, value: x}]", "[{name: a.b, type: A, value: \"::1\"}]",
	    "[{name: a.b, type: AAAA, value: 1.1.1.1}]", "[{name: [a], value: 1.1.1.1}]" } },
	{ KEY_PARAMS, { "{Prompt: login, b: 7}" }, { "[a]", "words", "{a: [b]}" } },
};

static const struct kind_case *case_of(enum key_kind kind)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (kinds[i].kind == kind)
			return &kinds[i];
	}
	return NULL;
}

/* The minimal file with `key: value` in it, as one top-level dotted name; env-like order makes it win. */
static struct loaded load_key(const char *key, const char *value)
{
	static char text[4096];

	snprintf(text, sizeof text, "%s: %s\n", key, value);
	return load_text(text, NULL, CONFIG_FOR_SERVER);
}

/* Problems of the value itself, not of the many rules that a file of one line breaks. */
static const struct config_problem *value_problem(const struct loaded *l, const char *key)
{
	for (size_t i = 0; i < l->report.n; i++) {
		if (l->report.v[i].line && !strcmp(l->report.v[i].key, key) && l->report.v[i].severity == CONFIG_ERROR)
			return &l->report.v[i];
	}
	return NULL;
}

static void every_key_refuses_what_its_kind_cannot_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < cfg_keys_n; i++) {
		const struct kind_case *kc = case_of(cfg_keys[i].kind);

		for (size_t b = 0; kc && b < 9 && kc->bad[b]; b++) {
			struct loaded l = load_key(cfg_keys[i].name, kc->bad[b]);
			const struct config_problem *p = value_problem(&l, cfg_keys[i].name);

			if (!p) {
				show(&l.report, cfg_keys[i].name);
				fail_msg("%s takes %s", cfg_keys[i].name, kc->bad[b]);
			}
			assert_int_equal(p->line, 1);
			assert_true(p->column >= strlen(cfg_keys[i].name) + 3);
			assert_string_equal(p->source, "test.yaml");
			assert_int_equal(l.s, ST_BAD_INPUT);
			assert_null(l.c);
			loaded_release(&l);
		}
	}
}

static void every_number_keeps_its_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < cfg_keys_n; i++) {
		const struct key *k = &cfg_keys[i];
		char text[64];

		if (k->kind != KEY_INT && k->kind != KEY_DURATION)
			continue;
		for (int side = 0; side < 2; side++) {
			int64_t limit = side ? k->max : k->min;
			struct loaded l;

			if (limit == (side ? INT64_MAX : INT64_MIN))
				continue;
			if (k->kind == KEY_INT)
				snprintf(text, sizeof text, "%lld", (long long)(side ? limit + 1 : limit - 1));
			else
				snprintf(text, sizeof text, "%lldms", (long long)(limit / NS_PER_MS + (side ? 1 : -1)));
			l = load_key(k->name, text);
			if (!value_problem(&l, k->name))
				fail_msg("%s takes %s", k->name, text);
			loaded_release(&l);
			if (k->kind == KEY_INT)
				snprintf(text, sizeof text, "%lld", (long long)limit);
			else
				snprintf(text, sizeof text, "%lldms", (long long)(limit / NS_PER_MS));
			if (k->kind == KEY_DURATION && limit == 0)
				strcpy(text, "0");
			l = load_key(k->name, text);
			if (value_problem(&l, k->name))
				fail_msg("%s does not take %s", k->name, text);
			loaded_release(&l);
		}
	}
}

/* Fine alone, but not with all the defaults. */
static bool breaks_a_rule(const struct config_problem *p)
{
	return strstr(p->text, "cannot read the file") || strstr(p->text, "must be less than") ||
	       strstr(p->text, "requires to configure") || strstr(p->text, "oidc.issuer must be") ||
	       strstr(p->text, "must be an origin") ||
	       strstr(p->text, "expected a release");
}

/* A good value that differs from the default and fits the limits. */
static void good_value(const struct key *k, size_t which, char out[static 128])
{
	const struct kind_case *kc = case_of(k->kind);
	bool is_true = k->def && !strcmp(k->def, "true");

	if (k->kind == KEY_ENUM)
		snprintf(out, 128, "%s", k->words[k->def && !strcasecmp(k->words[0].word, k->def) ? 1 : 0].word);
	else if (k->kind == KEY_BOOL)
		snprintf(out, 128, "%s", which ? is_true ? "\"0\"" : "\"1\"" : is_true ? "false" : "true");
	else if (k->kind == KEY_INT)
		snprintf(out, 128, "%lld",
			 (long long)(k->min == INT64_MIN ? 1 : k->min) + (k->def && atoll(k->def) == k->min));
	else if (k->kind == KEY_DURATION)
		snprintf(out, 128, "%s", which ? "1m17s" : "77s");
	else
		snprintf(out, 128, "%s", kc->good[which] ? kc->good[which] : kc->good[0]);
}

static void every_key_takes_what_its_kind_can_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < cfg_keys_n; i++) {
		for (size_t which = 0; which < 3; which++) {
			char value[128];
			struct loaded l;
			const struct config_problem *p;

			good_value(&cfg_keys[i], which, value);
			l = load_key(cfg_keys[i].name, value);
			p = value_problem(&l, cfg_keys[i].name);
			if (p && !breaks_a_rule(p))
				fail_msg("%s: %s: %s", cfg_keys[i].name, value, p->text);
			loaded_release(&l);
		}
	}
}

static void a_change_in_a_whole_file_is_seen_alone(void **state)
{
	static const struct {
		const char *key, *value;
	} cases[] = {
		{ "trusted_proxies", "[10.0.0.0/8]" },
		{ "unix_socket", "/x" },
		{ "unix_socket_permission", "\"0755\"" },
		{ "disable_check_updates", "true" },
		{ "metrics_listen_addr", "127.0.0.1:9" },
		{ "prefixes.v6", "fd7a:115c:a1e0::/48" },
		{ "prefixes.allocation", "random" },
		{ "node.expiry", "90d" },
		{ "node.ephemeral.inactivity_timeout", "66s" },
		{ "node.routes.ha.probe_interval", "0" },
		{ "node.routes.ha.probe_timeout", "9s" },
		{ "preauth_keys.revoked_retention", "-1s" },
		{ "derp.server.region_id", "7" },
		{ "derp.server.region_code", "x" },
		{ "derp.server.region_name", "x" },
		{ "derp.server.verify_clients", "false" },
		{ "derp.server.stun_listen_addr", ":3478" },
		{ "derp.server.private_key_path", "/x" },
		{ "derp.server.automatically_add_embedded_derp_region", "false" },
		{ "derp.server.ipv4", "1.2.3.4" },
		{ "derp.server.ipv6", "2001:db8::1" },
		{ "derp.server.stun.enabled", "false" },
		{ "derp.paths", "[/x]" },
		{ "derp.auto_update_enabled", "true" },
		{ "derp.update_frequency", "1h" },
		{ "database.debug", "true" },
		{ "database.gorm.prepare_stmt", "true" },
		{ "database.gorm.parameterized_queries", "true" },
		{ "database.gorm.skip_err_record_not_found", "true" },
		{ "database.gorm.slow_threshold", "5" },
		{ "database.sqlite.write_ahead_log", "false" },
		{ "database.sqlite.wal_autocheckpoint", "0" },
		{ "database.postgres.host", "h" },
		{ "database.postgres.port", "5432" },
		{ "database.postgres.name", "n" },
		{ "database.postgres.user", "u" },
		{ "database.postgres.pass", "p" },
		{ "database.postgres.pass_path", "/p" },
		{ "database.postgres.ssl", "require" },
		{ "database.postgres.max_open_conns", "3" },
		{ "database.postgres.max_idle_conns", "3" },
		{ "database.postgres.conn_max_idle_time_secs", "3" },
		{ "tls_letsencrypt_hostname", "hs.example.com" },
		{ "tls_letsencrypt_listen", ":http" },
		{ "tls_letsencrypt_cache_dir", "/x" },
		{ "tls_letsencrypt_challenge_type", "tls-alpn-01" },
		{ "acme_url", "https://acme.example.net/d" },
		{ "acme_email", "a@b" },
		{ "log.level", "WARN" },
		{ "log.format", "json" },
		{ "policy.mode", "database" },
		{ "policy.path", "/p" },
		{ "dns.magic_dns", "false" },
		{ "dns.override_local_dns", "false" },
		{ "dns.nameservers.split", "{a.net: [1.1.1.1]}" },
		{ "dns.search_domains", "[a.net]" },
		{ "dns.extra_records", "[{name: a.b, type: A, value: 1.1.1.1}]" },
		{ "dns.extra_records_path", "/x" },
		{ "oidc.only_start_if_oidc_is_available", "false" },
		{ "oidc.client_id", "x" },
		{ "oidc.client_secret", "x" },
		{ "oidc.client_secret_path", "/x" },
		{ "oidc.scope", "[openid]" },
		{ "oidc.extra_params", "{A: b}" },
		{ "oidc.allowed_domains", "[a]" },
		{ "oidc.allowed_users", "[a]" },
		{ "oidc.allowed_groups", "[a]" },
		{ "oidc.email_verified_required", "false" },
		{ "oidc.use_expiry_from_token", "true" },
		{ "oidc.pkce.enabled", "true" },
		{ "oidc.pkce.method", "plain" },
		{ "logtail.enabled", "true" },
		{ "taildrop.enabled", "false" },
		{ "auto_update.enabled", "true" },
		{ "cli.address", "hs.example.com" },
		{ "cli.api_key", "k" },
		{ "cli.timeout", "9s" },
		{ "cli.insecure", "true" },
		{ "tuning.batch_change_delay", "9s" },
		{ "tuning.batcher_workers", "3" },
		{ "tuning.node_mapsession_buffered_chan_size", "3" },
		{ "tuning.node_store_batch_size", "3" },
		{ "tuning.node_store_batch_timeout", "3s" },
		{ "tuning.register_cache_expiration", "3m" },
		{ "tuning.register_cache_max_entries", "3" },
		{ "tuning.notifier_send_timeout", "3s" },
		{ "server.loops", "3" },
		{ "server.tailnet", "t.net" },
		{ "server.user", "u" },
		{ "server.console", "false" },
		{ "server.audit_retention", "30d" },
		{ "server.map_keepalive", "20s" },
		{ "server.key_expiry_notice", "3d" },
		{ "server.client_latest", "1.104" },
		{ "server.client_minimum", "1.98.1" },
		{ "server.limits.max_connections", "300" },
		{ "server.limits.connections_per_address", "3" },
		{ "server.limits.pending_handshakes", "300" },
		{ "server.limits.registrations_per_minute", "3" },
		{ "server.limits.failed_logins_per_minute", "3" },
		{ "server.limits.pending_logins_per_address", "3" },
		{ "server.limits.api_requests_per_second", "3" },
		{ "server.api.cors_origins", "[https://a.net]" },
		{ "server.limits.request_header_bytes", "5000" },
		{ "server.limits.request_body_bytes", "50000" },
		{ "server.limits.map_request_bytes", "50000" },
		{ "server.limits.policy_bytes", "50000" },
		{ "server.limits.stream_buffer_bytes", "70000" },
		{ "server.timeouts.handshake", "3s" },
		{ "server.timeouts.header", "3s" },
		{ "server.timeouts.body", "3s" },
		{ "server.timeouts.idle", "3s" },
		{ "server.timeouts.write", "3s" },
		{ "server.timeouts.shutdown", "3s" },
		{ "server.relay.max_connections", "3" },
		{ "server.relay.bytes_per_second", "3" },
		{ "server.relay.queue_frames", "5" },
		{ "server.relay.mesh_key_path", "/k" },
		{ "server.replica.name", "r" },
		{ "server.replica.lease", "3s" },
	};
	struct config_change changes[CONFIG_KEYS_MAX];
	struct loaded base = load_text(MINIMAL, NULL, CONFIG_FOR_SERVER);
	(void)state;

	assert_int_equal(base.s, ST_OK);
	assert_int_equal(config_diff(base.c, base.c, changes), 0);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[2048];
		struct loaded l;
		size_t n;

		/* A dotted name at the top: sections of the minimal file may be there already. */
		snprintf(text, sizeof text, "%s%s: %s\n", MINIMAL, cases[i].key, cases[i].value);
		l = load_text(text, NULL, CONFIG_FOR_SERVER);
		if (l.s != ST_OK) {
			show(&l.report, cases[i].key);
			fail_msg("%s: %s", cases[i].key, cases[i].value);
		}
		n = config_diff(base.c, l.c, changes);
		if (n != 1 || strcmp(changes[0].key, cases[i].key))
			fail_msg("%s: %zu changes, first %s", cases[i].key, n, n ? changes[0].key : "none");
		assert_int_equal(changes[0].reload, config_key_reload(cases[i].key));
		assert_true(config_key_is_set(l.c, cases[i].key));
		assert_false(config_key_is_set(base.c, cases[i].key));
		loaded_release(&l);
	}
	loaded_release(&base);
}

static void keys_have_places_and_variables_of_their_own(void **state)
{
	(void)state;
	assert_string_equal(config_key_name(0), "server_url");
	assert_null(config_key_name(cfg_keys_n));
	for (size_t i = 0; i < cfg_keys_n; i++) {
		char a[KEY_ENV_MAX], b[KEY_ENV_MAX];

		cfg_key_env(cfg_keys[i].name, a);
		for (size_t k = 0; k < i; k++) {
			cfg_key_env(cfg_keys[k].name, b);
			assert_string_not_equal(a, b);
			assert_int_not_equal(cfg_keys[i].off, cfg_keys[k].off);
		}
		assert_false(cfg_key_is_section(cfg_keys[i].name));
		assert_null(cfg_old_key_find(cfg_keys[i].name));
		assert_int_equal(cfg_key_find(cfg_keys[i].name), (int)i);
	}
	for (size_t i = 0; i < cfg_old_keys_n; i++) { /* what is named instead must exist */
		const char *new = cfg_old_keys[i].replacement;

		if (new && !strchr(new, '"'))
			assert_true(cfg_key_find(new) >= 0);
	}
}

/* ---- the example and the manual ---- */

/* Switch on the lines that begin with "#name:" (prose has a space after the mark). */
static char *switched_on(const char *text)
{
	char *out = xcalloc(1, strlen(text) + 1), *to = out;

	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		size_t blank = strspn(line, " "), n = strcspn(line, "\n");
		const char *p = line + blank;

		if (*p == '#' && islower((unsigned char)p[1])) {
			memcpy(to, line, blank);
			memcpy(to + blank, p + 1, n - blank - 1);
			to += n - 1;
		} else {
			memcpy(to, line, n);
			to += n;
		}
		*to++ = '\n';
	}
	return out;
}

static void the_example_is_accepted_without_a_word(void **state)
{
	char *text = read_file_text(SOURCE_ROOT "/packaging/config-example.yaml");
	struct loaded l = load_text(text, NULL, CONFIG_FOR_SERVER);
	(void)state;

	if (l.s != ST_OK || l.report.n)
		show(&l.report, "config-example.yaml");
	assert_int_equal(l.s, ST_OK);
	assert_int_equal(l.report.n, 0);
	assert_int_equal(l.c->unix_socket_permission, 0770);
	assert_int_equal(l.c->dns.nameservers_global.n, 4);
	loaded_release(&l);
	free(text);
}

static void the_example_shows_every_key(void **state)
{
	char *text = read_file_text(SOURCE_ROOT "/packaging/config-example.yaml"), *on = switched_on(text);
	struct loaded l = load_text(on, NULL, CONFIG_FOR_CLIENT);
	(void)state;

	assert_int_equal(l.s, ST_OK);
	for (size_t i = 0; i < cfg_keys_n; i++) {
		if (!config_key_is_set(l.c, cfg_keys[i].name))
			fail_msg("config-example.yaml does not show %s", cfg_keys[i].name);
	}
	loaded_release(&l);
	l = load_text(on, NULL, CONFIG_FOR_SERVER); /* and no other; values are of the right kind */
	for (size_t i = 0; i < l.report.n; i++) {
		if (strstr(l.report.v[i].text, "unknown") || strstr(l.report.v[i].text, "must be"))
			fail_msg("%s: %s", l.report.v[i].key, l.report.v[i].text);
	}
	loaded_release(&l);
	free(on);
	free(text);
}

/* The n-th cell of the table row at `row`, without blanks and back quotes. */
static const char *cell(const char *row, int n, char out[static 256])
{
	size_t len;

	for (; n > 0; n--)
		row = strchr(row, '|') + 1;
	row += strspn(row, "| `");
	len = strcspn(row, "|`");
	while (len && row[len - 1] == ' ')
		len--;
	snprintf(out, 256, "%.*s", (int)len, row);
	return out;
}

/* | `key` | kind | `default` | reload | meaning | */
static void the_manual_explains_every_key(void **state)
{
	static const char *const reload_words[] = { [CONFIG_RELOAD_LIVE] = "yes", [CONFIG_RELOAD_RESTART] = "restart",
						    [CONFIG_RELOAD_IDLE] = "\xe2\x80\x93" };
	char *text = read_file_text(SOURCE_ROOT "/docs/configuration.md");
	(void)state;

	for (size_t i = 0; i < cfg_keys_n; i++) {
		char quoted[128], out[256];
		const char *row, *def = cfg_keys[i].def ? cfg_keys[i].def : "\xe2\x80\x93";

		snprintf(quoted, sizeof quoted, "\n| `%s` |", cfg_keys[i].name);
		row = strstr(text, quoted);
		if (!row)
			fail_msg("docs/configuration.md does not explain %s", cfg_keys[i].name);
		row++;
		if (strcmp(cell(row, 3, out), def))
			fail_msg("docs/configuration.md: the default of %s is %s, not %s", cfg_keys[i].name, def, out);
		if (strcmp(cell(row, 4, out), reload_words[config_key_reload(cfg_keys[i].name)]))
			fail_msg("docs/configuration.md: reload of %s", cfg_keys[i].name);
	}
	free(text);
}

/* ---- who reads it ---- */

/* All code that is not this room's, and the rules of this room that read files of secrets. */
static char *all_code(void)
{
	glob_t g = { 0 };
	struct buf b;
	size_t n;

	buf_init(&b, 64u << 20);
	if (glob(SOURCE_ROOT "/src/*/*.[ch]", 0, NULL, &g) != 0)
		fail_msg("no sources");
	for (size_t i = 0; i < g.gl_pathc; i++) {
		char *text;

		if (strstr(g.gl_pathv[i], "/src/config/"))
			continue;
		text = read_file_text(g.gl_pathv[i]);
		buf_put_str(&b, text);
		free(text);
	}
	globfree(&g);
	return buf_take(&b, &n);
}

/* `->member` with nothing behind that would make it another's name. */
static bool is_read(const char *code, const char *member)
{
	char name[128];
	size_t n = (size_t)snprintf(name, sizeof name, "->%s", member);

	for (const char *p = code; (p = strstr(p, name)); p++) {
		if (!isalnum((unsigned char)p[n]) && p[n] != '_')
			return true;
	}
	return false;
}

static void every_key_decides_something_or_says_why_not(void **state)
{
	char *code = all_code(), *rules = read_file_text(SOURCE_ROOT "/src/config/check.c");
	const char *refused = strstr(rules, "config_unserved(");
	(void)state;

	for (size_t i = 0; i < cfg_keys_n; i++) {
		const struct key *k = &cfg_keys[i];
		bool read = is_read(code, k->member) || is_read(refused, k->member) ||
			    ((k->flags & KEY_EXPAND) && is_read(rules, k->member));

		/* Secrets from a file are those of the key beside it. */
		if (read && cfg_idle_key_find(k->name) && strncmp(k->name, "database.postgres.", 18))
			fail_msg("%s is said to have no effect, and is read", k->name);
		if (!read && !cfg_idle_key_find(k->name))
			fail_msg("nobody reads %s: let it decide something, or say in cfg_idle_keys why not", k->name);
	}
	for (size_t i = 0; i < cfg_idle_keys_n; i++)
		assert_true(cfg_key_find(cfg_idle_keys[i].name) >= 0 && strlen(cfg_idle_keys[i].why) > 10);
	free(code);
	free(rules);
}

static void what_decides_nothing_is_said_at_start(void **state)
{
	(void)state;
	for (size_t i = 0; i < cfg_idle_keys_n; i++) {
		const struct idle_key *idle = &cfg_idle_keys[i];
		const struct key *k = &cfg_keys[cfg_key_find(idle->name)];
		char text[2048], value[128], expected[512];
		struct loaded l;

		good_value(k, 0, value);
		if (idle->same) {
			assert_int_equal(k->kind, KEY_BOOL);
			snprintf(value, sizeof value, "%s", strcmp(idle->same, "true") ? "true" : "false");
		}
		snprintf(text, sizeof text, "%s%s: %s\n", MINIMAL, k->name, value);
		l = load_text(text, NULL, CONFIG_FOR_SERVER);
		snprintf(expected, sizeof expected, "Warning: %s has no effect: %s (test.yaml:", k->name, idle->why);
		expect_problem(&l.report, expected, k->name);
		assert_int_equal(l.report.n, 1);
		loaded_release(&l);
		l = load_text(text, NULL, CONFIG_FOR_CLIENT); /* not at each command */
		assert_int_equal(l.report.n, 0);
		loaded_release(&l);
		if (!idle->same)
			continue;
		snprintf(text, sizeof text, "%s%s: %s\n", MINIMAL, k->name, idle->same);
		l = load_text(text, NULL, CONFIG_FOR_SERVER);
		assert_int_equal(l.report.n, 0);
		loaded_release(&l);
	}
}

static void a_variable_nearly_right_is_noticed(void **state)
{
	static char *const env[] = { "HEADSCALE_DNS_BASEDOMAIN=x.test", "HEADSCALE_LOG_LVEL=debug",
				     "HEADSCALE_LOG_FORMAT=text", "HEADSCALE_CONFIG=/c", "HEADSCALE_SERVICE_HOST=10.0.0.1",
				     "HEADSCALE_PORT_8080_TCP=tcp://10.0.0.1:8080", "HEADSCALE_SERVER_URLS=",
				     "HEADSCALE_DEBUG_DUMP_CONFIG=1", "HEADSCALE_DEBUG_DEADLOCK=1", "PATH=/bin", NULL };
	struct loaded l = load_text(MINIMAL, env, CONFIG_FOR_SERVER);
	(void)state;

	assert_int_equal(l.s, ST_OK);
	expect_problem(&l.report, "did you mean HEADSCALE_DNS_BASE_DOMAIN? (HEADSCALE_DNS_BASEDOMAIN)", "missing underscore");
	expect_problem(&l.report, "did you mean HEADSCALE_LOG_LEVEL? (HEADSCALE_LOG_LVEL)", "two letters");
	expect_problem(&l.report, "HEADSCALE_DEBUG_DUMP_CONFIG has no effect: /debug/config", "of the Go server");
	expect_problem(&l.report, "HEADSCALE_DEBUG_DEADLOCK has no effect", "of the Go server");
	assert_int_equal(l.report.n, 4);
	loaded_release(&l);
}

/* ---- what a reload takes ---- */

static void a_reload_takes_what_its_class_says_and_no_more(void **state)
{
	struct loaded a = load_text(MINIMAL, NULL, CONFIG_FOR_SERVER);
	size_t live = 0, restart = 0;
	(void)state;

	assert_int_equal(a.s, ST_OK);
	for (size_t i = 0; i < cfg_keys_n; i++) {
		const struct key *k = &cfg_keys[i];
		struct config_change changes[CONFIG_KEYS_MAX];
		char text[2048], value[128];
		struct config *over;
		struct loaded b;

		good_value(k, 0, value);
		snprintf(text, sizeof text, "%s%s: %s\n", MINIMAL, k->name, value);
		b = load_text(text, NULL, CONFIG_FOR_SERVER);
		if (b.s != ST_OK || config_diff(a.c, b.c, changes) != 1) { /* it is in the minimal file, or breaks a rule */
			loaded_release(&b);
			continue;
		}
		over = config_overlay(a.c, b.c);
		if (changes[0].reload == CONFIG_RELOAD_LIVE) {
			live++;
			assert_int_equal(config_diff(over, b.c, changes), 0);
			assert_true(config_key_is_set(over, k->name));
		} else {
			restart++;
			assert_int_equal(config_diff(over, a.c, changes), 0);
			assert_false(config_key_is_set(over, k->name));
		}
		config_free(&over);
		loaded_release(&b);
	}
	loaded_release(&a);
	assert_true(live > 15 && restart > 60);
}

static void guesses_are_good(void **state)
{
	static const struct {
		const char *wrong, *guess;
	} cases[] = {
		{ "dns.base_domian", "dns.base_domain" },
		{ "databse", "database" },
		{ "base_domain", "dns.base_domain" },
		{ "listen_adress", "listen_addr" },
		{ "server-url", "server_url" },
		{ "oidc.clientid", "oidc.client_id" },
		{ "dns.nameserver", "dns.nameservers" },
		{ "log.levle", "log.level" },
		{ "xyzzy_frobnicate", NULL },
		{ "enabled", NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *guess = cfg_key_suggest(cases[i].wrong);

		if (!cases[i].guess)
			assert_null(guess);
		else if (!guess || strcmp(guess, cases[i].guess))
			fail_msg("%s: guessed %s", cases[i].wrong, guess ? guess : "nothing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_refuses_what_its_kind_cannot_be),
		cmocka_unit_test(every_number_keeps_its_limits),
		cmocka_unit_test(every_key_takes_what_its_kind_can_be),
		cmocka_unit_test(a_change_in_a_whole_file_is_seen_alone),
		cmocka_unit_test(keys_have_places_and_variables_of_their_own),
		cmocka_unit_test(the_example_is_accepted_without_a_word),
		cmocka_unit_test(the_example_shows_every_key),
		cmocka_unit_test(the_manual_explains_every_key),
		cmocka_unit_test(every_key_decides_something_or_says_why_not),
		cmocka_unit_test(what_decides_nothing_is_said_at_start),
		cmocka_unit_test(a_variable_nearly_right_is_noticed),
		cmocka_unit_test(a_reload_takes_what_its_class_says_and_no_more),
		cmocka_unit_test(guesses_are_good),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
