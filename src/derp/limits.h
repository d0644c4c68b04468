/*
 * derp/limits.h -- rate limits from a file, as derper's -rate-config takes them.
 */
#ifndef DERP_LIMITS_H
#define DERP_LIMITS_H

#include "derp/relay.h"

/**
 * {"PerClientRateLimitBytesPerSec": n, "PerClientRateBurstBytes": n}, and for all connections of a node together
 * "PerNodeRateLimitBytesPerSec", "PerNodeRateBurstBytes". Absent or 0: no limit. ST_BAD_INPUT: err says what.
 */
enum status derp_limits_parse(struct bytes json, struct derp_limits *out, struct err *err) MUST_CHECK;

#endif
