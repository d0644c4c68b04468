/*
 * http/websocket.c -- see http/websocket.h.
 *
 * A frame is never held as a whole: its header is gathered (14 bytes at most), payload goes up as it comes, unmasked in pieces
 * on the stack. Only control frames (125 bytes at most) are kept until they are complete.
 */
#include "http/websocket.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "base/random.h"
#include "base/vec.h"
#include "net/counters.h"

#define HEAD_MAX    14u
#define CONTROL_MAX 125u
#define PIECE       ((size_t)4096)
#define OUT_MAX     ((size_t)256 * 1024 * 1024)
#define LEFT_MAX    ((size_t)1024 * 1024)
#define DIRECT_MIN  ((size_t)4096)
#define PONG_PENDING_MAX ((size_t)64 * 1024)
#define GUID        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum { OP_MORE = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

struct ws {
	struct stream s;
	bool client, pumping, failed;
	bool in_message, said_close;
	uint8_t head[HEAD_MAX], n_head;
	bool in_payload, fin;
	uint8_t op, key[4];
	uint64_t at, length;   /* in the payload */
	uint8_t control[CONTROL_MAX];
	struct buf left;       /* what came while the user was paused */
	struct buf out;        /* to be one message */
	struct loop_task task;
};

static struct ws *of(struct stream *s)
{
	return (struct ws *)s;
}

/* ---- frames out ---- */

static size_t put_head(uint8_t *h, unsigned op, size_t n, const uint8_t *key)
{
	size_t len = 2;

	h[0] = (uint8_t)(0x80 | op);
	h[1] = key ? 0x80 : 0;
	if (n < 126) {
		h[1] = (uint8_t)(h[1] | n);
	} else if (n < 65536) {
		h[1] |= 126;
		h[len++] = (uint8_t)(n >> 8);
		h[len++] = (uint8_t)n;
	} else {
		h[1] |= 127;
		for (int i = 7; i >= 0; i--)
			h[len++] = (uint8_t)((uint64_t)n >> (8 * i));
	}
	if (key) {
		memcpy(h + len, key, 4);
		len += 4;
	}
	return len;
}

static void send_masked(struct ws *w, const uint8_t *key, struct bytes b)
{
	for (size_t i = 0; i < b.n;) {
		uint8_t tmp[PIECE];
		size_t n = b.n - i < PIECE ? b.n - i : PIECE;

		for (size_t k = 0; k < n; k++)
			tmp[k] = b.p[i + k] ^ key[(i + k) & 3];
		stream_write(w->s.below, bytes_of(tmp, n));
		i += n;
	}
}

static void send_frame(struct ws *w, unsigned op, struct bytes b)
{
	uint8_t head[HEAD_MAX], key[4];

	if (!w->s.below || w->said_close)
		return;
	if (w->client)
		random_bytes(key, sizeof key);
	stream_write(w->s.below, bytes_of(head, put_head(head, op, b.n, w->client ? key : NULL)));
	if (w->client)
		send_masked(w, key, b);
	else
		stream_write(w->s.below, b);
}

static void send_out(struct ws *w)
{
	struct buf out = w->out;

	if (out.n == 0)
		return;
	buf_init(&w->out, OUT_MAX);
	send_frame(w, OP_BINARY, buf_bytes(&out));
	free(out.p);
}

static void send_close(struct ws *w, unsigned code)
{
	uint8_t b[2] = { (uint8_t)(code >> 8), (uint8_t)code };

	send_out(w);
	send_frame(w, OP_CLOSE, bytes_of(b, sizeof b));
	w->said_close = true;
}

/* ---- frames in ---- */

static bool fail(struct ws *w, enum ws_close code)
{
	net_count(NET_COUNT_WS_BAD);
	send_close(w, code);
	w->failed = true;
	if (w->s.below)
		stream_close(w->s.below); /* with the reason in front */
	stream_abort(&w->s, STREAM_END_PROTOCOL);
	return false;
}

/* The length of the header, as far as its first two bytes tell; 2 before they are there. */
static size_t head_length(const struct ws *w)
{
	size_t n = 2;

	if (w->n_head < 2)
		return n;
	n += (w->head[1] & 127) == 126 ? 2 : (w->head[1] & 127) == 127 ? 8 : 0;
	return n + (w->head[1] & 0x80 ? 4 : 0);
}

/* The first two bytes are there: they must be allowed before more is waited for. */
static bool check_start(struct ws *w)
{
	unsigned op = w->head[0] & 15;
	bool fin = w->head[0] & 0x80, control = op & 8;
	unsigned length = w->head[1] & 127;

	if (w->head[0] & 0x70 || (w->head[1] & 0x80) == (w->client ? 0x80 : 0))
		return fail(w, WS_PROTOCOL);
	if (op == OP_TEXT)
		return fail(w, WS_BAD_DATA);
	if (op > OP_PONG || (op > OP_BINARY && op < OP_CLOSE) || (control && (!fin || length > CONTROL_MAX)))
		return fail(w, WS_PROTOCOL);
	if (!control && (op == OP_MORE) != w->in_message)
		return fail(w, WS_PROTOCOL);
	return true;
}

static bool begin_payload(struct ws *w)
{
	unsigned short_length = w->head[1] & 127;
	size_t n = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;

	w->op = w->head[0] & 15;
	w->fin = w->head[0] & 0x80;
	w->length = n ? 0 : short_length;
	for (size_t i = 0; i < n; i++)
		w->length = w->length << 8 | w->head[2 + i];
	if ((n == 2 && w->length < 126) || (n == 8 && (w->length < 65536 || w->length >> 63)))
		return fail(w, WS_PROTOCOL);
	if (w->length > WS_FRAME_MAX)
		return fail(w, WS_TOO_BIG);
	memset(w->key, 0, sizeof w->key);
	if (w->head[1] & 0x80)
		memcpy(w->key, w->head + 2 + n, 4);
	if (!(w->op & 8))
		w->in_message = !w->fin;
	w->at = 0;
	w->n_head = 0;
	w->in_payload = true;
	return true;
}

static bool end_control(struct ws *w)
{
	struct bytes b = bytes_of(w->control, (size_t)w->length);

	if (w->op == OP_PING && stream_pending(w->s.below) < PONG_PENDING_MAX)
		send_frame(w, OP_PONG, b);
	if (w->op != OP_CLOSE)
		return true;
	if (b.n == 1)
		return fail(w, WS_PROTOCOL);
	send_close(w, b.n ? (unsigned)(b.p[0] << 8 | b.p[1]) : WS_NORMAL);
	stream_deliver_eof(&w->s);
	return false;
}

/* Take some of `in`; returns the bytes taken, 0: stop here. */
static size_t take_payload(struct ws *w, struct bytes in)
{
	uint8_t tmp[PIECE];
	size_t n = in.n < PIECE ? in.n : PIECE;

	if (n > w->length - w->at)
		n = (size_t)(w->length - w->at);
	if (!(w->op & 8) && n && !stream_wants(&w->s))
		return 0;
	for (size_t i = 0; i < n; i++)
		tmp[i] = in.p[i] ^ w->key[(w->at + i) & 3];
	if (w->op & 8)
		memcpy(w->control + w->at, tmp, n);
	w->at += n;
	if (w->at == w->length)
		w->in_payload = false;
	if (!(w->op & 8))
		stream_deliver(&w->s, bytes_of(tmp, n));
	return n;
}

/* One step on; returns the bytes taken, SIZE_MAX: stop here. */
static size_t step(struct ws *w, struct bytes in)
{
	size_t n = 0;

	if (!w->in_payload) {
		bool start = w->n_head < 2;

		n = head_length(w) - w->n_head;
		n = n < in.n ? n : in.n;
		memcpy(w->head + w->n_head, in.p, n);
		w->n_head = (uint8_t)(w->n_head + n);
		if (w->n_head < 2 || (start && !check_start(w)))
			return w->failed ? SIZE_MAX : n;
		if (w->n_head < head_length(w))
			return n;
		if (!begin_payload(w))
			return SIZE_MAX;
		if (w->length)
			return n;
		w->in_payload = false;
	} else {
		n = take_payload(w, in);
		if (n == 0)
			return SIZE_MAX;
		if (w->in_payload)
			return n;
	}
	if (w->op & 8 && !end_control(w))
		return SIZE_MAX;
	return n;
}

static void steer(struct ws *w)
{
	if (!w->s.below)
		return;
	if (stream_wants(&w->s) && w->left.n == 0)
		stream_resume(w->s.below);
	else
		stream_pause(w->s.below);
}

static void pump(struct ws *w, struct bytes in)
{
	struct buf old = w->left;

	if (old.n) {
		buf_put_bytes(&old, in);
		in = buf_bytes(&old);
	}
	buf_init(&w->left, LEFT_MAX);
	w->pumping = true;
	while (in.n && stream_is_open(&w->s)) {
		size_t n = step(w, in);

		if (n == SIZE_MAX)
			break;
		in = bytes_skip(in, n);
	}
	w->pumping = false;
	if (in.n && stream_is_open(&w->s) && !w->s.eof)
		buf_put_bytes(&w->left, in);
	free(old.p);
	steer(w);
}

/* ---- the stream below ---- */

static void below_data(void *arg, struct bytes b)
{
	pump(arg, b);
}

static void below_eof(void *arg)
{
	stream_deliver_eof(&((struct ws *)arg)->s);
}

static void below_drained(void *arg)
{
	stream_progress(&((struct ws *)arg)->s);
}

static void below_closed(void *arg, enum stream_end why)
{
	struct ws *w = arg;

	w->s.below = NULL;
	stream_ended(&w->s, why);
}

static const struct stream_handler below_handler = {
	.data = below_data,
	.eof = below_eof,
	.drained = below_drained,
	.closed = below_closed,
};

/* ---- the stream ---- */

static void run_task(void *arg)
{
	struct ws *w = arg;

	send_out(w);
	if (w->left.n)
		pump(w, (struct bytes){ 0 });
	if (!w->s.closing)
		stream_progress(&w->s);
}

static void ws_write(struct stream *s, struct bytes b)
{
	struct ws *w = of(s);

	if (b.n >= DIRECT_MIN && !w->client) {
		send_out(w);
		send_frame(w, OP_BINARY, b);
		return;
	}
	buf_put_bytes(&w->out, b);
	if (!buf_ok(&w->out))
		stream_abort(s, STREAM_END_LIMIT);
	else
		loop_task_queue(&w->task);
}

static size_t ws_pending(const struct stream *s)
{
	return ((const struct ws *)s)->out.n + (s->below ? stream_pending(s->below) : 0);
}

static void ws_want(struct stream *s, bool want)
{
	struct ws *w = of(s);

	if (w->pumping)
		return;
	if (want && w->left.n)
		loop_task_queue(&w->task);
	else
		steer(w);
}

static void ws_op_close(struct stream *s)
{
	struct ws *w = of(s);

	loop_task_cancel(&w->task);
	if (!w->said_close)
		send_close(w, WS_NORMAL);
	if (s->below)
		stream_close(s->below);
}

static void ws_op_abort(struct stream *s, enum stream_end why)
{
	loop_task_cancel(&of(s)->task);
	if (s->below && !of(s)->failed)
		stream_abort(s->below, why);
}

static void ws_free(struct stream *s)
{
	struct ws *w = of(s);

	loop_task_cancel(&w->task);
	buf_release(&w->left);
	buf_release(&w->out);
	free(w);
}

static const struct stream_ops ws_ops = {
	.kind = "websocket",
	.want = ws_want,
	.write = ws_write,
	.pending = ws_pending,
	.close = ws_op_close,
	.abort = ws_op_abort,
	.free = ws_free,
};

static struct stream *ws_new(struct stream *lower, bool client)
{
	struct ws *w = xcalloc(1, sizeof *w);

	stream_init_over(&w->s, &ws_ops, lower);
	w->client = client;
	buf_init(&w->left, LEFT_MAX);
	buf_init(&w->out, OUT_MAX);
	loop_task_init(&w->task, w->s.loop, run_task, w);
	stream_set_handler(lower, &below_handler, w);
	return &w->s;
}

struct stream *ws_serve(struct stream *lower)
{
	return ws_new(lower, false);
}

struct stream *ws_client(struct stream *lower)
{
	return ws_new(lower, true);
}

void ws_close(struct stream *s, enum ws_close code)
{
	if (s->ops == &ws_ops && stream_is_open(s) && !of(s)->said_close)
		send_close(of(s), code);
	stream_close(s);
}

/* ---- the upgrade ---- */

bool ws_is_upgrade(const struct http_req *r)
{
	return http_req_header_has(r, "upgrade", "websocket") && http_req_header_has(r, "connection", "upgrade");
}

void ws_accept_key(const char *key, char out[static WS_ACCEPT_LEN + 1])
{
	uint8_t digest[20];
	struct buf b;

	buf_init(&b, 4096);
	buf_put_str(&b, key);
	buf_put_str(&b, GUID);
	EVP_Digest(b.p, b.n, digest, NULL, EVP_sha1(), NULL);
	base64_encode(bytes_of(digest, sizeof digest), out);
	buf_release(&b);
}

/* 24 characters that are 16 bytes. */
static bool good_key(const char *key)
{
	uint8_t raw[32];
	size_t n;

	return key && strlen(key) == 24 && base64_decode(bytes_of_str(key), raw, &n) == ST_OK && n == 16;
}

enum status ws_accept(struct http_req *r, const char *protocol, bool required, struct stream **stream_out)
{
	const char *key = http_req_header(r, "sec-websocket-key"), *version = http_req_header(r, "sec-websocket-version");
	bool offered = protocol && http_req_header_has(r, "sec-websocket-protocol", protocol);
	char accept[WS_ACCEPT_LEN + 1];
	struct stream *lower, *ws;

	if (!version || strcmp(version, "13") != 0) {
		http_resp_header(r, "Sec-WebSocket-Version", "13");
		http_respond_text(r, 426, "WebSocket version 13 is required");
		return ST_BAD_INPUT;
	}
	if (!ws_is_upgrade(r) || strcmp(r->method, "GET") != 0 || !good_key(key)) {
		http_respond_text(r, 400, "malformed WebSocket upgrade");
		return ST_BAD_INPUT;
	}
	ws_accept_key(key, accept);
	http_resp_header(r, "Sec-WebSocket-Accept", accept);
	if (offered)
		http_resp_header(r, "Sec-WebSocket-Protocol", protocol);
	if (http_switch(r, "websocket", &lower) != ST_OK) {
		http_respond_text(r, 400, "this connection cannot be upgraded");
		return ST_BAD_INPUT;
	}
	ws = ws_serve(lower);
	if (required && !offered) {
		ws_close(ws, WS_POLICY);
		stream_drop(&ws, true);
		return ST_DENIED;
	}
	*stream_out = ws;
	return ST_OK;
}
