/*
 * server/serve.c -- what is started in which order, and ended in which.
 *
 *     configuration -> store, state (writer) -> mapper -> control, API, relay -> listeners -> loops
 *
 * Started as root, the account is changed before anything is opened, so that files are its own; the right to bind ports goes
 * once the listeners are bound, before the loops run. The end goes the other way: stop
 * accepting, end streams spread out, join the loops, close the state (which writes what is left), free the rest.
 */
#include "server/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "auth/oidc.h"
#include "base/vec.h"
#include "base/version.h"
#include "crypto/private_file.h"
#include "crypto/secret.h"
#include "offline/import.h"
#include "server/server_priv.h"
#include "server/settings.h"
#include "store/store.h"

struct snapshot *server_snapshot(void *arg, struct loop *l)
{
	return control_loop_snapshot(server_loop_of(arg, l)->control);
}

/* ---- publications: from the writer's thread to every loop ---- */

struct delivery {
	struct server_loop *sl;
	struct publication *p;
};

static void deliver(void *arg)
{
	struct delivery *d = arg;

	if (d->sl->control != NULL)
		control_loop_advance(d->sl->control, d->p);
	publication_unref(&d->p);
	free(d);
}

static void publish(void *arg, struct publication *p)
{
	struct server *srv = arg;

	if (srv->mapper != NULL)
		mapper_publish(srv->mapper, p);
	server_relay_published(srv, p);
	for (unsigned i = 0; i < srv->n_loops; i++) {
		struct delivery *d = xmalloc(sizeof *d);

		d->sl = &srv->loops[i];
		d->p = publication_ref(p);
		loop_post(srv->loops[i].loop, deliver, d);
	}
}

/* ---- configuration ---- */

static enum status load_config(struct server *srv, const char *path)
{
	struct config_report report = { 0 };
	struct buf text;
	enum status s;

	s = config_load(&(struct config_source){ .path = path, .env = environ, .purpose = CONFIG_FOR_SERVER }, &srv->config, &report);
	buf_init(&text, 1u << 20);
	config_report_print(&report, &text);
	if (text.n > 0)
		fwrite(text.p, 1, text.n, stderr);
	buf_release(&text);
	config_report_release(&report);
	if (s == ST_OK)
		log_configure(srv->config->log.level, srv->config->log.format);
	return s;
}

/* ---- state ---- */

/* On the store's thread; the values never come here. */
static void statement_ran(void *arg, const char *sql, int64_t ns)
{
	const struct config *c = arg;
	int64_t slow_ns = c->database.gorm.slow_threshold_ms * NS_PER_MS;

	if (slow_ns > 0 && ns >= slow_ns)
		log_warn("slow statement", LOG_STR("sql", sql), LOG_I64("us", ns / 1000), LOG_END);
	else if (c->database.debug)
		log_debug("statement", LOG_STR("sql", sql), LOG_I64("us", ns / 1000), LOG_END);
}

static struct store_sqlite_opts store_opts(struct config *c)
{
	struct store_sqlite_opts o = { .path = c->database.sqlite.path, .wal_autocheckpoint = c->database.sqlite.wal_autocheckpoint };

	if (o.wal_autocheckpoint == 0) /* written as 0, it means never */
		o.wal_autocheckpoint = -1;
	if (c->database.debug || c->database.gorm.slow_threshold_ms > 0) {
		o.ran = statement_ran;
		o.ran_arg = c;
	}
	return o;
}

static enum status open_state(struct server *srv, struct err *err)
{
	const struct store_sqlite_opts opts = store_opts(srv->config);
	int64_t per_source = srv->config->server.limits.pending_logins_per_address;
	const struct config *c = srv->config;
	struct tailnet_settings *settings = server_tailnet_settings(c);
	struct dns_settings *dns = NULL;
	struct shared_bytes *derp = NULL;
	struct store *store = NULL;
	char *policy = NULL;
	size_t policy_n = 0;
	enum status s;

	s = server_dns_settings(c, &dns, err);
	if (s == ST_OK)
		s = server_derp_map_load(srv, &derp, err);
	if (s == ST_OK && c->policy.mode == CONFIG_POLICY_FILE)
		s = server_policy_text(c, &policy, &policy_n, err);
	if (s == ST_OK)
		s = import_open_sqlite(&opts, c->policy.mode == CONFIG_POLICY_DATABASE, &store, err);
	if (s == ST_OK)
		s = state_open(&(struct state_opts){ .store = store,
						     .settings = settings,
						     .dns = dns,
						     .derp_map = derp,
						     .policy_from_file = c->policy.mode == CONFIG_POLICY_FILE,
						     .policy_text = bytes_of(policy, policy_n),
						     .publish = publish,
						     .publish_arg = srv,
						     .ephemeral_timeout_ns = c->node.ephemeral.inactivity_timeout_ns,
						     .pending_lifetime_ns = c->tuning.register_cache_expiration_ns,
						     .limits = { .pending = (size_t)c->tuning.register_cache_max_entries,
								 .pending_per_source = per_source > 0 ? (size_t)per_source : SIZE_MAX },
						     .revoked_keep_ns = c->preauth_keys.revoked_retention_ns,
						     .audit_keep_ns = c->server.audit_retention_ns },
			       &srv->state, err);
	tailnet_settings_unref(&settings);
	dns_settings_unref(&dns);
	shared_bytes_unref(&derp);
	free(policy);
	return s;
}

static enum status open_control(struct server *srv, struct err *err)
{
	const struct config *c = srv->config;
	struct machine_private key;
	struct machine_key noise;
	enum status s;

	s = private_file_load_machine(c->noise.private_key_path, &key, err);
	if (s != ST_OK) {
		err_prefix(err, "noise.private_key_path");
		return s;
	}
	noise = machine_private_public(&key);
	server_tailnet_id(&noise, srv->tailnet_id);
	srv->mapper = mapper_new(&(struct mapper_opts){ .n_loops = srv->n_loops,
							.tailnet_id = srv->tailnet_id,
							.keepalive_ms = (uint32_t)(c->server.map_keepalive_ns / NS_PER_MS) });
	srv->control = control_new(&(struct control_opts){
		.state = srv->state,
		.mapper = srv->mapper,
		.noise_key = &key,
		.server_url = c->server_url.text,
		.n_loops = srv->n_loops,
		.body_max = (size_t)c->server.limits.map_request_bytes,
		.stream_room = (size_t)c->server.limits.stream_buffer_bytes,
		.registrations_per_minute = (uint32_t)c->server.limits.registrations_per_minute,
		.probe_interval_ms = c->node.routes.ha.probe_interval_ns / NS_PER_MS,
		.probe_timeout_ms = c->node.routes.ha.probe_timeout_ns / NS_PER_MS,
	});
	secret_wipe(&key, sizeof key);
	return ST_OK;
}

static void open_api(struct server *srv)
{
	srv->api = api_new(&(struct api_opts){ .state = srv->state,
					       .snapshot = server_snapshot,
					       .snapshot_arg = srv,
					       .policy_in_database = srv->config->policy.mode == CONFIG_POLICY_DATABASE,
					       .policy_path = srv->config->policy.path,
					       .policy_max = (size_t)srv->config->server.limits.policy_bytes,
					       .cors_origins = srv->config->server.api.cors_origins.v,
					       .n_cors_origins = srv->config->server.api.cors_origins.n,
					       .requests_per_second =
						       (uint32_t)srv->config->server.limits.api_requests_per_second });
}

/* ---- loops ---- */

static void make_loops(struct server *srv)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t n = srv->config->server.loops > 0 ? srv->config->server.loops : cores;

	srv->n_loops = n < 1 ? 1 : n > SERVER_LOOPS_MAX ? SERVER_LOOPS_MAX : (unsigned)n;
	for (unsigned i = 0; i < srv->n_loops; i++) {
		srv->loops[i].srv = srv;
		srv->loops[i].index = i;
		srv->loops[i].loop = loop_new(i);
	}
	srv->main = loop_new(srv->n_loops);
}

static void make_control_loops(struct server *srv)
{
	struct snapshot *snap = state_snapshot(srv->state);

	for (unsigned i = 0; i < srv->n_loops; i++)
		srv->loops[i].control = control_loop_new(srv->control, srv->loops[i].loop, srv->loops[i].http, snap);
	snapshot_unref(&snap);
}

static enum status start_loops(struct server *srv, struct err *err)
{
	enum status s = ST_OK;

	for (unsigned i = 0; i < srv->n_loops && s == ST_OK; i++)
		s = loop_start(srv->loops[i].loop, err);
	return s;
}

/* As many descriptors as the hard limit allows: each client is one. */
static void raise_descriptor_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
}

/* ---- signals and the end ---- */

static void all_drained(void *arg)
{
	struct server *srv = arg;

	loop_stop(srv->main);
}

static void stop_signal(void *arg)
{
	struct server *srv = arg;

	if (srv->stopping) {
		loop_stop(srv->main); /* asked twice: now */
		return;
	}
	srv->stopping = true;
	log_info("stopping", LOG_END);
	server_notify("STOPPING=1");
	server_edge_drain(srv, all_drained, srv);
}

/* Before the loops run: who gets an answer may ask us to stop. Until then a signal ends the start at once. */
static void hear_signals(struct server *srv)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGQUIT };

	for (size_t i = 0; i < 3; i++)
		srv->signals[i] = loop_signal_new(srv->main, stops[i], stop_signal, srv);
	srv->signals[3] = loop_signal_new(srv->main, SIGHUP, server_reload, srv);
}

static void serve_until_stopped(struct server *srv)
{
	server_notify("READY=1");
	log_info("serving", LOG_STR("url", srv->config->server_url.text), LOG_STR("listen", srv->config->listen_addr.text),
		 LOG_U64("loops", srv->n_loops), LOG_STR("version", HEADSCALE_VERSION), LOG_STR("commit", build_commit()), LOG_END);
	loop_run(srv->main);
}

/* Let every loop, ended and ours now, do what was posted to it. */
static void settle(struct server *srv)
{
	for (int turn = 0; turn < 4; turn++) {
		for (unsigned i = 0; i < srv->n_loops; i++)
			loop_turn(srv->loops[i].loop, 0);
		if (srv->main != NULL)
			loop_turn(srv->main, 0);
	}
}

static void close_all(struct server *srv)
{
	for (size_t i = 0; i < 4; i++)
		loop_signal_free(&srv->signals[i]);
	server_derp_map_stop(srv);
	server_bootstrap_stop(srv);
	file_watch_free(&srv->policy_watch);
	file_watch_free(&srv->records_watch);
	if (srv->relay != NULL)
		derp_relay_shutdown(srv->relay);
	for (unsigned i = 0; i < srv->n_loops; i++)
		loop_stop(srv->loops[i].loop);
	for (unsigned i = 0; i < srv->n_loops; i++)
		loop_join(srv->loops[i].loop);
	server_edge_close(srv);
	oidc_free(&srv->oidc);
	if (srv->state != NULL)
		state_close(&srv->state);
	settle(srv); /* the writer's last answers and the last cancels find what they belong to */
	for (unsigned i = 0; i < srv->n_loops; i++)
		control_loop_free(&srv->loops[i].control);
	server_relay_close(srv);
	server_bootstrap_free(srv);
	for (unsigned i = 0; i < srv->n_loops; i++)
		loop_free(&srv->loops[i].loop);
	control_free(&srv->control);
	api_free(&srv->api);
	mapper_free(&srv->mapper);
	loop_free(&srv->main);
	server_reload_close(srv);
	config_free(&srv->config);
}

static enum status start(struct server *srv, struct err *err)
{
	enum status s;

	if (config_unserved(srv->config) != NULL) {
		err_set(err, "%s", config_unserved(srv->config));
		return ST_UNSUPPORTED;
	}
	raise_descriptor_limit();
	s = server_enter_account(srv->config, err);
	make_loops(srv);
	if (s == ST_OK)
		s = open_state(srv, err);
	if (s == ST_OK)
		s = open_control(srv, err);
	if (s == ST_OK) {
		open_api(srv);
		s = server_relay_open(srv, err);
	}
	if (s == ST_OK)
		s = server_sso_open(srv, err);
	if (s == ST_OK)
		s = server_edge_open(srv, err);
	if (s == ST_OK)
		server_relay_fast_start(srv);
	if (s == ST_OK) {
		make_control_loops(srv);
		s = server_drop_privileges(srv->config, err);
	}
	if (s == ST_OK)
		s = server_watch_files(srv, err);
	if (s == ST_OK) {
		hear_signals(srv);
		log_writer_start(); /* before the loops: none of them waits for who reads the log */
		s = start_loops(srv, err);
	}
	if (s == ST_OK) {
		server_derp_map_start(srv);
		server_bootstrap_start(srv);
		server_acme_start(srv);
		if (srv->oidc != NULL)
			oidc_start(srv->oidc);
	}
	return s;
}

int server_serve(const char *config_path)
{
	struct server *srv = xcalloc(1, sizeof *srv);
	struct err err = { 0 };
	enum status s;

	signal(SIGPIPE, SIG_IGN);
	srv->started_ns = clock_unix_ns();
	srv->config_path = config_path;
	pthread_mutex_init(&srv->live_lock, NULL);
	s = load_config(srv, config_path);
	srv->live = srv->config;
	server_access_open();
	if (s != ST_OK) {
		free(srv);
		return 1;
	}
	s = start(srv, &err);
	if (s == ST_OK)
		serve_until_stopped(srv);
	else
		fprintf(stderr, "Error: initializing: %s\n", err.text[0] != '\0' ? err.text : status_name(s));
	close_all(srv);
	free(srv);
	if (s == ST_OK)
		log_info("Headscale stopped", LOG_END);
	log_writer_stop();
	return s == ST_OK ? 0 : 1;
}
