/*
 * unit/api/fixture.h -- the API in front of a writer with a store in memory: what the tests of this room share.
 *
 * call() makes one request on a connection of its own and leaves the answer in `f`.
 */
#ifndef TEST_API_FIXTURE_H
#define TEST_API_FIXTURE_H

#include "api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "http/client.h"
#include "http/server.h"
#include "support/connection.h"

struct fixture {
	struct fake_disk *disk;
	struct state *state;
	struct loop *loop;
	struct api *api;
	struct http_router *open, *guarded; /* as behind the local socket, and as strangers reach it */
	struct http_server *servers[2];
	char key[KEY_SECRET_TEXT_MAX];
	struct snapshot *snap;
	/* the answer of the last call */
	bool done;
	enum status status;
	int code;
	char *body;
	size_t n;
	char etag[64], total[24], origin[64], methods[64]; /* headers of the answer, "" if not there */
	/* of the api; zero unless a test sets it before set_up() */
	struct api_opts opts;
};

static struct fixture f;

static void publish(void *arg, struct publication *p)
{
	(void)arg;
	(void)p;
}

static struct snapshot *snapshot(void *arg, struct loop *l)
{
	(void)arg;
	(void)l;
	snapshot_unref(&f.snap);
	f.snap = state_snapshot(f.state);
	return f.snap;
}

static void cors(void *arg, struct http_req *r)
{
	(void)arg;
	api_cors(f.api, r);
}

static struct http_router *router(http_check_fn *check)
{
	struct http_router *r = http_router_new();

	http_router_set_check(r, check, f.api);
	http_router_set_before(r, cors, NULL);
	api_add_routes(f.api, r);
	return r;
}

static int set_up(void **state)
{
	struct store *store = NULL;
	struct tailnet_settings *settings = tailnet_settings_new();

	(void)state;
	settings_set_text(&settings->server_url, "http://127.0.0.1:8080");
	assert_int_equal(ip_prefix_parse(BYTES_LIT("100.64.0.0/10"), &settings->prefix4), ST_OK);
	f.disk = fake_disk_new();
	assert_int_equal(store_open_fake(f.disk, &store, NULL), ST_OK);
	assert_int_equal(state_open(&(struct state_opts){ .store = store, .settings = settings, .publish = publish }, &f.state, NULL), ST_OK);
	tailnet_settings_unref(&settings);
	f.loop = loop_new(0);
	f.opts.state = f.state;
	f.opts.snapshot = snapshot;
	f.opts.policy_in_database = true;
	f.api = api_new(&f.opts);
	f.open = router(api_check_local);
	f.guarded = router(api_check);
	api_set_router(f.api, f.guarded);
	f.servers[0] = http_server_new(f.loop, &(struct http_server_opts){ .router = f.open });
	f.servers[1] = http_server_new(f.loop, &(struct http_server_opts){ .router = f.guarded });
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(f.body);
	http_server_free(&f.servers[0]);
	http_server_free(&f.servers[1]);
	state_close(&f.state);
	for (int i = 0; i < 4; i++)
		loop_turn(f.loop, 0);
	snapshot_unref(&f.snap);
	loop_free(&f.loop);
	http_router_free(&f.open);
	http_router_free(&f.guarded);
	api_free(&f.api);
	fake_disk_free(&f.disk);
	return 0;
}

/* For programmes that set up anew for each test. */
static inline int tear_down_clean(void **state)
{
	tear_down(state);
	memset(&f, 0, sizeof f);
	return 0;
}

static void keep_header(const struct http_answer *a, const char *name, char *out, size_t size)
{
	const char *v = http_answer_header(a, name);

	snprintf(out, size, "%s", v != NULL ? v : "");
}

static void answered(void *arg, enum status s, const struct http_answer *a)
{
	(void)arg;
	f.status = s;
	free(f.body);
	f.body = NULL;
	if (a != NULL) {
		f.code = a->status;
		f.body = bytes_strdup(a->body);
		f.n = a->body.n;
		keep_header(a, "etag", f.etag, sizeof f.etag);
		keep_header(a, "x-total-count", f.total, sizeof f.total);
		keep_header(a, "access-control-allow-origin", f.origin, sizeof f.origin);
		keep_header(a, "access-control-allow-methods", f.methods, sizeof f.methods);
	}
	f.done = true;
}

/* door 0: local, 1: guarded. header: one besides, name NULL for none. */
static void call_with(int door, const char *method, const char *target, const struct http_header *header, const char *body)
{
	struct stream *near = NULL, *far = NULL;
	struct http_client *c;

	pipe_pair(f.loop, &near, &far);
	http_server_accept(f.servers[door], far);
	c = http_client_new(near);
	f.done = false;
	f.code = 0;
	http_client_send(c, &(struct http_client_req){ .method = method, .target = target, .host = "x", .headers = header,
						       .n_headers = header->name != NULL, .body = bytes_of_str(body) },
			 answered, NULL);
	assert_true(loop_run_until(f.loop, &f.done, 10000));
	http_client_free(&c);
	loop_turn(f.loop, 0);
}

static void call(int door, const char *method, const char *target, const char *authorization, const char *body)
{
	call_with(door, method, target,
		  &(struct http_header){ authorization != NULL ? "authorization" : NULL, authorization != NULL ? authorization : "" }, body);
}

#endif
