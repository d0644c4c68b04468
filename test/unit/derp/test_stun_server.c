/* Tests of derp/stun_server.h, over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "derp/stun.h"
#include "derp/stun_server.h"
#include "net/loop.h"

static const uint8_t txid[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

static struct stun_server *serve(struct loop *l, const char *where)
{
	struct stun_server *s = NULL;
	struct net_addr a;
	struct err err = { "" };

	assert_int_equal(net_addr_parse(bytes_of_str(where), 0, &a), ST_OK);
	if (stun_server_new(l, &a, &s, &err) != ST_OK)
		fail_msg("%s", err.text);
	return s;
}

static int client(int family, const char *to, uint16_t port, struct net_addr *server)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_int_equal(net_addr_parse(bytes_of_str(to), port, server), ST_OK);
	assert_true(fd >= 0);
	return fd;
}

/* Send, let the loop work, receive; the answer's length, or -1. */
static ssize_t ask(struct loop *l, int fd, const struct net_addr *server, const void *q, size_t n, uint8_t *out,
                   struct net_addr *from)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof ss;
	ssize_t k = -1;

	assert_int_equal(sendto(fd, q, n, 0, &server->sa, net_addr_len(server)), n);
	for (int i = 0; i < 20 && k < 0; i++) {
		loop_turn(l, 5);
		k = recvfrom(fd, out, 100, 0, (struct sockaddr *)&ss, &len);
	}
	*from = net_addr_of((struct sockaddr *)&ss, len);
	return k;
}

static void check(const char *listen_at, int family, const char *to, size_t answer_len)
{
	struct loop *l = loop_new(0);
	struct stun_server *s = serve(l, listen_at);
	struct net_addr bound = stun_server_addr(s), server, from, me;
	int fd = client(family, to, net_addr_port(&bound), &server);
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	struct stun_stats st = { 0 };
	uint8_t q[STUN_REQUEST_LEN], out[100], ip[16], want[16];
	const uint8_t *tx;
	uint16_t port;

	stun_request_put(q, txid);
	assert_int_equal(ask(l, fd, &server, q, sizeof q, out, &from), answer_len);
	assert_true(net_addr_eq(&from, &server)); /* from the address that was asked */
	assert_int_equal(stun_response_parse(bytes_of(out, answer_len), &tx, ip, &port), ST_OK);
	assert_memory_equal(tx, txid, 12);
	getsockname(fd, (struct sockaddr *)&ss, &len);
	me = net_addr_of((struct sockaddr *)&ss, len);
	assert_int_equal(port, net_addr_port(&me));
	net_addr_ip16(&server, want); /* loopback to loopback: my address is the server's kind */
	if (family == AF_INET6)
		assert_memory_equal(ip, want, 16);
	else
		assert_memory_equal(ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	q[39] ^= 1; /* damaged: silence */
	assert_int_equal(ask(l, fd, &server, q, sizeof q, out, &from), -1);
	assert_int_equal(ask(l, fd, &server, "x", 1, out, &from), -1);
	stun_server_stats(s, &st);
	assert_int_equal(st.success, 1);
	assert_int_equal(st.not_stun, 2);
	assert_int_equal(family == AF_INET ? st.ipv4 : st.ipv6, 1);
	close(fd);
	stun_server_free(&s);
	loop_turn(l, 0);
	loop_free(&l);
}

static void ipv4_gets_the_short_answer(void **state)
{
	(void)state;
	check("127.0.0.1", AF_INET, "127.0.0.1", 32);
	check("::", AF_INET, "127.0.0.1", 32); /* on a socket for both, too */
}

static void ipv6_gets_the_long_answer(void **state)
{
	(void)state;
	check("::", AF_INET6, "::1", 44);
}

static void the_address_asked_is_the_one_that_answers(void **state)
{
	(void)state;
	/* any 127.x.y.z reaches a socket on every address; the answer must come from that one */
	check("0.0.0.0", AF_INET, "127.0.0.42", 32);
	check("::", AF_INET, "127.9.8.7", 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_gets_the_short_answer),
		cmocka_unit_test(ipv6_gets_the_long_answer),
		cmocka_unit_test(the_address_asked_is_the_one_that_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
