/* state/records.c -- see state/records.h. */
#include "state/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

/* Everything but the count, which may be changing on other threads. */
#define COPY_BODY(to, from) \
	memcpy((char *)(to) + sizeof(to)->refs, (const char *)(from) + sizeof(from)->refs, sizeof *(to) - sizeof(to)->refs)

void preauth_key_mask(const struct preauth_key *k, char out[static KEY_SECRET_TEXT_MAX])
{
	bool legacy = strncmp(k->name, "legacy-", 7) == 0;

	snprintf(out, KEY_SECRET_TEXT_MAX, legacy ? "%s***" : "hskey-auth-%s-***", k->name);
}

void api_key_mask(const struct api_key *k, char out[static KEY_SECRET_TEXT_MAX])
{
	const char *what = k->kind == API_CLIENT ? "client" : k->kind == API_TOKEN ? "oauthtok" : "api";

	if (k->kind == API_KEY && strlen(k->name) != 12)
		snprintf(out, KEY_SECRET_TEXT_MAX, "%s***", k->name); /* of the oldest form */
	else
		snprintf(out, KEY_SECRET_TEXT_MAX, "hskey-%s-%s-***", what, k->name);
}

struct preauth_key *preauth_key_new(void)
{
	struct preauth_key *k = xcalloc(1, sizeof *k);

	atomic_init(&k->refs, 1);
	k->description = xstrdup("");
	k->created_ns = k->expires_ns = k->revoked_ns = TIME_NONE;
	return k;
}

struct preauth_key *preauth_key_copy(const struct preauth_key *k)
{
	struct preauth_key *c = xmalloc(sizeof *c);

	COPY_BODY(c, k);
	atomic_init(&c->refs, 1);
	c->description = xstrdup(k->description);
	str_list_ref(c->tags);
	return c;
}

struct preauth_key *preauth_key_ref(struct preauth_key *k)
{
	if (k != NULL)
		atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
	return k;
}

void preauth_key_unref(struct preauth_key **kp)
{
	struct preauth_key *k = *kp;

	*kp = NULL;
	if (k == NULL || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(k->description);
	str_list_unref(&k->tags);
	free(k);
}

struct api_key *api_key_new(void)
{
	struct api_key *k = xcalloc(1, sizeof *k);

	atomic_init(&k->refs, 1);
	k->description = xstrdup("");
	k->created_ns = k->expires_ns = k->revoked_ns = k->last_used_ns = TIME_NONE;
	return k;
}

struct api_key *api_key_copy(const struct api_key *k)
{
	struct api_key *c = xmalloc(sizeof *c);

	COPY_BODY(c, k);
	atomic_init(&c->refs, 1);
	c->description = xstrdup(k->description);
	str_list_ref(c->scopes);
	str_list_ref(c->tags);
	return c;
}

struct api_key *api_key_ref(struct api_key *k)
{
	if (k != NULL)
		atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
	return k;
}

void api_key_unref(struct api_key **kp)
{
	struct api_key *k = *kp;

	*kp = NULL;
	if (k == NULL || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(k->description);
	str_list_unref(&k->scopes);
	str_list_unref(&k->tags);
	free(k);
}

struct pending *pending_new(void)
{
	struct pending *p = xcalloc(1, sizeof *p);

	atomic_init(&p->refs, 1);
	p->hostname = xstrdup("");
	p->created_ns = p->expires_ns = p->key_expiry_ns = TIME_NONE;
	return p;
}

struct pending *pending_copy(const struct pending *p)
{
	struct pending *c = xmalloc(sizeof *c);

	COPY_BODY(c, p);
	atomic_init(&c->refs, 1);
	c->hostname = xstrdup(p->hostname);
	shared_bytes_ref(c->hostinfo);
	return c;
}

struct pending *pending_ref(struct pending *p)
{
	if (p != NULL)
		atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void pending_unref(struct pending **pp)
{
	struct pending *p = *pp;

	*pp = NULL;
	if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(p->hostname);
	shared_bytes_unref(&p->hostinfo);
	free(p);
}
