/*
 * http/router.c -- see http/router.h.
 *
 * A tree of segments. Under each: children by text (few; a list), one {parameter}, one rest. Text is tried first, and if
 * what follows does not fit, the parameter, then the rest: a path has at most SEGMENTS_MAX segments, so the walk is bounded
 * by the size of the tree.
 */
#include "http/router.h"

#include <assert.h>
#include <stdlib.h>

#include "http/http_priv.h"

#define SEGMENTS_MAX 32u
#define PARAMS_MAX   8u

struct entry {
	struct http_route route; /* strings owned */
	char *params[PARAMS_MAX];
	size_t n_params;
	struct entry *next;      /* same pattern, other methods */
};

struct node {
	char *text;
	struct node *kids, *next; /* by text */
	struct node *param;
	struct entry *here, *rest;
};

struct http_router {
	struct node root;
	http_check_fn *check;
	void *check_arg;
	http_handler_fn *fallback;
	void *fallback_arg;
	http_req_fn *before;
	void *before_arg;
};

struct http_router *http_router_new(void)
{
	return xcalloc(1, sizeof(struct http_router));
}

static void free_entries(struct entry *e)
{
	while (e) {
		struct entry *next = e->next;

		for (size_t i = 0; i < e->n_params; i++)
			free(e->params[i]);
		free((char *)e->route.methods);
		free((char *)e->route.pattern);
		free((char *)e->route.name);
		free(e);
		e = next;
	}
}

static void free_node(struct node *n)
{
	struct node *kid = n->kids;

	while (kid) {
		struct node *next = kid->next;

		free_node(kid);
		free(kid);
		kid = next;
	}
	if (n->param)
		free_node(n->param);
	free(n->param);
	free_entries(n->here);
	free_entries(n->rest);
	free(n->text);
}

void http_router_free(struct http_router **rp)
{
	struct http_router *r = *rp;

	*rp = NULL;
	if (!r)
		return;
	free_node(&r->root);
	free(r);
}

static struct node *kid_of(struct node *n, const char *seg, size_t len)
{
	struct node *k;

	for (k = n->kids; k; k = k->next)
		if (strlen(k->text) == len && memcmp(k->text, seg, len) == 0)
			return k;
	return NULL;
}

static struct node *make_kid(struct node *n, const char *seg, size_t len)
{
	struct node *k = kid_of(n, seg, len);

	if (k)
		return k;
	k = xcalloc(1, sizeof *k);
	k->text = bytes_strdup(bytes_of(seg, len));
	k->next = n->kids;
	n->kids = k;
	return k;
}

/* The methods are separated by blanks. */
static bool names_method(const char *methods, const char *m)
{
	size_t len = strlen(m);

	for (const char *p = methods; *p; p += strcspn(p, " ")) {
		p += strspn(p, " ");
		if (*p == '*' || (strncmp(p, m, len) == 0 && (p[len] == ' ' || p[len] == 0)))
			return true;
	}
	return false;
}

static void refuse_double(const struct entry *list, const struct http_route *route)
{
	char *copy = xstrdup(route->methods), *save = NULL;

	for (; list; list = list->next)
		for (char *m = strtok_r(copy, " ", &save); m; m = strtok_r(NULL, " ", &save))
			assert(!names_method(list->route.methods, m));
	free(copy);
}

void http_router_add(struct http_router *r, const struct http_route *route)
{
	struct entry *e = xcalloc(1, sizeof *e), **list = NULL;
	const char *p = route->pattern;
	struct node *n = &r->root;

	assert(*p == '/' && route->auth != 0 && route->fn);
	while (*p == '/') {
		size_t len = strcspn(++p, "/");

		if (len == 1 && *p == '*') {
			assert(p[1] == 0);
			list = &n->rest;
		} else if (*p == '{') {
			assert(len > 2 && p[len - 1] == '}' && e->n_params < PARAMS_MAX);
			e->params[e->n_params++] = bytes_strdup(bytes_of(p + 1, len - 2));
			if (!n->param)
				n->param = xcalloc(1, sizeof *n->param);
			n = n->param;
		} else {
			n = make_kid(n, p, len);
		}
		p += len;
	}
	if (!list)
		list = &n->here;
	refuse_double(*list, route);
	e->route = *route;
	e->route.methods = xstrdup(route->methods);
	e->route.pattern = xstrdup(route->pattern);
	e->route.name = xstrdup(route->name ? route->name : route->pattern);
	while (*list)
		list = &(*list)->next;
	*list = e;
}

void http_router_add_all(struct http_router *r, const struct http_route *routes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		http_router_add(r, &routes[i]);
}

void http_router_set_check(struct http_router *r, http_check_fn *fn, void *arg)
{
	r->check = fn;
	r->check_arg = arg;
}

void http_router_set_fallback(struct http_router *r, http_handler_fn *fn, void *arg)
{
	r->fallback = fn;
	r->fallback_arg = arg;
}

void http_router_set_before(struct http_router *r, http_req_fn *fn, void *arg)
{
	r->before = fn;
	r->before_arg = arg;
}

/* ---- looking up ---- */

struct walk {
	struct arena *arena;
	const char *seg[SEGMENTS_MAX + 1]; /* beginnings, behind each '/' */
	size_t len[SEGMENTS_MAX], n;
	const char *values[PARAMS_MAX];
	size_t n_values;
	const char *method;
	struct entry *found;
	bool other; /* the path exists, the method does not */
	const char *rest;
	struct buf *allow;
};

static void note_allowed(struct walk *w, const struct entry *e)
{
	for (; e; e = e->next) {
		if (w->allow->n)
			buf_put_str(w->allow, ", ");
		for (const char *p = e->route.methods; *p; p++)
			buf_put_str(w->allow, *p == ' ' ? ", " : (char[]){ *p, 0 });
		w->other = true;
	}
}

static bool take(struct walk *w, struct entry *list)
{
	for (struct entry *e = list; e; e = e->next) {
		if (names_method(e->route.methods, w->method) ||
		    (strcmp(w->method, "HEAD") == 0 && names_method(e->route.methods, "GET"))) {
			w->found = e;
			return true;
		}
	}
	note_allowed(w, list);
	return false;
}

static bool walk(struct walk *w, struct node *n, size_t i)
{
	struct node *k;

	if (i == w->n && n->here && take(w, n->here))
		return true;
	if (i < w->n) {
		k = kid_of(n, w->seg[i], w->len[i]);
		if (k && walk(w, k, i + 1))
			return true;
		if (n->param && w->len[i] && w->n_values < PARAMS_MAX) {
			const char *v = http_decode(w->arena, w->seg[i], w->len[i], false);

			if (v) {
				w->values[w->n_values++] = v;
				if (walk(w, n->param, i + 1))
					return true;
				w->n_values--;
			}
		}
	}
	if (n->rest && i <= w->n && take(w, n->rest)) {
		w->rest = w->seg[i];
		return true;
	}
	return false;
}

static void cut(struct walk *w, const char *path)
{
	while (*path == '/' && w->n < SEGMENTS_MAX) {
		path++;
		w->seg[w->n] = path;
		w->len[w->n] = strcspn(path, "/");
		path += w->len[w->n++];
	}
	w->seg[w->n] = path; /* what is left, usually "" */
}

static void fill_params(struct walk *w, struct http_req *req)
{
	struct http_pair *v = ARENA_ARRAY(req->arena, struct http_pair, w->n_values + 1);

	for (size_t i = 0; i < w->n_values; i++)
		v[i] = (struct http_pair){ w->found->params[i], w->values[i] };
	req->n_params = w->n_values;
	if (w->rest) {
		const char *rest = http_decode(req->arena, w->rest, strlen(w->rest), false);

		v[req->n_params++] = (struct http_pair){ "*", rest ? rest : "" };
	}
	req->params = v;
}

void http_router_find(const struct http_router *r, struct http_req *req, const struct http_route **route_out,
		      const char **allow_out)
{
	struct buf allow;
	struct walk w = { .arena = req->arena, .method = req->method, .allow = &allow };

	buf_init(&allow, 1024);
	*route_out = NULL;
	*allow_out = NULL;
	cut(&w, req->raw_path);
	if (*w.seg[w.n] == 0 && walk(&w, (struct node *)&r->root, 0)) {
		fill_params(&w, req);
		*route_out = &w.found->route;
	} else if (w.other) {
		*allow_out = arena_strndup(req->arena, allow.p, allow.n);
	}
	req->route = *route_out;
	buf_release(&allow);
}

void http_router_resume(const struct http_router *r, struct http_req *req)
{
	(void)r;
	req->route->fn(req->route->arg, req);
}

static void no_route(const struct http_router *r, struct http_req *req, const char *allow)
{
	if (allow) {
		http_resp_header(req, "Allow", allow);
		if (strcmp(req->method, "OPTIONS") == 0)
			http_respond(req, 204, NULL, (struct bytes){ 0 });
		else
			http_respond_text(req, 405, "method not allowed");
	} else if (r->fallback) {
		r->fallback(r->fallback_arg, req);
	} else {
		http_respond_text(req, 404, "not found");
	}
}

void http_router_dispatch(const struct http_router *r, struct http_req *req)
{
	const struct http_route *route;
	const char *allow;

	if (r->before)
		r->before(r->before_arg, req);
	http_router_find(r, req, &route, &allow);
	if (!route) {
		no_route(r, req, allow);
		return;
	}
	if (!r->check) {
		http_respond_text(req, 403, "forbidden");
		return;
	}
	if (r->check(r->check_arg, req) == HTTP_ALLOW)
		route->fn(route->arg, req);
}
