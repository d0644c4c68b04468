/*
 * server/reload.c -- take a changed configuration, policy file or list of records into a running server.
 *
 * Whatever is wrong with the new one, the old one stays in force and the log says why. Keys that need a restart are
 * named. Everything here runs on the main loop.
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

static void set_world(struct server *srv, const struct config *c, bool settings_too)
{
	struct tailnet_settings *settings = settings_too ? server_tailnet_settings(c) : NULL;
	struct dns_settings *dns = NULL;
	struct err err = { 0 };

	if (server_dns_settings(c, &dns, &err) != ST_OK)
		log_error("DNS records not read, the old ones stay", LOG_STR("error", err.text), LOG_END);
	else if (state_set_world(srv->state, &(struct state_world){ .settings = settings, .dns = dns }, NULL, NULL, &err) != ST_OK)
		log_error("settings not taken", LOG_STR("error", err.text), LOG_END);
	dns_settings_unref(&dns);
	tailnet_settings_unref(&settings);
}

static void reload_records(void *arg)
{
	struct server *srv = arg;

	set_world(srv, srv->config, false);
}

static void report_changes(const struct config *old, const struct config *next)
{
	struct config_change changes[CONFIG_KEYS_MAX];
	size_t n = config_diff(old, next, changes);

	for (size_t i = 0; i < n; i++) {
		if (changes[i].live)
			log_info("configuration changed", LOG_STR("key", changes[i].key), LOG_END);
		else
			log_warn("configuration changed, needs a restart", LOG_STR("key", changes[i].key), LOG_END);
	}
}

/*
 * What can change live goes to the log and to the state. The old object stays: other threads read it, and what it says
 * of listeners and files is what this process was started with.
 */
static void reload_config(struct server *srv)
{
	struct config_report report = { 0 };
	struct config *next = NULL, *old = srv->config;
	struct err err = { 0 };
	struct buf text;

	if (config_load(&(struct config_source){ .path = srv->config_path, .env = environ, .purpose = CONFIG_FOR_SERVER }, &next,
			&report) != ST_OK) {
		buf_init(&text, 1u << 20);
		config_report_print(&report, &text);
		log_error("configuration refused, the old one stays in force", LOG_END);
		if (text.n > 0)
			fwrite(text.p, 1, text.n, stderr);
		buf_release(&text);
		config_report_release(&report);
		return;
	}
	config_report_release(&report);
	report_changes(old, next);
	log_configure(next->log.level, next->log.format);
	set_world(srv, next, true);
	config_free(&next);
	if (srv->tls_files != NULL && net_tls_files_reload(srv->tls_files, &err) != ST_OK)
		log_error("certificate not read, the old one stays in use", LOG_STR("error", err.text), LOG_END);
}

void server_reload(void *arg)
{
	struct server *srv = arg;

	char message[64];

	log_info("reloading", LOG_END);
	/* The time is what systemd asks for with Type=notify-reload. */
	snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_ns() / 1000);
	server_notify(message);
	reload_config(srv);
	reload_policy(srv);
	server_derp_map_refresh(srv);
	server_notify("READY=1");
}

enum status server_watch_files(struct server *srv, struct err *err)
{
	const struct config *c = srv->config;
	enum status s = ST_OK;

	if (c->policy.mode == CONFIG_POLICY_FILE && c->policy.path[0] != '\0')
		s = file_watch_new(srv->main, c->policy.path, reload_policy, srv, &srv->policy_watch, err);
	if (s == ST_OK && c->dns.extra_records_path[0] != '\0')
		s = file_watch_new(srv->main, c->dns.extra_records_path, reload_records, srv, &srv->records_watch, err);
	return s;
}
