/* state/settings.c -- see state/settings.h. */
#include "state/settings.h"

#include <stdlib.h>

#include "base/vec.h"

void settings_set_text(char **field, const char *s)
{
	char *copy = xstrdup(s ? s : "");

	free(*field);
	*field = copy;
}

struct dns_settings *dns_settings_new(void)
{
	struct dns_settings *d = xcalloc(1, sizeof *d);

	atomic_init(&d->refs, 1);
	d->base_domain = xstrdup("");
	return d;
}

struct dns_settings *dns_settings_ref(struct dns_settings *d)
{
	if (d != NULL)
		atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
	return d;
}

void dns_settings_unref(struct dns_settings **dp)
{
	struct dns_settings *d = *dp;

	*dp = NULL;
	if (d == NULL || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(d->base_domain);
	str_list_unref(&d->servers);
	str_list_unref(&d->search);
	for (size_t i = 0; i < d->n_splits; i++) {
		free(d->splits[i].domain);
		str_list_unref(&d->splits[i].servers);
	}
	free(d->splits);
	for (size_t i = 0; i < d->n_records; i++) {
		free(d->records[i].name);
		free(d->records[i].type);
		free(d->records[i].value);
	}
	free(d->records);
	free(d);
}

bool dns_settings_eq(const struct dns_settings *a, const struct dns_settings *b)
{
	if (a == b)
		return true;
	if (a->magic_dns != b->magic_dns || a->override_local_dns != b->override_local_dns ||
	    strcmp(a->base_domain, b->base_domain) != 0 || !str_list_eq(a->servers, b->servers) ||
	    !str_list_eq(a->search, b->search) || a->n_splits != b->n_splits || a->n_records != b->n_records)
		return false;
	for (size_t i = 0; i < a->n_splits; i++)
		if (strcmp(a->splits[i].domain, b->splits[i].domain) != 0 ||
		    !str_list_eq(a->splits[i].servers, b->splits[i].servers))
			return false;
	for (size_t i = 0; i < a->n_records; i++)
		if (strcmp(a->records[i].name, b->records[i].name) != 0 ||
		    strcmp(a->records[i].type, b->records[i].type) != 0 ||
		    strcmp(a->records[i].value, b->records[i].value) != 0)
			return false;
	return true;
}

void dns_settings_add_split(struct dns_settings *d, const char *domain, struct str_list *servers_taken)
{
	size_t at = 0;

	while (at < d->n_splits && strcmp(d->splits[at].domain, domain) < 0)
		at++;
	d->splits = xreallocarray(d->splits, d->n_splits + 1, sizeof d->splits[0]);
	memmove(d->splits + at + 1, d->splits + at, (d->n_splits - at) * sizeof d->splits[0]);
	d->splits[at] = (struct dns_split){ xstrdup(domain), servers_taken };
	d->n_splits++;
}

void dns_settings_add_record(struct dns_settings *d, const char *name, const char *type, const char *value)
{
	d->records = xreallocarray(d->records, d->n_records + 1, sizeof d->records[0]);
	d->records[d->n_records++] =
		(struct dns_record){ xstrdup(name), xstrdup(type ? type : ""), xstrdup(value) };
}

struct tailnet_settings *tailnet_settings_new(void)
{
	struct tailnet_settings *s = xcalloc(1, sizeof *s);

	atomic_init(&s->refs, 1);
	s->name = xstrdup("");
	s->server_url = xstrdup("");
	s->client_latest = xstrdup("");
	s->client_minimum = xstrdup("");
	s->file_sharing = true;
	return s;
}

struct tailnet_settings *tailnet_settings_ref(struct tailnet_settings *s)
{
	if (s != NULL)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void tailnet_settings_unref(struct tailnet_settings **sp)
{
	struct tailnet_settings *s = *sp;

	*sp = NULL;
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(s->name);
	free(s->server_url);
	free(s->client_latest);
	free(s->client_minimum);
	free(s);
}

bool tailnet_settings_eq(const struct tailnet_settings *a, const struct tailnet_settings *b)
{
	return a == b ||
	       (strcmp(a->name, b->name) == 0 && strcmp(a->server_url, b->server_url) == 0 &&
		ip_prefix_eq(&a->prefix4, &b->prefix4) && ip_prefix_eq(&a->prefix6, &b->prefix6) &&
		a->random_addresses == b->random_addresses && a->key_lifetime_ns == b->key_lifetime_ns &&
		a->auto_update == b->auto_update && a->file_sharing == b->file_sharing && a->logtail == b->logtail &&
		a->https == b->https && a->key_notice_ns == b->key_notice_ns &&
		strcmp(a->client_latest, b->client_latest) == 0 && strcmp(a->client_minimum, b->client_minimum) == 0);
}
