/*
 * fuzz/map_request.c -- what a client tells of itself.
 *
 * What is taken has a node key; every endpoint, written as we write it to peers, reads back as the same endpoint; and the
 * Hostinfo is one JSON object.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/json_in.h"
#include "base/json_out.h"
#include "proto/map_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_endpoints(const struct map_request *r)
{
	struct arena *a = arena_new();
	struct map_request again;
	char key[KEY_TEXT_MAX];
	struct buf b;
	struct jw w;

	buf_init(&b, 1 << 20);
	jw_init(&w, &b);
	node_key_format(&r->node_key, key);
	jw_obj_begin(&w);
	jw_kstr(&w, "NodeKey", key);
	jw_key(&w, "Endpoints");
	jw_arr_begin(&w);
	for (size_t i = 0; i < r->n_endpoints; i++) {
		char ip[IP_TEXT_MAX], text[IP_TEXT_MAX + 10];

		ip_format(&r->endpoints[i].addr, ip);
		snprintf(text, sizeof text, r->endpoints[i].addr.family == IP_V6 ? "[%s]:%u" : "%s:%u", ip, r->endpoints[i].port);
		jw_str(&w, text);
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
	check(map_request_parse(buf_bytes(&b), a, &again, NULL) == ST_OK);
	check(again.n_endpoints == r->n_endpoints && again.n_dropped == 0);
	for (size_t i = 0; i < r->n_endpoints; i++)
		check(ip_eq(&again.endpoints[i].addr, &r->endpoints[i].addr) && again.endpoints[i].port == r->endpoints[i].port);
	buf_release(&b);
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct json_object *o = NULL;
	struct map_request r;

	if (map_request_parse(bytes_of(data, size), a, &r, NULL) == ST_OK) {
		check(!node_key_is_zero(&r.node_key));
		check(r.n_endpoints + r.n_dropped <= MAP_ENDPOINTS_MAX);
		check_endpoints(&r);
		if (r.hostinfo.n > 0) {
			check(json_parse(r.hostinfo, 1 << 26, &o, NULL) == ST_OK);
			check(json_object_is_type(o, json_type_object));
			json_object_put(o);
		}
	}
	arena_free(&a);
	return 0;
}
