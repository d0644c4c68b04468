/*
 * auth/fetch.h -- ask other servers by HTTP: small answers, with limits, without blocking the loop.
 *
 * libcurl on the loop: TLS is verified, names are looked up on a helper thread, connections are kept for a while.
 * Answers are held whole and wiped when they are released, for they may be secrets.
 */
#ifndef AUTH_FETCH_H
#define AUTH_FETCH_H

#include "base/bytes.h"
#include "base/status.h"

struct loop;
struct fetcher;
struct fetch;

struct fetch_pair {
	const char *name, *value;
};

struct fetch_req {
	const char *url;       /* http or https */
	struct bytes form;     /* n > 0: POST it as application/x-www-form-urlencoded; else GET */
	const char *basic;     /* "user:password" for Authorization: Basic; NULL: none */
	const char *bearer;    /* a token for Authorization: Bearer; NULL: none */
	const char *accept;    /* NULL: application/json */
	size_t body_max;       /* bytes of the answer; 0: 512 KiB */
	uint32_t timeout_ms;   /* for all of it; 0: 15,000 */
	unsigned redirects;    /* how many to follow, never from https to http; 0: they are the answer */
};
#define FETCH_BODY_MAX_DEFAULT ((size_t)512 * 1024)
#define FETCH_HEADER_MAX ((size_t)64 * 1024) /* bytes of all headers of an answer */

/* Borrowed for the callback. */
struct fetch_answer {
	enum status st;      /* ST_OK: there is an answer, with whatever status. ST_IO, ST_TIMEOUT, ST_TOO_BIG, ST_BAD_INPUT (url) */
	int http_status;     /* ST_OK only */
	struct bytes body;   /* ST_OK only; n = 0: p may be NULL */
	const char *content_type; /* "" if not given */
	const char *error;   /* words about what went wrong, without secrets; "" for ST_OK */
};
typedef void fetch_fn(void *arg, const struct fetch_answer *a);

struct fetcher_opts {
	const char *ca_file;    /* PEM file to trust in place of the system's; NULL: the system's. Copied */
	unsigned max_at_once;   /* connections; what is more waits, within its time; 0: 16 */
};

/** For one loop. Returned (fetcher_free). On the loop's thread, or before it runs. */
struct fetcher *fetcher_new(struct loop *l, const struct fetcher_opts *o);
/** Breaks off what is under way, without callbacks. Not from a callback. Clears *f, accepts NULL inside. */
void fetcher_free(struct fetcher **f);

/** Everything in req is copied. fn comes once, from the loop, never inside this call. Returned: for fetch_cancel(), void after fn has begun. */
struct fetch *fetch_start(struct fetcher *f, const struct fetch_req *req, fetch_fn *fn, void *arg);
/** Break it off: no callback any more. Clears *x, accepts NULL inside. */
void fetch_cancel(struct fetch **x);

/** The same without a loop: blocks, fn comes before it returns. For start-up and tools. Any thread. */
void fetch_now(const struct fetcher_opts *o, const struct fetch_req *req, fetch_fn *fn, void *arg);

#endif
