/* test/unit/auth/test_fetch.c -- answers, limits, redirects, TLS; server and client on one loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "auth/fetch.h"
#include "http/router.h"
#include "http/server.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "unit/net/certs.h"

struct world {
	struct loop *l;
	struct http_router *router;
	struct http_server *http;
	struct listener *plain, *secure;
	struct net_tls_server *tls;
	struct net_tls_cert *cert;
	uint16_t port, tls_port;
	char ca_file[64];
	struct fetcher *f;
	/* the answer */
	bool over;
	unsigned n;
	enum status st;
	int status;
	char body[256], type[64], error[256];
	size_t body_n;
	char seen[256];
};

static enum http_verdict allow(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
	return HTTP_ALLOW;
}

static void hello(void *arg, struct http_req *r)
{
	struct world *w = arg;
	const char *auth = http_req_header(r, "authorization");

	snprintf(w->seen, sizeof w->seen, "%s %s %.*s", r->method, auth ? auth : "-", (int)r->body.n, (const char *)r->body.p);
	http_respond(r, 200, "text/x-hello", BYTES_LIT("hello"));
}

static void big(void *arg, struct http_req *r)
{
	static char text[2000];

	(void)arg;
	memset(text, 'x', sizeof text);
	http_resp_start(r, 200); /* no Content-Length: the limit must hold as it comes */
	http_resp_write(r, bytes_of(text, sizeof text));
	http_resp_end(r);
}

static void headers(void *arg, struct http_req *r)
{
	static char text[8000];

	(void)arg;
	memset(text, 'x', sizeof text - 1);
	for (int i = 0; i < 12; i++)
		http_resp_header(r, "x-long", text);
	http_respond_text(r, 200, "x");
}

static void around(void *arg, struct http_req *r)
{
	(void)arg;
	http_respond_redirect(r, 302, "/around");
}

static void away(void *arg, struct http_req *r)
{
	(void)arg;
	http_respond_redirect(r, 302, "/hello");
}

static void downgrade(void *arg, struct http_req *r)
{
	struct world *w = arg;
	char to[64];

	snprintf(to, sizeof to, "http://127.0.0.1:%u/hello", w->port);
	http_respond_redirect(r, 302, to);
}

static void left(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
}

static void silent(void *arg, struct http_req *r)
{
	(void)arg;
	http_on_cancel(r, left, NULL);
}

static void accept_tls(void *arg, struct stream *s)
{
	struct world *w = arg;

	http_server_accept(w->http, net_tls_serve(w->tls, s));
}

static struct net_tls_cert *find_cert(void *arg, const struct net_tls_hello *hello)
{
	struct world *w = arg;

	(void)hello;
	return net_tls_cert_ref(w->cert);
}

static uint16_t listen_on(struct world *w, listener_fn *fn, void *arg, struct listener **out)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse_port(BYTES_LIT("127.0.0.1:0"), &a), ST_OK);
	assert_int_equal(listener_open(w->l, &a, &(struct listener_opts){ 0 }, fn, arg, out, NULL), ST_OK);
	a = listener_addr(*out);
	return net_addr_port(&a);
}

static void write_ca(struct world *w, const char *pem)
{
	int fd;

	snprintf(w->ca_file, sizeof w->ca_file, "/tmp/fetch-ca-XXXXXX");
	fd = mkstemp(w->ca_file);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, pem, strlen(pem)), (ssize_t)strlen(pem));
	close(fd);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	const struct http_route routes[] = {
		{ "GET POST", "/hello", hello, w, 1 }, { "GET", "/big", big, w, 1 },	     { "GET", "/headers", headers, w, 1 },
		{ "GET", "/around", around, w, 1 },    { "GET", "/away", away, w, 1 },	     { "GET", "/downgrade", downgrade, w, 1 },
		{ "GET", "/silent", silent, w, 1 },
	};
	struct test_cert c = test_cert_new("localhost", "DNS:localhost", 1);

	w->l = loop_new(0);
	w->router = http_router_new();
	http_router_add_all(w->router, routes, sizeof routes / sizeof *routes);
	http_router_set_check(w->router, allow, NULL);
	w->http = http_server_new(w->l, &(struct http_server_opts){ .router = w->router });
	assert_int_equal(net_tls_cert_new(bytes_of_str(c.cert_pem), bytes_of_str(c.key_pem), &w->cert, NULL), ST_OK);
	assert_int_equal(net_tls_server_new(&(struct net_tls_server_opts){ .provider = { find_cert, w } }, &w->tls, NULL), ST_OK);
	w->port = listen_on(w, http_server_accept, w->http, &w->plain);
	w->tls_port = listen_on(w, accept_tls, w, &w->secure);
	write_ca(w, c.cert_pem);
	test_cert_free(&c);
	w->f = fetcher_new(w->l, &(struct fetcher_opts){ 0 });
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	fetcher_free(&w->f);
	listener_close(&w->plain);
	listener_close(&w->secure);
	http_server_free(&w->http);
	net_tls_server_free(&w->tls);
	net_tls_cert_unref(&w->cert);
	loop_turn(w->l, 0);
	loop_free(&w->l);
	http_router_free(&w->router);
	unlink(w->ca_file);
	free(w);
	return 0;
}

static void answered(void *arg, const struct fetch_answer *a)
{
	struct world *w = arg;

	w->over = true;
	w->n++;
	w->st = a->st;
	w->status = a->http_status;
	w->body_n = a->body.n;
	snprintf(w->body, sizeof w->body, "%.*s", a->body.n < 200 ? (int)a->body.n : 200, a->body.n ? (const char *)a->body.p : "");
	snprintf(w->type, sizeof w->type, "%s", a->content_type);
	snprintf(w->error, sizeof w->error, "%s", a->error);
}

/* Ask for a path of the plain server (or a whole URL) and wait. */
static void ask(struct world *w, const char *path, struct fetch_req req)
{
	char url[256];

	if (*path == '/')
		snprintf(url, sizeof url, "http://127.0.0.1:%u%s", w->port, path);
	else
		snprintf(url, sizeof url, "%s", path);
	req.url = url;
	w->over = false;
	fetch_start(w->f, &req, answered, w);
	assert_false(w->over); /* never inside the call */
	assert_true(loop_run_until(w->l, &w->over, 5000));
}

static void answers_come(void **state)
{
	struct world *w = *state;

	ask(w, "/hello", (struct fetch_req){ 0 });
	assert_int_equal(w->st, ST_OK);
	assert_int_equal(w->status, 200);
	assert_string_equal(w->body, "hello");
	assert_string_equal(w->type, "text/x-hello");
	assert_string_equal(w->seen, "GET - ");
	ask(w, "/hello", (struct fetch_req){ .form = BYTES_LIT("a=b"), .basic = "u:p" });
	assert_string_equal(w->seen, "POST Basic dTpw a=b");
	ask(w, "/hello", (struct fetch_req){ .bearer = "tok" });
	assert_string_equal(w->seen, "GET Bearer tok ");
	ask(w, "/nothing", (struct fetch_req){ 0 });
	assert_int_equal(w->st, ST_OK);
	assert_int_equal(w->status, 404);
	assert_int_equal(w->n, 4);
}

static void limits_hold(void **state)
{
	struct world *w = *state;

	ask(w, "/big", (struct fetch_req){ .body_max = 2000 });
	assert_int_equal(w->st, ST_OK);
	assert_int_equal(w->body_n, 2000);
	ask(w, "/big", (struct fetch_req){ .body_max = 1999 });
	assert_int_equal(w->st, ST_TOO_BIG);
	assert_int_equal(w->body_n, 0);
	ask(w, "/headers", (struct fetch_req){ 0 });
	assert_int_equal(w->st, ST_TOO_BIG);
	ask(w, "/silent", (struct fetch_req){ .timeout_ms = 100 });
	assert_int_equal(w->st, ST_TIMEOUT);
	assert_string_not_equal(w->error, "");
	ask(w, "http://127.0.0.1:9/", (struct fetch_req){ 0 });
	assert_int_equal(w->st, ST_IO);
	ask(w, "file:///etc/passwd", (struct fetch_req){ 0 });
	assert_int_equal(w->st, ST_BAD_INPUT);
	ask(w, "http://", (struct fetch_req){ 0 });
	assert_int_equal(w->st, ST_BAD_INPUT);
}

static void redirects_are_followed_as_far_as_asked(void **state)
{
	struct world *w = *state;

	ask(w, "/away", (struct fetch_req){ 0 });
	assert_int_equal(w->status, 302);
	ask(w, "/away", (struct fetch_req){ .redirects = 1 });
	assert_int_equal(w->status, 200);
	ask(w, "/around", (struct fetch_req){ .redirects = 5 });
	assert_int_equal(w->st, ST_IO);
}

static void servers_must_show_who_they_are(void **state)
{
	struct world *w = *state;
	char url[64];

	snprintf(url, sizeof url, "https://localhost:%u/hello", w->tls_port);
	ask(w, url, (struct fetch_req){ 0 }); /* nobody the system trusts */
	assert_int_equal(w->st, ST_IO);
	fetcher_free(&w->f);
	w->f = fetcher_new(w->l, &(struct fetcher_opts){ .ca_file = w->ca_file });
	ask(w, url, (struct fetch_req){ 0 });
	assert_int_equal(w->st, ST_OK);
	assert_string_equal(w->body, "hello");
	snprintf(url, sizeof url, "https://127.0.0.1:%u/hello", w->tls_port);
	ask(w, url, (struct fetch_req){ 0 }); /* another name */
	assert_int_equal(w->st, ST_IO);
	snprintf(url, sizeof url, "https://localhost:%u/downgrade", w->tls_port);
	ask(w, url, (struct fetch_req){ .redirects = 3 }); /* from TLS to none */
	assert_int_not_equal(w->st, ST_OK);
}

static void what_is_broken_off_says_nothing(void **state)
{
	struct world *w = *state;
	struct fetch *x[8];
	char url[64];

	snprintf(url, sizeof url, "http://127.0.0.1:%u/silent", w->port);
	for (int i = 0; i < 8; i++)
		x[i] = fetch_start(w->f, &(struct fetch_req){ .url = url }, answered, w);
	fetch_cancel(&x[0]); /* before anything has happened */
	for (int i = 0; i < 20; i++)
		loop_turn(w->l, 5);
	for (int i = 1; i < 6; i++) {
		fetch_cancel(&x[i]);
		assert_null(x[i]);
	}
	fetch_cancel(&x[1]);
	for (int i = 0; i < 20; i++)
		loop_turn(w->l, 5);
	fetcher_free(&w->f); /* and the rest */
	assert_int_equal(w->n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_come, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits_hold, set_up, tear_down),
		cmocka_unit_test_setup_teardown(redirects_are_followed_as_far_as_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(servers_must_show_who_they_are, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_broken_off_says_nothing, set_up, tear_down),
	};

	unsetenv("http_proxy");
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
