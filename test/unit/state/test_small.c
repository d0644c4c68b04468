/* Names, addresses, Hostinfo: the pure parts of state/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/addr.h"
#include "state/hostinfo.h"
#include "state/names.h"

/* ---- names ---- */

static void host_names_become_labels(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "Joe's Mac mini", "joes-mac-mini" },
		{ "Test@Host", "test-host" },
		{ "mail.server", "mail-server" },
		{ "My-PC!", "my-pc" },
		{ "\xe6\x88\x91\xe7\x9a\x84\xe7\x94\xb5\xe8\x84\x91", "node" },
		{ "", "node" },
		{ "---", "node" },
		{ "box.local", "box" },
		{ "box.localdomain", "box" },
		{ "box.lan", "box" },
		{ "box.lan.local", "box" },
		{ "a__b", "a--b" },
		{ "-x-", "x" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-b",
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
	};
	char out[NODE_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		name_from_hostname(cases[i].in, out);
		if (strcmp(out, cases[i].out) != 0)
			fail_msg("%s gives %s, not %s", cases[i].in, out, cases[i].out);
		assert_true(name_is_label(out));
		assert_true(name_is_derived(out, cases[i].in));
	}
}

static void numbered_names_stay_labels(void **state)
{
	char base[NODE_NAME_MAX + 1], out[NODE_NAME_MAX + 1];

	(void)state;
	memset(base, 'a', NODE_NAME_MAX);
	base[NODE_NAME_MAX] = '\0';
	base[60] = '-';
	for (unsigned n = 0; n < 100000; n = n * 3 + 1) {
		name_numbered(base, n, out);
		assert_true(name_is_label(out));
		assert_true(strlen(out) <= NODE_NAME_MAX);
		assert_true(name_is_derived(out, base));
		assert_null(strstr(out, "--"));
	}
	name_numbered("x", 3, out);
	assert_string_equal(out, "x-3");
	assert_false(name_is_derived("x-03", "x"));
	assert_false(name_is_derived("y-3", "x"));
	assert_false(name_is_derived("x-", "x"));
	assert_false(name_is_derived("x-99999999999999999999", "x"));
}

static void labels_are_told_from_others(void **state)
{
	static const char *const good[] = { "a", "A1", "a-b", "0" };
	static const char *const bad[] = { "", "-a", "a-", "a.b", "a b", "\xc3\xa4",
					   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(name_is_label(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(name_is_label(bad[i]));
}

/* ---- addresses ---- */

static struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p;

	assert_int_equal(ip_prefix_parse(bytes_of_str(s), &p), ST_OK);
	return p;
}

struct taken {
	struct ip_addr v[300];
	size_t n;
};

static bool is_taken(void *arg, const struct ip_addr *a)
{
	const struct taken *t = arg;

	for (size_t i = 0; i < t->n; i++)
		if (ip_eq(&t->v[i], a))
			return true;
	return false;
}

static void a_prefix_is_given_whole_and_nothing_twice(void **state)
{
	(void)state;
	for (int random = 0; random < 2; random++) {
		struct addr_pool pool = { 0 };
		struct taken t = { .n = 0 };
		struct ip_prefix p = prefix("10.0.0.0/24");
		struct ip_addr a;

		addr_pool_set(&pool, p, random != 0);
		while (addr_pool_next(&pool, is_taken, &t, &a) == ST_OK) {
			assert_true(ip_prefix_contains(&p, &a));
			assert_false(is_taken(&t, &a));
			assert_true(a.b[15] != 0 && a.b[15] != 255);
			assert_true(t.n < 254);
			t.v[t.n++] = a;
		}
		assert_int_equal(t.n, 254);
		assert_int_equal(addr_pool_next(&pool, is_taken, &t, &a), ST_TOO_BIG);
		t.v[100] = t.v[--t.n];
		assert_int_equal(addr_pool_next(&pool, is_taken, &t, &a), ST_TOO_BIG); /* it has not heard of it */
		addr_pool_freed(&pool);
		assert_int_equal(addr_pool_next(&pool, is_taken, &t, &a), ST_OK);
	}
}

static void sequential_goes_up_and_round(void **state)
{
	struct addr_pool pool = { 0 };
	struct taken t = { .n = 0 };
	struct ip_addr a, seen;

	(void)state;
	assert_int_equal(ip_parse(BYTES_LIT("10.0.0.253"), &seen), ST_OK);
	addr_pool_set(&pool, prefix("10.0.0.0/24"), false);
	assert_int_equal(addr_pool_next(&pool, is_taken, &t, &a), ST_OK);
	assert_int_equal(a.b[15], 1);
	addr_pool_seen(&pool, &seen);
	assert_int_equal(addr_pool_next(&pool, is_taken, &t, &a), ST_OK);
	assert_int_equal(a.b[15], 254);
	assert_int_equal(addr_pool_next(&pool, is_taken, &t, &a), ST_OK);
	assert_int_equal(a.b[15], 1); /* freed ones are given again */
}

static void reserved_addresses_are_left_out(void **state)
{
	static const struct {
		const char *prefix, *last, *next;
	} cases[] = {
		{ "100.64.0.0/10", "100.99.255.255", "100.100.1.0" },
		{ "100.64.0.0/10", "100.100.100.99", "100.100.100.101" },
		{ "100.64.0.0/10", "100.115.91.255", "100.115.94.0" },
		{ "100.64.0.0/10", "100.127.255.254", "100.64.0.1" },
		{ "fd7a:115c:a1e0::/48", "fd7a:115c:a1e0::52", "fd7a:115c:a1e0::54" },
	};
	struct taken t = { .n = 0 };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct addr_pool pool = { 0 };
		struct ip_addr a, want, last;

		addr_pool_set(&pool, prefix(cases[i].prefix), false);
		assert_int_equal(ip_parse(bytes_of_str(cases[i].last), &last), ST_OK);
		assert_int_equal(ip_parse(bytes_of_str(cases[i].next), &want), ST_OK);
		addr_pool_seen(&pool, &last);
		assert_int_equal(addr_pool_next(&pool, is_taken, &t, &a), ST_OK);
		if (!ip_eq(&a, &want))
			fail_msg("after %s comes another than %s", cases[i].last, cases[i].next);
	}
}

static void prefixes_without_room_give_nothing(void **state)
{
	static const char *const cases[] = { "10.0.0.1/32", "10.0.0.0/31", "100.100.0.0/24", "100.115.92.0/24",
					     "fd7a:115c:a1e0::53/128" };
	struct taken t = { .n = 0 };
	struct ip_addr a;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (int random = 0; random < 2; random++) {
			struct addr_pool pool = { 0 };

			addr_pool_set(&pool, prefix(cases[i]), random != 0);
			if (addr_pool_next(&pool, is_taken, &t, &a) != ST_TOO_BIG)
				fail_msg("%s gives something", cases[i]);
		}
}

/* ---- Hostinfo ---- */

static void peers_get_little_of_a_hostinfo(void **state)
{
	static const char in[] =
		"{\"IPNVersion\":\"1.102.5\",\"BackendLogID\":\"d23576\",\"OS\":\"linux\",\"OSVersion\":\"6.1\","
		"\"Hostname\":\"n1\",\"RoutableIPs\":[\"10.1.2.3/8\",\"::/0\",\"10.0.0.0/8\"],"
		"\"RequestTags\":[\"tag:b\",\"tag:a\"],\"ShieldsUp\":false,\"AppConnector\":true,"
		"\"Services\":[{\"Proto\":\"tcp\",\"Port\":22},{\"Proto\":\"peerapi4\",\"Port\":1234,\"Description\":\"x\"}],"
		"\"NetInfo\":{\"PreferredDERP\":7},\"sshHostKeys\":[\"ssh-ed25519 AAAA\"],"
		"\"Location\":{\"Country\":\"X\"}}";
	struct hostinfo_facts f;
	struct hostinfo h;

	(void)state;
	assert_int_equal(hostinfo_parse(BYTES_LIT(in), &h, NULL), ST_OK);
	assert_true(bytes_eq_str(shared_bytes_view(h.peer),
				 "{\"OS\":\"linux\",\"Hostname\":\"n1\",\"AppConnector\":true,"
				 "\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":1234}],"
				 "\"sshHostKeys\":[\"ssh-ed25519 AAAA\"],\"Location\":{\"Country\":\"X\"}}"));
	assert_true(bytes_eq_str(shared_bytes_view(h.json), in));
	assert_true(h.has_netinfo);
	assert_int_equal(h.home_derp, 7);
	assert_string_equal(h.hostname, "n1");
	assert_int_equal(h.routes->n, 2); /* masked, once, in their order */
	assert_int_equal(h.routes->v[0].bits, 8);
	assert_int_equal(h.routes->v[1].bits, 0);
	assert_string_equal(h.request_tags->v[0], "tag:a");
	assert_int_equal(h.ssh_host_keys->n, 1);
	hostinfo_facts(h.json, &f);
	assert_string_equal(f.os, "linux");
	assert_string_equal(f.os_version, "6.1");
	assert_string_equal(f.client_version, "1.102.5");
	hostinfo_release(&h);
}

static void peers_get_each_member_in_its_type_or_not_at_all(void **state)
{
	static const struct {
		const char *in, *peer, *why;
	} cases[] = {
		{ "{\"OS\":7,\"DeviceModel\":[],\"App\":{}}", "{}", "texts" },
		{ "{\"OS\":\"\\u0000\",\"App\":\"a\\u0000b\"}", "{\"App\":\"a\"}", "texts with a NUL" },
		{ "{\"ShieldsUp\":\"true\",\"AppConnector\":1,\"PeerRelay\":null,\"WireIngress\":[true],\"IngressEnabled\":{}}", "{}", "flags" },
		{ "{\"sshHostKeys\":[7,{},null,\"ssh-ed25519 AAAA\",[\"x\"],true]}", "{\"sshHostKeys\":[\"ssh-ed25519 AAAA\"]}",
		  "elements of a list" },
		{ "{\"sshHostKeys\":[1,2]}", "{}", "a list without one good element" },
		{ "{\"Services\":[7,null,[],{\"Proto\":[\"peerapi4\"],\"Port\":1},{\"Proto\":\"peerapi4\",\"Port\":\"1\"},"
		  "{\"Proto\":\"peerapi4\",\"Port\":1.5},{\"Proto\":\"peerapi6\",\"Port\":65537,\"Description\":[]}]}",
		  "{\"Services\":[{\"Proto\":\"peerapi6\",\"Port\":1}]}", "services" },
		{ "{\"Location\":\"here\"}", "{}", "a location that is none" },
		{ "{\"Location\":{\"Country\":7,\"City\":\"Z\",\"CityCode\":{},\"Latitude\":\"1\",\"Longitude\":8.5,\"Priority\":1.5,"
		  "\"Evil\":{}}}",
		  "{\"Location\":{\"City\":\"Z\",\"Longitude\":8.5}}", "members of a location" },
		{ "{\"Location\":{\"Latitude\":1e999,\"Priority\":99999999999999999999}}", "{\"Location\":{}}", "numbers too large" },
		{ "{\"Location\":{\"Latitude\":47,\"Priority\":-3}}", "{\"Location\":{\"Latitude\":47,\"Priority\":-3}}", "good numbers" },
	};
	struct hostinfo h;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(hostinfo_parse(bytes_of_str(cases[i].in), &h, NULL), ST_OK);
		if (!bytes_eq_str(shared_bytes_view(h.peer), cases[i].peer))
			fail_msg("%s: peers get %.*s", cases[i].why, (int)h.peer->n, (const char *)h.peer->data);
		hostinfo_release(&h);
	}
}

static void facts_are_those_of_the_outermost_object(void **state)
{
	struct shared_bytes *j = shared_bytes_new(BYTES_LIT(
		"{\"x\":{\"OS\":\"inner\"},\"y\":[\"OS\",\"z\"],\"q\":\"\\\"OS\\\":\\\"no\",\"OS\" : \"yes\",\"IPNVersion\":7}"));
	struct hostinfo_facts f;

	(void)state;
	hostinfo_facts(j, &f);
	assert_string_equal(f.os, "yes");
	assert_string_equal(f.client_version, "");
	shared_bytes_unref(&j);
}

static void nothing_is_nothing(void **state)
{
	static const char *const none[] = { "", "null", "{}", " {} " };
	struct hostinfo h;

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		assert_int_equal(hostinfo_parse(bytes_of_str(none[i]), &h, NULL), ST_OK);
		assert_null(h.json);
		assert_null(h.peer);
		hostinfo_release(&h);
	}
}

static void bad_hostinfo_is_refused(void **state)
{
	static const char *const bad[] = { "[]", "7", "{", "{\"RoutableIPs\":[\"x\"]}", "{\"RoutableIPs\":[7]}",
					   "{\"RoutableIPs\":[null]}", "{\"Hostname\":7}", "{\"RequestTags\":\"x\"}",
					   "{\"NetInfo\":[]}", "{\"NetInfo\":{\"PreferredDERP\":\"x\"}}" };
	struct hostinfo h;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (hostinfo_parse(bytes_of_str(bad[i]), &h, &err) == ST_OK)
			fail_msg("%s passes", bad[i]);
}

static void a_long_host_name_is_cut_between_characters(void **state)
{
	char in[1000], *at = in;
	struct hostinfo h;

	(void)state;
	at += sprintf(at, "{\"Hostname\":\"x");
	for (int i = 0; i < 200; i++)
		at += sprintf(at, "\xc3\xa4");
	sprintf(at, "\"}");
	assert_int_equal(hostinfo_parse(bytes_of_str(in), &h, NULL), ST_OK);
	assert_int_equal(strlen(h.hostname), 255);
	hostinfo_release(&h);
}

static void the_old_netinfo_stays_when_none_is_sent(void **state)
{
	struct shared_bytes *old = shared_bytes_new(BYTES_LIT("{\"OS\":\"a\",\"NetInfo\":{\"PreferredDERP\":7}}"));
	struct shared_bytes *now = shared_bytes_new(BYTES_LIT("{\"OS\":\"b\"} ")), *got;

	(void)state;
	got = hostinfo_keep_netinfo(now, old);
	assert_true(bytes_eq_str(shared_bytes_view(got), "{\"OS\":\"b\",\"NetInfo\":{\"PreferredDERP\":7}}"));
	shared_bytes_unref(&got);
	got = hostinfo_keep_netinfo(now, now);
	assert_ptr_equal(got, now);
	shared_bytes_unref(&got);
	got = hostinfo_keep_netinfo(now, NULL);
	assert_ptr_equal(got, now);
	shared_bytes_unref(&got);
	shared_bytes_unref(&old);
	shared_bytes_unref(&now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_names_become_labels),
		cmocka_unit_test(numbered_names_stay_labels),
		cmocka_unit_test(labels_are_told_from_others),
		cmocka_unit_test(a_prefix_is_given_whole_and_nothing_twice),
		cmocka_unit_test(sequential_goes_up_and_round),
		cmocka_unit_test(reserved_addresses_are_left_out),
		cmocka_unit_test(prefixes_without_room_give_nothing),
		cmocka_unit_test(peers_get_little_of_a_hostinfo),
		cmocka_unit_test(peers_get_each_member_in_its_type_or_not_at_all),
		cmocka_unit_test(facts_are_those_of_the_outermost_object),
		cmocka_unit_test(nothing_is_nothing),
		cmocka_unit_test(bad_hostinfo_is_refused),
		cmocka_unit_test(a_long_host_name_is_cut_between_characters),
		cmocka_unit_test(the_old_netinfo_stays_when_none_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
