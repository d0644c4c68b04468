/* control/control_priv.h -- what the files of this room share. */
#ifndef CONTROL_PRIV_H
#define CONTROL_PRIV_H

#include "base/log.h"
#include "control/control.h"

struct control {
	struct state *state;
	struct mapper *mapper;
	struct machine_private noise_key;
	struct machine_key noise_public;
	char *server_url;
	struct http_router *inner; /* what runs inside the channel */
	unsigned n_loops;
	struct control_loop **loops; /* by loop index; each used on its own thread only */
	size_t body_max, stream_room;
	struct addr_rate *registrations; /* NULL: no limit */
	int64_t probe_interval_ms, probe_timeout_ms;
};

struct control_map;   /* map.c: one map stream */
struct control_probe; /* probe.c: one ping on its way */

#define CONTROL_MAP_BUCKETS 4096

struct control_loop {
	struct control *c;
	struct loop *loop;
	struct http_server *http;
	struct mapper_loop *maps;
	struct snapshot *snap;          /* one reference; the same as the mapper's */
	struct control_map **streams;   /* open map streams by node, CONTROL_MAP_BUCKETS lists */
	struct loop_timer map_timer;    /* the mapper's next deadline */
	uint32_t begun;                 /* streams since the heap was trimmed */
	struct loop_timer trim_timer;
	struct control_probe *probes;
	struct loop_timer probe_timer;
	struct arena *scratch;          /* told.c: empty between two looks */
	int64_t told_due_ns;            /* wall clock: when a line of somebody's health may change by time; INT64_MAX: never */
	struct loop_timer told_timer;
	bool draining;
};

/* One Noise connection: `conn_data` of its requests. Freed when its HTTP/2 session is gone. */
struct noise_conn {
	struct control_loop *cl;
	struct machine_key machine; /* proven by the handshake */
	uint16_t version;           /* capability version bound into the handshake */
	struct net_addr client;     /* who asks, as the outer request said */
};

void control_count(enum control_counter c);
/** The loop's part for the loop of a request. */
struct control_loop *control_loop_of(struct control *c, struct loop *l);
/** The client's address in the domain's form; IP_NONE if it has none. */
struct ip_addr control_source(const struct noise_conn *nc);
/** A body inside the channel, refused with words: counted, answered. */
void control_bad_request(struct http_req *r, const char *text);

/* upgrade.c */
void control_upgrade(void *control, struct http_req *r);

/* register.c */
void control_register(void *control, struct http_req *r);

/* map.c */
void control_map(void *control, struct http_req *r);
/** After every call into the mapper: set the timer for its next deadline. */
void control_map_kick(struct control_loop *cl);
/** The loop ends: forget its streams. */
void control_map_free_all(struct control_loop *cl);
/** Call fn for each open stream of the loop; fn may not end one. */
void control_map_each(struct control_loop *cl, void (*fn)(void *arg, struct map_stream *ms), void *arg);
/* What a stream was told of its node's health, by digest. */
struct told {
	uint64_t digest, version_digest;
	int64_t next_ns; /* wall clock: when to look again with nothing changed */
};
typedef void told_fn(void *arg, struct map_stream *ms, struct told *t);
/** For each open stream of the loop, and for those of one node; fn may not end one. */
void control_map_each_told(struct control_loop *cl, told_fn *fn, void *arg);
void control_map_each_of(struct control_loop *cl, node_id id, told_fn *fn, void *arg);
/** The open stream of a node on this loop; NULL: none. */
struct map_stream *control_map_find(struct control_loop *cl, node_id id);

/* told.c */
void told_start(struct control_loop *cl);
void told_stop(struct control_loop *cl);
/** Fill what the first map has to tell; good until told_done(). */
void told_first(struct control_loop *cl, node_id id, struct told *t, struct map_client *client);
void told_done(struct control_loop *cl);
/** The snapshot moved on. */
void told_advance(struct control_loop *cl, const struct publication *p);

/* others.c */
void control_others_routes(struct control *c);

/* probe.c */
void control_probe_start(struct control_loop *cl);
void control_probe_stop(struct control_loop *cl);
/** The snapshot moved on (a new stream makes it): there may be routers to ask again. Cheap. */
void control_probe_wake(struct control_loop *cl);
/** HEAD or POST of a ping's URL came, inside the channel or on the outer server. */
void control_ping_response(void *control, struct http_req *r);

#endif
