/* Tests of base/arena.h, base/buf.h and base/vec.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/vec.h"

static void arena_memory_is_zeroed_aligned_and_apart(void **state)
{
	struct arena *a = arena_new();
	uint8_t *got[200];
	(void)state;

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 200; i++) {
			got[i] = arena_alloc(a, i * 7);
			assert_int_equal((uintptr_t)got[i] % 16, 0);
			for (size_t k = 0; k < i * 7; k++)
				assert_int_equal(got[i][k], 0);
			memset(got[i], (int)i + 1, i * 7);
		}
		for (size_t i = 0; i < 200; i++) {
			for (size_t k = 0; k < i * 7; k++)
				assert_int_equal(got[i][k], (uint8_t)(i + 1));
		}
		arena_reset(a);
	}
	arena_free(&a);
	assert_null(a);
	arena_free(&a);
}

static void a_huge_request_does_not_outlive_a_reset(void **state)
{
	struct arena *a = arena_new();
	size_t small;
	(void)state;

	arena_alloc(a, 10);
	small = arena_size(a);
	arena_alloc(a, 1 << 20);
	assert_true(arena_size(a) > 1 << 20);
	arena_reset(a);
	assert_true(arena_size(a) <= small);
	arena_alloc(a, 1 << 20);
	arena_alloc(a, 1 << 20);
	arena_free(&a);
}

static void a_small_arena_takes_little_and_grows(void **state)
{
	struct arena *a = arena_new_sized(512);
	(void)state;

	arena_alloc(a, 400);
	assert_in_range(arena_size(a), 512, 1024);
	memset(arena_alloc(a, 100000), 1, 100000);
	assert_true(arena_size(a) > 100000);
	arena_free(&a);
}

static void texts_are_copied_with_their_end(void **state)
{
	struct arena *a = arena_new();
	char longer[1000];
	struct bytes b;
	(void)state;

	memset(longer, 'y', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	assert_null(arena_strdup(a, NULL));
	assert_string_equal(arena_strdup(a, "abc"), "abc");
	assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
	assert_string_equal(arena_printf(a, "%d-%s", 7, "x"), "7-x");
	assert_string_equal(arena_printf(a, "%s", longer), longer);
	b = arena_bytes_dup(a, BYTES_LIT("a\0b"));
	assert_int_equal(b.n, 3);
	assert_memory_equal(b.p, "a\0b", 3);
	arena_free(&a);
}

static char order[8];

static void note(void *arg)
{
	strcat(order, arg);
}

static void clean_ups_run_last_first(void **state)
{
	struct arena *a = arena_new();
	(void)state;

	order[0] = 0;
	arena_on_free(a, note, "1");
	arena_on_free(a, note, "2");
	arena_reset(a);
	assert_string_equal(order, "21");
	arena_on_free(a, note, "3");
	arena_free(&a);
	assert_string_equal(order, "213");
}

static void a_buffer_stops_at_its_ceiling_and_stays_failed(void **state)
{
	struct buf b;
	(void)state;

	buf_init(&b, 10);
	buf_put_str(&b, "12345678");
	assert_true(buf_ok(&b));
	buf_put_str(&b, "abc");
	assert_false(buf_ok(&b));
	buf_put_char(&b, 'x'); /* would fit: but not after a gap */
	assert_int_equal(b.n, 8);
	assert_null(buf_reserve(&b, 1));
	buf_reset(&b);
	buf_put_str(&b, "1234567890");
	assert_true(buf_ok(&b));
	assert_int_equal(b.n, 10);
	assert_true(b.cap <= 10);
	assert_null(buf_reserve(&b, SIZE_MAX));
	buf_release(&b);
	assert_int_equal(b.max, 10);
	assert_true(buf_ok(&b));
}

static void a_buffer_that_is_full_for_good_gives_back_the_rest(void **state)
{
	struct buf b;
	(void)state;

	buf_init(&b, 100000);
	for (int i = 0; i < 10000; i++)
		buf_put_char(&b, (char)('a' + i % 26));
	assert_true(b.cap > b.n);
	buf_fit(&b);
	assert_int_equal(b.cap, 10000);
	assert_int_equal(b.n, 10000);
	assert_int_equal(b.p[9999], 'a' + 9999 % 26);
	buf_put_char(&b, '!'); /* it may still grow */
	assert_true(buf_ok(&b));
	buf_reset(&b);
	buf_fit(&b);
	assert_null(b.p);
	assert_int_equal(b.cap, 0);
	buf_release(&b);
}

static void a_buffer_writes_numbers_and_text(void **state)
{
	struct buf b;
	size_t n;
	char *text;
	(void)state;

	buf_init(&b, 100000);
	buf_put_u64(&b, 0);
	buf_put_char(&b, ' ');
	buf_put_u64(&b, 7);
	buf_put_char(&b, ' ');
	buf_put_u64(&b, 10);
	buf_put_char(&b, ' ');
	buf_put_u64(&b, 100);
	buf_put_char(&b, ' ');
	buf_put_u64(&b, UINT64_MAX);
	buf_put_char(&b, ' ');
	buf_put_i64(&b, INT64_MIN);
	buf_put_char(&b, ' ');
	buf_put_i64(&b, -42);
	buf_put(&b, NULL, 0);
	text = buf_take(&b, &n);
	assert_string_equal(text, "0 7 10 100 18446744073709551615 -9223372036854775808 -42");
	assert_int_equal(n, strlen(text));
	free(text);
	assert_int_equal(b.n, 0);
	buf_printf(&b, "%0500d", 5);
	assert_int_equal(b.n, 500);
	buf_consume(&b, 499);
	assert_true(bytes_eq_str(buf_bytes(&b), "5"));
	buf_consume(&b, 1);
	assert_int_equal(b.n, 0);
	text = buf_take(&b, NULL);
	assert_string_equal(text, "");
	free(text);
	buf_release(&b);
}

static void a_buffer_printf_past_the_ceiling_fails(void **state)
{
	struct buf b;
	(void)state;

	buf_init(&b, 300);
	buf_printf(&b, "%0301d", 5);
	assert_false(buf_ok(&b));
	assert_int_equal(b.n, 0);
	buf_reset(&b);
	buf_printf(&b, "%0300d", 5);
	assert_true(buf_ok(&b));
	buf_release(&b);
}

static void an_array_keeps_what_was_pushed(void **state)
{
	VEC(int) v = { 0 };
	(void)state;

	for (int i = 0; i < 1000; i++)
		vec_push(&v, i);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(v.v[i], i);
	assert_int_equal(v.n, 1000);
	vec_release(&v);
	assert_null(v.v);
	assert_null(xstrdup(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(a_huge_request_does_not_outlive_a_reset),
		cmocka_unit_test(a_small_arena_takes_little_and_grows),
		cmocka_unit_test(texts_are_copied_with_their_end),
		cmocka_unit_test(clean_ups_run_last_first),
		cmocka_unit_test(a_buffer_stops_at_its_ceiling_and_stays_failed),
		cmocka_unit_test(a_buffer_that_is_full_for_good_gives_back_the_rest),
		cmocka_unit_test(a_buffer_writes_numbers_and_text),
		cmocka_unit_test(a_buffer_printf_past_the_ceiling_fails),
		cmocka_unit_test(an_array_keeps_what_was_pushed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
