/* Tests of proto/register.h and proto/key.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_in.h"
#include "proto/key.h"
#include "proto/register.h"
#include "vectors.h"

#define KEY "nodekey:abd48af70c917bce69ce061d1f46054ae4eb26c9a0630858d782139478310163"

static struct arena *a;

static int setup(void **state)
{
	(void)state;
	a = arena_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(&a);
	return 0;
}

static enum status parse(const char *text, struct register_request *r)
{
	return register_request_parse(bytes_of_str(text), a, r, NULL);
}

static void what_clients_send_parses_and_holds_nothing_unknown(void **state)
{
	static const char *const names[] = { "Version", "NodeKey", "OldNodeKey", "NLKey", "Auth", "Expiry", "Followup", "Hostinfo",
					     "NodeKeySignature", "Ephemeral", "Tailnet" };
	size_t n = 0, with_key = 0;

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		struct json_object_iter it;
		struct json_object *o = NULL;
		struct register_request r;

		if (strcmp(vectors[i].path, "/machine/register") != 0)
			continue;
		assert_int_equal(parse(vectors[i].body, &r), ST_OK);
		assert_false(nl_key_is_zero(&r.nl_key));
		assert_true(r.hostinfo.n > 100);
		with_key += r.auth_key.n > 0;
		assert_int_equal(json_parse(bytes_of_str(vectors[i].body), 1 << 20, &o, NULL), ST_OK);
		json_object_object_foreachC(o, it) {
			const char *name = it.key;
			bool found = false;

			for (size_t k = 0; k < sizeof names / sizeof *names; k++)
				found |= strcmp(names[k], name) == 0;
			if (!found)
				fail_msg("a client sends %s, which nobody here knows", name);
		}
		json_object_put(o);
		n++;
	}
	assert_true(n >= 4);
	assert_true(with_key >= 2);
}

static void all_members_are_read(void **state)
{
	struct register_request r;

	(void)state;
	assert_int_equal(parse("{\"Version\":142,\"NodeKey\":\"" KEY "\",\"OldNodeKey\":\"" KEY "\","
			       "\"NLKey\":\"nlpub:43fcdd9fe85c75e918fce21c9f2602f1730c5b36f05f9374668d471f06f266dc\","
			       "\"Auth\":{\"AuthKey\":\"hskey-auth-x\"},\"Expiry\":\"1970-01-01T00:02:03Z\",\"Followup\":\"https://c/register/x\","
			       "\"Hostinfo\":{\"OS\":\"linux\"},\"Ephemeral\":true,\"NodeKeySignature\":\"AQID\",\"Tailnet\":\"required:x\"}",
			       &r),
			 ST_OK);
	assert_int_equal(r.version, 142);
	assert_true(node_key_eq(&r.node_key, &r.old_node_key));
	assert_true(bytes_eq_str(r.auth_key, "hskey-auth-x"));
	assert_int_equal(r.expiry_ns, 123 * NS_PER_S);
	assert_string_equal(r.followup, "https://c/register/x");
	assert_true(bytes_eq_str(r.hostinfo, "{\"OS\":\"linux\"}"));
	assert_true(r.ephemeral);
	assert_true(bytes_eq(r.node_key_signature, BYTES_LIT("\1\2\3")));
	assert_string_equal(r.tailnet, "required:x");
}

static void absent_members_are_nothing(void **state)
{
	struct register_request r;

	(void)state;
	assert_int_equal(parse("{\"NodeKey\":\"" KEY "\",\"Expiry\":\"0001-01-01T00:00:00Z\",\"Auth\":null,\"Hostinfo\":null,"
			       "\"NodeKeySignature\":null,\"OldNodeKey\":\"nodekey:" "0000000000000000000000000000000000000000000000000000000000000000\"}",
			       &r),
			 ST_OK);
	assert_int_equal(r.expiry_ns, TIME_NONE);
	assert_int_equal(r.auth_key.n, 0);
	assert_int_equal(r.hostinfo.n, 0);
	assert_int_equal(r.node_key_signature.n, 0);
	assert_string_equal(r.followup, "");
	assert_string_equal(r.tailnet, "");
	assert_true(node_key_is_zero(&r.old_node_key));
	assert_true(nl_key_is_zero(&r.nl_key));
}

static void malformed_requests_are_refused(void **state)
{
	static const char *const bad[] = { "", "[]", "{}", "{\"NodeKey\":\"\"}", "{\"NodeKey\":\"" KEY "\",\"Auth\":\"x\"}",
					   "{\"NodeKey\":\"" KEY "\",\"Auth\":{\"AuthKey\":7}}", "{\"NodeKey\":\"" KEY "\",\"Expiry\":7}",
					   "{\"NodeKey\":\"" KEY "\",\"Expiry\":\"tomorrow\"}", "{\"NodeKey\":\"" KEY "\",\"Hostinfo\":\"x\"}",
					   "{\"NodeKey\":\"" KEY "\",\"NLKey\":\"nlpub:1\"}", "{\"NodeKey\":\"" KEY "\",\"NodeKeySignature\":\"*\"}",
					   "{\"NodeKey\":\"" KEY "\",\"Followup\":\"a\\u0000b\"}", "{\"NodeKey\":\"" KEY "\",\"Ephemeral\":\"true\"}" };
	struct register_request r;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (parse(bad[i], &r) != ST_BAD_INPUT)
			fail_msg("%s was taken", bad[i]);
}

static void long_texts_are_too_big(void **state)
{
	struct register_request r;
	struct buf b;

	(void)state;
	for (size_t n = REGISTER_FOLLOWUP_MAX; n <= REGISTER_FOLLOWUP_MAX + 1; n++) {
		buf_init(&b, 1 << 20);
		buf_put_str(&b, "{\"NodeKey\":\"" KEY "\",\"Followup\":\"");
		for (size_t i = 0; i < n; i++)
			buf_put_char(&b, 'x');
		buf_put_str(&b, "\"}");
		assert_int_equal(register_request_parse(buf_bytes(&b), a, &r, NULL), n <= REGISTER_FOLLOWUP_MAX ? ST_OK : ST_TOO_BIG);
		buf_release(&b);
	}
}

static void expect(const struct register_response *r, const char *text)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	register_response_encode(r, &b);
	buf_put_char(&b, 0);
	assert_string_equal((const char *)b.p, text);
	buf_release(&b);
}

static void answers_name_the_owner_and_never_lack_a_login(void **state)
{
	static const char *const tags[] = { "tag:web" };
	struct node *n = node_new();
	struct user *u = user_new();

	(void)state;
	u->id = 7;
	user_set_text(&u->name, "alice");
	user_set_text(&u->email, "alice@example.com");
	user_set_text(&u->display_name, "Alice");
	user_set_text(&u->provider, "oidc");
	user_set_text(&u->picture_url, "https://p");
	u->created_ns = 0;
	n->user = 7;
	expect(&(struct register_response){ .node = n, .user = u, .machine_authorized = true },
	       "{\"User\":{\"ID\":7,\"DisplayName\":\"Alice\",\"ProfilePicURL\":\"https://p\",\"Created\":\"1970-01-01T00:00:00Z\"},"
	       "\"Login\":{\"ID\":7,\"Provider\":\"oidc\",\"LoginName\":\"alice@example.com\",\"DisplayName\":\"Alice\",\"ProfilePicURL\":\"https://p\"},"
	       "\"NodeKeyExpired\":false,\"MachineAuthorized\":true,\"AuthURL\":\"\",\"NodeKeySignature\":null,\"Error\":\"\"}\n");
	n->tags = str_list_new(tags, 1);
	expect(&(struct register_response){ .node = n, .user = u, .node_key_expired = true },
	       "{\"User\":{\"ID\":2147455555,\"DisplayName\":\"Tagged Devices\"},"
	       "\"Login\":{\"ID\":2147455555,\"Provider\":\"\",\"LoginName\":\"tagged-devices\",\"DisplayName\":\"Tagged Devices\"},"
	       "\"NodeKeyExpired\":true,\"MachineAuthorized\":false,\"AuthURL\":\"\",\"NodeKeySignature\":null,\"Error\":\"\"}\n");
	node_unref(&n);
	user_unref(&u);
}

static void answers_without_a_node_carry_a_link_or_an_error(void **state)
{
	(void)state;
	expect(&(struct register_response){ .auth_url = "https://c/register/x", .error = "\"no\"", .node_key_signature = BYTES_LIT("\1\2\3") },
	       "{\"User\":{\"ID\":0,\"DisplayName\":\"\"},\"Login\":{\"ID\":0,\"Provider\":\"\",\"LoginName\":\"\",\"DisplayName\":\"\"},"
	       "\"NodeKeyExpired\":false,\"MachineAuthorized\":false,\"AuthURL\":\"https://c/register/x\",\"NodeKeySignature\":\"AQID\","
	       "\"Error\":\"\\\"no\\\"\"}\n");
}

static void the_key_is_told_under_two_names(void **state)
{
	struct machine_key k = { { 0xab } };
	struct buf b;

	(void)state;
	buf_init(&b, 1024);
	key_response_encode(&k, &b);
	buf_put_char(&b, 0);
	assert_string_equal((const char *)b.p, "{\"legacyPublicKey\":\"mkey:0000000000000000000000000000000000000000000000000000000000000000\","
					       "\"publicKey\":\"mkey:ab00000000000000000000000000000000000000000000000000000000000000\"}\n");
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_clients_send_parses_and_holds_nothing_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(all_members_are_read, setup, teardown),
		cmocka_unit_test_setup_teardown(absent_members_are_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_requests_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(long_texts_are_too_big, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_name_the_owner_and_never_lack_a_login, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_without_a_node_carry_a_link_or_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(the_key_is_told_under_two_names, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
