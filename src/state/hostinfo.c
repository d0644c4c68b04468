/* state/hostinfo.c -- see state/hostinfo.h. */
#include "state/hostinfo.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_in.h"
#include "base/json_out.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "state/state.h"

static bool printable(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* At most NODE_HOSTNAME_MAX bytes, whole characters. */
static void take_hostname(const char *s, char out[static NODE_HOSTNAME_MAX + 1])
{
	struct bytes rest = bytes_of_str(s);
	size_t n = 0, c;

	while ((c = utf8_len(rest)) > 0 && n + c <= NODE_HOSTNAME_MAX) {
		memcpy(out + n, rest.p, c);
		n += c;
		rest = bytes_skip(rest, c);
	}
	out[n] = '\0';
}

static enum status list_of(struct json_object *o, const char *name, size_t max, struct json_object **out, size_t *n_out,
			   struct err *err)
{
	enum status s = json_get_arr(o, name, out, err);

	*n_out = s == ST_OK && *out != NULL ? json_object_array_length(*out) : 0;
	if (*n_out <= max)
		return s;
	err_set(err, "Hostinfo.%s has more than %zu entries", name, max);
	return ST_TOO_BIG;
}

static enum status take_texts(struct json_object *o, const char *name, size_t max, bool sorted, struct str_list **out,
			      struct err *err)
{
	struct json_object *arr = NULL;
	const char **v;
	size_t n, m = 0;
	enum status s = list_of(o, name, max, &arr, &n, err);

	if (s != ST_OK)
		return s;
	v = xcalloc(n + 1, sizeof *v);
	for (size_t i = 0; i < n; i++) {
		struct json_object *e = json_object_array_get_idx(arr, i);
		const char *t = json_object_is_type(e, json_type_string) ? json_object_get_string(e) : "";

		if (t[0] != '\0' && printable(t))
			v[m++] = t;
	}
	*out = sorted ? str_list_new_set(v, m) : str_list_new(v, m);
	free(v);
	return ST_OK;
}

struct numbered {
	struct ip_prefix p;
	size_t i;
};

static int cmp_numbered(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	int c = ip_prefix_cmp(&x->p, &y->p);

	return c != 0 ? c : x->i < y->i ? -1 : 1;
}

/* The first of each prefix, in the order sent. */
static struct prefix_list *unique_in_order(const struct ip_prefix *v, size_t n)
{
	struct numbered *s = xcalloc(n + 1, sizeof *s);
	struct ip_prefix *kept = xcalloc(n + 1, sizeof *kept);
	bool *drop = xcalloc(n + 1, sizeof *drop);
	struct prefix_list *l;
	size_t m = 0;

	for (size_t i = 0; i < n; i++)
		s[i] = (struct numbered){ v[i], i };
	qsort(s, n, sizeof *s, cmp_numbered);
	for (size_t i = 1; i < n; i++)
		drop[s[i].i] = ip_prefix_eq(&s[i - 1].p, &s[i].p);
	for (size_t i = 0; i < n; i++)
		if (!drop[i])
			kept[m++] = v[i];
	l = prefix_list_new(kept, m);
	free(s);
	free(kept);
	free(drop);
	return l;
}

static enum status take_routes(struct json_object *o, struct prefix_list **out, struct err *err)
{
	struct json_object *arr = NULL;
	struct ip_prefix *v;
	size_t n, m = 0;
	enum status s = list_of(o, "RoutableIPs", HOSTINFO_ROUTES_MAX, &arr, &n, err);

	if (s != ST_OK)
		return s;
	v = xcalloc(n + 1, sizeof *v);
	for (size_t i = 0; i < n; i++) {
		const char *t = json_object_get_string(json_object_array_get_idx(arr, i));

		if (t == NULL || ip_prefix_parse(bytes_of_str(t), &v[m]) != ST_OK) {
			err_set(err, "Hostinfo.RoutableIPs[%zu] is no prefix", i);
			free(v);
			return ST_BAD_INPUT;
		}
		v[m] = ip_prefix_masked(v[m]);
		m++;
	}
	*out = unique_in_order(v, m);
	free(v);
	return ST_OK;
}

static void jw_tree(struct jw *w, struct json_object *v)
{
	const char *t = json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	jw_raw(w, bytes_of_str(t));
}

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, name, &v) ? v : NULL;
}

/*
 * What peers get is written anew, each member in the type that clients read it in, and left out in any other: one member of a
 * wrong type makes a client drop the whole frame, and every node that sees this one would be without a map.
 */
static void put_text(struct jw *w, struct json_object *o, const char *name)
{
	struct json_object *v = member(o, name);
	const char *text = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";

	if (text[0] != '\0') /* up to a NUL, if there is one */
		jw_kstr(w, name, text);
}

static void put_flag(struct jw *w, struct json_object *o, const char *name)
{
	struct json_object *v = member(o, name);

	if (json_object_is_type(v, json_type_boolean) && json_object_get_boolean(v))
		jw_kbool(w, name, true);
}

static void put_number(struct jw *w, struct json_object *o, const char *name)
{
	struct json_object *v = member(o, name);

	if (!json_object_is_type(v, json_type_double) && !json_object_is_type(v, json_type_int))
		return;
	if (!isfinite(json_object_get_double(v)))
		return;
	jw_key(w, name);
	jw_double(w, json_object_get_double(v));
}

/* Integers of 64 bits; what is larger, json-c holds as an unsigned or cut number: left out. */
static void put_integer(struct jw *w, struct json_object *o, const char *name)
{
	struct json_object *v = member(o, name);
	int64_t n = json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;

	if (n != 0 && n > INT64_MIN && n < INT64_MAX)
		jw_ki64(w, name, n);
}

/* Services whose Proto begins with "peerapi": others are the node's own business. */
static void put_services(struct jw *w, struct json_object *o)
{
	struct json_object *arr = member(o, "Services");
	bool any = false;

	if (!json_object_is_type(arr, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(arr); i++) {
		struct json_object *e = json_object_array_get_idx(arr, i), *v, *port;
		const char *proto;

		if (!json_object_is_type(e, json_type_object))
			continue;
		v = member(e, "Proto");
		port = member(e, "Port");
		proto = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
		if (strncmp(proto, "peerapi", 7) != 0 || !printable(proto) || !json_object_is_type(port, json_type_int))
			continue;
		if (!any) {
			jw_key(w, "Services");
			jw_arr_begin(w);
			any = true;
		}
		jw_obj_begin(w);
		jw_kstr(w, "Proto", proto);
		jw_ki64(w, "Port", json_object_get_int64(port) & 0xffff);
		jw_obj_end(w);
	}
	if (any)
		jw_arr_end(w);
}

static void put_ssh_keys(struct jw *w, const struct str_list *keys)
{
	if (keys == NULL || keys->n == 0)
		return;
	jw_key(w, "sshHostKeys");
	jw_arr_begin(w);
	for (uint32_t i = 0; i < keys->n; i++)
		jw_str(w, keys->v[i]);
	jw_arr_end(w);
}

static void put_location(struct jw *w, struct json_object *o)
{
	struct json_object *v = member(o, "Location");

	if (!json_object_is_type(v, json_type_object))
		return;
	jw_key(w, "Location");
	jw_obj_begin(w);
	put_text(w, v, "Country");
	put_text(w, v, "CountryCode");
	put_text(w, v, "City");
	put_text(w, v, "CityCode");
	put_number(w, v, "Latitude");
	put_number(w, v, "Longitude");
	put_integer(w, v, "Priority");
	jw_obj_end(w);
}

static struct shared_bytes *reduce(struct json_object *o, const struct str_list *ssh_host_keys)
{
	/* Shown by clients, or acted upon: routing of exit nodes, Taildrop, MagicDNS names, relays, Funnel. */
	static const char *const texts[] = { "OS", "Hostname", "DeviceModel", "App" };
	static const char *const flags[] = { "ShieldsUp", "AppConnector", "PeerRelay", "WireIngress",
					     "IngressEnabled" };
	struct shared_bytes *out;
	struct buf b;
	struct jw w;

	buf_init(&b, STATE_HOSTINFO_MAX * 6);
	jw_init(&w, &b);
	jw_obj_begin(&w);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		put_text(&w, o, texts[i]);
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		put_flag(&w, o, flags[i]);
	put_services(&w, o);
	put_ssh_keys(&w, ssh_host_keys);
	put_location(&w, o);
	jw_obj_end(&w);
	out = buf_ok(&b) ? shared_bytes_new(buf_bytes(&b)) : NULL;
	buf_release(&b);
	return out;
}

static enum status take(struct json_object *o, struct hostinfo *h, struct err *err)
{
	struct json_object *net = NULL;
	const char *hostname = "";
	int64_t derp = 0;
	enum status s;

	s = json_get_str(o, "Hostname", &hostname, err);
	if (s == ST_OK)
		s = json_get_obj(o, "NetInfo", &net, err);
	if (s == ST_OK && net != NULL)
		s = json_get_i64(net, "PreferredDERP", &derp, err);
	if (s == ST_OK)
		s = take_routes(o, &h->routes, err);
	if (s == ST_OK)
		s = take_texts(o, "RequestTags", HOSTINFO_TAGS_MAX, true, &h->request_tags, err);
	if (s == ST_OK)
		s = take_texts(o, "sshHostKeys", HOSTINFO_SSH_KEYS_MAX, false, &h->ssh_host_keys, err);
	if (s != ST_OK)
		return s;
	take_hostname(hostname, h->hostname);
	h->has_netinfo = net != NULL;
	h->home_derp = derp > 0 && derp <= INT32_MAX ? (uint32_t)derp : 0;
	h->peer = reduce(o, h->ssh_host_keys);
	return ST_OK;
}

enum status hostinfo_parse(struct bytes in, struct hostinfo *out, struct err *err)
{
	struct json_object *o = NULL;
	struct hostinfo h = { 0 };
	enum status s;

	if (in.n == 0) {
		*out = h;
		return ST_OK;
	}
	s = json_parse(in, STATE_HOSTINFO_MAX, &o, err);
	if (s == ST_OK && o != NULL && !json_object_is_type(o, json_type_object)) {
		err_set(err, "Hostinfo is no object");
		s = ST_BAD_INPUT;
	}
	if (s == ST_OK && o != NULL && json_object_object_length(o) > 0) {
		s = take(o, &h, err);
		if (s == ST_OK)
			h.json = shared_bytes_new(in);
	}
	json_object_put(o);
	if (s != ST_OK) {
		hostinfo_release(&h);
		return s;
	}
	*out = h;
	return ST_OK;
}

void hostinfo_release(struct hostinfo *h)
{
	shared_bytes_unref(&h->json);
	shared_bytes_unref(&h->peer);
	prefix_list_unref(&h->routes);
	str_list_unref(&h->request_tags);
	str_list_unref(&h->ssh_host_keys);
}

struct shared_bytes *hostinfo_keep_netinfo(struct shared_bytes *now, const struct shared_bytes *old)
{
	struct json_object *o = NULL, *net;
	struct bytes body = shared_bytes_view(now);
	struct shared_bytes *out = NULL;
	struct buf b;
	struct jw w;

	if (now == NULL || old == NULL || json_parse(shared_bytes_view(old), STATE_HOSTINFO_MAX * 2, &o, NULL) != ST_OK)
		return shared_bytes_ref(now);
	net = member(o, "NetInfo");
	while (body.n > 0 && body.p[body.n - 1] != '}')
		body.n--;
	if (json_object_is_type(net, json_type_object) && body.n > 2) { /* {} is kept as NULL: there is a member before */
		buf_init(&b, STATE_HOSTINFO_MAX * 2);
		buf_put(&b, body.p, body.n - 1);
		buf_put_str(&b, ",\"NetInfo\":");
		jw_init(&w, &b);
		jw_tree(&w, net);
		buf_put_char(&b, '}');
		if (buf_ok(&b))
			out = shared_bytes_new(buf_bytes(&b));
		buf_release(&b);
	}
	json_object_put(o);
	return out ? out : shared_bytes_ref(now);
}

#define FACTS 3
static const char *const fact_names[FACTS] = { "OS", "OSVersion", "IPNVersion" };

static int fact_index(const uint8_t *key, size_t n)
{
	for (int i = 0; i < FACTS; i++)
		if (strlen(fact_names[i]) == n && memcmp(key, fact_names[i], n) == 0)
			return i;
	return -1;
}

/*
 * Members of the outermost object that are texts, as they stand in the JSON; it is known to be sound. A scan of some
 * hundred bytes instead of a tree: a new policy asks it of every node.
 */
static void find_facts(struct bytes json, struct bytes out[static FACTS])
{
	bool want_key = false;
	int depth = 0, which = -1;
	size_t i = 0;

	while (i < json.n) {
		uint8_t c = json.p[i++];

		if (c == '{' || c == '[') {
			want_key = ++depth == 1;
		} else if (c == '}' || c == ']') {
			depth--;
		} else if (c == ',' && depth == 1) {
			want_key = true;
		} else if (c == '"') {
			size_t from = i;

			while (i < json.n && json.p[i] != '"')
				i += json.p[i] == '\\' ? 2 : 1;
			if (i >= json.n)
				return;
			if (depth == 1 && want_key)
				which = fact_index(json.p + from, i - from);
			else if (depth == 1 && which >= 0)
				out[which] = bytes_of(json.p + from, i - from);
			want_key = false;
			i++;
		}
	}
}

static void take_fact(struct bytes v, char *out, size_t cap)
{
	if (v.n >= cap || (v.n > 0 && memchr(v.p, '\\', v.n) != NULL))
		v.n = 0; /* none of these has escapes in it */
	if (v.n > 0)
		memcpy(out, v.p, v.n);
	out[v.n] = '\0';
}

void hostinfo_facts(const struct shared_bytes *json, struct hostinfo_facts *out)
{
	struct bytes v[FACTS] = { { 0, 0 } };

	find_facts(shared_bytes_view(json), v);
	take_fact(v[0], out->os, sizeof out->os);
	take_fact(v[1], out->os_version, sizeof out->os_version);
	take_fact(v[2], out->client_version, sizeof out->client_version);
}
