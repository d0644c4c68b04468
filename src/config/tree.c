/*
 * config/tree.c -- see config/tree.h.
 *
 * The library's own document loader resolves aliases to shared nodes, also to ones that are still open, and
 * knows no limits; so we build from events, with a stack of CONFIG_DEPTH_MAX levels.
 */
#include "config/tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/vec.h"
#include "config/config.h"

/* An alias looks through them one by one. */
#define ANCHORS_MAX 256

struct anchor {
	const char *name;
	struct cfg_node *node;
};

/* A map or list that is still open. */
struct level {
	struct cfg_node *node;
	VEC(struct cfg_node *) items;
	VEC(struct cfg_pair) pairs;
	struct cfg_pair pair; /* a key that waits for its value */
	bool has_key;
	const char *anchor;
};

struct builder {
	struct arena *arena;
	struct cfg_tree *tree;
	struct cfg_tree_error *e;
	struct level levels[CONFIG_DEPTH_MAX];
	size_t depth;
	size_t weight;
	VEC(struct anchor) anchors;
};

static enum status fail(struct builder *b, enum status s, unsigned line, unsigned column, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
static enum status fail(struct builder *b, enum status s, unsigned line, unsigned column, const char *fmt, ...)
{
	va_list ap;

	b->e->line = line;
	b->e->column = column;
	va_start(ap, fmt);
	vsnprintf(b->e->text, sizeof b->e->text, fmt, ap);
	va_end(ap);
	return s;
}

static struct cfg_node *node_new(struct builder *b, enum cfg_kind kind, yaml_mark_t at)
{
	struct cfg_node *n = ARENA_NEW(b->arena, struct cfg_node);

	n->kind = kind;
	n->line = (unsigned)at.line + 1;
	n->column = (unsigned)at.column + 1;
	n->s = arena_strdup(b->arena, "");
	n->weight = n->height = 1;
	n->next = b->tree->all;
	b->tree->all = n;
	return n;
}

/* ---- maps: merge keys and duplicates ---- */

static int pair_order(const void *a, const void *b)
{
	const struct cfg_pair *const *x = a, *const *y = b;
	int r = strcmp((*x)->key, (*y)->key);

	if (r)
		return r;
	if ((*x)->rank != (*y)->rank)
		return (*x)->rank < (*y)->rank ? -1 : 1;
	return *x < *y ? -1 : *x > *y; /* as written: they stand in one array */
}

static void merge_map(struct level *l, const struct cfg_node *from, unsigned rank)
{
	for (size_t i = 0; i < from->n; i++) {
		struct cfg_pair p = from->pairs[i];

		p.rank = rank;
		vec_push(&l->pairs, p);
	}
}

/* Add the members of what `<<` names behind the map's own. */
static enum status merge_all(struct builder *b, struct level *l)
{
	size_t own = l->pairs.n;
	unsigned rank = 0;

	for (size_t i = 0; i < own; i++) {
		const struct cfg_pair p = l->pairs.v[i];
		const struct cfg_node *v = p.value;
		bool ok = v->kind == CFG_MAP;

		if (!p.merge)
			continue;
		if (ok)
			merge_map(l, v, ++rank);
		if (v->kind == CFG_LIST) {
			ok = true;
			for (size_t k = 0; k < v->n && ok; k++) {
				ok = v->items[k]->kind == CFG_MAP;
				if (ok)
					merge_map(l, v->items[k], ++rank);
			}
		}
		if (!ok)
			return fail(b, ST_BAD_INPUT, p.line, p.column, "<< merges a map or a list of maps");
	}
	return ST_OK;
}

/* Sort out what was written twice (an error) and what a merged map brings although it is there (dropped). */
static enum status close_map(struct builder *b, struct level *l)
{
	struct cfg_node *n = l->node;
	struct cfg_pair **by_key = NULL;
	enum status s = merge_all(b, l);

	if (s != ST_OK)
		return s;
	by_key = xcalloc(l->pairs.n + 1, sizeof *by_key);
	for (size_t i = 0; i < l->pairs.n; i++)
		by_key[i] = &l->pairs.v[i];
	qsort(by_key, l->pairs.n, sizeof *by_key, pair_order);
	for (size_t i = 1; i < l->pairs.n; i++) {
		if (strcmp(by_key[i - 1]->key, by_key[i]->key) || by_key[i]->merge)
			continue;
		if (by_key[i]->rank == 0 && s == ST_OK)
			s = fail(b, ST_BAD_INPUT, by_key[i]->line, by_key[i]->column,
				 "the key \"%.60s\" stands twice in this map, first in line %u", by_key[i]->key,
				 by_key[i - 1]->line);
		by_key[i]->value = NULL;
	}
	free(by_key);
	if (s != ST_OK)
		return s;
	n->pairs = ARENA_ARRAY(b->arena, struct cfg_pair, l->pairs.n);
	for (size_t i = 0; i < l->pairs.n; i++) {
		if (l->pairs.v[i].value && !l->pairs.v[i].merge)
			n->pairs[n->n++] = l->pairs.v[i];
	}
	return ST_OK;
}

/* ---- events ---- */

/* A finished node goes to the level that is open, or is the root. */
static enum status add(struct builder *b, struct cfg_node *n, const yaml_event_t *ev)
{
	unsigned line = (unsigned)ev->start_mark.line + 1, column = (unsigned)ev->start_mark.column + 1;
	struct level *l = b->depth ? &b->levels[b->depth - 1] : NULL;

	if (!l) {
		b->tree->root = n;
		return ST_OK;
	}
	if (b->depth + n->height > CONFIG_DEPTH_MAX)
		return fail(b, ST_TOO_BIG, line, column, "more than %d levels of maps and lists", CONFIG_DEPTH_MAX);
	if (l->node->kind == CFG_MAP && !l->has_key) {
		if (n->kind != CFG_SCALAR)
			return fail(b, ST_BAD_INPUT, line, column, "a map or a list cannot be a key");
		l->pair = (struct cfg_pair){
			.key = n->s, .line = line, .column = column, .merge = n->plain && !strcmp(n->s, "<<")
		};
		l->has_key = true;
		return ST_OK;
	}
	l->node->weight += n->weight;
	if (l->node->height < n->height + 1)
		l->node->height = n->height + 1;
	if (l->node->kind == CFG_LIST) {
		vec_push(&l->items, n);
		return ST_OK;
	}
	l->pair.value = n;
	vec_push(&l->pairs, l->pair);
	l->has_key = false;
	return ST_OK;
}

static enum status charge(struct builder *b, size_t weight, const yaml_event_t *ev)
{
	if (weight > CONFIG_NODES_MAX - b->weight)
		return fail(b, ST_TOO_BIG, (unsigned)ev->start_mark.line + 1, (unsigned)ev->start_mark.column + 1,
			    "more than %d values, aliases counted with all they stand for", CONFIG_NODES_MAX);
	b->weight += weight;
	return ST_OK;
}

static enum status remember(struct builder *b, const char *anchor, struct cfg_node *n)
{
	if (!anchor)
		return ST_OK;
	if (b->anchors.n == ANCHORS_MAX)
		return fail(b, ST_TOO_BIG, n->line, n->column, "more than %d anchors", ANCHORS_MAX);
	vec_push(&b->anchors, ((struct anchor){ arena_strdup(b->arena, anchor), n }));
	return ST_OK;
}

static enum status on_alias(struct builder *b, const yaml_event_t *ev)
{
	const char *name = (const char *)ev->data.alias.anchor;
	enum status s;

	for (size_t i = b->anchors.n; i-- > 0;) { /* the latest of that name */
		if (strcmp(b->anchors.v[i].name, name))
			continue;
		s = charge(b, b->anchors.v[i].node->weight, ev);
		return s == ST_OK ? add(b, b->anchors.v[i].node, ev) : s;
	}
	return fail(b, ST_BAD_INPUT, (unsigned)ev->start_mark.line + 1, (unsigned)ev->start_mark.column + 1,
		    "the alias *%.60s names no finished value before it", name);
}

static enum status on_scalar(struct builder *b, const yaml_event_t *ev)
{
	struct cfg_node *n = node_new(b, CFG_SCALAR, ev->start_mark);
	size_t len = ev->data.scalar.length;
	enum status s;

	if (memchr(ev->data.scalar.value, 0, len))
		return fail(b, ST_BAD_INPUT, n->line, n->column, "a value with a NUL character");
	n->s = arena_strndup(b->arena, ev->data.scalar.value, len);
	n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !ev->data.scalar.tag;
	s = remember(b, (const char *)ev->data.scalar.anchor, n);
	return s == ST_OK ? add(b, n, ev) : s;
}

static enum status on_open(struct builder *b, enum cfg_kind kind, const yaml_char_t *anchor, const yaml_event_t *ev)
{
	struct level *l;

	if (b->depth == CONFIG_DEPTH_MAX - 1)
		return fail(b, ST_TOO_BIG, (unsigned)ev->start_mark.line + 1, (unsigned)ev->start_mark.column + 1,
			    "more than %d levels of maps and lists", CONFIG_DEPTH_MAX);
	l = &b->levels[b->depth++];
	*l = (struct level){ .node = node_new(b, kind, ev->start_mark) };
	l->anchor = arena_strdup(b->arena, (const char *)anchor);
	return ST_OK;
}

static enum status on_close(struct builder *b, const yaml_event_t *ev)
{
	struct level *l = &b->levels[b->depth - 1];
	struct cfg_node *n = l->node;
	enum status s = ST_OK;

	if (n->kind == CFG_MAP)
		s = close_map(b, l);
	if (n->kind == CFG_LIST) {
		n->items = ARENA_ARRAY(b->arena, struct cfg_node *, l->items.n);
		for (size_t i = 0; i < l->items.n; i++)
			n->items[n->n++] = l->items.v[i];
	}
	vec_release(&l->items);
	vec_release(&l->pairs);
	b->depth--;
	if (s == ST_OK)
		s = remember(b, l->anchor, n);
	return s == ST_OK ? add(b, n, ev) : s;
}

static enum status on_event(struct builder *b, yaml_event_t *ev)
{
	enum status s = ST_OK;

	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		s = charge(b, 1, ev);
		return s == ST_OK ? on_scalar(b, ev) : s;
	case YAML_SEQUENCE_START_EVENT:
		s = charge(b, 1, ev);
		return s == ST_OK ? on_open(b, CFG_LIST, ev->data.sequence_start.anchor, ev) : s;
	case YAML_MAPPING_START_EVENT:
		s = charge(b, 1, ev);
		return s == ST_OK ? on_open(b, CFG_MAP, ev->data.mapping_start.anchor, ev) : s;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(b, ev);
	case YAML_ALIAS_EVENT:
		return on_alias(b, ev);
	default:
		return ST_OK;
	}
}

static enum status syntax_error(struct builder *b, const yaml_parser_t *p)
{
	yaml_mark_t at = p->problem_mark;
	const char *what = p->problem ? p->problem : "cannot be read";

	if (p->error == YAML_READER_ERROR)
		return fail(b, ST_BAD_INPUT, (unsigned)p->mark.line + 1, 0, "not valid YAML: %s (byte %zu)", what,
			    p->problem_offset);
	return fail(b, ST_BAD_INPUT, (unsigned)at.line + 1, (unsigned)at.column + 1, "not valid YAML: %s%s%s", what,
		    p->context ? " " : "", p->context ? p->context : "");
}

/* Take events until the second document begins or the text ends. */
static enum status build(struct builder *b, yaml_parser_t *p, unsigned *more_out)
{
	unsigned documents = 0, more = 0;
	enum status s = ST_OK;
	bool end = false;

	while (s == ST_OK && !end) {
		yaml_event_t ev;

		if (!yaml_parser_parse(p, &ev))
			return syntax_error(b, p);
		if (ev.type == YAML_DOCUMENT_START_EVENT && ++documents == 2)
			more = (unsigned)ev.start_mark.line + 1;
		end = more || ev.type == YAML_STREAM_END_EVENT || ev.type == YAML_NO_EVENT;
		s = on_event(b, &ev);
		if (ev.type == YAML_SCALAR_EVENT)
			explicit_bzero(ev.data.scalar.value, ev.data.scalar.length);
		yaml_event_delete(&ev);
	}
	if (s == ST_OK)
		*more_out = more;
	return s;
}

/* The parser's own copies of the text; what it freed while growing a string is out of reach. */
static void wipe_parser(yaml_parser_t *p)
{
	if (p->raw_buffer.start)
		explicit_bzero(p->raw_buffer.start, (size_t)(p->raw_buffer.end - p->raw_buffer.start));
	if (p->buffer.start)
		explicit_bzero(p->buffer.start, (size_t)(p->buffer.end - p->buffer.start));
}

enum status cfg_tree_parse(struct arena *arena, struct bytes text, struct cfg_tree *t, unsigned *more_out,
			   struct cfg_tree_error *e)
{
	struct builder b = { .arena = arena, .tree = t, .e = e };
	yaml_parser_t p;
	enum status s;

	*t = (struct cfg_tree){ 0 };
	if (!yaml_parser_initialize(&p))
		abort(); /* memory is gone */
	yaml_parser_set_input_string(&p, text.n ? text.p : (const uint8_t *)"", text.n);
	s = build(&b, &p, more_out);
	wipe_parser(&p);
	yaml_parser_delete(&p);
	while (b.depth) {
		b.depth--;
		vec_release(&b.levels[b.depth].items);
		vec_release(&b.levels[b.depth].pairs);
	}
	vec_release(&b.anchors);
	return s;
}

void cfg_tree_wipe(struct cfg_tree *t)
{
	for (struct cfg_node *n = t->all; n; n = n->next)
		explicit_bzero(n->s, strlen(n->s));
}

const struct cfg_node *cfg_member(const struct cfg_node *map, const char *key)
{
	for (size_t i = 0; i < map->n; i++) {
		if (map->kind == CFG_MAP && !strcmp(map->pairs[i].key, key))
			return map->pairs[i].value;
	}
	return NULL;
}

bool cfg_is_null(const struct cfg_node *n)
{
	return n->kind == CFG_SCALAR && n->plain && (!*n->s || !strcmp(n->s, "~") || !strcasecmp(n->s, "null"));
}
