/*
 * http/h2_client.h -- HTTP/2 with prior knowledge over any stream, the client's side: for tests and load.
 */
#ifndef HTTP_H2_CLIENT_H
#define HTTP_H2_CLIENT_H

#include "http/http.h"

struct h2_client;
struct h2_call;

struct h2_client_opts {
	uint32_t stream_window; /* bytes a response may be ahead; 0: 4 MiB */
	uint32_t conn_window;   /* 0: 1 GiB */
	/** The connection is gone; every call was told before. May be NULL. */
	void (*closed)(void *arg, enum stream_end why);
	void *arg;
};

/** The stream is taken. Returned: borrowed until `closed`, or until h2_client_free(). */
struct h2_client *h2_client_new(struct stream *s, const struct h2_client_opts *o);
/** Abort it, no callbacks any more (also of calls). Clears *c, accepts NULL inside. */
void h2_client_free(struct h2_client **c);

struct h2_call_handler {
	/** The head of the answer. Headers are borrowed for the call. May be NULL. */
	void (*head)(void *arg, int status, const struct http_header *headers, size_t n);
	/** Body bytes, borrowed. May be NULL. */
	void (*data)(void *arg, struct bytes b);
	/** The last callback. ST_OK: a whole answer; ST_CLOSED: reset by the peer (h2_error) or connection lost. */
	void (*done)(void *arg, enum status s, uint32_t h2_error);
};
struct h2_call_opts {
	const char *method, *path;
	const char *authority; /* NULL: "unused" */
	const struct http_header *headers;
	size_t n_headers;
	struct bytes body; /* copied */
	bool hold;         /* give the peer no new window for what comes, until h2_call_consume() */
};
/** Send a request. Returned: borrowed until `done`, or until h2_call_cancel(). All is copied. NULL: the connection ends. */
struct h2_call *h2_client_call(struct h2_client *c, const struct h2_call_opts *o, const struct h2_call_handler *h, void *arg);
/** Reset the stream; no callback any more. Clears *c, accepts NULL inside. */
void h2_call_cancel(struct h2_call **c);
/** With `hold`: n bytes of what came are used. */
void h2_call_consume(struct h2_call *c, size_t n);

#endif
