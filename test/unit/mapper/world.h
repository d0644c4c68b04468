/*
 * test/unit/mapper/world.h -- a writer for tests: changes nodes, makes snapshots and publications as the state does.
 *
 *     world_begin(w); world_add(w, ..); world_remove(w, ..); p = world_publish(w);
 *
 * Who sees whom is hiding.h's; this only keeps the class of each node.
 */
#ifndef TEST_MAPPER_WORLD_H
#define TEST_MAPPER_WORLD_H

#include "base/vec.h"
#include "state/settings.h"
#include "state/snapshot_priv.h"

#define WORLD_USERS_N 60

struct world {
	struct snapshot *cur;        /* counted */
	struct snapshot *next;       /* between begin and publish */
	struct snapshot *before;     /* counted, likewise */
	node_id last_id;
	uint64_t rng;
	VEC(node_id) touched;
	VEC(user_id) users;
	uint32_t world;
	bool rules;                  /* the policy engine would be another object after this */
	uint32_t n_classes;
	uint64_t names, keys;        /* given so far */
};

uint64_t world_rand(struct world *w, uint64_t below);
void world_init(struct world *w, uint64_t seed, uint32_t n_classes);
void world_release(struct world *w);

void world_begin(struct world *w);
/** A new node of this class with everything set; key_of, name_of: whose key and name it takes (removed before), or NULL. */
node_id world_add(struct world *w, uint32_t class_id, const struct node *like);
void world_remove(struct world *w, node_id id);
/** A copy to change, and putting it back. */
struct node *world_edit(struct world *w, node_id id);
void world_put(struct world *w, struct node *n, enum slot_touch touch);
void world_move(struct world *w, node_id id, uint32_t class_id);
void world_change_user(struct world *w, user_id id);
void world_new_dns(struct world *w, const char *base_domain);
void world_new_derp(struct world *w);
void world_settings(struct world *w, const char *name);
/** Every node gets another class number; with WORLD_POLICY. */
void world_renumber(struct world *w, uint32_t n_classes);
/** A random node; 0: there is none. */
node_id world_any(struct world *w);
/** Returned (publication_unref). */
struct publication *world_publish(struct world *w);

void world_give_presence(struct world *w, struct node *n);
void world_give_routes(struct world *w, struct node *n);

#endif
