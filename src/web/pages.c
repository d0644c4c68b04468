/* web/pages.c -- see web/pages.h. Plain HTML, one style sheet, readable on a phone. */
#include "web/pages.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

#define VALUE_MAX 200u /* bytes of a value that a stranger chose */

/* ---- text ---- */

/* Marks that turn the direction, join, or are not seen: a name made of them looks like another. */
static bool deceives(uint32_t c)
{
	return (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

static uint32_t code_of(const uint8_t *p, size_t n)
{
	uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

static void escape_char(struct buf *out, const uint8_t *p, size_t n)
{
	static const char *const names[128] = {
		['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;",
	};

	if (n == 0 || deceives(code_of(p, n)))
		buf_put_str(out, "\xef\xbf\xbd");
	else if (n == 1 && names[*p] != NULL)
		buf_put_str(out, names[*p]);
	else if (n == 1 && (*p < 0x20 || *p == 0x7f) && *p != '\n' && *p != '\t')
		buf_put_char(out, ' ');
	else
		buf_put(out, p, n);
}

/* At most max bytes of it, and a sign if there is more. */
static void escape_cut(struct buf *out, const char *text, size_t max)
{
	struct bytes in = bytes_of_str(text ? text : "");
	size_t done = 0;

	while (in.n > 0) {
		size_t n = utf8_len(in);

		if (done + (n ? n : 1) > max) {
			buf_put_str(out, "\xe2\x80\xa6");
			return;
		}
		escape_char(out, in.p, n);
		done += n ? n : 1;
		in = bytes_skip(in, n ? n : 1);
	}
}

void web_escape(struct buf *out, const char *text)
{
	escape_cut(out, text, SIZE_MAX);
}

/* ---- parts ---- */

static void page_begin(struct buf *out, const char *title, const char *heading, const char *heading_class)
{
	buf_put_str(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
			 "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
			 "<meta name=\"robots\" content=\"noindex\"><title>");
	escape_cut(out, title, VALUE_MAX);
	buf_put_str(out, " - Headscale</title><style>");
	buf_put_bytes(out, web_style());
	buf_put_str(out, "</style></head><body translate=\"no\"><header>");
	buf_put_bytes(out, web_icon());
	buf_put_str(out, "Headscale</header><main><article><h1");
	if (heading_class != NULL)
		buf_printf(out, " class=\"%s\"", heading_class);
	buf_put_char(out, '>');
	escape_cut(out, heading, 2 * VALUE_MAX);
	buf_put_str(out, "</h1>\n");
}

static void page_end(struct buf *out)
{
	buf_put_str(out,
		    "</article></main><footer>The control server of this private network</footer></body></html>\n");
}

static void paragraph(struct buf *out, const char *text)
{
	buf_put_str(out, "<p>");
	web_escape(out, text);
	buf_put_str(out, "</p>\n");
}

/* A block to copy; parts are joined and escaped, the last is NULL. */
static void command(struct buf *out, ...)
{
	va_list ap;
	const char *part;

	buf_put_str(out, "<pre><code>");
	va_start(ap, out);
	while ((part = va_arg(ap, const char *)) != NULL)
		web_escape(out, part);
	va_end(ap);
	buf_put_str(out, "</code></pre>\n");
}

static void row_of(struct buf *out, const char *name, const char *value, const char *value_class)
{
	if (value == NULL || value[0] == '\0')
		return;
	buf_put_str(out, "<dt>");
	web_escape(out, name);
	buf_printf(out, "</dt><dd%s%s%s dir=\"auto\">", value_class ? " class=\"" : "", value_class ? value_class : "",
		   value_class ? "\"" : "");
	escape_cut(out, value, VALUE_MAX);
	buf_put_str(out, "</dd>\n");
}

static void row(struct buf *out, const char *name, const char *value)
{
	row_of(out, name, value, NULL);
}

/* "17:58 UTC, in 14 minutes"; without a script the second is true when the page comes. */
static void row_until(struct buf *out, int64_t until, int64_t now)
{
	int64_t left = (until - now + 30) / 60;
	time_t t = (time_t)until;
	char text[64], clock[32];
	struct tm tm;

	if (until == 0 || gmtime_r(&t, &tm) == NULL ||
	    strftime(clock, sizeof clock, left >= 24 * 60 ? "%Y-%m-%d %H:%M" : "%H:%M", &tm) == 0)
		return;
	if (left < 1)
		snprintf(text, sizeof text, "%s UTC, in less than a minute", clock);
	else if (left < 120)
		snprintf(text, sizeof text, "%s UTC, in %d minute%s", clock, (int)left, left == 1 ? "" : "s");
	else
		snprintf(text, sizeof text, "%s UTC, in %lld hours", clock, (long long)(left / 60));
	row(out, "Link ends", text);
}

/* Tailscale's names of systems, as people write them. */
static const char *system_name(const char *os)
{
	static const char *const names[][2] = { { "linux", "Linux" },	  { "windows", "Windows" },
						{ "macOS", "macOS" },	  { "darwin", "macOS" },
						{ "iOS", "iOS" },	  { "tvOS", "tvOS" },
						{ "android", "Android" }, { "freebsd", "FreeBSD" },
						{ "openbsd", "OpenBSD" } };

	if (os == NULL || os[0] == '\0')
		return "(unknown)";
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(os, names[i][0]) == 0)
			return names[i][1];
	return os;
}

/* "1.102.5-t0123456-g789abcd" is "1.102.5" to people. */
static const char *short_version(const char *v, char out[static 32])
{
	size_t n = v != NULL ? strspn(v, "0123456789.") : 0;

	if (n == 0 || n > 20 || (v[n] != '\0' && v[n] != '-'))
		return v;
	snprintf(out, 32, "Tailscale %.*s", (int)n, v);
	return out;
}

static void device(struct buf *out, const struct web_device *d, const char *user, int64_t now)
{
	char version[32];

	buf_put_str(out, "<dl>");
	row(out, "Host name", d->hostname);
	row(out, "System", system_name(d->os));
	row(out, "Client", short_version(d->client_version, version));
	row(out, "Asks from", d->address);
	row_of(out, "Machine key", d->machine_key, "key");
	row(out, "Will belong to", user);
	row_until(out, d->until_unix, now);
	buf_put_str(out, "</dl>\n");
}

static void note(struct buf *out, const char *text)
{
	buf_put_str(out, "<p class=\"note\">");
	web_escape(out, text);
	buf_put_str(out, "</p>\n");
}

/* ---- logins ---- */

void web_page_register(struct buf *out, const char *auth_id, const struct web_device *d, int64_t now_unix)
{
	page_begin(out, "Node registration", "Node registration", NULL);
	if (d != NULL) {
		paragraph(out, "This machine asks to join the network:");
		device(out, d, NULL, now_unix);
	}
	paragraph(
	    out, "To admit it, an administrator runs this on the server, with the name of the user it will belong to:");
	command(out, "headscale auth register --auth-id ", auth_id, " --user USERNAME", NULL);
	paragraph(out, "The machine connects by itself as soon as that is done; nothing else is to do on it.");
	note(out, "If you do not know this machine, close this page: nothing happens without the command.");
	page_end(out);
}

void web_page_register_gone(struct buf *out)
{
	page_begin(out, "Node registration", "This login is over", "bad");
	paragraph(out, "The request was already answered, or it waited too long.");
	paragraph(out, "Run the login again on the machine; it will show a new link:");
	command(out, "tailscale up", NULL);
	page_end(out);
}

void web_page_auth(struct buf *out, const char *auth_id, const struct web_session *s, int64_t now_unix)
{
	page_begin(out, "Authentication check", "Authentication check", NULL);
	paragraph(out, "An SSH session waits for approval:");
	buf_put_str(out, "<dl>");
	row(out, "From", s->src);
	row(out, "To", s->dst);
	row(out, "As", s->user);
	row_until(out, s->until_unix, now_unix);
	buf_put_str(out, "</dl>\n");
	paragraph(out, "To approve it, an administrator runs this on the server:");
	command(out, "headscale auth approve --auth-id ", auth_id, NULL);
	paragraph(out, "To refuse it:");
	command(out, "headscale auth reject --auth-id ", auth_id, NULL);
	page_end(out);
}

void web_page_confirm(struct buf *out, const char *action_path, const char *csrf, const char *user,
		      const struct web_device *d, int64_t now_unix)
{
	page_begin(out, "Confirm node registration", "Confirm node registration", NULL);
	paragraph(out, "Is this the machine that you are logging in on?");
	device(out, d, user, now_unix);
	buf_put_str(out, "<form method=\"post\" action=\"");
	web_escape(out, action_path);
	buf_put_str(out, "\"><input type=\"hidden\" name=\"headscale_register_confirm\" value=\"");
	web_escape(out, csrf);
	buf_put_str(out, "\"><button type=\"submit\">Confirm registration</button></form>\n");
	note(out, "If somebody sent you the link to this page, or you do not recognise the machine, close this window: "
		  "it is not added.");
	page_end(out);
}

void web_page_done(struct buf *out, const char *heading, const char *text)
{
	page_begin(out, heading, heading, "ok");
	paragraph(out, text);
	page_end(out);
}

void web_page_error(struct buf *out, int status, const char *what, const char *advice)
{
	char title[32];

	snprintf(title, sizeof title, "Error %d", status);
	page_begin(out, title, what, "bad");
	paragraph(out, advice);
	buf_printf(out, "<p class=\"mut\">HTTP status %d</p>\n", status);
	page_end(out);
}

void web_page_home(struct buf *out, const char *version)
{
	page_begin(out, "Home", "Headscale is running", NULL);
	paragraph(out,
		  "This is the coordination server of a private network. Machines join it with the Tailscale client.");
	buf_put_str(
	    out, "<p><a href=\"apple\">Set up Apple devices</a> &middot; <a href=\"windows\">Set up Windows</a></p>\n");
	buf_put_str(out, "<p class=\"mut\">Version ");
	web_escape(out, version);
	buf_put_str(out, "</p>\n");
	page_end(out);
}

void web_page_apple(struct buf *out, const char *server_url)
{
	page_begin(out, "Apple", "Connect Apple devices", NULL);
	buf_put_str(out, "<h2>macOS, command line</h2>\n");
	command(out, "tailscale login --login-server ", server_url, NULL);
	buf_put_str(out,
		    "<h2>macOS, application</h2>\n<p>Hold Option while opening the menu of the Tailscale icon, choose "
		    "<em>Debug</em>, <em>Custom Login Server</em>, <em>Add Account</em>, and enter:</p>\n");
	command(out, server_url, NULL);
	paragraph(out, "Or set it for the App Store version and the standalone version:");
	command(out, "defaults write io.tailscale.ipn.macos ControlURL ", server_url, NULL);
	command(out, "defaults write io.tailscale.ipn.macsys ControlURL ", server_url, NULL);
	buf_put_str(out,
		    "<h2>iOS and tvOS</h2>\n<p>Install Tailscale and do not log in yet. On iOS open the account menu, "
		    "<em>Log in</em>, then the options menu, <em>Use custom coordination server</em>; on tvOS find "
		    "<em>ALTERNATE COORDINATION SERVER URL</em> in the system settings of Tailscale. Enter:</p>\n");
	command(out, server_url, NULL);
	buf_put_str(out,
		    "<h2>Configuration profiles</h2>\n<p>Read a profile before you install it.</p>\n"
		    "<p><a href=\"apple/ios\">iOS</a> &middot; <a href=\"apple/macos-app-store\">macOS, App Store</a> "
		    "&middot; <a href=\"apple/macos-standalone\">macOS, standalone</a></p>\n");
	page_end(out);
}

void web_page_windows(struct buf *out, const char *server_url)
{
	page_begin(out, "Windows", "Connect Windows", NULL);
	buf_put_str(out,
		    "<p>Install <a href=\"https://tailscale.com/download/windows\" rel=\"noreferrer\">Tailscale for "
		    "Windows</a>, open a terminal and run:</p>\n");
	command(out, "tailscale login --login-server ", server_url, NULL);
	paragraph(out, "A browser window shows how the machine is admitted.");
	page_end(out);
}

enum status web_apple_parse(const char *name, enum web_apple *out)
{
	static const char *const names[] = { "ios", "macos-app-store", "macos-standalone" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum web_apple)i;
			return ST_OK;
		}
	}
	return ST_NOT_FOUND;
}

void web_apple_profile(struct buf *out, enum web_apple platform, const char *server_url, const char *const uuid[2])
{
	static const char *const types[] = { "io.tailscale.ipn.ios", "io.tailscale.ipn.macos",
					     "io.tailscale.ipn.macsys" };

	buf_put_str(
	    out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
		 "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\"><dict>\n"
		 "<key>PayloadUUID</key><string>");
	web_escape(out, uuid[0]);
	buf_put_str(out, "</string>\n<key>PayloadDisplayName</key><string>Headscale</string>\n"
			 "<key>PayloadDescription</key><string>Configure Tailscale login server to: ");
	web_escape(out, server_url);
	buf_put_str(
	    out, "</string>\n<key>PayloadIdentifier</key><string>com.github.juanfont.headscale</string>\n"
		 "<key>PayloadRemovalDisallowed</key><false/>\n<key>PayloadType</key><string>Configuration</string>\n"
		 "<key>PayloadVersion</key><integer>1</integer>\n<key>PayloadContent</key><array><dict>\n"
		 "<key>PayloadType</key><string>");
	buf_put_str(out, types[platform]);
	buf_put_str(out, "</string>\n<key>PayloadUUID</key><string>");
	web_escape(out, uuid[1]);
	buf_put_str(out, "</string>\n<key>PayloadIdentifier</key><string>com.github.juanfont.headscale</string>\n"
			 "<key>PayloadVersion</key><integer>1</integer>\n<key>PayloadEnabled</key><true/>\n"
			 "<key>ControlURL</key><string>");
	web_escape(out, server_url);
	buf_put_str(out, "</string>\n</dict></array>\n</dict></plist>\n");
}
