/*
 * derp/outq.c -- see derp/outq.h.
 *
 * A frame that is to be written moves to `ready` and stays there until its last byte is out, so that order is decided
 * once and a partly written frame cannot be lost. Data flows are served by deficit round robin: each turn a
 * flow may send QUANTUM bytes more.
 */
#include "derp/outq.h"

#include <assert.h>
#include <stdlib.h>

#include "base/vec.h"

#define FLOWS   16
#define QUANTUM 4096

struct frame {
	struct frame *next;
	uint32_t len;
	uint8_t class;
	uint8_t data[];
};

struct fifo {
	struct frame *head, **tail;
	uint32_t frames;
	size_t bytes;
};

struct outq {
	struct fifo ready; /* in the order of the wire */
	size_t offset;     /* bytes of ready.head that are out */
	struct fifo control, disco;
	struct fifo flow[FLOWS];
	int32_t deficit[FLOWS];
	uint32_t turn; /* the flow whose turn it is */
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
	for (size_t i = 0; i < FLOWS; i++)
		fifo_init(&q->flow[i]);
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
		drop(arg, (enum outq_class)fr->class, fr->len);
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
	for (size_t i = 0; i < FLOWS; i++)
		fifo_free(&q->flow[i], drop, arg);
	free(q);
	*qp = NULL;
}

static struct frame *copy_frame(enum outq_class class, struct bytes head, struct bytes body)
{
	struct frame *fr = xmalloc(sizeof *fr + head.n + body.n);

	fr->class = (uint8_t)class;
	fr->len = (uint32_t)(head.n + body.n);
	if (head.n)
		memcpy(fr->data, head.p, head.n);
	if (body.n)
		memcpy(fr->data + head.n, body.p, body.n);
	return fr;
}

static uint32_t longest_flow(const struct outq *q)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < FLOWS; i++)
		if (q->flow[i].bytes > q->flow[best].bytes)
			best = i;
	return best;
}

static bool drop_data(struct outq *q, outq_drop_fn *drop, void *arg)
{
	struct frame *fr = fifo_take(&q->flow[longest_flow(q)]);

	if (!fr)
		return false;
	q->data_frames--;
	q->data_bytes -= fr->len;
	give_up(fr, drop, arg);
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

enum status outq_push2(struct outq *q, enum outq_class class, uint64_t flow, struct bytes head, struct bytes body,
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
		fifo_put(&q->flow[(flow ^ flow >> 32) % FLOWS], fr);
		q->data_frames++;
	}
	trim(q, drop, arg);
	return ST_OK;
}

enum status outq_push(struct outq *q, enum outq_class class, uint64_t flow, struct bytes frame, outq_drop_fn *drop,
                      void *arg)
{
	return outq_push2(q, class, flow, frame, (struct bytes){ 0 }, drop, arg);
}

void outq_push_rest(struct outq *q, struct bytes rest)
{
	struct frame *fr = copy_frame(OUTQ_CONTROL, rest, (struct bytes){ 0 });

	assert(!q->ready.head); /* only a queue that is just made takes a rest */
	fifo_put(&q->ready, fr);
}

static struct frame *take_data(struct outq *q)
{
	if (!q->data_frames)
		return NULL;
	for (;; q->turn = (q->turn + 1) % FLOWS) {
		struct fifo *f = &q->flow[q->turn];
		int32_t *d = &q->deficit[q->turn];
		if (!f->head) {
			*d = 0;
			continue;
		}
		if (*d <= 0) {
			*d += QUANTUM;
			if (*d <= 0)
				continue;
		}
		*d -= (int32_t)f->head->len;
		struct frame *fr = fifo_take(f);
		if (*d <= 0)
			q->turn = (q->turn + 1) % FLOWS;
		q->data_frames--;
		q->data_bytes -= fr->len;
		return fr;
	}
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
			bytes += fr->len;
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
