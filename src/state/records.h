/*
 * state/records.h -- keys and pending decisions: what the writer keeps beside users and nodes.
 *
 * Immutable and counted like nodes; they are not in snapshots (maps do not need them) and come as results of the
 * queries in state/state.h. Secrets are not in them: a hash is, and the part of the text that names the key.
 */
#ifndef STATE_RECORDS_H
#define STATE_RECORDS_H

#include <stdatomic.h>

#include "crypto/keys.h"
#include "base/clock.h"
#include "base/shared.h"
#include "model/ids.h"
#include "model/lists.h"

/* How a secret is kept. */
enum secret_form {
	SECRET_SHA256 = 1, /* 32 bytes: of the secret part, which is long and random */
	SECRET_BCRYPT = 2, /* 60 characters, imported; replaced by SECRET_SHA256 at its first use */
	SECRET_ARGON2ID = 3, /* PHC text, imported OAuth clients; likewise */
};
#define SECRET_HASH_MAX 160
struct secret_hash {
	enum secret_form form;
	uint8_t n;
	uint8_t b[SECRET_HASH_MAX];
};

#define KEY_NAME_MAX 24      /* the part that names a key, with its NUL */
#define KEY_SECRET_TEXT_MAX 128 /* a key's whole text, with its NUL */

/* A pre-auth key: hskey-auth-<12>-<64>; imported old ones are 48 hex digits and named "legacy-<12 hex of SHA-256>". */
struct preauth_key {
	atomic_uint refs;
	key_id id;
	tailnet_id tailnet;
	char name[KEY_NAME_MAX]; /* the 12 characters, or legacy-... */
	struct secret_hash hash;
	user_id user;            /* owner of its nodes; who made it if there are tags; 0: none */
	bool reusable, ephemeral, used;
	struct str_list *tags;   /* NULL: none */
	char *description;       /* owned, "" if none */
	int64_t created_ns;
	int64_t expires_ns;      /* TIME_NONE: never */
	int64_t revoked_ns;      /* TIME_NONE: not */
};
/** The text shown in lists: "hskey-auth-<name>-***"; old keys "<name>***". */
void preauth_key_mask(const struct preauth_key *k, char out[static KEY_SECRET_TEXT_MAX]);

/* A credential of the HTTP API. */
enum api_key_kind {
	API_KEY = 1,       /* hskey-api-<12>-<64>, or of old <7>.<32> */
	API_CLIENT = 2,    /* an OAuth client: hskey-client-<12>-<64> */
	API_TOKEN = 3,     /* an access token given to a client: hskey-oauthtok-<12>-<64> */
};
struct api_key {
	atomic_uint refs;
	key_id id;
	tailnet_id tailnet;
	enum api_key_kind kind;
	char name[KEY_NAME_MAX];  /* unique within its kind */
	struct secret_hash hash;
	user_id user;             /* whose rights it has; 0: the operator's */
	key_id parent;            /* API_TOKEN: its client */
	struct str_list *scopes;  /* NULL: all */
	struct str_list *tags;    /* that it may give */
	char *description;        /* owned */
	int64_t created_ns;
	int64_t expires_ns;       /* TIME_NONE: never */
	int64_t revoked_ns;       /* TIME_NONE: not */
	int64_t last_used_ns;     /* TIME_NONE: never; written behind, to the minute */
};
/** "hskey-api-<name>-***" and so on. */
void api_key_mask(const struct api_key *k, char out[static KEY_SECRET_TEXT_MAX]);

struct preauth_key *preauth_key_new(void);
struct preauth_key *preauth_key_copy(const struct preauth_key *k);
struct preauth_key *preauth_key_ref(struct preauth_key *k);
void preauth_key_unref(struct preauth_key **k);
struct api_key *api_key_new(void);
struct api_key *api_key_copy(const struct api_key *k);
struct api_key *api_key_ref(struct api_key *k);
void api_key_unref(struct api_key **k);

#define AUTH_ID_LEN 38 /* "hskey-authreq-" and 24 hex digits */
#define AUTH_ID_PREFIX "hskey-authreq-"

/* Something a person must decide: a login without a key, or an SSH session under a check rule. */
enum pending_kind { PENDING_LOGIN = 1, PENDING_SSH = 2 };
enum pending_verdict {
	VERDICT_OPEN = 0,     /* nobody has decided */
	VERDICT_ACCEPTED = 1, /* LOGIN: the node exists; SSH: let in */
	VERDICT_REJECTED = 2,
	VERDICT_GONE = 3,     /* expired, pushed out, or never known */
	VERDICT_CANCELLED = 4,/* only to waiters: they were taken off, or the state is closing */
};
struct pending {
	atomic_uint refs;
	tailnet_id tailnet;
	char auth_id[AUTH_ID_LEN + 1];
	enum pending_kind kind;
	enum pending_verdict verdict; /* OPEN, ACCEPTED or REJECTED; kept until it expires */
	int64_t created_ns, expires_ns;
	struct ip_addr source;        /* whose connection asked; IP_NONE if not known */
	/* LOGIN */
	struct machine_key machine;
	struct node_key node_key;
	struct nl_key nl_key;
	int64_t key_expiry_ns;        /* asked by the client; TIME_NONE: not */
	uint32_t cap;
	bool ephemeral;
	struct shared_bytes *hostinfo; /* JSON as sent; NULL if none */
	char *hostname;                /* owned */
	/* SSH; ACCEPTED LOGIN: dst is the node */
	node_id src, dst;
	bool any_destination;
};
struct pending *pending_new(void);
struct pending *pending_copy(const struct pending *p);
struct pending *pending_ref(struct pending *p);
void pending_unref(struct pending **p);

#endif
