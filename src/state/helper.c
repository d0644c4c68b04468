/*
 * state/helper.c -- secrets against their hashes; slow hashes of imported keys on a thread of their own.
 */
#include <crypt.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "state/state_priv.h"

#define HELPER_MAX 64 /* commands waiting */

void secret_hash_sha256(struct bytes secret, struct secret_hash *out)
{
	out->form = SECRET_SHA256;
	out->n = SHA256_LEN;
	sha256(secret, out->b);
}

bool secret_matches(const struct secret_hash *h, struct bytes secret, bool *needs_helper)
{
	uint8_t got[SHA256_LEN];

	*needs_helper = h->form != SECRET_SHA256;
	if (*needs_helper)
		return false;
	sha256(secret, got);
	return secret_equal(bytes_of(got, sizeof got), bytes_of(h->b, h->n));
}

static bool slow_match(const struct secret_hash *h, const char *secret)
{
	char text[SECRET_HASH_MAX + 1];
	struct crypt_data *data;
	const char *got;
	bool ok;

	mem_copy(text, h->b, h->n);
	text[h->n] = '\0';
	if (h->form == SECRET_ARGON2ID)
		return crypto_pwhash_argon2id_str_verify(text, secret, strlen(secret)) == 0;
	data = xcalloc(1, sizeof *data);
	got = crypt_rn(secret, text, data, sizeof *data);
	ok = got != NULL && secret_equal(bytes_of_str(got), bytes_of_str(text));
	secret_wipe(data, sizeof *data);
	free(data);
	return ok;
}

/* Its own thread: a bcrypt hash costs some 60 ms. A command goes round through it at most once. */
void *helper_main(void *arg)
{
	struct state *st = arg;

	for (;;) {
		struct command *c;

		pthread_mutex_lock(&st->lock);
		while (st->helper_first == NULL && !st->closing)
			pthread_cond_wait(&st->helper_wake, &st->lock);
		c = st->helper_first;
		if (c != NULL) {
			st->helper_first = c->next;
			st->helper_n--;
		}
		pthread_mutex_unlock(&st->lock);
		if (c == NULL)
			return NULL;
		if (!slow_match(&c->bcrypt_hash, c->bcrypt_secret))
			c->bcrypt_key = UINT64_MAX; /* looked at, and wrong */
		c->needs_bcrypt = false;
		pthread_mutex_lock(&st->lock);
		queue_push(&st->inbox, c); /* also when closing: the writer answers it */
		pthread_cond_signal(&st->wake);
		pthread_mutex_unlock(&st->lock);
	}
}

bool helper_take(struct state *st, struct command *c)
{
	bool taken = false;

	pthread_mutex_lock(&st->lock);
	if (st->helper_runs && !st->closing && st->helper_n < HELPER_MAX) {
		struct command **at = &st->helper_first;

		while (*at != NULL)
			at = &(*at)->next;
		c->next = NULL;
		*at = c;
		st->helper_n++;
		taken = true;
		pthread_cond_signal(&st->helper_wake);
	}
	pthread_mutex_unlock(&st->lock);
	return taken;
}
