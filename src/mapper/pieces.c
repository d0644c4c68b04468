/*
 * mapper/pieces.c -- encoded runs of peers, one lock, least used goes first.
 *
 * The durable generation and the presence of a page are part of the entry, not of the key: a newer version takes the
 * place of the older, so that a page in a storm holds one entry for each mask and not one for each change.
 */
#include "mapper/mapper_priv.h"

#define BUCKETS_MIN 1024
#define ENTRY_COST 160 /* of an entry beside its bytes */

struct entry {
	struct piece_key k;
	uint64_t durable_gen, presence_gen, seq;
	int64_t made_ns;
	struct shared_bytes *data;
	struct entry *next;          /* of the bucket */
	struct entry *newer, *older; /* by use */
};
struct pieces {
	pthread_mutex_t lock;
	struct entry **bucket;
	size_t n_buckets;
	struct entry *newest, *oldest;
	size_t max_bytes;
	struct pieces_stats stats;
};

struct pieces *pieces_new(size_t max_bytes)
{
	struct pieces *p = xcalloc(1, sizeof *p);

	pthread_mutex_init(&p->lock, NULL);
	p->n_buckets = BUCKETS_MIN;
	p->bucket = xcalloc(p->n_buckets, sizeof(struct entry *));
	p->max_bytes = max_bytes;
	return p;
}

static uint64_t hash_of(const struct piece_key *k)
{
	uint64_t v[4] = { k->lineage, k->mask, k->form, (uint64_t)k->format << 1 | k->first };
	uint64_t h = 0;

	for (size_t i = 0; i < 4; i++) {
		h = (h ^ v[i]) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	return h;
}

static struct entry **bucket_of(struct pieces *p, const struct piece_key *k)
{
	return &p->bucket[hash_of(k) & (p->n_buckets - 1)];
}

static bool same_key(const struct piece_key *a, const struct piece_key *b)
{
	return a->lineage == b->lineage && a->mask == b->mask && a->form == b->form && a->format == b->format &&
	       a->first == b->first;
}

static void use_take(struct pieces *p, struct entry *e)
{
	*(e->newer ? &e->newer->older : &p->newest) = e->older;
	*(e->older ? &e->older->newer : &p->oldest) = e->newer;
}

static void use_put(struct pieces *p, struct entry *e)
{
	e->newer = NULL;
	e->older = p->newest;
	*(p->newest ? &p->newest->newer : &p->oldest) = e;
	p->newest = e;
}

static void drop(struct pieces *p, struct entry *e)
{
	struct entry **at = bucket_of(p, &e->k);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	use_take(p, e);
	p->stats.n--;
	p->stats.bytes -= e->data->n + ENTRY_COST;
	shared_bytes_unref(&e->data);
	free(e);
}

void pieces_free(struct pieces **pp)
{
	struct pieces *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	while (p->oldest != NULL)
		drop(p, p->oldest);
	pthread_mutex_destroy(&p->lock);
	free(p->bucket);
	free(p);
}

static struct entry *find(struct pieces *p, const struct piece_key *k)
{
	struct entry *e = *bucket_of(p, k);

	while (e != NULL && !same_key(&e->k, k))
		e = e->next;
	return e;
}

static void grow(struct pieces *p)
{
	struct entry **old = p->bucket;
	size_t n = p->n_buckets;

	p->n_buckets *= 2;
	p->bucket = xcalloc(p->n_buckets, sizeof(struct entry *));
	for (size_t i = 0; i < n; i++)
		for (struct entry *e = old[i], *next; e != NULL; e = next) {
			struct entry **to = bucket_of(p, &e->k);

			next = e->next;
			e->next = *to;
			*to = e;
		}
	free(old);
}

struct shared_bytes *pieces_get(struct pieces *p, const struct piece_key *k, const struct page *page, uint64_t seq,
				int64_t now_ns, int64_t stale_ns, uint64_t *seq_out)
{
	struct shared_bytes *data = NULL;
	struct entry *e;

	pthread_mutex_lock(&p->lock);
	e = find(p, k);
	if (e != NULL && e->durable_gen == page->durable_gen) {
		if (e->presence_gen == page->presence_gen)
			*seq_out = seq;
		else if (e->seq <= seq && now_ns - e->made_ns < stale_ns)
			*seq_out = e->seq;
		else
			e = NULL;
		if (e != NULL) {
			data = shared_bytes_ref(e->data);
			use_take(p, e);
			use_put(p, e);
			p->stats.hits++;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return data;
}

void pieces_put(struct pieces *p, const struct piece_key *k, const struct page *page, uint64_t seq, int64_t now_ns,
		struct shared_bytes *data)
{
	struct entry *e;

	pthread_mutex_lock(&p->lock);
	p->stats.made++;
	e = find(p, k);
	if (e != NULL && e->seq > seq) {
		pthread_mutex_unlock(&p->lock);
		return; /* another loop is ahead of us */
	}
	if (e != NULL)
		drop(p, e);
	e = xcalloc(1, sizeof *e);
	e->k = *k;
	e->durable_gen = page->durable_gen;
	e->presence_gen = page->presence_gen;
	e->seq = seq;
	e->made_ns = now_ns;
	e->data = shared_bytes_ref(data);
	if (p->stats.n >= p->n_buckets)
		grow(p);
	e->next = *bucket_of(p, k);
	*bucket_of(p, k) = e;
	use_put(p, e);
	p->stats.n++;
	p->stats.bytes += data->n + ENTRY_COST;
	while (p->stats.bytes > p->max_bytes && p->oldest != e) {
		drop(p, p->oldest);
		p->stats.dropped++;
	}
	pthread_mutex_unlock(&p->lock);
}

void pieces_stats(struct pieces *p, struct pieces_stats *out)
{
	pthread_mutex_lock(&p->lock);
	*out = p->stats;
	pthread_mutex_unlock(&p->lock);
}
