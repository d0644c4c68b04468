/*
 * config/config.h -- the configuration: one struct, and how it comes from a file and the environment.
 *
 *     file (YAML or JSON) ----+
 *     HEADSCALE_* variables --+--> values, each with its place --> struct config
 *     built-in defaults ------+                          \--> report: every problem at once
 *
 * The keys are those of the Go server's config.yaml, so that its file is read as it stands; what we
 * add stands under `server:` (and `database.postgres.pass_path`). Order: environment before file
 * before default. A wrong value is an error, an unknown key a warning with a guess at what was meant.
 *
 * Loading has no side effects: it opens the configuration file and, for a server, the files that
 * hold secrets, and reads them. Nothing is created, nobody is asked. docs/configuration.md is the
 * operator's side of this header.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/json_out.h"
#include "base/log.h"
#include "model/ip.h"

/* Strings below are UTF-8 without NUL, never NULL ("" means not given), owned by the config, and
 * live as long as it does. Durations are in ns. */

struct config_strings {
	const char **v;
	size_t n;
};

struct config_prefixes {
	struct ip_prefix *v; /* masked */
	size_t n;
};

/* A place to listen at. */
struct config_listen {
	const char *text; /* as written: "127.0.0.1:8080", ":http", "[::1]:0"; "" is not set */
	const char *host; /* "127.0.0.1", "::1", a name, or "" for all addresses */
	uint16_t port;	  /* 0: the system chooses */
};

/* An http or https URL, cut in pieces. */
struct config_url {
	const char *text; /* as written, without slashes at the end; "" is not set */
	const char *host; /* lower case, no brackets */
	const char *path; /* "" or "/something", no slash at the end */
	uint16_t port;	  /* as written, or 80 / 443 */
	bool https;
};

struct config_split {
	const char *domain; /* lower case, no dot at the end */
	struct config_strings servers;
};

struct config_record {
	const char *name, *type, *value;
};

struct config_param {
	const char *name, *value;
};

enum config_allocation { CONFIG_ALLOCATION_SEQUENTIAL, CONFIG_ALLOCATION_RANDOM };
enum config_database_type { CONFIG_DATABASE_NONE, CONFIG_DATABASE_SQLITE, CONFIG_DATABASE_POSTGRES };
enum config_policy_mode { CONFIG_POLICY_FILE, CONFIG_POLICY_DATABASE };
enum config_acme_challenge { CONFIG_ACME_HTTP_01, CONFIG_ACME_TLS_ALPN_01 };
enum config_pkce_method { CONFIG_PKCE_S256, CONFIG_PKCE_PLAIN };

struct config {
	struct config_url server_url;
	struct config_listen listen_addr;
	struct config_listen metrics_listen_addr; /* text "": no such listener */
	struct config_prefixes trusted_proxies;
	const char *unix_socket;
	int unix_socket_permission; /* mode bits, 0..0777 */
	bool disable_check_updates;

	struct {
		const char *private_key_path;
	} noise;

	struct {
		struct ip_prefix v4, v6; /* masked; addr.family IP_NONE: not set */
		enum config_allocation allocation;
	} prefixes;

	struct {
		int64_t expiry_ns; /* 0: keys do not expire */
		struct {
			int64_t inactivity_timeout_ns;
		} ephemeral;
		struct {
			struct {
				int64_t probe_interval_ns; /* <= 0: no probes */
				int64_t probe_timeout_ns;
			} ha;
		} routes;
	} node;

	struct {
		int64_t revoked_retention_ns; /* <= 0: kept for ever */
	} preauth_keys;

	struct {
		struct {
			bool enabled;
			int64_t region_id;
			const char *region_code, *region_name;
			bool verify_clients;
			struct config_listen stun_listen_addr;
			const char *private_key_path;
			bool automatically_add_embedded_derp_region;
			const char *ipv4, *ipv6; /* "" or an address of that family */
			bool stun_enabled;	 /* derp.server.stun.enabled */
		} server;
		struct config_strings urls;
		struct config_strings paths;
		bool auto_update_enabled;
		int64_t update_frequency_ns; /* <= 0: never */
	} derp;

	struct {
		enum config_database_type type;
		bool debug;
		struct {
			bool prepare_stmt, parameterized_queries, skip_err_record_not_found;
			int64_t slow_threshold_ms;
		} gorm;
		struct {
			const char *path;
			bool write_ahead_log;
			int64_t wal_autocheckpoint; /* pages; 0: off */
		} sqlite;
		struct {
			const char *host; /* a name, an address, or a directory with the socket */
			int64_t port;	  /* 0: libpq's default */
			const char *name, *user;
			const char *pass; /* secret; also what stood in the file of pass_path */
			const char *pass_path;
			const char *sslmode; /* libpq's word, or "" to leave it to libpq */
			int64_t max_open_conns, max_idle_conns, conn_max_idle_time_secs;
		} postgres;
	} database;

	const char *tls_cert_path, *tls_key_path;
	const char *tls_letsencrypt_hostname; /* not "": certificates by ACME */
	struct config_listen tls_letsencrypt_listen;
	const char *tls_letsencrypt_cache_dir;
	enum config_acme_challenge tls_letsencrypt_challenge_type;
	const char *acme_url; /* directory URL; "" is Let's Encrypt */
	const char *acme_email;

	struct {
		enum log_level level;
		enum log_format format;
	} log;

	struct {
		enum config_policy_mode mode;
		const char *path; /* "": no policy, everything allowed */
	} policy;

	struct {
		bool magic_dns;
		const char *base_domain; /* lower case, no dot at the end */
		bool override_local_dns;
		struct config_strings nameservers_global; /* dns.nameservers.global */
		struct config_split *nameservers_split;	  /* dns.nameservers.split, in the file's order */
		size_t nameservers_split_n;
		struct config_strings search_domains;
		struct config_record *extra_records;
		size_t extra_records_n;
		const char *extra_records_path;
	} dns;

	struct {
		bool only_start_if_oidc_is_available;
		const char *issuer; /* "": no OIDC */
		const char *client_id;
		const char *client_secret; /* secret; also what stood in the file of client_secret_path */
		const char *client_secret_path;
		struct config_strings scope;
		struct config_param *extra_params; /* names as written */
		size_t extra_params_n;
		struct config_strings allowed_domains, allowed_users, allowed_groups;
		bool email_verified_required;
		bool use_expiry_from_token;
		bool pkce_enabled;		     /* oidc.pkce.enabled */
		enum config_pkce_method pkce_method; /* oidc.pkce.method */
	} oidc;

	bool logtail_enabled;	  /* logtail.enabled */
	bool taildrop_enabled;	  /* taildrop.enabled */
	bool auto_update_enabled; /* auto_update.enabled */

	struct {
		const char *address; /* URL or host[:port]; "": the Unix socket */
		const char *api_key; /* secret */
		int64_t timeout_ns;
		bool insecure;
	} cli;

	struct {
		int64_t batch_change_delay_ns;
		int64_t batcher_workers; /* 0: chosen from the number of cores */
		int64_t node_mapsession_buffered_chan_size;
		int64_t node_store_batch_size;
		int64_t node_store_batch_timeout_ns;
		int64_t register_cache_expiration_ns;
		int64_t register_cache_max_entries;
		int64_t notifier_send_timeout_ns;
	} tuning;

	/* Ours: the Go server has no such section and ignores it. */
	struct {
		int64_t loops;		  /* threads that serve connections; 0: one per core */
		const char *tailnet;	  /* name of the tailnet shown to clients; "": dns.base_domain */
		const char *user;	  /* account to change to when started as root; "": stay */
		bool console;		  /* serve the web console */
		int64_t map_keepalive_ns; /* longest silence on a map stream */
		int64_t audit_retention_ns; /* of the audit log; 0: kept for ever */
		int64_t key_expiry_notice_ns; /* nodes are told so long before the end of their key; 0: never */
		const char *client_latest, *client_minimum; /* releases, "1.104.5"; "": clients are told of none */
		struct {
			int64_t max_connections;	    /* all listeners together */
			int64_t connections_per_address;    /* 0: no limit */
			int64_t pending_handshakes;	    /* accepted, not yet through TLS, HTTP head or Noise */
			int64_t registrations_per_minute;   /* per client address; 0: no limit */
			int64_t failed_logins_per_minute;   /* per client address; 0: no limit */
			int64_t pending_logins_per_address; /* 0: no limit */
			int64_t api_requests_per_second;    /* per client address; 0: no limit */
			int64_t request_header_bytes;
			int64_t request_body_bytes; /* API and pages */
			int64_t map_request_bytes;  /* bodies inside the control protocol */
			int64_t policy_bytes;
			int64_t stream_buffer_bytes; /* waiting for one slow reader */
		} limits;
		struct {
			int64_t handshake_ns; /* from accept to the end of TLS */
			int64_t header_ns;    /* first byte to end of an HTTP head */
			int64_t body_ns;
			int64_t idle_ns;  /* between two requests */
			int64_t write_ns; /* no progress towards a reader */
			int64_t shutdown_ns;
		} timeouts;
		struct {
			struct config_strings cors_origins; /* "https://console.example.com"; "*": all */
		} api;
		struct {
			int64_t max_connections;
			int64_t bytes_per_second; /* per client; 0: no limit */
			int64_t queue_frames;	  /* waiting for one client */
			const char *mesh_key_path; /* "": the relay is alone in its region */
			struct config_strings mesh_with; /* the others: HOST, HOST:PORT, HOST/DIALHOST; "http://" before it: no TLS */
		} relay;
		struct {
			bool enabled;	  /* several servers on one PostgreSQL */
			const char *name; /* of this one; "": the host's name */
			int64_t lease_ns;
		} replica;
	} server;

	struct config_priv *priv; /* where each value came from; see config_key_* */
};

/* ---- what was wrong ---- */

enum config_severity { CONFIG_WARNING, CONFIG_ERROR };

struct config_problem {
	enum config_severity severity;
	const char *source;    /* path of the file, or the name of the environment variable */
	unsigned line, column; /* from 1; 0: no place in a file */
	const char *key;       /* "dns.base_domain"; "" if it is about no single key */
	const char *value;     /* as written, shortened; "" if none or secret */
	const char *text;      /* one sentence without full stop: what is expected, what to write */
};

/* Zero-initialise; config_report_release. Errors: do not start. */
struct config_report {
	struct config_problem *v; /* in the order of the file, then the rules between keys */
	size_t n;
	size_t n_errors, n_warnings; /* also those past CONFIG_PROBLEMS_MAX, which are counted only */
	const char *file;	     /* the file that was read; "" for none */
	struct arena *arena;
};
#define CONFIG_PROBLEMS_MAX 200

/** Release what a report holds and zero it. Accepts a zeroed one. */
void config_report_release(struct config_report *r);

/**
 * One problem as a line for people, without newline:
 * `Fatal config error: <text> (<file>:<line>:<column>: <key>: "<value>")`, warnings with `Warning: `.
 */
void config_problem_print(const struct config_problem *p, struct buf *out);

/** All of them, errors last, a newline after each; says how many were left out. */
void config_report_print(const struct config_report *r, struct buf *out);

/* ---- loading ---- */

enum config_purpose {
	CONFIG_FOR_SERVER, /* serve, configtest and commands on the database: everything is checked */
	CONFIG_FOR_CLIENT, /* commands that talk to a server: only cli.*, unix_socket and log.* can be wrong;
			      secrets of the server are not read */
};

/* Limits on the file. */
#define CONFIG_FILE_MAX	       (1024 * 1024) /* bytes */
#define CONFIG_DEPTH_MAX       16	     /* nested maps and lists */
#define CONFIG_NODES_MAX       100000	     /* values in the file, each alias counted with all it stands for */
#define CONFIG_SECRET_FILE_MAX 65536	     /* bytes of a file that holds a secret */

struct config_source {
	const char *path;	 /* NULL: HEADSCALE_CONFIG, then the search path */
	char *const *env;	 /* "NAME=value", ends with NULL, as `environ`; NULL: none */
	const char *const *dirs; /* search path, ends with NULL; NULL: the usual one, see config_load() */
	enum config_purpose purpose;
	const struct bytes *text; /* not NULL: this instead of a file; `path` is then only its name */
};

/**
 * Read the configuration.
 *
 * src         borrowed for the call. With neither path nor HEADSCALE_CONFIG, the first of config.json,
 *             config.yaml, config.yml in /etc/headscale, $HOME/.headscale and the working directory; when
 *             there is none, a warning, and defaults.
 * config_out  set on ST_OK only; returned (config_free).
 * report      zeroed by the caller; filled in every case, with all problems found.
 *
 * ST_BAD_INPUT  the report has errors.
 * ST_NOT_FOUND, ST_IO, ST_TOO_BIG  the file could not be read; the report says why.
 * Blocks on files. Any thread.
 */
enum status config_load(const struct config_source *src, struct config **config_out,
			struct config_report *report) MUST_CHECK;

/** Wipe the secrets, release, clear *c. Accepts NULL inside. */
void config_free(struct config **c);

/** What this version cannot start with, in words for the operator; NULL: nothing. Static. */
const char *config_unserved(const struct config *c);

/* ---- keys by name ---- */

#define CONFIG_KEYS_MAX 192 /* more than there are */

/** The name of the i-th key, "server_url" first; NULL past the last. Static. */
const char *config_key_name(size_t i);

/**
 * Was it given by file or environment (not null)? `key` may be a section: "oidc" asks for any key in it.
 * false for names that are none.
 */
bool config_key_is_set(const struct config *c, const char *key);

/** Where a key was set: the file's path or the variable's name, and the line (0 for a variable). NULL: not set. */
const char *config_key_origin(const struct config *c, const char *key, unsigned *line_out);

/* What becomes of a changed key at a reload. */
enum config_reload {
	CONFIG_RELOAD_LIVE,    /* a running server takes it over */
	CONFIG_RELOAD_RESTART, /* it waits for a restart */
	CONFIG_RELOAD_IDLE,    /* it decides nothing; config_load() says so */
};

/** CONFIG_RELOAD_IDLE for names that are none. */
enum config_reload config_key_reload(const char *key);

struct config_change {
	const char *key; /* static */
	enum config_reload reload;
};

/** The keys whose effective values differ, in the order of config_key_name; returns their number. */
size_t config_diff(const struct config *a, const struct config *b,
		   struct config_change changes_out[static CONFIG_KEYS_MAX]);

/**
 * What a running server goes on with after a reload: the CONFIG_RELOAD_LIVE keys of `next`, all others of `started`. A key
 * thus does at a reload what its class says, whoever reads it.
 *
 * Returned (config_free); it borrows from both, which must outlive it.
 */
struct config *config_overlay(const struct config *started, const struct config *next) MUST_CHECK;

/** A text that lives as long as `c`. */
const char *config_text(struct config *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/** The effective configuration as a JSON object, nested as in the file; secrets are written as "***" or "". */
void config_write_json(const struct config *c, struct jw *w);

#endif
