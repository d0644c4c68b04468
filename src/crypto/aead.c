/*
 * crypto/aead.c -- see crypto/aead.h.
 *
 * OpenSSL, whose assembler is the fastest at hand. The context is made once with the key; each message
 * sets the nonce alone, which neither allocates nor looks up the algorithm. `struct aead` is that context.
 */
#include "crypto/aead.h"

#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define PLAIN_MAX ((size_t)1 << 30)

static EVP_CIPHER *algorithm;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
	algorithm = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	if (!algorithm) {
		fputs("OpenSSL offers no ChaCha20-Poly1305\n", stderr);
		abort();
	}
}

static EVP_CIPHER_CTX *context(struct aead *a)
{
	return (EVP_CIPHER_CTX *)(void *)a;
}

static struct aead *make(const uint8_t key[static AEAD_KEY_LEN], int seal)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	pthread_once(&once, fetch);
	if (!ctx || !EVP_CipherInit_ex2(ctx, algorithm, key, NULL, seal, NULL))
		abort();
	return (struct aead *)(void *)ctx;
}

struct aead *aead_new_seal(const uint8_t key[static AEAD_KEY_LEN])
{
	return make(key, 1);
}

struct aead *aead_new_open(const uint8_t key[static AEAD_KEY_LEN])
{
	return make(key, 0);
}

void aead_free(struct aead **a)
{
	EVP_CIPHER_CTX_free(context(*a));
	*a = NULL;
}

/* Everything but the tag. Failures here are ours: lengths were bounded, the context is good. */
static void run(EVP_CIPHER_CTX *ctx, const uint8_t *nonce, struct bytes ad, struct bytes in, uint8_t *out)
{
	int n;

	if (!EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, -1, NULL))
		abort();
	if (ad.n && !EVP_CipherUpdate(ctx, NULL, &n, ad.p, (int)ad.n))
		abort();
	if (in.n && (!EVP_CipherUpdate(ctx, out, &n, in.p, (int)in.n) || (size_t)n != in.n))
		abort();
}

void aead_seal(struct aead *a, const uint8_t nonce[static AEAD_NONCE_LEN], struct bytes ad, struct bytes plain, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = context(a);
	int n;

	assert(plain.n <= PLAIN_MAX && ad.n <= PLAIN_MAX);
	run(ctx, nonce, ad, plain, out);
	if (!EVP_CipherFinal_ex(ctx, out + plain.n, &n) ||
	    !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_LEN, out + plain.n))
		abort();
}

enum status aead_open(struct aead *a, const uint8_t nonce[static AEAD_NONCE_LEN], struct bytes ad, struct bytes sealed,
		      uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = context(a);
	uint8_t tag[AEAD_TAG_LEN], rest[AEAD_TAG_LEN];
	struct bytes body;
	int n;

	if (sealed.n < AEAD_TAG_LEN || sealed.n > PLAIN_MAX)
		return ST_BAD_INPUT;
	body = bytes_of(sealed.p, sealed.n - AEAD_TAG_LEN);
	memcpy(tag, sealed.p + body.n, sizeof tag);
	run(ctx, nonce, ad, body, out);
	if (!EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_LEN, tag))
		abort();
	if (EVP_CipherFinal_ex(ctx, rest, &n))
		return ST_OK;
	if (body.n)
		memset(out, 0, body.n); /* never hand out what was not authentic */
	return ST_BAD_INPUT;
}
