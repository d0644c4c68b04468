/* test/unit/net/test_udp.c -- datagrams over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "net/counters.h"
#include "net/udp.h"

struct end {
	struct udp *u;
	unsigned n, batches;
	char last[64];
	struct net_addr remote, local;
	bool echo, some, close;
};

static void on_datagrams(void *arg, const struct udp_datagram *d, size_t n)
{
	struct end *e = arg;

	e->batches++;
	for (size_t i = 0; i < n; i++) {
		e->n++;
		snprintf(e->last, sizeof e->last, "%.*s", (int)d[i].data.n, (const char *)d[i].data.p);
		e->remote = d[i].remote;
		e->local = d[i].local;
		if (e->echo)
			udp_send(e->u, d[i].data, &d[i].remote, &d[i].local);
	}
	e->some = true;
	if (e->close)
		udp_close(&e->u);
}

static void open_at(struct loop *l, const char *where, struct end *e)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse_port(bytes_of_str(where), &a), ST_OK);
	assert_int_equal(udp_open(l, &a, on_datagrams, e, &e->u, NULL), ST_OK);
}

static void answers_leave_from_the_address_that_was_asked(void **state)
{
	static const struct {
		const char *server, *client, *to;
	} cases[] = {
		{ "0.0.0.0:0", "127.0.0.1:0", "127.0.0.2" }, /* not the first address of the interface */
		{ "[::]:0", "127.0.0.1:0", "127.0.0.3" },
		{ "[::]:0", "[::1]:0", "::1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct loop *l = loop_new(0);
		struct end s = { .echo = true }, c = { 0 };
		char text[NET_ADDR_TEXT_MAX];
		struct net_addr at, to;

		print_message("%s -> %s\n", cases[i].client, cases[i].to);
		open_at(l, cases[i].server, &s);
		open_at(l, cases[i].client, &c);
		at = udp_addr(s.u);
		assert_int_equal(net_addr_parse(bytes_of_str(cases[i].to), net_addr_port(&at), &to), ST_OK);
		udp_send(c.u, BYTES_LIT("hello"), &to, NULL);
		assert_true(loop_run_until(l, &c.some, 5000));
		assert_string_equal(c.last, "hello");
		assert_true(net_addr_eq(&c.remote, &to)); /* a client's NAT drops anything else */
		net_addr_format(&s.local, text);
		assert_string_equal(text, cases[i].to);
		at = udp_addr(c.u);
		assert_true(net_addr_eq(&s.remote, &at));
		udp_close(&s.u);
		udp_close(&c.u);
		loop_free(&l);
	}
}

static void many_come_in_batches_and_long_ones_not_at_all(void **state)
{
	struct loop *l = loop_new(0);
	struct end s = { 0 }, c = { 0 };
	static uint8_t big[UDP_MAX + 1];
	uint64_t before = net_counter_read(NET_COUNT_UDP_DROPPED);
	struct net_addr at;

	(void)state;
	open_at(l, "127.0.0.1:0", &s);
	open_at(l, "127.0.0.1:0", &c);
	at = udp_addr(s.u);
	for (int i = 0; i < 100; i++)
		udp_send(c.u, BYTES_LIT("x"), &at, NULL);
	udp_send(c.u, bytes_of(big, UDP_MAX), &at, NULL);
	udp_send(c.u, bytes_of(big, UDP_MAX + 1), &at, NULL);
	assert_int_equal(net_counter_read(NET_COUNT_UDP_DROPPED), before + 1);
	for (int i = 0; i < 50 && s.n < 101; i++)
		loop_turn(l, 10);
	assert_int_equal(s.n, 101);
	assert_true(s.batches < 20);
	s.close = true; /* inside the callback */
	s.some = false;
	udp_send(c.u, BYTES_LIT("last"), &at, NULL);
	assert_true(loop_run_until(l, &s.some, 5000));
	assert_null(s.u);
	udp_send(c.u, BYTES_LIT("nobody"), &at, NULL); /* comes back as an error: no harm */
	loop_turn(l, 10);
	udp_send(c.u, BYTES_LIT("nobody"), &at, NULL);
	loop_turn(l, 10);
	udp_close(&c.u);
	loop_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_leave_from_the_address_that_was_asked),
		cmocka_unit_test(many_come_in_batches_and_long_ones_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
