/* client/early.c -- see client/early.h. */
#include "client/early.h"

#include <stdlib.h>

#include "base/vec.h"
#include "noise/early.h"

struct early_stream {
	struct stream s;      /* first: what is outside */
	struct stream *lower; /* owned; NULL once it is closed */
	struct buf front;     /* what came, until it is clear what it is */
	bool through;
	early_fn *fn;
	void *arg;
};

static struct early_stream *of(struct stream *s)
{
	return (struct early_stream *)(void *)s;
}

static void op_want(struct stream *s, bool want)
{
	struct early_stream *e = of(s);

	if (e->lower && want)
		stream_resume(e->lower);
	else if (e->lower)
		stream_pause(e->lower);
}

static void op_write(struct stream *s, struct bytes b)
{
	if (of(s)->lower)
		stream_write(of(s)->lower, b);
}

static size_t op_pending(const struct stream *s)
{
	const struct early_stream *e = (const struct early_stream *)(const void *)s;

	return e->lower ? stream_pending(e->lower) : 0;
}

static void op_close(struct stream *s)
{
	if (of(s)->lower)
		stream_close(of(s)->lower);
}

static void op_abort(struct stream *s, enum stream_end why)
{
	if (of(s)->lower)
		stream_abort(of(s)->lower, why);
}

static void op_free(struct stream *s)
{
	buf_release(&of(s)->front);
	free(s);
}

static const struct stream_ops ops = {
	.kind = "early",
	.want = op_want,
	.write = op_write,
	.pending = op_pending,
	.close = op_close,
	.abort = op_abort,
	.free = op_free,
};

static void look(struct early_stream *e)
{
	struct challenge_key challenge = { 0 };
	size_t used = 0;
	enum status s = noise_early_decode(buf_bytes(&e->front), &challenge, &used);

	if (s == ST_AGAIN && buf_ok(&e->front))
		return;
	if (s != ST_OK && s != ST_NOT_FOUND) {
		stream_abort(&e->s, STREAM_END_PROTOCOL);
		return;
	}
	e->through = true;
	if (e->fn)
		e->fn(e->arg, s, &challenge);
	if (s == ST_OK)
		buf_consume(&e->front, used);
	if (e->front.n)
		stream_deliver(&e->s, buf_bytes(&e->front));
	buf_release(&e->front);
}

static void lower_data(void *arg, struct bytes data)
{
	struct early_stream *e = arg;

	if (e->through) {
		stream_deliver(&e->s, data);
		return;
	}
	buf_put_bytes(&e->front, data);
	look(e);
}

static void lower_eof(void *arg)
{
	stream_deliver_eof(&((struct early_stream *)arg)->s);
}

static void lower_drained(void *arg)
{
	stream_progress(&((struct early_stream *)arg)->s);
}

static void lower_closed(void *arg, enum stream_end why)
{
	struct early_stream *e = arg;

	e->lower = NULL;
	stream_ended(&e->s, why);
}

static const struct stream_handler lower_handler = {
	.data = lower_data,
	.eof = lower_eof,
	.drained = lower_drained,
	.closed = lower_closed,
};

struct stream *early_stream_new(struct stream *lower, early_fn *fn, void *arg)
{
	struct early_stream *e = xcalloc(1, sizeof *e);

	e->lower = lower;
	e->fn = fn;
	e->arg = arg;
	buf_init(&e->front, NOISE_EARLY_HEADER_LEN + NOISE_EARLY_JSON_MAX + STREAM_RESERVE_MAX);
	stream_init_over(&e->s, &ops, lower);
	stream_set_handler(lower, &lower_handler, e);
	return &e->s;
}
