/*
 * mapper/group.c -- the streams of one class on one loop, which move in step.
 *
 * All in step have the same world, `base` while something is pending. A change that the class sees is noted (who, not
 * what: what is told by comparing the snapshots) and sent at once if the last message is long enough ago, else gathered
 * for a while; what takes rights away never waits. A stream that cannot take its message falls behind with a reference
 * to the snapshot it has, and is brought up by itself.
 */
#include "mapper/mapper_priv.h"

#define LOG_MAX 8192

void stream_list_add(struct stream_list *l, struct map_stream *ms)
{
	ms->next = NULL;
	ms->prev = l->last;
	*(l->last ? &l->last->next : &l->first) = ms;
	l->last = ms;
	l->n++;
}

void stream_list_del(struct stream_list *l, struct map_stream *ms)
{
	*(ms->prev ? &ms->prev->next : &l->first) = ms->next;
	*(ms->next ? &ms->next->prev : &l->last) = ms->prev;
	ms->prev = ms->next = NULL;
	l->n--;
}

static void rehash(struct mapper_loop *ml, size_t n)
{
	struct group **old = ml->groups;
	size_t n_old = ml->group_buckets;

	ml->groups = xcalloc(n, sizeof(struct group *));
	ml->group_buckets = n;
	for (size_t i = 0; i < n_old; i++)
		for (struct group *g = old[i], *next; g != NULL; g = next) {
			next = g->next;
			g->next = ml->groups[g->class_id % n];
			ml->groups[g->class_id % n] = g;
		}
	free(old);
}

struct group *group_of(struct mapper_loop *ml, uint32_t class_id, bool make)
{
	struct group *g = ml->groups[class_id % ml->group_buckets];

	while (g != NULL && g->class_id != class_id)
		g = g->next;
	if (g != NULL || !make)
		return g;
	if (ml->n_groups >= ml->group_buckets)
		rehash(ml, 2 * ml->group_buckets + 1);
	g = xcalloc(1, sizeof *g);
	g->class_id = class_id;
	g->last_ns = INT64_MIN / 2;
	splice_init(&g->splice);
	g->next = ml->groups[class_id % ml->group_buckets];
	ml->groups[class_id % ml->group_buckets] = g;
	ml->n_groups++;
	atomic_fetch_add(&ml->m->groups, 1);
	return g;
}

static void stop_waiting(struct mapper_loop *ml, struct group *g)
{
	if (!g->waiting)
		return;
	*(g->wait_prev ? &g->wait_prev->wait_next : &ml->waiting) = g->wait_next;
	if (g->wait_next != NULL)
		g->wait_next->wait_prev = g->wait_prev;
	g->wait_prev = g->wait_next = NULL;
	g->waiting = false;
}

void group_drop_if_empty(struct mapper_loop *ml, struct group **gp)
{
	struct group *g = *gp, **at;

	*gp = NULL;
	if (g == NULL || g->in_step.n + g->lagging.n > 0)
		return;
	at = &ml->groups[g->class_id % ml->group_buckets];
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	ml->n_groups--;
	atomic_fetch_sub(&ml->m->groups, 1);
	stop_waiting(ml, g);
	snapshot_unref(&g->base);
	vec_release(&g->log);
	view_release(&g->view);
	splice_release(&g->splice);
	free(g);
}

const struct view *group_view(struct mapper_loop *ml, struct group *g)
{
	if (g->view.a != NULL && g->view_gen == ml->view_gen)
		return &g->view;
	view_release(&g->view);
	view_init(&g->view, ml->w.x, ml->snap, g->class_id);
	g->view_gen = ml->view_gen;
	return &g->view;
}

void group_touch(struct mapper_loop *ml, struct group *g, struct snapshot *base, int64_t now_ns, bool urgent)
{
	int64_t grid = ml->m->gather_ns / 5 + 1, due = g->last_ns + ml->m->gather_ns;

	if (g->base == NULL)
		g->base = snapshot_ref(base);
	g->urgent |= urgent;
	if (!g->waiting) {
		g->waiting = true;
		g->wait_prev = NULL;
		g->wait_next = ml->waiting;
		if (ml->waiting != NULL)
			ml->waiting->wait_prev = g;
		ml->waiting = g;
		/* On a grid: many groups then share a tick. */
		g->due_ns = due <= now_ns ? now_ns : (due + grid - 1) / grid * grid;
	}
	if (g->urgent)
		g->due_ns = now_ns;
	if (g->due_ns < ml->due_ns)
		ml->due_ns = g->due_ns;
}

void group_log(struct group *g, const node_id *ids, size_t n)
{
	if (g->log_lost)
		return;
	if (n > LOG_MAX - g->log.n) {
		g->log_lost = true;
		g->log.n = 0;
		return;
	}
	for (size_t i = 0; i < n; i++)
		vec_push(&g->log, ids[i]);
}

static int by_id(const void *a, const void *b)
{
	const node_id *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void sort_log(id_vec *v)
{
	size_t n = 0;

	if (v->n > 1)
		qsort(v->v, v->n, sizeof *v->v, by_id);
	for (size_t i = 0; i < v->n; i++)
		if (n == 0 || v->v[n - 1] != v->v[i])
			v->v[n++] = v->v[i];
	v->n = n;
}

/* ---- sending what is pending ---------------------------------------------------------------------- */

struct step {
	struct mapper_loop *ml;
	struct group *g;
	struct snapshot *base;
	struct segment *segment;
	struct own_want want;
	bool own;      /* any of want, or the world outside of nodes is another */
	int64_t now_ns;
};

/*
 * Rules of the nodes of a class differ in their own addresses only, so one member tells whether they changed. Members
 * that changed themselves are not in step.
 */
static void ask_one(struct step *st)
{
	const struct access *x = st->ml->w.x;
	const struct snapshot *then = st->base, *now = st->ml->snap;
	node_id id = st->g->in_step.first->id;
	const struct policy_app_domain *apps;

	if (x->ops->token(x->arg, then) != x->ops->token(x->arg, now)) {
		st->want.filter = x->ops->digest(x->arg, then, id, POLICY_ASPECT_FILTER) !=
				  x->ops->digest(x->arg, now, id, POLICY_ASPECT_FILTER);
		st->want.ssh = x->ops->digest(x->arg, then, id, POLICY_ASPECT_SSH) !=
			       x->ops->digest(x->arg, now, id, POLICY_ASPECT_SSH);
	}
	st->want.self = then->dns != now->dns || then->settings != now->settings; /* names, attributes */
	st->want.apps = x->ops->app_domains(x->arg, now, id, st->ml->w.a, &apps) > 0 ||
			x->ops->app_domains(x->arg, then, id, st->ml->w.a, &apps) > 0;
	st->own = st->want.filter || st->want.ssh || st->want.self || st->want.apps || then->derp_map != now->derp_map ||
		  then->users != now->users;
}

static void fall_behind(struct step *st, struct map_stream *ms)
{
	stream_list_del(&st->g->in_step, ms);
	stream_list_add(&st->g->lagging, ms);
	ms->base = snapshot_ref(st->base);
	ms->class_then = st->g->class_id;
	ms->presence_seq = st->base->seq;
	ms->full = false;
	ms->all_own = true;
	atomic_fetch_add(&st->ml->m->lagging, 1);
	stream_stuck(ms, st->now_ns);
}

static void send_step(struct step *st, struct map_stream *ms)
{
	struct mapper_loop *ml = st->ml;
	struct own_out out = { 0 };
	size_t n;

	if (!st->own && segment_empty_for(st->segment, ms->id))
		return;
	if (!ms->sink->can_take(ms->arg)) {
		fall_behind(st, ms);
		return;
	}
	buf_reset(&ml->w.own);
	if (st->own)
		own_delta(&ml->w, st->base, ml->snap, ms->id, &st->want, ms->format, &ml->w.own, &out);
	n = out.profile ? stream_send_profile(ms) : 0;
	n += segment_send(&ml->w, st->segment, ms->id, ms->format, buf_bytes(&ml->w.own), out.extra, out.n_extra, ms->sink, ms->arg);
	if (n > 0)
		stream_wrote(ms, st->now_ns, n);
	if (st->own)
		arena_reset(ml->w.a);
}

static void send_to_all(struct step *st)
{
	struct mapper_loop *ml = st->ml;
	struct group *g = st->g;
	struct segment_key k = { g->class_id, g->class_id, st->base->seq, st->base->seq, ml->snap->seq, 0, 0 };
	const struct access *x = ml->w.x;
	const struct view *now = group_view(ml, g);
	struct view then = { 0 };
	bool same = x->ops->token(x->arg, st->base) == x->ops->token(x->arg, ml->snap);
	struct delta_in in = { .then = st->base, .now = ml->snap, .view_then = now, .view_now = now, .same_rules = true,
			       .presence_seq = st->base->seq, .routers = ml->routers.v, .n_routers = ml->routers.n };

	if (!same) {
		view_init(&then, x, st->base, g->class_id);
		in.view_then = &then;
	}
	if (!g->log_lost) {
		static const node_id none;

		sort_log(&g->log);
		in.ids = g->log.n > 0 ? g->log.v : &none;
		in.n_ids = g->log.n;
	}
	st->segment = segment_get(&ml->w, &k, &in);
	arena_reset(ml->w.a);
	ask_one(st);
	for (struct map_stream *ms = g->in_step.first, *next; ms != NULL; ms = next) {
		next = ms->next;
		send_step(st, ms);
	}
	segment_unref(&st->segment);
	view_release(&then);
	arena_reset(ml->w.a);
	mapper_count(ml->m, COUNT_DELTAS, 1);
}

void group_flush(struct mapper_loop *ml, struct group *g, int64_t now_ns)
{
	struct step st = { .ml = ml, .g = g, .base = g->base, .now_ns = now_ns };

	stop_waiting(ml, g);
	if (st.base != NULL && st.base->seq != ml->snap->seq && g->in_step.n > 0)
		send_to_all(&st);
	g->base = NULL;
	g->log.n = 0;
	g->log_lost = g->urgent = false;
	g->last_ns = now_ns;
	for (struct map_stream *ms = g->lagging.first, *next; ms != NULL; ms = next) {
		next = ms->next;
		stream_catch_up(ms, now_ns);
	}
	snapshot_unref(&st.base);
}

void groups_run(struct mapper_loop *ml, int64_t now_ns)
{
	int64_t first = INT64_MAX;

	if (ml->due_ns > now_ns)
		return;
	for (struct group *g = ml->waiting, *next; g != NULL; g = next) {
		next = g->wait_next;
		if (g->due_ns <= now_ns)
			group_flush(ml, g, now_ns);
		else if (g->due_ns < first)
			first = g->due_ns;
	}
	ml->due_ns = first;
}
