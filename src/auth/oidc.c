/*
 * auth/oidc.c -- see auth/oidc.h: options, routes, and what is known of the provider.
 *
 * What the provider says of itself is fetched at the start and once an hour; what was known stays in force when that
 * fails. Keys come with it, and when a token names one that is not known: rarely, for the asking is set off by others.
 */
#include "auth/oidc_priv.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/random.h"
#include "base/vec.h"
#include "crypto/secret.h"

#define REFRESH_MS	     ((uint64_t)60 * 60 * 1000)
#define RETRY_MIN_MS	     ((uint64_t)5 * 1000)
#define RETRY_MAX_MS	     ((uint64_t)5 * 60 * 1000)
#define KEYS_PAUSE_MS	     ((uint64_t)10 * 1000) /* between two fetches that tokens ask for */
#define DISCOVERY_PAUSE_MS   ((uint64_t)60 * 1000) /* likewise */
#define DISCOVERY_TIMEOUT_MS 30000
#define CONFIRM_FORM_MAX     ((size_t)4096)
#define TABLE_MAX	     4096
#define TABLE_PER_SOURCE     512 /* a whole office may stand behind one address, or a proxy that nobody named */

/* ---- what the provider says ---- */

static void warn_plain(const struct oidc *o, const char *url)
{
	if (strncmp(o->issuer, "https:", 6) == 0 && strncmp(url, "https:", 6) != 0)
		log_warn("the identity provider names an endpoint without TLS", LOG_STR("url", url), LOG_END);
}

static enum status take_discovery(struct oidc *o, const struct fetch_answer *a, struct err *err)
{
	struct provider *p = NULL;
	enum status s;

	if (a->st != ST_OK) {
		err_set(err, "%s", a->error);
		return a->st;
	}
	if (a->http_status != 200) {
		err_set(err, "status %d", a->http_status);
		return ST_IO;
	}
	s = provider_parse(a->body, o->issuer, &p, err);
	if (s != ST_OK)
		return s;
	if (o->provider == NULL || !provider_equal(p, o->provider)) {
		warn_plain(o, p->token_endpoint);
		warn_plain(o, p->jwks_uri);
	}
	provider_free(&o->provider);
	o->provider = p;
	return ST_OK;
}

static enum status discovered(struct oidc *o, const struct fetch_answer *a, struct err *err)
{
	enum status s = take_discovery(o, a, err);

	oidc_count(o, s == ST_OK ? OIDC_DISCOVERY_OK : OIDC_DISCOVERY_FAILED);
	if (s == ST_OK)
		atomic_store(&o->ready, true);
	else
		err_prefix(err, "%s", o->discovery_url);
	return s;
}

static enum status take_keys(struct oidc *o, const struct fetch_answer *a, struct err *err)
{
	struct jwks *keys = NULL;
	enum status s = a->st;

	if (s != ST_OK) {
		err_set(err, "%s", a->error);
	} else if (a->http_status != 200) {
		err_set(err, "status %d", a->http_status);
		s = ST_IO;
	} else {
		s = jwks_parse(a->body, &keys, err);
	}
	oidc_count(o, s == ST_OK ? OIDC_KEYS_OK : OIDC_KEYS_FAILED);
	if (s != ST_OK) {
		err_prefix(err, "%s", o->provider->jwks_uri);
		return s;
	}
	if (jwks_count(keys) == 0)
		log_warn("the identity provider publishes no key that can be used",
			 LOG_STR("url", o->provider->jwks_uri), LOG_END);
	jwks_free(&o->keys);
	o->keys = keys;
	return ST_OK;
}

static struct fetch_req keys_request(const struct oidc *o)
{
	return (struct fetch_req){ .url = o->provider->jwks_uri,
				   .body_max = JWKS_DOCUMENT_MAX,
				   .redirects = 3,
				   .timeout_ms = o->opts.timeout_ms };
}

static struct fetch_req discovery_request(const struct oidc *o, uint32_t timeout_ms)
{
	return (struct fetch_req){ .url = o->discovery_url,
				   .body_max = PROVIDER_DOCUMENT_MAX,
				   .redirects = 3,
				   .timeout_ms = timeout_ms ? timeout_ms : DISCOVERY_TIMEOUT_MS };
}

static void on_keys(void *arg, const struct fetch_answer *a)
{
	struct oidc *o = arg;
	struct job *j = o->waiting_for_keys, *next;
	struct err err = { 0 };

	o->keys_fetch = NULL;
	if (take_keys(o, a, &err) != ST_OK)
		log_warn("the identity provider's keys could not be fetched", LOG_STR("error", err.text), LOG_END);
	o->waiting_for_keys = NULL;
	for (; j != NULL; j = next) {
		next = j->next_key_waiter;
		j->waits_for_keys = false;
		flow_keys_ready(j);
	}
}

static void fetch_keys(struct oidc *o)
{
	struct fetch_req req = keys_request(o);

	if (o->keys_fetch != NULL)
		return;
	o->keys_tried_ms = loop_now_ms(o->opts.loop);
	o->keys_fetch = fetch_start(o->fetcher, &req, on_keys, o);
}

bool oidc_want_keys(struct oidc *o, struct job *j)
{
	uint64_t now = loop_now_ms(o->opts.loop);

	if (o->keys_fetch == NULL) {
		if (o->keys_tried_ms != 0 && now - o->keys_tried_ms < KEYS_PAUSE_MS)
			return false;
		fetch_keys(o);
	}
	j->waits_for_keys = true;
	j->next_key_waiter = o->waiting_for_keys;
	o->waiting_for_keys = j;
	return true;
}

/* ---- keeping it fresh ---- */

static uint64_t jitter(uint64_t ms)
{
	return ms - ms / 8 + random_below(ms / 4 + 1);
}

static void on_discovery(void *arg, const struct fetch_answer *a)
{
	struct oidc *o = arg;
	struct err err = { 0 };

	o->discovery_fetch = NULL;
	if (discovered(o, a, &err) == ST_OK) {
		o->pause_ms = RETRY_MIN_MS;
		loop_timer_start(&o->refresh, jitter(REFRESH_MS));
		fetch_keys(o);
		return;
	}
	log_warn("the identity provider could not be asked", LOG_STR("error", err.text), LOG_END);
	loop_timer_start(&o->refresh, jitter(o->pause_ms));
	o->pause_ms = o->pause_ms * 2 < RETRY_MAX_MS ? o->pause_ms * 2 : RETRY_MAX_MS;
}

static void on_refresh(void *arg)
{
	struct oidc *o = arg;
	struct fetch_req req = discovery_request(o, 0);

	if (o->discovery_fetch != NULL)
		return;
	o->discovery_fetch = fetch_start(o->fetcher, &req, on_discovery, o);
}

void oidc_want_discovery(struct oidc *o)
{
	uint64_t now = loop_now_ms(o->opts.loop);

	if (o->discovery_tried_ms != 0 && now - o->discovery_tried_ms < DISCOVERY_PAUSE_MS)
		return;
	o->discovery_tried_ms = now;
	loop_timer_start(&o->refresh, 0);
}

void oidc_start(struct oidc *o)
{
	loop_timer_start(&o->refresh, o->provider != NULL ? jitter(REFRESH_MS) : 0);
}

struct now {
	struct oidc *o;
	enum status s;
	struct err err;
};

static void discovered_now(void *arg, const struct fetch_answer *a)
{
	struct now *n = arg;

	n->s = discovered(n->o, a, &n->err);
}

static void keys_now(void *arg, const struct fetch_answer *a)
{
	struct now *n = arg;

	n->s = take_keys(n->o, a, &n->err);
}

enum status oidc_discover_now(struct oidc *o, uint32_t timeout_ms, struct err *err)
{
	const struct fetcher_opts how = { .ca_file = o->opts.ca_file };
	struct now n = { .o = o };
	struct fetch_req req = discovery_request(o, timeout_ms);

	fetch_now(&how, &req, discovered_now, &n);
	if (n.s != ST_OK) {
		err_set(err, "%s", n.err.text);
		return n.s;
	}
	req = keys_request(o);
	req.timeout_ms = timeout_ms;
	fetch_now(&how, &req, keys_now, &n);
	if (n.s != ST_OK) /* asked again at the first login */
		log_warn("the identity provider's keys could not be fetched", LOG_STR("error", n.err.text), LOG_END);
	return ST_OK;
}

/* ---- routes ---- */

static bool is_hex(const char *s, size_t n)
{
	return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

static bool is_auth_id(const char *id)
{
	size_t skip = strlen(AUTH_ID_PREFIX);

	return strncmp(id, AUTH_ID_PREFIX, skip) == 0 && is_hex(id + skip, AUTH_ID_LEN - skip);
}

static void bad_id(struct oidc *o, struct http_req *r)
{
	oidc_refuse_now(o, r, OIDC_BAD_ID, 400, "This is no login link",
			"Copy the whole link that the client printed and open it again.");
}

/*
 * Browsers say what they want a page for. A link that is opened goes into a window of its own; a picture, a frame or what is
 * fetched ahead of a click is nobody's wish, and an SSH session must not go on by it. What says nothing is let pass.
 */
static bool is_opened(const struct http_req *r)
{
	const char *dest = http_req_header(r, "sec-fetch-dest"), *purpose = http_req_header(r, "sec-purpose");

	if (purpose == NULL)
		purpose = http_req_header(r, "purpose");
	return (dest == NULL || strcmp(dest, "document") == 0) && (purpose == NULL || strncmp(purpose, "prefetch", 8) != 0);
}

static void embedded(struct oidc *o, struct http_req *r)
{
	oidc_refuse_now(o, r, OIDC_EMBEDDED, 403, "This page must be opened by itself",
			"Open the link that your machine shows in a window of its own.");
}

static void on_begin(void *arg, struct http_req *r)
{
	const char *id = http_req_param(r, "id");
	struct oidc *o = arg;
	struct job *j;

	if (!atomic_load(&o->ready) && o->opts.fallback != NULL) {
		o->opts.fallback(o->opts.fallback_arg, r);
		return;
	}
	if (!is_auth_id(id)) {
		bad_id(o, r);
		return;
	}
	if (!is_opened(r)) {
		embedded(o, r);
		return;
	}
	j = job_new(o, r, JOB_BEGIN);
	if (j == NULL)
		return;
	j->id = arena_strdup(j->a, id);
	job_send(j);
}

static void bad_callback(struct oidc *o, struct http_req *r, enum oidc_event e, int status)
{
	oidc_refuse_now(o, r, e, status, "This is no answer to a login of this browser",
			"Open the link that your machine shows again, in the browser that you log in with, and let it "
			"keep cookies.");
}

/* Short, printable: an error code is shown and logged. */
static const char *error_code(struct arena *a, const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. ";

	if (s == NULL || *s == '\0')
		return NULL;
	return strspn(s, letters) == strlen(s) && strlen(s) <= 64 ? arena_strdup(a, s) : "unknown error";
}

static void on_callback(void *arg, struct http_req *r)
{
	const char *code = http_req_query(r, "code"), *state = http_req_query(r, "state"),
		   *error = http_req_query(r, "error");
	const char *iss = http_req_query(r, "iss"); /* RFC 9207: who answers, where a provider says so */
	struct oidc *o = arg;
	const char *cookie;
	struct job *j;

	if (!is_opened(r)) {
		embedded(o, r);
		return;
	}
	if (state == NULL || *state == '\0' || ((code == NULL || *code == '\0') && (error == NULL || *error == '\0')) ||
	    !is_hex(state, OIDC_SECRET_LEN) || (iss != NULL && strcmp(iss, o->issuer) != 0)) {
		bad_callback(o, r, OIDC_BAD_CALLBACK, 400);
		return;
	}
	cookie = http_req_cookie(r, arena_printf(r->arena, "state_%.6s", state));
	if (cookie == NULL) {
		bad_callback(o, r, OIDC_STATE_COOKIE, 400);
		return;
	}
	if (!secret_equal(bytes_of_str(cookie), bytes_of_str(state))) {
		bad_callback(o, r, OIDC_STATE_COOKIE, 403);
		return;
	}
	j = job_new(o, r, JOB_CALLBACK);
	if (j == NULL)
		return;
	j->state = job_secret(j, state);
	j->code = job_secret(j, code);
	j->error = error_code(j->a, error);
	j->error_words = arena_strdup(j->a, http_req_query(r, "error_description"));
	job_send(j);
}

static const char *form_field(struct http_req *r, const char *name)
{
	const struct http_pair *pairs;
	size_t n = http_req_form(r, &pairs);

	for (size_t i = 0; i < n; i++)
		if (strcmp(pairs[i].name, name) == 0)
			return pairs[i].value;
	return NULL;
}

static void bad_form(struct oidc *o, struct http_req *r, int status)
{
	oidc_refuse_now(o, r, OIDC_CONFIRM_CSRF, status, "This form was not made for this browser",
			"Open the link that your machine shows again, and let the browser keep cookies.");
}

static void on_confirm(void *arg, struct http_req *r)
{
	const char *id = http_req_param(r, "id"), *csrf = form_field(r, OIDC_CSRF_FIELD);
	const char *cookie = http_req_cookie(r, OIDC_CSRF_FIELD), *site = http_req_header(r, "sec-fetch-site");
	struct oidc *o = arg;
	struct job *j;

	if (!is_auth_id(id)) {
		bad_id(o, r);
		return;
	}
	if (csrf == NULL || *csrf == '\0') {
		bad_form(o, r, 400);
		return;
	}
	if ((site != NULL && strcmp(site, "same-origin") != 0) || cookie == NULL || !secret_equal(bytes_of_str(cookie), bytes_of_str(csrf)) ||
	    !is_hex(csrf, OIDC_SECRET_LEN)) {
		bad_form(o, r, 403);
		return;
	}
	j = job_new(o, r, JOB_CONFIRM);
	if (j == NULL)
		return;
	j->id = arena_strdup(j->a, id);
	j->csrf = job_secret(j, csrf);
	job_send(j);
}

void oidc_add_routes(struct oidc *o, struct http_router *r, unsigned auth)
{
	const struct http_route routes[] = {
		{ .methods = "GET", .pattern = "/register/{id}", .fn = on_begin, .arg = o, .auth = auth },
		{ .methods = "GET", .pattern = "/auth/{id}", .fn = on_begin, .arg = o, .auth = auth },
		{ .methods = "GET", .pattern = "/oidc/callback", .fn = on_callback, .arg = o, .auth = auth },
		{ .methods = "POST",
		  .pattern = "/register/confirm/{id}",
		  .fn = on_confirm,
		  .arg = o,
		  .auth = auth,
		  .body_max = CONFIRM_FORM_MAX },
	};

	http_router_add_all(r, routes, sizeof routes / sizeof *routes);
}

/* ---- life ---- */

static struct oidc_texts copy_texts(struct arena *a, struct oidc_texts t)
{
	const char **v = ARENA_ARRAY(a, const char *, t.n + 1);

	for (size_t i = 0; i < t.n; i++)
		v[i] = arena_strdup(a, t.v[i]);
	return (struct oidc_texts){ v, t.n };
}

static const char *without_slashes(struct arena *a, const char *url)
{
	size_t n = strlen(url);

	while (n > 0 && url[n - 1] == '/')
		n--;
	return arena_strndup(a, url, n);
}

static void wipe(void *text)
{
	secret_wipe(text, strlen(text));
}

static void copy_options(struct oidc *o, const struct oidc_opts *from)
{
	struct oidc_param *params = ARENA_ARRAY(o->a, struct oidc_param, from->n_extra_params + 1);
	struct oidc_opts *to = &o->opts;
	char *secret = arena_strdup(o->a, from->client_secret);

	*to = *from;
	arena_on_free(o->a, wipe, secret);
	to->client_secret = secret;
	to->server_url = without_slashes(o->a, from->server_url);
	to->issuer = arena_strdup(o->a, from->issuer);
	to->client_id = arena_strdup(o->a, from->client_id);
	to->ca_file = arena_strdup(o->a, from->ca_file);
	to->scopes = copy_texts(o->a, from->scopes);
	to->allowed_groups = copy_texts(o->a, from->allowed_groups);
	to->allowed_domains = copy_texts(o->a, from->allowed_domains);
	to->allowed_users = copy_texts(o->a, from->allowed_users);
	for (size_t i = 0; i < from->n_extra_params; i++)
		params[i] = (struct oidc_param){ arena_strdup(o->a, from->extra_params[i].name),
						 arena_strdup(o->a, from->extra_params[i].value) };
	to->extra_params = params;
}

static const char *join_scopes(struct arena *a, struct oidc_texts t)
{
	const char *all = t.n > 0 ? t.v[0] : "openid profile email";

	for (size_t i = 1; i < t.n; i++)
		all = arena_printf(a, "%s %s", all, t.v[i]);
	return all;
}

/* "/prefix" of "https://host/prefix", or "". */
static const char *path_of(const char *url)
{
	const char *host = strstr(url, "://"), *slash = host != NULL ? strchr(host + 3, '/') : NULL;

	return slash != NULL ? slash : "";
}

/* Bytes of a text in a link. */
static size_t escaped_len(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += strchr("-_.~", *s) != NULL || (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
			     (*s >= 'A' && *s <= 'Z')
			 ? 1
			 : 3;
	return n;
}

static enum status check_params(const struct oidc_opts *o, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n_extra_params; i++)
		n += escaped_len(o->extra_params[i].name) + escaped_len(o->extra_params[i].value) + 2;
	if (n <= OIDC_PARAMS_MAX)
		return ST_OK;
	err_set(err, "oidc.extra_params are too long: a login link would carry %zu bytes of them, no more than %d fit",
		n, OIDC_PARAMS_MAX);
	return ST_BAD_INPUT;
}

/* One of ours is not replaced; who tries gets to hear of it. */
static void warn_of_params(const struct oidc_opts *o)
{
	for (size_t i = 0; i < o->n_extra_params; i++)
		if (flow_own_parameter(o->extra_params[i].name))
			log_warn("oidc.extra_params names a parameter that is the server's own: it is not sent",
				 LOG_STR("name", o->extra_params[i].name), LOG_END);
}

static enum status check_options(const struct oidc_opts *o, struct err *err)
{
	if (!provider_url_ok(o->issuer) || strpbrk(o->issuer, "?#") != NULL)
		err_set(err, "oidc.issuer must be a valid http(s) URL: got \"%.200s\"", o->issuer);
	else if (!provider_url_ok(o->server_url))
		err_set(err, "server_url must be a valid http(s) URL: got \"%.200s\"", o->server_url);
	else if (o->client_id == NULL || *o->client_id == '\0')
		err_set(err, "oidc.client_id is required when oidc.issuer is set");
	else if (o->client_secret == NULL || *o->client_secret == '\0')
		err_set(err, "oidc.client_secret or oidc.client_secret_path is required when oidc.issuer is set");
	else
		return check_params(o, err);
	return ST_BAD_INPUT;
}

enum status oidc_new(const struct oidc_opts *opts, struct oidc **out, struct err *err)
{
	enum status s = check_options(opts, err);
	struct oidc *o;

	if (s != ST_OK)
		return s;
	o = xcalloc(1, sizeof *o);
	o->refs = 1;
	o->a = arena_new();
	copy_options(o, opts);
	o->issuer = o->opts.issuer;
	o->discovery_url = arena_printf(o->a, "%s/.well-known/openid-configuration", without_slashes(o->a, o->issuer));
	o->redirect_uri = arena_printf(o->a, "%s/oidc/callback", o->opts.server_url);
	o->base_path = path_of(o->opts.server_url);
	o->scope = join_scopes(o->a, o->opts.scopes);
	o->https = strncmp(o->opts.server_url, "https:", 6) == 0;
	o->rules = (struct identity_rules){ o->opts.allowed_groups, o->opts.allowed_domains, o->opts.allowed_users,
					    o->opts.email_verified_required };
	o->fetcher = fetcher_new(o->opts.loop, &(struct fetcher_opts){ .ca_file = o->opts.ca_file });
	o->logins = waiting_new(
	    &(struct waiting_opts){ .max = TABLE_MAX, .max_per_source = TABLE_PER_SOURCE, .release = free });
	o->confirms = waiting_new(
	    &(struct waiting_opts){ .max = TABLE_MAX, .max_per_source = TABLE_PER_SOURCE, .release = confirm_release });
	warn_of_params(&o->opts);
	o->pause_ms = RETRY_MIN_MS;
	loop_timer_init(&o->refresh, o->opts.loop, on_refresh, o);
	*out = o;
	return ST_OK;
}

bool oidc_ready(const struct oidc *o)
{
	return atomic_load(&o->ready);
}

void oidc_stats(const struct oidc *o, struct oidc_stats *out)
{
	for (int i = 0; i < OIDC_EVENT_COUNT; i++)
		out->events[i] = atomic_load_explicit(&o->events[i], memory_order_relaxed);
	out->logins = atomic_load(&o->n_logins);
	out->confirms = atomic_load(&o->n_confirms);
}

/* Jobs that wait for the state come back by themselves and see that it is closed; those that wait for the provider do
 * not. */
static void end_waits(struct oidc *o)
{
	struct job *j, *next;

	o->waiting_for_keys = NULL;
	for (j = o->jobs; j != NULL; j = next) {
		next = j->next;
		if (j->fetch != NULL || j->waits_for_keys)
			job_answer(j);
	}
}

void oidc_free(struct oidc **op)
{
	struct oidc *o = *op;

	if (o == NULL)
		return;
	o->closed = true;
	loop_timer_cancel(&o->refresh);
	end_waits(o);
	fetch_cancel(&o->discovery_fetch);
	fetch_cancel(&o->keys_fetch);
	fetcher_free(&o->fetcher);
	provider_free(&o->provider);
	jwks_free(&o->keys);
	waiting_free(&o->logins);
	waiting_free(&o->confirms);
	oidc_unref(o);
	*op = NULL;
}
