/*
 * mapper/encode.c -- nodes, users and changes as clients read them.
 *
 * Nothing here looks at a clock or at who asks beyond the form given: equal arguments, equal bytes. Members that would
 * say nothing are left out, as the client's own types do. Source: docs/wire/map.md, "Node".
 */
#include "mapper/mapper_priv.h"

#include <stdio.h>

#include "state/settings.h"

#define ENDPOINT_TEXT_MAX (IP_TEXT_MAX + 10)

user_id wire_user(const struct node *n)
{
	return node_is_tagged(n) ? USER_TAGGED_DEVICES : n->user;
}

const char *base_domain(const struct snapshot *s)
{
	return s->dns != NULL && s->dns->base_domain != NULL ? s->dns->base_domain : "";
}

static void put_name(struct jw *w, const struct snapshot *s, const struct node *n)
{
	char text[NODE_NAME_MAX + 260];
	const char *base = base_domain(s);

	if (base[0] != '\0')
		snprintf(text, sizeof text, "%s.%s.", n->name, base);
	else
		snprintf(text, sizeof text, "%s", n->name);
	jw_kstr(w, "Name", text);
}

static void put_id(struct jw *w, node_id id)
{
	char text[24];

	jw_ku64(w, "ID", id);
	snprintf(text, sizeof text, "%llu", (unsigned long long)id);
	jw_kstr(w, "StableID", text);
}

static void put_key(struct jw *w, const char *name, enum key_kind kind, const uint8_t b[static KEY_LEN])
{
	char text[KEY_TEXT_MAX];
	size_t n = key_text_format(kind, b, text);

	jw_key(w, name);
	jw_str_bytes(w, bytes_of(text, n));
}

static void put_prefix(struct jw *w, const struct ip_prefix *p)
{
	char text[IP_PREFIX_TEXT_MAX];
	size_t n = ip_prefix_format(p, text);

	jw_str_bytes(w, bytes_of(text, n));
}

static void put_own_prefixes(struct jw *w, const struct node *n, bool hide_ip4)
{
	struct ip_prefix p;

	if (n->ip4.family != IP_NONE && !hide_ip4) {
		p = ip_prefix_of(n->ip4);
		put_prefix(w, &p);
	}
	if (n->ip6.family != IP_NONE) {
		p = ip_prefix_of(n->ip6);
		put_prefix(w, &p);
	}
}

static void put_prefixes(struct jw *w, const char *name, const struct ip_prefix *v, size_t n)
{
	if (n == 0)
		return;
	jw_key(w, name);
	jw_arr_begin(w);
	for (size_t i = 0; i < n; i++)
		put_prefix(w, &v[i]);
	jw_arr_end(w);
}

/* Absent AllowedIPs are the addresses: said only where they are more. */
static void put_allowed(struct jw *w, const struct node *n, const struct policy_peer *form)
{
	if (form->n_routes == 0 && !form->exit_node)
		return;
	jw_key(w, "AllowedIPs");
	jw_arr_begin(w);
	put_own_prefixes(w, n, form->hide_ip4);
	for (size_t i = 0; i < form->n_routes; i++)
		put_prefix(w, &form->routes[i]);
	if (form->exit_node) {
		jw_str(w, "0.0.0.0/0");
		jw_str(w, "::/0");
	}
	jw_arr_end(w);
}

static void put_endpoints(struct jw *w, const struct endpoint_list *l)
{
	jw_key(w, "Endpoints");
	jw_arr_begin(w);
	for (uint32_t i = 0; l != NULL && i < l->n; i++) {
		char ip[IP_TEXT_MAX], text[ENDPOINT_TEXT_MAX];
		const struct endpoint *e = &l->v[i];

		ip_format(&e->addr, ip);
		snprintf(text, sizeof text, e->addr.family == IP_V6 ? "[%s]:%u" : "%s:%u", ip, e->port);
		jw_str(w, text);
	}
	jw_arr_end(w);
}

static void put_tags(struct jw *w, const struct node *n)
{
	if (n->tags == NULL)
		return;
	jw_key(w, "Tags");
	jw_arr_begin(w);
	for (uint32_t i = 0; i < n->tags->n; i++)
		jw_str(w, n->tags->v[i]);
	jw_arr_end(w);
}

/* A client may trip over a node without any Hostinfo: there is always one. */
static void put_hostinfo(struct jw *w, const struct shared_bytes *json)
{
	jw_key(w, "Hostinfo");
	jw_raw(w, json != NULL ? shared_bytes_view(json) : BYTES_LIT("{}"));
}

/* What peers and the node itself are told alike: up to the addresses. */
static void put_identity(struct jw *w, const struct snapshot *s, const struct node *n, int64_t key_expiry_ns, bool hide_ip4)
{
	put_id(w, n->id);
	put_name(w, s, n);
	jw_ku64(w, "User", wire_user(n));
	put_key(w, "Key", KEY_NODE, n->key.b);
	if (key_expiry_ns != TIME_NONE)
		jw_ktime(w, "KeyExpiry", key_expiry_ns);
	put_key(w, "Machine", KEY_MACHINE, n->machine.b);
	if (!disco_key_is_zero(&n->disco))
		put_key(w, "DiscoKey", KEY_DISCO, n->disco.b);
	jw_key(w, "Addresses");
	jw_arr_begin(w);
	put_own_prefixes(w, n, hide_ip4);
	jw_arr_end(w);
}

static void put_presence(struct jw *w, const struct node *n)
{
	jw_kbool(w, "Online", n->online);
	if (!n->online && n->last_seen_ns != TIME_NONE)
		jw_ktime(w, "LastSeen", n->last_seen_ns);
}

void encode_peer(struct jw *w, const struct snapshot *s, const struct node *n, const struct policy_peer *form)
{
	jw_obj_begin(w);
	put_identity(w, s, n, n->key_expiry_ns, form->hide_ip4);
	put_allowed(w, n, form);
	if (n->endpoints != NULL && n->endpoints->n > 0)
		put_endpoints(w, n->endpoints);
	if (n->home_derp != 0)
		jw_ku64(w, "HomeDERP", n->home_derp);
	put_hostinfo(w, n->hostinfo_peer);
	if (n->created_ns != TIME_NONE)
		jw_ktime(w, "Created", n->created_ns);
	if (n->cap != 0)
		jw_ku64(w, "Cap", n->cap);
	put_tags(w, n);
	put_prefixes(w, "PrimaryRoutes", form->routes, form->n_routes);
	put_presence(w, n);
	jw_kbool(w, "MachineAuthorized", true);
	if (form->suggest_exit_node) {
		jw_key(w, "CapMap");
		jw_raw(w, BYTES_LIT("{\"suggest-exit-node\":null}"));
	}
	if (n->expired)
		jw_kbool(w, "Expired", true);
	jw_obj_end(w);
}

static void put_self_allowed(struct jw *w, const struct node *n, const struct policy_self *self)
{
	jw_key(w, "AllowedIPs");
	jw_arr_begin(w);
	put_own_prefixes(w, n, self->hide_ip4);
	for (size_t i = 0; i < self->n_routes; i++)
		put_prefix(w, &self->routes[i]);
	jw_arr_end(w);
}

void encode_self(struct work *wk, struct jw *w, const struct snapshot *s, const struct node *n, bool gone)
{
	struct policy_self self = { 0 };

	(void)wk->x->ops->self_get(wk->x->arg, s, n->id, wk->a, &self);
	jw_obj_begin(w);
	put_identity(w, s, n, gone ? NS_PER_S : n->key_expiry_ns, self.hide_ip4);
	put_self_allowed(w, n, &self);
	if (n->endpoints != NULL && n->endpoints->n > 0)
		put_endpoints(w, n->endpoints);
	if (n->home_derp != 0)
		jw_ku64(w, "HomeDERP", n->home_derp);
	put_hostinfo(w, n->hostinfo);
	if (n->created_ns != TIME_NONE)
		jw_ktime(w, "Created", n->created_ns);
	if (n->cap != 0)
		jw_ku64(w, "Cap", n->cap);
	put_tags(w, n);
	put_prefixes(w, "PrimaryRoutes", self.primary, self.n_primary);
	jw_kbool(w, "Online", true);
	jw_kbool(w, "MachineAuthorized", true);
	jw_key(w, "CapMap");
	wk->x->ops->self_cap_map(wk->x->arg, s, n->id, w);
	if (gone || n->expired)
		jw_kbool(w, "Expired", true);
	if (wk->m->tailnet_id[0] != '\0')
		jw_kstr(w, "StableTailnetID", wk->m->tailnet_id);
	jw_obj_end(w);
}

bool self_same(struct work *wk, const struct snapshot *a, const struct node *x, const struct snapshot *b, const struct node *y)
{
	const struct access *ac = wk->x;

	if (x != y &&
	    (wire_user(x) != wire_user(y) || !node_key_eq(&x->key, &y->key) || x->key_expiry_ns != y->key_expiry_ns ||
	     !machine_key_eq(&x->machine, &y->machine) || x->expired != y->expired || strcmp(x->name, y->name) != 0 ||
	     !ip_eq(&x->ip4, &y->ip4) || !ip_eq(&x->ip6, &y->ip6) || !str_list_eq(x->tags, y->tags)))
		return false;
	if (a->dns != b->dns && strcmp(base_domain(a), base_domain(b)) != 0)
		return false;
	if (ac->ops->token(ac->arg, a) == ac->ops->token(ac->arg, b))
		return true;
	return ac->ops->digest(ac->arg, a, x->id, POLICY_ASPECT_SELF) == ac->ops->digest(ac->arg, b, y->id, POLICY_ASPECT_SELF);
}

bool encode_patch(struct jw *w, const struct node *old, const struct node *now)
{
	bool derp = now->home_derp != 0 && (old == NULL || old->home_derp != now->home_derp);
	bool endpoints = old == NULL || !endpoint_list_eq(old->endpoints, now->endpoints);
	bool online = old == NULL || old->online != now->online;
	bool seen = !now->online && now->last_seen_ns != TIME_NONE &&
		    (old == NULL || old->online || old->last_seen_ns != now->last_seen_ns);

	if (!derp && !endpoints && !online && !seen)
		return false;
	jw_obj_begin(w);
	jw_ku64(w, "NodeID", now->id);
	if (derp)
		jw_ku64(w, "DERPRegion", now->home_derp);
	if (endpoints)
		put_endpoints(w, now->endpoints);
	if (online)
		jw_kbool(w, "Online", now->online);
	if (seen)
		jw_ktime(w, "LastSeen", now->last_seen_ns);
	jw_obj_end(w);
	return true;
}

bool encode_profile(struct jw *w, const struct snapshot *s, user_id id)
{
	const struct user *u = id == USER_TAGGED_DEVICES ? NULL : snapshot_user(s, id);
	char login[24], display[24];

	if (u == NULL && id != USER_TAGGED_DEVICES)
		return false;
	jw_obj_begin(w);
	jw_ku64(w, "ID", id);
	jw_kstr(w, "LoginName", u != NULL ? user_login(u, login) : "tagged-devices");
	jw_kstr(w, "DisplayName", u != NULL ? user_display(u, display) : "Tagged Devices");
	if (u != NULL && u->picture_url[0] != '\0')
		jw_kstr(w, "ProfilePicURL", u->picture_url);
	jw_obj_end(w);
	return true;
}
