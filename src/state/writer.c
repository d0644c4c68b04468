/*
 * state/writer.c -- the one thread that changes the world; see state/state.h and state/state_priv.h.
 *
 *     turn: answers of the store -> what came in -> timers -> publish -> tell -> next batch to the store
 *
 * At most one batch is in flight. While it is, durable commands gather, and what gathers is the next batch: the
 * slower the disk, the larger the batches. A batch that hits a row the store will not take is cut into single commands,
 * run again, so that one bad command fails alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "state/state_priv.h"

#define BATCH_MAX 1024           /* commands of one transaction */
#define WALL_LOOK_NS (5 * NS_PER_S) /* the wall clock may jump: look at least so often */
#define RETRY_NS NS_PER_S

int64_t state_unix_ns(const struct state *st)
{
	return st->o.clock.unix_ns ? st->o.clock.unix_ns(st->o.clock.arg) : clock_unix_ns();
}

int64_t state_mono_ns(const struct state *st)
{
	return st->o.clock.mono_ns ? st->o.clock.mono_ns(st->o.clock.arg) : clock_mono_ns();
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
		    { "preauth", old->last_preauth, now->last_preauth },
		    { "apikey", old->last_api_key, now->last_api_key },
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
		if (helper_take(st, c))
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
	while (!st->in_flight && (st->durable.first != NULL || backlog_due(st) || flush_all)) {
		struct job *j;

		draft_init(&st->draft, st);
		run_commands(st, &st->draft);
		add_counters(&st->draft);
		backlog_add(st, &st->draft, flush_all);
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

static void note_commit_time(struct state *st, int64_t ns)
{
	static const int bounds_ms[STATE_COMMIT_BUCKETS] = STATE_COMMIT_BOUNDS_MS;
	size_t b = 0;

	while (b < STATE_COMMIT_BUCKETS && ns > bounds_ms[b] * NS_PER_MS)
		b++;
	atomic_fetch_add(&st->commit_buckets[b], 1);
	atomic_fetch_add(&st->commit_sum_ns, ns);
	atomic_store(&st->last_commit_ns, ns);
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
	note_commit_time(st, j->took_ns);
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
			if (helper_take(st, c))
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

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
}

/*
 * Until when the thread may sleep, and by which clock; false: for ever. With nothing but moments of the wall clock ahead it
 * sleeps by that clock, and the kernel wakes it when somebody turns it: an idle server need not look from time to time.
 */
static bool sleep_until(struct state *st, clockid_t *clock, struct timespec *until)
{
	int64_t ns, wall = timers_next(&st->wall);

	if (timers_next(&st->mono) == INT64_MAX && wall != INT64_MAX && st->o.clock.unix_ns == NULL) {
		*clock = CLOCK_REALTIME;
		*until = timespec_of(wall > 0 ? wall : 0);
		return true;
	}
	*clock = CLOCK_MONOTONIC;
	ns = sleep_ns(st);
	*until = timespec_of(clock_mono_ns() + (ns > 0 ? ns : 0));
	return ns >= 0;
}

static void wait_for_work(struct state *st, struct queue *in, struct job **answers, bool *closing)
{
	struct timespec until;
	clockid_t clock;
	bool ends = sleep_until(st, &clock, &until);

	pthread_mutex_lock(&st->lock);
	while (st->inbox.first == NULL && st->answers == NULL && !st->poked) {
		if (!ends)
			pthread_cond_wait(&st->wake, &st->lock);
		else if (pthread_cond_clockwait(&st->wake, &st->lock, clock, &until) == ETIMEDOUT)
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

void *writer_main(void *arg)
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
