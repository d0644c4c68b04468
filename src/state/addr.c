/* state/addr.c -- see state/addr.h. */
#include "state/addr.h"

#include "base/random.h"

#define V4(a, b, c, d) { IP_V4, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d } }
#define ULA_53(last) { IP_V6, { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last } }

static const struct ip_range reserved[] = {
	{ V4(100, 100, 0, 0), V4(100, 100, 0, 255) },         /* the hosted service's own */
	{ V4(100, 100, 100, 100), V4(100, 100, 100, 100) },   /* MagicDNS */
	{ V4(100, 115, 92, 0), V4(100, 115, 93, 255) },       /* ChromeOS */
	{ ULA_53(0x53), ULA_53(0x53) },                       /* MagicDNS */
};

/* The reserved range that holds a; NULL if it is free for nodes. first and last of the prefix count. */
static const struct ip_range *reserved_at(const struct ip_addr *a)
{
	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
		if (a->family == reserved[i].from.family && ip_cmp(a, &reserved[i].from) >= 0 &&
		    ip_cmp(a, &reserved[i].to) <= 0)
			return &reserved[i];
	return NULL;
}

bool addr_reserved(const struct ip_prefix *p, const struct ip_addr *a)
{
	struct ip_range all = ip_range_of_prefix(*p);

	return ip_eq(a, &all.from) || ip_eq(a, &all.to) || reserved_at(a) != NULL;
}

void addr_pool_set(struct addr_pool *p, struct ip_prefix prefix, bool random)
{
	if (!ip_prefix_eq(&p->prefix, &prefix) || p->prefix.addr.family != prefix.addr.family) {
		p->prefix = prefix;
		p->last = (struct ip_addr){ 0 };
	}
	p->random = random;
	p->full = false;
}

void addr_pool_seen(struct addr_pool *p, const struct ip_addr *a)
{
	if (p->prefix.addr.family != IP_NONE && ip_prefix_contains(&p->prefix, a) &&
	    (p->last.family == IP_NONE || ip_cmp(a, &p->last) > 0))
		p->last = *a;
}

void addr_pool_freed(struct addr_pool *p)
{
	p->full = false;
}

static struct ip_addr random_in(const struct ip_prefix *p)
{
	struct ip_addr a = p->addr;
	unsigned from = (p->addr.family == IP_V4 ? 96u : 0u) + p->bits; /* first free bit of the 128 */
	uint8_t r[16];

	random_bytes(r, sizeof r);
	for (unsigned bit = from; bit < 128; bit++)
		if (r[bit / 8] >> (7 - bit % 8) & 1)
			a.b[bit / 8] |= (uint8_t)(1u << (7 - bit % 8));
	return a;
}

/* The next address in the prefix that may be given at all, going round at its end; its first one if there is none. */
static struct ip_addr step(const struct ip_prefix *p, struct ip_addr a)
{
	struct ip_range all = ip_range_of_prefix(*p);
	const struct ip_range *r;

	for (unsigned rounds = 0; rounds < 2;) {
		if (ip_cmp(&a, &all.from) < 0 || ip_cmp(&a, &all.to) >= 0) {
			a = all.from;
			rounds++;
		}
		if (!ip_next(&a) || ip_cmp(&a, &all.to) >= 0)
			continue; /* the last one is never given: round once more */
		r = reserved_at(&a);
		if (r == NULL)
			return a;
		a = r->to;
	}
	return all.from;
}

enum status addr_pool_next(struct addr_pool *p, bool (*taken)(void *arg, const struct ip_addr *a), void *arg,
			   struct ip_addr *out)
{
	struct ip_range all;
	struct ip_addr a, first = { 0 };

	if (p->prefix.addr.family == IP_NONE || p->full)
		return ST_TOO_BIG;
	all = ip_range_of_prefix(p->prefix);
	a = p->random ? random_in(&p->prefix) : p->last.family != IP_NONE ? p->last : all.from;
	for (;;) {
		a = step(&p->prefix, a);
		if (ip_eq(&a, &all.from) || (first.family != IP_NONE && ip_eq(&a, &first)))
			break; /* once round */
		if (first.family == IP_NONE)
			first = a;
		if (!taken(arg, &a)) {
			*out = p->last = a;
			return ST_OK;
		}
	}
	p->full = true;
	return ST_TOO_BIG;
}
