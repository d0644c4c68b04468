/*
 * policy/selector.c -- what a text in a rule selects, and sets of sources.
 *
 * The first rule that fits decides: address or prefix, "*", a known prefix word, user:*@domain, a
 * user (contains "@"), else the name of a host. The order matters: names of synced groups contain
 * "@", IPv6 addresses contain ":".
 */
#include <stdlib.h>
#include <string.h>

#include "policy/policy_priv.h"

static const struct {
	const char *name;
	enum autogroup ag;
} autogroups[] = {
	{ "autogroup:member", AG_MEMBER },
	{ "autogroup:members", AG_MEMBER },
	{ "autogroup:tagged", AG_TAGGED },
	{ "autogroup:owner", AG_OWNER },
	{ "autogroup:admin", AG_ADMIN },
	{ "autogroup:network-admin", AG_NETWORK_ADMIN },
	{ "autogroup:it-admin", AG_IT_ADMIN },
	{ "autogroup:billing-admin", AG_BILLING_ADMIN },
	{ "autogroup:auditor", AG_AUDITOR },
	{ "autogroup:shared", AG_SHARED },
	{ "autogroup:self", AG_SELF },
	{ "autogroup:internet", AG_INTERNET },
	{ "autogroup:danger-all", AG_DANGER_ALL },
	{ "autogroup:nonroot", AG_NONROOT },
};

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* An address alone is a prefix of one address. `wide`: it was written with a length that is not that. */
static bool parse_literal(const char *text, struct ip_prefix *out, bool *wide)
{
	struct ip_addr addr;

	*wide = false;
	if (ip_parse(bytes_of_str(text), &addr) == ST_OK) {
		*out = ip_prefix_of(addr);
		return true;
	}
	if (ip_prefix_parse(bytes_of_str(text), out) != ST_OK)
		return false;
	*out = ip_prefix_masked(*out);
	*wide = true;
	return true;
}

const char *literal_text(struct arena *a, struct ip_prefix p)
{
	char text[IP_PREFIX_TEXT_MAX];

	if (p.bits == (p.addr.family == IP_V4 ? 32 : 128))
		ip_format(&p.addr, text);
	else
		ip_prefix_format(&p, text);
	return arena_strdup(a, text);
}

static const char *range_text(struct arena *a, const struct ip_range *r, bool prefixes)
{
	char from[IP_TEXT_MAX], to[IP_TEXT_MAX];
	struct ip_prefix one[2];

	if (prefixes && ip_range_prefixes(*r, one, 2) == 1)
		return literal_text(a, one[0]);
	ip_format(&r->from, from);
	ip_format(&r->to, to);
	return arena_printf(a, "%s-%s", from, to);
}

void sel_set_range(struct arena *a, struct sel *s, const struct ip_range *r, size_t n, bool prefixes)
{
	s->range = ARENA_ARRAY(a, struct ip_range, n);
	s->range_text = ARENA_ARRAY(a, const char *, n);
	s->n_range = (uint32_t)n;
	for (size_t i = 0; i < n; i++) {
		s->range[i] = r[i];
		s->range_text[i] = range_text(a, &r[i], prefixes);
	}
}

/* All of IPv4 and 2000::/3, less what is private, shared or link-local. */
void internet_ranges(struct arena *a, struct sel *s)
{
	static const char *const all[] = { "0.0.0.0/0", "2000::/3" };
	static const char *const less[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
					    "169.254.0.0/16" };
	struct ip_set set = { 0 };
	struct ip_prefix p;

	for (size_t i = 0; i < 2; i++)
		if (ip_prefix_parse(bytes_of_str(all[i]), &p) == ST_OK)
			ip_set_add_prefix(&set, p);
	for (size_t i = 0; i < sizeof less / sizeof *less; i++)
		if (ip_prefix_parse(bytes_of_str(less[i]), &p) == ST_OK)
			ip_set_remove_prefix(&set, p);
	sel_set_range(a, s, set.r, set.n, false);
	ip_set_release(&set);
}

bool domain_is_ours(struct parse *c, const char *domain)
{
	for (size_t i = 0; i < c->settings->n_domains; i++)
		if (strcmp(c->settings->domains[i], domain) == 0)
			return true;
	return c->settings->n_domains == 0;
}

static enum sel_fault classify_auto(struct parse *c, struct sel *s)
{
	for (size_t i = 0; i < sizeof autogroups / sizeof *autogroups; i++)
		if (strcmp(s->text, autogroups[i].name) == 0)
			s->ag = autogroups[i].ag;
	s->kind = SEL_AUTO;
	if (s->ag == AG_NONE)
		return SEL_NO_AUTOGROUP;
	if (s->ag == AG_MEMBER)
		s->text = "autogroup:member";
	if (s->ag == AG_INTERNET) {
		s->internet = true;
		internet_ranges(c->a, s);
	}
	return SEL_OK;
}

static enum sel_fault classify_prefixed(struct parse *c, struct sel *s)
{
	s->arg = s->text;
	if (starts(s->text, "group:")) {
		s->kind = SEL_GROUP;
		/* A synced group ("group:x@domain") is not written in the file. */
		if (strchr(s->text, '@') || strmap_get_str(&c->p->group_by_name, s->text) != STRMAP_NONE)
			return SEL_OK;
		return SEL_NO_GROUP;
	}
	if (starts(s->text, "tag:")) {
		s->kind = SEL_TAG;
		return strmap_get_str(&c->p->tag_by_name, s->text) == STRMAP_NONE ? SEL_NO_TAG : SEL_OK;
	}
	if (starts(s->text, "ipset:")) {
		uint32_t i = strmap_get_str(&c->p->ipset_by_name, s->text);
		if (i == STRMAP_NONE)
			return SEL_NO_IPSET;
		*s = c->p->ipsets.v[i];
		return SEL_OK;
	}
	if (starts(s->text, "svc:")) {
		s->kind = SEL_SVC;
		return SEL_OK;
	}
	return SEL_BAD_PREFIX;
}

static enum sel_fault classify_host(struct parse *c, struct sel *s, const char *name)
{
	uint32_t i = strmap_get_str(&c->p->host_by_name, name);
	struct ip_range r;

	if (i == STRMAP_NONE)
		return SEL_BAD_NAME;
	s->kind = SEL_LITERAL;
	s->host = true;
	r = ip_range_of_prefix(c->p->hosts.v[i]);
	sel_set_range(c->a, s, &r, 1, true);
	return SEL_OK;
}

enum sel_fault sel_classify(struct parse *c, struct sel *s)
{
	struct ip_prefix p;
	struct ip_range r;

	if (parse_literal(s->text, &p, &s->wide)) {
		s->kind = SEL_LITERAL;
		r = ip_range_of_prefix(p);
		sel_set_range(c->a, s, &r, 1, true);
		return SEL_OK;
	}
	if (strcmp(s->text, "*") == 0) {
		s->kind = SEL_ANY;
		return SEL_OK;
	}
	if (starts(s->text, "autogroup:"))
		return classify_auto(c, s);
	if (starts(s->text, "host:"))
		return classify_host(c, s, s->text + 5);
	if (starts(s->text, "user:*@")) {
		s->kind = SEL_DOMAIN;
		s->arg = s->text + 7;
		return domain_is_ours(c, s->arg) ? SEL_OK : SEL_BAD_DOMAIN;
	}
	if (starts(s->text, "group:") || starts(s->text, "tag:") || starts(s->text, "ipset:") ||
	    starts(s->text, "svc:") || starts(s->text, "posture:") || starts(s->text, "localpart:"))
		return classify_prefixed(c, s);
	if (strchr(s->text, '@')) {
		s->kind = SEL_USER;
		s->arg = s->text;
		return SEL_OK;
	}
	return classify_host(c, s, s->text);
}

uint32_t sel_add(struct policy *p, struct sel s)
{
	uint32_t id = strmap_add(&p->sel_by_text, bytes_of_str(s.text), (uint32_t)p->sels.n);

	if (id == p->sels.n)
		vec_push(&p->sels, s);
	return id;
}

enum sel_fault sel_intern(struct parse *c, const char *text, uint32_t *out, const char **arg_out)
{
	uint32_t id = strmap_get_str(&c->p->sel_by_text, text);
	struct sel s = { .text = text };
	enum sel_fault f;

	*arg_out = text;
	c->member_old |= strcmp(text, "autogroup:members") == 0;
	c->member_new |= strcmp(text, "autogroup:member") == 0;
	if (id != STRMAP_NONE) {
		*out = id;
		return SEL_OK;
	}
	f = sel_classify(c, &s);
	if (f != SEL_OK) {
		if (f == SEL_BAD_DOMAIN)
			*arg_out = s.arg;
		return f;
	}
	*out = sel_add(c->p, s);
	return SEL_OK;
}

const char *sel_fault_text(struct parse *c, enum sel_fault f, const char *arg)
{
	switch (f) {
	case SEL_NO_TAG:
		return arena_printf(c->a, "tag not found: %s", quoted_str(c->a, arg));
	case SEL_NO_GROUP:
		return arena_printf(c->a, "group not defined in policy: %s", quoted_str(c->a, arg));
	case SEL_NO_IPSET:
		return arena_printf(c->a, "ipset not found: %s", quoted_str(c->a, arg));
	case SEL_NO_AUTOGROUP:
		return arena_printf(c->a, "invalid autogroup: %s", quoted_str(c->a, arg));
	case SEL_BAD_DOMAIN:
		return arena_printf(c->a,
				    "%s is not associated with this Tailnet and cannot be used in user:*@<domain> "
				    "expressions",
				    arg);
	case SEL_OK:
	case SEL_BAD_NAME:
	case SEL_BAD_PREFIX:
		break;
	}
	return arena_printf(c->a, "%s: invalid address", quoted_str(c->a, arg));
}

bool sel_list(struct parse *c, const struct hujson_value **v, uint32_t n, const char *prefix, uint32_t **out)
{
	*out = ARENA_ARRAY(c->a, uint32_t, n);
	for (uint32_t i = 0; i < n; i++) {
		const char *arg;
		enum sel_fault f = sel_intern(c, trimmed(c->a, v[i]->text), &(*out)[i], &arg);
		if (f != SEL_OK)
			return refuse(c, v[i]->pos, "%s%s", prefix, sel_fault_text(c, f, arg));
	}
	return true;
}

bool sel_is_literal(const struct sel *s)
{
	return s->kind == SEL_LITERAL || s->kind == SEL_IPSET;
}

bool sel_is_device(const struct sel *s)
{
	switch (s->kind) {
	case SEL_USER:
	case SEL_DOMAIN:
	case SEL_GROUP:
	case SEL_TAG:
		return true;
	case SEL_AUTO:
		return s->ag <= AG_SHARED;
	case SEL_ANY:
	case SEL_LITERAL:
	case SEL_IPSET:
	case SEL_SVC:
		break;
	}
	return false;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Texts of the selectors, sorted: the same set has the same text whatever the order. */
static const char *srcset_text(struct parse *c, const uint32_t *sel, uint32_t n, int32_t cond)
{
	const char **t = ARENA_ARRAY(c->a, const char *, n);
	struct buf b;
	const char *out;

	for (uint32_t i = 0; i < n; i++)
		t[i] = c->p->sels.v[sel[i]].text;
	qsort(t, n, sizeof *t, by_text);
	buf_init(&b, POLICY_TEXT_MAX * 2);
	for (uint32_t i = 0; i < n; i++) {
		if (i && strcmp(t[i], t[i - 1]) == 0)
			continue;
		buf_put_str(&b, t[i]);
		buf_put_char(&b, '\n');
	}
	if (cond >= 0)
		buf_printf(&b, "if %s", c->p->conds.v[cond].text);
	out = arena_strndup(c->a, b.p ? (const void *)b.p : "", b.n);
	buf_release(&b);
	return out;
}

static uint32_t *unique(struct arena *a, const uint32_t *v, uint32_t *n)
{
	uint32_t *out = ARENA_ARRAY(a, uint32_t, *n), k = 0;

	mem_copy(out, v, *n * sizeof *v);
	qsort(out, *n, sizeof *out, by_number);
	for (uint32_t i = 0; i < *n; i++)
		if (i == 0 || out[i] != out[k - 1])
			out[k++] = out[i];
	*n = k;
	return out;
}

uint32_t srcset_intern(struct parse *c, const uint32_t *sel, uint32_t n, int32_t cond)
{
	struct srcset s = { .cond = cond, .text = srcset_text(c, sel, n, cond) };
	uint32_t id = strmap_add(&c->p->srcset_by_text, bytes_of_str(s.text), (uint32_t)c->p->srcsets.n);

	if (id != c->p->srcsets.n)
		return id;
	s.dev = ARENA_ARRAY(c->a, uint32_t, n);
	s.lit = ARENA_ARRAY(c->a, uint32_t, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct sel *x = &c->p->sels.v[sel[i]];
		if (x->kind == SEL_ANY)
			s.any = true;
		else if (x->ag == AG_DANGER_ALL)
			s.danger = true;
		else if (sel_is_device(x))
			s.dev[s.n_dev++] = sel[i];
		else if (sel_is_literal(x))
			s.lit[s.n_lit++] = sel[i];
	}
	s.dev = unique(c->a, s.dev, &s.n_dev);
	s.lit = unique(c->a, s.lit, &s.n_lit);
	vec_push(&c->p->srcsets, s);
	return id;
}
