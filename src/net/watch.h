/*
 * net/watch.h -- tell when a file has become another one.
 *
 * The directory is watched, not the file: editors, certificate tools and orchestrators replace files, and links to
 * whole directories. After a burst of events has been quiet for WATCH_QUIET_MS the file is looked at (size, times, number,
 * links followed); only a difference is reported. A file that is missing for a moment is reported when it is back.
 */
#ifndef NET_WATCH_H
#define NET_WATCH_H

#include "net/loop.h"

#define WATCH_QUIET_MS 200u

struct file_watch;
/** Call fn(arg) on the loop each time the file at path has changed. ST_IO if its directory cannot be watched. Returned (file_watch_free). */
enum status file_watch_new(struct loop *l, const char *path, loop_fn *fn, void *arg, struct file_watch **out,
			   struct err *err) MUST_CHECK;
void file_watch_free(struct file_watch **w);

#endif
