/* http/h1_parser.c -- see http/h1_parser.h. */
#include "http/h1_parser.h"

#include <stdlib.h>

#include "base/vec.h"

#include <http_parser.h>

struct h1_parser {
	http_parser p;
	const struct h1_events *ev;
	void *arg;
	struct h1_head head;
	enum status failed; /* what a callback said */
	bool complete, begun;
};

static int give(struct h1_parser *p, enum status s)
{
	p->failed = s;
	return s == ST_OK ? 0 : -1;
}

static int on_begin(http_parser *h)
{
	((struct h1_parser *)h->data)->begun = true;
	return 0;
}

static int on_url(http_parser *h, const char *at, size_t n)
{
	struct h1_parser *p = h->data;

	return give(p, p->ev->target(p->arg, bytes_of(at, n)));
}

static int on_field(http_parser *h, const char *at, size_t n)
{
	struct h1_parser *p = h->data;

	return give(p, p->ev->name(p->arg, bytes_of(at, n)));
}

static int on_value(http_parser *h, const char *at, size_t n)
{
	struct h1_parser *p = h->data;

	return give(p, p->ev->value(p->arg, bytes_of(at, n)));
}

static int on_head(http_parser *h)
{
	struct h1_parser *p = h->data;
	bool skip = false;
	enum status s;

	p->head = (struct h1_head){
		.method = h->type == HTTP_REQUEST ? http_method_str(h->method) : NULL,
		.status = (int)h->status_code,
		.major = h->http_major,
		.minor = h->http_minor,
		.keep = http_should_keep_alive(h) != 0,
		.upgrade = h->upgrade,
		.has_length = h->content_length != UINT64_MAX,
		.length = h->content_length == UINT64_MAX ? 0 : h->content_length,
	};
	s = p->ev->head(p->arg, &skip);
	if (give(p, s) != 0)
		return -1;
	return skip ? 1 : 0;
}

static int on_body(http_parser *h, const char *at, size_t n)
{
	struct h1_parser *p = h->data;

	return give(p, p->ev->body(p->arg, bytes_of(at, n)));
}

static int on_complete(http_parser *h)
{
	struct h1_parser *p = h->data;

	p->complete = true;
	p->begun = false;
	http_parser_pause(h, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_message_begin = on_begin,
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

struct h1_parser *h1_parser_new(bool requests, const struct h1_events *ev, void *arg)
{
	struct h1_parser *p = xcalloc(1, sizeof *p);

	http_parser_init(&p->p, requests ? HTTP_REQUEST : HTTP_RESPONSE);
	p->p.data = p;
	p->ev = ev;
	p->arg = arg;
	return p;
}

void h1_parser_free(struct h1_parser **p)
{
	free(*p);
	*p = NULL;
}

enum status h1_parser_feed(struct h1_parser *p, struct bytes in, size_t *used_out)
{
	size_t used;

	if (HTTP_PARSER_ERRNO(&p->p) == HPE_PAUSED)
		http_parser_pause(&p->p, 0);
	p->complete = false;
	p->failed = ST_OK;
	*used_out = 0;
	if (in.n == 0)
		return ST_AGAIN; /* to the parser that would mean the end */
	used = http_parser_execute(&p->p, &settings, (const char *)in.p, in.n);
	*used_out = used;
	if (p->failed != ST_OK)
		return p->failed;
	if (p->complete)
		return ST_OK;
	if (HTTP_PARSER_ERRNO(&p->p) == HPE_HEADER_OVERFLOW)
		return ST_TOO_BIG;
	if (HTTP_PARSER_ERRNO(&p->p) != HPE_OK || used != in.n)
		return ST_BAD_INPUT;
	return ST_AGAIN;
}

enum status h1_parser_finish(struct h1_parser *p)
{
	if (HTTP_PARSER_ERRNO(&p->p) == HPE_PAUSED)
		http_parser_pause(&p->p, 0);
	if (!p->begun)
		return ST_CLOSED;
	p->complete = false;
	p->failed = ST_OK;
	http_parser_execute(&p->p, &settings, "", 0);
	return p->complete ? ST_OK : ST_BAD_INPUT;
}

const struct h1_head *h1_parser_head(const struct h1_parser *p)
{
	return &p->head;
}
