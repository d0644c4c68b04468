/*
 * server/debug.c -- what the server has in its head, for who sits at its machine: pages below /debug of the metrics listener.
 *
 * They answer to loopback alone and not to what a proxy passes on, whatever the listener's address is. They show names, addresses and
 * public keys, never a secret. Nothing here is a profiler: perf and gdb do that without us.
 */
#include "server/server_priv.h"

#include <stdlib.h>

#include "base/json_out.h"
#include "base/vec.h"

#define PAGE_MAX    ((size_t)64 << 20)
#define STREAMS_MAX 10000u /* listed; counted are all */

static bool local_only(struct http_req *r)
{
	if (net_addr_is_loopback(&r->conn->remote) && http_req_header(r, "x-forwarded-for") == NULL)
		return true;
	http_respond_text(r, 403, "debug access denied");
	return false;
}

static void debug_config(void *arg, struct http_req *r)
{
	struct server *srv = arg;
	struct buf b;
	struct jw w;

	if (!local_only(r))
		return;
	buf_init(&b, PAGE_MAX);
	jw_init(&w, &b);
	pthread_mutex_lock(&srv->live_lock);
	config_write_json(srv->live, &w);
	pthread_mutex_unlock(&srv->live_lock);
	buf_put_char(&b, '\n');
	http_respond(r, 200, "application/json", buf_bytes(&b));
	buf_release(&b);
}

static void debug_overview(void *arg, struct http_req *r)
{
	struct server *srv = arg;
	struct snapshot *s = server_snapshot(srv, r->loop);
	struct state_stats st;
	struct buf b;
	struct jw w;

	if (!local_only(r))
		return;
	state_stats(srv->state, &st);
	buf_init(&b, PAGE_MAX);
	jw_init(&w, &b);
	jw_obj_begin(&w);
	jw_ku64(&w, "nodes", s->n_nodes);
	jw_ku64(&w, "online", st.online);
	jw_ku64(&w, "users", snapshot_user_count(s));
	jw_ku64(&w, "streams", control_streams_open());
	jw_ku64(&w, "pages", s->n_pages);
	jw_ku64(&w, "sequence", s->seq);
	jw_kstr(&w, "policy_mode", srv->config->policy.mode == CONFIG_POLICY_FILE ? "file" : "database");
	jw_kstr(&w, "policy_path", srv->config->policy.path);
	jw_obj_end(&w);
	buf_put_char(&b, '\n');
	http_respond(r, 200, "application/json", buf_bytes(&b));
	buf_release(&b);
}

/* The map that a node would get now. */
static void debug_netmap(void *arg, struct http_req *r)
{
	struct server *srv = arg;
	uint64_t id = strtoull(http_req_param(r, "id"), NULL, 10);
	struct buf b;

	if (!local_only(r))
		return;
	buf_init(&b, (size_t)256 << 20);
	if (mapper_debug_netmap(srv->mapper, server_snapshot(srv, r->loop), id, &b) != ST_OK)
		http_respond_text(r, 404, "node not found");
	else
		http_respond(r, 200, "application/json", buf_bytes(&b));
	buf_release(&b);
}

/* The map of relays that clients are told of. */
static void debug_derp(void *arg, struct http_req *r)
{
	struct snapshot *s = server_snapshot(arg, r->loop);

	if (local_only(r))
		http_respond_shared(r, 200, "application/json", s->derp_map);
}

/* ---- all map streams: from loop to loop, and back to the one that was asked ---- */

struct walk {
	struct server *srv;
	struct http_req *req; /* NULL: who asked has gone; of `home` */
	struct loop *home;
	unsigned at;          /* the loop that writes */
	struct snapshot *snap; /* of that loop, during its turn */
	struct buf b;
	struct jw w;
	size_t listed, total;
};

static void walk_cancelled(void *arg, struct http_req *r)
{
	struct walk *k = arg;

	(void)r;
	k->req = NULL;
}

static bool put_stream(void *arg, const struct control_stream *s)
{
	struct walk *k = arg;
	const struct node *n = snapshot_node(k->snap, s->node);
	char from[NET_ADDR_TEXT_MAX];

	k->total++;
	if (k->listed == STREAMS_MAX)
		return true;
	k->listed++;
	net_addr_format_port(&s->client, from);
	jw_obj_begin(&k->w);
	jw_ku64(&k->w, "node", s->node);
	jw_kstr(&k->w, "name", n != NULL ? n->name : "");
	jw_ku64(&k->w, "loop", k->at);
	jw_kstr(&k->w, "remote", from);
	jw_ku64(&k->w, "capability", s->cap);
	jw_kbool(&k->w, "zstd", s->zstd);
	jw_ki64(&k->w, "openSeconds", s->open_ns / NS_PER_S);
	jw_ku64(&k->w, "waitingBytes", s->waiting);
	jw_obj_end(&k->w);
	return true;
}

static void walk_end(void *arg)
{
	struct walk *k = arg;

	jw_arr_end(&k->w);
	jw_ku64(&k->w, "total", k->total);
	jw_obj_end(&k->w);
	buf_put_char(&k->b, '\n');
	if (k->req != NULL)
		http_respond(k->req, 200, "application/json", buf_bytes(&k->b));
	buf_release(&k->b);
	free(k);
}

static void walk_on(void *arg)
{
	struct walk *k = arg;
	struct server_loop *sl = &k->srv->loops[k->at];

	if (sl->control != NULL) {
		k->snap = control_loop_snapshot(sl->control);
		control_loop_each_stream(sl->control, put_stream, k);
	}
	k->at++;
	if (k->at < k->srv->n_loops)
		loop_post(k->srv->loops[k->at].loop, walk_on, k);
	else
		loop_post(k->home, walk_end, k);
}

static void debug_streams(void *arg, struct http_req *r)
{
	struct walk *k;

	if (!local_only(r))
		return;
	k = xcalloc(1, sizeof *k);
	k->srv = arg;
	k->req = r;
	k->home = r->loop;
	buf_init(&k->b, PAGE_MAX);
	jw_init(&k->w, &k->b);
	jw_obj_begin(&k->w);
	jw_key(&k->w, "streams");
	jw_arr_begin(&k->w);
	http_on_cancel(r, walk_cancelled, k);
	loop_post(k->srv->loops[0].loop, walk_on, k);
}

/* ---- routes ---- */

static void debug_index(void *arg, struct http_req *r)
{
	(void)arg;
	if (local_only(r))
		http_respond_text(r, 200,
				  "/metrics\n/debug/overview\n/debug/config\n/debug/streams\n/debug/derp\n/debug/netmap/{node id}");
}

void server_debug_routes(struct server *srv, struct http_router *r)
{
	static const struct {
		const char *pattern;
		http_handler_fn *fn;
	} routes[] = {
		{ "/debug", debug_index },
		{ "/debug/overview", debug_overview },
		{ "/debug/config", debug_config },
		{ "/debug/streams", debug_streams },
		{ "/debug/derp", debug_derp },
		{ "/debug/netmap/{id}", debug_netmap },
	};

	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		http_router_add(r, &(struct http_route){ .methods = "GET", .pattern = routes[i].pattern, .fn = routes[i].fn,
							 .arg = srv, .auth = SERVER_PUBLIC });
}
