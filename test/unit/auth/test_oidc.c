/*
 * test/unit/auth/test_oidc.c -- whole logins: a browser, our routes on one loop, the home loop on another, a real state,
 * and a provider that tells lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <semaphore.h>

#include "auth/oidc.h"
#include "net/loop.h"
#include "state/state.h"
#include "unit/auth/provider.h"
#include "unit/state/helper.h" /* the store on a fake disk */

struct site {
	struct arena *a;
	struct provider_server p;
	struct fake_disk *disk;
	struct state *st;
	struct loop *home, *front;
	struct http_router *router;
	struct http_server *http;
	struct listener *listener;
	uint16_t port;
	struct oidc *o;
	sem_t heard;
	enum status s;
	char auth_id[AUTH_ID_LEN + 1];
	uint64_t id; /* of the object that came back */
	uint8_t next_key;
	bool behind_proxy; /* the browser's connections count as a proxy's */
};

static cjose_jwk_t *first_key, *second_key, *ec_key;
static char *first_set, *second_set;
static struct arena *keys_arena;

/* ---- pages ---- */

static void draw_confirm(struct buf *out, const char *action, const char *csrf, const char *user, const struct oidc_device *d)
{
	buf_printf(out, "CONFIRM action=%s csrf=%s user=%s host=%s os=%s key=%s", action, csrf, user, d->hostname,
		   d->os ? d->os : "?", d->machine_key);
}

static void draw_done(struct buf *out, const char *heading, const char *text)
{
	buf_printf(out, "DONE %s: %s", heading, text);
}

static void draw_error(struct buf *out, int status, const char *what, const char *advice)
{
	buf_printf(out, "ERROR %d %s. %s", status, what, advice);
}

/* ---- the state, waited for ---- */

static void heard(void *arg, enum status s, const struct err *err, const struct state_result *r)
{
	struct site *w = arg;

	(void)err;
	w->s = s;
	if (r != NULL && r->auth_id != NULL)
		snprintf(w->auth_id, sizeof w->auth_id, "%s", r->auth_id);
	if (r != NULL && r->node != NULL)
		w->id = r->node->id;
	else if (r != NULL && r->user != NULL)
		w->id = r->user->id;
	sem_post(&w->heard);
}

/* A machine asks to join; a new one, or that of `again`. Its auth id is in w. */
static void ask_to_join(struct site *w, uint8_t again)
{
	static const char info[] = "{\"Hostname\":\"box\",\"OS\":\"linux\"}";
	struct state_register r = { .expiry_ns = TIME_NONE, .hostinfo = BYTES_LIT(info), .cap = 100 };
	uint8_t k = again ? again : ++w->next_key;

	memset(r.machine.b, k, KEY_LEN);
	memset(r.node_key.b, k, KEY_LEN);
	r.node_key.b[0] = ++w->next_key;
	w->auth_id[0] = '\0';
	assert_int_equal(state_register(w->st, &r, heard, w, NULL), ST_OK);
	sem_wait(&w->heard);
	assert_int_equal(w->s, ST_OK);
	assert_int_equal(strlen(w->auth_id), AUTH_ID_LEN);
}

static size_t users(struct site *w)
{
	struct snapshot *s = state_snapshot(w->st);
	size_t n = snapshot_user_count(s);

	snapshot_unref(&s);
	return n;
}

static size_t nodes(struct site *w)
{
	struct snapshot *s = state_snapshot(w->st);
	size_t n = s->n_nodes;

	snapshot_unref(&s);
	return n;
}

/* ---- the server ---- */

static void publish(void *arg, struct publication *p)
{
	(void)arg;
	(void)p;
}

static void script_reset(struct site *w)
{
	w->p.s = (struct provider_script){ .jwks = first_set, .key = first_key, .alg = "RS256", .kid = "k1", .lifetime_s = 3600,
					   .more = ",\"preferred_username\":\"odin\",\"name\":\"Odin\",\"email\":\"o@example.com\","
						   "\"email_verified\":true" };
}

static void lock(struct site *w)
{
	pthread_mutex_lock(&w->p.mu);
}

static void unlock(struct site *w)
{
	pthread_mutex_unlock(&w->p.mu);
}

static int set_up(void **state)
{
	struct site *w = calloc(1, sizeof *w);
	struct store *store = NULL;

	w->a = arena_new();
	script_reset(w);
	provider_start(&w->p);
	sem_init(&w->heard, 0, 0);
	w->disk = fake_disk_new();
	assert_int_equal(store_open_fake(w->disk, &store, NULL), ST_OK);
	assert_int_equal(state_open(&(struct state_opts){ .store = store, .publish = publish }, &w->st, NULL), ST_OK);
	w->home = loop_new(0);
	w->front = loop_new(1);
	*state = w;
	return 0;
}

static struct oidc_opts options(struct site *w)
{
	return (struct oidc_opts){
		.loop = w->home,
		.state = w->st,
		.server_url = "https://hs.example.com/",
		.issuer = w->p.url,
		.client_id = "client id",
		.client_secret = "s%cret",
		.email_verified_required = true,
		.pkce = OIDC_PKCE_S256,
		.timeout_ms = 1000,
		.pages = { draw_confirm, draw_done, draw_error },
	};
}

static bool any_is_proxy(void *arg, const struct net_addr *a)
{
	(void)arg;
	(void)a;
	return true;
}

static void serve(struct site *w)
{
	struct net_addr a;

	w->router = http_router_new();
	http_router_set_check(w->router, provider_open, NULL);
	oidc_add_routes(w->o, w->router, 1);
	w->http = http_server_new(w->front, &(struct http_server_opts){ .router = w->router,
								 .is_proxy = w->behind_proxy ? any_is_proxy : NULL });
	assert_int_equal(net_addr_parse_port(BYTES_LIT("127.0.0.1:0"), &a), ST_OK);
	assert_int_equal(listener_open(w->front, &a, &(struct listener_opts){ 0 }, http_server_accept, w->http, &w->listener, NULL), ST_OK);
	a = listener_addr(w->listener);
	w->port = net_addr_port(&a);
	assert_int_equal(loop_start(w->home, NULL), ST_OK);
	assert_int_equal(loop_start(w->front, NULL), ST_OK);
}

static void run_with(struct site *w, const struct oidc_opts *o)
{
	struct err err = { 0 };

	assert_int_equal(oidc_new(o, &w->o, &err), ST_OK);
	if (oidc_discover_now(w->o, 0, &err) != ST_OK)
		fail_msg("%s", err.text);
	assert_true(oidc_ready(w->o));
	oidc_start(w->o);
	serve(w);
}

static void run(struct site *w)
{
	struct oidc_opts o = options(w);

	run_with(w, &o);
}

static int tear_down(void **state)
{
	struct site *w = *state;

	loop_stop(w->front);
	loop_stop(w->home);
	loop_join(w->front);
	loop_join(w->home);
	listener_close(&w->listener);
	http_server_free(&w->http);
	loop_free(&w->front); /* what comes late must not look for it */
	oidc_free(&w->o);
	state_close(&w->st);
	loop_turn(w->home, 0);
	loop_free(&w->home);
	http_router_free(&w->router);
	provider_stop(&w->p);
	fake_disk_free(&w->disk);
	sem_destroy(&w->heard);
	arena_free(&w->a);
	free(w);
	return 0;
}

static uint64_t count(struct site *w, enum oidc_event e)
{
	struct oidc_stats s;

	oidc_stats(w->o, &s);
	return s.events[e];
}

/* ---- steps of a login ---- */

struct trip {
	char *location, *state, *cookie; /* cookie: a header line */
};

/* The browser opens the link and is sent away. */
static struct trip depart(struct site *w, const char *what)
{
	struct reply p = browse(w->port, arena_printf(w->a, "/%s/%s", what, w->auth_id), NULL, NULL);
	struct trip t;
	char *pair;

	if (p.status != 302)
		fail_msg("no redirect: %s", p.text);
	t.location = between(w->a, p.text, "location: ", "\r");
	if (*t.location == '\0')
		t.location = between(w->a, p.text, "Location: ", "\r");
	t.state = between(w->a, t.location, "&state=", "&");
	pair = between(w->a, p.text, "state_", ";");
	t.cookie = arena_printf(w->a, "Cookie: other=1; state_%s\r\n", pair);
	lock(w);
	snprintf(w->p.s.login_nonce, sizeof w->p.s.login_nonce, "%s", between(w->a, t.location, "&nonce=", "&"));
	snprintf(w->p.s.challenge, sizeof w->p.s.challenge, "%s", between(w->a, t.location, "&code_challenge=", "&"));
	unlock(w);
	reply_free(&p);
	return t;
}

/* The provider sends it back. */
static struct reply come_back(struct site *w, const struct trip *t)
{
	return browse(w->port, arena_printf(w->a, "/oidc/callback?code=good&state=%s", t->state), t->cookie, NULL);
}

static struct reply log_in(struct site *w)
{
	struct trip t = depart(w, "register");

	return come_back(w, &t);
}

/* The button of the page, with its cookie. */
static struct reply press(struct site *w, const struct reply *shown)
{
	char *action = between(w->a, shown->body, "action=", " "), *csrf = between(w->a, shown->body, "csrf=", " ");
	char *cookie = between(w->a, shown->text, "headscale_register_confirm=", ";");

	return browse(w->port, action, arena_printf(w->a, "Cookie: headscale_register_confirm=%s\r\n", cookie),
		      arena_printf(w->a, "headscale_register_confirm=%s", csrf));
}

static void assert_page(const struct reply *p, int status, const char *text)
{
	if (p->status != status || strstr(p->body, text) == NULL)
		fail_msg("wanted %d with \"%s\", got: %s", status, text, p->text ? p->text : "nothing");
}

/* A login that must end at the callback, counted as `e`. */
static void assert_refused(struct site *w, enum oidc_event e, int status)
{
	uint64_t before = count(w, e);
	struct reply p = log_in(w);

	if (p.status != status || count(w, e) != before + 1)
		fail_msg("wanted %d and one more of %s, got: %s", status, oidc_event_name(e), p.text ? p.text : "nothing");
	assert_int_equal(users(w), 0);
	assert_int_equal(nodes(w), 0);
	reply_free(&p);
}

/* A whole login of the machine that asked last. */
static void join(struct site *w)
{
	struct reply p = log_in(w), q;

	assert_page(&p, 200, "CONFIRM");
	q = press(w, &p);
	assert_page(&q, 200, "DONE");
	reply_free(&p);
	reply_free(&q);
}

/* ---- tests ---- */

static void a_login_makes_a_user_and_a_node(void **state)
{
	struct site *w = *state;
	struct oidc_opts o = options(w);
	struct snapshot *s;
	const struct user *u;
	struct trip t;
	struct reply p, q;

	o.extra_params = (const struct oidc_param[]){ { "domain_hint", "a b" }, { "state", "mine" } };
	o.n_extra_params = 2;
	run_with(w, &o);
	ask_to_join(w, 0);
	t = depart(w, "register");
	assert_int_equal(strncmp(t.location, w->p.url, strlen(w->p.url)), 0);
	assert_non_null(strstr(t.location, "/authorize?x=1&response_type=code&client_id=client%20id&"));
	assert_non_null(strstr(t.location, "redirect_uri=https%3A%2F%2Fhs.example.com%2Foidc%2Fcallback&"));
	assert_non_null(strstr(t.location, "&scope=openid%20profile%20email&"));
	assert_non_null(strstr(t.location, "&code_challenge_method=S256"));
	assert_non_null(strstr(t.location, "&domain_hint=a%20b"));
	assert_null(strstr(t.location, "mine"));
	assert_int_equal(strlen(t.state), 64);
	p = come_back(w, &t);
	assert_page(&p, 200, "user=Odin host=box os=linux key=[");
	assert_non_null(strstr(p.text, "HttpOnly; SameSite=Strict; Secure"));
	assert_int_equal(users(w), 0); /* nothing of a person is stored yet */
	assert_int_equal(nodes(w), 0);
	q = press(w, &p);
	assert_page(&q, 200, "DONE Node registered: Registered as Odin.");
	reply_free(&q);
	q = press(w, &p); /* a second click says the same */
	assert_page(&q, 200, "DONE Node registered: Registered as Odin.");
	reply_free(&q);
	reply_free(&p);
	s = state_snapshot(w->st);
	assert_int_equal(s->n_nodes, 1);
	assert_int_equal(snapshot_user_count(s), 1);
	u = snapshot_user_at(s, 0);
	assert_string_equal(u->name, "odin");
	assert_string_equal(u->email, "o@example.com");
	assert_string_equal(u->provider, "oidc");
	assert_string_equal(u->provider_id, arena_printf(w->a, "%s/s1", w->p.url));
	snapshot_unref(&s);
	assert_int_equal(count(w, OIDC_REGISTERED), 1);
}

static void parameters_are_all_sent_or_refused(void **state)
{
	struct site *w = *state;
	struct oidc_opts o = options(w);
	struct oidc_param many[200];
	struct err err = { 0 };
	struct trip t;
	char *big;

	for (size_t i = 0; i < 200; i++)
		many[i] = (struct oidc_param){ arena_printf(w->a, "p%zu", i), "\xc3\x9f &=/" };
	o.extra_params = many;
	o.n_extra_params = 200;
	run_with(w, &o);
	ask_to_join(w, 0);
	t = depart(w, "register");
	for (size_t i = 0; i < 200; i++)
		assert_non_null(strstr(t.location, arena_printf(w->a, "&p%zu=%%C3%%9F%%20%%26%%3D%%2F", i)));
	big = arena_alloc(w->a, OIDC_PARAMS_MAX + 1);
	memset(big, 'x', OIDC_PARAMS_MAX);
	big[OIDC_PARAMS_MAX] = '\0';
	many[0].value = big;
	o.n_extra_params = 1;
	{
		struct oidc *other = NULL;

		assert_int_equal(oidc_new(&o, &other, &err), ST_BAD_INPUT);
		assert_non_null(strstr(err.text, "oidc.extra_params are too long"));
		assert_null(other);
	}
}

static void cookies_are_of_the_browser_alone(void **state)
{
	struct site *w = *state;
	struct reply p;

	run(w);
	ask_to_join(w, 0);
	p = browse(w->port, arena_printf(w->a, "/register/%s", w->auth_id), NULL, NULL);
	assert_int_equal(p.status, 302);
	assert_non_null(strstr(p.text, "; Path=/oidc/callback; Max-Age=3600; HttpOnly; SameSite=Lax; Secure\r\n"));
	assert_non_null(strstr(p.text, "no-store"));
	reply_free(&p);
}

static void cookies_are_secure_when_the_browser_came_by_tls(void **state)
{
	static const struct {
		const char *why, *header;
		bool secure;
	} t[] = {
		{ "plain", "", false },
		{ "a proxy that ends TLS", "X-Forwarded-Proto: https\r\n", true },
		{ "a proxy that does not", "X-Forwarded-Proto: http\r\n", false },
	};
	struct site *w = *state;
	struct oidc_opts o = options(w);

	o.server_url = "http://hs.example.com";
	w->behind_proxy = true;
	run_with(w, &o);
	ask_to_join(w, 0);
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct reply p = browse(w->port, arena_printf(w->a, "/register/%s", w->auth_id), t[i].header, NULL);

		if ((strstr(p.text, "SameSite=Lax; Secure\r\n") != NULL) != t[i].secure || strstr(p.text, "HttpOnly") == NULL)
			fail_msg("%s: %s", t[i].why, p.text);
		reply_free(&p);
	}
}

static void people_are_known_by_subject(void **state)
{
	struct site *w = *state;
	struct snapshot *s;

	run(w);
	ask_to_join(w, 0);
	join(w);
	lock(w);
	w->p.s.more = ",\"preferred_username\":\"wotan\",\"name\":\"Wotan\",\"email\":\"w@example.com\",\"email_verified\":true,"
		      "\"picture\":\"https://p.example.com/w.png\"";
	unlock(w);
	ask_to_join(w, 0);
	join(w);
	s = state_snapshot(w->st);
	assert_int_equal(snapshot_user_count(s), 1);
	assert_string_equal(snapshot_user_at(s, 0)->name, "wotan");
	assert_string_equal(snapshot_user_at(s, 0)->email, "w@example.com");
	assert_string_equal(snapshot_user_at(s, 0)->picture_url, "https://p.example.com/w.png");
	snapshot_unref(&s);
	lock(w);
	w->p.s.sub = "s2"; /* the same address, another person */
	unlock(w);
	ask_to_join(w, 0);
	join(w);
	assert_int_equal(users(w), 2);
	assert_int_equal(nodes(w), 3);
}

static void the_same_person_again_is_the_same_node(void **state)
{
	struct site *w = *state;
	struct reply p, q;

	run(w);
	ask_to_join(w, 77);
	join(w);
	ask_to_join(w, 77);
	p = log_in(w);
	q = press(w, &p);
	assert_page(&q, 200, "DONE Node reauthenticated: Reauthenticated as Odin.");
	reply_free(&p);
	reply_free(&q);
	assert_int_equal(nodes(w), 1);
}

static void state_is_used_once_and_by_its_browser(void **state)
{
	struct site *w = *state;
	struct trip t, other;
	struct reply p;

	run(w);
	ask_to_join(w, 0);
	t = depart(w, "register");
	other = depart(w, "register");
	p = browse(w->port, arena_printf(w->a, "/oidc/callback?code=good&state=%s", t.state), NULL, NULL);
	assert_page(&p, 400, "ERROR");
	reply_free(&p);
	p = browse(w->port, arena_printf(w->a, "/oidc/callback?code=good&state=%s", t.state), other.cookie, NULL);
	assert_page(&p, 400, "ERROR");
	reply_free(&p);
	p = browse(w->port, arena_printf(w->a, "/oidc/callback?code=good&state=%s", t.state),
		   arena_printf(w->a, "Cookie: state_%.6s=%064d\r\n", t.state, 0), NULL);
	assert_page(&p, 403, "ERROR");
	reply_free(&p);
	assert_int_equal(w->p.s.n_token, 0);
	lock(w);
	snprintf(w->p.s.login_nonce, sizeof w->p.s.login_nonce, "%s", between(w->a, t.location, "&nonce=", "&"));
	snprintf(w->p.s.challenge, sizeof w->p.s.challenge, "%s", between(w->a, t.location, "&code_challenge=", "&"));
	unlock(w);
	p = browse(w->port, arena_printf(w->a, "/oidc/callback?code=good&state=%s&iss=http%%3A%%2F%%2Fother", t.state), t.cookie, NULL);
	assert_page(&p, 400, "ERROR");
	reply_free(&p);
	p = come_back(w, &t); /* all that has not used it up */
	assert_page(&p, 200, "CONFIRM");
	reply_free(&p);
	p = come_back(w, &t);
	assert_page(&p, 410, "ERROR 410 This login is over");
	reply_free(&p);
	assert_int_equal(count(w, OIDC_STATE_UNKNOWN), 1);
	assert_int_equal(count(w, OIDC_STATE_COOKIE), 3);
}

static void one_link_does_not_fill_the_table(void **state)
{
	struct site *w = *state;
	struct oidc_stats s;
	struct trip mine, theirs = { 0 };
	struct reply p;
	char *my_id;

	run(w);
	ask_to_join(w, 0);
	my_id = arena_strdup(w->a, w->auth_id);
	mine = depart(w, "register");
	ask_to_join(w, 0);
	for (int i = 0; i < 60; i++)
		theirs = depart(w, "register");
	oidc_stats(w->o, &s);
	assert_int_equal(s.logins, 17); /* 16 of that link, and mine */
	for (int i = 0; i < 20; i++) {
		theirs = depart(w, "register");
		p = come_back(w, &theirs);
		assert_page(&p, 200, "CONFIRM");
		reply_free(&p);
	}
	oidc_stats(w->o, &s);
	assert_int_equal(s.confirms, 16);
	lock(w);
	snprintf(w->p.s.login_nonce, sizeof w->p.s.login_nonce, "%s", between(w->a, mine.location, "&nonce=", "&"));
	snprintf(w->p.s.challenge, sizeof w->p.s.challenge, "%s", between(w->a, mine.location, "&code_challenge=", "&"));
	unlock(w);
	p = come_back(w, &mine);
	assert_page(&p, 200, arena_printf(w->a, "/register/confirm/%s", my_id));
	reply_free(&p);
}

static void callbacks_that_are_none_are_refused(void **state)
{
	static const char *const queries[] = { "", "?code=x", "?state=y", "?code=x&state=y", "?error=access_denied&state=zz",
					       "?code=&state=", "?code=x&state=%00", "?error=x" };
	struct site *w = *state;

	run(w);
	for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
		struct reply p = browse(w->port, arena_printf(w->a, "/oidc/callback%s", queries[i]), NULL, NULL);

		assert_int_equal(p.status, 400);
		reply_free(&p);
	}
}

static void a_link_must_be_opened_by_itself(void **state)
{
	static const struct {
		const char *header;
		int status;
	} t[] = {
		{ "Sec-Fetch-Dest: image\r\nSec-Fetch-Site: cross-site\r\n", 403 },
		{ "Sec-Fetch-Dest: iframe\r\n", 403 },
		{ "Sec-Fetch-Dest: empty\r\n", 403 },
		{ "Sec-Fetch-Dest: document\r\nSec-Purpose: prefetch;prerender\r\n", 403 },
		{ "Purpose: prefetch\r\n", 403 },
		{ "Sec-Fetch-Dest: document\r\nSec-Fetch-Site: cross-site\r\n", 302 },
		{ "", 302 },
	};
	struct site *w = *state;
	struct reply p, q;
	struct trip go;
	char *csrf, *cookie;

	run(w);
	ask_to_join(w, 0);
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		p = browse(w->port, arena_printf(w->a, "/auth/%s", w->auth_id), t[i].header, NULL);
		if (p.status != t[i].status)
			fail_msg("%s: %s", t[i].header, p.text);
		reply_free(&p);
	}
	assert_int_equal(count(w, OIDC_EMBEDDED), 5);
	go = depart(w, "register");
	p = browse(w->port, arena_printf(w->a, "/oidc/callback?code=good&state=%s", go.state),
		   arena_printf(w->a, "%sSec-Fetch-Dest: iframe\r\n", go.cookie), NULL);
	assert_page(&p, 403, "opened by itself");
	reply_free(&p);
	p = come_back(w, &go); /* which has not used it up */
	assert_page(&p, 200, "CONFIRM");
	csrf = between(w->a, p.body, "csrf=", " ");
	cookie = arena_printf(w->a, "Cookie: headscale_register_confirm=%s\r\n", csrf);
	q = browse(w->port, between(w->a, p.body, "action=", " "), arena_printf(w->a, "%sSec-Fetch-Site: same-site\r\n", cookie),
		   arena_printf(w->a, "headscale_register_confirm=%s", csrf));
	assert_page(&q, 403, "ERROR"); /* a form of a page of others */
	reply_free(&q);
	q = browse(w->port, between(w->a, p.body, "action=", " "), arena_printf(w->a, "%sSec-Fetch-Site: same-origin\r\n", cookie),
		   arena_printf(w->a, "headscale_register_confirm=%s", csrf));
	assert_page(&q, 200, "DONE");
	reply_free(&q);
	reply_free(&p);
}

static void links_that_are_none_are_refused(void **state)
{
	struct site *w = *state;
	struct reply p;

	run(w);
	p = browse(w->port, "/register/hskey-authreq-zzz", NULL, NULL);
	assert_page(&p, 400, "ERROR");
	reply_free(&p);
	p = browse(w->port, "/register/hskey-authreq-0123456789abcdef01234567", NULL, NULL);
	assert_page(&p, 410, "ERROR 410 This login is over");
	reply_free(&p);
	p = browse(w->port, "/auth/hskey-authreq-0123456789abcdef01234567", NULL, NULL);
	assert_page(&p, 410, "ERROR 410");
	reply_free(&p);
}

/* Brackets in brackets. */
static char *deep(struct arena *a)
{
	char *text = arena_strdup(a, "");

	for (int i = 0; i < 12; i++)
		text = i == 0 ? arena_strdup(a, "[") : arena_printf(a, "%s%s", text, text);
	return arena_printf(a, "{\"id_token\":%s", text);
}

static void lies_of_the_provider_are_not_believed(void **state)
{
	struct site *w = *state;
	struct provider_script *s = &w->p.s;
	static char big[400000];
	int step = 0;

#define LIE(what, event, status)                                                                                       \
	do {                                                                                                           \
		print_message("lie %d\n", ++step);                                                                     \
		lock(w);                                                                                               \
		script_reset(w);                                                                                       \
		what;                                                                                                  \
		unlock(w);                                                                                             \
		assert_refused(w, event, status);                                                                      \
	} while (0)

	run(w);
	ask_to_join(w, 0);
	LIE(s->nonce = "another", OIDC_TOKEN_NONCE, 403);
	LIE(s->aud = "another", OIDC_TOKEN_AUDIENCE, 403);
	LIE(s->iss = "http://127.0.0.1:1", OIDC_TOKEN_ISSUER, 403);
	LIE(s->lifetime_s = -120, OIDC_TOKEN_TIME, 403);
	LIE(s->more = ",\"at_hash\":\"AAAA\"", OIDC_TOKEN_ACCESS_HASH, 403);
	LIE(s->token = jose_forge(w->a, "{\"alg\":\"none\"}", "{}", (struct bytes){ 0 }), OIDC_TOKEN_MALFORMED, 400);
	LIE(s->token = jose_forge(w->a, "{\"alg\":\"HS256\",\"kid\":\"k1\"}", "{}", bytes_of_str(first_set)), OIDC_TOKEN_ALGORITHM, 403);
	LIE((s->key = ec_key, s->alg = "ES256"), OIDC_TOKEN_ALGORITHM, 403);
	LIE(s->token = "", OIDC_TOKEN_MALFORMED, 400);
	LIE(s->answer = "{\"access_token\":\"a\"}", OIDC_TOKEN_MALFORMED, 400);
	LIE(s->answer = "[]", OIDC_TOKEN_MALFORMED, 400);
	LIE(s->answer = "{\"id_token\":", OIDC_TOKEN_MALFORMED, 400);
	LIE(s->answer = "{\"id_token\":7}", OIDC_TOKEN_MALFORMED, 400);
	LIE(s->answer = "", OIDC_TOKEN_MALFORMED, 400);
	memset(big, ' ', sizeof big - 1);
	LIE(s->answer = big, OIDC_TOKEN_MALFORMED, 400);
	LIE(s->status = 400, OIDC_CODE_REFUSED, 403);
	LIE((s->status = 400, s->answer = "<html>"), OIDC_CODE_REFUSED, 403);
	LIE(s->status = 503, OIDC_UNAVAILABLE, 503);
	LIE(s->hang = true, OIDC_UNAVAILABLE, 503);
	LIE(s->more = arena_printf(w->a, ",\"nbf\":%lld", (long long)(clock_unix_ns() / NS_PER_S) + 600), OIDC_TOKEN_TIME, 403);
	LIE(s->more = ",\"azp\":\"another\"", OIDC_TOKEN_AUDIENCE, 403);
	LIE(s->sub = "", OIDC_TOKEN_MALFORMED, 400);
	LIE(s->sub = arena_printf(w->a, "%0300d", 0), OIDC_TOKEN_MALFORMED, 400);
	LIE(s->sub = "a\\u0000b", OIDC_TOKEN_MALFORMED, 400);
	LIE(s->token = jose_forge(w->a, "{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}", "{}", bytes_of_str("x")), OIDC_TOKEN_MALFORMED, 400);
	LIE(s->token = jose_forge(w->a, "{\"alg\":\"RS256\",\"crit\":[\"x\"]}", "{}", bytes_of_str("x")), OIDC_TOKEN_MALFORMED, 400);
	LIE(s->token = jose_forge(w->a, "{\"alg\":\"RS256\",\"jwk\":{}}", "{}", bytes_of_str("x")), OIDC_TOKEN_SIGNATURE, 403);
	LIE(s->answer = deep(w->a), OIDC_TOKEN_MALFORMED, 400);
	LIE(s->status = 302, OIDC_CODE_REFUSED, 403); /* nobody follows with a code in hand */
	/* And the truth. */
	lock(w);
	script_reset(w);
	unlock(w);
	join(w);
}

static void keys_that_change_are_found_again(void **state)
{
	struct site *w = *state;
	struct reply p;

	run(w);
	ask_to_join(w, 0);
	assert_int_equal(w->p.s.n_jwks, 1);
	lock(w);
	w->p.s.key = second_key;
	w->p.s.kid = "k2";
	w->p.s.jwks = second_set;
	unlock(w);
	join(w);
	lock(w);
	assert_int_equal(w->p.s.n_jwks, 2);
	w->p.s.kid = "k3"; /* a name that is never published does not make us ask all the time */
	unlock(w);
	ask_to_join(w, 0);
	for (int i = 0; i < 5; i++) {
		p = log_in(w);
		assert_int_equal(p.status, 403);
		reply_free(&p);
	}
	assert_int_equal(count(w, OIDC_TOKEN_KEY), 5);
	lock(w);
	assert_int_equal(w->p.s.n_jwks, 2);
	unlock(w);
}

static void another_algorithm_is_learned_by_the_next_login(void **state)
{
	struct site *w = *state;
	struct reply p;

	run(w);
	ask_to_join(w, 0);
	lock(w);
	w->p.s.algs = "[\"ES256\"]";
	w->p.s.alg = "ES256";
	w->p.s.key = ec_key;
	w->p.s.jwks = jose_set(w->a, &ec_key, 1);
	unlock(w);
	p = log_in(w);
	assert_page(&p, 403, "was not believed");
	reply_free(&p);
	assert_int_equal(count(w, OIDC_TOKEN_ALGORITHM), 1);
	for (int i = 0; i < 200 && count(w, OIDC_KEYS_OK) < 2; i++)
		usleep(20000);
	join(w);
	lock(w);
	assert_int_equal(w->p.s.n_discovery, 2);
	w->p.s.alg = "RS256"; /* what it does not list does not make us ask all the time */
	w->p.s.key = first_key;
	unlock(w);
	ask_to_join(w, 0);
	for (int i = 0; i < 3; i++) {
		p = log_in(w);
		assert_int_equal(p.status, 403);
		reply_free(&p);
	}
	usleep(100000);
	lock(w);
	assert_int_equal(w->p.s.n_discovery, 2);
	unlock(w);
}

static void a_key_may_change_under_its_name(void **state)
{
	struct site *w = *state;

	run(w);
	ask_to_join(w, 0);
	lock(w);
	w->p.s.key = second_key;
	w->p.s.jwks = jose_set(w->a, &second_key, 1);
	w->p.s.jwks = arena_printf(w->a, "%s", w->p.s.jwks);
	memcpy(strstr((char *)(uintptr_t)w->p.s.jwks, "\"k2\""), "\"k1\"", 4);
	unlock(w);
	join(w);
}

static void keys_that_were_missing_at_the_start_are_fetched(void **state)
{
	struct site *w = *state;

	w->p.s.jwks = NULL;
	run(w);
	ask_to_join(w, 0);
	assert_refused(w, OIDC_UNAVAILABLE, 503);
	loop_stop(w->home); /* ten seconds later */
	loop_join(w->home);
	loop_clock_advance(w->home, 11000);
	assert_int_equal(loop_start(w->home, NULL), ST_OK);
	lock(w);
	w->p.s.jwks = first_set;
	unlock(w);
	join(w);
}

static void the_provider_may_refuse(void **state)
{
	struct site *w = *state;
	struct trip t;
	struct reply p;

	run(w);
	ask_to_join(w, 0);
	t = depart(w, "register");
	p = browse(w->port, arena_printf(w->a, "/oidc/callback?error=access_denied&error_description=no%%20way&state=%s", t.state), t.cookie, NULL);
	assert_page(&p, 403, "The identity provider refused the login (access_denied)");
	reply_free(&p);
	t = depart(w, "register");
	p = browse(w->port, arena_printf(w->a, "/oidc/callback?error=%%3Cscript%%3E&state=%s", t.state), t.cookie, NULL);
	assert_page(&p, 400, "(unknown error)");
	reply_free(&p);
	t = depart(w, "register");
	p = browse(w->port, arena_printf(w->a, "/oidc/callback?error=temporarily_unavailable&state=%s", t.state), t.cookie, NULL);
	assert_page(&p, 503, "temporarily_unavailable");
	reply_free(&p);
	assert_int_equal(count(w, OIDC_PROVIDER_REFUSED), 3);
}

static void the_secret_is_shown_as_the_provider_takes_it(void **state)
{
	struct site *w = *state;

	w->p.s.only_form = true;
	run(w);
	ask_to_join(w, 0);
	join(w); /* Basic first, then the form */
	lock(w);
	assert_int_equal(w->p.s.n_token, 2);
	assert_string_equal(w->p.s.auth, "");
	assert_non_null(strstr(w->p.s.form, "client_secret=s%25cret"));
	unlock(w);
	ask_to_join(w, 0);
	join(w); /* and it is remembered */
	lock(w);
	assert_int_equal(w->p.s.n_token, 3);
	unlock(w);
}

static void a_refusal_of_any_kind_is_tried_the_other_way(void **state)
{
	static const struct {
		int status;
		const char *error;
	} t[] = { { 403, "unauthorized_client" }, { 400, "invalid_request" }, { 400, "access_denied" }, { 401, "" }, { 422, "x" } };
	struct site *w = *state;

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		script_reset(w);
		w->p.s.only_form = true;
		w->p.s.auth_status = t[i].status;
		w->p.s.auth_error = t[i].error;
		if (i == 0)
			run(w);
		ask_to_join(w, 0);
		join(w);
	}
}

static void a_code_that_is_over_is_tried_once(void **state)
{
	struct site *w = *state;

	w->p.s.status = 400; /* invalid_grant */
	run(w);
	ask_to_join(w, 0);
	assert_refused(w, OIDC_CODE_REFUSED, 403);
	lock(w);
	assert_int_equal(w->p.s.n_token, 1);
	unlock(w);
}

static void a_listed_method_is_taken_at_once(void **state)
{
	struct site *w = *state;

	w->p.s.auth_methods = "[\"client_secret_post\",\"private_key_jwt\"]";
	w->p.s.only_form = true;
	run(w);
	ask_to_join(w, 0);
	join(w);
	lock(w);
	assert_int_equal(w->p.s.n_token, 1);
	unlock(w);
}

static void userinfo_counts_if_it_is_of_the_same_person(void **state)
{
	static const char *const crew[] = { "crew" };
	struct site *w = *state;
	struct oidc_opts o = options(w);
	struct reply p;

	o.allowed_groups = (struct oidc_texts){ crew, 1 };
	w->p.s.userinfo = "{\"sub\":\"s1\",\"groups\":[\"crew\"],\"name\":\"From there\"}";
	run_with(w, &o);
	ask_to_join(w, 0);
	p = log_in(w);
	assert_page(&p, 200, "user=From there");
	reply_free(&p);
	lock(w);
	w->p.s.userinfo = "{\"sub\":\"s2\",\"groups\":[\"crew\"]}";
	unlock(w);
	assert_refused(w, OIDC_FILTER_GROUP, 401);
	lock(w);
	w->p.s.userinfo = "nonsense";
	unlock(w);
	assert_refused(w, OIDC_FILTER_GROUP, 401);
	assert_int_equal(count(w, OIDC_USERINFO_FAILED), 1);
	assert_int_equal(count(w, OIDC_USERINFO_SUBJECT), 1);
}

static void userinfo_that_is_slow_or_huge_is_done_without(void **state)
{
	struct site *w = *state;
	char *big = arena_alloc(w->a, 400001);
	struct reply p;

	memset(big, ' ', 400000);
	big[400000] = '\0';
	w->p.s.userinfo = big;
	run(w);
	ask_to_join(w, 0);
	p = log_in(w);
	assert_page(&p, 200, "user=Odin");
	reply_free(&p);
	lock(w);
	w->p.s.hang_userinfo = true;
	unlock(w);
	p = log_in(w);
	assert_page(&p, 200, "user=Odin");
	reply_free(&p);
	assert_int_equal(count(w, OIDC_USERINFO_FAILED), 2);
	assert_int_equal(count(w, OIDC_USERINFO_SUBJECT), 0);
}

/* A machine's login with keys that have no names; then with a token that names one of several. */
static void keys_without_names_are_tried_all(void **state)
{
	struct site *w = *state;
	cjose_jwk_t *bare[2] = { jose_rsa(NULL), jose_rsa(NULL) };

	w->p.s.jwks = jose_set(w->a, bare, 2);
	w->p.s.key = bare[1];
	run(w);
	ask_to_join(w, 0);
	join(w); /* named in the token alone */
	lock(w);
	w->p.s.kid = NULL;
	unlock(w);
	ask_to_join(w, 0);
	join(w); /* named nowhere */
	lock(w);
	w->p.s.key = second_key;
	unlock(w);
	ask_to_join(w, 0);
	{
		struct reply p = log_in(w);

		assert_page(&p, 403, "was not believed");
		reply_free(&p);
	}
	assert_int_equal(count(w, OIDC_TOKEN_SIGNATURE), 1);
	cjose_jwk_release(bare[0]);
	cjose_jwk_release(bare[1]);
}

static void a_provider_that_leads_in_circles_is_left(void **state)
{
	struct site *w = *state;
	struct oidc_opts o = options(w);
	struct err err = { 0 };

	w->p.s.redirects = -1;
	assert_int_equal(oidc_new(&o, &w->o, &err), ST_OK);
	assert_int_equal(oidc_discover_now(w->o, 0, &err), ST_IO);
	lock(w);
	assert_int_equal(w->p.s.n_redirects, 4); /* three are followed */
	w->p.s.redirects = 2;
	unlock(w);
	if (oidc_discover_now(w->o, 0, &err) != ST_OK)
		fail_msg("%s", err.text);
	assert_int_equal(count(w, OIDC_DISCOVERY_FAILED), 1);
	assert_int_equal(count(w, OIDC_DISCOVERY_OK), 1);
	oidc_start(w->o);
	serve(w);
}

static void documents_without_end_are_cut_off(void **state)
{
	struct site *w = *state;
	struct oidc_opts o = options(w);
	struct err err = { 0 };
	char *big = arena_alloc(w->a, 600001);

	memset(big, ' ', 600000);
	big[600000] = '\0';
	w->p.s.discovery = big;
	assert_int_equal(oidc_new(&o, &w->o, &err), ST_OK);
	assert_int_equal(oidc_discover_now(w->o, 0, &err), ST_TOO_BIG);
	lock(w);
	w->p.s.discovery = NULL;
	w->p.s.jwks = big;
	unlock(w);
	assert_int_equal(oidc_discover_now(w->o, 0, &err), ST_OK); /* its keys are asked for again */
	assert_int_equal(count(w, OIDC_KEYS_FAILED), 1);
	oidc_start(w->o);
	serve(w);
	ask_to_join(w, 0);
	assert_refused(w, OIDC_UNAVAILABLE, 503);
}

static void who_does_not_pass_a_filter_leaves_nothing(void **state)
{
	static const char *const domain[] = { "example.com" };
	struct site *w = *state;
	struct oidc_opts o = options(w);

	o.allowed_domains = (struct oidc_texts){ domain, 1 };
	run_with(w, &o);
	ask_to_join(w, 0);
	lock(w);
	w->p.s.more = ",\"email\":\"o@example.com\",\"email_verified\":false";
	unlock(w);
	assert_refused(w, OIDC_FILTER_VERIFIED, 401);
	lock(w);
	w->p.s.more = ",\"email\":\"o@example.org\",\"email_verified\":true";
	unlock(w);
	assert_refused(w, OIDC_FILTER_DOMAIN, 401);
}

static void an_unverified_address_is_not_stored(void **state)
{
	struct site *w = *state;
	struct snapshot *s;

	w->p.s.more = ",\"preferred_username\":\"odin\",\"email\":\"boss@example.com\"";
	run(w);
	ask_to_join(w, 0);
	join(w);
	s = state_snapshot(w->st);
	assert_string_equal(snapshot_user_at(s, 0)->email, "");
	snapshot_unref(&s);
}

static void a_form_of_somebody_else_confirms_nothing(void **state)
{
	struct site *w = *state;
	char *action, *csrf, *cookie, *first;
	struct reply p, q;

	run(w);
	ask_to_join(w, 0);
	p = log_in(w);
	assert_page(&p, 200, "CONFIRM");
	action = between(w->a, p.body, "action=", " ");
	csrf = between(w->a, p.body, "csrf=", " ");
	cookie = arena_printf(w->a, "Cookie: headscale_register_confirm=%s\r\n", csrf);
	reply_free(&p);
	first = arena_strdup(w->a, w->auth_id);
	ask_to_join(w, 0);
	const struct {
		const char *action, *cookie, *form;
		int status;
	} t[] = {
		{ action, cookie, "", 400 },
		{ action, cookie, "headscale_register_confirm=", 400 },
		{ action, NULL, arena_printf(w->a, "headscale_register_confirm=%s", csrf), 403 },
		{ action, cookie, arena_printf(w->a, "headscale_register_confirm=%064d", 0), 403 },
		{ action, arena_printf(w->a, "Cookie: headscale_register_confirm=%064d\r\n", 0),
		  arena_printf(w->a, "headscale_register_confirm=%064d", 0), 410 },
		{ arena_printf(w->a, "/register/confirm/%s", w->auth_id), cookie,
		  arena_printf(w->a, "headscale_register_confirm=%s", csrf), 403 },
		{ "/register/confirm/x", cookie, arena_printf(w->a, "headscale_register_confirm=%s", csrf), 400 },
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		q = browse(w->port, t[i].action, t[i].cookie, t[i].form);
		assert_int_equal(q.status, t[i].status);
		reply_free(&q);
	}
	q = browse(w->port, action, cookie, arena_printf(w->a, "%05000d", 0));
	assert_int_equal(q.status, 413);
	reply_free(&q);
	assert_int_equal(nodes(w) + users(w), 0);
	assert_string_not_equal(first, w->auth_id);
	q = browse(w->port, action, cookie, arena_printf(w->a, "headscale_register_confirm=%s", csrf));
	assert_page(&q, 200, "DONE");
	reply_free(&q);
}

static void a_login_that_was_decided_meanwhile_stores_nobody(void **state)
{
	struct site *w = *state;
	struct reply p, q;

	run(w);
	ask_to_join(w, 0);
	p = log_in(w);
	assert_page(&p, 200, "CONFIRM");
	assert_int_equal(state_pending_decide(w->st, &(struct state_actor){ 0 }, w->auth_id, false, heard, w, NULL), ST_OK);
	sem_wait(&w->heard);
	q = press(w, &p);
	assert_page(&q, 410, "ERROR");
	reply_free(&p);
	reply_free(&q);
	assert_int_equal(users(w), 0);
}

struct second_press {
	struct site *w;
	const struct reply *shown;
	struct arena *a;
	struct reply got;
};

static void *press_too(void *arg)
{
	struct second_press *p = arg;
	char *action = between(p->a, p->shown->body, "action=", " "), *csrf = between(p->a, p->shown->body, "csrf=", " ");

	p->got = browse(p->w->port, action, arena_printf(p->a, "Cookie: headscale_register_confirm=%s\r\n", csrf),
			arena_printf(p->a, "headscale_register_confirm=%s", csrf));
	return NULL;
}

static void a_double_click_is_one_and_says_so_twice(void **state)
{
	struct site *w = *state;
	struct second_press p = { .w = w, .a = arena_new() };
	struct reply shown, got;
	pthread_t t;

	run(w);
	ask_to_join(w, 0);
	shown = log_in(w);
	assert_page(&shown, 200, "CONFIRM");
	p.shown = &shown;
	fake_disk_slow(w->disk, 200000); /* the second comes while the first is being written */
	assert_int_equal(pthread_create(&t, NULL, press_too, &p), 0);
	usleep(300000);
	got = press(w, &shown);
	pthread_join(t, NULL);
	fake_disk_slow(w->disk, 0);
	assert_page(&got, 200, "DONE Node registered");
	assert_page(&p.got, 200, "DONE Node registered");
	assert_int_equal(nodes(w), 1);
	assert_int_equal(count(w, OIDC_REGISTERED), 1);
	reply_free(&shown);
	reply_free(&got);
	reply_free(&p.got);
	arena_free(&p.a);
}

static void the_token_may_set_the_expiry(void **state)
{
	struct site *w = *state;
	struct oidc_opts o = options(w);
	struct snapshot *s;
	const struct node *n;
	int64_t left;

	o.use_expiry_from_token = true;
	w->p.s.lifetime_s = 1000;
	run_with(w, &o);
	ask_to_join(w, 0);
	join(w);
	s = state_snapshot(w->st);
	n = snapshot_node(s, 1);
	assert_non_null(n);
	left = (n->key_expiry_ns - clock_unix_ns()) / NS_PER_S;
	assert_true(left > 900 && left <= 1000);
	snapshot_unref(&s);
}

/* A session from src to dst waits for approval. */
static void ask_for_ssh(struct site *w, node_id src, node_id dst)
{
	w->auth_id[0] = '\0';
	assert_int_equal(state_ssh_check(w->st, &(struct state_ssh_check){ .src = src, .dst = dst }, heard, w, NULL), ST_OK);
	sem_wait(&w->heard);
	assert_int_equal(w->s, ST_OK);
	assert_int_equal(strlen(w->auth_id), AUTH_ID_LEN);
}

static struct reply log_in_for_ssh(struct site *w)
{
	struct trip t = depart(w, "auth");

	return come_back(w, &t);
}

static void only_the_owner_approves_a_session(void **state)
{
	static const char *const tags[] = { "tag:x" };
	struct site *w = *state;
	node_id mine, theirs;
	struct reply p;

	run(w);
	ask_to_join(w, 0);
	join(w);
	mine = 1;
	lock(w);
	w->p.s.sub = "s2";
	unlock(w);
	ask_to_join(w, 0);
	join(w);
	theirs = 2;
	ask_for_ssh(w, mine, theirs);
	p = log_in_for_ssh(w); /* as s2 */
	assert_page(&p, 403, "not yours to approve");
	reply_free(&p);
	lock(w);
	w->p.s.sub = NULL;
	unlock(w);
	p = log_in_for_ssh(w);
	assert_page(&p, 200, "DONE SSH session authorized: Authorized as Odin.");
	reply_free(&p);
	assert_int_equal(count(w, OIDC_SSH_APPROVED), 1);
	p = browse(w->port, arena_printf(w->a, "/auth/%s", w->auth_id), NULL, NULL);
	assert_page(&p, 410, "ERROR"); /* decided */
	reply_free(&p);
	assert_int_equal(state_policy_set(w->st, &(struct state_actor){ 0 }, BYTES_LIT("{\"tagOwners\":{\"tag:x\":[]}}"), heard, w, NULL), ST_OK);
	sem_wait(&w->heard);
	assert_int_equal(w->s, ST_OK);
	assert_int_equal(state_node_set_tags(w->st, &(struct state_actor){ 0 }, mine, tags, 1, heard, w, NULL), ST_OK);
	sem_wait(&w->heard);
	assert_int_equal(w->s, ST_OK);
	ask_for_ssh(w, mine, theirs);
	p = log_in_for_ssh(w);
	assert_page(&p, 403, "not yours to approve");
	reply_free(&p);
	assert_int_equal(count(w, OIDC_SSH_NOT_OWNER), 2);
	assert_int_equal(users(w), 2);
}

static void a_provider_that_is_not_the_one_stops_the_start(void **state)
{
	struct site *w = *state;
	struct oidc_opts o = options(w);
	struct err err = { 0 };

	assert_int_equal(oidc_new(&o, &w->o, &err), ST_OK);
	lock(w);
	w->p.s.issuer = "http://127.0.0.1:1";
	unlock(w);
	assert_int_equal(oidc_discover_now(w->o, 0, &err), ST_BAD_INPUT);
	assert_non_null(strstr(err.text, "the provider says that it is"));
	lock(w);
	w->p.s.issuer = NULL;
	w->p.s.algs = "[\"HS256\",\"none\"]";
	unlock(w);
	assert_int_equal(oidc_discover_now(w->o, 0, &err), ST_UNSUPPORTED);
	lock(w);
	w->p.s.algs = NULL;
	w->p.s.discovery = "{";
	unlock(w);
	assert_int_equal(oidc_discover_now(w->o, 0, &err), ST_BAD_INPUT);
	assert_false(oidc_ready(w->o));
	oidc_free(&w->o);
	o.issuer = "http://127.0.0.1:9";
	assert_int_equal(oidc_new(&o, &w->o, &err), ST_OK);
	assert_int_equal(oidc_discover_now(w->o, 0, &err), ST_IO);
	assert_non_null(strstr(err.text, "http://127.0.0.1:9/.well-known/openid-configuration"));
	oidc_free(&w->o);
	o.issuer = "id.example.com";
	assert_int_equal(oidc_new(&o, &w->o, &err), ST_BAD_INPUT);
	o = options(w);
	o.client_secret = "";
	assert_int_equal(oidc_new(&o, &w->o, &err), ST_BAD_INPUT);
}

static void answer_otherwise(void *arg, struct http_req *r)
{
	(void)arg;
	http_respond_text(r, 200, http_req_param(r, "id"));
}

static void a_provider_that_comes_late_is_found(void **state)
{
	struct site *w = *state;
	struct oidc_opts o = options(w);
	struct err err;
	struct reply p;

	o.fallback = answer_otherwise;
	w->p.s.discovery = "{}";
	assert_int_equal(oidc_new(&o, &w->o, &err), ST_OK);
	assert_int_equal(oidc_discover_now(w->o, 0, &err), ST_BAD_INPUT);
	oidc_start(w->o);
	serve(w);
	ask_to_join(w, 0);
	p = browse(w->port, arena_printf(w->a, "/register/%s", w->auth_id), NULL, NULL);
	assert_page(&p, 200, w->auth_id);
	reply_free(&p);
	lock(w);
	w->p.s.discovery = NULL;
	unlock(w);
	for (int i = 0; i < 200 && !oidc_ready(w->o); i++) {
		loop_stop(w->home);
		loop_join(w->home);
		loop_clock_advance(w->home, 1000);
		assert_int_equal(loop_start(w->home, NULL), ST_OK);
		usleep(50000);
	}
	assert_true(oidc_ready(w->o));
	join(w);
}

static void a_token_endpoint_that_is_away_is_said_so(void **state)
{
	struct site *w = *state;

	w->p.s.dead = true;
	run(w);
	ask_to_join(w, 0);
	assert_refused(w, OIDC_UNAVAILABLE, 503);
}

/* A request whose answer nobody reads. Returned: the socket. */
static int leave(struct site *w, const char *request)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(w->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	return fd;
}

static void an_end_while_the_state_works_is_clean(void **state)
{
	struct site *w = *state;
	struct reply p;
	char *csrf;
	int fd;

	run(w);
	ask_to_join(w, 0);
	p = log_in(w);
	assert_page(&p, 200, "CONFIRM");
	csrf = between(w->a, p.body, "csrf=", " ");
	fake_disk_slow(w->disk, 300000);
	fd = leave(w, arena_printf(w->a, "POST %s HTTP/1.1\r\nHost: h\r\nCookie: headscale_register_confirm=%s\r\nContent-Type: "
					 "application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\nheadscale_register_confirm=%s",
				   between(w->a, p.body, "action=", " "), csrf, strlen("headscale_register_confirm=") + strlen(csrf), csrf));
	usleep(100000);
	assert_int_equal(count(w, OIDC_REGISTERED), 0); /* still at it */
	close(fd);
	reply_free(&p);
}

static void an_end_in_the_middle_of_logins_is_clean(void **state)
{
	struct site *w = *state;
	int fd[4];

	w->p.s.hang = true;
	run(w);
	ask_to_join(w, 0);
	for (int i = 0; i < 4; i++) { /* browsers that are left waiting */
		struct trip t = depart(w, "register");

		fd[i] = leave(w, arena_printf(w->a, "GET /oidc/callback?code=good&state=%s HTTP/1.1\r\nHost: h\r\n%s\r\n", t.state, t.cookie));
	}
	for (int i = 0; i < 100; i++) {
		lock(w);
		if (w->p.s.n_token == 4)
			i = 100;
		unlock(w);
		usleep(10000);
	}
	for (int i = 0; i < 4; i += 2)
		close(fd[i]);
	close(fd[1]);
	close(fd[3]);
}

static int group_set_up(void **state)
{
	(void)state;
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	keys_arena = arena_new();
	first_key = jose_rsa("k1");
	second_key = jose_rsa("k2");
	ec_key = jose_ec(CJOSE_JWK_EC_P_256, "k1");
	first_set = jose_set(keys_arena, &first_key, 1);
	second_set = jose_set(keys_arena, (cjose_jwk_t *[]){ first_key, second_key }, 2);
	return 0;
}

static int group_tear_down(void **state)
{
	(void)state;
	cjose_jwk_release(first_key);
	cjose_jwk_release(second_key);
	cjose_jwk_release(ec_key);
	arena_free(&keys_arena);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_login_makes_a_user_and_a_node),
		T(parameters_are_all_sent_or_refused),
		T(cookies_are_of_the_browser_alone),
		T(cookies_are_secure_when_the_browser_came_by_tls),
		T(people_are_known_by_subject),
		T(the_same_person_again_is_the_same_node),
		T(state_is_used_once_and_by_its_browser),
		T(one_link_does_not_fill_the_table),
		T(callbacks_that_are_none_are_refused),
		T(a_link_must_be_opened_by_itself),
		T(links_that_are_none_are_refused),
		T(lies_of_the_provider_are_not_believed),
		T(keys_that_change_are_found_again),
		T(another_algorithm_is_learned_by_the_next_login),
		T(a_key_may_change_under_its_name),
		T(keys_that_were_missing_at_the_start_are_fetched),
		T(the_provider_may_refuse),
		T(the_secret_is_shown_as_the_provider_takes_it),
		T(a_refusal_of_any_kind_is_tried_the_other_way),
		T(a_code_that_is_over_is_tried_once),
		T(a_listed_method_is_taken_at_once),
		T(userinfo_counts_if_it_is_of_the_same_person),
		T(userinfo_that_is_slow_or_huge_is_done_without),
		T(keys_without_names_are_tried_all),
		T(a_provider_that_leads_in_circles_is_left),
		T(documents_without_end_are_cut_off),
		T(who_does_not_pass_a_filter_leaves_nothing),
		T(an_unverified_address_is_not_stored),
		T(a_form_of_somebody_else_confirms_nothing),
		T(a_login_that_was_decided_meanwhile_stores_nobody),
		T(a_double_click_is_one_and_says_so_twice),
		T(the_token_may_set_the_expiry),
		T(only_the_owner_approves_a_session),
		T(a_provider_that_is_not_the_one_stops_the_start),
		T(a_provider_that_comes_late_is_found),
		T(a_token_endpoint_that_is_away_is_said_so),
		T(an_end_in_the_middle_of_logins_is_clean),
		T(an_end_while_the_state_works_is_clean),
	};

	return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
