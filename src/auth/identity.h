/*
 * auth/identity.h -- who somebody is by a provider's word, and whether such a person may log in.
 *
 * Pure. A person is issuer and subject and nothing else: addresses and names change, and may be given to another.
 */
#ifndef AUTH_IDENTITY_H
#define AUTH_IDENTITY_H

#include "auth/counters.h"
#include "auth/oidc.h"

struct json_object;

#define IDENTITY_GROUPS_MAX 2048 /* more are not looked at */

/* Texts are the arena's or owned, as the function says; "" where not given. */
struct identity {
	char *provider_id;   /* issuer/subject, see identity_provider_id() */
	char *name;          /* preferred_username */
	char *display_name;
	char *email;
	bool email_verified;
	char *picture_url;   /* http(s), or "" */
	char **groups;
	size_t n_groups;
};

/**
 * Read claims, of an ID token or of the UserInfo endpoint, over what *id holds already. What is absent, empty, of
 * another type or too long stays as it is. An address that replaces another is verified only if the same claims say
 * so. provider_id is not touched. Texts go into the arena.
 */
void identity_read(struct arena *a, struct json_object *claims, struct identity *id);

/**
 * What a user is stored under: the issuer without slashes at its end, a slash, the subject, as the Go server writes it,
 * so that people who logged in there are found again. Different subjects never give the same text: those which that
 * server's rules would run together (empty or dotted segments, percent signs, blanks at the ends) are written apart.
 *
 * subject  1..255 bytes of UTF-8 without control characters; else ST_BAD_INPUT. From the arena.
 */
enum status identity_provider_id(struct arena *a, const char *issuer, const char *subject, char **out) MUST_CHECK;

/* Empty lists let everybody pass. Borrowed. */
struct identity_rules {
	struct oidc_texts groups, domains, users;
	bool email_verified_required;
};
/** OIDC_IDENTIFIED: may log in; else the first of OIDC_FILTER_* that does not pass. */
enum oidc_event identity_judge(const struct identity *id, const struct identity_rules *r);

/** The address may be shown and stored: verified, or nobody asks for that; and it looks like one. */
bool identity_email_usable(const struct identity *id, const struct identity_rules *r);

/** A copy on the heap; returned (identity_free). */
struct identity *identity_copy(const struct identity *id);
void identity_free(struct identity **id);
/** The name people know best, for pages: display name, else name, else address, else provider id. Borrowed. */
const char *identity_display(const struct identity *id);

#endif
