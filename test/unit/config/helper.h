/* Loading a configuration from text, and looking for problems in its report. */
#ifndef TEST_CONFIG_HELPER_H
#define TEST_CONFIG_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/vec.h"
#include "config/config.h"

/* The least that a server starts with; cases put their lines behind it. */
#define MINIMAL                                                                                                        \
	"server_url: https://hs.example.com\nlisten_addr: 127.0.0.1:8080\nnoise: {private_key_path: /n}\n"             \
	"prefixes: {v4: 100.64.0.0/10}\ndatabase: {type: sqlite, sqlite: {path: /d}}\n"                                \
	"dns: {base_domain: tail.example.com, nameservers: {global: [1.1.1.1]}}\n"                                     \
	"derp: {urls: [https://derp.example.com/map]}\n"

struct loaded {
	struct config *c;
	struct config_report report;
	enum status s;
};

static inline struct loaded load_text(const char *text, char *const *env, enum config_purpose purpose)
{
	struct bytes b = bytes_of_str(text);
	struct config_source src = { .path = "test.yaml", .env = env, .text = &b, .purpose = purpose };
	struct loaded l = { 0 };

	l.s = config_load(&src, &l.c, &l.report);
	return l;
}

static inline void loaded_release(struct loaded *l)
{
	config_free(&l->c);
	config_report_release(&l->report);
}

/* The problem that has `part` in its printed line, or NULL. */
static inline const struct config_problem *find_problem(const struct config_report *r, const char *part)
{
	const struct config_problem *found = NULL;

	for (size_t i = 0; i < r->n && !found; i++) {
		struct buf b;

		buf_init(&b, 8192);
		config_problem_print(&r->v[i], &b);
		buf_put_char(&b, 0);
		if (strstr((char *)b.p, part))
			found = &r->v[i];
		buf_release(&b);
	}
	return found;
}

static inline void show(const struct config_report *r, const char *why)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	config_report_print(r, &b);
	fprintf(stderr, "%s:\n%.*s\n", why, (int)b.n, b.p ? (char *)b.p : "");
	buf_release(&b);
}

static inline void expect_problem(const struct config_report *r, const char *part, const char *why)
{
	if (!find_problem(r, part)) {
		show(r, why);
		fail_msg("no problem says: %s", part);
	}
}

static inline char *read_file_text(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text;
	size_t n;

	if (!f)
		fail_msg("cannot open %s", path);
	text = xcalloc(1, 1 << 20);
	n = fread(text, 1, (1 << 20) - 1, f);
	text[n] = 0;
	fclose(f);
	return text;
}

#endif
