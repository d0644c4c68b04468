/* test/unit/auth/test_identity.c -- claims, names to store people under, filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "auth/identity.h"
#include "base/json_in.h"

static void read_claims(struct arena *a, const char *json, struct identity *id)
{
	struct json_object *o = NULL;

	assert_int_equal(json_parse(bytes_of_str(json), 1 << 20, &o, NULL), ST_OK);
	identity_read(a, o, id);
	json_object_put(o);
}

static void claims_become_an_identity(void **state)
{
	struct arena *a = arena_new();
	struct identity id = { 0 };

	(void)state;
	read_claims(a, "{\"preferred_username\":\"odin\",\"name\":\"Odin\",\"email\":\"o@example.com\",\"email_verified\":\"True\","
		       "\"picture\":\"https://p.example.com/o.png\",\"groups\":\"crew\"}", &id);
	assert_string_equal(id.name, "odin");
	assert_string_equal(id.display_name, "Odin");
	assert_string_equal(id.email, "o@example.com");
	assert_true(id.email_verified);
	assert_string_equal(id.picture_url, "https://p.example.com/o.png");
	assert_int_equal(id.n_groups, 1);
	assert_string_equal(id.groups[0], "crew");
	/* A second source: what it lacks stays, what it has counts, nonsense does not. */
	read_claims(a, "{\"name\":\"All-father\",\"email\":null,\"picture\":\"javascript:alert(1)\",\"groups\":[\"a\",7,\"b\"],"
		       "\"preferred_username\":\"x\\ny\"}", &id);
	assert_string_equal(id.name, "odin");
	assert_string_equal(id.display_name, "All-father");
	assert_string_equal(id.picture_url, "https://p.example.com/o.png");
	assert_int_equal(id.n_groups, 2);
	assert_string_equal(id.groups[1], "b");
	assert_true(id.email_verified);
	arena_free(&a);
}

static void another_address_is_not_verified_by_the_first(void **state)
{
	struct arena *a = arena_new();
	struct identity id = { 0 };

	(void)state;
	read_claims(a, "{\"email\":\"o@example.com\",\"email_verified\":true}", &id);
	read_claims(a, "{\"email\":\"boss@example.com\"}", &id);
	assert_string_equal(id.email, "boss@example.com");
	assert_false(id.email_verified);
	read_claims(a, "{\"email\":\"o@example.com\",\"email_verified\":true}", &id);
	assert_true(id.email_verified);
	read_claims(a, "{\"email\":\"o@example.com\"}", &id);
	assert_true(id.email_verified);
	read_claims(a, "{\"email_verified\":\"no\"}", &id);
	assert_false(id.email_verified);
	arena_free(&a);
}

static void people_are_stored_as_the_go_server_stores_them(void **state)
{
	static const struct {
		const char *issuer, *sub, *want;
	} t[] = {
		{ "https://id.example.com", "s1", "https://id.example.com/s1" },
		{ "https://id.example.com/", "s1", "https://id.example.com/s1" },
		{ "HTTPS://id.example.com/realms/main", "s1", "https://id.example.com/realms/main/s1" },
		{ "https://x.eu.auth0.com/", "auth0|64f", "https://x.eu.auth0.com/auth0%7C64f" },
		{ "https://id", "user@example.com", "https://id/user@example.com" },
		{ "https://id", "uid=a,dc=b", "https://id/uid=a,dc=b" },
		{ "https://id", "a b", "https://id/a%20b" },
		{ "https://id", "a!b", "https://id/a!b" },
		{ "https://id", "a!b c", "https://id/a%21b%20c" },
		{ "https://id", "\xc3\xa5", "https://id/%C3%A5" },
		{ "https://id", "a/b", "https://id/a/b" },
	};
	struct arena *a = arena_new();
	char *out;

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		print_message("%s + %s\n", t[i].issuer, t[i].sub);
		assert_int_equal(identity_provider_id(a, t[i].issuer, t[i].sub, &out), ST_OK);
		assert_string_equal(out, t[i].want);
	}
	arena_free(&a);
}

static void no_two_subjects_share_a_name(void **state)
{
	static const char *const subs[] = { "a",   "a/",    "/a",  "a//b",  "a/b",   "a/./b",   "a/../b", "b",     "..",    ".",
					    "50%", "50%25", " a",  "a ",    "a%2Fb", "a|b",     "a%7Cb",  "../a",  "a/ b",  "sub:a",
					    "%",   "%25",   "sub:%25", "sub:%", "sub:%2525", "a b", "a%20b", "a+b", "a?b", "a%3Fb" };
	enum { N = sizeof subs / sizeof *subs };
	struct arena *a = arena_new();
	char *out[N];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(identity_provider_id(a, "https://id", subs[i], &out[i]), ST_OK);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(out[i], out[k]) == 0)
				print_message("%s and %s are both %s\n", subs[i], subs[k], out[i]);
			assert_string_not_equal(out[i], out[k]);
		}
	}
	assert_int_equal(identity_provider_id(a, "https://id", "", &out[0]), ST_BAD_INPUT);
	assert_int_equal(identity_provider_id(a, "https://id", "a\nb", &out[0]), ST_BAD_INPUT);
	assert_int_equal(identity_provider_id(a, "https://id", "\xff", &out[0]), ST_BAD_INPUT);
	arena_free(&a);
}

static void filters_are_asked_in_their_order(void **state)
{
	static const char *const crew[] = { "crew" }, *const domain[] = { "example.com" }, *const user[] = { "o@example.com" };
	const struct oidc_texts g = { crew, 1 }, d = { domain, 1 }, u = { user, 1 }, none = { 0 };
	const struct {
		const char *why, *claims;
		struct oidc_texts groups, domains, users;
		bool lax;
		enum oidc_event want;
	} t[] = {
		{ "no filter", "{}", none, none, none, false, OIDC_IDENTIFIED },
		{ "unverified without filters", "{\"email\":\"x@y\"}", none, none, none, false, OIDC_IDENTIFIED },
		{ "group", "{\"groups\":[\"x\",\"crew\"]}", g, none, none, false, OIDC_IDENTIFIED },
		{ "group in capitals", "{\"groups\":[\"Crew\"]}", g, none, none, false, OIDC_FILTER_GROUP },
		{ "no group", "{}", g, none, none, false, OIDC_FILTER_GROUP },
		{ "no group and unverified", "{\"email\":\"x@y\"}", g, d, u, false, OIDC_FILTER_GROUP },
		{ "unverified", "{\"email\":\"o@example.com\",\"groups\":\"crew\"}", g, d, u, false, OIDC_FILTER_VERIFIED },
		{ "unverified, not asked for", "{\"email\":\"o@example.com\"}", none, d, u, true, OIDC_IDENTIFIED },
		{ "all", "{\"email\":\"o@example.com\",\"email_verified\":true,\"groups\":\"crew\"}", g, d, u, false, OIDC_IDENTIFIED },
		{ "domain", "{\"email\":\"o@evil.org\",\"email_verified\":true}", none, d, u, false, OIDC_FILTER_DOMAIN },
		{ "domain below", "{\"email\":\"o@x.example.com\",\"email_verified\":true}", none, d, none, false, OIDC_FILTER_DOMAIN },
		{ "domain after the last @", "{\"email\":\"o@example.com@evil.org\",\"email_verified\":true}", none, d, none, false, OIDC_FILTER_DOMAIN },
		{ "a domain is no address", "{\"email\":\"example.com\",\"email_verified\":true}", none, d, none, false, OIDC_FILTER_DOMAIN },
		{ "a domain in another's name", "{\"email\":\"o@evil.org@example.com\",\"email_verified\":true}", none, d, none, false, OIDC_FILTER_DOMAIN },
		{ "nobody at a domain", "{\"email\":\"@example.com\",\"email_verified\":true}", none, d, none, false, OIDC_FILTER_DOMAIN },
		{ "user", "{\"email\":\"p@example.com\",\"email_verified\":true}", none, d, u, false, OIDC_FILTER_USER },
		{ "no address", "{\"email_verified\":true}", none, none, u, false, OIDC_FILTER_USER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct identity_rules r = { t[i].groups, t[i].domains, t[i].users, !t[i].lax };
		struct arena *a = arena_new();
		struct identity id = { 0 };

		print_message("%s\n", t[i].why);
		read_claims(a, t[i].claims, &id);
		assert_string_equal(oidc_event_name(identity_judge(&id, &r)), oidc_event_name(t[i].want));
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claims_become_an_identity),
		cmocka_unit_test(another_address_is_not_verified_by_the_first),
		cmocka_unit_test(people_are_stored_as_the_go_server_stores_them),
		cmocka_unit_test(no_two_subjects_share_a_name),
		cmocka_unit_test(filters_are_asked_in_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
