/* Lists: filters, order, pieces, totals, ETags; pages of other origins; how many requests an address has. */
#include "unit/api/fixture.h"

#include "api/list.h"

struct list_case {
	const char *why, *target;
	const char *names; /* what `pick` finds in the answer, in order, separated by blanks */
	const char *total;
};

/* The values of every "key":"..." in the answer, separated by blanks. */
static const char *picked(const char *key)
{
	static char out[1024];
	char look[40];
	size_t n = 0, len;

	len = (size_t)snprintf(look, sizeof look, "\"%s\":\"", key);
	out[0] = '\0';
	for (const char *p = strstr(f.body, look); p != NULL; p = strstr(p, look)) {
		p += len;
		n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s", n > 0 ? " " : "", (int)strcspn(p, "\""), p);
	}
	return out;
}

static void check_list(const struct list_case *c, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		call(0, "GET", c[i].target, NULL, NULL);
		if (f.code != 200 || strcmp(picked(key), c[i].names) != 0 || strcmp(f.total, c[i].total) != 0)
			fail_msg("%s: %s: %d, total %s: %s", c[i].why, c[i].target, f.code, f.total, picked(key));
	}
}

static void make(const char *target, const char *body)
{
	call(0, "POST", target, NULL, body);
	if (f.code != 200)
		fail_msg("%s %s: %d %s", target, body, f.code, f.body);
}

static void make_node(int n, const char *name, const char *user)
{
	char body[256];

	snprintf(body, sizeof body, "{\"user\":\"%s\",\"key\":\"hskey-authreq-%024d\",\"name\":\"%s\"}", user, n, name);
	make("/api/v1/debug/node", body);
	snprintf(body, sizeof body, "{\"user\":\"%s\",\"authId\":\"hskey-authreq-%024d\"}", user, n);
	make("/api/v1/auth/register", body);
}

static int set_up_world(void **state)
{
	set_up(state);
	make("/api/v1/user", "{\"name\":\"carl\",\"email\":\"c@one.test\"}");
	make("/api/v1/user", "{\"name\":\"anna\",\"displayName\":\"Anna B\",\"email\":\"a@two.test\"}");
	make("/api/v1/user", "{\"name\":\"bert\",\"email\":\"b@one.test\"}");
	call(0, "PUT", "/api/v1/policy", NULL, "{\"policy\":\"{\\\"tagOwners\\\":{\\\"tag:web\\\":[\\\"carl@\\\"]}}\"}");
	make_node(1, "Web-2", "carl");
	make_node(2, "web-1", "carl");
	make_node(3, "phone", "anna");
	make("/api/v1/node/2/tags", "{\"tags\":[\"tag:web\"]}");
	make("/api/v1/node/3/expire", "{\"expiry\":\"2001-01-01T00:00:00Z\"}");
	make("/api/v1/preauthkey", "{\"user\":\"1\",\"reusable\":true,\"expiration\":\"2099-01-01T00:00:00Z\"}");
	make("/api/v1/preauthkey", "{\"user\":\"2\",\"ephemeral\":true,\"expiration\":\"2098-01-01T00:00:00Z\"}");
	make("/api/v1/preauthkey", "{\"aclTags\":[\"tag:web\"],\"expiration\":\"2001-01-01T00:00:00Z\"}");
	make("/api/v1/apikey", "{\"expiration\":\"2099-01-01T00:00:00Z\"}");
	make("/api/v1/apikey", "{\"expiration\":\"2001-01-01T00:00:00Z\"}");
	return 0;
}

static void nodes_are_filtered_ordered_and_cut(void **state)
{
	static const struct list_case cases[] = {
		{ "all, by number", "/api/v1/node", "web-2 web-1 phone", "3" },
		{ "one user's, without the tagged", "/api/v1/node?user=carl", "web-2", "1" },
		{ "with a tag", "/api/v1/node?tag=tag:web", "web-1", "1" },
		{ "by name", "/api/v1/node?name=PHONE", "phone", "1" },
		{ "by the beginning of a name", "/api/v1/node?name=web*", "web-2 web-1", "2" },
		{ "by address", "/api/v1/node?ip=100.64.0.3", "phone", "1" },
		{ "expired", "/api/v1/node?expired=true", "phone", "1" },
		{ "not expired", "/api/v1/node?expired=false", "web-2 web-1", "2" },
		{ "online", "/api/v1/node?online=true", "", "0" },
		{ "offline, filters together", "/api/v1/node?online=false&name=*e*", "web-2 web-1 phone", "3" },
		{ "by name", "/api/v1/node?sort=givenName", "phone web-1 web-2", "3" },
		{ "the other way", "/api/v1/node?sort=-id", "phone web-1 web-2", "3" },
		{ "a piece, and how many there are", "/api/v1/node?limit=1&offset=1", "web-1", "3" },
		{ "none, to count", "/api/v1/node?limit=0", "", "3" },
		{ "past the end", "/api/v1/node?offset=9", "", "3" },
		{ "the last page of what is filtered", "/api/v1/node?name=web*&sort=givenName&limit=5&offset=1", "web-2", "2" },
	};

	(void)state;
	check_list(cases, sizeof cases / sizeof *cases, "givenName");
}

static void users_are_filtered_ordered_and_cut(void **state)
{
	static const struct list_case cases[] = {
		{ "all", "/api/v1/user", "c@one.test a@two.test b@one.test", "3" },
		{ "search, also in names shown", "/api/v1/user?search=*b*", "a@two.test b@one.test", "2" },
		{ "by role", "/api/v1/user?role=owner", "c@one.test", "1" },
		{ "by address", "/api/v1/user?search=*@one.test&sort=name", "b@one.test c@one.test", "2" },
		{ "of a provider", "/api/v1/user?provider=oidc", "", "0" },
		{ "by name, cut", "/api/v1/user?sort=name&limit=2", "a@two.test b@one.test", "3" },
		{ "the newest first", "/api/v1/user?sort=-createdAt&limit=1", "b@one.test", "3" },
	};

	(void)state;
	check_list(cases, sizeof cases / sizeof *cases, "email");
}

static void keys_are_filtered_ordered_and_cut(void **state)
{
	static const struct list_case preauth[] = {
		{ "all", "/api/v1/preauthkey?limit=9", "2099-01-01T00:00:00Z 2098-01-01T00:00:00Z 2001-01-01T00:00:00Z", "3" },
		{ "of a user by number", "/api/v1/preauthkey?user=1", "2099-01-01T00:00:00Z", "1" },
		{ "of a user by name", "/api/v1/preauthkey?user=anna", "2098-01-01T00:00:00Z", "1" },
		{ "with a tag", "/api/v1/preauthkey?tag=tag:web", "2001-01-01T00:00:00Z", "1" },
		{ "good ones, the first to end first", "/api/v1/preauthkey?expired=false&sort=expiration",
		  "2098-01-01T00:00:00Z 2099-01-01T00:00:00Z", "2" },
		{ "reusable", "/api/v1/preauthkey?reusable=1", "2099-01-01T00:00:00Z", "1" },
		{ "ephemeral", "/api/v1/preauthkey?ephemeral=true&used=false", "2098-01-01T00:00:00Z", "1" },
	};
	static const struct list_case api[] = {
		{ "all", "/api/v1/apikey", "2099-01-01T00:00:00Z 2001-01-01T00:00:00Z", "2" },
		{ "expired", "/api/v1/apikey?expired=true", "2001-01-01T00:00:00Z", "1" },
		{ "by their end", "/api/v1/apikey?sort=expiration&limit=1", "2001-01-01T00:00:00Z", "2" },
	};

	(void)state;
	check_list(preauth, sizeof preauth / sizeof *preauth, "expiration");
	check_list(api, sizeof api / sizeof *api, "expiration");
}

static void a_mistake_in_a_query_is_named(void **state)
{
	static const struct {
		const char *target, *says;
		int code;
	} cases[] = {
		{ "/api/v1/node?limit=x", "query.limit", 400 },
		{ "/api/v1/node?limit=-1", "query.limit", 400 },
		{ "/api/v1/node?offset=99999999999999999999", "query.offset", 400 },
		{ "/api/v1/node?sort=colour", "givenName", 422 },
		{ "/api/v1/node?online=maybe", "query.online", 422 },
		{ "/api/v1/node?ip=nowhere", "query.ip", 422 },
		{ "/api/v1/node?user=nobody", "query.user", 404 },
		{ "/api/v1/user?role=king", "query.role", 422 },
		{ "/api/v1/user?sort=", "users", 200 },
		{ "/api/v1/preauthkey?user=nobody", "query.user", 400 },
		{ "/api/v1/preauthkey?used=2", "query.used", 422 },
		{ "/api/v1/apikey?sort=-", "query.sort", 422 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		call(0, "GET", cases[i].target, NULL, NULL);
		if (f.code != cases[i].code || strstr(f.body, cases[i].says) == NULL)
			fail_msg("%s: %d %s", cases[i].target, f.code, f.body);
	}
}

static void what_has_not_changed_is_not_sent_again(void **state)
{
	static const char *const lists[] = { "/api/v1/node?user=carl", "/api/v1/user", "/api/v1/preauthkey", "/api/v1/apikey" };
	static const char *const changes[][2] = { { "/api/v1/node/1/rename/other", NULL },
						  { "/api/v1/user", "{\"name\":\"dora\"}" },
						  { "/api/v1/preauthkey/expire", "{\"id\":\"1\"}" },
						  { "/api/v1/apikey/expire", "{\"id\":\"1\"}" } };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char tag[64], listed[80];

		call(0, "GET", lists[i], NULL, NULL);
		assert_true(f.etag[0] == '"');
		snprintf(tag, sizeof tag, "%s", f.etag);
		snprintf(listed, sizeof listed, "\"other\", W/%s", tag);
		call_with(0, "GET", lists[i], &(struct http_header){ "if-none-match", listed }, NULL);
		assert_int_equal(f.code, 304);
		assert_int_equal(f.n, 0);
		call_with(0, "GET", lists[i], &(struct http_header){ "if-none-match", "\"other\"" }, NULL);
		assert_int_equal(f.code, 200);
		make(changes[i][0], changes[i][1]);
		call_with(0, "GET", lists[i], &(struct http_header){ "if-none-match", tag }, NULL);
		if (f.code != 200)
			fail_msg("%s did not change with %s", lists[i], changes[i][0]);
	}
	/* A key that was used shows in the nodes that came by it. */
	call(0, "GET", "/api/v1/node?expired=true", NULL, NULL);
	assert_string_equal(f.etag, ""); /* depends on the hour */
}

/* Two read the policy, both change it: the second is told, and the first one's change stays. */
static void of_two_who_change_the_policy_the_second_is_told(void **state)
{
	struct http_header match = { "if-match", NULL };
	char tag[64];

	(void)state;
	call(0, "GET", "/api/v1/policy", NULL, NULL);
	assert_int_equal(f.code, 200);
	snprintf(tag, sizeof tag, "%s", f.etag);
	match.value = tag;
	call_with(0, "PUT", "/api/v1/policy", &match, "{\"policy\":\"{\\\"hosts\\\":{\\\"first\\\":\\\"10.0.0.1\\\"}}\"}");
	assert_int_equal(f.code, 200);
	assert_string_not_equal(f.etag, tag);
	call_with(0, "PUT", "/api/v1/policy", &match, "{\"policy\":\"{}\"}");
	assert_int_equal(f.code, 412);
	assert_non_null(strstr(f.body, "read it again"));
	call_with(0, "PUT", "/api/v1/policy", &(struct http_header){ "if-match", "\"nonsense\"" }, "{\"policy\":\"{}\"}");
	assert_int_equal(f.code, 412);
	call(0, "GET", "/api/v1/policy", NULL, NULL);
	assert_non_null(strstr(f.body, "first"));
	snprintf(tag, sizeof tag, "%s", f.etag);
	call_with(0, "GET", "/api/v1/policy", &(struct http_header){ "if-none-match", tag }, NULL);
	assert_int_equal(f.code, 304);
	call_with(0, "PUT", "/api/v1/policy", &(struct http_header){ "if-match", "*" }, "{\"policy\":\"{}\"}");
	assert_int_equal(f.code, 200);
}

static void patterns_are_matched_in_bounded_time(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} cases[] = { { "a", "A", true },	{ "a", "ab", false },	  { "*", "", true },	  { "", "", true },   { "", "a", false },
		      { "a*c", "abbc", true },	{ "a*c", "abcb", false }, { "*b*", "abc", true }, { "**", "x", true }, { "*ab", "aab", true } };
	char many[512], text[4000];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (api_like(cases[i].pattern, cases[i].text) != cases[i].fits)
			fail_msg("%s in %s", cases[i].pattern, cases[i].text);
	for (size_t i = 0; i + 2 < sizeof many; i += 2)
		memcpy(many + i, "*a", 2);
	snprintf(many + sizeof many - 3, 3, "*b");
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_false(api_like(many, text)); /* would not end in our time by trying all ways */
}

/* ---- pages of other origins, and how many requests ---- */

static const char *const origins[] = { "https://console.test" };

static int set_up_guests(void **state)
{
	f.opts.cors_origins = origins;
	f.opts.n_cors_origins = 1;
	f.opts.requests_per_second = 5;
	return set_up(state);
}

static void only_pages_of_allowed_origins_may_ask(void **state)
{
	struct http_header good = { "origin", "https://console.test" }, bad = { "origin", "https://evil.test" };

	(void)state;
	call_with(1, "OPTIONS", "/api/v1/node/1/tags", &good, NULL);
	assert_int_equal(f.code, 204);
	assert_string_equal(f.origin, "https://console.test");
	assert_non_null(strstr(f.methods, "DELETE"));
	call_with(1, "GET", "/api/v1/node", &good, NULL);
	assert_int_equal(f.code, 401);
	assert_string_equal(f.origin, "https://console.test");
	call_with(1, "OPTIONS", "/api/v1/node/1/tags", &bad, NULL);
	assert_string_equal(f.origin, "");
	call(1, "GET", "/api/v1/node", NULL, NULL);
	assert_string_equal(f.origin, "");
}

static void an_address_has_so_many_requests_a_second(void **state)
{
	int refused = 0;

	(void)state;
	for (int i = 0; i < 40; i++) {
		call(1, "GET", "/api/v1/user", "Bearer nonsense", NULL);
		assert_true(f.code == 401 || f.code == 429);
		refused += f.code == 429;
	}
	assert_in_range(refused, 10, 39);
	for (int i = 0; i < 40; i++) {
		call(0, "GET", "/api/v1/user", NULL, NULL); /* the local socket has no limit */
		assert_int_equal(f.code, 200);
	}
}

static void without_the_key_nothing_is_allowed_from_elsewhere(void **state)
{
	(void)state;
	call_with(0, "OPTIONS", "/api/v1/node", &(struct http_header){ "origin", "https://console.test" }, NULL);
	assert_string_equal(f.origin, "");
}

int main(void)
{
#define W(t) cmocka_unit_test_setup_teardown(t, set_up_world, tear_down_clean)
#define G(t) cmocka_unit_test_setup_teardown(t, set_up_guests, tear_down_clean)
	const struct CMUnitTest t[] = {
		W(nodes_are_filtered_ordered_and_cut),
		W(users_are_filtered_ordered_and_cut),
		W(keys_are_filtered_ordered_and_cut),
		W(a_mistake_in_a_query_is_named),
		W(what_has_not_changed_is_not_sent_again),
		W(of_two_who_change_the_policy_the_second_is_told),
		W(without_the_key_nothing_is_allowed_from_elsewhere),
		cmocka_unit_test(patterns_are_matched_in_bounded_time),
		G(only_pages_of_allowed_origins_may_ask),
		G(an_address_has_so_many_requests_a_second),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
