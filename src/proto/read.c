/* proto/read.c -- see proto/read.h. */
#include "proto/read.h"

enum status read_root(struct bytes in, size_t max, struct json_object **out, struct err *err)
{
	struct json_object *o = NULL;
	enum status s = json_parse(in, max, &o, err);

	if (s != ST_OK)
		return s;
	if (o == NULL || !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		err_set(err, "expected an object");
		return ST_BAD_INPUT;
	}
	*out = o;
	return ST_OK;
}

enum status read_key(struct json_object *o, const char *name, enum key_kind kind, uint8_t out[static KEY_LEN], struct err *err)
{
	const char *text = NULL;
	enum status s = json_get_str(o, name, &text, err);

	if (s != ST_OK || text == NULL)
		return s;
	s = key_text_parse(kind, bytes_of_str(text), out);
	if (s != ST_OK)
		err_set(err, "%s is no key", name);
	return s;
}

enum status read_object_text(struct json_object *o, const char *name, struct arena *a, struct bytes *out, struct err *err)
{
	struct json_object *v = NULL;
	const char *text;
	size_t n = 0;
	enum status s = json_get_obj(o, name, &v, err);

	if (s != ST_OK || v == NULL)
		return s;
	text = json_object_to_json_string_length(v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);
	*out = arena_bytes_dup(a, bytes_of(text, n));
	return ST_OK;
}
