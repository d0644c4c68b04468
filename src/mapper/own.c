/*
 * mapper/own.c -- what is one node's alone: itself, its packet filter, its SSH rules, its DNS.
 *
 * A `Node`, DNS or SSH member makes the client rebuild its whole map, so each goes out only if it is different.
 */
#include "mapper/mapper_priv.h"

#include "state/settings.h"

static void put_ssh(struct work *wk, struct jw *w, const struct snapshot *s, node_id id)
{
	jw_key(w, "SSHPolicy");
	jw_obj_begin(w);
	jw_key(w, "rules");
	wk->x->ops->ssh_write(wk->x->arg, s, id, w);
	jw_obj_end(w);
}

static void put_node(struct work *wk, struct jw *w, const struct snapshot *s, const struct node *n)
{
	jw_key(w, "Node");
	encode_self(wk, w, s, n, false);
}

static const char *domain_of(const struct snapshot *s)
{
	return s->settings != NULL && s->settings->name != NULL ? s->settings->name : "";
}

static bool logs_off(const struct snapshot *s)
{
	return s->settings == NULL || !s->settings->logtail;
}

static void put_debug(struct jw *w)
{
	jw_key(w, "Debug");
	jw_raw(w, BYTES_LIT("{\"DisableLogTail\":true}"));
}

void own_messages(struct jw *w, const struct map_message *m, size_t n, uint32_t cap)
{
	jw_key(w, cap >= MAP_CAP_MESSAGES ? "DisplayMessages" : "Health");
	if (cap >= MAP_CAP_MESSAGES)
		map_messages_write(m, n, w);
	else
		map_health_write(m, n, w);
}

void own_first(struct work *wk, const struct snapshot *s, const struct node *n, const struct map_client *client, struct buf *text)
{
	const struct access *x = wk->x;
	const struct policy_chunk *chunks = NULL;
	size_t count = x->ops->chunks(x->arg, s, n->id, wk->a, &chunks);
	struct jw w;

	jw_init(&w, text);
	jw_obj_begin(&w);
	put_node(wk, &w, s, n);
	jw_kstr(&w, "Domain", domain_of(s));
	jw_kbool(&w, "CollectServices", false);
	jw_key(&w, "PacketFilters");
	jw_obj_begin(&w);
	for (size_t i = 0; i < count; i++) {
		jw_key(&w, chunks[i].name);
		x->ops->chunk_write(x->arg, s, n->id, &chunks[i], &w);
	}
	jw_obj_end(&w);
	put_ssh(wk, &w, s, n->id);
	jw_ktime(&w, "ControlTime", clock_unix_ns());
	if (logs_off(s))
		put_debug(&w);
	if (client->n_messages > 0)
		own_messages(&w, client->messages, client->n_messages, client->cap);
	if (client->version != NULL) {
		jw_key(&w, "ClientVersion");
		map_client_version_write(client->version, &w);
	}
}

/* ---- the packet filter: chunk by chunk -------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct policy_chunk *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static const struct policy_chunk **sorted_chunks(struct work *wk, const struct snapshot *s, node_id id, size_t *n_out)
{
	const struct policy_chunk *v = NULL, **p;
	size_t n = wk->x->ops->chunks(wk->x->arg, s, id, wk->a, &v);

	p = ARENA_ARRAY(wk->a, const struct policy_chunk *, n);
	for (size_t i = 0; i < n; i++)
		p[i] = &v[i];
	if (n > 1)
		qsort(p, n, sizeof(struct policy_chunk *), by_name);
	*n_out = n;
	return p;
}

static bool put_filter(struct work *wk, struct jw *w, const struct snapshot *then, const struct snapshot *now, node_id id)
{
	const struct access *x = wk->x;
	size_t n, m, i = 0, k = 0;
	const struct policy_chunk **a, **b;
	bool any = false;

	/* Another policy may say the same under other names: what the client has is by name, so then each is looked at. */
	if (x->ops->same_classes(x->arg, then, now) &&
	    x->ops->digest(x->arg, then, id, POLICY_ASPECT_FILTER) == x->ops->digest(x->arg, now, id, POLICY_ASPECT_FILTER))
		return false;
	a = sorted_chunks(wk, then, id, &n);
	b = sorted_chunks(wk, now, id, &m);
	while (i < n || k < m) {
		int c = i == n ? 1 : k == m ? -1 : strcmp(a[i]->name, b[k]->name);

		if (c != 0 || a[i]->digest != b[k]->digest) {
			if (!any) {
				jw_key(w, "PacketFilters");
				jw_obj_begin(w);
			}
			any = true;
			jw_key(w, c < 0 ? a[i]->name : b[k]->name);
			if (c < 0)
				jw_null(w);
			else
				x->ops->chunk_write(x->arg, now, id, b[k], w);
		}
		i += c <= 0;
		k += c >= 0;
	}
	if (any)
		jw_obj_end(w);
	return any;
}

/* ---- DNS -------------------------------------------------------------------------------------------- */

static bool same_prefixes(const struct snapshot *a, const struct snapshot *b)
{
	return a->settings == b->settings || (a->settings != NULL && b->settings != NULL &&
					      ip_prefix_eq(&a->settings->prefix4, &b->settings->prefix4) &&
					      ip_prefix_eq(&a->settings->prefix6, &b->settings->prefix6));
}

static bool same_common_dns(const struct snapshot *a, const struct snapshot *b)
{
	return same_prefixes(a, b) && (a->dns == b->dns || (a->dns != NULL && b->dns != NULL && dns_settings_eq(a->dns, b->dns)));
}

static void put_dns(struct work *wk, struct jw *w, const struct snapshot *then, const struct node *x, const struct snapshot *now,
		    const struct node *y, enum map_format f, struct own_out *out)
{
	struct buf a, b;
	struct jw j;

	if (dns_is_common(wk, then, x) && dns_is_common(wk, now, y)) {
		if (!same_common_dns(then, now))
			out->extra[out->n_extra++] = world_dns(wk, now, f);
		return;
	}
	buf_init(&a, 1 << 24);
	buf_init(&b, 1 << 24);
	jw_init(&j, &a);
	encode_dns(wk, &j, then, x);
	jw_init(&j, &b);
	encode_dns(wk, &j, now, y);
	if (!bytes_eq(buf_bytes(&a), buf_bytes(&b))) {
		jw_key(w, "DNSConfig");
		jw_raw(w, buf_bytes(&b));
	}
	buf_release(&a);
	buf_release(&b);
}

/* ---- all of it ------------------------------------------------------------------------------------------ */

static bool same_derp(const struct snapshot *a, const struct snapshot *b)
{
	return a->derp_map == b->derp_map || bytes_eq(shared_bytes_view(a->derp_map), shared_bytes_view(b->derp_map));
}

static bool profile_changed(const struct snapshot *a, const struct snapshot *b, const struct node *x, const struct node *y)
{
	return wire_user(x) != wire_user(y) ||
	       (a->users != b->users && !node_is_tagged(y) && snapshot_user(a, y->user) != snapshot_user(b, y->user));
}

void own_delta(struct work *wk, const struct snapshot *then, const struct snapshot *now, node_id id,
	       const struct own_want *want, enum map_format f, struct buf *text, struct own_out *out)
{
	const struct node *x = snapshot_node(then, id), *y = snapshot_node(now, id);
	const struct access *ac = wk->x;
	bool node;
	struct jw w;

	*out = (struct own_out){ 0 };
	jw_init(&w, text);
	w.comma = true;
	node = want->self && !self_same(wk, then, x, now, y);
	/* A client that keeps its map on disk keeps a filter only together with its node. */
	if (want->filter && put_filter(wk, &w, then, now, id))
		node |= ac->ops->has_attr(ac->arg, now, id, "cache-network-maps");
	if (node) {
		put_node(wk, &w, now, y);
		mapper_count(wk->m, COUNT_SELF, 1);
	}
	if (want->ssh &&
	    ac->ops->digest(ac->arg, then, id, POLICY_ASPECT_SSH) != ac->ops->digest(ac->arg, now, id, POLICY_ASPECT_SSH))
		put_ssh(wk, &w, now, id);
	if (!same_derp(then, now))
		out->extra[out->n_extra++] = world_derp(wk, now, f);
	if (then->dns != now->dns || then->settings != now->settings || want->apps || node)
		put_dns(wk, &w, then, x, now, y, f, out);
	if (then->settings != now->settings) {
		if (strcmp(domain_of(then), domain_of(now)) != 0)
			jw_kstr(&w, "Domain", domain_of(now));
		if (logs_off(now) && !logs_off(then))
			put_debug(&w);
	}
	out->profile = profile_changed(then, now, x, y);
}
