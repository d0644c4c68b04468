/*
 * state/trie.c -- see state/trie.h.
 *
 * A node that only we hold, reached through nodes that only we hold, is changed in place: nobody can get at it. The
 * count is looked at from the root down, and a copied parent adds one to each child, so "count is 1" means just that.
 */
#include "state/trie.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "crypto/keys.h"

/*
 * Sixteen children: a full leaf gives leaves of two, which are then filled up. With sixty-four, most leaves of a map
 * that has just grown hold nothing or one, and the map is five times as large as its entries.
 */
#define BITS 4
#define FAN (1u << BITS)
#define LEAF_SPLIT 32
#define LEAF_START 4
#define DEPTH_MAX 15 /* 60 bits of the hash; deeper leaves just grow */

struct entry {
	uint64_t hash, val;
};
struct trie {
	atomic_uint refs;
	uint32_t leaf; /* 1: entries; 0: children */
	uint32_t n;    /* entries, or children that are not NULL */
	uint32_t cap;  /* entries there is room for */
	const struct trie_ops *ops;
	union {
		struct trie *child[FAN];
		struct entry e[LEAF_START];
	} u;
};

const struct trie_ops trie_numbers = { 0 };

static size_t leaf_size(uint32_t cap)
{
	return offsetof(struct trie, u) + cap * sizeof(struct entry);
}

static struct trie *leaf_new(uint32_t cap, const struct trie_ops *ops)
{
	struct trie *t = xmalloc(leaf_size(cap));

	atomic_init(&t->refs, 1);
	t->leaf = 1;
	t->n = 0;
	t->cap = cap;
	t->ops = ops;
	return t;
}

static struct trie *inner_new(const struct trie_ops *ops)
{
	struct trie *t = xcalloc(1, offsetof(struct trie, u) + FAN * sizeof(struct trie *));

	atomic_init(&t->refs, 1);
	t->ops = ops;
	return t;
}

struct trie *trie_ref(struct trie *t)
{
	if (t != NULL)
		atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void trie_unref(struct trie **t)
{
	struct trie *old = *t;

	*t = NULL;
	if (old == NULL || atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (!old->leaf) {
		for (unsigned i = 0; i < FAN; i++)
			trie_unref(&old->u.child[i]);
	} else if (old->ops->unref != NULL) {
		for (uint32_t i = 0; i < old->n; i++)
			old->ops->unref(old->u.e[i].val);
	}
	free(old);
}

/* A node of our own in *slot, with room for `room` more entries if it is a leaf. */
static struct trie *mine(struct trie **slot, uint32_t room)
{
	struct trie *t = *slot, *c;
	bool shared = atomic_load_explicit(&t->refs, memory_order_acquire) != 1;

	if (!t->leaf) {
		if (!shared)
			return t;
		c = inner_new(t->ops);
		c->n = t->n;
		for (unsigned i = 0; i < FAN; i++)
			c->u.child[i] = trie_ref(t->u.child[i]);
	} else {
		uint32_t cap = t->cap;

		if (!shared && t->n + room <= cap)
			return t;
		while (cap < t->n + room)
			cap *= 2;
		if (!shared) {
			t->cap = cap;
			return *slot = xreallocarray(t, 1, leaf_size(cap));
		}
		c = leaf_new(cap, t->ops);
		c->n = t->n;
		mem_copy(c->u.e, t->u.e, t->n * sizeof(struct entry));
		if (t->ops->ref != NULL)
			for (uint32_t i = 0; i < t->n; i++)
				t->ops->ref(t->u.e[i].val);
	}
	trie_unref(slot);
	return *slot = c;
}

static unsigned branch(uint64_t hash, unsigned depth)
{
	return (unsigned)(hash >> (depth * BITS)) & (FAN - 1);
}

/* A full leaf becomes an inner node over smaller leaves. The leaf is ours alone. */
static void split(struct trie **slot, unsigned depth)
{
	struct trie *old = *slot, *in = inner_new(old->ops);

	for (uint32_t i = 0; i < old->n; i++) {
		struct trie **to = &in->u.child[branch(old->u.e[i].hash, depth)];

		if (*to == NULL) {
			*to = leaf_new(LEAF_START, old->ops);
			in->n++;
		}
		mine(to, 1);
		(*to)->u.e[(*to)->n++] = old->u.e[i]; /* its reference moves along */
	}
	*slot = in;
	free(old);
}

void trie_put(struct trie **root, uint64_t hash, uint64_t val, const struct trie_ops *ops)
{
	struct trie **slot = root;
	unsigned depth = 0;

	for (;;) {
		struct trie *t;

		if (*slot == NULL)
			*slot = leaf_new(LEAF_START, ops);
		t = mine(slot, 1);
		if (t->leaf && t->n >= LEAF_SPLIT && depth < DEPTH_MAX) {
			split(slot, depth);
			t = *slot;
		}
		if (t->leaf) {
			t->u.e[t->n++] = (struct entry){ hash, val };
			if (ops->ref != NULL)
				ops->ref(val);
			return;
		}
		slot = &t->u.child[branch(hash, depth++)];
		if (*slot == NULL)
			t->n++;
	}
}

static const struct trie *leaf_of(const struct trie *t, uint64_t hash)
{
	for (unsigned depth = 0; t != NULL && !t->leaf; depth++)
		t = t->u.child[branch(hash, depth)];
	return t;
}

static bool has(const struct trie *t, uint64_t hash, uint64_t val)
{
	const struct trie *l = leaf_of(t, hash);

	for (uint32_t i = 0; l != NULL && i < l->n; i++)
		if (l->u.e[i].hash == hash && l->u.e[i].val == val)
			return true;
	return false;
}

static void del(struct trie **slot, uint64_t hash, uint64_t val, unsigned depth)
{
	struct trie *t = mine(slot, 0);

	if (!t->leaf) {
		struct trie **c = &t->u.child[branch(hash, depth)];

		del(c, hash, val, depth + 1);
		if (*c == NULL && --t->n == 0)
			trie_unref(slot);
		return;
	}
	for (uint32_t i = 0; i < t->n; i++) {
		if (t->u.e[i].hash != hash || t->u.e[i].val != val)
			continue;
		t->u.e[i] = t->u.e[--t->n];
		if (t->ops->unref != NULL)
			t->ops->unref(val);
		break;
	}
	if (t->n == 0)
		trie_unref(slot);
}

bool trie_del(struct trie **root, uint64_t hash, uint64_t val)
{
	if (!has(*root, hash, val))
		return false;
	del(root, hash, val, 0);
	return true;
}

bool trie_next(const struct trie *t, uint64_t hash, size_t *pos, uint64_t *val_out)
{
	const struct trie *l = leaf_of(t, hash);

	for (size_t i = *pos; l != NULL && i < l->n; i++) {
		if (l->u.e[i].hash != hash)
			continue;
		*pos = i + 1;
		*val_out = l->u.e[i].val;
		return true;
	}
	return false;
}

static bool each(const struct trie *t, bool (*fn)(void *, uint64_t, uint64_t), void *arg)
{
	if (t->leaf) {
		for (uint32_t i = 0; i < t->n; i++)
			if (!fn(arg, t->u.e[i].hash, t->u.e[i].val))
				return false;
		return true;
	}
	for (unsigned i = 0; i < FAN; i++)
		if (t->u.child[i] != NULL && !each(t->u.child[i], fn, arg))
			return false;
	return true;
}

void trie_each(const struct trie *t, bool (*fn)(void *arg, uint64_t hash, uint64_t val), void *arg)
{
	if (t != NULL)
		each(t, fn, arg);
}

size_t trie_count(const struct trie *t)
{
	size_t n = 0;

	if (t == NULL)
		return 0;
	if (t->leaf)
		return t->n;
	for (unsigned i = 0; i < FAN; i++)
		n += trie_count(t->u.child[i]);
	return n;
}

size_t trie_memory(const struct trie *t)
{
	size_t n;

	if (t == NULL)
		return 0;
	if (t->leaf)
		return leaf_size(t->cap);
	n = offsetof(struct trie, u) + FAN * sizeof(struct trie *);
	for (unsigned i = 0; i < FAN; i++)
		n += trie_memory(t->u.child[i]);
	return n;
}

uint64_t trie_hash_bytes(const void *p, size_t n)
{
	uint64_t h = n;

	/* Chained by mixing the hash so far into the next block: SipHash under the process's key each time. */
	do {
		uint8_t block[KEY_LEN] = { 0 };
		size_t take = n < KEY_LEN - 8 ? n : KEY_LEN - 8;

		mem_copy(block, &h, 8);
		if (take > 0)
			mem_copy(block + 8, p, take);
		h = key_hash(block);
		p = (const uint8_t *)p + take;
		n -= take;
	} while (n > 0);
	return h;
}

uint64_t trie_hash_text(const char *s)
{
	return trie_hash_bytes(s, strlen(s));
}

uint64_t trie_hash_id(uint64_t id)
{
	/* Our own numbers: spread is all that is needed (splitmix64). */
	id += 0x9e3779b97f4a7c15u;
	id = (id ^ (id >> 30)) * 0xbf58476d1ce4e5b9u;
	id = (id ^ (id >> 27)) * 0x94d049bb133111ebu;
	return id ^ (id >> 31);
}
