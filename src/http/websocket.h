/*
 * http/websocket.h -- RFC 6455 as a stream over a stream: payloads of binary messages, end to end, are the bytes.
 *
 *     0        1         2 ..
 *     | flags, | mask?,  | length 16/64 | mask key | payload
 *     | opcode | length7 | if 126 / 127 | 4 if set |
 *
 * Pings are answered, a close is echoed, text messages are refused (1003). Each turn's writes go out as one message.
 */
#ifndef HTTP_WEBSOCKET_H
#define HTTP_WEBSOCKET_H

#include "http/http.h"

#define WS_FRAME_MAX ((uint64_t)16 * 1024 * 1024) /* a longer frame is refused (1009); it is never held as a whole */

enum ws_close { WS_NORMAL = 1000, WS_GOING_AWAY = 1001, WS_PROTOCOL = 1002, WS_BAD_DATA = 1003, WS_POLICY = 1008, WS_TOO_BIG = 1009 };

/** Whether this is a WebSocket upgrade at all. */
bool ws_is_upgrade(const struct http_req *r);
/**
 * Accept the upgrade.
 *
 * protocol  the subprotocol to select if the client offers it; NULL: none.
 * required  a client that does not offer it is let in and at once closed with WS_POLICY.
 * ST_OK: stream_out is yours, paused; the request has ended. ST_BAD_INPUT: 400 (or 426) was answered, the request has ended.
 * ST_DENIED: accepted and closed with WS_POLICY, the request has ended, nothing is out.
 */
enum status ws_accept(struct http_req *r, const char *protocol, bool required, struct stream **stream_out) MUST_CHECK;
/** As the server, over a stream that was upgraded already. Taken. */
struct stream *ws_serve(struct stream *lower);
/** As the client: masks what it sends. Taken. */
struct stream *ws_client(struct stream *lower);
/** Close with this code; otherwise stream_close() says WS_NORMAL. */
void ws_close(struct stream *ws, enum ws_close code);
#define WS_ACCEPT_LEN 28
/** Sec-WebSocket-Accept for a key as sent. */
void ws_accept_key(const char *key, char out[static WS_ACCEPT_LEN + 1]);

#endif
