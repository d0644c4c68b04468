/*
 * base/bytes.h -- a run of bytes that somebody else owns, and comparisons on it.
 *
 * What comes from the wire is `struct bytes`, never a C string.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/status.h"

struct bytes {
	const uint8_t *p; /* borrowed; may be NULL only if n is 0 */
	size_t n;
};

/** memcpy that takes NULL for nothing: an empty list has no memory. */
static inline void mem_copy(void *to, const void *from, size_t n)
{
	if (n > 0)
		memcpy(to, from, n);
}

#define BYTES_LIT(s) ((struct bytes){ (const uint8_t *)(s), sizeof(s) - 1 })

static inline struct bytes bytes_of(const void *p, size_t n)
{
	return (struct bytes){ p, n };
}

static inline struct bytes bytes_of_str(const char *s)
{
	return (struct bytes){ (const uint8_t *)s, s ? strlen(s) : 0 };
}

static inline bool bytes_eq(struct bytes a, struct bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool bytes_eq_str(struct bytes a, const char *s)
{
	return bytes_eq(a, bytes_of_str(s));
}

#define BYTES_HASH_INIT UINT64_C(14695981039346656037)
/** FNV-1a, going on from h (BYTES_HASH_INIT, or a random seed where others choose the bytes). Tells apart, keeps no secret. */
static inline uint64_t bytes_hash(uint64_t h, struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		h = (h ^ b.p[i]) * UINT64_C(1099511628211);
	return h;
}

/** The rest of `b` after its first `n` bytes; n must not pass b.n. */
static inline struct bytes bytes_skip(struct bytes b, size_t n)
{
	return (struct bytes){ b.p + n, b.n - n };
}

/** Order by content, then by length: <0, 0, >0. */
int bytes_cmp(struct bytes a, struct bytes b);

/** Equal as ASCII without regard to case. */
bool bytes_ieq_str(struct bytes a, const char *s);

/** A NUL-terminated copy on the heap; returned (free()). Contents may hold NULs. */
char *bytes_strdup(struct bytes b);

/**
 * Hex, lower case, of `in` into out, 2*n + 1 bytes with the NUL.
 */
void hex_encode(struct bytes in, char *out);

/** Exactly n bytes from 2*n hex digits of either case. ST_BAD_INPUT otherwise. */
enum status hex_decode(struct bytes in, uint8_t *out, size_t n) MUST_CHECK;

#define BASE64_LEN(n) ((((n) + 2) / 3) * 4)
/** Standard base64 with padding; out holds BASE64_LEN(n) + 1 bytes. */
void base64_encode(struct bytes in, char *out);
/** Unpadded base64url; out holds BASE64_LEN(n) + 1 bytes. */
void base64url_encode(struct bytes in, char *out);
/**
 * Decode base64 of either alphabet, padded or not, no white space.
 * out holds at least in.n / 4 * 3 + 3 bytes. ST_BAD_INPUT on anything else.
 */
enum status base64_decode(struct bytes in, uint8_t *out, size_t *n_out)
	MUST_CHECK;

#endif
