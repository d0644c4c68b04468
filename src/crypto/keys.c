/* crypto/keys.c -- see crypto/keys.h. */
#include "crypto/keys.h"

#include <pthread.h>
#include <sodium.h>

#include "base/random.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"

_Static_assert(KEY_LEN == X25519_LEN, "keys are curve points");

/* --- text --------------------------------------------------------------------------------- */

static const char *const prefixes[] = {
	[KEY_MACHINE] = "mkey:",	[KEY_NODE] = "nodekey:", [KEY_DISCO] = "discokey:",
	[KEY_CHALLENGE] = "chalpub:", [KEY_NL] = "nlpub:",	 [KEY_PRIVATE] = "privkey:",
};

const char *key_prefix(enum key_kind kind)
{
	return prefixes[kind];
}

static bool take_prefix(struct bytes *in, const char *prefix)
{
	size_t n = strlen(prefix);

	if (in->n < n || memcmp(in->p, prefix, n) != 0)
		return false;
	*in = bytes_skip(*in, n);
	return true;
}

enum status key_text_parse(enum key_kind kind, struct bytes in, uint8_t out[static KEY_LEN])
{
	if (!take_prefix(&in, prefixes[kind]) && !(kind == KEY_NL && take_prefix(&in, "tlpub:")))
		return ST_BAD_INPUT;
	return hex_decode(in, out, KEY_LEN);
}

size_t key_text_format(enum key_kind kind, const uint8_t b[static KEY_LEN], char out[static KEY_TEXT_MAX])
{
	size_t n = strlen(prefixes[kind]);

	memcpy(out, prefixes[kind], n);
	hex_encode(bytes_of(b, KEY_LEN), out + n);
	return n + 2 * KEY_LEN;
}

/* --- hash --------------------------------------------------------------------------------- */

static uint8_t hash_secret[crypto_shorthash_KEYBYTES];
static pthread_once_t hash_once = PTHREAD_ONCE_INIT;

static void make_hash_secret(void)
{
	random_bytes(hash_secret, sizeof hash_secret);
}

uint64_t key_hash(const uint8_t b[static KEY_LEN])
{
	uint64_t h;

	pthread_once(&hash_once, make_hash_secret);
	crypto_shorthash((uint8_t *)&h, b, KEY_LEN, hash_secret);
	return h;
}

/* --- private halves ----------------------------------------------------------------------- */

static enum status private_parse(struct bytes in, uint8_t out[static KEY_LEN])
{
	uint8_t b[KEY_LEN];
	enum status s = key_text_parse(KEY_PRIVATE, in, b);

	if (s == ST_OK && secret_is_zero(b, sizeof b))
		s = ST_BAD_INPUT;
	if (s == ST_OK)
		memcpy(out, b, sizeof b);
	secret_wipe(b, sizeof b);
	return s;
}

static bool private_eq(const uint8_t a[static KEY_LEN], const uint8_t b[static KEY_LEN])
{
	return secret_equal(bytes_of(a, KEY_LEN), bytes_of(b, KEY_LEN));
}

void machine_private_new(struct machine_private *out)
{
	x25519_random(out->b);
}

struct machine_key machine_private_public(const struct machine_private *k)
{
	struct machine_key pub;

	x25519_public(k->b, pub.b);
	return pub;
}

enum status machine_private_parse(struct bytes in, struct machine_private *out)
{
	return private_parse(in, out->b);
}

size_t machine_private_format(const struct machine_private *k, char out[static KEY_TEXT_MAX])
{
	return key_text_format(KEY_PRIVATE, k->b, out);
}

bool machine_private_is_zero(const struct machine_private *k)
{
	return secret_is_zero(k->b, KEY_LEN);
}

bool machine_private_eq(const struct machine_private *a, const struct machine_private *b)
{
	return private_eq(a->b, b->b);
}

void node_private_new(struct node_private *out)
{
	x25519_random(out->b);
}

struct node_key node_private_public(const struct node_private *k)
{
	struct node_key pub;

	x25519_public(k->b, pub.b);
	return pub;
}

enum status node_private_parse(struct bytes in, struct node_private *out)
{
	return private_parse(in, out->b);
}

size_t node_private_format(const struct node_private *k, char out[static KEY_TEXT_MAX])
{
	return key_text_format(KEY_PRIVATE, k->b, out);
}

bool node_private_is_zero(const struct node_private *k)
{
	return secret_is_zero(k->b, KEY_LEN);
}

bool node_private_eq(const struct node_private *a, const struct node_private *b)
{
	return private_eq(a->b, b->b);
}

void challenge_key_new(struct challenge_key *out)
{
	uint8_t priv[KEY_LEN];

	x25519_random(priv);
	x25519_public(priv, out->b);
	secret_wipe(priv, sizeof priv);
}
