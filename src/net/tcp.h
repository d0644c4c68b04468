/*
 * net/tcp.h -- listeners, and the streams of accepted connections.
 *
 * A listener lives on one loop. To spread an address over several loops open one on each: the kernel shares them out
 * (SO_REUSEPORT). Listeners may be opened before the loops run, by the thread that made them: that is how a port
 * below 1024 is bound before privileges are dropped.
 *
 * Limits are counted over all listeners that share a `struct conn_limits`.
 */
#ifndef NET_TCP_H
#define NET_TCP_H

#include "net/stream.h"

/* ---- limits ---- */

struct conn_limits_opts {
	uint32_t max_total;       /* connections at once; 0: no limit */
	uint32_t max_per_address; /* per IPv4 address or IPv6 /64; local sockets are not counted; 0: no limit */
	uint32_t max_pending;     /* accepted, not yet conn_established(), per loop; the oldest goes for a new one; 0: no limit */
	/** Does this address stand for many (a trusted proxy)? Then max_per_address is not for it. NULL: none does. Any thread; the same answer always. */
	bool (*exempt)(void *arg, const struct net_addr *a);
	void *exempt_arg;
};
struct conn_limits;
/** Shared by listeners on all loops. One reference; conn_limits_unref. */
struct conn_limits *conn_limits_new(const struct conn_limits_opts *o);
struct conn_limits *conn_limits_ref(struct conn_limits *c);
void conn_limits_unref(struct conn_limits **c);
/** New numbers from here on. Any thread. */
void conn_limits_set(struct conn_limits *c, const struct conn_limits_opts *o);
/** Connections now. Any thread. */
uint32_t conn_limits_open(const struct conn_limits *c);

/* ---- listeners ---- */

struct listener_opts {
	struct conn_limits *limits; /* may be NULL; a reference is kept */
	int backlog;                /* 0: 1024 */
	uint32_t write_stall_ms;    /* no progress of a write for so long: STREAM_END_SLOW; 0: 60,000 */
};
struct listener;
/** A connection: taken. Paused; without a deadline. On the listener's loop. */
typedef void listener_fn(void *arg, struct stream *s);

/**
 * Listen at an address; port 0 takes a free one. "[::]" takes IPv4 too. err says which address and why.
 * Several loops may listen at the same address.
 */
enum status listener_open(struct loop *l, const struct net_addr *addr, const struct listener_opts *o, listener_fn *fn,
			  void *arg, struct listener **out, struct err *err) MUST_CHECK;
/** A local socket; a stale one at the path is replaced, a live one is ST_CONFLICT. mode as chmod takes it. Removed at close. */
enum status listener_open_unix(struct loop *l, const char *path, unsigned mode, const struct listener_opts *o,
			       listener_fn *fn, void *arg, struct listener **out, struct err *err) MUST_CHECK;
/** A listening descriptor made by somebody else (socket activation, TCP or local); taken. */
enum status listener_open_fd(struct loop *l, int fd, const struct listener_opts *o, listener_fn *fn, void *arg,
			     struct listener **out, struct err *err) MUST_CHECK;
/** Where it listens, with the port. */
struct net_addr listener_addr(const struct listener *l);
/** Accept no more. Clears *l, accepts NULL inside. Connections stay. */
void listener_close(struct listener **l);

/* ---- descriptors ---- */

/** A stream over a connected socket (TCP or local); fd is taken, closed also on failure. */
enum status tcp_stream_from_fd(struct loop *l, int fd, struct stream **out, struct err *err) MUST_CHECK;
/**
 * The socket below a stream that is a bare one; -1: it is a layer. It stays the stream's. For an owner who reads and writes
 * by himself from here on: the stream must be paused and have nothing pending, and is only good for being aborted.
 */
int tcp_stream_fd(const struct stream *s);

#endif
