/* Tests of base/bytes.h, base/utf8.h, base/status.h and base/random.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/random.h"
#include "base/utf8.h"

static void hex_goes_round_and_refuses_the_rest(void **state)
{
	uint8_t out[4] = { 9, 9, 9, 9 };
	char text[9];
	(void)state;

	hex_encode(BYTES_LIT("\x00\xab\xcd\xff"), text);
	assert_string_equal(text, "00abcdff");
	assert_int_equal(hex_decode(BYTES_LIT("00ABcdf"), out, 4), ST_BAD_INPUT);
	assert_int_equal(hex_decode(BYTES_LIT("00ABcdfg"), out, 4), ST_BAD_INPUT);
	assert_int_equal(hex_decode(BYTES_LIT("00ABcdff00"), out, 4), ST_BAD_INPUT);
	assert_memory_equal(out, "\x09\x09\x09\x09", 4);
	assert_int_equal(hex_decode(BYTES_LIT("00ABcdfF"), out, 4), ST_OK);
	assert_memory_equal(out, "\x00\xab\xcd\xff", 4);
	assert_int_equal(hex_decode(BYTES_LIT(""), out, 0), ST_OK);
}

static void base64_has_the_published_vectors(void **state)
{
	static const struct {
		const char *plain, *text, *url;
	} cases[] = { /* RFC 4648, section 10 */
		{ "", "", "" }, { "f", "Zg==", "Zg" }, { "fo", "Zm8=", "Zm8" }, { "foo", "Zm9v", "Zm9v" },
		{ "foob", "Zm9vYg==", "Zm9vYg" }, { "fooba", "Zm9vYmE=", "Zm9vYmE" }, { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/", "-_-_" },
	};
	char text[16];
	uint8_t out[16];
	size_t n;
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes plain = bytes_of_str(cases[i].plain);

		base64_encode(plain, text);
		assert_string_equal(text, cases[i].text);
		base64url_encode(plain, text);
		assert_string_equal(text, cases[i].url);
		assert_int_equal(base64_decode(bytes_of_str(cases[i].text), out, &n), ST_OK);
		assert_true(bytes_eq(plain, bytes_of(out, n)));
		assert_int_equal(base64_decode(bytes_of_str(cases[i].url), out, &n), ST_OK);
		assert_true(bytes_eq(plain, bytes_of(out, n)));
	}
}

static void base64_refuses_what_nobody_encodes(void **state)
{
	static const char *const bad[] = { "Z", "Zg=", "Zg===", "Zh", "Zm9=", "Zm9v=", "=", "====", "Z g=", "Zg==\n", "Zg==Zg==", "Zm8\x80" };
	uint8_t out[16];
	size_t n = 77;
	(void)state;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (base64_decode(bytes_of_str(bad[i]), out, &n) != ST_BAD_INPUT)
			fail_msg("taken: %s", bad[i]);
	}
	assert_int_equal(n, 77);
}

static void order_is_by_content_then_length(void **state)
{
	char *s = bytes_strdup(BYTES_LIT("a\0b"));
	(void)state;

	assert_true(bytes_cmp(BYTES_LIT("a"), BYTES_LIT("b")) < 0);
	assert_true(bytes_cmp(BYTES_LIT("a"), BYTES_LIT("a\0")) < 0);
	assert_true(bytes_cmp(BYTES_LIT("\xff"), BYTES_LIT("a")) > 0);
	assert_int_equal(bytes_cmp(BYTES_LIT(""), (struct bytes){ 0 }), 0);
	assert_true(bytes_ieq_str(BYTES_LIT("Content-LENGTH"), "content-length"));
	assert_false(bytes_ieq_str(BYTES_LIT("Content-LENGT"), "content-length"));
	assert_false(bytes_ieq_str(BYTES_LIT("["), "{"));
	assert_memory_equal(s, "a\0b\0", 4);
	free(s);
}

static void utf8_is_judged_as_unicode_says(void **state)
{
	static const char *const good[] = { "", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82", "\xf0\x8f\xbf\xbf",
					   "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xc2z", "\xf0\x90\x80", "\xe2\x28\xa1" };
	(void)state;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(utf8_valid(bytes_of_str(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(utf8_valid(bytes_of_str(bad[i])));
	assert_int_equal(utf8_len(BYTES_LIT("\xe2\x82\xac" "x")), 3);
	assert_true(utf8_valid(BYTES_LIT("\0")));
}

static void errors_are_cut_and_prefixed(void **state)
{
	struct err e = { { 0 } };
	char longer[2000];
	(void)state;

	err_set(&e, "no %s", "room");
	err_prefix(&e, "file %d", 3);
	assert_string_equal(e.text, "file 3: no room");
	err_set(&e, "again: %s", e.text);
	assert_string_equal(e.text, "again: file 3: no room");
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	err_prefix(&e, "%s", longer);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
	err_set(NULL, "nobody listens");
	err_prefix(NULL, "nobody listens");
	for (int s = 0; s < ST_STATUS_COUNT; s++)
		assert_true(strlen(status_name((enum status)s)) > 0);
	assert_string_equal(status_name(ST_NOT_FOUND), "not found");
}

static void random_stays_below_its_bound(void **state)
{
	unsigned seen[3] = { 0 };
	char name[101];
	(void)state;

	for (int i = 0; i < 3000; i++)
		seen[random_below(3)]++;
	for (int i = 0; i < 3; i++)
		assert_in_range(seen[i], 800, 1200); /* 1000 +- 7 sigma */
	assert_int_equal(random_below(1), 0);
	random_alnum(name, 100);
	assert_int_equal(strlen(name), 100);
	assert_int_equal(strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"), 100);
	assert_true(random_u64() != random_u64());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_goes_round_and_refuses_the_rest),
		cmocka_unit_test(base64_has_the_published_vectors),
		cmocka_unit_test(base64_refuses_what_nobody_encodes),
		cmocka_unit_test(order_is_by_content_then_length),
		cmocka_unit_test(utf8_is_judged_as_unicode_says),
		cmocka_unit_test(errors_are_cut_and_prefixed),
		cmocka_unit_test(random_stays_below_its_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
