/* protocol/harness.c -- see protocol/harness.h. */
#include "protocol/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vec.h"

struct world w;
static struct node *nodes;

/* --- the server --------------------------------------------------------------------------- */

static const char *binary(void)
{
	const char *b = getenv("HEADSCALE");

	return b && *b ? b : "build/headscale";
}

static uint16_t free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) != 0 || getsockname(fd, (struct sockaddr *)&a, &n) != 0)
		abort();
	close(fd);
	return ntohs(a.sin_port);
}

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", w.dir, name);
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

static void write_files(void)
{
	struct buf b;
	char *text;

	buf_init(&b, 65536);
	buf_printf(&b,
		   "server_url: %s\nlisten_addr: 127.0.0.1:%u\nmetrics_listen_addr: \"\"\ngrpc_listen_addr: 127.0.0.1:0\n"
		   "unix_socket: %s/hs.sock\nunix_socket_permission: \"0700\"\nnoise: {private_key_path: %s/noise.key}\n"
		   "prefixes: {v4: 100.64.0.0/10, v6: \"fd7a:115c:a1e0::/48\"}\n"
		   "database: {type: sqlite, sqlite: {path: %s/db.sqlite}}\n"
		   "derp: {server: {enabled: false}, urls: [], paths: [%s/derp.yaml], auto_update_enabled: false}\n"
		   "dns: {magic_dns: true, base_domain: tail.test, override_local_dns: false}\n"
		   "policy: {mode: database}\ndisable_check_updates: true\nlog: {level: warn}\n"
		   "server: {limits: {registrations_per_minute: 0}}\n",
		   w.url, w.port, w.dir, w.dir, w.dir, w.dir);
	text = buf_take(&b, NULL);
	write_file("config.yaml", text);
	free(text);
	write_file("derp.yaml",
		   "regions:\n"
		   "  1: {regionid: 1, regioncode: one, regionname: One, nodes: [{name: 1a, regionid: 1, hostname: derp1.test, ipv4: 192.0.2.1}]}\n"
		   "  2: {regionid: 2, regioncode: two, regionname: Two, nodes: [{name: 2a, regionid: 2, hostname: derp2.test, ipv4: 192.0.2.2}]}\n");
}

static void show_log(void)
{
	char line[512], path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/log", w.dir);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		fprintf(stderr, "    server: %s", line);
	if (f)
		fclose(f);
}

static bool alive(void)
{
	return w.pid > 0 && waitpid(w.pid, NULL, WNOHANG) == 0;
}

void world_run(void)
{
	char path[128], config[128];
	struct err err = { 0 };
	int64_t end = clock_mono_ns() + PATIENCE_MS * NS_PER_MS;

	snprintf(path, sizeof path, "%s/log", w.dir);
	snprintf(config, sizeof config, "%s/config.yaml", w.dir);
	w.pid = fork();
	if (w.pid == 0) {
		int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

		dup2(fd, 1);
		dup2(fd, 2);
		execl(binary(), binary(), "serve", "-c", config, (char *)NULL);
		_exit(127);
	}
	while (ctl_server_fetch_key(&w.server, 2000, &err) != ST_OK) {
		if (!alive() || clock_mono_ns() > end) {
			show_log();
			fail_msg("the server does not answer: %s", err.text);
		}
		usleep(20000);
	}
}

void world_kill(int sig)
{
	int status = 0;
	int64_t end = clock_mono_ns() + PATIENCE_MS * NS_PER_MS;

	if (w.pid <= 0)
		return;
	kill(w.pid, sig);
	while (waitpid(w.pid, &status, WNOHANG) == 0) {
		loop_turn(w.loop, 10);
		if (clock_mono_ns() > end) {
			kill(w.pid, SIGKILL);
			waitpid(w.pid, &status, 0);
			w.pid = 0;
			fail_msg("the server does not end");
		}
	}
	w.pid = 0;
	if (sig == SIGTERM && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
		show_log();
		fail_msg("the server ended with %d", status);
	}
}

int world_start(void **state)
{
	struct err err = { 0 };
	struct json_object *o;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	strcpy(w.dir, "/tmp/protocol-XXXXXX");
	if (!mkdtemp(w.dir))
		abort();
	w.port = free_port();
	snprintf(w.url, sizeof w.url, "http://127.0.0.1:%u", w.port);
	write_files();
	w.loop = loop_new(0);
	if (ctl_server_init(&w.server, w.loop, w.url, &err) != ST_OK)
		abort();
	world_run();
	json_object_put(cli_json("users create tester"));
	o = cli_json("preauthkeys create --user 1 --reusable --expiration 24h");
	snprintf(w.key, sizeof w.key, "%s", json_object_get_string(json_object_object_get(o, "key")));
	json_object_put(o);
	return 0;
}

int world_stop(void **state)
{
	char *argv[] = { "rm", "-rf", w.dir, NULL };
	pid_t pid;

	(void)state;
	world_kill(SIGTERM);
	ctl_server_release(&w.server);
	loop_free(&w.loop);
	if (getenv("KEEP"))
		return 0;
	pid = fork();
	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	return 0;
}

/* --- the command line --------------------------------------------------------------------- */

static char *run_cli(const char *args, bool json)
{
	char command[1024];
	struct buf out;
	char piece[4096];
	size_t n;
	int status;
	FILE *p;

	snprintf(command, sizeof command, "%s -c %s/config.yaml %s %s </dev/null 2>&1", binary(), w.dir, json ? "-o json" : "", args);
	buf_init(&out, (size_t)16 << 20);
	p = popen(command, "r");
	if (!p)
		abort();
	while ((n = fread(piece, 1, sizeof piece, p)) > 0)
		buf_put(&out, piece, n);
	status = pclose(p);
	if (status != 0)
		fail_msg("%s\nended with %d:\n%.*s", command, status, (int)out.n, (char *)out.p);
	return buf_take(&out, NULL);
}

char *cli(const char *fmt, ...)
{
	char args[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(args, sizeof args, fmt, ap);
	va_end(ap);
	return run_cli(args, false);
}

struct json_object *cli_json(const char *fmt, ...)
{
	struct json_object *o = NULL;
	struct err err = { 0 };
	char args[512], *text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(args, sizeof args, fmt, ap);
	va_end(ap);
	text = run_cli(args, true);
	if (json_parse(bytes_of_str(text), (size_t)16 << 20, &o, &err) != ST_OK)
		fail_msg("%s printed: %s", args, text);
	free(text);
	return o;
}

/* --- nodes -------------------------------------------------------------------------------- */

struct node *node_new(const char *hostname)
{
	struct node *n = xcalloc(1, sizeof *n);

	ctl_identity_new(&n->id, hostname);
	n->version = CTL_VERSION;
	n->derp = 1;
	n->map = netmap_new();
	n->next = nodes;
	nodes = n;
	return n;
}

int node_sweep(void **state)
{
	uint64_t bad = 0;

	(void)state;
	while (nodes) {
		struct node *n = nodes;

		nodes = n->next;
		if (!n->broken_rules_expected && netmap_violations(n->map)) {
			fprintf(stderr, "%s was told what it must not be:\n", n->id.hostname);
			netmap_report(n->map, stderr);
			bad += netmap_violations(n->map);
		}
		ctl_client_free(&n->client);
		netmap_free(&n->map);
		free(n);
	}
	if (w.loop)
		loop_turn(w.loop, 0);
	return bad ? -1 : 0;
}

static void on_open(void *arg)
{
	((struct node *)arg)->open = true;
}

static void on_closed(void *arg, const char *why)
{
	struct node *n = arg;

	n->open = false;
	n->gone = true;
	snprintf(n->why, sizeof n->why, "%s", why);
}

static const struct ctl_client_handler client_handler = { .open = on_open, .closed = on_closed };

static void begin_connect(struct node *n)
{
	struct ctl_client_opts o = { .server = &w.server, .machine = &n->id.machine, .version = n->version,
				     .websocket = n->websocket, .handler = &client_handler, .arg = n };

	ctl_client_free(&n->client);
	n->open = n->gone = false;
	n->stream = NULL;
	n->client = ctl_client_new(&o);
}

void node_try_connect(struct node *n)
{
	begin_connect(n);
	until(n->open || n->gone);
}

void node_connect(struct node *n)
{
	node_try_connect(n);
	if (n->gone)
		fail_msg("%s cannot connect: %s", n->id.hostname, n->why);
}

void node_disconnect(struct node *n)
{
	ctl_client_free(&n->client);
	n->open = false;
	n->stream = NULL;
}

void answer_take(void *arg, enum status s, const struct ctl_answer *a)
{
	struct answer *r = arg;

	r->s = s;
	r->status = a->status;
	r->retry_after = a->retry_after;
	r->h2_error = a->h2_error;
	r->n = a->body.n;
	snprintf(r->body, sizeof r->body, "%.*s", (int)(a->body.n < sizeof r->body ? a->body.n : sizeof r->body - 1),
		 a->body.n ? (const char *)a->body.p : "");
	snprintf(r->type, sizeof r->type, "%s", a->type);
	r->done = true;
}

struct answer node_ask(struct node *n, const char *method, const char *path, struct bytes body)
{
	/* Not on the stack: a test that fails jumps out while the request is under way. */
	static struct answer r;

	memset(&r, 0, sizeof r);
	if (!n->open)
		node_connect(n);
	if (!ctl_request(n->client, method, path, body, answer_take, &r))
		fail_msg("%s is not connected", n->id.hostname);
	until(r.done);
	return r;
}

struct answer node_ask_text(struct node *n, const char *path, const char *body)
{
	return node_ask(n, "POST", path, bytes_of_str(body));
}

struct ctl_registered node_try_register(struct node *n, const struct ctl_register_opts *o)
{
	struct ctl_registered r = { 0 };
	struct ctl_answer a = { 0 };
	struct answer got;
	struct buf body;

	buf_init(&body, 65536);
	ctl_register_body(&n->id, o, &body);
	got = node_ask(n, "POST", "/machine/register", buf_bytes(&body));
	buf_release(&body);
	assert_int_equal(got.s, ST_OK);
	a.status = got.status;
	a.body = bytes_of_str(got.body);
	if (ctl_registered_parse(&a, &r) != ST_OK)
		fail_msg("no answer to a registration: %s", got.body);
	return r;
}

void node_register(struct node *n, const char *key)
{
	struct ctl_register_opts o = { .version = n->version, .auth_key = key ? key : w.key };
	struct ctl_registered r = node_try_register(n, &o);

	if (r.status != 200 || r.error[0])
		fail_msg("%s was not registered: %d %s", n->id.hostname, r.status, r.error);
	assert_string_equal(r.auth_url, "");
	assert_string_not_equal(r.login, "");
	assert_false(r.key_expired);
	assert_true(r.authorized);
}

static struct ctl_map_opts map_opts(struct node *n)
{
	return (struct ctl_map_opts){ .version = n->version, .endpoints = &n->endpoint, .n_endpoints = n->endpoint != NULL,
				      .derp = n->derp, .routes = n->routes, .n_routes = n->n_routes, .tags = n->tags, .n_tags = n->n_tags };
}

void node_lite(struct node *n)
{
	struct ctl_map_opts o = map_opts(n);
	struct answer a;
	struct buf body;

	o.omit_peers = true;
	buf_init(&body, 65536);
	ctl_map_body(&n->id, &o, &body);
	a = node_ask(n, "POST", "/machine/map", buf_bytes(&body));
	buf_release(&body);
	assert_int_equal(a.s, ST_OK);
	if (a.status != 200)
		fail_msg("lite update: %d %s", a.status, a.body);
}

static void on_message(void *arg, size_t wire, struct bytes json)
{
	struct node *n = arg;

	n->messages++;
	n->wire += wire;
	netmap_apply(n->map, json);
}

static void on_end(void *arg, enum status s, int status, struct bytes text)
{
	struct node *n = arg;

	n->stream = NULL;
	n->ended = true;
	n->end_status = s;
	n->end_http = status;
	snprintf(n->end_text, sizeof n->end_text, "%.*s", (int)(text.n < 200 ? text.n : 200), text.n ? (const char *)text.p : "");
}

static const struct ctl_stream_handler stream_handler = { .message = on_message, .closed = on_end };

void node_stream_with(struct node *n, const struct ctl_map_opts *o, bool hold)
{
	struct buf body;

	if (!n->open)
		node_connect(n);
	netmap_restart(n->map);
	n->ended = false;
	n->messages = n->wire = 0;
	buf_init(&body, 65536);
	ctl_map_body(&n->id, o, &body);
	n->stream = ctl_stream(n->client, buf_bytes(&body), o->plain ? CTL_PLAIN : CTL_ZSTD, hold, &stream_handler, n);
	buf_release(&body);
	assert_non_null(n->stream);
}

void node_stream(struct node *n)
{
	struct ctl_map_opts o = map_opts(n);

	o.stream = true;
	node_stream_with(n, &o, false);
}

void node_unstream(struct node *n)
{
	ctl_call_cancel(&n->stream);
}

struct node *node_up(const char *hostname)
{
	struct node *n = node_new(hostname);

	node_connect(n);
	node_register(n, NULL);
	node_lite(n);
	node_stream(n);
	until(netmap_has_first(n->map) || n->ended);
	if (n->ended)
		fail_msg("the stream of %s ended: %s, %d %s", hostname, status_name(n->end_status), n->end_http, n->end_text);
	return n;
}

/* --- what they see ------------------------------------------------------------------------ */

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return o && json_object_object_get_ex(o, name, &v) ? v : NULL;
}

int64_t node_id(const struct node *n)
{
	return json_object_get_int64(member(netmap_self(n->map), "ID"));
}

/* By node key: names change. */
struct json_object *sees(const struct node *n, const struct node *other)
{
	char key[KEY_TEXT_MAX];

	node_key_format(&other->id.node_public, key);
	for (size_t i = 0; i < netmap_peers(n->map); i++) {
		struct json_object *p = netmap_peer_at(n->map, i);

		if (strcmp(json_object_get_string(member(p, "Key")), key) == 0)
			return p;
	}
	return NULL;
}

const char *sees_endpoint(const struct node *n, const struct node *other)
{
	struct json_object *e = member(sees(n, other), "Endpoints");

	return e && json_object_array_length(e) ? json_object_get_string(json_object_array_get_idx(e, 0)) : "";
}

int64_t sees_derp(const struct node *n, const struct node *other)
{
	return json_object_get_int64(member(sees(n, other), "HomeDERP"));
}

int sees_online(const struct node *n, const struct node *other)
{
	struct json_object *v = member(sees(n, other), "Online");

	return v ? json_object_get_boolean(v) : -1;
}

const char *sees_text(const struct node *n, const struct node *other, const char *name)
{
	struct json_object *v = member(sees(n, other), name);

	return v ? json_object_get_string(v) : "";
}
