/* The networks of addresses do not change under nodes that have some. */
#include "helper.h"

static char key[KEY_SECRET_TEXT_MAX];

static int set_up(void **state)
{
	struct world *w = malloc(sizeof *w);

	world_init(w);
	world_open(w);
	make_preauth(w, (struct state_preauth_new){ .user = make_user(w, "alice"), .reusable = true }, key);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	world_release(*state);
	free(*state);
	return 0;
}

static void join(struct world *w, unsigned i)
{
	struct state_register r = register_req(i, i, key, "{\"Hostname\":\"n\"}");
	struct answer a = { .came = false };

	if (CALL(&a, state_register, w->st, &r) != ST_OK)
		fail_msg("%s", a.err.text);
	answer_release(&a);
}

/* Close, and start with these networks ("" for none). */
static enum status again(struct world *w, const char *v4, const char *v6, struct err *err)
{
	struct tailnet_settings *s = tailnet_settings_new();
	enum status got;

	if (v4[0] != '\0')
		assert_int_equal(ip_prefix_parse(bytes_of_str(v4), &s->prefix4), ST_OK);
	if (v6[0] != '\0')
		assert_int_equal(ip_prefix_parse(bytes_of_str(v6), &s->prefix6), ST_OK);
	world_close(w);
	tailnet_settings_unref(&w->settings);
	w->settings = w->opts.settings = s;
	assert_int_equal(store_open_fake(w->disk, &w->opts.store, err), ST_OK);
	err->text[0] = '\0';
	got = state_open(&w->opts, &w->st, err);
	if (got != ST_OK)
		assert_null(w->st);
	return got;
}

static void backfill(struct world *w)
{
	struct answer a = { .came = false };

	assert_int_equal(CALL(&a, state_backfill_ips, w->st, NULL), ST_OK);
	answer_release(&a);
}

static const char *address(struct world *w, bool v6)
{
	static char text[IP_TEXT_MAX];
	struct snapshot *s = state_snapshot(w->st);
	const struct node *n = snapshot_node(s, 1);

	text[0] = '\0';
	if ((v6 ? n->ip6 : n->ip4).family != IP_NONE)
		ip_format(v6 ? &n->ip6 : &n->ip4, text);
	snapshot_unref(&s);
	return text;
}

#define V4 "100.64.0.0/10"
#define V6 "fd7a:115c:a1e0::/48"

static void other_networks_are_refused_in_words(void **state)
{
	struct world *w = *state;
	struct err err;

	join(w, 1);
	assert_int_equal(again(w, "10.0.0.0/8", V6, &err), ST_CONFLICT);
	for (size_t i = 0; i < 4; i++) {
		static const char *const parts[] = { "prefixes.v4 is 10.0.0.0/8 now", "1 node has its address of 100.64.0.0/10", "node 1 \"n\": 100.64.0.",
						     "backfillips" };

		if (strstr(err.text, parts[i]) == NULL)
			fail_msg("%s", err.text);
	}
	assert_int_equal(again(w, V4, "fd00::/48", &err), ST_CONFLICT);
	assert_non_null(strstr(err.text, "prefixes.v6 is fd00::/48 now"));
	/* Smaller, and it is outside. */
	assert_int_equal(again(w, "100.127.0.0/16", V6, &err), ST_CONFLICT);
	/* Set back, nothing has happened. */
	assert_int_equal(again(w, V4, V6, &err), ST_OK);
	assert_memory_equal(address(w, false), "100.64.", 7);
}

static void what_still_holds_all_addresses_is_fine(void **state)
{
	struct world *w = *state;
	struct err err;

	join(w, 1);
	assert_int_equal(again(w, "100.64.0.0/16", V6, &err), ST_OK);
	assert_int_equal(again(w, V4, V6, &err), ST_OK);
	assert_int_equal(again(w, "100.0.0.0/8", V6, &err), ST_OK);
}

static void without_nodes_any_network_will_do(void **state)
{
	struct world *w = *state;
	struct err err;

	assert_int_equal(again(w, "10.0.0.0/8", "fd00::/48", &err), ST_OK);
	join(w, 1);
	assert_memory_equal(address(w, false), "10.0.0.", 7);
	assert_int_equal(again(w, V4, "fd00::/48", &err), ST_CONFLICT); /* what came last is what counts */
	assert_int_equal(again(w, "10.0.0.0/8", "fd00::/48", &err), ST_OK);
}

static void the_way_that_the_words_name_works(void **state)
{
	struct world *w = *state;
	struct err err;

	join(w, 1);
	assert_int_equal(again(w, "", V6, &err), ST_OK);
	/* Not yet given back. */
	assert_int_equal(again(w, "10.0.0.0/8", V6, &err), ST_CONFLICT);
	assert_int_equal(again(w, "", V6, &err), ST_OK);
	backfill(w);
	assert_string_equal(address(w, false), "");
	assert_int_equal(again(w, "10.0.0.0/8", V6, &err), ST_OK);
	backfill(w);
	assert_memory_equal(address(w, false), "10.0.0.", 7);
	assert_memory_equal(address(w, true), "fd7a:", 5);
}

static void a_reload_is_refused_likewise(void **state)
{
	struct tailnet_settings *s = tailnet_settings_new();
	struct answer a = { .came = false };
	struct world *w = *state;
	struct snapshot *snap;
	struct err err;

	join(w, 1);
	assert_int_equal(ip_prefix_parse(BYTES_LIT("10.0.0.0/8"), &s->prefix4), ST_OK);
	settings_set_text(&s->name, "other");
	assert_int_equal(CALL(&a, state_set_world, w->st, &(struct state_world){ .settings = s }), ST_CONFLICT);
	assert_non_null(strstr(a.err.text, "prefixes.v4 is 10.0.0.0/8 now"));
	answer_release(&a);
	snap = state_snapshot(w->st);
	assert_string_equal(snap->settings->name, "");
	snapshot_unref(&snap);
	tailnet_settings_unref(&s);
	/* A larger one is taken, and counts from then on. */
	s = tailnet_settings_new();
	assert_int_equal(ip_prefix_parse(BYTES_LIT("100.0.0.0/8"), &s->prefix4), ST_OK);
	assert_int_equal(CALL(&a, state_set_world, w->st, &(struct state_world){ .settings = s }), ST_OK);
	answer_release(&a);
	tailnet_settings_unref(&s);
	backfill(w); /* what is kept of a reload is written after it, and before this */
	assert_int_equal(again(w, "10.0.0.0/8", V6, &err), ST_CONFLICT);
	assert_non_null(strstr(err.text, "address of 100.0.0.0/8"));
}

static void a_family_may_come_and_go(void **state)
{
	struct world *w = *state;
	struct err err;

	assert_int_equal(again(w, V4, "", &err), ST_OK);
	join(w, 1);
	assert_string_equal(address(w, true), "");
	assert_int_equal(again(w, V4, V6, &err), ST_OK);
	backfill(w);
	assert_memory_equal(address(w, true), "fd7a:", 5);
	assert_int_equal(again(w, V4, "", &err), ST_OK);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(other_networks_are_refused_in_words),
		T(what_still_holds_all_addresses_is_fine),
		T(without_nodes_any_network_will_do),
		T(the_way_that_the_words_name_works),
		T(a_reload_is_refused_likewise),
		T(a_family_may_come_and_go),
	};

	return cmocka_run_group_tests_name("state/prefixes", tests, NULL, NULL);
}
