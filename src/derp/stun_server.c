/*
 * derp/stun_server.c -- see derp/stun_server.h.
 *
 * net/udp.h reads and sends in batches and names the local address of each datagram; here an answer is made for each
 * request, 32 bytes for IPv4 whatever the socket's family.
 */
#include "derp/stun_server.h"

#include <stdlib.h>

#include "base/vec.h"
#include "derp/stun.h"
#include "net/udp.h"

struct stun_server {
	struct udp *udp;
	struct stun_stats n; /* written by the loop, read by anybody */
};

#define ADD(field) __atomic_store_n(&s->n.field, s->n.field + 1, __ATOMIC_RELAXED)

static void answer(struct stun_server *s, const struct udp_datagram *d)
{
	uint8_t out[STUN_RESPONSE_MAX], ip[16];
	const uint8_t *txid;

	if (stun_request_parse(d->data, &txid) != ST_OK) {
		ADD(not_stun);
		return;
	}
	ADD(success);
	if (net_addr_family(&d->remote) == AF_INET)
		ADD(ipv4);
	else
		ADD(ipv6);
	net_addr_ip16(&d->remote, ip);
	udp_send(s->udp, bytes_of(out, stun_response_put(out, txid, ip, net_addr_port(&d->remote))), &d->remote, &d->local);
}

static void on_datagrams(void *arg, const struct udp_datagram *d, size_t n)
{
	for (size_t i = 0; i < n; i++)
		answer(arg, &d[i]);
}

enum status stun_server_new(struct loop *l, const struct net_addr *addr, struct stun_server **out, struct err *err)
{
	struct stun_server *s = xcalloc(1, sizeof *s);
	enum status st = udp_open(l, addr, on_datagrams, s, &s->udp, err);

	if (st == ST_OK)
		*out = s;
	else
		free(s);
	return st;
}

void stun_server_free(struct stun_server **s)
{
	if (!*s)
		return;
	udp_close(&(*s)->udp);
	free(*s);
	*s = NULL;
}

struct net_addr stun_server_addr(const struct stun_server *s)
{
	return udp_addr(s->udp);
}

void stun_server_stats(const struct stun_server *s, struct stun_stats *out)
{
	const uint64_t *v = (const uint64_t *)(const void *)&s->n;
	uint64_t *sum = (uint64_t *)(void *)out;

	for (size_t i = 0; i < sizeof *out / sizeof *v; i++)
		sum[i] += __atomic_load_n(&v[i], __ATOMIC_RELAXED);
}
