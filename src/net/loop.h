/*
 * net/loop.h -- an event loop on a thread: clock, timers, mailbox, end-of-turn work.
 *
 * A loop is owned by one thread: by the one that made it until it runs, then by the one that runs it, and after
 * loop_join() by the caller of that. Only loop_post() and loop_stop() may be called from other threads; the rest
 * asserts the owner. What lives on a loop is touched by its thread only.
 *
 * One turn: due timers, sockets, mailbox; then what was deferred, until nothing is. Streams send what was written
 * during the turn in that last step.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/bytes.h"
#include "base/status.h"

struct loop;
struct uv_loop_s;
typedef void loop_fn(void *arg);

/** A loop that does not run yet. index: any number that tells it from its siblings. Returned (loop_free). */
struct loop *loop_new(unsigned index);
/** Run it on a thread of its own, named "loop-<index>". */
enum status loop_start(struct loop *l, struct err *err) MUST_CHECK;
/** Run it on the calling thread until loop_stop(). */
void loop_run(struct loop *l);
/** One turn on the calling thread; waits at most max_wait_ms for something to happen. For tests and tools. */
void loop_turn(struct loop *l, unsigned max_wait_ms);
/** Turns until *done or until so much time has passed; returns *done. */
bool loop_run_until(struct loop *l, const bool *done, unsigned timeout_ms);
/** Let the run end after the present turn. Any thread. */
void loop_stop(struct loop *l);
/** Wait for the thread of loop_start() to end; does nothing without one. The caller owns the loop from here. */
void loop_join(struct loop *l);
/**
 * Run what the mailbox and the end of the turn still hold, close every handle that is left, release all. The loop must
 * not run. Streams, timers and listeners of it should be gone: what is not is leaked. Clears *l, accepts NULL inside.
 */
void loop_free(struct loop **l);

unsigned loop_index(const struct loop *l);
/** The loop that runs on this thread; NULL if none does. */
struct loop *loop_current(void);
/** Abort unless the calling thread owns the loop. */
void loop_assert(const struct loop *l);
/**
 * LOOP_ROOM_SIZE bytes that all of the loop share, for one caller that is done with them before it returns to the loop and
 * writes to streams meanwhile. Lives as long as the loop.
 */
uint8_t *loop_room(struct loop *l);
#define LOOP_ROOM_SIZE ((size_t)64 * 1024)
/** For what needs libuv itself. */
struct uv_loop_s *loop_uv(struct loop *l);

/* ---- clock ---- */

/** Monotonic milliseconds, the same during a whole turn. */
uint64_t loop_now_ms(const struct loop *l);
/** For tests: let the loop's clock jump ahead; timers that became due run in the next turn. */
void loop_clock_advance(struct loop *l, uint64_t ms);

/* ---- mailbox ---- */

/**
 * Have fn(arg) called on the loop's thread. Any thread, also its own. Calls of one poster keep their order; many
 * posts cost one wake-up. What is posted to a loop that does not run any more is called by loop_free().
 */
void loop_post(struct loop *l, loop_fn *fn, void *arg);

/* ---- end of the turn ---- */

/* Work for the end of the turn, embedded by its owner. Zero-initialise, then loop_task_init. */
struct loop_task {
	struct loop *loop;
	loop_fn *fn;
	void *arg;
	struct loop_task *next, **link; /* link: NULL unless queued */
};

void loop_task_init(struct loop_task *t, struct loop *l, loop_fn *fn, void *arg);
/** Call fn(arg) at the end of this turn, never inside this call. Queued already: nothing. */
void loop_task_queue(struct loop_task *t);
/** Not queued: nothing. */
void loop_task_cancel(struct loop_task *t);
/** The same once, without a struct: fn(arg) at the end of the turn. */
void loop_defer(struct loop *l, loop_fn *fn, void *arg);
/** free(p) at the end of the turn, when no frame above can touch it any more. */
void loop_retire(struct loop *l, void *p);

/* ---- timers ---- */

/* Embedded by its owner. To start it again with a later time costs a store; any number of them share one kernel timer. */
struct loop_timer {
	struct loop *loop;
	loop_fn *fn;
	void *arg;
	uint64_t due_ms;  /* when it is wanted */
	uint64_t heap_ms; /* when the heap will look at it, <= due_ms */
	uint32_t pos;     /* place in the heap + 1; 0: not there */
	bool active;
};

void loop_timer_init(struct loop_timer *t, struct loop *l, loop_fn *fn, void *arg);
/** Call fn(arg) once, after_ms from now (of the turn's clock); if it runs already, the new time replaces the old one. */
void loop_timer_start(struct loop_timer *t, uint64_t after_ms);
/** Afterwards there is no callback. Must be called before its memory goes. Idle: nothing. */
void loop_timer_cancel(struct loop_timer *t);
static inline bool loop_timer_active(const struct loop_timer *t)
{
	return t->active;
}

/* ---- what blocks ---- */

/**
 * Call work(arg) on a helper thread, then done(arg) on the loop. There is no way to take it back: arg lives until
 * done ran. A loop is not freed before its works are done.
 */
void loop_work(struct loop *l, loop_fn *work, loop_fn *done, void *arg);

/* ---- signals and foreign descriptors ---- */

struct loop_signal;
/** Call fn(arg) on the loop at each signal signum. Returned (loop_signal_free). */
struct loop_signal *loop_signal_new(struct loop *l, int signum, loop_fn *fn, void *arg);
void loop_signal_free(struct loop_signal **s);

enum loop_fd_events { LOOP_FD_READ = 1, LOOP_FD_WRITE = 2 };
/** events: what is possible, 0 on an error of the descriptor. */
typedef void loop_fd_fn(void *arg, unsigned events);
struct loop_fd;
/** Watch a descriptor that somebody else owns (a library's socket). Returned (loop_fd_free, before close(fd)). */
struct loop_fd *loop_fd_new(struct loop *l, int fd, loop_fd_fn *fn, void *arg);
/** Which enum loop_fd_events to wait for; 0 pauses. */
void loop_fd_want(struct loop_fd *f, unsigned events);
void loop_fd_free(struct loop_fd **f);

#endif
