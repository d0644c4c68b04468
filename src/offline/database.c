/*
 * offline/database.c -- read and change the policy in the configured database while no server runs.
 *
 * The database is opened as a server opens it, lock included, so that a running one is noticed; the writer then does
 * what it does for a server.
 */
#include "offline/offline.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "config/config.h"
#include "offline/import.h"
#include "state/state.h"
#include "store/store.h"

struct wait {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	enum status status;
	struct err err;
	struct buf text;
};

static void done(void *arg, enum status s, const struct err *err, const struct state_result *res)
{
	struct wait *w = arg;

	pthread_mutex_lock(&w->lock);
	w->status = s;
	if (err != NULL)
		w->err = *err;
	if (s == ST_OK && res != NULL)
		buf_put_bytes(&w->text, res->text);
	w->done = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

static void ignore(void *arg, struct publication *p)
{
	(void)arg;
	(void)p;
}

static enum status open_database(const char *config_path, struct state **out, struct err *err)
{
	struct config_report report = { 0 };
	struct config *c = NULL;
	struct store *store = NULL;
	struct buf text;
	enum status s;

	s = config_load(&(struct config_source){ .path = config_path, .env = environ, .purpose = CONFIG_FOR_SERVER }, &c, &report);
	if (s != ST_OK) {
		buf_init(&text, 1u << 20);
		config_report_print(&report, &text);
		err_set(err, "%.*s", (int)text.n, text.n > 0 ? (char *)text.p : "");
		buf_release(&text);
	}
	config_report_release(&report);
	if (s == ST_OK && c->database.type != CONFIG_DATABASE_SQLITE) {
		err_set(err, "only an SQLite database can be opened directly");
		s = ST_UNSUPPORTED;
	}
	if (s == ST_OK) {
		char *path = import_own_path(c->database.sqlite.path);

		s = store_open_sqlite(&(struct store_sqlite_opts){ .path = path }, &store, err);
		free(path);
	}
	if (s == ST_OK)
		s = state_open(&(struct state_opts){ .store = store, .publish = ignore }, out, err);
	config_free(&c);
	return s;
}

enum verb { GET, SET, CHECK };

static enum status submit(struct state *st, enum verb verb, const char *text, struct wait *w, struct err *err)
{
	static const struct state_actor by = { .who = "local", .why = "policy set on the database" };

	switch (verb) {
	case GET:
		return state_policy_get(st, done, w, err);
	case SET:
		return state_policy_set(st, &by, bytes_of_str(text), done, w, err);
	case CHECK:
		return state_policy_check(st, bytes_of_str(text), done, w, err);
	}
	return ST_UNSUPPORTED;
}

static enum status run(const char *config_path, enum verb verb, const char *text, struct wait *w, struct err *err)
{
	struct state *st = NULL;
	enum status s = open_database(config_path, &st, err);

	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->cond, NULL);
	buf_init(&w->text, (size_t)16 << 20);
	if (s == ST_OK)
		s = submit(st, verb, text, w, err);
	if (s == ST_OK) {
		pthread_mutex_lock(&w->lock);
		while (!w->done)
			pthread_cond_wait(&w->cond, &w->lock);
		pthread_mutex_unlock(&w->lock);
		s = w->status;
		if (s != ST_OK)
			err_set(err, "%s", w->err.text);
	}
	if (st != NULL)
		state_close(&st);
	pthread_cond_destroy(&w->cond);
	pthread_mutex_destroy(&w->lock);
	return s;
}

enum status offline_policy_get(const char *config_path, struct arena *a, const char **text_out, struct err *err)
{
	struct wait w = { 0 };
	enum status s = run(config_path, GET, NULL, &w, err);

	if (s == ST_OK || s == ST_NOT_FOUND) {
		*text_out = arena_strndup(a, w.text.p, w.text.n);
		s = ST_OK;
	}
	buf_release(&w.text);
	return s;
}

enum status offline_policy_set(const char *config_path, const char *text, struct err *err)
{
	struct wait w = { 0 };
	enum status s = run(config_path, SET, text, &w, err);

	buf_release(&w.text);
	return s;
}

enum status offline_policy_check(const char *config_path, const char *text, struct err *err)
{
	struct wait w = { 0 };
	enum status s = run(config_path, CHECK, text, &w, err);

	buf_release(&w.text);
	return s;
}
