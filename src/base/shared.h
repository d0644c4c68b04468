/*
 * base/shared.h -- immutable bytes with several holders.
 *
 * What is encoded once and goes to many (a segment of deltas, a Hostinfo) is counted; nobody writes
 * to it after its maker has handed it out. Counting is atomic: holders may live on any thread.
 */
#ifndef BASE_SHARED_H
#define BASE_SHARED_H

#include <stdatomic.h>

#include "base/bytes.h"

struct shared_bytes {
	atomic_uint refs;
	size_t n;
	uint8_t data[];
};

/** A copy of `b` with one reference; returned (shared_bytes_unref). */
struct shared_bytes *shared_bytes_new(struct bytes b);
/** Room for n bytes to be filled by the caller before anybody else sees it; one reference. */
struct shared_bytes *shared_bytes_alloc(size_t n);
/** One more holder; NULL gives NULL. */
struct shared_bytes *shared_bytes_ref(struct shared_bytes *s);
/** One holder less, *s cleared; accepts NULL inside. */
void shared_bytes_unref(struct shared_bytes **s);

static inline struct bytes shared_bytes_view(const struct shared_bytes *s)
{
	return s ? (struct bytes){ s->data, s->n } : (struct bytes){ 0, 0 };
}

#endif
