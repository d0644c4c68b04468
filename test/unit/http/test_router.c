/* test/unit/http/test_router.c -- which handler a path leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "http/router.h"

static void never(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
	fail();
}

static const struct http_route routes[] = {
	{ "GET", "/", never, NULL, 1, .name = "root" },
	{ "GET", "/api/v1/node", never, NULL, 1, .name = "nodes" },
	{ "POST", "/api/v1/node", never, NULL, 1, .name = "make" },
	{ "GET DELETE", "/api/v1/node/{id}", never, NULL, 1, .name = "node" },
	{ "GET", "/api/v1/node/self", never, NULL, 1, .name = "self" },
	{ "POST", "/api/v1/node/{id}/tags", never, NULL, 1, .name = "tags" },
	{ "GET", "/api/v1/node/self/deep/er", never, NULL, 1, .name = "deeper" },
	{ "GET", "/assets/*", never, NULL, 1, .name = "assets" },
	{ "GET", "/a/{x}/b/{y}", never, NULL, 1, .name = "two" },
	{ "GET", "/a/*", never, NULL, 1, .name = "rest of a" },
	{ "*", "/any", never, NULL, 1, .name = "any" },
};

static void every_path_finds_its_route(void **state)
{
	static const struct {
		const char *method, *path, *name, *param, *value, *allow;
	} cases[] = {
		{ "GET", "/", "root" },
		{ "GET", "/api/v1/node", "nodes" },
		{ "POST", "/api/v1/node", "make" },
		{ "HEAD", "/api/v1/node", "nodes" },
		{ "PUT", "/api/v1/node", NULL, NULL, NULL, "GET, POST" },
		{ "GET", "/api/v1/node/", NULL },
		{ "GET", "/api/v1/node/7", "node", "id", "7" },
		{ "DELETE", "/api/v1/node/a%2Fb%20c", "node", "id", "a/b c" },
		{ "GET", "/api/v1/node/self", "self" },
		{ "DELETE", "/api/v1/node/self", "node", "id", "self" }, /* text first, but not at any price */
		{ "POST", "/api/v1/node/self/tags", "tags", "id", "self" },
		{ "GET", "/api/v1/node/self/deep/er", "deeper" },
		{ "GET", "/api/v1/node/self/deep", NULL },
		{ "GET", "/assets/css/a.css", "assets", "*", "css/a.css" },
		{ "GET", "/assets/", "assets", "*", "" },
		{ "GET", "/assets", "assets", "*", "" },
		{ "POST", "/assets/x", NULL, NULL, NULL, "GET" },
		{ "GET", "/a/1/b/2", "two", "y", "2" },
		{ "GET", "/a/1/c", "rest of a", "*", "1/c" },
		{ "GET", "/a//b/2", "rest of a", "*", "/b/2" },
		{ "PATCH", "/any", "any" },
		{ "GET", "/anything", NULL },
		{ "GET", "/API/v1/node", NULL },
		{ "GET", "*", NULL },
		{ "GET", "/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5", NULL },
	};
	struct http_router *r = http_router_new();

	(void)state;
	http_router_add_all(r, routes, sizeof routes / sizeof *routes);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_req q = { .arena = arena_new(), .method = cases[i].method, .raw_path = cases[i].path };
		const struct http_route *route;
		const char *allow;

		print_message("%s %s\n", cases[i].method, cases[i].path);
		http_router_find(r, &q, &route, &allow);
		if (cases[i].name) {
			assert_non_null(route);
			assert_string_equal(route->name, cases[i].name);
		} else {
			assert_null(route);
		}
		if (cases[i].allow)
			assert_string_equal(allow, cases[i].allow);
		else
			assert_null(allow);
		if (cases[i].param)
			assert_string_equal(http_req_param(&q, cases[i].param), cases[i].value);
		for (size_t k = 0; k < q.n_params; k++)
			assert_non_null(q.params[k].name);
		if (cases[i].param && strcmp(cases[i].param, "*") == 0)
			assert_int_equal(q.n_params, 1); /* nothing is left of a way that led nowhere */
		arena_free(&q.arena);
	}
	http_router_free(&r);
}

struct answer {
	struct http_req r;
	int status;
	unsigned ran;
	enum http_verdict verdict;
};

static void on_respond(struct http_req *r, int status, struct bytes body, struct shared_bytes *shared)
{
	(void)body;
	(void)shared;
	((struct answer *)r)->status = status;
}
static const struct http_req_ops ops = { .respond = on_respond };

static void run(void *arg, struct http_req *r)
{
	(void)arg;
	((struct answer *)r)->ran++;
}
static enum http_verdict check(void *arg, struct http_req *r)
{
	(void)arg;
	assert_int_equal(r->route->auth, 7);
	return ((struct answer *)r)->verdict;
}

static struct answer ask(const struct http_router *router, enum http_verdict v)
{
	struct answer a = { .r = { .arena = arena_new(), .method = "GET", .raw_path = "/x", .ops = &ops }, .verdict = v };

	http_router_dispatch(router, &a.r);
	if (v == HTTP_LATER) {
		assert_int_equal(a.ran, 0);
		http_router_resume(router, &a.r);
	}
	arena_free(&a.r.arena);
	return a;
}

static void nothing_is_open_without_a_check(void **state)
{
	struct http_router *r = http_router_new();
	const struct http_route route = { "GET", "/x", run, NULL, 7 };
	struct answer a;

	(void)state;
	http_router_add(r, &route);
	a = ask(r, HTTP_ALLOW);
	assert_int_equal(a.status, 403);
	assert_int_equal(a.ran, 0);
	http_router_set_check(r, check, NULL);
	assert_int_equal(ask(r, HTTP_ALLOW).ran, 1);
	assert_int_equal(ask(r, HTTP_REFUSED).ran, 0);
	assert_int_equal(ask(r, HTTP_LATER).ran, 1);
	http_router_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_path_finds_its_route),
		cmocka_unit_test(nothing_is_open_without_a_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
