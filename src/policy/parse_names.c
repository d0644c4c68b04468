/*
 * policy/parse_names.c -- the sections that give names: groups, hosts, ipsets, tagOwners, and the
 * auto approvers, which use them.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/policy_priv.h"

static const char *key_text(struct parse *c, const struct hujson_value *v)
{
	return arena_strndup(c->a, v->key.p, v->key.n);
}

static const struct hujson_value *section(struct parse *c, const struct hujson_value *root, const char *name, bool *ok)
{
	const struct hujson_value *v = field(root, name);

	*ok = !v || must_be(c, v, HUJSON_OBJECT, name);
	return *ok && v ? v->child : NULL;
}

/* ---- groups ---- */

/* Of several groups with a group inside, the last in alphabetical order is named. */
static bool check_recursive(struct parse *c, const struct hujson_value *first)
{
	const struct hujson_value *worst = NULL, *inner = NULL;

	for (const struct hujson_value *g = first; g; g = g->next) {
		if (g->type != HUJSON_ARRAY || (worst && bytes_cmp(g->key, worst->key) < 0))
			continue;
		for (const struct hujson_value *m = g->child; m; m = m->next) {
			const char *t = m->type == HUJSON_STRING ? trimmed(c->a, m->text) : "";
			if (strncmp(t, "group:", 6) == 0) {
				worst = g;
				inner = m;
				break;
			}
		}
	}
	if (!worst)
		return true;
	return refuse(c, inner->pos, "groups[%s]: %s: group members cannot be recursive", quoted(c->a, worst->key),
		      quoted_str(c->a, trimmed(c->a, inner->text)));
}

static bool parse_group(struct parse *c, const struct hujson_value *v)
{
	struct group g = { .name = key_text(c, v) };

	if (strncmp(g.name, "group:", 6) != 0 || !g.name[6])
		return refuse(c, v->key_pos, "group must start with 'group:', got: %s", quoted_str(c->a, g.name));
	if (v->type == HUJSON_NULL)
		goto add;
	if (!must_be(c, v, HUJSON_ARRAY, g.name))
		return false;
	g.member = ARENA_ARRAY(c->a, const char *, v->n);
	for (const struct hujson_value *m = v->child; m; m = m->next) {
		if (!must_be(c, m, HUJSON_STRING, g.name))
			return false;
		g.member[g.n] = trimmed(c->a, m->text);
		if (!strchr(g.member[g.n], '@'))
			return refuse(c, m->pos, "groups[%s]: username must contain @, got: %s",
				      quoted_str(c->a, g.name), quoted_str(c->a, g.member[g.n]));
		g.n++;
	}
add:
	strmap_add(&c->p->group_by_name, bytes_of_str(g.name), (uint32_t)c->p->groups.n);
	vec_push(&c->p->groups, g);
	return true;
}

bool parse_groups(struct parse *c, const struct hujson_value *root)
{
	bool ok;
	const struct hujson_value *first = section(c, root, "groups", &ok);

	if (!ok || !check_recursive(c, first))
		return false;
	for (const struct hujson_value *v = first; v; v = v->next)
		if (!parse_group(c, v))
			return false;
	return true;
}

/* ---- hosts ---- */

static bool host_value(const char *text, struct ip_prefix *out)
{
	struct ip_addr a;

	if (ip_parse(bytes_of_str(text), &a) == ST_OK) {
		*out = ip_prefix_of(a);
		return true;
	}
	if (ip_prefix_parse(bytes_of_str(text), out) != ST_OK)
		return false;
	*out = ip_prefix_masked(*out);
	return true;
}

static bool parse_host(struct parse *c, const struct hujson_value *v)
{
	const char *name = key_text(c, v);
	struct ip_prefix p;

	if (!*name || strpbrk(name, "@:"))
		return refuse(c, v->key_pos, "hosts[%s]: a host's name must not be empty nor contain \"@\" or \":\"",
			      quoted_str(c->a, name));
	if (!must_be(c, v, HUJSON_STRING, name))
		return false;
	if (!host_value(trimmed(c->a, v->text), &p))
		return refuse(c, v->pos, "hosts[%s]: %s: invalid address", quoted_str(c->a, name),
			      quoted(c->a, v->text));
	strmap_add(&c->p->host_by_name, bytes_of_str(name), (uint32_t)c->p->hosts.n);
	vec_push(&c->p->hosts, p);
	return true;
}

bool parse_hosts(struct parse *c, const struct hujson_value *root)
{
	bool ok;

	for (const struct hujson_value *v = section(c, root, "hosts", &ok); v; v = v->next)
		if (!parse_host(c, v))
			return false;
	return ok;
}

/* ---- ipsets ---- */

#define IPSET_NESTING_MAX 16

struct ipset_work {
	struct parse *c;
	const struct hujson_value *all; /* the section */
	unsigned depth;
	unsigned steps; /* work done, bounded: sets in sets could multiply */
};

static bool ipset_eval(struct ipset_work *w, const struct hujson_value *v, struct ip_set *out, bool *internet);

static bool ipset_range(const char *text, struct ip_range *out)
{
	const char *dash = strchr(text, '-');

	return dash && ip_parse(bytes_of(text, (size_t)(dash - text)), &out->from) == ST_OK &&
	       ip_parse(bytes_of_str(dash + 1), &out->to) == ST_OK && out->from.family == out->to.family &&
	       ip_cmp(&out->from, &out->to) <= 0;
}

/* What a target stands for, added to `out`. */
static bool ipset_target(struct ipset_work *w, const struct hujson_value *at, const char *text, struct ip_set *out,
			 bool *internet)
{
	struct parse *c = w->c;
	struct ip_prefix p;
	struct ip_range r;
	uint32_t host;

	if (host_value(text, &p)) {
		ip_set_add_prefix(out, p);
	} else if (ipset_range(text, &r)) {
		ip_set_add_range(out, r);
	} else if (strncmp(text, "host:", 5) == 0) {
		host = strmap_get_str(&c->p->host_by_name, text + 5);
		if (host == STRMAP_NONE)
			return refuse(c, at->pos, "host not defined in policy: %s", quoted_str(c->a, text + 5));
		ip_set_add_prefix(out, c->p->hosts.v[host]);
	} else if (strcmp(text, "autogroup:internet") == 0) {
		struct sel s = { 0 };
		internet_ranges(c->a, &s);
		for (uint32_t i = 0; i < s.n_range; i++)
			ip_set_add_range(out, s.range[i]);
		*internet = true;
	} else if (strncmp(text, "ipset:", 6) == 0) {
		const struct hujson_value *other = hujson_member(w->all, text);
		if (!other)
			return refuse(c, at->pos, "ipset not found: %s", quoted_str(c->a, text));
		return ipset_eval(w, other, out, internet);
	} else {
		return refuse(c, at->pos,
			      "%s: an ipset holds addresses, prefixes, ranges, host:x, ipset:x and "
			      "autogroup:internet",
			      quoted_str(c->a, text));
	}
	return true;
}

static bool ipset_entry(struct ipset_work *w, const struct hujson_value *e, bool bare, struct ip_set *out,
			bool *internet)
{
	const char *text;
	struct ip_set one = { 0 };
	bool ok, add = true, net = false;

	if (!must_be(w->c, e, HUJSON_STRING, "ipsets"))
		return false;
	text = trimmed(w->c->a, e->text);
	if (strncmp(text, "add ", 4) == 0)
		text = trimmed(w->c->a, bytes_of_str(text + 4));
	else if (strncmp(text, "remove ", 7) == 0)
		text = trimmed(w->c->a, bytes_of_str(text + 7)), add = false;
	else if (!bare)
		return refuse(w->c, e->pos, "%s: must start with add or remove", quoted_str(w->c->a, text));
	ok = ipset_target(w, e, text, &one, &net);
	if (ok && add) {
		ip_set_add_set(out, &one);
		*internet |= net;
	}
	for (size_t i = 0; ok && !add && i < one.n; i++)
		ip_set_remove_range(out, one.r[i]);
	ip_set_release(&one);
	return ok;
}

static bool has_remove(struct parse *c, const struct hujson_value *v)
{
	for (const struct hujson_value *e = v->child; e; e = e->next)
		if (e->type == HUJSON_STRING && strncmp(trimmed(c->a, e->text), "remove ", 7) == 0)
			return true;
	return false;
}

static bool ipset_eval(struct ipset_work *w, const struct hujson_value *v, struct ip_set *out, bool *internet)
{
	struct ip_set mine = { 0 };
	bool ok, bare;

	if (!must_be(w->c, v, HUJSON_ARRAY, "ipsets"))
		return false;
	if (w->depth == IPSET_NESTING_MAX)
		return refuse(w->c, v->key_pos, "ipsets[%s]: sets contain each other, or are nested too deeply",
			      quoted(w->c->a, v->key));
	w->steps += v->n + 1;
	if (w->steps > 10000)
		return refuse(w->c, v->key_pos, "ipsets: too many entries");
	w->depth++;
	ok = true;
	bare = !has_remove(w->c, v);
	for (const struct hujson_value *e = v->child; e && ok; e = e->next)
		ok = ipset_entry(w, e, bare, &mine, internet);
	w->depth--;
	if (ok)
		ip_set_add_set(out, &mine);
	ip_set_release(&mine);
	return ok;
}

static bool parse_ipset(struct ipset_work *w, const struct hujson_value *v)
{
	struct parse *c = w->c;
	struct sel s = { .kind = SEL_IPSET, .text = key_text(c, v) };
	struct ip_set set = { 0 };
	bool ok;

	if (strncmp(s.text, "ipset:", 6) != 0 || !s.text[6])
		return refuse(c, v->key_pos, "ipsets[%s]: names must start with 'ipset:'", quoted_str(c->a, s.text));
	s.arg = s.text;
	ok = ipset_eval(w, v, &set, &s.internet);
	if (ok) {
		sel_set_range(c->a, &s, set.r, set.n, true);
		strmap_add(&c->p->ipset_by_name, bytes_of_str(s.text), (uint32_t)c->p->ipsets.n);
		vec_push(&c->p->ipsets, s);
	}
	ip_set_release(&set);
	return ok;
}

bool parse_ipsets(struct parse *c, const struct hujson_value *root)
{
	struct ipset_work w = { .c = c, .all = field(root, "ipsets") };
	bool ok;

	for (const struct hujson_value *v = section(c, root, "ipsets", &ok); v; v = v->next)
		if (!parse_ipset(&w, v))
			return false;
	return ok;
}

/* ---- tagOwners ---- */

static bool is_alpha(char ch)
{
	return (ch | 32) >= 'a' && (ch | 32) <= 'z';
}

/* What is wrong with a tag's name; NULL: nothing. */
static const char *tag_fault(const char *tag)
{
	if (strncmp(tag, "tag:", 4) != 0)
		return "tags must start with 'tag:'";
	tag += 4;
	if (!*tag)
		return "tag names must not be empty";
	if (!is_alpha(*tag))
		return "tag names must start with a letter, after 'tag:'";
	for (; *tag; tag++)
		if (!is_alpha(*tag) && !(*tag >= '0' && *tag <= '9') && *tag != '-')
			return "tag names can only contain numbers, letters, or dashes";
	return NULL;
}

static bool add_tag(struct parse *c, const struct hujson_value *v)
{
	const char *name = key_text(c, v), *fault = tag_fault(name);

	if (fault)
		return refuse(c, v->key_pos, "tagOwners[%s]: %s", quoted_str(c->a, name), fault);
	strmap_add(&c->p->tag_by_name, bytes_of_str(name), (uint32_t)c->p->tags.n);
	vec_push(&c->p->tags, ((struct tag){ .name = name }));
	return true;
}

static bool may_own(const struct sel *s)
{
	return s->kind == SEL_USER || s->kind == SEL_GROUP || s->kind == SEL_TAG || s->kind == SEL_DOMAIN ||
	       (s->kind == SEL_AUTO && s->ag <= AG_AUDITOR);
}

static bool owner_list(struct parse *c, const struct hujson_value *v, const char *where, uint32_t **out, uint32_t *n)
{
	const char *arg;

	*n = 0;
	*out = NULL;
	if (v->type == HUJSON_NULL)
		return true;
	if (!must_be(c, v, HUJSON_ARRAY, where))
		return false;
	*out = ARENA_ARRAY(c->a, uint32_t, v->n);
	for (const struct hujson_value *e = v->child; e; e = e->next) {
		enum sel_fault f;
		if (!must_be(c, e, HUJSON_STRING, where))
			return false;
		f = sel_intern(c, trimmed(c->a, e->text), &(*out)[*n], &arg);
		if (f == SEL_NO_TAG && strncmp(where, "tagOwners[", 10) == 0)
			return refuse(c, e->pos, "tag %s references undefined tag %s", quoted(c->a, v->key),
				      quoted_str(c->a, arg));
		if (f != SEL_OK)
			return refuse(c, e->pos, "%s: %s", where, sel_fault_text(c, f, arg));
		if (!may_own(&c->p->sels.v[(*out)[*n]]))
			return refuse(c, e->pos, "%s: %s is neither a user, a group, a tag nor an autogroup of devices",
				      where, quoted_str(c->a, arg));
		++*n;
	}
	return true;
}

bool parse_tag_owners(struct parse *c, const struct hujson_value *root)
{
	bool ok;
	const struct hujson_value *first = section(c, root, "tagOwners", &ok);
	uint32_t i = 0;

	for (const struct hujson_value *v = first; v; v = v->next)
		if (!add_tag(c, v))
			return false;
	for (const struct hujson_value *v = first; v; v = v->next, i++) {
		const char *where = arena_printf(c->a, "tagOwners[%s]", quoted(c->a, v->key));
		if (!owner_list(c, v, where, &c->p->tags.v[i].owner, &c->p->tags.v[i].n))
			return false;
	}
	return ok;
}

/* ---- autoApprovers ---- */

static bool parse_route_approvers(struct parse *c, const struct hujson_value *o)
{
	for (const struct hujson_value *v = o->child; v; v = v->next) {
		const char *key = key_text(c, v), *where;
		struct approver ap = { 0 };
		where = arena_printf(c->a, "autoApprovers.routes[%s]", quoted_str(c->a, key));
		if (!host_value(trimmed(c->a, v->key), &ap.prefix))
			return refuse(c, v->key_pos, "%s: invalid prefix", where);
		if (!owner_list(c, v, where, &ap.sel, &ap.n))
			return false;
		vec_push(&c->p->approvers, ap);
	}
	return true;
}

static bool parse_service_approvers(struct parse *c, const struct hujson_value *o)
{
	uint32_t *sel, n;

	for (const struct hujson_value *v = o->child; v; v = v->next) {
		const char *where = arena_printf(c->a, "autoApprovers.services[%s]", quoted(c->a, v->key));
		if (!owner_list(c, v, where, &sel, &n))
			return false;
		warn(c, v->key_pos, "%s: this server offers no services, it approves nothing", where);
	}
	return true;
}

bool parse_approvers(struct parse *c, const struct hujson_value *root)
{
	static const char *const names[] = { "routes", "exitNode", "services", NULL };
	const struct hujson_value *o = field(root, "autoApprovers"), *v;

	if (!o)
		return true;
	if (!must_be(c, o, HUJSON_OBJECT, "autoApprovers") || !only_fields(c, o, names))
		return false;
	v = field(o, "routes");
	if (v && (!must_be(c, v, HUJSON_OBJECT, "autoApprovers.routes") || !parse_route_approvers(c, v)))
		return false;
	v = field(o, "exitNode");
	if (v && !owner_list(c, v, "autoApprovers.exitNode", &c->p->exit_approver, &c->p->n_exit_approver))
		return false;
	v = field(o, "services");
	return !v || (must_be(c, v, HUJSON_OBJECT, "autoApprovers.services") && parse_service_approvers(c, v));
}
