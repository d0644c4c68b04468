/* client/bodies.c -- the requests that clients send, and the answer to one of them. */
#include <stdio.h>

#include "base/json_in.h"
#include "base/json_out.h"
#include "base/random.h"
#include "client/client.h"

#define LOG_ID "3f0b6ab5d1b1c1f4a9b8c7d6e5f40112233445566778899aabbccddeeff00112"

void ctl_identity_new(struct ctl_identity *id, const char *hostname)
{
	machine_private_new(&id->machine);
	node_private_new(&id->node);
	id->node_public = node_private_public(&id->node);
	random_bytes(id->disco.b, sizeof id->disco.b);
	snprintf(id->hostname, sizeof id->hostname, "%s", hostname);
}

static void put_node_key(struct jw *w, const char *name, const struct node_key *k)
{
	static const struct node_key none;
	char text[KEY_TEXT_MAX];

	node_key_format(k ? k : &none, text);
	jw_kstr(w, name, text);
}

static void put_texts(struct jw *w, const char *name, const char *const *v, size_t n)
{
	if (!n)
		return;
	jw_key(w, name);
	jw_arr_begin(w);
	for (size_t i = 0; i < n; i++)
		jw_str(w, v[i]);
	jw_arr_end(w);
}

static void put_hostinfo_front(struct jw *w, const char *hostname)
{
	jw_key(w, "Hostinfo");
	jw_obj_begin(w);
	jw_kstr(w, "IPNVersion", "1.104.5-t0123456-g89abcdef0");
	jw_kstr(w, "BackendLogID", LOG_ID);
	jw_kstr(w, "OS", "linux");
	jw_kstr(w, "OSVersion", "6.1.0");
	jw_kstr(w, "Hostname", hostname);
	jw_kstr(w, "GoArch", "amd64");
	jw_kstr(w, "GoVersion", "go1.26.6");
}

void ctl_register_body(const struct ctl_identity *id, const struct ctl_register_opts *o, struct buf *out)
{
	struct jw w;
	char text[KEY_TEXT_MAX];
	uint8_t zero[KEY_LEN] = { 0 };

	jw_init(&w, out);
	jw_obj_begin(&w);
	jw_ku64(&w, "Version", o->version ? o->version : CTL_VERSION);
	put_node_key(&w, "NodeKey", &id->node_public);
	put_node_key(&w, "OldNodeKey", o->old_key);
	key_text_format(KEY_NL, zero, text);
	jw_kstr(&w, "NLKey", text);
	if (o->auth_key) {
		jw_key(&w, "Auth");
		jw_obj_begin(&w);
		jw_kstr(&w, "AuthKey", o->auth_key);
		jw_obj_end(&w);
	}
	jw_kstr(&w, "Expiry", o->expiry ? o->expiry : "0001-01-01T00:00:00Z");
	jw_kstr(&w, "Followup", o->followup);
	put_hostinfo_front(&w, id->hostname);
	put_texts(&w, "RequestTags", o->tags, o->n_tags);
	jw_obj_end(&w);
	if (o->ephemeral)
		jw_kbool(&w, "Ephemeral", true);
	jw_key(&w, "NodeKeySignature");
	jw_null(&w);
	jw_obj_end(&w);
}

static void put_services(struct jw *w)
{
	jw_key(w, "Services");
	jw_arr_begin(w);
	jw_obj_begin(w);
	jw_kstr(w, "Proto", "peerapi4");
	jw_ku64(w, "Port", 54321);
	jw_obj_end(w);
	jw_arr_end(w);
}

static void put_netinfo(struct jw *w, int derp)
{
	char region[16];

	jw_key(w, "NetInfo");
	jw_obj_begin(w);
	jw_kbool(w, "MappingVariesByDestIP", false);
	jw_kbool(w, "WorkingIPv6", true);
	jw_kbool(w, "OSHasIPv6", true);
	jw_kbool(w, "WorkingUDP", true);
	jw_ki64(w, "PreferredDERP", derp);
	jw_key(w, "DERPLatency");
	jw_obj_begin(w);
	snprintf(region, sizeof region, "%d-v4", derp);
	jw_key(w, region);
	jw_double(w, 0.0125);
	jw_obj_end(w);
	jw_obj_end(w);
}

static void put_endpoints(struct jw *w, const struct ctl_map_opts *o)
{
	if (!o->n_endpoints)
		return;
	put_texts(w, "Endpoints", o->endpoints, o->n_endpoints);
	jw_key(w, "EndpointTypes");
	jw_arr_begin(w);
	for (size_t i = 0; i < o->n_endpoints; i++)
		jw_u64(w, 1);
	jw_arr_end(w);
}

void ctl_map_body(const struct ctl_identity *id, const struct ctl_map_opts *o, struct buf *out)
{
	struct disco_key disco = { { 0 } };
	char text[KEY_TEXT_MAX];
	struct jw w;

	jw_init(&w, out);
	jw_obj_begin(&w);
	jw_ku64(&w, "Version", o->version ? o->version : CTL_VERSION);
	if (!o->plain)
		jw_kstr(&w, "Compress", "zstd");
	jw_kbool(&w, "KeepAlive", true);
	put_node_key(&w, "NodeKey", &id->node_public);
	if (!o->no_disco)
		disco = id->disco;
	disco_key_format(&disco, text);
	jw_kstr(&w, "DiscoKey", text);
	if (o->stream)
		jw_kbool(&w, "Stream", true);
	put_hostinfo_front(&w, o->hostname ? o->hostname : id->hostname);
	put_texts(&w, "RoutableIPs", o->routes, o->n_routes);
	put_texts(&w, "RequestTags", o->tags, o->n_tags);
	put_services(&w);
	if (o->derp)
		put_netinfo(&w, o->derp);
	jw_obj_end(&w);
	put_endpoints(&w, o);
	if (o->omit_peers)
		jw_kbool(&w, "OmitPeers", true);
	if (o->read_only)
		jw_kbool(&w, "ReadOnly", true);
	jw_obj_end(&w);
}

static enum status parse_members(struct json_object *o, struct ctl_registered *r)
{
	const char *error = "", *url = "", *login = "";
	struct json_object *user = NULL, *who = NULL;

	if (!json_object_is_type(o, json_type_object) || json_get_str(o, "Error", &error, NULL) != ST_OK ||
	    json_get_str(o, "AuthURL", &url, NULL) != ST_OK || json_get_bool(o, "NodeKeyExpired", &r->key_expired, NULL) != ST_OK ||
	    json_get_bool(o, "MachineAuthorized", &r->authorized, NULL) != ST_OK || json_get_obj(o, "User", &user, NULL) != ST_OK ||
	    json_get_obj(o, "Login", &who, NULL) != ST_OK)
		return ST_BAD_INPUT;
	if ((user && json_get_i64(user, "ID", &r->user, NULL) != ST_OK) || (who && json_get_str(who, "LoginName", &login, NULL) != ST_OK))
		return ST_BAD_INPUT;
	snprintf(r->error, sizeof r->error, "%s", error);
	snprintf(r->auth_url, sizeof r->auth_url, "%s", url);
	snprintf(r->login, sizeof r->login, "%s", login);
	return ST_OK;
}

enum status ctl_registered_parse(const struct ctl_answer *a, struct ctl_registered *out)
{
	struct ctl_registered r = { .status = a->status };
	struct json_object *o = NULL;
	enum status s;

	if (a->status != 200) {
		snprintf(r.error, sizeof r.error, "%.*s", (int)(a->body.n < 500 ? a->body.n : 500), (const char *)a->body.p);
		*out = r;
		return ST_OK;
	}
	s = json_parse(a->body, (size_t)1 << 20, &o, NULL);
	if (s == ST_OK)
		s = parse_members(o, &r);
	json_object_put(o);
	if (s == ST_OK)
		*out = r;
	return s == ST_OK ? ST_OK : ST_BAD_INPUT;
}
