/* http/server.c -- see http/server.h: what the connections of a loop share. */
#include "http/server.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "http/http_priv.h"

static void set_limits(struct http_limits *to, const struct http_limits *l)
{
	*to = *l;
	to->head_bytes = l->head_bytes ? l->head_bytes : 32u * 1024;
	to->head_count = l->head_count ? l->head_count : 100;
	to->body_bytes = l->body_bytes ? l->body_bytes : HTTP_BODY_MAX_DEFAULT;
	to->head_ms = l->head_ms ? l->head_ms : 10000;
	to->first_ms = l->first_ms ? l->first_ms : 10000;
	to->body_ms = l->body_ms ? l->body_ms : 60000;
	to->idle_ms = l->idle_ms ? l->idle_ms : 120000;
}

static void abort_all(struct http_server *s)
{
	for (struct http_conn *c = s->ring.next, *next; c != &s->ring; c = next) {
		next = c->next;
		c->ops->abort(c, STREAM_END_SHUTDOWN);
	}
}

static void limit_passed(void *arg)
{
	abort_all(arg);
}

static void tell_gone(void *arg)
{
	struct http_server *s = arg;
	loop_fn *done = s->done;

	loop_timer_cancel(&s->limit);
	s->done = NULL;
	if (done)
		done(s->done_arg);
}

struct http_server *http_server_new(struct loop *l, const struct http_server_opts *o)
{
	struct http_server *s = xcalloc(1, sizeof *s);

	s->loop = l;
	s->opts = *o;
	set_limits(&s->opts.limits, &o->limits);
	s->ring.next = s->ring.prev = &s->ring;
	loop_timer_init(&s->limit, l, limit_passed, s);
	loop_task_init(&s->all_gone, l, tell_gone, s);
	return s;
}

void http_server_free(struct http_server **sp)
{
	struct http_server *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	abort_all(s);
	while (s->ring.next != &s->ring) /* they end later, on their own: without us */
		http_server_remove(s->ring.next);
	loop_timer_cancel(&s->limit);
	loop_task_cancel(&s->all_gone);
	free(s);
}

void http_server_add(struct http_server *s, struct http_conn *c, const struct http_conn_ops *ops)
{
	c->srv = s;
	c->ops = ops;
	c->next = &s->ring;
	c->prev = s->ring.prev;
	s->ring.prev->next = c;
	s->ring.prev = c;
	s->n++;
}

void http_server_remove(struct http_conn *c)
{
	struct http_server *s = c->srv;

	if (!s)
		return;
	c->srv = NULL;
	c->next->prev = c->prev;
	c->prev->next = c->next;
	s->n--;
	if (s->draining && s->n == 0)
		loop_task_queue(&s->all_gone);
}

size_t http_server_open(const struct http_server *s)
{
	return s->n;
}

void http_server_drain(struct http_server *s, uint32_t limit_ms, loop_fn *done, void *arg)
{
	s->draining = true;
	s->done = done;
	s->done_arg = arg;
	loop_timer_start(&s->limit, limit_ms);
	for (struct http_conn *c = s->ring.next, *next; c != &s->ring; c = next) {
		next = c->next;
		c->ops->drain(c);
	}
	if (s->n == 0)
		loop_task_queue(&s->all_gone);
}

void http_server_set_limits(struct http_server *s, const struct http_limits *l)
{
	set_limits(&s->opts.limits, l);
}

const char *http_server_date(struct http_server *s)
{
	int64_t now = clock_unix_ns() / NS_PER_S;
	time_t t = (time_t)now;
	struct tm tm;

	if (now != s->date_s && gmtime_r(&t, &tm)) {
		strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		s->date_s = now;
	}
	return s->date;
}
