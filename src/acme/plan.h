/* acme/plan.h -- when to ask for a certificate. Pure; any thread. */
#ifndef ACME_PLAN_H
#define ACME_PLAN_H

#include <stdint.h>

/**
 * When a certificate good from..until (unix seconds) is to be renewed: at two thirds of its life, and up to a
 * thirtieth of it later, so that servers set up together do not ask together. random: any number.
 */
int64_t acme_renew_at(int64_t not_before, int64_t not_after, uint64_t random);

/**
 * Seconds to wait after the n-th failure in a row (n >= 1): a minute at first, six hours at most, and up to a tenth
 * more; at least what the authority asked for (retry_after_s; -1: nothing).
 */
int64_t acme_pause_s(unsigned failures, int64_t retry_after_s, uint64_t random);

#endif
