/*
 * acme/challenges.h -- the answers to challenges under way, between the thread that orders and the loops that serve.
 */
#ifndef ACME_CHALLENGES_H
#define ACME_CHALLENGES_H

#include "net/tls.h"

struct acme_challenges;

/** Returned. All functions but free: any thread. */
struct acme_challenges *acme_challenges_new(void);
void acme_challenges_free(struct acme_challenges **c);

/** Answer /.well-known/acme-challenge/<token> with this text. Both are copied. */
void acme_challenges_add_http(struct acme_challenges *c, const char *token, const char *text);
/** Answer handshakes of a validation of `name` with this certificate; a reference is taken for it. */
void acme_challenges_add_tls(struct acme_challenges *c, const char *name, struct net_tls_cert *cert);
void acme_challenges_clear(struct acme_challenges *c);

/** The text for a token, on the heap; returned (free()). NULL: none. */
char *acme_challenges_http(struct acme_challenges *c, const char *token);
/** A reference, or NULL. name: lower case. */
struct net_tls_cert *acme_challenges_tls(struct acme_challenges *c, const char *name);

#endif
