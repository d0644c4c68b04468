/*
 * bench/derp_server.c -- a relay alone, with just enough HTTP before it, for measuring the relay and nothing else.
 *
 *     bench_derp_server PORT [LOOPS [BATCH_US [CERT.pem KEY.pem]]]    BATCH_US 0: the default; NO_SPIN=1 in the environment
 *
 * The real server puts src/http in front; this one reads a head, looks for a few words in it and hands over. It prints
 * the relay's counters on SIGUSR1 and ends on SIGINT or SIGTERM.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/vec.h"
#include "derp/relay.h"
#include "net/loop.h"

#define HEAD_MAX 4096

struct lab_loop {
	struct loop *loop;
	unsigned index;
	int listen_fd;
	struct loop_fd *watch;
};

/* A connection before its upgrade. */
struct guest {
	struct lab_loop *ll;
	int fd;
	SSL *tls;
	struct loop_fd *watch;
	size_t n;
	char head[HEAD_MAX];
};

static struct derp_relay *relay;
static SSL_CTX *tls_ctx;
static struct lab_loop loops[64];

static void guest_free(struct guest *g, bool close_it)
{
	loop_fd_free(&g->watch);
	if (close_it) {
		SSL_free(g->tls);
		close(g->fd);
	}
	loop_retire(g->ll->loop, g);
}

static void hand_over(struct guest *g, size_t head_len)
{
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n"
	                             "Derp-Version: 2\r\n\r\n";
	bool fast = strcasestr(g->head, "Derp-Fast-Start: 1") != NULL;
	struct sockaddr_in peer = { 0 };
	socklen_t len = sizeof peer;
	struct derp_adopt a = { .fd = g->fd, .tls = g->tls, .fast_start = fast,
		                .early = bytes_of(g->head + head_len, g->n - head_len),
		                .preface = fast ? (struct bytes){ 0 } : bytes_of(answer, sizeof answer - 1) };

	if (getpeername(g->fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET) {
		memcpy(a.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
		memcpy(a.ip + 12, &peer.sin_addr, 4);
		a.port = ntohs(peer.sin_port);
	}
	guest_free(g, false);
	(void)derp_relay_adopt(relay, g->ll->index, &a);
}

/* >0: bytes, 0: not now, <0: gone */
static int guest_read(struct guest *g)
{
	int k;

	if (g->tls) {
		k = SSL_read(g->tls, g->head + g->n, (int)(HEAD_MAX - 1 - g->n));
		if (k > 0)
			return k;
		k = SSL_get_error(g->tls, k);
		loop_fd_want(g->watch, k == SSL_ERROR_WANT_WRITE ? LOOP_FD_WRITE : LOOP_FD_READ);
		return k == SSL_ERROR_WANT_READ || k == SSL_ERROR_WANT_WRITE ? 0 : -1;
	}
	k = (int)recv(g->fd, g->head + g->n, HEAD_MAX - 1 - g->n, MSG_DONTWAIT);
	if (k > 0)
		return k;
	return k < 0 && errno == EAGAIN ? 0 : -1;
}

static void on_guest(void *arg, unsigned events)
{
	struct guest *g = arg;
	char *end;
	int k;

	(void)events;
	while ((k = guest_read(g)) > 0) {
		g->n += (size_t)k;
		g->head[g->n] = '\0';
		end = strstr(g->head, "\r\n\r\n");
		if (end) {
			hand_over(g, (size_t)(end - g->head) + 4);
			return;
		}
	}
	if (k < 0 || g->n >= HEAD_MAX - 1)
		guest_free(g, true);
}

static void on_accept(void *arg, unsigned events)
{
	struct lab_loop *ll = arg;

	(void)events;
	for (int i = 0; i < 64; i++) {
		int fd = accept4(ll->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
		struct guest *g;
		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		g = xcalloc(1, sizeof *g);
		g->ll = ll;
		g->fd = fd;
		if (tls_ctx) {
			g->tls = SSL_new(tls_ctx);
			SSL_set_fd(g->tls, fd);
			SSL_set_accept_state(g->tls);
		}
		g->watch = loop_fd_new(ll->loop, fd, on_guest, g);
		loop_fd_want(g->watch, LOOP_FD_READ);
	}
}

static int listen_at(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 4096) != 0) {
		perror("listen");
		exit(1);
	}
	return fd;
}

static void tls_setup(const char *cert, const char *key)
{
	tls_ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_num_tickets(tls_ctx, 0);
	SSL_CTX_set_mode(tls_ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(tls_ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_use_certificate_chain_file(tls_ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls_ctx, key, SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "certificate: cannot be used\n");
		exit(1);
	}
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

int main(int argc, char **argv)
{
	struct derp_settings set = { 0 };
	struct err err = { "" };
	sigset_t sigs;
	int sig;

	if (argc < 2) {
		fprintf(stderr, "usage: %s PORT [LOOPS] [BATCH_US] [CERT KEY]\n", argv[0]);
		return 2;
	}
	sigemptyset(&sigs);
	sigaddset(&sigs, SIGUSR1);
	sigaddset(&sigs, SIGINT);
	sigaddset(&sigs, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &sigs, NULL);
	set.loops = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
	set.batch_us = argc > 3 ? (uint32_t)atoi(argv[3]) : 0;
	set.no_spin = getenv("NO_SPIN") != NULL;
	if (argc > 5)
		tls_setup(argv[4], argv[5]);
	node_private_new(&set.key);
	relay = derp_relay_new(&set);
	for (unsigned i = 0; i < set.loops; i++) {
		struct lab_loop *ll = &loops[i];
		ll->index = i;
		ll->loop = loop_new(i);
		ll->listen_fd = listen_at((uint16_t)atoi(argv[1]));
		ll->watch = loop_fd_new(ll->loop, ll->listen_fd, on_accept, ll);
		loop_fd_want(ll->watch, LOOP_FD_READ);
		if (derp_relay_attach(relay, i, ll->loop) != ST_OK)
			return 1;
	}
	for (unsigned i = 0; i < set.loops; i++)
		if (loop_start(loops[i].loop, &err) != ST_OK)
			return 1;
	fprintf(stderr, "ready\n");
	while (sigwait(&sigs, &sig) == 0 && sig == SIGUSR1)
		print_stats();
	print_stats();
	derp_relay_shutdown(relay);
	for (unsigned i = 0; i < set.loops; i++)
		loop_stop(loops[i].loop);
	for (unsigned i = 0; i < set.loops; i++) {
		loop_join(loops[i].loop);
		loop_fd_free(&loops[i].watch);
	}
	for (unsigned i = 0; i < set.loops; i++)
		loop_turn(loops[i].loop, 0);
	derp_relay_free(&relay);
	for (unsigned i = 0; i < set.loops; i++)
		loop_free(&loops[i].loop);
	return 0;
}
