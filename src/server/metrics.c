/*
 * server/metrics.c -- Prometheus text and the debug listener.
 *
 * Names of the Go server are kept where they mean something here; ours begin with headscale_ too. Everything is read from
 * counters that others keep: asking costs no connection anything.
 */
#include "server/server_priv.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/oidc.h"
#include "base/version.h"
#include "derp/stun_server.h"
#include "net/counters.h"

#define METRICS_MAX ((size_t)4 << 20)
#define STATUS_CLASSES 6
#define BUCKETS 10

static atomic_uint_fast64_t requests[STATUS_CLASSES];
static atomic_uint_fast64_t latency[BUCKETS + 1];
static atomic_uint_fast64_t latency_sum_ms;
static const uint64_t bounds_ms[BUCKETS] = { 1, 5, 10, 25, 50, 100, 250, 1000, 5000, 30000 };

void server_request_done(void *arg, const struct http_req *r, int status, uint64_t elapsed_ms)
{
	size_t b = 0;

	server_failures_done(arg, r, status);
	atomic_fetch_add_explicit(&requests[status / 100 < STATUS_CLASSES ? status / 100 : 0], 1, memory_order_relaxed);
	while (b < BUCKETS && elapsed_ms > bounds_ms[b])
		b++;
	atomic_fetch_add_explicit(&latency[b], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&latency_sum_ms, elapsed_ms, memory_order_relaxed);
	server_log_request(r, status, elapsed_ms);
}

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(struct buf *b, const char *name, const char *type, const char *help, uint64_t v)
{
	head(b, name, type, help);
	buf_printf(b, "%s %llu\n", name, (unsigned long long)v);
}

static void put_http(struct buf *b)
{
	uint64_t sum = 0;

	head(b, "headscale_http_requests_total", "counter", "answers by class of status");
	for (int i = 0; i < STATUS_CLASSES; i++)
		buf_printf(b, "headscale_http_requests_total{code=\"%dxx\"} %llu\n", i, (unsigned long long)atomic_load(&requests[i]));
	head(b, "headscale_http_duration_seconds", "histogram", "time from request to answer");
	for (int i = 0; i < BUCKETS; i++) {
		sum += atomic_load(&latency[i]);
		buf_printf(b, "headscale_http_duration_seconds_bucket{le=\"%g\"} %llu\n", (double)bounds_ms[i] / 1000,
			   (unsigned long long)sum);
	}
	sum += atomic_load(&latency[BUCKETS]);
	buf_printf(b, "headscale_http_duration_seconds_bucket{le=\"+Inf\"} %llu\nheadscale_http_duration_seconds_sum %g\n"
		      "headscale_http_duration_seconds_count %llu\n",
		   (unsigned long long)sum, (double)atomic_load(&latency_sum_ms) / 1000, (unsigned long long)sum);
}

static void put_edge(struct buf *b, struct server *srv)
{
	uint64_t failed, refused;

	head(b, "headscale_edge_total", "counter", "what happened to connections, by kind; refusals by reason");
	for (int i = 0; i < NET_COUNTER_COUNT; i++)
		buf_printf(b, "headscale_edge_total{event=\"%s\"} %llu\n", net_counter_name((enum net_counter)i),
			   (unsigned long long)net_counter_read((enum net_counter)i));
	number(b, "headscale_connections", "gauge", "connections now", conn_limits_open(srv->limits));
	server_failures_stats(&failed, &refused);
	number(b, "headscale_failed_logins_total", "counter", "answers to API and login pages that refused who asked", failed);
	number(b, "headscale_failed_logins_limited_total", "counter", "requests refused because their address failed too often", refused);
}

static void put_control(struct buf *b)
{
	head(b, "headscale_control_total", "counter", "what clients asked for and what became of it");
	for (int i = 0; i < CONTROL_COUNTER_COUNT; i++)
		buf_printf(b, "headscale_control_total{event=\"%s\"} %llu\n", control_counter_name((enum control_counter)i),
			   (unsigned long long)control_counter_read((enum control_counter)i));
	number(b, "headscale_map_streams", "gauge", "map streams open now", control_streams_open());
}

static void put_state(struct buf *b, struct server *srv)
{
	struct state_stats st;

	state_stats(srv->state, &st);
	number(b, "headscale_nodes", "gauge", "registered nodes", st.nodes);
	number(b, "headscale_nodes_online", "gauge", "nodes with a live map stream", st.online);
	number(b, "headscale_pending_logins", "gauge", "logins and SSH checks that wait for a person", st.pending);
	number(b, "headscale_pending_evicted_total", "counter", "waiting logins pushed out by newer ones", st.pending_evicted);
	number(b, "headscale_commands_total", "counter", "commands taken by the writer", st.commands);
	number(b, "headscale_commits_total", "counter", "transactions", st.commits);
	number(b, "headscale_commit_failures_total", "counter", "transactions that failed", st.commit_failures);
	number(b, "headscale_publications_total", "counter", "snapshots published", st.publications);
	number(b, "headscale_presence_updates_total", "counter", "presence updates taken", st.presence_updates);
	number(b, "headscale_writer_queue", "gauge", "commands waiting", st.queued);
	head(b, "headscale_commit_seconds", "gauge", "how long the last transaction took");
	buf_printf(b, "headscale_commit_seconds %g\n", (double)st.last_commit_ns / 1e9);
}

static void put_sso(struct buf *b, struct server *srv)
{
	struct oidc_stats st;

	oidc_stats(srv->oidc, &st);
	head(b, "headscale_oidc_events_total", "counter", "single sign-on: what happened, refusals by reason");
	for (int i = 0; i < OIDC_EVENT_COUNT; i++)
		buf_printf(b, "headscale_oidc_events_total{event=\"%s\"} %llu\n", oidc_event_name((enum oidc_event)i),
			   (unsigned long long)st.events[i]);
}

static void put_process(struct buf *b, struct server *srv)
{
	struct mallinfo2 mi = mallinfo2();
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f != NULL) {
		if (fscanf(f, "%*s %lu", &pages) != 1)
			pages = 0;
		fclose(f);
	}
	number(b, "process_resident_memory_bytes", "gauge", "resident memory", pages * (uint64_t)sysconf(_SC_PAGESIZE));
	number(b, "headscale_heap_bytes", "gauge", "memory in use by the allocator", mi.uordblks + mi.hblkhd);
	head(b, "process_start_time_seconds", "gauge", "when the process started");
	buf_printf(b, "process_start_time_seconds %g\n", (double)srv->started_ns / 1e9);
	head(b, "headscale_build_info", "gauge", "1, labelled with version and commit");
	buf_printf(b, "headscale_build_info{version=\"%s\",commit=\"%s\"} 1\n", HEADSCALE_VERSION, build_commit());
}

static void metrics(void *arg, struct http_req *r)
{
	struct server *srv = arg;
	struct buf b;

	buf_init(&b, METRICS_MAX);
	put_http(&b);
	put_edge(&b, srv);
	put_control(&b);
	put_state(&b, srv);
	mapper_metrics(srv->mapper, &b);
	if (srv->relay != NULL) {
		struct stun_stats stun = { 0 };
		struct derp_stats ds;

		derp_relay_stats(srv->relay, &ds);
		for (unsigned i = 0; i < srv->n_loops; i++)
			if (srv->loops[i].stun != NULL)
				stun_server_stats(srv->loops[i].stun, &stun);
		derp_stats_write(&ds, &stun, &b);
	}
	if (srv->oidc != NULL)
		put_sso(&b, srv);
	put_process(&b, srv);
	http_respond(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_bytes(&b));
	buf_release(&b);
}

/* ---- debug: only from this machine ---- */

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
	buf_init(&b, METRICS_MAX);
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
	buf_init(&b, METRICS_MAX);
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

static void debug_index(void *arg, struct http_req *r)
{
	(void)arg;
	if (local_only(r))
		http_respond_text(r, 200, "/metrics\n/debug/overview\n/debug/config\n/debug/netmap/{node id}");
}

void server_metrics_routes(struct server *srv, struct http_router *r)
{
	static const struct {
		const char *pattern;
		http_handler_fn *fn;
	} routes[] = {
		{ "/metrics", metrics },
		{ "/debug", debug_index },
		{ "/debug/overview", debug_overview },
		{ "/debug/config", debug_config },
		{ "/debug/netmap/{id}", debug_netmap },
	};

	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		http_router_add(r, &(struct http_route){ .methods = "GET", .pattern = routes[i].pattern, .fn = routes[i].fn,
							 .arg = srv, .auth = SERVER_PUBLIC });
}
