/* Tests of derp/outq.h. Frames are texts: "<flow><number>". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "derp/outq.h"

struct dropped {
	size_t frames, bytes, disco;
};

static void count_drop(void *arg, enum outq_class class, size_t len)
{
	struct dropped *d = arg;
	d->frames++;
	d->bytes += len;
	d->disco += class == OUTQ_DISCO;
	assert_int_not_equal(class, OUTQ_CONTROL);
}

static struct bytes text(const char *s)
{
	return bytes_of_str(s);
}

/* All that waits, as it would go out `step` bytes at a time. */
static char *drain(struct outq *q, size_t step)
{
	static char out[1 << 20];
	struct iovec iov[7];
	size_t n = 0, pieces;

	while ((pieces = outq_peek(q, iov, 7, 100)) > 0) {
		size_t left = step;
		for (size_t i = 0; i < pieces && left; i++) {
			size_t take = iov[i].iov_len < left ? iov[i].iov_len : left;
			memcpy(out + n, iov[i].iov_base, take);
			n += take;
			left -= take;
		}
		outq_sent(q, step - left, NULL);
	}
	out[n] = '\0';
	assert_true(outq_empty(q));
	assert_int_equal(outq_bytes(q), 0);
	return out;
}

static void order_is_kept_however_the_socket_cuts(void **state)
{
	(void)state;
	for (size_t step = 1; step < 12; step++) {
		struct outq *q = outq_new(NULL);
		outq_push_rest(q, text("rest,"));
		for (int i = 0; i < 5; i++) {
			char s[8];
			snprintf(s, sizeof s, "a%d,", i);
			assert_int_equal(outq_push(q, OUTQ_DATA, 1, text(s), NULL, NULL), ST_OK);
		}
		assert_int_equal(outq_push2(q, OUTQ_DISCO, 1, text("di"), text("sco,"), NULL, NULL), ST_OK);
		assert_int_equal(outq_push(q, OUTQ_CONTROL, 0, text("ctl,"), NULL, NULL), ST_OK);
		assert_string_equal(drain(q, step), "rest,ctl,disco,a0,a1,a2,a3,a4,");
		outq_free(&q, NULL, NULL);
	}
}

static void the_oldest_frame_goes_first_when_it_is_full(void **state)
{
	struct outq_limits l = { .data_frames = 3, .disco_frames = 2 };
	struct outq *q = outq_new(&l);
	struct dropped d = { 0 };
	char s[8];
	(void)state;
	for (int i = 0; i < 10; i++) {
		snprintf(s, sizeof s, "a%d,", i);
		(void)!outq_push(q, OUTQ_DATA, 1, text(s), count_drop, &d);
		snprintf(s, sizeof s, "d%d,", i);
		(void)!outq_push(q, OUTQ_DISCO, 1, text(s), count_drop, &d);
	}
	assert_int_equal(d.frames, 7 + 8);
	assert_int_equal(d.disco, 8);
	assert_string_equal(drain(q, 99), "d8,d9,a7,a8,a9,");
	outq_free(&q, count_drop, &d);
	assert_int_equal(d.frames, 15);
}

static void who_floods_drops_his_own(void **state)
{
	struct outq_limits l = { .data_frames = 20 };
	struct outq *q = outq_new(&l);
	struct dropped d = { 0 };
	char s[8];
	const char *out;
	(void)state;
	for (int i = 0; i < 5; i++) {
		snprintf(s, sizeof s, "b%d,", i);
		(void)!outq_push(q, OUTQ_DATA, 2, text(s), count_drop, &d);
	}
	for (int i = 0; i < 5000; i++)
		(void)!outq_push(q, OUTQ_DATA, 1, text("xxxxxxxx,"), count_drop, &d);
	out = drain(q, 1000);
	for (int i = 0; i < 5; i++) {
		snprintf(s, sizeof s, "b%d,", i);
		assert_non_null(strstr(out, s));
	}
	outq_free(&q, NULL, NULL);
}

static void flows_are_served_in_turn_by_bytes(void **state)
{
	static uint8_t big[60000], small[1000];
	struct outq *q = outq_new(NULL);
	struct iovec iov[64];
	size_t n, of_small = 0, before_second_big = 0;
	bool big_seen = false;
	(void)state;
	for (int i = 0; i < 4; i++)
		(void)!outq_push(q, OUTQ_DATA, 1, bytes_of(big, sizeof big), NULL, NULL);
	for (int i = 0; i < 100; i++)
		(void)!outq_push(q, OUTQ_DATA, 2, bytes_of(small, sizeof small), NULL, NULL);
	while ((n = outq_peek(q, iov, 64, 65536)) > 0) {
		for (size_t i = 0; i < n; i++) {
			bool is_big = iov[i].iov_len > 5000;
			of_small += !is_big;
			if (is_big && big_seen && !before_second_big)
				before_second_big = of_small;
			big_seen |= is_big;
			outq_sent(q, iov[i].iov_len, NULL);
		}
	}
	/* a 60,000-byte frame is paid for by some 60 small ones of the other flow */
	assert_in_range(before_second_big, 40, 80);
	outq_free(&q, NULL, NULL);
}

static void a_bandwidth_probe_fits(void **state)
{
	static uint8_t frame[65573];
	struct outq *q = outq_new(NULL);
	struct dropped d = { 0 };
	(void)state;
	for (int i = 0; i < 31; i++)
		(void)!outq_push(q, OUTQ_DATA, 1, bytes_of(frame, sizeof frame), count_drop, &d);
	assert_int_equal(d.frames, 0);
	(void)!outq_push(q, OUTQ_DATA, 1, bytes_of(frame, sizeof frame), count_drop, &d);
	(void)!outq_push(q, OUTQ_DATA, 1, bytes_of(frame, sizeof frame), count_drop, &d);
	assert_int_equal(d.frames, 1);
	assert_true(outq_bytes(q) <= OUTQ_DATA_BYTES);
	outq_limit_bytes(q, 100);
	(void)!outq_push(q, OUTQ_DATA, 1, text("last"), count_drop, &d);
	assert_int_equal(outq_bytes(q), 4);
	outq_free(&q, count_drop, &d);
	assert_int_equal(d.frames, 34);
}

static void too_many_control_frames_are_refused(void **state)
{
	struct outq_limits l = { .control_bytes = 10 };
	struct outq *q = outq_new(&l);
	(void)state;
	assert_int_equal(outq_push(q, OUTQ_CONTROL, 0, text("123456"), NULL, NULL), ST_OK);
	assert_int_equal(outq_push(q, OUTQ_CONTROL, 0, text("12345"), NULL, NULL), ST_TOO_BIG);
	assert_int_equal(outq_push(q, OUTQ_CONTROL, 0, text("1234"), NULL, NULL), ST_OK);
	assert_string_equal(drain(q, 3), "1234561234");
	outq_free(&q, NULL, NULL);
}

static void what_is_being_written_is_not_dropped(void **state)
{
	struct outq_limits l = { .data_frames = 2 };
	struct outq *q = outq_new(&l);
	struct dropped d = { 0 };
	struct iovec iov[1];
	size_t bytes = 0;
	(void)state;
	(void)!outq_push(q, OUTQ_DATA, 1, text("first"), count_drop, &d);
	assert_int_equal(outq_peek(q, iov, 1, 100), 1);
	assert_int_equal(outq_sent(q, 3, &bytes), 0);
	for (int i = 0; i < 5; i++)
		(void)!outq_push(q, OUTQ_DATA, 1, text("x"), count_drop, &d);
	assert_int_equal(d.frames, 3);
	assert_int_equal(outq_peek(q, iov, 1, 100), 1);
	assert_memory_equal(iov[0].iov_base, "st", 2);
	assert_int_equal(outq_sent(q, 2, &bytes), 1);
	assert_int_equal(bytes, 5);
	assert_string_equal(drain(q, 9), "xx");
	outq_free(&q, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_kept_however_the_socket_cuts),
		cmocka_unit_test(the_oldest_frame_goes_first_when_it_is_full),
		cmocka_unit_test(who_floods_drops_his_own),
		cmocka_unit_test(flows_are_served_in_turn_by_bytes),
		cmocka_unit_test(a_bandwidth_probe_fits),
		cmocka_unit_test(too_many_control_frames_are_refused),
		cmocka_unit_test(what_is_being_written_is_not_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
