/*
 * noise/stream.h -- the plain side of a Noise channel as a stream over the stream that carries it.
 *
 * What is written is gathered into full records: those leave at once for the stream below, sealed straight into its
 * buffer, up to 16 in a piece; what is left at the end of the turn goes as one short record. What arrives is opened record
 * by record, and only while somebody reads: a paused reader leaves at most what the stream below handed up last.
 *
 * A frame that is no record or does not open ends the stream with STREAM_END_PROTOCOL, the end of the record numbers with
 * STREAM_END_LIMIT. On the loop of the stream below, as all streams.
 */
#ifndef NOISE_STREAM_H
#define NOISE_STREAM_H

#include "net/stream.h"
#include "noise/handshake.h"

/**
 * A stream over `lower`, which is taken, must be paused and stands behind the handshake: give back what was read too far with
 * stream_unread(). The keys are copied; wipe yours. Returned as all streams: ends by stream_close() and the like.
 */
struct stream *noise_stream_new(struct stream *lower, const struct noise_keys *keys);

#endif
