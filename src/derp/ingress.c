/*
 * derp/ingress.c -- bytes read -> frames -> where they go (see derp/relay_priv.h).
 *
 * What a loop reads in a turn lies in its region. A SendPacket is as long as the RecvPacket it becomes: type and key
 * are overwritten where they stand, and neighbours with one destination become one run, which the receiver's
 * side writes as it is. Only a frame that came in pieces is put together elsewhere, in memory that grows with
 * what has really come.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "derp/relay_priv.h"

#define PART_FIRST 512u /* bytes a first piece gets at least */

/* Neighbouring packets with one destination. */
struct run {
	uint8_t dst[32];
	derp_handle to;
	const uint8_t *p;
	uint32_t len, frames;
	bool open; /* dst and to hold */
};

/* ---- where a run goes ---- */

static void reply_not_here(struct dconn *c, const uint8_t *dst)
{
	static const struct rate_limit limit = { .per_s = 1, .burst = 3 };
	uint8_t frame[DERP_PEER_GONE_FRAME];

	if (!rate_take(&c->gone_rate, &limit, 1, (int64_t)loop_now_ms(c->l->loop) * 1000000))
		return;
	COUNT(c->l, n.peer_gone_not_here);
	derp_put_peer_gone(frame, dst, DERP_GONE_NOT_HERE);
	egress_control(c, bytes_of(frame, sizeof frame));
}

static void drop_unknown(struct dconn *c, const uint8_t *dst, const uint8_t *packet, size_t n, enum derp_drop why)
{
	bool disco = derp_looks_like_disco(packet, n);

	count_drop(c->l, c, why, disco, n);
	if (disco)
		reply_not_here(c, dst);
}

/* Each RecvPacket frame of a run is given up. */
static void drop_run(struct dloop *l, struct dconn *from, const uint8_t *p, size_t len, enum derp_drop why)
{
	while (len) {
		struct derp_header h = derp_header_get(p);
		size_t n = h.len - DERP_KEY_LEN;
		count_drop(l, from, why, derp_looks_like_disco(p + DERP_PACKET_HEAD, n), n);
		p += DERP_HEADER_LEN + h.len;
		len -= DERP_HEADER_LEN + h.len;
	}
}

/* from: the sender's connection, or NULL: it is another loop's. */
static void to_local(struct dloop *l, struct dconn *from, derp_handle to, uint64_t src_hash, const uint8_t *dst,
                     const uint8_t *p, uint32_t len, uint32_t frames)
{
	struct dconn *d = dloop_conn(l, to);

	if (!d)
		drop_run(l, from, p, len, DERP_DROP_gone);
	else if (d->role == D_PEER)
		egress_forward(d, src_hash, dst, p, len);
	else
		egress_packets(d, src_hash, p, len, frames);
}

/* A batch to a mesh peer carries the destination in front of the frames. */
static void to_other_loop(struct dconn *c, const struct run *run, uint64_t src_hash)
{
	struct dloop *l = c->l;
	struct dloop *other = &l->r->loops[DERP_HANDLE_LOOP(run->to)];

	if (atomic_load_explicit(&other->inbox_bytes, memory_order_relaxed) > MAILBOX_BYTES) {
		drop_run(l, c, run->p, run->len, DERP_DROP_mailbox);
		return;
	}
	batch_add(l, run->to, src_hash, run->to & DERP_HANDLE_MESH ? run->dst : NULL, run->p, run->len, run->frames);
}

static void run_end(struct dconn *c, struct run *run, uint64_t src_hash)
{
	struct dloop *l = c->l;

	if (!run->frames)
		return;
	if (DERP_HANDLE_LOOP(run->to) == l->index)
		to_local(l, c, run->to, src_hash, run->dst, run->p, run->len, run->frames);
	else
		to_other_loop(c, run, src_hash);
	run->frames = run->len = 0;
}

/* One packet: frame begins at p, 37 bytes of head there are ours to write. */
static void run_add(struct dconn *c, struct run *run, const uint8_t *dst, const uint8_t *src, uint64_t src_hash,
                    uint8_t *p, uint32_t packet_len, enum derp_drop unknown)
{
	if (!run->open || memcmp(run->dst, dst, 32) != 0) {
		run_end(c, run, src_hash);
		memcpy(run->dst, dst, 32);
		run->to = ktab_get(&c->l->routes, dst, ktab_hash(dst));
		run->open = true;
	}
	if (!run->to) {
		drop_unknown(c, run->dst, p + DERP_PACKET_HEAD, packet_len, unknown);
		return;
	}
	if (run->frames && run->p + run->len != p)
		run_end(c, run, src_hash);
	derp_put_recv_head(p, src, packet_len);
	if (!run->frames)
		run->p = p;
	run->len += (uint32_t)DERP_PACKET_HEAD + packet_len;
	run->frames++;
}

/* ---- frames ---- */

static void note_preferred(struct dconn *c, bool home)
{
	bool moved = loop_now_ms(c->l->loop) - c->since_ms > 5000;

	if (c->home == home)
		return;
	c->home = home;
	COUNT_ADD(c->l, home, home ? 1 : -1);
	if (moved && home)
		COUNT(c->l, n.home_moves_in);
	if (moved && !home)
		COUNT(c->l, n.home_moves_out);
}

static void ping(struct dconn *c, const uint8_t *data)
{
	uint8_t frame[DERP_PONG_FRAME];

	COUNT(c->l, n.pings);
	if (c->pong_due) /* one is on its way; more are not queued */
		return;
	c->pong_due = true;
	COUNT(c->l, n.pongs);
	derp_put_pong(frame, data);
	egress_control(c, bytes_of(frame, sizeof frame));
}

static void ask_registrar(struct dconn *c, enum mail_type type, const uint8_t *key)
{
	struct mail *m = mail_new(type, 0);

	m->conn = dconn_handle(c);
	memcpy(m->key, key, 32);
	mail_to_registrar(c->l, m);
}

static void send_packet(struct dconn *c, struct run *run, uint8_t *frame, uint32_t len)
{
	uint32_t n = len - (uint32_t)DERP_KEY_LEN;

	COUNT(c->l, n.packets_received);
	COUNT_ADD(c->l, n.bytes_received, n);
	c->count.packets_in++;
	c->count.bytes_in += n;
	if (derp_looks_like_disco(frame + DERP_PACKET_HEAD, n))
		COUNT(c->l, n.disco_received);
	run_add(c, run, frame + DERP_HEADER_LEN, c->key.b, c->hash, frame, n, DERP_DROP_unknown_dest);
}

/* The head of a ForwardPacket has one key more: what becomes the RecvPacket begins 32 bytes in. */
static void forward_packet(struct dconn *c, uint8_t *frame, uint32_t len)
{
	uint8_t src[32], dst[32];
	uint32_t n = len - 2 * (uint32_t)DERP_KEY_LEN;
	struct run run = { .open = false };
	uint64_t hash;

	COUNT(c->l, n.packets_forwarded_in);
	c->count.packets_in++;
	c->count.bytes_in += n;
	memcpy(src, frame + DERP_HEADER_LEN, 32);
	memcpy(dst, frame + DERP_HEADER_LEN + 32, 32);
	hash = ktab_hash(src);
	run.open = true;
	memcpy(run.dst, dst, 32);
	run.to = ktab_get(&c->l->routes, dst, ktab_hash(dst));
	if (run.to & DERP_HANDLE_MESH)
		run.to = 0; /* one hop only: what was forwarded is not forwarded again */
	run_add(c, &run, dst, src, hash, frame + 32, n, DERP_DROP_unknown_dest_on_fwd);
	run_end(c, &run, hash);
}

static void client_frame(struct dconn *c, struct run *run, struct derp_header h, uint8_t *frame)
{
	uint8_t *payload = frame + DERP_HEADER_LEN;

	switch (h.type) {
	case DERP_SEND_PACKET: send_packet(c, run, frame, h.len); break;
	case DERP_NOTE_PREFERRED: note_preferred(c, payload[0] != 0); break;
	case DERP_PING: ping(c, payload); break;
	case DERP_FORWARD_PACKET:
		run_end(c, run, c->hash);
		forward_packet(c, frame, h.len);
		break;
	case DERP_WATCH_CONNS: ask_registrar(c, MAIL_WATCH, c->key.b); break;
	case DERP_CLOSE_PEER: ask_registrar(c, MAIL_CLOSE_KEY, payload); break;
	default: break;
	}
}

static void frame_in(struct dconn *c, struct run *run, struct derp_header h, uint8_t *frame)
{
	if (c->role == D_PEER)
		mesh_frame(c, h, frame + DERP_HEADER_LEN);
	else if (c->state == D_LOGIN)
		dconn_login(c, bytes_of(frame + DERP_HEADER_LEN, h.len));
	else
		client_frame(c, run, h, frame);
}

/* Types that are read over: never held in memory. */
static bool is_skipped(const struct dconn *c, uint8_t type)
{
	if (c->role == D_PEER)
		return type == DERP_RECV_PACKET || strcmp(derp_frame_name(type), "unknown") == 0;
	switch (type) {
	case DERP_CLIENT_INFO: return c->state != D_LOGIN;
	case DERP_SEND_PACKET:
	case DERP_NOTE_PREFERRED:
	case DERP_PING:
	case DERP_FORWARD_PACKET:
	case DERP_WATCH_CONNS:
	case DERP_CLOSE_PEER: return false;
	}
	return true;
}

static enum derp_reader reader(const struct dconn *c)
{
	if (c->role == D_PEER)
		return DERP_READER_SERVER;
	if (c->state == D_LOGIN)
		return DERP_READER_LOGIN;
	return c->mesh ? DERP_READER_MESH : DERP_READER_CLIENT;
}

/* The header may go on, or the connection is closed. */
static bool header_ok(struct dconn *c, struct derp_header h)
{
	switch (derp_header_check(h, reader(c))) {
	case ST_OK: return true;
	case ST_TOO_BIG: dconn_close(c, DERP_CLOSE_frame_too_big); return false;
	case ST_DENIED: dconn_close(c, DERP_CLOSE_not_mesh); return false;
	default: dconn_close(c, c->state == D_LOGIN ? DERP_CLOSE_bad_login : DERP_CLOSE_bad_frame); return false;
	}
}

/* ---- pieces ---- */

static bool parses(const struct dconn *c)
{
	return c->state == D_LOGIN || c->state == D_OPEN;
}

/* Room in part for n bytes in all, of a frame of `total`: grows with what came, not with what was announced. */
static void part_grow(struct dconn *c, uint32_t n, uint32_t total)
{
	uint32_t cap = c->part_cap * 2 > PART_FIRST ? c->part_cap * 2 : PART_FIRST;

	if (n <= c->part_cap)
		return;
	if (cap < n)
		cap = n;
	if (cap > total && total >= n)
		cap = total;
	c->part = xreallocarray(c->part, 1, cap);
	c->part_cap = cap;
}

static void part_put(struct dconn *c, const uint8_t *p, uint32_t n, uint32_t total)
{
	part_grow(c, c->part_len + n, total);
	memcpy(c->part + c->part_len, p, n);
	c->part_len += n;
}

/* Complete the frame that is held in pieces. Returns the bytes used. */
static size_t part_complete(struct dconn *c, const uint8_t *p, size_t n, struct run *run)
{
	struct derp_header h;
	size_t used = 0, need;
	uint8_t *frame;

	if (c->part_len < DERP_HEADER_LEN) {
		used = DERP_HEADER_LEN - c->part_len;
		if (used > n)
			used = n;
		part_put(c, p, (uint32_t)used, (uint32_t)DERP_HEADER_LEN);
		if (c->part_len < DERP_HEADER_LEN)
			return used;
		if (!header_ok(c, derp_header_get(c->part)))
			return used;
	}
	h = derp_header_get(c->part);
	if (is_skipped(c, h.type)) {
		COUNT(c->l, n.unknown_frames);
		c->skip = h.len;
		free(c->part);
		c->part = NULL;
		c->part_len = c->part_cap = 0;
		return used;
	}
	need = DERP_HEADER_LEN + h.len - c->part_len;
	if (need > n - used)
		need = n - used;
	part_put(c, p + used, (uint32_t)need, (uint32_t)DERP_HEADER_LEN + h.len);
	used += need;
	if (c->part_len < DERP_HEADER_LEN + h.len)
		return used;
	frame = c->part;
	c->part = NULL;
	c->part_len = c->part_cap = 0;
	vec_push(&c->l->retired, frame); /* it may lie in a run until that is written */
	frame_in(c, run, h, frame);
	return used;
}

static size_t skip_some(struct dconn *c, size_t n)
{
	size_t k = n < c->skip ? n : c->skip;

	c->skip -= (uint32_t)k;
	return k;
}

/* One frame, or a piece of one, off the front. Returns the bytes used; 0: what is left waits. */
static size_t parse_one(struct dconn *c, uint8_t *p, size_t n, struct run *run)
{
	struct derp_header h;

	if (c->skip)
		return skip_some(c, n);
	if (c->part)
		return part_complete(c, p, n, run);
	if (n < DERP_HEADER_LEN)
		return 0;
	h = derp_header_get(p);
	if (!header_ok(c, h))
		return n;
	if (is_skipped(c, h.type)) {
		COUNT(c->l, n.unknown_frames);
		c->skip = h.len;
		return DERP_HEADER_LEN;
	}
	if (n - DERP_HEADER_LEN < h.len)
		return 0;
	c->l->turn_frames++;
	frame_in(c, run, h, p);
	return DERP_HEADER_LEN + h.len;
}

static void parse(struct dconn *c, uint8_t *p, size_t n)
{
	struct run run = { .open = false };

	while (n && parses(c)) {
		size_t used = parse_one(c, p, n, &run);
		if (!used)
			break;
		p += used;
		n -= used;
	}
	run_end(c, &run, c->hash);
	if (n && c->state != D_CLOSED)
		part_put(c, p, (uint32_t)n, UINT32_MAX);
}

/* ---- entry ---- */

static void limit_rate(struct dconn *c, size_t n)
{
	const struct derp_limits *l = &c->l->limits;
	int64_t now = (int64_t)loop_now_ms(c->l->loop) * 1000000, wait, node = 0;

	wait = rate_charge(&c->limiter->rate, &l->per_conn, n, now);
	if (c->limiter->node)
		node = rate_shared_charge(&c->limiter->node->rate, &l->per_node, n, now);
	if (node > wait)
		wait = node;
	if (wait <= 0)
		return;
	COUNT(c->l, n.rate_limited);
	c->paused = true;
	dconn_want(c, c->want & ~(unsigned)LOOP_FD_READ);
	loop_timer_start(&c->limiter->wait, (uint64_t)(wait / 1000000) + 1);
}

static void ws_pong(struct dconn *c)
{
	uint8_t frame[2 + DERP_WS_CONTROL_MAX];
	size_t n = derp_ws_put_pong(frame, bytes_of(c->ws->pong, c->ws->pong_n));

	c->ws->pong_due = false;
	egress_raw(c, bytes_of(frame, n));
}

static void spoke(struct dconn *c)
{
	if (c->standing != DERP_STANDING_PASSIVE || c->spoke_sent || c->state != D_OPEN)
		return;
	c->spoke_sent = true;
	ask_registrar(c, MAIL_SPOKE, c->key.b);
}

void ingress_input(struct dconn *c, uint8_t *p, size_t n)
{
	bool end = false;

	if (c->ws) {
		if (derp_ws_decode(c->ws, p, n, &n) != ST_OK) {
			dconn_close(c, DERP_CLOSE_bad_websocket);
			return;
		}
		end = c->ws->closed;
		if (c->ws->pong_due)
			ws_pong(c);
	}
	spoke(c);
	parse(c, p, n);
	if (c->state == D_OPEN && c->limiter)
		limit_rate(c, n);
	if (end && c->state != D_CLOSED)
		dconn_close(c, DERP_CLOSE_peer);
}

void ingress_readable(struct dconn *c)
{
	struct dloop *l = c->l;
	size_t n = 0;
	uint8_t *p;
	enum io_result res;

	dloop_drain(l);
	if (!parses(c) || c->paused)
		return;
	dloop_wake_end(l);
	if (l->turn_bytes >= TURN_BYTES)
		return; /* the rest of the turn belongs to others; the socket stays readable */
	p = dloop_room(l);
	if (c->state == D_CLOSED)
		return;
	res = io_read(c, p, c->state == D_OPEN ? READ_MAX : LOGIN_READ, &n);
	COUNT(l, n.reads);
	if (!l->turn_reads++)
		l->turn_began_ns = clock_mono_ns();
	l->turn_bytes += n;
	l->region_used += n;
	if (n)
		ingress_input(c, p, n);
	if (res == IO_EOF)
		dconn_close(c, DERP_CLOSE_peer);
	else if (res == IO_ERROR)
		dconn_close(c, DERP_CLOSE_io_error);
}

void ingress_batch(struct dloop *l, struct mail *m)
{
	const uint8_t *p = m->data, *end = m->data + m->n;
	struct batch_run run;

	while (p < end) {
		const uint8_t *dst = NULL;
		memcpy(&run, p, sizeof run);
		p += sizeof run;
		if (run.to & DERP_HANDLE_MESH) {
			dst = p;
			p += 32;
		}
		to_local(l, NULL, run.to & ~DERP_HANDLE_MESH, run.src_hash, dst, p, run.len, run.frames);
		p += run.len;
	}
}
