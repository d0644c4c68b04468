/* Tests of noise/handshake.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "noise/handshake.h"
#include "unit/noise/vectors.h"

static void unhex(const char *hex, uint8_t *out, size_t n)
{
	assert_int_equal(hex_decode(bytes_of_str(hex), out, n), ST_OK);
}

static void assert_hex(const uint8_t *got, const char *want)
{
	char text[513];

	hex_encode(bytes_of(got, strlen(want) / 2), text);
	assert_string_equal(text, want);
}

static struct machine_private client, server, client_eph, server_eph;
static struct machine_key client_pub, server_pub;
static uint8_t initiation[NOISE_INITIATION_LEN];

static int setup(void **state)
{
	(void)state;
	unhex(V_CLIENT_PRIV, client.b, KEY_LEN);
	unhex(V_CLIENT_PUB, client_pub.b, KEY_LEN);
	unhex(V_SERVER_PRIV, server.b, KEY_LEN);
	unhex(V_SERVER_PUB, server_pub.b, KEY_LEN);
	unhex(V_CLIENT_EPH, client_eph.b, KEY_LEN);
	unhex(V_SERVER_EPH, server_eph.b, KEY_LEN);
	unhex(V_INITIATION, initiation, sizeof initiation);
	return 0;
}

static void the_vectors_come_out_on_both_sides(void **state)
{
	struct noise_initiator i;
	struct noise_keys c, s;
	uint8_t init[NOISE_INITIATION_LEN], resp[NOISE_RESPONSE_LEN];
	(void)state;

	assert_int_equal(noise_initiate(&i, V_VERSION, &client, &client_eph, &server_pub, init), ST_OK);
	assert_hex(init, V_INITIATION);
	assert_int_equal(noise_respond(&server, &server_eph, bytes_of(init, sizeof init), resp, &s), ST_OK);
	assert_hex(resp, V_RESPONSE);
	assert_int_equal(noise_initiator_finish(&i, bytes_of(resp, sizeof resp), &c), ST_OK);
	assert_hex(s.hash, V_HASH);
	assert_hex(c.hash, V_HASH);
	assert_hex(s.receive, V_TO_SERVER);
	assert_hex(c.send, V_TO_SERVER);
	assert_hex(s.send, V_TO_CLIENT);
	assert_hex(c.receive, V_TO_CLIENT);
	assert_int_equal(s.version, V_VERSION);
	assert_int_equal(c.version, V_VERSION);
	assert_true(machine_key_eq(&s.peer, &client_pub));
	assert_true(machine_key_eq(&c.peer, &server_pub));
	noise_initiator_wipe(&i);
	assert_true(machine_private_is_zero(&i.own) && machine_private_is_zero(&i.ephemeral));
	noise_keys_wipe(&s);
	assert_true(machine_key_is_zero(&s.peer));
}

static void fresh_ephemeral_keys_give_fresh_sessions(void **state)
{
	struct noise_initiator i;
	struct noise_keys c, s, before = { 0 };
	uint8_t init[NOISE_INITIATION_LEN], resp[NOISE_RESPONSE_LEN];
	(void)state;

	for (int round = 0; round < 3; round++) {
		assert_int_equal(noise_initiate(&i, (uint16_t)(90 + round), &client, NULL, &server_pub, init), ST_OK);
		assert_int_equal(noise_respond(&server, NULL, bytes_of(init, sizeof init), resp, &s), ST_OK);
		assert_int_equal(noise_initiator_finish(&i, bytes_of(resp, sizeof resp), &c), ST_OK);
		assert_memory_equal(c.send, s.receive, 32);
		assert_memory_equal(c.receive, s.send, 32);
		assert_memory_equal(c.hash, s.hash, 32);
		assert_memory_not_equal(s.send, before.send, 32);
		assert_memory_not_equal(s.send, s.receive, 32);
		assert_int_equal(s.version, 90 + round);
		before = s;
	}
}

static void every_prefix_of_an_initiation_is_malformed(void **state)
{
	uint8_t resp[NOISE_RESPONSE_LEN] = { 7 }, longer[NOISE_INITIATION_LEN + 1] = { 0 };
	struct noise_keys k = { .version = 7 };
	(void)state;

	for (size_t n = 0; n < sizeof initiation; n++)
		assert_int_equal(noise_respond(&server, NULL, bytes_of(initiation, n), resp, &k), ST_BAD_INPUT);
	memcpy(longer, initiation, sizeof initiation);
	assert_int_equal(noise_respond(&server, NULL, bytes_of(longer, sizeof longer), resp, &k), ST_BAD_INPUT);
	assert_int_equal(resp[0], 7);
	assert_int_equal(k.version, 7);
}

/* The curve ignores the top bit of a public key, but the hash does not. */
static void every_flipped_bit_of_an_initiation_is_refused(void **state)
{
	uint8_t resp[NOISE_RESPONSE_LEN] = { 7 };
	struct noise_keys k = { .version = 7 };
	(void)state;

	for (size_t bit = 0; bit < sizeof initiation * 8; bit++) {
		bool header = bit / 8 >= 2 && bit / 8 < 5;

		initiation[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(noise_respond(&server, NULL, bytes_of(initiation, sizeof initiation), resp, &k),
				 header ? ST_BAD_INPUT : ST_DENIED);
		initiation[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(resp[0], 7);
	assert_int_equal(k.version, 7);
	assert_int_equal(noise_respond(&server, NULL, bytes_of(initiation, sizeof initiation), resp, &k), ST_OK);
}

static void an_initiation_for_another_server_is_refused(void **state)
{
	struct machine_private other;
	uint8_t resp[NOISE_RESPONSE_LEN];
	struct noise_keys k;
	(void)state;

	machine_private_new(&other);
	assert_int_equal(noise_respond(&other, NULL, bytes_of(initiation, sizeof initiation), resp, &k), ST_DENIED);
}

static void low_order_keys_are_refused(void **state)
{
	struct machine_key zero = { { 0 } }, one = { { 1 } };
	uint8_t init[NOISE_INITIATION_LEN], resp[NOISE_RESPONSE_LEN];
	struct noise_initiator i;
	struct noise_keys k;
	(void)state;

	assert_int_equal(noise_initiate(&i, 1, &client, NULL, &zero, init), ST_BAD_INPUT);
	assert_int_equal(noise_initiate(&i, 1, &client, NULL, &one, init), ST_BAD_INPUT);
	memset(initiation + 5, 0, 32);
	assert_int_equal(noise_respond(&server, NULL, bytes_of(initiation, sizeof initiation), resp, &k), ST_DENIED);
}

static void every_change_of_a_response_is_refused(void **state)
{
	uint8_t init[NOISE_INITIATION_LEN], resp[NOISE_RESPONSE_LEN], longer[NOISE_RESPONSE_LEN + 1] = { 0 };
	struct noise_initiator i;
	struct noise_keys s, c = { .version = 7 };
	(void)state;

	assert_int_equal(noise_initiate(&i, V_VERSION, &client, NULL, &server_pub, init), ST_OK);
	assert_int_equal(noise_respond(&server, NULL, bytes_of(init, sizeof init), resp, &s), ST_OK);
	for (size_t n = 0; n < sizeof resp; n++)
		assert_int_equal(noise_initiator_finish(&i, bytes_of(resp, n), &c), ST_BAD_INPUT);
	memcpy(longer, resp, sizeof resp);
	assert_int_equal(noise_initiator_finish(&i, bytes_of(longer, sizeof longer), &c), ST_BAD_INPUT);
	for (size_t bit = 0; bit < sizeof resp * 8; bit++) {
		resp[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(noise_initiator_finish(&i, bytes_of(resp, sizeof resp), &c), bit / 8 < 3 ? ST_BAD_INPUT : ST_DENIED);
		resp[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(c.version, 7);
	assert_int_equal(noise_initiator_finish(&i, bytes_of(resp, sizeof resp), &c), ST_OK);
}

static void the_version_is_read_from_the_header(void **state)
{
	uint16_t v = 1;
	(void)state;

	assert_int_equal(noise_initiation_check(bytes_of(initiation, sizeof initiation), &v), ST_OK);
	assert_int_equal(v, V_VERSION);
	initiation[0] = 0x12;
	initiation[1] = 0x34;
	assert_int_equal(noise_initiation_check(bytes_of(initiation, sizeof initiation), &v), ST_OK);
	assert_int_equal(v, 0x1234);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_vectors_come_out_on_both_sides, setup),
		cmocka_unit_test_setup(fresh_ephemeral_keys_give_fresh_sessions, setup),
		cmocka_unit_test_setup(every_prefix_of_an_initiation_is_malformed, setup),
		cmocka_unit_test_setup(every_flipped_bit_of_an_initiation_is_refused, setup),
		cmocka_unit_test_setup(an_initiation_for_another_server_is_refused, setup),
		cmocka_unit_test_setup(low_order_keys_are_refused, setup),
		cmocka_unit_test_setup(every_change_of_a_response_is_refused, setup),
		cmocka_unit_test_setup(the_version_is_read_from_the_header, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
