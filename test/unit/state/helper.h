/* A state on a fake disk or an SQLite file, driven synchronously: every call waits for its `done`. */
#ifndef TEST_STATE_HELPER_H
#define TEST_STATE_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>

#include "base/random.h"
#include "base/vec.h"
#include "state/snapshot_priv.h"
#include "state/state.h"
#include "store/store.h"

/* Time that stands still until it is turned. */
struct test_clock {
	_Atomic int64_t unix_ns, mono_ns;
};

struct world {
	struct fake_disk *disk;
	struct test_clock clock;
	struct state *st;
	struct state_opts opts;
	struct tailnet_settings *settings;
	struct dns_settings *dns;
	/* What was published, in order; under lock. */
	pthread_mutex_t lock;
	VEC(struct publication *) pubs;
	const char *wrong; /* of a snapshot that broke a rule */
};

/* What a command gave, copied out of its callback. */
struct answer {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool came;
	enum status submitted, status;
	struct err words, err; /* of the call itself; of what came */
	struct node *node;
	struct user *user;
	struct preauth_key *preauth;
	struct api_key *api_key;
	struct pending *pending;
	char secret[KEY_SECRET_TEXT_MAX];
	char auth_id[AUTH_ID_LEN + 1];
	enum register_outcome outcome;
	enum ssh_outcome ssh;
	size_t n;
	uint64_t seq;
	char *text;
};

static inline int64_t clock_read_unix(void *arg)
{
	return ((struct test_clock *)arg)->unix_ns;
}
static inline int64_t clock_read_mono(void *arg)
{
	return ((struct test_clock *)arg)->mono_ns;
}

static inline void on_publish(void *arg, struct publication *p)
{
	struct world *w = arg;

	pthread_mutex_lock(&w->lock);
	vec_push(&w->pubs, publication_ref(p));
	pthread_mutex_unlock(&w->lock);
}

static inline void world_init(struct world *w)
{
	memset(w, 0, sizeof *w);
	pthread_mutex_init(&w->lock, NULL);
	w->disk = fake_disk_new();
	w->clock.unix_ns = 1800000000 * NS_PER_S;
	w->clock.mono_ns = 1000 * NS_PER_S;
	w->settings = tailnet_settings_new();
	assert_int_equal(ip_prefix_parse(BYTES_LIT("100.64.0.0/10"), &w->settings->prefix4), ST_OK);
	assert_int_equal(ip_prefix_parse(BYTES_LIT("fd7a:115c:a1e0::/48"), &w->settings->prefix6), ST_OK);
	w->dns = dns_settings_new();
	settings_set_text(&w->dns->base_domain, "example.test");
	w->opts = (struct state_opts){ .settings = w->settings,
				       .dns = w->dns,
				       .publish = on_publish,
				       .publish_arg = w,
				       .clock = { clock_read_unix, clock_read_mono, &w->clock } };
}

static inline void world_open(struct world *w)
{
	struct err err = { "" };

	assert_int_equal(store_open_fake(w->disk, &w->opts.store, &err), ST_OK);
	if (state_open(&w->opts, &w->st, &err) != ST_OK)
		fail_msg("%s", err.text);
}

static inline void drop_pubs(struct world *w)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->pubs.n; i++)
		publication_unref(&w->pubs.v[i]);
	w->pubs.n = 0;
	pthread_mutex_unlock(&w->lock);
}

static inline void world_close(struct world *w)
{
	state_close(&w->st);
	drop_pubs(w);
}

static inline void world_release(struct world *w)
{
	world_close(w);
	vec_release(&w->pubs);
	fake_disk_free(&w->disk);
	tailnet_settings_unref(&w->settings);
	dns_settings_unref(&w->dns);
	pthread_mutex_destroy(&w->lock);
}

static inline void answer_init(struct answer *a)
{
	memset(a, 0, sizeof *a);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->cond, NULL);
}

static inline void answer_release(struct answer *a)
{
	node_unref(&a->node);
	user_unref(&a->user);
	preauth_key_unref(&a->preauth);
	api_key_unref(&a->api_key);
	pending_unref(&a->pending);
	free(a->text);
	a->text = NULL;
}

static inline void on_answer(void *arg, enum status s, const struct err *err, const struct state_result *r)
{
	struct answer *a = arg;

	pthread_mutex_lock(&a->lock);
	a->status = s;
	a->err = *err;
	a->node = node_ref(r->node);
	a->user = user_ref(r->user);
	a->preauth = preauth_key_ref(r->preauth);
	a->api_key = api_key_ref(r->api_keys != NULL && r->n > 0 ? r->api_keys[0] : r->api_key);
	a->pending = pending_ref(r->pending);
	if (r->secret != NULL)
		snprintf(a->secret, sizeof a->secret, "%s", r->secret);
	if (r->auth_id != NULL)
		snprintf(a->auth_id, sizeof a->auth_id, "%s", r->auth_id);
	a->outcome = r->outcome;
	a->ssh = r->ssh;
	a->n = r->n;
	a->seq = r->seq;
	if (r->text.n > 0)
		a->text = bytes_strdup(r->text);
	a->came = true;
	pthread_cond_signal(&a->cond);
	pthread_mutex_unlock(&a->lock);
}

static inline enum status await(struct answer *a)
{
	pthread_mutex_lock(&a->lock);
	while (!a->came)
		pthread_cond_wait(&a->cond, &a->lock);
	pthread_mutex_unlock(&a->lock);
	return a->status;
}

/* Run a command and wait: CALL(&a, state_user_create, w->st, &req). The status is what came, at once or later. */
#define CALL(a, fn, ...)                                                                           \
	(answer_release(a), answer_init(a),                                                        \
	 ((a)->submitted = fn(__VA_ARGS__, on_answer, (a), &(a)->words)) == ST_OK ?               \
		 await(a) :                                                                        \
		 ((a)->err = (a)->words, (a)->submitted))

static inline user_id make_user(struct world *w, const char *name)
{
	struct answer a = { .came = false };
	user_id id;

	assert_int_equal(CALL(&a, state_user_create, w->st, &(struct state_user_new){ .name = name }), ST_OK);
	id = a.user->id;
	answer_release(&a);
	return id;
}

static inline void make_preauth(struct world *w, struct state_preauth_new r, char text[static KEY_SECRET_TEXT_MAX])
{
	struct answer a = { .came = false };

	if (r.expires_ns == 0)
		r.expires_ns = TIME_NONE;
	assert_int_equal(CALL(&a, state_preauth_create, w->st, &r), ST_OK);
	memcpy(text, a.secret, KEY_SECRET_TEXT_MAX);
	answer_release(&a);
}

static inline struct machine_key machine_of(unsigned i)
{
	struct machine_key k = { { 1, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i } };

	return k;
}
static inline struct node_key node_key_of(unsigned i)
{
	struct node_key k = { { 2, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i } };

	return k;
}

static inline struct state_register register_req(unsigned machine, unsigned key, const char *auth_key,
						 const char *hostinfo)
{
	return (struct state_register){ .machine = machine_of(machine),
					.node_key = node_key_of(key),
					.auth_key = bytes_of_str(auth_key),
					.hostinfo = bytes_of_str(hostinfo),
					.expiry_ns = TIME_NONE,
					.cap = 130 };
}

/* Turn both clocks on and let the writer look. */
static inline void turn_clock(struct world *w, int64_t ns)
{
	w->clock.unix_ns += ns;
	w->clock.mono_ns += ns;
	state_time_changed(w->st);
}

/* Wait until the world shows it; events, not time: the loop ends with the test's own time limit. */
#define WAIT_FOR(w, snap, cond)                                                                    \
	do {                                                                                       \
		struct snapshot *snap;                                                             \
		bool ok_;                                                                          \
                                                                                                   \
		do {                                                                               \
			snap = state_snapshot((w)->st);                                            \
			ok_ = (cond);                                                              \
			snapshot_unref(&snap);                                                     \
		} while (!ok_);                                                                    \
	} while (0)

#endif
