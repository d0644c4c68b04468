/* http/h2_client.c -- see http/h2_client.h. */
#include "http/h2_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/h2_priv.h"
#include "http/head.h"

#define STREAM_WINDOW (4u * 1024 * 1024)
#define CONN_WINDOW   (1u << 30)
#define HEAD_MAX      ((size_t)256 * 1024)
#define HEADERS_MAX   1000
#define PENDING_HIGH  ((size_t)256 * 1024) /* no more goes to the stream below while so much waits there */

struct h2_call {
	struct h2_client *c;
	struct h2_call *next, *prev;
	const struct h2_call_handler *h; /* NULL: cancelled */
	void *arg;
	int32_t id;
	int status;
	struct http_head head;
	struct h2_queue out;
	bool hold, headed, ended;
};

struct h2_client {
	struct stream *s; /* NULL: gone */
	nghttp2_session *ng;
	struct h2_client_opts opts;
	struct h2_call all; /* ring */
	struct loop_task send;
	bool freed, busy;
};

static ssize_t on_send(nghttp2_session *ng, const uint8_t *p, size_t n, int flags, void *arg)
{
	struct h2_client *c = arg;

	(void)ng;
	(void)flags;
	if (stream_pending(c->s) > PENDING_HIGH)
		return NGHTTP2_ERR_WOULDBLOCK;
	stream_write(c->s, bytes_of(p, n));
	return (ssize_t)n;
}

static ssize_t on_read(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
		       nghttp2_data_source *src, void *arg)
{
	struct h2_call *q = src->ptr;

	(void)ng;
	(void)id;
	(void)buf;
	(void)arg;
	n = n < q->out.bytes ? n : q->out.bytes;
	if (n == q->out.bytes)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	return (ssize_t)n;
}

static int on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t n,
			nghttp2_data_source *src, void *arg)
{
	struct h2_client *c = arg;
	struct h2_call *q = src->ptr;

	(void)ng;
	(void)frame;
	if (stream_pending(c->s) > PENDING_HIGH)
		return NGHTTP2_ERR_WOULDBLOCK;
	stream_write(c->s, bytes_of(head, H2_FRAME_HEAD));
	h2_queue_send(&q->out, c->s, n);
	return 0;
}

static struct h2_call *find(nghttp2_session *ng, int32_t id)
{
	return nghttp2_session_get_stream_user_data(ng, id);
}

static void end_call(struct h2_call *q, enum status s, uint32_t error)
{
	const struct h2_call_handler *h = q->h;
	struct loop *l = q->c->send.loop;

	q->next->prev = q->prev;
	q->prev->next = q->next;
	http_head_release(&q->head);
	h2_queue_release(&q->out);
	q->h = NULL;
	if (h && h->done)
		h->done(q->arg, s, error);
	loop_retire(l, q);
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *f, const uint8_t *name, size_t n_name,
		     const uint8_t *value, size_t n_value, uint8_t flags, void *arg)
{
	struct h2_call *q = find(ng, f->hd.stream_id);
	struct bytes k = bytes_of(name, n_name);

	(void)flags;
	(void)arg;
	if (!q || q->headed)
		return 0;
	if (bytes_eq_str(k, ":status"))
		q->status = n_value == 3 ? (value[0] - '0') * 100 + (value[1] - '0') * 10 + value[2] - '0' : 0;
	else if (http_head_pair(&q->head, k, bytes_of(value, n_value)) != ST_OK)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return 0;
}

static void tell_head(struct h2_call *q)
{
	struct arena *a = arena_new();
	const struct http_header *v;
	size_t n;

	if (http_head_finish(&q->head, a, NULL, &v, &n) == ST_OK && q->h && q->h->head)
		q->h->head(q->arg, q->status, v, n);
	arena_free(&a);
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct h2_call *q;

	(void)arg;
	if (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA)
		return 0;
	q = find(ng, f->hd.stream_id);
	if (!q)
		return 0;
	if (f->hd.type == NGHTTP2_HEADERS && !q->headed && q->status >= 200) {
		q->headed = true;
		tell_head(q);
	}
	if (f->hd.flags & NGHTTP2_FLAG_END_STREAM)
		q->ended = true;
	return 0;
}

static int on_chunk(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *arg)
{
	struct h2_call *q = find(ng, id);

	(void)flags;
	(void)arg;
	if (!q || !q->hold)
		nghttp2_session_consume(ng, id, n);
	else
		nghttp2_session_consume_connection(ng, n);
	if (q && q->h && q->h->data)
		q->h->data(q->arg, bytes_of(p, n));
	return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t error, void *arg)
{
	struct h2_call *q = find(ng, id);

	(void)arg;
	if (q)
		end_call(q, q->ended && q->headed ? ST_OK : ST_CLOSED, error);
	return 0;
}

static void send_all(void *arg)
{
	struct h2_client *c = arg;

	if (!c->s || !stream_is_open(c->s))
		return;
	if (nghttp2_session_send(c->ng) != 0)
		stream_abort(c->s, STREAM_END_PROTOCOL);
	else if (!nghttp2_session_want_read(c->ng) && !nghttp2_session_want_write(c->ng))
		stream_close(c->s);
}

static void release(void *arg)
{
	struct h2_client *c = arg;

	loop_task_cancel(&c->send);
	nghttp2_session_del(c->ng);
	free(c);
}

static void on_data(void *arg, struct bytes b)
{
	struct h2_client *c = arg;
	ssize_t n = nghttp2_session_mem_recv(c->ng, b.p, b.n);

	if (c->freed)
		return;
	if (n < 0 || (size_t)n != b.n)
		stream_abort(c->s, STREAM_END_PROTOCOL);
	else
		loop_task_queue(&c->send);
}

static void end_calls(struct h2_client *c)
{
	while (c->all.next != &c->all) {
		struct h2_call *q = c->all.next;

		if (c->ng)
			nghttp2_session_set_stream_user_data(c->ng, q->id, NULL);
		end_call(q, ST_CLOSED, NGHTTP2_INTERNAL_ERROR);
	}
}

static void on_closed(void *arg, enum stream_end why)
{
	struct h2_client *c = arg;

	c->s = NULL;
	end_calls(c);
	if (c->freed)
		return;
	c->freed = true;
	loop_defer(c->send.loop, release, c);
	if (c->opts.closed)
		c->opts.closed(c->opts.arg, why);
}

static const struct stream_handler handler = {
	.data = on_data,
	.drained = send_all,
	.closed = on_closed,
};

static nghttp2_session_callbacks *callbacks;
static nghttp2_option *options;

static void set_up(void)
{
	if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&options) != 0)
		abort();
	nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
	nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_option_set_no_closed_streams(options, 1);
	nghttp2_option_set_no_auto_window_update(options, 1);
}

struct h2_client *h2_client_new(struct stream *s, const struct h2_client_opts *o)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct h2_client *c = xcalloc(1, sizeof *c);
	nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, o->stream_window ? o->stream_window : STREAM_WINDOW },
	};

	pthread_once(&once, set_up);
	c->s = s;
	c->opts = *o;
	c->all.next = c->all.prev = &c->all;
	loop_task_init(&c->send, stream_loop(s), send_all, c);
	if (nghttp2_session_client_new2(&c->ng, callbacks, c, options) != 0)
		abort(); /* memory is gone */
	nghttp2_submit_settings(c->ng, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings);
	nghttp2_session_set_local_window_size(c->ng, NGHTTP2_FLAG_NONE, 0,
					      (int32_t)(o->conn_window ? o->conn_window : CONN_WINDOW));
	loop_task_queue(&c->send);
	stream_start(s, &handler, c);
	return c;
}

void h2_client_free(struct h2_client **cp)
{
	struct h2_client *c = *cp;

	*cp = NULL;
	if (!c || c->freed)
		return;
	c->freed = true;
	for (struct h2_call *q = c->all.next; q != &c->all; q = q->next)
		q->h = NULL;
	end_calls(c);
	stream_drop(&c->s, false);
	loop_task_cancel(&c->send);
	loop_defer(c->send.loop, release, c);
}

static nghttp2_nv nv(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE };
}

struct h2_call *h2_client_call(struct h2_client *c, const struct h2_call_opts *o, const struct h2_call_handler *h, void *arg)
{
	nghttp2_data_provider src = { .read_callback = on_read };
	struct h2_call *q;
	nghttp2_nv *v;
	char length[24];
	size_t n = 0;

	if (c->freed || !c->s || !stream_is_open(c->s) || !nghttp2_session_check_request_allowed(c->ng))
		return NULL;
	q = xcalloc(1, sizeof *q);
	v = xcalloc(o->n_headers + 5, sizeof *v);
	v[n++] = nv(":method", o->method);
	v[n++] = nv(":scheme", "https");
	v[n++] = nv(":authority", o->authority ? o->authority : "unused");
	v[n++] = nv(":path", o->path);
	for (size_t i = 0; i < o->n_headers; i++)
		v[n++] = nv(o->headers[i].name, o->headers[i].value);
	if (o->body.n) {
		snprintf(length, sizeof length, "%zu", o->body.n);
		v[n++] = nv("content-length", length);
		h2_queue_put(&q->out, o->body, NULL);
	}
	q->c = c;
	q->h = h;
	q->arg = arg;
	q->hold = o->hold;
	http_head_init(&q->head, HEAD_MAX, HEADERS_MAX);
	src.source.ptr = q;
	q->id = nghttp2_submit_request(c->ng, NULL, v, n, o->body.n ? &src : NULL, q);
	free(v);
	q->prev = c->all.prev;
	q->next = &c->all;
	c->all.prev->next = q;
	c->all.prev = q;
	if (q->id < 0) {
		q->h = NULL;
		end_call(q, ST_CLOSED, 0);
		return NULL;
	}
	loop_task_queue(&c->send);
	return q;
}

void h2_call_cancel(struct h2_call **qp)
{
	struct h2_call *q = *qp;

	*qp = NULL;
	if (!q || !q->h)
		return;
	q->h = NULL;
	nghttp2_submit_rst_stream(q->c->ng, NGHTTP2_FLAG_NONE, q->id, NGHTTP2_CANCEL);
	loop_task_queue(&q->c->send);
}

void h2_call_consume(struct h2_call *q, size_t n)
{
	nghttp2_session_consume_stream(q->c->ng, q->id, n);
	loop_task_queue(&q->c->send);
}
