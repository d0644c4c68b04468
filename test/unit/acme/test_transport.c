/* Unit tests of acme/transport.h, against a server on a loop of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "acme/transport.h"
#include "unit/acme/authority.h"

#define MS(a, b) (((b) - (a)) / NS_PER_MS)

struct world {
	struct authority *au;
	struct acme_transport *t;
	struct acme_answer a;
	struct err err;
};

static struct world *world_new(const struct acme_transport_opts *o)
{
	struct world *w = xcalloc(1, sizeof *w);

	w->au = authority_new("a.example");
	w->t = acme_transport_new(o);
	return w;
}

static void world_free(struct world *w)
{
	acme_transport_free(&w->t);
	assert_null(w->t);
	authority_free(&w->au);
	free(w);
}

static enum status get(struct world *w, size_t max)
{
	return acme_transport_ask(w->t, "GET", w->au->dir_url, (struct bytes){ 0 }, max, &w->a, &w->err);
}

static void an_answer_with_its_headers(void **state)
{
	static const struct fault f = { .step = AT_DIR, .status = 503, .retry_after = "77" };
	struct world *w = world_new(&(struct acme_transport_opts){ 0 });

	(void)state;
	assert_int_equal(get(w, 65536), ST_OK);
	assert_int_equal(w->a.status, 200);
	assert_string_equal(w->a.content_type, "application/json");
	assert_int_equal(strncmp(w->a.nonce, "nonce-", 6), 0);
	assert_string_equal(w->a.location, "");
	assert_int_equal(w->a.retry_after_s, -1);
	assert_int_equal(w->a.body.p[0], '{');
	authority_set(w->au, &f);
	assert_int_equal(get(w, 65536), ST_OK);
	assert_int_equal(w->a.status, 503);
	assert_int_equal(w->a.retry_after_s, 77);
	world_free(w);
}

static void head_has_no_body(void **state)
{
	struct world *w = world_new(&(struct acme_transport_opts){ 0 });
	char url[100];

	(void)state;
	snprintf(url, sizeof url, "%s/nonce", w->au->url);
	assert_int_equal(acme_transport_ask(w->t, "HEAD", url, (struct bytes){ 0 }, 65536, &w->a, &w->err), ST_OK);
	assert_int_equal(w->a.status, 200);
	assert_int_equal(w->a.body.n, 0);
	assert_int_not_equal(w->a.nonce[0], 0);
	world_free(w);
}

static void a_body_past_the_limit(void **state)
{
	static const struct fault fits = { .step = AT_DIR, .blow_up = 1000 }, big = { .step = AT_DIR, .blow_up = 1001 };
	struct world *w = world_new(&(struct acme_transport_opts){ 0 });

	(void)state;
	authority_set(w->au, &fits);
	assert_int_equal(get(w, 1000), ST_OK);
	assert_int_equal(w->a.body.n, 1000);
	authority_set(w->au, &big);
	assert_int_equal(get(w, 1000), ST_TOO_BIG);
	assert_non_null(strstr(w->err.text, "too long"));
	world_free(w);
}

static void no_http_after_https(void **state)
{
	struct world *w = world_new(&(struct acme_transport_opts){ .https_only = true });

	(void)state;
	assert_int_equal(get(w, 65536), ST_IO);
	assert_int_equal(atomic_load(&w->au->requests), 0);
	world_free(w);
}

static void nobody_there(void **state)
{
	struct acme_transport *t = acme_transport_new(&(struct acme_transport_opts){ 0 });
	struct acme_answer a;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(acme_transport_ask(t, "GET", "http://127.0.0.1:1/", (struct bytes){ 0 }, 100, &a, &err), ST_IO);
	assert_non_null(strstr(err.text, "127.0.0.1:1"));
	acme_transport_free(&t);
}

static void redirects_are_answers(void **state)
{
	static const struct fault f = { .step = AT_DIR, .status = 302 };
	struct world *w = world_new(&(struct acme_transport_opts){ 0 });

	(void)state;
	authority_set(w->au, &f);
	assert_int_equal(get(w, 65536), ST_OK);
	assert_int_equal(w->a.status, 302);
	assert_int_equal(atomic_load(&w->au->requests), 1);
	world_free(w);
}

static const struct fault hang = { .step = AT_DIR, .hang = true };

static void a_slow_answer(void **state)
{
	struct world *w = world_new(&(struct acme_transport_opts){ .request_ms = 300 });
	int64_t t0 = clock_mono_ns();

	(void)state;
	authority_set(w->au, &hang);
	assert_int_equal(get(w, 65536), ST_TIMEOUT);
	assert_in_range(MS(t0, clock_mono_ns()), 250, 3000);
	world_free(w);
}

static void everything_has_a_time_too(void **state)
{
	struct world *w = world_new(&(struct acme_transport_opts){ .total_ms = 300 });
	int64_t t0 = clock_mono_ns();

	(void)state;
	assert_int_equal(acme_transport_wait(w->t, 10, &w->err), ST_OK);
	assert_int_equal(acme_transport_wait(w->t, 100000, &w->err), ST_TIMEOUT); /* known at once */
	assert_in_range(MS(t0, clock_mono_ns()), 10, 250);
	authority_set(w->au, &hang);
	assert_int_equal(get(w, 65536), ST_TIMEOUT);
	assert_in_range(MS(t0, clock_mono_ns()), 250, 3000);
	assert_int_equal(get(w, 65536), ST_TIMEOUT);
	assert_int_equal(atomic_load(&w->au->requests), 1); /* the last did not even begin */
	world_free(w);
}

static void *stop_soon(void *arg)
{
	usleep(100000);
	acme_transport_stop(arg);
	return NULL;
}

static void a_request_is_stopped(void **state)
{
	struct world *w = world_new(&(struct acme_transport_opts){ 0 });
	int64_t t0 = clock_mono_ns();
	pthread_t th;

	(void)state;
	authority_set(w->au, &hang);
	assert_int_equal(pthread_create(&th, NULL, stop_soon, w->t), 0);
	assert_int_equal(get(w, 65536), ST_CLOSED);
	assert_int_equal(get(w, 65536), ST_CLOSED);
	assert_int_equal(acme_transport_wait(w->t, 10, &w->err), ST_CLOSED);
	assert_in_range(MS(t0, clock_mono_ns()), 50, 900); /* woken, not found out a second later */
	pthread_join(th, NULL);
	world_free(w);
}

static void a_sleep_is_stopped(void **state)
{
	struct acme_transport *t = acme_transport_new(&(struct acme_transport_opts){ 0 });
	int64_t t0 = clock_mono_ns();
	struct err err = { 0 };
	pthread_t th;

	(void)state;
	assert_int_equal(pthread_create(&th, NULL, stop_soon, t), 0);
	assert_int_equal(acme_transport_wait(t, 60000, &err), ST_CLOSED);
	assert_in_range(MS(t0, clock_mono_ns()), 50, 900);
	pthread_join(th, NULL);
	acme_transport_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_with_its_headers),
		cmocka_unit_test(head_has_no_body),
		cmocka_unit_test(a_body_past_the_limit),
		cmocka_unit_test(no_http_after_https),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(redirects_are_answers),
		cmocka_unit_test(a_slow_answer),
		cmocka_unit_test(everything_has_a_time_too),
		cmocka_unit_test(a_request_is_stopped),
		cmocka_unit_test(a_sleep_is_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
