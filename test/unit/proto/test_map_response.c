/* Tests of proto/map_response.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "proto/map_response.h"

#define NOW ((int64_t)1700000000 * NS_PER_S)

static void joined_frames_read_as_one_text(void **state)
{
	struct map_zip *z = map_zip_new();
	struct buf in, out;

	(void)state;
	buf_init(&in, 1 << 20);
	buf_init(&out, 1 << 20);
	map_zip_put(z, BYTES_LIT("{\"a\":"), &in);
	map_zip_put(z, (struct bytes){ 0 }, &in); /* an empty frame in between */
	map_format_put(z, MAP_ZSTD, BYTES_LIT("1}"), &in);
	assert_int_equal(map_unzip(buf_bytes(&in), 100, &out), ST_OK);
	assert_true(bytes_eq_str(buf_bytes(&out), "{\"a\":1}"));
	buf_reset(&out);
	assert_int_equal(map_unzip(buf_bytes(&in), 3, &out), ST_TOO_BIG);
	for (size_t n = 1; n < in.n; n++) { /* cut anywhere: refused, or whole frames before the cut */
		enum status s;

		buf_reset(&out);
		s = map_unzip(bytes_of(in.p, n), 100, &out);
		assert_true(s == ST_BAD_INPUT || (s == ST_OK && bytes_eq_str(buf_bytes(&out), "{\"a\":")));
	}
	buf_reset(&out);
	map_format_put(z, MAP_PLAIN, BYTES_LIT("plain"), &out);
	assert_true(bytes_eq_str(buf_bytes(&out), "plain"));
	buf_release(&in);
	buf_release(&out);
	map_zip_free(&z);
}

static void the_prefix_is_little_endian(void **state)
{
	uint8_t p[MAP_PREFIX_LEN];

	(void)state;
	map_prefix_write(p, 0x01020304);
	assert_memory_equal(p, "\4\3\2\1", 4);
}

static void a_keepalive_is_never_the_bare_one(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	map_keepalive_encode(NOW, &b);
	assert_true(bytes_eq_str(buf_bytes(&b), "{\"KeepAlive\":true,\"ControlTime\":\"2023-11-14T22:13:20Z\"}"));
	buf_release(&b);
}

static void pings_ride_on_keepalives(void **state)
{
	struct map_ping p = { .url = "https://unused/machine/c2n/1", .url_is_noise = true, .log = true, .types = "c2n", .payload = BYTES_LIT("GET") };
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	p.ip.family = IP_V4;
	p.ip.b[12] = 100;
	p.ip.b[15] = 1;
	map_ping_encode(&p, NOW, &b);
	assert_true(bytes_eq_str(buf_bytes(&b), "{\"KeepAlive\":true,\"ControlTime\":\"2023-11-14T22:13:20Z\",\"PingRequest\":"
						"{\"URL\":\"https://unused/machine/c2n/1\",\"URLIsNoise\":true,\"Log\":true,\"Types\":\"c2n\","
						"\"IP\":\"100.0.0.1\",\"Payload\":\"R0VU\"}}"));
	buf_reset(&b);
	map_ping_encode(&(struct map_ping){ .url = "https://c/x" }, NOW, &b);
	assert_true(bytes_eq_str(buf_bytes(&b), "{\"KeepAlive\":true,\"ControlTime\":\"2023-11-14T22:13:20Z\",\"PingRequest\":{\"URL\":\"https://c/x\"}}"));
	buf_reset(&b);
	map_pop_browser_encode("https://c/login", NOW, &b);
	assert_true(bytes_eq_str(buf_bytes(&b), "{\"KeepAlive\":true,\"ControlTime\":\"2023-11-14T22:13:20Z\",\"PopBrowserURL\":\"https://c/login\"}"));
	buf_release(&b);
}

static void messages_replace_all_before(void **state)
{
	const struct map_message m = { .id = "a", .title = "T", .text = "x", .severity = "high", .impacts_connectivity = true,
				       .action_url = "https://c", .action_label = "Go" };
	struct buf b;
	struct jw w;

	(void)state;
	buf_init(&b, 4096);
	jw_init(&w, &b);
	map_messages_write(&m, 1, &w);
	assert_true(bytes_eq_str(buf_bytes(&b), "{\"*\":null,\"a\":{\"Title\":\"T\",\"Text\":\"x\",\"Severity\":\"high\",\"ImpactsConnectivity\":true,"
						"\"PrimaryAction\":{\"URL\":\"https://c\",\"Label\":\"Go\"}}}"));
	buf_reset(&b);
	jw_init(&w, &b);
	map_messages_write(NULL, 0, &w);
	assert_true(bytes_eq_str(buf_bytes(&b), "{\"*\":null}"));
	buf_release(&b);
}

static void older_clients_get_a_list_of_texts(void **state)
{
	const struct map_message m[] = { { .id = "a", .title = "T", .text = "x", .severity = "high" },
					 { .id = "c", .title = "U", .text = "y", .severity = "low" } };
	struct buf b;
	struct jw w;

	(void)state;
	buf_init(&b, 4096);
	jw_init(&w, &b);
	map_health_write(m, 2, &w);
	assert_true(bytes_eq_str(buf_bytes(&b), "[\"T: x | U: y\"]"));
	buf_reset(&b);
	jw_init(&w, &b);
	map_health_write(NULL, 0, &w); /* nothing left: a list all the same, or the client keeps what it has */
	assert_true(bytes_eq_str(buf_bytes(&b), "[]"));
	buf_release(&b);
}

static void newer_releases_ride_on_keepalives(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	map_client_version_encode(&(struct map_client_version){ "1.104.5", true }, NOW, &b);
	assert_true(bytes_eq_str(buf_bytes(&b), "{\"KeepAlive\":true,\"ControlTime\":\"2023-11-14T22:13:20Z\","
						"\"ClientVersion\":{\"LatestVersion\":\"1.104.5\",\"UrgentSecurityUpdate\":true}}"));
	buf_reset(&b);
	map_client_version_encode(&(struct map_client_version){ NULL, false }, NOW, &b);
	assert_true(bytes_eq_str(buf_bytes(&b), "{\"KeepAlive\":true,\"ControlTime\":\"2023-11-14T22:13:20Z\","
						"\"ClientVersion\":{\"RunningLatest\":true}}"));
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joined_frames_read_as_one_text),
		cmocka_unit_test(the_prefix_is_little_endian),
		cmocka_unit_test(a_keepalive_is_never_the_bare_one),
		cmocka_unit_test(pings_ride_on_keepalives),
		cmocka_unit_test(messages_replace_all_before),
		cmocka_unit_test(older_clients_get_a_list_of_texts),
		cmocka_unit_test(newer_releases_ride_on_keepalives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
