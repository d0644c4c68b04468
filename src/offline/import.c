/*
 * offline/import.c -- which file is the database, and how one is made of another; see offline/import.h.
 *
 * The Go headscale's file is never opened by SQLite: it, and a log or journal that lies beside it, are copied, and the
 * copy is recovered, checked and read. So the original stays as it is, whatever state its server left it in.
 *
 *     P.v1.lock   held meanwhile, later by the server: one server at a time
 *     P.v1.go     the copy; P.v1.tmp  ours in the making. Both are removed at the end, and at the start of a next try.
 */
#include "offline/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/vec.h"
#include "crypto/hash.h"
#include "model/ids.h"
#include "offline/import_priv.h"

#define HASH_TEXT (2 * SHA256_LEN + 1)
/* Where SQLite's own locks on a database lie (its os.h, PENDING_BYTE to the end of the shared bytes). */
#define SQLITE_LOCKS_AT 0x40000000
#define SQLITE_LOCKS_LEN 512

static const char *const beside[] = { "", "-wal", "-journal", "-shm", ".lock" };
#define COPIED 3 /* of these: what the content is made of */

static char *joined(const char *a, const char *b)
{
	char *s = xmalloc(strlen(a) + strlen(b) + 1);

	strcpy(s, a);
	return strcat(s, b);
}

static enum status io_failed(const char *what, const char *path, struct err *err)
{
	err_set(err, "cannot %s %s: %s", what, path, strerror(errno));
	return ST_IO;
}

/* ---- which file ----------------------------------------------------------------------------- */

enum file_kind { FILE_NONE, FILE_OURS, FILE_SQLITE, FILE_STRANGE };

/* By its first 100 bytes, as src/store/sqlite.c looks; an empty file is none. */
static enum file_kind kind_of(const char *path)
{
	static const uint8_t ours[4] = { STORE_SQLITE_ID >> 24, STORE_SQLITE_ID >> 16 & 0xff, STORE_SQLITE_ID >> 8 & 0xff,
					 STORE_SQLITE_ID & 0xff };
	uint8_t head[100];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? pread(fd, head, sizeof head, 0) : 0;

	if (fd >= 0)
		close(fd);
	if (n == 0)
		return FILE_NONE;
	if (n != sizeof head || memcmp(head, "SQLite format 3", 16) != 0)
		return FILE_STRANGE;
	return memcmp(head + 68, ours, 4) == 0 ? FILE_OURS : FILE_SQLITE;
}

char *import_own_path(const char *path)
{
	char *own = joined(path, IMPORT_SUFFIX);
	enum file_kind kind = kind_of(path);

	/* FILE_NONE: the Go server's file was cleared away; what was made of it is the database. */
	if ((kind == FILE_SQLITE || kind == FILE_NONE) && kind_of(own) == FILE_OURS)
		return own;
	free(own);
	return xstrdup(path);
}

/* ---- what the file was when it was taken over ------------------------------------------------ */

struct fingerprint {
	char hash[COPIED][HASH_TEXT]; /* of each file; "" if there is none */
};

static enum status hash_file(const char *path, char out[static HASH_TEXT], struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t sum[SHA256_LEN];
	struct stat sb;
	void *p;

	memset(out, 0, HASH_TEXT);
	if (fd < 0 && errno == ENOENT)
		return ST_OK;
	if (fd < 0 || fstat(fd, &sb) != 0) {
		enum status s = io_failed("read", path, err);

		if (fd >= 0)
			close(fd);
		return s;
	}
	p = sb.st_size > 0 ? mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
	close(fd);
	if (p == MAP_FAILED)
		return io_failed("read", path, err);
	if (p == NULL)
		return ST_OK; /* empty is as good as none: a log that was emptied */
	sha256(bytes_of(p, (size_t)sb.st_size), sum);
	munmap(p, (size_t)sb.st_size);
	hex_encode(bytes_of(sum, sizeof sum), out);
	return ST_OK;
}

static enum status fingerprint_take(const char *path, struct fingerprint *out, struct err *err)
{
	enum status s = ST_OK;

	for (unsigned i = 0; i < COPIED && s == ST_OK; i++) {
		char *name = joined(path, beside[i]);

		s = hash_file(name, out->hash[i], err);
		free(name);
	}
	return s;
}

static struct store_value *fingerprint_key(struct store_value v[static COL_DOCS_COUNT])
{
	v[COL_DOCS_TAILNET] = store_int(TAILNET_DEFAULT);
	v[COL_DOCS_KIND] = store_text("import");
	v[COL_DOCS_KEY] = store_text("source");
	return v;
}

static enum status fingerprint_put(struct store *s, const char *path, const struct fingerprint *f, struct err *err)
{
	struct store_value v[COL_DOCS_COUNT];
	enum status st;
	struct buf text;
	struct jw w;

	buf_init(&text, 1u << 16);
	jw_init(&w, &text);
	jw_obj_begin(&w);
	jw_kstr(&w, "path", path);
	jw_kstr(&w, "sha256", f->hash[0]);
	jw_kstr(&w, "wal_sha256", f->hash[1]);
	jw_kstr(&w, "journal_sha256", f->hash[2]);
	jw_obj_end(&w);
	fingerprint_key(v);
	v[COL_DOCS_TEXT] = store_text_bytes(buf_bytes(&text));
	v[COL_DOCS_AT] = store_int(clock_unix_ns());
	st = store_put(s, STORE_DOCS, v, err);
	buf_release(&text);
	return st;
}

struct recorded {
	struct fingerprint f;
	int64_t at_ns;
};

static enum status on_fingerprint(void *arg, const struct store_value *v, struct err *err)
{
	static const char *const names[COPIED] = { "sha256", "wal_sha256", "journal_sha256" };
	struct recorded *r = arg;
	struct json_object *o = NULL;
	enum status s = json_parse(v[COL_DOCS_TEXT].b, 1u << 16, &o, err);

	for (unsigned i = 0; i < COPIED && s == ST_OK; i++) {
		const char *text = "";

		s = json_get_str(o, names[i], &text, err);
		snprintf(r->f.hash[i], HASH_TEXT, "%s", text);
	}
	json_object_put(o);
	r->at_ns = v[COL_DOCS_AT].type == STORE_INT ? v[COL_DOCS_AT].i : TIME_NONE;
	return s;
}

/* A later start: say which file is used, and that the other one went on, if it did. */
static void say_used(struct store *s, const char *path, const char *own)
{
	struct store_value key[COL_DOCS_COUNT];
	char when[RFC3339_MAX] = "";
	struct recorded then = { .at_ns = TIME_NONE }; /* texts filled with zeros: compared as they are */
	struct fingerprint now;
	struct err err = { "" };

	if (store_get(s, STORE_DOCS, fingerprint_key(key), on_fingerprint, &then, &err) != ST_OK) {
		log_info("database in use", LOG_STR("file", own), LOG_END);
		return;
	}
	if (then.at_ns != TIME_NONE)
		rfc3339_format(then.at_ns, when);
	log_info("database in use, made of that of the Go headscale", LOG_STR("file", own), LOG_STR("made_of", path),
		 LOG_STR("at", when), LOG_END);
	if (kind_of(path) == FILE_NONE)
		return;
	if (fingerprint_take(path, &now, &err) != ST_OK)
		log_warn("the Go headscale's database cannot be compared", LOG_STR("error", err.text), LOG_END);
	else if (memcmp(now.hash, then.f.hash, sizeof now.hash) != 0)
		log_warn("the Go headscale's database has changed since it was taken over; the changes are not in the one in "
			 "use. To take it over anew, stop this server and move the file in use away",
			 LOG_STR("changed", path), LOG_STR("file", own), LOG_END);
}

/* ---- copy -------------------------------------------------------------------------------------- */

/* A programme with the database open in WAL mode holds a lock on it all the time. */
static enum status nobody_has_it_open(const char *path, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = SQLITE_LOCKS_AT, .l_len = SQLITE_LOCKS_LEN };
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return io_failed("open", path, err);
	rc = fcntl(fd, F_GETLK, &lock);
	close(fd);
	if (rc != 0 || lock.l_type == F_UNLCK)
		return ST_OK;
	err_set(err, "process %ld has it open; stop the Go headscale (and what replicates its database) first", (long)lock.l_pid);
	return ST_CONFLICT;
}

static enum status copy_bytes(int from, int to, const char *path, struct err *err)
{
	uint8_t *buf = xmalloc(1u << 20);
	enum status s = ST_OK;
	ssize_t n = 0;

	while (s == ST_OK && (n = read(from, buf, 1u << 20)) != 0) {
		for (ssize_t done = 0, w; n > 0 && s == ST_OK && done < n; done += w) {
			w = write(to, buf + done, (size_t)(n - done));
			if (w < 0)
				s = io_failed("write the copy of", path, err);
		}
		if (n < 0)
			s = io_failed("read", path, err);
	}
	free(buf);
	return s;
}

/* A file that is not there is not copied. */
static enum status copy_file(const char *path, const char *copy, struct err *err)
{
	int from = open(path, O_RDONLY | O_CLOEXEC), to;
	enum status s;

	if (from < 0)
		return errno == ENOENT ? ST_OK : io_failed("open", path, err);
	to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	s = to < 0 ? io_failed("make", copy, err) : copy_bytes(from, to, path, err);
	if (to >= 0)
		close(to);
	close(from);
	return s;
}

static enum status copy_database(const char *path, const char *copy, struct err *err)
{
	enum status s = nobody_has_it_open(path, err);

	for (unsigned i = 0; i < COPIED && s == ST_OK; i++) {
		char *from = joined(path, beside[i]), *to = joined(copy, beside[i]);

		s = copy_file(from, to, err);
		free(from);
		free(to);
	}
	return s;
}

static void remove_database(const char *path)
{
	for (unsigned i = 0; i < sizeof beside / sizeof beside[0]; i++) {
		char *name = joined(path, beside[i]);

		(void)unlink(name);
		free(name);
	}
}

/* ---- taking over ------------------------------------------------------------------------------- */

struct source {
	const char *path;
	bool policy_in_use;
};

static enum status check_sound(sqlite3 *db, struct err *err)
{
	sqlite3_stmt *st = NULL;
	enum status s = ST_OK;
	const char *text = NULL;

	if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		text = (const char *)sqlite3_column_text(st, 0);
	if (text == NULL || strcmp(text, "ok") != 0) {
		err_set(err, "SQLite finds it damaged: %s", text ? text : sqlite3_errmsg(db));
		s = ST_BAD_INPUT;
	}
	sqlite3_finalize(st);
	return s;
}

/* Everything of the copy into a new database of ours, closed at the end: whole in its one file. */
static enum status fill(sqlite3 *db, const struct source *src, const char *tmp, const struct fingerprint *f,
			struct import_counts *counts, struct err *err)
{
	struct store *to = NULL;
	enum status s = store_open_sqlite(&(struct store_sqlite_opts){ .path = tmp }, &to, err);

	if (s == ST_OK)
		s = store_begin(to, err);
	if (s == ST_OK)
		s = import_rows(db, src->policy_in_use, to, counts, err);
	if (s == ST_OK)
		s = fingerprint_put(to, src->path, f, err);
	if (s == ST_OK)
		s = store_commit(to, err);
	store_close(&to);
	return s == ST_UNCERTAIN ? ST_IO : s;
}

static enum status sync_path(const char *path, int flags, struct err *err)
{
	int fd = open(path, flags | O_CLOEXEC);
	enum status s = ST_OK;

	if (fd < 0 || fsync(fd) != 0)
		s = io_failed("write", path, err);
	if (fd >= 0)
		close(fd);
	return s;
}

static enum status publish(const char *tmp, const char *own, struct err *err)
{
	char *wal = joined(tmp, "-wal"), *dir = xstrdup(own);
	enum status s = ST_OK;

	if (access(wal, F_OK) == 0) { /* SQLite empties and removes it when the last one closes */
		err_set(err, "%s could not be closed", tmp);
		s = ST_IO;
	}
	if (s == ST_OK)
		s = sync_path(tmp, O_RDWR, err);
	if (s == ST_OK && rename(tmp, own) != 0)
		s = io_failed("make", own, err);
	if (s == ST_OK)
		s = sync_path(dirname(dir), O_RDONLY | O_DIRECTORY, err);
	free(wal);
	free(dir);
	return s;
}

/* ST_NOT_FOUND: it is no database of a Go headscale. */
static enum status convert(const struct source *src, const char *copy, const char *tmp, struct import_counts *counts,
			   struct err *err)
{
	struct fingerprint f;
	sqlite3 *db = NULL;
	enum status s = copy_database(src->path, copy, err);

	if (s == ST_OK)
		s = fingerprint_take(copy, &f, err);
	if (s == ST_OK && sqlite3_open_v2(copy, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		err_set(err, "SQLite cannot open its copy: %s", sqlite3_errmsg(db));
		s = ST_IO;
	}
	if (s == ST_OK)
		s = import_is_go(db, err);
	if (s == ST_OK)
		s = check_sound(db, err);
	if (s == ST_OK)
		s = import_check_schema(db, err);
	if (s == ST_OK)
		s = fill(db, src, tmp, &f, counts, err);
	sqlite3_close(db);
	return s;
}

static void say_done(const char *path, const char *own, const struct import_counts *c)
{
	log_info("database of the Go headscale taken over", LOG_STR("from", path), LOG_STR("file", own),
		 LOG_U64("users", c->users), LOG_U64("nodes", c->nodes), LOG_U64("preauth_keys", c->preauth_keys),
		 LOG_U64("api_keys", c->api_keys), LOG_BOOL("policy", c->policy), LOG_END);
	if (c->policy_left_out)
		log_warn("the stored policy does not compile and was not taken over; the configuration has it in a file", LOG_END);
	if (c->left_out > 0)
		log_warn("OAuth clients and API keys of the oldest form were not taken over", LOG_U64("number", c->left_out),
			 LOG_END);
}

/* With the lock held. ST_NOT_FOUND as above. */
static enum status take_over(const struct source *src, const char *own, struct err *err)
{
	char *copy = joined(own, ".go"), *tmp = joined(own, ".tmp");
	struct import_counts counts = { 0 };
	enum status s = ST_OK;

	if (kind_of(own) != FILE_OURS) { /* else another one was faster */
		remove_database(copy);
		remove_database(tmp);
		s = convert(src, copy, tmp, &counts, err);
		if (s == ST_OK)
			s = publish(tmp, own, err);
		if (s == ST_OK)
			say_done(src->path, own, &counts);
		else if (s != ST_NOT_FOUND)
			err_prefix(err, "%s was not taken over, and nothing was changed", src->path);
		remove_database(copy);
		remove_database(tmp);
	}
	free(copy);
	free(tmp);
	return s;
}

static enum status take_over_locked(const struct source *src, const char *own, struct err *err)
{
	char *name = joined(own, ".lock");
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	enum status s;

	if (fd < 0) {
		s = io_failed("open", name, err);
	} else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		err_set(err, "%s is in use by another server; stop that one first", own);
		s = ST_CONFLICT;
	} else {
		s = take_over(src, own, err);
	}
	if (fd >= 0)
		close(fd); /* the server takes it again in store_open_sqlite() */
	if (s != ST_OK && kind_of(own) == FILE_NONE)
		(void)unlink(name);
	free(name);
	return s;
}

enum status import_open_sqlite(const struct store_sqlite_opts *o, bool policy_in_use, struct store **out, struct err *err)
{
	const struct source src = { o->path, policy_in_use };
	struct store_sqlite_opts opts = *o;
	char *own = joined(o->path, IMPORT_SUFFIX), *use = import_own_path(o->path);
	bool earlier = strcmp(use, own) == 0;
	enum status s = ST_OK;

	if (!earlier && kind_of(o->path) == FILE_SQLITE) {
		s = take_over_locked(&src, own, err);
		free(use);
		use = xstrdup(s == ST_OK ? own : o->path);
		if (s == ST_NOT_FOUND)
			s = ST_OK; /* the store says what it thinks of it */
	}
	opts.path = use;
	if (s == ST_OK)
		s = store_open_sqlite(&opts, out, err);
	if (s == ST_OK && earlier)
		say_used(*out, o->path, own);
	else if (s == ST_OK && strcmp(use, own) != 0 && kind_of(own) == FILE_OURS)
		log_warn("two databases of ours stand there; the one that the configuration names is in use",
			 LOG_STR("file", use), LOG_STR("not_used", own), LOG_END);
	free(own);
	free(use);
	return s;
}
