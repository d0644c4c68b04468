/* derp/json_names.h -- members of JSON objects whose names are matched without regard to case, as Go does it. Pure. */
#ifndef DERP_JSON_NAMES_H
#define DERP_JSON_NAMES_H

struct json_object;

/** The last member of an object whose name is `name` in any case; borrowed. NULL: none, or null. */
struct json_object *json_member_any_case(struct json_object *o, const char *name);

#endif
