/*
 * auth/token.c -- see auth/token.h.
 *
 * The algorithm is judged before a key is looked for, and a key is only used for the algorithms of its own kind: a
 * token "signed" with nothing, or with a public key taken for an HMAC secret, does not get as far as cjose.
 */
#include "auth/token.h"

#include <cjose/cjose.h>
#include <openssl/evp.h>

#include "base/json_in.h"
#include "crypto/secret.h"

#define SUBJECT_MAX   255
#define AUDIENCES_MAX 64

/* A check that failed. */
static enum status no(enum oidc_event why, enum oidc_event *why_out, struct err *err, const char *words)
{
	*why_out = why;
	err_set(err, "%s", words);
	return ST_DENIED;
}

/* ---- header and signature ---- */

static enum status decode_part(struct bytes in, struct json_object **out)
{
	uint8_t *text = malloc(in.n / 4 * 3 + 3);
	enum status s = ST_BAD_INPUT;
	size_t n;

	if (text == NULL)
		abort();
	if (base64_decode(in, text, &n) == ST_OK)
		s = json_parse(bytes_of(text, n), ID_TOKEN_MAX, out, NULL);
	free(text);
	if (s == ST_OK && !json_object_is_type(*out, json_type_object)) {
		json_object_put(*out);
		*out = NULL;
		s = ST_BAD_INPUT;
	}
	return s;
}

/* Three parts of base64url, none empty (a token without signature has an empty third). */
static bool is_compact(struct bytes t)
{
	size_t parts = 1;

	if (t.n == 0 || t.n > ID_TOKEN_MAX)
		return false;
	while (true) {
		const uint8_t *dot = memchr(t.p, '.', t.n);
		size_t n = dot != NULL ? (size_t)(dot - t.p) : t.n;

		if (!jose_text_ok(bytes_of(t.p, n)))
			return false;
		if (dot == NULL)
			return parts == 3;
		t = bytes_skip(t, n + 1);
		parts++;
	}
}

/* Other tokens of the same provider, signed with the same keys. */
static bool other_type(const char *typ)
{
	static const char *const others[] = { "at+jwt", "application/at+jwt", "logout+jwt", "application/logout+jwt",
					      "secevent+jwt" };

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (bytes_ieq_str(bytes_of_str(typ), others[i]))
			return true;
	return false;
}

static enum status read_header(struct json_object *h, const struct token_rules *r, enum jws_alg *alg, const char **kid,
			       enum oidc_event *why, struct err *err)
{
	const char *name = "", *typ = "";

	if (json_get_str(h, "alg", &name, NULL) != ST_OK || json_get_str(h, "kid", kid, NULL) != ST_OK ||
	    json_get_str(h, "typ", &typ, NULL) != ST_OK)
		return no(OIDC_TOKEN_MALFORMED, why, err, "the header of the ID token is malformed");
	if (json_object_object_get_ex(h, "crit", NULL))
		return no(OIDC_TOKEN_MALFORMED, why, err, "the ID token needs an extension (crit)");
	if (other_type(typ))
		return no(OIDC_TOKEN_MALFORMED, why, err, "it is a token of another type");
	if (jws_alg_parse(name, alg) == ST_OK && (r->algs & 1u << *alg) != 0)
		return ST_OK;
	*why = OIDC_TOKEN_ALGORITHM;
	err_set(err, "the ID token is signed by \"%.16s\", which the provider does not list or nobody should use",
		name);
	return ST_DENIED;
}

/* cjose reads the header again, by itself: it must have come to the same. */
static bool same_alg(cjose_jws_t *jws, enum jws_alg alg)
{
	cjose_header_t *h = cjose_jws_get_protected(jws);
	const char *seen = h ? cjose_header_get(h, CJOSE_HDR_ALG, NULL) : NULL;

	return seen != NULL && strcmp(seen, jws_alg_name(alg)) == 0;
}

static enum status check_signature(cjose_jws_t *jws, enum jws_alg alg, const char *kid, const struct jwks *keys,
				   enum oidc_event *why, struct err *err)
{
	const struct _cjose_jwk_int *k;
	size_t at = 0;
	bool any = false;

	while ((k = jwks_next(keys, alg, bytes_of_str(kid), &at)) != NULL) {
		cjose_err e;

		any = true;
		if (cjose_jws_verify(jws, k, &e))
			return ST_OK;
	}
	if (!any)
		return no(OIDC_TOKEN_KEY, why, err, "the provider publishes no key that the ID token names");
	return no(OIDC_TOKEN_SIGNATURE, why, err, "the signature of the ID token is wrong");
}

/* ---- claims ---- */

/* Seconds since 1970 as a number, whole or not. false: absent or none. */
static bool time_claim(struct json_object *o, const char *name, int64_t *out)
{
	struct json_object *v = NULL;
	double d;

	if (!json_object_object_get_ex(o, name, &v))
		return false;
	if (!json_object_is_type(v, json_type_int) && !json_object_is_type(v, json_type_double))
		return false;
	d = json_object_get_double(v);
	if (!(d > 0 && d < 9e9)) /* until 2255: fits nanoseconds */
		return false;
	*out = (int64_t)d;
	return true;
}

static bool issuer_is(const char *said, const char *want)
{
	/* Google writes its own name both ways, and says so. */
	if (strcmp(want, "https://accounts.google.com") == 0 && strcmp(said, "accounts.google.com") == 0)
		return true;
	return strcmp(said, want) == 0;
}

static bool text_is(struct json_object *v, const char *want)
{
	return json_object_is_type(v, json_type_string) && strcmp(json_object_get_string(v), want) == 0 &&
	       strlen(want) == (size_t)json_object_get_string_len(v);
}

static bool audience_is(struct json_object *o, const char *client_id)
{
	struct json_object *aud = NULL, *azp = NULL;
	bool found;

	json_object_object_get_ex(o, "aud", &aud);
	found = text_is(aud, client_id);
	if (json_object_is_type(aud, json_type_array) && json_object_array_length(aud) <= AUDIENCES_MAX)
		for (size_t i = 0; i < json_object_array_length(aud) && !found; i++)
			found = text_is(json_object_array_get_idx(aud, i), client_id);
	if (!found)
		return false;
	json_object_object_get_ex(o, "azp", &azp);
	return azp == NULL || text_is(azp, client_id);
}

static enum status check_times(struct json_object *o, const struct token_rules *r, struct token *t,
			       enum oidc_event *why, struct err *err)
{
	int64_t exp, at;

	if (!time_claim(o, "exp", &exp))
		return no(OIDC_TOKEN_TIME, why, err, "the ID token has no expiry");
	if (exp + ID_TOKEN_LEEWAY_S <= r->now_s)
		return no(OIDC_TOKEN_TIME, why, err, "the ID token is expired; do the clocks agree?");
	if ((time_claim(o, "iat", &at) && at > r->now_s + ID_TOKEN_LEEWAY_S) ||
	    (time_claim(o, "nbf", &at) && at > r->now_s + ID_TOKEN_LEEWAY_S))
		return no(OIDC_TOKEN_TIME, why, err, "the ID token is from the future; do the clocks agree?");
	t->expires_ns = exp * 1000000000;
	return ST_OK;
}

static bool nonce_is(struct json_object *o, const char *nonce)
{
	const char *said = "";

	return json_get_str(o, "nonce", &said, NULL) == ST_OK && *said != '\0' &&
	       secret_equal(bytes_of_str(said), bytes_of_str(nonce));
}

/* The left half of the access token's hash, by the hash of the signature. */
static bool access_hash_is(struct json_object *o, enum jws_alg alg, const char *access_token)
{
	static const char *const hashes[] = { "SHA256", "SHA384", "SHA512" }; /* each family comes in this order */
	char want[BASE64_LEN(EVP_MAX_MD_SIZE) + 1];
	uint8_t h[EVP_MAX_MD_SIZE];
	struct json_object *v = NULL;
	size_t n = 0;

	if (access_token == NULL || !json_object_object_get_ex(o, "at_hash", &v) || v == NULL)
		return true;
	if (EVP_Q_digest(NULL, hashes[alg % 3], NULL, access_token, strlen(access_token), h, &n) != 1)
		return false;
	base64url_encode(bytes_of(h, n / 2), want);
	return json_object_is_type(v, json_type_string) &&
	       secret_equal(bytes_of_str(json_object_get_string(v)), bytes_of_str(want));
}

static enum status check_claims(struct json_object *o, enum jws_alg alg, const struct token_rules *r, struct token *t,
				enum oidc_event *why, struct err *err)
{
	const char *iss = "", *sub = "";
	enum status s;

	if (json_get_str(o, "iss", &iss, NULL) != ST_OK || !issuer_is(iss, r->issuer))
		return no(OIDC_TOKEN_ISSUER, why, err, "the ID token is of another issuer");
	if (!audience_is(o, r->client_id))
		return no(OIDC_TOKEN_AUDIENCE, why, err, "the ID token is for another client");
	s = check_times(o, r, t, why, err);
	if (s != ST_OK)
		return s;
	if (!nonce_is(o, r->nonce))
		return no(OIDC_TOKEN_NONCE, why, err, "the ID token is of another login (nonce)");
	if (!access_hash_is(o, alg, r->access_token))
		return no(OIDC_TOKEN_ACCESS_HASH, why, err, "the ID token is of another access token (at_hash)");
	if (json_get_str(o, "sub", &sub, NULL) != ST_OK || *sub == '\0' || strlen(sub) > SUBJECT_MAX)
		return no(OIDC_TOKEN_MALFORMED, why, err, "the ID token has no subject, or one too long");
	t->subject = sub;
	return ST_OK;
}

/* ---- all of it ---- */

static enum status signed_claims(cjose_jws_t *jws, struct json_object **out, enum oidc_event *why, struct err *err)
{
	uint8_t *text = NULL;
	size_t n = 0;

	if (!cjose_jws_get_plaintext(jws, &text, &n, NULL) ||
	    json_parse(bytes_of(text, n), ID_TOKEN_MAX, out, NULL) != ST_OK)
		return no(OIDC_TOKEN_MALFORMED, why, err, "the claims of the ID token are malformed");
	if (json_object_is_type(*out, json_type_object))
		return ST_OK;
	json_object_put(*out);
	*out = NULL;
	return no(OIDC_TOKEN_MALFORMED, why, err, "the claims of the ID token are no object");
}

enum status token_verify(struct bytes compact, const struct jwks *keys, const struct token_rules *r, struct token *out,
			 enum oidc_event *why, struct err *err)
{
	struct json_object *header = NULL;
	struct token t = { 0 };
	cjose_jws_t *jws = NULL;
	const char *kid = "";
	enum jws_alg alg;
	enum status s;
	const uint8_t *dot;

	if (!is_compact(compact))
		return no(OIDC_TOKEN_MALFORMED, why, err, "the ID token is no signed JWT");
	dot = memchr(compact.p, '.', compact.n);
	if (decode_part(bytes_of(compact.p, (size_t)(dot - compact.p)), &header) != ST_OK)
		return no(OIDC_TOKEN_MALFORMED, why, err, "the header of the ID token is malformed");
	s = read_header(header, r, &alg, &kid, why, err);
	if (s != ST_OK)
		goto out;
	jws = cjose_jws_import((const char *)compact.p, compact.n, NULL);
	if (jws == NULL || !same_alg(jws, alg)) {
		s = no(OIDC_TOKEN_MALFORMED, why, err, "the ID token is malformed");
		goto out;
	}
	s = check_signature(jws, alg, kid, keys, why, err);
	if (s == ST_OK)
		s = signed_claims(jws, &t.claims, why, err);
	if (s == ST_OK)
		s = check_claims(t.claims, alg, r, &t, why, err);
	if (s == ST_OK)
		*out = t;
	else
		token_release(&t);
out:
	cjose_jws_release(jws);
	json_object_put(header);
	return s;
}

void token_release(struct token *t)
{
	json_object_put(t->claims);
	*t = (struct token){ 0 };
}
