/* base/vec.c -- see base/vec.h. */
#include "base/vec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
	if (!p) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return p;
}

void *xmalloc(size_t n)
{
	return must(malloc(n ? n : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return must(count && size ? calloc(count, size) : calloc(1, 1));
}

void *xreallocarray(void *p, size_t count, size_t size)
{
	return must(count && size ? reallocarray(p, count, size) : reallocarray(p, 1, 1));
}

char *xstrdup(const char *s)
{
	return s ? must(strdup(s)) : NULL;
}

void *vec_grow(void *p, size_t *cap, size_t size)
{
	size_t next = *cap ? *cap : 4;

	if (next > SIZE_MAX / 2)
		abort();
	p = xreallocarray(p, next * 2, size);
	*cap = next * 2;
	return p;
}
