/*
 * client/netmap.c -- see client/netmap.h.
 *
 * Peers stand in an array sorted by ID. Objects that a message replaces are kept until it is applied whole, for what moved
 * within a message shows only when old and new are compared at its end.
 */
#include "client/netmap.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/vec.h"
#include "crypto/keys.h"
#include "model/ip.h"

struct peer {
	int64_t id;
	struct json_object *o;
};

struct netmap {
	VEC(struct peer) peers;
	struct json_object *self, *last;
	struct json_object *parts;    /* name -> value */
	struct json_object *profiles; /* user ID as text -> profile */
	struct json_object *filters;  /* name of a set -> rules */
	bool first_seen;
	bool identity_changed; /* in this message: keys, addresses or names came or went */
	VEC(struct peer) before; /* what this message replaced or removed */
	VEC(int64_t) touched;    /* what it set */
	struct netmap_stats stats;
	uint64_t violated[NETMAP_VIOLATION_COUNT];
	char first_case[NETMAP_VIOLATION_COUNT][160];
};

static const char *const violation_text[] = {
#define X(id, text) [NETMAP_##id] = text,
	NETMAP_VIOLATIONS(X)
#undef X
};

PRINTF_LIKE(3, 4) static void violate(struct netmap *m, enum netmap_violation v, const char *fmt, ...)
{
	va_list ap;

	if (m->violated[v]++)
		return;
	va_start(ap, fmt);
	vsnprintf(m->first_case[v], sizeof m->first_case[v], fmt, ap);
	va_end(ap);
}

/* --- JSON --------------------------------------------------------------------------------- */

static struct json_object *get(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return o && json_object_object_get_ex(o, name, &v) ? v : NULL;
}

static bool has(struct json_object *o, const char *name)
{
	return json_object_object_get_ex(o, name, NULL);
}

static const char *str(struct json_object *o, const char *name)
{
	struct json_object *v = get(o, name);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

static int64_t num(struct json_object *o, const char *name)
{
	struct json_object *v = get(o, name);

	return json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;
}

#define each_member(o, it)                                                                                          \
	for (struct json_object_iterator it = json_object_iter_begin(o), it##_end = json_object_iter_end(o);         \
	     !json_object_iter_equal(&it, &it##_end); json_object_iter_next(&it))

static size_t len(struct json_object *arr)
{
	return json_object_is_type(arr, json_type_array) ? json_object_array_length(arr) : 0;
}

/* --- peers -------------------------------------------------------------------------------- */

static size_t place(const struct netmap *m, int64_t id)
{
	size_t lo = 0, hi = m->peers.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (m->peers.v[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct json_object *netmap_peer(const struct netmap *m, int64_t id)
{
	size_t i = place(m, id);

	return i < m->peers.n && m->peers.v[i].id == id ? m->peers.v[i].o : NULL;
}

static void bury(struct netmap *m, int64_t id, struct json_object *o)
{
	struct peer p = { id, o };

	vec_push(&m->before, p);
}

static void put_peer(struct netmap *m, int64_t id, struct json_object *o)
{
	size_t i = place(m, id);
	struct peer p = { id, json_object_get(o) };

	vec_push(&m->touched, id);
	if (i < m->peers.n && m->peers.v[i].id == id) {
		bury(m, id, m->peers.v[i].o);
		m->peers.v[i] = p;
		return;
	}
	vec_push(&m->peers, p);
	memmove(m->peers.v + i + 1, m->peers.v + i, (m->peers.n - 1 - i) * sizeof p);
	m->peers.v[i] = p;
}

static bool drop_peer(struct netmap *m, int64_t id)
{
	size_t i = place(m, id);

	if (i >= m->peers.n || m->peers.v[i].id != id)
		return false;
	bury(m, id, m->peers.v[i].o);
	memmove(m->peers.v + i, m->peers.v + i + 1, (m->peers.n - i - 1) * sizeof m->peers.v[0]);
	m->peers.n--;
	return true;
}

static void drop_all(struct netmap *m)
{
	for (size_t i = 0; i < m->peers.n; i++)
		bury(m, m->peers.v[i].id, m->peers.v[i].o);
	m->peers.n = 0;
}

/* --- checks of one node ------------------------------------------------------------------- */

static bool endpoint_ok(const char *s)
{
	const char *colon = strrchr(s, ':');
	struct ip_addr a;
	char host[80];
	size_t n;

	if (!colon || colon == s)
		return false;
	n = (size_t)(colon - s);
	if (s[0] == '[') {
		if (colon[-1] != ']' || n < 3)
			return false;
		s++;
		n -= 2;
	}
	if (n >= sizeof host)
		return false;
	memcpy(host, s, n);
	host[n] = '\0';
	return ip_parse(bytes_of_str(host), &a) == ST_OK && atoi(colon + 1) > 0 && atoi(colon + 1) < 65536;
}

static bool prefix_ok(const char *s)
{
	struct ip_prefix p;

	return ip_prefix_parse(bytes_of_str(s), &p) == ST_OK;
}

static void check_texts(struct netmap *m, struct json_object *node, const char *name, bool (*ok)(const char *s))
{
	struct json_object *arr = get(node, name);

	if (arr && !json_object_is_type(arr, json_type_array)) {
		violate(m, NETMAP_BAD_FIELD, "%s of node %lld", name, (long long)num(node, "ID"));
		return;
	}
	for (size_t i = 0; i < len(arr); i++) {
		struct json_object *v = json_object_array_get_idx(arr, i);

		if (!json_object_is_type(v, json_type_string) || !ok(json_object_get_string(v)))
			violate(m, NETMAP_BAD_FIELD, "%s of node %lld: %s", name, (long long)num(node, "ID"),
				v ? json_object_get_string(v) : "null");
	}
}

static void check_time(struct netmap *m, struct json_object *o, const char *name)
{
	int64_t ns;

	if (json_get_time(o, name, &ns, NULL) != ST_OK)
		violate(m, NETMAP_BAD_FIELD, "%s: %s", name, json_object_get_string(get(o, name)));
}

static void check_type(struct netmap *m, struct json_object *o, const char *name, enum json_type t)
{
	struct json_object *v = get(o, name);

	if (v && !json_object_is_type(v, t))
		violate(m, NETMAP_BAD_FIELD, "%s is %s", name, json_type_to_name(json_object_get_type(v)));
}

static void check_key(struct netmap *m, struct json_object *o, const char *name, enum key_kind kind, bool required)
{
	struct json_object *v = get(o, name);
	uint8_t key[KEY_LEN];

	if (!v && !required)
		return;
	if (!json_object_is_type(v, json_type_string) || key_text_parse(kind, bytes_of_str(json_object_get_string(v)), key) != ST_OK)
		violate(m, NETMAP_BAD_FIELD, "%s of node %lld", name, (long long)num(o, "ID"));
	else if (required && key_bytes_are_zero(key))
		violate(m, NETMAP_BAD_NODE, "zero %s of node %lld", name, (long long)num(o, "ID"));
}

static void check_common(struct netmap *m, struct json_object *o)
{
	check_key(m, o, "DiscoKey", KEY_DISCO, false);
	check_time(m, o, "KeyExpiry");
	check_time(m, o, "LastSeen");
	check_type(m, o, "Online", json_type_boolean);
	check_type(m, o, "Cap", json_type_int);
	check_type(m, o, "CapMap", json_type_object);
	check_texts(m, o, "Endpoints", endpoint_ok);
}

/* The types in which clients read what a node says of itself: one that is wrong costs them the frame. */
static void check_services(struct netmap *m, struct json_object *arr)
{
	for (size_t i = 0; i < len(arr); i++) {
		struct json_object *e = json_object_array_get_idx(arr, i);

		if (!json_object_is_type(e, json_type_object)) {
			violate(m, NETMAP_BAD_FIELD, "a service is no object");
			continue;
		}
		check_type(m, e, "Proto", json_type_string);
		check_type(m, e, "Port", json_type_int);
		check_type(m, e, "Description", json_type_string);
		if (num(e, "Port") < 0 || num(e, "Port") > 65535)
			violate(m, NETMAP_BAD_FIELD, "port %lld of a service", (long long)num(e, "Port"));
	}
}

static void check_number(struct netmap *m, struct json_object *o, const char *name)
{
	if (!json_object_is_type(get(o, name), json_type_int))
		check_type(m, o, name, json_type_double);
}

static bool any_text(const char *s)
{
	(void)s;
	return true;
}

static void check_hostinfo(struct netmap *m, struct json_object *h)
{
	static const char *const texts[] = { "IPNVersion", "FrontendLogID", "BackendLogID", "OS", "OSVersion", "Env", "Distro",
					     "DistroVersion", "DistroCodeName", "App", "Package", "DeviceModel", "PushDeviceToken",
					     "Hostname", "Machine", "GoArch", "GoArchVar", "GoVersion", "Cloud", "ServicesHash",
					     "ExitNodeID" };
	static const char *const flags[] = { "ShieldsUp", "ShareeNode", "NoLogsNoSupport", "RemoteConfig", "WireIngress",
					     "IngressEnabled", "AllowsUpdate", "PeerRelay", "Container", "Desktop", "Userspace",
					     "UserspaceRouter", "AppConnector", "StateEncrypted" };
	struct json_object *l = get(h, "Location");

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		check_type(m, h, texts[i], json_type_string);
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		check_type(m, h, flags[i], json_type_boolean);
	check_texts(m, h, "RoutableIPs", prefix_ok);
	check_texts(m, h, "RequestTags", any_text);
	check_texts(m, h, "WoLMACs", any_text);
	check_texts(m, h, "sshHostKeys", any_text);
	check_type(m, h, "Services", json_type_array);
	check_services(m, get(h, "Services"));
	check_type(m, h, "NetInfo", json_type_object);
	check_type(m, h, "TPM", json_type_object);
	check_type(m, h, "Location", json_type_object);
	for (size_t i = 0; l && i < 4; i++)
		check_type(m, l, ((const char *const[]){ "Country", "CountryCode", "City", "CityCode" })[i], json_type_string);
	if (l) {
		check_number(m, l, "Latitude");
		check_number(m, l, "Longitude");
		check_type(m, l, "Priority", json_type_int);
	}
}

static void check_node(struct netmap *m, struct json_object *o)
{
	int64_t id = num(o, "ID");
	const char *name = str(o, "Name"), *dot = strchr(name, '.');

	if (id <= 0 || id >= (int64_t)1 << 53)
		violate(m, NETMAP_BAD_NODE, "ID %lld", (long long)id);
	if (!str(o, "StableID")[0])
		violate(m, NETMAP_BAD_NODE, "no StableID: node %lld", (long long)id);
	if (!dot || dot == name || !dot[1] || name[strlen(name) - 1] != '.')
		violate(m, NETMAP_BAD_NODE, "Name \"%s\": node %lld", name, (long long)id);
	if (num(o, "User") <= 0)
		violate(m, NETMAP_BAD_NODE, "no User: node %lld", (long long)id);
	if (len(get(o, "Addresses")) == 0)
		violate(m, NETMAP_BAD_NODE, "no Addresses: node %lld", (long long)id);
	if (num(o, "HomeDERP") < 0 || num(o, "HomeDERP") > 65535)
		violate(m, NETMAP_BAD_NODE, "HomeDERP %lld", (long long)num(o, "HomeDERP"));
	check_key(m, o, "Key", KEY_NODE, true);
	check_key(m, o, "Machine", KEY_MACHINE, false);
	check_common(m, o);
	check_time(m, o, "Created");
	check_texts(m, o, "Addresses", prefix_ok);
	check_texts(m, o, "AllowedIPs", prefix_ok);
	check_texts(m, o, "PrimaryRoutes", prefix_ok);
	check_type(m, o, "Hostinfo", json_type_object);
	if (json_object_is_type(get(o, "Hostinfo"), json_type_object))
		check_hostinfo(m, get(o, "Hostinfo"));
	check_type(m, o, "Tags", json_type_array);
}

static bool is_self(const struct netmap *m, int64_t id)
{
	return m->self && num(m->self, "ID") == id;
}

static void check_list(struct netmap *m, struct json_object *arr, const char *what)
{
	int64_t last = 0;

	for (size_t i = 0; i < len(arr); i++) {
		int64_t id = num(json_object_array_get_idx(arr, i), "ID");

		if (id <= last)
			violate(m, NETMAP_UNSORTED, "%s: %lld after %lld", what, (long long)id, (long long)last);
		if (is_self(m, id))
			violate(m, NETMAP_SELF_AMONG_PEERS, "%s: %lld", what, (long long)id);
		last = id;
	}
}

/* --- whole nodes -------------------------------------------------------------------------- */

/* What a PeerChange can say; those that cost a client nothing first. */
static const char *const patchable[] = { "Endpoints", "HomeDERP", "Online", "LastSeen", "DERP", "Key", "KeyExpiry", "KeySignature",
					 "DiscoKey", "Cap", "CapMap" };
#define N_CHEAP 5

static bool named_in(const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, patchable[i]) == 0)
			return true;
	return false;
}

static bool same(struct json_object *a, struct json_object *b)
{
	return a == b || (a && b && json_object_equal(a, b));
}

/* How b differs from a: 0 not at all, 1 only by what costs nothing, 2 only by what a patch can say, 3 by more. */
static int half_difference(struct json_object *a, struct json_object *b)
{
	int d = 0;

	each_member(a, it) {
		const char *name = json_object_iter_peek_name(&it);
		struct json_object *v = json_object_iter_peek_value(&it);
		if (same(v, get(b, name)))
			continue;
		if (!named_in(name, sizeof patchable / sizeof patchable[0]))
			return 3;
		d = named_in(name, N_CHEAP) && d < 2 ? 1 : 2;
	}
	return d;
}

static int difference(struct json_object *a, struct json_object *b)
{
	int x = half_difference(a, b), y = half_difference(b, a);

	return x > y ? x : y;
}

/* A client makes a patch of the change from a to b: what does a patch not say? */
static void check_lost(struct netmap *m, struct json_object *a, struct json_object *b)
{
	static const char *const both_ways[] = { "Online", "LastSeen" };
	static const char *const clearing[] = { "HomeDERP", "Cap", "Endpoints", "KeySignature" };

	for (size_t i = 0; i < 2; i++)
		/* When it was last seen does not matter while it is online. */
		if (!get(a, both_ways[i]) != !get(b, both_ways[i]) && !(i == 1 && json_object_get_boolean(get(b, "Online"))))
			violate(m, NETMAP_CHANGE_LOST, "%s of node %lld from or to unknown", both_ways[i], (long long)num(b, "ID"));
	for (size_t i = 0; i < 4; i++)
		if (get(a, clearing[i]) && !get(b, clearing[i]))
			violate(m, NETMAP_CHANGE_LOST, "%s of node %lld cleared", clearing[i], (long long)num(b, "ID"));
}

static void compare_known(struct netmap *m, struct json_object *old, struct json_object *now)
{
	int d = difference(old, now);

	if (strcmp(str(old, "StableID"), str(now, "StableID")) != 0)
		violate(m, NETMAP_STABLE_CHANGED, "node %lld", (long long)num(now, "ID"));
	if (d == 0)
		m->stats.nothing++;
	if (d == 1)
		m->stats.whole_for_patch++;
	if (d == 1 || d == 2)
		check_lost(m, old, now);
}

static void apply_whole(struct netmap *m, struct json_object *arr, bool compare)
{
	for (size_t i = 0; i < len(arr); i++) {
		struct json_object *o = json_object_array_get_idx(arr, i), *old;

		if (!json_object_is_type(o, json_type_object)) {
			violate(m, NETMAP_BAD_FIELD, "a peer is no object");
			continue;
		}
		check_node(m, o);
		old = netmap_peer(m, num(o, "ID"));
		if (old && compare)
			compare_known(m, old, o);
		put_peer(m, num(o, "ID"), o);
	}
	if (len(arr))
		m->identity_changed = true;
}

static void apply_full(struct netmap *m, struct json_object *frame, struct json_object *peers)
{
	static const char *const ignored[] = { "PeersRemoved", "PeersChanged", "PeerSeenChange", "OnlineChange", "PeersChangedPatch" };

	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		if (get(frame, ignored[i]))
			violate(m, NETMAP_PEERS_AND_DELTA, "%s", ignored[i]);
	check_list(m, peers, "Peers");
	drop_all(m);
	apply_whole(m, peers, false);
	m->stats.full += len(peers);
}

/* --- changes ------------------------------------------------------------------------------ */

static void apply_removed(struct netmap *m, struct json_object *arr)
{
	for (size_t i = 0; i < len(arr); i++) {
		struct json_object *v = json_object_array_get_idx(arr, i);

		if (!json_object_is_type(v, json_type_int))
			violate(m, NETMAP_BAD_FIELD, "PeersRemoved");
		else if (!drop_peer(m, json_object_get_int64(v)))
			m->stats.removed_unknown++;
		m->identity_changed = true;
	}
	m->stats.removed += len(arr);
}

/* A copy of the node to change, put in its place; NULL: there is none. */
static struct json_object *peer_for_change(struct netmap *m, int64_t id, enum netmap_violation unknown)
{
	struct json_object *old = netmap_peer(m, id), *copy = NULL;

	if (!old) {
		violate(m, unknown, "%lld%s", (long long)id, is_self(m, id) ? " (itself)" : "");
		return NULL;
	}
	if (json_object_deep_copy(old, &copy, NULL) != 0)
		abort();
	put_peer(m, id, copy);
	json_object_put(copy); /* the list holds it */
	return copy;
}

static void apply_flags(struct netmap *m, struct json_object *map, const char *member, enum netmap_violation unknown)
{
	if (!map)
		return;
	if (!json_object_is_type(map, json_type_object)) {
		violate(m, NETMAP_BAD_FIELD, "change of %s", member);
		return;
	}
	each_member(map, it) {
		const char *key = json_object_iter_peek_name(&it);
		struct json_object *v = json_object_iter_peek_value(&it);
		struct json_object *p = peer_for_change(m, strtoll(key, NULL, 10), unknown);
		char now[RFC3339_MAX];

		if (!json_object_is_type(v, json_type_boolean))
			violate(m, NETMAP_BAD_FIELD, "change of %s", member);
		if (!p)
			continue;
		if (strcmp(member, "Online") == 0) {
			if (same(get(p, "Online"), v))
				m->stats.nothing++;
			json_object_object_add(p, "Online", json_object_get(v));
		} else if (json_object_get_boolean(v)) {
			rfc3339_format(clock_unix_ns(), now);
			json_object_object_add(p, "LastSeen", json_object_new_string(now));
		} else {
			json_object_object_del(p, "LastSeen");
		}
	}
}

static void apply_patch(struct netmap *m, struct json_object *c)
{
	static const char *const same_name[] = { "Endpoints", "Online", "LastSeen", "Cap", "CapMap", "Key", "KeySignature", "DiscoKey",
						 "KeyExpiry" };
	struct json_object *p = peer_for_change(m, num(c, "NodeID"), NETMAP_UNKNOWN_PATCH);
	bool changed = false, costly = false;

	check_common(m, c);
	check_key(m, c, "Key", KEY_NODE, false);
	if (!p)
		return;
	if (num(c, "DERPRegion")) {
		changed = num(p, "HomeDERP") != num(c, "DERPRegion");
		json_object_object_add(p, "HomeDERP", json_object_new_int64(num(c, "DERPRegion")));
	}
	for (size_t i = 0; i < sizeof same_name / sizeof same_name[0]; i++) {
		struct json_object *v = get(c, same_name[i]);

		if (!v)
			continue;
		costly |= i >= 3;
		changed |= !same(get(p, same_name[i]), v);
		json_object_object_add(p, same_name[i], json_object_get(v));
	}
	m->identity_changed |= has(c, "Key");
	m->stats.costly_patches += costly;
	m->stats.nothing += !changed;
}

static void apply_patches(struct netmap *m, struct json_object *arr)
{
	for (size_t i = 0; i < len(arr); i++) {
		struct json_object *c = json_object_array_get_idx(arr, i);

		if (json_object_is_type(c, json_type_object))
			apply_patch(m, c);
		else
			violate(m, NETMAP_BAD_FIELD, "a patch is no object");
	}
	m->stats.patched += len(arr);
}

/* --- the rest of a message ---------------------------------------------------------------- */

static void apply_self(struct netmap *m, struct json_object *node)
{
	if (!node)
		return;
	if (!json_object_is_type(node, json_type_object)) {
		violate(m, NETMAP_BAD_FIELD, "Node");
		return;
	}
	check_node(m, node);
	if (m->self && num(m->self, "ID") != num(node, "ID"))
		violate(m, NETMAP_SELF_CHANGED, "%lld to %lld", (long long)num(m->self, "ID"), (long long)num(node, "ID"));
	if (m->self && json_object_equal(m->self, node))
		m->stats.nothing++;
	if (netmap_peer(m, num(node, "ID")))
		violate(m, NETMAP_SELF_AMONG_PEERS, "%lld", (long long)num(node, "ID"));
	if (m->self)
		bury(m, num(m->self, "ID"), m->self);
	m->self = json_object_get(node);
	m->identity_changed = true;
}

/* Lines are set and taken back one by one. */
static void apply_messages(struct netmap *m, struct json_object *change)
{
	struct json_object *all = json_object_new_object(), *old = get(m->parts, "DisplayMessages");
	struct json_object_iter it;

	/* Client 1.102.5 changes the map in place that its last network map is being read from, and dies of it now and then. */
	if (old && !json_object_object_get_ex(change, "*", NULL))
		violate(m, NETMAP_BAD_FIELD, "DisplayMessages are changed and not replaced");
	if (old && !json_object_object_get_ex(change, "*", NULL)) {
		json_object_object_foreachC(old, it)
			json_object_object_add(all, it.key, json_object_get(it.val));
	}
	json_object_object_foreachC(change, it) {
		if (it.val == NULL) {
			json_object_object_del(all, it.key);
			continue;
		}
		check_type(m, it.val, "Title", json_type_string);
		check_type(m, it.val, "Text", json_type_string);
		check_type(m, it.val, "Severity", json_type_string);
		json_object_object_add(all, it.key, json_object_get(it.val));
	}
	json_object_object_add(m->parts, "DisplayMessages", all);
}

static void apply_parts(struct netmap *m, struct json_object *frame)
{
	static const char *const names[] = { "DERPMap", "DNSConfig", "Domain", "SSHPolicy", "CollectServices", "TKAInfo",
					     "DisplayMessages", "Health", "Debug", "ControlDialPlan", "ClientVersion", "ControlTime" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct json_object *v = get(frame, names[i]);

		if (!v)
			continue;
		if (!strcmp(names[i], "DisplayMessages")) {
			apply_messages(m, v);
			continue;
		}
		if (i < 4 && same(get(m->parts, names[i]), v))
			m->stats.nothing++;
		json_object_object_add(m->parts, names[i], json_object_get(v));
	}
	check_time(m, frame, "ControlTime");
}

static void apply_profiles(struct netmap *m, struct json_object *arr)
{
	for (size_t i = 0; i < len(arr); i++) {
		struct json_object *p = json_object_array_get_idx(arr, i);
		char id[32];

		if (num(p, "ID") <= 0 || !str(p, "LoginName")[0])
			violate(m, NETMAP_BAD_FIELD, "profile of user %lld", (long long)num(p, "ID"));
		snprintf(id, sizeof id, "%lld", (long long)num(p, "ID"));
		json_object_object_add(m->profiles, id, json_object_get(p));
	}
}

static bool filter_source_ok(const char *s)
{
	struct ip_prefix p, masked;
	struct ip_addr a, b;
	const char *dash = strchr(s, '-');

	if (strcmp(s, "*") == 0 || strncmp(s, "cap:", 4) == 0)
		return true;
	if (dash)
		return ip_parse(bytes_of(s, (size_t)(dash - s)), &a) == ST_OK && ip_parse(bytes_of_str(dash + 1), &b) == ST_OK &&
		       ip_cmp(&a, &b) <= 0;
	if (ip_parse(bytes_of_str(s), &a) == ST_OK)
		return true;
	if (ip_prefix_parse(bytes_of_str(s), &p) != ST_OK)
		return false;
	masked = ip_prefix_masked(p);
	return ip_prefix_eq(&masked, &p);
}

static void check_rule(struct netmap *m, struct json_object *rule)
{
	struct json_object *src = get(rule, "SrcIPs"), *dst = get(rule, "DstPorts");

	if (get(rule, "SrcBits"))
		violate(m, NETMAP_BAD_FILTER, "SrcBits");
	if (len(src) == 0)
		violate(m, NETMAP_BAD_FILTER, "no SrcIPs");
	for (size_t i = 0; i < len(src); i++)
		if (!filter_source_ok(json_object_get_string(json_object_array_get_idx(src, i))))
			violate(m, NETMAP_BAD_FILTER, "source %s", json_object_get_string(json_object_array_get_idx(src, i)));
	for (size_t i = 0; i < len(dst); i++) {
		struct json_object *d = json_object_array_get_idx(dst, i), *ports = get(d, "Ports");

		if (get(d, "Bits"))
			violate(m, NETMAP_BAD_FILTER, "Bits");
		if (!filter_source_ok(str(d, "IP")))
			violate(m, NETMAP_BAD_FILTER, "destination %s", str(d, "IP"));
		if (!ports || num(ports, "First") > num(ports, "Last") || num(ports, "Last") > 65535)
			violate(m, NETMAP_BAD_FILTER, "ports of %s", str(d, "IP"));
	}
}

static void set_filter(struct netmap *m, const char *name, struct json_object *rules)
{
	if (!json_object_is_type(rules, json_type_array)) {
		violate(m, NETMAP_BAD_FIELD, "packet filter");
		return;
	}
	for (size_t i = 0; i < len(rules); i++)
		check_rule(m, json_object_array_get_idx(rules, i));
	if (same(get(m->filters, name), rules))
		m->stats.nothing++;
	json_object_object_add(m->filters, name, json_object_get(rules));
}

static void apply_filters(struct netmap *m, struct json_object *frame)
{
	struct json_object *one = get(frame, "PacketFilter"), *sets = get(frame, "PacketFilters");

	if (one)
		set_filter(m, "base", one);
	if (!sets)
		return;
	if (!json_object_is_type(sets, json_type_object)) {
		violate(m, NETMAP_BAD_FIELD, "PacketFilters");
		return;
	}
	if (has(sets, "*") && !get(sets, "*")) {
		json_object_put(m->filters);
		m->filters = json_object_new_object();
	}
	each_member(sets, it) {
		const char *name = json_object_iter_peek_name(&it);
		struct json_object *rules = json_object_iter_peek_value(&it);
		if (strcmp(name, "*") == 0)
			continue;
		if (rules)
			set_filter(m, name, rules);
		else
			json_object_object_del(m->filters, name);
	}
}

/* --- checks of a message ------------------------------------------------------------------ */

static bool derp_ok(struct json_object *map)
{
	struct json_object *regions = get(map, "Regions");

	if (!json_object_is_type(regions, json_type_object))
		return false;
	each_member(regions, it) {
		const char *id = json_object_iter_peek_name(&it);
		struct json_object *r = json_object_iter_peek_value(&it);
		if (atoi(id) > 0 && atoi(id) <= 65535 && len(get(r, "Nodes")) > 0)
			return true;
	}
	return false;
}

static void check_first(struct netmap *m, struct json_object *f)
{
	if (!get(f, "Node"))
		violate(m, NETMAP_FIRST_NODE, " ");
	if (!derp_ok(get(f, "DERPMap")))
		violate(m, NETMAP_FIRST_DERP, " ");
	if (len(get(f, "UserProfiles")) == 0)
		violate(m, NETMAP_FIRST_PROFILES, " ");
	if (!json_object_is_type(get(f, "DNSConfig"), json_type_object))
		violate(m, NETMAP_FIRST_DNS, " ");
	if (!str(f, "Domain")[0])
		violate(m, NETMAP_FIRST_DOMAIN, " ");
	if (!get(f, "PacketFilter") && !get(f, "PacketFilters"))
		violate(m, NETMAP_FIRST_FILTER, " ");
}

static void check_profile_of(struct netmap *m, struct json_object *node)
{
	if (!netmap_profile(m, num(node, "User")))
		violate(m, NETMAP_NO_PROFILE, "user %lld of node %lld", (long long)num(node, "User"), (long long)num(node, "ID"));
	if (num(node, "Sharer") && !netmap_profile(m, num(node, "Sharer")))
		violate(m, NETMAP_NO_PROFILE, "sharer of node %lld", (long long)num(node, "ID"));
}

/* Something that one node may hold at a time. */
struct held {
	const char *what;
	int64_t id;
	enum netmap_violation kind;
};

static int by_what(const void *a, const void *b)
{
	const struct held *x = a, *y = b;
	int c = strcmp(x->what, y->what);

	return c ? c : (x->id > y->id) - (x->id < y->id);
}

struct holdings {
	VEC(struct held) v;
};

static void hold(struct holdings *h, const char *what, int64_t id, enum netmap_violation kind)
{
	struct held x = { what, id, kind };

	vec_push(&h->v, x);
}

static void hold_of(struct holdings *h, struct json_object *node)
{
	struct json_object *addrs = get(node, "Addresses");
	int64_t id = num(node, "ID");

	hold(h, str(node, "Key"), id, NETMAP_KEY_TWICE);
	hold(h, str(node, "Name"), id, NETMAP_NAME_TWICE);
	for (size_t i = 0; i < len(addrs); i++)
		hold(h, json_object_get_string(json_object_array_get_idx(addrs, i)), id, NETMAP_ADDRESS_TWICE);
}

static void sort_holdings(struct holdings *h)
{
	if (h->v.n)
		qsort(h->v.v, h->v.n, sizeof h->v.v[0], by_what);
}

static void check_twice(struct netmap *m)
{
	struct holdings h = { 0 };

	if (m->self)
		hold_of(&h, m->self);
	for (size_t i = 0; i < m->peers.n; i++)
		hold_of(&h, m->peers.v[i].o);
	sort_holdings(&h);
	for (size_t i = 1; i < h.v.n; i++)
		if (strcmp(h.v.v[i].what, h.v.v[i - 1].what) == 0 && h.v.v[i].id != h.v.v[i - 1].id)
			violate(m, h.v.v[i].kind, "%s: %lld and %lld", h.v.v[i].what, (long long)h.v.v[i - 1].id,
				(long long)h.v.v[i].id);
	vec_release(&h.v);
}

/* Whether a node that held it before this message gave it to another in it. */
static void check_moved(struct netmap *m)
{
	struct holdings old = { 0 }, now = { 0 };

	for (size_t i = 0; i < m->before.n; i++)
		hold_of(&old, m->before.v[i].o);
	for (size_t i = 0; i < m->touched.n; i++) {
		struct json_object *p = netmap_peer(m, m->touched.v[i]);

		if (p)
			hold_of(&now, p);
	}
	sort_holdings(&old);
	sort_holdings(&now);
	for (size_t i = 0, k = 0; i < old.v.n && k < now.v.n;) {
		int c = strcmp(old.v.v[i].what, now.v.v[k].what);

		if (c == 0 && old.v.v[i].id != now.v.v[k].id)
			violate(m, NETMAP_MOVED, "%s from %lld to %lld", now.v.v[k].what, (long long)old.v.v[i].id,
				(long long)now.v.v[k].id);
		if (c <= 0)
			i++;
		else
			k++;
	}
	vec_release(&old.v);
	vec_release(&now.v);
}

static bool costs_rebuild(struct json_object *f)
{
	static const char *const names[] = { "Node", "DERPMap", "DNSConfig", "Domain", "CollectServices", "Health", "DisplayMessages",
					     "SSHPolicy", "TKAInfo", "Debug", "ControlDialPlan", "ClientVersion", "Peers",
					     "DomainDataPlaneAuditLogID", "DefaultAutoUpdate" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (get(f, names[i]))
			return true;
	return false;
}

/* A message that says nothing but the time. */
static bool says_nothing(struct json_object *f)
{
	each_member(f, it) {
		const char *name = json_object_iter_peek_name(&it);
		struct json_object *v = json_object_iter_peek_value(&it);
		if (strcmp(name, "ControlTime") == 0 || !v)
			continue;
		if (json_object_is_type(v, json_type_array) && len(v) == 0 && strcmp(name, "PacketFilter") != 0 &&
		    strcmp(name, "Health") != 0)
			continue;
		return false;
	}
	return true;
}

static void clear_message(struct netmap *m)
{
	for (size_t i = 0; i < m->before.n; i++)
		json_object_put(m->before.v[i].o);
	m->before.n = 0;
	m->touched.n = 0;
	m->identity_changed = false;
}

static void apply_peers(struct netmap *m, struct json_object *f)
{
	struct json_object *peers = get(f, "Peers");

	check_type(m, f, "Peers", json_type_array);
	check_type(m, f, "PeersChanged", json_type_array);
	check_type(m, f, "PeersRemoved", json_type_array);
	check_type(m, f, "PeersChangedPatch", json_type_array);
	if (len(peers)) {
		apply_full(m, f, peers);
		return;
	}
	if (peers && m->first_seen)
		violate(m, NETMAP_PEERS_EMPTY, " ");
	apply_removed(m, get(f, "PeersRemoved"));
	check_list(m, get(f, "PeersChanged"), "PeersChanged");
	apply_whole(m, get(f, "PeersChanged"), true);
	m->stats.whole += len(get(f, "PeersChanged"));
	apply_flags(m, get(f, "PeerSeenChange"), "LastSeen", NETMAP_UNKNOWN_SEEN);
	apply_flags(m, get(f, "OnlineChange"), "Online", NETMAP_UNKNOWN_ONLINE);
	m->stats.seen += get(f, "PeerSeenChange") ? (size_t)json_object_object_length(get(f, "PeerSeenChange")) : 0;
	m->stats.online += get(f, "OnlineChange") ? (size_t)json_object_object_length(get(f, "OnlineChange")) : 0;
	apply_patches(m, get(f, "PeersChangedPatch"));
}

static void apply_frame(struct netmap *m, struct json_object *f)
{
	bool first = !m->first_seen;
	uint64_t costly = m->stats.costly_patches;

	if (first)
		check_first(m, f);
	if (says_nothing(f))
		violate(m, NETMAP_EMPTY, " ");
	apply_self(m, get(f, "Node"));
	apply_parts(m, f);
	apply_profiles(m, get(f, "UserProfiles"));
	apply_filters(m, f);
	apply_peers(m, f);
	m->first_seen = true;
	if (m->identity_changed)
		check_twice(m);
	if (!first && !get(f, "Peers"))
		check_moved(m);
	for (size_t i = 0; i < m->touched.n; i++) {
		struct json_object *p = netmap_peer(m, m->touched.v[i]);

		if (p)
			check_profile_of(m, p);
	}
	if (get(f, "Node"))
		check_profile_of(m, m->self);
	if (first)
		return;
	if (costs_rebuild(f) || m->stats.costly_patches != costly)
		m->stats.rebuilds++;
	else
		m->stats.cheap++;
}

void netmap_apply(struct netmap *m, struct bytes json)
{
	struct json_object *f = NULL, *ka;
	struct err err = { 0 };

	m->stats.frames++;
	if (bytes_eq_str(json, "{\"KeepAlive\":true}"))
		violate(m, NETMAP_KEEPALIVE_TRAP, " ");
	if (memmem(json.p, json.n, "\\u0000", 6))
		violate(m, NETMAP_NUL, " ");
	if (json_parse(json, json.n, &f, &err) != ST_OK || !json_object_is_type(f, json_type_object)) {
		violate(m, NETMAP_BAD_JSON, "%s", err.text);
		json_object_put(f);
		return;
	}
	ka = get(f, "KeepAlive");
	if (ka && json_object_get_boolean(ka)) {
		m->stats.keepalives++;
		check_time(m, f, "ControlTime");
		if (get(f, "ClientVersion"))
			json_object_object_add(m->parts, "ClientVersion", json_object_get(get(f, "ClientVersion")));
	} else {
		apply_frame(m, f);
		clear_message(m);
	}
	json_object_put(m->last);
	m->last = f;
}

/* --- life --------------------------------------------------------------------------------- */

struct netmap *netmap_new(void)
{
	struct netmap *m = xcalloc(1, sizeof *m);

	netmap_restart(m);
	return m;
}

void netmap_restart(struct netmap *m)
{
	drop_all(m);
	clear_message(m);
	json_object_put(m->self);
	json_object_put(m->last);
	json_object_put(m->parts);
	json_object_put(m->profiles);
	json_object_put(m->filters);
	m->self = m->last = NULL;
	m->parts = json_object_new_object();
	m->profiles = json_object_new_object();
	m->filters = json_object_new_object();
	m->first_seen = false;
}

void netmap_free(struct netmap **mp)
{
	struct netmap *m = *mp;

	if (!m)
		return;
	netmap_restart(m);
	json_object_put(m->parts);
	json_object_put(m->profiles);
	json_object_put(m->filters);
	vec_release(&m->peers);
	vec_release(&m->before);
	vec_release(&m->touched);
	free(m);
	*mp = NULL;
}

/* --- questions ---------------------------------------------------------------------------- */

struct json_object *netmap_self(const struct netmap *m)
{
	return m->self;
}

struct json_object *netmap_peer_named(const struct netmap *m, const char *host)
{
	size_t n = strlen(host);

	for (size_t i = 0; i < m->peers.n; i++) {
		const char *name = str(m->peers.v[i].o, "Name");

		if (strncmp(name, host, n) == 0 && name[n] == '.')
			return m->peers.v[i].o;
	}
	return NULL;
}

struct json_object *netmap_peer_at(const struct netmap *m, size_t i)
{
	return i < m->peers.n ? m->peers.v[i].o : NULL;
}

struct json_object *netmap_part(const struct netmap *m, const char *name)
{
	return get(m->parts, name);
}

const char *netmap_message(const struct netmap *m, const char *id)
{
	struct json_object *v = get(netmap_part(m, "DisplayMessages"), id);

	return v ? str(v, "Text") : NULL;
}

struct json_object *netmap_profile(const struct netmap *m, int64_t user)
{
	char id[32];

	snprintf(id, sizeof id, "%lld", (long long)user);
	return get(m->profiles, id);
}

size_t netmap_rules(const struct netmap *m)
{
	size_t n = 0;

	each_member(m->filters, it) {
		n += len(json_object_iter_peek_value(&it));
	}
	return n;
}

struct json_object *netmap_last(const struct netmap *m)
{
	return m->last;
}

size_t netmap_peers(const struct netmap *m)
{
	return m->peers.n;
}

bool netmap_has_first(const struct netmap *m)
{
	return m->first_seen;
}

const struct netmap_stats *netmap_stats(const struct netmap *m)
{
	return &m->stats;
}

uint64_t netmap_violated(const struct netmap *m, enum netmap_violation v)
{
	return m->violated[v];
}

uint64_t netmap_violations(const struct netmap *m)
{
	uint64_t n = 0;

	for (size_t i = 0; i < NETMAP_VIOLATION_COUNT; i++)
		n += m->violated[i];
	return n;
}

void netmap_report(const struct netmap *m, FILE *to)
{
	for (size_t i = 0; i < NETMAP_VIOLATION_COUNT; i++)
		if (m->violated[i])
			fprintf(to, "%llu times: %s (%s)\n", (unsigned long long)m->violated[i], violation_text[i], m->first_case[i]);
}
