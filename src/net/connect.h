/*
 * net/connect.h -- outbound connections: TCP by name or address, local sockets, TLS on top.
 */
#ifndef NET_CONNECT_H
#define NET_CONNECT_H

#include "net/stream.h"

struct net_tls_client;

/* Where to. Exactly one of host, addr and unix_path is set. Borrowed during connect_start(). */
struct connect_opts {
	const char *host;            /* a name or an address without brackets */
	uint16_t port;               /* with host */
	const struct net_addr *addr;
	const char *unix_path;
	struct net_tls_client *tls;  /* not NULL: TLS, named by server_name or host */
	const char *server_name;
	uint32_t timeout_ms;         /* look-up, connect and TLS together; 0: 10,000 */
};

struct connect;
/** The end of it: ST_OK with a stream (taken, paused), else a status, and words in err. */
typedef void connect_fn(void *arg, enum status s, struct stream *stream, const struct err *err);

/**
 * Begin. The addresses of a name are tried one after the other. fn comes once, from the loop. Returned: gone when
 * fn is called, or by connect_cancel(). ST_NOT_FOUND: no such name; ST_IO: no address answered; ST_TIMEOUT; ST_DENIED: TLS
 * verification failed.
 */
struct connect *connect_start(struct loop *l, const struct connect_opts *o, connect_fn *fn, void *arg);
/** Afterwards there is no callback. Clears *c, accepts NULL inside. */
void connect_cancel(struct connect **c);

#endif
