/* Pages: random changes against a plain array, every rule checked by force, old snapshots unchanged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/snapshot_priv.h"

#define IDS 1200

static struct node *make(node_id id, unsigned version)
{
	struct node *n = node_new();
	char name[32];

	n->id = id;
	n->key.b[0] = 1;
	memcpy(n->key.b + 1, &id, sizeof id);
	memcpy(n->key.b + 10, &version, sizeof version);
	memcpy(n->machine.b, &id, sizeof id);
	n->ip4.family = IP_V4;
	n->ip4.b[13] = (uint8_t)(version);
	n->ip4.b[14] = (uint8_t)(id >> 8);
	n->ip4.b[15] = (uint8_t)id;
	snprintf(name, sizeof name, "n%llu-%u", (unsigned long long)id, version);
	node_set_name(n, name);
	node_set_hostname(n, name);
	return n;
}

static void must_be_sound(const struct snapshot *s)
{
	const char *wrong = snapshot_check(s);

	if (wrong != NULL)
		fail_msg("%s", wrong);
}

static void same_as_twin(const struct snapshot *s, struct node *const *twin)
{
	size_t n = 0;

	must_be_sound(s);
	for (node_id id = 1; id <= IDS; id++) {
		assert_ptr_equal(snapshot_node(s, id), twin[id]);
		n += twin[id] != NULL;
	}
	assert_int_equal(s->n_nodes, n);
}

static struct snapshot *next_of(struct snapshot **cur)
{
	struct snapshot *next = snapshot_begin(*cur, (*cur)->seq + 1);

	snapshot_unref(cur);
	*cur = next;
	return next;
}

static void pages_follow_a_plain_array(void **state)
{
	static struct node *twin[IDS + 1], *old_twin[IDS + 1];
	struct snapshot *cur = snapshot_new(1), *old = NULL;
	unsigned seed = 7, version = 0;

	(void)state;
	srand(seed);
	cur->seq = 1;
	for (int round = 0; round < 1500; round++) {
		struct snapshot *next = next_of(&cur);
		/* Phases of growing and of shrinking, so that pages fill, split, thin out and merge. */
		int grow = (round / 250) % 2 == 0;

		for (int k = 0; k < 5; k++) {
			node_id id = 1 + (node_id)rand() % IDS;
			struct node *n;

			if (twin[id] == NULL && (grow || rand() % 4 == 0)) {
				n = make(id, ++version);
				snapshot_add_node(next, n, 3);
				twin[id] = n; /* the snapshot's reference keeps it while it is in */
				node_unref(&n);
			} else if (twin[id] != NULL && (!grow || rand() % 8 == 0)) {
				snapshot_remove_node(next, id);
				twin[id] = NULL;
			} else if (twin[id] != NULL) {
				n = make(id, ++version);
				snapshot_replace_node(next, n, (enum slot_touch)(rand() % 3));
				twin[id] = n;
				node_unref(&n);
			}
		}
		if (round % 50 == 0) {
			same_as_twin(next, twin);
			if (old != NULL)
				same_as_twin(old, old_twin);
			snapshot_unref(&old);
			old = snapshot_ref(next);
			memcpy(old_twin, twin, sizeof twin);
		}
	}
	same_as_twin(cur, twin);
	same_as_twin(old, old_twin);
	snapshot_unref(&old);
	snapshot_unref(&cur);
}

static void a_page_keeps_its_generations_apart(void **state)
{
	struct snapshot *cur = snapshot_new(1), *first;
	struct node *n;
	uint64_t durable, presence, lineage;

	(void)state;
	n = make(1, 1);
	snapshot_add_node(next_of(&cur), n, 0);
	node_unref(&n);
	first = snapshot_ref(cur);
	durable = cur->pages[0]->durable_gen;
	presence = cur->pages[0]->presence_gen;
	lineage = cur->pages[0]->lineage;
	n = make(1, 1);
	n->online = true;
	snapshot_replace_node(next_of(&cur), n, TOUCH_PRESENCE);
	node_unref(&n);
	assert_true(cur->pages[0]->durable_gen == durable);
	assert_true(cur->pages[0]->presence_gen != presence);
	assert_true(cur->pages[0]->lineage == lineage);
	assert_true(cur->pages[0]->slot[0].presence_seq == cur->seq);
	assert_true(cur->pages[0]->slot[0].whole_seq < cur->seq);
	presence = cur->pages[0]->presence_gen;
	snapshot_set_class(next_of(&cur), 1, 9, true);
	assert_true(cur->pages[0]->durable_gen != durable);
	assert_true(cur->pages[0]->presence_gen != presence);
	assert_true(cur->pages[0]->slot[0].whole_seq == cur->seq);
	assert_int_equal(cur->pages[0]->slot[0].class_id, 9);
	assert_int_equal(first->pages[0]->slot[0].class_id, 0); /* frozen */
	assert_false(first->pages[0]->slot[0].node->online);
	must_be_sound(first);
	must_be_sound(cur);
	snapshot_unref(&first);
	snapshot_unref(&cur);
}

static void what_did_not_change_is_shared(void **state)
{
	struct snapshot *cur = snapshot_new(1), *before;
	struct node *n;
	size_t same = 0;

	(void)state;
	next_of(&cur);
	for (node_id id = 1; id <= 640; id++) {
		n = make(id, 1);
		snapshot_add_node(cur, n, 0);
		node_unref(&n);
	}
	assert_int_equal(cur->n_pages, 10);
	before = snapshot_ref(cur);
	n = make(100, 2);
	snapshot_replace_node(next_of(&cur), n, TOUCH_WHOLE);
	node_unref(&n);
	for (size_t i = 0; i < cur->n_pages; i++)
		same += cur->pages[i] == before->pages[i];
	assert_int_equal(same, 9);
	snapshot_unref(&before);
	snapshot_unref(&cur);
}

static void an_emptied_page_goes_and_sparse_ones_merge(void **state)
{
	struct snapshot *cur = snapshot_new(1);
	struct node *n;

	(void)state;
	next_of(&cur);
	for (node_id id = 1; id <= 64 * 4; id++) {
		n = make(id, 1);
		snapshot_add_node(cur, n, 0);
		node_unref(&n);
	}
	next_of(&cur);
	for (node_id id = 65; id <= 128; id++)
		snapshot_remove_node(cur, id);
	assert_int_equal(cur->n_pages, 3);
	next_of(&cur);
	for (node_id id = 129; id <= 180; id++)
		snapshot_remove_node(cur, id);
	for (node_id id = 193; id <= 241; id++)
		snapshot_remove_node(cur, id);
	must_be_sound(cur);
	assert_int_equal(cur->n_nodes, 64 + 12 + 15);
	assert_int_equal(cur->n_pages, 2);
	snapshot_unref(&cur);
}

static void users_are_found_by_id_and_name(void **state)
{
	struct snapshot *cur = snapshot_new(1), *old;
	struct user *u;

	(void)state;
	for (user_id id = 9; id > 0; id--) {
		char name[16];

		u = user_new();
		u->id = id;
		snprintf(name, sizeof name, "u%llu", (unsigned long long)id);
		user_set_text(&u->name, name);
		if (id == 5) {
			user_set_text(&u->provider_id, "iss/5");
			user_set_text(&u->name, "u4"); /* as the local one */
			user_set_text(&u->email, "five@example.com");
		}
		user_table_put(&cur->users, u);
		user_unref(&u);
	}
	assert_int_equal(snapshot_user_count(cur), 9);
	assert_int_equal(snapshot_user_at(cur, 0)->id, 1);
	assert_int_equal(snapshot_user_by_name(cur, "u4")->id, 4);
	assert_int_equal(snapshot_user_by_name(cur, "five@example.com")->id, 5);
	assert_int_equal(snapshot_user_by_name(cur, "iss/5")->id, 5);
	assert_null(snapshot_user_by_name(cur, ""));
	old = cur;
	cur = snapshot_begin(old, 2);
	user_table_del(&cur->users, 4);
	assert_null(snapshot_user(cur, 4));
	assert_int_equal(snapshot_user_by_name(cur, "u4")->id, 5);
	assert_int_equal(snapshot_user(old, 4)->id, 4);
	snapshot_unref(&cur);
	snapshot_unref(&old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_follow_a_plain_array),
		cmocka_unit_test(a_page_keeps_its_generations_apart),
		cmocka_unit_test(what_did_not_change_is_shared),
		cmocka_unit_test(an_emptied_page_goes_and_sparse_ones_merge),
		cmocka_unit_test(users_are_found_by_id_and_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
