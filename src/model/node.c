/* model/node.c -- see model/node.h. */
#include "model/node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"

struct node *node_new(void)
{
	struct node *n = xcalloc(1, sizeof *n);

	atomic_init(&n->refs, 1);
	n->key_expiry_ns = n->created_ns = n->last_seen_ns = TIME_NONE;
	return n;
}

struct node *node_copy(const struct node *n)
{
	struct node *c = xmalloc(sizeof *c);

	/* Not *c = *n: the count of the original may be changing on other threads. */
	memcpy((char *)c + sizeof c->refs, (const char *)n + sizeof n->refs, sizeof *c - sizeof c->refs);
	atomic_init(&c->refs, 1);
	c->hostname = xstrdup(n->hostname);
	c->name = xstrdup(n->name);
	str_list_ref(c->tags);
	prefix_list_ref(c->announced_routes);
	prefix_list_ref(c->approved_routes);
	str_list_ref(c->request_tags);
	str_list_ref(c->ssh_host_keys);
	endpoint_list_ref(c->endpoints);
	shared_bytes_ref(c->hostinfo);
	shared_bytes_ref(c->hostinfo_peer);
	return c;
}

struct node *node_ref(struct node *n)
{
	if (n != NULL)
		atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
	return n;
}

void node_unref(struct node **n)
{
	struct node *old = *n;

	*n = NULL;
	if (old == NULL || atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(old->hostname);
	free(old->name);
	str_list_unref(&old->tags);
	prefix_list_unref(&old->announced_routes);
	prefix_list_unref(&old->approved_routes);
	str_list_unref(&old->request_tags);
	str_list_unref(&old->ssh_host_keys);
	endpoint_list_unref(&old->endpoints);
	shared_bytes_unref(&old->hostinfo);
	shared_bytes_unref(&old->hostinfo_peer);
	free(old);
}

static void set_text(char **field, const char *s)
{
	char *copy = xstrdup(s ? s : "");

	free(*field);
	*field = copy;
}

void node_set_hostname(struct node *n, const char *s)
{
	set_text(&n->hostname, s);
}

void node_set_name(struct node *n, const char *s)
{
	set_text(&n->name, s);
}

struct user *user_new(void)
{
	struct user *u = xcalloc(1, sizeof *u);

	atomic_init(&u->refs, 1);
	u->name = xstrdup("");
	u->display_name = xstrdup("");
	u->email = xstrdup("");
	u->provider = xstrdup("");
	u->provider_id = xstrdup("");
	u->picture_url = xstrdup("");
	u->created_ns = TIME_NONE;
	return u;
}

struct user *user_copy(const struct user *u)
{
	struct user *c = xcalloc(1, sizeof *c);

	atomic_init(&c->refs, 1);
	c->id = u->id;
	c->tailnet = u->tailnet;
	c->name = xstrdup(u->name);
	c->display_name = xstrdup(u->display_name);
	c->email = xstrdup(u->email);
	c->provider = xstrdup(u->provider);
	c->provider_id = xstrdup(u->provider_id);
	c->picture_url = xstrdup(u->picture_url);
	c->role = u->role;
	c->created_ns = u->created_ns;
	return c;
}

struct user *user_ref(struct user *u)
{
	if (u != NULL)
		atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
	return u;
}

void user_unref(struct user **u)
{
	struct user *old = *u;

	*u = NULL;
	if (old == NULL || atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(old->name);
	free(old->display_name);
	free(old->email);
	free(old->provider);
	free(old->provider_id);
	free(old->picture_url);
	free(old);
}

void user_set_text(char **field, const char *s)
{
	set_text(field, s);
}

const char *user_login(const struct user *u, char buf[static 24])
{
	if (u->email[0] != '\0')
		return u->email;
	if (u->name[0] != '\0')
		return u->name;
	if (u->provider_id[0] != '\0')
		return u->provider_id;
	snprintf(buf, 24, "%" PRIu64, u->id);
	return buf;
}

const char *user_display(const struct user *u, char buf[static 24])
{
	return u->display_name[0] != '\0' ? u->display_name : user_login(u, buf);
}
