/*
 * server/alone_admit.c -- who may use a relay that stands alone: what the tailscaled of this machine, a control server's
 * /verify and a list of application names say. All that are configured must agree; mesh peers are not asked about.
 *
 * The questions block, so they are put on helper threads. Connections to who answers are kept and used again: after a
 * restart everybody comes back within seconds.
 */
#include "server/alone_priv.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#define VERIFY_MS 5000L
#define WHOIS_MAX ((size_t)1 << 20)

struct verify {
	struct alone *a;
	derp_handle token;
	struct node_key key;
	struct buf ask;
	bool allowed;
};

static CURL *curl_take(struct alone *a)
{
	CURL *c = NULL;

	pthread_mutex_lock(&a->lock);
	if (a->n_curls > 0)
		c = a->curls[--a->n_curls];
	pthread_mutex_unlock(&a->lock);
	if (c == NULL)
		c = curl_easy_init();
	else
		curl_easy_reset(c); /* options go, connections stay */
	return c;
}

static void curl_give(struct alone *a, CURL *c)
{
	pthread_mutex_lock(&a->lock);
	if (a->n_curls < ALONE_CURLS_MAX) {
		a->curls[a->n_curls++] = c;
		c = NULL;
	}
	pthread_mutex_unlock(&a->lock);
	if (c != NULL)
		curl_easy_cleanup(c);
}

static size_t take(char *p, size_t size, size_t n, void *arg)
{
	struct buf *b = arg;

	buf_put(b, p, size * n);
	return buf_ok(b) ? size * n : 0;
}

/* What a handle is set to for either question. */
static void prepare(CURL *c, const char *url, struct buf *answer)
{
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, VERIFY_MS);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, answer);
	if (getenv("SSL_CERT_FILE") != NULL) /* as OpenSSL's own tools take it */
		curl_easy_setopt(c, CURLOPT_CAINFO, getenv("SSL_CERT_FILE"));
}

/* The tailscaled of this machine: it knows a node if that is in its network map. */
static bool ask_tailscaled(struct alone *a, const struct node_key *key)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Tailscale-Cap: 1");
	char text[KEY_TEXT_MAX], url[256];
	CURL *c = curl_take(a);
	struct buf answer;
	long code = 0;
	CURLcode r = CURLE_FAILED_INIT;

	node_key_format(key, text);
	snprintf(url, sizeof url, "http://local-tailscaled.sock/localapi/v0/whois?addr=nodekey%%3A%s", text + strlen("nodekey:"));
	buf_init(&answer, WHOIS_MAX);
	if (c != NULL) {
		prepare(c, url, &answer);
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, a->f.socket);
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
		r = curl_easy_perform(c);
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &code);
	}
	if (r != CURLE_OK || (code != 200 && code != 404))
		log_warn("the local tailscaled cannot be asked about a client, which is refused", LOG_STR("socket", a->f.socket),
			 LOG_STR("error", r != CURLE_OK ? curl_easy_strerror(r) : "unexpected status"), LOG_I64("status", code), LOG_END);
	if (c != NULL)
		curl_give(a, c);
	buf_release(&answer);
	curl_slist_free_all(headers);
	return r == CURLE_OK && code == 200;
}

static bool ask_url(struct alone *a, const struct buf *ask)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *c = curl_take(a);
	struct buf answer;
	long code = 0;
	CURLcode r = CURLE_FAILED_INIT;
	bool allowed;

	buf_init(&answer, DERP_VERIFY_MAX);
	if (c != NULL) {
		prepare(c, a->f.verify_url, &answer);
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, (char *)ask->p);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)ask->n);
		r = curl_easy_perform(c);
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &code);
	}
	if (r == CURLE_WRITE_ERROR) /* an answer, but a longer one than there can be */
		allowed = false;
	else if (r != CURLE_OK)
		allowed = a->f.verify_fail_open; /* nobody there */
	else
		allowed = code == 200 && derp_verify_answer_parse(buf_bytes(&answer)) == ST_OK;
	if (r != CURLE_OK)
		log_warn("the control server cannot be asked about a client", LOG_STR("url", a->f.verify_url),
			 LOG_STR("error", curl_easy_strerror(r)), LOG_BOOL("admitted", allowed), LOG_END);
	if (c != NULL)
		curl_give(a, c);
	buf_release(&answer);
	curl_slist_free_all(headers);
	return allowed;
}

static void verify_work(void *arg)
{
	struct verify *v = arg;

	v->allowed = (!v->a->f.verify_clients || ask_tailscaled(v->a, &v->key)) &&
		     (v->a->f.verify_url == NULL || ask_url(v->a, &v->ask));
}

static void verify_done(void *arg)
{
	struct verify *v = arg;

	derp_relay_admitted(v->a->relay, v->token, v->allowed);
	buf_release(&v->ask);
	free(v);
}

enum derp_verdict alone_admit(void *alone, const struct derp_admit_request *req)
{
	struct alone *a = alone;
	struct verify *v;

	for (size_t i = 0; i < a->f.bad_apps.n; i++)
		if (req->app[0] != '\0' && strcmp(req->app, a->f.bad_apps.v[i]) == 0)
			return DERP_ADMIT_NO;
	if (req->again || (a->f.verify_url == NULL && !a->f.verify_clients))
		return DERP_ADMIT_YES;
	v = xcalloc(1, sizeof *v);
	v->a = a;
	v->token = req->token;
	v->key = req->key;
	buf_init(&v->ask, DERP_VERIFY_MAX);
	derp_verify_ask(&req->key, req->source, &v->ask);
	loop_work(a->loops[req->loop], verify_work, verify_done, v);
	return DERP_ADMIT_LATER;
}

const char *alone_admission(const struct alone *a)
{
	if (a->f.verify_clients)
		return a->f.verify_url != NULL ? "local tailscaled and URL" : "local tailscaled";
	return a->f.verify_url != NULL ? "URL" : "anybody";
}

void alone_admit_release(struct alone *a)
{
	while (a->n_curls > 0)
		curl_easy_cleanup(a->curls[--a->n_curls]);
}
