/*
 * base/log.c -- see base/log.h.
 *
 * A line is put together in memory and leaves in one write(2), so that lines of different threads do
 * not mix. What does not fit into LINE_MAX_BYTES is cut, never the end of the line.
 */
#include "base/log.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_out.h"

#define LINE_MAX_BYTES ((size_t)64 * 1024)
#define VALUE_MAX ((size_t)4096)

static atomic_int min_level = LOG_LEVEL_INFO;
static atomic_int line_format = LOG_FORMAT_TEXT;

static const char *const level_names[] = { "trace", "debug", "info", "warn", "error", "off" };

void log_configure(enum log_level min, enum log_format format)
{
	atomic_store_explicit(&min_level, (int)min, memory_order_relaxed);
	atomic_store_explicit(&line_format, (int)format, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&min_level, memory_order_relaxed);
}

static struct bytes clip(const char *s)
{
	return (struct bytes){ (const uint8_t *)s, s ? strnlen(s, VALUE_MAX) : 0 };
}

static void put_value(struct jw *w, const struct log_field *f)
{
	switch (f->kind) {
	case LOG_KIND_STR:
		jw_str_bytes(w, clip(f->v.s));
		break;
	case LOG_KIND_U64:
		jw_u64(w, f->v.u);
		break;
	case LOG_KIND_I64:
		jw_i64(w, f->v.i);
		break;
	case LOG_KIND_BOOL:
		jw_bool(w, f->v.u != 0);
		break;
	case LOG_KIND_END:
		break;
	}
}

static void json_line(struct buf *b, enum log_level level, const char *msg, const struct log_field *f)
{
	struct jw w;

	jw_init(&w, b);
	jw_obj_begin(&w);
	jw_ktime(&w, "time", clock_unix_ns());
	jw_kstr(&w, "level", level_names[level]);
	jw_kstr(&w, "msg", msg);
	for (; f->kind != LOG_KIND_END && b->n < LINE_MAX_BYTES / 2; f++) {
		jw_key(&w, f->key);
		put_value(&w, f);
	}
	jw_obj_end(&w);
}

/* Words without spaces, quotes, '=' and controls stand bare; all others as JSON strings. */
static bool bare(struct bytes s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\')
			return false;
	}
	return s.n > 0;
}

static void text_line(struct buf *b, enum log_level level, const char *msg, const struct log_field *f)
{
	char when[RFC3339_MAX];
	struct jw w;

	rfc3339_format(clock_unix_ns() / NS_PER_MS * NS_PER_MS, when);
	buf_printf(b, "%s %s %s", when, level_names[level], msg);
	for (; f->kind != LOG_KIND_END && b->n < LINE_MAX_BYTES / 2; f++) {
		buf_printf(b, " %s=", f->key);
		jw_init(&w, b);
		if (f->kind == LOG_KIND_STR && bare(clip(f->v.s)))
			buf_put_bytes(b, clip(f->v.s));
		else
			put_value(&w, f);
	}
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields)
{
	struct buf b;
	ssize_t wrote;

	buf_init(&b, LINE_MAX_BYTES);
	if (atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_FORMAT_JSON)
		json_line(&b, level, msg, fields);
	else
		text_line(&b, level, msg, fields);
	buf_put_char(&b, '\n');
	wrote = write(STDERR_FILENO, b.p, b.n);
	(void)wrote; /* nobody to tell */
	buf_release(&b);
}
