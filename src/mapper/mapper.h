/*
 * mapper/mapper.h -- snapshot and node in, what that node is told out.
 *
 *     publication --> mapper_loop --+--> stream: first map, then deltas --> sink
 *                                   +--> stream ...
 *
 * One `struct mapper` for the process: what is encoded once is kept there for all loops. One `struct mapper_loop` for
 * each loop: the snapshot it works with, and its streams, grouped by class of the policy; a publication wakes only the
 * classes that see what changed. A stream costs a fixed small amount of memory and holds no list of what it was told:
 * that is the difference of two snapshots.
 *
 * The mapper opens no socket and looks at no clock: bytes go to a sink, time comes in as an argument (monotonic, ns),
 * and the caller calls mapper_loop_tick() when mapper_loop_next_deadline() has come.
 * docs/design/mapper.md says how it works, docs/wire/map.md what it writes.
 */
#ifndef MAPPER_MAPPER_H
#define MAPPER_MAPPER_H

#include "proto/map_response.h"
#include "state/snapshot.h"

struct mapper;
struct mapper_loop;
struct map_stream;
struct access; /* mapper/access.h */

struct mapper_opts {
	unsigned n_loops;            /* for figures only */
	const struct access *access; /* what the policy says; copied. NULL: ask the policy engine of each snapshot */
	const char *tailnet_id;      /* StableTailnetID of a node's own entry; NULL or "": none; borrowed, outlives the mapper */
	size_t piece_bytes;          /* of encoded pages that are kept; 0: 64 MiB */
	uint32_t stale_ms;           /* how old a piece may be in presence; 0: 200 */
	uint32_t gather_ms;          /* changes that may wait follow a stream at most every so often; 0: 50 */
	uint32_t keepalive_ms;       /* longest silence; a tenth to a sixth is added by chance; 0: 50,000 */
	uint32_t slow_ms;            /* a reader that takes nothing for so long although there is news is ended; 0: 60,000 */
};

struct mapper *mapper_new(const struct mapper_opts *o);
/** After all its loops. Clears *m; accepts NULL inside. */
void mapper_free(struct mapper **m);

/** Bytes that are kept for all streams: encoded pages. Any thread. */
size_t mapper_kept_bytes(struct mapper *m);
/** A publication is on its way to the loops. Counts it: each loop works out by itself whom it concerns. Any thread; never blocks. */
void mapper_publish(struct mapper *m, struct publication *p);

/* ---- a loop's part: everything below on that loop's thread ---------------------------------- */

/** snap: the world at start; a reference is taken. Returned (mapper_loop_free, when its streams are closed). */
struct mapper_loop *mapper_loop_new(struct mapper *m, struct snapshot *snap);
void mapper_loop_free(struct mapper_loop **ml);
/** The next publication: p->prev must be the present snapshot. Writes to streams concerned that can take it. */
void mapper_loop_advance(struct mapper_loop *ml, struct publication *p, int64_t now_ns);
/** The present snapshot; borrowed until the next advance. */
struct snapshot *mapper_loop_snapshot(const struct mapper_loop *ml);
/** When mapper_loop_tick() is due (monotonic ns); INT64_MAX: never. Changes with every call that takes now_ns. */
int64_t mapper_loop_next_deadline(const struct mapper_loop *ml);
/** Send what has waited long enough, and keep-alives. May be called too early or too late. */
void mapper_loop_tick(struct mapper_loop *ml, int64_t now_ns);
/** Streams open now. */
size_t mapper_loop_streams(const struct mapper_loop *ml);

enum map_end {
	MAP_END_GONE, /* the node was deleted; it was told that its key is over */
	MAP_END_SLOW, /* it did not read for too long */
};

/*
 * Where a stream's messages go. None of these may call back into the mapper, but for map_stream_close() inside end().
 *
 * can_take  is there room for more? False: nothing is written and nothing queued; call map_stream_writable() when there
 *           is room again, and one message brings everything up to date.
 * write     one message, in n pieces, prefix included. The pieces are borrowed: take references.
 * end       nothing more will come. Close the stream, in the call or later. At most once.
 */
struct map_sink {
	bool (*can_take)(void *arg);
	void (*write)(void *arg, struct shared_bytes *const *v, size_t n);
	void (*end)(void *arg, enum map_end why);
};

struct map_client {
	enum map_format format;
	uint32_t cap;      /* capability version */
	bool omit_peers;   /* one-shot maps only */
	/* What goes with the first message, without a rebuild of its own. Borrowed for the call. */
	const struct map_message *messages;        /* lines of its health */
	size_t n_messages;
	const struct map_client_version *version;  /* NULL: nothing is said of it */
};

/**
 * Begin a stream. The first, complete message is written before this returns.
 *
 * sink, arg  borrowed until map_stream_close().
 * ST_NOT_FOUND: the loop's snapshot has no such node; nothing was written.
 */
enum status map_stream_open(struct mapper_loop *ml, node_id id, const struct map_client *client,
			    const struct map_sink *sink, void *arg, int64_t now_ns, struct map_stream **out) MUST_CHECK;
/** The sink has room again: what it missed is merged into one message. */
void map_stream_writable(struct map_stream *ms, int64_t now_ns);
/** No call to the sink after this. Clears *ms; accepts NULL inside. */
void map_stream_close(struct map_stream **ms);
/** A ping, on a keep-alive. ST_AGAIN: the sink has no room; nothing was sent. */
enum status map_stream_ping(struct map_stream *ms, const struct map_ping *p, int64_t now_ns) MUST_CHECK;
/** Ask the client to open a URL. ST_AGAIN likewise. */
enum status map_stream_pop_browser(struct map_stream *ms, const char *url, int64_t now_ns) MUST_CHECK;
/**
 * What is wrong with it now: all lines of its health, in place of those told before, in the form that its client knows. Costs the
 * client a rebuild of its map. ST_AGAIN likewise.
 */
enum status map_stream_messages(struct map_stream *ms, const struct map_message *m, size_t n, int64_t now_ns) MUST_CHECK;
/** What it is told of newer releases of itself; on a keep-alive. ST_AGAIN likewise. */
enum status map_stream_client_version(struct map_stream *ms, const struct map_client_version *v, int64_t now_ns) MUST_CHECK;
node_id map_stream_node(const struct map_stream *ms);
/** Monotonic ns when it was opened. */
int64_t map_stream_opened_ns(const struct map_stream *ms);
/** Bytes of a stream. */
size_t map_stream_size(void);

/** One complete map, without a stream: sink->write is called once, before this returns. ST_NOT_FOUND. */
enum status map_once(struct mapper_loop *ml, node_id id, const struct map_client *client, const struct map_sink *sink,
		     void *arg, int64_t now_ns) MUST_CHECK;

/* ---- any thread ------------------------------------------------------------------------------ */

/** The map that a node would get, as plain JSON, appended to out. ST_NOT_FOUND; ST_TOO_BIG: more than out may hold. */
enum status mapper_debug_netmap(struct mapper *m, struct snapshot *s, node_id id, struct buf *out) MUST_CHECK;
/** Nothing has happened for a while: let go of deltas kept for streams that might have been a step behind. Never wrong to call. */
void mapper_trim(struct mapper *m);
/** Figures in Prometheus' text form. */
void mapper_metrics(struct mapper *m, struct buf *b);

#endif
