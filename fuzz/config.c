/*
 * fuzz/config.c -- any bytes as a configuration file: accepted means without errors, and a configuration that was
 * accepted can be written out as JSON and read back to the same values.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config *load(struct bytes text, enum config_purpose purpose)
{
	struct config_source src = { .path = "fuzz", .text = &text, .purpose = purpose };
	struct config_report report = { 0 };
	struct config *c = NULL;
	enum status s = config_load(&src, &c, &report);
	struct buf b;

	if ((s == ST_OK) != (c != NULL) || (s == ST_OK) != (report.n_errors == 0))
		abort();
	buf_init(&b, 1 << 20);
	config_report_print(&report, &b);
	for (size_t i = 0; i < b.n; i++) { /* nothing that steers a terminal */
		if (b.p[i] < ' ' && b.p[i] != '\n')
			abort();
	}
	buf_release(&b);
	config_report_release(&report);
	return c;
}

/* Secrets and the values of extra parameters are masked; what is read from files is gone. */
static bool hidden(const char *key)
{
	static const char *const keys[] = { "oidc.client_secret", "database.postgres.pass", "cli.api_key",
					    "oidc.extra_params" };

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		if (!strcmp(keys[i], key))
			return true;
	}
	return false;
}

static bool plain_ascii(struct bytes b)
{
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] < ' ' || b.p[i] > '~')
			return false;
	}
	return true;
}

static void round_trip(const struct config *c)
{
	struct config_change changes[CONFIG_KEYS_MAX];
	struct config *again;
	struct buf out;
	struct jw w;
	size_t n;

	buf_init(&out, CONFIG_FILE_MAX);
	jw_init(&w, &out);
	config_write_json(c, &w);
	/* YAML refuses or folds some characters that JSON takes as they are. */
	if (buf_ok(&out) && plain_ascii(buf_bytes(&out))) {
		again = load(buf_bytes(&out), CONFIG_FOR_SERVER);
		n = again ? config_diff(c, again, changes) : 0;
		for (size_t i = 0; i < n; i++) {
			if (!hidden(changes[i].key))
				abort();
		}
		if (!again && !*c->oidc.client_secret_path && !*c->database.postgres.pass_path)
			abort();
		config_free(&again);
	}
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = load(bytes_of(data, size), CONFIG_FOR_CLIENT);

	config_free(&c);
	c = load(bytes_of(data, size), CONFIG_FOR_SERVER);
	if (c)
		round_trip(c);
	config_free(&c);
	return 0;
}
