/*
 * base/clock.h -- time as numbers, and as RFC 3339 text.
 *
 * Wall clock: int64_t nanoseconds since 1970 UTC, names end in _ns or _unix_ns. TIME_NONE means "not set".
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/bytes.h"
#include "base/status.h"

#define TIME_NONE ((int64_t)INT64_MIN)
#define NS_PER_S ((int64_t)1000000000)
#define NS_PER_MS ((int64_t)1000000)

/** Now, wall clock. Any thread. */
int64_t clock_unix_ns(void);
/** Now, monotonic, ns. Any thread. */
int64_t clock_mono_ns(void);

#define RFC3339_MAX 40
/** UTC with as many fractional digits as needed (none, or without trailing zeros) and `Z`; returns the length. */
size_t rfc3339_format(int64_t unix_ns, char out[static RFC3339_MAX]);
/** Any offset, 0..9 fractional digits. Go's zero time 0001-01-01T00:00:00Z gives TIME_NONE. Years 1678..2261 else ST_BAD_INPUT. */
enum status rfc3339_parse(struct bytes in, int64_t *unix_ns_out) MUST_CHECK;

/**
 * Go's duration text, extended as Prometheus has it: "1h30m", "90s", "1.5h", "100ms", "30d", "2w", "1y".
 * "0" is 0. ST_BAD_INPUT otherwise. The result is in ns.
 */
enum status duration_parse(struct bytes in, int64_t *ns_out) MUST_CHECK;
#define DURATION_TEXT_MAX 48
/** As Go prints it: "1h30m0s", "720h0m0s", "100ms", "0s". */
void duration_format(int64_t ns, char out[static DURATION_TEXT_MAX]);

#endif
