/* Streams, endpoints, routers, expiry, ephemeral nodes: what is published, when, and as what. */
#include <sched.h>

#include "helper.h"

#include "policy/engine.h"

#define HOST(name) "{\"OS\":\"linux\",\"Hostname\":\"" name "\"}"
#define ROUTER(name) "{\"OS\":\"linux\",\"Hostname\":\"" name "\",\"RoutableIPs\":[\"10.1.0.0/16\"]}"

static char key[KEY_SECRET_TEXT_MAX];
static struct ip_prefix route;

static int set_up(void **state)
{
	struct world *w = malloc(sizeof *w);

	world_init(w);
	world_open(w);
	make_preauth(w, (struct state_preauth_new){ .user = make_user(w, "alice"), .reusable = true }, key);
	assert_int_equal(ip_prefix_parse(BYTES_LIT("10.1.0.0/16"), &route), ST_OK);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	world_release(*state);
	free(*state);
	return 0;
}

static node_id join(struct world *w, unsigned i, const char *hostinfo)
{
	struct answer a = { .came = false };
	struct state_register r = register_req(i, i, key, hostinfo);
	node_id id;

	if (CALL(&a, state_register, w->st, &r) != ST_OK)
		fail_msg("%s", a.err.text);
	id = a.node->id;
	answer_release(&a);
	return id;
}

static void open_stream(struct world *w, node_id id)
{
	struct answer a = { .came = false };

	assert_int_equal(CALL(&a, state_stream_opened, w->st, id, NULL), ST_OK);
	answer_release(&a);
}

/* A command that changes nothing: when it is answered, all that was sent before has been dealt with. */
static void barrier(struct world *w)
{
	struct answer a = { .came = false };

	assert_int_equal(CALL(&a, state_preauth_list, w->st), ST_OK);
	answer_release(&a);
}

static void close_stream(struct world *w, node_id id)
{
	state_stream_closed(w->st, id);
	barrier(w);
}

static enum status update(struct world *w, struct answer *a, struct state_map_update u)
{
	return CALL(a, state_map_update, w->st, &u);
}

static struct endpoint endpoint(uint8_t last, uint16_t port)
{
	return (struct endpoint){ { IP_V4, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, last } }, port, 1 };
}

/* The one change of the last publication. */
/* A snapshot can be seen a moment before its publication is told: it is waited for. */
static struct node_change last_change(struct world *w)
{
	struct node_change c = { 0 };

	pthread_mutex_lock(&w->lock);
	while (w->pubs.n == 0) {
		pthread_mutex_unlock(&w->lock);
		sched_yield();
		pthread_mutex_lock(&w->lock);
	}
	if (w->pubs.v[w->pubs.n - 1]->n_nodes > 0)
		c = w->pubs.v[w->pubs.n - 1]->nodes[0];
	pthread_mutex_unlock(&w->lock);
	return c;
}

static size_t publications(struct world *w)
{
	size_t n;

	pthread_mutex_lock(&w->lock);
	n = w->pubs.n;
	pthread_mutex_unlock(&w->lock);
	return n;
}

static bool online(struct world *w, node_id id)
{
	struct snapshot *s = state_snapshot(w->st);
	const struct node *n = snapshot_node(s, id);
	bool yes = n != NULL && n->online;

	snapshot_unref(&s);
	return yes;
}

static node_id primary(struct world *w)
{
	struct snapshot *s = state_snapshot(w->st);
	node_id id = snapshot_primary(s, &route);

	snapshot_unref(&s);
	return id;
}

static void new_endpoints_are_presence_and_hostinfo_is_more(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	node_id id = join(w, 1, HOST("a"));
	struct endpoint e[] = { endpoint(1, 41641), endpoint(2, 0),
				{ { IP_V6, { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } }, 9, 1 } };
	size_t before;

	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .has_endpoints = true, .endpoints = e,
								  .n_endpoints = 3 }),
			 ST_OK);
	assert_int_equal(last_change(w).kind, CHANGE_PRESENCE);
	assert_int_equal(last_change(w).id, id);
	assert_int_equal(a.node->endpoints->n, 1); /* no port, and link-local: of no use to peers */
	before = publications(w);
	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .has_endpoints = true, .endpoints = e,
								  .n_endpoints = 3 }),
			 ST_OK);
	assert_int_equal(publications(w), before); /* nothing new is not news */
	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .hostinfo = BYTES_LIT(
									  "{\"OS\":\"linux\",\"Hostname\":\"a\","
									  "\"NetInfo\":{\"PreferredDERP\":3}}") }),
			 ST_OK);
	assert_int_equal(a.node->home_derp, 3);
	assert_int_equal(last_change(w).kind, CHANGE_PRESENCE);
	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .hostinfo = BYTES_LIT(
									  "{\"OS\":\"linux\",\"Hostname\":\"a\","
									  "\"OSVersion\":\"6.1\"}") }),
			 ST_OK);
	assert_int_equal(a.node->home_derp, 3); /* no NetInfo: the old one stays */
	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .hostinfo = BYTES_LIT(
									  "{\"OS\":\"linux\",\"Hostname\":\"a\","
									  "\"OSVersion\":\"6.1\",\"NetInfo\":{\"PreferredDERP\":0}}") }),
			 ST_OK);
	assert_int_equal(a.node->home_derp, 3); /* 0: it does not know */
	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .hostinfo = BYTES_LIT(
									  "{\"OS\":\"linux\",\"Hostname\":\"a\","
									  "\"OSVersion\":\"6.1\",\"NetInfo\":{\"PreferredDERP\":3}}") }),
			 ST_OK);
	assert_non_null(strstr((const char *)a.node->hostinfo->data, "PreferredDERP"));
	assert_int_equal(last_change(w).id, 0); /* nothing that a peer could see */
	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .hostinfo = BYTES_LIT(
									  "{\"OS\":\"macOS\",\"Hostname\":\"a\"}") }),
			 ST_OK);
	assert_int_equal(last_change(w).kind, CHANGE_WHOLE);
	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .disco = { { 9 } } }), ST_OK);
	assert_int_equal(last_change(w).kind, CHANGE_WHOLE);
	assert_int_equal(update(w, &a, (struct state_map_update){ .node = 99 }), ST_NOT_FOUND);
	answer_release(&a);
}

static void a_new_host_name_goes_the_durable_way(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	node_id id = join(w, 1, HOST("a"));

	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .hostinfo = BYTES_LIT(HOST("b")) }), ST_OK);
	assert_string_equal(a.node->name, "b");
	assert_int_equal(CALL(&a, state_node_rename, w->st, NULL, id, "Chosen"), ST_OK);
	assert_string_equal(a.node->name, "chosen");
	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .hostinfo = BYTES_LIT(HOST("c")) }), ST_OK);
	assert_string_equal(a.node->hostname, "c");
	assert_string_equal(a.node->name, "chosen"); /* what somebody chose stays */
	world_close(w);
	world_open(w);
	WAIT_FOR(w, s, strcmp(snapshot_node(s, id)->hostname, "c") == 0);
	answer_release(&a);
}

static void online_is_right_over_several_streams(void **state)
{
	struct world *w = *state;
	node_id id = join(w, 1, HOST("a"));

	assert_false(online(w, id));
	open_stream(w, id);
	assert_true(online(w, id));
	assert_int_equal(last_change(w).kind, CHANGE_PRESENCE);
	open_stream(w, id);
	close_stream(w, id);
	turn_clock(w, 100 * NS_PER_S);
	barrier(w);
	assert_true(online(w, id)); /* one is left */
	close_stream(w, id);
	assert_true(online(w, id)); /* the grace */
	turn_clock(w, 9 * NS_PER_S);
	barrier(w);
	open_stream(w, id);
	turn_clock(w, 100 * NS_PER_S);
	barrier(w);
	assert_true(online(w, id)); /* it came back in time */
	close_stream(w, id);
	turn_clock(w, 11 * NS_PER_S);
	WAIT_FOR(w, s, !snapshot_node(s, id)->online);
	WAIT_FOR(w, s, snapshot_node(s, id)->last_seen_ns == w->clock.unix_ns);
	close_stream(w, id); /* one too many is forgiven */
	open_stream(w, id);
	assert_true(online(w, id));
}

static void a_stream_is_believed_only_while_nothing_is_known(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	node_id id = join(w, 1, HOST("a"));
	struct endpoint e1 = endpoint(1, 1), e2 = endpoint(2, 2);
	struct state_map_update u = { .node = id, .cap = 130, .has_endpoints = true, .endpoints = &e1,
				      .n_endpoints = 1 };

	assert_int_equal(CALL(&a, state_stream_opened, w->st, id, &u), ST_OK);
	assert_int_equal(a.node->endpoints->v[0].port, 1);
	u.endpoints = &e2;
	assert_int_equal(CALL(&a, state_stream_opened, w->st, id, &u), ST_OK);
	assert_int_equal(a.node->endpoints->v[0].port, 1); /* an update may have overtaken it */
	u.cap = 60;
	assert_int_equal(CALL(&a, state_stream_opened, w->st, id, &u), ST_OK);
	assert_int_equal(a.node->endpoints->v[0].port, 2); /* old clients have no other way */
	answer_release(&a);
}

static void a_restart_leaves_nodes_online_for_a_lease(void **state)
{
	struct world *w = *state;
	node_id id = join(w, 1, HOST("a")), other = join(w, 2, HOST("b"));

	open_stream(w, id);
	open_stream(w, other);
	world_close(w);
	world_open(w);
	assert_true(online(w, id));
	open_stream(w, id);
	assert_int_equal(publications(w), 0); /* it was online, and is */
	turn_clock(w, 31 * NS_PER_S);
	WAIT_FOR(w, s, !snapshot_node(s, other)->online);
	assert_true(online(w, id));
}

static void presence_is_written_behind(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	node_id id = join(w, 1, HOST("a"));
	unsigned writes = fake_disk_writes(w->disk);

	for (uint16_t i = 1; i <= 100; i++) {
		struct endpoint e = endpoint(1, i);

		assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .has_endpoints = true,
									  .endpoints = &e, .n_endpoints = 1 }),
				 ST_OK);
	}
	assert_int_equal(fake_disk_writes(w->disk), writes);
	turn_clock(w, 11 * NS_PER_S);
	while (fake_disk_writes(w->disk) < writes + 3) /* begin, one row, commit */
		;
	assert_int_equal(fake_disk_writes(w->disk), writes + 3);
	world_close(w);
	world_open(w);
	WAIT_FOR(w, s, snapshot_node(s, id)->endpoints->v[0].port == 100);
	answer_release(&a);
}

static void keys_expire_by_themselves(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	node_id id = join(w, 1, HOST("a"));

	assert_int_equal(CALL(&a, state_node_expire, w->st, NULL, id, w->clock.unix_ns + 60 * NS_PER_S), ST_OK);
	assert_false(a.node->expired);
	drop_pubs(w);
	turn_clock(w, 61 * NS_PER_S);
	WAIT_FOR(w, s, snapshot_node(s, id)->expired);
	assert_int_equal(last_change(w).kind, CHANGE_WHOLE);
	assert_int_equal(CALL(&a, state_node_expire, w->st, NULL, id, TIME_NONE), ST_OK);
	assert_false(a.node->expired);
	assert_int_equal(CALL(&a, state_node_expire, w->st, NULL, id, STATE_NOW), ST_OK);
	assert_true(a.node->expired);
	world_close(w);
	world_open(w);
	WAIT_FOR(w, s, snapshot_node(s, id)->expired);
	answer_release(&a);
}

static void ephemeral_nodes_go_when_they_are_away(void **state)
{
	struct world *w = *state;
	char ekey[KEY_SECRET_TEXT_MAX];
	node_id id, never;

	make_preauth(w, (struct state_preauth_new){ .user = 1, .reusable = true, .ephemeral = true }, ekey);
	memcpy(key, ekey, sizeof key);
	id = join(w, 1, HOST("a"));
	never = join(w, 2, HOST("b"));
	open_stream(w, id);
	turn_clock(w, 29 * 60 * NS_PER_S);
	barrier(w);
	turn_clock(w, 2 * 60 * NS_PER_S);
	WAIT_FOR(w, s, snapshot_node(s, never) == NULL); /* it never came */
	assert_true(online(w, id));
	close_stream(w, id);
	turn_clock(w, 11 * NS_PER_S);
	WAIT_FOR(w, s, !snapshot_node(s, id)->online);
	turn_clock(w, 20 * 60 * NS_PER_S);
	barrier(w);
	world_close(w); /* the clock starts anew with the server */
	world_open(w);
	turn_clock(w, 20 * 60 * NS_PER_S);
	barrier(w);
	assert_int_equal(primary(w), 0);
	WAIT_FOR(w, s, snapshot_node(s, id) != NULL);
	turn_clock(w, 11 * 60 * NS_PER_S);
	WAIT_FOR(w, s, s->n_nodes == 0);
}

static void approve(struct world *w, node_id id)
{
	struct answer a = { .came = false };

	assert_int_equal(CALL(&a, state_node_set_routes, w->st, NULL, id, &route, 1), ST_OK);
	answer_release(&a);
}

static void a_route_moves_at_once_and_offline_follows(void **state)
{
	struct world *w = *state;
	node_id a = join(w, 1, ROUTER("a")), b = join(w, 2, ROUTER("b"));

	approve(w, a);
	approve(w, b);
	assert_int_equal(primary(w), a); /* nobody is there: the first */
	open_stream(w, b);
	assert_int_equal(primary(w), b);
	open_stream(w, a);
	assert_int_equal(primary(w), b); /* no fail-back */
	drop_pubs(w);
	close_stream(w, b);
	assert_int_equal(primary(w), a);
	assert_true(online(w, b));
	pthread_mutex_lock(&w->lock);
	assert_int_equal(w->pubs.n, 1);
	assert_true(w->pubs.v[0]->world & WORLD_ROUTES);
	assert_int_equal(w->pubs.v[0]->n_nodes, 2);
	assert_int_equal(w->pubs.v[0]->nodes[0].kind, CHANGE_WHOLE);
	assert_int_equal(w->pubs.v[0]->nodes[1].kind, CHANGE_WHOLE);
	pthread_mutex_unlock(&w->lock);
	turn_clock(w, 11 * NS_PER_S);
	WAIT_FOR(w, s, !snapshot_node(s, b)->online);
	/* The last one keeps it through the grace, in case it comes back. */
	close_stream(w, a);
	assert_int_equal(primary(w), a);
	open_stream(w, a);
	turn_clock(w, 11 * NS_PER_S);
	barrier(w);
	assert_int_equal(primary(w), a);
	close_stream(w, a);
	turn_clock(w, 11 * NS_PER_S);
	WAIT_FOR(w, s, !snapshot_node(s, a)->online);
	assert_int_equal(primary(w), a); /* nobody else is there */
}

static void a_hanging_router_is_relieved(void **state)
{
	struct world *w = *state;
	node_id a = join(w, 1, ROUTER("a")), b = join(w, 2, ROUTER("b"));

	approve(w, a);
	approve(w, b);
	open_stream(w, a);
	open_stream(w, b);
	assert_int_equal(primary(w), a);
	state_router_health(w->st, a, true);
	barrier(w);
	assert_int_equal(primary(w), b);
	state_router_health(w->st, a, false);
	barrier(w);
	assert_int_equal(primary(w), b);
}

/* The new connection is there before the old one is known to be dead: nothing happened to its routes. */
static void a_router_that_connects_again_keeps_its_routes(void **state)
{
	struct world *w = *state;
	node_id a = join(w, 1, ROUTER("a")), b = join(w, 2, ROUTER("b"));

	approve(w, a);
	approve(w, b);
	open_stream(w, a);
	open_stream(w, b);
	open_stream(w, a);
	close_stream(w, a);
	assert_int_equal(primary(w), a);
	turn_clock(w, 100 * NS_PER_S);
	barrier(w);
	assert_int_equal(primary(w), a);
}

static void a_router_that_returns_first_takes_over_at_once(void **state)
{
	struct world *w = *state;
	node_id a = join(w, 1, ROUTER("a")), b = join(w, 2, ROUTER("b"));

	approve(w, a);
	approve(w, b);
	open_stream(w, a);
	open_stream(w, b);
	close_stream(w, b);
	close_stream(w, a);
	assert_int_equal(primary(w), a); /* nobody else is there */
	open_stream(w, b);
	assert_int_equal(primary(w), b); /* not only when a's grace is over */
}

static void a_new_stream_clears_what_a_probe_found(void **state)
{
	struct world *w = *state;
	node_id a = join(w, 1, ROUTER("a")), b = join(w, 2, ROUTER("b"));

	approve(w, a);
	approve(w, b);
	open_stream(w, a);
	open_stream(w, b);
	state_router_health(w->st, a, true);
	barrier(w);
	assert_int_equal(primary(w), b);
	open_stream(w, a);
	close_stream(w, a);
	state_router_health(w->st, b, true);
	barrier(w);
	assert_int_equal(primary(w), a);
}

static void the_end_of_a_lease_moves_routes_and_is_not_when_it_was_seen(void **state)
{
	struct world *w = *state;
	node_id a = join(w, 1, ROUTER("a")), b = join(w, 2, ROUTER("b"));
	int64_t joined_ns = w->clock.unix_ns;

	approve(w, a);
	approve(w, b);
	open_stream(w, a);
	open_stream(w, b);
	turn_clock(w, 5 * NS_PER_S);
	world_close(w);
	world_open(w);
	open_stream(w, b);
	turn_clock(w, 31 * NS_PER_S);
	WAIT_FOR(w, s, !snapshot_node(s, a)->online);
	barrier(w);
	assert_int_equal(primary(w), b);
	WAIT_FOR(w, s, snapshot_node(s, a)->last_seen_ns <= joined_ns + 5 * NS_PER_S);
}

static void an_expiry_that_moves_counts_as_it_is_last(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	node_id early = join(w, 1, HOST("a")), late = join(w, 2, HOST("b"));
	int64_t now = w->clock.unix_ns;

	assert_int_equal(CALL(&a, state_node_expire, w->st, NULL, early, now + 1000 * NS_PER_S), ST_OK);
	assert_int_equal(CALL(&a, state_node_expire, w->st, NULL, early, now + 60 * NS_PER_S), ST_OK);
	assert_int_equal(CALL(&a, state_node_expire, w->st, NULL, late, now + 30 * NS_PER_S), ST_OK);
	assert_int_equal(CALL(&a, state_node_expire, w->st, NULL, late, now + 1000 * NS_PER_S), ST_OK);
	turn_clock(w, 61 * NS_PER_S);
	WAIT_FOR(w, s, snapshot_node(s, early)->expired);
	WAIT_FOR(w, s, !snapshot_node(s, late)->expired);
	turn_clock(w, 1000 * NS_PER_S);
	WAIT_FOR(w, s, snapshot_node(s, late)->expired);
	answer_release(&a);
}

static bool there(struct world *w, node_id id)
{
	struct snapshot *s;
	bool yes;

	barrier(w);
	barrier(w); /* a removal is a command that the first one may have overtaken */
	s = state_snapshot(w->st);
	yes = snapshot_node(s, id) != NULL;
	snapshot_unref(&s);
	return yes;
}

static void each_absence_of_an_ephemeral_node_counts_by_itself(void **state)
{
	struct world *w = *state;
	node_id id;

	make_preauth(w, (struct state_preauth_new){ .user = 1, .reusable = true, .ephemeral = true }, key);
	id = join(w, 1, HOST("a"));
	for (int i = 0; i < 3; i++) {
		open_stream(w, id);
		close_stream(w, id);
		turn_clock(w, 11 * NS_PER_S);
		WAIT_FOR(w, s, !snapshot_node(s, id)->online);
		turn_clock(w, 20 * 60 * NS_PER_S);
		assert_true(there(w, id));
	}
	turn_clock(w, 11 * 60 * NS_PER_S);
	WAIT_FOR(w, s, s->n_nodes == 0);
}

static void routes_that_are_no_longer_announced_are_not_served(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	node_id id = join(w, 1, ROUTER("a"));
	struct ip_prefix got[2];
	struct snapshot *s;

	approve(w, id);
	open_stream(w, id);
	s = state_snapshot(w->st);
	assert_int_equal(snapshot_primaries_of(s, id, got, 2), 1);
	snapshot_unref(&s);
	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .hostinfo = BYTES_LIT(HOST("a")) }), ST_OK);
	assert_int_equal(primary(w), 0);
	assert_int_equal(a.node->approved_routes->n, 1); /* approval stays */
	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .hostinfo = BYTES_LIT(ROUTER("a")) }),
			 ST_OK);
	assert_int_equal(primary(w), id);
	answer_release(&a);
}

/* Two updates behind each other while the disk is slow: the last word counts. */
static void facts_overtake_nothing(void **state)
{
	struct world *w = *state;
	node_id id = join(w, 1, HOST("a"));
	struct answer a = { .came = false };
	struct err err;

	fake_disk_slow(w->disk, 20000);
	for (int i = 0; i < 6; i++) {
		struct state_map_update u = { .node = id,
					      .hostinfo = i % 2 ? BYTES_LIT(HOST("a")) : BYTES_LIT(ROUTER("a")) };

		assert_int_equal(state_map_update(w->st, &u, NULL, NULL, &err), ST_OK);
	}
	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id }), ST_OK);
	assert_int_equal(CALL(&a, state_node_expire, w->st, NULL, id, TIME_NONE), ST_OK); /* behind them all */
	assert_null(a.node->announced_routes);
	answer_release(&a);
}

static void classes_follow_the_policy(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	node_id id = join(w, 1, HOST("a")), other;
	struct snapshot *s;
	size_t n_pubs;

	other = join(w, 2, HOST("b"));
	assert_int_equal(CALL(&a, state_policy_set, w->st, NULL,
			      BYTES_LIT("{\"tagOwners\":{\"tag:x\":[\"alice@\"]},\"grants\":[{\"src\":[\"alice@\"],"
					"\"dst\":[\"tag:x\"],\"ip\":[\"*\"]}]}")),
			 ST_OK);
	pthread_mutex_lock(&w->lock);
	n_pubs = w->pubs.n;
	assert_true(w->pubs.v[n_pubs - 1]->world & WORLD_POLICY);
	pthread_mutex_unlock(&w->lock);
	s = state_snapshot(w->st);
	assert_int_equal(snapshot_slot(s, id, NULL)->class_id, policy_class_of(s->policy, id));
	assert_int_equal(snapshot_slot(s, id, NULL)->class_id, snapshot_slot(s, other, NULL)->class_id);
	snapshot_unref(&s);
	assert_int_equal(CALL(&a, state_node_set_tags, w->st, NULL, id, &(const char *){ "tag:x" }, 1), ST_OK);
	assert_int_equal(last_change(w).kind, CHANGE_WHOLE);
	assert_int_not_equal(last_change(w).old_class, last_change(w).new_class);
	s = state_snapshot(w->st);
	assert_int_equal(snapshot_slot(s, id, NULL)->class_id, policy_class_of(s->policy, id));
	assert_true(policy_class_sees(s->policy, snapshot_slot(s, id, NULL)->class_id,
				      snapshot_slot(s, other, NULL)->class_id));
	snapshot_unref(&s);
	assert_int_equal(CALL(&a, state_node_set_tags, w->st, NULL, id, &(const char *){ "tag:unknown" }, 1), ST_DENIED);
	/* A refused policy changes nothing. */
	n_pubs = publications(w);
	assert_int_equal(CALL(&a, state_policy_set, w->st, NULL, BYTES_LIT("{\"acls\":")), ST_BAD_INPUT);
	assert_int_equal(CALL(&a, state_policy_set, w->st, NULL,
			      BYTES_LIT("{\"acls\":[],\"tests\":[{\"src\":\"alice@\",\"accept\":[\"100.64.0.1:22\"]}]}")),
			 ST_DENIED);
	assert_int_equal(publications(w), n_pubs);
	assert_int_equal(CALL(&a, state_policy_get, w->st), ST_OK);
	assert_non_null(strstr(a.text, "tag:x"));
	answer_release(&a);
}

#define ASKS(tags) "{\"OS\":\"linux\",\"Hostname\":\"a\",\"RequestTags\":[" tags "]}"

static void set_policy(struct world *w, const char *text)
{
	struct answer a = { .came = false };
	struct state_actor by = { .who = "test" };

	if (CALL(&a, state_policy_set, w->st, &by, bytes_of_str(text)) != ST_OK)
		fail_msg("%s", a.err.text);
	answer_release(&a);
}

static void expect_tags(struct world *w, node_id id, const char *hostinfo, const char *tags)
{
	struct answer a = { .came = false };
	struct snapshot *s;
	const struct node *n;
	char got[256] = "";

	assert_int_equal(update(w, &a, (struct state_map_update){ .node = id, .hostinfo = bytes_of_str(hostinfo) }), ST_OK);
	answer_release(&a);
	s = state_snapshot(w->st);
	n = snapshot_node(s, id);
	for (uint32_t i = 0; n->tags != NULL && i < n->tags->n; i++)
		snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i > 0 ? " " : "", n->tags->v[i]);
	if (strcmp(got, tags) != 0)
		fail_msg("%s gives \"%s\", not \"%s\"", hostinfo, got, tags);
	snapshot_unref(&s);
}

static void a_tagged_node_takes_tags_that_its_tags_own(void **state)
{
	static const char *const tags[] = { "tag:deploy" };
	struct world *w = *state;
	struct answer a = { .came = false };
	struct state_actor by = { .who = "test" };
	node_id id, owned;

	set_policy(w, "{\"tagOwners\":{\"tag:deploy\":[],\"tag:web\":[\"tag:deploy\"],\"tag:page\":[\"tag:web\"],\"tag:root\":[]},"
		      "\"acls\":[{\"action\":\"accept\",\"src\":[\"*\"],\"dst\":[\"*:*\"]}]}");
	id = join(w, 1, HOST("a"));
	owned = join(w, 2, HOST("b"));
	assert_int_equal(CALL(&a, state_node_set_tags, w->st, &by, id, tags, 1), ST_OK);
	answer_release(&a);
	expect_tags(w, id, ASKS("\"tag:root\""), "tag:deploy");               /* its tag owns it not */
	expect_tags(w, id, ASKS("\"tag:web\",\"tag:root\""), "tag:deploy");   /* nor all of them */
	expect_tags(w, id, ASKS("\"tag:none\""), "tag:deploy");
	expect_tags(w, id, ASKS("\"tag:deploy\",\"tag:web\""), "tag:deploy tag:web");
	expect_tags(w, id, ASKS("\"tag:web\""), "tag:deploy tag:web");        /* fewer of them is no change */
	expect_tags(w, id, ASKS("\"tag:page\""), "tag:page");                 /* by way of another tag */
	expect_tags(w, id, ASKS("\"tag:web\""), "tag:page");                  /* and not back again */
	expect_tags(w, id, ASKS(""), "tag:page");                             /* never none */
	/* What it asks for did not change: what the administrator gives stays. */
	expect_tags(w, id, ASKS("\"tag:page\""), "tag:page");
	assert_int_equal(CALL(&a, state_node_set_tags, w->st, &by, id, tags, 1), ST_OK);
	answer_release(&a);
	expect_tags(w, id, ASKS("\"tag:page\""), "tag:deploy");
	/* A node of a user takes a login for it. */
	expect_tags(w, owned, ASKS("\"tag:web\""), "");
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(new_endpoints_are_presence_and_hostinfo_is_more),
		T(a_tagged_node_takes_tags_that_its_tags_own),
		T(a_new_host_name_goes_the_durable_way),
		T(online_is_right_over_several_streams),
		T(a_stream_is_believed_only_while_nothing_is_known),
		T(a_restart_leaves_nodes_online_for_a_lease),
		T(presence_is_written_behind),
		T(keys_expire_by_themselves),
		T(ephemeral_nodes_go_when_they_are_away),
		T(a_route_moves_at_once_and_offline_follows),
		T(a_hanging_router_is_relieved),
		T(a_router_that_connects_again_keeps_its_routes),
		T(a_router_that_returns_first_takes_over_at_once),
		T(a_new_stream_clears_what_a_probe_found),
		T(the_end_of_a_lease_moves_routes_and_is_not_when_it_was_seen),
		T(an_expiry_that_moves_counts_as_it_is_last),
		T(each_absence_of_an_ephemeral_node_counts_by_itself),
		T(routes_that_are_no_longer_announced_are_not_served),
		T(facts_overtake_nothing),
		T(classes_follow_the_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
