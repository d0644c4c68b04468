/* Unit tests of acme/jws.h and acme/x509.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acme/jws.h"
#include "acme/x509.h"
#include "unit/acme/authority.h"

/* The EC key of RFC 7515, appendix A.3, as PEM. */
static const char rfc_key[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
			      "H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"
			      "7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"
			      "-----END PRIVATE KEY-----\n";

static void the_key_of_the_rfc_as_jwk(void **state)
{
	struct acme_key *k = NULL;
	struct buf b;

	(void)state;
	assert_int_equal(acme_key_parse(bytes_of_str(rfc_key), &k, NULL), ST_OK);
	buf_init(&b, 1000);
	acme_key_jwk(k, &b);
	buf_put_char(&b, '\0');
	assert_string_equal((char *)b.p, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
					 "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
	buf_release(&b);
	acme_key_free(&k);
}

static void a_key_survives_pem(void **state)
{
	struct acme_key *a = acme_key_new(), *b = NULL;
	char ta[ACME_THUMBPRINT_LEN + 1], tb[ACME_THUMBPRINT_LEN + 1];
	struct buf pem;

	(void)state;
	buf_init(&pem, 4096);
	acme_key_pem(a, &pem);
	assert_memory_equal(pem.p, "-----BEGIN EC PRIVATE KEY-----\n", 31);
	assert_int_equal(acme_key_parse(buf_bytes(&pem), &b, NULL), ST_OK);
	acme_key_thumbprint(a, ta);
	acme_key_thumbprint(b, tb);
	assert_string_equal(ta, tb);
	assert_int_equal(strlen(ta), ACME_THUMBPRINT_LEN);
	acme_key_free(&b);
	b = acme_key_new();
	acme_key_thumbprint(b, tb);
	assert_string_not_equal(ta, tb);
	buf_release(&pem);
	acme_key_free(&a);
	acme_key_free(&b);
	assert_null(b);
}

static void other_keys_are_refused(void **state)
{
	EVP_PKEY *others[] = { EVP_EC_gen("P-384"), EVP_RSA_gen(2048) };
	struct acme_key *k = NULL;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		BIO *bio = BIO_new(BIO_s_mem());
		char *p;
		long n;

		PEM_write_bio_PrivateKey(bio, others[i], NULL, NULL, 0, NULL, NULL);
		n = BIO_get_mem_data(bio, &p);
		assert_int_equal(acme_key_parse(bytes_of(p, (size_t)n), &k, &err), ST_BAD_INPUT);
		assert_non_null(strstr(err.text, "P-256"));
		BIO_free(bio);
		EVP_PKEY_free(others[i]);
	}
	for (size_t n = 0; n + 30 < sizeof rfc_key; n++)
		assert_int_equal(acme_key_parse(bytes_of(rfc_key, n), &k, &err), ST_BAD_INPUT);
	assert_null(k);
}

/* Take a signed request apart and check it. */
static void check_jws(const struct acme_key *k, const char *kid, struct bytes payload)
{
	const char *prot = NULL, *body = NULL, *sig = NULL, *v = NULL;
	struct json_object *o = NULL, *h = NULL, *jwk = NULL;
	struct buf out, input, header, raw, got;

	buf_init(&out, 65536);
	acme_jws_write(k, &(struct acme_jws){ .url = "https://ca.example/x", .nonce = "abc", .kid = kid, .payload = payload }, &out);
	assert_int_equal(json_parse(buf_bytes(&out), 65536, &o, NULL), ST_OK);
	assert_int_equal(json_object_object_length(o), 3);
	assert_int_equal(json_get_str(o, "protected", &prot, NULL), ST_OK);
	assert_int_equal(json_get_str(o, "payload", &body, NULL), ST_OK);
	assert_int_equal(json_get_str(o, "signature", &sig, NULL), ST_OK);
	header = decode64(prot);
	raw = decode64(sig);
	got = decode64(body);
	assert_true(bytes_eq(buf_bytes(&got), payload));
	buf_init(&input, 65536);
	buf_printf(&input, "%s.%s", prot, body);
	assert_true(signature_ok(acme_key_evp(k), buf_bytes(&input), buf_bytes(&raw)));
	assert_int_equal(json_parse(buf_bytes(&header), 65536, &h, NULL), ST_OK);
	assert_int_equal(json_object_object_length(h), 4);
	assert_int_equal(json_get_str(h, "alg", &v, NULL), ST_OK);
	assert_string_equal(v, "ES256");
	assert_int_equal(json_get_str(h, "nonce", &v, NULL), ST_OK);
	assert_string_equal(v, "abc");
	assert_int_equal(json_get_str(h, "url", &v, NULL), ST_OK);
	assert_string_equal(v, "https://ca.example/x");
	v = NULL;
	assert_int_equal(json_get_str(h, "kid", &v, NULL), ST_OK);
	assert_int_equal(json_get_obj(h, "jwk", &jwk, NULL), ST_OK);
	if (kid != NULL)
		assert_string_equal(v, kid);
	else
		assert_null(v);
	assert_int_equal(jwk != NULL, kid == NULL); /* one of them, never both */
	json_object_put(o);
	json_object_put(h);
	buf_release(&out);
	buf_release(&input);
	buf_release(&header);
	buf_release(&raw);
	buf_release(&got);
}

/* Many, for short numbers in a signature want their zeros. */
static void signed_requests_verify(void **state)
{
	struct acme_key *k = acme_key_new();

	(void)state;
	for (int i = 0; i < 300; i++)
		check_jws(k, i % 2 ? "https://ca.example/acct/1" : NULL, i % 3 ? BYTES_LIT("{\"a\":1}") : (struct bytes){ 0 });
	acme_key_free(&k);
}

static void a_signing_request_has_the_names(void **state)
{
	const char *names[] = { "a.example", "b.example" };
	struct acme_key *k = acme_key_new();
	char found[200];
	const uint8_t *p;
	X509_REQ *req;
	struct buf der;

	(void)state;
	buf_init(&der, 65536);
	acme_csr(k, names, 2, &der);
	p = der.p;
	req = d2i_X509_REQ(NULL, &p, (long)der.n);
	assert_non_null(req);
	assert_ptr_equal(p, der.p + der.n);
	names_of(req, found, sizeof found);
	assert_string_equal(found, "DNS:a.example,DNS:b.example");
	assert_int_equal(EVP_PKEY_eq(X509_REQ_get0_pubkey(req), acme_key_evp(k)), 1);
	X509_REQ_free(req);
	buf_release(&der);
	acme_key_free(&k);
}

static struct net_tls_cert *give(void *arg, const struct net_tls_hello *hello)
{
	(void)hello;
	return net_tls_cert_ref(arg);
}

static void the_certificate_of_a_challenge(void **state)
{
	struct net_tls_cert *c = acme_alpn_cert("a.example", "token.thumb", 1700000000);
	struct authority au = { .name = "a.example", .tls = { .find = give, .arg = c } };

	(void)state;
	assert_true(ask_by_tls(&au, "token.thumb"));
	assert_false(ask_by_tls(&au, "token.other"));
	assert_false(net_tls_cert_names(c, "b.example"));
	assert_int_equal(net_tls_cert_not_before(c), 1700000000 - 86400);
	assert_int_equal(net_tls_cert_not_after(c), 1700000000 + 7 * 86400);
	net_tls_cert_unref(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_key_of_the_rfc_as_jwk),
		cmocka_unit_test(a_key_survives_pem),
		cmocka_unit_test(other_keys_are_refused),
		cmocka_unit_test(signed_requests_verify),
		cmocka_unit_test(a_signing_request_has_the_names),
		cmocka_unit_test(the_certificate_of_a_challenge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
