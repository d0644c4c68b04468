/*
 * control/health.h -- what a node is told to be wrong with it, and of newer releases of its client.
 *
 * Pure: a node, the tailnet's settings and the time give the lines that hold now, and when they may change by time alone.
 * Everything in a line is known for certain here; what only the client can know (its clock, its network) it finds by itself.
 * Told by map.c, with the first map and whenever it changes. docs/client-messages.md is the operator's side.
 */
#ifndef CONTROL_HEALTH_H
#define CONTROL_HEALTH_H

#include "base/arena.h"
#include "proto/map_response.h"
#include "state/settings.h"
#include "model/node.h"

enum health_kind {
	HEALTH_KEY_EXPIRES,        /* the node's key ends soon */
	HEALTH_CLIENT_OUTDATED,    /* older than the operator wants */
	HEALTH_ROUTES_WAIT,        /* routes announced and not approved */
	HEALTH_EXIT_NODE_WAITS,    /* likewise as an exit node */
	HEALTH_TAGS_WAIT,          /* tags asked for, which take a new login */
	HEALTH_KINDS,
};

/* All memory is the arena's. */
struct health {
	struct map_message v[HEALTH_KINDS];
	size_t n;
	uint64_t digest;    /* of all lines; equal lines, equal digest; 0: none */
	int64_t next_ns;    /* wall clock: when it may be otherwise with nothing changed; INT64_MAX: never */
	bool has_version;   /* the operator named a release: `version` is to be told */
	struct map_client_version version;
	uint64_t version_digest; /* 0: nothing is to be told */
};

/** settings NULL: as if nothing was configured. */
void health_look(const struct node *n, const struct tailnet_settings *settings, int64_t now_unix_ns, struct arena *a, struct health *out);
/** The id under which clients keep a line. */
const char *health_id(enum health_kind k);

/** a < b as releases: "1.80.3", "1.102.5-t1234-g5678". A text that is no release is older than none. Pure. */
bool client_version_older(const char *a, const char *b);

#endif
