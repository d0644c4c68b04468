/*
 * derp/list.c -- the operator's list: a mail that visits each loop in turn, and ends where it began, at loop 0 (see
 * derp/relay.h).
 */
#include <stdlib.h>

#include "derp/relay_priv.h"

struct listing_job {
	size_t max;
	void (*done)(void *arg, struct derp_listing *l);
	void *arg;
	unsigned next; /* the loop to be visited */
	VEC(struct derp_conn_info) conns;
	VEC(struct derp_peer_info) peers;
};

static struct listing_job *job_of(const struct mail *m)
{
	struct listing_job *j;

	memcpy(&j, m->data, sizeof j);
	return j;
}

static void job_end(struct listing_job *j, bool whole)
{
	struct derp_listing l = { j->conns.v, j->conns.n, j->peers.v, j->peers.n };

	j->done(j->arg, whole ? &l : NULL);
	vec_release(&j->conns);
	vec_release(&j->peers);
	free(j);
}

static void describe(const struct dconn *c, struct derp_conn_info *i)
{
	*i = (struct derp_conn_info){
		.id = dconn_handle(c),
		.key = c->key,
		.port = c->port,
		.flags = dconn_present_flags(c),
		.loop = (uint8_t)c->l->index,
		.tls = c->ssl != NULL,
		.fast_start = c->fast_start,
		.websocket = c->ws != NULL,
		.home = c->home,
		.active = c->standing != DERP_STANDING_PASSIVE,
		.paused = c->paused,
		.connected_ms = loop_now_ms(c->l->loop) - c->since_ms,
		.packets_in = c->count.packets_in,
		.bytes_in = c->count.bytes_in,
		.packets_out = c->count.packets_out,
		.bytes_out = c->count.bytes_out,
		.queued_bytes = c->q_bytes,
		.queued_frames = c->q ? outq_frames(c->q) : 0,
	};
	memcpy(i->ip, c->ip, sizeof i->ip);
	memcpy(i->app, c->app, sizeof i->app);
	for (int d = 0; d < DERP_DROP_COUNT; d++)
		i->drops[d] = c->count.drops[d];
}

static void add_loop(struct listing_job *j, const struct dloop *l)
{
	for (size_t i = 0; i < l->slots.n && j->conns.n < j->max; i++) {
		const struct dconn *c = l->slots.v[i].c;
		struct derp_conn_info info;
		if (!c || c->state != D_OPEN || c->role != D_CLIENT)
			continue;
		describe(c, &info);
		vec_push(&j->conns, info);
	}
	for (const struct mesh_peer *p = l->peers; p; p = mesh_next(p)) {
		struct derp_peer_info info;
		mesh_describe(p, &info);
		vec_push(&j->peers, info);
	}
}

void listing_visit(struct dloop *l, struct mail *m)
{
	struct listing_job *j = job_of(m);
	struct derp_relay *r = l->r;

	if (j->next == r->n) {
		m->type = MAIL_TO_ALL; /* nothing hangs on it any more */
		mail_free(m);
		job_end(j, true);
		return;
	}
	add_loop(j, l);
	j->next++;
	mail_post(l, &r->loops[j->next % r->n], m);
}

void listing_abandon(struct mail *m)
{
	job_end(job_of(m), false);
}

void derp_relay_list(struct derp_relay *r, size_t max, void (*done)(void *arg, struct derp_listing *l), void *arg)
{
	struct listing_job *j = xcalloc(1, sizeof *j);
	struct mail *m = mail_new(MAIL_LIST, sizeof j);

	j->max = max;
	j->done = done;
	j->arg = arg;
	memcpy(m->data, &j, sizeof j);
	m->n = sizeof j;
	mail_post(NULL, registrar(r), m);
}
