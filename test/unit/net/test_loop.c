/* test/unit/net/test_loop.c -- clock, timers, mailbox, end of the turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/random.h"
#include "base/vec.h"
#include "net/loop.h"

struct trace {
	struct loop *l;
	int n;
	int order[64];
	struct loop_task task[4];
	struct loop_timer timer;
	bool done;
};

static struct trace *tr;
static void note(int what)
{
	tr->order[tr->n++] = what;
}
static void say_1(void *arg)
{
	(void)arg;
	note(1);
}
static void say_2(void *arg)
{
	(void)arg;
	note(2);
}
static void cancel_1(void *arg)
{
	struct trace *t = arg;

	note(3);
	loop_task_cancel(&t->task[1]);
	loop_task_queue(&t->task[2]);
}

static void tasks_run_in_order_once_and_never_inside_the_call(void **state)
{
	struct trace t = { .l = loop_new(0) };

	(void)state;
	tr = &t;
	loop_task_init(&t.task[0], t.l, cancel_1, &t);
	loop_task_init(&t.task[1], t.l, say_1, &t);
	loop_task_init(&t.task[2], t.l, say_2, &t);
	loop_task_queue(&t.task[0]);
	loop_task_queue(&t.task[0]);
	loop_task_queue(&t.task[1]);
	assert_int_equal(t.n, 0);
	loop_turn(t.l, 0);
	assert_int_equal(t.n, 2); /* 1 was cancelled by 3, which asked for 2 in the same turn */
	assert_int_equal(t.order[0], 3);
	assert_int_equal(t.order[1], 2);
	loop_task_queue(&t.task[1]);
	loop_task_cancel(&t.task[1]); /* the only one: the list is empty and usable after */
	loop_task_queue(&t.task[2]);
	loop_turn(t.l, 0);
	assert_int_equal(t.n, 3);
	assert_int_equal(t.order[2], 2);
	loop_free(&t.l);
	assert_null(t.l);
}

static void again(void *arg)
{
	struct trace *t = arg;

	t->n++;
	loop_task_queue(&t->task[0]);
}

static void a_task_that_queues_itself_does_not_stop_the_loop(void **state)
{
	struct trace t = { .l = loop_new(0) };

	(void)state;
	loop_task_init(&t.task[0], t.l, again, &t);
	loop_task_queue(&t.task[0]);
	for (int i = 0; i < 10; i++)
		loop_turn(t.l, 1000); /* must not wait either */
	assert_in_range(t.n, 10, 100000);
	loop_task_cancel(&t.task[0]);
	loop_free(&t.l);
}

/* ---- timers against a slow, obvious twin ---- */

#define TIMERS 300
struct many {
	struct loop *l;
	struct loop_timer t[TIMERS];
	uint64_t due[TIMERS]; /* 0: idle */
	unsigned fired, wrong;
};
static struct many *many;

static void fire(void *arg)
{
	size_t i = (size_t)(uintptr_t)arg;

	many->fired++;
	if (many->due[i] == 0 || many->due[i] > loop_now_ms(many->l))
		many->wrong++;
	many->due[i] = 0;
}

static void timers_fire_when_due_like_a_plain_list(void **state)
{
	static struct many m;
	uint64_t seed = random_u64();

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	srand((unsigned)seed);
	many = &m;
	m.l = loop_new(0);
	for (size_t i = 0; i < TIMERS; i++)
		loop_timer_init(&m.t[i], m.l, fire, (void *)(uintptr_t)i);
	for (int round = 0; round < 2000; round++) {
		size_t i = (size_t)rand() % TIMERS;

		if (rand() % 4) {
			uint64_t ms = (uint64_t)rand() % 5000 + 1;

			loop_timer_start(&m.t[i], ms);
			m.due[i] = loop_now_ms(m.l) + ms;
		} else {
			loop_timer_cancel(&m.t[i]);
			m.due[i] = 0;
		}
		assert_int_equal(loop_timer_active(&m.t[i]), m.due[i] != 0);
		if (rand() % 20 == 0) {
			loop_clock_advance(m.l, (uint64_t)rand() % 1500);
			loop_turn(m.l, 0);
			loop_turn(m.l, 0);
			for (size_t k = 0; k < TIMERS; k++)
				assert_true(m.due[k] == 0 || m.due[k] > loop_now_ms(m.l) - 2);
		}
	}
	assert_int_equal(m.wrong, 0);
	assert_true(m.fired > 100);
	for (size_t i = 0; i < TIMERS; i++)
		loop_timer_cancel(&m.t[i]);
	loop_free(&m.l);
}

static void restart_at_once(void *arg)
{
	struct trace *t = arg;

	t->n++;
	loop_timer_start(&t->timer, 0);
}

static void a_timer_that_restarts_itself_fires_once_a_turn(void **state)
{
	struct trace t = { .l = loop_new(0) };

	(void)state;
	loop_timer_init(&t.timer, t.l, restart_at_once, &t);
	loop_timer_start(&t.timer, 0);
	for (int i = 0; i < 5; i++) {
		loop_turn(t.l, 10);
		assert_in_range(t.n, 1, i + 1);
	}
	loop_timer_cancel(&t.timer);
	loop_free(&t.l);
}

/* ---- mailbox ---- */

#define POSTERS 4
#define POSTS   20000
struct mailtest {
	struct loop *l;
	atomic_uint seen;
	unsigned next[POSTERS], disorder;
};
struct letter {
	struct mailtest *m;
	unsigned who, no;
};

static void receive(void *arg)
{
	struct letter *le = arg;
	struct mailtest *m = le->m;

	loop_assert(m->l);
	if (le->no != m->next[le->who]++)
		m->disorder++;
	free(le);
	atomic_fetch_add(&m->seen, 1);
}

struct poster {
	pthread_t thread;
	struct mailtest *m;
	unsigned who;
};

static void *post_all(void *arg)
{
	struct poster *p = arg;

	for (unsigned i = 0; i < POSTS; i++) {
		struct letter *le = xcalloc(1, sizeof *le);

		*le = (struct letter){ p->m, p->who, i };
		loop_post(p->m->l, receive, le);
	}
	return NULL;
}

static void posts_of_many_threads_all_arrive_in_their_order(void **state)
{
	struct mailtest m = { .l = loop_new(3) };
	struct poster p[POSTERS];

	(void)state;
	assert_int_equal(loop_start(m.l, NULL), ST_OK);
	for (unsigned i = 0; i < POSTERS; i++) {
		p[i] = (struct poster){ .m = &m, .who = i };
		pthread_create(&p[i].thread, NULL, post_all, &p[i]);
	}
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(p[i].thread, NULL);
	loop_stop(m.l);
	loop_join(m.l);
	loop_free(&m.l); /* reads what is left */
	assert_int_equal(atomic_load(&m.seen), POSTERS * POSTS);
	assert_int_equal(m.disorder, 0);
}

static void set_done(void *arg)
{
	*(bool *)arg = true;
}

static void what_is_posted_to_a_stopped_loop_is_run_when_it_is_freed(void **state)
{
	struct loop *l = loop_new(0);
	bool done = false;

	(void)state;
	loop_post(l, set_done, &done);
	loop_free(&l);
	assert_true(done);
}

struct workcheck {
	struct loop *l;
	pthread_t worked_on;
	bool done;
};
static void work(void *arg)
{
	((struct workcheck *)arg)->worked_on = pthread_self();
}
static void worked(void *arg)
{
	struct workcheck *w = arg;

	loop_assert(w->l);
	w->done = true;
}

static void work_is_done_elsewhere_and_answered_here(void **state)
{
	struct workcheck w = { .l = loop_new(0) };

	(void)state;
	loop_work(w.l, work, worked, &w);
	assert_true(loop_run_until(w.l, &w.done, 5000));
	assert_false(pthread_equal(w.worked_on, pthread_self()));
	w.done = false;
	loop_work(w.l, work, worked, &w);
	loop_free(&w.l); /* waits for it */
	assert_true(w.done);
}

static void on_fd(void *arg, unsigned events)
{
	if (events & LOOP_FD_READ)
		*(bool *)arg = true;
}

static void signals_and_descriptors_are_told(void **state)
{
	struct loop *l = loop_new(0);
	bool signalled = false, readable = false;
	struct loop_signal *s = loop_signal_new(l, SIGUSR1, set_done, &signalled);
	struct loop_fd *f;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	f = loop_fd_new(l, p[0], on_fd, &readable);
	loop_fd_want(f, LOOP_FD_READ);
	raise(SIGUSR1);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_true(loop_run_until(l, &signalled, 5000));
	assert_true(loop_run_until(l, &readable, 5000));
	loop_fd_want(f, 0);
	readable = false;
	loop_turn(l, 0);
	assert_false(readable);
	loop_fd_free(&f);
	loop_signal_free(&s);
	loop_free(&l);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tasks_run_in_order_once_and_never_inside_the_call),
		cmocka_unit_test(a_task_that_queues_itself_does_not_stop_the_loop),
		cmocka_unit_test(timers_fire_when_due_like_a_plain_list),
		cmocka_unit_test(a_timer_that_restarts_itself_fires_once_a_turn),
		cmocka_unit_test(posts_of_many_threads_all_arrive_in_their_order),
		cmocka_unit_test(what_is_posted_to_a_stopped_loop_is_run_when_it_is_freed),
		cmocka_unit_test(work_is_done_elsewhere_and_answered_here),
		cmocka_unit_test(signals_and_descriptors_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
