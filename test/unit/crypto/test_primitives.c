/* Published vectors of crypto/x25519.h, crypto/aead.h, crypto/blake2s.h and crypto/hash.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/random.h"
#include "crypto/aead.h"
#include "crypto/blake2s.h"
#include "crypto/hash.h"
#include "crypto/x25519.h"

static void unhex(const char *hex, uint8_t *out, size_t n)
{
	assert_int_equal(hex_decode(bytes_of_str(hex), out, n), ST_OK);
}

static void assert_hex(const uint8_t *got, const char *want)
{
	char text[513];

	hex_encode(bytes_of(got, strlen(want) / 2), text);
	assert_string_equal(text, want);
}

static void x25519_has_the_vectors_of_rfc_7748(void **state)
{
	uint8_t a[32], b[32], pub[32], out[32];
	(void)state;

	unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", b, 32);
	/* 5.2, first vector */
	unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", a, 32);
	unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", pub, 32);
	assert_int_equal(x25519_shared(a, pub, out), ST_OK);
	assert_hex(out, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
	/* 6.1, Bob's public key */
	x25519_public(b, pub);
	assert_hex(pub, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}

static void x25519_refuses_points_of_low_order(void **state)
{
	static const char *const low[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	uint8_t priv[32], pub[32], out[32];
	(void)state;

	x25519_random(priv);
	memset(out, 7, sizeof out);
	for (size_t i = 0; i < sizeof low / sizeof low[0]; i++) {
		unhex(low[i], pub, 32);
		assert_int_equal(x25519_shared(priv, pub, out), ST_BAD_INPUT);
		assert_int_equal(out[0], 7);
	}
}

static void blake2s_has_the_vector_of_rfc_7693(void **state)
{
	uint8_t out[32];
	(void)state;

	blake2s(BYTES_LIT("abc"), (struct bytes){ 0 }, out);
	assert_hex(out, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
	blake2s(BYTES_LIT("a"), BYTES_LIT("bc"), out);
	assert_hex(out, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
	blake2s((struct bytes){ 0 }, (struct bytes){ 0 }, out);
	assert_hex(out, "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9");
}

static void sha256_and_its_hmac_have_their_vectors(void **state)
{
	uint8_t out[32];
	(void)state;

	sha256(BYTES_LIT("abc"), out);
	assert_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256((struct bytes){ 0 }, out);
	assert_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	hmac_sha256(BYTES_LIT("Jefe"), BYTES_LIT("what do ya want for nothing?"), out); /* RFC 4231, case 2 */
	assert_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static const char rfc8439_key[] = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";
static const char rfc8439_plain[] = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
static const char rfc8439_sealed[] = "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
				     "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
				     "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
				     "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691";

static void aead_has_the_vector_of_rfc_8439(void **state)
{
	uint8_t key[32], nonce[12], ad[12], sealed[114 + 16], again[114 + 16];
	struct aead *s, *o;
	(void)state;

	unhex(rfc8439_key, key, 32);
	unhex("070000004041424344454647", nonce, 12);
	unhex("50515253c0c1c2c3c4c5c6c7", ad, 12);
	s = aead_new_seal(key);
	o = aead_new_open(key);
	for (int round = 0; round < 3; round++) { /* the same object, again and again */
		aead_seal(s, nonce, bytes_of(ad, 12), bytes_of_str(rfc8439_plain), sealed);
		assert_hex(sealed, rfc8439_sealed);
		assert_int_equal(aead_open(o, nonce, bytes_of(ad, 12), bytes_of(sealed, sizeof sealed), again), ST_OK);
		assert_memory_equal(again, rfc8439_plain, 114);
		assert_int_equal(aead_open(o, nonce, (struct bytes){ 0 }, bytes_of(sealed, sizeof sealed), again), ST_BAD_INPUT);
		assert_int_equal(again[0], 0);
	}
	assert_int_equal(aead_open(o, nonce, bytes_of(ad, 12), bytes_of(sealed, sizeof sealed), sealed), ST_OK); /* in place */
	assert_memory_equal(sealed, rfc8439_plain, 114);
	aead_free(&s);
	aead_free(&o);
	aead_free(&o);
}

static void every_flipped_bit_and_every_prefix_is_refused(void **state)
{
	uint8_t key[32], nonce[12] = { 0 }, sealed[21], out[21];
	struct aead *s, *o;
	(void)state;

	random_bytes(key, sizeof key);
	s = aead_new_seal(key);
	o = aead_new_open(key);
	aead_seal(s, nonce, (struct bytes){ 0 }, BYTES_LIT("hello"), sealed);
	for (size_t n = 0; n < sizeof sealed; n++)
		assert_int_equal(aead_open(o, nonce, (struct bytes){ 0 }, bytes_of(sealed, n), out), ST_BAD_INPUT);
	for (size_t bit = 0; bit < sizeof sealed * 8; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(aead_open(o, nonce, (struct bytes){ 0 }, bytes_of(sealed, sizeof sealed), out), ST_BAD_INPUT);
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(aead_open(o, nonce, (struct bytes){ 0 }, bytes_of(sealed, sizeof sealed), out), ST_OK);
	aead_seal(s, nonce, BYTES_LIT("ad"), (struct bytes){ 0 }, sealed); /* an empty message has a tag */
	assert_int_equal(aead_open(o, nonce, BYTES_LIT("ad"), bytes_of(sealed, 16), out), ST_OK);
	aead_free(&s);
	aead_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x25519_has_the_vectors_of_rfc_7748),
		cmocka_unit_test(x25519_refuses_points_of_low_order),
		cmocka_unit_test(blake2s_has_the_vector_of_rfc_7693),
		cmocka_unit_test(sha256_and_its_hmac_have_their_vectors),
		cmocka_unit_test(aead_has_the_vector_of_rfc_8439),
		cmocka_unit_test(every_flipped_bit_and_every_prefix_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
