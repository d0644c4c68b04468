/*
 * base/log.h -- one line for one event, as text or JSON, on stderr.
 *
 *     log_info("node registered", LOG_U64("node", id), LOG_STR("user", name), LOG_END);
 *
 * The message is constant text; what varies goes into fields. Never a secret. Any thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_TRACE, LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_OFF };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

enum log_kind { LOG_KIND_END, LOG_KIND_STR, LOG_KIND_U64, LOG_KIND_I64, LOG_KIND_BOOL };
struct log_field {
	enum log_kind kind;
	const char *key; /* constant, plain ASCII */
	union {
		const char *s; /* borrowed for the call; NULL is written as "" */
		uint64_t u;
		int64_t i;
	} v;
};
#define LOG_STR(k, x) ((struct log_field){ LOG_KIND_STR, (k), { .s = (x) } })
#define LOG_U64(k, x) ((struct log_field){ LOG_KIND_U64, (k), { .u = (x) } })
#define LOG_I64(k, x) ((struct log_field){ LOG_KIND_I64, (k), { .i = (x) } })
#define LOG_BOOL(k, x) ((struct log_field){ LOG_KIND_BOOL, (k), { .u = (x) } })
#define LOG_END ((struct log_field){ LOG_KIND_END, 0, { 0 } })

/**
 * From here on a thread of its own writes the lines, so that whoever logs never waits for the reader of stderr. At most
 * LOG_QUEUE_MAX bytes wait; lines that find no room are counted and left out, and the log says how many. Not twice.
 */
void log_writer_start(void);
/** Write what waits and end the thread: lines are written by their callers again. Does nothing without one. */
void log_writer_stop(void);
#define LOG_QUEUE_MAX ((size_t)4 << 20)
/** Wait until what was logged before is written, at most so long. Not on a loop that serves. */
void log_flush(unsigned timeout_ms);
/** Lines left out since the start, for metrics. Any thread. */
uint64_t log_lines_dropped(void);

/** Set once at start, before threads; or at a reload (atomically). */
void log_configure(enum log_level min, enum log_format format);
bool log_enabled(enum log_level level);
/** Write a line: `fields` ends with LOG_END. Text and values are escaped; one write(2) a line. */
void log_write(enum log_level level, const char *msg, const struct log_field *fields);

#define log_at(level, msg, ...)                                                                    \
	do {                                                                                       \
		if (log_enabled(level))                                                            \
			log_write(level, msg, (const struct log_field[]){ __VA_ARGS__ });          \
	} while (0)
#define log_debug(msg, ...) log_at(LOG_LEVEL_DEBUG, msg, __VA_ARGS__)
#define log_info(msg, ...) log_at(LOG_LEVEL_INFO, msg, __VA_ARGS__)
#define log_warn(msg, ...) log_at(LOG_LEVEL_WARN, msg, __VA_ARGS__)
#define log_error(msg, ...) log_at(LOG_LEVEL_ERROR, msg, __VA_ARGS__)

#endif
