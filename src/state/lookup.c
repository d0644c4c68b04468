/*
 * state/lookup.c -- from a key, an address, a name to a node or a user of a snapshot; see state/snapshot.h.
 *
 * The tries map hashes to IDs and may name several: each is compared with the node itself.
 */
#include <string.h>

#include "state/snapshot_priv.h"

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

struct node_index snapshot_index(struct snapshot *s)
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
