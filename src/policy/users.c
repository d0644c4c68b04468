/*
 * policy/users.c -- the users an engine knows, and which selectors match each of them.
 *
 * A policy names logins; a user has up to four (e-mail, provider's ID, name, name with "@"). A login that fits two
 * users selects nobody, so for each login that is named the set counts who fits and keeps the sum of their IDs:
 * where one fits, the sum is who. A change then concerns the users that changed, and those who were or are now
 * alone with a login of theirs; nobody else is looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/users.h"

static bool has_text(const char *s)
{
	return s && *s;
}

bool user_is(const struct user_row *u, const char *login)
{
	size_t n = strlen(login);

	if ((has_text(u->email) && strcmp(u->email, login) == 0) ||
	    (has_text(u->provider_id) && strcmp(u->provider_id, login) == 0))
		return true;
	if (!has_text(u->name))
		return false;
	if (strcmp(u->name, login) == 0)
		return true;
	return n > 1 && login[n - 1] == '@' && strlen(u->name) == n - 1 && memcmp(u->name, login, n - 1) == 0;
}

/* ---- what a policy names ---- */

static void name_one(struct lineage *l, const char *login, uint32_t sel, bool fill)
{
	uint32_t i = strmap_add(&l->named_by_login, bytes_of_str(login), l->n_named);

	if (i == l->n_named)
		l->n_named++;
	if (fill)
		l->named[i].sel[l->named[i].n] = sel;
	if (l->named)
		l->named[i].n++;
}

static void name_all(struct lineage *l, bool fill)
{
	const struct policy *p = l->policy;

	for (uint32_t i = 0; i < p->sels.n; i++) {
		const struct sel *s = &p->sels.v[i];
		uint32_t g = s->kind == SEL_GROUP ? strmap_get_str(&p->group_by_name, s->arg) : STRMAP_NONE;
		if (s->kind == SEL_USER)
			name_one(l, s->arg, i, fill);
		for (uint32_t k = 0; g != STRMAP_NONE && k < p->groups.v[g].n; k++)
			name_one(l, p->groups.v[g].member[k], i, fill);
	}
}

void users_name(struct lineage *l)
{
	const struct policy *p = l->policy;

	name_all(l, false); /* numbers */
	l->named = ARENA_ARRAY(l->arena, struct named, l->n_named);
	name_all(l, false); /* lengths */
	for (uint32_t i = 0; i < l->n_named; i++) {
		l->named[i].sel = ARENA_ARRAY(l->arena, uint32_t, l->named[i].n);
		l->named[i].n = 0;
	}
	name_all(l, true);
	l->by_trait = ARENA_ARRAY(l->arena, uint32_t, p->sels.n);
	l->user_bits = ARENA_ARRAY(l->arena, uint64_t, l->words);
	for (uint32_t i = 0; i < p->sels.n; i++) {
		const struct sel *s = &p->sels.v[i];
		if (!sel_is_device(s) || s->kind == SEL_TAG || s->ag == AG_TAGGED)
			continue;
		bit_set(l->user_bits, i);
		if (s->kind == SEL_DOMAIN || s->kind == SEL_AUTO)
			l->by_trait[l->n_by_trait++] = i;
	}
}

/* ---- rows ---- */

static const char *keep(char **at, const char *s)
{
	size_t n = s ? strlen(s) + 1 : 1;
	char *to = *at;

	mem_copy(to, s ? s : "", n);
	*at += n;
	return to;
}

static size_t text_len(const char *s)
{
	return s ? strlen(s) + 1 : 1;
}

static struct user_row *row_alloc(const struct lineage *l, const char *name, const char *email, const char *provider_id)
{
	size_t words = l->words * sizeof(uint64_t);
	struct user_row *r = xcalloc(1, sizeof *r + words + text_len(name) + text_len(email) + text_len(provider_id));
	char *at = (char *)(r + 1) + words;

	atomic_init(&r->refs, 1);
	r->match = (uint64_t *)(r + 1);
	r->name = keep(&at, name);
	r->email = keep(&at, email);
	r->provider_id = keep(&at, provider_id);
	return r;
}

static struct user_row *row_new(const struct lineage *l, const struct policy_user *u)
{
	struct user_row *r = row_alloc(l, u->name, u->email, u->provider_id);

	r->id = u->id;
	r->role = u->role;
	r->external = u->external;
	return r;
}

static struct user_row *row_again(const struct lineage *l, const struct user_row *u)
{
	struct user_row *r = row_alloc(l, u->name, u->email, u->provider_id);

	r->id = u->id;
	r->role = u->role;
	r->external = u->external;
	return r;
}

static void row_unref(struct user_row *r)
{
	if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1)
		free(r);
}

/* The logins of a user that the policy names, each once: 4 at most. */
static size_t named_logins(const struct lineage *l, const struct user_row *u, uint32_t out[static 4])
{
	const char *login[4] = { u->email, u->provider_id, u->name, NULL };
	char *at = NULL;
	size_t n = 0;

	if (l->n_named && has_text(u->name)) {
		size_t len = strlen(u->name);
		at = xmalloc(len + 2);
		mem_copy(at, u->name, len);
		mem_copy(at + len, "@", 2);
		login[3] = at;
	}
	for (size_t i = 0; l->n_named && i < 4; i++) {
		uint32_t x = has_text(login[i]) ? strmap_get_str(&l->named_by_login, login[i]) : STRMAP_NONE;
		for (size_t k = 0; k < n; k++)
			x = out[k] == x ? STRMAP_NONE : x;
		if (x != STRMAP_NONE)
			out[n++] = x;
	}
	free(at);
	return n;
}

static bool in_domain(const struct user_row *u, const char *domain)
{
	const char *at = strrchr(u->email, '@');

	return at && !u->external && strcmp(at + 1, domain) == 0;
}

static bool role_in(enum autogroup ag, const struct user_row *u)
{
	switch (ag) {
	case AG_MEMBER:
		return !u->external;
	case AG_SHARED:
		return u->external;
	case AG_OWNER:
		return u->role == POLICY_ROLE_OWNER;
	case AG_ADMIN:
		return u->role == POLICY_ROLE_ADMIN || u->role == POLICY_ROLE_OWNER;
	case AG_NETWORK_ADMIN:
		return u->role == POLICY_ROLE_NETWORK_ADMIN;
	case AG_IT_ADMIN:
		return u->role == POLICY_ROLE_IT_ADMIN;
	case AG_BILLING_ADMIN:
		return u->role == POLICY_ROLE_BILLING_ADMIN;
	case AG_AUDITOR:
		return u->role == POLICY_ROLE_AUDITOR;
	default:
		return false;
	}
}

static void match_row(const struct lineage *l, const struct user_set *s, struct user_row *u)
{
	uint32_t login[4];
	size_t n = named_logins(l, u, login);

	for (size_t i = 0; i < n; i++)
		for (uint32_t k = 0; s->fit[login[i]].n == 1 && k < l->named[login[i]].n; k++)
			bit_set(u->match, l->named[login[i]].sel[k]);
	for (uint32_t i = 0; i < l->n_by_trait; i++) {
		const struct sel *x = &l->policy->sels.v[l->by_trait[i]];
		if (x->kind == SEL_DOMAIN ? in_domain(u, x->arg) : role_in(x->ag, u))
			bit_set(u->match, l->by_trait[i]);
	}
}

/* ---- sets ---- */

static struct user_set *set_alloc(const struct lineage *l, size_t n)
{
	struct user_set *s = xcalloc(1, sizeof *s + n * sizeof *s->row);

	atomic_init(&s->refs, 1);
	s->fit = xcalloc(l->n_named + 1, sizeof *s->fit);
	return s;
}

static void count_in(const struct lineage *l, struct user_set *s, const struct user_row *u)
{
	uint32_t login[4];
	size_t n = named_logins(l, u, login);

	for (size_t i = 0; i < n; i++) {
		s->fit[login[i]].n++;
		s->fit[login[i]].ids += u->id;
	}
}

static int by_id(const void *a, const void *b)
{
	const struct user_row *x = *(struct user_row *const *)a, *y = *(struct user_row *const *)b;
	return x->id < y->id ? -1 : x->id > y->id;
}

struct user_set *users_new(const struct lineage *l, const struct policy_user *u, size_t n)
{
	struct user_set *s = set_alloc(l, n);

	for (size_t i = 0; i < n; i++)
		s->row[i] = row_new(l, &u[i]);
	s->n = n;
	qsort(s->row, n, sizeof *s->row, by_id);
	for (size_t i = 0; i < n; i++)
		count_in(l, s, s->row[i]);
	for (size_t i = 0; i < n; i++)
		match_row(l, s, s->row[i]);
	return s;
}

struct user_set *users_ref(struct user_set *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void users_unref(struct user_set **sp)
{
	struct user_set *s = *sp;

	*sp = NULL;
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < s->n; i++)
		row_unref(s->row[i]);
	free(s->fit);
	free(s);
}

static size_t slot_of(const struct user_set *s, user_id id)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (s->row[mid]->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct user_row **row_at(struct user_set *s, user_id id)
{
	size_t i = slot_of(s, id);

	return i < s->n && s->row[i]->id == id ? &s->row[i] : NULL;
}

const struct user_row *users_get(const struct user_set *s, user_id id)
{
	size_t i = slot_of(s, id);

	return i < s->n && s->row[i]->id == id ? s->row[i] : NULL;
}

/* ---- changes ---- */

struct change {
	const struct lineage *l;
	struct user_set *s;
	VEC(user_id) look; /* whose match may be another */
};

/* This user comes or goes: who was alone with a login of theirs, and who is now, may match otherwise. */
static void count_change(struct change *c, const struct user_row *u, bool in)
{
	uint32_t login[4];
	size_t n = named_logins(c->l, u, login);

	for (size_t i = 0; i < n; i++) {
		struct fit *f = &c->s->fit[login[i]];
		if (f->n == 1)
			vec_push(&c->look, f->ids);
		f->n += in ? 1 : -1u;
		f->ids += in ? u->id : -u->id;
		if (f->n == 1)
			vec_push(&c->look, f->ids);
	}
}

static void take_out(struct change *c, user_id id)
{
	size_t i = slot_of(c->s, id);

	if (i == c->s->n || c->s->row[i]->id != id)
		return;
	count_change(c, c->s->row[i], false);
	vec_push(&c->look, id);
	row_unref(c->s->row[i]);
	memmove(c->s->row + i, c->s->row + i + 1, (c->s->n - i - 1) * sizeof *c->s->row);
	c->s->n--;
}

static void put_in(struct change *c, const struct policy_user *u)
{
	struct user_row *r = row_new(c->l, u);
	size_t i = slot_of(c->s, u->id);

	memmove(c->s->row + i + 1, c->s->row + i, (c->s->n - i) * sizeof *c->s->row);
	c->s->row[i] = r;
	c->s->n++;
	count_change(c, r, true);
	vec_push(&c->look, u->id);
}

/* Rows are shared with older sets: who matches otherwise gets a new one. */
static void rematch(struct change *c, user_id id)
{
	struct user_row **at = row_at(c->s, id), *r;

	if (!at)
		return;
	r = row_again(c->l, *at);
	match_row(c->l, c->s, r);
	row_unref(*at);
	*at = r;
}

static struct change begin(const struct lineage *l, const struct user_set *old, size_t room)
{
	struct change c = { .l = l, .s = set_alloc(l, old->n + room) };

	c.s->n = old->n;
	for (size_t i = 0; i < old->n; i++) {
		c.s->row[i] = old->row[i];
		atomic_fetch_add_explicit(&old->row[i]->refs, 1, memory_order_relaxed);
	}
	mem_copy(c.s->fit, old->fit, l->n_named * sizeof *old->fit);
	return c;
}

static int cmp_user_id(const void *a, const void *b)
{
	user_id x = *(const user_id *)a, y = *(const user_id *)b;
	return x < y ? -1 : x > y;
}

/* Are the nodes of this user of another kind by this? */
static bool moves(const struct lineage *l, const struct user_row *a, const struct user_row *b)
{
	static const struct user_row nobody;
	uint32_t fa = user_flags(a, false) | user_flags(a, true), fb = user_flags(b, false) | user_flags(b, true);

	if (fa != fb)
		return true;
	a = a ? a : &nobody;
	b = b ? b : &nobody;
	for (size_t i = 0; i < l->words; i++)
		if ((a->match ? a->match[i] : 0) != (b->match ? b->match[i] : 0))
			return true;
	return false;
}

struct user_set *users_change(const struct lineage *l, const struct user_set *old, const struct policy_delta *d,
			      struct arena *a, user_id **moved_out, size_t *n_out)
{
	struct change c = begin(l, old, d->n_users);
	size_t n = 0;

	for (size_t i = 0; i < d->n_users_removed; i++)
		take_out(&c, d->users_removed[i]);
	for (size_t i = 0; i < d->n_users; i++) {
		take_out(&c, d->users[i].id);
		put_in(&c, &d->users[i]);
	}
	if (c.look.n)
		qsort(c.look.v, c.look.n, sizeof *c.look.v, cmp_user_id);
	*moved_out = ARENA_ARRAY(a, user_id, c.look.n);
	for (size_t i = 0; i < c.look.n; i++) {
		user_id id = c.look.v[i];
		if (i && c.look.v[i - 1] == id)
			continue;
		rematch(&c, id);
		if (moves(l, users_get(old, id), users_get(c.s, id)))
			(*moved_out)[n++] = id;
	}
	*n_out = n;
	vec_release(&c.look);
	return c.s;
}

uint32_t user_flags(const struct user_row *u, bool tagged)
{
	uint32_t f = 0;

	if (u && u->role == POLICY_ROLE_OWNER)
		f |= KIND_OWNER;
	if (u && !tagged && (u->role == POLICY_ROLE_OWNER || u->role == POLICY_ROLE_ADMIN))
		f |= KIND_ADMIN;
	return f;
}
