/*
 * http/h2.c -- see http/h2.h.
 *
 * nghttp2 keeps the protocol; we bring bytes to it and carry away its frames. It is fed in the stream's data callback and sends
 * from a task at the end of the turn, so that all that a turn wrote to all requests leaves together. DATA is never
 * copied into nghttp2: a frame's header is written, then the pieces of the request's queue themselves.
 *
 * A session sends all or nothing: while much waits below, it is not asked to send, and DATA holds back. So it never stops
 * inside a frame, and between two calls the 16 KiB in which it builds frames hold nothing: all sessions of a loop share
 * them (see mem_realloc()), which is half of what an idle session would take.
 *
 * A handler is never called from inside nghttp2, but a cancel callback may be; there handlers may answer other requests, for
 * nghttp2 allows submitting inside its callbacks.
 *
 * A request lives until its stream is closed on both sides; `r.ended` says whether the handler still has it.
 */
#include "http/h2.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/h2_priv.h"
#include "http/head.h"
#include "http/http_priv.h"
#include "net/counters.h"

#define MAX_STREAMS   250u
/* No more goes to the stream below while so much waits there: what waits here is shared, there it is sealed for each. */
#define PENDING_HIGH  ((size_t)48 * 1024)
#define BODIES_BYTES  ((size_t)4 * 1024 * 1024)
#define REQ_ROOM      ((size_t)1024) /* first block of a request's arena: itself and a few headers; a map stream stays for days */
#define RESETS_BURST  200u /* requests a peer may reset at once, and how many more each second */
#define RESETS_RATE   33u
#define UNROUTED_BODY_MAX ((size_t)64 * 1024)

struct h2_req {
	struct http_req r;
	struct h2_conn *c;
	struct h2_req *next, *prev;   /* all of the connection */
	struct h2_req *ready;         /* to be dispatched */
	int32_t id;
	struct http_head head;
	struct buf body;
	struct h2_queue out;
	const char *target;
	uint64_t begun_ms;
	int status, refuse;
	bool headed, complete, dispatched, out_end, deferred, above_low, closed;
	bool held;                    /* deferred, though there is something */
	struct loop_task drained;
	struct loop_task gone;
};

struct h2_conn {
	struct http_conn c;
	struct stream *s;
	nghttp2_session *ng;
	struct h2_server_opts opts;
	struct net_addr client; /* if opts.client */
	struct h2_req all; /* ring */
	size_t n, bodies;
	struct h2_req *ready, **ready_end;
	struct loop_task send;
	struct loop_timer timer;  /* ping, idle */
	bool making;              /* its session, in nghttp2 */
	bool held;                /* some DATA was deferred because much waits below */
	uint64_t heard_ms, idle_since_ms;
	bool pinged, draining, receiving;
	uint64_t resets_at_ms;
	uint32_t resets;          /* level of the bucket */
};

static const struct http_req_ops req_ops;

static struct h2_req *req_of(const struct http_req *r)
{
	return (struct h2_req *)r;
}

/* ---- requests ---- */

static void release_req(void *arg)
{
	struct h2_req *q = arg;
	struct arena *a = q->r.arena;

	http_head_release(&q->head);
	buf_release(&q->body);
	h2_queue_release(&q->out);
	loop_task_cancel(&q->drained);
	conn_info_unref(&q->r.conn);
	arena_free(&a);
}

static void tell_drained(void *arg)
{
	struct h2_req *q = arg;

	if (!q->r.ended && q->r.drained)
		q->r.drained(q->r.drained_arg, &q->r);
}

static struct h2_req *new_req(struct h2_conn *c, int32_t id)
{
	const struct http_limits *l = &c->c.srv->opts.limits;
	struct arena *a = arena_new_sized(REQ_ROOM);
	struct h2_req *q = ARENA_NEW(a, struct h2_req);

	q->c = c;
	q->id = id;
	q->r.arena = a;
	q->r.loop = stream_loop(c->s);
	q->r.version = HTTP_V2;
	q->r.conn = conn_info_ref(stream_conn(c->s));
	q->r.conn_data = c->opts.conn_data;
	q->r.method = q->r.host = "";
	q->r.ops = &req_ops;
	q->begun_ms = loop_now_ms(q->r.loop);
	http_head_init(&q->head, l->head_bytes, l->head_count);
	buf_init(&q->body, 0);
	loop_task_init(&q->drained, q->r.loop, tell_drained, q);
	loop_task_init(&q->gone, q->r.loop, release_req, q);
	q->prev = c->all.prev;
	q->next = &c->all;
	c->all.prev->next = q;
	c->all.prev = q;
	c->n++;
	net_count(NET_COUNT_HTTP_REQUEST);
	return q;
}

static void drop_body(struct h2_req *q)
{
	if (q->c)
		q->c->bodies -= q->body.n;
	buf_release(&q->body);
}

/* The stream is closed on both sides, or the connection ends. */
static void retire_req(struct h2_req *q)
{
	struct h2_conn *c = q->c;

	if (q->closed)
		return;
	q->closed = true;
	if (q->dispatched && !q->r.ended) {
		q->r.ended = true;
		if (q->r.cancel)
			q->r.cancel(q->r.cancel_arg, &q->r);
		http_req_done(&q->r, c->c.srv, 0, q->begun_ms);
	}
	q->r.ended = true;
	for (struct h2_req **p = &c->ready; *p; p = &(*p)->ready) {
		if (*p != q)
			continue;
		*p = q->ready;
		if (!*p)
			c->ready_end = p;
		break;
	}
	drop_body(q);
	h2_queue_release(&q->out);
	loop_task_cancel(&q->drained);
	q->next->prev = q->prev;
	q->prev->next = q->next;
	c->n--;
	c->idle_since_ms = loop_now_ms(q->r.loop);
	q->c = NULL;
	loop_task_queue(&q->gone);
}

/* ---- sending ---- */

static bool is_full(const struct h2_conn *c)
{
	return stream_pending(c->s) > PENDING_HIGH;
}

static ssize_t on_send(nghttp2_session *ng, const uint8_t *p, size_t n, int flags, void *arg)
{
	struct h2_conn *c = arg;

	(void)ng;
	(void)flags;
	stream_write(c->s, bytes_of(p, n));
	return (ssize_t)n;
}

static ssize_t on_read(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
		       nghttp2_data_source *src, void *arg)
{
	struct h2_req *q = src->ptr;
	struct h2_conn *c = arg;

	(void)ng;
	(void)id;
	(void)buf;
	n = n < q->out.bytes ? n : q->out.bytes;
	if (n && is_full(c)) {
		q->held = c->held = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (n == q->out.bytes && q->out_end)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	else if (n == 0) {
		q->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	return (ssize_t)n;
}

static int on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t n,
			nghttp2_data_source *src, void *arg)
{
	struct h2_conn *c = arg;
	struct h2_req *q = src->ptr;

	(void)ng;
	(void)frame;
	stream_write(c->s, bytes_of(head, H2_FRAME_HEAD));
	h2_queue_send(&q->out, c->s, n);
	if (q->above_low && q->out.bytes <= HTTP_LOW_WATER) {
		q->above_low = false;
		loop_task_queue(&q->drained);
	}
	return 0;
}

static void end_conn(struct h2_conn *c, enum stream_end why)
{
	stream_abort(c->s, why);
}

/* There is room below again. */
static void release_held(struct h2_conn *c)
{
	c->held = false;
	for (struct h2_req *q = c->all.next; q != &c->all; q = q->next) {
		if (!q->held)
			continue;
		q->held = false;
		nghttp2_session_resume_data(c->ng, q->id);
	}
}

static void send_all(void *arg)
{
	struct h2_conn *c = arg;

	if (!stream_is_open(c->s) || is_full(c))
		return; /* on_drained() comes back */
	if (c->held)
		release_held(c);
	if (nghttp2_session_send(c->ng) != 0) {
		end_conn(c, STREAM_END_PROTOCOL);
		return;
	}
	if ((!nghttp2_session_want_read(c->ng) && !nghttp2_session_want_write(c->ng)) || (c->draining && c->n == 0))
		stream_close(c->s);
}

static void wake(struct h2_conn *c)
{
	loop_task_queue(&c->send);
}

/* ---- answering ---- */

static nghttp2_nv nv(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE };
}

/* HTTP/2 has no hop-by-hop headers. */
static bool is_hop_by_hop(const char *name)
{
	return strcmp(name, "connection") == 0 || strcmp(name, "transfer-encoding") == 0 || strcmp(name, "upgrade") == 0 ||
	       strcmp(name, "keep-alive") == 0;
}

static void submit(struct h2_req *q, int status, bool body, bool has_length, size_t length)
{
	nghttp2_nv *v = ARENA_ARRAY(q->r.arena, nghttp2_nv, q->r.n_out_headers + 2);
	nghttp2_data_provider src = { .source.ptr = q, .read_callback = on_read };
	char code[12], len[24];
	size_t n = 0;

	q->status = status;
	snprintf(code, sizeof code, "%d", status);
	v[n++] = nv(":status", code);
	for (size_t i = 0; i < q->r.n_out_headers; i++) {
		char *name = (char *)q->r.out_headers[i].name;

		for (char *p = name; *p; p++)
			*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
		if (!is_hop_by_hop(name))
			v[n++] = nv(name, q->r.out_headers[i].value);
	}
	if (has_length) {
		snprintf(len, sizeof len, "%zu", length);
		v[n++] = nv("content-length", len);
	}
	if (nghttp2_submit_response(q->c->ng, q->id, v, n, body ? &src : NULL) != 0)
		nghttp2_submit_rst_stream(q->c->ng, NGHTTP2_FLAG_NONE, q->id, NGHTTP2_INTERNAL_ERROR);
	wake(q->c);
}

static void done(struct h2_req *q)
{
	http_req_done(&q->r, q->c->c.srv, q->status, q->begun_ms);
	drop_body(q);
}

static void h2_respond(struct http_req *r, int status, struct bytes body, struct shared_bytes *shared)
{
	struct h2_req *q = req_of(r);
	bool has = http_has_body(r, status) && body.n;

	if (has)
		h2_queue_put(&q->out, body, shared);
	q->out_end = true;
	submit(q, status, has, status != 204 && status != 304, body.n);
	done(q);
}

static void h2_start(struct http_req *r, int status)
{
	submit(req_of(r), status, http_has_body(r, status), false, 0);
}

static void resume(struct h2_req *q)
{
	if (q->deferred) {
		q->deferred = false;
		nghttp2_session_resume_data(q->c->ng, q->id);
	}
	wake(q->c);
}

static void h2_write(struct http_req *r, struct bytes b, struct shared_bytes *shared)
{
	struct h2_req *q = req_of(r);

	if (!http_has_body(r, q->status))
		return;
	h2_queue_put(&q->out, b, shared);
	if (q->out.bytes > HTTP_LOW_WATER)
		q->above_low = true;
	resume(q);
}

static void h2_end(struct http_req *r)
{
	struct h2_req *q = req_of(r);

	q->out_end = true;
	resume(q);
	done(q);
}

static void h2_abort(struct http_req *r, bool connection)
{
	struct h2_req *q = req_of(r);

	done(q);
	if (connection)
		end_conn(q->c, STREAM_END_LOCAL);
	nghttp2_submit_rst_stream(q->c->ng, NGHTTP2_FLAG_NONE, q->id, NGHTTP2_INTERNAL_ERROR);
	wake(q->c);
}

static size_t h2_pending(const struct http_req *r)
{
	return req_of(r)->out.bytes;
}

static void h2_drop_body(struct http_req *r)
{
	drop_body(req_of(r));
}

static const struct http_req_ops req_ops = {
	.respond = h2_respond,
	.start = h2_start,
	.write = h2_write,
	.end = h2_end,
	.abort = h2_abort,
	.pending = h2_pending,
	.drop_body = h2_drop_body,
};

/* ---- receiving ---- */

static struct h2_req *find(nghttp2_session *ng, int32_t id)
{
	return nghttp2_session_get_stream_user_data(ng, id);
}

/* Answer in the handler's place. */
static void refuse(struct h2_req *q, int status)
{
	if (q->r.ended)
		return;
	net_count(status == 413 ? NET_COUNT_HTTP_BODY_BIG : status == 431 ? NET_COUNT_HTTP_HEAD_BIG : NET_COUNT_HTTP_BAD);
	if (!q->r.raw_path)
		q->r.raw_path = q->r.path = q->r.query = "";
	if (!q->headed)
		q->r.n_headers = 0;
	http_respond_text(&q->r, status, http_reason(status));
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct h2_conn *c = arg;

	if (f->hd.type == NGHTTP2_HEADERS && f->headers.cat == NGHTTP2_HCAT_REQUEST)
		nghttp2_session_set_stream_user_data(ng, f->hd.stream_id, new_req(c, f->hd.stream_id));
	return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *f, const uint8_t *name, size_t n_name,
		     const uint8_t *value, size_t n_value, uint8_t flags, void *arg)
{
	struct h2_req *q = find(ng, f->hd.stream_id);
	struct bytes k = bytes_of(name, n_name), v = bytes_of(value, n_value);
	enum status s = ST_OK;

	(void)flags;
	(void)arg;
	if (!q || q->headed || q->refuse)
		return 0; /* trailers, or lost already */
	if (bytes_eq_str(k, ":method"))
		q->r.method = arena_strndup(q->r.arena, v.p, v.n);
	else if (bytes_eq_str(k, ":path"))
		q->target = arena_strndup(q->r.arena, v.p, v.n);
	else if (bytes_eq_str(k, ":authority"))
		q->r.host = arena_strndup(q->r.arena, v.p, v.n);
	else if (k.n && k.p[0] != ':')
		s = http_head_pair(&q->head, k, v);
	if (v.n > q->head.text.max)
		s = ST_TOO_BIG;
	if (s != ST_OK)
		q->refuse = s == ST_TOO_BIG ? 431 : 400;
	return 0;
}

static bool well_formed(struct h2_req *q)
{
	if (http_head_finish(&q->head, q->r.arena, NULL, &q->r.headers, &q->r.n_headers) != ST_OK)
		return false;
	http_head_release(&q->head);
	if (!*q->r.host && http_req_header(&q->r, "host"))
		q->r.host = http_req_header(&q->r, "host");
	return q->target && http_req_set_target(&q->r, q->target) == ST_OK;
}

static void on_head_complete(struct h2_conn *c, struct h2_req *q)
{
	const struct http_route *route;
	const char *allow;
	size_t max = c->c.srv->opts.limits.body_bytes;

	if (!q->refuse && !well_formed(q))
		q->refuse = 400;
	q->headed = true;
	if (q->refuse) {
		refuse(q, q->refuse);
		return;
	}
	http_req_set_client(&q->r, c->c.srv);
	if (c->opts.client)
		q->r.client = c->client;
	conn_established(q->r.conn);
	http_router_find(c->opts.router, &q->r, &route, &allow);
	if (route && route->body_max)
		max = route->body_max;
	else if (!route && max > UNROUTED_BODY_MAX)
		max = UNROUTED_BODY_MAX;
	q->body.max = max;
}

static void on_complete(struct h2_conn *c, struct h2_req *q)
{
	q->complete = true;
	if (q->r.ended)
		return;
	*c->ready_end = q;
	c->ready_end = &q->ready;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct h2_conn *c = arg;
	struct h2_req *q;

	if (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA)
		return 0;
	q = find(ng, f->hd.stream_id);
	if (!q || q->complete)
		return 0;
	if (f->hd.type == NGHTTP2_HEADERS && !q->headed)
		on_head_complete(c, q);
	if (f->hd.flags & NGHTTP2_FLAG_END_STREAM)
		on_complete(c, q);
	return 0;
}

static int on_chunk(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *arg)
{
	struct h2_conn *c = arg;
	struct h2_req *q = find(ng, id);
	size_t max = c->opts.bodies_bytes;

	(void)flags;
	if (!q || q->r.ended)
		return 0;
	if (n > max - c->bodies) { /* many bodies at once */
		net_count(NET_COUNT_HTTP_BODY_BIG);
		q->r.ended = true;
		nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_ENHANCE_YOUR_CALM);
		return 0;
	}
	buf_put(&q->body, p, n);
	if (buf_ok(&q->body))
		c->bodies += n;
	else
		refuse(q, 413);
	return 0;
}

/* A peer that opens and resets costs us more than itself. */
static bool too_many_resets(struct h2_conn *c)
{
	uint64_t now = loop_now_ms(stream_loop(c->s));
	uint64_t leaked = (now - c->resets_at_ms) * RESETS_RATE / 1000;

	if (leaked) {
		c->resets = leaked >= c->resets ? 0 : c->resets - (uint32_t)leaked;
		c->resets_at_ms = now;
	}
	return ++c->resets > RESETS_BURST;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t error, void *arg)
{
	struct h2_conn *c = arg;
	struct h2_req *q = find(ng, id);

	if (q)
		retire_req(q);
	if (error != NGHTTP2_NO_ERROR && c->receiving && too_many_resets(c)) {
		net_count(NET_COUNT_H2_FLOOD);
		nghttp2_session_terminate_session(ng, NGHTTP2_ENHANCE_YOUR_CALM);
	}
	if (c->draining && c->n == 0)
		wake(c);
	return 0;
}

/* An answer was given before the request was read to its end: tell the peer that nobody wants the rest. */
static int on_sent(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct h2_req *q;

	(void)arg;
	if ((f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA) || !(f->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	q = find(ng, f->hd.stream_id);
	if (q && !q->complete)
		nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, f->hd.stream_id, NGHTTP2_NO_ERROR);
	return 0;
}

static void dispatch_ready(struct h2_conn *c)
{
	while (c->ready && stream_is_open(c->s)) {
		struct h2_req *q = c->ready;

		c->ready = q->ready;
		q->ready = NULL;
		if (!c->ready)
			c->ready_end = &c->ready;
		if (q->r.ended)
			continue;
		q->r.body = buf_bytes(&q->body);
		q->dispatched = true;
		http_router_dispatch(c->opts.router, &q->r);
	}
}

static void on_data(void *arg, struct bytes b)
{
	struct h2_conn *c = arg;
	ssize_t n;

	c->heard_ms = loop_now_ms(stream_loop(c->s));
	c->pinged = false;
	c->receiving = true;
	n = nghttp2_session_mem_recv(c->ng, b.p, b.n);
	c->receiving = false;
	if (n < 0 || (size_t)n != b.n) {
		end_conn(c, STREAM_END_PROTOCOL);
		return;
	}
	dispatch_ready(c);
	wake(c);
}

static void on_drained(void *arg)
{
	send_all(arg);
}

static void release_conn(void *arg)
{
	struct h2_conn *c = arg;

	loop_task_cancel(&c->send);
	loop_timer_cancel(&c->timer);
	nghttp2_session_del(c->ng);
	free(c);
}

static void on_closed(void *arg, enum stream_end why)
{
	struct h2_conn *c = arg;

	c->ready = NULL;
	c->ready_end = &c->ready;
	while (c->all.next != &c->all)
		retire_req(c->all.next);
	http_server_remove(&c->c);
	if (c->opts.closed)
		c->opts.closed(c->opts.conn_data, why);
	release_conn(c);
}

static const struct stream_handler handler = {
	.data = on_data,
	.drained = on_drained,
	.closed = on_closed,
};

/* ---- memory of a session ---- */

/* nghttp2's NGHTTP2_FRAMEBUF_CHUNKLEN: the largest frame, its header and a byte of padding. Another version may not have
 * such a block; then nothing is shared. */
#define FRAME_ROOM ((size_t)16384 + H2_FRAME_HEAD + 1)

static uint8_t *room_of(const struct h2_conn *c)
{
	return loop_room(stream_loop(c->s));
}

static void *mem_malloc(size_t n, void *arg)
{
	(void)arg;
	return malloc(n);
}

static void *mem_calloc(size_t n, size_t size, void *arg)
{
	(void)arg;
	return calloc(n, size);
}

static void mem_free(void *p, void *arg)
{
	if (p != room_of(arg))
		free(p);
}

/* Where buffers come from. The first of this size, while the session is made, is where it builds its frames. */
static void *mem_realloc(void *p, size_t n, void *arg)
{
	struct h2_conn *c = arg;
	void *own;

	if (p == NULL && c->making && n == FRAME_ROOM) {
		c->making = false;
		return room_of(c);
	}
	if (p == NULL || p != room_of(c))
		return realloc(p, n);
	own = malloc(n);
	if (own != NULL)
		memcpy(own, p, n < FRAME_ROOM ? n : FRAME_ROOM);
	return own;
}

static void new_session(struct h2_conn *c, nghttp2_session_callbacks *callbacks, const nghttp2_option *options)
{
	nghttp2_mem mem = { c, mem_malloc, mem_free, mem_calloc, mem_realloc };

	c->making = true;
	if (nghttp2_session_server_new3(&c->ng, callbacks, c, options, &mem) != 0)
		abort(); /* memory is gone */
	c->making = false;
}

/* ---- connections ---- */

static nghttp2_session_callbacks *callbacks;
static nghttp2_option *options;

static void set_up(void)
{
	if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&options) != 0)
		abort();
	nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
	nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
	nghttp2_option_set_no_closed_streams(options, 1);
	nghttp2_option_set_max_deflate_dynamic_table_size(options, 0); /* answers are few; the table would stay */
}

static void set_timer(struct h2_conn *c)
{
	uint32_t ms = c->opts.ping_ms;

	if (c->opts.idle_ms && (!ms || c->opts.idle_ms < ms))
		ms = c->opts.idle_ms;
	if (ms)
		loop_timer_start(&c->timer, ms);
}

static void on_timer(void *arg)
{
	struct h2_conn *c = arg;
	uint64_t now = loop_now_ms(stream_loop(c->s));

	if (c->opts.idle_ms && c->n == 0 && now - c->idle_since_ms >= c->opts.idle_ms)
		h2_conn_drain(c);
	if (is_full(c))
		c->heard_ms = now; /* a PING would not get through; the stream below knows a reader that stopped from a slow one */
	if (c->opts.ping_ms && now - c->heard_ms >= c->opts.ping_ms) {
		if (c->pinged) {
			end_conn(c, STREAM_END_TIMEOUT);
			return;
		}
		c->pinged = true;
		nghttp2_submit_ping(c->ng, NGHTTP2_FLAG_NONE, NULL);
		wake(c);
	}
	set_timer(c);
}

static void conn_drain(struct http_conn *hc)
{
	h2_conn_drain((struct h2_conn *)hc);
}

static void conn_abort(struct http_conn *hc, enum stream_end why)
{
	end_conn((struct h2_conn *)hc, why);
}

static const struct http_conn_ops conn_ops = { .drain = conn_drain, .abort = conn_abort };

struct h2_conn *h2_serve(struct http_server *srv, struct stream *s, const struct h2_server_opts *o)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct h2_conn *c = xcalloc(1, sizeof *c);
	nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, o->max_streams ? o->max_streams : MAX_STREAMS },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)srv->opts.limits.head_bytes },
	};

	pthread_once(&once, set_up);
	c->s = s;
	c->opts = *o;
	if (o->client) {
		c->client = *o->client;
		c->opts.client = &c->client;
	}
	if (!c->opts.bodies_bytes)
		c->opts.bodies_bytes = BODIES_BYTES;
	c->all.next = c->all.prev = &c->all;
	c->ready_end = &c->ready;
	loop_task_init(&c->send, stream_loop(s), send_all, c);
	loop_timer_init(&c->timer, stream_loop(s), on_timer, c);
	new_session(c, callbacks, options);
	nghttp2_submit_settings(c->ng, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings);
	c->heard_ms = c->idle_since_ms = c->resets_at_ms = loop_now_ms(stream_loop(s));
	http_server_add(srv, &c->c, &conn_ops);
	net_count(NET_COUNT_H2_SESSION);
	set_timer(c);
	wake(c);
	stream_start(s, &handler, c);
	if (srv->draining)
		h2_conn_drain(c);
	return c;
}

void h2_conn_drain(struct h2_conn *c)
{
	if (c->draining)
		return;
	c->draining = true;
	nghttp2_submit_goaway(c->ng, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(c->ng), NGHTTP2_NO_ERROR,
			      NULL, 0);
	wake(c);
}

void h2_conn_abort(struct h2_conn *c, enum stream_end why)
{
	end_conn(c, why);
}

size_t h2_conn_streams(const struct h2_conn *c)
{
	return c->n;
}

struct conn_info *h2_conn_info(const struct h2_conn *c)
{
	return stream_conn(c->s);
}
