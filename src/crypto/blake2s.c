/* crypto/blake2s.c -- see crypto/blake2s.h. The algorithm is fetched once: a fetch costs more than a hash. */
#include "crypto/blake2s.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/secret.h"

#define BLOCK 64

static EVP_MD *algorithm;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
	algorithm = EVP_MD_fetch(NULL, "BLAKE2S-256", NULL);
	if (!algorithm) {
		fputs("OpenSSL offers no BLAKE2s-256\n", stderr);
		abort();
	}
}

static void hash3(struct bytes a, struct bytes b, struct bytes c, uint8_t out[static BLAKE2S_LEN])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	pthread_once(&once, fetch);
	if (!ctx || !EVP_DigestInit_ex2(ctx, algorithm, NULL) || !EVP_DigestUpdate(ctx, a.p, a.n) ||
	    !EVP_DigestUpdate(ctx, b.p, b.n) || !EVP_DigestUpdate(ctx, c.p, c.n) || !EVP_DigestFinal_ex(ctx, out, NULL))
		abort();
	EVP_MD_CTX_free(ctx); /* wipes its state */
}

void blake2s(struct bytes a, struct bytes b, uint8_t out[static BLAKE2S_LEN])
{
	hash3(a, b, (struct bytes){ 0 }, out);
}

void blake2s_hmac(const uint8_t key[static BLAKE2S_LEN], struct bytes a, struct bytes b, uint8_t out[static BLAKE2S_LEN])
{
	uint8_t pad[BLOCK], inner[BLAKE2S_LEN];

	for (size_t i = 0; i < BLOCK; i++)
		pad[i] = (uint8_t)((i < BLAKE2S_LEN ? key[i] : 0) ^ 0x36);
	hash3(bytes_of(pad, BLOCK), a, b, inner);
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	hash3(bytes_of(pad, BLOCK), bytes_of(inner, sizeof inner), (struct bytes){ 0 }, out);
	secret_wipe(pad, sizeof pad);
	secret_wipe(inner, sizeof inner);
}

void blake2s_hkdf(const uint8_t salt[static BLAKE2S_LEN], struct bytes ikm, uint8_t out1[static BLAKE2S_LEN],
		  uint8_t out2[static BLAKE2S_LEN])
{
	uint8_t prk[BLAKE2S_LEN];

	blake2s_hmac(salt, ikm, (struct bytes){ 0 }, prk);
	blake2s_hmac(prk, BYTES_LIT("\x01"), (struct bytes){ 0 }, out1);
	blake2s_hmac(prk, bytes_of(out1, BLAKE2S_LEN), BYTES_LIT("\x02"), out2);
	secret_wipe(prk, sizeof prk);
}
