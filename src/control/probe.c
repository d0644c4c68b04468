/*
 * control/probe.c -- is a router that shares its prefix with another still alive behind its open stream?
 *
 * Each loop asks the routers among its own streams, now and then, by a ping inside the channel. One that does not answer
 * in time is told to the writer as hanging, and elected primary no more until it answers again. Streams younger than one
 * round are left alone.
 */
#include "control/control_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/vec.h"
#include "policy/engine.h"

#define PROBE_ID_LEN 16
#define SHARED_MAX 4096 /* prefixes looked at in one round */

struct control_probe {
	char id[PROBE_ID_LEN + 1];
	node_id node;
	int64_t sent_ms;
	struct control_probe *next;
};

/* An answer may come in on another loop than asked: it goes round all of them, until one knows it, and then home. */
struct answer {
	struct control *c;
	struct http_req *req; /* of the home loop; NULL: the client went away */
	struct loop *home;
	unsigned at;          /* loop that is asked */
	bool known;
	char id[PROBE_ID_LEN + 1];
};

/* ---- which routers share a prefix ---- */

struct shared {
	struct ip_prefix v[SHARED_MAX];
	size_t n;
};

struct count {
	struct ip_prefix p;
	unsigned live;
};

static bool serves(const struct node *n, const struct ip_prefix *p)
{
	return n->online && prefix_list_has(n->approved_routes, p) && !ip_prefix_is_default(p);
}

static int by_prefix(const void *a, const void *b)
{
	return ip_prefix_cmp(&((const struct count *)a)->p, &((const struct count *)b)->p);
}

/* All prefixes with at least two live routers. */
static void find_shared(const struct snapshot *s, struct shared *out)
{
	VEC(struct count) all = { 0 };

	out->n = 0;
	for (size_t k = 0; k < s->n_pages; k++) {
		for (size_t i = 0; i < PAGE_SLOTS; i++) {
			const struct node *n = ((s->pages[k]->used >> i) & 1) ? s->pages[k]->slot[i].node : NULL;

			for (uint32_t r = 0; n != NULL && n->announced_routes != NULL && r < n->announced_routes->n; r++)
				if (serves(n, &n->announced_routes->v[r]))
					vec_push(&all, ((struct count){ n->announced_routes->v[r], 1 }));
		}
	}
	if (all.n > 0)
		qsort(all.v, all.n, sizeof *all.v, by_prefix);
	for (size_t i = 1; i < all.n && out->n < SHARED_MAX; i++) {
		if (by_prefix(&all.v[i - 1], &all.v[i]) != 0)
			continue;
		if (out->n == 0 || ip_prefix_cmp(&out->v[out->n - 1], &all.v[i].p) != 0)
			out->v[out->n++] = all.v[i].p;
	}
	vec_release(&all);
}

static bool is_candidate(const struct shared *sh, const struct node *n)
{
	for (size_t i = 0; i < sh->n; i++)
		if (serves(n, &sh->v[i]) && prefix_list_has(n->announced_routes, &sh->v[i]))
			return true;
	return false;
}

/* ---- asking ---- */

struct round {
	struct control_loop *cl;
	struct shared shared;
	int64_t now_ns;
};

static void ask(void *arg, struct map_stream *ms)
{
	struct round *r = arg;
	struct control_loop *cl = r->cl;
	const struct node *n = snapshot_node(cl->snap, map_stream_node(ms));
	struct control_probe *p;
	char url[128];

	if (n == NULL || r->now_ns - map_stream_opened_ns(ms) < cl->c->probe_interval_ms * NS_PER_MS || !is_candidate(&r->shared, n))
		return;
	p = xcalloc(1, sizeof *p);
	snprintf(p->id, sizeof p->id, "%016llx", (unsigned long long)random_u64());
	p->node = n->id;
	p->sent_ms = (int64_t)loop_now_ms(cl->loop);
	snprintf(url, sizeof url, "https://unused/machine/ping-response?id=%s", p->id);
	if (map_stream_ping(ms, &(struct map_ping){ .url = url, .url_is_noise = true }, r->now_ns) != ST_OK) {
		free(p);
		return;
	}
	control_count(CONTROL_COUNT_PING_SENT);
	p->next = cl->probes;
	cl->probes = p;
}

/* What waited too long is a router that hangs. */
static void judge(struct control_loop *cl)
{
	int64_t now = (int64_t)loop_now_ms(cl->loop);
	struct control_probe **at = &cl->probes;

	while (*at != NULL) {
		struct control_probe *p = *at;

		if (now - p->sent_ms < cl->c->probe_timeout_ms) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		if (control_map_find(cl, p->node) != NULL) {
			log_warn("router does not answer", LOG_U64("node", p->node), LOG_END);
			state_router_health(cl->c->state, p->node, true);
		}
		free(p);
	}
}

/* False: no prefix is shared, there is nobody to ask until the world changes. */
static bool ask_all(struct control_loop *cl)
{
	struct round *r = xmalloc(sizeof *r);
	bool any;

	r->cl = cl;
	r->now_ns = clock_mono_ns();
	find_shared(cl->snap, &r->shared);
	any = r->shared.n > 0;
	if (any) {
		control_map_each(cl, ask, r);
		control_map_kick(cl);
	}
	free(r);
	return any;
}

static void due(void *arg)
{
	struct control_loop *cl = arg;

	judge(cl);
	if (cl->probes == NULL && !ask_all(cl))
		return; /* control_probe_wake() goes on: an idle server sleeps */
	loop_timer_start(&cl->probe_timer, (uint64_t)(cl->probes != NULL ? cl->c->probe_timeout_ms : cl->c->probe_interval_ms));
}

void control_probe_wake(struct control_loop *cl)
{
	if (cl->c->probe_interval_ms > 0 && cl->c->probe_timeout_ms > 0 && !loop_timer_active(&cl->probe_timer))
		loop_timer_start(&cl->probe_timer, (uint64_t)cl->c->probe_interval_ms);
}

void control_probe_start(struct control_loop *cl)
{
	loop_timer_init(&cl->probe_timer, cl->loop, due, cl);
	control_probe_wake(cl);
}

void control_probe_stop(struct control_loop *cl)
{
	loop_timer_cancel(&cl->probe_timer);
	while (cl->probes != NULL) {
		struct control_probe *p = cl->probes;

		cl->probes = p->next;
		free(p);
	}
}

/* ---- answers ---- */

static bool take_answer(struct control_loop *cl, const char *id)
{
	for (struct control_probe **at = &cl->probes; *at != NULL; at = &(*at)->next) {
		struct control_probe *p = *at;

		if (strcmp(p->id, id) != 0)
			continue;
		*at = p->next;
		control_count(CONTROL_COUNT_PING_ANSWERED);
		state_router_health(cl->c->state, p->node, false);
		free(p);
		return true;
	}
	return false;
}

static void answer_home(void *arg)
{
	struct answer *a = arg;

	if (a->req != NULL && a->known)
		http_respond(a->req, 200, NULL, (struct bytes){ 0 });
	else if (a->req != NULL)
		http_respond_text(a->req, 404, "no ping of this id is waited for");
	free(a);
}

static void answer_round(void *arg);

static void answer_next(struct answer *a)
{
	struct control *c = a->c;

	while (a->at < c->n_loops && c->loops[a->at] == NULL)
		a->at++;
	if (a->at < c->n_loops && !a->known)
		loop_post(c->loops[a->at]->loop, answer_round, a);
	else
		loop_post(a->home, answer_home, a);
}

static void answer_round(void *arg)
{
	struct answer *a = arg;
	struct control_loop *cl = a->c->loops[a->at++];

	a->known = cl != NULL && take_answer(cl, a->id);
	answer_next(a);
}

static void answer_cancelled(void *arg, struct http_req *r)
{
	(void)r;
	((struct answer *)arg)->req = NULL;
}

void control_ping_response(void *arg, struct http_req *r)
{
	const char *id = http_req_query(r, "id");
	struct answer *a;

	if (id == NULL || strlen(id) != PROBE_ID_LEN) {
		http_respond_text(r, 400, "id is missing");
		return;
	}
	a = xcalloc(1, sizeof *a);
	a->c = arg;
	a->req = r;
	a->home = r->loop;
	memcpy(a->id, id, PROBE_ID_LEN);
	http_on_cancel(r, answer_cancelled, a);
	answer_next(a);
}
