/*
 * bench/api.c -- what API v1 and the command line of a server cost.
 *
 *     api --host HOST --port PORT --key KEY [options] QUESTION...
 *
 * Questions, each prints a line with figures beside goals; any server with this API can be asked.
 *
 *     reads     GET /api/v1/user and GET /api/v1/node/ID on kept connections, for some seconds: requests a second, and by the
 *               server's CPU time how many one core can answer
 *     list      GET /api/v1/node, ten times: the first byte of the body, and all of it
 *     fill      make nodes for it by POST /api/v1/debug/node and /api/v1/auth/register (needs a user: --user)
 *     command   a command of the command line, fifty times
 *     idle      context switches of all threads of the server while nobody asks anything
 *     memory    resident memory of the server
 *
 *     --pid PID       the server's process
 *     --connections N at a time (16)
 *     --seconds S     of reads (5); of idle: --idle S (60)
 *     --nodes N       to fill (10000)
 *     --user NAME     whose (bench)
 *     --command CMD   for `command`, run by the shell
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vec.h"
#include "http/client.h"
#include "net/connect.h"

#define CONNECTIONS_MAX 256

struct bench {
	const char *host, *key, *user, *command;
	uint16_t port;
	long pid, connections, seconds, nodes, idle;
	struct loop *loop;
};

static struct bench b = { .host = "127.0.0.1", .user = "bench", .connections = 16, .seconds = 5, .nodes = 10000, .idle = 60 };

static void die(const char *what)
{
	fprintf(stderr, "api: %s\n", what);
	exit(1);
}

static const char *beside(bool reached)
{
	return reached ? "" : "  missed";
}

/* ---- the server's process ---- */

/* CPU time of all its threads. */
static double cpu_s(void)
{
	char path[64], text[1024];
	unsigned long user = 0, sys = 0;
	const char *p;
	FILE *f;
	size_t n;

	if (b.pid == 0)
		return 0;
	snprintf(path, sizeof path, "/proc/%ld/stat", b.pid);
	f = fopen(path, "re");
	if (f == NULL)
		die("no such process");
	n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	if (p == NULL || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
		die("/proc/PID/stat");
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

/* The sum of a number in the status of the process, or of each of its threads. */
static long status_of(const char *dir, const char *name)
{
	char path[512], line[256];
	long v = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/status", dir);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			v = strtol(line + strlen(name) + 1, NULL, 10);
	if (f != NULL)
		fclose(f);
	return v;
}

static long switches(void)
{
	char dir[64], task[400];
	struct dirent *e;
	long n = 0;
	DIR *d;

	snprintf(dir, sizeof dir, "/proc/%ld/task", b.pid);
	d = opendir(dir);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(task, sizeof task, "%s/%s", dir, e->d_name);
		n += status_of(task, "voluntary_ctxt_switches") + status_of(task, "nonvoluntary_ctxt_switches");
	}
	if (d != NULL)
		closedir(d);
	return n;
}

/* ---- connections that ask one request after the other ---- */

struct asker {
	struct connect *connect;
	struct http_client *client;
	char bearer[256], target[128], body[256];
	int64_t sent_ns, first_ns;
	size_t bytes;
	int status;
	long number; /* of the node that is made */
	bool done;
	/* Next request into target and body; false: enough. */
	bool (*next)(struct asker *a);
	const char *method;
};

static size_t n_open, n_answers, n_bad;

static void send_next(struct asker *a);

static void took(void *arg, struct bytes data)
{
	struct asker *a = arg;

	if (a->bytes == 0)
		a->first_ns = clock_mono_ns();
	a->bytes += data.n;
}

static void answered(void *arg, enum status s, const struct http_answer *answer)
{
	struct asker *a = arg;

	if (s != ST_OK)
		die("a connection ended");
	a->status = answer->status;
	n_answers++;
	n_bad += answer->status != 200;
	send_next(a);
}

static void send_next(struct asker *a)
{
	struct http_header h[] = { { "authorization", a->bearer } };

	if (!a->next(a)) {
		a->done = true;
		n_open--;
		return;
	}
	a->bytes = 0;
	a->sent_ns = clock_mono_ns();
	http_client_send(a->client,
			 &(struct http_client_req){ .method = a->method, .target = a->target, .host = b.host, .headers = h, .n_headers = 1,
						    .body = bytes_of_str(a->body), .data = took, .timeout_ms = 120000 },
			 answered, a);
}

static void connected(void *arg, enum status s, struct stream *stream, const struct err *err)
{
	struct asker *a = arg;

	a->connect = NULL;
	if (s != ST_OK)
		die(err != NULL ? err->text : "no connection");
	a->client = http_client_new(stream);
	send_next(a);
}

/* Run n askers until each has enough. */
static void run(struct asker *v, size_t n, bool (*next)(struct asker *a))
{
	n_open = n;
	n_answers = n_bad = 0;
	for (size_t i = 0; i < n; i++) {
		v[i] = (struct asker){ .next = next, .method = "GET" };
		snprintf(v[i].bearer, sizeof v[i].bearer, "Bearer %s", b.key);
		v[i].connect = connect_start(b.loop, &(struct connect_opts){ .host = b.host, .port = b.port }, connected, &v[i]);
	}
	while (n_open > 0)
		loop_turn(b.loop, 1000);
	for (size_t i = 0; i < n; i++)
		http_client_free(&v[i].client);
}

/* ---- reads ---- */

static int64_t end_ns;
static const char *read_target;

static bool next_read(struct asker *a)
{
	snprintf(a->target, sizeof a->target, "%s", read_target);
	return clock_mono_ns() < end_ns;
}

static void ask_reads(const char *target, double goal)
{
	struct asker *v = xcalloc((size_t)b.connections, sizeof *v);
	double cpu, s;
	int64_t from = clock_mono_ns();

	read_target = target;
	end_ns = from + b.seconds * NS_PER_S;
	cpu = cpu_s();
	run(v, (size_t)b.connections, next_read);
	s = (double)(clock_mono_ns() - from) / 1e9;
	cpu = cpu_s() - cpu;
	printf("reads      GET %s: %.0f /s", target, (double)n_answers / s);
	if (cpu > 0)
		printf(", %.0f us of CPU each: %.0f /s on one core (%.0f)%s", cpu * 1e6 / (double)n_answers, (double)n_answers / cpu, goal,
		       beside((double)n_answers / cpu >= goal));
	printf("%s\n", n_bad > 0 ? "  NOT ALL WERE 200" : "");
	free(v);
}

/* ---- list ---- */

static long lists_left;
static int64_t first_best, total_best, first_worst, total_worst;
static size_t list_bytes;

static bool next_list(struct asker *a)
{
	if (a->sent_ns != 0) {
		int64_t first = a->first_ns - a->sent_ns, total = clock_mono_ns() - a->sent_ns;

		first_best = first_best == 0 || first < first_best ? first : first_best;
		total_best = total_best == 0 || total < total_best ? total : total_best;
		first_worst = first > first_worst ? first : first_worst;
		total_worst = total > total_worst ? total : total_worst;
		list_bytes = a->bytes;
	}
	snprintf(a->target, sizeof a->target, "/api/v1/node");
	return lists_left-- > 0;
}

static void ask_list(void)
{
	struct asker one;
	double cpu = cpu_s();

	lists_left = 10;
	run(&one, 1, next_list);
	cpu = cpu_s() - cpu;
	printf("list       %.1f MB: first byte %.1f to %.1f ms (20)%s, all %.0f to %.0f ms, %.0f ms of CPU\n", (double)list_bytes / 1e6,
	       (double)first_best / 1e6, (double)first_worst / 1e6, beside(first_worst < 20 * NS_PER_MS), (double)total_best / 1e6,
	       (double)total_worst / 1e6, cpu * 1e3 / 10);
}

/* ---- fill ---- */

static long filled;

static bool next_fill(struct asker *a)
{
	static long next;
	bool second = strcmp(a->target, "/api/v1/debug/node") == 0;

	if (a->sent_ns != 0 && a->status != 200)
		die("the server makes no nodes this way");
	a->method = "POST";
	if (!second) {
		if (next == b.nodes)
			return false;
		a->number = ++next;
		snprintf(a->target, sizeof a->target, "/api/v1/debug/node");
		snprintf(a->body, sizeof a->body, "{\"user\":\"%s\",\"key\":\"hskey-authreq-%024lx\",\"name\":\"node%ld\",\"routes\":[]}", b.user, a->number, a->number);
	} else {
		snprintf(a->target, sizeof a->target, "/api/v1/auth/register");
		snprintf(a->body, sizeof a->body, "{\"user\":\"%s\",\"authId\":\"hskey-authreq-%024lx\"}", b.user, a->number);
		filled++;
	}
	return true;
}

static void ask_fill(void)
{
	struct asker *v = xcalloc((size_t)b.connections, sizeof *v);
	int64_t from = clock_mono_ns();

	run(v, (size_t)b.connections, next_fill);
	printf("fill       %ld nodes, %.0f /s\n", filled, (double)filled / ((double)(clock_mono_ns() - from) / 1e9));
	free(v);
}

/* ---- the rest ---- */

static int by_size(const void *a, const void *c)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)c;

	return x < y ? -1 : x > y;
}

static void ask_command(void)
{
	int64_t t[50];

	if (b.command == NULL)
		die("--command is missing");
	for (size_t i = 0; i < 50; i++) {
		int64_t from = clock_mono_ns();
		pid_t child = fork();
		int status = 0;

		if (child == 0) {
			if (freopen("/dev/null", "w", stdout) != NULL)
				execl("/bin/sh", "sh", "-c", b.command, (char *)NULL);
			_exit(127);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
			die("the command failed");
		t[i] = clock_mono_ns() - from;
	}
	qsort(t, 50, sizeof *t, by_size);
	printf("command    p50 %.1f ms (10)%s, fastest %.1f, slowest %.1f\n", (double)t[25] / 1e6, beside(t[25] <= 10 * NS_PER_MS),
	       (double)t[0] / 1e6, (double)t[49] / 1e6);
}

static void ask_idle(void)
{
	double cpu;
	long n;

	sleep(15); /* what was asked before has its aftermath: uses of keys are written behind, connections close */
	cpu = cpu_s();
	n = switches();
	sleep((unsigned)b.idle);
	n = switches() - n;
	printf("idle       %ld context switches in %ld s (0)%s, %.0f ms of CPU\n", n, b.idle, beside(n == 0), (cpu_s() - cpu) * 1e3);
}

static void ask_memory(void)
{
	char dir[64];

	snprintf(dir, sizeof dir, "/proc/%ld", b.pid);
	printf("memory     %.1f MiB resident (15)%s, of it %.1f anonymous\n", (double)status_of(dir, "VmRSS") / 1024,
	       beside(status_of(dir, "VmRSS") <= 15 * 1024), (double)status_of(dir, "RssAnon") / 1024);
}

static void ask(const char *question)
{
	if (strcmp(question, "reads") == 0) {
		ask_reads("/api/v1/user", 2000);
		ask_reads("/api/v1/node/1", 2000);
	} else if (strcmp(question, "list") == 0) {
		ask_list();
	} else if (strcmp(question, "fill") == 0) {
		ask_fill();
	} else if (strcmp(question, "command") == 0) {
		ask_command();
	} else if (strcmp(question, "idle") == 0) {
		ask_idle();
	} else if (strcmp(question, "memory") == 0) {
		ask_memory();
	} else {
		die("questions are reads, list, fill, command, idle, memory");
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "host", 1, 0, 'h' },	     { "port", 1, 0, 'p' },    { "key", 1, 0, 'k' },
					       { "pid", 1, 0, 'i' },	     { "connections", 1, 0, 'c' }, { "seconds", 1, 0, 's' },
					       { "nodes", 1, 0, 'n' },	     { "user", 1, 0, 'u' },    { "command", 1, 0, 'm' },
					       { "idle", 1, 0, 'd' },	     { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'h': b.host = optarg; break;
		case 'p': b.port = (uint16_t)atoi(optarg); break;
		case 'k': b.key = optarg; break;
		case 'i': b.pid = atol(optarg); break;
		case 'c': b.connections = atol(optarg); break;
		case 's': b.seconds = atol(optarg); break;
		case 'n': b.nodes = atol(optarg); break;
		case 'u': b.user = optarg; break;
		case 'm': b.command = optarg; break;
		case 'd': b.idle = atol(optarg); break;
		default: return 2;
		}
	}
	if (b.port == 0 || b.key == NULL || optind == argc || b.connections < 1 || b.connections > CONNECTIONS_MAX) {
		fprintf(stderr, "usage: api --host HOST --port PORT --key KEY [--pid PID] [options] QUESTION...; the head of bench/api.c says more\n");
		return 2;
	}
	b.loop = loop_new(0);
	for (int i = optind; i < argc; i++)
		ask(argv[i]);
	loop_free(&b.loop);
	return 0;
}
