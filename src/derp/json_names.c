/* derp/json_names.c -- see derp/json_names.h. */
#include "derp/json_names.h"

#include <json-c/json.h>
#include <strings.h>

struct json_object *json_member_any_case(struct json_object *o, const char *name)
{
	struct json_object_iterator it = json_object_iter_begin(o), end = json_object_iter_end(o);
	struct json_object *found = NULL;

	for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it))
		if (strcasecmp(json_object_iter_peek_name(&it), name) == 0)
			found = json_object_iter_peek_value(&it);
	return found;
}
