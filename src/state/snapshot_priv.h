/*
 * state/snapshot_priv.h -- how the writer makes the next snapshot from the one before.
 *
 *     next = snapshot_begin(cur, seq); snapshot_set_node(next, ...); ... ; then it is frozen
 *
 * All of it on the writer's thread, on a snapshot nobody else has seen yet. Pages, chunks and tries are copied at the
 * first touch and changed in place after, while they are ours alone.
 */
#ifndef STATE_SNAPSHOT_PRIV_H
#define STATE_SNAPSHOT_PRIV_H

#include "state/snapshot.h"
#include "state/trie.h"

struct user_table {
	atomic_uint refs;
	size_t n, cap;
	struct user **v; /* sorted by id; each counted; owned array */
};
struct user_table *user_table_new(void);
struct user_table *user_table_ref(struct user_table *t);
void user_table_unref(struct user_table **t);
struct user *user_table_get(const struct user_table *t, user_id id);
/** Put (replacing the one of its id) or remove, copying the table first unless it is ours alone. */
void user_table_put(struct user_table **t, struct user *u);
void user_table_del(struct user_table **t, user_id id);

struct route_table *route_table_new(const struct route_primary *v, size_t n);
struct route_table *route_table_ref(struct route_table *t);
void route_table_unref(struct route_table **t);

#define CHUNK_PAGES 64
/* Holds the references of some pages; see pages.c. */
struct page_chunk {
	atomic_uint refs;
	unsigned n;
	struct page *p[CHUNK_PAGES];
};
struct page_chunk *page_chunk_ref(struct page_chunk *c);
void page_chunk_unref(struct page_chunk **c);

/** The empty world of a tailnet: no pages, empty tables; policy, dns, settings, derp_map NULL. */
struct snapshot *snapshot_new(tailnet_id tailnet);
/** A copy that shares everything, to be changed and published as `seq`. */
struct snapshot *snapshot_begin(struct snapshot *cur, uint64_t seq);

enum slot_touch {
	TOUCH_SILENT,   /* nothing a peer could notice: no sequence moves, but the page is another */
	TOUCH_PRESENCE,
	TOUCH_WHOLE,
};
/** Put another version of a node that is there, and index it. Its class stays. */
void snapshot_replace_node(struct snapshot *next, struct node *n, enum slot_touch touch);
/** Add a node; usually behind the last. */
void snapshot_add_node(struct snapshot *next, struct node *n, uint32_t class_id);
void snapshot_remove_node(struct snapshot *next, node_id id);
/** Another class. whole: count it as a change of the node. */
void snapshot_set_class(struct snapshot *next, node_id id, uint32_t class_id, bool whole);

/** Keep the four indexes in step: `old` leaves, `now` enters; either may be NULL. For roots outside of snapshots too. */
struct node_index {
	struct trie **by_node_key, **by_machine_key, **by_addr, **by_name;
};
struct node_index snapshot_index(struct snapshot *s); /* points into s */
void node_index_swap(const struct node_index *ix, const struct node *old, const struct node *now);

/** Bytes of the snapshot with all it holds (but policy, DNS, settings, DERP map), as malloc counts them. */
size_t snapshot_memory(const struct snapshot *s);
/** Check every rule of this header and of state/snapshot.h by force; NULL, or what is wrong. For tests. */
const char *snapshot_check(const struct snapshot *s);

/** Frozen from here on. Takes nothing: references are added; nodes (sorted) and users are copied. Returned. */
struct publication *publication_new(struct snapshot *prev, struct snapshot *next, uint32_t world,
				    const struct node_change *nodes, size_t n_nodes, const user_id *users,
				    size_t n_users);

#endif
