/* state/register.h -- what register.c and pending.c share: a login becomes a node. Writer's thread. */
#ifndef STATE_REGISTER_H
#define STATE_REGISTER_H

#include "state/state_priv.h"

#define MACHINE_NODES_MAX 64 /* nodes of one machine, one a user */

/* A client that may be let in, and on what terms. */
struct login {
	struct machine_key machine;
	struct node_key node_key;
	struct nl_key nl_key;
	const struct hostinfo *h;
	uint32_t cap;
	bool ephemeral;
	int64_t expiry_ns;            /* asked for, or of the provider's token; TIME_NONE: by the rules */
	user_id user;                 /* owner; who brings it, if there are tags */
	struct str_list *tags;        /* NULL: owned by the user. Borrowed */
	bool keep_tags;               /* an existing tagged node keeps its own */
	enum register_method method;
	key_id auth_key;
};
/** Update `old`, or make a node if that is NULL. The node as the draft has it is set as the command's result. */
enum status login_apply(struct draft *d, struct command *c, const struct login *l, const struct node *old,
			struct err *err) MUST_CHECK;

/** A pending login for this request, or the open one of the same keys. The auth id goes into the command. */
struct state_register;
enum status pending_begin(struct draft *d, struct command *c, const struct state_register *r, const struct hostinfo *h,
			  struct shared_bytes *hostinfo, struct err *err) MUST_CHECK;

#endif
