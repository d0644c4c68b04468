/* noise/session.c -- see noise/session.h. */
#include "noise/session.h"

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

enum status noise_session_seal_to(struct noise_session *s, struct bytes plain, uint8_t *out)
{
	if (record_count(plain.n) > COUNTER_END - s->sealed)
		return ST_CLOSED;
	while (plain.n) {
		size_t n = plain.n < NOISE_PLAIN_MAX ? plain.n : NOISE_PLAIN_MAX;

		out += seal_one(s, bytes_of(plain.p, n), out);
		plain = bytes_skip(plain, n);
	}
	return ST_OK;
}

enum status noise_session_seal(struct noise_session *s, struct bytes plain, struct buf *out)
{
	enum status st;

	if (!buf_ok(out) || plain.n > out->max || noise_sealed_len(plain.n) > out->max - out->n)
		return ST_TOO_BIG;
	st = noise_session_seal_to(s, plain, buf_reserve(out, noise_sealed_len(plain.n)));
	if (st == ST_OK)
		out->n += noise_sealed_len(plain.n);
	return st;
}

static enum status open_record(struct noise_session *s, struct bytes in, uint8_t *out, size_t *n_out, size_t *used_out)
{
	uint8_t nonce[AEAD_NONCE_LEN];
	struct noise_frame f;
	size_t used;
	enum status st = noise_frame_parse(in, &f, &used);

	if (in.n && in.p[0] != NOISE_RECORD)
		return ST_CLOSED; /* from its first byte */
	if (st == ST_AGAIN)
		return ST_AGAIN;
	if (st != ST_OK || f.payload.n < AEAD_TAG_LEN || s->opened == COUNTER_END)
		return ST_CLOSED;
	nonce_of(s->opened, nonce);
	if (aead_open(s->open, nonce, (struct bytes){ 0 }, f.payload, out) != ST_OK)
		return ST_CLOSED;
	s->opened++;
	*n_out = f.payload.n - AEAD_TAG_LEN;
	*used_out = used;
	return ST_OK;
}

enum status noise_session_open_record(struct noise_session *s, struct bytes in, uint8_t out[static NOISE_PLAIN_MAX],
				      size_t *n_out, size_t *used_out)
{
	enum status st = s->broken ? ST_CLOSED : open_record(s, in, out, n_out, used_out);

	if (st == ST_CLOSED)
		s->broken = true;
	return st;
}

enum status noise_session_open(struct noise_session *s, struct bytes in, struct buf *out, size_t *used_out)
{
	enum status st = s->broken ? ST_CLOSED : ST_OK;
	size_t n, used;

	*used_out = 0;
	while (st == ST_OK) {
		if (!buf_ok(out) || out->max - out->n < NOISE_PLAIN_MAX)
			return ST_OK;
		st = noise_session_open_record(s, in, buf_reserve(out, NOISE_PLAIN_MAX), &n, &used);
		if (st != ST_OK)
			break;
		out->n += n;
		in = bytes_skip(in, used);
		*used_out += used;
	}
	return st == ST_AGAIN ? ST_OK : ST_CLOSED;
}
