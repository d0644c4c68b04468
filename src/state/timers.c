/*
 * state/timers.c -- what is to be looked at later: a heap of times; see state/state_priv.h.
 */
#include "state/state_priv.h"

void timers_add(struct timers *t, int64_t at_ns, enum timer_kind kind, uint64_t id)
{
	size_t i;

	vec_push(&t->heap, ((struct timer){ at_ns, kind, id }));
	for (i = t->heap.n - 1; i > 0 && t->heap.v[(i - 1) / 2].at_ns > at_ns; i = (i - 1) / 2) {
		t->heap.v[i] = t->heap.v[(i - 1) / 2];
		t->heap.v[(i - 1) / 2] = (struct timer){ at_ns, kind, id };
	}
}

int64_t timers_next(const struct timers *t)
{
	return t->heap.n > 0 ? t->heap.v[0].at_ns : INT64_MAX;
}

bool timers_pop(struct timers *t, int64_t now_ns, struct timer *out)
{
	struct timer last;
	size_t i = 0;

	if (t->heap.n == 0 || t->heap.v[0].at_ns > now_ns)
		return false;
	*out = t->heap.v[0];
	last = t->heap.v[--t->heap.n];
	for (;;) {
		size_t c = 2 * i + 1;

		if (c + 1 < t->heap.n && t->heap.v[c + 1].at_ns < t->heap.v[c].at_ns)
			c++;
		if (c >= t->heap.n || t->heap.v[c].at_ns >= last.at_ns)
			break;
		t->heap.v[i] = t->heap.v[c];
		i = c;
	}
	if (t->heap.n > 0)
		t->heap.v[i] = last;
	return true;
}
