/*
 * base/json_out.c -- see base/json_out.h.
 *
 * A string is cut into runs that go out as they are; only what ends a run (a byte to escape, a byte
 * that is not UTF-8) is looked at one by one. Runs are found eight bytes at a time.
 */
#include "base/json_out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/utf8.h"

static void before_value(struct jw *w)
{
	if (w->comma)
		buf_put_char(w->b, ',');
	w->comma = true;
}

static void open_with(struct jw *w, char c)
{
	before_value(w);
	buf_put_char(w->b, c);
	w->comma = false;
}

static void close_with(struct jw *w, char c)
{
	buf_put_char(w->b, c);
	w->comma = true;
}

void jw_obj_begin(struct jw *w)
{
	open_with(w, '{');
}

void jw_obj_end(struct jw *w)
{
	close_with(w, '}');
}

void jw_arr_begin(struct jw *w)
{
	open_with(w, '[');
}

void jw_arr_end(struct jw *w)
{
	close_with(w, ']');
}

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

/* Non-zero if some byte of v is below 0x20, a quote, a backslash or not ASCII. (May also be set for an innocent
 * byte above such a one; never clear when one is there.) */
static uint64_t special(uint64_t v)
{
	uint64_t quote = v ^ ONES * '"', slash = v ^ ONES * '\\';

	return (((v - ONES * 0x20) | (quote - ONES) | (slash - ONES)) | v) & HIGHS;
}

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static size_t plain_run(const uint8_t *p, size_t n)
{
	size_t i = 0;
	uint64_t v;

	for (; n - i >= 8; i += 8) {
		memcpy(&v, p + i, 8);
		if (special(v))
			break;
	}
	while (i < n && is_plain(p[i]))
		i++;
	return i;
}

static void put_escape(struct buf *b, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	char u[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

	switch (c) {
	case '"':
		buf_put(b, "\\\"", 2);
		break;
	case '\\':
		buf_put(b, "\\\\", 2);
		break;
	case '\n':
		buf_put(b, "\\n", 2);
		break;
	case '\r':
		buf_put(b, "\\r", 2);
		break;
	case '\t':
		buf_put(b, "\\t", 2);
		break;
	default:
		buf_put(b, u, sizeof u);
	}
}

static void put_text(struct buf *b, struct bytes s)
{
	while (s.n) {
		size_t run = plain_run(s.p, s.n);

		while (run < s.n && s.p[run] >= 0x80) {
			size_t len = utf8_len(bytes_skip(s, run));

			if (!len)
				break;
			run += len;
		}
		buf_put(b, s.p, run);
		s = bytes_skip(s, run);
		if (!s.n || is_plain(s.p[0]))
			continue;
		if (s.p[0] >= 0x80)
			buf_put(b, "\xef\xbf\xbd", 3);
		else
			put_escape(b, s.p[0]);
		s = bytes_skip(s, 1);
	}
}

static void put_quoted(struct buf *b, struct bytes s)
{
	buf_put_char(b, '"');
	put_text(b, s);
	buf_put_char(b, '"');
}

void jw_key_bytes(struct jw *w, struct bytes name)
{
	before_value(w);
	put_quoted(w->b, name);
	buf_put_char(w->b, ':');
	w->comma = false;
}

void jw_key(struct jw *w, const char *name)
{
	jw_key_bytes(w, bytes_of_str(name));
}

void jw_str_bytes(struct jw *w, struct bytes s)
{
	before_value(w);
	put_quoted(w->b, s);
}

void jw_str(struct jw *w, const char *s)
{
	jw_str_bytes(w, bytes_of_str(s));
}

void jw_u64(struct jw *w, uint64_t v)
{
	before_value(w);
	buf_put_u64(w->b, v);
}

void jw_i64(struct jw *w, int64_t v)
{
	before_value(w);
	buf_put_i64(w->b, v);
}

void jw_double(struct jw *w, double v)
{
	char text[32];

	before_value(w);
	if (!isfinite(v)) {
		buf_put(w->b, "null", 4);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_put_str(w->b, text);
}

void jw_bool(struct jw *w, bool v)
{
	before_value(w);
	if (v)
		buf_put(w->b, "true", 4);
	else
		buf_put(w->b, "false", 5);
}

void jw_null(struct jw *w)
{
	before_value(w);
	buf_put(w->b, "null", 4);
}

void jw_raw(struct jw *w, struct bytes json)
{
	before_value(w);
	buf_put_bytes(w->b, json);
}

void jw_time(struct jw *w, int64_t unix_ns)
{
	char text[RFC3339_MAX + 2];
	size_t n;

	before_value(w);
	text[0] = '"';
	n = rfc3339_format(unix_ns, text + 1);
	text[n + 1] = '"';
	buf_put(w->b, text, n + 2);
}
