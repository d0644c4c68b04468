/*
 * server/derp_alone.c -- `headscale derp`: a relay and STUN without a control server, with derper's main flags.
 *
 * Nodes are verified by asking a control server's /verify, or not at all. Flags of derper that mean nothing here (ACME,
 * secrets servers, a local tailscaled) are refused by name instead of ignored.
 */
#include "server/derp_alone.h"

#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_out.h"
#include "base/log.h"
#include "base/random.h"
#include "base/vec.h"
#include "crypto/private_file.h"
#include "crypto/secret.h"
#include "derp/http.h"
#include "derp/mesh.h"
#include "derp/stun_server.h"
#include "http/router.h"
#include "http/server.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/tls_files.h"
#include "server/settings.h"

#define LOOPS_MAX 64u
#define MESH_MAX 64u
#define VERIFY_MS 5000L
#define OPEN 1u

struct alone {
	/* flags */
	bool dev, stun, derp, verify_fail_open;
	const char *listen, *key_path, *cert_dir, *hostname, *verify_url, *bootstrap_names;
	struct derp_mesh_key mesh;
	const char *mesh_with[MESH_MAX];
	size_t n_mesh;
	uint16_t stun_port;
	/* running */
	unsigned n_loops;
	struct loop *loops[LOOPS_MAX], *main;
	struct http_server *http[LOOPS_MAX];
	struct listener *listeners[LOOPS_MAX];
	struct stun_server *stuns[LOOPS_MAX];
	struct http_router *router;
	struct derp_relay *relay;
	struct derp_http routes;
	struct net_tls_files *files;
	struct net_tls_server *tls;
	struct net_tls_client *mesh_tls;
};

/* ---- admission through a control server ---- */

struct verify {
	struct alone *a;
	derp_handle token;
	struct buf ask;
	bool allowed;
};

static size_t take(char *p, size_t size, size_t n, void *arg)
{
	struct buf *b = arg;

	buf_put(b, p, size * n);
	return buf_ok(b) ? size * n : 0;
}

static void verify_work(void *arg)
{
	struct verify *v = arg;
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *curl = curl_easy_init();
	struct buf answer;
	long code = 0;
	CURLcode r = CURLE_FAILED_INIT;

	buf_init(&answer, DERP_VERIFY_MAX);
	if (curl != NULL) {
		curl_easy_setopt(curl, CURLOPT_URL, v->a->verify_url);
		curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (char *)v->ask.p);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)v->ask.n);
		curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, VERIFY_MS);
		curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
		r = curl_easy_perform(curl);
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
		curl_easy_cleanup(curl);
	}
	if (r == CURLE_OK && code == 200)
		v->allowed = derp_verify_answer_parse(buf_bytes(&answer)) == ST_OK;
	else
		v->allowed = v->a->verify_fail_open;
	buf_release(&answer);
	curl_slist_free_all(headers);
}

static void verify_done(void *arg)
{
	struct verify *v = arg;

	derp_relay_admitted(v->a->relay, v->token, v->allowed);
	buf_release(&v->ask);
	free(v);
}

static enum derp_verdict admit(void *arg, const struct derp_admit_request *req)
{
	struct alone *a = arg;
	struct verify *v;

	if (a->verify_url == NULL || req->again)
		return DERP_ADMIT_YES;
	v = xcalloc(1, sizeof *v);
	v->a = a;
	v->token = req->token;
	buf_init(&v->ask, DERP_VERIFY_MAX);
	derp_verify_ask(&req->key, req->source, &v->ask);
	loop_work(a->loops[req->loop], verify_work, verify_done, v);
	return DERP_ADMIT_LATER;
}

/* ---- flags ---- */

static const char usage[] =
	"headscale derp: run only a relay and STUN\n\n"
	"  --a ADDR                  listen address (default :443)\n"
	"  --hostname NAME           name of the certificate\n"
	"  --certmode manual         certificates are files; the only mode\n"
	"  --certdir DIR             holds NAME.crt and NAME.key\n"
	"  --c FILE                  key file, made if missing (default derper.key)\n"
	"  --stun=true|false         answer STUN (default true)\n"
	"  --stun-port PORT          default 3478\n"
	"  --derp=true|false         relay (default true)\n"
	"  --mesh-psk-file FILE      key shared with the other relays of the region\n"
	"  --mesh-with HOST,...      those relays\n"
	"  --verify-client-url URL   ask a control server's /verify about each node\n"
	"  --verify-client-url-fail-open=true|false\n"
	"  --dev                     plain HTTP on :3340, a key for this run\n";

enum flag { F_A = 1, F_C, F_HOSTNAME, F_CERTMODE, F_CERTDIR, F_STUN, F_STUNPORT, F_DERP, F_PSK, F_MESH, F_VERIFY, F_FAILOPEN, F_DEV, F_HELP, F_VERSION };

static const struct option options[] = {
	{ "a", required_argument, NULL, F_A },
	{ "c", required_argument, NULL, F_C },
	{ "hostname", required_argument, NULL, F_HOSTNAME },
	{ "certmode", required_argument, NULL, F_CERTMODE },
	{ "certdir", required_argument, NULL, F_CERTDIR },
	{ "stun", optional_argument, NULL, F_STUN },
	{ "stun-port", required_argument, NULL, F_STUNPORT },
	{ "derp", optional_argument, NULL, F_DERP },
	{ "mesh-psk-file", required_argument, NULL, F_PSK },
	{ "mesh-with", required_argument, NULL, F_MESH },
	{ "verify-client-url", required_argument, NULL, F_VERIFY },
	{ "verify-client-url-fail-open", optional_argument, NULL, F_FAILOPEN },
	{ "dev", optional_argument, NULL, F_DEV },
	{ "help", no_argument, NULL, F_HELP },
	{ "version", no_argument, NULL, F_VERSION },
	{ NULL, 0, NULL, 0 },
};

static bool on(const char *text)
{
	return text == NULL || strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

static enum status read_mesh_key(struct alone *a, const char *path, struct err *err)
{
	char *text = NULL;
	size_t n = 0;
	enum status s = server_read_file(path, &text, &n, err);

	if (s != ST_OK)
		return s;
	s = derp_mesh_key_parse(bytes_of(text, n), &a->mesh);
	if (s != ST_OK)
		err_set(err, "--mesh-psk-file %s: expected 64 hex digits", path);
	secret_wipe(text, n);
	free(text);
	return s;
}

static enum status take_flag(struct alone *a, int flag, char *value, struct err *err)
{
	char *save = NULL;

	switch (flag) {
	case F_A:
		a->listen = value;
		return ST_OK;
	case F_C:
		a->key_path = value;
		return ST_OK;
	case F_HOSTNAME:
		a->hostname = value;
		return ST_OK;
	case F_CERTDIR:
		a->cert_dir = value;
		return ST_OK;
	case F_CERTMODE:
		if (strcmp(value, "manual") == 0)
			return ST_OK;
		err_set(err, "--certmode %s is not offered; use manual, with files that a certificate client renews", value);
		return ST_UNSUPPORTED;
	case F_STUN:
		a->stun = on(value);
		return ST_OK;
	case F_STUNPORT:
		a->stun_port = (uint16_t)strtoul(value, NULL, 10);
		return ST_OK;
	case F_DERP:
		a->derp = on(value);
		return ST_OK;
	case F_PSK:
		return read_mesh_key(a, value, err);
	case F_MESH:
		for (char *h = strtok_r(value, ",", &save); h != NULL && a->n_mesh < MESH_MAX; h = strtok_r(NULL, ",", &save))
			a->mesh_with[a->n_mesh++] = h;
		return ST_OK;
	case F_VERIFY:
		a->verify_url = value;
		return ST_OK;
	case F_FAILOPEN:
		a->verify_fail_open = on(value);
		return ST_OK;
	case F_DEV:
		a->dev = on(value);
		return ST_OK;
	}
	return ST_BAD_INPUT;
}

/* ST_CLOSED: help or version was printed. */
static enum status take_flags(struct alone *a, int argc, char **argv, struct err *err)
{
	char **args = xcalloc((size_t)argc + 2, sizeof *args);
	enum status s = ST_OK;
	int flag;

	args[0] = (char *)"headscale derp";
	for (int i = 0; i < argc; i++)
		args[i + 1] = argv[i];
	optind = 1;
	while (s == ST_OK && (flag = getopt_long_only(argc + 1, args, "", options, NULL)) != -1) {
		if (flag == F_HELP || flag == F_VERSION) {
			fputs(flag == F_HELP ? usage : HEADSCALE_VERSION "\n", stdout);
			s = ST_CLOSED;
		} else if (flag == '?') {
			err_set(err, "see `headscale derp --help`");
			s = ST_BAD_INPUT;
		} else {
			s = take_flag(a, flag, optarg, err);
		}
	}
	if (s == ST_OK && optind < argc + 1) {
		err_set(err, "unexpected argument \"%s\"", args[optind]);
		s = ST_BAD_INPUT;
	}
	free(args);
	return s;
}

/* ---- running ---- */

static void accepted(void *arg, struct stream *s)
{
	struct alone *a = arg;

	if (a->tls != NULL)
		s = net_tls_serve(a->tls, s);
	http_server_accept(a->http[loop_index(loop_current())], s);
}

static enum http_verdict allow(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
	return HTTP_ALLOW;
}

static void home(void *arg, struct http_req *r)
{
	(void)arg;
	http_respond_text(r, 200, "This is a DERP relay.");
}

static void make_router(struct alone *a)
{
	const struct http_route routes[] = {
		{ .methods = "*", .pattern = "/derp", .fn = derp_http_upgrade },
		{ .methods = "*", .pattern = "/derp/probe", .fn = derp_http_probe },
		{ .methods = "*", .pattern = "/derp/latency-check", .fn = derp_http_probe },
		{ .methods = "*", .pattern = "/generate_204", .fn = derp_http_generate_204 },
		{ .methods = "*", .pattern = "/bootstrap-dns", .fn = derp_http_bootstrap_dns },
		{ .methods = "GET", .pattern = "/", .fn = home },
	};

	a->router = http_router_new();
	http_router_set_check(a->router, allow, NULL);
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		struct http_route r = routes[i];

		r.arg = &a->routes;
		r.auth = OPEN;
		http_router_add(a->router, &r);
	}
}

static enum status open_tls(struct alone *a, struct err *err)
{
	char cert[1024], key[1024];
	enum status s;

	if (a->dev)
		return ST_OK;
	if (a->hostname == NULL || a->cert_dir == NULL) {
		err_set(err, "--hostname and --certdir are needed for TLS (or --dev for plain HTTP)");
		return ST_BAD_INPUT;
	}
	snprintf(cert, sizeof cert, "%s/%s.crt", a->cert_dir, a->hostname);
	snprintf(key, sizeof key, "%s/%s.key", a->cert_dir, a->hostname);
	s = net_tls_files_new(a->main, cert, key, NULL, NULL, &a->files, err);
	if (s == ST_OK)
		s = net_tls_server_new(&(struct net_tls_server_opts){ .provider = net_tls_files_provider(a->files) }, &a->tls, err);
	return s;
}

static enum status open_relay(struct alone *a, struct err *err)
{
	struct derp_settings settings = { .loops = a->n_loops, .admit = admit, .admit_arg = a, .mesh = a->mesh };
	enum status s = ST_OK;

	if (a->dev && a->key_path == NULL)
		node_private_new(&settings.key);
	else
		s = private_file_load_node(a->key_path != NULL ? a->key_path : "derper.key", &settings.key, err);
	if (s != ST_OK || !a->derp)
		return s;
	a->relay = derp_relay_new(&settings);
	secret_wipe(&settings.key, sizeof settings.key);
	a->routes.relay = a->relay;
	for (unsigned i = 0; i < a->n_loops; i++)
		derp_relay_attach(a->relay, i, a->loops[i]);
	if (a->n_mesh > 0 && !a->dev)
		s = net_tls_client_new(&(struct net_tls_client_opts){ 0 }, &a->mesh_tls, err);
	for (size_t i = 0; i < a->n_mesh && s == ST_OK; i++) {
		struct mesh_opts mo = { .tls = a->mesh_tls };
		char buf[512];

		s = derp_mesh_parse(bytes_of_str(a->mesh_with[i]), buf, &mo);
		if (s == ST_OK)
			derp_mesh_add(a->relay, (unsigned)i % a->n_loops, &mo);
		else
			err_set(err, "--mesh-with \"%s\": expected HOST, HOST:PORT or HOST/DIALHOST", a->mesh_with[i]);
	}
	return s;
}

static enum status open_doors(struct alone *a, struct err *err)
{
	struct net_addr addr, stun;
	enum status s = net_addr_parse_port(bytes_of_str(a->listen), &addr);

	if (s != ST_OK) {
		err_set(err, "--a \"%s\" is no address to listen at", a->listen);
		return s;
	}
	stun = addr;
	if (net_addr_family(&stun) == AF_INET6)
		stun.v6.sin6_port = htons(a->stun_port);
	else
		stun.v4.sin_port = htons(a->stun_port);
	for (unsigned i = 0; i < a->n_loops && s == ST_OK; i++) {
		a->http[i] = http_server_new(a->loops[i], &(struct http_server_opts){ .router = a->router });
		s = listener_open(a->loops[i], &addr, &(struct listener_opts){ 0 }, accepted, a, &a->listeners[i], err);
		if (s == ST_OK && a->stun)
			s = stun_server_new(a->loops[i], &stun, &a->stuns[i], err);
	}
	return s;
}

static void stop(void *arg)
{
	struct alone *a = arg;

	loop_stop(a->main);
}

static void close_all(struct alone *a)
{
	if (a->relay != NULL)
		derp_relay_shutdown(a->relay);
	for (unsigned i = 0; i < a->n_loops; i++)
		loop_stop(a->loops[i]);
	for (unsigned i = 0; i < a->n_loops; i++)
		loop_join(a->loops[i]);
	for (unsigned i = 0; i < a->n_loops; i++) {
		listener_close(&a->listeners[i]);
		stun_server_free(&a->stuns[i]);
		http_server_free(&a->http[i]);
	}
	for (unsigned i = 0; i < a->n_loops; i++)
		loop_free(&a->loops[i]);
	derp_relay_free(&a->relay);
	net_tls_server_free(&a->tls);
	net_tls_files_free(&a->files);
	net_tls_client_free(&a->mesh_tls);
	http_router_free(&a->router);
	loop_free(&a->main);
}

static enum status start(struct alone *a, struct err *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	enum status s;

	a->n_loops = cores < 1 ? 1 : cores > (long)LOOPS_MAX ? LOOPS_MAX : (unsigned)cores;
	for (unsigned i = 0; i < a->n_loops; i++)
		a->loops[i] = loop_new(i);
	a->main = loop_new(a->n_loops);
	make_router(a);
	s = open_tls(a, err);
	if (s == ST_OK)
		s = open_relay(a, err);
	if (s == ST_OK)
		s = open_doors(a, err);
	for (unsigned i = 0; i < a->n_loops && s == ST_OK; i++)
		s = loop_start(a->loops[i], err);
	return s;
}

int server_derp_alone(int argc, char **argv)
{
	struct alone a = { .stun = true, .derp = true, .verify_fail_open = true, .stun_port = 3478 };
	struct loop_signal *term, *intr;
	struct err err = { 0 };
	enum status s = take_flags(&a, argc, argv, &err);

	if (s == ST_CLOSED)
		return 0;
	if (a.listen == NULL)
		a.listen = a.dev ? ":3340" : ":443";
	signal(SIGPIPE, SIG_IGN);
	if (s == ST_OK)
		s = start(&a, &err);
	if (s == ST_OK) {
		term = loop_signal_new(a.main, SIGTERM, stop, &a);
		intr = loop_signal_new(a.main, SIGINT, stop, &a);
		log_info("relay serving", LOG_STR("listen", a.listen), LOG_BOOL("tls", a.tls != NULL), LOG_U64("loops", a.n_loops), LOG_END);
		loop_run(a.main);
		loop_signal_free(&term);
		loop_signal_free(&intr);
	} else {
		fprintf(stderr, "Error: %s\n", err.text[0] != '\0' ? err.text : status_name(s));
	}
	if (a.main != NULL)
		close_all(&a);
	secret_wipe(&a.mesh, sizeof a.mesh);
	return s == ST_OK ? 0 : 1;
}
