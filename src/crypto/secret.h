/* crypto/secret.h -- compare and wipe what nobody else may learn. Pure; any thread. */
#ifndef CRYPTO_SECRET_H
#define CRYPTO_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/** Equal; the time taken tells the lengths and nothing of the contents. */
bool secret_equal(struct bytes a, struct bytes b);

/** All n bytes are zero, in constant time. */
bool secret_is_zero(const void *p, size_t n);

/** Overwrite with zeros; the compiler may not leave it out. */
void secret_wipe(void *p, size_t n);

#endif
