/*
 * config/load.c -- find the file, walk it and the environment; see config/config.h.
 *
 * Defaults first, then the file, then the environment: each value simply takes the place of the one before.
 * A key that went wrong keeps its default and is marked, so that no rule complains about it a second time.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/vec.h"
#include "config/config_priv.h"

#define KEY_PATH_MAX 256 /* bytes of a dotted name; longer ones are unknown anyway */

/* ---- finding and reading the file ---- */

const char *cfg_env(const struct config_source *src, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; src->env && src->env[i]; i++) {
		if (!strncmp(src->env[i], name, n) && src->env[i][n] == '=')
			return src->env[i][n + 1] ? src->env[i] + n + 1 : NULL;
	}
	return NULL;
}

/* What is found in one folder of the search path; says so when there is a choice. */
static const char *find_in(struct loader *l, const char *dir)
{
	static const char *const names[] = { "config.json", "config.yaml", "config.yml" };
	struct arena *arena = l->c->priv->arena;
	const char *found = NULL;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char *path = arena_printf(arena, "%s/%s", dir, names[i]);
		struct stat st;

		if (stat(path, &st) != 0 || S_ISDIR(st.st_mode))
			continue;
		if (found) {
			struct spot at = { found, 0, 0, "", "" };

			cfg_problem(l->report, CONFIG_WARNING, &at, "%s stands in the same folder and is not read",
				    names[i]);
			return found;
		}
		found = path;
	}
	return found;
}

static const char *find(struct loader *l)
{
	const char *home = cfg_env(l->src, "HOME");
	const char *const usual[] = { "/etc/headscale",
				      home ? arena_printf(l->c->priv->arena, "%s/.headscale", home) : ".", ".", NULL };
	const char *const *dirs = l->src->dirs ? l->src->dirs : usual;
	const char *found = NULL;

	for (; *dirs && !found; dirs++)
		found = find_in(l, *dirs);
	return found;
}

static enum status read_all(int fd, struct buf *out, size_t max)
{
	for (;;) {
		uint8_t *to = buf_reserve(out, 4096);
		ssize_t n;

		if (!to)
			return ST_TOO_BIG;
		n = read(fd, to, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ST_IO;
		out->n += (size_t)n;
		if (out->n > max)
			return ST_TOO_BIG;
		if (n == 0)
			return ST_OK;
	}
}

static enum status too_big(struct loader *l, const char *path)
{
	cfg_problem(l->report, CONFIG_ERROR, &(struct spot){ path, 0, 0, "", "" },
		    "error loading config file %s: it is larger than %d bytes", path, CONFIG_FILE_MAX);
	return ST_TOO_BIG;
}

/* The content of the file; `mode_out` are its permission bits. */
static enum status read_file(struct loader *l, const char *path, struct buf *out, mode_t *mode_out)
{
	struct spot at = { path, 0, 0, "", "" };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum status s = fd >= 0 ? ST_OK : errno == ENOENT ? ST_NOT_FOUND : ST_IO;
	struct stat st;

	/* All the memory at once: a buffer that grows leaves copies of the secrets behind. */
	if (s == ST_OK && !buf_reserve(out, CONFIG_FILE_MAX + 4096))
		s = ST_TOO_BIG;
	if (s == ST_OK && fstat(fd, &st) != 0)
		s = ST_IO;
	if (s == ST_OK)
		s = read_all(fd, out, CONFIG_FILE_MAX);
	if (s == ST_OK)
		*mode_out = st.st_mode;
	else if (s == ST_TOO_BIG)
		(void)too_big(l, path);
	else
		cfg_problem(l->report, CONFIG_ERROR, &at, "error loading config file %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return s;
}

/* ---- values ---- */

static void note_origin(struct loader *l, const struct key *k, unsigned line, unsigned column, const struct cfg_node *n)
{
	struct origin *o = &l->c->priv->origin[k - cfg_keys];

	o->source = l->file;
	o->line = line;
	o->column = column;
	o->shown = arena_strdup(l->c->priv->arena, cfg_shown(l, k, n));
	o->bad = false;
}

static void take(struct loader *l, const struct key *k, const struct cfg_pair *p)
{
	struct origin *o = &l->c->priv->origin[k - cfg_keys];
	struct spot at = { l->file, p->line, p->column, k->name, "" };
	bool matters = l->src->purpose == CONFIG_FOR_SERVER || (k->flags & KEY_CLIENT);

	if (o->source && matters) {
		cfg_problem(l->report, CONFIG_ERROR, &at, "%s is set twice, first in line %u", k->name, o->line);
		return;
	}
	note_origin(l, k, p->value->line, p->value->column, p->value);
	if (matters) /* what the client does not use cannot stop it */
		(void)cfg_value_set(l, k, p->value);
}

/* ---- keys of earlier releases ---- */

struct old_hit {
	const struct old_key *key;
	unsigned line, column;
};

struct walk {
	struct loader *l;
	VEC(struct old_hit) old;
};

/* Only when everything is read is it known whether the new key is there. */
static void report_old(struct loader *l, const struct old_hit *hit)
{
	const struct old_key *o = hit->key;
	struct spot at = { l->file, hit->line, hit->column, o->name, "" };
	bool has_new = o->replacement && config_key_is_set(l->c, o->replacement);
	bool fatal = o->effect == OLD_FATAL || (o->effect == OLD_FATAL_UNLESS_NEW && !has_new);

	if (o->hint)
		cfg_problem(l->report, fatal ? CONFIG_ERROR : CONFIG_WARNING, &at,
			    "The \"%s\" configuration key has been removed. %s", o->name, o->hint);
	else if (fatal && o->effect == OLD_FATAL)
		cfg_problem(l->report, CONFIG_ERROR, &at,
			    "The \"%s\" configuration key has been removed. Please use \"%s\" instead", o->name,
			    o->replacement);
	else
		cfg_problem(
		    l->report, fatal ? CONFIG_ERROR : CONFIG_WARNING, &at,
		    "The \"%s\" configuration key is deprecated. Please use \"%s\" instead. \"%s\" has been removed%s",
		    o->name, o->replacement, o->name, fatal ? "" : " and is not read");
}

/* ---- the walk ---- */

static void unknown(struct loader *l, const char *path, const struct cfg_pair *p)
{
	struct spot at = { l->file, p->line, p->column, path, "" };
	/* Guessing takes time; what is only counted needs no guess. */
	const char *guess = l->report->n < CONFIG_PROBLEMS_MAX ? cfg_key_suggest(path) : NULL;

	if (l->src->purpose == CONFIG_FOR_CLIENT) /* configtest says it, not every command */
		return;
	if (guess)
		cfg_problem(l->report, CONFIG_WARNING, &at, "unknown key, it is not used; did you mean %s?", guess);
	else
		cfg_problem(l->report, CONFIG_WARNING, &at, "unknown key, it is not used");
}

static void walk_map(struct walk *w, const struct cfg_node *map, const char *prefix);

static void walk_pair(struct walk *w, const struct cfg_pair *p, const char *path)
{
	const struct old_key *old = cfg_old_key_find(path);
	int i = cfg_key_find(path);

	if (old)
		vec_push(&w->old, ((struct old_hit){ old, p->line, p->column }));
	else if (i >= 0 && !cfg_is_null(p->value))
		take(w->l, &cfg_keys[i], p);
	else if (i >= 0)
		return;
	else if (!cfg_key_is_section(path))
		unknown(w->l, path, p);
	else if (p->value->kind == CFG_MAP)
		walk_map(w, p->value, path);
	else if (!cfg_is_null(p->value) && w->l->src->purpose == CONFIG_FOR_SERVER)
		cfg_problem(w->l->report, CONFIG_ERROR,
			    &(struct spot){ w->l->file, p->value->line, p->value->column, path, "" },
			    "%s is a section: indented keys follow it, not a value", path);
}

/* Depth is bounded by the tree's. */
static void walk_map(struct walk *w, const struct cfg_node *map, const char *prefix)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct cfg_pair *p = &map->pairs[i];
		char path[KEY_PATH_MAX];
		int n = snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", p->key);

		for (char *c = path; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		if (n >= (int)sizeof path)
			unknown(w->l, "(a very long name)", p);
		else
			walk_pair(w, p, path);
	}
}

static enum status read_text(struct loader *l, struct bytes text, struct walk *w)
{
	struct arena *arena = arena_new();
	struct cfg_tree tree;
	struct cfg_tree_error e = { 0 };
	unsigned more = 0;
	enum status s = cfg_tree_parse(arena, text, &tree, &more, &e);
	struct spot at = { l->file, e.line, e.column, "", "" };

	if (s != ST_OK)
		cfg_problem(l->report, CONFIG_ERROR, &at, "error loading config file %s: %s", l->file, e.text);
	else if (tree.root && tree.root->kind == CFG_MAP)
		walk_map(w, tree.root, "");
	else if (tree.root && !cfg_is_null(tree.root))
		cfg_problem(l->report, CONFIG_ERROR,
			    &(struct spot){ l->file, tree.root->line, tree.root->column, "", "" },
			    "error loading config file %s: it must hold keys and values", l->file);
	if (s == ST_OK && more)
		cfg_problem(l->report, CONFIG_WARNING, &(struct spot){ l->file, more, 1, "", "" },
			    "a second document begins here; only the first is read");
	cfg_tree_wipe(&tree);
	arena_free(&arena);
	return s == ST_OK ? ST_OK : ST_BAD_INPUT;
}

/* A file that everyone may read should hold no secrets. */
static void check_mode(struct loader *l, mode_t mode)
{
	for (size_t i = 0; i < cfg_keys_n; i++) {
		if (!(cfg_keys[i].flags & KEY_SECRET) || l->c->priv->origin[i].source != l->file)
			continue;
		if ((mode & 0004) && S_ISREG(mode))
			cfg_complain(l, CONFIG_WARNING, cfg_keys[i].name,
				     "%s stands in a file that every user of this machine can read", cfg_keys[i].name);
	}
}

static const char *folder_of(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return "";
	return slash == path ? "/" : arena_strndup(arena, path, (size_t)(slash - path));
}

static enum status from_file(struct loader *l, struct walk *w)
{
	const char *path = l->src->path ? l->src->path : cfg_env(l->src, "HEADSCALE_CONFIG");
	bool searched = !path && !l->src->text;
	struct arena *arena = l->c->priv->arena;
	struct buf text;
	mode_t mode = 0;
	enum status s;

	if (searched)
		path = find(l);
	if (!path && !l->src->text) {
		cfg_problem(l->report, CONFIG_WARNING, &(struct spot){ 0 }, "no config file found, using defaults");
		return ST_OK;
	}
	l->report->file = arena_strdup(l->report->arena, path ? path : "");
	l->file = arena_strdup(arena, path ? path : "");
	l->dir = folder_of(arena, l->file);
	if (l->src->text && l->src->text->n <= CONFIG_FILE_MAX)
		return read_text(l, *l->src->text, w);
	if (l->src->text)
		return too_big(l, l->file);
	buf_init(&text, CONFIG_FILE_MAX + 8192);
	s = read_file(l, path, &text, &mode);
	if (s == ST_OK)
		s = read_text(l, buf_bytes(&text), w);
	if (s == ST_OK)
		check_mode(l, mode);
	if (text.p)
		explicit_bzero(text.p, text.n);
	buf_release(&text);
	return s;
}

/* ---- environment and defaults ---- */

static struct cfg_node text_node(const char *text)
{
	return (struct cfg_node){ .kind = CFG_SCALAR, .s = (char *)(uintptr_t)text };
}

static void from_defaults(struct loader *l)
{
	for (size_t i = 0; i < cfg_keys_n; i++) {
		const struct key *k = &cfg_keys[i];
		struct cfg_node n = text_node(k->def ? k->def : "");

		if (k->kind != KEY_SPLIT && k->kind != KEY_RECORDS && k->kind != KEY_PARAMS)
			(void)cfg_value_set(l, k, &n);
	}
}

static void from_env(struct loader *l)
{
	for (size_t i = 0; i < cfg_keys_n; i++) {
		const struct key *k = &cfg_keys[i];
		char name[KEY_ENV_MAX];
		const char *value;
		struct cfg_node n;

		cfg_key_env(k->name, name);
		value = cfg_env(l->src, name);
		if (!value)
			continue;
		l->file = arena_strdup(l->c->priv->arena, name);
		n = text_node(value);
		if (k->kind == KEY_SPLIT || k->kind == KEY_RECORDS || k->kind == KEY_PARAMS) {
			cfg_problem(l->report, CONFIG_WARNING, &(struct spot){ l->file, 0, 0, k->name, "" },
				    "%s cannot be given by the environment; write it in the file", k->name);
			continue;
		}
		note_origin(l, k, 0, 0, &n);
		if (l->src->purpose == CONFIG_FOR_SERVER || (k->flags & KEY_CLIENT))
			(void)cfg_value_set(l, k, &n);
	}
}

/* ---- all of it ---- */

static struct config *config_new(void)
{
	struct arena *arena = arena_new();
	struct config *c = ARENA_NEW(arena, struct config);

	c->priv = ARENA_NEW(arena, struct config_priv);
	c->priv->arena = arena;
	return c;
}

/* ST_OK also when there are problems with single values: the report has them. */
static enum status load(struct loader *l)
{
	struct walk w = { .l = l };
	const char *file;
	enum status s;

	from_defaults(l);
	s = from_file(l, &w);
	file = l->file;
	if (s == ST_OK) {
		from_env(l);
		l->file = file;
		for (size_t i = 0; i < w.old.n && l->src->purpose == CONFIG_FOR_SERVER; i++)
			report_old(l, &w.old.v[i]);
		if (l->src->purpose == CONFIG_FOR_SERVER)
			cfg_check(l);
		if (l->src->purpose == CONFIG_FOR_SERVER)
			cfg_check_idle(l);
	}
	vec_release(&w.old);
	return s;
}

/* Someone who may not read the server's file can still be a client. */
static bool client_goes_on(const struct config_source *src, enum status s)
{
	return src->purpose == CONFIG_FOR_CLIENT && s == ST_IO && !src->path && !cfg_env(src, "HEADSCALE_CONFIG");
}

enum status config_load(const struct config_source *src, struct config **config_out, struct config_report *report)
{
	struct loader l = { .src = src, .c = config_new(), .report = report, .file = "", .dir = "" };
	enum status s;

	report->arena = arena_new();
	report->file = "";
	s = load(&l);
	if (client_goes_on(src, s)) {
		for (size_t i = 0; i < report->n; i++)
			report->v[i].severity = CONFIG_WARNING;
		report->n_warnings += report->n_errors;
		report->n_errors = 0;
		l.file = "";
		from_env(&l);
		s = ST_OK;
	}
	if (s == ST_OK && report->n_errors)
		s = ST_BAD_INPUT;
	if (s == ST_OK)
		*config_out = l.c;
	else
		config_free(&l.c);
	return s;
}

void config_free(struct config **c)
{
	struct arena *arena;

	if (!*c)
		return;
	for (size_t i = 0; i < cfg_keys_n && !(*c)->priv->borrows; i++) {
		char *const *s = cfg_member_of(*c, cfg_keys[i].off);

		if ((cfg_keys[i].flags & KEY_SECRET) && *s)
			explicit_bzero(*s, strlen(*s));
	}
	arena = (*c)->priv->arena;
	*c = NULL;
	arena_free(&arena);
}
