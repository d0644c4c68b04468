/*
 * http/http_priv.h -- what HTTP/1 and HTTP/2 connections share.
 */
#ifndef HTTP_HTTP_PRIV_H
#define HTTP_HTTP_PRIV_H

#include "base/vec.h"
#include "http/router.h"
#include "http/server.h"

#define HTTP_DATE_LEN 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* A connection of a server. Embedded. */
struct http_conn {
	struct http_conn *next, *prev; /* the server's ring */
	struct http_server *srv;
	const struct http_conn_ops *ops;
};
struct http_conn_ops {
	void (*drain)(struct http_conn *c);
	void (*abort)(struct http_conn *c, enum stream_end why);
};

struct http_server {
	struct loop *loop;
	struct http_server_opts opts;
	struct http_conn ring;
	size_t n;
	bool draining;
	loop_fn *done;
	void *done_arg;
	struct loop_timer limit;
	struct loop_task all_gone;
	int64_t date_s; /* of which second `date` is */
	char date[HTTP_DATE_LEN + 1];
};

void http_server_add(struct http_server *s, struct http_conn *c, const struct http_conn_ops *ops);
void http_server_remove(struct http_conn *c);
/** Now, for a Date header; good until the next call. */
const char *http_server_date(struct http_server *s);

/* ---- requests ---- */

/** Bytes that go into a request's target: from the wire to r->raw_path, path, query. ST_BAD_INPUT: answer 400. */
enum status http_req_set_target(struct http_req *r, const char *target) MUST_CHECK;
/** Fill in client and secure from the headers and the peer. */
void http_req_set_client(struct http_req *r, const struct http_server *srv);
/** No control characters but tab. */
bool http_value_ok(const char *v);
/** Decode %xx (and + if plus); NULL: malformed, or a NUL in it. The result is the arena's. */
char *http_decode(struct arena *a, const char *p, size_t n, bool plus);

/** Tell the server's on_done; srv NULL: it is gone. */
void http_req_done(struct http_req *r, const struct http_server *srv, int status, uint64_t begun_ms);
/** Whether an answer of this status to this request has a body. */
bool http_has_body(const struct http_req *r, int status);

#endif
