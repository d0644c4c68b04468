/*
 * policy/world.h -- what a policy is compiled against: users, nodes, settings of a tailnet.
 *
 * Plain structs that borrow everything: the caller fills them from its own state and may drop them
 * when the call that took them returns; the engine copies what it keeps. Only facts that decide
 * something are here; presence (endpoints, DERP home, last seen) is not.
 */
#ifndef POLICY_WORLD_H
#define POLICY_WORLD_H

#include "model/ids.h"
#include "model/ip.h"

enum policy_role {
	POLICY_ROLE_MEMBER,
	POLICY_ROLE_OWNER,
	POLICY_ROLE_ADMIN,
	POLICY_ROLE_NETWORK_ADMIN,
	POLICY_ROLE_IT_ADMIN,
	POLICY_ROLE_BILLING_ADMIN,
	POLICY_ROLE_AUDITOR,
};

struct policy_user {
	user_id id;	   /* not 0 */
	const char *name;  /* login name of a local user ("alice", written "alice@" in a policy); "" or NULL if none */
	const char *email; /* the login elsewhere ("alice@example.com", "alice@github"); "" or NULL if none */
	const char *provider_id; /* issuer/subject of the identity provider; "" or NULL if none */
	enum policy_role role;
	bool external; /* of another tailnet: owns devices shared into this one (autogroup:shared) */
};

enum policy_attr_type { POLICY_ATTR_STRING, POLICY_ATTR_NUMBER, POLICY_ATTR_BOOL };
/* A posture attribute of a device, such as node:os = "linux". */
struct policy_attr {
	const char *name; /* with its namespace */
	enum policy_attr_type type;
	const char *str; /* POLICY_ATTR_STRING */
	double num;	 /* POLICY_ATTR_NUMBER */
	bool flag;	 /* POLICY_ATTR_BOOL */
};

struct policy_node {
	node_id id;
	uint64_t registered;	 /* rank by time of creation, smaller is earlier; ties go by id */
	user_id user;		 /* owner; ignored if there are tags */
	user_id created_by;	 /* who registered it, 0 if not known */
	const char *const *tags; /* with "tag:" */
	size_t n_tags;
	struct ip_addr ip4, ip6;	    /* IP_NONE if it has none */
	const struct ip_prefix *advertised; /* Hostinfo.RoutableIPs, in its order */
	size_t n_advertised;
	const struct ip_prefix *approved; /* in any order; what is not advertised does not count */
	size_t n_approved;
	bool live;			 /* may be elected primary router: connected and not found hanging */
	const struct policy_attr *attrs; /* posture attributes */
	size_t n_attrs;
};

/* A primary router that stays primary while it is live and serves the prefix. */
struct policy_primary {
	struct ip_prefix prefix;
	node_id node;
};

enum policy_auto_update { POLICY_AUTO_UPDATE_UNSET, POLICY_AUTO_UPDATE_OFF, POLICY_AUTO_UPDATE_ON };

struct policy_settings {
	const char *const *domains; /* the tailnet's own e-mail domains; none: any domain counts as its own */
	size_t n_domains;
	const char *display_name;	     /* for the capability tailnet-display-name; NULL leaves it out */
	enum policy_auto_update auto_update; /* UNSET leaves default-auto-update out */
	bool no_file_sharing;		     /* Taildrop off */
	bool https;			     /* HTTPS certificates on */
};

struct policy_world {
	const struct policy_user *users;
	size_t n_users;
	const struct policy_node *nodes; /* any order, IDs distinct */
	size_t n_nodes;
	const struct policy_primary *primaries; /* what was elected before; may be none */
	size_t n_primaries;
	struct policy_settings settings;
};

#endif
