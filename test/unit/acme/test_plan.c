/* Unit tests of acme/plan.h and acme/challenges.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "acme/challenges.h"
#include "acme/plan.h"
#include "acme/x509.h"
#include "base/random.h"

#define DAY ((int64_t)86400)

static void renewal_is_at_two_thirds_and_little_later(void **state)
{
	(void)state;
	assert_int_equal(acme_renew_at(1000, 1000 + 90 * DAY, 0), 1000 + 60 * DAY);
	for (int i = 0; i < 1000; i++) {
		int64_t at = acme_renew_at(1000, 1000 + 90 * DAY, random_u64());

		assert_in_range(at, 1000 + 60 * DAY, 1000 + 63 * DAY);
	}
	assert_int_not_equal(acme_renew_at(0, 90 * DAY, 1), acme_renew_at(0, 90 * DAY, 77777));
}

static void a_life_of_nothing_is_renewed_at_once(void **state)
{
	(void)state;
	assert_int_equal(acme_renew_at(500, 500, 12345), 500);
	assert_int_equal(acme_renew_at(500, 400, 12345), 500);
}

static void pauses_grow_and_stop_growing(void **state)
{
	int64_t before = 0;

	(void)state;
	for (unsigned n = 1; n <= 8; n++) {
		int64_t s = acme_pause_s(n, -1, 0);

		assert_true(s > before);
		before = s;
	}
	assert_int_equal(acme_pause_s(1, -1, 0), 60);
	assert_int_equal(acme_pause_s(8, -1, 0), 6 * 3600);
	assert_int_equal(acme_pause_s(4000000000u, -1, 0), 6 * 3600);
	assert_int_equal(acme_pause_s(0, -1, 0), 60);
}

static void fewer_than_five_tries_in_an_hour(void **state)
{
	int64_t at = 0;
	unsigned tries = 1;

	(void)state;
	for (unsigned n = 1; n < 10; n++) {
		at += acme_pause_s(n, -1, 0);
		if (at < 3600)
			tries++;
	}
	assert_in_range(tries, 2, 4);
}

static void what_the_authority_asks_for_is_kept(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_in_range(acme_pause_s(1, 7200, random_u64()), 7200, 7920);
		assert_in_range(acme_pause_s(8, 10, random_u64()), 6 * 3600, 6 * 3960);
	}
}

static void challenges_are_found_until_cleared(void **state)
{
	struct acme_challenges *c = acme_challenges_new();
	struct net_tls_cert *cert = acme_alpn_cert("a.example", "token.thumb", 1700000000), *found;
	char *text;

	(void)state;
	acme_challenges_add_http(c, "token", "old");
	acme_challenges_add_http(c, "token", "token.thumb");
	acme_challenges_add_tls(c, "a.example", cert);
	text = acme_challenges_http(c, "token");
	assert_string_equal(text, "token.thumb");
	free(text);
	assert_null(acme_challenges_http(c, "a.example")); /* a name is no token */
	assert_null(acme_challenges_tls(c, "token"));
	assert_null(acme_challenges_tls(c, "b.example"));
	found = acme_challenges_tls(c, "a.example");
	assert_ptr_equal(found, cert);
	acme_challenges_clear(c);
	assert_null(acme_challenges_http(c, "token"));
	assert_null(acme_challenges_tls(c, "a.example"));
	net_tls_cert_unref(&found);
	net_tls_cert_unref(&cert);
	acme_challenges_free(&c);
	assert_null(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renewal_is_at_two_thirds_and_little_later),
		cmocka_unit_test(a_life_of_nothing_is_renewed_at_once),
		cmocka_unit_test(pauses_grow_and_stop_growing),
		cmocka_unit_test(fewer_than_five_tries_in_an_hour),
		cmocka_unit_test(what_the_authority_asks_for_is_kept),
		cmocka_unit_test(challenges_are_found_until_cleared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
