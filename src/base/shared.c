/* base/shared.c -- see base/shared.h. */
#include "base/shared.h"

#include <stdlib.h>

#include "base/vec.h"

struct shared_bytes *shared_bytes_alloc(size_t n)
{
	struct shared_bytes *s = xmalloc(sizeof *s + n);

	atomic_init(&s->refs, 1);
	s->n = n;
	return s;
}

struct shared_bytes *shared_bytes_new(struct bytes b)
{
	struct shared_bytes *s = shared_bytes_alloc(b.n);

	if (b.n > 0)
		memcpy(s->data, b.p, b.n);
	return s;
}

struct shared_bytes *shared_bytes_ref(struct shared_bytes *s)
{
	if (s != NULL)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void shared_bytes_unref(struct shared_bytes **s)
{
	struct shared_bytes *old = *s;

	*s = NULL;
	if (old != NULL && atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) == 1)
		free(old);
}
