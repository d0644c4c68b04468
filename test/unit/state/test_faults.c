/*
 * The disk fails at every write in turn, in every way. What was answered with success is visible and stored, what was
 * answered with failure is neither, and what nobody knows is one or the other, the same in memory and on disk.
 */
#include "helper.h"

#define HOST(name) "{\"OS\":\"linux\",\"Hostname\":\"" name "\"}"

struct step {
	enum status status;
	bool shown;
};

static bool has_user(const struct snapshot *s, const char *name)
{
	return snapshot_user_by_name(s, name) != NULL;
}

/* One story; each step may fail. Sets what came of each, and whether it is to be seen. */
static size_t story(struct world *w, struct step *out)
{
	struct answer a = { .came = false };
	char key[KEY_SECRET_TEXT_MAX] = "";
	struct state_register r;
	struct snapshot *s;
	struct node_key k;
	size_t n = 0;

#define STEP(call, sees)                                                                           \
	do {                                                                                       \
		out[n].status = (call);                                                            \
		s = state_snapshot(w->st);                                                         \
		assert_null(snapshot_check(s));                                                    \
		out[n++].shown = (sees);                                                           \
		snapshot_unref(&s);                                                                \
	} while (0)
	STEP(CALL(&a, state_user_create, w->st, &(struct state_user_new){ .name = "alice" }), has_user(s, "alice"));
	STEP(CALL(&a, state_user_create, w->st, &(struct state_user_new){ .name = "bob" }), has_user(s, "bob"));
	STEP(CALL(&a, state_preauth_create, w->st,
		  &(struct state_preauth_new){ .user = 1, .expires_ns = TIME_NONE }),
	     a.status == ST_OK);
	memcpy(key, a.secret, sizeof key);
	k = node_key_of(1);
	r = register_req(1, 1, key, HOST("a"));
	/* Without the key that step made, a login for a person to decide is the right answer. */
	STEP(CALL(&a, state_register, w->st, &r), a.outcome == REGISTER_LOGIN || snapshot_node_by_key(s, &k) != NULL);
	STEP(CALL(&a, state_node_rename, w->st, NULL, 1, "chosen"), snapshot_node_by_name(s, "chosen") != NULL);
	STEP(CALL(&a, state_policy_set, w->st, NULL, BYTES_LIT("{\"tagOwners\":{\"tag:x\":[]},\"acls\":[]}")),
	     a.status == ST_OK);
	STEP(CALL(&a, state_node_set_tags, w->st, NULL, 1, &(const char *){ "tag:x" }, 1),
	     snapshot_node(s, 1) != NULL && snapshot_node(s, 1)->tags != NULL);
	STEP(CALL(&a, state_user_delete, w->st, NULL, 1), !has_user(s, "alice"));
	STEP(CALL(&a, state_node_delete, w->st, NULL, 1), snapshot_node(s, 1) == NULL);
#undef STEP
	answer_release(&a);
	return n;
}

static void same_durable(const struct node *a, const struct node *b)
{
	assert_true(a != NULL && b != NULL);
	assert_true(a->user == b->user && node_key_eq(&a->key, &b->key) && machine_key_eq(&a->machine, &b->machine));
	assert_true(a->key_expiry_ns == b->key_expiry_ns && a->created_ns == b->created_ns);
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->hostname, b->hostname);
	assert_true(ip_eq(&a->ip4, &b->ip4) && ip_eq(&a->ip6, &b->ip6));
	assert_true(str_list_eq(a->tags, b->tags) && prefix_list_eq(a->approved_routes, b->approved_routes));
	assert_true(a->ephemeral == b->ephemeral && a->auth_key == b->auth_key && a->method == b->method);
}

/* What is seen is what is stored. */
static void reopen_and_compare(struct world *w)
{
	struct snapshot *before, *after;

	before = state_snapshot(w->st);
	world_close(w);
	world_open(w);
	after = state_snapshot(w->st);
	assert_null(snapshot_check(after));
	assert_int_equal(before->n_nodes, after->n_nodes);
	assert_int_equal(snapshot_user_count(before), snapshot_user_count(after));
	for (size_t i = 0; i < before->n_pages; i++)
		for (uint64_t m = before->pages[i]->used; m != 0; m &= m - 1) {
			const struct node *n = before->pages[i]->slot[__builtin_ctzll(m)].node;

			same_durable(n, snapshot_node(after, n->id));
		}
	for (size_t i = 0; i < snapshot_user_count(before); i++)
		assert_string_equal(snapshot_user_at(before, i)->name, snapshot_user_at(after, i)->name);
	snapshot_unref(&before);
	snapshot_unref(&after);
}

/* Until what an opening itself writes is written: nobody waits for that. */
static void settle(struct world *w)
{
	struct answer a = { .came = false };

	assert_int_equal(CALL(&a, state_backfill_ips, w->st, NULL), ST_OK);
	answer_release(&a);
}

static void the_disk_fails_at_every_write(void **state)
{
	static const enum fake_fault faults[] = { FAKE_FAULT_IO, FAKE_FAULT_LOST, FAKE_FAULT_DONE };
	struct step plain[16], step[16];
	struct world w;
	unsigned start, total;
	size_t n;

	(void)state;
	world_init(&w);
	world_open(&w);
	settle(&w);
	start = fake_disk_writes(w.disk);
	n = story(&w, plain);
	total = fake_disk_writes(w.disk) - start;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(plain[i].status, ST_OK);
		assert_true(plain[i].shown);
	}
	world_release(&w);
	assert_true(total > 20);
	for (size_t f = 0; f < 3; f++)
		for (unsigned nth = 1; nth <= total; nth++) {
			size_t failed = 0;

			world_init(&w);
			world_open(&w);
			settle(&w);
			fake_disk_fail(w.disk, nth, 1, faults[f]);
			story(&w, step);
			for (size_t i = 0; i < n; i++) {
				if (step[i].status == ST_OK && !step[i].shown)
					fail_msg("write %u: step %zu is answered and not seen", nth, i);
				if (step[i].status == ST_IO && step[i].shown)
					fail_msg("write %u: step %zu failed and is seen", nth, i);
				failed += step[i].status == ST_IO || step[i].status == ST_UNCERTAIN;
			}
			if (failed == 0)
				fail_msg("write %u failed, and nobody was told", nth);
			assert_int_equal(make_user(&w, "last") > 0, 1); /* behind any reading again; and it works again */
			reopen_and_compare(&w);
			world_release(&w);
		}
}

static void a_dead_disk_lets_maps_be_served(void **state)
{
	struct answer a = { .came = false };
	struct snapshot *s;
	struct state_stats stats;
	struct world w;
	char key[KEY_SECRET_TEXT_MAX];
	struct state_register r;

	(void)state;
	world_init(&w);
	world_open(&w);
	make_preauth(&w, (struct state_preauth_new){ .user = make_user(&w, "alice"), .reusable = true }, key);
	r = register_req(1, 1, key, HOST("a"));
	assert_int_equal(CALL(&a, state_register, w.st, &r), ST_OK);
	fake_disk_fail(w.disk, 1, 1000000, FAKE_FAULT_IO);
	for (unsigned i = 2; i < 20; i++) {
		r = register_req(i, i, key, HOST("b"));
		assert_int_equal(CALL(&a, state_register, w.st, &r), ST_IO);
	}
	assert_false(state_store_ok(w.st));
	r = register_req(1, 1, "", HOST("a")); /* a restart of a client needs no disk */
	assert_int_equal(CALL(&a, state_register, w.st, &r), ST_OK);
	assert_int_equal(CALL(&a, state_stream_opened, w.st, 1, NULL), ST_OK);
	assert_true(a.node->online);
	s = state_snapshot(w.st);
	assert_int_equal(s->n_nodes, 1);
	assert_null(snapshot_check(s));
	snapshot_unref(&s);
	fake_disk_fail(w.disk, 1, 0, FAKE_FAULT_NONE);
	r = register_req(2, 2, key, HOST("b"));
	assert_int_equal(CALL(&a, state_register, w.st, &r), ST_OK);
	assert_int_equal(a.node->id, 2); /* nothing was given away meanwhile */
	assert_true(state_store_ok(w.st));
	state_stats(w.st, &stats);
	assert_true(stats.commit_failures >= 18);
	answer_release(&a);
	world_release(&w);
}

/* The store refuses a row of a batch once: its commands run again one by one, and nobody notices. */
static void a_batch_with_a_refused_row_is_run_one_by_one(void **state)
{
	struct answer first = { .came = false }, a[8];
	struct world w;
	struct err err;
	unsigned refused = 0;
	char name[16];

	(void)state;
	for (unsigned nth = 0; nth < 40; nth++) {
		struct state_stats stats;
		size_t failed = 0, shown = 0;
		struct snapshot *s;

		world_init(&w);
		world_open(&w);
		make_user(&w, "alice");
		fake_disk_slow(w.disk, 3000); /* so that the rest gathers into one batch */
		answer_init(&first);
		assert_int_equal(state_doc_put(w.st, NULL, "k", "slow", BYTES_LIT("x"), on_answer, &first, &err), ST_OK);
		fake_disk_fail(w.disk, 6 + nth, 1, FAKE_FAULT_CONFLICT);
		for (int i = 0; i < 8; i++) {
			answer_init(&a[i]);
			snprintf(name, sizeof name, "user%d", i);
			assert_int_equal(state_user_create(w.st, &(struct state_user_new){ .name = name }, on_answer,
							   &a[i], &err),
					 ST_OK);
		}
		for (int i = 0; i < 8; i++) {
			assert_true(await(&a[i]) == ST_OK || a[i].status == ST_IO);
			failed += a[i].status != ST_OK;
			answer_release(&a[i]);
		}
		await(&first);
		answer_release(&first);
		state_stats(w.st, &stats);
		refused += stats.commit_failures > 0 && failed == 0;
		fake_disk_fail(w.disk, 1, 0, FAKE_FAULT_NONE);
		make_user(&w, "last");
		s = state_snapshot(w.st);
		for (int i = 0; i < 8; i++) {
			snprintf(name, sizeof name, "user%d", i);
			shown += has_user(s, name);
		}
		snapshot_unref(&s);
		assert_int_equal(shown, 8 - failed);
		reopen_and_compare(&w);
		world_release(&w);
	}
	assert_true(refused >= 8); /* each of the eight rows at least */
}

static void closing_answers_everybody(void **state)
{
	struct answer a[50];
	struct world w;
	struct err err;
	size_t done = 0;

	(void)state;
	world_init(&w);
	world_open(&w);
	fake_disk_slow(w.disk, 5000);
	for (int i = 0; i < 50; i++) {
		char name[16];

		answer_init(&a[i]);
		snprintf(name, sizeof name, "user%d", i);
		assert_int_equal(state_user_create(w.st, &(struct state_user_new){ .name = name }, on_answer, &a[i],
						   &err),
				 ST_OK);
	}
	world_close(&w);
	for (int i = 0; i < 50; i++) {
		assert_true(a[i].came);
		assert_true(a[i].status == ST_OK || a[i].status == ST_CLOSED);
		done += a[i].status == ST_OK;
		answer_release(&a[i]);
	}
	world_open(&w);
	WAIT_FOR(&w, s, snapshot_user_count(s) == done);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_disk_fails_at_every_write),
		cmocka_unit_test(a_dead_disk_lets_maps_be_served),
		cmocka_unit_test(a_batch_with_a_refused_row_is_run_one_by_one),
		cmocka_unit_test(closing_answers_everybody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
