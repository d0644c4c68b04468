/*
 * derp/takeover.h -- from a stream to the socket (and TLS) below it.
 *
 * The relay reads and writes by itself: a copy less each way, and one call for many packets. The stream stays as the
 * owner of the socket, paused and without a handler, and keeps its place in the limits on connections; when
 * the relay is done it drops the stream.
 */
#ifndef DERP_TAKEOVER_H
#define DERP_TAKEOVER_H

#include "derp/relay.h"

/**
 * Not from within a callback of the stream, whose layers then hold bytes that nobody can see: at the end of the turn.
 *
 * Fill fd, tls, keep, early, tls_in, ip and port of *a from a stream that is paused, has no handler and nothing
 * left to write; taken on ST_OK. early and tls_in are borrowed from the stream,
 * for the call of derp_relay_adopt() that follows.
 * ST_UNSUPPORTED: it is no socket, nor TLS over one (a pipe, another layer).
 * ST_BUSY: something is still to be written.
 */
enum status derp_takeover(struct stream *s, struct derp_adopt *a) MUST_CHECK;
/** It comes to nothing: close it all. */
void derp_takeover_drop(struct derp_adopt *a);

#endif
