/*
 * policy/policy.c -- from text to a checked policy: the order of the sections, and what all of them use.
 *
 * The first fault found is the answer, and sections are read in a fixed order whatever their order in
 * the file, so that one file always gets one message.
 */
#include "policy/policy.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "policy/policy_priv.h"

bool refuse(struct parse *c, uint32_t pos, const char *fmt, ...)
{
	va_list ap;

	if (c->failed)
		return false;
	c->failed = true;
	c->status = ST_BAD_INPUT;
	if (!c->error)
		return false;
	c->error->http_status = 400;
	hujson_position(c->p->text, pos, &c->error->line, &c->error->column);
	va_start(ap, fmt);
	vsnprintf(c->error->message, sizeof c->error->message, fmt, ap);
	va_end(ap);
	return false;
}

void warn(struct parse *c, uint32_t pos, const char *fmt, ...)
{
	struct policy_warning w;
	char text[400];
	va_list ap;

	if (c->p->warnings.n >= 200)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	hujson_position(c->p->text, pos, &w.line, &w.column);
	w.text = arena_strdup(c->a, text);
	vec_push(&c->p->warnings, w);
}

/* Characters that Go would not print as they are: controls, blanks but the space, private and unassigned marks. */
static bool printable(uint32_t ch)
{
	static const struct {
		uint32_t from, to;
	} no[] = {
		{ 0, 0x1f },	    { 0x7f, 0xa0 },	{ 0xad, 0xad },	    { 0x61c, 0x61c },	{ 0x1680, 0x1680 },
		{ 0x180e, 0x180e }, { 0x2000, 0x200f }, { 0x2028, 0x202f }, { 0x205f, 0x206f }, { 0x3000, 0x3000 },
		{ 0xe000, 0xf8ff }, { 0xfeff, 0xfeff }, { 0xfff0, 0xfffb }, { 0xfffe, 0xffff }, { 0xe0000, 0x10ffff }
	};

	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		if (ch >= no[i].from && ch <= no[i].to)
			return false;
	return true;
}

static uint32_t char_at(const uint8_t *p, size_t n)
{
	uint32_t ch = n == 1 ? p[0] : (uint32_t)(p[0] & (0xff >> (n + 1)));

	for (size_t i = 1; i < n; i++)
		ch = ch << 6 | (p[i] & 0x3f);
	return ch;
}

static void quote_char(struct buf *b, const uint8_t *p, size_t n)
{
	static const char names[] = "abtnvfr"; /* \a is 7 */
	uint32_t ch = char_at(p, n);

	if (ch == '"' || ch == '\\')
		buf_put_char(b, '\\');
	if (ch >= 7 && ch <= 13)
		buf_printf(b, "\\%c", names[ch - 7]);
	else if (printable(ch))
		buf_put(b, p, n);
	else if (ch < 0x80)
		buf_printf(b, "\\x%02x", ch);
	else
		buf_printf(b, ch < 0x10000 ? "\\u%04x" : "\\U%08x", ch);
}

const char *quoted(struct arena *a, struct bytes s)
{
	struct buf b;
	const char *out;

	buf_init(&b, 10 * s.n + 16);
	buf_put_char(&b, '"');
	while (s.n) {
		size_t n = utf8_len(s);
		if (n == 0)
			buf_printf(&b, "\\x%02x", s.p[n++]);
		else
			quote_char(&b, s.p, n);
		s = bytes_skip(s, n);
	}
	buf_put_char(&b, '"');
	out = arena_strndup(a, b.p, b.n);
	buf_release(&b);
	return out;
}

const char *quoted_str(struct arena *a, const char *s)
{
	return quoted(a, bytes_of_str(s));
}

const char *trimmed(struct arena *a, struct bytes s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = bytes_skip(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return arena_strndup(a, s.p, s.n);
}

static const char *type_word(enum hujson_type t)
{
	static const char *const word[] = { "null", "a boolean", "a number", "a string", "a list", "an object" };
	return word[t];
}

bool must_be(struct parse *c, const struct hujson_value *v, enum hujson_type t, const char *what)
{
	if (v->type == t)
		return true;
	return refuse(c, v->pos, "%s: expected %s, got %s", what, type_word(t), type_word(v->type));
}

static bool name_is(const struct hujson_value *v, const char *name)
{
	return bytes_ieq_str(v->key, name);
}

const struct hujson_value *field(const struct hujson_value *o, const char *name)
{
	for (const struct hujson_value *v = o->child; v; v = v->next)
		if (name_is(v, name))
			return v->type == HUJSON_NULL ? NULL : v;
	return NULL;
}

bool only_fields(struct parse *c, const struct hujson_value *o, const char *const *names)
{
	uint64_t seen = 0;

	for (const struct hujson_value *v = o->child; v; v = v->next) {
		unsigned i = 0;
		while (names[i] && !name_is(v, names[i]))
			i++;
		assert(i < 64);
		if (!names[i])
			return refuse(c, v->key_pos, "unknown field: %s", quoted(c->a, v->key));
		if (seen >> i & 1)
			return refuse(c, v->key_pos, "duplicate field: %s", quoted(c->a, v->key));
		seen |= (uint64_t)1 << i;
	}
	return true;
}

bool field_strings(struct parse *c, const struct hujson_value *o, const char *name, const struct hujson_value ***out,
		   uint32_t *n_out)
{
	const struct hujson_value *v = field(o, name);
	uint32_t n = 0;

	*n_out = 0;
	*out = NULL;
	if (!v)
		return true;
	if (!must_be(c, v, HUJSON_ARRAY, name))
		return false;
	*out = ARENA_ARRAY(c->a, const struct hujson_value *, v->n);
	for (const struct hujson_value *e = v->child; e; e = e->next) {
		if (!must_be(c, e, HUJSON_STRING, name))
			return false;
		(*out)[n++] = e;
	}
	*n_out = n;
	return true;
}

bool field_string(struct parse *c, const struct hujson_value *o, const char *name, const struct hujson_value **out)
{
	*out = field(o, name);
	return !*out || must_be(c, *out, HUJSON_STRING, name);
}

bool field_bool(struct parse *c, const struct hujson_value *o, const char *name, bool *out)
{
	const struct hujson_value *v = field(o, name);

	if (!v)
		return true;
	if (!must_be(c, v, HUJSON_BOOL, name))
		return false;
	*out = v->flag;
	return true;
}

uint64_t hash_u64(uint64_t h, uint64_t v)
{
	h ^= v + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
	h *= 0xff51afd7ed558ccdu;
	return h ^ h >> 32;
}

uint64_t hash_text(uint64_t h, const char *s)
{
	for (; *s; s++) {
		h = (h ^ (uint8_t)*s) * 0x100000001b3u;
		h ^= h >> 31;
	}
	return hash_u64(h, 0x1f);
}

static struct policy *policy_empty(struct bytes text)
{
	struct policy *p = xcalloc(1, sizeof *p);

	atomic_init(&p->refs, 1);
	p->arena = arena_new();
	p->text = arena_bytes_dup(p->arena, text);
	p->default_cond = -1;
	p->one_cgnat = "";
	return p;
}

static bool check_top(struct parse *c, const struct hujson_value *root)
{
	static const char *const names[] = { "acls",
					     "grants",
					     "groups",
					     "hosts",
					     "ipsets",
					     "tagOwners",
					     "autoApprovers",
					     "ssh",
					     "nodeAttrs",
					     "postures",
					     "defaultSrcPosture",
					     "attrConfig",
					     "tests",
					     "sshTests",
					     "derpMap",
					     "disableIPv4",
					     "OneCGNATRoute",
					     "randomizeClientPort",
					     NULL };
	return must_be(c, root, HUJSON_OBJECT, "policy") && only_fields(c, root, names);
}

static bool parse_sections(struct parse *c, const struct hujson_value *root)
{
	return check_top(c, root) && parse_groups(c, root) && parse_hosts(c, root) && parse_ipsets(c, root) &&
	       parse_postures(c, root) && parse_tag_owners(c, root) && parse_approvers(c, root) &&
	       parse_grants(c, root) && parse_acls(c, root) && parse_ssh(c, root) && parse_node_attrs(c, root) &&
	       parse_tests(c, root) && parse_settings(c, root);
}

static bool parse_text(struct parse *c)
{
	struct hujson_error e;
	enum status s = hujson_parse(c->p->text, c->a, &c->p->tree, &e);

	if (s == ST_OK && !c->p->tree.root)
		return parse_allow_all(c);
	if (s == ST_OK)
		return parse_sections(c, c->p->tree.root);
	c->failed = true;
	c->status = s;
	if (c->error) {
		*c->error = (struct policy_error){ 400, e.line, e.column, "" };
		snprintf(c->error->message, sizeof c->error->message, "%s", e.message);
	}
	return false;
}

static enum status too_big(struct policy_error *error, const char *what)
{
	if (error) {
		*error = (struct policy_error){ .http_status = 400 };
		snprintf(error->message, sizeof error->message, "%s", what);
	}
	return ST_TOO_BIG;
}

enum status policy_parse(struct bytes text, const struct policy_settings *settings, struct policy **out,
			 struct policy_error *error)
{
	static const struct policy_settings none;
	struct parse c = { .settings = settings ? settings : &none, .error = error };
	struct policy *p;

	if (text.n > POLICY_TEXT_MAX)
		return too_big(error, "the policy is too long");
	p = policy_empty(text);
	c.p = p;
	c.a = p->arena;
	if (!parse_text(&c)) {
		policy_unref(&p);
		return c.status;
	}
	if (p->sels.n > POLICY_SELECTORS_MAX || p->tmpls.n > POLICY_RULES_MAX) {
		policy_unref(&p);
		return too_big(error, "the policy has too many rules or selectors");
	}
	*out = p;
	return ST_OK;
}

struct policy *policy_allow_all(void)
{
	struct policy *p;
	enum status s = policy_parse(bytes_of("", 0), NULL, &p, NULL);

	assert(s == ST_OK);
	return p;
}

struct policy *policy_ref(struct policy *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

static void policy_free(struct policy *p)
{
	vec_release(&p->sels);
	vec_release(&p->groups);
	vec_release(&p->hosts);
	vec_release(&p->ipsets);
	vec_release(&p->postures);
	vec_release(&p->conds);
	vec_release(&p->tags);
	vec_release(&p->srcsets);
	vec_release(&p->rules);
	vec_release(&p->tmpls);
	vec_release(&p->ssh);
	vec_release(&p->attrs);
	vec_release(&p->approvers);
	vec_release(&p->tests);
	vec_release(&p->ssh_tests);
	vec_release(&p->warnings);
	strmap_release(&p->sel_by_text);
	strmap_release(&p->group_by_name);
	strmap_release(&p->host_by_name);
	strmap_release(&p->ipset_by_name);
	strmap_release(&p->posture_by_name);
	strmap_release(&p->tag_by_name);
	strmap_release(&p->srcset_by_text);
	arena_free(&p->arena);
	free(p);
}

void policy_unref(struct policy **pp)
{
	struct policy *p = *pp;

	*pp = NULL;
	if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
		policy_free(p);
}

struct bytes policy_text(const struct policy *p)
{
	return p->text;
}

size_t policy_warnings(const struct policy *p, const struct policy_warning **out)
{
	*out = p->warnings.v;
	return p->warnings.n;
}

bool policy_has_tests(const struct policy *p)
{
	return p->tests.n + p->ssh_tests.n > 0;
}

char *policy_standard_json(const struct policy *p, size_t *n_out)
{
	struct buf b;
	char *out;
	size_t n;

	buf_init(&b, POLICY_TEXT_MAX + 16);
	if (p->tree.root)
		hujson_standardize(&p->tree, &b);
	else
		buf_put_str(&b, "{}");
	out = buf_take(&b, &n);
	if (n_out)
		*n_out = n;
	return out;
}
