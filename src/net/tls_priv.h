/*
 * net/tls_priv.h -- what the room's TLS files share.
 */
#ifndef NET_TLS_PRIV_H
#define NET_TLS_PRIV_H

#include <stdatomic.h>
#include <stdio.h>

#include <openssl/ssl.h>

#include "net/tls.h"

struct net_tls_cert {
	atomic_uint refs;
	X509 *leaf;
	STACK_OF(X509) *chain; /* behind the leaf */
	EVP_PKEY *key;
	uint8_t *der;          /* of the leaf; OpenSSL's memory */
	size_t der_n;
};

struct net_tls_server {
	SSL_CTX *ctx;
	struct net_tls_server_opts opts;
};
struct net_tls_client {
	SSL_CTX *ctx;
	bool insecure;
};

/** The reason of OpenSSL's last error on this thread, as text; clears its queue. */
void net_tls_errors(char *out, size_t n);
/** Contexts, see tls_ctx.c. */
struct tls_stream;
/** What the server's callbacks find in an SSL object: the hello seen so far. */
struct tls_seen {
	bool acme;
};
int net_tls_seen_index(void);

#endif
