/*
 * server/edge.c -- listeners on every loop, TLS, and the routers behind them.
 *
 * Three doors: listen_addr for clients and people, a Unix socket for the local command line, metrics_listen_addr for
 * whoever watches; and a fourth for the challenges of ACME by HTTP-01. Each has a router of its own, so that what belongs
 * behind one can never be reached through another.
 */
#include "server/server_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acme/acme.h"
#include "base/vec.h"
#include "net/addr_rate.h"

struct server_loop *server_loop_of(struct server *srv, struct loop *l)
{
	return &srv->loops[loop_index(l)];
}

/* ---- connections ---- */

static void accepted(void *arg, struct stream *s)
{
	struct server_loop *sl = arg;

	if (sl->srv->tls != NULL)
		s = net_tls_serve(sl->srv->tls, s);
	http_server_accept(sl->http, s);
}

static void accepted_local(void *arg, struct stream *s)
{
	struct server_loop *sl = arg;

	conn_established(stream_conn(s));
	http_server_accept(sl->local, s);
}

static void accepted_metrics(void *arg, struct stream *s)
{
	struct server_loop *sl = arg;

	http_server_accept(sl->metrics, s);
}

static void accepted_challenge(void *arg, struct stream *s)
{
	struct server_loop *sl = arg;

	http_server_accept(sl->challenges, s);
}

bool server_is_trusted_proxy(void *arg, const struct net_addr *a)
{
	const struct server *srv = arg;
	struct ip_addr ip = { 0 };
	uint8_t raw[16];
	int n = net_addr_ip(a, raw);

	if (n == 4) {
		ip.family = IP_V4;
		memcpy(ip.b + 12, raw + 12, 4);
	} else if (n == 6) {
		ip.family = IP_V6;
		memcpy(ip.b, raw, 16);
	}
	for (size_t i = 0; i < srv->config->trusted_proxies.n; i++)
		if (ip_prefix_contains(&srv->config->trusted_proxies.v[i], &ip))
			return true;
	return false;
}

static uint32_t ms_of(int64_t ns)
{
	return ns <= 0 ? 0 : ns / NS_PER_MS > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / NS_PER_MS);
}

static struct http_limits limits_of(const struct config *c)
{
	return (struct http_limits){
		.head_bytes = (size_t)c->server.limits.request_header_bytes,
		.body_bytes = (size_t)c->server.limits.request_body_bytes,
		.head_ms = ms_of(c->server.timeouts.header_ns),
		.first_ms = ms_of(c->server.timeouts.header_ns),
		.body_ms = ms_of(c->server.timeouts.body_ns),
		.idle_ms = ms_of(c->server.timeouts.idle_ns),
	};
}

static struct http_server *new_http(struct server_loop *sl, struct http_router *router)
{
	struct server *srv = sl->srv;

	return http_server_new(sl->loop, &(struct http_server_opts){ .limits = limits_of(srv->config),
								     .router = router,
								     .is_proxy = srv->config->trusted_proxies.n > 0 ? server_is_trusted_proxy : NULL,
								     .is_proxy_arg = srv,
								     .on_done = server_request_done,
								     .on_done_arg = srv });
}

/* ---- addresses ---- */

static enum status addr_of(const struct config_listen *l, const char *key, struct net_addr *out, struct err *err)
{
	const char *host = l->host[0] != '\0' ? l->host : "::";

	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (net_addr_parse(bytes_of_str(host), l->port, out) == ST_OK)
		return ST_OK;
	err_set(err, "%s: \"%s\" is no address to listen at; write an IP address, or nothing before the colon for all", key, l->text);
	return ST_BAD_INPUT;
}

/*
 * Our loops share a port by SO_REUSEPORT, which would also let a second server of the same account take its part of our
 * clients. A bind without it says whether somebody is there.
 */
enum status server_port_is_free(const struct net_addr *addr, int type, const char *key, struct err *err)
{
	int fd = socket(net_addr_family(addr), type | SOCK_CLOEXEC, 0), one = 1;
	char text[NET_ADDR_TEXT_MAX];
	enum status s = ST_OK;

	if (fd < 0)
		return ST_OK; /* the listener will say what is wrong */
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (net_addr_port(addr) != 0 && bind(fd, &addr->sa, net_addr_len(addr)) != 0 && errno == EADDRINUSE) {
		net_addr_format_port(addr, text);
		err_set(err, "%s: cannot listen on %s: %s", key, text, strerror(EADDRINUSE));
		s = ST_CONFLICT;
	}
	close(fd);
	return s;
}

static enum status open_main(struct server *srv, int fd, struct err *err)
{
	struct listener_opts lo = { .limits = srv->limits, .write_stall_ms = ms_of(srv->config->server.timeouts.write_ns) };
	struct net_addr addr;
	enum status s = ST_OK;

	if (fd < 0)
		s = addr_of(&srv->config->listen_addr, "listen_addr", &addr, err);
	if (fd < 0 && s == ST_OK) {
		s = server_port_is_free(&addr, SOCK_STREAM, "listen_addr", err);
		if (s != ST_OK)
			return s;
	}
	for (unsigned i = 0; i < srv->n_loops && s == ST_OK; i++) {
		struct server_loop *sl = &srv->loops[i];

		if (fd < 0) {
			s = listener_open(sl->loop, &addr, &lo, accepted, sl, &sl->listener, err);
			if (s == ST_OK && i == 0)
				addr = listener_addr(sl->listener); /* port 0: the others share what was given */
		} else {
			int mine = i == 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);

			s = listener_open_fd(sl->loop, mine, &lo, accepted, sl, &sl->listener, err);
		}
	}
	if (s != ST_OK)
		err_prefix(err, "listen_addr");
	return s;
}

static void make_parent(const char *path)
{
	char *copy = xstrdup(path), *slash = strrchr(copy, '/');

	if (slash != NULL && slash != copy) {
		*slash = '\0';
		(void)mkdir(copy, 0700);
	}
	free(copy);
}

static enum status open_local(struct server *srv, int fd, struct err *err)
{
	struct server_loop *sl = &srv->loops[0];
	enum status s;

	sl->local = new_http(sl, srv->local_router);
	if (fd >= 0) {
		s = listener_open_fd(sl->loop, fd, &(struct listener_opts){ 0 }, accepted_local, sl, &sl->local_listener, err);
	} else {
		make_parent(srv->config->unix_socket);
		s = listener_open_unix(sl->loop, srv->config->unix_socket, (unsigned)srv->config->unix_socket_permission,
				       &(struct listener_opts){ 0 }, accepted_local, sl, &sl->local_listener, err);
	}
	if (s != ST_OK)
		err_prefix(err, "unix_socket");
	return s;
}

static enum status open_metrics(struct server *srv, int fd, struct err *err)
{
	struct listener_opts lo = { .limits = srv->limits };
	struct server_loop *sl = &srv->loops[0];
	struct net_addr addr;
	enum status s;

	if (fd < 0 && srv->config->metrics_listen_addr.text[0] == '\0')
		return ST_OK;
	sl->metrics = new_http(sl, srv->metrics_router);
	if (fd >= 0) {
		s = listener_open_fd(sl->loop, fd, &lo, accepted_metrics, sl, &sl->metrics_listener, err);
	} else {
		s = addr_of(&srv->config->metrics_listen_addr, "metrics_listen_addr", &addr, err);
		if (s == ST_OK)
			s = listener_open(sl->loop, &addr, &lo, accepted_metrics, sl, &sl->metrics_listener, err);
	}
	if (s != ST_OK)
		err_prefix(err, "metrics_listen_addr");
	return s;
}

/* Where the authority looks for its challenge, in the clear; port 80 unless it is configured. */
static enum status open_challenges(struct server *srv, struct err *err)
{
	struct config_listen at = srv->config->tls_letsencrypt_listen;
	struct server_loop *sl = &srv->loops[0];
	struct net_addr addr;
	enum status s;

	if (srv->acme_router == NULL)
		return ST_OK;
	if (at.text[0] == '\0')
		at = (struct config_listen){ .text = "", .host = "", .port = 80 };
	sl->challenges = new_http(sl, srv->acme_router);
	s = addr_of(&at, "tls_letsencrypt_listen", &addr, err);
	if (s == ST_OK)
		s = listener_open(sl->loop, &addr, &(struct listener_opts){ .limits = srv->limits }, accepted_challenge, sl,
				  &sl->challenges_listener, err);
	if (s != ST_OK)
		err_prefix(err, "tls_letsencrypt_listen");
	return s;
}

/* ---- TLS ---- */

void server_certificate_read(void *arg, enum status s, const struct err *err)
{
	struct server *srv = arg;

	if (s == ST_OK)
		atomic_store(&srv->certificate_failures, 0);
	else
		atomic_fetch_add(&srv->certificate_failures, 1);
	if (s == ST_OK)
		log_info("certificate read again", LOG_END);
	else
		log_error("certificate not read, the old one stays in use", LOG_STR("error", err->text), LOG_END);
}

static enum status open_tls(struct server *srv, struct err *err)
{
	const struct config *c = srv->config;
	struct net_tls_server_opts o = { .handshake_ms = ms_of(c->server.timeouts.handshake_ns) };
	enum status s = ST_OK;

	if (c->tls_letsencrypt_hostname[0] != '\0') {
		s = server_acme_open(srv, err);
		if (s == ST_OK)
			o.provider = acme_provider(srv->acme);
	} else if (c->tls_cert_path[0] != '\0') {
		s = net_tls_files_new(srv->main, c->tls_cert_path, c->tls_key_path, server_certificate_read, srv, &srv->tls_files, err);
		if (s == ST_OK)
			o.provider = net_tls_files_provider(srv->tls_files);
		else
			err_prefix(err, "tls_cert_path");
	}
	if (s == ST_OK && o.provider.find != NULL)
		s = net_tls_server_new(&o, &srv->tls, err);
	return s;
}

/* ---- routers ---- */

static enum http_verdict allow_all(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
	return HTTP_ALLOW;
}

static void before_all(void *arg, struct http_req *r)
{
	server_name_request(arg, r);
	server_security_headers(arg, r);
}

static void make_routers(struct server *srv)
{
	srv->router = http_router_new();
	http_router_set_before(srv->router, before_all, srv);
	http_router_set_check(srv->router, server_check, srv);
	api_set_router(srv->api, srv->router);
	api_add_routes(srv->api, srv->router);
	control_add_routes(srv->control, srv->router, SERVER_PUBLIC);
	server_pages_routes(srv, srv->router);
	server_relay_routes(srv, srv->router);
	server_relay_status_routes(srv, srv->router);

	srv->local_router = http_router_new();
	http_router_set_before(srv->local_router, server_name_request, srv);
	http_router_set_check(srv->local_router, api_check_local, srv->api);
	api_add_routes(srv->api, srv->local_router);
	server_relay_status_routes(srv, srv->local_router);

	srv->metrics_router = http_router_new();
	http_router_set_before(srv->metrics_router, before_all, srv);
	http_router_set_check(srv->metrics_router, allow_all, NULL);
	server_metrics_routes(srv, srv->metrics_router);
	server_debug_routes(srv, srv->metrics_router);
}

enum status server_edge_open(struct server *srv, struct err *err)
{
	const struct config *c = srv->config;
	int given[SERVER_DOORS];
	enum status s = server_activated(given, err);

	if (s != ST_OK)
		return s;
	server_failures_open(srv);
	make_routers(srv);
	srv->limits = conn_limits_new(&(struct conn_limits_opts){
		.max_total = (uint32_t)c->server.limits.max_connections,
		.max_per_address = (uint32_t)c->server.limits.connections_per_address,
		.max_pending = (uint32_t)c->server.limits.pending_handshakes,
		.exempt = c->trusted_proxies.n > 0 ? server_is_trusted_proxy : NULL,
		.exempt_arg = srv,
	});
	for (unsigned i = 0; i < srv->n_loops; i++)
		srv->loops[i].http = new_http(&srv->loops[i], srv->router);
	s = open_tls(srv, err);
	if (s == ST_OK)
		s = open_main(srv, given[SERVER_DOOR_MAIN], err);
	if (s == ST_OK)
		s = open_local(srv, given[SERVER_DOOR_LOCAL], err);
	if (s == ST_OK)
		s = open_metrics(srv, given[SERVER_DOOR_METRICS], err);
	if (s == ST_OK)
		s = open_challenges(srv, err);
	return s;
}

/* ---- the end ---- */

struct drain {
	struct server *srv;
	loop_fn *done;
	void *arg;
};

static struct drain draining; /* there is one server in a process, and it stops once */

static void loop_drained(void *arg)
{
	struct server_loop *sl = arg;

	if (sl->drained)
		return;
	sl->drained = true;
	if (atomic_fetch_sub(&sl->srv->loops_left, 1) == 1)
		loop_post(sl->srv->main, draining.done, draining.arg);
}

/*
 * Over how long streams are ended, so that their clients do not come back all at once. About what serving their return
 * takes: nobody accepts meanwhile, and a client that is refused is seconds away, looking for us by other ways.
 */
static uint32_t spread_ms(uint32_t limit_ms)
{
	uint64_t streams = control_streams_open();

	return streams < limit_ms / 2 ? (uint32_t)streams : limit_ms / 2;
}

static void drain_loop(void *arg)
{
	struct server_loop *sl = arg;
	uint32_t limit_ms = ms_of(sl->srv->config->server.timeouts.shutdown_ns);

	listener_close(&sl->listener);
	listener_close(&sl->local_listener);
	listener_close(&sl->metrics_listener);
	listener_close(&sl->challenges_listener);
	control_loop_drain(sl->control, spread_ms(limit_ms));
	if (sl->local != NULL)
		http_server_free(&sl->local);
	if (sl->metrics != NULL)
		http_server_free(&sl->metrics);
	http_server_free(&sl->challenges);
	http_server_drain(sl->http, limit_ms, loop_drained, sl);
}

void server_edge_drain(struct server *srv, loop_fn *done, void *arg)
{
	draining = (struct drain){ srv, done, arg };
	atomic_store(&srv->loops_left, srv->n_loops);
	for (unsigned i = 0; i < srv->n_loops; i++)
		loop_post(srv->loops[i].loop, drain_loop, &srv->loops[i]);
}

void server_edge_close(struct server *srv)
{
	for (unsigned i = 0; i < srv->n_loops; i++) {
		struct server_loop *sl = &srv->loops[i];

		listener_close(&sl->listener);
		listener_close(&sl->local_listener);
		listener_close(&sl->metrics_listener);
		listener_close(&sl->challenges_listener);
		http_server_free(&sl->local);
		http_server_free(&sl->metrics);
		http_server_free(&sl->challenges);
		http_server_free(&sl->http);
	}
	conn_limits_unref(&srv->limits);
	addr_rate_free(&srv->failures);
	net_tls_server_free(&srv->tls);
	net_tls_files_free(&srv->tls_files);
	server_acme_close(srv);
	http_router_free(&srv->router);
	http_router_free(&srv->local_router);
	http_router_free(&srv->metrics_router);
}
