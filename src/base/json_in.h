/*
 * base/json_in.h -- read JSON strictly, through json-c, with bounds set before.
 *
 * The tree is json-c's (struct json_object); this header adds the strict parse and typed getters
 * that say which member is wrong. Names are matched exactly; duplicate names: the last wins.
 */
#ifndef BASE_JSON_IN_H
#define BASE_JSON_IN_H

#include <json-c/json.h>

#include "base/bytes.h"
#include "base/status.h"

#define JSON_DEPTH_MAX 64

/**
 * Parse one JSON text that fills `in` whole (white space around it allowed).
 *
 * max_bytes  refuse longer input before reading it (ST_TOO_BIG).
 * out        set on ST_OK: returned, json_object_put() it; NULL for the text `null`.
 * ST_BAD_INPUT  malformed, deeper than JSON_DEPTH_MAX, not UTF-8, or followed by more; err says where (offset).
 */
enum status json_parse(struct bytes in, size_t max_bytes, struct json_object **out, struct err *err) MUST_CHECK;

/*
 * Members of an object. Absent and null leave *out as it is and are ST_OK; a value of another type is
 * ST_BAD_INPUT and err names the member. Strings are borrowed from the tree.
 */
enum status json_get_str(struct json_object *o, const char *name, const char **out, struct err *err) MUST_CHECK;
enum status json_get_bool(struct json_object *o, const char *name, bool *out, struct err *err) MUST_CHECK;
enum status json_get_i64(struct json_object *o, const char *name, int64_t *out, struct err *err) MUST_CHECK;
/** As a number, or as a string of decimal digits (protobuf JSON writes 64-bit integers so). */
enum status json_get_u64_text(struct json_object *o, const char *name, uint64_t *out, struct err *err) MUST_CHECK;
enum status json_get_obj(struct json_object *o, const char *name, struct json_object **out, struct err *err) MUST_CHECK;
enum status json_get_arr(struct json_object *o, const char *name, struct json_object **out, struct err *err) MUST_CHECK;
/** RFC 3339 text to ns since 1970; Go's zero time (year 1) gives INT64_MIN. */
enum status json_get_time(struct json_object *o, const char *name, int64_t *unix_ns_out, struct err *err) MUST_CHECK;

#endif
