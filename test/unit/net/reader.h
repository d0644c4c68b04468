/* test/unit/net/reader.h -- a stream's user that remembers what it was told. */
#ifndef TEST_READER_H
#define TEST_READER_H

#include <stdlib.h>

#include "net/stream.h"

struct reader {
	struct stream *s; /* NULL after closed */
	struct buf got;
	bool eof, closed, some;
	enum stream_end why;
	unsigned calls, drained;
	bool echo, pause_after; /* write back what comes; pause after each piece */
	size_t want;            /* `some` becomes true at so many bytes */
};

static inline void reader_data(void *arg, struct bytes b)
{
	struct reader *r = arg;

	r->calls++;
	buf_put_bytes(&r->got, b);
	if (r->got.n >= r->want)
		r->some = true;
	if (r->pause_after)
		stream_pause(r->s);
	if (r->echo)
		stream_write(r->s, b);
}
static inline void reader_eof(void *arg)
{
	((struct reader *)arg)->eof = true;
}
static inline void reader_drained(void *arg)
{
	((struct reader *)arg)->drained++;
}
static inline void reader_closed(void *arg, enum stream_end why)
{
	struct reader *r = arg;

	r->closed = true;
	r->why = why;
	r->s = NULL;
}
static const struct stream_handler reader_handler = { reader_data, reader_eof, reader_drained, reader_closed };
static const struct stream_handler reader_handler_no_eof = { reader_data, NULL, reader_drained, reader_closed };

static inline void reader_init(struct reader *r, struct stream *s)
{
	*r = (struct reader){ .s = s, .want = 1 };
	buf_init(&r->got, (size_t)1 << 30);
	if (s)
		stream_set_handler(s, &reader_handler, r);
}
static inline void reader_release(struct reader *r)
{
	if (r->s)
		stream_drop(&r->s, false);
	buf_release(&r->got);
}

#endif
