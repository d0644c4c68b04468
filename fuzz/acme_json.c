/*
 * fuzz/acme_json.c -- answers of an ACME authority.
 *
 * Every parser gets the input. What is taken keeps what the headers promise: URLs are URLs, tokens can stand in a path,
 * texts for people have no controls and are UTF-8; a second reading gives the same.
 */
#include <stdlib.h>

#include "acme/answer.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_text(const char *s)
{
	check(utf8_valid(bytes_of_str(s)));
	for (; *s != '\0'; s++)
		check((unsigned char)*s >= ' ' && *s != 0x7f);
}

static void check_problem(const struct acme_problem *p)
{
	check_text(p->type);
	check_text(p->detail);
}

static void check_directory(struct bytes in)
{
	struct acme_directory d, e;

	if (acme_directory_parse(in, &d, NULL) != ST_OK)
		return;
	check(acme_url_ok(d.new_nonce) && acme_url_ok(d.new_account) && acme_url_ok(d.new_order));
	check(acme_directory_parse(in, &e, NULL) == ST_OK && memcmp(&d, &e, sizeof d) == 0);
}

static void check_order(struct bytes in)
{
	static struct acme_order o;

	if (acme_order_parse(in, &o, NULL) != ST_OK)
		return;
	check(o.n_authorizations <= ACME_NAMES_MAX && acme_url_ok(o.finalize));
	check(o.certificate[0] == '\0' || acme_url_ok(o.certificate));
	for (size_t i = 0; i < o.n_authorizations; i++)
		check(acme_url_ok(o.authorizations[i]));
	check_problem(&o.problem);
}

static void check_authorization(struct bytes in, const char *type)
{
	struct acme_authorization a;

	if (acme_authorization_parse(in, type, &a, NULL) != ST_OK)
		return;
	check(a.name[0] != '\0');
	if (a.offered) {
		check(acme_url_ok(a.url) && a.token[0] != '\0');
		check(strpbrk(a.token, "/.%?# \t") == NULL);
	}
	check_problem(&a.problem);
}

static void check_header(struct bytes in)
{
	char *text = bytes_strdup(in);
	int64_t s = acme_retry_after(text, 1000);

	check(s >= -1 && s <= ACME_RETRY_AFTER_MAX);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct acme_problem p;

	check_directory(in);
	check_order(in);
	check_authorization(in, "http-01");
	check_authorization(in, "tls-alpn-01");
	acme_problem_parse(in, &p);
	check_problem(&p);
	check_header(in);
	return 0;
}
