/*
 * api/list.h -- what all lists of the API share: which elements, in what order, how many, and whether they changed.
 *
 * Without parameters a list is what the Go server answers. `limit` and `offset` cut a piece out of it, `sort` orders it
 * (a member's name, with - before it downwards), filters are each list's own. X-Total-Count says how many elements there
 * are before the cut. An ETag says what was answered; the same If-None-Match is answered with 304.
 */
#ifndef API_LIST_H
#define API_LIST_H

#include "http/http.h"

/* <0, 0, >0 like strcmp. */
typedef int api_compare_fn(const void *a, const void *b);

struct api_sort {
	const char *name; /* as in the query; NULL ends a table */
	api_compare_fn *compare;
};

struct api_list {
	api_compare_fn *compare; /* NULL: as they come, by number */
	bool down;
	uint64_t limit, offset;  /* limit UINT64_MAX: no limit */
};

/** Read sort, limit and offset. False: answered with 400 or 422 that names the parameter. */
bool api_list_parse(struct http_req *r, const struct api_sort *sorts, struct api_list *out);

/* A filter that may be true, false, or not given. */
enum api_wish { API_ANY, API_YES, API_NO };
/** False: answered with 422. */
bool api_wish_parse(struct http_req *r, const char *name, enum api_wish *out);
bool api_wish_fits(enum api_wish w, bool fact);

/** A query parameter that is there and not empty; else NULL. */
const char *api_given(struct http_req *r, const char *name);

/** Does text fit the pattern, in which * is any run of characters? Without regard to upper and lower case (ASCII). Pure. */
bool api_like(const char *pattern, const char *text);

/**
 * Order the n elements and cut the piece out: from *first_out on, *n_out of them. Sets X-Total-Count. Elements that
 * compare equal keep their order.
 */
void api_list_cut(struct http_req *r, const struct api_list *l, const void **v, size_t n, size_t *first_out, size_t *n_out);

/** Set the ETag; true: the client has it, 304 was answered. `tag`: printable, without quotes. */
bool api_etag(struct http_req *r, const char *tag);
/** A tag of what the bytes are; 17 bytes with its end. */
void api_tag_of(struct bytes b, char out[static 17]);

#endif
