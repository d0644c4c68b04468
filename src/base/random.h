/* base/random.h -- random bytes from the kernel. Any thread; never fails (aborts if the kernel has none). */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t n);
uint64_t random_u64(void);
/** Uniform in 0..bound-1; bound > 0. */
uint64_t random_below(uint64_t bound);
/** n characters of [A-Za-z0-9] and a NUL: out holds n + 1 bytes. */
void random_alnum(char *out, size_t n);

#endif
