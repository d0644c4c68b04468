/*
 * http/router.h -- from method and path to a handler, past an authorization check.
 *
 * Built before serving, then read by all loops. A pattern is a path whose segments are text, `{name}` (one segment, not
 * empty) or, last, `*` (the rest, may be empty). Text wins over {name}, {name} over *; the order of adding does not matter.
 *
 * Nothing is open by omission: every route states what it asks for in `auth`, and without a check all are refused.
 */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include "http/http.h"

/* Methods separated by blanks; "*" takes any. GET answers HEAD too. */
struct http_route {
	const char *methods;
	const char *pattern;
	http_handler_fn *fn;
	void *arg;
	unsigned auth;   /* the check's own number, not 0 */
	size_t body_max; /* bytes; 0: the server's */
	uint32_t body_ms; /* deadline of the body; 0: the server's */
	const char *name; /* for logs and metrics; NULL: the pattern */
};

enum http_verdict {
	HTTP_ALLOW,   /* go on to the handler */
	HTTP_REFUSED, /* the check has answered, or will */
	HTTP_LATER,   /* the check will call http_router_resume(), or answer; it minds http_on_cancel() */
};
/** r->route is the route, r->route->auth what it asks for. May set r->auth_data. */
typedef enum http_verdict http_check_fn(void *arg, struct http_req *r);

struct http_router;
struct http_router *http_router_new(void);
void http_router_free(struct http_router **r);
/** The route is copied, its strings too; a second one with the same pattern and method is a mistake of ours and aborts. */
void http_router_add(struct http_router *r, const struct http_route *route);
void http_router_add_all(struct http_router *r, const struct http_route *routes, size_t n);
/** Without it every route answers 403. */
void http_router_set_check(struct http_router *r, http_check_fn *fn, void *arg);
/** For paths without a route; else 404 as plain text. Not checked: it should say nothing that is not public. */
void http_router_set_fallback(struct http_router *r, http_handler_fn *fn, void *arg);
/** Called before anything else for each request, e.g. to add headers to all answers. */
void http_router_set_before(struct http_router *r, http_req_fn *fn, void *arg);

/**
 * Look up without calling. route_out is NULL for 404 and 405. allow_out (from the arena, for the Allow header) is set
 * if the path exists with other methods. Fills r->params and r->route.
 */
void http_router_find(const struct http_router *r, struct http_req *req, const struct http_route **route_out,
		      const char **allow_out);
/** Look up, check, call; or answer 404, 405 (with Allow), 204 to OPTIONS. */
void http_router_dispatch(const struct http_router *r, struct http_req *req);
/** Go on to the handler after HTTP_LATER. */
void http_router_resume(const struct http_router *r, struct http_req *req);

#endif
