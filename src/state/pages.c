/*
 * state/pages.c -- the pages of a snapshot: found, copied at the first touch, changed, split and joined.
 *
 * References on pages are held by chunks of up to 64 pages, so that the next snapshot of 1,500 pages counts 25 chunks
 * and the pages of one, not all; the flat array that readers use is copied as plain memory. A page that falls below
 * MERGE_BELOW is joined with a neighbour if both fit in MERGE_FITS slots: room is left so that joined pages do not
 * split at the next node.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "state/snapshot_priv.h"

#define MERGE_BELOW 16
#define MERGE_FITS 48

/* Lineages are never given twice in a process. Writer threads only, but of several states in tests. */
static atomic_uint_least64_t last_lineage;

static uint64_t new_lineage(void)
{
	return atomic_fetch_add_explicit(&last_lineage, 1, memory_order_relaxed) + 1;
}

/* ---- pages and chunks -------------------------------------------------------------------- */

static struct page *page_new(uint64_t gen)
{
	struct page *p = xcalloc(1, sizeof *p);

	atomic_init(&p->refs, 1);
	p->lineage = new_lineage();
	p->durable_gen = p->presence_gen = gen;
	return p;
}

static void page_unref(struct page **p)
{
	struct page *old = *p;

	*p = NULL;
	if (old == NULL || atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; i < PAGE_SLOTS; i++)
		node_unref(&old->slot[i].node);
	free(old);
}

static struct page *page_copy(const struct page *p)
{
	struct page *c = xmalloc(sizeof *c);

	mem_copy((char *)c + sizeof c->refs, (const char *)p + sizeof p->refs, sizeof *c - sizeof c->refs);
	atomic_init(&c->refs, 1);
	for (unsigned i = 0; i < PAGE_SLOTS; i++)
		node_ref(c->slot[i].node);
	return c;
}

static struct page_chunk *chunk_new(void)
{
	struct page_chunk *c = xcalloc(1, sizeof *c);

	atomic_init(&c->refs, 1);
	return c;
}

struct page_chunk *page_chunk_ref(struct page_chunk *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void page_chunk_unref(struct page_chunk **c)
{
	struct page_chunk *old = *c;

	*c = NULL;
	if (old == NULL || atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; i < old->n; i++)
		page_unref(&old->p[i]);
	free(old);
}

/* Which chunk holds pages[i], and where in it. */
static size_t chunk_of(const struct snapshot *s, size_t i, unsigned *at)
{
	size_t c = 0;

	while (i >= s->chunks[c]->n)
		i -= s->chunks[c++]->n;
	*at = (unsigned)i;
	return c;
}

static struct page_chunk *chunk_mine(struct snapshot *s, size_t c)
{
	struct page_chunk *old = s->chunks[c], *n;

	if (atomic_load_explicit(&old->refs, memory_order_acquire) == 1)
		return old;
	n = chunk_new();
	n->n = old->n;
	for (unsigned i = 0; i < old->n; i++) {
		n->p[i] = old->p[i];
		atomic_fetch_add_explicit(&n->p[i]->refs, 1, memory_order_relaxed);
	}
	page_chunk_unref(&s->chunks[c]);
	return s->chunks[c] = n;
}

/* pages[i] as a page of our own. */
static struct page *page_mine(struct snapshot *s, size_t i)
{
	unsigned at;
	size_t c = chunk_of(s, i, &at);
	struct page_chunk *ch = chunk_mine(s, c);
	struct page *p = ch->p[at];

	if (atomic_load_explicit(&p->refs, memory_order_acquire) != 1) {
		p = page_copy(p);
		page_unref(&ch->p[at]);
		ch->p[at] = s->pages[i] = p;
	}
	return p;
}

/* Make `p` (taken) pages[i], what is there moves up. */
static void page_insert(struct snapshot *s, size_t i, struct page *p)
{
	struct page_chunk *ch;
	unsigned at = 0;
	size_t c;

	if (s->n_chunks == 0) {
		s->chunks = xreallocarray(s->chunks, 1, sizeof(struct page_chunk *));
		s->chunks[s->n_chunks++] = chunk_new();
	}
	if (i == s->n_pages) {
		c = s->n_chunks - 1;
		at = s->chunks[c]->n;
	} else {
		c = chunk_of(s, i, &at);
	}
	ch = chunk_mine(s, c);
	if (ch->n == CHUNK_PAGES) {
		/* Full: a chunk behind it takes the pages from `at` on; none if we append. */
		struct page_chunk *more = chunk_new();

		s->chunks = xreallocarray(s->chunks, s->n_chunks + 1, sizeof(struct page_chunk *));
		memmove(s->chunks + c + 2, s->chunks + c + 1, (s->n_chunks - c - 1) * sizeof(struct page_chunk *));
		s->chunks[c + 1] = more;
		s->n_chunks++;
		more->n = CHUNK_PAGES - at;
		mem_copy(more->p, ch->p + at, more->n * sizeof(struct page *));
		ch->n = at;
		if (at == CHUNK_PAGES) {
			ch = more;
			at = 0;
		}
	}
	memmove(ch->p + at + 1, ch->p + at, (ch->n - at) * sizeof(struct page *));
	ch->p[at] = p;
	ch->n++;
	s->pages = xreallocarray(s->pages, s->n_pages + 1, sizeof(struct page *));
	memmove(s->pages + i + 1, s->pages + i, (s->n_pages - i) * sizeof(struct page *));
	s->pages[i] = p;
	s->n_pages++;
}

static void page_drop(struct snapshot *s, size_t i)
{
	unsigned at;
	size_t c = chunk_of(s, i, &at);
	struct page_chunk *ch = chunk_mine(s, c);

	page_unref(&ch->p[at]);
	memmove(ch->p + at, ch->p + at + 1, (ch->n - at - 1) * sizeof(struct page *));
	if (--ch->n == 0) {
		page_chunk_unref(&s->chunks[c]);
		memmove(s->chunks + c, s->chunks + c + 1, (s->n_chunks - c - 1) * sizeof(struct page_chunk *));
		s->n_chunks--;
	}
	memmove(s->pages + i, s->pages + i + 1, (s->n_pages - i - 1) * sizeof(struct page *));
	s->n_pages--;
}

static node_id page_first(const struct page *p)
{
	return p->slot[__builtin_ctzll(p->used)].node->id;
}

/* The last page whose first ID is not above id; n_pages if there is none. */
static size_t page_index(const struct snapshot *s, node_id id)
{
	size_t lo = 0, hi = s->n_pages;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (page_first(s->pages[mid]) <= id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo == 0 ? s->n_pages : lo - 1;
}

/* The first used slot whose ID is not below id; PAGE_SLOTS if there is none. */
static unsigned slot_at(const struct page *p, node_id id)
{
	unsigned lo = 0, hi = PAGE_SLOTS; /* used slots below lo are too small, those from hi on are not */

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		uint64_t rest = p->used >> mid;
		unsigned m = rest ? mid + (unsigned)__builtin_ctzll(rest) : PAGE_SLOTS;

		if (m < hi && p->slot[m].node->id < id)
			lo = m + 1;
		else
			hi = mid;
	}
	return lo < PAGE_SLOTS && p->used >> lo ? lo + (unsigned)__builtin_ctzll(p->used >> lo) : PAGE_SLOTS;
}

const struct slot *snapshot_slot(const struct snapshot *s, node_id id, struct slot_ref *ref_out)
{
	size_t i = page_index(s, id);
	unsigned at;

	if (i == s->n_pages)
		return NULL;
	at = slot_at(s->pages[i], id);
	if (at == PAGE_SLOTS || s->pages[i]->slot[at].node->id != id)
		return NULL;
	if (ref_out != NULL)
		*ref_out = (struct slot_ref){ (uint32_t)i, (uint8_t)at };
	return &s->pages[i]->slot[at];
}

const struct node *snapshot_node(const struct snapshot *s, node_id id)
{
	const struct slot *slot = snapshot_slot(s, id, NULL);

	return slot ? slot->node : NULL;
}

/* ---- changes ----------------------------------------------------------------------------- */

static void touch_page(struct snapshot *s, struct page *p, enum slot_touch touch)
{
	p->presence_gen = s->seq;
	if (touch == TOUCH_WHOLE)
		p->durable_gen = s->seq;
}

void snapshot_replace_node(struct snapshot *s, struct node *n, enum slot_touch touch)
{
	struct node_index ix = snapshot_index(s);
	struct slot_ref ref;
	struct page *p;
	struct slot *slot;

	if (snapshot_slot(s, n->id, &ref) == NULL)
		return;
	p = page_mine(s, ref.page);
	slot = &p->slot[ref.slot];
	node_index_swap(&ix, slot->node, n);
	node_unref(&slot->node);
	slot->node = node_ref(n);
	if (touch == TOUCH_WHOLE)
		slot->whole_seq = s->seq;
	else if (touch == TOUCH_PRESENCE)
		slot->presence_seq = s->seq;
	touch_page(s, p, touch);
}

void snapshot_set_class(struct snapshot *s, node_id id, uint32_t class_id, bool whole)
{
	struct slot_ref ref;
	const struct slot *now = snapshot_slot(s, id, &ref);
	struct page *p;

	if (now == NULL || (now->class_id == class_id && !whole))
		return;
	p = page_mine(s, ref.page);
	p->slot[ref.slot].class_id = class_id;
	if (whole)
		p->slot[ref.slot].whole_seq = s->seq;
	touch_page(s, p, TOUCH_WHOLE);
}

/* Move the used slots of `from` into `to` behind its last used one, which leaves room. */
static void slots_append(struct page *to, struct slot *from, unsigned n)
{
	unsigned at = to->used ? 64u - (unsigned)__builtin_clzll(to->used) : 0;

	assert(at + n <= PAGE_SLOTS);
	for (unsigned i = 0; i < n; i++) {
		to->slot[at + i] = from[i];
		to->used |= UINT64_C(1) << (at + i);
	}
}

/* Used slots of a page without holes; their nodes counted once more. */
static unsigned slots_gather(const struct page *p, struct slot *out)
{
	unsigned n = 0;

	for (uint64_t m = p->used; m != 0; m &= m - 1) {
		out[n] = p->slot[__builtin_ctzll(m)];
		node_ref(out[n++].node);
	}
	return n;
}

void snapshot_add_node(struct snapshot *s, struct node *n, uint32_t class_id)
{
	struct node_index ix = snapshot_index(s);
	struct slot fresh = { node_ref(n), class_id, s->seq, s->seq };
	struct slot all[PAGE_SLOTS + 1];
	struct page *p;
	unsigned count, at = 0;
	size_t i;

	node_index_swap(&ix, NULL, n);
	s->n_nodes++;
	i = page_index(s, n->id);
	if (i == s->n_pages)
		i = 0; /* before the first page, or there is none */
	if (s->n_pages == 0 || (i == s->n_pages - 1 && s->pages[i]->used >> 63 != 0 &&
				s->pages[i]->slot[63].node->id < n->id)) {
		/* Behind a full last page: a new one. */
		p = page_new(s->seq);
		slots_append(p, &fresh, 1);
		page_insert(s, s->n_pages, p);
		return;
	}
	if (i == s->n_pages - 1 && slot_at(s->pages[i], n->id) == PAGE_SLOTS) {
		/* Behind the last node: the usual way. */
		p = page_mine(s, i);
		slots_append(p, &fresh, 1);
		touch_page(s, p, TOUCH_WHOLE);
		return;
	}
	/* Among others: that page is made anew, in two if it is full. */
	count = slots_gather(s->pages[i], all);
	while (at < count && all[at].node->id < n->id)
		at++;
	memmove(all + at + 1, all + at, (count - at) * sizeof all[0]);
	all[at] = fresh;
	count++;
	page_drop(s, i);
	p = page_new(s->seq);
	at = count <= PAGE_SLOTS ? count : count / 2;
	slots_append(p, all, at);
	page_insert(s, i, p);
	if (at < count) {
		p = page_new(s->seq);
		slots_append(p, all + at, count - at);
		page_insert(s, i + 1, p);
	}
}

/* Join pages i and i + 1 if both are small. */
static bool try_merge(struct snapshot *s, size_t i)
{
	struct slot all[PAGE_SLOTS];
	struct page *p;
	unsigned n;

	if (i + 1 >= s->n_pages ||
	    __builtin_popcountll(s->pages[i]->used) + __builtin_popcountll(s->pages[i + 1]->used) > MERGE_FITS)
		return false;
	n = slots_gather(s->pages[i], all);
	n += slots_gather(s->pages[i + 1], all + n);
	page_drop(s, i + 1);
	page_drop(s, i);
	p = page_new(s->seq);
	slots_append(p, all, n);
	page_insert(s, i, p);
	return true;
}

void snapshot_remove_node(struct snapshot *s, node_id id)
{
	struct node_index ix = snapshot_index(s);
	struct slot_ref ref;
	struct page *p;

	if (snapshot_slot(s, id, &ref) == NULL)
		return;
	p = page_mine(s, ref.page);
	node_index_swap(&ix, p->slot[ref.slot].node, NULL);
	node_unref(&p->slot[ref.slot].node);
	memset(&p->slot[ref.slot], 0, sizeof p->slot[0]);
	p->used &= ~(UINT64_C(1) << ref.slot);
	s->n_nodes--;
	touch_page(s, p, TOUCH_WHOLE);
	if (p->used == 0)
		page_drop(s, ref.page);
	else if (__builtin_popcountll(p->used) < MERGE_BELOW && !try_merge(s, ref.page) && ref.page > 0)
		try_merge(s, ref.page - 1);
}
