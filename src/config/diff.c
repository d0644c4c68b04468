/* config/diff.c -- keys by name, two configurations compared, and one written out; see config/config.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "config/config_priv.h"

const char *config_key_name(size_t i)
{
	return i < cfg_keys_n ? cfg_keys[i].name : NULL;
}

enum config_reload config_key_reload(const char *key)
{
	int i = cfg_key_find(key);

	if (i < 0 || cfg_idle_key_find(key))
		return CONFIG_RELOAD_IDLE;
	return cfg_keys[i].flags & KEY_LIVE ? CONFIG_RELOAD_LIVE : CONFIG_RELOAD_RESTART;
}

static bool in_section(const char *key, const char *section)
{
	size_t n = strlen(section);

	return !strncmp(key, section, n) && (key[n] == 0 || key[n] == '.');
}

bool config_key_is_set(const struct config *c, const char *key)
{
	return config_key_origin(c, key, NULL) != NULL;
}

const char *config_key_origin(const struct config *c, const char *key, unsigned *line_out)
{
	for (size_t i = 0; i < cfg_keys_n; i++) {
		const struct origin *o = &c->priv->origin[i];

		if (!o->source || !in_section(cfg_keys[i].name, key))
			continue;
		if (line_out)
			*line_out = o->line;
		return o->source;
	}
	return NULL;
}

/* ---- comparing ---- */

static bool same_strings(const struct config_strings *a, const struct config_strings *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->v[i], b->v[i]))
			return false;
	}
	return true;
}

static bool same_prefixes(const struct config_prefixes *a, const struct config_prefixes *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!ip_prefix_eq(&a->v[i], &b->v[i]))
			return false;
	}
	return true;
}

static bool same_split(const struct config_split *a, const struct config_split *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(a[i].domain, b[i].domain) || !same_strings(&a[i].servers, &b[i].servers))
			return false;
	}
	return true;
}

static bool same_records(const struct config_record *a, const struct config_record *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(a[i].name, b[i].name) || strcmp(a[i].type, b[i].type) || strcmp(a[i].value, b[i].value))
			return false;
	}
	return true;
}

static bool same_params(const struct config_param *a, const struct config_param *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(a[i].name, b[i].name) || strcmp(a[i].value, b[i].value))
			return false;
	}
	return true;
}

/* The three kinds that are a pointer and a number. */
static bool same_counted(const struct key *k, const struct config *a, const struct config *b)
{
	const void *pa = *(void *const *)cfg_member_of_const(a, k->off),
		   *pb = *(void *const *)cfg_member_of_const(b, k->off);
	size_t na = *(const size_t *)cfg_member_of_const(a, k->off_n),
	       nb = *(const size_t *)cfg_member_of_const(b, k->off_n);

	if (na != nb)
		return false;
	if (k->kind == KEY_SPLIT)
		return same_split(pa, pb, na);
	if (k->kind == KEY_RECORDS)
		return same_records(pa, pb, na);
	return same_params(pa, pb, na);
}

static bool same(const struct key *k, const struct config *a, const struct config *b)
{
	const void *va = cfg_member_of_const(a, k->off), *vb = cfg_member_of_const(b, k->off);

	switch (k->kind) {
	case KEY_BOOL:
		return *(const bool *)va == *(const bool *)vb;
	case KEY_INT:
	case KEY_DURATION:
		return *(const int64_t *)va == *(const int64_t *)vb;
	case KEY_ENUM:
	case KEY_MODE:
		return *(const int *)va == *(const int *)vb;
	case KEY_LISTEN:
		return !strcmp(((const struct config_listen *)va)->text, ((const struct config_listen *)vb)->text);
	case KEY_URL:
		return !strcmp(((const struct config_url *)va)->text, ((const struct config_url *)vb)->text);
	case KEY_PREFIX_V4:
	case KEY_PREFIX_V6:
		return ip_prefix_eq(va, vb);
	case KEY_LIST:
	case KEY_URLS:
	case KEY_DOMAINS:
	case KEY_RESOLVERS:
		return same_strings(va, vb);
	case KEY_PREFIXES:
		return same_prefixes(va, vb);
	case KEY_SPLIT:
	case KEY_RECORDS:
	case KEY_PARAMS:
		return same_counted(k, a, b);
	default:
		return !strcmp(*(const char *const *)va, *(const char *const *)vb);
	}
}

size_t config_diff(const struct config *a, const struct config *b,
		   struct config_change changes_out[static CONFIG_KEYS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < cfg_keys_n; i++) {
		if (!same(&cfg_keys[i], a, b))
			changes_out[n++] =
			    (struct config_change){ cfg_keys[i].name, config_key_reload(cfg_keys[i].name) };
	}
	return n;
}

struct config *config_overlay(const struct config *started, const struct config *next)
{
	struct arena *arena = arena_new();
	struct config *c = ARENA_NEW(arena, struct config);
	struct config_priv *priv = ARENA_NEW(arena, struct config_priv);

	*c = *started;
	*priv = *started->priv;
	priv->arena = arena;
	priv->borrows = true;
	c->priv = priv;
	for (size_t i = 0; i < cfg_keys_n; i++) {
		const struct key *k = &cfg_keys[i];

		if (config_key_reload(k->name) != CONFIG_RELOAD_LIVE)
			continue;
		memcpy(cfg_member_of(c, k->off), cfg_member_of_const(next, k->off), cfg_kind_size(k->kind));
		if (k->off_n)
			memcpy(cfg_member_of(c, k->off_n), cfg_member_of_const(next, k->off_n), sizeof(size_t));
		priv->origin[i] = next->priv->origin[i];
	}
	return c;
}

const char *config_text(struct config *c, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return arena_strdup(c->priv->arena, text);
}

/* ---- writing out ---- */

static void write_strings(struct jw *w, const struct config_strings *s)
{
	jw_arr_begin(w);
	for (size_t i = 0; i < s->n; i++)
		jw_str(w, s->v[i]);
	jw_arr_end(w);
}

static void write_prefix(struct jw *w, const struct ip_prefix *p)
{
	char text[IP_PREFIX_TEXT_MAX] = "";

	if (p->addr.family != IP_NONE)
		ip_prefix_format(p, text);
	jw_str(w, text);
}

static void write_counted(struct jw *w, const struct key *k, const struct config *c)
{
	const void *p = *(void *const *)cfg_member_of_const(c, k->off);
	size_t n = *(const size_t *)cfg_member_of_const(c, k->off_n);

	if (k->kind == KEY_RECORDS) {
		const struct config_record *r = p;

		jw_arr_begin(w);
		for (size_t i = 0; i < n; i++) {
			jw_obj_begin(w);
			jw_kstr(w, "name", r[i].name);
			jw_kstr(w, "type", r[i].type);
			jw_kstr(w, "value", r[i].value);
			jw_obj_end(w);
		}
		jw_arr_end(w);
		return;
	}
	jw_obj_begin(w);
	for (size_t i = 0; i < n; i++) {
		if (k->kind == KEY_SPLIT) {
			jw_key_bytes(w, bytes_of_str(((const struct config_split *)p)[i].domain));
			write_strings(w, &((const struct config_split *)p)[i].servers);
		} else { /* values of parameters may be secret */
			jw_key_bytes(w, bytes_of_str(((const struct config_param *)p)[i].name));
			jw_str(w, "***");
		}
	}
	jw_obj_end(w);
}

static void write_enum(struct jw *w, const struct key *k, int v)
{
	for (const struct key_word *e = k->words; e->word; e++) {
		if (e->value == v) {
			jw_str(w, e->word);
			return;
		}
	}
	jw_str(w, "");
}

static void write_duration(struct jw *w, int64_t ns)
{
	char text[DURATION_TEXT_MAX];

	duration_format(ns, text);
	jw_str(w, text);
}

static void write_mode(struct jw *w, int mode)
{
	char text[] = { '0', (char)('0' + (mode >> 6 & 7)), (char)('0' + (mode >> 3 & 7)), (char)('0' + (mode & 7)),
			0 };

	jw_str(w, text);
}

static void write_value(struct jw *w, const struct key *k, const struct config *c)
{
	const void *v = cfg_member_of_const(c, k->off);

	switch (k->kind) {
	case KEY_BOOL:
		jw_bool(w, *(const bool *)v);
		return;
	case KEY_INT:
		jw_i64(w, *(const int64_t *)v);
		return;
	case KEY_DURATION:
		write_duration(w, *(const int64_t *)v);
		return;
	case KEY_ENUM:
		write_enum(w, k, *(const int *)v);
		return;
	case KEY_MODE:
		write_mode(w, *(const int *)v);
		return;
	case KEY_LISTEN:
		jw_str(w, ((const struct config_listen *)v)->text);
		return;
	case KEY_URL:
		jw_str(w, ((const struct config_url *)v)->text);
		return;
	case KEY_PREFIX_V4:
	case KEY_PREFIX_V6:
		write_prefix(w, v);
		return;
	case KEY_LIST:
	case KEY_URLS:
	case KEY_DOMAINS:
	case KEY_RESOLVERS:
		write_strings(w, v);
		return;
	case KEY_PREFIXES:
		jw_arr_begin(w);
		for (size_t i = 0; i < ((const struct config_prefixes *)v)->n; i++)
			write_prefix(w, &((const struct config_prefixes *)v)->v[i]);
		jw_arr_end(w);
		return;
	case KEY_SPLIT:
	case KEY_RECORDS:
	case KEY_PARAMS:
		write_counted(w, k, c);
		return;
	default:
		break;
	}
	if ((k->flags & KEY_SECRET) && **(const char *const *)v)
		jw_str(w, "***");
	else
		jw_str(w, *(const char *const *)v);
}

/* Length of the part of `a` up to its last dot that also begins `b`, dots included. */
static size_t common_sections(const char *a, const char *b)
{
	size_t n = 0;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++) {
		if (a[i] == '.')
			n = i + 1;
	}
	return n;
}

static size_t dots(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '.';
	return n;
}

void config_write_json(const struct config *c, struct jw *w)
{
	const char *before = "";

	jw_obj_begin(w);
	for (size_t i = 0; i < cfg_keys_n; i++) {
		const char *name = cfg_keys[i].name;
		const char *p = name + common_sections(before, name);

		for (size_t k = dots(before + (p - name)); k > 0; k--)
			jw_obj_end(w);
		for (const char *dot; (dot = strchr(p, '.')); p = dot + 1) {
			jw_key_bytes(w, bytes_of(p, (size_t)(dot - p)));
			jw_obj_begin(w);
		}
		jw_key(w, p);
		write_value(w, &cfg_keys[i], c);
		before = name;
	}
	for (size_t k = dots(before); k > 0; k--)
		jw_obj_end(w);
	jw_obj_end(w);
}
