/*
 * web/pages.h -- the few pages a person sees in a browser, without a script.
 *
 * Pure: text in, HTML appended to a buffer. Every value from outside is escaped, in text and in
 * attributes. Pages refer to one style sheet (WEB_STYLE_PATH) and to nothing else, so that
 * WEB_CSP can forbid everything but that and forms to ourselves.
 */
#ifndef WEB_PAGES_H
#define WEB_PAGES_H

#include "base/buf.h"

#define WEB_STYLE_PATH "/assets/style.css"
#define WEB_ICON_PATH  "/favicon.ico"
#define WEB_CSP                                                                                                        \
	"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

/** The style sheet; static text. */
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
};

/** How an administrator admits a machine: shows the device and the command with auth_id in it. */
void web_page_register(struct buf *out, const char *auth_id, const struct web_device *d);
/** The same for an id that is not known or over: what to do next. */
void web_page_register_gone(struct buf *out);
/** An SSH session waits for approval: who wants to go where, and the command that approves. */
void web_page_auth(struct buf *out, const char *auth_id, const char *src, const char *dst, const char *user);
/** After single sign-on: the person sees what will be added as whose, and confirms by a form with the token. */
void web_page_confirm(struct buf *out, const char *action_path, const char *csrf, const char *user,
		      const struct web_device *d);
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

/** Append text with the characters that mean something in HTML or XML replaced; safe in attributes. */
void web_escape(struct buf *out, const char *text);

#endif
