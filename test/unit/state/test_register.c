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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_key_of_a_user_lets_a_machine_in, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
