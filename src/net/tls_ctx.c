/*
 * net/tls_ctx.c -- see net/tls.h: the settings of servers and clients.
 *
 * The server's certificate is chosen per connection, in OpenSSL's callback for the server's name, which comes before a
 * certificate is needed; which protocols the client offers is read from the raw hello before that, for ACME.
 */
#include <ctype.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/vec.h"
#include "net/tls_priv.h"

#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS     "X25519:P-256:P-384"
#define ACME_PROTO "acme-tls/1"
#define HTTP_PROTO "http/1.1"

int net_tls_seen_index(void)
{
	static _Atomic int index = -1;
	int i = atomic_load(&index);

	if (i < 0) {
		int mine = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
		int none = -1;

		i = atomic_compare_exchange_strong(&index, &none, mine) ? mine : none;
	}
	return i;
}

/* A protocol's name with its length before it stands in `list` as it is on the wire. */
static bool offers(const unsigned char *list, size_t n, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < n && list[i] < n - i; i += 1u + list[i])
		if (list[i] == len && memcmp(list + i + 1, name, len) == 0)
			return true;
	return false;
}

/* A validation offers acme-tls/1 and nothing else. */
static int on_hello(SSL *ssl, int *alert, void *arg)
{
	struct tls_seen *seen = SSL_get_ex_data(ssl, net_tls_seen_index());
	const unsigned char *ext;
	size_t n;

	(void)alert;
	(void)arg;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &ext, &n) == 1 && n > 2)
		seen->acme = n - 3 == strlen(ACME_PROTO) && offers(ext + 2, n - 2, ACME_PROTO);
	return SSL_CLIENT_HELLO_SUCCESS;
}

static void lower_case(char *out, size_t cap, const char *in)
{
	size_t n = 0;

	for (; in && in[n] && n + 1 < cap; n++)
		out[n] = (char)tolower((unsigned char)in[n]);
	out[n] = 0;
}

static int on_name(SSL *ssl, int *alert, void *arg)
{
	struct net_tls_server *srv = arg;
	struct tls_seen *seen = SSL_get_ex_data(ssl, net_tls_seen_index());
	char sni[256];
	struct net_tls_hello hello = { .sni = sni, .acme = seen->acme };
	struct net_tls_cert *c;
	int ok;

	lower_case(sni, sizeof sni, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
	c = srv->opts.provider.find(srv->opts.provider.arg, &hello);
	if (!c) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	ok = SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1);
	net_tls_cert_unref(&c);
	if (ok != 1) {
		*alert = SSL_AD_INTERNAL_ERROR;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	return SSL_TLSEXT_ERR_OK;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned inlen,
		   void *arg)
{
	struct tls_seen *seen = SSL_get_ex_data(ssl, net_tls_seen_index());
	const char *pick = seen->acme ? ACME_PROTO : HTTP_PROTO;

	(void)arg;
	if (!offers(in, inlen, pick))
		return SSL_TLSEXT_ERR_NOACK;
	*out = (const unsigned char *)pick;
	*outlen = (unsigned char)strlen(pick);
	return SSL_TLSEXT_ERR_OK;
}

static enum status failed(SSL_CTX *ctx, struct err *err)
{
	char why[128];

	net_tls_errors(why, sizeof why);
	SSL_CTX_free(ctx);
	err_set(err, "TLS settings: %s", why);
	return ST_IO;
}

static SSL_CTX *common(const SSL_METHOD *m)
{
	SSL_CTX *ctx = SSL_CTX_new(m);

	if (!ctx)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_cipher_list(ctx, CIPHERS_12) != 1 || SSL_CTX_set1_groups_list(ctx, GROUPS) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

enum status net_tls_server_new(const struct net_tls_server_opts *o, struct net_tls_server **out, struct err *err)
{
	struct net_tls_server *s;
	SSL_CTX *ctx = common(TLS_server_method());

	if (!ctx)
		return failed(ctx, err);
	s = xcalloc(1, sizeof *s);
	s->ctx = ctx;
	s->opts = *o;
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_client_hello_cb(ctx, on_hello, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, s);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	*out = s;
	return ST_OK;
}

void net_tls_server_free(struct net_tls_server **sp)
{
	struct net_tls_server *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	SSL_CTX_free(s->ctx);
	free(s);
}

/* Trust the certificates of a PEM text. */
static bool trust(SSL_CTX *ctx, struct bytes pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *x;
	int n = 0;

	while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x);
		X509_free(x);
	}
	BIO_free(bio);
	ERR_clear_error();
	return n > 0;
}

enum status net_tls_client_new(const struct net_tls_client_opts *o, struct net_tls_client **out, struct err *err)
{
	struct net_tls_client *c;
	SSL_CTX *ctx = common(TLS_client_method());

	if (!ctx || (o->ca_pem.n == 0 && SSL_CTX_set_default_verify_paths(ctx) != 1))
		return failed(ctx, err);
	if (o->ca_pem.n && !trust(ctx, o->ca_pem)) {
		SSL_CTX_free(ctx);
		err_set(err, "no certificate to trust in the PEM text");
		return ST_BAD_INPUT;
	}
	SSL_CTX_set_verify(ctx, o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	c = xcalloc(1, sizeof *c);
	c->ctx = ctx;
	c->insecure = o->insecure;
	*out = c;
	return ST_OK;
}

void net_tls_client_free(struct net_tls_client **cp)
{
	struct net_tls_client *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	SSL_CTX_free(c->ctx);
	free(c);
}
