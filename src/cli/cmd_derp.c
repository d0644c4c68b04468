/*
 * cli/cmd_derp.c -- `derp status`: what goes through the relay, of the server or of one that runs alone.
 *
 * The relay only counts; rates are the difference of two answers, `interval` apart.
 */
#include "cli/cli_priv.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

#define ALONE_SOCKET "/var/run/headscale/derp.sock"
#define SERVER_SOCKET "/var/run/headscale/headscale.sock"
#define ANSWER_MAX ((size_t)64 << 20)
#define LIMIT_MAX 20000u
#define ASK_MS 10000L

/* ---- asking ---- */

static size_t take(char *p, size_t size, size_t n, void *arg)
{
	struct buf *b = arg;

	buf_put(b, p, size * n);
	return buf_ok(b) ? size * n : 0;
}

/* A relay that runs alone has no API, only this answer on its socket. */
static enum status ask_socket(struct cli_ctx *c, const char *socket, const char *path, struct json_object **out)
{
	struct json_object *tree = NULL;
	CURL *curl = curl_easy_init();
	struct buf answer;
	long code = 0;
	CURLcode r;

	if (curl == NULL)
		return ST_IO;
	buf_init(&answer, ANSWER_MAX);
	curl_easy_setopt(curl, CURLOPT_URL, arena_printf(c->arena, "http://local%s", path));
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ASK_MS);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	r = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	curl_easy_cleanup(curl);
	if (r == CURLE_OK && json_parse(buf_bytes(&answer), ANSWER_MAX, &tree, NULL) == ST_OK)
		cli_own(c, tree);
	buf_release(&answer);
	if (r != CURLE_OK)
		err_set(&c->err, "reading the relay's status: socket \"%s\": %s", socket, curl_easy_strerror(r));
	else if (code != 200 || tree == NULL)
		err_set(&c->err, "reading the relay's status: socket \"%s\" answers %ld: is this a relay?", socket, code);
	if (r != CURLE_OK || code != 200 || tree == NULL)
		return ST_IO;
	*out = tree;
	return ST_OK;
}

/* The socket of a relay that runs alone, if it is that which is meant; NULL: ask the server. */
static const char *alone_socket(struct cli_ctx *c)
{
	const struct cli_value *v = cli_flag(c, "socket");

	if (v->given)
		return v->text;
	if (c->config_path != NULL || getenv("HEADSCALE_CONFIG") != NULL || getenv("HEADSCALE_CLI_ADDRESS") != NULL)
		return NULL;
	return access(ALONE_SOCKET, F_OK) == 0 && access(SERVER_SOCKET, F_OK) != 0 ? ALONE_SOCKET : NULL;
}

static enum status ask(struct cli_ctx *c, struct json_object **out)
{
	uint64_t limit = cli_flag(c, "limit")->number;
	const char *socket = alone_socket(c);
	const char *path = arena_printf(c->arena, "/api/v1/derp/status?limit=%" PRIu64, limit < LIMIT_MAX ? limit : LIMIT_MAX);

	return socket != NULL ? ask_socket(c, socket, path, out) : cli_call(c, "reading the relay's status", "GET", path, NULL, out);
}

/* ---- numbers ---- */

static int64_t number(struct json_object *o, const char *name)
{
	struct json_object *v = cli_member(o, name);

	return v != NULL ? json_object_get_int64(v) : 0;
}

static size_t count(struct json_object *list)
{
	return list != NULL && json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

/* "12.3 MB" */
static const char *size(struct cli_ctx *c, double bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
	size_t u = 0;

	while (bytes >= 1000 && u + 1 < sizeof units / sizeof *units) {
		bytes /= 1000;
		u++;
	}
	return arena_printf(c->arena, u == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, units[u]);
}

static const char *span(struct cli_ctx *c, int64_t s)
{
	if (s < 120)
		return arena_printf(c->arena, "%" PRId64 "s", s);
	if (s < 7200)
		return arena_printf(c->arena, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	if (s < 172800)
		return arena_printf(c->arena, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	return arena_printf(c->arena, "%" PRId64 "d%02" PRId64 "h", s / 86400, s / 3600 % 24);
}

/* ---- rates ---- */

static double per_second(struct json_object *now, struct json_object *before, const char *name, double seconds)
{
	return (double)(number(now, name) - number(before, name)) / seconds;
}

static void put_rate(struct json_object *o, const char *name, double v)
{
	json_object_object_add(o, name, json_object_new_int64(v > 0 ? (int64_t)(v + 0.5) : 0));
}

static struct json_object *find_conn(struct json_object *list, const char *id)
{
	for (size_t i = 0; i < count(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		if (strcmp(cli_str(o, "id"), id) == 0)
			return o;
	}
	return NULL;
}

/* Members bytesInPerSecond ... into the later answer and its connections. */
static void add_rates(struct json_object *now, struct json_object *before, double seconds)
{
	struct json_object *a = cli_member(now, "counters"), *b = cli_member(before, "counters");
	struct json_object *conns = cli_member(now, "connections"), *rates = json_object_new_object();

	put_rate(rates, "packetsInPerSecond", per_second(a, b, "packets_received", seconds));
	put_rate(rates, "bytesInPerSecond", per_second(a, b, "bytes_received", seconds));
	put_rate(rates, "packetsOutPerSecond", per_second(a, b, "packets_sent", seconds));
	put_rate(rates, "bytesOutPerSecond", per_second(a, b, "bytes_sent", seconds));
	json_object_object_add(now, "rates", rates);
	for (size_t i = 0; i < count(conns); i++) {
		struct json_object *o = json_object_array_get_idx(conns, i);
		struct json_object *was = find_conn(cli_member(before, "connections"), cli_str(o, "id"));
		if (was == NULL)
			continue;
		put_rate(o, "bytesInPerSecond", per_second(o, was, "bytesIn", seconds));
		put_rate(o, "bytesOutPerSecond", per_second(o, was, "bytesOut", seconds));
	}
}

/* ---- for people ---- */

/* "queue 3, gone 1" of an object of numbers; those that are 0 are left out. */
static const char *reasons(struct cli_ctx *c, struct json_object *o)
{
	struct json_object_iter at;
	const char *all = "";

	if (o == NULL || !json_object_is_type(o, json_type_object))
		return all;
	json_object_object_foreachC(o, at) {
		int64_t n = json_object_is_type(at.val, json_type_object) ? number(at.val, "disco") + number(at.val, "other")
									  : json_object_get_int64(at.val);
		if (n != 0)
			all = arena_printf(c->arena, "%s%s%s %" PRId64, all, all[0] ? ", " : "", at.key, n);
	}
	return all;
}

static const char *or_none(const char *s)
{
	return s[0] != '\0' ? s : "none";
}

static void print_head(struct cli_ctx *c, struct json_object *t)
{
	struct json_object *relay = cli_member(t, "relay"), *region = cli_member(t, "region"), *rates = cli_member(t, "rates");
	struct json_object *n = cli_member(t, "counters"), *g = cli_member(t, "gauges"), *stun = cli_member(t, "stun");

	printf("relay    %s %s, up %s, %" PRId64 " loops, admits %s%s\n", cli_str(relay, "shortKey"), cli_str(relay, "version"),
	       span(c, number(relay, "uptimeSeconds")), number(relay, "loops"), cli_str(relay, "admission"),
	       cli_bool(relay, "meshKey") ? ", has a mesh key" : "");
	if (region != NULL)
		printf("region   %" PRId64 " %s (%s)\n", number(region, "id"), cli_str(region, "code"), cli_str(region, "name"));
	printf("clients  %" PRId64 " connections of %" PRId64 " nodes, %" PRId64 " at home here; %" PRId64 " more by mesh; %" PRId64
	       " not logged in yet\n",
	       number(g, "connections"), number(g, "clients_local"), number(g, "home_connections"), number(g, "clients_remote"),
	       number(g, "logins_pending"));
	printf("in       %" PRId64 " packets, %s\n", number(n, "packets_received"), size(c, (double)number(n, "bytes_received")));
	printf("out      %" PRId64 " packets, %s; %s waiting for slow readers\n", number(n, "packets_sent"),
	       size(c, (double)number(n, "bytes_sent")), size(c, (double)number(g, "queued_bytes")));
	if (rates != NULL)
		printf("now      in %" PRId64 " packets/s, %s/s; out %" PRId64 " packets/s, %s/s\n", number(rates, "packetsInPerSecond"),
		       size(c, (double)number(rates, "bytesInPerSecond")), number(rates, "packetsOutPerSecond"),
		       size(c, (double)number(rates, "bytesOutPerSecond")));
	printf("dropped  %s\nclosed   %s\n", or_none(reasons(c, cli_member(t, "drops"))), or_none(reasons(c, cli_member(t, "closes"))));
	if (stun != NULL)
		printf("stun     %" PRId64 " answers (IPv4 %" PRId64 ", IPv6 %" PRId64 "), %" PRId64 " other datagrams\n",
		       number(stun, "success"), number(stun, "ipv4"), number(stun, "ipv6"), number(stun, "not_stun"));
}

static void print_peers(struct cli_ctx *c, struct json_object *list)
{
	static const char *const header[] = { "Mesh peer", "State", "Since", "Key", "Packets out", "Last error" };
	struct cli_table *t;

	if (count(list) == 0)
		return;
	putchar('\n');
	t = cli_table_new(c, header, sizeof header / sizeof *header);
	for (size_t i = 0; i < count(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		cli_table_cell(t, cli_str(o, "host"));
		cli_table_cell(t, cli_str(o, "state"));
		cli_table_cell(t, cli_time(c, cli_member(o, "connectedAt") != NULL ? cli_str(o, "connectedAt") : NULL, ""));
		cli_table_cell(t, cli_str(o, "shortKey"));
		cli_table_cell(t, arena_printf(c->arena, "%" PRId64, number(o, "packetsOut")));
		cli_table_cell(t, cli_str(o, "lastError"));
	}
	cli_table_print(t);
}

static const char *kind_of(struct cli_ctx *c, struct json_object *o)
{
	return arena_printf(c->arena, "%s%s%s%s%s%s%s", cli_bool(o, "tls") ? "TLS" : "plain", cli_bool(o, "fastStart") ? ", fast start" : "",
			    cli_bool(o, "webSocket") ? ", WebSocket" : "", cli_bool(o, "mesh") ? ", mesh" : "",
			    cli_bool(o, "prober") ? ", prober" : "", cli_bool(o, "active") ? "" : ", passive",
			    cli_bool(o, "rateLimited") ? ", rate limited" : "");
}

/* "12.3 MB, 4.0 kB/s" */
static const char *traffic(struct cli_ctx *c, struct json_object *o, const char *total, const char *rate)
{
	const char *sum = size(c, (double)number(o, total));

	return number(o, rate) > 0 ? arena_printf(c->arena, "%s, %s/s", sum, size(c, (double)number(o, rate))) : sum;
}

static void print_conns(struct cli_ctx *c, struct json_object *t)
{
	static const char *const header[] = { "Node", "Key", "Address", "Home", "Kind", "Since", "In", "Out", "Queue", "Drops" };
	struct json_object *list = cli_member(t, "connections");
	struct cli_table *tab;

	if (count(list) > 0)
		putchar('\n');
	tab = cli_table_new(c, header, sizeof header / sizeof *header);
	for (size_t i = 0; i < count(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		cli_table_cell(tab, cli_str(o, "node")[0] != '\0' ? cli_str(o, "node") : cli_str(o, "app"));
		cli_table_cell(tab, cli_str(o, "shortKey"));
		cli_table_cell(tab, cli_str(o, "address"));
		cli_table_cell(tab, cli_bool(o, "home") ? "yes" : "no");
		cli_table_cell(tab, kind_of(c, o));
		cli_table_cell(tab, cli_time(c, cli_str(o, "connectedAt"), ""));
		cli_table_cell(tab, traffic(c, o, "bytesIn", "bytesInPerSecond"));
		cli_table_cell(tab, traffic(c, o, "bytesOut", "bytesOutPerSecond"));
		cli_table_cell(tab, number(o, "queuedFrames") > 0 ? arena_printf(c->arena, "%" PRId64 " frames, %s", number(o, "queuedFrames"),
										 size(c, (double)number(o, "queuedBytes")))
								  : "");
		cli_table_cell(tab, reasons(c, cli_member(o, "drops")));
	}
	if (count(list) > 0)
		cli_table_print(tab);
	if (number(t, "connectionsOmitted") > 0)
		printf("\n%" PRId64 " more connections: --limit shows them\n", number(t, "connectionsOmitted"));
}

enum status cli_derp_status(struct cli_ctx *c)
{
	struct json_object *before = NULL, *now = NULL;
	int64_t interval = 0, began;
	enum status s;

	if (duration_parse(bytes_of_str(cli_flag(c, "interval")->text), &interval) != ST_OK || interval < 0 || interval > 60 * NS_PER_S) {
		err_set(&c->err, "--interval \"%s\": expected a duration of at most 60s", cli_flag(c, "interval")->text);
		return ST_BAD_INPUT;
	}
	s = ask(c, &now);
	if (s == ST_OK && interval > 0) {
		before = now;
		began = clock_mono_ns();
		usleep((useconds_t)(interval / 1000));
		s = ask(c, &now);
		if (s == ST_OK)
			add_rates(now, before, (double)(clock_mono_ns() - began) / 1e9);
	}
	if (s != ST_OK)
		return s;
	if (c->format != CLI_HUMAN) {
		cli_print(c, now);
		return ST_OK;
	}
	print_head(c, now);
	print_peers(c, cli_member(now, "meshPeers"));
	print_conns(c, now);
	return ST_OK;
}
