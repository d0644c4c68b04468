/*
 * policy/lineage.c -- what stays while a policy and its settings stay: which selectors match
 * whom, and the kinds and classes of nodes met so far.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "policy/users.h"

/* ---- hashes of strings that rules carry ---- */

static uint64_t seed[2];
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
	random_bytes(seed, sizeof seed);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0xff51afd7ed558ccdu;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 29;
}

static struct sum hash_bytes(const void *p, size_t n, uint64_t domain)
{
	struct sum s;
	uint64_t w;

	pthread_once(&seeded, make_seed);
	s = (struct sum){ mix(seed[0], domain), mix(seed[1], ~domain) };
	for (size_t i = 0; i < n; i += 8) {
		w = 0;
		mem_copy(&w, (const uint8_t *)p + i, n - i < 8 ? n - i : 8);
		s.a = mix(s.a, w);
		s.b = mix(s.b, w + 1);
	}
	return (struct sum){ mix(s.a, n), mix(s.b, n) };
}

struct sum hash_addr(const struct ip_addr *a)
{
	return hash_bytes(a->b, 16, a->family);
}

struct sum hash_string(const char *s)
{
	return hash_bytes(s, strlen(s), 0x74657874);
}

/* ---- addresses ---- */

bool ranges_overlap(const struct ip_range *a, const struct ip_range *b)
{
	return a->from.family == b->from.family && ip_cmp(&a->from, &b->to) <= 0 && ip_cmp(&b->from, &a->to) <= 0;
}

static bool range_has(const struct ip_range *r, const struct ip_addr *a)
{
	return r->from.family == a->family && ip_cmp(&r->from, a) <= 0 && ip_cmp(a, &r->to) <= 0;
}

bool sel_has_addr(const struct sel *s, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < s->n_range; i++)
		if (range_has(&s->range[i], a))
			return true;
	return false;
}

static struct ip_range range_of(const char *from, const char *to)
{
	struct ip_range r;
	enum status s = ip_parse(bytes_of_str(from), &r.from);

	assert(s == ST_OK);
	s = ip_parse(bytes_of_str(to), &r.to);
	assert(s == ST_OK);
	return r;
}

/* ---- selectors ---- */

static void match_sel(struct lineage *l, uint32_t sel)
{
	const struct sel *s = &l->policy->sels.v[sel];

	if (s->kind == SEL_AUTO && s->ag == AG_TAGGED) {
		bit_set(l->tagged_match, sel);
	} else if (sel_is_literal(s)) {
		l->literals[l->n_literals++] = sel;
		if (s->n_range == 1 && ip_eq(&s->range[0].from, &s->range[0].to))
			bit_set(l->single, sel);
	}
}

/* ---- source sets ---- */

static int by_src_text(const void *a, const void *b)
{
	return strcmp(((const struct src_text *)a)->text, ((const struct src_text *)b)->text);
}

static uint32_t unique_texts(struct src_text *t, uint32_t n)
{
	uint32_t k = 0;

	if (n)
		qsort(t, n, sizeof *t, by_src_text);
	for (uint32_t i = 0; i < n; i++)
		if (k == 0 || strcmp(t[i].text, t[k - 1].text) != 0)
			t[k++] = t[i];
	return k;
}

static struct src_text text_of(const char *text, const struct ip_range *r, uint32_t sel)
{
	struct src_text t = { .text = text, .sel = sel };

	t.single = ip_eq(&r->from, &r->to);
	t.addr = r->from;
	t.is_prefix = ip_range_prefixes(*r, &t.prefix, 1) == 1;
	t.hash = t.single ? hash_addr(&t.addr) : hash_string(text);
	return t;
}

/* What of a literal lies outside the ranges of devices; those inside are judged one by one. */
static void outside_texts(struct lineage *l, struct src_static *st, bool everything)
{
	struct ip_set set = { 0 };
	struct sel s = { 0 };

	if (everything)
		for (size_t i = 0; i < 2; i++)
			ip_set_add_prefix(&set, (struct ip_prefix){ .addr.family = i ? IP_V6 : IP_V4 });
	for (uint32_t i = 0; i < st->n_literal; i++)
		for (uint32_t k = 0; k < st->literal[i]->n_range; k++)
			if (!ip_eq(&st->literal[i]->range[k].from, &st->literal[i]->range[k].to))
				ip_set_add_range(&set, st->literal[i]->range[k]);
	for (size_t i = 0; i < 3; i++)
		ip_set_remove_range(&set, l->any_range[i]);
	sel_set_range(l->arena, &s, set.r, set.n, true);
	ip_set_release(&set);
	st->outside = ARENA_ARRAY(l->arena, struct src_text, s.n_range);
	for (uint32_t i = 0; i < s.n_range; i++)
		st->outside[st->n_outside++] = text_of(s.range_text[i], &s.range[i], UINT32_MAX);
}

static void make_src(struct lineage *l, uint32_t i)
{
	const struct srcset *s = &l->policy->srcsets.v[i];
	struct src_static *st = &l->src[i];
	uint32_t n = 0;

	st->addr = ARENA_ARRAY(l->arena, uint64_t, l->words);
	st->lit = ARENA_ARRAY(l->arena, uint64_t, l->words);
	for (uint32_t k = 0; k < s->n_dev; k++)
		bit_set(st->addr, s->dev[k]);
	for (uint32_t k = 0; k < s->n_lit; k++) {
		bit_set(st->lit, s->lit[k]);
		n += l->policy->sels.v[s->lit[k]].n_range;
	}
	st->literal = ARENA_ARRAY(l->arena, const struct sel *, s->n_lit);
	st->text = ARENA_ARRAY(l->arena, struct src_text, n);
	for (uint32_t k = 0; k < s->n_lit; k++) {
		const struct sel *x = st->literal[st->n_literal++] = &l->policy->sels.v[s->lit[k]];
		for (uint32_t r = 0; r < x->n_range; r++)
			st->text[st->n_text++] = text_of(x->range_text[r], &x->range[r], s->lit[k]);
	}
	st->n_text = unique_texts(st->text, st->n_text);
	if (s->cond >= 0)
		outside_texts(l, st, s->danger);
}

static void make_attr_masks(struct lineage *l)
{
	size_t n = l->policy->attrs.n;

	l->attr_target = ARENA_ARRAY(l->arena, uint64_t *, n);
	l->attr_all = ARENA_ARRAY(l->arena, bool, n);
	for (size_t i = 0; i < n; i++) {
		const struct attr_rule *r = &l->policy->attrs.v[i];
		l->attr_target[i] = ARENA_ARRAY(l->arena, uint64_t, l->words);
		for (uint32_t k = 0; k < r->n_target; k++) {
			if (l->policy->sels.v[r->target[k]].kind == SEL_ANY)
				l->attr_all[i] = true;
			else
				bit_set(l->attr_target[i], r->target[k]);
		}
	}
}

struct lineage *lineage_new(struct policy *p, const struct policy_settings *s)
{
	struct lineage *l = xcalloc(1, sizeof *l);

	atomic_init(&l->refs, 1);
	pthread_mutex_init(&l->lock, NULL);
	l->policy = policy_ref(p);
	l->arena = arena_new();
	l->words = BIT_WORDS(p->sels.n + 1);
	l->any = (uint32_t)p->sels.n; /* the last bit: in the ranges of "*" */
	l->cond_words = BIT_WORDS(p->conds.n + 1);
	l->display_name = arena_strdup(l->arena, s->display_name);
	l->auto_update = s->auto_update;
	l->no_file_sharing = s->no_file_sharing;
	l->https = s->https;
	l->any_range[0] = range_of("100.64.0.0", "100.115.91.255");
	l->any_range[1] = range_of("100.115.94.0", "100.127.255.255");
	l->any_range[2] = range_of("fd7a:115c:a1e0::", "fd7a:115c:a1e0:ffff:ffff:ffff:ffff:ffff");
	for (uint32_t i = 0; i < 3; i++) {
		static const char *const text[] = { "100.64.0.0-100.115.91.255", "100.115.94.0-100.127.255.255",
						    "fd7a:115c:a1e0::/48" };
		l->any_text[i] = text_of(text[i], &l->any_range[i], UINT32_MAX);
	}
	l->single = ARENA_ARRAY(l->arena, uint64_t, l->words);
	l->tagged_match = ARENA_ARRAY(l->arena, uint64_t, l->words);
	l->literals = ARENA_ARRAY(l->arena, uint32_t, p->sels.n);
	users_name(l);
	for (uint32_t i = 0; i < p->sels.n; i++)
		match_sel(l, i);
	l->src = ARENA_ARRAY(l->arena, struct src_static, p->srcsets.n);
	for (uint32_t i = 0; i < p->srcsets.n; i++)
		make_src(l, i);
	make_attr_masks(l);
	return l;
}

struct lineage *lineage_ref(struct lineage *l)
{
	atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
	return l;
}

static void table_free(struct table *t)
{
	free(t->hash);
	free(t->id);
}

void lineage_unref(struct lineage **lp)
{
	struct lineage *l = *lp;

	*lp = NULL;
	if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i < CHUNKS_MAX; i++) {
		free(l->kinds[i]);
		free(l->classes[i]);
		free(l->owners[i]);
	}
	table_free(&l->kind_table);
	table_free(&l->class_table);
	table_free(&l->owner_table);
	free(l->owner_ids);
	strmap_release(&l->named_by_login);
	pthread_mutex_destroy(&l->lock);
	arena_free(&l->arena);
	policy_unref(&l->policy);
	free(l);
}

/* ---- served prefixes ---- */

struct route_static *route_static_new(const struct lineage *l, struct ip_prefix p)
{
	struct route_static *s = xcalloc(1, sizeof *s + l->words * sizeof *s->overlaps);
	struct ip_range r = ip_range_of_prefix(p);

	atomic_init(&s->refs, 1);
	s->prefix = p;
	s->overlaps = (uint64_t *)(s + 1);
	ip_prefix_format(&p, s->text);
	/* A prefix of one address stands in lists as a prefix all the same. */
	s->hash = hash_string(s->text);
	for (uint32_t i = 0; i < l->n_literals; i++) {
		const struct sel *x = &l->policy->sels.v[l->literals[i]];
		for (uint32_t k = 0; k < x->n_range; k++)
			if (ranges_overlap(&x->range[k], &r))
				bit_set(s->overlaps, l->literals[i]);
	}
	for (size_t i = 0; i < 3; i++)
		if (ranges_overlap(&l->any_range[i], &r))
			bit_set(s->overlaps, l->any);
	return s;
}

void route_static_unref(struct route_static **sp)
{
	struct route_static *s = *sp;

	*sp = NULL;
	if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		free(s);
}

/* ---- kinds and classes ---- */

static uint32_t table_find(const struct table *t, uint64_t h, bool (*same)(const void *arg, uint32_t id),
			   const void *arg)
{
	if (!t->size)
		return UINT32_MAX;
	for (size_t i = h & (t->size - 1); t->id[i]; i = (i + 1) & (t->size - 1))
		if (t->hash[i] == h && same(arg, t->id[i] - 1))
			return t->id[i] - 1;
	return UINT32_MAX;
}

static void table_put(struct table *t, uint64_t h, uint32_t id)
{
	size_t i = h & (t->size - 1);

	while (t->id[i])
		i = (i + 1) & (t->size - 1);
	t->hash[i] = h;
	t->id[i] = id + 1;
	t->n++;
}

static void table_add(struct table *t, uint64_t h, uint32_t id)
{
	struct table old = *t;

	if (2 * (t->n + 1) > t->size) {
		t->size = old.size ? 2 * old.size : 64;
		t->hash = xcalloc(t->size, sizeof *t->hash);
		t->id = xcalloc(t->size, sizeof *t->id);
		t->n = 0;
		for (size_t i = 0; i < old.size; i++)
			if (old.id[i])
				table_put(t, old.hash[i], old.id[i] - 1);
		table_free(&old);
	}
	table_put(t, h, id);
}

struct key { /* of a kind being looked for */
	const struct lineage *l;
	struct kind k;
};

static bool same_kind(const void *arg, uint32_t id)
{
	const struct key *key = arg;
	const struct lineage *l = key->l;
	const struct kind *a = &key->k, *b = kind_at(l, id);

	return a->flags == (b->flags & ~(uint32_t)KIND_HIDE_IP4) && a->router == b->router &&
	       a->router_key == b->router_key && memcmp(a->addr, b->addr, l->words * 8) == 0 &&
	       memcmp(a->route, b->route, l->words * 8) == 0 && memcmp(a->cond, b->cond, l->cond_words * 8) == 0;
}

static uint64_t kind_hash(const struct lineage *l, const struct kind *k)
{
	uint64_t h = mix(mix(mix(1, k->flags), k->router), k->router_key);

	for (size_t i = 0; i < l->words; i++)
		h = mix(mix(h, k->addr[i]), k->route[i]);
	for (size_t i = 0; i < l->cond_words; i++)
		h = mix(h, k->cond[i]);
	return h;
}

static bool has_attr(const struct lineage *l, const struct kind *k, const char *name)
{
	for (size_t i = 0; i < l->policy->attrs.n; i++) {
		const struct attr_rule *r = &l->policy->attrs.v[i];
		if (!l->attr_all[i] && !bits_meet(l->attr_target[i], k->addr, l->words))
			continue;
		for (uint32_t a = 0; a < r->n_attr; a++)
			if (strcmp(r->attr[a], name) == 0)
				return true;
	}
	return false;
}

static uint32_t add_kind(struct lineage *l, const struct kind *k)
{
	struct kind *new = ARENA_NEW(l->arena, struct kind);
	uint64_t *bits = ARENA_ARRAY(l->arena, uint64_t, 2 * l->words + l->cond_words);
	uint32_t id = l->n_kinds;

	assert(id < CHUNKS_MAX * CHUNK_ROWS);
	mem_copy(new, k, sizeof *new);
	atomic_init(&new->classes, POLICY_CLASS_NONE);
	new->id = id;
	mem_copy(bits, k->addr, l->words * 8);
	mem_copy(bits + l->words, k->route, l->words * 8);
	mem_copy(bits + 2 * l->words, k->cond, l->cond_words * 8);
	new->addr = bits;
	new->route = bits + l->words;
	new->cond = bits + 2 * l->words;
	if (l->policy->disable_ip4 || has_attr(l, new, "disable-ipv4"))
		new->flags |= KIND_HIDE_IP4;
	if (!l->kinds[id / CHUNK_ROWS])
		l->kinds[id / CHUNK_ROWS] = xcalloc(CHUNK_ROWS, sizeof **l->kinds);
	l->kinds[id / CHUNK_ROWS][id % CHUNK_ROWS] = new;
	l->n_kinds++;
	table_add(&l->kind_table, new->hash, id);
	return id;
}

static void match_addr(const struct lineage *l, const struct ip_addr *a, uint64_t *bits)
{
	if (a->family == IP_NONE)
		return;
	for (uint32_t i = 0; i < l->n_literals; i++)
		if (sel_has_addr(&l->policy->sels.v[l->literals[i]], a))
			bit_set(bits, l->literals[i]);
	for (size_t i = 0; i < 3; i++)
		if (range_has(&l->any_range[i], a))
			bit_set(bits, l->any);
}

static void match_node(const struct lineage *l, const struct user_set *users, const struct policy_node *n,
		       uint64_t *bits)
{
	const struct user_row *u;

	if (n->n_tags) {
		mem_copy(bits, l->tagged_match, l->words * 8);
		for (size_t i = 0; i < n->n_tags; i++) {
			uint32_t s = strmap_get_str(&l->policy->sel_by_text, n->tags[i]);
			if (s != STRMAP_NONE)
				bit_set(bits, s);
		}
	} else if ((u = users_get(users, n->user)) != NULL) {
		mem_copy(bits, u->match, l->words * 8);
	}
	match_addr(l, &n->ip4, bits);
	match_addr(l, &n->ip6, bits);
}

static uint32_t node_flags(const struct user_set *users, const struct policy_node *n, const struct router *r)
{
	uint32_t f = n->n_tags ? KIND_TAGGED : 0;

	f |= user_flags(users_get(users, n->n_tags ? n->created_by : n->user), n->n_tags > 0);
	if (r && r->exit)
		f |= KIND_EXIT;
	if (r && r->n_served)
		f |= KIND_ROUTES;
	return f;
}

static void match_conds(const struct lineage *l, const struct policy_node *n, uint64_t *bits)
{
	const struct policy *p = l->policy;

	for (size_t i = 0; i < p->conds.n; i++)
		for (uint32_t k = 0; k < p->conds.v[i].n; k++)
			if (posture_holds(&p->postures.v[p->conds.v[i].posture[k]], n->attrs, n->n_attrs))
				bit_set(bits, i);
}

/* 4via6 prefixes lie in the tailnet's IPv6 range, but no device has an address there. */
static bool among_devices(const struct lineage *l, const struct ip_prefix *p)
{
	static const uint8_t via6[8] = { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, 0x0b, 0x1a };
	struct ip_range r = ip_range_of_prefix(*p);

	if (p->addr.family == IP_V6 && p->bits >= 64 && memcmp(p->addr.b, via6, 8) == 0)
		return false;
	for (size_t i = 0; i < 3; i++)
		if (ranges_overlap(&l->any_range[i], &r))
			return true;
	return false;
}

static void match_routes(const struct lineage *l, const struct router *r, struct route_static *const *routes,
			 uint64_t *bits, struct kind *k)
{
	k->router = r->id;
	k->router_key = mix(7, r->exit);
	for (uint32_t i = 0; i < r->n_own; i++) {
		const struct ip_prefix *p = &r->own[i];
		k->router_key = mix(k->router_key, hash_bytes(p->addr.b, 16, p->bits + 1000u * p->addr.family).a);
	}
	for (uint32_t i = 0; i < r->n_served; i++) {
		for (size_t w = 0; w < l->words; w++)
			bits[w] |= routes[i]->overlaps[w];
		if (among_devices(l, &r->served[i]))
			k->flags |= KIND_INSIDE;
	}
}

/* Its number; made if there is none. */
static uint32_t kind_of_key(struct lineage *l, struct key *key)
{
	uint32_t id;

	key->k.hash = kind_hash(l, &key->k);
	pthread_mutex_lock(&l->lock);
	id = table_find(&l->kind_table, key->k.hash, same_kind, key);
	if (id == UINT32_MAX)
		id = add_kind(l, &key->k);
	pthread_mutex_unlock(&l->lock);
	return id;
}

uint32_t lineage_kind(struct lineage *l, const struct user_set *users, const struct policy_node *n,
		      const struct router *r, struct route_static *const *routes)
{
	uint64_t small[64] = { 0 }, *bits = small;
	size_t total = 2 * l->words + l->cond_words;
	struct key key = { .l = l };
	uint32_t id;

	if (total > 64)
		bits = xcalloc(total, sizeof *bits);
	key.k.addr = bits;
	key.k.route = bits + l->words;
	key.k.cond = bits + 2 * l->words;
	key.k.flags = node_flags(users, n, r);
	match_node(l, users, n, bits);
	match_conds(l, n, bits + 2 * l->words);
	if (r)
		match_routes(l, r, routes, bits + l->words, &key.k);
	id = kind_of_key(l, &key);
	if (bits != small)
		free(bits);
	return id;
}

uint32_t lineage_kind_for(struct lineage *l, const struct kind *k, const struct user_row *u)
{
	uint64_t small[64], *bits = l->words > 64 ? xcalloc(l->words, sizeof *bits) : small;
	struct key key = { .l = l };
	bool tagged = k->flags & KIND_TAGGED;
	uint32_t id;

	mem_copy(&key.k, k, sizeof key.k);
	key.k.flags &= ~(uint32_t)(KIND_HIDE_IP4 | KIND_OWNER | KIND_ADMIN);
	key.k.flags |= user_flags(u, tagged);
	for (size_t i = 0; i < l->words; i++)
		bits[i] = tagged ? k->addr[i] : (k->addr[i] & ~l->user_bits[i]) | (u ? u->match[i] : 0);
	key.k.addr = bits;
	id = kind_of_key(l, &key);
	if (bits != small)
		free(bits);
	return id;
}

/* A kind of another lineage of the same policy. */
uint32_t lineage_adopt(struct lineage *l, const struct kind *k)
{
	struct key key = { .l = l };

	mem_copy(&key.k, k, sizeof key.k);
	key.k.flags &= ~(uint32_t)KIND_HIDE_IP4;
	return kind_of_key(l, &key);
}

struct lineage *lineage_again(const struct lineage *l)
{
	struct policy_settings s = { .display_name = l->display_name,
				     .auto_update = l->auto_update,
				     .no_file_sharing = l->no_file_sharing,
				     .https = l->https };

	return lineage_new(l->policy, &s);
}

struct class_key {
	const struct lineage *l;
	uint32_t kind;
	user_id owner;
};

static bool same_class(const void *arg, uint32_t id)
{
	const struct class_key *k = arg;
	const struct class_row *c = class_at(k->l, id);
	return c->kind == k->kind && c->owner == k->owner;
}

static bool same_owner(const void *arg, uint32_t id)
{
	const struct class_key *k = arg;
	return k->l->owner_ids[id] == k->owner;
}

static uint32_t owner_slot(struct lineage *l, struct class_key *k)
{
	uint64_t h = mix(11, k->owner);
	uint32_t id = table_find(&l->owner_table, h, same_owner, k);

	if (id != UINT32_MAX)
		return id;
	id = l->n_owners++;
	assert(id < CHUNKS_MAX * CHUNK_ROWS);
	if (id == l->owner_cap)
		l->owner_ids = vec_grow(l->owner_ids, &l->owner_cap, sizeof *l->owner_ids);
	l->owner_ids[id] = k->owner;
	if (!l->owners[id / CHUNK_ROWS])
		l->owners[id / CHUNK_ROWS] = xcalloc(CHUNK_ROWS, sizeof **l->owners);
	atomic_init(&l->owners[id / CHUNK_ROWS][id % CHUNK_ROWS], POLICY_CLASS_NONE);
	table_add(&l->owner_table, h, id);
	return id;
}

static policy_class add_class(struct lineage *l, struct class_key *k, uint64_t h)
{
	policy_class id = l->n_classes++;
	struct class_row *row;
	struct kind *kind;
	atomic_uint *head;

	assert(id < CHUNKS_MAX * CHUNK_ROWS);
	if (!l->classes[id / CHUNK_ROWS])
		l->classes[id / CHUNK_ROWS] = xcalloc(CHUNK_ROWS, sizeof **l->classes);
	row = &l->classes[id / CHUNK_ROWS][id % CHUNK_ROWS];
	kind = kind_at(l, k->kind);
	*row = (struct class_row){ k->kind, k->owner, UINT32_MAX, POLICY_CLASS_NONE,
				   atomic_load_explicit(&kind->classes, memory_order_relaxed) };
	if (k->owner) {
		row->owner_slot = owner_slot(l, k);
		head = &l->owners[row->owner_slot / CHUNK_ROWS][row->owner_slot % CHUNK_ROWS];
		row->owner_before = atomic_load_explicit(head, memory_order_relaxed);
		atomic_store_explicit(head, id, memory_order_release);
	}
	atomic_store_explicit(&kind->classes, id, memory_order_release);
	table_add(&l->class_table, h, id);
	return id;
}

policy_class lineage_class(struct lineage *l, uint32_t kind, user_id owner)
{
	struct class_key k = { l, kind, owner };
	uint64_t h = mix(mix(5, kind), owner);
	policy_class id;

	pthread_mutex_lock(&l->lock);
	id = table_find(&l->class_table, h, same_class, &k);
	if (id == UINT32_MAX)
		id = add_class(l, &k, h);
	pthread_mutex_unlock(&l->lock);
	return id;
}

bool sel_matches(const struct policy_engine *e, uint32_t sel, const struct policy_node *n)
{
	const struct lineage *l = e->l;
	uint64_t small[64] = { 0 }, *bits = small;
	bool hit;

	if (l->policy->sels.v[sel].kind == SEL_ANY)
		return true;
	if (l->words > 64)
		bits = xcalloc(l->words, sizeof *bits);
	match_node(l, e->users, n, bits);
	hit = bit_get(bits, sel);
	if (bits != small)
		free(bits);
	return hit;
}
