/*
 * acme/order.h -- get one certificate: from the directory to the chain.
 *
 *     directory -> nonce -> account -> order -> for each name: authorization, challenge, wait -> finalize, wait -> chain
 *
 * Blocks for as long as all that takes (seconds to minutes): on a helper thread. Source: RFC 8555 section 7.
 */
#ifndef ACME_ORDER_H
#define ACME_ORDER_H

#include "acme/acme.h"
#include "acme/challenges.h"
#include "acme/jws.h"
#include "acme/transport.h"

/* All borrowed for the call. */
struct acme_order_opts {
	struct acme_transport *transport;
	struct acme_challenges *challenges; /* answers are put there, and taken out when the order ends */
	const struct acme_key *account;
	const char *directory_url;
	const char *email; /* "": none */
	const char *const *names;
	size_t n_names; /* 1..ACME_NAMES_MAX */
	enum acme_challenge challenge;
};

struct acme_ordered {
	struct net_tls_cert *cert;
	struct buf pem; /* a new key, then the chain: a secret */
};

/**
 * out            set on ST_OK: one reference, and a buffer to wipe and release.
 * retry_after_s  how long the authority asks to be left alone after a failure; -1: not said.
 *
 * ST_BUSY       rate limited, or overloaded: respect retry_after_s_out.
 * ST_DENIED     refused, or a challenge failed; err has the authority's words.
 * ST_UNSUPPORTED  asks for something that we do not do.
 * ST_BAD_INPUT, ST_TOO_BIG  nonsense from the authority.  ST_IO, ST_TIMEOUT, ST_CLOSED  as acme_transport_ask().
 */
enum status acme_order_run(const struct acme_order_opts *o, struct acme_ordered *out, int64_t *retry_after_s_out,
			   struct err *err) MUST_CHECK;

#endif
