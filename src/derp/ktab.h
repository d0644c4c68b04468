/*
 * derp/ktab.h -- a hash table from node keys to 64-bit values.
 *
 * Keys are chosen by whoever connects, so the hash is keyed with random words of this process. Open addressing,
 * linear probing, no tombstones. One owner thread.
 */
#ifndef DERP_KTAB_H
#define DERP_KTAB_H

#include "base/bytes.h"

struct ktab_slot {
	uint8_t key[32];
	uint64_t value; /* 0: the slot is empty */
};

struct ktab {
	struct ktab_slot *v; /* owned; NULL while cap is 0 */
	size_t n;            /* keys held */
	size_t cap;          /* slots, a power of two */
};

/** The keyed hash, the same for all tables of the process; never 0. key has 32 bytes. */
uint64_t ktab_hash(const uint8_t *key);

void ktab_release(struct ktab *t);
/** The value of a key, or 0 if there is none. */
uint64_t ktab_get(const struct ktab *t, const uint8_t *key, uint64_t hash);
/** Set a key's value (not 0), replacing an old one. Aborts when memory is gone. */
void ktab_set(struct ktab *t, const uint8_t *key, uint64_t hash, uint64_t value);
/** Drop a key; false if there was none. */
bool ktab_del(struct ktab *t, const uint8_t *key, uint64_t hash);

/** Walk all: i begins at 0; NULL at the end. The table must not change meanwhile. */
const struct ktab_slot *ktab_next(const struct ktab *t, size_t *i);

#endif
