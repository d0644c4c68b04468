/*
 * derp/stun_server.h -- STUN on UDP: one datagram in, one out, from the address that was asked.
 *
 * One a loop and address; several loops may share an address. Never limited: an answer that is missing
 * moves a client's home. Lives on its loop.
 */
#ifndef DERP_STUN_SERVER_H
#define DERP_STUN_SERVER_H

#include "base/status.h"
#include "derp/stats.h"
#include "net/addr.h"

struct loop;
struct stun_server;

/** Listen; "[::]" takes IPv4 too. Returned (stun_server_free). err says which address and why. */
enum status stun_server_new(struct loop *l, const struct net_addr *addr, struct stun_server **out, struct err *err)
	MUST_CHECK;
void stun_server_free(struct stun_server **s);
struct net_addr stun_server_addr(const struct stun_server *s);
/** Add its counters to *out. Any thread. */
void stun_server_stats(const struct stun_server *s, struct stun_stats *out);

#endif
