/* offline/import_read.c -- see offline/import_read.h. */
#include "offline/import_read.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_in.h"
#include "base/utf8.h"
#include "base/vec.h"

#define LIST_MAX ((size_t)4 << 20)

void import_bad(struct import_reader *r, unsigned col, const char *fmt, ...)
{
	char why[400];
	va_list ap;

	if (r->status != ST_OK)
		return;
	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	err_set(r->err, "table %s, id %" PRId64 ", column %s: %s", r->table, r->id, r->cols[col].name, why);
	r->status = ST_BAD_INPUT;
}

enum status import_sql_failed(sqlite3 *db, const char *what, struct err *err)
{
	err_set(err, "table %s: %s", what, sqlite3_errmsg(db));
	return ST_IO;
}

int64_t import_number(sqlite3 *db, const char *sql, const char *a, const char *b)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK) {
		if (a != NULL)
			sqlite3_bind_text(st, 1, a, -1, SQLITE_STATIC);
		if (b != NULL)
			sqlite3_bind_text(st, 2, b, -1, SQLITE_STATIC);
		if (sqlite3_step(st) == SQLITE_ROW)
			v = sqlite3_column_int64(st, 0);
	}
	sqlite3_finalize(st);
	return v;
}

bool import_has_table(sqlite3 *db, const char *table)
{
	return import_number(db, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?1", table, NULL) > 0;
}

bool import_has_column(sqlite3 *db, const char *table, const char *col)
{
	return import_number(db, "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2", table, col) > 0;
}

enum status import_prepare(struct import_reader *r, unsigned n, const char *where)
{
	struct buf sql;
	int rc;

	if (!import_has_table(r->db, r->table)) {
		err_set(r->err, "table %s is missing", r->table);
		return ST_BAD_INPUT;
	}
	buf_init(&sql, 1u << 16);
	for (unsigned i = 0; i < n; i++) {
		const struct import_column *c = &r->cols[i];
		bool there = c->sql != NULL || import_has_column(r->db, r->table, c->name);

		if (!there && !c->optional) {
			err_set(r->err, "table %s: column %s is missing", r->table, c->name);
			buf_release(&sql);
			return ST_BAD_INPUT;
		}
		buf_printf(&sql, "%s%s", i == 0 ? "SELECT " : ", ", c->sql ? c->sql : there ? c->name : "NULL");
	}
	buf_printf(&sql, " FROM %s %s", r->table, where);
	rc = sqlite3_prepare_v2(r->db, (const char *)sql.p, (int)sql.n, &r->st, NULL);
	buf_release(&sql);
	return rc == SQLITE_OK ? ST_OK : import_sql_failed(r->db, r->table, r->err);
}

bool import_is_null(const struct import_reader *r, unsigned col)
{
	return sqlite3_column_type(r->st, (int)col) == SQLITE_NULL;
}

struct bytes import_get_bytes(struct import_reader *r, unsigned col)
{
	const void *p = sqlite3_column_blob(r->st, (int)col);

	return bytes_of(p, (size_t)sqlite3_column_bytes(r->st, (int)col));
}

/* NULL is "". Lives until the next row. */
const char *import_get_text(struct import_reader *r, unsigned col)
{
	struct bytes b = bytes_of_str("");

	if (!import_is_null(r, col)) {
		const char *p = (const char *)sqlite3_column_text(r->st, (int)col);

		b = bytes_of(p, (size_t)sqlite3_column_bytes(r->st, (int)col));
	}
	if (!utf8_valid(b) || (b.n > 0 && memchr(b.p, 0, b.n) != NULL)) {
		import_bad(r, col, "no text");
		return "";
	}
	return b.n > 0 ? (const char *)b.p : "";
}

/* NULL is 0. */
uint64_t import_get_id(struct import_reader *r, unsigned col)
{
	int64_t v = sqlite3_column_int64(r->st, (int)col);

	if (!import_is_null(r, col) && sqlite3_column_type(r->st, (int)col) != SQLITE_INTEGER)
		import_bad(r, col, "\"%s\" is no number", import_get_text(r, col));
	else if (v < 0 || v >= INT64_C(1) << 53)
		import_bad(r, col, "%" PRId64 " is out of range", v);
	return (uint64_t)v;
}

/* NULL is false. */
bool import_get_bool(struct import_reader *r, unsigned col)
{
	uint64_t v = import_get_id(r, col);

	if (v > 1)
		import_bad(r, col, "%" PRIu64 " is neither 0 nor 1", v);
	return v != 0;
}

/*
 * "2025-02-05 16:46:13.960213431+00:00", with T, Z or no zone too, or as Go prints it: " +0000 UTC m=+0.1" behind. NULL
 * is TIME_NONE, a time before 1900 (Go's year 1 in some zone) `zero`.
 */
int64_t import_get_time(struct import_reader *r, unsigned col, int64_t zero)
{
	const char *text = import_get_text(r, col), *rest;
	int64_t ns = TIME_NONE;
	char iso[48];
	size_t n;

	if (text[0] == '\0')
		return TIME_NONE;
	n = strspn(text, "0123456789-");
	if (n == 10 && memcmp(text, "1900", 4) < 0 && (text[10] == ' ' || text[10] == 'T'))
		return zero;
	n = n == 10 ? 11 + strspn(text + 10 + (text[10] != '\0'), "0123456789:.") : 0;
	if (n < 19 || n > 30) {
		import_bad(r, col, "\"%.60s\" is no time", text);
		return TIME_NONE;
	}
	snprintf(iso, sizeof iso, "%.10sT%.*s", text, (int)(n - 11), text + 11);
	rest = text + n;
	rest += strspn(rest, " ");
	if ((*rest == '+' || *rest == '-') && strspn(rest + 1, "0123456789:") >= 4)
		snprintf(iso + n, sizeof iso - n, "%.3s:%.2s", rest, rest[3] == ':' ? rest + 4 : rest + 3);
	else
		snprintf(iso + n, sizeof iso - n, "%s", *rest == '\0' ? "Z" : rest);
	if (rfc3339_parse(bytes_of_str(iso), &ns) != ST_OK)
		import_bad(r, col, "\"%.60s\" is no time", text);
	return ns;
}

void import_get_key(struct import_reader *r, unsigned col, enum key_kind kind, bool needed, uint8_t out[static KEY_LEN])
{
	const char *text = import_get_text(r, col);

	memset(out, 0, KEY_LEN);
	if (text[0] != '\0' && key_text_parse(kind, bytes_of_str(text), out) != ST_OK)
		import_bad(r, col, "no key of the form %s<64 hex digits>", key_prefix(kind));
	else if (needed && key_bytes_are_zero(out))
		import_bad(r, col, "no key is given");
}

void import_get_addr(struct import_reader *r, unsigned col, enum ip_family family, struct ip_addr *out)
{
	const char *text = import_get_text(r, col);

	if (text[0] != '\0' && (ip_parse(bytes_of_str(text), out) != ST_OK || out->family != family))
		import_bad(r, col, "\"%.60s\" is no IPv%d address", text, (int)family);
}

/* A JSON array of texts; absent lists are NULL, empty, or null. To be returned (json_object_put). */
static struct json_object *get_array(struct import_reader *r, unsigned col, size_t *n_out)
{
	const char *text = import_get_text(r, col);
	struct json_object *o = NULL;
	struct err why = { "" };

	*n_out = 0;
	if (text[0] == '\0')
		return NULL;
	if (json_parse(bytes_of_str(text), LIST_MAX, &o, &why) != ST_OK)
		import_bad(r, col, "%s", why.text);
	else if (o != NULL && !json_object_is_type(o, json_type_array))
		import_bad(r, col, "no JSON array");
	else if (o != NULL)
		*n_out = json_object_array_length(o);
	for (size_t i = 0; i < *n_out; i++)
		if (!json_object_is_type(json_object_array_get_idx(o, i), json_type_string)) {
			import_bad(r, col, "no JSON array of texts");
			*n_out = 0;
		}
	return o;
}

static const char *item(struct json_object *o, size_t i)
{
	return json_object_get_string(json_object_array_get_idx(o, i));
}

struct str_list *import_get_texts(struct import_reader *r, unsigned col)
{
	size_t n;
	struct json_object *o = get_array(r, col, &n);
	const char **v = xcalloc(n + 1, sizeof *v);
	struct str_list *l;

	for (size_t i = 0; i < n; i++)
		v[i] = item(o, i);
	l = str_list_new_set(v, n);
	free(v);
	json_object_put(o);
	return l;
}

struct prefix_list *import_get_prefixes(struct import_reader *r, unsigned col)
{
	size_t n;
	struct json_object *o = get_array(r, col, &n);
	struct ip_prefix *v = xcalloc(n + 1, sizeof *v);
	struct prefix_list *l;

	for (size_t i = 0; i < n; i++)
		if (ip_prefix_parse(bytes_of_str(item(o, i)), &v[i]) != ST_OK)
			import_bad(r, col, "\"%.60s\" is no prefix", item(o, i));
	l = prefix_list_new_set(v, r->status == ST_OK ? n : 0);
	free(v);
	json_object_put(o);
	return l;
}

static bool endpoint_of(const char *text, struct endpoint *out)
{
	const char *colon = strrchr(text, ':');
	struct bytes host;
	unsigned port = 0;

	if (colon == NULL || colon == text || strlen(colon + 1) < 1 || strlen(colon + 1) > 5 ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return false;
	port = (unsigned)strtoul(colon + 1, NULL, 10);
	host = bytes_of(text, (size_t)(colon - text));
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = bytes_of(host.p + 1, host.n - 2);
	out->port = (uint16_t)port;
	return port <= 65535 && ip_parse(host, &out->addr) == ST_OK;
}

struct endpoint_list *import_get_endpoints(struct import_reader *r, unsigned col)
{
	size_t n;
	struct json_object *o = get_array(r, col, &n);
	struct endpoint *v = xcalloc(n + 1, sizeof *v);
	struct endpoint_list *l;

	for (size_t i = 0; i < n; i++)
		if (!endpoint_of(item(o, i), &v[i]))
			import_bad(r, col, "\"%.60s\" is no address with a port", item(o, i));
	l = endpoint_list_new(v, r->status == ST_OK ? n : 0);
	free(v);
	json_object_put(o);
	return l;
}

void import_get_bcrypt(struct import_reader *r, unsigned col, struct secret_hash *out)
{
	struct bytes b = import_get_bytes(r, col);

	if (b.n != 60 || memcmp(b.p, "$2", 2) != 0) {
		import_bad(r, col, "no bcrypt hash");
		return;
	}
	out->form = SECRET_BCRYPT;
	out->n = (uint8_t)b.n;
	memcpy(out->b, b.p, b.n);
}
