/* test/unit/net/test_addr.c -- addresses as text and as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "net/addr.h"

static void text_goes_both_ways(void **state)
{
	static const struct {
		const char *in, *with_port, *host; /* with_port NULL: refused */
	} cases[] = {
		{ "192.0.2.1:80", "192.0.2.1:80", "192.0.2.1" },
		{ "[2001:db8::1]:443", "[2001:db8::1]:443", "2001:db8::1" },
		{ ":8080", "[::]:8080", "::" },
		{ "[::ffff:10.0.0.1]:5", "10.0.0.1:5", "10.0.0.1" },
		{ "0.0.0.0:0", "0.0.0.0:0", "0.0.0.0" },
		{ "192.0.2.1", NULL }, { "192.0.2.1:", NULL }, { "192.0.2.1:65536", NULL }, { "192.0.2.1:-1", NULL },
		{ "192.0.2.1:8x", NULL }, { "2001:db8::1:443", NULL }, { "[192.0.2.1]:80", NULL }, { "[::1:80", NULL },
		{ "localhost:80", NULL }, { "", NULL }, { "[]:1", NULL }, { "[::1]x:1", NULL }, { "192.0.2.1:000080", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[NET_ADDR_TEXT_MAX];
		struct net_addr a, b;

		print_message("%s\n", cases[i].in);
		if (!cases[i].with_port) {
			assert_int_equal(net_addr_parse_port(bytes_of_str(cases[i].in), &a), ST_BAD_INPUT);
			continue;
		}
		assert_int_equal(net_addr_parse_port(bytes_of_str(cases[i].in), &a), ST_OK);
		assert_int_equal(net_addr_format_port(&a, text), strlen(cases[i].with_port));
		assert_string_equal(text, cases[i].with_port);
		assert_int_equal(net_addr_parse_port(bytes_of_str(text), &b), ST_OK);
		assert_true(net_addr_eq(&a, &b));
		net_addr_format(&a, text);
		assert_string_equal(text, cases[i].host);
		b = net_addr_of(&a.sa, net_addr_len(&a));
		assert_true(net_addr_eq(&a, &b));
	}
}

static void kinds_are_known(void **state)
{
	struct net_addr a = { 0 };
	char text[NET_ADDR_TEXT_MAX];
	uint8_t ip[16];

	(void)state;
	assert_int_equal(net_addr_format(&a, text), 0);
	assert_int_equal(net_addr_ip(&a, ip), 0);
	assert_false(net_addr_is_loopback(&a));
	assert_int_equal(net_addr_parse(BYTES_LIT("127.1.2.3"), 9, &a), ST_OK);
	assert_true(net_addr_is_loopback(&a));
	assert_int_equal(net_addr_ip(&a, ip), 4);
	assert_memory_equal(ip, "\0\0\0\0\0\0\0\0\0\0\0\0\x7f\1\2\3", 16);
	net_addr_ip16(&a, ip);
	assert_memory_equal(ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\1\2\3", 16);
	assert_int_equal(net_addr_port(&a), 9);
	assert_int_equal(net_addr_parse(BYTES_LIT("::1"), 0, &a), ST_OK);
	assert_true(net_addr_is_loopback(&a));
	a = (struct net_addr){ .sa = { .sa_family = AF_UNIX } };
	assert_true(net_addr_is_loopback(&a));
	net_addr_format_port(&a, text);
	assert_string_equal(text, "unix");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_goes_both_ways),
		cmocka_unit_test(kinds_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
