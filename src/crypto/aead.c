/*
 * crypto/aead.c -- see crypto/aead.h.
 *
 * OpenSSL, whose assembler is the fastest at hand. A context of OpenSSL takes a kilobyte, and a server holds two keys for
 * each of its clients; so there is one context a thread and direction, made at its first use, and each message sets key
 * and nonce, which neither allocates nor looks up the algorithm. (Setting the key copies 32 bytes; measured, it is lost in
 * the noise.) The last key stays in it until the next message or the end of the thread.
 */
#include "crypto/aead.h"

#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"
#include "crypto/secret.h"

#define PLAIN_MAX ((size_t)1 << 30)

struct aead {
	uint8_t key[AEAD_KEY_LEN];
	int seal;
};

static EVP_CIPHER *algorithm;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t contexts_key; /* frees `contexts` when a thread ends */
static _Thread_local EVP_CIPHER_CTX *contexts[2]; /* to open, to seal */

static void free_contexts(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2; i++) {
		EVP_CIPHER_CTX_free(contexts[i]);
		contexts[i] = NULL;
	}
}

static void free_contexts_of_main(void)
{
	free_contexts(NULL);
}

static void fetch(void)
{
	if (pthread_key_create(&contexts_key, free_contexts) != 0)
		abort();
	algorithm = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	if (!algorithm) {
		fputs("OpenSSL offers no ChaCha20-Poly1305\n", stderr);
		abort();
	}
	/* The first thread does not end, it exits. After OpenSSL's own function for that, that is to say before it. */
	atexit(free_contexts_of_main);
}

static EVP_CIPHER_CTX *context(const struct aead *a)
{
	EVP_CIPHER_CTX **ctx = &contexts[a->seal];

	if (*ctx)
		return *ctx;
	*ctx = EVP_CIPHER_CTX_new();
	if (!*ctx || !EVP_CipherInit_ex2(*ctx, algorithm, NULL, NULL, a->seal, NULL) ||
	    pthread_setspecific(contexts_key, contexts) != 0)
		abort();
	return *ctx;
}

static struct aead *make(const uint8_t key[static AEAD_KEY_LEN], int seal)
{
	struct aead *a = xmalloc(sizeof *a);

	pthread_once(&once, fetch);
	memcpy(a->key, key, AEAD_KEY_LEN);
	a->seal = seal;
	return a;
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
	if (*a)
		secret_wipe(*a, sizeof **a);
	free(*a);
	*a = NULL;
}

/* Everything but the tag. Failures here are ours: lengths were bounded, the context is good. */
static void run(EVP_CIPHER_CTX *ctx, const struct aead *a, const uint8_t *nonce, struct bytes ad, struct bytes in, uint8_t *out)
{
	int n;

	if (!EVP_CipherInit_ex2(ctx, NULL, a->key, nonce, -1, NULL))
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
	run(ctx, a, nonce, ad, plain, out);
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
	run(ctx, a, nonce, ad, body, out);
	if (!EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_LEN, tag))
		abort();
	if (EVP_CipherFinal_ex(ctx, rest, &n))
		return ST_OK;
	if (body.n)
		memset(out, 0, body.n); /* never hand out what was not authentic */
	return ST_BAD_INPUT;
}
