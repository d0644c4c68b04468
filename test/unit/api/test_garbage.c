/*
 * Every member of every body with everything that it should not be: the answer is a refusal that names the member, never an
 * error of ours, and nothing is written. Then the same with what is of the right type and odd.
 */
#include "unit/api/fixture.h"

enum kind { TEXT, FLAG, TIME, TEXTS, PREFIXES };

struct route {
	const char *method, *target;
	const char *good; /* an object that is understood, up to its last brace; what it says may be refused */
	struct {
		const char *name;
		enum kind kind;
	} members[8];
};

static const struct route routes[] = {
	{ "POST", "/api/v1/user", "{\"name\":\"alice\"", { { "name", TEXT }, { "displayName", TEXT }, { "email", TEXT }, { "pictureUrl", TEXT } } },
	{ "POST", "/api/v1/user/1/role", "{\"role\":\"king\"", { { "role", TEXT } } },
	{ "POST", "/api/v1/node/1/expire", "{\"expiry\":\"2099-01-01T00:00:00Z\"", { { "expiry", TIME }, { "disableExpiry", FLAG } } },
	{ "POST", "/api/v1/node/1/tags", "{\"tags\":[]", { { "tags", TEXTS } } },
	{ "POST", "/api/v1/node/1/user", "{\"user\":\"1\"", { { "user", TEXT } } },
	{ "POST", "/api/v1/node/1/approve_routes", "{\"routes\":[]", { { "routes", PREFIXES } } },
	{ "POST", "/api/v1/auth/register", "{\"user\":\"alice\",\"authId\":\"x\"", { { "user", TEXT }, { "authId", TEXT } } },
	{ "POST", "/api/v1/auth/approve", "{\"authId\":\"x\"", { { "authId", TEXT } } },
	{ "POST", "/api/v1/auth/reject", "{\"authId\":\"x\"", { { "authId", TEXT } } },
	{ "POST", "/api/v1/preauthkey", "{\"user\":\"99\"",
	  { { "user", TEXT }, { "reusable", FLAG }, { "ephemeral", FLAG }, { "expiration", TIME }, { "aclTags", TEXTS }, { "description", TEXT } } },
	{ "POST", "/api/v1/preauthkey/expire", "{\"id\":\"99\"", { { "id", TEXT } } },
	{ "POST", "/api/v1/apikey", "{\"expiration\":\"soon\"", { { "expiration", TIME } } },
	{ "POST", "/api/v1/apikey/expire", "{\"id\":\"99\"", { { "id", TEXT }, { "prefix", TEXT } } },
	{ "PUT", "/api/v1/policy", "{\"policy\":\"{\"", { { "policy", TEXT } } },
	{ "POST", "/api/v1/policy/check", "{\"policy\":\"{\"", { { "policy", TEXT } } },
	{ "POST", "/api/v1/debug/node", "{\"user\":\"alice\",\"key\":\"hskey-authreq-00000000000000000000000f\"", { { "user", TEXT }, { "key", TEXT }, { "name", TEXT }, { "routes", PREFIXES } } },
};

/* Of another type than each kind: by kind, in the order of the enum. */
static const char *const wrong[][9] = {
	[TEXT] = { "true", "[]", "{}", "1.5", "[\"x\"]", "{\"x\":{}}", "\"a\\u0000b\"", "1e400", NULL },
	[FLAG] = { "1", "\"true\"", "[]", "{}", "0.0", "[true]", NULL },
	[TIME] = { "true", "[]", "{}", "1.5", "\"soon\"", "\"2020-13-45T99:00:00Z\"", "\"\\u0000\"", NULL },
	[TEXTS] = { "\"tag:x\"", "1", "{}", "true", "[1]", "[null]", "[[\"tag:x\"]]", "[\"tag:x\\u0000\"]", NULL },
	[PREFIXES] = { "\"10.0.0.0/8\"", "1", "{}", "[1]", "[\"\"]", "[\"10.0.0.0/99\"]", "[\"10.0.0.0/8\\u0000\"]", "[{}]", NULL },
};

/* Of the right type, or none at all. */
static const char *const odd[] = {
	"null", "\"\"", "\" \"", "\"..\"", "\"%00\"", "\"\\u202e\\ufeff\"", "\"\\ud83d\\ude00\"", "\"'; DROP TABLE nodes; --\"",
	"\"<script>alert(1)</script>\"", "\"\\n\\r\\t\\u001b[31m\"", "-1", "0", "18446744073709551616", "9223372036854775807",
	"\"18446744073709551615\"", "[]", "[\"\"]", "[\"tag:\"]", "[\"tag:\\ud83d\\ude00\"]", "false", "\"0001-01-01T00:00:00Z\"",
	"\"9999-12-31T23:59:59.999999999Z\"", "\"2020-01-01T00:00:00+23:59\"", "[\"::/0\",\"::/0\"]",
};

static char *body_with(const struct route *r, const char *name, const char *value)
{
	size_t n = strlen(r->good) + strlen(name) + strlen(value) + 16;
	char *b = malloc(n);

	assert_non_null(b);
	snprintf(b, n, "%s,\"%s\":%s}", r->good, name, value); /* a name given twice: the last counts */
	return b;
}

static void refused(const struct route *r, const char *body, const char *place)
{
	unsigned before = fake_disk_writes(f.disk);

	call(0, r->method, r->target, NULL, body);
	if (f.code < 400 || f.code >= 500 || (place != NULL && strstr(f.body, place) == NULL))
		fail_msg("%s %s with %.200s: %d %s, not %s", r->method, r->target, body, f.code, f.body, place ? place : "a refusal");
	if (fake_disk_writes(f.disk) != before)
		fail_msg("%s %s with %.200s: %d, and something was written", r->method, r->target, body, f.code);
}

static void each_member(void (*fn)(const struct route *r, const char *name, enum kind kind))
{
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		for (size_t m = 0; routes[i].members[m].name != NULL; m++)
			fn(&routes[i], routes[i].members[m].name, routes[i].members[m].kind);
}

static void try_wrong(const struct route *r, const char *name, enum kind kind)
{
	char place[40];

	snprintf(place, sizeof place, "body.%s", name);
	for (size_t i = 0; wrong[kind][i] != NULL; i++) {
		char *b = body_with(r, name, wrong[kind][i]);

		refused(r, b, strcmp(wrong[kind][i], "1e400") == 0 ? "body" : place); /* a number without bound may be no JSON */
		free(b);
	}
}

static void what_is_of_a_wrong_type_is_refused_by_name(void **state)
{
	(void)state;
	each_member(try_wrong);
}

static void try_odd(const struct route *r, const char *name, enum kind kind)
{
	(void)kind;
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		char *b = body_with(r, name, odd[i]);
		unsigned before = fake_disk_writes(f.disk);

		call(0, r->method, r->target, NULL, b);
		if (f.code != 200 && (f.code < 400 || f.code >= 500))
			fail_msg("%s %s with %s: %d %s", r->method, r->target, b, f.code, f.body);
		if (f.code != 200 && fake_disk_writes(f.disk) != before)
			fail_msg("%s %s with %s: %d, and something was written", r->method, r->target, b, f.code);
		free(b);
	}
}

static void what_is_odd_is_taken_or_refused_and_never_half(void **state)
{
	(void)state;
	each_member(try_odd);
	call(0, "GET", "/api/v1/node", NULL, NULL);
	assert_int_equal(f.code, 200);
}

static char *filled(const char *before, char c, size_t n, const char *after)
{
	char *b = malloc(n + strlen(before) + strlen(after) + 1);

	assert_non_null(b);
	strcpy(b, before);
	memset(b + strlen(before), c, n);
	strcpy(b + strlen(before) + n, after);
	return b;
}

static void try_huge(const struct route *r, const char *name, enum kind kind)
{
	char before[40], place[40];
	char *text, *b;

	if (strstr(r->target, "policy") != NULL)
		return; /* has a limit of its own */
	snprintf(place, sizeof place, "body.%s", name);
	snprintf(before, sizeof before, "%s\"", kind == TEXTS || kind == PREFIXES ? "[" : "");
	text = filled(before, 'x', 100000, kind == TEXTS || kind == PREFIXES ? "\"]" : "\"");
	b = body_with(r, name, text);
	refused(r, b, place);
	free(b);
	free(text);
}

static void what_is_huge_is_refused_by_name(void **state)
{
	(void)state;
	each_member(try_huge);
}

static void what_is_no_object_of_known_members_is_refused(void **state)
{
	char *deep = filled("{\"name\":", '[', 5000, "");

	(void)state;
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		const struct route *r = &routes[i];
		char *unknown = body_with(r, "shoe", "{\"size\":42}");

		refused(r, unknown, "body.shoe");
		free(unknown);
		refused(r, "[]", "body");
		refused(r, "\"x\"", "body");
		refused(r, "null", "body");
		refused(r, "{", "body");
		refused(r, "{} {}", "body");
		refused(r, "{\"a\":}", "body");
		refused(r, "\xff\xfe{}", "body");
		refused(r, "{\"\xc3\x28\":1}", "body");
		refused(r, deep, "body");
	}
	free(deep);
}

static void numbers_in_paths_are_numbers(void **state)
{
	static const char *const ids[] = { "x", "-1", "1.0", "1e3", "0x1", "18446744073709551616", "%20", "%f0%9f%98%80", "1%00", "..%2f1" };
	static const struct {
		const char *method, *format;
	} paths[] = { { "GET", "/api/v1/node/%s" },	       { "DELETE", "/api/v1/node/%s" },		 { "POST", "/api/v1/node/%s/expire" },
		      { "POST", "/api/v1/node/%s/rename/x" }, { "POST", "/api/v1/user/%s/rename/xyz" }, { "DELETE", "/api/v1/user/%s" },
		      { "DELETE", "/api/v1/preauthkey?id=%s" }, { "DELETE", "/api/v1/apikey/%s" } };
	char target[128];

	(void)state;
	for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
		for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
			struct route r = { .method = paths[p].method, .target = target };

			snprintf(target, sizeof target, paths[p].format, ids[i]);
			refused(&r, NULL, NULL);
		}
	}
}

static int set_up_node(void **state)
{
	set_up(state);
	call(0, "POST", "/api/v1/user", NULL, "{\"name\":\"alice\"}");
	call(0, "POST", "/api/v1/debug/node", NULL, "{\"user\":\"alice\",\"key\":\"hskey-authreq-000000000000000000000001\",\"name\":\"n\"}");
	call(0, "POST", "/api/v1/auth/register", NULL, "{\"user\":\"alice\",\"authId\":\"hskey-authreq-000000000000000000000001\"}");
	return f.code == 200 ? 0 : -1;
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, set_up_node, tear_down_clean)
	const struct CMUnitTest t[] = {
		T(what_is_of_a_wrong_type_is_refused_by_name),
		T(what_is_odd_is_taken_or_refused_and_never_half),
		T(what_is_huge_is_refused_by_name),
		T(what_is_no_object_of_known_members_is_refused),
		T(numbers_in_paths_are_numbers),
	};
	return cmocka_run_group_tests(t, NULL, NULL);
}
