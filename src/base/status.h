/*
 * base/status.h -- how a function says what became of it, and in which words.
 *
 * A function that can fail returns `enum status`; ST_OK is 0. Words for people go to an optional
 * `struct err`, filled where the cause is known. On failure outs are untouched.
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum status {
	ST_OK = 0,
	ST_AGAIN,      /* not enough input yet, or would block: call again later */
	ST_BAD_INPUT,  /* what came from outside is malformed */
	ST_TOO_BIG,    /* passes a named limit */
	ST_NOT_FOUND,  /* there is no such thing */
	ST_CONFLICT,   /* exists already, or changed meanwhile */
	ST_DENIED,     /* known, and not allowed */
	ST_EXPIRED,    /* was good once */
	ST_UNSUPPORTED,/* known, and not offered */
	ST_IO,         /* disk, socket, database */
	ST_UNCERTAIN,  /* a commit whose answer got lost: neither done nor undone */
	ST_CLOSED,     /* the other side, or we ourselves, ended it */
	ST_TIMEOUT,    /* did not come in time */
	ST_BUSY,       /* a limit on load is reached: come back later */
	ST_STATUS_COUNT
};

/** The name of a status in lower case ("not found"), for logs. Static; any thread. */
const char *status_name(enum status s);

/* Words for people about a failure. Zero-initialise; text is always NUL-terminated. */
struct err {
	char text[1024];
};

/** Put formatted words into `e` (may be NULL: then nothing happens); cut at its size. Any thread. */
void err_set(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/** Put words before what `e` says already: "<prefix>: <old text>". Any thread. */
void err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
