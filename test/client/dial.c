/* client/dial.c -- servers, and the way to a Noise channel; see client/client.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json_in.h"
#include "base/vec.h"
#include "client/client.h"
#include "http/client.h"
#include "http/websocket.h"
#include "noise/frame.h"
#include "noise/stream.h"

#define TIMEOUT_MS 30000u
#define HOST_MAX 300

/* --- servers ------------------------------------------------------------------------------ */

static enum status split_url(struct ctl_server *s, const char *url, bool *tls_out)
{
	bool tls = strncmp(url, "https://", 8) == 0;
	const char *at = url + (tls ? 8 : 7), *end;
	size_t n;

	if (!tls && strncmp(url, "http://", 7) != 0)
		return ST_BAD_INPUT;
	if (*at == '[') {
		end = strchr(++at, ']');
		n = end ? (size_t)(end - at) : 0;
		end = end ? end + 1 : at;
	} else {
		n = strcspn(at, ":/");
		end = at + n;
	}
	if (n == 0 || n >= sizeof s->host)
		return ST_BAD_INPUT;
	memcpy(s->host, at, n);
	s->host[n] = '\0';
	s->port = *end == ':' ? (uint16_t)atoi(end + 1) : tls ? 443 : 80;
	*tls_out = tls;
	return s->port ? ST_OK : ST_BAD_INPUT;
}

enum status ctl_server_init(struct ctl_server *s, struct loop *l, const char *url, struct err *err)
{
	struct net_tls_client_opts o = { .insecure = true };
	bool tls;
	enum status st;

	memset(s, 0, sizeof *s);
	s->loop = l;
	st = split_url(s, url, &tls);
	if (st != ST_OK) {
		err_set(err, "not a URL of a server: %s", url);
		return st;
	}
	s->numeric = net_addr_parse(bytes_of_str(s->host), s->port, &s->addr) == ST_OK;
	if (tls)
		st = net_tls_client_new(&o, &s->tls, err);
	if (st == ST_OK)
		s->decoder = map_decoder_new();
	return st;
}

void ctl_server_release(struct ctl_server *s)
{
	net_tls_client_free(&s->tls);
	map_decoder_free(&s->decoder);
}

static void host_header(const struct ctl_server *s, char out[static HOST_MAX])
{
	bool v6 = strchr(s->host, ':') != NULL;

	snprintf(out, HOST_MAX, "%s%s%s:%u", v6 ? "[" : "", s->host, v6 ? "]" : "", s->port);
}

static struct connect *start_connect(const struct ctl_server *s, uint32_t timeout_ms, connect_fn *fn, void *arg)
{
	struct connect_opts o = { .port = s->port, .tls = s->tls, .timeout_ms = timeout_ms };

	if (s->numeric)
		o.addr = &s->addr;
	else
		o.host = s->host;
	o.server_name = s->host;
	return connect_start(s->loop, &o, fn, arg);
}

/* --- one plain request -------------------------------------------------------------------- */

struct plain {
	struct ctl_server *server;
	struct http_client_req req;
	char host[HOST_MAX];
	struct http_client *http;
	struct connect *connect;
	struct ctl_reply *reply;
	enum status status;
	bool done;
};

static void plain_answer(void *arg, enum status s, const struct http_answer *a)
{
	struct plain *p = arg;

	p->status = s;
	p->done = true;
	if (s != ST_OK)
		return;
	p->reply->status = a->status;
	buf_put_bytes(&p->reply->body, a->body);
}

static void plain_connected(void *arg, enum status s, struct stream *stream, const struct err *err)
{
	struct plain *p = arg;

	(void)err;
	p->connect = NULL;
	if (s != ST_OK) {
		p->status = s;
		p->done = true;
		return;
	}
	p->http = http_client_new(stream);
	http_client_send(p->http, &p->req, plain_answer, p);
}

enum status ctl_http(struct ctl_server *s, const char *method, const char *target, const struct http_header *headers, size_t n_headers,
		     struct bytes body, unsigned timeout_ms, struct ctl_reply *reply_out)
{
	struct ctl_reply reply = { 0 };
	struct plain p = { .server = s, .reply = &reply, .status = ST_TIMEOUT };

	buf_init(&reply.body, (size_t)64 << 20);
	host_header(s, p.host);
	p.req = (struct http_client_req){ .method = method, .target = target, .host = p.host, .headers = headers,
					  .n_headers = n_headers, .body = body, .timeout_ms = timeout_ms };
	p.connect = start_connect(s, timeout_ms, plain_connected, &p);
	loop_run_until(s->loop, &p.done, timeout_ms);
	connect_cancel(&p.connect);
	http_client_free(&p.http);
	if (p.status == ST_OK)
		*reply_out = reply;
	else
		buf_release(&reply.body);
	return p.status;
}

void ctl_reply_release(struct ctl_reply *r)
{
	buf_release(&r->body);
}

enum status ctl_server_fetch_key(struct ctl_server *s, unsigned timeout_ms, struct err *err)
{
	struct json_object *o = NULL;
	struct ctl_reply r;
	const char *text = "";
	char target[32];
	enum status st;

	snprintf(target, sizeof target, "/key?v=%u", CTL_VERSION);
	st = ctl_http(s, "GET", target, NULL, 0, bytes_of(NULL, 0), timeout_ms, &r);
	if (st != ST_OK) {
		err_set(err, "no answer to %s: %s", target, status_name(st));
		return st;
	}
	st = r.status == 200 ? json_parse(buf_bytes(&r.body), 65536, &o, err) : ST_BAD_INPUT;
	if (st == ST_OK)
		st = json_get_str(o, "publicKey", &text, err);
	if (st == ST_OK)
		st = machine_key_parse(bytes_of_str(text), &s->key);
	if (st != ST_OK)
		err_set(err, "no key in the answer to %s (status %d)", target, r.status);
	json_object_put(o);
	ctl_reply_release(&r);
	return st;
}

/* --- dialling ----------------------------------------------------------------------------- */

struct ctl_dial {
	struct ctl_server *server;
	struct noise_initiator noise;
	char header[BASE64_LEN(NOISE_INITIATION_LEN) + 1], host[HOST_MAX];
	char *own_header; /* instead; owned */
	bool raw, websocket;
	uint32_t timeout_ms;
	int http_status;
	ctl_dial_fn *fn;
	void *arg;
	/* One of these at a time. */
	struct connect *connect;
	struct http_client *http;
	struct stream *lower;
	struct buf in;
	struct loop_timer timer;
};

static void release(struct ctl_dial *d)
{
	loop_timer_cancel(&d->timer);
	connect_cancel(&d->connect);
	http_client_free(&d->http);
	stream_drop(&d->lower, false);
	noise_initiator_wipe(&d->noise);
	buf_release(&d->in);
	free(d->own_header);
	loop_retire(d->server->loop, d);
}

void ctl_dial_cancel(struct ctl_dial **d)
{
	if (*d)
		release(*d);
	*d = NULL;
}

/* The end: tell, and go. */
static void finish(struct ctl_dial *d, struct ctl_dialed *res)
{
	ctl_dial_fn *fn = d->fn;
	void *arg = d->arg;

	res->http_status = d->http_status;
	if (!res->why)
		res->why = status_name(res->status);
	loop_timer_cancel(&d->timer);
	fn(arg, res);
	release(d);
}

static void fail(struct ctl_dial *d, enum status s, const char *why)
{
	struct ctl_dialed res = { .status = s, .why = why };

	finish(d, &res);
}

static void read_response(struct ctl_dial *d)
{
	struct ctl_dialed res = { .status = ST_OK };
	struct noise_keys keys;

	res.status = noise_initiator_finish(&d->noise, bytes_of(d->in.p, NOISE_RESPONSE_LEN), &keys);
	if (res.status != ST_OK) {
		fail(d, res.status, "the response is not the server's");
		return;
	}
	stream_pause(d->lower);
	stream_set_handler(d->lower, NULL, NULL);
	if (d->in.n > NOISE_RESPONSE_LEN)
		stream_unread(d->lower, bytes_skip(buf_bytes(&d->in), NOISE_RESPONSE_LEN));
	stream_set_deadline(d->lower, 0);
	res.keys = &keys;
	res.stream = d->raw ? d->lower : noise_stream_new(d->lower, &keys);
	d->lower = NULL;
	finish(d, &res);
	noise_keys_wipe(&keys);
}

static void response_data(void *arg, struct bytes data)
{
	struct ctl_dial *d = arg;
	size_t len;

	buf_put_bytes(&d->in, data);
	if (d->in.n < NOISE_HEADER_LEN)
		return;
	len = NOISE_HEADER_LEN + ((size_t)d->in.p[1] << 8 | d->in.p[2]);
	if (d->in.p[0] == NOISE_ERROR && d->in.n >= len) {
		char text[256];

		snprintf(text, sizeof text, "%.*s", (int)(len - NOISE_HEADER_LEN), (const char *)d->in.p + NOISE_HEADER_LEN);
		fail(d, ST_DENIED, text);
	} else if (d->in.p[0] != NOISE_ERROR && d->in.n >= NOISE_RESPONSE_LEN) {
		read_response(d);
	}
}

static void response_closed(void *arg, enum stream_end why)
{
	struct ctl_dial *d = arg;

	d->lower = NULL;
	fail(d, ST_CLOSED, stream_end_name(why));
}

static const struct stream_handler response_handler = { .data = response_data, .closed = response_closed };

#define WS_KEY "dGhlIHNhbXBsZSBub25jZQ=="

/* A WebSocket's answer names our key and the protocol that we asked for. */
static bool accepted(const struct ctl_dial *d, const struct http_answer *a)
{
	const char *accept = http_answer_header(a, "sec-websocket-accept"), *protocol = http_answer_header(a, "sec-websocket-protocol");
	char want[WS_ACCEPT_LEN + 1];

	if (!d->websocket)
		return true;
	ws_accept_key(WS_KEY, want);
	return accept && protocol && strcmp(accept, want) == 0 && strcmp(protocol, "tailscale-control-protocol") == 0;
}

/* The handshake in the query, escaped where base64 needs it. */
static void websocket_target(const char *header, struct buf *out)
{
	buf_put_str(out, "/ts2021?X-Tailscale-Handshake=");
	for (; *header; header++)
		if (strchr("+/=", *header))
			buf_printf(out, "%%%02X", (unsigned)*header);
		else
			buf_put_char(out, *header);
	buf_put_char(out, '\0');
}

static void upgraded(void *arg, enum status s, const struct http_answer *a)
{
	struct ctl_dial *d = arg;
	const char *token = a ? http_answer_header(a, "upgrade") : NULL;

	if (s != ST_OK) {
		fail(d, s, "no answer to the upgrade");
		return;
	}
	d->http_status = a->status;
	if (a->status != 101) {
		char text[256];

		snprintf(text, sizeof text, "%.*s", (int)(a->body.n < 200 ? a->body.n : 200), (const char *)a->body.p);
		fail(d, ST_DENIED, text);
		return;
	}
	if (!token || strcmp(token, d->websocket ? "websocket" : "tailscale-control-protocol") != 0 || !accepted(d, a)) {
		fail(d, ST_BAD_INPUT, "another Upgrade was answered");
		return;
	}
	d->lower = http_client_take(&d->http);
	if (d->websocket)
		d->lower = ws_client(d->lower);
	stream_start(d->lower, &response_handler, d);
}

static void connected(void *arg, enum status s, struct stream *stream, const struct err *err)
{
	struct ctl_dial *d = arg;
	const struct http_header headers[] = {
		{ "upgrade", "tailscale-control-protocol" },
		{ "connection", "upgrade" },
		{ "x-tailscale-handshake", d->own_header ? d->own_header : d->header },
	};
	struct http_client_req req = { .method = "POST", .target = "/ts2021", .host = d->host, .headers = headers, .n_headers = 3,
				       .timeout_ms = d->timeout_ms };
	const struct http_header ws_headers[] = {
		{ "upgrade", "websocket" },
		{ "connection", "upgrade" },
		{ "sec-websocket-version", "13" },
		{ "sec-websocket-key", WS_KEY },
		{ "sec-websocket-protocol", "tailscale-control-protocol" },
	};
	struct buf target;

	d->connect = NULL;
	if (s != ST_OK) {
		fail(d, s, err ? err->text : NULL);
		return;
	}
	buf_init(&target, 4096);
	if (d->websocket) {
		websocket_target(d->own_header ? d->own_header : d->header, &target);
		req = (struct http_client_req){ .method = "GET", .target = (const char *)target.p, .host = d->host, .headers = ws_headers,
						.n_headers = 5, .timeout_ms = d->timeout_ms };
	}
	d->http = http_client_new(stream);
	http_client_send(d->http, &req, upgraded, d);
	buf_release(&target);
}

static void late(void *arg)
{
	fail(arg, ST_TIMEOUT, "no Noise channel in time");
}

struct ctl_dial *ctl_dial_start(const struct ctl_dial_opts *o, ctl_dial_fn *fn, void *arg)
{
	struct ctl_dial *d = xcalloc(1, sizeof *d);
	uint8_t initiation[NOISE_INITIATION_LEN];
	uint16_t version = o->version ? o->version : CTL_VERSION;

	d->server = o->server;
	d->raw = o->raw;
	d->websocket = o->websocket;
	d->own_header = xstrdup(o->header);
	d->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS;
	d->fn = fn;
	d->arg = arg;
	buf_init(&d->in, (size_t)1 << 20);
	host_header(d->server, d->host);
	loop_timer_init(&d->timer, o->server->loop, late, d);
	loop_timer_start(&d->timer, d->timeout_ms);
	if (noise_initiate(&d->noise, version, o->machine, NULL, &o->server->key, initiation) == ST_OK)
		base64_encode(bytes_of(initiation, sizeof initiation), d->header);
	d->connect = start_connect(d->server, d->timeout_ms, connected, d);
	return d;
}
