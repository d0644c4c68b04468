/*
 * derp/mail.c -- what loops tell each other, and packets on their way to another loop (see derp/relay_priv.h).
 *
 * A mailbox takes from any thread without a lock and is emptied before any socket is read: who has seen a ServerInfo
 * can be reached from everywhere (docs/design/derp.md, "Loops").
 */
#include <stdlib.h>

#include "derp/relay_priv.h"

/* ---- mail ---- */

struct mail *mail_new(enum mail_type type, size_t n)
{
	struct mail *m = xmalloc(sizeof *m + n);

	*m = (struct mail){ .type = type, .cap = n };
	return m;
}

void mail_free(struct mail *m)
{
	if (m->type == MAIL_LIST)
		listing_abandon(m);
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
struct mail *mail_take_inbox(struct dloop *l)
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
			m = mail_take_inbox(l);
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
	if (l->index == 0)
		publish_limits(l);
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
	case MAIL_LIST: listing_visit(l, m); return;
	case MAIL_RECHECK: each_conn(l, recheck_one, m); break;
	case MAIL_TO_ALL: each_conn(l, send_one, m); break;
	case MAIL_SHUTDOWN: loop_down(l, m); break;
	default: registrar_handle(l->r, m); break;
	}
	mail_free(m);
}
