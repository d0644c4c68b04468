/*
 * fuzz/policy_compile.c -- a text as the policy of a small fixed world.
 *
 * It is refused with a message, or everything asked of the engine has an answer, sight is symmetric, and an engine
 * updated with a node's own facts says the same as before; so it does when users were others for a while.
 */
#include <stdlib.h>

#include "policy/engine.h"
#include "policy/explain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NODES = 6 };

static const struct policy_user users[] = { { .id = 1, .email = "a@example.com", .role = POLICY_ROLE_OWNER },
					    { .id = 2, .email = "b@example.com" } };
static const char *const web[] = { "tag:web" };
static const char *const two[] = { "tag:db", "tag:r" };
static const struct ip_prefix lan[] = { { { IP_V4, { [12] = 10, 1 } }, 16 },
					{ { IP_V4, { 0 } }, 0 },
					{ { IP_V6, { 0 } }, 0 } };
static const struct policy_attr attrs[] = { { .name = "node:os", .type = POLICY_ATTR_STRING, .str = "linux" } };

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void make_nodes(struct policy_node *n)
{
	for (unsigned i = 0; i < NODES; i++) {
		n[i] = (struct policy_node){
			.id = i + 1, .registered = i, .user = 1 + i % 2, .created_by = 1, .live = true
		};
		n[i].ip4 = (struct ip_addr){ IP_V4, { [12] = 100, 64, 0, (uint8_t)(i + 1) } };
		n[i].ip6 = (struct ip_addr){ IP_V6, { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, [15] = (uint8_t)(i + 1) } };
	}
	n[2].tags = web;
	n[2].n_tags = 1;
	n[3].tags = n[4].tags = two;
	n[3].n_tags = n[4].n_tags = 2;
	for (unsigned i = 3; i < 5; i++) {
		n[i].advertised = n[i].approved = lan;
		n[i].n_advertised = n[i].n_approved = i == 3 ? 3 : 1;
	}
	n[0].attrs = attrs;
	n[0].n_attrs = 1;
}

static void ask_node(const struct policy_engine *e, node_id id, struct arena *a)
{
	struct buf b;
	struct jw w;
	const struct policy_chunk *c;
	size_t n = policy_filter_chunks(e, id, a, &c);

	buf_init(&b, (size_t)64 << 20);
	jw_init(&w, &b);
	policy_filter_write(e, id, &w);
	policy_ssh_write(e, id, &w);
	policy_self_cap_map(e, id, &w);
	for (size_t i = 0; i < n; i++)
		policy_chunk_write(e, id, &c[i], &w);
	buf_release(&b);
	check(policy_class_of(e, id) < policy_class_count(e));
}

static void ask_pair(const struct policy_engine *e, node_id x, node_id y, struct arena *a)
{
	policy_class cx = policy_class_of(e, x), cy = policy_class_of(e, y);
	struct policy_end from = { .node = x }, to = { .node = y };
	struct policy_explanation why;
	struct policy_peer p;

	check(policy_class_sees(e, cx, cy) == policy_class_sees(e, cy, cx));
	check(policy_peer_get(e, cx, y, a, &p));
	policy_peer_form(e, cx, y);
	policy_ssh_ask(e, x, y, "root");
	policy_explain(e, &from, &to, 22, -1, a, &why);
	check(why.text[0]);
	check(!why.allowed || why.n_steps > 0);
}

static struct policy_engine *there_and_back(const struct policy_engine *e)
{
	static const struct policy_user other = { .id = 1, .email = "b@example.com", .name = "a@example.com" };
	static const user_id gone = 2;
	struct policy_engine *there, *back;

	there = policy_engine_update(
	    e, &(struct policy_delta){ .users = &other, .n_users = 1, .users_removed = &gone, .n_users_removed = 1 });
	back = policy_engine_update(there, &(struct policy_delta){ .users = users, .n_users = 2 });
	policy_engine_unref(&there);
	return back;
}

static void check_same(const struct policy_engine *e, const struct policy_engine *same, node_id id)
{
	static const enum policy_aspect aspect[] = { POLICY_ASPECT_FILTER, POLICY_ASPECT_SSH, POLICY_ASPECT_SELF };

	check(policy_class_of(e, id) == policy_class_of(same, id));
	for (size_t i = 0; i < 3; i++)
		check(policy_digest(e, id, aspect[i]) == policy_digest(same, id, aspect[i]));
}

static void ask_all(struct policy *p)
{
	struct policy_node n[NODES];
	struct policy_world w = { .users = users, .n_users = 2, .nodes = n, .n_nodes = NODES };
	struct policy_engine *e, *same, *back;
	struct arena *a = arena_new();

	make_nodes(n);
	e = policy_engine_new(p, &w);
	same = policy_engine_update(e, &(struct policy_delta){ .changed = n, .n_changed = NODES });
	back = there_and_back(e);
	for (unsigned i = 1; i <= NODES; i++) {
		ask_node(e, i, a);
		check_same(e, same, i);
		check_same(e, back, i);
		for (unsigned k = 1; k <= NODES; k++)
			ask_pair(e, i, k, a);
	}
	(void)!policy_run_tests(e, a, NULL, NULL);
	policy_engine_unref(&e);
	policy_engine_unref(&same);
	policy_engine_unref(&back);
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy_error error = { 0 };
	struct policy *p = NULL;

	if (size > 4096)
		return 0;
	if (policy_parse(bytes_of(data, size), NULL, &p, &error) != ST_OK) {
		check(error.message[0] && error.http_status);
		return 0;
	}
	ask_all(p);
	policy_unref(&p);
	return 0;
}
