/*
 * http/http.h -- a request and its answer, the same for HTTP/1 and HTTP/2.
 *
 * A handler is called once the head and the body are there, on the connection's loop. It answers at once or later, from
 * the same loop: http_respond(), or http_resp_start() .. http_resp_end(). That ends the request: afterwards `r` may not be
 * touched. A handler that does not answer at once sets http_on_cancel(): if the peer goes away first, that is called and is
 * the end of the request too. Whatever happens, exactly one of these ends a request.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/arena.h"
#include "net/stream.h"

#define HTTP_BODY_MAX_DEFAULT ((size_t)1024 * 1024)

enum http_version { HTTP_V10, HTTP_V11, HTTP_V2 };

struct http_header {
	const char *name;  /* lower case */
	const char *value; /* without surrounding blanks; no control characters */
};
struct http_pair {
	const char *name, *value; /* decoded */
};

struct http_req;
struct http_route;
struct http_req_ops;
typedef void http_handler_fn(void *arg, struct http_req *r);
typedef void http_req_fn(void *arg, struct http_req *r);

/* Read by handlers, filled by the connection. All memory is the arena's. */
struct http_req {
	struct arena *arena;          /* goes with the request */
	struct loop *loop;
	enum http_version version;
	const char *method;           /* "GET"; HEAD stays HEAD, the connection drops its body */
	const char *raw_path;         /* as sent, without the query; begins with '/' (or is "*") */
	const char *path;             /* percent-decoded; no NUL in it, but maybe "..": never a file name */
	const char *query;            /* as sent, after the '?'; "" */
	const char *host;             /* Host or :authority; "" */
	const struct http_header *headers;
	size_t n_headers;
	struct bytes body;            /* until the end of the request, or http_req_drop_body() */
	struct conn_info *conn;       /* borrowed */
	struct net_addr client;       /* who asks: the peer, or whom trusted proxies name */
	bool secure;                  /* the client came by TLS, here or at a trusted proxy */
	void *conn_data;              /* of the HTTP/2 connection: see h2_server_opts; NULL on HTTP/1 */
	void *auth_data;              /* for the auth check and the handlers behind it */
	const char *id;               /* names the request in logs; set by whoever gives names, NULL: nobody did */
	const char *who;              /* whom the auth check found to ask, for logs; NULL: a stranger, or not known */
	const struct http_pair *params; /* of the route's pattern */
	size_t n_params;
	const struct http_route *route;

	/* The rest is the connection's. */
	const struct http_req_ops *ops;
	struct http_header *out_headers;
	size_t n_out_headers, cap_out_headers;
	http_req_fn *cancel, *drained;
	void *cancel_arg, *drained_arg;
	bool started, ended;
};

/* ---- reading ---- */

/** The first header of this name (lower case); NULL: none. */
const char *http_req_header(const struct http_req *r, const char *name);
/** Whether a comma-separated header holds this token, in any case ("connection", "upgrade"). All headers of the name count. */
bool http_req_header_has(const struct http_req *r, const char *name, const char *token);
/** A part of the path matched by {name}, decoded; NULL: the pattern has none. "*" is what a trailing * matched. */
const char *http_req_param(const struct http_req *r, const char *name);
/** The first query parameter of this name, decoded; "" without a value; NULL: none. */
const char *http_req_query(const struct http_req *r, const char *name);
/** All query parameters in order, decoded; the array is the arena's. At most HTTP_PAIRS_MAX, the rest is left out. */
size_t http_req_query_all(const struct http_req *r, const struct http_pair **out);
/** The same for a body of type application/x-www-form-urlencoded. */
size_t http_req_form(const struct http_req *r, const struct http_pair **out);
#define HTTP_PAIRS_MAX 200u
/** The cookie of this name; NULL: none. */
const char *http_req_cookie(const struct http_req *r, const char *name);
/** Release the body early: a long poll does not need it. r->body is empty after. */
void http_req_drop_body(struct http_req *r);

/* ---- answering ---- */

/** Add a header to the answer, before it starts. Both are copied. A value with control characters is left out. */
void http_resp_header(struct http_req *r, const char *name, const char *value);
/** Answer in one go: status, type (NULL: none; not changed if set by http_resp_header()), body (copied). Ends the request. */
void http_respond(struct http_req *r, int status, const char *content_type, struct bytes body);
/** The same with shared bytes: a reference is taken by the call for itself. */
void http_respond_shared(struct http_req *r, int status, const char *content_type, struct shared_bytes *body);
/** Short plain text; a newline is added. */
void http_respond_text(struct http_req *r, int status, const char *text);
/** Redirect (302, 303, 307 ...). */
void http_respond_redirect(struct http_req *r, int status, const char *location);
/** "Come back in a while": status 503 or 429 and a Retry-After of min_s..max_s seconds, drawn for each. Counted. */
void http_respond_overload(struct http_req *r, int status, unsigned min_s, unsigned max_s);

/** Begin an answer of unknown length. HTTP/1.1: chunked; HTTP/1.0: until close. Sent at the end of the turn. */
void http_resp_start(struct http_req *r, int status);
/** A piece of it (copied); any size. */
void http_resp_write(struct http_req *r, struct bytes b);
/** A piece that others hold too: a reference is kept until it is sent. */
void http_resp_write_shared(struct http_req *r, struct shared_bytes *b);
/** That was all. Ends the request; what waits is sent. */
void http_resp_end(struct http_req *r);
/** Break it off: the peer sees a broken answer (reset stream, closed connection). Ends the request. No cancel. */
void http_resp_abort(struct http_req *r);

/** Bytes written by the handler which the connection has not passed on: a slow reader shows here. */
size_t http_resp_pending(const struct http_req *r);
/** fn(arg, r) from the loop each time http_resp_pending() has fallen to HTTP_LOW_WATER or below after being above. */
void http_on_drained(struct http_req *r, http_req_fn *fn, void *arg);
#define HTTP_LOW_WATER ((size_t)16 * 1024)
/** fn(arg, r) from the loop if the peer goes away before the answer has ended; r is still readable during the call. */
void http_on_cancel(struct http_req *r, http_req_fn *fn, void *arg);
/** As http_resp_abort() with the whole connection. Ends the request; other requests on it are cancelled. */
void http_close_connection(struct http_req *r);

/* ---- taking over (HTTP/1 only) ---- */

/**
 * Answer 101 with `Upgrade: <token>`, `Connection: upgrade` and the headers added so far, and take the connection.
 *
 * stream_out  yours: paused, without deadline and handler; bytes the peer sent already come first.
 * ST_OK: the request has ended. ST_UNSUPPORTED: HTTP/2 or 1.0; answer it otherwise.
 */
enum status http_switch(struct http_req *r, const char *token, struct stream **stream_out) MUST_CHECK;
/** The same without a word to the peer. */
enum status http_take(struct http_req *r, struct stream **stream_out) MUST_CHECK;

/* ---- for connections ---- */

struct http_req_ops {
	void (*respond)(struct http_req *r, int status, struct bytes body, struct shared_bytes *shared);
	void (*start)(struct http_req *r, int status);
	void (*write)(struct http_req *r, struct bytes b, struct shared_bytes *shared);
	void (*end)(struct http_req *r);
	void (*abort)(struct http_req *r, bool connection);
	size_t (*pending)(const struct http_req *r);
	void (*drop_body)(struct http_req *r);
	struct stream *(*take)(struct http_req *r, const char *token); /* NULL member: cannot */
};

/** "Not Found"; "" for an unknown status. */
const char *http_reason(int status);

#endif
