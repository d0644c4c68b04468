/* http/h2_queue.c -- see http/h2_priv.h. */
#include "http/h2_priv.h"

void h2_queue_put(struct h2_queue *q, struct bytes b, struct shared_bytes *shared)
{
	vec_push(&q->pieces, shared ? shared_bytes_ref(shared) : shared_bytes_new(b));
	q->bytes += b.n;
}

void h2_queue_release(struct h2_queue *q)
{
	for (size_t i = q->first; i < q->pieces.n; i++)
		shared_bytes_unref(&q->pieces.v[i]);
	vec_release(&q->pieces);
	*q = (struct h2_queue){ 0 };
}

void h2_queue_send(struct h2_queue *q, struct stream *s, size_t n)
{
	q->bytes -= n;
	while (n) {
		struct shared_bytes *p = q->pieces.v[q->first];
		size_t part = p->n - q->off < n ? p->n - q->off : n;

		stream_write_shared(s, p, q->off, part);
		q->off += part;
		n -= part;
		if (q->off == p->n) {
			shared_bytes_unref(&q->pieces.v[q->first++]);
			q->off = 0;
		}
	}
	if (q->bytes == 0)
		h2_queue_release(q);
}
