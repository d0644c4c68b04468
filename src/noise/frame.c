/*
 * noise/frame.c -- see noise/frame.h for the wire picture.
 *
 * Type and length are judged from the header alone, before any payload is waited for: a peer that
 * announces 64 KiB is cut off after three bytes, not after we have buffered them.
 */
#include "noise/frame.h"

#include <assert.h>

enum status noise_frame_parse(struct bytes in, struct noise_frame *frame_out, size_t *used_out)
{
	size_t len;

	if (in.n && (in.p[0] < NOISE_RESPONSE || in.p[0] > NOISE_RECORD))
		return ST_BAD_INPUT;
	if (in.n < NOISE_HEADER_LEN)
		return ST_AGAIN;
	len = (size_t)in.p[1] << 8 | in.p[2];
	if (len > NOISE_PAYLOAD_MAX)
		return ST_TOO_BIG;
	if (in.n - NOISE_HEADER_LEN < len)
		return ST_AGAIN;
	*frame_out = (struct noise_frame){ (enum noise_frame_type)in.p[0], bytes_of(in.p + NOISE_HEADER_LEN, len) };
	*used_out = NOISE_HEADER_LEN + len;
	return ST_OK;
}

void noise_frame_header(enum noise_frame_type type, size_t n, uint8_t out[static NOISE_HEADER_LEN])
{
	assert(n <= NOISE_PAYLOAD_MAX);
	out[0] = (uint8_t)type;
	out[1] = (uint8_t)(n >> 8);
	out[2] = (uint8_t)n;
}

size_t noise_error_encode(const char *text, uint8_t out[static NOISE_HEADER_LEN + NOISE_ERROR_TEXT_MAX])
{
	size_t n = strnlen(text, NOISE_ERROR_TEXT_MAX);

	noise_frame_header(NOISE_ERROR, n, out);
	memcpy(out + NOISE_HEADER_LEN, text, n);
	return NOISE_HEADER_LEN + n;
}
