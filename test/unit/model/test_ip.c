/* Tests of model/ip.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/ip.h"

static struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(bytes_of_str(s), &a), ST_OK);
	return a;
}

static struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p;

	assert_int_equal(ip_prefix_parse(bytes_of_str(s), &p), ST_OK);
	return p;
}

static void addresses_come_out_as_rfc_5952_writes_them(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "100.64.0.1", "100.64.0.1" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "1::", "1::" },
		{ "fd7a:115c:a1e0:0:0:0:0:1", "fd7a:115c:a1e0::1" },
		{ "FD7A:115C:A1E0::00Ab", "fd7a:115c:a1e0::ab" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
		{ "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
		{ "::ffff:1.2.3.4", "::ffff:1.2.3.4" },
		{ "::ffff:102:304", "::ffff:1.2.3.4" },
		{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
		{ "1:2:3:4:5:6:77.77.88.88", "1:2:3:4:5:6:4d4d:5858" },
	};
	char text[IP_TEXT_MAX];
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ip_addr a = addr(cases[i].in);

		assert_int_equal(ip_format(&a, text), strlen(cases[i].out));
		assert_string_equal(text, cases[i].out);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {
		"", ".", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "01.2.3.4", "1.2.3.00", "1.2.3.256",
		"1.2.3.4 ", " 1.2.3.4", "1.2.3.-4", "1.2.3.4000000000000000000000",
		":", ":::", "::1::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:", "1:2:3:4:5:6:7:8:9",
		"1:2:3:4::5:6:7:8", "1:2:3:4:5:6:7:8::", "12345::", "g::", "::1.2.3", "::1.2.3.4.5", "1:2:3:4:5:6:7:1.2.3.4",
		"1:1.2.3.4", "fe80::1%eth0", "[::1]", "::01.2.3.4", "1:", ":1", "::1 ",
	};
	struct ip_addr a = { .family = 99 };
	(void)state;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (ip_parse(bytes_of_str(bad[i]), &a) != ST_BAD_INPUT)
			fail_msg("taken: \"%s\"", bad[i]);
	}
	assert_int_equal(ip_parse(bytes_of("1.2.3.4\0", 8), &a), ST_BAD_INPUT);
	assert_int_equal(a.family, 99);
}

static void prefixes_keep_host_bits_until_masked(void **state)
{
	static const struct {
		const char *in, *masked;
	} cases[] = {
		{ "10.1.2.3/8", "10.0.0.0/8" },	    { "10.1.2.3/32", "10.1.2.3/32" }, { "10.1.2.3/0", "0.0.0.0/0" },
		{ "10.255.2.3/13", "10.248.0.0/13" }, { "::1/128", "::1/128" },	      { "fd7a:115c:a1e0::53/48", "fd7a:115c:a1e0::/48" },
		{ "ffff::/1", "8000::/1" },	    { "::1/0", "::/0" },
	};
	char text[IP_PREFIX_TEXT_MAX];
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ip_prefix p = prefix(cases[i].in);

		ip_prefix_format(&p, text);
		assert_string_equal(text, cases[i].in);
		p = ip_prefix_masked(p);
		assert_int_equal(ip_prefix_format(&p, text), strlen(cases[i].masked));
		assert_string_equal(text, cases[i].masked);
	}
}

static void what_is_no_prefix_is_refused(void **state)
{
	static const char *const bad[] = { "", "/", "/8", "1.2.3.4", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/+8",
					   "1.2.3.4/08", "1.2.3.4/8/8", "::/129", "::/0128", "::/1000", "1.2.3/8", "::/ 8" };
	struct ip_prefix p;
	(void)state;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (ip_prefix_parse(bytes_of_str(bad[i]), &p) != ST_BAD_INPUT)
			fail_msg("taken: \"%s\"", bad[i]);
	}
}

static void relations_of_prefixes(void **state)
{
	struct ip_prefix ten = prefix("10.0.0.0/8"), one = prefix("10.1.0.0/16"), all4 = prefix("0.0.0.0/0"), all6 = prefix("::/0");
	struct ip_prefix odd = prefix("10.1.128.0/17"), other = prefix("11.0.0.0/8");
	struct ip_addr in = addr("10.1.200.1"), out = addr("11.0.0.1"), six = addr("::a01:c801"), none = { 0 };
	struct ip_prefix unset = { 0 };
	(void)state;

	assert_true(ip_prefix_contains(&ten, &in));
	assert_true(ip_prefix_contains(&odd, &in));
	assert_false(ip_prefix_contains(&ten, &out));
	assert_false(ip_prefix_contains(&ten, &six));
	assert_false(ip_prefix_contains(&all4, &six));
	assert_true(ip_prefix_contains(&all6, &six));
	assert_false(ip_prefix_contains(&unset, &none));
	assert_true(ip_prefix_covers(&ten, &one));
	assert_false(ip_prefix_covers(&one, &ten));
	assert_true(ip_prefix_covers(&one, &one));
	assert_true(ip_prefix_overlaps(&one, &ten));
	assert_true(ip_prefix_overlaps(&ten, &odd));
	assert_false(ip_prefix_overlaps(&ten, &other));
	assert_true(ip_prefix_is_default(&all4));
	assert_true(ip_prefix_is_default(&all6));
	assert_false(ip_prefix_is_default(&ten));
	assert_false(ip_prefix_is_default(&unset));
	assert_true(ip_prefix_cmp(&ten, &one) < 0);
	assert_true(ip_prefix_cmp(&other, &all6) < 0);
	assert_true(ip_prefix_cmp(&(struct ip_prefix){ ten.addr, 9 }, &ten) > 0);
	assert_int_equal(ip_prefix_cmp(&ten, &ten), 0);
}

static void steps_stop_at_the_end_of_the_family(void **state)
{
	struct ip_addr a = addr("1.2.3.255"), b = addr("255.255.255.255"), c = addr("0.0.0.0"), d = addr("::"), want = addr("1.2.4.0");
	struct ip_addr e = addr("1::");
	(void)state;

	assert_true(ip_next(&a) && ip_eq(&a, &want));
	assert_true(ip_prev(&a));
	want = addr("1.2.3.255");
	assert_true(ip_eq(&a, &want));
	assert_false(ip_next(&b));
	assert_false(ip_prev(&c));
	assert_false(ip_prev(&d));
	assert_true(ip_prev(&e));
	want = addr("0:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_true(ip_eq(&e, &want));
}

/* The slow, obvious twin: a flag for each of 256 addresses, of which half are IPv4's last, half IPv6's first. */
#define TWIN 256
static struct ip_addr twin_addr(unsigned i)
{
	struct ip_addr a = { .family = i < TWIN / 2 ? IP_V4 : IP_V6 };

	if (i < TWIN / 2) {
		memset(a.b + 12, 0xff, 3);
		a.b[15] = (uint8_t)(TWIN / 2 + i);
	} else {
		a.b[15] = (uint8_t)(i - TWIN / 2);
	}
	return a;
}

static void check_twin(const struct ip_set *s, const bool *in)
{
	for (unsigned i = 0; i < TWIN; i++) {
		struct ip_addr a = twin_addr(i);

		assert_int_equal(ip_set_contains(s, &a), in[i]);
	}
	for (size_t i = 0; i < s->n; i++) {
		struct ip_addr next;

		assert_true(ip_cmp(&s->r[i].from, &s->r[i].to) <= 0);
		if (i == 0)
			continue;
		next = s->r[i - 1].to; /* neighbours are neither overlapping nor touching */
		assert_true(ip_cmp(&next, &s->r[i].from) < 0);
		assert_true(!ip_next(&next) || ip_cmp(&next, &s->r[i].from) < 0);
	}
}

static void check_prefixes(const struct ip_set *s, const bool *in)
{
	for (unsigned base = 0; base < TWIN; base += TWIN / 2) {
		for (unsigned size = 1, host = 0; size <= TWIN / 2; size *= 2, host++) {
			for (unsigned at = base; at < base + TWIN / 2; at += size) {
				struct ip_prefix p = ip_prefix_of(twin_addr(at));
				bool any = false, all = true;

				p.bits = (uint8_t)(p.bits - host);
				for (unsigned k = at; k < at + size; k++) {
					any |= in[k];
					all &= in[k];
				}
				assert_int_equal(ip_set_overlaps_prefix(s, &p), any);
				assert_int_equal(ip_set_covers_prefix(s, &p), all);
			}
		}
	}
}

static void a_set_is_what_its_slow_twin_is(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 60; round++) {
		struct ip_set s = { 0 }, copy = { 0 };
		bool in[TWIN] = { false };

		for (int step = 0; step < 40; step++) {
			unsigned half = (unsigned)rand() % 2 * (TWIN / 2);
			unsigned from = half + (unsigned)rand() % (TWIN / 2), to = from + (unsigned)rand() % 24;
			bool add = rand() % 3 != 0;

			if (to >= half + TWIN / 2)
				to = half + TWIN / 2 - 1;
			if (add)
				ip_set_add_range(&s, (struct ip_range){ twin_addr(from), twin_addr(to) });
			else
				ip_set_remove_range(&s, (struct ip_range){ twin_addr(from), twin_addr(to) });
			for (unsigned k = from; k <= to; k++)
				in[k] = add;
			check_twin(&s, in);
		}
		check_prefixes(&s, in);
		ip_set_add_set(&copy, &s);
		check_twin(&copy, in);
		ip_set_release(&copy);
		ip_set_release(&s);
	}
}

static void a_range_that_is_none_changes_nothing(void **state)
{
	struct ip_set s = { 0 };
	(void)state;

	ip_set_add_range(&s, (struct ip_range){ addr("2.0.0.0"), addr("1.0.0.0") });
	ip_set_add_range(&s, (struct ip_range){ addr("2.0.0.0"), addr("::1") });
	ip_set_add_range(&s, (struct ip_range){ { 0 }, { 0 } });
	assert_int_equal(s.n, 0);
	ip_set_release(&s);
}

static void ranges_split_into_the_fewest_prefixes(void **state)
{
	static const struct {
		const char *from, *to;
		const char *want[8];
	} cases[] = {
		{ "10.0.0.0", "10.255.255.255", { "10.0.0.0/8" } },
		{ "0.0.0.0", "255.255.255.255", { "0.0.0.0/0" } },
		{ "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", { "::/0" } },
		{ "10.0.0.1", "10.0.0.6", { "10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32" } },
		{ "255.255.255.254", "255.255.255.255", { "255.255.255.254/31" } },
		{ "1.2.3.4", "1.2.3.4", { "1.2.3.4/32" } },
	};
	struct ip_prefix out[256];
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n = ip_range_prefixes((struct ip_range){ addr(cases[i].from), addr(cases[i].to) }, out, 256);

		for (size_t k = 0; k < n; k++) {
			struct ip_prefix want;

			assert_non_null(cases[i].want[k]);
			want = prefix(cases[i].want[k]);
			assert_true(ip_prefix_eq(&out[k], &want));
		}
		assert_null(cases[i].want[n]);
	}
	assert_int_equal(ip_range_prefixes((struct ip_range){ addr("::1"), addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe") }, out, 3), 254);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_come_out_as_rfc_5952_writes_them),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(prefixes_keep_host_bits_until_masked),
		cmocka_unit_test(what_is_no_prefix_is_refused),
		cmocka_unit_test(relations_of_prefixes),
		cmocka_unit_test(steps_stop_at_the_end_of_the_family),
		cmocka_unit_test(a_set_is_what_its_slow_twin_is),
		cmocka_unit_test(a_range_that_is_none_changes_nothing),
		cmocka_unit_test(ranges_split_into_the_fewest_prefixes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
