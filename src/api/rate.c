/*
 * api/rate.c -- how many requests an address has left: a bucket for each that fills by the second.
 *
 * A table of fixed size: of the addresses that share a place, the one that asks last has it. Whoever is pushed out begins with a
 * full bucket, so a flood from many addresses never locks out an honest one.
 */
#include <pthread.h>
#include <stdlib.h>

#include "api/api_priv.h"
#include "base/random.h"
#include "base/vec.h"

#define PLACES 1024u

struct bucket {
	uint8_t key[16];
	double left;
	int64_t at_ns;
};

struct api_rate {
	pthread_mutex_t lock;
	double per_second;
	uint64_t seed;
	struct bucket v[PLACES];
};

struct api_rate *api_rate_new(uint32_t per_second)
{
	struct api_rate *r = xcalloc(1, sizeof *r);

	pthread_mutex_init(&r->lock, NULL);
	r->per_second = per_second;
	r->seed = random_u64();
	return r;
}

void api_rate_free(struct api_rate **r)
{
	if (*r == NULL)
		return;
	pthread_mutex_destroy(&(*r)->lock);
	free(*r);
	*r = NULL;
}

static struct bucket *place_of(struct api_rate *r, const uint8_t key[static 16])
{
	uint64_t h = r->seed;

	for (size_t i = 0; i < 16; i++)
		h = (h ^ key[i]) * 1099511628211u;
	return &r->v[(h ^ (h >> 32)) % PLACES];
}

bool api_rate_take(struct api_rate *r, const struct net_addr *from, int64_t mono_ns)
{
	uint8_t key[16] = { 0 };
	struct bucket *b;
	bool ok;

	net_addr_ip16(from, key);
	if (net_addr_family(from) == AF_INET6)
		memset(key + 8, 0, 8); /* a /64 is one customer */
	pthread_mutex_lock(&r->lock);
	b = place_of(r, key);
	if (b->at_ns == 0 || memcmp(b->key, key, sizeof key) != 0) {
		memcpy(b->key, key, sizeof key);
		b->left = 2 * r->per_second;
	} else {
		b->left += (double)(mono_ns - b->at_ns) / 1e9 * r->per_second;
	}
	if (b->left > 2 * r->per_second)
		b->left = 2 * r->per_second;
	b->at_ns = mono_ns;
	ok = b->left >= 1;
	if (ok)
		b->left -= 1;
	pthread_mutex_unlock(&r->lock);
	return ok;
}
