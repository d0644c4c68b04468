/* test/unit/http/test_client.c -- the HTTP/1 client: against our server, and against answers of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "http/client.h"
#include "unit/http/world.h"

struct ask {
	struct http_client *c;
	unsigned answers;
	enum status status;
	int code;
	bool keep;
	struct buf body;
	char type[64];
	const char *next; /* ask this in the callback */
};

static void on_answer(void *arg, enum status s, const struct http_answer *a)
{
	struct ask *k = arg;
	const char *next = k->next;

	k->answers++;
	k->status = s;
	if (a) {
		k->code = a->status;
		k->keep = a->keep;
		if (next) {
			k->next = NULL;
			http_client_send(k->c, &(struct http_client_req){ .method = "GET", .target = next, .host = "h" }, on_answer, k);
		}
		buf_put_bytes(&k->body, a->body); /* good until we return, whatever was sent */
		snprintf(k->type, sizeof k->type, "%s", http_answer_header(a, "content-type") ? http_answer_header(a, "content-type") : "");
	}
}

static void on_piece(void *arg, struct bytes b)
{
	buf_put_bytes(&((struct ask *)arg)->body, b);
}

static void requests_one_after_the_other(void **state)
{
	struct world w;
	struct ask k = { 0 };
	struct stream *end;

	(void)state;
	world_init(&w);
	buf_init(&k.body, 1000000);
	http_server_accept(w.srv, w.end);
	w.end = NULL;
	end = w.peer.s;
	w.peer.s = NULL;
	stream_pause(end);
	k.c = http_client_new(end);
	k.next = "/thing/2";
	http_client_send(k.c, &(struct http_client_req){ .method = "POST", .target = "/echo?x", .host = "h", .body = BYTES_LIT("data ") }, on_answer, &k);
	assert_int_equal(k.answers, 0);
	turns(&w, 5);
	assert_int_equal(k.answers, 2);
	assert_int_equal(k.code, 200);
	assert_true(k.keep);
	assert_string_equal(k.type, "text/plain");
	assert_true(bytes_eq_str(buf_bytes(&k.body), "POST /echo?x [] host=h data GET /thing/2? [2] host=h "));
	buf_reset(&k.body);
	http_client_send(k.c, &(struct http_client_req){ .method = "HEAD", .target = "/thing/3", .host = "h" }, on_answer, &k);
	turns(&w, 3);
	assert_int_equal(k.answers, 3);
	assert_int_equal(k.body.n, 0);
	http_client_send(k.c, &(struct http_client_req){ .method = "GET", .target = "/echo", .host = "h", .body_max = 5 }, on_answer, &k);
	turns(&w, 3);
	assert_int_equal(k.status, ST_TOO_BIG);
	http_client_send(k.c, &(struct http_client_req){ .method = "GET", .target = "/echo", .host = "h" }, on_answer, &k);
	turns(&w, 3);
	assert_int_equal(k.status, ST_CLOSED);
	http_client_free(&k.c);
	buf_release(&k.body);
	world_release(&w);
}

static void answers_of_all_kinds_are_read(void **state)
{
	static const struct {
		const char *why, *wire;
		bool eof;
		enum status status;
		int code;
		const char *body;
	} cases[] = {
		{ "length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, ST_OK, 200, "ok" },
		{ "chunks", "HTTP/1.1 404 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", false, ST_OK, 404, "no" },
		{ "until the end", "HTTP/1.0 200 OK\r\n\r\nall of it", true, ST_OK, 200, "all of it" },
		{ "none", "HTTP/1.1 204 No Content\r\n\r\n", false, ST_OK, 204, "" },
		{ "after 100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", false, ST_OK, 200, "x" },
		{ "cut off", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", true, ST_CLOSED, 0, "" },
		{ "silence", "", true, ST_CLOSED, 0, "" },
		{ "garbage", "SSH-2.0-OpenSSH\r\n", false, ST_BAD_INPUT, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t chunk = 0; chunk < 2; chunk++) {
			struct loop *l = loop_new(0);
			struct ask k = { 0 };
			struct stream *a, *b;
			struct reader peer;

			print_message("%s\n", cases[i].why);
			pipe_pair(l, &a, &b);
			reader_init(&peer, b);
			stream_resume(b);
			pipe_set_chunk(a, chunk);
			buf_init(&k.body, 1000);
			k.c = http_client_new(a);
			http_client_send(k.c, &(struct http_client_req){ .method = "GET", .target = "/", .host = "h",
									 .data = i % 2 ? on_piece : NULL },
					 on_answer, &k);
			stream_write(b, bytes_of_str(cases[i].wire));
			if (cases[i].eof)
				pipe_shutdown(b);
			for (int n = 0; n < 4; n++)
				loop_turn(l, 0);
			assert_int_equal(k.answers, 1);
			assert_int_equal(k.status, cases[i].status);
			assert_int_equal(k.code, cases[i].code);
			if (k.status == ST_OK)
				assert_true(bytes_eq_str(buf_bytes(&k.body), cases[i].body));
			http_client_free(&k.c);
			reader_release(&peer);
			loop_free(&l);
			buf_release(&k.body);
		}
}

static void silence_times_out(void **state)
{
	struct loop *l = loop_new(0);
	struct ask k = { 0 };
	struct stream *a, *b;

	(void)state;
	pipe_pair(l, &a, &b);
	k.c = http_client_new(a);
	http_client_send(k.c, &(struct http_client_req){ .method = "GET", .target = "/", .host = "h", .timeout_ms = 500 }, on_answer, &k);
	loop_turn(l, 0);
	loop_clock_advance(l, 501);
	loop_turn(l, 0);
	loop_turn(l, 0);
	assert_int_equal(k.status, ST_TIMEOUT);
	http_client_free(&k.c);
	stream_drop(&b, false);
	loop_free(&l);
}

static void an_upgraded_connection_is_taken(void **state)
{
	struct world w;
	struct ask k = { 0 };
	struct reader mine, theirs;
	struct stream *end;

	(void)state;
	world_init(&w);
	buf_init(&k.body, 1000);
	http_server_accept(w.srv, w.end);
	w.end = NULL;
	end = w.peer.s;
	w.peer.s = NULL;
	stream_pause(end);
	k.c = http_client_new(end);
	http_client_send(k.c, &(struct http_client_req){ .method = "POST", .target = "/switch", .host = "h",
							 .headers = (const struct http_header[]){ { "Connection", "upgrade" }, { "Upgrade", "test-protocol" } },
							 .n_headers = 2 },
			 on_answer, &k);
	turns(&w, 1);
	assert_non_null(w.taken);
	stream_write(w.taken, BYTES_LIT("server first"));
	turns(&w, 3);
	assert_int_equal(k.code, 101);
	reader_init(&mine, http_client_take(&k.c));
	assert_null(k.c);
	stream_resume(mine.s);
	reader_init(&theirs, w.taken);
	w.taken = NULL;
	stream_resume(theirs.s);
	stream_write(mine.s, BYTES_LIT("client then"));
	turns(&w, 3);
	assert_true(bytes_eq_str(buf_bytes(&mine.got), "server first"));
	assert_true(bytes_eq_str(buf_bytes(&theirs.got), "client then"));
	reader_release(&mine);
	reader_release(&theirs);
	buf_release(&k.body);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_one_after_the_other),
		cmocka_unit_test(answers_of_all_kinds_are_read),
		cmocka_unit_test(silence_times_out),
		cmocka_unit_test(an_upgraded_connection_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
