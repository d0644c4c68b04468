/* config/report.c -- problems: collecting, and printing without secrets or control characters; see config/config.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "config/config_priv.h"

#define SHOWN_MAX 80 /* bytes of a value that are shown */

static struct arena *report_arena(struct config_report *r)
{
	if (!r->arena)
		r->arena = arena_new();
	return r->arena;
}

/* One bad key can hold thousands of bad items: past the limit they are counted only. */
static void push(struct config_report *r, const struct config_problem *p)
{
	if (p->severity == CONFIG_ERROR)
		r->n_errors++;
	else
		r->n_warnings++;
	if (r->n == CONFIG_PROBLEMS_MAX)
		return;
	if (!r->v)
		r->v = ARENA_ARRAY(report_arena(r), struct config_problem, CONFIG_PROBLEMS_MAX);
	r->v[r->n++] = *p;
}

static const char *copy(struct config_report *r, const char *s)
{
	return arena_strdup(report_arena(r), s ? s : "");
}

void cfg_problem(struct config_report *r, enum config_severity severity, const struct spot *at, const char *fmt, ...)
{
	struct config_problem p = { .severity = severity, .line = at->line, .column = at->column };
	char text[640];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (r->n < CONFIG_PROBLEMS_MAX) {
		p.source = copy(r, at->source);
		p.key = copy(r, at->key);
		p.value = copy(r, at->value);
		p.text = copy(r, text);
	}
	push(r, &p);
}

void cfg_complain(struct loader *l, enum config_severity severity, const char *key, const char *fmt, ...)
{
	int i = cfg_key_find(key);
	struct origin *o = &l->c->priv->origin[i];
	struct spot at = { o->source ? o->source : l->report->file, o->line, o->column, key, o->shown };
	char text[512];
	va_list ap;

	if (o->bad)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	cfg_problem(l->report, severity, &at, "%s", text);
	if (severity == CONFIG_ERROR)
		o->bad = true;
}

/* The first bytes of s, cut between characters. */
static char *shortened(struct arena *arena, const char *s)
{
	size_t n = strlen(s), end = 0, len;

	if (n <= SHOWN_MAX)
		return arena_strdup(arena, s);
	while (end < SHOWN_MAX) {
		len = utf8_len(bytes_of(s + end, n - end));
		end += len ? len : 1;
	}
	return arena_printf(arena, "%.*s...", (int)end, s);
}

/* What stands between :// and @ may be a password. */
static char *without_password(struct arena *arena, const char *s)
{
	const char *at = strrchr(s, '@'), *scheme = strstr(s, "://");

	if (!at || !scheme || at < scheme)
		return arena_strdup(arena, s);
	return arena_printf(arena, "%.*s***%s", (int)(scheme + 3 - s), s, at);
}

const char *cfg_shown(struct loader *l, const struct key *k, const struct cfg_node *n)
{
	struct arena *arena = report_arena(l->report);

	if (n->kind != CFG_SCALAR)
		return n->kind == CFG_LIST ? "a list" : "a map";
	if ((k->flags & KEY_SECRET) || k->kind == KEY_PARAMS)
		return "";
	return without_password(arena, shortened(arena, n->s));
}

void config_report_release(struct config_report *r)
{
	arena_free(&r->arena);
	*r = (struct config_report){ 0 };
}

/* Text from a file must not steer the terminal it is shown on. */
static void put_clean(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			buf_printf(out, "\\x%02x", (unsigned char)*s);
		else
			buf_put_char(out, *s);
	}
}

void config_problem_print(const struct config_problem *p, struct buf *out)
{
	const char *sep = "";

	buf_put_str(out, p->severity == CONFIG_ERROR ? "Fatal config error: " : "Warning: ");
	put_clean(out, p->text);
	if (!*p->source && !*p->key)
		return;
	buf_put_str(out, " (");
	if (*p->source) {
		put_clean(out, p->source);
		if (p->line)
			buf_printf(out, ":%u", p->line);
		if (p->line && p->column)
			buf_printf(out, ":%u", p->column);
		sep = ": ";
	}
	if (*p->key) {
		buf_put_str(out, sep);
		put_clean(out, p->key);
		sep = ": ";
	}
	if (*p->value) {
		buf_put_str(out, sep);
		buf_put_char(out, '"');
		put_clean(out, p->value);
		buf_put_char(out, '"');
	}
	buf_put_char(out, ')');
}

void config_report_print(const struct config_report *r, struct buf *out)
{
	for (int severity = CONFIG_WARNING; severity <= CONFIG_ERROR; severity++) {
		for (size_t i = 0; i < r->n; i++) {
			if ((int)r->v[i].severity != severity)
				continue;
			config_problem_print(&r->v[i], out);
			buf_put_char(out, '\n');
		}
	}
	if (r->n_errors + r->n_warnings > r->n)
		buf_printf(out, "and %zu more\n", r->n_errors + r->n_warnings - r->n);
}
