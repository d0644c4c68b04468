/*
 * derp/meta_cert.c -- see derp/meta_cert.h.
 *
 * The name is longer than X.520 allows for a common name, so it is entered with its ASN.1 type given: then the library
 * does not ask. No key identifiers: monitoring takes the lack of both for "self-signed, do not warn of its expiry".
 */
#include "derp/meta_cert.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/random.h"
#include "base/vec.h"
#include "crypto/secret.h"
#include "derp/frame.h"

#define VALID_DAYS 30

static EVP_PKEY *make_key(const uint8_t *seed)
{
	uint8_t fresh[32];
	EVP_PKEY *k;

	random_bytes(fresh, sizeof fresh);
	k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed ? seed : fresh, sizeof fresh);
	secret_wipe(fresh, sizeof fresh);
	return k;
}

static bool set_names(X509 *x, const struct node_key *key)
{
	char cn[7 + 2 * KEY_LEN + 1] = "derpkey";
	X509_NAME *name = X509_NAME_new();
	bool ok;

	hex_encode(bytes_of(key->b, KEY_LEN), cn + 7);
	ok = name &&
	     X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_PRINTABLESTRING, (unsigned char *)cn,
	                                (int)strlen(cn), -1, 0) == 1 &&
	     X509_set_subject_name(x, name) == 1 && X509_set_issuer_name(x, name) == 1;
	X509_NAME_free(name);
	return ok;
}

static bool set_times(X509 *x, int64_t now_unix)
{
	return ASN1_TIME_adj(X509_getm_notBefore(x), (time_t)now_unix, -VALID_DAYS, 0) &&
	       ASN1_TIME_adj(X509_getm_notAfter(x), (time_t)now_unix, VALID_DAYS, 0);
}

static bool add_constraints(X509 *x)
{
	BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
	bool ok = bc && X509_add1_ext_i2d(x, NID_basic_constraints, bc, 1, X509V3_ADD_DEFAULT) == 1;

	BASIC_CONSTRAINTS_free(bc);
	return ok;
}

static bool fill(X509 *x, const struct node_key *key, int64_t now_unix, EVP_PKEY *k)
{
	return X509_set_version(x, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), DERP_PROTOCOL_VERSION) == 1 &&
	       set_names(x, key) && set_times(x, now_unix) && X509_set_pubkey(x, k) == 1 && add_constraints(x) &&
	       X509_sign(x, k, NULL) > 0;
}

static bool encode(X509 *x, uint8_t **der_out, size_t *n_out)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);

	if (n <= 0)
		return false;
	*der_out = xmalloc((size_t)n);
	memcpy(*der_out, der, (size_t)n);
	*n_out = (size_t)n;
	OPENSSL_free(der);
	return true;
}

enum status derp_meta_cert(const struct node_key *key, int64_t now_unix, const uint8_t *seed, uint8_t **der_out,
                           size_t *n_out)
{
	EVP_PKEY *k = make_key(seed);
	X509 *x = X509_new();
	bool ok = k && x && fill(x, key, now_unix, k) && encode(x, der_out, n_out);

	X509_free(x);
	EVP_PKEY_free(k);
	return ok ? ST_OK : ST_IO;
}
