/* `policy explain` on texts alone: who may reach whom, by name, by user, and why not. */
#include "offline/offline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const char policy[] = "{\"groups\":{\"group:dev\":[\"alice@\"]},\n"
			     "\"acls\":[{\"action\":\"accept\",\"src\":[\"group:dev\"],\"dst\":[\"bob@:22\"]}]}";
static const char nodes[] = "[{\"id\":\"1\",\"givenName\":\"laptop\",\"ipAddresses\":[\"100.64.0.1\"],\"user\":{\"id\":\"1\",\"name\":\"alice\"}},"
			    "{\"id\":\"2\",\"givenName\":\"server\",\"ipAddresses\":[\"100.64.0.2\"],\"user\":{\"id\":\"2\",\"name\":\"bob\"}}]";

struct answer {
	enum status s;
	int allowed;
	struct err err;
};

static struct answer ask(const char *src, const char *dst)
{
	struct arena *a = arena_new();
	struct json_object *list = json_tokener_parse(nodes), *out = NULL, *v = NULL;
	struct answer x = { 0 };

	x.s = offline_policy_explain(&(struct offline_explain){ .policy = policy, .nodes = list, .src = src, .dst = dst, .proto = "tcp" },
				     a, &out, &x.err);
	if (x.s == ST_OK) {
		assert_true(json_object_object_get_ex(out, "allowed", &v));
		x.allowed = json_object_get_boolean(v);
		assert_true(json_object_object_get_ex(out, "text", &v));
		assert_true(json_object_get_string_len(v) > 0);
	}
	json_object_put(out);
	json_object_put(list);
	arena_free(&a);
	return x;
}

static void names_and_users_are_understood(void **state)
{
	static const struct {
		const char *src, *dst;
		int allowed;
	} cases[] = {
		{ "laptop", "server:22", 1 },	     { "laptop", "server:80", 0 }, { "server", "laptop:22", 0 },
		{ "alice@", "100.64.0.2:22", 1 },    { "100.64.0.1", "server", 1 }, { "laptop", "100.64.0.2:23", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct answer x = ask(cases[i].src, cases[i].dst);

		if (x.s != ST_OK || x.allowed != cases[i].allowed)
			fail_msg("%s -> %s: %d %s", cases[i].src, cases[i].dst, x.allowed, x.err.text);
	}
}

static void what_names_nothing_is_said(void **state)
{
	(void)state;
	assert_int_equal(ask("nobody", "server:22").s, ST_NOT_FOUND);
	assert_int_equal(ask("laptop", "server:99999").s, ST_BAD_INPUT);
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(names_and_users_are_understood),
		cmocka_unit_test(what_names_nothing_is_said),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
