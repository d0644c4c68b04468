/*
 * api/objects.h -- the objects of API v1 as JSON: users, nodes, keys, problems.
 *
 * All members are always there; 64-bit numbers are decimal text; times RFC 3339. Pure; any thread that holds what is
 * passed. Source: what the Go server's API 0.30 answers (docs/compatibility.md says where we differ).
 */
#ifndef API_OBJECTS_H
#define API_OBJECTS_H

#include "base/json_out.h"
#include "state/records.h"
#include "state/snapshot.h"
#include "state/state.h"

/** A user. NULL writes null. */
void api_put_user(struct jw *w, const struct user *u);

/** The pseudo user that lists show as owner of tagged nodes. */
void api_put_tagged_user(struct jw *w);

/**
 * A node, with its owner from the snapshot, and its pre-auth key if known (NULL: null).
 * Routes: available = announced, approved = as stored, subnet = served now (primary, and approved exit routes).
 */
void api_put_node(struct jw *w, const struct snapshot *s, const struct node *n, const struct preauth_key *key);

/* A login that waits, as the API shows one that it made itself. */
struct api_waiting {
	const struct user *user;
	struct machine_key machine;
	struct node_key key;
	const char *hostname;
	const struct ip_prefix *routes;
	size_t n_routes;
};
/** A node that is none yet: id 0, no addresses, zero times. */
void api_put_waiting(struct jw *w, const struct api_waiting *p);

/** secret NULL: the key is masked. User from the snapshot. */
void api_put_preauth_key(struct jw *w, const struct snapshot *s, const struct preauth_key *k, const char *secret);
void api_put_api_key(struct jw *w, const struct api_key *k);
void api_put_audit(struct jw *w, const struct audit_row *r);

/**
 * A problem document (RFC 9457): what was tried and what went wrong, also under the names that older consoles read
 * (`code` and `message`).
 *
 * detail   what was tried ("renaming user"); never NULL.
 * message  the cause; NULL: none.
 * where    "body.user", "path.nodeId"; NULL: not about a member.
 */
void api_put_problem(struct jw *w, int http_status, const char *detail, const char *message, const char *where);
/** The words that go with a status code: "Not Found". Static. */
const char *api_status_title(int http_status);

/** "owner", "admin", "network-admin", "it-admin", "auditor", "member". Static. */
const char *api_role_name(enum user_role r);
enum status api_role_parse(const char *name, enum user_role *out) MUST_CHECK;

#endif
