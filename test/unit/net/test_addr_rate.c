/* test/unit/net/test_addr_rate.c -- shares of addresses: used up, given back, apart from each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "net/addr.h"
#include "net/addr_rate.h"

static struct net_addr at(const char *ip)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse(bytes_of_str(ip), 1234, &a), ST_OK);
	return a;
}

static void note(struct addr_rate *f, const char *ip, int64_t now, int n)
{
	struct net_addr a = at(ip);

	while (n-- > 0)
		(void)addr_rate_take(f, &a, now);
}

static bool used_up(struct addr_rate *f, const char *ip, int64_t now)
{
	struct net_addr a = at(ip);

	return addr_rate_used_up(f, &a, now);
}

static void so_many_and_no_more(void **state)
{
	struct addr_rate *f = addr_rate_new(30, 0.5);
	int64_t now = 1000 * NS_PER_S;

	(void)state;
	note(f, "192.0.2.1", now, 29);
	assert_false(used_up(f, "192.0.2.1", now));
	note(f, "192.0.2.1", now, 1);
	assert_true(used_up(f, "192.0.2.1", now));
	assert_false(used_up(f, "192.0.2.2", now)); /* another's are another's */
	addr_rate_free(&f);
	assert_null(f);
}

static void they_come_back_one_by_one(void **state)
{
	struct addr_rate *f = addr_rate_new(30, 0.5);
	int64_t now = 1000 * NS_PER_S;

	(void)state;
	note(f, "192.0.2.1", now, 1000); /* more than there are count as all */
	assert_true(used_up(f, "192.0.2.1", now + NS_PER_S));
	assert_false(used_up(f, "192.0.2.1", now + 2 * NS_PER_S + 1000)); /* 30 a minute: one in two seconds */
	note(f, "192.0.2.1", now + 2 * NS_PER_S + 1000, 1);
	assert_true(used_up(f, "192.0.2.1", now + 2 * NS_PER_S + 1000));
	assert_false(used_up(f, "192.0.2.1", now + 120 * NS_PER_S));
	note(f, "192.0.2.1", now + 120 * NS_PER_S, 29);
	assert_false(used_up(f, "192.0.2.1", now + 120 * NS_PER_S));
	addr_rate_free(&f);
}

static void a_network_of_ipv6_is_one(void **state)
{
	struct addr_rate *f = addr_rate_new(2, 2 / 60.0);
	int64_t now = 1000 * NS_PER_S;

	(void)state;
	note(f, "2001:db8:1:2::1", now, 1);
	note(f, "2001:db8:1:2:ffff::9", now, 1);
	assert_true(used_up(f, "2001:db8:1:2::77", now));
	assert_false(used_up(f, "2001:db8:1:3::77", now));
	note(f, "192.0.2.1", now, 2);
	assert_true(used_up(f, "::ffff:192.0.2.1", now)); /* the same address, written otherwise */
	addr_rate_free(&f);
}

static void what_is_refused_uses_nothing(void **state)
{
	struct net_addr a = at("::ffff:192.0.2.1"), b = at("::ffff:192.0.2.2");
	struct addr_rate *f = addr_rate_new(2, 1);
	int64_t now = 1000 * NS_PER_S;

	(void)state;
	assert_true(addr_rate_take(f, &a, now));
	assert_true(addr_rate_take(f, &a, now));
	for (int i = 0; i < 100; i++)
		assert_false(addr_rate_take(f, &a, now));
	assert_true(addr_rate_take(f, &b, now)); /* of IPv4, as a socket of both families gives it: not one network */
	assert_true(addr_rate_take(f, &a, now + NS_PER_S + 1000));
	assert_false(addr_rate_take(f, &a, now + NS_PER_S + 1000));
	addr_rate_free(&f);
	assert_true(addr_rate_take(NULL, &a, now));
	assert_false(addr_rate_used_up(NULL, &a, now));
}

static void a_flood_does_not_make_it_forget(void **state)
{
	struct addr_rate *f = addr_rate_new(30, 0.5);
	int64_t now = 1000 * NS_PER_S;
	char ip[32];

	(void)state;
	note(f, "192.0.2.1", now, 30);
	for (int i = 0; i < 100000; i++) {
		snprintf(ip, sizeof ip, "10.%d.%d.%d", i >> 16, (i >> 8) & 255, i & 255);
		note(f, ip, now, 1);
	}
	assert_true(used_up(f, "192.0.2.1", now));
	addr_rate_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_and_no_more),
		cmocka_unit_test(they_come_back_one_by_one),
		cmocka_unit_test(a_network_of_ipv6_is_one),
		cmocka_unit_test(what_is_refused_uses_nothing),
		cmocka_unit_test(a_flood_does_not_make_it_forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
