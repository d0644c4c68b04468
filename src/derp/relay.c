/*
 * derp/relay.c -- settings, loops, and the functions that any thread may call (see derp/relay.h).
 *
 * Loop 0 is the registrar (registrar.c). A loop keeps the routes it is told as a table of its own, so the way of a packet
 * takes no lock.
 */
#include "derp/relay.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "derp/relay_priv.h"

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
	s->user_timeout_ms = or_default(s->user_timeout_ms, 15000);
	s->tcp_idle_s = or_default(s->tcp_idle_s, 600);
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

void publish_limits(struct dloop *l)
{
	const struct rate_limit *one = &l->limits.per_conn;

	__atomic_store_n(&l->stats.rate_per_s, (int64_t)one->per_s, __ATOMIC_RELAXED);
	__atomic_store_n(&l->stats.rate_burst, one->per_s ? (int64_t)one->burst : 0, __ATOMIC_RELAXED);
}

struct derp_relay *derp_relay_new(const struct derp_settings *settings)
{
	struct derp_relay *r = xcalloc(1, sizeof *r);

	assert(settings->loops >= 1 && settings->loops <= DERP_LOOPS_MAX);
	r->set = *settings;
	fill_defaults(&r->set);
	raise_bursts(&r->set.limits);
	r->n = settings->loops;
	r->key = node_private_public(&r->set.key);
	r->registry = registry_new(&registrar_ops, r);
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
		if (i == 0)
			publish_limits(l);
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
	loop_task_init(&l->end, loop, dloop_turn_end, l);
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
	dloop_bury(l);
	for (m = mail_take_inbox(l); m;) {
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
	struct mail *m = mail_to_conn(r, MAIL_VERDICT, token, 0, &to);

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
