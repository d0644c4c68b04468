/*
 * mapper/delta.c -- what a class has to hear between two snapshots.
 *
 * Both ends are at hand, so nothing is remembered on the way: a peer that was seen then and is not now is a removal, one
 * that is seen now and was not then comes whole, and one seen at both ends comes whole or as a patch, by what is
 * different. Pages that are the same object in both snapshots hold nothing to say and are passed over.
 *
 * If another policy holds, or the class is another, every slot is looked at. If not, only what changed can matter, and
 * routers: whom a router shows its routes may depend on other routers, so each is asked.
 */
#include "mapper/mapper_priv.h"

#include <assert.h>

struct walk {
	struct work *wk;
	const struct delta_in *in;
	struct delta *out;
	bool forms;     /* forms may differ for any peer */
	bool names;     /* every name is another */
};

void delta_release(struct delta *d)
{
	vec_release(&d->recs);
	vec_release(&d->users);
}

static void push(struct walk *w, struct rec r)
{
	vec_push(&w->out->recs, r);
}

static bool form_differs(struct walk *w, const struct node *n)
{
	const struct access *x = w->wk->x;
	const struct delta_in *in = w->in;

	if (in->then == in->now && in->view_then->class_id == in->view_now->class_id)
		return false;
	return form_of(x, in->then, in->view_then->class_id, n->id, w->wk->a) !=
	       form_of(x, in->now, in->view_now->class_id, n->id, w->wk->a);
}

/* One node at both ends; either may be NULL. */
static void compare(struct walk *w, const struct slot *then, const struct slot *now)
{
	const struct delta_in *in = w->in;
	bool saw = then != NULL && view_sees_slot(in->view_then, then);
	bool sees = now != NULL && view_sees_slot(in->view_now, now);

	if (!saw && !sees)
		return;
	if (!sees) {
		push(w, (struct rec){ .id = then->node->id, .kind = REC_REMOVE });
		return;
	}
	if (!saw || now->whole_seq > in->then->seq || w->names ||
	    ((w->forms || node_serves(now->node)) && form_differs(w, now->node))) {
		push(w, (struct rec){ .id = now->node->id, .kind = REC_UPSERT, .now = now->node });
		if (!saw || wire_user(then->node) != wire_user(now->node))
			vec_push(&w->out->users, wire_user(now->node));
		return;
	}
	if (in->full ? now->presence_seq > in->presence_seq : then->node != now->node)
		push(w, (struct rec){ .id = now->node->id, .kind = REC_PATCH, .old = in->full ? NULL : then->node, .now = now->node });
}

/* ---- which nodes ------------------------------------------------------------------------------- */

/* A place in a snapshot: `left` are the slots of pages[page] still to come. */
struct place {
	const struct snapshot *s;
	size_t page;
	uint64_t left;
};

static struct place place_first(const struct snapshot *s)
{
	return (struct place){ s, 0, s->n_pages > 0 ? s->pages[0]->used : 0 };
}

static void next_page(struct place *p)
{
	p->page++;
	p->left = p->page < p->s->n_pages ? p->s->pages[p->page]->used : 0;
}

static const struct slot *place_slot(const struct place *p)
{
	return p->left ? &p->s->pages[p->page]->slot[__builtin_ctzll(p->left)] : NULL;
}

static void place_step(struct place *p)
{
	p->left &= p->left - 1;
	if (p->left == 0)
		next_page(p);
}

/* Both stand at the front of one and the same page, in which nothing can be new to the client. */
static bool same_page(const struct delta_in *in, const struct place *a, const struct place *b)
{
	const struct page *p;

	if (!a->left || !b->left || a->s->pages[a->page] != b->s->pages[b->page])
		return false;
	p = a->s->pages[a->page];
	return a->left == p->used && b->left == p->used && in->same_rules && p->presence_gen <= in->presence_seq;
}

static void walk_pages(struct walk *w)
{
	struct place a = place_first(w->in->then), b = place_first(w->in->now);

	while (a.left || b.left) {
		const struct slot *x = place_slot(&a), *y = place_slot(&b);
		node_id i = x != NULL ? x->node->id : UINT64_MAX, k = y != NULL ? y->node->id : UINT64_MAX;

		if (same_page(w->in, &a, &b)) {
			next_page(&a);
			next_page(&b);
			continue;
		}
		compare(w, i <= k ? x : NULL, k <= i ? y : NULL);
		if (i <= k)
			place_step(&a);
		if (k <= i)
			place_step(&b);
	}
}

static int by_rec_id(const void *a, const void *b)
{
	const struct rec *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Routers whose pages were passed over. */
static void walk_routers(struct walk *w)
{
	const struct delta_in *in = w->in;
	size_t n = w->out->recs.n;

	for (size_t i = 0; i < in->n_routers; i++) {
		const struct slot *then = snapshot_slot(in->then, in->routers[i], NULL);
		const struct slot *now = snapshot_slot(in->now, in->routers[i], NULL);
		struct rec key = { .id = in->routers[i] };

		if (n == 0 || bsearch(&key, w->out->recs.v, n, sizeof key, by_rec_id) == NULL)
			compare(w, then, now);
	}
	if (w->out->recs.n > n)
		qsort(w->out->recs.v, w->out->recs.n, sizeof(struct rec), by_rec_id);
}

/* ---- moves of keys, addresses and names ---------------------------------------------------------- */

static struct rec *rec_of(struct delta *d, node_id id)
{
	struct rec key = { .id = id };

	return d->recs.n ? bsearch(&key, d->recs.v, d->recs.n, sizeof key, by_rec_id) : NULL;
}

/* Had another peer of this class what `n` has now? Then that one is an old holder. */
static bool takes_from(struct walk *w, const struct node *n, const struct node *holder)
{
	const struct slot *s;
	struct rec *r;

	if (holder == NULL || holder->id == n->id)
		return false;
	s = snapshot_slot(w->in->then, holder->id, NULL);
	if (s == NULL || !view_sees_slot(w->in->view_then, s))
		return false;
	r = rec_of(w->out, holder->id);
	if (r != NULL)
		r->taken = true;
	return true;
}

static bool takes(struct walk *w, const struct node *n)
{
	const struct snapshot *then = w->in->then;
	bool any = takes_from(w, n, snapshot_node_by_key(then, &n->key));

	any |= takes_from(w, n, snapshot_node_by_addr(then, &n->ip4));
	any |= takes_from(w, n, snapshot_node_by_addr(then, &n->ip6));
	return takes_from(w, n, snapshot_node_by_name(then, n->name)) || any;
}

/*
 * Clients sort a frame's changes by ID, and removing an old holder after its heir came takes the heir's entries along: so
 * heirs come in a second frame. A holder that is an heir itself (two nodes changed places) is removed in the first.
 */
static void find_heirs(struct walk *w)
{
	struct delta *d = w->out;

	for (size_t i = 0; i < d->recs.n; i++)
		if (d->recs.v[i].kind == REC_UPSERT && takes(w, d->recs.v[i].now))
			d->split = d->recs.v[i].second = true;
}

/* ---- profiles -------------------------------------------------------------------------------------- */

static int by_user(const void *a, const void *b)
{
	const user_id *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void sort_users(user_vec *v)
{
	size_t n = 0;

	if (v->n > 1)
		qsort(v->v, v->n, sizeof *v->v, by_user);
	for (size_t i = 0; i < v->n; i++)
		if (n == 0 || v->v[n - 1] != v->v[i])
			v->v[n++] = v->v[i];
	v->n = n;
}

static bool shows_same(const struct user *a, const struct user *b)
{
	char x[24], y[24];

	return a == b || (strcmp(user_login(a, x), user_login(b, y)) == 0 && strcmp(user_display(a, x), user_display(b, y)) == 0 &&
			  strcmp(a->picture_url, b->picture_url) == 0);
}

/* Users that were known then and look otherwise now: both tables are sorted by ID. */
static void changed_users(const struct delta_in *in, user_vec *out)
{
	size_t n = snapshot_user_count(in->then), m = snapshot_user_count(in->now), i = 0, k = 0;

	while (i < n && k < m) {
		const struct user *a = snapshot_user_at(in->then, i), *b = snapshot_user_at(in->now, k);

		if (a->id == b->id && !shows_same(a, b))
			vec_push(out, a->id);
		i += a->id <= b->id;
		k += b->id <= a->id;
	}
}

static void add_changed_profiles(struct walk *w)
{
	const struct snapshot *s = w->in->now;
	user_vec changed = { 0 };

	if (w->in->then->users == s->users)
		return;
	changed_users(w->in, &changed);
	for (size_t i = 0; changed.n > 0 && i < s->n_pages; i++)
		for (uint64_t m = s->pages[i]->used; m != 0; m &= m - 1) {
			const struct slot *slot = &s->pages[i]->slot[__builtin_ctzll(m)];
			user_id u = slot->node->user;

			if (!node_is_tagged(slot->node) && bsearch(&u, changed.v, changed.n, sizeof u, by_user) != NULL &&
			    view_sees_slot(w->in->view_now, slot))
				vec_push(&w->out->users, u);
		}
	vec_release(&changed);
}

void delta_build(struct work *wk, const struct delta_in *in, struct delta *out)
{
	struct walk w = { wk, in, out, !in->same_rules, false };

	*out = (struct delta){ 0 };
	w.names = in->then->dns != in->now->dns && strcmp(base_domain(in->then), base_domain(in->now)) != 0;
	if (in->ids != NULL && in->same_rules && !w.names) {
		for (size_t i = 0; i < in->n_ids; i++)
			compare(&w, snapshot_slot(in->then, in->ids[i], NULL), snapshot_slot(in->now, in->ids[i], NULL));
	} else {
		struct delta_in all = *in;

		all.same_rules &= !w.names;
		w.in = &all;
		walk_pages(&w);
		w.in = in;
		if (all.same_rules && wk->x->ops->token(wk->x->arg, in->then) != wk->x->ops->token(wk->x->arg, in->now))
			walk_routers(&w);
	}
	find_heirs(&w);
	add_changed_profiles(&w);
	sort_users(&out->users);
}
