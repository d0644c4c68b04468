/* auth/identity.c -- see auth/identity.h. */
#include "auth/identity.h"

#include <stdlib.h>

#include "auth/provider.h"
#include "base/json_in.h"
#include "base/utf8.h"
#include "base/vec.h"

#define SUBJECT_MAX    255
#define NAME_MAX_BYTES 255
#define EMAIL_MAX      254
#define PICTURE_MAX    2048
#define GROUP_MAX      512

/* ---- claims ---- */

static bool printable(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return false;
	return n > 0;
}

/* A text of 1..max bytes without control characters; else NULL. */
static const char *text_of(struct json_object *v, size_t max)
{
	const char *s;
	size_t n;

	if (!json_object_is_type(v, json_type_string))
		return NULL;
	s = json_object_get_string(v);
	n = (size_t)json_object_get_string_len(v);
	if (n > max || !printable(s, n))
		return NULL;
	return s;
}

static const char *text_claim(struct json_object *claims, const char *name, size_t max)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(claims, name, &v) ? text_of(v, max) : NULL;
}

static void take(struct arena *a, struct json_object *claims, const char *name, size_t max, char **to)
{
	const char *v = text_claim(claims, name, max);

	if (v != NULL)
		*to = arena_strdup(a, v);
}

/* true, "true"; anything else that is there is false. -1: not there. */
static int flag_claim(struct json_object *claims, const char *name)
{
	struct json_object *v = NULL;

	if (!json_object_object_get_ex(claims, name, &v) || v == NULL)
		return -1;
	if (json_object_is_type(v, json_type_boolean))
		return json_object_get_boolean(v) ? 1 : 0;
	if (json_object_is_type(v, json_type_string))
		return bytes_ieq_str(bytes_of_str(json_object_get_string(v)), "true") ? 1 : 0;
	return 0;
}

static void take_email(struct arena *a, struct json_object *claims, struct identity *id)
{
	const char *email = text_claim(claims, "email", EMAIL_MAX);
	int verified = flag_claim(claims, "email_verified");

	if (email != NULL && strcmp(email, id->email) != 0) {
		id->email = arena_strdup(a, email);
		id->email_verified = false; /* what was said of another address does not count for this one */
	}
	if (verified >= 0)
		id->email_verified = verified == 1;
}

static void take_groups(struct arena *a, struct json_object *claims, struct identity *id)
{
	struct json_object *v = NULL;
	const char *one;
	size_t n = 1;

	if (!json_object_object_get_ex(claims, "groups", &v) || v == NULL)
		return;
	if (json_object_is_type(v, json_type_array))
		n = json_object_array_length(v);
	else if (!json_object_is_type(v, json_type_string))
		return;
	n = n < IDENTITY_GROUPS_MAX ? n : IDENTITY_GROUPS_MAX;
	id->groups = ARENA_ARRAY(a, char *, n + 1);
	id->n_groups = 0;
	for (size_t i = 0; i < n; i++) {
		one = text_of(json_object_is_type(v, json_type_array) ? json_object_array_get_idx(v, i) : v, GROUP_MAX);
		if (one != NULL)
			id->groups[id->n_groups++] = arena_strdup(a, one);
	}
}

void identity_read(struct arena *a, struct json_object *claims, struct identity *id)
{
	char **const texts[] = { &id->provider_id, &id->name, &id->display_name, &id->email, &id->picture_url };
	const char *picture = text_claim(claims, "picture", PICTURE_MAX);

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (*texts[i] == NULL)
			*texts[i] = arena_strdup(a, "");
	take(a, claims, "preferred_username", NAME_MAX_BYTES, &id->name);
	take(a, claims, "name", NAME_MAX_BYTES, &id->display_name);
	if (picture != NULL && provider_url_ok(picture))
		id->picture_url = arena_strdup(a, picture);
	take_email(a, claims, id);
	take_groups(a, claims, id);
}

/* ---- what a user is stored under ---- */

static bool unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-_.~", c));
}

/* Stands in a path as it is, if everything in the path may. */
static bool stands(unsigned char c)
{
	return unreserved(c) || (c && strchr("!$&'()*+,;=:@[]/", c));
}

/* Stands in a path also beside characters that do not. */
static bool stands_always(unsigned char c)
{
	return unreserved(c) || (c && strchr("$&+,;=:@/", c));
}

static bool stands_never(unsigned char c)
{
	return unreserved(c);
}

static char *escape(struct arena *a, const char *s, bool (*keep)(unsigned char))
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = arena_alloc(a, strlen(s) * 3 + 1), *to = out;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (keep(c)) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '%';
		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	return out;
}

/* Segments that a path's clean-up would change, or a percent sign. */
static bool ambiguous(const char *s)
{
	while (true) {
		size_t n = strcspn(s, "/");

		if (n == 0 || s[0] == ' ' || s[n - 1] == ' ' || (n == 1 && s[0] == '.') ||
		    (n == 2 && memcmp(s, "..", 2) == 0))
			return true;
		if (memchr(s, '%', n) != NULL)
			return true;
		if (s[n] == '\0')
			return false;
		s += n + 1;
	}
}

static char *issuer_prefix(struct arena *a, const char *issuer)
{
	char *p = arena_strdup(a, issuer), *colon = strstr(p, "://");
	size_t n = strlen(p);

	for (char *c = p; colon != NULL && c < colon; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	while (n > 0 && p[n - 1] == '/')
		p[--n] = '\0';
	return p;
}

enum status identity_provider_id(struct arena *a, const char *issuer, const char *subject, char **out)
{
	size_t n = strlen(subject);
	const char *tail;
	bool plain = true;

	if (n == 0 || n > SUBJECT_MAX || !printable(subject, n) || !utf8_valid(bytes_of_str(subject)))
		return ST_BAD_INPUT;
	for (size_t i = 0; i < n; i++)
		plain = plain && stands((unsigned char)subject[i]);
	if (ambiguous(subject))
		tail = arena_printf(a, "sub:%s", escape(a, subject, stands_never));
	else
		tail = plain ? subject : escape(a, subject, stands_always);
	*out = arena_printf(a, "%s/%s", issuer_prefix(a, issuer), tail);
	return ST_OK;
}

/* ---- may they? ---- */

static bool listed(const struct oidc_texts *list, const char *v)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], v) == 0)
			return true;
	return false;
}

static bool in_a_group(const struct identity *id, const struct oidc_texts *list)
{
	for (size_t i = 0; i < id->n_groups; i++)
		if (listed(list, id->groups[i]))
			return true;
	return false;
}

/* What follows the only @ of an address that has something on both sides; NULL: it is no address. */
static const char *domain_of(const char *email)
{
	const char *at = strchr(email, '@');

	return at != NULL && at != email && at[1] != '\0' && strchr(at + 1, '@') == NULL ? at + 1 : NULL;
}

enum oidc_event identity_judge(const struct identity *id, const struct identity_rules *r)
{
	const char *domain = domain_of(id->email);

	if (r->groups.n > 0 && !in_a_group(id, &r->groups))
		return OIDC_FILTER_GROUP;
	if ((r->domains.n > 0 || r->users.n > 0) && r->email_verified_required && !id->email_verified)
		return OIDC_FILTER_VERIFIED;
	if (r->domains.n > 0 && (domain == NULL || !listed(&r->domains, domain)))
		return OIDC_FILTER_DOMAIN;
	if (r->users.n > 0 && (id->email[0] == '\0' || !listed(&r->users, id->email)))
		return OIDC_FILTER_USER;
	return OIDC_IDENTIFIED;
}

bool identity_email_usable(const struct identity *id, const struct identity_rules *r)
{
	if (r->email_verified_required && !id->email_verified)
		return false;
	return domain_of(id->email) != NULL && strpbrk(id->email, " <>,;\"\\") == NULL;
}

/* ---- copies ---- */

struct identity *identity_copy(const struct identity *id)
{
	struct identity *c = xcalloc(1, sizeof *c);

	c->provider_id = xstrdup(id->provider_id);
	c->name = xstrdup(id->name);
	c->display_name = xstrdup(id->display_name);
	c->email = xstrdup(id->email);
	c->picture_url = xstrdup(id->picture_url);
	c->email_verified = id->email_verified;
	return c; /* groups are for judging alone */
}

void identity_free(struct identity **ip)
{
	struct identity *id = *ip;

	if (id == NULL)
		return;
	free(id->provider_id);
	free(id->name);
	free(id->display_name);
	free(id->email);
	free(id->picture_url);
	free(id);
	*ip = NULL;
}

const char *identity_display(const struct identity *id)
{
	if (id->display_name[0])
		return id->display_name;
	if (id->name[0])
		return id->name;
	return id->email[0] ? id->email : id->provider_id;
}
