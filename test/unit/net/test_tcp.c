/* test/unit/net/test_tcp.c -- listeners, limits, connections, over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/connect.h"
#include "net/counters.h"
#include "net/tcp.h"
#include "unit/net/reader.h"

#define CLIENTS 8
struct world {
	struct loop *l;
	struct listener *li;
	struct reader server[CLIENTS], client[CLIENTS];
	unsigned accepted;
	bool echo;
	enum status status;
	struct err err;
	bool over;
	unsigned connected;
};

static void on_accept(void *arg, struct stream *s)
{
	struct world *w = arg;
	struct reader *r = &w->server[w->accepted++];

	reader_init(r, s);
	r->echo = w->echo;
	stream_resume(s);
}

static void on_connect(void *arg, enum status s, struct stream *stream, const struct err *err)
{
	struct world *w = arg;

	w->status = s;
	w->err = *err;
	w->over = true;
	if (s == ST_OK) {
		reader_init(&w->client[w->connected++], stream);
		stream_resume(stream);
	}
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->l = loop_new(0);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < CLIENTS; i++) {
		reader_release(&w->server[i]);
		reader_release(&w->client[i]);
	}
	listener_close(&w->li);
	loop_free(&w->l);
	free(w);
	return 0;
}

static void listen_at(struct world *w, const char *where, struct conn_limits *limits)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse_port(bytes_of_str(where), &a), ST_OK);
	assert_int_equal(listener_open(w->l, &a, &(struct listener_opts){ .limits = limits, .write_stall_ms = 2000 },
				       on_accept, w, &w->li, &w->err),
			 ST_OK);
}

static struct reader *dial(struct world *w)
{
	struct net_addr a = listener_addr(w->li);

	w->over = false;
	(void)connect_start(w->l, &(struct connect_opts){ .addr = &a }, on_connect, w);
	assert_true(loop_run_until(w->l, &w->over, 5000));
	assert_int_equal(w->status, ST_OK);
	for (int i = 0; i < 50 && w->accepted < w->connected; i++)
		loop_turn(w->l, 2);
	return &w->client[w->connected - 1];
}

static bool wait_for(struct world *w, const bool *flag)
{
	return loop_run_until(w->l, flag, 5000);
}

static void bytes_go_both_ways_and_addresses_are_known(void **state)
{
	struct world *w = *state;
	char text[NET_ADDR_TEXT_MAX];
	struct net_addr at;
	struct reader *c;
	uint16_t port;

	w->echo = true;
	listen_at(w, "[::]:0", NULL);
	at = listener_addr(w->li);
	port = net_addr_port(&at);
	(void)connect_start(w->l, &(struct connect_opts){ .host = "127.0.0.1", .port = port },
			    on_connect, w);
	assert_true(loop_run_until(w->l, &w->over, 5000));
	assert_int_equal(w->status, ST_OK);
	c = &w->client[0];
	stream_write(c->s, BYTES_LIT("there and back"));
	c->want = 14;
	assert_true(wait_for(w, &c->some));
	assert_true(bytes_eq_str(buf_bytes(&c->got), "there and back"));
	net_addr_format(&stream_conn(w->server[0].s)->remote, text);
	assert_string_equal(text, "127.0.0.1"); /* not ::ffff:127.0.0.1 */
	stream_close(c->s);
	assert_true(wait_for(w, &w->server[0].eof));
	stream_close(w->server[0].s);
	assert_true(wait_for(w, &w->server[0].closed));
	assert_true(wait_for(w, &c->closed));
	assert_int_equal(c->why, STREAM_END_LOCAL);
}

static void a_large_write_is_cut_up_and_arrives_whole(void **state)
{
	struct world *w = *state;
	size_t n = 24u * 1024 * 1024, half = n / 2;
	struct shared_bytes *sh = shared_bytes_alloc(n);
	struct reader *c;

	for (size_t i = 0; i < n; i++)
		sh->data[i] = (uint8_t)(i * 7 + i / 251);
	listen_at(w, "127.0.0.1:0", NULL);
	c = dial(w);
	w->server[0].want = n;
	stream_write(c->s, bytes_of(sh->data, half));
	stream_write_shared(c->s, sh, half, n - half);
	assert_in_range(stream_pending(c->s), n / 2, n - 1); /* what the kernel took of it is gone at once */
	assert_true(wait_for(w, &w->server[0].some));
	assert_memory_equal(w->server[0].got.p, sh->data, n);
	assert_int_equal(w->server[0].got.n, n);
	loop_turn(w->l, 10);
	assert_int_equal(stream_pending(c->s), 0);
	assert_true(c->drained > 0);
	shared_bytes_unref(&sh);
}

static void writes_of_a_turn_leave_together(void **state)
{
	struct world *w = *state;
	struct reader *c;

	listen_at(w, "127.0.0.1:0", NULL);
	c = dial(w);
	for (int i = 0; i < 50; i++)
		stream_write(w->server[0].s, BYTES_LIT("0123456789"));
	c->want = 500;
	assert_true(wait_for(w, &c->some));
	assert_int_equal(c->calls, 1);
}

static void an_answer_survives_a_close_with_unread_bytes(void **state)
{
	static uint8_t junk[200000];
	struct world *w = *state;
	struct reader *c;

	listen_at(w, "127.0.0.1:0", NULL);
	c = dial(w);
	stream_pause(w->server[0].s);
	stream_write(c->s, bytes_of(junk, sizeof junk));
	loop_turn(w->l, 10);
	loop_turn(w->l, 10);
	stream_write(w->server[0].s, BYTES_LIT("too large"));
	stream_close(w->server[0].s);
	assert_true(wait_for(w, &c->eof));
	assert_true(bytes_eq_str(buf_bytes(&c->got), "too large"));
	stream_close(c->s);
	assert_true(wait_for(w, &w->server[0].closed));
	assert_int_equal(w->server[0].why, STREAM_END_LOCAL);
}

static void a_reader_that_stops_is_ended(void **state)
{
	struct world *w = *state;
	uint64_t before = net_counter_read(NET_COUNT_SLOW);
	uint8_t *big = calloc(1, 32u * 1024 * 1024);
	struct reader *c;

	listen_at(w, "127.0.0.1:0", NULL);
	c = dial(w);
	stream_pause(c->s);
	stream_write(w->server[0].s, bytes_of(big, 32u * 1024 * 1024));
	for (int i = 0; i < 20; i++)
		loop_turn(w->l, 5);
	assert_false(w->server[0].closed);
	for (int i = 0; i < 6 && !w->server[0].closed; i++) {
		loop_clock_advance(w->l, 2001);
		loop_turn(w->l, 5);
		loop_turn(w->l, 5);
	}
	assert_true(w->server[0].closed);
	assert_int_equal(w->server[0].why, STREAM_END_SLOW);
	assert_int_equal(net_counter_read(NET_COUNT_SLOW), before + 1);
	free(big);
}

static void connections_over_a_limit_are_refused_and_counted(void **state)
{
	struct world *w = *state;
	struct conn_limits *lim = conn_limits_new(&(struct conn_limits_opts){ .max_per_address = 2 });
	uint64_t before = net_counter_read(NET_COUNT_REFUSED_ADDRESS);
	struct reader *c;

	listen_at(w, "127.0.0.1:0", lim);
	dial(w);
	dial(w);
	c = dial(w); /* the kernel accepts, we close */
	assert_true(wait_for(w, &c->eof));
	assert_int_equal(w->accepted, 2);
	assert_int_equal(net_counter_read(NET_COUNT_REFUSED_ADDRESS), before + 1);
	assert_int_equal(conn_limits_open(lim), 2);
	stream_close(w->client[0].s);
	stream_close(w->server[0].s);
	assert_true(wait_for(w, &w->server[0].closed));
	assert_int_equal(conn_limits_open(lim), 1);
	dial(w);
	for (int i = 0; i < 50 && w->accepted < 3; i++)
		loop_turn(w->l, 10);
	assert_int_equal(w->accepted, 3);
	conn_limits_unref(&lim);
}

static void the_oldest_stranger_gives_way_but_nobody_established(void **state)
{
	struct world *w = *state;
	struct conn_limits *lim = conn_limits_new(&(struct conn_limits_opts){ .max_pending = 2 });

	listen_at(w, "127.0.0.1:0", lim);
	for (unsigned i = 0; i < 4; i++) {
		dial(w);
		for (int k = 0; k < 50 && w->accepted <= i; k++)
			loop_turn(w->l, 10);
		if (i == 0)
			conn_established(stream_conn(w->server[0].s));
	}
	assert_true(wait_for(w, &w->server[1].closed));
	assert_int_equal(w->server[1].why, STREAM_END_LIMIT);
	assert_false(w->server[0].closed);
	assert_false(w->server[2].closed);
	assert_false(w->server[3].closed);
	conn_limits_unref(&lim);
}

static void two_listeners_share_an_address(void **state)
{
	struct world *w = *state;
	struct listener *other = NULL;
	struct net_addr a;

	listen_at(w, "127.0.0.1:0", NULL);
	a = listener_addr(w->li);
	assert_int_equal(listener_open(w->l, &a, &(struct listener_opts){ 0 }, on_accept, w, &other, NULL), ST_OK);
	listener_close(&other);
}

static void a_local_socket_has_its_mode_and_replaces_a_dead_one(void **state)
{
	struct world *w = *state;
	char dir[] = "/tmp/test-tcp-XXXXXX", path[64];
	struct listener *second = NULL;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/sock", dir);
	strcpy(un.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	close(fd); /* leaves the file behind */
	w->echo = true;
	assert_int_equal(listener_open_unix(w->l, path, 0600, &(struct listener_opts){ 0 }, on_accept, w, &w->li, &w->err),
			 ST_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(listener_open_unix(w->l, path, 0600, &(struct listener_opts){ 0 }, on_accept, w, &second, &w->err),
			 ST_CONFLICT);
	(void)connect_start(w->l, &(struct connect_opts){ .unix_path = path }, on_connect, w);
	assert_true(loop_run_until(w->l, &w->over, 5000));
	assert_int_equal(w->status, ST_OK);
	stream_write(w->client[0].s, BYTES_LIT("hi"));
	assert_true(wait_for(w, &w->client[0].some));
	assert_int_equal(net_addr_family(&stream_conn(w->server[0].s)->remote), AF_UNIX);
	listener_close(&w->li);
	assert_int_not_equal(stat(path, &st), 0);
	rmdir(dir);
}

static void connecting_fails_in_words(void **state)
{
	struct world *w = *state;
	struct net_addr a;
	struct connect *c;

	listen_at(w, "127.0.0.1:0", NULL);
	a = listener_addr(w->li);
	listener_close(&w->li);
	loop_turn(w->l, 0);
	(void)connect_start(w->l, &(struct connect_opts){ .addr = &a }, on_connect, w);
	assert_false(w->over);
	assert_true(loop_run_until(w->l, &w->over, 5000));
	assert_int_equal(w->status, ST_IO);
	assert_non_null(strstr(w->err.text, "refused"));
	w->over = false;
	(void)connect_start(w->l, &(struct connect_opts){ .unix_path = "/nonexistent/sock" }, on_connect, w);
	assert_true(loop_run_until(w->l, &w->over, 5000));
	assert_int_equal(w->status, ST_IO);
	w->over = false;
	c = connect_start(w->l, &(struct connect_opts){ .addr = &a }, on_connect, w);
	connect_cancel(&c);
	c = connect_start(w->l, &(struct connect_opts){ .host = "localhost", .port = 1 }, on_connect, w);
	loop_turn(w->l, 0);
	connect_cancel(&c); /* while the look-up runs */
	for (int i = 0; i < 10; i++)
		loop_turn(w->l, 10);
	assert_false(w->over);
}

static void a_name_is_looked_up(void **state)
{
	struct world *w = *state;
	struct net_addr a;

	listen_at(w, "127.0.0.1:0", NULL);
	a = listener_addr(w->li);
	(void)connect_start(w->l, &(struct connect_opts){ .host = "localhost", .port = net_addr_port(&a) }, on_connect, w);
	assert_true(loop_run_until(w->l, &w->over, 5000));
	assert_int_equal(w->status, ST_OK);
}

static void a_handed_over_descriptor_listens(void **state)
{
	struct world *w = *state;
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
	assert_int_equal(listen(fd, 5), 0);
	w->echo = true;
	assert_int_equal(listener_open_fd(w->l, fd, &(struct listener_opts){ 0 }, on_accept, w, &w->li, &w->err), ST_OK);
	stream_write(dial(w)->s, BYTES_LIT("x"));
	assert_true(wait_for(w, &w->client[0].some));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(bytes_go_both_ways_and_addresses_are_known),
		T(a_large_write_is_cut_up_and_arrives_whole),
		T(writes_of_a_turn_leave_together),
		T(an_answer_survives_a_close_with_unread_bytes),
		T(a_reader_that_stops_is_ended),
		T(connections_over_a_limit_are_refused_and_counted),
		T(the_oldest_stranger_gives_way_but_nobody_established),
		T(two_listeners_share_an_address),
		T(a_local_socket_has_its_mode_and_replaces_a_dead_one),
		T(connecting_fails_in_words),
		T(a_name_is_looked_up),
		T(a_handed_over_descriptor_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
