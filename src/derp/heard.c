/*
 * derp/heard.c -- see derp/heard.h.
 *
 * A pair is a node in two lists, that of its source and that of its listener; pairs lie in one array and name each other
 * by index, 24 bytes each, and are found through a table of indexes hashed by (source, listener).
 */
#include "derp/heard.h"

#include <assert.h>
#include <stdlib.h>

#include "base/vec.h"
#include "derp/ktab.h"

#define NONE UINT32_MAX

struct pair {
	uint32_t source, listener;
	uint32_t src_prev, src_next; /* among the pairs of the source */
	uint32_t lis_prev, lis_next; /* among the pairs of the listener */
};

struct source {
	uint8_t key[32];
	uint64_t hash;
	uint32_t first; /* pair; NONE: the entry is free, and `next_free` holds */
	uint32_t next_free;
};

struct listener {
	uint32_t first, count;
};

struct heard {
	uint32_t max;
	struct ktab by_key; /* source -> index + 1 */
	VEC(struct source) sources;
	uint32_t free_source;
	VEC(struct pair) pairs;
	uint32_t free_pair; /* chained by src_next */
	size_t count;
	VEC(struct listener) listeners;
	uint32_t *index; /* pair index + 1, open addressing; owned */
	size_t index_cap;
};

struct heard *heard_new(uint32_t max_per_listener)
{
	struct heard *h = xcalloc(1, sizeof *h);

	h->max = max_per_listener;
	h->free_source = h->free_pair = NONE;
	return h;
}

void heard_free(struct heard **hp)
{
	struct heard *h = *hp;

	if (!h)
		return;
	ktab_release(&h->by_key);
	vec_release(&h->sources);
	vec_release(&h->pairs);
	vec_release(&h->listeners);
	free(h->index);
	free(h);
	*hp = NULL;
}

static size_t pair_home(const struct heard *h, uint32_t source, uint32_t listener)
{
	uint64_t x = h->sources.v[source].hash + listener * 0x9e3779b97f4a7c15u;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9u;
	return (x ^ x >> 32) & (h->index_cap - 1);
}

static size_t pair_find(const struct heard *h, uint32_t source, uint32_t listener)
{
	size_t i = pair_home(h, source, listener);

	for (; h->index[i]; i = (i + 1) & (h->index_cap - 1)) {
		const struct pair *p = &h->pairs.v[h->index[i] - 1];
		if (p->source == source && p->listener == listener)
			break;
	}
	return i;
}

static void index_resize(struct heard *h, size_t cap)
{
	uint32_t *old = h->index;
	size_t old_cap = h->index_cap;

	h->index = xcalloc(cap, sizeof *h->index);
	h->index_cap = cap;
	for (size_t i = 0; i < old_cap; i++)
		if (old[i]) {
			const struct pair *p = &h->pairs.v[old[i] - 1];
			h->index[pair_find(h, p->source, p->listener)] = old[i];
		}
	free(old);
}

static void index_del(struct heard *h, uint32_t source, uint32_t listener)
{
	size_t mask = h->index_cap - 1, hole = pair_find(h, source, listener);

	assert(h->index[hole]);
	for (size_t i = (hole + 1) & mask; h->index[i]; i = (i + 1) & mask) {
		const struct pair *p = &h->pairs.v[h->index[i] - 1];
		size_t home = pair_home(h, p->source, p->listener);
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			h->index[hole] = h->index[i];
			hole = i;
		}
	}
	h->index[hole] = 0;
}

static uint32_t source_of(struct heard *h, const uint8_t *key, uint64_t hash)
{
	uint64_t v = ktab_get(&h->by_key, key, hash);
	uint32_t i;

	if (v)
		return (uint32_t)v - 1;
	if (h->free_source != NONE) {
		i = h->free_source;
		h->free_source = h->sources.v[i].next_free;
	} else {
		i = (uint32_t)h->sources.n;
		vec_push(&h->sources, (struct source){ .first = NONE });
	}
	memcpy(h->sources.v[i].key, key, 32);
	h->sources.v[i].hash = hash;
	h->sources.v[i].first = NONE;
	ktab_set(&h->by_key, key, hash, (uint64_t)i + 1);
	return i;
}

static void source_drop(struct heard *h, uint32_t s)
{
	ktab_del(&h->by_key, h->sources.v[s].key, h->sources.v[s].hash);
	h->sources.v[s].next_free = h->free_source;
	h->free_source = s;
}

static uint32_t pair_new(struct heard *h)
{
	uint32_t i = h->free_pair;

	if (i != NONE) {
		h->free_pair = h->pairs.v[i].src_next;
		return i;
	}
	i = (uint32_t)h->pairs.n;
	vec_push(&h->pairs, (struct pair){ 0 });
	return i;
}

static void link_pair(struct heard *h, uint32_t i, uint32_t source, uint32_t listener)
{
	struct source *s = &h->sources.v[source];
	struct listener *l = &h->listeners.v[listener];

	h->pairs.v[i] = (struct pair){ source, listener, NONE, s->first, NONE, l->first };
	if (s->first != NONE)
		h->pairs.v[s->first].src_prev = i;
	if (l->first != NONE)
		h->pairs.v[l->first].lis_prev = i;
	s->first = l->first = i;
	l->count++;
	h->count++;
}

/* Out of the lists and the table; the source entry stays even if it has no pair left. */
static void unlink_pair(struct heard *h, uint32_t i)
{
	struct pair p = h->pairs.v[i];

	index_del(h, p.source, p.listener);
	if (p.src_prev != NONE)
		h->pairs.v[p.src_prev].src_next = p.src_next;
	else
		h->sources.v[p.source].first = p.src_next;
	if (p.src_next != NONE)
		h->pairs.v[p.src_next].src_prev = p.src_prev;
	if (p.lis_prev != NONE)
		h->pairs.v[p.lis_prev].lis_next = p.lis_next;
	else
		h->listeners.v[p.listener].first = p.lis_next;
	if (p.lis_next != NONE)
		h->pairs.v[p.lis_next].lis_prev = p.lis_prev;
	h->listeners.v[p.listener].count--;
	h->count--;
	h->pairs.v[i].src_next = h->free_pair;
	h->free_pair = i;
}

bool heard_note(struct heard *h, const uint8_t *source, uint64_t hash, uint32_t listener)
{
	uint32_t s, i;
	size_t at;

	while (h->listeners.n <= listener)
		vec_push(&h->listeners, ((struct listener){ NONE, 0 }));
	if (h->count + 1 > h->index_cap / 4 * 3)
		index_resize(h, h->index_cap ? h->index_cap * 2 : 64);
	s = source_of(h, source, hash);
	at = pair_find(h, s, listener);
	if (h->index[at])
		return true;
	if (h->listeners.v[listener].count >= h->max) {
		if (h->sources.v[s].first == NONE)
			source_drop(h, s);
		return false;
	}
	i = pair_new(h);
	link_pair(h, i, s, listener);
	h->index[at] = i + 1;
	return true;
}

void heard_take(struct heard *h, const uint8_t *source, uint64_t hash, void (*fn)(void *arg, uint32_t listener),
                void *arg)
{
	uint64_t v = ktab_get(&h->by_key, source, hash);
	uint32_t s, i;

	if (!v)
		return;
	s = (uint32_t)v - 1;
	while ((i = h->sources.v[s].first) != NONE) {
		uint32_t listener = h->pairs.v[i].listener;
		unlink_pair(h, i);
		fn(arg, listener);
	}
	source_drop(h, s);
}

void heard_forget(struct heard *h, uint32_t listener)
{
	uint32_t i;

	if (listener >= h->listeners.n)
		return;
	while ((i = h->listeners.v[listener].first) != NONE) {
		uint32_t s = h->pairs.v[i].source;
		unlink_pair(h, i);
		if (h->sources.v[s].first == NONE)
			source_drop(h, s);
	}
}

size_t heard_count(const struct heard *h)
{
	return h->count;
}
