/*
 * base/arena.c -- see base/arena.h.
 *
 * A list of blocks, newest first; the newest is the one that is cut from. A request larger than the
 * next block would be gets a block of its own, put behind the newest so that its rest is not lost.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"

#define FIRST_BLOCK ((size_t)4096)
#define LAST_BLOCK ((size_t)256 * 1024)
#define ALIGN ((size_t)16)

struct block {
	struct block *next;
	size_t cap, used;
	_Alignas(16) uint8_t data[];
};

struct cleanup {
	struct cleanup *next;
	void (*fn)(void *arg);
	void *arg;
};

struct arena {
	struct block *blocks;
	struct cleanup *cleanups;
	size_t next_cap;
	size_t taken; /* bytes from the system */
};

struct arena *arena_new_sized(size_t first)
{
	struct arena *a = xcalloc(1, sizeof *a);

	a->next_cap = first;
	return a;
}

struct arena *arena_new(void)
{
	return arena_new_sized(FIRST_BLOCK);
}

static void run_cleanups(struct arena *a)
{
	while (a->cleanups) {
		struct cleanup *c = a->cleanups;

		a->cleanups = c->next;
		c->fn(c->arg);
	}
}

static void free_blocks(struct arena *a, struct block *keep)
{
	for (struct block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		if (b == keep)
			continue;
		a->taken -= sizeof *b + b->cap;
		free(b);
	}
	a->blocks = keep;
}

void arena_free(struct arena **ap)
{
	struct arena *a = *ap;

	if (!a)
		return;
	run_cleanups(a);
	free_blocks(a, NULL);
	free(a);
	*ap = NULL;
}

void arena_reset(struct arena *a)
{
	struct block *keep = a->blocks;

	run_cleanups(a);
	if (keep && keep->cap > LAST_BLOCK)
		keep = NULL; /* one huge request should not pin its memory */
	free_blocks(a, keep);
	if (keep) {
		keep->next = NULL;
		keep->used = 0;
	}
}

static struct block *add_block(struct arena *a, size_t n)
{
	bool alone = n > a->next_cap;
	size_t cap = alone ? n : a->next_cap;
	struct block *b = xmalloc(sizeof *b + cap);

	b->cap = cap;
	b->used = 0;
	a->taken += sizeof *b + cap;
	if (alone && a->blocks) {
		b->next = a->blocks->next;
		a->blocks->next = b;
		return b;
	}
	b->next = a->blocks;
	a->blocks = b;
	if (!alone && a->next_cap < LAST_BLOCK)
		a->next_cap *= 2;
	return b;
}

/* n bytes, not cleared. */
static void *take(struct arena *a, size_t n)
{
	struct block *b = a->blocks;
	void *p;

	if (n > SIZE_MAX / 2)
		abort();
	n = n ? (n + ALIGN - 1) & ~(ALIGN - 1) : ALIGN;
	if (!b || n > b->cap - b->used)
		b = add_block(a, n);
	p = b->data + b->used;
	b->used += n;
	return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
	void *p = take(a, n);

	return n ? memset(p, 0, n) : p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n))
		abort();
	return arena_alloc(a, n);
}

char *arena_strndup(struct arena *a, const void *p, size_t n)
{
	char *s = take(a, n + 1);

	if (n)
		memcpy(s, p, n);
	s[n] = 0;
	return s;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

struct bytes arena_bytes_dup(struct arena *a, struct bytes b)
{
	return (struct bytes){ (const uint8_t *)arena_strndup(a, b.p, b.n), b.n };
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	char small[256], *s;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof small, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	if ((size_t)n < sizeof small)
		return arena_strndup(a, small, (size_t)n);
	s = take(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}

void arena_on_free(struct arena *a, void (*fn)(void *arg), void *arg)
{
	struct cleanup *c = take(a, sizeof *c);

	*c = (struct cleanup){ a->cleanups, fn, arg };
	a->cleanups = c;
}

size_t arena_size(const struct arena *a)
{
	return a->taken;
}
