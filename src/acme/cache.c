/* acme/cache.c -- see acme/cache.h. */
#include "acme/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/vec.h"
#include "crypto/secret.h"

#define FILE_MAX	((size_t)1024 * 1024)
#define ACCOUNT		"acme_account+key"
#define ACCOUNT_LEGACY	"acme_account.key" /* of early autocert */

static char *path_of(const char *dir, const char *name, const char *suffix)
{
	size_t n = strlen(dir) + strlen(name) + strlen(suffix) + 2;
	char *path = xmalloc(n);

	snprintf(path, n, "%s/%s%s", dir, name, suffix);
	return path;
}

static enum status io_error(struct err *err, const char *what, const char *path)
{
	err_set(err, "cannot %s %s: %s", what, path, strerror(errno));
	return ST_IO;
}

static void wipe(struct buf *b)
{
	if (b->p != NULL)
		secret_wipe(b->p, b->cap);
	buf_release(b);
}

/* ---- reading ---- */

/* All of a file; the buffer grows by copying, so it is made large enough first. */
static enum status read_file(const char *path, struct buf *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum status s = ST_OK;
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ENOENT) {
		err_set(err, "there is no %s", path);
		return ST_NOT_FOUND;
	}
	if (fd < 0)
		return io_error(err, "open", path);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0 || (size_t)st.st_size > FILE_MAX) {
		err_set(err, "%s is no file of at most %zu bytes", path, FILE_MAX);
		s = ST_BAD_INPUT;
	} else if (st.st_size > 0) {
		n = read(fd, buf_reserve(out, (size_t)st.st_size), (size_t)st.st_size);
		if (n < 0)
			s = io_error(err, "read", path);
		else
			out->n += (size_t)n;
	}
	close(fd);
	return s;
}

static enum status load_key(const char *dir, const char *name, struct acme_key **out, struct err *err)
{
	char *path = path_of(dir, name, "");
	struct buf pem;
	enum status s;

	buf_init(&pem, FILE_MAX);
	s = read_file(path, &pem, err);
	if (s == ST_OK) {
		s = acme_key_parse(buf_bytes(&pem), out, err);
		if (s != ST_OK)
			err_prefix(err, "%s", path);
	}
	wipe(&pem);
	free(path);
	return s;
}

enum status acme_cache_load_account(const char *dir, struct acme_key **out, struct err *err)
{
	enum status s = load_key(dir, ACCOUNT, out, err);

	return s == ST_NOT_FOUND ? load_key(dir, ACCOUNT_LEGACY, out, err) : s;
}

enum status acme_cache_load_cert(const char *dir, const char *name, struct net_tls_cert **out, struct err *err)
{
	char *path = path_of(dir, name, "");
	struct buf pem;
	enum status s;

	buf_init(&pem, FILE_MAX);
	s = read_file(path, &pem, err);
	if (s == ST_OK) {
		s = net_tls_cert_new(buf_bytes(&pem), buf_bytes(&pem), out, err);
		if (s != ST_OK)
			err_prefix(err, "%s", path);
	}
	wipe(&pem);
	free(path);
	return s;
}

/* ---- writing ---- */

static enum status make_dirs(const char *dir, struct err *err)
{
	char *copy = xstrdup(dir);
	enum status s = ST_OK;

	for (char *p = copy + 1; *copy != '\0'; p++) {
		char was = *p;

		if (was != '/' && was != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, 0700) != 0 && errno != EEXIST) {
			s = io_error(err, "make the directory", copy);
			break;
		}
		*p = was;
		if (was == '\0')
			break;
	}
	free(copy);
	return s;
}

static bool write_all(int fd, struct bytes b)
{
	while (b.n > 0) {
		ssize_t n = write(fd, b.p, b.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		b = bytes_skip(b, (size_t)n);
	}
	return fsync(fd) == 0;
}

static void sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)fsync(fd); /* some file systems cannot; the file itself is on disk */
	close(fd);
}

/* Beside the place under another name, synced, then renamed. name NULL: only see that it goes. */
static enum status write_file(const char *dir, const char *name, struct bytes b, struct err *err)
{
	char *tmp = path_of(dir, name != NULL ? name : ".probe", ".XXXXXX");
	char *path = path_of(dir, name != NULL ? name : "", "");
	int fd = mkostemp(tmp, O_CLOEXEC); /* mode 0600 */
	enum status s = ST_OK;

	if (fd < 0) {
		s = io_error(err, "write to", dir);
	} else {
		if (!write_all(fd, b))
			s = io_error(err, "write", tmp);
		if (close(fd) != 0 && s == ST_OK)
			s = io_error(err, "write", tmp);
		if (s == ST_OK && name != NULL && rename(tmp, path) != 0)
			s = io_error(err, "write", path);
		if (s != ST_OK || name == NULL)
			unlink(tmp);
		else
			sync_dir(dir);
	}
	free(tmp);
	free(path);
	return s;
}

enum status acme_cache_check(const char *dir, struct err *err)
{
	enum status s = make_dirs(dir, err);

	return s == ST_OK ? write_file(dir, NULL, BYTES_LIT("probe\n"), err) : s;
}

enum status acme_cache_save_account(const char *dir, const struct acme_key *k, struct err *err)
{
	struct buf pem;
	enum status s;

	buf_init(&pem, FILE_MAX);
	acme_key_pem(k, &pem);
	s = write_file(dir, ACCOUNT, buf_bytes(&pem), err);
	wipe(&pem);
	return s;
}

enum status acme_cache_save_cert(const char *dir, const char *name, struct bytes pem, struct err *err)
{
	return write_file(dir, name, pem, err);
}
