/* Ways in that no client of today takes by itself, and the small questions that clients ask. */
#include "protocol/harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

static char api_key[128];

static int start(void **state)
{
	char *out;

	if (world_start(state) != 0)
		return -1;
	out = cli("apikeys create --expiration 24h");
	snprintf(api_key, sizeof api_key, "%.*s", (int)strcspn(out, "\n"), out);
	free(out);
	return 0;
}

static int post(const char *target)
{
	char auth[160];
	struct http_header h[] = { { "authorization", auth } };
	struct ctl_reply r = { 0 };
	int status;

	snprintf(auth, sizeof auth, "Bearer %s", api_key);
	assert_int_equal(ctl_http(&w.server, "POST", target, h, 1, bytes_of(NULL, 0), PATIENCE_MS, &r), ST_OK);
	status = r.status;
	ctl_reply_release(&r);
	return status;
}

/* Asks for a link; the id in it. */
static const char *ask_link(struct node *n, char url[static 512])
{
	struct ctl_register_opts o = { 0 };
	struct ctl_registered r = node_try_register(n, &o);

	assert_int_equal(r.status, 200);
	assert_string_not_equal(r.auth_url, "");
	snprintf(url, 512, "%s", r.auth_url);
	return strrchr(url, '/') + 1;
}

static void admitted(struct node *n, const char *url)
{
	struct ctl_register_opts o = { .followup = url };
	struct ctl_registered r = node_try_register(n, &o);

	assert_string_equal(r.error, "");
	assert_string_equal(r.auth_url, "");
	assert_string_equal(r.login, "tester");
	node_lite(n);
	node_stream(n);
	until(netmap_has_first(n->map));
}

static void a_login_by_websocket(void **state)
{
	struct node *n = node_new("browser"), *other = node_up("other");

	(void)state;
	n->websocket = true;
	node_connect(n);
	assert_false(ctl_client_was_challenged(n->client)); /* such clients read no early payload */
	node_register(n, NULL);
	node_lite(n);
	node_stream(n);
	until(netmap_has_first(n->map) && sees(n, other) != NULL && sees(other, n) != NULL);
	/* Changes go on both ways. */
	other->endpoint = "192.0.2.77:4000";
	node_lite(other);
	until(strcmp(sees_endpoint(n, other), "192.0.2.77:4000") == 0);
	n->derp = 2;
	node_lite(n);
	until(sees_derp(other, n) == 2);
}

static void a_link_by_websocket(void **state)
{
	struct node *n = node_new("browser-link");
	char url[512];

	(void)state;
	n->websocket = true;
	free(cli("auth register --user tester --auth-id %s", ask_link(n, url)));
	admitted(n, url);
}

static void a_websocket_with_a_bad_handshake_is_closed(void **state)
{
	static const char *const targets[] = { "/ts2021", "/ts2021?X-Tailscale-Handshake=", "/ts2021?X-Tailscale-Handshake=AAAA" };
	struct http_header h[] = { { "upgrade", "websocket" }, { "connection", "upgrade" }, { "sec-websocket-version", "13" },
				   { "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==" }, { "sec-websocket-protocol", "tailscale-control-protocol" } };
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct ctl_reply r = { 0 };

		if (ctl_http(&w.server, "GET", targets[i], h, 5, bytes_of(NULL, 0), PATIENCE_MS, &r) == ST_OK)
			ctl_reply_release(&r);
	}
	if (ctl_server_fetch_key(&w.server, PATIENCE_MS, &err) != ST_OK)
		fail_msg("%s", err.text);
}

static void the_older_command_admits(void **state)
{
	struct node *n = node_new("older-command");
	char url[512];

	(void)state;
	free(cli("nodes register --user tester --key %s", ask_link(n, url)));
	admitted(n, url);
}

static void the_older_query_admits(void **state)
{
	struct node *n = node_new("older-query");
	char url[512], target[256];
	const char *id = ask_link(n, url);

	(void)state;
	assert_int_equal(post("/api/v1/node/register?user=tester"), 400);
	assert_int_equal(post("/api/v1/node/register?user=tester&key=hskey-authreq-000000000000000000000000"), 404);
	snprintf(target, sizeof target, "/api/v1/node/register?user=nobody&key=%s", id);
	assert_int_equal(post(target), 404);
	snprintf(target, sizeof target, "/api/v1/node/register?user=tester&key=%s", id);
	assert_int_equal(post(target), 200);
	admitted(n, url);
	assert_int_not_equal(post(target), 200);
}

static void the_older_query_takes_the_id_alone(void **state)
{
	struct node *n = node_new("older-id");
	char url[512], target[256];

	(void)state;
	snprintf(target, sizeof target, "/api/v1/node/register?user=tester&key=%s", strrchr(ask_link(n, url), '-') + 1);
	assert_int_equal(post(target), 200);
	admitted(n, url);
}

static void small_questions_are_answered(void **state)
{
	struct node *n = node_up("small");
	char machine[KEY_TEXT_MAX], key[KEY_TEXT_MAX], body[512];
	struct machine_key public = machine_private_public(&n->id.machine);
	struct json_object *o = NULL;
	struct answer a;

	(void)state;
	machine_key_format(&public, machine);
	node_key_format(&n->id.node_public, key);
	a = node_ask(n, "GET", "/machine/whoami", bytes_of(NULL, 0));
	assert_int_equal(a.status, 200);
	assert_non_null(strstr(a.body, machine));
	a = node_ask_text(n, "/machine/update-health", "{\"Subsys\":\"router\",\"Error\":\"no\"}");
	assert_int_equal(a.status, 204);
	assert_int_equal(a.n, 0);
	assert_int_equal(node_ask_text(n, "/machine/update-health", "not JSON").status, 204); /* nobody is helped by an error */
	snprintf(body, sizeof body, "{\"Version\":148,\"NodeKey\":\"%s\",\"Action\":\"DISCONNECT_NODE\",\"Details\":\"bye\",\"Timestamp\":\"2026-01-01T00:00:00Z\"}",
		 key);
	a = node_ask_text(n, "/machine/audit-log", body);
	assert_int_equal(a.status, 200);
	assert_int_equal(json_parse(bytes_of_str(a.body), 4096, &o, NULL), ST_OK);
	assert_true(json_object_is_type(o, json_type_object));
	json_object_put(o);
	snprintf(body, sizeof body, "{\"NodeKey\":\"%s\",\"Feature\":\"serve\"}", key);
	a = node_ask_text(n, "/machine/feature/query", body);
	assert_int_equal(a.status, 200);
	assert_int_equal(json_parse(bytes_of_str(a.body), 4096, &o, NULL), ST_OK);
	assert_null(json_object_object_get(o, "Complete")); /* nothing is switched on by it */
	assert_true(strlen(json_object_get_string(json_object_object_get(o, "Text"))) > 20);
	json_object_put(o);
	assert_non_null(n->stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_teardown(f, node_sweep)
		T(a_login_by_websocket),
		T(a_link_by_websocket),
		T(a_websocket_with_a_bad_handshake_is_closed),
		T(the_older_command_admits),
		T(the_older_query_admits),
		T(the_older_query_takes_the_id_alone),
		T(small_questions_are_answered),
	};

	return cmocka_run_group_tests_name("protocol/logins", tests, start, world_stop);
}
