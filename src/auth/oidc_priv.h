/*
 * auth/oidc_priv.h -- what oidc.c (options, provider, keys), job.c (requests between loops), flow.c (the way of a login)
 * and confirm.c (its end) share.
 *
 * All of struct oidc belongs to the home loop, but for what is constant after oidc_new() and the atomic members.
 */
#ifndef AUTH_OIDC_PRIV_H
#define AUTH_OIDC_PRIV_H

#include <stdatomic.h>

#include "auth/fetch.h"
#include "auth/identity.h"
#include "auth/oidc.h"
#include "auth/provider.h"
#include "auth/token.h"
#include "auth/waiting.h"
#include "net/loop.h"
#include "state/state.h"

#define OIDC_SECRET_LEN WAITING_KEY_LEN /* hex digits of state, nonce and CSRF token */
#define OIDC_JOBS_MAX 512               /* requests between loops at once */
#define OIDC_JOBS_PER_SOURCE 64
#define OIDC_TABS_MAX 16                /* of one link: logins on their way, and pages with the button */
#define OIDC_VERIFIER_LEN 43            /* base64url of 32 bytes */

/* A browser was sent to the provider. */
struct login {
	char auth_id[AUTH_ID_LEN + 1];
	enum pending_kind kind;
	char nonce[OIDC_SECRET_LEN + 1];
	char verifier[OIDC_VERIFIER_LEN + 1]; /* PKCE */
};

/* Somebody who may log in sees the confirmation page. */
struct confirm {
	char auth_id[AUTH_ID_LEN + 1];
	struct identity *who;
	int64_t expiry_ns;    /* of the node; TIME_NONE: by the rules */
	int64_t made_ns;      /* wall clock */
	bool registered;      /* the button was pressed, and it was done */
	bool again;           /* the node was there before */
};

struct oidc {
	/* Constant. */
	struct arena *a;
	struct oidc_opts opts;      /* texts are the arena's */
	const char *issuer, *discovery_url, *redirect_uri, *base_path, *scope;
	bool https;                 /* server_url is */
	struct identity_rules rules;
	/* Home loop. */
	unsigned refs;              /* its owner, and one for each job */
	bool closed;
	struct fetcher *fetcher;
	struct provider *provider;  /* NULL: never reached */
	struct jwks *keys;          /* NULL: never fetched */
	uint64_t keys_tried_ms;     /* when they were last asked for */
	uint64_t discovery_tried_ms; /* likewise, by a token */
	struct fetch *discovery_fetch, *keys_fetch;
	enum provider_client_auth client_auth; /* what was seen to work */
	struct waiting *logins, *confirms;
	struct job *jobs;           /* at home */
	struct job *waiting_for_keys;
	struct loop_timer refresh;
	uint64_t pause_ms;          /* before the next try */
	/* Any thread. */
	atomic_bool ready;
	atomic_uint n_jobs;
	atomic_uint_fast64_t events[OIDC_EVENT_COUNT];
	atomic_uint_fast64_t n_logins, n_confirms;
};

enum job_kind { JOB_BEGIN, JOB_CALLBACK, JOB_CONFIRM };
#define JOB_HEADERS_MAX 6

/*
 * One request on its way: made on its own loop, worked on at home, answered on its own loop. Only `req` is touched by the
 * request's loop meanwhile (it is cleared when the browser goes away), and by nobody else.
 */
struct job {
	struct oidc *o;
	struct loop *loop;
	struct http_req *req;
	enum job_kind kind;
	struct arena *a;
	uint8_t source[WAITING_SOURCE_LEN];
	bool secure;
	/* What was asked; the arena's. NULL: not given. */
	const char *id, *code, *state, *error, *error_words, *csrf;
	/* Home loop. */
	struct job *next, **link;          /* oidc.jobs */
	struct job *next_key_waiter;
	bool waits_for_keys;
	struct fetch *fetch;
	void (*then)(struct job *j);       /* when the state has answered */
	struct login *login;               /* owned */
	enum provider_client_auth auth_tried;
	bool auth_retried, keys_retried;
	const char *id_token, *access_token; /* the arena's, wiped */
	int64_t token_expires_ns;
	struct identity *who;              /* the arena's */
	char subject[256];
	/* What the state said: written by its thread before the job is posted home. */
	enum status st;
	struct err err;
	struct pending *pending;
	struct user *user;
	struct node *node;
	/* The answer. */
	int status;
	const char *location;
	struct http_header headers[JOB_HEADERS_MAX];
	size_t n_headers;
	struct buf page;
};

/* job.c */
void oidc_count(struct oidc *o, enum oidc_event e);
int64_t oidc_now_ns(const struct oidc *o);
void oidc_unref(struct oidc *o); /* home loop */
/** Answer at once on the request's loop with an error page. */
void oidc_refuse_now(struct oidc *o, struct http_req *r, enum oidc_event e, int status, const char *what, const char *advice);
/** Make a job of a request; NULL: too many, answered. */
struct job *job_new(struct oidc *o, struct http_req *r, enum job_kind kind);
/** Send it home, where its first step runs. */
void job_send(struct job *j);
/** Copy a secret into the job's arena, wiped with it. NULL gives NULL. */
const char *job_secret(struct job *j, const char *s);
/** The rest: home loop. Set a header of the answer; the value is the arena's. */
void job_header(struct job *j, const char *name, const char *value);
/** Send the answer back: what stands in j. The job is gone for the caller. */
void job_answer(struct job *j);
/** Count, log, and answer with an error page. words: for the log, may be NULL. */
void job_refuse(struct job *j, enum oidc_event e, int status, const char *words, const char *what, const char *advice);
void job_refuse_gone(struct job *j);
void job_refuse_unavailable(struct job *j, const char *words);
void job_done_page(struct job *j, const char *heading, const char *text);
/** Call the state: `call` must be an expression that submits with job_heard and j; then(j) comes at home. */
#define job_ask_state(j, next_step, call)                                                                              \
	do {                                                                                                           \
		(j)->then = (next_step);                                                                               \
		if ((call) != ST_OK)                                                                                   \
			job_refuse_busy(j);                                                                            \
	} while (0)
void job_refuse_busy(struct job *j);
void job_heard(void *job, enum status s, const struct err *err, const struct state_result *r);
void job_run(void *job); /* first step at home */

/* flow.c */
/** A parameter of the authorization request that we set. */
bool flow_own_parameter(const char *name);
void flow_begin(struct job *j);
void flow_callback(struct job *j);
void flow_keys_ready(struct job *j);

/* confirm.c */
void confirm_show(struct job *j);
void confirm_pressed(struct job *j);
void confirm_ssh(struct job *j);
void confirm_release(void *confirm);

/* oidc.c */
/** Fetch the keys anew; j goes on with flow_keys_ready() whatever comes. false: too early after the last time. */
bool oidc_want_keys(struct oidc *o, struct job *j);
/** Ask the provider what it says of itself soon, unless that was done a moment ago: it signs otherwise than it said. */
void oidc_want_discovery(struct oidc *o);

#endif
