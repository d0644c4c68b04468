/*
 * client/frames.h -- cut an answer to /machine/map into messages, and decode them as clients do.
 *
 *     0             4           4 + len
 *     | len, u32 LE | payload ...       |
 *
 * The payload is JSON, or any number of zstd frames one after the other that together hold JSON. No socket. Source: seen from
 * clients.
 */
#ifndef CLIENT_FRAMES_H
#define CLIENT_FRAMES_H

#include "base/buf.h"

#define MAP_FRAME_MAX ((size_t)256 * 1024 * 1024)
#define MAP_JSON_MAX ((size_t)1024 * 1024 * 1024)

struct map_frames {
	struct buf in; /* the front of a message whose rest has not come; gives its memory back between messages */
};

void map_frames_init(struct map_frames *f);
void map_frames_release(struct map_frames *f);

/** A whole message: its payload, borrowed for the call. false: no more calls, feeding ends. */
typedef bool map_frame_fn(void *arg, struct bytes payload);

/**
 * Take bytes in pieces of any size; fn is called for each message that is whole.
 * ST_BAD_INPUT  a length of 0. ST_TOO_BIG: over MAP_FRAME_MAX. The stream is lost.
 */
enum status map_frames_feed(struct map_frames *f, struct bytes data, map_frame_fn *fn, void *arg) MUST_CHECK;
/** Nothing is half there. */
bool map_frames_at_boundary(const struct map_frames *f);

/* Decodes zstd; holds the memory for it. One owner at a time. */
struct map_decoder;
struct map_decoder *map_decoder_new(void);
void map_decoder_free(struct map_decoder **d);
/**
 * json_out is borrowed until the next call. ST_BAD_INPUT: no zstd, cut off, garbage behind, a window over 2^29 bytes, or
 * nothing in it. ST_TOO_BIG: over MAP_JSON_MAX.
 */
enum status map_decode(struct map_decoder *d, struct bytes payload, struct bytes *json_out) MUST_CHECK;

#endif
