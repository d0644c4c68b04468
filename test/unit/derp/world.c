/* See world.h. */
#include "unit/derp/world.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/vec.h"
#include "derp/ws.h"

void world_start(struct world *w)
{
	struct err err;

	w->set.loops = w->n;
	if (node_private_is_zero(&w->set.key))
		node_private_new(&w->set.key);
	w->relay = derp_relay_new(&w->set);
	for (unsigned i = 0; i < w->n; i++) {
		w->loops[i] = loop_new(i);
		derp_relay_attach(w->relay, i, w->loops[i]);
	}
	for (unsigned i = 0; i < w->n; i++)
		assert_int_equal(loop_start(w->loops[i], &err), ST_OK);
}

static void post_sem(void *arg)
{
	sem_post(arg);
}

/* All loops have worked off what they were told so far. */
static void settle(struct world *w)
{
	sem_t done;

	sem_init(&done, 0, 0);
	for (int round = 0; round < 3; round++)
		for (unsigned i = 0; i < w->n; i++) {
			loop_post(w->loops[i], post_sem, &done);
			sem_wait(&done);
		}
	sem_destroy(&done);
}

void world_stop(struct world *w)
{
	struct derp_stats st;

	derp_relay_shutdown(w->relay);
	settle(w);
	st = world_stats(w);
	assert_int_equal(st.conns, 0);
	assert_int_equal(st.logins_pending, 0);
	assert_int_equal(st.home, 0);
	assert_int_equal(st.not_ideal, 0);
	assert_int_equal(st.queued_bytes, 0);
	assert_int_equal(st.heard_pairs, 0);
	assert_int_equal(st.clients_local, 0);
	assert_int_equal(st.watchers, 0);
	for (unsigned i = 0; i < w->n; i++)
		loop_stop(w->loops[i]);
	for (unsigned i = 0; i < w->n; i++)
		loop_join(w->loops[i]);
	derp_relay_free(&w->relay);
	for (unsigned i = 0; i < w->n; i++)
		loop_free(&w->loops[i]);
	SSL_CTX_free(w->server_tls);
	SSL_CTX_free(w->client_tls);
}

struct derp_stats world_stats(struct world *w)
{
	struct derp_stats st;

	derp_relay_stats(w->relay, &st);
	return st;
}

void world_nap(void)
{
	nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
}

/* ---- joining ---- */

struct adoption {
	struct world *w;
	unsigned loop;
	struct derp_adopt a;
	enum status status;
	sem_t done;
};

static void adopt(void *arg)
{
	struct adoption *x = arg;

	x->status = derp_relay_adopt(x->w->relay, x->loop, &x->a);
	sem_post(&x->done);
}

struct accepting {
	SSL *tls;
	int fd;
};

static void *accept_tls(void *arg)
{
	struct accepting *x = arg;

	assert_int_equal(SSL_accept(x->tls), 1);
	return NULL;
}

static void tls_pair(struct world *w, struct client *c, int server_fd, SSL **server_out)
{
	struct accepting x = { SSL_new(w->server_tls), server_fd };
	pthread_t t;

	SSL_set_fd(x.tls, server_fd);
	c->tls = SSL_new(w->client_tls);
	SSL_set_fd(c->tls, c->fd);
	pthread_create(&t, NULL, accept_tls, &x);
	assert_int_equal(SSL_connect(c->tls), 1);
	pthread_join(t, NULL);
	*server_out = x.tls;
}

static void shrink(int fd, int bytes)
{
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

static void send_client_info(struct client *c, const struct join *j, const struct node_key *server)
{
	struct derp_client_info info = { .version = 2, .can_ack_pings = true, .is_prober = j->prober };
	struct buf b;

	if (j->mesh)
		info.mesh = *j->mesh;
	if (j->app) {
		info.app_len = (uint8_t)strlen(j->app);
		memcpy(info.app, j->app, info.app_len);
	}
	buf_init(&b, 4096);
	assert_int_equal(derp_client_info_seal(&info, &c->priv, server, &b), ST_OK);
	client_write(c, b.p, b.n);
	buf_release(&b);
}

struct client *client_join(struct world *w, const struct join *j)
{
	struct adoption x = { .w = w, .loop = j->loop % w->n };
	struct client *c = xcalloc(1, sizeof *c);
	struct timeval limit = { WAIT_MS / 1000, 0 };
	struct derp_server_info si;
	struct derp_header h;
	struct node_key server;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	c->w = w;
	c->fd = pair[0];
	c->ws = j->ws;
	if (j->small_buffers) {
		shrink(pair[0], j->small_buffers);
		shrink(pair[1], j->small_buffers);
	}
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (j->priv)
		c->priv = *j->priv;
	else
		node_private_new(&c->priv);
	c->key = node_private_public(&c->priv);
	x.a = (struct derp_adopt){ .fd = pair[1], .not_ideal = j->not_ideal, .port = 41641,
		                   .wire = j->ws ? DERP_WIRE_WEBSOCKET : DERP_WIRE_PLAIN };
	memcpy(x.a.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\0\x71\7", 16);
	if (w->server_tls)
		tls_pair(w, c, pair[1], &x.a.tls);
	sem_init(&x.done, 0, 0);
	loop_post(w->loops[x.loop], adopt, &x);
	sem_wait(&x.done);
	sem_destroy(&x.done);
	if (x.status != ST_OK || j->no_login)
		return c;
	h = client_read(c);
	assert_int_equal(h.type, DERP_SERVER_KEY);
	assert_int_equal(derp_server_key_parse(bytes_of(c->in, h.len), &server), ST_OK);
	assert_true(node_key_eq(&server, derp_relay_key(w->relay)));
	send_client_info(c, j, &server);
	if (j->no_info)
		return c;
	h = client_read(c);
	assert_int_equal(h.type, DERP_SERVER_INFO); /* before anything else */
	assert_int_equal(derp_server_info_open(bytes_of(c->in, h.len), &c->priv, &server, &si), ST_OK);
	assert_int_equal(si.version, 2);
	return c;
}

void client_leave(struct client **cp)
{
	struct client *c = *cp;

	if (!c)
		return;
	SSL_free(c->tls);
	close(c->fd);
	free(c->in);
	free(c);
	*cp = NULL;
}

/* ---- bytes ---- */

static void wire_write(struct client *c, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t k = c->tls ? SSL_write(c->tls, p, (int)n) : send(c->fd, p, n, MSG_NOSIGNAL);
		if (k <= 0)
			return; /* whoever cares finds the connection closed */
		p += k;
		n -= (size_t)k;
	}
}

static ssize_t wire_read(struct client *c, uint8_t *p, size_t n)
{
	return c->tls ? SSL_read(c->tls, p, (int)n) : recv(c->fd, p, n, 0);
}

void client_write(struct client *c, const void *p, size_t n)
{
	static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	uint8_t *frame, *o;

	if (!c->ws) {
		wire_write(c, p, n);
		return;
	}
	frame = o = xmalloc(n + 14);
	*o++ = 0x82;
	if (n < 126) {
		*o++ = 0x80 | (uint8_t)n;
	} else if (n < 65536) {
		*o++ = 0x80 | 126;
		*o++ = (uint8_t)(n >> 8);
		*o++ = (uint8_t)n;
	} else {
		*o++ = 0x80 | 127;
		for (int i = 7; i >= 0; i--)
			*o++ = (uint8_t)(n >> 8 * i);
	}
	memcpy(o, mask, 4);
	o += 4;
	for (size_t i = 0; i < n; i++)
		*o++ = ((const uint8_t *)p)[i] ^ mask[i & 3];
	wire_write(c, frame, (size_t)(o - frame));
	free(frame);
}

static bool wire_read_all(struct client *c, uint8_t *p, size_t n)
{
	while (n) {
		ssize_t k = wire_read(c, p, n);
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* One more message of the server into raw. */
static bool ws_more(struct client *c)
{
	uint8_t head[10];
	uint64_t n;

	if (!wire_read_all(c, head, 2) || head[0] != 0x82)
		return false;
	n = head[1];
	if (n == 126) {
		if (!wire_read_all(c, head + 2, 2))
			return false;
		n = (uint64_t)head[2] << 8 | head[3];
	} else if (n == 127) {
		if (!wire_read_all(c, head + 2, 8))
			return false;
		n = (uint64_t)head[6] << 24 | (uint64_t)head[7] << 16 | (uint64_t)head[8] << 8 | head[9];
	}
	assert_true(n <= sizeof c->raw - c->raw_n);
	if (!wire_read_all(c, c->raw + c->raw_n, n))
		return false;
	c->raw_n += n;
	return true;
}

static bool read_all(struct client *c, uint8_t *p, size_t n)
{
	if (!c->ws)
		return wire_read_all(c, p, n);
	while (c->raw_n < n)
		if (!ws_more(c))
			return false;
	memcpy(p, c->raw, n);
	memmove(c->raw, c->raw + n, c->raw_n - n);
	c->raw_n -= n;
	return true;
}

/* ---- frames ---- */

void client_send(struct client *c, const struct client *to, const void *packet, size_t n)
{
	uint8_t *f = xmalloc(DERP_PACKET_HEAD + n);

	derp_put_send_head(f, to->key.b, n);
	memcpy(f + DERP_PACKET_HEAD, packet, n);
	client_write(c, f, DERP_PACKET_HEAD + n);
	free(f);
}

static bool try_read(struct client *c, struct derp_header *h)
{
	uint8_t head[DERP_HEADER_LEN];

	if (!read_all(c, head, sizeof head))
		return false;
	*h = derp_header_get(head);
	assert_true(h->len <= DERP_FORWARD_MAX);
	if (h->len > c->in_cap) {
		c->in = xreallocarray(c->in, 1, h->len);
		c->in_cap = h->len;
	}
	return h->len == 0 || read_all(c, c->in, h->len);
}

struct derp_header client_read(struct client *c)
{
	struct derp_header h = { 0 };

	if (!try_read(c, &h))
		fail_msg("no frame: %s", strerror(errno));
	return h;
}

void client_expect(struct client *c, const struct client *from, const void *packet, size_t n)
{
	struct derp_header h = client_read(c);

	if (h.type != DERP_RECV_PACKET)
		fail_msg("%s instead of a packet", derp_frame_name(h.type));
	assert_memory_equal(c->in, from->key.b, 32);
	assert_int_equal(h.len - 32, n);
	assert_memory_equal(c->in + 32, packet, n);
}

void client_expect_gone(struct client *c, const struct node_key *who, enum derp_gone_reason why)
{
	struct derp_header h = client_read(c);

	if (h.type != DERP_PEER_GONE)
		fail_msg("%s instead of peer-gone", derp_frame_name(h.type));
	assert_memory_equal(c->in, who->b, 32);
	assert_int_equal(c->in[32], why);
}

void client_quiet(struct client *c)
{
	struct pollfd p = { c->fd, POLLIN, 0 };

	settle(c->w);
	if (c->raw_n || poll(&p, 1, QUIET_MS) != 0)
		fail_msg("%s came", derp_frame_name(client_read(c).type));
}

void client_expect_closed(struct client *c)
{
	struct derp_header h;

	while (try_read(c, &h))
		;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		fail_msg("the connection is still open");
}
