/*
 * config/tree.h -- the bytes of a YAML or JSON file as a bounded tree of values with places.
 *
 * Private to the room. Made from the parser's events: depth, number of values and aliases are bounded
 * while it grows, so that a small file cannot unfold into a large tree. Aliases point to the finished
 * node they stand for (never to one that is still open: no cycles), merge keys (`<<`) are worked in.
 */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include "base/arena.h"
#include "base/bytes.h"

enum cfg_kind { CFG_SCALAR, CFG_LIST, CFG_MAP };

struct cfg_pair {
	const char *key;
	unsigned line, column; /* of the key */
	bool merge;	       /* a plain `<<` */
	unsigned rank;	       /* 0: written here; n: from the n-th merged map */
	struct cfg_node *value;
};

struct cfg_node {
	enum cfg_kind kind;
	bool plain;		 /* scalar without quotes or tag: may be null */
	unsigned line, column;	 /* from 1 */
	char *s;		 /* scalar: NUL-terminated, no NUL inside; "" otherwise */
	struct cfg_node **items; /* list */
	struct cfg_pair *pairs;	 /* map; keys are unique */
	size_t n;		 /* of items or pairs */
	size_t weight;		 /* values in here, aliases counted with all they stand for */
	unsigned height;	 /* levels in here, 1 for a scalar */
	struct cfg_node *next;	 /* chain of all nodes, for wiping */
};

struct cfg_tree {
	struct cfg_node *root; /* NULL: the file holds no value */
	struct cfg_node *all;
};

struct cfg_tree_error {
	unsigned line, column;
	char text[256];
};

/**
 * Parse the first document of `text`.
 *
 * arena     holds the tree.
 * t         set on ST_OK; on failure it still has to be wiped.
 * more_out  set on ST_OK: line of a second document, 0 if there is none.
 *
 * ST_BAD_INPUT  not YAML, or the same key twice; ST_TOO_BIG  passes CONFIG_DEPTH_MAX or CONFIG_NODES_MAX. e says where.
 */
enum status cfg_tree_parse(struct arena *arena, struct bytes text, struct cfg_tree *t, unsigned *more_out,
			   struct cfg_tree_error *e) MUST_CHECK;

/** Overwrite every scalar: some are secrets. The tree is useless afterwards. */
void cfg_tree_wipe(struct cfg_tree *t);

/** The value of a map's member by exact name, or NULL. */
const struct cfg_node *cfg_member(const struct cfg_node *map, const char *key);

/** null, ~ or nothing at all. */
bool cfg_is_null(const struct cfg_node *n);

#endif
