/*
 * http/http1.c -- see http/server.h: HTTP/1.1 connections.
 *
 *     FIRST   accepted, nothing came yet
 *     IDLE    between two requests; the request is made at the first byte of the next
 *     HEAD    reading a head
 *     BODY    the head was good, reading the body
 *     BUSY    the handler has it; what the peer sends ahead waits in `ahead`
 *     LAST    the connection closes once what was written is sent
 *
 * While a handler works the connection goes on reading a little: only so is it known that the peer went away.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/h1_parser.h"
#include "http/head.h"
#include "http/http_priv.h"
#include "net/counters.h"

#define AHEAD_PAUSE ((size_t)16 * 1024) /* stop reading when so much was sent ahead */
#define AHEAD_MAX   ((size_t)1024 * 1024)
#define UNROUTED_BODY_MAX ((size_t)64 * 1024)

enum state { FIRST, IDLE, HEAD, BODY, BUSY, LAST };

struct h1_req {
	struct http_req r;
	struct h1_conn *c; /* NULL: the connection is gone or taken */
	struct http_head head;
	struct buf body;
	size_t body_max;
	uint32_t body_ms;
	uint64_t begun_ms;
	int refuse;        /* answer with this status instead of asking a handler */
	int status;
	bool keep, chunked, expect, broken_upgrade;
	struct loop_task gone; /* releases it */
};

struct h1_conn {
	struct http_conn c;
	struct stream *s;
	struct h1_parser *parser;
	struct h1_req *req;
	enum state state;
	struct buf ahead;
	uint32_t count;
	bool feeding, eof, taken;
	struct loop_task task; /* go on with `ahead` */
};

static const struct http_req_ops req_ops;

static struct h1_conn *of(struct http_conn *c)
{
	return (struct h1_conn *)c;
}

static struct h1_req *req_of(const struct http_req *r)
{
	return (struct h1_req *)r;
}

/* ---- requests ---- */

static void release_req(void *arg)
{
	struct h1_req *q = arg;
	struct arena *a = q->r.arena;

	http_head_release(&q->head);
	buf_release(&q->body);
	conn_info_unref(&q->r.conn);
	arena_free(&a); /* q is in it */
}

static struct h1_req *new_req(struct h1_conn *c)
{
	const struct http_limits *l = &c->c.srv->opts.limits;
	struct arena *a = arena_new();
	struct h1_req *q = ARENA_NEW(a, struct h1_req);

	q->c = c;
	q->r.arena = a;
	q->r.loop = stream_loop(c->s);
	q->r.conn = conn_info_ref(stream_conn(c->s));
	q->r.ops = &req_ops;
	q->begun_ms = loop_now_ms(q->r.loop);
	http_head_init(&q->head, l->head_bytes, l->head_count);
	buf_init(&q->body, 0);
	loop_task_init(&q->gone, q->r.loop, release_req, q);
	net_count(NET_COUNT_HTTP_REQUEST);
	return q;
}

/* The request is over; its memory stays until the end of the turn, for frames above. */
static void retire_req(struct h1_req *q)
{
	q->c = NULL;
	loop_task_queue(&q->gone);
}

/* ---- the parser's events ---- */

static enum status on_target(void *arg, struct bytes b)
{
	return http_head_target(&((struct h1_conn *)arg)->req->head, b);
}

static enum status on_name(void *arg, struct bytes b)
{
	return http_head_name(&((struct h1_conn *)arg)->req->head, b);
}

static enum status on_value(void *arg, struct bytes b)
{
	return http_head_value(&((struct h1_conn *)arg)->req->head, b);
}

static bool well_formed(struct h1_req *q, const struct h1_head *h)
{
	const char *target;

	if (http_head_finish(&q->head, q->r.arena, &target, &q->r.headers, &q->r.n_headers) != ST_OK)
		return false;
	http_head_release(&q->head);
	q->r.method = h->method;
	q->r.host = http_req_header(&q->r, "host");
	if (!q->r.host && q->r.version == HTTP_V11)
		return false;
	if (!q->r.host)
		q->r.host = "";
	return http_req_set_target(&q->r, target) == ST_OK;
}

static void choose_limits(struct h1_conn *c, struct h1_req *q)
{
	const struct http_limits *l = &c->c.srv->opts.limits;
	const struct http_route *route;
	const char *allow;

	http_router_find(c->c.srv->opts.router, &q->r, &route, &allow);
	q->body_max = route && route->body_max ? route->body_max : l->body_bytes;
	if (!route && q->body_max > UNROUTED_BODY_MAX)
		q->body_max = UNROUTED_BODY_MAX;
	q->body_ms = route && route->body_ms ? route->body_ms : l->body_ms;
	q->body.max = q->body_max;
}

static enum status on_head(void *arg, bool *skip_body)
{
	struct h1_conn *c = arg;
	struct h1_req *q = c->req;
	const struct h1_head *h = h1_parser_head(c->parser);
	const char *expect;

	(void)skip_body;
	q->keep = h->keep && !c->c.srv->draining;
	q->r.version = h->minor == 0 ? HTTP_V10 : HTTP_V11;
	if (h->major != 1) {
		q->refuse = 505;
		return ST_BAD_INPUT;
	}
	if (!well_formed(q, h))
		return ST_BAD_INPUT;
	http_req_set_client(&q->r, c->c.srv);
	choose_limits(c, q);
	if (h->has_length && h->length > q->body_max)
		return ST_TOO_BIG;
	expect = http_req_header(&q->r, "expect");
	if (expect && strcasecmp(expect, "100-continue") == 0 && q->r.version == HTTP_V11) {
		if (!(h->has_length && h->length == 0))
			stream_write(c->s, BYTES_LIT("HTTP/1.1 100 Continue\r\n\r\n"));
	} else if (expect) {
		q->refuse = 417;
		return ST_BAD_INPUT;
	}
	conn_established(q->r.conn);
	c->state = BODY;
	stream_set_deadline(c->s, q->body_ms);
	return ST_OK;
}

static enum status on_body(void *arg, struct bytes b)
{
	struct h1_req *q = ((struct h1_conn *)arg)->req;

	buf_put_bytes(&q->body, b);
	return buf_ok(&q->body) ? ST_OK : ST_TOO_BIG;
}

static const struct h1_events events = {
	.target = on_target,
	.name = on_name,
	.value = on_value,
	.head = on_head,
	.body = on_body,
};

/* ---- answering ---- */

static void close_after(struct h1_conn *c)
{
	c->state = LAST;
	stream_close(c->s);
}

/* An answer is complete. */
static void finish(struct h1_req *q)
{
	struct h1_conn *c = q->c;

	http_req_done(&q->r, c->c.srv, q->status, q->begun_ms);
	c->req = NULL;
	retire_req(q);
	if (c->state == LAST)
		return;
	if (!q->keep || !c->c.srv || (c->eof && c->ahead.n == 0)) {
		close_after(c);
		return;
	}
	c->state = IDLE;
	stream_set_deadline(c->s, c->c.srv->opts.limits.idle_ms);
	if (!c->feeding)
		loop_task_queue(&c->task);
}

static void put_head(struct h1_req *q, int status, bool has_length, size_t length)
{
	struct h1_conn *c = q->c;
	struct http_req *r = &q->r;
	struct buf b;

	q->status = status;
	buf_init(&b, (size_t)256 * 1024);
	buf_printf(&b, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
	if (c->c.srv)
		buf_printf(&b, "Date: %s\r\n", http_server_date(c->c.srv));
	for (size_t i = 0; i < r->n_out_headers; i++)
		buf_printf(&b, "%s: %s\r\n", r->out_headers[i].name, r->out_headers[i].value);
	if (has_length && status != 204 && status != 304)
		buf_printf(&b, "Content-Length: %zu\r\n", length);
	if (q->chunked)
		buf_put_str(&b, "Transfer-Encoding: chunked\r\n");
	if (!q->keep)
		buf_put_str(&b, "Connection: close\r\n");
	else if (r->version == HTTP_V10)
		buf_put_str(&b, "Connection: keep-alive\r\n");
	buf_put_str(&b, "\r\n");
	if (buf_ok(&b))
		stream_write(c->s, buf_bytes(&b));
	else
		stream_abort(c->s, STREAM_END_LIMIT);
	buf_release(&b);
}

static void h1_respond(struct http_req *r, int status, struct bytes body, struct shared_bytes *shared)
{
	struct h1_req *q = req_of(r);

	if (!q->c->c.srv || q->c->c.srv->draining)
		q->keep = false;
	put_head(q, status, true, body.n);
	if (http_has_body(r, status) && shared)
		stream_write_shared(q->c->s, shared, 0, shared->n);
	else if (http_has_body(r, status))
		stream_write(q->c->s, body);
	finish(q);
}

static void h1_start(struct http_req *r, int status)
{
	struct h1_req *q = req_of(r);

	q->chunked = r->version == HTTP_V11 && http_has_body(r, status);
	if (!q->chunked && http_has_body(r, status))
		q->keep = false; /* its end is the connection's */
	put_head(q, status, false, 0);
}

static void h1_write(struct http_req *r, struct bytes b, struct shared_bytes *shared)
{
	struct h1_req *q = req_of(r);
	char line[24];

	if (!http_has_body(r, q->status))
		return;
	if (q->chunked)
		stream_write(q->c->s, bytes_of(line, (size_t)snprintf(line, sizeof line, "%zx\r\n", b.n)));
	if (shared)
		stream_write_shared(q->c->s, shared, 0, shared->n);
	else
		stream_write(q->c->s, b);
	if (q->chunked)
		stream_write(q->c->s, BYTES_LIT("\r\n"));
}

static void h1_end(struct http_req *r)
{
	struct h1_req *q = req_of(r);

	if (q->chunked)
		stream_write(q->c->s, BYTES_LIT("0\r\n\r\n"));
	finish(q);
}

static void h1_abort(struct http_req *r, bool connection)
{
	struct h1_req *q = req_of(r);
	struct h1_conn *c = q->c;

	(void)connection;
	q->keep = false;
	c->state = LAST;
	stream_abort(c->s, STREAM_END_LOCAL);
	finish(q);
}

static size_t h1_pending(const struct http_req *r)
{
	const struct h1_req *q = req_of(r);

	return q->c ? stream_pending(q->c->s) : 0;
}

static void h1_drop_body(struct http_req *r)
{
	buf_release(&req_of(r)->body);
}

/* ---- the end of a connection ---- */

static void release_conn(void *arg)
{
	struct h1_conn *c = arg;

	h1_parser_free(&c->parser);
	buf_release(&c->ahead);
	loop_task_cancel(&c->task);
	free(c);
}

static struct stream *h1_take(struct http_req *r, const char *token)
{
	struct h1_req *q = req_of(r);
	struct h1_conn *c = q->c;
	struct stream *s = c->s;

	stream_pause(s);
	stream_set_handler(s, NULL, NULL);
	stream_set_deadline(s, 0);
	if (token) {
		http_req_done(r, c->c.srv, 101, q->begun_ms);
		stream_write(s, bytes_of_str(arena_printf(r->arena, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\nConnection: upgrade\r\n", token)));
		for (size_t i = 0; i < r->n_out_headers; i++)
			stream_write(s, bytes_of_str(arena_printf(r->arena, "%s: %s\r\n", r->out_headers[i].name, r->out_headers[i].value)));
		stream_write(s, BYTES_LIT("\r\n"));
	} else {
		http_req_done(r, c->c.srv, 0, q->begun_ms);
	}
	stream_unread(s, buf_bytes(&c->ahead));
	http_server_remove(&c->c);
	c->req = NULL;
	c->taken = true;
	c->s = NULL;
	retire_req(q);
	loop_task_cancel(&c->task);
	loop_defer(r->loop, release_conn, c);
	return s;
}

static const struct http_req_ops req_ops = {
	.respond = h1_respond,
	.start = h1_start,
	.write = h1_write,
	.end = h1_end,
	.abort = h1_abort,
	.pending = h1_pending,
	.drop_body = h1_drop_body,
	.take = h1_take,
};

/* The peer is gone while a handler works. */
static void cancel_req(struct h1_conn *c)
{
	struct h1_req *q = c->req;

	c->req = NULL;
	if (!q)
		return;
	q->r.ended = true;
	if (c->state == BUSY && q->r.cancel)
		q->r.cancel(q->r.cancel_arg, &q->r);
	if (c->state == BUSY)
		http_req_done(&q->r, c->c.srv, 0, q->begun_ms);
	retire_req(q);
}

static void on_closed(void *arg, enum stream_end why)
{
	struct h1_conn *c = arg;

	(void)why;
	cancel_req(c);
	http_server_remove(&c->c);
	release_conn(c);
}

/* ---- reading ---- */

static void refuse(struct h1_conn *c, int status)
{
	struct h1_req *q = c->req;

	q->keep = false;
	q->r.method = q->r.method ? q->r.method : "GET";
	if (!q->r.raw_path)
		q->r.raw_path = q->r.path = q->r.query = q->r.host = "";
	if (!q->r.headers)
		q->r.n_headers = 0;
	c->state = BUSY;
	http_respond_text(&q->r, status, http_reason(status));
}

static void refuse_for(struct h1_conn *c, enum status why)
{
	bool big = why == ST_TOO_BIG;
	bool body = c->state == BODY || c->req->r.raw_path;

	net_count(!big ? NET_COUNT_HTTP_BAD : body ? NET_COUNT_HTTP_BODY_BIG : NET_COUNT_HTTP_HEAD_BIG);
	refuse(c, c->req->refuse ? c->req->refuse : !big ? 400 : body ? 413 : 431);
}

static void dispatch(struct h1_conn *c)
{
	struct h1_req *q = c->req;
	uint32_t max = c->c.srv->opts.limits.requests;

	if (max && ++c->count >= max)
		q->keep = false;
	q->r.body = buf_bytes(&q->body);
	c->state = BUSY;
	stream_set_deadline(c->s, 0);
	http_router_dispatch(c->c.srv->opts.router, &q->r);
}

/* Take what belongs to one request from the front of `ahead`. False: nothing more can be done now. */
static bool step(struct h1_conn *c)
{
	enum status s;
	size_t used;

	if (c->state == FIRST || c->state == IDLE) {
		c->req = new_req(c);
		c->state = HEAD;
		stream_set_deadline(c->s, c->c.srv->opts.limits.head_ms);
	}
	s = h1_parser_feed(c->parser, buf_bytes(&c->ahead), &used);
	buf_consume(&c->ahead, used <= c->ahead.n ? used : c->ahead.n);
	if (s == ST_AGAIN)
		return false;
	if (s == ST_OK)
		dispatch(c);
	else
		refuse_for(c, s);
	return true;
}

static void feed(struct h1_conn *c)
{
	c->feeding = true;
	while (!c->taken && c->state < BUSY && c->ahead.n && step(c))
		;
	c->feeding = false;
	if (c->taken)
		return;
	if (c->ahead.n == 0)
		buf_release(&c->ahead);
	if (c->state < BUSY && c->eof)
		close_after(c); /* half a request, and no more of it comes */
	else if (c->state == BUSY && c->ahead.n > AHEAD_PAUSE)
		stream_pause(c->s);
	else if (c->state != LAST)
		stream_resume(c->s);
}

static void on_data(void *arg, struct bytes b)
{
	struct h1_conn *c = arg;

	buf_put_bytes(&c->ahead, b);
	if (!buf_ok(&c->ahead)) {
		stream_abort(c->s, STREAM_END_LIMIT);
		return;
	}
	feed(c);
}

static void on_eof(void *arg)
{
	struct h1_conn *c = arg;

	c->eof = true;
	if (c->state == BUSY) {
		struct h1_req *q = c->req;

		if (q->r.cancel) {
			cancel_req(c);
			close_after(c);
		} /* else it is about to be answered; finish() closes */
		return;
	}
	if (c->state == LAST)
		return;
	close_after(c);
}

static void on_drained(void *arg)
{
	struct h1_conn *c = arg;
	struct h1_req *q = c->req;

	if (q && c->state == BUSY && q->r.started && q->r.drained)
		q->r.drained(q->r.drained_arg, &q->r);
}

static const struct stream_handler handler = {
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
	.closed = on_closed,
};

static void go_on(void *arg)
{
	feed(arg);
}

/* ---- connections of the server ---- */

static void conn_drain(struct http_conn *hc)
{
	struct h1_conn *c = of(hc);

	if (c->req)
		c->req->keep = false;
	else if (c->state != LAST)
		close_after(c);
}

static void conn_abort(struct http_conn *hc, enum stream_end why)
{
	stream_abort(of(hc)->s, why);
}

static const struct http_conn_ops conn_ops = { .drain = conn_drain, .abort = conn_abort };

void http_server_accept(void *server, struct stream *s)
{
	struct http_server *srv = server;
	struct h1_conn *c;

	if (srv->draining) {
		stream_drop(&s, false);
		return;
	}
	c = xcalloc(1, sizeof *c);
	c->s = s;
	c->parser = h1_parser_new(true, &events, c);
	buf_init(&c->ahead, AHEAD_MAX);
	loop_task_init(&c->task, stream_loop(s), go_on, c);
	http_server_add(srv, &c->c, &conn_ops);
	stream_set_deadline(s, srv->opts.limits.first_ms);
	stream_start(s, &handler, c);
}
