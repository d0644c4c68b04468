/*
 * model/lists.h -- immutable, counted lists that nodes share between their versions.
 *
 * Made once, never changed after; copying a node only counts them. NULL is the empty list.
 */
#ifndef MODEL_LISTS_H
#define MODEL_LISTS_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "model/ip.h"

struct str_list {
	atomic_uint refs;
	uint32_t n;
	const char *v[]; /* NUL-terminated, in the same allocation */
};
struct prefix_list {
	atomic_uint refs;
	uint32_t n;
	struct ip_prefix v[];
};
struct endpoint {
	struct ip_addr addr;
	uint16_t port;
	uint8_t type; /* EndpointTypes of the map request: 0 unknown, 1 local, 2 STUN, ... */
};
struct endpoint_list {
	atomic_uint refs;
	uint32_t n;
	struct endpoint v[];
};

/** Copies of n texts / prefixes / endpoints, one reference; n of 0 gives NULL. Returned (.._unref). */
struct str_list *str_list_new(const char *const *v, size_t n);
/** Likewise, sorted by byte order, without duplicates. */
struct str_list *str_list_new_set(const char *const *v, size_t n);
struct prefix_list *prefix_list_new(const struct ip_prefix *v, size_t n);
/** Masked, sorted (ip_prefix_cmp), without duplicates. */
struct prefix_list *prefix_list_new_set(const struct ip_prefix *v, size_t n);
struct endpoint_list *endpoint_list_new(const struct endpoint *v, size_t n);

struct str_list *str_list_ref(struct str_list *l);
void str_list_unref(struct str_list **l);
struct prefix_list *prefix_list_ref(struct prefix_list *l);
void prefix_list_unref(struct prefix_list **l);
struct endpoint_list *endpoint_list_ref(struct endpoint_list *l);
void endpoint_list_unref(struct endpoint_list **l);

bool str_list_eq(const struct str_list *a, const struct str_list *b);
bool str_list_has(const struct str_list *l, const char *s);
bool prefix_list_eq(const struct prefix_list *a, const struct prefix_list *b);
bool prefix_list_has(const struct prefix_list *l, const struct ip_prefix *p);
bool endpoint_list_eq(const struct endpoint_list *a, const struct endpoint_list *b);

#endif
