/* Tests of derp/ws.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "derp/ws.h"
#include "unit/derp/vectors.h"

/* Decode `in` in pieces of `step` bytes; returns the bytes of the stream. */
static size_t decode(struct derp_ws *ws, const uint8_t *in, size_t n, size_t step, uint8_t *out, enum status *s)
{
	size_t total = 0;

	*s = ST_OK;
	for (size_t at = 0; at < n && *s == ST_OK; at += step) {
		size_t k = n - at < step ? n - at : step, got = 0;
		uint8_t *piece = malloc(k); /* its own, so that a step outside is seen */
		memcpy(piece, in + at, k);
		*s = derp_ws_decode(ws, piece, k, &got);
		if (*s == ST_OK) {
			memcpy(out + total, piece, got);
			total += got;
		}
		free(piece);
	}
	return total;
}

static void the_vector_is_decoded_however_it_is_cut(void **state)
{
	uint8_t in[32], out[32];
	size_t n = unhex("828637fa213d30fa213d36fb", in);
	enum status s;
	(void)state;
	for (size_t step = 1; step <= n; step++) {
		struct derp_ws ws = { 0 };
		assert_int_equal(decode(&ws, in, n, step, out, &s), 6);
		assert_int_equal(s, ST_OK);
		assert_memory_equal(out, "\x07\0\0\0\1\1", 6);
	}
}

static void fragments_and_control_frames_may_be_mixed(void **state)
{
	/* binary "ab" (not final), ping "hi", continuation "cd" (final), empty binary, close; all with mask 01020304 */
	static const uint8_t in[] = { 0x02, 0x82, 1, 2, 3, 4, 'a' ^ 1, 'b' ^ 2, 0x89, 0x82, 1, 2, 3, 4, 'h' ^ 1, 'i' ^ 2,
		                      0x80, 0x82, 1, 2, 3, 4, 'c' ^ 1, 'd' ^ 2, 0x82, 0x80, 1, 2, 3, 4,
		                      0x88, 0x82, 1, 2, 3, 4, 3 ^ 1, 0xe8 ^ 2, 0xff, 0xff };
	uint8_t out[64];
	enum status s;
	(void)state;
	for (size_t step = 1; step <= sizeof in; step++) {
		struct derp_ws ws = { 0 };
		assert_int_equal(decode(&ws, in, sizeof in, step, out, &s), 4);
		assert_int_equal(s, ST_OK);
		assert_memory_equal(out, "abcd", 4);
		assert_true(ws.pong_due && ws.pong_n == 2 && memcmp(ws.pong, "hi", 2) == 0);
		assert_true(ws.closed); /* what follows a close is not read */
	}
}

static void what_the_protocol_forbids_is_refused(void **state)
{
	static const struct {
		uint8_t wire[14];
		enum status want;
		const char *why;
	} cases[] = {
		{ { 0x82, 0x02, 'a', 'b', 0, 0 }, ST_BAD_INPUT, "not masked" },
		{ { 0xc2, 0x80, 0, 0, 0, 0 }, ST_BAD_INPUT, "a reserved bit" },
		{ { 0x81, 0x80, 0, 0, 0, 0 }, ST_BAD_INPUT, "text" },
		{ { 0x80, 0x80, 0, 0, 0, 0 }, ST_BAD_INPUT, "continuation of nothing" },
		{ { 0x83, 0x80, 0, 0, 0, 0 }, ST_BAD_INPUT, "an unknown opcode" },
		{ { 0x8b, 0x80, 0, 0, 0, 0 }, ST_BAD_INPUT, "an unknown control opcode" },
		{ { 0x09, 0x80, 0, 0, 0, 0 }, ST_BAD_INPUT, "a fragmented ping" },
		{ { 0x89, 0xfe, 0, 126, 0, 0, 0, 0 }, ST_BAD_INPUT, "a long ping" },
		{ { 0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0 }, ST_TOO_BIG, "one byte over the limit" },
		{ { 0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0 }, ST_TOO_BIG, "2^64" },
		{ { 0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0 }, ST_OK, "the limit" },
	};
	uint8_t out[64];
	enum status s;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct derp_ws ws = { 0 };
		size_t n = cases[i].wire[1] == 0xff ? 14 : cases[i].wire[1] == 0xfe ? 8 : 6;
		decode(&ws, cases[i].wire, n, 1, out, &s);
		if (s != cases[i].want)
			fail_msg("%s: %s", cases[i].why, status_name(s));
	}
}

static void heads_have_the_shortest_form(void **state)
{
	uint8_t out[DERP_WS_HEAD_MAX], pong[2 + DERP_WS_CONTROL_MAX], end[4];
	(void)state;
	assert_int_equal(derp_ws_put_head(out, 45), 2);
	assert_memory_equal(out, "\x82\x2d", 2);
	assert_int_equal(derp_ws_put_head(out, 126), 4);
	assert_memory_equal(out, "\x82\x7e\x00\x7e", 4);
	assert_int_equal(derp_ws_put_head(out, 65535), 4);
	assert_int_equal(derp_ws_put_head(out, 65536), 10);
	assert_memory_equal(out, "\x82\x7f\0\0\0\0\0\1\0\0", 10);
	assert_int_equal(derp_ws_put_pong(pong, BYTES_LIT("hi")), 4);
	assert_memory_equal(pong, "\x8a\x02hi", 4);
	assert_int_equal(derp_ws_put_close(end, 1000), 4);
	assert_memory_equal(end, "\x88\x02\x03\xe8", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vector_is_decoded_however_it_is_cut),
		cmocka_unit_test(fragments_and_control_frames_may_be_mixed),
		cmocka_unit_test(what_the_protocol_forbids_is_refused),
		cmocka_unit_test(heads_have_the_shortest_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
