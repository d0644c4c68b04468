/*
 * derp/map.h -- the DERP map: which regions and relays clients are told of.
 *
 * Sources are merged in order (URLs, then files, then the server's own region): whole regions, the last one wins, a
 * region that is null is taken out. Clients close their connection to a region whose description changes in any
 * way, so the text we make is stable byte for byte, and only a different text is published.
 *
 * Fetching is the caller's. Pure but for the cache file; a map has one owner, and may be read by any thread once
 * nobody changes it.
 * Source: docs/wire/derp.md, "DERP map".
 */
#ifndef DERP_MAP_H
#define DERP_MAP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

#define DERP_MAP_BYTES_MAX   ((size_t)4 << 20) /* of one source */
#define DERP_MAP_REGIONS_MAX ((size_t)4096)
#define DERP_MAP_NODES_MAX   ((size_t)256)     /* of one region */
#define DERP_MAP_TEXT_MAX    ((size_t)512)     /* bytes of any text in it */

struct derp_map_node {
	const char *name;      /* unique over the map; texts are never NULL */
	const char *host_name; /* TLS name, Host header, DNS name */
	const char *cert_name; /* "", a DNS name, or "sha256-raw:" and 64 lower-case hex digits */
	const char *ipv4;      /* "": ask DNS; a literal; anything else: no IPv4 */
	const char *ipv6;
	const char *stun_test_ip;
	int32_t stun_port;     /* 0: 3478; -1: no STUN */
	int32_t derp_port;     /* 0: 443 */
	bool stun_only;
	bool insecure_for_tests;
	bool can_port80;       /* /generate_204 works on port 80 */
};

struct derp_map_region {
	int32_t id; /* 1..65535: clients keep it as a port number */
	const char *code, *name;
	double latitude, longitude; /* 0, 0: not known */
	bool avoid, no_measure_no_home;
	bool removed; /* null in its source: takes the region out when merged; never in a merged map */
	struct derp_map_node *nodes; /* in order of preference */
	size_t n;
};

struct derp_map_score {
	int32_t region;
	double score; /* measured latencies are multiplied by it */
};

struct derp_map {
	struct arena *arena; /* owns all below */
	struct derp_map_region *regions; /* by id */
	size_t n;
	bool omit_default_regions;
	bool has_scores; /* HomeParams was given, maybe without scores */
	struct derp_map_score *scores; /* by region */
	size_t n_scores;
};

/** An empty map; returned (derp_map_free). */
struct derp_map *derp_map_new(void);
void derp_map_free(struct derp_map **m);

/**
 * Read one source: the JSON of /derpmap/default and of MapResponse, or the YAML of a file.
 *
 * Field names are matched without regard to case, unknown ones are skipped. A region's or node's ID may be left out
 * (the map key, the region's ID) and must match if given. out is set on ST_OK: returned.
 * ST_BAD_INPUT: malformed, or against the rules of derp_map_check(); err says where. ST_TOO_BIG: passes a limit.
 */
enum status derp_map_parse_json(struct bytes in, struct derp_map **out, struct err *err) MUST_CHECK;
enum status derp_map_parse_yaml(struct bytes in, struct derp_map **out, struct err *err) MUST_CHECK;

/** Lay `over` upon `m`: its regions replace those of the same id, removed ones are taken out. over is only read. */
enum status derp_map_merge(struct derp_map *m, const struct derp_map *over, struct err *err) MUST_CHECK;

/** Add or replace one region, copied. For the server's own. */
enum status derp_map_put_region(struct derp_map *m, const struct derp_map_region *region, struct err *err) MUST_CHECK;

/** Order each region's nodes by a hash of seed and name: the same on each start, spread over servers' seeds. */
void derp_map_spread(struct derp_map *m, const char *seed);

/** All rules at once: ids, names unique over the map, host names, ports, certificate pins. ST_BAD_INPUT, err names it. */
enum status derp_map_check(const struct derp_map *m, struct err *err) MUST_CHECK;

/** The JSON that clients get, compact and stable. */
void derp_map_encode(const struct derp_map *m, struct buf *out);
/** Clients could not tell them apart: nothing to publish. */
bool derp_map_eq(const struct derp_map *a, const struct derp_map *b);

/**
 * The last good map, kept on disk for a start without network.
 * store: written beside and renamed, so that a torn file is never seen. load: ST_NOT_FOUND if there is none;
 * ST_BAD_INPUT if it is not a good map. Both block on the disk: not on a loop.
 */
enum status derp_map_cache_store(const struct derp_map *m, const char *path, struct err *err) MUST_CHECK;
enum status derp_map_cache_load(const char *path, struct derp_map **out, struct err *err) MUST_CHECK;

#endif
