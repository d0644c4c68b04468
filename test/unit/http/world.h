/* test/unit/http/world.h -- a server behind a pipe, with routes that do one thing each. */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "http/router.h"
#include "http/server.h"
#include "net/pipe.h"
#include "unit/net/reader.h"

struct world {
	struct loop *l;
	struct http_router *router;
	struct http_server *srv;
	struct stream *end;        /* the server's end, until somebody serves it */
	struct reader peer;        /* the client's end */
	struct http_req *held;     /* of /later or /stream */
	struct stream *taken;      /* of /switch or /take */
	unsigned cancelled, drained, done, requests;
	int last_status;
	char last_path[256];
	struct net_addr last_client;
	enum http_verdict verdict;
	struct http_limits limits;
};

static inline void w_echo(void *arg, struct http_req *r)
{
	struct world *w = arg;
	struct buf b;

	w->requests++;
	snprintf(w->last_path, sizeof w->last_path, "%s", r->path);
	buf_init(&b, (size_t)64 * 1024 * 1024);
	buf_printf(&b, "%s %s?%s [%s] host=%s ", r->method, r->path, r->query,
		   http_req_param(r, "id") ? http_req_param(r, "id") : "", r->host);
	buf_put_bytes(&b, r->body);
	http_respond(r, 200, "text/plain", buf_bytes(&b));
	buf_release(&b);
}
static inline void w_cancel(void *arg, struct http_req *r)
{
	struct world *w = arg;

	w->cancelled++;
	if (w->held == r)
		w->held = NULL;
}
static inline void w_drained(void *arg, struct http_req *r)
{
	(void)r;
	((struct world *)arg)->drained++;
}
static inline void w_later(void *arg, struct http_req *r)
{
	struct world *w = arg;

	w->requests++;
	w->held = r;
	http_on_cancel(r, w_cancel, w);
}
static inline void w_stream(void *arg, struct http_req *r)
{
	w_later(arg, r);
	http_on_drained(r, w_drained, arg);
	http_resp_header(r, "Content-Type", "application/octet-stream");
	http_resp_start(r, 200);
}
static inline void w_switch(void *arg, struct http_req *r)
{
	struct world *w = arg;

	http_resp_header(r, "X-More", "yes");
	if (http_switch(r, "test-protocol", &w->taken) != ST_OK)
		http_respond_text(r, 400, "cannot");
}
static inline void w_take(void *arg, struct http_req *r)
{
	struct world *w = arg;

	if (http_take(r, &w->taken) != ST_OK)
		http_respond_text(r, 400, "cannot");
}
static inline void w_busy(void *arg, struct http_req *r)
{
	(void)arg;
	http_respond_overload(r, 503, 5, 9);
}
static inline void w_evil(void *arg, struct http_req *r)
{
	(void)arg;
	http_resp_header(r, "X-Evil", "a\r\nX-Injected: 1");
	http_respond(r, 204, NULL, (struct bytes){ 0 });
}
static inline enum http_verdict w_check(void *arg, struct http_req *r)
{
	struct world *w = arg;

	if (r->route->auth == 2) {
		http_respond_text(r, 401, "who are you");
		return HTTP_REFUSED;
	}
	return w->verdict;
}
static inline void w_done(void *arg, const struct http_req *r, int status, uint64_t ms)
{
	struct world *w = arg;

	(void)ms;
	w->done++;
	w->last_status = status;
	w->last_client = r->client;
}
static inline bool w_is_proxy(void *arg, const struct net_addr *a)
{
	(void)arg;
	(void)a;
	return true;
}

static inline void world_serve(struct world *w)
{
	w->srv = http_server_new(w->l, &(struct http_server_opts){
					       .limits = w->limits, .router = w->router, .on_done = w_done, .on_done_arg = w,
					       .is_proxy = w_is_proxy });
}

static inline void world_init(struct world *w)
{
	const struct http_route routes[] = {
		{ "GET POST", "/echo", w_echo, w, 1 },
		{ "GET POST", "/small", w_echo, w, 1, .body_max = 10 },
		{ "GET", "/thing/{id}", w_echo, w, 1 },
		{ "GET", "/later", w_later, w, 1 },
		{ "GET", "/stream", w_stream, w, 1 },
		{ "GET POST", "/switch", w_switch, w, 1 },
		{ "GET", "/take", w_take, w, 1 },
		{ "GET", "/busy", w_busy, w, 1 },
		{ "GET", "/evil", w_evil, w, 1 },
		{ "GET", "/secret", w_echo, w, 2 },
	};
	struct stream *a;

	*w = (struct world){ .l = loop_new(0), .router = http_router_new() };
	http_router_add_all(w->router, routes, sizeof routes / sizeof *routes);
	http_router_set_check(w->router, w_check, w);
	world_serve(w);
	pipe_pair(w->l, &a, &w->end);
	reader_init(&w->peer, a);
	stream_resume(a);
}

static inline void world_release(struct world *w)
{
	stream_drop(&w->taken, false);
	stream_drop(&w->end, false);
	reader_release(&w->peer);
	http_server_free(&w->srv);
	loop_free(&w->l);
	http_router_free(&w->router);
}

static inline void turns(struct world *w, int n)
{
	while (n-- > 0)
		loop_turn(w->l, 0);
}

/* Count the moments at which a connection is no stranger any more. */
static inline void w_established(struct conn_info *c)
{
	(*(unsigned *)c->bottom)++;
}
static inline void watch_established(struct stream *s, unsigned *n)
{
	stream_conn(s)->established = w_established;
	stream_conn(s)->bottom = n;
}

/* What came so far, as text; NUL-terminated in place. */
static inline const char *got(struct world *w)
{
	buf_put_char(&w->peer.got, 0);
	w->peer.got.n--;
	return (const char *)w->peer.got.p;
}

static inline unsigned count_of(const char *hay, const char *needle)
{
	unsigned n = 0;

	for (const char *p = hay; (p = strstr(p, needle)) != NULL; p += strlen(needle))
		n++;
	return n;
}

#endif
