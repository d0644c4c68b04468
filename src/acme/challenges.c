/* acme/challenges.c -- see acme/challenges.h. A handful at most, so a list that is walked. */
#include "acme/challenges.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/vec.h"

struct entry {
	char *key;		   /* token, or name */
	char *text;		   /* of a token; NULL for a name */
	struct net_tls_cert *cert; /* of a name; one reference */
};

struct acme_challenges {
	pthread_mutex_t lock; /* guards the rest */
	VEC(struct entry) all;
};

struct acme_challenges *acme_challenges_new(void)
{
	struct acme_challenges *c = xcalloc(1, sizeof *c);

	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void acme_challenges_free(struct acme_challenges **cp)
{
	struct acme_challenges *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	acme_challenges_clear(c);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void add(struct acme_challenges *c, struct entry e)
{
	pthread_mutex_lock(&c->lock);
	vec_push(&c->all, e);
	pthread_mutex_unlock(&c->lock);
}

void acme_challenges_add_http(struct acme_challenges *c, const char *token, const char *text)
{
	add(c, (struct entry){ .key = xstrdup(token), .text = xstrdup(text) });
}

void acme_challenges_add_tls(struct acme_challenges *c, const char *name, struct net_tls_cert *cert)
{
	add(c, (struct entry){ .key = xstrdup(name), .cert = net_tls_cert_ref(cert) });
}

void acme_challenges_clear(struct acme_challenges *c)
{
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->all.n; i++) {
		free(c->all.v[i].key);
		free(c->all.v[i].text);
		net_tls_cert_unref(&c->all.v[i].cert);
	}
	vec_release(&c->all);
	pthread_mutex_unlock(&c->lock);
}

/* The newest with this key; the lock is held. */
static const struct entry *find(const struct acme_challenges *c, const char *key, bool text)
{
	for (size_t i = c->all.n; i-- > 0;)
		if ((c->all.v[i].text != NULL) == text && strcmp(c->all.v[i].key, key) == 0)
			return &c->all.v[i];
	return NULL;
}

char *acme_challenges_http(struct acme_challenges *c, const char *token)
{
	const struct entry *e;
	char *text;

	pthread_mutex_lock(&c->lock);
	e = find(c, token, true);
	text = e != NULL ? xstrdup(e->text) : NULL;
	pthread_mutex_unlock(&c->lock);
	return text;
}

struct net_tls_cert *acme_challenges_tls(struct acme_challenges *c, const char *name)
{
	const struct entry *e;
	struct net_tls_cert *cert;

	pthread_mutex_lock(&c->lock);
	e = find(c, name, false);
	cert = e != NULL ? net_tls_cert_ref(e->cert) : NULL;
	pthread_mutex_unlock(&c->lock);
	return cert;
}
