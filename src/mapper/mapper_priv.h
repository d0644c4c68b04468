/*
 * mapper/mapper_priv.h -- what the files of this room share. The picture is in docs/design/mapper.md.
 *
 * Threads: struct mapper is everybody's (its parts have locks of their own); everything else belongs to one loop, or to
 * one call of mapper_debug_netmap().
 */
#ifndef MAPPER_PRIV_H
#define MAPPER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/vec.h"
#include "mapper/access.h"
#include "mapper/mapper.h"

#define TEXT_MAX ((size_t)256 << 20) /* of one message before compression */

typedef VEC(node_id) id_vec;
typedef VEC(user_id) user_vec;

/* ---- view.c: which classes a class sees ---------------------------------------------------- */

struct view {
	uint32_t class_id;
	const uint32_t *classes; /* seen, ascending */
	size_t n_classes;
	uint64_t *bits;          /* by class number */
	size_t n_bits;
	struct arena *a;         /* owned */
};
void view_init(struct view *v, const struct access *x, const struct snapshot *s, uint32_t class_id);
void view_release(struct view *v);
static inline bool view_sees(const struct view *v, uint32_t c)
{
	return c < v->n_bits && (v->bits[c / 64] >> (c % 64) & 1);
}
/**
 * The same for a node in its slot. One without a disco key has not asked for a map yet: no client can reach it, and hearing
 * of the key alone afterwards would cost each of them a rebuild, so it comes when the key is there.
 */
static inline bool view_sees_slot(const struct view *v, const struct slot *s)
{
	return view_sees(v, s->class_id) && !disco_key_is_zero(&s->node->disco);
}
/** The slots of a page that it sees. */
uint64_t view_mask(const struct view *v, const struct page *p);
/**
 * The form of a peer as a number: what the rules decide of it, for viewers of a class. Equal numbers, equal form; 0 is the
 * usual one (both addresses, nothing more).
 */
uint64_t form_of(const struct access *x, const struct snapshot *s, uint32_t viewer, node_id peer, struct arena *a);
/** Does the node serve a subnet: may its form depend on other nodes? */
bool node_serves(const struct node *n);
bool node_serves_prefix(const struct node *n, const struct ip_prefix *p);

/* ---- pack.c: a message in pieces ------------------------------------------------------------ */

/*
 * Own text is gathered; when a shared piece follows, or at the end, it becomes a piece by itself. Every piece is a frame
 * of zstd of its own (or plain text): the client joins them.
 */
struct pack {
	struct map_zip *zip;    /* borrowed */
	enum map_format format;
	struct buf text;        /* own text so far */
	struct buf scratch;
	VEC(struct shared_bytes *) v; /* counted; the first has room for the prefix */
	bool prefixed;          /* v[0] is ours and begins with the prefix */
	size_t n;               /* bytes behind the prefix */
};
void pack_init(struct pack *p, struct map_zip *zip);
void pack_release(struct pack *p);
void pack_begin(struct pack *p, enum map_format f);
void pack_piece(struct pack *p, struct shared_bytes *s); /* a reference is taken */
/** Close the message, hand it to the sink, forget it. Returns its bytes. */
size_t pack_send(struct pack *p, const struct map_sink *sink, void *arg);
/** A piece of its own out of text, in a format; one reference. */
struct shared_bytes *piece_of(struct map_zip *zip, enum map_format f, struct bytes text, struct buf *scratch);
/** A whole message, prefix included. */
struct shared_bytes *message_of(struct map_zip *zip, enum map_format f, struct bytes text, struct buf *scratch);

/* ---- pieces.c: encoded runs of peers, shared by all loops ----------------------------------- */

struct piece_key {
	uint64_t lineage, mask, form; /* form: of all nodes in the mask, and of names */
	uint32_t format;
	uint32_t first;               /* no comma before it */
};
struct pieces; /* table and lock */
struct pieces *pieces_new(size_t max_bytes);
void pieces_free(struct pieces **p);
/**
 * A piece good enough: same durable part, and of the same presence or younger than stale_ns and no newer than snapshot
 * seq. Returned with a reference, or NULL. seq_out: presence in it is at least as of that snapshot.
 */
struct shared_bytes *pieces_get(struct pieces *p, const struct piece_key *k, const struct page *page, uint64_t seq,
				int64_t now_ns, int64_t stale_ns, uint64_t *seq_out);
void pieces_put(struct pieces *p, const struct piece_key *k, const struct page *page, uint64_t seq, int64_t now_ns,
		struct shared_bytes *data);
struct pieces_stats {
	uint64_t hits, made, dropped;
	size_t n, bytes;
};
void pieces_stats(struct pieces *p, struct pieces_stats *out);

/* ---- the mapper ------------------------------------------------------------------------------ */

struct segments; /* segment.c */

enum count {
	COUNT_PUBLICATIONS, COUNT_FIRST_MAPS, COUNT_DELTAS, COUNT_DELTA_FRAMES, COUNT_VARIANTS, COUNT_SEGMENTS, COUNT_MERGED,
	COUNT_KEEPALIVES, COUNT_ENDED_SLOW, COUNT_ENDED_GONE, COUNT_BYTES, COUNT_REGROUPED, COUNT_SELF, COUNT_N,
};
struct mapper {
	struct access access;
	const char *tailnet_id; /* borrowed; "" if none */
	struct pieces *pieces;
	struct segments *segments;
	int64_t stale_ns, gather_ns, keepalive_ns, slow_ns;
	unsigned n_loops;
	atomic_uint_least64_t count[COUNT_N];
	atomic_size_t streams, lagging, groups;
};
static inline void mapper_count(struct mapper *m, enum count c, uint64_t n)
{
	atomic_fetch_add_explicit(&m->count[c], n, memory_order_relaxed);
}

/* What one thread needs to encode: kept by a loop, made for the call by others. */
struct work {
	struct mapper *m;
	const struct access *x;
	struct map_zip *zip;
	struct arena *a;       /* reset after each message */
	struct pack pack;
	struct buf text, scratch;
	struct buf own;        /* members of one node's delta */
	/* The pieces that all nodes get alike, by what they were made from (counted). */
	struct shared_bytes *derp_of, *derp[MAP_FORMATS];
	struct dns_settings *dns_of;
	struct tailnet_settings *settings_of;
	struct shared_bytes *dns[MAP_FORMATS];
};
void work_init(struct work *w, struct mapper *m);
void work_release(struct work *w);

/* ---- encode.c: nodes, users, changes as JSON ------------------------------------------------- */

/** A peer as viewers of this form have it. */
void encode_peer(struct jw *w, const struct snapshot *s, const struct node *n, const struct policy_peer *form);
/** The node itself, whole. gone: with a key whose time is over. Uses work->a. */
void encode_self(struct work *wk, struct jw *w, const struct snapshot *s, const struct node *n, bool gone);
/** Would encode_self give the same but for what only others care about? */
bool self_same(struct work *wk, const struct snapshot *a, const struct node *x, const struct snapshot *b, const struct node *y);
/** A PeersChangedPatch entry with what is different; old NULL: with everything it can carry. False: nothing was written. */
bool encode_patch(struct jw *w, const struct node *old, const struct node *now);
/** The user ID that clients see. */
user_id wire_user(const struct node *n);
/** A UserProfile. False: there is no such user, nothing was written. */
bool encode_profile(struct jw *w, const struct snapshot *s, user_id id);
const char *base_domain(const struct snapshot *s);

/* ---- dns.c ------------------------------------------------------------------------------------ */

/** The DNSConfig of a node. */
void encode_dns(struct work *wk, struct jw *w, const struct snapshot *s, const struct node *n);
/** It is the one that all nodes get. */
bool dns_is_common(struct work *wk, const struct snapshot *s, const struct node *n);

/* ---- delta.c: from one snapshot to another, as a class has it --------------------------------- */

enum rec_kind { REC_REMOVE, REC_UPSERT, REC_PATCH };
struct rec {
	node_id id;
	enum rec_kind kind;
	bool second;            /* UPSERT: it takes a key, address or name that another had: not in the first frame */
	bool taken;             /* another takes what this one had */
	const struct node *old; /* PATCH: NULL for everything */
	const struct node *now; /* UPSERT, PATCH */
};
struct delta_in {
	const struct snapshot *then, *now;
	const struct view *view_then, *view_now; /* made on these snapshots */
	bool same_rules;      /* both views answer alike: only slots that changed can matter */
	const node_id *ids;   /* sorted, unique: all that can have changed; NULL: not known */
	size_t n_ids;
	uint64_t presence_seq;/* what the client has of presence; below then->seq: it may be newer in parts, send everything */
	bool full;
	const node_id *routers; /* sorted; of `now` */
	size_t n_routers;
};
struct delta {
	VEC(struct rec) recs; /* sorted by ID */
	user_vec users;       /* profiles to send, sorted */
	bool split;           /* some rec is `second` */
};
void delta_build(struct work *wk, const struct delta_in *in, struct delta *out);
void delta_release(struct delta *d);

/* ---- segment.c: a delta, encoded once ---------------------------------------------------------- */

struct segment;
struct segment_key {
	uint32_t class_then, class_now;
	uint64_t then_seq, presence_seq, now_seq;
	uint32_t full;
	uint32_t pad;
};
struct segments *segments_new(void);
/** Forget all that is kept for others who might be in step. */
void segments_trim(struct segments *t);
void segments_free(struct segments **s);
/** The segment of this key, found or made; returned (segment_unref). Waits for another loop that is making it. */
struct segment *segment_get(struct work *wk, const struct segment_key *k, const struct delta_in *in);
void segment_unref(struct segment **s);
bool segment_empty(const struct segment *s);
/** For this viewer: nothing in it but itself? */
bool segment_empty_for(const struct segment *s, node_id viewer);
/**
 * Send it: all frames of it, the viewer's own entry left out, `own` (members with a comma before each; n may be 0) and
 * the pieces after it put into the last one. Returns the bytes.
 */
size_t segment_send(struct work *wk, struct segment *s, node_id viewer, enum map_format f, struct bytes own,
		    struct shared_bytes *const *extra, size_t n_extra, const struct map_sink *sink, void *arg);

/* ---- first.c ------------------------------------------------------------------------------------ */

struct splice_page {
	uint64_t lineage, durable_gen, mask, form;
};
/* How a class has the whole world: kept by its group. */
struct splice {
	struct splice_page *v; /* owned; by page, in the order of a snapshot */
	size_t n, cap;
	uint64_t seq;          /* of that snapshot; 0: none */
	struct shared_bytes *profiles[MAP_FORMATS];
	bool profiles_made;
	struct buf profiles_text;
};
void splice_init(struct splice *sp);
void splice_release(struct splice *sp);
void splice_forget(struct splice *sp);          /* masks and forms may be other ones */
void splice_forget_profiles(struct splice *sp);
/** Send the whole map. Returns the sequence that presence in it reaches at least. bytes_out may be NULL. */
uint64_t first_send(struct work *wk, const struct snapshot *s, const struct node *n, const struct view *v, struct splice *sp,
		    const struct map_client *client, int64_t now_ns, const struct map_sink *sink, void *arg);
/** The pieces that everybody gets alike: ,"DERPMap":{..} and ,"DNSConfig":{..}; borrowed from wk. */
struct shared_bytes *world_derp(struct work *wk, const struct snapshot *s, enum map_format f);
struct shared_bytes *world_dns(struct work *wk, const struct snapshot *s, enum map_format f);

/* ---- own.c: what of a delta is this node's alone ------------------------------------------------ */

struct own_want {
	bool self, filter, ssh, apps; /* look whether it changed */
};
struct own_out {
	struct shared_bytes *extra[2]; /* borrowed */
	size_t n_extra;
	bool profile; /* its user's profile changed: a message of its own, for the segment may bring profiles too */
};
/** Members with a comma before each, appended to text. */
void own_delta(struct work *wk, const struct snapshot *then, const struct snapshot *now, node_id id,
	       const struct own_want *want, enum map_format f, struct buf *text, struct own_out *out);
/** The member that tells what is wrong, in the form of the client's capability version. */
void own_messages(struct jw *w, const struct map_message *m, size_t n, uint32_t cap);
/** Members of a first map: Node, filter, SSH, tailnet; begins with { and ends without }. */
void own_first(struct work *wk, const struct snapshot *s, const struct node *n, const struct map_client *client, struct buf *text);

/* ---- loop, groups, streams ------------------------------------------------------------------------ */

struct group;
struct map_stream {
	struct mapper_loop *ml;
	struct group *g;
	struct map_stream *prev, *next;       /* in the group: in step, or lagging */
	struct map_stream *node_next;         /* of the same bucket of node IDs */
	struct map_stream *alive_prev, *alive_next; /* bucket of keep-alives */
	struct map_stream *end_next;
	node_id id;
	const struct map_sink *sink; /* borrowed */
	void *arg;
	/* In step (base NULL): it has what its group has. Lagging: it has the world of `base` as class_then sees it. */
	struct snapshot *base;       /* counted */
	uint64_t presence_seq;       /* lagging: see delta_in */
	uint32_t class_then;
	uint32_t cap;
	uint8_t format;
	bool full;                   /* lagging: parts of what it has may be newer than base */
	bool all_own;                /* lagging: look at everything of its own */
	bool ended;
	uint8_t why;                 /* enum map_end */
	uint8_t alive_at;            /* its bucket */
	int64_t wrote_ns;            /* last message */
	int64_t opened_ns;
	int64_t stuck_ns;            /* since when it could not take what there was; 0: it could */
};

struct stream_list {
	struct map_stream *first, *last;
	size_t n;
};
void stream_list_add(struct stream_list *l, struct map_stream *ms);
void stream_list_del(struct stream_list *l, struct map_stream *ms);

struct group {
	uint32_t class_id;
	struct group *next;          /* of the same bucket */
	struct stream_list in_step, lagging;
	struct view view;            /* on the present snapshot, if view_gen is the loop's */
	uint64_t view_gen;
	struct splice splice;
	/* What is pending for those in step. */
	struct snapshot *base;       /* what they have; counted; NULL: all there is */
	id_vec log;                  /* who may have changed since */
	bool log_lost;               /* too many: compare the snapshots */
	bool urgent;                 /* may not wait */
	int64_t due_ns, last_ns;
	struct group *wait_prev, *wait_next;
	bool waiting;
};

#define ALIVE_BUCKETS 128
#define NODE_BUCKETS_MIN 256

struct mapper_loop {
	struct mapper *m;
	struct work w;
	struct snapshot *snap;       /* counted */
	uint64_t view_gen;
	struct group **groups;       /* buckets by class */
	size_t n_groups, group_buckets;
	struct map_stream **nodes;   /* buckets by node */
	size_t n_streams, node_buckets;
	struct group *waiting;       /* those with something pending, a list */
	struct map_stream *alive[ALIVE_BUCKETS];
	int64_t alive_s;             /* bucket times up to here are done */
	int64_t due_ns;              /* of the first in `waiting`; INT64_MAX: none */
	struct map_stream *ends;     /* to be told, in order */
	id_vec routers;              /* sorted; of snap */
	VEC(struct map_stream *) eager; /* to be brought up to date at the end of this call */
};

struct group *group_of(struct mapper_loop *ml, uint32_t class_id, bool make);
void group_drop_if_empty(struct mapper_loop *ml, struct group **g);
const struct view *group_view(struct mapper_loop *ml, struct group *g);
/** Something is pending: those in step have `base`. */
void group_touch(struct mapper_loop *ml, struct group *g, struct snapshot *base, int64_t now_ns, bool urgent);
void group_log(struct group *g, const node_id *ids, size_t n);
/** Send what is pending to all who can take it. */
void group_flush(struct mapper_loop *ml, struct group *g, int64_t now_ns);
/** Flush those whose time has come. */
void groups_run(struct mapper_loop *ml, int64_t now_ns);

/** Leave the others: what it has is what its group had before `prev` became old. */
void stream_detach(struct map_stream *ms, struct snapshot *prev);
/** Bring a lagging stream up to the present snapshot, if it can take it. */
void stream_catch_up(struct map_stream *ms, int64_t now_ns);
void stream_wrote(struct map_stream *ms, int64_t now_ns, size_t n);
size_t stream_send_profile(struct map_stream *ms);
void stream_stuck(struct map_stream *ms, int64_t now_ns);
void stream_end(struct map_stream *ms, enum map_end why);
/** Tell those who were ended. Last thing in a call. */
void streams_tell_ends(struct mapper_loop *ml);
void streams_alive(struct mapper_loop *ml, int64_t now_ns);
struct map_stream *stream_of_node(struct mapper_loop *ml, node_id id, struct map_stream *after);

#endif
