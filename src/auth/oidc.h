/*
 * auth/oidc.h -- a person logs in at an OpenID Connect provider and lets a machine in, or an SSH session.
 *
 *     browser --/register/ID or /auth/ID--> 302 to the provider --> /oidc/callback?code&state
 *                                                                       | code -> ID token -> who is it
 *                                     confirmation page <---------------+--------------> SSH: is it the owner?
 *     browser --POST /register/confirm/ID--> user and node are made          accepted, page
 *
 * Requests come on any loop; all that is remembered lives on one loop, the home loop (opts.loop), and requests are
 * passed there and back by message. Nothing about a person is stored before they have confirmed.
 */
#ifndef AUTH_OIDC_H
#define AUTH_OIDC_H

#include "auth/counters.h"
#include "base/buf.h"
#include "http/router.h"

struct loop;
struct state;
struct oidc;

/* What a machine that asks to join said of itself; a member may be NULL: not known. */
struct oidc_device {
	const char *hostname;
	const char *os;
	const char *address;     /* where the request came from */
	const char *machine_key; /* short form */
	const char *client_version;
	int64_t until_unix;      /* when the page ends; 0: not known */
};

/* Who draws the pages: functions of the room above. They append HTML and escape what they are given. Any loop. */
struct oidc_pages {
	/* A form to `action` (a path) that posts `csrf` as the field OIDC_CSRF_FIELD. */
	void (*confirm)(struct buf *out, const char *action, const char *csrf, const char *user,
			const struct oidc_device *d);
	void (*done)(struct buf *out, const char *heading, const char *text);
	void (*error)(struct buf *out, int status, const char *what, const char *advice);
};
#define OIDC_CSRF_FIELD "headscale_register_confirm"

#define OIDC_PARAMS_MAX 8192 /* bytes of all extra parameters in a link */

enum oidc_pkce { OIDC_PKCE_OFF = 0, OIDC_PKCE_PLAIN, OIDC_PKCE_S256 };

struct oidc_texts {
	const char *const *v;
	size_t n;
};
struct oidc_param {
	const char *name, *value;
};

/* All of it is borrowed for oidc_new() and copied, but for loop, state, pages and fallback_arg, which must outlive it. */
struct oidc_opts {
	struct loop *loop;   /* the home loop */
	struct state *state;
	const char *server_url; /* with or without a slash at the end */
	const char *issuer;     /* letter for letter what the provider says of itself */
	const char *client_id, *client_secret;
	struct oidc_texts scopes; /* n = 0: openid profile email */
	const struct oidc_param *extra_params; /* of the authorization request; they do not replace its own ones, which is logged */
	size_t n_extra_params;
	struct oidc_texts allowed_groups, allowed_domains, allowed_users; /* each that is not empty must have a match */
	bool email_verified_required;
	bool use_expiry_from_token;
	enum oidc_pkce pkce;
	uint32_t timeout_ms; /* for an answer of the provider while somebody waits for a page; 0: 15,000 */
	const char *ca_file; /* PEM file to trust in place of the system's; NULL: the system's */
	struct oidc_pages pages;
	/* Answers /register/{id} and /auth/{id} as long as the provider was never reached; NULL: an error page says so. */
	http_handler_fn *fallback;
	void *fallback_arg;
	int64_t (*unix_ns)(void); /* the wall clock; NULL: the real one */
};

/** Returned (oidc_free). Nothing is fetched yet. ST_BAD_INPUT: err says which option cannot be. Home loop. */
enum status oidc_new(const struct oidc_opts *o, struct oidc **out, struct err *err) MUST_CHECK;

/**
 * Fetch what the provider says of itself, and its keys, now: blocks up to timeout_ms (0: 30,000). For the start, before
 * the home loop runs. ST_IO, ST_TIMEOUT: not reached; ST_BAD_INPUT: it is not this issuer, or cannot be used.
 */
enum status oidc_discover_now(struct oidc *o, uint32_t timeout_ms, struct err *err) MUST_CHECK;

/**
 * From here on keep what the provider says fresh, and try again with growing pauses as long as it was never reached.
 * Once, on the home loop's thread or before it runs.
 */
void oidc_start(struct oidc *o);

/** GET /register/{id}, /auth/{id}, /oidc/callback, POST /register/confirm/{id}; `auth`: what the router's check takes as public. */
void oidc_add_routes(struct oidc *o, struct http_router *r, unsigned auth);

/** Whether the provider was reached since the start. Any thread. */
bool oidc_ready(const struct oidc *o);

/** Any thread. */
void oidc_stats(const struct oidc *o, struct oidc_stats *out);

/**
 * Break off what is fetched, release all. On the home loop's thread, or when it does not run any more. Order of a
 * server's end: its HTTP servers are gone (no request is open, none comes); oidc_free(); state_close(), whose last answers
 * find nothing to do; the home loop turns, or is freed. Clears *o, accepts NULL inside.
 */
void oidc_free(struct oidc **o);

#endif
