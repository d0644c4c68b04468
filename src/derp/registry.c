/*
 * derp/registry.c -- see derp/registry.h.
 *
 * The history of who spoke is a number on each connection: the highest of those that are left is the active one.
 * So it is bounded by the connections, however long two clones of one node talk in turn.
 */
#include "derp/registry.h"

#include <assert.h>
#include <stdlib.h>

#include "base/vec.h"
#include "derp/ktab.h"

struct conn {
	struct conn *next; /* of the same key */
	derp_handle handle;
	uint64_t spoke;
	uint8_t ip[16];
	uint16_t port;
	uint8_t flags, app_len;
	char app[]; /* app_len bytes */
};

struct forward {
	struct forward *next; /* the one that came first stands first */
	derp_handle mesh;
};

struct entry {
	uint8_t key[32];
	struct conn *conns;
	derp_handle active; /* 0 while there is no connection */
	derp_handle routed; /* what the owner was told last */
	struct forward *forwards;
};

struct registry {
	struct registry_ops ops;
	void *arg;
	struct ktab by_key; /* -> struct entry * */
	VEC(derp_handle) watchers;
	uint64_t clock;
	struct registry_counts n;
};

struct registry *registry_new(const struct registry_ops *ops, void *arg)
{
	struct registry *r = xcalloc(1, sizeof *r);

	r->ops = *ops;
	r->arg = arg;
	return r;
}

static void entry_free(struct entry *e)
{
	while (e->conns) {
		struct conn *c = e->conns;
		e->conns = c->next;
		free(c);
	}
	while (e->forwards) {
		struct forward *f = e->forwards;
		e->forwards = f->next;
		free(f);
	}
	free(e);
}

void registry_free(struct registry **rp)
{
	struct registry *r = *rp;
	const struct ktab_slot *s;
	size_t i = 0;

	if (!r)
		return;
	while ((s = ktab_next(&r->by_key, &i)) != NULL)
		entry_free((struct entry *)(uintptr_t)s->value);
	ktab_release(&r->by_key);
	vec_release(&r->watchers);
	free(r);
	*rp = NULL;
}

static struct entry *entry_get(const struct registry *r, const uint8_t *key)
{
	return (struct entry *)(uintptr_t)ktab_get(&r->by_key, key, ktab_hash(key));
}

static struct entry *entry_make(struct registry *r, const uint8_t *key)
{
	struct entry *e = entry_get(r, key);

	if (e)
		return e;
	e = xcalloc(1, sizeof *e);
	memcpy(e->key, key, 32);
	ktab_set(&r->by_key, key, ktab_hash(key), (uintptr_t)e);
	return e;
}

/* Tell the loops if the way changed; drop the entry if nothing is left of the key. */
static void settle(struct registry *r, struct entry *e)
{
	derp_handle to = e->active;

	if (!to && e->forwards)
		to = e->forwards->mesh | DERP_HANDLE_MESH;
	if (to != e->routed) {
		e->routed = to;
		r->ops.route(r->arg, e->key, to);
	}
	if (e->conns || e->forwards)
		return;
	r->ops.gone(r->arg, e->key);
	ktab_del(&r->by_key, e->key, ktab_hash(e->key));
	entry_free(e);
}

static size_t conn_count(const struct entry *e)
{
	size_t n = 0;

	for (const struct conn *c = e->conns; c; c = c->next)
		n++;
	return n;
}

static struct conn *find_conn(const struct entry *e, derp_handle handle)
{
	struct conn *c = e->conns;

	while (c && c->handle != handle)
		c = c->next;
	return c;
}

static void tell_standing(struct registry *r, const struct entry *e)
{
	bool alone = e->conns && !e->conns->next;

	for (const struct conn *c = e->conns; c; c = c->next)
		r->ops.standing(r->arg, c->handle,
		                alone ? DERP_STANDING_ONLY :
		                c->handle == e->active ? DERP_STANDING_ACTIVE : DERP_STANDING_PASSIVE);
}

static size_t present_frame(uint8_t *out, const struct entry *e, const struct conn *c)
{
	struct derp_present p = { .key = e->key, .port = c->port, .flags = c->flags,
		                  .app = bytes_of(c->app, c->app_len) };

	memcpy(p.ip, c->ip, sizeof p.ip);
	return derp_put_peer_present(out, &p);
}

static void tell_watchers(struct registry *r, struct bytes frame)
{
	for (size_t i = 0; i < r->watchers.n; i++)
		r->ops.send(r->arg, r->watchers.v[i], frame);
}

static struct conn *conn_new(struct registry *r, const struct registry_conn *c)
{
	struct conn *n = xcalloc(1, sizeof *n + c->app.n);

	assert(c->app.n <= DERP_APP_NAME_MAX);
	n->handle = c->handle;
	n->spoke = ++r->clock;
	memcpy(n->ip, c->ip, sizeof n->ip);
	n->port = c->port;
	n->flags = c->flags;
	n->app_len = (uint8_t)c->app.n;
	if (c->app.n)
		memcpy(n->app, c->app.p, c->app.n);
	return n;
}

/* Duplicates go from `before` connections of the key to what it has now. */
static void count_dups(struct registry *r, const struct entry *e, size_t before)
{
	size_t now = conn_count(e);

	r->n.dup_keys += (size_t)(now > 1) - (size_t)(before > 1);
	r->n.dup_conns += (now > 1 ? now : 0) - (before > 1 ? before : 0);
}

void registry_add(struct registry *r, const struct registry_conn *c)
{
	struct entry *e = entry_make(r, c->key);
	struct conn *n = conn_new(r, c);
	size_t before = conn_count(e);
	uint8_t frame[DERP_PEER_PRESENT_FRAME_MAX];

	n->next = e->conns;
	e->conns = n;
	e->active = c->handle;
	r->n.conns++;
	if (before)
		r->n.dup_total++;
	else
		r->n.local++;
	if (!before && e->forwards)
		r->n.remote--;
	count_dups(r, e, before);
	settle(r, e);
	tell_standing(r, e);
	tell_watchers(r, bytes_of(frame, present_frame(frame, e, n)));
}

static void forget_watcher(struct registry *r, derp_handle handle)
{
	for (size_t i = 0; i < r->watchers.n; i++)
		if (r->watchers.v[i] == handle) {
			r->watchers.v[i] = r->watchers.v[--r->watchers.n];
			r->n.watchers--;
			return;
		}
}

static derp_handle last_speaker(const struct entry *e)
{
	const struct conn *best = e->conns;

	for (const struct conn *c = e->conns; c; c = c->next)
		if (c->spoke > best->spoke)
			best = c;
	return best ? best->handle : 0;
}

void registry_remove(struct registry *r, const uint8_t *key, derp_handle handle)
{
	struct entry *e = entry_get(r, key);
	struct conn **at, *c;
	size_t before;
	uint8_t frame[DERP_PEER_GONE_FRAME];

	if (!e || !find_conn(e, handle))
		return;
	before = conn_count(e);
	for (at = &e->conns; (*at)->handle != handle; at = &(*at)->next)
		;
	c = *at;
	*at = c->next;
	free(c);
	forget_watcher(r, handle);
	r->n.conns--;
	count_dups(r, e, before);
	if (e->active == handle)
		e->active = last_speaker(e);
	tell_standing(r, e);
	if (!e->conns) {
		r->n.local--;
		if (e->forwards)
			r->n.remote++;
		derp_put_peer_gone(frame, key, DERP_GONE_DISCONNECTED);
		tell_watchers(r, bytes_of(frame, sizeof frame));
	}
	settle(r, e);
}

void registry_spoke(struct registry *r, const uint8_t *key, derp_handle handle)
{
	struct entry *e = entry_get(r, key);
	struct conn *c = e ? find_conn(e, handle) : NULL;

	if (!c)
		return;
	c->spoke = ++r->clock;
	if (e->active == handle)
		return;
	e->active = handle;
	settle(r, e);
	tell_standing(r, e);
}

void registry_watch(struct registry *r, const uint8_t *key, derp_handle handle, const uint8_t *self)
{
	const struct entry *own = entry_get(r, key);
	const struct ktab_slot *s;
	uint8_t frame[DERP_PEER_PRESENT_FRAME_MAX];
	size_t i = 0;

	if (memcmp(key, self, 32) == 0 || !own || !find_conn(own, handle))
		return;
	forget_watcher(r, handle);
	vec_push(&r->watchers, handle);
	r->n.watchers++;
	while ((s = ktab_next(&r->by_key, &i)) != NULL) {
		const struct entry *e = (const struct entry *)(uintptr_t)s->value;
		for (const struct conn *c = e->conns; c; c = c->next)
			if (c->handle == e->active)
				r->ops.send(r->arg, handle, bytes_of(frame, present_frame(frame, e, c)));
	}
}

void registry_close_key(struct registry *r, const uint8_t *key)
{
	const struct entry *e = entry_get(r, key);

	for (const struct conn *c = e ? e->conns : NULL; c; c = c->next)
		r->ops.close(r->arg, c->handle);
}

void registry_forward_add(struct registry *r, const uint8_t *key, derp_handle mesh)
{
	struct entry *e = entry_make(r, key);
	struct forward **at = &e->forwards;

	for (; *at; at = &(*at)->next)
		if ((*at)->mesh == mesh)
			return;
	if (!e->forwards && !e->conns)
		r->n.remote++;
	if (e->forwards && !e->forwards->next)
		r->n.multiforwarder_created++;
	*at = xcalloc(1, sizeof **at);
	(*at)->mesh = mesh;
	settle(r, e);
}

static void remove_forward(struct registry *r, struct entry *e, derp_handle mesh)
{
	struct forward **at = &e->forwards, *f;

	while (*at && (*at)->mesh != mesh)
		at = &(*at)->next;
	f = *at;
	if (!f)
		return;
	*at = f->next;
	free(f);
	if (e->forwards && !e->forwards->next)
		r->n.multiforwarder_deleted++;
	if (!e->forwards && !e->conns)
		r->n.remote--;
	settle(r, e);
}

void registry_forward_remove(struct registry *r, const uint8_t *key, derp_handle mesh)
{
	struct entry *e = entry_get(r, key);

	if (e)
		remove_forward(r, e, mesh);
}

void registry_forward_lost(struct registry *r, derp_handle mesh)
{
	VEC(struct entry *) hit = { 0 };
	const struct ktab_slot *s;
	size_t i = 0;

	/* Removing changes the table, so the walk only collects. */
	while ((s = ktab_next(&r->by_key, &i)) != NULL) {
		struct entry *e = (struct entry *)(uintptr_t)s->value;
		for (const struct forward *f = e->forwards; f; f = f->next)
			if (f->mesh == mesh) {
				vec_push(&hit, e);
				break;
			}
	}
	for (i = 0; i < hit.n; i++)
		remove_forward(r, hit.v[i], mesh);
	vec_release(&hit);
}

struct registry_counts registry_counts(const struct registry *r)
{
	return r->n;
}

derp_handle registry_route(const struct registry *r, const uint8_t *key)
{
	const struct entry *e = entry_get(r, key);

	return e ? e->routed : 0;
}

void registry_each(const struct registry *r, void (*fn)(void *arg, const struct registry_conn *c), void *arg)
{
	const struct ktab_slot *s;
	size_t i = 0;

	while ((s = ktab_next(&r->by_key, &i)) != NULL) {
		const struct entry *e = (const struct entry *)(uintptr_t)s->value;
		for (const struct conn *c = e->conns; c; c = c->next) {
			struct registry_conn rc = { .key = e->key, .handle = c->handle, .port = c->port,
				                    .flags = c->flags, .app = bytes_of(c->app, c->app_len) };
			memcpy(rc.ip, c->ip, sizeof rc.ip);
			fn(arg, &rc);
		}
	}
}
