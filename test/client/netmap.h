/*
 * client/netmap.h -- what a client makes of the messages of one map stream, and whether they keep the rules.
 *
 * Each message is applied in the order clients apply it. What a client would trip over, or silently lose, is recorded as a
 * violation; what costs it more than it had to is counted. JSON stays json-c's, so that a test asks for any member.
 * One owner at a time. Source: docs/wire/ and what clients were seen to do.
 */
#ifndef CLIENT_NETMAP_H
#define CLIENT_NETMAP_H

#include <stdio.h>

#include "base/json_in.h"

#define NETMAP_VIOLATIONS(X)                                                                       \
	X(BAD_JSON, "not JSON, or no object")                                                      \
	X(BAD_FIELD, "a member of the wrong type, or that does not parse")                         \
	X(KEEPALIVE_TRAP, "a keep-alive of exactly 18 bytes")                                      \
	X(EMPTY, "a message with nothing in it")                                                   \
	X(NUL, "an escaped NUL")                                                                   \
	X(FIRST_NODE, "the first message has no Node")                                             \
	X(FIRST_DERP, "the first message has no DERP region with a node")                          \
	X(FIRST_PROFILES, "the first message has no UserProfiles")                                 \
	X(FIRST_DNS, "the first message has no DNSConfig")                                         \
	X(FIRST_DOMAIN, "the first message has no Domain")                                         \
	X(FIRST_FILTER, "the first message has no packet filter")                                  \
	X(SELF_AMONG_PEERS, "the receiver is among its peers")                                     \
	X(SELF_CHANGED, "the receiver's ID changed")                                               \
	X(STABLE_CHANGED, "a node's StableID changed")                                             \
	X(UNSORTED, "a list of nodes is not sorted by ID, or names one twice")                     \
	X(PEERS_EMPTY, "an empty Peers after the first message")                                   \
	X(PEERS_AND_DELTA, "Peers together with changes, which are then ignored")                  \
	X(UNKNOWN_PATCH, "a patch of a node that the receiver does not have")                      \
	X(UNKNOWN_ONLINE, "OnlineChange of a node that the receiver does not have")                \
	X(UNKNOWN_SEEN, "PeerSeenChange of a node that the receiver does not have")                \
	X(KEY_TWICE, "two nodes with one node key")                                                \
	X(ADDRESS_TWICE, "two nodes with one address")                                             \
	X(NAME_TWICE, "two nodes with one name")                                                   \
	X(MOVED, "a key, address or name moved between nodes in one message")                      \
	X(NO_PROFILE, "a node whose user has no profile")                                          \
	X(BAD_NODE, "a node without a member it must have")                                        \
	X(CHANGE_LOST, "a change that a client loses when it turns a whole node into a patch")     \
	X(BAD_FILTER, "a packet filter that clients refuse, whole or in part")

enum netmap_violation {
#define X(id, text) NETMAP_##id,
	NETMAP_VIOLATIONS(X)
#undef X
	NETMAP_VIOLATION_COUNT
};

struct netmap_stats {
	uint64_t frames, keepalives; /* all messages; those that say only that */
	uint64_t rebuilds;           /* after the first, that make a client rebuild everything */
	uint64_t cheap;              /* after the first, that it takes incrementally */
	uint64_t full, whole, removed, patched, online, seen; /* nodes by way of Peers, PeersChanged, ... */
	uint64_t nothing;            /* parts that say what the client knew already */
	uint64_t whole_for_patch;    /* whole nodes of which a patch would have said it */
	uint64_t costly_patches;     /* patches of a key, disco key, capability: they cost a rebuild */
	uint64_t removed_unknown;    /* removals of nodes it did not have: harmless */
};

struct netmap;
struct netmap *netmap_new(void);
/** Clears *m, accepts NULL inside. */
void netmap_free(struct netmap **m);
/** A new stream begins: state is empty, what was counted stays. */
void netmap_restart(struct netmap *m);
/** Apply a message (decoded). */
void netmap_apply(struct netmap *m, struct bytes json);

/* Borrowed until the next netmap_apply() or netmap_free(); NULL: there is none. */
struct json_object *netmap_self(const struct netmap *m);
struct json_object *netmap_peer(const struct netmap *m, int64_t id);
/** By the first label of its name. */
struct json_object *netmap_peer_named(const struct netmap *m, const char *host);
struct json_object *netmap_peer_at(const struct netmap *m, size_t i);
/** What was last said under "DERPMap", "DNSConfig", "SSHPolicy", "Domain" ... */
struct json_object *netmap_part(const struct netmap *m, const char *name);
/** The text of a line of its health, as DisplayMessages; NULL: there is none. */
const char *netmap_message(const struct netmap *m, const char *id);
struct json_object *netmap_profile(const struct netmap *m, int64_t user);
/** Rules in all sets of the packet filter. */
size_t netmap_rules(const struct netmap *m);
/** The last message, as it came. */
struct json_object *netmap_last(const struct netmap *m);
size_t netmap_peers(const struct netmap *m);
/** There was a first message. */
bool netmap_has_first(const struct netmap *m);

const struct netmap_stats *netmap_stats(const struct netmap *m);
uint64_t netmap_violations(const struct netmap *m);
uint64_t netmap_violated(const struct netmap *m, enum netmap_violation v);
/** One line for each kind of violation that occurred, with its count and first case. */
void netmap_report(const struct netmap *m, FILE *to);

#endif
