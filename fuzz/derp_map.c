/*
 * fuzz/derp_map.c -- any bytes as a DERP map, JSON and YAML: what is accepted keeps the rules, and its text reads back
 * as the same map.
 */
#include <stdint.h>
#include <stdlib.h>

#include "derp/map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct derp_map *m)
{
	struct derp_map *again = NULL, *merged = derp_map_new();
	struct err err;
	struct buf b;

	if (derp_map_check(m, &err) != ST_OK)
		abort();
	buf_init(&b, 64u << 20);
	derp_map_encode(m, &b);
	if (b.n <= DERP_MAP_BYTES_MAX) {
		if (derp_map_parse_json(buf_bytes(&b), &again, &err) != ST_OK || !derp_map_eq(m, again))
			abort();
	}
	if (derp_map_merge(merged, m, &err) != ST_OK)
		abort();
	for (size_t i = 0; i < merged->n; i++)
		if (merged->regions[i].removed || (i && merged->regions[i - 1].id >= merged->regions[i].id))
			abort();
	derp_map_spread(merged, "example.com");
	buf_release(&b);
	derp_map_free(&again);
	derp_map_free(&merged);
	derp_map_free(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct derp_map *m = NULL;
	struct err err;

	if (derp_map_parse_json(bytes_of(data, size), &m, &err) == ST_OK)
		check(m);
	m = NULL;
	if (derp_map_parse_yaml(bytes_of(data, size), &m, &err) == ST_OK)
		check(m);
	return 0;
}
