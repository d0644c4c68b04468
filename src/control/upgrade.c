/*
 * control/upgrade.c -- /ts2021: from an HTTP/1.1 request to HTTP/2 inside Noise.
 *
 * Native clients POST with `Upgrade: tailscale-control-protocol` and the first Noise message in a header; browsers
 * open a WebSocket with it in the query. Our answer, the early payload and our HTTP/2 SETTINGS are written in one turn,
 * so they leave together.
 */
#include "control/control_priv.h"

#include <stdlib.h>
#include <strings.h>

#include "base/vec.h"
#include "crypto/secret.h"
#include "http/websocket.h"
#include "noise/early.h"
#include "noise/stream.h"

#define UPGRADE_TOKEN "tailscale-control-protocol"
#define HANDSHAKE_NAME "x-tailscale-handshake"
#define INNER_PING_MS 90000 /* a dead peer shows at latest after twice that; well above what wakes a sleeping phone */

static void conn_closed(void *conn_data, enum stream_end why)
{
	(void)why;
	free(conn_data);
}

/* The initiation as bytes: 101 of them, out of base64 of either alphabet. */
static enum status read_initiation(const char *text, uint8_t out[static NOISE_INITIATION_LEN + 3], size_t *n_out)
{
	if (text == NULL || strlen(text) > BASE64_LEN(NOISE_INITIATION_LEN) + 4)
		return ST_BAD_INPUT;
	return base64_decode(bytes_of_str(text), out, n_out);
}

static void early_payload(struct stream *plain)
{
	struct machine_private secret;
	struct machine_key public;
	struct challenge_key challenge;
	struct buf b;

	machine_private_new(&secret);
	public = machine_private_public(&secret);
	memcpy(challenge.b, public.b, sizeof challenge.b);
	secret_wipe(&secret, sizeof secret);
	buf_init(&b, 1024);
	noise_early_encode(&challenge, &b);
	stream_write(plain, buf_bytes(&b));
	buf_release(&b);
}

static void serve_inner(struct control_loop *cl, struct stream *s, const struct net_addr *client,
			struct noise_keys *keys, bool early)
{
	struct noise_conn *nc = xcalloc(1, sizeof *nc);
	struct stream *plain;

	nc->cl = cl;
	nc->machine = keys->peer;
	nc->version = keys->version;
	nc->client = *client;
	conn_established(stream_conn(s));
	plain = noise_stream_new(s, keys);
	noise_keys_wipe(keys);
	if (early && nc->version >= NOISE_EARLY_MIN_VERSION)
		early_payload(plain);
	h2_serve(cl->http, plain,
		 &(struct h2_server_opts){ .router = cl->c->inner, .conn_data = nc, .closed = conn_closed, .ping_ms = INNER_PING_MS,
					   .client = client });
	control_count(CONTROL_COUNT_HANDSHAKE);
}

static void refuse(struct http_req *r, const char *text)
{
	control_count(CONTROL_COUNT_HANDSHAKE_BAD);
	http_respond_text(r, 400, text);
}

static void upgrade_websocket(struct control_loop *cl, struct http_req *r)
{
	const char *text = http_req_query(r, "X-Tailscale-Handshake");
	uint8_t initiation[BASE64_LEN(NOISE_INITIATION_LEN) + 8], response[NOISE_RESPONSE_LEN];
	struct net_addr client = r->client;
	struct stream *s = NULL;
	struct noise_keys keys;
	char *copy = xstrdup(text);
	size_t n = 0;

	if (ws_accept(r, UPGRADE_TOKEN, true, &s) != ST_OK) {
		control_count(CONTROL_COUNT_HANDSHAKE_BAD);
		free(copy);
		return;
	}
	if (read_initiation(copy, initiation, &n) != ST_OK ||
	    noise_respond(&cl->c->noise_key, NULL, bytes_of(initiation, n), response, &keys) != ST_OK) {
		control_count(CONTROL_COUNT_HANDSHAKE_BAD);
		ws_close(s, WS_POLICY);
		stream_drop(&s, true);
		free(copy);
		return;
	}
	free(copy);
	stream_write(s, bytes_of(response, sizeof response));
	serve_inner(cl, s, &client, &keys, false);
}

void control_upgrade(void *arg, struct http_req *r)
{
	struct control_loop *cl = control_loop_of(arg, r->loop);
	const char *token = http_req_header(r, "upgrade");
	uint8_t initiation[BASE64_LEN(NOISE_INITIATION_LEN) + 8], response[NOISE_RESPONSE_LEN];
	struct net_addr client = r->client;
	struct stream *s = NULL;
	struct noise_keys keys;
	size_t n = 0;

	if (cl->draining) {
		http_respond_overload(r, 503, 1, 5);
		return;
	}
	if (token == NULL) {
		refuse(r, "this path needs an HTTP upgrade; a proxy in front of this server may be dropping the Upgrade header");
		return;
	}
	if (strcasecmp(token, "websocket") == 0) {
		upgrade_websocket(cl, r);
		return;
	}
	if (strcasecmp(token, UPGRADE_TOKEN) != 0) {
		refuse(r, "unknown protocol in Upgrade");
		return;
	}
	if (read_initiation(http_req_header(r, HANDSHAKE_NAME), initiation, &n) != ST_OK) {
		refuse(r, "missing or malformed X-Tailscale-Handshake header");
		return;
	}
	if (noise_respond(&cl->c->noise_key, NULL, bytes_of(initiation, n), response, &keys) != ST_OK) {
		refuse(r, "the handshake is not for this server");
		return;
	}
	if (http_switch(r, UPGRADE_TOKEN, &s) != ST_OK) {
		noise_keys_wipe(&keys);
		refuse(r, "the upgrade needs HTTP/1.1");
		return;
	}
	stream_write(s, bytes_of(response, sizeof response));
	serve_inner(cl, s, &client, &keys, true);
}
