/* crypto/secret.c -- see crypto/secret.h. */
#include "crypto/secret.h"

#include <sodium.h>

bool secret_equal(struct bytes a, struct bytes b)
{
	return a.n == b.n && (a.n == 0 || sodium_memcmp(a.p, b.p, a.n) == 0);
}

bool secret_is_zero(const void *p, size_t n)
{
	return sodium_is_zero(p, n) == 1;
}

void secret_wipe(void *p, size_t n)
{
	sodium_memzero(p, n);
}
