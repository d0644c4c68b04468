/*
 * net/tcp_priv.h -- a stream over a libuv socket, shared by listeners and outbound connections.
 */
#ifndef NET_TCP_PRIV_H
#define NET_TCP_PRIV_H

#include <uv.h>

#include "net/limits.h"
#include "net/loop_priv.h"
#include "net/tcp.h"

struct chunk;

struct tcp {
	struct stream s;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} uv;
	bool local;                  /* a local socket */
	bool reading, flying, closed /* uv_close() was called */;
	bool lingering;              /* all sent, FIN too: waiting for the peer's */
	bool peer_done;              /* it has sent its FIN */
	struct chunk *head, *tail;   /* written, not sent */
	size_t queued;               /* bytes in them */
	uv_write_t write;            /* while flying: of the first chunks */
	size_t flying_bytes;
	size_t seen_left;            /* of them at the last look of `stall` */
	size_t lingered;             /* bytes thrown away */
	struct loop_task flush;
	struct loop_timer stall;
	uint32_t stall_ms;
	struct conn_limits *limits;  /* entered, if not NULL */
	struct pending_conn pending;
};

/** An unconnected socket in a stream; the handle is initialised. */
struct tcp *tcp_new(struct loop *l, bool local);
/** It is connected: find out addresses, set options. */
void tcp_connected(struct tcp *t);
/** Count an accepted connection as a half-open stranger; the oldest of those may have to go. ST_BUSY: over a limit. */
enum status tcp_enter(struct tcp *t, struct conn_limits *limits) MUST_CHECK;
/** Close a socket that no user has seen; its memory goes later. */
void tcp_discard(struct tcp *t);

#endif
