/*
 * base/json_out.h -- write JSON onto a buffer, commas kept by the writer.
 *
 *     jw_obj_begin(&w); jw_key(&w, "ID"); jw_u64(&w, 7); jw_obj_end(&w);
 *
 * The hot path of the mapper: no allocation but the buffer's growth. Output is compact. Strings are
 * written as UTF-8; bytes that are none become U+FFFD; NUL and controls are escaped.
 */
#ifndef BASE_JSON_OUT_H
#define BASE_JSON_OUT_H

#include "base/buf.h"

struct jw {
	struct buf *b; /* borrowed */
	bool comma;    /* the next value needs a comma before it */
};

static inline void jw_init(struct jw *w, struct buf *b)
{
	w->b = b;
	w->comma = false;
}
void jw_obj_begin(struct jw *w);
void jw_obj_end(struct jw *w);
void jw_arr_begin(struct jw *w);
void jw_arr_end(struct jw *w);
/** A member's name; plain ASCII without characters that need escapes goes out as it is. */
void jw_key(struct jw *w, const char *name);
void jw_key_bytes(struct jw *w, struct bytes name); /* any text, escaped */
void jw_str(struct jw *w, const char *s);           /* NULL is written as "" */
void jw_str_bytes(struct jw *w, struct bytes s);
void jw_u64(struct jw *w, uint64_t v);
void jw_i64(struct jw *w, int64_t v);
void jw_double(struct jw *w, double v); /* shortest form that reads back equal; finite only, else null */
void jw_bool(struct jw *w, bool v);
void jw_null(struct jw *w);
/** Text that is JSON already (one value), taken as it is. */
void jw_raw(struct jw *w, struct bytes json);
/** RFC 3339 in UTC with as many fractional digits as needed; ns since 1970. */
void jw_time(struct jw *w, int64_t unix_ns);

/* A member in one call. */
static inline void jw_kstr(struct jw *w, const char *k, const char *s) { jw_key(w, k); jw_str(w, s); }
static inline void jw_ku64(struct jw *w, const char *k, uint64_t v) { jw_key(w, k); jw_u64(w, v); }
static inline void jw_ki64(struct jw *w, const char *k, int64_t v) { jw_key(w, k); jw_i64(w, v); }
static inline void jw_kbool(struct jw *w, const char *k, bool v) { jw_key(w, k); jw_bool(w, v); }
static inline void jw_ktime(struct jw *w, const char *k, int64_t ns) { jw_key(w, k); jw_time(w, ns); }

#endif
