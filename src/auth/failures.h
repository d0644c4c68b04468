/*
 * auth/failures.h -- how often who fails to prove what they are, by address.
 *
 * An address (an IPv6 /64 is one) has so many failures a minute, which come back one by one. When they are used up,
 * its next attempts should be refused without a look at what they bring, so that guessing costs time and not ours.
 * What comes from this machine itself is never counted: behind a proxy that nobody named, that is everybody.
 */
#ifndef AUTH_FAILURES_H
#define AUTH_FAILURES_H

#include <stdbool.h>
#include <stdint.h>

struct net_addr;
struct failures;

/** per_minute 1..10,000,000. Returned (failures_free). */
struct failures *failures_new(uint32_t per_minute);
/** Clears *f, accepts NULL inside. */
void failures_free(struct failures **f);
/** One more. mono_ns: clock_mono_ns(). Any thread. */
void failures_note(struct failures *f, const struct net_addr *from, int64_t mono_ns);
/** None is left to this address; NULL f: never. Any thread. */
bool failures_used_up(struct failures *f, const struct net_addr *from, int64_t mono_ns);

#endif
