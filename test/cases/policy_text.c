/*
 * policy_text -- cases of the policy as text: a world, a policy, questions and the answers expected.
 *
 *     policy_text FILE...
 *
 * One directive a line; `#` starts a comment. What comes before the first `policy` holds for the whole file.
 *
 *     user LOGIN [ROLE]                  owner, admin, ... (member if left out); IDs count from 1
 *     node NAME KEY=VALUE...             user=, tags=a,b ip=v4,v6 routes=p,p approved=p,p (all: as routes)
 *                                        attr=NAME=VALUE, down; IDs and addresses count from 1
 *     domain D                           one of the tailnet's own
 *     policy ... end                     the text in between; compiled, or refused
 *     refused MESSAGE                    the policy is refused with exactly this
 *     tests pass|fail
 *     warns TEXT                         one of the warnings contains this
 *     reach SRC DST[:PORT] [PROTO] yes|no  judged by the filter that DST, or the router in front of it, gets
 *     why SRC DST[:PORT] TEXT            the explanation contains this
 *     sees A B yes|no
 *     routes VIEWER PEER [P...]          subnet routes shown, then `exit` if it is offered as an exit node
 *     filter NODE JSON                   the whole filter
 *     ssh NODE JSON                      the whole SSH policy
 *     login SRC DST USER accept|check|none
 *     cap NODE NAME yes|no               in its own CapMap
 *     approves NODE ROUTE yes|no
 *     tags LOGIN TAG yes|no              may the user give the tag?
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_in.h"
#include "base/vec.h"
#include "policy/engine.h"
#include "policy/explain.h"

#define WORDS_MAX 32
#define NODES_MAX 64

struct fixture {
	struct arena *a;
	struct policy_user users[NODES_MAX];
	struct policy_node nodes[NODES_MAX];
	const char *name[NODES_MAX];
	const char *domains[8];
	struct policy_world w;
	struct policy *policy;
	struct policy_engine *engine;
	struct policy_error error;
	const char *path;
	unsigned line, failed, asked;
};

static void fail(struct fixture *f, const char *fmt, const char *a, const char *b)
{
	f->failed++;
	printf("%s:%u: ", f->path, f->line);
	printf(fmt, a, b);
	putchar('\n');
}

static size_t split(struct arena *a, const char *text, const char *at, const char **out, size_t max)
{
	char *save = NULL, *copy = arena_strdup(a, text);
	size_t n = 0;

	for (char *w = strtok_r(copy, at, &save); w && n < max; w = strtok_r(NULL, at, &save))
		out[n++] = w;
	return n;
}

/* ---- the world ---- */

static void add_user(struct fixture *f, const char **word, size_t n)
{
	static const char *const roles[] = { "member",	 "owner",	  "admin",  "network-admin",
					     "it-admin", "billing-admin", "auditor" };
	struct policy_user *u = &f->users[f->w.n_users++];

	u->id = f->w.n_users;
	u->email = word[1];
	if (u->email[strlen(u->email) - 1] == '@')
		u->name = arena_strndup(f->a, u->email, strlen(u->email) - 1), u->email = NULL;
	for (size_t i = 0; n > 2 && i < sizeof roles / sizeof *roles; i++)
		if (strcmp(roles[i], word[2]) == 0)
			u->role = (enum policy_role)i;
	if (n > 2 && strcmp(word[2], "external") == 0)
		u->external = true;
}

static user_id user_named(const struct fixture *f, const char *login)
{
	for (size_t i = 0; i < f->w.n_users; i++) {
		const struct policy_user *u = &f->users[i];
		if (u->email ? strcmp(u->email, login) == 0 : strncmp(u->name, login, strlen(u->name)) == 0)
			return u->id;
	}
	return 0;
}

static const struct ip_prefix *prefixes(struct fixture *f, const char *text, size_t *n_out)
{
	const char *word[WORDS_MAX];
	size_t n = split(f->a, text, ",", word, WORDS_MAX);
	struct ip_prefix *p = ARENA_ARRAY(f->a, struct ip_prefix, n);

	for (size_t i = 0; i < n; i++)
		if (ip_prefix_parse(bytes_of_str(word[i]), &p[i]) != ST_OK)
			fail(f, "not a prefix: %s%s", word[i], "");
	*n_out = n;
	return p;
}

static void set_ips(struct fixture *f, struct policy_node *n, const char *text)
{
	const char *word[2];
	size_t k = split(f->a, text, ",", word, 2);

	n->ip4 = n->ip6 = (struct ip_addr){ 0 };
	for (size_t i = 0; i < k; i++)
		if (ip_parse(bytes_of_str(word[i]), strchr(word[i], ':') ? &n->ip6 : &n->ip4) != ST_OK)
			fail(f, "not an address: %s%s", word[i], "");
}

static void set_attr(struct fixture *f, struct policy_node *n, const char *text)
{
	const char *eq = strchr(text, '=');
	struct policy_attr *a = ARENA_ARRAY(f->a, struct policy_attr, n->n_attrs + 1);

	if (n->n_attrs)
		memcpy(a, n->attrs, n->n_attrs * sizeof *a);
	a[n->n_attrs].name = arena_strndup(f->a, text, (size_t)(eq - text));
	a[n->n_attrs].type = POLICY_ATTR_STRING;
	a[n->n_attrs].str = eq + 1;
	n->attrs = a;
	n->n_attrs++;
}

static void set_fact(struct fixture *f, struct policy_node *n, const char *key, const char *value)
{
	const char **tags = ARENA_ARRAY(f->a, const char *, WORDS_MAX);

	if (strcmp(key, "user") == 0) {
		n->user = n->created_by = user_named(f, value);
	} else if (strcmp(key, "tags") == 0) {
		n->n_tags = split(f->a, value, ",", tags, WORDS_MAX);
		n->tags = tags;
	} else if (strcmp(key, "ip") == 0) {
		set_ips(f, n, value);
	} else if (strcmp(key, "routes") == 0) {
		n->advertised = prefixes(f, value, &n->n_advertised);
	} else if (strcmp(key, "approved") == 0 && strcmp(value, "all") == 0) {
		n->approved = n->advertised;
		n->n_approved = n->n_advertised;
	} else if (strcmp(key, "approved") == 0) {
		n->approved = prefixes(f, value, &n->n_approved);
	} else if (strcmp(key, "attr") == 0) {
		set_attr(f, n, value);
	} else if (strcmp(key, "down") == 0) {
		n->live = false;
	} else {
		fail(f, "unknown fact: %s%s", key, "");
	}
}

static void add_node(struct fixture *f, const char **word, size_t n)
{
	size_t i = f->w.n_nodes++;
	struct policy_node *x = &f->nodes[i];

	f->name[i] = word[1];
	x->id = x->registered = i + 1;
	x->live = true;
	x->created_by = 1;
	set_ips(f, x, arena_printf(f->a, "100.64.0.%zu,fd7a:115c:a1e0::%zx", i + 1, i + 1));
	for (size_t k = 2; k < n; k++) {
		const char *eq = strchr(word[k], '=');
		set_fact(f, x, eq ? arena_strndup(f->a, word[k], (size_t)(eq - word[k])) : word[k], eq ? eq + 1 : "");
	}
}

static size_t node_named(const struct fixture *f, const char *name)
{
	for (size_t i = 0; i < f->w.n_nodes; i++)
		if (strcmp(f->name[i], name) == 0)
			return i;
	return SIZE_MAX;
}

static node_id id_named(struct fixture *f, const char *name)
{
	size_t i = node_named(f, name);

	if (i == SIZE_MAX)
		fail(f, "no such node: %s%s", name, "");
	return i == SIZE_MAX ? 0 : f->nodes[i].id;
}

/* ---- answers ---- */

static void must_be(struct fixture *f, bool got, const char *want, const char *what)
{
	if (got != (strcmp(want, "yes") == 0))
		fail(f, "expected %s: %s", want, what);
}

static char *written(void (*write)(const struct policy_engine *, node_id, struct jw *), const struct fixture *f,
		     node_id id)
{
	struct buf b;
	struct jw w;

	buf_init(&b, (size_t)16 << 20);
	jw_init(&w, &b);
	write(f->engine, id, &w);
	return buf_take(&b, NULL);
}

static struct json_object *json_of(struct fixture *f, const char *text)
{
	struct json_object *o = NULL;
	struct err err = { "" };

	if (json_parse(bytes_of_str(text), (size_t)16 << 20, &o, &err) != ST_OK)
		fail(f, "no JSON: %s (%s)", text, err.text);
	return o;
}

static void must_equal(struct fixture *f, const char *want, char *got)
{
	struct json_object *w = json_of(f, want), *g = json_of(f, got);

	if (!json_object_equal(w, g))
		fail(f, "expected %s\n    got      %s", want, got);
	json_object_put(w);
	json_object_put(g);
	free(got);
}

/* ---- reach: by the filter as a client reads it ---- */

static bool text_has(const char *text, const struct ip_addr *a)
{
	const char *dash = strchr(text, '-');
	struct ip_prefix p;
	struct ip_addr from, to;

	if (strcmp(text, "*") == 0)
		return true;
	if (dash)
		return ip_parse(bytes_of(text, (size_t)(dash - text)), &from) == ST_OK &&
		       ip_parse(bytes_of_str(dash + 1), &to) == ST_OK && from.family == a->family &&
		       ip_cmp(&from, a) <= 0 && ip_cmp(a, &to) <= 0;
	if (ip_prefix_parse(bytes_of_str(text), &p) == ST_OK)
		return ip_prefix_contains(&p, a);
	return ip_parse(bytes_of_str(text), &from) == ST_OK && ip_eq(&from, a);
}

static struct json_object *at(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, name, &v);
	return v;
}

static bool sources_have(struct json_object *rule, const struct ip_addr *src)
{
	struct json_object *l = at(rule, "SrcIPs");

	for (size_t i = 0; i < json_object_array_length(l); i++)
		if (text_has(json_object_get_string(json_object_array_get_idx(l, i)), src))
			return true;
	return false;
}

static bool targets_have(struct json_object *rule, const struct ip_addr *dst, int port)
{
	struct json_object *l = at(rule, "DstPorts");

	for (size_t i = 0; l && i < json_object_array_length(l); i++) {
		struct json_object *d = json_object_array_get_idx(l, i), *p = at(d, "Ports");
		if (text_has(json_object_get_string(at(d, "IP")), dst) && port >= json_object_get_int(at(p, "First")) &&
		    port <= json_object_get_int(at(p, "Last")))
			return true;
	}
	return false;
}

static bool protocol_is(struct json_object *rule, int proto)
{
	struct json_object *l = at(rule, "IPProto");

	if (!l)
		return proto == 6 || proto == 17 || proto == 1 || proto == 58;
	for (size_t i = 0; i < json_object_array_length(l); i++)
		if (json_object_get_int(json_object_array_get_idx(l, i)) == proto)
			return true;
	return false;
}

static bool filter_lets(struct fixture *f, node_id on, const struct ip_addr *src, const struct ip_addr *dst, int port,
			int proto)
{
	char *text = written(policy_filter_write, f, on);
	struct json_object *rules = json_of(f, text);
	bool ok = false;

	for (size_t i = 0; i < json_object_array_length(rules) && !ok; i++) {
		struct json_object *r = json_object_array_get_idx(rules, i);
		ok = protocol_is(r, proto) && sources_have(r, src) && targets_have(r, dst, port);
	}
	json_object_put(rules);
	free(text);
	return ok;
}

/* The addresses of an end, and the node whose filter decides (as a destination). */
static size_t addresses(struct fixture *f, const char *name, struct ip_addr *out, node_id *on)
{
	size_t i = node_named(f, name), n = 0;

	*on = 0;
	if (i != SIZE_MAX) {
		*on = f->nodes[i].id;
		if (f->nodes[i].ip4.family)
			out[n++] = f->nodes[i].ip4;
		if (f->nodes[i].ip6.family)
			out[n++] = f->nodes[i].ip6;
		return n;
	}
	if (ip_parse(bytes_of_str(name), &out[0]) != ST_OK) {
		fail(f, "neither a node nor an address: %s%s", name, "");
		return 0;
	}
	for (i = 0; i < f->w.n_nodes; i++)
		for (size_t k = 0; k < f->nodes[i].n_approved; k++)
			if (ip_prefix_contains(&f->nodes[i].approved[k], &out[0]) &&
			    (!*on || !ip_prefix_is_default(&f->nodes[i].approved[k])))
				*on = f->nodes[i].id;
	return 1;
}

static const char *host_and_port(struct fixture *f, const char *text, int *port)
{
	const char *colon = strrchr(text, ':');

	*port = 1;
	if (!colon || strchr(text, ':') != colon)
		return text;
	*port = atoi(colon + 1);
	return arena_strndup(f->a, text, (size_t)(colon - text));
}

static int proto_of(const char *s)
{
	if (strcmp(s, "tcp") == 0)
		return 6;
	if (strcmp(s, "udp") == 0)
		return 17;
	return strcmp(s, "icmp") == 0 ? 1 : atoi(s);
}

static void ask_reach(struct fixture *f, const char **word, size_t n)
{
	struct ip_addr src[2], dst[2];
	node_id from, on;
	int port, proto = n > 4 ? proto_of(word[3]) : 6;
	size_t n_src = addresses(f, word[1], src, &from);
	size_t n_dst = addresses(f, host_and_port(f, word[2], &port), dst, &on);
	bool ok = false;

	for (size_t i = 0; i < n_src; i++)
		for (size_t k = 0; k < n_dst; k++)
			ok |= on && src[i].family == dst[k].family && filter_lets(f, on, &src[i], &dst[k], port, proto);
	must_be(f, ok, word[n - 1], arena_printf(f->a, "%s reaches %s", word[1], word[2]));
}

static struct policy_end end_named(struct fixture *f, const char *name)
{
	size_t i = node_named(f, name);
	struct policy_end x = { 0 };
	struct err err = { "" };

	if (i != SIZE_MAX)
		return (struct policy_end){ .node = f->nodes[i].id };
	if (policy_end_parse(f->engine, name, &x, &err) != ST_OK)
		fail(f, "%s%s", err.text, "");
	return x;
}

static void ask_why(struct fixture *f, const char **word, const char *rest)
{
	struct policy_explanation x;
	struct policy_end src = end_named(f, word[1]), dst;
	int port;
	const char *host = host_and_port(f, word[2], &port);

	dst = end_named(f, host);
	policy_explain(f->engine, &src, &dst, (uint16_t)port, 6, f->a, &x);
	if (!strstr(x.text, rest))
		fail(f, "expected %s\n    got      %s", rest, x.text);
}

static void ask_routes(struct fixture *f, const char **word, size_t n)
{
	struct policy_peer p;
	const char *want = "", *got = "";
	char text[IP_PREFIX_TEXT_MAX];

	if (!policy_peer_get(f->engine, policy_class_of(f->engine, id_named(f, word[1])), id_named(f, word[2]), f->a,
			     &p))
		return;
	for (size_t i = 3; i < n; i++)
		want = arena_printf(f->a, "%s %s", want, word[i]);
	for (size_t i = 0; i < p.n_routes; i++) {
		ip_prefix_format(&p.routes[i], text);
		got = arena_printf(f->a, "%s %s", got, text);
	}
	if (p.exit_node)
		got = arena_printf(f->a, "%s exit", got);
	if (strcmp(want, got) != 0)
		fail(f, "expected routes%s, got%s", want, got);
}

static void ask_login(struct fixture *f, const char **word)
{
	static const char *const name[] = { "none", "accept", "check" };
	struct policy_ssh_answer x = policy_ssh_ask(f->engine, id_named(f, word[1]), id_named(f, word[2]), word[3]);

	if (strcmp(name[x.verdict], word[4]) != 0)
		fail(f, "expected %s, got %s", word[4], name[x.verdict]);
}

static void ask_cap(struct fixture *f, const char **word)
{
	char *text = written(policy_self_cap_map, f, id_named(f, word[1]));
	struct json_object *o = json_of(f, text);

	must_be(f, json_object_object_get_ex(o, word[2], NULL), word[3], word[2]);
	json_object_put(o);
	free(text);
}

static void ask_approves(struct fixture *f, const char **word)
{
	size_t i = node_named(f, word[1]), n;
	const struct ip_prefix *p = prefixes(f, word[2], &n);

	if (i != SIZE_MAX && n)
		must_be(f, policy_auto_approves(f->engine, &f->nodes[i], p), word[3], word[2]);
}

static void ask_warning(struct fixture *f, const char *text)
{
	const struct policy_warning *v;
	size_t n = policy_warnings(f->policy, &v);

	for (size_t i = 0; i < n; i++)
		if (strstr(v[i].text, text))
			return;
	fail(f, "no such warning: %s%s", text, "");
}

static void ask(struct fixture *f, const char **word, size_t n, const char *rest2, const char *rest3)
{
	const char *what = word[0];

	f->asked++;
	if (!f->engine)
		fail(f, "the policy is refused: %s%s", f->error.message, "");
	else if (strcmp(what, "tests") == 0)
		must_be(f, policy_run_tests(f->engine, f->a, NULL, NULL) == ST_OK,
			strcmp(word[1], "pass") == 0 ? "yes" : "no", "tests pass");
	else if (strcmp(what, "reach") == 0)
		ask_reach(f, word, n);
	else if (strcmp(what, "why") == 0)
		ask_why(f, word, rest3);
	else if (strcmp(what, "sees") == 0)
		must_be(f,
			policy_class_sees(f->engine, policy_class_of(f->engine, id_named(f, word[1])),
					  policy_class_of(f->engine, id_named(f, word[2]))),
			word[3], arena_printf(f->a, "%s sees %s", word[1], word[2]));
	else if (strcmp(what, "routes") == 0)
		ask_routes(f, word, n);
	else if (strcmp(what, "filter") == 0)
		must_equal(f, rest2, written(policy_filter_write, f, id_named(f, word[1])));
	else if (strcmp(what, "ssh") == 0)
		must_equal(f, rest2, written(policy_ssh_write, f, id_named(f, word[1])));
	else if (strcmp(what, "login") == 0)
		ask_login(f, word);
	else if (strcmp(what, "cap") == 0)
		ask_cap(f, word);
	else if (strcmp(what, "approves") == 0)
		ask_approves(f, word);
	else if (strcmp(what, "tags") == 0)
		must_be(f, policy_user_may_tag(f->engine, user_named(f, word[1]), word[2]), word[3], word[2]);
	else
		fail(f, "unknown directive: %s%s", what, "");
}

/* ---- the file ---- */

static void compile(struct fixture *f, const char *text)
{
	policy_engine_unref(&f->engine);
	policy_unref(&f->policy);
	f->error = (struct policy_error){ 0 };
	if (policy_parse(bytes_of_str(text), &f->w.settings, &f->policy, &f->error) == ST_OK)
		f->engine = policy_engine_new(f->policy, &f->w);
}

static const char *skip_words(const char *s, unsigned n)
{
	while (n--) {
		s += strspn(s, " \t");
		s += strcspn(s, " \t");
	}
	return s + strspn(s, " \t");
}

static void run_line(struct fixture *f, const char *line)
{
	const char *word[WORDS_MAX];
	size_t n = split(f->a, line, " \t", word, WORDS_MAX);

	if (n == 0 || word[0][0] == '#')
		return;
	if (strcmp(word[0], "user") == 0 && n > 1 && f->w.n_users < NODES_MAX)
		add_user(f, word, n);
	else if (strcmp(word[0], "node") == 0 && n > 1 && f->w.n_nodes < NODES_MAX)
		add_node(f, word, n);
	else if (strcmp(word[0], "domain") == 0 && n > 1 && f->w.settings.n_domains < 8)
		f->domains[f->w.settings.n_domains++] = word[1];
	else if (strcmp(word[0], "refused") == 0) {
		f->asked++;
		if (f->engine || strcmp(f->error.message, skip_words(line, 1)) != 0)
			fail(f, "expected %s\n    got      %s", skip_words(line, 1),
			     f->engine ? "no refusal" : f->error.message);
	} else if (strcmp(word[0], "warns") == 0 && f->policy) {
		f->asked++;
		ask_warning(f, skip_words(line, 1));
	} else {
		ask(f, word, n, skip_words(line, 2), skip_words(line, 3));
	}
}

static void run_lines(struct fixture *f, FILE *in)
{
	char *line = NULL;
	size_t cap = 0;
	struct buf policy;
	bool inside = false;

	buf_init(&policy, POLICY_TEXT_MAX);
	while (getline(&line, &cap, in) >= 0) {
		f->line++;
		line[strcspn(line, "\r\n")] = 0;
		if (inside && strcmp(line, "end") == 0) {
			buf_put_char(&policy, 0);
			compile(f, (const char *)policy.p);
			inside = false;
		} else if (inside) {
			buf_put_str(&policy, line);
			buf_put_char(&policy, '\n');
		} else if (strcmp(line, "policy") == 0) {
			buf_reset(&policy);
			inside = true;
		} else {
			run_line(f, line);
		}
	}
	buf_release(&policy);
	free(line);
}

static bool run(const char *path)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	FILE *in = fopen(path, "r");
	bool ok;

	f->path = path;
	f->a = arena_new();
	f->w.users = f->users;
	f->w.nodes = f->nodes;
	f->w.settings.domains = f->domains;
	if (in) {
		run_lines(f, in);
		fclose(in);
	} else {
		printf("%s: %s\n", path, strerror(errno));
	}
	ok = in && f->asked && !f->failed;
	printf("%s: %u asked, %u failed\n", path, f->asked, f->failed);
	policy_engine_unref(&f->engine);
	policy_unref(&f->policy);
	arena_free(&f->a);
	free(f);
	return ok;
}

int main(int argc, char **argv)
{
	bool ok = argc > 1;

	for (int i = 1; i < argc; i++)
		ok &= run(argv[i]);
	return !ok;
}
