/*
 * policy/parse_ssh.c -- `ssh`: who may log in where, and as whom.
 *
 * Faults are looked for in the order action, users, src, dst, acceptEnv, checkPeriod.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "policy/policy_priv.h"

#define CHECK_PERIOD_DEFAULT (12 * 3600 * NS_PER_S)
#define CHECK_PERIOD_MAX     (168 * 3600 * NS_PER_S)

/* ---- durations, as Go reads them ---- */

static int64_t unit_ns(const char *s, size_t n)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = { { "ns", 1 },	 { "us", 1000 },    { "\xc2\xb5s", 1000 },  { "\xce\xbcs", 1000 },
		      { "ms", 1000000 }, { "s", NS_PER_S }, { "m", 60 * NS_PER_S }, { "h", 3600 * NS_PER_S } };

	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (strlen(units[i].name) == n && memcmp(units[i].name, s, n) == 0)
			return units[i].ns;
	return 0;
}

static bool add_term(double *total, const char **sp, const char **why_unit)
{
	const char *s = *sp, *unit;
	double v = 0, scale = 1;
	bool any = false;
	size_t n;

	for (; *s >= '0' && *s <= '9'; s++, any = true)
		v = v * 10 + (*s - '0');
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, any = true) {
			scale /= 10;
			v += (*s - '0') * scale;
		}
	if (!any)
		return false;
	n = strcspn(s, ".0123456789");
	unit = s;
	*why_unit = unit;
	*sp = s + n;
	*total += v * (double)unit_ns(unit, n);
	return n > 0 && unit_ns(unit, n) != 0;
}

bool go_duration(struct arena *a, const char *text, int64_t *ns_out, const char **why)
{
	const char *s = text, *unit = NULL;
	bool negative = *s == '-';
	double total = 0;

	if (*s == '-' || *s == '+')
		s++;
	if (strcmp(s, "0") == 0) {
		*ns_out = 0;
		return true;
	}
	*why = arena_printf(a, "time: invalid duration %s", quoted_str(a, text));
	if (!*s)
		return false;
	while (*s) {
		unit = NULL;
		if (add_term(&total, &s, &unit))
			continue;
		if (unit && s == unit)
			*why = arena_printf(a, "time: missing unit in duration %s", quoted_str(a, text));
		else if (unit)
			*why = arena_printf(a, "time: unknown unit %s in duration %s",
					    quoted(a, bytes_of(unit, (size_t)(s - unit))), quoted_str(a, text));
		return false;
	}
	if (total >= 9.2e18)
		return false;
	*ns_out = negative ? -(int64_t)total : (int64_t)total;
	return true;
}

/* ---- fields ---- */

static bool ssh_action(struct parse *c, const struct hujson_value *o, struct ssh_rule *r)
{
	const struct hujson_value *v;
	const char *text;

	if (!field_string(c, o, "action", &v))
		return false;
	text = v ? trimmed(c->a, v->text) : "";
	if (!*text)
		return refuse(c, v ? v->pos : o->pos, "action must be specified");
	r->check = strcmp(text, "check") == 0;
	if (!r->check && strcmp(text, "accept") != 0)
		return refuse(c, v->pos, "%s is not a valid action", quoted_str(c->a, text));
	return true;
}

static bool ssh_user(struct parse *c, const struct hujson_value *v, struct ssh_rule *r)
{
	const char *text = trimmed(c->a, v->text);

	if (!*text || strcmp(text, "*") == 0)
		return refuse(c, v->pos, "user %s is not valid", quoted_str(c->a, text));
	if (strncmp(text, "localpart:*@", 12) == 0 && text[12]) {
		if (!domain_is_ours(c, text + 12))
			return refuse(c, v->pos, "%s", sel_fault_text(c, SEL_BAD_DOMAIN, text + 12));
		r->local[r->n_local++] = text + 12;
		c->p->owners_matter = true;
	} else if (strcmp(text, "autogroup:nonroot") == 0) {
		r->nonroot = true;
	} else {
		r->root |= strcmp(text, "root") == 0;
		r->user[r->n_user++] = text;
	}
	return true;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The map of requested to real names: always with "root", sorted. */
static const char *ssh_users_json(struct parse *c, const struct ssh_rule *r)
{
	const char **name = ARENA_ARRAY(c->a, const char *, r->n_user + 2), *out;
	uint32_t n = 0;
	struct buf b;
	struct jw w;

	for (uint32_t i = 0; i < r->n_user; i++)
		name[n++] = r->user[i];
	if (r->nonroot)
		name[n++] = "*";
	if (!r->root)
		name[n++] = "root";
	qsort(name, n, sizeof *name, by_text);
	buf_init(&b, POLICY_TEXT_MAX * 16);
	jw_init(&w, &b);
	jw_obj_begin(&w);
	for (uint32_t i = 0; i < n; i++) {
		if (i && strcmp(name[i], name[i - 1]) == 0)
			continue;
		jw_key_bytes(&w, bytes_of_str(name[i]));
		if (strcmp(name[i], "root") == 0)
			jw_str(&w, r->root ? "root" : "");
		else
			jw_str(&w, strcmp(name[i], "*") == 0 ? "=" : name[i]);
	}
	jw_obj_end(&w);
	out = arena_strndup(c->a, b.p, b.n);
	buf_release(&b);
	return out;
}

static bool ssh_users(struct parse *c, const struct hujson_value *o, struct ssh_rule *r)
{
	const struct hujson_value **v;
	uint32_t n;

	if (!field_strings(c, o, "users", &v, &n))
		return false;
	if (n == 0)
		return refuse(c, o->pos, "users must be specified");
	r->user = ARENA_ARRAY(c->a, const char *, n);
	r->local = ARENA_ARRAY(c->a, const char *, n);
	for (uint32_t i = 0; i < n; i++)
		if (!ssh_user(c, v[i], r))
			return false;
	r->users = ssh_users_json(c, r);
	return true;
}

/* One selector, worded as the section words it. */
static bool ssh_sel(struct parse *c, const struct hujson_value *v, const char *side, uint32_t *out)
{
	const char *text = trimmed(c->a, v->text), *arg;
	enum sel_fault f = sel_intern(c, text, out, &arg);

	switch (f) {
	case SEL_OK:
		return true;
	case SEL_BAD_DOMAIN:
		return refuse(c, v->pos, "[ssh] %s", sel_fault_text(c, f, arg));
	case SEL_NO_TAG:
	case SEL_NO_GROUP:
		return refuse(c, v->pos, "%s", sel_fault_text(c, f, arg));
	case SEL_NO_IPSET:
	case SEL_NO_AUTOGROUP:
	case SEL_BAD_NAME:
	case SEL_BAD_PREFIX:
		break;
	}
	return refuse(c, v->pos, "invalid %s %s", side, quoted_str(c->a, text));
}

static bool ssh_src(struct parse *c, const struct hujson_value **v, uint32_t n, uint32_t **out)
{
	*out = ARENA_ARRAY(c->a, uint32_t, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct sel *s;
		if (!ssh_sel(c, v[i], "src", &(*out)[i]))
			return false;
		s = &c->p->sels.v[(*out)[i]];
		if (s->ag == AG_SELF)
			return refuse(c, v[i]->pos, "\"autogroup:self\" not valid on the src side of a rule");
		if (!sel_is_device(s) || s->ag > AG_AUDITOR)
			return refuse(c, v[i]->pos, "invalid src %s", quoted_str(c->a, s->text));
	}
	return true;
}

static bool is_tags(const struct sel *s)
{
	return s->kind == SEL_TAG || s->ag == AG_TAGGED;
}

static bool ssh_dst_fits(struct parse *c, uint32_t pos, const struct sel *d, const uint32_t *src, uint32_t n_src,
			 bool check)
{
	for (uint32_t i = 0; i < n_src; i++) {
		const struct sel *s = &c->p->sels.v[src[i]];
		if (d->ag == AG_SELF && is_tags(s))
			return refuse(c, pos,
				      "autogroup:self destination requires source to contain only users or "
				      "groups, not tags or autogroup:tagged");
		if (d->kind == SEL_USER && !(s->kind == SEL_USER && strcmp(s->text, d->text) == 0))
			return refuse(c, pos,
				      "user destination requires source to contain only that same user %s; use "
				      "autogroup:self instead for same-user SSH access",
				      quoted_str(c->a, d->text));
		if (is_tags(s) && !is_tags(d))
			return refuse(c, pos,
				      "tags in SSH source cannot access user-owned devices (%s); use autogroup:tagged "
				      "or specific tags as destinations instead",
				      d->text);
		if (is_tags(s) && check)
			warn(c, pos, "the hosted service refuses check rules with %s as a source", s->text);
	}
	return true;
}

static bool ssh_dst(struct parse *c, const struct hujson_value *v, const uint32_t *src, uint32_t n_src,
		    struct ssh_rule *r)
{
	const struct sel *d;
	uint32_t sel;

	if (strcmp(trimmed(c->a, v->text), "*") == 0)
		return refuse(c, v->pos,
			      "wildcard (*) is not supported as SSH destination; use 'autogroup:member' for user-owned "
			      "devices, 'autogroup:tagged' for tagged devices, or specific tags/users");
	if (!ssh_sel(c, v, "dst", &sel))
		return false;
	d = &c->p->sels.v[sel];
	if (d->ag == AG_MEMBER)
		warn(c, v->pos, "the hosted service refuses autogroup:member as a destination of ssh");
	else if (!is_tags(d) && d->kind != SEL_USER && d->ag != AG_SELF)
		return refuse(c, v->pos, "invalid dst %s", quoted_str(c->a, d->text));
	if (!ssh_dst_fits(c, v->pos, d, src, n_src, r->check))
		return false;
	if (d->ag == AG_SELF) {
		r->self = true;
		c->p->owners_matter = true;
	} else {
		r->dst[r->n_dst++] = sel;
	}
	return true;
}

static bool ssh_sides(struct parse *c, const struct hujson_value *o, struct ssh_rule *r)
{
	const struct hujson_value **src, **dst;
	uint32_t n_src, n_dst, *sel;
	int32_t cond;

	if (!field_strings(c, o, "src", &src, &n_src) || !field_strings(c, o, "dst", &dst, &n_dst) ||
	    !ssh_src(c, src, n_src, &sel) || !parse_cond(c, o, &cond))
		return false;
	r->dst = ARENA_ARRAY(c->a, uint32_t, n_dst);
	for (uint32_t i = 0; i < n_dst; i++)
		if (!ssh_dst(c, dst[i], sel, n_src, r))
			return false;
	r->src = srcset_intern(c, sel, n_src, cond);
	return true;
}

static bool ssh_env(struct parse *c, const struct hujson_value *o, struct ssh_rule *r)
{
	const struct hujson_value **v;
	uint32_t n;
	struct buf b;

	if (!field_strings(c, o, "acceptEnv", &v, &n))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (v[i]->text.n == 0)
			return refuse(c, v[i]->pos, "acceptEnv values cannot be empty");
	if (n == 0)
		return true;
	buf_init(&b, POLICY_TEXT_MAX * 8);
	hujson_compact(field(o, "acceptEnv"), &b);
	r->accept_env = arena_strndup(c->a, b.p, b.n);
	buf_release(&b);
	return true;
}

static bool ssh_period(struct parse *c, const struct hujson_value *o, struct ssh_rule *r)
{
	const struct hujson_value *v;
	const char *text, *why;
	char shown[DURATION_TEXT_MAX];

	if (!field_string(c, o, "checkPeriod", &v))
		return false;
	text = v ? trimmed(c->a, v->text) : "";
	r->period_ns = CHECK_PERIOD_DEFAULT;
	r->any_destination = !*text;
	if (!*text)
		return true;
	if (strcmp(text, "always") == 0)
		r->period_ns = 0;
	else if (!go_duration(c->a, text, &r->period_ns, &why))
		return refuse(c, v->pos, "%s", why);
	duration_format(r->period_ns, shown);
	if (r->period_ns < 0)
		return refuse(c, v->pos, "checkPeriod %s must be a positive duration", shown);
	if (r->period_ns > CHECK_PERIOD_MAX)
		return refuse(c, v->pos, "checkPeriod %s is above the max (168h)", shown);
	if (!r->check)
		return refuse(c, v->pos, "checkPeriod is only valid with action \"check\"");
	return true;
}

static bool ssh_recorder(struct parse *c, const struct hujson_value *o, struct ssh_rule *r)
{
	const struct hujson_value **v;
	uint32_t n;

	if (!field_strings(c, o, "recorder", &v, &n) || !field_bool(c, o, "enforceRecorder", &r->enforce_recorder))
		return false;
	r->recorder = ARENA_ARRAY(c->a, uint32_t, n);
	for (uint32_t i = 0; i < n; i++) {
		if (!ssh_sel(c, v[i], "recorder", &r->recorder[i]))
			return false;
		if (c->p->sels.v[r->recorder[i]].kind != SEL_TAG)
			return refuse(c, v[i]->pos, "recorder can only be a tag");
	}
	r->n_recorder = n;
	return true;
}

/* The destinations of the rule reach the recorders. */
static void let_record(struct parse *c, const struct ssh_rule *r)
{
	uint32_t dst = srcset_intern(c, r->dst, r->n_dst, -1);

	for (uint32_t i = 0; i < r->n_recorder; i++) {
		if (r->n_dst)
			emit_recorder(c, dst, r->recorder[i], r->pos);
		if (r->self)
			emit_recorder(c, r->src, r->recorder[i], r->pos);
	}
}

static bool parse_ssh_rule(struct parse *c, const struct hujson_value *o)
{
	static const char *const names[] = { "action",	    "src",	 "dst",	     "users",
					     "checkPeriod", "acceptEnv", "recorder", "enforceRecorder",
					     "srcPosture",  NULL };
	struct ssh_rule r = { .pos = o->pos };

	if (!must_be(c, o, HUJSON_OBJECT, "ssh") || !only_fields(c, o, names) || !ssh_action(c, o, &r) ||
	    !ssh_users(c, o, &r) || !ssh_sides(c, o, &r) || !ssh_env(c, o, &r) || !ssh_period(c, o, &r) ||
	    !ssh_recorder(c, o, &r))
		return false;
	if (r.n_recorder)
		let_record(c, &r);
	vec_push(&c->p->ssh, r);
	return true;
}

bool parse_ssh(struct parse *c, const struct hujson_value *root)
{
	const struct hujson_value *list = field(root, "ssh");

	if (!list)
		return true;
	if (!must_be(c, list, HUJSON_ARRAY, "ssh"))
		return false;
	for (const struct hujson_value *v = list->child; v; v = v->next)
		if (!parse_ssh_rule(c, v))
			return false;
	return true;
}
