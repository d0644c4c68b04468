/*
 * derp/egress.c -- what goes out (see derp/relay_priv.h).
 *
 * While a socket takes everything, what goes out is a list of pieces that lie where they were read, written with one
 * call at the end of the turn. When it takes no more, the rest is copied into a queue of the connection's own: from
 * then on a slow reader holds nothing but its own memory, within limits, and costs nobody else anything.
 *
 * A queue's limit follows what is left of the loop's budget: while few are slow each may hold a full bandwidth probe,
 * when thousands are slow each gets its share.
 */
#include <assert.h>
#include <stdlib.h>

#include "derp/relay_priv.h"

#define QUEUE_FLOOR   ((size_t)16 * 1024) /* a queue may always hold so much */
#define WS_MESSAGE    32768 /* bytes a WebSocket message of ours may have, unless one frame is longer */
#define WRITABLE_STEP ((size_t)64 * 1024)
#define WRITABLE_MAX  ((size_t)256 * 1024) /* to one connection in one go */

/* ---- the queue of a slow reader ---- */

static void on_drop(void *arg, enum outq_class class, size_t body)
{
	struct dconn *c = arg;

	count_drop(c->l, c, (enum derp_drop)c->drop_why, class == OUTQ_DISCO,
	           body - (c->role == D_PEER ? DERP_FORWARD_HEAD : DERP_PACKET_HEAD));
}

/* What the connection holds, into the loop's sum. */
static void account(struct dconn *c)
{
	size_t now = (c->q ? outq_bytes(c->q) : 0) + io_pending(c);

	c->l->queued += (int64_t)now - (int64_t)c->q_bytes;
	c->q_bytes = now;
	__atomic_store_n(&c->l->stats.queued_bytes, c->l->queued, __ATOMIC_RELAXED);
}

static size_t queue_share(const struct dloop *l)
{
	int64_t share = (l->queue_budget - l->queued) / 8;

	if (share < (int64_t)QUEUE_FLOOR)
		return QUEUE_FLOOR;
	return share > (int64_t)OUTQ_DATA_BYTES ? OUTQ_DATA_BYTES : (size_t)share;
}

static void block(struct dconn *c)
{
	struct outq_limits limits = { .data_frames = c->l->r->set.queue_frames, .control_bytes = c->mesh ? WATCHER_BYTES : 0 };

	if (c->q)
		return;
	COUNT(c->l, n.blocked);
	c->q = outq_new(&limits);
	c->stall_ms = c->blocked_ms = loop_now_ms(c->l->loop);
	dconn_want(c, c->want | LOOP_FD_WRITE);
	dconn_arm_timer(c);
}

static void unblock(struct dconn *c)
{
	outq_free(&c->q, NULL, NULL);
	COUNT_ADD(c->l, n.blocked_ms, loop_now_ms(c->l->loop) - c->blocked_ms);
	c->stall_ms = 0;
	c->pong_due = false;
	dconn_want(c, c->want & ~(unsigned)LOOP_FD_WRITE);
	account(c);
}

static bool queue_frame(struct dconn *c, enum outq_class class, uint32_t flow, struct bytes frame)
{
	uint8_t head[DERP_WS_HEAD_MAX];
	struct bytes h = { head, c->ws ? derp_ws_put_head(head, frame.n) : 0 };

	return outq_push2(c->q, class, flow, h, frame, on_drop, c) == ST_OK;
}

static enum outq_class class_of(const uint8_t *frame, uint32_t len)
{
	return derp_looks_like_disco(frame + DERP_PACKET_HEAD, len - DERP_KEY_LEN) ? OUTQ_DISCO : OUTQ_DATA;
}

static void queue_packets(struct dconn *c, uint32_t flow, const uint8_t *p, size_t len)
{
	outq_limit_bytes(c->q, queue_share(c->l));
	while (len) {
		struct derp_header h = derp_header_get(p);
		size_t n = DERP_HEADER_LEN + h.len;
		(void)queue_frame(c, class_of(p, h.len), flow, bytes_of(p, n)); /* only control frames are refused */
		p += n;
		len -= n;
	}
	account(c);
}

/* ---- pieces of this turn ---- */

static void touch(struct dconn *c)
{
	if (c->touched)
		return;
	c->touched = true;
	vec_push(&c->l->touched, c);
	dloop_wake_end(c->l);
}

static void add_seg(struct dconn *c, const struct seg *s)
{
	struct dloop *l = c->l;
	struct seg *last = c->seg_last ? &l->segs.v[c->seg_last - 1] : NULL;

	if (last && s->kind == SEG_PACKETS && last->kind == SEG_PACKETS && last->flow == s->flow &&
	    last->p + last->len == s->p && (!c->ws || last->len + s->len <= WS_MESSAGE)) {
		last->len += s->len;
		last->frames += s->frames;
		return;
	}
	vec_push(&l->segs, *s);
	if (c->seg_last)
		l->segs.v[c->seg_last - 1].next = (uint32_t)l->segs.n;
	else
		c->seg_first = (uint32_t)l->segs.n;
	c->seg_last = (uint32_t)l->segs.n;
	touch(c);
}

/* A run goes frame by frame into pieces that make messages of bearable size. */
static void add_ws_segs(struct dconn *c, const struct seg *run)
{
	const uint8_t *p = run->p, *end = run->p + run->len;

	while (p < end) {
		struct seg s = *run;
		s.p = p;
		s.len = (uint32_t)DERP_HEADER_LEN + derp_header_get(p).len;
		s.frames = 1;
		add_seg(c, &s);
		p += s.len;
	}
}

static void note_heard(struct dconn *c, uint64_t hash, const uint8_t *src)
{
	if (c->heard[0] == hash || c->heard[1] == hash)
		return;
	if (heard_note(c->l->heard, src, hash, c->slot)) {
		c->heard[1] = c->heard[0];
		c->heard[0] = hash;
	}
	__atomic_store_n(&c->l->stats.heard_pairs, (int64_t)heard_count(c->l->heard), __ATOMIC_RELAXED);
}

static void drop_packets(struct dconn *c, const uint8_t *p, size_t len, enum derp_drop why)
{
	while (len) {
		struct derp_header h = derp_header_get(p);
		size_t n = DERP_HEADER_LEN + h.len;
		count_drop(c->l, c, why, class_of(p, h.len) == OUTQ_DISCO, h.len - DERP_KEY_LEN);
		p += n;
		len -= n;
	}
}

void egress_packets(struct dconn *c, uint64_t src_hash, const uint8_t *p, uint32_t len, uint32_t frames)
{
	struct seg s = { .p = p, .len = len, .frames = frames, .flow = (uint32_t)src_hash, .kind = SEG_PACKETS };

	if (c->state == D_REGISTER)
		dconn_open(c); /* ServerInfo first */
	if (c->state != D_OPEN) {
		drop_packets(c, p, len, DERP_DROP_gone);
		return;
	}
	note_heard(c, src_hash, p + DERP_HEADER_LEN);
	if (c->q)
		queue_packets(c, (uint32_t)src_hash, p, len);
	else if (c->ws)
		add_ws_segs(c, &s);
	else
		add_seg(c, &s);
}

static uint8_t *forward_frame(const uint8_t *dst, const uint8_t *recv, uint32_t packet_len, size_t *n)
{
	uint8_t *f = xmalloc(DERP_FORWARD_HEAD + packet_len);

	derp_put_forward_head(f, recv + DERP_HEADER_LEN, dst, packet_len);
	memcpy(f + DERP_FORWARD_HEAD, recv + DERP_PACKET_HEAD, packet_len);
	*n = DERP_FORWARD_HEAD + packet_len;
	return f;
}

void egress_forward(struct dconn *c, uint64_t src_hash, const uint8_t *dst, const uint8_t *p, uint32_t len)
{
	if (c->state != D_OPEN) {
		drop_packets(c, p, len, DERP_DROP_gone);
		return;
	}
	while (len) {
		uint32_t packet = derp_header_get(p).len - (uint32_t)DERP_KEY_LEN;
		size_t n;
		uint8_t *f = forward_frame(dst, p, packet, &n);
		struct seg s = { .own = f, .p = f, .len = (uint32_t)n, .frames = 1, .flow = (uint32_t)src_hash,
			         .kind = SEG_FORWARD };
		COUNT(c->l, n.packets_forwarded_out);
		c->count.packets_out++;
		c->count.bytes_out += packet;
		if (c->q) {
			outq_limit_bytes(c->q, queue_share(c->l));
			(void)queue_frame(c, class_of(p, packet + 32), (uint32_t)src_hash, bytes_of(f, n));
			free(f);
		} else {
			add_seg(c, &s);
		}
		p += DERP_PACKET_HEAD + packet;
		len -= (uint32_t)DERP_PACKET_HEAD + packet;
	}
	account(c);
}

void egress_control(struct dconn *c, struct bytes frame)
{
	struct seg s = { .len = (uint32_t)frame.n, .kind = SEG_CONTROL };

	if (c->state == D_CLOSED)
		return;
	if (c->state == D_REGISTER)
		dconn_open(c);
	if (c->q) {
		if (!queue_frame(c, OUTQ_CONTROL, 0, frame))
			dconn_close(c, DERP_CLOSE_control_overflow);
		else
			account(c);
		return;
	}
	s.own = xmalloc(frame.n);
	memcpy(s.own, frame.p, frame.n);
	s.p = s.own;
	add_seg(c, &s);
}

/* ---- writing ---- */

static void count_sent(struct dconn *c, size_t frames, size_t bytes)
{
	if (c->role == D_PEER)
		return; /* counted when forwarded */
	c->count.packets_out += frames;
	c->count.bytes_out += bytes - frames * DERP_PACKET_HEAD;
	COUNT_ADD(c->l, n.packets_sent, frames);
	COUNT_ADD(c->l, n.bytes_sent, bytes - frames * DERP_PACKET_HEAD);
}

/* The first `sent` bytes of a run are out: count its whole frames, and let the rest of the broken one and all
 * behind it wait. */
static void spill_packets(struct dconn *c, const struct seg *s, size_t sent)
{
	const uint8_t *p = s->p, *end = s->p + s->len;
	size_t frames = 0;

	while (p < end) {
		size_t n = DERP_HEADER_LEN + derp_header_get(p).len;
		if (sent < n)
			break;
		sent -= n;
		frames++;
		p += n;
	}
	count_sent(c, frames, (size_t)(p - s->p));
	if (sent) {
		size_t n = DERP_HEADER_LEN + derp_header_get(p).len;
		count_sent(c, 1, n); /* it will arrive, or nothing will any more */
		outq_push_rest(c->q, bytes_of(p + sent, n - sent));
		p += n;
	}
	queue_packets(c, s->flow, p, (size_t)(end - p));
}

static bool spill_seg(struct dconn *c, const struct seg *s, size_t sent)
{
	struct bytes all = bytes_of(s->p, s->len);

	if (s->kind == SEG_PACKETS) {
		spill_packets(c, s, sent);
		return true;
	}
	if (sent) {
		outq_push_rest(c->q, bytes_skip(all, sent));
		return true;
	}
	return queue_frame(c, s->kind == SEG_CONTROL ? OUTQ_CONTROL : OUTQ_DATA, s->flow, all);
}

/* From segment i on, of which `sent` bytes are out, everything waits. */
static void spill(struct dconn *c, uint32_t i, size_t sent)
{
	struct dloop *l = c->l;
	bool ok = true;

	block(c);
	while (i) {
		struct seg *s = &l->segs.v[i - 1];
		ok = spill_seg(c, s, sent) && ok;
		sent = 0;
		free(s->own);
		s->own = NULL;
		i = s->next;
	}
	c->seg_first = c->seg_last = 0;
	account(c);
	if (!ok)
		dconn_close(c, DERP_CLOSE_control_overflow);
}

/* The rest of a WebSocket message that was begun must follow as it is. */
static void spill_message(struct dconn *c, const struct iovec *iov, size_t n, size_t sent, uint32_t next)
{
	struct buf rest;

	buf_init(&rest, (size_t)16 << 20);
	for (size_t i = 0; i < n; i++) {
		size_t k = sent < iov[i].iov_len ? sent : iov[i].iov_len;
		buf_put(&rest, (const uint8_t *)iov[i].iov_base + k, iov[i].iov_len - k);
		sent -= k;
	}
	block(c);
	outq_push_rest(c->q, buf_bytes(&rest));
	buf_release(&rest);
	if (next)
		spill(c, next, 0);
	else
		c->seg_first = c->seg_last = 0;
	account(c);
}

/* Segments i .., at most IOV_COUNT of them and max bytes (one at least); returns the next one. */
static uint32_t gather_iov(const struct dloop *l, uint32_t i, size_t max, struct iovec *iov, size_t *n, size_t *total)
{
	while (i && *n < IOV_COUNT) {
		const struct seg *s = &l->segs.v[i - 1];
		if (*total && *total + s->len > max)
			break;
		iov[(*n)++] = (struct iovec){ (void *)(uintptr_t)s->p, s->len };
		*total += s->len;
		i = s->next;
	}
	return i;
}

/* Segments from c's first up to `until` are out, or `sent` bytes of them. Returns where it stopped, sent_out in it. */
static uint32_t count_segs(struct dconn *c, uint32_t until, size_t sent, size_t *sent_out)
{
	uint32_t i = c->seg_first;

	while (i != until) {
		struct seg *s = &c->l->segs.v[i - 1];
		if (sent < s->len)
			break;
		sent -= s->len;
		if (s->kind == SEG_PACKETS)
			count_sent(c, s->frames, s->len);
		free(s->own);
		s->own = NULL;
		i = s->next;
	}
	*sent_out = sent;
	return i;
}

/* One write of up to IOV_COUNT segments; false when there is no more to do now. */
static bool flush_some(struct dconn *c)
{
	struct iovec iov[IOV_COUNT + 1];
	uint8_t head[DERP_WS_HEAD_MAX];
	size_t n = c->ws ? 1 : 0, total = 0, head_n = 0, sent = 0, rest;
	uint32_t next = gather_iov(c->l, c->seg_first, c->ws ? WS_MESSAGE : SIZE_MAX, iov, &n, &total), at;
	enum io_result res;

	if (c->ws) {
		head_n = derp_ws_put_head(head, total);
		iov[0] = (struct iovec){ head, head_n };
	}
	res = io_writev(c, iov, n, &sent);
	COUNT(c->l, n.writes);
	if (res == IO_ERROR) {
		dconn_close(c, DERP_CLOSE_io_error);
		return false;
	}
	if (sent < total + head_n && head_n) {
		spill_message(c, iov, n, sent, next);
		return false;
	}
	at = count_segs(c, next, sent - head_n, &rest);
	if (at != next) {
		spill(c, at, rest);
		return false;
	}
	c->seg_first = next;
	if (!next)
		c->seg_last = 0;
	if (io_pending(c)) {
		spill(c, next, 0);
		return false;
	}
	return next != 0;
}

void egress_flush(struct dconn *c)
{
	c->pong_due = false;
	while (c->seg_first && c->state != D_CLOSED && flush_some(c))
		;
}

void egress_raw(struct dconn *c, struct bytes b)
{
	struct iovec iov = { (void *)(uintptr_t)b.p, b.n };
	size_t sent = 0;

	if (c->state == D_CLOSED)
		return;
	egress_flush(c);
	if (c->q || c->state == D_CLOSED) {
		/* Between messages of the queue it is as good as one of them. */
		if (c->q && outq_push(c->q, OUTQ_CONTROL, 0, b, NULL, NULL) != ST_OK)
			dconn_close(c, DERP_CLOSE_control_overflow);
		return;
	}
	if (io_writev(c, &iov, 1, &sent) == IO_ERROR) {
		dconn_close(c, DERP_CLOSE_io_error);
		return;
	}
	if (sent < b.n || io_pending(c)) {
		block(c);
		if (sent < b.n)
			outq_push_rest(c->q, bytes_skip(b, sent));
		account(c);
	}
}

void egress_writable(struct dconn *c)
{
	struct iovec iov[IOV_COUNT];
	size_t done = 0, bytes = 0;

	while (c->q && done < WRITABLE_MAX) {
		size_t before = io_pending(c), sent = 0, frames;
		size_t n = outq_peek(c->q, iov, IOV_COUNT, WRITABLE_STEP);
		enum io_result res = IO_OK;
		if (!n && !before) {
			unblock(c);
			return;
		}
		res = io_writev(c, iov, n, &sent);
		COUNT(c->l, n.writes);
		if (res == IO_ERROR) {
			dconn_close(c, DERP_CLOSE_io_error);
			return;
		}
		frames = outq_sent(c->q, sent, &bytes);
		count_sent(c, frames, bytes);
		if (sent || io_pending(c) < before)
			c->stall_ms = loop_now_ms(c->l->loop);
		done += sent;
		account(c);
		if (res == IO_AGAIN)
			return;
	}
}

void egress_discard(struct dconn *c, enum derp_drop why)
{
	for (uint32_t i = c->seg_first; i;) {
		struct seg *s = &c->l->segs.v[i - 1];
		if (s->kind == SEG_PACKETS)
			drop_packets(c, s->p, s->len, why);
		free(s->own);
		s->own = NULL;
		i = s->next;
	}
	c->seg_first = c->seg_last = 0;
	c->drop_why = (uint8_t)why;
	outq_free(&c->q, on_drop, c);
	c->l->queued -= (int64_t)c->q_bytes;
	c->q_bytes = 0;
	__atomic_store_n(&c->l->stats.queued_bytes, c->l->queued, __ATOMIC_RELAXED);
}

void egress_flush_all(struct dloop *l)
{
	for (size_t i = 0; i < l->touched.n; i++) {
		l->touched.v[i]->touched = false;
		egress_flush(l->touched.v[i]);
	}
	l->touched.n = 0;
	l->segs.n = 0;
	l->region_used = 0;
	for (size_t i = 0; i < l->retired.n; i++)
		free(l->retired.v[i]);
	l->retired.n = 0;
}
