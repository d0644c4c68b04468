/* test/unit/net/certs.h -- make a key and a self-signed certificate for a name, as PEM. */
#ifndef TEST_CERTS_H
#define TEST_CERTS_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/buf.h"

struct test_cert {
	char *cert_pem, *key_pem;
	uint8_t *der;
	size_t der_n;
};

static inline char *test_pem_of(BIO *b)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);
	char *out = bytes_strdup(bytes_of(p, (size_t)n));

	BIO_free(b);
	return out;
}

static inline struct test_cert test_cert_new(const char *cn, const char *san, long serial)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	struct test_cert c = { 0 };
	BIO *b;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600L * 24);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_add_ext(x, ext, -1);
	X509_sign(x, key, EVP_sha256());
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(b, x);
	c.cert_pem = test_pem_of(b);
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
	c.key_pem = test_pem_of(b);
	c.der_n = (size_t)i2d_X509(x, &c.der);
	X509_EXTENSION_free(ext);
	X509_free(x);
	EVP_PKEY_free(key);
	return c;
}

static inline void test_cert_free(struct test_cert *c)
{
	free(c->cert_pem);
	free(c->key_pem);
	OPENSSL_free(c->der);
}

#endif
