/* Tests of noise/stream.h: two Noise streams over a pipe in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "net/pipe.h"
#include "noise/session.h"
#include "noise/stream.h"

/* One end: what it heard, in order. */
struct end {
	struct stream *s;
	struct buf got;
	unsigned calls, drained;
	bool eof, closed, pause_after_data, close_on_data;
	enum stream_end why;
};

static struct loop *loop;
static struct stream *pipe_a, *pipe_b;
static struct end a, b;
static struct noise_keys keys_a, keys_b;

static void on_data(void *arg, struct bytes data)
{
	struct end *e = arg;

	assert_false(e->closed);
	assert_true(data.n > 0);
	e->calls++;
	buf_put_bytes(&e->got, data);
	if (e->pause_after_data)
		stream_pause(e->s);
	if (e->close_on_data)
		stream_close(e->s);
}

static void on_eof(void *arg)
{
	struct end *e = arg;

	assert_false(e->eof);
	e->eof = true;
	stream_close(e->s);
}

static void on_drained(void *arg)
{
	((struct end *)arg)->drained++;
}

static void on_closed(void *arg, enum stream_end why)
{
	struct end *e = arg;

	assert_false(e->closed);
	e->closed = true;
	e->why = why;
	e->s = NULL;
}

static const struct stream_handler handler = { on_data, on_eof, on_drained, on_closed };

static int setup(void **state)
{
	(void)state;
	memset(&a, 0, sizeof a);
	memset(&b, 0, sizeof b);
	buf_init(&a.got, 1 << 24);
	buf_init(&b.got, 1 << 24);
	memset(keys_a.send, 1, 32);
	memset(keys_a.receive, 2, 32);
	memset(keys_b.send, 2, 32);
	memset(keys_b.receive, 1, 32);
	loop = loop_new(0);
	pipe_pair(loop, &pipe_a, &pipe_b);
	a.s = noise_stream_new(pipe_a, &keys_a);
	b.s = noise_stream_new(pipe_b, &keys_b);
	return 0;
}

static void turns(int n)
{
	while (n--)
		loop_turn(loop, 0);
}

static int teardown(void **state)
{
	(void)state;
	if (a.s)
		stream_abort(a.s, STREAM_END_LOCAL);
	if (b.s)
		stream_abort(b.s, STREAM_END_LOCAL);
	turns(5);
	loop_free(&loop);
	buf_release(&a.got);
	buf_release(&b.got);
	return 0;
}

static void both_start(void)
{
	stream_start(a.s, &handler, &a);
	stream_start(b.s, &handler, &b);
}

static uint8_t *pattern(size_t n)
{
	uint8_t *p = malloc(n);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 31 + (i >> 11));
	return p;
}

static void bytes_go_both_ways(void **state)
{
	(void)state;
	both_start();
	stream_write(a.s, BYTES_LIT("hello "));
	stream_write(a.s, BYTES_LIT("world"));
	stream_write(b.s, BYTES_LIT("back"));
	assert_int_equal(b.calls, 0); /* nothing comes inside a call */
	turns(4);
	assert_true(bytes_eq_str(buf_bytes(&b.got), "hello world"));
	assert_true(bytes_eq_str(buf_bytes(&a.got), "back"));
	assert_int_equal(b.calls, 1); /* two writes of one turn are one record */
	assert_int_equal(stream_pending(a.s), 0);
	assert_string_equal(stream_kind(a.s), "noise");
}

static void a_megabyte_arrives_whole_in_any_pieces(void **state)
{
	static const size_t chunks[] = { 0, 1000, 4096, 4097 }, pieces[] = { 1 << 20, 1, 9, 4076, 4077, 4078, 70000 };
	(void)state;

	both_start();
	for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
		for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
			size_t n = pieces[p] < 100 ? 10000 : 1 << 20, at = 0;
			uint8_t *data = pattern(n);

			pipe_set_chunk(pipe_b, chunks[c]);
			buf_reset(&b.got);
			while (at < n) {
				size_t take = n - at < pieces[p] ? n - at : pieces[p];

				stream_write(a.s, bytes_of(data + at, take));
				at += take;
			}
			for (int t = 0; t < 3000 && b.got.n < n; t++)
				turns(1);
			assert_int_equal(b.got.n, n);
			assert_memory_equal(b.got.p, data, n);
			free(data);
		}
	}
}

static void what_is_written_in_place_arrives_between_the_rest(void **state)
{
	static const size_t lengths[] = { 1, 4076, 4077, 4078, 9000, STREAM_RESERVE_MAX, 0, 5 };
	uint8_t *data = pattern(200000);
	size_t at = 0;
	(void)state;

	both_start();
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		memcpy(stream_reserve(a.s, lengths[i]), data + at, lengths[i]);
		stream_commit(a.s, lengths[i]);
		at += lengths[i];
		stream_write(a.s, bytes_of(data + at, 3000));
		at += 3000;
		memset(stream_reserve(a.s, 100), 0xee, 100); /* less is committed than was reserved */
		stream_commit(a.s, 0);
	}
	for (int t = 0; t < 100 && b.got.n < at; t++)
		turns(1);
	assert_int_equal(b.got.n, at);
	assert_memory_equal(b.got.p, data, at);
	free(data);
}

static void one_byte_at_a_time_opens_all_the_same(void **state)
{
	(void)state;
	both_start();
	pipe_set_chunk(pipe_b, 1);
	stream_write(a.s, BYTES_LIT("slowly"));
	for (int t = 0; t < 200 && b.got.n < 6; t++)
		turns(1);
	assert_true(bytes_eq_str(buf_bytes(&b.got), "slowly"));
}

static void a_paused_reader_hears_nothing_and_loses_nothing(void **state)
{
	uint8_t *data = pattern(200000);
	(void)state;

	b.pause_after_data = true;
	both_start();
	stream_write(a.s, bytes_of(data, 200000));
	stream_close(a.s);
	for (unsigned i = 1; i < 1000 && !b.eof; i++) {
		turns(6);
		if (b.eof)
			break;
		assert_int_equal(b.calls, i); /* one record, then the pause holds */
		stream_resume(b.s);
	}
	turns(6);
	assert_int_equal(b.got.n, 200000);
	assert_memory_equal(b.got.p, data, 200000);
	assert_true(b.eof && b.closed && a.closed);
	assert_int_equal(a.why, STREAM_END_LOCAL);
	free(data);
}

static void a_slow_peer_is_told_by_pending_and_drained(void **state)
{
	uint8_t *data = pattern(300000);
	(void)state;

	both_start();
	stream_pause(b.s);
	turns(2);
	pipe_set_credit(pipe_a, 1000);
	stream_write(a.s, bytes_of(data, 300000));
	turns(5);
	assert_true(stream_pending(a.s) > 100000);
	assert_int_equal(a.drained, 0);
	pipe_set_credit(pipe_a, SIZE_MAX);
	stream_resume(b.s);
	for (int t = 0; t < 1000 && b.got.n < 300000; t++)
		turns(1);
	turns(3);
	assert_int_equal(b.got.n, 300000);
	assert_int_equal(stream_pending(a.s), 0);
	assert_int_equal(a.drained, 1);
	free(data);
}

static void what_was_written_before_close_arrives(void **state)
{
	(void)state;
	both_start();
	stream_write(a.s, BYTES_LIT("last words"));
	stream_close(a.s);
	turns(8);
	assert_true(bytes_eq_str(buf_bytes(&b.got), "last words"));
	assert_true(b.eof);
	assert_true(a.closed);
	assert_true(b.closed);
}

static void a_reader_that_closes_hears_no_more(void **state)
{
	uint8_t *data = pattern(50000);
	(void)state;

	b.close_on_data = true;
	both_start();
	stream_write(a.s, bytes_of(data, 50000));
	turns(10);
	assert_int_equal(b.calls, 1);
	assert_true(b.closed);
	free(data);
}

static void forged_bytes_end_the_stream(void **state)
{
	static const char *const forged[] = { "\x04\x00\x10GHIJKLMNOPQRSTUV", "\x02", "\x04\xff\xff", "\x03\x00\x00" };
	(void)state;

	both_start();
	for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
		struct end raw = { 0 };
		struct stream *end;

		stream_drop(&b.s, false);
		pipe_pair(loop, &raw.s, &end);
		stream_start(raw.s, &handler, &raw);
		b.closed = false;
		b.calls = 0;
		b.s = noise_stream_new(end, &keys_b);
		stream_start(b.s, &handler, &b);
		stream_write(raw.s, bytes_of(forged[i], i == 0 ? 19 : i == 1 ? 1 : 3));
		turns(5);
		assert_true(raw.closed);
		assert_true(b.closed);
		assert_int_equal(b.why, STREAM_END_PROTOCOL);
		assert_int_equal(b.calls, 0);
	}
}

static void bytes_read_too_far_are_not_lost(void **state)
{
	struct noise_session s;
	struct buf wire;
	struct stream *raw, *end;
	(void)state;

	buf_init(&wire, 1000);
	noise_session_init(&s, &keys_a);
	assert_int_equal(noise_session_seal(&s, BYTES_LIT("early bird"), &wire), ST_OK);
	both_start();
	stream_drop(&b.s, false);
	pipe_pair(loop, &raw, &end);
	stream_unread(end, buf_bytes(&wire));
	b.s = noise_stream_new(end, &keys_b);
	stream_start(b.s, &handler, &b);
	turns(4);
	assert_true(bytes_eq_str(buf_bytes(&b.got), "early bird"));
	noise_session_release(&s);
	buf_release(&wire);
	stream_drop(&raw, false);
	turns(2);
}

static void a_broken_pipe_is_told_upwards(void **state)
{
	(void)state;
	both_start();
	turns(1);
	stream_abort(a.s, STREAM_END_TIMEOUT);
	stream_write(a.s, BYTES_LIT("into the void")); /* taken and dropped */
	turns(6);
	assert_true(a.closed);
	assert_int_equal(a.why, STREAM_END_TIMEOUT);
	assert_true(b.closed);
	assert_int_equal(b.got.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_go_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(a_megabyte_arrives_whole_in_any_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_written_in_place_arrives_between_the_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(one_byte_at_a_time_opens_all_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(a_paused_reader_hears_nothing_and_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slow_peer_is_told_by_pending_and_drained, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_written_before_close_arrives, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_that_closes_hears_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(forged_bytes_end_the_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_read_too_far_are_not_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(a_broken_pipe_is_told_upwards, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
