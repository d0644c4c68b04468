/* policy/tags.c -- who may give which tag, and which routes are approved without asking. */
#include <stdlib.h>
#include <string.h>

#include "policy/users.h"

bool policy_tag_exists(const struct policy_engine *e, const char *tag)
{
	const struct policy *p = e->l->policy;

	return !p->tree.root || strmap_get_str(&p->tag_by_name, tag) != STRMAP_NONE;
}

struct walk { /* of owning tags, each looked at once: they may own each other */
	const struct policy_engine *e;
	const struct user_row *user; /* one of the two */
	const char *holder;
	bool *seen;
};

static bool owner_fits(struct walk *w, const struct sel *s, uint32_t sel);

static bool tag_fits(struct walk *w, const char *tag)
{
	const struct policy *p = w->e->l->policy;
	uint32_t i = strmap_get_str(&p->tag_by_name, tag);

	if (i == STRMAP_NONE || w->seen[i])
		return false;
	w->seen[i] = true;
	if (w->holder && strcmp(w->holder, tag) == 0)
		return true;
	for (uint32_t k = 0; k < p->tags.v[i].n; k++)
		if (owner_fits(w, &p->sels.v[p->tags.v[i].owner[k]], p->tags.v[i].owner[k]))
			return true;
	return false;
}

static bool owner_fits(struct walk *w, const struct sel *s, uint32_t sel)
{
	if (s->kind == SEL_TAG)
		return tag_fits(w, s->arg);
	return w->user && bit_get(w->user->match, sel);
}

static bool may_tag(const struct policy_engine *e, const struct user_row *user, const char *holder, const char *tag)
{
	struct walk w = { e, user, holder, xcalloc(e->l->policy->tags.n + 1, sizeof *w.seen) };
	bool ok = tag_fits(&w, tag);

	free(w.seen);
	return ok;
}

bool policy_user_may_tag(const struct policy_engine *e, user_id user, const char *tag)
{
	const struct user_row *u = users_get(e->users, user);
	bool admin;

	if (!u || !policy_tag_exists(e, tag))
		return false;
	admin = u->role == POLICY_ROLE_OWNER || u->role == POLICY_ROLE_ADMIN || u->role == POLICY_ROLE_NETWORK_ADMIN;
	return admin || may_tag(e, u, NULL, tag);
}

bool policy_tag_may_tag(const struct policy_engine *e, const char *owner, const char *tag)
{
	return policy_tag_exists(e, tag) && (strcmp(owner, tag) == 0 || may_tag(e, NULL, owner, tag));
}

static bool any_matches(const struct policy_engine *e, const uint32_t *sel, uint32_t n, const struct policy_node *node)
{
	for (uint32_t i = 0; i < n; i++)
		if (sel_matches(e, sel[i], node))
			return true;
	return false;
}

bool policy_auto_approves(const struct policy_engine *e, const struct policy_node *n, const struct ip_prefix *route)
{
	const struct policy *p = e->l->policy;

	if (ip_prefix_is_default(route))
		return any_matches(e, p->exit_approver, p->n_exit_approver, n);
	for (size_t i = 0; i < p->approvers.n; i++)
		if (ip_prefix_covers(&p->approvers.v[i].prefix, route) &&
		    any_matches(e, p->approvers.v[i].sel, p->approvers.v[i].n, n))
			return true;
	return false;
}
