/*
 * derp/status.c -- see derp/status.h.
 *
 * The list arrives on loop 0, the request may wait on another: the text is made on loop 0, where names can be looked up, and
 * posted. Meanwhile the asker may go away; then whoever is last frees what was made.
 */
#include "derp/status.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/vec.h"
#include "http/http.h"
#include "net/loop.h"

#define ANSWER_MAX ((size_t)32 << 20)

/* ---- the document ---- */

static void put_key(struct jw *w, const struct node_key *key)
{
	char text[KEY_TEXT_MAX], b64[BASE64_LEN(3 + 3) + 1], brief[16];

	node_key_format(key, text);
	base64_encode(bytes_of(key->b, 6), b64);
	snprintf(brief, sizeof brief, "[%.5s]", b64); /* as clients' logs have it */
	jw_kstr(w, "publicKey", text);
	jw_kstr(w, "shortKey", brief);
}

static void put_address(struct jw *w, const struct derp_conn_info *c)
{
	static const uint8_t v4[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, none[16];
	char ip[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 10] = "";

	if (memcmp(c->ip, v4, sizeof v4) == 0) {
		inet_ntop(AF_INET, c->ip + 12, ip, sizeof ip);
		snprintf(text, sizeof text, "%s:%u", ip, c->port);
	} else if (memcmp(c->ip, none, sizeof none) != 0) {
		inet_ntop(AF_INET6, c->ip, ip, sizeof ip);
		snprintf(text, sizeof text, "[%s]:%u", ip, c->port);
	}
	jw_kstr(w, "address", text);
}

static void put_conn_drops(struct jw *w, const struct derp_conn_info *c)
{
	jw_key(w, "drops");
	jw_obj_begin(w);
	for (int d = 0; d < DERP_DROP_COUNT; d++)
		if (c->drops[d])
			jw_ku64(w, derp_drop_name((enum derp_drop)d), c->drops[d]);
	jw_obj_end(w);
}

static void put_conn(const struct derp_status *st, struct jw *w, const struct derp_conn_info *c, int64_t now_ns)
{
	char id[24];

	jw_obj_begin(w);
	snprintf(id, sizeof id, "%016llx", (unsigned long long)c->id);
	jw_kstr(w, "id", id);
	if (st->node)
		st->node(st->arg, &c->key, w);
	put_key(w, &c->key);
	put_address(w, c);
	jw_kbool(w, "home", c->home);
	jw_kbool(w, "active", c->active);
	jw_kbool(w, "tls", c->tls);
	jw_kbool(w, "fastStart", c->fast_start);
	jw_kbool(w, "webSocket", c->websocket);
	jw_kbool(w, "mesh", c->flags & DERP_PRESENT_MESH);
	jw_kbool(w, "prober", c->flags & DERP_PRESENT_PROBER);
	jw_kbool(w, "notIdeal", c->flags & DERP_PRESENT_NOT_IDEAL);
	jw_kbool(w, "rateLimited", c->paused);
	if (c->app[0])
		jw_kstr(w, "app", c->app);
	jw_ku64(w, "loop", c->loop);
	jw_ktime(w, "connectedAt", now_ns - (int64_t)c->connected_ms * NS_PER_MS);
	jw_ku64(w, "connectedSeconds", c->connected_ms / 1000);
	jw_ku64(w, "packetsIn", c->packets_in);
	jw_ku64(w, "bytesIn", c->bytes_in);
	jw_ku64(w, "packetsOut", c->packets_out);
	jw_ku64(w, "bytesOut", c->bytes_out);
	jw_ku64(w, "queuedFrames", c->queued_frames);
	jw_ku64(w, "queuedBytes", c->queued_bytes);
	put_conn_drops(w, c);
	jw_obj_end(w);
}

static int busiest_first(const void *a, const void *b)
{
	const struct derp_conn_info *x = a, *y = b;
	uint64_t bx = x->bytes_in + x->bytes_out, by = y->bytes_in + y->bytes_out;

	if (bx != by)
		return bx < by ? 1 : -1;
	return (x->id > y->id) - (x->id < y->id);
}

static void put_conns(const struct derp_status *st, const struct derp_stats *stats, struct jw *w, struct derp_listing *l,
                      size_t limit, int64_t now_ns)
{
	size_t n = l->n_conns < limit ? l->n_conns : limit, all = l->n_conns;

	/* More were there than were looked at. (Gauges are of another moment, and count those not logged in.) */
	if (l->n_conns >= DERP_STATUS_GATHER && stats->conns - stats->logins_pending > (int64_t)all)
		all = (size_t)(stats->conns - stats->logins_pending);
	if (l->n_conns > 0)
		qsort(l->conns, l->n_conns, sizeof *l->conns, busiest_first);
	jw_key(w, "connections");
	jw_arr_begin(w);
	for (size_t i = 0; i < n; i++)
		put_conn(st, w, &l->conns[i], now_ns);
	jw_arr_end(w);
	jw_ku64(w, "connectionsOmitted", all - n);
}

static void put_peers(struct jw *w, const struct derp_listing *l, int64_t now_ns)
{
	jw_key(w, "meshPeers");
	jw_arr_begin(w);
	for (size_t i = 0; i < l->n_peers; i++) {
		const struct derp_peer_info *p = &l->peers[i];
		jw_obj_begin(w);
		jw_kstr(w, "host", p->host);
		jw_kstr(w, "state", derp_peer_state_name(p->state));
		if (!node_key_is_zero(&p->key))
			put_key(w, &p->key);
		if (p->state == DERP_PEER_OPEN)
			jw_ktime(w, "connectedAt", now_ns - (int64_t)p->connected_ms * NS_PER_MS);
		jw_ku64(w, "packetsOut", p->packets_out);
		jw_ku64(w, "failures", p->failures);
		if (p->why[0])
			jw_kstr(w, "lastError", p->why);
		jw_obj_end(w);
	}
	jw_arr_end(w);
}

static void put_drops(struct jw *w, const struct derp_stats *s)
{
	jw_key(w, "drops");
	jw_obj_begin(w);
	for (int d = 0; d < DERP_DROP_COUNT; d++) {
		jw_key(w, derp_drop_name((enum derp_drop)d));
		jw_obj_begin(w);
		jw_ku64(w, "disco", s->drops[d].disco);
		jw_ku64(w, "other", s->drops[d].other);
		jw_ku64(w, "bytes", s->drops[d].bytes);
		jw_obj_end(w);
	}
	jw_obj_end(w);
	jw_key(w, "closes");
	jw_obj_begin(w);
	for (int c = 0; c < DERP_CLOSE_COUNT; c++)
		jw_ku64(w, derp_close_name((enum derp_close)c), s->closes[c]);
	jw_obj_end(w);
}

static void put_numbers(struct jw *w, const struct derp_stats *s)
{
	jw_key(w, "counters");
	jw_obj_begin(w);
#define X(name, help) jw_ku64(w, #name, s->n.name);
	DERP_COUNTERS(X)
#undef X
	jw_obj_end(w);
	jw_key(w, "gauges");
	jw_obj_begin(w);
#define X(name, field, help) jw_ki64(w, #name, s->field);
	DERP_GAUGES(X)
#undef X
	jw_obj_end(w);
	put_drops(w, s);
}

static void put_stun(struct jw *w, const struct stun_stats *s)
{
	jw_key(w, "stun");
	jw_obj_begin(w);
	jw_ku64(w, "success", s->success);
	jw_ku64(w, "not_stun", s->not_stun);
	jw_ku64(w, "ipv4", s->ipv4);
	jw_ku64(w, "ipv6", s->ipv6);
	jw_obj_end(w);
}

static void put_relay(const struct derp_status *st, struct jw *w, int64_t now_ns)
{
	jw_key(w, "relay");
	jw_obj_begin(w);
	if (st->relay)
		put_key(w, derp_relay_key(st->relay));
	jw_kstr(w, "version", HEADSCALE_VERSION);
	jw_ktime(w, "startedAt", st->started_unix_ns);
	jw_ki64(w, "uptimeSeconds", (now_ns - st->started_unix_ns) / NS_PER_S);
	jw_ku64(w, "loops", st->loops);
	jw_kstr(w, "admission", st->admission);
	jw_kbool(w, "meshKey", st->mesh_key);
	jw_obj_end(w);
	if (!st->region)
		return;
	jw_key(w, "region");
	jw_obj_begin(w);
	st->region(st->arg, w);
	jw_obj_end(w);
}

void derp_status_write(const struct derp_status *st, const struct derp_stats *stats, const struct stun_stats *stun,
                       struct derp_listing *l, size_t limit, int64_t now_ns, struct buf *out)
{
	struct derp_listing none = { 0 };
	struct jw w;

	jw_init(&w, out);
	jw_obj_begin(&w);
	jw_ktime(&w, "time", now_ns);
	put_relay(st, &w, now_ns);
	put_numbers(&w, stats);
	if (stun)
		put_stun(&w, stun);
	put_peers(&w, l ? l : &none, now_ns);
	put_conns(st, stats, &w, l ? l : &none, limit, now_ns);
	jw_obj_end(&w);
	buf_put_char(out, '\n');
}

/* ---- the request ---- */

struct asking {
	const struct derp_status *st;
	struct loop *loop;
	struct http_req *req; /* NULL: gone; on its loop */
	size_t limit;
	struct buf text;
};

static void asker_gone(void *arg, struct http_req *r)
{
	struct asking *a = arg;

	(void)r;
	a->req = NULL;
}

/* On the loop of the request. */
static void answer(void *arg)
{
	struct asking *a = arg;

	if (a->req && buf_ok(&a->text))
		http_respond(a->req, 200, "application/json", buf_bytes(&a->text));
	else if (a->req)
		http_respond_text(a->req, 500, "the list is too long; ask for less by ?limit=");
	buf_release(&a->text);
	free(a);
}

/* On loop 0; l is NULL when the relay ends, and all connections, ours included, with it. */
static void listed(void *arg, struct derp_listing *l)
{
	struct asking *a = arg;
	struct stun_stats stun = { 0 };
	struct derp_stats stats;
	bool has_stun;

	if (!l) {
		buf_release(&a->text);
		free(a);
		return;
	}
	derp_relay_stats(a->st->relay, &stats);
	has_stun = a->st->stun && a->st->stun(a->st->arg, &stun);
	derp_status_write(a->st, &stats, has_stun ? &stun : NULL, l, a->limit, clock_unix_ns(), &a->text);
	loop_post(a->loop, answer, a);
}

/* ?limit=; false: not a number. */
static bool limit_of(const struct http_req *r, size_t *out)
{
	const char *text = http_req_query(r, "limit");
	char *end;
	unsigned long n;

	*out = DERP_STATUS_DEFAULT;
	if (!text)
		return true;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end)
		return false;
	*out = n < DERP_STATUS_GATHER ? n : DERP_STATUS_GATHER;
	return true;
}

void derp_status_handler(void *derp_status, struct http_req *r)
{
	const struct derp_status *st = derp_status;
	struct asking *a;
	size_t limit;

	if (!st->relay) {
		http_respond(r, 404, "application/problem+json",
		             BYTES_LIT("{\"title\":\"Not Found\",\"status\":404,\"detail\":\"this server runs no relay: "
		                       "derp.server.enabled is false\"}\n"));
		return;
	}
	if (!limit_of(r, &limit)) {
		http_respond(r, 400, "application/problem+json",
		             BYTES_LIT("{\"title\":\"Bad Request\",\"status\":400,\"detail\":\"limit is no number\"}\n"));
		return;
	}
	a = xcalloc(1, sizeof *a);
	a->st = st;
	a->loop = r->loop;
	a->req = r;
	a->limit = limit;
	buf_init(&a->text, ANSWER_MAX);
	http_on_cancel(r, asker_gone, a);
	derp_relay_list(st->relay, DERP_STATUS_GATHER, listed, a);
}
