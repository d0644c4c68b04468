/*
 * derp/relay.h -- the relay: connections addressed by node keys, and packets between them.
 *
 * A relay runs on one or more event loops. A connection is accepted elsewhere, handed over with derp_relay_adopt()
 * on the loop it is to live on, and from there on the relay's own: it closes it. Connections of all loops reach each
 * other; loops share no locks and tell each other by message.
 *
 * Order of a relay's life: new, attach each loop (on its thread, or before it runs), adopt ..., shutdown (any
 * thread), and when every loop has ended: free.
 *
 * Source: docs/wire/derp.md; how it works inside: docs/design/derp.md.
 */
#ifndef DERP_RELAY_H
#define DERP_RELAY_H

#include "base/buf.h"
#include "base/status.h"
#include "crypto/keys.h"
#include "derp/login.h"
#include "derp/rate.h"
#include "derp/registry.h"
#include "derp/stats.h"

struct loop;
struct ssl_st;
struct stream;
struct derp_relay;

enum derp_verdict { DERP_ADMIT_YES, DERP_ADMIT_NO, DERP_ADMIT_LATER };

struct derp_admit_request {
	struct node_key key;
	uint8_t ip[16];     /* where it comes from, IPv4 as ::ffff:a.b.c.d */
	const char *source; /* the same as text, IPv4 in dotted form; "" if not known. Borrowed */
	const char *app;    /* what the client calls itself, mostly "". Borrowed */
	unsigned loop;      /* the loop that asks: the call is on its thread */
	derp_handle token;  /* for derp_relay_admitted() */
	bool again;         /* a connection that was let in before: answer YES or NO, never LATER */
};

/**
 * May this node use the relay? Called once for each login (mesh peers excepted), and again for each connection after
 * derp_relay_recheck(). DERP_ADMIT_LATER: derp_relay_admitted() will say; until then the client waits, at most
 * the login's ten seconds. Must not block.
 */
typedef enum derp_verdict derp_admit_fn(void *arg, const struct derp_admit_request *req);

struct derp_limits {
	struct rate_limit per_conn;  /* bytes of frames received from one connection; burst is at least 65,568 */
	struct rate_limit per_node;  /* likewise over all connections of one node key */
};

struct derp_settings {
	struct node_private key;     /* the server's; copied, wiped when the relay goes */
	struct derp_mesh_key mesh;   /* zero: nobody is a mesh peer */
	unsigned loops;              /* 1..DERP_LOOPS_MAX */
	derp_admit_fn *admit;        /* NULL: everybody may */
	void *admit_arg;
	struct derp_limits limits;
	uint32_t max_conns;          /* of all loops; 0: 1,000,000 */
	uint32_t max_logins;         /* not logged in yet, of all loops; 0: 20,000 */
	uint32_t queue_frames;       /* packets that may wait for one slow reader; 0: 256 */
	size_t queue_bytes;          /* for all that waits for slow readers, of all loops; 0: 256 MiB */
	uint32_t login_ms;           /* for ClientInfo to come; 0: 10 s */
	uint32_t write_stall_ms;     /* a client whose socket takes nothing for so long is closed; 0: 2 s */
	uint32_t mesh_stall_ms;      /* the same for mesh peers; 0: 30 s */
	uint32_t user_timeout_ms;    /* sent and not acknowledged for so long: the connection is dead; 0: 15 s */
	uint32_t tcp_idle_s;         /* silent for so long: the kernel asks whether the other side is there; 0: 10 min */
	uint32_t keepalive_ms;       /* between keep-alives, plus up to 5 s by chance; 0: 60 s */
	uint32_t batch_us;           /* under load a loop waits about so long for more to come; 0: 100; UINT32_MAX: never */
	bool no_spin;                /* do not look again for a moment before blocking: slower answers, less CPU time */
};

/** settings is copied. Returned (derp_relay_free). */
struct derp_relay *derp_relay_new(const struct derp_settings *settings);
/** Start on a loop; index is 0..loops-1, each once. */
void derp_relay_attach(struct derp_relay *r, unsigned index, struct loop *loop);
/** Close all connections and all that keeps the loops alive; each loop does so when it sees it. Any thread. */
void derp_relay_shutdown(struct derp_relay *r);
/** After shutdown, when all loops have returned. Clears *r, accepts NULL. */
void derp_relay_free(struct derp_relay **r);

const struct node_key *derp_relay_key(const struct derp_relay *r);

enum derp_wire {
	DERP_WIRE_PLAIN,     /* frames on the connection */
	DERP_WIRE_WEBSOCKET, /* frames in binary messages */
};

struct derp_adopt {
	int fd;               /* connected, any mode; taken unless keep is set */
	struct ssl_st *tls;   /* handshake done, or NULL; taken unless keep is set. Its BIOs are replaced */
	struct stream *keep;  /* taken: owns fd and tls, dropped at the end; may be NULL. See derp/takeover.h */
	struct bytes tls_in;  /* ciphertext read from fd already and not given to tls. Borrowed */
	struct bytes early;   /* what came behind the request's head (plain text). Borrowed */
	enum derp_wire wire;
	bool fast_start;      /* no 101 went out, none is expected */
	bool not_ideal;       /* came with an Ideal-Node header */
	uint8_t ip[16];       /* of the client, IPv4 as ::ffff:a.b.c.d; zero if not known */
	uint16_t port;
	struct bytes preface; /* bytes that go out first (the 101 response). Borrowed */
};

/**
 * Take a connection over: preface and ServerKey go out, the login is awaited. On the thread of the loop.
 * ST_BUSY: too many connections or logins; the connection is closed. The arguments are taken in any case.
 */
enum status derp_relay_adopt(struct derp_relay *r, unsigned loop, const struct derp_adopt *a);

/** The answer to DERP_ADMIT_LATER. Any thread; a token that is over does nothing. */
void derp_relay_admitted(struct derp_relay *r, derp_handle token, bool yes);
/** Close all connections of a key, now. Any thread. */
void derp_relay_disconnect(struct derp_relay *r, const struct node_key *key);
/** Ask `admit` again for every connection, and close those it refuses. Any thread. */
void derp_relay_recheck(struct derp_relay *r);
/** New limits; each connection starts with full buckets. Any thread. */
void derp_relay_set_limits(struct derp_relay *r, const struct derp_limits *limits);
/** A text for all clients to show ("" when all is well again). Any thread. */
void derp_relay_health(struct derp_relay *r, const char *text);
/** Tell all clients that the relay is about to go. Any thread. */
void derp_relay_restarting(struct derp_relay *r, uint32_t reconnect_in_ms, uint32_t try_for_ms);

/** Add up the counters of all loops. Any thread; costs nothing to the loops. */
void derp_relay_stats(struct derp_relay *r, struct derp_stats *out);

/* One connection, for the operator's list. */
struct derp_conn_info {
	derp_handle id;        /* names it for ever */
	struct node_key key;
	uint8_t ip[16];        /* as in struct derp_adopt */
	uint16_t port;
	uint8_t flags;         /* enum derp_present_flag */
	uint8_t loop;
	bool tls, fast_start, websocket;
	bool home;             /* the client says that this is its home */
	bool active;           /* of several with its key, it gets the packets; true if it is alone */
	bool paused;           /* not read just now: its rate limit */
	uint64_t connected_ms; /* since it logged in */
	uint64_t packets_in, bytes_in, packets_out, bytes_out; /* bytes without frame heads */
	uint64_t drops[DERP_DROP_COUNT]; /* packets: as receiver (queue, gone, write_error), or as sender (the others) */
	uint64_t queued_bytes; /* waiting because it is slow */
	uint32_t queued_frames;
	char app[DERP_APP_NAME_MAX + 1];
};

enum derp_peer_state {
	DERP_PEER_WAITING,    /* until the next attempt */
	DERP_PEER_CONNECTING,
	DERP_PEER_LOGIN,      /* upgraded; not let in yet */
	DERP_PEER_OPEN,
	DERP_PEER_SELF,       /* it is this relay: left alone */
};
/** "connected"; static. */
const char *derp_peer_state_name(enum derp_peer_state s);

/* One of derp_mesh_add(). */
struct derp_peer_info {
	char host[256];
	enum derp_peer_state state;
	struct node_key key;   /* the other relay's; zero: not known yet */
	uint64_t connected_ms; /* 0 unless open */
	uint64_t packets_out;  /* over the present connection */
	uint32_t failures;     /* in a row */
	char why[128];         /* what went wrong last; "" */
};

struct derp_listing {
	struct derp_conn_info *conns; /* in no order; may be sorted in place */
	size_t n_conns;
	const struct derp_peer_info *peers;
	size_t n_peers;
};

/**
 * Ask for the list of connections that are logged in (at most max) and of mesh peers. done is called on loop 0 with a
 * listing that is borrowed for the call; or, if the relay goes first, from derp_relay_free() with NULL. Any thread.
 */
void derp_relay_list(struct derp_relay *r, size_t max, void (*done)(void *arg, struct derp_listing *l), void *arg);

#endif
