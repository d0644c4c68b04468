/*
 * model/node.h -- a machine in a tailnet, and the user who owns it.
 *
 * A struct node is immutable once it is in a snapshot, and counted: to change one, node_copy() it,
 * change the copy, publish that. Lists and blobs inside are counted too, so a copy is cheap.
 */
#ifndef MODEL_NODE_H
#define MODEL_NODE_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/shared.h"
#include "crypto/keys.h"
#include "model/ids.h"
#include "model/lists.h"

#define NODE_NAME_MAX 63      /* bytes of a DNS label */
#define NODE_HOSTNAME_MAX 255 /* bytes kept of what a client calls itself */

enum register_method { REGISTER_AUTHKEY = 1, REGISTER_CLI = 2, REGISTER_OIDC = 3 };

struct node {
	atomic_uint refs;

	/* Durable: committed before anybody hears of it. */
	node_id id;
	tailnet_id tailnet;
	user_id user;       /* owner; 0 for a tagged node */
	user_id created_by; /* who registered it, where known; else 0 */
	struct machine_key machine;
	struct node_key key;
	struct nl_key nl_key;      /* tailnet-lock key, zero if none */
	int64_t key_expiry_ns;     /* TIME_NONE: never */
	int64_t created_ns;
	enum register_method method;
	key_id auth_key;           /* pre-auth key it came with, or 0 */
	bool ephemeral;
	bool expired;              /* key_expiry_ns has passed: told by the writer's timer, encoders look at this and at no clock */
	char *hostname;            /* as the client says; owned, UTF-8, at most NODE_HOSTNAME_MAX bytes */
	char *name;                /* MagicDNS label, valid and unique in the tailnet; owned */
	struct ip_addr ip4, ip6;   /* family IP_NONE where not given */
	struct str_list *tags;     /* sorted, with "tag:"; NULL if owned by a user */
	struct prefix_list *announced_routes; /* Hostinfo.RoutableIPs masked, in the client's order, no duplicates (compare as sets) */
	struct prefix_list *approved_routes;  /* sorted set; may hold what is not announced */
	struct str_list *request_tags;        /* Hostinfo.RequestTags, sorted */
	struct str_list *ssh_host_keys;       /* Hostinfo.sshHostKeys */

	/* Presence: changes all day, written behind, not awaited by anyone. */
	struct disco_key disco;    /* zero if not known yet */
	struct endpoint_list *endpoints;
	uint32_t home_derp;        /* region, 0 unknown */
	uint32_t cap;              /* capability version of its client, 0 unknown */
	bool online;
	int64_t last_seen_ns;      /* TIME_NONE: never seen */
	bool router_down;          /* found hanging by a probe: not to be elected primary router */
	struct shared_bytes *hostinfo;      /* JSON object as the client sent it, NetInfo included; NULL: none */
	struct shared_bytes *hostinfo_peer; /* JSON object peers get: reduced, without NetInfo, routes, tags, log ids; NULL: none */
};

/** A new node, all zero but refs = 1 and the times TIME_NONE. Returned (node_unref). */
struct node *node_new(void);
/** A copy with one reference that shares lists and blobs. Returned. */
struct node *node_copy(const struct node *n);
struct node *node_ref(struct node *n);
void node_unref(struct node **n);
/** node_set_*: replace an owned text. */
void node_set_hostname(struct node *n, const char *s);
void node_set_name(struct node *n, const char *s);

static inline bool node_is_tagged(const struct node *n)
{
	return n->tags != NULL;
}
/** The key's time is over at now_ns. Encoders look at n->expired instead. Tagged nodes never expire unless told to. */
static inline bool node_expired(const struct node *n, int64_t now_ns)
{
	return n->key_expiry_ns != TIME_NONE && n->key_expiry_ns <= now_ns;
}

enum user_role { ROLE_MEMBER, ROLE_OWNER, ROLE_ADMIN, ROLE_NETWORK_ADMIN, ROLE_IT_ADMIN, ROLE_AUDITOR };

struct user {
	atomic_uint refs;
	user_id id;
	tailnet_id tailnet;
	char *name;         /* login name of a local user; may be "" for one from a provider */
	char *display_name; /* "" if none */
	char *email;        /* "" if none */
	char *provider;     /* "oidc" or "" */
	char *provider_id;  /* issuer/subject; "" for local users */
	char *picture_url;  /* "" if none */
	enum user_role role;
	int64_t created_ns;
};

struct user *user_new(void);             /* texts are "", one reference */
struct user *user_copy(const struct user *u);
struct user *user_ref(struct user *u);
void user_unref(struct user **u);
/** Replace *field (a text of a user) by a copy of s. */
void user_set_text(char **field, const char *s);
/** What clients show as login: e-mail, else name, else provider id, else the id as text (into buf). Borrowed. */
const char *user_login(const struct user *u, char buf[static 24]);
/** Display name, else the login. Borrowed. */
const char *user_display(const struct user *u, char buf[static 24]);

#endif
