/*
 * http/client.h -- a small HTTP/1.1 client over any stream: one request after the other.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "http/http.h"

struct http_client;

struct http_client_req {
	const char *method;  /* "GET" */
	const char *target;  /* path and query */
	const char *host;    /* Host header */
	const struct http_header *headers;
	size_t n_headers;
	struct bytes body;   /* copied; with POST, PUT and PATCH or if not empty a Content-Length is sent */
	size_t body_max;     /* of the answer; 0: 16 MiB */
	uint32_t timeout_ms; /* for all of it; 0: 30,000 */
	/** Not NULL: body bytes as they come, borrowed; then the answer's body is empty and body_max does not count. */
	void (*data)(void *arg, struct bytes b);
};
struct http_answer {
	int status;
	const struct http_header *headers; /* names lower case */
	size_t n_headers;
	struct bytes body;
	bool keep; /* the connection may be used again */
};
/** ST_OK with the answer (borrowed for the call); else NULL: ST_CLOSED, ST_BAD_INPUT, ST_TOO_BIG, ST_TIMEOUT. */
typedef void http_client_fn(void *arg, enum status s, const struct http_answer *a);

/** The stream is taken. Returned (http_client_free). */
struct http_client *http_client_new(struct stream *s);
/** Closes the connection; no callback any more. Clears *c, accepts NULL inside. */
void http_client_free(struct http_client **c);
/** Send a request; fn comes once, from the loop. One at a time. In fn the next may be sent, or the client freed. */
void http_client_send(struct http_client *c, const struct http_client_req *req, http_client_fn *fn, void *arg);
/** After (or in) an answer of 101: the connection, paused, what came behind the answer first. Frees the client, clears *c. */
struct stream *http_client_take(struct http_client **c);
/** The first header of this name (lower case); NULL: none. */
const char *http_answer_header(const struct http_answer *a, const char *name);

#endif
