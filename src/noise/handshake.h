/*
 * noise/handshake.h -- Noise IK between a client and the control server: two messages, then keys.
 *
 *     initiation, client to server, 101 bytes          response, server to client, 51 bytes
 *     0   2  u16 BE, protocol version                  0   1  type 2
 *     2   1  type 1                                    1   2  u16 BE, 48
 *     3   2  u16 BE, 96                                3  32  ephemeral key
 *     5  32  ephemeral key                            35  16  tag
 *    37  48  machine key, sealed
 *    85  16  tag
 *
 * The version is the client's capability version; it goes into the prologue, so a changed one breaks the handshake.
 * Any machine key is taken: what it may do is decided above. Pure but for fresh ephemeral keys: bytes in, bytes out, no
 * socket. Any thread; some 150 microseconds of curve arithmetic.
 * Source: docs/wire/noise.md, "Handshake".
 */
#ifndef NOISE_HANDSHAKE_H
#define NOISE_HANDSHAKE_H

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

#define NOISE_INITIATION_LEN 101
#define NOISE_RESPONSE_LEN 51

/* What a finished handshake gives. Secret: noise_keys_wipe() it when noise_session_init() has had it. */
struct noise_keys {
	uint16_t version;        /* the client's capability version */
	struct machine_key peer; /* the other side, proven */
	uint8_t send[32];        /* key of what this side seals */
	uint8_t receive[32];     /* key of what this side opens */
	uint8_t hash[32];        /* names this handshake on both sides; public */
};

void noise_keys_wipe(struct noise_keys *k);

/**
 * Look at the clear header of an initiation.
 *
 * version_out   set on ST_OK; not proven by anything yet.
 * ST_BAD_INPUT  not NOISE_INITIATION_LEN bytes, another type or another length field: answer with an error frame.
 */
enum status noise_initiation_check(struct bytes in, uint16_t *version_out) MUST_CHECK;

/**
 * The server's half: read an initiation, write the response.
 *
 * own           the server's key.
 * ephemeral     NULL for a fresh one (always, but in tests with fixed vectors).
 * response_out, keys_out   set on ST_OK only.
 *
 * ST_BAD_INPUT  as noise_initiation_check(): answer with an error frame.
 * ST_DENIED     not made for this server's key, changed on the way, or a key of low order: close, say nothing.
 */
enum status noise_respond(const struct machine_private *own, const struct machine_private *ephemeral, struct bytes initiation,
			  uint8_t response_out[static NOISE_RESPONSE_LEN], struct noise_keys *keys_out) MUST_CHECK;

/* The client's half, for tests, the load generator and the health check. */
struct noise_initiator {
	struct machine_private own, ephemeral;
	struct machine_key server;
	uint16_t version;
	uint8_t h[32], ck[32];
};

/**
 * Write the initiation for `server`; ephemeral as in noise_respond().
 * ST_BAD_INPUT  `server` is of low order.
 */
enum status noise_initiate(struct noise_initiator *i, uint16_t version, const struct machine_private *own,
			   const struct machine_private *ephemeral, const struct machine_key *server,
			   uint8_t initiation_out[static NOISE_INITIATION_LEN]) MUST_CHECK;

/**
 * Read the response frame (NOISE_RESPONSE_LEN bytes, header included).
 * ST_BAD_INPUT  another length or header.
 * ST_DENIED     not made by that server for this initiation.
 */
enum status noise_initiator_finish(struct noise_initiator *i, struct bytes response, struct noise_keys *keys_out) MUST_CHECK;

/** Forget the private keys. */
void noise_initiator_wipe(struct noise_initiator *i);

#endif
