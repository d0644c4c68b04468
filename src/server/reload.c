/*
 * server/reload.c -- take a changed configuration, policy file or list of records into a running server.
 *
 * Whatever is wrong with the new one, the old one stays in force and the log says why. What a reload takes of the
 * configuration is said in one place, the table of keys (config/keys.c): `live` is laid from it, and the log's words too.
 * Everything here runs on the main loop.
 */
#include "server/server_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/vec.h"
#include "server/settings.h"

enum status server_policy_text(const struct config *c, char **text_out, size_t *n_out, struct err *err)
{
	enum status s;

	*text_out = NULL;
	*n_out = 0;
	if (c->policy.path[0] == '\0')
		return ST_OK;
	s = server_read_file(c->policy.path, text_out, n_out, err);
	if (s != ST_OK)
		err_prefix(err, "policy.path");
	return s;
}

static void policy_taken(void *arg, enum status s, const struct err *err, const struct state_result *res)
{
	(void)arg;
	(void)res;
	if (s == ST_OK)
		log_info("policy taken", LOG_END);
	else
		log_error("policy refused, the old one stays in force", LOG_STR("error", err->text), LOG_END);
}

static void reload_policy(void *arg)
{
	static const struct state_actor by = { .who = "policy file", .why = "the file changed" };
	struct server *srv = arg;
	struct err err = { 0 };
	char *text = NULL;
	size_t n = 0;

	if (srv->config->policy.mode != CONFIG_POLICY_FILE || srv->config->policy.path[0] == '\0')
		return;
	if (server_policy_text(srv->config, &text, &n, &err) != ST_OK ||
	    state_policy_set(srv->state, &by, bytes_of(text, n), policy_taken, srv, &err) != ST_OK)
		log_error("policy not read, the old one stays in force", LOG_STR("error", err.text), LOG_END);
	free(text);
}

static void world_taken(void *arg, enum status s, const struct err *err, const struct state_result *res)
{
	(void)arg;
	(void)res;
	if (s != ST_OK)
		log_error("settings not taken, the old ones stay in force", LOG_STR("error", err->text), LOG_END);
}

static void set_world(struct server *srv, bool settings_too)
{
	const struct config *c = srv->live;
	struct tailnet_settings *settings = settings_too ? server_tailnet_settings(c) : NULL;
	struct dns_settings *dns = NULL;
	struct err err = { 0 };

	if (server_dns_settings(c, &dns, &err) != ST_OK)
		log_error("DNS records not read, the old ones stay", LOG_STR("error", err.text), LOG_END);
	else if (state_set_world(srv->state, &(struct state_world){ .settings = settings, .dns = dns }, world_taken, srv, &err) != ST_OK)
		log_error("settings not taken", LOG_STR("error", err.text), LOG_END);
	dns_settings_unref(&dns);
	tailnet_settings_unref(&settings);
}

static void reload_records(void *arg)
{
	log_info("records file changed", LOG_END);
	set_world(arg, false);
}

static enum status watch_records(struct server *srv, struct err *err)
{
	file_watch_free(&srv->records_watch);
	if (srv->live->dns.extra_records_path[0] == '\0')
		return ST_OK;
	return file_watch_new(srv->main, srv->live->dns.extra_records_path, reload_records, srv, &srv->records_watch, err);
}

/* A line for each key that differs from what is in force. */
static void report_changes(const struct config *now, const struct config *next)
{
	static const char *const words[] = {
		[CONFIG_RELOAD_LIVE] = "configuration changed",
		[CONFIG_RELOAD_RESTART] = "configuration changed, needs a restart",
		[CONFIG_RELOAD_IDLE] = "configuration changed, the key has no effect",
	};
	struct config_change changes[CONFIG_KEYS_MAX];
	size_t n = config_diff(now, next, changes);

	for (size_t i = 0; i < n; i++)
		log_at(changes[i].reload == CONFIG_RELOAD_RESTART ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, words[changes[i].reload],
		       LOG_STR("key", changes[i].key), LOG_END);
}

/* A line for each mistake: a log is read by programs too. */
static void log_report(const struct config_report *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct config_problem *p = &r->v[i];
		bool error = p->severity == CONFIG_ERROR;

		log_at(error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, error ? "configuration mistake" : "configuration warning",
		       LOG_STR("what", p->text), LOG_STR("key", p->key), LOG_STR("file", p->source), LOG_U64("line", p->line),
		       LOG_U64("column", p->column), LOG_STR("value", p->value), LOG_END);
	}
	if (r->n_errors + r->n_warnings > r->n)
		log_error("more configuration mistakes", LOG_U64("count", r->n_errors + r->n_warnings - r->n), LOG_END);
}

/* From here on `next` counts, in the keys that can change while we run. */
static void take_over(struct server *srv, struct config *next)
{
	struct config *live = config_overlay(srv->config, next), *old = srv->live != srv->config ? srv->live : NULL;

	pthread_mutex_lock(&srv->live_lock);
	srv->live = live;
	pthread_mutex_unlock(&srv->live_lock);
	config_free(&old);
	config_free(&srv->reloaded);
	srv->reloaded = next;
}

void server_reload_close(struct server *srv)
{
	if (srv->live != srv->config)
		config_free(&srv->live);
	srv->live = NULL;
	config_free(&srv->reloaded);
}

/* ST_BAD_INPUT and the like: it was refused as a whole, and the log says why. */
static enum status reload_config(struct server *srv)
{
	struct config_source src = { .path = srv->config_path, .env = environ, .purpose = CONFIG_FOR_SERVER };
	struct config_report report = { 0 };
	struct config *next = NULL;
	struct err err = { 0 };
	enum status s = config_load(&src, &next, &report);
	bool records;

	if (s != ST_OK)
		log_error("configuration refused, the old one stays in force", LOG_U64("mistakes", report.n_errors), LOG_END);
	log_report(&report);
	config_report_release(&report);
	if (s != ST_OK)
		return s;
	report_changes(srv->live, next);
	records = strcmp(srv->live->dns.extra_records_path, next->dns.extra_records_path) != 0;
	take_over(srv, next);
	log_configure(srv->live->log.level, srv->live->log.format);
	set_world(srv, true);
	if (records && watch_records(srv, &err) != ST_OK)
		log_error("changes of the file will not be noticed", LOG_STR("error", err.text), LOG_END);
	if (srv->tls_files != NULL)
		server_certificate_read(srv, net_tls_files_reload(srv->tls_files, &err), &err);
	return ST_OK;
}

void server_reload(void *arg)
{
	struct server *srv = arg;
	char message[64];
	enum status s;

	log_info("reloading", LOG_END);
	/* The time is what systemd asks for with Type=notify-reload. */
	snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_ns() / 1000);
	server_notify(message);
	s = reload_config(srv);
	reload_policy(srv);
	server_derp_map_refresh(srv);
	log_flush(1000); /* who is told that it is done finds in the log what became of it */
	server_notify(s == ST_OK ? "READY=1\nSTATUS=" : "READY=1\nSTATUS=the configuration file has mistakes and was not reloaded");
}

enum status server_watch_files(struct server *srv, struct err *err)
{
	const struct config *c = srv->config;
	enum status s = ST_OK;

	if (c->policy.mode == CONFIG_POLICY_FILE && c->policy.path[0] != '\0')
		s = file_watch_new(srv->main, c->policy.path, reload_policy, srv, &srv->policy_watch, err);
	if (s == ST_OK)
		s = watch_records(srv, err);
	return s;
}
