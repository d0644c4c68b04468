/*
 * bench/control.c -- what a control server costs its nodes, and what they cost it.
 *
 *     control --url URL --key KEY [options] QUESTION...
 *
 * Questions are asked in the order given, on the same nodes: register, storm, change, up, memory, idle. Each prints one line,
 * figures beside goals. Any server that speaks the protocol can be asked.
 *
 *     --url URL        the server
 *     --key KEY        a reusable pre-auth key; several: nodes take turns, and see those of their own key if --sees key
 *     --pid PID        the server's process: its CPU time and memory are reported
 *     --nodes N        how many (100)
 *     --at-once N      registrations under way at a time (16)
 *     --sees all|key   whom a node sees: all nodes, or those of its own key (all)
 *     --decode N       so many nodes decompress what they get and hear of changes (all)
 *     --model N        so many of them also keep a map and check it against the rules (3)
 *     --changes N      changes that are timed (10)
 *     --idle S         seconds that idling is watched (20)
 *     --prefix NAME    of host names (n)
 *     --state FILE     keep the nodes' keys here; if it exists, these nodes are used and not made
 *     --restart CMD    for the storm: ends the server, starts it and prints its process number
 *
 * The time of a change is in the endpoint that it announces, so that every process on this machine can tell how old it is.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/vec.h"
#include "client/client.h"
#include "client/netmap.h"

#define KEYS_MAX 4096
#define CHANGE_WAIT_MS 20000
#define STORM_WAIT_MS 240000
#define QUIET_MS 1500
#define TOKEN "[2001:db8:be:"
#define TOKEN_MAX 64

enum stage { OFF, DIALLING, REGISTERING, REGISTERED, ASKED, STREAMING };

struct unit {
	struct ctl_identity id;
	struct ctl_client *client;
	struct ctl_call *stream;
	struct netmap *model;       /* NULL: none */
	struct loop_timer retry;
	enum stage stage;
	uint16_t key;
	bool decodes, want_register, want_stream;
	unsigned failures;
	int64_t begun, opened, answered, first; /* mono ns */
	int64_t heard;              /* newest change heard of: when it was made */
	size_t first_wire;
};

static struct options {
	const char *url, *prefix, *state, *restart;
	const char *keys[KEYS_MAX];
	size_t n_keys, nodes, at_once, decode, model, changes, idle_s;
	bool sees_key;
	pid_t pid;
} opt = { .prefix = "n", .nodes = 100, .at_once = 16, .decode = SIZE_MAX, .model = 3, .changes = 10, .idle_s = 20 };

static struct loop *loop;
static struct ctl_server server;
static struct unit *units;
static size_t n_units;
static long rss_before; /* of the server with nothing connected, KiB */

static struct figures {
	uint64_t messages, decoded_bytes;
	int64_t last_message;      /* mono ns */
	size_t registered, first_maps, lost, refused, failed;
	int64_t since;             /* changes older than this are not counted */
	size_t heard;
	VEC(double) latency_ms;
	char why[128];             /* the first failure */
} fig;

static double ms_of(int64_t ns)
{
	return (double)ns / 1e6;
}

/* --- the server's process ----------------------------------------------------------------- */

static double server_cpu_s(void)
{
	struct timespec t;
	clockid_t c;

	if (opt.pid <= 0 || clock_getcpuclockid(opt.pid, &c) != 0 || clock_gettime(c, &t) != 0)
		return 0;
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long server_rss_kib(void)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", (int)opt.pid);
	f = opt.pid > 0 ? fopen(path, "r") : NULL;
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static bool restart_server(void)
{
	struct err err = { 0 };
	FILE *p = popen(opt.restart, "r");
	int pid = 0, got = p ? fscanf(p, "%d", &pid) : 0;

	if (p)
		pclose(p);
	if (got != 1 || pid <= 0) {
		fprintf(stderr, "--restart printed no process number\n");
		return false;
	}
	opt.pid = pid;
	for (int i = 0; i < 3000; i++) {
		if (ctl_server_fetch_key(&server, 2000, &err) == ST_OK)
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	fprintf(stderr, "the server did not come back: %s\n", err.text);
	return false;
}

static double own_cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- percentiles -------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* v is sorted. */
static double at(const double *v, size_t n, double share)
{
	size_t i = (size_t)(share * (double)n);

	return n ? v[i < n ? i : n - 1] : 0;
}

static void sort(double *v, size_t n)
{
	if (n)
		qsort(v, n, sizeof *v, by_value);
}

/* --- changes that tell their time --------------------------------------------------------- */

static void token_text(int64_t ns, char out[static TOKEN_MAX])
{
	unsigned g[5];

	/* Every group has its top bit set: no run of zeros for anybody to shorten. */
	for (int i = 4; i >= 0; i--, ns >>= 15)
		g[i] = 0x8000u | (unsigned)(ns & 0x7fff);
	snprintf(out, TOKEN_MAX, TOKEN "%x:%x:%x:%x:%x]:41641", g[0], g[1], g[2], g[3], g[4]);
}

static void hear(struct unit *u, struct bytes json, int64_t now)
{
	for (;;) {
		const char *t = memmem(json.p, json.n, TOKEN, sizeof TOKEN - 1);
		size_t used;
		unsigned g[5];
		int64_t made = 0;
		char text[32];

		if (!t)
			return;
		used = (size_t)((const uint8_t *)t - json.p) + sizeof TOKEN - 1;
		json = bytes_skip(json, used);
		snprintf(text, sizeof text, "%.*s", (int)(json.n < 24 ? json.n : 24), (const char *)json.p);
		if (sscanf(text, "%x:%x:%x:%x:%x", &g[0], &g[1], &g[2], &g[3], &g[4]) != 5)
			continue;
		for (int i = 0; i < 5; i++)
			made = made << 15 | (int64_t)(g[i] & 0x7fff);
		if (made < fig.since || made <= u->heard)
			continue;
		u->heard = made;
		fig.heard++;
		vec_push(&fig.latency_ms, ms_of(now - made));
	}
}

/* --- a node ------------------------------------------------------------------------------- */

static void unit_start(struct unit *u);

static void unit_stop(struct unit *u)
{
	loop_timer_cancel(&u->retry);
	ctl_client_free(&u->client);
	u->stream = NULL;
	u->stage = OFF;
}

/* As clients do: n squared times 10 ms, at most 30 s. */
static void unit_again(struct unit *u, const char *why)
{
	uint64_t ms;

	if (!fig.why[0])
		snprintf(fig.why, sizeof fig.why, "%s", why);
	fig.failed++;
	unit_stop(u);
	u->failures++;
	ms = 10u * (uint64_t)u->failures * u->failures;
	loop_timer_start(&u->retry, ms < 30000 ? ms : 30000);
}

static void unit_retry(void *arg)
{
	unit_start(arg);
}

static void on_message(void *arg, size_t wire, struct bytes json)
{
	struct unit *u = arg;
	int64_t now = clock_mono_ns();

	fig.messages++;
	fig.decoded_bytes += json.n;
	fig.last_message = now;
	if (u->model && json.n)
		netmap_apply(u->model, json);
	if (u->stage != STREAMING) {
		u->stage = STREAMING;
		u->first = now;
		u->first_wire = wire;
		u->failures = 0;
		fig.first_maps++;
	} else if (json.n) {
		hear(u, json, now);
	}
}

static void on_end(void *arg, enum status s, int status, struct bytes text)
{
	struct unit *u = arg;
	char why[128];

	snprintf(why, sizeof why, "map: %s, %d %.*s", status_name(s), status, (int)(text.n < 60 ? text.n : 60),
		 text.n ? (const char *)text.p : "");
	u->stream = NULL;
	if (u->stage == STREAMING)
		fig.lost++;
	unit_again(u, why);
}

static const struct ctl_stream_handler stream_handler = { .message = on_message, .closed = on_end };

static void unit_stream(struct unit *u)
{
	struct ctl_map_opts o = { .stream = true, .endpoints = (const char *const[]){ "192.0.2.7:41641", "10.0.0.5:41641" },
				  .n_endpoints = 2, .derp = 1 };
	struct buf body;

	if (u->model)
		netmap_restart(u->model);
	buf_init(&body, 65536);
	ctl_map_body(&u->id, &o, &body);
	u->stage = ASKED;
	u->stream = ctl_stream(u->client, buf_bytes(&body), u->decodes ? CTL_ZSTD : CTL_SKIP, false, &stream_handler, u);
	buf_release(&body);
}

static void on_registered(void *arg, enum status s, const struct ctl_answer *a)
{
	struct unit *u = arg;
	struct ctl_registered r = { 0 };

	if (s != ST_OK || ctl_registered_parse(a, &r) != ST_OK || r.status != 200 || r.error[0] || r.auth_url[0]) {
		fig.refused++;
		unit_again(u, r.error[0] ? r.error : r.auth_url[0] ? "a login was asked for" : "registration");
		return;
	}
	u->want_register = false;
	u->answered = clock_mono_ns();
	u->stage = REGISTERED;
	fig.registered++;
	if (u->want_stream)
		unit_stream(u);
}

static void on_open(void *arg)
{
	struct unit *u = arg;
	struct ctl_register_opts o = { .auth_key = opt.keys[u->key] };
	struct buf body;

	u->opened = clock_mono_ns();
	if (!u->want_register) {
		unit_stream(u);
		return;
	}
	buf_init(&body, 65536);
	ctl_register_body(&u->id, &o, &body);
	u->stage = REGISTERING;
	ctl_request(u->client, "POST", "/machine/register", buf_bytes(&body), on_registered, u);
	buf_release(&body);
}

static void on_closed(void *arg, const char *why)
{
	struct unit *u = arg;

	if (u->stage == REGISTERED && !u->want_stream)
		unit_stop(u);
	else if (u->stage != OFF)
		unit_again(u, why);
}

static const struct ctl_client_handler client_handler = { .open = on_open, .closed = on_closed };

static void unit_start(struct unit *u)
{
	struct ctl_client_opts o = { .server = &server, .machine = &u->id.machine, .timeout_ms = 120000, .handler = &client_handler, .arg = u };

	ctl_client_free(&u->client);
	u->stage = DIALLING;
	u->client = ctl_client_new(&o);
}

static void unit_init(struct unit *u, size_t index)
{
	char name[64];

	snprintf(name, sizeof name, "%s%zu", opt.prefix, index);
	ctl_identity_new(&u->id, name);
	u->key = (uint16_t)(index % (opt.n_keys ? opt.n_keys : 1));
	loop_timer_init(&u->retry, loop, unit_retry, u);
	u->want_register = true;
}

/* --- keeping nodes ------------------------------------------------------------------------ */

static bool state_load(void)
{
	FILE *f = opt.state ? fopen(opt.state, "rb") : NULL;
	struct ctl_identity id;

	if (!f)
		return false;
	while (n_units < opt.nodes && fread(&id, sizeof id, 1, f) == 1) {
		unit_init(&units[n_units], n_units);
		units[n_units].id = id;
		units[n_units++].want_register = false;
	}
	fclose(f);
	return n_units > 0;
}

static void state_save(void)
{
	FILE *f = opt.state ? fopen(opt.state, "wb") : NULL;

	for (size_t i = 0; f && i < n_units; i++)
		fwrite(&units[i].id, sizeof units[i].id, 1, f);
	if (f)
		fclose(f);
}

/* --- helpers of questions ----------------------------------------------------------------- */

static void fig_reset(void)
{
	vec_release(&fig.latency_ms);
	memset(&fig, 0, sizeof fig);
}

/* How many nodes a decoding node besides u should see. */
static size_t listeners(const struct unit *u)
{
	size_t n = 0;

	for (size_t i = 0; i < n_units; i++)
		n += &units[i] != u && units[i].decodes && (!opt.sees_key || units[i].key == u->key);
	return n;
}

static size_t streaming(void)
{
	size_t n = 0;

	for (size_t i = 0; i < n_units; i++)
		n += units[i].stage == STREAMING;
	return n;
}

/* Turn until no message came for so long; when the last one came. */
static bool wait_quiet(unsigned quiet_ms, unsigned limit_ms)
{
	int64_t begun = clock_mono_ns(), now;

	do {
		int64_t last = fig.last_message > begun ? fig.last_message : begun;

		loop_turn(loop, 20);
		now = clock_mono_ns();
		if (now - last > (int64_t)quiet_ms * NS_PER_MS)
			return true;
	} while (now - begun < (int64_t)limit_ms * NS_PER_MS);
	return false;
}

static void goal(double value, double limit, const char *unit)
{
	if (limit > 0)
		printf(" (goal %g%s%s)", limit, unit, value <= limit ? "" : ", missed");
}

static void problems(void)
{
	uint64_t broken = 0;

	if (fig.failed)
		printf("; %zu tries failed, first: %s", fig.failed, fig.why);
	if (fig.lost)
		printf("; %zu streams lost", fig.lost);
	for (size_t i = 0; i < n_units; i++)
		broken += units[i].model ? netmap_violations(units[i].model) : 0;
	if (broken)
		printf("; %llu rules broken", (unsigned long long)broken);
	printf("\n");
	for (size_t i = 0; broken && i < n_units; i++)
		if (units[i].model && netmap_violations(units[i].model)) {
			netmap_report(units[i].model, stdout);
			break;
		}
	fflush(stdout);
}

/* --- questions ---------------------------------------------------------------------------- */

static bool ask_register(void)
{
	size_t started = n_units, done = 0, first = n_units;
	int64_t begun = clock_mono_ns(), end = begun + 600 * NS_PER_S;
	double cpu = server_cpu_s(), *ms = xcalloc(opt.nodes, sizeof *ms), s;

	if (n_units >= opt.nodes) {
		free(ms);
		return true; /* they were kept from before */
	}
	fig_reset();
	while (done < opt.nodes - first && clock_mono_ns() < end) {
		done = 0;
		for (size_t i = first; i < started; i++) {
			done += units[i].answered != 0;
			if (units[i].stage == REGISTERED)
				unit_stop(&units[i]);
		}
		for (; started < opt.nodes && started - first - done < opt.at_once; started++) {
			unit_init(&units[started], started);
			units[started].begun = clock_mono_ns();
			unit_start(&units[started]);
		}
		if (done < opt.nodes - first)
			loop_turn(loop, 20);
	}
	s = (double)(clock_mono_ns() - begun) / 1e9;
	cpu = server_cpu_s() - cpu;
	n_units = opt.nodes;
	for (size_t i = 0; i < done; i++)
		ms[i] = ms_of(units[first + i].answered - units[first + i].begun);
	sort(ms, done);
	printf("register   %zu nodes, %zu at once: %.0f /s (goal 1000%s); p50 %.1f ms, p99 %.1f ms", done, opt.at_once, (double)done / s,
	       (double)done / s >= 1000 ? "" : ", missed", at(ms, done, 0.5), at(ms, done, 0.99));
	goal(at(ms, done, 0.99), 50, " ms");
	printf("; server CPU %.2f ms each", cpu * 1000 / (double)(done ? done : 1));
	problems();
	free(ms);
	state_save();
	return done == opt.nodes - first;
}

struct storm_goal {
	size_t nodes;
	bool sees_key;
	double slowest_ms, quiet_ms, cpu_s, frames;
	double change_p50_ms, change_p99_ms;
};
static const struct storm_goal storm_goals[] = {
	{ 300, false, 500, 1000, 0.5, 3000, 5, 20 },
	{ 1000, false, 1500, 3000, 2, 0, 10, 50 },
	{ 10000, false, 0, 60000, 0, 0, 0, 250 },
	{ 300, true, 300, 0, 0, 0, 3, 0 },
	{ 10000, true, 8000, 0, 0, 0, 0, 20 },
};

static struct storm_goal goals(void)
{
	for (size_t i = 0; i < sizeof storm_goals / sizeof storm_goals[0]; i++)
		if (storm_goals[i].nodes == n_units && storm_goals[i].sees_key == opt.sees_key)
			return storm_goals[i];
	return (struct storm_goal){ 0 };
}

static bool start_all(int64_t *begun_out)
{
	int64_t begun;

	for (size_t i = 0; i < n_units; i++)
		unit_stop(&units[i]);
	loop_turn(loop, 0);
	if (opt.restart && !restart_server())
		return false;
	rss_before = server_rss_kib();
	fig_reset();
	begun = clock_mono_ns();
	for (size_t i = 0; i < n_units; i++) {
		struct unit *u = &units[i];

		u->want_stream = true;
		u->failures = 0;
		u->decodes = i < opt.decode;
		if (i < opt.model && u->decodes && !u->model)
			u->model = netmap_new();
		u->begun = begun;
		unit_start(u);
	}
	*begun_out = begun;
	return true;
}

static bool ask_storm(void)
{
	struct storm_goal g = goals();
	int64_t begun, last;
	double *ms = xcalloc(n_units, sizeof *ms), cpu, own, opened = 0;
	size_t n = 0, wire = 0;
	bool quiet = false;

	if (!start_all(&begun)) {
		free(ms);
		return false;
	}
	cpu = server_cpu_s();
	own = own_cpu_s();
	while (fig.first_maps < n_units && clock_mono_ns() - begun < STORM_WAIT_MS * NS_PER_MS)
		loop_turn(loop, 20);
	quiet = wait_quiet(QUIET_MS, (unsigned)(STORM_WAIT_MS - (clock_mono_ns() - begun) / NS_PER_MS > 1000 ?
						STORM_WAIT_MS - (clock_mono_ns() - begun) / NS_PER_MS : 1000));
	cpu = server_cpu_s() - cpu;
	own = own_cpu_s() - own;
	last = fig.last_message;
	for (size_t i = 0; i < n_units; i++)
		if (units[i].first >= begun) {
			ms[n++] = ms_of(units[i].first - begun);
			wire += units[i].first_wire;
			opened = ms_of(units[i].opened - begun) > opened ? ms_of(units[i].opened - begun) : opened;
		}
	sort(ms, n);
	printf("storm      %zu nodes%s%s: first map p50 %.0f ms, slowest %.0f ms", n_units, opt.sees_key ? ", each sees its key's" : ", all see all",
	       opt.restart ? ", after a restart" : "", at(ms, n, 0.5), n ? ms[n - 1] : 0);
	goal(n ? ms[n - 1] : 0, g.slowest_ms, " ms");
	printf("; %s after %.0f ms", quiet ? "quiet" : "not quiet", ms_of(last - begun));
	goal(ms_of(last - begun), g.quiet_ms, " ms");
	if (opt.pid > 0) {
		printf("; %.2f CPU s", cpu);
		goal(cpu, g.cpu_s, "");
	}
	printf("; %llu frames", (unsigned long long)fig.messages);
	goal((double)fig.messages, g.frames, "");
	printf("; first map %.1f KiB; all connected after %.0f ms; generator %.2f CPU s", (double)wire / 1024 / (double)(n ? n : 1), opened,
	       own);
	if (n < n_units)
		printf("; %zu without a map", n_units - n);
	problems();
	free(ms);
	return n == n_units;
}

/* Lite update of u with this endpoint. */
static void on_updated(void *arg, enum status s, const struct ctl_answer *a)
{
	(void)arg;
	if (s != ST_OK || a->status != 200)
		fig.refused++;
}

static void announce(struct unit *u, int64_t *made_out)
{
	char token[TOKEN_MAX];
	const char *endpoints[] = { token };
	struct ctl_map_opts o = { .omit_peers = true, .endpoints = endpoints, .n_endpoints = 1, .derp = 1 };
	struct buf body;

	*made_out = clock_mono_ns();
	token_text(*made_out, token);
	buf_init(&body, 65536);
	ctl_map_body(&u->id, &o, &body);
	if (u->client && ctl_client_is_open(u->client))
		ctl_request(u->client, "POST", "/machine/map", buf_bytes(&body), on_updated, u);
	buf_release(&body);
}

static bool ask_change(void)
{
	struct storm_goal g = goals();
	size_t due = 0, heard = 0;
	VEC(double) all = { 0 };
	double cpu = server_cpu_s();
	uint64_t messages = 0, whole = 0;

	for (size_t i = 0; i < n_units; i++)
		whole += units[i].model ? netmap_stats(units[i].model)->whole : 0;
	for (size_t k = 0; k < opt.changes; k++) {
		struct unit *u = &units[(k * n_units / opt.changes + 7) % n_units];
		size_t expect = listeners(u);
		int64_t made;

		fig_reset();
		fig.since = clock_mono_ns();
		announce(u, &made);
		while (fig.heard < expect && clock_mono_ns() - made < CHANGE_WAIT_MS * NS_PER_MS)
			loop_turn(loop, 20);
		due += expect;
		heard += fig.heard < expect ? fig.heard : expect;
		for (size_t i = 0; i < fig.latency_ms.n; i++)
			vec_push(&all, fig.latency_ms.v[i]);
		for (int64_t end = clock_mono_ns() + 200 * NS_PER_MS; clock_mono_ns() < end;)
			loop_turn(loop, 20);
		messages += fig.messages;
	}
	cpu = server_cpu_s() - cpu;
	sort(all.v, all.n);
	printf("change     %zu changes, %zu nodes%s: p50 %.2f ms", opt.changes, n_units, opt.sees_key ? ", each sees its key's" : "",
	       at(all.v, all.n, 0.5));
	goal(at(all.v, all.n, 0.5), g.change_p50_ms, " ms");
	printf(", p99 %.2f ms", at(all.v, all.n, 0.99));
	goal(at(all.v, all.n, 0.99), g.change_p99_ms, " ms");
	printf("; %zu of %zu not delivered in %d s (goal 0); %llu frames; %.2f CPU ms a change", due - heard, due, CHANGE_WAIT_MS / 1000,
	       (unsigned long long)messages, cpu * 1000 / (double)opt.changes);
	for (size_t i = 0; i < n_units; i++)
		whole -= units[i].model ? netmap_stats(units[i].model)->whole : 0;
	if (opt.model)
		printf("; %s", whole == 0 ? "as patches" : "as whole nodes");
	problems();
	vec_release(&all);
	return heard == due;
}

static bool ask_up(void)
{
	enum { N = 10 };
	static struct unit fresh[N];
	double ms[N];
	size_t n = 0;

	fig_reset();
	for (size_t i = 0; i < N; i++) {
		struct unit *u = &fresh[i];
		size_t before = fig.first_maps;

		unit_init(u, 1000000 + i);
		u->decodes = u->want_stream = true;
		u->begun = clock_mono_ns();
		unit_start(u);
		while (fig.first_maps == before && clock_mono_ns() - u->begun < 60 * NS_PER_S) {
			loop_turn(loop, 20);
			if (u->stage == STREAMING)
				break;
		}
		if (u->stage == STREAMING)
			ms[n++] = ms_of(u->first - u->begun);
		for (int64_t end = clock_mono_ns() + 200 * NS_PER_MS; clock_mono_ns() < end;)
			loop_turn(loop, 20);
	}
	for (size_t i = 0; i < N; i++)
		unit_stop(&fresh[i]);
	loop_turn(loop, 0);
	sort(ms, n);
	printf("up         %zu nodes there: register and first map, p50 %.1f ms", n_units, at(ms, n, 0.5));
	goal(at(ms, n, 0.5), 20, " ms");
	printf(", slowest of %d %.1f ms", (int)n, n ? ms[n - 1] : 0);
	problems();
	return n == N;
}

static bool ask_memory(void)
{
	long kib = server_rss_kib();
	size_t n = streaming();
	double each = n ? (double)(kib - rss_before) / (double)n : 0;

	printf("memory     %zu clients connected: %.1f MiB resident", n, (double)kib / 1024);
	if (n_units == 1000)
		goal((double)kib / 1024, 60, " MiB");
	printf(", %.1f before they came; %.1f KiB a client", (double)rss_before / 1024, each);
	goal(each, 40, " KiB");
	printf("\n");
	fflush(stdout);
	return true;
}

static bool ask_idle(void)
{
	int64_t begun = clock_mono_ns(), end = begun + (int64_t)opt.idle_s * NS_PER_S;
	double cpu, share;

	fig_reset();
	cpu = server_cpu_s();
	while (clock_mono_ns() < end)
		loop_turn(loop, 100);
	share = (server_cpu_s() - cpu) / ((double)(clock_mono_ns() - begun) / 1e9) * 100;
	printf("idle       %zu clients, %zu s: %.2f %% of a core", streaming(), opt.idle_s, share);
	goal(share, 0.1, " %");
	printf(", %.1f MiB resident, %llu frames", (double)server_rss_kib() / 1024, (unsigned long long)fig.messages);
	problems();
	return true;
}

static const struct question {
	const char *name;
	bool (*ask)(void);
} questions[] = {
	{ "register", ask_register }, { "storm", ask_storm },   { "change", ask_change },
	{ "up", ask_up },             { "memory", ask_memory }, { "idle", ask_idle },
};

static bool ask(const char *name)
{
	for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
		if (strcmp(questions[i].name, name) == 0)
			return questions[i].ask();
	fprintf(stderr, "no question %s\n", name);
	return false;
}

/* --- the command line --------------------------------------------------------------------- */

static void usage(void)
{
	fprintf(stderr, "usage: control --url URL --key KEY [--pid PID] [--nodes N] [--at-once N] [--sees all|key] [--decode N]\n"
			"               [--model N] [--changes N] [--idle S] [--prefix NAME] [--state FILE] [--restart CMD] QUESTION...\n"
			"questions: register storm change up memory idle\n");
	exit(2);
}

static size_t number(const char *s)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (*end || end == s)
		usage();
	return v;
}

static void read_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "url", 1, 0, 'u' },    { "key", 1, 0, 'k' },   { "pid", 1, 0, 'p' },     { "nodes", 1, 0, 'n' },  { "at-once", 1, 0, 'a' },
		{ "sees", 1, 0, 's' },   { "decode", 1, 0, 'd' }, { "model", 1, 0, 'm' },   { "changes", 1, 0, 'c' }, { "idle", 1, 0, 'i' },
		{ "prefix", 1, 0, 'x' }, { "state", 1, 0, 'f' }, { "restart", 1, 0, 'r' }, { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'u': opt.url = optarg; break;
		case 'k':
			if (opt.n_keys == KEYS_MAX)
				usage();
			opt.keys[opt.n_keys++] = optarg;
			break;
		case 'p': opt.pid = (pid_t)number(optarg); break;
		case 'n': opt.nodes = number(optarg); break;
		case 'a': opt.at_once = number(optarg); break;
		case 's': opt.sees_key = strcmp(optarg, "key") == 0; break;
		case 'd': opt.decode = number(optarg); break;
		case 'm': opt.model = number(optarg); break;
		case 'c': opt.changes = number(optarg); break;
		case 'i': opt.idle_s = number(optarg); break;
		case 'x': opt.prefix = optarg; break;
		case 'f': opt.state = optarg; break;
		case 'r': opt.restart = optarg; break;
		default: usage();
		}
	}
	if (!opt.url || optind == argc || opt.nodes == 0 || opt.at_once == 0 || opt.changes == 0)
		usage();
}

static void all_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

int main(int argc, char **argv)
{
	struct err err = { 0 };
	bool ok = true;

	read_options(argc, argv);
	all_descriptors();
	signal(SIGPIPE, SIG_IGN);
	loop = loop_new(0);
	if (ctl_server_init(&server, loop, opt.url, &err) != ST_OK || ctl_server_fetch_key(&server, 10000, &err) != ST_OK) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	rss_before = server_rss_kib();
	units = xcalloc(opt.nodes, sizeof *units);
	if (!state_load() && opt.n_keys == 0)
		usage();
	for (int i = optind; i < argc; i++)
		ok &= ask(argv[i]);
	for (size_t i = 0; i < n_units; i++) {
		unit_stop(&units[i]);
		netmap_free(&units[i].model);
	}
	loop_turn(loop, 0);
	free(units);
	vec_release(&fig.latency_ms);
	ctl_server_release(&server);
	loop_free(&loop);
	return ok ? 0 : 1;
}
