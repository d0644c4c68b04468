/* What nodes are told to be wrong with them: while it is so, on streams that stay open, in the form of each client's version. */
#include "protocol/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

#define OLD 116 /* the last capability version before DisplayMessages */

static const char *const routes[] = { "10.9.0.0/24", "0.0.0.0/0", "::/0" };

static const char *line(const struct node *n, const char *id)
{
	const char *text = netmap_message(n->map, id);

	return text ? text : "";
}

/* All of an older client's health as one text; "absent" if it was never told. */
static const char *health(const struct node *n)
{
	struct json_object *v = netmap_part(n->map, "Health");

	return v ? json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : "absent";
}

static struct node *router_up(const char *name, uint16_t version)
{
	struct node *n = node_new(name);

	n->version = version;
	n->routes = routes;
	n->n_routes = 3;
	node_connect(n);
	node_register(n, NULL);
	node_lite(n);
	node_stream(n);
	until(netmap_has_first(n->map));
	return n;
}

static void a_well_node_is_told_nothing(void **state)
{
	struct node *n = node_up("well");

	(void)state;
	assert_null(netmap_part(n->map, "DisplayMessages"));
	assert_null(netmap_part(n->map, "Health"));
	assert_null(netmap_part(n->map, "ClientVersion"));
}

static void routes_are_told_of_until_they_are_approved(void **state)
{
	struct node *n = router_up("router", CTL_VERSION);

	(void)state;
	assert_non_null(strstr(line(n, "routes-not-approved"), "10.9.0.0/24"));
	assert_non_null(netmap_message(n->map, "exit-node-not-approved"));
	assert_null(netmap_part(n->map, "Health"));
	free(cli("nodes approve-routes -i %lld -r 10.9.0.0/24", (long long)node_id(n)));
	until(netmap_message(n->map, "routes-not-approved") == NULL);
	assert_non_null(netmap_message(n->map, "exit-node-not-approved"));
	free(cli("nodes approve-routes -i %lld -r 10.9.0.0/24,0.0.0.0/0", (long long)node_id(n)));
	until(netmap_message(n->map, "exit-node-not-approved") == NULL);
	/* Withdrawn, announced again: approved as it is, there is nothing to tell. */
	n->n_routes = 0;
	node_lite(n);
	n->n_routes = 3;
	node_lite(n);
	hold_for(300, netmap_message(n->map, "routes-not-approved") == NULL);
	/* The approval is taken back. */
	free(cli("nodes approve-routes -i %lld -r ''", (long long)node_id(n)));
	until(netmap_message(n->map, "routes-not-approved") != NULL && netmap_message(n->map, "exit-node-not-approved") != NULL);
	/* It offers nothing any more. */
	n->n_routes = 0;
	node_lite(n);
	until(netmap_message(n->map, "routes-not-approved") == NULL && netmap_message(n->map, "exit-node-not-approved") == NULL);
	assert_non_null(n->stream);
}

static void an_older_client_gets_a_list(void **state)
{
	struct node *n = router_up("old-router", OLD);

	(void)state;
	assert_non_null(strstr(health(n), "10.9.0.0/24"));
	assert_null(netmap_part(n->map, "DisplayMessages"));
	free(cli("nodes approve-routes -i %lld -r 10.9.0.0/24,0.0.0.0/0", (long long)node_id(n)));
	until(strcmp(health(n), "[]") == 0);
	assert_null(netmap_part(n->map, "DisplayMessages"));
}

static void in_seconds(char out[static RFC3339_MAX], int64_t s)
{
	rfc3339_format((clock_unix_ns() / NS_PER_S + s) * NS_PER_S, out);
}

static void the_end_of_a_key_is_told_until_it_is_renewed(void **state)
{
	struct node *n = node_up("expiring");
	char when[RFC3339_MAX];

	(void)state;
	in_seconds(when, 3 * 24 * 3600);
	free(cli("nodes expire -i %lld --expiry %s", (long long)node_id(n), when));
	until(netmap_message(n->map, "key-expires-soon") != NULL);
	assert_non_null(strstr(line(n, "key-expires-soon"), when));
	/* A new stream has it from the beginning. */
	node_unstream(n);
	node_stream(n);
	until(netmap_has_first(n->map));
	assert_non_null(netmap_message(n->map, "key-expires-soon"));
	free(cli("nodes expire -i %lld --disable", (long long)node_id(n)));
	until(netmap_message(n->map, "key-expires-soon") == NULL);
}

static void time_alone_is_enough(void **state)
{
	struct node *n = node_up("in-time"), *m = node_up("in-time-too");
	char when[RFC3339_MAX];
	size_t rebuilds;

	(void)state;
	in_seconds(when, 7 * 24 * 3600 + 4);
	free(cli("nodes expire -i %lld --expiry %s", (long long)node_id(n), when));
	rebuilds = netmap_stats(m->map)->rebuilds;
	assert_null(netmap_message(n->map, "key-expires-soon"));
	until(netmap_message(n->map, "key-expires-soon") != NULL);
	assert_int_equal(netmap_stats(m->map)->rebuilds, rebuilds); /* nobody else hears of it */
}

static void tags_asked_for_without_a_login_are_told_of(void **state)
{
	static const char *const tags[] = { "tag:web" };
	struct node *n = node_up("asks");

	(void)state;
	n->tags = tags;
	n->n_tags = 1;
	node_lite(n);
	until(netmap_message(n->map, "tags-not-given") != NULL);
	assert_non_null(strstr(line(n, "tags-not-given"), "tag:web"));
	assert_null(json_object_object_get(netmap_self(n->map), "Tags"));
	n->n_tags = 0;
	node_lite(n);
	until(netmap_message(n->map, "tags-not-given") == NULL);
}

static void who_asks_for_one_map_is_told_too(void **state)
{
	struct node *n = router_up("once", CTL_VERSION);
	struct ctl_map_opts o = { .plain = true, .routes = routes, .n_routes = 3 };

	(void)state;
	node_unstream(n);
	node_stream_with(n, &o, false);
	until(n->ended);
	assert_int_equal(n->messages, 1);
	assert_non_null(netmap_message(n->map, "routes-not-approved"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_teardown(f, node_sweep)
		T(a_well_node_is_told_nothing),
		T(routes_are_told_of_until_they_are_approved),
		T(an_older_client_gets_a_list),
		T(the_end_of_a_key_is_told_until_it_is_renewed),
		T(time_alone_is_enough),
		T(tags_asked_for_without_a_login_are_told_of),
		T(who_asks_for_one_map_is_told_too),
	};

	return cmocka_run_group_tests_name("protocol/told", tests, world_start, world_stop);
}
