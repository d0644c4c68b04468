/*
 * acme/acme.h -- a certificate from an ACME authority, as a provider for net/tls.h.
 *
 *     acme_new() reads the cache          -> acme_provider(): what handshakes ask
 *     acme_start() asks for one when      -> acme_add_routes(): what the authority asks (HTTP-01), on any loop
 *       it is due, now and for ever
 *
 * One certificate for all names. Until there is a first one, handshakes find none and fail; one that cannot be renewed
 * stays in use. Orders run on a helper thread and block no loop; results, timers and the callback are on the home loop.
 */
#ifndef ACME_ACME_H
#define ACME_ACME_H

#include "http/router.h"
#include "net/tls.h"

#define ACME_LETS_ENCRYPT "https://acme-v02.api.letsencrypt.org/directory"

enum acme_challenge { ACME_HTTP_01, ACME_TLS_ALPN_01 };

/* All texts are copied. */
struct acme_opts {
	struct loop *loop;	   /* home */
	const char *directory_url; /* NULL or "": Let's Encrypt */
	const char *const *names;  /* DNS names, 1..ACME_NAMES_MAX (answer.h); no wildcards */
	size_t n_names;
	const char *email;	   /* NULL or "": none */
	const char *cache_dir;	   /* made when it is first written */
	enum acme_challenge challenge;
	const char *ca_file;	   /* trusted for the authority in place of the system's; NULL or "": the system's */
	const char *redirect_to;   /* URL without slash at the end: where other requests on the challenge's listener are sent */
	/** A new certificate is in use (also the one from the cache, once, from acme_start()). Home loop; may be NULL. */
	void (*renewed)(void *arg, struct net_tls_cert *cert);
	void *renewed_arg;
	int64_t (*now_ns)(void);   /* wall clock, for tests; NULL: the real one */
};

struct acme;

/**
 * Reads the cache, blocking; contacts nobody. Returned (acme_free).
 * ST_BAD_INPUT: a name or a URL is none. A damaged certificate in the cache is logged and asked for anew.
 */
enum status acme_new(const struct acme_opts *o, struct acme **out, struct err *err) MUST_CHECK;
/**
 * An order under way is broken off; handshakes and routes must be over. On the home loop, or after it ran: what is
 * left goes with loop_free() at the latest. Clears *a, accepts NULL inside.
 */
void acme_free(struct acme **a);
/** Ask for the certificate as soon as it is due. On the home loop, or before it runs. */
void acme_start(struct acme *a);

/** Any name of the certificate gets it, so does a client that names none. Valid while `a` lives. */
struct net_tls_provider acme_provider(struct acme *a);
/**
 * GET /.well-known/acme-challenge/{token}, and a fallback that redirects (302) everything else to redirect_to with the
 * path and query of the request. auth: the router's own number for "public".
 */
void acme_add_routes(struct acme *a, struct http_router *r, unsigned auth);
/** Send this certificate (DER, copied; empty: none) behind the chain, also after renewals. Home loop, or before it runs. */
enum status acme_set_extra(struct acme *a, struct bytes der, struct err *err) MUST_CHECK;
/** The certificate in use: a reference; NULL: none yet. Any thread. */
struct net_tls_cert *acme_cert(struct acme *a);

struct acme_status {
	bool have;		     /* there is a certificate; then: */
	int64_t not_before, not_after; /* unix seconds */
	bool busy;		     /* an order is under way */
	int64_t next_unix;	     /* when the next is due; 0: not started */
	unsigned failures;	     /* in a row */
	char error[256];	     /* of the last failure; "" */
};
/** Any thread. */
void acme_status(struct acme *a, struct acme_status *out);

#endif
