/*
 * derp/relay_priv.h -- the relay's inside, shared by its .c files.
 *
 *   relay.c    settings, loops, the public functions
 *   mail.c     what loops tell each other, and packets for other loops
 *   registrar.c  loop 0: who is here, and where packets go
 *   list.c     the operator's list
 *   turn.c     the region, the end of a turn, waiting well
 *   conn.c     a connection's life: adoption, login, standing, timers, end
 *   ingress.c  bytes read -> frames -> where they go
 *   egress.c   what goes out: runs of the turn, the queue of a slow reader
 *   io.c       the wire below: bare socket or TLS
 *
 * Everything but struct derp_relay's atomics and the mailboxes belongs to one loop's thread.
 */
#ifndef DERP_RELAY_PRIV_H
#define DERP_RELAY_PRIV_H

#include <stdatomic.h>

#include "base/vec.h"
#include "derp/heard.h"
#include "derp/ktab.h"
#include "derp/outq.h"
#include "derp/relay.h"
#include "derp/ws.h"
#include "net/loop.h"

#define READ_MAX      ((size_t)64 * 1024)  /* bytes of one connection in one turn */
#define REGION_SIZE   ((size_t)512 * 1024) /* what a loop reads before it writes all out */
#define READ_ROOM     (READ_MAX + 32 * 1024) /* room a read needs: TLS may have a record half in hand */
#define LOGIN_READ    ((size_t)DERP_CLIENT_INFO_MAX + 1024)
#define TURN_BYTES    ((size_t)4 << 20)    /* relay bytes of one turn; the rest waits for the next */
#define BATCH_BYTES   ((size_t)128 * 1024) /* mail to another loop leaves at this size, or at the end of the turn */
#define MAILBOX_BYTES ((int64_t)16 << 20)  /* packets that may wait in a loop's mailbox */
#define HEARD_MAX     8192u                /* senders remembered for one receiver */
#define WATCHER_BYTES ((size_t)64 << 20)   /* control bytes that may wait for a mesh peer */
#define TLS_RECORD    ((size_t)16384)
#define IOV_COUNT     128

struct dloop;
struct dconn;
struct mesh_peer;

/* ---- mail ---- */

enum mail_type {
	/* to the registrar */
	MAIL_ADD,
	MAIL_REMOVE,
	MAIL_SPOKE,
	MAIL_WATCH,
	MAIL_CLOSE_KEY,
	MAIL_FORWARD_ADD,
	MAIL_FORWARD_REMOVE,
	MAIL_FORWARD_LOST,
	/* from the registrar, to all */
	MAIL_ROUTE,
	MAIL_GONE,
	/* to one connection */
	MAIL_STANDING,
	MAIL_SEND,
	MAIL_CLOSE,
	MAIL_VERDICT,
	/* to a loop */
	MAIL_BATCH,
	MAIL_LIST, /* data: a pointer to the struct listing_job, which goes from loop to loop */
	MAIL_RECHECK,
	MAIL_LIMITS,
	MAIL_TO_ALL,
	MAIL_SHUTDOWN,
};

struct node_rate {
	atomic_uint refs;
	struct rate_shared rate;
};

struct mail {
	struct mail *next;
	enum mail_type type;
	derp_handle conn;
	uint8_t key[32];
	uint64_t value;         /* a route, a standing, a verdict */
	struct node_rate *rate; /* STANDING: one reference goes along */
	size_t n, cap;          /* of data */
	uint8_t data[];
};

/* In a MAIL_BATCH: this, for a mesh peer the destination's key, then len bytes of RecvPacket frames. */
struct batch_run {
	derp_handle to;
	uint64_t src_hash;
	uint32_t len, frames;
};

/* ---- a loop ---- */

enum seg_kind {
	SEG_CONTROL, /* one control frame */
	SEG_PACKETS, /* whole RecvPacket frames of one sender */
	SEG_FORWARD, /* one ForwardPacket frame */
};

struct seg {
	uint8_t *own;     /* to be freed after writing, or NULL */
	const uint8_t *p;
	uint32_t len;
	uint32_t frames;  /* packets in it */
	uint32_t next;    /* index + 1 of the connection's next one */
	uint32_t flow;    /* of the sender, for the queue */
	uint8_t kind;     /* enum seg_kind */
};

struct slot {
	struct dconn *c;
	uint32_t gen;
	uint32_t next_free; /* index + 1 */
};

struct dloop {
	struct derp_relay *r;
	unsigned index;
	struct loop *loop;
	struct loop_task end;     /* what the end of a turn does */
	bool attached, down;

	_Atomic(struct mail *) inbox; /* pushed by any thread, newest first */
	atomic_int_fast64_t inbox_bytes; /* of packets in it */
	struct mail *local, **local_tail; /* to ourselves, in order */

	VEC(struct slot) slots;
	uint32_t free_slot;       /* index + 1 */
	struct ktab routes;       /* node key -> derp_handle */
	struct heard *heard;

	uint8_t *region;          /* REGION_SIZE; what is read lies here until it is written */
	size_t region_used;
	size_t turn_bytes;
	VEC(struct seg) segs;
	VEC(struct dconn *) touched; /* have segments, or are to be looked at when all is flushed */
	VEC(void *) retired;      /* freed when all segments are written */
	VEC(struct dconn *) dead; /* closed; freed at the end of the turn */
	struct mesh_peer *peers;
	struct dconn *login_first, *login_last;
	struct mail **batch;      /* one a loop, or NULL */
	uint8_t *cipher, *cout, *record; /* TLS scratch: records in, records out, one record's plain text */
	const uint8_t *cin;       /* of cipher, what the library has not taken yet */
	size_t cin_n, cout_n;

	int64_t queued;           /* bytes in the queues of slow readers */
	int64_t queue_budget;
	struct derp_limits limits;
	uint64_t turn_frames, turn_reads; /* for batching */
	double load;              /* frames of about the last millisecond */
	bool slept;               /* before this turn */
	unsigned doubt, awake_turns; /* turns without sleep: how many the next time, and how many are left */
	unsigned quick;           /* rises with turns that follow soon upon each other */
	int64_t turn_began_ns, turn_ended_ns;

	/* counted here, read by anybody */
	struct derp_stats stats;
};

struct derp_relay {
	struct derp_settings set;
	struct node_key key;
	struct dloop *loops;
	unsigned n;
	struct registry *registry; /* of loop 0 */
	struct ktab node_rates;    /* of loop 0: key -> struct node_rate * */
	struct registry_counts counts;
	atomic_int_fast32_t conns, logins;
	atomic_bool down;
};

/* Counters have one writer, so a plain add is enough; the store is atomic for those who read. */
#define COUNT_ADD(l, field, k) \
	__atomic_store_n(&(l)->stats.field, (l)->stats.field + (k), __ATOMIC_RELAXED)
#define COUNT(l, field) COUNT_ADD(l, field, 1)

/* ---- a connection ---- */

enum dstate {
	D_LOGIN,    /* ServerKey is out, ClientInfo awaited */
	D_ADMIT,    /* somebody decides; not read */
	D_REGISTER, /* told to the registrar; not read; ServerInfo goes out with its answer, or before the first packet */
	D_OPEN,
	D_CLOSED,   /* off the loop; its memory goes at the end of the turn */
};

enum drole {
	D_CLIENT, /* somebody connected to us */
	D_PEER,   /* we connected to a mesh peer */
};

/* What went through one connection, for the operator's list. */
struct dconn_count {
	uint64_t packets_in, bytes_in, packets_out, bytes_out;
	uint32_t drops[DERP_DROP_COUNT];
};

struct limiter {
	struct rate rate;
	struct node_rate *node; /* one reference, or NULL */
	struct loop_timer wait;
	struct dconn *c;
};

struct dconn {
	struct dloop *l;
	struct loop_fd *watch;
	struct ssl_st *ssl;
	struct stream *keep;        /* owns fd and ssl, or NULL: they are ours */
	struct derp_ws *ws;              /* NULL: no WebSocket */
	struct outq *q;             /* not NULL: the socket takes no more for now */
	struct buf tls_out;         /* records the socket did not take */
	uint8_t *part;              /* an incomplete frame, or what waits for the login */
	uint32_t part_len, part_cap;
	uint32_t skip;              /* bytes of an unknown frame to pass over */
	uint32_t slot, gen;
	uint32_t seg_first, seg_last; /* index + 1 */
	int fd;
	uint8_t state, role, want, standing;
	uint8_t drop_why;           /* enum derp_drop of what its queue gives up */
	bool mesh, prober, not_ideal, home, touched, spoke_sent, registered, pong_due, paused, fast_start, tls13;
	uint8_t app_len;
	uint16_t port;
	uint8_t ip[16];
	struct node_key key;
	uint64_t hash;
	uint64_t heard[2];          /* hashes of the sources last noted */
	size_t q_bytes;             /* what of it is counted in the loop */
	struct rate gone_rate;
	struct dconn_count count;
	struct limiter *limiter;    /* only with rate limits */
	uint64_t since_ms, keepalive_ms, stall_ms; /* stall_ms 0: not blocked */
	uint64_t blocked_ms;        /* since when it has a queue */
	struct loop_timer timer;
	struct dconn *login_prev, *login_next; /* D_LOGIN: among those of the loop, oldest first */
	struct mesh_peer *peer;     /* D_PEER: whose connection it is */
	char app[DERP_APP_NAME_MAX + 1];
};

static inline derp_handle dconn_handle(const struct dconn *c)
{
	return DERP_HANDLE(c->l->index, c->slot, c->gen);
}

/** The live connection of a handle of this loop, or NULL. */
static inline struct dconn *dloop_conn(const struct dloop *l, derp_handle h)
{
	uint32_t s = DERP_HANDLE_SLOT(h);

	return s < l->slots.n && l->slots.v[s].gen == DERP_HANDLE_GEN(h) ? l->slots.v[s].c : NULL;
}

/* relay.c */
/** Loop 0: the limits in force, for the statistics. */
void publish_limits(struct dloop *l);

/* mail.c */
struct mail *mail_new(enum mail_type type, size_t n);
void mail_free(struct mail *m);
/** Hand mail (taken) to a loop. from: the loop whose thread this is, or NULL. */
void mail_post(struct dloop *from, struct dloop *to, struct mail *m);
void mail_to_registrar(struct dloop *from, struct mail *m);
/** All that came from other threads, oldest first; taken off. */
struct mail *mail_take_inbox(struct dloop *l);
/** Work off what has come. Frames that are read later are later than this mail. */
void dloop_drain(struct dloop *l);
/** Packets for a connection of another loop. dst: their destination if `to` is a mesh peer, else NULL. */
void batch_add(struct dloop *l, derp_handle to, uint64_t src_hash, const uint8_t *dst, const uint8_t *p, uint32_t len,
               uint32_t frames);
void batches_post(struct dloop *l);

/* registrar.c */
extern const struct registry_ops registrar_ops;
struct dloop *registrar(struct derp_relay *r);
/** Mail for one connection, and which loop it goes to. */
struct mail *mail_to_conn(struct derp_relay *r, enum mail_type type, derp_handle c, size_t n, struct dloop **loop);
void registrar_handle(struct derp_relay *r, struct mail *m);
/** Give a connection the bucket it shares with others of its key. For registry_each(), with the relay as arg. */
void send_node_rate(void *relay, const struct registry_conn *c);

/* list.c */
struct listing_job;
/** Add what this loop has, and hand on. */
void listing_visit(struct dloop *l, struct mail *m);
void listing_abandon(struct mail *m);

/* turn.c */
/** What a loop does at the end of each turn: loop_task of struct dloop. */
void dloop_turn_end(void *dloop);
/** Let the end of this turn flush. */
static inline void dloop_wake_end(struct dloop *l)
{
	loop_task_queue(&l->end);
}
/** Room for one read; writes out what lies in the region if there is none left. */
uint8_t *dloop_room(struct dloop *l);
void dloop_bury(struct dloop *l);
/** c: whose list it is on, or NULL. */
void count_drop(struct dloop *l, struct dconn *c, enum derp_drop why, bool disco, size_t packet_len);

/* conn.c */
struct dconn *dconn_new(struct dloop *l, const struct derp_adopt *a, enum drole role);
void dconn_close(struct dconn *c, enum derp_close why);
/** What a takeover found read already. */
void dconn_feed(struct dconn *c, const struct derp_adopt *a);
/** D_PEER: the other relay let us in. */
void dconn_peer_open(struct dconn *c);
void dconn_login(struct dconn *c, struct bytes payload);
void dconn_verdict(struct dconn *c, bool yes);
void dconn_standing(struct dconn *c, enum derp_standing s);
/** Logged in: ServerInfo goes out, and what the client sent meanwhile is read. Open already: nothing. */
void dconn_open(struct dconn *c);
/** Ask admit again. */
void dconn_recheck(struct dconn *c);
void dconn_limits(struct dconn *c);
/** enum derp_present_flag of a connection that is logged in. */
uint8_t dconn_present_flags(const struct dconn *c);
void dconn_arm_timer(struct dconn *c);
void dconn_want(struct dconn *c, unsigned events);
void node_rate_unref(struct node_rate *r);

/* ingress.c */
void ingress_readable(struct dconn *c);
/** Bytes that came; p is writable and stays until all is flushed. */
void ingress_input(struct dconn *c, uint8_t *p, size_t n);
/** Frames from another loop. */
void ingress_batch(struct dloop *l, struct mail *m);

/* egress.c */
/** Packets from src (hash) for c: whole RecvPacket frames. The bytes stay until all is flushed. */
void egress_packets(struct dconn *c, uint64_t src_hash, const uint8_t *p, uint32_t len, uint32_t frames);
/** Packets for a mesh peer: RecvPacket frames, sent as ForwardPacket to dst. */
void egress_forward(struct dconn *c, uint64_t src_hash, const uint8_t *dst, const uint8_t *p, uint32_t len);
/** A control frame; copied. May close c. */
void egress_control(struct dconn *c, struct bytes frame);
/** Bytes below all framing, before anything else has been written. */
void egress_raw(struct dconn *c, struct bytes b);
void egress_flush(struct dconn *c);
void egress_writable(struct dconn *c);
/** Drop all that waits, counting it. */
void egress_discard(struct dconn *c, enum derp_drop why);
/** Write out all that this turn has gathered, and free what it was gathered from. */
void egress_flush_all(struct dloop *l);

/* mesh.c */
void mesh_frame(struct dconn *c, struct derp_header h, const uint8_t *payload);
void mesh_conn_closed(struct dconn *c);
/** The peer p, for the operator. */
void mesh_describe(const struct mesh_peer *p, struct derp_peer_info *out);
struct mesh_peer *mesh_next(const struct mesh_peer *p);
/** Dial no more. */
void mesh_stop(struct dloop *l);
void mesh_release(struct dloop *l);

/* io.c */
enum io_result { IO_OK, IO_AGAIN, IO_EOF, IO_ERROR };
/** ssl is taken on ST_OK; may be NULL. */
enum status io_init(struct dconn *c, struct ssl_st *ssl);
void io_close(struct dconn *c, bool politely);
void io_free_ssl(struct ssl_st *ssl);
/** Read what there is, at most about `max` bytes off the wire; cap >= max + 32 KiB for TLS. */
enum io_result io_read(struct dconn *c, uint8_t *buf, size_t max, size_t *n_out);
/** Records that came otherwise; cap >= cipher.n + 32 KiB. All plain text there is goes to buf. */
enum io_result io_decrypt(struct dconn *c, struct bytes cipher, uint8_t *buf, size_t cap, size_t *n_out);
/** Hand bytes to the wire: *n_out of them are gone for good. IO_AGAIN: less than all. */
enum io_result io_writev(struct dconn *c, struct iovec *iov, size_t n, size_t *n_out);
/** Bytes that were taken by io_writev() and wait for the socket. */
static inline size_t io_pending(const struct dconn *c)
{
	return c->tls_out.n;
}

#endif
