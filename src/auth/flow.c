/*
 * auth/flow.c -- the way of a login: off to the provider, back with a code, code into tokens, tokens into a person.
 *
 *     begin:     pending? -> login remembered under `state` -> 302
 *     callback:  state taken -> token endpoint -> ID token verified (keys fetched anew at most once) -> UserInfo
 *                -> filters -> confirm.c
 *
 * Source: OpenID Connect Core 1.0, section 3.1; RFC 7636 for PKCE.
 */
#include "auth/oidc_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json_in.h"
#include "base/log.h"
#include "base/random.h"
#include "base/vec.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#define COOKIE_SECONDS 3600
#define TOKEN_BODY_MAX ((size_t)256 * 1024)
#define FORM_MAX       ((size_t)64 * 1024)

/* ---- text ---- */

static void put_escaped(struct buf *b, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-_.~", c))
			buf_put_char(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

/* "&name=value", without the & at the front of a form. */
static void put_pair(struct buf *b, const char *name, const char *value)
{
	if (b->n > 0 && b->p[b->n - 1] != '?')
		buf_put_char(b, '&');
	put_escaped(b, name);
	buf_put_char(b, '=');
	put_escaped(b, value);
}

static void random_hex(char out[static OIDC_SECRET_LEN + 1])
{
	uint8_t raw[OIDC_SECRET_LEN / 2];

	random_bytes(raw, sizeof raw);
	hex_encode(bytes_of(raw, sizeof raw), out);
	secret_wipe(raw, sizeof raw);
}

/* ---- begin ---- */

bool flow_own_parameter(const char *name)
{
	static const char *const own[] = { "response_type", "client_id", "redirect_uri",   "scope",
					   "state",	    "nonce",	 "code_challenge", "code_challenge_method" };

	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (strcmp(own[i], name) == 0)
			return true;
	return false;
}

static void put_challenge(struct buf *b, const struct oidc *o, const struct login *l)
{
	char text[BASE64_LEN(SHA256_LEN) + 1];
	uint8_t h[SHA256_LEN];

	if (o->opts.pkce == OIDC_PKCE_S256) {
		sha256(bytes_of_str(l->verifier), h);
		base64url_encode(bytes_of(h, sizeof h), text);
		put_pair(b, "code_challenge", text);
		put_pair(b, "code_challenge_method", "S256");
	} else if (o->opts.pkce == OIDC_PKCE_PLAIN) {
		put_pair(b, "code_challenge", l->verifier);
		put_pair(b, "code_challenge_method", "plain");
	}
}

static const char *authorization_url(struct job *j, const struct login *l, const char *state)
{
	const struct oidc *o = j->o;
	const char *url = NULL;
	struct buf b;

	buf_init(&b, FORM_MAX);
	buf_put_str(&b, o->provider->authorization_endpoint);
	if (strchr(o->provider->authorization_endpoint, '?') == NULL)
		buf_put_char(&b, '?');
	put_pair(&b, "response_type", "code");
	put_pair(&b, "client_id", o->opts.client_id);
	put_pair(&b, "redirect_uri", o->redirect_uri);
	put_pair(&b, "scope", o->scope);
	put_pair(&b, "state", state);
	put_pair(&b, "nonce", l->nonce);
	put_challenge(&b, o, l);
	for (size_t i = 0; i < o->opts.n_extra_params; i++)
		if (!flow_own_parameter(o->opts.extra_params[i].name))
			put_pair(&b, o->opts.extra_params[i].name, o->opts.extra_params[i].value);
	if (buf_ok(&b))
		url = arena_strndup(j->a, b.p, b.n);
	buf_release(&b);
	return url;
}

static const char *state_cookie(struct job *j, const char *state, const char *value, unsigned seconds)
{
	return arena_printf(j->a, "state_%.6s=%s; Path=%s/oidc/callback; Max-Age=%u; HttpOnly; SameSite=Lax%s", state,
			    value, j->o->base_path, seconds, j->secure ? "; Secure" : "");
}

static bool of_link(const void *login, const void *auth_id)
{
	return strcmp(((const struct login *)login)->auth_id, auth_id) == 0;
}

static void begin_known(struct job *j)
{
	struct oidc *o = j->o;
	char state[OIDC_SECRET_LEN + 1];
	uint8_t raw[32];
	struct login *l;

	if (j->pending == NULL || j->pending->verdict != VERDICT_OPEN) {
		job_refuse_gone(j);
		return;
	}
	if (o->provider == NULL) {
		job_refuse_unavailable(j, "it was not reached since the start");
		return;
	}
	l = xcalloc(1, sizeof *l);
	snprintf(l->auth_id, sizeof l->auth_id, "%s", j->pending->auth_id);
	l->kind = j->pending->kind;
	random_hex(state);
	random_hex(l->nonce);
	random_bytes(raw, sizeof raw);
	base64url_encode(bytes_of(raw, sizeof raw), l->verifier);
	j->location = authorization_url(j, l, state);
	if (j->location == NULL) {
		free(l);
		job_refuse(j, OIDC_INTERNAL, 500, "the authorization URL is too long", "Something went wrong",
			   "Please tell your administrator.");
		return;
	}
	job_header(j, "Set-Cookie", state_cookie(j, state, state, COOKIE_SECONDS));
	/* Who has one link cannot fill the table with it, from however many addresses. */
	waiting_thin(o->logins, OIDC_TABS_MAX, of_link, l->auth_id);
	waiting_add(o->logins, state, j->source, loop_now_ms(o->opts.loop), l);
	atomic_store(&o->n_logins, waiting_count(o->logins));
	secret_wipe(raw, sizeof raw);
	secret_wipe(state, sizeof state);
	oidc_count(o, OIDC_STARTED);
	j->status = 302;
	job_answer(j);
}

void flow_begin(struct job *j)
{
	job_ask_state(j, begin_known, state_pending_get(j->o->opts.state, j->id, job_heard, j, NULL));
}

/* ---- callback: what the provider refused ---- */

static bool is_one_of(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(s, list[i]) == 0)
			return true;
	return false;
}

/* RFC 6749 4.1.2.1 and OpenID Connect Core 3.1.2.6. */
static void provider_refused(struct job *j)
{
	static const char *const people[] = { "access_denied", "login_required", "consent_required",
					      "interaction_required", "account_selection_required" };
	static const char *const later[] = { "temporarily_unavailable", "server_error" };
	const char *words = arena_printf(j->a, "%.64s: %.256s", j->error, j->error_words ? j->error_words : "");
	const char *what = arena_printf(j->a, "The identity provider refused the login (%.64s)", j->error);

	if (is_one_of(j->error, people, sizeof people / sizeof *people))
		job_refuse(j, OIDC_PROVIDER_REFUSED, 403, words, what,
			   "Open the link again to log in with another account, or ask your administrator.");
	else if (is_one_of(j->error, later, sizeof later / sizeof *later))
		job_refuse(j, OIDC_PROVIDER_REFUSED, 503, words, what, "Please open the link again in a few minutes.");
	else
		job_refuse(j, OIDC_PROVIDER_REFUSED, 400, words, what, "Please tell your administrator.");
}

/* ---- callback: judging the person ---- */

static void judge(struct job *j)
{
	enum oidc_event e = identity_judge(j->who, &j->o->rules);

	if (e != OIDC_IDENTIFIED) {
		job_refuse(j, e, 401, "a filter does not pass", "You are not allowed to log in here",
			   "Please ask your administrator.");
		return;
	}
	oidc_count(j->o, OIDC_IDENTIFIED);
	if (!identity_email_usable(j->who, &j->o->rules))
		j->who->email = arena_strdup(j->a, "");
	if (j->login->kind == PENDING_SSH)
		confirm_ssh(j);
	else
		confirm_show(j);
}

/* OpenID Connect Core 5.3.2: of another subject it must not be used. ST_BAD_INPUT: it is no answer. */
static enum status read_userinfo(struct job *j, const struct fetch_answer *a)
{
	enum status s = ST_BAD_INPUT;
	struct json_object *o = NULL;
	const char *sub = "";

	if (a->st == ST_OK && a->http_status == 200 && json_parse(a->body, TOKEN_BODY_MAX, &o, NULL) == ST_OK &&
	    json_object_is_type(o, json_type_object) && json_get_str(o, "sub", &sub, NULL) == ST_OK)
		s = strcmp(sub, j->subject) == 0 ? ST_OK : ST_DENIED;
	if (s == ST_OK)
		identity_read(j->a, o, j->who);
	json_object_put(o);
	return s;
}

static void on_userinfo(void *arg, const struct fetch_answer *a)
{
	struct job *j = arg;
	enum status s;

	j->fetch = NULL;
	s = read_userinfo(j, a);
	if (s != ST_OK) {
		oidc_count(j->o, s == ST_DENIED ? OIDC_USERINFO_SUBJECT : OIDC_USERINFO_FAILED);
		log_warn("userinfo was not usable: the ID token alone counts",
			 LOG_STR("error", s == ST_DENIED ? "it is about somebody else" : a->error),
			 LOG_I64("status", a->http_status), LOG_END);
	}
	judge(j);
}

static void ask_userinfo(struct job *j)
{
	const struct oidc *o = j->o;

	if (o->provider->userinfo_endpoint == NULL || j->access_token == NULL) {
		judge(j);
		return;
	}
	j->fetch = fetch_start(o->fetcher,
			       &(struct fetch_req){ .url = o->provider->userinfo_endpoint,
						    .bearer = j->access_token,
						    .body_max = TOKEN_BODY_MAX,
						    .timeout_ms = o->opts.timeout_ms },
			       on_userinfo, j);
}

/* ---- callback: the ID token ---- */

static void token_refused(struct job *j, enum oidc_event why, const struct err *err)
{
	log_warn("an ID token was not believed", LOG_STR("reason", oidc_event_name(why)), LOG_STR("error", err->text),
		 LOG_END);
	job_refuse(j, why, why == OIDC_TOKEN_MALFORMED ? 400 : 403, err->text,
		   "The identity provider's answer was not believed",
		   "Open the link again; if that does not help, please tell your administrator.");
}

static void believe(struct job *j, struct token *t)
{
	const char *issuer = j->o->issuer;

	j->who = ARENA_NEW(j->a, struct identity);
	identity_read(j->a, t->claims, j->who);
	snprintf(j->subject, sizeof j->subject, "%s", t->subject);
	j->token_expires_ns = t->expires_ns;
	if (identity_provider_id(j->a, issuer, j->subject, &j->who->provider_id) != ST_OK) {
		struct err err = { .text = "the subject of the ID token is no text" };

		token_release(t);
		token_refused(j, OIDC_TOKEN_MALFORMED, &err);
		return;
	}
	token_release(t);
	ask_userinfo(j);
}

static void verify(struct job *j)
{
	struct oidc *o = j->o;
	const struct token_rules rules = {
		.issuer = o->issuer,
		.client_id = o->opts.client_id,
		.nonce = j->login->nonce,
		.algs = o->provider->algs,
		.access_token = j->access_token,
		.now_s = oidc_now_ns(o) / NS_PER_S,
	};
	enum oidc_event why = OIDC_TOKEN_KEY;
	struct err err = { .text = "the provider's keys could not be fetched" };
	struct token t;
	enum status s = ST_DENIED;

	if (o->keys != NULL)
		s = token_verify(bytes_of_str(j->id_token), o->keys, &rules, &t, &why, &err);
	if (s == ST_OK) {
		believe(j, &t);
		return;
	}
	if ((why == OIDC_TOKEN_KEY || why == OIDC_TOKEN_SIGNATURE) && !j->keys_retried) {
		j->keys_retried = true;
		if (oidc_want_keys(o, j))
			return;
	}
	if (why == OIDC_TOKEN_ALGORITHM)
		oidc_want_discovery(o); /* for the next one */
	if (o->keys == NULL)
		job_refuse_unavailable(j, err.text);
	else
		token_refused(j, why, &err);
}

void flow_keys_ready(struct job *j)
{
	verify(j);
}

/* ---- callback: code into tokens ---- */

static void exchange(struct job *j, enum provider_client_auth how);

/*
 * A refusal that may only mean that the client should have shown its secret otherwise: there are as many of these as
 * providers, and more of them where the secret has letters that Basic escapes and the provider does not unescape. A
 * code that is over is the one thing that another try cannot mend.
 */
static bool wrong_auth(const struct fetch_answer *a, const char *error)
{
	return a->http_status >= 400 && a->http_status < 500 && strcmp(error, "invalid_grant") != 0;
}

static void code_refused(struct job *j, const struct fetch_answer *a, struct json_object *o)
{
	const char *error = "", *words = "";

	if (json_object_is_type(o, json_type_object) && (json_get_str(o, "error", &error, NULL) != ST_OK ||
							 json_get_str(o, "error_description", &words, NULL) != ST_OK))
		error = "";
	if (a->http_status >= 500) {
		job_refuse_unavailable(j, arena_printf(j->a, "token endpoint: status %d", a->http_status));
		return;
	}
	if (!j->auth_retried && j->o->client_auth == CLIENT_AUTH_UNKNOWN &&
	    j->o->provider->client_auth == CLIENT_AUTH_UNKNOWN && wrong_auth(a, error)) {
		j->auth_retried = true;
		exchange(j, CLIENT_AUTH_FORM);
		return;
	}
	words = arena_printf(j->a, "token endpoint: status %d, %.64s: %.256s", a->http_status, error, words);
	log_warn("a code was refused by the token endpoint", LOG_STR("error", words), LOG_END);
	job_refuse(j, OIDC_CODE_REFUSED, 403, words, "The identity provider did not complete the login",
		   "Open the link again; if that does not help, please tell your administrator.");
}

static void on_tokens(void *arg, const struct fetch_answer *a)
{
	struct job *j = arg;
	struct json_object *o = NULL;
	const char *id_token = "", *access_token = "";

	j->fetch = NULL;
	if (a->st == ST_IO || a->st == ST_TIMEOUT || a->st == ST_BAD_INPUT) {
		job_refuse_unavailable(j, arena_printf(j->a, "token endpoint: %s", a->error));
		return;
	}
	if (a->st != ST_OK) {
		token_refused(j, OIDC_TOKEN_MALFORMED,
			      &(struct err){ .text = "the answer of the token endpoint is too long" });
		return;
	}
	if (json_parse(a->body, TOKEN_BODY_MAX, &o, NULL) != ST_OK)
		o = NULL;
	if (a->http_status != 200) {
		code_refused(j, a, o);
	} else if (!json_object_is_type(o, json_type_object) || json_get_str(o, "id_token", &id_token, NULL) != ST_OK ||
		   json_get_str(o, "access_token", &access_token, NULL) != ST_OK || *id_token == '\0') {
		token_refused(j, OIDC_TOKEN_MALFORMED, &(struct err){ .text = "the token endpoint gave no ID token" });
	} else {
		j->o->client_auth = j->auth_tried;
		j->id_token = job_secret(j, id_token);
		j->access_token = *access_token ? job_secret(j, access_token) : NULL;
		verify(j);
	}
	json_object_put(o);
}

/* RFC 6749 2.3.1: both halves are escaped before they are joined. */
static const char *basic_auth(struct job *j)
{
	struct buf b;
	const char *out;

	buf_init(&b, FORM_MAX);
	put_escaped(&b, j->o->opts.client_id);
	buf_put_char(&b, ':');
	put_escaped(&b, j->o->opts.client_secret);
	buf_put_char(&b, '\0');
	out = buf_ok(&b) ? job_secret(j, (const char *)b.p) : NULL;
	secret_wipe(b.p, b.n);
	buf_release(&b);
	return out;
}

static void exchange(struct job *j, enum provider_client_auth how)
{
	const struct oidc *o = j->o;
	struct fetch_req req = { .url = o->provider->token_endpoint,
				 .body_max = TOKEN_BODY_MAX,
				 .timeout_ms = o->opts.timeout_ms };
	struct buf b;

	j->auth_tried = how;
	buf_init(&b, FORM_MAX);
	put_pair(&b, "grant_type", "authorization_code");
	put_pair(&b, "code", j->code);
	put_pair(&b, "redirect_uri", o->redirect_uri);
	if (o->opts.pkce != OIDC_PKCE_OFF)
		put_pair(&b, "code_verifier", j->login->verifier);
	if (how == CLIENT_AUTH_BASIC) {
		req.basic = basic_auth(j);
	} else {
		put_pair(&b, "client_id", o->opts.client_id);
		put_pair(&b, "client_secret", o->opts.client_secret);
	}
	req.form = buf_bytes(&b);
	j->fetch = fetch_start(o->fetcher, &req, on_tokens, j);
	secret_wipe(b.p, b.cap);
	buf_release(&b);
}

void flow_callback(struct job *j)
{
	struct oidc *o = j->o;

	j->login = waiting_take(o->logins, bytes_of_str(j->state), loop_now_ms(o->opts.loop));
	atomic_store(&o->n_logins, waiting_count(o->logins));
	job_header(j, "Set-Cookie", state_cookie(j, j->state, "", 0));
	if (j->login == NULL) {
		job_refuse(
		    j, OIDC_STATE_UNKNOWN, 410, "state is over, used or unknown", "This login is over",
		    "It was used already, or too much time has passed. Open the link that your machine shows again.");
	} else if (j->error != NULL) {
		provider_refused(j);
	} else {
		enum provider_client_auth how = o->provider->client_auth;

		if (how == CLIENT_AUTH_UNKNOWN)
			how = o->client_auth;
		exchange(j, how == CLIENT_AUTH_UNKNOWN ? CLIENT_AUTH_BASIC : how);
	}
}
