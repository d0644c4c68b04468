/*
 * model/ip.c -- see model/ip.h.
 *
 * Addresses of both families live in 16 bytes, so comparing, masking and stepping are one code:
 * IPv4 counts its bits from bit 96 on.
 */
#include "model/ip.h"

#include <stdlib.h>

#include "base/vec.h"

/* --- text to address ---------------------------------------------------------------------- */

/* Four decimal numbers 0..255 with dots between, no leading zeros, nothing else. */
static enum status parse_quad(struct bytes in, uint8_t out[static 4])
{
	unsigned v = 0, digits = 0, field = 0;

	for (size_t i = 0; i < in.n; i++) {
		uint8_t c = in.p[i];

		if (c == '.') {
			if (!digits || field == 3)
				return ST_BAD_INPUT;
			out[field++] = (uint8_t)v;
			v = digits = 0;
			continue;
		}
		if (c < '0' || c > '9' || (digits && v == 0))
			return ST_BAD_INPUT;
		v = v * 10 + (unsigned)(c - '0');
		digits++;
		if (v > 255)
			return ST_BAD_INPUT;
	}
	if (!digits || field != 3)
		return ST_BAD_INPUT;
	out[3] = (uint8_t)v;
	return ST_OK;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Up to four hex digits at the front of *in; returns how many there were. */
static size_t take_group(struct bytes *in, unsigned *v)
{
	size_t n = 0;

	*v = 0;
	while (n < in->n && n < 5 && hex_digit(in->p[n]) >= 0)
		*v = *v << 4 | (unsigned)hex_digit(in->p[n++]);
	return n;
}

struct v6_text {
	uint8_t b[16];
	size_t n;        /* bytes read so far */
	size_t ellipsis; /* where "::" stands in b, SIZE_MAX while there is none */
};

/* After a group: a colon and more, "::", or the end. */
static enum status take_colon(struct bytes *in, struct v6_text *t)
{
	if (in->p[0] != ':' || in->n == 1)
		return ST_BAD_INPUT;
	*in = bytes_skip(*in, 1);
	if (in->p[0] == ':') {
		if (t->ellipsis != SIZE_MAX)
			return ST_BAD_INPUT;
		t->ellipsis = t->n;
		*in = bytes_skip(*in, 1);
	}
	return ST_OK;
}

static enum status take_groups(struct bytes in, struct v6_text *t)
{
	while (in.n && t->n < 16) {
		unsigned v;
		size_t len = take_group(&in, &v);

		if (len == 0 || len > 4)
			return ST_BAD_INPUT;
		if (in.n > len && in.p[len] == '.') { /* the last 32 bits as a dotted quad */
			if ((t->ellipsis == SIZE_MAX && t->n != 12) || t->n > 12 || parse_quad(in, t->b + t->n) != ST_OK)
				return ST_BAD_INPUT;
			t->n += 4;
			return ST_OK;
		}
		t->b[t->n++] = (uint8_t)(v >> 8);
		t->b[t->n++] = (uint8_t)v;
		in = bytes_skip(in, len);
		if (in.n && take_colon(&in, t) != ST_OK)
			return ST_BAD_INPUT;
	}
	return in.n ? ST_BAD_INPUT : ST_OK;
}

static enum status parse_v6(struct bytes in, uint8_t out[static 16])
{
	struct v6_text t = { .ellipsis = SIZE_MAX };

	if (in.n >= 2 && in.p[0] == ':' && in.p[1] == ':') {
		t.ellipsis = 0;
		in = bytes_skip(in, 2);
	}
	if (take_groups(in, &t) != ST_OK)
		return ST_BAD_INPUT;
	if ((t.ellipsis == SIZE_MAX) != (t.n == 16))
		return ST_BAD_INPUT; /* too short, or "::" that stands for nothing */
	memset(out, 0, 16);
	if (t.ellipsis == SIZE_MAX) {
		memcpy(out, t.b, 16);
	} else {
		size_t tail = t.n - t.ellipsis;

		memcpy(out, t.b, t.ellipsis);
		memcpy(out + 16 - tail, t.b + t.ellipsis, tail);
	}
	return ST_OK;
}

enum status ip_parse(struct bytes in, struct ip_addr *out)
{
	struct ip_addr a = { 0 };
	enum status s;

	if (in.n && memchr(in.p, ':', in.n)) {
		a.family = IP_V6;
		s = parse_v6(in, a.b);
	} else {
		a.family = IP_V4;
		s = parse_quad(in, a.b + 12);
	}
	if (s == ST_OK)
		*out = a;
	return s;
}

static unsigned family_bits(const struct ip_addr *a)
{
	return a->family == IP_V4 ? 32 : a->family == IP_V6 ? 128 : 0;
}

enum status ip_prefix_parse(struct bytes in, struct ip_prefix *out)
{
	struct ip_prefix p = { 0 };
	unsigned bits = 0;
	size_t slash = in.n;

	while (slash > 0 && in.p[slash - 1] != '/')
		slash--;
	if (slash == 0 || slash == in.n || in.n - slash > 3)
		return ST_BAD_INPUT;
	for (size_t i = slash; i < in.n; i++) {
		if (in.p[i] < '0' || in.p[i] > '9' || (i > slash && bits == 0))
			return ST_BAD_INPUT;
		bits = bits * 10 + (unsigned)(in.p[i] - '0');
	}
	if (ip_parse(bytes_of(in.p, slash - 1), &p.addr) != ST_OK || bits > family_bits(&p.addr))
		return ST_BAD_INPUT;
	p.bits = (uint8_t)bits;
	*out = p;
	return ST_OK;
}

/* --- address to text ---------------------------------------------------------------------- */

static char *put_decimal(char *p, unsigned v)
{
	if (v >= 100)
		*p++ = (char)('0' + v / 100);
	if (v >= 10)
		*p++ = (char)('0' + v / 10 % 10);
	*p++ = (char)('0' + v % 10);
	return p;
}

static char *put_quad(char *p, const uint8_t b[static 4])
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*p++ = '.';
		p = put_decimal(p, b[i]);
	}
	return p;
}

static char *put_group(char *p, unsigned v)
{
	static const char digits[] = "0123456789abcdef";

	if (v > 0xfff)
		*p++ = digits[v >> 12];
	if (v > 0xff)
		*p++ = digits[v >> 8 & 15];
	if (v > 0xf)
		*p++ = digits[v >> 4 & 15];
	*p++ = digits[v & 15];
	return p;
}

static unsigned group(const struct ip_addr *a, int i)
{
	return (unsigned)a->b[2 * i] << 8 | a->b[2 * i + 1];
}

/* The first of the longest runs of two or more zero groups; *len_out is 0 if there is none. */
static int zero_run(const struct ip_addr *a, int *len_out)
{
	int best = 0, best_len = 0;

	for (int i = 0; i < 8; i++) {
		int end = i;

		while (end < 8 && group(a, end) == 0)
			end++;
		if (end - i >= 2 && end - i > best_len) {
			best = i;
			best_len = end - i;
		}
		if (end > i)
			i = end;
	}
	*len_out = best_len;
	return best;
}

static bool is_mapped(const struct ip_addr *a)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->b, prefix, sizeof prefix) == 0;
}

static char *put_v6(char *p, const struct ip_addr *a)
{
	int len, zero = zero_run(a, &len);

	if (is_mapped(a)) {
		memcpy(p, "::ffff:", 7);
		return put_quad(p + 7, a->b + 12);
	}
	for (int i = 0; i < 8; i++) {
		if (len && i == zero) {
			*p++ = ':';
			*p++ = ':';
			i += len - 1;
			continue;
		}
		if (i && !(len && i == zero + len))
			*p++ = ':';
		p = put_group(p, group(a, i));
	}
	return p;
}

size_t ip_format(const struct ip_addr *a, char out[static IP_TEXT_MAX])
{
	char *p = out;

	if (a->family == IP_V4)
		p = put_quad(p, a->b + 12);
	else if (a->family == IP_V6)
		p = put_v6(p, a);
	*p = 0;
	return (size_t)(p - out);
}

size_t ip_prefix_format(const struct ip_prefix *pr, char out[static IP_PREFIX_TEXT_MAX])
{
	size_t n = ip_format(&pr->addr, out);
	char *p = out + n;

	if (!n)
		return 0;
	*p++ = '/';
	p = put_decimal(p, pr->bits);
	*p = 0;
	return (size_t)(p - out);
}

/* --- one address, one prefix -------------------------------------------------------------- */

int ip_cmp(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, 16);
}

bool ip_eq(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, 16) == 0;
}

int ip_prefix_cmp(const struct ip_prefix *a, const struct ip_prefix *b)
{
	int c = ip_cmp(&a->addr, &b->addr);

	return c ? c : (a->bits > b->bits) - (a->bits < b->bits);
}

bool ip_prefix_eq(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->bits == b->bits && ip_eq(&a->addr, &b->addr);
}

/* Bits of the 16 bytes that a prefix fixes. */
static unsigned fixed_bits(const struct ip_prefix *p)
{
	return p->bits + (p->addr.family == IP_V4 ? 96u : 0u);
}

/* Set every bit of a after the first `keep` ones to zero or to one. */
static void fill_tail(struct ip_addr *a, unsigned keep, bool ones)
{
	for (unsigned i = keep / 8; i < 16; i++) {
		uint8_t mask = i == keep / 8 ? (uint8_t)(0xff >> keep % 8) : 0xff;

		a->b[i] = ones ? (uint8_t)(a->b[i] | mask) : (uint8_t)(a->b[i] & ~mask);
	}
}

struct ip_prefix ip_prefix_masked(struct ip_prefix p)
{
	if (p.addr.family != IP_NONE)
		fill_tail(&p.addr, fixed_bits(&p), false);
	return p;
}

static bool same_front(const struct ip_addr *a, const struct ip_addr *b, unsigned bits)
{
	if (memcmp(a->b, b->b, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (a->b[bits / 8] ^ b->b[bits / 8]) >> (8 - bits % 8) == 0;
}

bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
	return p->addr.family != IP_NONE && p->addr.family == a->family && same_front(&p->addr, a, fixed_bits(p));
}

bool ip_prefix_covers(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
	return outer->bits <= inner->bits && ip_prefix_contains(outer, &inner->addr);
}

bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->bits <= b->bits ? ip_prefix_contains(a, &b->addr) : ip_prefix_contains(b, &a->addr);
}

bool ip_prefix_is_default(const struct ip_prefix *p)
{
	static const uint8_t zero[16];

	return p->addr.family != IP_NONE && p->bits == 0 && memcmp(p->addr.b, zero, 16) == 0;
}

struct ip_prefix ip_prefix_of(struct ip_addr a)
{
	return (struct ip_prefix){ a, (uint8_t)family_bits(&a) };
}

struct ip_range ip_range_of_prefix(struct ip_prefix p)
{
	struct ip_range r = { p.addr, p.addr };

	if (p.addr.family != IP_NONE) {
		fill_tail(&r.from, fixed_bits(&p), false);
		fill_tail(&r.to, fixed_bits(&p), true);
	}
	return r;
}

static int first_byte(const struct ip_addr *a)
{
	return a->family == IP_V4 ? 12 : 0;
}

bool ip_next(struct ip_addr *a)
{
	struct ip_addr next = *a;

	for (int i = 15; a->family != IP_NONE && i >= first_byte(a); i--) {
		if (++next.b[i] != 0) {
			*a = next;
			return true;
		}
	}
	return false;
}

bool ip_prev(struct ip_addr *a)
{
	struct ip_addr prev = *a;

	for (int i = 15; a->family != IP_NONE && i >= first_byte(a); i--) {
		if (prev.b[i]-- != 0) {
			*a = prev;
			return true;
		}
	}
	return false;
}

/* --- sets --------------------------------------------------------------------------------- */

void ip_set_release(struct ip_set *s)
{
	free(s->r);
	*s = (struct ip_set){ 0 };
}

/* a is so far below b that not even touching it: there is an address between, or another family. */
static bool apart_below(const struct ip_addr *a, const struct ip_addr *b)
{
	struct ip_addr next = *a;

	if (ip_cmp(a, b) >= 0)
		return false;
	return !ip_next(&next) || ip_cmp(&next, b) < 0;
}

/* The first range that does not lie wholly below a; s->n if all do. `touching`: one that ends just before a counts. */
static size_t find(const struct ip_set *s, const struct ip_addr *a, bool touching)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		bool below = touching ? apart_below(&s->r[mid].to, a) : ip_cmp(&s->r[mid].to, a) < 0;

		if (below)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Put `n` ranges in the place of those from..to-1. */
static void splice(struct ip_set *s, size_t from, size_t to, const struct ip_range *with, size_t n)
{
	size_t after = s->n - to;

	while (s->cap < from + n + after)
		s->r = vec_grow(s->r, &s->cap, sizeof *s->r);
	if (after)
		memmove(s->r + from + n, s->r + to, after * sizeof *s->r);
	if (n)
		memcpy(s->r + from, with, n * sizeof *s->r);
	s->n = from + n + after;
}

static bool range_is_good(const struct ip_range *r)
{
	return r->from.family != IP_NONE && r->from.family == r->to.family && ip_cmp(&r->from, &r->to) <= 0;
}

void ip_set_add_range(struct ip_set *s, struct ip_range r)
{
	size_t from, to;

	if (!range_is_good(&r))
		return;
	from = to = find(s, &r.from, true);
	while (to < s->n && !apart_below(&r.to, &s->r[to].from)) {
		if (ip_cmp(&s->r[to].from, &r.from) < 0)
			r.from = s->r[to].from;
		if (ip_cmp(&s->r[to].to, &r.to) > 0)
			r.to = s->r[to].to;
		to++;
	}
	splice(s, from, to, &r, 1);
}

void ip_set_add_prefix(struct ip_set *s, struct ip_prefix p)
{
	ip_set_add_range(s, ip_range_of_prefix(p));
}

void ip_set_remove_range(struct ip_set *s, struct ip_range r)
{
	struct ip_range rest[2];
	size_t from, to, n = 0;

	if (!range_is_good(&r))
		return;
	from = to = find(s, &r.from, false);
	while (to < s->n && ip_cmp(&s->r[to].from, &r.to) <= 0)
		to++;
	if (from == to)
		return;
	if (ip_cmp(&s->r[from].from, &r.from) < 0) {
		rest[n] = (struct ip_range){ s->r[from].from, r.from };
		ip_prev(&rest[n++].to); /* r.from is above another address: never the first */
	}
	if (ip_cmp(&s->r[to - 1].to, &r.to) > 0) {
		rest[n] = (struct ip_range){ r.to, s->r[to - 1].to };
		ip_next(&rest[n++].from);
	}
	splice(s, from, to, rest, n);
}

void ip_set_remove_prefix(struct ip_set *s, struct ip_prefix p)
{
	ip_set_remove_range(s, ip_range_of_prefix(p));
}

void ip_set_add_set(struct ip_set *s, const struct ip_set *o)
{
	for (size_t i = 0; i < o->n; i++)
		ip_set_add_range(s, o->r[i]);
}

bool ip_set_contains(const struct ip_set *s, const struct ip_addr *a)
{
	size_t i = find(s, a, false);

	return i < s->n && ip_cmp(&s->r[i].from, a) <= 0;
}

bool ip_set_overlaps_prefix(const struct ip_set *s, const struct ip_prefix *p)
{
	struct ip_range r = ip_range_of_prefix(*p);
	size_t i = find(s, &r.from, false);

	return i < s->n && ip_cmp(&s->r[i].from, &r.to) <= 0;
}

bool ip_set_covers_prefix(const struct ip_set *s, const struct ip_prefix *p)
{
	struct ip_range r = ip_range_of_prefix(*p);
	size_t i = find(s, &r.from, false);

	return i < s->n && ip_cmp(&s->r[i].from, &r.from) <= 0 && ip_cmp(&r.to, &s->r[i].to) <= 0;
}

/* The largest prefix that starts at a and ends no later than `to`. */
static struct ip_prefix largest_at(const struct ip_addr *a, const struct ip_addr *to)
{
	struct ip_prefix p = ip_prefix_of(*a);

	while (p.bits > 0) {
		struct ip_prefix wider = { *a, (uint8_t)(p.bits - 1) };
		struct ip_range r = ip_range_of_prefix(wider);

		if (!ip_eq(&r.from, a) || ip_cmp(&r.to, to) > 0)
			break;
		p = wider;
	}
	return p;
}

size_t ip_range_prefixes(struct ip_range r, struct ip_prefix *out, size_t max)
{
	size_t n = 0;

	if (!range_is_good(&r))
		return 0;
	for (;;) {
		struct ip_prefix p = largest_at(&r.from, &r.to);
		struct ip_addr last = ip_range_of_prefix(p).to;

		if (n < max)
			out[n] = p;
		n++;
		if (ip_cmp(&last, &r.to) >= 0)
			return n;
		r.from = last;
		ip_next(&r.from);
	}
}
