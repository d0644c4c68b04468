/*
 * net/tcp.c -- see net/tcp.h.
 *
 * Writes of a turn gather in chunks; at the end of the turn they leave in as few writev() as the socket takes, long ones
 * before it: when a thousand connections are told much in one turn, what waits would else be a thousand times that much.
 * Only what the socket does not take goes to libuv's queue, one request at a time, so an idle connection owns no buffer
 * at all. Reading goes through one buffer a loop.
 *
 * An orderly close sends FIN and then waits a little for the peer's: with unread bytes in the kernel, close() would send a
 * reset, which destroys the answer on its way to the peer.
 */
#include "net/tcp_priv.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/vec.h"
#include "net/counters.h"

#define CHUNK_MIN     ((size_t)2048)
#define CHUNK_MAX     ((size_t)64 * 1024)
#define WRITE_PIECES  64u
#define FLUSH_AT      ((size_t)32 * 1024) /* so much does not wait for the end of the turn */
#define LINGER_MS     2000u
#define LINGER_BYTES  ((size_t)1024 * 1024)
#define STALL_MS      60000u
#define KEEPALIVE_S   60u

struct chunk {
	struct chunk *next;
	struct shared_bytes *shared; /* not NULL: data is its own, from off on */
	size_t off, n, cap;          /* bytes off..n are to be sent */
	uint8_t data[];
};

static struct tcp *of(struct stream *s)
{
	return (struct tcp *)s;
}

/* ---- what waits to be sent ---- */

static void push_chunk(struct tcp *t, struct chunk *c)
{
	c->next = NULL;
	if (t->tail)
		t->tail->next = c;
	else
		t->head = c;
	t->tail = c;
}

static void pop_chunk(struct tcp *t)
{
	struct chunk *c = t->head;

	t->head = c->next;
	if (!t->head)
		t->tail = NULL;
	shared_bytes_unref(&c->shared);
	free(c);
}

static void sent(struct tcp *t, size_t n)
{
	t->queued -= n;
	while (n) {
		size_t left = t->head->n - t->head->off;

		if (n < left) {
			t->head->off += n;
			return;
		}
		n -= left;
		pop_chunk(t);
	}
}

static void drop_chunks(struct tcp *t)
{
	while (t->head)
		pop_chunk(t);
	t->queued = 0;
}

/* Room for n bytes in one piece at the end of the queue. */
static uint8_t *room(struct tcp *t, size_t n)
{
	struct chunk *c = t->tail;
	size_t cap;

	if (c && !c->shared && c->cap - c->n >= n)
		return c->data + c->n;
	cap = t->queued < CHUNK_MAX ? t->queued : CHUNK_MAX;
	cap = cap < CHUNK_MIN ? CHUNK_MIN : cap;
	cap = cap < n ? n : cap;
	c = xmalloc(sizeof *c + cap);
	c->shared = NULL;
	c->off = c->n = 0;
	c->cap = cap;
	push_chunk(t, c);
	return c->data;
}

static unsigned gather(struct tcp *t, uv_buf_t *bufs, size_t *total)
{
	unsigned n = 0;

	*total = 0;
	for (struct chunk *c = t->head; c && n < WRITE_PIECES; c = c->next) {
		const uint8_t *p = c->shared ? c->shared->data : c->data;

		if (c->n == c->off)
			continue; /* reserved, then nothing was committed */
		bufs[n++] = uv_buf_init((char *)p + c->off, (unsigned)(c->n - c->off));
		*total += c->n - c->off;
	}
	return n;
}

/* ---- the end ---- */

static void leave_pending(struct tcp *t)
{
	struct pending_conn *p = &t->pending;

	if (!p->next)
		return;
	p->next->prev = p->prev;
	p->prev->next = p->next;
	p->next = p->prev = NULL;
	loop_pending(t->s.loop)->n--;
}

static void on_closed(uv_handle_t *h)
{
	struct tcp *t = h->data;

	drop_chunks(t);
	stream_ended(&t->s, STREAM_END_RESET);
}

static void close_socket(struct tcp *t)
{
	if (t->closed)
		return;
	t->closed = true;
	t->s.conn->established = NULL;
	leave_pending(t);
	loop_task_cancel(&t->flush);
	loop_timer_cancel(&t->stall);
	if (t->limits) {
		conn_limits_leave(t->limits, &t->s.conn->remote);
		conn_limits_unref(&t->limits);
	}
	uv_close(&t->uv.handle, on_closed);
}

/* Let the kernel forget what it has to send for us. */
static void reset_socket(struct tcp *t)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	uv_os_fd_t fd;

	if (!t->closed && uv_fileno(&t->uv.handle, &fd) == 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

static void broken(struct tcp *t, enum stream_end why)
{
	if (t->s.closing)
		why = t->s.why;
	stream_abort(&t->s, why);
	close_socket(t);
}

static void tcp_abort(struct stream *s, enum stream_end why)
{
	struct tcp *t = of(s);
	bool hard = why == STREAM_END_SLOW || why == STREAM_END_TIMEOUT || why == STREAM_END_LIMIT ||
		    why == STREAM_END_PROTOCOL;

	if (hard && !t->lingering)
		reset_socket(t);
	close_socket(t);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct tcp *t = h->data;

	(void)suggested;
	*buf = uv_buf_init((char *)loop_buffer(t->s.loop, LOOP_BUFFER_READ), LOOP_BUFFER_SIZE);
}

static void stop_reading(struct tcp *t)
{
	if (t->reading && !t->closed)
		uv_read_stop(&t->uv.stream);
	t->reading = false;
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
	struct tcp *t = h->data;

	if (n == 0)
		return;
	if (t->lingering) {
		t->lingered += n > 0 ? (size_t)n : 0;
		if (n < 0 || t->lingered > LINGER_BYTES)
			close_socket(t);
		return;
	}
	if (n > 0) {
		stream_deliver(&t->s, bytes_of(buf->base, (size_t)n));
		return;
	}
	stop_reading(t);
	if (n != UV_EOF) {
		broken(t, STREAM_END_RESET);
		return;
	}
	t->peer_done = true;
	stream_deliver_eof(&t->s);
}

static void start_reading(struct tcp *t)
{
	if (t->reading || t->closed || t->peer_done)
		return;
	t->reading = uv_read_start(&t->uv.stream, on_alloc, on_read) == 0;
	if (!t->reading)
		broken(t, STREAM_END_RESET);
}

static void tcp_want(struct stream *s, bool want)
{
	if (want)
		start_reading(of(s));
	else
		stop_reading(of(s));
}

/* ---- writing ---- */

/* Everything was handed to the kernel and nothing more will come. */
static void finish_sending(struct tcp *t)
{
	uv_os_fd_t fd;

	if (t->closed || t->lingering)
		return;
	if (t->peer_done || uv_fileno(&t->uv.handle, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
		close_socket(t);
		return;
	}
	t->lingering = true;
	stream_set_deadline(&t->s, LINGER_MS);
	start_reading(t);
}

static void look_at_stall(void *arg)
{
	struct tcp *t = arg;
	size_t left = uv_stream_get_write_queue_size(&t->uv.stream);

	if (left == t->seen_left) {
		broken(t, STREAM_END_SLOW);
		return;
	}
	t->seen_left = left;
	loop_timer_start(&t->stall, t->stall_ms);
}

static void flush(void *arg);

static void on_written(uv_write_t *req, int status)
{
	struct tcp *t = req->handle->data;

	t->flying = false;
	loop_timer_cancel(&t->stall);
	if (t->closed)
		return;
	if (status != 0) {
		broken(t, STREAM_END_RESET);
		return;
	}
	sent(t, t->flying_bytes);
	flush(t);
}

/* The socket takes no more: let libuv wait. */
static void fly(struct tcp *t)
{
	uv_buf_t bufs[WRITE_PIECES];
	unsigned n = gather(t, bufs, &t->flying_bytes);

	if (uv_write(&t->write, &t->uv.stream, bufs, n, on_written) != 0) {
		broken(t, STREAM_END_RESET);
		return;
	}
	t->flying = true;
	t->seen_left = uv_stream_get_write_queue_size(&t->uv.stream);
	loop_timer_start(&t->stall, t->stall_ms);
}

static void flush(void *arg)
{
	struct tcp *t = arg;

	while (t->queued && !t->flying && !t->closed) {
		uv_buf_t bufs[WRITE_PIECES];
		size_t total;
		unsigned n = gather(t, bufs, &total);
		int rc = uv_try_write(&t->uv.stream, bufs, n);

		if (rc == UV_EAGAIN || rc == 0) {
			fly(t);
		} else if (rc < 0) {
			broken(t, STREAM_END_RESET);
			return;
		} else {
			sent(t, (size_t)rc);
		}
	}
	if (t->closed)
		return;
	if (t->queued == 0) {
		drop_chunks(t); /* empty ones */
		if (t->s.closing)
			finish_sending(t);
	}
	if (!t->s.closing)
		stream_progress(&t->s);
}

/* n more bytes are in the chunks. */
static void queued(struct tcp *t, size_t n)
{
	t->queued += n;
	if (t->queued >= FLUSH_AT && !t->flying)
		flush(t);
	else
		loop_task_queue(&t->flush);
}

static void tcp_write(struct stream *s, struct bytes b)
{
	struct tcp *t = of(s);

	memcpy(room(t, b.n), b.p, b.n);
	t->tail->n += b.n;
	queued(t, b.n);
}

static void tcp_write_shared(struct stream *s, struct shared_bytes *b, size_t off, size_t n)
{
	struct tcp *t = of(s);
	struct chunk *c;

	if (n < CHUNK_MIN / 2) { /* a copy is cheaper than a piece of its own */
		tcp_write(s, bytes_of(b->data + off, n));
		return;
	}
	c = xcalloc(1, sizeof *c);
	c->shared = shared_bytes_ref(b);
	c->off = off;
	c->n = off + n;
	push_chunk(t, c);
	queued(t, n);
}

static uint8_t *tcp_reserve(struct stream *s, size_t n)
{
	return room(of(s), n);
}

static void tcp_commit(struct stream *s, size_t n)
{
	struct tcp *t = of(s);

	t->tail->n += n;
	queued(t, n);
}

static size_t tcp_pending(const struct stream *s)
{
	return ((const struct tcp *)s)->queued;
}

static void tcp_close(struct stream *s)
{
	struct tcp *t = of(s);

	stop_reading(t);
	if (!t->flying)
		loop_task_queue(&t->flush); /* ends with finish_sending() */
}

static void tcp_free(struct stream *s)
{
	struct tcp *t = of(s);

	drop_chunks(t);
	free(t);
}

static const struct stream_ops tcp_ops = {
	.kind = "tcp",
	.want = tcp_want,
	.write = tcp_write,
	.write_shared = tcp_write_shared,
	.reserve = tcp_reserve,
	.commit = tcp_commit,
	.pending = tcp_pending,
	.close = tcp_close,
	.abort = tcp_abort,
	.free = tcp_free,
};

/* ---- making ---- */

static void established(struct conn_info *c)
{
	leave_pending(c->bottom);
}

struct tcp *tcp_new(struct loop *l, bool local)
{
	struct tcp *t = xcalloc(1, sizeof *t);
	struct conn_info *c = xcalloc(1, sizeof *c);

	c->refs = 1;
	stream_init(&t->s, &tcp_ops, l, c);
	t->local = local;
	t->stall_ms = STALL_MS;
	loop_task_init(&t->flush, l, flush, t);
	loop_timer_init(&t->stall, l, look_at_stall, t);
	if (local)
		uv_pipe_init(loop_uv(l), &t->uv.pipe, 0);
	else
		uv_tcp_init(loop_uv(l), &t->uv.tcp);
	t->uv.handle.data = t;
	return t;
}

void tcp_connected(struct tcp *t)
{
	struct sockaddr_storage ss;
	int len = sizeof ss;

	if (t->local) {
		t->s.conn->remote.sa.sa_family = t->s.conn->local.sa.sa_family = AF_UNIX;
		return;
	}
	if (uv_tcp_getpeername(&t->uv.tcp, (struct sockaddr *)&ss, &len) == 0)
		t->s.conn->remote = net_addr_of((struct sockaddr *)&ss, (size_t)len);
	len = sizeof ss;
	if (uv_tcp_getsockname(&t->uv.tcp, (struct sockaddr *)&ss, &len) == 0)
		t->s.conn->local = net_addr_of((struct sockaddr *)&ss, (size_t)len);
	uv_tcp_nodelay(&t->uv.tcp, 1);
	uv_tcp_keepalive(&t->uv.tcp, 1, KEEPALIVE_S);
}

void tcp_discard(struct tcp *t)
{
	struct stream *s = &t->s;

	stream_drop(&s, false);
}

enum status tcp_stream_from_fd(struct loop *l, int fd, struct stream **out, struct err *err)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	struct tcp *t;
	int rc;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0) {
		err_set(err, "descriptor %d is no socket", fd);
		close(fd);
		return ST_IO;
	}
	t = tcp_new(l, ss.ss_family == AF_UNIX);
	rc = t->local ? uv_pipe_open(&t->uv.pipe, fd) : uv_tcp_open(&t->uv.tcp, fd);
	if (rc != 0) {
		err_set(err, "descriptor %d: %s", fd, uv_strerror(rc));
		close(fd);
		tcp_discard(t);
		return ST_IO;
	}
	tcp_connected(t);
	*out = &t->s;
	return ST_OK;
}

int tcp_stream_fd(const struct stream *s)
{
	uv_os_fd_t fd;

	if (s->ops != &tcp_ops || uv_fileno(&((const struct tcp *)s)->uv.handle, &fd) != 0)
		return -1;
	return fd;
}

/* ---- accepted connections ---- */

static void make_room(struct pending_list *list, uint32_t max)
{
	while (list->n >= max) {
		struct pending_conn *p = list->head.next;
		struct tcp *old = (struct tcp *)((char *)p - offsetof(struct tcp, pending));

		net_count(NET_COUNT_EVICTED_PENDING);
		leave_pending(old);
		stream_abort(&old->s, STREAM_END_LIMIT);
	}
}

enum status tcp_enter(struct tcp *t, struct conn_limits *limits)
{
	struct pending_list *list = loop_pending(t->s.loop);
	uint32_t max = conn_limits_max_pending(limits);

	if (conn_limits_enter(limits, &t->s.conn->remote) != ST_OK)
		return ST_BUSY;
	t->limits = conn_limits_ref(limits);
	if (max)
		make_room(list, max);
	t->pending.next = &list->head;
	t->pending.prev = list->head.prev;
	list->head.prev->next = &t->pending;
	list->head.prev = &t->pending;
	list->n++;
	t->s.conn->bottom = t;
	t->s.conn->established = established;
	return ST_OK;
}
