/* http/head.c -- see http/head.h. */
#include "http/head.h"

#include <ctype.h>

#include "http/http_priv.h"

void http_head_init(struct http_head *h, size_t max_bytes, size_t max_headers)
{
	*h = (struct http_head){ .max_headers = max_headers };
	buf_init(&h->text, max_bytes);
}

void http_head_release(struct http_head *h)
{
	buf_release(&h->text);
	vec_release(&h->at);
	h->in_value = false;
}

/* A new text begins. */
static void begin(struct http_head *h)
{
	if (h->at.n)
		buf_put_char(&h->text, 0);
	vec_push(&h->at, (uint32_t)h->text.n);
}

static enum status put(struct http_head *h, struct bytes b)
{
	if (b.n && memchr(b.p, 0, b.n))
		return ST_BAD_INPUT;
	buf_put_bytes(&h->text, b);
	return buf_ok(&h->text) ? ST_OK : ST_TOO_BIG;
}

enum status http_head_target(struct http_head *h, struct bytes b)
{
	if (h->at.n == 0)
		begin(h);
	return put(h, b);
}

enum status http_head_name(struct http_head *h, struct bytes b)
{
	if (h->at.n == 0)
		begin(h); /* no target: an answer */
	if (h->at.n == 1 || h->in_value) {
		if (h->at.n / 2 >= h->max_headers)
			return ST_TOO_BIG;
		begin(h);
		h->in_value = false;
	}
	return put(h, b);
}

enum status http_head_value(struct http_head *h, struct bytes b)
{
	if (!h->in_value) {
		begin(h);
		h->in_value = true;
	}
	return put(h, b);
}

enum status http_head_pair(struct http_head *h, struct bytes name, struct bytes value)
{
	enum status s = http_head_name(h, name);

	return s == ST_OK ? http_head_value(h, value) : s;
}

static const char *trimmed(char *v)
{
	size_t n = strlen(v);

	while (n && (v[n - 1] == ' ' || v[n - 1] == '\t'))
		v[--n] = 0;
	return v + strspn(v, " \t");
}

enum status http_head_finish(struct http_head *h, struct arena *a, const char **target_out,
			     const struct http_header **headers_out, size_t *n_out)
{
	char *text = arena_strndup(a, h->text.p, h->text.n);
	size_t n = h->at.n / 2;
	struct http_header *v = ARENA_ARRAY(a, struct http_header, n + 1);

	for (size_t i = 0; i < n; i++) {
		char *name = text + h->at.v[1 + 2 * i];

		for (char *c = name; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		/* The last header may be without a value. */
		v[i] = (struct http_header){ name, 2 + 2 * i < h->at.n ? trimmed(text + h->at.v[2 + 2 * i]) : "" };
		if (!http_value_ok(v[i].value))
			return ST_BAD_INPUT;
	}
	if (target_out)
		*target_out = text;
	*headers_out = v;
	*n_out = n;
	return ST_OK;
}
