/*
 * auth/provider.c -- see auth/provider.h.
 *
 * Of a key only the members that make it up are handed to cjose, after their sizes were looked at: a key set is fetched
 * from a server that may have been taken over.
 */
#include "auth/provider.h"

#include <cjose/cjose.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/vec.h"

#define URL_MAX	     2048
#define KID_MAX	     512
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192

static const struct {
	const char *name;
	cjose_jwk_kty_t kty;
	const char *crv; /* EC only */
} algs[JWS_ALG_COUNT] = {
	[JWS_RS256] = { "RS256", CJOSE_JWK_KTY_RSA, NULL },   [JWS_RS384] = { "RS384", CJOSE_JWK_KTY_RSA, NULL },
	[JWS_RS512] = { "RS512", CJOSE_JWK_KTY_RSA, NULL },   [JWS_PS256] = { "PS256", CJOSE_JWK_KTY_RSA, NULL },
	[JWS_PS384] = { "PS384", CJOSE_JWK_KTY_RSA, NULL },   [JWS_PS512] = { "PS512", CJOSE_JWK_KTY_RSA, NULL },
	[JWS_ES256] = { "ES256", CJOSE_JWK_KTY_EC, "P-256" }, [JWS_ES384] = { "ES384", CJOSE_JWK_KTY_EC, "P-384" },
	[JWS_ES512] = { "ES512", CJOSE_JWK_KTY_EC, "P-521" },
};

const char *jws_alg_name(enum jws_alg a)
{
	return algs[a].name;
}

enum status jws_alg_parse(const char *name, enum jws_alg *out)
{
	for (int i = 0; i < JWS_ALG_COUNT; i++)
		if (strcmp(name, algs[i].name) == 0) {
			*out = (enum jws_alg)i;
			return ST_OK;
		}
	return ST_UNSUPPORTED;
}

bool provider_url_ok(const char *url)
{
	size_t n = strlen(url), skip;

	if (strncmp(url, "https://", 8) == 0)
		skip = 8;
	else if (strncmp(url, "http://", 7) == 0)
		skip = 7;
	else
		return false;
	if (n > URL_MAX || url[skip] == '\0' || strchr("/?#", url[skip]) != NULL)
		return false;
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
	return true;
}

bool jose_text_ok(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		      c == '_'))
			return false;
	}
	return text.n > 0 && text.n % 4 != 1;
}

/* ---- discovery ---- */

static enum status endpoint(struct json_object *o, const char *name, bool needed, char **out, struct err *err)
{
	const char *v = "";

	if (json_get_str(o, name, &v, err) != ST_OK)
		return ST_BAD_INPUT;
	if (*v == '\0' && !needed)
		return ST_OK;
	if (!provider_url_ok(v) || strchr(v, '#') != NULL) {
		err_set(err, "%s is missing or no http(s) URL", name);
		return ST_BAD_INPUT;
	}
	*out = xstrdup(v);
	return ST_OK;
}

static const char *text_at(struct json_object *arr, size_t i)
{
	struct json_object *o = json_object_array_get_idx(arr, i);

	return json_object_is_type(o, json_type_string) ? json_object_get_string(o) : "";
}

static enum status read_algs(struct json_object *o, unsigned *out, struct err *err)
{
	struct json_object *list = NULL;
	enum jws_alg a;

	if (json_get_arr(o, "id_token_signing_alg_values_supported", &list, err) != ST_OK)
		return ST_BAD_INPUT;
	if (list == NULL || json_object_array_length(list) == 0) {
		*out = 1u << JWS_RS256;
		return ST_OK;
	}
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (jws_alg_parse(text_at(list, i), &a) == ST_OK)
			*out |= 1u << a;
	if (*out != 0)
		return ST_OK;
	err_set(err, "the provider signs ID tokens with no algorithm that is known here (RS, PS or ES, 256 to 512)");
	return ST_UNSUPPORTED;
}

static enum provider_client_auth read_client_auth(struct json_object *o)
{
	struct json_object *list = NULL;
	bool basic = false, form = false;

	if (json_get_arr(o, "token_endpoint_auth_methods_supported", &list, NULL) != ST_OK || list == NULL)
		return CLIENT_AUTH_UNKNOWN;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		basic |= strcmp(text_at(list, i), "client_secret_basic") == 0;
		form |= strcmp(text_at(list, i), "client_secret_post") == 0;
	}
	if (basic == form)
		return CLIENT_AUTH_UNKNOWN;
	return basic ? CLIENT_AUTH_BASIC : CLIENT_AUTH_FORM;
}

static enum status read_provider(struct json_object *o, const char *issuer, struct provider *p, struct err *err)
{
	const char *said = "";
	enum status s;

	if (!json_object_is_type(o, json_type_object)) {
		err_set(err, "the discovery document is no JSON object");
		return ST_BAD_INPUT;
	}
	if (json_get_str(o, "issuer", &said, err) != ST_OK)
		return ST_BAD_INPUT;
	if (strcmp(said, issuer) != 0) {
		err_set(err, "the provider says that it is \"%.200s\", the configuration says \"%.200s\"", said,
			issuer);
		return ST_BAD_INPUT;
	}
	s = endpoint(o, "authorization_endpoint", true, &p->authorization_endpoint, err);
	if (s == ST_OK)
		s = endpoint(o, "token_endpoint", true, &p->token_endpoint, err);
	if (s == ST_OK)
		s = endpoint(o, "jwks_uri", true, &p->jwks_uri, err);
	if (s == ST_OK)
		s = endpoint(o, "userinfo_endpoint", false, &p->userinfo_endpoint, err);
	if (s == ST_OK)
		s = read_algs(o, &p->algs, err);
	p->client_auth = read_client_auth(o);
	return s;
}

enum status provider_parse(struct bytes json, const char *issuer, struct provider **out, struct err *err)
{
	struct provider *p = xcalloc(1, sizeof *p);
	struct json_object *o = NULL;
	enum status s;

	s = json_parse(json, PROVIDER_DOCUMENT_MAX, &o, err);
	if (s == ST_OK)
		s = read_provider(o, issuer, p, err);
	json_object_put(o);
	if (s == ST_OK)
		*out = p;
	else
		provider_free(&p);
	return s;
}

void provider_free(struct provider **pp)
{
	struct provider *p = *pp;

	if (p == NULL)
		return;
	free(p->authorization_endpoint);
	free(p->token_endpoint);
	free(p->jwks_uri);
	free(p->userinfo_endpoint);
	free(p);
	*pp = NULL;
}

bool provider_equal(const struct provider *a, const struct provider *b)
{
	const char *ua = a->userinfo_endpoint ? a->userinfo_endpoint : "";
	const char *ub = b->userinfo_endpoint ? b->userinfo_endpoint : "";

	return strcmp(a->authorization_endpoint, b->authorization_endpoint) == 0 &&
	       strcmp(a->token_endpoint, b->token_endpoint) == 0 && strcmp(a->jwks_uri, b->jwks_uri) == 0 &&
	       strcmp(ua, ub) == 0 && a->algs == b->algs && a->client_auth == b->client_auth;
}

/* ---- keys ---- */

struct key {
	cjose_jwk_t *jwk;
	cjose_jwk_kty_t kty;
	char crv[8]; /* "" for RSA */
	int alg;     /* enum jws_alg, or -1: not told */
	char *kid;   /* owned, "" if none */
};
struct jwks {
	size_t n;
	struct key keys[JWKS_KEYS_MAX];
};

static const char *member(struct json_object *o, const char *name, size_t max)
{
	const char *v = "";

	if (json_get_str(o, name, &v, NULL) != ST_OK || strlen(v) > max)
		return "";
	return v;
}

/* Bytes of a coordinate; 0: RSA, whose numbers are as long as they are. */
static size_t width_of(const char *crv)
{
	if (*crv == '\0')
		return 0;
	return strcmp(crv, "P-256") == 0 ? 32 : strcmp(crv, "P-384") == 0 ? 48 : 66;
}

#define NUMBER_MAX (RSA_BITS_MAX / 8 + 8)

/*
 * A number of a key as base64url, of `width` bytes if that is not 0: providers write a zero before it, as if it had a
 * sign, or leave out the zeros that belong to it. cjose takes it at its word.
 */
static bool put_number(struct jw *w, const char *name, const char *v, size_t width)
{
	uint8_t raw[NUMBER_MAX + 4], full[NUMBER_MAX] = { 0 };
	char text[BASE64_LEN(NUMBER_MAX) + 1];
	size_t n, skip = 0;

	if (!jose_text_ok(bytes_of_str(v)) || base64_decode(bytes_of_str(v), raw, &n) != ST_OK)
		return false;
	while (skip < n && raw[skip] == 0)
		skip++;
	if (skip == n || (width > 0 && n - skip > width))
		return false;
	if (width == 0)
		width = n - skip;
	memcpy(full + width - (n - skip), raw + skip, n - skip);
	base64url_encode(bytes_of(full, width), text);
	jw_kstr(w, name, text);
	return true;
}

/* The bare key, of the members that must be there, as JSON of our own writing. */
static bool bare_key(struct json_object *o, const char *kty, const char *crv, const char *const names[2], struct buf *b)
{
	struct jw w;

	jw_init(&w, b);
	jw_obj_begin(&w);
	jw_kstr(&w, "kty", kty);
	if (*crv != '\0')
		jw_kstr(&w, "crv", crv);
	for (size_t i = 0; i < 2; i++)
		if (!put_number(&w, names[i], member(o, names[i], BASE64_LEN(NUMBER_MAX)), width_of(crv)))
			return false;
	jw_obj_end(&w);
	return buf_ok(b);
}

static bool for_signatures(struct json_object *o)
{
	struct json_object *ops = NULL;
	const char *use = "";

	if (json_get_str(o, "use", &use, NULL) != ST_OK || (*use != '\0' && strcmp(use, "sig") != 0))
		return false;
	if (json_get_arr(o, "key_ops", &ops, NULL) != ST_OK)
		return false;
	if (ops == NULL)
		return true;
	for (size_t i = 0; i < json_object_array_length(ops); i++)
		if (strcmp(text_at(ops, i), "verify") == 0)
			return true;
	return false;
}

static bool size_ok(const struct key *k)
{
	cjose_err e;
	size_t bits = cjose_jwk_get_keysize(k->jwk, &e);

	return k->kty == CJOSE_JWK_KTY_EC || (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX);
}

static bool known_curve(const char *crv)
{
	for (int i = 0; i < JWS_ALG_COUNT; i++)
		if (algs[i].crv != NULL && strcmp(crv, algs[i].crv) == 0)
			return true;
	return false;
}

static bool read_key(struct json_object *o, struct key *k)
{
	static const char *const rsa[] = { "n", "e" }, *const ec[] = { "x", "y" };
	const char *kty = member(o, "kty", 8), *alg = member(o, "alg", 32);
	enum jws_alg a;
	struct buf b;
	bool ok;

	if (!for_signatures(o) || (strcmp(kty, "RSA") != 0 && strcmp(kty, "EC") != 0))
		return false;
	k->alg = -1;
	if (*alg != '\0') {
		if (jws_alg_parse(alg, &a) != ST_OK)
			return false;
		k->alg = (int)a;
	}
	k->kty = *kty == 'R' ? CJOSE_JWK_KTY_RSA : CJOSE_JWK_KTY_EC;
	if (k->kty == CJOSE_JWK_KTY_EC)
		snprintf(k->crv, sizeof k->crv, "%s", member(o, "crv", sizeof k->crv - 1));
	if (k->kty == CJOSE_JWK_KTY_EC && !known_curve(k->crv))
		return false;
	buf_init(&b, 8192);
	ok = bare_key(o, kty, k->crv, k->kty == CJOSE_JWK_KTY_RSA ? rsa : ec, &b);
	if (ok)
		k->jwk = cjose_jwk_import((const char *)b.p, b.n, NULL);
	buf_release(&b);
	if (k->jwk == NULL)
		return false;
	if (!size_ok(k)) {
		cjose_jwk_release(k->jwk);
		return false;
	}
	k->kid = xstrdup(member(o, "kid", KID_MAX));
	return true;
}

enum status jwks_parse(struct bytes json, struct jwks **out, struct err *err)
{
	struct json_object *o = NULL, *list = NULL;
	struct jwks *j;
	enum status s;

	s = json_parse(json, JWKS_DOCUMENT_MAX, &o, err);
	if (s != ST_OK)
		return s;
	if (!json_object_is_type(o, json_type_object) || json_get_arr(o, "keys", &list, NULL) != ST_OK ||
	    list == NULL) {
		err_set(err, "the key set has no list of keys");
		json_object_put(o);
		return ST_BAD_INPUT;
	}
	j = xcalloc(1, sizeof *j);
	for (size_t i = 0; i < json_object_array_length(list) && j->n < JWKS_KEYS_MAX; i++) {
		struct json_object *key = json_object_array_get_idx(list, i);
		struct key k = { 0 };

		if (json_object_is_type(key, json_type_object) && read_key(key, &k))
			j->keys[j->n++] = k;
	}
	json_object_put(o);
	*out = j;
	return ST_OK;
}

void jwks_free(struct jwks **jp)
{
	struct jwks *j = *jp;

	if (j == NULL)
		return;
	for (size_t i = 0; i < j->n; i++) {
		cjose_jwk_release(j->keys[i].jwk);
		free(j->keys[i].kid);
	}
	free(j);
	*jp = NULL;
}

size_t jwks_count(const struct jwks *j)
{
	return j->n;
}

const struct _cjose_jwk_int *jwks_next(const struct jwks *j, enum jws_alg alg, struct bytes kid, size_t *at)
{
	while (*at < j->n) {
		const struct key *k = &j->keys[(*at)++];

		if (k->kty != algs[alg].kty || (k->alg >= 0 && k->alg != (int)alg))
			continue;
		if (algs[alg].crv != NULL && strcmp(k->crv, algs[alg].crv) != 0)
			continue;
		if (kid.n > 0 && *k->kid != '\0' && !bytes_eq_str(kid, k->kid))
			continue;
		return k->jwk;
	}
	return NULL;
}
