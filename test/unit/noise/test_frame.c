/* Tests of noise/frame.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "noise/frame.h"

static void every_prefix_asks_for_more(void **state)
{
	static const uint8_t wire[] = { 4, 0, 2, 0xaa, 0xbb, 4 };
	struct noise_frame f;
	size_t used = 99;
	(void)state;

	for (size_t n = 0; n < 5; n++) {
		uint8_t *copy = malloc(n + 1); /* exactly sized: reading past the end shows */

		memcpy(copy, wire, n);
		assert_int_equal(noise_frame_parse(bytes_of(copy, n), &f, &used), ST_AGAIN);
		free(copy);
	}
	assert_int_equal(used, 99); /* untouched until ST_OK, as the header says */
	assert_int_equal(noise_frame_parse(bytes_of(wire, sizeof wire), &f, &used), ST_OK);
	assert_int_equal(used, 5);
	assert_int_equal(f.type, NOISE_RECORD);
	assert_int_equal(f.payload.n, 2);
	assert_memory_equal(f.payload.p, "\xaa\xbb", 2);
}

static void unknown_types_are_refused_at_the_first_byte(void **state)
{
	struct noise_frame f;
	size_t used;
	(void)state;

	for (unsigned type = 0; type < 256; type++) {
		uint8_t wire[3] = { (uint8_t)type, 0, 0 };
		bool known = type >= 2 && type <= 4;

		assert_int_equal(noise_frame_parse(bytes_of(wire, 1), &f, &used), known ? ST_AGAIN : ST_BAD_INPUT);
		assert_int_equal(noise_frame_parse(bytes_of(wire, 3), &f, &used), known ? ST_OK : ST_BAD_INPUT);
	}
}

static void a_long_frame_is_refused_from_its_header(void **state)
{
	static const uint8_t wire[] = { 4, 0x0f, 0xfe }, most[] = { 4, 0x0f, 0xfd };
	struct noise_frame f;
	size_t used;
	(void)state;

	assert_int_equal(noise_frame_parse(bytes_of(wire, 3), &f, &used), ST_TOO_BIG);
	assert_int_equal(noise_frame_parse(bytes_of(most, 3), &f, &used), ST_AGAIN);
}

static void an_error_frame_carries_its_text(void **state)
{
	uint8_t out[NOISE_HEADER_LEN + NOISE_ERROR_TEXT_MAX];
	char longer[NOISE_ERROR_TEXT_MAX + 50];
	struct noise_frame f;
	size_t used, n = noise_error_encode("no", out);
	(void)state;

	assert_int_equal(n, 5);
	assert_memory_equal(out, "\x03\x00\x02no", 5);
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	n = noise_error_encode(longer, out);
	assert_int_equal(n, sizeof out);
	assert_int_equal(noise_frame_parse(bytes_of(out, n), &f, &used), ST_OK);
	assert_int_equal(f.type, NOISE_ERROR);
	assert_int_equal(f.payload.n, NOISE_ERROR_TEXT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_prefix_asks_for_more),
		cmocka_unit_test(unknown_types_are_refused_at_the_first_byte),
		cmocka_unit_test(a_long_frame_is_refused_from_its_header),
		cmocka_unit_test(an_error_frame_carries_its_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
