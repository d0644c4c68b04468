/*
 * fuzz/h2_server.c -- frames of a stranger into an HTTP/2 connection, behind the preface.
 *
 * Some requests are answered at once, some are held and answered between two pieces of input, some never. Every request a
 * handler saw ends exactly once, by an answer or by cancel; nothing is left of the connection.
 */
#include <stdlib.h>

#include "http/h2.h"
#include "net/pipe.h"

#define INPUT_MAX 8192
#define HELD_MAX  64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct http_router *router;
static struct http_req *held[HELD_MAX];
static unsigned n_held, begun, ended;
static bool conn_closed, peer_closed;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void on_cancel(void *arg, struct http_req *r)
{
	(void)arg;
	ended++;
	for (unsigned i = 0; i < n_held; i++) {
		if (held[i] != r)
			continue;
		held[i] = held[--n_held];
		return;
	}
	check(false); /* cancelled, though it was answered */
}

static void at_once(void *arg, struct http_req *r)
{
	(void)arg;
	begun++;
	ended++;
	http_respond(r, 200, "text/plain", r->body);
}

static void later(void *arg, struct http_req *r)
{
	(void)arg;
	if (n_held == HELD_MAX) {
		at_once(arg, r);
		return;
	}
	begun++;
	held[n_held++] = r;
	http_on_cancel(r, on_cancel, NULL);
	if (r->body.n % 2) {
		http_resp_start(r, 200);
		http_resp_write(r, r->body);
	}
}

static void answer_one(void)
{
	struct http_req *r;

	if (n_held == 0)
		return;
	r = held[--n_held];
	ended++;
	if (r->started)
		http_resp_end(r);
	else if (r->n_headers % 2)
		http_resp_abort(r);
	else
		http_respond(r, 200, NULL, BYTES_LIT("late"));
}

static enum http_verdict allow(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
	return HTTP_ALLOW;
}

static void on_closed(void *arg, enum stream_end why)
{
	(void)arg;
	(void)why;
	conn_closed = true;
}

static void peer_data(void *arg, struct bytes b)
{
	(void)arg;
	(void)b;
}

static void peer_end(void *arg, enum stream_end why)
{
	(void)arg;
	(void)why;
	peer_closed = true;
}

static const struct stream_handler theirs = { .data = peer_data, .closed = peer_end };

static void set_up(void)
{
	const struct http_route routes[] = {
		{ "*", "/", at_once, NULL, 1, .body_max = 64 },
		{ "*", "/*", later, NULL, 1 },
	};

	loop = loop_new(0);
	router = http_router_new();
	http_router_add_all(router, routes, sizeof routes / sizeof *routes);
	http_router_set_check(router, allow, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_server *srv;
	struct stream *a, *b;

	if (!loop)
		set_up();
	if (size == 0 || size > INPUT_MAX)
		return 0;
	n_held = begun = ended = 0;
	conn_closed = peer_closed = false;
	srv = http_server_new(loop, &(struct http_server_opts){ .router = router });
	pipe_pair(loop, &a, &b);
	pipe_set_chunk(b, data[0] % 32);
	h2_serve(srv, b, &(struct h2_server_opts){ .router = router, .closed = on_closed, .bodies_bytes = 4096 });
	stream_start(a, &theirs, NULL);
	stream_write(a, BYTES_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"));
	for (size_t i = 1; i < size && !peer_closed;) {
		size_t n = size - i < 256 ? size - i : 256;

		stream_write(a, bytes_of(data + i, n));
		loop_turn(loop, 0);
		if (data[0] & 0x40)
			answer_one();
		i += n;
	}
	for (int i = 0; i < 3; i++)
		loop_turn(loop, 0);
	if (!peer_closed)
		stream_drop(&a, false);
	for (int i = 0; i < 4; i++)
		loop_turn(loop, 0);
	check(conn_closed);
	check(n_held == 0 && begun == ended);
	check(http_server_open(srv) == 0);
	http_server_free(&srv);
	return 0;
}
