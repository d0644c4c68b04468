/*
 * mapper/access.h -- what the mapper asks about who may see what: one narrow table of functions.
 *
 * Nodes come in classes (struct slot says which); all nodes of a class see the same and are seen by the same. The first
 * implementation allows everything, the second asks the policy engine that hangs on each snapshot, the third hides nodes
 * at random and lives in the tests.
 *
 * Every function may be called on any thread, for any snapshot that the caller holds, old ones too, and depends on
 * nothing but its arguments. Memory that comes out is from the arena given, or lives as long as the snapshot.
 */
#ifndef MAPPER_ACCESS_H
#define MAPPER_ACCESS_H

#include "policy/engine.h"
#include "state/snapshot.h"

struct access_ops {
	/** Equal for two snapshots that are both alive: every answer below is equal for nodes that are. */
	const void *(*token)(void *arg, const struct snapshot *s);
	/** Do class numbers of `a` mean the same in `b`? */
	bool (*same_classes)(void *arg, const struct snapshot *a, const struct snapshot *b);
	/** Above every class number in use. */
	size_t (*class_count)(void *arg, const struct snapshot *s);
	/** The classes that `c` sees, ascending; empty ones may be left out. Symmetric. */
	size_t (*peers)(void *arg, const struct snapshot *s, uint32_t c, struct arena *a, const uint32_t **out);
	/** IDs of the nodes of a class, ascending. */
	size_t (*members)(void *arg, const struct snapshot *s, uint32_t c, struct arena *a, const node_id **out);

	/** What of a peer the rules decide, as this class has it. False: unknown node. */
	bool (*peer_get)(void *arg, const struct snapshot *s, uint32_t viewer, node_id peer, struct arena *a,
			 struct policy_peer *out);

	/** What a node gets of itself. False: unknown node. */
	bool (*self_get)(void *arg, const struct snapshot *s, node_id id, struct arena *a, struct policy_self *out);
	/** Its attributes: one JSON object. */
	void (*self_cap_map)(void *arg, const struct snapshot *s, node_id id, struct jw *w);
	bool (*has_attr)(void *arg, const struct snapshot *s, node_id id, const char *attr);
	/** Equal numbers for two snapshots: nothing of this kind is different for the node. */
	uint64_t (*digest)(void *arg, const struct snapshot *s, node_id id, enum policy_aspect aspect);

	/** The packet filter as named chunks, and one of them as a JSON array. */
	size_t (*chunks)(void *arg, const struct snapshot *s, node_id id, struct arena *a, const struct policy_chunk **out);
	void (*chunk_write)(void *arg, const struct snapshot *s, node_id id, const struct policy_chunk *c, struct jw *w);
	/** The rules of the SSH policy: one JSON array. */
	void (*ssh_write)(void *arg, const struct snapshot *s, node_id id, struct jw *w);
	/** Split DNS that app connectors cause. */
	size_t (*app_domains)(void *arg, const struct snapshot *s, node_id id, struct arena *a,
			      const struct policy_app_domain **out);
};

struct access {
	const struct access_ops *ops;
	void *arg;
};

/** Everybody sees everybody; one packet filter for all: everything. Looks at no policy and at no class number. */
extern const struct access access_allow_all;
/** The policy engine of each snapshot. */
extern const struct access access_policy;

#endif
