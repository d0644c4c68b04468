/*
 * mapper/stream.c -- one client's map: opened, brought up to date, kept alive, ended.
 */
#include "mapper/mapper_priv.h"

#include <assert.h>

#include "base/random.h"

/* ---- where streams are found ------------------------------------------------------------------------- */

struct map_stream *stream_of_node(struct mapper_loop *ml, node_id id, struct map_stream *after)
{
	struct map_stream *ms = after != NULL ? after->node_next : ml->nodes[id % ml->node_buckets];

	while (ms != NULL && ms->id != id)
		ms = ms->node_next;
	return ms;
}

static void nodes_grow(struct mapper_loop *ml)
{
	struct map_stream **old = ml->nodes;
	size_t n = ml->node_buckets;

	ml->node_buckets = 2 * n + 1;
	ml->nodes = xcalloc(ml->node_buckets, sizeof(struct map_stream *));
	for (size_t i = 0; i < n; i++)
		for (struct map_stream *ms = old[i], *next; ms != NULL; ms = next) {
			struct map_stream **to = &ml->nodes[ms->id % ml->node_buckets];

			next = ms->node_next;
			ms->node_next = *to;
			*to = ms;
		}
	free(old);
}

static void nodes_add(struct mapper_loop *ml, struct map_stream *ms)
{
	struct map_stream **to;

	if (ml->n_streams >= ml->node_buckets)
		nodes_grow(ml);
	to = &ml->nodes[ms->id % ml->node_buckets];
	ms->node_next = *to;
	*to = ms;
	ml->n_streams++;
	atomic_fetch_add(&ml->m->streams, 1);
}

static void nodes_del(struct mapper_loop *ml, struct map_stream *ms)
{
	struct map_stream **at = &ml->nodes[ms->id % ml->node_buckets];

	while (*at != ms)
		at = &(*at)->node_next;
	*at = ms->node_next;
	ml->n_streams--;
	atomic_fetch_sub(&ml->m->streams, 1);
}

/* ---- keep-alives: buckets of a second ------------------------------------------------------------------ */

#define ALIVE_AHEAD_MAX_S (ALIVE_BUCKETS - 8)

static void alive_put(struct mapper_loop *ml, struct map_stream *ms, int64_t due_ns, int64_t now_ns)
{
	int64_t now_s = now_ns / NS_PER_S, s = due_ns / NS_PER_S + 1;
	struct map_stream **head;

	if (s > now_s + ALIVE_AHEAD_MAX_S)
		s = now_s + ALIVE_AHEAD_MAX_S; /* looked at early, put back */
	if (s <= ml->alive_s)
		s = ml->alive_s + 1;
	ms->alive_at = (uint8_t)(s % ALIVE_BUCKETS);
	head = &ml->alive[ms->alive_at];
	ms->alive_prev = NULL;
	ms->alive_next = *head;
	if (*head != NULL)
		(*head)->alive_prev = ms;
	*head = ms;
}

static void alive_del(struct mapper_loop *ml, struct map_stream *ms)
{
	*(ms->alive_prev ? &ms->alive_prev->alive_next : &ml->alive[ms->alive_at]) = ms->alive_next;
	if (ms->alive_next != NULL)
		ms->alive_next->alive_prev = ms->alive_prev;
	ms->alive_prev = ms->alive_next = NULL;
}

static int64_t alive_due(struct mapper_loop *ml, const struct map_stream *ms)
{
	int64_t k = ml->m->keepalive_ns;

	return ms->wrote_ns + k + (int64_t)random_below((uint64_t)k / 6 + 1);
}

static struct shared_bytes *keepalive_message(struct mapper_loop *ml, enum map_format f)
{
	buf_reset(&ml->w.text);
	map_keepalive_encode(clock_unix_ns(), &ml->w.text);
	return message_of(ml->w.zip, f, buf_bytes(&ml->w.text), &ml->w.scratch);
}

static void look_alive(struct mapper_loop *ml, struct map_stream *ms, struct shared_bytes **message, int64_t now_ns)
{
	int64_t due = alive_due(ml, ms);

	if (ms->ended)
		return;
	if (ms->stuck_ns != 0 && now_ns - ms->stuck_ns >= ml->m->slow_ns) {
		stream_end(ms, MAP_END_SLOW);
	} else if (ms->wrote_ns + ml->m->keepalive_ns > now_ns) {
		/* Something was written since. */
		alive_put(ml, ms, ms->stuck_ns != 0 ? now_ns + 5 * NS_PER_S : due, now_ns);
	} else if (!ms->sink->can_take(ms->arg)) {
		stream_stuck(ms, now_ns);
		alive_put(ml, ms, now_ns + 5 * NS_PER_S, now_ns);
	} else {
		if (message[ms->format] == NULL)
			message[ms->format] = keepalive_message(ml, ms->format);
		ms->sink->write(ms->arg, &message[ms->format], 1);
		mapper_count(ml->m, COUNT_KEEPALIVES, 1);
		stream_wrote(ms, now_ns, message[ms->format]->n);
		alive_put(ml, ms, alive_due(ml, ms), now_ns);
	}
}

void streams_alive(struct mapper_loop *ml, int64_t now_ns)
{
	struct shared_bytes *message[MAP_FORMATS] = { NULL };
	int64_t now_s = now_ns / NS_PER_S;

	if (now_s - ml->alive_s > ALIVE_BUCKETS)
		ml->alive_s = now_s - ALIVE_BUCKETS;
	while (ml->alive_s < now_s) {
		struct map_stream *ms, *next;

		ml->alive_s++;
		ms = ml->alive[ml->alive_s % ALIVE_BUCKETS];
		ml->alive[ml->alive_s % ALIVE_BUCKETS] = NULL;
		for (; ms != NULL; ms = next) {
			next = ms->alive_next;
			ms->alive_prev = ms->alive_next = NULL;
			look_alive(ml, ms, message, now_ns);
		}
	}
	for (int i = 0; i < MAP_FORMATS; i++)
		shared_bytes_unref(&message[i]);
}

/* ---- state of a stream ------------------------------------------------------------------------------------ */

void stream_wrote(struct map_stream *ms, int64_t now_ns, size_t n)
{
	ms->wrote_ns = now_ns;
	ms->stuck_ns = 0;
	mapper_count(ms->ml->m, COUNT_BYTES, n);
}

void stream_stuck(struct map_stream *ms, int64_t now_ns)
{
	if (ms->stuck_ns == 0)
		ms->stuck_ns = now_ns;
}

static void unlink_group(struct map_stream *ms)
{
	struct group *g = ms->g;

	if (g == NULL)
		return;
	stream_list_del(ms->base != NULL ? &g->lagging : &g->in_step, ms);
	if (ms->base != NULL)
		atomic_fetch_sub(&ms->ml->m->lagging, 1);
	snapshot_unref(&ms->base);
	ms->g = NULL;
	group_drop_if_empty(ms->ml, &g);
}

void stream_end(struct map_stream *ms, enum map_end why)
{
	struct map_stream **at = &ms->ml->ends;

	if (ms->ended)
		return;
	ms->ended = true;
	ms->why = (uint8_t)why;
	unlink_group(ms);
	while (*at != NULL)
		at = &(*at)->end_next;
	*at = ms;
	mapper_count(ms->ml->m, why == MAP_END_SLOW ? COUNT_ENDED_SLOW : COUNT_ENDED_GONE, 1);
}

void streams_tell_ends(struct mapper_loop *ml)
{
	while (ml->ends != NULL) {
		struct map_stream *ms = ml->ends;

		ml->ends = ms->end_next;
		ms->end_next = NULL;
		ms->sink->end(ms->arg, ms->why); /* may close it */
	}
}

void stream_detach(struct map_stream *ms, struct snapshot *prev)
{
	struct group *g = ms->g;

	ms->all_own = true;
	if (ms->base != NULL)
		return;
	stream_list_del(&g->in_step, ms);
	stream_list_add(&g->lagging, ms);
	ms->base = snapshot_ref(g->base != NULL ? g->base : prev);
	ms->class_then = g->class_id;
	ms->presence_seq = ms->base->seq;
	ms->full = false;
	atomic_fetch_add(&ms->ml->m->lagging, 1);
}

/* ---- bringing up to date ------------------------------------------------------------------------------------ */

size_t stream_send_profile(struct map_stream *ms)
{
	struct work *wk = &ms->ml->w;
	const struct node *n = snapshot_node(ms->ml->snap, ms->id);
	struct jw w;

	pack_begin(&wk->pack, ms->format);
	buf_put_str(&wk->pack.text, "{\"UserProfiles\":[");
	jw_init(&w, &wk->pack.text);
	if (!encode_profile(&w, ms->ml->snap, wire_user(n)))
		return 0;
	buf_put_str(&wk->pack.text, "]}");
	return pack_send(&wk->pack, ms->sink, ms->arg);
}

/* It has what there is now: in step, or waiting for the others to come. */
static void arrived(struct map_stream *ms)
{
	struct group *g = ms->g;

	snapshot_unref(&ms->base);
	ms->all_own = ms->full = false;
	if (g->base == NULL) {
		stream_list_del(&g->lagging, ms);
		stream_list_add(&g->in_step, ms);
		atomic_fetch_sub(&ms->ml->m->lagging, 1);
		return;
	}
	ms->base = snapshot_ref(ms->ml->snap);
	ms->class_then = g->class_id;
	ms->presence_seq = ms->base->seq;
}

static void send_merged(struct map_stream *ms, int64_t now_ns)
{
	struct mapper_loop *ml = ms->ml;
	const struct access *x = ml->w.x;
	struct snapshot *then = ms->base, *now = ml->snap;
	struct segment_key k = { ms->class_then, ms->g->class_id, then->seq, ms->presence_seq, now->seq, ms->full, 0 };
	const struct view *view_now = group_view(ml, ms->g);
	struct view old = { 0 };
	bool same = x->ops->token(x->arg, then) == x->ops->token(x->arg, now);
	bool line = same || x->ops->same_classes(x->arg, then, now);
	struct delta_in in = { .then = then, .now = now, .view_then = view_now, .view_now = view_now,
			       .same_rules = line && k.class_then == k.class_now, .presence_seq = ms->presence_seq,
			       .full = ms->full, .routers = ml->routers.v, .n_routers = ml->routers.n };
	struct own_want want = { .self = true, .filter = !same, .ssh = !same, .apps = true };
	struct own_out out;
	struct segment *seg;
	size_t n;

	if (!same || k.class_then != k.class_now) {
		view_init(&old, x, then, ms->class_then);
		in.view_then = &old;
	}
	seg = segment_get(&ml->w, &k, &in);
	arena_reset(ml->w.a);
	buf_reset(&ml->w.own);
	own_delta(&ml->w, then, now, ms->id, &want, ms->format, &ml->w.own, &out);
	n = out.profile ? stream_send_profile(ms) : 0;
	n += segment_send(&ml->w, seg, ms->id, ms->format, buf_bytes(&ml->w.own), out.extra, out.n_extra, ms->sink, ms->arg);
	if (n > 0)
		stream_wrote(ms, now_ns, n);
	ms->stuck_ns = 0;
	mapper_count(ml->m, COUNT_MERGED, 1);
	segment_unref(&seg);
	view_release(&old);
	arena_reset(ml->w.a);
}

void stream_catch_up(struct map_stream *ms, int64_t now_ns)
{
	if (ms->ended || ms->base == NULL)
		return;
	if (ms->base->seq != ms->ml->snap->seq || ms->presence_seq != ms->ml->snap->seq) {
		if (!ms->sink->can_take(ms->arg)) {
			stream_stuck(ms, now_ns);
			return;
		}
		send_merged(ms, now_ns);
	}
	arrived(ms);
}

/* ---- the caller's side ---------------------------------------------------------------------------------------- */

static uint64_t send_first(struct map_stream *ms, const struct node *n, const struct map_client *client, int64_t now_ns)
{
	struct mapper_loop *ml = ms->ml;

	return first_send(&ml->w, ml->snap, n, group_view(ml, ms->g), &ms->g->splice, client, now_ns, ms->sink, ms->arg);
}

enum status map_stream_open(struct mapper_loop *ml, node_id id, const struct map_client *client, const struct map_sink *sink,
			    void *arg, int64_t now_ns, struct map_stream **out)
{
	const struct slot *slot = snapshot_slot(ml->snap, id, NULL);
	struct map_client whole = *client;
	struct map_stream *ms;

	if (slot == NULL)
		return ST_NOT_FOUND;
	if (ml->n_streams == 0)
		ml->alive_s = now_ns / NS_PER_S;
	ms = xcalloc(1, sizeof *ms);
	ms->ml = ml;
	ms->id = id;
	ms->sink = sink;
	ms->arg = arg;
	ms->cap = client->cap;
	ms->format = (uint8_t)client->format;
	ms->opened_ns = ms->wrote_ns = now_ns;
	ms->g = group_of(ml, slot->class_id, true);
	whole.omit_peers = false;
	ms->presence_seq = send_first(ms, slot->node, &whole, now_ns);
	nodes_add(ml, ms);
	alive_put(ml, ms, alive_due(ml, ms), now_ns);
	if (ms->g->base == NULL && ms->presence_seq == ml->snap->seq) {
		stream_list_add(&ms->g->in_step, ms);
	} else {
		/* Others of the class wait for something, or a piece was old in presence: its first delta is its own. */
		ms->base = snapshot_ref(ml->snap);
		ms->class_then = ms->g->class_id;
		ms->full = ms->presence_seq != ml->snap->seq;
		stream_list_add(&ms->g->lagging, ms);
		atomic_fetch_add(&ml->m->lagging, 1);
		group_touch(ml, ms->g, ml->snap, now_ns, false);
	}
	*out = ms;
	return ST_OK;
}

void map_stream_writable(struct map_stream *ms, int64_t now_ns)
{
	ms->stuck_ns = 0;
	stream_catch_up(ms, now_ns);
}

void map_stream_close(struct map_stream **msp)
{
	struct map_stream *ms = *msp, **at;

	*msp = NULL;
	if (ms == NULL)
		return;
	unlink_group(ms);
	nodes_del(ms->ml, ms);
	if (ms->alive_prev != NULL || ms->alive_next != NULL || ms->ml->alive[ms->alive_at] == ms)
		alive_del(ms->ml, ms);
	for (at = &ms->ml->ends; *at != NULL; at = &(*at)->end_next)
		if (*at == ms) {
			*at = ms->end_next;
			break;
		}
	free(ms);
}

static enum status send_small(struct map_stream *ms, int64_t now_ns)
{
	struct work *wk = &ms->ml->w;
	struct shared_bytes *message;

	if (ms->ended || !ms->sink->can_take(ms->arg))
		return ST_AGAIN;
	message = message_of(wk->zip, ms->format, buf_bytes(&wk->own), &wk->scratch);
	ms->sink->write(ms->arg, &message, 1);
	stream_wrote(ms, now_ns, message->n);
	shared_bytes_unref(&message);
	return ST_OK;
}

enum status map_stream_ping(struct map_stream *ms, const struct map_ping *p, int64_t now_ns)
{
	buf_reset(&ms->ml->w.own);
	map_ping_encode(p, clock_unix_ns(), &ms->ml->w.own);
	return send_small(ms, now_ns);
}

enum status map_stream_pop_browser(struct map_stream *ms, const char *url, int64_t now_ns)
{
	buf_reset(&ms->ml->w.own);
	map_pop_browser_encode(url, clock_unix_ns(), &ms->ml->w.own);
	return send_small(ms, now_ns);
}

enum status map_stream_messages(struct map_stream *ms, const struct map_message *m, size_t n, int64_t now_ns)
{
	struct buf *b = &ms->ml->w.own;
	struct jw w;

	buf_reset(b);
	jw_init(&w, b);
	jw_obj_begin(&w);
	own_messages(&w, m, n, ms->cap);
	jw_obj_end(&w);
	return send_small(ms, now_ns);
}

enum status map_stream_client_version(struct map_stream *ms, const struct map_client_version *v, int64_t now_ns)
{
	buf_reset(&ms->ml->w.own);
	map_client_version_encode(v, clock_unix_ns(), &ms->ml->w.own);
	return send_small(ms, now_ns);
}

node_id map_stream_node(const struct map_stream *ms)
{
	return ms->id;
}

int64_t map_stream_opened_ns(const struct map_stream *ms)
{
	return ms->opened_ns;
}

size_t map_stream_size(void)
{
	return sizeof(struct map_stream);
}
