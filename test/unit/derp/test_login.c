/* Tests of derp/login.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "crypto/box.h"
#include "derp/login.h"
#include "unit/derp/vectors.h"

static struct node_private server, client_a, client_b;
static struct node_key server_key, key_a, key_b;

static int setup(void **state)
{
	(void)state;
	unhex(V_SERVER_PRIVATE, server.b);
	unhex(V_A_PRIVATE, client_a.b);
	unhex(V_B_PRIVATE, client_b.b);
	server_key = node_private_public(&server);
	key_a = node_private_public(&client_a);
	key_b = node_private_public(&client_b);
	return 0;
}

static void keys_are_those_of_the_vectors(void **state)
{
	uint8_t want[32];
	(void)state;
	unhex(V_SERVER, want);
	assert_memory_equal(server_key.b, want, 32);
	unhex(V_A, want);
	assert_memory_equal(key_a.b, want, 32);
	unhex(V_B, want);
	assert_memory_equal(key_b.b, want, 32);
}

static void the_vectors_open(void **state)
{
	uint8_t w[512];
	struct derp_client_info ci;
	struct derp_server_info si;
	struct derp_mesh_key mesh;
	size_t n;
	(void)state;

	n = unhex(V_CLIENT_INFO_A, w);
	assert_int_equal(n, 109);
	assert_int_equal(derp_client_info_open(bytes_of(w + 5, n - 5), &server, &ci), ST_OK);
	assert_memory_equal(ci.key.b, key_a.b, 32);
	assert_int_equal(ci.version, 2);
	assert_true(ci.can_ack_pings);
	assert_false(ci.is_prober);

	n = unhex(V_CLIENT_INFO_B, w);
	assert_int_equal(derp_client_info_open(bytes_of(w + 5, n - 5), &server, &ci), ST_OK);
	assert_false(ci.can_ack_pings);
	assert_int_equal(derp_mesh_key_parse(bytes_of_str(V_MESH), &mesh), ST_OK);
	assert_true(derp_mesh_key_eq(&ci.mesh, &mesh));

	n = unhex(V_SERVER_INFO_A, w);
	assert_int_equal(derp_server_info_open(bytes_of(w + 5, n - 5), &client_a, &server_key, &si), ST_OK);
	assert_int_equal(si.version, 2);
	assert_int_equal(si.bytes_per_s, 0);
	n = unhex(V_SERVER_INFO_A_RATE, w);
	assert_int_equal(derp_server_info_open(bytes_of(w + 5, n - 5), &client_a, &server_key, &si), ST_OK);
	assert_int_equal(si.bytes_per_s, 1250000);
	assert_int_equal(si.burst, 2500000);
}

static void sealed_json_has_the_text_clients_send(void **state)
{
	struct derp_client_info ci = { .version = 2, .can_ack_pings = true };
	struct derp_server_info si = { .version = 2 };
	uint8_t plain[256];
	struct buf b;
	(void)state;

	buf_init(&b, 4096);
	assert_int_equal(derp_client_info_seal(&ci, &client_a, &server_key, &b), ST_OK);
	assert_int_equal(b.n, 109);
	assert_int_equal(box_open(&server, &key_a, bytes_of(b.p + 37, b.n - 37), plain), ST_OK);
	assert_memory_equal(plain, "{\"version\":2,\"CanAckPings\":true}", 32);
	buf_reset(&b);
	assert_int_equal(derp_server_info_seal(&si, &server, &key_a, &b), ST_OK);
	assert_int_equal(b.n, 58);
	assert_int_equal(box_open(&client_a, &server_key, bytes_of(b.p + 5, b.n - 5), plain), ST_OK);
	assert_memory_equal(plain, "{\"version\":2}", 13);
	buf_release(&b);
}

/* ClientInfo of A around any JSON */
static enum status open_json(const char *json, struct derp_client_info *out)
{
	uint8_t w[1024];
	size_t n = strlen(json);
	memcpy(w, key_a.b, 32);
	assert_int_equal(box_seal(&client_a, &server_key, bytes_of(json, n), w + 32), ST_OK);
	return derp_client_info_open(bytes_of(w, 32 + BOX_OVERHEAD + n), &server, out);
}

static void json_is_read_as_servers_always_did(void **state)
{
	static const struct {
		const char *json;
		enum status want;
		const char *why;
	} cases[] = {
		{ "{}", ST_OK, "nothing is required" },
		{ "{\"Version\":2,\"CANACKPINGS\":true}", ST_OK, "case does not matter" },
		{ "{\"more\":[1,2,{}]}", ST_OK, "unknown members are skipped" },
		{ "{\"version\":null}", ST_OK, "null is absent" },
		{ "", ST_BAD_INPUT, "no JSON" },
		{ "[]", ST_BAD_INPUT, "no object" },
		{ "null", ST_BAD_INPUT, "no object" },
		{ "{\"version\":2}x", ST_BAD_INPUT, "more behind it" },
		{ "{\"meshKey\":\"\"}", ST_OK, "an empty key is none" },
		{ "{\"MeshKey\":\"" V_MESH "\"}", ST_OK, "a key" },
		{ "{\"meshKey\":\"0123\"}", ST_BAD_INPUT, "a short key" },
		{ "{\"meshKey\":\"" V_MESH "00\"}", ST_BAD_INPUT, "a long key" },
		{ "{\"meshKey\":12}", ST_BAD_INPUT, "a number for a key" },
		{ "{\"AppName\":\"sim 1\"}", ST_OK, "a name" },
		{ "{\"AppName\":\"0123456789012345678901234567890123\"}", ST_BAD_INPUT, "a long name" },
		{ "{\"AppName\":\"a\\u0007\"}", ST_BAD_INPUT, "a name that rings" },
		{ "{\"CanAckPings\":1}", ST_BAD_INPUT, "a number for a bool" },
	};
	struct derp_client_info ci;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		enum status got = open_json(cases[i].json, &ci);
		if (got != cases[i].want)
			fail_msg("%s: %s", cases[i].why, status_name(got));
	}
	assert_int_equal(open_json("{\"Version\":2,\"CANACKPINGS\":true,\"isprober\":true,\"appname\":\"x\"}", &ci), ST_OK);
	assert_true(ci.version == 2 && ci.can_ack_pings && ci.is_prober);
	assert_string_equal(ci.app, "x");
}

static void wrong_boxes_do_not_open(void **state)
{
	uint8_t w[256];
	struct derp_client_info ci = { .version = 77 };
	size_t n = unhex(V_CLIENT_INFO_A, w);
	(void)state;

	for (size_t cut = 5; cut < n; cut++)
		assert_int_equal(derp_client_info_open(bytes_of(w + 5, cut - 5), &server, &ci), ST_BAD_INPUT);
	for (size_t i = 5; i < n; i++) {
		/* The top bit of a Curve25519 key is not part of it: with it changed the box opens, for another name. */
		uint8_t flip = i == 5 + 31 ? 1 : 0x80;
		w[i] ^= flip;
		assert_int_equal(derp_client_info_open(bytes_of(w + 5, n - 5), &server, &ci), ST_BAD_INPUT);
		w[i] ^= flip;
	}
	memset(w + 5, 0, 32);
	assert_int_equal(derp_client_info_open(bytes_of(w + 5, n - 5), &server, &ci), ST_BAD_INPUT);
	assert_int_equal(ci.version, 77);
}

static void mesh_keys_match_only_if_given(void **state)
{
	struct derp_mesh_key zero = { { 0 } }, k, other;
	(void)state;
	assert_int_equal(derp_mesh_key_parse(BYTES_LIT("  " V_MESH " \n"), &k), ST_OK);
	assert_int_equal(derp_mesh_key_parse(BYTES_LIT("\n \t"), &other), ST_BAD_INPUT);
	assert_int_equal(derp_mesh_key_parse(BYTES_LIT(V_MESH "0"), &other), ST_BAD_INPUT);
	other = k;
	assert_true(derp_mesh_key_eq(&k, &other));
	other.b[31] ^= 1;
	assert_false(derp_mesh_key_eq(&k, &other));
	assert_false(derp_mesh_key_eq(&zero, &zero));
	assert_false(derp_mesh_key_eq(&k, &zero));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_those_of_the_vectors),
		cmocka_unit_test(the_vectors_open),
		cmocka_unit_test(sealed_json_has_the_text_clients_send),
		cmocka_unit_test(json_is_read_as_servers_always_did),
		cmocka_unit_test(wrong_boxes_do_not_open),
		cmocka_unit_test(mesh_keys_match_only_if_given),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
