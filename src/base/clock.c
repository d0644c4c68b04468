/*
 * base/clock.c -- see base/clock.h.
 *
 * Calendar arithmetic is done here and not by timegm(): it must not depend on the time zone
 * database, and it runs for every node that is encoded.
 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#define S_PER_DAY 86400
#define GO_ZERO_S ((int64_t)-62135596800) /* 0001-01-01T00:00:00Z */

static int64_t now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_unix_ns(void)
{
	return now(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
	return now(CLOCK_MONOTONIC);
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; years start in March, so leap days come last. */
static int64_t days_of(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_of(int64_t days, int *y, int *m, int *d)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = (int)(yoe + era * 400 + (*m <= 2));
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static char *put2(char *p, int v)
{
	*p++ = (char)('0' + v / 10);
	*p++ = (char)('0' + v % 10);
	return p;
}

/* ".5", or nothing for 0: nine digits without trailing zeros. */
static char *put_fraction(char *p, int64_t ns)
{
	int digits = 9;

	if (!ns)
		return p;
	for (; ns % 10 == 0; ns /= 10)
		digits--;
	*p = '.';
	for (int i = digits; i > 0; i--, ns /= 10)
		p[i] = (char)('0' + ns % 10);
	return p + 1 + digits;
}

size_t rfc3339_format(int64_t unix_ns, char out[static RFC3339_MAX])
{
	int64_t s = floor_div(unix_ns, NS_PER_S), days, ns;
	int y, m, d, rest;
	char *p = out;

	if (unix_ns == TIME_NONE)
		s = GO_ZERO_S;
	ns = unix_ns == TIME_NONE ? 0 : (int64_t)((uint64_t)unix_ns - (uint64_t)s * (uint64_t)NS_PER_S);
	days = floor_div(s, S_PER_DAY);
	rest = (int)(s - days * S_PER_DAY);
	date_of(days, &y, &m, &d);
	p = put2(put2(p, y / 100), y % 100);
	*p++ = '-';
	p = put2(p, m);
	*p++ = '-';
	p = put2(p, d);
	*p++ = 'T';
	p = put2(p, rest / 3600);
	*p++ = ':';
	p = put2(p, rest / 60 % 60);
	*p++ = ':';
	p = put2(p, rest % 60);
	p = put_fraction(p, ns);
	*p++ = 'Z';
	*p = 0;
	return (size_t)(p - out);
}

/* A cursor over text that remembers its first error. */
struct scan {
	struct bytes in;
	size_t at;
	bool bad;
};

static int digits(struct scan *s, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++, s->at++) {
		if (s->bad || s->at >= s->in.n || s->in.p[s->at] < '0' || s->in.p[s->at] > '9') {
			s->bad = true;
			return 0;
		}
		v = v * 10 + (s->in.p[s->at] - '0');
	}
	return v;
}

static void expect(struct scan *s, char c)
{
	if (s->bad || s->at >= s->in.n || s->in.p[s->at] != (uint8_t)c)
		s->bad = true;
	else
		s->at++;
}

static bool peek(const struct scan *s, char c)
{
	return !s->bad && s->at < s->in.n && s->in.p[s->at] == (uint8_t)c;
}

static int64_t fraction(struct scan *s)
{
	int64_t ns = 0;
	int n = 0;

	if (!peek(s, '.'))
		return 0;
	s->at++;
	while (s->at < s->in.n && s->in.p[s->at] >= '0' && s->in.p[s->at] <= '9' && n < 9) {
		ns = ns * 10 + (s->in.p[s->at++] - '0');
		n++;
	}
	if (!n)
		s->bad = true;
	for (; n < 9; n++)
		ns *= 10;
	return ns;
}

static int64_t offset_s(struct scan *s)
{
	bool minus = peek(s, '-');
	int h, m;

	if (peek(s, 'Z')) {
		s->at++;
		return 0;
	}
	expect(s, minus ? '-' : '+');
	h = digits(s, 2);
	expect(s, ':');
	m = digits(s, 2);
	if (h > 23 || m > 59)
		s->bad = true;
	return (minus ? -1 : 1) * (h * 3600 + m * 60);
}

static int month_days(int y, int m)
{
	static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[m - 1] + (m == 2 && ((y % 4 == 0 && y % 100 != 0) || y % 400 == 0));
}

enum status rfc3339_parse(struct bytes in, int64_t *unix_ns_out)
{
	struct scan sc = { .in = in };
	int y, mo, d, h, mi, s;
	int64_t ns, secs;

	y = digits(&sc, 4);
	expect(&sc, '-');
	mo = digits(&sc, 2);
	expect(&sc, '-');
	d = digits(&sc, 2);
	expect(&sc, 'T');
	h = digits(&sc, 2);
	expect(&sc, ':');
	mi = digits(&sc, 2);
	expect(&sc, ':');
	s = digits(&sc, 2);
	ns = fraction(&sc);
	secs = -offset_s(&sc);
	if (sc.bad || sc.at != in.n || mo < 1 || mo > 12 || d < 1 || d > month_days(y, mo) || h > 23 || mi > 59 || s > 59)
		return ST_BAD_INPUT;
	secs += days_of(y, mo, d) * S_PER_DAY + h * 3600 + mi * 60 + s;
	if (secs == GO_ZERO_S && ns == 0) {
		*unix_ns_out = TIME_NONE;
		return ST_OK;
	}
	if (y < 1678 || y > 2261)
		return ST_BAD_INPUT;
	*unix_ns_out = secs * NS_PER_S + ns;
	return ST_OK;
}

static const struct unit {
	const char *name;
	int64_t ns;
} units[] = { /* longer names before their prefixes */
	{ "ns", 1 },
	{ "us", 1000 },
	{ "\xc2\xb5s", 1000 }, /* micro sign */
	{ "\xce\xbcs", 1000 }, /* Greek mu */
	{ "ms", NS_PER_MS },
	{ "s", NS_PER_S },
	{ "m", 60 * NS_PER_S },
	{ "h", 3600 * NS_PER_S },
	{ "d", 24 * 3600 * NS_PER_S },
	{ "w", 7 * 24 * 3600 * NS_PER_S },
	{ "y", 365 * 24 * 3600 * NS_PER_S },
};

static const struct unit *unit_at(struct bytes in)
{
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		size_t n = strlen(units[i].name);

		if (in.n >= n && memcmp(in.p, units[i].name, n) == 0)
			return &units[i];
	}
	return NULL;
}

static bool is_digit(struct bytes in)
{
	return in.n && in.p[0] >= '0' && in.p[0] <= '9';
}

/* One number with its unit, added to *sum. Digits of a fraction that no ns can hold are dropped, as Go does. */
static enum status duration_part(struct bytes *in, int64_t *sum)
{
	int64_t whole = 0, add, frac = 0, scale = 1;
	const struct unit *u;
	bool any = false;

	for (; is_digit(*in); *in = bytes_skip(*in, 1), any = true) {
		if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, in->p[0] - '0', &whole))
			return ST_BAD_INPUT;
	}
	if (in->n && in->p[0] == '.') {
		*in = bytes_skip(*in, 1);
		for (; is_digit(*in); *in = bytes_skip(*in, 1), any = true) {
			if (scale > INT64_MAX / 100)
				continue;
			frac = frac * 10 + (in->p[0] - '0');
			scale *= 10;
		}
	}
	u = unit_at(*in);
	if (!any || !u)
		return ST_BAD_INPUT;
	*in = bytes_skip(*in, strlen(u->name));
	add = (int64_t)((long double)frac / (long double)scale * (long double)u->ns);
	if (__builtin_mul_overflow(whole, u->ns, &whole) || __builtin_add_overflow(*sum, whole, sum) ||
	    __builtin_add_overflow(*sum, add, sum))
		return ST_BAD_INPUT;
	return ST_OK;
}

enum status duration_parse(struct bytes in, int64_t *ns_out)
{
	bool minus = in.n && in.p[0] == '-';
	int64_t sum = 0;

	if (in.n && (minus || in.p[0] == '+'))
		in = bytes_skip(in, 1);
	if (!in.n)
		return ST_BAD_INPUT;
	if (bytes_eq_str(in, "0")) {
		*ns_out = 0;
		return ST_OK;
	}
	while (in.n) {
		if (duration_part(&in, &sum) != ST_OK)
			return ST_BAD_INPUT;
	}
	*ns_out = minus ? -sum : sum;
	return ST_OK;
}

static char *put_u64(char *p, uint64_t v)
{
	return p + sprintf(p, "%llu", (unsigned long long)v);
}

/* "1.5": v in billionths of `one`-sized units, whose fraction has `digits` digits. */
static char *put_decimal(char *p, uint64_t v, uint64_t one)
{
	p = put_u64(p, v / one);
	return put_fraction(p, (int64_t)(v % one * ((uint64_t)NS_PER_S / one)));
}

void duration_format(int64_t ns, char out[static DURATION_TEXT_MAX])
{
	uint64_t v = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	char *p = out;

	if (ns < 0)
		*p++ = '-';
	if (v == 0) {
		strcpy(p, "0s");
	} else if (v < 1000) {
		strcpy(put_u64(p, v), "ns");
	} else if (v < 1000000) {
		strcpy(put_decimal(p, v, 1000), "\xc2\xb5s");
	} else if (v < (uint64_t)NS_PER_S) {
		strcpy(put_decimal(p, v, 1000000), "ms");
	} else {
		uint64_t s = v / (uint64_t)NS_PER_S;

		if (s >= 3600) {
			p = put_u64(p, s / 3600);
			*p++ = 'h';
		}
		if (s >= 60) {
			p = put_u64(p, s / 60 % 60);
			*p++ = 'm';
		}
		strcpy(put_decimal(p, v % ((uint64_t)60 * NS_PER_S), (uint64_t)NS_PER_S), "s");
	}
}
