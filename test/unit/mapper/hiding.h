/*
 * test/unit/mapper/hiding.h -- a policy that hides classes from each other at random.
 *
 * What it says depends on the snapshot and on the rules that were in force when it was made: hiding_note() after each
 * publication. Routers show a prefix to a class depending on which other routers serve it, so that forms of nodes change
 * that no publication lists; SSH rules name nodes that are not seen.
 */
#ifndef TEST_MAPPER_HIDING_H
#define TEST_MAPPER_HIDING_H

#include "mapper/access.h"
#include "world.h"

#define HIDING_CLASSES_MAX 12

struct hiding_rules {
	uint64_t line;     /* class numbers mean the same within it */
	bool sees[HIDING_CLASSES_MAX][HIDING_CLASSES_MAX];
};
struct hiding_at {     /* for one snapshot */
	uint64_t seq;
	size_t rules;
	uint64_t token;    /* another one with each change that decides something */
};
struct hiding {
	struct access access; /* hand this to mapper_new() */
	VEC(struct hiding_rules) rules;
	VEC(struct hiding_at) at; /* index: seq */
	uint64_t token;
	char tokens[1 << 16];
};
void hiding_init(struct hiding *h);
void hiding_release(struct hiding *h);
/** Rules for w's next classes. */
void hiding_new_rules(struct hiding *h, struct world *w);
/** Which rules hold for this snapshot. decided: more than presence changed. */
void hiding_note(struct hiding *h, const struct snapshot *s, bool decided);
bool hiding_sees(const struct hiding *h, const struct snapshot *s, uint32_t a, uint32_t b);

#endif
