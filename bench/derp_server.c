/*
 * bench/derp_server.c -- a relay and nothing else, for measuring it.
 *
 *     bench_derp_server PORT [LOOPS [BATCH_US [CERT.pem KEY.pem]]]
 *
 * PER_LOOP=1 in the environment: loop i listens at PORT + i alone, so that who measures chooses the loop.
 * BATCH_US 0 is the default; NO_SPIN=1 in the environment turns looking again off. The relay's counters that are not
 * zero are printed on SIGUSR1 and at the end (SIGINT, SIGTERM).
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "derp/http.h"
#include "derp/meta_cert.h"
#include "http/router.h"
#include "http/server.h"
#include "net/tcp.h"
#include "net/tls_files.h"

#define LOOPS_MAX 64

struct site {
	struct loop *loop;
	struct http_server *http;
	struct listener *listener;
};

static struct derp_relay *relay;
static struct derp_http derp;
static struct site sites[LOOPS_MAX];
static struct net_tls_files *files;
static struct net_tls_server *tls;

static enum http_verdict allow(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
	return HTTP_ALLOW;
}

static void on_conn(void *arg, struct stream *s)
{
	struct site *site = arg;

	http_server_accept(site->http, tls ? net_tls_serve(tls, s) : s);
}

static void check(enum status s, const struct err *err)
{
	if (s == ST_OK)
		return;
	fprintf(stderr, "%s\n", err->text);
	exit(1);
}

static void start_tls(const char *cert, const char *key)
{
	struct net_tls_server_opts opts = { 0 };
	struct err err = { "" };
	uint8_t *meta;
	size_t n;

	check(net_tls_files_new(sites[0].loop, cert, key, NULL, NULL, &files, &err), &err);
	if (derp_meta_cert(derp_relay_key(relay), (int64_t)time(NULL), NULL, &meta, &n) == ST_OK)
		check(net_tls_files_set_extra(files, bytes_of(meta, n), &err), &err);
	free(meta);
	opts.provider = net_tls_files_provider(files);
	check(net_tls_server_new(&opts, &tls, &err), &err);
}

static void print_stats(void)
{
	struct derp_stats s;
	struct buf b;

	derp_relay_stats(relay, &s);
	buf_init(&b, 1 << 20);
	derp_stats_write(&s, NULL, &b);
	buf_put_char(&b, '\0');
	for (char *line = strtok((char *)b.p, "\n"); line; line = strtok(NULL, "\n")) {
		size_t n = strlen(line);
		if (line[0] != '#' && !(n > 2 && strcmp(line + n - 2, " 0") == 0))
			fprintf(stderr, "%s\n", line);
	}
	buf_release(&b);
}

static void shut(void *arg)
{
	struct site *s = arg;

	listener_close(&s->listener);
	http_server_free(&s->http);
}

static void end(void *loop)
{
	loop_stop(loop);
}

static struct http_router *make_router(void)
{
	static const struct http_route routes[] = {
		{ "GET", "/derp", derp_http_upgrade, &derp, 1 },
		{ "*", "/derp/probe", derp_http_probe, &derp, 1 },
		{ "*", "/derp/latency-check", derp_http_probe, &derp, 1 },
	};
	struct http_router *r = http_router_new();

	http_router_add_all(r, routes, sizeof routes / sizeof *routes);
	http_router_set_check(r, allow, NULL);
	return r;
}

static void start_site(struct site *s, struct http_router *router, uint16_t port)
{
	struct http_server_opts opts = { .router = router };
	struct net_addr a;
	struct err err = { "" };

	s->http = http_server_new(s->loop, &opts);
	check(net_addr_parse(BYTES_LIT("0.0.0.0"), port, &a), &(struct err){ "address" });
	check(listener_open(s->loop, &a, &(struct listener_opts){ .backlog = 4096 }, on_conn, s, &s->listener, &err), &err);
}

int main(int argc, char **argv)
{
	struct derp_settings set = { .loops = argc > 2 ? (unsigned)atoi(argv[2]) : 1,
		                     .batch_us = argc > 3 ? (uint32_t)atoi(argv[3]) : 0,
		                     .no_spin = getenv("NO_SPIN") != NULL };
	struct rlimit files_max = { 20000, 20000 };
	struct http_router *router;
	struct err err = { "" };
	sigset_t sigs;
	int sig;

	if (argc < 2 || set.loops < 1 || set.loops > LOOPS_MAX) {
		fprintf(stderr, "usage: %s PORT [LOOPS [BATCH_US [CERT KEY]]]\n", argv[0]);
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &files_max);
	sigemptyset(&sigs);
	sigaddset(&sigs, SIGUSR1);
	sigaddset(&sigs, SIGINT);
	sigaddset(&sigs, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &sigs, NULL);
	node_private_new(&set.key);
	relay = derp_relay_new(&set);
	derp.relay = relay;
	router = make_router();
	for (unsigned i = 0; i < set.loops; i++) {
		sites[i].loop = loop_new(i);
		derp_relay_attach(relay, i, sites[i].loop);
	}
	if (argc > 5)
		start_tls(argv[4], argv[5]);
	for (unsigned i = 0; i < set.loops; i++)
		start_site(&sites[i], router, (uint16_t)(atoi(argv[1]) + (getenv("PER_LOOP") ? (int)i : 0)));
	for (unsigned i = 0; i < set.loops; i++)
		check(loop_start(sites[i].loop, &err), &err);
	fprintf(stderr, "ready\n");
	while (sigwait(&sigs, &sig) == 0 && sig == SIGUSR1)
		print_stats();
	print_stats();
	for (unsigned i = 0; i < set.loops; i++)
		loop_post(sites[i].loop, shut, &sites[i]);
	derp_relay_shutdown(relay);
	for (unsigned i = 0; i < set.loops; i++)
		loop_post(sites[i].loop, end, sites[i].loop);
	for (unsigned i = 0; i < set.loops; i++)
		loop_join(sites[i].loop);
	for (int k = 0; k < 4; k++)
		for (unsigned i = 0; i < set.loops; i++)
			loop_turn(sites[i].loop, 1);
	derp_relay_free(&relay);
	net_tls_files_free(&files);
	for (unsigned i = 0; i < set.loops; i++)
		loop_free(&sites[i].loop);
	http_router_free(&router);
	net_tls_server_free(&tls);
	return 0;
}
