/*
 * derp/ws.h -- WebSocket frames around the relay's byte stream.
 *
 *     0            1                 2 (4, 10)   2..14
 *     | FIN opcode | MASK, length    | mask key  | payload ...
 *
 * Message boundaries carry no meaning: payloads of binary messages are one stream. Decoding is done in place.
 * Pure; any thread. Source: RFC 6455, 5.2; docs/wire/derp.md, "WebSocket".
 */
#ifndef DERP_WS_H
#define DERP_WS_H

#include "base/bytes.h"
#include "base/status.h"

#define DERP_WS_HEAD_MAX    10 /* of a server's frame, without mask */
#define DERP_WS_CONTROL_MAX 125
#define DERP_WS_MESSAGE_MAX ((uint64_t)1 << 20) /* one frame of a client may be so long */

struct derp_ws {
	uint64_t left;    /* payload bytes of the present frame that are still to come */
	uint32_t mask;
	uint8_t mask_at;  /* 0..3 */
	uint8_t opcode;   /* of the present frame */
	uint8_t head[14];
	uint8_t head_n;   /* bytes of a head that is not whole yet */
	bool in_message;  /* a fragmented message goes on */
	bool closed;      /* a close frame came: the stream is at its end */
	uint8_t control[DERP_WS_CONTROL_MAX];
	uint8_t control_n;
	uint8_t pong[DERP_WS_CONTROL_MAX]; /* a ping came: its payload, pong_due */
	uint8_t pong_n;
	bool pong_due;
};

/**
 * Take what came off the wire (p, n), in place: the stream's bytes are moved to the front of p, *n_out of them.
 * ws->pong_due is set when a ping wants an answer, ws->closed when the peer ended it.
 * ST_BAD_INPUT: against the protocol (1002), or a text message (1003); ST_TOO_BIG: a frame over DERP_WS_MESSAGE_MAX.
 */
enum status derp_ws_decode(struct derp_ws *ws, uint8_t *p, size_t n, size_t *n_out) MUST_CHECK;

/** The head of a server's binary message of n bytes; returns its length, at most DERP_WS_HEAD_MAX. */
size_t derp_ws_put_head(uint8_t out[static DERP_WS_HEAD_MAX], uint64_t n);
/** A whole pong; returns its length. payload.n <= DERP_WS_CONTROL_MAX. */
size_t derp_ws_put_pong(uint8_t out[static 2 + DERP_WS_CONTROL_MAX], struct bytes payload);
/** A whole close frame with a status code. */
size_t derp_ws_put_close(uint8_t out[static 4], uint16_t code);

#endif
