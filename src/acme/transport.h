/*
 * acme/transport.h -- one HTTP request after the other to the authority, blocking, on a helper thread.
 *
 * Everything is bounded: time for a request and for all of them together, bytes of body and headers. Certificates are
 * verified; there are no redirects; after an https directory nothing is asked over http.
 */
#ifndef ACME_TRANSPORT_H
#define ACME_TRANSPORT_H

#include "acme/answer.h"
#include "base/buf.h"

#define ACME_NONCE_MAX 256 /* with the NUL */

struct acme_transport;

struct acme_transport_opts {
	const char *ca_file;	/* PEM file to trust in place of the system's; NULL or "": the system's. Borrowed */
	bool https_only;
	uint32_t request_ms;	/* for one request; 0: 30,000 */
	uint32_t total_ms;	/* from here on for everything; 0: 600,000 */
};

struct acme_answer {
	int status;
	struct bytes body;		  /* borrowed until the next request */
	char content_type[64];		  /* without parameters, lower case; "" */
	char location[ACME_URL_MAX];	  /* "" */
	char nonce[ACME_NONCE_MAX];	  /* Replay-Nonce; "" */
	int64_t retry_after_s;		  /* -1: not said */
};

/** Returned (acme_transport_free). Used by one thread at a time; acme_transport_stop() by any. */
struct acme_transport *acme_transport_new(const struct acme_transport_opts *o);
void acme_transport_free(struct acme_transport **t);

/** What is under way and all that would follow ends with ST_CLOSED, at once. Any thread, while t lives. */
void acme_transport_stop(struct acme_transport *t);

/**
 * Ask, and wait for the answer, whatever its status.
 *
 * method  "GET", "HEAD", or "POST" with `body` as application/jose+json.
 * ST_IO         no connection, no valid certificate, no HTTP.
 * ST_TIMEOUT    in the time of the request, or of everything.
 * ST_TOO_BIG    body over body_max, or headers over 64 KiB.
 * ST_CLOSED     acme_transport_stop().
 */
enum status acme_transport_ask(struct acme_transport *t, const char *method, const char *url, struct bytes body,
			       size_t body_max, struct acme_answer *out, struct err *err) MUST_CHECK;

/** Sleep. ST_CLOSED: stopped; ST_TIMEOUT: everything's time would be over before (then it returns at once). */
enum status acme_transport_wait(struct acme_transport *t, uint64_t ms, struct err *err) MUST_CHECK;

#endif
