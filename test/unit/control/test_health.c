/* What a node is told to be wrong with it: lines come, change and go with what they are about, and with time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "control/health.h"

#define NOW ((int64_t)1700000000 * NS_PER_S)
#define HOUR (3600 * NS_PER_S)
#define DAY (24 * HOUR)

struct stage {
	struct arena *a;
	struct node *n;
	struct tailnet_settings *s;
	struct health h;
};

static int set_up(void **state)
{
	struct stage *g = calloc(1, sizeof *g);

	g->a = arena_new();
	g->n = node_new();
	g->n->id = 7;
	g->s = tailnet_settings_new();
	g->s->key_notice_ns = 7 * DAY;
	*state = g;
	return 0;
}

static int strike(void **state)
{
	struct stage *g = *state;

	node_unref(&g->n);
	tailnet_settings_unref(&g->s);
	arena_free(&g->a);
	free(g);
	return 0;
}

static const struct map_message *find(const struct health *h, enum health_kind k)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->v[i].id, health_id(k)) == 0)
			return &h->v[i];
	return NULL;
}

/* The line of a kind at this time, or NULL. */
static const struct map_message *line_at(struct stage *g, enum health_kind k, int64_t now)
{
	health_look(g->n, g->s, now, g->a, &g->h);
	assert_int_equal(g->h.digest != 0, g->h.n > 0);
	return find(&g->h, k);
}

static const struct map_message *line(struct stage *g, enum health_kind k)
{
	return line_at(g, k, NOW);
}

static void says(const struct map_message *m, const char *part)
{
	assert_non_null(m);
	if (strstr(m->text, part) == NULL)
		fail_msg("\"%s\" is not in: %s", part, m->text);
}

static void set_client(struct node *n, const char *json)
{
	shared_bytes_unref(&n->hostinfo);
	n->hostinfo = shared_bytes_new(bytes_of_str(json));
}

static struct prefix_list *prefixes(const char *const *texts, size_t n)
{
	struct ip_prefix v[32];

	for (size_t i = 0; i < n; i++)
		assert_int_equal(ip_prefix_parse(bytes_of_str(texts[i]), &v[i]), ST_OK);
	return prefix_list_new(v, n);
}
#define PREFIXES(...) prefixes((const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void a_well_node_is_told_nothing(void **state)
{
	struct stage *g = *state;

	health_look(g->n, g->s, NOW, g->a, &g->h);
	assert_int_equal(g->h.n, 0);
	assert_int_equal(g->h.digest, 0);
	assert_int_equal(g->h.version_digest, 0);
	assert_true(g->h.next_ns == INT64_MAX);
	health_look(g->n, NULL, NOW, g->a, &g->h);
	assert_int_equal(g->h.n, 0);
}

static void the_end_of_a_key_is_told_before_and_not_after(void **state)
{
	struct stage *g = *state;
	const struct map_message *m;
	uint64_t medium;

	g->n->key_expiry_ns = NOW + 30 * DAY;
	assert_null(line(g, HEALTH_KEY_EXPIRES));
	assert_true(g->h.next_ns == NOW + 23 * DAY);
	/* At the moment named it is there. */
	m = line_at(g, HEALTH_KEY_EXPIRES, g->h.next_ns);
	says(m, "2023-12-14T22:13:20Z");
	says(m, "--force-reauth");
	says(m, "-i 7");
	assert_string_equal(m->severity, "medium");
	medium = g->h.digest;
	assert_true(g->h.next_ns == NOW + 29 * DAY);
	/* The text depends on the end alone, so that it is not told again and again. */
	line_at(g, HEALTH_KEY_EXPIRES, NOW + 26 * DAY);
	assert_true(g->h.digest == medium);
	m = line_at(g, HEALTH_KEY_EXPIRES, NOW + 29 * DAY);
	assert_string_equal(m->severity, "high");
	assert_true(g->h.digest != medium);
	assert_true(g->h.next_ns == NOW + 30 * DAY);
	assert_null(line_at(g, HEALTH_KEY_EXPIRES, NOW + 30 * DAY));
	assert_true(g->h.next_ns == INT64_MAX);
	/* Renewed. */
	g->n->key_expiry_ns = NOW + 90 * DAY;
	assert_null(line_at(g, HEALTH_KEY_EXPIRES, NOW + 29 * DAY));
	g->n->key_expiry_ns = NOW + DAY;
	g->n->expired = true;
	assert_null(line(g, HEALTH_KEY_EXPIRES));
}

static void short_lives_have_a_time_without_notice(void **state)
{
	struct stage *g = *state;

	g->n->key_expiry_ns = NOW + 7 * HOUR;
	g->s->key_lifetime_ns = 8 * HOUR;
	assert_null(line(g, HEALTH_KEY_EXPIRES));
	assert_true(g->h.next_ns == NOW + 5 * HOUR);
	assert_non_null(line_at(g, HEALTH_KEY_EXPIRES, NOW + 5 * HOUR));
	g->s->key_lifetime_ns = 0;
	assert_non_null(line(g, HEALTH_KEY_EXPIRES));
	g->s->key_notice_ns = 0; /* switched off */
	assert_null(line(g, HEALTH_KEY_EXPIRES));
	assert_true(g->h.next_ns == INT64_MAX);
}

static void releases_are_compared_by_their_numbers(void **state)
{
	static const struct {
		const char *a, *b;
		bool older;
	} cases[] = {
		{ "1.80.3", "1.102.5", true },
		{ "1.102.5", "1.80.3", false },
		{ "1.102.5", "1.102.5", false },
		{ "1.102.5-t3d4a-g123", "1.102.6", true },
		{ "1.102.5-t3d4a-g123", "1.102.5", false },
		{ "1.102.5", "1.103", true },
		{ "1.102", "1.102.1", true },
		{ "1.102.0", "1.102", false },
		{ "1.9.9", "1.10.0", true },
		{ "", "1.1.1", false },
		{ "date.20200101", "1.1.1", false },
		{ "1", "1.1", false },
		{ "1.1", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (client_version_older(cases[i].a, cases[i].b) != cases[i].older)
			fail_msg("%s, %s", cases[i].a, cases[i].b);
}

static void of_releases_only_what_the_operator_named(void **state)
{
	struct stage *g = *state;
	const struct map_message *m;

	set_client(g->n, "{\"IPNVersion\":\"1.90.1-tabc-gdef\"}");
	assert_null(line(g, HEALTH_CLIENT_OUTDATED));
	assert_false(g->h.has_version);
	settings_set_text(&g->s->client_latest, "1.104.5");
	line(g, HEALTH_CLIENT_OUTDATED);
	assert_true(g->h.has_version);
	assert_string_equal(g->h.version.latest, "1.104.5");
	assert_false(g->h.version.urgent);
	assert_int_equal(g->h.n, 0);
	settings_set_text(&g->s->client_minimum, "1.98.0");
	m = line(g, HEALTH_CLIENT_OUTDATED);
	says(m, "1.90.1;");
	says(m, "1.98.0");
	assert_non_null(m->action_url);
	assert_true(g->h.version.urgent);
	set_client(g->n, "{\"IPNVersion\":\"1.104.5\"}");
	assert_null(line(g, HEALTH_CLIENT_OUTDATED));
	assert_true(g->h.has_version);
	assert_null(g->h.version.latest);
	set_client(g->n, "{\"IPNVersion\":7}");
	assert_null(line(g, HEALTH_CLIENT_OUTDATED));
	assert_false(g->h.has_version);
}

static void routes_wait_until_they_are_approved(void **state)
{
	struct stage *g = *state;
	const struct map_message *m;
	uint64_t before;

	g->n->announced_routes = PREFIXES("10.1.0.0/16", "0.0.0.0/0", "10.2.0.0/16", "::/0");
	m = line(g, HEALTH_ROUTES_WAIT);
	says(m, "offers 10.1.0.0/16, 10.2.0.0/16,");
	says(line(g, HEALTH_EXIT_NODE_WAITS), "-i 7");
	assert_int_equal(g->h.n, 2);
	before = g->h.digest;
	g->n->approved_routes = PREFIXES("10.1.0.0/16");
	m = line(g, HEALTH_ROUTES_WAIT);
	says(m, "offers 10.2.0.0/16,");
	assert_true(g->h.digest != before);
	prefix_list_unref(&g->n->approved_routes);
	g->n->approved_routes = PREFIXES("0.0.0.0/0", "10.1.0.0/16", "10.2.0.0/16", "10.9.0.0/16", "::/0");
	assert_null(line(g, HEALTH_ROUTES_WAIT));
	assert_int_equal(g->h.n, 0);
}

static void of_many_routes_some_are_named(void **state)
{
	struct stage *g = *state;

	g->n->announced_routes = PREFIXES("10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16", "10.5.0.0/16", "10.6.0.0/16",
					  "10.7.0.0/16", "10.8.0.0/16");
	says(line(g, HEALTH_ROUTES_WAIT), "10.6.0.0/16 and 2 more,");
}

static void tags_wait_for_a_login_unless_there_are_some(void **state)
{
	struct stage *g = *state;

	g->n->request_tags = str_list_new((const char *const[]){ "tag:a", "tag:b" }, 2);
	says(line(g, HEALTH_TAGS_WAIT), "tag:a, tag:b");
	g->n->tags = str_list_new((const char *const[]){ "tag:c" }, 1);
	assert_null(line(g, HEALTH_TAGS_WAIT));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, strike)
	const struct CMUnitTest tests[] = {
		T(a_well_node_is_told_nothing),
		T(the_end_of_a_key_is_told_before_and_not_after),
		T(short_lives_have_a_time_without_notice),
		T(releases_are_compared_by_their_numbers),
		T(of_releases_only_what_the_operator_named),
		T(routes_wait_until_they_are_approved),
		T(of_many_routes_some_are_named),
		T(tags_wait_for_a_login_unless_there_are_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
