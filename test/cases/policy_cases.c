/*
 * policy-cases -- run recordings of the hosted service against the policy engine.
 *
 *     policy-cases DIR...      every *.json below the folders; a line for each failure, then a count
 *     policy-cases --self-test FILE.json   change, drop, add and reorder what one file expects and see
 *                                          that each is noticed
 *
 * A recording holds a policy, users, nodes and what every node then received. It is compared strictly:
 * parsed JSON, order included; null, [] and an absent member are three things. Only where addresses
 * were rewritten after recording (all of them 100.64.0.x) the sorted lists of sources and principals
 * are compared as multisets.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json_in.h"
#include "base/vec.h"
#include "policy/dns.h"
#include "policy/engine.h"

#define FILE_MAX ((size_t)64 << 20)
#define PATH_LEN 4096

typedef struct json_object json;

/* ---- reading ---- */

static json *member(json *o, const char *name)
{
	json *v = NULL;

	return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, name, &v) ? v : NULL;
}

static const char *text_of(json *o, const char *name)
{
	json *v = member(o, name);

	return v ? json_object_get_string(v) : NULL;
}

static size_t length_of(json *v)
{
	return json_object_is_type(v, json_type_array) ? json_object_array_length(v) : 0;
}

static char *read_file(const char *path, size_t *n_out)
{
	FILE *f = fopen(path, "rb");
	struct buf b;
	char chunk[65536];
	size_t n;

	if (!f)
		return NULL;
	buf_init(&b, FILE_MAX);
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_put(&b, chunk, n);
	fclose(f);
	return buf_take(&b, n_out);
}

/* ---- a recording as a world ---- */

struct recording {
	json *root;
	struct arena *a;
	struct policy_world w;
	const char **node_name; /* by index of w.nodes */
	bool rewritten;
	struct policy_dns dns;
};

static struct ip_addr addr_of(json *o, const char *name)
{
	struct ip_addr a = { 0 };
	const char *t = text_of(o, name);

	if (t && ip_parse(bytes_of_str(t), &a) != ST_OK)
		fprintf(stderr, "not an address: %s\n", t);
	return a;
}

static size_t prefixes_of(struct arena *a, json *list, const struct ip_prefix **out)
{
	size_t n = length_of(list), k = 0;
	struct ip_prefix *v = ARENA_ARRAY(a, struct ip_prefix, n);

	for (size_t i = 0; i < n; i++)
		k += ip_prefix_parse(bytes_of_str(json_object_get_string(json_object_array_get_idx(list, i))), &v[k]) ==
		     ST_OK;
	*out = v;
	return k;
}

static size_t texts_of(struct arena *a, json *list, const char *const **out)
{
	size_t n = length_of(list);
	const char **v = ARENA_ARRAY(a, const char *, n);

	for (size_t i = 0; i < n; i++)
		v[i] = json_object_get_string(json_object_array_get_idx(list, i));
	*out = v;
	return n;
}

static enum policy_role role_of(const char *s)
{
	static const struct {
		const char *name;
		enum policy_role role;
	} roles[] = { { "owner", POLICY_ROLE_OWNER },
		      { "admin", POLICY_ROLE_ADMIN },
		      { "network-admin", POLICY_ROLE_NETWORK_ADMIN },
		      { "it-admin", POLICY_ROLE_IT_ADMIN },
		      { "billing-admin", POLICY_ROLE_BILLING_ADMIN },
		      { "auditor", POLICY_ROLE_AUDITOR } };

	for (size_t i = 0; s && i < sizeof roles / sizeof *roles; i++)
		if (strcmp(roles[i].name, s) == 0)
			return roles[i].role;
	return POLICY_ROLE_MEMBER;
}

static void read_users(struct recording *r)
{
	json *list = member(r->root, "users");
	size_t n = length_of(list);
	struct policy_user *u = ARENA_ARRAY(r->a, struct policy_user, n);

	for (size_t i = 0; i < n; i++) {
		json *o = json_object_array_get_idx(list, i);
		u[i].id = (user_id)json_object_get_int64(member(o, "id"));
		u[i].name = text_of(o, "name");
		u[i].email = text_of(o, "email");
		u[i].role = role_of(text_of(o, "role"));
	}
	r->w.users = u;
	r->w.n_users = n;
}

static user_id user_named(const struct recording *r, const char *name)
{
	for (size_t i = 0; i < r->w.n_users; i++)
		if (name && strcmp(r->w.users[i].name, name) == 0)
			return r->w.users[i].id;
	return 0;
}

static user_id owner_of_tailnet(const struct recording *r)
{
	for (size_t i = 0; i < r->w.n_users; i++)
		if (r->w.users[i].role == POLICY_ROLE_OWNER)
			return r->w.users[i].id;
	return 0;
}

static void read_node(struct recording *r, struct policy_node *n, json *o, size_t index)
{
	json *reg = member(o, "registered");

	n->id = index + 1;
	/* Where the time of creation is not known it comes last. */
	n->registered = reg ? (uint64_t)json_object_get_int64(reg) : 1000000 + index;
	n->user = user_named(r, text_of(o, "user"));
	n->n_tags = texts_of(r->a, member(o, "tags"), &n->tags);
	n->created_by = n->n_tags ? owner_of_tailnet(r) : n->user;
	n->ip4 = addr_of(o, "ipv4");
	n->ip6 = addr_of(o, "ipv6");
	n->n_advertised = prefixes_of(r->a, member(o, "routable_ips"), &n->advertised);
	n->n_approved = prefixes_of(r->a, member(o, "approved_routes"), &n->approved);
	n->live = true;
}

static void read_nodes(struct recording *r)
{
	json *nodes = member(r->root, "nodes");
	struct json_object_iter name_at;
	size_t n = (size_t)json_object_object_length(nodes), i = 0;
	struct policy_node *v = ARENA_ARRAY(r->a, struct policy_node, n);

	r->node_name = ARENA_ARRAY(r->a, const char *, n);
	r->rewritten = n > 0;
	json_object_object_foreachC(nodes, name_at)
	{
		const char *name = name_at.key;
		json *o = name_at.val;
		const char *ip4 = text_of(o, "ipv4");
		read_node(r, &v[i], o, i);
		r->node_name[i++] = name;
		r->rewritten &= ip4 && strncmp(ip4, "100.64.0.", 9) == 0;
	}
	r->w.nodes = v;
	r->w.n_nodes = n;
}

/* What the tailnet was set to, and what is the same in all recordings. */
static void read_settings(struct recording *r)
{
	static const char *const domains[] = { "example.com" };
	static const char *const servers[] = { "199.247.155.53", "2620:111:8007::53" };
	static const struct policy_dns_route public_zone = { "ts.net.", servers, 2 };
	json *tailnet = member(r->root, "tailnet"), *dns = member(tailnet, "dns");
	json *updates = member(member(tailnet, "settings"), "devices_auto_updates_on");
	const char *at = text_of(r->root, "captured_at");
	struct policy_settings *s = &r->w.settings;

	s->domains = domains;
	s->n_domains = 1;
	s->display_name = "odin@example.com";
	/* The service began to send the capability on 14 April 2026. */
	if (at && strcmp(at, "2026-04-14") >= 0)
		s->auto_update = json_object_get_boolean(updates) ? POLICY_AUTO_UPDATE_ON : POLICY_AUTO_UPDATE_OFF;
	r->dns.magic = json_object_get_boolean(member(dns, "magic_dns"));
	r->dns.suffix = "tail78f774.ts.net";
	r->dns.n_nameservers = texts_of(r->a, member(dns, "nameservers"), &r->dns.nameservers);
	r->dns.n_search = texts_of(r->a, member(dns, "search_paths"), &r->dns.search);
	r->dns.magic_routes = &public_zone;
	r->dns.n_magic_routes = 1;
}

static void read_split_dns(struct recording *r)
{
	json *split = member(member(member(r->root, "tailnet"), "dns"), "split_dns");
	struct policy_dns_route *v;
	struct json_object_iter name_at;
	size_t i = 0;

	if (!json_object_is_type(split, json_type_object))
		return;
	v = ARENA_ARRAY(r->a, struct policy_dns_route, (size_t)json_object_object_length(split));
	json_object_object_foreachC(split, name_at)
	{
		const char *name = name_at.key;
		json *list = name_at.val;
		v[i].suffix = name;
		v[i].n = texts_of(r->a, list, &v[i].resolvers);
		i++;
	}
	r->dns.routes = v;
	r->dns.n_routes = i;
}

/*
 * IPv4 literals of a policy were translated when it was sent, IPv6 literals were not: in rewritten files
 * an IPv6 literal is nobody's address. Only refused policies have one; there the device gets another.
 */
static void untranslated_ip6(struct recording *r, const char *policy, int code)
{
	struct policy_node *n = (struct policy_node *)r->w.nodes;
	char text[IP_TEXT_MAX + 2];

	for (size_t i = 0; r->rewritten && code != 200 && i < r->w.n_nodes; i++) {
		size_t len = ip_format(&n[i].ip6, text + 1);
		text[0] = text[len + 1] = '"';
		text[len + 2] = 0;
		if (strstr(policy, text))
			n[i].ip6.b[8] ^= 0xff;
	}
}

/* ---- comparing ---- */

struct diff {
	char at[400]; /* where, e.g. /client/packet_filter_rules/0/SrcIPs/3 */
	char what[1200];
	bool sets; /* lists sorted by addresses are multisets */
};

static const char *show(json *v)
{
	return v ? json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : "null";
}

static bool differs(struct diff *d, const char *at, const char *fmt, json *want, json *got)
{
	char w[500], g[500];

	snprintf(w, sizeof w, "%s", show(want));
	snprintf(g, sizeof g, "%s", show(got));
	snprintf(d->at, sizeof d->at, "%s", at);
	snprintf(d->what, sizeof d->what, fmt, w, g);
	return false;
}

static bool same(struct diff *d, const char *at, json *want, json *got);

static int by_json(const void *a, const void *b)
{
	char x[2000];

	snprintf(x, sizeof x, "%s", show(*(json *const *)a));
	return strcmp(x, show(*(json *const *)b));
}

static bool same_items(struct diff *d, const char *at, json **want, json **got, size_t n)
{
	char path[400];

	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%.380s/%zu", at, i);
		if (!same(d, path, want[i], got[i]))
			return false;
	}
	return true;
}

static json **items(json *list, size_t n)
{
	json **v = xcalloc(n + 1, sizeof *v);

	for (size_t i = 0; i < n; i++)
		v[i] = json_object_array_get_idx(list, i);
	return v;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static bool same_list(struct diff *d, const char *at, json *want, json *got)
{
	size_t n = length_of(want);
	json **w, **g;
	bool ok;

	if (n != length_of(got))
		return differs(d, at, "expected %s, got %s", want, got);
	w = items(want, n);
	g = items(got, n);
	if (d->sets && (ends_with(at, "/SrcIPs") || ends_with(at, "/principals"))) {
		qsort(w, n, sizeof *w, by_json);
		qsort(g, n, sizeof *g, by_json);
	}
	ok = same_items(d, at, w, g, n);
	free(w);
	free(g);
	return ok;
}

static bool same_object(struct diff *d, const char *at, json *want, json *got)
{
	struct json_object_iter name_at, extra_at;
	char path[400];

	json_object_object_foreachC(want, name_at)
	{
		const char *name = name_at.key;
		json *v = name_at.val;
		json *other;
		snprintf(path, sizeof path, "%.300s/%.80s", at, name);
		if (!json_object_object_get_ex(got, name, &other))
			return differs(d, path, "expected %s, got nothing%.0s", v, NULL);
		if (!same(d, path, v, other))
			return false;
	}
	json_object_object_foreachC(got, extra_at)
	{
		const char *extra = extra_at.key;
		json *value = extra_at.val;
		snprintf(path, sizeof path, "%.300s/%.80s", at, extra);
		if (!json_object_object_get_ex(want, extra, NULL))
			return differs(d, path, "expected nothing%.0s, got %s", NULL, value);
	}
	return true;
}

static bool same(struct diff *d, const char *at, json *want, json *got)
{
	if (json_object_get_type(want) != json_object_get_type(got))
		return differs(d, at, "expected %s, got %s", want, got);
	if (json_object_is_type(want, json_type_array))
		return same_list(d, at, want, got);
	if (json_object_is_type(want, json_type_object))
		return same_object(d, at, want, got);
	if (!json_object_equal(want, got))
		return differs(d, at, "expected %s, got %s", want, got);
	return true;
}

/* ---- what we would send, in the form of the recordings ---- */

static void write_addresses(struct jw *w, const struct policy_node *n, bool hide_ip4)
{
	char text[IP_PREFIX_TEXT_MAX];
	struct ip_prefix p;

	jw_arr_begin(w);
	for (int i = 0; i < 2; i++) {
		if ((i == 0 && hide_ip4) || !(i ? n->ip6 : n->ip4).family)
			continue;
		p = ip_prefix_of(i ? n->ip6 : n->ip4);
		ip_prefix_format(&p, text);
		jw_str(w, text);
	}
	jw_arr_end(w);
}

static void write_prefixes(struct jw *w, const char *name, const struct ip_prefix *p, size_t n, bool exit)
{
	char text[IP_PREFIX_TEXT_MAX];

	if (!n && !exit)
		return;
	jw_key(w, name);
	jw_arr_begin(w);
	for (size_t i = 0; i < n; i++) {
		ip_prefix_format(&p[i], text);
		jw_str(w, text);
	}
	if (exit) {
		jw_str(w, "0.0.0.0/0");
		jw_str(w, "::/0");
	}
	jw_arr_end(w);
}

static void write_peer(const struct recording *r, const struct policy_engine *e, policy_class viewer, size_t peer,
		       struct jw *w)
{
	const struct policy_node *n = &r->w.nodes[peer];
	struct policy_peer p;

	jw_key_bytes(w, bytes_of_str(r->node_name[peer]));
	jw_obj_begin(w);
	if (policy_peer_get(e, viewer, n->id, r->a, &p)) {
		write_prefixes(w, "routes", p.routes, p.n_routes, p.exit_node);
		if (p.hide_ip4) {
			jw_key(w, "addresses");
			write_addresses(w, n, true);
		}
		if (p.suggest_exit_node) {
			jw_key(w, "cap_map");
			jw_obj_begin(w);
			jw_key(w, "suggest-exit-node");
			jw_null(w);
			jw_obj_end(w);
		}
	}
	jw_obj_end(w);
}

static void write_node(const struct recording *r, const struct policy_engine *e, size_t i, struct jw *w)
{
	const struct policy_node *n = &r->w.nodes[i];
	policy_class me = policy_class_of(e, n->id);
	struct policy_self self;

	jw_obj_begin(w);
	jw_key(w, "packet_filter_rules");
	policy_filter_write(e, n->id, w);
	jw_key(w, "ssh_rules");
	policy_ssh_write(e, n->id, w);
	jw_key(w, "cap_map");
	policy_self_cap_map(e, n->id, w);
	jw_key(w, "peers");
	jw_obj_begin(w);
	for (size_t k = 0; k < r->w.n_nodes; k++)
		if (k != i && policy_class_sees(e, me, policy_class_of(e, r->w.nodes[k].id)))
			write_peer(r, e, me, k, w);
	jw_obj_end(w);
	if (policy_self_get(e, n->id, r->a, &self)) {
		write_prefixes(w, "primary_routes", self.primary, self.n_primary, false);
		if (self.hide_ip4) {
			jw_key(w, "addresses");
			write_addresses(w, n, true);
		}
	}
	if (!policy_dns_is_plain(&r->dns)) {
		jw_key(w, "dns");
		policy_dns_write(&r->dns, w);
	}
	jw_obj_end(w);
}

static json *made_of(const struct recording *r, const struct policy_engine *e, size_t i)
{
	struct buf b;
	struct jw w;
	json *out = NULL;
	struct err err = { "" };

	buf_init(&b, FILE_MAX);
	jw_init(&w, &b);
	write_node(r, e, i, &w);
	if (json_parse(buf_bytes(&b), FILE_MAX, &out, &err) != ST_OK)
		fprintf(stderr, "our own JSON does not parse: %s\n", err.text);
	buf_release(&b);
	return out;
}

/* ---- one file ---- */

static bool complain(struct diff *d, const char *fmt, const char *want, const char *got)
{
	snprintf(d->at, sizeof d->at, "/response");
	snprintf(d->what, sizeof d->what, fmt, want, got);
	return false;
}

/* The tailnet's domain was replaced in policies, but not in every message. */
static const char *translated(struct arena *a, const char *message)
{
	const char *hit = message ? strstr(message, "PASSKEY") : NULL;

	if (!hit)
		return message ? message : "";
	return arena_printf(a, "%.*sEXAMPLE.COM%s", (int)(hit - message), message, hit + 7);
}

static bool same_refusal(struct recording *r, json *response, int status, const char *message, struct diff *d)
{
	const char *want = translated(r->a, text_of(response, "message"));
	int code = json_object_get_int(member(response, "code"));

	if (code != status)
		return complain(d, "expected %s, got %s", arena_printf(r->a, "%d %s", code, want),
				arena_printf(r->a, "%d %s", status, message));
	return strcmp(want, message) == 0 || complain(d, "expected message %s, got %s", want, message);
}

static bool same_results(struct recording *r, const struct policy_engine *e, struct diff *d)
{
	json *expect = member(r->root, "expect");
	bool ok = true;

	for (size_t i = 0; i < r->w.n_nodes && ok; i++) {
		json *want = member(expect, r->node_name[i]), *got;
		char at[200];
		if (!want)
			continue;
		snprintf(at, sizeof at, "/%.190s", r->node_name[i]);
		got = made_of(r, e, i);
		ok = same(d, at, want, got);
		json_object_put(got);
	}
	return ok;
}

static bool run_recording(struct recording *r, struct diff *d)
{
	const char *text = text_of(r->root, "policy");
	json *response = member(r->root, "response");
	int code = json_object_get_int(member(response, "code"));
	struct policy_error error = { 0 };
	struct policy *p = NULL;
	struct policy_engine *e;
	bool ok;

	read_users(r);
	read_nodes(r);
	read_settings(r);
	read_split_dns(r);
	untranslated_ip6(r, text ? text : "", code);
	d->sets = r->rewritten;
	if (policy_parse(bytes_of_str(text), &r->w.settings, &p, &error) != ST_OK)
		return same_refusal(r, response, error.http_status, error.message, d);
	e = policy_engine_new(p, &r->w);
	if (policy_run_tests(e, r->a, NULL, NULL) != ST_OK)
		ok = same_refusal(r, response, 400, POLICY_TESTS_FAILED, d);
	else if (code != 200)
		ok = same_refusal(r, response, 200, "", d);
	else
		ok = same_results(r, e, d);
	policy_engine_unref(&e);
	policy_unref(&p);
	return ok;
}

static bool run_json(json *root, struct diff *d)
{
	struct recording r = { .root = root, .a = arena_new() };
	bool ok;

	memset(d, 0, sizeof *d);
	ok = run_recording(&r, d);
	arena_free(&r.a);
	return ok;
}

static json *load(const char *path)
{
	size_t n = 0;
	char *text = read_file(path, &n);
	struct err err = { "" };
	json *root = NULL;

	if (!text)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	else if (json_parse(bytes_of(text, n), FILE_MAX, &root, &err) != ST_OK)
		fprintf(stderr, "%s: %s\n", path, err.text);
	free(text);
	return root;
}

struct tally {
	unsigned passed, failed;
};

static void run_file(const char *path, struct tally *t)
{
	json *root = load(path);
	struct diff d;

	if (root && !member(root, "policy")) {
		json_object_put(root); /* some other JSON */
		return;
	}
	if (root && run_json(root, &d)) {
		t->passed++;
	} else {
		t->failed++;
		if (root)
			printf("FAIL %s %s: %s\n", text_of(root, "id"), d.at, d.what);
	}
	json_object_put(root);
}

static void run_below(const char *path, struct tally *t);

static void run_folder(const char *path, struct tally *t)
{
	struct dirent **list;
	char child[PATH_LEN];
	int n = scandir(path, &list, NULL, alphasort);

	if (n < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		t->failed++;
	}
	for (int i = 0; i < n; i++) {
		if (list[i]->d_name[0] != '.' &&
		    snprintf(child, sizeof child, "%s/%s", path, list[i]->d_name) < (int)sizeof child)
			run_below(child, t);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

static void run_below(const char *path, struct tally *t)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		if (ends_with(path, ".json"))
			run_file(path, t);
		return;
	}
	run_folder(path, t);
}

/* ---- does it notice? ---- */

static json *first_rules(json *root)
{
	struct json_object_iter name_at;

	json_object_object_foreachC(member(root, "expect"), name_at)
	{
		json *node = name_at.val;
		json *rules = member(node, "packet_filter_rules");
		if (length_of(rules))
			return rules;
	}
	return NULL;
}

/* A list with two different items, and what to do with it. */
static json *sources(json *root)
{
	return member(json_object_array_get_idx(first_rules(root), 0), "SrcIPs");
}

static void change(json *root)
{
	json_object_array_put_idx(sources(root), 0, json_object_new_string("10.255.255.254"));
}

static void drop(json *root)
{
	json_object_array_del_idx(first_rules(root), 0, 1);
}

static void add(json *root)
{
	json_object_array_add(sources(root), json_object_new_string("10.255.255.254"));
}

static void reorder(json *root)
{
	json *l = sources(root), *a = json_object_get(json_object_array_get_idx(l, 0));

	json_object_array_del_idx(l, 0, 1);
	json_object_array_add(l, a);
}

static void drop_null(json *root)
{
	struct json_object_iter name_at;

	json_object_object_foreachC(member(root, "expect"), name_at)
	{
		json *node = name_at.val;
		json_object_object_del(member(node, "cap_map"), "https://tailscale.com/cap/ssh");
	}
}

static void null_to_list(json *root)
{
	struct json_object_iter name_at;

	json_object_object_foreachC(member(root, "expect"), name_at)
	{
		json *node = name_at.val;
		json_object_object_add(member(node, "cap_map"), "https://tailscale.com/cap/ssh",
				       json_object_new_array());
	}
}

static void drop_peer(json *root)
{
	struct json_object_iter name_at;

	json_object_object_foreachC(member(root, "expect"), name_at)
	{
		json *node = name_at.val;
		json *peers = member(node, "peers");
		if (json_object_object_length(peers) == 0)
			continue;
		struct json_object_iter peer_at;
		json_object_object_foreachC(peers, peer_at)
		{
			const char *peer = peer_at.key;
			json_object_object_del(peers, peer);
			return;
		}
	}
}

static void refuse(json *root)
{
	json_object_object_add(member(root, "response"), "code", json_object_new_int(400));
}

static int self_test(const char *path)
{
	static const struct {
		const char *what;
		void (*spoil)(json *root);
	} tries[] = { { "a changed source", change },
		      { "a missing rule", drop },
		      { "an added source", add },
		      { "reordered sources", reorder },
		      { "a missing capability", drop_null },
		      { "null turned into []", null_to_list },
		      { "a missing peer", drop_peer },
		      { "another status", refuse } };
	json *root = load(path);
	struct diff d;
	int bad = 0;

	if (!root || !run_json(root, &d)) {
		printf("%s does not pass as it is: %s %s\n", path, root ? d.at : "", root ? d.what : "");
		json_object_put(root);
		return 1;
	}
	json_object_put(root);
	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		root = load(path);
		tries[i].spoil(root);
		if (run_json(root, &d)) {
			printf("not noticed: %s\n", tries[i].what);
			bad = 1;
		}
		json_object_put(root);
	}
	printf("self-test: %s\n", bad ? "failed" : "every change is noticed");
	return bad;
}

int main(int argc, char **argv)
{
	struct tally t = { 0, 0 };

	if (argc == 3 && strcmp(argv[1], "--self-test") == 0)
		return self_test(argv[2]);
	if (argc < 2) {
		fprintf(stderr, "usage: policy-cases DIR...\n       policy-cases --self-test FILE.json\n");
		return 2;
	}
	for (int i = 1; i < argc; i++)
		run_below(argv[i], &t);
	printf("%u passed, %u failed\n", t.passed, t.failed);
	return t.failed || !t.passed;
}
