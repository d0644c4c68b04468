/* proto/proto_priv.h -- members of requests, read the same way everywhere. Any thread. */
#ifndef PROTO_PRIV_H
#define PROTO_PRIV_H

#include "base/arena.h"
#include "base/json_in.h"
#include "crypto/keys.h"

/** An object of at most max bytes. Returned: json_object_put(). */
enum status proto_object(struct bytes body, size_t max, struct json_object **out, struct err *err) MUST_CHECK;
/** The member, or NULL if it is absent or null. Borrowed. */
struct json_object *proto_member(struct json_object *o, const char *name);
/** A text into the arena; "" if absent or null. ST_TOO_BIG above max bytes. */
enum status proto_text(struct json_object *o, const char *name, size_t max, struct arena *a, const char **out,
		       struct err *err) MUST_CHECK;
/** A key into out[KEY_LEN]; absent or null leaves zeros. */
enum status proto_key(struct json_object *o, const char *name, enum key_kind kind, uint8_t *out, struct err *err) MUST_CHECK;
/** A number of 0..2^31-1; absent or null is 0. */
enum status proto_version(struct json_object *o, const char *name, uint32_t *out, struct err *err) MUST_CHECK;
/** An object as compact text in the arena; n = 0 if absent or null. */
enum status proto_raw_object(struct json_object *o, const char *name, struct arena *a, struct bytes *out, struct err *err)
	MUST_CHECK;

#endif
