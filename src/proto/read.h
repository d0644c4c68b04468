/* proto/read.h -- what the parsers of this room share: members of other types than json_in.h has. */
#ifndef PROTO_READ_H
#define PROTO_READ_H

#include "base/arena.h"
#include "base/json_in.h"
#include "crypto/keys.h"

/** The root of a request: an object of at most max bytes. Returned (json_object_put). */
enum status read_root(struct bytes in, size_t max, struct json_object **out, struct err *err) MUST_CHECK;
/** A key in its text form; absent and null leave zeros. */
enum status read_key(struct json_object *o, const char *name, enum key_kind kind, uint8_t out[static KEY_LEN], struct err *err) MUST_CHECK;
/** An object member as JSON text again, compact, from the arena; absent and null: n = 0. */
enum status read_object_text(struct json_object *o, const char *name, struct arena *a, struct bytes *out, struct err *err) MUST_CHECK;

#endif
