/*
 * net/loop.c -- see net/loop.h.
 *
 * libuv does the waiting. Three things stand beside it: a heap of timers under one uv_timer, because a keep-alive
 * timer that is put off at every message should cost a store and no heap operation; a mailbox under one uv_async; and a
 * list of tasks that runs before and after the poll, so that all writes of a turn leave together.
 */
#include "net/loop.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#include "base/vec.h"
#include "net/loop_priv.h"

#define DRAIN_ROUNDS  32   /* tasks that queue each other for ever must not keep sockets waiting */
#define MAIL_KEEP     4096 /* a mailbox that was larger gives its memory back */
#define LAST_TURNS    16   /* of a loop that is freed */
#define STACK_SIZE    ((size_t)1024 * 1024)

struct mail {
	loop_fn *fn;
	void *arg;
};
struct mailbox {
	struct mail *v;
	size_t n, cap;
};

struct loop {
	uv_loop_t uv;
	unsigned index;
	_Atomic pthread_t owner;
	pthread_t thread;
	bool threaded, running, firing;

	uv_async_t async;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;
	uv_timer_t timer, nap;
	uint64_t armed_ms; /* what `timer` is set to; 0: it is not */

	pthread_mutex_t lock; /* guards `in` */
	struct mailbox in, out;

	struct loop_task *tasks, **tasks_end; /* for the next round */
	struct loop_task *round;              /* being run */

	VEC(struct loop_timer *) heap; /* binary, by heap_ms */
	uint64_t skew_ms;              /* what loop_clock_advance() added */

	size_t works;
	uint8_t *buffers[LOOP_BUFFER_COUNT];
	struct pending_list pending;
};

static _Thread_local struct loop *here;

/* ---- timers ---- */

static void heap_place(struct loop *l, size_t i, struct loop_timer *t)
{
	l->heap.v[i] = t;
	t->pos = (uint32_t)i + 1;
}

static void heap_up(struct loop *l, size_t i)
{
	struct loop_timer *t = l->heap.v[i];

	while (i > 0 && l->heap.v[(i - 1) / 2]->heap_ms > t->heap_ms) {
		heap_place(l, i, l->heap.v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_place(l, i, t);
}

static void heap_down(struct loop *l, size_t i)
{
	struct loop_timer *t = l->heap.v[i];

	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid >= l->heap.n)
			break;
		if (kid + 1 < l->heap.n && l->heap.v[kid + 1]->heap_ms < l->heap.v[kid]->heap_ms)
			kid++;
		if (l->heap.v[kid]->heap_ms >= t->heap_ms)
			break;
		heap_place(l, i, l->heap.v[kid]);
		i = kid;
	}
	heap_place(l, i, t);
}

static void heap_remove(struct loop *l, struct loop_timer *t)
{
	size_t i = t->pos - 1;
	struct loop_timer *last = l->heap.v[--l->heap.n];

	t->pos = 0;
	if (last == t)
		return;
	heap_place(l, i, last);
	heap_up(l, i);
	heap_down(l, last->pos - 1);
}

void loop_timer_init(struct loop_timer *t, struct loop *l, loop_fn *fn, void *arg)
{
	*t = (struct loop_timer){ .loop = l, .fn = fn, .arg = arg };
}

void loop_timer_start(struct loop_timer *t, uint64_t after_ms)
{
	struct loop *l = t->loop;
	uint64_t due;

	loop_assert(l);
	if (!l->running)
		uv_update_time(&l->uv);
	due = loop_now_ms(l) + after_ms;
	if (l->firing && after_ms == 0)
		due++; /* or one that restarts itself would never let the turn go on */
	t->due_ms = due;
	t->active = true;
	if (t->pos && due >= t->heap_ms)
		return;
	t->heap_ms = due;
	if (!t->pos) {
		vec_push(&l->heap, t);
		t->pos = (uint32_t)l->heap.n;
	}
	heap_up(l, t->pos - 1);
}

void loop_timer_cancel(struct loop_timer *t)
{
	t->active = false;
	if (t->pos)
		heap_remove(t->loop, t);
}

static void fire_timers(uv_timer_t *h)
{
	struct loop *l = h->data;
	uint64_t now = loop_now_ms(l);

	l->armed_ms = 0;
	l->firing = true;
	while (l->heap.n && l->heap.v[0]->heap_ms <= now) {
		struct loop_timer *t = l->heap.v[0];

		if (t->due_ms > now) { /* was put off meanwhile */
			t->heap_ms = t->due_ms;
			heap_down(l, 0);
			continue;
		}
		heap_remove(l, t);
		t->active = false;
		t->fn(t->arg);
	}
	l->firing = false;
}

/* Once a turn, before the poll: set the kernel's timer to the heap's first. */
static void arm_timer(struct loop *l)
{
	uint64_t now = loop_now_ms(l), first = l->heap.n ? l->heap.v[0]->heap_ms : 0;

	if (first == l->armed_ms)
		return;
	l->armed_ms = first;
	if (!first)
		uv_timer_stop(&l->timer);
	else
		uv_timer_start(&l->timer, fire_timers, first > now ? first - now : 0, 0);
}

/* ---- end of the turn ---- */

void loop_task_init(struct loop_task *t, struct loop *l, loop_fn *fn, void *arg)
{
	*t = (struct loop_task){ .loop = l, .fn = fn, .arg = arg };
}

void loop_task_queue(struct loop_task *t)
{
	struct loop *l = t->loop;

	if (t->link)
		return;
	loop_assert(l);
	t->next = NULL;
	t->link = l->tasks_end;
	*l->tasks_end = t;
	l->tasks_end = &t->next;
}

void loop_task_cancel(struct loop_task *t)
{
	if (!t->link)
		return;
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	else if (t->loop->tasks_end == &t->next)
		t->loop->tasks_end = t->link;
	t->link = NULL;
}

struct deferred {
	struct loop_task task;
	loop_fn *fn;
	void *arg;
};

static void run_deferred(void *arg)
{
	struct deferred d = *(struct deferred *)arg;

	free(arg);
	d.fn(d.arg);
}

void loop_defer(struct loop *l, loop_fn *fn, void *arg)
{
	struct deferred *d = xcalloc(1, sizeof *d);

	d->fn = fn;
	d->arg = arg;
	loop_task_init(&d->task, l, run_deferred, d);
	loop_task_queue(&d->task);
}

void loop_retire(struct loop *l, void *p)
{
	loop_defer(l, free, p);
}

static void run_round(struct loop *l)
{
	l->round = l->tasks;
	l->round->link = &l->round;
	l->tasks = NULL;
	l->tasks_end = &l->tasks;
	while (l->round) {
		struct loop_task *t = l->round;

		loop_task_cancel(t);
		t->fn(t->arg);
	}
}

static void do_nothing(uv_idle_t *h)
{
	(void)h;
}

static void drain_tasks(struct loop *l)
{
	for (int i = 0; l->tasks && i < DRAIN_ROUNDS; i++)
		run_round(l);
	if (l->tasks)
		uv_idle_start(&l->idle, do_nothing); /* the poll shall not wait */
	else
		uv_idle_stop(&l->idle);
}

static void before_poll(uv_prepare_t *h)
{
	struct loop *l = h->data;

	drain_tasks(l);
	arm_timer(l);
}

static void after_poll(uv_check_t *h)
{
	drain_tasks(h->data);
}

/* ---- mailbox ---- */

void loop_post(struct loop *l, loop_fn *fn, void *arg)
{
	bool first;

	pthread_mutex_lock(&l->lock);
	first = l->in.n == 0;
	vec_push(&l->in, ((struct mail){ fn, arg }));
	/* Inside the lock: once it is open the loop may take the letter, stop, and be freed. */
	if (first)
		uv_async_send(&l->async);
	pthread_mutex_unlock(&l->lock);
}

static void read_mail(struct loop *l)
{
	struct mailbox got;

	pthread_mutex_lock(&l->lock);
	got = l->in;
	l->in = l->out;
	pthread_mutex_unlock(&l->lock);
	l->out = (struct mailbox){ 0 };
	for (size_t i = 0; i < got.n; i++)
		got.v[i].fn(got.v[i].arg);
	if (got.cap > MAIL_KEEP)
		vec_release(&got);
	got.n = 0;
	free(l->out.v);
	l->out = got;
}

static void on_async(uv_async_t *h)
{
	read_mail(h->data);
}

/* ---- life ---- */

static void ignore_sigpipe(void)
{
	struct sigaction sa;

	if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

static void must(int rc)
{
	if (rc != 0) {
		fprintf(stderr, "event loop: %s\n", uv_strerror(rc));
		abort();
	}
}

struct loop *loop_new(unsigned index)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct loop *l = xcalloc(1, sizeof *l);

	pthread_once(&once, ignore_sigpipe);
	l->index = index;
	atomic_store(&l->owner, pthread_self());
	l->tasks_end = &l->tasks;
	l->pending.head.next = l->pending.head.prev = &l->pending.head;
	must(pthread_mutex_init(&l->lock, NULL));
	must(uv_loop_init(&l->uv));
	must(uv_async_init(&l->uv, &l->async, on_async));
	must(uv_prepare_init(&l->uv, &l->prepare));
	must(uv_check_init(&l->uv, &l->check));
	must(uv_idle_init(&l->uv, &l->idle));
	must(uv_timer_init(&l->uv, &l->timer));
	must(uv_timer_init(&l->uv, &l->nap));
	l->async.data = l->prepare.data = l->check.data = l->timer.data = l;
	must(uv_prepare_start(&l->prepare, before_poll));
	must(uv_check_start(&l->check, after_poll));
	return l;
}

/* The present thread owns the loop and runs it with libuv. */
static void run_here(struct loop *l, uv_run_mode mode)
{
	struct loop *outer = here;

	loop_assert(l);
	assert(!l->running);
	here = l;
	l->running = true;
	uv_update_time(&l->uv);
	uv_run(&l->uv, mode);
	l->running = false;
	here = outer;
}

void loop_run(struct loop *l)
{
	run_here(l, UV_RUN_DEFAULT);
}

static void nap_over(uv_timer_t *h)
{
	(void)h;
}

void loop_turn(struct loop *l, unsigned max_wait_ms)
{
	if (max_wait_ms == 0) {
		run_here(l, UV_RUN_NOWAIT);
		return;
	}
	uv_update_time(&l->uv);
	uv_timer_start(&l->nap, nap_over, max_wait_ms, 0);
	run_here(l, UV_RUN_ONCE);
	uv_timer_stop(&l->nap);
}

#define RUN_UNTIL_NAP_MS 10u

bool loop_run_until(struct loop *l, const bool *done, unsigned timeout_ms)
{
	uint64_t end = uv_hrtime() / 1000000 + timeout_ms;

	while (!*done) {
		uint64_t now = uv_hrtime() / 1000000;

		if (now >= end)
			break;
		/* *done may come true before the poll of a turn, which would then sleep for nothing: nap shortly. */
		loop_turn(l, end - now < RUN_UNTIL_NAP_MS ? (unsigned)(end - now) : RUN_UNTIL_NAP_MS);
	}
	return *done;
}

static void *thread_main(void *arg)
{
	struct loop *l = arg;
	char name[16];

	snprintf(name, sizeof name, "loop-%u", l->index);
	pthread_setname_np(pthread_self(), name);
	atomic_store(&l->owner, pthread_self());
	loop_run(l);
	return NULL;
}

enum status loop_start(struct loop *l, struct err *err)
{
	pthread_attr_t attr;
	int rc;

	loop_assert(l);
	assert(!l->threaded);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	l->threaded = true;
	rc = pthread_create(&l->thread, &attr, thread_main, l);
	pthread_attr_destroy(&attr);
	if (rc != 0) {
		l->threaded = false;
		err_set(err, "cannot start a thread: %s", strerror(rc));
		return ST_IO;
	}
	return ST_OK;
}

static void stop_here(void *arg)
{
	struct loop *l = arg;

	uv_stop(&l->uv);
}

void loop_stop(struct loop *l)
{
	loop_post(l, stop_here, l);
}

void loop_join(struct loop *l)
{
	if (!l->threaded)
		return;
	pthread_join(l->thread, NULL);
	l->threaded = false;
	atomic_store(&l->owner, pthread_self());
}

static void close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

void loop_free(struct loop **lp)
{
	struct loop *l = *lp;

	if (!l)
		return;
	loop_assert(l);
	assert(!l->running && !l->threaded);
	for (int i = 0; i < LAST_TURNS; i++) {
		read_mail(l);
		loop_turn(l, 0);
	}
	while (l->works)
		loop_turn(l, 100);
	uv_walk(&l->uv, close_handle, NULL);
	here = l;
	uv_run(&l->uv, UV_RUN_DEFAULT);
	for (int i = 0; (l->tasks || l->in.n) && i < LAST_TURNS; i++) {
		if (l->tasks)
			run_round(l);
		read_mail(l);
	}
	here = NULL;
	must(uv_loop_close(&l->uv));
	pthread_mutex_destroy(&l->lock);
	free(l->in.v);
	free(l->out.v);
	vec_release(&l->heap);
	for (int i = 0; i < LOOP_BUFFER_COUNT; i++)
		free(l->buffers[i]);
	free(l);
	*lp = NULL;
}

unsigned loop_index(const struct loop *l)
{
	return l->index;
}

struct loop *loop_current(void)
{
	return here;
}

void loop_assert(const struct loop *l)
{
	assert(pthread_equal(atomic_load_explicit(&((struct loop *)l)->owner, memory_order_relaxed), pthread_self()));
}

struct uv_loop_s *loop_uv(struct loop *l)
{
	return &l->uv;
}

uint64_t loop_now_ms(const struct loop *l)
{
	return uv_now(&l->uv) + l->skew_ms;
}

void loop_clock_advance(struct loop *l, uint64_t ms)
{
	loop_assert(l);
	l->skew_ms += ms;
	l->armed_ms = UINT64_MAX; /* the kernel's timer is set anew */
}

uint8_t *loop_buffer(struct loop *l, enum loop_buffer which)
{
	if (!l->buffers[which])
		l->buffers[which] = xmalloc(LOOP_BUFFER_SIZE);
	return l->buffers[which];
}

uint8_t *loop_room(struct loop *l)
{
	return loop_buffer(l, LOOP_BUFFER_ROOM);
}

struct pending_list *loop_pending(struct loop *l)
{
	return &l->pending;
}

/* ---- what blocks ---- */

struct work {
	uv_work_t req;
	struct loop *loop;
	loop_fn *work, *done;
	void *arg;
};

static void work_run(uv_work_t *req)
{
	struct work *w = req->data;

	w->work(w->arg);
}

static void work_done(uv_work_t *req, int status)
{
	struct work w = *(struct work *)req->data;

	(void)status;
	free(req->data);
	w.loop->works--;
	w.done(w.arg);
}

void loop_work(struct loop *l, loop_fn *work, loop_fn *done, void *arg)
{
	struct work *w = xcalloc(1, sizeof *w);

	loop_assert(l);
	*w = (struct work){ .loop = l, .work = work, .done = done, .arg = arg };
	w->req.data = w;
	l->works++;
	must(uv_queue_work(&l->uv, &w->req, work_run, work_done));
}

/* ---- signals and foreign descriptors ---- */

struct loop_signal {
	uv_signal_t h;
	loop_fn *fn;
	void *arg;
};

static void on_signal(uv_signal_t *h, int signum)
{
	struct loop_signal *s = h->data;

	(void)signum;
	s->fn(s->arg);
}

struct loop_signal *loop_signal_new(struct loop *l, int signum, loop_fn *fn, void *arg)
{
	struct loop_signal *s = xcalloc(1, sizeof *s);

	loop_assert(l);
	s->fn = fn;
	s->arg = arg;
	must(uv_signal_init(&l->uv, &s->h));
	s->h.data = s;
	must(uv_signal_start(&s->h, on_signal, signum));
	return s;
}

static void free_handle_data(uv_handle_t *h)
{
	free(h->data);
}

void loop_signal_free(struct loop_signal **s)
{
	if (*s)
		uv_close((uv_handle_t *)&(*s)->h, free_handle_data);
	*s = NULL;
}

struct loop_fd {
	uv_poll_t h;
	loop_fd_fn *fn;
	void *arg;
};

static void on_fd(uv_poll_t *h, int status, int events)
{
	struct loop_fd *f = h->data;
	unsigned out = 0;

	if (status == 0) {
		out |= events & UV_READABLE ? LOOP_FD_READ : 0;
		out |= events & UV_WRITABLE ? LOOP_FD_WRITE : 0;
	}
	f->fn(f->arg, out);
}

struct loop_fd *loop_fd_new(struct loop *l, int fd, loop_fd_fn *fn, void *arg)
{
	struct loop_fd *f = xcalloc(1, sizeof *f);

	loop_assert(l);
	f->fn = fn;
	f->arg = arg;
	must(uv_poll_init(&l->uv, &f->h, fd));
	f->h.data = f;
	return f;
}

void loop_fd_want(struct loop_fd *f, unsigned events)
{
	int ev = 0;

	ev |= events & LOOP_FD_READ ? UV_READABLE : 0;
	ev |= events & LOOP_FD_WRITE ? UV_WRITABLE : 0;
	if (ev)
		must(uv_poll_start(&f->h, ev, on_fd));
	else
		uv_poll_stop(&f->h);
}

void loop_fd_free(struct loop_fd **f)
{
	if (*f)
		uv_close((uv_handle_t *)&(*f)->h, free_handle_data);
	*f = NULL;
}
