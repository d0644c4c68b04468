/* http/client.c -- see http/client.h. */
#include "http/client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"
#include "http/h1_parser.h"
#include "http/head.h"

#define BODY_MAX    ((size_t)16 * 1024 * 1024)
#define HEAD_MAX    ((size_t)256 * 1024)
#define HEADERS_MAX 500
#define AHEAD_MAX   ((size_t)1024 * 1024)
#define TIMEOUT_MS  30000u

struct http_client {
	struct stream *s; /* NULL: gone, or taken */
	struct loop *loop;
	struct h1_parser *parser;
	http_client_fn *fn; /* NULL: nothing is asked */
	void *arg;
	void (*data)(void *arg, struct bytes b);
	bool head_request, freed;
	struct http_head head;
	struct arena *arena;
	struct buf body, ahead;
	struct http_answer answer;
	struct loop_timer timer;
	struct loop_task lost; /* tells of a connection that was gone already */
};

static void release(void *arg)
{
	struct http_client *c = arg;

	h1_parser_free(&c->parser);
	http_head_release(&c->head);
	arena_free(&c->arena);
	buf_release(&c->body);
	buf_release(&c->ahead);
	loop_timer_cancel(&c->timer);
	loop_task_cancel(&c->lost);
	free(c);
}

static void release_arena(void *arg)
{
	struct arena *a = arg;

	arena_free(&a);
}

static void over(struct http_client *c, enum status s)
{
	http_client_fn *fn = c->fn;
	struct http_answer a = c->answer;
	struct buf body = c->body; /* the next request may be sent in fn */

	if (!fn)
		return;
	c->fn = NULL;
	loop_timer_cancel(&c->timer);
	buf_init(&c->body, 0);
	a.body = buf_bytes(&body);
	fn(c->arg, s, s == ST_OK ? &a : NULL);
	free(body.p);
}

/* What was asked cannot be answered any more, nor anything after it. */
static void fail(struct http_client *c, enum status s)
{
	stream_drop(&c->s, false);
	over(c, s);
}

static enum status on_target(void *arg, struct bytes b)
{
	(void)arg;
	(void)b;
	return ST_OK; /* the reason's text is no concern of ours */
}

static enum status on_name(void *arg, struct bytes b)
{
	return http_head_name(&((struct http_client *)arg)->head, b);
}

static enum status on_value(void *arg, struct bytes b)
{
	return http_head_value(&((struct http_client *)arg)->head, b);
}

static enum status on_head(void *arg, bool *skip_body)
{
	struct http_client *c = arg;
	const struct h1_head *h = h1_parser_head(c->parser);
	enum status s;

	if (h->status >= 100 && h->status < 200 && h->status != 101) {
		http_head_release(&c->head); /* the real one follows */
		c->answer.status = h->status;
		return ST_OK;
	}
	s = http_head_finish(&c->head, c->arena, NULL, &c->answer.headers, &c->answer.n_headers);
	c->answer.status = h->status;
	c->answer.keep = h->keep;
	*skip_body = c->head_request;
	return s;
}

static enum status on_body(void *arg, struct bytes b)
{
	struct http_client *c = arg;

	if (c->data) {
		c->data(c->arg, b);
		return ST_OK;
	}
	buf_put_bytes(&c->body, b);
	return buf_ok(&c->body) ? ST_OK : ST_TOO_BIG;
}

static const struct h1_events events = {
	.target = on_target,
	.name = on_name,
	.value = on_value,
	.head = on_head,
	.body = on_body,
};

static bool is_interim(int status)
{
	return status >= 100 && status < 200 && status != 101;
}

static void feed(struct http_client *c)
{
	while (!c->freed && c->fn && c->ahead.n) {
		size_t used;
		enum status s = h1_parser_feed(c->parser, buf_bytes(&c->ahead), &used);

		if (c->freed)
			break;
		buf_consume(&c->ahead, used <= c->ahead.n ? used : c->ahead.n);
		if (s == ST_AGAIN)
			break;
		if (s != ST_OK) {
			fail(c, s);
			break;
		}
		if (is_interim(c->answer.status))
			continue;
		over(c, ST_OK);
	}
}

static void on_data(void *arg, struct bytes b)
{
	struct http_client *c = arg;

	buf_put_bytes(&c->ahead, b);
	if (!buf_ok(&c->ahead))
		fail(c, ST_TOO_BIG);
	else
		feed(c);
}

static void on_eof(void *arg)
{
	struct http_client *c = arg;
	bool whole = c->fn && h1_parser_finish(c->parser) == ST_OK;

	stream_drop(&c->s, true);
	c->answer.keep = false;
	over(c, whole ? ST_OK : ST_CLOSED);
}

static void on_closed(void *arg, enum stream_end why)
{
	struct http_client *c = arg;

	(void)why;
	c->s = NULL;
	over(c, ST_CLOSED);
}

static const struct stream_handler handler = { .data = on_data, .eof = on_eof, .closed = on_closed };

static void on_timeout(void *arg)
{
	fail(arg, ST_TIMEOUT);
}

static void on_lost(void *arg)
{
	over(arg, ST_CLOSED);
}

struct http_client *http_client_new(struct stream *s)
{
	struct http_client *c = xcalloc(1, sizeof *c);

	c->s = s;
	c->loop = stream_loop(s);
	c->parser = h1_parser_new(false, &events, c);
	http_head_init(&c->head, HEAD_MAX, HEADERS_MAX);
	buf_init(&c->body, 0);
	buf_init(&c->ahead, AHEAD_MAX);
	loop_timer_init(&c->timer, c->loop, on_timeout, c);
	loop_task_init(&c->lost, c->loop, on_lost, c);
	stream_start(s, &handler, c);
	return c;
}

void http_client_free(struct http_client **cp)
{
	struct http_client *c = *cp;

	*cp = NULL;
	if (!c || c->freed)
		return;
	c->freed = true;
	c->fn = NULL;
	stream_drop(&c->s, true);
	loop_timer_cancel(&c->timer);
	loop_defer(c->loop, release, c);
}

static void write_head(struct http_client *c, const struct http_client_req *req)
{
	bool has_body = req->body.n || strcmp(req->method, "POST") == 0 || strcmp(req->method, "PUT") == 0 ||
			strcmp(req->method, "PATCH") == 0;
	struct buf b;

	buf_init(&b, HEAD_MAX);
	buf_printf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", req->method, req->target, req->host);
	for (size_t i = 0; i < req->n_headers; i++)
		buf_printf(&b, "%s: %s\r\n", req->headers[i].name, req->headers[i].value);
	if (has_body)
		buf_printf(&b, "Content-Length: %zu\r\n", req->body.n);
	buf_put_str(&b, "\r\n");
	stream_write(c->s, buf_bytes(&b));
	buf_release(&b);
}

void http_client_send(struct http_client *c, const struct http_client_req *req, http_client_fn *fn, void *arg)
{
	assert(!c->fn && !c->freed);
	c->fn = fn;
	c->arg = arg;
	c->data = req->data;
	c->head_request = strcmp(req->method, "HEAD") == 0;
	c->answer = (struct http_answer){ 0 };
	http_head_release(&c->head);
	buf_release(&c->body);
	c->body.max = req->body_max ? req->body_max : BODY_MAX;
	if (c->arena)
		loop_defer(c->loop, release_arena, c->arena); /* the caller may be reading the last answer */
	c->arena = arena_new();
	loop_timer_start(&c->timer, req->timeout_ms ? req->timeout_ms : TIMEOUT_MS);
	if (!c->s) {
		loop_task_queue(&c->lost);
		return;
	}
	write_head(c, req);
	stream_write(c->s, req->body);
}

struct stream *http_client_take(struct http_client **cp)
{
	struct http_client *c = *cp;
	struct stream *s = c->s;

	*cp = NULL;
	c->s = NULL;
	if (s) {
		stream_pause(s);
		stream_set_handler(s, NULL, NULL);
		stream_unread(s, buf_bytes(&c->ahead));
	}
	c->freed = true;
	c->fn = NULL;
	loop_timer_cancel(&c->timer);
	loop_defer(c->loop, release, c);
	return s;
}

const char *http_answer_header(const struct http_answer *a, const char *name)
{
	for (size_t i = 0; i < a->n_headers; i++)
		if (strcmp(a->headers[i].name, name) == 0)
			return a->headers[i].value;
	return NULL;
}
