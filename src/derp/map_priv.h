/* derp/map_priv.h -- what map.c and map_parse.c share. */
#ifndef DERP_MAP_PRIV_H
#define DERP_MAP_PRIV_H

#include "derp/map.h"

/** The region with this id, or NULL. */
struct derp_map_region *derp_map_find(const struct derp_map *m, int32_t id);
/** Put a region whose contents lie in m's arena already, keeping the order. ST_TOO_BIG past DERP_MAP_REGIONS_MAX. */
enum status derp_map_insert(struct derp_map *m, const struct derp_map_region *r, struct err *err) MUST_CHECK;

#endif
