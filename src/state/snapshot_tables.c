/*
 * state/snapshot_tables.c -- what a snapshot shares whole: its users and its primary routes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "state/snapshot_priv.h"

/* ---- users ------------------------------------------------------------------------------- */

struct user_table *user_table_new(void)
{
	struct user_table *t = xcalloc(1, sizeof *t);

	atomic_init(&t->refs, 1);
	return t;
}

struct user_table *user_table_ref(struct user_table *t)
{
	if (t != NULL)
		atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void user_table_unref(struct user_table **t)
{
	struct user_table *old = *t;

	*t = NULL;
	if (old == NULL || atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < old->n; i++)
		user_unref(&old->v[i]);
	free(old->v);
	free(old);
}

/* The first index whose id is not below `id`. */
static size_t user_at(const struct user_table *t, user_id id)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->v[mid]->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct user *user_table_get(const struct user_table *t, user_id id)
{
	size_t i = user_at(t, id);

	return i < t->n && t->v[i]->id == id ? t->v[i] : NULL;
}

static struct user_table *users_mine(struct user_table **t)
{
	struct user_table *old = *t, *c;

	if (atomic_load_explicit(&old->refs, memory_order_acquire) == 1)
		return old;
	c = user_table_new();
	c->n = old->n;
	c->cap = old->n + 8;
	c->v = xcalloc(c->cap, sizeof(struct user *));
	for (size_t i = 0; i < old->n; i++)
		c->v[i] = user_ref(old->v[i]);
	user_table_unref(t);
	return *t = c;
}

void user_table_put(struct user_table **tp, struct user *u)
{
	struct user_table *t = users_mine(tp);
	size_t i = user_at(t, u->id);

	user_ref(u);
	if (i < t->n && t->v[i]->id == u->id) {
		user_unref(&t->v[i]);
		t->v[i] = u;
		return;
	}
	if (t->n == t->cap)
		t->v = vec_grow(t->v, &t->cap, sizeof(struct user *));
	memmove(t->v + i + 1, t->v + i, (t->n - i) * sizeof(struct user *));
	t->v[i] = u;
	t->n++;
}

void user_table_del(struct user_table **tp, user_id id)
{
	struct user_table *t = users_mine(tp);
	size_t i = user_at(t, id);

	if (i == t->n || t->v[i]->id != id)
		return;
	user_unref(&t->v[i]);
	memmove(t->v + i, t->v + i + 1, (t->n - i - 1) * sizeof(struct user *));
	t->n--;
}

/* ---- routes ------------------------------------------------------------------------------ */

struct route_table *route_table_new(const struct route_primary *v, size_t n)
{
	struct route_table *t = xmalloc(sizeof *t + n * sizeof t->v[0]);

	atomic_init(&t->refs, 1);
	t->n = n;
	if (n > 0)
		mem_copy(t->v, v, n * sizeof t->v[0]);
	return t;
}

struct route_table *route_table_ref(struct route_table *t)
{
	if (t != NULL)
		atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void route_table_unref(struct route_table **t)
{
	struct route_table *old = *t;

	*t = NULL;
	if (old != NULL && atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) == 1)
		free(old);
}

node_id snapshot_primary(const struct snapshot *s, const struct ip_prefix *p)
{
	size_t lo = 0, hi = s->routes->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = ip_prefix_cmp(&s->routes->v[mid].prefix, p);

		if (c == 0)
			return s->routes->v[mid].node;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

size_t snapshot_primaries_of(const struct snapshot *s, node_id id, struct ip_prefix *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < s->routes->n; i++) {
		if (s->routes->v[i].node != id)
			continue;
		if (n < max)
			out[n] = s->routes->v[i].prefix;
		n++;
	}
	return n;
}
