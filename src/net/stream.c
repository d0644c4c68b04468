/*
 * net/stream.c -- see net/stream.h.
 *
 * Every rule about when callbacks come is kept here, once, so that a layer may call stream_deliver(), stream_ended()
 * and the like whenever it learns something: what may not be said now is said by the stream's task at the end of the turn.
 *
 * The life of a stream, by its flags:
 *
 *     why == STREAM_OPEN       reads and writes go through
 *     closing                  the user wants it to end; the layer flushes
 *     aborted                  ... without flushing
 *     ended                    nothing is below any more; the task will finish it
 *     dropped                  nobody wants to hear of it; without this an ended stream waits for a handler
 *     finished                 `closed` is being said; ops->free follows
 */
#include "net/stream.h"

#include <assert.h>
#include <stdlib.h>

#include "base/vec.h"
#include "net/counters.h"
#include "net/loop_priv.h"

#define UNREAD_MAX ((size_t)1024 * 1024) /* a layer stops decoding long before */

const char *stream_end_name(enum stream_end e)
{
	static const char *const names[STREAM_END_COUNT] = {
		[STREAM_OPEN] = "open",
		[STREAM_END_EOF] = "eof",
		[STREAM_END_LOCAL] = "local",
		[STREAM_END_RESET] = "reset",
		[STREAM_END_TIMEOUT] = "timeout",
		[STREAM_END_SLOW] = "slow",
		[STREAM_END_PROTOCOL] = "protocol",
		[STREAM_END_LIMIT] = "limit",
		[STREAM_END_TLS] = "tls",
		[STREAM_END_SHUTDOWN] = "shutdown",
	};

	return (unsigned)e < STREAM_END_COUNT ? names[e] : "?";
}

struct conn_info *conn_info_ref(struct conn_info *c)
{
	c->refs++;
	return c;
}

void conn_info_unref(struct conn_info **c)
{
	if (*c && --(*c)->refs == 0)
		free(*c);
	*c = NULL;
}

void conn_established(struct conn_info *c)
{
	if (c->established)
		c->established(c);
	c->established = NULL;
}

/* ---- what is told from the loop ---- */

static void finish(struct stream *s)
{
	const struct stream_handler *h = s->handler;

	s->finished = true;
	loop_timer_cancel(&s->deadline);
	if (h)
		h->closed(s->arg, s->why);
	loop_task_cancel(&s->task);
	loop_timer_cancel(&s->deadline);
	buf_release(&s->unread);
	conn_info_unref(&s->conn);
	s->ops->free(s);
}

static void tell_unread(struct stream *s)
{
	struct buf b = s->unread;

	buf_init(&s->unread, UNREAD_MAX);
	s->handler->data(s->arg, buf_bytes(&b));
	free(b.p);
}

static void tell_eof(struct stream *s)
{
	s->eof_told = true;
	if (s->handler->eof) {
		s->handler->eof(s->arg);
		return;
	}
	s->why = STREAM_END_EOF;
	s->closing = true;
	stream_set_deadline(s, STREAM_LINGER_MS);
	s->ops->close(s);
}

static bool may_tell(const struct stream *s)
{
	return s->why == STREAM_OPEN && s->want && s->handler;
}

/* Something waits that can be told as soon as the loop gets to it. */
static void wake(struct stream *s)
{
	loop_task_queue(&s->task);
}

static void run_task(void *arg)
{
	struct stream *s = arg;

	if (s->ended) {
		if (s->handler || s->dropped)
			finish(s);
		return; /* between two owners: the next one is told */
	}
	if (may_tell(s) && s->unread.n)
		tell_unread(s);
	if (may_tell(s) && s->eof && !s->eof_told && !s->unread.n)
		tell_eof(s);
	if (s->drained_due && s->why == STREAM_OPEN && s->handler) {
		s->drained_due = false;
		if (s->handler->drained)
			s->handler->drained(s->arg);
	}
	if (s->ended || (may_tell(s) && (s->unread.n || (s->eof && !s->eof_told))))
		wake(s);
	else if (may_tell(s) && s->ops->want && !s->eof)
		s->ops->want(s, true); /* nothing waits: the layer may decode on */
}

static void count_end(enum stream_end why)
{
	static const uint8_t counter[STREAM_END_COUNT] = {
		[STREAM_END_RESET] = NET_COUNT_RESET,       [STREAM_END_TIMEOUT] = NET_COUNT_TIMEOUT,
		[STREAM_END_SLOW] = NET_COUNT_SLOW,         [STREAM_END_PROTOCOL] = NET_COUNT_PROTOCOL,
		[STREAM_END_LIMIT] = NET_COUNT_LIMIT,
	};

	if (counter[why])
		net_count((enum net_counter)counter[why]);
}

/* The first reason counts. Only the bottom counts it, or one connection would count once a layer. */
static void set_why(struct stream *s, enum stream_end why)
{
	if (s->why != STREAM_OPEN)
		return;
	s->why = why;
	if (!s->below)
		count_end(why);
}

static void on_deadline(void *arg)
{
	struct stream *s = arg;

	if (s->ended || s->aborted)
		return;
	set_why(s, STREAM_END_TIMEOUT);
	s->aborted = true;
	s->ops->abort(s, s->why == STREAM_END_LOCAL ? STREAM_END_SLOW : s->why);
}

/* ---- for users ---- */

void stream_set_handler(struct stream *s, const struct stream_handler *h, void *arg)
{
	s->handler = h;
	s->arg = arg;
	s->eof_told = false; /* this one has not heard of it */
	if (may_tell(s) || s->ended)
		wake(s);
}

void stream_resume(struct stream *s)
{
	if (s->why != STREAM_OPEN || s->want)
		return;
	s->want = true;
	if (s->unread.n || s->eof)
		wake(s);
	else if (s->ops->want && s->handler)
		s->ops->want(s, true);
	else
		wake(s);
}

void stream_pause(struct stream *s)
{
	if (s->why != STREAM_OPEN || !s->want)
		return;
	s->want = false;
	if (s->ops->want)
		s->ops->want(s, false);
}

void stream_start(struct stream *s, const struct stream_handler *h, void *arg)
{
	stream_set_handler(s, h, arg);
	stream_resume(s);
}

void stream_unread(struct stream *s, struct bytes b)
{
	struct buf old = s->unread;

	if (b.n == 0 || s->why != STREAM_OPEN)
		return;
	buf_init(&s->unread, UNREAD_MAX);
	buf_put_bytes(&s->unread, b);
	buf_put_bytes(&s->unread, buf_bytes(&old));
	free(old.p);
	if (!buf_ok(&s->unread))
		stream_abort(s, STREAM_END_LIMIT);
	else if (may_tell(s))
		wake(s);
}

static void note_pending(struct stream *s)
{
	if (!s->above_low && s->ops->pending(s) > s->low_water)
		s->above_low = true;
}

void stream_write(struct stream *s, struct bytes b)
{
	loop_assert(s->loop);
	if (s->why != STREAM_OPEN || b.n == 0)
		return;
	s->ops->write(s, b);
	note_pending(s);
}

void stream_write_shared(struct stream *s, struct shared_bytes *b, size_t off, size_t n)
{
	loop_assert(s->loop);
	assert(off <= b->n && n <= b->n - off);
	if (s->why != STREAM_OPEN || n == 0)
		return;
	if (s->ops->write_shared)
		s->ops->write_shared(s, b, off, n);
	else
		s->ops->write(s, bytes_of(b->data + off, n));
	note_pending(s);
}

uint8_t *stream_reserve(struct stream *s, size_t n)
{
	assert(n <= STREAM_RESERVE_MAX);
	if (s->why == STREAM_OPEN && s->ops->reserve)
		return s->ops->reserve(s, n);
	return loop_buffer(s->loop, LOOP_BUFFER_WRITE);
}

void stream_commit(struct stream *s, size_t n)
{
	if (s->why != STREAM_OPEN)
		return;
	if (s->ops->commit)
		s->ops->commit(s, n);
	else if (n)
		s->ops->write(s, bytes_of(loop_buffer(s->loop, LOOP_BUFFER_WRITE), n));
	note_pending(s);
}

size_t stream_pending(const struct stream *s)
{
	return s->ended ? 0 : s->ops->pending(s);
}

void stream_set_low_water(struct stream *s, size_t bytes)
{
	for (; s; s = s->below) {
		s->low_water = bytes;
		if (!s->ended)
			stream_progress(s);
	}
}

void stream_set_deadline(struct stream *s, uint64_t ms)
{
	if (s->finished)
		return;
	if (ms)
		loop_timer_start(&s->deadline, ms);
	else
		loop_timer_cancel(&s->deadline);
}

void stream_close(struct stream *s)
{
	loop_assert(s->loop);
	if (s->why != STREAM_OPEN)
		return;
	set_why(s, STREAM_END_LOCAL);
	s->closing = true;
	stream_set_deadline(s, STREAM_LINGER_MS);
	s->ops->close(s);
}

void stream_abort(struct stream *s, enum stream_end why)
{
	loop_assert(s->loop);
	assert(why != STREAM_OPEN);
	if (s->aborted || s->ended)
		return;
	set_why(s, why);
	s->aborted = true;
	s->ops->abort(s, why);
}

void stream_drop(struct stream **sp, bool flush)
{
	struct stream *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	s->handler = NULL;
	s->dropped = true;
	if (s->ended)
		wake(s);
	else if (flush)
		stream_close(s);
	else
		stream_abort(s, STREAM_END_LOCAL);
}

bool stream_is_open(const struct stream *s)
{
	return s->why == STREAM_OPEN;
}

struct loop *stream_loop(const struct stream *s)
{
	return s->loop;
}

struct conn_info *stream_conn(const struct stream *s)
{
	return s->conn;
}

const char *stream_kind(const struct stream *s)
{
	return s->ops->kind;
}

/* ---- for layers ---- */

void stream_init(struct stream *s, const struct stream_ops *ops, struct loop *loop, struct conn_info *conn)
{
	*s = (struct stream){ .ops = ops, .loop = loop, .conn = conn, .low_water = STREAM_LOW_WATER };
	loop_task_init(&s->task, loop, run_task, s);
	loop_timer_init(&s->deadline, loop, on_deadline, s);
	buf_init(&s->unread, UNREAD_MAX);
}

void stream_init_over(struct stream *s, const struct stream_ops *ops, struct stream *below)
{
	stream_init(s, ops, below->loop, conn_info_ref(below->conn));
	s->below = below;
	s->low_water = below->low_water;
}

void stream_deliver(struct stream *s, struct bytes b)
{
	if (s->why != STREAM_OPEN || b.n == 0)
		return;
	if (may_tell(s) && s->unread.n == 0) {
		s->handler->data(s->arg, b);
		return;
	}
	buf_put_bytes(&s->unread, b);
	if (!buf_ok(&s->unread))
		stream_abort(s, STREAM_END_LIMIT);
	else if (may_tell(s))
		wake(s);
}

void stream_deliver_eof(struct stream *s)
{
	if (s->eof)
		return;
	s->eof = true;
	if (may_tell(s))
		wake(s);
}

bool stream_wants(const struct stream *s)
{
	return may_tell(s) && s->unread.n == 0 && !s->eof;
}

void stream_progress(struct stream *s)
{
	if (s->ops->pending(s) > s->low_water) {
		s->above_low = true;
	} else if (s->above_low) {
		s->above_low = false;
		s->drained_due = true;
		wake(s);
	}
}

void stream_ended(struct stream *s, enum stream_end why)
{
	if (s->ended)
		return;
	set_why(s, why);
	s->ended = true;
	loop_timer_cancel(&s->deadline);
	wake(s);
}
