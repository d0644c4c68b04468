/* derp/limits.c -- see derp/limits.h. */
#include "derp/limits.h"

#include "base/json_in.h"

static enum status get(struct json_object *o, const char *name, uint64_t *out, struct err *err)
{
	int64_t v = 0;
	enum status s = json_get_i64(o, name, &v, err);

	if (s == ST_OK && v < 0) {
		err_set(err, "%s must not be negative", name);
		s = ST_BAD_INPUT;
	}
	if (s == ST_OK)
		*out = (uint64_t)v;
	return s;
}

static enum status read_limits(struct json_object *o, struct derp_limits *l, struct err *err)
{
	enum status s = get(o, "PerClientRateLimitBytesPerSec", &l->per_conn.per_s, err);

	if (s == ST_OK)
		s = get(o, "PerClientRateBurstBytes", &l->per_conn.burst, err);
	if (s == ST_OK)
		s = get(o, "PerNodeRateLimitBytesPerSec", &l->per_node.per_s, err);
	if (s == ST_OK)
		s = get(o, "PerNodeRateBurstBytes", &l->per_node.burst, err);
	return s;
}

enum status derp_limits_parse(struct bytes json, struct derp_limits *out, struct err *err)
{
	struct json_object *o = NULL;
	struct derp_limits l = { 0 };
	enum status s = json_parse(json, 65536, &o, err);

	if (s == ST_OK && !json_object_is_type(o, json_type_object)) {
		err_set(err, "rate limits must be an object");
		s = ST_BAD_INPUT;
	}
	if (s == ST_OK)
		s = read_limits(o, &l, err);
	if (s == ST_OK)
		*out = l;
	json_object_put(o);
	return s;
}
