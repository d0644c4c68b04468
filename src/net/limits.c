/*
 * net/limits.c -- see net/limits.h.
 *
 * Addresses stand in an open table with linear probing and removal by shifting back, keyed with a random seed so
 * that nobody can choose addresses that collide. Connections come and go rarely enough for one mutex.
 */
#include "net/limits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/vec.h"
#include "net/counters.h"

#define FIRST_SLOTS 64u

struct slot {
	uint8_t key[16];
	uint32_t n; /* 0: free */
};

struct conn_limits {
	atomic_uint refs;
	pthread_mutex_t lock;
	struct conn_limits_opts opts;
	uint32_t open;
	struct slot *slots;
	uint32_t n_slots, used; /* n_slots: a power of two */
	uint64_t seed;
};

struct conn_limits *conn_limits_new(const struct conn_limits_opts *o)
{
	struct conn_limits *c = xcalloc(1, sizeof *c);

	atomic_init(&c->refs, 1);
	if (pthread_mutex_init(&c->lock, NULL) != 0)
		abort();
	c->opts = *o;
	c->n_slots = FIRST_SLOTS;
	c->slots = xcalloc(c->n_slots, sizeof *c->slots);
	c->seed = random_u64() | 1;
	return c;
}

struct conn_limits *conn_limits_ref(struct conn_limits *c)
{
	if (c)
		atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void conn_limits_unref(struct conn_limits **cp)
{
	struct conn_limits *c = *cp;

	*cp = NULL;
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c->slots);
	free(c);
}

void conn_limits_set(struct conn_limits *c, const struct conn_limits_opts *o)
{
	pthread_mutex_lock(&c->lock);
	c->opts = *o;
	pthread_mutex_unlock(&c->lock);
}

uint32_t conn_limits_open(const struct conn_limits *c)
{
	struct conn_limits *w = (struct conn_limits *)c;
	uint32_t n;

	pthread_mutex_lock(&w->lock);
	n = c->open;
	pthread_mutex_unlock(&w->lock);
	return n;
}

uint32_t conn_limits_max_pending(struct conn_limits *c)
{
	uint32_t n;

	if (!c)
		return 0;
	pthread_mutex_lock(&c->lock);
	n = c->opts.max_pending;
	pthread_mutex_unlock(&c->lock);
	return n;
}

/* Who is one stranger: an IPv4 address, an IPv6 /64. False: not counted by address. */
static bool key_of(const struct conn_limits *c, const struct net_addr *a, uint8_t key[static 16])
{
	int family = net_addr_family(a);

	if ((family != AF_INET && family != AF_INET6) || (c->opts.exempt != NULL && c->opts.exempt(c->opts.exempt_arg, a)))
		return false;
	net_addr_ip16(a, key);
	if (family == AF_INET6)
		memset(key + 8, 0, 8);
	return true;
}

static uint32_t home(const struct conn_limits *c, const uint8_t key[static 16])
{
	uint64_t a, b, h;

	memcpy(&a, key, 8);
	memcpy(&b, key + 8, 8);
	h = (a ^ c->seed) * 0x9e3779b97f4a7c15u;
	h = (h ^ (h >> 32) ^ b) * (c->seed | 1);
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9u;
	return (uint32_t)(h >> 32) & (c->n_slots - 1);
}

static struct slot *find(const struct conn_limits *c, const uint8_t key[static 16])
{
	uint32_t i = home(c, key);

	while (c->slots[i].n && memcmp(c->slots[i].key, key, 16) != 0)
		i = (i + 1) & (c->n_slots - 1);
	return &c->slots[i];
}

static void grow(struct conn_limits *c)
{
	struct slot *old = c->slots;
	uint32_t n = c->n_slots;

	c->n_slots *= 2;
	c->slots = xcalloc(c->n_slots, sizeof *c->slots);
	for (uint32_t i = 0; i < n; i++)
		if (old[i].n)
			*find(c, old[i].key) = old[i];
	free(old);
}

static void forget(struct conn_limits *c, struct slot *s)
{
	uint32_t mask = c->n_slots - 1, hole = (uint32_t)(s - c->slots), i = hole;

	c->used--;
	c->slots[hole].n = 0;
	for (i = (i + 1) & mask; c->slots[i].n; i = (i + 1) & mask) {
		uint32_t h = home(c, c->slots[i].key);

		if (((i - h) & mask) < ((i - hole) & mask))
			continue; /* is at home between the hole and here */
		c->slots[hole] = c->slots[i];
		c->slots[i].n = 0;
		hole = i;
	}
}

static enum status enter_locked(struct conn_limits *c, const struct net_addr *a)
{
	uint8_t key[16];
	struct slot *s;

	if (c->opts.max_total && c->open >= c->opts.max_total) {
		net_count(NET_COUNT_REFUSED_TOTAL);
		return ST_BUSY;
	}
	if (key_of(c, a, key)) {
		s = find(c, key);
		if (c->opts.max_per_address && s->n >= c->opts.max_per_address) {
			net_count(NET_COUNT_REFUSED_ADDRESS);
			return ST_BUSY;
		}
		if (s->n == 0) {
			if (c->used >= c->n_slots / 2) {
				grow(c);
				s = find(c, key);
			}
			memcpy(s->key, key, 16);
			c->used++;
		}
		s->n++;
	}
	c->open++;
	return ST_OK;
}

enum status conn_limits_enter(struct conn_limits *c, const struct net_addr *a)
{
	enum status s;

	if (!c)
		return ST_OK;
	pthread_mutex_lock(&c->lock);
	s = enter_locked(c, a);
	pthread_mutex_unlock(&c->lock);
	return s;
}

void conn_limits_leave(struct conn_limits *c, const struct net_addr *a)
{
	uint8_t key[16];

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->open--;
	if (key_of(c, a, key)) {
		struct slot *s = find(c, key);

		if (s->n && --s->n == 0)
			forget(c, s);
	}
	pthread_mutex_unlock(&c->lock);
}
