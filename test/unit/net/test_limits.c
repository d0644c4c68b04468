/* test/unit/net/test_limits.c -- connections counted by address, against a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/random.h"
#include "net/limits.h"

#define ADDRS 500
#define STEPS 20000
#define MAX   4

static struct net_addr addr_no(unsigned i)
{
	struct net_addr a;
	char text[48];

	if (i % 2)
		snprintf(text, sizeof text, "10.0.%u.%u", i / 200, i % 200);
	else
		snprintf(text, sizeof text, "2001:db8:%x:%x::%x", i / 100, i % 100, (unsigned)rand() % 1000); /* any in the /64 */
	assert_int_equal(net_addr_parse(bytes_of_str(text), 0, &a), ST_OK);
	return a;
}

static bool is_first(void *arg, const struct net_addr *a)
{
	return net_addr_eq(a, arg);
}

static void who_stands_for_many_is_not_counted_by_address(void **state)
{
	struct net_addr proxy = addr_no(1), other = addr_no(3);
	struct conn_limits *c = conn_limits_new(
		&(struct conn_limits_opts){ .max_per_address = 1, .max_total = 4, .exempt = is_first, .exempt_arg = &proxy });

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(conn_limits_enter(c, &proxy), ST_OK);
	assert_int_equal(conn_limits_enter(c, &other), ST_OK);
	assert_int_equal(conn_limits_enter(c, &proxy), ST_BUSY); /* the limit of all holds for it too */
	conn_limits_leave(c, &proxy);
	assert_int_equal(conn_limits_enter(c, &other), ST_BUSY);
	conn_limits_unref(&c);
}

static void counts_equal_a_plain_list(void **state)
{
	struct conn_limits *c = conn_limits_new(&(struct conn_limits_opts){ .max_per_address = MAX, .max_total = 900 });
	unsigned plain[ADDRS] = { 0 }, total = 0, refused = 0, seed = (unsigned)random_u64();

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (int step = 0; step < STEPS; step++) {
		unsigned i = (unsigned)rand() % ADDRS;
		struct net_addr a = addr_no(i);

		if (rand() % 5 < 3) {
			enum status want = total >= 900 || plain[i] >= MAX ? ST_BUSY : ST_OK;

			assert_int_equal(conn_limits_enter(c, &a), want);
			refused += want != ST_OK;
			plain[i] += want == ST_OK;
			total += want == ST_OK;
		} else if (plain[i]) {
			conn_limits_leave(c, &a);
			plain[i]--;
			total--;
		}
		assert_int_equal(conn_limits_open(c), total);
	}
	assert_true(refused > 0);
	conn_limits_unref(&c);
}

static void local_sockets_count_in_all_but_not_by_address(void **state)
{
	struct conn_limits *c = conn_limits_new(&(struct conn_limits_opts){ .max_per_address = 1, .max_total = 3 });
	struct net_addr a = { .sa = { .sa_family = AF_UNIX } };

	(void)state;
	assert_int_equal(conn_limits_enter(c, &a), ST_OK);
	assert_int_equal(conn_limits_enter(c, &a), ST_OK);
	assert_int_equal(conn_limits_enter(c, &a), ST_OK);
	assert_int_equal(conn_limits_enter(c, &a), ST_BUSY);
	conn_limits_set(c, &(struct conn_limits_opts){ .max_total = 4 });
	assert_int_equal(conn_limits_enter(c, &a), ST_OK);
	conn_limits_unref(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_equal_a_plain_list),
		cmocka_unit_test(who_stands_for_many_is_not_counted_by_address),
		cmocka_unit_test(local_sockets_count_in_all_but_not_by_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
