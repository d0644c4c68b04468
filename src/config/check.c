/*
 * config/check.c -- the rules between keys, and secrets that stand in files; see config/config.h.
 *
 * The texts are those that users of the Go server know and search for.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config_priv.h"

/* Its value could not be read: a rule that weighs it against another key has nothing to say. */
static bool bad(struct loader *l, const char *key)
{
	return l->c->priv->origin[cfg_key_find(key)].bad;
}

#define BASE_DOMAIN_MAX (253 - 63 - 1) /* a name in the DNS, less a node's label and a dot */

#define error(key, ...)	  cfg_complain(l, CONFIG_ERROR, key, __VA_ARGS__)
#define warning(key, ...) cfg_complain(l, CONFIG_WARNING, key, __VA_ARGS__)

/* ---- secrets from files ---- */

/* $NAME and ${NAME} from the environment; what is not set is empty, as in a shell. */
static char *expand(struct loader *l, const char *s)
{
	struct buf out;
	char *copy;

	buf_init(&out, 4096);
	while (*s) {
		bool braces = s[0] == '$' && s[1] == '{';
		const char *name = s + (braces ? 2 : 1);
		size_t n = 0;

		while (*s == '$' && (isalnum((unsigned char)name[n]) || name[n] == '_'))
			n++;
		if (n && (!braces || name[n] == '}')) {
			char *var = arena_strndup(l->c->priv->arena, name, n);
			const char *value = cfg_env(l->src, var);

			buf_put_str(&out, value ? value : "");
			s = name + n + braces;
		} else {
			buf_put_char(&out, *s++);
		}
	}
	copy = arena_strndup(l->c->priv->arena, out.p ? (char *)out.p : "", out.n);
	buf_release(&out);
	return copy;
}

static enum status read_secret(const char *path, uint8_t buf[static CONFIG_SECRET_FILE_MAX], size_t *n_out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t got = fd >= 0 ? 1 : -1;

	while (got > 0 && n < CONFIG_SECRET_FILE_MAX) {
		got = read(fd, buf + n, CONFIG_SECRET_FILE_MAX - n);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			n += (size_t)got;
	}
	if (fd >= 0)
		close(fd);
	if (got < 0)
		return ST_IO;
	*n_out = n;
	return got > 0 ? ST_TOO_BIG : ST_OK;
}

/* White space around it goes: files end in a newline. */
static void take_secret(struct loader *l, const char *path_key, const char *path, uint8_t *buf, size_t n,
			const char **out)
{
	size_t from = 0;

	while (n && isspace(buf[n - 1]))
		n--;
	while (from < n && isspace(buf[from]))
		from++;
	if (from == n)
		error(path_key, "the file %s is empty", path);
	else if (memchr(buf, 0, n))
		error(path_key, "the file %s holds no text", path);
	else
		*out = arena_strndup(l->c->priv->arena, buf + from, n - from);
}

static void secret_from_file(struct loader *l, const char *path_key, const char *raw, const char **out)
{
	const char *path = expand(l, raw);
	uint8_t *buf;
	size_t n = 0;
	enum status s;

	if (!*path) {
		error(path_key, "%s names no file", path_key);
		return;
	}
	buf = malloc(CONFIG_SECRET_FILE_MAX);
	if (!buf)
		abort();
	s = read_secret(path, buf, &n);
	if (s == ST_IO)
		error(path_key, "cannot read the file %s: %s", path, strerror(errno));
	else if (s == ST_TOO_BIG)
		error(path_key, "the file %s is larger than %d bytes", path, CONFIG_SECRET_FILE_MAX);
	else
		take_secret(l, path_key, path, buf, n, out);
	explicit_bzero(buf, CONFIG_SECRET_FILE_MAX);
	free(buf);
}

/* ---- groups of rules ---- */

static void check_oidc(struct loader *l)
{
	struct config *c = l->c;
	struct config_url u;

	if (!*c->oidc.issuer)
		return;
	if (cfg_url_parse(c->priv->arena, c->oidc.issuer, &u))
		error("oidc.issuer", "oidc.issuer must be a valid http(s) URL: got \"%.200s\"", c->oidc.issuer);
	if (!*c->oidc.client_id)
		error("oidc.client_id", "oidc.client_id is required when oidc.issuer is set");
	if (!*c->oidc.client_secret && !*c->oidc.client_secret_path)
		error("oidc.client_secret",
		      "oidc.client_secret or oidc.client_secret_path is required when oidc.issuer is set");
	else if (*c->oidc.client_secret && *c->oidc.client_secret_path)
		error("oidc.client_secret_path",
		      "oidc_client_secret and oidc_client_secret_path are mutually exclusive");
	else if (*c->oidc.client_secret_path)
		secret_from_file(l, "oidc.client_secret_path", c->oidc.client_secret_path, &c->oidc.client_secret);
}

static void check_tls(struct loader *l)
{
	struct config *c = l->c;
	bool acme = *c->tls_letsencrypt_hostname, files = *c->tls_cert_path || *c->tls_key_path;
	size_t n = strlen(c->listen_addr.text);

	if (acme && files)
		error("tls_letsencrypt_hostname",
		      "set either tls_letsencrypt_hostname or tls_cert_path/tls_key_path, not both");
	if (files && !*c->tls_key_path)
		error("tls_key_path", "tls_key_path must be set when tls_cert_path is");
	if (files && !*c->tls_cert_path)
		error("tls_cert_path", "tls_cert_path must be set when tls_key_path is");
	if (acme && c->tls_letsencrypt_challenge_type == CONFIG_ACME_TLS_ALPN_01 && n && c->listen_addr.port != 443)
		warning("listen_addr",
			"when using TLS-ALPN-01 the certificate authority must reach this server at port 443");
	if (!c->server_url.https && (acme || files) && *c->server_url.text)
		warning("server_url", "listening with TLS but server_url does not start with https://");
}

static void check_addresses(struct loader *l)
{
	static const struct ip_prefix v4 = { { IP_V4, { [12] = 100, [13] = 64 } }, 10 };
	static const struct ip_prefix v6 = { { IP_V6, { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0 } }, 48 };
	struct config *c = l->c;

	if (c->prefixes.v4.addr.family == IP_NONE && c->prefixes.v6.addr.family == IP_NONE && !bad(l, "prefixes.v6"))
		error("prefixes.v4", "no IPv4 or IPv6 prefix configured, minimum one prefix is required");
	if (c->prefixes.v4.addr.family == IP_V4 && !ip_prefix_covers(&v4, &c->prefixes.v4))
		warning("prefixes.v4",
			"prefixes.v4 is outside 100.64.0.0/10: clients treat only that range as their own, "
			"others can fail in ways that nobody tests");
	if (c->prefixes.v6.addr.family == IP_V6 && !ip_prefix_covers(&v6, &c->prefixes.v6))
		warning("prefixes.v6",
			"prefixes.v6 is outside fd7a:115c:a1e0::/48: clients treat only that range as their own, "
			"others can fail in ways that nobody tests");
}

static void check_node(struct loader *l)
{
	struct config *c = l->c;
	char d[DURATION_TEXT_MAX], d2[DURATION_TEXT_MAX];
	int64_t interval = c->node.routes.ha.probe_interval_ns, timeout = c->node.routes.ha.probe_timeout_ns;

	duration_format(c->node.ephemeral.inactivity_timeout_ns, d);
	if (c->node.ephemeral.inactivity_timeout_ns <= 65 * NS_PER_S)
		error("node.ephemeral.inactivity_timeout",
		      "node.ephemeral.inactivity_timeout (%s) is set too low, must be more than 1m5s", d);
	if (interval <= 0 || bad(l, "node.routes.ha.probe_interval") || bad(l, "node.routes.ha.probe_timeout"))
		return;
	duration_format(interval, d);
	duration_format(timeout, d2);
	if (interval < 2 * NS_PER_S)
		error("node.routes.ha.probe_interval", "node.routes.ha.probe_interval (%s) must be >= 2s", d);
	if (timeout < NS_PER_S)
		error("node.routes.ha.probe_timeout", "node.routes.ha.probe_timeout (%s) must be >= 1s", d2);
	if (timeout >= interval)
		error("node.routes.ha.probe_timeout",
		      "node.routes.ha.probe_timeout (%s) must be less than node.routes.ha.probe_interval (%s)", d2, d);
}

static bool ends_in_domain(const char *host, const char *domain)
{
	size_t n = strlen(host), k = strlen(domain);

	return n > k && host[n - k - 1] == '.' && !strcmp(host + n - k, domain);
}

static void check_dns(struct loader *l)
{
	struct config *c = l->c;

	if (c->dns.override_local_dns && !c->dns.nameservers_global.n && !bad(l, "dns.override_local_dns"))
		error("dns.nameservers.global",
		      "dns.nameservers.global must be set when dns.override_local_dns is true");
	if (c->dns.extra_records_n && *c->dns.extra_records_path)
		error("dns.extra_records_path", "dns.extra_records and dns.extra_records_path are mutually exclusive. "
						"Please remove one of them from your config file");
	if (c->dns.magic_dns && !*c->dns.base_domain)
		error("dns.base_domain", "dns.base_domain must be set when using MagicDNS (dns.magic_dns)");
	if (strlen(c->dns.base_domain) > BASE_DOMAIN_MAX)
		error("dns.base_domain", "dns.base_domain may have %d characters, so that every node's name fits before it: this has %zu",
		      BASE_DOMAIN_MAX, strlen(c->dns.base_domain));
	if (!*c->dns.base_domain || !*c->server_url.text)
		return;
	if (!strcmp(c->server_url.host, c->dns.base_domain))
		error("dns.base_domain",
		      "server_url cannot use the same domain as base_domain in a way that could make the "
		      "DERP and headscale server unreachable");
	if (ends_in_domain(c->server_url.host, c->dns.base_domain))
		error("dns.base_domain", "server_url cannot be part of base_domain in a way that could make the "
					 "DERP and headscale server unreachable");
}

static void check_derp(struct loader *l)
{
	struct config *c = l->c;

	if (c->derp.server.enabled && !*c->derp.server.stun_listen_addr.text)
		error("derp.server.stun_listen_addr",
		      "derp.server.stun_listen_addr must be set if derp.server.enabled is true");
	if (c->derp.server.enabled && !*c->derp.server.private_key_path)
		error("derp.server.private_key_path",
		      "derp.server.private_key_path must be set if derp.server.enabled is true");
	if (c->derp.server.enabled && c->derp.server.region_id == 0)
		error("derp.server.region_id",
		      "derp.server.region_id must be set, to 999 for example, if derp.server.enabled is true");
	if (c->derp.server.enabled && !c->derp.server.automatically_add_embedded_derp_region && !c->derp.paths.n &&
	    !bad(l, "derp.paths"))
		error("derp.server.automatically_add_embedded_derp_region",
		      "Disabling derp.server.automatically_add_embedded_derp_region requires to configure the derp "
		      "server in derp.paths");
	if (c->server.relay.mesh_with.n && !*c->server.relay.mesh_key_path)
		error("server.relay.mesh_key_path", "server.relay.mesh_with needs server.relay.mesh_key_path: the key that the "
						    "relays of the region share");
	if (*c->server.relay.mesh_key_path && !c->derp.server.enabled)
		warning("server.relay.mesh_key_path", "server.relay.mesh_key_path has no effect without derp.server.enabled");
	if (!c->derp.server.enabled && !c->derp.urls.n && !c->derp.paths.n && !bad(l, "derp.paths"))
		warning("derp.urls", "no relays: derp.server.enabled is false, derp.urls and derp.paths are empty");
}

static void check_database(struct loader *l)
{
	struct config *c = l->c;

	if (c->database.type == CONFIG_DATABASE_NONE)
		error("database.type", "invalid database type \"\", must be sqlite, sqlite3 or postgres");
	if (c->database.type == CONFIG_DATABASE_SQLITE && !*c->database.sqlite.path)
		error("database.sqlite.path", "database.sqlite.path must be set when database.type is sqlite");
	if (c->database.type == CONFIG_DATABASE_POSTGRES && !*c->database.postgres.name)
		error("database.postgres.name", "database.postgres.name must be set when database.type is postgres");
	if (c->server.replica.enabled && c->database.type == CONFIG_DATABASE_SQLITE)
		error("server.replica.enabled",
		      "several servers need a PostgreSQL database: set database.type to postgres");
	if (c->database.type != CONFIG_DATABASE_POSTGRES || !*c->database.postgres.pass_path)
		return;
	if (*c->database.postgres.pass)
		error("database.postgres.pass_path",
		      "database.postgres.pass and database.postgres.pass_path are mutually exclusive");
	else
		secret_from_file(l, "database.postgres.pass_path", c->database.postgres.pass_path,
				 &c->database.postgres.pass);
}

static bool is_origin(const char *s)
{
	const char *host = strstr(s, "://");

	if (!strcmp(s, "*"))
		return true;
	return host && (host - s == 4 || host - s == 5) && !strncmp(s, "https", (size_t)(host - s)) && host[3] &&
	       !strpbrk(host + 3, "/ \t?#");
}

static void check_origins(struct loader *l)
{
	const struct config_strings *o = &l->c->server.api.cors_origins;

	for (size_t i = 0; i < o->n; i++) {
		if (!is_origin(o->v[i]))
			error("server.api.cors_origins",
			      "server.api.cors_origins[%zu] must be an origin such as https://console.example.com, or *: got \"%s\"", i,
			      o->v[i]);
	}
}

/* "1.104" or "1.104.5". */
static bool is_release(const char *s)
{
	int numbers = 0;

	while (numbers < 3) {
		size_t digits = strspn(s, "0123456789");

		if (digits == 0 || digits > 6)
			return false;
		numbers++;
		s += digits;
		if (*s != '.')
			break;
		s++;
	}
	return *s == '\0' && numbers >= 2;
}

static void check_clients(struct loader *l)
{
	const char *latest = l->c->server.client_latest, *minimum = l->c->server.client_minimum;

	if (*latest && !is_release(latest))
		error("server.client_latest", "expected a release of the Tailscale client, 1.104.5 for example");
	if (*minimum && !is_release(minimum))
		error("server.client_minimum", "expected a release of the Tailscale client, 1.104.5 for example");
}

static void check_tuning(struct loader *l)
{
	struct config *c = l->c;
	char d[DURATION_TEXT_MAX];

	if (c->tuning.node_store_batch_size <= 0)
		error("tuning.node_store_batch_size", "tuning.node_store_batch_size must be positive, got %lld",
		      (long long)c->tuning.node_store_batch_size);
	duration_format(c->tuning.node_store_batch_timeout_ns, d);
	if (c->tuning.node_store_batch_timeout_ns <= 0)
		error("tuning.node_store_batch_timeout", "tuning.node_store_batch_timeout must be positive, got %s", d);
	/* Zero takes the default. */
	if (c->tuning.register_cache_expiration_ns == 0)
		c->tuning.register_cache_expiration_ns = 15 * 60 * NS_PER_S;
	if (c->tuning.register_cache_max_entries == 0)
		c->tuning.register_cache_max_entries = 1024;
}

void cfg_check(struct loader *l)
{
	struct config *c = l->c;

	if (!*c->server_url.text)
		error("server_url", "server_url must start with https:// or http://");
	if (!*c->listen_addr.text)
		error("listen_addr", "listen_addr must be set, to 127.0.0.1:8080 for example");
	if (!*c->noise.private_key_path)
		error("noise.private_key_path",
		      "headscale now requires a new `noise.private_key_path` field in the config file "
		      "for the Tailscale v2 protocol");
	check_tls(l);
	check_addresses(l);
	check_node(l);
	check_derp(l);
	check_database(l);
	check_dns(l);
	check_oidc(l);
	check_origins(l);
	check_clients(l);
	check_tuning(l);
}

/* ---- what decides nothing ---- */

static bool asks_for_more(struct loader *l, const struct idle_key *idle)
{
	int i = cfg_key_find(idle->name);
	const bool *value = cfg_member_of(l->c, cfg_keys[i].off);

	if (!config_key_is_set(l->c, idle->name) || l->c->priv->origin[i].bad)
		return false;
	return !idle->same || *value != !strcmp(idle->same, "true");
}

/* Variables of the Go server that are no keys. */
static const struct {
	const char *begins;
	const char *why; /* "": it counts here too */
} other_variables[] = {
	{ "HEADSCALE_CONFIG", "" },
	{ "HEADSCALE_DEBUG_DUMP_CONFIG", "/debug/config of metrics_listen_addr shows the configuration" },
	{ "HEADSCALE_DEBUG_DUMP_MAPRESPONSE_PATH", "/debug/netmap/ID of metrics_listen_addr shows a node's map" },
	{ "HEADSCALE_DEBUG_PROFILING_", "there is no profiler inside; use perf" },
	{ "HEADSCALE_DEBUG_TAILSQL_", "there is no SQL console; open a copy of the database with sqlite3" },
	{ "HEADSCALE_DEBUG_DERP_USE_IP", "set derp.server.ipv4 and derp.server.ipv6" },
	{ "HEADSCALE_DEBUG_", "it looks into the Go server" },
};

/* A variable of the Go server, or one that is none, but so near to one that it was meant to be it. */
static void check_variable(struct loader *l, const char *variable)
{
	size_t n = strcspn(variable, "=");
	char name[KEY_ENV_MAX], known[KEY_ENV_MAX];
	const char *guess;

	if (strncmp(variable, "HEADSCALE_", 10) || n >= sizeof name || !variable[n] || !variable[n + 1])
		return;
	memcpy(name, variable, n);
	name[n] = 0;
	for (size_t i = 0; i < sizeof other_variables / sizeof other_variables[0]; i++) {
		if (strncmp(name, other_variables[i].begins, strlen(other_variables[i].begins)))
			continue;
		if (*other_variables[i].why)
			cfg_problem(l->report, CONFIG_WARNING, &(struct spot){ name, 0, 0, "", "" }, "%s has no effect: %s", name,
				    other_variables[i].why);
		return;
	}
	guess = cfg_variable_suggest(name, known);
	if (guess)
		cfg_problem(l->report, CONFIG_WARNING, &(struct spot){ name, 0, 0, "", "" },
			    "unknown variable, it is not used; did you mean %s?", guess);
}

void cfg_check_idle(struct loader *l)
{
	for (size_t i = 0; i < cfg_idle_keys_n; i++) {
		const struct idle_key *idle = &cfg_idle_keys[i];

		if (asks_for_more(l, idle))
			warning(idle->name, "%s has no effect: %s", idle->name, idle->why);
	}
	for (size_t i = 0; l->src->env && l->src->env[i]; i++)
		check_variable(l, l->src->env[i]);
}

const char *config_unserved(const struct config *c)
{
	if (c->database.type == CONFIG_DATABASE_POSTGRES)
		return "database.type: postgres is not served by this version; use sqlite. A PostgreSQL database of the Go "
		       "headscale is taken over only after it was brought into an SQLite one of the same version";
	if (c->server.replica.enabled)
		return "server.replica: several replicas are not served by this version";
	return NULL;
}
