/*
 * acme/order.c -- see acme/order.h.
 *
 * Sequential on purpose: every step needs the answer of the one before, and a thread that waits costs nothing.
 * A request that is refused for its nonce alone is signed anew with the one that came with the refusal.
 */
#include "acme/order.h"

#include <stdio.h>
#include <stdlib.h>

#include "acme/x509.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/vec.h"
#include "crypto/secret.h"

#define CHAIN_MAX    ((size_t)256 * 1024)
#define REQUEST_MAX  ((size_t)64 * 1024)
#define NONCE_TRIES  10
#define POLL_MIN_MS  250u
#define POLL_MAX_MS  10000u

#define TYPE_JSON  "application/json"
#define TYPE_CHAIN "application/pem-certificate-chain"

struct run {
	const struct acme_order_opts *o;
	struct acme_directory dir;
	char nonce[ACME_NONCE_MAX]; /* to use once; "": fetch one */
	char kid[ACME_URL_MAX];	    /* "" before there is an account */
	int64_t retry_after_s;
	uint32_t poll_ms; /* the next pause between two looks */
};

/* ---- requests ---- */

/* What the authority said no with. */
static enum status refused(struct run *r, const struct acme_answer *a, const char *what, struct err *err)
{
	struct acme_problem p;
	bool busy;

	acme_problem_parse(a->body, &p);
	busy = a->status == 429 || a->status == 503 || strcmp(p.type, "rateLimited") == 0;
	r->retry_after_s = a->retry_after_s;
	err_set(err, "%s: the authority answered %d%s%s%s%s", what, a->status, p.type[0] ? ", " : "", p.type,
		p.detail[0] ? ": " : "", p.detail);
	return busy ? ST_BUSY : a->status >= 500 ? ST_IO : ST_DENIED;
}

static enum status expect_type(const struct acme_answer *a, const char *type, const char *what, struct err *err)
{
	if (strcmp(a->content_type, type) == 0)
		return ST_OK;
	err_set(err, "%s: the authority answered with \"%s\" instead of %s", what, a->content_type, type);
	return ST_BAD_INPUT;
}

static void keep_nonce(struct run *r, const struct acme_answer *a)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	r->nonce[0] = '\0';
	if (a->nonce[strspn(a->nonce, alphabet)] == '\0')
		strcpy(r->nonce, a->nonce);
}

static enum status need_nonce(struct run *r, struct err *err)
{
	struct acme_answer a;
	enum status s;

	if (r->nonce[0] != '\0')
		return ST_OK;
	s = acme_transport_ask(r->o->transport, "HEAD", r->dir.new_nonce, (struct bytes){ 0 }, ACME_JSON_MAX, &a, err);
	if (s != ST_OK)
		return s;
	if (a.status < 200 || a.status > 299)
		return refused(r, &a, "newNonce", err);
	keep_nonce(r, &a);
	if (r->nonce[0] != '\0')
		return ST_OK;
	err_set(err, "newNonce: the authority gave no nonce");
	return ST_BAD_INPUT;
}

static enum status post_once(struct run *r, const char *url, struct bytes payload, size_t max, struct acme_answer *a,
			     struct err *err)
{
	struct buf body;
	enum status s = need_nonce(r, err);

	if (s != ST_OK)
		return s;
	buf_init(&body, REQUEST_MAX);
	acme_jws_write(r->o->account,
		       &(struct acme_jws){ .url = url, .nonce = r->nonce, .kid = r->kid[0] ? r->kid : NULL, .payload = payload },
		       &body);
	r->nonce[0] = '\0';
	s = acme_transport_ask(r->o->transport, "POST", url, buf_bytes(&body), max, a, err);
	if (s == ST_OK)
		keep_nonce(r, a);
	buf_release(&body);
	return s;
}

/* A signed request, answered with success; the answer is borrowed until the next one. */
static enum status post(struct run *r, const char *what, const char *url, struct bytes payload, size_t max,
			struct acme_answer *a, struct err *err)
{
	struct acme_problem p;
	enum status s;

	for (int i = 0; i < NONCE_TRIES; i++) {
		s = post_once(r, url, payload, max, a, err);
		if (s != ST_OK) {
			err_prefix(err, "%s", what);
			return s;
		}
		if (a->status >= 200 && a->status <= 299)
			return ST_OK;
		acme_problem_parse(a->body, &p);
		if (strcmp(p.type, "badNonce") != 0)
			break;
	}
	return refused(r, a, what, err);
}

/* The same for JSON. */
static enum status post_json(struct run *r, const char *what, const char *url, struct bytes payload, struct acme_answer *a,
			     struct err *err)
{
	enum status s = post(r, what, url, payload, ACME_JSON_MAX, a, err);

	return s == ST_OK ? expect_type(a, TYPE_JSON, what, err) : s;
}

/* Before looking again; pauses grow, unless the authority says how long. */
static enum status pause_for(struct run *r, const struct acme_answer *a, struct err *err)
{
	uint64_t ms = r->poll_ms;

	r->poll_ms = r->poll_ms * 2 < POLL_MAX_MS ? r->poll_ms * 2 : POLL_MAX_MS;
	if (a->retry_after_s >= 0)
		ms = a->retry_after_s > 0 ? (uint64_t)a->retry_after_s * 1000 : POLL_MIN_MS;
	return acme_transport_wait(r->o->transport, ms, err);
}

/* ---- directory and account ---- */

static enum status get_directory(struct run *r, struct err *err)
{
	struct acme_answer a;
	enum status s = acme_transport_ask(r->o->transport, "GET", r->o->directory_url, (struct bytes){ 0 }, ACME_JSON_MAX, &a,
					   err);

	if (s == ST_OK && (a.status < 200 || a.status > 299))
		return refused(r, &a, "directory", err);
	if (s == ST_OK)
		s = expect_type(&a, TYPE_JSON, "directory", err);
	if (s == ST_OK)
		s = acme_directory_parse(a.body, &r->dir, err);
	if (s == ST_OK && r->dir.external_account) {
		err_set(err, "the authority asks for an account made with it elsewhere (external account binding), which "
			     "is not supported");
		return ST_UNSUPPORTED;
	}
	return s;
}

static enum status open_account(struct run *r, struct err *err)
{
	struct acme_answer a;
	struct buf payload;
	enum status s;
	struct jw w;

	buf_init(&payload, REQUEST_MAX);
	jw_init(&w, &payload);
	jw_obj_begin(&w);
	jw_kbool(&w, "termsOfServiceAgreed", true);
	if (r->o->email[0] != '\0') {
		struct buf to;

		buf_init(&to, REQUEST_MAX);
		buf_printf(&to, "mailto:%s", r->o->email);
		jw_key(&w, "contact");
		jw_arr_begin(&w);
		jw_str_bytes(&w, buf_bytes(&to));
		jw_arr_end(&w);
		buf_release(&to);
	}
	jw_obj_end(&w);
	s = post_json(r, "newAccount", r->dir.new_account, buf_bytes(&payload), &a, err);
	buf_release(&payload);
	if (s != ST_OK)
		return s;
	if (!acme_url_ok(a.location)) {
		err_set(err, "newAccount: the authority gave no address of the account");
		return ST_BAD_INPUT;
	}
	strcpy(r->kid, a.location);
	return ST_OK;
}

/* ---- order ---- */

static enum status new_order(struct run *r, char url_out[static ACME_URL_MAX], struct acme_order *order, struct err *err)
{
	struct acme_answer a;
	struct buf payload;
	enum status s;
	struct jw w;

	buf_init(&payload, REQUEST_MAX);
	jw_init(&w, &payload);
	jw_obj_begin(&w);
	jw_key(&w, "identifiers");
	jw_arr_begin(&w);
	for (size_t i = 0; i < r->o->n_names; i++) {
		jw_obj_begin(&w);
		jw_kstr(&w, "type", "dns");
		jw_kstr(&w, "value", r->o->names[i]);
		jw_obj_end(&w);
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
	s = post_json(r, "newOrder", r->dir.new_order, buf_bytes(&payload), &a, err);
	buf_release(&payload);
	if (s == ST_OK)
		s = acme_order_parse(a.body, order, err);
	if (s != ST_OK)
		return s;
	if (!acme_url_ok(a.location)) {
		err_set(err, "newOrder: the authority gave no address of the order");
		return ST_BAD_INPUT;
	}
	strcpy(url_out, a.location);
	return ST_OK;
}

static enum status failed(const struct acme_problem *p, const char *what, const char *of, struct err *err)
{
	err_set(err, "%s %s failed%s%s%s%s", what, of, p->type[0] ? ": " : "", p->type, p->detail[0] ? ": " : "", p->detail);
	return strcmp(p->type, "rateLimited") == 0 ? ST_BUSY : ST_DENIED;
}

/* ---- challenges ---- */

static const char *type_of(enum acme_challenge c)
{
	return c == ACME_HTTP_01 ? "http-01" : "tls-alpn-01";
}

static bool is_ours(const struct run *r, const char *name)
{
	for (size_t i = 0; i < r->o->n_names; i++)
		if (strcmp(r->o->names[i], name) == 0)
			return true;
	return false;
}

static void present(struct run *r, const struct acme_authorization *z)
{
	char text[ACME_TOKEN_MAX + ACME_THUMBPRINT_LEN + 2], thumbprint[ACME_THUMBPRINT_LEN + 1];

	acme_key_thumbprint(r->o->account, thumbprint);
	snprintf(text, sizeof text, "%s.%s", z->token, thumbprint);
	if (r->o->challenge == ACME_HTTP_01) {
		acme_challenges_add_http(r->o->challenges, z->token, text);
	} else {
		struct net_tls_cert *c = acme_alpn_cert(z->name, text, clock_unix_ns() / NS_PER_S);

		acme_challenges_add_tls(r->o->challenges, z->name, c);
		net_tls_cert_unref(&c);
	}
}

static enum status get_authorization(struct run *r, const char *url, struct acme_authorization *z, struct acme_answer *a,
				     struct err *err)
{
	enum status s = post_json(r, "authorization", url, (struct bytes){ 0 }, a, err);

	if (s == ST_OK)
		s = acme_authorization_parse(a->body, type_of(r->o->challenge), z, err);
	if (s == ST_OK && !is_ours(r, z->name)) {
		err_set(err, "the authority wants a proof for a name that was not asked for");
		return ST_BAD_INPUT;
	}
	return s;
}

static enum status begin_challenge(struct run *r, const struct acme_authorization *z, struct err *err)
{
	struct acme_answer a;

	if (!z->offered) {
		err_set(err, "the authority does not offer %s for %s", type_of(r->o->challenge), z->name);
		return ST_UNSUPPORTED;
	}
	present(r, z);
	if (z->challenge_state != ACME_PENDING)
		return ST_OK; /* under way from an order before: the same token, the same answer */
	return post_json(r, "challenge", z->url, BYTES_LIT("{}"), &a, err);
}

static enum status authorize(struct run *r, const char *url, struct err *err)
{
	struct acme_authorization z;
	struct acme_answer a;
	bool begun = false;
	enum status s;

	r->poll_ms = POLL_MIN_MS;
	for (;;) {
		s = get_authorization(r, url, &z, &a, err);
		if (s != ST_OK || z.state == ACME_VALID)
			return s;
		if (z.state != ACME_PENDING)
			return failed(&z.problem, "the proof by challenge for", z.name, err);
		if (!begun) {
			s = begin_challenge(r, &z, err);
			a.retry_after_s = -1;
			begun = true;
		}
		if (s == ST_OK)
			s = pause_for(r, &a, err);
		if (s != ST_OK)
			return s;
	}
}

/* ---- the certificate ---- */

static enum status finalize(struct run *r, const char *url, const struct acme_key *key, struct acme_answer *a, struct err *err)
{
	struct buf der, payload;
	enum status s;
	struct jw w;
	char *text;

	buf_init(&der, REQUEST_MAX);
	acme_csr(key, r->o->names, r->o->n_names, &der);
	text = xmalloc(BASE64_LEN(der.n) + 1);
	base64url_encode(buf_bytes(&der), text);
	buf_init(&payload, REQUEST_MAX);
	jw_init(&w, &payload);
	jw_obj_begin(&w);
	jw_kstr(&w, "csr", text);
	jw_obj_end(&w);
	s = post_json(r, "finalize", url, buf_bytes(&payload), a, err);
	buf_release(&payload);
	buf_release(&der);
	free(text);
	return s;
}

/* From an order whose names are proven to one with a certificate. */
static enum status complete(struct run *r, const char *url, const struct acme_key *key, struct acme_order *order,
			    struct err *err)
{
	struct acme_answer a = { .retry_after_s = -1 };
	bool asked = false;
	enum status s = ST_OK;

	r->poll_ms = POLL_MIN_MS;
	while (s == ST_OK) {
		if (order->state == ACME_VALID && order->certificate[0] != '\0')
			return ST_OK;
		if (order->state == ACME_INVALID || order->state == ACME_GONE)
			return failed(&order->problem, "the order", url, err);
		if (order->state == ACME_READY && !asked) {
			asked = true;
			s = finalize(r, order->finalize, key, &a, err);
		} else {
			s = pause_for(r, &a, err);
			if (s == ST_OK)
				s = post_json(r, "order", url, (struct bytes){ 0 }, &a, err);
		}
		if (s == ST_OK)
			s = acme_order_parse(a.body, order, err);
	}
	return s;
}

static enum status check_cert(const struct run *r, const struct net_tls_cert *c, struct err *err)
{
	for (size_t i = 0; i < r->o->n_names; i++)
		if (!net_tls_cert_names(c, r->o->names[i])) {
			err_set(err, "the certificate does not name %s", r->o->names[i]);
			return ST_BAD_INPUT;
		}
	if (net_tls_cert_not_after(c) > clock_unix_ns() / NS_PER_S)
		return ST_OK;
	err_set(err, "the certificate has expired already; is the clock right?");
	return ST_BAD_INPUT;
}

static enum status download(struct run *r, const char *url, const struct acme_key *key, struct acme_ordered *out,
			    struct err *err)
{
	struct net_tls_cert *c = NULL;
	struct acme_answer a;
	struct buf pem;
	enum status s = post(r, "certificate", url, (struct bytes){ 0 }, CHAIN_MAX, &a, err);

	if (s == ST_OK)
		s = expect_type(&a, TYPE_CHAIN, "certificate", err);
	if (s != ST_OK)
		return s;
	buf_init(&pem, CHAIN_MAX + REQUEST_MAX);
	(void)buf_reserve(&pem, a.body.n + 4096); /* the key is not left behind by growing */
	acme_key_pem(key, &pem);
	s = net_tls_cert_new(a.body, buf_bytes(&pem), &c, err);
	buf_put_bytes(&pem, a.body);
	if (s == ST_OK)
		s = check_cert(r, c, err);
	if (s == ST_OK) {
		out->cert = c;
		out->pem = pem;
		return ST_OK;
	}
	net_tls_cert_unref(&c);
	secret_wipe(pem.p, pem.cap);
	buf_release(&pem);
	return s;
}

static enum status get_certificate(struct run *r, struct acme_ordered *out, struct err *err)
{
	struct acme_order *order = xcalloc(1, sizeof *order);
	struct acme_key *key = NULL;
	char url[ACME_URL_MAX];
	enum status s = new_order(r, url, order, err);

	for (size_t i = 0; i < order->n_authorizations && s == ST_OK && order->state == ACME_PENDING; i++)
		s = authorize(r, order->authorizations[i], err);
	if (s == ST_OK) {
		key = acme_key_new();
		s = complete(r, url, key, order, err);
	}
	if (s == ST_OK)
		s = download(r, order->certificate, key, out, err);
	acme_key_free(&key);
	free(order);
	return s;
}

enum status acme_order_run(const struct acme_order_opts *o, struct acme_ordered *out, int64_t *retry_after_s_out,
			   struct err *err)
{
	struct run *r = xcalloc(1, sizeof *r);
	enum status s;

	r->o = o;
	r->retry_after_s = -1;
	s = get_directory(r, err);
	if (s == ST_OK)
		s = open_account(r, err);
	if (s == ST_OK)
		s = get_certificate(r, out, err);
	acme_challenges_clear(o->challenges);
	*retry_after_s_out = s == ST_OK ? -1 : r->retry_after_s;
	free(r);
	return s;
}
