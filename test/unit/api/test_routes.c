/*
 * Every route of API v1 against expectations written as data: good, missing, wrong type, not found, conflict; and every
 * route by every kind of credential. A case runs against what the cases above it left behind.
 */
#include "unit/api/fixture.h"

struct api_case {
	const char *why, *method, *target, *body;
	int code;
	const char *has; /* part of the answer; NULL: not looked at */
};

static const struct api_case cases[] = {
	{ "no users yet", "GET", "/api/v1/user", NULL, 200, "{\"users\":[]}" },
	{ "create", "POST", "/api/v1/user", "{\"name\":\"alice\",\"displayName\":\"Alice A\",\"email\":\"alice@example.com\"}", 200, "\"id\":\"1\"" },
	{ "the first user owns the tailnet", "GET", "/api/v1/user?name=alice", NULL, 200, "\"role\":\"owner\"" },
	{ "a name is given once", "POST", "/api/v1/user", "{\"name\":\"alice\"}", 409, "\"status\":409" },
	{ "an empty name", "POST", "/api/v1/user", "{\"name\":\"\"}", 400, NULL },
	{ "a name of another type", "POST", "/api/v1/user", "{\"name\":{}}", 422, "body.name" },
	{ "no body", "POST", "/api/v1/user", NULL, 400, "request body is required" },
	{ "no JSON", "POST", "/api/v1/user", "{\"name\"", 400, "not JSON" },
	{ "no object", "POST", "/api/v1/user", "[]", 422, "expected object" },
	{ "unknown members are refused by name", "POST", "/api/v1/user", "{\"name\":\"bobby\",\"shoe\":42}", 422, "body.shoe" },
	{ "names without case and underscores", "POST", "/api/v1/user", "{\"NAME\":\"bobby\",\"display_name\":\"Bob\"}", 200, "\"displayName\":\"Bob\"" },
	{ "by id", "GET", "/api/v1/user?id=2", NULL, 200, "bobby" },
	{ "an id that is none", "GET", "/api/v1/user?id=x", NULL, 400, "invalid id" },
	{ "rename", "POST", "/api/v1/user/2/rename/robert", NULL, 200, "\"name\":\"robert\"" },
	{ "rename nobody", "POST", "/api/v1/user/77/rename/xy", NULL, 404, NULL },
	{ "rename to a taken name", "POST", "/api/v1/user/2/rename/alice", NULL, 409, NULL },
	{ "a role", "POST", "/api/v1/user/2/role", "{\"role\":\"admin\"}", 200, "\"role\":\"admin\"" },
	{ "no such role", "POST", "/api/v1/user/2/role", "{\"role\":\"king\"}", 422, "body.role" },
	{ "the last owner stays", "POST", "/api/v1/user/1/role", "{\"role\":\"member\"}", 400, NULL },
	{ "delete", "DELETE", "/api/v1/user/2", NULL, 200, "{}" },
	{ "delete twice", "DELETE", "/api/v1/user/2", NULL, 404, NULL },
	{ "delete what is no id", "DELETE", "/api/v1/user/x", NULL, 400, "invalid user id" },

	{ "no keys yet", "GET", "/api/v1/preauthkey", NULL, 200, "{\"preAuthKeys\":[]}" },
	{ "a key", "POST", "/api/v1/preauthkey", "{\"user\":\"1\",\"reusable\":true,\"expiration\":\"2099-01-01T00:00:00Z\"}", 200, "hskey-auth-" },
	{ "ids may be numbers", "POST", "/api/v1/preauthkey", "{\"user\":1}", 200, "hskey-auth-" },
	{ "no expiration is an hour, not the past", "POST", "/api/v1/preauthkey", "{\"user\":\"1\",\"expiration\":null}", 200, "\"expiration\":\"2" },
	{ "listed without the secret", "GET", "/api/v1/preauthkey", NULL, 200, "-***\"" },
	{ "neither user nor tags", "POST", "/api/v1/preauthkey", "{}", 400, "auth-key must be either tagged or owned by user" },
	{ "a malformed tag", "POST", "/api/v1/preauthkey", "{\"aclTags\":[\"x\"]}", 400, "tag" },
	{ "tags are a list", "POST", "/api/v1/preauthkey", "{\"aclTags\":\"tag:x\"}", 422, "body.aclTags" },
	{ "no such user", "POST", "/api/v1/preauthkey", "{\"user\":\"99\"}", 404, NULL },
	{ "a user by name, as consoles of old", "POST", "/api/v1/preauthkey", "{\"user\":\"alice\"}", 200, "hskey-auth-" },
	{ "a name of nobody", "POST", "/api/v1/preauthkey", "{\"user\":\"nobody\"}", 400, "body.user" },
	{ "a time that is none", "POST", "/api/v1/preauthkey", "{\"user\":\"1\",\"expiration\":\"soon\"}", 422, "body.expiration" },
	{ "expire", "POST", "/api/v1/preauthkey/expire", "{\"id\":\"1\"}", 200, "{}" },
	{ "expire nothing", "POST", "/api/v1/preauthkey/expire", "{\"id\":\"99\"}", 404, NULL },
	{ "expire without an id", "POST", "/api/v1/preauthkey/expire", "{}", 400, "invalid key id" },
	{ "delete a key", "DELETE", "/api/v1/preauthkey?id=1", NULL, 200, "{}" },
	{ "delete it twice", "DELETE", "/api/v1/preauthkey?id=1", NULL, 404, NULL },
	{ "delete without an id", "DELETE", "/api/v1/preauthkey", NULL, 400, NULL },

	{ "an API key", "POST", "/api/v1/apikey", "{\"expiration\":\"2099-01-01T00:00:00Z\"}", 200, "{\"apiKey\":\"hskey-api-" },
	{ "listed masked", "GET", "/api/v1/apikey", NULL, 200, "-***" },
	{ "expire by neither", "POST", "/api/v1/apikey/expire", "{}", 400, "must provide id or prefix" },
	{ "expire by both", "POST", "/api/v1/apikey/expire", "{\"id\":\"1\",\"prefix\":\"x\"}", 400, "not both" },
	{ "expire by id; each kind of key has numbers of its own", "POST", "/api/v1/apikey/expire", "{\"id\":\"1\"}", 200, "{}" },
	{ "delete nothing", "DELETE", "/api/v1/apikey/000000000000", NULL, 404, NULL },

	{ "no nodes", "GET", "/api/v1/node", NULL, 200, "{\"nodes\":[]}" },
	{ "nodes of nobody", "GET", "/api/v1/node?user=nobody", NULL, 404, "user not found" },
	{ "no such node", "GET", "/api/v1/node/7", NULL, 404, "node not found" },
	{ "a node id that is none", "GET", "/api/v1/node/x", NULL, 400, "node_id" },
	{ "delete no node", "DELETE", "/api/v1/node/7", NULL, 404, NULL },
	{ "expire no node", "POST", "/api/v1/node/7/expire", NULL, 404, NULL },
	{ "a misspelled expiry does not expire now", "POST", "/api/v1/node/7/expire", "{\"expirey\":\"2099-01-01T00:00:00Z\"}", 422, "body.expirey" },
	{ "neither yes nor no", "POST", "/api/v1/node/7/expire?disableExpiry=maybe", NULL, 422, "query.disableExpiry" },
	{ "move no node", "POST", "/api/v1/node/7/user", "{\"user\":1}", 404, NULL },
	{ "move to nobody", "POST", "/api/v1/node/7/user", "{}", 422, "body.user" },
	{ "both ways to expire", "POST", "/api/v1/node/7/expire", "{\"expiry\":\"2099-01-01T00:00:00Z\",\"disableExpiry\":true}", 400, "cannot set both" },
	{ "rename no node", "POST", "/api/v1/node/7/rename/x", NULL, 404, NULL },
	{ "no tags", "POST", "/api/v1/node/7/tags", "{\"tags\":[]}", 400, "cannot remove all tags" },
	{ "a route that is none", "POST", "/api/v1/node/7/approve_routes", "{\"routes\":[\"10.0.0.0\"]}", 400, "parsing route" },
	{ "backfill unasked", "POST", "/api/v1/node/backfillips", NULL, 400, "not confirmed" },
	{ "backfill", "POST", "/api/v1/node/backfillips?confirmed=true", NULL, 200, "{\"changes\":[]}" },
	{ "an auth id that is none", "POST", "/api/v1/auth/register", "{\"user\":\"alice\",\"authId\":\"x\"}", 400, "invalid prefix" },
	{ "an auth id too short", "POST", "/api/v1/auth/register", "{\"user\":\"alice\",\"authId\":\"hskey-authreq-1\"}", 400, "expected 38, got 15" },
	{ "admit for nobody", "POST", "/api/v1/auth/register", "{\"user\":\"nobody\",\"authId\":\"hskey-authreq-0123456789abcdef01234567\"}", 404, "user not found" },
	{ "admit what does not wait", "POST", "/api/v1/auth/register", "{\"user\":\"alice\",\"authId\":\"hskey-authreq-0123456789abcdef01234567\"}", 404, NULL },
	{ "approve what does not wait", "POST", "/api/v1/auth/approve", "{\"authId\":\"hskey-authreq-0123456789abcdef01234567\"}", 404, NULL },
	{ "reject what does not wait", "POST", "/api/v1/auth/reject", "{\"authId\":\"hskey-authreq-0123456789abcdef01234567\"}", 404, NULL },

	{ "a login made by hand", "POST", "/api/v1/debug/node", "{\"user\":\"alice\",\"key\":\"hskey-authreq-0123456789abcdef01234567\",\"name\":\"n1\",\"routes\":[\"10.1.0.0/24\"]}", 200, "\"id\":\"0\"" },
	{ "another under its id", "POST", "/api/v1/debug/node", "{\"user\":\"alice\",\"key\":\"hskey-authreq-0123456789abcdef01234567\",\"name\":\"n2\"}", 409, "waits already" },
	{ "one for nobody", "POST", "/api/v1/debug/node", "{\"user\":\"nobody\",\"key\":\"hskey-authreq-0123456789abcdef01234568\"}", 404, "body.user" },
	{ "one without an id", "POST", "/api/v1/debug/node", "{\"user\":\"alice\"}", 400, "body.key" },
	{ "one with a route that is none", "POST", "/api/v1/debug/node", "{\"user\":\"alice\",\"key\":\"hskey-authreq-0123456789abcdef01234568\",\"routes\":[\"x\"]}", 400, "body.routes[0]" },
	{ "admit it", "POST", "/api/v1/auth/register", "{\"user\":\"alice\",\"authId\":\"hskey-authreq-0123456789abcdef01234567\"}", 200, "\"availableRoutes\":[\"10.1.0.0/24\"]" },
	{ "moved", "POST", "/api/v1/node/1/user", "{\"user\":\"alice\"}", 200, "\"name\":\"alice\"" },
	{ "a new name", "POST", "/api/v1/node/1/rename/desk", NULL, 200, "\"givenName\":\"desk\"" },
	{ "expire later", "POST", "/api/v1/node/1/expire", "{\"expiry\":\"2099-01-01T00:00:00Z\"}", 200, "\"expiry\":\"2099-01-01T00:00:00Z\"" },
	{ "never", "POST", "/api/v1/node/1/expire", "{\"disableExpiry\":true}", 200, "\"expiry\":null" },
	{ "approve", "POST", "/api/v1/node/1/approve_routes", "{\"routes\":[\"10.1.0.0/24\"]}", 200, "\"approvedRoutes\":[\"10.1.0.0/24\"]" },
	{ "tags, as no policy says otherwise", "POST", "/api/v1/node/1/tags", "{\"tags\":[\"tag:x\"]}", 200, "tagged-devices" },
	{ "deleted", "DELETE", "/api/v1/node/1", NULL, 200, "{}" },

	{ "no policy", "GET", "/api/v1/policy", NULL, 404, "acl policy not found" },
	{ "a policy that does not parse", "PUT", "/api/v1/policy", "{\"policy\":\"{\"}", 400, "parsing policy from bytes: line 1" },
	{ "a policy", "PUT", "/api/v1/policy", "{\"policy\":\"{\\\"acls\\\":[]}\"}", 200, "acls" },
	{ "read back", "GET", "/api/v1/policy", NULL, 200, "{\\\"acls\\\":[]}" },
	{ "check", "POST", "/api/v1/policy/check", "{\"policy\":\"{}\"}", 200, "{}" },
	{ "check a bad one", "POST", "/api/v1/policy/check", "{\"policy\":\"{\\\"acls\\\":3}\"}", 400, NULL },
	{ "checking changed nothing", "GET", "/api/v1/policy", NULL, 200, "{\\\"acls\\\":[]}" },

	{ "who did what", "GET", "/api/v1/audit?limit=5", NULL, 200, "\"actor\":\"local\"" },
	{ "a time that is none", "GET", "/api/v1/audit?since=x", NULL, 422, "RFC 3339" },
	{ "health", "GET", "/api/v1/health", NULL, 200, "{\"databaseConnectivity\":true}" },
	{ "the description", "GET", "/api/v1/openapi.json", NULL, 200, "\"openapi\":\"3.1.0\"" },
	{ "its older form", "GET", "/api/v1/openapi-3.0.yaml", NULL, 200, "\"openapi\":\"3.0.3\"" },
	{ "no such path", "GET", "/api/v1/nothing", NULL, 404, NULL },
	{ "no such method", "PATCH", "/api/v1/user", NULL, 405, NULL },
};

static void every_route_answers_as_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct api_case *c = &cases[i];

		call(0, c->method, c->target, NULL, c->body);
		if (f.status != ST_OK || f.code != c->code || (c->has != NULL && strstr(f.body, c->has) == NULL))
			fail_msg("%s: %s %s: %d %s", c->why, c->method, c->target, f.code, f.body);
	}
}

/* ---- who may ---- */

static void strangers_get_nothing_but_what_is_public(void **state)
{
	static const char *const credentials[] = { NULL, "", "Bearer ", "Bearer nonsense", "bearer x", "Basic eDp4",
						   "Bearer hskey-api-000000000000-0000000000000000000000000000000000000000000000000000000000000000" };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (size_t k = 0; k < sizeof credentials / sizeof *credentials; k++) {
			bool public = strstr(cases[i].target, "openapi") != NULL;

			if (cases[i].code == 405 || strstr(cases[i].target, "/nothing") != NULL)
				continue;
			call(1, cases[i].method, cases[i].target, credentials[k], cases[i].body);
			if (f.code != (public ? 200 : 401))
				fail_msg("%s %s with %s: %d", cases[i].method, cases[i].target,
					 credentials[k] != NULL ? credentials[k] : "nothing", f.code);
			if (!public)
				assert_non_null(strstr(f.body, "Unauthorized"));
		}
	}
}

static void a_good_key_opens_and_an_expired_one_does_not(void **state)
{
	char bearer[KEY_SECRET_TEXT_MAX + 16], *from, *to;

	(void)state;
	call(0, "POST", "/api/v1/apikey", NULL, "{\"expiration\":\"2099-01-01T00:00:00Z\"}");
	from = strstr(f.body, "hskey-api-");
	assert_non_null(from);
	to = strchr(from, '"');
	snprintf(bearer, sizeof bearer, "Bearer %.*s", (int)(to - from), from);
	call(1, "GET", "/api/v1/user", bearer, NULL);
	assert_int_equal(f.code, 200);
	call(1, "POST", "/api/v1/user", bearer, "{\"name\":\"carol\"}");
	assert_int_equal(f.code, 200);
	call(0, "GET", "/api/v1/audit?limit=1", NULL, NULL);
	assert_non_null(strstr(f.body, "\"actor\":\"api key "));
	call(1, "GET", "/api/v1/apikey", bearer, NULL);
	assert_non_null(strstr(f.body, "\"lastSeen\":\"2"));
	call(0, "POST", "/api/v1/apikey/expire", NULL, "{\"id\":\"2\"}");
	assert_int_equal(f.code, 200);
	call(1, "GET", "/api/v1/user", bearer, NULL);
	assert_int_equal(f.code, 401);
}

/* ---- many at once ---- */

#define AT_ONCE 8

struct one {
	int code;
	bool *all_done;
	size_t *left;
};

static void one_answered(void *arg, enum status s, const struct http_answer *a)
{
	struct one *o = arg;

	assert_int_equal(s, ST_OK);
	o->code = a->status;
	*o->all_done = --*o->left == 0;
}

/* The same request on so many connections before any is answered; returns how many were answered with `code`. */
static size_t at_once(const char *method, const char *target, const char *body, int code)
{
	struct http_client *c[AT_ONCE];
	struct one v[AT_ONCE];
	size_t left = AT_ONCE, n = 0;
	bool done = false;

	for (size_t i = 0; i < AT_ONCE; i++) {
		struct stream *near = NULL, *far = NULL;

		v[i] = (struct one){ .all_done = &done, .left = &left };
		pipe_pair(f.loop, &near, &far);
		http_server_accept(f.servers[0], far);
		c[i] = http_client_new(near);
		http_client_send(c[i], &(struct http_client_req){ .method = method, .target = target, .host = "x", .body = bytes_of_str(body) },
				 one_answered, &v[i]);
	}
	assert_true(loop_run_until(f.loop, &done, 10000));
	for (size_t i = 0; i < AT_ONCE; i++) {
		n += v[i].code == code;
		http_client_free(&c[i]);
	}
	loop_turn(f.loop, 0);
	return n;
}

static void of_many_at_once_one_gets_it(void **state)
{
	(void)state;
	assert_int_equal(at_once("POST", "/api/v1/user", "{\"name\":\"twin\"}", 200), 1);
	assert_int_equal(at_once("POST", "/api/v1/user", "{\"name\":\"twin\"}", 409), AT_ONCE);
	call(0, "POST", "/api/v1/debug/node", NULL, "{\"user\":\"twin\",\"key\":\"hskey-authreq-00000000000000000000000a\",\"name\":\"t\"}");
	assert_int_equal(at_once("POST", "/api/v1/auth/register", "{\"user\":\"twin\",\"authId\":\"hskey-authreq-00000000000000000000000a\"}", 200), 1);
	call(0, "GET", "/api/v1/node?user=twin", NULL, NULL);
	assert_string_equal(f.total, "1");
	assert_int_equal(at_once("POST", "/api/v1/preauthkey", "{\"user\":\"twin\"}", 200), AT_ONCE);
	call(0, "GET", "/api/v1/preauthkey?user=twin", NULL, NULL);
	assert_string_equal(f.total, "8"); /* none is lost */
	call(0, "GET", "/api/v1/user?name=twin", NULL, NULL);
	assert_string_equal(f.total, "1");
}

int main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(every_route_answers_as_written),
		cmocka_unit_test(strangers_get_nothing_but_what_is_public),
		cmocka_unit_test(a_good_key_opens_and_an_expired_one_does_not),
		cmocka_unit_test(of_many_at_once_one_gets_it),
	};
	return cmocka_run_group_tests(t, set_up, tear_down);
}
