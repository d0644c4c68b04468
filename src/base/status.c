/* base/status.c -- see base/status.h. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[ST_STATUS_COUNT] = {
	[ST_OK] = "ok",
	[ST_AGAIN] = "again",
	[ST_BAD_INPUT] = "bad input",
	[ST_TOO_BIG] = "too big",
	[ST_NOT_FOUND] = "not found",
	[ST_CONFLICT] = "conflict",
	[ST_DENIED] = "denied",
	[ST_EXPIRED] = "expired",
	[ST_UNSUPPORTED] = "unsupported",
	[ST_IO] = "input/output error",
	[ST_UNCERTAIN] = "uncertain",
	[ST_CLOSED] = "closed",
	[ST_TIMEOUT] = "timeout",
	[ST_BUSY] = "busy",
};

const char *status_name(enum status s)
{
	return (unsigned)s < ST_STATUS_COUNT ? names[s] : "unknown";
}

void err_set(struct err *e, const char *fmt, ...)
{
	char text[sizeof e->text]; /* aside: the arguments may point into e */
	va_list ap;

	if (!e)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	memcpy(e->text, text, sizeof text);
}

/* Copy `s` with its NUL, cut at `room` bytes; returns the bytes without the NUL. */
static size_t put_cut(char *to, size_t room, const char *s)
{
	size_t n = strnlen(s, room - 1);

	memcpy(to, s, n);
	to[n] = 0;
	return n;
}

void err_prefix(struct err *e, const char *fmt, ...)
{
	char prefix[sizeof e->text];
	struct err old;
	size_t n;
	va_list ap;

	if (!e)
		return;
	old = *e;
	va_start(ap, fmt);
	vsnprintf(prefix, sizeof prefix, fmt, ap);
	va_end(ap);
	n = strlen(prefix);
	memcpy(e->text, prefix, n + 1);
	n += put_cut(e->text + n, sizeof e->text - n, ": ");
	put_cut(e->text + n, sizeof e->text - n, old.text);
}
