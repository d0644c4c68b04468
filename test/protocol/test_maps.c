/* First maps and each kind of change, as nodes hear of them. */
#include "protocol/harness.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"

static const struct netmap_stats *stats(struct node *n)
{
	return netmap_stats(n->map);
}

static void the_first_map_has_what_a_client_needs(void **state)
{
	struct node *a = node_up("first-a"), *b = node_up("first-b");
	struct json_object *self = netmap_self(b->map);

	(void)state;
	assert_non_null(self);
	assert_string_equal(json_object_get_string(json_object_object_get(self, "Name")), "first-b.tail.test.");
	assert_true(json_object_get_boolean(json_object_object_get(self, "MachineAuthorized")));
	assert_non_null(sees(b, a));
	assert_true(netmap_rules(b->map) > 0);
	assert_non_null(netmap_part(b->map, "DERPMap"));
	assert_non_null(netmap_part(b->map, "Domain"));
	/* Rules about the first message are netmap.c's; node_sweep() fails if one was broken. */
	assert_int_equal(netmap_violations(b->map), 0);
	assert_true(ctl_client_was_challenged(b->client));
}

static void a_node_that_joins_is_heard_of_with_its_disco_key(void **state)
{
	struct node *a = node_up("join-a"), *b;

	(void)state;
	b = node_up("join-b");
	until(sees(a, b) != NULL && sees_online(a, b) == 1 && sees_derp(a, b) == 1);
	assert_string_equal(sees_text(a, b, "Name"), "join-b.tail.test.");
	assert_true(strlen(sees_text(a, b, "DiscoKey")) > 64);
}

static void an_endpoint_change_is_a_patch_and_costs_no_rebuild(void **state)
{
	struct node *a = node_up("ep-a"), *b = node_up("ep-b");
	uint64_t rebuilds, whole, patched;

	(void)state;
	until(sees_online(a, b) == 1);
	hold_for(300, a->stream != NULL);
	rebuilds = stats(a)->rebuilds;
	whole = stats(a)->whole;
	patched = stats(a)->patched;
	b->endpoint = "192.0.2.55:41641";
	node_lite(b);
	until(strcmp(sees_endpoint(a, b), "192.0.2.55:41641") == 0);
	assert_int_equal(stats(a)->rebuilds, rebuilds);
	assert_int_equal(stats(a)->whole, whole);
	assert_true(stats(a)->patched > patched);
}

static void a_home_region_is_heard_as_a_patch(void **state)
{
	struct node *a = node_up("derp-a"), *b = node_up("derp-b");
	uint64_t whole;

	(void)state;
	until(sees_derp(a, b) == 1 && sees_online(a, b) == 1);
	hold_for(300, a->stream != NULL);
	whole = stats(a)->whole;
	b->derp = 2;
	node_lite(b);
	until(sees_derp(a, b) == 2);
	assert_int_equal(stats(a)->whole, whole);
}

static void the_same_said_again_tells_nobody(void **state)
{
	struct node *a = node_up("same-a"), *b = node_up("same-b");
	size_t messages;

	(void)state;
	until(sees_online(a, b) == 1);
	b->endpoint = "192.0.2.56:41641";
	node_lite(b);
	until(strcmp(sees_endpoint(a, b), b->endpoint) == 0);
	hold_for(300, a->stream != NULL);
	messages = a->messages;
	node_lite(b);
	hold_for(700, a->messages == messages);
}

static void the_last_of_many_changes_is_what_counts(void **state)
{
	struct node *a = node_up("many-a"), *b = node_up("many-b");
	char text[64];

	(void)state;
	until(sees_online(a, b) == 1);
	for (int i = 1; i <= 50; i++) {
		snprintf(text, sizeof text, "198.51.100.%d:%d", i, 1000 + i);
		b->endpoint = text;
		node_lite(b);
	}
	until(strcmp(sees_endpoint(a, b), "198.51.100.50:1050") == 0);
}

static void a_rename_reaches_the_node_and_its_peers(void **state)
{
	struct node *a = node_up("name-a"), *b = node_up("name-b");

	(void)state;
	until(sees(a, b) != NULL);
	free(cli("nodes rename fresh-name -i %lld", (long long)node_id(b)));
	until(strcmp(sees_text(a, b, "Name"), "fresh-name.tail.test.") == 0);
	until(strcmp(json_object_get_string(json_object_object_get(netmap_self(b->map), "Name")), "fresh-name.tail.test.") == 0);
}

static void a_deleted_node_is_removed_from_its_peers(void **state)
{
	struct node *a = node_up("del-a"), *b = node_up("del-b");
	struct answer r;
	struct buf body;
	struct ctl_map_opts o = { .stream = true };

	(void)state;
	until(sees(a, b) != NULL);
	free(cli("--force nodes delete -i %lld", (long long)node_id(b)));
	until(sees(a, b) == NULL);
	until(b->ended || b->gone);
	buf_init(&body, 65536);
	ctl_map_body(&b->id, &o, &body);
	r = node_ask(b, "POST", "/machine/map", buf_bytes(&body));
	buf_release(&body);
	assert_int_equal(r.status, 404);
	assert_true(r.n > 0);
}

static void an_expired_node_learns_it_and_keeps_its_stream(void **state)
{
	struct node *a = node_up("exp-a"), *b = node_up("exp-b");
	int64_t expiry = TIME_NONE;

	(void)state;
	until(sees(a, b) != NULL);
	free(cli("nodes expire -i %lld", (long long)node_id(b)));
	until(json_get_time(netmap_self(b->map), "KeyExpiry", &expiry, NULL) == ST_OK && expiry != TIME_NONE);
	assert_true(expiry < clock_unix_ns() + NS_PER_S);
	/* It may be revived from here, so the stream stays; peers know from its expiry, its flag, or by its absence. */
	until(!sees(a, b) || sees_text(a, b, "KeyExpiry")[0] || sees_text(a, b, "Expired")[0]);
	hold_for(500, b->stream != NULL);
}

static void a_node_that_goes_is_told_offline_and_online_when_it_returns(void **state)
{
	struct node *a = node_up("on-a"), *b = node_up("on-b");
	uint64_t rebuilds;

	(void)state;
	until(sees_online(a, b) == 1);
	hold_for(300, a->stream != NULL);
	rebuilds = stats(a)->rebuilds;
	node_disconnect(b);
	until(sees_online(a, b) == 0);
	node_stream(b);
	until(sees_online(a, b) == 1);
	assert_int_equal(stats(a)->rebuilds, rebuilds);
}

static void a_quick_reconnect_is_not_told(void **state)
{
	struct node *a = node_up("quick-a"), *b = node_up("quick-b");

	(void)state;
	until(sees_online(a, b) == 1);
	node_disconnect(b);
	node_stream(b);
	until(netmap_has_first(b->map));
	hold_for(3000, sees_online(a, b) == 1);
}

static void two_nodes_of_one_name_get_different_ones(void **state)
{
	struct node *a = node_up("twin"), *b = node_up("twin");

	(void)state;
	until(sees(a, b) != NULL);
	assert_string_not_equal(sees_text(a, b, "Name"), sees_text(b, a, "Name"));
}

static void a_second_stream_ends_the_first(void **state)
{
	struct node *a = node_up("super-a"), *b = node_up("super-b"), *again;

	(void)state;
	until(sees_online(a, b) == 1);
	again = node_new("super-b");
	again->id = b->id;
	node_stream(again);
	until(netmap_has_first(again->map));
	until(b->ended || b->gone);
	assert_int_equal(sees_online(a, b), 1);
	a->endpoint = "192.0.2.77:1";
	node_lite(a);
	until(strcmp(sees_endpoint(again, a), "192.0.2.77:1") == 0);
	hold_for(500, again->stream != NULL && sees_online(a, b) == 1);
}

static void a_lite_update_leaves_the_stream_alone(void **state)
{
	struct node *a = node_up("lite-a");

	(void)state;
	for (int i = 0; i < 20; i++)
		node_lite(a);
	hold_for(500, a->stream != NULL && !a->gone);
}

static void a_one_shot_request_is_one_message_and_an_end(void **state)
{
	struct node *a = node_up("shot-a"), *b = node_new("shot-b");
	struct ctl_map_opts o = { .derp = 1 };

	(void)state;
	node_register(b, NULL);
	node_stream_with(b, &o, false);
	until(b->ended);
	assert_int_equal(b->end_status, ST_OK);
	assert_int_equal(b->end_http, 200);
	assert_int_equal(b->messages, 1);
	assert_non_null(sees(b, a));
	hold_for(300, sees_online(a, b) != 1); /* it was no session */
}

static void a_map_without_zstd_is_plain_json(void **state)
{
	struct node *a = node_up("plain-a"), *b = node_new("plain-b");
	struct ctl_map_opts o = { .stream = true, .plain = true, .derp = 1 };

	(void)state;
	node_register(b, NULL);
	node_stream_with(b, &o, false);
	until(netmap_has_first(b->map));
	assert_non_null(sees(b, a));
	a->endpoint = "192.0.2.99:5";
	node_lite(a);
	until(strcmp(sees_endpoint(b, a), "192.0.2.99:5") == 0);
}

static void nodes_join_and_leave_in_any_order_and_maps_agree(void **state)
{
	struct node *watch = node_up("crowd-watch"), *n[12], *late;
	char name[32];

	(void)state;
	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof name, "crowd-%d", i);
		n[i] = node_up(name);
	}
	for (int i = 0; i < 12; i += 3)
		free(cli("--force nodes delete -i %lld", (long long)node_id(n[i])));
	late = node_up("crowd-late");
	for (int i = 0; i < 12; i++)
		until((sees(watch, n[i]) != NULL) == (i % 3 != 0));
	until(sees(watch, late) != NULL);
	for (int i = 0; i < 12; i++)
		until((sees(late, n[i]) != NULL) == (i % 3 != 0));
	until(netmap_peers(watch->map) == netmap_peers(late->map));
}

/* The node says something new of itself that is long and cannot be compressed: 16 host keys of 2 KiB. */
static void node_loud(struct node *n)
{
	struct ctl_map_opts o = { .omit_peers = true, .derp = 1 };
	struct buf body, out;
	uint8_t rnd[1024];
	char hex[2 * sizeof rnd + 1], *text, *at;
	struct answer a;

	buf_init(&body, 65536);
	ctl_map_body(&n->id, &o, &body);
	text = buf_take(&body, NULL);
	at = strstr(text, "\"OS\":\"linux\"");
	assert_non_null(at);
	buf_init(&out, 131072);
	buf_put(&out, text, (size_t)(at - text));
	buf_put_str(&out, "\"sshHostKeys\":[");
	for (int i = 0; i < 16; i++) {
		random_bytes(rnd, sizeof rnd);
		hex_encode(bytes_of(rnd, sizeof rnd), hex);
		buf_printf(&out, "%s\"ssh-rsa %s\"", i ? "," : "", hex);
	}
	buf_put_str(&out, "],");
	buf_put_str(&out, at);
	a = node_ask(n, "POST", "/machine/map", buf_bytes(&out));
	buf_release(&out);
	free(text);
	assert_int_equal(a.status, 200);
}

/* A node whose stream stands still after the first map: its window is full and never given back. `watch` is another that sees `busy`. */
static struct node *node_stuck(const char *hostname, struct node *busy, struct node *watch)
{
	struct node *n = node_new(hostname);
	struct ctl_map_opts o = { .stream = true, .derp = 1 };
	const uint32_t before = w.server.call_window;
	static char text[64];

	w.server.call_window = 65536;
	node_connect(n);
	w.server.call_window = before;
	node_register(n, NULL);
	node_stream_with(n, &o, true);
	until(netmap_has_first(n->map));
	/* Whole peers with much in them, each told by itself, until it must have fallen behind; then many small changes. */
	for (int i = 0; i < 60; i++) {
		size_t told = watch->messages;

		node_loud(busy);
		until(watch->messages > told);
	}
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "198.51.100.%d:%d", i % 250, 2000 + i);
		busy->endpoint = text;
		node_lite(busy);
	}
	return n;
}

/* Let it read on; if its stream was ended, it comes again as clients do. */
static void unstick(struct node *n)
{
	for (int i = 0; i < 100 && n->stream; i++) {
		ctl_call_consume(n->stream, 65536);
		loop_turn(w.loop, 20);
	}
	if (!n->stream)
		node_stream(n);
	until(netmap_has_first(n->map));
}

static void a_slow_reader_catches_up_or_is_asked_to_come_again(void **state)
{
	struct node *busy = node_up("slow-busy"), *watch = node_up("slow-watch"), *slow = node_stuck("slow-slow", busy, watch);

	(void)state;
	/* The others did not wait for it. */
	until(strcmp(sees_endpoint(watch, busy), busy->endpoint) == 0);
	unstick(slow);
	until(strcmp(sees_endpoint(slow, busy), busy->endpoint) == 0);
	/* What waited for it was bounded: most of it came as one. */
	assert_true(slow->messages + 20 < watch->messages);
}

/* What happened meanwhile comes merged: nothing that was removed may stay, and no name may move within a message. */
static void a_slow_reader_is_told_of_every_removal_and_move(void **state)
{
	struct node *busy = node_up("merge-busy"), *gone = node_up("merge-gone"), *a = node_up("merge-a"), *b = node_up("merge-b");
	struct node *slow = node_stuck("merge-slow", busy, a), *brief, *late;

	(void)state;
	free(cli("nodes rename merge-moved -i %lld", (long long)node_id(b)));
	free(cli("nodes rename merge-b -i %lld", (long long)node_id(a)));
	free(cli("--force nodes delete -i %lld", (long long)node_id(gone)));
	brief = node_up("merge-brief");
	free(cli("--force nodes delete -i %lld", (long long)node_id(brief)));
	late = node_up("merge-gone"); /* takes the name, and may take the address */
	unstick(slow);
	until(sees(slow, late) != NULL);
	until(sees(slow, gone) == NULL && sees(slow, brief) == NULL);
	until(strcmp(sees_text(slow, a, "Name"), "merge-b.tail.test.") == 0);
	until(strcmp(sees_text(slow, b, "Name"), "merge-moved.tail.test.") == 0);
	assert_string_equal(sees_text(slow, late, "Name"), "merge-gone.tail.test.");
	until(netmap_peers(slow->map) == netmap_peers(late->map));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_teardown(f, node_sweep)
		/* First, while no node of another test goes offline: nothing but its own reading may help the slow one. */
		T(a_slow_reader_catches_up_or_is_asked_to_come_again),
		T(the_first_map_has_what_a_client_needs),
		T(a_node_that_joins_is_heard_of_with_its_disco_key),
		T(an_endpoint_change_is_a_patch_and_costs_no_rebuild),
		T(a_home_region_is_heard_as_a_patch),
		T(the_same_said_again_tells_nobody),
		T(the_last_of_many_changes_is_what_counts),
		T(a_rename_reaches_the_node_and_its_peers),
		T(a_deleted_node_is_removed_from_its_peers),
		T(an_expired_node_learns_it_and_keeps_its_stream),
		T(a_node_that_goes_is_told_offline_and_online_when_it_returns),
		T(a_quick_reconnect_is_not_told),
		T(two_nodes_of_one_name_get_different_ones),
		T(a_second_stream_ends_the_first),
		T(a_lite_update_leaves_the_stream_alone),
		T(a_one_shot_request_is_one_message_and_an_end),
		T(a_map_without_zstd_is_plain_json),
		T(nodes_join_and_leave_in_any_order_and_maps_agree),
		T(a_slow_reader_is_told_of_every_removal_and_move),
	};

	return cmocka_run_group_tests_name("protocol/maps", tests, world_start, world_stop);
}
