/*
 * mapper/first.c -- the first message of a stream: a few own bytes, the rest spliced from pieces that all share.
 *
 *     {"Node":..,..        own, one small frame
 *     ,"DERPMap":..        shared by all
 *     ,"DNSConfig":..      shared by all, or own
 *     ,"UserProfiles":[    own profile, then those of the class
 *     ],"Peers":[          a piece a page of nodes, shared by all whose class sees the same of that page
 *     ]}
 *
 * The viewer's own page must leave out the viewer. Its slots are taken as aligned blocks of 32, 16 and 8: all
 * viewers of a page share these, and only the seven neighbours in the viewer's own block are encoded for it alone.
 */
#include "mapper/mapper_priv.h"

#include "state/settings.h"

#define INLINE_MAX 7 /* so few peers are not worth a piece */

void splice_init(struct splice *sp)
{
	*sp = (struct splice){ 0 };
	buf_init(&sp->profiles_text, TEXT_MAX);
}

void splice_forget_profiles(struct splice *sp)
{
	sp->profiles_made = false;
	for (int i = 0; i < MAP_FORMATS; i++)
		shared_bytes_unref(&sp->profiles[i]);
}

void splice_forget(struct splice *sp)
{
	sp->n = 0;
	sp->seq = 0;
	splice_forget_profiles(sp);
}

void splice_release(struct splice *sp)
{
	splice_forget(sp);
	vec_release(sp);
	buf_release(&sp->profiles_text);
}

/* ---- what a class has of each page ---------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0xff51afd7ed558ccdu;
	return h ^ h >> 29;
}

static uint64_t names_hash(const struct snapshot *s)
{
	uint64_t h = 0;

	for (const char *p = base_domain(s); *p != '\0'; p++)
		h = mix(h, (unsigned char)*p + 1u);
	return h;
}

/* 0 if every peer in the mask has the usual form. */
static uint64_t form_hash(struct work *wk, const struct snapshot *s, const struct view *v, const struct page *p, uint64_t mask)
{
	uint64_t h = 0;

	for (uint64_t m = mask; m != 0; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctzll(m);
		uint64_t f = form_of(wk->x, s, v->class_id, p->slot[i].node->id, wk->a);

		if (f != 0)
			h = mix(mix(h, f), i + 1) | 1;
	}
	return h;
}

static void splice_refresh(struct work *wk, const struct snapshot *s, const struct view *v, struct splice *sp)
{
	struct splice_page *old = sp->v;
	size_t n_old = sp->n, k = 0;

	if (sp->seq == s->seq)
		return;
	sp->v = xcalloc(s->n_pages + 1, sizeof *sp->v);
	sp->n = sp->cap = s->n_pages;
	sp->seq = s->seq;
	for (size_t i = 0; i < s->n_pages; i++) {
		const struct page *p = s->pages[i];
		struct splice_page *e = &sp->v[i];

		/* Pages are dropped and put in between: look a little ahead. */
		for (size_t ahead = 0; ahead < 4 && k + ahead < n_old; ahead++)
			if (old[k + ahead].lineage == p->lineage) {
				k += ahead;
				break;
			}
		if (k < n_old && old[k].lineage == p->lineage && old[k].durable_gen == p->durable_gen) {
			*e = old[k++];
			continue;
		}
		*e = (struct splice_page){ .lineage = p->lineage, .durable_gen = p->durable_gen, .mask = view_mask(v, p) };
		e->form = form_hash(wk, s, v, p, e->mask);
	}
	free(old);
}

/* ---- peers ------------------------------------------------------------------------------------------ */

struct peers {
	struct work *wk;
	const struct snapshot *s;
	const struct view *v;
	enum map_format format;
	int64_t now_ns;
	node_id self;
	uint64_t names;
	uint64_t reached; /* presence is at least as of this sequence */
	bool any;         /* something was written: the next needs a comma */
};

static void encode_slot(struct peers *p, struct buf *b, const struct node *n)
{
	const struct access *x = p->wk->x;
	struct policy_peer form = { 0 };
	struct jw w;

	(void)x->ops->peer_get(x->arg, p->s, p->v->class_id, n->id, p->wk->a, &form);
	jw_init(&w, b);
	encode_peer(&w, p->s, n, &form);
}

static void start_peers(struct peers *p)
{
	if (!p->any)
		buf_put_str(&p->wk->pack.text, ",\"Peers\":[");
}

static void put_inline(struct peers *p, const struct page *page, uint64_t mask)
{
	for (uint64_t m = mask; m != 0; m &= m - 1) {
		start_peers(p);
		if (p->any)
			buf_put_char(&p->wk->pack.text, ',');
		encode_slot(p, &p->wk->pack.text, page->slot[__builtin_ctzll(m)].node);
		p->any = true;
	}
}

static void put_piece(struct peers *p, const struct page *page, uint64_t mask, uint64_t form)
{
	struct piece_key k = { page->lineage, mask, form ^ p->names, p->format, !p->any };
	struct mapper *m = p->wk->m;
	struct shared_bytes *data;
	uint64_t seq = p->s->seq;

	start_peers(p);
	data = pieces_get(m->pieces, &k, page, p->s->seq, p->now_ns, m->stale_ns, &seq);
	if (data == NULL) {
		bool comma = p->any;

		buf_reset(&p->wk->text);
		for (uint64_t rest = mask; rest != 0; rest &= rest - 1) {
			if (comma)
				buf_put_char(&p->wk->text, ',');
			encode_slot(p, &p->wk->text, page->slot[__builtin_ctzll(rest)].node);
			comma = true;
		}
		data = piece_of(p->wk->zip, p->format, buf_bytes(&p->wk->text), &p->wk->scratch);
		pieces_put(m->pieces, &k, page, p->s->seq, p->now_ns, data);
	}
	if (seq < p->reached)
		p->reached = seq;
	pack_piece(&p->wk->pack, data);
	shared_bytes_unref(&data);
	p->any = true;
}

static void put_mask(struct peers *p, const struct page *page, uint64_t mask, uint64_t form)
{
	if (mask == 0)
		return;
	if (__builtin_popcountll(mask) <= INLINE_MAX)
		put_inline(p, page, mask);
	else
		put_piece(p, page, mask, form);
}

/* The slots from..from+n-1 of the viewer's own page, `own` left out. n is a power of two. */
static void put_own_page(struct peers *p, const struct page *page, uint64_t mask, bool usual, unsigned own, unsigned from, unsigned n)
{
	uint64_t range = n == 64 ? UINT64_MAX : ((UINT64_C(1) << n) - 1) << from, sub = mask & range;

	if (own < from || own >= from + n) {
		put_mask(p, page, sub, usual ? 0 : form_hash(p->wk, p->s, p->v, page, sub));
	} else if (n <= 8) {
		put_inline(p, page, sub & ~(UINT64_C(1) << own));
	} else {
		put_own_page(p, page, mask, usual, own, from, n / 2);
		put_own_page(p, page, mask, usual, own, from + n / 2, n / 2);
	}
}

static void put_pages(struct peers *p, struct splice *sp)
{
	struct slot_ref at = { UINT32_MAX, 0 };

	(void)snapshot_slot(p->s, p->self, &at);
	splice_refresh(p->wk, p->s, p->v, sp);
	for (size_t i = 0; i < sp->n; i++) {
		const struct splice_page *e = &sp->v[i];

		if (i == at.page && e->mask >> at.slot & 1)
			put_own_page(p, p->s->pages[i], e->mask, e->form == 0, at.slot, 0, PAGE_SLOTS);
		else
			put_mask(p, p->s->pages[i], e->mask, e->form);
	}
}

/* ---- a class that sees few: by the members of what it sees ------------------------------------------ */

static size_t count_seen(struct peers *p)
{
	const struct access *x = p->wk->x;
	const node_id *ids;
	size_t n = 0;

	for (size_t i = 0; i < p->v->n_classes; i++)
		n += x->ops->members(x->arg, p->s, p->v->classes[i], p->wk->a, &ids);
	return n;
}

static int by_id(const void *a, const void *b)
{
	const node_id *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void collect(struct peers *p, id_vec *out)
{
	const struct access *x = p->wk->x;

	for (size_t i = 0; i < p->v->n_classes; i++) {
		const node_id *ids;
		size_t n = x->ops->members(x->arg, p->s, p->v->classes[i], p->wk->a, &ids);

		for (size_t k = 0; k < n; k++) {
			const struct node *node = snapshot_node(p->s, ids[k]);

			if (node != NULL && !disco_key_is_zero(&node->disco)) /* as view_sees_slot() */
				vec_push(out, ids[k]);
		}
	}
	if (out->n > 1)
		qsort(out->v, out->n, sizeof *out->v, by_id);
}

static void put_members(struct peers *p)
{
	id_vec ids = { 0 };

	collect(p, &ids);
	for (size_t i = 0; i < ids.n; i++) {
		const struct node *n = ids.v[i] == p->self ? NULL : snapshot_node(p->s, ids.v[i]);

		if (n == NULL)
			continue;
		start_peers(p);
		if (p->any)
			buf_put_char(&p->wk->pack.text, ',');
		encode_slot(p, &p->wk->pack.text, n);
		p->any = true;
	}
	vec_release(&ids);
}

/* ---- profiles ------------------------------------------------------------------------------------------ */

/* A set of users, open addressing; 0 is no user. */
struct user_set {
	user_id *v;
	size_t n, size;
};

static void user_add(struct user_set *t, user_id u)
{
	size_t i;

	if (u == 0)
		return;
	if (2 * (t->n + 1) > t->size) {
		struct user_set old = *t;

		t->size = old.size ? 2 * old.size : 64;
		t->v = xcalloc(t->size, sizeof *t->v);
		t->n = 0;
		for (size_t k = 0; k < old.size; k++)
			user_add(t, old.v[k]);
		free(old.v);
	}
	for (i = (u * 0x9e3779b97f4a7c15u >> 20) & (t->size - 1); t->v[i] != 0 && t->v[i] != u; i = (i + 1) & (t->size - 1))
		;
	t->n += t->v[i] == 0;
	t->v[i] = u;
}

static void add_users(struct peers *p, bool few, struct user_set *t)
{
	id_vec ids = { 0 };

	if (few) {
		collect(p, &ids);
		for (size_t i = 0; i < ids.n; i++) {
			const struct node *n = snapshot_node(p->s, ids.v[i]);

			user_add(t, n != NULL ? wire_user(n) : 0);
		}
		vec_release(&ids);
		return;
	}
	for (size_t i = 0; i < p->s->n_pages; i++)
		for (uint64_t m = p->s->pages[i]->used; m != 0; m &= m - 1) {
			const struct slot *slot = &p->s->pages[i]->slot[__builtin_ctzll(m)];

			if (view_sees_slot(p->v, slot))
				user_add(t, wire_user(slot->node));
		}
}

/* Profiles of all that the class sees, a comma before each. */
static void make_profiles(struct peers *p, bool few, struct splice *sp)
{
	struct user_set t = { 0 };
	size_t n = 0;
	struct jw w;

	add_users(p, few, &t);
	for (size_t i = 0; i < t.size; i++)
		if (t.v[i] != 0)
			t.v[n++] = t.v[i];
	if (n > 1)
		qsort(t.v, n, sizeof *t.v, by_id);
	buf_reset(&sp->profiles_text);
	jw_init(&w, &sp->profiles_text);
	w.comma = true;
	for (size_t i = 0; i < n; i++)
		(void)encode_profile(&w, p->s, t.v[i]);
	free(t.v);
	sp->profiles_made = true;
}

static void put_profiles(struct peers *p, bool few, struct splice *sp, const struct node *self)
{
	struct buf *text = &p->wk->pack.text;
	struct jw w;

	if (!sp->profiles_made)
		make_profiles(p, few, sp);
	buf_put_str(text, ",\"UserProfiles\":[");
	jw_init(&w, text);
	if (!encode_profile(&w, p->s, wire_user(self)))
		(void)encode_profile(&w, p->s, USER_TAGGED_DEVICES); /* something must stand before the commas */
	if (sp->profiles_text.n > 256) {
		if (sp->profiles[p->format] == NULL)
			sp->profiles[p->format] = piece_of(p->wk->zip, p->format, buf_bytes(&sp->profiles_text), &p->wk->scratch);
		pack_piece(&p->wk->pack, sp->profiles[p->format]);
	} else {
		buf_put_bytes(text, buf_bytes(&sp->profiles_text));
	}
	buf_put_char(text, ']');
}

/* ---- what all get alike ---------------------------------------------------------------------------------- */

struct shared_bytes *world_derp(struct work *wk, const struct snapshot *s, enum map_format f)
{
	if (wk->derp_of != s->derp_map) {
		for (int i = 0; i < MAP_FORMATS; i++)
			shared_bytes_unref(&wk->derp[i]);
		shared_bytes_unref(&wk->derp_of);
		wk->derp_of = shared_bytes_ref(s->derp_map);
	}
	if (wk->derp[f] == NULL) {
		buf_reset(&wk->text);
		buf_put_str(&wk->text, ",\"DERPMap\":");
		buf_put_bytes(&wk->text, s->derp_map != NULL ? shared_bytes_view(s->derp_map) : BYTES_LIT("{\"Regions\":{}}"));
		wk->derp[f] = piece_of(wk->zip, f, buf_bytes(&wk->text), &wk->scratch);
	}
	return wk->derp[f];
}

struct shared_bytes *world_dns(struct work *wk, const struct snapshot *s, enum map_format f)
{
	static const struct node nobody; /* the common form asks nothing of the node */
	struct jw w;

	if (wk->dns_of != s->dns || wk->settings_of != s->settings) {
		for (int i = 0; i < MAP_FORMATS; i++)
			shared_bytes_unref(&wk->dns[i]);
		dns_settings_unref(&wk->dns_of);
		tailnet_settings_unref(&wk->settings_of);
		wk->dns_of = dns_settings_ref(s->dns);
		wk->settings_of = tailnet_settings_ref(s->settings);
	}
	if (wk->dns[f] == NULL) {
		buf_reset(&wk->text);
		buf_put_str(&wk->text, ",\"DNSConfig\":");
		jw_init(&w, &wk->text);
		encode_dns(wk, &w, s, &nobody);
		wk->dns[f] = piece_of(wk->zip, f, buf_bytes(&wk->text), &wk->scratch);
	}
	return wk->dns[f];
}

static void put_world(struct peers *p, const struct node *self)
{
	struct jw w;

	pack_piece(&p->wk->pack, world_derp(p->wk, p->s, p->format));
	if (dns_is_common(p->wk, p->s, self)) {
		pack_piece(&p->wk->pack, world_dns(p->wk, p->s, p->format));
		return;
	}
	jw_init(&w, &p->wk->pack.text);
	w.comma = true;
	jw_key(&w, "DNSConfig");
	encode_dns(p->wk, &w, p->s, self);
}

uint64_t first_send(struct work *wk, const struct snapshot *s, const struct node *n, const struct view *v, struct splice *sp,
		    const struct map_client *client, int64_t now_ns, const struct map_sink *sink, void *arg)
{
	struct peers p = { wk, s, v, client->format, now_ns, n->id, names_hash(s), s->seq, false };
	bool few;

	pack_begin(&wk->pack, client->format);
	own_first(wk, s, n, client, &wk->pack.text);
	put_world(&p, n);
	few = count_seen(&p) < s->n_pages * 4;
	put_profiles(&p, few, sp, n);
	if (!client->omit_peers) {
		if (few)
			put_members(&p);
		else
			put_pages(&p, sp);
		if (p.any)
			buf_put_char(&wk->pack.text, ']');
	}
	buf_put_char(&wk->pack.text, '}');
	mapper_count(wk->m, COUNT_FIRST_MAPS, 1);
	mapper_count(wk->m, COUNT_BYTES, pack_send(&wk->pack, sink, arg));
	arena_reset(wk->a);
	return p.reached;
}
