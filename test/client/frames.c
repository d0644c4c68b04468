/* client/frames.c -- see client/frames.h. Messages that lie whole in what arrived are not copied. */
#include "client/frames.h"

#include <stdlib.h>
#include <zstd.h>

#include "base/vec.h"

#define LEN 4
#define WINDOW_LOG_MAX 29

void map_frames_init(struct map_frames *f)
{
	buf_init(&f->in, LEN + MAP_FRAME_MAX);
}

void map_frames_release(struct map_frames *f)
{
	buf_release(&f->in);
}

bool map_frames_at_boundary(const struct map_frames *f)
{
	return f->in.n == 0;
}

static enum status announced(const uint8_t *p, size_t *n_out)
{
	size_t n = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;

	if (n == 0)
		return ST_BAD_INPUT;
	if (n > MAP_FRAME_MAX)
		return ST_TOO_BIG;
	*n_out = n;
	return ST_OK;
}

/* Move up to n bytes from *data behind what waits. */
static void fill(struct map_frames *f, struct bytes *data, size_t n)
{
	n = n < data->n ? n : data->n;
	buf_put(&f->in, data->p, n);
	*data = bytes_skip(*data, n);
}

/* Go on with the message that is half there. ST_AGAIN: it still is. */
static enum status finish_one(struct map_frames *f, struct bytes *data, size_t *n_out)
{
	enum status s;

	if (f->in.n < LEN)
		fill(f, data, LEN - f->in.n);
	if (f->in.n < LEN)
		return ST_AGAIN;
	s = announced(f->in.p, n_out);
	if (s != ST_OK)
		return s;
	fill(f, data, LEN + *n_out - f->in.n);
	return f->in.n == LEN + *n_out ? ST_OK : ST_AGAIN;
}

enum status map_frames_feed(struct map_frames *f, struct bytes data, map_frame_fn *fn, void *arg)
{
	while (data.n) {
		size_t n = 0;
		enum status s;

		if (f->in.n == 0 && data.n > LEN) {
			s = announced(data.p, &n);
			if (s != ST_OK)
				return s;
			if (n <= data.n - LEN) {
				if (!fn(arg, bytes_of(data.p + LEN, n)))
					return ST_OK;
				data = bytes_skip(data, LEN + n);
				continue;
			}
		}
		s = finish_one(f, &data, &n);
		if (s == ST_AGAIN)
			return ST_OK;
		if (s != ST_OK)
			return s;
		if (!fn(arg, bytes_of(f->in.p + LEN, n)))
			return ST_OK;
		buf_release(&f->in);
	}
	return ST_OK;
}

struct map_decoder {
	ZSTD_DCtx *z;
	struct buf out;
};

struct map_decoder *map_decoder_new(void)
{
	struct map_decoder *d = xcalloc(1, sizeof *d);

	d->z = ZSTD_createDCtx();
	if (!d->z)
		abort();
	ZSTD_DCtx_setParameter(d->z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	buf_init(&d->out, MAP_JSON_MAX);
	return d;
}

void map_decoder_free(struct map_decoder **d)
{
	if (!*d)
		return;
	ZSTD_freeDCtx((*d)->z);
	buf_release(&(*d)->out);
	free(*d);
	*d = NULL;
}

enum status map_decode(struct map_decoder *d, struct bytes payload, struct bytes *json_out)
{
	ZSTD_inBuffer in = { payload.p, payload.n, 0 };
	size_t left = 0;

	ZSTD_DCtx_reset(d->z, ZSTD_reset_session_only);
	buf_reset(&d->out);
	/* `left` is 0 exactly at the end of a zstd frame. */
	while (in.pos < in.size || left != 0) {
		size_t before = in.pos;
		uint8_t *room = buf_reserve(&d->out, ZSTD_DStreamOutSize());
		ZSTD_outBuffer out = { room, ZSTD_DStreamOutSize(), 0 };

		if (!room)
			return ST_TOO_BIG;
		left = ZSTD_decompressStream(d->z, &out, &in);
		if (ZSTD_isError(left))
			return ST_BAD_INPUT;
		d->out.n += out.pos;
		if (left != 0 && in.pos == before && out.pos == 0)
			return ST_BAD_INPUT; /* cut off */
	}
	if (d->out.n == 0)
		return ST_BAD_INPUT;
	*json_out = buf_bytes(&d->out);
	return ST_OK;
}
