/* base/random.c -- see base/random.h. */
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t n)
{
	uint8_t *p = out;

	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		p += got;
		n -= (size_t)got;
	}
}

uint64_t random_u64(void)
{
	uint64_t v;

	random_bytes(&v, sizeof v);
	return v;
}

uint64_t random_below(uint64_t bound)
{
	uint64_t skip = -bound % bound; /* 2^64 mod bound: below it, low results would come once too often */
	uint64_t v;

	do {
		v = random_u64();
	} while (v < skip);
	return v % bound;
}

void random_alnum(char *out, size_t n)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	uint8_t pool[64];
	size_t i = 0;

	while (i < n) {
		random_bytes(pool, sizeof pool);
		for (size_t k = 0; k < sizeof pool && i < n; k++) {
			if (pool[k] < 62 * 4) /* the rest would favour the first letters */
				out[i++] = alphabet[pool[k] % 62];
		}
	}
	out[n] = 0;
}
