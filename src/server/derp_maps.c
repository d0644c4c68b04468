/*
 * server/derp_maps.c -- where the DERP map comes from: URLs, files, our own region; fetched again from time to time.
 *
 * What was fetched last and was good is kept beside the database, so that a start without network has a map. At the very
 * first start there is none: then the relay of this server stands in, as if derp.server.enabled were set, until the URLs
 * answer. In both cases they are asked again soon, whatever derp.auto_update_enabled says.
 *
 * A refresh that fails changes nothing; one that gives the same map is not published.
 */
#include "server/server_priv.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/vec.h"
#include "server/settings.h"

#define FETCH_MS 10000L
#define RETRY_FIRST_MS 5000u
#define RETRY_MAX_MS 900000u

struct server_derp_map {
	struct server *srv;
	char *cache_path;
	struct loop_timer timer;
	uint32_t retry_ms;
	/* One refresh at a time, on a helper thread. */
	bool running, stopped;
	bool overdue; /* the URLs have not answered since the start */
	enum status status;
	struct err err;
	struct shared_bytes *json;
};

static size_t take(char *p, size_t size, size_t n, void *arg)
{
	struct buf *b = arg;

	buf_put(b, p, size * n);
	return buf_ok(b) ? size * n : 0;
}

static enum status fetch(const char *url, struct buf *out, struct err *err)
{
	char text[CURL_ERROR_SIZE] = "";
	CURL *curl = curl_easy_init();
	long code = 0;
	CURLcode r;

	if (curl == NULL) {
		err_set(err, "no memory for a connection");
		return ST_IO;
	}
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, FETCH_MS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
	r = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	curl_easy_cleanup(curl);
	if (r != CURLE_OK || code != 200) {
		err_set(err, "derp.urls %s: %s", url, r != CURLE_OK ? (text[0] ? text : curl_easy_strerror(r)) : "the answer is not 200");
		return ST_IO;
	}
	return ST_OK;
}

static enum status merge_text(struct derp_map *m, struct bytes text, bool yaml, const char *from, struct err *err)
{
	struct derp_map *over = NULL;
	enum status s = yaml ? derp_map_parse_yaml(text, &over, err) : derp_map_parse_json(text, &over, err);

	if (s == ST_OK)
		s = derp_map_merge(m, over, err);
	if (s != ST_OK)
		err_prefix(err, "%s", from);
	derp_map_free(&over);
	return s;
}

static enum status merge_urls(struct server_derp_map *d, struct derp_map *m, struct err *err)
{
	const struct config_strings *urls = &d->srv->config->derp.urls;
	enum status s = ST_OK;

	for (size_t i = 0; i < urls->n && s == ST_OK; i++) {
		struct buf b;

		buf_init(&b, DERP_MAP_BYTES_MAX);
		s = fetch(urls->v[i], &b, err);
		if (s == ST_OK)
			s = merge_text(m, buf_bytes(&b), false, urls->v[i], err);
		buf_release(&b);
	}
	return s;
}

static enum status merge_files(struct server_derp_map *d, struct derp_map *m, struct err *err)
{
	const struct config_strings *paths = &d->srv->config->derp.paths;
	enum status s = ST_OK;

	for (size_t i = 0; i < paths->n && s == ST_OK; i++) {
		const char *dot = strrchr(paths->v[i], '.');
		char *text = NULL;
		size_t n = 0;

		s = server_read_file(paths->v[i], &text, &n, err);
		if (s == ST_OK)
			s = merge_text(m, bytes_of(text, n), dot == NULL || strcmp(dot, ".json") != 0, paths->v[i], err);
		free(text);
	}
	return s;
}

static enum status finish(struct server_derp_map *d, struct derp_map *m, struct shared_bytes **out, struct err *err)
{
	const struct config *c = d->srv->config;
	enum status s = ST_OK;
	struct buf b;

	if (c->derp.server.enabled && c->derp.server.automatically_add_embedded_derp_region)
		s = server_embedded_region(c, m, err);
	else if (d->srv->relay_stands_in && m->n == 0)
		s = server_embedded_region(d->srv->stand_in, m, err);
	if (s == ST_OK)
		s = derp_map_check(m, err);
	if (s == ST_OK && m->n == 0) {
		err_set(err, "the DERP map has no region, and no client can start without one: set derp.server.enabled, or name a "
			     "file in derp.paths or a URL in derp.urls");
		s = ST_BAD_INPUT;
	}
	if (s != ST_OK)
		return s;
	derp_map_spread(m, c->dns.base_domain);
	buf_init(&b, DERP_MAP_BYTES_MAX * 2);
	derp_map_encode(m, &b);
	*out = shared_bytes_new(buf_bytes(&b));
	buf_release(&b);
	return ST_OK;
}

/* What the URLs gave when they last answered: kept on disk for a start at which they do not. */
static void keep(struct server_derp_map *d, const struct derp_map *m)
{
	struct err err = { 0 };

	if (d->srv->config->derp.urls.n > 0 && derp_map_cache_store(m, d->cache_path, &err) != ST_OK)
		log_warn("DERP map not kept on disk", LOG_STR("error", err.text), LOG_END);
}

/* Nobody answered at the start. *m: what is known instead, maybe nothing. */
static void do_without(struct server_derp_map *d, struct derp_map **m, const struct err *why)
{
	const struct config *c = d->srv->config;
	struct derp_map *last = NULL;

	d->overdue = true;
	if (derp_map_cache_load(d->cache_path, &last, NULL) == ST_OK) {
		log_warn("DERP map not fetched, using the last one", LOG_STR("error", why->text), LOG_END);
		derp_map_free(m);
		*m = last;
		return;
	}
	/* What one URL gave of several would be half a map. */
	derp_map_free(m);
	*m = derp_map_new();
	if (c->derp.paths.n > 0 || c->derp.server.enabled) {
		log_warn("DERP map not fetched, starting with the other sources", LOG_STR("error", why->text), LOG_END);
		return;
	}
	server_relay_stand_in(d->srv);
	log_warn("DERP map not fetched, and there is none from before: the relay of this server stands in until the URLs answer. "
		 "Clients reach it by TLS only; set derp.server.enabled or derp.paths to do without the URLs",
		 LOG_STR("error", why->text), LOG_END);
}

/* The whole map, or why not. `first`: at the start, when there must be one. Blocks. */
static enum status build(struct server_derp_map *d, bool first, struct shared_bytes **out, struct err *err)
{
	struct derp_map *m = derp_map_new();
	enum status s = merge_urls(d, m, err);

	if (s == ST_OK)
		keep(d, m);
	else if (first) {
		do_without(d, &m, err);
		s = ST_OK;
	}
	if (s == ST_OK)
		s = merge_files(d, m, err);
	if (s == ST_OK)
		s = finish(d, m, out, err);
	derp_map_free(&m);
	return s;
}

enum status server_derp_map_load(struct server *srv, struct shared_bytes **json_out, struct err *err)
{
	struct server_derp_map *d = xcalloc(1, sizeof *d);
	const char *db = srv->config->database.sqlite.path;
	enum status s;
	struct buf b;

	buf_init(&b, 4096);
	buf_printf(&b, "%s.derpmap.json", db[0] != '\0' ? db : "headscale");
	d->cache_path = buf_take(&b, &(size_t){ 0 });
	d->srv = srv;
	d->retry_ms = RETRY_FIRST_MS;
	srv->derp_maps = d;
	s = build(d, true, json_out, err);
	if (s == ST_OK)
		server_bootstrap_map(srv, *json_out);
	return s;
}

/* ---- refreshing ---- */

static void refresh_work(void *arg)
{
	struct server_derp_map *d = arg;

	d->status = build(d, false, &d->json, &d->err);
}

static void plan(struct server_derp_map *d)
{
	int64_t every = d->srv->config->derp.update_frequency_ns / NS_PER_MS;
	bool updates = d->srv->config->derp.auto_update_enabled && every > 0;

	if (d->stopped || (!updates && !d->overdue))
		return;
	loop_timer_start(&d->timer, d->status == ST_OK && !d->overdue ? (uint64_t)every : d->retry_ms);
}

static void free_it(struct server_derp_map *d)
{
	shared_bytes_unref(&d->json);
	free(d->cache_path);
	free(d);
}

static void refresh_done(void *arg)
{
	struct server_derp_map *d = arg;
	struct err err = { 0 };

	d->running = false;
	if (d->stopped) {
		free_it(d);
		return;
	}
	if (d->status == ST_OK) {
		if (d->overdue)
			log_info("DERP map fetched at last", LOG_END);
		d->overdue = false;
		d->retry_ms = RETRY_FIRST_MS;
		if (state_set_world(d->srv->state, &(struct state_world){ .derp_map = d->json }, NULL, NULL, &err) != ST_OK)
			log_warn("DERP map not taken", LOG_STR("error", err.text), LOG_END);
		server_bootstrap_map(d->srv, d->json);
	} else {
		log_warn("DERP map not refreshed, the old one stays", LOG_STR("error", d->err.text), LOG_END);
		d->retry_ms = d->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : d->retry_ms * 2 + (uint32_t)random_below(1000);
	}
	shared_bytes_unref(&d->json);
	plan(d);
}

static void refresh(void *arg)
{
	struct server_derp_map *d = arg;

	if (d->running)
		return;
	d->running = true;
	loop_work(d->srv->main, refresh_work, refresh_done, d);
}

void server_derp_map_refresh(struct server *srv)
{
	if (srv->derp_maps != NULL)
		refresh(srv->derp_maps);
}

void server_derp_map_start(struct server *srv)
{
	struct server_derp_map *d = srv->derp_maps;

	loop_timer_init(&d->timer, srv->main, refresh, d);
	plan(d);
}

void server_derp_map_stop(struct server *srv)
{
	struct server_derp_map *d = srv->derp_maps;

	srv->derp_maps = NULL;
	if (d == NULL)
		return;
	if (d->timer.loop != NULL)
		loop_timer_cancel(&d->timer);
	d->stopped = true;
	if (!d->running)
		free_it(d);
}
