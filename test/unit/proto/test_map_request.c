/* Tests of proto/map_request.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json_in.h"
#include "proto/map_request.h"
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

static enum status parse(const char *text, struct map_request *r)
{
	size_t n = strlen(text);
	char *copy = malloc(n + 1); /* exactly sized: reading past the end shows */
	enum status s;

	memcpy(copy, text, n);
	s = map_request_parse(bytes_of(copy, n), a, r, NULL);
	free(copy);
	return s;
}

static bool known(const char *const *names, const char *name)
{
	for (; *names != NULL; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static void check_members(struct json_object *o, const char *const *names)
{
	struct json_object_iter it;

	if (o == NULL)
		return;
	json_object_object_foreachC(o, it) {
		const char *name = it.key;

		if (!known(names, name))
			fail_msg("a client sends %s, which nobody here knows", name);
	}
}

static void what_clients_send_parses_and_holds_nothing_unknown(void **state)
{
	static const char *const top[] = { "Version", "Compress", "KeepAlive", "NodeKey", "DiscoKey", "Stream", "Hostinfo", "Endpoints",
					   "EndpointTypes", "OmitPeers", "DebugFlags", "TKAHead", "ReadOnly", NULL };
	static const char *const host[] = { "IPNVersion", "BackendLogID", "OS", "OSVersion", "Container", "Distro", "DistroVersion",
					    "DistroCodeName", "Desktop", "Hostname", "NoLogsNoSupport", "Machine", "GoArch", "GoArchVar",
					    "GoVersion", "Services", "Userspace", "UserspaceRouter", "AppConnector", "StateEncrypted",
					    "NetInfo", "sshHostKeys", "RoutableIPs", NULL };
	static const char *const net[] = { "MappingVariesByDestIP", "HairPinning", "WorkingIPv6", "OSHasIPv6", "WorkingUDP",
					   "WorkingICMPv4", "UPnP", "PMP", "PCP", "PreferredDERP", "DERPLatency", "FirewallMode", NULL };
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		struct json_object *o = NULL, *h = NULL, *ni = NULL;
		struct map_request r;

		if (strcmp(vectors[i].path, "/machine/map") != 0)
			continue;
		assert_int_equal(parse(vectors[i].body, &r), ST_OK);
		assert_int_equal(r.format, MAP_ZSTD);
		assert_true(r.version == 142 || r.version == 113);
		assert_false(disco_key_is_zero(&r.disco_key));
		assert_true(r.hostinfo.n > 100);
		assert_int_equal(r.n_dropped, 0);
		assert_int_equal(json_parse(bytes_of_str(vectors[i].body), 1 << 20, &o, NULL), ST_OK);
		check_members(o, top);
		if (json_object_object_get_ex(o, "Hostinfo", &h))
			check_members(h, host);
		if (json_object_object_get_ex(h, "NetInfo", &ni)) {
			check_members(ni, net);
			assert_int_equal(r.home_derp, json_object_get_int(json_object_object_get(ni, "PreferredDERP")));
		}
		json_object_put(o);
		n++;
	}
	assert_true(n >= 10);
}

static void every_prefix_is_refused(void **state)
{
	struct map_request r;
	const char *text = "{\"Version\":113,\"NodeKey\":\"" KEY "\",\"Endpoints\":[\"1.2.3.4:5\"],\"Hostinfo\":{\"NetInfo\":{\"PreferredDERP\":3}}}";
	size_t n = strlen(text);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		char *copy = malloc(i + 1);

		memcpy(copy, text, i);
		assert_int_equal(map_request_parse(bytes_of(copy, i), a, &r, NULL), ST_BAD_INPUT);
		free(copy);
	}
	assert_int_equal(parse(text, &r), ST_OK);
	assert_int_equal(r.home_derp, 3);
	assert_int_equal(r.n_endpoints, 1);
}

static void the_mode_follows_from_three_flags(void **state)
{
	static const struct {
		const char *members, *why;
		enum map_mode mode;
		bool has_endpoints;
	} cases[] = {
		{ "\"Stream\":true", "long poll", MAP_STREAM, false },
		{ "\"Stream\":true,\"OmitPeers\":true", "a stream is a stream", MAP_STREAM, false },
		{ "\"OmitPeers\":true", "lite update: no endpoints are an empty list", MAP_UPDATE, true },
		{ "\"KeepAlive\":true", "one-shot", MAP_ONCE, true },
		{ "\"ReadOnly\":true", "read only", MAP_READ_ONLY, false },
		{ "\"ReadOnly\":true,\"Stream\":true", "read only wins", MAP_READ_ONLY, false },
		{ "\"Stream\":null,\"OmitPeers\":null", "null is absent", MAP_ONCE, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[512];
		struct map_request r;

		snprintf(text, sizeof text, "{\"NodeKey\":\"" KEY "\",%s}", cases[i].members);
		if (parse(text, &r) != ST_OK || r.mode != cases[i].mode || r.has_endpoints != cases[i].has_endpoints)
			fail_msg("%s", cases[i].why);
		assert_int_equal(r.format, MAP_PLAIN);
	}
}

static void an_endpoint_that_is_none_is_dropped_and_the_rest_kept(void **state)
{
	static const char *const bad[] = { "",            "1.2.3.4",       "1.2.3.4:",       ":5",           "1.2.3.4:0",
					   "1.2.3.4:65536", "1.2.3.4:-1",  "1.2.3.4:+1",     "1.2.3.4:1x",   "01.2.3.4:1",
					   "1.2.3:1",     "2001:db8::1:5", "[fe80::1%eth0]:5", "[2001:db8::1]", "[2001:db8::1:5",
					   "host:5",      "0.0.0.0:1",     "[::]:1",         " 1.2.3.4:1",   "[]:1",
					   "1.2.3.4:000001" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char text[512];
		struct map_request r;

		snprintf(text, sizeof text, "{\"NodeKey\":\"" KEY "\",\"Endpoints\":[\"%s\",\"[2001:db8::1]:41641\"],\"EndpointTypes\":[1,2]}", bad[i]);
		assert_int_equal(parse(text, &r), ST_OK);
		if (r.n_endpoints != 1 || r.n_dropped != 1)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(r.endpoints[0].port, 41641);
		assert_int_equal(r.endpoints[0].type, 2); /* types stay with their endpoint */
		assert_int_equal(r.endpoints[0].addr.family, IP_V6);
	}
}

static void wrong_types_and_keys_are_refused(void **state)
{
	static const char *const bad[] = {
		"[]", "null", "7", "{}", "{\"NodeKey\":\"\"}", "{\"NodeKey\":null}", "{\"NodeKey\":7}",
		"{\"NodeKey\":\"nodekey:0000000000000000000000000000000000000000000000000000000000000000\"}",
		"{\"NodeKey\":\"mkey:abd48af70c917bce69ce061d1f46054ae4eb26c9a0630858d782139478310163\"}",
		"{\"NodeKey\":\"" KEY "\",\"Version\":\"113\"}", "{\"NodeKey\":\"" KEY "\",\"Version\":-1}",
		"{\"NodeKey\":\"" KEY "\",\"Version\":1e3}", "{\"NodeKey\":\"" KEY "\",\"Stream\":1}",
		"{\"NodeKey\":\"" KEY "\",\"Endpoints\":{}}", "{\"NodeKey\":\"" KEY "\",\"Hostinfo\":[]}",
		"{\"NodeKey\":\"" KEY "\",\"Hostinfo\":{\"NetInfo\":1}}", "{\"NodeKey\":\"" KEY "\",\"Compress\":\"gzip\"}",
		"{\"NodeKey\":\"" KEY "\",\"DiscoKey\":\"\"}", "{\"NodeKey\":\"" KEY "\"}x",
	};
	struct map_request r;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (parse(bad[i], &r) != ST_BAD_INPUT)
			fail_msg("%s was taken", bad[i]);
}

static void limits_hold(void **state)
{
	struct map_request r;
	struct buf b;

	(void)state;
	for (int n = MAP_ENDPOINTS_MAX; n <= MAP_ENDPOINTS_MAX + 1; n++) {
		buf_init(&b, 1 << 20);
		buf_put_str(&b, "{\"NodeKey\":\"" KEY "\",\"Endpoints\":[");
		for (int i = 0; i < n; i++)
			buf_printf(&b, "%s\"1.2.3.4:%d\"", i ? "," : "", i + 1);
		buf_put_str(&b, "]}");
		assert_int_equal(map_request_parse(buf_bytes(&b), a, &r, NULL), n <= MAP_ENDPOINTS_MAX ? ST_OK : ST_TOO_BIG);
		buf_release(&b);
	}
	buf_init(&b, MAP_REQUEST_MAX * 2);
	while (b.n <= MAP_REQUEST_MAX)
		buf_put_str(&b, "                                ");
	assert_int_equal(map_request_parse(buf_bytes(&b), a, &r, NULL), ST_TOO_BIG);
	buf_release(&b);
}

static void members_nobody_knows_are_passed_over_and_hostinfo_is_kept_whole(void **state)
{
	struct map_request r;

	(void)state;
	assert_int_equal(parse("{\"Future\":{\"x\":[1]},\"NodeKey\":\"" KEY "\",\"Hostinfo\": { \"OS\" : \"linux\", \"New\": [ 1.5, null ] } }", &r), ST_OK);
	assert_true(bytes_eq_str(r.hostinfo, "{\"OS\":\"linux\",\"New\":[1.5,null]}"));
	assert_int_equal(parse("{\"NodeKey\":\"" KEY "\",\"Hostinfo\":null}", &r), ST_OK);
	assert_int_equal(r.hostinfo.n, 0);
	assert_int_equal(parse("{\"NodeKey\":\"" KEY "\",\"Hostinfo\":{\"NetInfo\":{\"PreferredDERP\":70000}}}", &r), ST_OK);
	assert_int_equal(r.home_derp, 0); /* no region has such a number */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_clients_send_parses_and_holds_nothing_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(every_prefix_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(the_mode_follows_from_three_flags, setup, teardown),
		cmocka_unit_test_setup_teardown(an_endpoint_that_is_none_is_dropped_and_the_rest_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_types_and_keys_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(members_nobody_knows_are_passed_over_and_hostinfo_is_kept_whole, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
