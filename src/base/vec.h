/*
 * base/vec.h -- a growing array of any type, and small allocation helpers that never fail.
 *
 *     VEC(struct thing) things = { 0 };
 *     vec_push(&things, t);  ...  vec_release(&things);
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/** malloc family that abort when memory is gone; xcalloc/xreallocarray also abort on overflow. */
void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t size);
void *xreallocarray(void *p, size_t count, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */

#define VEC(T)                                                                                     \
	struct {                                                                                   \
		T *v;                                                                              \
		size_t n, cap;                                                                     \
	}

#define vec_push(vec, item)                                                                        \
	do {                                                                                       \
		if ((vec)->n == (vec)->cap)                                                        \
			(vec)->v = vec_grow((vec)->v, &(vec)->cap, sizeof *(vec)->v);              \
		(vec)->v[(vec)->n++] = (item);                                                     \
	} while (0)
#define vec_release(vec)                                                                           \
	do {                                                                                       \
		free((vec)->v);                                                                    \
		(vec)->v = NULL;                                                                   \
		(vec)->n = (vec)->cap = 0;                                                         \
	} while (0)

/** Twice the capacity (8 at first). For vec_push. */
void *vec_grow(void *p, size_t *cap, size_t size);

#endif
