/*
 * state/addr.h -- which address comes next.
 *
 * A pool only remembers where it was; what is taken is asked of the caller's index, so nothing has to be given back.
 * Never given: the first and last address of the prefix, and what clients or others have for themselves
 * (100.100.0.0/24, 100.100.100.100, 100.115.92.0/23, fd7a:115c:a1e0::53). Writer's thread.
 */
#ifndef STATE_ADDR_H
#define STATE_ADDR_H

#include "model/ip.h"

struct addr_pool {
	struct ip_prefix prefix; /* masked; family IP_NONE: nothing to give */
	bool random;
	struct ip_addr last;     /* given last; IP_NONE: start at the front */
	bool full;               /* nothing was free, and nothing has been freed since */
};

/** Another prefix or order; keeps its place if the prefix is the same. */
void addr_pool_set(struct addr_pool *p, struct ip_prefix prefix, bool random);
/** An address in use at start: sequential pools go on behind the highest. */
void addr_pool_seen(struct addr_pool *p, const struct ip_addr *a);
/** An address was freed. */
void addr_pool_freed(struct addr_pool *p);
/**
 * A free address. taken(arg, a) says whether somebody has it.
 * ST_TOO_BIG: all are given. A prefix nearly full costs a walk over it, once.
 */
enum status addr_pool_next(struct addr_pool *p, bool (*taken)(void *arg, const struct ip_addr *a), void *arg,
			   struct ip_addr *out) MUST_CHECK;
/** Never given to anyone in this prefix. */
bool addr_reserved(const struct ip_prefix *p, const struct ip_addr *a);

#endif
