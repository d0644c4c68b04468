/*
 * net/addr_rate.c -- see net/addr_rate.h.
 *
 * A table of fixed size in sets of a few places. A new address takes an empty place of its set, else that of the one
 * which used least: a flood from many addresses does not make the table forget who asks all the time.
 */
#include "net/addr_rate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/vec.h"
#include "net/addr.h"

#define SETS   1024u
#define PLACES 4u

struct place {
	uint8_t key[16];
	double used; /* and not come back; 0: empty */
	int64_t at_ns;
};

struct addr_rate {
	pthread_mutex_t lock;
	double max, per_ns;
	uint64_t seed;
	struct place v[SETS][PLACES];
};

struct addr_rate *addr_rate_new(double max, double per_second)
{
	struct addr_rate *r = xcalloc(1, sizeof *r);

	pthread_mutex_init(&r->lock, NULL);
	r->max = max;
	r->per_ns = per_second / (double)NS_PER_S;
	r->seed = random_u64();
	return r;
}

void addr_rate_free(struct addr_rate **r)
{
	if (*r == NULL)
		return;
	pthread_mutex_destroy(&(*r)->lock);
	free(*r);
	*r = NULL;
}

static void key_of(const struct net_addr *from, uint8_t key[static 16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	net_addr_ip16(from, key);
	if (memcmp(key, mapped, sizeof mapped) != 0)
		memset(key + 8, 0, 8);
}

static struct place *set_of(struct addr_rate *r, const uint8_t key[static 16])
{
	uint64_t h = bytes_hash(r->seed, bytes_of(key, 16));

	return r->v[(h ^ (h >> 29)) % SETS];
}

/* What has come back since it was looked at last. */
static void refill(const struct addr_rate *r, struct place *p, int64_t now)
{
	p->used -= (double)(now - p->at_ns) * r->per_ns;
	p->at_ns = now;
	if (p->used < 0)
		p->used = 0;
}

/* Of this address; NULL: it did nothing lately. least_out: the place to take for it. With the lock. */
static struct place *find(struct addr_rate *r, const uint8_t key[static 16], int64_t now, struct place **least_out)
{
	struct place *set = set_of(r, key), *least = set;

	for (unsigned i = 0; i < PLACES; i++) {
		refill(r, &set[i], now);
		if (set[i].used > 0 && memcmp(set[i].key, key, 16) == 0)
			return &set[i];
		if (set[i].used < least->used)
			least = &set[i];
	}
	*least_out = least;
	return NULL;
}

bool addr_rate_take(struct addr_rate *r, const struct net_addr *from, int64_t mono_ns)
{
	struct place *p, *least = NULL;
	uint8_t key[16];
	bool ok;

	if (r == NULL)
		return true;
	key_of(from, key);
	pthread_mutex_lock(&r->lock);
	p = find(r, key, mono_ns, &least);
	if (p == NULL) {
		p = least;
		memcpy(p->key, key, sizeof key);
		p->used = 0;
	}
	ok = p->used <= r->max - 1;
	if (ok)
		p->used += 1;
	pthread_mutex_unlock(&r->lock);
	return ok;
}

bool addr_rate_used_up(struct addr_rate *r, const struct net_addr *from, int64_t mono_ns)
{
	struct place *p, *least;
	uint8_t key[16];
	bool up;

	if (r == NULL)
		return false;
	key_of(from, key);
	pthread_mutex_lock(&r->lock);
	p = find(r, key, mono_ns, &least);
	up = p != NULL && p->used > r->max - 1;
	pthread_mutex_unlock(&r->lock);
	return up;
}
