/* auth/counters.h -- what became of logins at the provider, counted by reason. */
#ifndef AUTH_COUNTERS_H
#define AUTH_COUNTERS_H

#include <stdint.h>

enum oidc_event {
	/* it went on */
	OIDC_STARTED,            /* a browser was sent to the provider */
	OIDC_IDENTIFIED,         /* it came back with an identity that passes the filters */
	OIDC_REGISTERED,         /* a machine was let in */
	OIDC_SSH_APPROVED,
	/* it ended at /register or /auth */
	OIDC_BAD_ID,             /* no auth id */
	OIDC_EMBEDDED,           /* a page loaded the link as a picture or a frame, or a browser ahead of a click */
	OIDC_GONE,               /* the login or SSH check is over, at any step */
	OIDC_BUSY,               /* too many at once */
	OIDC_UNAVAILABLE,        /* the provider was not reached */
	/* it ended at /oidc/callback */
	OIDC_BAD_CALLBACK,       /* code or state missing or malformed */
	OIDC_STATE_COOKIE,       /* not the browser that began, or without its cookie */
	OIDC_STATE_UNKNOWN,      /* over, used, or never given */
	OIDC_PROVIDER_REFUSED,   /* it sent an error, such as access_denied */
	OIDC_CODE_REFUSED,       /* the token endpoint did not take the code */
	OIDC_TOKEN_MALFORMED,    /* no ID token, or not a signed JWT */
	OIDC_TOKEN_ALGORITHM,    /* none, HMAC, or one that the provider does not list */
	OIDC_TOKEN_KEY,          /* signed with a key that the provider does not publish */
	OIDC_TOKEN_SIGNATURE,
	OIDC_TOKEN_ISSUER,
	OIDC_TOKEN_AUDIENCE,
	OIDC_TOKEN_TIME,         /* expired, or from the future */
	OIDC_TOKEN_NONCE,
	OIDC_TOKEN_ACCESS_HASH,  /* at_hash is another access token's */
	OIDC_FILTER_GROUP,
	OIDC_FILTER_VERIFIED,    /* e-mail not verified, and a filter needs it */
	OIDC_FILTER_DOMAIN,
	OIDC_FILTER_USER,
	/* it ended at the SSH check */
	OIDC_SSH_NOT_OWNER,      /* another user's node, or a tagged one */
	/* it ended at /register/confirm */
	OIDC_CONFIRM_CSRF,       /* token or cookie missing or wrong */
	OIDC_CONFIRM_REFUSED,    /* tags not allowed, and the like */
	OIDC_INTERNAL,           /* state could not do it */
	/* about the provider */
	OIDC_DISCOVERY_OK,
	OIDC_DISCOVERY_FAILED,
	OIDC_KEYS_OK,
	OIDC_KEYS_FAILED,
	OIDC_USERINFO_FAILED,    /* the login went on with the ID token alone */
	OIDC_USERINFO_SUBJECT,   /* likewise, for the answer was about somebody else */
	OIDC_EVENT_COUNT
};

/** "registered", "token_nonce" ...: fit for a metric's label. Static. */
const char *oidc_event_name(enum oidc_event e);

struct oidc_stats {
	uint64_t events[OIDC_EVENT_COUNT];
	uint64_t logins;      /* now on their way at the provider */
	uint64_t confirms;    /* now waiting for the button */
};

#endif
