/* derp/ws.c -- see derp/ws.h. */
#include "derp/ws.h"

enum { OP_CONT = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

/* Bytes the head in hand will have, as far as can be told from what there is. */
static size_t head_need(const struct derp_ws *ws)
{
	uint8_t len;

	if (ws->head_n < 2)
		return 2;
	len = ws->head[1] & 0x7f;
	return 2 + (len == 126 ? 2u : len == 127 ? 8u : 0u) + 4u;
}

static enum status judge(const struct derp_ws *ws, bool fin, uint8_t op, uint64_t len)
{
	if (ws->head[0] & 0x70 || !(ws->head[1] & 0x80))
		return ST_BAD_INPUT; /* reserved bits, or not masked */
	switch (op) {
	case OP_CONT: return !ws->in_message ? ST_BAD_INPUT : len > DERP_WS_MESSAGE_MAX ? ST_TOO_BIG : ST_OK;
	case OP_BINARY: return ws->in_message ? ST_BAD_INPUT : len > DERP_WS_MESSAGE_MAX ? ST_TOO_BIG : ST_OK;
	case OP_CLOSE:
	case OP_PING:
	case OP_PONG: return !fin || len > DERP_WS_CONTROL_MAX ? ST_BAD_INPUT : ST_OK;
	}
	return ST_BAD_INPUT; /* text among them: this stream is binary */
}

static enum status begin_frame(struct derp_ws *ws)
{
	const uint8_t *h = ws->head;
	bool fin = h[0] & 0x80;
	uint8_t op = h[0] & 0x0f, code = h[1] & 0x7f;
	size_t ext = code == 126 ? 2 : code == 127 ? 8 : 0;
	uint64_t len = code;
	enum status s;

	if (ext) {
		len = 0;
		for (size_t i = 0; i < ext; i++)
			len = len << 8 | h[2 + i];
	}
	s = judge(ws, fin, op, len);
	if (s != ST_OK)
		return s;
	memcpy(&ws->mask, h + 2 + ext, 4);
	ws->mask_at = 0;
	ws->left = len;
	ws->opcode = op;
	ws->control_n = 0;
	ws->head_n = 0;
	if (op == OP_BINARY || op == OP_CONT)
		ws->in_message = !fin;
	return ST_OK;
}

static void end_frame(struct derp_ws *ws)
{
	if (ws->opcode == OP_CLOSE)
		ws->closed = true;
	if (ws->opcode == OP_PING) {
		memcpy(ws->pong, ws->control, ws->control_n);
		ws->pong_n = ws->control_n;
		ws->pong_due = true;
	}
}

static void unmask(struct derp_ws *ws, const uint8_t *from, uint8_t *to, size_t n)
{
	uint8_t m[4];
	uint64_t wide, v;
	size_t i = 0;

	memcpy(m, &ws->mask, 4);
	for (; i < n && ws->mask_at; i++, ws->mask_at = (ws->mask_at + 1) & 3)
		to[i] = from[i] ^ m[ws->mask_at];
	wide = (uint64_t)ws->mask << 32 | ws->mask;
	for (; n - i >= 8; i += 8) {
		memcpy(&v, from + i, 8);
		v ^= wide;
		memcpy(to + i, &v, 8);
	}
	for (; i < n; i++, ws->mask_at = (ws->mask_at + 1) & 3)
		to[i] = from[i] ^ m[ws->mask_at];
}

/* Payload of the present frame: data to the stream, control into its small buffer. */
static size_t take_payload(struct derp_ws *ws, const uint8_t *from, size_t n, uint8_t *to)
{
	size_t k = n < ws->left ? n : (size_t)ws->left;

	ws->left -= k;
	if (ws->opcode < OP_CLOSE) {
		unmask(ws, from, to, k);
		return k;
	}
	unmask(ws, from, ws->control + ws->control_n, k);
	ws->control_n = (uint8_t)(ws->control_n + k);
	return k;
}

enum status derp_ws_decode(struct derp_ws *ws, uint8_t *p, size_t n, size_t *n_out)
{
	size_t in = 0, out = 0;

	while (in < n && !ws->closed) {
		if (ws->left) {
			size_t k = take_payload(ws, p + in, n - in, p + out);
			in += k;
			out += ws->opcode < OP_CLOSE ? k : 0;
		} else {
			ws->head[ws->head_n++] = p[in++];
			if (ws->head_n < head_need(ws))
				continue;
			enum status s = begin_frame(ws);
			if (s != ST_OK)
				return s;
		}
		if (!ws->left && !ws->head_n)
			end_frame(ws);
	}
	*n_out = out;
	return ST_OK;
}

size_t derp_ws_put_head(uint8_t out[static DERP_WS_HEAD_MAX], uint64_t n)
{
	size_t ext = n < 126 ? 0 : n < 65536 ? 2 : 8;

	out[0] = 0x80 | OP_BINARY;
	out[1] = ext == 0 ? (uint8_t)n : ext == 2 ? 126 : 127;
	for (size_t i = 0; i < ext; i++)
		out[2 + i] = (uint8_t)(n >> 8 * (ext - 1 - i));
	return 2 + ext;
}

size_t derp_ws_put_pong(uint8_t out[static 2 + DERP_WS_CONTROL_MAX], struct bytes payload)
{
	out[0] = 0x80 | OP_PONG;
	out[1] = (uint8_t)payload.n;
	if (payload.n)
		memcpy(out + 2, payload.p, payload.n);
	return 2 + payload.n;
}

size_t derp_ws_put_close(uint8_t out[static 4], uint16_t code)
{
	out[0] = 0x80 | OP_CLOSE;
	out[1] = 2;
	out[2] = (uint8_t)(code >> 8);
	out[3] = (uint8_t)code;
	return 4;
}
