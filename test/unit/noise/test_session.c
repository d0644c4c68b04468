/* Tests of noise/session.h and noise/early.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "noise/early.h"
#include "noise/session.h"
#include "unit/noise/vectors.h"

static void unhex(const char *hex, uint8_t *out, size_t n)
{
	assert_int_equal(hex_decode(bytes_of_str(hex), out, n), ST_OK);
}

static void assert_hex(struct bytes got, const char *want)
{
	char text[2049];

	assert_true(got.n * 2 < sizeof text);
	hex_encode(got, text);
	assert_string_equal(text, want);
}

/* Both ends of the connection of the vectors. */
static struct noise_session client, server;
static struct buf wire, plain;

static int setup(void **state)
{
	struct noise_keys c = { .version = V_VERSION }, s = { .version = V_VERSION };
	(void)state;

	unhex(V_TO_SERVER, c.send, 32);
	unhex(V_TO_CLIENT, c.receive, 32);
	memcpy(s.send, c.receive, 32);
	memcpy(s.receive, c.send, 32);
	noise_session_init(&client, &c);
	noise_session_init(&server, &s);
	buf_init(&wire, 1 << 22);
	buf_init(&plain, 1 << 22);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	noise_session_release(&client);
	noise_session_release(&server);
	buf_release(&wire);
	buf_release(&plain);
	return 0;
}

static void seal(struct noise_session *s, struct bytes b)
{
	assert_int_equal(noise_session_seal(s, b, &wire), ST_OK);
}

/* Open all of `in`. */
static void opens(struct noise_session *s, struct bytes in)
{
	size_t used;

	assert_int_equal(noise_session_open(s, in, &plain, &used), ST_OK);
	assert_int_equal(used, in.n);
}

static void records_are_those_of_the_vectors(void **state)
{
	static uint8_t zeros[NOISE_PLAIN_MAX];
	(void)state;

	seal(&client, BYTES_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
	assert_hex(buf_bytes(&wire), V_CLIENT_0);
	buf_reset(&wire);
	seal(&client, BYTES_LIT("\0\0\0\4\0\0\0\0\0"));
	assert_hex(buf_bytes(&wire), V_CLIENT_1);
	buf_reset(&wire);
	client.sealed = server.opened = 256; /* a counter of more than one byte shows its byte order */
	seal(&client, bytes_of(zeros, sizeof zeros));
	assert_int_equal(wire.n, NOISE_FRAME_MAX);
	assert_hex(bytes_of(wire.p, 19), V_CLIENT_256_BEGIN);
	assert_hex(bytes_of(wire.p + wire.n - 16, 16), V_CLIENT_256_END);
	opens(&server, buf_bytes(&wire));
	assert_int_equal(plain.n, sizeof zeros);
	assert_memory_equal(plain.p, zeros, sizeof zeros);
}

static void the_early_payload_is_that_of_the_vectors(void **state)
{
	struct challenge_key k, back;
	uint8_t three[24 + 23 + 114];
	size_t used;
	(void)state;

	unhex(V_EARLY_KEY, k.b, KEY_LEN);
	noise_early_encode(&k, &plain);
	assert_int_equal(plain.n, 104);
	assert_memory_equal(plain.p, "\xff\xff\xffTS\0\0\0\x5f" V_EARLY_JSON, 104);
	seal(&server, buf_bytes(&plain));
	assert_hex(buf_bytes(&wire), V_EARLY_ONE);
	buf_reset(&plain);
	unhex(V_EARLY_THREE, three, sizeof three);
	opens(&client, bytes_of(three, sizeof three)); /* cut by another server in another way */
	assert_int_equal(noise_early_decode(buf_bytes(&plain), &back, &used), ST_OK);
	assert_int_equal(used, 104);
	assert_true(challenge_key_eq(&k, &back));
}

static void the_early_payload_is_told_from_http2(void **state)
{
	struct challenge_key k;
	size_t used = 99;
	(void)state;

	challenge_key_new(&k);
	noise_early_encode(&k, &plain);
	for (size_t n = 0; n < plain.n; n++)
		assert_int_equal(noise_early_decode(bytes_of(plain.p, n), &k, &used), ST_AGAIN);
	assert_int_equal(noise_early_decode(BYTES_LIT("\0\0\0\4\0\0\0\0\0"), &k, &used), ST_NOT_FOUND);
	assert_int_equal(noise_early_decode(BYTES_LIT("\0"), &k, &used), ST_NOT_FOUND);
	assert_int_equal(noise_early_decode(BYTES_LIT("\xff\xff\xff\x54\x00"), &k, &used), ST_NOT_FOUND);
	assert_int_equal(noise_early_decode(BYTES_LIT("\xff\xff\xffTS\0\0\x10\x01"), &k, &used), ST_TOO_BIG);
	assert_int_equal(noise_early_decode(BYTES_LIT("\xff\xff\xffTS\xff\xff\xff\xff"), &k, &used), ST_TOO_BIG);
	assert_int_equal(noise_early_decode(BYTES_LIT("\xff\xff\xffTS\0\0\0\2{}"), &k, &used), ST_BAD_INPUT);
	assert_int_equal(noise_early_decode(BYTES_LIT("\xff\xff\xffTS\0\0\0\0"), &k, &used), ST_BAD_INPUT);
	assert_int_equal(noise_early_decode(BYTES_LIT("\xff\xff\xffTS\0\0\0\4null"), &k, &used), ST_BAD_INPUT);
	assert_int_equal(used, 99);
}

static void any_length_goes_round_in_the_fewest_records(void **state)
{
	static const size_t lengths[] = { 0, 1, 4076, 4077, 4078, 8154, 8155, 100000, 1 << 20 };
	uint8_t *data = malloc(1 << 20);
	(void)state;

	for (size_t i = 0; i < 1 << 20; i++)
		data[i] = (uint8_t)(i * 7 + i / 4077);
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		uint64_t before = client.sealed;

		buf_reset(&wire);
		buf_reset(&plain);
		seal(&client, bytes_of(data, lengths[i]));
		assert_int_equal(wire.n, noise_sealed_len(lengths[i]));
		assert_int_equal(client.sealed - before, (lengths[i] + 4076) / 4077);
		opens(&server, buf_bytes(&wire));
		assert_int_equal(plain.n, lengths[i]);
		if (lengths[i])
			assert_memory_equal(plain.p, data, lengths[i]);
	}
	free(data);
}

static void bytes_that_trickle_in_open_all_the_same(void **state)
{
	size_t used, at = 0;
	(void)state;

	seal(&client, BYTES_LIT("hello "));
	seal(&client, BYTES_LIT("world"));
	for (size_t n = 1; n <= wire.n; n++) {
		assert_int_equal(noise_session_open(&server, bytes_of(wire.p + at, n - at), &plain, &used), ST_OK);
		at += used;
	}
	assert_int_equal(at, wire.n);
	assert_true(bytes_eq_str(buf_bytes(&plain), "hello world"));
}

static void an_empty_record_is_skipped(void **state)
{
	uint8_t nonce[AEAD_NONCE_LEN] = { 0 }, record[NOISE_RECORD_OVERHEAD];
	(void)state;

	noise_frame_header(NOISE_RECORD, AEAD_TAG_LEN, record);
	aead_seal(client.seal, nonce, (struct bytes){ 0 }, (struct bytes){ 0 }, record + NOISE_HEADER_LEN);
	client.sealed++;
	buf_put(&wire, record, sizeof record);
	seal(&client, BYTES_LIT("x"));
	opens(&server, buf_bytes(&wire));
	assert_true(bytes_eq_str(buf_bytes(&plain), "x"));
}

static void every_flipped_bit_ends_the_session_for_good(void **state)
{
	size_t used;
	(void)state;

	seal(&client, BYTES_LIT("good"));
	seal(&client, BYTES_LIT("evil"));
	for (size_t bit = 0; bit < wire.n * 8; bit++) {
		struct noise_session twin = server; /* shares the cipher, which holds nothing but the key between records */
		enum status st;

		buf_reset(&plain);
		wire.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		st = noise_session_open(&twin, buf_bytes(&wire), &plain, &used);
		wire.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (st == ST_OK) { /* a length made longer: waits for bytes that will not open */
			assert_true(bit / 8 % 23 == 1 || bit / 8 % 23 == 2);
			assert_int_equal(used, bit / 8 < 23 ? 0 : 23);
		} else {
			assert_int_equal(st, ST_CLOSED);
			assert_int_equal(noise_session_open(&twin, buf_bytes(&wire), &plain, &used), ST_CLOSED);
		}
		assert_true(bit / 8 < 23 ? plain.n == 0 : bytes_eq_str(buf_bytes(&plain), "good"));
	}
}

static void records_out_of_order_or_twice_are_refused(void **state)
{
	size_t used, first;
	(void)state;

	seal(&client, BYTES_LIT("one"));
	first = wire.n;
	seal(&client, BYTES_LIT("two"));
	opens(&server, bytes_of(wire.p, first));
	assert_int_equal(noise_session_open(&server, bytes_of(wire.p, first), &plain, &used), ST_CLOSED);
	assert_int_equal(noise_session_open(&server, bytes_of(wire.p + first, wire.n - first), &plain, &used), ST_CLOSED);
	assert_true(bytes_eq_str(buf_bytes(&plain), "one"));
}

static void other_frames_end_the_session(void **state)
{
	static const struct {
		struct bytes in;
		const char *why;
	} cases[] = {
		{ { (const uint8_t *)"\x02", 1 }, "a second response, from its first byte" },
		{ { (const uint8_t *)"\x03\x00\x00", 3 }, "an error" },
		{ { (const uint8_t *)"\x00", 1 }, "an unknown type" },
		{ { (const uint8_t *)"\x04\x0f\xfe", 3 }, "too long" },
		{ { (const uint8_t *)"\x04\x00\x0f" "0123456789abcde", 18 }, "shorter than a tag" },
		{ { (const uint8_t *)"\x04\x00\x00", 3 }, "nothing in it" },
	};
	size_t used;
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct noise_session twin = server;

		if (noise_session_open(&twin, cases[i].in, &plain, &used) != ST_CLOSED)
			fail_msg("%s", cases[i].why);
		assert_true(twin.broken);
	}
}

static void the_last_number_is_never_used(void **state)
{
	static const uint8_t two[NOISE_PLAIN_MAX + 1];
	size_t used;
	(void)state;

	client.sealed = server.opened = UINT64_MAX - 1;
	assert_int_equal(noise_session_seal(&client, bytes_of(two, sizeof two), &wire), ST_CLOSED);
	assert_int_equal(wire.n, 0);
	seal(&client, BYTES_LIT("last"));
	assert_int_equal(noise_session_seal(&client, BYTES_LIT("more"), &wire), ST_CLOSED);
	assert_int_equal(noise_session_seal(&client, (struct bytes){ 0 }, &wire), ST_OK);
	opens(&server, buf_bytes(&wire));
	assert_true(bytes_eq_str(buf_bytes(&plain), "last"));
	assert_int_equal(noise_session_open(&server, buf_bytes(&wire), &plain, &used), ST_CLOSED);
}

static void full_buffers_leave_all_as_it_was(void **state)
{
	struct buf small;
	size_t used;
	(void)state;

	buf_init(&small, 30);
	assert_int_equal(noise_session_seal(&client, BYTES_LIT("0123456789ab"), &small), ST_TOO_BIG);
	assert_true(buf_ok(&small));
	assert_int_equal(small.n, 0);
	assert_int_equal(client.sealed, 0);
	assert_int_equal(noise_session_seal(&client, BYTES_LIT("0123456789a"), &small), ST_OK);
	buf_release(&small);

	seal(&client, BYTES_LIT("67890"));
	buf_init(&small, NOISE_PLAIN_MAX + 4);
	server.opened = 1;
	assert_int_equal(noise_session_open(&server, buf_bytes(&wire), &small, &used), ST_OK);
	assert_int_equal(used, wire.n);
	buf_reset(&wire);
	seal(&client, BYTES_LIT("z"));
	assert_int_equal(noise_session_open(&server, buf_bytes(&wire), &small, &used), ST_OK);
	assert_int_equal(used, 0); /* no room for what a record may hold: it stays */
	buf_consume(&small, 1);
	assert_int_equal(noise_session_open(&server, buf_bytes(&wire), &small, &used), ST_OK);
	assert_int_equal(used, wire.n);
	assert_true(bytes_eq_str(buf_bytes(&small), "7890z"));
	buf_release(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_are_those_of_the_vectors, setup, teardown),
		cmocka_unit_test_setup_teardown(the_early_payload_is_that_of_the_vectors, setup, teardown),
		cmocka_unit_test_setup_teardown(the_early_payload_is_told_from_http2, setup, teardown),
		cmocka_unit_test_setup_teardown(any_length_goes_round_in_the_fewest_records, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_that_trickle_in_open_all_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(an_empty_record_is_skipped, setup, teardown),
		cmocka_unit_test_setup_teardown(every_flipped_bit_ends_the_session_for_good, setup, teardown),
		cmocka_unit_test_setup_teardown(records_out_of_order_or_twice_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(other_frames_end_the_session, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_number_is_never_used, setup, teardown),
		cmocka_unit_test_setup_teardown(full_buffers_leave_all_as_it_was, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
