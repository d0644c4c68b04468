/* Tests of the client's own parts: a checker that never complains would be worth nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <zstd.h>

#include "client/frames.h"
#include "client/netmap.h"

#define KEY_A "nodekey:00000000000000000000000000000000000000000000000000000000000000aa"
#define KEY_B "nodekey:00000000000000000000000000000000000000000000000000000000000000bb"
#define KEY_C "nodekey:00000000000000000000000000000000000000000000000000000000000000cc"
#define KEY_D "nodekey:00000000000000000000000000000000000000000000000000000000000000dd"

#define NODE(id, key, more)                                                                                          \
	"{\"ID\":" #id ",\"StableID\":\"s" #id "\",\"Name\":\"n" #id ".tail.test.\",\"User\":7,\"Key\":\"" key       \
	"\",\"Addresses\":[\"100.64.0." #id "/32\"]" more "}"
#define PROFILE "\"UserProfiles\":[{\"ID\":7,\"LoginName\":\"me\",\"DisplayName\":\"Me\"}]"
#define REST                                                                                                         \
	"\"DERPMap\":{\"Regions\":{\"1\":{\"RegionID\":1,\"Nodes\":[{\"Name\":\"1a\"}]}}},\"DNSConfig\":{},"         \
	"\"Domain\":\"tail.test\",\"PacketFilter\":[]"
#define SELF "\"Node\":" NODE(1, KEY_A, "")
#define PEERS "\"Peers\":[" NODE(2, KEY_B, ",\"HomeDERP\":1,\"Online\":true") "," NODE(3, KEY_C, "") "]"
#define FIRST "{" SELF "," PEERS "," PROFILE "," REST "}"

static void apply(struct netmap *m, const char *json)
{
	netmap_apply(m, bytes_of_str(json));
}

static void a_good_stream_breaks_no_rule(void **state)
{
	static const char *const messages[] = {
		FIRST,
		"{\"KeepAlive\":true,\"ControlTime\":\"2026-08-22T12:00:55Z\"}",
		"{\"PeersChangedPatch\":[{\"NodeID\":2,\"DERPRegion\":3,\"Endpoints\":[\"198.51.100.9:41641\",\"[2001:db8::1]:1\"]}]}",
		"{\"OnlineChange\":{\"3\":true}}",
		"{\"PeersChanged\":[" NODE(4, KEY_D, "") "]," PROFILE "}",
		"{\"PeersRemoved\":[2]}",
		"{\"PacketFilters\":{\"a\":[{\"SrcIPs\":[\"100.64.0.0/10\",\"10.0.0.1-10.0.0.9\",\"*\"],\"DstPorts\":[{\"IP\":\"*\",\"Ports\":{\"First\":0,\"Last\":65535}}]}]}}",
	};
	struct netmap *m = netmap_new();

	(void)state;
	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
		apply(m, messages[i]);
	netmap_report(m, stderr);
	assert_int_equal(netmap_violations(m), 0);
	assert_int_equal(netmap_peers(m), 2);
	assert_null(netmap_peer(m, 2));
	assert_non_null(netmap_peer_named(m, "n4"));
	assert_true(json_object_get_boolean(json_object_object_get(netmap_peer(m, 3), "Online")));
	assert_int_equal(netmap_rules(m), 1);
	assert_int_equal(netmap_stats(m)->keepalives, 1);
	assert_int_equal(netmap_stats(m)->cheap, 5);
	assert_int_equal(netmap_stats(m)->rebuilds, 0);
	netmap_free(&m);
}

/* After FIRST (unless it is the first itself), this message breaks this rule. */
static const struct {
	enum netmap_violation rule;
	bool is_first;
	const char *message;
} bad[] = {
	{ NETMAP_BAD_JSON, false, "{\"Peers\":" },
	{ NETMAP_BAD_JSON, false, "[]" },
	{ NETMAP_BAD_FIELD, false, "{\"PeersChangedPatch\":[{\"NodeID\":2,\"Online\":\"true\"}]}" },
	{ NETMAP_BAD_FIELD, false, "{\"PeersChangedPatch\":[{\"NodeID\":2,\"Endpoints\":[\"1.2.3.4\"]}]}" },
	{ NETMAP_BAD_FIELD, false, "{\"PeersChangedPatch\":[{\"NodeID\":2,\"LastSeen\":\"\"}]}" },
	{ NETMAP_BAD_FIELD, false, "{\"PeersChanged\":{}}" },
	{ NETMAP_KEEPALIVE_TRAP, false, "{\"KeepAlive\":true}" },
	{ NETMAP_EMPTY, false, "{}" },
	{ NETMAP_EMPTY, false, "{\"ControlTime\":\"2026-08-22T12:00:55Z\",\"PeersChanged\":[]}" },
	{ NETMAP_NUL, false, "{\"Domain\":\"a\\u0000b\"}" },
	{ NETMAP_FIRST_NODE, true, "{" PEERS "," PROFILE "," REST "}" },
	{ NETMAP_FIRST_DERP, true, "{" SELF "," PROFILE ",\"DERPMap\":{\"Regions\":{}},\"DNSConfig\":{},\"Domain\":\"x\",\"PacketFilter\":[]}" },
	{ NETMAP_FIRST_PROFILES, true, "{" SELF "," REST "}" },
	{ NETMAP_FIRST_DNS, true, "{" SELF "," PROFILE ",\"Domain\":\"x\",\"PacketFilter\":[]}" },
	{ NETMAP_FIRST_DOMAIN, true, "{" SELF "," PROFILE ",\"DNSConfig\":{},\"PacketFilter\":[]}" },
	{ NETMAP_FIRST_FILTER, true, "{" SELF "," PROFILE ",\"DNSConfig\":{},\"Domain\":\"x\",\"PacketFilter\":null}" },
	{ NETMAP_SELF_AMONG_PEERS, false, "{\"PeersChanged\":[" NODE(1, KEY_A, "") "]}" },
	{ NETMAP_SELF_CHANGED, false, "{\"Node\":" NODE(9, KEY_A, "") "}" },
	{ NETMAP_STABLE_CHANGED, false, "{\"PeersChanged\":[{\"ID\":2,\"StableID\":\"other\",\"Name\":\"n2.tail.test.\",\"User\":7,\"Key\":\"" KEY_B "\",\"Addresses\":[\"100.64.0.2/32\"]}]}" },
	{ NETMAP_UNSORTED, false, "{\"PeersChanged\":[" NODE(3, KEY_C, "") "," NODE(2, KEY_B, "") "]}" },
	{ NETMAP_UNSORTED, false, "{\"PeersChanged\":[" NODE(3, KEY_C, "") "," NODE(3, KEY_C, "") "]}" },
	{ NETMAP_PEERS_EMPTY, false, "{\"Peers\":[]}" },
	{ NETMAP_PEERS_AND_DELTA, false, "{" PEERS ",\"OnlineChange\":{\"2\":true}}" },
	{ NETMAP_UNKNOWN_PATCH, false, "{\"PeersChangedPatch\":[{\"NodeID\":44,\"DERPRegion\":1}]}" },
	{ NETMAP_UNKNOWN_PATCH, false, "{\"PeersChangedPatch\":[{\"NodeID\":1,\"DERPRegion\":1}]}" },
	{ NETMAP_UNKNOWN_PATCH, false, "{\"PeersRemoved\":[2],\"PeersChangedPatch\":[{\"NodeID\":2,\"Online\":false}]}" },
	{ NETMAP_UNKNOWN_ONLINE, false, "{\"OnlineChange\":{\"44\":true}}" },
	{ NETMAP_UNKNOWN_SEEN, false, "{\"PeerSeenChange\":{\"44\":true}}" },
	{ NETMAP_KEY_TWICE, false, "{\"PeersChanged\":[" NODE(4, KEY_B, "") "]}" },
	{ NETMAP_KEY_TWICE, false, "{\"PeersChangedPatch\":[{\"NodeID\":3,\"Key\":\"" KEY_B "\"}]}" },
	{ NETMAP_KEY_TWICE, false, "{\"PeersChanged\":[" NODE(4, KEY_A, "") "]}" },
	{ NETMAP_ADDRESS_TWICE, false, "{\"PeersChanged\":[{\"ID\":4,\"StableID\":\"s4\",\"Name\":\"n4.tail.test.\",\"User\":7,\"Key\":\"" KEY_D "\",\"Addresses\":[\"100.64.0.2/32\"]}]}" },
	{ NETMAP_NAME_TWICE, false, "{\"PeersChanged\":[{\"ID\":4,\"StableID\":\"s4\",\"Name\":\"n2.tail.test.\",\"User\":7,\"Key\":\"" KEY_D "\",\"Addresses\":[\"100.64.0.4/32\"]}]}" },
	{ NETMAP_MOVED, false, "{\"PeersRemoved\":[2],\"PeersChanged\":[" NODE(4, KEY_B, "") "]}" },
	{ NETMAP_NO_PROFILE, false, "{\"PeersChanged\":[{\"ID\":4,\"StableID\":\"s4\",\"Name\":\"n4.tail.test.\",\"User\":8,\"Key\":\"" KEY_D "\",\"Addresses\":[\"100.64.0.4/32\"]}]}" },
	{ NETMAP_BAD_NODE, false, "{\"PeersChanged\":[{\"ID\":4,\"StableID\":\"\",\"Name\":\"n4.tail.test.\",\"User\":7,\"Key\":\"" KEY_D "\",\"Addresses\":[\"100.64.0.4/32\"]}]}" },
	{ NETMAP_BAD_NODE, false, "{\"PeersChanged\":[{\"ID\":4,\"StableID\":\"s4\",\"Name\":\"n4\",\"User\":7,\"Key\":\"" KEY_D "\",\"Addresses\":[\"100.64.0.4/32\"]}]}" },
	{ NETMAP_CHANGE_LOST, false, "{\"PeersChanged\":[" NODE(2, KEY_B, ",\"HomeDERP\":1") "]}" },
	{ NETMAP_CHANGE_LOST, false, "{\"PeersChanged\":[" NODE(2, KEY_B, ",\"Online\":true") "]}" },
	{ NETMAP_BAD_FILTER, false, "{\"PacketFilter\":[{\"SrcIPs\":[\"100.64.0.1/10\"],\"DstPorts\":[]}]}" },
	{ NETMAP_BAD_FILTER, false, "{\"PacketFilter\":[{\"SrcIPs\":[\"*\"],\"SrcBits\":[8],\"DstPorts\":[]}]}" },
};

static void every_rule_is_seen_broken(void **state)
{
	bool seen[NETMAP_VIOLATION_COUNT] = { false };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct netmap *m = netmap_new();

		if (!bad[i].is_first)
			apply(m, FIRST);
		assert_int_equal(netmap_violations(m), 0);
		apply(m, bad[i].message);
		if (!netmap_violated(m, bad[i].rule)) {
			netmap_report(m, stderr);
			fail_msg("rule %d was not seen broken by %s", bad[i].rule, bad[i].message);
		}
		seen[bad[i].rule] = true;
		netmap_free(&m);
	}
	for (size_t i = 0; i < NETMAP_VIOLATION_COUNT; i++)
		if (!seen[i])
			fail_msg("rule %zu has no case here", i);
}

static void what_costs_a_client_is_counted(void **state)
{
	struct netmap *m = netmap_new();

	(void)state;
	apply(m, FIRST);
	apply(m, "{\"DNSConfig\":{}}"); /* says nothing new, and costs a rebuild */
	apply(m, "{\"PeersChanged\":[" NODE(2, KEY_B, ",\"HomeDERP\":2,\"Online\":true") "]}");
	apply(m, "{\"PeersChangedPatch\":[{\"NodeID\":2,\"Cap\":148}]}");
	assert_int_equal(netmap_stats(m)->nothing, 1);
	assert_int_equal(netmap_stats(m)->whole_for_patch, 1);
	assert_int_equal(netmap_stats(m)->costly_patches, 1);
	assert_int_equal(netmap_stats(m)->rebuilds, 2);
	assert_int_equal(netmap_stats(m)->cheap, 1);
	netmap_free(&m);
}

/* --- frames ------------------------------------------------------------------------------- */

struct heard {
	unsigned n;
	size_t bytes;
	unsigned stop_after;
};

static bool take(void *arg, struct bytes payload)
{
	struct heard *h = arg;

	h->n++;
	h->bytes += payload.n;
	for (size_t i = 0; i < payload.n; i++)
		assert_int_equal(payload.p[i], payload.n & 0xff);
	return h->n != h->stop_after;
}

static size_t put_message(uint8_t *to, size_t n)
{
	to[0] = (uint8_t)n;
	to[1] = (uint8_t)(n >> 8);
	to[2] = to[3] = 0;
	memset(to + 4, (int)(n & 0xff), n);
	return 4 + n;
}

static void messages_are_cut_whatever_the_pieces(void **state)
{
	static const size_t sizes[] = { 1, 3, 300, 5, 70 };
	uint8_t wire[600];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		n += put_message(wire + n, sizes[i]);
	for (size_t piece = 1; piece <= n; piece++) {
		struct map_frames f;
		struct heard h = { 0 };

		map_frames_init(&f);
		for (size_t at = 0; at < n; at += piece)
			assert_int_equal(map_frames_feed(&f, bytes_of(wire + at, n - at < piece ? n - at : piece), take, &h), ST_OK);
		assert_int_equal(h.n, 5);
		assert_int_equal(h.bytes, 379);
		assert_true(map_frames_at_boundary(&f));
		map_frames_release(&f);
	}
}

static void bad_lengths_lose_the_stream(void **state)
{
	struct map_frames f;
	struct heard h = { 0 };

	(void)state;
	map_frames_init(&f);
	assert_int_equal(map_frames_feed(&f, BYTES_LIT("\0\0\0\0x"), take, &h), ST_BAD_INPUT);
	assert_int_equal(map_frames_feed(&f, BYTES_LIT("\xff\xff\xff\xffx"), take, &h), ST_TOO_BIG);
	assert_int_equal(map_frames_feed(&f, BYTES_LIT("\xff\xff"), take, &h), ST_OK);
	assert_false(map_frames_at_boundary(&f));
	assert_int_equal(map_frames_feed(&f, BYTES_LIT("\xff\xff"), take, &h), ST_TOO_BIG);
	assert_int_equal(h.n, 0);
	map_frames_release(&f);
}

static void zstd_frames_are_joined(void **state)
{
	struct map_decoder *d = map_decoder_new();
	uint8_t wire[1024];
	struct bytes json;
	size_t n = 0;

	(void)state;
	n += ZSTD_compress(wire + n, sizeof wire - n, "{\"a\"", 4, 3);
	memcpy(wire + n, "\x50\x2a\x4d\x18\x03\x00\x00\x00xyz", 11); /* skippable */
	n += 11;
	memcpy(wire + n, "\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00", 9); /* empty */
	n += 9;
	n += ZSTD_compress(wire + n, sizeof wire - n, ":1}", 3, 3);
	assert_int_equal(map_decode(d, bytes_of(wire, n), &json), ST_OK);
	assert_true(bytes_eq_str(json, "{\"a\":1}"));
	for (size_t cut = 1; cut < n; cut++)
		if (map_decode(d, bytes_of(wire, cut), &json) == ST_OK)
			assert_true(bytes_eq_str(json, "{\"a\""));
	wire[n] = 'x';
	assert_int_equal(map_decode(d, bytes_of(wire, n + 1), &json), ST_BAD_INPUT);
	assert_int_equal(map_decode(d, BYTES_LIT("{\"KeepAlive\":true}"), &json), ST_BAD_INPUT);
	assert_int_equal(map_decode(d, bytes_of(NULL, 0), &json), ST_BAD_INPUT);
	/* A window of 2^30. */
	assert_int_equal(map_decode(d, BYTES_LIT("\x28\xb5\x2f\xfd\x00\xa0\x09\x00\x00x"), &json), ST_BAD_INPUT);
	map_decoder_free(&d);
}

static void feeding_stops_when_told(void **state)
{
	struct map_frames f;
	struct heard h = { .stop_after = 2 };
	uint8_t wire[64];
	size_t n = put_message(wire, 3);

	(void)state;
	n += put_message(wire + n, 4);
	n += put_message(wire + n, 5);
	map_frames_init(&f);
	assert_int_equal(map_frames_feed(&f, bytes_of(wire, n), take, &h), ST_OK);
	assert_int_equal(h.n, 2);
	map_frames_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_stream_breaks_no_rule),
		cmocka_unit_test(every_rule_is_seen_broken),
		cmocka_unit_test(what_costs_a_client_is_counted),
		cmocka_unit_test(messages_are_cut_whatever_the_pieces),
		cmocka_unit_test(bad_lengths_lose_the_stream),
		cmocka_unit_test(zstd_frames_are_joined),
		cmocka_unit_test(feeding_stops_when_told),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
