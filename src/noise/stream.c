/*
 * noise/stream.c -- see noise/stream.h.
 *
 * `plain` is what was written and does not fill a record yet, and the room that is written in place; it is given back
 * after each flush, so that a connection that says nothing holds no buffer. (The room must be our own: without it the
 * loop's scratch buffer would serve, and the stream below may have the same one for what is sealed.) `in` is sealed bytes that could not be opened yet: a record that has not
 * arrived whole, or all that came with it when the reader paused. The stream below is read only while `in`
 * holds no whole record, so its eof comes after everything before it.
 */
#include "noise/stream.h"

#include <stdlib.h>

#include "base/vec.h"
#include "noise/session.h"

#define RECORDS_AT_ONCE 16
#define IN_MAX ((size_t)1 << 20) /* more than any stream hands up at once */

_Static_assert((size_t)RECORDS_AT_ONCE * NOISE_FRAME_MAX <= STREAM_RESERVE_MAX, "fits the room of the stream below");

struct noise_stream {
	struct stream s;      /* first: what is outside */
	struct stream *lower; /* owned; NULL once it is closed */
	struct noise_session session;
	struct buf plain, in;
	struct loop_task flush, open; /* at the end of the turn */
};

static struct noise_stream *of(struct stream *s)
{
	return (struct noise_stream *)(void *)s;
}

/* --- writing ------------------------------------------------------------------------------ */

/* At most RECORDS_AT_ONCE records. */
static void seal_piece(struct noise_stream *n, struct bytes plain)
{
	uint8_t *to = stream_reserve(n->lower, noise_sealed_len(plain.n));
	enum status st = noise_session_seal_to(&n->session, plain, to);

	stream_commit(n->lower, st == ST_OK ? noise_sealed_len(plain.n) : 0);
	if (st != ST_OK)
		stream_abort(&n->s, STREAM_END_LIMIT);
}

static void flush(struct noise_stream *n)
{
	if (n->lower && n->plain.n)
		seal_piece(n, buf_bytes(&n->plain)); /* less than a record */
	buf_release(&n->plain);
}

static void flush_task(void *arg)
{
	struct noise_stream *n = arg;

	flush(n);
	stream_progress(&n->s);
}

/* Put the front of *b behind what waits; seal that when it fills a record. */
static void top_up(struct noise_stream *n, struct bytes *b)
{
	size_t room = NOISE_PLAIN_MAX - n->plain.n, take = b->n < room ? b->n : room;

	buf_put(&n->plain, b->p, take);
	*b = bytes_skip(*b, take);
	if (n->plain.n == NOISE_PLAIN_MAX) {
		seal_piece(n, buf_bytes(&n->plain));
		buf_reset(&n->plain);
	}
}

static void op_write(struct stream *s, struct bytes b)
{
	struct noise_stream *n = of(s);

	if (!n->lower)
		return;
	if (n->plain.n)
		top_up(n, &b);
	while (b.n >= NOISE_PLAIN_MAX) {
		size_t records = b.n / NOISE_PLAIN_MAX;
		size_t take = (records < RECORDS_AT_ONCE ? records : RECORDS_AT_ONCE) * NOISE_PLAIN_MAX;

		seal_piece(n, bytes_of(b.p, take));
		b = bytes_skip(b, take);
	}
	if (b.n)
		top_up(n, &b);
	if (n->plain.n)
		loop_task_queue(&n->flush);
}

static uint8_t *op_reserve(struct stream *s, size_t len)
{
	return buf_reserve(&of(s)->plain, len);
}

static void op_commit(struct stream *s, size_t len)
{
	struct noise_stream *n = of(s);
	size_t full;

	n->plain.n += len;
	while (n->lower && (full = n->plain.n / NOISE_PLAIN_MAX) > 0) {
		full = (full < RECORDS_AT_ONCE ? full : RECORDS_AT_ONCE) * NOISE_PLAIN_MAX;
		seal_piece(n, bytes_of(n->plain.p, full));
		buf_consume(&n->plain, full);
	}
	loop_task_queue(&n->flush);
}

static size_t op_pending(const struct stream *s)
{
	const struct noise_stream *n = (const struct noise_stream *)(const void *)s;

	return n->plain.n + (n->lower ? stream_pending(n->lower) : 0);
}

/* --- reading ------------------------------------------------------------------------------ */

/* Open and hand up what `in` holds, while it is wanted. Returns the bytes done with. */
static size_t open_records(struct noise_stream *n, struct bytes in)
{
	uint8_t plain[NOISE_PLAIN_MAX];
	size_t done = 0, len, used;

	while (stream_wants(&n->s)) {
		enum status st = noise_session_open_record(&n->session, bytes_skip(in, done), plain, &len, &used);

		if (st == ST_CLOSED)
			stream_abort(&n->s, STREAM_END_PROTOCOL);
		if (st != ST_OK)
			break;
		done += used;
		if (len)
			stream_deliver(&n->s, bytes_of(plain, len));
	}
	return done;
}

static void keep(struct noise_stream *n, struct bytes rest)
{
	buf_put_bytes(&n->in, rest);
	if (!buf_ok(&n->in))
		stream_abort(&n->s, STREAM_END_LIMIT);
}

static void open_kept(struct noise_stream *n)
{
	buf_consume(&n->in, open_records(n, buf_bytes(&n->in)));
	if (n->in.n == 0)
		buf_release(&n->in);
}

static void lower_data(void *arg, struct bytes data)
{
	struct noise_stream *n = arg;

	if (n->in.n) {
		keep(n, data);
		open_kept(n);
	} else {
		keep(n, bytes_skip(data, open_records(n, data)));
	}
	if (!stream_wants(&n->s) && n->lower)
		stream_pause(n->lower);
}

static void open_task(void *arg)
{
	struct noise_stream *n = arg;

	open_kept(n);
	if (stream_wants(&n->s) && n->lower)
		stream_resume(n->lower);
}

static void op_want(struct stream *s, bool want)
{
	struct noise_stream *n = of(s);

	if (want)
		loop_task_queue(&n->open);
	else if (n->lower)
		stream_pause(n->lower);
}

static void lower_eof(void *arg)
{
	struct noise_stream *n = arg;

	stream_deliver_eof(&n->s);
}

static void lower_drained(void *arg)
{
	struct noise_stream *n = arg;

	stream_progress(&n->s);
}

/* --- the end ------------------------------------------------------------------------------ */

static void lower_closed(void *arg, enum stream_end why)
{
	struct noise_stream *n = arg;

	n->lower = NULL;
	stream_ended(&n->s, why);
}

static void op_close(struct stream *s)
{
	struct noise_stream *n = of(s);

	flush(n);
	if (n->lower)
		stream_close(n->lower);
}

static void op_abort(struct stream *s, enum stream_end why)
{
	struct noise_stream *n = of(s);

	if (n->lower)
		stream_abort(n->lower, why);
}

static void op_free(struct stream *s)
{
	struct noise_stream *n = of(s);

	loop_task_cancel(&n->flush);
	loop_task_cancel(&n->open);
	noise_session_release(&n->session);
	buf_release(&n->plain);
	buf_release(&n->in);
	free(n);
}

static const struct stream_ops ops = {
	.kind = "noise",
	.want = op_want,
	.write = op_write,
	.reserve = op_reserve,
	.commit = op_commit,
	.pending = op_pending,
	.close = op_close,
	.abort = op_abort,
	.free = op_free,
};

static const struct stream_handler lower_handler = {
	.data = lower_data,
	.eof = lower_eof,
	.drained = lower_drained,
	.closed = lower_closed,
};

struct stream *noise_stream_new(struct stream *lower, const struct noise_keys *keys)
{
	struct noise_stream *n = xcalloc(1, sizeof *n);

	n->lower = lower;
	noise_session_init(&n->session, keys);
	buf_init(&n->plain, NOISE_PLAIN_MAX + STREAM_RESERVE_MAX);
	buf_init(&n->in, IN_MAX);
	stream_init_over(&n->s, &ops, lower);
	loop_task_init(&n->flush, n->s.loop, flush_task, n);
	loop_task_init(&n->open, n->s.loop, open_task, n);
	stream_set_handler(lower, &lower_handler, n);
	return &n->s;
}
