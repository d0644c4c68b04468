/*
 * policy/parse_rules.c -- `acls` and `grants` into templates.
 *
 * An ACL gives one template for each different destination selector, its ports joined; a grant gives
 * one for each protocol and destination, then those of its capabilities. Destinations are taken in the
 * order of the hosted service: "*", users, groups, tags with hosts and addresses, autogroups.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy_priv.h"

/* Those of clients, and "fc" of the Go server. */
static const struct {
	const char *name;
	int number;
} protocols[] = {
	{ "icmp", 1 }, { "icmpv4", 1 },	    { "igmp", 2 },    { "ipv4", 4 },  { "ip-in-ip", 4 }, { "tcp", 6 },
	{ "egp", 8 },  { "igp", 9 },	    { "udp", 17 },    { "dccp", 33 }, { "gre", 47 },	 { "esp", 50 },
	{ "ah", 51 },  { "ipv6-icmp", 58 }, { "icmpv6", 58 }, { "tsmp", 99 }, { "sctp", 132 },	 { "fc", 133 },
};

static bool proto_number(struct parse *c, uint32_t pos, const char *text, int32_t *out)
{
	int n = 0;

	if (text[0] == '0' && text[1])
		return refuse(c, pos, "leading 0 not permitted in protocol number: %s", quoted_str(c->a, text));
	for (const char *s = text; *s; s++) {
		if (*s < '0' || *s > '9' || n > 255)
			n = 1000;
		else
			n = n * 10 + (*s - '0');
	}
	if (n > 255)
		return refuse(c, pos, "proto name %s not known; use protocol number 0-255", quoted_str(c->a, text));
	*out = n ? n : -1; /* 0 is no protocol: what is usual */
	return true;
}

bool parse_proto(struct parse *c, uint32_t pos, const char *text, int32_t *out)
{
	for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
		if (bytes_ieq_str(bytes_of_str(text), protocols[i].name)) {
			*out = protocols[i].number;
			return true;
		}
	return proto_number(c, pos, text, out);
}

static bool proto_has_ports(int32_t proto)
{
	return proto == -1 || proto == 6 || proto == 17 || proto == 132;
}

/* Decimal, 0..65535; false on anything else. */
static bool port_number(const char *s, size_t n, unsigned *out)
{
	unsigned v = 0;

	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (unsigned)(s[i] - '0');
		if (v > 65535)
			return false;
	}
	*out = v;
	return true;
}

static const char *lower(struct arena *a, const char *s, size_t n)
{
	char *t = arena_strndup(a, s, n);

	for (char *p = t; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	return t;
}

static bool parse_range(struct parse *c, uint32_t pos, const char *prefix, const char *text, struct ports *out)
{
	const char *dash = strchr(text, '-'), *q = quoted_str(c->a, text);
	unsigned first, last;

	if (strcmp(text, "*") == 0) {
		*out = (struct ports){ 0, 65535 };
		return true;
	}
	if (dash && strchr(dash + 1, '-'))
		return refuse(c, pos, "%sport range %s: too many dashes(-)", prefix, q);
	if (!port_number(text, dash ? (size_t)(dash - text) : strlen(text), &first))
		return refuse(c, pos, "%sport range %s: invalid first integer", prefix, q);
	last = first;
	if (dash && !port_number(dash + 1, strlen(dash + 1), &last))
		return refuse(c, pos, "%sport range %s: invalid last integer", prefix, q);
	if (first == 0)
		return refuse(c, pos, "%sport range %s: first port must be >0, or use '*' for wildcard", prefix, q);
	if (first > last)
		return refuse(c, pos, "%sport range %s: first port must be >= last port", prefix, q);
	*out = (struct ports){ (uint16_t)first, (uint16_t)last };
	return true;
}

bool parse_ports(struct parse *c, uint32_t pos, const char *prefix, const char *text, struct ports **out, uint32_t *n)
{
	uint32_t max = 1;

	if (!*text)
		return refuse(c, pos, "%sinvalid port list: \"\"", prefix);
	for (const char *s = text; *s; s++)
		max += *s == ',';
	*out = ARENA_ARRAY(c->a, struct ports, max);
	*n = 0;
	for (const char *s = text;; s++) {
		size_t len = strcspn(s, ",");
		if (!parse_range(c, pos, prefix, trimmed(c->a, bytes_of_str(lower(c->a, s, len))), &(*out)[*n]))
			return false;
		++*n;
		s += len;
		if (!*s)
			return true;
	}
}

/* ---- where a selector may stand ---- */

static bool refuse_src(struct parse *c, uint32_t pos, const struct sel *s)
{
	switch (s->ag) {
	case AG_SELF:
		return refuse(c, pos, "\"autogroup:self\" not valid on the src side of a rule");
	case AG_INTERNET:
		return refuse(c, pos, "autogroup:internet can only be used in ACL destinations");
	default:
		return refuse(c, pos, "%s not valid on the src side of a rule", quoted_str(c->a, s->text));
	}
}

static bool parse_src(struct parse *c, const struct hujson_value **v, uint32_t n, uint32_t **out)
{
	if (!sel_list(c, v, n, "src=", out))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const struct sel *s = &c->p->sels.v[(*out)[i]];
		if (s->ag == AG_SELF || s->ag == AG_INTERNET || s->ag == AG_NONROOT || s->kind == SEL_SVC)
			return refuse_src(c, v[i]->pos, s);
	}
	return true;
}

static bool check_dst(struct parse *c, uint32_t pos, const struct sel *s)
{
	if (s->ag == AG_DANGER_ALL)
		return refuse(c, pos, "cannot use autogroup:danger-all as a dst");
	if (s->ag == AG_NONROOT || s->ag == AG_SHARED)
		return refuse(c, pos, "cannot use %s as a dst", s->text);
	if (s->kind == SEL_SVC)
		warn(c, pos, "%s: this server offers no services, it selects nothing", s->text);
	return true;
}

/* May a rule with this source have autogroup:self as its destination? */
static bool fits_self(const struct sel *s, bool acl)
{
	if (s->kind == SEL_ANY)
		return acl;
	return s->kind == SEL_USER || s->kind == SEL_GROUP || s->kind == SEL_DOMAIN ||
	       (s->kind == SEL_AUTO && s->ag != AG_TAGGED && s->ag <= AG_AUDITOR);
}

static bool check_self(struct parse *c, uint32_t pos, const uint32_t *src, uint32_t n_src, bool acl)
{
	for (uint32_t i = 0; i < n_src; i++)
		if (!fits_self(&c->p->sels.v[src[i]], acl))
			return refuse(c, pos,
				      "autogroup:self can only be used with users, groups, or supported autogroups");
	c->p->owners_matter = true;
	return true;
}

/* Order of classes of destinations. */
static int dst_class(const struct sel *s)
{
	switch (s->kind) {
	case SEL_ANY:
		return 0;
	case SEL_USER:
	case SEL_DOMAIN:
		return 1;
	case SEL_GROUP:
		return 2;
	case SEL_TAG:
	case SEL_LITERAL:
	case SEL_IPSET:
	case SEL_SVC:
		return 3;
	case SEL_AUTO:
		break;
	}
	return 4;
}

/* ---- templates ---- */

struct making {
	uint32_t rule;
	uint32_t src;
	uint32_t *via;
	uint32_t n_via;
};

static void emit(struct parse *c, struct tmpl t)
{
	uint64_t h = hash_u64(0x51, t.kind);

	h = hash_text(h, c->p->srcsets.v[t.src].text);
	h = hash_u64(h, (uint64_t)(uint32_t)t.proto);
	t.name = t.caps ? hash_text(h, t.caps) : h;
	vec_push(&c->p->tmpls, t);
}

static void emit_packet(struct parse *c, const struct making *m, int32_t proto, uint32_t dst, struct ports *port,
			uint32_t n_port)
{
	const struct sel *s = &c->p->sels.v[dst];
	struct tmpl t = { .kind = TMPL_PACKET,
			  .rule = m->rule,
			  .src = m->src,
			  .proto = proto,
			  .dst = dst,
			  .port = port,
			  .n_port = n_port,
			  .via = m->via,
			  .n_via = m->n_via };

	if (m->n_via) {
		/* Only what lies behind a router can be reached by way of one. */
		if (!sel_is_literal(s) && !s->internet)
			return;
		t.kind = TMPL_VIA;
	} else if (s->ag == AG_SELF) {
		t.kind = TMPL_SELF;
	} else if (s->internet) {
		t.kind = TMPL_INTERNET;
	} else if (s->kind == SEL_SVC) {
		return;
	}
	emit(c, t);
}

static uint32_t add_rule(struct parse *c, bool grant, uint32_t index, uint32_t pos)
{
	vec_push(&c->p->rules, ((struct rule){ grant, index, pos }));
	return (uint32_t)c->p->rules.n - 1;
}

void emit_recorder(struct parse *c, uint32_t src, uint32_t recorder, uint32_t pos)
{
	struct making m = { .rule = add_rule(c, false, UINT32_MAX, pos), .src = src };
	struct ports *port = ARENA_NEW(c->a, struct ports);

	*port = (struct ports){ 80, 80 };
	emit_packet(c, &m, 6, recorder, port, 1);
}

/* ---- acls ---- */

struct acl_dst {
	uint32_t sel;
	struct ports *port;
	uint32_t n, cap;
};

/* The selector and the ports of "selector:ports"; brackets around IPv6 are taken away. */
static bool split_dst(struct parse *c, const struct hujson_value *v, const char **sel, const char **ports)
{
	const char *text = trimmed(c->a, v->text), *colon = strrchr(text, ':'), *close;
	size_t n;

	if (!colon)
		return refuse(c, v->pos, "dst=%s: hostport must contain a colon (\":\")", quoted_str(c->a, text));
	n = (size_t)(colon - text);
	if (memchr(text, ',', n))
		return refuse(c, v->pos, "dst=%s: host cannot contain a comma (\",\")", quoted_str(c->a, text));
	*ports = colon + 1;
	*sel = trimmed(c->a, bytes_of(text, n));
	if ((*sel)[0] != '[')
		return true;
	close = strchr(*sel, ']');
	if (!close || (close[1] && close[1] != '/') || !memchr(*sel, ':', (size_t)(close - *sel)))
		return refuse(c, v->pos, "dst=%s: square brackets are only valid around IPv6 addresses",
			      quoted_str(c->a, text));
	*sel = arena_printf(c->a, "%.*s%s", (int)(close - *sel - 1), *sel + 1, close + 1);
	return true;
}

static bool parse_acl_dst(struct parse *c, const struct hujson_value *v, uint32_t *sel, struct ports **port,
			  uint32_t *n_port)
{
	const char *name = "", *ports = "", *arg, *prefix;
	enum sel_fault f;

	if (!split_dst(c, v, &name, &ports))
		return false;
	prefix = arena_printf(c->a, "dst=%s: ", quoted_str(c->a, trimmed(c->a, v->text)));
	if (!parse_ports(c, v->pos, prefix, ports, port, n_port))
		return false;
	f = sel_intern(c, name, sel, &arg);
	if (f != SEL_OK)
		return refuse(c, v->pos, "dst=%s: %s", quoted_str(c->a, name), sel_fault_text(c, f, arg));
	return check_dst(c, v->pos, &c->p->sels.v[*sel]);
}

static void join_ports(struct arena *a, struct acl_dst *d, const struct ports *port, uint32_t n)
{
	if (d->n + n > d->cap) {
		struct ports *old = d->port;
		d->cap = 2 * (d->n + n);
		d->port = ARENA_ARRAY(a, struct ports, d->cap);
		if (d->n)
			mem_copy(d->port, old, d->n * sizeof *old);
	}
	mem_copy(d->port + d->n, port, n * sizeof *port);
	d->n += n;
}

/* The destinations of an ACL by selector, in the order of first appearance. */
static bool acl_dsts(struct parse *c, const struct hujson_value **v, uint32_t n, struct acl_dst **out, uint32_t *n_out)
{
	struct strmap seen = { 0 };
	bool ok = true;

	*out = ARENA_ARRAY(c->a, struct acl_dst, n);
	*n_out = 0;
	for (uint32_t i = 0; i < n && ok; i++) {
		struct ports *port;
		uint32_t n_port, sel, at;
		ok = parse_acl_dst(c, v[i], &sel, &port, &n_port);
		if (!ok)
			break;
		at = strmap_add(&seen, bytes_of_str(c->p->sels.v[sel].text), *n_out);
		if (at == *n_out)
			(*out)[(*n_out)++].sel = sel;
		join_ports(c->a, &(*out)[at], port, n_port);
	}
	strmap_release(&seen);
	return ok;
}

static bool check_acl_ports(struct parse *c, uint32_t pos, int32_t proto, const char *name, const struct acl_dst *d,
			    uint32_t n)
{
	for (uint32_t i = 0; i < n && !proto_has_ports(proto); i++)
		for (uint32_t k = 0; k < d[i].n; k++)
			if (d[i].port[k].first != 0)
				return refuse(c, pos,
					      "protocol does not support specific ports: %s, only \"*\" is allowed",
					      quoted_str(c->a, name));
	return true;
}

static void emit_acl(struct parse *c, const struct making *m, int32_t proto, const struct acl_dst *d, uint32_t n)
{
	for (int class = 0; class <= 4; class ++)
		for (uint32_t i = 0; i < n; i++)
			if (dst_class(&c->p->sels.v[d[i].sel]) == class)
				emit_packet(c, m, proto, d[i].sel, d[i].port, d[i].n);
}

/* The list under its name, or under its old one. */
static bool strings_either(struct parse *c, const struct hujson_value *o, const char *name, const char *old,
			   const struct hujson_value ***out, uint32_t *n)
{
	if (field(o, name) && field(o, old))
		return refuse(c, field(o, old)->key_pos, "\"%s\" and \"%s\" are two names of one field", name, old);
	return field_strings(c, o, field(o, old) ? old : name, out, n);
}

static bool only_acl_fields(struct parse *c, const struct hujson_value *o)
{
	static const char *const names[] = { "action", "src", "users", "dst", "ports", "proto", "srcPosture", NULL };
	struct hujson_value copy = *o, *kept;
	struct hujson_value **tail = &copy.child;

	/* Editors keep notes under names that begin with '#'. */
	copy.child = NULL;
	for (const struct hujson_value *v = o->child; v; v = v->next) {
		if (v->key.n && v->key.p[0] == '#')
			continue;
		kept = ARENA_NEW(c->a, struct hujson_value);
		*kept = *v;
		kept->next = NULL;
		*tail = kept;
		tail = &kept->next;
	}
	return only_fields(c, &copy, names);
}

static bool parse_action(struct parse *c, const struct hujson_value *o)
{
	const struct hujson_value *v;
	const char *text;

	if (!field_string(c, o, "action", &v))
		return false;
	text = v ? trimmed(c->a, v->text) : "";
	if (strcmp(text, "accept") == 0)
		return true;
	return refuse(c, v ? v->pos : o->pos, "action=%s is not supported", quoted_str(c->a, text));
}

static bool parse_acl(struct parse *c, const struct hujson_value *o, uint32_t index)
{
	const struct hujson_value **src, **dst, *proto;
	uint32_t n_src, n_dst, *sel, n;
	struct making m = { .rule = add_rule(c, false, index, o->pos) };
	struct acl_dst *d;
	int32_t number = -1, cond;
	const char *name = "";

	if (!must_be(c, o, HUJSON_OBJECT, "acls") || !only_acl_fields(c, o) || !parse_action(c, o) ||
	    !strings_either(c, o, "src", "users", &src, &n_src) ||
	    !strings_either(c, o, "dst", "ports", &dst, &n_dst) || !field_string(c, o, "proto", &proto) ||
	    !parse_src(c, src, n_src, &sel) || !acl_dsts(c, dst, n_dst, &d, &n))
		return false;
	if (proto && *(name = trimmed(c->a, proto->text)) && !parse_proto(c, proto->pos, name, &number))
		return false;
	if (!check_acl_ports(c, o->pos, number, name, d, n) || !parse_cond(c, o, &cond))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (c->p->sels.v[d[i].sel].ag == AG_SELF && !check_self(c, o->pos, sel, n_src, true))
			return false;
	if (n_src == 0)
		return true;
	m.src = srcset_intern(c, sel, n_src, cond);
	emit_acl(c, &m, number, d, n);
	return true;
}

bool parse_allow_all(struct parse *c)
{
	const char *arg;
	uint32_t any;
	struct making m = { .rule = add_rule(c, false, 0, 0) };
	struct ports *all = ARENA_NEW(c->a, struct ports);

	all->last = 65535;
	if (sel_intern(c, "*", &any, &arg) != SEL_OK)
		return false;
	m.src = srcset_intern(c, &any, 1, c->p->default_cond);
	emit_packet(c, &m, -1, any, all, 1);
	return true;
}

bool parse_acls(struct parse *c, const struct hujson_value *root)
{
	const struct hujson_value *list = field(root, "acls");
	uint32_t index = 0;

	if (!list)
		return field(root, "grants") ? true : parse_allow_all(c);
	if (!must_be(c, list, HUJSON_ARRAY, "acls"))
		return false;
	for (const struct hujson_value *v = list->child; v; v = v->next)
		if (!parse_acl(c, v, index++))
			return false;
	return true;
}

/* ---- grants ---- */

struct net_group {
	int32_t proto;
	struct acl_dst ports; /* sel unused */
};

static bool parse_net(struct parse *c, const struct hujson_value *v, int32_t *proto, struct ports **port, uint32_t *n)
{
	const char *text = trimmed(c->a, v->text), *colon = strrchr(text, ':');

	*proto = -1;
	if (!*text)
		return refuse(c, v->pos, "empty string");
	if (colon) {
		const char *name = trimmed(c->a, bytes_of_str(lower(c->a, text, (size_t)(colon - text))));
		if (strchr(name, ','))
			return refuse(c, v->pos, "host cannot contain a comma (\",\")");
		if (!*name)
			return refuse(c, v->pos, "empty protocol");
		if (strcmp(name, "*") != 0 && !parse_proto(c, v->pos, name, proto))
			return false;
		text = colon + 1;
	}
	if (!parse_ports(c, v->pos, "", text, port, n))
		return false;
	if (*n > 1)
		warn(c, v->pos, "%s: the hosted service takes one port or range here; write an entry for each",
		     quoted(c->a, v->text));
	for (uint32_t i = 0; i < *n && !proto_has_ports(*proto); i++)
		if ((*port)[i].first != 0)
			return refuse(c, v->pos, "protocol does not support specific ports: %s, only \"*\" is allowed",
				      quoted(c->a, v->text));
	return true;
}

static bool parse_nets(struct parse *c, const struct hujson_value **v, uint32_t n, struct net_group **out,
		       uint32_t *n_out)
{
	int16_t at[257]; /* group of a protocol, by number + 1 */

	memset(at, -1, sizeof at);
	*out = ARENA_ARRAY(c->a, struct net_group, n);
	*n_out = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct ports *port;
		uint32_t n_port;
		int32_t proto;
		if (!parse_net(c, v[i], &proto, &port, &n_port))
			return false;
		if (at[proto + 1] < 0) {
			at[proto + 1] = (int16_t)*n_out;
			(*out)[(*n_out)++].proto = proto;
		}
		join_ports(c->a, &(*out)[at[proto + 1]].ports, port, n_port);
	}
	return true;
}

static bool cap_reserved(const char *name)
{
	static const char *const free_for_all[] = { "drive", "relay",	"webui",  "kubernetes",
						    "tsidp", "secrets", "golink", "tailsql" };

	if (strncmp(name, "tailscale.com/", 14) != 0)
		return false;
	if (strncmp(name + 14, "cap/", 4) != 0)
		return true;
	for (size_t i = 0; i < sizeof free_for_all / sizeof *free_for_all; i++)
		if (strcmp(name + 18, free_for_all[i]) == 0)
			return false;
	return true;
}

/* {domain}/{path}, without a scheme */
static bool cap_formed(const char *name)
{
	size_t n = strcspn(name, "/");

	if (n == 0 || !name[n] || !name[n + 1] || name[n + 1] == '/')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", name[i]))
			return false;
	return true;
}

static bool parse_app(struct parse *c, const struct hujson_value *app)
{
	for (const struct hujson_value *v = app ? app->child : NULL; v; v = v->next) {
		const char *name = arena_strndup(c->a, v->key.p, v->key.n);
		if (!cap_formed(name))
			return refuse(c, v->key_pos, "capability name must have the form {domain}/{path}");
		if (cap_reserved(name))
			return refuse(c, v->key_pos, "capability name must not be in the tailscale.com domain");
		if (v->type != HUJSON_NULL && !must_be(c, v, HUJSON_ARRAY, "app"))
			return false;
	}
	return true;
}

/* 0.0.0.0/0 or ::/0 */
static bool is_everything(const struct sel *s)
{
	struct ip_prefix p;

	return s->kind == SEL_LITERAL && ip_range_prefixes(s->range[0], &p, 1) == 1 && ip_prefix_is_default(&p);
}

static bool check_grant_dst(struct parse *c, const struct hujson_value *v, const struct sel *s, bool app)
{
	if (is_everything(s))
		return refuse(c, v->pos, "dst %s: to allow all IP addresses, use \"*\" or \"autogroup:internet\"",
			      quoted_str(c->a, s->text));
	if (app && s->ag == AG_INTERNET)
		return refuse(c, v->pos, "cannot use app grants with autogroup:internet");
	return check_dst(c, v->pos, s);
}

/* The different destinations in the order of their classes. */
static bool grant_dsts(struct parse *c, const struct hujson_value **v, uint32_t n, bool app, uint32_t **out,
		       uint32_t *n_out)
{
	uint32_t *sel;

	if (!sel_list(c, v, n, "", &sel))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!check_grant_dst(c, v[i], &c->p->sels.v[sel[i]], app))
			return false;
	*out = ARENA_ARRAY(c->a, uint32_t, n);
	*n_out = 0;
	struct strmap seen = { 0 };
	for (int class = 0; class <= 4; class ++)
		for (uint32_t i = 0; i < n; i++) {
			const struct sel *s = &c->p->sels.v[sel[i]];
			if (dst_class(s) == class && strmap_add(&seen, bytes_of_str(s->text), i) == i)
				(*out)[(*n_out)++] = sel[i];
		}
	strmap_release(&seen);
	return true;
}

static bool parse_via(struct parse *c, const struct hujson_value *o, struct making *m)
{
	const struct hujson_value **v;
	uint32_t n;

	if (!field_strings(c, o, "via", &v, &n))
		return false;
	m->via = ARENA_ARRAY(c->a, uint32_t, n);
	for (uint32_t i = 0; i < n; i++) {
		const char *text = trimmed(c->a, v[i]->text), *arg;
		if (strncmp(text, "tag:", 4) != 0)
			return refuse(c, v[i]->pos, "via can only be a tag");
		if (sel_intern(c, text, &m->via[i], &arg) != SEL_OK)
			return refuse(c, v[i]->pos, "tag %s not found", quoted_str(c->a, text));
	}
	m->n_via = n;
	return true;
}

static const char *compact(struct parse *c, const struct hujson_value *v)
{
	struct buf b;
	const char *out;

	buf_init(&b, POLICY_TEXT_MAX * 8);
	hujson_compact(v, &b);
	out = arena_strndup(c->a, b.p, b.n);
	buf_release(&b);
	return out;
}

struct grant {
	uint32_t *src, *dst;
	uint32_t n_src, n_dst;
	struct net_group *net;
	uint32_t n_net;
	const struct hujson_value *app;
	int32_t cond;
};

static void emit_via_app(struct parse *c, const struct grant *g, const struct making *m)
{
	for (uint32_t i = 0; i < g->n_dst; i++) {
		const struct sel *s = &c->p->sels.v[g->dst[i]];
		if (sel_is_literal(s) || s->internet)
			emit(c, (struct tmpl){ .kind = TMPL_VIA_APP,
					       .rule = m->rule,
					       .src = m->src,
					       .proto = -1,
					       .dst = g->dst[i],
					       .via = m->via,
					       .n_via = m->n_via });
	}
}

/* Capabilities that tell the sources something too: rules with the two sides exchanged. */
static void emit_companions(struct parse *c, const struct grant *g, const struct making *m, const uint32_t *other,
			    uint32_t n_other, bool self)
{
	static const char *const pair[][2] = {
		{ "tailscale.com/cap/drive", "{\"tailscale.com/cap/drive-sharer\":null}" },
		{ "tailscale.com/cap/relay", "{\"tailscale.com/cap/relay-target\":null}" },
	};

	for (size_t i = 0; i < 2; i++) {
		if (!hujson_member(g->app, pair[i][0]))
			continue;
		if (n_other)
			emit(c, (struct tmpl){ .kind = TMPL_BACK,
					       .rule = m->rule,
					       .src = srcset_intern(c, other, n_other, -1),
					       .proto = -1,
					       .who = m->src,
					       .caps = pair[i][1] });
		if (self)
			emit(c, (struct tmpl){ .kind = TMPL_BACK_SELF,
					       .rule = m->rule,
					       .src = m->src,
					       .proto = -1,
					       .caps = pair[i][1] });
	}
}

static void emit_caps(struct parse *c, const struct grant *g, const struct making *m)
{
	uint32_t *other = ARENA_ARRAY(c->a, uint32_t, g->n_dst), n = 0;
	const char *caps = compact(c, g->app);
	bool self = false;

	for (uint32_t i = 0; i < g->n_dst; i++) {
		if (c->p->sels.v[g->dst[i]].ag == AG_SELF)
			self = true;
		else
			other[n++] = g->dst[i];
	}
	if (n)
		emit(c, (struct tmpl){ .kind = TMPL_CAP,
				       .rule = m->rule,
				       .src = m->src,
				       .proto = -1,
				       .dsts = other,
				       .n_dsts = n,
				       .caps = caps });
	if (self)
		emit(c,
		     (struct tmpl){ .kind = TMPL_CAP_SELF, .rule = m->rule, .src = m->src, .proto = -1, .caps = caps });
	emit_companions(c, g, m, other, n, self);
}

static void emit_grant(struct parse *c, const struct grant *g, struct making *m)
{
	if (g->n_src == 0 || g->n_dst == 0)
		return;
	m->src = srcset_intern(c, g->src, g->n_src, g->cond);
	for (uint32_t i = 0; i < g->n_net; i++)
		for (uint32_t k = 0; k < g->n_dst; k++)
			emit_packet(c, m, g->net[i].proto, g->dst[k], g->net[i].ports.port, g->net[i].ports.n);
	if (!g->app || g->app->n == 0)
		return;
	if (m->n_via)
		emit_via_app(c, g, m);
	else
		emit_caps(c, g, m);
}

static bool parse_grant_net(struct parse *c, const struct hujson_value *o, struct grant *g)
{
	const struct hujson_value **ip;
	uint32_t n_ip;

	if (!field_strings(c, o, "ip", &ip, &n_ip) || !parse_nets(c, ip, n_ip, &g->net, &g->n_net))
		return false;
	g->app = field(o, "app");
	if (g->app && !must_be(c, g->app, HUJSON_OBJECT, "app"))
		return false;
	if (n_ip == 0 && (!g->app || g->app->n == 0))
		return refuse(c, o->pos, "ip and app can not both be empty");
	return parse_app(c, g->app);
}

static bool parse_grant(struct parse *c, const struct hujson_value *o, uint32_t index)
{
	static const char *const names[] = { "src", "dst", "ip", "app", "via", "srcPosture", NULL };
	const struct hujson_value **src, **dst;
	struct making m = { .rule = add_rule(c, true, index, o->pos) };
	struct grant g = { 0 };
	uint32_t n_dst;

	if (!must_be(c, o, HUJSON_OBJECT, "grants") || !only_fields(c, o, names) || !parse_grant_net(c, o, &g) ||
	    !field_strings(c, o, "src", &src, &g.n_src) || !field_strings(c, o, "dst", &dst, &n_dst) ||
	    !parse_src(c, src, g.n_src, &g.src) || !grant_dsts(c, dst, n_dst, g.app && g.app->n, &g.dst, &g.n_dst) ||
	    !parse_via(c, o, &m) || !parse_cond(c, o, &g.cond))
		return false;
	for (uint32_t i = 0; i < g.n_dst; i++)
		if (c->p->sels.v[g.dst[i]].ag == AG_SELF && !check_self(c, o->pos, g.src, g.n_src, false))
			return false;
	emit_grant(c, &g, &m);
	return true;
}

bool parse_grants(struct parse *c, const struct hujson_value *root)
{
	const struct hujson_value *list = field(root, "grants");
	uint32_t index = 0;

	if (!list)
		return true;
	if (!must_be(c, list, HUJSON_ARRAY, "grants"))
		return false;
	for (const struct hujson_value *v = list->child; v; v = v->next)
		if (!parse_grant(c, v, index++))
			return false;
	return true;
}
