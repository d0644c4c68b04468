/* net/connect.c -- see net/connect.h. */
#include "net/connect.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "base/vec.h"
#include "net/tcp_priv.h"
#include "net/tls.h"

#define TIMEOUT_MS 10000u

/* States: looking up (dns set), connecting (tcp set), in TLS (tls set), over (fn NULL). */
struct connect {
	struct loop *loop;
	connect_fn *fn;
	void *arg;
	struct net_tls_client *tls_client;
	char *name;              /* for TLS and for people */
	struct loop_timer timer;
	struct loop_task begin;
	struct addrinfo *found, *next;
	struct net_addr addr;
	char *unix_path;         /* one of these two, unless addr is set */
	char *host;
	uint16_t port;
	bool looking_up;
	unsigned busy;           /* libuv requests under way: memory stays until they are back */
	uv_getaddrinfo_t dns;
	uv_connect_t req;
	struct tcp *tcp;
	struct stream *tls;
	struct err err;
};

static void release(void *arg)
{
	struct connect *c = arg;

	if (c->busy)
		return;
	uv_freeaddrinfo(c->found);
	free(c->name);
	free(c->unix_path);
	free(c->host);
	free(c);
}

static void let_go(struct connect *c)
{
	struct stream *s = c->tls ? c->tls : c->tcp ? &c->tcp->s : NULL;

	c->fn = NULL;
	c->tls = NULL;
	c->tcp = NULL;
	loop_timer_cancel(&c->timer);
	loop_task_cancel(&c->begin);
	stream_drop(&s, false);
	if (!c->busy)
		loop_defer(c->loop, release, c);
	else if (c->looking_up)
		uv_cancel((uv_req_t *)&c->dns);
}

static void over(struct connect *c, enum status s, struct stream *stream)
{
	connect_fn *fn = c->fn;
	void *arg = c->arg;
	struct err err = c->err;

	if (stream) {
		c->tls = NULL;
		c->tcp = NULL;
	}
	let_go(c);
	fn(arg, s, stream, &err);
}

static void on_timeout(void *arg)
{
	struct connect *c = arg;

	err_set(&c->err, "%s: no answer in time", c->name);
	over(c, ST_TIMEOUT, NULL);
}

static void on_tls(void *arg, enum status s, const char *why)
{
	struct connect *c = arg;

	if (!c->fn)
		return;
	if (s != ST_OK) {
		err_set(&c->err, "%s: TLS: %s", c->name, why);
		over(c, s, NULL);
		return;
	}
	over(c, ST_OK, c->tls);
}

static void connected(struct connect *c)
{
	struct tcp *t = c->tcp;

	tcp_connected(t);
	if (!c->tls_client) {
		over(c, ST_OK, &t->s);
		return;
	}
	c->tcp = NULL;
	c->tls = net_tls_connect(c->tls_client, &t->s, c->name, on_tls, c);
}

static void try_next(struct connect *c);

static void on_connect(uv_connect_t *req, int status)
{
	struct connect *c = req->data;

	c->busy--;
	if (!c->fn) {
		release(c);
		return;
	}
	if (status == 0) {
		connected(c);
		return;
	}
	err_set(&c->err, "%s: %s", c->name, uv_strerror(status));
	tcp_discard(c->tcp);
	c->tcp = NULL;
	try_next(c);
}

static void try_addr(struct connect *c, const struct net_addr *a)
{
	int rc;

	c->tcp = tcp_new(c->loop, false);
	c->req.data = c;
	rc = uv_tcp_connect(&c->req, &c->tcp->uv.tcp, &a->sa, on_connect);
	if (rc == 0) {
		c->busy++;
		return;
	}
	err_set(&c->err, "%s: %s", c->name, uv_strerror(rc));
	tcp_discard(c->tcp);
	c->tcp = NULL;
	try_next(c);
}

static void try_next(struct connect *c)
{
	struct net_addr a;

	while (c->next) {
		struct addrinfo *ai = c->next;

		c->next = ai->ai_next;
		a = net_addr_of(ai->ai_addr, ai->ai_addrlen);
		if (net_addr_family(&a) == AF_UNSPEC)
			continue;
		try_addr(c, &a);
		return;
	}
	over(c, ST_IO, NULL);
}

static void on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
	struct connect *c = req->data;

	c->busy--;
	c->looking_up = false;
	c->found = c->next = res;
	if (!c->fn) {
		release(c);
	} else if (status != 0) {
		err_set(&c->err, "%s: %s", c->name, uv_strerror(status));
		over(c, status == UV_EAI_NONAME || status == UV_EAI_NODATA ? ST_NOT_FOUND : ST_IO, NULL);
	} else {
		try_next(c);
	}
}

static void look_up(struct connect *c)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	char port[8];
	int rc;

	snprintf(port, sizeof port, "%u", c->port);
	c->dns.data = c;
	rc = uv_getaddrinfo(loop_uv(c->loop), &c->dns, on_found, c->host, port, &hints);
	if (rc == 0) {
		c->busy++;
		c->looking_up = true;
		return;
	}
	err_set(&c->err, "%s: %s", c->name, uv_strerror(rc));
	over(c, ST_NOT_FOUND, NULL);
}

static void begin_local(struct connect *c)
{
	c->tcp = tcp_new(c->loop, true);
	c->req.data = c;
	c->busy++;
	uv_pipe_connect(&c->req, &c->tcp->uv.pipe, c->unix_path, on_connect);
}

static void begin(void *arg)
{
	struct connect *c = arg;

	if (net_addr_family(&c->addr) != AF_UNSPEC)
		try_addr(c, &c->addr);
	else if (c->host)
		look_up(c);
	else
		begin_local(c);
}

struct connect *connect_start(struct loop *l, const struct connect_opts *o, connect_fn *fn, void *arg)
{
	struct connect *c = xcalloc(1, sizeof *c);
	char text[NET_ADDR_TEXT_MAX] = "";

	loop_assert(l);
	c->loop = l;
	c->fn = fn;
	c->arg = arg;
	c->tls_client = o->tls;
	if (o->addr)
		net_addr_format_port(o->addr, text);
	c->name = xstrdup(o->tls && o->server_name ? o->server_name : o->host ? o->host : o->unix_path ? o->unix_path : text);
	if (o->addr)
		c->addr = *o->addr;
	else if (!o->host)
		c->unix_path = xstrdup(o->unix_path);
	else if (net_addr_parse(bytes_of_str(o->host), o->port, &c->addr) != ST_OK)
		c->host = xstrdup(o->host);
	c->port = o->port;
	loop_timer_init(&c->timer, l, on_timeout, c);
	loop_timer_start(&c->timer, o->timeout_ms ? o->timeout_ms : TIMEOUT_MS);
	loop_task_init(&c->begin, l, begin, c);
	loop_task_queue(&c->begin);
	return c;
}

void connect_cancel(struct connect **cp)
{
	struct connect *c = *cp;

	*cp = NULL;
	if (c && c->fn)
		let_go(c);
}
