/*
 * derp/outq.h -- what waits for a connection whose socket takes no more.
 *
 * Three classes: control frames go first and are never dropped (too many of them end the connection), then disco,
 * then data. Data of different senders wait in different flows, which are served in turn; when the queue is
 * full, the oldest frame of the longest flow is dropped: one who floods drops his own. Every frame is a copy, so
 * that a slow reader pins nothing but its own bytes.
 *
 * An idle connection has no queue: outq_new() at the first frame that has to wait, outq_free() when it ran empty.
 * One owner thread.
 */
#ifndef DERP_OUTQ_H
#define DERP_OUTQ_H

#include <sys/uio.h>

#include "base/bytes.h"
#include "base/status.h"

enum outq_class { OUTQ_CONTROL, OUTQ_DISCO, OUTQ_DATA };

struct outq_limits {
	uint32_t data_frames;  /* at most so many data frames wait; 0 takes the default */
	uint32_t disco_frames; /* likewise */
	size_t data_bytes;     /* at most so many bytes of data and disco frames; at least one frame may always wait */
	size_t control_bytes;  /* more ends the connection */
};

#define OUTQ_DATA_FRAMES   256u
#define OUTQ_DISCO_FRAMES  64u
/* A bandwidth probe keeps 30 frames of 65,573 bytes in flight and wants all of them back. */
#define OUTQ_DATA_BYTES    ((size_t)32 * 65573)
#define OUTQ_CONTROL_BYTES ((size_t)64 * 1024)

struct outq;

/* One frame that was given up; body_len: without the head of outq_push2(). */
typedef void outq_drop_fn(void *arg, enum outq_class class, size_t body_len);

/** A new, empty queue; returned (outq_free). limits are copied; 0 fields take the defaults. */
struct outq *outq_new(const struct outq_limits *limits);
/** Each frame that still waits is reported to drop (may be NULL), control frames excepted. Clears *q, accepts NULL. */
void outq_free(struct outq **q, outq_drop_fn *drop, void *arg);

/**
 * Let one frame wait. The bytes are copied.
 *
 * flow   a hash of the sender; any number.
 * drop   told of each frame that had to go for this one. It may be this one itself.
 * ST_OK, or ST_TOO_BIG: control frames passed their limit (nothing is queued; close the connection).
 */
enum status outq_push(struct outq *q, enum outq_class class, uint32_t flow, struct bytes frame, outq_drop_fn *drop,
                      void *arg) MUST_CHECK;
/** A frame with something before it on the wire (the head of a WebSocket message); counted are the body's bytes. */
enum status outq_push2(struct outq *q, enum outq_class class, uint32_t flow, struct bytes head, struct bytes body,
                       outq_drop_fn *drop, void *arg) MUST_CHECK;
/** The rest of a frame whose beginning is on the wire already: goes before all else, is never dropped. */
void outq_push_rest(struct outq *q, struct bytes rest);

/**
 * The next bytes for the wire, in order: at most max pieces and about max_bytes bytes (a frame is not cut).
 * They are borrowed until outq_sent(). Frames that were shown here are not dropped any more.
 * Returns the pieces, 0 if nothing waits.
 */
size_t outq_peek(struct outq *q, struct iovec *iov, size_t max, size_t max_bytes);
/** n bytes of what outq_peek() showed are on the wire (may end inside a frame). Returns the frames completed,
 *  control frames not counted; *bytes_out (may be NULL) the bytes of their bodies. */
size_t outq_sent(struct outq *q, size_t n, size_t *bytes_out);

/** Change the limit on waiting data bytes; what waits already is dropped only by the next push. */
void outq_limit_bytes(struct outq *q, size_t data_bytes);
bool outq_empty(const struct outq *q);
/** Frames that wait, control included. */
uint32_t outq_frames(const struct outq *q);
/** All bytes held, control included. */
size_t outq_bytes(const struct outq *q);

#endif
