/* Tests of derp/stun.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "derp/stun.h"
#include "unit/derp/vectors.h"

#define REQUEST "000100142112a4420102030405060708090a0b0c802200087461696c6e6f646580280004b32c370f"
static const uint8_t txid[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

static void the_stock_request_is_understood(void **state)
{
	uint8_t req[40], made[40];
	const uint8_t *got = NULL;
	(void)state;
	assert_int_equal(unhex(REQUEST, req), 40);
	assert_int_equal(stun_request_parse(bytes_of(req, 40), &got), ST_OK);
	assert_memory_equal(got, txid, 12);
	assert_int_equal(stun_request_put(made, txid), 40);
	assert_memory_equal(made, req, 40);
}

static void what_is_damaged_or_foreign_gets_no_answer(void **state)
{
	uint8_t req[48] = { 0 };
	const uint8_t *got = NULL;
	(void)state;
	unhex(REQUEST, req);
	for (size_t n = 0; n < 40; n++)
		assert_int_equal(stun_request_parse(bytes_of(req, n), &got), ST_BAD_INPUT);
	assert_int_equal(stun_request_parse(bytes_of(req, 44), &got), ST_BAD_INPUT);
	for (size_t bit = 0; bit < 40 * 8; bit++) {
		req[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(stun_request_parse(bytes_of(req, 40), &got), ST_BAD_INPUT);
		req[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_null(got);
}

static void answers_are_those_of_the_vectors(void **state)
{
	static const struct {
		const char *ip;
		uint16_t port;
		const char *want;
	} cases[] = {
		{ "00000000000000000000ffffcb007107", 41641,
		  "0101000c2112a4420102030405060708090a0b0c00200008000183bbea12d545" },
		{ "20010db8000000000000000000010002", 41641,
		  "010100182112a4420102030405060708090a0b0c00200014000283bb0113a9fa0102030405060708090b0b0e" },
		{ "00000000000000000000ffff7f000001", 3478,
		  "0101000c2112a4420102030405060708090a0b0c0020000800012c845e12a443" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t ip[16], out[STUN_RESPONSE_MAX], back[16];
		const uint8_t *tx;
		uint16_t port;
		char hex[2 * STUN_RESPONSE_MAX + 1];
		size_t n;
		unhex(cases[i].ip, ip);
		n = stun_response_put(out, txid, ip, cases[i].port);
		hex_encode(bytes_of(out, n), hex);
		assert_string_equal(hex, cases[i].want);
		assert_int_equal(stun_response_parse(bytes_of(out, n), &tx, back, &port), ST_OK);
		assert_memory_equal(back, ip, 16);
		assert_int_equal(port, cases[i].port);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(stun_response_parse(bytes_of(out, cut), &tx, back, &port), ST_BAD_INPUT);
	}
}

static void other_attributes_before_the_fingerprint_do_not_matter(void **state)
{
	/* PRIORITY, padded USERNAME, SOFTWARE; the fingerprint computed by zlib's crc32 over 52 bytes */
	uint8_t req[64];
	const uint8_t *got;
	(void)state;
	stun_request_put(req, txid);
	/* a second fingerprint in front is only an attribute: the last one counts, and it does not cover this */
	memmove(req + 48, req + 32, 8);
	memcpy(req + 32, "\x00\x24\x00\x04\x01\x02\x03\x04", 8);
	memmove(req + 40, req + 48, 8);
	assert_int_equal(stun_request_parse(bytes_of(req, 48), &got), ST_BAD_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_stock_request_is_understood),
		cmocka_unit_test(what_is_damaged_or_foreign_gets_no_answer),
		cmocka_unit_test(answers_are_those_of_the_vectors),
		cmocka_unit_test(other_attributes_before_the_fingerprint_do_not_matter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
