/*
 * state/snapshot.c -- see state/snapshot.h and state/snapshot_priv.h.
 *
 * References on pages are held by chunks of up to 64 pages, so that the next snapshot of 1,500 pages counts 25 chunks
 * and the pages of one, not all; the flat array that readers use is copied as plain memory. A page that falls below
 * MERGE_BELOW is joined with a neighbour if both fit in MERGE_FITS slots: room is left so that joined pages do not
 * split at the next node.
 */
#include "state/snapshot_priv.h"

#include <assert.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/vec.h"
#include "policy/engine.h"
#include "state/settings.h"

#define CHUNK_PAGES 64
#define MERGE_BELOW 16
#define MERGE_FITS 48

struct page_chunk {
	atomic_uint refs;
	unsigned n;
	struct page *p[CHUNK_PAGES];
};

/* Lineages are never given twice in a process. Writer threads only, but of several states in tests. */
static atomic_uint_least64_t last_lineage;

static uint64_t new_lineage(void)
{
	return atomic_fetch_add_explicit(&last_lineage, 1, memory_order_relaxed) + 1;
}

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

static void chunk_unref(struct page_chunk **c)
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
	chunk_unref(&s->chunks[c]);
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
		chunk_unref(&s->chunks[c]);
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

/* ---- indexes ----------------------------------------------------------------------------- */

static uint64_t addr_hash(const struct ip_addr *a)
{
	return trie_hash_bytes(a, sizeof *a);
}

static void index_del(const struct node_index *ix, const struct node *n)
{
	trie_del(ix->by_node_key, node_key_hash(&n->key), n->id);
	trie_del(ix->by_machine_key, machine_key_hash(&n->machine), n->id);
	trie_del(ix->by_name, trie_hash_text(n->name), n->id);
	if (n->ip4.family != IP_NONE)
		trie_del(ix->by_addr, addr_hash(&n->ip4), n->id);
	if (n->ip6.family != IP_NONE)
		trie_del(ix->by_addr, addr_hash(&n->ip6), n->id);
}

static void index_put(const struct node_index *ix, const struct node *n)
{
	trie_put(ix->by_node_key, node_key_hash(&n->key), n->id, &trie_numbers);
	trie_put(ix->by_machine_key, machine_key_hash(&n->machine), n->id, &trie_numbers);
	trie_put(ix->by_name, trie_hash_text(n->name), n->id, &trie_numbers);
	if (n->ip4.family != IP_NONE)
		trie_put(ix->by_addr, addr_hash(&n->ip4), n->id, &trie_numbers);
	if (n->ip6.family != IP_NONE)
		trie_put(ix->by_addr, addr_hash(&n->ip6), n->id, &trie_numbers);
}

void node_index_swap(const struct node_index *ix, const struct node *old, const struct node *now)
{
	if (old != NULL && now != NULL && node_key_eq(&old->key, &now->key) &&
	    machine_key_eq(&old->machine, &now->machine) && strcmp(old->name, now->name) == 0 &&
	    ip_eq(&old->ip4, &now->ip4) && ip_eq(&old->ip6, &now->ip6))
		return;
	if (old != NULL)
		index_del(ix, old);
	if (now != NULL)
		index_put(ix, now);
}

static struct node_index index_of(struct snapshot *s)
{
	return (struct node_index){ &s->by_node_key, &s->by_machine_key, &s->by_addr, &s->by_name };
}

const struct node *snapshot_node_by_key(const struct snapshot *s, const struct node_key *k)
{
	const struct node *n;
	uint64_t id;

	for (size_t pos = 0; trie_next(s->by_node_key, node_key_hash(k), &pos, &id);)
		if ((n = snapshot_node(s, id)) != NULL && node_key_eq(&n->key, k))
			return n;
	return NULL;
}

const struct node *snapshot_node_by_addr(const struct snapshot *s, const struct ip_addr *a)
{
	const struct node *n;
	uint64_t id;

	if (a->family == IP_NONE)
		return NULL;
	for (size_t pos = 0; trie_next(s->by_addr, addr_hash(a), &pos, &id);)
		if ((n = snapshot_node(s, id)) != NULL && (ip_eq(&n->ip4, a) || ip_eq(&n->ip6, a)))
			return n;
	return NULL;
}

const struct node *snapshot_node_by_name(const struct snapshot *s, const char *label)
{
	const struct node *n;
	uint64_t id;

	for (size_t pos = 0; trie_next(s->by_name, trie_hash_text(label), &pos, &id);)
		if ((n = snapshot_node(s, id)) != NULL && strcmp(n->name, label) == 0)
			return n;
	return NULL;
}

size_t snapshot_nodes_by_machine(const struct snapshot *s, const struct machine_key *k, const struct node **out,
				 size_t max)
{
	const struct node *n;
	size_t found = 0;
	uint64_t id;

	for (size_t pos = 0; trie_next(s->by_machine_key, machine_key_hash(k), &pos, &id);) {
		n = snapshot_node(s, id);
		if (n == NULL || !machine_key_eq(&n->machine, k))
			continue;
		if (found < max)
			out[found] = n;
		found++;
	}
	return found;
}

const struct user *snapshot_user(const struct snapshot *s, user_id id)
{
	return user_table_get(s->users, id);
}

const struct user *snapshot_user_by_name(const struct snapshot *s, const char *name)
{
	const struct user *found = NULL;

	if (name[0] == '\0')
		return NULL;
	/* A local user's name first: it is unique. Then e-mail, then provider id, then a provider's user name. */
	for (size_t i = 0; i < s->users->n; i++)
		if (s->users->v[i]->provider_id[0] == '\0' && strcmp(s->users->v[i]->name, name) == 0)
			return s->users->v[i];
	for (int pass = 0; pass < 3 && found == NULL; pass++) {
		for (size_t i = 0; i < s->users->n && found == NULL; i++) {
			const struct user *u = s->users->v[i];
			const char *t = pass == 0 ? u->email : pass == 1 ? u->provider_id : u->name;

			if (strcmp(t, name) == 0)
				found = u;
		}
	}
	return found;
}

size_t snapshot_user_count(const struct snapshot *s)
{
	return s->users->n;
}

const struct user *snapshot_user_at(const struct snapshot *s, size_t i)
{
	return i < s->users->n ? s->users->v[i] : NULL;
}

/* ---- life -------------------------------------------------------------------------------- */

struct snapshot *snapshot_new(tailnet_id tailnet)
{
	struct snapshot *s = xcalloc(1, sizeof *s);

	atomic_init(&s->refs, 1);
	s->tailnet = tailnet;
	s->users = user_table_new();
	s->routes = route_table_new(NULL, 0);
	return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	if (s != NULL)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void snapshot_unref(struct snapshot **sp)
{
	struct snapshot *s = *sp;

	*sp = NULL;
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < s->n_chunks; i++)
		chunk_unref(&s->chunks[i]);
	free(s->chunks);
	free(s->pages);
	user_table_unref(&s->users);
	route_table_unref(&s->routes);
	policy_engine_unref(&s->policy);
	shared_bytes_unref(&s->derp_map);
	dns_settings_unref(&s->dns);
	tailnet_settings_unref(&s->settings);
	trie_unref(&s->by_node_key);
	trie_unref(&s->by_machine_key);
	trie_unref(&s->by_addr);
	trie_unref(&s->by_name);
	free(s);
}

struct snapshot *snapshot_begin(struct snapshot *cur, uint64_t seq)
{
	struct snapshot *s = xcalloc(1, sizeof *s);

	atomic_init(&s->refs, 1);
	s->tailnet = cur->tailnet;
	s->seq = seq;
	s->n_pages = cur->n_pages;
	s->n_nodes = cur->n_nodes;
	s->pages = xcalloc(cur->n_pages + 1, sizeof(struct page *));
	if (cur->n_pages > 0)
		mem_copy(s->pages, cur->pages, cur->n_pages * sizeof(struct page *));
	s->n_chunks = cur->n_chunks;
	s->chunks = xcalloc(cur->n_chunks + 1, sizeof(struct page_chunk *));
	for (size_t i = 0; i < cur->n_chunks; i++) {
		s->chunks[i] = cur->chunks[i];
		atomic_fetch_add_explicit(&s->chunks[i]->refs, 1, memory_order_relaxed);
	}
	s->users = user_table_ref(cur->users);
	s->routes = route_table_ref(cur->routes);
	s->policy = cur->policy ? policy_engine_ref(cur->policy) : NULL;
	s->derp_map = shared_bytes_ref(cur->derp_map);
	s->dns = dns_settings_ref(cur->dns);
	s->settings = tailnet_settings_ref(cur->settings);
	s->by_node_key = trie_ref(cur->by_node_key);
	s->by_machine_key = trie_ref(cur->by_machine_key);
	s->by_addr = trie_ref(cur->by_addr);
	s->by_name = trie_ref(cur->by_name);
	return s;
}

static void touch_page(struct snapshot *s, struct page *p, enum slot_touch touch)
{
	p->presence_gen = s->seq;
	if (touch == TOUCH_WHOLE)
		p->durable_gen = s->seq;
}

void snapshot_replace_node(struct snapshot *s, struct node *n, enum slot_touch touch)
{
	struct node_index ix = index_of(s);
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
	struct node_index ix = index_of(s);
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
	struct node_index ix = index_of(s);
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

/* ---- publications ------------------------------------------------------------------------ */

struct publication *publication_new(struct snapshot *prev, struct snapshot *next, uint32_t world,
				    const struct node_change *nodes, size_t n_nodes, const user_id *users,
				    size_t n_users)
{
	struct publication *p = xcalloc(1, sizeof *p);

	atomic_init(&p->refs, 1);
	p->prev = snapshot_ref(prev);
	p->next = snapshot_ref(next);
	p->world = world;
	p->n_nodes = n_nodes;
	if (n_nodes > 0) {
		p->nodes = xcalloc(n_nodes, sizeof *nodes);
		mem_copy(p->nodes, nodes, n_nodes * sizeof *nodes);
	}
	p->n_users = n_users;
	if (n_users > 0) {
		p->users = xcalloc(n_users, sizeof *users);
		mem_copy(p->users, users, n_users * sizeof *users);
	}
	return p;
}

struct publication *publication_ref(struct publication *p)
{
	if (p != NULL)
		atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void publication_unref(struct publication **pp)
{
	struct publication *p = *pp;

	*pp = NULL;
	if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	snapshot_unref(&p->prev);
	snapshot_unref(&p->next);
	free(p->nodes);
	free(p->users);
	free(p);
}

/* ---- looking at it ----------------------------------------------------------------------- */

static size_t alloc_size(const void *p)
{
	return p ? malloc_usable_size((void *)(uintptr_t)p) + sizeof(size_t) : 0;
}

static size_t node_memory(const struct node *n)
{
	return alloc_size(n) + alloc_size(n->hostname) + alloc_size(n->name) + alloc_size(n->tags) +
	       alloc_size(n->announced_routes) + alloc_size(n->approved_routes) + alloc_size(n->request_tags) +
	       alloc_size(n->ssh_host_keys) + alloc_size(n->endpoints) + alloc_size(n->hostinfo) +
	       alloc_size(n->hostinfo_peer);
}

size_t snapshot_memory(const struct snapshot *s)
{
	size_t sum = alloc_size(s) + alloc_size(s->pages) + alloc_size(s->chunks) + alloc_size(s->routes) +
		     trie_memory(s->by_node_key) + trie_memory(s->by_machine_key) + trie_memory(s->by_addr) +
		     trie_memory(s->by_name);

	for (size_t i = 0; i < s->n_pages; i++) {
		sum += alloc_size(s->pages[i]);
		for (uint64_t m = s->pages[i]->used; m != 0; m &= m - 1)
			sum += node_memory(s->pages[i]->slot[__builtin_ctzll(m)].node);
	}
	return sum;
}

static const char *check_page(const struct snapshot *s, const struct page *p, node_id *last)
{
	if (p->used == 0)
		return "an empty page";
	if (p->durable_gen > s->seq || p->presence_gen > s->seq || p->presence_gen < p->durable_gen)
		return "generations run ahead";
	for (unsigned i = 0; i < PAGE_SLOTS; i++) {
		const struct slot *slot = &p->slot[i];

		if (((p->used >> i) & 1) != (slot->node != NULL))
			return "the used mask and the slots differ";
		if (slot->node == NULL)
			continue;
		if (slot->node->id <= *last)
			return "IDs out of order";
		*last = slot->node->id;
		if (snapshot_slot(s, slot->node->id, NULL) != slot)
			return "a node is not found by its ID";
		if (snapshot_node_by_key(s, &slot->node->key) != slot->node)
			return "a node is not found by its key, or not alone";
		if (snapshot_node_by_name(s, slot->node->name) != slot->node)
			return "a node is not found by its name, or not alone";
		if ((slot->node->ip4.family && snapshot_node_by_addr(s, &slot->node->ip4) != slot->node) ||
		    (slot->node->ip6.family && snapshot_node_by_addr(s, &slot->node->ip6) != slot->node))
			return "a node is not found by its address, or not alone";
		if (slot->whole_seq > s->seq || slot->presence_seq > s->seq)
			return "a slot's sequence runs ahead";
	}
	return NULL;
}

const char *snapshot_check(const struct snapshot *s)
{
	size_t n = 0, pages = 0, addrs = 0;
	node_id last = 0;
	const char *wrong;

	for (size_t c = 0; c < s->n_chunks; c++) {
		if (s->chunks[c]->n == 0)
			return "an empty chunk";
		for (unsigned i = 0; i < s->chunks[c]->n; i++)
			if (pages >= s->n_pages || s->chunks[c]->p[i] != s->pages[pages++])
				return "chunks and pages differ";
	}
	if (pages != s->n_pages)
		return "pages that no chunk holds";
	for (size_t i = 0; i < s->n_pages; i++) {
		wrong = check_page(s, s->pages[i], &last);
		if (wrong != NULL)
			return wrong;
		n += (size_t)__builtin_popcountll(s->pages[i]->used);
		for (uint64_t m = s->pages[i]->used; m != 0; m &= m - 1) {
			const struct node *node = s->pages[i]->slot[__builtin_ctzll(m)].node;

			addrs += (node->ip4.family != IP_NONE) + (node->ip6.family != IP_NONE);
		}
	}
	if (n != s->n_nodes || trie_count(s->by_node_key) != n || trie_count(s->by_machine_key) != n ||
	    trie_count(s->by_name) != n || trie_count(s->by_addr) != addrs)
		return "an index has too many or too few";
	for (size_t i = 1; i < s->users->n; i++)
		if (s->users->v[i - 1]->id >= s->users->v[i]->id)
			return "users out of order";
	for (size_t i = 1; i < s->routes->n; i++)
		if (ip_prefix_cmp(&s->routes->v[i - 1].prefix, &s->routes->v[i].prefix) >= 0)
			return "routes out of order";
	return NULL;
}
