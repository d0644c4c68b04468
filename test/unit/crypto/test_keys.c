/* Tests of crypto/keys.h, crypto/secret.h and crypto/box.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "crypto/box.h"
#include "crypto/keys.h"
#include "crypto/secret.h"

#define HEX32 "79a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89af85a51a"

static const struct {
	enum key_kind kind;
	const char *text;
} kinds[] = {
	{ KEY_MACHINE, "mkey:" HEX32 },	    { KEY_NODE, "nodekey:" HEX32 }, { KEY_DISCO, "discokey:" HEX32 },
	{ KEY_CHALLENGE, "chalpub:" HEX32 }, { KEY_NL, "nlpub:" HEX32 },     { KEY_PRIVATE, "privkey:" HEX32 },
};

static void every_kind_reads_its_own_text_and_no_other(void **state)
{
	char text[KEY_TEXT_MAX];
	uint8_t b[KEY_LEN];
	(void)state;

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
			assert_int_equal(key_text_parse(kinds[i].kind, bytes_of_str(kinds[k].text), b),
					 i == k ? ST_OK : ST_BAD_INPUT);
		assert_int_equal(key_text_parse(kinds[i].kind, bytes_of_str(kinds[i].text), b), ST_OK);
		assert_int_equal(key_text_format(kinds[i].kind, b, text), strlen(kinds[i].text));
		assert_string_equal(text, kinds[i].text);
	}
}

static void every_prefix_of_a_key_is_refused(void **state)
{
	struct node_key k = { { 7 } };
	const char *text = "nodekey:" HEX32;
	(void)state;

	for (size_t n = 0; n < strlen(text); n++)
		assert_int_equal(node_key_parse(bytes_of(text, n), &k), ST_BAD_INPUT);
	assert_int_equal(node_key_parse(BYTES_LIT("nodekey:" HEX32 "0"), &k), ST_BAD_INPUT);
	assert_int_equal(node_key_parse(BYTES_LIT("nodekey:" HEX32 "\0"), &k), ST_BAD_INPUT);
	assert_int_equal(node_key_parse(BYTES_LIT(" nodekey:" HEX32), &k), ST_BAD_INPUT);
	assert_int_equal(node_key_parse(BYTES_LIT(HEX32), &k), ST_BAD_INPUT);
	assert_int_equal(k.b[0], 7);
}

static void hex_of_either_case_and_both_lock_prefixes_are_read(void **state)
{
	struct nl_key a, b, c;
	char text[KEY_TEXT_MAX];
	(void)state;

	assert_int_equal(nl_key_parse(BYTES_LIT("tlpub:" HEX32), &a), ST_OK);
	assert_int_equal(nl_key_parse(BYTES_LIT("nlpub:" HEX32), &b), ST_OK);
	assert_int_equal(nl_key_parse(BYTES_LIT("nlpub:79A631EEDE1BF9C98F12032CDEADD0E7A079398FC786B88CC846EC89AF85A51A"), &c), ST_OK);
	assert_true(nl_key_eq(&a, &b) && nl_key_eq(&a, &c));
	nl_key_format(&a, text);
	assert_string_equal(text, "nlpub:" HEX32);
}

static void the_zero_key_goes_round(void **state)
{
	struct node_key zero = { { 0 } }, back = { { 1 } };
	struct machine_private priv;
	char text[KEY_TEXT_MAX];
	(void)state;

	assert_true(node_key_is_zero(&zero));
	node_key_format(&zero, text);
	assert_string_equal(text, "nodekey:0000000000000000000000000000000000000000000000000000000000000000");
	assert_int_equal(node_key_parse(bytes_of_str(text), &back), ST_OK);
	assert_true(node_key_eq(&zero, &back));
	back.b[31] = 1;
	assert_false(node_key_is_zero(&back));
	assert_false(node_key_eq(&zero, &back));
	assert_int_equal(machine_private_parse(BYTES_LIT("privkey:0000000000000000000000000000000000000000000000000000000000000000"), &priv),
			 ST_BAD_INPUT);
}

static void public_halves_are_those_of_the_vectors(void **state)
{
	struct machine_private priv;
	struct machine_key pub, want;
	char text[KEY_TEXT_MAX];
	(void)state;

	assert_int_equal(machine_private_parse(BYTES_LIT("privkey:404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"), &priv), ST_OK);
	assert_int_equal(machine_key_parse(BYTES_LIT("mkey:" HEX32), &want), ST_OK);
	pub = machine_private_public(&priv);
	assert_true(machine_key_eq(&pub, &want));
	machine_private_format(&priv, text);
	assert_string_equal(text, "privkey:404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f");
}

static void new_keys_differ_and_are_clamped(void **state)
{
	struct machine_private a, b;
	struct challenge_key c, d;
	(void)state;

	for (int i = 0; i < 20; i++) {
		machine_private_new(&a);
		machine_private_new(&b);
		assert_false(machine_private_eq(&a, &b));
		assert_true(machine_private_eq(&a, &a));
		assert_false(machine_private_is_zero(&a));
		assert_int_equal(a.b[0] & 7, 0);
		assert_int_equal(a.b[31] & 0xc0, 0x40);
	}
	challenge_key_new(&c);
	challenge_key_new(&d);
	assert_false(challenge_key_eq(&c, &d));
}

static void hashes_depend_on_every_byte(void **state)
{
	struct node_key k = { { 0 } };
	uint64_t h = node_key_hash(&k);
	(void)state;

	assert_true(h == node_key_hash(&k));
	for (size_t i = 0; i < KEY_LEN; i++) {
		k.b[i] = 1;
		assert_true(node_key_hash(&k) != h);
		k.b[i] = 0;
	}
}

static void secrets_compare_and_vanish(void **state)
{
	uint8_t s[4] = { 1, 2, 3, 4 };
	(void)state;

	assert_true(secret_equal(BYTES_LIT("abc"), BYTES_LIT("abc")));
	assert_false(secret_equal(BYTES_LIT("abc"), BYTES_LIT("abd")));
	assert_false(secret_equal(BYTES_LIT("abc"), BYTES_LIT("ab")));
	assert_true(secret_equal((struct bytes){ 0 }, BYTES_LIT("")));
	assert_false(secret_is_zero(s, 4));
	secret_wipe(s, sizeof s);
	assert_true(secret_is_zero(s, 4));
}

static void unhex(const char *hex, uint8_t *out, size_t n)
{
	assert_int_equal(hex_decode(bytes_of_str(hex), out, n), ST_OK);
}

static void a_box_opens_the_published_vector(void **state)
{
	/* From the NaCl distribution: Alice's message to Bob. */
	static const char box_hex[] = "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37"
				      "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a"
				      "c0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae"
				      "90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74"
				      "e355a5";
	static const char plain_hex[] = "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c6129"
					"6cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde"
					"048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705";
	uint8_t box[24 + 147], plain[131], out[131];
	struct node_private bob;
	struct node_key alice;
	(void)state;

	unhex(box_hex, box, sizeof box);
	unhex(plain_hex, plain, sizeof plain);
	unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", bob.b, KEY_LEN);
	unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", alice.b, KEY_LEN);
	assert_int_equal(box_open(&bob, &alice, bytes_of(box, sizeof box), out), ST_OK);
	assert_memory_equal(out, plain, sizeof plain);
}

static void a_changed_or_cut_box_does_not_open(void **state)
{
	struct node_private a, b;
	struct node_key pa, pb, zero = { { 0 } };
	uint8_t box[5 + BOX_OVERHEAD], out[5];
	(void)state;

	node_private_new(&a);
	node_private_new(&b);
	pa = node_private_public(&a);
	pb = node_private_public(&b);
	assert_int_equal(box_seal(&a, &pb, BYTES_LIT("hello"), box), ST_OK);
	assert_int_equal(box_open(&b, &pa, bytes_of(box, sizeof box), out), ST_OK);
	assert_memory_equal(out, "hello", 5);
	for (size_t n = 0; n < sizeof box; n++)
		assert_int_equal(box_open(&b, &pa, bytes_of(box, n), out), ST_BAD_INPUT);
	for (size_t bit = 0; bit < sizeof box * 8; bit++) {
		box[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(box_open(&b, &pa, bytes_of(box, sizeof box), out), ST_BAD_INPUT);
		box[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(box_open(&b, &pb, bytes_of(box, sizeof box), out), ST_BAD_INPUT);
	assert_int_equal(box_open(&b, &zero, bytes_of(box, sizeof box), out), ST_BAD_INPUT);
	assert_int_equal(box_seal(&a, &zero, BYTES_LIT("hello"), box), ST_BAD_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_reads_its_own_text_and_no_other),
		cmocka_unit_test(every_prefix_of_a_key_is_refused),
		cmocka_unit_test(hex_of_either_case_and_both_lock_prefixes_are_read),
		cmocka_unit_test(the_zero_key_goes_round),
		cmocka_unit_test(public_halves_are_those_of_the_vectors),
		cmocka_unit_test(new_keys_differ_and_are_clamped),
		cmocka_unit_test(hashes_depend_on_every_byte),
		cmocka_unit_test(secrets_compare_and_vanish),
		cmocka_unit_test(a_box_opens_the_published_vector),
		cmocka_unit_test(a_changed_or_cut_box_does_not_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
