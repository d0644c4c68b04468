/*
 * noise/handshake.c -- see noise/handshake.h.
 *
 * Steps carry the names of the Noise specification: e, es, s, ss, then e, ee, se. `symmetric` is its
 * SymmetricState; each key it makes seals one message at most, so the nonce is always zero here.
 */
#include "noise/handshake.h"

#include <stdio.h>

#include "crypto/aead.h"
#include "crypto/blake2s.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"
#include "noise/frame.h"

#define PROTOCOL "Noise_IK_25519_ChaChaPoly_BLAKE2s"

enum {
	INIT_TYPE = 1,
	INIT_HEADER_LEN = 5,
	INIT_EPHEMERAL = 5,
	INIT_STATIC = INIT_EPHEMERAL + KEY_LEN,
	INIT_TAG = INIT_STATIC + KEY_LEN + AEAD_TAG_LEN,
	RESP_EPHEMERAL = NOISE_HEADER_LEN,
	RESP_TAG = RESP_EPHEMERAL + KEY_LEN,
};

_Static_assert(INIT_TAG + AEAD_TAG_LEN == NOISE_INITIATION_LEN, "layout");
_Static_assert(RESP_TAG + AEAD_TAG_LEN == NOISE_RESPONSE_LEN, "layout");

/* --- the symmetric state ------------------------------------------------------------------ */

struct symmetric {
	uint8_t h[BLAKE2S_LEN];  /* hash of all that both sides have seen */
	uint8_t ck[BLAKE2S_LEN]; /* chaining key */
	uint8_t k[BLAKE2S_LEN];  /* for the next message */
};

static void mix_hash(struct symmetric *s, struct bytes data)
{
	blake2s(bytes_of(s->h, sizeof s->h), data, s->h);
}

static void mix_key(struct symmetric *s, const uint8_t key[static KEY_LEN])
{
	mix_hash(s, bytes_of(key, KEY_LEN));
}

static enum status mix_dh(struct symmetric *s, const struct machine_private *priv, const uint8_t pub[static KEY_LEN])
{
	uint8_t shared[X25519_LEN], ck[BLAKE2S_LEN];

	if (x25519_shared(priv->b, pub, shared) != ST_OK)
		return ST_DENIED;
	blake2s_hkdf(s->ck, bytes_of(shared, sizeof shared), ck, s->k);
	memcpy(s->ck, ck, sizeof ck);
	secret_wipe(shared, sizeof shared);
	secret_wipe(ck, sizeof ck);
	return ST_OK;
}

static const uint8_t zero_nonce[AEAD_NONCE_LEN];

static void seal(struct symmetric *s, struct bytes plain, uint8_t *out)
{
	struct aead *a = aead_new_seal(s->k);

	aead_seal(a, zero_nonce, bytes_of(s->h, sizeof s->h), plain, out);
	aead_free(&a);
	mix_hash(s, bytes_of(out, plain.n + AEAD_TAG_LEN));
}

static enum status open_sealed(struct symmetric *s, struct bytes sealed, uint8_t *out)
{
	struct aead *a = aead_new_open(s->k);
	enum status st = aead_open(a, zero_nonce, bytes_of(s->h, sizeof s->h), sealed, out);

	aead_free(&a);
	mix_hash(s, sealed);
	return st == ST_OK ? ST_OK : ST_DENIED;
}

/* Up to the point where the client's ephemeral key comes. */
static void begin(struct symmetric *s, uint16_t version, const struct machine_key *server)
{
	char prologue[48];
	int n = snprintf(prologue, sizeof prologue, "Tailscale Control Protocol v%u", (unsigned)version);

	blake2s(BYTES_LIT(PROTOCOL), (struct bytes){ 0 }, s->h);
	memcpy(s->ck, s->h, sizeof s->ck);
	mix_hash(s, bytes_of(prologue, (size_t)n));
	mix_key(s, server->b);
}

static void split(struct symmetric *s, uint8_t to_server[static BLAKE2S_LEN], uint8_t to_client[static BLAKE2S_LEN])
{
	blake2s_hkdf(s->ck, (struct bytes){ 0 }, to_server, to_client);
}

void noise_keys_wipe(struct noise_keys *k)
{
	secret_wipe(k, sizeof *k);
}

static struct machine_private ephemeral_or_new(const struct machine_private *given)
{
	struct machine_private e;

	if (given)
		return *given;
	machine_private_new(&e);
	return e;
}

/* --- server ------------------------------------------------------------------------------- */

static unsigned u16_at(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

enum status noise_initiation_check(struct bytes in, uint16_t *version_out)
{
	if (in.n != NOISE_INITIATION_LEN || in.p[2] != INIT_TYPE || u16_at(in.p + 3) != NOISE_INITIATION_LEN - INIT_HEADER_LEN)
		return ST_BAD_INPUT;
	*version_out = (uint16_t)u16_at(in.p);
	return ST_OK;
}

/* <- e, es, s, ss */
static enum status read_initiation(struct symmetric *s, const struct machine_private *own, const uint8_t *in,
				   struct noise_keys *keys)
{
	struct machine_key own_public = machine_private_public(own);
	uint8_t nothing[1];
	enum status st;

	begin(s, keys->version, &own_public);
	mix_key(s, in + INIT_EPHEMERAL);
	st = mix_dh(s, own, in + INIT_EPHEMERAL);
	if (st == ST_OK)
		st = open_sealed(s, bytes_of(in + INIT_STATIC, KEY_LEN + AEAD_TAG_LEN), keys->peer.b);
	if (st == ST_OK)
		st = mix_dh(s, own, keys->peer.b);
	if (st == ST_OK)
		st = open_sealed(s, bytes_of(in + INIT_TAG, AEAD_TAG_LEN), nothing);
	return st;
}

/* -> e, ee, se */
static enum status write_response(struct symmetric *s, const struct machine_private *ephemeral, const uint8_t *client_ephemeral,
				  const struct machine_key *client, uint8_t out[static NOISE_RESPONSE_LEN])
{
	struct machine_key pub = machine_private_public(ephemeral);

	noise_frame_header(NOISE_RESPONSE, NOISE_RESPONSE_LEN - NOISE_HEADER_LEN, out);
	memcpy(out + RESP_EPHEMERAL, pub.b, KEY_LEN);
	mix_key(s, pub.b);
	if (mix_dh(s, ephemeral, client_ephemeral) != ST_OK || mix_dh(s, ephemeral, client->b) != ST_OK)
		return ST_DENIED;
	seal(s, (struct bytes){ 0 }, out + RESP_TAG);
	return ST_OK;
}

enum status noise_respond(const struct machine_private *own, const struct machine_private *ephemeral, struct bytes initiation,
			  uint8_t response_out[static NOISE_RESPONSE_LEN], struct noise_keys *keys_out)
{
	struct machine_private e = { { 0 } };
	struct noise_keys keys = { 0 };
	struct symmetric s;
	uint8_t response[NOISE_RESPONSE_LEN];
	enum status st;

	if (noise_initiation_check(initiation, &keys.version) != ST_OK)
		return ST_BAD_INPUT;
	st = read_initiation(&s, own, initiation.p, &keys);
	if (st != ST_OK)
		goto out;
	e = ephemeral_or_new(ephemeral);
	st = write_response(&s, &e, initiation.p + INIT_EPHEMERAL, &keys.peer, response);
	if (st != ST_OK)
		goto out;
	split(&s, keys.receive, keys.send);
	memcpy(keys.hash, s.h, sizeof keys.hash);
	memcpy(response_out, response, sizeof response);
	*keys_out = keys;
out:
	secret_wipe(&e, sizeof e);
	secret_wipe(&s, sizeof s);
	noise_keys_wipe(&keys);
	return st;
}

/* --- client ------------------------------------------------------------------------------- */

enum status noise_initiate(struct noise_initiator *i, uint16_t version, const struct machine_private *own,
			   const struct machine_private *ephemeral, const struct machine_key *server,
			   uint8_t out[static NOISE_INITIATION_LEN])
{
	struct machine_key own_public = machine_private_public(own), pub;
	struct symmetric s;
	enum status st;

	*i = (struct noise_initiator){ .own = *own, .ephemeral = ephemeral_or_new(ephemeral), .server = *server, .version = version };
	pub = machine_private_public(&i->ephemeral);
	out[0] = (uint8_t)(version >> 8);
	out[1] = (uint8_t)version;
	out[2] = INIT_TYPE;
	out[3] = 0;
	out[4] = NOISE_INITIATION_LEN - INIT_HEADER_LEN;
	memcpy(out + INIT_EPHEMERAL, pub.b, KEY_LEN);
	begin(&s, version, server);
	mix_key(&s, pub.b);
	st = mix_dh(&s, &i->ephemeral, server->b);
	if (st == ST_OK) {
		seal(&s, bytes_of(own_public.b, KEY_LEN), out + INIT_STATIC);
		st = mix_dh(&s, own, server->b);
	}
	if (st == ST_OK) {
		seal(&s, (struct bytes){ 0 }, out + INIT_TAG);
		memcpy(i->h, s.h, sizeof i->h);
		memcpy(i->ck, s.ck, sizeof i->ck);
	} else {
		noise_initiator_wipe(i);
	}
	secret_wipe(&s, sizeof s);
	return st == ST_OK ? ST_OK : ST_BAD_INPUT;
}

enum status noise_initiator_finish(struct noise_initiator *i, struct bytes response, struct noise_keys *keys_out)
{
	struct symmetric s = { 0 };
	struct noise_frame f;
	uint8_t nothing[1];
	enum status st;
	size_t used;

	if (response.n != NOISE_RESPONSE_LEN || noise_frame_parse(response, &f, &used) != ST_OK ||
	    f.type != NOISE_RESPONSE || used != NOISE_RESPONSE_LEN)
		return ST_BAD_INPUT;
	memcpy(s.h, i->h, sizeof s.h);
	memcpy(s.ck, i->ck, sizeof s.ck);
	mix_key(&s, response.p + RESP_EPHEMERAL);
	st = mix_dh(&s, &i->ephemeral, response.p + RESP_EPHEMERAL);
	if (st == ST_OK)
		st = mix_dh(&s, &i->own, response.p + RESP_EPHEMERAL);
	if (st == ST_OK)
		st = open_sealed(&s, bytes_of(response.p + RESP_TAG, AEAD_TAG_LEN), nothing);
	if (st == ST_OK) {
		keys_out->version = i->version;
		keys_out->peer = i->server;
		split(&s, keys_out->send, keys_out->receive);
		memcpy(keys_out->hash, s.h, sizeof keys_out->hash);
	}
	secret_wipe(&s, sizeof s);
	return st;
}

void noise_initiator_wipe(struct noise_initiator *i)
{
	secret_wipe(i, sizeof *i);
}
