/*
 * api/api.h -- API v1 over HTTP: what the command line, consoles and scripts speak.
 *
 * Routes are added to a router built before serving. Reads answer from the loop's snapshot; changes go to the writer and
 * are answered when they are durable and visible.
 */
#ifndef API_API_H
#define API_API_H

#include "http/router.h"
#include "state/state.h"

/* What a route asks for; the router's `auth`. */
enum api_auth {
	API_AUTH_PUBLIC = 1, /* anyone */
	API_AUTH_ADMIN,      /* a good API key, or the local socket */
};

struct api_opts {
	struct state *state; /* borrowed, outlives the api */
	/** The snapshot of this loop; borrowed for the call. On that loop's thread. */
	struct snapshot *(*snapshot)(void *arg, struct loop *l);
	void *snapshot_arg;
	bool policy_in_database;    /* else setPolicy is refused, and policy_path names the file */
	const char *policy_path;    /* "" if none; copied */
	size_t policy_max;          /* bytes of a policy; 0: 4 MiB */
	const char *const *cors_origins; /* pages of these origins may ask ("https://console.example.com"; "*": all); copied */
	size_t n_cors_origins;
	uint32_t requests_per_second; /* of one address (IPv6: /64), the local socket not counted; 0: no limit */
};

/* The release of the Go server whose API this is; what consoles go by. */
#define API_LEVEL "0.30.0"

struct api;
struct api *api_new(const struct api_opts *o);
void api_free(struct api **a);

/** Add all routes of API v1, OpenAPI documents included. */
void api_add_routes(struct api *a, struct http_router *r);

/** The check for routers that strangers reach: http_check_fn with arg = the api. Default deny. */
enum http_verdict api_check(void *api, struct http_req *r);
/** The check for the local socket: whoever may open it may do everything. */
enum http_verdict api_check_local(void *api, struct http_req *r);

/**
 * For http_router_set_before(): the headers that let pages of allowed origins ask, on paths below /api/. The router's answer
 * to OPTIONS then is the browser's permission.
 */
void api_cors(struct api *a, struct http_req *r);

/** Tell api_check which router it works for, so that it can resume requests after a look-up. */
void api_set_router(struct api *a, const struct http_router *r);

/** Answer with a problem document. Ends the request. */
void api_problem(struct http_req *r, int http_status, const char *detail, const char *message, const char *where);

#endif
