/*
 * policy/hujson.h -- HuJSON: JSON with comments and trailing commas, read into a tree with positions.
 *
 *     // a comment
 *     { "acls": [ "x", ], }
 *
 * Strict otherwise (RFC 8259, UTF-8). Members keep their order; two members of one name are an error.
 * Time is linear in the text, memory bounded by HUJSON_VALUES_MAX. Pure; any thread.
 */
#ifndef POLICY_HUJSON_H
#define POLICY_HUJSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/status.h"

#define HUJSON_BYTES_MAX  ((size_t)16 << 20)
#define HUJSON_DEPTH_MAX  64
#define HUJSON_VALUES_MAX 1000000 /* values and comments */

enum hujson_type {
	HUJSON_NULL,
	HUJSON_BOOL,
	HUJSON_NUMBER,
	HUJSON_STRING,
	HUJSON_ARRAY,
	HUJSON_OBJECT,
};

struct hujson_value {
	enum hujson_type type;
	bool flag;		    /* BOOL */
	uint32_t pos;		    /* offset of its first byte */
	uint32_t end;		    /* offset after its last byte */
	uint32_t n;		    /* ARRAY, OBJECT: children */
	struct bytes text;	    /* STRING: decoded, UTF-8, may hold NUL; NUMBER: as written */
	struct bytes key;	    /* decoded name, if a member of an object */
	uint32_t key_pos;	    /* offset of the name */
	struct hujson_value *child; /* ARRAY, OBJECT: the first; NULL if none */
	struct hujson_value *next;  /* the next in the same array or object */
};

/* What standard JSON does not have: a comment, or a trailing comma (one byte, ','). */
struct hujson_extra {
	uint32_t pos, end; /* a line comment ends before its line end */
};

struct hujson {
	struct bytes text;	     /* borrowed: as given */
	struct hujson_value *root;   /* NULL if the text holds only blanks and comments */
	struct hujson_extra *extras; /* in the order of the text */
	size_t n_extras;
};

struct hujson_error {
	unsigned line, column; /* from 1; the column in bytes */
	char message[200];     /* what is wrong there, without the position */
};

/**
 * Parse a text that holds one value, or none at all.
 *
 * text       borrowed by the result: number texts and undecoded strings point into it.
 * a          everything made comes from here.
 * error_out  filled unless ST_OK; may be NULL.
 * ST_BAD_INPUT  malformed, not UTF-8, deeper than HUJSON_DEPTH_MAX, or a name twice.
 * ST_TOO_BIG    more than HUJSON_BYTES_MAX bytes or HUJSON_VALUES_MAX values.
 */
enum status hujson_parse(struct bytes text, struct arena *a, struct hujson *out,
			 struct hujson_error *error_out) MUST_CHECK;

/** The member of that exact name; NULL if there is none or v is no object. */
struct hujson_value *hujson_member(const struct hujson_value *v, const char *name);

/** Line and column, from 1, of an offset. Linear in the text before it: for messages only. */
void hujson_position(struct bytes text, uint32_t pos, unsigned *line_out, unsigned *column_out);

/** The whole text with comments and trailing commas overwritten by blanks (line ends kept): standard JSON of the same
 * length. */
void hujson_standardize(const struct hujson *h, struct buf *out);

/** One value as compact JSON: no blanks, no comments; numbers as written, strings escaped anew. */
void hujson_compact(const struct hujson_value *v, struct buf *out);

#endif
