/* Tests of proto/requests.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "proto/requests.h"
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

static void health_reports_of_clients_parse(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		struct health_request r;

		if (strcmp(vectors[i].path, "/machine/update-health") != 0)
			continue;
		assert_int_equal(health_request_parse(bytes_of_str(vectors[i].body), a, &r, NULL), ST_OK);
		assert_true(r.subsys[0] != '\0');
		assert_false(node_key_is_zero(&r.node_key));
		n++;
	}
	assert_true(n > 0);
}

static void each_small_request_is_read(void **state)
{
	struct audit_request au;
	struct feature_request fe;
	struct dns_request dn;
	struct ping_response pi;
	struct ssh_event ev;

	(void)state;
	assert_int_equal(audit_request_parse(BYTES_LIT("{\"Version\":142,\"NodeKey\":\"" KEY "\",\"Action\":\"DISCONNECT_NODE\",\"Details\":\"x\"}"), a, &au, NULL), ST_OK);
	assert_int_equal(au.version, 142);
	assert_string_equal(au.action, "DISCONNECT_NODE");
	assert_string_equal(au.details, "x");
	assert_int_equal(feature_request_parse(BYTES_LIT("{\"Feature\":\"serve\",\"NodeKey\":\"" KEY "\"}"), a, &fe, NULL), ST_OK);
	assert_string_equal(fe.feature, "serve");
	assert_int_equal(dns_request_parse(BYTES_LIT("{\"Version\":1,\"NodeKey\":\"" KEY "\",\"Name\":\"_acme-challenge.a.b\",\"Type\":\"TXT\",\"Value\":\"v\"}"), a, &dn, NULL), ST_OK);
	assert_string_equal(dn.name, "_acme-challenge.a.b");
	assert_string_equal(dn.value, "v");
	assert_int_equal(ping_response_parse(BYTES_LIT("{\"Type\":\"disco\",\"NodeIP\":\"100.64.0.1\",\"LatencySeconds\":0.25,\"DERPRegionID\":3,\"IsLocalIP\":true,\"Err\":\"e\"}"), a, &pi, NULL), ST_OK);
	assert_true(pi.latency_s == 0.25 && pi.derp_region == 3 && pi.is_local_ip);
	assert_string_equal(pi.error, "e");
	assert_string_equal(pi.ip, "");
	assert_int_equal(ssh_event_parse(BYTES_LIT("{\"EventType\":2,\"ConnectionID\":\"c\",\"NodeKey\":\"" KEY "\",\"SrcNode\":7,\"SSHUser\":\"root\",\"LocalUser\":\"r\"}"), a, &ev, NULL), ST_OK);
	assert_int_equal(ev.type, SSH_EVENT_TERMINATED);
	assert_int_equal(ev.src, 7);
	assert_string_equal(ev.ssh_user, "root");
}

static void malformed_small_requests_are_refused(void **state)
{
	static const char *const bad[] = { "", "null", "[]", "{\"Action\":7}", "{\"NodeKey\":\"x\"}", "{\"Version\":true}", "{\"Details\":\"a\\u0000\"}" };
	struct audit_request r;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (audit_request_parse(bytes_of_str(bad[i]), a, &r, NULL) != ST_BAD_INPUT)
			fail_msg("%s was taken", bad[i]);
}

static void an_ssh_action_says_only_what_holds(void **state)
{
	struct buf b;
	struct jw w;

	(void)state;
	buf_init(&b, 4096);
	jw_init(&w, &b);
	ssh_action_write(&(struct ssh_action){ .accept = true, .duration_ns = 5, .agent_forwarding = true, .local_forwarding = true, .remote_forwarding = true }, &w);
	assert_true(bytes_eq_str(buf_bytes(&b), "{\"accept\":true,\"sessionDuration\":5,\"allowAgentForwarding\":true,\"allowLocalPortForwarding\":true,\"allowRemotePortForwarding\":true}"));
	buf_reset(&b);
	jw_init(&w, &b);
	ssh_action_write(&(struct ssh_action){ .hold_url = "https://unused/x", .message = "wait" }, &w);
	assert_true(bytes_eq_str(buf_bytes(&b), "{\"message\":\"wait\",\"holdAndDelegate\":\"https://unused/x\"}"));
	buf_reset(&b);
	jw_init(&w, &b);
	ssh_action_write(&(struct ssh_action){ .reject = true }, &w);
	assert_true(bytes_eq_str(buf_bytes(&b), "{\"reject\":true}"));
	buf_release(&b);
}

static void a_c2n_request_is_http(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	c2n_request_encode(&(struct c2n_request){ .method = "GET", .path = "/echo" }, &b);
	assert_true(bytes_eq_str(buf_bytes(&b), "GET /echo HTTP/1.1\r\nHost: c2n\r\n\r\n"));
	buf_reset(&b);
	c2n_request_encode(&(struct c2n_request){ .method = "POST", .path = "/x?y=1", .body = BYTES_LIT("ab"), .timeout_s = 30 }, &b);
	assert_true(bytes_eq_str(buf_bytes(&b), "POST /x?y=1 HTTP/1.1\r\nHost: c2n\r\nC2n-Handler-Timeout: 30s\r\nContent-Length: 2\r\n\r\nab"));
	buf_release(&b);
}

static void c2n_replies_come_in_three_shapes(void **state)
{
	static const struct {
		const char *text, *body, *why;
		int status;
	} good[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabTAIL", "ab", "by length", 200 },
		{ "HTTP/1.1 204 No Content\r\n\r\n", "", "nothing", 204 },
		{ "HTTP/1.0 400 Bad Request\nX: y\n\nuntil the end", "until the end", "until the end", 400 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", "ab0123456789", "chunked", 200 },
		{ "HTTP/1.1 405\r\n\r\n", "", "no words", 405 },
	};
	static const char *const bad[] = { "", "HTTP/1.1 200", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 20x OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
					   "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
					   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab\r\n0\r\n\r\n",
					   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nab",
					   /* 2 to the 64th more than what is there */
					   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nab\r\n0\r\n\r\n",
					   "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nab",
					   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab\r\n",
					   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabX\r\n0\r\n\r\n" };
	struct c2n_reply r;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(c2n_reply_parse(bytes_of_str(good[i].text), a, &r, NULL), ST_OK);
		if (r.status != good[i].status || !bytes_eq_str(r.body, good[i].body))
			fail_msg("%s", good[i].why);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (c2n_reply_parse(bytes_of_str(bad[i]), a, &r, NULL) != ST_BAD_INPUT)
			fail_msg("%s was taken", bad[i]);
}

static void every_prefix_of_a_c2n_reply_is_safe(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
	struct c2n_reply r;

	(void)state;
	for (size_t n = 0; n < sizeof text - 1; n++) {
		uint8_t *copy = malloc(n + 1);
		enum status s;

		memcpy(copy, text, n);
		s = c2n_reply_parse(bytes_of(copy, n), a, &r, NULL);
		assert_true(s == ST_BAD_INPUT || n >= sizeof text - 3);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(health_reports_of_clients_parse, setup, teardown),
		cmocka_unit_test_setup_teardown(each_small_request_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_small_requests_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(an_ssh_action_says_only_what_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(a_c2n_request_is_http, setup, teardown),
		cmocka_unit_test_setup_teardown(c2n_replies_come_in_three_shapes, setup, teardown),
		cmocka_unit_test_setup_teardown(every_prefix_of_a_c2n_reply_is_safe, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
