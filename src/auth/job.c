/*
 * auth/job.c -- requests on their way between their own loop and the home loop, and what becomes of them.
 *
 * A job belongs to one loop at a time and goes by message: request's loop -> home -> (state's thread -> home)* ->
 * request's loop. Only `req` stays with the request's loop all the time: a browser that goes away clears it, and the
 * answer finds nobody.
 */
#include "auth/oidc_priv.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/vec.h"
#include "crypto/secret.h"

static const char *const event_names[OIDC_EVENT_COUNT] = {
	[OIDC_STARTED] = "started",
	[OIDC_IDENTIFIED] = "identified",
	[OIDC_REGISTERED] = "registered",
	[OIDC_SSH_APPROVED] = "ssh_approved",
	[OIDC_BAD_ID] = "bad_id",
	[OIDC_EMBEDDED] = "embedded",
	[OIDC_GONE] = "gone",
	[OIDC_BUSY] = "busy",
	[OIDC_UNAVAILABLE] = "provider_unavailable",
	[OIDC_BAD_CALLBACK] = "bad_callback",
	[OIDC_STATE_COOKIE] = "state_cookie",
	[OIDC_STATE_UNKNOWN] = "state_unknown",
	[OIDC_PROVIDER_REFUSED] = "provider_refused",
	[OIDC_CODE_REFUSED] = "code_refused",
	[OIDC_TOKEN_MALFORMED] = "token_malformed",
	[OIDC_TOKEN_ALGORITHM] = "token_algorithm",
	[OIDC_TOKEN_KEY] = "token_key",
	[OIDC_TOKEN_SIGNATURE] = "token_signature",
	[OIDC_TOKEN_ISSUER] = "token_issuer",
	[OIDC_TOKEN_AUDIENCE] = "token_audience",
	[OIDC_TOKEN_TIME] = "token_time",
	[OIDC_TOKEN_NONCE] = "token_nonce",
	[OIDC_TOKEN_ACCESS_HASH] = "token_access_hash",
	[OIDC_FILTER_GROUP] = "filter_group",
	[OIDC_FILTER_VERIFIED] = "filter_verified",
	[OIDC_FILTER_DOMAIN] = "filter_domain",
	[OIDC_FILTER_USER] = "filter_user",
	[OIDC_SSH_NOT_OWNER] = "ssh_not_owner",
	[OIDC_CONFIRM_CSRF] = "confirm_csrf",
	[OIDC_CONFIRM_REFUSED] = "confirm_refused",
	[OIDC_INTERNAL] = "internal",
	[OIDC_DISCOVERY_OK] = "discovery_ok",
	[OIDC_DISCOVERY_FAILED] = "discovery_failed",
	[OIDC_KEYS_OK] = "keys_ok",
	[OIDC_KEYS_FAILED] = "keys_failed",
	[OIDC_USERINFO_FAILED] = "userinfo_failed",
	[OIDC_USERINFO_SUBJECT] = "userinfo_subject",
};

const char *oidc_event_name(enum oidc_event e)
{
	return event_names[e];
}

void oidc_count(struct oidc *o, enum oidc_event e)
{
	atomic_fetch_add_explicit(&o->events[e], 1, memory_order_relaxed);
}

int64_t oidc_now_ns(const struct oidc *o)
{
	return o->opts.unix_ns != NULL ? o->opts.unix_ns() : clock_unix_ns();
}

/* ---- the request's loop ---- */

static void page_headers(struct http_req *r, int status)
{
	http_resp_header(r, "Cache-Control", "no-store");
	if (status == 503)
		http_resp_header(r, "Retry-After", "10");
}

void oidc_refuse_now(struct oidc *o, struct http_req *r, enum oidc_event e, int status, const char *what,
		     const char *advice)
{
	struct buf b;

	oidc_count(o, e);
	log_debug("login refused", LOG_STR("reason", oidc_event_name(e)), LOG_END);
	buf_init(&b, 1u << 16);
	o->opts.pages.error(&b, status, what, advice);
	page_headers(r, status);
	http_respond(r, status, "text/html; charset=utf-8", buf_bytes(&b));
	buf_release(&b);
}

static void job_free(struct job *j)
{
	pending_unref(&j->pending);
	user_unref(&j->user);
	node_unref(&j->node);
	buf_release(&j->page);
	arena_free(&j->a);
	free(j);
}

static void browser_left(void *arg, struct http_req *r)
{
	struct job *j = arg;

	(void)r;
	j->req = NULL;
}

static void job_deliver(void *arg)
{
	struct job *j = arg;
	struct http_req *r = j->req;

	if (r != NULL) {
		http_on_cancel(r, NULL, NULL);
		page_headers(r, j->status);
		for (size_t i = 0; i < j->n_headers; i++)
			http_resp_header(r, j->headers[i].name, j->headers[i].value);
		if (j->location != NULL)
			http_respond_redirect(r, j->status, j->location);
		else
			http_respond(r, j->status, "text/html; charset=utf-8", buf_bytes(&j->page));
	}
	job_free(j);
}

struct job *job_new(struct oidc *o, struct http_req *r, enum job_kind kind)
{
	uint8_t ip[16];
	struct job *j;

	if (atomic_fetch_add(&o->n_jobs, 1) >= OIDC_JOBS_MAX) {
		atomic_fetch_sub(&o->n_jobs, 1);
		oidc_refuse_now(o, r, OIDC_BUSY, 503, "Too many logins at once", "Please try again in a few seconds.");
		return NULL;
	}
	j = xcalloc(1, sizeof *j);
	j->o = o;
	j->loop = r->loop;
	j->req = r;
	j->kind = kind;
	j->a = arena_new();
	j->secure = o->https || r->secure;
	net_addr_ip16(&r->client, ip);
	waiting_source(ip, j->source);
	buf_init(&j->page, 1u << 16);
	return j;
}

void job_send(struct job *j)
{
	http_on_cancel(j->req, browser_left, j);
	loop_post(j->o->opts.loop, job_run, j);
}

static void wipe(void *text)
{
	secret_wipe(text, strlen(text));
}

const char *job_secret(struct job *j, const char *s)
{
	char *copy = arena_strdup(j->a, s);

	if (copy != NULL)
		arena_on_free(j->a, wipe, copy);
	return copy;
}

/* ---- at home ---- */

void oidc_unref(struct oidc *o)
{
	if (--o->refs > 0)
		return;
	arena_free(&o->a);
	free(o);
}

/* Let go of what is at home. */
static void job_leave(struct job *j)
{
	fetch_cancel(&j->fetch);
	*j->link = j->next;
	if (j->next != NULL)
		j->next->link = j->link;
	if (j->login != NULL) {
		secret_wipe(j->login, sizeof *j->login);
		free(j->login);
		j->login = NULL;
	}
}

void job_answer(struct job *j)
{
	struct oidc *o = j->o;
	bool closed = o->closed;

	job_leave(j);
	atomic_fetch_sub(&o->n_jobs, 1);
	oidc_unref(o);
	if (closed)
		job_free(j); /* no request is open any more, see oidc_free() */
	else
		loop_post(j->loop, job_deliver, j);
}

static unsigned of_source(const struct oidc *o, const struct job *j)
{
	unsigned n = 0;

	for (const struct job *other = o->jobs; other != NULL; other = other->next)
		n += memcmp(other->source, j->source, sizeof j->source) == 0;
	return n;
}

void job_run(void *arg)
{
	static void (*const first[])(struct job *) = {
		[JOB_BEGIN] = flow_begin,
		[JOB_CALLBACK] = flow_callback,
		[JOB_CONFIRM] = confirm_pressed,
	};
	struct job *j = arg;
	struct oidc *o = j->o;

	o->refs++;
	j->next = o->jobs;
	if (j->next != NULL)
		j->next->link = &j->next;
	j->link = &o->jobs;
	o->jobs = j;
	if (o->closed)
		job_answer(j);
	else if (of_source(o, j) > OIDC_JOBS_PER_SOURCE)
		job_refuse_busy(j);
	else
		first[j->kind](j);
}

void job_header(struct job *j, const char *name, const char *value)
{
	assert(j->n_headers < JOB_HEADERS_MAX);
	j->headers[j->n_headers++] = (struct http_header){ name, value };
}

void job_refuse(struct job *j, enum oidc_event e, int status, const char *words, const char *what, const char *advice)
{
	oidc_count(j->o, e);
	log_info("login refused", LOG_STR("reason", oidc_event_name(e)), LOG_STR("error", words),
		 LOG_STR("user", j->who != NULL ? identity_display(j->who) : ""), LOG_END);
	j->status = status;
	buf_reset(&j->page);
	j->o->opts.pages.error(&j->page, status, what, advice);
	job_answer(j);
}

void job_refuse_busy(struct job *j)
{
	job_refuse(j, OIDC_BUSY, 503, "too much is waiting", "The server is busy",
		   "Please try again in a few seconds.");
}

void job_refuse_gone(struct job *j)
{
	job_refuse(
	    j, OIDC_GONE, 410, "over, decided, or never known", "This login is over",
	    "It was used already, or too much time has passed. Start it again on your machine and open the new link.");
}

void job_refuse_unavailable(struct job *j, const char *words)
{
	log_warn("identity provider does not answer", LOG_STR("error", words), LOG_END);
	job_refuse(j, OIDC_UNAVAILABLE, 503, words, "The identity provider does not answer",
		   "Please open the link again in a few minutes. Machines that are connected stay connected.");
}

void job_done_page(struct job *j, const char *heading, const char *text)
{
	j->status = 200;
	buf_reset(&j->page);
	j->o->opts.pages.done(&j->page, heading, text);
	job_answer(j);
}

/* ---- what the state says ---- */

static void state_spoke(void *arg)
{
	struct job *j = arg;

	if (j->o->closed)
		job_answer(j);
	else
		j->then(j);
}

/* On the state's thread. */
void job_heard(void *arg, enum status s, const struct err *err, const struct state_result *r)
{
	struct job *j = arg;

	j->st = s;
	j->err = err != NULL ? *err : (struct err){ 0 };
	pending_unref(&j->pending);
	if (s == ST_OK && r != NULL) {
		if (r->pending != NULL)
			j->pending = pending_ref(r->pending);
		if (r->user != NULL) {
			user_unref(&j->user);
			j->user = user_ref(r->user);
		}
		if (r->node != NULL) {
			node_unref(&j->node);
			j->node = node_ref(r->node);
		}
	}
	loop_post(j->o->opts.loop, state_spoke, j);
}
