/*
 * server/failures.c -- server.limits.failed_logins_per_minute: who fails too often is not listened to for a while.
 *
 * What counts is the answer, wherever it was made: 401 of the API, and of the login pages whatever says that a link, a
 * cookie, a form, a token or a person is not good. What a page of others can make a browser ask for does not count (no
 * key, or a link loaded as a picture): else it could lock its visitors out. Nor does what comes from this machine: behind a
 * proxy that nobody named, that is everybody. An address that has used up its failures gets 429 from all of these
 * routes and no look at what it brings; control protocol, relay and set-up pages do not know of it.
 */
#include "server/server_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/addr_rate.h"
#include "web/pages.h"

static atomic_uint_fast64_t n_failed, n_refused;

static bool is_login(const struct http_route *route)
{
	static const char *const roots[] = { "/register/", "/auth/", "/oidc/" };

	for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
		if (strncmp(route->pattern, roots[i], strlen(roots[i])) == 0)
			return true;
	return false;
}

static bool is_failure(const struct http_req *r, int status)
{
	const char *dest;

	if (r->route == NULL)
		return false;
	if (r->route->auth != API_AUTH_PUBLIC)
		return status == 401 && http_req_header(r, "authorization") != NULL;
	dest = http_req_header(r, "sec-fetch-dest");
	if (dest != NULL && strcmp(dest, "document") != 0)
		return false;
	return is_login(r->route) && (status == 400 || status == 401 || status == 403 || status == 410);
}

void server_failures_open(struct server *srv)
{
	int64_t n = srv->config->server.limits.failed_logins_per_minute;

	if (n > 0)
		srv->failures = addr_rate_new((double)n, (double)n / 60);
}

void server_failures_done(struct server *srv, const struct http_req *r, int status)
{
	if (!is_failure(r, status))
		return;
	atomic_fetch_add_explicit(&n_failed, 1, memory_order_relaxed);
	if (!net_addr_is_loopback(&r->client))
		(void)addr_rate_take(srv->failures, &r->client, clock_mono_ns()); /* who has none left needs no more */
}

static void refuse(struct http_req *r)
{
	struct buf b;

	if (r->route->auth != API_AUTH_PUBLIC) {
		http_respond_overload(r, 429, 2, 10);
		return;
	}
	buf_init(&b, 1u << 16);
	web_page_error(&b, 429, "Too many failed logins",
		       "They came from your address. Wait a minute and open the link again.");
	http_resp_header(r, "Cache-Control", "no-store");
	http_resp_header(r, "Retry-After", "60");
	http_respond(r, 429, "text/html; charset=utf-8", buf_bytes(&b));
	buf_release(&b);
}

enum http_verdict server_check(void *arg, struct http_req *r)
{
	struct server *srv = arg;

	if ((r->route->auth != API_AUTH_PUBLIC || is_login(r->route)) &&
	    addr_rate_used_up(srv->failures, &r->client, clock_mono_ns())) {
		atomic_fetch_add_explicit(&n_refused, 1, memory_order_relaxed);
		refuse(r);
		return HTTP_REFUSED;
	}
	return api_check(srv->api, r);
}

void server_failures_stats(uint64_t *failed_out, uint64_t *refused_out)
{
	*failed_out = atomic_load_explicit(&n_failed, memory_order_relaxed);
	*refused_out = atomic_load_explicit(&n_refused, memory_order_relaxed);
}
