/*
 * state/state.h -- the one writer: commands in, publications out.
 *
 *     any thread --command--> queue --> writer --transaction--> store thread --fsync-->
 *                                         |  <-----------------------------'
 *                                         '--> publish(publication) --> done(result)
 *
 * A durable command runs as a pure function on what is committed plus the commands before it in the same
 * transaction, so two that want the same key, name or address are settled there. One that fails changes nothing
 * and does not disturb the others. Order of every change: durable, then visible (publish), then heard (done).
 * Presence (endpoints, DERP home, online ...) never waits for the disk: it is published at once and written behind.
 *
 * Every submitting function below
 *   - copies what it needs from the request; nothing is borrowed after it returns;
 *   - returns ST_OK: `done` will be called exactly once, on the writer's thread (post it to your loop), also when the
 *     state closes (ST_CLOSED);
 *   - returns anything else: `done` will not be called. ST_BAD_INPUT, ST_TOO_BIG: the request; ST_BUSY: too much is
 *     waiting; ST_CLOSED. err (may be NULL) has the words;
 *   - may be called on any thread, also inside `done` and `publish`; never blocks on disk.
 * `done` may be NULL where nobody cares. What it is handed is borrowed for the call: take references.
 */
#ifndef STATE_STATE_H
#define STATE_STATE_H

#include "state/records.h"
#include "state/settings.h"
#include "state/snapshot.h"

struct state;
struct store; /* store/store.h */

/* Who does it, for the audit rows. */
struct state_actor {
	const char *who; /* "api key 1a2b3c", "alice@example.com", "node 7", "policy file"; NULL or "": the server itself */
	const char *why; /* "headscale nodes expire", free text; may be NULL */
};

/* Time, replaceable in tests. NULL functions are the real clocks. */
struct state_clock {
	int64_t (*unix_ns)(void *arg);
	int64_t (*mono_ns)(void *arg);
	void *arg;
};

struct state_limits {          /* 0 takes the default */
	size_t queue;            /* commands waiting: 65536 */
	size_t pending;          /* open logins and SSH checks in all: 1024 */
	size_t pending_per_machine; /* 4; the oldest goes */
	size_t pending_per_source;  /* of one address (IPv6: one /64): 64; the oldest goes */
	size_t nodes;            /* registered nodes: 1,000,000 */
};

struct state_opts {
	tailnet_id tailnet;              /* 0: TAILNET_DEFAULT */
	struct store *store;             /* taken: closed with the state, also when state_open fails */
	/* The world at start; borrowed, references are taken. NULL: empty ones. */
	struct tailnet_settings *settings;
	struct dns_settings *dns;
	struct shared_bytes *derp_map;   /* DERPMap JSON; NULL: {"Regions":{}} */
	/* File mode: the policy's text, or n = 0 with policy_from_file for none. Else it is in the store. */
	bool policy_from_file;
	struct bytes policy_text;
	/* Called on the writer's thread after each commit; p is borrowed, publication_ref() it for your loops. */
	void (*publish)(void *arg, struct publication *p);
	void *publish_arg;
	struct state_clock clock;
	struct state_limits limits;
	int64_t offline_grace_ns;        /* from the last stream's end to "offline"; 0: 10 s */
	int64_t restart_lease_ns;        /* "online" from before a restart counts so long; 0: 30 s */
	int64_t ephemeral_timeout_ns;    /* ephemeral nodes go after so long offline; 0: 30 min */
	int64_t pending_lifetime_ns;     /* 0: 15 min */
	int64_t presence_write_ns;       /* presence of one node is stored at most once in so long; 0: 10 s */
	int64_t revoked_keep_ns;         /* revoked and expired keys are dropped after so long; <= 0: never */
	int64_t audit_keep_ns;           /* rows of the audit log are dropped after so long; <= 0: never */
};

/**
 * Load everything and start the writer. Blocks while reading (100,000 nodes: below 2 s). No callback comes before it
 * has returned ST_OK.
 *
 * ST_IO, ST_BAD_INPUT (a row or the policy cannot be understood: err says which), ST_CONFLICT (other prefixes than before, and
 * nodes have addresses outside of them). Returned (state_close).
 */
enum status state_open(const struct state_opts *opts, struct state **out, struct err *err) MUST_CHECK;

/** Finish what is committed, answer the rest with ST_CLOSED, write presence, stop the threads. Not from callbacks. */
void state_close(struct state **st);

/** The present world; returned (snapshot_unref). For start-up and tests: loops use what they were posted. Any thread. */
struct snapshot *state_snapshot(struct state *st);

/** The clock was turned (tests): look at the timers again. Any thread. */
void state_time_changed(struct state *st);

/* What a command gives back. All borrowed for the call; what a command does not speak of is zero. */
enum register_outcome {
	REGISTER_NONE = 0,
	REGISTER_DONE,       /* node and user are set; answer with them. node->expired: NodeKeyExpired */
	REGISTER_KEY_EXPIRED,/* NodeKeyExpired: true, the client makes a new key */
	REGISTER_LOGGED_OUT, /* the node is expired now, or gone if it was ephemeral or unknown */
	REGISTER_LOGIN,      /* auth_id is set: send the client there */
};
enum ssh_outcome { SSH_ACCEPT = 1, SSH_REJECT, SSH_HOLD /* auth_id is set */ };

/* A row of the audit log. */
struct audit_row {
	uint64_t id;
	int64_t at_ns;
	const char *who, *why;
	const char *action;        /* "node.register", "user.create", ... */
	const char *object;        /* "node:7" */
	const char *before, *after; /* JSON objects, or "" */
};

struct state_result {
	uint64_t seq;               /* the snapshot that shows it, or a later one */
	struct node *node;
	struct user *user;
	struct preauth_key *preauth;
	struct api_key *api_key;
	struct pending *pending;
	const char *secret;         /* the whole text of a key just made: shown once */
	const char *auth_id;
	enum register_outcome outcome;
	enum ssh_outcome ssh;
	size_t n;                   /* of the list that the command gives */
	struct preauth_key *const *preauths;
	struct api_key *const *api_keys;
	struct pending *const *pendings;
	const struct audit_row *audit;
	const char *const *texts;   /* backfill: what was done; policy: warnings */
	struct bytes text;          /* policy, document */
	int64_t text_at_ns;         /* when it was stored; TIME_NONE if it never was */
};
typedef void (*state_done_fn)(void *arg, enum status s, const struct err *err, const struct state_result *r);

/* ---- users ------------------------------------------------------------------------------- */

struct state_user_new {
	struct state_actor by;
	const char *name; /* login name of a local user; rules: see state_user_name_ok */
	const char *display_name, *email, *picture_url; /* NULL: "" */
};
/** Result: user. The first user of a tailnet is its owner. ST_CONFLICT: the name is taken. ST_BAD_INPUT: no name. */
enum status state_user_create(struct state *st, const struct state_user_new *r, state_done_fn done, void *arg,
			      struct err *err) MUST_CHECK;
/** Result: user. ST_NOT_FOUND, ST_CONFLICT, ST_DENIED (a provider's user). */
enum status state_user_rename(struct state *st, const struct state_actor *by, user_id id, const char *name,
			      state_done_fn done, void *arg, struct err *err) MUST_CHECK;
/** Its pre-auth keys go with it. ST_NOT_FOUND; ST_CONFLICT while it owns nodes (tagged ones do not count). */
enum status state_user_delete(struct state *st, const struct state_actor *by, user_id id, state_done_fn done,
			      void *arg, struct err *err) MUST_CHECK;
/** Result: user. ST_DENIED: the last owner may not become less. */
enum status state_user_set_role(struct state *st, const struct state_actor *by, user_id id, enum user_role role,
				state_done_fn done, void *arg, struct err *err) MUST_CHECK;
struct state_user_login {
	struct state_actor by;
	const char *provider;    /* "oidc" */
	const char *provider_id; /* issuer/subject, cleaned; not empty */
	const char *name, *display_name, *email, *picture_url; /* NULL or "": keep what is stored */
};
/** Find by provider_id or create; what is given replaces what is stored. A name that breaks the rules is left out. Result: user. */
enum status state_user_from_provider(struct state *st, const struct state_user_login *r, state_done_fn done,
				     void *arg, struct err *err) MUST_CHECK;
/** 2..255 bytes, a letter first, then letters, digits, - . _ and at most one @. Pure. */
bool state_user_name_ok(const char *name);

/* ---- pre-auth keys ----------------------------------------------------------------------- */

struct state_preauth_new {
	struct state_actor by;
	user_id user;             /* 0: none, then there must be tags */
	bool reusable, ephemeral;
	const char *const *tags;  /* "tag:x"; checked for form only */
	size_t n_tags;
	int64_t expires_ns;       /* TIME_NONE: never */
	const char *description;  /* NULL: "" */
};
/** Result: preauth, secret. ST_NOT_FOUND: no such user. ST_BAD_INPUT: neither user nor tags; a malformed tag. */
enum status state_preauth_create(struct state *st, const struct state_preauth_new *r, state_done_fn done, void *arg,
				 struct err *err) MUST_CHECK;
/** Its time is over now. Result: preauth. */
enum status state_preauth_expire(struct state *st, const struct state_actor *by, key_id id, state_done_fn done,
				 void *arg, struct err *err) MUST_CHECK;
/** Refused from now on ("authkey revoked"), still listed. Result: preauth. */
enum status state_preauth_revoke(struct state *st, const struct state_actor *by, key_id id, state_done_fn done,
				 void *arg, struct err *err) MUST_CHECK;
/** Gone; nodes that came with it stay. */
enum status state_preauth_delete(struct state *st, const struct state_actor *by, key_id id, state_done_fn done,
				 void *arg, struct err *err) MUST_CHECK;
/** Result: preauths, by id. */
enum status state_preauth_list(struct state *st, state_done_fn done, void *arg, struct err *err) MUST_CHECK;
/** Result: preauth. ST_NOT_FOUND. */
enum status state_preauth_get(struct state *st, key_id id, state_done_fn done, void *arg, struct err *err) MUST_CHECK;

/* ---- credentials of the API -------------------------------------------------------------- */

struct state_api_key_new {
	struct state_actor by;
	enum api_key_kind kind;
	user_id user;             /* 0: the operator's rights */
	key_id parent;            /* API_TOKEN: the client */
	const char *const *scopes;
	size_t n_scopes;          /* 0: all */
	const char *const *tags;
	size_t n_tags;
	int64_t expires_ns;       /* TIME_NONE: never */
	const char *description;
};
/** Result: api_key, secret. */
enum status state_api_key_create(struct state *st, const struct state_api_key_new *r, state_done_fn done, void *arg,
				 struct err *err) MUST_CHECK;
/* By id, or by name (id 0). */
struct state_api_key_ref {
	struct state_actor by;
	enum api_key_kind kind;
	key_id id;
	const char *name;
};
/** Result: api_key. ST_NOT_FOUND. */
enum status state_api_key_expire(struct state *st, const struct state_api_key_ref *r, state_done_fn done, void *arg,
				 struct err *err) MUST_CHECK;
enum status state_api_key_revoke(struct state *st, const struct state_api_key_ref *r, state_done_fn done, void *arg,
				 struct err *err) MUST_CHECK;
/** A client's tokens go with it. */
enum status state_api_key_delete(struct state *st, const struct state_api_key_ref *r, state_done_fn done, void *arg,
				 struct err *err) MUST_CHECK;
/** Result: api_keys of that kind, by id. kind 0: all. */
enum status state_api_key_list(struct state *st, enum api_key_kind kind, state_done_fn done, void *arg,
			       struct err *err) MUST_CHECK;
/**
 * Whose is this text? Any kind, told by its form. Result: api_key and, if it has one, user. Notes its use (written
 * behind). Never waits for the disk; an imported hash costs some 60 ms on a helper thread the first time.
 * ST_DENIED: unknown, wrong, expired or revoked; err says which (do not tell strangers).
 */
enum status state_api_key_check(struct state *st, struct bytes text, state_done_fn done, void *arg,
				struct err *err) MUST_CHECK;

/* ---- registration ------------------------------------------------------------------------ */

#define STATE_HOSTINFO_MAX ((size_t)256 << 10) /* bytes of a Hostinfo */

struct state_register {
	struct machine_key machine;   /* of the connection */
	struct node_key node_key;     /* not zero */
	struct node_key old_node_key; /* zero if none */
	struct nl_key nl_key;
	struct bytes auth_key;        /* text as sent; n = 0: none */
	int64_t expiry_ns;            /* TIME_NONE: not given */
	struct bytes hostinfo;        /* JSON object or null; n = 0: none */
	bool ephemeral;
	uint32_t cap;
	struct ip_addr source;        /* of the connection, for fairness; IP_NONE if not known */
	const char *auth_id;          /* the id that a new login gets, for tests; NULL: a random one */
};
/**
 * Everything a RegisterRequest without Followup may mean: logout, a known node again, with a key, or a new login.
 * Result: outcome, and node, user (NULL for tagged nodes) or auth_id.
 * Failures carry the words for RegisterResponse.Error: ST_DENIED (key unknown, used, expired, revoked; tags not
 * allowed), ST_CONFLICT (the node key is another machine's; ambiguous owner; auth_id waits already), ST_TOO_BIG (addresses or nodes are all
 * given), ST_IO (nothing was changed), ST_UNCERTAIN (the client should ask again).
 */
enum status state_register(struct state *st, const struct state_register *r, state_done_fn done, void *arg,
			   struct err *err) MUST_CHECK;

struct state_complete {
	struct state_actor by;
	const char *auth_id;
	user_id user;
	enum register_method method;
	int64_t expiry_ns;            /* of the provider's token; TIME_NONE: by the rules */
};
/** A pending login becomes a node of that user. Result: node, user. ST_NOT_FOUND (id or user), ST_DENIED (tags), ST_CONFLICT. */
enum status state_pending_complete(struct state *st, const struct state_complete *r, state_done_fn done, void *arg,
				   struct err *err) MUST_CHECK;
/** Reject a login or an SSH check, or accept an SSH check. Result: pending. ST_NOT_FOUND; ST_CONFLICT: a login is not accepted this way, or it is decided. */
enum status state_pending_decide(struct state *st, const struct state_actor *by, const char *auth_id, bool accept,
				 state_done_fn done, void *arg, struct err *err) MUST_CHECK;
/** Result: pending. ST_NOT_FOUND. */
enum status state_pending_get(struct state *st, const char *auth_id, state_done_fn done, void *arg,
			      struct err *err) MUST_CHECK;
/** Result: pendings, oldest first. */
enum status state_pending_list(struct state *st, state_done_fn done, void *arg, struct err *err) MUST_CHECK;

/* verdict: ACCEPTED (node and user as for REGISTER_DONE; SSH: both NULL), REJECTED, GONE, CANCELLED. Borrowed. */
typedef void (*state_verdict_fn)(void *arg, enum pending_verdict verdict, struct node *node, struct user *user);
/**
 * Hear the verdict, at once if there is one already. `fn` is called exactly once, on the writer's thread.
 *
 * machine, node_key  who asks: must be those the entry is bound to (LOGIN), else GONE. NULL for SSH.
 * src, dst           likewise for SSH, 0 for LOGIN.
 * token_out          for state_pending_cancel.
 */
enum status state_pending_wait(struct state *st, const char *auth_id, const struct machine_key *machine,
			       const struct node_key *node_key, node_id src, node_id dst, state_verdict_fn fn,
			       void *arg, uint64_t *token_out, struct err *err) MUST_CHECK;
/** The waiter left: `fn` comes with CANCELLED, unless it came or is on its way already. Any thread. */
void state_pending_cancel(struct state *st, uint64_t token);

struct state_ssh_check {
	node_id src, dst;
	int64_t period_ns;     /* how long an approval counts; 0: never, each session asks */
	bool any_destination;  /* it counts for whatever src connects to */
	const char *auth_id;   /* the client came back with it; NULL or "" the first time */
	struct ip_addr source; /* of dst's connection */
};
/** Result: ssh, and auth_id for SSH_HOLD (a new one if the old is lost; the same while it is open). ST_DENIED: bound to another pair. */
enum status state_ssh_check(struct state *st, const struct state_ssh_check *r, state_done_fn done, void *arg,
			    struct err *err) MUST_CHECK;

/* ---- nodes ------------------------------------------------------------------------------- */
/* Result of each: node. ST_NOT_FOUND: no such node. */

/** A valid DNS label, kept in lower case. ST_BAD_INPUT, ST_CONFLICT: taken. */
enum status state_node_rename(struct state *st, const struct state_actor *by, node_id id, const char *name,
			      state_done_fn done, void *arg, struct err *err) MUST_CHECK;
/** Result: none. */
enum status state_node_delete(struct state *st, const struct state_actor *by, node_id id, state_done_fn done,
			      void *arg, struct err *err) MUST_CHECK;
/** at_ns: when its key expires, also the past; TIME_NONE: never; STATE_NOW. */
#define STATE_NOW INT64_MAX
enum status state_node_expire(struct state *st, const struct state_actor *by, node_id id, int64_t at_ns,
			      state_done_fn done, void *arg, struct err *err) MUST_CHECK;
/** At least one tag; each must be in the policy's tagOwners. Its owner and its expiry are dropped. ST_BAD_INPUT, ST_DENIED. */
enum status state_node_set_tags(struct state *st, const struct state_actor *by, node_id id, const char *const *tags,
				size_t n, state_done_fn done, void *arg, struct err *err) MUST_CHECK;
/** Replaces the approved routes; masked; either exit route brings both. */
enum status state_node_set_routes(struct state *st, const struct state_actor *by, node_id id,
				  const struct ip_prefix *routes, size_t n, state_done_fn done, void *arg,
				  struct err *err) MUST_CHECK;
/** To another owner; tags are dropped. ST_NOT_FOUND: node or user. ST_CONFLICT: that user has this machine already. */
enum status state_node_move(struct state *st, const struct state_actor *by, node_id id, user_id to, state_done_fn done,
			    void *arg, struct err *err) MUST_CHECK;
/** Give missing addresses, take those of families no longer given out. Result: texts, one a change. */
enum status state_backfill_ips(struct state *st, const struct state_actor *by, state_done_fn done, void *arg,
			       struct err *err) MUST_CHECK;

/* ---- presence ---------------------------------------------------------------------------- */

struct state_map_update {
	node_id node;
	uint32_t cap;
	struct disco_key disco;         /* zero: not told, what is known stays */
	bool has_endpoints;             /* an empty list counts if this is set */
	const struct endpoint *endpoints;
	size_t n_endpoints;             /* at most STATE_ENDPOINTS_MAX are kept */
	struct bytes hostinfo;          /* JSON object; n = 0 or null: not told. Without NetInfo the old NetInfo stays */
};
#define STATE_ENDPOINTS_MAX 64
/**
 * What a map request says of its node. Presence is published in the same turn of the writer; a changed host name,
 * announced routes, tags asked for or SSH host keys go the durable way. `done` comes when all of it is visible.
 * Endpoints that no peer could use (IPv6 link-local, unspecified, port 0) are left out. ST_NOT_FOUND (through done).
 */
enum status state_map_update(struct state *st, const struct state_map_update *u, state_done_fn done, void *arg,
			     struct err *err) MUST_CHECK;
/**
 * A stream of this node begins: it is online. `u` is what the request says and is taken only if nothing newer is known
 * since this server started, or the client is older than capability version 68. NULL: nothing.
 * Each opened stream must be closed once. Result: node (its present form).
 */
enum status state_stream_opened(struct state *st, node_id node, const struct state_map_update *u, state_done_fn done,
				void *arg, struct err *err) MUST_CHECK;
/** It ended. After the last one's grace the node is offline; a router with a live stand-in is relieved at once. Any thread; cannot fail. */
void state_stream_closed(struct state *st, node_id node);
/** A probe found this router hanging, or well again. Any thread; cannot fail. */
void state_router_health(struct state *st, node_id node, bool down);

/* ---- policy, world, documents, audit ----------------------------------------------------- */

/**
 * Replace the policy. It is parsed, checked against the world, its tests are run; if anything fails nothing changes.
 * Stored unless the state was opened with policy_from_file (`text` then is the file's new content).
 * Result: text, text_at_ns, texts: warnings. ST_BAD_INPUT: err says where; ST_DENIED: a test fails, err lists which.
 */
enum status state_policy_set(struct state *st, const struct state_actor *by, struct bytes text, state_done_fn done,
			     void *arg, struct err *err) MUST_CHECK;
/** The same if the present policy was stored at expect_at_ns (text_at_ns of a result). ST_CONFLICT: it was replaced since. */
enum status state_policy_set_if(struct state *st, const struct state_actor *by, struct bytes text, int64_t expect_at_ns,
				state_done_fn done, void *arg, struct err *err) MUST_CHECK;
/** The same up to the point where it would take hold. */
enum status state_policy_check(struct state *st, struct bytes text, state_done_fn done, void *arg,
			       struct err *err) MUST_CHECK;
/** Result: text, text_at_ns. ST_NOT_FOUND: there is none. */
enum status state_policy_get(struct state *st, state_done_fn done, void *arg, struct err *err) MUST_CHECK;

/* Pieces that are NULL stay as they are. Borrowed for the call; references are taken. */
struct state_world {
	struct tailnet_settings *settings;
	struct dns_settings *dns;
	struct shared_bytes *derp_map;
};
/** After a reload. What is equal to the present is not published. ST_CONFLICT (through done): as in state_open; nothing is taken. */
enum status state_set_world(struct state *st, const struct state_world *w, state_done_fn done, void *arg,
			    struct err *err) MUST_CHECK;

/* Small texts that others need kept: settings of the API, tailnet lock, web sessions. */
#define STATE_DOC_MAX ((size_t)1 << 20)
/** kind and key: 1..128 bytes of printable ASCII. text n = 0 deletes. */
enum status state_doc_put(struct state *st, const struct state_actor *by, const char *kind, const char *key,
			  struct bytes text, state_done_fn done, void *arg, struct err *err) MUST_CHECK;
/** Result: text, text_at_ns. ST_NOT_FOUND. */
enum status state_doc_get(struct state *st, const char *kind, const char *key, state_done_fn done, void *arg,
			  struct err *err) MUST_CHECK;

struct state_audit_filter {
	int64_t from_ns, to_ns;  /* TIME_NONE: open */
	const char *who;         /* exact; NULL: any */
	const char *action;      /* exact, or up to a '.' ("node"); NULL: any */
	const char *object;      /* exact; NULL: any */
	uint64_t before_id;      /* page: rows with smaller ids; 0: from the newest */
	size_t max;              /* 0: 100; at most 1000 */
};
/** Result: audit, newest first. Reads from the disk on the store's thread. */
enum status state_audit_list(struct state *st, const struct state_audit_filter *f, state_done_fn done, void *arg,
			     struct err *err) MUST_CHECK;

/* ---- figures ----------------------------------------------------------------------------- */

#define STATE_COMMIT_BUCKETS 9
#define STATE_COMMIT_BOUNDS_MS { 1, 2, 5, 10, 25, 100, 500, 2000, 10000 }
struct state_stats {
	uint64_t commands, commits, commit_failures, reloads, publications, presence_updates, pending_evicted;
	size_t queued, nodes, online, pending;
	int64_t last_commit_ns; /* how long it took */
	/* How long transactions took: how many up to each of STATE_COMMIT_BOUNDS_MS, and those above in the last; their sum. */
	uint64_t commit_buckets[STATE_COMMIT_BUCKETS + 1];
	int64_t commit_sum_ns;
};
/** Any thread. Nodes and online are of the last publication. */
void state_stats(struct state *st, struct state_stats *out);
/** The store takes writes: nothing failed since the last commit that worked. Any thread. */
bool state_store_ok(struct state *st);

#endif
