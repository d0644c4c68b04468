/* derp/self_cert.c -- see derp/self_cert.h. */
#include "derp/self_cert.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

#define VALID_DAYS 365

static bool add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool ok = e && X509_add_ext(x, e, -1) == 1;

	X509_EXTENSION_free(e);
	return ok;
}

static bool set_serial(X509 *x)
{
	BIGNUM *n = BN_new();
	bool ok = n && BN_rand(n, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
	          BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;

	BN_free(n);
	return ok;
}

static bool set_names(X509 *x, const char *ip)
{
	X509_NAME *name = X509_get_subject_name(x);
	char san[64];

	snprintf(san, sizeof san, "IP:%s", ip);
	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)ip, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(x, name) == 1 && add_extension(x, NID_subject_alt_name, san);
}

static bool fill(X509 *x, const char *ip, int64_t now_unix, EVP_PKEY *key)
{
	time_t now = (time_t)now_unix;

	return X509_set_version(x, 2) == 1 && set_serial(x) && set_names(x, ip) &&
	       ASN1_TIME_adj(X509_getm_notBefore(x), now, -1, 0) && ASN1_TIME_adj(X509_getm_notAfter(x), now, VALID_DAYS - 1, 0) &&
	       X509_set_pubkey(x, key) == 1 && add_extension(x, NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
	       add_extension(x, NID_ext_key_usage, "serverAuth") && add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
	       X509_sign(x, key, EVP_sha256()) > 0;
}

static bool drain(BIO *b, struct buf *out)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);

	if (n > 0)
		buf_put(out, p, (size_t)n);
	return n > 0 && buf_ok(out);
}

static bool write_pem(X509 *x, EVP_PKEY *key, struct buf *cert_pem, struct buf *key_pem)
{
	BIO *c = BIO_new(BIO_s_mem()), *k = BIO_new(BIO_s_secmem());
	bool ok = c && k && PEM_write_bio_X509(c, x) == 1 &&
	          PEM_write_bio_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL) == 1 && drain(c, cert_pem) && drain(k, key_pem);

	BIO_free(c);
	BIO_free(k);
	return ok;
}

enum status derp_self_cert(const char *ip, int64_t now_unix, struct buf *cert_pem, struct buf *key_pem)
{
	unsigned char raw[16];
	EVP_PKEY *key;
	X509 *x;
	bool ok;

	if (inet_pton(AF_INET, ip, raw) != 1 && inet_pton(AF_INET6, ip, raw) != 1)
		return ST_BAD_INPUT;
	key = EVP_EC_gen("P-256");
	x = X509_new();
	ok = key && x && fill(x, ip, now_unix, key) && write_pem(x, key, cert_pem, key_pem);
	X509_free(x);
	EVP_PKEY_free(key);
	return ok ? ST_OK : ST_IO;
}

void derp_cert_pin(struct bytes der, char out[static DERP_PIN_MAX])
{
	static const char prefix[] = "sha256-raw:";
	uint8_t digest[32];

	SHA256(der.p, der.n, digest);
	memcpy(out, prefix, sizeof prefix - 1);
	hex_encode(bytes_of(digest, sizeof digest), out + sizeof prefix - 1);
}
