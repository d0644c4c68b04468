/*
 * bench/derp.c -- what a relay costs; any relay, by URL.
 *
 *     bench_derp throughput URL [PAIRS [SECONDS [SIZE [IN_FLIGHT]]]] [--pid PID]
 *     bench_derp rtt        URL [COUNT] [--pid PID]
 *     bench_derp idle       URL [CONNECTIONS] [--pid PID]
 *     bench_derp talk       URL [CONNECTIONS [PERCENT [SECONDS]]] [--pid PID]
 *     bench_derp slow       URL [READERS [SECONDS]] [--pid PID]
 *     bench_derp floor      [PAIRS [SECONDS [SIZE [IN_FLIGHT]]]]
 *
 * URL is http://host:port or https://host:port (not verified). With --pid the relay's CPU time and memory are read
 * from /proc. With --place same|cross (throughput, rtt) the relay listens with one loop at PORT and another at PORT + 1, and
 * pairs are put on the same loop or across. `floor` forks a forwarder that only reads and writes: what the kernel takes for that traffic. Each
 * packet is written by itself, as real clients do. One thread drives all connections.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vec.h"
#include "derp/frame.h"
#include "derp/login.h"

#define BUF_MAX (256 * 1024)

struct peer {
	int fd;
	SSL *tls;
	struct node_private priv;
	struct node_key key;
	struct peer *other;
	unsigned in_flight, limit;
	uint64_t got, sent;
	int64_t sent_ns;
	uint32_t seq_out, seq_in, lost;
	uint8_t *part; /* bytes of an incomplete frame */
	size_t part_n;
	bool want_write;
	bool receiver;
};

static struct sockaddr_storage where;
static socklen_t where_len;
static char host_name[256];
static SSL_CTX *tls_ctx;
static struct node_key server_key;
static enum { ANYWHERE, SAME_LOOP, ACROSS } place;
static unsigned dialled;
static int pid;
static int ep;
static uint8_t scratch[BUF_MAX];

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the relay's process ---- */

static double cpu_s(int of)
{
	char path[64], text[1024], *p;
	unsigned long user, sys;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", of);
	f = fopen(path, "r");
	if (!f || !fgets(text, sizeof text, f))
		return 0;
	fclose(f);
	p = strrchr(text, ')');
	if (!p || sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
		return 0;
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static double rss_kib(int of)
{
	char path[64], line[256];
	double kib = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", of);
	f = fopen(path, "r");
	if (!f)
		return 0;
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "VmRSS: %lf kB", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

/* ---- connecting ---- */

static void parse_url(const char *url)
{
	bool tls = strncmp(url, "https://", 8) == 0;
	char port[8] = "";
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *res;
	const char *rest = strstr(url, "://"), *colon;

	rest = rest ? rest + 3 : url;
	colon = strrchr(rest, ':');
	snprintf(host_name, sizeof host_name, "%.*s", colon ? (int)(colon - rest) : (int)strcspn(rest, "/"), rest);
	snprintf(port, sizeof port, "%d", colon ? atoi(colon + 1) : tls ? 443 : 80);
	if (getaddrinfo(host_name, port, &hints, &res) != 0)
		die(url);
	memcpy(&where, res->ai_addr, res->ai_addrlen);
	where_len = res->ai_addrlen;
	freeaddrinfo(res);
	if (!tls)
		return;
	tls_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(tls_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static int dial(void)
{
	int fd = socket(where.ss_family, SOCK_STREAM, 0), on = 1;
	unsigned n = dialled++, far = place == SAME_LOOP ? n / 2 % 2 : place == ACROSS ? n % 2 : 0;
	struct sockaddr_storage to = where;
	in_port_t *port = to.ss_family == AF_INET6 ? &((struct sockaddr_in6 *)&to)->sin6_port : &((struct sockaddr_in *)&to)->sin_port;

	*port = htons((uint16_t)(ntohs(*port) + far));
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, where_len) != 0)
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static int peer_write(struct peer *p, const void *b, size_t n)
{
	return p->tls ? SSL_write(p->tls, b, (int)n) : (int)send(p->fd, b, n, MSG_NOSIGNAL);
}

static int peer_read(struct peer *p, void *b, size_t n)
{
	return p->tls ? SSL_read(p->tls, b, (int)n) : (int)recv(p->fd, b, n, 0);
}

static void read_all(struct peer *p, uint8_t *b, size_t n)
{
	while (n) {
		int k = peer_read(p, b, n);
		if (k <= 0)
			die("the relay closed the connection");
		b += k;
		n -= (size_t)k;
	}
}

static uint32_t read_frame(struct peer *p, uint8_t *type)
{
	struct derp_header h;

	read_all(p, scratch, DERP_HEADER_LEN);
	h = derp_header_get(scratch);
	if (h.len > BUF_MAX)
		die("a frame too long");
	read_all(p, scratch, h.len);
	*type = h.type;
	return h.len;
}

static void upgrade(struct peer *p)
{
	char req[512], c;
	int n = snprintf(req, sizeof req,
	                 "GET /derp HTTP/1.1\r\nHost: %s\r\nUser-Agent: Go-http-client/1.1\r\n"
	                 "Connection: Upgrade\r\nUpgrade: DERP\r\n\r\n", host_name);
	const char *end = "\r\n\r\n";

	if (peer_write(p, req, (size_t)n) != n)
		die("upgrade");
	for (const char *at = end; *at;) {
		read_all(p, (uint8_t *)&c, 1);
		at = c == *at ? at + 1 : c == *end ? end + 1 : end;
	}
}

static void login(struct peer *p)
{
	struct derp_client_info info = { .version = 2, .can_ack_pings = true };
	struct buf b;
	uint8_t type;
	uint32_t n;

	p->fd = dial();
	if (tls_ctx) {
		p->tls = SSL_new(tls_ctx);
		SSL_set_fd(p->tls, p->fd);
		SSL_set_tlsext_host_name(p->tls, host_name);
		if (SSL_connect(p->tls) != 1)
			die("TLS");
	}
	upgrade(p);
	n = read_frame(p, &type);
	if (type != DERP_SERVER_KEY || derp_server_key_parse(bytes_of(scratch, n), &server_key) != ST_OK)
		die("no ServerKey");
	node_private_new(&p->priv);
	p->key = node_private_public(&p->priv);
	buf_init(&b, 4096);
	if (derp_client_info_seal(&info, &p->priv, &server_key, &b) != ST_OK || peer_write(p, b.p, b.n) != (int)b.n)
		die("login");
	buf_release(&b);
	n = read_frame(p, &type);
	if (type != DERP_SERVER_INFO)
		die("no ServerInfo");
}

static void nonblocking(struct peer *p)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = p };

	fcntl(p->fd, F_SETFL, fcntl(p->fd, F_GETFL) | O_NONBLOCK);
	if (epoll_ctl(ep, EPOLL_CTL_ADD, p->fd, &e) != 0)
		die("epoll");
}

static struct peer *connect_many(unsigned n)
{
	struct peer *v = xcalloc(n, sizeof *v);

	for (unsigned i = 0; i < n; i++)
		login(&v[i]);
	for (unsigned i = 0; i < n; i++)
		v[i].other = &v[i ^ 1];
	return v;
}

/* ---- packets ---- */

static size_t packet_size = 1400;

/* One packet, written by itself; false if the socket takes no more now. */
static bool send_one(struct peer *p)
{
	static uint8_t frame[DERP_PACKET_HEAD + 65536];
	size_t n = DERP_PACKET_HEAD + packet_size;
	int k;

	derp_put_send_head(frame, p->other->key.b, packet_size);
	memcpy(frame + DERP_PACKET_HEAD, &p->seq_out, 4);
	k = peer_write(p, frame, n);
	if (k == (int)n) {
		p->seq_out++;
		p->sent++;
		p->in_flight++;
		return true;
	}
	if (k <= 0)
		return false;
	/* a piece went out: finish it, waiting */
	for (size_t done = (size_t)k; done < n;) {
		struct pollfd w = { p->fd, POLLOUT, 0 };
		poll(&w, 1, 1000);
		k = peer_write(p, frame + done, n - done);
		if (k > 0)
			done += (size_t)k;
	}
	p->seq_out++;
	p->sent++;
	p->in_flight++;
	return true;
}

typedef void packet_fn(struct peer *p, const uint8_t *packet, size_t n);

static void parse_frames(struct peer *p, const uint8_t *b, size_t n, packet_fn *fn, size_t *used)
{
	size_t at = 0;

	while (n - at >= DERP_HEADER_LEN) {
		struct derp_header h = derp_header_get(b + at);
		if (n - at - DERP_HEADER_LEN < h.len)
			break;
		if (h.type == DERP_RECV_PACKET)
			fn(p, b + at + DERP_PACKET_HEAD, h.len - DERP_KEY_LEN);
		at += DERP_HEADER_LEN + h.len;
	}
	*used = at;
}

static void receive(struct peer *p, packet_fn *fn)
{
	size_t used, n = p->part_n;
	int k;

	if (n)
		memcpy(scratch, p->part, n);
	do {
		k = peer_read(p, scratch + n, BUF_MAX - n > 65536 ? 65536 : BUF_MAX - n);
		if (k == 0 || (k < 0 && !p->tls && errno != EAGAIN))
			die("the relay closed a connection");
		if (k > 0)
			n += (size_t)k;
	} while (k > 0 && p->tls && BUF_MAX - n > 32768);
	parse_frames(p, scratch, n, fn, &used);
	p->part_n = n - used;
	if (p->part_n && !p->part)
		p->part = xmalloc(BUF_MAX);
	if (p->part_n)
		memcpy(p->part, scratch + used, p->part_n);
}

/* ---- throughput ---- */

static void fill(struct peer *p)
{
	while (p->in_flight < p->limit && send_one(p))
		;
}

static void got_packet(struct peer *p, const uint8_t *packet, size_t n)
{
	uint32_t seq;

	memcpy(&seq, packet, 4);
	p->got++;
	p->other->in_flight -= 1 + (seq - p->seq_in);
	p->lost += seq - p->seq_in;
	p->seq_in = seq + 1;
	(void)n;
}

static void pump(struct peer *v, unsigned n, double seconds)
{
	struct epoll_event ev[64];
	int64_t end = clock_mono_ns() + (int64_t)(seconds * 1e9);

	for (unsigned i = 0; i < n; i += 2)
		fill(&v[i]);
	while (clock_mono_ns() < end) {
		int k = epoll_wait(ep, ev, 64, 100);
		for (int i = 0; i < k; i++) {
			struct peer *p = ev[i].data.ptr;
			receive(p, got_packet);
			fill(p->other->limit ? p->other : p);
		}
		if (k == 0) /* everything in flight was lost */
			for (unsigned i = 0; i < n; i += 2) {
				v[i].in_flight = 0;
				fill(&v[i]);
			}
	}
}

static void totals(const struct peer *v, unsigned n, uint64_t *got, uint64_t *lost)
{
	*got = *lost = 0;
	for (unsigned i = 0; i < n; i++) {
		*got += v[i].got;
		*lost += v[i].lost;
	}
}

static void throughput(unsigned pairs, double seconds, unsigned limit)
{
	struct peer *v = connect_many(2 * pairs);
	uint64_t g0, g1, l0, l1;
	double c0, c1, t, gb;
	int64_t t0;

	for (unsigned i = 0; i < 2 * pairs; i++) {
		nonblocking(&v[i]);
		v[i].limit = i % 2 ? 0 : limit;
	}
	pump(v, 2 * pairs, 0.5); /* warm */
	totals(v, 2 * pairs, &g0, &l0);
	c0 = cpu_s(pid);
	t0 = clock_mono_ns();
	pump(v, 2 * pairs, seconds);
	t = (double)(clock_mono_ns() - t0) / 1e9;
	c1 = cpu_s(pid);
	totals(v, 2 * pairs, &g1, &l1);
	gb = (double)(g1 - g0) * (double)packet_size / 1e9;
	printf("throughput pairs=%u size=%zu in_flight=%u: %.0f packets/s, %.2f Gbit/s, %.2f CPU s/GB, lost %.3f %%, rss %.0f KiB\n",
	       pairs, packet_size, limit, (double)(g1 - g0) / t, gb * 8 / t, pid ? (c1 - c0) / gb : 0,
	       100.0 * (double)(l1 - l0) / (double)(g1 - g0 + l1 - l0 + 1), rss_kib(pid));
}

/* ---- round trips ---- */

static int cmp_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void print_times(const char *what, int64_t *v, size_t n)
{
	qsort(v, n, sizeof *v, cmp_i64);
	printf("%s: %zu packets, p50 %.1f us, p90 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us\n", what, n,
	       (double)v[n / 2] / 1e3, (double)v[n * 9 / 10] / 1e3, (double)v[n * 99 / 100] / 1e3,
	       (double)v[n * 999 / 1000] / 1e3, (double)v[n - 1] / 1e3);
}

static void rtt(unsigned count)
{
	struct peer *v = connect_many(2);
	int64_t *times = xcalloc(count, sizeof *times);
	uint8_t type;

	for (unsigned i = 0; i < count + 100; i++) {
		int64_t t0 = clock_mono_ns();
		send_one(&v[0]);
		do {
			read_frame(&v[1], &type);
		} while (type != DERP_RECV_PACKET);
		send_one(&v[1]);
		do {
			read_frame(&v[0], &type);
		} while (type != DERP_RECV_PACKET);
		if (i >= 100)
			times[i - 100] = clock_mono_ns() - t0;
	}
	print_times("rtt there and back", times, count);
}

/* ---- many connections ---- */

static void idle(unsigned n)
{
	double before, after;
	struct peer *v;

	(void)connect_many(2);
	sleep(1);
	before = rss_kib(pid);
	v = connect_many(n & ~1u);
	sleep(1);
	after = rss_kib(pid);
	printf("idle: %u connections, %.2f KiB each (rss %.0f -> %.0f KiB)\n", n, (after - before) / n, before, after);
	for (unsigned i = 0; i + 1 < n; i += 64) { /* all of them work */
		uint8_t type;
		send_one(&v[i]);
		do {
			read_frame(v[i].other, &type);
		} while (type != DERP_RECV_PACKET);
	}
	after = rss_kib(pid);
	printf("idle: after some talk %.2f KiB each\n", (after - before) / n);
}

static int64_t *talk_times;
static size_t talk_n, talk_max;

static void talk_packet(struct peer *p, const uint8_t *packet, size_t n)
{
	(void)packet;
	(void)n;
	if (talk_n < talk_max)
		talk_times[talk_n++] = clock_mono_ns() - p->other->sent_ns;
	p->got++;
}

/* One per cent of the connections send a packet every 20 ms; the others are there. */
static void talk(unsigned n, unsigned percent, double seconds)
{
	struct peer *v = connect_many(n & ~1u);
	unsigned talkers = n * percent / 100 / 2;
	struct epoll_event ev[256];
	int64_t end, next;
	double c0;

	for (unsigned i = 0; i < 2 * talkers; i++)
		nonblocking(&v[i]);
	talk_max = (size_t)(seconds * 50 + 1) * talkers * 2;
	talk_times = xcalloc(talk_max, sizeof *talk_times);
	c0 = cpu_s(pid);
	next = clock_mono_ns();
	end = next + (int64_t)(seconds * 1e9);
	for (unsigned turn = 0; clock_mono_ns() < end;) {
		int64_t now = clock_mono_ns();
		int k;
		if (now >= next) { /* a tenth of the talkers every 2 ms */
			for (unsigned i = turn++ % 10; i < talkers; i += 10) {
				v[2 * i].sent_ns = clock_mono_ns();
				send_one(&v[2 * i]);
			}
			next += 2000000;
		}
		k = epoll_wait(ep, ev, 256, next > now ? (int)((next - now) / 1000000) : 0);
		for (int i = 0; i < k; i++)
			receive(ev[i].data.ptr, talk_packet);
	}
	if (!talk_n)
		die("nothing arrived");
	printf("talk: %u connections, %u talk, %.3f CPU s/s, rss %.0f KiB\n", n, 2 * talkers,
	       pid ? (cpu_s(pid) - c0) / seconds : 0, rss_kib(pid));
	print_times("talk one way", talk_times, talk_n);
}

/* Readers that never read, each sent to as fast as it goes; beside them one pair that wants its round trips. */
static void slow(unsigned readers, double seconds)
{
	struct peer *v = connect_many(2 * readers), *pair = connect_many(2);
	int64_t end = clock_mono_ns() + (int64_t)(seconds * 1e9), *times = xcalloc(1000000, sizeof *times);
	double before = rss_kib(pid), most = before;
	size_t n = 0;
	uint8_t type;

	for (unsigned i = 0; i < 2 * readers; i += 2)
		fcntl(v[i].fd, F_SETFL, fcntl(v[i].fd, F_GETFL) | O_NONBLOCK);
	for (unsigned at = 0; clock_mono_ns() < end && n < 1000000; at++) {
		int64_t t0;
		for (unsigned k = 0; k < 200; k++) {
			struct peer *p = &v[2 * ((at * 200 + k) % readers)];
			if (p->fd >= 0 && !send_one(p) && errno != EAGAIN)
				p->fd = -1;
		}
		t0 = clock_mono_ns();
		send_one(&pair[0]);
		do {
			read_frame(&pair[1], &type);
		} while (type != DERP_RECV_PACKET);
		times[n++] = clock_mono_ns() - t0;
		if (at % 64 == 0 && rss_kib(pid) > most)
			most = rss_kib(pid);
	}
	printf("slow: %u readers that do not read, rss %.0f KiB at first, %.0f KiB at most\n", readers, before, most);
	print_times("slow: a pair beside them, one way", times, n);
}

/* ---- the kernel's floor ---- */

/* Forward bytes between neighbours until the parent dies; no thought is spent on them. */
static void forwarder(int listener, unsigned n)
{
	int *fd = xcalloc(n, sizeof *fd), e = epoll_create1(0);
	static uint8_t buf[512 * 1024];
	struct epoll_event ev[64];

	for (unsigned i = 0; i < n; i++) {
		struct epoll_event x = { .events = EPOLLIN, .data.u32 = i };
		int on = 1;
		fd[i] = accept(listener, NULL, NULL);
		setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		epoll_ctl(e, EPOLL_CTL_ADD, fd[i], &x);
	}
	for (;;) {
		int k = epoll_wait(e, ev, 64, -1);
		for (int i = 0; i < k; i++) {
			unsigned from = ev[i].data.u32;
			ssize_t m = recv(fd[from], buf, 64 * 1024, 0);
			if (m <= 0)
				_exit(0);
			if (send(fd[from ^ 1], buf, (size_t)m, MSG_NOSIGNAL) < 0)
				_exit(0);
		}
	}
}

/* A receiver of frames that were not rewritten: counts SendPackets. */
static void floor_receive(struct peer *p)
{
	size_t n = p->part_n, at = 0;
	int k = (int)recv(p->fd, scratch, 65536, 0);

	if (k <= 0)
		return;
	n += (size_t)k;
	at = n / (DERP_PACKET_HEAD + packet_size);
	p->part_n = n % (DERP_PACKET_HEAD + packet_size);
	p->got += at;
	p->other->in_flight -= (unsigned)at;
}

static void floor_pump(struct peer *v, unsigned n, double seconds)
{
	struct epoll_event ev[64];
	int64_t end = clock_mono_ns() + (int64_t)(seconds * 1e9);

	for (unsigned i = 0; i < n; i += 2)
		fill(&v[i]);
	while (clock_mono_ns() < end) {
		int k = epoll_wait(ep, ev, 64, 100);
		for (int i = 0; i < k; i++) {
			struct peer *p = ev[i].data.ptr;
			floor_receive(p);
			fill(p->other);
		}
	}
}

static void kernel_floor(unsigned pairs, double seconds, unsigned limit)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct peer *v = xcalloc(2 * pairs, sizeof *v);
	int l = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t g0, g1, lost;
	double c0, c1, t, gb;
	int64_t t0;

	where_len = sizeof a;
	if (bind(l, (struct sockaddr *)&a, sizeof a) != 0 || listen(l, 128) != 0 ||
	    getsockname(l, (struct sockaddr *)&where, &where_len) != 0)
		die("listen");
	pid = fork();
	if (pid == 0)
		forwarder(l, 2 * pairs);
	for (unsigned i = 0; i < 2 * pairs; i++) {
		v[i].fd = dial();
		v[i].other = &v[i ^ 1];
		v[i].limit = i % 2 ? 0 : limit;
		nonblocking(&v[i]);
	}
	floor_pump(v, 2 * pairs, 0.5);
	totals(v, 2 * pairs, &g0, &lost);
	c0 = cpu_s(pid);
	t0 = clock_mono_ns();
	floor_pump(v, 2 * pairs, seconds);
	t = (double)(clock_mono_ns() - t0) / 1e9;
	c1 = cpu_s(pid);
	totals(v, 2 * pairs, &g1, &lost);
	gb = (double)(g1 - g0) * (double)packet_size / 1e9;
	printf("floor pairs=%u size=%zu in_flight=%u: %.0f packets/s, %.2f Gbit/s, %.2f CPU s/GB\n", pairs, packet_size,
	       limit, (double)(g1 - g0) / t, gb * 8 / t, (c1 - c0) / gb);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static double arg_num(int argc, char **argv, int i, double d)
{
	return i < argc ? atof(argv[i]) : d;
}

int main(int argc, char **argv)
{
	struct rlimit files = { 20000, 20000 };
	const char *mode = argc > 1 ? argv[1] : "";

	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--pid") == 0)
			pid = atoi(argv[i + 1]);
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--place") == 0)
			place = strcmp(argv[i + 1], "same") == 0 ? SAME_LOOP : ACROSS;
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "--", 2) == 0)
			argc = i;
	setrlimit(RLIMIT_NOFILE, &files);
	ep = epoll_create1(0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (strcmp(mode, "floor") == 0) {
		packet_size = (size_t)arg_num(argc, argv, 4, 1400);
		kernel_floor((unsigned)arg_num(argc, argv, 2, 4), arg_num(argc, argv, 3, 3), (unsigned)arg_num(argc, argv, 5, 64));
		return 0;
	}
	if (argc < 3) {
		fprintf(stderr, "usage: see the head of bench/derp.c\n");
		return 2;
	}
	parse_url(argv[2]);
	if (strcmp(mode, "throughput") == 0) {
		packet_size = (size_t)arg_num(argc, argv, 5, 1400);
		throughput((unsigned)arg_num(argc, argv, 3, 4), arg_num(argc, argv, 4, 3), (unsigned)arg_num(argc, argv, 6, 64));
	} else if (strcmp(mode, "rtt") == 0) {
		rtt((unsigned)arg_num(argc, argv, 3, 20000));
	} else if (strcmp(mode, "idle") == 0) {
		idle((unsigned)arg_num(argc, argv, 3, 2000));
	} else if (strcmp(mode, "talk") == 0) {
		packet_size = 300;
		talk((unsigned)arg_num(argc, argv, 3, 8000), (unsigned)arg_num(argc, argv, 4, 1), arg_num(argc, argv, 5, 5));
	} else if (strcmp(mode, "slow") == 0) {
		slow((unsigned)arg_num(argc, argv, 3, 100), arg_num(argc, argv, 4, 5));
	} else {
		fprintf(stderr, "unknown question: %s\n", mode);
		return 2;
	}
	return 0;
}
