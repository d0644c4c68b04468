/*
 * policy/posture.c -- conditions on a device: `postures`, srcPosture and what they mean.
 *
 *     node:tsVersion >= '1.40'     node:os IN ['macos', 'linux']     custom:tier NOT SET     ip:trusted
 *
 * An attribute that the device does not have makes its assertion false whatever the operator, but for
 * NOT SET.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/policy_priv.h"

/* ---- evaluation ---- */

static bool is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static int cmp_numbers(const char *a, size_t n, const char *b, size_t m)
{
	int d;

	while (n > 1 && *a == '0')
		a++, n--;
	while (m > 1 && *b == '0')
		b++, m--;
	if (n != m)
		return n < m ? -1 : 1;
	d = memcmp(a, b, n);
	return d < 0 ? -1 : d > 0;
}

static int cmp_texts(const char *a, size_t n, const char *b, size_t m)
{
	int d = memcmp(a, b, n < m ? n : m);

	if (d)
		return d < 0 ? -1 : 1;
	return n < m ? -1 : n > m;
}

static size_t run_length(const char *s)
{
	size_t n = 0;
	bool digit = is_digit(*s);

	while (s[n] && is_digit(s[n]) == digit)
		n++;
	return n;
}

int version_cmp(const char *a, const char *b)
{
	while (*a && *b) {
		size_t n = run_length(a), m = run_length(b);
		int d = is_digit(*a) && is_digit(*b) ? cmp_numbers(a, n, b, m) : cmp_texts(a, n, b, m);
		if (d)
			return d;
		a += n;
		b += m;
	}
	return *a ? 1 : *b ? -1 : 0;
}

static bool value_eq(const struct policy_attr *have, const struct posture_value *v)
{
	if (have->type != v->type)
		return false;
	switch (v->type) {
	case POLICY_ATTR_STRING:
		return strcmp(have->str, v->str) == 0;
	case POLICY_ATTR_NUMBER:
		return !(have->num < v->num) && !(have->num > v->num);
	case POLICY_ATTR_BOOL:
		return have->flag == v->flag;
	}
	return false;
}

/* -1, 0, 1; 2 where the two have no order. */
static int value_order(const struct policy_attr *have, const struct posture_value *v)
{
	if (have->type != v->type || v->type == POLICY_ATTR_BOOL)
		return 2;
	if (v->type == POLICY_ATTR_STRING)
		return version_cmp(have->str, v->str);
	return have->num < v->num ? -1 : have->num > v->num;
}

static bool value_in(const struct policy_attr *have, const struct assertion *a)
{
	for (uint32_t i = 0; i < a->n_value; i++)
		if (value_eq(have, &a->value[i]))
			return true;
	return false;
}

static bool assertion_holds(const struct assertion *a, const struct policy_attr *have)
{
	int d;

	if (!have)
		return a->op == OP_NOT_SET;
	switch (a->op) {
	case OP_SET:
		return true;
	case OP_NOT_SET:
		return false;
	case OP_EQ:
	case OP_IN:
		return value_in(have, a);
	case OP_NE:
	case OP_NOT_IN:
		return !value_in(have, a);
	case OP_LT:
	case OP_LE:
	case OP_GT:
	case OP_GE:
		break;
	}
	d = value_order(have, &a->value[0]);
	if (d == 2)
		return false;
	return (a->op == OP_LT && d < 0) || (a->op == OP_LE && d <= 0) || (a->op == OP_GT && d > 0) ||
	       (a->op == OP_GE && d >= 0);
}

bool posture_holds(const struct posture *p, const struct policy_attr *attr, size_t n_attr)
{
	for (uint32_t i = 0; i < p->n; i++) {
		const struct policy_attr *have = NULL;
		for (size_t k = 0; k < n_attr; k++)
			if (strcmp(attr[k].name, p->a[i].attr) == 0)
				have = &attr[k];
		if (!assertion_holds(&p->a[i], have))
			return false;
	}
	return true;
}

/* ---- parsing ---- */

struct scan {
	struct parse *c;
	uint32_t pos;
	const char *whole; /* for messages */
	const char *s;
};

static bool bad(struct scan *p, const char *why)
{
	return refuse(p->c, p->pos, "%s: %s", quoted_str(p->c->a, p->whole), why);
}

static void blanks(struct scan *p)
{
	while (*p->s == ' ' || *p->s == '\t')
		p->s++;
}

/* A word in either case, not followed by more of a word. */
static bool word(struct scan *p, const char *w)
{
	size_t n = strlen(w);

	if (strncasecmp(p->s, w, n) != 0 || (p->s[n] && strchr(" \t[", p->s[n]) == NULL))
		return false;
	p->s += n;
	blanks(p);
	return true;
}

static bool scan_string(struct scan *p, struct posture_value *v)
{
	const char *end = strchr(p->s + 1, '\'');

	if (!end)
		return bad(p, "string without an end");
	v->type = POLICY_ATTR_STRING;
	v->str = arena_strndup(p->c->a, p->s + 1, (size_t)(end - p->s - 1));
	p->s = end + 1;
	blanks(p);
	return true;
}

static bool scan_value(struct scan *p, struct posture_value *v)
{
	char *end;

	*v = (struct posture_value){ 0 };
	if (*p->s == '\'')
		return scan_string(p, v);
	if (strncasecmp(p->s, "true", 4) == 0 || strncasecmp(p->s, "false", 5) == 0) {
		v->type = POLICY_ATTR_BOOL;
		v->flag = (*p->s | 32) == 't';
		p->s += v->flag ? 4 : 5;
		blanks(p);
		return true;
	}
	if (!is_digit(*p->s) && *p->s != '-')
		return bad(p, "a string in single quotes, a number, true or false is expected");
	v->type = POLICY_ATTR_NUMBER;
	v->num = strtod(p->s, &end);
	if (end == p->s)
		return bad(p, "invalid number");
	p->s = end;
	blanks(p);
	return true;
}

static bool scan_list(struct scan *p, struct assertion *a)
{
	uint32_t max = 1;

	if (*p->s != '[')
		return bad(p, "a list in square brackets is expected");
	for (const char *s = p->s; *s; s++)
		max += *s == ',';
	a->value = ARENA_ARRAY(p->c->a, struct posture_value, max);
	do {
		p->s++;
		blanks(p);
		if (!scan_value(p, &a->value[a->n_value++]))
			return false;
	} while (*p->s == ',');
	if (*p->s != ']')
		return bad(p, "the list has no end");
	p->s++;
	blanks(p);
	return true;
}

static bool scan_one(struct scan *p, struct assertion *a, enum posture_op op, size_t skip)
{
	a->op = op;
	p->s += skip;
	blanks(p);
	a->value = ARENA_NEW(p->c->a, struct posture_value);
	a->n_value = 1;
	if (!scan_value(p, a->value))
		return false;
	if (op >= OP_LT && a->value->type == POLICY_ATTR_BOOL)
		return bad(p, "true and false have no order");
	return true;
}

static bool scan_operator(struct scan *p, struct assertion *a)
{
	if (!*p->s) {
		a->op = OP_EQ;
		a->value = ARENA_NEW(p->c->a, struct posture_value);
		*a->value = (struct posture_value){ .type = POLICY_ATTR_BOOL, .flag = true };
		a->n_value = 1;
		return true;
	}
	if (strncmp(p->s, "==", 2) == 0)
		return scan_one(p, a, OP_EQ, 2);
	if (strncmp(p->s, "!=", 2) == 0)
		return scan_one(p, a, OP_NE, 2);
	if (*p->s == '<' || *p->s == '>') {
		bool eq = p->s[1] == '=';
		enum posture_op op = *p->s == '<' ? (eq ? OP_LE : OP_LT) : (eq ? OP_GE : OP_GT);
		return scan_one(p, a, op, eq ? 2 : 1);
	}
	if (word(p, "IN")) {
		a->op = OP_IN;
		return scan_list(p, a);
	}
	if (word(p, "IS")) {
		a->op = OP_SET;
		return word(p, "SET") || bad(p, "SET is expected after IS");
	}
	if (!word(p, "NOT"))
		return bad(p, "unknown operator");
	a->op = OP_NOT_SET;
	if (word(p, "SET"))
		return true;
	a->op = OP_NOT_IN;
	return word(p, "IN") ? scan_list(p, a) : bad(p, "IN or SET is expected after NOT");
}

static bool parse_assertion(struct parse *c, const struct hujson_value *v, struct assertion *a)
{
	struct scan p = { .c = c, .pos = v->pos };
	size_t n;

	if (!must_be(c, v, HUJSON_STRING, "postures"))
		return false;
	p.whole = p.s = trimmed(c->a, v->text);
	n = strcspn(p.s, " \t=!<>");
	a->attr = arena_strndup(c->a, p.s, n);
	if (!strchr(a->attr, ':') || a->attr[0] == ':' || a->attr[n - 1] == ':')
		return bad(&p, "an attribute has the form namespace:name");
	p.s += n;
	blanks(&p);
	if (!scan_operator(&p, a))
		return false;
	return !*p.s || bad(&p, "text after the assertion");
}

static bool parse_posture(struct parse *c, const struct hujson_value *v)
{
	struct posture p = { .name = arena_strndup(c->a, v->key.p, v->key.n) };

	if (strncmp(p.name, "posture:", 8) != 0 || !p.name[8])
		return refuse(c, v->key_pos, "postures[%s]: names must start with 'posture:'",
			      quoted_str(c->a, p.name));
	if (!must_be(c, v, HUJSON_ARRAY, p.name))
		return false;
	p.a = ARENA_ARRAY(c->a, struct assertion, v->n);
	for (const struct hujson_value *e = v->child; e; e = e->next)
		if (!parse_assertion(c, e, &p.a[p.n++]))
			return false;
	strmap_add(&c->p->posture_by_name, bytes_of_str(p.name), (uint32_t)c->p->postures.n);
	vec_push(&c->p->postures, p);
	return true;
}

static bool cond_of(struct parse *c, const struct hujson_value **v, uint32_t n, int32_t *out)
{
	struct cond d = { .posture = ARENA_ARRAY(c->a, uint32_t, n), .n = n, .text = "" };

	for (uint32_t i = 0; i < n; i++) {
		const char *name = trimmed(c->a, v[i]->text);
		d.posture[i] = strmap_get_str(&c->p->posture_by_name, name);
		if (d.posture[i] == STRMAP_NONE)
			return refuse(c, v[i]->pos, "posture not found: %s", quoted_str(c->a, name));
		d.text = arena_printf(c->a, "%s%s%s", d.text, i ? " or " : "", name);
	}
	for (size_t i = 0; i < c->p->conds.n; i++)
		if (c->p->conds.v[i].n == n &&
		    memcmp(c->p->conds.v[i].posture, d.posture, n * sizeof *d.posture) == 0) {
			*out = (int32_t)i;
			return true;
		}
	*out = (int32_t)c->p->conds.n;
	vec_push(&c->p->conds, d);
	return true;
}

bool parse_cond(struct parse *c, const struct hujson_value *rule, int32_t *out)
{
	const struct hujson_value **v;
	uint32_t n;

	*out = c->p->default_cond;
	if (!field_strings(c, rule, "srcPosture", &v, &n))
		return false;
	return n == 0 || cond_of(c, v, n, out);
}

bool parse_postures(struct parse *c, const struct hujson_value *root)
{
	const struct hujson_value *list = field(root, "postures"), **v;
	uint32_t n;

	if (list && !must_be(c, list, HUJSON_OBJECT, "postures"))
		return false;
	for (const struct hujson_value *p = list ? list->child : NULL; p; p = p->next)
		if (!parse_posture(c, p))
			return false;
	if (!field_strings(c, root, "defaultSrcPosture", &v, &n))
		return false;
	return n == 0 || cond_of(c, v, n, &c->p->default_cond);
}

bool parse_attr_values(struct parse *c, const struct hujson_value *o, struct policy_attr **out, uint32_t *n_out)
{
	*n_out = 0;
	*out = NULL;
	if (!o)
		return true;
	if (!must_be(c, o, HUJSON_OBJECT, "srcPostureAttrs"))
		return false;
	*out = ARENA_ARRAY(c->a, struct policy_attr, o->n);
	for (const struct hujson_value *v = o->child; v; v = v->next) {
		struct policy_attr *a = &(*out)[(*n_out)++];
		a->name = arena_strndup(c->a, v->key.p, v->key.n);
		if (v->type == HUJSON_STRING) {
			a->type = POLICY_ATTR_STRING;
			a->str = arena_strndup(c->a, v->text.p, v->text.n);
		} else if (v->type == HUJSON_NUMBER) {
			a->type = POLICY_ATTR_NUMBER;
			a->num = strtod(arena_strndup(c->a, v->text.p, v->text.n), NULL);
		} else if (v->type == HUJSON_BOOL) {
			a->type = POLICY_ATTR_BOOL;
			a->flag = v->flag;
		} else {
			return refuse(c, v->pos, "srcPostureAttrs: values are strings, numbers or booleans");
		}
	}
	return true;
}
