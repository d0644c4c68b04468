/* noise/session.c -- see noise/session.h. */
#include "noise/session.h"

#include "base/status.h"

#define COUNTER_END UINT64_MAX /* this number itself may not be used */

void noise_session_init(struct noise_session *s, const struct noise_keys *keys)
{
	*s = (struct noise_session){ .seal = aead_new_seal(keys->send), .open = aead_new_open(keys->receive) };
}

void noise_session_release(struct noise_session *s)
{
	aead_free(&s->seal);
	aead_free(&s->open);
}

static size_t record_count(size_t n)
{
	return n / NOISE_PLAIN_MAX + (n % NOISE_PLAIN_MAX != 0);
}

size_t noise_sealed_len(size_t n)
{
	return n + record_count(n) * NOISE_RECORD_OVERHEAD;
}

static void nonce_of(uint64_t counter, uint8_t out[static AEAD_NONCE_LEN])
{
	memset(out, 0, 4);
	for (int i = 0; i < 8; i++)
		out[4 + i] = (uint8_t)(counter >> (56 - 8 * i));
}

static size_t seal_one(struct noise_session *s, struct bytes plain, uint8_t *out)
{
	uint8_t nonce[AEAD_NONCE_LEN];

	nonce_of(s->sealed++, nonce);
	noise_frame_header(NOISE_RECORD, plain.n + AEAD_TAG_LEN, out);
	aead_seal(s->seal, nonce, (struct bytes){ 0 }, plain, out + NOISE_HEADER_LEN);
	return plain.n + NOISE_RECORD_OVERHEAD;
}

enum status noise_session_seal(struct noise_session *s, struct bytes plain, struct buf *out)
{
	uint8_t *to;

	if (record_count(plain.n) > COUNTER_END - s->sealed)
		return ST_CLOSED;
	if (!buf_ok(out) || plain.n > out->max || noise_sealed_len(plain.n) > out->max - out->n)
		return ST_TOO_BIG;
	to = buf_reserve(out, noise_sealed_len(plain.n));
	while (plain.n) {
		size_t n = plain.n < NOISE_PLAIN_MAX ? plain.n : NOISE_PLAIN_MAX;
		size_t wrote = seal_one(s, bytes_of(plain.p, n), to);

		to += wrote;
		out->n += wrote;
		plain = bytes_skip(plain, n);
	}
	return ST_OK;
}

/* ST_AGAIN: no whole record, or no room. */
static enum status open_one(struct noise_session *s, struct bytes in, struct buf *out, size_t *used)
{
	uint8_t nonce[AEAD_NONCE_LEN];
	struct noise_frame f;
	size_t n;
	enum status st = noise_frame_parse(in, &f, used);

	if (st == ST_AGAIN)
		return in.n && in.p[0] != NOISE_RECORD ? ST_CLOSED : ST_AGAIN;
	if (st != ST_OK || f.type != NOISE_RECORD || f.payload.n < AEAD_TAG_LEN || s->opened == COUNTER_END)
		return ST_CLOSED;
	n = f.payload.n - AEAD_TAG_LEN;
	if (!buf_ok(out) || n > out->max - out->n)
		return ST_AGAIN;
	nonce_of(s->opened, nonce);
	if (aead_open(s->open, nonce, (struct bytes){ 0 }, f.payload, buf_reserve(out, n)) != ST_OK)
		return ST_CLOSED;
	s->opened++;
	out->n += n;
	return ST_OK;
}

enum status noise_session_open(struct noise_session *s, struct bytes in, struct buf *out, size_t *used_out)
{
	enum status st = s->broken ? ST_CLOSED : ST_OK;
	size_t used;

	*used_out = 0;
	while (st == ST_OK) {
		used = 0;
		st = open_one(s, in, out, &used);
		if (st != ST_OK)
			break;
		in = bytes_skip(in, used);
		*used_out += used;
	}
	if (st == ST_AGAIN)
		return ST_OK;
	s->broken = true;
	return ST_CLOSED;
}
