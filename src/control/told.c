/*
 * control/told.c -- keeps what a stream was told of its node's health (control/health.h) in step with what holds.
 *
 * Looked at: with the first map, when a publication changes the node or the settings, and when time alone changes a line. Of
 * what was told only a digest is kept for each stream.
 */
#include "control/control_priv.h"

#include "control/health.h"

#define LOOK_AGAIN_MS (3600 * (uint64_t)1000) /* however far the next moment: the wall clock may be turned */
#define OWED_MS ((uint64_t)1000)              /* the reader had no room: when to try again */

static void look_by(struct control_loop *cl, int64_t when_ns)
{
	int64_t left = when_ns - clock_unix_ns();
	uint64_t ms = left <= 0 ? 1 : (uint64_t)(left / NS_PER_MS) + 1;

	if (when_ns >= cl->told_due_ns)
		return;
	cl->told_due_ns = when_ns;
	loop_timer_start(&cl->told_timer, ms < LOOK_AGAIN_MS ? ms : LOOK_AGAIN_MS);
}

static void keep(struct told *t, const struct health *h)
{
	*t = (struct told){ .digest = h->digest, .version_digest = h->version_digest, .next_ns = h->next_ns };
}

void told_first(struct control_loop *cl, node_id id, struct told *t, struct map_client *client)
{
	const struct node *n = snapshot_node(cl->snap, id);
	struct health *h = ARENA_NEW(cl->scratch, struct health);

	if (n == NULL)
		return;
	health_look(n, cl->snap->settings, clock_unix_ns(), cl->scratch, h);
	client->messages = h->v;
	client->n_messages = h->n;
	client->version = h->has_version ? &h->version : NULL;
	keep(t, h);
	look_by(cl, h->next_ns);
}

void told_done(struct control_loop *cl)
{
	arena_reset(cl->scratch);
}

static void look(struct control_loop *cl, struct map_stream *ms, struct told *t)
{
	static const struct map_client_version latest = { NULL, false }; /* a notice is taken back */
	const struct node *n = snapshot_node(cl->snap, map_stream_node(ms));
	int64_t now_ns = clock_mono_ns();
	struct health h;

	if (n == NULL)
		return; /* its stream is about to end */
	health_look(n, cl->snap->settings, clock_unix_ns(), cl->scratch, &h);
	if (h.digest != t->digest && map_stream_messages(ms, h.v, h.n, now_ns) == ST_OK) {
		t->digest = h.digest;
		control_count(CONTROL_COUNT_HEALTH_TOLD);
	}
	if (h.version_digest != t->version_digest &&
	    map_stream_client_version(ms, h.has_version ? &h.version : &latest, now_ns) == ST_OK)
		t->version_digest = h.version_digest;
	t->next_ns = h.next_ns;
	if (h.digest != t->digest || h.version_digest != t->version_digest)
		t->next_ns = clock_unix_ns() + (int64_t)OWED_MS * NS_PER_MS;
	look_by(cl, t->next_ns);
}

static void look_each(void *arg, struct map_stream *ms, struct told *t)
{
	struct control_loop *cl = arg;

	look(cl, ms, t);
	arena_reset(cl->scratch);
}

static void look_if_due(void *arg, struct map_stream *ms, struct told *t)
{
	struct control_loop *cl = arg;

	if (t->next_ns <= clock_unix_ns())
		look_each(cl, ms, t);
	else
		look_by(cl, t->next_ns);
}

static void due(void *arg)
{
	struct control_loop *cl = arg;
	int64_t when = cl->told_due_ns;

	cl->told_due_ns = INT64_MAX;
	if (clock_unix_ns() < when) {
		look_by(cl, when);
		return;
	}
	control_map_each_told(cl, look_if_due, cl);
	control_map_kick(cl);
}

/* Is there anything in the change that a line could be made of? */
static bool concerns(const struct publication *p, const struct node_change *c)
{
	const struct node *a, *b;

	if (c->kind == CHANGE_REMOVED)
		return false;
	if (c->kind != CHANGE_PRESENCE || c->self_only)
		return true;
	a = snapshot_node(p->prev, c->id);
	b = snapshot_node(p->next, c->id);
	return a != NULL && b != NULL &&
	       (a->hostinfo != b->hostinfo || a->announced_routes != b->announced_routes ||
		a->approved_routes != b->approved_routes || a->request_tags != b->request_tags);
}

void told_advance(struct control_loop *cl, const struct publication *p)
{
	if (p->world & WORLD_SETTINGS) {
		control_map_each_told(cl, look_each, cl);
		return;
	}
	for (size_t i = 0; i < p->n_nodes; i++)
		if (control_map_find(cl, p->nodes[i].id) != NULL && concerns(p, &p->nodes[i]))
			control_map_each_of(cl, p->nodes[i].id, look_each, cl);
}

void told_start(struct control_loop *cl)
{
	cl->scratch = arena_new();
	cl->told_due_ns = INT64_MAX;
	loop_timer_init(&cl->told_timer, cl->loop, due, cl);
}

void told_stop(struct control_loop *cl)
{
	loop_timer_cancel(&cl->told_timer);
	arena_free(&cl->scratch);
}
