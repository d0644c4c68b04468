/*
 * api/body.c -- what a request says: members of its body, numbers of its path and query.
 *
 * As strict as the Go server: a member that is not known is refused by name, so a misspelled "expiry" does not expire a node
 * now. More lenient in three things that older clients need: names are compared without case and underscores ("acl_tags"),
 * numbers may stand for texts, and nobody looks at the content type.
 */
#include <strings.h>

#include "api/api_priv.h"

#define API_TEXT_MAX 4096u /* bytes of a member that is no policy */
#define API_LIST_MAX 1024u

static void put_tree(void *tree)
{
	json_object_put(tree);
}

static bool wrong(struct http_req *r, const char *name, const char *expected)
{
	api_problem(r, 422, "validation failed", expected, arena_printf(r->arena, "body.%s", name));
	return false;
}

/* Does `name` mean the word of n characters at `known`? */
static bool means(const char *name, const char *known, size_t n)
{
	size_t i = 0;

	for (; *name != '\0'; name++) {
		if (*name == '_')
			continue;
		if (i == n || (*name | 0x20) != (known[i] | 0x20))
			return false;
		i++;
	}
	return i == n;
}

/* The known name (from the arena) that `name` means; NULL: none. */
static const char *known_as(struct http_req *r, const char *name, const char *members)
{
	for (const char *m = members; *m != '\0'; m += strspn(m, " ")) {
		size_t n = strcspn(m, " ");

		if (means(name, m, n))
			return arena_strndup(r->arena, m, n);
		m += n;
	}
	return NULL;
}

/* The same object with the names as we spell them. NULL: answered. */
static struct json_object *respell(struct http_req *r, struct json_object *in, const char *members)
{
	struct json_object *out = json_object_new_object();
	struct json_object_iter at;

	arena_on_free(r->arena, put_tree, out);
	json_object_object_foreachC(in, at) {
		const char *known = known_as(r, at.key, members);

		if (known == NULL) {
			wrong(r, arena_printf(r->arena, "%.80s", at.key), "unexpected property");
			return NULL;
		}
		json_object_object_add(out, known, json_object_get(at.val));
	}
	return out;
}

bool api_body(struct http_req *r, bool optional, const char *members, struct json_object **out)
{
	struct json_object *o = NULL;
	struct err e = { 0 };

	if (r->body.n == 0) {
		if (!optional) {
			api_problem(r, 400, "request body is required", NULL, NULL);
			return false;
		}
		o = json_object_new_object();
		arena_on_free(r->arena, put_tree, o);
		*out = o;
		return true;
	}
	if (json_parse(r->body, r->body.n, &o, &e) != ST_OK) {
		api_problem(r, 400, "request body is not JSON", e.text, "body");
		return false;
	}
	arena_on_free(r->arena, put_tree, o);
	if (!json_object_is_type(o, json_type_object)) {
		api_problem(r, 422, "validation failed", "expected object", "body");
		return false;
	}
	*out = respell(r, o, members);
	return *out != NULL;
}

static bool clean(struct json_object *v)
{
	return !json_object_is_type(v, json_type_string) ||
	       strlen(json_object_get_string(v)) == (size_t)json_object_get_string_len(v);
}

bool api_long_text(struct http_req *r, struct json_object *o, const char *name, const char **out)
{
	struct json_object *v = NULL;

	*out = NULL;
	if (!json_object_object_get_ex(o, name, &v) || v == NULL)
		return true;
	if (!json_object_is_type(v, json_type_string) && !json_object_is_type(v, json_type_int))
		return wrong(r, name, "expected string");
	if (!clean(v))
		return wrong(r, name, "expected text without NUL");
	*out = json_object_get_string(v);
	return true;
}

bool api_text(struct http_req *r, struct json_object *o, const char *name, const char **out)
{
	if (!api_long_text(r, o, name, out))
		return false;
	if (*out != NULL && strlen(*out) > API_TEXT_MAX)
		return wrong(r, name, "expected at most 4096 bytes");
	return true;
}

bool api_bool(struct http_req *r, struct json_object *o, const char *name, bool *out)
{
	struct json_object *v = NULL;

	if (!json_object_object_get_ex(o, name, &v) || v == NULL)
		return true;
	if (!json_object_is_type(v, json_type_boolean))
		return wrong(r, name, "expected boolean");
	*out = json_object_get_boolean(v);
	return true;
}

bool api_time(struct http_req *r, struct json_object *o, const char *name, int64_t *out)
{
	const char *text;

	if (!api_text(r, o, name, &text))
		return false;
	if (text != NULL && rfc3339_parse(bytes_of_str(text), out) != ST_OK)
		return wrong(r, name, "expected string to be RFC 3339 date-time");
	return true;
}

static bool list_item(struct http_req *r, const char *name, size_t i, struct json_object *item)
{
	const char *where = arena_printf(r->arena, "%s[%zu]", name, i);

	if (!json_object_is_type(item, json_type_string))
		return wrong(r, where, "expected string");
	if (!clean(item))
		return wrong(r, where, "expected text without NUL");
	if (json_object_get_string_len(item) > (int)API_TEXT_MAX)
		return wrong(r, where, "expected at most 4096 bytes");
	return true;
}

bool api_strings(struct http_req *r, struct json_object *o, const char *name, const char ***out, size_t *n_out)
{
	struct json_object *v = NULL;
	size_t n;

	*out = NULL;
	*n_out = 0;
	if (!json_object_object_get_ex(o, name, &v) || v == NULL)
		return true;
	if (!json_object_is_type(v, json_type_array))
		return wrong(r, name, "expected array");
	n = json_object_array_length(v);
	if (n > API_LIST_MAX)
		return wrong(r, name, "expected at most 1024 elements");
	*out = ARENA_ARRAY(r->arena, const char *, n + 1);
	for (size_t i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(v, i);

		if (!list_item(r, name, i, item))
			return false;
		(*out)[i] = json_object_get_string(item);
	}
	*n_out = n;
	return true;
}

bool api_prefixes(struct http_req *r, const char *name, const char *const *texts, size_t n, const struct ip_prefix **out)
{
	struct ip_prefix *v = ARENA_ARRAY(r->arena, struct ip_prefix, n + 1);

	for (size_t i = 0; i < n; i++) {
		if (ip_prefix_parse(bytes_of_str(texts[i]), &v[i]) != ST_OK) {
			api_problem(r, 400, "parsing route",
				    arena_printf(r->arena, "\"%.80s\" is no prefix such as 10.0.0.0/24", texts[i]),
				    arena_printf(r->arena, "body.%s[%zu]", name, i));
			return false;
		}
	}
	*out = v;
	return true;
}

/* Decimal digits that fit. */
static bool number_of(const char *text, uint64_t *out)
{
	uint64_t v = 0;

	for (const char *p = text; *p != '\0'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (*p < '0' || *p > '9' || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return text[0] != '\0';
}

bool api_number(struct http_req *r, const char *text, const char *what, const char *where, uint64_t *out)
{
	if (number_of(text, out))
		return true;
	api_problem(r, 400, what, text[0] == '\0' ? "a number is missing" : arena_printf(r->arena, "\"%.40s\" is not a number", text),
		    where);
	return false;
}

bool api_user_ref(struct http_req *r, const struct snapshot *s, const char *text, const char *where, user_id *out)
{
	const struct user *u;
	uint64_t id;

	*out = 0;
	if (text == NULL || text[0] == '\0')
		return true;
	if (number_of(text, &id)) {
		*out = id;
		return true;
	}
	u = snapshot_user_by_name(s, text);
	if (u == NULL) {
		api_problem(r, 400, "invalid user id", arena_printf(r->arena, "\"%.80s\" is neither a number nor a user's name", text),
			    where);
		return false;
	}
	*out = u->id;
	return true;
}
