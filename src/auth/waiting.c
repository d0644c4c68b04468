/*
 * auth/waiting.c -- see auth/waiting.h.
 *
 * The table is small, so it is searched from end to end: no order of entries depends on secrets. Each entry knows how
 * many there are of its source.
 */
#include "auth/waiting.h"

#include <stdlib.h>

#include "base/vec.h"
#include "crypto/secret.h"

struct entry {
	char key[WAITING_KEY_LEN];
	uint8_t source[WAITING_SOURCE_LEN];
	size_t of_source; /* entries of it, this one included */
	uint64_t until_ms;
	uint64_t number; /* in the order of adding */
	void *payload;
};

struct waiting {
	struct waiting_opts o;
	size_t n;
	uint64_t last;
	struct entry e[]; /* o.max */
};

struct waiting *waiting_new(const struct waiting_opts *opts)
{
	struct waiting_opts o = *opts;
	struct waiting *w;

	o.max = o.max ? o.max : 1024;
	o.max_per_source = o.max_per_source ? o.max_per_source : 64;
	o.lifetime_ms = o.lifetime_ms ? o.lifetime_ms : 15 * 60 * 1000;
	w = xcalloc(1, sizeof *w + o.max * sizeof w->e[0]);
	w->o = o;
	return w;
}

static bool same_source(const struct entry *e, const uint8_t source[static WAITING_SOURCE_LEN])
{
	return memcmp(e->source, source, WAITING_SOURCE_LEN) == 0;
}

/* All entries of this source now are n. Returns how many it has found. */
static size_t set_count(struct waiting *w, const uint8_t source[static WAITING_SOURCE_LEN], size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < w->n; i++)
		if (same_source(&w->e[i], source)) {
			w->e[i].of_source = n;
			found++;
		}
	return found;
}

static size_t count_of(const struct waiting *w, const uint8_t source[static WAITING_SOURCE_LEN])
{
	for (size_t i = 0; i < w->n; i++)
		if (same_source(&w->e[i], source))
			return w->e[i].of_source;
	return 0;
}

/* Take entry i out; its payload is the caller's. */
static void *pull(struct waiting *w, size_t i)
{
	void *payload = w->e[i].payload;

	(void)set_count(w, w->e[i].source, w->e[i].of_source - 1);
	secret_wipe(w->e[i].key, WAITING_KEY_LEN);
	w->e[i] = w->e[--w->n];
	return payload;
}

static void drop(struct waiting *w, size_t i)
{
	w->o.release(pull(w, i));
}

void waiting_free(struct waiting **wp)
{
	struct waiting *w = *wp;

	if (w == NULL)
		return;
	while (w->n > 0)
		drop(w, w->n - 1);
	free(w);
	*wp = NULL;
}

static void sweep(struct waiting *w, uint64_t now_ms)
{
	for (size_t i = w->n; i-- > 0;)
		if (w->e[i].until_ms <= now_ms)
			drop(w, i);
}

/* The oldest of those of the source; NULL: of those of the source that has the most. */
static size_t victim(const struct waiting *w, const uint8_t *source)
{
	size_t best = w->n;

	for (size_t i = 0; i < w->n; i++) {
		const struct entry *e = &w->e[i], *b = &w->e[best];

		if (source != NULL && !same_source(e, source))
			continue;
		if (best == w->n || e->of_source > b->of_source ||
		    (e->of_source == b->of_source && e->number < b->number))
			best = i;
	}
	return best;
}

size_t waiting_add(struct waiting *w, const char *key, const uint8_t source[static WAITING_SOURCE_LEN], uint64_t now_ms,
		   void *payload)
{
	struct entry *e;
	size_t gone = 0;

	sweep(w, now_ms);
	for (; count_of(w, source) >= w->o.max_per_source; gone++)
		drop(w, victim(w, source));
	for (; w->n >= w->o.max; gone++)
		drop(w, victim(w, NULL));
	e = &w->e[w->n++];
	memcpy(e->key, key, WAITING_KEY_LEN);
	memcpy(e->source, source, WAITING_SOURCE_LEN);
	e->until_ms = now_ms + w->o.lifetime_ms;
	e->number = ++w->last;
	e->payload = payload;
	(void)set_count(w, source, set_count(w, source, 0));
	return gone;
}

/* Its place, or n. */
static size_t place(const struct waiting *w, struct bytes key, uint64_t now_ms)
{
	size_t at = w->n;

	for (size_t i = 0; i < w->n; i++)
		if (secret_equal(bytes_of(w->e[i].key, WAITING_KEY_LEN), key) && w->e[i].until_ms > now_ms)
			at = i;
	return at;
}

void *waiting_find(struct waiting *w, struct bytes key, uint64_t now_ms)
{
	size_t i = place(w, key, now_ms);

	return i < w->n ? w->e[i].payload : NULL;
}

void *waiting_take(struct waiting *w, struct bytes key, uint64_t now_ms)
{
	size_t i = place(w, key, now_ms);

	return i < w->n ? pull(w, i) : NULL;
}

size_t waiting_thin(struct waiting *w, size_t n, bool (*same)(const void *payload, const void *arg), const void *arg)
{
	for (size_t gone = 0;; gone++) {
		size_t found = 0, oldest = w->n;

		for (size_t i = 0; i < w->n; i++)
			if (same(w->e[i].payload, arg)) {
				if (found++ == 0 || w->e[i].number < w->e[oldest].number)
					oldest = i;
			}
		if (found < n || found == 0)
			return gone;
		drop(w, oldest);
	}
}

size_t waiting_count(const struct waiting *w)
{
	return w->n;
}

void waiting_source(const uint8_t ip16[static 16], uint8_t out[static WAITING_SOURCE_LEN])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(out, ip16, 16);
	if (memcmp(ip16, mapped, sizeof mapped) != 0)
		memset(out + 8, 0, 8);
}
