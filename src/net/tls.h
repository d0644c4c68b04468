/*
 * net/tls.h -- TLS 1.2 and 1.3 as a stream over a stream, server and client.
 *
 * Which certificate a connection gets is decided by a provider, asked by name at every handshake: files
 * (net/tls_files.h), an ACME client, or one after the other. Prefix net_tls_: tls_ is OpenSSL's own.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "net/stream.h"

/* ---- certificates ---- */

/* A chain with its key, and what is sent behind it. Counted, immutable once handed out; any thread. */
struct net_tls_cert;
/** From PEM: the leaf first, then its issuers; the key unencrypted and fitting, else ST_BAD_INPUT. One reference. */
enum status net_tls_cert_new(struct bytes chain_pem, struct bytes key_pem, struct net_tls_cert **out, struct err *err) MUST_CHECK;
/** The same certificate with one more, DER, at the chain's end (not verified by anybody): a new object, one reference. */
enum status net_tls_cert_with_extra(const struct net_tls_cert *c, struct bytes der, struct net_tls_cert **out, struct err *err) MUST_CHECK;
struct net_tls_cert *net_tls_cert_ref(struct net_tls_cert *c);
void net_tls_cert_unref(struct net_tls_cert **c);
/** The leaf is good from .. until, unix seconds. */
int64_t net_tls_cert_not_before(const struct net_tls_cert *c);
int64_t net_tls_cert_not_after(const struct net_tls_cert *c);
/** The leaf names this host (wildcards, addresses). */
bool net_tls_cert_names(const struct net_tls_cert *c, const char *host);
/** The leaf, DER; borrowed from c. */
struct bytes net_tls_cert_der(const struct net_tls_cert *c);

/* What a client said before it is answered. */
struct net_tls_hello {
	const char *sni; /* lower case; "" if none was sent */
	bool acme;       /* offers the protocol "acme-tls/1" alone: a validation of ACME */
};

/* Where certificates come from. Called on any loop, at the same time on several; must not block. */
struct net_tls_provider {
	/** A reference for the caller, or NULL: none for this name, the handshake ends with unrecognized_name. */
	struct net_tls_cert *(*find)(void *arg, const struct net_tls_hello *hello);
	void *arg;
};

/* ---- server ---- */

struct net_tls_server_opts {
	struct net_tls_provider provider;
	uint32_t handshake_ms; /* 0: 10,000 */
};
struct net_tls_server;
/** For all loops; must outlive its streams. Returned (net_tls_server_free). */
enum status net_tls_server_new(const struct net_tls_server_opts *o, struct net_tls_server **out, struct err *err) MUST_CHECK;
void net_tls_server_free(struct net_tls_server **s);
/**
 * A TLS stream over `lower`, which is taken and must be paused. Use it at once: the handshake runs by
 * itself, data comes and what was written leaves after it. ALPN: http/1.1 when offered; acme-tls/1 for ACME.
 */
struct stream *net_tls_serve(struct net_tls_server *srv, struct stream *lower);

/* ---- client ---- */

struct net_tls_client_opts {
	struct bytes ca_pem; /* trust these alone; empty: what the system trusts */
	bool insecure;       /* verify nothing (tests) */
};
struct net_tls_client;
enum status net_tls_client_new(const struct net_tls_client_opts *o, struct net_tls_client **out, struct err *err) MUST_CHECK;
void net_tls_client_free(struct net_tls_client **c);
/** done: the handshake is through (ST_OK), or not; then `closed` follows too. May be NULL. */
typedef void net_tls_done_fn(void *arg, enum status s, const char *why);
/** A TLS stream over `lower` (taken, paused) that verifies the peer as `name`, a host name or an address. */
struct stream *net_tls_connect(struct net_tls_client *c, struct stream *lower, const char *name, net_tls_done_fn *done,
			       void *done_arg);
/** The n-th certificate the peer sent (0: the leaf), DER; copied to the heap, returned (free()). n_out 0 and NULL: none. */
uint8_t *net_tls_peer_cert(const struct stream *tls, unsigned n, size_t *n_out);

struct ssl_st;
/**
 * OpenSSL's object of a TLS stream whose handshake is done, and the ciphertext that waits for it (borrowed); NULL: it is no
 * such stream. Both stay the stream's. For an owner who goes on by himself, as with tcp_stream_fd(): he puts a BIO of
 * his own in, and at last aborts the stream.
 */
struct ssl_st *net_tls_stream_ssl(const struct stream *s, struct bytes *left_out);

#endif
