/* base/utf8.h -- is it UTF-8? No overlong forms, no surrogates, nothing above U+10FFFF. Pure; any thread. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/bytes.h"

/** Bytes of the character at the front of `in` (1..4), or 0 if none stands there or `in` is empty. */
size_t utf8_len(struct bytes in);

/** The whole of `in` is UTF-8. NUL is a character like any other. */
bool utf8_valid(struct bytes in);

#endif
