/*
 * net/stream.h -- the byte stream that everything stacks on.
 *
 *     HTTP/2 session
 *       Noise stream      a stream over a stream
 *         TLS stream      a stream over a stream
 *           TCP stream    the bottom: sockets, pipes
 *
 * Who is given a stream owns it: reads by a handler, writes, and ends it. All of it on the stream's loop.
 *
 * Rules that every stream keeps, and that its user may rely on:
 * - A callback comes from the loop, never inside a call made by the user that was given the handler.
 * - After stream_close(), stream_abort() or stream_drop() no data, eof or drained comes any more. `closed` comes exactly
 *   once (never after stream_drop), as the last callback; when it returns, the stream is gone.
 * - While reading is paused there is no data and no eof. A new stream is paused.
 * - Writes never fail where they are made: a lost stream takes and drops them and says `closed`.
 * - What is written in one turn of the loop leaves together at its end, but for long runs, which need not wait for it.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/buf.h"
#include "base/shared.h"
#include "net/addr.h"
#include "net/loop.h"

/* Why a stream ended. */
enum stream_end {
	STREAM_OPEN = 0,     /* it did not */
	STREAM_END_EOF,      /* the peer ended it, in order */
	STREAM_END_LOCAL,    /* we did, and the peer was told */
	STREAM_END_RESET,    /* the peer or the network broke it */
	STREAM_END_TIMEOUT,  /* a deadline passed */
	STREAM_END_SLOW,     /* the peer did not take what was written */
	STREAM_END_PROTOCOL, /* the peer broke the rules of a layer */
	STREAM_END_LIMIT,    /* the peer passed a limit of a layer */
	STREAM_END_TLS,      /* no TLS handshake */
	STREAM_END_SHUTDOWN, /* the server stops */
	STREAM_END_COUNT
};
/** "reset"; static. */
const char *stream_end_name(enum stream_end e);

/* What is known of the connection below all layers. Counted by its streams; one loop. */
struct conn_info {
	unsigned refs;
	struct net_addr remote, local;
	bool tls;          /* there is a TLS layer of ours */
	char sni[64];      /* the name asked for in TLS; "": none or longer */
	void (*established)(struct conn_info *c); /* of the bottom; may be NULL: see conn_established() */
	void *bottom;
};
struct conn_info *conn_info_ref(struct conn_info *c);
void conn_info_unref(struct conn_info **c);
/** The peer has shown a valid protocol: it does not count as a half-open stranger any more. Again: nothing. */
void conn_established(struct conn_info *c);

struct stream;

/* How a stream's user hears of it. Constant. */
struct stream_handler {
	/** Bytes arrived: borrowed for the call, never empty. */
	void (*data)(void *arg, struct bytes data);
	/** The peer sends no more; writing still goes. NULL: the stream closes (after what was written), STREAM_END_EOF. */
	void (*eof)(void *arg);
	/** stream_pending() was above the low-water mark and is not any more. May be NULL. */
	void (*drained)(void *arg);
	/** The last callback. */
	void (*closed)(void *arg, enum stream_end why);
};

/* ---- for users ---- */

/**
 * Set who hears of it; NULL: nobody, as between two owners. A stream without a handler stays, also when it ends, until it
 * is given one (which then hears `closed`) or is dropped.
 */
void stream_set_handler(struct stream *s, const struct stream_handler *h, void *arg);
/** Let data come. */
void stream_resume(struct stream *s);
/** Let none come: what the peer sends stays with the kernel, and it with the peer. */
void stream_pause(struct stream *s);
/** stream_set_handler + stream_resume. */
void stream_start(struct stream *s, const struct stream_handler *h, void *arg);
/** Put bytes back in front of what comes next; copied. For an owner who read further than it should have. */
void stream_unread(struct stream *s, struct bytes b);

/** Write a copy. */
void stream_write(struct stream *s, struct bytes b);
/** Write n bytes of `b` from `off` on. Plain streams keep a reference instead of a copy; encrypting ones read it once. */
void stream_write_shared(struct stream *s, struct shared_bytes *b, size_t off, size_t n);
/**
 * Room to write up to n bytes in place (n <= STREAM_RESERVE_MAX); follow with stream_commit() before anything else is
 * done on this loop. Never NULL: a lost stream gives room to be thrown away.
 */
uint8_t *stream_reserve(struct stream *s, size_t n);
/** The first n bytes of what stream_reserve() gave are written. */
void stream_commit(struct stream *s, size_t n);
#define STREAM_RESERVE_MAX ((size_t)64 * 1024)

/** Bytes written that have not reached the kernel (or the other end of a pipe), with all layers below. */
size_t stream_pending(const struct stream *s);
/** When `drained` comes; STREAM_LOW_WATER at first. */
void stream_set_low_water(struct stream *s, size_t bytes);
#define STREAM_LOW_WATER ((size_t)16 * 1024)

/**
 * Abort with STREAM_END_TIMEOUT after ms from now, unless set anew; 0: no deadline. One deadline a stream; a layer
 * sets its own stream's below it, which it owns.
 */
void stream_set_deadline(struct stream *s, uint64_t ms);

/** Send what was written, then end. Time for that is limited (STREAM_LINGER_MS). `closed` follows. Twice: nothing. */
void stream_close(struct stream *s);
/** End now, dropping what was not sent. `closed` follows with this reason. */
void stream_abort(struct stream *s, enum stream_end why);
#define STREAM_LINGER_MS 10000u
/** Have nothing to do with it any more: stream_close() if flush, else stream_abort(), and no `closed`. Clears *s, accepts NULL inside. */
void stream_drop(struct stream **s, bool flush);

/** Open and not being closed. */
bool stream_is_open(const struct stream *s);
struct loop *stream_loop(const struct stream *s);
/** The connection at the bottom; never NULL, borrowed from the stream. */
struct conn_info *stream_conn(const struct stream *s);
/** "tcp", "tls", "noise" ... of the top layer. */
const char *stream_kind(const struct stream *s);

/* ---- for layers ---- */

/*
 * A layer embeds `struct stream` as its first member, fills in ops and calls stream_init(). All ops come on the loop.
 * It owns the stream below it. It says what happens through stream_deliver() and the like, from callbacks of the loop.
 */
struct stream_ops {
	const char *kind;
	/** Bytes are wanted, or not; may repeat. Must not deliver inside: queue a task. Advice only: what is delivered while
	 *  paused waits in stream_deliver(). May be NULL. */
	void (*want)(struct stream *s, bool want);
	/** Take bytes (copy them). Only while open. */
	void (*write)(struct stream *s, struct bytes b);
	/** May be NULL: `write` is used. */
	void (*write_shared)(struct stream *s, struct shared_bytes *b, size_t off, size_t n);
	/** Both or none; without, a scratch buffer of the loop and `write` serve. */
	uint8_t *(*reserve)(struct stream *s, size_t n);
	void (*commit)(struct stream *s, size_t n);
	size_t (*pending)(const struct stream *s);
	/** Flush, then end: at last call stream_ended(). */
	void (*close)(struct stream *s);
	/** End now: call stream_ended() at once or later. May follow `close`. */
	void (*abort)(struct stream *s, enum stream_end why);
	/** After stream_ended() and `closed`: release all, the memory of the struct included. */
	void (*free)(struct stream *s);
};

struct stream {
	const struct stream_ops *ops;
	const struct stream_handler *handler; /* NULL: nobody listens */
	void *arg;
	struct loop *loop;
	struct stream *below;      /* the stream that this one owns and writes to; NULL at the bottom */
	struct conn_info *conn;    /* one reference */
	struct loop_task task;     /* delivers what could not be delivered at once */
	struct loop_timer deadline;
	struct buf unread;
	size_t low_water;
	enum stream_end why;       /* why it is ending; STREAM_OPEN: it is not */
	bool want, closing, aborted, ended, dropped, finished, above_low, drained_due, eof, eof_told;
};

/** At the bottom. conn: one reference is taken over. The stream is paused. */
void stream_init(struct stream *s, const struct stream_ops *ops, struct loop *loop, struct conn_info *conn);
/** On top of another, which is taken: loop, connection and what waited in it are shared; low-water marks go down. */
void stream_init_over(struct stream *s, const struct stream_ops *ops, struct stream *below);
/** Hand bytes up, or keep them while that may not be; n may be 0. The stream may be closed when it returns: see stream_wants(). */
void stream_deliver(struct stream *s, struct bytes b);
/** The peer sends no more. */
void stream_deliver_eof(struct stream *s);
/** Whether a layer should go on decoding: open, not paused, nothing waits. */
bool stream_wants(const struct stream *s);
/** stream_pending() may have changed. Cheap. */
void stream_progress(struct stream *s);
/** Nothing is below any more. `closed` and `free` follow from the loop, the first reason given anywhere counts. */
void stream_ended(struct stream *s, enum stream_end why);

#endif
