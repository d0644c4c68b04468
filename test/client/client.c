/*
 * client/client.c -- see client/client.h.
 *
 * A call that ends inside a callback of its own is only marked and unlinked there; its memory goes at the end of the turn.
 */
#include "client/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"
#include "client/early.h"

#define BODY_MAX ((size_t)64 << 20)
#define ERROR_TEXT_MAX ((size_t)4096)

struct ctl_client {
	struct ctl_server *server;
	const struct ctl_client_handler *handler;
	void *arg;
	struct ctl_dial *dial;
	struct h2_client *h2;
	struct ctl_call *calls;
	bool challenged;
};

struct ctl_call {
	struct ctl_client *client;
	struct ctl_call *next, **link;
	struct h2_call *h2;
	int status, retry_after;
	char type[64];
	struct buf body; /* of an answer, or of a stream's refusal */
	bool dead;       /* told, or not to be told any more */
	/* a request */
	ctl_answer_fn *answer;
	/* a stream */
	const struct ctl_stream_handler *stream;
	enum ctl_decode decode;
	struct map_frames frames;
	void *arg;
};

/* --- calls -------------------------------------------------------------------------------- */

static void free_call(void *arg)
{
	struct ctl_call *k = arg;

	buf_release(&k->body);
	map_frames_release(&k->frames);
	free(k);
}

static void retire_call(struct ctl_call *k)
{
	k->dead = true;
	*k->link = k->next;
	if (k->next)
		k->next->link = k->link;
	h2_call_cancel(&k->h2);
	loop_defer(k->client->server->loop, free_call, k);
}

void ctl_call_cancel(struct ctl_call **k)
{
	if (*k)
		retire_call(*k);
	*k = NULL;
}

/* Tell the end, once. */
static void end_call(struct ctl_call *k, enum status s, uint32_t h2_error)
{
	struct ctl_answer a = { k->status, buf_bytes(&k->body), k->type, k->retry_after, h2_error };

	retire_call(k);
	if (k->answer)
		k->answer(k->arg, buf_ok(&k->body) ? s : ST_TOO_BIG, &a);
	else if (k->stream->closed)
		k->stream->closed(k->arg, s, k->status, a.body);
}

static void call_head(void *arg, int status, const struct http_header *headers, size_t n)
{
	struct ctl_call *k = arg;

	k->status = status;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(headers[i].name, "content-type") == 0)
			snprintf(k->type, sizeof k->type, "%s", headers[i].value);
		if (strcmp(headers[i].name, "retry-after") == 0)
			k->retry_after = atoi(headers[i].value);
	}
}

static bool call_message(void *arg, struct bytes payload)
{
	struct ctl_call *k = arg;
	struct bytes json = k->decode == CTL_PLAIN ? payload : bytes_of(NULL, 0);

	if (k->decode == CTL_ZSTD && map_decode(k->client->server->decoder, payload, &json) != ST_OK) {
		end_call(k, ST_BAD_INPUT, 0);
		return false;
	}
	k->stream->message(k->arg, payload.n, json);
	return !k->dead;
}

static void call_data(void *arg, struct bytes b)
{
	struct ctl_call *k = arg;
	enum status s;

	if (k->answer || k->status != 200) {
		buf_put_bytes(&k->body, b);
		return;
	}
	k->client->server->map_bytes += b.n;
	s = map_frames_feed(&k->frames, b, call_message, k);
	if (s != ST_OK && !k->dead)
		end_call(k, ST_BAD_INPUT, 0);
}

static void call_done(void *arg, enum status s, uint32_t h2_error)
{
	struct ctl_call *k = arg;

	k->h2 = NULL;
	if (s == ST_OK && k->stream && !map_frames_at_boundary(&k->frames))
		s = ST_BAD_INPUT;
	end_call(k, s, h2_error);
}

static const struct h2_call_handler call_handler = { .head = call_head, .data = call_data, .done = call_done };

static struct ctl_call *start(struct ctl_client *c, const struct h2_call_opts *o, struct ctl_call *k)
{
	k->client = c;
	k->retry_after = -1;
	map_frames_init(&k->frames);
	k->h2 = c->h2 ? h2_client_call(c->h2, o, &call_handler, k) : NULL;
	if (!k->h2) {
		free_call(k);
		return NULL;
	}
	k->next = c->calls;
	k->link = &c->calls;
	if (k->next)
		k->next->link = &k->next;
	c->calls = k;
	return k;
}

struct ctl_call *ctl_request(struct ctl_client *c, const char *method, const char *path, struct bytes body, ctl_answer_fn *fn, void *arg)
{
	struct h2_call_opts o = { .method = method, .path = path, .body = body };
	struct ctl_call *k = xcalloc(1, sizeof *k);

	buf_init(&k->body, BODY_MAX);
	k->answer = fn;
	k->arg = arg;
	return start(c, &o, k);
}

struct ctl_call *ctl_stream(struct ctl_client *c, struct bytes body, enum ctl_decode decode, bool hold,
			    const struct ctl_stream_handler *h, void *arg)
{
	struct h2_call_opts o = { .method = "POST", .path = "/machine/map", .body = body, .hold = hold };
	struct ctl_call *k = xcalloc(1, sizeof *k);

	buf_init(&k->body, ERROR_TEXT_MAX);
	k->stream = h;
	k->decode = decode;
	k->arg = arg;
	return start(c, &o, k);
}

void ctl_call_consume(struct ctl_call *k, size_t n)
{
	if (k->h2)
		h2_call_consume(k->h2, n);
}

/* --- clients ------------------------------------------------------------------------------ */

static void h2_closed(void *arg, enum stream_end why)
{
	struct ctl_client *c = arg;

	c->h2 = NULL;
	if (c->handler->closed)
		c->handler->closed(c->arg, stream_end_name(why));
}

static void challenged(void *arg, enum status s, const struct challenge_key *challenge)
{
	(void)challenge;
	((struct ctl_client *)arg)->challenged = s == ST_OK;
}

static void dialed(void *arg, const struct ctl_dialed *d)
{
	struct ctl_client *c = arg;
	struct h2_client_opts o = { .stream_window = c->server->call_window, .conn_window = c->server->conn_window,
				    .closed = h2_closed, .arg = c };

	c->dial = NULL;
	if (d->status != ST_OK) {
		if (c->handler->closed)
			c->handler->closed(c->arg, d->why);
		return;
	}
	c->h2 = h2_client_new(early_stream_new(d->stream, challenged, c), &o);
	if (c->handler->open)
		c->handler->open(c->arg);
}

struct ctl_client *ctl_client_new(const struct ctl_client_opts *o)
{
	struct ctl_client *c = xcalloc(1, sizeof *c);
	struct ctl_dial_opts d = { .server = o->server, .machine = o->machine, .version = o->version, .timeout_ms = o->timeout_ms,
				  .websocket = o->websocket };

	c->server = o->server;
	c->handler = o->handler;
	c->arg = o->arg;
	c->dial = ctl_dial_start(&d, dialed, c);
	return c;
}

void ctl_client_free(struct ctl_client **cp)
{
	struct ctl_client *c = *cp;

	if (!c)
		return;
	*cp = NULL;
	ctl_dial_cancel(&c->dial);
	while (c->calls)
		retire_call(c->calls);
	h2_client_free(&c->h2);
	loop_retire(c->server->loop, c);
}

bool ctl_client_is_open(const struct ctl_client *c)
{
	return c->h2 != NULL;
}

bool ctl_client_was_challenged(const struct ctl_client *c)
{
	return c->challenged;
}
