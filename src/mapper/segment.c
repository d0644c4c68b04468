/*
 * mapper/segment.c -- a delta, encoded and compressed once for all streams that move by the same step.
 *
 * A segment is looked up by the step (classes and sequences at both ends) under one lock; who makes it holds the
 * segment's own lock meanwhile, so that another loop that needs it waits instead of doing the work again.
 *
 * Most viewers get `whole`: a finished message, one reference. A viewer that is in it itself gets a variant without its
 * own entry: large arrays are cut into blocks that are compressed once, so that a variant costs one block and not all.
 */
#include "mapper/mapper_priv.h"

#include <assert.h>

#define BLOCK 16                        /* entries of a block, at least; the last has up to twice as many */
#define SEGMENTS_MAX 512
#define SEGMENTS_BYTES ((size_t)4 << 20) /* of text; what is compressed of it is a tenth */

struct item {
	node_id id;
	uint32_t at, n; /* in the text */
};
struct block {
	struct shared_bytes *piece[MAP_FORMATS]; /* made at the first need */
};
enum list { LIST_REMOVED, LIST_CHANGED, LIST_PATCHED, LIST_N };
struct list_text {
	VEC(struct item) items; /* sorted by ID */
	struct block *blocks;
	size_t n_blocks;
};
struct frame {
	struct buf text; /* of the items, without commas; then the profiles */
	struct list_text list[LIST_N];
	struct item profiles; /* id unused; with a comma before, the member whole; n = 0: none */
	struct shared_bytes *whole[MAP_FORMATS];   /* as a message of its own */
	struct shared_bytes *members[MAP_FORMATS]; /* with a comma before each */
};
struct segment {
	atomic_uint refs;
	pthread_mutex_t lock; /* making it, and what is made at the first need */
	struct segment_key key;
	struct segment *next;          /* of the bucket */
	struct segment *newer, *older;
	bool made;
	unsigned n_frames;
	struct frame frame[2];
	size_t bytes;                  /* as the table counts it */
};
struct segments {
	pthread_mutex_t lock;
	struct segment *bucket[256];
	struct segment *newest, *oldest;
	size_t n, bytes;
};

static const char *const list_start[LIST_N] = { ",\"PeersRemoved\":[", ",\"PeersChanged\":[", ",\"PeersChangedPatch\":[" };

/* ---- making ------------------------------------------------------------------------------------ */

static void add_item(struct frame *f, enum list l, node_id id, size_t from)
{
	struct item it = { id, (uint32_t)from, (uint32_t)(f->text.n - from) };

	vec_push(&f->list[l].items, it);
}

static void put_removal(struct frame *f, node_id id)
{
	size_t from = f->text.n;

	buf_put_u64(&f->text, id);
	add_item(f, LIST_REMOVED, id, from);
}

static void put_upsert(struct work *wk, const struct delta_in *in, struct frame *f, const struct node *n)
{
	const struct access *x = wk->x;
	struct policy_peer form = { 0 };
	size_t from = f->text.n;
	struct jw w;

	(void)x->ops->peer_get(x->arg, in->now, in->view_now->class_id, n->id, wk->a, &form);
	jw_init(&w, &f->text);
	encode_peer(&w, in->now, n, &form);
	add_item(f, LIST_CHANGED, n->id, from);
}

static void put_patch(struct frame *f, const struct rec *r)
{
	size_t from = f->text.n;
	struct jw w;

	jw_init(&w, &f->text);
	if (encode_patch(&w, r->old, r->now))
		add_item(f, LIST_PATCHED, r->id, from);
}

static void put_profiles(struct frame *f, const struct snapshot *s, const user_vec *users)
{
	size_t from = f->text.n, n = 0;
	struct jw w;

	jw_init(&w, &f->text);
	buf_put_str(&f->text, ",\"UserProfiles\":[");
	for (size_t i = 0; i < users->n; i++)
		n += encode_profile(&w, s, users->v[i]);
	buf_put_char(&f->text, ']');
	if (n == 0)
		f->text.n = from;
	f->profiles = (struct item){ 0, (uint32_t)from, (uint32_t)(f->text.n - from) };
}

static void cut_blocks(struct list_text *l)
{
	l->n_blocks = l->items.n < 2 * BLOCK ? l->items.n > 0 : l->items.n / BLOCK;
	l->blocks = xcalloc(l->n_blocks + 1, sizeof *l->blocks);
}

static void put_rec(struct work *wk, struct segment *s, const struct delta_in *in, const struct rec *r)
{
	struct frame *first = &s->frame[0], *last = &s->frame[s->n_frames - 1];

	if (r->kind == REC_REMOVE)
		put_removal(first, r->id);
	else if (r->kind == REC_PATCH)
		put_patch(last, r);
	else if (!r->second)
		put_upsert(wk, in, first, r->now);
	else {
		if (r->taken)
			put_removal(first, r->id);
		put_upsert(wk, in, last, r->now);
	}
}

/* Returns the bytes it takes. */
static size_t make(struct work *wk, struct segment *s, const struct delta_in *in)
{
	size_t bytes = 0;
	struct delta d;

	delta_build(wk, in, &d);
	s->n_frames = d.split ? 2 : 1;
	for (unsigned i = 0; i < 2; i++)
		buf_init(&s->frame[i].text, UINT32_MAX);
	for (size_t i = 0; i < d.recs.n; i++)
		put_rec(wk, s, in, &d.recs.v[i]);
	put_profiles(&s->frame[0], in->now, &d.users);
	for (unsigned i = 0; i < s->n_frames; i++) {
		for (int l = 0; l < LIST_N; l++)
			cut_blocks(&s->frame[i].list[l]);
		buf_fit(&s->frame[i].text); /* it may be kept for others */
		bytes += s->frame[i].text.cap;
	}
	delta_release(&d);
	s->made = true;
	mapper_count(wk->m, COUNT_SEGMENTS, 1);
	return bytes;
}

/* ---- finding ------------------------------------------------------------------------------------- */

struct segments *segments_new(void)
{
	struct segments *t = xcalloc(1, sizeof *t);

	pthread_mutex_init(&t->lock, NULL);
	return t;
}

static struct segment **bucket_of(struct segments *t, const struct segment_key *k)
{
	uint64_t h = (k->class_then * 31u + k->class_now) ^ k->then_seq * 7 ^ k->now_seq * 13 ^ k->presence_seq * 17 ^ k->full;

	return &t->bucket[(h * 0x9e3779b97f4a7c15u) >> 56];
}

static void use_put(struct segments *t, struct segment *s)
{
	s->newer = NULL;
	s->older = t->newest;
	*(t->newest ? &t->newest->newer : &t->oldest) = s;
	t->newest = s;
}

static void drop(struct segments *t, struct segment *s)
{
	struct segment **at = bucket_of(t, &s->key);

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	*(s->newer ? &s->newer->older : &t->newest) = s->older;
	*(s->older ? &s->older->newer : &t->oldest) = s->newer;
	t->n--;
	t->bytes -= s->bytes;
	segment_unref(&s);
}

void segments_trim(struct segments *t)
{
	pthread_mutex_lock(&t->lock);
	while (t->oldest != NULL)
		drop(t, t->oldest);
	pthread_mutex_unlock(&t->lock);
}

void segments_free(struct segments **tp)
{
	struct segments *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	while (t->oldest != NULL)
		drop(t, t->oldest);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static void frame_release(struct frame *f)
{
	buf_release(&f->text);
	for (int i = 0; i < MAP_FORMATS; i++) {
		shared_bytes_unref(&f->whole[i]);
		shared_bytes_unref(&f->members[i]);
	}
	for (int l = 0; l < LIST_N; l++) {
		for (size_t b = 0; b < f->list[l].n_blocks; b++)
			for (int i = 0; i < MAP_FORMATS; i++)
				shared_bytes_unref(&f->list[l].blocks[b].piece[i]);
		free(f->list[l].blocks);
		vec_release(&f->list[l].items);
	}
}

void segment_unref(struct segment **sp)
{
	struct segment *s = *sp;

	*sp = NULL;
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	frame_release(&s->frame[0]);
	frame_release(&s->frame[1]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct segment *find_or_add(struct segments *t, const struct segment_key *k)
{
	struct segment **bucket = bucket_of(t, k), *s = *bucket;

	while (s != NULL && memcmp(&s->key, k, sizeof *k) != 0)
		s = s->next;
	if (s == NULL) {
		s = xcalloc(1, sizeof *s);
		atomic_init(&s->refs, 1);
		pthread_mutex_init(&s->lock, NULL);
		s->key = *k;
		s->next = *bucket;
		*bucket = s;
		use_put(t, s);
		t->n++;
	}
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	while (t->n > SEGMENTS_MAX || (t->bytes > SEGMENTS_BYTES && t->oldest != s))
		drop(t, t->oldest);
	return s;
}

struct segment *segment_get(struct work *wk, const struct segment_key *k, const struct delta_in *in)
{
	struct segments *t = wk->m->segments;
	struct segment *s;
	size_t bytes = 0;

	pthread_mutex_lock(&t->lock);
	s = find_or_add(t, k);
	pthread_mutex_unlock(&t->lock);
	pthread_mutex_lock(&s->lock);
	if (!s->made)
		bytes = make(wk, s, in);
	pthread_mutex_unlock(&s->lock);
	if (bytes > 0) {
		pthread_mutex_lock(&t->lock);
		/* Only while it is still in the table does it count there. */
		for (struct segment *x = *bucket_of(t, k); x != NULL; x = x->next)
			if (x == s) {
				s->bytes = bytes;
				t->bytes += bytes;
			}
		pthread_mutex_unlock(&t->lock);
	}
	return s;
}

/* ---- what is in it --------------------------------------------------------------------------------- */

static bool frame_empty(const struct frame *f)
{
	for (int l = 0; l < LIST_N; l++)
		if (f->list[l].items.n > 0)
			return false;
	return f->profiles.n == 0;
}

bool segment_empty(const struct segment *s)
{
	return frame_empty(&s->frame[0]) && (s->n_frames == 1 || frame_empty(&s->frame[1]));
}

/* Where the viewer's own entry is; SIZE_MAX: nowhere. */
static size_t own_item(const struct list_text *l, node_id viewer)
{
	size_t lo = 0, hi = l->items.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (l->items.v[mid].id < viewer)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->items.n && l->items.v[lo].id == viewer ? lo : SIZE_MAX;
}

static bool frame_has(const struct frame *f, node_id viewer)
{
	for (int l = 0; l < LIST_N; l++)
		if (own_item(&f->list[l], viewer) != SIZE_MAX)
			return true;
	return false;
}

static bool frame_empty_for(const struct frame *f, node_id viewer)
{
	for (int l = 0; l < LIST_N; l++)
		if (f->list[l].items.n > (own_item(&f->list[l], viewer) != SIZE_MAX))
			return false;
	return f->profiles.n == 0;
}

bool segment_empty_for(const struct segment *s, node_id viewer)
{
	return frame_empty_for(&s->frame[0], viewer) && (s->n_frames == 1 || frame_empty_for(&s->frame[1], viewer));
}

/* ---- sending ---------------------------------------------------------------------------------------- */

static size_t block_from(size_t b)
{
	return b * BLOCK;
}

static size_t block_to(const struct list_text *l, size_t b)
{
	return b + 1 == l->n_blocks ? l->items.n : (b + 1) * BLOCK;
}

/* A block as text, without item `skip`. */
static void put_block(const struct frame *f, enum list kind, size_t b, size_t skip, struct buf *out)
{
	const struct list_text *l = &f->list[kind];
	bool comma = b > 0;

	if (b == 0)
		buf_put_str(out, list_start[kind]);
	for (size_t i = block_from(b); i < block_to(l, b); i++) {
		if (i == skip)
			continue;
		if (comma)
			buf_put_char(out, ',');
		comma = true;
		buf_put(out, f->text.p + l->items.v[i].at, l->items.v[i].n);
	}
	if (b + 1 == l->n_blocks)
		buf_put_char(out, ']');
}

/* All members, a comma before each. */
static void put_members(const struct frame *f, struct buf *out)
{
	for (int l = 0; l < LIST_N; l++)
		for (size_t b = 0; b < f->list[l].n_blocks; b++)
			put_block(f, l, b, SIZE_MAX, out);
	buf_put(out, f->text.p + f->profiles.at, f->profiles.n);
}

static struct shared_bytes *whole(struct work *wk, struct segment *s, struct frame *f, enum map_format fmt)
{
	pthread_mutex_lock(&s->lock);
	if (f->whole[fmt] == NULL) {
		buf_reset(&wk->text);
		put_members(f, &wk->text);
		wk->text.p[0] = '{'; /* in place of the first comma */
		buf_put_char(&wk->text, '}');
		f->whole[fmt] = message_of(wk->zip, fmt, buf_bytes(&wk->text), &wk->scratch);
	}
	pthread_mutex_unlock(&s->lock);
	return f->whole[fmt];
}

static struct shared_bytes *members(struct work *wk, struct segment *s, struct frame *f, enum map_format fmt)
{
	pthread_mutex_lock(&s->lock);
	if (f->members[fmt] == NULL) {
		buf_reset(&wk->text);
		put_members(f, &wk->text);
		f->members[fmt] = piece_of(wk->zip, fmt, buf_bytes(&wk->text), &wk->scratch);
	}
	pthread_mutex_unlock(&s->lock);
	return f->members[fmt];
}

static struct shared_bytes *block_piece(struct work *wk, struct segment *s, struct frame *f, enum list l, size_t b, enum map_format fmt)
{
	struct block *k = &f->list[l].blocks[b];

	pthread_mutex_lock(&s->lock);
	if (k->piece[fmt] == NULL) {
		buf_reset(&wk->text);
		put_block(f, l, b, SIZE_MAX, &wk->text);
		k->piece[fmt] = piece_of(wk->zip, fmt, buf_bytes(&wk->text), &wk->scratch);
	}
	pthread_mutex_unlock(&s->lock);
	return k->piece[fmt];
}

/* The frame's members into the message, without the viewer's entry. */
static void pack_variant(struct work *wk, struct segment *s, struct frame *f, node_id viewer, enum map_format fmt)
{
	mapper_count(wk->m, COUNT_VARIANTS, 1);
	for (int k = 0; k < LIST_N; k++) {
		struct list_text *l = &f->list[k];
		size_t own = own_item(l, viewer);

		if (own != SIZE_MAX && l->items.n == 1)
			continue;
		for (size_t b = 0; b < l->n_blocks; b++) {
			bool mine = own != SIZE_MAX && own >= block_from(b) && own < block_to(l, b);

			if (mine || l->n_blocks == 1)
				put_block(f, k, b, own, &wk->pack.text);
			else
				pack_piece(&wk->pack, block_piece(wk, s, f, k, b, fmt));
		}
	}
	buf_put(&wk->pack.text, f->text.p + f->profiles.at, f->profiles.n);
}

static size_t send_frame(struct work *wk, struct segment *s, struct frame *f, node_id viewer, enum map_format fmt,
			 struct bytes own, struct shared_bytes *const *extra, size_t n_extra, const struct map_sink *sink, void *arg)
{
	bool mine = frame_has(f, viewer);
	struct shared_bytes *one;

	if (own.n == 0 && n_extra == 0) {
		if (frame_empty_for(f, viewer))
			return 0;
		if (!mine) {
			one = whole(wk, s, f, fmt);
			sink->write(arg, &one, 1);
			mapper_count(wk->m, COUNT_DELTA_FRAMES, 1);
			return one->n;
		}
	}
	pack_begin(&wk->pack, fmt);
	buf_put_str(&wk->pack.text, "{\"KeepAlive\":false"); /* every other member has a comma before it */
	buf_put_bytes(&wk->pack.text, own);
	for (size_t i = 0; i < n_extra; i++)
		pack_piece(&wk->pack, extra[i]);
	if (mine)
		pack_variant(wk, s, f, viewer, fmt);
	else if (!frame_empty(f))
		pack_piece(&wk->pack, members(wk, s, f, fmt));
	buf_put_char(&wk->pack.text, '}');
	mapper_count(wk->m, COUNT_DELTA_FRAMES, 1);
	return pack_send(&wk->pack, sink, arg);
}

size_t segment_send(struct work *wk, struct segment *s, node_id viewer, enum map_format f, struct bytes own,
		    struct shared_bytes *const *extra, size_t n_extra, const struct map_sink *sink, void *arg)
{
	size_t n = 0;

	if (s->n_frames == 2)
		n = send_frame(wk, s, &s->frame[0], viewer, f, (struct bytes){ 0 }, NULL, 0, sink, arg);
	return n + send_frame(wk, s, &s->frame[s->n_frames - 1], viewer, f, own, extra, n_extra, sink, arg);
}
