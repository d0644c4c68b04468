/* state/tables.c -- keys, pendings and approvals in tries; see state/state_priv.h. */
#include <stdio.h>
#include <stdlib.h>

#include "state/state_priv.h"

#define COUNT_OPS(T)                                                                               \
	static void T##_val_ref(uint64_t v)                                                        \
	{                                                                                          \
		T##_ref((struct T *)(uintptr_t)v);                                                 \
	}                                                                                          \
	static void T##_val_unref(uint64_t v)                                                      \
	{                                                                                          \
		struct T *p = (struct T *)(uintptr_t)v;                                            \
                                                                                                   \
		T##_unref(&p);                                                                     \
	}                                                                                          \
	static const struct trie_ops T##_ops = { T##_val_ref, T##_val_unref };

static void ssh_approval_ref(struct ssh_approval *a)
{
	atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
}

void ssh_approval_unref(struct ssh_approval **ap)
{
	struct ssh_approval *a = *ap;

	*ap = NULL;
	if (a != NULL && atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) == 1)
		free(a);
}

struct ssh_approval *ssh_approval_new(node_id src, node_id dst, int64_t at_ns)
{
	struct ssh_approval *a = xcalloc(1, sizeof *a);

	atomic_init(&a->refs, 1);
	a->src = src;
	a->dst = dst;
	a->at_ns = at_ns;
	return a;
}

COUNT_OPS(preauth_key)
COUNT_OPS(api_key)
COUNT_OPS(pending)
COUNT_OPS(ssh_approval)

#define VAL(p) ((uint64_t)(uintptr_t)(p))
#define PTR(T, v) ((struct T *)(uintptr_t)(v))

void tables_copy(struct tables *to, const struct tables *from)
{
	*to = *from;
	trie_ref(to->preauth_by_name);
	trie_ref(to->preauth_by_id);
	trie_ref(to->api_by_name);
	trie_ref(to->api_by_id);
	trie_ref(to->pending);
	trie_ref(to->ssh);
}

void tables_release(struct tables *t)
{
	trie_unref(&t->preauth_by_name);
	trie_unref(&t->preauth_by_id);
	trie_unref(&t->api_by_name);
	trie_unref(&t->api_by_id);
	trie_unref(&t->pending);
	trie_unref(&t->ssh);
}

static uint64_t api_hash(enum api_key_kind kind, const char *name)
{
	char text[KEY_NAME_MAX + 4];

	return trie_hash_bytes(text, (size_t)snprintf(text, sizeof text, "%d/%s", (int)kind, name));
}

static uint64_t ssh_hash(node_id src, node_id dst)
{
	return trie_hash_id(trie_hash_id(src) ^ dst);
}

struct preauth_key *tables_preauth(const struct tables *t, key_id id)
{
	uint64_t v;

	for (size_t pos = 0; trie_next(t->preauth_by_id, trie_hash_id(id), &pos, &v);)
		if (PTR(preauth_key, v)->id == id)
			return PTR(preauth_key, v);
	return NULL;
}

struct preauth_key *tables_preauth_named(const struct tables *t, const char *name)
{
	uint64_t v;

	for (size_t pos = 0; trie_next(t->preauth_by_name, trie_hash_text(name), &pos, &v);)
		if (strcmp(PTR(preauth_key, v)->name, name) == 0)
			return PTR(preauth_key, v);
	return NULL;
}

struct api_key *tables_api_key(const struct tables *t, key_id id)
{
	uint64_t v;

	for (size_t pos = 0; trie_next(t->api_by_id, trie_hash_id(id), &pos, &v);)
		if (PTR(api_key, v)->id == id)
			return PTR(api_key, v);
	return NULL;
}

struct api_key *tables_api_key_named(const struct tables *t, enum api_key_kind kind, const char *name)
{
	uint64_t v;

	if (strlen(name) >= KEY_NAME_MAX)
		return NULL;
	for (size_t pos = 0; trie_next(t->api_by_name, api_hash(kind, name), &pos, &v);)
		if (PTR(api_key, v)->kind == kind && strcmp(PTR(api_key, v)->name, name) == 0)
			return PTR(api_key, v);
	return NULL;
}

struct pending *tables_pending(const struct tables *t, const char *auth_id)
{
	uint64_t v;

	for (size_t pos = 0; trie_next(t->pending, trie_hash_text(auth_id), &pos, &v);)
		if (strcmp(PTR(pending, v)->auth_id, auth_id) == 0)
			return PTR(pending, v);
	return NULL;
}

struct ssh_approval *tables_ssh(const struct tables *t, node_id src, node_id dst)
{
	uint64_t v;

	for (size_t pos = 0; trie_next(t->ssh, ssh_hash(src, dst), &pos, &v);)
		if (PTR(ssh_approval, v)->src == src && PTR(ssh_approval, v)->dst == dst)
			return PTR(ssh_approval, v);
	return NULL;
}

int64_t tables_ssh_approved(const struct tables *t, node_id src, node_id dst)
{
	const struct ssh_approval *a = tables_ssh(t, src, dst);

	return a ? a->at_ns : TIME_NONE;
}

void tables_swap_preauth(struct tables *t, struct preauth_key *old, struct preauth_key *now)
{
	if (now != NULL) {
		trie_put(&t->preauth_by_name, trie_hash_text(now->name), VAL(now), &preauth_key_ops);
		trie_put(&t->preauth_by_id, trie_hash_id(now->id), VAL(now), &preauth_key_ops);
	}
	if (old != NULL) {
		uint64_t name = trie_hash_text(old->name), id = trie_hash_id(old->id);

		trie_del(&t->preauth_by_name, name, VAL(old));
		trie_del(&t->preauth_by_id, id, VAL(old));
	}
}

void tables_swap_api_key(struct tables *t, struct api_key *old, struct api_key *now)
{
	if (now != NULL) {
		trie_put(&t->api_by_name, api_hash(now->kind, now->name), VAL(now), &api_key_ops);
		trie_put(&t->api_by_id, trie_hash_id(now->id), VAL(now), &api_key_ops);
	}
	if (old != NULL) {
		uint64_t name = api_hash(old->kind, old->name), id = trie_hash_id(old->id);

		trie_del(&t->api_by_name, name, VAL(old));
		trie_del(&t->api_by_id, id, VAL(old));
	}
}

void tables_swap_pending(struct tables *t, struct pending *old, struct pending *now)
{
	if (now != NULL) {
		trie_put(&t->pending, trie_hash_text(now->auth_id), VAL(now), &pending_ops);
		t->n_pending += now->verdict == VERDICT_OPEN;
	}
	if (old != NULL) {
		t->n_pending -= old->verdict == VERDICT_OPEN;
		trie_del(&t->pending, trie_hash_text(old->auth_id), VAL(old));
	}
}

void tables_put_ssh(struct tables *t, struct ssh_approval *a)
{
	struct ssh_approval *old = tables_ssh(t, a->src, a->dst);

	if (old != NULL)
		tables_del_ssh(t, old);
	trie_put(&t->ssh, ssh_hash(a->src, a->dst), VAL(a), &ssh_approval_ops);
}

void tables_del_ssh(struct tables *t, struct ssh_approval *a)
{
	trie_del(&t->ssh, ssh_hash(a->src, a->dst), VAL(a));
}

struct gather {
	void **v;
	size_t n;
};

static bool gather_one(void *arg, uint64_t hash, uint64_t val)
{
	struct gather *g = arg;

	(void)hash;
	g->v[g->n++] = (void *)(uintptr_t)val;
	return true;
}

static size_t gather(const struct trie *t, struct arena *a, void ***out, int (*cmp)(const void *, const void *))
{
	struct gather g = { arena_array(a, trie_count(t) + 1, sizeof(void *)), 0 };

	trie_each(t, gather_one, &g);
	qsort(g.v, g.n, sizeof(void *), cmp);
	*out = g.v;
	return g.n;
}

#define CMP_BY(T, expr_a, expr_b)                                                                  \
	static int cmp_##T(const void *pa, const void *pb)                                         \
	{                                                                                          \
		const struct T *a = *(struct T *const *)pa, *b = *(struct T *const *)pb;           \
                                                                                                   \
		return expr_a < expr_b ? -1 : expr_a > expr_b;                                     \
	}
CMP_BY(preauth_key, a->id, b->id)
CMP_BY(api_key, a->id, b->id)
CMP_BY(ssh_approval, a->at_ns, b->at_ns)

static int cmp_pending(const void *pa, const void *pb)
{
	const struct pending *a = *(struct pending *const *)pa, *b = *(struct pending *const *)pb;

	return a->created_ns != b->created_ns ? (a->created_ns < b->created_ns ? -1 : 1) :
						strcmp(a->auth_id, b->auth_id);
}

size_t tables_all_preauth(const struct tables *t, struct arena *a, struct preauth_key ***out)
{
	return gather(t->preauth_by_id, a, (void ***)out, cmp_preauth_key);
}

size_t tables_all_api_keys(const struct tables *t, struct arena *a, struct api_key ***out)
{
	return gather(t->api_by_id, a, (void ***)out, cmp_api_key);
}

size_t tables_all_pending(const struct tables *t, struct arena *a, struct pending ***out)
{
	return gather(t->pending, a, (void ***)out, cmp_pending);
}

size_t tables_all_ssh(const struct tables *t, struct arena *a, struct ssh_approval ***out)
{
	return gather(t->ssh, a, (void ***)out, cmp_ssh_approval);
}
