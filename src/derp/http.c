/* derp/http.c -- see derp/http.h. */
#include "derp/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/json_in.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/vec.h"
#include "derp/takeover.h"
#include "http/http.h"
#include "http/websocket.h"

#define CHALLENGE_MAX 64

/* ---- pure ---- */

enum derp_upgrade_kind derp_upgrade_kind(const char *upgrade, const char *fast_start, const char *ws_protocol)
{
	bool websocket = upgrade && strcasecmp(upgrade, "websocket") == 0;

	if (!websocket && (!upgrade || strcasecmp(upgrade, "derp") != 0))
		return DERP_UPGRADE_NONE;
	if (websocket && ws_protocol && strstr(ws_protocol, "derp"))
		return DERP_UPGRADE_WEBSOCKET;
	return fast_start && strcmp(fast_start, "1") == 0 ? DERP_UPGRADE_FAST : DERP_UPGRADE_PLAIN;
}

bool derp_challenge_ok(const char *c)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
	size_t n = c ? strlen(c) : 0;

	return n >= 1 && n <= CHALLENGE_MAX && strspn(c, good) == n;
}

/* ---- /derp ---- */

static unsigned loop_of(const struct derp_http *h, const struct http_req *r)
{
	return h->loop_of ? h->loop_of(h->arg, r->loop) : loop_index(r->loop);
}

static void preface_plain(const struct derp_relay *relay, struct buf *out)
{
	char hex[2 * KEY_LEN + 1];

	hex_encode(bytes_of(derp_relay_key(relay)->b, KEY_LEN), hex);
	buf_printf(out,
	           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\nDerp-Version: %d\r\n"
	           "Derp-Public-Key: %s\r\n\r\n", DERP_PROTOCOL_VERSION, hex);
}

static bool preface_websocket(const struct http_req *r, struct buf *out)
{
	const char *key = http_req_header(r, "sec-websocket-key"), *version = http_req_header(r, "sec-websocket-version");
	char accept[WS_ACCEPT_LEN + 1];

	if (!key || strlen(key) != 24 || !version || strcmp(version, "13") != 0)
		return false;
	ws_accept_key(key, accept);
	buf_printf(out,
	           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	           "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: derp\r\n\r\n", accept);
	return true;
}

/* A connection on its way from HTTP to the relay. */
struct moving {
	struct derp_relay *relay;
	unsigned loop;
	struct stream *s; /* NULL: it broke meanwhile */
	enum derp_wire wire;
	bool not_ideal, fast_start;
	struct buf preface;
};

static void moving_closed(void *arg, enum stream_end why)
{
	struct moving *m = arg;

	(void)why;
	m->s = NULL;
}

static void move(void *arg)
{
	struct moving *m = arg;
	struct derp_adopt a = { .wire = m->wire, .not_ideal = m->not_ideal,
	                        .fast_start = m->fast_start, .preface = buf_bytes(&m->preface) };

	if (m->s)
		stream_set_handler(m->s, NULL, NULL);
	if (m->s && derp_takeover(m->s, &a) == ST_OK) {
		(void)!derp_relay_adopt(m->relay, m->loop, &a); /* it counts what it refuses */
	} else if (m->s) {
		log_warn("cannot take a connection over", LOG_STR("kind", stream_kind(m->s)), LOG_END);
		stream_drop(&m->s, false);
	}
	buf_release(&m->preface);
	free(m);
}

/*
 * The layers below are in the middle of delivering this request, with more bytes in hand: the connection changes hands
 * at the end of the turn, when each of them has put down what it holds.
 */
static void take_over(const struct derp_http *h, struct http_req *r, enum derp_upgrade_kind kind, struct bytes preface)
{
	static const struct stream_handler handler = { .closed = moving_closed };
	const char *ideal = http_req_header(r, "ideal-node");
	struct moving *m = xcalloc(1, sizeof *m);
	struct loop *loop = r->loop;

	m->relay = h->relay;
	m->loop = loop_of(h, r);
	m->fast_start = kind == DERP_UPGRADE_FAST;
	m->wire = kind == DERP_UPGRADE_WEBSOCKET ? DERP_WIRE_WEBSOCKET : DERP_WIRE_PLAIN;
	m->not_ideal = ideal && *ideal && kind != DERP_UPGRADE_WEBSOCKET;
	buf_init(&m->preface, 1024);
	if (http_take(r, &m->s) != ST_OK) {
		free(m);
		http_resp_header(r, "content-type", "text/plain; charset=utf-8");
		http_respond(r, 426, NULL, BYTES_LIT("DERP requires connection upgrade\n"));
		return;
	}
	buf_put_bytes(&m->preface, preface);
	stream_set_handler(m->s, &handler, m);
	loop_defer(loop, move, m);
}

void derp_http_upgrade(void *derp_http, struct http_req *r)
{
	const struct derp_http *h = derp_http;
	enum derp_upgrade_kind kind = derp_upgrade_kind(http_req_header(r, "upgrade"),
	                                                http_req_header(r, "derp-fast-start"),
	                                                http_req_header(r, "sec-websocket-protocol"));
	struct buf preface;

	if (!h->relay) {
		http_respond_text(r, 404, "derp server disabled");
		return;
	}
	if (kind == DERP_UPGRADE_NONE) {
		http_resp_header(r, "content-type", "text/plain; charset=utf-8");
		http_respond(r, 426, NULL, BYTES_LIT("DERP requires connection upgrade\n"));
		return;
	}
	buf_init(&preface, 1024);
	if (kind == DERP_UPGRADE_PLAIN)
		preface_plain(h->relay, &preface);
	if (kind == DERP_UPGRADE_WEBSOCKET && !preface_websocket(r, &preface))
		http_respond_text(r, 400, "bad WebSocket handshake");
	else
		take_over(h, r, kind, buf_bytes(&preface));
	buf_release(&preface);
}

/* ---- the small ones ---- */

void derp_http_probe(void *derp_http, struct http_req *r)
{
	(void)derp_http;
	if (strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0) {
		http_respond_text(r, 405, "bogus probe method");
		return;
	}
	http_resp_header(r, "access-control-allow-origin", "*");
	http_respond(r, 200, NULL, (struct bytes){ 0 });
}

void derp_http_generate_204(void *derp_http, struct http_req *r)
{
	const char *challenge = http_req_header(r, "x-tailscale-challenge");
	char answer[sizeof "response " + CHALLENGE_MAX];

	(void)derp_http;
	http_resp_header(r, "cache-control", "no-cache, no-store, must-revalidate, no-transform, max-age=0");
	if (derp_challenge_ok(challenge)) {
		snprintf(answer, sizeof answer, "response %s", challenge);
		http_resp_header(r, "x-tailscale-response", answer);
	}
	http_respond(r, 204, NULL, (struct bytes){ 0 });
}

void derp_http_bootstrap_dns(void *derp_http, struct http_req *r)
{
	const struct derp_http *h = derp_http;
	const char *q = http_req_query(r, "q");
	struct buf out;

	buf_init(&out, (size_t)1 << 20);
	if (h->bootstrap)
		h->bootstrap(h->arg, q ? q : "", &out);
	http_resp_header(r, "connection", "close");
	http_respond(r, 200, "application/json", buf_bytes(&out));
	buf_release(&out);
}

void derp_http_verify(void *derp_http, struct http_req *r)
{
	const struct derp_http *h = derp_http;
	struct node_key key;
	char source[46];

	if (strcmp(r->method, "POST") != 0) {
		http_respond_text(r, 405, "method not allowed");
		return;
	}
	if (derp_verify_ask_parse(r->body, &key, source) != ST_OK) {
		http_respond_text(r, 400, "cannot parse the request");
		return;
	}
	if (h->known && h->known(h->arg, &key, source))
		http_respond(r, 200, "application/json", BYTES_LIT("{\"Allow\":true}"));
	else
		http_respond(r, 200, "application/json", BYTES_LIT("{\"Allow\":false}"));
}

/* ---- the words of /verify ---- */

void derp_verify_ask(const struct node_key *key, const char *source, struct buf *out)
{
	char text[KEY_TEXT_MAX];
	struct jw w;

	node_key_format(key, text);
	jw_init(&w, out);
	jw_obj_begin(&w);
	jw_kstr(&w, "NodePublic", text);
	jw_kstr(&w, "Source", source);
	jw_obj_end(&w);
}

enum status derp_verify_ask_parse(struct bytes body, struct node_key *key_out, char source_out[static 46])
{
	struct json_object *o = NULL;
	const char *key = "", *source = "";
	struct node_key k;
	enum status s = json_parse(body, DERP_VERIFY_MAX, &o, NULL);

	if (s == ST_OK && !json_object_is_type(o, json_type_object))
		s = ST_BAD_INPUT;
	if (s == ST_OK)
		s = json_get_str(o, "NodePublic", &key, NULL);
	if (s == ST_OK)
		s = json_get_str(o, "Source", &source, NULL);
	if (s == ST_OK)
		s = node_key_parse(bytes_of_str(key), &k);
	if (s == ST_OK && strlen(source) >= 46)
		s = ST_BAD_INPUT;
	if (s == ST_OK) {
		*key_out = k;
		memcpy(source_out, source, strlen(source) + 1);
	}
	json_object_put(o);
	return s == ST_OK ? ST_OK : ST_BAD_INPUT;
}

enum status derp_verify_answer_parse(struct bytes body)
{
	struct json_object *o = NULL;
	bool allow = false;
	enum status s = json_parse(body, DERP_VERIFY_MAX, &o, NULL);

	if (s == ST_OK && !json_object_is_type(o, json_type_object))
		s = ST_BAD_INPUT;
	if (s == ST_OK)
		s = json_get_bool(o, "Allow", &allow, NULL);
	json_object_put(o);
	if (s != ST_OK)
		return ST_BAD_INPUT;
	return allow ? ST_OK : ST_DENIED;
}
