/* test/unit/http/test_h2.c -- HTTP/2 server and client over a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "http/h2.h"
#include "http/h2_client.h"
#include "net/counters.h"
#include "unit/http/world.h"

#define CALLS 8
struct call {
	struct two *t;
	struct h2_call *q;
	struct buf body;
	char type[64], length[32];
	int status;
	bool done;
	enum status end;
	uint32_t error;
	bool cancel_in_data;
};

static unsigned established;

struct two {
	struct world w;
	struct h2_conn *server;
	struct h2_client *client;
	struct call c[CALLS];
	struct stream *client_end, *server_end;
	bool server_closed, client_closed;
	enum stream_end server_why;
};

static void on_head(void *arg, int status, const struct http_header *h, size_t n)
{
	struct call *c = arg;

	c->status = status;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(h[i].name, "content-type") == 0)
			snprintf(c->type, sizeof c->type, "%s", h[i].value);
		if (strcmp(h[i].name, "content-length") == 0)
			snprintf(c->length, sizeof c->length, "%s", h[i].value);
	}
}
static void on_data(void *arg, struct bytes b)
{
	struct call *c = arg;

	buf_put_bytes(&c->body, b);
	if (c->cancel_in_data)
		h2_call_cancel(&c->q);
}
static void on_done(void *arg, enum status s, uint32_t error)
{
	struct call *c = arg;

	c->done = true;
	c->end = s;
	c->error = error;
	c->q = NULL;
}
static const struct h2_call_handler call_handler = { on_head, on_data, on_done };

static void on_server_closed(void *arg, enum stream_end why)
{
	struct two *t = arg;

	t->server_closed = true;
	t->server_why = why;
	t->server = NULL;
}
static void on_client_closed(void *arg, enum stream_end why)
{
	struct two *t = arg;

	(void)why;
	t->client_closed = true;
	t->client = NULL;
}

static void open_both(struct two *t, const struct h2_server_opts *so, uint32_t window)
{
	struct h2_server_opts o = *so;
	struct stream *a;

	memset(t, 0, sizeof *t);
	world_init(&t->w);
	a = t->w.peer.s;
	t->w.peer.s = NULL;
	stream_pause(a);
	t->client_end = a;
	o.router = t->w.router;
	o.conn_data = t;
	o.closed = on_server_closed;
	t->server_end = t->w.end;
	established = 0;
	watch_established(t->w.end, &established);
	t->server = h2_serve(t->w.srv, t->w.end, &o);
	t->w.end = NULL;
	t->client = h2_client_new(a, &(struct h2_client_opts){ .stream_window = window, .closed = on_client_closed, .arg = t });
	for (int i = 0; i < CALLS; i++)
		buf_init(&t->c[i].body, (size_t)64 * 1024 * 1024);
	turns(&t->w, 2);
}

static void close_both(struct two *t)
{
	h2_client_free(&t->client);
	turns(&t->w, 3);
	for (int i = 0; i < CALLS; i++)
		buf_release(&t->c[i].body);
	world_release(&t->w);
}

static struct two two;

static int set_up(void **state)
{
	open_both(&two, &(struct h2_server_opts){ 0 }, 0);
	*state = &two;
	return 0;
}
static int tear_down(void **state)
{
	close_both(*state);
	return 0;
}

static struct call *ask_hold(struct two *t, int i, const char *method, const char *path, struct bytes body, bool hold)
{
	struct call *c = &t->c[i];

	c->t = t;
	c->q = h2_client_call(t->client, &(struct h2_call_opts){ .method = method, .path = path, .body = body, .hold = hold },
			      &call_handler, c);
	assert_non_null(c->q);
	return c;
}

static struct call *ask(struct two *t, int i, const char *method, const char *path, struct bytes body)
{
	struct call *c = ask_hold(t, i, method, path, body, false);

	turns(&t->w, 3);
	return c;
}

static void requests_are_answered(void **state)
{
	struct two *t = *state;
	struct call *c;

	assert_int_equal(established, 0);
	c = ask(t, 0, "GET", "/thing/a%20b?q=1", (struct bytes){ 0 });
	assert_int_equal(established, 1);
	assert_true(c->done);
	assert_int_equal(c->end, ST_OK);
	assert_int_equal(c->status, 200);
	assert_string_equal(c->type, "text/plain");
	assert_true(bytes_eq_str(buf_bytes(&c->body), "GET /thing/a b?q=1 [a b] host=unused "));
	c = ask(t, 1, "POST", "/echo", BYTES_LIT("hello"));
	assert_true(bytes_eq_str(buf_bytes(&c->body), "POST /echo? [] host=unused hello"));
	c = ask(t, 2, "GET", "/echo", BYTES_LIT("a body on a GET"));
	assert_true(bytes_eq_str(buf_bytes(&c->body), "GET /echo? [] host=unused a body on a GET"));
	c = ask(t, 3, "HEAD", "/thing/1", (struct bytes){ 0 });
	assert_int_equal(c->status, 200);
	assert_int_equal(c->body.n, 0);
	assert_int_not_equal(atoi(c->length), 0);
	c = ask(t, 4, "GET", "/nowhere", (struct bytes){ 0 });
	assert_int_equal(c->status, 404);
	c = ask(t, 5, "GET", "/evil", (struct bytes){ 0 });
	assert_int_equal(c->status, 204);
	c = ask(t, 6, "GET", "/switch", (struct bytes){ 0 });
	assert_int_equal(c->status, 400); /* cannot be taken over */
	assert_int_equal(h2_conn_streams(t->server), 0);
	assert_int_equal(t->w.done, 7);
}

static void a_large_body_arrives_and_a_larger_one_is_refused(void **state)
{
	struct two *t = *state;
	size_t n = HTTP_BODY_MAX_DEFAULT;
	uint8_t *big = malloc(n + 1);
	struct call *c;

	for (size_t i = 0; i <= n; i++)
		big[i] = (uint8_t)(i % 251);
	c = ask(t, 0, "POST", "/echo", bytes_of(big, n));
	turns(&t->w, 200);
	assert_true(c->done);
	assert_int_equal(c->status, 200);
	assert_int_equal(c->body.n, n + strlen("POST /echo? [] host=unused "));
	assert_memory_equal(c->body.p + strlen("POST /echo? [] host=unused "), big, n);
	c = ask(t, 1, "POST", "/echo", bytes_of(big, n + 1));
	turns(&t->w, 200);
	assert_int_equal(c->status, 413);
	assert_true(c->done);
	c = ask(t, 2, "POST", "/small", BYTES_LIT("01234567890"));
	assert_int_equal(c->status, 413);
	c = ask(t, 3, "GET", "/thing/1", (struct bytes){ 0 }); /* the connection is still good */
	assert_int_equal(c->status, 200);
	assert_int_equal(h2_conn_streams(t->server), 0);
	free(big);
}

static void many_bodies_at_once_are_bounded(void **state)
{
	struct two t;
	uint8_t *big = calloc(1, 600000);
	unsigned ok = 0, refused = 0;

	(void)state;
	open_both(&t, &(struct h2_server_opts){ .bodies_bytes = 1000000 }, 0);
	for (int i = 0; i < 4; i++)
		ask_hold(&t, i, "POST", "/echo", bytes_of(big, 600000), false);
	turns(&t.w, 300);
	for (int i = 0; i < 4; i++) {
		assert_true(t.c[i].done);
		ok += t.c[i].status == 200;
		refused += t.c[i].error == 11; /* ENHANCE_YOUR_CALM */
	}
	assert_true(ok >= 1);
	assert_true(refused >= 1);
	assert_int_equal(ok + refused, 4);
	assert_int_equal(ask(&t, 4, "POST", "/echo", bytes_of(big, 1000))->status, 200);
	close_both(&t);
	free(big);
}

static void a_stream_obeys_the_peers_window_and_says_when_it_drains(void **unused)
{
	struct two t;
	struct shared_bytes *sh = shared_bytes_alloc(200000);
	struct call *c;

	(void)unused;
	for (size_t i = 0; i < sh->n; i++)
		sh->data[i] = (uint8_t)(i * 31 >> 3);
	open_both(&t, &(struct h2_server_opts){ 0 }, 65535);
	c = ask_hold(&t, 0, "GET", "/stream", (struct bytes){ 0 }, true);
	turns(&t.w, 3);
	assert_int_equal(c->status, 200);
	http_resp_write_shared(t.w.held, sh);
	assert_int_equal(atomic_load(&sh->refs), 2); /* held, not copied */
	turns(&t.w, 5);
	assert_int_equal(c->body.n, 65535); /* the window, and not a byte more */
	assert_int_equal(http_resp_pending(t.w.held), 200000 - 65535);
	assert_int_equal(t.w.drained, 0);
	h2_call_consume(c->q, 65535);
	turns(&t.w, 5);
	assert_int_equal(c->body.n, 2 * 65535);
	h2_call_consume(c->q, 65535);
	turns(&t.w, 5);
	assert_int_equal(t.w.drained, 1);
	http_resp_write(t.w.held, BYTES_LIT("tail"));
	http_resp_end(t.w.held);
	t.w.held = NULL;
	h2_call_consume(c->q, 65535);
	turns(&t.w, 5);
	assert_true(c->done);
	assert_int_equal(c->end, ST_OK);
	assert_int_equal(c->body.n, 200004);
	assert_memory_equal(c->body.p, sh->data, 200000);
	assert_int_equal(atomic_load(&sh->refs), 1);
	shared_bytes_unref(&sh);
	close_both(&t);
}

static void a_stuck_connection_holds_back_and_then_goes_on(void **state)
{
	struct two *t = *state;
	struct shared_bytes *sh = shared_bytes_alloc(2000000);
	struct call *c;

	memset(sh->data, 'z', sh->n);
	c = ask(t, 0, "GET", "/stream", (struct bytes){ 0 });
	stream_pause(t->client_end);
	http_resp_write_shared(t->w.held, sh);
	turns(&t->w, 5);
	assert_in_range(http_resp_pending(t->w.held), 1900000, 1999999); /* little of it went below */
	stream_resume(t->client_end);
	for (int i = 0; i < 100 && http_resp_pending(t->w.held); i++)
		turns(&t->w, 1);
	turns(&t->w, 3);
	assert_int_equal(c->body.n, 2000000);
	http_resp_end(t->w.held);
	turns(&t->w, 3);
	assert_true(c->done);
	shared_bytes_unref(&sh);
}

static void a_reset_cancels_the_request_and_nothing_else(void **state)
{
	struct two *t = *state;
	struct call *a = ask(t, 0, "GET", "/stream", (struct bytes){ 0 }), *b;

	h2_call_cancel(&a->q);
	turns(&t->w, 3);
	assert_int_equal(t->w.cancelled, 1);
	assert_null(t->w.held);
	assert_false(a->done); /* no callback after cancel */
	b = ask(t, 1, "GET", "/stream", (struct bytes){ 0 });
	b->cancel_in_data = true;
	http_resp_write(t->w.held, BYTES_LIT("x"));
	turns(&t->w, 4);
	assert_int_equal(t->w.cancelled, 2);
	assert_int_equal(ask(t, 2, "GET", "/thing/1", (struct bytes){ 0 })->status, 200);
}

static void answering_late_and_aborting_work(void **state)
{
	struct two *t = *state;
	struct call *c = ask(t, 0, "POST", "/later", (struct bytes){ 0 });

	assert_int_equal(c->status, 405);
	c = ask(t, 1, "GET", "/later", (struct bytes){ 0 });
	assert_false(c->done);
	http_respond(t->w.held, 201, "application/json", BYTES_LIT("{}"));
	turns(&t->w, 3);
	assert_int_equal(c->status, 201);
	c = ask(t, 2, "GET", "/stream", (struct bytes){ 0 });
	http_resp_write(t->w.held, BYTES_LIT("part"));
	http_resp_abort(t->w.held);
	turns(&t->w, 3);
	assert_true(c->done);
	assert_int_equal(c->end, ST_CLOSED);
	assert_int_equal(t->w.cancelled, 0);
}

static void the_end_of_the_connection_cancels_all_before_it_is_told(void **state)
{
	struct two *t = *state;

	ask(t, 0, "GET", "/later", (struct bytes){ 0 });
	ask(t, 1, "GET", "/stream", (struct bytes){ 0 });
	h2_client_free(&t->client);
	turns(&t->w, 4);
	assert_int_equal(t->w.cancelled, 2);
	assert_true(t->server_closed);
	assert_int_equal(http_server_open(t->w.srv), 0);
}

static void all_gone(void *arg)
{
	*(bool *)arg = true;
}

static void draining_lets_requests_end(void **state)
{
	struct two *t = *state;
	struct call *c = ask(t, 0, "GET", "/later", (struct bytes){ 0 });
	bool gone = false;

	http_server_drain(t->w.srv, 10000, all_gone, &gone);
	turns(&t->w, 3);
	assert_false(t->server_closed);
	assert_null(h2_client_call(t->client, &(struct h2_call_opts){ .method = "GET", .path = "/echo" }, &call_handler, &t->c[1]));
	http_respond(t->w.held, 200, NULL, BYTES_LIT("ok"));
	turns(&t->w, 4);
	assert_int_equal(c->status, 200);
	assert_int_equal(c->end, ST_OK);
	assert_true(t->server_closed);
	assert_true(t->client_closed);
	assert_true(gone);
}

static void a_dead_peer_is_found_by_ping(void **unused)
{
	struct two t;

	(void)unused;
	open_both(&t, &(struct h2_server_opts){ .ping_ms = 30000 }, 0);
	for (int i = 0; i < 5; i++) { /* alive: answers */
		loop_clock_advance(t.w.l, 30001);
		turns(&t.w, 4);
	}
	assert_false(t.server_closed);
	stream_pause(t.client_end);
	for (int i = 0; i < 2; i++) {
		loop_clock_advance(t.w.l, 30001);
		turns(&t.w, 4);
	}
	assert_true(t.server_closed);
	assert_int_equal(t.server_why, STREAM_END_TIMEOUT);
	close_both(&t);
}

static void a_slow_reader_is_no_dead_peer(void **unused)
{
	struct two t;
	struct shared_bytes *sh = shared_bytes_alloc(2000000);
	struct call *c;

	(void)unused;
	memset(sh->data, 'z', sh->n);
	open_both(&t, &(struct h2_server_opts){ .ping_ms = 30000 }, 0);
	c = ask(&t, 0, "GET", "/stream", (struct bytes){ 0 });
	stream_pause(t.client_end);
	http_resp_write_shared(t.w.held, sh);
	for (int i = 0; i < 5; i++) {
		loop_clock_advance(t.w.l, 30001);
		turns(&t.w, 4);
	}
	assert_false(t.server_closed);
	stream_resume(t.client_end);
	for (int i = 0; i < 100 && http_resp_pending(t.w.held); i++)
		turns(&t.w, 1);
	turns(&t.w, 3);
	assert_int_equal(c->body.n, 2000000);
	http_resp_end(t.w.held);
	turns(&t.w, 3);
	shared_bytes_unref(&sh);
	close_both(&t);
}

static void an_idle_connection_is_drained(void **unused)
{
	struct two t;

	(void)unused;
	open_both(&t, &(struct h2_server_opts){ .idle_ms = 60000 }, 0);
	ask(&t, 0, "GET", "/later", (struct bytes){ 0 });
	loop_clock_advance(t.w.l, 60001);
	turns(&t.w, 4);
	assert_false(t.server_closed); /* a long poll is no idleness */
	http_respond(t.w.held, 200, NULL, BYTES_LIT("ok"));
	turns(&t.w, 3);
	for (int i = 0; i < 3; i++) {
		loop_clock_advance(t.w.l, 60001);
		turns(&t.w, 4);
	}
	assert_true(t.server_closed);
	close_both(&t);
}

static void a_peer_that_keeps_resetting_is_sent_away(void **state)
{
	struct two *t = *state;
	uint64_t before = net_counter_read(NET_COUNT_H2_FLOOD);

	for (int i = 0; i < 400 && !t->client_closed; i++) {
		struct h2_call *q = h2_client_call(t->client, &(struct h2_call_opts){ .method = "GET", .path = "/later" }, &call_handler,
						   &t->c[0]);

		if (!q)
			break;
		turns(&t->w, 1);
		h2_call_cancel(&q);
		turns(&t->w, 2);
	}
	turns(&t->w, 5);
	assert_true(t->server_closed);
	assert_int_equal(net_counter_read(NET_COUNT_H2_FLOOD), before + 1);
}

static void too_many_headers_are_refused(void **state)
{
	struct two *t = *state;
	struct http_header h[150];
	char *big = malloc(40001);

	for (int i = 0; i < 150; i++)
		h[i] = (struct http_header){ "x-a", "v" };
	t->c[0].q = h2_client_call(t->client, &(struct h2_call_opts){ .method = "GET", .path = "/echo", .headers = h, .n_headers = 150 },
				   &call_handler, &t->c[0]);
	turns(&t->w, 3);
	assert_int_equal(t->c[0].status, 431);
	memset(big, 'v', 40000);
	big[40000] = 0;
	h[0].value = big;
	t->c[1].q = h2_client_call(t->client, &(struct h2_call_opts){ .method = "GET", .path = "/echo", .headers = h, .n_headers = 1 },
				   &call_handler, &t->c[1]);
	turns(&t->w, 3);
	assert_int_equal(t->c[1].status, 431);
	assert_int_equal(t->w.requests, 0);
	free(big);
}

static void no_header_says_who_asks_when_that_is_known(void **unused)
{
	static const struct http_header h[] = { { "x-real-ip", "9.9.9.9" } };
	const char *want[] = { "9.9.9.9", "192.0.2.7" };
	struct net_addr known;
	struct two t;

	(void)unused;
	assert_int_equal(net_addr_parse(BYTES_LIT("192.0.2.7"), 0, &known), ST_OK);
	for (int i = 0; i < 2; i++) {
		char text[NET_ADDR_TEXT_MAX];

		open_both(&t, &(struct h2_server_opts){ .client = i ? &known : NULL }, 0);
		t.c[0].q = h2_client_call(t.client, &(struct h2_call_opts){ .method = "GET", .path = "/echo", .headers = h, .n_headers = 1 },
					  &call_handler, &t.c[0]);
		turns(&t.w, 3);
		assert_int_equal(t.c[0].status, 200);
		net_addr_format(&t.w.last_client, text);
		assert_string_equal(text, want[i]);
		close_both(&t);
	}
}

static void garbage_ends_the_connection(void **unused)
{
	struct world w;
	struct two t = { 0 };

	(void)unused;
	world_init(&w);
	h2_serve(w.srv, w.end, &(struct h2_server_opts){ .router = w.router, .conn_data = &t, .closed = on_server_closed });
	w.end = NULL;
	stream_write(w.peer.s, BYTES_LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
	turns(&w, 4);
	assert_true(t.server_closed);
	world_release(&w);
}

static void bytes_may_come_one_at_a_time(void **unused)
{
	struct two t;
	struct call *c;

	(void)unused;
	open_both(&t, &(struct h2_server_opts){ 0 }, 0);
	pipe_set_chunk(t.client_end, 1);
	pipe_set_chunk(t.server_end, 1);
	c = ask(&t, 0, "POST", "/echo", BYTES_LIT("hello"));
	assert_true(bytes_eq_str(buf_bytes(&c->body), "POST /echo? [] host=unused hello"));
	close_both(&t);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(requests_are_answered),
		T(a_large_body_arrives_and_a_larger_one_is_refused),
		cmocka_unit_test(many_bodies_at_once_are_bounded),
		cmocka_unit_test(a_stream_obeys_the_peers_window_and_says_when_it_drains),
		T(a_stuck_connection_holds_back_and_then_goes_on),
		T(a_reset_cancels_the_request_and_nothing_else),
		T(answering_late_and_aborting_work),
		T(the_end_of_the_connection_cancels_all_before_it_is_told),
		T(draining_lets_requests_end),
		cmocka_unit_test(a_dead_peer_is_found_by_ping),
		cmocka_unit_test(a_slow_reader_is_no_dead_peer),
		cmocka_unit_test(an_idle_connection_is_drained),
		T(a_peer_that_keeps_resetting_is_sent_away),
		T(too_many_headers_are_refused),
		cmocka_unit_test(no_header_says_who_asks_when_that_is_known),
		cmocka_unit_test(garbage_ends_the_connection),
		cmocka_unit_test(bytes_may_come_one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
