/* net/watch.c -- see net/watch.h. */
#include "net/watch.h"

#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <uv.h>

#include "base/vec.h"

struct file_watch {
	uv_fs_event_t h;
	char *path;
	loop_fn *fn;
	void *arg;
	struct loop_timer quiet;
	struct stat seen;
};

/* All zero: there is no file. */
static struct stat look(const char *path)
{
	struct stat st = { 0 }, none = { 0 };

	return stat(path, &st) == 0 ? st : none;
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void on_quiet(void *arg)
{
	struct file_watch *w = arg;
	struct stat now = look(w->path);

	if (now.st_ino == 0 || same(&now, &w->seen))
		return;
	w->seen = now;
	w->fn(w->arg);
}

static void on_event(uv_fs_event_t *h, const char *name, int events, int status)
{
	struct file_watch *w = h->data;

	(void)name;
	(void)events;
	(void)status;
	loop_timer_start(&w->quiet, WATCH_QUIET_MS);
}

static void free_watch(uv_handle_t *h)
{
	struct file_watch *w = h->data;

	free(w->path);
	free(w);
}

enum status file_watch_new(struct loop *l, const char *path, loop_fn *fn, void *arg, struct file_watch **out,
			   struct err *err)
{
	struct file_watch *w = xcalloc(1, sizeof *w);
	char *copy = xstrdup(path), *dir = dirname(copy);
	int rc;

	loop_assert(l);
	w->path = xstrdup(path);
	w->fn = fn;
	w->arg = arg;
	w->h.data = w;
	loop_timer_init(&w->quiet, l, on_quiet, w);
	uv_fs_event_init(loop_uv(l), &w->h);
	rc = uv_fs_event_start(&w->h, on_event, dir, 0);
	w->seen = look(path); /* after the watch began: nothing falls between */
	if (rc != 0) {
		err_set(err, "cannot watch %s: %s", dir, uv_strerror(rc));
		free(copy);
		file_watch_free(&w);
		return ST_IO;
	}
	free(copy);
	*out = w;
	return ST_OK;
}

void file_watch_free(struct file_watch **wp)
{
	struct file_watch *w = *wp;

	*wp = NULL;
	if (!w)
		return;
	loop_timer_cancel(&w->quiet);
	uv_close((uv_handle_t *)&w->h, free_watch);
}
