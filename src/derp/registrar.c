/*
 * derp/registrar.c -- loop 0 alone owns the registry, decides for all, and tells each loop where a key's packets go (see
 * derp/relay_priv.h).
 */
#include <stdlib.h>

#include "derp/relay_priv.h"

struct dloop *registrar(struct derp_relay *r)
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

struct mail *mail_to_conn(struct derp_relay *r, enum mail_type type, derp_handle c, size_t n, struct dloop **loop)
{
	struct mail *m = mail_new(type, n);

	m->conn = c;
	*loop = &r->loops[DERP_HANDLE_LOOP(c)];
	return m;
}

static void on_standing(void *arg, derp_handle c, enum derp_standing s)
{
	struct dloop *to;
	struct mail *m = mail_to_conn(arg, MAIL_STANDING, c, 0, &to);

	m->value = s;
	mail_post(registrar(arg), to, m);
}

static void on_send(void *arg, derp_handle c, struct bytes frame)
{
	struct dloop *to;
	struct mail *m = mail_to_conn(arg, MAIL_SEND, c, frame.n, &to);

	memcpy(m->data, frame.p, frame.n);
	m->n = frame.n;
	mail_post(registrar(arg), to, m);
}

static void on_close(void *arg, derp_handle c)
{
	struct dloop *to;
	struct mail *m = mail_to_conn(arg, MAIL_CLOSE, c, 0, &to);

	mail_post(registrar(arg), to, m);
}

const struct registry_ops registrar_ops = { on_route, on_gone, on_standing, on_send, on_close };

/* The shared bucket of a node goes to its connection. */
void send_node_rate(void *arg, const struct registry_conn *c)
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
	m = mail_to_conn(r, MAIL_LIMITS, c->handle, 0, &to);
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

void registrar_handle(struct derp_relay *r, struct mail *m)
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
	default: break;
	}
	publish_counts(r);
}
