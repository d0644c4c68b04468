/* acme/x509.c -- see acme/x509.h. */
#include "acme/x509.h"

#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/hash.h"

#define ACME_IDENTIFIER "1.3.6.1.5.5.7.1.31" /* id-pe-acmeIdentifier */
#define DAY_S		((int64_t)24 * 3600)
#define PEM_MAX		((size_t)64 * 1024)

/* What fails here fails for want of memory alone. */
static void must(bool ok)
{
	if (!ok)
		abort();
}

static GENERAL_NAMES *dns_names(const char *const *names, size_t n_names)
{
	GENERAL_NAMES *all = GENERAL_NAMES_new();

	must(all != NULL);
	for (size_t i = 0; i < n_names; i++) {
		GENERAL_NAME *one = GENERAL_NAME_new();
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();

		must(one != NULL && text != NULL && ASN1_STRING_set(text, names[i], -1) == 1);
		GENERAL_NAME_set0_value(one, GEN_DNS, text);
		must(sk_GENERAL_NAME_push(all, one) > 0);
	}
	return all;
}

void acme_csr(const struct acme_key *k, const char *const *names, size_t n_names, struct buf *out)
{
	X509_REQ *req = X509_REQ_new();
	X509_EXTENSIONS *exts = NULL;
	GENERAL_NAMES *all = dns_names(names, n_names);
	uint8_t *der = NULL;
	int n;

	must(req != NULL && X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1);
	must(X509V3_add1_i2d(&exts, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1);
	must(X509_REQ_add_extensions(req, exts) == 1 && X509_REQ_set_pubkey(req, acme_key_evp(k)) == 1);
	must(X509_REQ_sign(req, acme_key_evp(k), EVP_sha256()) > 0);
	n = i2d_X509_REQ(req, &der);
	must(n > 0);
	buf_put(out, der, (size_t)n);
	OPENSSL_free(der);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	GENERAL_NAMES_free(all);
	X509_REQ_free(req);
}

/* The digest as an OCTET STRING inside the extension's OCTET STRING, critical. */
static void add_identifier(X509 *x, const char *key_authorization)
{
	uint8_t content[2 + SHA256_LEN] = { V_ASN1_OCTET_STRING, SHA256_LEN };
	ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *oid = OBJ_txt2obj(ACME_IDENTIFIER, 1);
	X509_EXTENSION *ext;

	sha256(bytes_of_str(key_authorization), content + 2);
	must(data != NULL && oid != NULL && ASN1_OCTET_STRING_set(data, content, sizeof content) == 1);
	ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, data);
	must(ext != NULL && X509_add_ext(x, ext, -1) == 1);
	X509_EXTENSION_free(ext);
	ASN1_OBJECT_free(oid);
	ASN1_OCTET_STRING_free(data);
}

static X509 *self_signed(const struct acme_key *k, const char *name, const char *key_authorization, int64_t now_unix)
{
	const char *const names[] = { name };
	GENERAL_NAMES *all = dns_names(names, 1);
	X509 *x = X509_new();
	X509_NAME *subject;

	must(x != NULL && X509_set_version(x, X509_VERSION_3) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1);
	must(ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(now_unix - DAY_S)) != NULL);
	must(ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(now_unix + 7 * DAY_S)) != NULL);
	subject = X509_get_subject_name(x);
	must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)"ACME challenge", -1, -1, 0) == 1);
	must(X509_set_issuer_name(x, subject) == 1 && X509_set_pubkey(x, acme_key_evp(k)) == 1);
	must(X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1);
	add_identifier(x, key_authorization);
	must(X509_sign(x, acme_key_evp(k), EVP_sha256()) > 0);
	GENERAL_NAMES_free(all);
	return x;
}

struct net_tls_cert *acme_alpn_cert(const char *name, const char *key_authorization, int64_t now_unix)
{
	struct acme_key *k = acme_key_new();
	X509 *x = self_signed(k, name, key_authorization, now_unix);
	struct net_tls_cert *c = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	struct buf key;
	char *p;
	long n;

	must(bio != NULL && PEM_write_bio_X509(bio, x) == 1);
	n = BIO_get_mem_data(bio, &p);
	buf_init(&key, PEM_MAX);
	acme_key_pem(k, &key);
	must(net_tls_cert_new(bytes_of(p, (size_t)n), buf_bytes(&key), &c, NULL) == ST_OK);
	explicit_bzero(key.p, key.cap);
	buf_release(&key);
	BIO_free(bio);
	X509_free(x);
	acme_key_free(&k);
	return c;
}
