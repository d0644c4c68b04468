/*
 * fuzz/websocket.c -- frames of a stranger into a WebSocket, as the server sees them and as the client does.
 *
 * The same bytes in one piece and one at a time must give the same payload, the same frames back and the same end.
 */
#include <stdlib.h>

#include "http/websocket.h"
#include "net/pipe.h"

#define INPUT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
	struct buf up, back; /* payload; frames sent to the peer */
	bool eof, closed, peer_closed;
	enum stream_end why;
};

static struct loop *loop;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void on_data(void *arg, struct bytes b)
{
	check(b.n > 0);
	buf_put_bytes(&((struct result *)arg)->up, b);
}

static void on_eof(void *arg)
{
	((struct result *)arg)->eof = true;
}

static void on_closed(void *arg, enum stream_end why)
{
	struct result *r = arg;

	r->closed = true;
	r->why = why;
}

static void peer_data(void *arg, struct bytes b)
{
	buf_put_bytes(&((struct result *)arg)->back, b);
}

static void peer_eof(void *arg)
{
	(void)arg;
}

static void peer_closed(void *arg, enum stream_end why)
{
	(void)why;
	((struct result *)arg)->peer_closed = true;
}

static const struct stream_handler ours = { .data = on_data, .eof = on_eof, .closed = on_closed };
static const struct stream_handler theirs = { .data = peer_data, .eof = peer_eof, .closed = peer_closed };

static struct result run(struct bytes in, size_t chunk, bool client)
{
	struct result r = { 0 };
	struct stream *a, *b, *ws;

	buf_init(&r.up, INPUT_MAX);
	buf_init(&r.back, 1u << 20);
	pipe_pair(loop, &a, &b);
	pipe_set_chunk(b, chunk);
	ws = client ? ws_client(b) : ws_serve(b);
	stream_start(ws, &ours, &r);
	stream_start(a, &theirs, &r);
	stream_write(a, in);
	for (int i = 0; i < 4; i++)
		loop_turn(loop, 0);
	if (!r.closed)
		stream_drop(&ws, false);
	if (!r.peer_closed)
		stream_drop(&a, false);
	for (int i = 0; i < 3; i++)
		loop_turn(loop, 0);
	check(r.up.n <= in.n);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result whole, bytewise;
	bool client;

	if (!loop)
		loop = loop_new(0);
	if (size == 0 || size > INPUT_MAX)
		return 0;
	client = data[0] & 1;
	whole = run(bytes_of(data + 1, size - 1), 0, client);
	bytewise = run(bytes_of(data + 1, size - 1), 1, client);
	check(bytes_eq(buf_bytes(&whole.up), buf_bytes(&bytewise.up)));
	check(whole.eof == bytewise.eof && whole.closed == bytewise.closed && whole.why == bytewise.why);
	if (!client) /* a client's masks are random */
		check(bytes_eq(buf_bytes(&whole.back), buf_bytes(&bytewise.back)));
	check(whole.back.n == bytewise.back.n);
	buf_release(&whole.up);
	buf_release(&whole.back);
	buf_release(&bytewise.up);
	buf_release(&bytewise.back);
	return 0;
}
