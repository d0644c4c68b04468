/*
 * derp/heard.h -- who got a packet from whom, so that they can be told when that one goes.
 *
 * Sources are node keys, wherever they are connected; listeners are small numbers of the owner (its connection
 * slots). A pair is held once. Each listener has a ceiling of pairs: past it new sources are not remembered, and
 * that listener is not told. One owner thread.
 */
#ifndef DERP_HEARD_H
#define DERP_HEARD_H

#include "base/bytes.h"

struct heard;

/** max_per_listener: pairs a listener may hold. Returned (heard_free). */
struct heard *heard_new(uint32_t max_per_listener);
void heard_free(struct heard **h);

/** listener got a packet from source (32 bytes, hash: its ktab_hash). False if the listener is at its ceiling. */
bool heard_note(struct heard *h, const uint8_t *source, uint64_t hash, uint32_t listener);
/** Call fn for each listener that heard source, and forget those pairs. */
void heard_take(struct heard *h, const uint8_t *source, uint64_t hash, void (*fn)(void *arg, uint32_t listener),
                void *arg);
/** Forget all pairs of a listener. */
void heard_forget(struct heard *h, uint32_t listener);
/** Pairs held. */
size_t heard_count(const struct heard *h);

#endif
