/* What outlives the server's process: orderly ends, and kill -9 in the middle of everything. */
#include "protocol/harness.h"

#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"

static void reconnect(struct node *n)
{
	node_disconnect(n);
	node_stream(n);
	until(netmap_has_first(n->map) || n->ended);
	if (n->ended)
		fail_msg("%s is not known any more: %d %s", n->id.hostname, n->end_http, n->end_text);
}

static char *own_addresses(const struct node *n)
{
	return strdup(json_object_to_json_string(json_object_object_get(netmap_self(n->map), "Addresses")));
}

static void kill_and_restart_keeps(int sig, const char *prefix)
{
	struct node *n[4];
	char name[32], *addresses[4], *now;
	int64_t ids[4];

	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "%s-%d", prefix, i);
		n[i] = node_up(name);
		ids[i] = node_id(n[i]);
		addresses[i] = own_addresses(n[i]);
	}
	world_kill(sig);
	for (int i = 0; i < 4; i++)
		until(n[i]->gone);
	world_run();
	for (int i = 0; i < 4; i++) {
		reconnect(n[i]);
		now = own_addresses(n[i]);
		assert_int_equal(node_id(n[i]), ids[i]);
		assert_string_equal(now, addresses[i]);
		free(now);
		free(addresses[i]);
	}
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 4; k++)
			until(i == k || (sees(n[i], n[k]) && sees_online(n[i], n[k]) == 1));
	n[0]->endpoint = "192.0.2.123:5";
	node_lite(n[0]);
	for (int i = 1; i < 4; i++)
		until(strcmp(sees_endpoint(n[i], n[0]), "192.0.2.123:5") == 0);
}

static void an_orderly_restart_keeps_nodes_and_addresses(void **state)
{
	(void)state;
	kill_and_restart_keeps(SIGTERM, "term");
}

static void kill_9_keeps_nodes_and_addresses(void **state)
{
	(void)state;
	kill_and_restart_keeps(SIGKILL, "kill");
}

/* Few streams end at once: while they are ended nobody accepts, and a client that is refused is slow to come back. */
static void an_orderly_end_does_not_wait_for_open_streams(void **state)
{
	struct node *n[20];
	char name[32];
	int64_t begin;

	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "end-%d", i);
		n[i] = node_up(name);
	}
	begin = clock_mono_ns();
	world_kill(SIGTERM); /* it ends with status 0 */
	assert_true(clock_mono_ns() - begin < 3 * NS_PER_S);
	for (int i = 0; i < 20; i++)
		until(n[i]->gone);
	world_run();
}

/* Every registration that was answered is there after kill -9, with the address that was told. */
static void what_was_answered_survives_a_kill_in_the_middle(void **state)
{
	enum { N = 40 };
	static struct answer got[N];
	struct node *n[N];
	char name[32];
	unsigned answered = 0;

	(void)state;
	memset(got, 0, sizeof got);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "mid-%d", i);
		n[i] = node_new(name);
		node_connect(n[i]);
	}
	for (int i = 0; i < N; i++) {
		struct ctl_register_opts o = { .auth_key = w.key };
		struct buf body;

		buf_init(&body, 65536);
		ctl_register_body(&n[i]->id, &o, &body);
		assert_non_null(ctl_request(n[i]->client, "POST", "/machine/register", buf_bytes(&body), answer_take, &got[i]));
		buf_release(&body);
	}
	while (answered < N / 4) {
		loop_turn(w.loop, 1);
		answered = 0;
		for (int i = 0; i < N; i++)
			answered += got[i].done;
	}
	world_kill(SIGKILL);
	for (int i = 0; i < N; i++)
		until(n[i]->gone);
	world_run();
	for (int i = 0; i < N; i++)
		if (got[i].done && got[i].s == ST_OK && got[i].status == 200 && strstr(got[i].body, "\"Error\":\"\""))
			reconnect(n[i]);
}

/* A daemon that restarts registers again with the key it has, without a new login. */
static void a_known_node_registers_again_without_a_key(void **state)
{
	struct node *a = node_up("again");
	struct ctl_register_opts o = { 0 };
	struct ctl_registered r;
	int64_t id = node_id(a);

	(void)state;
	node_disconnect(a);
	r = node_try_register(a, &o);
	assert_int_equal(r.status, 200);
	assert_string_equal(r.error, "");
	assert_string_equal(r.auth_url, "");
	node_stream(a);
	until(netmap_has_first(a->map));
	assert_int_equal(node_id(a), id);
}

static void a_new_node_key_of_the_same_machine_is_the_same_node(void **state)
{
	struct node *a = node_up("rotate"), *b = node_up("rotate-peer");
	struct node_key old = a->id.node_public;
	struct ctl_register_opts o = { .auth_key = w.key, .old_key = &old };
	struct ctl_registered r;
	int64_t id = node_id(a);

	(void)state;
	until(sees(b, a) != NULL);
	node_private_new(&a->id.node);
	a->id.node_public = node_private_public(&a->id.node);
	r = node_try_register(a, &o);
	assert_string_equal(r.error, "");
	assert_string_equal(r.auth_url, "");
	node_unstream(a);
	node_stream(a);
	until(netmap_has_first(a->map));
	assert_int_equal(node_id(a), id);
	until(sees(b, a) != NULL);
}

static void the_tailnet_keeps_its_name(void **state)
{
	struct node *a = node_up("id-a"), *b = node_up("id-b");
	char id[64];

	(void)state;
	snprintf(id, sizeof id, "%s", json_object_get_string(json_object_object_get(netmap_self(a->map), "StableTailnetID")));
	assert_int_equal(id[0], 'T');
	assert_string_equal(id + strlen(id) - 5, "CNTRL");
	assert_string_equal(json_object_get_string(json_object_object_get(netmap_self(b->map), "StableTailnetID")), id);
	assert_null(json_object_object_get(sees(a, b), "StableTailnetID")); /* a node's own entry has it alone */
	world_kill(SIGTERM);
	world_run();
	reconnect(a);
	assert_string_equal(json_object_get_string(json_object_object_get(netmap_self(a->map), "StableTailnetID")), id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_teardown(f, node_sweep)
		T(an_orderly_restart_keeps_nodes_and_addresses),
		T(kill_9_keeps_nodes_and_addresses),
		T(an_orderly_end_does_not_wait_for_open_streams),
		T(what_was_answered_survives_a_kill_in_the_middle),
		T(a_known_node_registers_again_without_a_key),
		T(a_new_node_key_of_the_same_machine_is_the_same_node),
		T(the_tailnet_keeps_its_name),
	};

	return cmocka_run_group_tests_name("protocol/restart", tests, world_start, world_stop);
}
