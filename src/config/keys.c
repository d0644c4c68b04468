/*
 * config/keys.c -- see config/keys.h.
 *
 * Defaults are written as an operator would write them and go through the same conversion.
 */
#include "config/keys.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define AT(member) offsetof(struct config, member)
#define ANY	   INT64_MIN, INT64_MAX
#define S	   NS_PER_S
#define MS	   NS_PER_MS
#define HOUR	   (3600 * NS_PER_S)

/* name, member, default, flags */
#define PLAIN(k, kind, m, d, f)                                                                                        \
	{                                                                                                              \
		k, kind, AT(m), 0, d, f, 0, 0, NULL, NULL, #m                                                          \
	}
#define STR(k, m, d, f)	 PLAIN(k, KEY_STR, m, d, f)
#define BOOL(k, m, d, f) PLAIN(k, KEY_BOOL, m, d, f)
#define INT(k, m, d, f, ...)                                                                                           \
	{                                                                                                              \
		k, KEY_INT, AT(m), 0, d, f, __VA_ARGS__, NULL, NULL, #m                                                \
	} /* ..., min, max */
#define DUR(k, m, d, f, ...)                                                                                           \
	{                                                                                                              \
		k, KEY_DURATION, AT(m), 0, d, f, __VA_ARGS__, NULL, NULL, #m                                           \
	}
#define ENUM(k, m, d, f, w, c)                                                                                         \
	{                                                                                                              \
		k, KEY_ENUM, AT(m), 0, d, f, 0, 0, w, c, #m                                                            \
	}
#define COUNTED(k, kind, m, f)                                                                                         \
	{                                                                                                              \
		k, kind, AT(m), AT(m##_n), NULL, f, 0, 0, NULL, NULL, #m                                               \
	}

static const struct key_word allocation_words[] = { { "sequential", CONFIG_ALLOCATION_SEQUENTIAL },
						    { "random", CONFIG_ALLOCATION_RANDOM },
						    { NULL, 0 } };
static const struct key_word database_words[] = { { "sqlite", CONFIG_DATABASE_SQLITE },
						  { "sqlite3", CONFIG_DATABASE_SQLITE },
						  { "postgres", CONFIG_DATABASE_POSTGRES },
						  { NULL, 0 } };
static const struct key_word policy_words[] = { { "file", CONFIG_POLICY_FILE },
						{ "database", CONFIG_POLICY_DATABASE },
						{ NULL, 0 } };
static const struct key_word challenge_words[] = { { "HTTP-01", CONFIG_ACME_HTTP_01 },
						   { "TLS-ALPN-01", CONFIG_ACME_TLS_ALPN_01 },
						   { NULL, 0 } };
static const struct key_word pkce_words[] = { { "S256", CONFIG_PKCE_S256 },
					      { "plain", CONFIG_PKCE_PLAIN },
					      { NULL, 0 } };
/* There is nothing between error and silence here, and more is better than less. */
static const struct key_word level_words[] = {
	{ "trace", LOG_LEVEL_TRACE }, { "debug", LOG_LEVEL_DEBUG },  { "info", LOG_LEVEL_INFO },
	{ "warn", LOG_LEVEL_WARN },   { "error", LOG_LEVEL_ERROR },  { "fatal", LOG_LEVEL_ERROR },
	{ "panic", LOG_LEVEL_ERROR }, { "disabled", LOG_LEVEL_OFF }, { NULL, 0 },
};
static const struct key_word format_words[] = { { "text", LOG_FORMAT_TEXT }, { "json", LOG_FORMAT_JSON }, { NULL, 0 } };

const struct key cfg_keys[] = {
	PLAIN("server_url", KEY_URL, server_url, NULL, 0),
	PLAIN("listen_addr", KEY_LISTEN, listen_addr, NULL, 0),
	PLAIN("metrics_listen_addr", KEY_LISTEN, metrics_listen_addr, NULL, 0),
	PLAIN("trusted_proxies", KEY_PREFIXES, trusted_proxies, NULL, 0),
	STR("unix_socket", unix_socket, "/var/run/headscale/headscale.sock", KEY_CLIENT),
	PLAIN("unix_socket_permission", KEY_MODE, unix_socket_permission, "0700", 0),
	BOOL("disable_check_updates", disable_check_updates, "false", 0),

	STR("noise.private_key_path", noise.private_key_path, NULL, KEY_BESIDE),

	PLAIN("prefixes.v4", KEY_PREFIX_V4, prefixes.v4, NULL, KEY_LIVE),
	PLAIN("prefixes.v6", KEY_PREFIX_V6, prefixes.v6, NULL, KEY_LIVE),
	ENUM("prefixes.allocation", prefixes.allocation, "sequential", KEY_LIVE, allocation_words,
	     "invalid prefix allocation strategy, allowed options: sequential, random"),

	DUR("node.expiry", node.expiry_ns, "0", KEY_LIVE, 0, INT64_MAX),
	DUR("node.ephemeral.inactivity_timeout", node.ephemeral.inactivity_timeout_ns, "120s", 0, ANY),
	DUR("node.routes.ha.probe_interval", node.routes.ha.probe_interval_ns, "10s", 0, ANY),
	DUR("node.routes.ha.probe_timeout", node.routes.ha.probe_timeout_ns, "5s", 0, ANY),

	DUR("preauth_keys.revoked_retention", preauth_keys.revoked_retention_ns, "168h", 0, ANY),

	BOOL("derp.server.enabled", derp.server.enabled, "false", 0),
	INT("derp.server.region_id", derp.server.region_id, "0", 0, 0, 65535),
	STR("derp.server.region_code", derp.server.region_code, NULL, 0),
	STR("derp.server.region_name", derp.server.region_name, NULL, 0),
	BOOL("derp.server.verify_clients", derp.server.verify_clients, "true", 0),
	PLAIN("derp.server.stun_listen_addr", KEY_LISTEN, derp.server.stun_listen_addr, NULL, 0),
	STR("derp.server.private_key_path", derp.server.private_key_path, NULL, KEY_BESIDE),
	BOOL("derp.server.automatically_add_embedded_derp_region", derp.server.automatically_add_embedded_derp_region,
	     "true", 0),
	PLAIN("derp.server.ipv4", KEY_V4, derp.server.ipv4, NULL, 0),
	PLAIN("derp.server.ipv6", KEY_V6, derp.server.ipv6, NULL, 0),
	BOOL("derp.server.stun.enabled", derp.server.stun_enabled, "true", 0),
	PLAIN("derp.urls", KEY_URLS, derp.urls, NULL, 0),
	PLAIN("derp.paths", KEY_LIST, derp.paths, NULL, 0),
	BOOL("derp.auto_update_enabled", derp.auto_update_enabled, "false", 0),
	DUR("derp.update_frequency", derp.update_frequency_ns, "3h", 0, ANY),

	ENUM("database.type", database.type, NULL, 0, database_words,
	     "invalid database type, must be sqlite, sqlite3 or postgres"),
	BOOL("database.debug", database.debug, "false", 0),
	BOOL("database.gorm.prepare_stmt", database.gorm.prepare_stmt, "false", 0),
	BOOL("database.gorm.parameterized_queries", database.gorm.parameterized_queries, "false", 0),
	BOOL("database.gorm.skip_err_record_not_found", database.gorm.skip_err_record_not_found, "false", 0),
	INT("database.gorm.slow_threshold", database.gorm.slow_threshold_ms, "0", 0, 0, INT32_MAX),
	STR("database.sqlite.path", database.sqlite.path, NULL, KEY_BESIDE),
	BOOL("database.sqlite.write_ahead_log", database.sqlite.write_ahead_log, "true", 0),
	INT("database.sqlite.wal_autocheckpoint", database.sqlite.wal_autocheckpoint, "1000", 0, 0, INT32_MAX),
	STR("database.postgres.host", database.postgres.host, NULL, 0),
	INT("database.postgres.port", database.postgres.port, "0", 0, 0, 65535),
	STR("database.postgres.name", database.postgres.name, NULL, 0),
	STR("database.postgres.user", database.postgres.user, NULL, 0),
	STR("database.postgres.pass", database.postgres.pass, NULL, KEY_SECRET),
	STR("database.postgres.pass_path", database.postgres.pass_path, NULL, KEY_EXPAND),
	PLAIN("database.postgres.ssl", KEY_SSLMODE, database.postgres.sslmode, "false", 0),
	INT("database.postgres.max_open_conns", database.postgres.max_open_conns, "10", 0, 0, 10000),
	INT("database.postgres.max_idle_conns", database.postgres.max_idle_conns, "10", 0, 0, 10000),
	INT("database.postgres.conn_max_idle_time_secs", database.postgres.conn_max_idle_time_secs, "3600", 0, 0,
	    INT32_MAX),

	STR("tls_cert_path", tls_cert_path, NULL, KEY_BESIDE),
	STR("tls_key_path", tls_key_path, NULL, KEY_BESIDE),
	PLAIN("tls_letsencrypt_hostname", KEY_DOMAIN, tls_letsencrypt_hostname, NULL, 0),
	PLAIN("tls_letsencrypt_listen", KEY_LISTEN, tls_letsencrypt_listen, NULL, 0),
	STR("tls_letsencrypt_cache_dir", tls_letsencrypt_cache_dir, "/var/www/.cache", KEY_BESIDE),
	ENUM("tls_letsencrypt_challenge_type", tls_letsencrypt_challenge_type, "HTTP-01", 0, challenge_words,
	     "the only supported values for tls_letsencrypt_challenge_type are HTTP-01 and TLS-ALPN-01"),
	PLAIN("acme_url", KEY_HTTP, acme_url, NULL, 0),
	STR("acme_email", acme_email, NULL, 0),

	ENUM("log.level", log.level, "info", KEY_LIVE | KEY_CLIENT, level_words,
	     "log.level must be one of trace, debug, info, warn, error, fatal, panic, disabled"),
	ENUM("log.format", log.format, "text", KEY_LIVE | KEY_CLIENT, format_words,
	     "Could not parse log format. Valid choices are 'json' or 'text'"),

	ENUM("policy.mode", policy.mode, "file", 0, policy_words, "policy.mode must be file or database"),
	STR("policy.path", policy.path, NULL, KEY_BESIDE),

	BOOL("dns.magic_dns", dns.magic_dns, "true", KEY_LIVE),
	PLAIN("dns.base_domain", KEY_DOMAIN, dns.base_domain, NULL, KEY_LIVE),
	BOOL("dns.override_local_dns", dns.override_local_dns, "true", KEY_LIVE),
	PLAIN("dns.nameservers.global", KEY_RESOLVERS, dns.nameservers_global, NULL, KEY_LIVE),
	COUNTED("dns.nameservers.split", KEY_SPLIT, dns.nameservers_split, KEY_LIVE),
	PLAIN("dns.search_domains", KEY_DOMAINS, dns.search_domains, NULL, KEY_LIVE),
	COUNTED("dns.extra_records", KEY_RECORDS, dns.extra_records, KEY_LIVE),
	STR("dns.extra_records_path", dns.extra_records_path, NULL, KEY_LIVE),

	BOOL("oidc.only_start_if_oidc_is_available", oidc.only_start_if_oidc_is_available, "true", 0),
	STR("oidc.issuer", oidc.issuer, NULL, 0),
	STR("oidc.client_id", oidc.client_id, NULL, 0),
	STR("oidc.client_secret", oidc.client_secret, NULL, KEY_SECRET),
	STR("oidc.client_secret_path", oidc.client_secret_path, NULL, KEY_EXPAND),
	PLAIN("oidc.scope", KEY_LIST, oidc.scope, "openid profile email", 0),
	COUNTED("oidc.extra_params", KEY_PARAMS, oidc.extra_params, 0),
	PLAIN("oidc.allowed_domains", KEY_LIST, oidc.allowed_domains, NULL, 0),
	PLAIN("oidc.allowed_users", KEY_LIST, oidc.allowed_users, NULL, 0),
	PLAIN("oidc.allowed_groups", KEY_LIST, oidc.allowed_groups, NULL, 0),
	BOOL("oidc.email_verified_required", oidc.email_verified_required, "true", 0),
	BOOL("oidc.use_expiry_from_token", oidc.use_expiry_from_token, "false", 0),
	BOOL("oidc.pkce.enabled", oidc.pkce_enabled, "false", 0),
	ENUM("oidc.pkce.method", oidc.pkce_method, "S256", 0, pkce_words,
	     "pkce.method must be either 'plain' or 'S256'"),

	BOOL("logtail.enabled", logtail_enabled, "false", KEY_LIVE),
	BOOL("taildrop.enabled", taildrop_enabled, "true", KEY_LIVE),
	BOOL("auto_update.enabled", auto_update_enabled, "false", KEY_LIVE),

	STR("cli.address", cli.address, NULL, KEY_CLIENT | KEY_LIVE),
	STR("cli.api_key", cli.api_key, NULL, KEY_CLIENT | KEY_LIVE | KEY_SECRET),
	DUR("cli.timeout", cli.timeout_ns, "5s", KEY_CLIENT | KEY_LIVE, 1 * MS, 24 * HOUR),
	BOOL("cli.insecure", cli.insecure, "false", KEY_CLIENT | KEY_LIVE),

	DUR("tuning.batch_change_delay", tuning.batch_change_delay_ns, "800ms", 0, 0, HOUR),
	INT("tuning.batcher_workers", tuning.batcher_workers, "0", 0, 0, 4096),
	INT("tuning.node_mapsession_buffered_chan_size", tuning.node_mapsession_buffered_chan_size, "30", 0, 0,
	    INT32_MAX),
	INT("tuning.node_store_batch_size", tuning.node_store_batch_size, "100", 0, ANY),
	DUR("tuning.node_store_batch_timeout", tuning.node_store_batch_timeout_ns, "500ms", 0, ANY),
	DUR("tuning.register_cache_expiration", tuning.register_cache_expiration_ns, "15m", 0, 0, 30 * 24 * HOUR),
	INT("tuning.register_cache_max_entries", tuning.register_cache_max_entries, "1024", 0, 0, 10000000),
	DUR("tuning.notifier_send_timeout", tuning.notifier_send_timeout_ns, "800ms", 0, ANY),

	INT("server.loops", server.loops, "0", 0, 0, 256),
	PLAIN("server.tailnet", KEY_DOMAIN, server.tailnet, NULL, KEY_LIVE),
	STR("server.user", server.user, NULL, 0),
	BOOL("server.console", server.console, "true", 0),
	DUR("server.audit_retention", server.audit_retention_ns, "2y", 0, 0, INT64_MAX),
	DUR("server.map_keepalive", server.map_keepalive_ns, "50s", 0, 5 * S, 110 * S),
	DUR("server.key_expiry_notice", server.key_expiry_notice_ns, "7d", KEY_LIVE, 0, INT64_MAX),
	STR("server.client_latest", server.client_latest, NULL, KEY_LIVE),
	STR("server.client_minimum", server.client_minimum, NULL, KEY_LIVE),
	INT("server.limits.max_connections", server.limits.max_connections, "131072", 0, 64, 4000000),
	INT("server.limits.connections_per_address", server.limits.connections_per_address, "1024", 0, 0,
	    4000000),
	INT("server.limits.pending_handshakes", server.limits.pending_handshakes, "4096", 0, 16, 1000000),
	INT("server.limits.registrations_per_minute", server.limits.registrations_per_minute, "600", 0, 0,
	    10000000),
	INT("server.limits.failed_logins_per_minute", server.limits.failed_logins_per_minute, "30", 0, 0,
	    10000000),
	INT("server.limits.pending_logins_per_address", server.limits.pending_logins_per_address, "64", 0, 0,
	    10000000),
	INT("server.limits.api_requests_per_second", server.limits.api_requests_per_second, "0", 0, 0, 1000000),
	INT("server.limits.request_header_bytes", server.limits.request_header_bytes, "16384", 0, 4096, 1 << 20),
	INT("server.limits.request_body_bytes", server.limits.request_body_bytes, "1048576", 0, 16384, 1 << 28),
	INT("server.limits.map_request_bytes", server.limits.map_request_bytes, "262144", 0, 16384, 1 << 24),
	INT("server.limits.policy_bytes", server.limits.policy_bytes, "4194304", 0, 16384, 1 << 28),
	INT("server.limits.stream_buffer_bytes", server.limits.stream_buffer_bytes, "262144", 0, 65536,
	    1 << 28),
	DUR("server.timeouts.handshake", server.timeouts.handshake_ns, "10s", 0, S, HOUR),
	DUR("server.timeouts.header", server.timeouts.header_ns, "10s", 0, S, HOUR),
	DUR("server.timeouts.body", server.timeouts.body_ns, "30s", 0, S, HOUR),
	DUR("server.timeouts.idle", server.timeouts.idle_ns, "2m", 0, S, 24 * HOUR),
	DUR("server.timeouts.write", server.timeouts.write_ns, "30s", 0, S, HOUR),
	DUR("server.timeouts.shutdown", server.timeouts.shutdown_ns, "10s", 0, 0, HOUR),
	PLAIN("server.api.cors_origins", KEY_LIST, server.api.cors_origins, NULL, 0),
	INT("server.relay.max_connections", server.relay.max_connections, "65536", 0, 1, 4000000),
	INT("server.relay.bytes_per_second", server.relay.bytes_per_second, "0", 0, 0, INT64_C(1) << 40),
	INT("server.relay.queue_frames", server.relay.queue_frames, "256", 0, 4, 4096),
	STR("server.relay.mesh_key_path", server.relay.mesh_key_path, NULL, KEY_BESIDE),
	PLAIN("server.relay.mesh_with", KEY_LIST, server.relay.mesh_with, NULL, 0),
	BOOL("server.replica.enabled", server.replica.enabled, "false", 0),
	STR("server.replica.name", server.replica.name, NULL, 0),
	DUR("server.replica.lease", server.replica.lease_ns, "15s", 0, 2 * S, HOUR),
};
const size_t cfg_keys_n = sizeof cfg_keys / sizeof cfg_keys[0];
_Static_assert(sizeof cfg_keys / sizeof cfg_keys[0] < CONFIG_KEYS_MAX, "callers size arrays by it");

#define GO_ENGINE "it is a setting of the Go server's engine, and changes reach clients as they happen; remove it"
#define NO_POSTGRES "databases are SQLite files in this version"
#define NO_REPLICA "one server serves a database in this version"

const struct idle_key cfg_idle_keys[] = {
	{ "disable_check_updates", "true", "no newer release is ever looked for; set it to true" },
	{ "database.gorm.prepare_stmt", "true", "statements are always prepared; set it to true" },
	{ "database.gorm.parameterized_queries", "true", "values never stand in the log of statements; set it to true" },
	{ "database.gorm.skip_err_record_not_found", "true", "what is not found is never logged as an error; set it to true" },
	{ "database.sqlite.write_ahead_log", "true", "the write-ahead log is always on; set it to true" },
	{ "database.postgres.host", NULL, NO_POSTGRES },
	{ "database.postgres.port", NULL, NO_POSTGRES },
	{ "database.postgres.user", NULL, NO_POSTGRES },
	{ "database.postgres.name", NULL, NO_POSTGRES },
	{ "database.postgres.pass", NULL, NO_POSTGRES },
	{ "database.postgres.pass_path", NULL, NO_POSTGRES },
	{ "database.postgres.ssl", NULL, NO_POSTGRES },
	{ "database.postgres.max_open_conns", NULL, NO_POSTGRES },
	{ "database.postgres.max_idle_conns", NULL, NO_POSTGRES },
	{ "database.postgres.conn_max_idle_time_secs", NULL, NO_POSTGRES },
	{ "tuning.batch_change_delay", NULL, GO_ENGINE },
	{ "tuning.batcher_workers", NULL, GO_ENGINE },
	{ "tuning.node_mapsession_buffered_chan_size", NULL, GO_ENGINE },
	{ "tuning.node_store_batch_size", NULL, GO_ENGINE },
	{ "tuning.node_store_batch_timeout", NULL, GO_ENGINE },
	{ "tuning.notifier_send_timeout", NULL, GO_ENGINE },
	{ "server.console", "false", "there is no web console in this version; set it to false" },
	{ "server.replica.name", NULL, NO_REPLICA },
	{ "server.replica.lease", NULL, NO_REPLICA },
};
const size_t cfg_idle_keys_n = sizeof cfg_idle_keys / sizeof cfg_idle_keys[0];

#define POLICY_HINT                                                                                                    \
	"Set \"randomizeClientPort\": true in the policy (policy.path, or the database with policy.mode: database), "  \
	"or give the attribute to some nodes only with nodeAttrs"

const struct old_key cfg_old_keys[] = {
	{ "acl_policy_path", OLD_FATAL_UNLESS_NEW, "policy.path", NULL },
	{ "dns_config.magic_dns", OLD_WARN, "dns.magic_dns", NULL },
	{ "dns_config.base_domain", OLD_WARN, "dns.base_domain", NULL },
	{ "dns_config.override_local_dns", OLD_WARN, "dns.override_local_dns", NULL },
	{ "dns_config.nameservers", OLD_WARN, "dns.nameservers.global", NULL },
	{ "dns_config.restricted_nameservers", OLD_WARN, "dns.nameservers.split", NULL },
	{ "dns_config.domains", OLD_WARN, "dns.search_domains", NULL },
	{ "dns_config.extra_records", OLD_FATAL_UNLESS_NEW, "dns.extra_records", NULL },
	{ "dns_config.use_username_in_magic_dns", OLD_FATAL, NULL, "Names of nodes no longer contain the user's name" },
	{ "dns.use_username_in_magic_dns", OLD_FATAL, NULL, "Names of nodes no longer contain the user's name" },
	{ "oidc.strip_email_domain", OLD_FATAL, NULL, "Users are known by issuer and subject; remove the key" },
	{ "oidc.map_legacy_users", OLD_FATAL, NULL, "Users are known by issuer and subject; remove the key" },
	{ "oidc.expiry", OLD_FATAL, "node.expiry", NULL },
	{ "randomize_client_port", OLD_FATAL, NULL, POLICY_HINT },
	{ "ephemeral_node_inactivity_timeout", OLD_WARN, "node.ephemeral.inactivity_timeout", NULL },
	{ "grpc_listen_addr", OLD_WARN, NULL,
	  "There is no gRPC any more: remote command lines use the HTTP API at server_url" },
	{ "grpc_allow_insecure", OLD_WARN, NULL,
	  "There is no gRPC any more: remote command lines use the HTTP API at server_url" },
	{ "private_key_path", OLD_WARN, "noise.private_key_path", NULL },
	{ "ip_prefixes", OLD_WARN, "prefixes.v4\" and \"prefixes.v6", NULL },
	{ "db_type", OLD_WARN, "database.type", NULL },
	{ "db_path", OLD_WARN, "database.sqlite.path", NULL },
	{ "db_host", OLD_WARN, "database.postgres.host", NULL },
	{ "db_port", OLD_WARN, "database.postgres.port", NULL },
	{ "db_name", OLD_WARN, "database.postgres.name", NULL },
	{ "db_user", OLD_WARN, "database.postgres.user", NULL },
	{ "db_pass", OLD_WARN, "database.postgres.pass", NULL },
	{ "db_ssl", OLD_WARN, "database.postgres.ssl", NULL },
	{ "log_level", OLD_WARN, "log.level", NULL },
	{ "node_update_check_interval", OLD_WARN, NULL, "Changes reach clients as they happen; remove the key" },
};
const size_t cfg_old_keys_n = sizeof cfg_old_keys / sizeof cfg_old_keys[0];

int cfg_key_find(const char *name)
{
	for (size_t i = 0; i < cfg_keys_n; i++) {
		if (!strcmp(cfg_keys[i].name, name))
			return (int)i;
	}
	return -1;
}

const struct old_key *cfg_old_key_find(const char *name)
{
	for (size_t i = 0; i < cfg_old_keys_n; i++) {
		if (!strcmp(cfg_old_keys[i].name, name))
			return &cfg_old_keys[i];
	}
	return NULL;
}

const struct idle_key *cfg_idle_key_find(const char *name)
{
	for (size_t i = 0; i < cfg_idle_keys_n; i++) {
		if (!strcmp(cfg_idle_keys[i].name, name))
			return &cfg_idle_keys[i];
	}
	return NULL;
}

size_t cfg_kind_size(enum key_kind kind)
{
	switch (kind) {
	case KEY_BOOL:
		return sizeof(bool);
	case KEY_INT:
	case KEY_DURATION:
		return sizeof(int64_t);
	case KEY_ENUM:
	case KEY_MODE:
		return sizeof(int);
	case KEY_LISTEN:
		return sizeof(struct config_listen);
	case KEY_URL:
		return sizeof(struct config_url);
	case KEY_PREFIX_V4:
	case KEY_PREFIX_V6:
		return sizeof(struct ip_prefix);
	case KEY_LIST:
	case KEY_URLS:
	case KEY_DOMAINS:
	case KEY_RESOLVERS:
		return sizeof(struct config_strings);
	case KEY_PREFIXES:
		return sizeof(struct config_prefixes);
	default:
		return sizeof(void *);
	}
}

static bool begins(const char *key, const char *section)
{
	size_t n = strlen(section);

	return !strncmp(key, section, n) && key[n] == '.';
}

bool cfg_key_is_section(const char *name)
{
	for (size_t i = 0; i < cfg_keys_n; i++) {
		if (begins(cfg_keys[i].name, name))
			return true;
	}
	for (size_t i = 0; i < cfg_old_keys_n; i++) {
		if (begins(cfg_old_keys[i].name, name))
			return true;
	}
	return false;
}

void cfg_key_env(const char *key, char out[static KEY_ENV_MAX])
{
	int n = snprintf(out, KEY_ENV_MAX, "HEADSCALE_%s", key);

	for (int i = 0; i < n && i < KEY_ENV_MAX - 1; i++)
		out[i] = out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
}

/* ---- did you mean ---- */

#define SUGGEST_MAX 64 /* bytes; what is longer gets no guess */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Letters to add, drop, replace or swap with their neighbour. */
static size_t distance(const char *a, const char *b)
{
	size_t row[3][SUGGEST_MAX + 1];
	size_t na = strlen(a), nb = strlen(b);

	for (size_t k = 0; k <= nb; k++)
		row[0][k] = k;
	for (size_t i = 1; i <= na; i++) {
		size_t *now = row[i % 3];
		const size_t *before = row[(i + 2) % 3], *twice = row[(i + 1) % 3];

		now[0] = i;
		for (size_t k = 1; k <= nb; k++) {
			now[k] = min3(before[k] + 1, now[k - 1] + 1, before[k - 1] + (a[i - 1] != b[k - 1]));
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] && twice[k - 2] + 1 < now[k])
				now[k] = twice[k - 2] + 1;
		}
	}
	return row[na % 3][nb];
}

static void consider(const char *name, const char *candidate, size_t *best, const char **found)
{
	size_t d = strlen(candidate) > SUGGEST_MAX ? *best : distance(name, candidate);

	if (d < *best) {
		*best = d;
		*found = candidate;
	}
}

/* The only key whose last parts are `name`: the writer forgot the section. */
static const char *in_a_section(const char *name)
{
	const char *found = NULL;
	size_t n = strlen(name);

	for (size_t i = 0; i < cfg_keys_n; i++) {
		size_t k = strlen(cfg_keys[i].name);

		if (k <= n + 1 || cfg_keys[i].name[k - n - 1] != '.' || strcmp(cfg_keys[i].name + k - n, name))
			continue;
		if (found)
			return NULL;
		found = cfg_keys[i].name;
	}
	return found;
}

const char *cfg_key_suggest(const char *name)
{
	static const char *const sections[] = { "noise",
						"prefixes",
						"node",
						"preauth_keys",
						"derp",
						"database",
						"log",
						"policy",
						"dns",
						"oidc",
						"logtail",
						"taildrop",
						"auto_update",
						"cli",
						"tuning",
						"server",
						"dns.nameservers",
						"database.sqlite",
						"database.postgres",
						"derp.server",
						"oidc.pkce",
						"server.limits",
						"server.timeouts" };
	size_t n = strlen(name), best = 2 + n / 4;
	const char *found = NULL;

	if (n < 3 || n > SUGGEST_MAX)
		return NULL;
	found = in_a_section(name);
	if (found)
		return found;
	for (size_t i = 0; i < cfg_keys_n; i++)
		consider(name, cfg_keys[i].name, &best, &found);
	for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
		consider(name, sections[i], &best, &found);
	return found;
}

const char *cfg_variable_suggest(const char *name, char out[static KEY_ENV_MAX])
{
	size_t n = strlen(name), best = n > SUGGEST_MAX ? 0 : 1 + n / 12;
	bool found = false;

	for (size_t i = 0; i < cfg_keys_n; i++) {
		char known[KEY_ENV_MAX];
		size_t d;

		cfg_key_env(cfg_keys[i].name, known);
		if (!strcmp(known, name))
			return NULL;
		d = strlen(known) > SUGGEST_MAX || n > SUGGEST_MAX ? best : distance(name, known);
		if (d >= best)
			continue;
		best = d;
		found = true;
		memcpy(out, known, sizeof known);
	}
	return found ? out : NULL;
}
