/*
 * state/state_priv.h -- the inside of the writer.
 *
 *     command.c   requests into the queue             draft.c    what a batch of durable commands would make
 *     writer.c    the thread: turns, batches, answers turn.c     from the visible world to the next publication
 *     disk.c      the store's thread                  facts.c    what the policy engine is told
 *     load.c      rows into objects, at start and after a commit whose outcome is unknown
 *     open.c      from what is stored to running threads, and the end
 *     backlog.c   presence that waits to be written   timers.c   what is to be looked at later
 *     helper.c    secrets against slow hashes
 *     users.c keys.c register.c pending.c nodes.c presence.c world.c   what the commands do
 *
 * Three worlds: the *visible* one (st->cur, published), the *committed* tables beside it (st->tables: keys, pending),
 * and while a batch is in flight its *draft*. Presence goes into the visible world at once, durable facts when the
 * batch is on disk; they are different fields of a node, so neither waits for the other.
 *
 * All of struct state belongs to the writer's thread, except what says otherwise.
 */
#ifndef STATE_STATE_PRIV_H
#define STATE_STATE_PRIV_H

#include <pthread.h>

#include "base/arena.h"
#include "base/vec.h"
#include "state/addr.h"
#include "state/hostinfo.h"
#include "state/snapshot_priv.h"
#include "state/state.h"
#include "store/store.h"

/* ---- objects that only the store sees ----------------------------------------------------- */

struct ssh_approval {
	atomic_uint refs;
	node_id src, dst; /* dst 0: any */
	int64_t at_ns;
};

/* A row of the audit log, made into JSON on the store's thread. */
struct audit_entry {
	uint64_t id;
	int64_t at_ns;
	char *who, *why;     /* owned; NULL: "" */
	const char *action;  /* constant */
	char object[64];
	enum audit_kind { AUDIT_NONE, AUDIT_NODE, AUDIT_USER, AUDIT_PREAUTH, AUDIT_API_KEY, AUDIT_TEXT } kind;
	void *before, *after; /* counted objects of that kind, or NULL; AUDIT_TEXT: shared_bytes with JSON */
};

/* One write of a batch. Objects are counted and immutable. */
enum op_kind {
	OP_PUT_NODE, OP_PUT_PRESENCE, OP_DEL_NODE, OP_PUT_USER, OP_DEL_USER, OP_PUT_PREAUTH, OP_DEL_PREAUTH,
	OP_PUT_API_KEY, OP_DEL_API_KEY, OP_PUT_PENDING, OP_DEL_PENDING, OP_PUT_SSH, OP_DEL_SSH, OP_CLEAR_SSH,
	OP_PUT_DOC, OP_AUDIT, OP_PRUNE_AUDIT, OP_COUNTER,
};
struct doc {
	char *kind, *key;              /* owned */
	struct shared_bytes *text;     /* NULL: delete */
	int64_t at_ns;
};
struct op {
	enum op_kind kind;
	union {
		struct node *node;
		struct user *user;
		struct preauth_key *preauth;
		struct api_key *api_key;
		struct pending *pending;
		struct ssh_approval *ssh;
		struct doc *doc;               /* owned */
		struct audit_entry *audit;     /* owned */
		uint64_t id;                   /* deletions */
		struct { const char *name; uint64_t value; } counter;
		struct { int64_t before_ns; atomic_bool *more; } prune; /* *more: the limit of a batch was met */
	} u;
};
void op_release(struct op *op);

/* ---- tables beside the snapshot ----------------------------------------------------------- */

struct tables {
	struct trie *preauth_by_name, *preauth_by_id; /* struct preauth_key, counted */
	struct trie *api_by_name, *api_by_id;         /* struct api_key, counted; name with its kind */
	struct trie *pending;                         /* by auth id */
	struct trie *ssh;                             /* by pair */
	size_t n_pending;                             /* open ones */
	uint64_t last_node, last_user, last_preauth, last_api_key, last_audit; /* IDs given so far */
};
void tables_copy(struct tables *to, const struct tables *from); /* counts the roots */
void tables_release(struct tables *t);

struct preauth_key *tables_preauth(const struct tables *t, key_id id);
struct preauth_key *tables_preauth_named(const struct tables *t, const char *name);
struct api_key *tables_api_key(const struct tables *t, key_id id);
struct api_key *tables_api_key_named(const struct tables *t, enum api_key_kind kind, const char *name);
struct pending *tables_pending(const struct tables *t, const char *auth_id);
int64_t tables_ssh_approved(const struct tables *t, node_id src, node_id dst); /* TIME_NONE: not */
/* Old leaves, now enters; either may be NULL. */
void tables_swap_preauth(struct tables *t, struct preauth_key *old, struct preauth_key *now);
void tables_swap_api_key(struct tables *t, struct api_key *old, struct api_key *now);
void tables_swap_pending(struct tables *t, struct pending *old, struct pending *now);
void tables_put_ssh(struct tables *t, struct ssh_approval *a); /* replaces that of its pair */
struct ssh_approval *tables_ssh(const struct tables *t, node_id src, node_id dst);
void tables_del_ssh(struct tables *t, struct ssh_approval *a);
/* Every object, sorted by id (pendings by age), memory from a; not counted. */
size_t tables_all_preauth(const struct tables *t, struct arena *a, struct preauth_key ***out);
size_t tables_all_api_keys(const struct tables *t, struct arena *a, struct api_key ***out);
size_t tables_all_pending(const struct tables *t, struct arena *a, struct pending ***out);
size_t tables_all_ssh(const struct tables *t, struct arena *a, struct ssh_approval ***out);
struct ssh_approval *ssh_approval_new(node_id src, node_id dst, int64_t at_ns);
void ssh_approval_unref(struct ssh_approval **a);

/* ---- commands ------------------------------------------------------------------------------ */

struct draft;
struct turn;
struct command;

enum command_class {
	CLASS_DURABLE, /* run(draft): waits for its batch */
	CLASS_NOW,     /* now(state): runs in the turn that takes it, on the visible world */
	CLASS_DISK,    /* disk(store): reads on the store's thread */
};
struct command_type {
	const char *name;
	enum command_class class;
	/* Run again on other ground if need be: results are reset before each run. */
	enum status (*run)(struct draft *d, struct command *c, struct err *err);
	enum status (*now)(struct state *st, struct turn *t, struct command *c, struct err *err);
	enum status (*disk)(struct store *s, struct command *c, struct err *err); /* store's thread */
	void (*finish)(struct state *st, struct command *c); /* writer's thread, before done; may be NULL */
	void (*release)(struct command *c); /* what the request holds beside the arena; may be NULL */
	bool alone;   /* DURABLE: the batch ends after it, so that others see its effect on the policy engine */
};
struct command {
	struct command *next;
	const struct command_type *type;
	struct arena *a;
	state_done_fn done;
	void *arg;
	void *req;               /* of the type, in the arena */
	struct state_actor by;   /* copied into the arena */
	enum status status;
	struct err err;
	struct state_result r;   /* its objects hold a reference each */
	char secret[KEY_SECRET_TEXT_MAX];
	char auth_id[AUTH_ID_LEN + 1];
	node_id node;            /* DURABLE: look up node and user in the visible world before done */
	user_id user;
	key_id bcrypt_key;       /* the helper found the secret to be this key's */
	bool needs_bcrypt;       /* a run found an imported hash: to the helper, then again */
	struct secret_hash bcrypt_hash;
	char bcrypt_secret[KEY_SECRET_TEXT_MAX];
	bool internal;           /* counts for no limit */
};

/** A command with an arena and a zeroed request of n bytes. Any thread. */
struct command *command_new(const struct command_type *type, size_t n, const struct state_actor *by,
			    state_done_fn done, void *arg);
/** Into the queue; freed here on failure. Any thread. */
enum status command_submit(struct state *st, struct command *c, struct err *err) MUST_CHECK;
/** As the state's own; never refused. Writer's or any thread. */
void command_submit_internal(struct state *st, struct command *c);
void command_free(struct command **c);
/** Drop what a run gave, before another. */
void command_reset_result(struct command *c);
void command_set_node(struct command *c, const struct node *n);
void command_set_user(struct command *c, const struct user *u);

/* ---- drafts -------------------------------------------------------------------------------- */

/* Presence that a durable command sets too; the rest stays as the visible world has it. */
enum { SETS_HOSTINFO = 1, SETS_NETINFO = 2 /* in that hostinfo */, SETS_CAP = 4, SETS_SEEN = 8 };

struct node_draft {
	atomic_uint refs;
	node_id id;
	struct node *n;     /* NULL: removed */
	unsigned sets;
};
struct draft {
	struct state *st;
	struct tables t;
	struct trie *by_node_key, *by_machine_key, *by_addr, *by_name; /* as the batch would leave them */
	struct trie *nodes;     /* struct node_draft of nodes touched, by id */
	size_t n_nodes;
	struct user_table *users;
	int64_t now_ns;
	uint32_t world;         /* WORLD_* that committing brings */
	struct policy *policy;  /* new policy, counted; NULL: as it is */
	struct shared_bytes *policy_text;
	int64_t policy_at_ns;
	VEC(struct op) ops;
	VEC(user_id) user_ids;       /* changed profiles */
	VEC(char *) auth_ids;        /* pendings touched; owned */
	uint64_t counters[4];        /* as last written: node, user, key, audit */
	struct state_actor by;       /* of the command that runs */
};
void draft_init(struct draft *d, struct state *st);
void draft_release(struct draft *d);
/* A savepoint is a copy that counts; rolling back puts it in place. */
struct savepoint;
struct savepoint *draft_save(struct draft *d);
void draft_restore(struct draft *d, struct savepoint **sp); /* back to it; frees it */
void draft_forget(struct savepoint **sp);

/* Durable fields are right; presence may be old. Borrowed until the next change. */
const struct node *draft_node(const struct draft *d, node_id id);
const struct node *draft_node_by_key(const struct draft *d, const struct node_key *k);
const struct node *draft_node_by_name(const struct draft *d, const char *name);
size_t draft_nodes_by_machine(const struct draft *d, const struct machine_key *k, const struct node **out, size_t max);
bool draft_addr_taken(void *draft, const struct ip_addr *a);
/** Takes n. Writes it, with an audit row if action is not NULL. */
void draft_put_node(struct draft *d, struct node *n, unsigned sets, const char *action);
void draft_delete_node(struct draft *d, node_id id, const char *action);
const struct user *draft_user(const struct draft *d, user_id id);
/** Takes the user; action is not NULL. */
void draft_put_user(struct draft *d, struct user *taken, const char *action);
void draft_delete_user(struct draft *d, user_id id);
void draft_put_preauth(struct draft *d, struct preauth_key *taken, const char *action);
void draft_delete_preauth(struct draft *d, key_id id, const char *action);
void draft_put_api_key(struct draft *d, struct api_key *taken, const char *action);
void draft_delete_api_key(struct draft *d, key_id id, const char *action);
void draft_put_pending(struct draft *d, struct pending *taken);
void draft_delete_pending(struct draft *d, const char *auth_id);
void draft_put_ssh(struct draft *d, node_id src, node_id dst);
void draft_delete_ssh(struct draft *d, struct ssh_approval *a);
void draft_clear_ssh(struct draft *d);
void draft_put_doc(struct draft *d, const char *kind, const char *key, struct shared_bytes *text_taken);
/** An audit row of its own; before and after are JSON texts, taken, or NULL. */
void draft_audit_text(struct draft *d, const char *action, const char *object, struct shared_bytes *before,
		      struct shared_bytes *after);
node_id draft_next_node_id(struct draft *d);
user_id draft_next_user_id(struct draft *d);
key_id draft_next_preauth_id(struct draft *d);
key_id draft_next_api_key_id(struct draft *d);
/** A label of its own for this host name; `self` may keep its name. */
void draft_unique_name(struct draft *d, const char *hostname, node_id self, char out[static NODE_NAME_MAX + 1]);
/** Give n the addresses it lacks. ST_TOO_BIG: none left. */
enum status draft_give_addresses(struct draft *d, struct node *n, struct err *err) MUST_CHECK;
/** What the policy approves of the routes that n announces, added to what is approved. True if anything was. */
bool draft_auto_approve(struct draft *d, struct node *n);

/* ---- turns --------------------------------------------------------------------------------- */

/* From the visible world to the next; begun at the first change, published at the end. */
struct turn {
	struct state *st;
	struct snapshot *next;      /* NULL: nothing changed yet */
	uint32_t world;
	bool new_engine;            /* settings or policy changed: compile anew */
	VEC(node_id) touched;
	VEC(user_id) users;
};
struct snapshot *turn_world(struct turn *t); /* next if begun, else cur; borrowed */
struct snapshot *turn_edit(struct turn *t);  /* begins it */
/** Takes n: another version of a visible node. Finds out what that means for peers. */
void turn_put_node(struct turn *t, struct node *n);
void turn_add_node(struct turn *t, struct node *n);
void turn_remove_node(struct turn *t, node_id id);
/** The engine must hear of this node again (a router's liveness). */
void turn_touch(struct turn *t, node_id id);
/** Fold a committed draft in. */
void turn_apply(struct turn *t, struct draft *d);
/** Publish if there is anything. */
void turn_end(struct turn *t);

/* ---- entries: what the writer knows of a node beside its row --------------------------------- */

struct entry {
	node_id id;
	uint32_t streams;        /* open map streams */
	bool heard;              /* told us of itself since this server started */
	bool leased;             /* online from before a restart, not yet back */
	bool relieved;           /* its last stream ended: a live router goes before it, though it still is "online" */
	bool live_told;          /* what the policy engine believes */
	bool dirty;              /* presence waits to be written */
	unsigned facts_pending;  /* durable facts of map updates on their way */
	int64_t offline_at_ns;   /* monotonic; 0: not counting down */
	int64_t remove_at_ns;    /* ephemeral; monotonic; 0: not counting down */
	int64_t dirty_at_ns;     /* monotonic: since when */
	int64_t expiry_at_ns;    /* wall clock: its armed TIMER_EXPIRY; 0: none */
};
struct entry *state_entry(struct state *st, node_id id);     /* NULL if there is none */
struct entry *state_entry_make(struct state *st, node_id id);
void state_entry_drop(struct state *st, node_id id);
void state_presence_dirty(struct state *st, node_id id);
/** The presence that is due goes with the batch that d is; all of it when the state closes. */
void backlog_add(struct state *st, struct draft *d, bool all);
bool backlog_due(struct state *st);

/* ---- timers -------------------------------------------------------------------------------- */

enum timer_kind { TIMER_OFFLINE, TIMER_EPHEMERAL, TIMER_EXPIRY, TIMER_PENDING, TIMER_FLUSH, TIMER_PURGE, TIMER_AUDIT };
struct timer {
	int64_t at_ns;
	enum timer_kind kind;
	uint64_t id;
};
/* A heap; entries are hints to look, conditions are checked when they come up. */
struct timers {
	VEC(struct timer) heap;
};
void timers_add(struct timers *t, int64_t at_ns, enum timer_kind kind, uint64_t id);
int64_t timers_next(const struct timers *t); /* INT64_MAX: none */
bool timers_pop(struct timers *t, int64_t now_ns, struct timer *out);

/* ---- the policy engine ----------------------------------------------------------------------- */

/** A new engine for this world. Returned. */
struct policy_engine *facts_compile(struct state *st, struct snapshot *w, struct policy *p);
/** Bring next->policy, classes and routes up to date with the nodes touched. Sorted, unique ids. */
void facts_update(struct turn *t, const struct snapshot *prev);
bool facts_live(struct state *st, const struct node *n);
/** Announced and approved prefixes, exit routes left out: it can be elected for something. */
bool node_is_router(const struct node *n);
bool facts_auto_approves(struct state *st, const struct node *n, const struct ip_prefix *p);
/** nodeAttrs ipPool: prefixes for n's IPv4 address; memory from a. */
size_t facts_ip_pools(struct state *st, const struct node *n, struct arena *a, const struct ip_prefix **out);

/* ---- the store's thread ---------------------------------------------------------------------- */

enum job_kind { JOB_COMMIT, JOB_READ, JOB_LOAD, JOB_STOP };
struct loaded;
struct job {
	enum job_kind kind;
	struct op *ops;       /* COMMIT: borrowed until the answer */
	size_t n_ops;
	struct command *command; /* READ */
	struct loaded *loaded;   /* LOAD: the answer; returned */
	enum status status;
	struct err err;
	int64_t took_ns;
	struct job *next;
};
void disk_start(struct state *st);
void disk_stop(struct state *st);
void disk_post(struct state *st, struct job *j); /* takes it; comes back by state_job_done */

/* Everything the store holds. */
struct loaded {
	struct tables t;
	struct user_table *users;
	VEC(struct node *) nodes;        /* ascending; counted */
	struct shared_bytes *policy_text; /* NULL: none */
	int64_t policy_at_ns;
};
enum status load_all(struct store *s, tailnet_id tailnet, struct loaded **out, struct err *err) MUST_CHECK;
void loaded_free(struct loaded **l);

/* ---- the state ------------------------------------------------------------------------------ */

struct waiter {
	uint64_t token;
	char auth_id[AUTH_ID_LEN + 1];
	struct machine_key machine;
	struct node_key node_key;
	node_id src, dst;
	state_verdict_fn fn;
	void *arg;
};
struct last_use {
	key_id id;
	int64_t at_ns, written_ns;
	bool queued;             /* in st->used */
};

struct queue {
	struct command *first, **last;
	size_t n;
};
void queue_init(struct queue *q);
void queue_push(struct queue *q, struct command *c);
struct command *queue_pop(struct queue *q);

struct state {
	struct state_opts o;          /* texts and objects in it are not to be used after state_open */
	struct state_limits limits;
	struct store *store;          /* the store's thread, after state_open */

	/* Shared with other threads, under `lock`. */
	pthread_mutex_t lock;
	pthread_cond_t wake;          /* writer: something came */
	struct queue inbox;
	struct job *answers;          /* jobs done, newest first */
	struct job *jobs, **jobs_last; /* for the store's thread */
	pthread_cond_t jobs_wake;
	bool closing;                 /* nothing new is taken */
	bool stopping, poked;         /* the writer comes to its end; it should look around */
	struct snapshot *shown;       /* = cur, for state_snapshot() */
	struct command *helper_first; /* waiting for a slow hash */
	size_t helper_n;
	pthread_cond_t helper_wake;
	uint64_t next_token;

	pthread_t writer, disk, helper;
	bool writer_runs, disk_runs, helper_runs;

	/* The writer's. */
	struct snapshot *cur;
	struct tables tables;
	struct policy *policy;        /* counted */
	struct shared_bytes *policy_text;
	int64_t policy_at_ns;
	struct trie *entries;         /* struct entry by node id, owned */
	struct trie *last_uses;       /* struct last_use by key id, owned */
	struct addr_pool pool4, pool6;
	VEC(struct addr_pool) more_pools; /* of nodeAttrs ipPool */
	struct trie *name_hints;      /* base label -> a number below which all are taken */
	VEC(node_id) routers;         /* sorted: nodes that may be elected */
	struct timers mono, wall;
	int64_t pending_timer_ns;     /* when the armed TIMER_PENDING comes; 0: none */
	bool purging;
	VEC(node_id) dirty;           /* presence to write, oldest first, from dirty_head */
	size_t dirty_head;
	int64_t flush_at_ns;          /* the armed TIMER_FLUSH; 0: none */
	VEC(key_id) used;             /* API keys whose last use is to be written */
	VEC(struct waiter) waiters;
	struct queue durable;         /* waiting for a batch */
	struct draft draft;           /* of the batch in flight */
	struct queue batch;           /* its commands */
	bool in_flight, reloading, need_reload, tell_all;
	size_t jobs_out;              /* with the store's thread */
	size_t solo;                  /* commands to run in batches of their own */
	int64_t retry_at_ns;          /* monotonic; no batches before */

	/* Any thread. */
	atomic_uint_least64_t n_commands, n_commits, n_commit_failures, n_reloads, n_publications, n_presence, n_evicted;
	atomic_size_t n_queued, n_nodes, n_online, n_pending;
	atomic_int_least64_t last_commit_ns, commit_sum_ns;
	atomic_uint_least64_t commit_buckets[STATE_COMMIT_BUCKETS + 1];
	char prefix4[IP_PREFIX_TEXT_MAX], prefix6[IP_PREFIX_TEXT_MAX]; /* prefixes.c: last in force; "-": never any */
	bool prefixes_changed;
	atomic_bool store_ok, audit_more;
	size_t online;                /* writer's count */
};
int64_t state_unix_ns(const struct state *st);
int64_t state_mono_ns(const struct state *st);
/** The store's thread gives a job back. */
void state_job_done(struct state *st, struct job *j);
/** A loaded world replaces the tables; the visible one is brought to it. */
void state_take_loaded(struct state *st, struct turn *t, struct loaded *l);
/** A timer came up. */
void state_timer(struct state *st, struct turn *t, const struct timer *tm);
/** Verdicts for those who wait on pendings that a batch touched; auth_ids NULL: on any. */
void state_tell_waiters(struct state *st, char *const *auth_ids, size_t n);
void state_end_waiters(struct state *st);
/** See to it that pendings go when their time is over. */
void state_arm_pendings(struct state *st);
/** Set the clocks of a node that just appeared or changed its times. */
void state_arm_node(struct state *st, const struct node *n);
/** Forget the uses of keys that are gone. */
void state_sweep_last_uses(struct state *st);
/** Rows of API keys whose last use is to be written. */
void state_last_use_rows(struct state *st, struct draft *d);
/** The writer's thread. arg: the state. */
void *writer_main(void *arg);
/** The helper's thread, for slow hashes. arg: the state. */
/* prefixes.c: while the state opens. ST_CONFLICT: others, and nodes have addresses of the old ones. */
enum status prefixes_check(struct state *st, struct err *err) MUST_CHECK;
/** Likewise for these settings, by what was in force last; on ST_OK they are. Writer. */
enum status prefixes_judge(struct state *st, const struct snapshot *w, const struct tailnet_settings *set, struct err *err) MUST_CHECK;
/** Keep them, if they changed. */
void prefixes_note(struct state *st);

void *helper_main(void *arg);
/** Give the helper a command that needs_bcrypt; it comes back through the inbox. False: too many wait. */
bool helper_take(struct state *st, struct command *c);
/** SHA-256 of a secret; does it match (constant time)? */
bool secret_matches(const struct secret_hash *h, struct bytes secret, bool *needs_helper);
void secret_hash_sha256(struct bytes secret, struct secret_hash *out);

/* Commands that the writer gives itself. */
struct command *command_delete_idle(node_id id);
struct command *command_purge(void);
#define AUDIT_PRUNE_BATCH 500u /* rows of one transaction: what waits behind it does not notice */
struct command *command_prune_audit(void);
struct command *command_approve_all(void);

#endif
