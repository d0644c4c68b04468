/* Tests of derp/registry.h. What the registry says is kept in tables here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "derp/registry.h"

#define CONNS 64

struct world {
	struct registry *r;
	unsigned gone[256];      /* by first byte of the key */
	derp_handle route[256];
	enum derp_standing standing[CONNS];
	char heard[CONNS][4096]; /* what a watcher was sent: "+k " and "-k " */
	bool closed[CONNS];
};

static void on_route(void *arg, const uint8_t *key, derp_handle to)
{
	((struct world *)arg)->route[key[0]] = to;
}

static void on_gone(void *arg, const uint8_t *key)
{
	((struct world *)arg)->gone[key[0]]++;
}

static void on_standing(void *arg, derp_handle c, enum derp_standing s)
{
	((struct world *)arg)->standing[c] = s;
}

static void on_send(void *arg, derp_handle c, struct bytes frame)
{
	struct world *w = arg;
	size_t n = strlen(w->heard[c]);
	snprintf(w->heard[c] + n, sizeof w->heard[c] - n, "%c%c%d ", frame.p[0] == DERP_PEER_PRESENT ? '+' : '-',
	         frame.p[5], frame.p[0] == DERP_PEER_PRESENT ? frame.p[5 + 50] : frame.p[5 + 32]);
}

static void on_close(void *arg, derp_handle c)
{
	((struct world *)arg)->closed[c] = true;
}

static int setup(void **state)
{
	static const struct registry_ops ops = { on_route, on_gone, on_standing, on_send, on_close };
	struct world *w = calloc(1, sizeof *w);
	w->r = registry_new(&ops, w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	registry_free(&w->r);
	free(w);
	return 0;
}

static const uint8_t *key(char c)
{
	static uint8_t k[4][32];
	static unsigned turn;
	uint8_t *p = k[turn++ % 4];
	memset(p, 0, 32);
	p[0] = (uint8_t)c;
	return p;
}

static void add(struct world *w, char c, derp_handle h, uint8_t flags)
{
	struct registry_conn rc = { .key = key(c), .handle = h, .flags = flags };
	registry_add(w->r, &rc);
}

static void one_connection_comes_and_goes(void **state)
{
	struct world *w = *state;
	add(w, 'a', 1, DERP_PRESENT_REGULAR);
	assert_int_equal(w->route['a'], 1);
	assert_int_equal(w->standing[1], DERP_STANDING_ONLY);
	registry_remove(w->r, key('a'), 2); /* never was */
	assert_int_equal(w->route['a'], 1);
	registry_remove(w->r, key('a'), 1);
	assert_int_equal(w->route['a'], 0);
	assert_int_equal(w->gone['a'], 1);
	registry_remove(w->r, key('a'), 1);
	assert_int_equal(w->gone['a'], 1);
	assert_int_equal(registry_counts(w->r).conns, 0);
}

static void of_duplicates_the_last_speaker_is_active(void **state)
{
	struct world *w = *state;
	add(w, 'a', 1, 1);
	add(w, 'a', 2, 1);
	assert_int_equal(w->route['a'], 2);
	assert_int_equal(w->standing[1], DERP_STANDING_PASSIVE);
	assert_int_equal(w->standing[2], DERP_STANDING_ACTIVE);
	assert_int_equal(registry_counts(w->r).dup_keys, 1);
	assert_int_equal(registry_counts(w->r).dup_conns, 2);
	assert_int_equal(registry_counts(w->r).local, 1);

	registry_remove(w->r, key('a'), 1); /* the old one goes: single again */
	assert_int_equal(w->route['a'], 2);
	assert_int_equal(w->standing[2], DERP_STANDING_ONLY);
	assert_int_equal(registry_counts(w->r).dup_keys, 0);
	assert_int_equal(registry_counts(w->r).dup_conns, 0);

	add(w, 'a', 3, 1);
	registry_spoke(w->r, key('a'), 2); /* the old one speaks */
	assert_int_equal(w->route['a'], 2);
	assert_int_equal(w->standing[2], DERP_STANDING_ACTIVE);
	assert_int_equal(w->standing[3], DERP_STANDING_PASSIVE);

	add(w, 'a', 4, 1); /* a third joins and leaves: the last speaker is active */
	assert_int_equal(w->route['a'], 4);
	registry_remove(w->r, key('a'), 4);
	assert_int_equal(w->route['a'], 2);
	registry_remove(w->r, key('a'), 2);
	assert_int_equal(w->route['a'], 3);
	assert_int_equal(w->gone['a'], 0);
	registry_remove(w->r, key('a'), 3);
	assert_int_equal(w->gone['a'], 1);
	assert_int_equal(registry_counts(w->r).dup_total, 3);
}

static void two_clones_do_not_grow_anything(void **state)
{
	struct world *w = *state;
	add(w, 'a', 1, 1);
	add(w, 'a', 2, 1);
	for (int i = 0; i < 10000; i++)
		registry_spoke(w->r, key('a'), 1 + (derp_handle)(i % 2));
	assert_int_equal(w->route['a'], 2);
	registry_remove(w->r, key('a'), 2);
	assert_int_equal(w->route['a'], 1);
}

static void forwarders_follow_their_rules(void **state)
{
	struct world *w = *state;
	const derp_handle m1 = 11, m2 = 12, m3 = 13;
	registry_forward_add(w->r, key('a'), m1);
	assert_int_equal(w->route['a'], m1 | DERP_HANDLE_MESH);
	assert_int_equal(registry_counts(w->r).remote, 1);
	registry_forward_add(w->r, key('a'), m1); /* again: nothing */
	registry_forward_add(w->r, key('a'), m2);
	registry_forward_add(w->r, key('a'), m3);
	assert_int_equal(registry_counts(w->r).multiforwarder_created, 1);
	assert_int_equal(w->route['a'], m1 | DERP_HANDLE_MESH);
	registry_forward_remove(w->r, key('a'), m1); /* the preferred goes: the next takes over */
	assert_int_equal(w->route['a'], m2 | DERP_HANDLE_MESH);
	registry_forward_remove(w->r, key('a'), m1); /* not registered: nothing */
	registry_forward_remove(w->r, key('b'), m1);
	assert_int_equal(w->route['a'], m2 | DERP_HANDLE_MESH);

	add(w, 'a', 1, 1); /* local beats mesh */
	assert_int_equal(w->route['a'], 1);
	assert_int_equal(registry_counts(w->r).remote, 0);
	registry_forward_remove(w->r, key('a'), m2);
	registry_forward_remove(w->r, key('a'), m3);
	assert_int_equal(registry_counts(w->r).multiforwarder_deleted, 1);
	assert_int_equal(w->route['a'], 1); /* "local only" */
	assert_int_equal(w->gone['a'], 0);
	registry_forward_add(w->r, key('a'), m3);
	registry_remove(w->r, key('a'), 1); /* local goes, mesh is left: not gone */
	assert_int_equal(w->route['a'], m3 | DERP_HANDLE_MESH);
	assert_int_equal(w->gone['a'], 0);
	assert_int_equal(registry_counts(w->r).remote, 1);
	registry_forward_lost(w->r, m3);
	assert_int_equal(w->route['a'], 0);
	assert_int_equal(w->gone['a'], 1);
	assert_int_equal(registry_counts(w->r).remote, 0);
}

static void a_lost_mesh_peer_takes_its_keys_along(void **state)
{
	struct world *w = *state;
	for (char c = 'a'; c <= 'z'; c++) {
		registry_forward_add(w->r, key(c), 11);
		if (c % 2)
			registry_forward_add(w->r, key(c), 12);
	}
	registry_forward_lost(w->r, 11);
	for (char c = 'a'; c <= 'z'; c++) {
		assert_int_equal(w->route[(int)c], c % 2 ? (12 | DERP_HANDLE_MESH) : 0);
		assert_int_equal(w->gone[(int)c], c % 2 ? 0 : 1);
	}
}

static void watchers_hear_all(void **state)
{
	struct world *w = *state;
	const uint8_t self[32] = { 'S' };
	add(w, 'a', 1, DERP_PRESENT_REGULAR);
	add(w, 'w', 2, DERP_PRESENT_MESH);
	registry_watch(w->r, key('w'), 2, self);
	assert_int_equal(strlen(w->heard[2]), 8); /* a and itself, in any order */
	assert_non_null(strstr(w->heard[2], "+a1"));
	assert_non_null(strstr(w->heard[2], "+w2"));
	w->heard[2][0] = '\0';
	add(w, 'b', 3, 1);
	add(w, 'b', 4, 1); /* each connection is told, the end only once */
	registry_remove(w->r, key('b'), 3);
	registry_remove(w->r, key('b'), 4);
	assert_string_equal(w->heard[2], "+b1 +b1 -b0 ");

	add(w, 'v', 5, DERP_PRESENT_MESH | DERP_PRESENT_NOT_IDEAL);
	registry_watch(w->r, key('v'), 5, self);
	assert_non_null(strstr(w->heard[5], "+w2"));
	assert_non_null(strstr(w->heard[5], "+v10"));
	assert_int_equal(registry_counts(w->r).watchers, 2);
	w->heard[5][0] = '\0';
	registry_watch(w->r, key('v'), 5, self); /* once more: the list again */
	assert_non_null(strstr(w->heard[5], "+a1"));
	assert_int_equal(registry_counts(w->r).watchers, 2);
	registry_remove(w->r, key('v'), 5);
	assert_int_equal(registry_counts(w->r).watchers, 1);
	assert_non_null(strstr(w->heard[2], "-v0"));
}

static void a_watcher_that_is_ourselves_is_ignored(void **state)
{
	struct world *w = *state;
	add(w, 'S', 1, DERP_PRESENT_MESH);
	registry_watch(w->r, key('S'), 1, key('S'));
	assert_int_equal(registry_counts(w->r).watchers, 0);
	assert_string_equal(w->heard[1], "");
}

static void close_peer_closes_all_of_a_key(void **state)
{
	struct world *w = *state;
	add(w, 'a', 1, 1);
	add(w, 'a', 2, 1);
	add(w, 'b', 3, 1);
	registry_close_key(w->r, key('a'));
	registry_close_key(w->r, key('x'));
	assert_true(w->closed[1] && w->closed[2] && !w->closed[3]);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_connection_comes_and_goes), T(of_duplicates_the_last_speaker_is_active),
		T(two_clones_do_not_grow_anything), T(forwarders_follow_their_rules),
		T(a_lost_mesh_peer_takes_its_keys_along), T(watchers_hear_all),
		T(a_watcher_that_is_ourselves_is_ignored), T(close_peer_closes_all_of_a_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
