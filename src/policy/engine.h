/*
 * policy/engine.h -- a policy compiled against a world: the one interface the mapper asks.
 *
 *     node --class_of--> class --sees--> classes --members--> nodes
 *                          \--peer form (routes shown, IPv4 hidden)
 *     node --> filter (whole, or named chunks), SSH rules, own capabilities, own routes
 *
 * Nodes that the same selectors match, and that have the same owner where autogroup:self occurs,
 * form one class: they see the same classes and are seen by the same, and their rules differ only in
 * their own addresses. A router is a class of its own.
 *
 * An engine is immutable and counted; any number of threads may read it. Another policy or other
 * facts make another engine; policy_engine_update() makes it from the one before at the cost of what
 * changed, and class numbers stay valid (see policy_engine_same_classes).
 */
#ifndef POLICY_ENGINE_H
#define POLICY_ENGINE_H

#include "base/arena.h"
#include "base/json_out.h"
#include "policy/policy.h"
#include "policy/world.h"

struct policy_engine;

typedef uint32_t policy_class; /* 0..policy_class_count()-1; good as long as policy_engine_same_classes() */
#define POLICY_CLASS_NONE UINT32_MAX

/* ---- making ---- */

/**
 * Compile `p` against `w`. Cannot fail: what could, failed in policy_parse.
 *
 * p  shared: the engine takes a reference of its own. NULL allows everything.
 * w  borrowed for the call.
 * Returned (policy_engine_unref). Any thread; blocks no longer than the work takes (10,000 nodes: some ms).
 */
struct policy_engine *policy_engine_new(struct policy *p, const struct policy_world *w);

struct policy_delta {
	const struct policy_node *changed; /* added, or with other facts; whole new facts each */
	size_t n_changed;
	const node_id *removed; /* unknown ones are ignored */
	size_t n_removed;
	const struct policy_user *users; /* added, or otherwise now; whole facts each, IDs distinct */
	size_t n_users;
	const user_id *users_removed; /* unknown ones are ignored */
	size_t n_users_removed;
};

/**
 * The engine of the same policy and settings after some users and nodes changed: users first. Equal in every answer to
 * policy_engine_new() with the whole new world (with the primaries of `e` as those elected before).
 *
 * e  borrowed; stays as it is. Returned (policy_engine_unref).
 * A user without nodes whom the policy names nowhere costs a place in the list of users and no more.
 */
struct policy_engine *policy_engine_update(const struct policy_engine *e, const struct policy_delta *d);
/**
 * Nodes that the update which made this engine may have put into another class because of their users, beside those of
 * its delta; ascending. Empty for any other engine, and when class numbers do not mean the same as before. Borrowed.
 */
size_t policy_engine_moved(const struct policy_engine *e, const node_id **out);

struct policy_engine *policy_engine_ref(struct policy_engine *e);
void policy_engine_unref(struct policy_engine **e);

/**
 * Do class numbers of `a` mean the same in `b`? True along updates, but for a rare one that begins anew because most
 * classes ever met are empty by then; false for another policy or settings.
 */
bool policy_engine_same_classes(const struct policy_engine *a, const struct policy_engine *b);
/** Its policy; borrowed. */
struct policy *policy_engine_policy(const struct policy_engine *e);
/** Bytes held by this engine, policy included (what it shares with others counted in full). */
size_t policy_engine_memory(const struct policy_engine *e);

/* ---- classes and visibility ---- */

size_t policy_class_count(const struct policy_engine *e);
/** The class of a node; POLICY_CLASS_NONE if it is not in the world. O(log n). */
policy_class policy_class_of(const struct policy_engine *e, node_id id);
/** IDs of the nodes in a class, ascending. Borrowed from e. */
size_t policy_class_members(const struct policy_engine *e, policy_class c, const node_id **out);
/** Do nodes of class a have nodes of class b as peers? Symmetric. a may be b: two nodes of one class. */
bool policy_class_sees(const struct policy_engine *e, policy_class a, policy_class b);
/**
 * The classes that `c` sees, ascending, empty classes left out; memory from a. Costs what is seen and the number of
 * kinds of classes, not the square of anything.
 */
size_t policy_class_peers(const struct policy_engine *e, policy_class c, struct arena *a, const policy_class **out);

/* ---- a peer as a viewer of some class has it ---- */

/** A number for a form; see policy_peer_form(). */
typedef uint64_t policy_form;

/**
 * What of a peer's form depends on who looks: equal numbers, equal form. 0 is the usual form: no routes, no exit
 * routes, addresses of both families (unless the peer hides its own).
 */
policy_form policy_peer_form(const struct policy_engine *e, policy_class viewer, node_id peer);

struct policy_peer {
	const struct ip_prefix *routes; /* subnet routes shown, in advertised order; also its PrimaryRoutes here */
	size_t n_routes;
	bool exit_node;		/* 0.0.0.0/0 and ::/0 follow in AllowedIPs */
	bool hide_ip4;		/* its IPv4 address is not shown to this viewer */
	bool suggest_exit_node; /* the peer's CapMap is {"suggest-exit-node":null}; else it has none */
};
/** The form itself. routes are from a. False if the peer is not in the world. */
bool policy_peer_get(const struct policy_engine *e, policy_class viewer, node_id peer, struct arena *a,
		     struct policy_peer *out);

/* ---- what a node gets of itself ---- */

struct policy_self {
	bool hide_ip4; /* it has no IPv4 address any more, for itself and for others */
	const struct ip_prefix
	    *routes; /* advertised and approved, exit routes included: follow its addresses in AllowedIPs */
	size_t n_routes;
	const struct ip_prefix *primary; /* those it is elected for, in advertised order; PrimaryRoutes */
	size_t n_primary;
	bool exit_node; /* approved as one */
};
/** False if the node is not in the world. Lists are from a. */
bool policy_self_get(const struct policy_engine *e, node_id id, struct arena *a, struct policy_self *out);

/** Its own CapMap as a JSON object, members sorted. Writes {} for an unknown node. */
void policy_self_cap_map(const struct policy_engine *e, node_id id, struct jw *w);
/** Does nodeAttrs give it this attribute? */
bool policy_node_has_attr(const struct policy_engine *e, node_id id, const char *attr);

/* ---- packet filter ---- */

/** All rules of the node as one JSON array of tailcfg.FilterRule, in the order of the hosted service. */
void policy_filter_write(const struct policy_engine *e, node_id id, struct jw *w);

#define POLICY_CHUNK_NAME_MAX 40
/* A named part of the filter, one FilterRule each. */
struct policy_chunk {
	char name[POLICY_CHUNK_NAME_MAX]; /* [a-z0-9.-]; stays the same while the rule stands in the policy */
	uint64_t digest; /* equal for the same name: equal content. Compare with that of another engine */
	uint32_t rule;	 /* which rule of the node; for policy_chunk_write */
	uint32_t part;	 /* which part of its sources */
};
/**
 * The filter of a node as named chunks; memory from a. Their union is the whole filter. Long source lists are cut by
 * ranges of node IDs, so that one more source changes one small chunk. Compare with the chunks of the engine before to
 * find what to send: new or another digest: send; gone: send null.
 */
size_t policy_filter_chunks(const struct policy_engine *e, node_id id, struct arena *a,
			    const struct policy_chunk **out);
/** A chunk of this node and this engine as a JSON array with one rule. */
void policy_chunk_write(const struct policy_engine *e, node_id id, const struct policy_chunk *c, struct jw *w);

/* ---- SSH ---- */

/** The rules of the node as a JSON array of tailcfg.SSHRule. */
void policy_ssh_write(const struct policy_engine *e, node_id id, struct jw *w);

enum policy_ssh_verdict { POLICY_SSH_NONE, POLICY_SSH_ACCEPT, POLICY_SSH_CHECK };
struct policy_ssh_answer {
	enum policy_ssh_verdict verdict;
	int64_t period_ns;    /* CHECK: how long an authentication counts; 0: never */
	bool any_destination; /* CHECK: it counts for any destination (default period), not for this one only */
	unsigned line;	      /* of the rule in the policy */
};
/**
 * Which rule lets `src` log in on `dst` as `user`; check rules come first, as the client has them. `user` NULL: any
 * login, for a check request whose rule is looked for by the pair alone.
 */
struct policy_ssh_answer policy_ssh_ask(const struct policy_engine *e, node_id src, node_id dst, const char *user);

/* ---- equality between engines ---- */

enum policy_aspect { POLICY_ASPECT_FILTER, POLICY_ASPECT_SSH, POLICY_ASPECT_SELF };
/**
 * A number for what a node gets of one kind (SELF: cap map, own routes, hidden IPv4): equal numbers in two engines mean
 * that the node need not be told. 0 for an unknown node.
 */
uint64_t policy_digest(const struct policy_engine *e, node_id id, enum policy_aspect aspect);

/* ---- routes, tags, approval: decisions of the writer ---- */

/** The primary router of a served prefix; 0 if nobody serves it. */
node_id policy_primary_of(const struct policy_engine *e, const struct ip_prefix *p);
/** All elected primaries, for the next policy_world.primaries; memory from a. */
size_t policy_primaries(const struct policy_engine *e, struct arena *a, const struct policy_primary **out);

/** Would the policy approve this route, exit routes included, of this node on its own? Facts are those given, not those
 * of e. */
bool policy_auto_approves(const struct policy_engine *e, const struct policy_node *n, const struct ip_prefix *route);

/** Is the tag in tagOwners? Without a policy every tag is. */
bool policy_tag_exists(const struct policy_engine *e, const char *tag);
/** May this user give a device this tag: as owner, by group or role, or through owning tags? */
bool policy_user_may_tag(const struct policy_engine *e, user_id user, const char *tag);
/** May a holder of `owner` (a tag) give `tag`: the same tag, or one it owns? */
bool policy_tag_may_tag(const struct policy_engine *e, const char *owner, const char *tag);

/** Prefixes from which a new device with these facts gets its IPv4 address (nodeAttrs ipPool), in file order; memory
 * from a. */
size_t policy_ip_pools(const struct policy_engine *e, const struct policy_node *n, struct arena *a,
		       const struct ip_prefix **out);

/** The policy's DERP map (section derpMap) as JSON; n = 0 if it has none. Borrowed from the policy. */
struct bytes policy_derp_map(const struct policy_engine *e);

/* Split DNS that an app connector causes: names under `domain` are resolved by these nodes. */
struct policy_app_domain {
	const char *domain; /* without "*." */
	const node_id *connectors;
	size_t n_connectors;
};
/** For the DNS configuration of a node; memory from a. */
size_t policy_app_domains(const struct policy_engine *e, node_id id, struct arena *a,
			  const struct policy_app_domain **out);

#endif
