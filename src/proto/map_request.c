/* proto/map_request.c -- see proto/map_request.h. */
#include "proto/map_request.h"

#include "base/json_in.h"
#include "proto/proto_priv.h"

#define TEXT_MAX 1024

/* "192.0.2.1:41641" or "[2001:db8::1]:41641"; no zone, port in decimal. */
static bool addr_port(struct bytes in, struct endpoint *out)
{
	struct bytes host, port;
	uint32_t v = 0;
	size_t colon = in.n;

	while (colon > 0 && in.p[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return false;
	host = bytes_of(in.p, colon - 1);
	port = bytes_skip(in, colon);
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = bytes_of(host.p + 1, host.n - 2);
	else if (memchr(host.p, ':', host.n) != NULL)
		return false;
	if (port.n == 0 || port.n > 5)
		return false;
	for (size_t i = 0; i < port.n; i++) {
		if (port.p[i] < '0' || port.p[i] > '9')
			return false;
		v = v * 10 + (uint32_t)(port.p[i] - '0');
	}
	if (v == 0 || v > UINT16_MAX || ip_parse(host, &out->addr) != ST_OK)
		return false;
	out->port = (uint16_t)v;
	return true;
}

static bool unspecified(const struct ip_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->b, zero, sizeof zero) == 0;
}

static uint8_t type_at(struct json_object *types, size_t i)
{
	struct json_object *v = types != NULL && i < json_object_array_length(types) ? json_object_array_get_idx(types, i) : NULL;
	int64_t t = json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;

	return t < 0 || t > UINT8_MAX ? 0 : (uint8_t)t;
}

static enum status read_endpoints(struct json_object *o, struct arena *a, struct map_request *r, struct err *err)
{
	struct json_object *list = NULL, *types = NULL;
	enum status s;
	size_t n;

	if ((s = json_get_arr(o, "Endpoints", &list, err)) != ST_OK ||
	    (s = json_get_arr(o, "EndpointTypes", &types, err)) != ST_OK)
		return s;
	r->has_endpoints = list != NULL || r->mode == MAP_UPDATE || r->mode == MAP_ONCE;
	n = list != NULL ? json_object_array_length(list) : 0;
	if (n > MAP_ENDPOINTS_MAX) {
		err_set(err, "Endpoints has more than %d entries", MAP_ENDPOINTS_MAX);
		return ST_TOO_BIG;
	}
	r->endpoints = ARENA_ARRAY(a, struct endpoint, n);
	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_array_get_idx(list, i);
		struct endpoint e = { .type = type_at(types, i) };

		if (!json_object_is_type(v, json_type_string) ||
		    !addr_port(bytes_of(json_object_get_string(v), (size_t)json_object_get_string_len(v)), &e) ||
		    unspecified(&e.addr))
			r->n_dropped++;
		else
			r->endpoints[r->n_endpoints++] = e;
	}
	return ST_OK;
}

static enum status read_hostinfo(struct json_object *o, struct arena *a, struct map_request *r, struct err *err)
{
	struct json_object *h, *net = NULL;
	int64_t region = 0;
	enum status s = proto_raw_object(o, "Hostinfo", a, &r->hostinfo, err);

	h = proto_member(o, "Hostinfo");
	if (s != ST_OK || h == NULL)
		return s;
	s = json_get_obj(h, "NetInfo", &net, err);
	if (s == ST_OK && net != NULL)
		s = json_get_i64(net, "PreferredDERP", &region, err);
	if (s != ST_OK)
		err_prefix(err, "Hostinfo");
	else if (region > 0 && region <= UINT16_MAX) /* clients hold it in 16 bits in places */
		r->home_derp = (uint32_t)region;
	return s;
}

static enum status read_flags(struct json_object *o, struct arena *a, struct map_request *r, struct err *err)
{
	struct json_object *list = NULL;
	enum status s = json_get_arr(o, "DebugFlags", &list, err);
	size_t n;

	if (s != ST_OK || list == NULL)
		return s;
	n = json_object_array_length(list);
	n = n > MAP_DEBUG_FLAGS_MAX ? MAP_DEBUG_FLAGS_MAX : n;
	r->debug_flags = ARENA_ARRAY(a, const char *, n);
	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_array_get_idx(list, i);

		if (json_object_is_type(v, json_type_string))
			r->debug_flags[r->n_debug_flags++] = arena_strdup(a, json_object_get_string(v));
	}
	return ST_OK;
}

static enum status read_mode(struct json_object *o, struct map_request *r, struct err *err)
{
	bool stream = false, read_only = false;
	const char *compress = "";
	enum status s;

	if ((s = json_get_bool(o, "Stream", &stream, err)) != ST_OK ||
	    (s = json_get_bool(o, "OmitPeers", &r->omit_peers, err)) != ST_OK ||
	    (s = json_get_bool(o, "ReadOnly", &read_only, err)) != ST_OK ||
	    (s = json_get_bool(o, "KeepAlive", &r->keep_alive, err)) != ST_OK ||
	    (s = json_get_str(o, "Compress", &compress, err)) != ST_OK)
		return s;
	if (compress[0] != '\0' && strcmp(compress, "zstd") != 0) {
		err_set(err, "Compress: only zstd is known");
		return ST_BAD_INPUT;
	}
	r->format = compress[0] != '\0' ? MAP_ZSTD : MAP_PLAIN;
	if (read_only)
		r->mode = MAP_READ_ONLY;
	else if (stream)
		r->mode = MAP_STREAM;
	else
		r->mode = r->omit_peers ? MAP_UPDATE : MAP_ONCE;
	return ST_OK;
}

enum status map_request_parse(struct bytes body, struct arena *a, struct map_request *out, struct err *err)
{
	struct map_request r = { .tka_head = "" };
	struct json_object *o = NULL;
	enum status s = proto_object(body, MAP_REQUEST_MAX, &o, err);

	if (s != ST_OK)
		return s;
	if ((s = read_mode(o, &r, err)) == ST_OK && (s = proto_version(o, "Version", &r.version, err)) == ST_OK &&
	    (s = proto_key(o, "NodeKey", KEY_NODE, r.node_key.b, err)) == ST_OK &&
	    (s = proto_key(o, "DiscoKey", KEY_DISCO, r.disco_key.b, err)) == ST_OK &&
	    (s = read_endpoints(o, a, &r, err)) == ST_OK && (s = read_hostinfo(o, a, &r, err)) == ST_OK &&
	    (s = read_flags(o, a, &r, err)) == ST_OK)
		s = proto_text(o, "TKAHead", TEXT_MAX, a, &r.tka_head, err);
	if (s == ST_OK && node_key_is_zero(&r.node_key)) {
		err_set(err, "NodeKey is missing or zero");
		s = ST_BAD_INPUT;
	}
	json_object_put(o);
	if (s == ST_OK)
		*out = r;
	return s;
}
