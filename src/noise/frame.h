/*
 * noise/frame.h -- cut the byte stream of the control protocol into frames.
 *
 *     0        1                3               3 + len
 *     | type   | len, u16 BE    | payload ...   |
 *
 * Pure: no socket, no key, no allocation; any thread. noise/session.h decrypts what comes out. The first message of a
 * connection, the initiation, has a header of its own: noise/handshake.h.
 * Source: docs/wire/noise.md, "Frames".
 */
#ifndef NOISE_FRAME_H
#define NOISE_FRAME_H

#include "base/bytes.h"
#include "base/status.h"

#define NOISE_HEADER_LEN 3
#define NOISE_FRAME_MAX 4096 /* with its header: a client drops the connection at more */
#define NOISE_PAYLOAD_MAX (NOISE_FRAME_MAX - NOISE_HEADER_LEN)

enum noise_frame_type {
	NOISE_RESPONSE = 2, /* server to client, once */
	NOISE_ERROR = 3,    /* server to client in its place: text for people */
	NOISE_RECORD = 4,   /* either way: one sealed record */
};

struct noise_frame {
	enum noise_frame_type type;
	struct bytes payload; /* borrowed: points into the input of noise_frame_parse() */
};

/**
 * Read the frame at the front of `in`.
 *
 * in         what has arrived so far; may stop anywhere, even inside the header.
 * frame_out  set on ST_OK only. Its payload lives as long as `in` does.
 * used_out   set on ST_OK only: bytes of `in` to drop, NOISE_HEADER_LEN..NOISE_FRAME_MAX.
 *
 * ST_AGAIN      less than one frame is there.
 * ST_BAD_INPUT  unknown type: the stream is lost, drop the connection.
 * ST_TOO_BIG    the announced length passes NOISE_FRAME_MAX: likewise.
 */
enum status noise_frame_parse(struct bytes in, struct noise_frame *frame_out, size_t *used_out) MUST_CHECK;

/** Write the header of a frame with n bytes of payload, n <= NOISE_PAYLOAD_MAX. */
void noise_frame_header(enum noise_frame_type type, size_t n, uint8_t out[static NOISE_HEADER_LEN]);

#define NOISE_ERROR_TEXT_MAX 200
/** A whole error frame; `text` is plain ASCII of ours, cut at NOISE_ERROR_TEXT_MAX. Returns its length. */
size_t noise_error_encode(const char *text, uint8_t out[static NOISE_HEADER_LEN + NOISE_ERROR_TEXT_MAX]);

#endif
