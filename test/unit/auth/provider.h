/*
 * test/unit/auth/provider.h -- an identity provider that does what a test tells it, on a thread of its own, and a
 * browser that is a socket.
 */
#ifndef TEST_UNIT_AUTH_PROVIDER_H
#define TEST_UNIT_AUTH_PROVIDER_H

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "http/router.h"
#include "http/server.h"
#include "net/tcp.h"
#include "unit/auth/jose.h"

/* ---- the browser ---- */

struct reply {
	int status;
	char *text;       /* head and body; owned */
	const char *body; /* into text */
};

static inline void reply_free(struct reply *p)
{
	free(p->text);
	*p = (struct reply){ 0 };
}

/* One request on a connection of its own; extra: header lines with \r\n; body NULL: GET. */
static inline struct reply browse(uint16_t port, const char *target, const char *extra, const char *body)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct reply p = { 0 };
	struct buf b;
	ssize_t got;
	char *end;

	buf_init(&b, 1 << 20);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
		close(fd);
		return p;
	}
	buf_printf(&b, "%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s", body ? "POST" : "GET", target, extra ? extra : "");
	if (body != NULL)
		buf_printf(&b, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n", strlen(body));
	buf_printf(&b, "\r\n%s", body ? body : "");
	if (write(fd, b.p, b.n) != (ssize_t)b.n)
		abort();
	buf_reset(&b);
	while ((got = read(fd, buf_reserve(&b, 4096), 4096)) > 0)
		b.n += (size_t)got;
	close(fd);
	p.text = buf_take(&b, NULL);
	if (p.text != NULL && strncmp(p.text, "HTTP/1.1 ", 9) == 0)
		p.status = atoi(p.text + 9);
	end = p.text != NULL ? strstr(p.text, "\r\n\r\n") : NULL;
	p.body = end != NULL ? end + 4 : "";
	return p;
}

/* What follows `before`, up to one of `stops`; "" if it is not there. */
static inline char *between(struct arena *a, const char *text, const char *before, const char *stops)
{
	const char *at = text != NULL ? strstr(text, before) : NULL;

	if (at == NULL)
		return arena_strdup(a, "");
	at += strlen(before);
	return arena_strndup(a, at, strcspn(at, stops));
}

/* ---- the provider ---- */

struct provider_script {
	const char *issuer;          /* said in discovery; NULL: the true one */
	const char *algs;            /* JSON list; NULL: ["RS256"] */
	const char *auth_methods;    /* JSON list; NULL: not said */
	const char *discovery;       /* the whole document; NULL: a good one */
	const char *jwks;            /* the key set */
	cjose_jwk_t *key;            /* that signs */
	const char *alg, *kid;
	const char *iss, *aud, *sub, *nonce; /* of the token; NULL: the right ones */
	const char *more;            /* members appended to the claims: ",\"a\":1" */
	int lifetime_s;
	const char *token;           /* in place of a signed one */
	const char *answer;          /* in place of the token endpoint's whole answer */
	int status;                  /* of the token endpoint */
	const char *userinfo;        /* JSON; NULL: there is no such endpoint */
	bool hang_userinfo;
	bool hang;                   /* the token endpoint does not answer */
	bool dead;                   /* discovery names a token endpoint where nobody listens */
	bool only_basic, only_form;
	int auth_status;             /* of a wrong secret; 0: 401 */
	const char *auth_error;      /* NULL: invalid_client */
	int redirects;               /* how often /discovery and /jwks lead to themselves first; < 0: always */
	unsigned n_redirects;
	/* What the browser brought. */
	char challenge[128], login_nonce[80];
	/* What was seen. */
	unsigned n_discovery, n_jwks, n_token, n_userinfo;
	char form[4096], auth[512];
};

struct provider_server {
	struct loop *l;
	struct http_router *router;
	struct http_server *http;
	struct listener *listener;
	uint16_t port;
	char url[64];
	pthread_mutex_t mu;
	struct provider_script s;
	struct http_req *hung[16];
	size_t n_hung;
};

static inline enum http_verdict provider_open(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
	return HTTP_ALLOW;
}

static inline void provider_json(struct http_req *r, int status, const char *text)
{
	http_respond(r, status, "application/json", bytes_of_str(text));
}

/* Leads to itself; with the lock. */
static inline bool provider_runs_in_circles(struct provider_script *s, struct http_req *r)
{
	if (s->redirects == 0)
		return false;
	s->redirects -= s->redirects > 0;
	s->n_redirects++;
	http_respond_redirect(r, 302, r->raw_path);
	return true;
}

static inline void provider_discovery(void *arg, struct http_req *r)
{
	struct provider_server *p = arg;
	struct provider_script *s = &p->s;
	char *text;

	pthread_mutex_lock(&p->mu);
	s->n_discovery++;
	if (provider_runs_in_circles(s, r)) {
		pthread_mutex_unlock(&p->mu);
		return;
	}
	text = arena_printf(r->arena,
			    "{\"issuer\":\"%s\",\"authorization_endpoint\":\"%s/authorize?x=1\",\"token_endpoint\":\"%s/token\","
			    "\"jwks_uri\":\"%s/jwks\",\"id_token_signing_alg_values_supported\":%s",
			    s->issuer ? s->issuer : p->url, p->url, s->dead ? "http://127.0.0.1:9" : p->url, p->url,
			    s->algs ? s->algs : "[\"RS256\"]");
	if (s->userinfo != NULL)
		text = arena_printf(r->arena, "%s,\"userinfo_endpoint\":\"%s/userinfo\"", text, p->url);
	if (s->auth_methods != NULL)
		text = arena_printf(r->arena, "%s,\"token_endpoint_auth_methods_supported\":%s", text, s->auth_methods);
	text = arena_printf(r->arena, "%s}", text);
	provider_json(r, 200, s->discovery ? s->discovery : text);
	pthread_mutex_unlock(&p->mu);
}

static inline void provider_jwks(void *arg, struct http_req *r)
{
	struct provider_server *p = arg;

	pthread_mutex_lock(&p->mu);
	p->s.n_jwks++;
	if (provider_runs_in_circles(&p->s, r)) {
		pthread_mutex_unlock(&p->mu);
		return;
	}
	provider_json(r, p->s.jwks ? 200 : 500, p->s.jwks ? p->s.jwks : "{}");
	pthread_mutex_unlock(&p->mu);
}

static inline void provider_left(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
}

static inline void provider_userinfo(void *arg, struct http_req *r)
{
	struct provider_server *p = arg;
	const char *auth = http_req_header(r, "authorization");

	pthread_mutex_lock(&p->mu);
	p->s.n_userinfo++;
	if (p->s.hang_userinfo)
		http_on_cancel(r, provider_left, NULL);
	else if (auth == NULL || strcmp(auth, "Bearer access") != 0)
		provider_json(r, 401, "{}");
	else
		provider_json(r, 200, p->s.userinfo);
	pthread_mutex_unlock(&p->mu);
}

static inline const char *provider_token(struct provider_server *p, struct http_req *r)
{
	struct provider_script *s = &p->s;
	int64_t now = clock_unix_ns() / NS_PER_S;
	char *claims;

	if (s->token != NULL)
		return s->token;
	claims = arena_printf(r->arena, "{\"iss\":\"%s\",\"aud\":\"%s\",\"sub\":\"%s\",\"nonce\":\"%s\",\"iat\":%lld,\"exp\":%lld%s}",
			      s->iss ? s->iss : p->url, s->aud ? s->aud : "client id", s->sub ? s->sub : "s1",
			      s->nonce ? s->nonce : s->login_nonce, (long long)now, (long long)now + s->lifetime_s,
			      s->more ? s->more : "");
	return jose_sign(r->arena, s->key, s->alg, s->kid, claims);
}

static inline bool provider_knows(const struct provider_script *s, struct http_req *r, const char *code, const char *id,
				  const char *secret, const char *verifier)
{
	/* "client id:s%cret" with both halves escaped */
	static const char basic[] = "Basic Y2xpZW50JTIwaWQ6cyUyNWNyZXQ=";
	bool by_basic = strcmp(s->auth, basic) == 0, by_form = strcmp(id, "client id") == 0 && strcmp(secret, "s%cret") == 0;
	char hash[BASE64_LEN(SHA256_LEN) + 1];
	uint8_t h[SHA256_LEN];

	(void)r;
	if (!((by_basic && !s->only_form) || (by_form && !s->only_basic)))
		return false;
	sha256(bytes_of_str(verifier), h);
	base64url_encode(bytes_of(h, sizeof h), hash);
	return strcmp(code, "good") == 0 && (s->challenge[0] == '\0' || strcmp(s->challenge, hash) == 0 || strcmp(s->challenge, verifier) == 0);
}

static inline void provider_token_endpoint(void *arg, struct http_req *r)
{
	struct provider_server *p = arg;
	struct provider_script *s = &p->s;
	const char *auth = http_req_header(r, "authorization"), *code = "", *id = "", *secret = "", *verifier = "";
	const struct http_pair *f;
	size_t n = http_req_form(r, &f);

	for (size_t i = 0; i < n; i++) {
		code = strcmp(f[i].name, "code") == 0 ? f[i].value : code;
		id = strcmp(f[i].name, "client_id") == 0 ? f[i].value : id;
		secret = strcmp(f[i].name, "client_secret") == 0 ? f[i].value : secret;
		verifier = strcmp(f[i].name, "code_verifier") == 0 ? f[i].value : verifier;
	}
	pthread_mutex_lock(&p->mu);
	s->n_token++;
	snprintf(s->form, sizeof s->form, "%.*s", (int)r->body.n, (const char *)r->body.p);
	snprintf(s->auth, sizeof s->auth, "%s", auth ? auth : "");
	if (s->hang)
		http_on_cancel(r, provider_left, NULL);
	else if (s->answer != NULL)
		provider_json(r, s->status ? s->status : 200, s->answer);
	else if (s->status != 0)
		provider_json(r, s->status, "{\"error\":\"invalid_grant\"}");
	else if (!provider_knows(s, r, code, id, secret, verifier))
		provider_json(r, s->auth_status ? s->auth_status : 401,
			      arena_printf(r->arena, "{\"error\":\"%s\"}", s->auth_error ? s->auth_error : "invalid_client"));
	else
		provider_json(r, 200, arena_printf(r->arena, "{\"access_token\":\"access\",\"token_type\":\"Bearer\",\"id_token\":\"%s\"}",
						   provider_token(p, r)));
	pthread_mutex_unlock(&p->mu);
}

static inline void provider_start(struct provider_server *p)
{
	const struct http_route routes[] = {
		{ "GET", "/.well-known/openid-configuration", provider_discovery, p, 1 },
		{ "GET", "/jwks", provider_jwks, p, 1 },
		{ "GET", "/userinfo", provider_userinfo, p, 1 },
		{ "POST", "/token", provider_token_endpoint, p, 1 },
	};
	struct net_addr a;

	pthread_mutex_init(&p->mu, NULL);
	p->l = loop_new(100);
	p->router = http_router_new();
	http_router_add_all(p->router, routes, sizeof routes / sizeof *routes);
	http_router_set_check(p->router, provider_open, NULL);
	p->http = http_server_new(p->l, &(struct http_server_opts){ .router = p->router });
	if (net_addr_parse_port(BYTES_LIT("127.0.0.1:0"), &a) != ST_OK ||
	    listener_open(p->l, &a, &(struct listener_opts){ 0 }, http_server_accept, p->http, &p->listener, NULL) != ST_OK)
		abort();
	a = listener_addr(p->listener);
	p->port = net_addr_port(&a);
	snprintf(p->url, sizeof p->url, "http://127.0.0.1:%u", p->port);
	if (loop_start(p->l, NULL) != ST_OK)
		abort();
}

static inline void provider_stop(struct provider_server *p)
{
	loop_stop(p->l);
	loop_join(p->l);
	listener_close(&p->listener);
	http_server_free(&p->http);
	http_router_free(&p->router);
	loop_free(&p->l);
	pthread_mutex_destroy(&p->mu);
}

#endif
