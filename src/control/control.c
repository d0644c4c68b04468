/* control/control.c -- the process-wide part: keys, routes, figures; and the loop's part: snapshot and mapper. */
#include "control/control_priv.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "crypto/secret.h"
#include "net/addr_rate.h"
#include "proto/key.h"

#define STREAM_ROOM_DEFAULT ((size_t)256 << 10)
#define BODY_MAX_DEFAULT ((size_t)1 << 20)

static atomic_uint_fast64_t counters[CONTROL_COUNTER_COUNT];

void control_count(enum control_counter c)
{
	atomic_fetch_add_explicit(&counters[c], 1, memory_order_relaxed);
}

uint64_t control_counter_read(enum control_counter c)
{
	return atomic_load_explicit(&counters[c], memory_order_relaxed);
}

const char *control_counter_name(enum control_counter c)
{
	static const char *const names[] = {
#define X(id, name, help) name,
		CONTROL_COUNTERS(X)
#undef X
	};

	return names[c];
}

const char *control_counter_help(enum control_counter c)
{
	static const char *const helps[] = {
#define X(id, name, help) help,
		CONTROL_COUNTERS(X)
#undef X
	};

	return helps[c];
}

/* ---- outer routes ---- */

static void key(void *arg, struct http_req *r)
{
	const struct control *c = arg;
	const char *v = http_req_query(r, "v");
	char *end = NULL;
	struct buf b;

	if (v == NULL) {
		http_respond_text(r, 400, "capability version must be set");
		return;
	}
	if (v[0] < '0' || v[0] > '9' || (strtoul(v, &end, 10), *end != '\0')) {
		http_respond_text(r, 400, "invalid capability version");
		return;
	}
	buf_init(&b, 1024);
	key_response_encode(&c->noise_public, &b);
	http_respond(r, 200, "application/json", buf_bytes(&b));
	buf_release(&b);
}

void control_add_routes(struct control *c, struct http_router *r, unsigned auth)
{
	http_router_add(r, &(struct http_route){ .methods = "GET", .pattern = "/key", .fn = key, .arg = c, .auth = auth });
	http_router_add(r, &(struct http_route){ .methods = "POST GET", .pattern = "/ts2021", .fn = control_upgrade, .arg = c, .auth = auth });
	http_router_add(r, &(struct http_route){ .methods = "*", .pattern = "/machine/ping-response", .fn = control_ping_response,
						 .arg = c, .auth = auth });
}

/* ---- inner routes ---- */

static enum http_verdict inner_check(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
	return HTTP_ALLOW; /* identity is the connection's machine key; each handler checks node keys against it */
}

static void make_inner(struct control *c)
{
	c->inner = http_router_new();
	http_router_set_check(c->inner, inner_check, c);
	http_router_add(c->inner, &(struct http_route){ .methods = "POST", .pattern = "/machine/register", .fn = control_register,
							.arg = c, .auth = 1, .body_max = c->body_max });
	http_router_add(c->inner, &(struct http_route){ .methods = "POST", .pattern = "/machine/map", .fn = control_map, .arg = c,
							.auth = 1, .body_max = c->body_max });
	control_others_routes(c);
}

struct control *control_new(const struct control_opts *o)
{
	struct control *c = xcalloc(1, sizeof *c);

	c->state = o->state;
	c->mapper = o->mapper;
	c->noise_key = *o->noise_key;
	c->noise_public = machine_private_public(o->noise_key);
	c->server_url = xstrdup(o->server_url);
	c->n_loops = o->n_loops;
	c->loops = xcalloc(o->n_loops, sizeof(*c->loops));
	c->body_max = o->body_max != 0 ? o->body_max : BODY_MAX_DEFAULT;
	c->stream_room = o->stream_room != 0 ? o->stream_room : STREAM_ROOM_DEFAULT;
	if (o->registrations_per_minute != 0)
		c->registrations = addr_rate_new(o->registrations_per_minute, o->registrations_per_minute / 60.0);
	c->probe_interval_ms = o->probe_interval_ms;
	c->probe_timeout_ms = o->probe_timeout_ms;
	make_inner(c);
	return c;
}

void control_free(struct control **c)
{
	if (*c == NULL)
		return;
	http_router_free(&(*c)->inner);
	addr_rate_free(&(*c)->registrations);
	secret_wipe(&(*c)->noise_key, sizeof (*c)->noise_key);
	free((*c)->loops);
	free((*c)->server_url);
	free(*c);
	*c = NULL;
}

/* ---- loops ---- */

struct control_loop *control_loop_of(struct control *c, struct loop *l)
{
	return c->loops[loop_index(l)];
}

struct snapshot *control_loop_snapshot(struct control_loop *cl)
{
	return cl->snap;
}

struct ip_addr control_source(const struct noise_conn *nc)
{
	struct ip_addr a = { 0 };
	uint8_t raw[16];
	int n = net_addr_ip(&nc->client, raw);

	if (n == 4) {
		a.family = IP_V4;
		memcpy(a.b + 12, raw + 12, 4);
	} else if (n == 6) {
		a.family = IP_V6;
		memcpy(a.b, raw, sizeof a.b);
	}
	return a;
}

void control_bad_request(struct http_req *r, const char *text)
{
	control_count(CONTROL_COUNT_BAD_REQUEST);
	http_respond_text(r, 400, text[0] != '\0' ? text : "the request cannot be read");
}

struct control_loop *control_loop_new(struct control *c, struct loop *l, struct http_server *http, struct snapshot *snap)
{
	struct control_loop *cl = xcalloc(1, sizeof *cl);

	cl->c = c;
	cl->loop = l;
	cl->http = http;
	cl->snap = snapshot_ref(snap);
	cl->maps = mapper_loop_new(c->mapper, snap);
	cl->streams = xcalloc(CONTROL_MAP_BUCKETS, sizeof(*cl->streams));
	control_probe_start(cl);
	told_start(cl);
	c->loops[loop_index(l)] = cl;
	return cl;
}

void control_loop_free(struct control_loop **pcl)
{
	struct control_loop *cl = *pcl;

	*pcl = NULL;
	if (cl == NULL)
		return;
	cl->c->loops[loop_index(cl->loop)] = NULL;
	control_probe_stop(cl);
	told_stop(cl);
	control_map_free_all(cl);
	if (cl->map_timer.loop != NULL)
		loop_timer_cancel(&cl->map_timer);
	if (cl->trim_timer.loop != NULL)
		loop_timer_cancel(&cl->trim_timer);
	mapper_loop_free(&cl->maps);
	snapshot_unref(&cl->snap);
	free(cl->streams);
	free(cl);
}

void control_loop_advance(struct control_loop *cl, struct publication *p)
{
	struct snapshot *old = cl->snap;

	if (p->next->seq <= old->seq)
		return; /* made before this loop began: its first snapshot shows it */
	cl->snap = snapshot_ref(p->next);
	mapper_loop_advance(cl->maps, p, clock_mono_ns());
	snapshot_unref(&old);
	told_advance(cl, p);
	control_probe_wake(cl);
	control_map_kick(cl);
}

void control_who(const struct http_req *r, char out[static CONTROL_WHO_MAX])
{
	const struct noise_conn *nc = r->conn_data;
	char b64[BASE64_LEN(KEY_LEN) + 1];

	out[0] = '\0';
	if (nc == NULL)
		return;
	base64_encode(bytes_of(nc->machine.b, KEY_LEN), b64);
	snprintf(out, CONTROL_WHO_MAX, "machine [%.5s]", b64);
}
