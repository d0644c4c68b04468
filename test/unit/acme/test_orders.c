/* Unit tests of acme/acme.h and acme/order.h: a server's side in full, against a scripted authority. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "acme/acme.h"
#include "acme/cache.h"
#include "base/log.h"
#include "unit/acme/authority.h"
#include "unit/net/certs.h"

#define NAME "hs.example"
#define DAY  ((int64_t)86400)

struct world {
	struct authority *au;
	struct loop *l;
	struct acme *a;
	struct http_router *router;
	struct http_server *http;
	struct listener *listener;
	char dir[64];
	enum acme_challenge challenge;
	unsigned renewed;
};

static int64_t clock_ahead_ns; /* what the tests' wall clock is ahead of the real one */

static int64_t test_now(void)
{
	return clock_unix_ns() + clock_ahead_ns;
}

static void on_renewed(void *arg, struct net_tls_cert *c)
{
	struct world *w = arg;

	assert_true(net_tls_cert_names(c, NAME));
	w->renewed++;
}

static enum status open_acme(struct world *w, struct err *err)
{
	const char *names[] = { NAME };

	return acme_new(&(struct acme_opts){ .loop = w->l,
					     .directory_url = w->au->dir_url,
					     .names = names,
					     .n_names = 1,
					     .email = "admin@example.org",
					     .cache_dir = w->dir,
					     .challenge = w->challenge,
					     .redirect_to = "https://" NAME,
					     .renewed = on_renewed,
					     .renewed_arg = w,
					     .now_ns = test_now },
			&w->a, err);
}

/* The listener for challenges, and the provider for the authority. */
static void open_doors(struct world *w)
{
	struct net_addr at;

	w->router = http_router_new();
	http_router_set_check(w->router, allow, NULL);
	acme_add_routes(w->a, w->router, 1);
	w->http = http_server_new(w->l, &(struct http_server_opts){ .router = w->router });
	assert_int_equal(net_addr_parse(BYTES_LIT("127.0.0.1"), 0, &at), ST_OK);
	assert_int_equal(listener_open(w->l, &at, &(struct listener_opts){ 0 }, http_server_accept, w->http, &w->listener, NULL),
			 ST_OK);
	at = listener_addr(w->listener);
	if (w->challenge == ACME_HTTP_01)
		atomic_store(&w->au->http_port, net_addr_port(&at));
	w->au->tls = acme_provider(w->a);
}

static void close_doors(struct world *w)
{
	listener_close(&w->listener);
	http_server_free(&w->http);
	acme_free(&w->a);
	assert_null(w->a);
	http_router_free(&w->router);
}

static struct world *world_new(enum acme_challenge challenge)
{
	struct world *w = xcalloc(1, sizeof *w);
	struct err err = { 0 };

	clock_ahead_ns = 0;
	strcpy(w->dir, "/tmp/acme-orders-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->challenge = challenge;
	w->au = authority_new(NAME);
	w->l = loop_new(0);
	assert_int_equal(open_acme(w, &err), ST_OK);
	open_doors(w);
	return w;
}

static void world_free(struct world *w, bool clean)
{
	char cmd[200];

	close_doors(w);
	loop_free(&w->l);
	if (clean)
		assert_string_equal(w->au->complaint, ""); /* every request was as it has to be */
	authority_free(&w->au);
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", w->dir);
	assert_int_equal(system(cmd), 0);
	free(w);
}

static void again(struct world *w)
{
	struct err err = { 0 };

	close_doors(w);
	assert_int_equal(open_acme(w, &err), ST_OK);
	open_doors(w);
}

/* Until an order has ended. */
static struct acme_status run(struct world *w)
{
	struct acme_status s;
	int64_t t0 = clock_mono_ns();

	do {
		loop_turn(w->l, 20);
		acme_status(w->a, &s);
		assert_true(clock_mono_ns() - t0 < 20 * NS_PER_S);
	} while (s.busy || (s.next_unix != 0 && s.next_unix <= test_now() / NS_PER_S));
	return s;
}

static struct net_tls_cert *ask(struct world *w, const char *sni)
{
	struct net_tls_provider p = acme_provider(w->a);

	return p.find(p.arg, &(struct net_tls_hello){ .sni = sni });
}

static bool serves(struct world *w, const char *sni)
{
	struct net_tls_cert *c = ask(w, sni);
	bool yes = c != NULL;

	net_tls_cert_unref(&c);
	return yes;
}

static unsigned requests(struct world *w)
{
	return atomic_load(&w->au->requests);
}

/* ---- the good way ---- */

static void first_certificate(enum acme_challenge challenge)
{
	struct world *w = world_new(challenge);
	struct acme_status s;
	struct stat st;
	char path[200];

	assert_false(serves(w, NAME));
	loop_turn(w->l, 0);
	assert_int_equal(requests(w), 0); /* not started: nobody is asked */
	acme_start(w->a);
	s = run(w);
	assert_string_equal(s.error, "");
	assert_true(s.have);
	assert_int_equal(s.failures, 0);
	assert_int_equal(w->renewed, 1);
	assert_true(serves(w, NAME));
	assert_true(serves(w, ""));
	assert_false(serves(w, "other.example"));
	assert_in_range(s.next_unix, s.not_before + 60 * DAY, s.not_before + 63 * DAY);
	assert_int_equal(atomic_load(&w->au->seen[AT_NONCE]), 0 + 1); /* the rest came with the answers */
	snprintf(path, sizeof path, "%s/" NAME, w->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	world_free(w, true);
}

static void by_http(void **state)
{
	(void)state;
	first_certificate(ACME_HTTP_01);
}

static void by_tls_alpn(void **state)
{
	(void)state;
	first_certificate(ACME_TLS_ALPN_01);
}

static void the_answer_to_a_challenge_is_gone_afterwards(void **state)
{
	struct world *w = world_new(ACME_TLS_ALPN_01);
	struct net_tls_provider p = acme_provider(w->a);

	(void)state;
	acme_start(w->a);
	assert_true(run(w).have);
	assert_null(p.find(p.arg, &(struct net_tls_hello){ .sni = NAME, .acme = true }));
	world_free(w, true);
}

static void the_authority_takes_its_time(void **state)
{
	static const struct fault later = { .step = AT_FINALIZE, .state = "processing" };
	struct world *w = world_new(ACME_HTTP_01);

	(void)state;
	w->au->polls = 2;
	authority_set(w->au, &later);
	acme_start(w->a);
	assert_true(run(w).have);
	assert_in_range(atomic_load(&w->au->seen[AT_AUTHZ]), 3, 5);
	assert_in_range(atomic_load(&w->au->seen[AT_CHALLENGE]), 1, 1);
	assert_in_range(atomic_load(&w->au->seen[AT_FINALIZE]), 1, 1);
	world_free(w, true);
}

static void how_often_to_look_is_the_authoritys_word(void **state)
{
	static const struct fault wait = { .step = AT_AUTHZ, .retry_after = "2" };
	struct world *w = world_new(ACME_HTTP_01);
	int64_t t0 = clock_mono_ns();

	(void)state;
	w->au->polls = 1;
	authority_set(w->au, &wait);
	acme_start(w->a);
	assert_true(run(w).have);
	assert_true(clock_mono_ns() - t0 >= 2 * NS_PER_S);
	assert_int_equal(atomic_load(&w->au->seen[AT_AUTHZ]), 3);
	world_free(w, true);
}

/* ---- again ---- */

static void a_restart_finds_the_certificate(void **state)
{
	struct world *w = world_new(ACME_HTTP_01);
	unsigned before;

	(void)state;
	acme_start(w->a);
	assert_true(run(w).have);
	before = requests(w);
	again(w);
	assert_true(serves(w, NAME)); /* before it is even started */
	acme_start(w->a);
	assert_in_range(run(w).next_unix, test_now() / NS_PER_S + 59 * DAY, test_now() / NS_PER_S + 64 * DAY);
	assert_int_equal(requests(w), before);
	assert_int_equal(w->renewed, 2);
	world_free(w, true);
}

static void it_is_renewed_in_time(void **state)
{
	struct world *w = world_new(ACME_HTTP_01);
	struct net_tls_cert *first, *second;
	unsigned before;

	(void)state;
	acme_start(w->a);
	assert_true(run(w).have);
	first = ask(w, NAME);
	before = requests(w);
	clock_ahead_ns = 59 * DAY * NS_PER_S; /* the wall clock goes on, the loop's timer looks once an hour */
	loop_clock_advance(w->l, 3600000);
	loop_turn(w->l, 10);
	assert_int_equal(requests(w), before);
	clock_ahead_ns = 64 * DAY * NS_PER_S;
	loop_clock_advance(w->l, 3600000);
	assert_int_equal(run(w).failures, 0);
	second = ask(w, NAME);
	assert_ptr_not_equal(first, second);
	assert_false(bytes_eq(net_tls_cert_der(first), net_tls_cert_der(second)));
	assert_int_equal(w->renewed, 2);
	assert_int_equal(atomic_load(&w->au->accounts), 1); /* the same account */
	net_tls_cert_unref(&first);
	net_tls_cert_unref(&second);
	world_free(w, true);
}

static void what_cannot_be_renewed_stays(void **state)
{
	static const struct fault f = { .step = AT_NEW_ORDER, .status = 500, .body = "" };
	struct world *w = world_new(ACME_HTTP_01);
	struct net_tls_cert *first, *still;
	struct acme_status s;

	(void)state;
	acme_start(w->a);
	assert_true(run(w).have);
	first = ask(w, NAME);
	authority_set(w->au, &f);
	clock_ahead_ns = 100 * DAY * NS_PER_S; /* it has even expired */
	loop_clock_advance(w->l, 3600000);
	for (unsigned n = 1; n <= 3; n++) {
		s = run(w);
		assert_int_equal(s.failures, n);
		assert_non_null(strstr(s.error, "newOrder"));
		still = ask(w, NAME);
		assert_ptr_equal(first, still);
		net_tls_cert_unref(&still);
		assert_true(s.next_unix - test_now() / NS_PER_S >= (n == 1 ? 59 : n == 2 ? 299 : 899));
		clock_ahead_ns += (s.next_unix - test_now() / NS_PER_S + 1) * NS_PER_S;
		loop_clock_advance(w->l, 3600000);
	}
	authority_set(w->au, NULL);
	assert_int_equal(run(w).failures, 0);
	assert_string_equal(run(w).error, "");
	net_tls_cert_unref(&first);
	world_free(w, true);
}

static void a_short_life_does_not_run_in_circles(void **state)
{
	struct world *w = world_new(ACME_HTTP_01);
	int64_t t0 = test_now() / NS_PER_S, next;

	(void)state;
	atomic_store(&w->au->life_s, 3);
	acme_start(w->a);
	next = run(w).next_unix;
	assert_in_range(next, t0 + 10, test_now() / NS_PER_S + 10);
	world_free(w, true);
}

/* ---- what goes wrong ---- */

static void a_bad_nonce_is_tried_again(void **state)
{
	static const enum step steps[] = { AT_ACCOUNT, AT_NEW_ORDER, AT_AUTHZ, AT_CHALLENGE, AT_FINALIZE, AT_CERT };
	struct world *w;

	(void)state;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct fault f = { .step = steps[i],
				   .times = 3,
				   .status = 400,
				   .type = "application/problem+json",
				   .body = "{\"type\":\"urn:ietf:params:acme:error:badNonce\",\"detail\":\"again\"}" };

		w = world_new(ACME_TLS_ALPN_01);
		authority_set(w->au, &f);
		acme_start(w->a);
		assert_int_equal(run(w).failures, 0);
		assert_int_equal(atomic_load(&w->au->faults_done), 3);
		world_free(w, true);
	}
}

static void but_not_for_ever(void **state)
{
	static const struct fault f = { .step = AT_ACCOUNT,
					.status = 400,
					.body = "{\"type\":\"urn:ietf:params:acme:error:badNonce\",\"detail\":\"again\"}" };
	struct world *w = world_new(ACME_TLS_ALPN_01);
	struct acme_status s;

	(void)state;
	authority_set(w->au, &f);
	acme_start(w->a);
	s = run(w);
	assert_int_equal(s.failures, 1);
	assert_non_null(strstr(s.error, "badNonce"));
	assert_in_range(atomic_load(&w->au->seen[AT_ACCOUNT]), 2, 10);
	world_free(w, true);
}

static void a_rate_limit_is_respected(void **state)
{
	static const struct fault f = { .step = AT_NEW_ORDER,
					.status = 429,
					.type = "application/problem+json",
					.retry_after = "7200",
					.body = "{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"too many\"}" };
	struct world *w = world_new(ACME_HTTP_01);
	struct acme_status s;
	unsigned before;

	(void)state;
	authority_set(w->au, &f);
	acme_start(w->a);
	s = run(w);
	assert_non_null(strstr(s.error, "rateLimited: too many"));
	assert_in_range(s.next_unix - test_now() / NS_PER_S, 7198, 7921);
	before = requests(w);
	clock_ahead_ns = 7100 * NS_PER_S;
	for (int i = 0; i < 3; i++) {
		loop_clock_advance(w->l, 3600000);
		loop_turn(w->l, 10);
	}
	assert_int_equal(requests(w), before);
	world_free(w, true);
}

static void failures_and_their_words(void **state)
{
	static const struct {
		struct fault f;
		const char *words, *why;
	} cases[] = {
		{ { .step = AT_DIR, .body = "{\"newNonce\":" }, "authority's answer", "a directory that is cut off" },
		{ { .step = AT_DIR, .blow_up = 100000 }, "too long", "a directory without end" },
		{ { .step = AT_DIR, .type = "text/html" }, "text/html", "a page for a directory" },
		{ { .step = AT_DIR, .status = 404 }, "404", "no directory" },
		{ { .step = AT_DIR, .body = "{\"newNonce\":\"http://a/1\",\"newAccount\":\"http://a/2\",\"newOrder\":\"http://a/3\","
					    "\"meta\":{\"externalAccountRequired\":true}}" },
		  "external account", "an authority for its customers only" },
		{ { .step = AT_NONCE, .no_nonce = true }, "no nonce", "no nonce" },
		{ { .step = AT_NONCE, .status = 503, .retry_after = "5" }, "503", "no nonce for now" },
		{ { .step = AT_ACCOUNT, .no_location = true }, "newAccount", "an account without address" },
		{ { .step = AT_ACCOUNT, .status = 403, .body = "{\"type\":\"urn:ietf:params:acme:error:unauthorized\"}" }, "unauthorized",
		  "an account that was closed" },
		{ { .step = AT_ACCOUNT, .status = 400, .body = "<html>" }, "400", "an error that is no problem document" },
		{ { .step = AT_NEW_ORDER, .no_location = true }, "newOrder", "an order without address" },
		{ { .step = AT_NEW_ORDER, .body = "[1,2]" }, "no object", "an order that is a list" },
		{ { .step = AT_NEW_ORDER, .body = "{\"status\":7}" }, "status", "a state that is a number" },
		{ { .step = AT_NEW_ORDER, .type = "text/plain" }, "text/plain", "an order as text" },
		{ { .step = AT_NEW_ORDER, .blow_up = 1u << 20 }, "too long", "an order without end" },
		{ { .step = AT_AUTHZ, .forget_challenge = true }, "does not offer", "another type of challenge only" },
		{ { .step = AT_AUTHZ, .other_name = true }, "not asked for", "a proof for somebody else's name" },
		{ { .step = AT_AUTHZ, .state = "deactivated" }, "failed", "a proof that was taken back" },
		{ { .step = AT_CHALLENGE, .status = 500, .body = "oh" }, "challenge", "a challenge that breaks" },
		{ { .step = AT_FINALIZE, .state = "invalid" }, "failed", "an order that fails at its end" },
		{ { .step = AT_FINALIZE, .other_key = true }, "key", "a certificate for another key" },
		{ { .step = AT_FINALIZE, .other_name = true }, "does not name", "a certificate for another name" },
		{ { .step = AT_CERT, .type = "application/json" }, "pem-certificate-chain", "a certificate of another type" },
		{ { .step = AT_CERT, .body = "hello" }, "certificate", "no certificate at all" },
		{ { .step = AT_CERT, .blow_up = 1u << 20 }, "too long", "a chain without end" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct world *w = world_new(ACME_HTTP_01);
		struct acme_status s;

		print_message("%s\n", cases[i].why);
		authority_set(w->au, &cases[i].f);
		acme_start(w->a);
		s = run(w);
		assert_false(s.have);
		assert_int_equal(s.failures, 1);
		assert_true(atomic_load(&w->au->faults_done) >= 1);
		if (strstr(s.error, cases[i].words) == NULL)
			fail_msg("%s: \"%s\" has no \"%s\"", cases[i].why, s.error, cases[i].words);
		assert_false(serves(w, NAME));
		assert_int_equal(w->renewed, 0);
		world_free(w, false);
	}
}

static void an_answer_that_the_authority_cannot_see(void **state)
{
	struct world *w = world_new(ACME_HTTP_01);
	struct acme_status s;

	(void)state;
	atomic_store(&w->au->http_port, 1); /* nobody is there */
	acme_start(w->a);
	s = run(w);
	assert_int_equal(s.failures, 1);
	assert_non_null(strstr(s.error, NAME));
	assert_non_null(strstr(s.error, "unauthorized: wrong answer"));
	world_free(w, true);
}

static void leaving_in_the_middle(void **state)
{
	static const struct fault hang = { .step = AT_NEW_ORDER, .hang = true };
	struct world *w = world_new(ACME_HTTP_01);
	int64_t t0;

	(void)state;
	authority_set(w->au, &hang);
	acme_start(w->a);
	while (atomic_load(&w->au->seen[AT_NEW_ORDER]) == 0)
		loop_turn(w->l, 10);
	t0 = clock_mono_ns();
	world_free(w, true);
	assert_true(clock_mono_ns() - t0 < 2 * NS_PER_S);
}

/* ---- the cache ---- */

static void nobody_is_asked_when_the_cache_cannot_be_written(void **state)
{
	struct world *w = world_new(ACME_HTTP_01);
	struct acme_status s;
	FILE *f;

	(void)state;
	assert_int_equal(rmdir(w->dir), 0);
	f = fopen(w->dir, "w"); /* a file in its place */
	fclose(f);
	acme_start(w->a);
	s = run(w);
	assert_int_equal(s.failures, 1);
	assert_non_null(strstr(s.error, w->dir));
	assert_int_equal(requests(w), 0);
	world_free(w, true);
}

/* A full disk, as it were: the account is there, and what is written fails. */
static void nor_when_there_is_an_account(void **state)
{
	struct world *w = world_new(ACME_HTTP_01);
	struct acme_key *k = acme_key_new();
	struct rlimit old, none;
	struct acme_status s;

	(void)state;
	assert_int_equal(acme_cache_save_account(w->dir, k, NULL), ST_OK);
	acme_key_free(&k);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = (struct rlimit){ 0, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	acme_start(w->a);
	s = run(w);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(s.failures, 1);
	assert_int_equal(requests(w), 0);
	world_free(w, true);
}

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void a_damaged_account_key_is_left_alone(void **state)
{
	struct world *w = world_new(ACME_HTTP_01);
	char path[200], text[32] = "";
	FILE *f;

	(void)state;
	put_file(w->dir, "acme_account+key", "not a key");
	acme_start(w->a);
	assert_non_null(strstr(run(w).error, "acme_account+key"));
	assert_int_equal(requests(w), 0);
	snprintf(path, sizeof path, "%s/acme_account+key", w->dir);
	f = fopen(path, "r");
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	assert_string_equal(text, "not a key");
	world_free(w, true);
}

static void a_damaged_certificate_is_asked_for_anew(void **state)
{
	struct test_cert other = test_cert_new("other.example", "DNS:other.example", 1);
	char both[8192];
	struct world *w = world_new(ACME_HTTP_01);

	(void)state;
	snprintf(both, sizeof both, "%s%s", other.key_pem, other.cert_pem);
	for (int i = 0; i < 2; i++) {
		put_file(w->dir, NAME, i == 0 ? "garbage" : both);
		again(w);
		assert_false(serves(w, NAME));
		acme_start(w->a);
		assert_true(run(w).have);
		assert_true(serves(w, NAME));
	}
	test_cert_free(&other);
	world_free(w, true);
}

static void an_expired_one_is_served_until_there_is_a_new_one(void **state)
{
	static const struct fault f = { .step = AT_DIR, .status = 500 };
	struct world *w = world_new(ACME_HTTP_01);

	(void)state;
	acme_start(w->a);
	assert_true(run(w).have);
	clock_ahead_ns = 1000 * DAY * NS_PER_S;
	authority_set(w->au, &f);
	again(w);
	assert_true(serves(w, NAME));
	acme_start(w->a);
	assert_int_equal(run(w).failures, 1); /* due at once */
	assert_true(serves(w, NAME));
	world_free(w, true);
}

static void what_goes_behind_the_chain_stays_there(void **state)
{
	struct test_cert extra = test_cert_new("extra", "DNS:extra", 9);
	struct world *w = world_new(ACME_HTTP_01);
	struct net_tls_cert *plain, *full;
	struct err err = { 0 };

	(void)state;
	acme_start(w->a);
	assert_int_equal(acme_set_extra(w->a, bytes_of(extra.der, extra.der_n), &err), ST_OK); /* nothing to put it behind yet */
	assert_true(run(w).have);
	full = ask(w, NAME);
	assert_int_equal(acme_set_extra(w->a, BYTES_LIT("no certificate"), &err), ST_BAD_INPUT);
	plain = ask(w, NAME);
	assert_ptr_equal(plain, full); /* a failure changes nothing */
	net_tls_cert_unref(&plain);
	assert_int_equal(acme_set_extra(w->a, (struct bytes){ 0 }, &err), ST_OK);
	plain = ask(w, NAME);
	assert_ptr_not_equal(plain, full);
	assert_true(bytes_eq(net_tls_cert_der(plain), net_tls_cert_der(full)));
	net_tls_cert_unref(&plain);
	net_tls_cert_unref(&full);
	test_cert_free(&extra);
	world_free(w, true);
}

/* ---- the listener for challenges ---- */

/* Ask it from a thread of its own; the answer's head and body. */
struct question {
	uint16_t port;
	const char *line;
	char text[2048];
	atomic_bool done;
};

static void *put_question(void *arg)
{
	struct question *q = arg;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(q->port) };
	size_t n = 0;
	ssize_t k;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
		dprintf(fd, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", q->line);
		while (n < sizeof q->text - 1 && (k = read(fd, q->text + n, sizeof q->text - 1 - n)) > 0)
			n += (size_t)k;
	}
	close(fd);
	atomic_store(&q->done, true);
	return NULL;
}

static void everything_else_is_redirected(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
		{ "GET /", "Location: https://hs.example/\r\n" },
		{ "GET /a/b%20c?x=1&y=%2f", "Location: https://hs.example/a/b%20c?x=1&y=%2f\r\n" },
		{ "GET //evil.example/", "Location: https://hs.example//evil.example/\r\n" },
		{ "POST /machine", "Location: https://hs.example/machine\r\n" },
		{ "GET /.well-known/acme-challenge/", "HTTP/1.1 302" },
		{ "GET /.well-known/acme-challenge/unknown", "HTTP/1.1 404" },
		{ "POST /.well-known/acme-challenge/unknown", "HTTP/1.1 405" },
	};
	struct world *w = world_new(ACME_HTTP_01);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct question q = { .port = (uint16_t)atomic_load(&w->au->http_port), .line = cases[i].line };
		pthread_t th;

		assert_int_equal(pthread_create(&th, NULL, put_question, &q), 0);
		while (!atomic_load(&q.done))
			loop_turn(w->l, 10);
		pthread_join(th, NULL);
		if (strcasestr(q.text, cases[i].want) == NULL)
			fail_msg("%s: no \"%s\" in:\n%s", cases[i].line, cases[i].want, q.text);
	}
	world_free(w, true);
}

/* ---- names ---- */

static void names_that_are_none(void **state)
{
	static const char *const bad[] = { "", ".", "a..b", ".a", "a.", "-a.b", "a-.b", "a.b-", "*.a", "a/b", "../x", "a b", "a_b", "192.0.2.1", "::1",
					   "a\xc3\xa4.b", "a:80", "0123456789012345678901234567890123456789012345678901234567890123.a" };
	static const char *const good[] = { "a", "A.Example", "a-b.c", "xn--4ca.de", "1.a" };
	struct loop *l = loop_new(0);
	struct acme *a = NULL;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		print_message("\"%s\"\n", bad[i]);
		assert_int_equal(acme_new(&(struct acme_opts){ .loop = l, .names = &bad[i], .n_names = 1, .cache_dir = "/nonexistent" }, &a, &err),
				 ST_BAD_INPUT);
	}
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(acme_new(&(struct acme_opts){ .loop = l, .names = &good[i], .n_names = 1, .cache_dir = "/nonexistent" }, &a, &err),
				 ST_OK);
		acme_free(&a);
	}
	assert_int_equal(acme_new(&(struct acme_opts){ .loop = l, .names = good, .n_names = 1, .directory_url = "ftp://a/b" }, &a, &err),
			 ST_BAD_INPUT);
	assert_int_equal(acme_new(&(struct acme_opts){ .loop = l, .names = good, .n_names = 0 }, &a, &err), ST_BAD_INPUT);
	loop_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_http),
		cmocka_unit_test(by_tls_alpn),
		cmocka_unit_test(the_answer_to_a_challenge_is_gone_afterwards),
		cmocka_unit_test(the_authority_takes_its_time),
		cmocka_unit_test(how_often_to_look_is_the_authoritys_word),
		cmocka_unit_test(a_restart_finds_the_certificate),
		cmocka_unit_test(it_is_renewed_in_time),
		cmocka_unit_test(what_cannot_be_renewed_stays),
		cmocka_unit_test(a_short_life_does_not_run_in_circles),
		cmocka_unit_test(a_bad_nonce_is_tried_again),
		cmocka_unit_test(but_not_for_ever),
		cmocka_unit_test(a_rate_limit_is_respected),
		cmocka_unit_test(failures_and_their_words),
		cmocka_unit_test(an_answer_that_the_authority_cannot_see),
		cmocka_unit_test(leaving_in_the_middle),
		cmocka_unit_test(nobody_is_asked_when_the_cache_cannot_be_written),
		cmocka_unit_test(nor_when_there_is_an_account),
		cmocka_unit_test(a_damaged_account_key_is_left_alone),
		cmocka_unit_test(a_damaged_certificate_is_asked_for_anew),
		cmocka_unit_test(an_expired_one_is_served_until_there_is_a_new_one),
		cmocka_unit_test(what_goes_behind_the_chain_stays_there),
		cmocka_unit_test(everything_else_is_redirected),
		cmocka_unit_test(names_that_are_none),
	};
	log_configure(LOG_LEVEL_OFF, LOG_FORMAT_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
