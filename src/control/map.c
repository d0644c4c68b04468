/*
 * control/map.c -- /machine/map: news of a node, and the stream on which it hears of everything.
 *
 * A stream's life: the request is checked against the machine key, the writer is told that a stream begins (the node is
 * online), then the mapper writes the first map and every change after it. One node has one stream: a newer one ends the
 * older, on whatever loop that is.
 */
#include "control/control_priv.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/vec.h"
#include "proto/map_request.h"

static atomic_uint_fast64_t stream_numbers;
static atomic_uint_fast64_t streams_open;

uint64_t control_streams_open(void)
{
	return atomic_load_explicit(&streams_open, memory_order_relaxed);
}

/* What is known of a map request while it waits for the writer, and for a stream until it ends. */
struct control_map {
	struct control_loop *cl;
	struct http_req *req;         /* NULL: the client went away */
	struct arena *a;              /* of `mr`; NULL once the stream has begun */
	struct map_request mr;
	struct map_client client;
	node_id node;
	enum status status;
	/* A stream: */
	uint64_t number;              /* of two streams of a node the greater is the newer */
	struct map_stream *stream;    /* NULL until open */
	struct told told;             /* of its node's health */
	struct loop_timer end_timer;  /* draining: when to end it */
	struct control_map *next, **link; /* in the loop's table */
};

static void map_free(struct control_map *m)
{
	arena_free(&m->a);
	free(m);
}

/* ---- the table of open streams ---- */

static struct control_map **bucket(struct control_loop *cl, node_id id)
{
	return &cl->streams[id % CONTROL_MAP_BUCKETS];
}

static void table_add(struct control_map *m)
{
	struct control_map **b = bucket(m->cl, m->node);

	m->next = *b;
	m->link = b;
	if (m->next != NULL)
		m->next->link = &m->next;
	*b = m;
}

static void table_remove(struct control_map *m)
{
	if (m->link == NULL)
		return;
	*m->link = m->next;
	if (m->next != NULL)
		m->next->link = m->link;
	m->link = NULL;
}

struct map_stream *control_map_find(struct control_loop *cl, node_id id)
{
	for (struct control_map *m = *bucket(cl, id); m != NULL; m = m->next)
		if (m->node == id)
			return m->stream;
	return NULL;
}

void control_map_each(struct control_loop *cl, void (*fn)(void *arg, struct map_stream *ms), void *arg)
{
	for (size_t i = 0; i < CONTROL_MAP_BUCKETS; i++)
		for (struct control_map *m = cl->streams[i]; m != NULL; m = m->next)
			fn(arg, m->stream);
}

void control_map_each_told(struct control_loop *cl, told_fn *fn, void *arg)
{
	for (size_t i = 0; i < CONTROL_MAP_BUCKETS; i++)
		for (struct control_map *m = cl->streams[i]; m != NULL; m = m->next)
			fn(arg, m->stream, &m->told);
}

void control_map_each_of(struct control_loop *cl, node_id id, told_fn *fn, void *arg)
{
	for (struct control_map *m = *bucket(cl, id); m != NULL; m = m->next)
		if (m->node == id)
			fn(arg, m->stream, &m->told);
}

void control_loop_each_stream(struct control_loop *cl, bool (*fn)(void *arg, const struct control_stream *s), void *arg)
{
	int64_t now = clock_mono_ns();

	for (size_t i = 0; i < CONTROL_MAP_BUCKETS; i++) {
		for (struct control_map *m = cl->streams[i]; m != NULL; m = m->next) {
			struct control_stream s = { .node = m->node, .cap = m->client.cap, .zstd = m->client.format == MAP_ZSTD };

			if (m->stream == NULL || m->req == NULL)
				continue;
			s.client = m->req->client;
			s.open_ns = now - map_stream_opened_ns(m->stream);
			s.waiting = http_resp_pending(m->req);
			if (!fn(arg, &s))
				return;
		}
	}
}

/* ---- the mapper's clock ---- */

static void map_timer_due(void *arg)
{
	struct control_loop *cl = arg;

	mapper_loop_tick(cl->maps, clock_mono_ns());
	control_map_kick(cl);
}

void control_map_kick(struct control_loop *cl)
{
	int64_t due = mapper_loop_next_deadline(cl->maps), left;

	if (cl->map_timer.loop == NULL)
		loop_timer_init(&cl->map_timer, cl->loop, map_timer_due, cl);
	if (due == INT64_MAX) {
		loop_timer_cancel(&cl->map_timer);
		return;
	}
	left = due - clock_mono_ns();
	loop_timer_start(&cl->map_timer, left <= 0 ? 0 : (uint64_t)((left + NS_PER_MS - 1) / NS_PER_MS));
}

/* ---- the end of a stream ---- */

/* Everything but the request, which has ended or is ended by the caller. */
static void stream_free(struct control_map *m)
{
	table_remove(m);
	if (m->end_timer.loop != NULL)
		loop_timer_cancel(&m->end_timer);
	if (m->stream != NULL) {
		map_stream_close(&m->stream);
		atomic_fetch_sub_explicit(&streams_open, 1, memory_order_relaxed);
	}
	state_stream_closed(m->cl->c->state, m->node);
	control_map_kick(m->cl);
	map_free(m);
}

static void stream_cancelled(void *arg, struct http_req *r)
{
	(void)r;
	stream_free(arg);
}

static void stream_end(struct control_map *m)
{
	struct http_req *r = m->req;

	stream_free(m);
	http_resp_end(r);
}

static void stream_end_due(void *arg)
{
	stream_end(arg);
}

static void end_after(struct control_map *m, uint64_t ms)
{
	if (m->end_timer.loop == NULL)
		loop_timer_init(&m->end_timer, m->cl->loop, stream_end_due, m);
	loop_timer_start(&m->end_timer, ms);
}

void control_map_free_all(struct control_loop *cl)
{
	for (size_t i = 0; i < CONTROL_MAP_BUCKETS; i++) {
		while (cl->streams[i] != NULL) {
			struct control_map *m = cl->streams[i];

			table_remove(m);
			if (m->end_timer.loop != NULL)
				loop_timer_cancel(&m->end_timer);
			map_stream_close(&m->stream);
			map_free(m);
		}
	}
}

void control_loop_drain(struct control_loop *cl, uint32_t spread_ms)
{
	cl->draining = true;
	for (size_t i = 0; i < CONTROL_MAP_BUCKETS; i++) {
		for (struct control_map *m = cl->streams[i]; m != NULL; m = m->next) {
			end_after(m, random_below((uint64_t)spread_ms + 1));
		}
	}
}

/* ---- one stream a node ---- */

struct supersede {
	struct control *c;
	unsigned loop;
	node_id node;
	uint64_t number;
};

static void supersede(void *arg)
{
	struct supersede *s = arg;
	struct control_loop *cl = s->c->loops[s->loop];
	struct control_map *m = cl != NULL ? *bucket(cl, s->node) : NULL;

	while (m != NULL) {
		struct control_map *next = m->next;

		if (m->node == s->node && m->number < s->number) {
			control_count(CONTROL_COUNT_MAP_SUPERSEDED);
			stream_end(m);
		}
		m = next;
	}
	free(s);
}

static void end_older_streams(struct control_map *m)
{
	struct control *c = m->cl->c;

	for (unsigned i = 0; i < c->n_loops; i++) {
		struct supersede *s = xmalloc(sizeof *s);

		if (c->loops[i] == NULL) {
			free(s);
			continue;
		}
		*s = (struct supersede){ c, i, m->node, m->number };
		loop_post(c->loops[i]->loop, supersede, s);
	}
}

/* ---- where messages go ---- */

static bool sink_can_take(void *arg)
{
	struct control_map *m = arg;

	return http_resp_pending(m->req) < m->cl->c->stream_room;
}

static void sink_write(void *arg, struct shared_bytes *const *v, size_t n)
{
	struct control_map *m = arg;

	for (size_t i = 0; i < n; i++)
		http_resp_write_shared(m->req, v[i]);
}

static void sink_end(void *arg, enum map_end why)
{
	struct control_map *m = arg;

	(void)why;
	/* The mapper is above us: end at the close of this turn. */
	end_after(m, 0);
}

static const struct map_sink sink = { sink_can_take, sink_write, sink_end };

static void drained(void *arg, struct http_req *r)
{
	struct control_map *m = arg;

	(void)r;
	map_stream_writable(m->stream, clock_mono_ns());
	control_map_kick(m->cl);
}

static void not_found(struct http_req *r)
{
	control_count(CONTROL_COUNT_MAP_REFUSED);
	http_respond_text(r, 404, "node not found");
}

/*
 * First maps of many streams at once leave the heap full of holes. When no stream has begun for a while after a burst, the
 * pages between are given back; nothing wakes an idle server for it.
 */
#define TRIM_AFTER_STREAMS 64
#define TRIM_AFTER_MS 1000

static void trim_due(void *arg)
{
	struct control_loop *cl = arg;

	cl->begun = 0;
	mapper_trim(cl->c->mapper);
	malloc_trim(0);
}

static void note_begun(struct control_loop *cl)
{
	if (cl->trim_timer.loop == NULL)
		loop_timer_init(&cl->trim_timer, cl->loop, trim_due, cl);
	if (++cl->begun >= TRIM_AFTER_STREAMS)
		loop_timer_start(&cl->trim_timer, TRIM_AFTER_MS);
}

/* The writer knows of the stream: the node is online, and the loop's snapshot says so. */
static void stream_begin(void *arg)
{
	struct control_map *m = arg;
	struct http_req *r = m->req;
	enum status s;

	if (r == NULL || m->status != ST_OK) {
		if (r != NULL && m->status == ST_NOT_FOUND)
			not_found(r);
		else if (r != NULL)
			http_respond_overload(r, 503, 2, 15);
		if (m->status == ST_OK)
			state_stream_closed(m->cl->c->state, m->node);
		map_free(m);
		return;
	}
	if (m->cl->draining || snapshot_node(m->cl->snap, m->node) == NULL) {
		state_stream_closed(m->cl->c->state, m->node);
		if (m->cl->draining)
			http_respond_overload(r, 503, 1, 10);
		else
			not_found(r);
		map_free(m);
		return;
	}
	/* A stream stays for days: what it was asked with goes. */
	http_req_drop_body(r);
	arena_free(&m->a);
	http_resp_header(r, "Content-Type", "application/json");
	http_resp_start(r, 200);
	http_on_cancel(r, stream_cancelled, m);
	http_on_drained(r, drained, m);
	told_first(m->cl, m->node, &m->told, &m->client);
	s = map_stream_open(m->cl->maps, m->node, &m->client, &sink, m, clock_mono_ns(), &m->stream);
	told_done(m->cl);
	if (s != ST_OK) {
		stream_free(m);
		http_resp_abort(r);
		return;
	}
	atomic_fetch_add_explicit(&streams_open, 1, memory_order_relaxed);
	control_count(CONTROL_COUNT_MAP_STREAM);
	table_add(m);
	note_begun(m->cl);
	end_older_streams(m);
	control_map_kick(m->cl);
}

/* ---- one map, or none ---- */

static void once_write(void *arg, struct shared_bytes *const *v, size_t n)
{
	struct control_map *m = arg;

	for (size_t i = 0; i < n; i++)
		http_resp_write_shared(m->req, v[i]);
}

static const struct map_sink once_sink = { NULL, once_write, NULL };

static void answer_once(struct control_map *m)
{
	struct http_req *r = m->req;
	enum status s;

	if (snapshot_node(m->cl->snap, m->node) == NULL) {
		not_found(r);
		map_free(m);
		return;
	}
	http_resp_header(r, "Content-Type", "application/json");
	http_resp_start(r, 200);
	told_first(m->cl, m->node, &m->told, &m->client);
	s = map_once(m->cl->maps, m->node, &m->client, &once_sink, m, clock_mono_ns());
	told_done(m->cl);
	if (s == ST_OK)
		http_resp_end(r);
	else
		http_resp_abort(r);
	map_free(m);
}

static void update_done(void *arg)
{
	struct control_map *m = arg;

	if (m->req == NULL) {
		map_free(m);
	} else if (m->status == ST_NOT_FOUND) {
		not_found(m->req);
		map_free(m);
	} else if (m->status != ST_OK) {
		http_respond_overload(m->req, 503, 2, 15);
		map_free(m);
	} else if (m->mr.mode == MAP_UPDATE) {
		http_respond(m->req, 200, "application/json", (struct bytes){ 0 });
		map_free(m);
	} else {
		answer_once(m);
	}
}

/* ---- the writer's answers ---- */

static void state_done(void *arg, enum status s, const struct err *err, const struct state_result *res)
{
	struct control_map *m = arg;

	(void)res;
	(void)err;
	m->status = s;
	loop_post(m->cl->loop, m->mr.mode == MAP_STREAM ? stream_begin : update_done, m);
}

static void request_cancelled(void *arg, struct http_req *r)
{
	struct control_map *m = arg;

	(void)r;
	m->req = NULL;
}

static struct state_map_update news_of(const struct control_map *m)
{
	return (struct state_map_update){
		.node = m->node,
		.cap = m->mr.version,
		.disco = m->mr.disco_key,
		.has_endpoints = m->mr.has_endpoints,
		.endpoints = m->mr.endpoints,
		.n_endpoints = m->mr.n_endpoints,
		.hostinfo = m->mr.hostinfo,
	};
}

static void submit(struct control_map *m)
{
	struct state_map_update news = news_of(m);
	struct state *st = m->cl->c->state;
	struct http_req *r = m->req;
	struct err err = { 0 };
	enum status s;

	if (m->mr.mode == MAP_READ_ONLY) {
		answer_once(m);
		return;
	}
	http_on_cancel(r, request_cancelled, m);
	if (m->mr.mode == MAP_STREAM) {
		m->number = atomic_fetch_add(&stream_numbers, 1) + 1;
		s = state_stream_opened(st, m->node, &news, state_done, m, &err);
	} else {
		control_count(CONTROL_COUNT_MAP_UPDATE);
		s = state_map_update(st, &news, state_done, m, &err);
	}
	if (s == ST_OK)
		return;
	http_on_cancel(r, NULL, NULL);
	if (s == ST_BUSY || s == ST_CLOSED)
		http_respond_overload(r, 503, 2, 15);
	else
		control_bad_request(r, err.text);
	map_free(m);
}

/* ---- the request ---- */

static const struct node *own_node(struct control_map *m, struct noise_conn *nc)
{
	const struct node *n = snapshot_node_by_key(m->cl->snap, &m->mr.node_key);

	return n != NULL && machine_key_eq(&n->machine, &nc->machine) ? n : NULL;
}

/*
 * The publication that shows a fresh registration may lie in this loop's mailbox while the client is already here: look
 * again behind it.
 */
static void look_again(void *arg)
{
	struct control_map *m = arg;
	struct noise_conn *nc;
	const struct node *n;

	if (m->req == NULL) {
		map_free(m);
		return;
	}
	nc = m->req->conn_data;
	http_on_cancel(m->req, NULL, NULL);
	n = own_node(m, nc);
	if (n == NULL) {
		struct http_req *r = m->req;

		map_free(m);
		not_found(r);
		return;
	}
	m->node = n->id;
	submit(m);
}

static bool may_ask(struct noise_conn *nc, struct http_req *r, const struct map_request *mr)
{
	if (mr->version < CONTROL_CAP_FLOOR) {
		control_count(CONTROL_COUNT_TOO_OLD);
		http_respond_text(r, 400, "unsupported client version: this server needs Tailscale 1.80 or newer");
		return false;
	}
	if (nc->cl->draining)
		http_respond_overload(r, 503, 1, 10);
	return !nc->cl->draining;
}

void control_map(void *arg, struct http_req *r)
{
	struct noise_conn *nc = r->conn_data;
	struct control_map *m = xcalloc(1, sizeof *m);
	const struct map_request *mr = &m->mr;
	struct err err = { 0 };
	const struct node *n;

	(void)arg;
	m->cl = nc->cl;
	m->req = r;
	m->a = arena_new();
	if (map_request_parse(r->body, m->a, &m->mr, &err) != ST_OK) {
		control_bad_request(r, err.text);
		map_free(m);
		return;
	}
	if (!may_ask(nc, r, mr)) {
		map_free(m);
		return;
	}
	m->client = (struct map_client){ .format = mr->format, .cap = mr->version, .omit_peers = mr->omit_peers };
	n = own_node(m, nc);
	if (n == NULL) {
		http_on_cancel(r, request_cancelled, m);
		loop_post(r->loop, look_again, m);
		return;
	}
	m->node = n->id;
	submit(m);
}
