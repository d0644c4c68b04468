/*
 * state/writer.c -- the one thread that changes the world; see state/state.h and state/state_priv.h.
 *
 *     turn: answers of the store -> what came in -> timers -> publish -> tell -> next batch to the store
 *
 * At most one batch is in flight. While it is, durable commands gather, and what gathers is the next batch: the
 * slower the disk, the larger the batches. A batch that hits a row the store will not take is cut into single commands,
 * run again, so that one bad command fails alone.
 */
#include <assert.h>
#include <crypt.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "policy/engine.h"
#include "policy/policy.h"
#include "state/state_priv.h"

#define BATCH_MAX 1024           /* commands of one transaction */
#define FLUSH_MAX 512            /* presence rows that go with one */
#define WALL_LOOK_NS (5 * NS_PER_S) /* the wall clock may jump: look at least so often */
#define RETRY_NS NS_PER_S
#define HELPER_MAX 64            /* slow hashes waiting */

int64_t state_unix_ns(const struct state *st)
{
	return st->o.clock.unix_ns ? st->o.clock.unix_ns(st->o.clock.arg) : clock_unix_ns();
}

int64_t state_mono_ns(const struct state *st)
{
	return st->o.clock.mono_ns ? st->o.clock.mono_ns(st->o.clock.arg) : clock_mono_ns();
}

/* ---- timers ------------------------------------------------------------------------------ */

void timers_add(struct timers *t, int64_t at_ns, enum timer_kind kind, uint64_t id)
{
	size_t i;

	vec_push(&t->heap, ((struct timer){ at_ns, kind, id }));
	for (i = t->heap.n - 1; i > 0 && t->heap.v[(i - 1) / 2].at_ns > at_ns; i = (i - 1) / 2) {
		t->heap.v[i] = t->heap.v[(i - 1) / 2];
		t->heap.v[(i - 1) / 2] = (struct timer){ at_ns, kind, id };
	}
}

int64_t timers_next(const struct timers *t)
{
	return t->heap.n > 0 ? t->heap.v[0].at_ns : INT64_MAX;
}

bool timers_pop(struct timers *t, int64_t now_ns, struct timer *out)
{
	struct timer last;
	size_t i = 0;

	if (t->heap.n == 0 || t->heap.v[0].at_ns > now_ns)
		return false;
	*out = t->heap.v[0];
	last = t->heap.v[--t->heap.n];
	for (;;) {
		size_t c = 2 * i + 1;

		if (c + 1 < t->heap.n && t->heap.v[c + 1].at_ns < t->heap.v[c].at_ns)
			c++;
		if (c >= t->heap.n || t->heap.v[c].at_ns >= last.at_ns)
			break;
		t->heap.v[i] = t->heap.v[c];
		i = c;
	}
	if (t->heap.n > 0)
		t->heap.v[i] = last;
	return true;
}

/* ---- entries ----------------------------------------------------------------------------- */

struct entry *state_entry(struct state *st, node_id id)
{
	uint64_t v;

	for (size_t pos = 0; trie_next(st->entries, trie_hash_id(id), &pos, &v);)
		if (((struct entry *)(uintptr_t)v)->id == id)
			return (struct entry *)(uintptr_t)v;
	return NULL;
}

struct entry *state_entry_make(struct state *st, node_id id)
{
	struct entry *e = state_entry(st, id);

	if (e != NULL)
		return e;
	e = xcalloc(1, sizeof *e);
	e->id = id;
	trie_put(&st->entries, trie_hash_id(id), (uint64_t)(uintptr_t)e, &trie_numbers);
	return e;
}

void state_entry_drop(struct state *st, node_id id)
{
	struct entry *e = state_entry(st, id);

	if (e == NULL)
		return;
	trie_del(&st->entries, trie_hash_id(id), (uint64_t)(uintptr_t)e);
	free(e);
}

static void arm_flush(struct state *st, int64_t at_ns)
{
	if (st->flush_at_ns != 0 && st->flush_at_ns <= at_ns)
		return;
	st->flush_at_ns = at_ns;
	timers_add(&st->mono, at_ns, TIMER_FLUSH, 0);
}

void state_presence_dirty(struct state *st, node_id id)
{
	struct entry *e = state_entry_make(st, id);

	if (e->dirty)
		return;
	e->dirty = true;
	e->dirty_at_ns = state_mono_ns(st);
	arm_flush(st, e->dirty_at_ns + st->o.presence_write_ns);
	vec_push(&st->dirty, id);
}

/* The presence that is due goes with the batch; all of it when the state closes. */
static void add_presence(struct state *st, struct draft *d, bool all)
{
	int64_t now = state_mono_ns(st);
	size_t n = 0;

	while (st->dirty_head < st->dirty.n && (all || n < FLUSH_MAX)) {
		node_id id = st->dirty.v[st->dirty_head];
		struct entry *e = state_entry(st, id);
		const struct node *node = snapshot_node(st->cur, id);
		struct op op = { .kind = OP_PUT_PRESENCE };

		if (e != NULL && !all && e->dirty_at_ns + st->o.presence_write_ns > now)
			break;
		st->dirty_head++;
		if (e == NULL || node == NULL || !e->dirty)
			continue;
		e->dirty = false;
		if (draft_node(d, id) == NULL)
			continue; /* this very batch removes it */
		op.u.node = node_ref((struct node *)(uintptr_t)node);
		vec_push(&d->ops, op);
		n++;
	}
	if (st->dirty_head > 1024 && st->dirty_head * 2 > st->dirty.n) {
		memmove(st->dirty.v, st->dirty.v + st->dirty_head, (st->dirty.n - st->dirty_head) * sizeof(node_id));
		st->dirty.n -= st->dirty_head;
		st->dirty_head = 0;
	}
	if (st->dirty_head < st->dirty.n) {
		struct entry *e = state_entry(st, st->dirty.v[st->dirty_head]);

		arm_flush(st, e ? e->dirty_at_ns + st->o.presence_write_ns : now);
	}
}

static bool presence_due(struct state *st)
{
	const struct entry *e;

	if (st->dirty_head == st->dirty.n)
		return false;
	e = state_entry(st, st->dirty.v[st->dirty_head]);
	return e == NULL || e->dirty_at_ns + st->o.presence_write_ns <= state_mono_ns(st);
}

/* ---- secrets ------------------------------------------------------------------------------ */

void secret_hash_sha256(struct bytes secret, struct secret_hash *out)
{
	out->form = SECRET_SHA256;
	out->n = SHA256_LEN;
	sha256(secret, out->b);
}

bool secret_matches(const struct secret_hash *h, struct bytes secret, bool *needs_helper)
{
	uint8_t got[SHA256_LEN];

	*needs_helper = h->form != SECRET_SHA256;
	if (*needs_helper)
		return false;
	sha256(secret, got);
	return secret_equal(bytes_of(got, sizeof got), bytes_of(h->b, h->n));
}

static bool slow_match(const struct secret_hash *h, const char *secret)
{
	char text[SECRET_HASH_MAX + 1];
	struct crypt_data *data;
	const char *got;
	bool ok;

	mem_copy(text, h->b, h->n);
	text[h->n] = '\0';
	if (h->form == SECRET_ARGON2ID)
		return crypto_pwhash_argon2id_str_verify(text, secret, strlen(secret)) == 0;
	data = xcalloc(1, sizeof *data);
	got = crypt_rn(secret, text, data, sizeof *data);
	ok = got != NULL && secret_equal(bytes_of_str(got), bytes_of_str(text));
	secret_wipe(data, sizeof *data);
	free(data);
	return ok;
}

/* Its own thread: a bcrypt hash costs some 60 ms. A command goes round through it at most once. */
static void *helper_main(void *arg)
{
	struct state *st = arg;

	for (;;) {
		struct command *c;

		pthread_mutex_lock(&st->lock);
		while (st->helper_first == NULL && !st->closing)
			pthread_cond_wait(&st->helper_wake, &st->lock);
		c = st->helper_first;
		if (c != NULL) {
			st->helper_first = c->next;
			st->helper_n--;
		}
		pthread_mutex_unlock(&st->lock);
		if (c == NULL)
			return NULL;
		if (!slow_match(&c->bcrypt_hash, c->bcrypt_secret))
			c->bcrypt_key = UINT64_MAX; /* looked at, and wrong */
		c->needs_bcrypt = false;
		pthread_mutex_lock(&st->lock);
		queue_push(&st->inbox, c); /* also when closing: the writer answers it */
		pthread_cond_signal(&st->wake);
		pthread_mutex_unlock(&st->lock);
	}
}

static bool to_helper(struct state *st, struct command *c)
{
	bool taken = false;

	pthread_mutex_lock(&st->lock);
	if (st->helper_runs && !st->closing && st->helper_n < HELPER_MAX) {
		struct command **at = &st->helper_first;

		while (*at != NULL)
			at = &(*at)->next;
		c->next = NULL;
		*at = c;
		st->helper_n++;
		taken = true;
		pthread_cond_signal(&st->helper_wake);
	}
	pthread_mutex_unlock(&st->lock);
	return taken;
}

/* ---- answers ------------------------------------------------------------------------------ */

void state_job_done(struct state *st, struct job *j)
{
	pthread_mutex_lock(&st->lock);
	j->next = st->answers;
	st->answers = j;
	pthread_cond_signal(&st->wake);
	pthread_mutex_unlock(&st->lock);
}

/* What the command gives back is what everybody sees now. */
static void settle(struct state *st, struct command *c)
{
	const struct node *n = c->node ? snapshot_node(st->cur, c->node) : NULL;
	const struct user *u = c->user ? snapshot_user(st->cur, c->user) : NULL;

	if (n != NULL)
		command_set_node(c, n);
	if (u != NULL)
		command_set_user(c, u);
	c->r.seq = st->cur->seq;
}

static void hear(struct state *st, struct command *c)
{
	if (c->status == ST_OK)
		settle(st, c);
	if (c->type->finish != NULL)
		c->type->finish(st, c);
	atomic_fetch_sub(&st->n_queued, 1);
	atomic_fetch_add(&st->n_commands, 1);
	if (c->done != NULL)
		c->done(c->arg, c->status, &c->err, &c->r);
	command_free(&c);
}

static void hear_all(struct state *st, struct queue *q)
{
	struct command *c;

	while ((c = queue_pop(q)) != NULL)
		hear(st, c);
}

static void fail(struct command *c, enum status s, const char *words)
{
	command_reset_result(c);
	c->status = s;
	err_set(&c->err, "%s", words);
}

/* ---- batches ------------------------------------------------------------------------------ */

static void add_counters(struct draft *d)
{
	const struct tables *old = &d->st->tables, *now = &d->t;
	const struct {
		const char *name;
		uint64_t was, is;
	} all[] = { { "node", old->last_node, now->last_node },
		    { "user", old->last_user, now->last_user },
		    { "key", old->last_key, now->last_key },
		    { "audit", old->last_audit, now->last_audit } };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct op op = { .kind = OP_COUNTER };

		if (all[i].was == all[i].is)
			continue;
		op.u.counter.name = all[i].name;
		op.u.counter.value = all[i].is;
		vec_push(&d->ops, op);
	}
}

/* Run one command on the draft. False: it left for the helper. */
static bool run_one(struct state *st, struct draft *d, struct command *c)
{
	struct savepoint *sp = draft_save(d);

	command_reset_result(c);
	d->by = c->by;
	c->status = c->type->run(d, c, &c->err);
	if (c->status == ST_OK) {
		draft_forget(&sp);
		return true;
	}
	draft_restore(d, &sp);
	if (c->needs_bcrypt) {
		if (to_helper(st, c))
			return false;
		c->needs_bcrypt = false;
		fail(c, ST_BUSY, "too many old keys are being checked; try again later");
	}
	return true;
}

static void run_commands(struct state *st, struct draft *d)
{
	size_t max = st->solo > 0 ? 1 : BATCH_MAX;

	while (st->durable.first != NULL && st->batch.n < max) {
		struct command *c = queue_pop(&st->durable);
		bool alone = c->type->alone;

		if (run_one(st, d, c))
			queue_push(&st->batch, c);
		if (alone)
			break;
	}
	if (st->solo > 0)
		st->solo--;
}

/* Build the next batch and hand it to the store, if there is anything to store. */
static void start_batch(struct state *st, bool flush_all)
{
	while (!st->in_flight && (st->durable.first != NULL || presence_due(st) || flush_all)) {
		struct job *j;

		draft_init(&st->draft, st);
		run_commands(st, &st->draft);
		add_counters(&st->draft);
		add_presence(st, &st->draft, flush_all);
		state_last_use_rows(st, &st->draft);
		flush_all = false;
		if (st->draft.ops.n == 0) {
			/* Nothing to wait for, and nothing to show. */
			draft_release(&st->draft);
			hear_all(st, &st->batch);
			continue;
		}
		j = xcalloc(1, sizeof *j);
		j->kind = JOB_COMMIT;
		j->ops = st->draft.ops.v;
		j->n_ops = st->draft.ops.n;
		st->in_flight = true;
		st->jobs_out++;
		disk_post(st, j);
	}
}

/* What the batch would have stored of presence is still to be stored. */
static void presence_again(struct state *st)
{
	for (size_t i = 0; i < st->draft.ops.n; i++)
		if (st->draft.ops.v[i].kind == OP_PUT_PRESENCE &&
		    snapshot_node(st->cur, st->draft.ops.v[i].u.node->id) != NULL)
			state_presence_dirty(st, st->draft.ops.v[i].u.node->id);
}

static void requeue_one_by_one(struct state *st)
{
	struct queue rest = st->durable;
	struct command *c;

	if (rest.first == NULL)
		queue_init(&rest);
	st->solo = st->batch.n;
	queue_init(&st->durable);
	while ((c = queue_pop(&st->batch)) != NULL)
		queue_push(&st->durable, c);
	while ((c = queue_pop(&rest)) != NULL)
		queue_push(&st->durable, c);
}

static void load_again(struct state *st)
{
	struct job *j = xcalloc(1, sizeof *j);

	st->reloading = true;
	j->kind = JOB_LOAD;
	st->jobs_out++;
	disk_post(st, j);
}

/* The store answered a batch. Commands that are settled go to `heard`, touched pendings to `told`. */
static void take_commit(struct state *st, struct turn *t, struct job *j, struct queue *heard, struct draft *done)
{
	struct command *c;

	st->in_flight = false;
	atomic_store(&st->last_commit_ns, j->took_ns);
	atomic_store(&st->store_ok, j->status == ST_OK);
	if (j->status == ST_OK) {
		atomic_fetch_add(&st->n_commits, 1);
		turn_apply(t, &st->draft);
		atomic_store(&st->n_pending, st->tables.n_pending);
		while ((c = queue_pop(&st->batch)) != NULL)
			queue_push(heard, c);
		*done = st->draft; /* released when its waiters have been told */
		memset(&st->draft, 0, sizeof st->draft);
		return;
	}
	atomic_fetch_add(&st->n_commit_failures, 1);
	log_error("a commit failed", LOG_STR("status", status_name(j->status)), LOG_STR("error", j->err.text), LOG_END);
	presence_again(st);
	if (j->status == ST_CONFLICT && st->batch.n > 1) {
		requeue_one_by_one(st);
	} else {
		while ((c = queue_pop(&st->batch)) != NULL) {
			if (c->status == ST_OK || j->status == ST_UNCERTAIN)
				fail(c, j->status == ST_CONFLICT ? ST_IO : j->status,
				     j->status == ST_UNCERTAIN ? "it is not known whether this was stored; ask again" :
								 "this could not be stored");
			queue_push(heard, c);
		}
	}
	draft_release(&st->draft);
	if (j->status == ST_UNCERTAIN)
		st->need_reload = true;
}

static void take_load(struct state *st, struct turn *t, struct job *j, struct queue *heard)
{
	struct command *c;

	st->reloading = false;
	if (j->status == ST_OK) {
		st->need_reload = false;
		atomic_fetch_add(&st->n_reloads, 1);
		atomic_store(&st->store_ok, true);
		state_take_loaded(st, t, j->loaded);
		loaded_free(&j->loaded);
		return;
	}
	log_error("what was stored could not be read again", LOG_STR("error", j->err.text), LOG_END);
	st->retry_at_ns = state_mono_ns(st) + RETRY_NS;
	timers_add(&st->mono, st->retry_at_ns, TIMER_FLUSH, 0);
	while ((c = queue_pop(&st->durable)) != NULL) {
		fail(c, ST_IO, "the database cannot be reached");
		queue_push(heard, c);
	}
}

/* ---- the turn ------------------------------------------------------------------------------ */

static void take_command(struct state *st, struct turn *t, struct command *c, struct queue *heard, bool closing)
{
	struct job *j;

	if (closing && c->type->class != CLASS_NOW) {
		fail(c, ST_CLOSED, "the server is closing");
		queue_push(heard, c);
		return;
	}
	switch (c->type->class) {
	case CLASS_DURABLE: queue_push(&st->durable, c); break;
	case CLASS_DISK:
		j = xcalloc(1, sizeof *j);
		j->kind = JOB_READ;
		j->command = c;
		st->jobs_out++;
		disk_post(st, j);
		break;
	case CLASS_NOW:
		command_reset_result(c);
		c->status = c->type->now(st, t, c, &c->err);
		if (c->status == ST_AGAIN && c->needs_bcrypt) {
			if (to_helper(st, c))
				return;
			c->needs_bcrypt = false;
			fail(c, ST_BUSY, "too many old keys are being checked; try again later");
		} else if (c->status == ST_AGAIN) {
			/* It became a durable one. */
			take_command(st, t, c, heard, closing);
			return;
		}
		queue_push(heard, c);
		break;
	}
}

/* How long the thread may sleep; negative: for ever. */
static int64_t sleep_ns(struct state *st)
{
	int64_t mono = timers_next(&st->mono), wall = timers_next(&st->wall), ns = INT64_MAX;

	if (mono != INT64_MAX)
		ns = mono - state_mono_ns(st);
	if (wall != INT64_MAX) {
		int64_t w = wall - state_unix_ns(st);

		if (w > WALL_LOOK_NS)
			w = WALL_LOOK_NS;
		if (w < ns)
			ns = w;
	}
	return ns == INT64_MAX ? -1 : ns < 0 ? 0 : ns;
}

static void wait_for_work(struct state *st, struct queue *in, struct job **answers, bool *closing)
{
	struct timespec until;
	int64_t ns = sleep_ns(st);

	clock_gettime(CLOCK_MONOTONIC, &until);
	if (ns >= 0) {
		int64_t at = until.tv_sec * NS_PER_S + until.tv_nsec + ns;

		until.tv_sec = at / NS_PER_S;
		until.tv_nsec = at % NS_PER_S;
	}
	pthread_mutex_lock(&st->lock);
	while (st->inbox.first == NULL && st->answers == NULL && !st->poked) {
		if (ns < 0)
			pthread_cond_wait(&st->wake, &st->lock);
		else if (pthread_cond_timedwait(&st->wake, &st->lock, &until) == ETIMEDOUT)
			break;
	}
	st->poked = false;
	*in = st->inbox;
	if (in->first == NULL)
		queue_init(in);
	queue_init(&st->inbox);
	*answers = st->answers;
	st->answers = NULL;
	*closing = st->stopping;
	pthread_mutex_unlock(&st->lock);
}

static void take_answers(struct state *st, struct turn *t, struct job *j, struct queue *heard, struct draft *done)
{
	struct job *next;

	for (; j != NULL; j = next) {
		next = j->next;
		st->jobs_out--;
		if (j->kind == JOB_COMMIT) {
			take_commit(st, t, j, heard, done);
		} else if (j->kind == JOB_READ) {
			queue_push(heard, j->command);
		} else {
			take_load(st, t, j, heard);
		}
		free(j);
	}
}

static void one_turn(struct state *st, bool *closing)
{
	struct turn t = { .st = st };
	struct queue in, heard;
	struct draft done = { .st = NULL };
	struct job *answers;
	struct timer tm;
	struct command *c;

	queue_init(&heard);
	wait_for_work(st, &in, &answers, closing);
	take_answers(st, &t, answers, &heard, &done);
	while ((c = queue_pop(&in)) != NULL)
		take_command(st, &t, c, &heard, *closing);
	while (timers_pop(&st->mono, state_mono_ns(st), &tm))
		state_timer(st, &t, &tm);
	while (timers_pop(&st->wall, state_unix_ns(st), &tm))
		state_timer(st, &t, &tm);
	if (*closing)
		while ((c = queue_pop(&st->durable)) != NULL) {
			fail(c, ST_CLOSED, "the server is closing");
			queue_push(&heard, c);
		}
	turn_end(&t);
	hear_all(st, &heard);
	if (st->tell_all) {
		st->tell_all = false;
		state_tell_waiters(st, NULL, 0);
	}
	if (done.st != NULL) {
		state_tell_waiters(st, done.auth_ids.v, done.auth_ids.n);
		draft_release(&done);
	}
	if (st->need_reload && !*closing && !st->reloading && state_mono_ns(st) >= st->retry_at_ns)
		load_again(st);
	if (!st->need_reload && !*closing)
		start_batch(st, false);
}

static void *writer_main(void *arg)
{
	struct state *st = arg;
	bool closing = false;

	while (!closing || st->jobs_out > 0)
		one_turn(st, &closing);
	/* The last transaction: presence that was still to be written. */
	if (!st->need_reload && st->dirty_head < st->dirty.n) {
		start_batch(st, true);
		while (st->in_flight)
			one_turn(st, &closing);
	}
	state_end_waiters(st);
	return NULL;
}

/* ---- life ---------------------------------------------------------------------------------- */

static void take_defaults(struct state *st)
{
	struct state_opts *o = &st->o;
	struct state_limits *l = &st->limits;

#define DEFAULT(field, value) (field) = (field) != 0 ? (field) : (value)
	DEFAULT(o->tailnet, TAILNET_DEFAULT);
	DEFAULT(o->offline_grace_ns, 10 * NS_PER_S);
	DEFAULT(o->restart_lease_ns, 30 * NS_PER_S);
	DEFAULT(o->ephemeral_timeout_ns, 30 * 60 * NS_PER_S);
	DEFAULT(o->pending_lifetime_ns, 15 * 60 * NS_PER_S);
	DEFAULT(o->presence_write_ns, 10 * NS_PER_S);
	*l = o->limits;
	DEFAULT(l->queue, 65536);
	DEFAULT(l->pending, 1024);
	DEFAULT(l->pending_per_machine, 4);
	DEFAULT(l->pending_per_source, 64);
	DEFAULT(l->nodes, 1000000);
#undef DEFAULT
}

static void first_world(struct state *st, const struct state_opts *o, struct loaded *l)
{
	struct snapshot *w = snapshot_new(st->o.tailnet);

	w->seq = 1;
	w->made_ns = state_unix_ns(st);
	w->settings = o->settings ? tailnet_settings_ref(o->settings) : tailnet_settings_new();
	w->dns = o->dns ? dns_settings_ref(o->dns) : dns_settings_new();
	w->derp_map = o->derp_map ? shared_bytes_ref(o->derp_map) : shared_bytes_new(BYTES_LIT("{\"Regions\":{}}"));
	addr_pool_set(&st->pool4, w->settings->prefix4, w->settings->random_addresses);
	addr_pool_set(&st->pool6, w->settings->prefix6, w->settings->random_addresses);
	tables_copy(&st->tables, &l->t);
	atomic_store(&st->n_pending, st->tables.n_pending);
	user_table_unref(&w->users);
	w->users = user_table_ref(l->users);
	for (size_t i = 0; i < l->nodes.n; i++) {
		struct node *n = l->nodes.v[i];
		struct entry *e = state_entry_make(st, n->id);

		n->expired = node_expired(n, w->made_ns); /* nobody else has it yet */
		e->leased = n->online;
		snapshot_add_node(w, n, POLICY_CLASS_NONE);
		st->online += n->online;
		addr_pool_seen(&st->pool4, &n->ip4);
		addr_pool_seen(&st->pool6, &n->ip6);
		if (node_is_router(n))
			vec_push(&st->routers, n->id);
	}
	st->cur = w;
}

static void first_engine(struct state *st)
{
	struct snapshot *w = st->cur;
	struct turn t = { .st = st, .next = w, .new_engine = true };

	facts_update(&t, w); /* nobody has seen w yet: it is changed in place */
	vec_release(&t.touched);
	for (size_t i = 0; i < w->n_pages; i++)
		for (uint64_t m = w->pages[i]->used; m != 0; m &= m - 1)
			state_arm_node(st, w->pages[i]->slot[__builtin_ctzll(m)].node);
}

static enum status first_policy(struct state *st, const struct state_opts *o, const struct loaded *l, struct err *err)
{
	struct bytes text = o->policy_from_file ? o->policy_text : shared_bytes_view(l->policy_text);
	struct policy_error perr = { 0 };
	enum status s;

	st->policy_at_ns = l->policy_at_ns;
	if (text.n == 0) {
		st->policy = policy_allow_all();
		return ST_OK;
	}
	s = policy_parse(text, NULL, &st->policy, &perr);
	if (s != ST_OK) {
		err_set(err, "the policy cannot be used: line %u, column %u: %s", perr.line, perr.column, perr.message);
		return s;
	}
	st->policy_text = shared_bytes_new(text);
	return ST_OK;
}

static void test_policy(struct state *st)
{
	struct arena *a = arena_new();
	const struct policy_test_failure *f = NULL;
	size_t n = 0;

	if (policy_run_tests(st->cur->policy, a, &f, &n) != ST_OK)
		log_warn("tests of the policy fail; it is used all the same", LOG_U64("failures", n), LOG_END);
	arena_free(&a);
}

static bool free_value(void *arg, uint64_t hash, uint64_t val)
{
	(void)arg;
	(void)hash;
	free((void *)(uintptr_t)val);
	return true;
}

static void state_free(struct state *st)
{
	snapshot_unref(&st->cur);
	snapshot_unref(&st->shown);
	tables_release(&st->tables);
	policy_unref(&st->policy);
	shared_bytes_unref(&st->policy_text);
	trie_each(st->entries, free_value, NULL);
	trie_unref(&st->entries);
	trie_each(st->last_uses, free_value, NULL);
	trie_unref(&st->last_uses);
	trie_unref(&st->name_hints);
	vec_release(&st->more_pools);
	vec_release(&st->routers);
	vec_release(&st->mono.heap);
	vec_release(&st->wall.heap);
	vec_release(&st->dirty);
	vec_release(&st->used);
	vec_release(&st->waiters);
	store_close(&st->store);
	pthread_mutex_destroy(&st->lock);
	pthread_cond_destroy(&st->wake);
	pthread_cond_destroy(&st->jobs_wake);
	pthread_cond_destroy(&st->helper_wake);
	free(st);
}

static void init_locks(struct state *st)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&st->lock, NULL);
	pthread_cond_init(&st->wake, &attr);
	pthread_cond_init(&st->jobs_wake, NULL);
	pthread_cond_init(&st->helper_wake, NULL);
	pthread_condattr_destroy(&attr);
	queue_init(&st->inbox);
	queue_init(&st->durable);
	queue_init(&st->batch);
}

enum status state_open(const struct state_opts *o, struct state **out, struct err *err)
{
	struct state *st = xcalloc(1, sizeof *st);
	struct loaded *l = NULL;
	enum status s;

	st->o = *o;
	st->store = o->store;
	st->next_token = 1;
	atomic_init(&st->store_ok, true);
	init_locks(st);
	take_defaults(st);
	s = load_all(st->store, st->o.tailnet, &l, err);
	if (s == ST_OK)
		s = first_policy(st, o, l, err);
	if (s == ST_OK) {
		first_world(st, o, l);
		loaded_free(&l);
		first_engine(st);
		test_policy(st);
		st->shown = snapshot_ref(st->cur);
		atomic_store(&st->n_nodes, st->cur->n_nodes);
		atomic_store(&st->n_online, st->online);
		timers_add(&st->wall, state_unix_ns(st), TIMER_PURGE, 0);
		disk_start(st);
		st->helper_runs = pthread_create(&st->helper, NULL, helper_main, st) == 0;
		st->writer_runs = pthread_create(&st->writer, NULL, writer_main, st) == 0;
		if (!st->disk_runs || !st->helper_runs || !st->writer_runs) {
			err_set(err, "cannot start a thread");
			s = ST_IO;
		}
	}
	loaded_free(&l);
	if (s != ST_OK) {
		state_close(&st);
		return s;
	}
	*out = st;
	return ST_OK;
}

void state_close(struct state **stp)
{
	struct state *st = *stp;

	*stp = NULL;
	if (st == NULL)
		return;
	pthread_mutex_lock(&st->lock);
	st->closing = true;
	pthread_cond_broadcast(&st->helper_wake);
	pthread_mutex_unlock(&st->lock);
	if (st->helper_runs)
		pthread_join(st->helper, NULL); /* before the writer, which answers what it gives back */
	pthread_mutex_lock(&st->lock);
	st->stopping = true;
	st->poked = true;
	pthread_cond_signal(&st->wake);
	pthread_mutex_unlock(&st->lock);
	if (st->writer_runs)
		pthread_join(st->writer, NULL);
	disk_stop(st);
	state_free(st);
}

struct snapshot *state_snapshot(struct state *st)
{
	struct snapshot *s;

	pthread_mutex_lock(&st->lock);
	s = snapshot_ref(st->shown);
	pthread_mutex_unlock(&st->lock);
	return s;
}

void state_time_changed(struct state *st)
{
	pthread_mutex_lock(&st->lock);
	st->poked = true;
	pthread_cond_signal(&st->wake);
	pthread_mutex_unlock(&st->lock);
}

void state_stats(struct state *st, struct state_stats *out)
{
	*out = (struct state_stats){
		.commands = atomic_load(&st->n_commands),
		.commits = atomic_load(&st->n_commits),
		.commit_failures = atomic_load(&st->n_commit_failures),
		.reloads = atomic_load(&st->n_reloads),
		.publications = atomic_load(&st->n_publications),
		.presence_updates = atomic_load(&st->n_presence),
		.pending_evicted = atomic_load(&st->n_evicted),
		.queued = atomic_load(&st->n_queued),
		.nodes = atomic_load(&st->n_nodes),
		.online = atomic_load(&st->n_online),
		.pending = atomic_load(&st->n_pending),
		.last_commit_ns = atomic_load(&st->last_commit_ns),
	};
}

bool state_store_ok(struct state *st)
{
	return atomic_load(&st->store_ok);
}
