/*
 * net/udp.h -- datagrams in batches, with the address they were sent to.
 */
#ifndef NET_UDP_H
#define NET_UDP_H

#include "net/addr.h"
#include "net/loop.h"

#define UDP_BATCH   32u
#define UDP_MAX     1500u /* longer ones are dropped */

struct udp;

struct udp_datagram {
	struct bytes data;      /* borrowed for the call */
	struct net_addr remote; /* from whom */
	struct net_addr local;  /* the address it was sent to; port 0: not known */
};
/** A batch arrived, 1..UDP_BATCH datagrams. */
typedef void udp_fn(void *arg, const struct udp_datagram *d, size_t n);

/** Bind; several loops may share an address (SO_REUSEPORT). "[::]" takes IPv4 too. Returned (udp_close). */
enum status udp_open(struct loop *l, const struct net_addr *addr, udp_fn *fn, void *arg, struct udp **out, struct err *err) MUST_CHECK;
/**
 * Send one datagram (data.n <= UDP_MAX) from the local address given (AF_UNSPEC: any). It is copied and leaves with its
 * like at the end of the turn. What the kernel does not take at once is dropped and counted.
 */
void udp_send(struct udp *u, struct bytes data, const struct net_addr *remote, const struct net_addr *local);
struct net_addr udp_addr(const struct udp *u);
void udp_close(struct udp **u);

#endif
