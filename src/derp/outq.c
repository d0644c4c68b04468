/*
 * derp/outq.c -- see derp/outq.h.
 *
 * A frame that is to be written moves to `ready` and stays there until its last byte is out, so that order is decided
 * once and a partly written frame cannot be lost. Data flows are served by deficit round robin: each turn a
 * flow may send QUANTUM bytes more. There are at most as many flows as frames, and only while the reader is
 * slow: an array that is searched is enough.
 */
#include "derp/outq.h"

#include <assert.h>
#include <stdlib.h>

#include "base/vec.h"

#define QUANTUM 4096

struct frame {
	struct frame *next;
	uint32_t len, body; /* in all; without the head of push2 */
	uint8_t class;
	uint8_t data[];
};

struct fifo {
	struct frame *head, **tail;
	uint32_t frames;
	size_t bytes;
};

/* The frames of one sender; never empty. */
struct flow {
	uint32_t id;
	int32_t deficit; /* bytes it may send before the others' turn */
	struct fifo f;
};

struct outq {
	struct fifo ready; /* in the order of the wire */
	size_t offset;     /* bytes of ready.head that are out */
	struct fifo control, disco;
	struct flow **flows; /* owned, n_flows of them */
	uint32_t n_flows, cap_flows;
	uint32_t turn;       /* the flow whose turn it is, < n_flows unless there is none */
	uint32_t data_frames;
	size_t data_bytes; /* of data and disco frames that may still be dropped */
	struct outq_limits limits;
};

static void fifo_init(struct fifo *f)
{
	*f = (struct fifo){ .tail = &f->head };
}

static void fifo_put(struct fifo *f, struct frame *fr)
{
	fr->next = NULL;
	*f->tail = fr;
	f->tail = &fr->next;
	f->frames++;
	f->bytes += fr->len;
}

static struct frame *fifo_take(struct fifo *f)
{
	struct frame *fr = f->head;

	if (!fr)
		return NULL;
	f->head = fr->next;
	if (!f->head)
		f->tail = &f->head;
	f->frames--;
	f->bytes -= fr->len;
	return fr;
}

struct outq *outq_new(const struct outq_limits *limits)
{
	struct outq *q = xcalloc(1, sizeof *q);

	fifo_init(&q->ready);
	fifo_init(&q->control);
	fifo_init(&q->disco);
	if (limits)
		q->limits = *limits;
	if (!q->limits.data_frames)
		q->limits.data_frames = OUTQ_DATA_FRAMES;
	if (!q->limits.disco_frames)
		q->limits.disco_frames = OUTQ_DISCO_FRAMES;
	if (!q->limits.data_bytes)
		q->limits.data_bytes = OUTQ_DATA_BYTES;
	if (!q->limits.control_bytes)
		q->limits.control_bytes = OUTQ_CONTROL_BYTES;
	return q;
}

static void give_up(struct frame *fr, outq_drop_fn *drop, void *arg)
{
	if (drop && fr->class != OUTQ_CONTROL)
		drop(arg, (enum outq_class)fr->class, fr->body);
	free(fr);
}

static void fifo_free(struct fifo *f, outq_drop_fn *drop, void *arg)
{
	struct frame *fr;

	while ((fr = fifo_take(f)) != NULL)
		give_up(fr, drop, arg);
}

void outq_free(struct outq **qp, outq_drop_fn *drop, void *arg)
{
	struct outq *q = *qp;

	if (!q)
		return;
	fifo_free(&q->ready, drop, arg);
	fifo_free(&q->control, drop, arg);
	fifo_free(&q->disco, drop, arg);
	for (uint32_t i = 0; i < q->n_flows; i++) {
		fifo_free(&q->flows[i]->f, drop, arg);
		free(q->flows[i]);
	}
	free(q->flows);
	free(q);
	*qp = NULL;
}

static struct frame *copy_frame(enum outq_class class, struct bytes head, struct bytes body)
{
	struct frame *fr = xmalloc(sizeof *fr + head.n + body.n);

	fr->class = (uint8_t)class;
	fr->len = (uint32_t)(head.n + body.n);
	fr->body = (uint32_t)body.n;
	if (head.n)
		memcpy(fr->data, head.p, head.n);
	if (body.n)
		memcpy(fr->data + head.n, body.p, body.n);
	return fr;
}

static struct flow *flow_of(struct outq *q, uint32_t id)
{
	struct flow *f;

	for (uint32_t i = 0; i < q->n_flows; i++)
		if (q->flows[i]->id == id)
			return q->flows[i];
	if (q->n_flows == q->cap_flows) {
		q->cap_flows = q->cap_flows ? q->cap_flows * 2 : 4;
		q->flows = xreallocarray(q->flows, q->cap_flows, sizeof *q->flows);
	}
	f = xcalloc(1, sizeof *f);
	f->id = id;
	fifo_init(&f->f);
	q->flows[q->n_flows++] = f;
	return f;
}

/* The oldest frame of flow i, which goes if it was its last. */
static struct frame *flow_take(struct outq *q, uint32_t i)
{
	struct flow *f = q->flows[i];
	struct frame *fr = fifo_take(&f->f);

	q->data_frames--;
	q->data_bytes -= fr->len;
	if (f->f.head)
		return fr;
	free(f);
	memmove(&q->flows[i], &q->flows[i + 1], (q->n_flows - i - 1) * sizeof *q->flows);
	q->n_flows--;
	if (q->turn > i)
		q->turn--;
	if (q->turn >= q->n_flows)
		q->turn = 0;
	return fr;
}

static bool drop_data(struct outq *q, outq_drop_fn *drop, void *arg)
{
	uint32_t longest = 0;

	if (!q->n_flows)
		return false;
	for (uint32_t i = 1; i < q->n_flows; i++)
		if (q->flows[i]->f.bytes > q->flows[longest]->f.bytes)
			longest = i;
	give_up(flow_take(q, longest), drop, arg);
	return true;
}

static bool drop_disco(struct outq *q, outq_drop_fn *drop, void *arg)
{
	struct frame *fr = fifo_take(&q->disco);

	if (!fr)
		return false;
	q->data_bytes -= fr->len;
	give_up(fr, drop, arg);
	return true;
}

/* Make the queue fit its limits again, but keep the frame that came last if it is alone. */
static void trim(struct outq *q, outq_drop_fn *drop, void *arg)
{
	while (q->disco.frames > q->limits.disco_frames)
		drop_disco(q, drop, arg);
	while (q->data_frames > q->limits.data_frames)
		drop_data(q, drop, arg);
	while (q->data_bytes > q->limits.data_bytes && q->data_frames + q->disco.frames > 1)
		if (!drop_data(q, drop, arg) && !drop_disco(q, drop, arg))
			break;
}

enum status outq_push2(struct outq *q, enum outq_class class, uint32_t flow, struct bytes head, struct bytes body,
                       outq_drop_fn *drop, void *arg)
{
	struct frame *fr;
	size_t n = head.n + body.n;

	if (class == OUTQ_CONTROL && (n > q->limits.control_bytes || q->control.bytes > q->limits.control_bytes - n))
		return ST_TOO_BIG;
	fr = copy_frame(class, head, body);
	if (class == OUTQ_CONTROL) {
		fifo_put(&q->control, fr);
		return ST_OK;
	}
	q->data_bytes += fr->len;
	if (class == OUTQ_DISCO) {
		fifo_put(&q->disco, fr);
	} else {
		fifo_put(&flow_of(q, flow)->f, fr);
		q->data_frames++;
	}
	trim(q, drop, arg);
	return ST_OK;
}

enum status outq_push(struct outq *q, enum outq_class class, uint32_t flow, struct bytes frame, outq_drop_fn *drop,
                      void *arg)
{
	return outq_push2(q, class, flow, (struct bytes){ 0 }, frame, drop, arg);
}

void outq_push_rest(struct outq *q, struct bytes rest)
{
	struct frame *fr = copy_frame(OUTQ_CONTROL, (struct bytes){ 0 }, rest);

	assert(!q->ready.head); /* only a queue that is just made takes a rest */
	fifo_put(&q->ready, fr);
}

static struct frame *take_data(struct outq *q)
{
	struct flow *f;

	if (!q->n_flows)
		return NULL;
	/* Who has sent more than his share lets the others go first, and has QUANTUM bytes more in the next round. */
	for (;;) {
		f = q->flows[q->turn];
		if (f->deficit > 0)
			break;
		f->deficit += QUANTUM;
		if (f->deficit > 0)
			break;
		q->turn = (q->turn + 1) % q->n_flows;
	}
	f->deficit -= (int32_t)f->f.head->len;
	if (f->deficit > 0 || !f->f.head->next)
		return flow_take(q, q->turn);
	struct frame *fr = flow_take(q, q->turn);
	q->turn = (q->turn + 1) % q->n_flows;
	return fr;
}

static struct frame *take_next(struct outq *q)
{
	struct frame *fr = fifo_take(&q->control);

	if (fr)
		return fr;
	fr = fifo_take(&q->disco);
	if (fr) {
		q->data_bytes -= fr->len;
		return fr;
	}
	return take_data(q);
}

size_t outq_peek(struct outq *q, struct iovec *iov, size_t max, size_t max_bytes)
{
	size_t n = 0, skip = q->offset;
	struct frame *fr;

	while (q->ready.frames < max && q->ready.bytes < max_bytes && (fr = take_next(q)) != NULL)
		fifo_put(&q->ready, fr);
	for (fr = q->ready.head; fr && n < max; fr = fr->next, skip = 0)
		iov[n++] = (struct iovec){ fr->data + skip, fr->len - skip };
	return n;
}

size_t outq_sent(struct outq *q, size_t n, size_t *bytes_out)
{
	size_t frames = 0, bytes = 0;

	q->offset += n;
	while (q->ready.head && q->offset >= q->ready.head->len) {
		struct frame *fr = fifo_take(&q->ready);
		q->offset -= fr->len;
		if (fr->class != OUTQ_CONTROL) {
			frames++;
			bytes += fr->body;
		}
		free(fr);
	}
	assert(q->ready.head || q->offset == 0);
	if (bytes_out)
		*bytes_out = bytes;
	return frames;
}

void outq_limit_bytes(struct outq *q, size_t data_bytes)
{
	q->limits.data_bytes = data_bytes;
}

bool outq_empty(const struct outq *q)
{
	return !q->ready.head && !q->control.head && !q->disco.head && !q->data_frames;
}

size_t outq_bytes(const struct outq *q)
{
	return q->ready.bytes + q->control.bytes + q->data_bytes;
}

uint32_t outq_frames(const struct outq *q)
{
	return q->ready.frames + q->control.frames + q->disco.frames + q->data_frames;
}
