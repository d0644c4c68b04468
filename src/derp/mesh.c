/*
 * derp/mesh.c -- see derp/mesh.h.
 *
 * Until the upgrade is answered the connection is a stream like any other; then it becomes a connection of the relay
 * in the role of a client, and what its server says comes here frame by frame.
 */
#include "derp/mesh.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "crypto/secret.h"
#include "derp/relay_priv.h"
#include "derp/takeover.h"
#include "net/connect.h"

#define HEAD_MAX 4096
#define TELL_EVERY 120 /* failures in a row: the first is told, then one in ten minutes */

struct mesh_peer {
	struct mesh_peer *next; /* of the loop */
	struct dloop *l;
	char *host, *dial_host;
	uint16_t port;
	struct net_tls_client *tls;
	struct connect *dial;
	struct stream *stream; /* between connect and upgrade */
	struct buf head;
	struct dconn *c;
	struct node_key server; /* zero until it said so */
	struct loop_timer retry;
	struct loop_task task;
	bool self;              /* it is us: never again */
	bool opened;            /* this connection got as far as being let in */
	uint32_t failures;      /* in a row */
	char why[128];          /* what went wrong last */
};

static void start(void *arg);

static void again(struct mesh_peer *p)
{
	if (!p->l->down && !p->self)
		loop_timer_start(&p->retry, MESH_RETRY_MS);
}

/* ---- connect and upgrade ---- */

static void drop_stream(struct mesh_peer *p)
{
	stream_drop(&p->stream, false);
	buf_reset(&p->head);
}

static void note_failure(struct mesh_peer *p, const char *why)
{
	p->failures++;
	snprintf(p->why, sizeof p->why, "%s", why);
	if (p->failures == 1 || p->failures % TELL_EVERY == 0)
		log_warn("mesh peer is away", LOG_STR("host", p->host), LOG_STR("why", p->why), LOG_U64("failures", p->failures), LOG_END);
}

static void fail(struct mesh_peer *p, const char *why)
{
	note_failure(p, why);
	drop_stream(p);
	again(p);
}

/* At the end of the turn in which the other relay agreed: the layers below have put down what they held. */
static void upgraded(void *arg)
{
	struct mesh_peer *p = arg;
	struct derp_adopt a = { 0 };

	if (!p->stream)
		return;
	stream_set_handler(p->stream, NULL, NULL);
	if (derp_takeover(p->stream, &a) != ST_OK) {
		fail(p, "its connection cannot be taken over");
		return;
	}
	p->stream = NULL;
	p->c = dconn_new(p->l, &a, D_PEER);
	if (!p->c) {
		derp_takeover_drop(&a);
		again(p);
		return;
	}
	p->c->peer = p;
	p->c->mesh = true;
	dconn_feed(p->c, &a);
}

static void on_data(void *arg, struct bytes data)
{
	struct mesh_peer *p = arg;
	const uint8_t *end;

	buf_put_bytes(&p->head, data);
	if (!buf_ok(&p->head)) {
		fail(p, "its answer to the upgrade is too long");
		return;
	}
	end = memmem(p->head.p, p->head.n, "\r\n\r\n", 4);
	if (!end)
		return;
	if (p->head.n < 12 || memcmp(p->head.p, "HTTP/1.1 101", 12) != 0) {
		fail(p, "it refuses the upgrade");
		return;
	}
	stream_pause(p->stream);
	stream_unread(p->stream, bytes_skip(buf_bytes(&p->head), (size_t)(end + 4 - p->head.p)));
	buf_reset(&p->head);
	loop_task_queue(&p->task);
}

static void on_closed(void *arg, enum stream_end why)
{
	struct mesh_peer *p = arg;

	p->stream = NULL;
	buf_reset(&p->head);
	note_failure(p, stream_end_name(why));
	again(p);
}

static void on_connected(void *arg, enum status s, struct stream *stream, const struct err *err)
{
	static const struct stream_handler handler = { .data = on_data, .closed = on_closed };
	struct mesh_peer *p = arg;
	char req[1024];
	int n;

	p->dial = NULL;
	if (s != ST_OK) {
		fail(p, err->text);
		return;
	}
	p->stream = stream;
	stream_set_deadline(stream, p->l->r->set.login_ms);
	stream_start(stream, &handler, p);
	n = snprintf(req, sizeof req,
	             "GET /derp HTTP/1.1\r\nHost: %s\r\nUser-Agent: headscale\r\nConnection: Upgrade\r\n"
	             "Upgrade: DERP\r\n\r\n", p->host);
	stream_write(stream, bytes_of(req, (size_t)n));
}

static void start(void *arg)
{
	struct mesh_peer *p = arg;
	struct connect_opts o = { .host = p->dial_host ? p->dial_host : p->host, .port = p->port, .tls = p->tls,
		                  .server_name = p->host };

	if (!p->l->down)
		p->dial = connect_start(p->l->loop, &o, on_connected, p);
}

/* ---- what the other relay says ---- */

static void send_login(struct mesh_peer *p)
{
	struct derp_client_info info = { .version = DERP_PROTOCOL_VERSION, .mesh = p->l->r->set.mesh };
	struct dconn *c = p->c;
	uint8_t watch[DERP_HEADER_LEN];
	struct buf b;

	buf_init(&b, 4096);
	if (derp_client_info_seal(&info, &p->l->r->set.key, &p->server, &b) == ST_OK) {
		egress_control(c, buf_bytes(&b));
		egress_control(c, bytes_of(watch, derp_put_watch_conns(watch)));
	} else {
		dconn_close(c, DERP_CLOSE_bad_login);
	}
	secret_wipe(&info, sizeof info);
	buf_release(&b);
}

static void server_key(struct mesh_peer *p, struct bytes payload)
{
	if (!node_key_is_zero(&p->server))
		return; /* said once; later ones mean nothing */
	if (derp_server_key_parse(payload, &p->server) != ST_OK) {
		dconn_close(p->c, DERP_CLOSE_bad_login);
		return;
	}
	p->c->key = p->server;
	if (node_key_eq(&p->server, &p->l->r->key)) {
		p->self = true;
		log_info("mesh peer is this relay itself", LOG_STR("host", p->host), LOG_END);
		dconn_close(p->c, DERP_CLOSE_disconnected);
		return;
	}
	send_login(p);
}

static void server_info(struct mesh_peer *p, struct bytes payload)
{
	struct derp_server_info info;

	if (p->c->state != D_LOGIN)
		return;
	if (derp_server_info_open(payload, &p->l->r->set.key, &p->server, &info) != ST_OK) {
		dconn_close(p->c, DERP_CLOSE_bad_login);
		return;
	}
	dconn_peer_open(p->c);
	COUNT(p->l, mesh_peers);
	p->opened = true;
	p->failures = 0;
	p->why[0] = '\0';
	log_info("mesh peer is connected", LOG_STR("host", p->host), LOG_END);
}

static void tell_registrar(struct dconn *c, enum mail_type type, const uint8_t *key)
{
	struct mail *m = mail_new(type, 0);

	m->conn = dconn_handle(c);
	if (key)
		memcpy(m->key, key, 32);
	mail_to_registrar(c->l, m);
}

void mesh_frame(struct dconn *c, struct derp_header h, const uint8_t *payload)
{
	struct mesh_peer *p = c->peer;
	uint8_t pong[DERP_PONG_FRAME];

	switch (h.type) {
	case DERP_SERVER_KEY: server_key(p, bytes_of(payload, h.len)); break;
	case DERP_SERVER_INFO: server_info(p, bytes_of(payload, h.len)); break;
	case DERP_PEER_PRESENT:
		if (c->state == D_OPEN && memcmp(payload, p->l->r->key.b, 32) != 0)
			tell_registrar(c, MAIL_FORWARD_ADD, payload);
		break;
	case DERP_PEER_GONE:
		if (c->state == D_OPEN)
			tell_registrar(c, MAIL_FORWARD_REMOVE, payload);
		break;
	case DERP_PING:
		derp_put_pong(pong, payload);
		egress_control(c, bytes_of(pong, sizeof pong));
		break;
	default: break;
	}
}

void mesh_conn_closed(struct dconn *c)
{
	struct mesh_peer *p = c->peer;

	if (!p)
		return;
	tell_registrar(c, MAIL_FORWARD_LOST, NULL);
	if (c->state == D_OPEN)
		COUNT_ADD(c->l, mesh_peers, -1);
	if (!p->self && !p->l->down)
		note_failure(p, p->opened ? "the connection was lost" : "it does not let us in; is the mesh key the same?");
	p->opened = false;
	c->peer = NULL;
	p->c = NULL;
	memset(&p->server, 0, sizeof p->server);
	again(p);
}

/* ---- public ---- */

struct mesh_peer *derp_mesh_add(struct derp_relay *r, unsigned loop, const struct mesh_opts *o)
{
	struct dloop *l = &r->loops[loop];
	struct mesh_peer *p = xcalloc(1, sizeof *p);

	p->l = l;
	p->host = xstrdup(o->host);
	p->dial_host = xstrdup(o->dial_host);
	p->port = o->port ? o->port : o->tls ? 443 : 80;
	p->tls = o->tls;
	buf_init(&p->head, HEAD_MAX);
	loop_timer_init(&p->retry, l->loop, start, p);
	loop_timer_start(&p->retry, 0);
	loop_task_init(&p->task, l->loop, upgraded, p);
	p->next = l->peers;
	l->peers = p;
	return p;
}

struct mesh_peer *mesh_next(const struct mesh_peer *p)
{
	return p->next;
}

static enum derp_peer_state state_of(const struct mesh_peer *p)
{
	if (p->self)
		return DERP_PEER_SELF;
	if (p->c)
		return p->c->state == D_OPEN ? DERP_PEER_OPEN : DERP_PEER_LOGIN;
	return p->dial || p->stream ? DERP_PEER_CONNECTING : DERP_PEER_WAITING;
}

const char *derp_peer_state_name(enum derp_peer_state s)
{
	static const char *const names[] = { "waiting", "connecting", "login", "connected", "self" };

	return (unsigned)s < sizeof names / sizeof *names ? names[s] : "";
}

void mesh_describe(const struct mesh_peer *p, struct derp_peer_info *out)
{
	*out = (struct derp_peer_info){ .state = state_of(p), .key = p->server, .failures = p->failures };
	snprintf(out->host, sizeof out->host, "%s", p->host);
	snprintf(out->why, sizeof out->why, "%s", p->why);
	if (out->state != DERP_PEER_OPEN)
		return;
	out->connected_ms = loop_now_ms(p->l->loop) - p->c->since_ms;
	out->packets_out = p->c->count.packets_out;
}

void mesh_stop(struct dloop *l)
{
	for (struct mesh_peer *p = l->peers; p; p = p->next) {
		loop_timer_cancel(&p->retry);
		connect_cancel(&p->dial);
		loop_task_cancel(&p->task);
		drop_stream(p);
	}
}

void mesh_release(struct dloop *l)
{
	while (l->peers) {
		struct mesh_peer *p = l->peers;
		l->peers = p->next;
		buf_release(&p->head);
		free(p->host);
		free(p->dial_host);
		free(p);
	}
}

/* "name", "name:port", "[v6]:port" at the front of s, NUL put behind the name. False: none, or a bad port. */
static bool split_host(char *s, const char **host, uint16_t *port)
{
	char *colon = strrchr(s, ':'), *end;
	unsigned long n;

	*host = s;
	if (*s == '[') {
		char *close = strchr(s, ']');
		if (!close)
			return false;
		*host = s + 1;
		*close = '\0';
		colon = close[1] == ':' ? close + 1 : NULL;
		if (!colon && close[1])
			return false;
	} else if (colon && strchr(s, ':') != colon) {
		colon = NULL; /* an IPv6 address without brackets has no port */
	}
	if (colon) {
		*colon = '\0';
		n = strtoul(colon + 1, &end, 10);
		if (end == colon + 1 || *end || n == 0 || n > 65535)
			return false;
		*port = (uint16_t)n;
	}
	return **host != '\0';
}

enum status derp_mesh_parse(struct bytes text, char buf[static 512], struct mesh_opts *out)
{
	struct mesh_opts o = { 0 };
	char *slash;

	if (text.n == 0 || text.n >= 512 || memchr(text.p, 0, text.n))
		return ST_BAD_INPUT;
	memcpy(buf, text.p, text.n);
	buf[text.n] = '\0';
	slash = strchr(buf, '/');
	if (slash) {
		*slash = '\0';
		o.dial_host = slash + 1;
		if (!*o.dial_host)
			return ST_BAD_INPUT;
	}
	for (const char *c = buf; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return ST_BAD_INPUT; /* it goes into a Host header */
	if (!split_host(buf, &o.host, &o.port))
		return ST_BAD_INPUT;
	out->host = o.host;
	out->dial_host = o.dial_host;
	out->port = o.port;
	return ST_OK;
}
