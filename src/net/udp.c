/*
 * net/udp.c -- see net/udp.h.
 *
 * recvmmsg() and sendmmsg() directly on a watched descriptor: libuv gives neither the address a datagram was sent to nor a
 * way to choose the one it leaves from. On a socket for both families the kernel speaks IPv6 only, so that IPv4 addresses are
 * mapped on the way out and back on the way in.
 */
#include "net/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/vec.h"
#include "net/counters.h"

#define CONTROL_SIZE 128u
#define BATCHES_A_TURN 8 /* then others get their turn */
#define RECEIVE_BUFFER (1024 * 1024)

struct slot {
	uint8_t data[UDP_MAX + 1]; /* one more, to see what is longer */
	struct sockaddr_in6 name;  /* large enough for both */
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
	struct iovec iov;
};

struct batch {
	struct slot slot[UDP_BATCH];
	struct mmsghdr msg[UDP_BATCH];
};

struct udp {
	struct loop *loop;
	struct loop_fd *watch;
	int fd, family;
	udp_fn *fn;
	void *arg;
	struct batch in, out;
	unsigned n_out;
	struct loop_task send;
	bool closed; /* by its user, perhaps inside fn */
};

static void prepare(struct batch *b, unsigned i, size_t len)
{
	struct slot *s = &b->slot[i];

	s->iov = (struct iovec){ s->data, len };
	b->msg[i].msg_hdr = (struct msghdr){
		.msg_name = &s->name,
		.msg_namelen = sizeof s->name,
		.msg_iov = &s->iov,
		.msg_iovlen = 1,
		.msg_control = s->control,
		.msg_controllen = CONTROL_SIZE,
	};
	b->msg[i].msg_len = 0;
}

/* The address a datagram was sent to, from what came beside it. */
static struct net_addr destination(struct msghdr *m)
{
	struct net_addr a = { 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof info);
			a.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = info.ipi_addr };
			return a;
		}
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

			memcpy(&info, CMSG_DATA(c), sizeof info);
			v6.sin6_addr = info.ipi6_addr;
			return net_addr_of((struct sockaddr *)&v6, sizeof v6);
		}
	}
	return a;
}

/* False: nothing more waits. */
static bool receive(struct udp *u)
{
	struct udp_datagram d[UDP_BATCH];
	size_t n = 0;
	int got;

	for (unsigned i = 0; i < UDP_BATCH; i++)
		prepare(&u->in, i, UDP_MAX + 1);
	got = recvmmsg(u->fd, u->in.msg, UDP_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < got; i++) {
		struct slot *s = &u->in.slot[i];
		struct msghdr *m = &u->in.msg[i].msg_hdr;

		if (u->in.msg[i].msg_len > UDP_MAX)
			continue;
		d[n++] = (struct udp_datagram){
			.data = bytes_of(s->data, u->in.msg[i].msg_len),
			.remote = net_addr_of((struct sockaddr *)&s->name, m->msg_namelen),
			.local = destination(m),
		};
	}
	if (n)
		u->fn(u->arg, d, n);
	return got == (int)UDP_BATCH && !u->closed;
}

static void on_ready(void *arg, unsigned events)
{
	struct udp *u = arg;

	(void)events; /* an error is fetched, and so cleared, by the next receive */
	for (int i = 0; i < BATCHES_A_TURN && receive(u); i++)
		;
}

static void send_all(void *arg)
{
	struct udp *u = arg;
	unsigned at = 0;

	while (at < u->n_out) {
		int n = sendmmsg(u->fd, u->out.msg + at, u->n_out - at, MSG_DONTWAIT);

		if (n <= 0) { /* the first of them did not go: that one is lost, not those behind it */
			net_count(NET_COUNT_UDP_DROPPED);
			n = 1;
		}
		at += (unsigned)n;
	}
	u->n_out = 0;
}

static void map_to_v6(const struct net_addr *a, struct sockaddr_in6 *out)
{
	*out = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(net_addr_port(a)) };
	net_addr_ip16(a, out->sin6_addr.s6_addr);
	if (net_addr_family(a) == AF_INET6)
		out->sin6_scope_id = a->v6.sin6_scope_id;
}

static void set_source(struct udp *u, struct msghdr *m, const struct net_addr *local)
{
	struct cmsghdr *c = m->msg_control;

	if (!local || net_addr_family(local) == AF_UNSPEC) {
		m->msg_control = NULL;
		m->msg_controllen = 0;
		return;
	}
	memset(c, 0, CONTROL_SIZE);
	if (u->family == AF_INET) {
		struct in_pktinfo info = { .ipi_spec_dst = local->v4.sin_addr };

		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof info);
		memcpy(CMSG_DATA(c), &info, sizeof info);
		m->msg_controllen = CMSG_SPACE(sizeof info);
	} else {
		struct in6_pktinfo info = { 0 };

		net_addr_ip16(local, info.ipi6_addr.s6_addr);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof info);
		memcpy(CMSG_DATA(c), &info, sizeof info);
		m->msg_controllen = CMSG_SPACE(sizeof info);
	}
}

void udp_send(struct udp *u, struct bytes data, const struct net_addr *remote, const struct net_addr *local)
{
	unsigned i = u->n_out;
	struct slot *s = &u->out.slot[i];

	loop_assert(u->loop);
	if (data.n > UDP_MAX || (u->family == AF_INET && net_addr_family(remote) != AF_INET)) {
		net_count(NET_COUNT_UDP_DROPPED);
		return;
	}
	if (data.n)
		memcpy(s->data, data.p, data.n);
	prepare(&u->out, i, data.n);
	if (u->family == AF_INET) {
		memcpy(&s->name, &remote->v4, sizeof remote->v4);
		u->out.msg[i].msg_hdr.msg_namelen = sizeof remote->v4;
	} else {
		map_to_v6(remote, &s->name);
	}
	set_source(u, &u->out.msg[i].msg_hdr, local);
	if (++u->n_out == UDP_BATCH)
		send_all(u);
	else
		loop_task_queue(&u->send);
}

static int bound_socket(const struct net_addr *a)
{
	static const int on = 1, off = 0, room = RECEIVE_BUFFER;
	int family = net_addr_family(a), fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), e;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
	}
	setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on); /* IPv4 datagrams, on either kind of socket */
	if (bind(fd, &a->sa, net_addr_len(a)) == 0)
		return fd;
	e = errno;
	close(fd);
	errno = e;
	return -1;
}

enum status udp_open(struct loop *l, const struct net_addr *addr, udp_fn *fn, void *arg, struct udp **out, struct err *err)
{
	struct net_addr a = *addr;
	struct udp *u;
	int fd = bound_socket(&a);

	if (fd < 0 && errno == EAFNOSUPPORT && net_addr_family(addr) == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&addr->v6.sin6_addr)) {
		a = (struct net_addr){ .v4 = { .sin_family = AF_INET, .sin_port = addr->v6.sin6_port } };
		fd = bound_socket(&a);
	}
	if (fd < 0) {
		char text[NET_ADDR_TEXT_MAX];
		int e = errno;

		net_addr_format_port(addr, text);
		err_set(err, "cannot listen on %s (UDP): %s", text, strerror(e));
		return e == EADDRINUSE ? ST_CONFLICT : e == EACCES ? ST_DENIED : ST_IO;
	}
	u = xcalloc(1, sizeof *u);
	u->loop = l;
	u->fd = fd;
	u->family = net_addr_family(&a);
	u->fn = fn;
	u->arg = arg;
	loop_task_init(&u->send, l, send_all, u);
	u->watch = loop_fd_new(l, fd, on_ready, u);
	loop_fd_want(u->watch, LOOP_FD_READ);
	*out = u;
	return ST_OK;
}

struct net_addr udp_addr(const struct udp *u)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	if (getsockname(u->fd, (struct sockaddr *)&ss, &len) != 0)
		return (struct net_addr){ 0 };
	return net_addr_of((struct sockaddr *)&ss, len);
}

void udp_close(struct udp **up)
{
	struct udp *u = *up;

	*up = NULL;
	if (!u)
		return;
	u->closed = true;
	send_all(u);
	loop_task_cancel(&u->send);
	loop_fd_free(&u->watch);
	close(u->fd);
	loop_retire(u->loop, u);
}
