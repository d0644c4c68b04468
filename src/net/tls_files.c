/*
 * net/tls_files.c -- see net/tls_files.h.
 *
 * A certificate tool replaces two files one after the other. Between the two they do not fit: reading fails, the old
 * pair stays, and the second file's event reads again.
 */
#include "net/tls_files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/vec.h"
#include "net/watch.h"

#define FILE_MAX ((size_t)1024 * 1024)

struct net_tls_files {
	struct loop *loop;
	char *cert_path, *key_path;
	net_tls_files_fn *fn;
	void *arg;
	struct file_watch *watch[2];
	struct buf extra;
	struct net_tls_cert *plain; /* as read, without extra */
	pthread_mutex_t lock;       /* guards `cert`: handshakes on all loops ask for it */
	struct net_tls_cert *cert;
};

static enum status read_file(const char *path, struct buf *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum status s = ST_OK;
	ssize_t n = 1;

	while (fd >= 0 && n > 0 && buf_ok(out)) {
		uint8_t *p = buf_reserve(out, 4096);

		n = p ? read(fd, p, 4096) : 0;
		out->n += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n < 0) {
		err_set(err, "cannot read %s: %s", path, strerror(errno));
		s = ST_IO;
	} else if (!buf_ok(out)) {
		err_set(err, "%s: larger than %zu bytes", path, FILE_MAX);
		s = ST_TOO_BIG;
	}
	if (fd >= 0)
		close(fd);
	return s;
}

static void wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	buf_release(b);
}

/* Put `c` in use with the extra certificate behind it; borrowed. */
static enum status use(struct net_tls_files *f, struct net_tls_cert *c, struct err *err)
{
	struct net_tls_cert *full = NULL, *old;
	enum status s = ST_OK;

	if (f->extra.n)
		s = net_tls_cert_with_extra(c, buf_bytes(&f->extra), &full, err);
	else
		full = net_tls_cert_ref(c);
	if (s != ST_OK)
		return s;
	pthread_mutex_lock(&f->lock);
	old = f->cert;
	f->cert = full;
	pthread_mutex_unlock(&f->lock);
	net_tls_cert_unref(&old);
	return ST_OK;
}

enum status net_tls_files_reload(struct net_tls_files *f, struct err *err)
{
	struct net_tls_cert *c = NULL;
	struct buf cert, key;
	enum status s;

	loop_assert(f->loop);
	buf_init(&cert, FILE_MAX);
	buf_init(&key, FILE_MAX);
	s = read_file(f->cert_path, &cert, err);
	if (s == ST_OK)
		s = read_file(f->key_path, &key, err);
	if (s == ST_OK) {
		s = net_tls_cert_new(buf_bytes(&cert), buf_bytes(&key), &c, err);
		if (s != ST_OK)
			err_prefix(err, "%s, %s", f->cert_path, f->key_path);
	}
	if (s == ST_OK)
		s = use(f, c, err);
	if (s == ST_OK) {
		net_tls_cert_unref(&f->plain);
		f->plain = net_tls_cert_ref(c);
	}
	net_tls_cert_unref(&c);
	buf_release(&cert);
	wipe(&key);
	return s;
}

static void on_change(void *arg)
{
	struct net_tls_files *f = arg;
	struct err err = { 0 };
	enum status s = net_tls_files_reload(f, &err);

	if (f->fn)
		f->fn(f->arg, s, &err);
}

enum status net_tls_files_new(struct loop *l, const char *cert_path, const char *key_path, net_tls_files_fn *fn,
			      void *arg, struct net_tls_files **out, struct err *err)
{
	struct net_tls_files *f = xcalloc(1, sizeof *f);
	enum status s;

	f->loop = l;
	f->cert_path = xstrdup(cert_path);
	f->key_path = xstrdup(key_path);
	f->fn = fn;
	f->arg = arg;
	pthread_mutex_init(&f->lock, NULL);
	buf_init(&f->extra, FILE_MAX);
	s = net_tls_files_reload(f, err);
	if (s == ST_OK)
		s = file_watch_new(l, cert_path, on_change, f, &f->watch[0], err);
	if (s == ST_OK)
		s = file_watch_new(l, key_path, on_change, f, &f->watch[1], err);
	if (s == ST_OK)
		*out = f;
	else
		net_tls_files_free(&f);
	return s;
}

void net_tls_files_free(struct net_tls_files **fp)
{
	struct net_tls_files *f = *fp;

	*fp = NULL;
	if (!f)
		return;
	file_watch_free(&f->watch[0]);
	file_watch_free(&f->watch[1]);
	net_tls_cert_unref(&f->plain);
	net_tls_cert_unref(&f->cert);
	buf_release(&f->extra);
	pthread_mutex_destroy(&f->lock);
	free(f->cert_path);
	free(f->key_path);
	free(f);
}

struct net_tls_cert *net_tls_files_cert(struct net_tls_files *f)
{
	struct net_tls_cert *c;

	pthread_mutex_lock(&f->lock);
	c = net_tls_cert_ref(f->cert);
	pthread_mutex_unlock(&f->lock);
	return c;
}

static struct net_tls_cert *find(void *arg, const struct net_tls_hello *hello)
{
	return hello->acme ? NULL : net_tls_files_cert(arg);
}

struct net_tls_provider net_tls_files_provider(struct net_tls_files *f)
{
	return (struct net_tls_provider){ .find = find, .arg = f };
}

enum status net_tls_files_set_extra(struct net_tls_files *f, struct bytes der, struct err *err)
{
	struct buf old = f->extra;
	enum status s;

	loop_assert(f->loop);
	buf_init(&f->extra, FILE_MAX);
	buf_put_bytes(&f->extra, der);
	s = use(f, f->plain, err);
	if (s == ST_OK) {
		buf_release(&old);
		return ST_OK;
	}
	buf_release(&f->extra);
	f->extra = old;
	return s;
}
