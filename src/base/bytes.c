/* base/bytes.c -- see base/bytes.h. */
#include "base/bytes.h"

#include "base/vec.h"

int bytes_cmp(struct bytes a, struct bytes b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static uint8_t ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool bytes_ieq_str(struct bytes a, const char *s)
{
	struct bytes b = bytes_of_str(s);

	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	}
	return true;
}

char *bytes_strdup(struct bytes b)
{
	char *s = xmalloc(b.n + 1);

	if (b.n)
		memcpy(s, b.p, b.n);
	s[b.n] = 0;
	return s;
}

void hex_encode(struct bytes in, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < in.n; i++) {
		*out++ = digits[in.p[i] >> 4];
		*out++ = digits[in.p[i] & 15];
	}
	*out = 0;
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum status hex_decode(struct bytes in, uint8_t *out, size_t n)
{
	if (in.n % 2 != 0 || in.n / 2 != n)
		return ST_BAD_INPUT;
	for (size_t i = 0; i < in.n; i++) {
		if (hex_value(in.p[i]) < 0)
			return ST_BAD_INPUT; /* judged first: out stays untouched */
	}
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(hex_value(in.p[2 * i]) << 4 | hex_value(in.p[2 * i + 1]));
	return ST_OK;
}

static void base64_with(struct bytes in, const char *alphabet, bool pad, char *out)
{
	size_t i = 0, rest;
	uint32_t v;

	for (; in.n - i >= 3; i += 3) {
		v = (uint32_t)in.p[i] << 16 | (uint32_t)in.p[i + 1] << 8 | in.p[i + 2];
		*out++ = alphabet[v >> 18];
		*out++ = alphabet[v >> 12 & 63];
		*out++ = alphabet[v >> 6 & 63];
		*out++ = alphabet[v & 63];
	}
	rest = in.n - i;
	if (rest) {
		v = (uint32_t)in.p[i] << 16 | (rest == 2 ? (uint32_t)in.p[i + 1] << 8 : 0);
		*out++ = alphabet[v >> 18];
		*out++ = alphabet[v >> 12 & 63];
		if (rest == 2)
			*out++ = alphabet[v >> 6 & 63];
		for (size_t k = rest; pad && k < 3; k++)
			*out++ = '=';
	}
	*out = 0;
}

#define ALNUM64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

void base64_encode(struct bytes in, char *out)
{
	base64_with(in, ALNUM64 "+/", true, out);
}

void base64url_encode(struct bytes in, char *out)
{
	base64_with(in, ALNUM64 "-_", false, out);
}

static int base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

/* The text without its padding; padding must fill the last group of four exactly. */
static enum status base64_strip(struct bytes *in)
{
	size_t pad = 0;

	while (pad < 2 && in->n > pad && in->p[in->n - 1 - pad] == '=')
		pad++;
	if (pad && in->n % 4 != 0)
		return ST_BAD_INPUT;
	in->n -= pad;
	return in->n % 4 == 1 ? ST_BAD_INPUT : ST_OK;
}

enum status base64_decode(struct bytes in, uint8_t *out, size_t *n_out)
{
	uint32_t acc = 0;
	unsigned bits = 0;
	size_t n = 0;

	if (base64_strip(&in) != ST_OK)
		return ST_BAD_INPUT;
	for (size_t i = 0; i < in.n; i++) {
		int v = base64_value(in.p[i]);

		if (v < 0)
			return ST_BAD_INPUT;
		acc = acc << 6 | (uint32_t)v;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (uint8_t)(acc >> bits);
		}
	}
	if (acc & ((1u << bits) - 1))
		return ST_BAD_INPUT; /* left-over bits must be zero: one text a value */
	*n_out = n;
	return ST_OK;
}
