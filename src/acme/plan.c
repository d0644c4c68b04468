/*
 * acme/plan.c -- see acme/plan.h.
 *
 * Let's Encrypt takes five failed proofs of a name in an hour: the pauses stay below that.
 */
#include "acme/plan.h"

#include <stddef.h>

int64_t acme_renew_at(int64_t not_before, int64_t not_after, uint64_t random)
{
	int64_t life = not_after > not_before ? not_after - not_before : 0;

	return not_before + life / 3 * 2 + (int64_t)(random % ((uint64_t)life / 30 + 1));
}

int64_t acme_pause_s(unsigned failures, int64_t retry_after_s, uint64_t random)
{
	static const int32_t pauses[] = { 60, 300, 1200, 3600, 2 * 3600, 3 * 3600, 4 * 3600, 6 * 3600 };
	size_t last = sizeof pauses / sizeof *pauses - 1;
	int64_t s = pauses[failures == 0 ? 0 : failures - 1 < last ? failures - 1 : last];

	if (s < retry_after_s)
		s = retry_after_s;
	return s + (int64_t)(random % ((uint64_t)s / 10 + 1));
}
