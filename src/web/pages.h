/*
 * web/pages.h -- the few pages a person sees in a browser, without a script.
 *
 * Pure: text in, HTML appended to a buffer. Every value from outside is escaped, in text and in
 * attributes, loses what could turn a line around or hide in it, and is cut where it is longer than
 * anybody reads. Each page carries its style sheet and refers to nothing, so that WEB_CSP can forbid
 * everything but that sheet and forms to ourselves.
 */
#ifndef WEB_PAGES_H
#define WEB_PAGES_H

#include "base/buf.h"

#define WEB_STYLE_PATH "/assets/style.css"
#define WEB_ICON_PATH  "/favicon.ico"
/* The Content-Security-Policy is this with the SHA-256 of web_style(), in base64, in place of %s. */
#define WEB_CSP                                                                                                        \
	"default-src 'none'; style-src 'self' 'sha256-%s'; img-src 'self'; form-action 'self'; base-uri 'none'; "       \
	"frame-ancestors 'none'"

/** The style sheet, as it stands in pages and is served by itself; static text. */
struct bytes web_style(void);
/** The icon, an SVG image; static text. */
struct bytes web_icon(void);

/* What a machine that asks to join said of itself; any member may be NULL: not known. */
struct web_device {
	const char *hostname;
	const char *os;
	const char *address;     /* where the request came from */
	const char *machine_key; /* short form */
	const char *client_version;
	int64_t until_unix;      /* when the link ends; 0: not known */
};

/* Where an SSH session that waits comes from and goes to; as for web_device. */
struct web_session {
	const char *src, *dst;
	const char *user;        /* on the machine it goes to */
	int64_t until_unix;
};

/** How an administrator admits a machine: shows the device (NULL: nothing of it) and the command with auth_id in it. */
void web_page_register(struct buf *out, const char *auth_id, const struct web_device *d, int64_t now_unix);
/** The same for an id that is not known or over: what to do next. */
void web_page_register_gone(struct buf *out);
/** An SSH session waits for approval: who wants to go where, and the command that approves. */
void web_page_auth(struct buf *out, const char *auth_id, const struct web_session *s, int64_t now_unix);
/** After single sign-on: the person sees what will be added as whose, and confirms by a form with the token. */
void web_page_confirm(struct buf *out, const char *action_path, const char *csrf, const char *user,
		      const struct web_device *d, int64_t now_unix);
/** Something was done: a heading and a sentence. */
void web_page_done(struct buf *out, const char *heading, const char *text);
/** Something went wrong: HTTP status, what happened, what to do. */
void web_page_error(struct buf *out, int status, const char *what, const char *advice);
/** The page at `/`. */
void web_page_home(struct buf *out, const char *version);
/** How to point Apple's and Windows' clients here. server_url without a trailing slash. */
void web_page_apple(struct buf *out, const char *server_url);
void web_page_windows(struct buf *out, const char *server_url);

enum web_apple { WEB_APPLE_IOS, WEB_APPLE_MACOS_STORE, WEB_APPLE_MACOS_STANDALONE };
/** "ios", "macos-app-store", "macos-standalone"; ST_NOT_FOUND otherwise. */
enum status web_apple_parse(const char *name, enum web_apple *out) MUST_CHECK;
/** A configuration profile (property list) that sets the server; uuid[2] are fresh random UUIDs as text. */
void web_apple_profile(struct buf *out, enum web_apple platform, const char *server_url, const char *const uuid[2]);

/**
 * Append text with the characters that mean something in HTML or XML replaced; safe in attributes. What is no UTF-8,
 * and characters that change the direction of text or are not seen, become U+FFFD; control characters become blanks.
 */
void web_escape(struct buf *out, const char *text);

#endif
