/* proto/requests.c -- see proto/requests.h. */
#include "proto/requests.h"

#include <stdio.h>
#include <strings.h>

#include "base/json_in.h"
#include "proto/proto_priv.h"

/* What the parses share: the object, the arena, and the first mistake. */
struct reader {
	struct json_object *o;
	struct arena *a;
	enum status s;
	struct err *err;
};

static void text(struct reader *r, const char *name, const char **out)
{
	*out = "";
	if (r->s == ST_OK)
		r->s = proto_text(r->o, name, SMALL_REQUEST_MAX, r->a, out, r->err);
}

static void node_key(struct reader *r, struct node_key *out)
{
	if (r->s == ST_OK)
		r->s = proto_key(r->o, "NodeKey", KEY_NODE, out->b, r->err);
}

static void version(struct reader *r, const char *name, uint32_t *out)
{
	if (r->s == ST_OK)
		r->s = proto_version(r->o, name, out, r->err);
}

static void integer(struct reader *r, const char *name, int64_t *out)
{
	if (r->s == ST_OK)
		r->s = json_get_i64(r->o, name, out, r->err);
}

static struct reader open_reader(struct bytes body, struct arena *a, struct err *err)
{
	struct reader r = { .a = a, .err = err };

	r.s = proto_object(body, SMALL_REQUEST_MAX, &r.o, err);
	return r;
}

static enum status close_reader(struct reader *r)
{
	json_object_put(r->o);
	return r->s;
}

enum status health_request_parse(struct bytes body, struct arena *a, struct health_request *out, struct err *err)
{
	struct reader r = open_reader(body, a, err);
	struct health_request x = { 0 };

	text(&r, "Subsys", &x.subsys);
	text(&r, "Error", &x.error);
	node_key(&r, &x.node_key);
	if (r.s == ST_OK)
		*out = x;
	return close_reader(&r);
}

enum status audit_request_parse(struct bytes body, struct arena *a, struct audit_request *out, struct err *err)
{
	struct reader r = open_reader(body, a, err);
	struct audit_request x = { 0 };

	version(&r, "Version", &x.version);
	node_key(&r, &x.node_key);
	text(&r, "Action", &x.action);
	text(&r, "Details", &x.details);
	if (r.s == ST_OK)
		*out = x;
	return close_reader(&r);
}

enum status feature_request_parse(struct bytes body, struct arena *a, struct feature_request *out, struct err *err)
{
	struct reader r = open_reader(body, a, err);
	struct feature_request x = { 0 };

	text(&r, "Feature", &x.feature);
	node_key(&r, &x.node_key);
	if (r.s == ST_OK)
		*out = x;
	return close_reader(&r);
}

enum status dns_request_parse(struct bytes body, struct arena *a, struct dns_request *out, struct err *err)
{
	struct reader r = open_reader(body, a, err);
	struct dns_request x = { 0 };

	version(&r, "Version", &x.version);
	node_key(&r, &x.node_key);
	text(&r, "Name", &x.name);
	text(&r, "Type", &x.type);
	text(&r, "Value", &x.value);
	if (r.s == ST_OK)
		*out = x;
	return close_reader(&r);
}

enum status ping_response_parse(struct bytes body, struct arena *a, struct ping_response *out, struct err *err)
{
	struct reader r = open_reader(body, a, err);
	struct ping_response x = { 0 };
	struct json_object *latency;

	text(&r, "Type", &x.type);
	text(&r, "IP", &x.ip);
	text(&r, "NodeIP", &x.node_ip);
	text(&r, "NodeName", &x.node_name);
	text(&r, "Err", &x.error);
	text(&r, "Endpoint", &x.endpoint);
	text(&r, "PeerRelay", &x.peer_relay);
	text(&r, "DERPRegionCode", &x.derp_region_code);
	integer(&r, "DERPRegionID", &x.derp_region);
	if (r.s == ST_OK)
		r.s = json_get_bool(r.o, "IsLocalIP", &x.is_local_ip, err);
	if (r.s == ST_OK) {
		latency = proto_member(r.o, "LatencySeconds");
		if (json_object_is_type(latency, json_type_double) || json_object_is_type(latency, json_type_int))
			x.latency_s = json_object_get_double(latency);
		*out = x;
	}
	return close_reader(&r);
}

enum status ssh_event_parse(struct bytes body, struct arena *a, struct ssh_event *out, struct err *err)
{
	struct reader r = open_reader(body, a, err);
	struct ssh_event x = { 0 };
	int64_t src = 0;

	integer(&r, "EventType", &x.type);
	text(&r, "ConnectionID", &x.connection);
	text(&r, "SSHUser", &x.ssh_user);
	text(&r, "LocalUser", &x.local_user);
	node_key(&r, &x.node_key);
	integer(&r, "SrcNode", &src);
	x.src = src > 0 ? (node_id)src : 0;
	if (r.s == ST_OK)
		*out = x;
	return close_reader(&r);
}

void ssh_action_write(const struct ssh_action *x, struct jw *w)
{
	jw_obj_begin(w);
	if (x->message != NULL)
		jw_kstr(w, "message", x->message);
	if (x->reject)
		jw_kbool(w, "reject", true);
	if (x->accept)
		jw_kbool(w, "accept", true);
	if (x->duration_ns > 0)
		jw_ki64(w, "sessionDuration", x->duration_ns);
	if (x->agent_forwarding)
		jw_kbool(w, "allowAgentForwarding", true);
	if (x->hold_url != NULL)
		jw_kstr(w, "holdAndDelegate", x->hold_url);
	if (x->local_forwarding)
		jw_kbool(w, "allowLocalPortForwarding", true);
	if (x->remote_forwarding)
		jw_kbool(w, "allowRemotePortForwarding", true);
	jw_obj_end(w);
}

/* ---- c2n ---- */

void c2n_request_encode(const struct c2n_request *r, struct buf *b)
{
	buf_printf(b, "%s %s HTTP/1.1\r\nHost: c2n\r\n", r->method, r->path);
	if (r->timeout_s > 0)
		buf_printf(b, "C2n-Handler-Timeout: %us\r\n", r->timeout_s);
	if (r->body.n > 0)
		buf_printf(b, "Content-Length: %zu\r\n", r->body.n);
	buf_put_str(b, "\r\n");
	buf_put_bytes(b, r->body);
}

/* The line at the front, without its end; false if there is no whole one. */
static bool take_line(struct bytes *in, struct bytes *line)
{
	const uint8_t *nl = in->n > 0 ? memchr(in->p, '\n', in->n) : NULL;
	size_t n;

	if (nl == NULL)
		return false;
	n = (size_t)(nl - in->p);
	*line = bytes_of(in->p, n > 0 && in->p[n - 1] == '\r' ? n - 1 : n);
	*in = bytes_skip(*in, n + 1);
	return true;
}

static bool number(struct bytes t, unsigned base, size_t max, size_t *out)
{
	size_t v = 0;

	if (t.n == 0)
		return false;
	for (size_t i = 0; i < t.n; i++) {
		unsigned c = t.p[i], d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;

		if (d >= base || v > (max - d) / base)
			return false;
		v = v * base + d;
	}
	*out = v;
	return true;
}

static struct bytes trim(struct bytes t)
{
	while (t.n > 0 && (t.p[0] == ' ' || t.p[0] == '\t'))
		t = bytes_skip(t, 1);
	while (t.n > 0 && (t.p[t.n - 1] == ' ' || t.p[t.n - 1] == '\t'))
		t.n--;
	return t;
}

static bool read_chunks(struct bytes in, struct arena *a, struct bytes *out)
{
	uint8_t *p = arena_alloc(a, in.n);
	struct bytes line;
	size_t n = 0, len;

	for (;;) {
		const uint8_t *semi;

		if (!take_line(&in, &line))
			return false;
		semi = line.n > 0 ? memchr(line.p, ';', line.n) : NULL;
		if (semi != NULL)
			line.n = (size_t)(semi - line.p);
		if (!number(trim(line), 16, in.n, &len) || len > in.n)
			return false;
		if (len == 0)
			break;
		memcpy(p + n, in.p, len);
		n += len;
		in = bytes_skip(in, len);
		if (!take_line(&in, &line) || line.n > 0)
			return false;
	}
	*out = bytes_of(p, n);
	return true;
}

struct reply_head {
	bool chunked, has_length;
	size_t length;
};

static bool read_head(struct bytes *in, struct reply_head *h)
{
	struct bytes line;

	for (;;) {
		const uint8_t *colon;
		struct bytes name, value;

		if (!take_line(in, &line))
			return false;
		if (line.n == 0)
			return true;
		colon = memchr(line.p, ':', line.n);
		if (colon == NULL)
			return false;
		name = bytes_of(line.p, (size_t)(colon - line.p));
		value = trim(bytes_skip(line, name.n + 1));
		if (bytes_ieq_str(name, "transfer-encoding"))
			h->chunked = bytes_ieq_str(value, "chunked");
		else if (bytes_ieq_str(name, "content-length")) {
			if (!number(value, 10, SIZE_MAX / 2, &h->length))
				return false;
			h->has_length = true;
		}
	}
}

enum status c2n_reply_parse(struct bytes in, struct arena *a, struct c2n_reply *out, struct err *err)
{
	struct reply_head h = { 0 };
	struct bytes line;
	struct c2n_reply r;
	size_t status = 0;

	if (!take_line(&in, &line) || line.n < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 || line.p[8] != ' ' ||
	    (line.n > 12 && line.p[12] != ' ') || !number(bytes_of(line.p + 9, 3), 10, 999, &status) || status < 100) {
		err_set(err, "no HTTP status line");
		return ST_BAD_INPUT;
	}
	r = (struct c2n_reply){ .status = (int)status };
	if (!read_head(&in, &h)) {
		err_set(err, "malformed HTTP headers");
		return ST_BAD_INPUT;
	}
	if (h.chunked ? !read_chunks(in, a, &in) : h.has_length && h.length > in.n) {
		err_set(err, "the body is cut");
		return ST_BAD_INPUT;
	}
	r.body = h.has_length && !h.chunked ? bytes_of(in.p, h.length) : in;
	*out = r;
	return ST_OK;
}
