/*
 * Tests of derp/relay.h: what clients, mesh peers and operators may rely on. Each runs with one loop and with
 * several, plain, with TLS and over WebSocket.
 */
#include "unit/derp/world.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/vec.h"
#include "derp/ws.h"

struct mode {
	unsigned loops;
	bool tls, ws;
};
static struct mode mode;

static const struct derp_mesh_key mesh_key = { { 1, 2, 3 } };
static const char disco[62] = "TS\xf0\x9f\x92\xac";

/* ---- setting up ---- */

static SSL_CTX *server_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	SSL_CTX_use_certificate(ctx, x);
	SSL_CTX_use_PrivateKey(ctx, key);
	SSL_CTX_set_num_tickets(ctx, 0);
	X509_free(x);
	EVP_PKEY_free(key);
	return ctx;
}

static struct world *world_with(const struct derp_settings *set)
{
	struct world *w = xcalloc(1, sizeof *w);

	w->n = mode.loops;
	if (set)
		w->set = *set;
	w->set.mesh = mesh_key;
	if (mode.tls) {
		w->server_tls = server_context();
		w->client_tls = SSL_CTX_new(TLS_client_method());
	}
	world_start(w);
	return w;
}

static void end(struct world **w)
{
	world_stop(*w);
	free(*w);
	*w = NULL;
}

/* Clients on as many loops as there are. */
static struct client *join_at(struct world *w, unsigned loop)
{
	return client_join(w, &(struct join){ .loop = loop, .ws = mode.ws });
}

static struct client *join_mesh(struct world *w, unsigned loop)
{
	return client_join(w, &(struct join){ .loop = loop, .ws = mode.ws, .mesh = &mesh_key });
}

static void write_frame(struct client *c, uint8_t type, const void *payload, uint32_t n)
{
	uint8_t *f = xmalloc(DERP_HEADER_LEN + n);

	derp_header_put(f, (enum derp_frame_type)type, n);
	if (n)
		memcpy(f + DERP_HEADER_LEN, payload, n);
	client_write(c, f, DERP_HEADER_LEN + n);
	free(f);
}

/* ---- packets ---- */

static void packets_go_to_their_key_and_nobody_else(void **state)
{
	struct world *w = world_with(NULL);
	struct client *c[3];
	(void)state;

	for (unsigned i = 0; i < 3; i++)
		c[i] = join_at(w, i);
	client_send(c[0], c[1], "hello 0->1\n", 11);
	client_expect(c[1], c[0], "hello 0->1\n", 11);
	client_send(c[1], c[2], "hello 1->2\n", 11);
	client_expect(c[2], c[1], "hello 1->2\n", 11);
	client_send(c[0], c[0], "to myself", 9);
	client_expect(c[0], c[0], "to myself", 9);
	client_send(c[2], c[0], "", 0);
	client_expect(c[0], c[2], "", 0);
	for (unsigned i = 0; i < 3; i++)
		client_quiet(c[i]);
	for (unsigned i = 0; i < 3; i++)
		client_leave(&c[i]);
	end(&w);
}

static void many_packets_keep_their_order(void **state)
{
	struct world *w = world_with(NULL);
	struct client *a = join_at(w, 0), *b = join_at(w, 1), *c = join_at(w, 2);
	static uint8_t out[200][1500];
	(void)state;

	/* two destinations, in runs and mixed, of all sizes */
	for (unsigned i = 0; i < 200; i++) {
		for (unsigned k = 0; k < sizeof out[i]; k++)
			out[i][k] = (uint8_t)(i * 7 + k);
		client_send(a, i % 7 < 4 ? b : c, out[i], i * 7 % 1500);
		if (i % 20 == 19) /* stay within what a slow machine may queue */
			for (unsigned k = i - 19; k <= i; k++)
				client_expect(k % 7 < 4 ? b : c, a, out[k], k * 7 % 1500);
	}
	client_leave(&a);
	client_leave(&b);
	client_leave(&c);
	end(&w);
}

static void thirty_full_packets_in_flight_all_arrive(void **state)
{
	struct world *w = world_with(NULL);
	struct client *a = join_at(w, 0), *b = join_at(w, 1);
	static uint8_t packet[65536];
	(void)state;

	for (unsigned i = 0; i < 30; i++) {
		memset(packet, (int)i, sizeof packet);
		client_send(a, b, packet, sizeof packet);
	}
	for (unsigned i = 0; i < 30; i++) {
		memset(packet, (int)i, sizeof packet);
		client_expect(b, a, packet, sizeof packet);
	}
	client_leave(&a);
	client_leave(&b);
	end(&w);
}

static void frames_may_be_cut_anywhere(void **state)
{
	struct world *w = world_with(NULL);
	struct client *a = join_at(w, 0), *b = join_at(w, 1);
	uint8_t two[2 * (DERP_PACKET_HEAD + 20)];
	size_t n = sizeof two / 2;
	(void)state;

	derp_put_send_head(two, b->key.b, 20);
	memset(two + DERP_PACKET_HEAD, 'x', 20);
	memcpy(two + n, two, n);
	for (size_t cut = 1; cut < sizeof two; cut++) {
		client_write(a, two, cut);
		if (cut % 8 == 0)
			world_nap();
		client_write(a, two + cut, sizeof two - cut);
		client_expect(b, a, "xxxxxxxxxxxxxxxxxxxx", 20);
		client_expect(b, a, "xxxxxxxxxxxxxxxxxxxx", 20);
	}
	for (size_t i = 0; i < sizeof two; i++) {
		client_write(a, two + i, 1);
		world_nap();
	}
	client_expect(b, a, "xxxxxxxxxxxxxxxxxxxx", 20);
	client_expect(b, a, "xxxxxxxxxxxxxxxxxxxx", 20);
	client_leave(&a);
	client_leave(&b);
	end(&w);
}

static void only_disco_to_an_unknown_key_is_answered_and_not_often(void **state)
{
	struct world *w = world_with(NULL);
	struct client *a = join_at(w, 0), nobody = { 0 };
	(void)state;

	nobody.key.b[0] = 9;
	client_send(a, &nobody, "not disco", 9);
	client_quiet(a);
	client_send(a, &nobody, disco, sizeof disco);
	client_expect_gone(a, &nobody.key, DERP_GONE_NOT_HERE);
	for (int i = 0; i < 5; i++)
		client_send(a, &nobody, disco, sizeof disco);
	client_expect_gone(a, &nobody.key, DERP_GONE_NOT_HERE);
	client_expect_gone(a, &nobody.key, DERP_GONE_NOT_HERE);
	client_quiet(a);
	world_wait(w, st.drops[DERP_DROP_unknown_dest].disco == 6 && st.drops[DERP_DROP_unknown_dest].other == 1);
	client_leave(&a);
	end(&w);
}

/* ---- who has gone ---- */

static void those_who_heard_from_a_peer_are_told_when_it_goes(void **state)
{
	struct world *w = world_with(NULL);
	struct client *c[3];
	struct node_private priv;
	struct node_key key;
	(void)state;

	for (unsigned i = 0; i < 3; i++)
		c[i] = join_at(w, i);
	priv = c[1]->priv;
	key = c[1]->key;
	for (int round = 0; round < 2; round++) { /* the second time too */
		client_send(c[0], c[1], "x", 1);
		client_expect(c[1], c[0], "x", 1);
		client_send(c[1], c[2], "y", 1);
		client_expect(c[2], c[1], "y", 1);
		client_leave(&c[1]);
		client_expect_gone(c[2], &key, DERP_GONE_DISCONNECTED);
		client_quiet(c[0]); /* it only sent to it */
		client_quiet(c[2]);
		c[1] = client_join(w, &(struct join){ .loop = (unsigned)round, .ws = mode.ws, .priv = &priv });
	}
	for (unsigned i = 0; i < 3; i++)
		client_leave(&c[i]);
	end(&w);
}

/* The packet and the end of the connection are read in one turn. */
static void last_words_come_before_the_news_of_the_end(void **state)
{
	static const uint8_t ws_end[] = { 0x88, 0x80, 0, 0, 0, 0 };
	struct world *w = world_with(NULL);
	struct client *b = join_at(w, 1), *a;
	struct node_key key;
	(void)state;

	for (int i = 0; i < 20; i++) {
		struct client copy;
		a = join_at(w, 2);
		key = a->key;
		copy = *a;
		client_send(a, b, "farewell", 8);
		if (a->tls)
			SSL_shutdown(a->tls);
		if (a->ws && send(a->fd, ws_end, sizeof ws_end, MSG_NOSIGNAL) < 0)
			fail_msg("cannot say goodbye");
		client_leave(&a);
		client_expect(b, &copy, "farewell", 8);
		client_expect_gone(b, &key, DERP_GONE_DISCONNECTED);
	}
	client_leave(&b);
	end(&w);
}

static void of_two_connections_with_a_key_the_last_to_speak_gets_the_packets(void **state)
{
	struct world *w = world_with(NULL);
	struct client *sender = join_at(w, 0), *old = join_at(w, 1), *new, *third;
	struct join same = { .loop = 2, .ws = mode.ws, .priv = &old->priv };
	struct node_private priv = old->priv;
	uint8_t ping[DERP_PONG_FRAME];
	(void)state;

	same.priv = &priv;
	new = client_join(w, &same);
	client_send(sender, old, "1", 1);
	client_expect(new, sender, "1", 1);
	client_quiet(old);
	derp_put_ping(ping, (const uint8_t *)"abcdefgh");
	client_write(old, ping, sizeof ping); /* anything counts as speaking */
	assert_int_equal(client_read(old).type, DERP_PONG);
	client_quiet(old); /* settles the loops */
	client_send(sender, old, "2", 1);
	client_expect(old, sender, "2", 1);
	third = client_join(w, &same);
	client_send(sender, old, "3", 1);
	client_expect(third, sender, "3", 1);
	client_leave(&third);
	world_wait(w, st.dup_conns == 2);
	client_send(sender, old, "4", 1);
	client_expect(old, sender, "4", 1);
	client_leave(&old);
	world_wait(w, st.dup_keys == 0);
	client_quiet(new);
	client_send(sender, new, "5", 1);
	client_expect(new, sender, "5", 1);
	client_quiet(sender); /* the key never left */
	client_leave(&new);
	client_leave(&sender);
	end(&w);
}

/* ---- small frames ---- */

static void a_ping_comes_back(void **state)
{
	struct world *w = world_with(NULL);
	struct client *a = join_at(w, 0);
	struct derp_header h;
	uint8_t many[5 * DERP_PONG_FRAME];
	(void)state;

	write_frame(a, DERP_PING, "\1\2\3\4\5\6\7\x2a and more", 17);
	h = client_read(a);
	assert_int_equal(h.type, DERP_PONG);
	assert_int_equal(h.len, 8);
	assert_memory_equal(a->in, "\1\2\3\4\5\6\7\x2a", 8);
	/* many in one go: one is answered, the others find an answer on its way */
	for (int i = 0; i < 5; i++)
		derp_put_ping(many + i * (int)DERP_PONG_FRAME, (const uint8_t *)"abcdefgh");
	client_write(a, many, sizeof many);
	assert_int_equal(client_read(a).type, DERP_PONG);
	client_quiet(a);
	write_frame(a, DERP_PING, "12345678", 8);
	assert_int_equal(client_read(a).type, DERP_PONG);
	client_leave(&a);
	end(&w);
}

static void home_is_counted_once(void **state)
{
	struct world *w = world_with(NULL);
	struct client *a = join_at(w, 0);
	static const uint8_t said[] = { 1, 1, 0, 0, 1 };
	static const int64_t want[] = { 1, 1, 0, 0, 1 };
	(void)state;

	for (size_t i = 0; i < sizeof said; i++) {
		write_frame(a, DERP_NOTE_PREFERRED, &said[i], 1);
		write_frame(a, DERP_PING, "12345678", 8);
		assert_int_equal(client_read(a).type, DERP_PONG);
		assert_int_equal(world_stats(w).home, want[i]);
	}
	client_leave(&a);
	world_wait(w, st.home == 0);
	end(&w);
}

static void unknown_frames_are_passed_over(void **state)
{
	struct world *w = world_with(NULL);
	struct client *a = join_at(w, 0), *b = join_at(w, 1);
	static uint8_t junk[DERP_UNKNOWN_MAX];
	(void)state;

	write_frame(a, 0x6f, junk, sizeof junk);
	write_frame(a, DERP_PONG, junk, 8);
	write_frame(a, 0x70, junk, 0);
	client_send(a, b, "after", 5);
	client_expect(b, a, "after", 5);
	client_leave(&a);
	client_leave(&b);
	end(&w);
}

static void keepalives_come_by_themselves(void **state)
{
	struct world *w = world_with(&(struct derp_settings){ .keepalive_ms = 1 });
	struct client *a = join_at(w, 0);
	(void)state;

	/* 1 ms and up to 5 s by chance: one within WAIT_MS and a little */
	while (world_stats(w).n.keepalives == 0)
		world_nap();
	assert_int_equal(client_read(a).type, DERP_KEEP_ALIVE);
	assert_int_equal(world_stats(w).tls12 + world_stats(w).tls13, mode.tls);
	client_leave(&a);
	end(&w);
}

/* ---- what ends a connection ---- */

static void what_no_client_sends_ends_the_connection(void **state)
{
	static const struct {
		uint8_t type;
		uint32_t announced;
		enum derp_close why;
	} cases[] = {
		{ DERP_SEND_PACKET, 31, DERP_CLOSE_bad_frame },
		{ DERP_SEND_PACKET, 65569, DERP_CLOSE_frame_too_big },
		{ DERP_SEND_PACKET, 0xffffffff, DERP_CLOSE_frame_too_big },
		{ DERP_NOTE_PREFERRED, 2, DERP_CLOSE_frame_too_big },
		{ DERP_PING, 7, DERP_CLOSE_bad_frame },
		{ DERP_WATCH_CONNS, 0, DERP_CLOSE_not_mesh },
		{ DERP_FORWARD_PACKET, 64, DERP_CLOSE_not_mesh },
		{ DERP_CLOSE_PEER, 32, DERP_CLOSE_not_mesh },
		{ 0x55, 65569, DERP_CLOSE_frame_too_big },
	};
	struct world *w = world_with(NULL);
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct client *a = join_at(w, (unsigned)i);
		uint64_t before = world_stats(w).closes[cases[i].why];
		uint8_t head[DERP_HEADER_LEN];
		derp_header_put(head, (enum derp_frame_type)cases[i].type, cases[i].announced);
		client_write(a, head, sizeof head); /* the head is enough */
		client_expect_closed(a);
		world_wait(w, st.closes[cases[i].why] == before + 1);
		client_leave(&a);
	}
	end(&w);
}

static void bad_logins_are_refused(void **state)
{
	struct world *w = world_with(&(struct derp_settings){ .login_ms = 300 });
	struct join early = { .ws = mode.ws, .no_login = true };
	struct client *a;
	uint8_t junk[200] = { 0 };
	(void)state;

	a = client_join(w, &early); /* an all-zero key */
	write_frame(a, DERP_CLIENT_INFO, junk, 120);
	client_expect_closed(a);
	client_leave(&a);
	a = client_join(w, &early); /* a box that does not open */
	memset(junk, 7, sizeof junk);
	write_frame(a, DERP_CLIENT_INFO, junk, 120);
	client_expect_closed(a);
	client_leave(&a);
	a = client_join(w, &early); /* another frame first */
	client_send(a, a, "x", 1);
	client_expect_closed(a);
	client_leave(&a);
	world_wait(w, st.closes[DERP_CLOSE_bad_login] == 3);
	a = client_join(w, &early); /* too long */
	derp_header_put(junk, DERP_CLIENT_INFO, DERP_CLIENT_INFO_MAX + 1);
	client_write(a, junk, DERP_HEADER_LEN);
	client_expect_closed(a);
	client_leave(&a);
	a = client_join(w, &early); /* nothing at all */
	client_expect_closed(a);
	client_leave(&a);
	world_wait(w, st.closes[DERP_CLOSE_login_timeout] == 1 && st.logins_pending == 0);
	end(&w);
}

static void half_open_connections_are_bounded(void **state)
{
	struct world *w = world_with(&(struct derp_settings){ .max_logins = 5, .login_ms = 60000 });
	struct client *c[8];
	(void)state;

	for (int i = 0; i < 8; i++)
		c[i] = client_join(w, &(struct join){ .loop = (unsigned)i, .ws = mode.ws, .no_login = true });
	assert_int_equal(world_stats(w).closes[DERP_CLOSE_busy], 3);
	assert_int_equal(world_stats(w).conns, 5);
	for (int i = 0; i < 8; i++)
		client_leave(&c[i]);
	world_wait(w, st.conns == 0);
	end(&w);
}

/* ---- admission ---- */

static atomic_int asked;
static atomic_ullong later_token;
static struct node_key refused;
static atomic_bool source_seen;

static enum derp_verdict admit(void *arg, const struct derp_admit_request *q)
{
	(void)arg;
	atomic_fetch_add(&asked, 1);
	if (strcmp(q->source, "203.0.113.7") == 0)
		atomic_store(&source_seen, true);
	if (node_key_eq(&q->key, &refused))
		return DERP_ADMIT_NO;
	if (q->app[0] == 'w' && !q->again) {
		atomic_store(&later_token, q->token);
		return DERP_ADMIT_LATER;
	}
	return DERP_ADMIT_YES;
}

/* One whose admission is not decided yet. */
static struct client *join_waiting(struct world *w)
{
	struct client *c;

	atomic_store(&later_token, 0);
	c = client_join(w, &(struct join){ .loop = 1, .ws = mode.ws, .app = "waits", .no_info = true });
	while (!atomic_load(&later_token))
		world_nap();
	return c;
}

static void strangers_are_not_admitted_and_nodes_can_lose_admission(void **state)
{
	struct world *w = world_with(&(struct derp_settings){ .admit = admit });
	struct client *a = join_at(w, 0), *b = join_at(w, 1), *c;
	struct node_key key;
	(void)state;

	assert_true(atomic_load(&source_seen));
	refused = a->key;
	c = client_join(w, &(struct join){ .loop = 2, .ws = mode.ws, .priv = &a->priv, .no_info = true });
	client_expect_closed(c);
	world_wait(w, st.closes[DERP_CLOSE_not_admitted] == 1);
	client_leave(&c);
	derp_relay_recheck(w->relay);
	client_expect_closed(a);
	client_quiet(b);
	client_leave(&a);

	c = join_waiting(w);
	key = c->key;
	client_send(c, b, "sent early", 10);
	client_quiet(b);
	derp_relay_admitted(w->relay, atomic_load(&later_token), true);
	assert_int_equal(client_read(c).type, DERP_SERVER_INFO);
	client_expect(b, c, "sent early", 10);
	derp_relay_disconnect(w->relay, &key);
	client_expect_closed(c);
	client_leave(&c);
	client_expect_gone(b, &key, DERP_GONE_DISCONNECTED);

	c = join_waiting(w);
	derp_relay_admitted(w->relay, atomic_load(&later_token), false);
	client_expect_closed(c);
	client_leave(&c);
	derp_relay_admitted(w->relay, atomic_load(&later_token), true); /* too late, means nothing */
	client_leave(&b);
	end(&w);
}

/* ---- mesh ---- */

static void expect_present(struct client *watcher, const struct client *who, uint8_t flags, const char *app)
{
	struct derp_header h = client_read(watcher);
	struct derp_present p;

	assert_int_equal(h.type, DERP_PEER_PRESENT);
	assert_int_equal(derp_present_parse(bytes_of(watcher->in, h.len), &p), ST_OK);
	assert_memory_equal(p.key, who->key.b, 32);
	assert_int_equal(p.flags, flags);
	assert_int_equal(p.port, 41641);
	assert_memory_equal(p.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\0\x71\7", 16);
	assert_true(bytes_eq_str(p.app, app));
}

static void watchers_hear_of_everybody(void **state)
{
	struct world *w = world_with(NULL);
	struct client *m = join_mesh(w, 0), *a, *b, *m2;
	uint8_t watch[DERP_HEADER_LEN];
	struct node_key key;
	(void)state;

	derp_put_watch_conns(watch);
	client_write(m, watch, sizeof watch);
	expect_present(m, m, DERP_PRESENT_MESH, "");
	a = join_at(w, 1);
	expect_present(m, a, DERP_PRESENT_REGULAR, "");
	b = client_join(w, &(struct join){ .loop = 2, .ws = mode.ws, .prober = true, .not_ideal = true, .app = "sim" });
	expect_present(m, b, DERP_PRESENT_PROBER | DERP_PRESENT_NOT_IDEAL, "sim");
	m2 = join_mesh(w, 1);
	expect_present(m, m2, DERP_PRESENT_MESH, "");
	client_write(m2, watch, sizeof watch);
	for (int i = 0; i < 4; i++)
		assert_int_equal(client_read(m2).type, DERP_PEER_PRESENT);
	world_wait(w, st.watchers == 2);
	key = a->key;
	client_leave(&a);
	client_expect_gone(m, &key, DERP_GONE_DISCONNECTED);
	client_expect_gone(m2, &key, DERP_GONE_DISCONNECTED);
	client_write(m2, watch, sizeof watch); /* once more: the list again */
	for (int i = 0; i < 3; i++)
		assert_int_equal(client_read(m2).type, DERP_PEER_PRESENT);
	client_quiet(m2);
	client_leave(&b);
	client_leave(&m);
	client_leave(&m2);
	end(&w);
}

static void mesh_peers_forward_and_close(void **state)
{
	struct world *w = world_with(NULL);
	struct client *m = join_mesh(w, 0), *a = join_at(w, 1), far = { 0 };
	uint8_t f[DERP_FORWARD_HEAD + 62];
	(void)state;

	far.key.b[0] = 77;
	derp_put_forward_head(f, far.key.b, a->key.b, 5);
	memcpy(f + DERP_FORWARD_HEAD, "hello", 5);
	client_write(m, f, DERP_FORWARD_HEAD + 5);
	client_expect(a, &far, "hello", 5);
	/* to nobody: only disco is answered */
	derp_put_forward_head(f, a->key.b, far.key.b, 5);
	client_write(m, f, DERP_FORWARD_HEAD + 5);
	client_quiet(m);
	derp_put_forward_head(f, a->key.b, far.key.b, 62);
	memcpy(f + DERP_FORWARD_HEAD, disco, 62);
	client_write(m, f, sizeof f);
	client_expect_gone(m, &far.key, DERP_GONE_NOT_HERE);
	world_wait(w, st.n.packets_forwarded_in == 3 && st.drops[DERP_DROP_unknown_dest_on_fwd].other == 1);
	write_frame(m, DERP_CLOSE_PEER, a->key.b, 32);
	client_expect_closed(a);
	client_leave(&a);
	client_leave(&m);
	end(&w);
}

/* ---- slow readers ---- */

static void a_slow_reader_costs_only_itself(void **state)
{
	struct world *w = world_with(&(struct derp_settings){ .write_stall_ms = 60000, .queue_bytes = 1 << 20 });
	struct client *a = join_at(w, 0), *b = join_at(w, 1), *flood = join_at(w, 2);
	struct client *slow = client_join(w, &(struct join){ .loop = 1, .ws = mode.ws, .small_buffers = 4096 });
	static uint8_t packet[1400];
	size_t got = 0;
	(void)state;

	for (unsigned i = 0; i < 3000; i++)
		client_send(flood, slow, packet, sizeof packet);
	client_send(flood, b, "end of flood", 12);
	client_expect(b, flood, "end of flood", 12); /* the flood never waited */
	client_send(a, b, "hello", 5);
	client_expect(b, a, "hello", 5);
	world_wait(w, st.drops[DERP_DROP_queue].other > 2000 && st.queued_bytes > 0);
	assert_true(world_stats(w).queued_bytes < 400000);
	/* another sender's packet is not pushed out by the flood, nor is disco */
	client_send(a, slow, "from a", 6);
	client_send(a, slow, disco, sizeof disco);
	for (unsigned i = 0; i < 1000; i++)
		client_send(flood, slow, packet, sizeof packet);
	client_send(flood, b, "end of flood", 12);
	client_expect(b, flood, "end of flood", 12);
	for (int want = 2; want;) {
		struct derp_header h = client_read(slow);
		assert_int_equal(h.type, DERP_RECV_PACKET);
		if (memcmp(slow->in, a->key.b, 32) == 0)
			want--;
		else
			assert_int_equal(h.len, 32 + sizeof packet);
		got++;
	}
	assert_true(got < 1500);
	client_leave(&slow);
	client_leave(&a);
	client_leave(&b);
	client_leave(&flood);
	end(&w);
}

static void the_queue_of_a_slow_reader_has_the_length_that_is_set(void **state)
{
	static const struct {
		uint32_t frames;
		int64_t least, most; /* bytes that wait */
	} cases[] = { { 4, 0, 180000 }, { 0, 250000, 700000 } };
	static uint8_t packet[1400];
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		struct world *w = world_with(&(struct derp_settings){ .write_stall_ms = 60000, .queue_frames = cases[i].frames });
		struct client *flood = join_at(w, 0), *b = join_at(w, 1);
		struct client *slow = client_join(w, &(struct join){ .loop = 1, .ws = mode.ws, .small_buffers = 4096 });

		for (unsigned k = 0; k < 3000; k++)
			client_send(flood, slow, packet, sizeof packet);
		client_send(flood, b, "end of flood", 12);
		client_expect(b, flood, "end of flood", 12);
		world_wait(w, st.drops[DERP_DROP_queue].other > 2000 && st.queued_bytes >= cases[i].least);
		assert_true(world_stats(w).queued_bytes <= cases[i].most);
		client_leave(&slow);
		client_leave(&flood);
		client_leave(&b);
		end(&w);
	}
}

static void who_does_not_read_is_closed_in_the_end(void **state)
{
	struct world *w = world_with(&(struct derp_settings){ .write_stall_ms = 100 });
	struct client *a = join_at(w, 0);
	struct client *slow = client_join(w, &(struct join){ .loop = 1, .ws = mode.ws, .small_buffers = 4096 });
	static uint8_t packet[1400];
	(void)state;

	for (unsigned i = 0; i < 500; i++)
		client_send(a, slow, packet, sizeof packet);
	world_wait(w, st.closes[DERP_CLOSE_write_timeout] == 1);
	client_leave(&slow);
	client_leave(&a);
	end(&w);
}

static void readers_that_never_read_share_the_budget(void **state)
{
	struct world *w = world_with(&(struct derp_settings){ .write_stall_ms = 60000, .queue_bytes = 3 << 20 });
	struct client *a = join_at(w, 0), *slow[40];
	static uint8_t packet[8000];
	int64_t most = 0;
	(void)state;

	for (unsigned i = 0; i < 40; i++)
		slow[i] = client_join(w, &(struct join){ .loop = i, .ws = mode.ws, .small_buffers = 4096 });
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i < 40; i++)
			client_send(a, slow[i], packet, sizeof packet);
		if (world_stats(w).queued_bytes > most)
			most = world_stats(w).queued_bytes;
	}
	client_send(a, a, "done", 4);
	client_expect(a, a, "done", 4);
	most = world_stats(w).queued_bytes > most ? world_stats(w).queued_bytes : most;
	assert_true(most > 100000);
	assert_true(most < (3 << 20) + 40 * 40000);
	for (unsigned i = 0; i < 40; i++)
		client_leave(&slow[i]);
	client_leave(&a);
	end(&w);
}

/* ---- limits ---- */

static int64_t ms_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 200 packets of 1,368 bytes beyond the burst of 65,568: 208,032 bytes to pay for, at 1,000,000 a second. */
static int64_t timed_burst(struct world *w, struct client *a, struct client *b)
{
	static uint8_t packet[1336];
	int64_t t0 = ms_now();
	(void)w;

	for (unsigned i = 0; i < 200; i++) {
		client_send(a, b, packet, sizeof packet);
		if (i % 16 == 15)
			for (int k = 0; k < 16; k++)
				client_expect(b, a, packet, sizeof packet);
	}
	for (int k = 0; k < 8; k++)
		client_expect(b, a, packet, sizeof packet);
	return ms_now() - t0;
}

static void rate_limits_slow_the_sender_and_lose_nothing(void **state)
{
	struct derp_limits l = { .per_conn = { .per_s = 1000000 } };
	struct world *w = world_with(&(struct derp_settings){ .limits = l });
	struct client *a = join_at(w, 0), *b = join_at(w, 1), *m = join_mesh(w, 0);
	(void)state;

	assert_true(timed_burst(w, a, b) >= 150);
	assert_true(world_stats(w).n.rate_limited > 0);
	assert_int_equal(world_stats(w).rate_per_s, 1000000);
	assert_int_equal(world_stats(w).rate_burst, DERP_SEND_MAX);
	assert_true(timed_burst(w, m, b) < 150); /* mesh peers are exempt */
	l.per_conn.per_s = 0;
	l.per_node.per_s = 1000000;
	derp_relay_set_limits(w->relay, &l); /* live; now over all connections of the node */
	client_quiet(a);
	assert_int_equal(world_stats(w).rate_per_s, 0);
	assert_true(timed_burst(w, a, b) >= 150);
	l.per_node.per_s = 0;
	derp_relay_set_limits(w->relay, &l);
	client_quiet(a);
	assert_true(timed_burst(w, a, b) < 150);
	client_leave(&a);
	client_leave(&b);
	client_leave(&m);
	end(&w);
}

/* ---- operators ---- */

static atomic_int listed;

struct seen_list {
	struct node_key key; /* of whom we look for */
	struct derp_conn_info mine;
};

static void on_list(void *arg, struct derp_listing *l)
{
	struct seen_list *seen = arg;

	for (size_t i = 0; i < l->n_conns; i++)
		if (node_key_eq(&l->conns[i].key, &seen->key))
			seen->mine = l->conns[i];
	assert_int_equal(l->n_peers, 0);
	atomic_store(&listed, (int)l->n_conns);
}

/* Ask, and wait for the answer. */
static void list(struct world *w, size_t max, struct seen_list *seen)
{
	atomic_store(&listed, 0);
	derp_relay_list(w->relay, max, on_list, seen);
	while (atomic_load(&listed) == 0)
		world_nap();
}

static void operators_can_list_and_tell(void **state)
{
	struct world *w = world_with(NULL);
	struct client *a = join_at(w, 0), *b = client_join(w, &(struct join){ .loop = 1, .ws = mode.ws, .app = "sim" });
	struct seen_list seen = { .key = b->key };
	struct client nobody = { 0 };
	uint8_t yes = 1;
	struct derp_header h;
	(void)state;

	nobody.key.b[0] = 9;
	client_send(a, b, "12345", 5);
	client_expect(b, a, "12345", 5);
	client_send(b, a, "123", 3);
	client_expect(a, b, "123", 3);
	client_send(b, &nobody, "1", 1);
	write_frame(b, DERP_NOTE_PREFERRED, &yes, 1);
	client_quiet(b);
	list(w, 10, &seen);
	assert_int_equal(atomic_load(&listed), 2);
	assert_string_equal(seen.mine.app, "sim");
	assert_int_equal(seen.mine.flags, DERP_PRESENT_REGULAR);
	assert_int_equal(seen.mine.port, 41641);
	assert_int_equal(seen.mine.loop, 1 % mode.loops);
	assert_true(seen.mine.home && seen.mine.active && !seen.mine.paused && !seen.mine.fast_start);
	assert_true(seen.mine.tls == mode.tls && seen.mine.websocket == mode.ws);
	assert_int_equal(seen.mine.packets_in, 2);
	assert_int_equal(seen.mine.bytes_in, 4);
	assert_int_equal(seen.mine.packets_out, 1);
	assert_int_equal(seen.mine.bytes_out, 5);
	assert_int_equal(seen.mine.drops[DERP_DROP_unknown_dest], 1);
	assert_int_equal(seen.mine.drops[DERP_DROP_queue], 0);
	assert_int_equal(seen.mine.queued_bytes, 0);
	assert_in_range(seen.mine.connected_ms, QUIET_MS / 2, 60000);
	list(w, 1, &seen); /* at most */
	assert_int_equal(atomic_load(&listed), 1);
	derp_relay_health(w->relay, "maintenance");
	h = client_read(a);
	assert_int_equal(h.type, DERP_HEALTH);
	assert_memory_equal(a->in, "maintenance", h.len);
	assert_int_equal(client_read(b).type, DERP_HEALTH);
	derp_relay_restarting(w->relay, 10, 5000);
	h = client_read(a);
	assert_int_equal(h.type, DERP_RESTARTING);
	assert_memory_equal(a->in, "\0\0\0\x0a\0\0\x13\x88", 8);
	client_leave(&a);
	client_leave(&b);
	end(&w);
}

static void a_shutdown_closes_everything(void **state)
{
	struct world *w = world_with(NULL);
	struct client *a = join_at(w, 0), *b = join_at(w, 1);
	struct client *half = client_join(w, &(struct join){ .ws = mode.ws, .no_login = true });
	(void)state;

	client_send(a, b, "x", 1);
	client_expect(b, a, "x", 1);
	end(&w);
	client_expect_closed(a);
	client_expect_closed(b);
	client_expect_closed(half);
	client_leave(&a);
	client_leave(&b);
	client_leave(&half);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_go_to_their_key_and_nobody_else),
		cmocka_unit_test(many_packets_keep_their_order),
		cmocka_unit_test(thirty_full_packets_in_flight_all_arrive),
		cmocka_unit_test(frames_may_be_cut_anywhere),
		cmocka_unit_test(only_disco_to_an_unknown_key_is_answered_and_not_often),
		cmocka_unit_test(those_who_heard_from_a_peer_are_told_when_it_goes),
		cmocka_unit_test(last_words_come_before_the_news_of_the_end),
		cmocka_unit_test(of_two_connections_with_a_key_the_last_to_speak_gets_the_packets),
		cmocka_unit_test(a_ping_comes_back),
		cmocka_unit_test(home_is_counted_once),
		cmocka_unit_test(unknown_frames_are_passed_over),
		cmocka_unit_test(keepalives_come_by_themselves),
		cmocka_unit_test(what_no_client_sends_ends_the_connection),
		cmocka_unit_test(bad_logins_are_refused),
		cmocka_unit_test(half_open_connections_are_bounded),
		cmocka_unit_test(strangers_are_not_admitted_and_nodes_can_lose_admission),
		cmocka_unit_test(watchers_hear_of_everybody),
		cmocka_unit_test(mesh_peers_forward_and_close),
		cmocka_unit_test(a_slow_reader_costs_only_itself),
		cmocka_unit_test(the_queue_of_a_slow_reader_has_the_length_that_is_set),
		cmocka_unit_test(who_does_not_read_is_closed_in_the_end),
		cmocka_unit_test(readers_that_never_read_share_the_budget),
		cmocka_unit_test(rate_limits_slow_the_sender_and_lose_nothing),
		cmocka_unit_test(operators_can_list_and_tell),
		cmocka_unit_test(a_shutdown_closes_everything),
	};
	static const struct mode modes[] = { { 1, false, false }, { LOOPS, false, false }, { LOOPS, true, false },
		                             { LOOPS, false, true } };
	int failed = 0;

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		mode = modes[i];
		printf("--- %u loops%s%s\n", mode.loops, mode.tls ? ", TLS" : "", mode.ws ? ", WebSocket" : "");
		failed += cmocka_run_group_tests(tests, NULL, NULL);
	}
	return failed;
}
