/*
 * Tests of derp/http.h and of mesh connections: real sockets, the real HTTP server, plain and with TLS, and two relays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "derp/http.h"
#include "derp/mesh.h"
#include "http/router.h"
#include "http/server.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "unit/derp/vectors.h"
#include "unit/derp/world.h"

static bool use_tls;

struct site {
	struct loop *loop;
	struct derp_relay *relay;
	struct derp_http http;
	struct http_router *router;
	struct http_server *server;
	struct net_tls_server *tls;
	struct net_tls_client *tls_client;
	struct listener *listener;
	uint16_t port;
};

static struct net_tls_cert *cert;
static const struct derp_mesh_key mesh_key = { { 5, 5, 5 } };
static struct node_key known_key;

static struct net_tls_cert *find_cert(void *arg, const struct net_tls_hello *hello)
{
	(void)arg;
	(void)hello;
	return net_tls_cert_ref(cert);
}

static void make_cert(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *b = BIO_new(BIO_s_mem()), *k = BIO_new(BIO_s_mem());
	char *pem, *key_pem;
	long n, key_n;
	struct err err = { "" };

	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	PEM_write_bio_X509(b, x);
	PEM_write_bio_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL);
	n = BIO_get_mem_data(b, &pem);
	key_n = BIO_get_mem_data(k, &key_pem);
	if (net_tls_cert_new(bytes_of(pem, (size_t)n), bytes_of(key_pem, (size_t)key_n), &cert, &err) != ST_OK)
		fail_msg("%s", err.text);
	BIO_free(b);
	BIO_free(k);
	X509_free(x);
	EVP_PKEY_free(key);
}

static enum http_verdict allow(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
	return HTTP_ALLOW;
}

static bool known(void *arg, const struct node_key *key, const char *source)
{
	(void)arg;
	return node_key_eq(key, &known_key) && strcmp(source, "203.0.113.7") == 0;
}

static void bootstrap(void *arg, const char *name, struct buf *out)
{
	(void)arg;
	buf_printf(out, "{\"%s\":[\"203.0.113.10\"]}", name);
}

static void on_conn(void *arg, struct stream *s)
{
	struct site *site = arg;

	if (site->tls)
		s = net_tls_serve(site->tls, s);
	http_server_accept(site->server, s);
}

static void site_start(struct site *s)
{
	const struct http_route routes[] = {
		{ "GET", "/derp", derp_http_upgrade, &s->http, 1 },
		{ "*", "/derp/probe", derp_http_probe, &s->http, 1 },
		{ "*", "/derp/latency-check", derp_http_probe, &s->http, 1 },
		{ "*", "/generate_204", derp_http_generate_204, &s->http, 1 },
		{ "GET", "/bootstrap-dns", derp_http_bootstrap_dns, &s->http, 1 },
		{ "*", "/verify", derp_http_verify, &s->http, 1, .body_max = DERP_VERIFY_MAX },
	};
	struct derp_settings set = { .loops = 1, .mesh = mesh_key };
	struct net_tls_server_opts tls = { .provider = { find_cert, NULL } };
	struct http_server_opts opts = { 0 };
	struct net_addr a;
	struct err err = { "" };

	*s = (struct site){ .loop = loop_new(0) };
	node_private_new(&set.key);
	s->relay = derp_relay_new(&set);
	derp_relay_attach(s->relay, 0, s->loop);
	s->http = (struct derp_http){ .relay = s->relay, .known = known, .bootstrap = bootstrap };
	s->router = http_router_new();
	http_router_add_all(s->router, routes, sizeof routes / sizeof *routes);
	http_router_set_check(s->router, allow, NULL);
	opts.router = s->router;
	s->server = http_server_new(s->loop, &opts);
	if (use_tls) {
		assert_int_equal(net_tls_server_new(&tls, &s->tls, &err), ST_OK);
		assert_int_equal(net_tls_client_new(&(struct net_tls_client_opts){ .insecure = true }, &s->tls_client, &err), ST_OK);
	}
	assert_int_equal(net_addr_parse(BYTES_LIT("127.0.0.1"), 0, &a), ST_OK);
	assert_int_equal(listener_open(s->loop, &a, &(struct listener_opts){ 0 }, on_conn, s, &s->listener, &err), ST_OK);
	a = listener_addr(s->listener);
	s->port = net_addr_port(&a);
}

static void site_run(struct site *s)
{
	struct err err;
	assert_int_equal(loop_start(s->loop, &err), ST_OK);
}

static void shut(void *arg)
{
	struct site *s = arg;
	listener_close(&s->listener);
	http_server_free(&s->server);
}

static void site_stop(struct site *s)
{
	loop_post(s->loop, shut, s);
	derp_relay_shutdown(s->relay);
	for (int i = 0; i < 50; i++)
		world_nap();
	loop_stop(s->loop);
	loop_join(s->loop);
	for (int i = 0; i < 10; i++)
		loop_turn(s->loop, 1);
	derp_relay_free(&s->relay);
	loop_free(&s->loop);
	http_router_free(&s->router);
	net_tls_server_free(&s->tls);
	net_tls_client_free(&s->tls_client);
}

/* ---- a client ---- */

struct guest {
	int fd;
	SSL_CTX *ctx;
	SSL *tls;
	struct node_private priv;
	struct node_key key;
};

static void guest_connect(struct guest *g, const struct site *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(s->port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct timeval limit = { 5, 0 };

	*g = (struct guest){ .fd = socket(AF_INET, SOCK_STREAM, 0) };
	setsockopt(g->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	assert_int_equal(connect(g->fd, (struct sockaddr *)&a, sizeof a), 0);
	node_private_new(&g->priv);
	g->key = node_private_public(&g->priv);
	if (!use_tls)
		return;
	g->ctx = SSL_CTX_new(TLS_client_method());
	g->tls = SSL_new(g->ctx);
	SSL_set_fd(g->tls, g->fd);
	assert_int_equal(SSL_connect(g->tls), 1);
}

static void guest_free(struct guest *g)
{
	SSL_free(g->tls);
	SSL_CTX_free(g->ctx);
	close(g->fd);
}

static void put(struct guest *g, const void *p, size_t n)
{
	assert_int_equal(g->tls ? SSL_write(g->tls, p, (int)n) : send(g->fd, p, n, MSG_NOSIGNAL), n);
}

static void get(struct guest *g, void *p, size_t n)
{
	for (uint8_t *o = p; n;) {
		ssize_t k = g->tls ? SSL_read(g->tls, o, (int)n) : recv(g->fd, o, n, 0);
		if (k <= 0)
			fail_msg("nothing came");
		o += k;
		n -= (size_t)k;
	}
}

/* An answer's head, NUL-terminated. */
static void get_head(struct guest *g, char head[static 2048])
{
	size_t n = 0;
	while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0) {
		assert_true(n < 2047);
		get(g, head + n++, 1);
	}
	head[n] = '\0';
}

static struct derp_header get_frame(struct guest *g, uint8_t payload[static 2048])
{
	uint8_t h[DERP_HEADER_LEN];
	struct derp_header d;
	get(g, h, sizeof h);
	d = derp_header_get(h);
	assert_true(d.len <= 2048);
	if (d.len)
		get(g, payload, d.len);
	return d;
}

static void put_text(struct guest *g, const char *s)
{
	put(g, s, strlen(s));
}

static void client_info(const struct guest *g, const struct site *s, struct buf *out)
{
	struct derp_client_info info = { .version = 2 };
	assert_int_equal(derp_client_info_seal(&info, &g->priv, derp_relay_key(s->relay), out), ST_OK);
}

static void expect_login(struct guest *g, const struct site *s)
{
	uint8_t p[2048];
	struct derp_header h = get_frame(g, p);
	struct derp_server_info si;

	assert_int_equal(h.type, DERP_SERVER_KEY);
	h = get_frame(g, p);
	assert_int_equal(h.type, DERP_SERVER_INFO);
	assert_int_equal(derp_server_info_open(bytes_of(p, h.len), &g->priv, derp_relay_key(s->relay), &si), ST_OK);
}

static void packet_through(struct guest *from, struct guest *to)
{
	uint8_t f[DERP_PACKET_HEAD + 5], p[2048];
	struct derp_header h;

	derp_put_send_head(f, to->key.b, 5);
	memcpy(f + DERP_PACKET_HEAD, "hello", 5);
	put(from, f, sizeof f);
	do {
		h = get_frame(to, p);
	} while (h.type == DERP_PEER_GONE); /* of those that were here before */
	assert_int_equal(h.type, DERP_RECV_PACKET);
	assert_memory_equal(p, from->key.b, 32);
	assert_memory_equal(p + 32, "hello", 5);
}

#define PLAIN_REQUEST                                                                                                  \
	"GET /derp HTTP/1.1\r\nHost: derp.example.com\r\nUser-Agent: Go-http-client/1.1\r\nConnection: Upgrade\r\n"    \
	"Ideal-Node: 900a\r\nUpgrade: DERP\r\n\r\n"
#define FAST_REQUEST                                                                                                   \
	"GET /derp HTTP/1.1\r\nHost: derp.example.com\r\nUser-Agent: Go-http-client/1.1\r\nConnection: Upgrade\r\n"    \
	"Derp-Fast-Start: 1\r\nUpgrade: DERP\r\n\r\n"

static void join_plain(struct guest *g, const struct site *s)
{
	char head[2048], hex[65], want[160];
	struct buf b;

	guest_connect(g, s);
	put_text(g, PLAIN_REQUEST);
	get_head(g, head);
	hex_encode(bytes_of(derp_relay_key(s->relay)->b, 32), hex);
	snprintf(want, sizeof want, "Derp-Version: 2\r\nDerp-Public-Key: %s\r\n", hex);
	assert_non_null(strstr(head, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n"));
	assert_non_null(strstr(head, want));
	buf_init(&b, 4096);
	client_info(g, s, &b);
	put(g, b.p, b.n);
	buf_release(&b);
	expect_login(g, s);
}

/* Request and ClientInfo leave in one write, or in pieces of `cut` bytes. */
static void join_fast(struct guest *g, const struct site *s, size_t cut)
{
	struct buf b;

	guest_connect(g, s);
	buf_init(&b, 8192);
	buf_put_str(&b, FAST_REQUEST);
	client_info(g, s, &b);
	for (size_t at = 0; at < b.n; at += cut) {
		put(g, b.p + at, b.n - at < cut ? b.n - at : cut);
		if (cut < b.n)
			world_nap();
	}
	buf_release(&b);
	expect_login(g, s);
}

static void upgrades_lead_to_the_relay(void **state)
{
	struct site s;
	struct guest a, b, c;
	struct derp_stats st;
	(void)state;

	site_start(&s);
	site_run(&s);
	join_plain(&a, &s);
	join_fast(&b, &s, 100000);
	packet_through(&a, &b);
	packet_through(&b, &a);
	derp_relay_stats(s.relay, &st);
	assert_int_equal(st.not_ideal, 1);
	assert_int_equal(st.clients_local, 2);
	for (size_t cut = 1; cut < 140; cut += 23) { /* however it is cut */
		join_fast(&c, &s, cut);
		packet_through(&c, &a);
		guest_free(&c);
	}
	guest_free(&a);
	guest_free(&b);
	site_stop(&s);
}

static void browsers_come_by_websocket(void **state)
{
	struct site s;
	struct guest a, b;
	char head[2048];
	uint8_t p[300], key_frame[2 + DERP_SERVER_KEY_FRAME], mask[4] = { 1, 2, 3, 4 };
	struct buf info, msg;
	(void)state;

	site_start(&s);
	site_run(&s);
	guest_connect(&a, &s);
	put_text(&a, "GET /derp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: derp\r\nOrigin: https://y\r\n\r\n");
	get_head(&a, head);
	assert_non_null(strstr(head, "101 Switching"));
	assert_non_null(strstr(head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
	assert_non_null(strstr(head, "Sec-WebSocket-Protocol: derp\r\n"));
	get(&a, key_frame, sizeof key_frame);
	assert_memory_equal(key_frame, "\x82\x2d", 2);
	buf_init(&info, 4096);
	buf_init(&msg, 4096);
	client_info(&a, &s, &info);
	buf_put(&msg, (uint8_t[]){ 0x82, 0x80 | (uint8_t)info.n }, 2);
	buf_put(&msg, mask, 4);
	for (size_t i = 0; i < info.n; i++)
		buf_put_char(&msg, (char)(info.p[i] ^ mask[i % 4]));
	put(&a, msg.p, msg.n);
	get(&a, p, 2 + 58);
	assert_memory_equal(p, "\x82\x3a\x03", 3);
	join_plain(&b, &s);
	derp_put_send_head(p, a.key.b, 3);
	memcpy(p + DERP_PACKET_HEAD, "abc", 3);
	put(&b, p, DERP_PACKET_HEAD + 3);
	get(&a, p, 2 + DERP_PACKET_HEAD + 3);
	assert_memory_equal(p, "\x82\x28\x05", 3);
	assert_memory_equal(p + 2 + DERP_PACKET_HEAD, "abc", 3);
	buf_release(&info);
	buf_release(&msg);
	guest_free(&a);
	guest_free(&b);
	site_stop(&s);
}

/* One request on a connection of its own; the whole answer. */
static void ask(const struct site *s, const char *request, char out[static 4096])
{
	struct guest g;
	size_t n = 0;
	ssize_t k;

	guest_connect(&g, s);
	put_text(&g, request);
	while (n < 4095 && (k = g.tls ? SSL_read(g.tls, out + n, (int)(4095 - n)) : recv(g.fd, out + n, 4095 - n, 0)) > 0)
		n += (size_t)k;
	out[n] = '\0';
	guest_free(&g);
}

static void the_small_paths_answer(void **state)
{
	static const struct {
		const char *request, *want[4], *not_wanted;
	} cases[] = {
		{ "GET /derp HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		  { "426 ", "DERP requires connection upgrade\n", "text/plain; charset=utf-8" } },
		{ "GET /derp/probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", { "200 ", "ccess-" } },
		{ "HEAD /derp/latency-check HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", { "200 " } },
		{ "POST /derp/probe HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		  { "405 ", "bogus probe method\n" } },
		{ "GET /generate_204 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		  { "204 ", "no-cache, no-store, must-revalidate, no-transform, max-age=0" }, "esponse: " },
		{ "GET /generate_204 HTTP/1.1\r\nHost: x\r\nX-Tailscale-Challenge: ts_203.0.113.10\r\nConnection: close\r\n\r\n",
		  { "204 ", "response ts_203.0.113.10" } },
		{ "GET /generate_204 HTTP/1.1\r\nHost: x\r\nX-Tailscale-Challenge: a b\r\nConnection: close\r\n\r\n",
		  { "204 " }, "esponse: " },
		{ "GET /bootstrap-dns?q=vpn.example.com HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		  { "200 ", "application/json", "{\"vpn.example.com\":[\"203.0.113.10\"]}" } },
		{ "GET /verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", { "405 " } },
		{ "POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\n{}x", { "400 " } },
		{ "POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 112\r\nConnection: close\r\n\r\n"
		  "{\"NodePublic\":\"nodekey:" V_A "\",\"Source\":\"203.0.113.7\"}",
		  { "200 ", "{\"Allow\":true}" } },
		{ "POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 112\r\nConnection: close\r\n\r\n"
		  "{\"NodePublic\":\"nodekey:" V_B "\",\"Source\":\"203.0.113.7\"}",
		  { "200 ", "{\"Allow\":false}" } },
	};
	struct site s;
	char answer[4096];
	(void)state;

	unhex(V_A, known_key.b);
	site_start(&s);
	site_run(&s);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ask(&s, cases[i].request, answer);
		for (size_t k = 0; k < 4 && cases[i].want[k]; k++)
			if (!strstr(answer, cases[i].want[k]))
				fail_msg("%s\n--- wants \"%s\", got:\n%s", cases[i].request, cases[i].want[k], answer);
		if (cases[i].not_wanted && strstr(answer, cases[i].not_wanted))
			fail_msg("%s\n--- got:\n%s", cases[i].request, answer);
	}
	site_stop(&s);
}

static void headers_decide_the_kind_of_upgrade(void **state)
{
	(void)state;
	assert_int_equal(derp_upgrade_kind(NULL, NULL, NULL), DERP_UPGRADE_NONE);
	assert_int_equal(derp_upgrade_kind("h2c", "1", "derp"), DERP_UPGRADE_NONE);
	assert_int_equal(derp_upgrade_kind("DERP", NULL, NULL), DERP_UPGRADE_PLAIN);
	assert_int_equal(derp_upgrade_kind("derp", "1", NULL), DERP_UPGRADE_FAST);
	assert_int_equal(derp_upgrade_kind("derp", "yes", NULL), DERP_UPGRADE_PLAIN);
	assert_int_equal(derp_upgrade_kind("WebSocket", NULL, NULL), DERP_UPGRADE_PLAIN);
	assert_int_equal(derp_upgrade_kind("websocket", NULL, "derp"), DERP_UPGRADE_WEBSOCKET);
	assert_int_equal(derp_upgrade_kind("websocket", NULL, "chat"), DERP_UPGRADE_PLAIN);
}

static void challenges_are_short_and_plain(void **state)
{
	(void)state;
	assert_true(derp_challenge_ok("input"));
	assert_true(derp_challenge_ok("ts_derp99b.tailscale.com"));
	assert_true(derp_challenge_ok("0123456789012345678901234567890123456789012345678901234567890123"));
	assert_false(derp_challenge_ok("01234567890123456789012345678901234567890123456789012345678901234"));
	assert_false(derp_challenge_ok(NULL));
	assert_false(derp_challenge_ok(""));
	assert_false(derp_challenge_ok("a b"));
	assert_false(derp_challenge_ok("a\x01"));
}

/* ---- /verify's words ---- */

static void questions_and_answers_of_verify(void **state)
{
	struct node_key key, back;
	char source[46];
	struct buf b;
	(void)state;

	unhex(V_A, key.b);
	buf_init(&b, 4096);
	derp_verify_ask(&key, "203.0.113.7", &b);
	assert_true(bytes_eq_str(buf_bytes(&b), "{\"NodePublic\":\"nodekey:" V_A "\",\"Source\":\"203.0.113.7\"}"));
	assert_int_equal(derp_verify_ask_parse(buf_bytes(&b), &back, source), ST_OK);
	assert_true(node_key_eq(&key, &back));
	assert_string_equal(source, "203.0.113.7");
	buf_release(&b);
	assert_int_equal(derp_verify_ask_parse(BYTES_LIT("{\"NodePublic\":\"nodekey:12\"}"), &back, source), ST_BAD_INPUT);
	assert_int_equal(derp_verify_ask_parse(BYTES_LIT("[]"), &back, source), ST_BAD_INPUT);
	assert_int_equal(derp_verify_answer_parse(BYTES_LIT("{\"Allow\":true}")), ST_OK);
	assert_int_equal(derp_verify_answer_parse(BYTES_LIT("{\"Allow\":false}")), ST_DENIED);
	assert_int_equal(derp_verify_answer_parse(BYTES_LIT("{}")), ST_DENIED);
	assert_int_equal(derp_verify_answer_parse(BYTES_LIT("{\"Allow\":\"true\"}")), ST_BAD_INPUT);
	assert_int_equal(derp_verify_answer_parse(BYTES_LIT("yes")), ST_BAD_INPUT);
}

/* ---- mesh ---- */

static void mesh_hosts_are_parsed(void **state)
{
	static const struct {
		const char *text, *host, *dial;
		uint16_t port;
	} good[] = {
		{ "a.example.com", "a.example.com", NULL, 0 },
		{ "a.example.com:8443", "a.example.com", NULL, 8443 },
		{ "a.example.com/10.0.0.1", "a.example.com", "10.0.0.1", 0 },
		{ "[2001:db8::1]:443", "2001:db8::1", NULL, 443 },
		{ "2001:db8::1", "2001:db8::1", NULL, 0 },
	};
	static const char *const bad[] = { "", "a:0", "a:70000", "a:x", "/b", "a/", "a b", "[::1", "[::1]x" };
	struct mesh_opts o;
	char buf[512];
	(void)state;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		o = (struct mesh_opts){ 0 };
		assert_int_equal(derp_mesh_parse(bytes_of_str(good[i].text), buf, &o), ST_OK);
		assert_string_equal(o.host, good[i].host);
		assert_int_equal(o.port, good[i].port);
		assert_true(good[i].dial ? o.dial_host && strcmp(o.dial_host, good[i].dial) == 0 : !o.dial_host);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (derp_mesh_parse(bytes_of_str(bad[i]), buf, &o) != ST_BAD_INPUT)
			fail_msg("\"%s\" is taken", bad[i]);
}

static void wait_for(struct site *s, int64_t remote)
{
	struct derp_stats st;
	for (int i = 0; i < WAIT_MS; i++) {
		derp_relay_stats(s->relay, &st);
		if (st.clients_remote == remote)
			return;
		world_nap();
	}
	fail_msg("%lld keys by mesh instead of %lld", (long long)st.clients_remote, (long long)remote);
}

static void two_relays_of_a_region_are_one(void **state)
{
	struct site s[2];
	struct guest a, b;
	struct derp_stats st;
	uint8_t p[2048];
	struct derp_header h;
	(void)state;

	for (int i = 0; i < 2; i++)
		site_start(&s[i]);
	for (int i = 0; i < 2; i++) /* each to the other, and to itself */
		for (int k = 0; k < 2; k++)
			derp_mesh_add(s[i].relay, 0, &(struct mesh_opts){ .host = "127.0.0.1", .port = s[k].port, .tls = s[i].tls_client });
	for (int i = 0; i < 2; i++)
		site_run(&s[i]);
	join_plain(&a, &s[0]);
	join_plain(&b, &s[1]);
	wait_for(&s[0], 1);
	wait_for(&s[1], 1);
	packet_through(&a, &b);
	packet_through(&b, &a);
	derp_relay_stats(s[0].relay, &st);
	assert_int_equal(st.n.packets_forwarded_out, 1);
	assert_int_equal(st.n.packets_forwarded_in, 1);
	assert_int_equal(st.mesh_peers, 1);
	guest_free(&b); /* its leaving is heard on the other relay */
	h = get_frame(&a, p);
	assert_int_equal(h.type, DERP_PEER_GONE);
	assert_memory_equal(p, b.key.b, 32);
	wait_for(&s[0], 0);
	join_plain(&b, &s[1]);
	wait_for(&s[0], 1);
	site_stop(&s[1]); /* the whole relay goes, and with it what it had */
	wait_for(&s[0], 0);
	guest_free(&a);
	guest_free(&b);
	site_stop(&s[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(upgrades_lead_to_the_relay),
		cmocka_unit_test(browsers_come_by_websocket),
		cmocka_unit_test(the_small_paths_answer),
		cmocka_unit_test(headers_decide_the_kind_of_upgrade),
		cmocka_unit_test(challenges_are_short_and_plain),
		cmocka_unit_test(questions_and_answers_of_verify),
		cmocka_unit_test(mesh_hosts_are_parsed),
		cmocka_unit_test(two_relays_of_a_region_are_one),
	};
	int failed = 0;

	make_cert();
	for (int i = 0; i < 2; i++) {
		use_tls = i == 1;
		printf("--- %s\n", use_tls ? "TLS" : "plain");
		failed += cmocka_run_group_tests(tests, NULL, NULL);
	}
	net_tls_cert_unref(&cert);
	return failed;
}
