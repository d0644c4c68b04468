/*
 * fuzz/derp_relay.c -- a connection to the relay that says anything.
 *
 * The first byte chooses: bare or WebSocket, before or after a login, as client or as mesh peer; then come bytes in
 * pieces whose lengths are in the input too. A second client is there to receive. Whatever is said, the relay still
 * answers the second client's ping, and nothing is left of the first when it has gone.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "derp/relay.h"
#include "net/loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct derp_relay *relay;
static struct loop *loop;
static const struct derp_mesh_key mesh_key = { { 1 } };
static int friend_fd;

static void turns(int n)
{
	while (n--)
		loop_turn(loop, 0);
}

static int adopt(enum derp_wire wire)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
		abort();
	if (derp_relay_adopt(relay, 0, &(struct derp_adopt){ .fd = pair[1], .wire = wire }) != ST_OK)
		abort();
	return pair[0];
}

static void drain(int fd)
{
	static uint8_t sink[1 << 16];

	while (recv(fd, sink, sizeof sink, 0) > 0)
		;
}

static void login(int fd, bool mesh, uint8_t seed)
{
	struct derp_client_info info = { .version = 2 };
	struct node_private priv = { { 0 } };
	struct buf b;

	priv.b[0] = 0x40;
	priv.b[1] = seed;
	priv.b[31] = 0x40;
	if (mesh)
		info.mesh = mesh_key;
	buf_init(&b, 4096);
	if (derp_client_info_seal(&info, &priv, derp_relay_key(relay), &b) != ST_OK || send(fd, b.p, b.n, 0) != (ssize_t)b.n)
		abort();
	buf_release(&b);
	turns(3);
	drain(fd);
}

static void start(void)
{
	struct derp_settings set = { .loops = 1, .mesh = mesh_key, .no_spin = true, .batch_us = UINT32_MAX,
		                     .queue_bytes = 1 << 20 };

	log_configure(LOG_LEVEL_OFF, LOG_FORMAT_TEXT);
	memset(set.key.b, 0x42, sizeof set.key.b);
	relay = derp_relay_new(&set);
	loop = loop_new(0);
	derp_relay_attach(relay, 0, loop);
	friend_fd = adopt(DERP_WIRE_PLAIN);
	login(friend_fd, false, 7);
}

static void friend_is_well(void)
{
	uint8_t frame[DERP_PONG_FRAME], got[1 << 16];
	ssize_t n;

	drain(friend_fd);
	derp_put_ping(frame, (const uint8_t *)"12345678");
	if (send(friend_fd, frame, sizeof frame, 0) != sizeof frame)
		abort();
	turns(3);
	n = recv(friend_fd, got, sizeof got, 0);
	if (n < (ssize_t)sizeof frame || got[n - DERP_PONG_FRAME] != DERP_PONG)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct derp_stats st;
	uint8_t how;
	int fd;

	if (!relay)
		start();
	if (size < 1)
		return 0;
	how = *data++;
	size--;
	fd = adopt(how & 1 ? DERP_WIRE_WEBSOCKET : DERP_WIRE_PLAIN);
	turns(1);
	if (how & 2 && !(how & 1))
		login(fd, how & 4, 9);
	while (size > 1) {
		size_t k = *data++;
		size--;
		k = k < size ? k : size;
		if (send(fd, data, k, MSG_NOSIGNAL) < 0)
			break;
		turns(1);
		drain(fd);
		data += k;
		size -= k;
	}
	turns(2);
	friend_is_well();
	close(fd);
	turns(4);
	derp_relay_stats(relay, &st);
	if (st.conns != 1 || st.logins_pending != 0 || st.clients_local != 1 || st.watchers != 0 || st.home != 0)
		abort();
	return 0;
}
