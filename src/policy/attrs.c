/*
 * policy/attrs.c -- what a node is told of itself: its CapMap; and what else nodeAttrs gives.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/engine_priv.h"

/* name -> JSON value, sorted by name before it is written */
struct cap {
	const char *name, *value;
};
struct caps {
	VEC(struct cap) v;
};

static void put(struct caps *c, const char *name, const char *value)
{
	vec_push(&c->v, ((struct cap){ name, value }));
}

static bool targets(const struct policy_engine *e, size_t rule, const struct kind *k)
{
	return e->l->attr_all[rule] || bits_meet(e->l->attr_target[rule], k->addr, e->l->words);
}

static void put_attr(const struct policy_engine *e, struct caps *c, const char *name)
{
	put(c, name, "null");
	if (strcmp(name, "funnel") != 0)
		return;
	put(c, "https://tailscale.com/cap/funnel-ports?ports=443,8443,10000", "null");
	if (!e->l->https)
		put(c, "https://tailscale.com/cap/warn-funnel-no-https", "null");
}

/* Several entries may give objects for one name: their lists are joined. */
static const char *app_value(const struct policy_engine *e, const struct kind *k, struct bytes name, struct arena *a)
{
	struct buf b;
	const char *out;
	bool comma = false;

	buf_init(&b, POLICY_TEXT_MAX * 8);
	buf_put_char(&b, '[');
	for (size_t i = 0; i < e->l->policy->attrs.n; i++) {
		const struct hujson_value *app = e->l->policy->attrs.v[i].app;
		if (!app || !targets(e, i, k))
			continue;
		for (const struct hujson_value *v = app->child; v; v = v->next)
			for (const struct hujson_value *o = bytes_eq(v->key, name) ? v->child : NULL; o; o = o->next) {
				if (comma)
					buf_put_char(&b, ',');
				comma = true;
				hujson_compact(o, &b);
			}
	}
	buf_put_char(&b, ']');
	out = arena_strndup(a, b.p, b.n);
	buf_release(&b);
	return out;
}

static void put_policy_attrs(const struct policy_engine *e, const struct kind *k, struct arena *a, struct caps *c)
{
	const struct policy *p = e->l->policy;

	for (size_t i = 0; i < p->attrs.n; i++) {
		const struct attr_rule *r = &p->attrs.v[i];
		if (!targets(e, i, k))
			continue;
		for (uint32_t n = 0; n < r->n_attr; n++)
			put_attr(e, c, r->attr[n]);
		for (const struct hujson_value *v = r->app ? r->app->child : NULL; v; v = v->next)
			put(c, arena_strndup(a, v->key.p, v->key.n), app_value(e, k, v->key, a));
	}
	if (p->randomize_client_port)
		put(c, "randomize-client-port", "null");
	if (strcmp(p->one_cgnat, "mac-always") == 0)
		put(c, "one-cgnat?v=true", "null");
	else if (strcmp(p->one_cgnat, "mac-never") == 0)
		put(c, "one-cgnat?v=false", "null");
}

static const char *json_list_of(const char *text, struct arena *a)
{
	struct buf b;
	struct jw w;
	const char *out;

	buf_init(&b, 1 << 16);
	jw_init(&w, &b);
	jw_arr_begin(&w);
	jw_str(&w, text);
	jw_arr_end(&w);
	out = arena_strndup(a, b.p, b.n);
	buf_release(&b);
	return out;
}

static void put_standard(const struct policy_engine *e, const struct kind *k, struct arena *a, struct caps *c)
{
	static const char *const all[] = { "https://tailscale.com/cap/ssh",
					   "https://tailscale.com/cap/tailnet-lock",
					   "probe-udp-lifetime",
					   "ssh-behavior-v1",
					   "ssh-env-vars",
					   "store-appc-routes" };
	const struct lineage *l = e->l;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		put(c, all[i], "null");
	if (!l->no_file_sharing)
		put(c, "https://tailscale.com/cap/file-sharing", "null");
	if (l->display_name)
		put(c, "tailnet-display-name", json_list_of(l->display_name, a));
	if (l->auto_update != POLICY_AUTO_UPDATE_UNSET)
		put(c, "default-auto-update", l->auto_update == POLICY_AUTO_UPDATE_ON ? "[true]" : "[false]");
	if (k->flags & KIND_ADMIN)
		put(c, "https://tailscale.com/cap/is-admin", "null");
	if (k->flags & KIND_OWNER)
		put(c, "https://tailscale.com/cap/is-owner", "null");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct cap *)a)->name, ((const struct cap *)b)->name);
}

/* A name that has a value keeps it when nodeAttrs names it too. */
static const char *value_of(const struct cap *from, const struct cap *to)
{
	for (; from < to; from++)
		if (strcmp(from->value, "null") != 0)
			return from->value;
	return "null";
}

void policy_self_cap_map(const struct policy_engine *e, node_id id, struct jw *w)
{
	const struct rec *n = engine_rec(e, id);
	struct caps c = { 0 };
	struct arena *a = arena_new();

	if (n) {
		put_standard(e, rec_kind(e, n), a, &c);
		put_policy_attrs(e, rec_kind(e, n), a, &c);
		qsort(c.v.v, c.v.n, sizeof *c.v.v, by_name);
	}
	jw_obj_begin(w);
	for (size_t i = 0, k; i < c.v.n; i = k) {
		for (k = i + 1; k < c.v.n && strcmp(c.v.v[k].name, c.v.v[i].name) == 0; k++)
			;
		jw_key_bytes(w, bytes_of_str(c.v.v[i].name));
		jw_raw(w, bytes_of_str(value_of(&c.v.v[i], &c.v.v[k])));
	}
	jw_obj_end(w);
	vec_release(&c.v);
	arena_free(&a);
}

bool policy_node_has_attr(const struct policy_engine *e, node_id id, const char *attr)
{
	const struct rec *n = engine_rec(e, id);

	for (size_t i = 0; n && i < e->l->policy->attrs.n; i++) {
		const struct attr_rule *r = &e->l->policy->attrs.v[i];
		for (uint32_t k = 0; k < r->n_attr && targets(e, i, rec_kind(e, n)); k++)
			if (strcmp(r->attr[k], attr) == 0)
				return true;
	}
	return false;
}

size_t policy_ip_pools(const struct policy_engine *e, const struct policy_node *n, struct arena *a,
		       const struct ip_prefix **out)
{
	const struct policy *p = e->l->policy;
	VEC(struct ip_prefix) v = { 0 };
	struct ip_prefix *copy;
	size_t count;

	for (size_t i = 0; i < p->attrs.n; i++) {
		bool hit = false;
		for (uint32_t k = 0; p->attrs.v[i].n_pool && k < p->attrs.v[i].n_target && !hit; k++)
			hit = sel_matches(e, p->attrs.v[i].target[k], n);
		for (uint32_t k = 0; hit && k < p->attrs.v[i].n_pool; k++)
			vec_push(&v, p->attrs.v[i].pool[k]);
	}
	count = v.n;
	copy = ARENA_ARRAY(a, struct ip_prefix, v.n);
	if (v.n)
		mem_copy(copy, v.v, v.n * sizeof *copy);
	vec_release(&v);
	*out = copy;
	return count;
}

struct bytes policy_derp_map(const struct policy_engine *e)
{
	return bytes_of_str(e->l->policy->derp_map);
}

/* ---- app connectors: names that go to their DNS ---- */

struct connectors {
	const struct policy_engine *e;
	const struct hujson_value *list; /* of selectors: "*" or tags */
	node_id *id;
	size_t n;
};

static void add_connector(void *arg, const struct rec *r)
{
	struct connectors *c = arg;
	const struct kind *k = rec_kind(c->e, r);

	for (const struct hujson_value *v = c->list->child; v; v = v->next) {
		uint32_t sel =
		    v->type == HUJSON_STRING ? strmap_get(&c->e->l->policy->sel_by_text, v->text) : STRMAP_NONE;
		if (sel != STRMAP_NONE && c->e->l->policy->sels.v[sel].kind == SEL_TAG && bit_get(k->addr, sel)) {
			c->id[c->n++] = r->id;
			return;
		}
	}
}

static void add_domains(const struct policy_engine *e, const struct hujson_value *o, struct arena *a,
			struct policy_app_domain *out, size_t *n, size_t max)
{
	const struct hujson_value *domains = hujson_member(o, "domains");
	struct connectors c = { .e = e, .list = hujson_member(o, "connectors") };

	if (!domains || domains->type != HUJSON_ARRAY || !c.list || c.list->type != HUJSON_ARRAY)
		return;
	c.id = ARENA_ARRAY(a, node_id, e->n_nodes);
	engine_each(e, add_connector, &c);
	for (const struct hujson_value *d = domains->child; d && *n < max; d = d->next) {
		struct bytes t = d->text;
		if (d->type != HUJSON_STRING)
			continue;
		if (t.n > 2 && t.p[0] == '*' && t.p[1] == '.')
			t = bytes_skip(t, 2);
		out[(*n)++] = (struct policy_app_domain){ arena_strndup(a, t.p, t.n), c.id, c.n };
	}
}

size_t policy_app_domains(const struct policy_engine *e, node_id id, struct arena *a,
			  const struct policy_app_domain **out)
{
	const struct rec *n = engine_rec(e, id);
	const struct policy *p = e->l->policy;
	struct policy_app_domain *v;
	size_t count = 0, max = 0;

	for (int pass = 0; pass < 2; pass++) {
		v = ARENA_ARRAY(a, struct policy_app_domain, max);
		for (size_t i = 0; n && i < p->attrs.n; i++) {
			const struct hujson_value *app = p->attrs.v[i].app, *list;
			list = app && targets(e, i, rec_kind(e, n)) ? hujson_member(app, "tailscale.com/app-connectors")
								    : NULL;
			for (const struct hujson_value *o = list ? list->child : NULL; o; o = o->next) {
				const struct hujson_value *d = hujson_member(o, "domains");
				if (pass == 0)
					max += d ? d->n : 0;
				else
					add_domains(e, o, a, v, &count, max);
			}
		}
	}
	*out = v;
	return count;
}
