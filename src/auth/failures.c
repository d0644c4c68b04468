/*
 * auth/failures.c -- see auth/failures.h.
 *
 * A table of fixed size in sets of a few places. A new address takes an empty place of its set, else that of the one
 * which failed least: a flood from many addresses does not make the table forget who fails all the time.
 */
#include "auth/failures.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/vec.h"
#include "net/addr.h"

#define SETS   1024u
#define PLACES 4u

struct place {
	uint8_t key[16];
	double used; /* failures that have not come back; 0: empty */
	int64_t at_ns;
};

struct failures {
	pthread_mutex_t lock;
	double max, per_ns;
	uint64_t seed;
	struct place v[SETS][PLACES];
};

struct failures *failures_new(uint32_t per_minute)
{
	struct failures *f = xcalloc(1, sizeof *f);

	pthread_mutex_init(&f->lock, NULL);
	f->max = per_minute;
	f->per_ns = per_minute / (60.0 * (double)NS_PER_S);
	f->seed = random_u64();
	return f;
}

void failures_free(struct failures **f)
{
	if (*f == NULL)
		return;
	pthread_mutex_destroy(&(*f)->lock);
	free(*f);
	*f = NULL;
}

static void key_of(const struct net_addr *from, uint8_t key[static 16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	net_addr_ip16(from, key);
	if (memcmp(key, mapped, sizeof mapped) != 0)
		memset(key + 8, 0, 8);
}

static struct place *set_of(struct failures *f, const uint8_t key[static 16])
{
	uint64_t h = f->seed;

	for (size_t i = 0; i < 16; i++)
		h = (h ^ key[i]) * 1099511628211u;
	return f->v[(h ^ (h >> 29)) % SETS];
}

/* What has come back since it was looked at last. */
static void refill(const struct failures *f, struct place *p, int64_t now)
{
	p->used -= (double)(now - p->at_ns) * f->per_ns;
	p->at_ns = now;
	if (p->used < 0)
		p->used = 0;
}

/* Of this address; NULL: it did not fail lately. least_out: the place to take for it. With the lock. */
static struct place *find(struct failures *f, const uint8_t key[static 16], int64_t now, struct place **least_out)
{
	struct place *set = set_of(f, key), *least = set;

	for (unsigned i = 0; i < PLACES; i++) {
		refill(f, &set[i], now);
		if (set[i].used > 0 && memcmp(set[i].key, key, 16) == 0)
			return &set[i];
		if (set[i].used < least->used)
			least = &set[i];
	}
	*least_out = least;
	return NULL;
}

void failures_note(struct failures *f, const struct net_addr *from, int64_t mono_ns)
{
	struct place *p, *least = NULL;
	uint8_t key[16];

	if (net_addr_is_loopback(from))
		return;
	key_of(from, key);
	pthread_mutex_lock(&f->lock);
	p = find(f, key, mono_ns, &least);
	if (p == NULL) {
		p = least;
		memcpy(p->key, key, sizeof key);
		p->used = 0;
	}
	if (p->used < f->max)
		p->used += 1;
	pthread_mutex_unlock(&f->lock);
}

bool failures_used_up(struct failures *f, const struct net_addr *from, int64_t mono_ns)
{
	struct place *p, *least;
	uint8_t key[16];
	bool up;

	if (f == NULL || net_addr_is_loopback(from))
		return false;
	key_of(from, key);
	pthread_mutex_lock(&f->lock);
	p = find(f, key, mono_ns, &least);
	up = p != NULL && p->used > f->max - 1;
	pthread_mutex_unlock(&f->lock);
	return up;
}
