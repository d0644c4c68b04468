/*
 * cli/args.c -- find the command and its flags.
 *
 * Flags may stand anywhere: `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`; `--` ends them.
 * Unknown ones are errors. An error is one line (or one object with -o json), so that programmes can read it.
 */
#include "cli/cli_priv.h"

#include <errno.h>
#include <stdlib.h>

static const struct cli_flag global_flags[] = {
	{ "config", 'c', CLI_STRING, false, NULL, "config file (default is /etc/headscale/config.yaml)" },
	{ "output", 'o', CLI_STRING, false, NULL, "output format: empty for people, 'json', 'json-line' or 'yaml'" },
	{ "force", 0, CLI_BOOL, false, NULL, "answer yes to every prompt" },
	{ "help", 'h', CLI_BOOL, false, NULL, "help for the command" },
};
enum { GLOBAL_CONFIG, GLOBAL_OUTPUT, GLOBAL_FORCE, GLOBAL_HELP, GLOBAL_COUNT };

struct parse {
	struct cli_ctx *c;
	struct cli_value globals[GLOBAL_COUNT];
	const char *path; /* names of the commands so far */
	bool flags_over;
};

static bool names(const struct cli_command *cmd, const char *word)
{
	if (strcmp(cmd->name, word) == 0)
		return true;
	for (size_t i = 0; cmd->aliases[i] != NULL; i++)
		if (strcmp(cmd->aliases[i], word) == 0)
			return true;
	return false;
}

static const struct cli_command *find_sub(const struct cli_command *cmd, const char *word)
{
	for (const struct cli_command *s = cmd->subs; s != NULL && s->name != NULL; s++)
		if (names(s, word))
			return s;
	return NULL;
}

static size_t flag_count(const struct cli_command *cmd)
{
	size_t n = 0;

	while (n < CLI_FLAGS_MAX && cmd->flags[n].name != NULL)
		n++;
	return n;
}

static void print_flag(const struct cli_flag *f, FILE *to)
{
	static const char *const kinds[] = { " string", " uint", "", " strings" };

	if (f->letter != 0)
		fprintf(to, "  -%c, ", f->letter);
	else
		fprintf(to, "      ");
	fprintf(to, "--%s%s", f->name, kinds[f->type]);
	fprintf(to, "%*s %s", (int)(22 - (strlen(f->name) + strlen(kinds[f->type])) > 22 ? 1 : 22 - (strlen(f->name) + strlen(kinds[f->type]))),
		"", f->help);
	if (f->def != NULL)
		fprintf(to, " (default %s)", f->def);
	fputc('\n', to);
}

void cli_usage(struct cli_ctx *c, const struct cli_command *cmd, const char *path, FILE *to)
{
	(void)c;
	fprintf(to, "%s\n\nUsage:\n  headscale%s%s%s%s%s [flags]\n", cmd->help, path[0] ? " " : "", path,
		cmd->subs != NULL ? " COMMAND" : "", cmd->args != NULL && cmd->args[0] ? " " : "",
		cmd->args != NULL ? cmd->args : "");
	if (cmd->aliases[0] != NULL) {
		fprintf(to, "\nAliases:\n  %s", cmd->name);
		for (size_t i = 0; cmd->aliases[i] != NULL; i++)
			fprintf(to, ", %s", cmd->aliases[i]);
		fputc('\n', to);
	}
	if (cmd->subs != NULL) {
		fprintf(to, "\nCommands:\n");
		for (const struct cli_command *s = cmd->subs; s->name != NULL; s++)
			if (!s->hidden)
				fprintf(to, "  %-16s %s\n", s->name, s->help);
	}
	if (flag_count(cmd) > 0) {
		fprintf(to, "\nFlags:\n");
		for (size_t i = 0; i < flag_count(cmd); i++)
			print_flag(&cmd->flags[i], to);
	}
	fprintf(to, "\nGlobal flags:\n");
	for (size_t i = 0; i < GLOBAL_COUNT; i++)
		print_flag(&global_flags[i], to);
}

static const char *flag_label(struct cli_ctx *c, const struct cli_flag *f)
{
	return f->letter != 0 ? arena_printf(c->arena, "-%c, --%s", f->letter, f->name)
			      : arena_printf(c->arena, "--%s", f->name);
}

static enum status bad_argument(struct cli_ctx *c, const struct cli_flag *f, const char *text, const char *why)
{
	err_set(&c->err, "invalid argument \"%s\" for \"%s\" flag: %s", text, flag_label(c, f), why);
	return ST_BAD_INPUT;
}

static void add_list(struct cli_ctx *c, struct cli_value *v, const char *text)
{
	char *copy = arena_strdup(c->arena, text);
	char *save = NULL;

	if (v->list == NULL)
		v->list = ARENA_ARRAY(c->arena, const char *, 1024);
	for (char *p = strtok_r(copy, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
		while (*p == ' ')
			p++;
		if (*p != '\0' && v->n_list < 1024)
			v->list[v->n_list++] = p;
	}
}

static enum status set_value(struct cli_ctx *c, const struct cli_flag *f, struct cli_value *v, const char *text)
{
	char *end = NULL;

	v->text = text;
	switch (f->type) {
	case CLI_STRING:
		return ST_OK;
	case CLI_LIST:
		add_list(c, v, text);
		return ST_OK;
	case CLI_BOOL:
		v->on = strcmp(text, "true") == 0 || strcmp(text, "1") == 0 || strcmp(text, "t") == 0;
		if (!v->on && strcmp(text, "false") != 0 && strcmp(text, "0") != 0 && strcmp(text, "f") != 0)
			return bad_argument(c, f, text, "expected true or false");
		return ST_OK;
	case CLI_U64:
		errno = 0;
		v->number = strtoull(text, &end, 10);
		if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
			return bad_argument(c, f, text, "expected a number of 0 or more");
		return ST_OK;
	}
	return ST_OK;
}

/* Which flag `name` (or `letter`) is: the command's own first, then the global ones. */
static const struct cli_flag *find_flag(struct parse *p, const char *name, size_t n, char letter,
					struct cli_value **value_out)
{
	const struct cli_command *cmd = p->c->command;

	for (size_t i = 0; i < flag_count(cmd); i++) {
		const struct cli_flag *f = &cmd->flags[i];

		if (name != NULL ? strlen(f->name) == n && memcmp(f->name, name, n) == 0 : f->letter == letter) {
			*value_out = &p->c->values[i];
			return f;
		}
	}
	for (size_t i = 0; i < GLOBAL_COUNT; i++) {
		const struct cli_flag *f = &global_flags[i];

		if (name != NULL ? strlen(f->name) == n && memcmp(f->name, name, n) == 0
				 : letter != 0 && f->letter == letter) {
			*value_out = &p->globals[i];
			return f;
		}
	}
	return NULL;
}

static enum status take_flag(struct parse *p, char **argv, int argc, int *at)
{
	const char *word = argv[*at];
	bool is_long = word[1] == '-';
	const char *name = word + (is_long ? 2 : 1);
	const char *eq = strchr(name, '=');
	const char *text = eq != NULL ? eq + 1 : NULL;
	struct cli_value *v = NULL;
	const struct cli_flag *f;

	if (is_long) {
		f = find_flag(p, name, eq != NULL ? (size_t)(eq - name) : strlen(name), 0, &v);
	} else {
		f = find_flag(p, NULL, 0, name[0], &v);
		if (f != NULL && eq == NULL && name[1] != '\0')
			text = name + 1;
	}
	if (f == NULL) {
		if (is_long)
			err_set(&p->c->err, "unknown flag: %s", word);
		else
			err_set(&p->c->err, "unknown shorthand flag: '%c' in %s", name[0], word);
		return ST_BAD_INPUT;
	}
	if (text == NULL && f->type == CLI_BOOL)
		text = "true";
	if (text == NULL) {
		if (*at + 1 >= argc) {
			err_set(&p->c->err, "flag needs an argument: %s", word);
			return ST_BAD_INPUT;
		}
		text = argv[++*at];
	}
	v->given = true;
	return set_value(p->c, f, v, text);
}

static enum status descend(struct parse *p, const char *word, bool *taken)
{
	struct cli_ctx *c = p->c;
	const struct cli_command *sub;

	*taken = false;
	if (c->command->subs == NULL)
		return ST_OK;
	sub = find_sub(c->command, word);
	if (sub == NULL) {
		err_set(&c->err, "unknown command \"%s\" for \"headscale%s%s\"; `headscale%s%s --help` lists them", word,
			p->path[0] ? " " : "", p->path, p->path[0] ? " " : "", p->path);
		return ST_NOT_FOUND;
	}
	c->command = sub;
	p->path = arena_printf(c->arena, "%s%s%s", p->path, p->path[0] ? " " : "", sub->name);
	*taken = true;
	return ST_OK;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names the flags that are missing, in the order of the alphabet. */
static enum status say_missing(struct cli_ctx *c, const char **names, size_t n)
{
	const char *all = "";

	qsort(names, n, sizeof *names, by_text);
	for (size_t i = 0; i < n; i++)
		all = arena_printf(c->arena, "%s%s\"%s\"", all, i > 0 ? ", " : "", names[i]);
	err_set(&c->err, "required flag(s) %s not set", all);
	return ST_BAD_INPUT;
}

static enum status set_defaults_and_check(struct cli_ctx *c)
{
	const char *missing[CLI_FLAGS_MAX];
	enum status s = ST_OK;
	size_t n = 0;

	for (size_t i = 0; i < flag_count(c->command) && s == ST_OK; i++) {
		const struct cli_flag *f = &c->command->flags[i];

		if (!c->values[i].given && f->def != NULL)
			s = set_value(c, f, &c->values[i], f->def);
		if (!c->values[i].given && f->required)
			missing[n++] = f->name;
	}
	return s == ST_OK && n > 0 ? say_missing(c, missing, n) : s;
}

static enum cli_format format_of(const char *o)
{
	if (o != NULL && strcmp(o, "json") == 0)
		return CLI_JSON;
	if (o != NULL && strcmp(o, "json-line") == 0)
		return CLI_JSON_LINE;
	return o != NULL && strcmp(o, "yaml") == 0 ? CLI_YAML : CLI_HUMAN;
}

/* The format that --output asks for, for an error met before it was read. */
static enum cli_format format_ahead(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-o") == 0 || strcmp(argv[i], "--output") == 0)
			return format_of(i + 1 < argc ? argv[i + 1] : NULL);
		if (strncmp(argv[i], "--output=", 9) == 0)
			return format_of(argv[i] + 9);
		if (strncmp(argv[i], "-o", 2) == 0)
			return format_of(argv[i] + (argv[i][2] == '=' ? 3 : 2));
	}
	return CLI_HUMAN;
}

static void take_globals(struct parse *p)
{
	p->c->config_path = p->globals[GLOBAL_CONFIG].text;
	p->c->force = p->globals[GLOBAL_FORCE].on;
	p->c->format = format_of(p->globals[GLOBAL_OUTPUT].text);
}

static enum status walk(struct parse *p, int argc, char **argv)
{
	struct cli_ctx *c = p->c;

	for (int i = 1; i < argc; i++) {
		bool taken = false;
		enum status s = ST_OK;

		if (!p->flags_over && strcmp(argv[i], "--") == 0) {
			p->flags_over = true;
			continue;
		}
		if (!p->flags_over && argv[i][0] == '-' && argv[i][1] != '\0') {
			s = take_flag(p, argv, argc, &i);
		} else {
			s = descend(p, argv[i], &taken);
			if (s == ST_OK && !taken)
				c->args[c->n_args++] = argv[i];
			if (s == ST_OK && taken && c->command->raw_args && (i + 1 == argc || find_sub(c->command, argv[i + 1]) == NULL)) {
				for (i++; i < argc; i++)
					c->args[c->n_args++] = argv[i];
				return ST_OK;
			}
		}
		if (s != ST_OK)
			return s;
	}
	return ST_OK;
}

enum status cli_parse(struct cli_ctx *c, int argc, char **argv)
{
	struct parse p = { .c = c, .path = "" };
	const char *o;
	enum status s;

	c->command = c->root;
	c->args = ARENA_ARRAY(c->arena, char *, (size_t)argc + 1);
	s = walk(&p, argc, argv);
	take_globals(&p);
	if (s != ST_OK) {
		c->format = format_ahead(argc, argv);
		cli_error(c, c->err.text);
		return s;
	}
	o = p.globals[GLOBAL_OUTPUT].text;
	if (o != NULL && o[0] != '\0' && c->format == CLI_HUMAN) {
		err_set(&c->err, "unknown output format \"%s\": use json, json-line or yaml", o);
		cli_error(c, c->err.text);
		return ST_BAD_INPUT;
	}
	if (p.globals[GLOBAL_HELP].on || (c->command->run == NULL)) {
		cli_usage(c, c->command, p.path, stdout);
		return ST_CLOSED;
	}
	s = set_defaults_and_check(c);
	if (s != ST_OK)
		cli_error(c, c->err.text);
	return s;
}

const struct cli_value *cli_flag(struct cli_ctx *c, const char *name)
{
	static const struct cli_value none;

	for (size_t i = 0; i < flag_count(c->command); i++)
		if (strcmp(c->command->flags[i].name, name) == 0)
			return &c->values[i];
	return &none;
}
