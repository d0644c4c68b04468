/*
 * acme/transport.c -- see acme/transport.h.
 *
 * libcurl's multi interface with a single request in it: unlike curl_easy_perform() its wait can be ended from
 * another thread, so that a server that stops need not wait for a slow authority.
 */
#include "acme/transport.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/vec.h"

#define HEADERS_MAX ((size_t)64 * 1024)
#define REQUEST_MS  30000u
#define CONNECT_MS  10000u
#define TOTAL_MS    600000u

struct acme_transport {
	CURLM *multi;
	CURL *easy;
	char *ca_file;
	bool https_only;
	uint32_t request_ms;
	int64_t deadline_ns; /* monotonic, of everything */
	atomic_bool stopped;
	struct buf body;
	size_t header_n;
	bool too_big;
	struct acme_answer *answer; /* of the request under way */
	char error[CURL_ERROR_SIZE];
};

static void must(bool ok)
{
	if (!ok)
		abort(); /* libcurl out of memory: like any small allocation */
}

struct acme_transport *acme_transport_new(const struct acme_transport_opts *o)
{
	struct acme_transport *t = xcalloc(1, sizeof *t);

	must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); /* counted, thread-safe since 7.84; never undone */
	t->multi = curl_multi_init();
	t->easy = curl_easy_init();
	must(t->multi != NULL && t->easy != NULL);
	t->ca_file = o->ca_file != NULL && o->ca_file[0] != '\0' ? xstrdup(o->ca_file) : NULL;
	t->https_only = o->https_only;
	t->request_ms = o->request_ms ? o->request_ms : REQUEST_MS;
	t->deadline_ns = clock_mono_ns() + (int64_t)(o->total_ms ? o->total_ms : TOTAL_MS) * NS_PER_MS;
	atomic_init(&t->stopped, false);
	buf_init(&t->body, 0);
	return t;
}

void acme_transport_free(struct acme_transport **tp)
{
	struct acme_transport *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	curl_easy_cleanup(t->easy);
	curl_multi_cleanup(t->multi);
	buf_release(&t->body);
	free(t->ca_file);
	free(t);
}

void acme_transport_stop(struct acme_transport *t)
{
	atomic_store(&t->stopped, true);
	curl_multi_wakeup(t->multi);
}

static int64_t left_ms(const struct acme_transport *t)
{
	int64_t left = (t->deadline_ns - clock_mono_ns()) / NS_PER_MS;

	return left > 0 ? left : 0;
}

static enum status stopped(struct err *err)
{
	err_set(err, "stopped");
	return ST_CLOSED;
}

static enum status late(struct err *err)
{
	err_set(err, "the authority took too long over it all");
	return ST_TIMEOUT;
}

/* ---- what comes ---- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct acme_transport *t = arg;

	buf_put(&t->body, p, size * n);
	if (buf_ok(&t->body))
		return size * n;
	t->too_big = true;
	return 0;
}

/* Copy a header's value if the name fits; one that is too long counts as not sent. */
static bool take(struct bytes line, const char *name, char *out, size_t cap)
{
	size_t k = strlen(name);

	if (line.n <= k || line.p[k] != ':' || strncasecmp((const char *)line.p, name, k) != 0)
		return false;
	line = bytes_skip(line, k + 1);
	while (line.n && isspace(line.p[0]))
		line = bytes_skip(line, 1);
	while (line.n && isspace(line.p[line.n - 1]))
		line.n--;
	if (line.n >= cap || memchr(line.p, '\0', line.n) != NULL)
		line.n = 0;
	memcpy(out, line.p, line.n);
	out[line.n] = '\0';
	return true;
}

static void read_header(struct acme_answer *a, struct bytes line)
{
	char value[128];

	if (take(line, "replay-nonce", a->nonce, sizeof a->nonce) || take(line, "location", a->location, sizeof a->location))
		return;
	if (take(line, "retry-after", value, sizeof value)) {
		a->retry_after_s = acme_retry_after(value, clock_unix_ns() / NS_PER_S);
	} else if (take(line, "content-type", value, sizeof value)) {
		size_t n = strcspn(value, "; \t");

		n = n < sizeof a->content_type ? n : 0;
		for (size_t i = 0; i < n; i++)
			a->content_type[i] = (char)tolower((unsigned char)value[i]);
	}
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct acme_transport *t = arg;
	size_t all = size * n;

	if (all > HEADERS_MAX - t->header_n) {
		t->too_big = true;
		return 0;
	}
	t->header_n += all;
	read_header(t->answer, bytes_of(p, all));
	return all;
}

/* ---- asking ---- */

#define SET(t, opt, val) must(curl_easy_setopt((t)->easy, opt, val) == CURLE_OK)

static struct curl_slist *set_up(struct acme_transport *t, const char *method, const char *url, struct bytes body)
{
	struct curl_slist *headers = NULL;
	int64_t ms = left_ms(t);

	if (ms > t->request_ms)
		ms = t->request_ms;
	curl_easy_reset(t->easy);
	SET(t, CURLOPT_URL, url);
	SET(t, CURLOPT_PROTOCOLS_STR, t->https_only ? "https" : "http,https");
	SET(t, CURLOPT_FOLLOWLOCATION, 0L);
	SET(t, CURLOPT_TIMEOUT_MS, (long)ms);
	SET(t, CURLOPT_CONNECTTIMEOUT_MS, ms < CONNECT_MS ? (long)ms : (long)CONNECT_MS);
	SET(t, CURLOPT_NOSIGNAL, 1L);
	SET(t, CURLOPT_ERRORBUFFER, t->error);
	SET(t, CURLOPT_WRITEFUNCTION, on_body);
	SET(t, CURLOPT_WRITEDATA, t);
	SET(t, CURLOPT_HEADERFUNCTION, on_header);
	SET(t, CURLOPT_HEADERDATA, t);
	SET(t, CURLOPT_USERAGENT, "headscale/" HEADSCALE_VERSION);
	if (t->ca_file != NULL) {
		SET(t, CURLOPT_CAINFO, t->ca_file);
		SET(t, CURLOPT_CAPATH, NULL);
	}
	if (strcmp(method, "HEAD") == 0)
		SET(t, CURLOPT_NOBODY, 1L);
	if (strcmp(method, "POST") == 0) {
		SET(t, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
		SET(t, CURLOPT_POSTFIELDS, (const char *)body.p);
		headers = curl_slist_append(headers, "Content-Type: application/jose+json");
		headers = curl_slist_append(headers, "Expect:"); /* no waiting for "100 Continue" */
		must(headers != NULL);
		SET(t, CURLOPT_HTTPHEADER, headers);
	}
	return headers;
}

/* Until the request is done; CURLE_ABORTED_BY_CALLBACK: stopped. */
static CURLcode perform(struct acme_transport *t)
{
	CURLcode result = CURLE_OK;
	int running = 1, left;
	CURLMsg *m;

	must(curl_multi_add_handle(t->multi, t->easy) == CURLM_OK);
	while (running && !atomic_load(&t->stopped)) {
		must(curl_multi_perform(t->multi, &running) == CURLM_OK);
		if (running)
			must(curl_multi_poll(t->multi, NULL, 0, 1000, NULL) == CURLM_OK);
	}
	while ((m = curl_multi_info_read(t->multi, &left)) != NULL)
		if (m->msg == CURLMSG_DONE)
			result = m->data.result;
	if (running) {
		SET(t, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a name server */
		result = CURLE_ABORTED_BY_CALLBACK;
	}
	curl_multi_remove_handle(t->multi, t->easy);
	return result;
}

static enum status status_of(const struct acme_transport *t, CURLcode c, const char *url, struct err *err)
{
	const char *why = t->error[0] != '\0' ? t->error : curl_easy_strerror(c);

	if (c == CURLE_OK)
		return ST_OK;
	if (atomic_load(&t->stopped))
		return stopped(err);
	if (t->too_big) {
		err_set(err, "%s: the answer is too long", url);
		return ST_TOO_BIG;
	}
	err_set(err, "%s: %s", url, why);
	return c == CURLE_OPERATION_TIMEDOUT ? ST_TIMEOUT : ST_IO;
}

enum status acme_transport_ask(struct acme_transport *t, const char *method, const char *url, struct bytes body,
			       size_t body_max, struct acme_answer *out, struct err *err)
{
	struct curl_slist *headers;
	long http = 0;
	CURLcode c;

	if (atomic_load(&t->stopped))
		return stopped(err);
	if (left_ms(t) == 0)
		return late(err);
	memset(out, 0, sizeof *out);
	out->retry_after_s = -1;
	t->answer = out;
	t->header_n = 0;
	t->too_big = false;
	t->error[0] = '\0';
	buf_release(&t->body);
	buf_init(&t->body, body_max);
	headers = set_up(t, method, url, body);
	c = perform(t);
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &http);
	curl_slist_free_all(headers);
	out->status = (int)http;
	out->body = buf_bytes(&t->body);
	return status_of(t, c, url, err);
}

enum status acme_transport_wait(struct acme_transport *t, uint64_t ms, struct err *err)
{
	int64_t end = clock_mono_ns() + (int64_t)ms * NS_PER_MS;
	int64_t left = (int64_t)ms;

	if (!atomic_load(&t->stopped) && left >= left_ms(t))
		return late(err);
	while (left > 0 && !atomic_load(&t->stopped)) {
		must(curl_multi_poll(t->multi, NULL, 0, left < 1000 ? (int)left : 1000, NULL) == CURLM_OK);
		left = (end - clock_mono_ns()) / NS_PER_MS;
	}
	return atomic_load(&t->stopped) ? stopped(err) : ST_OK;
}
