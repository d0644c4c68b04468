/*
 * net/pipe.c -- see net/pipe.h.
 *
 * Each end keeps what was written to it in `out` until its task carries it over.
 */
#include "net/pipe.h"

#include <stdlib.h>

#include "base/vec.h"

#define PIPE_MAX ((size_t)256 * 1024 * 1024)

struct pipe_end {
	struct stream s;
	struct pipe_end *other; /* NULL: gone */
	struct buf out;         /* written, not yet carried over */
	struct loop_task carry;
	size_t credit, chunk;
	bool shut;              /* send no more once `out` is empty */
};

static void end_of(struct pipe_end *e)
{
	struct pipe_end *o = e->other;

	if (!o)
		return;
	e->other = NULL;
	o->other = NULL;
	loop_task_cancel(&o->carry);
	stream_ended(&o->s, STREAM_END_RESET);
}

/* One piece from e to its peer; false: nothing may pass now. */
static bool carry_piece(struct pipe_end *e)
{
	size_t n = e->out.n < e->credit ? e->out.n : e->credit;
	size_t piece = e->other->chunk;
	struct buf tmp;

	n = piece && piece < n ? piece : n;
	if (n == 0 || !stream_wants(&e->other->s))
		return false;
	if (e->credit != SIZE_MAX)
		e->credit -= n;
	buf_init(&tmp, n); /* the reader may write to us meanwhile */
	buf_put(&tmp, e->out.p, n);
	buf_consume(&e->out, n);
	stream_deliver(&e->other->s, buf_bytes(&tmp));
	buf_release(&tmp);
	return true;
}

/* e has sent everything and goes: its peer stays, with nobody to write to. */
static void part(struct pipe_end *e)
{
	struct pipe_end *o = e->other;

	stream_ended(&e->s, STREAM_END_LOCAL);
	if (!o)
		return;
	e->other = NULL;
	o->other = NULL;
	loop_task_cancel(&o->carry);
	buf_reset(&o->out);
	if (o->s.closing)
		stream_ended(&o->s, STREAM_END_EOF);
	else
		stream_progress(&o->s);
}

static void carry(void *arg)
{
	struct pipe_end *e = arg;

	while (e->other && e->out.n && carry_piece(e))
		;
	if (e->s.ended)
		return;
	if (e->other && !stream_is_open(&e->other->s))
		buf_reset(&e->out); /* nobody will read it */
	if (e->out.n == 0) {
		buf_release(&e->out);
		if (e->shut && e->other)
			stream_deliver_eof(&e->other->s);
		if (e->s.closing) {
			part(e);
			return;
		}
	}
	stream_progress(&e->s);
}

static struct pipe_end *of(struct stream *s)
{
	return (struct pipe_end *)s;
}

static void pipe_write(struct stream *s, struct bytes b)
{
	if (!of(s)->other)
		return;
	buf_put_bytes(&of(s)->out, b);
	if (!buf_ok(&of(s)->out))
		stream_abort(s, STREAM_END_LIMIT);
	else
		loop_task_queue(&of(s)->carry);
}

static void pipe_want(struct stream *s, bool want)
{
	if (want && of(s)->other)
		loop_task_queue(&of(s)->other->carry);
}

static size_t pipe_pending(const struct stream *s)
{
	return ((const struct pipe_end *)s)->out.n;
}

static void pipe_close(struct stream *s)
{
	of(s)->shut = true;
	loop_task_queue(&of(s)->carry);
}

static void pipe_abort(struct stream *s, enum stream_end why)
{
	end_of(of(s));
	loop_task_cancel(&of(s)->carry);
	stream_ended(s, why);
}

static void pipe_free(struct stream *s)
{
	end_of(of(s));
	loop_task_cancel(&of(s)->carry);
	buf_release(&of(s)->out);
	free(s);
}

static const struct stream_ops pipe_ops = {
	.kind = "pipe",
	.want = pipe_want,
	.write = pipe_write,
	.pending = pipe_pending,
	.close = pipe_close,
	.abort = pipe_abort,
	.free = pipe_free,
};

static struct pipe_end *end_new(struct loop *l)
{
	struct pipe_end *e = xcalloc(1, sizeof *e);
	struct conn_info *c = xcalloc(1, sizeof *c);

	c->refs = 1;
	c->remote.sa.sa_family = c->local.sa.sa_family = AF_UNIX;
	stream_init(&e->s, &pipe_ops, l, c);
	buf_init(&e->out, PIPE_MAX);
	loop_task_init(&e->carry, l, carry, e);
	e->credit = SIZE_MAX;
	return e;
}

void pipe_pair(struct loop *l, struct stream **a_out, struct stream **b_out)
{
	struct pipe_end *a = end_new(l), *b = end_new(l);

	a->other = b;
	b->other = a;
	*a_out = &a->s;
	*b_out = &b->s;
}

void pipe_set_credit(struct stream *end, size_t bytes)
{
	of(end)->credit = bytes;
	loop_task_queue(&of(end)->carry);
}

void pipe_set_chunk(struct stream *end, size_t n)
{
	of(end)->chunk = n;
}

void pipe_shutdown(struct stream *end)
{
	of(end)->shut = true;
	loop_task_queue(&of(end)->carry);
}
