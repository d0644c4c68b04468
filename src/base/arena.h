/*
 * base/arena.h -- memory that goes together.
 *
 * A request, a parse, a compilation has an arena; everything made for it comes from there and is
 * released with it. Small allocations abort the process when memory is gone, so they never fail.
 * Not thread-safe: one owner at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/bytes.h"
#include "base/status.h"

struct arena;

/** A new arena; returned (arena_free). The first block is made at first use. */
struct arena *arena_new(void);

/** The same with a first block of `first` bytes, for what will live long and hold little; later blocks grow as usual. */
struct arena *arena_new_sized(size_t first);

/** Run the clean-ups (last first), release everything, clear *a. Accepts NULL inside. */
void arena_free(struct arena **a);

/** Like free + new, but keeps one block for the next round. */
void arena_reset(struct arena *a);

/** n zeroed bytes aligned for any type; lives as long as the arena. n may be 0. */
void *arena_alloc(struct arena *a, size_t n);

/** count * size zeroed bytes; aborts on overflow (bound counts from outside first). */
void *arena_array(struct arena *a, size_t count, size_t size);

#define ARENA_NEW(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_array((a), (n), sizeof(T)))

/** NUL-terminated copies. arena_strdup(NULL) is NULL. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const void *p, size_t n);
struct bytes arena_bytes_dup(struct arena *a, struct bytes b);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/** Call fn(arg) when the arena is freed or reset; last registered first. */
void arena_on_free(struct arena *a, void (*fn)(void *arg), void *arg);

/** Bytes taken from the system so far. */
size_t arena_size(const struct arena *a);

#endif
