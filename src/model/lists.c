/* model/lists.c -- see model/lists.h. */
#include "model/lists.h"

#include <stdlib.h>

#include "base/vec.h"

struct str_list *str_list_new(const char *const *v, size_t n)
{
	struct str_list *l;
	size_t text = 0;
	char *to;

	if (n == 0)
		return NULL;
	for (size_t i = 0; i < n; i++)
		text += strlen(v[i]) + 1;
	l = xmalloc(sizeof *l + n * sizeof l->v[0] + text);
	atomic_init(&l->refs, 1);
	l->n = (uint32_t)n;
	to = (char *)&l->v[n];
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(v[i]) + 1;

		memcpy(to, v[i], len);
		l->v[i] = to;
		to += len;
	}
	return l;
}

static int cmp_str(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct str_list *str_list_new_set(const char *const *v, size_t n)
{
	const char **sorted;
	struct str_list *l;
	size_t m = 0;

	if (n == 0)
		return NULL;
	sorted = xcalloc(n, sizeof *sorted);
	memcpy(sorted, v, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, cmp_str);
	for (size_t i = 0; i < n; i++)
		if (m == 0 || strcmp(sorted[m - 1], sorted[i]) != 0)
			sorted[m++] = sorted[i];
	l = str_list_new(sorted, m);
	free(sorted);
	return l;
}

struct prefix_list *prefix_list_new(const struct ip_prefix *v, size_t n)
{
	struct prefix_list *l;

	if (n == 0)
		return NULL;
	l = xmalloc(sizeof *l + n * sizeof l->v[0]);
	atomic_init(&l->refs, 1);
	l->n = (uint32_t)n;
	memcpy(l->v, v, n * sizeof l->v[0]);
	return l;
}

static int cmp_prefix(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

struct prefix_list *prefix_list_new_set(const struct ip_prefix *v, size_t n)
{
	struct prefix_list *l = prefix_list_new(v, n);
	uint32_t m = 0;

	if (l == NULL)
		return NULL;
	for (uint32_t i = 0; i < l->n; i++)
		l->v[i] = ip_prefix_masked(l->v[i]);
	qsort(l->v, l->n, sizeof l->v[0], cmp_prefix);
	for (uint32_t i = 0; i < l->n; i++)
		if (m == 0 || !ip_prefix_eq(&l->v[m - 1], &l->v[i]))
			l->v[m++] = l->v[i];
	l->n = m;
	return l;
}

struct endpoint_list *endpoint_list_new(const struct endpoint *v, size_t n)
{
	struct endpoint_list *l;

	if (n == 0)
		return NULL;
	l = xmalloc(sizeof *l + n * sizeof l->v[0]);
	atomic_init(&l->refs, 1);
	l->n = (uint32_t)n;
	memcpy(l->v, v, n * sizeof l->v[0]);
	return l;
}

#define LIST_COUNTING(T)                                                                           \
	struct T *T##_ref(struct T *l)                                                             \
	{                                                                                          \
		if (l != NULL)                                                                     \
			atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);              \
		return l;                                                                          \
	}                                                                                          \
	void T##_unref(struct T **l)                                                               \
	{                                                                                          \
		struct T *old = *l;                                                                \
                                                                                                   \
		*l = NULL;                                                                         \
		if (old != NULL && atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) == 1) \
			free(old);                                                                 \
	}
LIST_COUNTING(str_list)
LIST_COUNTING(prefix_list)
LIST_COUNTING(endpoint_list)

bool str_list_eq(const struct str_list *a, const struct str_list *b)
{
	uint32_t n = a ? a->n : 0;

	if (a == b)
		return true;
	if (n != (b ? b->n : 0))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

bool str_list_has(const struct str_list *l, const char *s)
{
	for (uint32_t i = 0; l != NULL && i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return true;
	return false;
}

bool prefix_list_eq(const struct prefix_list *a, const struct prefix_list *b)
{
	uint32_t n = a ? a->n : 0;

	if (a == b)
		return true;
	if (n != (b ? b->n : 0))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!ip_prefix_eq(&a->v[i], &b->v[i]))
			return false;
	return true;
}

bool prefix_list_has(const struct prefix_list *l, const struct ip_prefix *p)
{
	for (uint32_t i = 0; l != NULL && i < l->n; i++)
		if (ip_prefix_eq(&l->v[i], p))
			return true;
	return false;
}

bool endpoint_list_eq(const struct endpoint_list *a, const struct endpoint_list *b)
{
	uint32_t n = a ? a->n : 0;

	if (a == b)
		return true;
	if (n != (b ? b->n : 0))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!ip_eq(&a->v[i].addr, &b->v[i].addr) || a->v[i].port != b->v[i].port ||
		    a->v[i].type != b->v[i].type)
			return false;
	return true;
}
