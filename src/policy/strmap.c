/* policy/strmap.c -- see policy/strmap.h: open addressing, at most half full. */
#include "policy/strmap.h"

#include <stdlib.h>

#include "base/random.h"
#include "base/vec.h"

static uint64_t hash(uint64_t h, struct bytes k)
{
	for (size_t i = 0; i < k.n; i++) {
		h = (h ^ k.p[i]) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return h;
}

static struct strmap_slot *find(const struct strmap *m, struct bytes key, uint64_t h)
{
	size_t i = h & (m->size - 1);

	while (m->slot[i].used && !(m->slot[i].hash == h && bytes_eq(m->slot[i].key, key)))
		i = (i + 1) & (m->size - 1);
	return &m->slot[i];
}

static void grow(struct strmap *m)
{
	struct strmap old = *m;

	m->size = old.size ? old.size * 2 : 32;
	m->slot = xcalloc(m->size, sizeof *m->slot);
	for (size_t i = 0; i < old.size; i++)
		if (old.slot[i].used)
			*find(m, old.slot[i].key, old.slot[i].hash) = old.slot[i];
	free(old.slot);
}

void strmap_release(struct strmap *m)
{
	free(m->slot);
	*m = (struct strmap){ 0 };
}

uint32_t strmap_get(const struct strmap *m, struct bytes key)
{
	const struct strmap_slot *s;

	if (!m->n)
		return STRMAP_NONE;
	s = find(m, key, hash(m->seed, key));
	return s->used ? s->value : STRMAP_NONE;
}

static struct strmap_slot *put(struct strmap *m, struct bytes key, uint32_t value)
{
	struct strmap_slot *s;
	uint64_t h;

	if (!m->seed)
		m->seed = random_u64() | 1;
	if (2 * (m->n + 1) > m->size)
		grow(m);
	h = hash(m->seed, key);
	s = find(m, key, h);
	if (!s->used) {
		*s = (struct strmap_slot){ key, h, value, true };
		m->n++;
	}
	return s;
}

uint32_t strmap_add(struct strmap *m, struct bytes key, uint32_t value)
{
	return put(m, key, value)->value;
}

void strmap_set(struct strmap *m, struct bytes key, uint32_t value)
{
	put(m, key, value)->value = value;
}
