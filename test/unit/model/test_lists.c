/* Tests of model/lists.h and model/node.h: what versions of a node share, and what they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/lists.h"
#include "model/node.h"

static struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p;

	assert_int_equal(ip_prefix_parse(bytes_of_str(s), &p), ST_OK);
	return p;
}

static void an_empty_list_is_null(void **state)
{
	(void)state;
	assert_null(str_list_new(NULL, 0));
	assert_null(str_list_new_set(NULL, 0));
	assert_null(prefix_list_new(NULL, 0));
	assert_null(prefix_list_new_set(NULL, 0));
	assert_null(endpoint_list_new(NULL, 0));
	assert_null(str_list_ref(NULL));
	assert_true(str_list_eq(NULL, NULL));
	assert_false(str_list_has(NULL, "x"));
}

static void lists_copy_what_they_are_given(void **state)
{
	char text[] = "tag:a";
	const char *v[] = { text, "" };
	struct str_list *l = str_list_new(v, 2), *same;

	(void)state;
	text[4] = 'z';
	assert_string_equal(l->v[0], "tag:a");
	assert_string_equal(l->v[1], "");
	same = str_list_ref(l);
	str_list_unref(&l);
	assert_null(l);
	assert_string_equal(same->v[0], "tag:a");
	str_list_unref(&same);
	str_list_unref(&same); /* NULL inside is accepted */
}

static void sets_are_sorted_and_have_nothing_twice(void **state)
{
	const char *v[] = { "tag:b", "tag:a", "tag:b", "tag:" };
	struct ip_prefix p[] = { prefix("10.1.2.3/8"), prefix("::/0"), prefix("10.0.0.0/8"), prefix("0.0.0.0/0") };
	struct str_list *l = str_list_new_set(v, 4);
	struct prefix_list *pl = prefix_list_new_set(p, 4);

	(void)state;
	assert_int_equal(l->n, 3);
	assert_string_equal(l->v[0], "tag:");
	assert_string_equal(l->v[2], "tag:b");
	assert_true(str_list_has(l, "tag:a"));
	assert_false(str_list_has(l, "tag:c"));
	assert_int_equal(pl->n, 3);
	assert_true(ip_prefix_eq(&pl->v[0], &p[3]));
	assert_true(ip_prefix_eq(&pl->v[1], &p[2]));
	assert_true(prefix_list_has(pl, &p[1]));
	assert_false(prefix_list_has(pl, &p[0])); /* it has host bits */
	str_list_unref(&l);
	prefix_list_unref(&pl);
}

static void equal_means_equal_in_all(void **state)
{
	struct endpoint e[] = { { { IP_V4, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4 } }, 80, 1 } };
	struct endpoint_list *a = endpoint_list_new(e, 1), *b, *c;

	(void)state;
	b = endpoint_list_new(e, 1);
	e[0].type = 2;
	c = endpoint_list_new(e, 1);
	assert_true(endpoint_list_eq(a, b));
	assert_false(endpoint_list_eq(a, c));
	assert_false(endpoint_list_eq(a, NULL));
	endpoint_list_unref(&a);
	endpoint_list_unref(&b);
	endpoint_list_unref(&c);
}

static void a_copy_of_a_node_shares_lists_and_owns_texts(void **state)
{
	const char *tags[] = { "tag:a" };
	struct node *n = node_new(), *c;

	(void)state;
	assert_true(n->key_expiry_ns == TIME_NONE && n->last_seen_ns == TIME_NONE);
	node_set_hostname(n, "h");
	node_set_name(n, "n");
	n->tags = str_list_new(tags, 1);
	n->hostinfo = shared_bytes_new(BYTES_LIT("{}"));
	node_ref(n); /* another holder: the copy still has one reference of its own */
	c = node_copy(n);
	node_set_name(c, "other");
	assert_string_equal(n->name, "n");
	assert_ptr_equal(n->tags, c->tags);
	assert_ptr_equal(n->hostinfo, c->hostinfo);
	assert_int_equal(c->refs, 1);
	node_unref(&(struct node *){ n });
	node_unref(&n);
	assert_string_equal(c->tags->v[0], "tag:a");
	assert_string_equal(c->hostname, "h");
	node_unref(&c);
}

static void keys_expire_when_their_time_has_come(void **state)
{
	struct node *n = node_new();

	(void)state;
	assert_false(node_expired(n, INT64_MAX));
	n->key_expiry_ns = 5;
	assert_false(node_expired(n, 4));
	assert_true(node_expired(n, 5));
	node_unref(&n);
}

static void a_user_always_has_a_login_and_a_name_to_show(void **state)
{
	struct user *u = user_new(), *c;
	char buf[24];

	(void)state;
	u->id = 42;
	assert_string_equal(user_login(u, buf), "42");
	user_set_text(&u->provider_id, "iss/sub");
	assert_string_equal(user_login(u, buf), "iss/sub");
	user_set_text(&u->name, "alice");
	assert_string_equal(user_login(u, buf), "alice");
	user_set_text(&u->email, "alice@example.com");
	assert_string_equal(user_login(u, buf), "alice@example.com");
	assert_string_equal(user_display(u, buf), "alice@example.com");
	user_set_text(&u->display_name, "Alice A");
	assert_string_equal(user_display(u, buf), "Alice A");
	c = user_copy(u);
	user_set_text(&u->email, NULL);
	assert_string_equal(c->email, "alice@example.com");
	assert_string_equal(u->email, "");
	user_unref(&u);
	user_unref(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_list_is_null),
		cmocka_unit_test(lists_copy_what_they_are_given),
		cmocka_unit_test(sets_are_sorted_and_have_nothing_twice),
		cmocka_unit_test(equal_means_equal_in_all),
		cmocka_unit_test(a_copy_of_a_node_shares_lists_and_owns_texts),
		cmocka_unit_test(keys_expire_when_their_time_has_come),
		cmocka_unit_test(a_user_always_has_a_login_and_a_name_to_show),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
