/* Tests of derp/map.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "derp/map.h"

#define JSON_900                                                                                                       \
	"{\"Regions\":{\"900\":{\"RegionID\":900,\"RegionCode\":\"emb\",\"RegionName\":\"Embedded relay\","            \
	"\"Nodes\":[{\"Name\":\"900a\",\"RegionID\":900,\"HostName\":\"vpn.example.com\",\"IPv4\":\"203.0.113.10\","  \
	"\"IPv6\":\"2001:db8::10\",\"CanPort80\":true}]}}}"

static const char yaml_both[] =
	"# a comment\n"
	"regions:\n"
	"  900:\n"
	"    regionid: 900\n"
	"    regioncode: emb\n"
	"    regionname: \"Embedded relay\"\n"
	"    nodes:\n"
	"      - name: 900a\n"
	"        regionid: 900\n"
	"        hostname: vpn.example.com\n"
	"        ipv4: 203.0.113.10\n"
	"        ipv6: \"2001:db8::10\"\n"
	"        canport80: true\n"
	"  7:\n"
	"    regioncode: 7\n"
	"    latitude: 52.5\n"
	"    longitude: -13\n"
	"    nomeasurenohome: true\n"
	"    nodes:\n"
	"      - {name: 7a, hostname: a.example.com, stunport: -1, derpport: 8443}\n";

static struct derp_map *json(const char *s)
{
	struct derp_map *m = NULL;
	struct err err = { "" };
	if (derp_map_parse_json(bytes_of_str(s), &m, &err) != ST_OK)
		fail_msg("%s: %s", s, err.text);
	return m;
}

static struct derp_map *yaml(const char *s)
{
	struct derp_map *m = NULL;
	struct err err = { "" };
	if (derp_map_parse_yaml(bytes_of_str(s), &m, &err) != ST_OK)
		fail_msg("%s: %s", s, err.text);
	return m;
}

static void assert_text(const struct derp_map *m, const char *want)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	derp_map_encode(m, &b);
	buf_put_char(&b, '\0');
	assert_string_equal((char *)b.p, want);
	buf_release(&b);
}

static void json_round_trips_byte_for_byte(void **state)
{
	struct derp_map *m = json(JSON_900);
	(void)state;
	assert_text(m, JSON_900);
	derp_map_free(&m);
	m = json("{\"HomeParams\":{\"RegionScore\":{\"901\":1.5,\"3\":2}},\"Regions\":{},\"omitDefaultRegions\":true}");
	assert_text(m, "{\"HomeParams\":{\"RegionScore\":{\"3\":2,\"901\":1.5}},\"Regions\":{},\"omitDefaultRegions\":true}");
	derp_map_free(&m);
}

static void yaml_means_the_same(void **state)
{
	struct derp_map *m = yaml(yaml_both), *want = json(JSON_900);
	(void)state;
	assert_int_equal(m->n, 2);
	assert_int_equal(m->regions[0].id, 7);
	assert_string_equal(m->regions[0].code, "7");
	assert_true(m->regions[0].no_measure_no_home);
	assert_true(m->regions[0].latitude == 52.5 && m->regions[0].longitude == -13);
	assert_int_equal(m->regions[0].nodes[0].stun_port, -1);
	assert_int_equal(m->regions[0].nodes[0].derp_port, 8443);
	struct derp_map *drop = yaml("regions:\n  7: null\n");
	assert_false(derp_map_eq(m, want));
	assert_int_equal(derp_map_merge(m, drop, NULL), ST_OK);
	assert_true(derp_map_eq(m, want));
	derp_map_free(&m);
	derp_map_free(&want);
	derp_map_free(&drop);
	m = yaml("");
	assert_int_equal(m->n, 0);
	derp_map_free(&m);
}

static void the_last_region_wins_whole(void **state)
{
	struct derp_map *m = derp_map_new(), *a = json(JSON_900);
	struct derp_map *b = json("{\"Regions\":{\"900\":{\"RegionCode\":\"x\",\"Nodes\":[]},\"1\":{\"RegionCode\":\"one\"}}}");
	(void)state;
	assert_int_equal(derp_map_merge(m, a, NULL), ST_OK);
	assert_int_equal(derp_map_merge(m, b, NULL), ST_OK);
	derp_map_free(&a);
	derp_map_free(&b);
	assert_text(m, "{\"Regions\":{\"1\":{\"RegionID\":1,\"RegionCode\":\"one\",\"RegionName\":\"\",\"Nodes\":[]},"
	               "\"900\":{\"RegionID\":900,\"RegionCode\":\"x\",\"RegionName\":\"\",\"Nodes\":[]}}}");
	derp_map_free(&m);
}

static void regions_stay_sorted_through_puts_and_removals(void **state)
{
	struct derp_map *m = derp_map_new();
	(void)state;
	for (int i = 0; i < 500; i++) {
		struct derp_map_region r = { .id = 1 + i * 7919 % 1009, .code = "c", .name = "n" };
		assert_int_equal(derp_map_put_region(m, &r, NULL), ST_OK);
		if (i % 3 == 0) {
			char s[64];
			snprintf(s, sizeof s, "{\"Regions\":{\"%d\":null}}", r.id);
			struct derp_map *drop = json(s);
			size_t before = m->n;
			assert_int_equal(derp_map_merge(m, drop, NULL), ST_OK);
			assert_int_equal(m->n, before - 1);
			derp_map_free(&drop);
		}
		for (size_t k = 1; k < m->n; k++)
			assert_true(m->regions[k - 1].id < m->regions[k].id);
	}
	derp_map_free(&m);
}

static void bad_maps_are_refused_with_words(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "[]", "object" },
		{ "{\"Regions\":[]}", "Regions" },
		{ "{\"Regions\":{\"0\":{}}}", "\"0\"" },
		{ "{\"Regions\":{\"65536\":{}}}", "65536" },
		{ "{\"Regions\":{\"x\":{}}}", "\"x\"" },
		{ "{\"Regions\":{\"5\":{\"RegionID\":6}}}", "RegionID is 6" },
		{ "{\"Regions\":{\"5\":7}}", "region 5" },
		{ "{\"Regions\":{\"5\":{\"Latitude\":\"x\"}}}", "Latitude" },
		{ "{\"Regions\":{\"5\":{\"Nodes\":[{\"HostName\":\"h\"}]}}}", "Name" },
		{ "{\"Regions\":{\"5\":{\"Nodes\":[{\"Name\":\"5a\"}]}}}", "HostName" },
		{ "{\"Regions\":{\"5\":{\"Nodes\":[{\"Name\":\"5a\",\"HostName\":\"h\",\"RegionID\":4}]}}}", "region 4" },
		{ "{\"Regions\":{\"5\":{\"Nodes\":[{\"Name\":\"5a\",\"HostName\":\"h\",\"DERPPort\":70000}]}}}", "DERPPort" },
		{ "{\"Regions\":{\"5\":{\"Nodes\":[{\"Name\":\"5a\",\"HostName\":\"h\",\"STUNPort\":-2}]}}}", "STUNPort" },
		{ "{\"Regions\":{\"5\":{\"Nodes\":[{\"Name\":\"5a\",\"HostName\":\"h\",\"CertName\":\"sha256-raw:AB\"}]}}}", "pin" },
		{ "{\"Regions\":{\"5\":{\"Nodes\":[{\"Name\":\"5a\",\"HostName\":\"h\\n\"}]}}}", "control" },
		{ "{\"Regions\":{\"5\":{\"Nodes\":[{\"Name\":\"n\",\"HostName\":\"h\"}]},"
		  "\"6\":{\"Nodes\":[{\"Name\":\"n\",\"HostName\":\"h\"}]}}}", "two nodes" },
		{ "{\"HomeParams\":{\"RegionScore\":{\"1\":\"x\"}}}", "RegionScore" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct derp_map *m = NULL;
		struct err err = { "" };
		assert_int_equal(derp_map_parse_json(bytes_of_str(cases[i].text), &m, &err), ST_BAD_INPUT);
		assert_null(m);
		if (!strstr(err.text, cases[i].words))
			fail_msg("%s: says \"%s\"", cases[i].text, err.text);
	}
}

static void yaml_faults_name_their_line_and_bombs_do_not_go_off(void **state)
{
	struct derp_map *m = NULL;
	struct err err = { "" };
	char bomb[2048] = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
	(void)state;
	assert_int_equal(derp_map_parse_yaml(BYTES_LIT("regions:\n  1: {\n"), &m, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "line 3"));
	for (int i = 1; i < 12; i++) {
		char line[160];
		snprintf(line, sizeof line, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1,
		         i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
		strcat(bomb, line);
	}
	assert_int_equal(derp_map_parse_yaml(bytes_of_str(bomb), &m, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "too many"));
	assert_null(m);
}

static void spreading_depends_on_the_seed_alone(void **state)
{
	static struct derp_map_node nodes[6];
	static char names[6][4];
	struct derp_map_region r = { .id = 1, .code = "c", .name = "n", .nodes = nodes, .n = 6 };
	struct derp_map *a = derp_map_new(), *b = derp_map_new(), *c = derp_map_new();
	(void)state;
	for (int i = 0; i < 6; i++) {
		snprintf(names[i], 4, "1%c", 'a' + i);
		nodes[i] = (struct derp_map_node){ .name = names[i], .host_name = "h", .cert_name = "", .ipv4 = "",
			                           .ipv6 = "", .stun_test_ip = "" };
	}
	(void)!derp_map_put_region(a, &r, NULL);
	(void)!derp_map_put_region(c, &r, NULL);
	for (int i = 0; i < 3; i++) { /* another order in */
		struct derp_map_node t = nodes[i];
		nodes[i] = nodes[5 - i];
		nodes[5 - i] = t;
	}
	(void)!derp_map_put_region(b, &r, NULL);
	assert_false(derp_map_eq(a, b));
	derp_map_spread(a, "example.com");
	derp_map_spread(b, "example.com");
	derp_map_spread(c, "example.org");
	assert_true(derp_map_eq(a, b));
	assert_false(derp_map_eq(a, c));
	derp_map_free(&a);
	derp_map_free(&b);
	derp_map_free(&c);
}

static void the_cache_gives_back_what_was_stored(void **state)
{
	char path[] = "/tmp/derp-map-XXXXXX";
	struct derp_map *m = json(JSON_900), *back = NULL;
	struct err err = { "" };
	int fd = mkstemp(path);
	(void)state;
	close(fd);
	assert_int_equal(derp_map_cache_load(path, &back, &err), ST_BAD_INPUT); /* empty is not good */
	assert_int_equal(derp_map_cache_store(m, path, &err), ST_OK);
	assert_int_equal(derp_map_cache_load(path, &back, &err), ST_OK);
	assert_true(derp_map_eq(m, back));
	derp_map_free(&back);
	unlink(path);
	assert_int_equal(derp_map_cache_load(path, &back, &err), ST_NOT_FOUND);
	assert_int_equal(derp_map_cache_store(m, "/nonexistent/x", &err), ST_IO);
	assert_non_null(strstr(err.text, "/nonexistent/x"));
	derp_map_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_round_trips_byte_for_byte),
		cmocka_unit_test(yaml_means_the_same),
		cmocka_unit_test(the_last_region_wins_whole),
		cmocka_unit_test(regions_stay_sorted_through_puts_and_removals),
		cmocka_unit_test(bad_maps_are_refused_with_words),
		cmocka_unit_test(yaml_faults_name_their_line_and_bombs_do_not_go_off),
		cmocka_unit_test(spreading_depends_on_the_seed_alone),
		cmocka_unit_test(the_cache_gives_back_what_was_stored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
