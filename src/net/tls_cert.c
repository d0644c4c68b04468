/* net/tls_cert.c -- see net/tls.h: certificates. */
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/vec.h"
#include "net/tls_priv.h"

#define PEM_MAX  ((size_t)1024 * 1024)
#define CHAIN_MAX 16

void net_tls_errors(char *out, size_t n)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	snprintf(out, n, "%s", reason ? reason : "unknown reason");
	ERR_clear_error();
}

static enum status bad(struct err *err, const char *what)
{
	char why[128];

	net_tls_errors(why, sizeof why);
	err_set(err, "%s: %s", what, why);
	return ST_BAD_INPUT;
}

/* No pass phrase: never ask a terminal for one. */
static int no_password(char *buf, int size, int rw, void *arg)
{
	(void)buf;
	(void)size;
	(void)rw;
	(void)arg;
	return 0;
}

static void drop(struct net_tls_cert *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	OPENSSL_free(c->der);
	free(c);
}

static struct net_tls_cert *empty(void)
{
	struct net_tls_cert *c = xcalloc(1, sizeof *c);

	atomic_init(&c->refs, 1);
	c->chain = sk_X509_new_null();
	return c;
}

/* All certificates of the text; the first is the leaf. */
static enum status read_chain(struct net_tls_cert *c, struct bytes pem, struct err *err)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *x;

	while ((x = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
		if (!c->leaf)
			c->leaf = x;
		else
			sk_X509_push(c->chain, x);
		if (sk_X509_num(c->chain) > CHAIN_MAX)
			break;
	}
	BIO_free(bio);
	if (!c->leaf)
		return bad(err, "no certificate in the chain's file");
	if (sk_X509_num(c->chain) > CHAIN_MAX) {
		err_set(err, "more than %d certificates in the chain's file", CHAIN_MAX);
		return ST_TOO_BIG;
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return bad(err, "the chain's file is damaged");
	ERR_clear_error();
	return ST_OK;
}

static enum status finish(struct net_tls_cert *c)
{
	int n = i2d_X509(c->leaf, &c->der);

	c->der_n = n > 0 ? (size_t)n : 0;
	return n > 0 ? ST_OK : ST_BAD_INPUT;
}

enum status net_tls_cert_new(struct bytes chain_pem, struct bytes key_pem, struct net_tls_cert **out, struct err *err)
{
	struct net_tls_cert *c;
	enum status s;
	BIO *bio;

	if (chain_pem.n > PEM_MAX || key_pem.n > PEM_MAX) {
		err_set(err, "a PEM file is larger than %zu bytes", PEM_MAX);
		return ST_TOO_BIG;
	}
	c = empty();
	s = read_chain(c, chain_pem, err);
	if (s != ST_OK)
		goto out;
	bio = BIO_new_mem_buf(key_pem.p, (int)key_pem.n);
	c->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	if (!c->key) {
		s = bad(err, "no usable private key in the key's file");
		goto out;
	}
	if (X509_check_private_key(c->leaf, c->key) != 1) {
		s = bad(err, "the private key is not the certificate's");
		goto out;
	}
	s = finish(c);
out:
	if (s == ST_OK)
		*out = c;
	else
		drop(c);
	return s;
}

enum status net_tls_cert_with_extra(const struct net_tls_cert *old, struct bytes der, struct net_tls_cert **out, struct err *err)
{
	const uint8_t *p = der.p;
	X509 *x = der.n <= PEM_MAX ? d2i_X509(NULL, &p, (long)der.n) : NULL;
	struct net_tls_cert *c;

	if (!x || p != der.p + der.n) {
		X509_free(x);
		return bad(err, "no DER certificate");
	}
	c = empty();
	X509_up_ref(old->leaf);
	c->leaf = old->leaf;
	EVP_PKEY_up_ref(old->key);
	c->key = old->key;
	sk_X509_free(c->chain);
	c->chain = X509_chain_up_ref(old->chain);
	sk_X509_push(c->chain, x);
	if (finish(c) != ST_OK) {
		drop(c);
		return bad(err, "certificate");
	}
	*out = c;
	return ST_OK;
}

struct net_tls_cert *net_tls_cert_ref(struct net_tls_cert *c)
{
	if (c)
		atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void net_tls_cert_unref(struct net_tls_cert **cp)
{
	struct net_tls_cert *c = *cp;

	*cp = NULL;
	if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
		drop(c);
}

static int64_t unix_of(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

int64_t net_tls_cert_not_before(const struct net_tls_cert *c)
{
	return unix_of(X509_get0_notBefore(c->leaf));
}

int64_t net_tls_cert_not_after(const struct net_tls_cert *c)
{
	return unix_of(X509_get0_notAfter(c->leaf));
}

bool net_tls_cert_names(const struct net_tls_cert *c, const char *host)
{
	return X509_check_host(c->leaf, host, 0, 0, NULL) == 1 || X509_check_ip_asc(c->leaf, host, 0) == 1;
}

struct bytes net_tls_cert_der(const struct net_tls_cert *c)
{
	return bytes_of(c->der, c->der_n);
}
