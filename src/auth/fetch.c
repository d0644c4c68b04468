/*
 * auth/fetch.c -- see auth/fetch.h.
 *
 * libcurl tells which sockets it waits for and when it wants to be woken; what is finished is collected at the end of
 * the turn, so that no callback of ours runs inside one of libcurl's, where its objects may not be touched.
 */
#include "auth/fetch.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/vec.h"
#include "crypto/secret.h"
#include "net/loop.h"

struct fetch {
	struct fetcher *owner; /* NULL: fetch_now() */
	CURL *easy;
	struct curl_slist *headers;
	char *form; /* owned, wiped */
	size_t form_n;
	struct buf body;
	size_t header_n;
	bool too_big;
	char error[CURL_ERROR_SIZE];
	fetch_fn *fn;
	void *arg;
	struct fetch *next, **link;
};

struct fetcher {
	struct loop *loop;
	CURLM *multi;
	char *ca_file;
	struct loop_timer timer;
	struct loop_task collect;
	struct fetch *all;
};

static void must(bool ok)
{
	if (!ok)
		abort(); /* libcurl out of memory: like any small allocation */
}

static void global_init(void)
{
	/* Counted and, since 7.84, thread-safe; never undone. */
	must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

/* ---- one request ---- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct fetch *x = arg;

	buf_put(&x->body, p, size * n);
	if (buf_ok(&x->body))
		return size * n;
	x->too_big = true;
	return 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct fetch *x = arg;

	(void)p;
	if (size * n > FETCH_HEADER_MAX - x->header_n) {
		x->too_big = true;
		return 0;
	}
	x->header_n += size * n;
	return size * n;
}

static void add_header(struct fetch *x, const char *name, const char *value)
{
	size_t n = strlen(name) + strlen(value) + 3;
	char *line = xmalloc(n);
	struct curl_slist *more;

	snprintf(line, n, "%s: %s", name, value);
	more = curl_slist_append(x->headers, line);
	must(more != NULL);
	x->headers = more;
	secret_wipe(line, n);
	free(line);
}

static void add_auth(struct fetch *x, const struct fetch_req *req)
{
	char *value;
	size_t n;

	if (req->basic != NULL) {
		n = BASE64_LEN(strlen(req->basic)) + sizeof "Basic ";
		value = xmalloc(n);
		memcpy(value, "Basic ", 6);
		base64_encode(bytes_of_str(req->basic), value + 6);
	} else {
		n = strlen(req->bearer) + sizeof "Bearer ";
		value = xmalloc(n);
		snprintf(value, n, "Bearer %s", req->bearer);
	}
	add_header(x, "Authorization", value);
	secret_wipe(value, n);
	free(value);
}

/* Options are set to constants and to strings of ours: they fail only without memory, or when libcurl lacks the
 * feature. */
#define SET(x, opt, val) must(curl_easy_setopt((x)->easy, opt, val) == CURLE_OK)

static void set_up_limits(struct fetch *x, const struct fetch_req *req, const char *ca_file)
{
	bool https = strncmp(req->url, "https:", 6) == 0;
	long ms = req->timeout_ms ? (long)req->timeout_ms : 15000L;

	SET(x, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(x, CURLOPT_REDIR_PROTOCOLS_STR, https ? "https" : "http,https");
	SET(x, CURLOPT_FOLLOWLOCATION, req->redirects ? 1L : 0L);
	SET(x, CURLOPT_MAXREDIRS, (long)req->redirects);
	SET(x, CURLOPT_TIMEOUT_MS, ms);
	SET(x, CURLOPT_CONNECTTIMEOUT_MS, ms < 10000 ? ms : 10000L);
	SET(x, CURLOPT_NOSIGNAL, 1L);
	SET(x, CURLOPT_SSL_VERIFYPEER, 1L);
	SET(x, CURLOPT_SSL_VERIFYHOST, 2L);
	if (ca_file != NULL) {
		SET(x, CURLOPT_CAINFO, ca_file);
		SET(x, CURLOPT_CAPATH, NULL);
	}
}

static struct fetch *fetch_make(const struct fetch_req *req, const char *ca_file, fetch_fn *fn, void *arg)
{
	struct fetch *x = xcalloc(1, sizeof *x);

	x->fn = fn;
	x->arg = arg;
	x->easy = curl_easy_init();
	must(x->easy != NULL);
	buf_init(&x->body, req->body_max ? req->body_max : FETCH_BODY_MAX_DEFAULT);
	set_up_limits(x, req, ca_file);
	SET(x, CURLOPT_URL, req->url);
	SET(x, CURLOPT_PRIVATE, x);
	SET(x, CURLOPT_ERRORBUFFER, x->error);
	SET(x, CURLOPT_WRITEFUNCTION, on_body);
	SET(x, CURLOPT_WRITEDATA, x);
	SET(x, CURLOPT_HEADERFUNCTION, on_header);
	SET(x, CURLOPT_HEADERDATA, x);
	SET(x, CURLOPT_USERAGENT, "headscale/" HEADSCALE_VERSION);
	add_header(x, "Accept", req->accept ? req->accept : "application/json");
	if (req->basic != NULL || req->bearer != NULL)
		add_auth(x, req);
	if (req->form.n > 0) {
		x->form = xmalloc(req->form.n);
		memcpy(x->form, req->form.p, req->form.n);
		x->form_n = req->form.n;
		SET(x, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->form_n);
		SET(x, CURLOPT_POSTFIELDS, x->form);
		add_header(x, "Expect", ""); /* no waiting for "100 Continue" */
	}
	SET(x, CURLOPT_HTTPHEADER, x->headers);
	return x;
}

static void fetch_release(struct fetch *x)
{
	if (x->owner != NULL) {
		curl_multi_remove_handle(x->owner->multi, x->easy);
		*x->link = x->next;
		if (x->next != NULL)
			x->next->link = x->link;
	}
	curl_easy_cleanup(x->easy);
	for (struct curl_slist *h = x->headers; h != NULL; h = h->next)
		secret_wipe(h->data, strlen(h->data));
	curl_slist_free_all(x->headers);
	if (x->form != NULL)
		secret_wipe(x->form, x->form_n);
	free(x->form);
	if (x->body.p != NULL)
		secret_wipe(x->body.p, x->body.cap);
	buf_release(&x->body);
	free(x);
}

static enum status status_of(const struct fetch *x, CURLcode c)
{
	if (x->too_big)
		return ST_TOO_BIG;
	switch (c) {
	case CURLE_OK:
		return ST_OK;
	case CURLE_OPERATION_TIMEDOUT:
		return ST_TIMEOUT;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return ST_BAD_INPUT;
	default:
		return ST_IO;
	}
}

/* Tell the owner, then release: the callback may start others, not cancel this one. */
static void fetch_finish(struct fetch *x, CURLcode c)
{
	struct fetch_answer a = { .st = status_of(x, c), .content_type = "", .error = "" };
	char *type = NULL;
	long http = 0;

	if (a.st == ST_OK) {
		curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &http);
		curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &type);
		a.http_status = (int)http;
		a.body = buf_bytes(&x->body);
		a.content_type = type ? type : "";
	} else if (a.st == ST_TOO_BIG) {
		a.error = "the answer is too long";
	} else {
		a.error = x->error[0] ? x->error : curl_easy_strerror(c);
	}
	x->fn(x->arg, &a);
	fetch_release(x);
}

/* ---- libcurl on the loop ---- */

static void after(struct fetcher *f, int fd, int what)
{
	int running;

	curl_multi_socket_action(f->multi, fd, what, &running);
	loop_task_queue(&f->collect);
}

/* A watched socket. */
struct watch {
	struct fetcher *f;
	int fd;
	struct loop_fd *h;
};

static void on_fd(void *arg, unsigned events)
{
	struct watch *w = arg;
	int what = 0;

	what |= events & LOOP_FD_READ ? CURL_CSELECT_IN : 0;
	what |= events & LOOP_FD_WRITE ? CURL_CSELECT_OUT : 0;
	after(w->f, w->fd, what ? what : CURL_CSELECT_ERR);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct fetcher *f = arg;
	struct watch *w = socket_arg;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL) {
			loop_fd_free(&w->h);
			loop_retire(f->loop, w);
			curl_multi_assign(f->multi, fd, NULL);
		}
		return 0;
	}
	if (w == NULL) {
		w = xcalloc(1, sizeof *w);
		w->f = f;
		w->fd = fd;
		w->h = loop_fd_new(f->loop, fd, on_fd, w);
		curl_multi_assign(f->multi, fd, w);
	}
	loop_fd_want(w->h, (what & CURL_POLL_IN ? LOOP_FD_READ : 0u) | (what & CURL_POLL_OUT ? LOOP_FD_WRITE : 0u));
	return 0;
}

static int on_wish(CURLM *multi, long ms, void *arg)
{
	struct fetcher *f = arg;

	(void)multi;
	if (ms < 0)
		loop_timer_cancel(&f->timer);
	else
		loop_timer_start(&f->timer, (uint64_t)ms);
	return 0;
}

static void on_timer(void *arg)
{
	after(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void collect(void *arg)
{
	struct fetcher *f = arg;
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left)) != NULL) {
		CURLcode c = m->data.result;
		char *x = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x);
		fetch_finish((struct fetch *)(void *)x, c);
	}
}

/* ---- public ---- */

struct fetcher *fetcher_new(struct loop *l, const struct fetcher_opts *o)
{
	struct fetcher *f = xcalloc(1, sizeof *f);

	global_init();
	f->loop = l;
	f->ca_file = xstrdup(o->ca_file);
	f->multi = curl_multi_init();
	must(f->multi != NULL);
	loop_timer_init(&f->timer, l, on_timer, f);
	loop_task_init(&f->collect, l, collect, f);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_wish);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)(o->max_at_once ? o->max_at_once : 16));
	curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, 4L);
	return f;
}

void fetcher_free(struct fetcher **fp)
{
	struct fetcher *f = *fp;

	if (f == NULL)
		return;
	while (f->all != NULL)
		fetch_release(f->all);
	curl_multi_cleanup(f->multi); /* lets go of the kept connections, through on_socket() */
	loop_timer_cancel(&f->timer);
	loop_task_cancel(&f->collect);
	free(f->ca_file);
	free(f);
	*fp = NULL;
}

struct fetch *fetch_start(struct fetcher *f, const struct fetch_req *req, fetch_fn *fn, void *arg)
{
	struct fetch *x = fetch_make(req, f->ca_file, fn, arg);

	x->owner = f;
	x->next = f->all;
	if (x->next != NULL)
		x->next->link = &x->next;
	x->link = &f->all;
	f->all = x;
	must(curl_multi_add_handle(f->multi, x->easy) == CURLM_OK);
	return x;
}

void fetch_cancel(struct fetch **x)
{
	if (*x != NULL)
		fetch_release(*x);
	*x = NULL;
}

void fetch_now(const struct fetcher_opts *o, const struct fetch_req *req, fetch_fn *fn, void *arg)
{
	struct fetch *x;

	global_init();
	x = fetch_make(req, o->ca_file, fn, arg);
	fetch_finish(x, curl_easy_perform(x->easy));
}
