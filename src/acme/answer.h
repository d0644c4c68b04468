/*
 * acme/answer.h -- what an ACME authority answers: JSON into structs.
 *
 * Pure; any thread. Strings are copied into the structs; what does not fit is ST_TOO_BIG, never cut, but for texts
 * meant for people. URLs are absolute, http or https, printable ASCII. Source: RFC 8555 sections 6.7, 7.1.
 */
#ifndef ACME_ANSWER_H
#define ACME_ANSWER_H

#include "base/bytes.h"

#define ACME_JSON_MAX	((size_t)64 * 1024) /* bytes of an answer */
#define ACME_URL_MAX	1024		    /* with the NUL */
#define ACME_TOKEN_MAX	256		    /* with the NUL */
#define ACME_NAMES_MAX	16		    /* names in a certificate, authorizations in an order */

/* An error as the authority words it. */
struct acme_problem {
	char type[64];	  /* "rateLimited": without "urn:ietf:params:acme:error:"; "" if there is none */
	char detail[512]; /* for people */
};

struct acme_directory {
	char new_nonce[ACME_URL_MAX], new_account[ACME_URL_MAX], new_order[ACME_URL_MAX];
	bool external_account; /* asks for an account made elsewhere: not served */
};

enum acme_state {
	ACME_PENDING,	 /* waits for us */
	ACME_READY,	 /* an order: may be finalized */
	ACME_PROCESSING, /* waits for the authority */
	ACME_VALID,	 /* done */
	ACME_INVALID,	 /* failed for good */
	ACME_GONE,	 /* deactivated, expired, revoked, or a word we do not know */
};

struct acme_order {
	enum acme_state state;
	char authorizations[ACME_NAMES_MAX][ACME_URL_MAX];
	size_t n_authorizations;
	char finalize[ACME_URL_MAX];
	char certificate[ACME_URL_MAX]; /* "" until it is valid */
	struct acme_problem problem;
};

struct acme_authorization {
	enum acme_state state;
	char name[256]; /* of the identifier, a DNS name in lower case */
	bool offered;	/* the wanted type of challenge is there; then: */
	char url[ACME_URL_MAX];
	char token[ACME_TOKEN_MAX]; /* letters, digits, '-' and '_' */
	enum acme_state challenge_state;
	struct acme_problem problem; /* of that challenge */
};

enum status acme_directory_parse(struct bytes json, struct acme_directory *out, struct err *err) MUST_CHECK;
enum status acme_order_parse(struct bytes json, struct acme_order *out, struct err *err) MUST_CHECK;
/** type: "http-01" or "tls-alpn-01". */
enum status acme_authorization_parse(struct bytes json, const char *type, struct acme_authorization *out,
				     struct err *err) MUST_CHECK;
/** Cannot fail: what is no problem document leaves both texts empty. */
void acme_problem_parse(struct bytes json, struct acme_problem *out);

/** Whether a text is a URL as above that fits. */
bool acme_url_ok(const char *url);
/** Seconds from a Retry-After header, a number or a date; -1: neither. 0..ACME_RETRY_AFTER_MAX. */
int64_t acme_retry_after(const char *value, int64_t now_unix);
#define ACME_RETRY_AFTER_MAX ((int64_t)7 * 24 * 3600)

#endif
