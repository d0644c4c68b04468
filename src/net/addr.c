/* net/addr.c -- see net/addr.h. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

struct net_addr net_addr_of(const struct sockaddr *sa, size_t len)
{
	struct net_addr a = { 0 };

	if (!sa || len < sizeof sa->sa_family)
		return a;
	if (sa->sa_family == AF_UNIX)
		a.sa.sa_family = AF_UNIX;
	if (sa->sa_family == AF_INET && len >= sizeof a.v4)
		memcpy(&a.v4, sa, sizeof a.v4);
	if (sa->sa_family == AF_INET6 && len >= sizeof a.v6) {
		memcpy(&a.v6, sa, sizeof a.v6);
		if (memcmp(&a.v6.sin6_addr, mapped, sizeof mapped) == 0) {
			struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = a.v6.sin6_port };

			memcpy(&v4.sin_addr, a.v6.sin6_addr.s6_addr + 12, 4);
			a = (struct net_addr){ .v4 = v4 };
		}
	}
	return a;
}

socklen_t net_addr_len(const struct net_addr *a)
{
	return a->sa.sa_family == AF_INET ? sizeof a->v4 : sizeof a->v6;
}

enum status net_addr_parse(struct bytes text, uint16_t port, struct net_addr *out)
{
	struct net_addr a = { 0 };
	char buf[INET6_ADDRSTRLEN];

	if (text.n == 0 || text.n >= sizeof buf || memchr(text.p, 0, text.n))
		return ST_BAD_INPUT;
	memcpy(buf, text.p, text.n);
	buf[text.n] = 0;
	if (inet_pton(AF_INET, buf, &a.v4.sin_addr) == 1) {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons(port);
		*out = a;
		return ST_OK;
	}
	a = (struct net_addr){ 0 };
	if (inet_pton(AF_INET6, buf, &a.v6.sin6_addr) != 1)
		return ST_BAD_INPUT;
	a.v6.sin6_family = AF_INET6;
	a.v6.sin6_port = htons(port);
	*out = net_addr_of(&a.sa, sizeof a.v6);
	return ST_OK;
}

static enum status parse_port(struct bytes t, uint16_t *out)
{
	unsigned v = 0;

	if (t.n == 0 || t.n > 5)
		return ST_BAD_INPUT;
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] < '0' || t.p[i] > '9')
			return ST_BAD_INPUT;
		v = v * 10 + (unsigned)(t.p[i] - '0');
	}
	if (v > 65535)
		return ST_BAD_INPUT;
	*out = (uint16_t)v;
	return ST_OK;
}

enum status net_addr_parse_port(struct bytes text, struct net_addr *out)
{
	const uint8_t *colon = text.n ? memrchr(text.p, ':', text.n) : NULL;
	struct bytes host;
	uint16_t port;

	if (!colon)
		return ST_BAD_INPUT;
	host = bytes_of(text.p, (size_t)(colon - text.p));
	if (parse_port(bytes_skip(text, host.n + 1), &port) != ST_OK)
		return ST_BAD_INPUT;
	if (host.n == 0) {
		*out = (struct net_addr){ .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) } };
		return ST_OK;
	}
	if (host.p[0] != '[')
		return memchr(host.p, ':', host.n) ? ST_BAD_INPUT : net_addr_parse(host, port, out);
	if (host.n < 2 || host.p[host.n - 1] != ']' || !memchr(host.p, ':', host.n))
		return ST_BAD_INPUT;
	return net_addr_parse(bytes_of(host.p + 1, host.n - 2), port, out);
}

size_t net_addr_format(const struct net_addr *a, char out[static NET_ADDR_TEXT_MAX])
{
	out[0] = 0;
	if (a->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->v4.sin_addr, out, NET_ADDR_TEXT_MAX);
	else if (a->sa.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &a->v6.sin6_addr, out, NET_ADDR_TEXT_MAX);
	else if (a->sa.sa_family == AF_UNIX)
		strcpy(out, "unix");
	return strlen(out);
}

size_t net_addr_format_port(const struct net_addr *a, char out[static NET_ADDR_TEXT_MAX])
{
	char host[NET_ADDR_TEXT_MAX];

	net_addr_format(a, host);
	if (a->sa.sa_family == AF_INET)
		return (size_t)snprintf(out, NET_ADDR_TEXT_MAX, "%s:%u", host, net_addr_port(a));
	if (a->sa.sa_family == AF_INET6)
		return (size_t)snprintf(out, NET_ADDR_TEXT_MAX, "[%s]:%u", host, net_addr_port(a));
	strcpy(out, host);
	return strlen(out);
}

uint16_t net_addr_port(const struct net_addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return ntohs(a->v4.sin_port);
	return a->sa.sa_family == AF_INET6 ? ntohs(a->v6.sin6_port) : 0;
}

void net_addr_ip16(const struct net_addr *a, uint8_t out[static 16])
{
	memset(out, 0, 16);
	if (a->sa.sa_family == AF_INET) {
		memcpy(out, mapped, sizeof mapped);
		memcpy(out + 12, &a->v4.sin_addr, 4);
	} else if (a->sa.sa_family == AF_INET6) {
		memcpy(out, &a->v6.sin6_addr, 16);
	}
}

int net_addr_ip(const struct net_addr *a, uint8_t out[static 16])
{
	net_addr_ip16(a, out);
	if (a->sa.sa_family == AF_INET) {
		memset(out, 0, 12);
		return 4;
	}
	return a->sa.sa_family == AF_INET6 ? 6 : 0;
}

bool net_addr_eq(const struct net_addr *a, const struct net_addr *b)
{
	uint8_t x[16], y[16];

	net_addr_ip16(a, x);
	net_addr_ip16(b, y);
	return a->sa.sa_family == b->sa.sa_family && memcmp(x, y, 16) == 0 && net_addr_port(a) == net_addr_port(b);
}

bool net_addr_is_loopback(const struct net_addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
	if (a->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
	return a->sa.sa_family == AF_UNIX;
}
