/* What waits for a person: bounded, fair, kept over a restart, heard at once. */
#include "helper.h"

#define HOST(name) "{\"OS\":\"linux\",\"Hostname\":\"" name "\"}"

static user_id alice, bob;

static int set_up_limits(void **state, struct state_limits l)
{
	struct world *w = malloc(sizeof *w);

	world_init(w);
	w->opts.limits = l;
	world_open(w);
	alice = make_user(w, "alice");
	bob = make_user(w, "bob");
	*state = w;
	return 0;
}

static int set_up(void **state)
{
	return set_up_limits(state, (struct state_limits){ 0 });
}

static int set_up_small(void **state)
{
	return set_up_limits(state, (struct state_limits){ .pending = 10, .pending_per_machine = 2,
							   .pending_per_source = 6 });
}

static int tear_down(void **state)
{
	world_release(*state);
	free(*state);
	return 0;
}

struct verdict {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int calls;
	enum pending_verdict v;
	node_id node;
	user_id user;
};

static void verdict_init(struct verdict *v)
{
	memset(v, 0, sizeof *v);
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->cond, NULL);
}

static void on_verdict(void *arg, enum pending_verdict verdict, struct node *node, struct user *user)
{
	struct verdict *v = arg;

	pthread_mutex_lock(&v->lock);
	v->calls++;
	v->v = verdict;
	v->node = node ? node->id : 0;
	v->user = user ? user->id : 0;
	pthread_cond_signal(&v->cond);
	pthread_mutex_unlock(&v->lock);
}

static enum pending_verdict heard(struct verdict *v)
{
	pthread_mutex_lock(&v->lock);
	while (v->calls == 0)
		pthread_cond_wait(&v->cond, &v->lock);
	assert_int_equal(v->calls, 1);
	pthread_mutex_unlock(&v->lock);
	return v->v;
}

static void begin_from(struct world *w, struct answer *a, unsigned machine, unsigned key, const char *hostinfo,
		       unsigned source)
{
	struct state_register r = register_req(machine, key, "", hostinfo);

	if (source != 0)
		r.source = (struct ip_addr){ IP_V4, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, (uint8_t)(source >> 8),
						      (uint8_t)source } };
	if (CALL(a, state_register, w->st, &r) != ST_OK)
		fail_msg("%s", a->err.text);
	assert_int_equal(a->outcome, REGISTER_LOGIN);
	assert_int_equal(strlen(a->auth_id), AUTH_ID_LEN);
}

static void wait_for(struct world *w, struct verdict *v, const char *auth_id, unsigned machine, unsigned key,
		     uint64_t *token)
{
	struct machine_key m = machine_of(machine);
	struct node_key n = node_key_of(key);
	struct err err;

	verdict_init(v);
	assert_int_equal(state_pending_wait(w->st, auth_id, &m, &n, 0, 0, on_verdict, v, token, &err), ST_OK);
}

static enum status complete(struct world *w, struct answer *a, const char *auth_id, user_id user)
{
	return CALL(a, state_pending_complete, w->st,
		    &(struct state_complete){ .auth_id = auth_id, .user = user, .method = REGISTER_CLI,
					      .expiry_ns = TIME_NONE });
}

static bool is_open(struct world *w, const char *auth_id)
{
	struct answer a = { .came = false };
	bool open = CALL(&a, state_pending_get, w->st, auth_id) == ST_OK && a.pending->verdict == VERDICT_OPEN;

	answer_release(&a);
	return open;
}

static void a_waiting_client_hears_at_once(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false }, b = { .came = false };
	struct verdict v;

	begin_from(w, &a, 1, 1, HOST("a"), 1);
	wait_for(w, &v, a.auth_id, 1, 1, NULL);
	assert_int_equal(complete(w, &b, a.auth_id, alice), ST_OK);
	assert_int_equal(b.node->user, alice);
	assert_int_equal(b.node->method, REGISTER_CLI);
	assert_string_equal(b.node->name, "a");
	assert_int_equal(heard(&v), VERDICT_ACCEPTED);
	assert_int_equal(v.node, b.node->id);
	assert_int_equal(v.user, alice);
	/* One that asks later hears it too, and nothing can be decided twice. */
	wait_for(w, &v, a.auth_id, 1, 1, NULL);
	assert_int_equal(heard(&v), VERDICT_ACCEPTED);
	assert_int_equal(complete(w, &b, a.auth_id, bob), ST_CONFLICT);
	answer_release(&a);
	answer_release(&b);
}

static void only_the_client_that_began_may_wait(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	struct verdict v;

	begin_from(w, &a, 1, 1, HOST("a"), 1);
	wait_for(w, &v, a.auth_id, 2, 1, NULL);
	assert_int_equal(heard(&v), VERDICT_GONE);
	wait_for(w, &v, a.auth_id, 1, 2, NULL);
	assert_int_equal(heard(&v), VERDICT_GONE);
	wait_for(w, &v, AUTH_ID_PREFIX "000000000000000000000000", 1, 1, NULL);
	assert_int_equal(heard(&v), VERDICT_GONE);
	assert_true(is_open(w, a.auth_id));
	answer_release(&a);
}

static void a_waiter_may_leave(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false }, b = { .came = false };
	struct verdict v;
	uint64_t token;

	begin_from(w, &a, 1, 1, HOST("a"), 1);
	wait_for(w, &v, a.auth_id, 1, 1, &token);
	state_pending_cancel(w->st, token);
	assert_int_equal(heard(&v), VERDICT_CANCELLED);
	state_pending_cancel(w->st, token); /* nothing to take off */
	assert_int_equal(complete(w, &b, a.auth_id, alice), ST_OK);
	assert_int_equal(v.calls, 1);
	answer_release(&a);
	answer_release(&b);
}

static void rejection_and_time_are_verdicts_too(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false }, b = { .came = false };
	char first[AUTH_ID_LEN + 1];
	struct verdict v;

	begin_from(w, &a, 1, 1, HOST("a"), 1);
	memcpy(first, a.auth_id, sizeof first);
	wait_for(w, &v, first, 1, 1, NULL);
	assert_int_equal(CALL(&b, state_pending_decide, w->st, NULL, first, true), ST_CONFLICT);
	assert_int_equal(CALL(&b, state_pending_decide, w->st, NULL, first, false), ST_OK);
	assert_int_equal(heard(&v), VERDICT_REJECTED);
	begin_from(w, &a, 1, 1, HOST("a"), 1); /* asking again is another matter */
	assert_string_not_equal(a.auth_id, first);
	wait_for(w, &v, a.auth_id, 1, 1, NULL);
	turn_clock(w, 16 * 60 * NS_PER_S);
	assert_int_equal(heard(&v), VERDICT_GONE);
	assert_int_equal(complete(w, &b, a.auth_id, alice), ST_NOT_FOUND);
	answer_release(&a);
	answer_release(&b);
}

static void asking_again_gives_the_same_id(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false }, b = { .came = false };

	begin_from(w, &a, 1, 1, HOST("a"), 1);
	begin_from(w, &b, 1, 1, HOST("new-name"), 1);
	assert_string_equal(a.auth_id, b.auth_id);
	assert_int_equal(complete(w, &b, a.auth_id, alice), ST_OK);
	assert_string_equal(b.node->hostname, "new-name");
	answer_release(&a);
	answer_release(&b);
}

static void it_is_kept_over_a_restart(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false }, b = { .came = false };
	struct verdict v;

	begin_from(w, &a, 1, 1, HOST("a"), 1);
	wait_for(w, &v, a.auth_id, 1, 1, NULL);
	world_close(w);
	assert_int_equal(heard(&v), VERDICT_CANCELLED);
	world_open(w);
	wait_for(w, &v, a.auth_id, 1, 1, NULL);
	assert_int_equal(complete(w, &b, a.auth_id, alice), ST_OK);
	assert_int_equal(heard(&v), VERDICT_ACCEPTED);
	answer_release(&a);
	answer_release(&b);
}

static void a_flood_pushes_out_its_own(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	char honest[3][AUTH_ID_LEN + 1], last[AUTH_ID_LEN + 1];
	struct state_stats st;

	for (unsigned i = 0; i < 3; i++) {
		begin_from(w, &a, 100 + i, 100 + i, HOST("h"), 10 + i);
		memcpy(honest[i], a.auth_id, sizeof honest[i]);
	}
	for (unsigned i = 0; i < 200; i++) {
		begin_from(w, &a, 200 + i, 200 + i, HOST("x"), 77); /* one address, many machines */
		memcpy(last, a.auth_id, sizeof last);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_true(is_open(w, honest[i]));
	assert_true(is_open(w, last));
	for (unsigned i = 0; i < 50; i++)
		begin_from(w, &a, 7, 500 + i, HOST("y"), 78); /* one machine, many keys */
	for (unsigned i = 0; i < 3; i++)
		assert_true(is_open(w, honest[i]));
	state_stats(w->st, &st);
	assert_true(st.pending <= 10);
	assert_true(st.pending_evicted >= 194 + 48);
	answer_release(&a);
}

static void tags_are_asked_of_the_policy(void **state)
{
	static const char tagged[] = "{\"Hostname\":\"a\",\"RequestTags\":[\"tag:a\"]}";
	struct world *w = *state;
	struct answer a = { .came = false }, b = { .came = false };

	assert_int_equal(CALL(&b, state_policy_set, w->st, NULL, BYTES_LIT("{\"tagOwners\":{\"tag:a\":[\"alice@\"]}}")),
			 ST_OK);
	begin_from(w, &a, 1, 1, tagged, 1);
	assert_int_equal(complete(w, &b, a.auth_id, bob), ST_DENIED);
	assert_string_equal(b.err.text, "requested tags [tag:a] are invalid or not permitted");
	assert_int_equal(complete(w, &b, a.auth_id, alice), ST_OK);
	assert_int_equal(b.node->user, 0);
	assert_string_equal(b.node->tags->v[0], "tag:a");
	/* A new login without tags gives the node back to a person. */
	begin_from(w, &a, 1, 2, HOST("a"), 1);
	assert_int_equal(complete(w, &b, a.auth_id, bob), ST_OK);
	assert_int_equal(b.node->user, bob);
	assert_null(b.node->tags);
	answer_release(&a);
	answer_release(&b);
}

static void a_login_of_another_user_is_another_node(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false }, b = { .came = false };

	begin_from(w, &a, 1, 1, HOST("a"), 1);
	assert_int_equal(complete(w, &b, a.auth_id, alice), ST_OK);
	begin_from(w, &a, 1, 2, HOST("a"), 1);
	assert_int_equal(complete(w, &b, a.auth_id, bob), ST_OK);
	assert_int_equal(b.node->id, 2);
	begin_from(w, &a, 1, 3, HOST("a"), 1);
	assert_int_equal(complete(w, &b, a.auth_id, alice), ST_OK);
	assert_int_equal(b.node->id, 1);
	begin_from(w, &a, 1, 4, HOST("a"), 1);
	assert_int_equal(complete(w, &b, a.auth_id, 999), ST_NOT_FOUND);
	assert_int_equal(complete(w, &b, "nonsense", alice), ST_BAD_INPUT);
	assert_non_null(strstr(b.err.text, "invalid prefix"));
	answer_release(&a);
	answer_release(&b);
}

static void the_third_login_of_a_machine_pushes_out_its_first(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	char id[3][AUTH_ID_LEN + 1];

	for (unsigned i = 0; i < 3; i++) { /* two are allowed */
		begin_from(w, &a, 1, 1 + i, HOST("a"), 10 + i);
		memcpy(id[i], a.auth_id, sizeof id[i]);
		w->clock.unix_ns++; /* so that one is the oldest */
	}
	assert_false(is_open(w, id[0]));
	assert_true(is_open(w, id[1]));
	assert_true(is_open(w, id[2]));
	answer_release(&a);
}

static void a_network_of_ipv6_is_one_source(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false };
	char id[7][AUTH_ID_LEN + 1];

	for (unsigned i = 0; i < 7; i++) { /* six of a source are allowed */
		struct state_register r = register_req(1 + i, 1 + i, "", HOST("a"));

		r.source = (struct ip_addr){ IP_V6, { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, (uint8_t)i } };
		assert_int_equal(CALL(&a, state_register, w->st, &r), ST_OK);
		memcpy(id[i], a.auth_id, sizeof id[i]);
		w->clock.unix_ns++;
	}
	assert_false(is_open(w, id[0]));
	for (unsigned i = 1; i < 7; i++)
		assert_true(is_open(w, id[i]));
	answer_release(&a);
}

static void a_link_is_over_at_its_time(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false }, b = { .came = false };

	begin_from(w, &a, 1, 1, HOST("a"), 1);
	w->clock.unix_ns += 15 * 60 * NS_PER_S; /* and nobody has told the writer that time went by */
	assert_int_equal(complete(w, &b, a.auth_id, alice), ST_NOT_FOUND);
	answer_release(&a);
	answer_release(&b);
}

static void a_tag_of_the_node_may_give_it_another(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false }, b = { .came = false };

	assert_int_equal(CALL(&b, state_policy_set, w->st, NULL,
			      BYTES_LIT("{\"tagOwners\":{\"tag:a\":[\"alice@\"],\"tag:b\":[\"tag:a\"]}}")), ST_OK);
	begin_from(w, &a, 1, 1, "{\"Hostname\":\"a\",\"RequestTags\":[\"tag:a\"]}", 1);
	assert_int_equal(complete(w, &b, a.auth_id, alice), ST_OK);
	begin_from(w, &a, 1, 2, "{\"Hostname\":\"a\",\"RequestTags\":[\"tag:b\"]}", 1);
	assert_int_equal(complete(w, &b, a.auth_id, bob), ST_OK);
	assert_string_equal(b.node->tags->v[0], "tag:b");
	/* Not on a machine that has no such tag. */
	begin_from(w, &a, 2, 3, "{\"Hostname\":\"b\",\"RequestTags\":[\"tag:b\"]}", 1);
	assert_int_equal(complete(w, &b, a.auth_id, bob), ST_DENIED);
	answer_release(&a);
	answer_release(&b);
}

static void whose_machine_it_is_is_not_guessed(void **state)
{
	static const char *const tags[] = { "tag:a" };
	struct world *w = *state;
	struct answer a = { .came = false }, b = { .came = false };
	char key[KEY_SECRET_TEXT_MAX];
	struct state_register r;

	assert_int_equal(CALL(&b, state_policy_set, w->st, NULL, BYTES_LIT("{\"tagOwners\":{\"tag:a\":[\"alice@\"]}}")),
			 ST_OK);
	make_preauth(w, (struct state_preauth_new){ .user = alice, .tags = tags, .n_tags = 1 }, key);
	begin_from(w, &a, 1, 1, HOST("a"), 1);
	assert_int_equal(complete(w, &b, a.auth_id, bob), ST_OK);
	r = register_req(1, 2, key, HOST("a")); /* beside bob's node a tagged one */
	assert_int_equal(CALL(&b, state_register, w->st, &r), ST_OK);
	assert_int_equal(b.node->id, 2);
	begin_from(w, &a, 1, 3, HOST("a"), 1);
	assert_int_equal(complete(w, &b, a.auth_id, alice), ST_CONFLICT);
	assert_string_equal(b.err.text, "machine key maps to ambiguous node ownership");
	assert_int_equal(complete(w, &b, a.auth_id, bob), ST_OK);
	assert_int_equal(b.node->id, 1);
	answer_release(&a);
	answer_release(&b);
}

/* ---- SSH ---- */

static enum status ssh(struct world *w, struct answer *a, node_id src, node_id dst, int64_t period, bool any,
		       const char *id)
{
	return CALL(a, state_ssh_check, w->st,
		    &(struct state_ssh_check){ .src = src, .dst = dst, .period_ns = period, .any_destination = any,
					       .auth_id = id });
}

static void an_ssh_approval_counts_for_its_pair_and_its_time(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false }, b = { .came = false };
	char id[AUTH_ID_LEN + 1];

	for (unsigned i = 1; i <= 3; i++) {
		begin_from(w, &a, i, i, HOST("a"), 1);
		assert_int_equal(complete(w, &b, a.auth_id, alice), ST_OK);
	}
	assert_int_equal(ssh(w, &a, 1, 2, 100 * NS_PER_S, false, NULL), ST_OK);
	assert_int_equal(a.ssh, SSH_HOLD);
	memcpy(id, a.auth_id, sizeof id);
	assert_int_equal(ssh(w, &a, 1, 2, 100 * NS_PER_S, false, id), ST_OK);
	assert_int_equal(a.ssh, SSH_HOLD);
	assert_string_equal(a.auth_id, id);
	assert_int_equal(ssh(w, &a, 3, 2, 100 * NS_PER_S, false, id), ST_DENIED); /* bound to its pair */
	assert_int_equal(complete(w, &b, id, alice), ST_CONFLICT);               /* no login */
	assert_int_equal(CALL(&b, state_pending_decide, w->st, NULL, id, true), ST_OK);
	assert_int_equal(ssh(w, &a, 1, 2, 100 * NS_PER_S, false, id), ST_OK);
	assert_int_equal(a.ssh, SSH_ACCEPT);
	assert_int_equal(ssh(w, &a, 1, 2, 100 * NS_PER_S, false, NULL), ST_OK);
	assert_int_equal(a.ssh, SSH_ACCEPT);
	assert_int_equal(ssh(w, &a, 1, 2, 0, false, NULL), ST_OK); /* "always" asks each time */
	assert_int_equal(a.ssh, SSH_HOLD);
	assert_int_equal(ssh(w, &a, 2, 1, 100 * NS_PER_S, false, NULL), ST_OK);
	assert_int_equal(a.ssh, SSH_HOLD);
	world_close(w); /* remembered */
	world_open(w);
	assert_int_equal(ssh(w, &a, 1, 2, 100 * NS_PER_S, false, NULL), ST_OK);
	assert_int_equal(a.ssh, SSH_ACCEPT);
	turn_clock(w, 101 * NS_PER_S);
	assert_int_equal(ssh(w, &a, 1, 2, 100 * NS_PER_S, false, NULL), ST_OK);
	assert_int_equal(a.ssh, SSH_HOLD);
	assert_int_equal(CALL(&b, state_pending_decide, w->st, NULL, a.auth_id, false), ST_OK);
	memcpy(id, a.auth_id, sizeof id);
	assert_int_equal(ssh(w, &a, 1, 2, 100 * NS_PER_S, false, id), ST_OK);
	assert_int_equal(a.ssh, SSH_REJECT);
	answer_release(&a);
	answer_release(&b);
}

static void an_approval_for_any_destination_and_a_new_policy(void **state)
{
	struct world *w = *state;
	struct answer a = { .came = false }, b = { .came = false };

	for (unsigned i = 1; i <= 3; i++) {
		begin_from(w, &a, i, i, HOST("a"), 1);
		assert_int_equal(complete(w, &b, a.auth_id, alice), ST_OK);
	}
	assert_int_equal(ssh(w, &a, 1, 2, 100 * NS_PER_S, true, NULL), ST_OK);
	assert_int_equal(CALL(&b, state_pending_decide, w->st, NULL, a.auth_id, true), ST_OK);
	assert_int_equal(ssh(w, &a, 1, 3, 100 * NS_PER_S, true, NULL), ST_OK);
	assert_int_equal(a.ssh, SSH_ACCEPT);
	assert_int_equal(ssh(w, &a, 1, 3, 100 * NS_PER_S, false, NULL), ST_OK);
	assert_int_equal(a.ssh, SSH_HOLD);
	assert_int_equal(CALL(&b, state_policy_set, w->st, NULL, BYTES_LIT("{\"acls\":[]}")), ST_OK);
	assert_int_equal(ssh(w, &a, 1, 3, 100 * NS_PER_S, true, NULL), ST_OK);
	assert_int_equal(a.ssh, SSH_HOLD);
	answer_release(&a);
	answer_release(&b);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_waiting_client_hears_at_once),
		T(only_the_client_that_began_may_wait),
		T(a_waiter_may_leave),
		T(rejection_and_time_are_verdicts_too),
		T(asking_again_gives_the_same_id),
		T(it_is_kept_over_a_restart),
		cmocka_unit_test_setup_teardown(a_flood_pushes_out_its_own, set_up_small, tear_down),
		cmocka_unit_test_setup_teardown(the_third_login_of_a_machine_pushes_out_its_first, set_up_small, tear_down),
		cmocka_unit_test_setup_teardown(a_network_of_ipv6_is_one_source, set_up_small, tear_down),
		T(a_link_is_over_at_its_time),
		T(a_tag_of_the_node_may_give_it_another),
		T(whose_machine_it_is_is_not_guessed),
		T(tags_are_asked_of_the_policy),
		T(a_login_of_another_user_is_another_node),
		T(an_ssh_approval_counts_for_its_pair_and_its_time),
		T(an_approval_for_any_destination_and_a_new_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
