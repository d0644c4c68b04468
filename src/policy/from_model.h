/*
 * policy/from_model.h -- users and nodes of model/ as the policy wants them. Everything stays borrowed.
 */
#ifndef POLICY_FROM_MODEL_H
#define POLICY_FROM_MODEL_H

#include "model/node.h"
#include "policy/world.h"

static inline enum policy_role policy_role_of(enum user_role r)
{
	switch (r) {
	case ROLE_OWNER:
		return POLICY_ROLE_OWNER;
	case ROLE_ADMIN:
		return POLICY_ROLE_ADMIN;
	case ROLE_NETWORK_ADMIN:
		return POLICY_ROLE_NETWORK_ADMIN;
	case ROLE_IT_ADMIN:
		return POLICY_ROLE_IT_ADMIN;
	case ROLE_AUDITOR:
		return POLICY_ROLE_AUDITOR;
	case ROLE_MEMBER:
		break;
	}
	return POLICY_ROLE_MEMBER;
}

static inline struct policy_user policy_user_of(const struct user *u)
{
	return (struct policy_user){ .id = u->id,
				     .name = u->name,
				     .email = u->email,
				     .provider_id = u->provider_id,
				     .role = policy_role_of(u->role) };
}

/** Posture attributes are left empty. Registration goes by the time of creation, then by ID. */
static inline struct policy_node policy_node_of(const struct node *n)
{
	return (struct policy_node){ .id = n->id,
				     .registered = (uint64_t)n->created_ns ^ (uint64_t)1 << 63,
				     .user = n->user,
				     .created_by = n->created_by,
				     .tags = n->tags ? n->tags->v : NULL,
				     .n_tags = n->tags ? n->tags->n : 0,
				     .ip4 = n->ip4,
				     .ip6 = n->ip6,
				     .advertised = n->announced_routes ? n->announced_routes->v : NULL,
				     .n_advertised = n->announced_routes ? n->announced_routes->n : 0,
				     .approved = n->approved_routes ? n->approved_routes->v : NULL,
				     .n_approved = n->approved_routes ? n->approved_routes->n : 0,
				     .live = n->online && !n->router_down };
}

#endif
