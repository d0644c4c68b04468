/*
 * derp/login.h -- the two sealed messages that open a relay connection.
 *
 *     ClientInfo   key(32) nonce(24) tag(16) JSON, sealed by the client's node key to the server's key
 *     ServerInfo           nonce(24) tag(16) JSON, sealed by the server's key to the client's node key
 *
 * Opening ClientInfo proves that the client holds the node key it names. Both sides of it are here: servers open
 * what mesh peers and tests seal. Pure; any thread.
 * Source: docs/wire/derp.md, "Login".
 */
#ifndef DERP_LOGIN_H
#define DERP_LOGIN_H

#include "base/buf.h"
#include "crypto/keys.h"
#include "derp/frame.h"

struct derp_mesh_key {
	uint8_t b[32]; /* secret; all zero: none */
};

struct derp_client_info {
	struct node_key key;
	struct derp_mesh_key mesh; /* zero: none given. Wipe with secret_wipe() */
	int64_t version;
	bool can_ack_pings, is_prober;
	uint8_t app_len;
	char app[DERP_APP_NAME_MAX + 1]; /* printable ASCII, NUL-terminated */
};

struct derp_server_info {
	int64_t version;
	int64_t bytes_per_s, burst; /* advice to the client's sender; 0: none */
};

/** 64 hex digits, white space around them allowed (a file's content). ST_BAD_INPUT otherwise. */
enum status derp_mesh_key_parse(struct bytes text, struct derp_mesh_key *out) MUST_CHECK;
/** In constant time; false if either is zero. */
bool derp_mesh_key_eq(const struct derp_mesh_key *a, const struct derp_mesh_key *b);

/**
 * Open the payload of a ClientInfo frame.
 * ST_BAD_INPUT: a zero or low-order key, a box that does not open, JSON that is none, a mesh key or a name that is
 * malformed.
 */
enum status derp_client_info_open(struct bytes payload, const struct node_private *server, struct derp_client_info *out)
	MUST_CHECK;
/** A whole ClientInfo frame onto out; info->key is not read, the key is that of `client`. */
enum status derp_client_info_seal(const struct derp_client_info *info, const struct node_private *client,
                                  const struct node_key *server, struct buf *out) MUST_CHECK;

/** A whole ServerInfo frame onto out. ST_BAD_INPUT: the client's key is of low order. */
enum status derp_server_info_seal(const struct derp_server_info *info, const struct node_private *server,
                                  const struct node_key *client, struct buf *out) MUST_CHECK;
enum status derp_server_info_open(struct bytes payload, const struct node_private *client,
                                  const struct node_key *server, struct derp_server_info *out) MUST_CHECK;

/** The key in the payload of a ServerKey frame; more bytes behind it are allowed. */
enum status derp_server_key_parse(struct bytes payload, struct node_key *out) MUST_CHECK;

#endif
