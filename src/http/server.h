/*
 * http/server.h -- HTTP/1.1 connections over any stream, and what all connections of a loop share.
 *
 * One server a loop. It knows its connections, HTTP/1 and HTTP/2, and can end them in order.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http/http.h"

struct http_router;

struct http_limits {
	size_t head_bytes;      /* request line and headers; 0: 32 KiB. Over it: 431 */
	uint32_t head_count;    /* headers; 0: 100 */
	size_t body_bytes;      /* unless the route says otherwise; 0: HTTP_BODY_MAX_DEFAULT. Over it: 413 */
	uint32_t head_ms;       /* first byte .. end of head; 0: 10,000 */
	uint32_t first_ms;      /* accepted .. first byte; 0: 10,000 */
	uint32_t body_ms;       /* end of head .. end of body; 0: 60,000 */
	uint32_t idle_ms;       /* between requests; 0: 120,000 */
	uint32_t requests;      /* on one connection, then it closes; 0: no limit */
};

struct http_server_opts {
	struct http_limits limits;
	struct http_router *router; /* asked for every request; borrowed, must outlive the server */
	/** Is this peer a proxy whose word on the client's address counts? NULL: none is. Any loop. */
	bool (*is_proxy)(void *arg, const struct net_addr *a);
	void *is_proxy_arg;
	/** Told of every request when its answer has been given (status 0: none was, the peer went), for logs and metrics. May be NULL. */
	void (*on_done)(void *arg, const struct http_req *r, int status, uint64_t elapsed_ms);
	void *on_done_arg;
};

struct http_server;
struct http_server *http_server_new(struct loop *l, const struct http_server_opts *o);
/** Aborts what is left. Clears *s, accepts NULL inside. */
void http_server_free(struct http_server **s);
/** Serve a connection: taken, paused. Fits listener_fn with arg = the server. */
void http_server_accept(void *server, struct stream *s);
/** Connections now (without those taken over), HTTP/2 included. */
size_t http_server_open(const struct http_server *s);
/**
 * Stop in order: idle connections close, others after the answer they work on (HTTP/2: GOAWAY); after limit_ms the rest is
 * aborted with STREAM_END_SHUTDOWN. done(arg) comes once when none is left. Called once.
 */
void http_server_drain(struct http_server *s, uint32_t limit_ms, loop_fn *done, void *arg);
/** New limits for connections from here on. */
void http_server_set_limits(struct http_server *s, const struct http_limits *l);

/**
 * Who asks, of headers and peer: if is_proxy(peer), the first valid of True-Client-IP, X-Real-IP, or the rightmost address
 * of X-Forwarded-For that is no proxy; else the peer. Pure.
 */
struct net_addr http_client_addr(const struct http_req *r, bool (*is_proxy)(void *arg, const struct net_addr *a), void *arg);

#endif
