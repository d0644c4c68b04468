/*
 * proto/map_request.c -- see proto/map_request.h.
 *
 * An endpoint that does not parse is left out here and never relayed: one bad text would make a whole frame unreadable for
 * every peer.
 */
#include "proto/map_request.h"

#include "base/json_in.h"
#include "proto/read.h"

enum status endpoint_parse(struct bytes in, struct endpoint *out)
{
	struct endpoint e = { 0 };
	size_t host_end, host_from = 0, i;
	uint32_t port = 0;

	for (i = in.n; i > 0 && in.p[i - 1] != ':'; i--)
		;
	if (i == 0 || i == in.n || in.n - i > 5)
		return ST_BAD_INPUT;
	host_end = i - 1;
	for (; i < in.n; i++) {
		if (in.p[i] < '0' || in.p[i] > '9')
			return ST_BAD_INPUT;
		port = port * 10 + (uint32_t)(in.p[i] - '0');
	}
	if (port > 65535)
		return ST_BAD_INPUT;
	if (host_end >= 2 && in.p[0] == '[' && in.p[host_end - 1] == ']') {
		host_from = 1;
		host_end--;
	}
	if (ip_parse(bytes_of(in.p + host_from, host_end - host_from), &e.addr) != ST_OK)
		return ST_BAD_INPUT;
	if ((e.addr.family == IP_V6) != (host_from == 1))
		return ST_BAD_INPUT;
	e.port = (uint16_t)port;
	*out = e;
	return ST_OK;
}

static uint8_t type_at(struct json_object *types, size_t i)
{
	struct json_object *t = types != NULL && i < json_object_array_length(types) ? json_object_array_get_idx(types, i) : NULL;
	int64_t v = t != NULL && json_object_is_type(t, json_type_int) ? json_object_get_int64(t) : 0;

	return v > 0 && v < 256 ? (uint8_t)v : 0;
}

static enum status read_endpoints(struct json_object *o, struct arena *a, struct map_request *out, struct err *err)
{
	struct json_object *list = NULL, *types = NULL;
	enum status s = json_get_arr(o, "Endpoints", &list, err);
	size_t n;

	if (s == ST_OK)
		s = json_get_arr(o, "EndpointTypes", &types, err);
	if (s != ST_OK || list == NULL)
		return s;
	n = json_object_array_length(list);
	if (n > MAP_ENDPOINTS_MAX) {
		err_set(err, "Endpoints: %zu are more than %d", n, MAP_ENDPOINTS_MAX);
		return ST_TOO_BIG;
	}
	out->has_endpoints = true;
	out->endpoints = ARENA_ARRAY(a, struct endpoint, n + 1);
	for (size_t i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		struct endpoint *e = &out->endpoints[out->n_endpoints];

		if (!json_object_is_type(item, json_type_string)) {
			err_set(err, "Endpoints[%zu] is no text", i);
			return ST_BAD_INPUT;
		}
		if (endpoint_parse(bytes_of(json_object_get_string(item), (size_t)json_object_get_string_len(item)), e) != ST_OK)
			continue;
		e->type = type_at(types, i);
		out->n_endpoints++;
	}
	return ST_OK;
}

static enum status read_compress(struct json_object *o, struct map_request *out, struct err *err)
{
	const char *text = "";
	enum status s = json_get_str(o, "Compress", &text, err);

	if (s != ST_OK)
		return s;
	out->zstd = strcmp(text, "zstd") == 0;
	if (!out->zstd && text[0] != '\0') {
		err_set(err, "Compress: \"%.20s\" is not known; zstd or nothing", text);
		return ST_BAD_INPUT;
	}
	return ST_OK;
}

static enum status read_flags(struct json_object *o, struct map_request *out, struct err *err)
{
	enum status s = json_get_bool(o, "KeepAlive", &out->keep_alive, err);

	if (s == ST_OK)
		s = json_get_bool(o, "Stream", &out->stream, err);
	if (s == ST_OK)
		s = json_get_bool(o, "OmitPeers", &out->omit_peers, err);
	if (s == ST_OK)
		s = json_get_bool(o, "ReadOnly", &out->read_only, err);
	return s;
}

static enum status read_members(struct json_object *o, struct arena *a, struct map_request *out, struct err *err)
{
	const char *tka_head = "";
	int64_t version = 0;
	enum status s = json_get_i64(o, "Version", &version, err);

	if (s == ST_OK)
		s = read_compress(o, out, err);
	if (s == ST_OK)
		s = read_flags(o, out, err);
	if (s == ST_OK)
		s = read_key(o, "NodeKey", KEY_NODE, out->node_key.b, err);
	if (s == ST_OK)
		s = read_key(o, "DiscoKey", KEY_DISCO, out->disco.b, err);
	if (s == ST_OK)
		s = read_endpoints(o, a, out, err);
	if (s == ST_OK)
		s = json_get_str(o, "TKAHead", &tka_head, err);
	if (s == ST_OK)
		s = read_object_text(o, "Hostinfo", a, &out->hostinfo, err);
	if (s != ST_OK)
		return s;
	out->version = version > 0 && version < UINT32_MAX ? (uint32_t)version : 0;
	out->tka_head = arena_strdup(a, tka_head);
	if (node_key_is_zero(&out->node_key)) {
		err_set(err, "NodeKey is missing");
		return ST_BAD_INPUT;
	}
	return ST_OK;
}

enum status map_request_parse(struct bytes in, struct arena *a, struct map_request *out, struct err *err)
{
	struct map_request r = { 0 };
	struct json_object *o = NULL;
	enum status s = read_root(in, MAP_REQUEST_MAX, &o, err);

	if (s != ST_OK)
		return s;
	s = read_members(o, a, &r, err);
	json_object_put(o);
	if (s == ST_OK)
		*out = r;
	return s;
}
