/*
 * offline/explain.c -- `policy explain` without a server: a policy's text, a list of nodes, a question.
 *
 * The node list is what `nodes list -o json` prints, so the same command works on what was saved yesterday, or on a list
 * that somebody wrote to try a policy out.
 */
#include "offline/offline.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_in.h"
#include "policy/explain.h"

struct builder {
	struct arena *a;
	struct policy_world w;
	struct policy_node *nodes;
	const char **names; /* of nodes, by index */
	struct policy_user *users;
	struct err *err;
};

static const char *str(struct json_object *o, const char *name)
{
	const char *v = "";

	return o != NULL && json_get_str(o, name, &v, NULL) == ST_OK ? v : "";
}

static uint64_t id_of(struct json_object *o, const char *name)
{
	uint64_t v = 0;

	return o != NULL && json_get_u64_text(o, name, &v, NULL) == ST_OK ? v : 0;
}

static enum policy_role role_of(const char *name)
{
	static const struct {
		const char *name;
		enum policy_role role;
	} roles[] = {
		{ "owner", POLICY_ROLE_OWNER },		  { "admin", POLICY_ROLE_ADMIN },     { "network-admin", POLICY_ROLE_NETWORK_ADMIN },
		{ "it-admin", POLICY_ROLE_IT_ADMIN },	  { "auditor", POLICY_ROLE_AUDITOR },
	};

	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		if (strcmp(roles[i].name, name) == 0)
			return roles[i].role;
	return POLICY_ROLE_MEMBER;
}

static void add_user(struct builder *b, struct json_object *o)
{
	user_id id = id_of(o, "id");
	struct policy_user *u = &b->users[b->w.n_users];

	if (id == 0 || id == USER_TAGGED_DEVICES)
		return;
	for (size_t i = 0; i < b->w.n_users; i++)
		if (b->users[i].id == id)
			return;
	*u = (struct policy_user){ .id = id, .name = str(o, "name"), .email = str(o, "email"), .provider_id = str(o, "providerId"),
				   .role = role_of(str(o, "role")) };
	b->w.n_users++;
}

static struct json_object *list(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, name, &v) && json_object_is_type(v, json_type_array) ? v : NULL;
}

static size_t length(struct json_object *l)
{
	return l != NULL ? json_object_array_length(l) : 0;
}

static enum status prefixes(struct builder *b, struct json_object *l, const struct ip_prefix **out, size_t *n_out)
{
	struct ip_prefix *v = ARENA_ARRAY(b->a, struct ip_prefix, length(l) + 1);

	for (size_t i = 0; i < length(l); i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(l, i));

		if (text == NULL || ip_prefix_parse(bytes_of_str(text), &v[i]) != ST_OK) {
			err_set(b->err, "node list: \"%s\" is no prefix", text != NULL ? text : "null");
			return ST_BAD_INPUT;
		}
	}
	*out = v;
	*n_out = length(l);
	return ST_OK;
}

static enum status add_node(struct builder *b, struct json_object *o)
{
	struct policy_node *n = &b->nodes[b->w.n_nodes];
	struct json_object *addrs = list(o, "ipAddresses"), *tags = list(o, "tags"), *user = NULL;
	const char **t;
	enum status s;

	if (!json_object_is_type(o, json_type_object) || id_of(o, "id") == 0) {
		err_set(b->err, "node list: entry %zu has no \"id\"", b->w.n_nodes + 1);
		return ST_BAD_INPUT;
	}
	n->id = n->registered = id_of(o, "id");
	if (json_get_obj(o, "user", &user, NULL) != ST_OK)
		user = NULL;
	n->user = id_of(user, "id");
	n->live = true;
	for (size_t i = 0; i < length(addrs); i++) {
		struct ip_addr a;

		if (ip_parse(bytes_of_str(json_object_get_string(json_object_array_get_idx(addrs, i))), &a) != ST_OK)
			continue;
		if (a.family == IP_V4)
			n->ip4 = a;
		else
			n->ip6 = a;
	}
	t = ARENA_ARRAY(b->a, const char *, length(tags) + 1);
	for (size_t i = 0; i < length(tags); i++)
		t[i] = json_object_get_string(json_object_array_get_idx(tags, i));
	n->tags = t;
	n->n_tags = length(tags);
	s = prefixes(b, list(o, "availableRoutes"), &n->advertised, &n->n_advertised);
	if (s == ST_OK)
		s = prefixes(b, list(o, "approvedRoutes"), &n->approved, &n->n_approved);
	if (s != ST_OK)
		return s;
	b->names[b->w.n_nodes++] = str(o, "givenName");
	if (user != NULL && n->n_tags == 0)
		add_user(b, user);
	return ST_OK;
}

static enum status build(struct builder *b, const struct offline_explain *q)
{
	enum status s = ST_OK;

	if (q->nodes == NULL || !json_object_is_type(q->nodes, json_type_array)) {
		err_set(b->err, "node list: expected a list, as `nodes list -o json` prints it");
		return ST_BAD_INPUT;
	}
	b->nodes = ARENA_ARRAY(b->a, struct policy_node, length(q->nodes) + 1);
	b->names = ARENA_ARRAY(b->a, const char *, length(q->nodes) + 1);
	b->users = ARENA_ARRAY(b->a, struct policy_user, length(q->nodes) + length(q->users) + 1);
	b->w.nodes = b->nodes;
	b->w.users = b->users;
	for (size_t i = 0; i < length(q->users); i++)
		add_user(b, json_object_array_get_idx(q->users, i));
	for (size_t i = 0; i < length(q->nodes) && s == ST_OK; i++)
		s = add_node(b, json_object_array_get_idx(q->nodes, i));
	return s;
}

/* A node's name, or anything the policy understands. */
static enum status end_of(struct builder *b, const struct policy_engine *e, const char *text, struct policy_end *out)
{
	for (size_t i = 0; i < b->w.n_nodes; i++) {
		if (b->names[i][0] != '\0' && strcmp(b->names[i], text) == 0) {
			*out = (struct policy_end){ .node = b->nodes[i].id };
			return ST_OK;
		}
	}
	return policy_end_parse(e, text, out, b->err);
}

/* Cut ":443" from "host:443" and "[v6]:443"; a bare IPv6 address has no port. */
static enum status split_port(struct builder *b, const char *dst, const char **host_out, uint16_t *port_out)
{
	const char *colon = strrchr(dst, ':');
	char *end = NULL;
	unsigned long port;
	struct ip_addr ip;

	*port_out = 0;
	*host_out = dst;
	if (colon == NULL || ip_parse(bytes_of_str(dst), &ip) == ST_OK || strncmp(dst, "tag:", 4) == 0 || strncmp(dst, "group:", 6) == 0 ||
	    strncmp(dst, "autogroup:", 10) == 0 || strncmp(dst, "svc:", 4) == 0) {
		const char *second = colon != NULL ? strchr(dst, ':') : NULL;

		if (second == NULL || second == colon || ip_parse(bytes_of_str(dst), &ip) == ST_OK)
			return ST_OK; /* no port: "tag:web", "fd7a::1", "server" */
	}
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] == '\0' || *end != '\0' || port == 0 || port > 65535) {
		if (strcmp(colon + 1, "*") != 0) {
			err_set(b->err, "\"%s\" is no port (1 to 65535, or *)", colon + 1);
			return ST_BAD_INPUT;
		}
		port = 0;
	}
	*port_out = (uint16_t)port;
	*host_out = dst[0] == '[' && colon > dst && colon[-1] == ']' ? arena_strndup(b->a, dst + 1, (size_t)(colon - dst) - 2)
								      : arena_strndup(b->a, dst, (size_t)(colon - dst));
	return ST_OK;
}

static enum status proto_of(const char *text, int *out, struct err *err)
{
	static const struct {
		const char *name;
		int number;
	} protos[] = { { "tcp", 6 }, { "udp", 17 }, { "icmp", 1 }, { "icmp6", 58 }, { "sctp", 132 }, { "any", -1 } };
	char *end = NULL;
	long v;

	for (size_t i = 0; i < sizeof protos / sizeof *protos; i++) {
		if (strcmp(protos[i].name, text) == 0) {
			*out = protos[i].number;
			return ST_OK;
		}
	}
	v = strtol(text, &end, 10);
	if (text[0] == '\0' || *end != '\0' || v < 1 || v > 255) {
		err_set(err, "--proto \"%s\": write tcp, udp, icmp, icmp6, sctp, any or a number up to 255", text);
		return ST_BAD_INPUT;
	}
	*out = (int)v;
	return ST_OK;
}

static void put(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text != NULL ? text : ""));
}

static struct json_object *to_json(struct arena *a, const struct policy_explanation *x)
{
	struct json_object *o = json_object_new_object(), *steps = json_object_new_array();
	const char *all = x->text;

	json_object_object_add(o, "allowed", json_object_new_boolean(x->allowed));
	json_object_object_add(o, "visible", json_object_new_boolean(x->visible));
	json_object_object_add(o, "rules", steps);
	for (size_t i = 0; i < x->n_steps; i++) {
		const struct policy_step *s = &x->steps[i];
		struct json_object *step = json_object_new_object();

		json_object_object_add(step, "allows", json_object_new_boolean(s->miss == POLICY_HIT));
		put(step, "section", s->grant ? "grants" : "acls");
		json_object_object_add(step, "index", json_object_new_int64(s->index));
		json_object_object_add(step, "line", json_object_new_int64(s->line));
		put(step, "source", s->source);
		put(step, "destination", s->target);
		put(step, "text", s->text);
		json_object_array_add(steps, step);
		if (i > 0 && i < 6) /* the first is in the answer */
			all = arena_printf(a, "%s\n  %s", all, s->text);
	}
	put(o, "text", all);
	return o;
}

enum status offline_policy_explain(const struct offline_explain *q, struct arena *a, struct json_object **out, struct err *err)
{
	struct builder b = { .a = a, .err = err };
	struct policy_engine *e = NULL;
	struct policy_explanation x;
	struct policy *p = NULL;
	struct policy_error bad = { 0 };
	struct policy_end src, dst;
	const char *dst_text = NULL;
	uint16_t port = 0;
	int proto = -1;
	enum status s = build(&b, q);

	if (s == ST_OK)
		s = proto_of(q->proto != NULL ? q->proto : "any", &proto, err);
	if (s == ST_OK && policy_parse(bytes_of_str(q->policy != NULL ? q->policy : ""), NULL, &p, &bad) != ST_OK) {
		err_set(err, "policy line %u: %s", bad.line, bad.message);
		s = ST_BAD_INPUT;
	}
	if (s == ST_OK) {
		e = policy_engine_new(p, &b.w);
		s = end_of(&b, e, q->src, &src);
	}
	if (s == ST_OK)
		s = split_port(&b, q->dst, &dst_text, &port);
	if (s == ST_OK)
		s = end_of(&b, e, dst_text, &dst);
	if (s == ST_OK) {
		policy_explain(e, &src, &dst, port, proto, a, &x);
		*out = to_json(a, &x);
	}
	policy_engine_unref(&e);
	policy_unref(&p);
	return s;
}
