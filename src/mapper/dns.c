/*
 * mapper/dns.c -- the DNSConfig of a node.
 *
 * Nearly all of it is the same for every node. It is a node's own where a resolver of NextDNS is told which device asks,
 * where app connectors resolve names, and where certificates are offered. Source: docs/wire/map.md, "DNS".
 */
#include "mapper/mapper_priv.h"

#include <stdio.h>

#include "base/json_in.h"
#include "state/settings.h"

#define NEXTDNS "https://dns.nextdns.io"
#define PROFILE_MAX 64
#define URL_MAX 1024

static bool is_nextdns(const char *url)
{
	size_t n = strlen(NEXTDNS);

	return strncmp(url, NEXTDNS, n) == 0 && (url[n] == '\0' || url[n] == '/' || url[n] == '?');
}

static bool any_nextdns(const struct str_list *l)
{
	for (uint32_t i = 0; l != NULL && i < l->n; i++)
		if (is_nextdns(l->v[i]))
			return true;
	return false;
}

static bool has_nextdns(const struct dns_settings *d)
{
	if (any_nextdns(d->servers))
		return true;
	for (size_t i = 0; i < d->n_splits; i++)
		if (any_nextdns(d->splits[i].servers))
			return true;
	return false;
}

bool dns_is_common(struct work *wk, const struct snapshot *s, const struct node *n)
{
	const struct policy_app_domain *apps;

	if (s->dns != NULL && has_nextdns(s->dns))
		return false;
	if (s->settings != NULL && s->settings->https)
		return false;
	return wk->x->ops->app_domains(wk->x->arg, s, n->id, wk->a, &apps) == 0;
}

/* ---- NextDNS: the node's profile in the path, its device in the query ------------------------ */

static bool profile_ok(const char *p)
{
	size_t n = strlen(p);

	return n > 0 && n <= PROFILE_MAX &&
	       strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

/* The node's attributes that begin with "nextdns:", from its own CapMap. */
static void read_attrs(struct work *wk, const struct snapshot *s, const struct node *n, char profile[PROFILE_MAX + 1], bool *device)
{
	struct json_object_iter it;
	struct json_object *o = NULL;
	struct buf b;
	struct jw w;

	profile[0] = '\0';
	*device = true;
	buf_init(&b, 1 << 20);
	jw_init(&w, &b);
	wk->x->ops->self_cap_map(wk->x->arg, s, n->id, &w);
	if (json_parse(buf_bytes(&b), b.n, &o, NULL) == ST_OK && json_object_is_type(o, json_type_object)) {
		json_object_object_foreachC(o, it) {
			const char *key = it.key;

			if (strcmp(key, "nextdns:no-device-info") == 0)
				*device = false;
			else if (strncmp(key, "nextdns:", 8) == 0 && profile_ok(key + 8) &&
				 (profile[0] == '\0' || strcmp(key + 8, profile) < 0))
				snprintf(profile, PROFILE_MAX + 1, "%s", key + 8);
		}
	}
	json_object_put(o);
	buf_release(&b);
}

static void put_query(struct buf *b, char sep, const char *name, const char *value)
{
	static const char hex[] = "0123456789ABCDEF";

	buf_printf(b, "%c%s=", sep, name);
	for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++) {
		bool plain = (*p >= '0' && *p <= '9') || ((*p | 32) >= 'a' && (*p | 32) <= 'z') || strchr("-_.~", *p) != NULL;

		if (plain)
			buf_put_char(b, (char)*p);
		else if (*p == ' ')
			buf_put_char(b, '+');
		else
			buf_printf(b, "%%%c%c", hex[*p >> 4], hex[*p & 15]);
	}
}

static const char *os_of(struct work *wk, const struct node *n)
{
	struct json_object *o = NULL;
	const char *os = "";

	if (n->hostinfo != NULL && json_parse(shared_bytes_view(n->hostinfo), n->hostinfo->n, &o, NULL) == ST_OK &&
	    json_object_is_type(o, json_type_object) && json_get_str(o, "OS", &os, NULL) != ST_OK)
		os = "";
	os = arena_strdup(wk->a, os);
	json_object_put(o);
	return os;
}

static void put_nextdns(struct work *wk, struct buf *b, const struct snapshot *s, const struct node *n, const char *url)
{
	char profile[PROFILE_MAX + 1], ip[IP_TEXT_MAX] = "";
	const char *query = strchr(url, '?');
	bool device;

	read_attrs(wk, s, n, profile, &device);
	if (profile[0] != '\0')
		buf_printf(b, "%s/%s", NEXTDNS, profile);
	else
		buf_put(b, url, query != NULL ? (size_t)(query - url) : strlen(url));
	if (!device)
		return;
	ip_format(n->ip4.family != IP_NONE ? &n->ip4 : &n->ip6, ip);
	put_query(b, '?', "device_ip", ip);
	put_query(b, '&', "device_model", os_of(wk, n));
	put_query(b, '&', "device_name", n->hostname != NULL ? n->hostname : n->name);
}

/* ---- the rest --------------------------------------------------------------------------------- */

static void put_resolver(struct work *wk, struct jw *w, const struct snapshot *s, const struct node *n, const char *addr)
{
	struct buf b;

	buf_init(&b, URL_MAX * 8);
	if (n != NULL && is_nextdns(addr))
		put_nextdns(wk, &b, s, n, addr);
	else
		buf_put_str(&b, addr);
	jw_obj_begin(w);
	jw_key(w, "Addr");
	jw_str_bytes(w, buf_bytes(&b));
	jw_obj_end(w);
	buf_release(&b);
}

static void put_resolvers(struct work *wk, struct jw *w, const struct snapshot *s, const struct node *n, const struct str_list *l)
{
	jw_arr_begin(w);
	for (uint32_t i = 0; l != NULL && i < l->n; i++)
		put_resolver(wk, w, s, n, l->v[i]);
	jw_arr_end(w);
}

/* Zones of reverse names that lie in a prefix: at the next octet or nibble, answered by the client itself. */
static void put_reverse(struct jw *w, const struct ip_prefix *p)
{
	unsigned unit = p->addr.family == IP_V4 ? 8 : 4, bits = (p->bits + unit - 1) / unit * unit;
	unsigned labels = bits / unit, free_bits = bits - p->bits;
	const uint8_t *b = p->addr.family == IP_V4 ? p->addr.b + 12 : p->addr.b;

	if (p->addr.family == IP_NONE || labels == 0)
		return;
	for (unsigned i = 0; i < 1u << free_bits; i++) {
		char text[96];
		size_t at = 0;

		for (unsigned k = labels; k-- > 0;) {
			unsigned v = unit == 8 ? b[k] : (b[k / 2] >> (k % 2 ? 0 : 4)) & 15;

			if (k == labels - 1)
				v |= i;
			at += (size_t)snprintf(text + at, sizeof text - at, unit == 8 ? "%u." : "%x.", v);
		}
		snprintf(text + at, sizeof text - at, "%s", unit == 8 ? "in-addr.arpa" : "ip6.arpa");
		jw_key(w, text);
		jw_raw(w, BYTES_LIT("[]"));
	}
}

/* The port of a node's PeerAPI on its IPv4 address; 0 if it has none. */
static unsigned peerapi_port(const struct node *n)
{
	struct json_object *o = NULL, *services = NULL;
	int64_t port = 0;

	if (n->hostinfo_peer == NULL || json_parse(shared_bytes_view(n->hostinfo_peer), n->hostinfo_peer->n, &o, NULL) != ST_OK)
		return 0;
	if (json_object_is_type(o, json_type_object) && json_get_arr(o, "Services", &services, NULL) == ST_OK && services != NULL)
		for (size_t i = 0; i < json_object_array_length(services) && port == 0; i++) {
			struct json_object *e = json_object_array_get_idx(services, i);
			const char *proto = "";

			if (!json_object_is_type(e, json_type_object) || json_get_str(e, "Proto", &proto, NULL) != ST_OK ||
			    strcmp(proto, "peerapi4") != 0 || json_get_i64(e, "Port", &port, NULL) != ST_OK)
				port = 0;
		}
	json_object_put(o);
	return port > 0 && port <= UINT16_MAX ? (unsigned)port : 0;
}

static void put_app(struct work *wk, struct jw *w, const struct snapshot *s, const struct policy_app_domain *app)
{
	jw_key_bytes(w, bytes_of_str(app->domain));
	jw_arr_begin(w);
	for (size_t i = 0; i < app->n_connectors; i++) {
		const struct node *c = snapshot_node(s, app->connectors[i]);
		unsigned port = c != NULL && c->ip4.family != IP_NONE ? peerapi_port(c) : 0;
		char ip[IP_TEXT_MAX], url[IP_TEXT_MAX + 40];

		if (port == 0)
			continue;
		ip_format(&c->ip4, ip);
		snprintf(url, sizeof url, "http://%s:%u/dns-query", ip, port);
		put_resolver(wk, w, s, NULL, url);
	}
	jw_arr_end(w);
}

static void put_routes(struct work *wk, struct jw *w, const struct snapshot *s, const struct node *n)
{
	const struct dns_settings *d = s->dns;
	const struct policy_app_domain *apps = NULL;
	size_t n_apps = wk->x->ops->app_domains(wk->x->arg, s, n->id, wk->a, &apps);

	if (d->n_splits == 0 && n_apps == 0 && !(d->magic_dns && s->settings != NULL))
		return;
	jw_key(w, "Routes");
	jw_obj_begin(w);
	for (size_t i = 0; i < d->n_splits; i++) {
		jw_key_bytes(w, bytes_of_str(d->splits[i].domain));
		put_resolvers(wk, w, s, n, d->splits[i].servers);
	}
	if (d->magic_dns && s->settings != NULL) {
		put_reverse(w, &s->settings->prefix4);
		put_reverse(w, &s->settings->prefix6);
	}
	for (size_t i = 0; i < n_apps; i++)
		put_app(wk, w, s, &apps[i]);
	jw_obj_end(w);
}

static void put_domains(struct jw *w, const struct dns_settings *d)
{
	bool base = d->base_domain != NULL && d->base_domain[0] != '\0';

	if (!base && d->search == NULL)
		return;
	jw_key(w, "Domains");
	jw_arr_begin(w);
	if (base)
		jw_str(w, d->base_domain);
	for (uint32_t i = 0; d->search != NULL && i < d->search->n; i++)
		jw_str(w, d->search->v[i]);
	jw_arr_end(w);
}

static void put_records(struct jw *w, const struct dns_settings *d)
{
	if (d->n_records == 0)
		return;
	jw_key(w, "ExtraRecords");
	jw_arr_begin(w);
	for (size_t i = 0; i < d->n_records; i++) {
		jw_obj_begin(w);
		jw_kstr(w, "Name", d->records[i].name);
		if (d->records[i].type != NULL && d->records[i].type[0] != '\0')
			jw_kstr(w, "Type", d->records[i].type);
		jw_kstr(w, "Value", d->records[i].value);
		jw_obj_end(w);
	}
	jw_arr_end(w);
}

static void put_cert(struct jw *w, const struct snapshot *s, const struct node *n)
{
	char name[NODE_NAME_MAX + 260];

	if (s->settings == NULL || !s->settings->https || base_domain(s)[0] == '\0')
		return;
	snprintf(name, sizeof name, "%s.%s", n->name, base_domain(s));
	jw_key(w, "CertDomains");
	jw_arr_begin(w);
	jw_str(w, name);
	jw_arr_end(w);
}

void encode_dns(struct work *wk, struct jw *w, const struct snapshot *s, const struct node *n)
{
	const struct dns_settings *d = s->dns;

	jw_obj_begin(w);
	if (d != NULL) {
		if (d->servers != NULL && d->servers->n > 0) {
			jw_key(w, d->override_local_dns ? "Resolvers" : "FallbackResolvers");
			put_resolvers(wk, w, s, n, d->servers);
		}
		put_routes(wk, w, s, n);
		put_domains(w, d);
		if (d->magic_dns)
			jw_kbool(w, "Proxied", true);
		put_cert(w, s, n);
		put_records(w, d);
	}
	jw_obj_end(w);
}
