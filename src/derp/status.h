/*
 * derp/status.h -- how a relay does, as one JSON document: what `headscale derp status` asks for.
 *
 *     {"time": ..., "relay": {...}, "region": {...}, "counters": {...}, "gauges": {...}, "drops": {...}, "closes": {...},
 *      "stun": {...}, "meshPeers": [...], "connections": [...], "connectionsOmitted": 0}
 *
 * Names inside counters, gauges, drops and closes are those of the metrics. Counters only grow: who wants rates asks
 * twice. The format is docs/derp.md, "Looking at it".
 */
#ifndef DERP_STATUS_H
#define DERP_STATUS_H

#include "base/json_out.h"
#include "derp/relay.h"

struct http_req;

#define DERP_STATUS_GATHER  20000u /* connections that are looked at; of more, some are left out whatever is asked */
#define DERP_STATUS_DEFAULT 1000u  /* connections in the answer unless ?limit= says otherwise */

/* What the handler needs; the owner's, must outlive it. */
struct derp_status {
	struct derp_relay *relay; /* NULL: answered with 404 */
	unsigned loops;
	const char *admission;    /* who may use it, a word or two: static */
	bool mesh_key;
	int64_t started_unix_ns;
	/** Write members about the relay's place in the map ("region"), as key and value; NULL: none. */
	void (*region)(void *arg, struct jw *w);
	/** Write members about a node ("node", "user") into its connection's object; on loop 0. NULL: none. */
	void (*node)(void *arg, const struct node_key *key, struct jw *w);
	/** Add up STUN's counters; false: there is no STUN. Any thread. */
	bool (*stun)(void *arg, struct stun_stats *out);
	void *arg;
};

/**
 * The document onto out. l and stun may be NULL; conns of l are sorted by traffic, the busiest first, and at most `limit`
 * are written.
 */
void derp_status_write(const struct derp_status *st, const struct derp_stats *stats, const struct stun_stats *stun,
                       struct derp_listing *l, size_t limit, int64_t now_unix_ns, struct buf *out);

/** GET: the document. http_handler_fn with a struct derp_status as arg, on any loop. */
void derp_status_handler(void *derp_status, struct http_req *r);

#endif
