/*
 * fuzz/noise_frame.c -- bytes into the frame parser and into an opened session.
 *
 * The first byte says how. Even: the rest is what a stranger sends: the parser must agree with the session, and nothing
 * opens but what was sealed. Odd: the rest is plain text, sealed, cut into pieces at a place the input chooses, and must
 * come out equal.
 */
#include <stdlib.h>

#include "noise/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void pair(struct noise_session *a, struct noise_session *b)
{
	struct noise_keys k = { .send = { 1 }, .receive = { 2 } }, l = { .send = { 2 }, .receive = { 1 } };

	noise_session_init(a, &k);
	noise_session_init(b, &l);
}

static void check_parser(struct bytes in)
{
	struct noise_frame f;
	size_t used, again;

	while (noise_frame_parse(in, &f, &used) == ST_OK) {
		check(used >= NOISE_HEADER_LEN && used <= NOISE_FRAME_MAX && used <= in.n);
		check(f.payload.p == in.p + NOISE_HEADER_LEN && f.payload.n == used - NOISE_HEADER_LEN);
		check(noise_frame_parse(bytes_of(in.p, used - 1), &f, &again) == ST_AGAIN);
		in = bytes_skip(in, used);
	}
}

static void check_stranger(struct noise_session *s, struct bytes in, struct buf *out)
{
	size_t used;
	enum status st = noise_session_open(s, in, out, &used);

	check(used == 0 && out->n == 0); /* nobody forges a tag */
	check(st == ST_OK || st == ST_CLOSED);
	check(s->broken == (st == ST_CLOSED));
}

static void check_round_trip(struct noise_session *a, struct noise_session *b, struct bytes in, struct buf *out)
{
	struct buf wire;
	size_t cut, used, used2;

	buf_init(&wire, 1 << 24);
	check(noise_session_seal(a, in, &wire) == ST_OK);
	check(wire.n == noise_sealed_len(in.n));
	cut = in.n ? in.p[0] * wire.n / 255 : 0;
	check(noise_session_open(b, bytes_of(wire.p, cut), out, &used) == ST_OK);
	check(noise_session_open(b, bytes_of(wire.p + used, wire.n - used), out, &used2) == ST_OK);
	check(used + used2 == wire.n && bytes_eq(buf_bytes(out), in));
	buf_release(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct noise_session a, b;
	struct buf out;
	struct bytes in;

	if (!size)
		return 0;
	in = bytes_of(data + 1, size - 1);
	pair(&a, &b);
	buf_init(&out, 1 << 24);
	check_parser(in);
	if (data[0] % 2 == 0)
		check_stranger(&b, in, &out);
	else
		check_round_trip(&a, &b, in, &out);
	buf_release(&out);
	noise_session_release(&a);
	noise_session_release(&b);
	return 0;
}
