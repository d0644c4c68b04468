/*
 * derp/stats.h -- what the relay counts.
 *
 * Each loop counts for itself in plain words that others may read at any time; sums are made when asked.
 */
#ifndef DERP_STATS_H
#define DERP_STATS_H

#include "base/buf.h"

/* X(name, help): counters, only ever grow. */
#define DERP_COUNTERS(X)                                                                                               \
	X(accepts, "connections taken over")                                                                           \
	X(websocket_accepts, "of these, by WebSocket")                                                                 \
	X(logins, "clients that logged in")                                                                            \
	X(packets_received, "packets from clients")                                                                    \
	X(bytes_received, "bytes of these packets, without frame heads")                                               \
	X(disco_received, "of the packets received, path discovery")                                                   \
	X(packets_sent, "packets written to clients")                                                                  \
	X(bytes_sent, "bytes of these packets, without frame heads")                                                   \
	X(packets_forwarded_in, "packets from mesh peers")                                                             \
	X(packets_forwarded_out, "packets handed to mesh peers")                                                       \
	X(peer_gone_disconnected, "PeerGone frames: a peer left")                                                      \
	X(peer_gone_not_here, "PeerGone frames: no such peer")                                                         \
	X(pings, "pings answered or not")                                                                              \
	X(pongs, "pongs sent")                                                                                         \
	X(keepalives, "keep-alives sent")                                                                              \
	X(home_moves_in, "clients that made this their home, later than 5 s after connecting")                         \
	X(home_moves_out, "clients that moved their home away")                                                        \
	X(unknown_frames, "frames of unknown type, skipped")                                                           \
	X(rate_limited, "times a connection was not read because of its rate limit")                                   \
	X(reads, "reads from sockets")                                                                                 \
	X(writes, "writes to sockets")                                                                                 \
	X(blocked, "times a socket took no more")                                                                      \
	X(blocked_ms, "milliseconds from there until all that waited was out, summed up")                              \
	X(batches, "turns that waited for more to come")

/* Packets given up, by reason; each has a count of packets (disco and other) and of bytes. */
#define DERP_DROPS(X)                                                                                                  \
	X(unknown_dest, "no such peer")                                                                                \
	X(unknown_dest_on_fwd, "forwarded to us, no such peer")                                                        \
	X(gone, "the receiver left meanwhile")                                                                         \
	X(queue, "the receiver is slow: the oldest packet of its longest flow")                                        \
	X(write_error, "the receiver's connection broke")                                                              \
	X(mailbox, "the receiver's loop is behind")

/* Connections ended, by reason. */
#define DERP_CLOSES(X)                                                                                                 \
	X(peer, "the client closed it")                                                                                \
	X(io_error, "the connection broke")                                                                            \
	X(login_timeout, "no ClientInfo in time")                                                                      \
	X(bad_login, "ClientInfo malformed or not opened by our key")                                                  \
	X(not_admitted, "the node may not use this relay")                                                             \
	X(bad_frame, "a frame whose length its type cannot have")                                                      \
	X(frame_too_big, "a frame longer than its type allows")                                                        \
	X(not_mesh, "a frame that needs the mesh key")                                                                 \
	X(bad_websocket, "WebSocket framing broken")                                                                   \
	X(write_timeout, "the socket took nothing for too long")                                                       \
	X(control_overflow, "too many control frames wait for it")                                                     \
	X(disconnected, "told to: node deleted, expired, or closed by a mesh peer")                                    \
	X(busy, "too many connections or logins")                                                                      \
	X(shutdown, "the relay ends")

/* X(name, member of struct derp_stats, help): what is now. */
#define DERP_GAUGES(X)                                                                                                 \
	X(connections, conns, "connections, duplicates included")                                                      \
	X(logins_pending, logins_pending, "connections that are not logged in yet")                                    \
	X(home_connections, home, "connections of clients whose home this is")                                         \
	X(notideal_connections, not_ideal, "connections of clients that wanted another node of the region")            \
	X(clients_local, clients_local, "node keys connected here")                                                    \
	X(clients_remote, clients_remote, "node keys reached through mesh peers only")                                 \
	X(duplicate_keys, dup_keys, "node keys with several connections")                                              \
	X(duplicate_key_connections, dup_conns, "connections of such keys")                                            \
	X(watchers, watchers, "connections that watch the others")                                                     \
	X(mesh_peers, mesh_peers, "mesh peers we are connected to")                                                    \
	X(tls12_connections, tls12, "connections by TLS 1.2")                                                          \
	X(tls13_connections, tls13, "connections by TLS 1.3")                                                          \
	X(rate_limit_bytes_per_second, rate_per_s, "what one connection may send; 0: no limit")                        \
	X(rate_limit_burst_bytes, rate_burst, "what it may send at once")                                              \
	X(queued_bytes, queued_bytes, "bytes that wait for slow readers")                                              \
	X(heard_pairs, heard_pairs, "remembered pairs of sender and receiver")

struct derp_counters {
#define X(name, help) uint64_t name;
	DERP_COUNTERS(X)
#undef X
};

enum derp_drop {
#define X(name, help) DERP_DROP_##name,
	DERP_DROPS(X)
#undef X
	DERP_DROP_COUNT
};

enum derp_close {
#define X(name, help) DERP_CLOSE_##name,
	DERP_CLOSES(X)
#undef X
	DERP_CLOSE_COUNT
};

/* Round trips of the connections' TCP, as the kernel measures them; asked with each keep-alive. X(name, below this many us) */
#define DERP_RTTS(X)                                                                                                   \
	X(10ms, 10000) X(20ms, 20000) X(50ms, 50000) X(100ms, 100000) X(150ms, 150000) X(250ms, 250000) X(500ms, 500000) \
	X(inf, UINT32_MAX)
enum {
#define X(name, us) DERP_RTT_##name,
	DERP_RTTS(X)
#undef X
	DERP_RTT_COUNT
};

struct derp_drop_count {
	uint64_t disco, other, bytes;
};

struct derp_stats {
	struct derp_counters n;
	struct derp_drop_count drops[DERP_DROP_COUNT];
	uint64_t closes[DERP_CLOSE_COUNT];
	uint64_t rtt[DERP_RTT_COUNT]; /* not cumulative */
	/* gauges */
	int64_t conns, logins_pending, home, not_ideal, queued_bytes, heard_pairs;
	int64_t tls12, tls13, rate_per_s, rate_burst;
	int64_t clients_local, clients_remote, dup_keys, dup_conns, watchers, mesh_peers;
	/* counters of the registry */
	uint64_t dup_total, multiforwarder_created, multiforwarder_deleted;
};

/* UDP side; see derp/stun_server.h. */
struct stun_stats {
	uint64_t success, not_stun, ipv4, ipv6;
};

/** Names of the reasons, as in metrics. Static. */
const char *derp_drop_name(enum derp_drop d);
const char *derp_close_name(enum derp_close c);

/** Prometheus text with HELP and TYPE, names beginning with `headscale_derp_`; stun may be NULL. */
void derp_stats_write(const struct derp_stats *s, const struct stun_stats *stun, struct buf *out);

#endif
