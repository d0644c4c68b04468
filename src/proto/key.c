/* proto/key.c -- see proto/key.h; and how members of requests are read (proto/proto_priv.h). */
#include "proto/key.h"

#include "proto/proto_priv.h"

void key_response_encode(const struct machine_key *noise, struct buf *b)
{
	static const struct machine_key zero;
	char text[KEY_TEXT_MAX];

	machine_key_format(&zero, text);
	buf_printf(b, "{\"legacyPublicKey\":\"%s\",", text);
	machine_key_format(noise, text);
	buf_printf(b, "\"publicKey\":\"%s\"}\n", text);
}

enum status proto_object(struct bytes body, size_t max, struct json_object **out, struct err *err)
{
	struct json_object *o = NULL;
	enum status s = json_parse(body, max, &o, err);

	if (s != ST_OK)
		return s;
	if (!json_object_is_type(o, json_type_object)) {
		err_set(err, "not a JSON object");
		json_object_put(o);
		return ST_BAD_INPUT;
	}
	*out = o;
	return ST_OK;
}

struct json_object *proto_member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, name, &v) ? v : NULL;
}

enum status proto_text(struct json_object *o, const char *name, size_t max, struct arena *a, const char **out,
		       struct err *err)
{
	struct json_object *v = proto_member(o, name);
	size_t n;

	*out = "";
	if (v == NULL)
		return ST_OK;
	if (!json_object_is_type(v, json_type_string)) {
		err_set(err, "%s is not a string", name);
		return ST_BAD_INPUT;
	}
	n = (size_t)json_object_get_string_len(v);
	if (n > max) {
		err_set(err, "%s is longer than %zu bytes", name, max);
		return ST_TOO_BIG;
	}
	if (memchr(json_object_get_string(v), 0, n) != NULL) {
		err_set(err, "%s holds NUL", name);
		return ST_BAD_INPUT;
	}
	*out = arena_strndup(a, json_object_get_string(v), n);
	return ST_OK;
}

enum status proto_key(struct json_object *o, const char *name, enum key_kind kind, uint8_t *out, struct err *err)
{
	struct json_object *v = proto_member(o, name);

	if (v == NULL)
		return ST_OK;
	if (!json_object_is_type(v, json_type_string) ||
	    key_text_parse(kind, bytes_of(json_object_get_string(v), (size_t)json_object_get_string_len(v)), out) != ST_OK) {
		err_set(err, "%s is not of the form %s<64 hex digits>", name, key_prefix(kind));
		return ST_BAD_INPUT;
	}
	return ST_OK;
}

enum status proto_version(struct json_object *o, const char *name, uint32_t *out, struct err *err)
{
	int64_t v = 0;
	enum status s = json_get_i64(o, name, &v, err);

	if (s != ST_OK)
		return s;
	if (v < 0 || v > INT32_MAX) {
		err_set(err, "%s is out of range", name);
		return ST_BAD_INPUT;
	}
	*out = (uint32_t)v;
	return ST_OK;
}

enum status proto_raw_object(struct json_object *o, const char *name, struct arena *a, struct bytes *out, struct err *err)
{
	struct json_object *v = proto_member(o, name);
	const char *text;
	size_t n;

	*out = bytes_of(NULL, 0);
	if (v == NULL)
		return ST_OK;
	if (!json_object_is_type(v, json_type_object)) {
		err_set(err, "%s is not an object", name);
		return ST_BAD_INPUT;
	}
	text = json_object_to_json_string_length(v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);
	*out = arena_bytes_dup(a, bytes_of(text, n));
	return ST_OK;
}
