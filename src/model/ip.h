/*
 * model/ip.h -- addresses, prefixes and sorted sets of ranges.
 *
 * An IPv4 address is held in the last four bytes of b, the rest zero; `family` tells which it is.
 * IPv4-mapped IPv6 text ("::ffff:1.2.3.4") stays IPv6. Zones are not held. Pure; any thread.
 */
#ifndef MODEL_IP_H
#define MODEL_IP_H

#include "base/bytes.h"
#include "base/status.h"

enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

struct ip_addr {
	uint8_t family; /* enum ip_family; IP_NONE: not set */
	uint8_t b[16];  /* network order; IPv4 in b[12..15] */
};

struct ip_prefix {
	struct ip_addr addr; /* as written: host bits may be set, see ip_prefix_masked */
	uint8_t bits;        /* 0..32 or 0..128 */
};

struct ip_range {
	struct ip_addr from, to; /* inclusive, same family, from <= to */
};

#define IP_TEXT_MAX 48     /* an address with its NUL */
#define IP_PREFIX_TEXT_MAX 52

/** Go's netip rules: dotted quad without leading zeros, RFC 5952/4291 IPv6; no zone, no spaces. */
enum status ip_parse(struct bytes in, struct ip_addr *out) MUST_CHECK;
/** "addr/bits". Host bits are kept. */
enum status ip_prefix_parse(struct bytes in, struct ip_prefix *out) MUST_CHECK;
/** RFC 5952 text; returns the length. IP_NONE gives "". */
size_t ip_format(const struct ip_addr *a, char out[static IP_TEXT_MAX]);
size_t ip_prefix_format(const struct ip_prefix *p, char out[static IP_PREFIX_TEXT_MAX]);

/** IPv4 before IPv6, then by value: <0, 0, >0. */
int ip_cmp(const struct ip_addr *a, const struct ip_addr *b);
bool ip_eq(const struct ip_addr *a, const struct ip_addr *b);
/**
 * By family, then address as written, then fewer bits first: <0, 0, >0. Newer Go sorts masked prefixes by
 * family, bits and address instead; nothing on the wire asks for that order.
 */
int ip_prefix_cmp(const struct ip_prefix *a, const struct ip_prefix *b);
bool ip_prefix_eq(const struct ip_prefix *a, const struct ip_prefix *b);
struct ip_prefix ip_prefix_masked(struct ip_prefix p);
bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a);
/** Every address of `inner` lies in `outer` (same family). */
bool ip_prefix_covers(const struct ip_prefix *outer, const struct ip_prefix *inner);
bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b);
/** 0.0.0.0/0 or ::/0. */
bool ip_prefix_is_default(const struct ip_prefix *p);
struct ip_prefix ip_prefix_of(struct ip_addr a); /* /32 or /128 */
struct ip_range ip_range_of_prefix(struct ip_prefix p);
/** The next and the previous address; false at the family's end. */
bool ip_next(struct ip_addr *a);
bool ip_prev(struct ip_addr *a);

/* A set of addresses: sorted, disjoint, non-adjacent ranges. Zero-initialise; heap memory. */
struct ip_set {
	struct ip_range *r; /* owned */
	size_t n, cap;
};
void ip_set_release(struct ip_set *s);
/* A range that is none (families differ, from > to, IP_NONE) changes nothing. */
void ip_set_add_range(struct ip_set *s, struct ip_range r);
void ip_set_add_prefix(struct ip_set *s, struct ip_prefix p);
void ip_set_remove_range(struct ip_set *s, struct ip_range r);
void ip_set_remove_prefix(struct ip_set *s, struct ip_prefix p);
void ip_set_add_set(struct ip_set *s, const struct ip_set *o);
bool ip_set_contains(const struct ip_set *s, const struct ip_addr *a);
bool ip_set_overlaps_prefix(const struct ip_set *s, const struct ip_prefix *p);
bool ip_set_covers_prefix(const struct ip_set *s, const struct ip_prefix *p);
/** The fewest prefixes that make up `r`, in order: at most 2*bits; returns their number, fills at most max. */
size_t ip_range_prefixes(struct ip_range r, struct ip_prefix *out, size_t max);

#endif
