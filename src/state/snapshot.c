/*
 * state/snapshot.c -- see state/snapshot.h and state/snapshot_priv.h: snapshots and publications as counted objects.
 *
 * Their pages are in state/pages.c, look-ups in state/lookup.c, users and routes in state/snapshot_tables.c.
 */
#include "state/snapshot_priv.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "policy/engine.h"
#include "state/settings.h"

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
		page_chunk_unref(&s->chunks[i]);
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
	for (size_t i = 0; i < cur->n_chunks; i++)
		s->chunks[i] = page_chunk_ref(cur->chunks[i]);
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
