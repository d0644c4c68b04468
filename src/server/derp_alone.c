/*
 * server/derp_alone.c -- `headscale derp`: a relay and STUN without a control server, in derper's place.
 *
 * alone_flags.c reads the command line, alone_tls.c has certificates, alone_admit.c who may come in, alone_pages.c what is
 * answered by HTTP. Here it is all put on loops, and ended.
 */
#include "server/derp_alone.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_in.h"
#include "crypto/private_file.h"
#include "crypto/secret.h"
#include "derp/limits.h"
#include "server/alone_priv.h"
#include "server/mesh.h"
#include "server/settings.h"

/* ---- files ---- */

static enum status read_mesh_key(struct alone *a, struct err *err)
{
	const char *env = a->f.dev ? getenv("TAILSCALE_DERPER_MESH_KEY") : NULL;
	enum status s;

	if (env != NULL && env[0] != '\0') {
		s = derp_mesh_key_parse(bytes_of_str(env), &a->mesh);
		if (s != ST_OK)
			err_set(err, "TAILSCALE_DERPER_MESH_KEY: expected 64 hex digits");
		return s;
	}
	if (a->f.psk_file == NULL || a->f.psk_file[0] == '\0')
		return ST_OK;
	return server_mesh_key(a->f.psk_file, "--mesh-psk-file", &a->mesh, err);
}

/* derper's file: {"PrivateKey":"privkey:..."}. ST_NOT_FOUND: it is none, or there is no file. */
static enum status read_derper_key(const char *path, struct node_private *out)
{
	struct json_object *o = NULL;
	const char *key = "";
	char *text = NULL;
	size_t n = 0;
	enum status s = server_read_file(path, &text, &n, NULL);

	if (s != ST_OK)
		return ST_NOT_FOUND;
	if (n < 4096 && json_parse(bytes_of(text, n), 4096, &o, NULL) == ST_OK && json_object_is_type(o, json_type_object))
		s = json_get_str(o, "PrivateKey", &key, NULL);
	s = o != NULL && s == ST_OK && node_private_parse(bytes_of_str(key), out) == ST_OK ? ST_OK : ST_NOT_FOUND;
	json_object_put(o);
	secret_wipe(text, n);
	free(text);
	return s;
}

static enum status read_key(struct alone *a, struct node_private *out, struct err *err)
{
	if (a->f.key_path == NULL) { /* --dev */
		node_private_new(out);
		return ST_OK;
	}
	if (read_derper_key(a->f.key_path, out) == ST_OK)
		return ST_OK;
	return private_file_load_node(a->f.key_path, out, err);
}

static enum status read_limits(const struct alone *a, struct derp_limits *out, struct err *err)
{
	char *text = NULL;
	size_t n = 0;
	enum status s;

	if (a->f.rate_config == NULL || a->f.rate_config[0] == '\0')
		return ST_OK;
	s = server_read_file(a->f.rate_config, &text, &n, err);
	if (s == ST_OK)
		s = derp_limits_parse(bytes_of(text, n), out, err);
	free(text);
	if (s != ST_OK)
		err_prefix(err, "--rate-config");
	return s;
}

/* SIGHUP. */
static void reload(void *arg)
{
	struct alone *a = arg;
	struct derp_limits l = { 0 };
	struct err err = { 0 };

	if (a->f.rate_config == NULL || a->relay == NULL)
		return;
	if (read_limits(a, &l, &err) != ST_OK) {
		log_error("rate limits not read, the old ones stay in force", LOG_STR("error", err.text), LOG_END);
		return;
	}
	derp_relay_set_limits(a->relay, &l);
	log_info("rate limits read again", LOG_U64("bytes_per_second", l.per_conn.per_s), LOG_END);
}

/* ---- connections ---- */

static void accepted(void *arg, struct stream *s)
{
	struct alone *a = arg;

	if (!rate_shared_take(&a->accepting, &a->f.accepts, 1, clock_mono_ns())) {
		atomic_fetch_add_explicit(&a->accepts_refused, 1, memory_order_relaxed);
		stream_drop(&s, false);
		return;
	}
	if (a->tls != NULL)
		s = net_tls_serve(a->tls, s);
	http_server_accept(a->http[loop_index(loop_current())], s);
}

static void accepted_plain(void *arg, struct stream *s)
{
	struct alone *a = arg;

	http_server_accept(a->plain, s);
}

static void accepted_local(void *arg, struct stream *s)
{
	struct alone *a = arg;

	conn_established(stream_conn(s));
	http_server_accept(a->local, s);
}

/* ---- starting ---- */

static enum status open_mesh(struct alone *a, struct err *err)
{
	const struct server_mesh m = { (const char *const *)a->f.mesh_with.v, a->f.mesh_with.n, a->f.dev, "--mesh-with" };

	return server_mesh_open(a->relay, a->n_loops, &m, &a->mesh_tls, err);
}

static uint32_t ms_or(int64_t ns, uint32_t zero)
{
	return ns == 0 ? zero : ns / NS_PER_MS < 1 ? 1 : (uint32_t)(ns / NS_PER_MS);
}

static enum status open_relay(struct alone *a, struct err *err)
{
	struct derp_settings settings = {
		.loops = a->n_loops,
		.admit = alone_admit,
		.admit_arg = a,
		.mesh = a->mesh,
		.write_stall_ms = ms_or(a->f.write_timeout_ns, UINT32_MAX),
		.user_timeout_ms = ms_or(a->f.user_timeout_ns, 0),
		.tcp_idle_s = (uint32_t)(a->f.tcp_idle_ns / NS_PER_S),
	};
	enum status s = read_limits(a, &settings.limits, err);

	if (s != ST_OK || !a->f.derp)
		return s;
	s = read_key(a, &settings.key, err);
	if (s != ST_OK) {
		err_prefix(err, "--c");
		return s;
	}
	a->relay = derp_relay_new(&settings);
	secret_wipe(&settings, sizeof settings);
	a->routes.relay = a->relay;
	a->status.relay = a->relay;
	for (unsigned i = 0; i < a->n_loops; i++)
		derp_relay_attach(a->relay, i, a->loops[i]);
	return open_mesh(a, err);
}

static void set_port(struct net_addr *a, uint16_t port)
{
	if (net_addr_family(a) == AF_INET6)
		a->v6.sin6_port = htons(port);
	else
		a->v4.sin_port = htons(port);
}

static enum status open_plain(struct alone *a, const struct net_addr *main_addr, struct err *err)
{
	struct net_addr addr = *main_addr;
	enum status s;

	if (a->tls == NULL || a->f.http_port < 0)
		return ST_OK;
	set_port(&addr, (uint16_t)a->f.http_port);
	a->plain = http_server_new(a->loops[0], &(struct http_server_opts){ .router = a->plain_router });
	s = listener_open(a->loops[0], &addr, &(struct listener_opts){ 0 }, accepted_plain, a, &a->plain_listener, err);
	if (s != ST_OK)
		err_prefix(err, "--http-port %d", a->f.http_port);
	return s;
}

/* Not to have it is no reason not to relay: several relays of a machine share the default. */
static void open_local(struct alone *a)
{
	char parent[sizeof ALONE_STATUS_SOCKET];
	struct err err = { 0 };

	if (a->f.status_socket[0] == '\0' || a->relay == NULL)
		return;
	if (strcmp(a->f.status_socket, ALONE_STATUS_SOCKET) == 0) {
		snprintf(parent, sizeof parent, "%s", ALONE_STATUS_SOCKET);
		*strrchr(parent, '/') = '\0';
		(void)mkdir(parent, 0755);
	}
	a->local = http_server_new(a->loops[0], &(struct http_server_opts){ .router = a->local_router });
	if (listener_open_unix(a->loops[0], a->f.status_socket, 0700, &(struct listener_opts){ 0 }, accepted_local, a,
			       &a->local_listener, &err) != ST_OK)
		log_warn("`headscale derp status` will not find this relay; --status-socket names another place",
			 LOG_STR("socket", a->f.status_socket), LOG_STR("error", err.text), LOG_END);
}

static enum status open_doors(struct alone *a, struct err *err)
{
	struct net_addr addr, stun;
	enum status s = net_addr_parse_port(bytes_of_str(a->f.listen), &addr);

	if (s != ST_OK) {
		err_set(err, "--a \"%s\" is no address to listen at", a->f.listen);
		return s;
	}
	stun = addr;
	set_port(&stun, a->f.stun_port);
	for (unsigned i = 0; i < a->n_loops && s == ST_OK; i++) {
		a->http[i] = http_server_new(a->loops[i], &(struct http_server_opts){ .router = a->router });
		s = listener_open(a->loops[i], &addr, &(struct listener_opts){ .backlog = 4096 }, accepted, a, &a->listeners[i], err);
		if (s != ST_OK)
			err_prefix(err, "--a");
		if (s == ST_OK && a->f.stun) {
			s = stun_server_new(a->loops[i], &stun, &a->stuns[i], err);
			if (s != ST_OK)
				err_prefix(err, "--stun-port");
		}
	}
	if (s == ST_OK)
		s = open_plain(a, &addr, err);
	if (s == ST_OK)
		open_local(a);
	return s;
}

static enum status start(struct alone *a, struct err *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct net_addr addr;
	enum status s = read_mesh_key(a, err);

	if (s != ST_OK)
		return s;
	a->tls_wanted = !a->f.dev && (a->f.cert_mode == ALONE_MANUAL ||
				      (net_addr_parse_port(bytes_of_str(a->f.listen), &addr) == ST_OK && net_addr_port(&addr) == 443));
	a->n_loops = cores < 1 ? 1 : cores > (long)ALONE_LOOPS_MAX ? ALONE_LOOPS_MAX : (unsigned)cores;
	for (unsigned i = 0; i < a->n_loops; i++)
		a->loops[i] = loop_new(i);
	a->main = loop_new(a->n_loops);
	s = alone_tls_open(a, err);
	if (s != ST_OK)
		return s;
	alone_routers_make(a);
	s = open_relay(a, err);
	if (s == ST_OK)
		s = open_doors(a, err);
	for (unsigned i = 0; i < a->n_loops && s == ST_OK; i++)
		s = loop_start(a->loops[i], err);
	if (s == ST_OK) {
		alone_tls_start(a);
		alone_names_start(a);
	}
	return s;
}

/* ---- ending ---- */

static void stop(void *arg)
{
	struct alone *a = arg;

	loop_stop(a->main);
}

static void close_all(struct alone *a)
{
	alone_names_stop(a);
	if (a->relay != NULL)
		derp_relay_shutdown(a->relay);
	for (unsigned i = 0; i < a->n_loops; i++)
		loop_stop(a->loops[i]);
	for (unsigned i = 0; i < a->n_loops; i++)
		loop_join(a->loops[i]);
	listener_close(&a->plain_listener);
	listener_close(&a->local_listener);
	http_server_free(&a->plain);
	http_server_free(&a->local);
	for (unsigned i = 0; i < a->n_loops; i++) {
		listener_close(&a->listeners[i]);
		stun_server_free(&a->stuns[i]);
		http_server_free(&a->http[i]);
	}
	for (int k = 0; k < 4; k++) /* what the loops were told last, or have never heard because they did not start */
		for (unsigned i = 0; i < a->n_loops; i++)
			loop_turn(a->loops[i], 1);
	derp_relay_free(&a->relay);
	alone_tls_close(a);
	for (unsigned i = 0; i < a->n_loops; i++)
		loop_free(&a->loops[i]);
	http_router_free(&a->router);
	http_router_free(&a->plain_router);
	http_router_free(&a->local_router);
	loop_free(&a->main);
}

static void run(struct alone *a)
{
	struct loop_signal *term = loop_signal_new(a->main, SIGTERM, stop, a), *intr = loop_signal_new(a->main, SIGINT, stop, a);
	struct loop_signal *hup = loop_signal_new(a->main, SIGHUP, reload, a);

	log_info("relay serving", LOG_STR("listen", a->f.listen), LOG_BOOL("tls", a->tls != NULL), LOG_U64("loops", a->n_loops),
		 LOG_STR("admission", alone_admission(a)), LOG_END);
	loop_run(a->main);
	loop_signal_free(&term);
	loop_signal_free(&intr);
	loop_signal_free(&hup);
}

int server_derp_alone(int argc, char **argv)
{
	struct alone a = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct err err = { 0 };
	enum status s = alone_flags_take(&a.f, argc, argv, &err);

	if (s == ST_CLOSED)
		return 0;
	signal(SIGPIPE, SIG_IGN);
	(void)setenv("UV_THREADPOOL_SIZE", "16", 0); /* questions about clients wait for others most of the time */
	curl_global_init(CURL_GLOBAL_DEFAULT);
	buf_init(&a.names_json, (size_t)64 * 1024);
	a.started_ns = clock_unix_ns();
	if (s == ST_OK)
		s = start(&a, &err);
	if (s == ST_OK)
		run(&a);
	else
		fprintf(stderr, "Error: %s\n", err.text[0] != '\0' ? err.text : status_name(s));
	if (a.main != NULL)
		close_all(&a);
	alone_admit_release(&a);
	buf_release(&a.names_json);
	secret_wipe(&a.mesh, sizeof a.mesh);
	return s == ST_OK ? 0 : 1;
}
