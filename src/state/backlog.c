/*
 * state/backlog.c -- what the writer knows of nodes beside their rows, and presence that waits to be written.
 *
 * Nodes whose presence changed queue up, oldest first; each waits presence_write_ns, so that a node that changes all
 * the time is written once in so long, and goes with the next batch after that.
 */
#include <stdlib.h>
#include <string.h>

#include "state/state_priv.h"

#define FLUSH_MAX 512 /* presence rows that go with one batch */

struct entry *state_entry(struct state *st, node_id id)
{
	uint64_t v;

	for (size_t pos = 0; trie_next(st->entries, trie_hash_id(id), &pos, &v);)
		if (((struct entry *)(uintptr_t)v)->id == id)
			return (struct entry *)(uintptr_t)v;
	return NULL;
}

struct entry *state_entry_make(struct state *st, node_id id)
{
	struct entry *e = state_entry(st, id);

	if (e != NULL)
		return e;
	e = xcalloc(1, sizeof *e);
	e->id = id;
	trie_put(&st->entries, trie_hash_id(id), (uint64_t)(uintptr_t)e, &trie_numbers);
	return e;
}

void state_entry_drop(struct state *st, node_id id)
{
	struct entry *e = state_entry(st, id);

	if (e == NULL)
		return;
	trie_del(&st->entries, trie_hash_id(id), (uint64_t)(uintptr_t)e);
	free(e);
}

static void arm_flush(struct state *st, int64_t at_ns)
{
	if (st->flush_at_ns != 0 && st->flush_at_ns <= at_ns)
		return;
	st->flush_at_ns = at_ns;
	timers_add(&st->mono, at_ns, TIMER_FLUSH, 0);
}

void state_presence_dirty(struct state *st, node_id id)
{
	struct entry *e = state_entry_make(st, id);

	if (e->dirty)
		return;
	e->dirty = true;
	e->dirty_at_ns = state_mono_ns(st);
	arm_flush(st, e->dirty_at_ns + st->o.presence_write_ns);
	vec_push(&st->dirty, id);
}

void backlog_add(struct state *st, struct draft *d, bool all)
{
	int64_t now = state_mono_ns(st);
	size_t n = 0;

	while (st->dirty_head < st->dirty.n && (all || n < FLUSH_MAX)) {
		node_id id = st->dirty.v[st->dirty_head];
		struct entry *e = state_entry(st, id);
		const struct node *node = snapshot_node(st->cur, id);
		struct op op = { .kind = OP_PUT_PRESENCE };

		if (e != NULL && !all && e->dirty_at_ns + st->o.presence_write_ns > now)
			break;
		st->dirty_head++;
		if (e == NULL || node == NULL || !e->dirty)
			continue;
		e->dirty = false;
		if (draft_node(d, id) == NULL)
			continue; /* this very batch removes it */
		op.u.node = node_ref((struct node *)(uintptr_t)node);
		vec_push(&d->ops, op);
		n++;
	}
	if (st->dirty_head > 1024 && st->dirty_head * 2 > st->dirty.n) {
		memmove(st->dirty.v, st->dirty.v + st->dirty_head, (st->dirty.n - st->dirty_head) * sizeof(node_id));
		st->dirty.n -= st->dirty_head;
		st->dirty_head = 0;
	}
	if (st->dirty_head < st->dirty.n) {
		struct entry *e = state_entry(st, st->dirty.v[st->dirty_head]);

		arm_flush(st, e ? e->dirty_at_ns + st->o.presence_write_ns : now);
	}
}

bool backlog_due(struct state *st)
{
	const struct entry *e;

	if (st->dirty_head == st->dirty.n)
		return false;
	e = state_entry(st, st->dirty.v[st->dirty_head]);
	return e == NULL || e->dirty_at_ns + st->o.presence_write_ns <= state_mono_ns(st);
}
