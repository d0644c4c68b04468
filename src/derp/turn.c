/*
 * derp/turn.c -- the region, and the end of a loop's turn: all is written, then a moment is spent well (see
 * derp/relay_priv.h; docs/design/derp.md, "Waiting well").
 */
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "base/clock.h"
#include "derp/relay_priv.h"

#define SPIN_NS       60000 /* to look again for so long */
#define SPIN_TRUST    16    /* quick turns in a row until we are sure */
#define LOAD_NS       1000000
#define BUSY_FRAMES   25    /* in LOAD_NS: from here on waiting pays */
#define ENOUGH_FRAMES 64    /* a turn that found so many needs no wait */
#define PAYS_FRAMES   5     /* what a turn must find after a sleep for it to have paid */
#define DOUBT_MIN     64    /* turns without sleep after one that did not pay; doubled each time up to */
#define DOUBT_MAX     4096

/* ---- the region ---- */

uint8_t *dloop_room(struct dloop *l)
{
	if (REGION_SIZE - l->region_used < READ_ROOM)
		egress_flush_all(l);
	return l->region + l->region_used;
}

void count_drop(struct dloop *l, struct dconn *c, enum derp_drop why, bool disco, size_t packet_len)
{
	if (c)
		c->count.drops[why]++;
	if (disco)
		COUNT(l, drops[why].disco);
	else
		COUNT(l, drops[why].other);
	COUNT_ADD(l, drops[why].bytes, packet_len);
}

/* ---- the end of a turn ---- */

static void gather(struct dloop *l)
{
	struct timespec t = { 0, (long)l->r->set.batch_us * 1000 };

	COUNT(l, n.batches);
	nanosleep(&t, NULL);
}

static void spin(struct dloop *l, int64_t until_ns)
{
	struct pollfd p = { uv_backend_fd(loop_uv(l->loop)), POLLIN, 0 };

	while (!atomic_load_explicit(&l->inbox, memory_order_relaxed) && poll(&p, 1, 0) == 0 &&
	       clock_mono_ns() < until_ns)
		;
}

/* Frames of about the last millisecond. */
static double load_after(double load, int64_t elapsed_ns, uint64_t frames)
{
	double kept = elapsed_ns < LOAD_NS ? 1 - (double)elapsed_ns / LOAD_NS : 0;

	return load * kept + (double)frames;
}

/* Did the last sleep pay? Question and answer looks like load, too, but nobody sends more while he waits. */
static void learn(struct dloop *l)
{
	if (!l->slept)
		return;
	l->slept = false;
	if (l->turn_frames >= PAYS_FRAMES) {
		l->doubt = 0;
		return;
	}
	l->doubt = l->doubt ? (l->doubt < DOUBT_MAX ? l->doubt * 2 : DOUBT_MAX) : DOUBT_MIN;
	l->awake_turns = l->doubt;
}

/*
 * What to do before the loop blocks. Two ways of spending a moment, for two kinds of traffic:
 *
 * - Under load many turns find one packet each, and the price of a turn is paid for every one. Sleep a little: the
 *   sockets fill, and one read and one write do for many. If a sleep brought nothing, the next is long in coming.
 * - A packet alone that is soon followed by another (question and answer) pays most for waking up a sleeping
 *   processor. Look again for a little while instead of blocking. Only done while the last waits were short, for else
 *   it is wasted.
 */
static void pause_well(struct dloop *l)
{
	int64_t now;
	bool soon;

	if (!l->turn_reads)
		return;
	now = clock_mono_ns();
	soon = l->turn_began_ns - l->turn_ended_ns < SPIN_NS;
	l->load = load_after(l->load, now - l->turn_ended_ns, l->turn_frames);
	l->quick = soon ? (l->quick < SPIN_TRUST ? l->quick + 1 : l->quick) : l->quick / 2;
	learn(l);
	if (l->awake_turns)
		l->awake_turns--;
	if (l->r->set.batch_us != UINT32_MAX && l->load >= BUSY_FRAMES && !l->awake_turns) {
		if (l->turn_frames < ENOUGH_FRAMES) {
			gather(l);
			l->slept = true;
		}
	} else if (!l->r->set.no_spin && l->quick >= SPIN_TRUST / 2) {
		spin(l, now + SPIN_NS);
	}
	l->turn_frames = l->turn_reads = 0;
	l->turn_ended_ns = now;
}

void dloop_bury(struct dloop *l)
{
	for (size_t i = 0; i < l->dead.n; i++)
		free(l->dead.v[i]);
	l->dead.n = 0;
}

void dloop_turn_end(void *arg)
{
	struct dloop *l = arg;

	dloop_drain(l);
	egress_flush_all(l);
	batches_post(l);
	dloop_drain(l);
	egress_flush_all(l);
	dloop_bury(l);
	l->turn_bytes = 0;
	pause_well(l);
}
