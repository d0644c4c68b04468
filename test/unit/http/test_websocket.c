/* test/unit/http/test_websocket.c -- WebSocket over a pipe: the upgrade, frames in and out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "http/websocket.h"
#include "unit/http/world.h"

struct sides {
	struct loop *l;
	struct reader ws, raw; /* the server's stream; the bare bytes of its peer */
};

static int set_up(void **state)
{
	static struct sides t;
	struct stream *a, *b;

	t.l = loop_new(0);
	pipe_pair(t.l, &a, &b);
	reader_init(&t.ws, ws_serve(a));
	reader_init(&t.raw, b);
	stream_resume(t.ws.s);
	stream_resume(b);
	*state = &t;
	return 0;
}

static int tear_down(void **state)
{
	struct sides *t = *state;

	reader_release(&t->ws);
	reader_release(&t->raw);
	loop_free(&t->l);
	return 0;
}

static void spin(struct sides *t)
{
	for (int i = 0; i < 4; i++)
		loop_turn(t->l, 0);
}

/* Append a masked frame as a client sends it. */
static void put_frame(struct buf *b, unsigned first, struct bytes payload)
{
	static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };

	buf_put_char(b, (char)first);
	if (payload.n < 126) {
		buf_put_char(b, (char)(0x80 | payload.n));
	} else if (payload.n < 65536) {
		uint8_t h[3] = { 0x80 | 126, (uint8_t)(payload.n >> 8), (uint8_t)payload.n };

		buf_put(b, h, 3);
	} else {
		uint8_t h[9] = { 0x80 | 127, 0, 0, 0, 0, (uint8_t)(payload.n >> 24), (uint8_t)(payload.n >> 16),
				 (uint8_t)(payload.n >> 8), (uint8_t)payload.n };

		buf_put(b, h, 9);
	}
	buf_put(b, key, 4);
	for (size_t i = 0; i < payload.n; i++)
		buf_put_char(b, (char)(payload.p[i] ^ key[i & 3]));
}

static void the_key_of_the_rfc(void **state)
{
	char out[WS_ACCEPT_LEN + 1];

	(void)state;
	ws_accept_key("dGhlIHNhbXBsZSBub25jZQ==", out); /* RFC 6455, 1.3 */
	assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* All kinds of good frames; however cut, the same bytes come out. */
static void messages_become_one_stream_of_bytes(void **unused)
{
	static const size_t cuts[] = { 0, 1, 2, 3, 7, 1000 };
	uint8_t *big = malloc(70000);
	struct buf in, want;

	(void)unused;
	for (size_t i = 0; i < 70000; i++)
		big[i] = (uint8_t)(i * 13);
	buf_init(&in, 1000000);
	buf_init(&want, 1000000);
	put_frame(&in, 0x82, BYTES_LIT("hello "));
	put_frame(&in, 0x02, BYTES_LIT("frag"));
	put_frame(&in, 0x89, BYTES_LIT("ping")); /* in between */
	put_frame(&in, 0x00, BYTES_LIT("ment"));
	put_frame(&in, 0x80, BYTES_LIT("s "));
	put_frame(&in, 0x8a, BYTES_LIT("unasked pong"));
	put_frame(&in, 0x82, (struct bytes){ 0 });
	put_frame(&in, 0x82, bytes_of(big, 200));
	put_frame(&in, 0x82, bytes_of(big, 70000));
	buf_put_str(&want, "hello fragments ");
	buf_put(&want, big, 200);
	buf_put(&want, big, 70000);
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
		struct sides *t;
		void *state;

		set_up(&state);
		t = state;
		pipe_set_chunk(t->ws.s->below, cuts[i]);
		stream_write(t->raw.s, buf_bytes(&in));
		spin(t);
		assert_int_equal(t->ws.got.n, want.n);
		assert_memory_equal(t->ws.got.p, want.p, want.n);
		assert_true(bytes_eq(buf_bytes(&t->raw.got), BYTES_LIT("\x8a\x04ping")));
		tear_down(&state);
	}
	buf_release(&in);
	buf_release(&want);
	free(big);
}

static void a_paused_reader_gets_the_rest_later(void **state)
{
	struct sides *t = *state;
	struct buf in;

	buf_init(&in, 100000);
	for (int i = 0; i < 10; i++)
		put_frame(&in, 0x82, BYTES_LIT("0123456789"));
	t->ws.pause_after = true;
	stream_write(t->raw.s, buf_bytes(&in));
	for (unsigned i = 1; i <= 10; i++) {
		spin(t);
		assert_int_equal(t->ws.calls, i);
		assert_int_equal(t->ws.got.n, i * 10);
		stream_resume(t->ws.s);
	}
	buf_release(&in);
}

static void a_turns_writes_are_one_message(void **state)
{
	struct sides *t = *state;
	uint8_t big[5000] = { 0 };

	stream_write(t->ws.s, BYTES_LIT("ab"));
	stream_write(t->ws.s, BYTES_LIT("cd"));
	spin(t);
	assert_true(bytes_eq(buf_bytes(&t->raw.got), BYTES_LIT("\x82\x04" "abcd")));
	buf_reset(&t->raw.got);
	stream_write(t->ws.s, bytes_of(big, sizeof big));
	spin(t);
	assert_int_equal(t->raw.got.n, 4 + sizeof big);
	assert_memory_equal(t->raw.got.p, "\x82\x7e\x13\x88", 4);
	stream_close(t->ws.s);
	spin(t);
	assert_memory_equal(t->raw.got.p + t->raw.got.n - 4, "\x88\x02\x03\xe8", 4); /* 1000 */
	assert_true(t->raw.eof);
}

static void a_close_is_echoed_and_ends_the_stream(void **state)
{
	struct sides *t = *state;
	struct buf in;

	buf_init(&in, 1000);
	put_frame(&in, 0x82, BYTES_LIT("x"));
	put_frame(&in, 0x88, BYTES_LIT("\x03\xe9going"));
	put_frame(&in, 0x82, BYTES_LIT("after"));
	stream_write(t->raw.s, buf_bytes(&in));
	spin(t);
	assert_int_equal(t->ws.got.n, 1);
	assert_true(t->ws.eof);
	assert_true(bytes_eq(buf_bytes(&t->raw.got), BYTES_LIT("\x88\x02\x03\xe9")));
	stream_close(t->ws.s);
	spin(t);
	assert_int_equal(t->raw.got.n, 4); /* said once */
	assert_true(t->ws.closed);
	buf_release(&in);
}

#define WIRE(s) s, sizeof(s) - 1
static void broken_frames_get_a_code_and_the_end(void **unused)
{
	static const struct {
		const char *why;
		const char *wire;
		size_t n;
		unsigned code;
	} cases[] = {
		{ "unmasked", WIRE("\x82\x01x"), 1002 },
		{ "reserved bit", WIRE("\xc2\x80"), 1002 },
		{ "text", WIRE("\x81\x80"), 1003 },
		{ "unknown opcode", WIRE("\x83\x80"), 1002 },
		{ "unknown control opcode", WIRE("\x8b\x80"), 1002 },
		{ "continuation of nothing", WIRE("\x80\x80"), 1002 },
		{ "new message inside another", WIRE("\x02\x80\0\0\0\0\x82\x80"), 1002 },
		{ "fragmented ping", WIRE("\x09\x80"), 1002 },
		{ "long ping", WIRE("\x89\xfe\x00\x7e"), 1002 },
		{ "16-bit length that fits in 7", WIRE("\x82\xfe\x00\x7d\0\0\0\0"), 1002 },
		{ "64-bit length that fits in 16", WIRE("\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0"), 1002 },
		{ "negative length", WIRE("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0"), 1002 },
		{ "huge length", WIRE("\x82\xff\0\0\0\0\x01\0\0\x01\0\0\0\0"), 1009 },
		{ "close of one byte", WIRE("\x88\x81\0\0\0\0x"), 1002 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sides *t;
		void *state;
		uint8_t want[4] = { 0x88, 2, (uint8_t)(cases[i].code >> 8), (uint8_t)cases[i].code };

		print_message("%s\n", cases[i].why);
		set_up(&state);
		t = state;
		pipe_set_chunk(t->ws.s->below, i % 2);
		stream_write(t->raw.s, bytes_of(cases[i].wire, cases[i].n));
		spin(t);
		assert_true(t->ws.closed);
		assert_int_equal(t->ws.why, STREAM_END_PROTOCOL);
		assert_int_equal(t->ws.got.n, 0);
		assert_true(bytes_eq(buf_bytes(&t->raw.got), bytes_of(want, 4)));
		tear_down(&state);
	}
}

static void client_and_server_understand_each_other(void **unused)
{
	struct loop *l = loop_new(0);
	struct reader c, s;
	struct stream *a, *b;
	uint8_t *big = malloc(300000);

	(void)unused;
	for (size_t i = 0; i < 300000; i++)
		big[i] = (uint8_t)(i ^ i >> 8);
	pipe_pair(l, &a, &b);
	reader_init(&c, ws_client(a));
	reader_init(&s, ws_serve(b));
	stream_resume(c.s);
	stream_resume(s.s);
	s.echo = true;
	stream_write(c.s, bytes_of(big, 300000));
	for (int i = 0; i < 10; i++)
		loop_turn(l, 0);
	assert_int_equal(c.got.n, 300000);
	assert_memory_equal(c.got.p, big, 300000);
	stream_close(c.s);
	for (int i = 0; i < 5; i++)
		loop_turn(l, 0);
	assert_true(s.eof);
	reader_release(&c);
	reader_release(&s);
	loop_free(&l);
	free(big);
}

/* ---- the upgrade ---- */

struct up {
	struct world w;
	enum status status;
	struct stream *ws;
	bool required;
};

static void on_ws(void *arg, struct http_req *r)
{
	struct up *u = arg;

	u->status = ws_accept(r, "tailscale-control-protocol", u->required, &u->ws);
}

static void upgrades_are_judged(void **unused)
{
	static const char head[] = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
	static const struct {
		const char *why, *more, *answer;
		bool required;
		enum status status;
	} cases[] = {
		{ "good", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: a, tailscale-control-protocol\r\n",
		  "Sec-WebSocket-Protocol: tailscale-control-protocol\r\n", true, ST_OK },
		{ "no protocol wanted", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "101 Switching", false, ST_OK },
		{ "wrong protocol", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\n",
		  "\r\n\r\n\x88\x02\x03\xf0", true, ST_DENIED },
		{ "wrong version", "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "HTTP/1.1 426", false, ST_BAD_INPUT },
		{ "short key", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: abcd\r\n", "HTTP/1.1 400", false, ST_BAD_INPUT },
		{ "no key", "Sec-WebSocket-Version: 13\r\n", "HTTP/1.1 400", false, ST_BAD_INPUT },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct up u = { 0 };
		const struct http_route route = { "GET", "/ws", on_ws, &u, 1 };

		print_message("%s\n", cases[i].why);
		world_init(&u.w);
		u.required = cases[i].required;
		http_router_add(u.w.router, &route);
		http_server_accept(u.w.srv, u.w.end);
		u.w.end = NULL;
		stream_write(u.w.peer.s, bytes_of_str(head));
		stream_write(u.w.peer.s, bytes_of_str(cases[i].more));
		stream_write(u.w.peer.s, BYTES_LIT("\r\n"));
		turns(&u.w, 4);
		assert_int_equal(u.status, cases[i].status);
		assert_non_null(strstr(got(&u.w), cases[i].answer));
		if (u.status == ST_OK)
			assert_non_null(strstr(got(&u.w), "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
		assert_int_equal(u.ws != NULL, u.status == ST_OK);
		stream_drop(&u.ws, false);
		world_release(&u.w);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_key_of_the_rfc),
		cmocka_unit_test(messages_become_one_stream_of_bytes),
		T(a_paused_reader_gets_the_rest_later),
		T(a_turns_writes_are_one_message),
		T(a_close_is_echoed_and_ends_the_stream),
		cmocka_unit_test(broken_frames_get_a_code_and_the_end),
		cmocka_unit_test(client_and_server_understand_each_other),
		cmocka_unit_test(upgrades_are_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
