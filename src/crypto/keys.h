/*
 * crypto/keys.h -- one struct type per kind of key, so that none can be passed for another.
 *
 *     struct            what                                            text
 *     machine_key       X25519, a client's (or our) Noise identity      mkey:<64 hex>
 *     machine_private   its private half                                privkey:<64 hex>
 *     node_key          X25519, WireGuard; also a DERP server's         nodekey:<64 hex>
 *     node_private      its private half (DERP server)                  privkey:<64 hex>
 *     disco_key         X25519, path discovery                          discokey:<64 hex>
 *     challenge_key     X25519, in the early payload                    chalpub:<64 hex>
 *     nl_key            Ed25519 public, tailnet lock                    nlpub:<64 hex>, read also as tlpub:
 *
 * Text is read with hex of either case and written in lower case; the length is exact. The empty text is no key
 * (ST_BAD_INPUT); the zero key is written as 64 zeros and read back.
 * Public keys may be compared with memcmp; private ones with the functions here, which take constant time. Wipe private
 * keys with secret_wipe() when they are done. Hashes are keyed with a random number of this process: good for tables
 * whose keys strangers choose, not for storing. Pure (but for *_new); any thread.
 * Source: seen from clients, see docs/wire/noise.md.
 */
#ifndef CRYPTO_KEYS_H
#define CRYPTO_KEYS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/status.h"

#define KEY_LEN 32
#define KEY_TEXT_MAX 80 /* the longest text with its NUL, rounded up */

struct machine_key {
	uint8_t b[KEY_LEN];
};
struct machine_private {
	uint8_t b[KEY_LEN];
};
struct node_key {
	uint8_t b[KEY_LEN];
};
struct node_private {
	uint8_t b[KEY_LEN];
};
struct disco_key {
	uint8_t b[KEY_LEN];
};
struct challenge_key {
	uint8_t b[KEY_LEN];
};
struct nl_key {
	uint8_t b[KEY_LEN];
};

/* --- what the typed functions below are made of ------------------------------------------- */

enum key_kind { KEY_MACHINE, KEY_NODE, KEY_DISCO, KEY_CHALLENGE, KEY_NL, KEY_PRIVATE };

/** "nodekey:" and so on. Static. */
const char *key_prefix(enum key_kind kind);
/** ST_BAD_INPUT: another prefix, another length, no hex. */
enum status key_text_parse(enum key_kind kind, struct bytes in, uint8_t out[static KEY_LEN]) MUST_CHECK;
/** NUL-terminated; returns the length. */
size_t key_text_format(enum key_kind kind, const uint8_t b[static KEY_LEN], char out[static KEY_TEXT_MAX]);
/** SipHash under this process's key. */
uint64_t key_hash(const uint8_t b[static KEY_LEN]);

static inline bool key_bytes_are_zero(const uint8_t b[static KEY_LEN])
{
	static const uint8_t zero[KEY_LEN];

	return memcmp(b, zero, KEY_LEN) == 0;
}

/* --- machine keys ------------------------------------------------------------------------- */

static inline enum status machine_key_parse(struct bytes in, struct machine_key *out)
{
	return key_text_parse(KEY_MACHINE, in, out->b);
}
static inline size_t machine_key_format(const struct machine_key *k, char out[static KEY_TEXT_MAX])
{
	return key_text_format(KEY_MACHINE, k->b, out);
}
static inline bool machine_key_is_zero(const struct machine_key *k)
{
	return key_bytes_are_zero(k->b);
}
static inline bool machine_key_eq(const struct machine_key *a, const struct machine_key *b)
{
	return memcmp(a->b, b->b, KEY_LEN) == 0;
}
static inline uint64_t machine_key_hash(const struct machine_key *k)
{
	return key_hash(k->b);
}

/** A fresh private key. */
void machine_private_new(struct machine_private *out);
/** Its public half. */
struct machine_key machine_private_public(const struct machine_private *k);
/** "privkey:<64 hex>". The zero key is refused (ST_BAD_INPUT). */
enum status machine_private_parse(struct bytes in, struct machine_private *out) MUST_CHECK;
/** The text is a secret too: wipe it after use. */
size_t machine_private_format(const struct machine_private *k, char out[static KEY_TEXT_MAX]);
bool machine_private_is_zero(const struct machine_private *k); /* constant time */
bool machine_private_eq(const struct machine_private *a, const struct machine_private *b); /* constant time */

/* --- node keys ---------------------------------------------------------------------------- */

static inline enum status node_key_parse(struct bytes in, struct node_key *out)
{
	return key_text_parse(KEY_NODE, in, out->b);
}
static inline size_t node_key_format(const struct node_key *k, char out[static KEY_TEXT_MAX])
{
	return key_text_format(KEY_NODE, k->b, out);
}
static inline bool node_key_is_zero(const struct node_key *k)
{
	return key_bytes_are_zero(k->b);
}
static inline bool node_key_eq(const struct node_key *a, const struct node_key *b)
{
	return memcmp(a->b, b->b, KEY_LEN) == 0;
}
static inline uint64_t node_key_hash(const struct node_key *k)
{
	return key_hash(k->b);
}

/* As for machine keys. */
void node_private_new(struct node_private *out);
struct node_key node_private_public(const struct node_private *k);
enum status node_private_parse(struct bytes in, struct node_private *out) MUST_CHECK;
size_t node_private_format(const struct node_private *k, char out[static KEY_TEXT_MAX]);
bool node_private_is_zero(const struct node_private *k);
bool node_private_eq(const struct node_private *a, const struct node_private *b);

/* --- disco, challenge and tailnet-lock keys ----------------------------------------------- */

static inline enum status disco_key_parse(struct bytes in, struct disco_key *out)
{
	return key_text_parse(KEY_DISCO, in, out->b);
}
static inline size_t disco_key_format(const struct disco_key *k, char out[static KEY_TEXT_MAX])
{
	return key_text_format(KEY_DISCO, k->b, out);
}
static inline bool disco_key_is_zero(const struct disco_key *k)
{
	return key_bytes_are_zero(k->b);
}
static inline bool disco_key_eq(const struct disco_key *a, const struct disco_key *b)
{
	return memcmp(a->b, b->b, KEY_LEN) == 0;
}
static inline uint64_t disco_key_hash(const struct disco_key *k)
{
	return key_hash(k->b);
}

/** The public half of a fresh challenge; the private half is thrown away, for no client answers it. */
void challenge_key_new(struct challenge_key *out);
static inline enum status challenge_key_parse(struct bytes in, struct challenge_key *out)
{
	return key_text_parse(KEY_CHALLENGE, in, out->b);
}
static inline size_t challenge_key_format(const struct challenge_key *k, char out[static KEY_TEXT_MAX])
{
	return key_text_format(KEY_CHALLENGE, k->b, out);
}
static inline bool challenge_key_is_zero(const struct challenge_key *k)
{
	return key_bytes_are_zero(k->b);
}
static inline bool challenge_key_eq(const struct challenge_key *a, const struct challenge_key *b)
{
	return memcmp(a->b, b->b, KEY_LEN) == 0;
}

/** "nlpub:" or "tlpub:". */
static inline enum status nl_key_parse(struct bytes in, struct nl_key *out)
{
	return key_text_parse(KEY_NL, in, out->b);
}
static inline size_t nl_key_format(const struct nl_key *k, char out[static KEY_TEXT_MAX])
{
	return key_text_format(KEY_NL, k->b, out);
}
static inline bool nl_key_is_zero(const struct nl_key *k)
{
	return key_bytes_are_zero(k->b);
}
static inline bool nl_key_eq(const struct nl_key *a, const struct nl_key *b)
{
	return memcmp(a->b, b->b, KEY_LEN) == 0;
}
static inline uint64_t nl_key_hash(const struct nl_key *k)
{
	return key_hash(k->b);
}

#endif
