/*
 * derp/ktab.c -- see derp/ktab.h.
 *
 * The hash is a sum of two products of key words with secret words (the NH family), folded: a stranger who cannot
 * see the secret cannot make keys collide more often than chance does. Deleting shifts the rest of the run back.
 */
#include "derp/ktab.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/vec.h"

__extension__ typedef unsigned __int128 wide;

static uint64_t secret[5];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void secret_fill(void)
{
	random_bytes(secret, sizeof secret);
}

static uint64_t word(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

uint64_t ktab_hash(const uint8_t *key)
{
	wide a, b, s;
	uint64_t h;

	pthread_once(&secret_once, secret_fill);
	a = (wide)(word(key) + secret[0]) * (word(key + 8) + secret[1]);
	b = (wide)(word(key + 16) + secret[2]) * (word(key + 24) + secret[3]);
	s = a + b;
	h = ((uint64_t)s ^ (uint64_t)(s >> 64)) * (secret[4] | 1);
	h ^= h >> 32;
	return h ? h : 1;
}

void ktab_release(struct ktab *t)
{
	free(t->v);
	*t = (struct ktab){ 0 };
}

/* Where the key is, or the empty slot where it would go. */
static size_t find(const struct ktab *t, const uint8_t *key, uint64_t hash)
{
	size_t mask = t->cap - 1, i = hash & mask;

	while (t->v[i].value && memcmp(t->v[i].key, key, 32) != 0)
		i = (i + 1) & mask;
	return i;
}

uint64_t ktab_get(const struct ktab *t, const uint8_t *key, uint64_t hash)
{
	return t->cap ? t->v[find(t, key, hash)].value : 0;
}

static void resize(struct ktab *t, size_t cap)
{
	struct ktab next = { .v = xcalloc(cap, sizeof *next.v), .n = t->n, .cap = cap };

	for (size_t i = 0; i < t->cap; i++)
		if (t->v[i].value)
			next.v[find(&next, t->v[i].key, ktab_hash(t->v[i].key))] = t->v[i];
	free(t->v);
	*t = next;
}

void ktab_set(struct ktab *t, const uint8_t *key, uint64_t hash, uint64_t value)
{
	size_t i;

	if (t->n + 1 > t->cap / 4 * 3)
		resize(t, t->cap ? t->cap * 2 : 16);
	i = find(t, key, hash);
	if (!t->v[i].value) {
		memcpy(t->v[i].key, key, 32);
		t->n++;
	}
	t->v[i].value = value;
}

bool ktab_del(struct ktab *t, const uint8_t *key, uint64_t hash)
{
	size_t mask = t->cap - 1, hole, i;

	if (!t->cap)
		return false;
	hole = find(t, key, hash);
	if (!t->v[hole].value)
		return false;
	for (i = (hole + 1) & mask; t->v[i].value; i = (i + 1) & mask) {
		size_t home = ktab_hash(t->v[i].key) & mask;
		/* May move back only if its home does not lie between the hole and itself. */
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			t->v[hole] = t->v[i];
			hole = i;
		}
	}
	t->v[hole].value = 0;
	t->n--;
	if (t->cap > 64 && t->n < t->cap / 8)
		resize(t, t->cap / 2);
	return true;
}

const struct ktab_slot *ktab_next(const struct ktab *t, size_t *i)
{
	while (*i < t->cap) {
		const struct ktab_slot *s = &t->v[(*i)++];
		if (s->value)
			return s;
	}
	return NULL;
}
