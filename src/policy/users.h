/*
 * policy/users.h -- the users an engine knows, and which selectors match each of them. Inside the room.
 *
 * A set is immutable and counted, its rows likewise: sets of neighbouring engines share them.
 */
#ifndef POLICY_USERS_H
#define POLICY_USERS_H

#include "policy/engine_priv.h"

struct user_row {
	atomic_uint refs;
	user_id id;
	const char *name, *email, *provider_id; /* "" if none */
	enum policy_role role;
	bool external;
	uint64_t *match; /* selectors that match an untagged device of this user */
};

struct fit { /* who fits a login that the policy names */
	uint32_t n;
	uint64_t ids; /* sum; if n is 1 this is who */
};
struct user_set {
	atomic_uint refs;
	struct fit *fit; /* by number of the login in lineage.named */
	size_t n;
	struct user_row *row[]; /* sorted by id */
};

/* Fills what a lineage keeps about logins that its policy names. */
void users_name(struct lineage *l);
struct user_set *users_new(const struct lineage *l, const struct policy_user *u, size_t n);
struct user_set *users_ref(struct user_set *s);
void users_unref(struct user_set **s);
/**
 * The set after the users of a delta changed. moved_out: whose nodes are of another kind by it, from a; costs what
 * changed, and a reference for each user.
 */
struct user_set *users_change(const struct lineage *l, const struct user_set *old, const struct policy_delta *d,
			      struct arena *a, user_id **moved_out, size_t *n_out);
/* NULL: unknown. */
const struct user_row *users_get(const struct user_set *s, user_id id);
/* Does the login mean this user? */
bool user_is(const struct user_row *u, const char *login);
/* KIND_* that a node has by its owner, or if tagged by who registered it. u NULL: none. */
uint32_t user_flags(const struct user_row *u, bool tagged);

#endif
