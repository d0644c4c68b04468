/*
 * http/h2.h -- HTTP/2 with prior knowledge over any stream, the server's side.
 *
 * Requests come to the same handlers as those of HTTP/1. Flow control is obeyed both ways: what a handler writes waits in its
 * request (http_resp_pending()) while the peer's window or the stream below is full.
 */
#ifndef HTTP_H2_H
#define HTTP_H2_H

#include "http/router.h"
#include "http/server.h"

struct h2_conn;

struct h2_server_opts {
	const struct http_router *router; /* borrowed; required */
	void *conn_data;                  /* r->conn_data of every request */
	/** The connection is gone, all its requests were cancelled before. May be NULL. */
	void (*closed)(void *conn_data, enum stream_end why);
	uint32_t max_streams;             /* at once; 0: 250 */
	uint32_t ping_ms;                 /* after so long without a byte from the peer a PING; no answer in ping_ms more: aborted; 0: never */
	uint32_t idle_ms;                 /* without any stream; 0: the server's limit does not apply, never */
	size_t bodies_bytes;              /* request bodies held at once on the connection; 0: 4 MiB */
	/** Who asks, when an outer request told; then no header of these requests can. Copied. NULL: as http_client_addr(). */
	const struct net_addr *client;
};

/**
 * Serve HTTP/2 on a stream: taken, paused. Limits and hooks are those of `srv`, which counts and drains the connection.
 * Returned: borrowed until `closed`.
 */
struct h2_conn *h2_serve(struct http_server *srv, struct stream *s, const struct h2_server_opts *o);
/** No new requests: GOAWAY; ends when those under way have. */
void h2_conn_drain(struct h2_conn *c);
/** End now; `closed` comes from the loop. */
void h2_conn_abort(struct h2_conn *c, enum stream_end why);
/** Requests under way. */
size_t h2_conn_streams(const struct h2_conn *c);
struct conn_info *h2_conn_info(const struct h2_conn *c);

#endif
