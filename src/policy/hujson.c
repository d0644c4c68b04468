/*
 * policy/hujson.c -- see policy/hujson.h.
 *
 * A recursive descent whose depth is bounded, so hostile nesting fails at its 65th bracket. Strings
 * without escapes are not copied. Names are compared through a table once an object has many, so that
 * a million members cost no more than a million look-ups.
 */
#include "policy/hujson.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/utf8.h"
#include "base/vec.h"

struct reader {
	const uint8_t *p;
	uint32_t n, at;
	unsigned depth;
	uint32_t values;
	struct arena *a;
	uint64_t seed;
	VEC(struct hujson_extra) extras;
	uint32_t bad_at;
	char message[200];
	enum status status;
};

static bool fail(struct reader *r, uint32_t at, const char *message)
{
	if (r->status == ST_OK) {
		r->status = ST_BAD_INPUT;
		r->bad_at = at;
		snprintf(r->message, sizeof r->message, "%s", message);
	}
	return false;
}

static bool count(struct reader *r)
{
	if (++r->values <= HUJSON_VALUES_MAX)
		return true;
	fail(r, r->at, "too many values");
	r->status = ST_TOO_BIG;
	return false;
}

static bool skip_comment(struct reader *r)
{
	uint32_t from = r->at;
	bool block = r->at + 1 < r->n && r->p[r->at + 1] == '*';

	if (!count(r))
		return false;
	if (!block && !(r->at + 1 < r->n && r->p[r->at + 1] == '/'))
		return fail(r, from, "invalid character '/' where a value or blank is expected");
	r->at += 2;
	if (!block) {
		while (r->at < r->n && r->p[r->at] != '\n')
			r->at++;
		if (r->at > from + 2 && r->p[r->at - 1] == '\r')
			r->at--;
	} else {
		for (;;) {
			if (r->at + 1 >= r->n)
				return fail(r, from, "comment without an end");
			if (r->p[r->at] == '*' && r->p[r->at + 1] == '/')
				break;
			r->at++;
		}
		r->at += 2;
	}
	if (!utf8_valid(bytes_of(r->p + from, r->at - from)))
		return fail(r, from, "comment is not UTF-8");
	vec_push(&r->extras, ((struct hujson_extra){ from, r->at }));
	return true;
}

/* Past blanks and comments; false on a broken comment. */
static bool skip_blank(struct reader *r)
{
	while (r->at < r->n) {
		uint8_t c = r->p[r->at];
		if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
			r->at++;
		else if (c != '/')
			return true;
		else if (!skip_comment(r))
			return false;
	}
	return true;
}

static int hex4(const uint8_t *p)
{
	int v = 0;
	for (int i = 0; i < 4; i++) {
		int c = p[i], d;
		if (c >= '0' && c <= '9')
			d = c - '0';
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			d = (c | 32) - 'a' + 10;
		else
			return -1;
		v = v * 16 + d;
	}
	return v;
}

static size_t put_utf8(uint8_t *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 63));
		out[2] = (uint8_t)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 63));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 63));
	out[3] = (uint8_t)(0x80 | (c & 63));
	return 4;
}

/* One escape at r->at (the backslash); writes to out, 4 bytes at most, and returns how many; 0: bad. */
static size_t read_escape(struct reader *r, uint32_t end, uint8_t *out)
{
	static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *hit;
	int v, w;

	if (r->at + 1 >= end)
		return 0;
	hit = memchr(names, r->p[r->at + 1], sizeof names - 1);
	if (hit) {
		r->at += 2;
		out[0] = (uint8_t)means[hit - names];
		return 1;
	}
	if (r->p[r->at + 1] != 'u' || end - r->at < 6 || (v = hex4(r->p + r->at + 2)) < 0)
		return 0;
	r->at += 6;
	if (v < 0xd800 || v > 0xdfff)
		return put_utf8(out, (uint32_t)v);
	if (v < 0xdc00 && end - r->at >= 6 && r->p[r->at] == '\\' && r->p[r->at + 1] == 'u' &&
	    (w = hex4(r->p + r->at + 2)) >= 0xdc00 && w <= 0xdfff) {
		r->at += 6;
		return put_utf8(out, 0x10000 + ((uint32_t)(v - 0xd800) << 10) + (uint32_t)(w - 0xdc00));
	}
	return put_utf8(out, 0xfffd); /* half a pair stands for nothing */
}

static bool read_string(struct reader *r, struct bytes *out)
{
	uint32_t open = r->at, end = r->at + 1;
	bool plain = true;
	uint8_t *dst;
	size_t n = 0;

	while (end < r->n && r->p[end] != '"') {
		if (r->p[end] < 0x20)
			return fail(r, end, "control character in a string");
		if (r->p[end] == '\\') {
			plain = false;
			end++;
		}
		end++;
	}
	if (end >= r->n)
		return fail(r, open, "string without an end");
	if (!utf8_valid(bytes_of(r->p + open + 1, end - open - 1)))
		return fail(r, open, "string is not UTF-8");
	if (plain) {
		*out = bytes_of(r->p + open + 1, end - open - 1);
		r->at = end + 1;
		return true;
	}
	dst = arena_alloc(r->a, end - open);
	r->at = open + 1;
	while (r->at < end) {
		if (r->p[r->at] != '\\') {
			dst[n++] = r->p[r->at++];
			continue;
		}
		uint32_t at = r->at;
		size_t k = read_escape(r, end, dst + n); /* never longer than its text */
		if (k == 0)
			return fail(r, at, "invalid escape in a string");
		n += k;
	}
	*out = bytes_of(dst, n);
	r->at = end + 1;
	return true;
}

static bool digits(struct reader *r)
{
	uint32_t from = r->at;
	while (r->at < r->n && r->p[r->at] >= '0' && r->p[r->at] <= '9')
		r->at++;
	return r->at > from;
}

static bool read_number(struct reader *r, struct hujson_value *v)
{
	uint32_t from = r->at;

	if (r->p[r->at] == '-')
		r->at++;
	if (r->at < r->n && r->p[r->at] == '0')
		r->at++;
	else if (!digits(r))
		return fail(r, from, "invalid number");
	if (r->at < r->n && r->p[r->at] == '.') {
		r->at++;
		if (!digits(r))
			return fail(r, from, "invalid number");
	}
	if (r->at < r->n && (r->p[r->at] | 32) == 'e') {
		r->at++;
		if (r->at < r->n && (r->p[r->at] == '+' || r->p[r->at] == '-'))
			r->at++;
		if (!digits(r))
			return fail(r, from, "invalid number");
	}
	v->type = HUJSON_NUMBER;
	v->text = bytes_of(r->p + from, r->at - from);
	return true;
}

static bool read_word(struct reader *r, const char *word)
{
	size_t n = strlen(word);
	if (r->n - r->at < n || memcmp(r->p + r->at, word, n) != 0)
		return fail(r, r->at, "unknown word where a value is expected");
	r->at += (uint32_t)n;
	return true;
}

static uint64_t hash_key(uint64_t h, struct bytes k)
{
	for (size_t i = 0; i < k.n; i++)
		h = (h ^ k.p[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
	return h ? h : 1;
}

static bool name_twice(struct reader *r, const struct hujson_value *v)
{
	char text[160];
	int n = v->key.n > 60 ? 60 : (int)v->key.n;
	snprintf(text, sizeof text, "duplicate field: \"%.*s\"", n, (const char *)v->key.p);
	return fail(r, v->key_pos, text);
}

static bool names_differ(struct reader *r, const struct hujson_value *o)
{
	size_t size = 16;
	const struct hujson_value **table;

	if (o->n < 2)
		return true;
	while (size < 2 * (size_t)o->n)
		size *= 2;
	table = xcalloc(size, sizeof *table);
	bool ok = true;
	for (const struct hujson_value *v = o->child; v && ok; v = v->next) {
		size_t i = hash_key(r->seed, v->key) & (size - 1);
		while (table[i] && !bytes_eq(table[i]->key, v->key))
			i = (i + 1) & (size - 1);
		if (table[i])
			ok = name_twice(r, v);
		table[i] = v;
	}
	free(table);
	return ok;
}

static struct hujson_value *read_value(struct reader *r);

/* The name and colon of a member into key and *pos. */
static bool read_name(struct reader *r, struct bytes *key, uint32_t *pos)
{
	if (r->p[r->at] != '"')
		return fail(r, r->at, "a member's name in double quotes is expected");
	*pos = r->at;
	if (!read_string(r, key) || !skip_blank(r))
		return false;
	if (r->at >= r->n || r->p[r->at] != ':')
		return fail(r, r->at, "a colon is expected after a member's name");
	r->at++;
	return skip_blank(r);
}

static bool read_children(struct reader *r, struct hujson_value *v, uint8_t close)
{
	struct hujson_value **tail = &v->child;
	uint32_t comma = 0;

	r->at++;
	for (;;) {
		struct bytes key = { 0 };
		uint32_t key_pos = 0;
		struct hujson_value *c;

		if (!skip_blank(r))
			return false;
		if (r->at >= r->n)
			return fail(r, r->at, "unexpected end of the text");
		if (r->p[r->at] == close) {
			if (comma)
				vec_push(&r->extras, ((struct hujson_extra){ comma, comma + 1 }));
			break;
		}
		if (v->n > 0 && !comma)
			return fail(r, r->at, "a comma or the closing bracket is expected");
		if (close == '}' && !read_name(r, &key, &key_pos))
			return false;
		c = read_value(r);
		if (!c)
			return false;
		c->key = key;
		c->key_pos = key_pos;
		*tail = c;
		tail = &c->next;
		v->n++;
		comma = 0;
		if (!skip_blank(r))
			return false;
		if (r->at < r->n && r->p[r->at] == ',')
			comma = r->at++;
	}
	r->at++;
	return close == ']' || names_differ(r, v);
}

static bool read_nested(struct reader *r, struct hujson_value *v, enum hujson_type type)
{
	bool ok;

	v->type = type;
	if (r->depth == HUJSON_DEPTH_MAX)
		return fail(r, r->at, "nested too deeply");
	r->depth++;
	ok = read_children(r, v, type == HUJSON_ARRAY ? ']' : '}');
	r->depth--;
	return ok;
}

static struct hujson_value *read_value(struct reader *r)
{
	struct hujson_value *v;
	bool ok;

	if (!count(r))
		return NULL;
	if (r->at >= r->n) {
		fail(r, r->at, "unexpected end of the text");
		return NULL;
	}
	v = ARENA_NEW(r->a, struct hujson_value);
	v->pos = r->at;
	switch (r->p[r->at]) {
	case '{':
		ok = read_nested(r, v, HUJSON_OBJECT);
		break;
	case '[':
		ok = read_nested(r, v, HUJSON_ARRAY);
		break;
	case '"':
		v->type = HUJSON_STRING;
		ok = read_string(r, &v->text);
		break;
	case 't':
		v->type = HUJSON_BOOL;
		v->flag = true;
		ok = read_word(r, "true");
		break;
	case 'f':
		v->type = HUJSON_BOOL;
		ok = read_word(r, "false");
		break;
	case 'n':
		ok = read_word(r, "null");
		break;
	default:
		if (r->p[r->at] == '-' || (r->p[r->at] >= '0' && r->p[r->at] <= '9'))
			ok = read_number(r, v);
		else
			ok = fail(r, r->at, "unexpected character where a value is expected");
	}
	v->end = r->at;
	return ok ? v : NULL;
}

static int by_pos(const void *a, const void *b)
{
	const struct hujson_extra *x = a, *y = b;
	return x->pos < y->pos ? -1 : x->pos > y->pos;
}

static void keep_extras(struct reader *r, struct hujson *out)
{
	/* A trailing comma is known only at the bracket after it, behind comments in between. */
	if (r->extras.n)
		qsort(r->extras.v, r->extras.n, sizeof *r->extras.v, by_pos);
	out->n_extras = r->extras.n;
	out->extras = ARENA_ARRAY(r->a, struct hujson_extra, r->extras.n);
	if (r->extras.n)
		mem_copy(out->extras, r->extras.v, r->extras.n * sizeof *r->extras.v);
}

enum status hujson_parse(struct bytes text, struct arena *a, struct hujson *out, struct hujson_error *error_out)
{
	struct reader r = { .p = text.p, .a = a, .seed = random_u64() };
	struct hujson_value *root = NULL;

	if (text.n > HUJSON_BYTES_MAX) {
		if (error_out)
			*error_out = (struct hujson_error){ 1, 1, "the text is too long" };
		return ST_TOO_BIG;
	}
	r.n = (uint32_t)text.n;
	if (skip_blank(&r) && r.at < r.n) {
		root = read_value(&r);
		if (root && skip_blank(&r) && r.at < r.n)
			fail(&r, r.at, "text after the value");
	}
	if (r.status == ST_OK) {
		*out = (struct hujson){ .text = text, .root = root };
		keep_extras(&r, out);
	} else if (error_out) {
		hujson_position(text, r.bad_at, &error_out->line, &error_out->column);
		mem_copy(error_out->message, r.message, sizeof error_out->message);
	}
	vec_release(&r.extras);
	return r.status;
}

struct hujson_value *hujson_member(const struct hujson_value *v, const char *name)
{
	if (!v || v->type != HUJSON_OBJECT)
		return NULL;
	for (struct hujson_value *c = v->child; c; c = c->next)
		if (bytes_eq_str(c->key, name))
			return c;
	return NULL;
}

void hujson_position(struct bytes text, uint32_t pos, unsigned *line_out, unsigned *column_out)
{
	unsigned line = 1;
	uint32_t start = 0;

	for (uint32_t i = 0; i < pos && i < text.n; i++)
		if (text.p[i] == '\n') {
			line++;
			start = i + 1;
		}
	*line_out = line;
	*column_out = pos - start + 1;
}

void hujson_standardize(const struct hujson *h, struct buf *out)
{
	uint8_t *p = buf_reserve(out, h->text.n);

	if (!p)
		return;
	if (h->text.n)
		mem_copy(p, h->text.p, h->text.n);
	for (size_t i = 0; i < h->n_extras; i++)
		for (uint32_t at = h->extras[i].pos; at < h->extras[i].end; at++)
			if (p[at] != '\n' && p[at] != '\r')
				p[at] = ' ';
	out->n += h->text.n;
}

static void compact_string(struct bytes s, struct buf *out)
{
	buf_put_char(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c == '"' || c == '\\')
			buf_put_char(out, '\\');
		if (c < 0x20)
			buf_printf(out, "\\u%04x", c);
		else
			buf_put_char(out, (char)c);
	}
	buf_put_char(out, '"');
}

void hujson_compact(const struct hujson_value *v, struct buf *out)
{
	bool object = v->type == HUJSON_OBJECT;

	switch (v->type) {
	case HUJSON_NULL:
		buf_put_str(out, "null");
		return;
	case HUJSON_BOOL:
		buf_put_str(out, v->flag ? "true" : "false");
		return;
	case HUJSON_NUMBER:
		buf_put_bytes(out, v->text);
		return;
	case HUJSON_STRING:
		compact_string(v->text, out);
		return;
	case HUJSON_ARRAY:
	case HUJSON_OBJECT:
		break;
	}
	buf_put_char(out, object ? '{' : '[');
	for (const struct hujson_value *c = v->child; c; c = c->next) {
		if (c != v->child)
			buf_put_char(out, ',');
		if (object) {
			compact_string(c->key, out);
			buf_put_char(out, ':');
		}
		hujson_compact(c, out);
	}
	buf_put_char(out, object ? '}' : ']');
}
