/*
 * derp/relay.c -- settings, loops, mail between them, and the registrar (see derp/relay.h).
 *
 * Loop 0 is the registrar: it alone owns the registry, decides for all, and tells each loop where a key's packets go. A
 * loop keeps that as a table of its own, so the way of a packet takes no lock. What a loop is told is in its mailbox before
 * the one it concerns can answer to its client, and a loop empties its mailbox before it reads any socket: so
 * whoever has seen a ServerInfo can be reached from everywhere.
 */
#include "derp/relay.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/random.h"
#include "crypto/secret.h"
#include "derp/relay_priv.h"

#define SPIN_NS       60000 /* to look again for so long */
#define SPIN_TRUST    16    /* quick turns in a row until we are sure */
#define LOAD_NS       1000000
#define BUSY_FRAMES   25    /* in LOAD_NS: from here on waiting pays */
#define ENOUGH_FRAMES 64    /* a turn that found so many needs no wait */
#define PAYS_FRAMES   5     /* what a turn must find after a sleep for it to have paid */
#define DOUBT_MIN     64    /* turns without sleep after one that did not pay; doubled each time up to */
#define DOUBT_MAX     4096

/* ---- mail ---- */

struct mail *mail_new(enum mail_type type, size_t n)
{
	struct mail *m = xmalloc(sizeof *m + n);

	*m = (struct mail){ .type = type, .cap = n };
	return m;
}

static void mail_free(struct mail *m)
{
	node_rate_unref(m->rate);
	free(m);
}

static void on_wake(void *arg)
{
	struct dloop *l = arg;

	dloop_drain(l);
	dloop_wake_end(l);
}

void mail_post(struct dloop *from, struct dloop *to, struct mail *m)
{
	struct mail *head;

	m->next = NULL;
	if (from == to) {
		*to->local_tail = m;
		to->local_tail = &m->next;
		dloop_wake_end(to);
		return;
	}
	if (m->type == MAIL_BATCH)
		atomic_fetch_add_explicit(&to->inbox_bytes, (int_fast64_t)m->n, memory_order_relaxed);
	head = atomic_load_explicit(&to->inbox, memory_order_relaxed);
	do {
		m->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&to->inbox, &head, m, memory_order_release,
	                                                memory_order_relaxed));
	if (!head)
		loop_post(to->loop, on_wake, to);
}

void mail_to_registrar(struct dloop *from, struct mail *m)
{
	mail_post(from, &from->r->loops[0], m);
}

/* All that came from other threads, oldest first. */
static struct mail *take_inbox(struct dloop *l)
{
	struct mail *m = atomic_exchange_explicit(&l->inbox, NULL, memory_order_acquire), *list = NULL;

	while (m) {
		struct mail *next = m->next;
		m->next = list;
		list = m;
		m = next;
	}
	return list;
}

static void mail_handle(struct dloop *l, struct mail *m);

static void work_off(struct dloop *l, struct mail *m)
{
	while (m) {
		struct mail *next = m->next;
		mail_handle(l, m);
		m = next;
	}
}

void dloop_drain(struct dloop *l)
{
	for (;;) {
		struct mail *m = l->local;
		l->local = NULL;
		l->local_tail = &l->local;
		if (!m && atomic_load_explicit(&l->inbox, memory_order_relaxed))
			m = take_inbox(l);
		if (!m)
			return;
		work_off(l, m);
	}
}

/* ---- packets to other loops ---- */

/* Room for `need` bytes more in the batch for a loop. */
static struct mail *batch_room(struct dloop *l, unsigned i, size_t need)
{
	struct mail *m = l->batch[i];

	if (m && need > m->cap - m->n && m->cap >= BATCH_BYTES) {
		mail_post(l, &l->r->loops[i], m);
		m = NULL;
	}
	if (m && need > m->cap - m->n) {
		size_t cap = m->cap * 2 > m->n + need ? m->cap * 2 : m->n + need;
		m = xreallocarray(m, 1, sizeof *m + cap);
		m->cap = cap;
	}
	if (!m)
		m = mail_new(MAIL_BATCH, need > 4096 ? need : 4096);
	l->batch[i] = m;
	return m;
}

void batch_add(struct dloop *l, derp_handle to, uint64_t src_hash, const uint8_t *dst, const uint8_t *p, uint32_t len,
               uint32_t frames)
{
	struct batch_run run = { to, src_hash, len, frames };
	size_t key = dst ? DERP_KEY_LEN : 0;
	struct mail *m = batch_room(l, DERP_HANDLE_LOOP(to), sizeof run + key + len);
	uint8_t *o = m->data + m->n;

	memcpy(o, &run, sizeof run);
	if (dst)
		memcpy(o + sizeof run, dst, key);
	memcpy(o + sizeof run + key, p, len);
	m->n += sizeof run + key + len;
	dloop_wake_end(l);
}

void batches_post(struct dloop *l)
{
	for (unsigned i = 0; i < l->r->n; i++) {
		struct mail *m = l->batch[i];
		l->batch[i] = NULL;
		if (m)
			mail_post(l, &l->r->loops[i], m);
	}
}

/* ---- the region ---- */

uint8_t *dloop_room(struct dloop *l)
{
	if (REGION_SIZE - l->region_used < READ_ROOM)
		egress_flush_all(l);
	return l->region + l->region_used;
}

void count_drop(struct dloop *l, enum derp_drop why, bool disco, size_t packet_len)
{
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

static void bury(struct dloop *l)
{
	for (size_t i = 0; i < l->dead.n; i++)
		free(l->dead.v[i]);
	l->dead.n = 0;
}

static void on_turn_end(void *arg)
{
	struct dloop *l = arg;

	dloop_drain(l);
	egress_flush_all(l);
	batches_post(l);
	dloop_drain(l);
	egress_flush_all(l);
	bury(l);
	l->turn_bytes = 0;
	pause_well(l);
}

/* ---- the registrar ---- */

static struct dloop *registrar(struct derp_relay *r)
{
	return &r->loops[0];
}

static void tell_all(struct derp_relay *r, enum mail_type type, const uint8_t *key, uint64_t value)
{
	for (unsigned i = 0; i < r->n; i++) {
		struct mail *m = mail_new(type, 0);
		memcpy(m->key, key, 32);
		m->value = value;
		mail_post(registrar(r), &r->loops[i], m);
	}
}

static void on_route(void *arg, const uint8_t *key, derp_handle to)
{
	tell_all(arg, MAIL_ROUTE, key, to);
}

static void on_gone(void *arg, const uint8_t *key)
{
	struct derp_relay *r = arg;
	struct node_rate *rate = (struct node_rate *)(uintptr_t)ktab_get(&r->node_rates, key, ktab_hash(key));

	tell_all(r, MAIL_GONE, key, 0);
	if (!rate)
		return;
	ktab_del(&r->node_rates, key, ktab_hash(key));
	node_rate_unref(rate);
}

static struct mail *to_conn(struct derp_relay *r, enum mail_type type, derp_handle c, size_t n, struct dloop **loop)
{
	struct mail *m = mail_new(type, n);

	m->conn = c;
	*loop = &r->loops[DERP_HANDLE_LOOP(c)];
	return m;
}

static void on_standing(void *arg, derp_handle c, enum derp_standing s)
{
	struct dloop *to;
	struct mail *m = to_conn(arg, MAIL_STANDING, c, 0, &to);

	m->value = s;
	mail_post(registrar(arg), to, m);
}

static void on_send(void *arg, derp_handle c, struct bytes frame)
{
	struct dloop *to;
	struct mail *m = to_conn(arg, MAIL_SEND, c, frame.n, &to);

	memcpy(m->data, frame.p, frame.n);
	m->n = frame.n;
	mail_post(registrar(arg), to, m);
}

static void on_close(void *arg, derp_handle c)
{
	struct dloop *to;
	struct mail *m = to_conn(arg, MAIL_CLOSE, c, 0, &to);

	mail_post(registrar(arg), to, m);
}

/* The shared bucket of a node goes to its connection. */
static void send_node_rate(void *arg, const struct registry_conn *c)
{
	struct derp_relay *r = arg;
	uint64_t hash = ktab_hash(c->key);
	struct node_rate *rate = (struct node_rate *)(uintptr_t)ktab_get(&r->node_rates, c->key, hash);
	struct dloop *to;
	struct mail *m;

	if (!rate) {
		rate = xcalloc(1, sizeof *rate);
		atomic_init(&rate->refs, 1);
		ktab_set(&r->node_rates, c->key, hash, (uintptr_t)rate);
	}
	m = to_conn(r, MAIL_LIMITS, c->handle, 0, &to);
	atomic_fetch_add_explicit(&rate->refs, 1, memory_order_relaxed);
	m->rate = rate;
	mail_post(registrar(r), to, m);
}

void node_rate_unref(struct node_rate *r)
{
	if (r && atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1)
		free(r);
}

static void registrar_add(struct derp_relay *r, const struct mail *m)
{
	struct registry_conn c;

	memcpy(&c, m->data, sizeof c);
	c.key = m->key;
	c.app = bytes_of(m->data + sizeof c, c.app.n);
	registry_add(r->registry, &c);
	if (registrar(r)->limits.per_node.per_s)
		send_node_rate(r, &c);
}

struct list_request {
	size_t max;
	void (*done)(void *arg, const struct derp_conn_info *v, size_t n);
	void *arg;
	VEC(struct derp_conn_info) found;
};

static void list_one(void *arg, const struct registry_conn *c)
{
	struct list_request *q = arg;
	struct derp_conn_info i = { .port = c->port, .flags = c->flags };

	if (q->found.n >= q->max)
		return;
	memcpy(i.key.b, c->key, sizeof i.key.b);
	memcpy(i.ip, c->ip, sizeof i.ip);
	if (c->app.n)
		memcpy(i.app, c->app.p, c->app.n);
	vec_push(&q->found, i);
}

static void registrar_list(struct derp_relay *r, struct mail *m)
{
	struct list_request q;

	memcpy(&q, m->data, sizeof q);
	registry_each(r->registry, list_one, &q);
	q.done(q.arg, q.found.v, q.found.n);
	vec_release(&q.found);
}

/* Gauges of the registry, for whoever asks. */
static void publish_counts(struct derp_relay *r)
{
	struct registry_counts c = registry_counts(r->registry);
	struct derp_stats *s = &registrar(r)->stats;

#define PUBLISH(field, v) __atomic_store_n(&s->field, (v), __ATOMIC_RELAXED)
	PUBLISH(clients_local, (int64_t)c.local);
	PUBLISH(clients_remote, (int64_t)c.remote);
	PUBLISH(dup_keys, (int64_t)c.dup_keys);
	PUBLISH(dup_conns, (int64_t)c.dup_conns);
	PUBLISH(watchers, (int64_t)c.watchers);
	PUBLISH(dup_total, c.dup_total);
	PUBLISH(multiforwarder_created, c.multiforwarder_created);
	PUBLISH(multiforwarder_deleted, c.multiforwarder_deleted);
}

static void registrar_handle(struct derp_relay *r, struct mail *m)
{
	switch (m->type) {
	case MAIL_ADD: registrar_add(r, m); break;
	case MAIL_REMOVE: registry_remove(r->registry, m->key, m->conn); break;
	case MAIL_SPOKE: registry_spoke(r->registry, m->key, m->conn); break;
	case MAIL_WATCH: registry_watch(r->registry, m->key, m->conn, r->key.b); break;
	case MAIL_CLOSE_KEY: registry_close_key(r->registry, m->key); break;
	case MAIL_FORWARD_ADD: registry_forward_add(r->registry, m->key, m->conn); break;
	case MAIL_FORWARD_REMOVE: registry_forward_remove(r->registry, m->key, m->conn); break;
	case MAIL_FORWARD_LOST: registry_forward_lost(r->registry, m->conn); break;
	case MAIL_LIST: registrar_list(r, m); break;
	default: break;
	}
	publish_counts(r);
}

/* ---- what a loop is told ---- */

static void set_route(struct dloop *l, const uint8_t *key, derp_handle to)
{
	if (to)
		ktab_set(&l->routes, key, ktab_hash(key), to);
	else
		ktab_del(&l->routes, key, ktab_hash(key));
}

struct gone_call {
	struct dloop *l;
	uint8_t frame[DERP_PEER_GONE_FRAME];
};

static void tell_gone(void *arg, uint32_t listener)
{
	struct gone_call *g = arg;
	struct dconn *c = g->l->slots.v[listener].c;

	if (!c || c->state != D_OPEN)
		return;
	c->heard[0] = c->heard[1] = 0;
	COUNT(g->l, n.peer_gone_disconnected);
	/* Posted, not sent: sending may close a connection, which changes the table that is being walked. */
	struct mail *m = mail_new(MAIL_SEND, sizeof g->frame);
	m->conn = dconn_handle(c);
	m->n = sizeof g->frame;
	memcpy(m->data, g->frame, sizeof g->frame);
	mail_post(g->l, g->l, m);
}

static void key_gone(struct dloop *l, const uint8_t *key)
{
	struct gone_call g = { .l = l };

	derp_put_peer_gone(g.frame, key, DERP_GONE_DISCONNECTED);
	heard_take(l->heard, key, ktab_hash(key), tell_gone, &g);
}

static void each_conn(struct dloop *l, void (*fn)(struct dconn *c, const struct mail *m), const struct mail *m)
{
	for (size_t i = 0; i < l->slots.n; i++)
		if (l->slots.v[i].c)
			fn(l->slots.v[i].c, m);
}

static void recheck_one(struct dconn *c, const struct mail *m)
{
	(void)m;
	dconn_recheck(c);
}

static void limit_one(struct dconn *c, const struct mail *m)
{
	(void)m;
	dconn_limits(c);
}

static void send_one(struct dconn *c, const struct mail *m)
{
	if (c->state == D_OPEN && c->role == D_CLIENT)
		egress_control(c, bytes_of(m->data, m->n));
}

static void close_one(struct dconn *c, const struct mail *m)
{
	(void)m;
	dconn_close(c, DERP_CLOSE_shutdown);
}

static void loop_limits(struct dloop *l, const struct mail *m)
{
	memcpy(&l->limits, m->data, sizeof l->limits);
	each_conn(l, limit_one, m);
	if (l->index == 0 && l->limits.per_node.per_s)
		registry_each(l->r->registry, send_node_rate, l->r);
}

static void give_rate(struct dconn *c, struct mail *m)
{
	if (!c->limiter)
		dconn_limits(c);
	if (!c->limiter)
		return;
	node_rate_unref(c->limiter->node);
	c->limiter->node = m->rate;
	m->rate = NULL;
}

static void conn_handle(struct dloop *l, struct mail *m)
{
	struct dconn *c = dloop_conn(l, m->conn);

	if (!c)
		return;
	switch (m->type) {
	case MAIL_STANDING: dconn_standing(c, (enum derp_standing)m->value); break;
	case MAIL_SEND: egress_control(c, bytes_of(m->data, m->n)); break;
	case MAIL_CLOSE: dconn_close(c, DERP_CLOSE_disconnected); break;
	case MAIL_VERDICT: dconn_verdict(c, m->value); break;
	case MAIL_LIMITS: give_rate(c, m); break;
	default: break;
	}
}

static void loop_down(struct dloop *l, struct mail *m)
{
	l->down = true;
	mesh_stop(l);
	each_conn(l, close_one, m);
}

static void mail_handle(struct dloop *l, struct mail *m)
{
	switch (m->type) {
	case MAIL_ROUTE: set_route(l, m->key, m->value); break;
	case MAIL_GONE: key_gone(l, m->key); break;
	case MAIL_STANDING:
	case MAIL_SEND:
	case MAIL_CLOSE:
	case MAIL_VERDICT: conn_handle(l, m); break;
	case MAIL_LIMITS:
		if (m->conn)
			conn_handle(l, m);
		else
			loop_limits(l, m);
		break;
	case MAIL_BATCH:
		atomic_fetch_sub_explicit(&l->inbox_bytes, (int_fast64_t)m->n, memory_order_relaxed);
		ingress_batch(l, m);
		vec_push(&l->retired, m); /* its bytes wait to be written */
		return;
	case MAIL_RECHECK: each_conn(l, recheck_one, m); break;
	case MAIL_TO_ALL: each_conn(l, send_one, m); break;
	case MAIL_SHUTDOWN: loop_down(l, m); break;
	default: registrar_handle(l->r, m); break;
	}
	mail_free(m);
}

/* ---- public ---- */

static uint32_t or_default(uint32_t v, uint32_t d)
{
	return v ? v : d;
}

static void fill_defaults(struct derp_settings *s)
{
	s->max_conns = or_default(s->max_conns, 1000000);
	s->max_logins = or_default(s->max_logins, 20000);
	s->login_ms = or_default(s->login_ms, 10000);
	s->write_stall_ms = or_default(s->write_stall_ms, 2000);
	s->mesh_stall_ms = or_default(s->mesh_stall_ms, 30000);
	s->keepalive_ms = or_default(s->keepalive_ms, 60000);
	if (s->batch_us != UINT32_MAX)
		s->batch_us = or_default(s->batch_us, 100);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		s->no_spin = true; /* it would keep the one processor from whom we wait for */
	if (!s->queue_bytes)
		s->queue_bytes = (size_t)256 << 20;
}

static void raise_bursts(struct derp_limits *l)
{
	if (l->per_conn.burst < DERP_SEND_MAX)
		l->per_conn.burst = DERP_SEND_MAX;
	if (l->per_node.burst < DERP_SEND_MAX)
		l->per_node.burst = DERP_SEND_MAX;
}

struct derp_relay *derp_relay_new(const struct derp_settings *settings)
{
	static const struct registry_ops ops = { on_route, on_gone, on_standing, on_send, on_close };
	struct derp_relay *r = xcalloc(1, sizeof *r);

	assert(settings->loops >= 1 && settings->loops <= DERP_LOOPS_MAX);
	r->set = *settings;
	fill_defaults(&r->set);
	raise_bursts(&r->set.limits);
	r->n = settings->loops;
	r->key = node_private_public(&r->set.key);
	r->registry = registry_new(&ops, r);
	r->loops = xcalloc(r->n, sizeof *r->loops);
	for (unsigned i = 0; i < r->n; i++) {
		struct dloop *l = &r->loops[i];
		l->r = r;
		l->index = i;
		l->local_tail = &l->local;
		l->heard = heard_new(HEARD_MAX);
		l->batch = xcalloc(r->n, sizeof *l->batch);
		l->queue_budget = (int64_t)(r->set.queue_bytes / r->n);
		l->limits = r->set.limits;
	}
	return r;
}

void derp_relay_attach(struct derp_relay *r, unsigned index, struct loop *loop)
{
	struct dloop *l = &r->loops[index];

	assert(index < r->n && !l->attached);
	l->loop = loop;
	l->attached = true;
	l->region = xmalloc(REGION_SIZE);
	loop_task_init(&l->end, loop, on_turn_end, l);
}

static void post_to_loops(struct derp_relay *r, enum mail_type type, struct bytes data)
{
	for (unsigned i = 0; i < r->n; i++) {
		struct mail *m = mail_new(type, data.n);
		if (data.n)
			memcpy(m->data, data.p, data.n);
		m->n = data.n;
		mail_post(NULL, &r->loops[i], m);
	}
}

void derp_relay_shutdown(struct derp_relay *r)
{
	if (!atomic_exchange(&r->down, true))
		post_to_loops(r, MAIL_SHUTDOWN, (struct bytes){ 0 });
}

static void dloop_release(struct dloop *l)
{
	struct mail *m;

	dloop_drain(l); /* what the last connections said to the registrar */
	egress_flush_all(l);
	bury(l);
	for (m = take_inbox(l); m;) {
		struct mail *next = m->next;
		mail_free(m);
		m = next;
	}
	mesh_release(l);
	for (unsigned i = 0; i < l->r->n; i++)
		free(l->batch[i]);
	free(l->batch);
	if (l->attached)
		loop_task_cancel(&l->end);
	ktab_release(&l->routes);
	heard_free(&l->heard);
	vec_release(&l->slots);
	vec_release(&l->segs);
	vec_release(&l->touched);
	vec_release(&l->retired);
	vec_release(&l->dead);
	free(l->region);
	free(l->cipher);
	free(l->cout);
	free(l->record);
}

void derp_relay_free(struct derp_relay **rp)
{
	struct derp_relay *r = *rp;
	const struct ktab_slot *s;
	size_t i = 0;

	if (!r)
		return;
	for (unsigned k = r->n; k-- > 0;)
		dloop_release(&r->loops[k]);
	registry_free(&r->registry);
	while ((s = ktab_next(&r->node_rates, &i)) != NULL)
		node_rate_unref((struct node_rate *)(uintptr_t)s->value);
	ktab_release(&r->node_rates);
	free(r->loops);
	secret_wipe(&r->set, sizeof r->set);
	free(r);
	*rp = NULL;
}

const struct node_key *derp_relay_key(const struct derp_relay *r)
{
	return &r->key;
}

void derp_relay_admitted(struct derp_relay *r, derp_handle token, bool yes)
{
	struct dloop *to;
	struct mail *m = to_conn(r, MAIL_VERDICT, token, 0, &to);

	m->value = yes;
	mail_post(NULL, to, m);
}

void derp_relay_disconnect(struct derp_relay *r, const struct node_key *key)
{
	struct mail *m = mail_new(MAIL_CLOSE_KEY, 0);

	memcpy(m->key, key->b, 32);
	mail_post(NULL, registrar(r), m);
}

void derp_relay_recheck(struct derp_relay *r)
{
	post_to_loops(r, MAIL_RECHECK, (struct bytes){ 0 });
}

void derp_relay_set_limits(struct derp_relay *r, const struct derp_limits *limits)
{
	struct derp_limits l = *limits;

	raise_bursts(&l);
	post_to_loops(r, MAIL_LIMITS, bytes_of(&l, sizeof l));
}

void derp_relay_health(struct derp_relay *r, const char *text)
{
	uint8_t frame[DERP_HEADER_LEN + 512];
	size_t n = strlen(text);

	post_to_loops(r, MAIL_TO_ALL,
	              bytes_of(frame, derp_put_health(frame, bytes_of(text, n < 512 ? n : 512))));
}

void derp_relay_restarting(struct derp_relay *r, uint32_t reconnect_in_ms, uint32_t try_for_ms)
{
	uint8_t frame[DERP_HEADER_LEN + 8];

	post_to_loops(r, MAIL_TO_ALL, bytes_of(frame, derp_put_restarting(frame, reconnect_in_ms, try_for_ms)));
}

void derp_relay_list(struct derp_relay *r, size_t max, void (*done)(void *arg, const struct derp_conn_info *v, size_t n),
                     void *arg)
{
	struct list_request q = { .max = max, .done = done, .arg = arg };
	struct mail *m = mail_new(MAIL_LIST, sizeof q);

	memcpy(m->data, &q, sizeof q);
	m->n = sizeof q;
	mail_post(NULL, registrar(r), m);
}

void derp_relay_stats(struct derp_relay *r, struct derp_stats *out)
{
	uint64_t *sum = (uint64_t *)(void *)out;

	/* The struct is nothing but 64-bit numbers: add them word by word. */
	static_assert(sizeof(struct derp_stats) % sizeof(uint64_t) == 0, "only 64-bit members");
	*out = (struct derp_stats){ 0 };
	for (unsigned i = 0; i < r->n; i++) {
		const uint64_t *v = (const uint64_t *)(const void *)&r->loops[i].stats;
		for (size_t k = 0; k < sizeof *out / sizeof *v; k++)
			sum[k] += __atomic_load_n(&v[k], __ATOMIC_RELAXED);
	}
	out->conns = atomic_load_explicit(&r->conns, memory_order_relaxed);
	out->logins_pending = atomic_load_explicit(&r->logins, memory_order_relaxed);
}
