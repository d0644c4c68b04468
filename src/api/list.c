/* api/list.c -- see api/list.h. */
#include "api/list.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/api_priv.h"
#include "base/vec.h"

const char *api_given(struct http_req *r, const char *name)
{
	const char *v = http_req_query(r, name);

	return v != NULL && v[0] != '\0' ? v : NULL;
}

static bool wrong(struct http_req *r, const char *name, const char *expected)
{
	api_problem(r, 422, "validation failed", expected, arena_printf(r->arena, "query.%s", name));
	return false;
}

static bool parse_sort(struct http_req *r, const struct api_sort *sorts, struct api_list *out)
{
	const char *text = api_given(r, "sort"), *all = "";

	if (text == NULL)
		return true;
	out->down = text[0] == '-';
	for (const struct api_sort *s = sorts; s->name != NULL; s++) {
		if (strcmp(s->name, text + out->down) == 0) {
			out->compare = s->compare;
			return true;
		}
		all = arena_printf(r->arena, "%s%s%s", all, all[0] != '\0' ? ", " : "", s->name);
	}
	return wrong(r, "sort", arena_printf(r->arena, "expected one of %s, with - before it for the other way", all));
}

bool api_list_parse(struct http_req *r, const struct api_sort *sorts, struct api_list *out)
{
	const char *limit = http_req_query(r, "limit"), *offset = http_req_query(r, "offset");

	*out = (struct api_list){ .limit = UINT64_MAX };
	return (limit == NULL || api_number(r, limit, "invalid limit", "query.limit", &out->limit)) &&
	       (offset == NULL || api_number(r, offset, "invalid offset", "query.offset", &out->offset)) &&
	       parse_sort(r, sorts, out);
}

bool api_wish_parse(struct http_req *r, const char *name, enum api_wish *out)
{
	const char *text = http_req_query(r, name);

	*out = API_ANY;
	if (text == NULL || text[0] == '\0')
		return true;
	if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
		*out = API_YES;
	else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
		*out = API_NO;
	else
		return wrong(r, name, "expected true or false");
	return true;
}

bool api_wish_fits(enum api_wish w, bool fact)
{
	return w == API_ANY || (w == API_YES) == fact;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool api_like(const char *pattern, const char *text)
{
	const char *star = NULL, *again = NULL;

	/* A later star makes up for an earlier one: going back to the last is enough. */
	while (*text != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			again = text;
		} else if (lower(*pattern) == lower(*text)) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star + 1;
			text = ++again;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

struct ranked {
	const void *element;
	size_t rank; /* where it stood: keeps equal ones in order */
};

static int by_list(const void *pa, const void *pb, void *arg)
{
	const struct ranked *a = pa, *b = pb;
	const struct api_list *l = arg;
	int c = l->compare(a->element, b->element);

	if (c != 0)
		return l->down ? -c : c;
	return a->rank < b->rank ? -1 : a->rank > b->rank;
}

static void order(const struct api_list *l, const void **v, size_t n)
{
	struct ranked *w = xcalloc(n + 1, sizeof *w);

	for (size_t i = 0; i < n; i++)
		w[i] = (struct ranked){ v[i], i };
	qsort_r(w, n, sizeof *w, by_list, (void *)l);
	for (size_t i = 0; i < n; i++)
		v[i] = w[i].element;
	free(w);
}

void api_list_cut(struct http_req *r, const struct api_list *l, const void **v, size_t n, size_t *first_out, size_t *n_out)
{
	char total[24];

	if (l->compare != NULL)
		order(l, v, n);
	*first_out = l->offset < n ? (size_t)l->offset : n;
	*n_out = l->limit < n - *first_out ? (size_t)l->limit : n - *first_out;
	snprintf(total, sizeof total, "%zu", n);
	http_resp_header(r, "X-Total-Count", total);
}

/* Is the tag in the list of If-None-Match ("*", or tags in quotes, W/ before them or not)? */
static bool among(const char *list, const char *quoted)
{
	const char *p = strstr(list, quoted);

	return strcmp(list, "*") == 0 || p != NULL;
}

bool api_etag(struct http_req *r, const char *tag)
{
	const char *have = http_req_header(r, "if-none-match"), *quoted = arena_printf(r->arena, "\"%s\"", tag);

	http_resp_header(r, "ETag", quoted);
	http_resp_header(r, "Cache-Control", "private, no-cache");
	if (have == NULL || !among(have, quoted))
		return false;
	http_respond(r, 304, NULL, (struct bytes){ 0, 0 });
	return true;
}

void api_tag_of(struct bytes b, char out[static 17])
{
	snprintf(out, 17, "%016llx", (unsigned long long)bytes_hash(BYTES_HASH_INIT, b));
}
