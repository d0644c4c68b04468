/*
 * server/metrics.c -- Prometheus text.
 *
 * Names of the Go server are kept where they mean something here; ours begin with headscale_ too. Everything is read from
 * counters that others keep: asking costs no connection anything.
 */
#include "server/server_priv.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "acme/acme.h"
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

/* Not there without TLS: behind a proxy it is the proxy's business. */
static void put_certificate(struct buf *b, struct server *srv)
{
	struct net_tls_cert *cert = NULL;
	struct acme_status st = { 0 };
	uint64_t failures = atomic_load(&srv->certificate_failures);

	if (srv->tls == NULL)
		return;
	if (srv->acme != NULL) {
		acme_status(srv->acme, &st);
		failures = st.failures;
		cert = acme_cert(srv->acme);
	} else if (srv->tls_files != NULL) {
		cert = net_tls_files_cert(srv->tls_files);
	}
	head(b, "headscale_certificate_expiry_timestamp_seconds", "gauge", "when the certificate in use ends; 0: there is none yet");
	buf_printf(b, "headscale_certificate_expiry_timestamp_seconds %lld\n", cert != NULL ? (long long)net_tls_cert_not_after(cert) : 0LL);
	number(b, "headscale_certificate_renewal_failures", "gauge", "attempts to renew or read it that failed since the last that did not",
	       failures);
	net_tls_cert_unref(&cert);
}

static void put_control(struct buf *b)
{
	head(b, "headscale_control_total", "counter", "what clients asked for and what became of it");
	for (int i = 0; i < CONTROL_COUNTER_COUNT; i++)
		buf_printf(b, "headscale_control_total{event=\"%s\"} %llu\n", control_counter_name((enum control_counter)i),
			   (unsigned long long)control_counter_read((enum control_counter)i));
	head(b, "headscale_mapresponse_endpoint_updates_total", "counter", "map requests without a stream, by the Go server's name");
	buf_printf(b, "headscale_mapresponse_endpoint_updates_total{status=\"ok\"} %llu\n",
		   (unsigned long long)control_counter_read(CONTROL_COUNT_MAP_UPDATE));
	number(b, "headscale_map_streams", "gauge", "map streams open now", control_streams_open());
}

static void put_commits(struct buf *b, const struct state_stats *st)
{
	static const int commit_ms[STATE_COMMIT_BUCKETS] = STATE_COMMIT_BOUNDS_MS;
	uint64_t sum = 0;

	head(b, "headscale_commit_duration_seconds", "histogram", "how long transactions took, the disk included");
	for (size_t i = 0; i < STATE_COMMIT_BUCKETS; i++) {
		sum += st->commit_buckets[i];
		buf_printf(b, "headscale_commit_duration_seconds_bucket{le=\"%g\"} %llu\n", commit_ms[i] / 1000.0,
			   (unsigned long long)sum);
	}
	sum += st->commit_buckets[STATE_COMMIT_BUCKETS];
	buf_printf(b, "headscale_commit_duration_seconds_bucket{le=\"+Inf\"} %llu\nheadscale_commit_duration_seconds_sum %g\n"
		      "headscale_commit_duration_seconds_count %llu\n",
		   (unsigned long long)sum, (double)st->commit_sum_ns / 1e9, (unsigned long long)sum);
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
	put_commits(b, &st);
	/* By the Go server's names, for dashboards that have them. */
	number(b, "headscale_nodestore_nodes", "gauge", "registered nodes", st.nodes);
	number(b, "headscale_nodestore_queue_depth", "gauge", "commands waiting", st.queued);
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

static unsigned long count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned long n = 0;

	if (d == NULL)
		return 0;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n > 3 ? n - 3 : 0; /* ".", "..", and the one that reads them */
}

static void put_process(struct buf *b, struct server *srv)
{
	struct rusage ru = { 0 };
	struct rlimit files = { 0 };
	unsigned long all = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f != NULL) {
		if (fscanf(f, "%lu %lu", &all, &resident) != 2)
			all = resident = 0;
		fclose(f);
	}
	(void)getrusage(RUSAGE_SELF, &ru);
	(void)getrlimit(RLIMIT_NOFILE, &files);
	number(b, "process_resident_memory_bytes", "gauge", "resident memory", resident * (uint64_t)sysconf(_SC_PAGESIZE));
	number(b, "process_virtual_memory_bytes", "gauge", "address space", all * (uint64_t)sysconf(_SC_PAGESIZE));
	head(b, "process_cpu_seconds_total", "counter", "processor time, user and system");
	buf_printf(b, "process_cpu_seconds_total %.3f\n", (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
							      (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
	number(b, "process_open_fds", "gauge", "open descriptors", count_descriptors());
	number(b, "process_max_fds", "gauge", "how many may be open", files.rlim_cur);
	head(b, "process_start_time_seconds", "gauge", "when the process started");
	buf_printf(b, "process_start_time_seconds %.3f\n", (double)srv->started_ns / 1e9);
	head(b, "headscale_build_info", "gauge", "1, labelled with version and commit");
	buf_printf(b, "headscale_build_info{version=\"%s\",commit=\"%s\"} 1\n", HEADSCALE_VERSION, build_commit());
	number(b, "headscale_log_lines_dropped_total", "counter", "log lines left out because nobody read them", log_lines_dropped());
}

/* Kinds may lie in one another: the maps that are kept are of the heap. */
static void put_memory(struct buf *b, struct server *srv)
{
	struct mallinfo2 mi = mallinfo2();
	struct derp_stats ds = { 0 };
	uint64_t relay = 0;

	if (srv->relay != NULL) {
		derp_relay_stats(srv->relay, &ds);
		relay = ds.queued_bytes > 0 ? (uint64_t)ds.queued_bytes : 0;
	}
	number(b, "headscale_heap_bytes", "gauge", "memory in use by the allocator", mi.uordblks + mi.hblkhd);
	head(b, "headscale_memory_bytes", "gauge", "memory by kind: heap_used and heap_free of the allocator; of the heap, map_pieces (encoded "
		"for all clients) and relay_queues (waiting for slow readers)");
	buf_printf(b, "headscale_memory_bytes{kind=\"heap_used\"} %llu\nheadscale_memory_bytes{kind=\"heap_free\"} %llu\n"
		      "headscale_memory_bytes{kind=\"map_pieces\"} %llu\nheadscale_memory_bytes{kind=\"relay_queues\"} %llu\n",
		   (unsigned long long)(mi.uordblks + mi.hblkhd), (unsigned long long)mi.fordblks,
		   (unsigned long long)mapper_kept_bytes(srv->mapper), (unsigned long long)relay);
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
	put_certificate(&b, srv);
	put_memory(&b, srv);
	put_process(&b, srv);
	http_respond(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_bytes(&b));
	buf_release(&b);
}

void server_metrics_routes(struct server *srv, struct http_router *r)
{
	http_router_add(r, &(struct http_route){ .methods = "GET", .pattern = "/metrics", .fn = metrics, .arg = srv,
						 .auth = SERVER_PUBLIC });
}
