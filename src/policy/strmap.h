/*
 * policy/strmap.h -- text to number, for names that come from outside: hashed with a random seed.
 *
 * Keys are borrowed. Values are 0..UINT32_MAX-1. Not thread-safe while it is filled.
 */
#ifndef POLICY_STRMAP_H
#define POLICY_STRMAP_H

#include "base/bytes.h"

#define STRMAP_NONE UINT32_MAX

struct strmap_slot {
	struct bytes key;
	uint64_t hash;
	uint32_t value;
	bool used;
};
struct strmap {
	struct strmap_slot *slot; /* owned; zero-initialised is empty */
	size_t n, size;
	uint64_t seed;
};

void strmap_release(struct strmap *m);
/** The value of a key, or STRMAP_NONE. */
uint32_t strmap_get(const struct strmap *m, struct bytes key);
/** Set it if it is not there; returns the value it has now. */
uint32_t strmap_add(struct strmap *m, struct bytes key, uint32_t value);

/** Set it whether it is there or not. */
void strmap_set(struct strmap *m, struct bytes key, uint32_t value);

static inline uint32_t strmap_get_str(const struct strmap *m, const char *key)
{
	return strmap_get(m, bytes_of_str(key));
}

#endif
