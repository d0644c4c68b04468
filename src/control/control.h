/*
 * control/control.h -- the control protocol: what an unmodified client speaks with its coordination server.
 *
 *     GET /key                      our Noise key
 *     POST|GET /ts2021 --upgrade--> Noise --> HTTP/2 --> /machine/register, /machine/map, ...
 *
 * One `struct control` for the process, one `struct control_loop` for each loop that serves connections. Everything a
 * client may know comes through the mapper, everything it changes goes through the writer.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "http/h2.h"
#include "http/router.h"
#include "mapper/mapper.h"
#include "noise/handshake.h"
#include "state/state.h"

#define CONTROL_CAP_FLOOR 113 /* the oldest capability version served: 1.80 */

struct control_opts {
	struct state *state;   /* borrowed, outlives the control */
	struct mapper *mapper; /* likewise */
	const struct machine_private *noise_key; /* copied */
	const char *server_url;                  /* without a slash at the end; copied */
	unsigned n_loops;
	size_t body_max;           /* bytes of a request inside the channel; 0: 1 MiB */
	size_t stream_room;        /* bytes of a map stream that may wait for its reader; above it the reader is slow; 0: 256 KiB */

	uint32_t registrations_per_minute; /* of one address (IPv6: /64), 0: no limit */
	int64_t probe_interval_ms, probe_timeout_ms; /* of routers that share a prefix; interval 0: no probes */
};

struct control;
struct control *control_new(const struct control_opts *o);
void control_free(struct control **c);
/** Add /key, /ts2021 and the pings' answers to the outer router; `auth` is the number of a public route there. */
void control_add_routes(struct control *c, struct http_router *r, unsigned auth);

/**
 * The loop's part. Made and freed on the loop's thread (or before it runs, after it has ended).
 *
 * http  the loop's server: inner connections are counted and drained with it.
 * snap  the world at start; a reference is taken.
 */
struct control_loop *control_loop_new(struct control *c, struct loop *l, struct http_server *http, struct snapshot *snap);
void control_loop_free(struct control_loop **cl);
/** A publication has come (by message from the writer): the loop's snapshot moves on, streams concerned are woken. */
void control_loop_advance(struct control_loop *cl, struct publication *p);
/** The loop's snapshot; borrowed for the call. */
struct snapshot *control_loop_snapshot(struct control_loop *cl);
/** End all map streams in order, spread over so many milliseconds, so that clients come back spread out. */
void control_loop_drain(struct control_loop *cl, uint32_t spread_ms);

/* One open map stream, for the operator's list. */
struct control_stream {
	node_id node;
	struct net_addr client; /* where it comes from */
	uint32_t cap;           /* capability version of the client */
	bool zstd;
	int64_t open_ns;        /* for how long */
	size_t waiting;         /* bytes that its reader has not taken */
};
/** Call fn for each open stream of this loop, in no order; fn returns false to end it. On its thread. */
void control_loop_each_stream(struct control_loop *cl, bool (*fn)(void *arg, const struct control_stream *s), void *arg);

#define CONTROL_WHO_MAX 24
/** "machine [AbCdE]" for a request inside the channel (its conn_data), "" for any other. On its loop. */
void control_who(const struct http_req *r, char out[static CONTROL_WHO_MAX]);

/* Process-wide figures for metrics. Any thread. */
#define CONTROL_COUNTERS(X)                                                                \
	X(HANDSHAKE, "noise_handshakes", "Noise handshakes done")                          \
	X(HANDSHAKE_BAD, "noise_handshakes_refused", "upgrades without a valid handshake") \
	X(REGISTER, "register_requests", "registration requests")                          \
	X(REGISTER_REFUSED, "register_refused", "registrations answered with an error")    \
	X(REGISTER_LIMITED, "register_limited", "registrations over the rate of an address") \
	X(MAP_STREAM, "map_streams", "map streams begun")                                  \
	X(MAP_UPDATE, "map_updates", "map requests without a stream")                      \
	X(MAP_REFUSED, "map_refused", "map requests refused")                              \
	X(MAP_SUPERSEDED, "map_superseded", "streams that a newer one of the same node replaced") \
	X(BAD_REQUEST, "bad_requests", "bodies that could not be read")                    \
	X(TOO_OLD, "client_too_old", "requests of clients below the version floor")        \
	X(PING_SENT, "pings_sent", "probes sent to clients")                               \
	X(PING_ANSWERED, "pings_answered", "probes answered")                              \
	X(HEALTH_REPORT, "health_reports", "health changes that clients reported") \
	X(HEALTH_TOLD, "health_told", "changes of what clients were told to be wrong")
enum control_counter {
#define X(id, name, help) CONTROL_COUNT_##id,
	CONTROL_COUNTERS(X)
#undef X
	CONTROL_COUNTER_COUNT
};
uint64_t control_counter_read(enum control_counter c);
const char *control_counter_name(enum control_counter c);
const char *control_counter_help(enum control_counter c);
/** Map streams open now. */
uint64_t control_streams_open(void);

#endif
