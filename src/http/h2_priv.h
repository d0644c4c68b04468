/*
 * http/h2_priv.h -- what the two sides of HTTP/2 share.
 */
#ifndef HTTP_H2_PRIV_H
#define HTTP_H2_PRIV_H

#include <nghttp2/nghttp2.h>

#include "base/vec.h"
#include "net/stream.h"

#define H2_FRAME_HEAD    9

/* What waits to become DATA frames of one request: pieces, the first from `off` on. */
struct h2_queue {
	VEC(struct shared_bytes *) pieces;
	size_t first;  /* of pieces */
	size_t off;    /* in it */
	size_t bytes;
};
void h2_queue_put(struct h2_queue *q, struct bytes b, struct shared_bytes *shared);
/** Write the first n bytes to `s` and drop them; n <= q->bytes. */
void h2_queue_send(struct h2_queue *q, struct stream *s, size_t n);
void h2_queue_release(struct h2_queue *q);

#endif
