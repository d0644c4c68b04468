/*
 * crypto/private_file.c -- see crypto/private_file.h.
 *
 * A new key is written to a file beside, synced, and put in place with link(): that fails if somebody was
 * faster, and then theirs is read. rename() would replace it, and with it the server's identity.
 */
#include "crypto/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "base/vec.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"

#define FILE_MAX 256 /* a key with generous white space */

static enum status io_error(struct err *err, const char *what, const char *path)
{
	err_set(err, "cannot %s private key file %s: %s", what, path, strerror(errno));
	return ST_IO;
}

static struct bytes trim(struct bytes b)
{
	while (b.n && strchr(" \t\r\n", b.p[b.n - 1]) && b.p[b.n - 1])
		b.n--;
	while (b.n && strchr(" \t\r\n", b.p[0]) && b.p[0])
		b = bytes_skip(b, 1);
	return b;
}

static enum status check_file(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return io_error(err, "look at", path);
	if (!S_ISREG(st.st_mode)) {
		err_set(err, "private key file %s is no regular file", path);
		return ST_BAD_INPUT;
	}
	return ST_OK;
}

static ssize_t read_all(int fd, uint8_t *out, size_t max)
{
	size_t n = 0;

	while (n < max) {
		ssize_t got = read(fd, out + n, max - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

/* ST_NOT_FOUND when there is no such file. */
static enum status read_key(const char *path, uint8_t out[static KEY_LEN], struct err *err)
{
	struct machine_private key; /* the text is the same for every kind */
	uint8_t text[FILE_MAX];
	enum status s;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? ST_NOT_FOUND : io_error(err, "open", path);
	s = check_file(fd, path, err);
	if (s != ST_OK)
		goto out;
	n = read_all(fd, text, sizeof text);
	if (n < 0) {
		s = io_error(err, "read", path);
		goto out;
	}
	s = (size_t)n < sizeof text ? machine_private_parse(trim(bytes_of(text, (size_t)n)), &key) : ST_BAD_INPUT;
	if (s == ST_OK)
		memcpy(out, key.b, KEY_LEN);
	else
		err_set(err, "private key file %s does not hold \"privkey:\" and 64 hex digits", path);
	secret_wipe(text, sizeof text);
	secret_wipe(&key, sizeof key);
out:
	close(fd);
	return s;
}

static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return bytes_strdup(bytes_of(path, slash == path ? 1 : (size_t)(slash - path)));
}

static bool write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		p += put;
		n -= (size_t)put;
	}
	return true;
}

static bool write_file(const char *path, const uint8_t key[static KEY_LEN])
{
	char text[KEY_TEXT_MAX];
	size_t n = key_text_format(KEY_PRIVATE, key, text);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return false;
	ok = write_all(fd, text, n) && fsync(fd) == 0;
	secret_wipe(text, sizeof text);
	if (close(fd) != 0)
		ok = false;
	return ok;
}

static void sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

/* ST_CONFLICT: somebody else put a key there meanwhile. */
static enum status make_key(const char *path, uint8_t out[static KEY_LEN], struct err *err)
{
	char suffix[13], *dir = dir_of(path), *aside;
	uint8_t key[KEY_LEN];
	enum status s = ST_OK;

	random_alnum(suffix, sizeof suffix - 1);
	aside = xmalloc(strlen(path) + sizeof suffix + 2);
	sprintf(aside, "%s.%s", path, suffix);
	x25519_random(key);
	if (mkdir(dir, 0700) == 0)
		sync_dir(dir);
	if (!write_file(aside, key))
		s = io_error(err, "write", path);
	else if (link(aside, path) != 0)
		s = errno == EEXIST ? ST_CONFLICT : io_error(err, "create", path);
	unlink(aside);
	if (s == ST_OK) {
		sync_dir(dir);
		memcpy(out, key, KEY_LEN);
	}
	secret_wipe(key, sizeof key);
	free(aside);
	free(dir);
	return s;
}

static enum status load(const char *path, uint8_t out[static KEY_LEN], struct err *err)
{
	enum status s = read_key(path, out, err);

	if (s != ST_NOT_FOUND)
		return s;
	s = make_key(path, out, err);
	if (s != ST_CONFLICT)
		return s;
	s = read_key(path, out, err);
	if (s == ST_NOT_FOUND) {
		err_set(err, "private key file %s comes and goes", path);
		return ST_IO;
	}
	return s;
}

enum status private_file_load_machine(const char *path, struct machine_private *out, struct err *err)
{
	return load(path, out->b, err);
}

enum status private_file_load_node(const char *path, struct node_private *out, struct err *err)
{
	return load(path, out->b, err);
}

bool private_file_is_open_to_others(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0;
}
