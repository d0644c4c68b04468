/* acme/jws.c -- see acme/jws.h. */
#include "acme/jws.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/json_out.h"
#include "base/vec.h"
#include "crypto/hash.h"

#define COORD_LEN 32 /* of P-256 */
#define HEADER_MAX ((size_t)16 * 1024)

struct acme_key {
	EVP_PKEY *evp;
};

/* What fails here fails for want of memory alone. */
static void must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- keys ---- */

static struct acme_key *wrap(EVP_PKEY *evp)
{
	struct acme_key *k = xcalloc(1, sizeof *k);

	k->evp = evp;
	return k;
}

struct acme_key *acme_key_new(void)
{
	EVP_PKEY *evp = EVP_EC_gen("P-256");

	must(evp != NULL);
	return wrap(evp);
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

static bool on_p256(EVP_PKEY *evp)
{
	char group[32] = "";

	return EVP_PKEY_is_a(evp, "EC") && EVP_PKEY_get_group_name(evp, group, sizeof group, NULL) == 1 &&
	       (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0);
}

enum status acme_key_parse(struct bytes pem, struct acme_key **out, struct err *err)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)(pem.n < 65536 ? pem.n : 65536));
	EVP_PKEY *evp = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);

	BIO_free(bio);
	ERR_clear_error();
	if (evp != NULL && on_p256(evp)) {
		*out = wrap(evp);
		return ST_OK;
	}
	err_set(err, "%s", evp != NULL ? "the private key is not on the curve P-256" : "there is no private key in it");
	EVP_PKEY_free(evp);
	return ST_BAD_INPUT;
}

void acme_key_pem(const struct acme_key *k, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *p;
	long n;

	must(bio != NULL && PEM_write_bio_PrivateKey_traditional(bio, k->evp, NULL, NULL, 0, NULL, NULL) == 1);
	n = BIO_get_mem_data(bio, &p);
	buf_put(out, p, (size_t)n);
	BIO_free(bio);
}

void acme_key_free(struct acme_key **k)
{
	if (*k == NULL)
		return;
	EVP_PKEY_free((*k)->evp);
	free(*k);
	*k = NULL;
}

struct evp_pkey_st *acme_key_evp(const struct acme_key *k)
{
	return k->evp;
}

static void put_base64(struct buf *out, struct bytes b)
{
	char *text = xmalloc(BASE64_LEN(b.n) + 1);

	base64url_encode(b, text);
	buf_put_str(out, text);
	free(text);
}

static void put_coordinate(const struct acme_key *k, const char *param, struct buf *out)
{
	uint8_t raw[COORD_LEN];
	BIGNUM *n = NULL;

	must(EVP_PKEY_get_bn_param(k->evp, param, &n) == 1 && BN_bn2binpad(n, raw, COORD_LEN) == COORD_LEN);
	BN_free(n);
	put_base64(out, bytes_of(raw, sizeof raw));
}

void acme_key_jwk(const struct acme_key *k, struct buf *out)
{
	buf_put_str(out, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"");
	put_coordinate(k, OSSL_PKEY_PARAM_EC_PUB_X, out);
	buf_put_str(out, "\",\"y\":\"");
	put_coordinate(k, OSSL_PKEY_PARAM_EC_PUB_Y, out);
	buf_put_str(out, "\"}");
}

void acme_key_thumbprint(const struct acme_key *k, char out[static ACME_THUMBPRINT_LEN + 1])
{
	char text[BASE64_LEN(SHA256_LEN) + 1];
	uint8_t hash[SHA256_LEN];
	struct buf jwk;

	buf_init(&jwk, HEADER_MAX);
	acme_key_jwk(k, &jwk);
	sha256(buf_bytes(&jwk), hash);
	buf_release(&jwk);
	base64url_encode(bytes_of(hash, sizeof hash), text);
	memcpy(out, text, ACME_THUMBPRINT_LEN + 1);
}

/* ---- signed requests ---- */

/* OpenSSL signs in DER; the two numbers side by side are wanted. */
static void sign(const struct acme_key *k, struct bytes what, uint8_t out[static 2 * COORD_LEN])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	const uint8_t *p;
	uint8_t der[256];
	size_t n = sizeof der;
	ECDSA_SIG *sig;

	must(md != NULL && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, k->evp) == 1);
	must(EVP_DigestSign(md, der, &n, what.p, what.n) == 1);
	EVP_MD_CTX_free(md);
	p = der;
	sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
	must(sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, COORD_LEN) == COORD_LEN);
	must(BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + COORD_LEN, COORD_LEN) == COORD_LEN);
	ECDSA_SIG_free(sig);
}

static void write_header(const struct acme_key *k, const struct acme_jws *jws, struct buf *out)
{
	struct jw w;

	jw_init(&w, out);
	jw_obj_begin(&w);
	jw_kstr(&w, "alg", "ES256");
	if (jws->kid != NULL) {
		jw_kstr(&w, "kid", jws->kid);
	} else {
		struct buf jwk;

		buf_init(&jwk, HEADER_MAX);
		acme_key_jwk(k, &jwk);
		jw_key(&w, "jwk");
		jw_raw(&w, buf_bytes(&jwk));
		buf_release(&jwk);
	}
	jw_kstr(&w, "nonce", jws->nonce);
	jw_kstr(&w, "url", jws->url);
	jw_obj_end(&w);
}

void acme_jws_write(const struct acme_key *k, const struct acme_jws *jws, struct buf *out)
{
	uint8_t sig[2 * COORD_LEN];
	struct buf header, input;
	size_t header_n;

	buf_init(&header, HEADER_MAX);
	write_header(k, jws, &header);
	buf_init(&input, HEADER_MAX * 2 + BASE64_LEN(jws->payload.n));
	put_base64(&input, buf_bytes(&header));
	header_n = input.n;
	buf_put_char(&input, '.');
	put_base64(&input, jws->payload);
	sign(k, buf_bytes(&input), sig);
	buf_put_str(out, "{\"protected\":\"");
	buf_put(out, input.p, header_n);
	buf_put_str(out, "\",\"payload\":\"");
	buf_put_bytes(out, bytes_skip(buf_bytes(&input), header_n + 1));
	buf_put_str(out, "\",\"signature\":\"");
	put_base64(out, bytes_of(sig, sizeof sig));
	buf_put_str(out, "\"}");
	buf_release(&input);
	buf_release(&header);
}
