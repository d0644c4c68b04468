/*
 * base/log.c -- see base/log.h.
 *
 * A line is put together in memory and leaves in one write(2), so that lines of different threads do
 * not mix. What does not fit into LINE_MAX_BYTES is cut, never the end of the line.
 *
 * With a writer, lines are put one behind the other into a buffer that the writer takes whole: a loop that logs copies a
 * line under a lock nobody holds for longer than that. It never waits for a terminal or a journal. The writer lets lines
 * gather for a moment: woken for each, it cost twice what a small request costs in all.
 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_out.h"

#define LINE_MAX_BYTES ((size_t)64 * 1024)
#define VALUE_MAX ((size_t)4096)
#define GATHER_NS 5000000 /* how late a line may be */

static atomic_int min_level = LOG_LEVEL_INFO;
static atomic_int line_format = LOG_FORMAT_TEXT;

static struct {
	pthread_mutex_t lock;
	pthread_cond_t news, idle;
	pthread_t thread;
	struct buf waiting; /* whole lines */
	bool runs, ends, busy;
	unsigned flushers;
	uint64_t told;      /* of `dropped` */
} writer = { .lock = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER,
	     .idle = PTHREAD_COND_INITIALIZER };
static atomic_uint_fast64_t dropped;

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

static void make_line(struct buf *b, enum log_level level, const char *msg, const struct log_field *fields)
{
	if (atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_FORMAT_JSON)
		json_line(b, level, msg, fields);
	else
		text_line(b, level, msg, fields);
	buf_put_char(b, '\n');
}

/* All of it, or as much as anybody takes. */
static void write_out(const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t wrote = write(STDERR_FILENO, p, n);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return; /* nobody to tell */
		p += wrote;
		n -= (size_t)wrote;
	}
}

/* ---- the writer ---- */

/* true: it is in the writer's hands, or counted as lost. */
static bool hand_over(struct bytes line)
{
	bool taken;

	pthread_mutex_lock(&writer.lock);
	taken = writer.runs;
	if (taken && line.n <= LOG_QUEUE_MAX - writer.waiting.n)
		buf_put_bytes(&writer.waiting, line);
	else if (taken)
		atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
	if (taken)
		pthread_cond_signal(&writer.news);
	pthread_mutex_unlock(&writer.lock);
	return taken;
}

/* Under the lock, with room again: say what was left out. */
static void tell_dropped(struct buf *b)
{
	uint64_t now = log_lines_dropped();

	if (now == writer.told)
		return;
	make_line(b, LOG_LEVEL_WARN, "log lines left out: nobody reads them as fast as they come",
		  (const struct log_field[]){ LOG_U64("lines", now - writer.told), LOG_END });
	writer.told = now;
}

/* With the lock, which is let go meanwhile; not when the end or a flush waits for us. */
static void gather(void)
{
	const struct timespec moment = { .tv_nsec = GATHER_NS };

	if (writer.ends || writer.flushers > 0)
		return;
	pthread_mutex_unlock(&writer.lock);
	nanosleep(&moment, NULL);
	pthread_mutex_lock(&writer.lock);
}

/* An assertion failed, somewhere: the last lines are what one will want to read. The process ends behind this. */
static void on_abort(int sig)
{
	(void)sig;
	if (pthread_mutex_trylock(&writer.lock) == 0)
		write_out(writer.waiting.p, writer.waiting.n);
}

static void *write_lines(void *arg)
{
	struct buf out;
	bool ends = false;

	while (!ends) {
		pthread_mutex_lock(&writer.lock);
		writer.busy = writer.waiting.n > 0;
		if (!writer.busy)
			pthread_cond_broadcast(&writer.idle);
		while (writer.waiting.n == 0 && !writer.ends)
			pthread_cond_wait(&writer.news, &writer.lock);
		writer.busy = true;
		gather();
		out = writer.waiting;
		buf_init(&writer.waiting, LOG_QUEUE_MAX + 2 * LINE_MAX_BYTES);
		tell_dropped(&writer.waiting);
		ends = writer.ends && writer.waiting.n == 0;
		if (ends)
			writer.runs = false; /* who comes now writes for himself, behind this */
		pthread_mutex_unlock(&writer.lock);
		write_out(out.p, out.n);
		buf_release(&out);
	}
	return arg;
}

void log_flush(unsigned timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&writer.lock);
	writer.flushers++;
	while (writer.runs && (writer.busy || writer.waiting.n > 0) &&
	       pthread_cond_timedwait(&writer.idle, &writer.lock, &until) == 0)
		;
	writer.flushers--;
	pthread_mutex_unlock(&writer.lock);
}

void log_writer_start(void)
{
	const struct sigaction last_words = { .sa_handler = on_abort, .sa_flags = SA_RESETHAND };

	buf_init(&writer.waiting, LOG_QUEUE_MAX + 2 * LINE_MAX_BYTES);
	(void)sigaction(SIGABRT, &last_words, NULL);
	writer.ends = false;
	writer.runs = true;
	if (pthread_create(&writer.thread, NULL, write_lines, NULL) != 0)
		writer.runs = false;
}

void log_writer_stop(void)
{
	bool runs;

	pthread_mutex_lock(&writer.lock);
	runs = writer.runs && !writer.ends;
	writer.ends = true;
	pthread_cond_signal(&writer.news);
	pthread_mutex_unlock(&writer.lock);
	if (!runs)
		return;
	pthread_join(writer.thread, NULL);
	buf_release(&writer.waiting);
}

uint64_t log_lines_dropped(void)
{
	return atomic_load_explicit(&dropped, memory_order_relaxed);
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields)
{
	struct buf b;

	buf_init(&b, LINE_MAX_BYTES);
	make_line(&b, level, msg, fields);
	if (!hand_over(buf_bytes(&b)))
		write_out(b.p, b.n);
	buf_release(&b);
}
