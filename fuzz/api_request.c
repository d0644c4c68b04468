/*
 * fuzz/api_request.c -- requests to API v1, one after the other on a small world.
 *
 *     METHOD TARGET LF BODY 0xff METHOD TARGET LF BODY ...
 *
 * Whatever is asked, the answer is never an error of ours; JSON is JSON; and what is refused has written nothing. The world begins with a
 * user, a node and a key of each kind, and is made anew after WORLD_INPUTS inputs: making one takes longer than a request.
 */
#include <stdlib.h>

#include "api/api.h"
#include "base/json_in.h"
#include "base/vec.h"
#include "http/client.h"
#include "http/server.h"
#include "net/pipe.h"
#include "store/store.h"

#define REQUESTS_MAX 8
#define WORLD_INPUTS 100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct fake_disk *disk;
	struct state *state;
	struct loop *loop;
	struct api *api;
	struct http_router *router;
	struct http_server *server;
	struct snapshot *snap;
	bool done;
	int code;
};

static struct world w;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void publish(void *arg, struct publication *p)
{
	(void)arg;
	(void)p;
}

static struct snapshot *snapshot(void *arg, struct loop *l)
{
	(void)arg;
	(void)l;
	snapshot_unref(&w.snap);
	w.snap = state_snapshot(w.state);
	return w.snap;
}

static void check_json(struct bytes body)
{
	struct json_object *o = NULL;

	check(json_parse(body, body.n, &o, NULL) == ST_OK);
	json_object_put(o);
}

static void answered(void *arg, enum status s, const struct http_answer *a)
{
	const char *type = a != NULL ? http_answer_header(a, "content-type") : NULL;

	(void)arg;
	w.code = s == ST_OK ? a->status : 0;
	if (type != NULL && strstr(type, "json") != NULL && a->body.n > 0)
		check_json(a->body);
	w.done = true;
}

static void ask(const char *method, const char *target, struct bytes body)
{
	unsigned before = fake_disk_writes(w.disk);
	struct stream *near = NULL, *far = NULL;
	struct http_client *c;

	pipe_pair(w.loop, &near, &far);
	http_server_accept(w.server, far);
	c = http_client_new(near);
	w.done = false;
	http_client_send(c, &(struct http_client_req){ .method = method, .target = target, .host = "x", .body = body }, answered, NULL);
	check(loop_run_until(w.loop, &w.done, 20000));
	http_client_free(&c);
	loop_turn(w.loop, 0);
	check(w.code < 500); /* 0: not even HTTP */
	if (w.code >= 400)
		check(fake_disk_writes(w.disk) == before);
}

static void begin(void)
{
	struct tailnet_settings *settings = tailnet_settings_new();
	struct store *store = NULL;

	settings_set_text(&settings->server_url, "http://127.0.0.1:8080");
	check(ip_prefix_parse(BYTES_LIT("100.64.0.0/10"), &settings->prefix4) == ST_OK);
	w.disk = fake_disk_new();
	check(store_open_fake(w.disk, &store, NULL) == ST_OK);
	check(state_open(&(struct state_opts){ .store = store, .settings = settings, .publish = publish }, &w.state, NULL) == ST_OK);
	tailnet_settings_unref(&settings);
	w.loop = loop_new(0);
	w.api = api_new(&(struct api_opts){ .state = w.state, .snapshot = snapshot, .policy_in_database = true });
	w.router = http_router_new();
	http_router_set_check(w.router, api_check_local, w.api);
	api_add_routes(w.api, w.router);
	w.server = http_server_new(w.loop, &(struct http_server_opts){ .router = w.router });
}

static void populate(void)
{
	static const char *const bodies[][2] = {
		{ "/api/v1/user", "{\"name\":\"anna\"}" },
		{ "/api/v1/debug/node", "{\"user\":\"anna\",\"key\":\"hskey-authreq-000000000000000000000001\",\"name\":\"n\",\"routes\":[\"10.0.0.0/8\"]}" },
		{ "/api/v1/auth/register", "{\"user\":\"anna\",\"authId\":\"hskey-authreq-000000000000000000000001\"}" },
		{ "/api/v1/preauthkey", "{\"user\":\"1\"}" },
		{ "/api/v1/apikey", "{}" },
	};

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		ask("POST", bodies[i][0], bytes_of_str(bodies[i][1]));
		check(w.code == 200);
	}
}

static void end(void)
{
	http_server_free(&w.server);
	state_close(&w.state);
	for (int i = 0; i < 4; i++)
		loop_turn(w.loop, 0);
	snapshot_unref(&w.snap);
	loop_free(&w.loop);
	http_router_free(&w.router);
	api_free(&w.api);
	fake_disk_free(&w.disk);
}

/* A word that may stand in a request line. */
static bool is_word(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] >= 0x7f)
			return false;
	return n > 0 && n < 2000;
}

static void one(const char *p, size_t n)
{
	const char *line_end = memchr(p, '\n', n), *blank = memchr(p, ' ', n);
	char *method, *target;

	if (line_end == NULL || blank == NULL || blank > line_end || !is_word(p, (size_t)(blank - p)) ||
	    !is_word(blank + 1, (size_t)(line_end - blank - 1)) || blank[1] != '/')
		return;
	method = strndup(p, (size_t)(blank - p));
	target = strndup(blank + 1, (size_t)(line_end - blank - 1));
	ask(method, target, bytes_of(line_end + 1, n - (size_t)(line_end + 1 - p)));
	free(method);
	free(target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned inputs;
	const char *p = (const char *)data;
	size_t left = size;

	if (size > 65536)
		return 0;
	if (inputs++ % WORLD_INPUTS == 0) {
		if (w.state != NULL)
			end();
		begin();
		populate();
	}
	for (int i = 0; i < REQUESTS_MAX && left > 0; i++) {
		const char *next = memchr(p, 0xff, left);
		size_t n = next != NULL ? (size_t)(next - p) : left;

		one(p, n);
		left -= next != NULL ? n + 1 : n;
		p += next != NULL ? n + 1 : n;
	}
	return 0;
}
