/*
 * acme/acme.c -- see acme/acme.h.
 *
 * The timer looks at the wall clock at least once an hour, so that a machine that slept or whose clock was set does
 * not miss the day. `lock` guards what handshakes and figures read; all else belongs to the home loop, but for what
 * an order under way has been given: it works on `struct order_job`, and on parts that do not change.
 */
#include "acme/acme.h"

#include <assert.h>
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "acme/cache.h"
#include "acme/challenges.h"
#include "acme/order.h"
#include "acme/plan.h"
#include "acme/transport.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/vec.h"
#include "crypto/secret.h"

#define LOOK_MS	      3600000u /* between two looks at the clock */
#define EXTRA_MAX     ((size_t)64 * 1024)
#define CHALLENGE_URL "/.well-known/acme-challenge/{token}"

struct acme {
	struct loop *loop;
	char *directory_url, *email, *cache_dir, *ca_file, *redirect_to;
	char *names[ACME_NAMES_MAX];
	size_t n_names;
	enum acme_challenge challenge;
	void (*renewed)(void *arg, struct net_tls_cert *cert);
	void *renewed_arg;
	int64_t (*now_ns)(void);
	struct acme_challenges *challenges;
	struct loop_timer timer;
	struct order_job *job;	    /* under way, or NULL */
	bool closing;		    /* acme_free() was called while an order was under way */
	struct net_tls_cert *plain; /* the certificate without extra; NULL: none yet */
	struct buf extra;
	pthread_mutex_t lock;	    /* guards the rest */
	struct net_tls_cert *cert;  /* what handshakes get; NULL: none yet */
	struct acme_status status;
};

static int64_t now_unix(const struct acme *a)
{
	return a->now_ns() / NS_PER_S;
}

/* ---- the certificate in use ---- */

static void set_cert(struct acme *a, struct net_tls_cert *c)
{
	struct net_tls_cert *old;

	pthread_mutex_lock(&a->lock);
	old = a->cert;
	a->cert = net_tls_cert_ref(c);
	a->status.have = true;
	a->status.not_before = net_tls_cert_not_before(c);
	a->status.not_after = net_tls_cert_not_after(c);
	pthread_mutex_unlock(&a->lock);
	net_tls_cert_unref(&old);
}

/* Put `c` (borrowed) in use, with what is sent behind it. */
static enum status use(struct acme *a, struct net_tls_cert *c, struct err *err)
{
	struct net_tls_cert *full = NULL;
	enum status s;

	if (a->extra.n == 0) {
		set_cert(a, c);
		return ST_OK;
	}
	s = net_tls_cert_with_extra(c, buf_bytes(&a->extra), &full, err);
	if (s == ST_OK)
		set_cert(a, full);
	net_tls_cert_unref(&full);
	return s;
}

/* A new one, or that of the cache; the reference is taken over. */
static void adopt(struct acme *a, struct net_tls_cert *c)
{
	net_tls_cert_unref(&a->plain);
	a->plain = c;
	if (use(a, c, NULL) != ST_OK)
		set_cert(a, c); /* better without what goes behind than none */
}

struct net_tls_cert *acme_cert(struct acme *a)
{
	struct net_tls_cert *c;

	pthread_mutex_lock(&a->lock);
	c = net_tls_cert_ref(a->cert);
	pthread_mutex_unlock(&a->lock);
	return c;
}

static struct net_tls_cert *find(void *arg, const struct net_tls_hello *hello)
{
	struct acme *a = arg;
	struct net_tls_cert *c;

	if (hello->acme)
		return acme_challenges_tls(a->challenges, hello->sni);
	c = acme_cert(a);
	if (c != NULL && hello->sni[0] != '\0' && !net_tls_cert_names(c, hello->sni))
		net_tls_cert_unref(&c);
	return c;
}

struct net_tls_provider acme_provider(struct acme *a)
{
	return (struct net_tls_provider){ .find = find, .arg = a };
}

enum status acme_set_extra(struct acme *a, struct bytes der, struct err *err)
{
	struct buf old = a->extra;
	enum status s = ST_OK;

	loop_assert(a->loop);
	buf_init(&a->extra, EXTRA_MAX);
	buf_put_bytes(&a->extra, der);
	if (!buf_ok(&a->extra)) {
		err_set(err, "the certificate is larger than %zu bytes", EXTRA_MAX);
		s = ST_TOO_BIG;
	} else if (a->plain != NULL) {
		s = use(a, a->plain, err);
	}
	if (s == ST_OK) {
		buf_release(&old);
		return ST_OK;
	}
	buf_release(&a->extra);
	a->extra = old;
	return s;
}

void acme_status(struct acme *a, struct acme_status *out)
{
	pthread_mutex_lock(&a->lock);
	*out = a->status;
	pthread_mutex_unlock(&a->lock);
}

/* ---- an order, on a helper thread ---- */

struct order_job {
	struct acme *a; /* its texts and challenges only */
	struct acme_transport *transport;
	enum status s;
	struct err err;
	int64_t retry_after_s;
	struct net_tls_cert *cert;
	enum status saved; /* s ST_OK: whether it is in the cache too */
	struct err save_err;
};

/* The account's key; one is made where there is none. Also proves that the cache can be written before anything is
 * asked for: a certificate that cannot be kept is asked for again at each start, until the authority has enough. */
static enum status account_key(const struct acme *a, struct acme_key **out, struct err *err)
{
	enum status s = acme_cache_check(a->cache_dir, err);

	if (s == ST_OK)
		s = acme_cache_load_account(a->cache_dir, out, err);
	if (s != ST_NOT_FOUND)
		return s;
	*out = acme_key_new();
	s = acme_cache_save_account(a->cache_dir, *out, err);
	if (s != ST_OK)
		acme_key_free(out);
	return s;
}

static void order_work(void *arg)
{
	struct order_job *j = arg;
	const struct acme *a = j->a;
	struct acme_key *account = NULL;
	struct acme_ordered got = { 0 };

	j->retry_after_s = -1;
	j->s = account_key(a, &account, &j->err);
	if (j->s == ST_OK)
		j->s = acme_order_run(&(struct acme_order_opts){ .transport = j->transport,
								 .challenges = a->challenges,
								 .account = account,
								 .directory_url = a->directory_url,
								 .email = a->email,
								 .names = (const char *const *)a->names,
								 .n_names = a->n_names,
								 .challenge = a->challenge },
				      &got, &j->retry_after_s, &j->err);
	if (j->s == ST_OK) {
		j->cert = got.cert;
		j->saved = acme_cache_save_cert(a->cache_dir, a->names[0], buf_bytes(&got.pem), &j->save_err);
		secret_wipe(got.pem.p, got.pem.cap);
		buf_release(&got.pem);
	}
	acme_key_free(&account);
}

/* ---- when ---- */

static void look_again(struct acme *a)
{
	int64_t s = a->status.next_unix - now_unix(a);
	uint64_t ms = s <= 0 ? 0 : s > LOOK_MS / 1000 ? LOOK_MS : (uint64_t)s * 1000;

	loop_timer_start(&a->timer, ms);
}

static void plan(struct acme *a, int64_t at_unix)
{
	pthread_mutex_lock(&a->lock);
	a->status.next_unix = at_unix;
	pthread_mutex_unlock(&a->lock);
	look_again(a);
}

static void text_of_time(int64_t unix_s, char out[static RFC3339_MAX])
{
	out[rfc3339_format(unix_s * NS_PER_S, out)] = '\0';
}

static void log_obtained(const struct acme *a, const struct order_job *j, int64_t next)
{
	char until[RFC3339_MAX + 1], renewal[RFC3339_MAX + 1];

	text_of_time(net_tls_cert_not_after(j->cert), until);
	text_of_time(next, renewal);
	log_info("certificate obtained", LOG_STR("name", a->names[0]), LOG_STR("valid_until", until),
		 LOG_STR("renewal", renewal), LOG_END);
	if (j->saved != ST_OK)
		log_error("certificate is in use but could not be kept; it will be asked for again after a restart",
			  LOG_STR("error", j->save_err.text), LOG_END);
}

static void succeeded(struct acme *a, struct order_job *j)
{
	int64_t next = acme_renew_at(net_tls_cert_not_before(j->cert), net_tls_cert_not_after(j->cert), random_u64());

	if (next < now_unix(a) + 10)
		next = now_unix(a) + 10; /* a life of seconds, or a clock that is wrong: never in a circle */
	log_obtained(a, j, next);
	pthread_mutex_lock(&a->lock);
	a->status.failures = 0;
	a->status.error[0] = '\0';
	pthread_mutex_unlock(&a->lock);
	adopt(a, j->cert);
	j->cert = NULL;
	plan(a, next);
	if (a->renewed != NULL)
		a->renewed(a->renewed_arg, a->plain);
}

static void did_not(struct acme *a, const struct order_job *j)
{
	unsigned failures = a->status.failures + 1;
	int64_t pause = acme_pause_s(failures, j->retry_after_s, random_u64());

	pthread_mutex_lock(&a->lock);
	a->status.failures = failures;
	snprintf(a->status.error, sizeof a->status.error, "%s", j->err.text);
	pthread_mutex_unlock(&a->lock);
	log_error(a->status.have ? "certificate not renewed, the old one stays in use" : "certificate not obtained, TLS is not served yet",
		  LOG_STR("name", a->names[0]), LOG_STR("error", j->err.text[0] ? j->err.text : status_name(j->s)),
		  LOG_U64("failures", failures), LOG_I64("next_try_s", pause), LOG_END);
	plan(a, now_unix(a) + pause);
}

static void release(struct acme *a);

static void order_done(void *arg)
{
	struct order_job *j = arg;
	struct acme *a = j->a;

	acme_transport_free(&j->transport);
	pthread_mutex_lock(&a->lock);
	a->status.busy = false;
	pthread_mutex_unlock(&a->lock);
	a->job = NULL;
	if (a->closing)
		release(a);
	else if (j->s == ST_OK)
		succeeded(a, j);
	else
		did_not(a, j);
	net_tls_cert_unref(&j->cert);
	free(j);
}

static void begin_order(struct acme *a)
{
	struct order_job *j = xcalloc(1, sizeof *j);

	log_info(a->status.have ? "certificate is renewed" : "certificate is asked for", LOG_STR("name", a->names[0]),
		 LOG_STR("authority", a->directory_url), LOG_STR("challenge", a->challenge == ACME_HTTP_01 ? "HTTP-01" : "TLS-ALPN-01"),
		 LOG_END);
	j->a = a;
	j->transport = acme_transport_new(&(struct acme_transport_opts){
		.ca_file = a->ca_file, .https_only = strncmp(a->directory_url, "https:", 6) == 0 });
	a->job = j;
	pthread_mutex_lock(&a->lock);
	a->status.busy = true;
	pthread_mutex_unlock(&a->lock);
	loop_work(a->loop, order_work, order_done, j);
}

static void on_timer(void *arg)
{
	struct acme *a = arg;

	if (a->status.next_unix > now_unix(a))
		look_again(a);
	else
		begin_order(a);
}

void acme_start(struct acme *a)
{
	loop_assert(a->loop);
	assert(a->status.next_unix == 0);
	if (a->plain == NULL) {
		plan(a, now_unix(a));
		return;
	}
	plan(a, acme_renew_at(net_tls_cert_not_before(a->plain), net_tls_cert_not_after(a->plain), random_u64()));
	if (a->renewed != NULL)
		a->renewed(a->renewed_arg, a->plain);
}

/* ---- HTTP ---- */

static void answer_challenge(void *arg, struct http_req *r)
{
	struct acme *a = arg;
	char *text = acme_challenges_http(a->challenges, http_req_param(r, "token"));

	if (text != NULL)
		http_respond(r, 200, "application/octet-stream", bytes_of_str(text));
	else
		http_respond_text(r, 404, "no such challenge");
	free(text);
}

static void redirect(void *arg, struct http_req *r)
{
	struct acme *a = arg;
	struct buf to;

	buf_init(&to, (size_t)128 * 1024);
	buf_put_str(&to, a->redirect_to);
	buf_put_str(&to, r->raw_path[0] == '/' ? r->raw_path : "/");
	if (r->query[0] != '\0') {
		buf_put_char(&to, '?');
		buf_put_str(&to, r->query);
	}
	buf_put_char(&to, '\0');
	if (buf_ok(&to))
		http_respond_redirect(r, 302, (const char *)to.p);
	else
		http_respond_text(r, 414, "URI too long");
	buf_release(&to);
}

void acme_add_routes(struct acme *a, struct http_router *r, unsigned auth)
{
	http_router_add(r, &(struct http_route){ .methods = "GET",
						 .pattern = CHALLENGE_URL,
						 .fn = answer_challenge,
						 .arg = a,
						 .auth = auth });
	http_router_set_fallback(r, redirect, a);
}

/* ---- beginning and end ---- */

/* Letters, digits, hyphens in parts of 1..63 between dots; no address, no wildcard: such a name is also a file's. */
static bool name_ok(const char *name)
{
	size_t n = strlen(name), part = 0;
	struct net_addr addr;

	if (n == 0 || n > 253 || net_addr_parse(bytes_of_str(name), 0, &addr) == ST_OK)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool hyphen = name[i] == '-';

		if (name[i] == '.' && part > 0 && name[i - 1] != '-')
			part = 0;
		else if ((isalnum((unsigned char)name[i]) || (hyphen && part > 0)) && part < 63)
			part++;
		else
			return false;
	}
	return part > 0 && name[n - 1] != '-';
}

static enum status take_names(struct acme *a, const struct acme_opts *o, struct err *err)
{
	if (o->n_names == 0 || o->n_names > ACME_NAMES_MAX) {
		err_set(err, "a certificate has 1 to %d names", ACME_NAMES_MAX);
		return ST_BAD_INPUT;
	}
	for (size_t i = 0; i < o->n_names; i++) {
		if (!name_ok(o->names[i])) {
			err_set(err, "\"%s\" is no host name that a certificate can be asked for", o->names[i]);
			return ST_BAD_INPUT;
		}
		a->names[i] = xstrdup(o->names[i]);
		for (char *p = a->names[i]; *p != '\0'; p++)
			*p = (char)tolower((unsigned char)*p);
		a->n_names++;
	}
	return ST_OK;
}

static bool names_all(const struct acme *a, const struct net_tls_cert *c)
{
	for (size_t i = 0; i < a->n_names; i++)
		if (!net_tls_cert_names(c, a->names[i]))
			return false;
	return true;
}

static void load_cert(struct acme *a)
{
	struct net_tls_cert *c = NULL;
	struct err err = { 0 };
	enum status s = acme_cache_load_cert(a->cache_dir, a->names[0], &c, &err);

	if (s == ST_OK && names_all(a, c)) {
		adopt(a, c);
		return;
	}
	if (s == ST_OK)
		err_set(&err, "it does not have all names");
	if (s != ST_NOT_FOUND)
		log_warn("certificate in the cache is not usable, a new one is asked for", LOG_STR("name", a->names[0]),
			 LOG_STR("error", err.text), LOG_END);
	net_tls_cert_unref(&c);
}

static char *copy_or(const char *s, const char *other)
{
	return xstrdup(s != NULL && s[0] != '\0' ? s : other);
}

enum status acme_new(const struct acme_opts *o, struct acme **out, struct err *err)
{
	struct acme *a = xcalloc(1, sizeof *a);
	enum status s;

	a->loop = o->loop;
	a->directory_url = copy_or(o->directory_url, ACME_LETS_ENCRYPT);
	a->email = copy_or(o->email, "");
	a->cache_dir = copy_or(o->cache_dir, ".");
	a->ca_file = copy_or(o->ca_file, "");
	a->redirect_to = copy_or(o->redirect_to, "");
	a->challenge = o->challenge;
	a->renewed = o->renewed;
	a->renewed_arg = o->renewed_arg;
	a->now_ns = o->now_ns != NULL ? o->now_ns : clock_unix_ns;
	a->challenges = acme_challenges_new();
	loop_timer_init(&a->timer, a->loop, on_timer, a);
	pthread_mutex_init(&a->lock, NULL);
	buf_init(&a->extra, EXTRA_MAX);
	s = take_names(a, o, err);
	if (s == ST_OK && !acme_url_ok(a->directory_url)) {
		err_set(err, "\"%s\" is no URL of a directory", a->directory_url);
		s = ST_BAD_INPUT;
	}
	if (s != ST_OK) {
		release(a);
		return s;
	}
	load_cert(a);
	*out = a;
	return ST_OK;
}

static void release(struct acme *a)
{
	net_tls_cert_unref(&a->plain);
	net_tls_cert_unref(&a->cert);
	acme_challenges_free(&a->challenges);
	buf_release(&a->extra);
	pthread_mutex_destroy(&a->lock);
	for (size_t i = 0; i < a->n_names; i++)
		free(a->names[i]);
	free(a->directory_url);
	free(a->email);
	free(a->cache_dir);
	free(a->ca_file);
	free(a->redirect_to);
	free(a);
}

void acme_free(struct acme **ap)
{
	struct acme *a = *ap;

	*ap = NULL;
	if (a == NULL)
		return;
	loop_assert(a->loop);
	loop_timer_cancel(&a->timer);
	if (a->job == NULL) {
		release(a);
		return;
	}
	a->closing = true;
	acme_transport_stop(a->job->transport);
}
