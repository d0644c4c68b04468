/* Tests of derp/frame.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "derp/frame.h"
#include "unit/derp/vectors.h"

static void assert_hex(const uint8_t *got, size_t n, const char *want)
{
	char hex[2048];
	assert_true(n * 2 < sizeof hex);
	hex_encode(bytes_of(got, n), hex);
	assert_string_equal(hex, want);
}

static void frames_are_those_of_the_vectors(void **state)
{
	uint8_t a[32], b[32], out[256], packet[] = "hello 0->1\n";
	struct derp_present p = { .key = a, .flags = DERP_PRESENT_REGULAR, .port = 41641 };
	size_t n;
	(void)state;

	unhex(V_A, a);
	unhex(V_B, b);
	unhex(V_SERVER, out + 200);
	assert_hex(out, derp_put_server_key(out, out + 200), V_SERVER_KEY_FRAME);
	n = derp_put_send_head(out, b, sizeof packet - 1);
	memcpy(out + n, packet, sizeof packet - 1);
	assert_hex(out, n + sizeof packet - 1, "040000002b" V_B "68656c6c6f20302d3e310a");
	n = derp_put_recv_head(out, a, sizeof packet - 1);
	assert_hex(out, n, "050000002b" V_A);
	n = derp_put_forward_head(out, a, b, sizeof packet - 1);
	assert_hex(out, n, "0a0000004b" V_A V_B);
	assert_hex(out, derp_put_keep_alive(out), "0600000000");
	assert_hex(out, derp_put_note_preferred(out, true), "070000000101");
	assert_hex(out, derp_put_note_preferred(out, false), "070000000100");
	assert_hex(out, derp_put_peer_gone(out, a, DERP_GONE_DISCONNECTED), "0800000021" V_A "00");
	assert_hex(out, derp_put_peer_gone(out, b, DERP_GONE_NOT_HERE), "0800000021" V_B "01");
	assert_hex(out, derp_put_watch_conns(out), "1000000000");
	assert_hex(out, derp_put_close_peer(out, b), "1100000020" V_B);
	assert_hex(out, derp_put_ping(out, (const uint8_t *)"\1\2\3\4\5\6\7\x2a"), "1200000008010203040506072a");
	assert_hex(out, derp_put_pong(out, (const uint8_t *)"\1\2\3\4\5\6\7\x2a"), "1300000008010203040506072a");
	assert_hex(out, derp_put_health(out, BYTES_LIT("duplicate connection")),
	           "14000000146475706c696361746520636f6e6e656374696f6e");
	assert_hex(out, derp_put_health(out, BYTES_LIT("")), "1400000000");
	assert_hex(out, derp_put_restarting(out, 0, 5000), "15000000080000000000001388");

	unhex("00000000000000000000ffffcb007107", p.ip);
	assert_hex(out, derp_put_peer_present(out, &p),
	           "0900000034" V_A "00000000000000000000ffffcb007107a2a90100");
	p = (struct derp_present){ .key = b, .port = 443, .flags = DERP_PRESENT_MESH | DERP_PRESENT_NOT_IDEAL };
	unhex("20010db8000000000000000000010002", p.ip);
	assert_hex(out, derp_put_peer_present(out, &p),
	           "0900000034" V_B "20010db800000000000000000001000201bb0a00");
}

static void peer_present_is_read_at_every_age(void **state)
{
	uint8_t wire[DERP_PEER_PRESENT_FRAME_MAX], key[32] = { 7 };
	struct derp_present in = { .key = key, .ip = { 1, 2 }, .port = 99, .flags = 9, .app = BYTES_LIT("sim") }, out;
	size_t n = derp_put_peer_present(wire, &in);
	(void)state;

	for (size_t len = 0; len <= n - DERP_HEADER_LEN; len++) {
		enum status s = derp_present_parse(bytes_of(wire + DERP_HEADER_LEN, len), &out);
		assert_int_equal(s, len < 32 ? ST_BAD_INPUT : ST_OK);
		if (s != ST_OK)
			continue;
		assert_memory_equal(out.key, key, 32);
		assert_int_equal(out.port, len >= 50 ? 99 : 0);
		assert_int_equal(out.flags, len >= 51 ? 9 : 0);
		assert_int_equal(out.app.n, len == 52 + 3 ? 3 : 0);
	}
	assert_memory_equal(out.app.p, "sim", 3);
}

static void lengths_are_judged_by_type_and_reader(void **state)
{
	static const struct {
		uint8_t type;
		uint32_t len;
		enum derp_reader reader;
		enum status want;
		const char *why;
	} cases[] = {
		{ DERP_CLIENT_INFO, 55, DERP_READER_LOGIN, ST_BAD_INPUT, "no room for key and nonce" },
		{ DERP_CLIENT_INFO, 104, DERP_READER_LOGIN, ST_OK, "an ordinary login" },
		{ DERP_CLIENT_INFO, 262144, DERP_READER_LOGIN, ST_TOO_BIG, "a huge login" },
		{ DERP_SEND_PACKET, 40, DERP_READER_LOGIN, ST_BAD_INPUT, "a packet before the login" },
		{ DERP_SEND_PACKET, 31, DERP_READER_CLIENT, ST_BAD_INPUT, "half a key" },
		{ DERP_SEND_PACKET, 32, DERP_READER_CLIENT, ST_OK, "an empty packet" },
		{ DERP_SEND_PACKET, 65568, DERP_READER_CLIENT, ST_OK, "the largest packet" },
		{ DERP_SEND_PACKET, 65569, DERP_READER_CLIENT, ST_TOO_BIG, "one more" },
		{ DERP_SEND_PACKET, 0xffffffff, DERP_READER_CLIENT, ST_TOO_BIG, "four GiB" },
		{ DERP_NOTE_PREFERRED, 0, DERP_READER_CLIENT, ST_BAD_INPUT, "no value" },
		{ DERP_NOTE_PREFERRED, 2, DERP_READER_CLIENT, ST_TOO_BIG, "two values" },
		{ DERP_PING, 7, DERP_READER_CLIENT, ST_BAD_INPUT, "short ping" },
		{ DERP_PING, 1000, DERP_READER_CLIENT, ST_OK, "long ping" },
		{ DERP_PING, 1001, DERP_READER_CLIENT, ST_TOO_BIG, "too long ping" },
		{ DERP_FORWARD_PACKET, 64, DERP_READER_CLIENT, ST_DENIED, "forward without the mesh key" },
		{ DERP_FORWARD_PACKET, 63, DERP_READER_MESH, ST_BAD_INPUT, "forward without two keys" },
		{ DERP_FORWARD_PACKET, 65600, DERP_READER_MESH, ST_OK, "the largest forward" },
		{ DERP_FORWARD_PACKET, 65601, DERP_READER_MESH, ST_TOO_BIG, "one more" },
		{ DERP_WATCH_CONNS, 0, DERP_READER_CLIENT, ST_DENIED, "watch without the mesh key" },
		{ DERP_WATCH_CONNS, 1, DERP_READER_MESH, ST_TOO_BIG, "watch has no payload" },
		{ DERP_CLOSE_PEER, 32, DERP_READER_CLIENT, ST_DENIED, "close without the mesh key" },
		{ DERP_CLOSE_PEER, 33, DERP_READER_MESH, ST_TOO_BIG, "close of a key and more" },
		{ 0x7f, 65568, DERP_READER_CLIENT, ST_OK, "unknown, skipped" },
		{ 0x7f, 65569, DERP_READER_CLIENT, ST_TOO_BIG, "unknown and endless" },
		{ DERP_SERVER_KEY, 40, DERP_READER_SERVER, ST_OK, "a server's key" },
		{ DERP_SERVER_KEY, 39, DERP_READER_SERVER, ST_BAD_INPUT, "a server's key cut short" },
		{ DERP_RECV_PACKET, 65569, DERP_READER_SERVER, ST_TOO_BIG, "too much from a server" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct derp_header h = { cases[i].type, cases[i].len };
		enum status got = derp_header_check(h, cases[i].reader);
		if (got != cases[i].want)
			fail_msg("%s: %s instead of %s", cases[i].why, status_name(got), status_name(cases[i].want));
	}
}

static void header_round_trips(void **state)
{
	uint8_t w[5];
	struct derp_header h;
	(void)state;
	derp_header_put(w, DERP_PING, 0x01020304);
	h = derp_header_get(w);
	assert_int_equal(h.type, DERP_PING);
	assert_int_equal(h.len, 0x01020304);
}

static void disco_is_known_by_magic_and_length(void **state)
{
	uint8_t p[62] = "TS\xf0\x9f\x92\xac";
	(void)state;
	assert_true(derp_looks_like_disco(p, 62));
	assert_false(derp_looks_like_disco(p, 61));
	p[5] ^= 1;
	assert_false(derp_looks_like_disco(p, 62));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_those_of_the_vectors),
		cmocka_unit_test(peer_present_is_read_at_every_age),
		cmocka_unit_test(lengths_are_judged_by_type_and_reader),
		cmocka_unit_test(header_round_trips),
		cmocka_unit_test(disco_is_known_by_magic_and_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
