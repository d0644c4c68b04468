/*
 * state/snapshot.h -- the world as it was at one sequence number; frozen, counted, read without locks.
 *
 *     snapshot -> pages of up to 64 slots, in the order of node IDs -> slot -> node
 *              -> users, policy, DNS, DERP map, settings (whole objects, replaced when they change)
 *              -> indexes: by node key, machine key, address, name (buckets copied on write)
 *
 * The writer makes the next one by copying the root and the pages it touches. A loop holds one
 * reference and gets the next by message, together with what changed (struct publication).
 */
#ifndef STATE_SNAPSHOT_H
#define STATE_SNAPSHOT_H

#include <stdatomic.h>

#include "base/shared.h"
#include "base/status.h"
#include "model/node.h"

#define PAGE_SLOTS 64

struct policy_engine; /* policy/engine.h */

struct slot {
	struct node *node;      /* counted; NULL where the slot is not used */
	uint32_t class_id;      /* of the policy engine in this snapshot */
	uint64_t whole_seq;     /* last publication that changed more than presence, or moved it to another class of
	                         * the same engine line; a new policy renumbers classes and leaves this alone */
	uint64_t presence_seq;  /* last publication that changed patchable fields */
};

struct page {
	atomic_uint refs;
	uint64_t lineage;      /* the same for all versions of one page; never given twice */
	uint64_t durable_gen;  /* another value whenever more than patchable fields of a slot changed */
	uint64_t presence_gen; /* another value whenever anything changed */
	uint64_t used;         /* bit i: slot[i] holds a node */
	struct slot slot[PAGE_SLOTS]; /* in the order of IDs; holes allowed */
};

/* What does not belong to one node and reaches clients; each counted and replaced whole. */
struct dns_settings;    /* state/settings.h */
struct tailnet_settings;

/* Who is primary router of what: elected among live nodes that announce the prefix and have it approved. */
struct route_primary {
	struct ip_prefix prefix;
	node_id node;
};
struct route_table {
	atomic_uint refs;
	size_t n;
	struct route_primary v[]; /* sorted by prefix (ip_prefix_cmp), each once; exit routes are not in it */
};

struct page_chunk;     /* pages.c: holds the references of some pages */

struct snapshot {
	atomic_uint refs;
	tailnet_id tailnet;
	uint64_t seq;          /* of the publication that made it */
	int64_t made_ns;       /* wall clock, for logs; nothing encoded depends on it */
	struct page **pages;   /* sorted by first ID; held through chunks; each has used != 0 */
	size_t n_pages;
	size_t n_nodes;
	struct page_chunk **chunks;
	size_t n_chunks;
	struct route_table *routes;            /* counted, never NULL */
	struct user_table *users;              /* by id */
	struct policy_engine *policy;          /* counted; never NULL in what is published (allow-all without a policy) */
	struct shared_bytes *derp_map;         /* the DERPMap JSON clients get */
	struct dns_settings *dns;
	struct tailnet_settings *settings;
	struct trie *by_node_key, *by_machine_key, *by_addr, *by_name; /* state/trie.h: hash -> node ID */
};

struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot **s);

/* Where a node is. */
struct slot_ref {
	uint32_t page; /* index into pages */
	uint8_t slot;
};

/** Look-ups; borrowed from the snapshot; NULL if there is none. Any thread that holds a reference. */
const struct node *snapshot_node(const struct snapshot *s, node_id id);
/** Likewise, and where. ref_out is set only if found. */
const struct slot *snapshot_slot(const struct snapshot *s, node_id id, struct slot_ref *ref_out);
const struct node *snapshot_node_by_key(const struct snapshot *s, const struct node_key *k);
const struct node *snapshot_node_by_addr(const struct snapshot *s, const struct ip_addr *a);
const struct node *snapshot_node_by_name(const struct snapshot *s, const char *label);
/** All nodes of a machine key: fills at most max, returns how many there are. */
size_t snapshot_nodes_by_machine(const struct snapshot *s, const struct machine_key *k,
				 const struct node **out, size_t max);
/** The primary router of this prefix; 0 if there is none. */
node_id snapshot_primary(const struct snapshot *s, const struct ip_prefix *p);
/** Prefixes that a node is primary for: fills at most max, returns how many there are. */
size_t snapshot_primaries_of(const struct snapshot *s, node_id id, struct ip_prefix *out, size_t max);
const struct user *snapshot_user(const struct snapshot *s, user_id id);
/** A local user by name (unique), or any user by e-mail or provider id: see .c for the order. */
const struct user *snapshot_user_by_name(const struct snapshot *s, const char *name);
size_t snapshot_user_count(const struct snapshot *s);
const struct user *snapshot_user_at(const struct snapshot *s, size_t i); /* in the order of IDs */

/* What a publication changed. */
enum change_kind {
	CHANGE_PRESENCE, /* only fields a PeersChangedPatch carries cheaply: endpoints, home DERP, online, last seen */
	CHANGE_WHOLE,    /* anything else of a peer's form: PeersChanged */
	CHANGE_ADDED,
	CHANGE_REMOVED,
};
struct node_change {
	node_id id;
	enum change_kind kind;
	uint32_t old_class, new_class; /* equal unless it moved; old for REMOVED, new for ADDED */
	bool self_only;                /* peers' form is unchanged (kind PRESENCE): only its own stream has to look */
};
enum world_change {
	WORLD_POLICY = 1 << 0,   /* filters, visibility, SSH, attributes: prev->policy != next->policy */
	WORLD_DNS = 1 << 1,
	WORLD_DERP = 1 << 2,
	WORLD_USERS = 1 << 3,    /* a profile changed */
	WORLD_SETTINGS = 1 << 4,
	WORLD_ROUTES = 1 << 5,   /* a primary router moved: nodes concerned are listed as WHOLE too */
};
struct publication {
	atomic_uint refs;
	struct snapshot *prev, *next; /* counted */
	uint32_t world;               /* enum world_change */
	size_t n_nodes;
	struct node_change *nodes;    /* owned; sorted by id, one entry a node */
	size_t n_users;
	user_id *users;               /* changed profiles */
};
struct publication *publication_ref(struct publication *p);
void publication_unref(struct publication **p);

#endif
