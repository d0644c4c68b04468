/*
 * test/unit/derp/world.h -- a relay on loops of its own threads, and clients that block, over socket pairs.
 *
 * Everything a client waits for has a limit of WAIT_MS; what must not come is waited for QUIET_MS.
 */
#ifndef TEST_DERP_WORLD_H
#define TEST_DERP_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <openssl/ssl.h>

#include "derp/relay.h"
#include "net/loop.h"

#define WAIT_MS  5000
#define QUIET_MS 40
#define LOOPS    3

struct world {
	struct derp_relay *relay;
	struct derp_settings set;
	struct loop *loops[LOOPS];
	unsigned n;
	SSL_CTX *server_tls, *client_tls; /* NULL: plain */
};

struct client {
	struct world *w;
	int fd;
	SSL *tls;
	struct node_private priv;
	struct node_key key;
	bool ws;
	uint8_t *in;        /* of the frame last read: payload */
	size_t in_cap;
	uint8_t raw[1 << 17]; /* WebSocket: bytes of the stream not consumed */
	size_t raw_n;
};

struct join {
	unsigned loop;
	const struct node_private *priv; /* NULL: a new one */
	const struct derp_mesh_key *mesh;
	bool prober, not_ideal, ws;
	const char *app;
	bool no_login;                   /* stop before ClientInfo */
	bool no_info;                    /* do not wait for ServerInfo */
	int small_buffers;               /* bytes of socket buffers; 0: as they are */
};

void world_start(struct world *w);
void world_stop(struct world *w);
struct derp_stats world_stats(struct world *w);
/** Wait until cond(stats) holds. */
#define world_wait(w, expr)                                                                                            \
	do {                                                                                                           \
		struct derp_stats st;                                                                                  \
		int turns = 0;                                                                                         \
		do {                                                                                                   \
			st = world_stats(w);                                                                           \
			if (expr)                                                                                      \
				break;                                                                                 \
			world_nap();                                                                                   \
		} while (++turns < WAIT_MS);                                                                           \
		if (!(expr))                                                                                           \
			fail_msg("waited in vain for %s", #expr);                                                      \
	} while (0)
void world_nap(void); /* 1 ms */

struct client *client_join(struct world *w, const struct join *j);
void client_leave(struct client **c);
void client_write(struct client *c, const void *p, size_t n);
/** Send a packet; returns without waiting for anything. */
void client_send(struct client *c, const struct client *to, const void *packet, size_t n);
/** The next frame: its header, payload in c->in. Fails the test if none comes, or the connection ended. */
struct derp_header client_read(struct client *c);
/** The next frame is a packet from `from` with this content. */
void client_expect(struct client *c, const struct client *from, const void *packet, size_t n);
void client_expect_gone(struct client *c, const struct node_key *who, enum derp_gone_reason why);
/** Nothing comes. */
void client_quiet(struct client *c);
/** The relay ends the connection, maybe after some frames. */
void client_expect_closed(struct client *c);

#endif
