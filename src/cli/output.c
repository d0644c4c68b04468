/*
 * cli/output.c -- results as tables for people, as JSON or YAML for programmes.
 *
 * JSON members come in alphabetical order. YAML keys are the same names in lower case ("givenname"),
 * which is how the Go server's command line spells them; names that begin with a capital are its own ("Result") and stay.
 * Members that are times are YAML timestamps, bare; other texts that look like one are quoted.
 */
#include "cli/cli_priv.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>
#include <yaml.h>

#include "base/clock.h"
#include "base/json_out.h"

struct member {
	const char *name;
	struct json_object *value;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static size_t sorted_members(struct json_object *o, struct member **out)
{
	struct json_object_iter at;
	size_t n = 0;

	*out = calloc((size_t)json_object_object_length(o) + 1, sizeof **out);
	if (*out == NULL)
		abort();
	json_object_object_foreachC(o, at) {
		(*out)[n++] = (struct member){ at.key, at.val };
	}
	qsort(*out, n, sizeof **out, by_name);
	return n;
}

/* ---- JSON ---- */

struct json_style {
	struct buf *b;
	bool indent;
};

static void new_line(struct json_style *s, int depth)
{
	if (!s->indent)
		return;
	buf_put_char(s->b, '\n');
	for (int i = 0; i < depth; i++)
		buf_put_char(s->b, '\t');
}

static void put_json(struct json_style *s, struct json_object *o, int depth);

static void put_json_object(struct json_style *s, struct json_object *o, int depth)
{
	struct member *m;
	size_t n = sorted_members(o, &m);

	buf_put_char(s->b, '{');
	for (size_t i = 0; i < n; i++) {
		struct jw w;

		if (i > 0)
			buf_put_char(s->b, ',');
		new_line(s, depth + 1);
		jw_init(&w, s->b);
		jw_str(&w, m[i].name);
		buf_put_str(s->b, s->indent ? ": " : ":");
		put_json(s, m[i].value, depth + 1);
	}
	if (n > 0)
		new_line(s, depth);
	buf_put_char(s->b, '}');
	free(m);
}

static void put_json(struct json_style *s, struct json_object *o, int depth)
{
	struct jw w;
	size_t n;

	switch (json_object_get_type(o)) {
	case json_type_object:
		put_json_object(s, o, depth);
		return;
	case json_type_array:
		n = json_object_array_length(o);
		buf_put_char(s->b, '[');
		for (size_t i = 0; i < n; i++) {
			if (i > 0)
				buf_put_char(s->b, ',');
			new_line(s, depth + 1);
			put_json(s, json_object_array_get_idx(o, i), depth + 1);
		}
		if (n > 0)
			new_line(s, depth);
		buf_put_char(s->b, ']');
		return;
	case json_type_string:
		jw_init(&w, s->b);
		jw_str_bytes(&w, bytes_of(json_object_get_string(o), (size_t)json_object_get_string_len(o)));
		return;
	default:
		buf_put_str(s->b, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	}
}

static void print_json(struct json_object *tree, bool indent, FILE *to)
{
	struct json_style s = { .indent = indent };
	struct buf b;

	buf_init(&b, 1u << 30);
	s.b = &b;
	put_json(&s, tree, 0);
	buf_put_char(&b, '\n');
	fwrite(b.p, 1, b.n, to);
	buf_release(&b);
}

/* ---- YAML ---- */

static void yaml_scalar(yaml_emitter_t *e, const char *text, bool quote)
{
	yaml_event_t ev;

	yaml_scalar_event_initialize(&ev, NULL, NULL, (yaml_char_t *)text, (int)strlen(text), 1, 1,
				     quote ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE);
	yaml_emitter_emit(e, &ev);
}

/* Would a YAML reader take this bare text for something other than a string? */
static bool needs_quotes(const char *s)
{
	static const char *const words[] = { "null", "~", "true", "false", "yes", "no", "on", "off", "y", "n" };
	char *end = NULL;

	if (s[0] == '\0')
		return true;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcasecmp(s, words[i]) == 0)
			return true;
	strtod(s, &end);
	return *end == '\0' || (isdigit((unsigned char)s[0]) && strlen(s) >= 10 && s[4] == '-');
}

static bool is_time(const char *key, struct json_object *value)
{
	static const char *const names[] = { "createdAt", "updatedAt", "expiry", "expiration", "lastSeen", "time" };
	int64_t ns;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(key, names[i]) == 0 && json_object_is_type(value, json_type_string))
			return rfc3339_parse(bytes_of_str(json_object_get_string(value)), &ns) == ST_OK;
	return false;
}

/* The key as it is spelled in YAML, in `out`. */
static void yaml_key(const char *name, char *out, size_t size)
{
	size_t k = 0;

	for (; name[k] != '\0' && k < size - 1; k++)
		out[k] = isupper((unsigned char)name[0]) ? name[k] : (char)tolower((unsigned char)name[k]);
	out[k] = '\0';
}

static void yaml_empty_list(yaml_emitter_t *e)
{
	yaml_event_t ev;

	yaml_sequence_start_event_initialize(&ev, NULL, NULL, 1, YAML_FLOW_SEQUENCE_STYLE);
	yaml_emitter_emit(e, &ev);
	yaml_sequence_end_event_initialize(&ev);
	yaml_emitter_emit(e, &ev);
}

static void put_yaml(yaml_emitter_t *e, struct json_object *o)
{
	struct member *m;
	yaml_event_t ev;
	size_t n;
	char key[128];

	switch (json_object_get_type(o)) {
	case json_type_object:
		yaml_mapping_start_event_initialize(&ev, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE);
		yaml_emitter_emit(e, &ev);
		n = sorted_members(o, &m);
		for (size_t i = 0; i < n; i++) {
			yaml_key(m[i].name, key, sizeof key);
			yaml_scalar(e, key, false);
			if (is_time(m[i].name, m[i].value))
				yaml_scalar(e, json_object_get_string(m[i].value), false);
			else if (m[i].value == NULL && strcmp(m[i].name, "aclTags") == 0)
				yaml_empty_list(e); /* a list is one in YAML also where the JSON says null */
			else
				put_yaml(e, m[i].value);
		}
		free(m);
		yaml_mapping_end_event_initialize(&ev);
		yaml_emitter_emit(e, &ev);
		return;
	case json_type_array:
		yaml_sequence_start_event_initialize(&ev, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE);
		yaml_emitter_emit(e, &ev);
		n = json_object_array_length(o);
		for (size_t i = 0; i < n; i++)
			put_yaml(e, json_object_array_get_idx(o, i));
		yaml_sequence_end_event_initialize(&ev);
		yaml_emitter_emit(e, &ev);
		return;
	case json_type_string:
		yaml_scalar(e, json_object_get_string(o), needs_quotes(json_object_get_string(o)));
		return;
	default:
		yaml_scalar(e, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), false);
	}
}

static void print_yaml(struct json_object *tree, FILE *to)
{
	yaml_emitter_t e;
	yaml_event_t ev;

	yaml_emitter_initialize(&e);
	yaml_emitter_set_output_file(&e, to);
	yaml_emitter_set_unicode(&e, 1);
	yaml_emitter_set_width(&e, -1);
	yaml_stream_start_event_initialize(&ev, YAML_UTF8_ENCODING);
	yaml_emitter_emit(&e, &ev);
	yaml_document_start_event_initialize(&ev, NULL, NULL, NULL, 1);
	yaml_emitter_emit(&e, &ev);
	put_yaml(&e, tree);
	yaml_document_end_event_initialize(&ev, 1);
	yaml_emitter_emit(&e, &ev);
	yaml_stream_end_event_initialize(&ev);
	yaml_emitter_emit(&e, &ev);
	yaml_emitter_flush(&e);
	yaml_emitter_delete(&e);
}

static void print_to(struct cli_ctx *c, struct json_object *tree, FILE *to)
{
	if (c->format == CLI_YAML)
		print_yaml(tree, to);
	else
		print_json(tree, c->format != CLI_JSON_LINE, to);
}

void cli_print(struct cli_ctx *c, struct json_object *tree)
{
	print_to(c, tree, stdout);
}

void cli_result(struct cli_ctx *c, struct json_object *tree, const char *fmt, ...)
{
	va_list ap;

	if (c->format != CLI_HUMAN) {
		cli_print(c, tree);
		return;
	}
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void cli_error(struct cli_ctx *c, const char *text)
{
	if (c->format == CLI_HUMAN) {
		fprintf(stderr, "Error: %s\n", text);
		return;
	}
	struct json_object *o = json_object_new_object();

	cli_put(o, "error", text);
	print_to(c, o, stderr);
	json_object_put(o);
}

bool cli_confirm(struct cli_ctx *c, const char *fmt, ...)
{
	char line[64] = "";
	va_list ap;

	if (c->force)
		return true;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " [y/n] ");
	fflush(stderr);
	if (fgets(line, sizeof line, stdin) == NULL)
		return false;
	line[strcspn(line, "\r\n")] = '\0';
	return strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0 || strcasecmp(line, "sure") == 0;
}

/* ---- tables ---- */

#define TABLE_COLUMNS_MAX 16

struct cli_table {
	struct cli_ctx *c;
	const char *const *header;
	size_t columns;
	const char **cells; /* n_cells, row after row; heap, freed by print */
	size_t n_cells, cap;
};

struct cli_table *cli_table_new(struct cli_ctx *c, const char *const *header, size_t columns)
{
	struct cli_table *t = ARENA_NEW(c->arena, struct cli_table);

	t->c = c;
	t->header = header;
	t->columns = columns;
	return t;
}

void cli_table_cell(struct cli_table *t, const char *text)
{
	if (t->n_cells == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		const char **cells = ARENA_ARRAY(t->c->arena, const char *, cap);

		if (t->n_cells > 0)
			memcpy(cells, t->cells, t->n_cells * sizeof *cells);
		t->cells = cells;
		t->cap = cap;
	}
	t->cells[t->n_cells++] = arena_strdup(t->c->arena, text ? text : "");
}

/* Columns on a terminal: UTF-8 continuation bytes take none. */
static size_t width_of(const char *s, size_t bytes)
{
	size_t w = 0;

	for (size_t i = 0; i < bytes; i++)
		w += ((unsigned char)s[i] & 0xc0) != 0x80;
	return w;
}

static const char *line_of(const char *cell, size_t line, size_t *n)
{
	for (; line > 0; line--) {
		cell = strchr(cell, '\n');
		if (cell == NULL) {
			*n = 0;
			return "";
		}
		cell++;
	}
	*n = strcspn(cell, "\n");
	return cell;
}

static size_t lines_in(const char *cell)
{
	size_t n = 1;

	for (; *cell != '\0'; cell++)
		n += *cell == '\n';
	return n;
}

/* Control characters that a client put into its name must not reach a terminal. */
static void put_clean(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		putchar((unsigned char)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i]);
}

static void print_row(const struct cli_table *t, const char *const *cells, const size_t *width, const char *color)
{
	size_t lines = 1;

	for (size_t i = 0; i < t->columns; i++)
		if (lines_in(cells[i]) > lines)
			lines = lines_in(cells[i]);
	for (size_t l = 0; l < lines; l++) {
		for (size_t i = 0; i < t->columns; i++) {
			size_t n;
			const char *s = line_of(cells[i], l, &n);

			if (i > 0)
				fputs(" | ", stdout);
			if (color != NULL)
				fputs(color, stdout);
			put_clean(s, n);
			if (color != NULL)
				fputs("\033[0m", stdout);
			if (i + 1 < t->columns)
				printf("%*s", (int)(width[i] - width_of(s, n)), "");
		}
		putchar('\n');
	}
}

void cli_table_print(struct cli_table *t)
{
	size_t width[TABLE_COLUMNS_MAX] = { 0 };
	bool color = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;

	for (size_t i = 0; i < t->columns; i++)
		width[i] = strlen(t->header[i]);
	for (size_t k = 0; k < t->n_cells; k++) {
		for (size_t l = 0; l < lines_in(t->cells[k]); l++) {
			size_t n;
			const char *s = line_of(t->cells[k], l, &n);

			if (width_of(s, n) > width[k % t->columns])
				width[k % t->columns] = width_of(s, n);
		}
	}
	print_row(t, t->header, width, color ? "\033[36m" : NULL);
	for (size_t k = 0; k + t->columns <= t->n_cells; k += t->columns)
		print_row(t, t->cells + k, width, NULL);
}

/* ---- members ---- */

const char *cli_time(struct cli_ctx *c, const char *rfc3339, const char *none)
{
	if (rfc3339 == NULL || strlen(rfc3339) < 19)
		return none;
	return arena_printf(c->arena, "%.10s %.8s", rfc3339, rfc3339 + 11);
}

struct json_object *cli_member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (o == NULL || !json_object_is_type(o, json_type_object))
		return NULL;
	return json_object_object_get_ex(o, name, &v) ? v : NULL;
}

const char *cli_str(struct json_object *o, const char *name)
{
	struct json_object *v = cli_member(o, name);

	return v != NULL ? json_object_get_string(v) : "";
}

bool cli_bool(struct json_object *o, const char *name)
{
	struct json_object *v = cli_member(o, name);

	return v != NULL && json_object_get_boolean(v);
}

/* What stands where the API says null, so that scripts may look inside without asking first. */
static struct json_object *no_user(void)
{
	static const char *const names[] = { "displayName", "email", "id", "name", "profilePicUrl", "provider", "providerId", "role" };
	struct json_object *u = json_object_new_object();

	cli_put(u, "createdAt", "0001-01-01T00:00:00Z");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		cli_put(u, names[i], "");
	return u;
}

static struct json_object *no_key(void)
{
	static const char *const flags[] = { "ephemeral", "reusable", "used" };
	struct json_object *k = json_object_new_object();

	json_object_object_add(k, "aclTags", NULL);
	json_object_object_add(k, "createdAt", NULL);
	json_object_object_add(k, "expiration", NULL);
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		json_object_object_add(k, flags[i], json_object_new_boolean(0));
	cli_put(k, "id", "");
	cli_put(k, "key", "");
	json_object_object_add(k, "user", NULL);
	return k;
}

static void fill(struct json_object *o)
{
	struct json_object *key = NULL;

	if (!json_object_is_type(o, json_type_object))
		return;
	if (json_object_object_get_ex(o, "preAuthKey", &key) && key == NULL)
		json_object_object_add(o, "preAuthKey", no_key());
	if (cli_member(o, "preAuthKey") != NULL)
		fill(cli_member(o, "preAuthKey"));
	if (json_object_object_get_ex(o, "user", &key) && key == NULL)
		json_object_object_add(o, "user", no_user());
}

struct json_object *cli_filled(struct json_object *o)
{
	if (!json_object_is_type(o, json_type_array)) {
		fill(o);
		return o;
	}
	for (size_t i = 0; i < json_object_array_length(o); i++)
		fill(json_object_array_get_idx(o, i));
	return o;
}

static void put_tree(void *tree)
{
	json_object_put(tree);
}

struct json_object *cli_own(struct cli_ctx *c, struct json_object *o)
{
	if (o != NULL)
		arena_on_free(c->arena, put_tree, o);
	return o;
}

struct json_object *cli_object(struct cli_ctx *c)
{
	return cli_own(c, json_object_new_object());
}

void cli_put(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text ? text : ""));
}
