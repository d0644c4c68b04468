/* net/counters.c -- see net/counters.h. */
#include "net/counters.h"

#include <stdatomic.h>

static atomic_uint_fast64_t counters[NET_COUNTER_COUNT];

static const struct {
	const char *name, *help;
} texts[] = {
#define X(id, name, help) { name, help },
	NET_COUNTERS(X)
#undef X
};

void net_count(enum net_counter c)
{
	net_count_add(c, 1);
}

void net_count_add(enum net_counter c, uint64_t n)
{
	atomic_fetch_add_explicit(&counters[c], n, memory_order_relaxed);
}

uint64_t net_counter_read(enum net_counter c)
{
	return atomic_load_explicit(&counters[c], memory_order_relaxed);
}

const char *net_counter_name(enum net_counter c)
{
	return texts[c].name;
}

const char *net_counter_help(enum net_counter c)
{
	return texts[c].help;
}
