/* test/unit/net/test_stream.c -- the rules of every stream, on a pipe in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "net/pipe.h"
#include "unit/net/reader.h"

struct two {
	struct loop *l;
	struct reader a, b;
};

static int set_up(void **state)
{
	static struct two t;
	struct stream *a, *b;

	t.l = loop_new(0);
	pipe_pair(t.l, &a, &b);
	reader_init(&t.a, a);
	reader_init(&t.b, b);
	*state = &t;
	return 0;
}

static int tear_down(void **state)
{
	struct two *t = *state;

	reader_release(&t->a);
	reader_release(&t->b);
	loop_free(&t->l);
	return 0;
}

static void turns(struct two *t, int n)
{
	while (n-- > 0)
		loop_turn(t->l, 0);
}

static void nothing_comes_while_paused_and_all_of_it_after(void **state)
{
	struct two *t = *state;

	stream_write(t->a.s, BYTES_LIT("hello "));
	stream_write(t->a.s, BYTES_LIT("world"));
	turns(t, 3);
	assert_int_equal(t->b.calls, 0);
	assert_int_equal(stream_pending(t->a.s), 11);
	stream_resume(t->b.s);
	assert_int_equal(t->b.calls, 0); /* not inside the call */
	turns(t, 1);
	assert_true(bytes_eq_str(buf_bytes(&t->b.got), "hello world"));
	assert_int_equal(t->b.calls, 1); /* one turn's writes travel together */
	assert_int_equal(stream_pending(t->a.s), 0);
}

static void pausing_in_a_callback_holds_back_the_next(void **state)
{
	struct two *t = *state;

	t->b.pause_after = true;
	pipe_set_chunk(t->b.s, 1);
	stream_resume(t->b.s);
	stream_write(t->a.s, BYTES_LIT("abc"));
	for (unsigned i = 1; i <= 3; i++) {
		turns(t, 3);
		assert_int_equal(t->b.calls, i);
		stream_resume(t->b.s);
		stream_resume(t->b.s);
	}
	assert_true(bytes_eq_str(buf_bytes(&t->b.got), "abc"));
}

static void bytes_put_back_come_first(void **state)
{
	struct two *t = *state;

	stream_unread(t->b.s, BYTES_LIT("second "));
	stream_unread(t->b.s, BYTES_LIT("first "));
	stream_write(t->a.s, BYTES_LIT("third"));
	stream_resume(t->b.s);
	turns(t, 2);
	assert_true(bytes_eq_str(buf_bytes(&t->b.got), "first second third"));
}

static void a_new_owner_gets_what_came_between(void **state)
{
	struct two *t = *state;
	struct reader next;
	struct stream *s = t->b.s;

	stream_pause(s);
	stream_set_handler(s, NULL, NULL);
	t->b.s = NULL;
	stream_write(t->a.s, BYTES_LIT("late"));
	turns(t, 2);
	reader_init(&next, s);
	stream_resume(s);
	turns(t, 2);
	assert_true(bytes_eq_str(buf_bytes(&next.got), "late"));
	reader_release(&next);
}

static void closing_sends_what_was_written_then_ends_both(void **state)
{
	struct two *t = *state;

	stream_resume(t->b.s);
	stream_write(t->a.s, BYTES_LIT("bye"));
	stream_close(t->a.s);
	stream_write(t->a.s, BYTES_LIT("too late"));
	assert_false(t->a.closed); /* not inside the call */
	turns(t, 3);
	assert_true(t->a.closed);
	assert_int_equal(t->a.why, STREAM_END_LOCAL);
	assert_true(bytes_eq_str(buf_bytes(&t->b.got), "bye"));
	assert_true(t->b.eof);
	assert_false(t->b.closed); /* it has an eof callback: it decides itself */
	stream_close(t->b.s);
	turns(t, 3);
	assert_int_equal(t->b.why, STREAM_END_LOCAL);
}

static void eof_ends_a_stream_whose_user_does_not_care(void **state)
{
	struct two *t = *state;

	stream_set_handler(t->b.s, &reader_handler_no_eof, &t->b);
	stream_resume(t->b.s);
	pipe_shutdown(t->a.s);
	turns(t, 3);
	assert_true(t->b.closed);
	assert_int_equal(t->b.why, STREAM_END_EOF);
}

static void eof_waits_behind_bytes_while_paused(void **state)
{
	struct two *t = *state;

	stream_unread(t->b.s, BYTES_LIT("x"));
	pipe_shutdown(t->a.s);
	turns(t, 3);
	assert_false(t->b.eof);
	assert_int_equal(t->b.calls, 0);
	stream_resume(t->b.s);
	turns(t, 2);
	assert_true(t->b.eof);
	assert_int_equal(t->b.got.n, 1);
}

static void abort_drops_and_says_why(void **state)
{
	struct two *t = *state;

	stream_resume(t->b.s);
	stream_write(t->a.s, BYTES_LIT("never"));
	stream_abort(t->a.s, STREAM_END_SHUTDOWN);
	stream_abort(t->a.s, STREAM_END_LIMIT);
	assert_false(t->a.closed);
	turns(t, 3);
	assert_int_equal(t->a.why, STREAM_END_SHUTDOWN); /* the first reason counts */
	assert_int_equal(t->b.why, STREAM_END_RESET);
	assert_int_equal(t->b.got.n, 0);
}

static void a_dropped_stream_says_nothing(void **state)
{
	struct two *t = *state;

	stream_resume(t->a.s);
	stream_resume(t->b.s);
	stream_write(t->b.s, BYTES_LIT("to nobody"));
	stream_write(t->a.s, BYTES_LIT("flushed"));
	stream_drop(&t->a.s, true);
	assert_null(t->a.s);
	turns(t, 3);
	assert_int_equal(t->a.calls, 0);
	assert_false(t->a.closed);
	assert_true(bytes_eq_str(buf_bytes(&t->b.got), "flushed"));
}

static void a_deadline_ends_and_can_be_put_off(void **state)
{
	struct two *t = *state;

	stream_set_deadline(t->a.s, 1000);
	loop_clock_advance(t->l, 900);
	turns(t, 2);
	stream_set_deadline(t->a.s, 1000);
	loop_clock_advance(t->l, 900);
	turns(t, 2);
	assert_false(t->a.closed);
	stream_set_deadline(t->a.s, 0);
	loop_clock_advance(t->l, 100000);
	turns(t, 2);
	assert_false(t->a.closed);
	stream_set_deadline(t->a.s, 10);
	loop_clock_advance(t->l, 11);
	turns(t, 2);
	assert_true(t->a.closed);
	assert_int_equal(t->a.why, STREAM_END_TIMEOUT);
}

static void a_close_that_cannot_flush_is_cut_off(void **state)
{
	struct two *t = *state;

	pipe_set_credit(t->a.s, 0);
	stream_write(t->a.s, BYTES_LIT("stuck"));
	stream_close(t->a.s);
	turns(t, 3);
	assert_false(t->a.closed);
	loop_clock_advance(t->l, STREAM_LINGER_MS + 1);
	turns(t, 3);
	assert_true(t->a.closed);
}

static void drained_comes_when_pending_falls_below_the_mark(void **state)
{
	static uint8_t big[1000];
	struct two *t = *state;

	stream_set_low_water(t->a.s, 100);
	stream_resume(t->b.s);
	pipe_set_credit(t->a.s, 0);
	stream_write(t->a.s, bytes_of(big, 100));
	turns(t, 2);
	stream_write(t->a.s, bytes_of(big, 900));
	turns(t, 2);
	assert_int_equal(stream_pending(t->a.s), 1000);
	pipe_set_credit(t->a.s, 899);
	turns(t, 2);
	assert_int_equal(t->a.drained, 0);
	pipe_set_credit(t->a.s, 1);
	turns(t, 2);
	assert_int_equal(t->a.drained, 1);
	pipe_set_credit(t->a.s, SIZE_MAX);
	turns(t, 2);
	assert_int_equal(t->a.drained, 1);
}

static void reserved_and_shared_bytes_are_written_like_others(void **state)
{
	struct two *t = *state;
	struct shared_bytes *sh = shared_bytes_new(BYTES_LIT("xx-shared-yy"));
	uint8_t *p;

	stream_resume(t->b.s);
	stream_write(t->a.s, BYTES_LIT("a"));
	p = stream_reserve(t->a.s, STREAM_RESERVE_MAX);
	memcpy(p, "bc", 2);
	stream_commit(t->a.s, 2);
	(void)stream_reserve(t->a.s, 10);
	stream_commit(t->a.s, 0);
	stream_write_shared(t->a.s, sh, 2, 8);
	shared_bytes_unref(&sh);
	turns(t, 2);
	assert_true(bytes_eq_str(buf_bytes(&t->b.got), "abc-shared-"));
	stream_abort(t->a.s, STREAM_END_LOCAL);
	memset(stream_reserve(t->a.s, 100), 0, 100); /* a lost stream still gives room */
	stream_commit(t->a.s, 100);
}

static void what_a_layer_delivers_while_paused_waits(void **state)
{
	struct two *t = *state;

	stream_deliver(t->b.s, BYTES_LIT("one "));
	stream_deliver(t->b.s, BYTES_LIT("two "));
	turns(t, 2);
	assert_int_equal(t->b.calls, 0);
	stream_resume(t->b.s);
	stream_deliver(t->b.s, BYTES_LIT("three")); /* not before what waits */
	turns(t, 2);
	assert_true(bytes_eq_str(buf_bytes(&t->b.got), "one two three"));
}

static void a_new_owner_hears_of_an_eof_again(void **state)
{
	struct two *t = *state;

	stream_resume(t->b.s);
	pipe_shutdown(t->a.s);
	turns(t, 2);
	assert_true(t->b.eof);
	t->b.eof = false;
	stream_set_handler(t->b.s, &reader_handler, &t->b);
	turns(t, 2);
	assert_true(t->b.eof);
}

static void an_end_between_two_owners_is_told_to_the_next(void **state)
{
	struct two *t = *state;
	struct stream *s = t->b.s;

	stream_set_handler(s, NULL, NULL);
	stream_abort(t->a.s, STREAM_END_LOCAL);
	turns(t, 3);
	assert_false(stream_is_open(s));
	stream_write(s, BYTES_LIT("into the void"));
	stream_set_handler(s, &reader_handler, &t->b);
	assert_false(t->b.closed);
	turns(t, 2);
	assert_true(t->b.closed);
	assert_int_equal(t->b.why, STREAM_END_RESET);
}

static void closing_inside_data_is_safe(void **state)
{
	struct two *t = *state;

	t->b.echo = true;
	stream_resume(t->a.s);
	stream_resume(t->b.s);
	stream_write(t->a.s, BYTES_LIT("ping"));
	turns(t, 2);
	assert_true(bytes_eq_str(buf_bytes(&t->a.got), "ping"));
	stream_close(t->b.s);
	stream_close(t->a.s);
	turns(t, 3);
	assert_true(t->a.closed && t->b.closed);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(nothing_comes_while_paused_and_all_of_it_after),
		T(pausing_in_a_callback_holds_back_the_next),
		T(bytes_put_back_come_first),
		T(a_new_owner_gets_what_came_between),
		T(closing_sends_what_was_written_then_ends_both),
		T(eof_ends_a_stream_whose_user_does_not_care),
		T(eof_waits_behind_bytes_while_paused),
		T(abort_drops_and_says_why),
		T(a_dropped_stream_says_nothing),
		T(a_deadline_ends_and_can_be_put_off),
		T(a_close_that_cannot_flush_is_cut_off),
		T(drained_comes_when_pending_falls_below_the_mark),
		T(reserved_and_shared_bytes_are_written_like_others),
		T(what_a_layer_delivers_while_paused_waits),
		T(a_new_owner_hears_of_an_eof_again),
		T(an_end_between_two_owners_is_told_to_the_next),
		T(closing_inside_data_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
