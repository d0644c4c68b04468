/*
 * net/limits.h -- count connections, in all and by address, for listeners of several loops.
 */
#ifndef NET_LIMITS_H
#define NET_LIMITS_H

#include "net/tcp.h"

/** One more connection from `a`: ST_OK, or ST_BUSY and counted why. Any thread. c may be NULL. */
enum status conn_limits_enter(struct conn_limits *c, const struct net_addr *a) MUST_CHECK;
/** It is gone. */
void conn_limits_leave(struct conn_limits *c, const struct net_addr *a);
uint32_t conn_limits_max_pending(struct conn_limits *c);

#endif
