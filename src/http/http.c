/* http/http.c -- see http/http.h: what does not depend on the version of the protocol. */
#include "http/http.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "http/http_priv.h"
#include "net/counters.h"

/* ---- reading ---- */

const char *http_req_header(const struct http_req *r, const char *name)
{
	for (size_t i = 0; i < r->n_headers; i++)
		if (strcmp(r->headers[i].name, name) == 0)
			return r->headers[i].value;
	return NULL;
}

static bool list_has(const char *list, const char *token)
{
	size_t len = strlen(token);

	while (*list) {
		size_t n;

		list += strspn(list, " \t,");
		n = strcspn(list, ",");
		while (n && (list[n - 1] == ' ' || list[n - 1] == '\t'))
			n--;
		if (n == len && bytes_ieq_str(bytes_of(list, n), token))
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

bool http_req_header_has(const struct http_req *r, const char *name, const char *token)
{
	for (size_t i = 0; i < r->n_headers; i++)
		if (strcmp(r->headers[i].name, name) == 0 && list_has(r->headers[i].value, token))
			return true;
	return false;
}

const char *http_req_param(const struct http_req *r, const char *name)
{
	for (size_t i = 0; i < r->n_params; i++)
		if (strcmp(r->params[i].name, name) == 0)
			return r->params[i].value;
	return NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *http_decode(struct arena *a, const char *p, size_t n, bool plus)
{
	char *out = arena_alloc(a, n + 1), *o = out;

	for (size_t i = 0; i < n; i++) {
		int hi, lo;

		if (p[i] == '+' && plus) {
			*o++ = ' ';
			continue;
		}
		if (p[i] != '%') {
			*o++ = p[i];
			continue;
		}
		if (n - i < 3)
			return NULL;
		hi = hex_digit(p[i + 1]);
		lo = hex_digit(p[i + 2]);
		if (hi < 0 || lo < 0 || (hi | lo) == 0)
			return NULL;
		*o++ = (char)(hi << 4 | lo);
		i += 2;
	}
	*o = 0;
	return out;
}

/* Pairs of a query or a form. What is malformed is left out. */
static size_t parse_pairs(struct arena *a, const char *p, size_t n, const struct http_pair **out)
{
	struct http_pair *v;
	size_t max = 1, count = 0;

	for (size_t i = 0; i < n && max < HTTP_PAIRS_MAX; i++)
		max += p[i] == '&';
	v = ARENA_ARRAY(a, struct http_pair, max);
	while (n && count < max) {
		const char *amp = memchr(p, '&', n);
		size_t len = amp ? (size_t)(amp - p) : n;
		const char *eq = memchr(p, '=', len);
		size_t name_n = eq ? (size_t)(eq - p) : len;

		if (len) {
			v[count].name = http_decode(a, p, name_n, true);
			v[count].value = eq ? http_decode(a, eq + 1, len - name_n - 1, true) : "";
			count += v[count].name && v[count].value;
		}
		p += len + (amp ? 1 : 0);
		n -= len + (amp ? 1 : 0);
	}
	*out = v;
	return count;
}

size_t http_req_query_all(const struct http_req *r, const struct http_pair **out)
{
	return parse_pairs(r->arena, r->query, strlen(r->query), out);
}

const char *http_req_query(const struct http_req *r, const char *name)
{
	const struct http_pair *v;
	size_t n = http_req_query_all(r, &v);

	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].name, name) == 0)
			return v[i].value;
	return NULL;
}

size_t http_req_form(const struct http_req *r, const struct http_pair **out)
{
	const char *type = http_req_header(r, "content-type");

	*out = NULL;
	if (!type || strncasecmp(type, "application/x-www-form-urlencoded", 33) != 0 || (type[33] && !strchr("; \t", type[33])))
		return 0;
	return parse_pairs(r->arena, (const char *)r->body.p, r->body.n, out);
}

const char *http_req_cookie(const struct http_req *r, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < r->n_headers; i++) {
		const char *p = r->headers[i].value;

		if (strcmp(r->headers[i].name, "cookie") != 0)
			continue;
		while (*p) {
			size_t n;

			p += strspn(p, "; \t");
			n = strcspn(p, ";");
			if (n > len && p[len] == '=' && memcmp(p, name, len) == 0) {
				size_t v = n - len - 1;

				while (v && (p[len + v] == ' ' || p[len + v] == '\t'))
					v--;
				return arena_strndup(r->arena, p + len + 1, v);
			}
			p += n;
		}
	}
	return NULL;
}

void http_req_drop_body(struct http_req *r)
{
	r->body = (struct bytes){ 0 };
	r->ops->drop_body(r);
}

/* ---- filling in ---- */

bool http_value_ok(const char *v)
{
	for (; *v; v++)
		if (((unsigned char)*v < 0x20 && *v != '\t') || *v == 0x7f)
			return false;
	return true;
}

enum status http_req_set_target(struct http_req *r, const char *t)
{
	const char *end, *q;

	if (strncasecmp(t, "http://", 7) == 0 || strncasecmp(t, "https://", 8) == 0) {
		t = strstr(t, "//") + 2; /* as sent to a proxy */
		t += strcspn(t, "/?#");
		if (*t != '/')
			t = *t ? arena_printf(r->arena, "/%s", t) : "/";
	}
	if (*t != '/' && strcmp(t, "*") != 0)
		return ST_BAD_INPUT;
	for (const char *p = t; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f)
			return ST_BAD_INPUT;
	end = t + strcspn(t, "#");
	q = memchr(t, '?', (size_t)(end - t));
	r->raw_path = arena_strndup(r->arena, t, (size_t)((q ? q : end) - t));
	r->query = q ? arena_strndup(r->arena, q + 1, (size_t)(end - q - 1)) : "";
	r->path = http_decode(r->arena, r->raw_path, strlen(r->raw_path), false);
	return r->path ? ST_OK : ST_BAD_INPUT;
}

/* The rightmost address of all X-Forwarded-For headers that is no proxy. */
static bool forwarded_for(const struct http_req *r, bool (*is_proxy)(void *arg, const struct net_addr *a), void *arg,
			  struct net_addr *out)
{
	for (size_t i = r->n_headers; i-- > 0;) {
		const char *v = r->headers[i].value;
		size_t end = strlen(v);

		if (strcmp(r->headers[i].name, "x-forwarded-for") != 0)
			continue;
		while (end) {
			size_t from = end, to = end;
			struct net_addr a;

			while (from && v[from - 1] != ',')
				from--;
			end = from ? from - 1 : 0;
			while (from < to && (v[from] == ' ' || v[from] == '\t'))
				from++;
			while (to > from && (v[to - 1] == ' ' || v[to - 1] == '\t'))
				to--;
			if (net_addr_parse(bytes_of(v + from, to - from), 0, &a) != ST_OK)
				return false; /* what stands further left is anybody's word */
			if (is_proxy(arg, &a))
				continue;
			*out = a;
			return true;
		}
	}
	return false;
}

struct net_addr http_client_addr(const struct http_req *r, bool (*is_proxy)(void *arg, const struct net_addr *a), void *arg)
{
	static const char *const single[] = { "true-client-ip", "x-real-ip" };
	struct net_addr a;

	if (!is_proxy || !is_proxy(arg, &r->conn->remote))
		return r->conn->remote;
	for (size_t i = 0; i < sizeof single / sizeof *single; i++) {
		const char *v = http_req_header(r, single[i]);

		if (v && net_addr_parse(bytes_of_str(v), 0, &a) == ST_OK)
			return a;
	}
	return forwarded_for(r, is_proxy, arg, &a) ? a : r->conn->remote;
}

void http_req_set_client(struct http_req *r, const struct http_server *srv)
{
	const struct http_server_opts *o = &srv->opts;
	const char *proto;

	r->client = http_client_addr(r, o->is_proxy, o->is_proxy_arg);
	r->secure = r->conn->tls;
	proto = http_req_header(r, "x-forwarded-proto");
	if (proto && strcasecmp(proto, "https") == 0 && o->is_proxy && o->is_proxy(o->is_proxy_arg, &r->conn->remote))
		r->secure = true;
}

/* ---- answering ---- */

void http_resp_header(struct http_req *r, const char *name, const char *value)
{
	assert(!r->started);
	if (!http_value_ok(value) || !http_value_ok(name))
		return;
	if (r->n_out_headers == r->cap_out_headers) {
		size_t cap = r->cap_out_headers ? r->cap_out_headers * 2 : 8;
		struct http_header *v = ARENA_ARRAY(r->arena, struct http_header, cap);

		if (r->n_out_headers)
			memcpy(v, r->out_headers, r->n_out_headers * sizeof *v);
		r->out_headers = v;
		r->cap_out_headers = cap;
	}
	r->out_headers[r->n_out_headers++] =
		(struct http_header){ arena_strdup(r->arena, name), arena_strdup(r->arena, value) };
}

static bool has_type(const struct http_req *r)
{
	for (size_t i = 0; i < r->n_out_headers; i++)
		if (strcasecmp(r->out_headers[i].name, "content-type") == 0)
			return true;
	return false;
}

void http_respond(struct http_req *r, int status, const char *content_type, struct bytes body)
{
	if (content_type && !has_type(r))
		http_resp_header(r, "Content-Type", content_type);
	r->started = r->ended = true;
	r->ops->respond(r, status, body, NULL);
}

void http_respond_shared(struct http_req *r, int status, const char *content_type, struct shared_bytes *body)
{
	if (content_type && !has_type(r))
		http_resp_header(r, "Content-Type", content_type);
	r->started = r->ended = true;
	r->ops->respond(r, status, shared_bytes_view(body), body);
}

void http_respond_text(struct http_req *r, int status, const char *text)
{
	char *line = arena_printf(r->arena, "%s\n", text);

	http_resp_header(r, "X-Content-Type-Options", "nosniff");
	http_respond(r, status, "text/plain; charset=utf-8", bytes_of_str(line));
}

void http_respond_redirect(struct http_req *r, int status, const char *location)
{
	http_resp_header(r, "Location", location);
	http_respond(r, status, NULL, (struct bytes){ 0 });
}

void http_respond_overload(struct http_req *r, int status, unsigned min_s, unsigned max_s)
{
	char value[16];

	net_count(NET_COUNT_HTTP_OVERLOAD);
	snprintf(value, sizeof value, "%u", min_s + (unsigned)random_below((uint64_t)(max_s - min_s) + 1));
	http_resp_header(r, "Retry-After", value);
	http_respond_text(r, status, status == 429 ? "too many requests" : "overloaded, come back later");
}

void http_resp_start(struct http_req *r, int status)
{
	assert(!r->started);
	r->started = true;
	r->ops->start(r, status);
}

void http_resp_write(struct http_req *r, struct bytes b)
{
	assert(r->started && !r->ended);
	if (b.n)
		r->ops->write(r, b, NULL);
}

void http_resp_write_shared(struct http_req *r, struct shared_bytes *b)
{
	assert(r->started && !r->ended);
	if (b->n)
		r->ops->write(r, shared_bytes_view(b), b);
}

void http_resp_end(struct http_req *r)
{
	assert(r->started && !r->ended);
	r->ended = true;
	r->ops->end(r);
}

void http_resp_abort(struct http_req *r)
{
	assert(!r->ended);
	r->ended = true;
	r->ops->abort(r, false);
}

void http_close_connection(struct http_req *r)
{
	assert(!r->ended);
	r->ended = true;
	r->ops->abort(r, true);
}

size_t http_resp_pending(const struct http_req *r)
{
	return r->ops->pending(r);
}

void http_on_drained(struct http_req *r, http_req_fn *fn, void *arg)
{
	r->drained = fn;
	r->drained_arg = arg;
}

void http_on_cancel(struct http_req *r, http_req_fn *fn, void *arg)
{
	r->cancel = fn;
	r->cancel_arg = arg;
}

enum status http_switch(struct http_req *r, const char *token, struct stream **stream_out)
{
	if (!r->ops->take || r->version != HTTP_V11)
		return ST_UNSUPPORTED;
	assert(!r->started);
	r->started = r->ended = true;
	*stream_out = r->ops->take(r, token);
	return ST_OK;
}

enum status http_take(struct http_req *r, struct stream **stream_out)
{
	if (!r->ops->take)
		return ST_UNSUPPORTED;
	assert(!r->started);
	r->started = r->ended = true;
	*stream_out = r->ops->take(r, NULL);
	return ST_OK;
}

bool http_has_body(const struct http_req *r, int status)
{
	return status >= 200 && status != 204 && status != 304 && strcmp(r->method, "HEAD") != 0;
}

void http_req_done(struct http_req *r, const struct http_server *srv, int status, uint64_t begun_ms)
{
	if (srv && srv->opts.on_done)
		srv->opts.on_done(srv->opts.on_done_arg, r, status, loop_now_ms(r->loop) - begun_ms);
}

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 100, "Continue" }, { 101, "Switching Protocols" }, { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" },
		{ 204, "No Content" }, { 206, "Partial Content" }, { 301, "Moved Permanently" }, { 302, "Found" },
		{ 303, "See Other" }, { 304, "Not Modified" }, { 307, "Temporary Redirect" }, { 308, "Permanent Redirect" },
		{ 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 406, "Not Acceptable" }, { 408, "Request Timeout" }, { 409, "Conflict" },
		{ 410, "Gone" }, { 411, "Length Required" }, { 412, "Precondition Failed" }, { 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" }, { 417, "Expectation Failed" }, { 421, "Misdirected Request" },
		{ 422, "Unprocessable Content" }, { 426, "Upgrade Required" }, { 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" }, { 501, "Not Implemented" },
		{ 502, "Bad Gateway" }, { 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "";
}
