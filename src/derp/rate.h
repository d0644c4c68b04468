/*
 * derp/rate.h -- token buckets as one number: the time at which the bucket would be full again (GCRA).
 *
 * struct rate belongs to one thread; struct rate_shared may be charged from several (all connections of one node).
 */
#ifndef DERP_RATE_H
#define DERP_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 rate_wide;

struct rate_limit {
	uint64_t per_s; /* tokens a second; 0: no limit */
	uint64_t burst; /* tokens a full bucket holds */
};

struct rate {
	int64_t full_ns; /* monotonic; 0: full */
};

struct rate_shared {
	atomic_int_fast64_t full_ns;
};

static inline int64_t rate_cost_ns(const struct rate_limit *l, uint64_t tokens)
{
	return (int64_t)((rate_wide)tokens * 1000000000u / l->per_s);
}

/** Take the tokens if they are all there; false and nothing taken if not. */
static inline bool rate_take(struct rate *r, const struct rate_limit *l, uint64_t tokens, int64_t now_ns)
{
	int64_t from, next;

	if (!l->per_s)
		return true;
	from = r->full_ns > now_ns ? r->full_ns : now_ns;
	next = from + rate_cost_ns(l, tokens);
	if (next - now_ns > rate_cost_ns(l, l->burst))
		return false;
	r->full_ns = next;
	return true;
}

/** Take the tokens, into debt if need be; returns the ns until the debt is paid, 0 if there is none. */
static inline int64_t rate_charge(struct rate *r, const struct rate_limit *l, uint64_t tokens, int64_t now_ns)
{
	int64_t from, wait;

	if (!l->per_s)
		return 0;
	from = r->full_ns > now_ns ? r->full_ns : now_ns;
	r->full_ns = from + rate_cost_ns(l, tokens);
	wait = r->full_ns - now_ns - rate_cost_ns(l, l->burst);
	return wait > 0 ? wait : 0;
}

/** As rate_take(). */
static inline bool rate_shared_take(struct rate_shared *r, const struct rate_limit *l, uint64_t tokens, int64_t now_ns)
{
	int_fast64_t old, next;

	if (!l->per_s)
		return true;
	old = atomic_load_explicit(&r->full_ns, memory_order_relaxed);
	do {
		next = (old > now_ns ? old : now_ns) + rate_cost_ns(l, tokens);
		if (next - now_ns > rate_cost_ns(l, l->burst))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&r->full_ns, &old, next, memory_order_relaxed,
	                                                memory_order_relaxed));
	return true;
}

static inline int64_t rate_shared_charge(struct rate_shared *r, const struct rate_limit *l, uint64_t tokens,
                                         int64_t now_ns)
{
	int_fast64_t old, from;
	int64_t wait;

	if (!l->per_s)
		return 0;
	old = atomic_load_explicit(&r->full_ns, memory_order_relaxed);
	do {
		from = (old > now_ns ? old : now_ns) + rate_cost_ns(l, tokens);
	} while (!atomic_compare_exchange_weak_explicit(&r->full_ns, &old, from, memory_order_relaxed,
	                                                memory_order_relaxed));
	wait = from - now_ns - rate_cost_ns(l, l->burst);
	return wait > 0 ? wait : 0;
}

#endif
