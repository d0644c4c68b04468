/*
 * derp/frame.c -- see derp/frame.h for the wire picture.
 *
 * Lengths are judged from the header alone: whoever announces a frame that its type cannot have is
 * cut off after five bytes, and nothing is ever allocated by an announced length.
 */
#include "derp/frame.h"

#include <assert.h>

static const char derp_magic[DERP_MAGIC_LEN] = "DERP\xf0\x9f\x94\x91";

struct length_rule {
	uint8_t type;
	bool mesh_only;
	uint32_t min, max;
};

/* What a server takes from one who is logged in. */
static const struct length_rule client_rules[] = {
	{ DERP_SEND_PACKET, false, DERP_KEY_LEN, DERP_SEND_MAX },
	{ DERP_NOTE_PREFERRED, false, 1, 1 },
	{ DERP_PING, false, DERP_PING_LEN, DERP_PING_MAX },
	{ DERP_PONG, false, 0, DERP_PING_MAX },
	{ DERP_FORWARD_PACKET, true, 2 * DERP_KEY_LEN, DERP_FORWARD_MAX },
	{ DERP_WATCH_CONNS, true, 0, 0 },
	{ DERP_CLOSE_PEER, true, DERP_KEY_LEN, DERP_KEY_LEN },
};

/* What a client takes from a server. */
static const struct length_rule server_rules[] = {
	{ DERP_SERVER_KEY, false, DERP_MAGIC_LEN + DERP_KEY_LEN, 1024 },
	{ DERP_SERVER_INFO, false, DERP_NONCE_LEN, 4096 },
	{ DERP_RECV_PACKET, false, DERP_KEY_LEN, DERP_SEND_MAX },
	{ DERP_KEEP_ALIVE, false, 0, 64 },
	{ DERP_PEER_GONE, false, DERP_KEY_LEN, 1024 },
	{ DERP_PEER_PRESENT, false, DERP_KEY_LEN, 1024 },
	{ DERP_PING, false, DERP_PING_LEN, DERP_PING_MAX },
	{ DERP_PONG, false, DERP_PING_LEN, DERP_PING_MAX },
	{ DERP_HEALTH, false, 0, 65536 },
	{ DERP_RESTARTING, false, 8, 1024 },
};

static enum status check_length(struct derp_header h, const struct length_rule *rules, size_t n, bool mesh)
{
	for (size_t i = 0; i < n; i++) {
		if (rules[i].type != h.type)
			continue;
		if (rules[i].mesh_only && !mesh)
			return ST_DENIED;
		if (h.len > rules[i].max)
			return ST_TOO_BIG;
		return h.len < rules[i].min ? ST_BAD_INPUT : ST_OK;
	}
	return h.len > DERP_UNKNOWN_MAX ? ST_TOO_BIG : ST_OK;
}

enum status derp_header_check(struct derp_header h, enum derp_reader reader)
{
	switch (reader) {
	case DERP_READER_LOGIN:
		if (h.type != DERP_CLIENT_INFO || h.len < DERP_CLIENT_INFO_MIN)
			return ST_BAD_INPUT;
		return h.len > DERP_CLIENT_INFO_MAX ? ST_TOO_BIG : ST_OK;
	case DERP_READER_CLIENT:
	case DERP_READER_MESH:
		return check_length(h, client_rules, sizeof client_rules / sizeof *client_rules,
		                    reader == DERP_READER_MESH);
	case DERP_READER_SERVER:
		return check_length(h, server_rules, sizeof server_rules / sizeof *server_rules, false);
	}
	return ST_BAD_INPUT;
}

const char *derp_frame_name(uint8_t type)
{
	switch ((enum derp_frame_type)type) {
	case DERP_SERVER_KEY: return "server-key";
	case DERP_CLIENT_INFO: return "client-info";
	case DERP_SERVER_INFO: return "server-info";
	case DERP_SEND_PACKET: return "send-packet";
	case DERP_RECV_PACKET: return "recv-packet";
	case DERP_KEEP_ALIVE: return "keep-alive";
	case DERP_NOTE_PREFERRED: return "note-preferred";
	case DERP_PEER_GONE: return "peer-gone";
	case DERP_PEER_PRESENT: return "peer-present";
	case DERP_FORWARD_PACKET: return "forward-packet";
	case DERP_WATCH_CONNS: return "watch-conns";
	case DERP_CLOSE_PEER: return "close-peer";
	case DERP_PING: return "ping";
	case DERP_PONG: return "pong";
	case DERP_HEALTH: return "health";
	case DERP_RESTARTING: return "restarting";
	}
	return "unknown";
}

static void put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

size_t derp_put_server_key(uint8_t out[static DERP_SERVER_KEY_FRAME], const uint8_t *key)
{
	derp_header_put(out, DERP_SERVER_KEY, DERP_MAGIC_LEN + DERP_KEY_LEN);
	memcpy(out + DERP_HEADER_LEN, derp_magic, DERP_MAGIC_LEN);
	memcpy(out + DERP_HEADER_LEN + DERP_MAGIC_LEN, key, DERP_KEY_LEN);
	return DERP_SERVER_KEY_FRAME;
}

size_t derp_put_peer_gone(uint8_t out[static DERP_PEER_GONE_FRAME], const uint8_t *key, enum derp_gone_reason reason)
{
	derp_header_put(out, DERP_PEER_GONE, DERP_KEY_LEN + 1);
	memcpy(out + DERP_HEADER_LEN, key, DERP_KEY_LEN);
	out[DERP_HEADER_LEN + DERP_KEY_LEN] = (uint8_t)reason;
	return DERP_PEER_GONE_FRAME;
}

static size_t put_eight(uint8_t *out, enum derp_frame_type type, const uint8_t *data)
{
	derp_header_put(out, type, DERP_PING_LEN);
	memcpy(out + DERP_HEADER_LEN, data, DERP_PING_LEN);
	return DERP_PONG_FRAME;
}

size_t derp_put_ping(uint8_t out[static DERP_PONG_FRAME], const uint8_t data[static DERP_PING_LEN])
{
	return put_eight(out, DERP_PING, data);
}

size_t derp_put_pong(uint8_t out[static DERP_PONG_FRAME], const uint8_t data[static DERP_PING_LEN])
{
	return put_eight(out, DERP_PONG, data);
}

size_t derp_put_keep_alive(uint8_t out[static DERP_HEADER_LEN])
{
	derp_header_put(out, DERP_KEEP_ALIVE, 0);
	return DERP_HEADER_LEN;
}

size_t derp_put_note_preferred(uint8_t out[static DERP_HEADER_LEN + 1], bool home)
{
	derp_header_put(out, DERP_NOTE_PREFERRED, 1);
	out[DERP_HEADER_LEN] = home ? 1 : 0;
	return DERP_HEADER_LEN + 1;
}

size_t derp_put_watch_conns(uint8_t out[static DERP_HEADER_LEN])
{
	derp_header_put(out, DERP_WATCH_CONNS, 0);
	return DERP_HEADER_LEN;
}

size_t derp_put_close_peer(uint8_t out[static DERP_HEADER_LEN + DERP_KEY_LEN], const uint8_t *key)
{
	derp_header_put(out, DERP_CLOSE_PEER, DERP_KEY_LEN);
	memcpy(out + DERP_HEADER_LEN, key, DERP_KEY_LEN);
	return DERP_HEADER_LEN + DERP_KEY_LEN;
}

size_t derp_put_restarting(uint8_t out[static DERP_HEADER_LEN + 8], uint32_t reconnect_in_ms, uint32_t try_for_ms)
{
	derp_header_put(out, DERP_RESTARTING, 8);
	put_u32(out + DERP_HEADER_LEN, reconnect_in_ms);
	put_u32(out + DERP_HEADER_LEN + 4, try_for_ms);
	return DERP_HEADER_LEN + 8;
}

size_t derp_put_health(uint8_t *out, struct bytes text)
{
	derp_header_put(out, DERP_HEALTH, (uint32_t)text.n);
	if (text.n)
		memcpy(out + DERP_HEADER_LEN, text.p, text.n);
	return DERP_HEADER_LEN + text.n;
}

static size_t put_head(uint8_t *out, enum derp_frame_type type, const uint8_t *key, size_t packet_len)
{
	assert(packet_len <= DERP_PACKET_MAX);
	derp_header_put(out, type, (uint32_t)(DERP_KEY_LEN + packet_len));
	memcpy(out + DERP_HEADER_LEN, key, DERP_KEY_LEN);
	return DERP_PACKET_HEAD;
}

size_t derp_put_send_head(uint8_t out[static DERP_PACKET_HEAD], const uint8_t *dst, size_t packet_len)
{
	return put_head(out, DERP_SEND_PACKET, dst, packet_len);
}

size_t derp_put_recv_head(uint8_t out[static DERP_PACKET_HEAD], const uint8_t *src, size_t packet_len)
{
	return put_head(out, DERP_RECV_PACKET, src, packet_len);
}

size_t derp_put_forward_head(uint8_t out[static DERP_FORWARD_HEAD], const uint8_t *src, const uint8_t *dst,
                             size_t packet_len)
{
	assert(packet_len <= DERP_PACKET_MAX);
	derp_header_put(out, DERP_FORWARD_PACKET, (uint32_t)(2 * DERP_KEY_LEN + packet_len));
	memcpy(out + DERP_HEADER_LEN, src, DERP_KEY_LEN);
	memcpy(out + DERP_HEADER_LEN + DERP_KEY_LEN, dst, DERP_KEY_LEN);
	return DERP_FORWARD_HEAD;
}

size_t derp_put_peer_present(uint8_t out[static DERP_PEER_PRESENT_FRAME_MAX], const struct derp_present *p)
{
	uint8_t *o = out + DERP_HEADER_LEN;
	size_t app = p->app.n;

	assert(app <= DERP_APP_NAME_MAX);
	derp_header_put(out, DERP_PEER_PRESENT, (uint32_t)(DERP_KEY_LEN + 16 + 2 + 1 + 1 + app));
	memcpy(o, p->key, DERP_KEY_LEN);
	memcpy(o + 32, p->ip, 16);
	o[48] = (uint8_t)(p->port >> 8);
	o[49] = (uint8_t)p->port;
	o[50] = p->flags;
	o[51] = (uint8_t)app;
	if (app)
		memcpy(o + 52, p->app.p, app);
	return DERP_HEADER_LEN + 52 + app;
}

enum status derp_present_parse(struct bytes payload, struct derp_present *out)
{
	struct derp_present p = { 0 };

	if (payload.n < DERP_KEY_LEN)
		return ST_BAD_INPUT;
	p.key = payload.p;
	if (payload.n >= 50) {
		memcpy(p.ip, payload.p + 32, 16);
		p.port = (uint16_t)(payload.p[48] << 8 | payload.p[49]);
	}
	if (payload.n >= 51)
		p.flags = payload.p[50];
	if (payload.n >= 52 && payload.p[51] <= payload.n - 52)
		p.app = bytes_of(payload.p + 52, payload.p[51]);
	*out = p;
	return ST_OK;
}
