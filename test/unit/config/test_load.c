/* A whole load: file, environment, rules, secrets, reports. */
#include "unit/config/helper.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

/* ---- a folder for files ---- */

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/config-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char cmd[128];
	(void)state;
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", folder);
	return system(cmd);
}

static const char *put(const char *name, const char *text, mode_t mode)
{
	static char paths[4][256];
	static int next;
	char *path = paths[next++ % 4];
	FILE *f;

	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static struct loaded load_path(const char *path, char *const *env, const char *const *dirs)
{
	struct config_source src = { .path = path, .env = env, .dirs = dirs, .purpose = CONFIG_FOR_SERVER };
	struct loaded l = { 0 };

	l.s = config_load(&src, &l.c, &l.report);
	return l;
}

/* ---- values ---- */

static void values_arrive_typed(void **state)
{
	struct loaded l =
	    load_text(MINIMAL "Node: {Expiry: 30d, ephemeral: {inactivity_timeout: 90s}}\n"
			      "trusted_proxies: [10.1.2.3/8, \"::1\"]\nmetrics_listen_addr: \"[::1]:9090\"\n"
			      "tls_letsencrypt_listen: :http\nunix_socket_permission: 0770\n"
			      "prefixes.v6: fd7a:115c:a1e0:1::5/48\n"
			      "dns.nameservers.split: {A.net.: [1.1.1.1]}\n"
			      "database.postgres.ssl: true\nlog: {level: ERROR}\n",
		      NULL, CONFIG_FOR_SERVER);
	char text[IP_PREFIX_TEXT_MAX];
	(void)state;

	assert_int_equal(l.s, ST_OK);
	assert_true(l.c->server_url.https);
	assert_string_equal(l.c->server_url.host, "hs.example.com");
	assert_int_equal(l.c->server_url.port, 443);
	assert_string_equal(l.c->server_url.path, "");
	assert_string_equal(l.c->listen_addr.host, "127.0.0.1");
	assert_int_equal(l.c->listen_addr.port, 8080);
	assert_string_equal(l.c->metrics_listen_addr.host, "::1");
	assert_int_equal(l.c->tls_letsencrypt_listen.port, 80);
	assert_string_equal(l.c->tls_letsencrypt_listen.host, "");
	assert_int_equal(l.c->node.expiry_ns, 30 * 24 * 3600 * NS_PER_S);
	assert_int_equal(l.c->node.ephemeral.inactivity_timeout_ns, 90 * NS_PER_S);
	assert_int_equal(l.c->trusted_proxies.n, 2);
	ip_prefix_format(&l.c->trusted_proxies.v[0], text);
	assert_string_equal(text, "10.0.0.0/8"); /* host bits are dropped */
	ip_prefix_format(&l.c->trusted_proxies.v[1], text);
	assert_string_equal(text, "::1/128");
	assert_int_equal(l.c->unix_socket_permission, 0770); /* also without quotes */
	assert_string_equal(l.c->dns.nameservers_split[0].domain, "a.net");
	assert_string_equal(l.c->dns.nameservers_split[0].servers.v[0], "1.1.1.1");
	assert_string_equal(l.c->database.postgres.sslmode, "");
	assert_int_equal(l.c->log.level, LOG_LEVEL_ERROR);
	assert_int_equal(l.c->oidc.scope.n, 3); /* defaults */
	ip_prefix_format(&l.c->prefixes.v6, text);
	assert_string_equal(text, "fd7a:115c:a1e0::/48");
	assert_int_equal(l.c->tuning.register_cache_expiration_ns, 15 * 60 * NS_PER_S);
	assert_true(config_key_is_set(l.c, "node"));
	assert_true(config_key_is_set(l.c, "node.expiry"));
	assert_false(config_key_is_set(l.c, "oidc"));
	assert_false(config_key_is_set(l.c, "nod"));
	loaded_release(&l);
}

static void null_is_as_if_it_were_not_there(void **state)
{
	struct loaded l = load_text(MINIMAL "metrics_listen_addr: null\nlog:\noidc: ~\ntaildrop: {enabled: }\n", NULL,
				    CONFIG_FOR_SERVER);
	(void)state;

	assert_int_equal(l.s, ST_OK);
	assert_string_equal(l.c->metrics_listen_addr.text, "");
	assert_true(l.c->taildrop_enabled);
	assert_false(config_key_is_set(l.c, "taildrop.enabled"));
	loaded_release(&l);
}

static void paths_count_from_the_file_where_the_go_server_does(void **state)
{
	struct bytes text =
	    BYTES_LIT("noise: {private_key_path: n.key}\npolicy: {path: /abs}\ntls_cert_path: c/d\n"
		      "unix_socket: s.sock\nderp: {paths: [derp.yaml]}\ndns: {extra_records_path: r.json}\n");
	struct config_source src = { .path = "/etc/hs/config.yaml", .text = &text, .purpose = CONFIG_FOR_SERVER };
	struct config_report report = { 0 };
	struct config *c = NULL;
	(void)state;

	assert_int_equal(config_load(&src, &c, &report), ST_BAD_INPUT); /* there is no server_url and so on */
	config_report_release(&report);
	text = BYTES_LIT(MINIMAL "noise.private_key_path: n.key\npolicy: {path: /abs}\n");
	text = BYTES_LIT(
	    "server_url: https://hs.example.com\nlisten_addr: 127.0.0.1:8080\nnoise: {private_key_path: n.key}\n"
	    "prefixes: {v4: 100.64.0.0/10}\ndatabase: {type: sqlite, sqlite: {path: db/d}}\n"
	    "dns: {magic_dns: false, override_local_dns: false, extra_records_path: r.json}\n"
	    "derp: {paths: [derp.yaml]}\nunix_socket: s.sock\npolicy: {path: /abs}\n");
	assert_int_equal(config_load(&src, &c, &report), ST_OK);
	assert_string_equal(c->noise.private_key_path, "/etc/hs/n.key");
	assert_string_equal(c->database.sqlite.path, "/etc/hs/db/d");
	assert_string_equal(c->policy.path, "/abs");
	assert_string_equal(c->dns.extra_records_path, "r.json");
	assert_string_equal(c->derp.paths.v[0], "derp.yaml");
	assert_string_equal(c->unix_socket, "s.sock");
	config_free(&c);
	config_report_release(&report);
}

/* ---- problems ---- */

static void ten_mistakes_give_ten_lines(void **state)
{
	struct loaded l = load_text("server_url: hs.example.com\n"		  /* 1 */
				    "listen_addr: 8080\n"			  /* 2 */
				    "noise: {private_key_path: [a]}\n"		  /* 3 */
				    "prefixes:\n  v4: 100.64.0.0/99\n"		  /* 5 */
				    "node:\n  expiry: soon\n"			  /* 7 */
				    "database:\n  type: mysql\n"		  /* 9 */
				    "dns:\n  base_domain: example.com.\n"	  /* 11 */
				    "  magic_dns: yes\n"			  /* 12 */
				    "  nameservers: {global: [1.1.1.1]}\n"	  /* 13 */
				    "log: {level: loud}\n"			  /* 14 */
				    "derp: {urls: [https://x.net/a, x.net/a]}\n", /* 15 */
				    NULL, CONFIG_FOR_SERVER);
	static const unsigned lines[] = { 1, 2, 3, 5, 7, 9, 11, 12, 14, 15 };
	struct buf b;
	size_t newlines = 0;
	(void)state;

	assert_int_equal(l.s, ST_BAD_INPUT);
	assert_null(l.c);
	if (l.report.n_errors != 10)
		show(&l.report, "ten mistakes");
	assert_int_equal(l.report.n_errors, 10);
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(l.report.v[i].line, lines[i]);
		assert_true(l.report.v[i].column > 0);
		assert_string_equal(l.report.v[i].source, "test.yaml");
		assert_true(*l.report.v[i].value);
	}
	buf_init(&b, 1 << 16);
	config_report_print(&l.report, &b);
	for (size_t i = 0; i < b.n; i++)
		newlines += b.p[i] == '\n';
	assert_int_equal(newlines, 10);
	buf_release(&b);
	expect_problem(&l.report,
		       "Fatal config error: server_url must start with https:// or http:// (test.yaml:1:13: "
		       "server_url: \"hs.example.com\")",
		       "form");
	loaded_release(&l);
}

/* What users of the Go server search for. */
static void rules_speak_in_known_words(void **state)
{
	static const struct {
		const char *lines, *text;
		bool warning;
	} cases[] = {
		{ "tls_letsencrypt_hostname: a.net\ntls_cert_path: /c\ntls_key_path: /k\n",
		  "set either tls_letsencrypt_hostname or tls_cert_path/tls_key_path, not both", false },
		{ "tls_letsencrypt_challenge_type: DNS-01\n",
		  "the only supported values for tls_letsencrypt_challenge_type are HTTP-01 and TLS-ALPN-01", false },
		{ "tls_cert_path: /c\n", "tls_key_path must be set when tls_cert_path is", false },
		{ "node: {ephemeral: {inactivity_timeout: 65s}}\n",
		  "node.ephemeral.inactivity_timeout (1m5s) is set too low, must be more than 1m5s", false },
		{ "node: {routes: {ha: {probe_interval: 1s}}}\n", "node.routes.ha.probe_interval (1s) must be >= 2s",
		  false },
		{ "node: {routes: {ha: {probe_timeout: 500ms}}}\n",
		  "node.routes.ha.probe_timeout (500ms) must be >= 1s", false },
		{ "node: {routes: {ha: {probe_timeout: 10s}}}\n",
		  "node.routes.ha.probe_timeout (10s) must be less than node.routes.ha.probe_interval (10s)", false },
		{ "tuning: {node_store_batch_size: 0}\n", "tuning.node_store_batch_size must be positive, got 0",
		  false },
		{ "tuning: {node_store_batch_timeout: 0}\n", "tuning.node_store_batch_timeout must be positive, got 0s",
		  false },
		{ "server: {api: {cors_origins: ['*', 'https://a.net:8443', 'a.net']}}\n",
		  "server.api.cors_origins[2] must be an origin such as https://console.example.com, or *: got \"a.net\"", false },
		{ "server: {api: {cors_origins: ['https://a.net/']}}\n",
		  "server.api.cors_origins[0] must be an origin such as https://console.example.com, or *: got \"https://a.net/\"", false },
		{ "trusted_proxies: [0.0.0.0/0]\n", "trusted_proxies[0]: 0.0.0.0/0 and ::/0 are not allowed", false },
		{ "derp.server: {enabled: true, private_key_path: /k, region_id: 999}\n",
		  "derp.server.stun_listen_addr must be set if derp.server.enabled is true", false },
		{ "derp.server: {enabled: true, private_key_path: /k, region_id: 999, stun_listen_addr: ':1', "
		  "automatically_add_embedded_derp_region: false}\n",
		  "Disabling derp.server.automatically_add_embedded_derp_region requires to configure the derp server "
		  "in derp.paths",
		  false },
		{ "server: {relay: {mesh_with: [a.net]}}\n",
		  "server.relay.mesh_with needs server.relay.mesh_key_path", false },
		{ "derp.server: {enabled: true, region_id: 999, stun_listen_addr: ':1'}\n",
		  "derp.server.private_key_path must be set", false },
		{ "dns.extra_records: [{name: a.b, value: 1.1.1.1}]\ndns.extra_records_path: /r\n",
		  "dns.extra_records and dns.extra_records_path are mutually exclusive", false },
		{ "oidc: {issuer: sso}\n", "oidc.issuer must be a valid http(s) URL: got \"sso\"", false },
		{ "oidc: {issuer: https://sso.net}\n", "oidc.client_id is required when oidc.issuer is set", false },
		{ "oidc: {issuer: https://sso.net, client_id: a}\n",
		  "oidc.client_secret or oidc.client_secret_path is required when oidc.issuer is set", false },
		{ "oidc: {issuer: https://sso.net, client_id: a, client_secret: b, client_secret_path: /c}\n",
		  "oidc_client_secret and oidc_client_secret_path are mutually exclusive", false },
		{ "oidc: {issuer: https://sso.net, pkce: {method: S512}}\n",
		  "pkce.method must be either 'plain' or 'S256'", false },
		{ "server: {client_latest: latest}\n", "expected a release of the Tailscale client, 1.104.5 for example", false },
		{ "server: {client_minimum: 1.2.3.4}\n", "expected a release of the Tailscale client, 1.104.5 for example", false },
		{ "server: {client_minimum: \"1.\"}\n", "expected a release of the Tailscale client, 1.104.5 for example", false },
		{ "log: {format: xml}\n", "Could not parse log format. Valid choices are 'json' or 'text'", false },
		{ "prefixes.allocation: best\n",
		  "invalid prefix allocation strategy, allowed options: sequential, random", false },
		{ "prefixes.v6: 100.64.0.0/10\n", "parsing IPv6 prefix from config", false },
		{ "prefixes.v6: fd00::/64\n", "prefixes.v6 is outside fd7a:115c:a1e0::/48", true },
		{ "node: {expiry: 3600}\n", "node.expiry needs a unit: write 3600s for seconds, 3600m for minutes",
		  false },
		{ "randomize_client_port: true\n", "The \"randomize_client_port\" configuration key has been removed",
		  false },
		{ "oidc: {expiry: 180d}\n",
		  "The \"oidc.expiry\" configuration key has been removed. Please use \"node.expiry\" instead", false },
		{ "oidc: {strip_email_domain: true}\n",
		  "The \"oidc.strip_email_domain\" configuration key has been removed", false },
		{ "acl_policy_path: /p\n", "Please use \"policy.path\" instead", false },
		{ "acl_policy_path: /p\npolicy: {path: /p}\n", "Please use \"policy.path\" instead", true },
		{ "dns_config: {nameservers: [1.1.1.1], base_domain: a.net}\n",
		  "Please use \"dns.nameservers.global\" instead", true },
		{ "dns_config: {extra_records: []}\n", "Please use \"dns.extra_records\" instead", false },
		{ "ephemeral_node_inactivity_timeout: 30m\n",
		  "Please use \"node.ephemeral.inactivity_timeout\" instead", true },
		{ "ip_prefixes: [100.64.0.0/10]\n", "Please use \"prefixes.v4\" and \"prefixes.v6\" instead", true },
		{ "grpc_listen_addr: :50443\n", "There is no gRPC any more", true },
		{ "dns: {base_domian: a}\n", "did you mean dns.base_domain?", true },
		{ "databse:\n  type: x\n", "did you mean database?", true },
		{ "zzzzzz: 1\n", "unknown key, it is not used", true },
		{ "log: debug\n", "log is a section", false },
		{ "LISTEN_ADDR: :1\n", "listen_addr is set twice, first in line 2", false },
		{ "server: {replica: {enabled: true}}\n", "several servers need a PostgreSQL database", false },
		{ "dns.extra_records: [{name: a.b, type: TXT, value: hi}]\n",
		  "clients answer records of type A and AAAA only", true },
		{ "---\na: 1\n", "a second document begins here", true },
	};
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[4096];
		struct loaded l;
		const struct config_problem *p;

		snprintf(text, sizeof text, "%s%s", MINIMAL, cases[i].lines);
		if (!strncmp(cases[i].lines, "dns: {", 6)) /* not the same section twice */
			snprintf(text, sizeof text, "dns.base_domain: a.net\ndns.override_local_dns: false\n%s",
				 cases[i].lines);
		l = load_text(text, NULL, CONFIG_FOR_SERVER);
		expect_problem(&l.report, cases[i].text, cases[i].lines);
		p = find_problem(&l.report, cases[i].text);
		assert_int_equal(p->severity, cases[i].warning ? CONFIG_WARNING : CONFIG_ERROR);
		if (!cases[i].warning)
			assert_int_equal(l.s, ST_BAD_INPUT);
		loaded_release(&l);
	}
}

static void what_is_missing_is_named(void **state)
{
	static const char *const parts[] = {
		"server_url must start with https:// or http://",
		"listen_addr must be set",
		"headscale now requires a new `noise.private_key_path` field in the config file for the Tailscale v2 "
		"protocol",
		"no IPv4 or IPv6 prefix configured, minimum one prefix is required",
		"invalid database type \"\", must be sqlite, sqlite3 or postgres",
		"dns.nameservers.global must be set when dns.override_local_dns is true",
		"dns.base_domain must be set when using MagicDNS (dns.magic_dns)",
	};
	struct loaded l = load_text("", NULL, CONFIG_FOR_SERVER);
	(void)state;

	assert_int_equal(l.s, ST_BAD_INPUT);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		expect_problem(&l.report, parts[i], "empty file");
	assert_int_equal(l.report.n_errors, 7);
	loaded_release(&l);
}

static void the_names_of_server_and_nodes_must_not_meet(void **state)
{
	static const struct {
		const char *url, *base, *text;
	} cases[] = {
		{ "https://example.com", "example.com", "server_url cannot use the same domain as base_domain" },
		{ "https://EXAMPLE.com:8443", "Example.com", "server_url cannot use the same domain as base_domain" },
		{ "https://hs.example.com", "example.com", "server_url cannot be part of base_domain" },
		{ "https://hsexample.com", "example.com", NULL },
		{ "https://example.com", "tail.example.com", NULL },
	};
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[1024];
		struct loaded l;

		snprintf(
		    text, sizeof text,
		    "server_url: %s\nlisten_addr: :1\nnoise.private_key_path: /n\nprefixes.v4: 100.64.0.0/10\n"
		    "database: {type: sqlite, sqlite: {path: /d}}\ndns: {base_domain: %s, override_local_dns: false}\n",
		    cases[i].url, cases[i].base);
		l = load_text(text, NULL, CONFIG_FOR_SERVER);
		if (cases[i].text)
			expect_problem(&l.report, cases[i].text, cases[i].url);
		else
			assert_int_equal(l.s, ST_OK);
		loaded_release(&l);
	}
}

static void names_of_nodes_must_fit_before_the_domain(void **state)
{
	char domain[256], variable[300];
	char *const env[] = { variable, NULL };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct loaded l;
		/* Labels of 37 characters and dots: 189 in all; one more is too many. */
		size_t n = 0;

		for (int k = 0; k < 5; k++)
			n += (size_t)snprintf(domain + n, sizeof domain - n, "%s%.*s", k > 0 ? "." : "", k == 4 ? 37 + i : 37,
					      "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
		assert_int_equal(n, 189 + i);
		snprintf(variable, sizeof variable, "HEADSCALE_DNS_BASE_DOMAIN=%s", domain);
		l = load_text(MINIMAL, env, CONFIG_FOR_SERVER);
		assert_int_equal(l.s, i == 0 ? ST_OK : ST_BAD_INPUT);
		if (i == 1)
			expect_problem(&l.report, "every node's name fits before it: this has 190", "long domain");
		loaded_release(&l);
	}
}

static void a_flood_of_problems_is_counted(void **state)
{
	char *text = xcalloc(1, 1 << 18);
	struct loaded l;
	struct buf b;
	(void)state;

	for (int i = 0; i < 5000; i++)
		sprintf(text + strlen(text), "unknown_%d: 1\n", i);
	l = load_text(text, NULL, CONFIG_FOR_SERVER);
	assert_int_equal(l.report.n, CONFIG_PROBLEMS_MAX);
	assert_int_equal(l.report.n_warnings, 5001 - 1 + 1); /* and one about relays */
	assert_int_equal(l.s, ST_BAD_INPUT);
	buf_init(&b, 1 << 20);
	config_report_print(&l.report, &b);
	buf_put_char(&b, 0);
	assert_non_null(strstr((char *)b.p, "and 4808 more"));
	buf_release(&b);
	loaded_release(&l);
	free(text);
}

static void terminals_are_safe(void **state)
{
	struct loaded l = load_text("\"a\\e[31mb\": 1\nlog: {level: \"x\\a\\e[2J\"}\n", NULL, CONFIG_FOR_SERVER);
	struct buf b;
	(void)state;

	buf_init(&b, 1 << 16);
	config_report_print(&l.report, &b);
	for (size_t i = 0; i < b.n; i++)
		assert_true(b.p[i] >= ' ' || b.p[i] == '\n');
	buf_release(&b);
	loaded_release(&l);
}

/* ---- the environment ---- */

static void the_environment_wins(void **state)
{
	char *const env[] = { "HEADSCALE_LOG_LEVEL=debug",
			      "HEADSCALE_TRUSTED_PROXIES=10.0.0.0/8 192.168.0.0/16",
			      "HEADSCALE_DNS_NAMESERVERS_GLOBAL=9.9.9.9",
			      "HEADSCALE_TAILDROP_ENABLED=0",
			      "HEADSCALE_LISTEN_ADDR=",
			      "HEADSCALE_PORT=tcp://10.1.1.1:80",
			      "HEADSCALE_SERVER_LOOPS=3",
			      "HEADSCALE_DATABASE_SQLITE_PATH=/elsewhere",
			      NULL };
	struct loaded l = load_text(MINIMAL "log: {level: error}\n", env, CONFIG_FOR_SERVER);
	unsigned line = 99;
	(void)state;

	if (l.s != ST_OK)
		show(&l.report, "environment");
	assert_int_equal(l.s, ST_OK);
	assert_int_equal(l.c->log.level, LOG_LEVEL_DEBUG);
	assert_int_equal(l.c->trusted_proxies.n, 2);
	assert_int_equal(l.c->dns.nameservers_global.n, 1);
	assert_false(l.c->taildrop_enabled);
	assert_int_equal(l.c->listen_addr.port, 8080); /* empty is not set */
	assert_int_equal(l.c->server.loops, 3);
	assert_string_equal(l.c->database.sqlite.path, "/elsewhere");
	assert_string_equal(config_key_origin(l.c, "log.level", &line), "HEADSCALE_LOG_LEVEL");
	assert_int_equal(line, 0);
	assert_string_equal(config_key_origin(l.c, "listen_addr", &line), "test.yaml");
	assert_int_equal(line, 2);
	loaded_release(&l);
}

static void a_bad_variable_is_named(void **state)
{
	char *const env[] = { "HEADSCALE_LOG_LEVEL=loud", "HEADSCALE_DNS_EXTRA_RECORDS=[]",
			      "HEADSCALE_OIDC_CLIENT_SECRET=hunter2", NULL };
	struct loaded l = load_text(MINIMAL, env, CONFIG_FOR_SERVER);
	(void)state;

	expect_problem(&l.report, "(HEADSCALE_LOG_LEVEL: log.level: \"loud\")", "variable");
	expect_problem(&l.report, "dns.extra_records cannot be given by the environment", "map");
	assert_null(find_problem(&l.report, "hunter2"));
	loaded_release(&l);
}

/* ---- files ---- */

static void files_are_found_in_order(void **state)
{
	char one[80], two[80];
	const char *dirs[] = { one, two, NULL };
	char env_home[96], env_config[160];
	char *const no_env[] = { NULL };
	struct loaded l;
	(void)state;

	snprintf(one, sizeof one, "%s/one", folder);
	snprintf(two, sizeof two, "%s/two", folder);
	mkdir(one, 0700);
	mkdir(two, 0700);
	l = load_path(NULL, no_env, dirs);
	expect_problem(&l.report, "no config file found, using defaults", "no file");
	assert_int_equal(l.s, ST_BAD_INPUT); /* defaults alone are no server */
	loaded_release(&l);
	put("two/config.yml", MINIMAL, 0600);
	l = load_path(NULL, no_env, dirs);
	assert_int_equal(l.s, ST_OK);
	assert_non_null(strstr(l.report.file, "two/config.yml"));
	loaded_release(&l);
	put("one/config.yaml", MINIMAL, 0600);
	l = load_path(NULL, no_env, dirs);
	assert_non_null(strstr(l.report.file, "one/config.yaml"));
	assert_int_equal(l.report.n, 0);
	loaded_release(&l);
	put("one/config.json", "{}", 0600);
	l = load_path(NULL, no_env, dirs);
	assert_non_null(strstr(l.report.file, "one/config.json"));
	expect_problem(&l.report, "config.yaml stands in the same folder and is not read", "two files");
	loaded_release(&l);
	snprintf(env_config, sizeof env_config, "HEADSCALE_CONFIG=%s/two/config.yml", folder);
	l = load_path(NULL, (char *const[]){ env_config, NULL }, dirs);
	assert_non_null(strstr(l.report.file, "two/config.yml"));
	loaded_release(&l);
	if (access("/etc/headscale", F_OK) != 0) { /* the usual path: HOME comes second */
		snprintf(env_home, sizeof env_home, "HOME=%s", folder);
		snprintf(one, sizeof one, "%s/.headscale", folder);
		mkdir(one, 0700);
		put(".headscale/config.yaml", MINIMAL, 0600);
		l = load_path(NULL, (char *const[]){ env_home, NULL }, NULL);
		assert_non_null(strstr(l.report.file, ".headscale/config.yaml"));
		loaded_release(&l);
	}
}

static void a_file_that_cannot_be_read_says_why(void **state)
{
	char *big = xcalloc(1, CONFIG_FILE_MAX + 2);
	struct loaded l = load_path("/nowhere/config.yaml", NULL, NULL);
	(void)state;

	assert_int_equal(l.s, ST_NOT_FOUND);
	expect_problem(&l.report, "error loading config file /nowhere/config.yaml: No such file or directory",
		       "missing");
	loaded_release(&l);
	l = load_path(folder, NULL, NULL);
	assert_int_equal(l.s, ST_IO);
	loaded_release(&l);
	memset(big, '#', CONFIG_FILE_MAX + 1);
	l = load_path(put("big.yaml", big, 0600), NULL, NULL);
	assert_int_equal(l.s, ST_TOO_BIG);
	expect_problem(&l.report, "larger than", "big");
	loaded_release(&l);
	big[CONFIG_FILE_MAX] = 0;
	l = load_path(put("big.yaml", big, 0600), NULL, NULL);
	assert_int_equal(l.s, ST_BAD_INPUT); /* read, and empty */
	loaded_release(&l);
	l = load_path(put("broken.yaml", "a: [1\n", 0600), NULL, NULL);
	expect_problem(&l.report, "error loading config file", "broken");
	assert_int_equal(l.s, ST_BAD_INPUT);
	loaded_release(&l);
	l = load_path(put("words.yaml", "just words\n", 0600), NULL, NULL);
	expect_problem(&l.report, "it must hold keys and values", "words");
	loaded_release(&l);
	free(big);
}

static void a_client_can_do_without_the_servers_file(void **state)
{
	struct bytes text = BYTES_LIT("server_url: nonsense\ncli: {address: hs.net}\nlog: 7\nwhatever: 1\n");
	struct config_source src = { .path = "t", .text = &text, .purpose = CONFIG_FOR_CLIENT };
	struct config_report report = { 0 };
	struct config *c = NULL;
	const char *dirs[] = { folder, NULL };
	(void)state;

	assert_int_equal(config_load(&src, &c, &report), ST_OK);
	assert_int_equal(report.n, 0);
	assert_string_equal(c->cli.address, "hs.net");
	config_free(&c);
	config_report_release(&report);
	text = BYTES_LIT("cli: {timeout: never}\n");
	assert_int_equal(config_load(&src, &c, &report), ST_BAD_INPUT);
	config_report_release(&report);
	/* A folder in the file's place is as unreadable as a file of root's. */
	src = (struct config_source){ .purpose = CONFIG_FOR_CLIENT,
				      .dirs = dirs,
				      .env = (char *const[]){ "HEADSCALE_CLI_ADDRESS=other.net", NULL } };
	put("config.yaml", "cli: {address: hs.net}\n", 0000);
	if (geteuid() != 0) { /* root reads everything */
		assert_int_equal(config_load(&src, &c, &report), ST_OK);
		assert_int_equal(report.n_warnings, 1);
		assert_string_equal(c->cli.address, "other.net");
		config_free(&c);
		config_report_release(&report);
	}
}

/* ---- secrets ---- */

static void secrets_come_from_files(void **state)
{
	char env[128], text[2048];
	char *const envp[] = { env, NULL };
	struct loaded l;
	(void)state;

	snprintf(env, sizeof env, "CREDENTIALS_DIRECTORY=%s", folder);
	put("secret", "  hunter2 \n\n", 0600);
	put("pgpass", "pg pass\n", 0600);
	snprintf(
	    text, sizeof text,
	    "%soidc: {issuer: https://sso.net, client_id: a, client_secret_path: '${CREDENTIALS_DIRECTORY}/secret'}\n",
	    MINIMAL);
	l = load_text(text, envp, CONFIG_FOR_SERVER);
	if (l.s != ST_OK)
		show(&l.report, "secret");
	assert_int_equal(l.s, ST_OK);
	assert_string_equal(l.c->oidc.client_secret, "hunter2");
	assert_false(config_key_is_set(l.c, "oidc.client_secret"));
	loaded_release(&l);
	snprintf(text, sizeof text,
		 "server_url: https://hs.example.com\nlisten_addr: :1\nnoise.private_key_path: /n\nprefixes.v4: "
		 "100.64.0.0/10\n"
		 "database: {type: postgres, postgres: {name: hs, pass_path: $CREDENTIALS_DIRECTORY/pgpass}}\n"
		 "dns: {base_domain: t.net, override_local_dns: false}\n");
	l = load_text(text, envp, CONFIG_FOR_SERVER);
	assert_int_equal(l.s, ST_OK);
	assert_string_equal(l.c->database.postgres.pass, "pg pass");
	loaded_release(&l);
	put("pgpass", "\n", 0600);
	l = load_text(text, envp, CONFIG_FOR_SERVER);
	expect_problem(&l.report, "is empty", "empty secret");
	loaded_release(&l);
	l = load_text(text, NULL, CONFIG_FOR_SERVER);
	expect_problem(&l.report, "cannot read the file /pgpass: No such file or directory", "no secret");
	loaded_release(&l);
}

static void secrets_are_never_shown(void **state)
{
	static const char *const texts[] = {
		"oidc: {client_secret: [hunter2]}\n",
		"oidc: {client_secret: {hunter2: hunter2}}\n",
		"oidc: {issuer: https://s.net, client_id: a, client_secret: hunter2, client_secret_path: /x}\n",
		"oidc: {client_secrt: hunter2}\n",
		"cli: {api_key: [hunter2]}\n",
		"db_pass: hunter2\n",
		"database: {postgres: {pass: hunter2, pass_path: /x}, type: postgres}\n",
		"derp: {urls: [https://me:hunter2@derp.net/map]}\n",
		"oidc: {extra_params: {a: [hunter2]}}\n",
		"oidc: {client_secret: hunter2, client_secret: hunter2}\n",
		"oidc: {client_secret: 'hunter2\n",
		"oidc:\n  client_secret: hunter2\n bad\n",
		"oidc: hunter2\n",
	};
	(void)state;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct loaded l = load_text(texts[i], NULL, CONFIG_FOR_SERVER);

		assert_true(l.report.n > 0);
		if (find_problem(&l.report, "hunter2"))
			fail_msg("%s shows it", texts[i]);
		loaded_release(&l);
	}
}

static void a_secret_in_a_readable_file_is_a_warning(void **state)
{
	char text[2048];
	struct loaded l;
	(void)state;

	snprintf(text, sizeof text, "%scli: {api_key: hunter2}\n", MINIMAL);
	l = load_path(put("open.yaml", text, 0644), NULL, NULL);
	assert_int_equal(l.s, ST_OK);
	expect_problem(&l.report, "cli.api_key stands in a file that every user of this machine can read", "mode");
	assert_null(find_problem(&l.report, "hunter2"));
	loaded_release(&l);
	l = load_path(put("closed.yaml", text, 0640), NULL, NULL);
	assert_int_equal(l.report.n, 0);
	loaded_release(&l);
	l = load_path(put("none.yaml", MINIMAL, 0644), NULL, NULL);
	assert_int_equal(l.report.n, 0);
	loaded_release(&l);
}

/* ---- comparing, writing out, prefixes ---- */

static void lists_are_compared_item_by_item(void **state)
{
	static const char *const pairs[][2] = {
		{ "dns.nameservers.split: {a.net: [1.1.1.1]}", "dns.nameservers.split: {a.net: [1.1.1.2]}" },
		{ "dns.nameservers.split: {a.net: [1.1.1.1]}", "dns.nameservers.split: {b.net: [1.1.1.1]}" },
		{ "dns.extra_records: [{name: a.b, value: 1.1.1.1}]",
		  "dns.extra_records: [{name: a.b, value: 1.1.1.2}]" },
		{ "dns.extra_records: [{name: a.b, value: 1.1.1.1}]",
		  "dns.extra_records: [{name: a.b, value: 1.1.1.1, type: A}]" },
		{ "oidc.extra_params: {a: b}", "oidc.extra_params: {a: c}" },
		{ "oidc.extra_params: {a: b}", "oidc.extra_params: {A: b}" },
		{ "oidc.scope: [a, b]", "oidc.scope: [a, c]" },
		{ "trusted_proxies: [10.0.0.0/8]", "trusted_proxies: [10.0.0.0/9]" },
	};
	struct config_change changes[CONFIG_KEYS_MAX];
	(void)state;

	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		struct loaded l[3];
		char text[2048];

		for (int k = 0; k < 3; k++) {
			snprintf(text, sizeof text, "%s%s\n", MINIMAL, pairs[i][k == 2]);
			l[k] = load_text(text, NULL, CONFIG_FOR_SERVER);
			assert_int_equal(l[k].s, ST_OK);
		}
		assert_int_equal(config_diff(l[0].c, l[1].c, changes), 0);
		if (config_diff(l[0].c, l[2].c, changes) != 1)
			fail_msg("%s is not told from %s", pairs[i][0], pairs[i][1]);
		for (int k = 0; k < 3; k++)
			loaded_release(&l[k]);
	}
}

static void the_whole_configuration_can_be_written_and_read_back(void **state)
{
	char text[4096];
	struct config_change changes[CONFIG_KEYS_MAX];
	struct loaded a, b;
	struct buf out;
	struct jw w;
	size_t n;
	(void)state;

	snprintf(
	    text, sizeof text,
	    "%soidc: {client_secret: hunter2, extra_params: {A: hunter2}}\ndns.nameservers.split: {a.net: [1.1.1.1]}\n"
	    "dns.extra_records: [{name: a.b, type: A, value: 1.1.1.1}]\ntrusted_proxies: [10.0.0.0/8]\nnode.expiry: "
	    "90d\n",
	    MINIMAL);
	a = load_text(text, NULL, CONFIG_FOR_SERVER);
	assert_int_equal(a.s, ST_OK);
	buf_init(&out, 1 << 16);
	jw_init(&w, &out);
	config_write_json(a.c, &w);
	buf_put_char(&out, 0);
	assert_true(buf_ok(&out));
	assert_null(strstr((char *)out.p, "hunter2"));
	b = load_text((char *)out.p, NULL, CONFIG_FOR_SERVER);
	if (b.s != ST_OK)
		show(&b.report, (char *)out.p);
	assert_int_equal(b.s, ST_OK);
	n = config_diff(a.c, b.c, changes);
	for (size_t i = 0; i < n; i++)
		assert_true(!strncmp(changes[i].key, "oidc.", 5)); /* the two that are hidden */
	assert_int_equal(n, 2);
	buf_release(&out);
	loaded_release(&a);
	loaded_release(&b);
}

static void every_prefix_of_the_example_is_read_or_refused(void **state)
{
	char *text = read_file_text(SOURCE_ROOT "/packaging/config-example.yaml");
	size_t n = strlen(text), good = 0;
	(void)state;

	for (size_t i = 0; i <= n; i += i < 4000 || i > n - 2000 ? 1 : 7) {
		char *copy = malloc(i ? i : 1); /* exact size: reading past the end shows */
		struct bytes b = { (uint8_t *)copy, i };
		struct config_source src = { .path = "p", .text = &b, .purpose = CONFIG_FOR_SERVER };
		struct config_report report = { 0 };
		struct config *c = NULL;
		enum status s;

		memcpy(copy, text, i);
		s = config_load(&src, &c, &report);
		assert_true((s == ST_OK) == (c != NULL));
		assert_true((s == ST_OK) == (report.n_errors == 0));
		good += s == ST_OK;
		config_free(&c);
		config_report_release(&report);
		free(copy);
	}
	assert_true(good > 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_arrive_typed),
		cmocka_unit_test(null_is_as_if_it_were_not_there),
		cmocka_unit_test(paths_count_from_the_file_where_the_go_server_does),
		cmocka_unit_test(ten_mistakes_give_ten_lines),
		cmocka_unit_test(rules_speak_in_known_words),
		cmocka_unit_test(what_is_missing_is_named),
		cmocka_unit_test(the_names_of_server_and_nodes_must_not_meet),
		cmocka_unit_test(names_of_nodes_must_fit_before_the_domain),
		cmocka_unit_test(a_flood_of_problems_is_counted),
		cmocka_unit_test(terminals_are_safe),
		cmocka_unit_test(the_environment_wins),
		cmocka_unit_test(a_bad_variable_is_named),
		cmocka_unit_test(files_are_found_in_order),
		cmocka_unit_test(a_file_that_cannot_be_read_says_why),
		cmocka_unit_test(a_client_can_do_without_the_servers_file),
		cmocka_unit_test(secrets_come_from_files),
		cmocka_unit_test(secrets_are_never_shown),
		cmocka_unit_test(a_secret_in_a_readable_file_is_a_warning),
		cmocka_unit_test(lists_are_compared_item_by_item),
		cmocka_unit_test(the_whole_configuration_can_be_written_and_read_back),
		cmocka_unit_test(every_prefix_of_the_example_is_read_or_refused),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
