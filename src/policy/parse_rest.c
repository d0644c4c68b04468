/*
 * policy/parse_rest.c -- `nodeAttrs`, `tests`, `sshTests` and the tailnet-wide settings.
 *
 * Most that is wrong with a test makes it fail when it is run, not the policy invalid: texts are kept
 * as they are and judged in tests.c.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/policy_priv.h"

/* ---- nodeAttrs ---- */

static bool attr_target(struct parse *c, const struct hujson_value *v, uint32_t *out)
{
	const char *text = trimmed(c->a, v->text), *arg;
	enum sel_fault f;
	const struct sel *s;

	if (strcmp(text, "autogroup:self") == 0) {
		refuse(c, v->pos, "internal server error");
		if (c->error)
			c->error->http_status = 500;
		return false;
	}
	f = sel_intern(c, text, out, &arg);
	if (f != SEL_OK)
		return refuse(c, v->pos, "%s", sel_fault_text(c, f, arg));
	s = &c->p->sels.v[*out];
	if (s->kind != SEL_ANY && s->kind != SEL_LITERAL && !(sel_is_device(s) && s->ag <= AG_AUDITOR))
		return refuse(c, v->pos, "%s: invalid address", quoted_str(c->a, text));
	return true;
}

static bool pool_prefix(struct parse *c, const struct hujson_value *v, struct ip_prefix *out)
{
	static const char *const reserved[] = { "100.100.0.0/24", "100.100.100.0/24", "100.115.92.0/23" };
	struct ip_prefix r;

	if (ip_prefix_parse(bytes_of_str(trimmed(c->a, v->text)), out) != ST_OK)
		return refuse(c, v->pos, "IPPool(%.*s): invalid network", (int)v->text.n, (const char *)v->text.p);
	*out = ip_prefix_masked(*out);
	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
		if (ip_prefix_parse(bytes_of_str(reserved[i]), &r) == ST_OK && ip_prefix_covers(&r, out))
			return refuse(c, v->pos, "IPPool(%.*s): network within reserved range", (int)v->text.n,
				      (const char *)v->text.p);
	if (ip_prefix_parse(bytes_of_str("100.64.0.0/10"), &r) == ST_OK && !ip_prefix_covers(&r, out))
		return refuse(c, v->pos, "IPPool(%.*s): network not within 100.64.0.0/10", (int)v->text.n,
			      (const char *)v->text.p);
	return true;
}

static bool parse_attr_rule(struct parse *c, const struct hujson_value *o)
{
	static const char *const names[] = { "target", "attr", "app", "ipPool", NULL };
	const struct hujson_value **target, **attr, **pool;
	struct attr_rule r = { 0 };

	if (!must_be(c, o, HUJSON_OBJECT, "nodeAttrs") || !only_fields(c, o, names) ||
	    !field_strings(c, o, "target", &target, &r.n_target) || !field_strings(c, o, "attr", &attr, &r.n_attr) ||
	    !field_strings(c, o, "ipPool", &pool, &r.n_pool))
		return false;
	r.target = ARENA_ARRAY(c->a, uint32_t, r.n_target);
	for (uint32_t i = 0; i < r.n_target; i++)
		if (!attr_target(c, target[i], &r.target[i]))
			return false;
	r.attr = ARENA_ARRAY(c->a, const char *, r.n_attr);
	for (uint32_t i = 0; i < r.n_attr; i++)
		r.attr[i] = arena_strndup(c->a, attr[i]->text.p, attr[i]->text.n);
	r.pool = ARENA_ARRAY(c->a, struct ip_prefix, r.n_pool);
	for (uint32_t i = 0; i < r.n_pool; i++)
		if (!pool_prefix(c, pool[i], &r.pool[i]))
			return false;
	r.app = field(o, "app");
	if (r.app && !must_be(c, r.app, HUJSON_OBJECT, "app"))
		return false;
	for (const struct hujson_value *v = r.app ? r.app->child : NULL; v; v = v->next)
		if (!must_be(c, v, HUJSON_ARRAY, "app"))
			return false;
	vec_push(&c->p->attrs, r);
	return true;
}

bool parse_node_attrs(struct parse *c, const struct hujson_value *root)
{
	const struct hujson_value *list = field(root, "nodeAttrs");

	if (!list)
		return true;
	if (!must_be(c, list, HUJSON_ARRAY, "nodeAttrs"))
		return false;
	for (const struct hujson_value *v = list->child; v; v = v->next)
		if (!parse_attr_rule(c, v))
			return false;
	return true;
}

/* ---- tests ---- */

static bool texts(struct parse *c, const struct hujson_value *o, const char *name, const char ***out, uint32_t *n)
{
	const struct hujson_value **v;

	if (!field_strings(c, o, name, &v, n))
		return false;
	*out = ARENA_ARRAY(c->a, const char *, *n);
	for (uint32_t i = 0; i < *n; i++)
		(*out)[i] = trimmed(c->a, v[i]->text);
	return true;
}

static bool text(struct parse *c, const struct hujson_value *o, const char *name, const char **out)
{
	const struct hujson_value *v;

	if (!field_string(c, o, name, &v))
		return false;
	*out = v ? trimmed(c->a, v->text) : "";
	return true;
}

/* Selectors of devices are kept, so that the engine knows whom they select; others are judged by their text. */
static uint32_t test_sel(struct parse *c, const char *t)
{
	struct sel s = { .text = t };
	const char *arg;
	uint32_t id = STRMAP_NONE;
	bool old = c->member_old, new = c->member_new;

	if (sel_classify(c, &s) == SEL_OK && sel_is_device(&s) && sel_intern(c, t, &id, &arg) != SEL_OK)
		id = STRMAP_NONE;
	c->member_old = old;
	c->member_new = new;
	return id;
}

static uint32_t *test_dsts(struct parse *c, const char **v, uint32_t n, bool ports)
{
	uint32_t *out = ARENA_ARRAY(c->a, uint32_t, n);

	for (uint32_t i = 0; i < n; i++) {
		const char *colon = ports ? strrchr(v[i], ':') : NULL;
		size_t len = colon ? (size_t)(colon - v[i]) : strlen(v[i]);
		out[i] = test_sel(c, arena_strndup(c->a, v[i], len));
	}
	return out;
}

static bool parse_test(struct parse *c, const struct hujson_value *o)
{
	static const char *const names[] = {
		"src", "user", "accept", "allow", "deny", "proto", "srcPostureAttrs", NULL
	};
	struct net_test t = { 0 };

	if (!must_be(c, o, HUJSON_OBJECT, "tests") || !only_fields(c, o, names) ||
	    !text(c, o, field(o, "src") ? "src" : "user", &t.src) || !text(c, o, "proto", &t.proto) ||
	    !texts(c, o, field(o, "accept") ? "accept" : "allow", &t.accept, &t.n_accept) ||
	    !texts(c, o, "deny", &t.deny, &t.n_deny) ||
	    !parse_attr_values(c, field(o, "srcPostureAttrs"), &t.attr, &t.n_attr))
		return false;
	t.src_sel = test_sel(c, t.src);
	t.accept_sel = test_dsts(c, t.accept, t.n_accept, true);
	t.deny_sel = test_dsts(c, t.deny, t.n_deny, true);
	vec_push(&c->p->tests, t);
	return true;
}

static bool check_ssh_test_dst(struct parse *c, const struct hujson_value *v)
{
	const char *t = trimmed(c->a, v->text);
	struct ip_prefix p;

	if (strncmp(t, "tag:", 4) == 0 && strmap_get_str(&c->p->tag_by_name, t) == STRMAP_NONE)
		return refuse(c, v->pos, "SSH tests dst contains unknown tag %s", quoted_str(c->a, t));
	if (strcmp(t, "autogroup:internet") == 0 ||
	    (ip_prefix_parse(bytes_of_str(t), &p) == ST_OK && p.bits != (p.addr.family == IP_V4 ? 32 : 128)))
		return refuse(c, v->pos, "SSH tests dst contains disallowed element %s", quoted_str(c->a, t));
	return true;
}

static bool parse_ssh_test(struct parse *c, const struct hujson_value *o)
{
	static const char *const names[] = { "src", "dst", "accept", "check", "deny", "srcPostureAttrs", NULL };
	struct ssh_test t = { 0 };
	const struct hujson_value **dst;
	uint32_t n;

	if (!must_be(c, o, HUJSON_OBJECT, "sshTests") || !only_fields(c, o, names) || !text(c, o, "src", &t.src) ||
	    !texts(c, o, "dst", &t.dst, &t.n_dst) || !texts(c, o, "accept", &t.accept, &t.n_accept) ||
	    !texts(c, o, "check", &t.check, &t.n_check) || !texts(c, o, "deny", &t.deny, &t.n_deny) ||
	    !parse_attr_values(c, field(o, "srcPostureAttrs"), &t.attr, &t.n_attr) ||
	    !field_strings(c, o, "dst", &dst, &n))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!check_ssh_test_dst(c, dst[i]))
			return false;
	t.src_sel = test_sel(c, t.src);
	t.dst_sel = test_dsts(c, t.dst, t.n_dst, false);
	vec_push(&c->p->ssh_tests, t);
	return true;
}

static bool each(struct parse *c, const struct hujson_value *root, const char *name,
		 bool (*one)(struct parse *, const struct hujson_value *))
{
	const struct hujson_value *list = field(root, name);

	if (!list)
		return true;
	if (!must_be(c, list, HUJSON_ARRAY, name))
		return false;
	for (const struct hujson_value *v = list->child; v; v = v->next)
		if (!one(c, v))
			return false;
	return true;
}

bool parse_tests(struct parse *c, const struct hujson_value *root)
{
	return each(c, root, "tests", parse_test) && each(c, root, "sshTests", parse_ssh_test);
}

/* ---- settings ---- */

static bool parse_attr_config(struct parse *c, const struct hujson_value *o)
{
	static const char *const names[] = { "type", "allowSetByNode", "broadcastToPeers", NULL };

	if (o && !must_be(c, o, HUJSON_OBJECT, "attrConfig"))
		return false;
	for (const struct hujson_value *v = o ? o->child : NULL; v; v = v->next) {
		const struct hujson_value *type, **who;
		uint32_t n, *sel;
		bool flag;
		if (v->key.n < 8 || memcmp(v->key.p, "custom:", 7) != 0)
			return refuse(c, v->key_pos, "attrConfig[%s]: names must start with 'custom:'",
				      quoted(c->a, v->key));
		if (!must_be(c, v, HUJSON_OBJECT, "attrConfig") || !only_fields(c, v, names) ||
		    !field_string(c, v, "type", &type) || !field_bool(c, v, "allowSetByNode", &flag) ||
		    !field_strings(c, v, "broadcastToPeers", &who, &n) || !sel_list(c, who, n, "", &sel))
			return false;
		if (!type || (!bytes_eq_str(type->text, "string") && !bytes_eq_str(type->text, "bool") &&
			      !bytes_eq_str(type->text, "number")))
			return refuse(c, v->pos, "attrConfig[%s]: type must be \"string\", \"bool\" or \"number\"",
				      quoted(c->a, v->key));
	}
	return true;
}

static bool parse_derp_map(struct parse *c, const struct hujson_value *v)
{
	struct buf b;

	if (!v)
		return true;
	if (!must_be(c, v, HUJSON_OBJECT, "derpMap"))
		return false;
	buf_init(&b, POLICY_TEXT_MAX * 8);
	hujson_compact(v, &b);
	c->p->derp_map = arena_strndup(c->a, b.p, b.n);
	buf_release(&b);
	return true;
}

static bool parse_cgnat(struct parse *c, const struct hujson_value *root)
{
	const char *t;

	if (!text(c, root, "OneCGNATRoute", &t))
		return false;
	if (*t && strcmp(t, "mac-always") != 0 && strcmp(t, "mac-never") != 0)
		return refuse(c, field(root, "OneCGNATRoute")->pos,
			      "OneCGNATRoute must be \"\", \"mac-always\" or \"mac-never\"");
	c->p->one_cgnat = t;
	return true;
}

bool parse_settings(struct parse *c, const struct hujson_value *root)
{
	if (c->member_old && c->member_new)
		return refuse(c, root->pos,
			      "\"autogroup:member\" and \"autogroup:members\" are two names of one group; "
			      "use one of them");
	return parse_attr_config(c, field(root, "attrConfig")) && parse_derp_map(c, field(root, "derpMap")) &&
	       parse_cgnat(c, root) && field_bool(c, root, "disableIPv4", &c->p->disable_ip4) &&
	       field_bool(c, root, "randomizeClientPort", &c->p->randomize_client_port);
}
