/*
 * net/counters.h -- how often what happened at the edge, for the metrics.
 *
 * Process-wide, relaxed atomics: cheap to add to, read one by one, never reset. Any thread.
 */
#ifndef NET_COUNTERS_H
#define NET_COUNTERS_H

#include <stdint.h>

#define NET_COUNTERS(X)                                                             \
	X(ACCEPTED, "accepted", "connections accepted")                             \
	X(REFUSED_TOTAL, "refused_total", "over the limit on connections")          \
	X(REFUSED_ADDRESS, "refused_address", "over the limit per address")         \
	X(EVICTED_PENDING, "evicted_pending", "oldest unfinished handshake gave way") \
	X(ACCEPT_ERROR, "accept_error", "the kernel could not accept")              \
	X(TIMEOUT, "timeout", "a phase passed its deadline")                        \
	X(SLOW, "slow", "a peer did not take what was sent")                        \
	X(RESET, "reset", "a connection broke")                                     \
	X(PROTOCOL, "protocol", "a peer broke a protocol")                          \
	X(LIMIT, "limit", "a peer passed a limit")                                  \
	X(TLS_HANDSHAKE, "tls_handshake", "TLS handshakes done")                    \
	X(TLS_FAILED, "tls_failed", "TLS handshakes failed")                        \
	X(HTTP_REQUEST, "http_request", "HTTP requests begun")                      \
	X(HTTP_BAD, "http_bad", "malformed HTTP")                                   \
	X(HTTP_HEAD_BIG, "http_head_big", "HTTP head over its limit")               \
	X(HTTP_BODY_BIG, "http_body_big", "HTTP body over its limit")               \
	X(HTTP_OVERLOAD, "http_overload", "answered 503 or 429 with Retry-After")   \
	X(H2_SESSION, "h2_session", "HTTP/2 sessions begun")                        \
	X(H2_FLOOD, "h2_flood", "HTTP/2 sessions ended for abuse")                  \
	X(WS_BAD, "ws_bad", "malformed WebSocket frames")                           \
	X(UDP_DROPPED, "udp_dropped", "datagrams that could not be sent")

enum net_counter {
#define X(id, name, help) NET_COUNT_##id,
	NET_COUNTERS(X)
#undef X
	NET_COUNTER_COUNT
};

/** One more. */
void net_count(enum net_counter c);
void net_count_add(enum net_counter c, uint64_t n);
uint64_t net_counter_read(enum net_counter c);
/** Static text: "refused_address"; and a short description. */
const char *net_counter_name(enum net_counter c);
const char *net_counter_help(enum net_counter c);

#endif
