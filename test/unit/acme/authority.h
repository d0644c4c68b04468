/*
 * test/unit/acme/authority.h -- an ACME authority on a loop and thread of its own, which does as its script says.
 *
 * It checks what a real one checks: nonces used once, the signature, the URL in the header, the account, the challenge
 * itself (asked over HTTP, or of a TLS provider), the signing request. A `struct fault` bends one of its answers.
 */
#ifndef TEST_AUTHORITY_H
#define TEST_AUTHORITY_H

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/vec.h"
#include "crypto/hash.h"
#include "http/router.h"
#include "http/server.h"
#include "net/tcp.h"
#include "net/tls.h"

enum step { AT_DIR, AT_NONCE, AT_ACCOUNT, AT_NEW_ORDER, AT_ORDER, AT_AUTHZ, AT_CHALLENGE, AT_FINALIZE, AT_CERT, AT_STEPS };

/* One way of going wrong. Constant. */
struct fault {
	enum step step;
	unsigned times;		 /* how often; 0: always */
	int status;		 /* 0: as usual */
	const char *body;	 /* NULL: as usual */
	size_t blow_up;		 /* so many blanks are the body */
	const char *type;	 /* NULL: as usual */
	const char *retry_after; /* NULL: none */
	const char *state;	 /* of the order or authorization, in place of the real one */
	bool no_location, no_nonce, hang, other_key, other_name, forget_challenge;
};

struct authority {
	struct loop *l;
	struct http_router *router;
	struct http_server *http;
	struct listener *listener;
	char url[64], dir_url[80];
	EVP_PKEY *ca_key;
	X509 *ca;
	_Atomic(const struct fault *) fault;
	atomic_uint faults_done;
	atomic_uint requests, seen[AT_STEPS];
	atomic_int life_s;		   /* of certificates */
	atomic_int http_port;		   /* where challenges are asked for by HTTP; 0: of `tls` */
	struct net_tls_provider tls;
	const char *name;		   /* the one name of orders */
	unsigned serial, nonce_next, polls_left, polls;
	char nonces[64][32];		   /* given and not used */
	EVP_PKEY *account;
	char thumbprint[BASE64_LEN(32) + 1];
	atomic_uint accounts;		   /* different ones */
	bool proven, invalid, finalized;
	struct buf chain;
	struct http_req *hung[8];
	char complaint[200];		   /* what a request did wrong; "" */
};

#define AUTHORITY_TOKEN "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"

static inline void complain(struct authority *au, const char *what)
{
	if (au->complaint[0] == '\0')
		snprintf(au->complaint, sizeof au->complaint, "%s", what);
}

/* ---- answers ---- */

static inline void on_hung_cancel(void *arg, struct http_req *r)
{
	struct authority *au = arg;

	for (size_t i = 0; i < 8; i++)
		if (au->hung[i] == r)
			au->hung[i] = NULL;
}

static inline void give_nonce(struct authority *au, struct http_req *r)
{
	char *n = au->nonces[au->nonce_next % 64];

	snprintf(n, 32, "nonce-%u", au->nonce_next++);
	http_resp_header(r, "Replay-Nonce", n);
}

static inline bool use_nonce(struct authority *au, const char *nonce)
{
	for (size_t i = 0; i < 64; i++)
		if (nonce[0] != '\0' && strcmp(au->nonces[i], nonce) == 0) {
			au->nonces[i][0] = '\0';
			return true;
		}
	return false;
}

static inline const struct fault *fault_at(struct authority *au, enum step step)
{
	const struct fault *f = atomic_load(&au->fault);

	if (f == NULL || f->step != step || (f->times > 0 && atomic_load(&au->faults_done) >= f->times))
		return NULL;
	atomic_fetch_add(&au->faults_done, 1);
	return f;
}

static inline void reply(struct authority *au, struct http_req *r, const struct fault *f, int status, const char *type,
			 const char *location, struct bytes body)
{
	static const struct fault none;
	struct buf blown;
	char where[128];

	f = f != NULL ? f : &none;
	if (f->hang) {
		for (size_t i = 0; i < 8; i++)
			if (au->hung[i] == NULL) {
				au->hung[i] = r;
				http_on_cancel(r, on_hung_cancel, au);
				return;
			}
	}
	if (!f->no_nonce)
		give_nonce(au, r);
	if (f->retry_after != NULL)
		http_resp_header(r, "Retry-After", f->retry_after);
	if (location != NULL && !f->no_location) {
		snprintf(where, sizeof where, "%s%s", au->url, location);
		http_resp_header(r, "Location", where);
	}
	buf_init(&blown, 16u << 20);
	if (f->blow_up > 0) {
		memset(buf_reserve(&blown, f->blow_up), ' ', f->blow_up);
		blown.n = f->blow_up;
		body = buf_bytes(&blown);
	}
	http_respond(r, f->status ? f->status : status, f->type != NULL ? f->type : type,
		     f->body != NULL ? bytes_of_str(f->body) : body);
	buf_release(&blown);
}

static inline void reply_json(struct authority *au, struct http_req *r, const struct fault *f, int status,
			      const char *location, const char *fmt, ...) PRINTF_LIKE(6, 7);
static inline void reply_json(struct authority *au, struct http_req *r, const struct fault *f, int status,
			      const char *location, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	reply(au, r, f, status, status < 400 ? "application/json; charset=utf-8" : "application/problem+json", location,
	      bytes_of_str(text));
}

static inline void problem(struct authority *au, struct http_req *r, int status, const char *type, const char *detail)
{
	complain(au, detail);
	reply_json(au, r, NULL, status, NULL, "{\"type\":\"urn:ietf:params:acme:error:%s\",\"detail\":\"%s\"}", type, detail);
}

/* ---- requests ---- */

static inline struct buf decode64(const char *text)
{
	struct buf b;
	size_t n = 0;

	buf_init(&b, 1u << 20);
	if (base64_decode(bytes_of_str(text), buf_reserve(&b, strlen(text) + 3), &n) == ST_OK)
		b.n = n;
	return b;
}

static inline EVP_PKEY *key_of_jwk(struct json_object *jwk)
{
	const char *x = "", *y = "";
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	uint8_t point[65] = { 4 };
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params;
	struct buf bx, by;

	if (json_get_str(jwk, "x", &x, NULL) != ST_OK || json_get_str(jwk, "y", &y, NULL) != ST_OK)
		return NULL;
	bx = decode64(x);
	by = decode64(y);
	if (bx.n == 32 && by.n == 32) {
		memcpy(point + 1, bx.p, 32);
		memcpy(point + 33, by.p, 32);
	}
	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
	OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point);
	params = OSSL_PARAM_BLD_to_param(bld);
	if (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	buf_release(&bx);
	buf_release(&by);
	return key;
}

/* Does r || s sign `input`? */
static inline bool signature_ok(EVP_PKEY *key, struct bytes input, struct bytes sig)
{
	ECDSA_SIG *s = ECDSA_SIG_new();
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t *der = NULL;
	bool ok = false;
	int n;

	if (sig.n == 64) {
		ECDSA_SIG_set0(s, BN_bin2bn(sig.p, 32, NULL), BN_bin2bn(sig.p + 32, 32, NULL));
		n = i2d_ECDSA_SIG(s, &der);
		ok = EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
		     EVP_DigestVerify(md, der, (size_t)n, input.p, input.n) == 1;
	}
	OPENSSL_free(der);
	ECDSA_SIG_free(s);
	EVP_MD_CTX_free(md);
	return ok;
}

static inline void take_account(struct authority *au, struct json_object *jwk)
{
	const char *x = "", *y = "";
	char text[256];
	uint8_t hash[32];
	EVP_PKEY *key = key_of_jwk(jwk);

	if (key == NULL)
		return;
	if (au->account == NULL || EVP_PKEY_eq(au->account, key) != 1)
		atomic_fetch_add(&au->accounts, 1);
	EVP_PKEY_free(au->account);
	au->account = key;
	(void)!json_get_str(jwk, "x", &x, NULL);
	(void)!json_get_str(jwk, "y", &y, NULL);
	snprintf(text, sizeof text, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
	sha256(bytes_of_str(text), hash);
	base64url_encode(bytes_of(hash, 32), au->thumbprint);
}

/* Check the envelope; the payload in payload_out (to be released). False: a problem was answered. */
static inline bool open_jws(struct authority *au, struct http_req *r, struct buf *payload_out)
{
	const char *prot = "", *payload = "", *sig = "", *alg = "", *nonce = "", *url = "", *kid = NULL;
	const char *type = http_req_header(r, "content-type");
	struct json_object *o = NULL, *h = NULL, *jwk = NULL;
	char want_url[256], want_kid[128], input[16384];
	struct buf header = { 0 }, raw = { 0 };
	bool ok = false;

	snprintf(want_url, sizeof want_url, "%s%s", au->url, r->path);
	snprintf(want_kid, sizeof want_kid, "%s/acct/1", au->url);
	if (type == NULL || strcmp(type, "application/jose+json") != 0 || json_parse(r->body, 65536, &o, NULL) != ST_OK) {
		problem(au, r, 400, "malformed", "no JWS");
		return false;
	}
	(void)!json_get_str(o, "protected", &prot, NULL);
	(void)!json_get_str(o, "payload", &payload, NULL);
	(void)!json_get_str(o, "signature", &sig, NULL);
	header = decode64(prot);
	raw = decode64(sig);
	snprintf(input, sizeof input, "%s.%s", prot, payload);
	if (json_parse(buf_bytes(&header), 65536, &h, NULL) == ST_OK) {
		(void)!json_get_str(h, "alg", &alg, NULL);
		(void)!json_get_str(h, "nonce", &nonce, NULL);
		(void)!json_get_str(h, "url", &url, NULL);
		(void)!json_get_str(h, "kid", &kid, NULL);
		(void)!json_get_obj(h, "jwk", &jwk, NULL);
	}
	if (jwk != NULL && strcmp(r->path, "/acct") == 0)
		take_account(au, jwk);
	if (!use_nonce(au, nonce))
		problem(au, r, 400, "badNonce", "a nonce that was not given, or used");
	else if (strcmp(alg, "ES256") != 0 || strcmp(url, want_url) != 0)
		problem(au, r, 400, "malformed", "wrong alg or url");
	else if (jwk == NULL && (kid == NULL || strcmp(kid, want_kid) != 0))
		problem(au, r, 400, "accountDoesNotExist", "wrong kid");
	else if (au->account == NULL || !signature_ok(au->account, bytes_of_str(input), buf_bytes(&raw)))
		problem(au, r, 400, "malformed", "wrong signature");
	else
		ok = true;
	*payload_out = decode64(payload);
	if (!ok)
		buf_release(payload_out);
	buf_release(&header);
	buf_release(&raw);
	json_object_put(o);
	json_object_put(h);
	return ok;
}

/* ---- the challenge ---- */

static inline bool ask_by_http(struct authority *au, const char *want)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atomic_load(&au->http_port)) };
	char text[1024] = "";
	size_t n = 0;
	ssize_t k;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
		dprintf(fd, "GET /.well-known/acme-challenge/" AUTHORITY_TOKEN " HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
			au->name);
		while (n < sizeof text - 1 && (k = read(fd, text + n, sizeof text - 1 - n)) > 0)
			n += (size_t)k;
	}
	close(fd);
	return strncmp(text, "HTTP/1.1 200", 12) == 0 && n > strlen(want) && strcmp(text + n - strlen(want), want) == 0;
}

/* The certificate for the validation holds the digest, critical, and the name alone. */
static inline bool ask_by_tls(struct authority *au, const char *want)
{
	struct net_tls_cert *c = au->tls.find(au->tls.arg, &(struct net_tls_hello){ .sni = au->name, .acme = true });
	uint8_t content[34] = { 4, 32 };
	bool ok = false;
	X509 *x = NULL;

	sha256(bytes_of_str(want), content + 2);
	if (c != NULL) {
		struct bytes der = net_tls_cert_der(c);
		const uint8_t *p = der.p;
		ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
		int at;

		x = d2i_X509(NULL, &p, (long)der.n);
		at = X509_get_ext_by_OBJ(x, oid, -1);
		if (at >= 0) {
			X509_EXTENSION *e = X509_get_ext(x, at);
			ASN1_OCTET_STRING *data = X509_EXTENSION_get_data(e);

			ok = X509_EXTENSION_get_critical(e) && ASN1_STRING_length(data) == 34 &&
			     memcmp(ASN1_STRING_get0_data(data), content, 34) == 0 && net_tls_cert_names(c, au->name);
		}
		ASN1_OBJECT_free(oid);
	}
	X509_free(x);
	net_tls_cert_unref(&c);
	return ok;
}

/* ---- issuing ---- */

static inline void put_pem(X509 *x, struct buf *out)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;

	PEM_write_bio_X509(b, x);
	n = BIO_get_mem_data(b, &p);
	buf_put(out, p, (size_t)n);
	BIO_free(b);
}

static inline X509 *make_cert(struct authority *au, EVP_PKEY *key, const char *san, X509_NAME *issuer, int life_s)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	X509_EXTENSION *ext;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++au->serial);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), life_s);
	X509_set_pubkey(x, key);
	if (issuer == NULL)
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"Test CA", -1, -1, 0);
	X509_set_issuer_name(x, issuer != NULL ? issuer : name);
	ext = X509V3_EXT_conf_nid(NULL, NULL, issuer != NULL ? NID_subject_alt_name : NID_basic_constraints, san);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	X509_sign(x, au->ca_key, EVP_sha256());
	return x;
}

/* The names of a signing request as "DNS:a,DNS:b"; "" if it is not signed by its key. */
static inline void names_of(X509_REQ *req, char *out, size_t cap)
{
	STACK_OF(X509_EXTENSION) *exts = X509_REQ_get_extensions(req);
	GENERAL_NAMES *names = exts != NULL ? X509V3_get_d2i(exts, NID_subject_alt_name, NULL, NULL) : NULL;
	size_t n = 0;

	out[0] = '\0';
	if (X509_REQ_verify(req, X509_REQ_get0_pubkey(req)) == 1)
		for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
			GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

			n += (size_t)snprintf(out + n, cap - n, "%sDNS:%.*s", n ? "," : "", ASN1_STRING_length(g->d.dNSName),
					      (const char *)ASN1_STRING_get0_data(g->d.dNSName));
		}
	GENERAL_NAMES_free(names);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
}

static inline bool issue(struct authority *au, const char *csr, const struct fault *f)
{
	struct buf der = decode64(csr);
	const uint8_t *p = der.p;
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)der.n);
	EVP_PKEY *other = f != NULL && f->other_key ? EVP_EC_gen("P-256") : NULL;
	char names[1024] = "", want[300];
	X509 *x;

	buf_release(&der);
	if (req != NULL)
		names_of(req, names, sizeof names);
	snprintf(want, sizeof want, "DNS:%s", au->name);
	if (strcmp(names, want) != 0) {
		complain(au, "wrong signing request");
		X509_REQ_free(req);
		return false;
	}
	x = make_cert(au, other != NULL ? other : X509_REQ_get0_pubkey(req), f != NULL && f->other_name ? "DNS:other.example" : names,
		      X509_get_subject_name(au->ca), atomic_load(&au->life_s));
	buf_reset(&au->chain);
	put_pem(x, &au->chain);
	put_pem(au->ca, &au->chain);
	X509_free(x);
	X509_REQ_free(req);
	EVP_PKEY_free(other);
	au->finalized = true;
	return true;
}

/* ---- handlers ---- */

static inline void count(struct authority *au, enum step s)
{
	atomic_fetch_add(&au->requests, 1);
	atomic_fetch_add(&au->seen[s], 1);
}

static inline void at_dir(void *arg, struct http_req *r)
{
	struct authority *au = arg;

	count(au, AT_DIR);
	reply_json(au, r, fault_at(au, AT_DIR), 200, NULL,
		   "{\"newNonce\":\"%s/nonce\",\"newAccount\":\"%s/acct\",\"newOrder\":\"%s/order\",\"x\":1,"
		   "\"meta\":{\"termsOfService\":\"data:,none\"}}",
		   au->url, au->url, au->url);
}

static inline void at_nonce(void *arg, struct http_req *r)
{
	count(arg, AT_NONCE);
	reply(arg, r, fault_at(arg, AT_NONCE), 200, NULL, NULL, (struct bytes){ 0 });
}

static inline void reply_order(struct authority *au, struct http_req *r, const struct fault *f, int status)
{
	const char *state = au->invalid ? "invalid" : au->finalized ? "valid" : au->proven ? "ready" : "pending";
	char cert[128] = "";

	if (f != NULL && f->state != NULL)
		state = f->state;
	if (au->finalized)
		snprintf(cert, sizeof cert, ",\"certificate\":\"%s/cert/1\"", au->url);
	reply_json(au, r, f, status, "/order/1",
		   "{\"status\":\"%s\",\"expires\":\"2099-01-01T00:00:00Z\",\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}],"
		   "\"authorizations\":[\"%s/authz/1\"],\"finalize\":\"%s/fin/1\"%s}",
		   state, au->name, au->url, au->url, cert);
}

static inline void reply_authz(struct authority *au, struct http_req *r, const struct fault *f)
{
	const char *state = au->invalid ? "invalid" : au->proven && au->polls_left == 0 ? "valid" : "pending";
	const char *kind = atomic_load(&au->http_port) ? "http-01" : "tls-alpn-01";

	if (f != NULL && f->state != NULL)
		state = f->state;
	if (au->proven && au->polls_left > 0)
		au->polls_left--;
	reply_json(au, r, f, 200, NULL,
		   "{\"status\":\"%s\",\"identifier\":{\"type\":\"dns\",\"value\":\"%s\"},\"challenges\":["
		   "{\"type\":\"dns-01\",\"url\":\"%s/chal/2\",\"status\":\"pending\",\"token\":\"abc\"},"
		   "{\"type\":\"%s\",\"url\":\"%s/chal/1\",\"status\":\"%s\",\"token\":\"" AUTHORITY_TOKEN "\"%s}]}",
		   state, f != NULL && f->other_name ? "other.example" : au->name, au->url,
		   f != NULL && f->forget_challenge ? "other-01" : kind, au->url, au->proven ? "valid" : state,
		   au->invalid ? ",\"error\":{\"type\":\"urn:ietf:params:acme:error:unauthorized\",\"detail\":\"wrong answer\"}" : "");
}

static inline void at_challenge(struct authority *au, struct http_req *r)
{
	char want[256];

	snprintf(want, sizeof want, AUTHORITY_TOKEN ".%s", au->thumbprint);
	au->proven = atomic_load(&au->http_port) ? ask_by_http(au, want) : ask_by_tls(au, want);
	au->invalid = !au->proven;
	au->polls_left = au->polls;
	reply_json(au, r, fault_at(au, AT_CHALLENGE), 200, NULL,
		   "{\"type\":\"x\",\"url\":\"%s/chal/1\",\"status\":\"processing\",\"token\":\"" AUTHORITY_TOKEN "\"}", au->url);
}

static inline void at_finalize(struct authority *au, struct http_req *r, struct bytes payload)
{
	const struct fault *f = fault_at(au, AT_FINALIZE);
	struct json_object *o = NULL;
	const char *csr = "";

	if (json_parse(payload, 65536, &o, NULL) != ST_OK || json_get_str(o, "csr", &csr, NULL) != ST_OK || !issue(au, csr, f))
		problem(au, r, 400, "badCSR", "bad signing request");
	else
		reply_order(au, r, f, 200);
	json_object_put(o);
}

static inline void at_post(void *arg, struct http_req *r)
{
	static const struct {
		const char *path;
		enum step step;
	} steps[] = { { "/acct", AT_ACCOUNT },	   { "/order", AT_NEW_ORDER }, { "/order/1", AT_ORDER }, { "/authz/1", AT_AUTHZ },
		      { "/chal/1", AT_CHALLENGE }, { "/fin/1", AT_FINALIZE },  { "/cert/1", AT_CERT } };
	struct authority *au = arg;
	enum step step = AT_STEPS;
	struct buf payload;

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (strcmp(steps[i].path, r->path) == 0)
			step = steps[i].step;
	if (step == AT_STEPS) {
		problem(au, r, 404, "malformed", "no such thing");
		return;
	}
	count(au, step);
	if (!open_jws(au, r, &payload))
		return;
	switch (step) {
	case AT_ACCOUNT:
		if (memmem(payload.p, payload.n, "\"termsOfServiceAgreed\":true", 27) == NULL)
			complain(au, "terms not agreed to");
		reply_json(au, r, fault_at(au, step), 201, "/acct/1", "{\"status\":\"valid\"}");
		break;
	case AT_NEW_ORDER:
		au->proven = au->invalid = au->finalized = false;
		reply_order(au, r, fault_at(au, step), 201);
		break;
	case AT_ORDER:
		reply_order(au, r, fault_at(au, step), 200);
		break;
	case AT_AUTHZ:
		reply_authz(au, r, fault_at(au, step));
		break;
	case AT_CHALLENGE:
		at_challenge(au, r);
		break;
	case AT_FINALIZE:
		at_finalize(au, r, buf_bytes(&payload));
		break;
	default:
		reply(au, r, fault_at(au, step), 200, "application/pem-certificate-chain", NULL, buf_bytes(&au->chain));
	}
	buf_release(&payload);
}

/* ---- beginning and end ---- */

static inline enum http_verdict allow(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
	return HTTP_ALLOW;
}

static inline struct authority *authority_new(const char *name)
{
	struct authority *au = xcalloc(1, sizeof *au);
	struct net_addr at;
	struct err err = { 0 };

	au->name = name;
	atomic_init(&au->life_s, 90 * 24 * 3600);
	buf_init(&au->chain, 65536);
	au->ca_key = EVP_EC_gen("P-256");
	au->ca = make_cert(au, au->ca_key, "critical,CA:TRUE", NULL, 365 * 24 * 3600);
	au->l = loop_new(9);
	au->router = http_router_new();
	http_router_set_check(au->router, allow, NULL);
	http_router_add(au->router, &(struct http_route){ .methods = "GET", .pattern = "/dir", .fn = at_dir, .arg = au, .auth = 1 });
	http_router_add(au->router, &(struct http_route){ .methods = "GET", .pattern = "/nonce", .fn = at_nonce, .arg = au, .auth = 1 });
	http_router_add(au->router, &(struct http_route){ .methods = "POST", .pattern = "/*", .fn = at_post, .arg = au, .auth = 1 });
	au->http = http_server_new(au->l, &(struct http_server_opts){ .router = au->router });
	if (net_addr_parse(BYTES_LIT("127.0.0.1"), 0, &at) != ST_OK ||
	    listener_open(au->l, &at, &(struct listener_opts){ 0 }, http_server_accept, au->http, &au->listener, &err) != ST_OK)
		abort();
	at = listener_addr(au->listener);
	snprintf(au->url, sizeof au->url, "http://127.0.0.1:%u", (unsigned)net_addr_port(&at));
	snprintf(au->dir_url, sizeof au->dir_url, "%s/dir", au->url);
	if (loop_start(au->l, &err) != ST_OK)
		abort();
	return au;
}

static inline void authority_set(struct authority *au, const struct fault *f)
{
	atomic_store(&au->faults_done, 0);
	atomic_store(&au->fault, f);
}

static inline void authority_free(struct authority **aup)
{
	struct authority *au = *aup;

	loop_stop(au->l);
	loop_join(au->l);
	listener_close(&au->listener);
	http_server_free(&au->http);
	http_router_free(&au->router);
	loop_free(&au->l);
	EVP_PKEY_free(au->ca_key);
	EVP_PKEY_free(au->account);
	X509_free(au->ca);
	buf_release(&au->chain);
	free(au);
	*aup = NULL;
}

#endif
