/*
 * auth/waiting.h -- what waits for a browser to come back: found by a secret, for a while, bounded and fair.
 *
 * When the table or a source is full its oldest entry goes, of the table: one of a source that has the most. So a flood
 * from one address pushes out its own entries. One thread.
 */
#ifndef AUTH_WAITING_H
#define AUTH_WAITING_H

#include "base/bytes.h"

#define WAITING_KEY_LEN 64
#define WAITING_SOURCE_LEN 16

struct waiting;

struct waiting_opts {
	size_t max;             /* entries; 0: 1024 */
	size_t max_per_source;  /* 0: 64 */
	uint64_t lifetime_ms;   /* 0: 15 min */
	void (*release)(void *payload);
};

struct waiting *waiting_new(const struct waiting_opts *o);
void waiting_free(struct waiting **w);

/** key: WAITING_KEY_LEN hex digits at random, copied; payload: taken. Returns how many entries had to go for it. */
size_t waiting_add(struct waiting *w, const char *key, const uint8_t source[static WAITING_SOURCE_LEN], uint64_t now_ms,
		   void *payload);
/** Borrowed until it is taken, pushed out or over; NULL: there is none (any more). Takes the same time for any wrong key. */
void *waiting_find(struct waiting *w, struct bytes key, uint64_t now_ms);
/** The same and out of the table: yours. */
void *waiting_take(struct waiting *w, struct bytes key, uint64_t now_ms);
/**
 * Make room among entries of one kind: the oldest for which same(payload, arg) go until fewer than n are left.
 * Returns how many went.
 */
size_t waiting_thin(struct waiting *w, size_t n, bool (*same)(const void *payload, const void *arg), const void *arg);
size_t waiting_count(const struct waiting *w);

/** The part of an address that counts as one source: IPv4 whole, IPv6 the first 64 bits. */
void waiting_source(const uint8_t ip16[static 16], uint8_t out[static WAITING_SOURCE_LEN]);

#endif
