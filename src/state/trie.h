/*
 * state/trie.h -- a map from hashes to values, copied on write: the look-up indexes of snapshots and drafts.
 *
 *     root -> 16 children by four bits of the hash -> ... -> leaf of up to 32 entries
 *
 * A root is a counted pointer, NULL the empty map. Two roots share all they have in common; to change one costs a few
 * nodes along one path, or nothing but the entry while nobody else holds that path. So a savepoint is trie_ref(), a
 * rollback is trie_unref(), and readers on other threads keep the root they have.
 *
 * Several entries may have one hash (two of the same key, or a collision): the caller compares what it finds.
 * Readers: any thread with a reference. Writers: one thread per root variable.
 */
#ifndef STATE_TRIE_H
#define STATE_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trie;

/* How values are counted. NULL functions: plain numbers. */
struct trie_ops {
	void (*ref)(uint64_t val);
	void (*unref)(uint64_t val);
};
extern const struct trie_ops trie_numbers;

struct trie *trie_ref(struct trie *t);
void trie_unref(struct trie **t);

/** Add an entry; the map takes a reference of its own on the value. */
void trie_put(struct trie **root, uint64_t hash, uint64_t val, const struct trie_ops *ops);
/** Remove the entry of that hash and value; false if there is none. */
bool trie_del(struct trie **root, uint64_t hash, uint64_t val);
/** Entries of one hash, one after the other: start with *pos = 0 until it returns false. */
bool trie_next(const struct trie *t, uint64_t hash, size_t *pos, uint64_t *val_out);
/** Every entry in no particular order, until fn returns false. fn must not change this root. */
void trie_each(const struct trie *t, bool (*fn)(void *arg, uint64_t hash, uint64_t val), void *arg);
/** Number of entries; walks the map. */
size_t trie_count(const struct trie *t);
/** Bytes of its nodes, shared ones included. */
size_t trie_memory(const struct trie *t);

/* Hashes for its users. Keyed with a random number of this process: strangers choose these things. */
uint64_t trie_hash_bytes(const void *p, size_t n);
uint64_t trie_hash_text(const char *s);
uint64_t trie_hash_id(uint64_t id);

#endif
