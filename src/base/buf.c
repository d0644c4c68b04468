/* base/buf.c -- see base/buf.h. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"

#define BUF_FIRST ((size_t)256)
#define U64_DIGITS 20

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_release(struct buf *b)
{
	free(b->p);
	buf_init(b, b->max);
}

void buf_fit(struct buf *b)
{
	if (b->n == 0) {
		free(b->p);
		b->p = NULL;
	} else if (b->cap > b->n) {
		b->p = xreallocarray(b->p, b->n, 1);
	}
	b->cap = b->n;
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	b->failed = false;
}

uint8_t *buf_grow(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST;

	if (b->failed || n > b->max - b->n) {
		b->failed = true;
		return NULL;
	}
	while (cap - b->n < n && cap <= b->max / 2)
		cap *= 2;
	if (cap > b->max || cap - b->n < n)
		cap = b->max;
	if (!b->p || cap != b->cap) {
		b->p = xreallocarray(b->p, cap, 1);
		b->cap = cap;
	}
	return b->p + b->n;
}

void buf_put_str(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
			    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
			    "8081828384858687888990919293949596979899";

void buf_put_u64(struct buf *b, uint64_t v)
{
	char text[U64_DIGITS];
	size_t at = sizeof text;

	while (v >= 100) {
		at -= 2;
		memcpy(text + at, pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		at -= 2;
		memcpy(text + at, pairs + v * 2, 2);
	} else {
		text[--at] = (char)('0' + v);
	}
	buf_put(b, text + at, sizeof text - at);
}

void buf_put_i64(struct buf *b, int64_t v)
{
	if (v < 0)
		buf_put_char(b, '-');
	buf_put_u64(b, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	char small[256], *big;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof small, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	if ((size_t)n < sizeof small) {
		buf_put(b, small, (size_t)n);
		return;
	}
	if ((size_t)n > b->max - b->n) {
		b->failed = true;
		return;
	}
	big = xmalloc((size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(big, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf_put(b, big, (size_t)n);
	free(big);
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->n);
	if (n && n < b->n)
		memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

char *buf_take(struct buf *b, size_t *n_out)
{
	char *p = xreallocarray(b->p, b->n + 1, 1);

	p[b->n] = 0;
	if (n_out)
		*n_out = b->n;
	buf_init(b, b->max);
	return p;
}
