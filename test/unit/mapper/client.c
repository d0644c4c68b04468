/* test/unit/mapper/client.c -- see client.h. */
#include "client.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/json_in.h"
#include "base/vec.h"

static void wrong(struct client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void wrong(struct client *c, const char *fmt, ...)
{
	va_list ap;

	if (c->error[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(c->error, sizeof c->error, fmt, ap);
	va_end(ap);
}

void client_init(struct client *c, node_id id, enum map_format f)
{
	*c = (struct client){ .id = id, .format = f, .open = true, .strict_removals = true };
	c->peers = json_object_new_object();
	c->filters = json_object_new_object();
	c->profiles = json_object_new_object();
}

void client_release(struct client *c)
{
	json_object_put(c->self);
	json_object_put(c->dns);
	json_object_put(c->derp);
	json_object_put(c->ssh);
	json_object_put(c->peers);
	json_object_put(c->filters);
	json_object_put(c->profiles);
	json_object_put(c->last);
}

static struct json_object *get(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, name, &v) ? v : NULL;
}

static int64_t num(struct json_object *o, const char *name)
{
	return json_object_get_int64(get(o, name));
}

static const char *id_text(int64_t id)
{
	static _Thread_local char text[4][24];
	static _Thread_local unsigned at;

	at = (at + 1) % 4;
	snprintf(text[at], sizeof text[at], "%lld", (long long)id);
	return text[at];
}

bool client_has(const struct client *c, node_id id)
{
	return get(c->peers, id_text((int64_t)id)) != NULL;
}

size_t client_peers(const struct client *c)
{
	return (size_t)json_object_object_length(c->peers);
}

static void replace(struct json_object **to, struct json_object *v)
{
	json_object_put(*to);
	*to = json_object_get(v);
}

/* Same JSON text: members come in a fixed order from one encoder. */
static bool same(struct json_object *a, struct json_object *b)
{
	return json_object_equal(a, b);
}

/* ---- rules ------------------------------------------------------------------------------------------- */

static void check_sorted(struct client *c, struct json_object *list, const char *name, const char *id_name)
{
	int64_t last = 0;

	for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++) {
		struct json_object *e = json_object_array_get_idx(list, i);
		int64_t id = id_name ? num(e, id_name) : json_object_get_int64(e);

		if (id <= last)
			wrong(c, "%s is not sorted: %lld after %lld", name, (long long)id, (long long)last);
		if (id == (int64_t)c->id)
			wrong(c, "%s names the receiver itself", name);
		last = id;
	}
}

static bool shares(struct json_object *a, struct json_object *b, const char *name)
{
	struct json_object *x = get(a, name), *y = get(b, name);

	if (x == NULL || y == NULL)
		return false;
	if (!json_object_is_type(x, json_type_array))
		return same(x, y);
	for (size_t i = 0; i < json_object_array_length(x); i++)
		for (size_t k = 0; k < json_object_array_length(y); k++)
			if (same(json_object_array_get_idx(x, i), json_object_array_get_idx(y, k)))
				return true;
	return false;
}

/* Nobody may take what another had before this message. */
static void check_heirs(struct client *c, struct json_object *changed)
{
	static const char *const what[] = { "Key", "Name", "Addresses" };
	struct json_object_iter it;

	for (size_t i = 0; i < json_object_array_length(changed); i++) {
		struct json_object *n = json_object_array_get_idx(changed, i);

		json_object_object_foreachC(c->peers, it) {
			struct json_object *old = it.val;

			if (num(old, "ID") == num(n, "ID"))
				continue;
			for (size_t k = 0; k < 3; k++)
				if (shares(old, n, what[k]))
					wrong(c, "%lld takes %s of %lld in one message", (long long)num(n, "ID"), what[k],
					      (long long)num(old, "ID"));
		}
	}
}

static void check_node(struct client *c, struct json_object *n)
{
	static const char *const must[] = { "ID", "StableID", "Name", "User", "Key", "Addresses", "Hostinfo", "MachineAuthorized", "Online" };

	for (size_t i = 0; i < sizeof must / sizeof *must; i++)
		if (get(n, must[i]) == NULL)
			wrong(c, "a node lacks %s", must[i]);
}

/* ---- applying -------------------------------------------------------------------------------------------- */

static void put_peer(struct client *c, struct json_object *n)
{
	check_node(c, n);
	if (get(c->profiles, id_text(num(n, "User"))) == NULL)
		wrong(c, "peer %lld comes without the profile of user %lld", (long long)num(n, "ID"), (long long)num(n, "User"));
	json_object_object_add(c->peers, id_text(num(n, "ID")), json_object_get(n));
}

static void take_profiles(struct client *c, struct json_object *list)
{
	for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++) {
		struct json_object *u = json_object_array_get_idx(list, i);

		json_object_object_add(c->profiles, id_text(num(u, "ID")), json_object_get(u));
	}
}

static void take_filters(struct client *c, struct json_object *f)
{
	struct json_object_iter it;

	if (f == NULL)
		return;
	json_object_object_foreachC(f, it) {
		const char *name = it.key;
		struct json_object *rules = it.val;

		if (rules == NULL) {
			if (get(c->filters, name) == NULL)
				wrong(c, "filter %s is taken back and was never given", name);
			json_object_object_del(c->filters, name);
		} else {
			json_object_object_add(c->filters, name, json_object_get(rules));
		}
	}
}

static void take_removed(struct client *c, struct json_object *list)
{
	for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++) {
		int64_t id = json_object_get_int64(json_object_array_get_idx(list, i));

		if (get(c->peers, id_text(id)) == NULL)
			wrong(c, "peer %lld is removed and was not there", (long long)id);
		json_object_object_del(c->peers, id_text(id));
	}
}

static struct json_object *copy_of(struct json_object *o)
{
	struct json_object *c = NULL;

	if (json_object_deep_copy(o, &c, NULL) != 0)
		abort();
	return c;
}

static void take_patch(struct client *c, struct json_object *p)
{
	struct json_object *old = get(c->peers, id_text(num(p, "NodeID"))), *n;
	struct json_object_iter it;

	if (old == NULL) {
		wrong(c, "peer %lld is patched and not there", (long long)num(p, "NodeID"));
		return;
	}
	n = copy_of(old);
	json_object_object_foreachC(p, it) {
		const char *name = it.key;
		struct json_object *v = it.val;

		if (strcmp(name, "NodeID") == 0)
			continue;
		if (strcmp(name, "DERPRegion") == 0)
			json_object_object_add(n, "HomeDERP", json_object_get(v));
		else if (strcmp(name, "Endpoints") == 0 || strcmp(name, "Online") == 0 || strcmp(name, "LastSeen") == 0)
			json_object_object_add(n, name, json_object_get(v));
		else
			wrong(c, "a patch holds %s", name);
	}
	json_object_object_add(c->peers, id_text(num(p, "NodeID")), n);
}

static void take_first(struct client *c, struct json_object *m)
{
	static const char *const must[] = { "Node", "DERPMap", "DNSConfig", "Domain", "UserProfiles", "PacketFilters", "SSHPolicy", "ControlTime" };
	struct json_object *peers = get(m, "Peers");

	for (size_t i = 0; i < sizeof must / sizeof *must; i++)
		if (get(m, must[i]) == NULL)
			wrong(c, "the first message lacks %s", must[i]);
	if (num(get(m, "Node"), "ID") != (int64_t)c->id)
		wrong(c, "the first message is another's");
	check_sorted(c, peers, "Peers", "ID");
	for (size_t i = 0; peers != NULL && i < json_object_array_length(peers); i++)
		put_peer(c, json_object_array_get_idx(peers, i));
	c->started = true;
}

static void take_delta(struct client *c, struct json_object *m)
{
	struct json_object *removed = get(m, "PeersRemoved"), *changed = get(m, "PeersChanged"), *patches = get(m, "PeersChangedPatch");

	if (get(m, "Peers") != NULL)
		wrong(c, "Peers within a stream");
	if (get(m, "OnlineChange") != NULL || get(m, "PeerSeenChange") != NULL)
		wrong(c, "online or seen changes are not cheaper than patches");
	check_sorted(c, removed, "PeersRemoved", NULL);
	check_sorted(c, changed, "PeersChanged", "ID");
	check_sorted(c, patches, "PeersChangedPatch", "NodeID");
	if (changed != NULL)
		check_heirs(c, changed);
	take_removed(c, removed);
	for (size_t i = 0; changed != NULL && i < json_object_array_length(changed); i++)
		put_peer(c, json_object_array_get_idx(changed, i));
	for (size_t i = 0; patches != NULL && i < json_object_array_length(patches); i++)
		take_patch(c, json_object_array_get_idx(patches, i));
	c->deltas++;
}

static void take_message(struct client *c, struct json_object *m)
{
	bool first = !c->started;

	if (json_object_get_boolean(get(m, "KeepAlive"))) {
		c->keepalives++;
		if (json_object_object_length(m) < 2)
			wrong(c, "a bare keep-alive");
		return;
	}
	take_profiles(c, get(m, "UserProfiles"));
	take_filters(c, get(m, "PacketFilters"));
	if (get(m, "Node") != NULL)
		replace(&c->self, get(m, "Node"));
	if (get(m, "DNSConfig") != NULL)
		replace(&c->dns, get(m, "DNSConfig"));
	if (get(m, "DERPMap") != NULL)
		replace(&c->derp, get(m, "DERPMap"));
	if (get(m, "SSHPolicy") != NULL)
		replace(&c->ssh, get(m, "SSHPolicy"));
	if (get(m, "Domain") != NULL)
		snprintf(c->domain, sizeof c->domain, "%s", json_object_get_string(get(m, "Domain")));
	if (first)
		take_first(c, m);
	else
		take_delta(c, m);
}

static bool can_take(void *arg)
{
	struct client *c = arg;

	return c->open;
}

static void take(void *arg, struct shared_bytes *const *v, size_t n)
{
	struct client *c = arg;
	struct json_object *m = NULL;
	struct buf wire, text;
	struct err err = { 0 };
	size_t announced;

	buf_init(&wire, 1 << 26);
	buf_init(&text, 1 << 26);
	for (size_t i = 0; i < n; i++)
		buf_put_bytes(&wire, shared_bytes_view(v[i]));
	c->messages++;
	c->pieces += n;
	c->bytes += wire.n;
	announced = wire.n < 4 ? SIZE_MAX : wire.p[0] | (size_t)wire.p[1] << 8 | (size_t)wire.p[2] << 16 | (size_t)wire.p[3] << 24;
	if (announced != wire.n - 4)
		wrong(c, "%zu bytes announced, %zu sent", announced, wire.n - 4);
	else if (c->format == MAP_PLAIN)
		buf_put(&text, wire.p + 4, wire.n - 4);
	else if (map_unzip(bytes_of(wire.p + 4, wire.n - 4), 1 << 26, &text) != ST_OK)
		wrong(c, "the message does not decompress");
	if (c->error[0] == '\0' && json_parse(buf_bytes(&text), 1 << 26, &m, &err) != ST_OK)
		wrong(c, "no JSON: %s: %.200s", err.text, text.p != NULL ? (const char *)text.p : "");
	if (c->error[0] == '\0') {
		take_message(c, m);
		replace(&c->last, m);
	}
	json_object_put(m);
	buf_release(&wire);
	buf_release(&text);
}

static void end(void *arg, enum map_end why)
{
	struct client *c = arg;

	if (c->ended)
		wrong(c, "ended twice");
	c->ended = true;
	c->why = why;
}

const struct map_sink client_sink = { can_take, take, end };

/* ---- against a complete map ----------------------------------------------------------------------------------- */

/* What a client has may say less or more where it does not matter. */
static struct json_object *plain_peer(struct json_object *n)
{
	struct json_object *c = copy_of(n), *e = get(c, "Endpoints");

	if (json_object_get_boolean(get(c, "Online")))
		json_object_object_del(c, "LastSeen");
	if (e != NULL && json_object_array_length(e) == 0)
		json_object_object_del(c, "Endpoints");
	return c;
}

/* A node is not told of its own presence, nor of what it said of itself. */
static struct json_object *plain_self(struct json_object *n)
{
	static const char *const drop[] = { "Endpoints", "HomeDERP", "DiscoKey", "Hostinfo", "Cap", "Online" };
	struct json_object *c = copy_of(n);

	for (size_t i = 0; i < sizeof drop / sizeof *drop; i++)
		json_object_object_del(c, drop[i]);
	return c;
}

static char text[4096];

static bool differ(const char *what, struct json_object *a, struct json_object *b)
{
	struct json_object_iter it;

	if (same(a, b))
		return false;
	if (json_object_is_type(a, json_type_object) && json_object_is_type(b, json_type_object) && strcmp(what, "member") != 0)
		for (int turn = 0; turn < 2; turn++) {
			json_object_object_foreachC(turn ? b : a, it) {
				const char *name = it.key;

				if (differ("member", get(a, name), get(b, name))) {
					char why[3500];

					snprintf(why, sizeof why, "%s", text);
					snprintf(text, sizeof text, "%s %lld: %s %s", what, (long long)num(b, "ID"), name, why);
					return true;
				}
			}
		}
	snprintf(text, sizeof text, "%s: has %.1500s, should be %.1500s", what, json_object_to_json_string(a), json_object_to_json_string(b));
	return true;
}

static bool peers_differ(const struct client *c, struct json_object *m)
{
	struct json_object *peers = get(m, "Peers");
	size_t n = peers != NULL ? json_object_array_length(peers) : 0;
	struct json_object_iter it;

	if (n != client_peers(c)) {
		snprintf(text, sizeof text, "%zu peers, should be %zu", client_peers(c), n);
		json_object_object_foreachC(c->peers, it) {
			const char *id = it.key;
			bool found = false;

			for (size_t i = 0; i < n; i++)
				found |= strcmp(id_text(num(json_object_array_get_idx(peers, i), "ID")), id) == 0;
			if (!found)
				snprintf(text, sizeof text, "has %s, should not", id);
		}
		return true;
	}
	for (size_t i = 0; i < n; i++) {
		struct json_object *want = json_object_array_get_idx(peers, i), *have = get(c->peers, id_text(num(want, "ID")));
		struct json_object *a, *b;
		bool bad;

		if (have == NULL) {
			snprintf(text, sizeof text, "peer %lld is missing", (long long)num(want, "ID"));
			return true;
		}
		a = plain_peer(have);
		b = plain_peer(want);
		bad = differ("a peer", a, b);
		json_object_put(a);
		json_object_put(b);
		if (bad || differ("a profile", get(c->profiles, id_text(num(want, "User"))), get(c->profiles, id_text(num(have, "User")))))
			return true;
	}
	return false;
}

static bool profiles_differ(const struct client *c, struct json_object *m)
{
	struct json_object *list = get(m, "UserProfiles");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *u = json_object_array_get_idx(list, i);

		if (differ("a profile", get(c->profiles, id_text(num(u, "ID"))), u))
			return true;
	}
	return false;
}

const char *client_compare(const struct client *c, struct bytes fresh)
{
	struct json_object *m = NULL, *a, *b;
	bool bad;

	if (json_parse(fresh, 1 << 26, &m, NULL) != ST_OK)
		return "the complete map is no JSON";
	a = plain_self(c->self);
	b = plain_self(get(m, "Node"));
	bad = differ("its own node", a, b) || peers_differ(c, m) || profiles_differ(c, m) ||
	      differ("the filter", c->filters, get(m, "PacketFilters")) || differ("SSH", c->ssh, get(m, "SSHPolicy")) ||
	      differ("DNS", c->dns, get(m, "DNSConfig")) || differ("the DERP map", c->derp, get(m, "DERPMap"));
	if (!bad && strcmp(c->domain, json_object_get_string(get(m, "Domain"))) != 0) {
		snprintf(text, sizeof text, "domain %s", c->domain);
		bad = true;
	}
	json_object_put(a);
	json_object_put(b);
	json_object_put(m);
	return bad ? text : NULL;
}
