/*
 * http/head.h -- a head being read: names and values in pieces, then an array.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "base/vec.h"
#include "http/http.h"

/* Texts stand in one buffer, each with a NUL behind it, as offsets while it grows. */
struct http_head {
	struct buf text;
	VEC(uint32_t) at; /* target, then name and value in turn */
	bool in_value;
	size_t max_headers;
};

/** max_bytes: of all texts together. */
void http_head_init(struct http_head *h, size_t max_bytes, size_t max_headers);
void http_head_release(struct http_head *h);
/** Pieces; ST_TOO_BIG over a limit, ST_BAD_INPUT on a NUL. */
enum status http_head_target(struct http_head *h, struct bytes b) MUST_CHECK;
enum status http_head_name(struct http_head *h, struct bytes b) MUST_CHECK;
enum status http_head_value(struct http_head *h, struct bytes b) MUST_CHECK;
/** A whole name and value. */
enum status http_head_pair(struct http_head *h, struct bytes name, struct bytes value) MUST_CHECK;
/**
 * Everything into the arena: names in lower case, values without blanks around them. target_out may be NULL. ST_BAD_INPUT on
 * control characters in values.
 */
enum status http_head_finish(struct http_head *h, struct arena *a, const char **target_out,
			     const struct http_header **headers_out, size_t *n_out) MUST_CHECK;

#endif
