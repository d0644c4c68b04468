/* Who is let in as what: the order of decisions of a RegisterRequest. */
#include "helper.h"

#define HOST(name) "{\"OS\":\"linux\",\"Hostname\":\"" name "\"}"

static int set_up(void **state)
{
	struct world *w = malloc(sizeof *w);

	world_init(w);
	world_open(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	world_release(*state);
	free(*state);
	return 0;
}

static void a_key_of_a_user_lets_a_machine_in(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	char key[KEY_SECRET_TEXT_MAX];
	struct state_register r;
	user_id alice = make_user(w, "alice");

	make_preauth(w, (struct state_preauth_new){ .user = alice, .reusable = true }, key);
	r = register_req(1, 1, key, HOST("Joe's Mac mini"));
	assert_int_equal(CALL(&a, state_register, w->st, &r), ST_OK);
	assert_int_equal(a.outcome, REGISTER_DONE);
	assert_string_equal(a.node->name, "joes-mac-mini");
	assert_string_equal(a.node->hostname, "Joe's Mac mini");
	assert_int_equal(a.node->user, alice);
	assert_string_equal(a.user->name, "alice");
	assert_int_equal(a.node->cap, 130);
	assert_int_equal(a.node->ip4.family, IP_V4);
	assert_int_equal(a.node->ip6.family, IP_V6);
	answer_release(&a);
}


static user_id alice, bob;
static char alice_key[KEY_SECRET_TEXT_MAX], bob_key[KEY_SECRET_TEXT_MAX], tag_key[KEY_SECRET_TEXT_MAX];

#define POLICY                                                                                     \
	"{\"tagOwners\":{\"tag:a\":[\"alice@\"],\"tag:b\":[\"tag:a\"],\"tag:c\":[\"bob@\"]},"          \
	"\"acls\":[{\"action\":\"accept\",\"src\":[\"*\"],\"dst\":[\"*:*\"]}],"                         \
	"\"autoApprovers\":{\"routes\":{\"10.0.0.0/8\":[\"tag:a\"]},\"exitNode\":[\"alice@\"]}}"

static int set_up_people(void **state)
{
	static const char *const tags[] = { "tag:b", "tag:a" };
	struct answer a = { .came = false };
	struct world *w;

	set_up(state);
	w = *state;
	alice = make_user(w, "alice");
	bob = make_user(w, "bob");
	if (CALL(&a, state_policy_set, w->st, NULL, BYTES_LIT(POLICY)) != ST_OK)
		fail_msg("%s", a.err.text);
	answer_release(&a);
	make_preauth(w, (struct state_preauth_new){ .user = alice, .reusable = true }, alice_key);
	make_preauth(w, (struct state_preauth_new){ .user = bob, .reusable = true }, bob_key);
	make_preauth(w, (struct state_preauth_new){ .tags = tags, .n_tags = 2, .reusable = true }, tag_key);
	return 0;
}

static enum status reg(struct world *w, struct answer *a, unsigned machine, unsigned key, const char *auth,
		       const char *hostinfo)
{
	struct state_register r = register_req(machine, key, auth, hostinfo);

	return CALL(a, state_register, w->st, &r);
}

static struct node *joined(struct world *w, struct answer *a, unsigned machine, unsigned key, const char *auth,
			   const char *hostinfo)
{
	if (reg(w, a, machine, key, auth, hostinfo) != ST_OK)
		fail_msg("%s", a->err.text);
	assert_int_equal(a->outcome, REGISTER_DONE);
	return a->node;
}

static void a_restart_needs_no_key_and_changes_nothing(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	uint64_t seq;
	node_id id;

	id = joined(w, &a, 1, 1, alice_key, HOST("a"))->id;
	seq = a.seq;
	assert_int_equal(joined(w, &a, 1, 1, "", HOST("a"))->id, id);
	assert_int_equal(a.seq, seq);
	/* Nor does it matter that the key it still sends is spent, unknown or wrong. */
	assert_int_equal(joined(w, &a, 1, 1, "hskey-auth-nonsense", HOST("a"))->id, id);
	assert_int_equal(a.seq, seq);
	answer_release(&a);
}

static void a_node_key_belongs_to_one_machine(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };

	joined(w, &a, 1, 1, alice_key, HOST("a"));
	assert_int_equal(reg(w, &a, 2, 1, alice_key, HOST("b")), ST_CONFLICT);
	assert_string_equal(a.err.text, "node key already in use by another machine");
	assert_int_equal(reg(w, &a, 2, 1, "", HOST("b")), ST_CONFLICT);
	assert_string_equal(a.err.text, "node exists with a different machine key");
	answer_release(&a);
}

static void a_login_with_a_new_key_keeps_the_node(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	struct ip_addr ip;
	node_id id;

	id = joined(w, &a, 1, 1, alice_key, HOST("a"))->id;
	ip = a.node->ip4;
	joined(w, &a, 1, 2, alice_key, HOST("a2"));
	assert_int_equal(a.node->id, id);
	assert_true(ip_eq(&a.node->ip4, &ip));
	assert_string_equal(a.node->name, "a2"); /* derived names follow */
	/* The old key is nobody's now; another machine may even have it. */
	assert_int_not_equal(joined(w, &a, 2, 1, alice_key, HOST("b"))->id, id);
	answer_release(&a);
}

static void the_same_machine_of_two_users_is_two_nodes(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	node_id first = joined(w, &a, 1, 1, alice_key, HOST("a"))->id;
	struct snapshot *s;
	const struct node *both[4];
	struct machine_key m = machine_of(1);

	assert_int_not_equal(joined(w, &a, 1, 2, bob_key, HOST("a"))->id, first);
	assert_int_equal(a.node->user, bob);
	assert_string_equal(a.node->name, "a-1");
	s = state_snapshot(w->st);
	assert_int_equal(snapshot_nodes_by_machine(s, &m, both, 4), 2);
	snapshot_unref(&s);
	answer_release(&a);
}

static void a_one_use_key_is_used_once(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	char key[KEY_SECRET_TEXT_MAX];

	make_preauth(w, (struct state_preauth_new){ .user = alice }, key);
	joined(w, &a, 1, 1, key, HOST("a"));
	assert_int_equal(reg(w, &a, 2, 2, key, HOST("b")), ST_DENIED);
	assert_string_equal(a.err.text, "authkey already used");
	/* The same client with a fresh node key is no exception; with its own key it needs none. */
	assert_int_equal(reg(w, &a, 1, 3, key, HOST("a")), ST_DENIED);
	joined(w, &a, 1, 1, key, HOST("a"));
	answer_release(&a);
}

static void bad_keys_are_refused_with_a_reason(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	char key[KEY_SECRET_TEXT_MAX], wrong[KEY_SECRET_TEXT_MAX];

	assert_int_equal(reg(w, &a, 1, 1, "no key at all", HOST("a")), ST_DENIED);
	assert_string_equal(a.err.text, "invalid pre auth key");
	memcpy(wrong, alice_key, sizeof wrong);
	wrong[40] = wrong[40] == 'a' ? 'b' : 'a';
	assert_int_equal(reg(w, &a, 1, 1, wrong, HOST("a")), ST_DENIED);
	assert_string_equal(a.err.text, "invalid pre auth key");
	make_preauth(w, (struct state_preauth_new){ .user = alice, .expires_ns = w->clock.unix_ns + 5 * NS_PER_S }, key);
	turn_clock(w, 6 * NS_PER_S);
	assert_int_equal(reg(w, &a, 1, 1, key, HOST("a")), ST_DENIED);
	assert_string_equal(a.err.text, "authkey expired");
	make_preauth(w, (struct state_preauth_new){ .user = alice }, key);
	assert_int_equal(CALL(&a, state_preauth_revoke, w->st, NULL, 5), ST_OK);
	assert_int_equal(reg(w, &a, 1, 1, key, HOST("a")), ST_DENIED);
	assert_string_equal(a.err.text, "authkey revoked");
	answer_release(&a);
}

static void a_tagged_key_makes_a_tagged_node(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };

	joined(w, &a, 1, 1, tag_key, HOST("a"));
	assert_int_equal(a.node->user, 0);
	assert_null(a.user);
	assert_int_equal(a.node->tags->n, 2);
	assert_string_equal(a.node->tags->v[0], "tag:a");
	assert_true(a.node->key_expiry_ns == TIME_NONE);
	/* A key of a user later changes neither tags nor owner. */
	joined(w, &a, 1, 2, alice_key, HOST("a"));
	assert_int_equal(a.node->tags->n, 2);
	assert_int_equal(a.node->user, 0);
	/* A tagged key makes a user's node tagged, even with the node key it has. */
	joined(w, &a, 2, 3, alice_key, HOST("b"));
	assert_int_equal(a.node->user, alice);
	joined(w, &a, 2, 3, tag_key, HOST("b"));
	assert_int_equal(a.node->user, 0);
	assert_int_equal(a.node->tags->n, 2);
	answer_release(&a);
}

static void tags_cannot_be_asked_for_beyond_the_key(void **state)
{
	static const char with[] = "{\"Hostname\":\"a\",\"RequestTags\":[\"tag:c\"]}";
	struct world *w = *state;
	struct answer a = { .came = false };

	assert_int_equal(reg(w, &a, 1, 1, alice_key, with), ST_DENIED);
	assert_string_equal(a.err.text, "requested tags [tag:c] are invalid or not permitted");
	assert_int_equal(reg(w, &a, 1, 1, tag_key, with), ST_DENIED);
	joined(w, &a, 1, 1, tag_key, "{\"Hostname\":\"a\",\"RequestTags\":[\"tag:a\"]}");
	answer_release(&a);
}

static void logging_out_expires_and_a_new_login_revives(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	struct state_register r;
	node_id id = joined(w, &a, 1, 1, alice_key, HOST("a"))->id;

	r = register_req(1, 1, alice_key, HOST("a")); /* a key may be there: it is a logout all the same */
	r.expiry_ns = 123 * NS_PER_S;
	assert_int_equal(CALL(&a, state_register, w->st, &r), ST_OK);
	assert_int_equal(a.outcome, REGISTER_LOGGED_OUT);
	assert_true(a.node->expired);
	assert_true(a.node->key_expiry_ns == w->clock.unix_ns); /* not 1970 */
	assert_int_equal(reg(w, &a, 1, 1, "", HOST("a")), ST_OK);
	assert_int_equal(a.outcome, REGISTER_KEY_EXPIRED);
	joined(w, &a, 1, 2, alice_key, HOST("a"));
	assert_int_equal(a.node->id, id);
	assert_false(a.node->expired);
	r = register_req(9, 9, "", HOST("x")); /* nobody we know */
	r.expiry_ns = 123 * NS_PER_S;
	assert_int_equal(CALL(&a, state_register, w->st, &r), ST_OK);
	assert_int_equal(a.outcome, REGISTER_LOGGED_OUT);
	answer_release(&a);
}

static void an_ephemeral_node_goes_when_it_logs_out(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	char key[KEY_SECRET_TEXT_MAX];
	struct state_register r;
	struct snapshot *s;

	make_preauth(w, (struct state_preauth_new){ .user = alice, .reusable = true, .ephemeral = true }, key);
	joined(w, &a, 1, 1, key, HOST("a"));
	assert_true(a.node->ephemeral);
	r = register_req(1, 1, "", HOST("a"));
	r.expiry_ns = 123 * NS_PER_S;
	assert_int_equal(CALL(&a, state_register, w->st, &r), ST_OK);
	assert_int_equal(a.outcome, REGISTER_LOGGED_OUT);
	s = state_snapshot(w->st);
	assert_int_equal(s->n_nodes, 0);
	snapshot_unref(&s);
	answer_release(&a);
}

static void a_client_may_shorten_its_key_but_not_extend_it(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	int64_t now = w->clock.unix_ns;
	struct state_register r;

	joined(w, &a, 1, 1, alice_key, HOST("a"));
	r = register_req(1, 1, "", HOST("a"));
	r.expiry_ns = now + 100 * NS_PER_S;
	assert_int_equal(CALL(&a, state_register, w->st, &r), ST_OK);
	assert_true(a.node->key_expiry_ns == r.expiry_ns);
	r.expiry_ns = now + 200 * NS_PER_S;
	assert_int_equal(CALL(&a, state_register, w->st, &r), ST_DENIED);
	assert_string_equal(a.err.text, "extending key is not allowed");
	r.expiry_ns = now + 100 * NS_PER_S; /* as it is */
	assert_int_equal(CALL(&a, state_register, w->st, &r), ST_OK);
	r.expiry_ns = now; /* over this very moment: a logout */
	assert_int_equal(CALL(&a, state_register, w->st, &r), ST_OK);
	assert_int_equal(a.outcome, REGISTER_LOGGED_OUT);
	answer_release(&a);
}

static void an_auth_key_ends_at_its_time(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	char key[KEY_SECRET_TEXT_MAX];

	make_preauth(w, (struct state_preauth_new){ .user = alice, .reusable = true,
						    .expires_ns = w->clock.unix_ns + 100 * NS_PER_S }, key);
	turn_clock(w, 99 * NS_PER_S);
	joined(w, &a, 1, 1, key, HOST("a"));
	turn_clock(w, NS_PER_S);
	assert_int_equal(reg(w, &a, 2, 2, key, HOST("b")), ST_DENIED);
	assert_string_equal(a.err.text, "authkey expired");
	answer_release(&a);
}

static void a_tagged_node_in_order_spends_no_key(void **state)
{
	static const char *const tags[] = { "tag:a" };
	struct world *w = *state;
	struct answer a = { .came = false };
	char once[KEY_SECRET_TEXT_MAX];
	node_id id;

	make_preauth(w, (struct state_preauth_new){ .tags = tags, .n_tags = 1 }, once);
	id = joined(w, &a, 1, 1, tag_key, HOST("a"))->id;
	assert_int_equal(joined(w, &a, 1, 1, once, HOST("a"))->id, id);
	joined(w, &a, 2, 2, once, HOST("b"));
	assert_int_equal(reg(w, &a, 3, 3, once, HOST("c")), ST_DENIED);
	answer_release(&a);
}

static void a_login_is_when_it_was_seen(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };

	joined(w, &a, 1, 1, alice_key, HOST("a"));
	turn_clock(w, 50 * NS_PER_S);
	assert_true(joined(w, &a, 1, 2, alice_key, HOST("a"))->last_seen_ns == w->clock.unix_ns);
	answer_release(&a);
}

static void a_machine_may_have_more_users_than_are_looked_at(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	char key[KEY_SECRET_TEXT_MAX], name[16];
	node_id last = 0;

	for (unsigned i = 0; i < 70; i++) {
		snprintf(name, sizeof name, "user%u", i);
		make_preauth(w, (struct state_preauth_new){ .user = make_user(w, name), .reusable = true }, key);
		assert_true(joined(w, &a, 1, 1 + i, key, HOST("a"))->id > last);
		last = a.node->id;
	}
	answer_release(&a);
}

static void keys_of_users_nodes_live_as_long_as_configured(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	struct tailnet_settings *set = tailnet_settings_new();

	set->prefix4 = w->settings->prefix4;
	set->key_lifetime_ns = 50 * NS_PER_S;
	assert_int_equal(CALL(&a, state_set_world, w->st, &(struct state_world){ .settings = set }), ST_OK);
	tailnet_settings_unref(&set);
	joined(w, &a, 1, 1, alice_key, HOST("a"));
	assert_true(a.node->key_expiry_ns == w->clock.unix_ns + 50 * NS_PER_S);
	assert_int_equal(a.node->ip6.family, IP_NONE); /* that family is not given any more */
	joined(w, &a, 2, 2, tag_key, HOST("b"));
	assert_true(a.node->key_expiry_ns == TIME_NONE);
	answer_release(&a);
}

static void names_are_unique_and_addresses_too(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	struct snapshot *s;

	for (unsigned i = 1; i <= 40; i++) {
		char want[16];

		joined(w, &a, i, i, i % 2 ? alice_key : bob_key, HOST("Same"));
		snprintf(want, sizeof want, i == 1 ? "same" : "same-%u", i - 1);
		assert_string_equal(a.node->name, want);
	}
	assert_int_equal(CALL(&a, state_node_delete, w->st, NULL, 6), ST_OK);
	joined(w, &a, 50, 50, bob_key, HOST("same"));
	assert_string_equal(a.node->name, "same-5"); /* the first that is free */
	s = state_snapshot(w->st);
	assert_null(snapshot_check(s));
	snapshot_unref(&s);
	answer_release(&a);
}

static void routes_are_approved_by_the_policy_at_once(void **state)
{
	static const char routes[] = "{\"Hostname\":\"r\",\"RoutableIPs\":[\"10.1.0.0/16\",\"192.168.0.0/24\",\"0.0.0.0/0\",\"::/0\"]}";
	struct world *w = *state;
	struct answer a = { .came = false };
	struct snapshot *s;
	struct ip_prefix p;

	joined(w, &a, 1, 1, tag_key, routes);
	assert_int_equal(a.node->announced_routes->n, 4);
	assert_int_equal(a.node->approved_routes->n, 1);
	assert_int_equal(a.node->approved_routes->v[0].bits, 16);
	p = a.node->approved_routes->v[0];
	joined(w, &a, 2, 2, alice_key, routes);
	assert_int_equal(a.node->approved_routes->n, 2); /* both exit routes, no subnet */
	assert_int_equal(CALL(&a, state_stream_opened, w->st, 1, NULL), ST_OK);
	s = state_snapshot(w->st);
	assert_int_equal(snapshot_primary(s, &p), 1);
	snapshot_unref(&s);
	answer_release(&a);
}

static void a_full_prefix_refuses_and_spends_nothing(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	struct tailnet_settings *set = tailnet_settings_new();
	char key[KEY_SECRET_TEXT_MAX];

	assert_int_equal(ip_prefix_parse(BYTES_LIT("10.0.0.0/30"), &set->prefix4), ST_OK);
	assert_int_equal(CALL(&a, state_set_world, w->st, &(struct state_world){ .settings = set }), ST_OK);
	tailnet_settings_unref(&set);
	joined(w, &a, 1, 1, alice_key, HOST("a"));
	joined(w, &a, 2, 2, alice_key, HOST("b"));
	make_preauth(w, (struct state_preauth_new){ .user = alice }, key);
	assert_int_equal(reg(w, &a, 3, 3, key, HOST("c")), ST_TOO_BIG);
	assert_non_null(strstr(a.err.text, "failed to allocate IP"));
	assert_int_equal(CALL(&a, state_node_delete, w->st, NULL, 1), ST_OK);
	joined(w, &a, 3, 3, key, HOST("c")); /* the one-use key was not spent */
	answer_release(&a);
}

static void a_request_without_keys_is_refused_at_once(void **state)
{
	struct world *w = *state;
	struct state_register r = register_req(1, 1, "", HOST("a"));
	struct err err = { "" };

	memset(&r.node_key, 0, sizeof r.node_key);
	assert_int_equal(state_register(w->st, &r, NULL, NULL, &err), ST_BAD_INPUT);
	r = register_req(1, 1, "", "{\"Hostname\":");
	assert_int_equal(state_register(w->st, &r, NULL, NULL, &err), ST_BAD_INPUT);
}

int main(void)
{
#define P(t) cmocka_unit_test_setup_teardown(t, set_up_people, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_key_of_a_user_lets_a_machine_in, set_up, tear_down),
		P(a_restart_needs_no_key_and_changes_nothing),
		P(a_node_key_belongs_to_one_machine),
		P(a_login_with_a_new_key_keeps_the_node),
		P(the_same_machine_of_two_users_is_two_nodes),
		P(a_one_use_key_is_used_once),
		P(bad_keys_are_refused_with_a_reason),
		P(a_tagged_key_makes_a_tagged_node),
		P(tags_cannot_be_asked_for_beyond_the_key),
		P(logging_out_expires_and_a_new_login_revives),
		P(an_ephemeral_node_goes_when_it_logs_out),
		P(a_client_may_shorten_its_key_but_not_extend_it),
		P(an_auth_key_ends_at_its_time),
		P(a_tagged_node_in_order_spends_no_key),
		P(a_login_is_when_it_was_seen),
		P(a_machine_may_have_more_users_than_are_looked_at),
		P(keys_of_users_nodes_live_as_long_as_configured),
		P(names_are_unique_and_addresses_too),
		P(routes_are_approved_by_the_policy_at_once),
		P(a_full_prefix_refuses_and_spends_nothing),
		P(a_request_without_keys_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
