/*
 * proto/register.h -- RegisterRequest and RegisterResponse. Pure; any thread.
 * Source: docs/wire/map.md, "Registration".
 */
#ifndef PROTO_REGISTER_H
#define PROTO_REGISTER_H

#include "base/arena.h"
#include "base/buf.h"
#include "crypto/keys.h"
#include "model/node.h"

#define REGISTER_REQUEST_MAX ((size_t)1 << 20)  /* bytes of a body */
#define REGISTER_AUTH_KEY_MAX ((size_t)512)     /* bytes of an auth key */
#define REGISTER_FOLLOWUP_MAX ((size_t)2048)    /* bytes of the URL that comes back */
#define REGISTER_SIGNATURE_MAX ((size_t)65536)  /* bytes of a tailnet-lock signature */

/* All memory is the arena's. Texts are never NULL. */
struct register_request {
	uint32_t version;             /* capability version; 0 if not told */
	struct node_key node_key;     /* never zero */
	struct node_key old_node_key; /* zero: none */
	struct nl_key nl_key;         /* zero: none */
	struct bytes auth_key;        /* n = 0: none */
	int64_t expiry_ns;            /* TIME_NONE: not asked */
	const char *followup;         /* the AuthURL that is waited for; "" */
	struct bytes hostinfo;        /* JSON object, compact; n = 0: none */
	bool ephemeral;
	struct bytes node_key_signature; /* raw bytes; n = 0: none */
	const char *tailnet;          /* wanted by the device's administrator, "required:" before it: no other; "" */
};

/**
 * ST_BAD_INPUT: no JSON object, a member of another type, NodeKey missing or zero: err names the member.
 * ST_TOO_BIG: a limit above. Unknown members are passed over; device certificates are not read.
 */
enum status register_request_parse(struct bytes body, struct arena *a, struct register_request *out, struct err *err)
	MUST_CHECK;

struct register_response {
	/* Who it is now: both borrowed; node NULL: nobody (errors, AuthURL). A tagged node needs no user. */
	const struct node *node;
	const struct user *user;
	bool node_key_expired;    /* make another key and come back */
	bool machine_authorized;
	const char *auth_url;     /* NULL or "": none */
	const char *error;        /* shown to the user as it is; NULL or "": none */
	struct bytes node_key_signature; /* "sign this anew"; must be empty otherwise */
};
/** One JSON object and a newline. */
void register_response_encode(const struct register_response *r, struct buf *b);

#endif
