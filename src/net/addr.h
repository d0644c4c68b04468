/*
 * net/addr.h -- a socket's address.
 *
 * IPv4-mapped IPv6 addresses become plain IPv4 when an address comes from the kernel, so that each peer has one form.
 * Pure; any thread.
 */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/status.h"

/* family AF_UNSPEC: none; AF_UNIX: a local socket, without a path. */
struct net_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
};

#define NET_ADDR_TEXT_MAX 64

static inline int net_addr_family(const struct net_addr *a)
{
	return a->sa.sa_family;
}
/** From what the kernel said. len 0 or an unknown family gives AF_UNSPEC. */
struct net_addr net_addr_of(const struct sockaddr *sa, size_t len);
/** Length for bind(), connect(), sendto(). */
socklen_t net_addr_len(const struct net_addr *a);
/** An IPv4 or IPv6 address without port, brackets and zone ("192.0.2.1", "2001:db8::1"). */
enum status net_addr_parse(struct bytes text, uint16_t port, struct net_addr *out) MUST_CHECK;
/** "host:port" with a numeric host, "[v6]:port", ":port" (every address: [::]). Names are not looked up. */
enum status net_addr_parse_port(struct bytes text, struct net_addr *out) MUST_CHECK;
/** Address without port; "unix" for a local socket, "" for none. Returns the length. */
size_t net_addr_format(const struct net_addr *a, char out[static NET_ADDR_TEXT_MAX]);
/** Address and port: "192.0.2.1:80", "[2001:db8::1]:80". */
size_t net_addr_format_port(const struct net_addr *a, char out[static NET_ADDR_TEXT_MAX]);
uint16_t net_addr_port(const struct net_addr *a);
/** 16 bytes; IPv4 as ::ffff:a.b.c.d, zeros for the rest. */
void net_addr_ip16(const struct net_addr *a, uint8_t out[static 16]);
/** The address in the last 4 (IPv4) or all 16 bytes of out, the rest zero; returns 4, 6, or 0 for none. */
int net_addr_ip(const struct net_addr *a, uint8_t out[static 16]);
/** Same family, address and port. */
bool net_addr_eq(const struct net_addr *a, const struct net_addr *b);
/** 127.0.0.0/8, ::1 or a local socket. */
bool net_addr_is_loopback(const struct net_addr *a);

#endif
