/* acme/answer.c -- see acme/answer.h. */
#include "acme/answer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <curl/curl.h>

#include "base/json_in.h"
#include "base/vec.h"

#define PROBLEM_PREFIX "urn:ietf:params:acme:error:"

bool acme_url_ok(const char *url)
{
	size_t n = strlen(url);
	const char *host = strncmp(url, "https://", 8) == 0 ? url + 8 : strncmp(url, "http://", 7) == 0 ? url + 7 : NULL;

	if (host == NULL || n >= ACME_URL_MAX || !isalnum((unsigned char)*host))
		return false;
	for (; *url; url++)
		if (*url <= ' ' || *url >= 0x7f || *url == '"' || *url == '\\')
			return false;
	return true;
}

static enum status wrong(struct err *err, enum status s, const char *what, const char *why)
{
	err_set(err, "the authority's answer: %s %s", what, why);
	return s;
}

/* Copy a member that must be a URL; required or not. */
static enum status get_url(struct json_object *o, const char *name, bool required, char out[static ACME_URL_MAX],
			   struct err *err)
{
	const char *v = NULL;
	enum status s = json_get_str(o, name, &v, err);

	if (s != ST_OK)
		return s;
	if (v == NULL)
		return required ? wrong(err, ST_BAD_INPUT, name, "is missing") : ST_OK;
	if (strlen(v) >= ACME_URL_MAX)
		return wrong(err, ST_TOO_BIG, name, "is too long");
	if (!acme_url_ok(v))
		return wrong(err, ST_BAD_INPUT, name, "is no URL");
	strcpy(out, v);
	return ST_OK;
}

static enum status get_state(struct json_object *o, enum acme_state *out, struct err *err)
{
	static const struct {
		const char *word;
		enum acme_state state;
	} words[] = { { "pending", ACME_PENDING },
		      { "ready", ACME_READY },
		      { "processing", ACME_PROCESSING },
		      { "valid", ACME_VALID },
		      { "invalid", ACME_INVALID } };
	const char *v = NULL;
	enum status s = json_get_str(o, "status", &v, err);

	if (s != ST_OK)
		return s;
	if (v == NULL)
		return wrong(err, ST_BAD_INPUT, "status", "is missing");
	*out = ACME_GONE;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(v, words[i].word) == 0)
			*out = words[i].state;
	return ST_OK;
}

static enum status open_object(struct bytes json, struct json_object **out, struct err *err)
{
	enum status s = json_parse(json, ACME_JSON_MAX, out, err);

	if (s != ST_OK) {
		err_prefix(err, "the authority's answer");
		return s;
	}
	if (!json_object_is_type(*out, json_type_object)) {
		json_object_put(*out);
		return wrong(err, ST_BAD_INPUT, "JSON", "is no object");
	}
	return ST_OK;
}

/* ---- problems ---- */

/* For people: controls become blanks, what is too long is cut. */
static void copy_text(char *out, size_t cap, const char *in)
{
	size_t n = 0;

	for (; in[n] && n + 1 < cap; n++)
		out[n] = (unsigned char)in[n] < ' ' || in[n] == 0x7f ? ' ' : in[n];
	while (n && in[n] && ((unsigned char)in[n] & 0xc0) == 0x80)
		n--; /* not inside a character */
	out[n] = '\0';
}

static void get_problem(struct json_object *o, struct acme_problem *out)
{
	const char *type = "", *detail = "";

	if (json_get_str(o, "type", &type, NULL) != ST_OK || json_get_str(o, "detail", &detail, NULL) != ST_OK)
		return;
	if (strncmp(type, PROBLEM_PREFIX, strlen(PROBLEM_PREFIX)) == 0)
		type += strlen(PROBLEM_PREFIX);
	copy_text(out->type, sizeof out->type, type);
	copy_text(out->detail, sizeof out->detail, detail);
}

static void get_error(struct json_object *o, struct acme_problem *out)
{
	struct json_object *e = NULL;

	if (json_get_obj(o, "error", &e, NULL) == ST_OK && e != NULL)
		get_problem(e, out);
}

void acme_problem_parse(struct bytes json, struct acme_problem *out)
{
	struct json_object *o = NULL;

	memset(out, 0, sizeof *out);
	if (open_object(json, &o, NULL) != ST_OK)
		return;
	get_problem(o, out);
	json_object_put(o);
}

/* ---- directory ---- */

static enum status get_directory(struct json_object *o, struct acme_directory *d, struct err *err)
{
	struct json_object *meta = NULL;
	enum status s = get_url(o, "newNonce", true, d->new_nonce, err);

	if (s == ST_OK)
		s = get_url(o, "newAccount", true, d->new_account, err);
	if (s == ST_OK)
		s = get_url(o, "newOrder", true, d->new_order, err);
	if (s == ST_OK)
		s = json_get_obj(o, "meta", &meta, err);
	if (s == ST_OK && meta != NULL)
		s = json_get_bool(meta, "externalAccountRequired", &d->external_account, err);
	return s;
}

enum status acme_directory_parse(struct bytes json, struct acme_directory *out, struct err *err)
{
	struct acme_directory d = { 0 };
	struct json_object *o = NULL;
	enum status s = open_object(json, &o, err);

	if (s != ST_OK)
		return s;
	s = get_directory(o, &d, err);
	json_object_put(o);
	if (s == ST_OK)
		*out = d;
	return s;
}

/* ---- orders ---- */

static enum status get_authorizations(struct json_object *o, struct acme_order *out, struct err *err)
{
	struct json_object *list = NULL;
	enum status s = json_get_arr(o, "authorizations", &list, err);
	size_t n = list != NULL ? json_object_array_length(list) : 0;

	if (s != ST_OK)
		return s;
	if (n > ACME_NAMES_MAX)
		return wrong(err, ST_TOO_BIG, "authorizations", "has too many elements");
	for (size_t i = 0; i < n; i++) {
		struct json_object *e = json_object_array_get_idx(list, i);
		const char *v = json_object_is_type(e, json_type_string) ? json_object_get_string(e) : "";

		if (!acme_url_ok(v))
			return wrong(err, ST_BAD_INPUT, "authorizations", "has an element that is no URL, or too long");
		strcpy(out->authorizations[i], v);
	}
	out->n_authorizations = n;
	return ST_OK;
}

enum status acme_order_parse(struct bytes json, struct acme_order *out, struct err *err)
{
	struct acme_order *r;
	struct json_object *o = NULL;
	enum status s = open_object(json, &o, err);

	if (s != ST_OK)
		return s;
	r = xcalloc(1, sizeof *r);
	s = get_state(o, &r->state, err);
	if (s == ST_OK)
		s = get_authorizations(o, r, err);
	if (s == ST_OK)
		s = get_url(o, "finalize", true, r->finalize, err);
	if (s == ST_OK)
		s = get_url(o, "certificate", false, r->certificate, err);
	if (s == ST_OK) {
		get_error(o, &r->problem);
		*out = *r;
	}
	json_object_put(o);
	free(r);
	return s;
}

/* ---- authorizations ---- */

static enum status get_name(struct json_object *o, char out[static 256], struct err *err)
{
	struct json_object *id = NULL;
	const char *v = NULL;
	enum status s = json_get_obj(o, "identifier", &id, err);
	size_t n;

	if (s == ST_OK && id != NULL)
		s = json_get_str(id, "value", &v, err);
	if (s != ST_OK)
		return s;
	n = v != NULL ? strlen(v) : 0;
	if (n == 0 || n > 255)
		return wrong(err, ST_BAD_INPUT, "identifier", "has no usable value");
	for (size_t i = 0; i <= n; i++)
		out[i] = (char)tolower((unsigned char)v[i]);
	return ST_OK;
}

static bool token_ok(const char *t)
{
	size_t n = strspn(t, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

	return n > 0 && n < ACME_TOKEN_MAX && t[n] == '\0';
}

static enum status get_challenge(struct json_object *c, struct acme_authorization *a, struct err *err)
{
	const char *token = NULL;
	enum status s = get_url(c, "url", true, a->url, err);

	if (s == ST_OK)
		s = json_get_str(c, "token", &token, err);
	if (s == ST_OK)
		s = get_state(c, &a->challenge_state, err);
	if (s != ST_OK)
		return s;
	if (token == NULL || !token_ok(token))
		return wrong(err, ST_BAD_INPUT, "token", "of the challenge is not base64url, or too long");
	strcpy(a->token, token);
	a->offered = true;
	get_error(c, &a->problem);
	return ST_OK;
}

static enum status get_challenges(struct json_object *o, const char *type, struct acme_authorization *a, struct err *err)
{
	struct json_object *list = NULL;
	enum status s = json_get_arr(o, "challenges", &list, err);
	size_t n = list != NULL ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n && s == ST_OK && !a->offered; i++) {
		struct json_object *c = json_object_array_get_idx(list, i);
		const char *t = NULL;

		if (!json_object_is_type(c, json_type_object))
			return wrong(err, ST_BAD_INPUT, "challenges", "has an element that is no object");
		s = json_get_str(c, "type", &t, err);
		if (s == ST_OK && t != NULL && strcmp(t, type) == 0)
			s = get_challenge(c, a, err);
	}
	return s;
}

enum status acme_authorization_parse(struct bytes json, const char *type, struct acme_authorization *out, struct err *err)
{
	struct acme_authorization a = { 0 };
	struct json_object *o = NULL;
	enum status s = open_object(json, &o, err);

	if (s != ST_OK)
		return s;
	s = get_state(o, &a.state, err);
	if (s == ST_OK)
		s = get_name(o, a.name, err);
	if (s == ST_OK)
		s = get_challenges(o, type, &a, err);
	json_object_put(o);
	if (s == ST_OK)
		*out = a;
	return s;
}

/* ---- headers ---- */

int64_t acme_retry_after(const char *value, int64_t now_unix)
{
	size_t digits = strspn(value, "0123456789");
	int64_t s;

	if (digits > 0 && value[digits] == '\0') {
		s = digits > 9 ? ACME_RETRY_AFTER_MAX : strtoll(value, NULL, 10);
	} else {
		time_t at = curl_getdate(value, NULL);

		if (at == -1)
			return -1;
		s = (int64_t)at - now_unix;
	}
	return s < 0 ? 0 : s > ACME_RETRY_AFTER_MAX ? ACME_RETRY_AFTER_MAX : s;
}
