/*
 * bench/policy.c -- what a policy costs: compile, swap, look-up, update, memory; a storm of new users.
 *
 *     policy [NODES [USERS [GROUPS [RULES]]]]     10000 200 100 300 unless given
 *
 * Prints one line a question. Worlds are made with a fixed seed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/vec.h"
#include "policy/engine.h"

static uint64_t state = 42;

static uint32_t chance(uint32_t bound)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % bound;
}

struct size {
	uint32_t nodes, users, groups, rules;
};

static char *group_text(struct buf *b, const struct size *s)
{
	for (uint32_t g = 0; g < s->groups; g++) {
		buf_printf(b, "%s\"group:g%u\":[", g ? "," : "", g);
		for (uint32_t i = 0; i < 8; i++)
			buf_printf(b, "%s\"u%u@example.com\"", i ? "," : "", chance(s->users));
		buf_put_str(b, "]");
	}
	return NULL;
}

static void put_rule(struct buf *b, const struct size *s, uint32_t i)
{
	buf_printf(b, "%s{\"action\":\"accept\",\"src\":[", i ? "," : "");
	switch (chance(4)) {
	case 0:
		buf_printf(b, "\"tag:t%u\"", chance(40));
		break;
	case 1:
		buf_printf(b, "\"u%u@example.com\",\"group:g%u\"", chance(s->users), chance(s->groups));
		break;
	default:
		buf_printf(b, "\"group:g%u\"", chance(s->groups));
	}
	buf_printf(b, "],\"dst\":[\"tag:t%u:%u\"", chance(40), 1 + chance(60000));
	if (chance(3) == 0)
		buf_printf(b, ",\"10.%u.0.0/16:443\"", chance(50));
	buf_put_str(b, "]}");
}

static char *rules_policy(const struct size *s)
{
	struct buf b;

	buf_init(&b, POLICY_TEXT_MAX);
	buf_put_str(&b, "{\"groups\":{");
	group_text(&b, s);
	buf_put_str(&b, "},\"tagOwners\":{");
	for (uint32_t t = 0; t < 40; t++)
		buf_printf(&b, "%s\"tag:t%u\":[]", t ? "," : "", t);
	buf_put_str(&b, "},\"acls\":[");
	for (uint32_t i = 0; i < s->rules; i++)
		put_rule(&b, s, i);
	buf_put_str(&b, "]}");
	return buf_take(&b, NULL);
}

struct made {
	struct policy_world w;
	struct policy_user *users;
	struct policy_node *nodes;
	char (*email)[32];
	char (*tag)[16];
	const char **tags;
	struct ip_prefix *routes;
};

static struct made make_world(const struct size *s, bool tagged)
{
	struct made m = { 0 };

	m.users = xcalloc(s->users, sizeof *m.users);
	m.email = xcalloc(s->users, sizeof *m.email);
	m.nodes = xcalloc(s->nodes + 1, sizeof *m.nodes);
	m.tag = xcalloc(s->nodes + 1, sizeof *m.tag);
	m.tags = xcalloc(s->nodes + 1, sizeof *m.tags);
	m.routes = xcalloc(64, sizeof *m.routes);
	for (uint32_t i = 0; i < s->users; i++) {
		snprintf(m.email[i], sizeof m.email[i], "u%u@example.com", i);
		m.users[i] = (struct policy_user){ .id = i + 1, .email = m.email[i] };
	}
	for (uint32_t i = 0; i <= s->nodes; i++) {
		struct policy_node *n = &m.nodes[i];
		uint32_t ip = 0x64400000u + i + 10;
		*n = (struct policy_node){ .id = i + 1, .registered = i + 1, .user = i % s->users + 1, .live = true };
		n->ip4 = (struct ip_addr){ IP_V4, { 0 } };
		for (int k = 0; k < 4; k++)
			n->ip4.b[12 + k] = (uint8_t)(ip >> (24 - 8 * k));
		n->ip6 = (struct ip_addr){ IP_V6, { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0 } };
		memcpy(n->ip6.b + 12, n->ip4.b + 12, 4);
		if (tagged && i % 2) {
			snprintf(m.tag[i], sizeof m.tag[i], "tag:t%u", chance(40));
			m.tags[i] = m.tag[i];
			n->tags = &m.tags[i];
			n->n_tags = 1;
		}
		if (tagged && i % 400 == 1) {
			m.routes[i / 400 % 64] = (struct ip_prefix){ { IP_V4, { 0 } }, 16 };
			m.routes[i / 400 % 64].addr.b[12] = 10;
			m.routes[i / 400 % 64].addr.b[13] = (uint8_t)(i / 400 % 50);
			n->advertised = n->approved = &m.routes[i / 400 % 64];
			n->n_advertised = n->n_approved = 1;
		}
	}
	m.w.users = m.users;
	m.w.n_users = s->users;
	m.w.nodes = m.nodes;
	m.w.n_nodes = s->nodes;
	return m;
}

static void free_world(struct made *m)
{
	free(m->users);
	free(m->email);
	free(m->nodes);
	free(m->tag);
	free(m->tags);
	free(m->routes);
}

static double ms_since(int64_t t)
{
	return (double)(clock_mono_ns() - t) / 1e6;
}

static struct policy *parse(const char *text)
{
	struct policy *p = NULL;
	struct policy_error e;

	if (policy_parse(bytes_of_str(text), NULL, &p, &e) == ST_OK)
		return p;
	fprintf(stderr, "%s\n", e.message);
	exit(1);
}

static void ask_classes(const char *what, const struct policy_engine *e, const struct size *s)
{
	struct arena *a = arena_new();
	size_t n = policy_class_count(e), seen = 0;
	int64_t t = clock_mono_ns();
	double ms;

	for (uint32_t i = 0; i < s->nodes; i++)
		seen += policy_class_of(e, 1 + chance(s->nodes)) != POLICY_CLASS_NONE;
	printf("%s: class of a node: %.3f us (%zu looked up)\n", what, ms_since(t) * 1e3 / s->nodes, seen);
	seen = 0;
	t = clock_mono_ns();
	for (policy_class c = 0; c < n; c++) {
		const policy_class *peers;
		seen += policy_class_peers(e, c, a, &peers);
		if (c % 64 == 63)
			arena_reset(a);
	}
	ms = ms_since(t);
	printf("%s: peers of all %zu classes: %.2f ms (%.1f each sees)\n", what, n, ms, (double)seen / (double)n);
	arena_free(&a);
}

static void ask_filters(const char *what, const struct policy_engine *e)
{
	size_t n = policy_class_count(e), bytes = 0, count = 0;
	int64_t t = clock_mono_ns();
	uint64_t d = 0;

	for (policy_class c = 0; c < n && c < 500; c++) {
		const node_id *m;
		struct buf b;
		struct jw w;
		if (!policy_class_members(e, c, &m))
			continue;
		buf_init(&b, (size_t)1 << 30);
		jw_init(&w, &b);
		policy_filter_write(e, m[0], &w);
		bytes += b.n;
		count++;
		buf_release(&b);
	}
	if (count)
		printf("%s: a filter, whole, as JSON: %.3f ms, %zu bytes\n", what, ms_since(t) / (double)count,
		       bytes / count);
	t = clock_mono_ns();
	for (policy_class c = 0; c < n && c < 500; c++) {
		const node_id *m;
		if (policy_class_members(e, c, &m))
			d ^= policy_digest(e, m[0], POLICY_ASPECT_FILTER);
	}
	if (count)
		printf("%s: a filter's digest: %.3f ms (%u)\n", what, ms_since(t) / (double)count, (unsigned)(d & 1));
}

static void ask_update(const char *what, const struct policy_engine *e, const struct made *m, const struct size *s)
{
	struct policy_engine *now = policy_engine_ref((struct policy_engine *)e), *next;
	int64_t t = clock_mono_ns();

	for (uint32_t i = 0; i < 100; i++) {
		struct policy_node n = m->nodes[i % 2 ? s->nodes : chance(s->nodes)];
		struct policy_delta d = { .changed = &n, .n_changed = 1 };
		if (i % 2 == 0)
			n.user = 1 + chance(s->users);
		next = policy_engine_update(now, &d);
		policy_engine_unref(&now);
		now = next;
	}
	printf("%s: update after one node changed: %.3f ms\n", what, ms_since(t) / 100);
	policy_engine_unref(&now);
}

enum { STORM = 300 };

/* New users come one after another, each with a node (the last of m), as changes and by compiling anew. */
static void ask_storm(const char *what, const struct policy_engine *e, struct made *m, const struct size *s)
{
	struct policy_engine *now = policy_engine_ref((struct policy_engine *)e), *next;
	struct policy_world w = m->w;
	struct policy_user *users = xcalloc(s->users + STORM, sizeof *users);
	char email[STORM][32];
	int64_t t = clock_mono_ns();
	double changes;

	mem_copy(users, m->users, s->users * sizeof *users);
	for (uint32_t i = 0; i < STORM; i++) {
		struct policy_node n = m->nodes[s->nodes];
		struct policy_delta d = { .changed = &n, .n_changed = 1, .users = &users[s->users + i], .n_users = 1 };
		snprintf(email[i], sizeof email[i], "new%u@example.com", i);
		users[s->users + i] = (struct policy_user){ .id = s->users + i + 1, .email = email[i] };
		n.user = s->users + i + 1;
		next = policy_engine_update(now, &d);
		policy_engine_unref(&now);
		now = next;
	}
	policy_engine_unref(&now);
	changes = ms_since(t);
	w.users = users;
	w.n_users = s->users;
	t = clock_mono_ns();
	for (uint32_t i = 0; i < STORM; i++) {
		w.n_users++;
		now = policy_engine_new(policy_engine_policy(e), &w);
		policy_engine_unref(&now);
	}
	printf("%s: %d new users: %.1f ms as changes, %.1f ms compiled anew\n", what, STORM, changes, ms_since(t));
	free(users);
}

static void ask_user(const char *what, const struct policy_engine *e, const struct made *m, const struct size *s)
{
	struct policy_engine *now = policy_engine_ref((struct policy_engine *)e), *next;
	const node_id *ids;
	size_t moved = 0;
	int64_t t = clock_mono_ns();

	for (uint32_t i = 0; i < 100; i++) {
		struct policy_user u = m->users[i / 2 % s->users];
		struct policy_delta d = { .users = &u, .n_users = 1 };
		if (i % 2 == 0)
			u.email = "elsewhere@example.net";
		next = policy_engine_update(now, &d);
		moved += policy_engine_moved(next, &ids);
		policy_engine_unref(&now);
		now = next;
	}
	printf("%s: update after one user's e-mail changed: %.3f ms (%.1f nodes)\n", what, ms_since(t) / 100,
	       (double)moved / 100);
	policy_engine_unref(&now);
}

static void measure(const char *what, const char *text, const struct size *s, bool tagged)
{
	struct made m = make_world(s, tagged);
	int64_t t = clock_mono_ns();
	struct policy *p = parse(text);
	double parsed = ms_since(t);
	struct policy_engine *e;

	t = clock_mono_ns();
	e = policy_engine_new(p, &m.w);
	printf("%s: %u nodes, %u users, %zu bytes of policy: parse %.2f ms, compile %.2f ms, %zu classes, %.2f MiB\n",
	       what, s->nodes, s->users, strlen(text), parsed, ms_since(t), policy_class_count(e),
	       (double)policy_engine_memory(e) / 1048576);
	ask_classes(what, e, s);
	ask_filters(what, e);
	ask_update(what, e, &m, s);
	ask_user(what, e, &m, s);
	ask_storm(what, e, &m, s);
	policy_engine_unref(&e);
	policy_unref(&p);
	free_world(&m);
}

int main(int argc, char **argv)
{
	struct size s = { 10000, 200, 100, 300 }, self;
	uint32_t *field[] = { &s.nodes, &s.users, &s.groups, &s.rules };
	char *text;

	for (int i = 1; i < argc && i <= 4; i++)
		*field[i - 1] = (uint32_t)strtoul(argv[i], NULL, 10);
	text = rules_policy(&s);
	measure("rules", text, &s, true);
	free(text);
	self = (struct size){ 2 * s.nodes, s.nodes, 0, 0 };
	measure("self",
		"{\"acls\":[{\"action\":\"accept\",\"src\":[\"autogroup:member\"],\"dst\":[\"autogroup:self:*\"]}]}",
		&self, false);
	measure("allow all", "", &s, true);
	return 0;
}
