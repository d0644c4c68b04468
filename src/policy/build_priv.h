/*
 * policy/build_priv.h -- an engine being built: what build.c and finish.c share.
 *
 * A build owns what carries its stamp and may change it; the rest belongs to older engines too and is
 * copied first.
 */
#ifndef POLICY_BUILD_PRIV_H
#define POLICY_BUILD_PRIV_H

#include "policy/engine_priv.h"

/* A kind whose nodes change in an update, as it was. More than these, and everything is summed anew. */
#define TOUCHED_MAX 64
struct touched {
	uint32_t kind;
	struct kind_dyn before;
};

struct build {
	struct policy_engine *e;
	const struct policy_engine *prev; /* NULL for a whole build */
	struct touched touched[TOUCHED_MAX];
	size_t n_touched; /* may pass TOUCHED_MAX */
	struct lineage *l;
	uint64_t stamp;
	size_t kind_cap;
	struct route_static **statics; /* sorted by prefix; references of this build */
	size_t n_statics;
};

/* Room for a kind's sums; good until the next call. */
struct kind_dyn *build_kind(struct build *b, uint32_t kind);
/* Where a node is or would be: its page, its place in a page, its place among routers. (engine.c) */
size_t engine_page(const struct policy_engine *e, node_id id);
uint32_t rec_slot(const struct rec_page *p, node_id id);
size_t engine_router_slot(const struct policy_engine *e, node_id id);
/* All nodes are in place: elections, equal lists, merging. Takes the statics. */
void build_finish(struct build *b);

#endif
