/* api/objects.c -- see api/objects.h. */
#include "api/objects.h"

#include <stdio.h>

#include "base/arena.h"
#include "policy/engine.h"

static void put_id(struct jw *w, const char *name, uint64_t id)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)id);
	jw_kstr(w, name, text);
}

static void put_time_or_null(struct jw *w, const char *name, int64_t ns)
{
	jw_key(w, name);
	if (ns == TIME_NONE)
		jw_null(w);
	else
		jw_time(w, ns);
}

/* An unset time that the API gives no null for. */
static void put_time_or_zero(struct jw *w, const char *name, int64_t ns)
{
	jw_key(w, name);
	if (ns == TIME_NONE)
		jw_str(w, "0001-01-01T00:00:00Z");
	else
		jw_time(w, ns);
}

static void put_strings(struct jw *w, const char *name, const struct str_list *l)
{
	jw_key(w, name);
	jw_arr_begin(w);
	for (uint32_t i = 0; l != NULL && i < l->n; i++)
		jw_str(w, l->v[i]);
	jw_arr_end(w);
}

static void put_prefix(struct jw *w, const struct ip_prefix *p)
{
	char text[IP_PREFIX_TEXT_MAX];

	ip_prefix_format(p, text);
	jw_str(w, text);
}

static void put_prefixes(struct jw *w, const char *name, const struct prefix_list *l)
{
	jw_key(w, name);
	jw_arr_begin(w);
	for (uint32_t i = 0; l != NULL && i < l->n; i++)
		put_prefix(w, &l->v[i]);
	jw_arr_end(w);
}

static const char *const role_names[] = {
	[ROLE_MEMBER] = "member",	[ROLE_OWNER] = "owner",	      [ROLE_ADMIN] = "admin",
	[ROLE_NETWORK_ADMIN] = "network-admin", [ROLE_IT_ADMIN] = "it-admin", [ROLE_AUDITOR] = "auditor",
};

const char *api_role_name(enum user_role r)
{
	return role_names[r];
}

enum status api_role_parse(const char *name, enum user_role *out)
{
	for (size_t i = 0; i < sizeof role_names / sizeof *role_names; i++) {
		if (strcmp(role_names[i], name) == 0) {
			*out = (enum user_role)i;
			return ST_OK;
		}
	}
	return ST_BAD_INPUT;
}

void api_put_user(struct jw *w, const struct user *u)
{
	char buf[24];

	if (u == NULL) {
		jw_null(w);
		return;
	}
	jw_obj_begin(w);
	put_id(w, "id", u->id);
	jw_kstr(w, "name", u->name[0] != '\0' ? u->name : user_login(u, buf));
	put_time_or_zero(w, "createdAt", u->created_ns);
	jw_kstr(w, "displayName", u->display_name);
	jw_kstr(w, "email", u->email);
	jw_kstr(w, "providerId", u->provider_id);
	jw_kstr(w, "provider", u->provider);
	jw_kstr(w, "profilePicUrl", u->picture_url);
	jw_kstr(w, "role", api_role_name(u->role));
	jw_obj_end(w);
}

void api_put_tagged_user(struct jw *w)
{
	jw_obj_begin(w);
	put_id(w, "id", USER_TAGGED_DEVICES);
	jw_kstr(w, "name", "tagged-devices");
	put_time_or_zero(w, "createdAt", TIME_NONE);
	jw_kstr(w, "displayName", "Tagged Devices");
	jw_kstr(w, "email", "");
	jw_kstr(w, "providerId", "");
	jw_kstr(w, "provider", "");
	jw_kstr(w, "profilePicUrl", "");
	jw_kstr(w, "role", api_role_name(ROLE_MEMBER));
	jw_obj_end(w);
}

static void put_addresses(struct jw *w, const struct node *n)
{
	const struct ip_addr *both[2] = { &n->ip4, &n->ip6 };
	char text[IP_TEXT_MAX];

	jw_key(w, "ipAddresses");
	jw_arr_begin(w);
	for (size_t i = 0; i < 2; i++) {
		if (both[i]->family == IP_NONE)
			continue;
		ip_format(both[i], text);
		jw_str(w, text);
	}
	jw_arr_end(w);
}

static void put_served(struct jw *w, const struct snapshot *s, const struct node *n)
{
	struct arena *a = arena_new();
	struct policy_self self;

	jw_key(w, "subnetRoutes");
	jw_arr_begin(w);
	if (s->policy != NULL && policy_self_get(s->policy, n->id, a, &self)) {
		for (size_t i = 0; i < self.n_primary; i++)
			put_prefix(w, &self.primary[i]);
		for (size_t i = 0; i < self.n_routes; i++)
			if (ip_prefix_is_default(&self.routes[i]))
				put_prefix(w, &self.routes[i]);
	}
	jw_arr_end(w);
	arena_free(&a);
}

static const char *method_name(enum register_method m)
{
	switch (m) {
	case REGISTER_AUTHKEY:
		return "REGISTER_METHOD_AUTH_KEY";
	case REGISTER_CLI:
		return "REGISTER_METHOD_CLI";
	case REGISTER_OIDC:
		return "REGISTER_METHOD_OIDC";
	}
	return "REGISTER_METHOD_UNSPECIFIED";
}

void api_put_node(struct jw *w, const struct snapshot *s, const struct node *n, const struct preauth_key *key)
{
	char text[KEY_TEXT_MAX];

	jw_obj_begin(w);
	put_id(w, "id", n->id);
	machine_key_format(&n->machine, text);
	jw_kstr(w, "machineKey", text);
	node_key_format(&n->key, text);
	jw_kstr(w, "nodeKey", text);
	disco_key_format(&n->disco, text);
	jw_kstr(w, "discoKey", text);
	put_addresses(w, n);
	jw_kstr(w, "name", n->hostname);
	jw_key(w, "user");
	if (node_is_tagged(n))
		api_put_tagged_user(w);
	else
		api_put_user(w, snapshot_user(s, n->user));
	put_time_or_null(w, "lastSeen", n->last_seen_ns);
	put_time_or_null(w, "expiry", n->key_expiry_ns);
	jw_key(w, "preAuthKey");
	if (key != NULL)
		api_put_preauth_key(w, s, key, NULL);
	else
		jw_null(w);
	put_time_or_zero(w, "createdAt", n->created_ns);
	jw_kstr(w, "registerMethod", method_name(n->method));
	jw_kstr(w, "givenName", n->name);
	jw_kbool(w, "online", n->online);
	put_prefixes(w, "approvedRoutes", n->approved_routes);
	put_prefixes(w, "availableRoutes", n->announced_routes);
	put_served(w, s, n);
	put_strings(w, "tags", n->tags);
	jw_obj_end(w);
}

static void put_none(struct jw *w, const char *name)
{
	jw_key(w, name);
	jw_arr_begin(w);
	jw_arr_end(w);
}

void api_put_waiting(struct jw *w, const struct api_waiting *p)
{
	static const struct disco_key no_disco;
	char text[KEY_TEXT_MAX];

	jw_obj_begin(w);
	put_id(w, "id", 0);
	machine_key_format(&p->machine, text);
	jw_kstr(w, "machineKey", text);
	node_key_format(&p->key, text);
	jw_kstr(w, "nodeKey", text);
	disco_key_format(&no_disco, text);
	jw_kstr(w, "discoKey", text);
	put_none(w, "ipAddresses");
	jw_kstr(w, "name", p->hostname);
	jw_key(w, "user");
	api_put_user(w, p->user);
	put_time_or_zero(w, "lastSeen", TIME_NONE);
	put_time_or_zero(w, "expiry", TIME_NONE);
	jw_key(w, "preAuthKey");
	jw_null(w);
	put_time_or_zero(w, "createdAt", TIME_NONE);
	jw_kstr(w, "registerMethod", "REGISTER_METHOD_UNSPECIFIED");
	jw_kstr(w, "givenName", "");
	jw_kbool(w, "online", false);
	put_none(w, "approvedRoutes");
	jw_key(w, "availableRoutes");
	jw_arr_begin(w);
	for (size_t i = 0; i < p->n_routes; i++)
		put_prefix(w, &p->routes[i]);
	jw_arr_end(w);
	put_none(w, "subnetRoutes");
	put_none(w, "tags");
	jw_obj_end(w);
}

void api_put_preauth_key(struct jw *w, const struct snapshot *s, const struct preauth_key *k, const char *secret)
{
	char masked[KEY_SECRET_TEXT_MAX];

	preauth_key_mask(k, masked);
	jw_obj_begin(w);
	jw_key(w, "user");
	api_put_user(w, k->user != 0 ? snapshot_user(s, k->user) : NULL);
	put_id(w, "id", k->id);
	jw_kstr(w, "key", secret != NULL ? secret : masked);
	jw_kbool(w, "reusable", k->reusable);
	jw_kbool(w, "ephemeral", k->ephemeral);
	jw_kbool(w, "used", k->used);
	put_time_or_zero(w, "expiration", k->expires_ns);
	put_time_or_zero(w, "createdAt", k->created_ns);
	put_strings(w, "aclTags", k->tags);
	jw_obj_end(w);
}

void api_put_api_key(struct jw *w, const struct api_key *k)
{
	char masked[KEY_SECRET_TEXT_MAX];

	api_key_mask(k, masked);
	jw_obj_begin(w);
	put_id(w, "id", k->id);
	jw_kstr(w, "prefix", masked);
	put_time_or_null(w, "expiration", k->expires_ns);
	put_time_or_zero(w, "createdAt", k->created_ns);
	put_time_or_null(w, "lastSeen", k->last_used_ns);
	jw_obj_end(w);
}

void api_put_audit(struct jw *w, const struct audit_row *r)
{
	jw_obj_begin(w);
	put_id(w, "id", r->id);
	jw_ktime(w, "time", r->at_ns);
	jw_kstr(w, "actor", r->who);
	jw_kstr(w, "reason", r->why);
	jw_kstr(w, "action", r->action);
	jw_kstr(w, "target", r->object);
	jw_kstr(w, "before", r->before);
	jw_kstr(w, "after", r->after);
	jw_obj_end(w);
}

const char *api_status_title(int http_status)
{
	switch (http_status) {
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 412:
		return "Precondition Failed";
	case 413:
		return "Request Entity Too Large";
	case 422:
		return "Unprocessable Entity";
	case 429:
		return "Too Many Requests";
	case 503:
		return "Service Unavailable";
	}
	return "Internal Server Error";
}

void api_put_problem(struct jw *w, int http_status, const char *detail, const char *message, const char *where)
{
	jw_obj_begin(w);
	jw_kstr(w, "title", api_status_title(http_status));
	jw_ki64(w, "status", http_status);
	jw_kstr(w, "detail", detail);
	if (message != NULL) {
		jw_key(w, "errors");
		jw_arr_begin(w);
		jw_obj_begin(w);
		jw_kstr(w, "message", message);
		if (where != NULL)
			jw_kstr(w, "location", where);
		jw_obj_end(w);
		jw_arr_end(w);
	}
	jw_ki64(w, "code", http_status);
	jw_kstr(w, "message", message != NULL ? message : detail);
	jw_obj_end(w);
}
