/* web/pages.c -- see web/pages.h. Plain HTML, one style sheet, readable on a phone. */
#include "web/pages.h"

#include <stdarg.h>
#include <stdio.h>

static const char style[] =
	":root{color-scheme:light dark;--fg:#1c2430;--mut:#5b6675;--bg:#f5f6f8;--card:#fff;--line:#dfe3e8;--acc:#2457d6;"
	"--ok:#17803d;--bad:#b42318}"
	"@media(prefers-color-scheme:dark){:root{--fg:#e8ecf2;--mut:#9aa6b5;--bg:#12161c;--card:#1b212a;--line:#2d3642;"
	"--acc:#7ea6ff;--ok:#4ade80;--bad:#ff8a80}}"
	"*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);"
	"font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
	"main{max-width:40rem;margin:0 auto;padding:2rem 1rem}"
	"article{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.5rem}"
	"h1{font-size:1.4rem;margin:0 0 .75rem}h2{font-size:1.05rem;margin:1.5rem 0 .5rem}p{margin:.5rem 0}"
	"pre{background:var(--bg);border:1px solid var(--line);border-radius:8px;padding:.75rem;overflow-x:auto;"
	"white-space:pre-wrap;overflow-wrap:anywhere;user-select:all}"
	"code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1rem;margin:1rem 0}"
	"dt{color:var(--mut)}dd{margin:0;overflow-wrap:anywhere}"
	"button{font:inherit;padding:.6rem 1.2rem;border:0;border-radius:8px;background:var(--acc);color:#fff;cursor:pointer}"
	"@media(prefers-color-scheme:dark){button{color:#10151c}}"
	".ok{color:var(--ok)}.bad{color:var(--bad)}.mut,footer{color:var(--mut);font-size:.9rem}"
	"footer{text-align:center;padding:1rem}a{color:var(--acc)}";

static const char icon[] = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\">"
			   "<rect width=\"32\" height=\"32\" rx=\"7\" fill=\"#2457d6\"/>"
			   "<g fill=\"#fff\"><circle cx=\"9\" cy=\"9\" r=\"3\"/><circle cx=\"23\" cy=\"9\" r=\"3\"/>"
			   "<circle cx=\"9\" cy=\"23\" r=\"3\"/><circle cx=\"23\" cy=\"23\" r=\"3\"/>"
			   "<circle cx=\"16\" cy=\"16\" r=\"4\"/></g></svg>";

struct bytes web_style(void)
{
	return BYTES_LIT(style);
}

struct bytes web_icon(void)
{
	return BYTES_LIT(icon);
}

void web_escape(struct buf *out, const char *text)
{
	for (const char *p = text ? text : ""; *p != '\0'; p++) {
		switch (*p) {
		case '&':
			buf_put_str(out, "&amp;");
			break;
		case '<':
			buf_put_str(out, "&lt;");
			break;
		case '>':
			buf_put_str(out, "&gt;");
			break;
		case '"':
			buf_put_str(out, "&quot;");
			break;
		case '\'':
			buf_put_str(out, "&#39;");
			break;
		default:
			buf_put_char(out, (unsigned char)*p < 0x20 && *p != '\n' && *p != '\t' ? ' ' : *p);
		}
	}
}

static void page_begin(struct buf *out, const char *title, const char *heading, const char *heading_class)
{
	buf_put_str(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
			 "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>");
	web_escape(out, title);
	buf_put_str(out, " - Headscale</title><link rel=\"icon\" href=\"" WEB_ICON_PATH "\">"
			 "<link rel=\"stylesheet\" href=\"" WEB_STYLE_PATH "\"></head><body translate=\"no\"><main><article><h1");
	if (heading_class != NULL)
		buf_printf(out, " class=\"%s\"", heading_class);
	buf_put_char(out, '>');
	web_escape(out, heading);
	buf_put_str(out, "</h1>\n");
}

static void page_end(struct buf *out)
{
	buf_put_str(out, "</article></main><footer>Headscale</footer></body></html>\n");
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

static void row(struct buf *out, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	buf_put_str(out, "<dt>");
	web_escape(out, name);
	buf_put_str(out, "</dt><dd>");
	web_escape(out, value);
	buf_put_str(out, "</dd>\n");
}

static void device(struct buf *out, const struct web_device *d, const char *user)
{
	buf_put_str(out, "<dl>");
	row(out, "Host name", d->hostname);
	row(out, "System", d->os != NULL && d->os[0] != '\0' ? d->os : "(unknown)");
	row(out, "Client", d->client_version);
	row(out, "Asks from", d->address);
	row(out, "Machine key", d->machine_key);
	row(out, "Will belong to", user);
	buf_put_str(out, "</dl>\n");
}

void web_page_register(struct buf *out, const char *auth_id, const struct web_device *d)
{
	page_begin(out, "Node registration", "Node registration", NULL);
	if (d != NULL) {
		paragraph(out, "This machine asks to join the network:");
		device(out, d, NULL);
	}
	paragraph(out, "To admit it, an administrator runs this on the server, with the name of the user it will belong to:");
	command(out, "headscale auth register --auth-id ", auth_id, " --user USERNAME", NULL);
	paragraph(out, "The machine connects by itself as soon as that is done. If you do not know this machine, "
		       "close this page: nothing happens without the command.");
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

void web_page_auth(struct buf *out, const char *auth_id, const char *src, const char *dst, const char *user)
{
	page_begin(out, "Authentication check", "Authentication check", NULL);
	paragraph(out, "An SSH session waits for approval:");
	buf_put_str(out, "<dl>");
	row(out, "From", src);
	row(out, "To", dst);
	row(out, "As", user);
	buf_put_str(out, "</dl>\n");
	paragraph(out, "To approve it, an administrator runs this on the server:");
	command(out, "headscale auth approve --auth-id ", auth_id, NULL);
	paragraph(out, "To refuse it:");
	command(out, "headscale auth reject --auth-id ", auth_id, NULL);
	page_end(out);
}

void web_page_confirm(struct buf *out, const char *action_path, const char *csrf, const char *user,
		      const struct web_device *d)
{
	page_begin(out, "Confirm node registration", "Confirm node registration", NULL);
	paragraph(out, "Check that this is the machine you are logging in on:");
	device(out, d, user);
	buf_put_str(out, "<form method=\"post\" action=\"");
	web_escape(out, action_path);
	buf_put_str(out, "\"><input type=\"hidden\" name=\"headscale_register_confirm\" value=\"");
	web_escape(out, csrf);
	buf_put_str(out, "\"><button type=\"submit\">Confirm registration</button></form>\n");
	buf_put_str(out, "<p class=\"mut\">If you do not recognise the machine, close this window: it is not added.</p>\n");
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
	paragraph(out, "This is the coordination server of a private network. Machines join it with the Tailscale client.");
	buf_put_str(out, "<p><a href=\"/apple\">Set up Apple devices</a> &middot; <a href=\"/windows\">Set up Windows</a></p>\n");
	row(out, "Version", version);
	page_end(out);
}

void web_page_apple(struct buf *out, const char *server_url)
{
	page_begin(out, "Apple", "Connect Apple devices", NULL);
	buf_put_str(out, "<h2>macOS, command line</h2>\n");
	command(out, "tailscale login --login-server ", server_url, NULL);
	buf_put_str(out, "<h2>macOS, application</h2>\n<p>Hold Option while opening the menu of the Tailscale icon, choose "
			 "<em>Debug</em>, <em>Custom Login Server</em>, <em>Add Account</em>, and enter:</p>\n");
	command(out, server_url, NULL);
	paragraph(out, "Or set it for the App Store version and the standalone version:");
	command(out, "defaults write io.tailscale.ipn.macos ControlURL ", server_url, NULL);
	command(out, "defaults write io.tailscale.ipn.macsys ControlURL ", server_url, NULL);
	buf_put_str(out, "<h2>iOS and tvOS</h2>\n<p>Install Tailscale and do not log in yet. On iOS open the account menu, "
			 "<em>Log in</em>, then the options menu, <em>Use custom coordination server</em>; on tvOS find "
			 "<em>ALTERNATE COORDINATION SERVER URL</em> in the system settings of Tailscale. Enter:</p>\n");
	command(out, server_url, NULL);
	buf_put_str(out, "<h2>Configuration profiles</h2>\n<p>Read a profile before you install it.</p>\n"
			 "<p><a href=\"/apple/ios\">iOS</a> &middot; <a href=\"/apple/macos-app-store\">macOS, App Store</a> "
			 "&middot; <a href=\"/apple/macos-standalone\">macOS, standalone</a></p>\n");
	page_end(out);
}

void web_page_windows(struct buf *out, const char *server_url)
{
	page_begin(out, "Windows", "Connect Windows", NULL);
	buf_put_str(out, "<p>Install <a href=\"https://tailscale.com/download/windows\" rel=\"noreferrer\">Tailscale for "
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
	static const char *const types[] = { "io.tailscale.ipn.ios", "io.tailscale.ipn.macos", "io.tailscale.ipn.macsys" };

	buf_put_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
			 "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\"><dict>\n"
			 "<key>PayloadUUID</key><string>");
	web_escape(out, uuid[0]);
	buf_put_str(out, "</string>\n<key>PayloadDisplayName</key><string>Headscale</string>\n"
			 "<key>PayloadDescription</key><string>Configure Tailscale login server to: ");
	web_escape(out, server_url);
	buf_put_str(out, "</string>\n<key>PayloadIdentifier</key><string>com.github.juanfont.headscale</string>\n"
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
