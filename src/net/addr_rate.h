/*
 * net/addr_rate.h -- how often an address may do something: registrations, requests to the API, failed logins.
 *
 * An address (an IPv6 /64 is one; one of IPv4 written as IPv6 is that of IPv4) has a share that is used one by one and comes
 * back by the second. The table has a fixed size. All functions on any thread.
 */
#ifndef NET_ADDR_RATE_H
#define NET_ADDR_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct net_addr;
struct addr_rate;

/** A share of `max` (1 or more), of which per_second come back. Returned (addr_rate_free). */
struct addr_rate *addr_rate_new(double max, double per_second);
/** Clears *r, accepts NULL inside. */
void addr_rate_free(struct addr_rate **r);
/** Use one. false: nothing is left, and nothing was used; NULL r: always true. mono_ns: clock_mono_ns(). */
bool addr_rate_take(struct addr_rate *r, const struct net_addr *from, int64_t mono_ns);
/** Is nothing left? NULL r: never. */
bool addr_rate_used_up(struct addr_rate *r, const struct net_addr *from, int64_t mono_ns);

#endif
