/*
 * server/alone_pages.c -- what a relay that stands alone answers by HTTP, beside /derp: probes, the home page, names for
 * clients without DNS, and /debug/ for who watches it.
 *
 * Three doors: the main listener, plain HTTP beside TLS, and a Unix socket for `headscale derp status`. /debug/ is for this
 * machine and for Tailscale's addresses alone, and for nobody behind a proxy.
 */
#include "server/alone_priv.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/json_out.h"
#include "net/counters.h"

#define NAMES_EVERY_MS (10 * 60 * UINT64_C(1000))
#define NAMES_MAX ((size_t)64 * 1024)
#define METRICS_MAX ((size_t)1 << 20)

static void browser_headers(void *arg, struct http_req *r)
{
	(void)arg;
	http_resp_header(r, "Strict-Transport-Security", "max-age=63072000; includeSubDomains");
	http_resp_header(r, "X-Frame-Options", "DENY");
	http_resp_header(r, "X-Content-Type-Options", "nosniff");
	http_resp_header(r, "Content-Security-Policy",
			 "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'self'; block-all-mixed-content; "
			 "object-src 'none'");
}

/* ---- pages ---- */

static void home(void *arg, struct http_req *r)
{
	struct alone *a = arg;
	const char *what = a->f.home;

	browser_headers(NULL, r);
	if (what != NULL && strcmp(what, "blank") == 0)
		http_respond(r, 200, "text/html; charset=utf-8", (struct bytes){ 0 });
	else if (what != NULL && what[0] != '\0')
		http_respond_redirect(r, 302, what);
	else
		http_respond(r, 200, "text/html; charset=utf-8",
			     BYTES_LIT("<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>DERP</title></head><body><h1>DERP</h1>"
				       "<p>This is a relay: it carries encrypted packets between machines that cannot reach each other "
				       "directly.</p></body></html>\n"));
}

static void robots(void *arg, struct http_req *r)
{
	(void)arg;
	browser_headers(NULL, r);
	http_respond(r, 200, "text/plain; charset=utf-8", BYTES_LIT("User-agent: *\nDisallow: /\n"));
}

/* Plain HTTP: go to the secure one. */
static void to_https(void *arg, struct http_req *r)
{
	char *url;
	const char *host = r->host[0] != '\0' ? r->host : ((struct alone *)arg)->f.hostname;
	size_t n = strcspn(host, ":");

	if (strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0) {
		http_respond_text(r, 400, "Use HTTPS");
		return;
	}
	if (host[0] == '[')
		n = strcspn(host, "]") + 1;
	url = arena_printf(r->arena, "https://%.*s%s%s%s", (int)n, host, r->raw_path, r->query[0] != '\0' ? "?" : "", r->query);
	http_respond_redirect(r, 302, url);
}

/* ---- /debug/ ---- */

static bool may_debug(const struct http_req *r)
{
	static const uint8_t ts6[6] = { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0 };
	const struct net_addr *from = &r->conn->remote;
	uint8_t ip[16];

	if (http_req_header(r, "x-forwarded-for") != NULL)
		return false;
	if (net_addr_is_loopback(from))
		return true;
	net_addr_ip16(from, ip);
	if (memcmp(ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0)
		return ip[12] == 100 && (ip[13] & 0xc0) == 64;
	return memcmp(ip, ts6, sizeof ts6) == 0;
}

static bool debug_allowed(struct http_req *r)
{
	if (may_debug(r))
		return true;
	http_respond_text(r, 403, "debug access denied");
	return false;
}

static void debug_index(void *arg, struct http_req *r)
{
	struct alone *a = arg;
	struct buf b;

	if (!debug_allowed(r))
		return;
	buf_init(&b, 4096);
	buf_printf(&b, "headscale derp %s, %s\nTLS host name: %s\nmesh key: %s\nadmission: %s\n\n/debug/varz (metrics)\n/debug/status (JSON)\n",
		   HEADSCALE_VERSION, a->f.listen, a->tls != NULL ? a->f.hostname : "none", a->status.mesh_key ? "set" : "none",
		   alone_admission(a));
	http_respond(r, 200, "text/plain; charset=utf-8", buf_bytes(&b));
	buf_release(&b);
}

static bool stun_of(void *arg, struct stun_stats *out)
{
	struct alone *a = arg;

	for (unsigned i = 0; i < a->n_loops; i++)
		if (a->stuns[i] != NULL)
			stun_server_stats(a->stuns[i], out);
	return a->f.stun;
}

static void debug_varz(void *arg, struct http_req *r)
{
	struct alone *a = arg;
	struct stun_stats stun = { 0 };
	struct derp_stats ds = { 0 };
	bool has_stun;
	struct buf b;

	if (!debug_allowed(r))
		return;
	if (a->relay != NULL)
		derp_relay_stats(a->relay, &ds);
	has_stun = stun_of(a, &stun);
	buf_init(&b, METRICS_MAX);
	derp_stats_write(&ds, has_stun ? &stun : NULL, &b);
	buf_printf(&b, "# HELP headscale_edge_total what happened to connections, by kind; refusals by reason\n"
		       "# TYPE headscale_edge_total counter\n");
	for (int i = 0; i < NET_COUNTER_COUNT; i++)
		buf_printf(&b, "headscale_edge_total{event=\"%s\"} %llu\n", net_counter_name((enum net_counter)i),
			   (unsigned long long)net_counter_read((enum net_counter)i));
	buf_printf(&b,
		   "# HELP headscale_derp_accepts_refused_total connections closed at once: more came than --accept-connection-limit\n"
		   "# TYPE headscale_derp_accepts_refused_total counter\nheadscale_derp_accepts_refused_total %llu\n"
		   "# HELP process_start_time_seconds when the process started\n# TYPE process_start_time_seconds gauge\n"
		   "process_start_time_seconds %.3f\n"
		   "# HELP headscale_build_info 1, labelled with the version\n# TYPE headscale_build_info gauge\n"
		   "headscale_build_info{version=\"%s\"} 1\n",
		   (unsigned long long)atomic_load(&a->accepts_refused), (double)a->started_ns / 1e9, HEADSCALE_VERSION);
	http_respond(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_bytes(&b));
	buf_release(&b);
}

static void debug_status(void *arg, struct http_req *r)
{
	struct alone *a = arg;

	if (debug_allowed(r))
		derp_status_handler(&a->status, r);
}

/* ---- /bootstrap-dns ---- */

static void bootstrap(void *arg, const char *name, struct buf *out)
{
	struct alone *a = arg;

	(void)name; /* all that is published is told, whatever was asked */
	pthread_mutex_lock(&a->lock);
	buf_put_bytes(out, buf_bytes(&a->names_json));
	pthread_mutex_unlock(&a->lock);
}

static void put_addresses(struct jw *w, const char *name)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	char text[64];

	if (getaddrinfo(name, NULL, &hints, &list) != 0)
		return;
	jw_key(w, name);
	jw_arr_begin(w);
	for (struct addrinfo *i = list; i != NULL; i = i->ai_next)
		if (getnameinfo(i->ai_addr, i->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
			jw_str(w, text);
	jw_arr_end(w);
	freeaddrinfo(list);
}

static void look_up(void *arg)
{
	struct alone *a = arg;
	struct buf fresh;
	struct jw w;

	buf_init(&fresh, NAMES_MAX);
	jw_init(&w, &fresh);
	jw_obj_begin(&w);
	for (size_t i = 0; i < a->f.bootstrap.n; i++)
		put_addresses(&w, a->f.bootstrap.v[i]);
	jw_obj_end(&w);
	pthread_mutex_lock(&a->lock);
	if (buf_ok(&fresh) && fresh.n > 2) { /* what was found before stays while nothing is found */
		buf_reset(&a->names_json);
		buf_put_bytes(&a->names_json, buf_bytes(&fresh));
	}
	pthread_mutex_unlock(&a->lock);
	buf_release(&fresh);
}

static void looked_up(void *arg)
{
	struct alone *a = arg;

	loop_timer_start(&a->names_timer, NAMES_EVERY_MS);
}

static void names_due(void *arg)
{
	struct alone *a = arg;

	loop_work(a->main, look_up, looked_up, a);
}

void alone_names_start(struct alone *a)
{
	if (a->f.bootstrap.n == 0)
		return;
	loop_timer_init(&a->names_timer, a->main, names_due, a);
	loop_timer_start(&a->names_timer, 0);
}

void alone_names_stop(struct alone *a)
{
	if (a->names_timer.loop != NULL)
		loop_timer_cancel(&a->names_timer);
}

/* ---- routers ---- */

static enum http_verdict allow(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
	return HTTP_ALLOW;
}

static void add(struct http_router *r, const char *methods, const char *pattern, http_handler_fn *fn, void *arg)
{
	http_router_add(r, &(struct http_route){ .methods = methods, .pattern = pattern, .fn = fn, .arg = arg, .auth = ALONE_OPEN });
}

static struct http_router *new_router(void)
{
	struct http_router *r = http_router_new();

	http_router_set_check(r, allow, NULL);
	return r;
}

/* On the main listener and on plain HTTP. */
static void add_common(struct alone *a, struct http_router *r)
{
	add(r, "*", "/generate_204", derp_http_generate_204, &a->routes);
	add(r, "GET", "/debug/", debug_index, a);
	add(r, "GET", "/debug/varz", debug_varz, a);
	add(r, "GET", "/debug/status", debug_status, a);
}

void alone_routers_make(struct alone *a)
{
	a->router = new_router();
	add_common(a, a->router);
	add(a->router, "*", "/derp", derp_http_upgrade, &a->routes);
	add(a->router, "*", "/derp/probe", derp_http_probe, &a->routes);
	add(a->router, "*", "/derp/latency-check", derp_http_probe, &a->routes);
	add(a->router, "*", "/bootstrap-dns", derp_http_bootstrap_dns, &a->routes);
	add(a->router, "GET", "/robots.txt", robots, a);
	http_router_set_fallback(a->router, home, a);

	a->plain_router = new_router();
	add_common(a, a->plain_router);
	if (a->acme != NULL)
		acme_add_routes(a->acme, a->plain_router, ALONE_OPEN);
	else
		http_router_set_fallback(a->plain_router, to_https, a);

	a->local_router = new_router();
	add(a->local_router, "GET", "/api/v1/derp/status", derp_status_handler, &a->status);

	a->routes.bootstrap = bootstrap;
	a->routes.arg = a;
	a->status = (struct derp_status){ .loops = a->n_loops, .admission = alone_admission(a),
					  .mesh_key = !bytes_eq(bytes_of(a->mesh.b, sizeof a->mesh.b), bytes_of((uint8_t[32]){ 0 }, 32)),
					  .started_unix_ns = a->started_ns, .stun = stun_of, .arg = a };
}
