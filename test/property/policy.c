/*
 * property/policy -- random policies over random worlds.
 *
 *     policy [SEED [ROUNDS]]
 *
 * 1. An engine updated step by step, nodes and users, answers as one made anew from the same world: filters, chunks,
 *    SSH rules, capabilities, routes, peers, digests, tags. Who changed class without being told is known.
 * 2. May SRC reach DST:PORT? A slow and obvious evaluator of the rules agrees with the filter that DST gets.
 * 3. Whoever can reach a device has it as a peer, and sight is symmetric.
 * 4. The chunks of a filter together are the filter.
 * 5. Any text compiles or is refused with a message.
 * 6. The same said otherwise is the same: hosts for addresses, members for groups, sources in another order and twice,
 *    names in capitals, protocols by number, an ACL cut up by destination or written as a grant, a rule of nobody in
 *    between, nodes in another order. And whoever sees whom, and which routes, does not go by the order of rules.
 *
 * The seed is printed when something fails.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_in.h"
#include "base/random.h"
#include "base/vec.h"
#include "policy/engine.h"
#include "policy/explain.h"

enum { USERS = 5, TAGS = 4, NODES = 14, GROUPS = 3, ROUTES = 5, RULES = 6 };

static uint64_t seed, state;
static unsigned failures;

static uint32_t chance(uint32_t bound)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % bound;
}

static void complain(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void complain(const char *fmt, ...)
{
	va_list ap;

	if (failures++ > 5)
		return;
	va_start(ap, fmt);
	printf("seed %llu: ", (unsigned long long)seed);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

/* ---- a world ---- */

static const struct policy_user users[USERS] = {
	{ .id = 1, .email = "u0@x.example", .role = POLICY_ROLE_OWNER },
	{ .id = 2, .email = "u1@x.example" },
	{ .id = 3, .email = "u2@y.example", .role = POLICY_ROLE_ADMIN },
	{ .id = 4, .email = "u3@x.example" },
	{ .id = 5, .email = "u4@x.example" },
};
/* As the engine knows them: at first the same, then as updates have it. */
static struct policy_user people[USERS + 1];
static bool there[USERS + 1];
static const char *const tag_names[TAGS] = { "tag:t0", "tag:t1", "tag:t2", "tag:t3" };
static const char *const route_text[ROUTES] = { "10.0.0.0/8", "10.1.0.0/16", "192.168.7.0/24", "100.64.0.0/29",
						"fd00:7::/64" };
static struct ip_prefix route[ROUTES], exits[2];

struct spot { /* a place for a node; it may be empty */
	struct policy_node n;
	const char *tags[TAGS];
	struct ip_prefix routes[ROUTES + 2], approved[ROUTES + 2];
	bool used;
};
static struct spot spots[NODES];
static bool group_has[GROUPS][USERS];

static struct ip_addr addr4(unsigned i)
{
	return (struct ip_addr){ IP_V4, { [12] = 100, 64, 0, (uint8_t)(i + 1) } };
}

static struct ip_addr addr6(unsigned i)
{
	return (struct ip_addr){ IP_V6, { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, [15] = (uint8_t)(i + 1) } };
}

static void throw_routes(struct spot *s)
{
	struct policy_node *n = &s->n;

	n->advertised = s->routes;
	n->approved = s->approved;
	if (chance(3) != 0)
		return;
	for (unsigned i = 0; i < ROUTES; i++)
		if (chance(3) == 0) {
			s->routes[n->n_advertised++] = route[i];
			if (chance(5))
				s->approved[n->n_approved++] = route[i];
		}
	for (unsigned i = 0; chance(3) == 0 && i < 2; i++)
		s->routes[n->n_advertised++] = s->approved[n->n_approved++] = exits[i];
}

static void throw_node(unsigned i)
{
	struct spot *s = &spots[i];

	s->used = true;
	s->n = (struct policy_node){ .id = i + 1,
				     .registered = chance(20),
				     .live = chance(5) != 0,
				     .ip4 = addr4(i),
				     .ip6 = addr6(i),
				     .created_by = 1 + chance(USERS) };
	s->n.tags = s->tags;
	if (chance(2))
		s->n.user = 1 + chance(USERS);
	else
		for (unsigned t = 0; t < TAGS; t++)
			if (chance(3) == 0 || (t == TAGS - 1 && !s->n.n_tags))
				s->tags[s->n.n_tags++] = tag_names[t];
	throw_routes(s);
}

static void throw_world(void)
{
	memset(spots, 0, sizeof spots);
	for (unsigned i = 0; i < NODES; i++)
		if (chance(4))
			throw_node(i);
	for (unsigned g = 0; g < GROUPS; g++)
		for (unsigned u = 0; u < USERS; u++)
			group_has[g][u] = chance(3) == 0;
}

static bool backwards; /* nodes and users are handed over in the opposite order */

static struct policy_engine *whole(struct policy *p, const struct policy_primary *was, size_t n_was)
{
	struct policy_node n[NODES];
	struct policy_user u[USERS + 1];
	struct policy_world w = { .users = u, .nodes = n, .primaries = was, .n_primaries = n_was };

	w.settings.display_name = "x";
	for (unsigned i = 0; i < USERS + 1; i++)
		if (there[backwards ? USERS - i : i])
			u[w.n_users++] = people[backwards ? USERS - i : i];
	for (unsigned i = 0; i < NODES; i++)
		if (spots[backwards ? NODES - 1 - i : i].used)
			n[w.n_nodes++] = spots[backwards ? NODES - 1 - i : i].n;
	return policy_engine_new(p, &w);
}

/* ---- a policy, as what it means and as text ---- */

enum what { ANY, USER, GROUP, TAG, MEMBER, TAGGED, ADMIN, LITERAL, INTERNET, SELF };
struct pick {
	enum what what;
	unsigned which; /* USER, GROUP, TAG; LITERAL: node, or NODES + route */
};
struct rule {
	struct pick src[3], dst[3];
	unsigned n_src, n_dst, first, last;
	int proto; /* -1, 6 or 17 */
	bool grant;
	int via;  /* tag, or -1 */
	bool app; /* also a capability */
};
static struct rule rules[RULES];
static unsigned n_rules;

static struct pick throw_pick(bool dst, bool self)
{
	switch (chance(self ? 10 : dst ? 9 : 8)) {
	case 0:
		return (struct pick){ ANY, 0 };
	case 1:
		return (struct pick){ USER, chance(USERS) };
	case 2:
		return (struct pick){ GROUP, chance(GROUPS) };
	case 3:
		return (struct pick){ TAG, chance(TAGS) };
	case 4:
		return (struct pick){ MEMBER, 0 };
	case 5:
		return (struct pick){ TAGGED, 0 };
	case 6:
		return (struct pick){ ADMIN, 0 };
	case 7:
		return (struct pick){ LITERAL, chance(NODES + ROUTES) };
	case 8:
		return (struct pick){ INTERNET, 0 };
	default:
		return (struct pick){ SELF, 0 };
	}
}

static bool fits_self(const struct rule *r)
{
	for (unsigned i = 0; i < r->n_src; i++) {
		enum what w = r->src[i].what;
		if (w == TAG || w == TAGGED || w == LITERAL || (w == ANY && r->grant))
			return false;
	}
	return true;
}

static void throw_rule(struct rule *r)
{
	*r = (struct rule){ .n_src = 1 + chance(3), .n_dst = 1 + chance(3), .grant = chance(2), .via = -1 };
	for (unsigned i = 0; i < r->n_src; i++)
		r->src[i] = throw_pick(false, false);
	for (unsigned i = 0; i < r->n_dst; i++)
		r->dst[i] = throw_pick(true, fits_self(r));
	r->first = chance(2) ? 1 + chance(3) : 0;
	r->last = r->first ? r->first + chance(3) : 65535;
	r->proto = (int[]){ -1, -1, 6, 17 }[chance(4)];
	if (r->grant && chance(4) == 0)
		r->via = (int)chance(TAGS);
	r->app = r->grant && chance(3) == 0;
	for (unsigned i = 0; i < r->n_dst; i++)
		r->app &= r->dst[i].what != INTERNET;
}

/* How the same policy is written. */
enum manner {
	ALIASES = 1,  /* addresses and prefixes by the names of hosts */
	LISTED = 2,   /* groups and autogroups as sources by who is in them */
	TURNED = 4,   /* sources backwards, the last one twice */
	LOUD = 8,     /* names of fields in capitals, blanks, comments; protocols by number */
	APART = 16,   /* a rule for each destination of an ACL */
	GRANTED = 32, /* ACLs as grants */
	NOBODY = 64,  /* a rule of an empty group before each */
};
static unsigned manner;

static void put_literal(struct buf *b, unsigned which)
{
	char text[IP_TEXT_MAX];
	struct ip_addr a = addr4(which);

	ip_format(&a, text);
	buf_put_str(b, which < NODES ? text : route_text[which - NODES]);
}

static void put_pick(struct buf *b, const struct pick *p)
{
	switch (p->what) {
	case ANY:
		buf_put_str(b, "*");
		break;
	case USER:
		buf_put_str(b, users[p->which].email);
		break;
	case GROUP:
		buf_printf(b, "group:g%u", p->which);
		break;
	case TAG:
		buf_put_str(b, tag_names[p->which]);
		break;
	case MEMBER:
		buf_put_str(b, "autogroup:member");
		break;
	case TAGGED:
		buf_put_str(b, "autogroup:tagged");
		break;
	case ADMIN:
		buf_put_str(b, "autogroup:admin");
		break;
	case LITERAL:
		if (manner & ALIASES)
			buf_printf(b, "host-%u", p->which);
		else
			put_literal(b, p->which);
		break;
	case INTERNET:
		buf_put_str(b, "autogroup:internet");
		break;
	case SELF:
		buf_put_str(b, "autogroup:self");
		break;
	}
}

/* Is this user, or for autogroup:tagged this tag, in it? */
static bool holds(const struct pick *p, unsigned i)
{
	switch (p->what) {
	case GROUP:
		return i < USERS && group_has[p->which][i];
	case MEMBER:
		return i < USERS;
	case ADMIN:
		return i == 0 || i == 2;
	case TAGGED:
		return i >= USERS;
	default:
		return false;
	}
}

/* One source, or all that it holds; as itself if that is nobody, for a list of none means something else. */
static void put_src(struct buf *b, const struct pick *p)
{
	const char *blank = manner & LOUD ? " " : "";
	unsigned n = 0;

	for (unsigned i = 0; manner & LISTED && i < USERS + TAGS; i++)
		if (holds(p, i)) {
			buf_printf(b, "\"%s\",", i < USERS ? users[i].email : tag_names[i - USERS]);
			n++;
		}
	if (n == 0) {
		buf_printf(b, "\"%s", blank);
		put_pick(b, p);
		buf_printf(b, "%s\",", blank);
	}
}

static const char *field_name(const char *plain, const char *loud)
{
	return manner & LOUD ? loud : plain;
}

static void put_srcs(struct buf *b, const struct rule *r)
{
	buf_printf(b, "\"%s\":[", field_name("src", "Src"));
	for (unsigned i = 0; i < r->n_src; i++)
		put_src(b, &r->src[manner & TURNED ? r->n_src - 1 - i : i]);
	if (manner & TURNED)
		put_src(b, &r->src[0]);
	buf_put_str(b, "],");
}

static void put_dsts(struct buf *b, const struct pick *p, unsigned n, const char *ports)
{
	buf_printf(b, "\"%s\":[%s", field_name("dst", "DST"), manner & LOUD ? "/* where to */" : "");
	for (unsigned i = 0; i < n; i++) {
		buf_put_str(b, i ? ",\"" : "\"");
		put_pick(b, &p[i]);
		buf_printf(b, "%s%s\"", *ports ? ":" : "", ports);
	}
	buf_put_str(b, "]");
}

static const char *proto_name(const struct rule *r)
{
	if (r->proto < 0)
		return "";
	return r->proto == 6 ? field_name("tcp", "6") : field_name("udp", "17");
}

static void put_part(struct buf *b, const struct rule *r, const struct pick *dst, unsigned n_dst)
{
	bool grant = r->grant || manner & GRANTED;
	const char *name = proto_name(r);
	char ports[32] = "*";

	if (r->first)
		snprintf(ports, sizeof ports, "%u-%u", r->first, r->last);
	buf_put_str(b, "{");
	put_srcs(b, r);
	put_dsts(b, dst, n_dst, grant ? "" : ports);
	if (grant)
		buf_printf(b, ",\"ip\":[\"%s%s%s\"]", name, *name ? ":" : "", ports);
	else
		buf_printf(b, ",\"action\":\"accept\",\"proto\":\"%s\"", name);
	if (r->via >= 0)
		buf_printf(b, ",\"via\":[\"%s\"]", tag_names[r->via]);
	if (r->app)
		buf_put_str(b, ",\"app\":{\"tailscale.com/cap/drive\":[{}]}");
	buf_put_str(b, "},");
}

/* Destinations in the order in which they are worked off; false if one stands twice: its ports would be joined. */
static bool sorted_dsts(const struct rule *r, struct pick out[3])
{
	static const int order[] = { [ANY] = 0,	   [USER] = 1,	 [GROUP] = 2, [TAG] = 3,      [LITERAL] = 3,
				     [MEMBER] = 4, [TAGGED] = 4, [ADMIN] = 4, [INTERNET] = 4, [SELF] = 4 };
	unsigned n = 0;

	for (unsigned i = 0; i < r->n_dst; i++)
		for (unsigned k = 0; k < i; k++)
			if (r->dst[i].what == r->dst[k].what && r->dst[i].which == r->dst[k].which)
				return false;
	for (int o = 0; o < 5; o++)
		for (unsigned i = 0; i < r->n_dst; i++)
			if (order[r->dst[i].what] == o)
				out[n++] = r->dst[i];
	return true;
}

static void put_rule(struct buf *b, const struct rule *r)
{
	struct pick dst[3];

	if (manner & NOBODY && (r->grant || manner & GRANTED))
		buf_put_str(b, "{\"src\":[\"group:nobody\"],\"dst\":[\"*\"],\"ip\":[\"*\"]},");
	else if (manner & NOBODY)
		buf_put_str(b, "{\"action\":\"accept\",\"src\":[\"group:nobody\"],\"dst\":[\"*:*\"]},");
	if (manner & APART && !r->grant && sorted_dsts(r, dst))
		for (unsigned i = 0; i < r->n_dst; i++)
			put_part(b, r, &dst[i], 1);
	else
		put_part(b, r, r->dst, r->n_dst);
}

/* May every ACL be written as a grant? */
static bool all_grantable(void)
{
	struct pick dst[3];
	bool ok = true;

	for (unsigned i = 0; i < n_rules; i++) {
		const struct rule *r = &rules[i];
		bool any = false, self = false;
		for (unsigned k = 0; k < r->n_src; k++)
			any |= r->src[k].what == ANY;
		for (unsigned k = 0; k < r->n_dst; k++)
			self |= r->dst[k].what == SELF;
		ok &= r->grant || (sorted_dsts(r, dst) && !(any && self));
	}
	return ok;
}

static uint32_t rest; /* which of these there are */

static void put_rest(struct buf *b)
{
	static const char *const ssh[] = {
		"{\"action\":\"accept\",\"src\":[\"autogroup:member\"],\"dst\":[\"autogroup:self\"],\"users\":["
		"\"root\"]},",
		"{\"action\":\"check\",\"src\":[\"group:g0\"],\"dst\":[\"tag:t0\"],\"users\":[\"localpart:*@x."
		"example\"]},",
		"{\"action\":\"accept\",\"src\":[\"tag:t1\",\"group:g1\"],\"dst\":[\"tag:t2\",\"autogroup:tagged\"],"
		"\"users\":[\"autogroup:nonroot\",\"x\"]},",
	};
	static const char *const attrs[] = {
		"{\"target\":[\"group:g1\"],\"attr\":[\"a\"]},",
		"{\"target\":[\"tag:t1\",\"100.64.0.3\"],\"attr\":[\"b\",\"disable-ipv4\"]},",
		"{\"target\":[\"*\"],\"attr\":[\"c\"]},",
	};

	buf_put_str(b, "\"ssh\":[");
	for (unsigned i = 0; i < 3; i++)
		buf_put_str(b, rest >> i & 1 ? ssh[i] : "");
	buf_put_str(b, "],\"nodeAttrs\":[");
	for (unsigned i = 0; i < 3; i++)
		buf_put_str(b, rest >> (3 + i) & 1 ? attrs[i] : "");
	buf_put_str(b, "],");
}

static void put_names(struct buf *b)
{
	buf_put_str(b, "{\"groups\":{\"group:nobody\":[],");
	for (unsigned g = 0; g < GROUPS; g++) {
		buf_printf(b, "\"group:g%u\":[", g);
		for (unsigned u = 0; u < USERS; u++)
			if (group_has[g][u])
				buf_printf(b, "\"%s\",", users[u].email);
		buf_put_str(b, "],");
	}
	buf_put_str(b, "},\"hosts\":{");
	for (unsigned i = 0; i < NODES + ROUTES; i++) {
		buf_printf(b, "\"host-%u\":\"", i);
		put_literal(b, i);
		buf_put_str(b, "\",");
	}
	buf_put_str(b, "},\"tagOwners\":{\"tag:t0\":[\"u1@x.example\",\"u3@x.example\"],\"tag:t1\":[\"group:g0\"],"
		       "\"tag:t2\":[\"autogroup:admin\",\"tag:t1\"],\"tag:t3\":[]},");
}

static void put_rules(struct buf *b, bool grants)
{
	for (unsigned i = 0; i < n_rules; i++)
		if (rules[i].grant == grants)
			put_rule(b, &rules[i]);
}

/* The rules in the present manner. */
static char *policy_text_of(void)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	put_names(&b);
	put_rest(&b);
	buf_put_str(&b, "\"grants\":[");
	put_rules(&b, true);
	if (manner & GRANTED)
		put_rules(&b, false);
	buf_printf(&b, "],\"%s\":[", field_name("acls", "ACLs"));
	if (!(manner & GRANTED))
		put_rules(&b, false);
	buf_put_str(&b, "],}");
	return buf_take(&b, NULL);
}

static void throw_policy(void)
{
	n_rules = chance(RULES + 1);
	for (unsigned i = 0; i < n_rules; i++)
		throw_rule(&rules[i]);
	rest = chance(64);
}

/* ---- the slow, obvious evaluator ---- */

static bool served(const struct spot *s, const struct ip_prefix *p)
{
	for (size_t i = 0; i < s->n.n_advertised; i++)
		for (size_t k = 0; k < s->n.n_approved; k++)
			if (s->used && ip_prefix_eq(&s->routes[i], &s->approved[k]) && ip_prefix_eq(&s->routes[i], p))
				return true;
	return false;
}

static bool is_user(const struct spot *s, unsigned u)
{
	return s->used && !s->n.n_tags && s->n.user == users[u].id;
}

static bool has_tag(const struct spot *s, unsigned t)
{
	for (size_t i = 0; s->used && i < s->n.n_tags; i++)
		if (strcmp(s->tags[i], tag_names[t]) == 0)
			return true;
	return false;
}

static bool selects(const struct pick *p, const struct spot *s)
{
	bool hit = false;

	switch (p->what) {
	case USER:
		return is_user(s, p->which);
	case GROUP:
		for (unsigned u = 0; u < USERS; u++)
			hit |= group_has[p->which][u] && is_user(s, u);
		return hit;
	case TAG:
		return has_tag(s, p->which);
	case MEMBER:
		return s->used && !s->n.n_tags;
	case TAGGED:
		return s->used && s->n.n_tags;
	case ADMIN:
		return is_user(s, 0) || is_user(s, 2);
	default:
		return false;
	}
}

static bool literal_has(const struct pick *p, const struct ip_addr *a)
{
	struct ip_addr one = addr4(p->which);

	if (p->what != LITERAL)
		return false;
	return p->which < NODES ? ip_eq(&one, a) : ip_prefix_contains(&route[p->which - NODES], a);
}

static bool from(const struct rule *r, const struct spot *s, const struct ip_addr *a, bool self)
{
	for (unsigned i = 0; i < r->n_src; i++)
		if (r->src[i].what == ANY || selects(&r->src[i], s) || (!self && literal_has(&r->src[i], a)))
			return true;
	return false;
}

static bool via_serves(const struct rule *r, const struct pick *d, const struct spot *x)
{
	bool overlaps = false;
	struct ip_prefix one = ip_prefix_of(addr4(d->which));
	const struct ip_prefix *p = d->which < NODES ? &one : &route[d->which - NODES];

	for (unsigned i = 0; i < ROUTES; i++)
		overlaps |= served(x, &route[i]) && ip_prefix_overlaps(&route[i], p);
	return has_tag(x, (unsigned)r->via) && overlaps;
}

/* Does the rule let src's packet to the own address `a` of x through at x? */
static bool rule_lets(const struct rule *r, const struct spot *src, const struct ip_addr *sa, const struct spot *x,
		      const struct ip_addr *a)
{
	for (unsigned i = 0; i < r->n_dst; i++) {
		const struct pick *d = &r->dst[i];
		if (r->via >= 0) {
			if (literal_has(d, a) && via_serves(r, d, x) && from(r, src, sa, false))
				return true;
		} else if (d->what == SELF) {
			if (!src->n.n_tags && !x->n.n_tags && src->n.user == x->n.user && from(r, src, sa, true))
				return true;
		} else if ((d->what == ANY || selects(d, x) || literal_has(d, a)) && from(r, src, sa, false)) {
			return true;
		}
	}
	return false;
}

static bool may(unsigned s, unsigned d, int family, unsigned port, int proto)
{
	struct ip_addr sa = family == 4 ? addr4(s) : addr6(s), da = family == 4 ? addr4(d) : addr6(d);

	for (unsigned i = 0; i < n_rules; i++) {
		const struct rule *r = &rules[i];
		if (port >= r->first && port <= r->last && (r->proto < 0 || r->proto == proto) &&
		    rule_lets(r, &spots[s], &sa, &spots[d], &da))
			return true;
	}
	return false;
}

/* ---- the filter as a client reads it ---- */

static struct json_object *at(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, name, &v) ? v : NULL;
}

static bool text_has(const char *text, const struct ip_addr *a)
{
	const char *dash = strchr(text, '-');
	struct ip_prefix p;
	struct ip_addr lo, hi;

	if (strcmp(text, "*") == 0)
		return true;
	if (dash)
		return ip_parse(bytes_of(text, (size_t)(dash - text)), &lo) == ST_OK &&
		       ip_parse(bytes_of_str(dash + 1), &hi) == ST_OK && lo.family == a->family &&
		       ip_cmp(&lo, a) <= 0 && ip_cmp(a, &hi) <= 0;
	if (ip_prefix_parse(bytes_of_str(text), &p) == ST_OK)
		return ip_prefix_contains(&p, a);
	return ip_parse(bytes_of_str(text), &lo) == ST_OK && ip_eq(&lo, a);
}

static bool list_has(struct json_object *l, const struct ip_addr *a)
{
	for (size_t i = 0; l && i < json_object_array_length(l); i++)
		if (text_has(json_object_get_string(json_object_array_get_idx(l, i)), a))
			return true;
	return false;
}

static bool lets(struct json_object *r, const struct ip_addr *s, const struct ip_addr *d, unsigned port, int proto)
{
	struct json_object *l = at(r, "DstPorts"), *p = at(r, "IPProto");

	if (p && json_object_get_int(json_object_array_get_idx(p, 0)) != proto)
		return false;
	for (size_t i = 0; l && i < json_object_array_length(l); i++) {
		struct json_object *e = json_object_array_get_idx(l, i), *ports = at(e, "Ports");
		if (text_has(json_object_get_string(at(e, "IP")), d) &&
		    (int)port >= json_object_get_int(at(ports, "First")) &&
		    (int)port <= json_object_get_int(at(ports, "Last")))
			return list_has(at(r, "SrcIPs"), s);
	}
	return false;
}

typedef void writer(const struct policy_engine *e, node_id id, struct jw *w);

static char *written(writer *write, const struct policy_engine *e, node_id id)
{
	struct buf b;
	struct jw w;

	buf_init(&b, 1 << 24);
	jw_init(&w, &b);
	write(e, id, &w);
	return buf_take(&b, NULL);
}

static struct json_object *parsed(const char *text)
{
	struct json_object *o = NULL;

	if (json_parse(bytes_of_str(text), 1 << 24, &o, NULL) != ST_OK)
		complain("no JSON: %s", text);
	return o;
}

/* ---- properties ---- */

static bool any_lets(struct json_object *rules_json, unsigned s, unsigned d, int family, unsigned port, int proto)
{
	struct ip_addr sa = family == 4 ? addr4(s) : addr6(s), da = family == 4 ? addr4(d) : addr6(d);

	for (size_t i = 0; i < json_object_array_length(rules_json); i++)
		if (lets(json_object_array_get_idx(rules_json, i), &sa, &da, port, proto))
			return true;
	return false;
}

static bool explained(const struct policy_engine *e, unsigned s, unsigned d, int family, unsigned port, int proto)
{
	struct policy_end from_end = { s + 1, family == 4 ? addr4(s) : addr6(s) };
	struct policy_end to_end = { d + 1, family == 4 ? addr4(d) : addr6(d) };
	struct arena *a = arena_new();
	struct policy_explanation x;
	bool ok;

	policy_explain(e, &from_end, &to_end, (uint16_t)port, proto, a, &x);
	ok = x.allowed;
	arena_free(&a);
	return ok;
}

static void check_reach(const struct policy_engine *e, const char *text, unsigned s, unsigned d)
{
	char *json = written(policy_filter_write, e, d + 1);
	struct json_object *o = parsed(json);
	bool sees = policy_class_sees(e, policy_class_of(e, s + 1), policy_class_of(e, d + 1));

	for (unsigned k = 0; k < 16; k++) {
		int family = k & 1 ? 4 : 6, proto = k & 2 ? 6 : 17;
		unsigned port = 1 + (k >> 2);
		bool want = may(s, d, family, port, proto), got = any_lets(o, s, d, family, port, proto);
		if (want != got)
			complain("node %u reaches node %u:%u (IPv%d, %d): rules say %d, filter %d\n%s\n%s", s + 1,
				 d + 1, port, family, proto, want, got, text, json);
		if (got && !sees)
			complain("node %u reaches node %u, but does not see it\n%s", s + 1, d + 1, text);
		/* A via rule is not tied to one router when explained, so it may say more. */
		if (got && !explained(e, s, d, family, port, proto))
			complain("explain denies what the filter of %u allows %u\n%s", d + 1, s + 1, text);
	}
	if (sees != policy_class_sees(e, policy_class_of(e, d + 1), policy_class_of(e, s + 1)))
		complain("sight is not symmetric\n%s", text);
	json_object_put(o);
	free(json);
}

static void check_peers(const struct policy_engine *e)
{
	struct arena *a = arena_new();

	for (policy_class c = 0; c < policy_class_count(e); c++) {
		const policy_class *seen;
		const node_id *m;
		size_t n = policy_class_peers(e, c, a, &seen), k = 0;
		for (policy_class o = 0; o < policy_class_count(e); o++) {
			bool listed = k < n && seen[k] == o;
			k += listed;
			if (policy_class_members(e, o, &m) && policy_class_sees(e, c, o) != listed)
				complain("class %u and the peers of class %u", o, c);
		}
	}
	arena_free(&a);
}

static struct json_object *chunk_rules(const struct policy_engine *e, node_id id, const struct policy_chunk *c)
{
	struct buf b;
	struct jw w;
	char *text;
	struct json_object *o;

	buf_init(&b, 1 << 24);
	jw_init(&w, &b);
	policy_chunk_write(e, id, c, &w);
	text = buf_take(&b, NULL);
	o = parsed(text);
	free(text);
	return o;
}

static void check_chunks(const struct policy_engine *e, node_id id)
{
	struct arena *a = arena_new();
	const struct policy_chunk *c;
	size_t n = policy_filter_chunks(e, id, a, &c);
	char *text = written(policy_filter_write, e, id);
	struct json_object *whole_filter = parsed(text), *all = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		struct json_object *part = chunk_rules(e, id, &c[i]);
		json_object_array_add(all, json_object_get(json_object_array_get_idx(part, 0)));
		json_object_put(part);
		for (size_t k = 0; k < i; k++)
			if (strcmp(c[i].name, c[k].name) == 0)
				complain("two chunks named %s", c[i].name);
	}
	if (!json_object_equal(all, whole_filter))
		complain("chunks %s\nfilter %s", json_object_to_json_string(all), text);
	json_object_put(all);
	json_object_put(whole_filter);
	free(text);
	arena_free(&a);
}

/* Whom a node sees, and with which routes. */
static void put_sight(struct buf *b, const struct policy_engine *e, unsigned i, struct arena *a)
{
	for (unsigned p = 0; p < NODES; p++) {
		struct policy_peer x;
		if (p == i || !spots[p].used)
			continue;
		if (!policy_class_sees(e, policy_class_of(e, i + 1), policy_class_of(e, p + 1)))
			continue;
		if (!policy_peer_get(e, policy_class_of(e, i + 1), p + 1, a, &x))
			complain("no peer %u", p + 1);
		buf_printf(b, "\npeer %u %d%d%d form %llx", p + 1, x.exit_node, x.hide_ip4, x.suggest_exit_node,
			   (unsigned long long)policy_peer_form(e, policy_class_of(e, i + 1), p + 1));
		for (size_t r = 0; r < x.n_routes; r++) {
			char t[IP_PREFIX_TEXT_MAX];
			ip_prefix_format(&x.routes[r], t);
			buf_printf(b, " %s", t);
		}
	}
}

/* Everything an engine says of one node and its peers, as text. */
static char *everything(const struct policy_engine *e, unsigned i)
{
	static writer *const write[] = { policy_filter_write, policy_ssh_write, policy_self_cap_map };
	struct arena *a = arena_new();
	struct buf b;
	struct policy_self self;

	buf_init(&b, 1 << 24);
	for (size_t k = 0; k < 3; k++) {
		char *t = written(write[k], e, i + 1);
		buf_put_str(&b, t);
		free(t);
	}
	for (int k = 0; k < 3; k++)
		buf_printf(&b, " %llx", (unsigned long long)policy_digest(e, i + 1, (enum policy_aspect)k));
	if (policy_self_get(e, i + 1, a, &self))
		buf_printf(&b, " self %d %zu %zu", self.hide_ip4, self.n_routes, self.n_primary);
	put_sight(&b, e, i, a);
	arena_free(&a);
	return buf_take(&b, NULL);
}

static void check_equal(const struct policy_engine *now, const struct policy_engine *anew, const char *text,
			unsigned step)
{
	for (unsigned i = 0; i < NODES; i++) {
		char *x, *y;
		if (!spots[i].used) {
			if (policy_class_of(now, i + 1) != POLICY_CLASS_NONE)
				complain("node %u is still there", i + 1);
			continue;
		}
		x = everything(now, i);
		y = everything(anew, i);
		if (strcmp(x, y) != 0)
			complain("step %u, node %u: updated\n%s\nanew\n%s\n%s", step, i + 1, x, y, text);
		free(x);
		free(y);
	}
}

static struct policy *parse_or_say(const char *text)
{
	struct policy *p = NULL;
	struct policy_error err = { 0 };

	if (policy_parse(bytes_of_str(text), NULL, &p, &err) != ST_OK)
		complain("refused: %s\n%s", err.message, text);
	return p;
}

static void check_same(const struct policy_engine *e, const char *text, unsigned how)
{
	struct policy_engine *other;
	struct policy *p;
	char *same;

	manner = how;
	same = policy_text_of();
	manner = 0;
	p = parse_or_say(same);
	if (p) {
		other = whole(p, NULL, 0);
		check_equal(other, e, text, 1000 + how);
		policy_engine_unref(&other);
		policy_unref(&p);
	}
	free(same);
}

static void check_manners(const struct policy_engine *e, const char *text)
{
	unsigned all = ALIASES | LISTED | TURNED | LOUD | APART | NOBODY | (all_grantable() ? GRANTED : 0);

	for (unsigned how = 1; how <= all; how *= 2)
		if (how & all)
			check_same(e, text, how);
	check_same(e, text, all & chance(all + 1));
	backwards = true;
	check_same(e, text, 0);
	backwards = false;
}

static char *sight_of(const struct policy_engine *e, unsigned i)
{
	struct arena *a = arena_new();
	struct buf b;

	buf_init(&b, 1 << 24);
	buf_put_char(&b, 0); /* never empty */
	put_sight(&b, e, i, a);
	arena_free(&a);
	return buf_take(&b, NULL);
}

static void shuffle_rules(void)
{
	for (unsigned i = n_rules; i > 1; i--) {
		unsigned k = chance(i);
		struct rule r = rules[k];
		rules[k] = rules[i - 1];
		rules[i - 1] = r;
	}
}

static void check_order(const struct policy_engine *e, const char *text)
{
	struct policy_engine *other;
	struct policy *p;
	char *shuffled;

	shuffle_rules();
	shuffled = policy_text_of();
	p = parse_or_say(shuffled);
	other = p ? whole(p, NULL, 0) : NULL;
	for (unsigned i = 0; p && i < NODES; i++) {
		char *x, *y;
		if (!spots[i].used)
			continue;
		x = sight_of(e, i);
		y = sight_of(other, i);
		if (strcmp(x + 1, y + 1) != 0)
			complain("node %u sees\n%s\nin another order\n%s\n%s", i + 1, x + 1, y + 1, text);
		free(x);
		free(y);
	}
	if (p) {
		policy_engine_unref(&other);
		policy_unref(&p);
	}
	free(shuffled);
}

static const char *throw_login(void)
{
	unsigned i = chance(USERS + 3);

	return i < USERS ? users[i].email : i == USERS ? "new@x.example" : "";
}

static void throw_person(unsigned i)
{
	there[i] = true;
	people[i] = (struct policy_user){ .id = i + 1,
					  .email = throw_login(),
					  .name = chance(2) ? throw_login() : "",
					  .provider_id = chance(4) ? "" : throw_login(),
					  .role = (enum policy_role)chance(POLICY_ROLE_AUDITOR + 1),
					  .external = chance(5) == 0 };
}

static void throw_users(struct policy_delta *d, struct policy_user *changed, user_id *removed)
{
	bool done[USERS + 1] = { false };

	d->users = changed;
	d->users_removed = removed;
	for (unsigned k = chance(2) ? chance(4) : 0; k; k--) {
		unsigned i = chance(USERS + 1);
		if (done[i])
			continue;
		done[i] = true;
		if (chance(3) == 0) {
			there[i] = false;
			removed[d->n_users_removed++] = i + 1;
		} else {
			throw_person(i);
			changed[d->n_users++] = people[i];
		}
	}
}

static void throw_step(struct policy_delta *d, struct policy_node *changed, node_id *removed)
{
	*d = (struct policy_delta){ .changed = changed, .removed = removed };
	for (unsigned k = chance(4); k; k--) {
		unsigned i = chance(NODES);
		bool twice = false;
		for (size_t x = 0; x < d->n_changed; x++)
			twice |= changed[x].id == i + 1;
		for (size_t x = 0; x < d->n_removed; x++)
			twice |= removed[x] == i + 1;
		if (twice)
			continue;
		if (spots[i].used && chance(3) == 0) {
			spots[i].used = false;
			removed[d->n_removed++] = i + 1;
		} else {
			throw_node(i);
			changed[d->n_changed++] = spots[i].n;
		}
	}
}

static void check_tags(const struct policy_engine *now, const struct policy_engine *anew, const char *text)
{
	for (unsigned u = 0; u < USERS + 1; u++)
		for (unsigned t = 0; t < TAGS; t++)
			if (policy_user_may_tag(now, u + 1, tag_names[t]) !=
			    policy_user_may_tag(anew, u + 1, tag_names[t]))
				complain("user %u and %s\n%s", u + 1, tag_names[t], text);
}

static bool in_delta(const struct policy_delta *d, node_id id)
{
	bool hit = false;

	for (size_t i = 0; i < d->n_changed; i++)
		hit |= d->changed[i].id == id;
	for (size_t i = 0; i < d->n_removed; i++)
		hit |= d->removed[i] == id;
	return hit;
}

static void check_moved(const struct policy_engine *was, const struct policy_engine *now, const struct policy_delta *d)
{
	const node_id *moved;
	size_t n = policy_engine_moved(now, &moved), k = 0;

	for (node_id id = 1; policy_engine_same_classes(was, now) && id <= NODES; id++) {
		bool told = k < n && moved[k] == id;
		k += told;
		if (!told && !in_delta(d, id) && policy_class_of(was, id) != policy_class_of(now, id))
			complain("node %u went to another class, and nobody said so", (unsigned)id);
	}
}

static void check_updates(struct policy *p, const char *text)
{
	struct policy_engine *now = whole(p, NULL, 0), *next, *anew;

	for (unsigned step = 0; step < 6; step++) {
		struct policy_node changed[NODES];
		node_id removed[NODES];
		struct policy_user people_changed[USERS + 1];
		user_id people_removed[USERS + 1];
		struct policy_delta d;
		const struct policy_primary *was;
		struct arena *a = arena_new();
		size_t n_was = policy_primaries(now, a, &was);
		throw_step(&d, changed, removed);
		throw_users(&d, people_changed, people_removed);
		next = policy_engine_update(now, &d);
		check_moved(now, next, &d);
		anew = whole(p, was, n_was);
		check_equal(next, anew, text, step);
		check_tags(next, anew, text);
		arena_free(&a);
		policy_engine_unref(&anew);
		policy_engine_unref(&now);
		now = next;
	}
	policy_engine_unref(&now);
}

static void check_mangled(char *text)
{
	struct policy_error e;
	struct policy *p = NULL;
	size_t n = strlen(text);

	for (unsigned k = 0; k < 20; k++) {
		char *copy = xstrdup(text);
		for (unsigned c = 1 + chance(3); c; c--)
			copy[chance((uint32_t)n)] = "\"[]{}:,*@/ 0x\\"[chance(14)];
		memset(&e, 0, sizeof e);
		if (policy_parse(bytes_of_str(copy), NULL, &p, &e) == ST_OK) {
			struct policy_engine *x = whole(p, NULL, 0);
			policy_engine_unref(&x);
			policy_unref(&p);
		} else if (!e.message[0] || !e.http_status) {
			complain("refused without a word: %s", copy);
		}
		free(copy);
	}
}

static void round_of(uint64_t s)
{
	struct policy *p;
	struct policy_engine *e;
	char *text;

	seed = state = s;
	memcpy(people, users, sizeof users);
	for (unsigned i = 0; i < USERS + 1; i++)
		there[i] = i < USERS;
	throw_world();
	throw_policy();
	text = policy_text_of();
	p = parse_or_say(text);
	if (!p) {
		free(text);
		return;
	}
	e = whole(p, NULL, 0);
	for (unsigned i = 0; i < NODES; i++) {
		for (unsigned k = 0; spots[i].used && k < NODES; k++)
			if (spots[k].used && k != i)
				check_reach(e, text, i, k);
		if (spots[i].used)
			check_chunks(e, i + 1);
	}
	check_peers(e);
	check_manners(e, text);
	check_order(e, text);
	policy_engine_unref(&e);
	check_updates(p, text);
	check_mangled(text);
	policy_unref(&p);
	free(text);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : random_below(1000000000);
	unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 60;

	for (unsigned i = 0; i < ROUTES; i++)
		if (ip_prefix_parse(bytes_of_str(route_text[i]), &route[i]) != ST_OK)
			return 2;
	if (ip_prefix_parse(BYTES_LIT("0.0.0.0/0"), &exits[0]) != ST_OK ||
	    ip_prefix_parse(BYTES_LIT("::/0"), &exits[1]) != ST_OK)
		return 2;
	for (unsigned i = 0; i < rounds; i++)
		round_of(first + i);
	printf("%u rounds from seed %llu, %u failures\n", rounds, (unsigned long long)first, failures);
	return failures != 0;
}
