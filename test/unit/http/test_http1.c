/* test/unit/http/test_http1.c -- HTTP/1.1 connections over a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "unit/http/world.h"

static int set_up(void **state)
{
	static struct world w;

	world_init(&w);
	http_server_accept(w.srv, w.end);
	w.end = NULL;
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	world_release(*state);
	return 0;
}

static void say(struct world *w, const char *text)
{
	stream_write(w->peer.s, bytes_of_str(text));
	turns(w, 3);
}

static void a_request_is_answered_and_the_connection_stays(void **state)
{
	struct world *w = *state;

	say(w, "GET /thing/a%20b?x=1&y=%41 HTTP/1.1\r\nHost: h:80\r\n\r\n");
	assert_non_null(strstr(got(w), "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(got(w), "Date: "));
	assert_non_null(strstr(got(w), "Content-Length: 41\r\n"));
	assert_non_null(strstr(got(w), "\r\n\r\nGET /thing/a b?x=1&y=%41 [a b] host=h:80 "));
	assert_null(strstr(got(w), "Connection:"));
	assert_false(w->peer.eof);
	say(w, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
	assert_non_null(strstr(got(w), "POST /echo? [] host=h hello"));
	assert_int_equal(w->done, 2);
}

/* Several requests with all kinds of bodies; the same bytes must give the same answers however they are cut. */
static const char talk[] = "GET /echo?a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n"
			   "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello world"
			   "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n3;x=y\r\nfgh\r\n0\r\nTrailer: t\r\n\r\n"
			   "HEAD /thing/1 HTTP/1.1\r\nHost: h\r\n\r\n"
			   "GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n"
			   "GET /thing/2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
			   "GET /thing/last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
			   "GET /thing/never HTTP/1.1\r\nHost: h\r\n\r\n";

static void check_talk(struct world *w, const char *why)
{
	const char *t = got(w);

	print_message("%s\n", why);
	assert_int_equal(count_of(t, "HTTP/1.1 "), 7);
	assert_int_equal(count_of(t, "HTTP/1.1 404 Not Found\r\n"), 1);
	assert_non_null(strstr(t, "GET /echo?a [] host=h "));
	assert_non_null(strstr(t, "hello world"));
	assert_non_null(strstr(t, "host=h abcdefgh"));
	assert_null(strstr(t, "HEAD /thing"));
	assert_non_null(strstr(t, "Connection: keep-alive\r\n"));
	assert_non_null(strstr(t, "GET /thing/last? [last] host=h "));
	assert_null(strstr(t, "never"));
	assert_true(w->peer.eof);
}

static void requests_in_one_piece(void **state)
{
	say(*state, talk);
	check_talk(*state, "in one piece");
}

static void requests_byte_by_byte(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof talk - 1 && !w->peer.eof; i++) {
		stream_write(w->peer.s, bytes_of(talk + i, 1));
		turns(w, 2);
	}
	check_talk(w, "byte by byte");
}

static void every_prefix_of_a_request_waits_for_more(void **unused)
{
	static const char wire[] = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";

	(void)unused;
	for (size_t n = 0; n < sizeof wire; n++) {
		struct world w;
		bool whole = n == sizeof wire - 1;

		world_init(&w);
		http_server_accept(w.srv, w.end);
		w.end = NULL;
		stream_write(w.peer.s, bytes_of(wire, n));
		turns(&w, 3);
		assert_int_equal(w.requests, whole ? 1 : 0);
		assert_int_equal(w.peer.got.n > 0, whole);
		pipe_shutdown(w.peer.s); /* and no more comes: the connection ends, nobody hangs */
		turns(&w, 4);
		assert_true(w.peer.eof || w.peer.closed);
		world_release(&w);
	}
}

static void bad_requests_get_a_status_and_the_connection_closes(void **unused)
{
	static char big_head[40000], many[20000];
	static const struct {
		const char *why, *wire, *status;
	} cases[] = {
		{ "garbage", "\x16\x03\x01\x02\x00\x01\x00", "400" },
		{ "HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400" },
		{ "no Host", "GET /echo HTTP/1.1\r\n\r\n", "400" },
		{ "HTTP/2.0 as a version", "GET /echo HTTP/2.0\r\nHost: h\r\n\r\n", "505" },
		{ "blank in the path", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", "400" },
		{ "broken escape", "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", "400" },
		{ "NUL in the path", "GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n", "400" },
		{ "no path", "GET echo HTTP/1.1\r\nHost: h\r\n\r\n", "400" },
		{ "control character in a value", "GET /echo HTTP/1.1\r\nHost: h\r\nX: a\x01" "b\r\n\r\n", "400" },
		{ "two lengths", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400" },
		{ "length and chunks", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400" },
		{ "negative length", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", "400" },
		{ "strange transfer coding", "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", "400" },
		{ "broken chunk", "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "400" },
		{ "announced body too large", "POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n", "413" },
		{ "chunked body too large", "POST /small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n", "413" },
		{ "huge body", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000000\r\n\r\n", "413" },
		{ "absurd length", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551614\r\n\r\n", "400" },
		{ "unknown expectation", "GET /echo HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n", "417" },
		{ "head too large", big_head, "431" },
		{ "too many headers", many, "431" },
	};

	(void)unused;
	snprintf(big_head, sizeof big_head, "GET /echo HTTP/1.1\r\nHost: h\r\nX: %036000d\r\n\r\n", 1);
	strcpy(many, "GET /echo HTTP/1.1\r\n");
	for (int i = 0; i < 101; i++)
		snprintf(many + strlen(many), 32, "X-%d: v\r\n", i);
	strcat(many, "\r\n");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct world w;
		char line[32];

		print_message("%s\n", cases[i].why);
		world_init(&w);
		http_server_accept(w.srv, w.end);
		w.end = NULL;
		stream_write(w.peer.s, bytes_of_str(cases[i].wire));
		turns(&w, 4);
		snprintf(line, sizeof line, "HTTP/1.1 %s ", cases[i].status);
		assert_non_null(w.peer.got.p);
		assert_int_equal(strncmp(got(&w), line, strlen(line)), 0);
		assert_non_null(strstr(got(&w), "Connection: close\r\n"));
		assert_true(w.peer.eof);
		assert_int_equal(w.requests, 0);
		world_release(&w);
	}
}

static void continue_is_said_when_asked(void **state)
{
	struct world *w = *state;

	say(w, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	assert_string_equal(got(w), "HTTP/1.1 100 Continue\r\n\r\n");
	say(w, "ok");
	assert_non_null(strstr(got(w), "host=h ok"));
}

static void methods_and_paths_are_told_apart(void **state)
{
	struct world *w = *state;

	say(w, "DELETE /echo HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_non_null(strstr(got(w), "405 Method Not Allowed\r\n"));
	assert_non_null(strstr(got(w), "Allow: GET, POST\r\n"));
	say(w, "OPTIONS /echo HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_non_null(strstr(got(w), "204 No Content\r\n"));
	say(w, "GET /secret HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_non_null(strstr(got(w), "401 Unauthorized\r\n"));
	assert_int_equal(w->requests, 0);
	say(w, "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_null(strstr(got(w), "Injected"));
	say(w, "GET http://proxy.example/echo?q HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_non_null(strstr(got(w), "GET /echo?q "));
}

static void a_whole_head_ends_the_time_as_a_stranger(void **unused)
{
	struct world w;
	unsigned n = 0;

	(void)unused;
	world_init(&w);
	watch_established(w.end, &n);
	http_server_accept(w.srv, w.end);
	w.end = NULL;
	say(&w, "GET /echo HTTP/1.1\r\nHost: h\r\n");
	assert_int_equal(n, 0);
	say(&w, "\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(n, 1);
	world_release(&w);
}

static void an_answer_may_come_later_and_requests_behind_it_wait(void **state)
{
	struct world *w = *state;

	say(w, "GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET /thing/2 HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_non_null(w->held);
	assert_int_equal(w->peer.got.n, 0);
	http_respond(w->held, 200, "text/plain", BYTES_LIT("finally"));
	turns(w, 3);
	assert_non_null(strstr(got(w), "finally"));
	assert_non_null(strstr(strstr(got(w), "finally"), "GET /thing/2"));
	assert_int_equal(w->cancelled, 0);
}

static void a_peer_that_goes_away_cancels(void **state)
{
	struct world *w = *state;

	say(w, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
	stream_abort(w->peer.s, STREAM_END_LOCAL);
	turns(w, 3);
	assert_int_equal(w->cancelled, 1);
	assert_int_equal(w->last_status, 0);
	assert_int_equal(http_server_open(w->srv), 0);
}

static void an_end_of_file_cancels_too(void **state)
{
	struct world *w = *state;

	say(w, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
	pipe_shutdown(w->peer.s);
	turns(w, 4);
	assert_int_equal(w->cancelled, 1);
	assert_int_equal(http_server_open(w->srv), 0);
}

static void a_half_closed_peer_gets_the_answers_it_asked_for(void **state)
{
	struct world *w = *state;

	stream_write(w->peer.s, BYTES_LIT("GET /thing/1 HTTP/1.1\r\nHost: h\r\n\r\nGET /thing/2 HTTP/1.1\r\nHost: h\r\n\r\n"));
	pipe_shutdown(w->peer.s);
	turns(w, 4);
	assert_int_equal(count_of(got(w), "200 OK"), 2);
	assert_true(w->peer.eof);
}

static void a_streamed_answer_is_chunked_and_its_backlog_shows(void **state)
{
	struct world *w = *state;
	struct shared_bytes *sh = shared_bytes_alloc(100000);

	memset(sh->data, 'x', sh->n);
	say(w, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_non_null(strstr(got(w), "Transfer-Encoding: chunked\r\n"));
	http_resp_write(w->held, BYTES_LIT("hello"));
	turns(w, 2);
	assert_non_null(strstr(got(w), "\r\n\r\n5\r\nhello\r\n"));
	stream_pause(w->peer.s);
	http_resp_write_shared(w->held, sh);
	turns(w, 2);
	assert_true(http_resp_pending(w->held) >= 100000);
	assert_int_equal(w->drained, 0);
	stream_resume(w->peer.s);
	turns(w, 3);
	assert_int_equal(http_resp_pending(w->held), 0);
	assert_int_equal(w->drained, 1);
	http_resp_end(w->held);
	turns(w, 3);
	assert_non_null(strstr(got(w), "\r\n186a0\r\nxxx"));
	assert_memory_equal(w->peer.got.p + w->peer.got.n - 9, "xx\r\n0\r\n\r\n", 9);
	say(w, "GET /thing/2 HTTP/1.1\r\nHost: h\r\n\r\n"); /* still usable */
	assert_non_null(strstr(got(w), "[2]"));
	shared_bytes_unref(&sh);
}

static void to_http_10_a_stream_ends_with_the_connection(void **state)
{
	struct world *w = *state;

	say(w, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	http_resp_write(w->held, BYTES_LIT("hello"));
	http_resp_end(w->held);
	turns(w, 3);
	assert_null(strstr(got(w), "chunked"));
	assert_non_null(strstr(got(w), "Connection: close\r\n"));
	assert_non_null(strstr(got(w), "\r\n\r\nhello"));
	assert_true(w->peer.eof);
}

static void a_broken_off_answer_breaks_the_connection(void **state)
{
	struct world *w = *state;

	say(w, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
	http_resp_abort(w->held);
	turns(w, 3);
	assert_true(w->peer.closed);
	assert_null(strstr(got(w), "0\r\n\r\n"));
	assert_int_equal(w->cancelled, 0);
}

static void an_upgrade_hands_over_the_stream_with_what_came_behind(void **state)
{
	struct world *w = *state;
	struct reader r;

	say(w, "POST /switch HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: upgrade\r\nUpgrade: test-protocol\r\n\r\nfirst ");
	assert_string_equal(got(w), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: test-protocol\r\nConnection: upgrade\r\nX-More: yes\r\n\r\n");
	assert_non_null(w->taken);
	assert_int_equal(http_server_open(w->srv), 0);
	reader_init(&r, w->taken);
	w->taken = NULL;
	r.echo = true;
	stream_resume(r.s);
	say(w, "second");
	assert_true(bytes_eq_str(buf_bytes(&r.got), "first second"));
	loop_clock_advance(w->l, 1000000); /* no deadline is left */
	turns(w, 3);
	assert_false(r.closed);
	pipe_shutdown(w->peer.s);
	turns(w, 3);
	assert_true(r.eof);
	reader_release(&r);
}

static void a_silent_take_over_sends_nothing(void **state)
{
	struct world *w = *state;
	struct reader r;

	say(w, "GET /take HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: DERP\r\nDerp-Fast-Start: 1\r\n\r\nx");
	assert_int_equal(w->peer.got.n, 0);
	reader_init(&r, w->taken);
	w->taken = NULL;
	stream_resume(r.s);
	turns(w, 2);
	assert_true(bytes_eq_str(buf_bytes(&r.got), "x"));
	reader_release(&r);
}

static void phases_have_deadlines(void **unused)
{
	static const struct {
		const char *why, *wire;
		unsigned ms;
	} cases[] = {
		{ "nothing at all", "", 1000 },
		{ "half a head", "GET /echo HTT", 2000 },
		{ "half a body", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", 3000 },
		{ "idle", "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", 4000 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct world w;

		print_message("%s\n", cases[i].why);
		world_init(&w);
		http_server_free(&w.srv);
		w.limits = (struct http_limits){ .first_ms = 1000, .head_ms = 2000, .body_ms = 3000, .idle_ms = 4000 };
		world_serve(&w);
		http_server_accept(w.srv, w.end);
		w.end = NULL;
		stream_write(w.peer.s, bytes_of_str(cases[i].wire));
		turns(&w, 3);
		loop_clock_advance(w.l, cases[i].ms - 10);
		turns(&w, 3);
		assert_false(w.peer.closed);
		loop_clock_advance(w.l, 11);
		turns(&w, 3);
		assert_true(w.peer.closed);
		world_release(&w);
	}
}

static void all_gone(void *arg)
{
	*(bool *)arg = true;
}

static void draining_waits_for_answers_and_no_longer_than_allowed(void **state)
{
	struct world *w = *state;
	struct stream *a, *b;
	struct reader idle;
	bool done = false;

	pipe_pair(w->l, &a, &b);
	reader_init(&idle, a);
	stream_resume(a);
	http_server_accept(w->srv, b);
	say(w, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
	http_server_drain(w->srv, 5000, all_gone, &done);
	turns(w, 3);
	assert_true(idle.eof);
	assert_false(done);
	http_respond(w->held, 200, NULL, BYTES_LIT("last words"));
	turns(w, 4);
	assert_non_null(strstr(got(w), "Connection: close\r\n"));
	assert_true(w->peer.eof);
	stream_close(w->peer.s);
	turns(w, 3);
	assert_true(done);
	reader_release(&idle);
}

static void draining_ends_what_does_not_end(void **state)
{
	struct world *w = *state;
	bool done = false;

	say(w, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
	http_server_drain(w->srv, 5000, all_gone, &done);
	turns(w, 3);
	assert_false(done);
	loop_clock_advance(w->l, 5001);
	turns(w, 4);
	assert_true(done);
	assert_int_equal(w->cancelled, 1);
}

static void overload_is_spread(void **state)
{
	struct world *w = *state;
	bool seen[10] = { false };

	for (int i = 0; i < 60; i++) {
		const char *p;

		buf_reset(&w->peer.got);
		say(w, "GET /busy HTTP/1.1\r\nHost: h\r\n\r\n");
		p = strstr(got(w), "Retry-After: ");
		assert_non_null(p);
		assert_in_range(p[13], '5', '9');
		seen[p[13] - '0'] = true;
	}
	assert_int_equal(seen[5] + seen[6] + seen[7] + seen[8] + seen[9] >= 3, 1);
}

/* ---- who asks ---- */

static bool is_proxy(void *arg, const struct net_addr *a)
{
	char text[NET_ADDR_TEXT_MAX];

	(void)arg;
	net_addr_format(a, text);
	return strncmp(text, "10.", 3) == 0;
}

static void the_client_is_named_by_trusted_proxies_only(void **state)
{
	static const struct {
		const char *why, *peer;
		struct http_header h[3];
		const char *want;
	} cases[] = {
		{ "no proxy", "192.0.2.1", { { "x-real-ip", "9.9.9.9" } }, "192.0.2.1" },
		{ "nothing said", "10.0.0.1", { { "via", "x" } }, "10.0.0.1" },
		{ "true-client-ip first", "10.0.0.1", { { "x-real-ip", "8.8.8.8" }, { "true-client-ip", "9.9.9.9" } }, "9.9.9.9" },
		{ "malformed one is skipped", "10.0.0.1", { { "true-client-ip", "nobody" }, { "x-real-ip", "2001:db8::1" } }, "2001:db8::1" },
		{ "rightmost that is no proxy", "10.0.0.1", { { "x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.9.9.9" } }, "2.2.2.2" },
		{ "over several headers", "10.0.0.1", { { "x-forwarded-for", "3.3.3.3" }, { "x-forwarded-for", " 10.2.2.2 ,10.3.3.3" } }, "3.3.3.3" },
		{ "garbage stops the search", "10.0.0.1", { { "x-forwarded-for", "1.1.1.1, bogus, 10.3.3.3" } }, "10.0.0.1" },
		{ "only proxies", "10.0.0.1", { { "x-forwarded-for", "10.1.1.1,10.2.2.2" } }, "10.0.0.1" },
		{ "empty", "10.0.0.1", { { "x-forwarded-for", "" } }, "10.0.0.1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct conn_info c = { .refs = 1 };
		struct http_req r = { .conn = &c, .headers = cases[i].h };
		char text[NET_ADDR_TEXT_MAX];
		struct net_addr a;

		while (r.n_headers < 3 && cases[i].h[r.n_headers].name)
			r.n_headers++;
		assert_int_equal(net_addr_parse(bytes_of_str(cases[i].peer), 1, &c.remote), ST_OK);
		a = http_client_addr(&r, is_proxy, NULL);
		net_addr_format(&a, text);
		print_message("%s\n", cases[i].why);
		assert_string_equal(text, cases[i].want);
	}
}

static void cookies_queries_and_forms_are_read(void **state)
{
	static const struct http_header h[] = {
		{ "cookie", "a=1; session=abc%20; b" },
		{ "cookie", "later=yes " },
		{ "content-type", "application/x-www-form-urlencoded; charset=utf-8" },
		{ "connection", "keep-alive, Upgrade" },
	};
	struct http_req r = { .arena = arena_new(), .headers = h, .n_headers = 4, .query = "a=1&b&c=%zz&d=x+y%2Bz&a=2&&=e",
			      .body = BYTES_LIT("user=al+ice&ok=%31") };
	const struct http_pair *v;

	(void)state;
	assert_string_equal(http_req_cookie(&r, "session"), "abc%20");
	assert_string_equal(http_req_cookie(&r, "later"), "yes");
	assert_null(http_req_cookie(&r, "b"));
	assert_string_equal(http_req_query(&r, "a"), "1");
	assert_string_equal(http_req_query(&r, "b"), "");
	assert_null(http_req_query(&r, "c")); /* malformed */
	assert_string_equal(http_req_query(&r, "d"), "x y+z");
	assert_int_equal(http_req_query_all(&r, &v), 5);
	assert_int_equal(http_req_form(&r, &v), 2);
	assert_string_equal(v[0].value, "al ice");
	assert_string_equal(v[1].value, "1");
	assert_true(http_req_header_has(&r, "connection", "upgrade"));
	assert_false(http_req_header_has(&r, "connection", "up"));
	arena_free(&r.arena);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_request_is_answered_and_the_connection_stays),
		T(requests_in_one_piece),
		T(requests_byte_by_byte),
		cmocka_unit_test(every_prefix_of_a_request_waits_for_more),
		cmocka_unit_test(bad_requests_get_a_status_and_the_connection_closes),
		T(continue_is_said_when_asked),
		T(methods_and_paths_are_told_apart),
		cmocka_unit_test(a_whole_head_ends_the_time_as_a_stranger),
		T(an_answer_may_come_later_and_requests_behind_it_wait),
		T(a_peer_that_goes_away_cancels),
		T(an_end_of_file_cancels_too),
		T(a_half_closed_peer_gets_the_answers_it_asked_for),
		T(a_streamed_answer_is_chunked_and_its_backlog_shows),
		T(to_http_10_a_stream_ends_with_the_connection),
		T(a_broken_off_answer_breaks_the_connection),
		T(an_upgrade_hands_over_the_stream_with_what_came_behind),
		T(a_silent_take_over_sends_nothing),
		cmocka_unit_test(phases_have_deadlines),
		T(draining_waits_for_answers_and_no_longer_than_allowed),
		T(draining_ends_what_does_not_end),
		T(overload_is_spread),
		cmocka_unit_test(the_client_is_named_by_trusted_proxies_only),
		cmocka_unit_test(cookies_queries_and_forms_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
