/*
 * base/buf.h -- a growing buffer with a ceiling.
 *
 * The ceiling is given when the buffer is made. Passing it sets `failed` and drops what was to be
 * added; writers check once at the end (buf_ok). Not thread-safe.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/bytes.h"
#include "base/status.h"

struct buf {
	uint8_t *p; /* owned; NULL while cap is 0 */
	size_t n;   /* bytes used */
	size_t cap; /* bytes allocated */
	size_t max; /* ceiling in bytes */
	bool failed;
};

/** An empty buffer of the caller's memory that may grow up to max bytes. */
void buf_init(struct buf *b, size_t max);
/** Release its memory; the struct is as after buf_init with the same max. */
void buf_release(struct buf *b);
/** Give back what it has and does not use: for one that is full for good. */
void buf_fit(struct buf *b);
/** Empty it, keep its memory. */
void buf_reset(struct buf *b);

static inline bool buf_ok(const struct buf *b)
{
	return !b->failed;
}
static inline struct bytes buf_bytes(const struct buf *b)
{
	return (struct bytes){ b->p, b->n };
}

/** The slow half of buf_reserve: more memory, or NULL and `failed` past max. */
uint8_t *buf_grow(struct buf *b, size_t n);

/**
 * Make room for n more bytes and return where they go (buf->n unchanged), or NULL past max and in a
 * buffer that failed before: what comes after a gap is dropped too.
 */
static inline uint8_t *buf_reserve(struct buf *b, size_t n)
{
	if (b->failed || n > b->cap - b->n || !b->p)
		return buf_grow(b, n);
	return b->p + b->n;
}
static inline void buf_put(struct buf *b, const void *p, size_t n)
{
	uint8_t *to = n ? buf_reserve(b, n) : NULL;

	if (!to)
		return;
	memcpy(to, p, n);
	b->n += n;
}
static inline void buf_put_bytes(struct buf *b, struct bytes v)
{
	buf_put(b, v.p, v.n);
}
static inline void buf_put_char(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}
void buf_put_str(struct buf *b, const char *s);
void buf_put_u64(struct buf *b, uint64_t v); /* decimal */
void buf_put_i64(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/** Drop the first n bytes (n <= b->n), moving the rest to the front. */
void buf_consume(struct buf *b, size_t n);
/** Hand out the memory, NUL-terminated (the NUL is not counted); b is empty after. Returned (free()). */
char *buf_take(struct buf *b, size_t *n_out);

#endif
