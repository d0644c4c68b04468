/*
 * fuzz/http1_request.c -- bytes of a stranger into an HTTP/1 connection.
 *
 * The same bytes in one piece and one at a time must give the same answers; each request begun by a handler is told to
 * have ended; nothing is left of the connection. (The limits on heads are out of reach: whether a limit or a mistake behind it is
 * seen first does depend on the pieces.)
 */
#include <stdlib.h>

#include "http/router.h"
#include "http/server.h"
#include "net/pipe.h"

#define INPUT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct http_router *router;
static unsigned begun, done;
static bool closed;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void echo(void *arg, struct http_req *r)
{
	struct buf b;
	const struct http_pair *v;
	size_t n = http_req_query_all(r, &v);

	(void)arg;
	begun++;
	buf_init(&b, 1000000);
	buf_printf(&b, "%s %s %zu %zu ", r->method, r->path, n, r->n_headers);
	buf_put_bytes(&b, r->body);
	http_respond(r, 200, "text/plain", buf_bytes(&b));
	buf_release(&b);
}

static void stream(void *arg, struct http_req *r)
{
	(void)arg;
	begun++;
	http_resp_start(r, 200);
	http_resp_write(r, r->body);
	http_resp_write(r, BYTES_LIT("piece"));
	http_resp_end(r);
}

static enum http_verdict allow(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
	return HTTP_ALLOW;
}

static void on_done(void *arg, const struct http_req *r, int status, uint64_t ms)
{
	(void)arg;
	(void)r;
	(void)status;
	(void)ms;
	done++;
}

static void on_data(void *arg, struct bytes b)
{
	buf_put_bytes(arg, b);
}

static void on_eof(void *arg)
{
	(void)arg;
}

static void on_closed(void *arg, enum stream_end why)
{
	(void)arg;
	(void)why;
	closed = true;
}

static const struct stream_handler handler = { .data = on_data, .eof = on_eof, .closed = on_closed };

static void set_up(void)
{
	const struct http_route routes[] = {
		{ "GET POST", "/", echo, NULL, 1 },
		{ "*", "/{id}", echo, NULL, 1, .body_max = 16 },
		{ "GET POST", "/s/*", stream, NULL, 1 },
	};

	loop = loop_new(0);
	router = http_router_new();
	http_router_add_all(router, routes, sizeof routes / sizeof *routes);
	http_router_set_check(router, allow, NULL);
}

static void run(struct bytes in, size_t chunk, struct buf *out)
{
	struct http_server *srv = http_server_new(loop, &(struct http_server_opts){
								.router = router, .on_done = on_done, .limits = { .head_count = INPUT_MAX } });
	struct stream *a, *b;

	closed = false;
	pipe_pair(loop, &a, &b);
	pipe_set_chunk(b, chunk);
	http_server_accept(srv, b);
	stream_start(a, &handler, out);
	stream_write(a, in);
	pipe_shutdown(a);
	for (int i = 0; i < 8; i++)
		loop_turn(loop, 0);
	if (!closed)
		stream_drop(&a, false);
	for (int i = 0; i < 3; i++)
		loop_turn(loop, 0);
	check(http_server_open(srv) == 0);
	http_server_free(&srv);
}

/* The clock may tick between the two runs. */
static void drop_dates(struct buf *b)
{
	uint8_t *p;

	while (b->n && (p = memmem(b->p, b->n, "\nDate: ", 7)) != NULL) {
		size_t at = (size_t)(p - b->p);
		size_t len = 7 + 29 + 1;

		if (len > b->n - at)
			len = b->n - at;
		memmove(p, p + len, b->n - at - len);
		b->n -= len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, bytewise;

	if (!loop)
		set_up();
	if (size > INPUT_MAX)
		return 0;
	begun = done = 0;
	buf_init(&whole, 1u << 24);
	buf_init(&bytewise, 1u << 24);
	run(bytes_of(data, size), 0, &whole);
	check(begun <= done);
	run(bytes_of(data, size), 1, &bytewise);
	drop_dates(&whole);
	drop_dates(&bytewise);
	check(bytes_eq(buf_bytes(&whole), buf_bytes(&bytewise)));
	buf_release(&whole);
	buf_release(&bytewise);
	return 0;
}
