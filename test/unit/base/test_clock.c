/* Tests of base/clock.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

static void times_go_round(void **state)
{
	static const char *const cases[] = { "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999999Z", "2024-02-29T12:00:00.5Z",
					     "2000-12-31T23:59:59Z", "1678-01-01T00:00:00Z", "2261-12-31T23:59:59.000000001Z", "1900-03-01T00:00:00.00001Z",
					     "0001-01-01T00:00:00Z" };
	char text[RFC3339_MAX];
	int64_t ns;
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(rfc3339_parse(bytes_of_str(cases[i]), &ns), ST_OK);
		assert_int_equal(rfc3339_format(ns, text), strlen(cases[i]));
		assert_string_equal(text, cases[i]);
	}
	assert_true(ns == TIME_NONE);
}

static void days_are_those_of_the_c_library(void **state)
{
	char text[RFC3339_MAX], want[RFC3339_MAX];
	(void)state;

	for (int64_t s = -9000000000; s < 9000000000; s += 86400 * 17 + 3671) {
		time_t t = (time_t)s;
		struct tm tm;
		int64_t back;

		gmtime_r(&t, &tm);
		strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%SZ", &tm);
		rfc3339_format(s * NS_PER_S, text);
		assert_string_equal(text, want);
		assert_int_equal(rfc3339_parse(bytes_of_str(text), &back), ST_OK);
		assert_true(back == s * NS_PER_S);
	}
}

static void offsets_are_taken_off(void **state)
{
	int64_t ns;
	(void)state;

	assert_int_equal(rfc3339_parse(BYTES_LIT("1970-01-01T02:00:00+02:00"), &ns), ST_OK);
	assert_int_equal(ns, 0);
	assert_int_equal(rfc3339_parse(BYTES_LIT("1969-12-31T18:30:00.25-05:30"), &ns), ST_OK);
	assert_int_equal(ns, 250 * NS_PER_MS);
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const bad[] = { "", "2024", "2024-01-02", "2024-01-02T03:04:05", "2024-01-02 03:04:05Z", "2024-13-01T00:00:00Z", "2024-00-01T00:00:00Z",
					   "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2024-04-31T00:00:00Z", "2024-01-00T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z",
					   "2024-01-01T00:00:60Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00.1234567890Z", "2024-01-01T00:00:00z", "2024-01-01T00:00:00+24:00",
					   "2024-01-01T00:00:00+01:60", "2024-01-01T00:00:00+1:00", "2024-01-01T00:00:00Zx", "1677-12-31T00:00:00Z", "2262-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
					   "0001-01-01T00:00:00.1Z" };
	int64_t ns = 5;
	(void)state;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (rfc3339_parse(bytes_of_str(bad[i]), &ns) != ST_BAD_INPUT)
			fail_msg("taken: %s", bad[i]);
	}
	assert_int_equal(ns, 5);
}

static void durations_read_as_go_and_prometheus_write_them(void **state)
{
	static const struct {
		const char *in;
		int64_t ns;
		const char *out;
	} cases[] = {
		{ "0", 0, "0s" },
		{ "0s", 0, "0s" },
		{ "1h30m", 5400 * NS_PER_S, "1h30m0s" },
		{ "90s", 90 * NS_PER_S, "1m30s" },
		{ "1.5h", 5400 * NS_PER_S, "1h30m0s" },
		{ "100ms", 100 * NS_PER_MS, "100ms" },
		{ "30d", 30 * 86400 * NS_PER_S, "720h0m0s" },
		{ "2w", 14 * 86400 * NS_PER_S, "336h0m0s" },
		{ "1y", 365 * 86400 * NS_PER_S, "8760h0m0s" },
		{ "-1m", -60 * NS_PER_S, "-1m0s" },
		{ "+5s", 5 * NS_PER_S, "5s" },
		{ ".5s", NS_PER_S / 2, "500ms" },
		{ "1.s", NS_PER_S, "1s" },
		{ "1.5\xc2\xb5s", 1500, "1.5\xc2\xb5s" },
		{ "1500us", 1500000, "1.5ms" },
		{ "7ns", 7, "7ns" },
		{ "1s1ns", NS_PER_S + 1, "1.000000001s" },
		{ "0.000000001s", 1, "1ns" },
		{ "2562047h47m16.854775807s", INT64_MAX, "2562047h47m16.854775807s" },
	};
	char text[DURATION_TEXT_MAX];
	int64_t ns;
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (duration_parse(bytes_of_str(cases[i].in), &ns) != ST_OK || ns != cases[i].ns)
			fail_msg("%s", cases[i].in);
		duration_format(ns, text);
		assert_string_equal(text, cases[i].out);
	}
	duration_format(INT64_MIN, text);
	assert_string_equal(text, "-2562047h47m16.854775808s");
}

static void what_is_no_duration_is_refused(void **state)
{
	static const char *const bad[] = { "", "-", "+", "1", "s", ".s", "1x", "1h30", "1 h", "--1s", "1.5.5s", "1e3s", "300y", "9223372036854775808ns", "99999999999999999999s", "00" };
	int64_t ns;
	(void)state;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (duration_parse(bytes_of_str(bad[i]), &ns) != ST_BAD_INPUT)
			fail_msg("taken: %s", bad[i]);
	}
}

static void clocks_run(void **state)
{
	int64_t a = clock_mono_ns(), b = clock_mono_ns();
	(void)state;

	assert_true(b >= a);
	assert_true(clock_unix_ns() / NS_PER_S - time(NULL) <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_go_round),
		cmocka_unit_test(days_are_those_of_the_c_library),
		cmocka_unit_test(offsets_are_taken_off),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(durations_read_as_go_and_prometheus_write_them),
		cmocka_unit_test(what_is_no_duration_is_refused),
		cmocka_unit_test(clocks_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
