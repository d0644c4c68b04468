/* Tests of derp/meta_cert.h and derp/limits.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "derp/limits.h"
#include "derp/meta_cert.h"
#include "unit/derp/vectors.h"

#define META                                                                                                           \
	"3082016330820115a003020102020102300506032b657030523150304e06035504031347646572706b65793037613337636263313432"  \
	"30393363386237353564633162313065383663623432363337346164313661613835336564306264666330623262383664316337"      \
	"63301e170d3236303732333030303030305a170d3236303932313030303030305a30523150304e06035504031347646572706b6579"    \
	"3037613337636263313432303933633862373535646331623130653836636234323633373461643136616138353365643062646663"    \
	"306232623836643163376330"                                                                                      \
	"2a300506032b657003210003a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8a310300e300c0603551d13"  \
	"0101ff04023000300506032b65700341009b4cd35087bfdcbbd15cbdad18b9cd56284dbef5f9e55545841ef4f0bfc6eba6e416980d1d"  \
	"6e18f80443f83f4730e2a760d441dfe819b3e1878234e5d55a5b05"

static void it_is_the_vector_byte_for_byte(void **state)
{
	uint8_t seed[32], want[512], *der = NULL;
	struct node_key key;
	size_t n = 0, want_n = unhex(META, want);
	(void)state;

	for (int i = 0; i < 32; i++)
		seed[i] = (uint8_t)i;
	unhex(V_SERVER, key.b);
	/* 2026-08-22 00:00:00 UTC: 30 days before and after are those of the vector */
	assert_int_equal(derp_meta_cert(&key, 1787356800, seed, &der, &n), ST_OK);
	assert_int_equal(want_n, 359);
	assert_int_equal(n, want_n);
	assert_memory_equal(der, want, n);
	free(der);
}

static void a_fresh_one_differs_each_time(void **state)
{
	struct node_key key = { { 1 } };
	uint8_t *a, *b;
	size_t n, m;
	(void)state;
	assert_int_equal(derp_meta_cert(&key, 1787356800, NULL, &a, &n), ST_OK);
	assert_int_equal(derp_meta_cert(&key, 1787356800, NULL, &b, &m), ST_OK);
	assert_true(n != m || memcmp(a, b, n) != 0);
	free(a);
	free(b);
}

static void limits_are_read(void **state)
{
	struct derp_limits l = { 0 };
	struct err err = { "" };
	(void)state;
	assert_int_equal(derp_limits_parse(BYTES_LIT("{\"PerClientRateLimitBytesPerSec\":1250000,"
	                                             "\"PerClientRateBurstBytes\":2500000,\"other\":1}"), &l, &err), ST_OK);
	assert_int_equal(l.per_conn.per_s, 1250000);
	assert_int_equal(l.per_conn.burst, 2500000);
	assert_int_equal(l.per_node.per_s, 0);
	assert_int_equal(derp_limits_parse(BYTES_LIT("{}"), &l, &err), ST_OK);
	assert_int_equal(l.per_conn.per_s, 0);
	assert_int_equal(derp_limits_parse(BYTES_LIT("{\"PerClientRateBurstBytes\":-1}"), &l, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "PerClientRateBurstBytes"));
	assert_int_equal(derp_limits_parse(BYTES_LIT("[]"), &l, &err), ST_BAD_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_the_vector_byte_for_byte),
		cmocka_unit_test(a_fresh_one_differs_each_time),
		cmocka_unit_test(limits_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
