/*
 * proto/map_request.h -- MapRequest: what a client tells of itself when it asks for its map. Pure; any thread.
 * Source: docs/wire/map.md, "The request".
 *
 * What is relayed to others passes here first: an address that does not parse would make a whole frame unreadable for
 * every peer, so what does not parse is dropped (endpoints) or refused (keys, the shape of the request).
 */
#ifndef PROTO_MAP_REQUEST_H
#define PROTO_MAP_REQUEST_H

#include "base/arena.h"
#include "crypto/keys.h"
#include "model/lists.h"

#define MAP_REQUEST_MAX ((size_t)1 << 20)
#define MAP_ENDPOINTS_MAX 256  /* entries read; more are ST_TOO_BIG */
#define MAP_DEBUG_FLAGS_MAX 64 /* entries kept */

/* What is wanted. */
enum map_mode {
	MAP_STREAM,    /* frames until somebody ends it */
	MAP_UPDATE,    /* news only: answer 200 with an empty body */
	MAP_ONCE,      /* news, and one frame back */
	MAP_READ_ONLY, /* nothing is taken; one frame back */
};
enum map_format { MAP_PLAIN, MAP_ZSTD, MAP_FORMATS };

/* All memory is the arena's. Texts are never NULL. */
struct map_request {
	enum map_mode mode;
	enum map_format format;
	bool omit_peers;
	bool keep_alive;
	uint32_t version;            /* capability version; 0 if not told */
	struct node_key node_key;    /* never zero */
	struct disco_key disco_key;  /* zero: not told */
	bool has_endpoints;          /* the member is there, or this is an update: then an empty list counts too */
	struct endpoint *endpoints;  /* each parsed; IPv6 zones, unspecified addresses and port 0 are left out */
	size_t n_endpoints;
	size_t n_dropped;            /* endpoints that were none */
	struct bytes hostinfo;       /* JSON object, compact; n = 0: none */
	uint32_t home_derp;          /* Hostinfo.NetInfo.PreferredDERP; 0: not told */
	const char *tka_head;        /* "" */
	const char **debug_flags;
	size_t n_debug_flags;
};

/** ST_BAD_INPUT: err names the member. ST_TOO_BIG: a limit above. Unknown members are passed over. */
enum status map_request_parse(struct bytes body, struct arena *a, struct map_request *out, struct err *err) MUST_CHECK;

#endif
