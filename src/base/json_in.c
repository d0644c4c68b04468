/*
 * base/json_in.c -- see base/json_in.h.
 *
 * json-c, in its strict mode too, takes things that are no JSON (NaN, raw control characters) and cuts
 * member names at \u0000. So the text is checked against RFC 8259 first, by a walk that keeps one
 * byte per open bracket; json-c then only builds the tree.
 */
#include "base/json_in.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/utf8.h"

/* --- the check ---------------------------------------------------------------------------- */

struct walk {
	const uint8_t *p, *end;
	const char *wrong; /* the first mistake, NULL while there is none */
};

static bool fail(struct walk *w, const char *why)
{
	if (!w->wrong)
		w->wrong = why;
	return false;
}

static void skip_space(struct walk *w)
{
	while (w->p < w->end && (*w->p == ' ' || *w->p == '\t' || *w->p == '\n' || *w->p == '\r'))
		w->p++;
}

static bool at_digit(const struct walk *w)
{
	return w->p < w->end && *w->p >= '0' && *w->p <= '9';
}

static bool take_digits(struct walk *w)
{
	if (!at_digit(w))
		return fail(w, "a digit is missing");
	while (at_digit(w))
		w->p++;
	return true;
}

static bool take_char(struct walk *w, char c)
{
	if (w->p >= w->end || *w->p != (uint8_t)c)
		return false;
	w->p++;
	return true;
}

static bool walk_number(struct walk *w)
{
	take_char(w, '-');
	if (take_char(w, '0')) {
		if (at_digit(w))
			return fail(w, "a number starts with 0");
	} else if (!take_digits(w)) {
		return false;
	}
	if (take_char(w, '.') && !take_digits(w))
		return false;
	if (take_char(w, 'e') || take_char(w, 'E')) {
		if (!take_char(w, '+'))
			take_char(w, '-');
		return take_digits(w);
	}
	return true;
}

static bool walk_escape(struct walk *w, bool is_name)
{
	uint8_t u[2];

	if (w->p >= w->end)
		return fail(w, "the text ends inside a string");
	if (*w->p != 'u') {
		if (!strchr("\"\\/bfnrt", *w->p) || !*w->p)
			return fail(w, "unknown escape");
		w->p++;
		return true;
	}
	if (w->end - w->p < 5 || hex_decode(bytes_of(w->p + 1, 4), u, 2) != ST_OK)
		return fail(w, "malformed \\u escape");
	if (is_name && !u[0] && !u[1])
		return fail(w, "a name holds NUL");
	w->p += 5;
	return true;
}

static bool walk_string(struct walk *w, bool is_name)
{
	if (!take_char(w, '"'))
		return fail(w, is_name ? "a name in quotes is missing" : "a string is missing");
	while (w->p < w->end) {
		uint8_t c = *w->p;
		size_t len;

		if (c == '"') {
			w->p++;
			return true;
		}
		if (c < 0x20)
			return fail(w, "a control character in a string");
		if (c == '\\') {
			w->p++;
			if (!walk_escape(w, is_name))
				return false;
			continue;
		}
		len = utf8_len(bytes_of(w->p, (size_t)(w->end - w->p)));
		if (!len)
			return fail(w, "not UTF-8");
		w->p += len;
	}
	return fail(w, "the text ends inside a string");
}

static bool walk_word(struct walk *w, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(w->end - w->p) < n || memcmp(w->p, word, n) != 0)
		return fail(w, "no JSON value starts so");
	w->p += n;
	return true;
}

static bool walk_scalar(struct walk *w)
{
	switch (*w->p) {
	case '"':
		return walk_string(w, false);
	case 't':
		return walk_word(w, "true");
	case 'f':
		return walk_word(w, "false");
	case 'n':
		return walk_word(w, "null");
	default:
		if (*w->p == '-' || at_digit(w))
			return walk_number(w);
		return fail(w, "no JSON value starts so");
	}
}

static bool walk_name(struct walk *w)
{
	skip_space(w);
	if (!walk_string(w, true))
		return false;
	skip_space(w);
	return take_char(w, ':') || fail(w, "a colon is missing");
}

/* After a value: close what ends here, or step to the next member. Sets *done at the end of the outermost value. */
static bool walk_after(struct walk *w, char *open, size_t *depth, bool *done)
{
	while (*depth) {
		char close = open[*depth - 1];

		skip_space(w);
		if (take_char(w, ','))
			return close == '}' ? walk_name(w) : true;
		if (!take_char(w, close))
			return fail(w, w->p < w->end ? "a comma is missing" : "the text ends too early");
		(*depth)--;
	}
	*done = true;
	return true;
}

static bool walk_value(struct walk *w)
{
	char open[JSON_DEPTH_MAX];
	size_t depth = 0;
	bool done = false;

	while (!done) {
		skip_space(w);
		if (w->p >= w->end)
			return fail(w, "the text ends too early");
		if (*w->p == '{' || *w->p == '[') {
			char close = *w->p == '{' ? '}' : ']';

			if (depth == JSON_DEPTH_MAX)
				return fail(w, "nested too deep");
			open[depth++] = close;
			w->p++;
			skip_space(w);
			if (!take_char(w, close)) {
				if (close == '}' && !walk_name(w))
					return false;
				continue;
			}
			depth--;
		} else if (!walk_scalar(w)) {
			return false;
		}
		if (!walk_after(w, open, &depth, &done))
			return false;
	}
	return true;
}

static enum status check(struct bytes in, struct err *err)
{
	struct walk w = { .p = in.p, .end = in.p + in.n };

	if (walk_value(&w)) {
		skip_space(&w);
		if (w.p < w.end)
			fail(&w, "more follows after the value");
	}
	if (!w.wrong)
		return ST_OK;
	err_set(err, "JSON, byte %zu: %s", (size_t)(w.p - in.p), w.wrong);
	return ST_BAD_INPUT;
}

/* --- the tree ----------------------------------------------------------------------------- */

enum status json_parse(struct bytes in, size_t max_bytes, struct json_object **out, struct err *err)
{
	struct json_tokener *tok;
	struct json_object *o;
	enum json_tokener_error e;

	if (in.n > max_bytes || in.n > INT32_MAX - 1) {
		err_set(err, "JSON of %zu bytes is longer than the %zu allowed", in.n, max_bytes);
		return ST_TOO_BIG;
	}
	if (!in.n) {
		err_set(err, "JSON, byte 0: the text is empty");
		return ST_BAD_INPUT;
	}
	if (check(in, err) != ST_OK)
		return ST_BAD_INPUT;
	tok = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
	if (!tok)
		abort();
	/* Not strict: what that refuses is refused above, and with it json-c 0.18 takes no letter beyond ASCII. */
	o = json_tokener_parse_ex(tok, (const char *)in.p, (int)in.n);
	e = json_tokener_get_error(tok);
	if (e == json_tokener_continue) /* a bare number or word: its end shows only here */
		o = json_tokener_parse_ex(tok, "", 1), e = json_tokener_get_error(tok);
	json_tokener_free(tok);
	if (e != json_tokener_success) {
		err_set(err, "JSON: %s", json_tokener_error_desc(e));
		return ST_BAD_INPUT;
	}
	*out = o;
	return ST_OK;
}

/* --- members ------------------------------------------------------------------------------ */

/* ST_NOT_FOUND for absent and null. */
static enum status member(struct json_object *o, const char *name, enum json_type want, const char *what,
			  struct json_object **out, struct err *err)
{
	struct json_object *v = NULL;

	if (!o)
		return ST_NOT_FOUND;
	if (!json_object_is_type(o, json_type_object)) {
		err_set(err, "%s: an object should hold it", name);
		return ST_BAD_INPUT;
	}
	if (!json_object_object_get_ex(o, name, &v) || !v)
		return ST_NOT_FOUND;
	if (want != json_type_null && !json_object_is_type(v, want)) {
		err_set(err, "%s: should be %s", name, what);
		return ST_BAD_INPUT;
	}
	*out = v;
	return ST_OK;
}

static enum status absent_is_ok(enum status s)
{
	return s == ST_NOT_FOUND ? ST_OK : s;
}

enum status json_get_str(struct json_object *o, const char *name, const char **out, struct err *err)
{
	struct json_object *v;
	enum status s = member(o, name, json_type_string, "a string", &v, err);
	const char *text;

	if (s != ST_OK)
		return absent_is_ok(s);
	text = json_object_get_string(v);
	if (strlen(text) != (size_t)json_object_get_string_len(v)) {
		err_set(err, "%s: holds NUL", name);
		return ST_BAD_INPUT;
	}
	*out = text;
	return ST_OK;
}

enum status json_get_bool(struct json_object *o, const char *name, bool *out, struct err *err)
{
	struct json_object *v;
	enum status s = member(o, name, json_type_boolean, "true or false", &v, err);

	if (s != ST_OK)
		return absent_is_ok(s);
	*out = json_object_get_boolean(v);
	return ST_OK;
}

enum status json_get_i64(struct json_object *o, const char *name, int64_t *out, struct err *err)
{
	struct json_object *v;
	enum status s = member(o, name, json_type_int, "a whole number", &v, err);
	int64_t n;

	if (s != ST_OK)
		return absent_is_ok(s);
	n = json_object_get_int64(v);
	if (n == INT64_MAX || n == INT64_MIN) { /* json-c's answer for everything beyond, too */
		err_set(err, "%s: out of range", name);
		return ST_BAD_INPUT;
	}
	*out = n;
	return ST_OK;
}

static enum status decimal_u64(struct bytes in, uint64_t *out)
{
	uint64_t v = 0;

	if (!in.n)
		return ST_BAD_INPUT;
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] < '0' || in.p[i] > '9' || __builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(in.p[i] - '0'), &v))
			return ST_BAD_INPUT;
	}
	*out = v;
	return ST_OK;
}

enum status json_get_u64_text(struct json_object *o, const char *name, uint64_t *out, struct err *err)
{
	struct json_object *v;
	enum status s = member(o, name, json_type_null, "", &v, err);
	uint64_t n = UINT64_MAX;

	if (s != ST_OK)
		return absent_is_ok(s);
	if (json_object_is_type(v, json_type_string)) {
		s = decimal_u64(bytes_of(json_object_get_string(v), (size_t)json_object_get_string_len(v)), &n);
	} else if (json_object_is_type(v, json_type_int) && json_object_get_int64(v) >= 0) {
		n = json_object_get_uint64(v);
		s = n == UINT64_MAX ? ST_BAD_INPUT : ST_OK; /* json-c's answer for everything beyond, too */
	} else {
		s = ST_BAD_INPUT;
	}
	if (s != ST_OK) {
		err_set(err, "%s: should be a whole number from 0, as a number or as text", name);
		return ST_BAD_INPUT;
	}
	*out = n;
	return ST_OK;
}

enum status json_get_obj(struct json_object *o, const char *name, struct json_object **out, struct err *err)
{
	return absent_is_ok(member(o, name, json_type_object, "an object", out, err));
}

enum status json_get_arr(struct json_object *o, const char *name, struct json_object **out, struct err *err)
{
	return absent_is_ok(member(o, name, json_type_array, "an array", out, err));
}

enum status json_get_time(struct json_object *o, const char *name, int64_t *unix_ns_out, struct err *err)
{
	const char *text = NULL;
	enum status s = json_get_str(o, name, &text, err);

	if (s != ST_OK || !text)
		return s;
	s = rfc3339_parse(bytes_of_str(text), unix_ns_out);
	if (s != ST_OK)
		err_set(err, "%s: should be a time as RFC 3339 writes it, not \"%.64s\"", name, text);
	return s;
}
