/* server/pages.c -- the routes a person or a probe asks for: health, version, login pages, set-up pages. */
#include "server/server_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/oidc.h"
#include "base/json_in.h"
#include "base/random.h"
#include "base/vec.h"
#include "base/version.h"
#include "crypto/hash.h"
#include "web/pages.h"

static char csp_text[256];

static void make_csp(void)
{
	char hash[BASE64_LEN(SHA256_LEN) + 1];
	uint8_t h[SHA256_LEN];

	sha256(web_style(), h);
	base64_encode(bytes_of(h, sizeof h), hash);
	snprintf(csp_text, sizeof csp_text, WEB_CSP, hash);
}

/* The policy with the hash of the style sheet that stands in the pages; static. Any thread. */
static const char *csp(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_csp);
	return csp_text;
}

/* arg: the server, or NULL where there is no API. */
void server_security_headers(void *arg, struct http_req *r)
{
	struct server *srv = arg;

	if (srv != NULL)
		api_cors(srv->api, r);
	http_resp_header(r, "X-Frame-Options", "DENY");
	http_resp_header(r, "X-Content-Type-Options", "nosniff");
	http_resp_header(r, "Referrer-Policy", "no-referrer");
	http_resp_header(r, "Content-Security-Policy", csp());
}

static void send_page(struct http_req *r, int status, struct buf *b)
{
	http_resp_header(r, "Cache-Control", "no-store");
	http_respond(r, status, "text/html; charset=utf-8", buf_bytes(b));
	buf_release(b);
}

static void send_error(struct http_req *r, int status, const char *what, const char *advice)
{
	struct buf b;

	buf_init(&b, 1u << 16);
	web_page_error(&b, status, what, advice);
	send_page(r, status, &b);
}

static void health(void *arg, struct http_req *r)
{
	struct server *srv = arg;
	bool ok = state_store_ok(srv->state);

	http_respond(r, ok ? 200 : 500, "application/health+json; charset=utf-8",
		     ok ? BYTES_LIT("{\"status\":\"pass\"}\n") : BYTES_LIT("{\"status\":\"fail\"}\n"));
}

static void version(void *arg, struct http_req *r)
{
	struct buf b;
	struct jw w;

	(void)arg;
	buf_init(&b, 4096);
	jw_init(&w, &b);
	jw_obj_begin(&w);
	/* Consoles go by the first part: which API this is. The second is ours. */
	jw_kstr(&w, "version", API_LEVEL "+c" HEADSCALE_VERSION);
	jw_kstr(&w, "commit", build_commit());
	jw_kstr(&w, "buildTime", build_time());
	jw_key(&w, "go");
	jw_obj_begin(&w);
	jw_kstr(&w, "version", "C (" __VERSION__ ")");
	jw_kstr(&w, "os", "linux");
	jw_kstr(&w, "arch", build_arch());
	jw_obj_end(&w);
	jw_kbool(&w, "dirty", build_dirty());
	jw_obj_end(&w);
	buf_put_char(&b, '\n');
	http_respond(r, 200, "application/json", buf_bytes(&b));
	buf_release(&b);
}

static void robots(void *arg, struct http_req *r)
{
	(void)arg;
	http_respond(r, 200, "text/plain; charset=utf-8", BYTES_LIT("User-agent: *\nDisallow: /\n"));
}

static void style(void *arg, struct http_req *r)
{
	(void)arg;
	http_resp_header(r, "Cache-Control", "public, max-age=3600");
	http_respond(r, 200, "text/css; charset=utf-8", web_style());
}

static void icon(void *arg, struct http_req *r)
{
	(void)arg;
	http_resp_header(r, "Cache-Control", "public, max-age=86400");
	http_respond(r, 200, "image/svg+xml", web_icon());
}

static void home(void *arg, struct http_req *r)
{
	struct buf b;

	(void)arg;
	buf_init(&b, 1u << 16);
	web_page_home(&b, HEADSCALE_VERSION);
	send_page(r, 200, &b);
}

/* ---- login pages ---- */

struct page_wait {
	struct server *srv;
	struct http_req *req; /* NULL: the browser went away */
	struct loop *loop;
	struct pending *pending; /* NULL: not known */
};

static void wait_cancelled(void *arg, struct http_req *r)
{
	struct page_wait *w = arg;

	(void)r;
	w->req = NULL;
}

static const char *member(struct json_object *o, const char *name)
{
	const char *v = "";

	return o != NULL && json_get_str(o, name, &v, NULL) == ST_OK ? v : "";
}

static void put_tree(void *tree)
{
	json_object_put(tree);
}

/* What the machine said of itself, for the page. */
static struct web_device device_of(struct http_req *r, const struct pending *p)
{
	struct json_object *info = NULL;
	struct web_device d = { .hostname = p->hostname, .until_unix = p->expires_ns / NS_PER_S };
	char text[IP_TEXT_MAX], b64[BASE64_LEN(KEY_LEN) + 1];

	if (p->hostinfo != NULL && json_parse(shared_bytes_view(p->hostinfo), STATE_HOSTINFO_MAX, &info, NULL) == ST_OK && info != NULL) {
		arena_on_free(r->arena, put_tree, info);
		d.os = member(info, "OS");
		d.client_version = member(info, "IPNVersion");
	}
	if (p->source.family != IP_NONE) {
		ip_format(&p->source, text);
		d.address = arena_strdup(r->arena, text);
	}
	base64_encode(bytes_of(p->machine.b, KEY_LEN), b64);
	d.machine_key = arena_printf(r->arena, "[%.5s]", b64);
	return d;
}

static const char *node_label(struct http_req *r, const struct snapshot *s, node_id id)
{
	const struct node *n = snapshot_node(s, id);

	return n != NULL ? n->name : arena_printf(r->arena, "node %llu", (unsigned long long)id);
}

static void show_pending(void *arg)
{
	struct page_wait *w = arg;
	struct http_req *r = w->req;
	struct pending *p = w->pending;
	struct buf b;

	if (r != NULL) {
		buf_init(&b, 1u << 16);
		if (p == NULL || p->verdict != VERDICT_OPEN) {
			web_page_register_gone(&b);
			send_page(r, 410, &b);
		} else if (p->kind == PENDING_LOGIN) {
			struct web_device d = device_of(r, p);

			web_page_register(&b, p->auth_id, &d, clock_unix_ns() / NS_PER_S);
			send_page(r, 200, &b);
		} else {
			struct snapshot *s = server_snapshot(w->srv, r->loop);

			struct web_session session = { .src = node_label(r, s, p->src),
						       .dst = node_label(r, s, p->dst),
						       .until_unix = p->expires_ns / NS_PER_S };

			web_page_auth(&b, p->auth_id, &session, clock_unix_ns() / NS_PER_S);
			send_page(r, 200, &b);
		}
	}
	pending_unref(&w->pending);
	free(w);
}

static void pending_known(void *arg, enum status s, const struct err *err, const struct state_result *res)
{
	struct page_wait *w = arg;

	(void)err;
	if (s == ST_OK && res->pending != NULL)
		w->pending = pending_ref(res->pending);
	loop_post(w->loop, show_pending, w);
}

/* /register/{id} and /auth/{id}: the same look-up, the entry says which page it is. */
void server_login_page(void *arg, struct http_req *r)
{
	const char *id = http_req_param(r, "id");
	struct server *srv = arg;
	struct page_wait *w;

	if (strlen(id) != AUTH_ID_LEN || strncmp(id, AUTH_ID_PREFIX, strlen(AUTH_ID_PREFIX)) != 0) {
		send_error(r, 400, "This is no login link", "Copy the whole link that the client printed and open it again.");
		return;
	}
	w = xcalloc(1, sizeof *w);
	w->srv = srv;
	w->req = r;
	w->loop = r->loop;
	http_on_cancel(r, wait_cancelled, w);
	if (state_pending_get(srv->state, id, pending_known, w, NULL) != ST_OK) {
		w->req = NULL;
		http_on_cancel(r, NULL, NULL);
		http_respond_overload(r, 503, 1, 5);
		free(w);
	}
}

/* ---- set-up pages ---- */

static void apple(void *arg, struct http_req *r)
{
	struct server *srv = arg;
	struct buf b;

	buf_init(&b, 1u << 16);
	web_page_apple(&b, srv->config->server_url.text);
	send_page(r, 200, &b);
}

static void windows(void *arg, struct http_req *r)
{
	struct server *srv = arg;
	struct buf b;

	buf_init(&b, 1u << 16);
	web_page_windows(&b, srv->config->server_url.text);
	send_page(r, 200, &b);
}

static const char *new_uuid(struct arena *a)
{
	uint8_t u[16];

	random_bytes(u, sizeof u);
	u[6] = (u[6] & 0x0f) | 0x40;
	u[8] = (u[8] & 0x3f) | 0x80;
	return arena_printf(a, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3],
			    u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

static void apple_profile(void *arg, struct http_req *r)
{
	struct server *srv = arg;
	enum web_apple platform;
	const char *uuid[2];
	struct buf b;

	if (web_apple_parse(http_req_param(r, "platform"), &platform) != ST_OK) {
		http_respond_text(r, 400, "platform must be ios, macos-app-store or macos-standalone");
		return;
	}
	uuid[0] = new_uuid(r->arena);
	uuid[1] = new_uuid(r->arena);
	buf_init(&b, 1u << 16);
	web_apple_profile(&b, platform, srv->config->server_url.text, uuid);
	http_respond(r, 200, "application/x-apple-aspen-config; charset=utf-8", buf_bytes(&b));
	buf_release(&b);
}

void server_pages_routes(struct server *srv, struct http_router *r)
{
	static const struct {
		const char *pattern;
		http_handler_fn *fn;
	} pages[] = {
		{ "/health", health },	   { "/version", version },	      { "/robots.txt", robots },
		{ WEB_STYLE_PATH, style }, { WEB_ICON_PATH, icon },	      { "/", home },
		{ "/apple", apple },	      { "/windows", windows },
		{ "/apple/{platform}", apple_profile },
	};

	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
		http_router_add(r, &(struct http_route){ .methods = "GET", .pattern = pages[i].pattern, .fn = pages[i].fn,
							 .arg = srv, .auth = SERVER_PUBLIC });
	if (srv->oidc != NULL) {
		oidc_add_routes(srv->oidc, r, SERVER_PUBLIC);
		return;
	}
	http_router_add(r, &(struct http_route){ .methods = "GET", .pattern = "/register/{id}", .fn = server_login_page,
						 .arg = srv, .auth = SERVER_PUBLIC });
	http_router_add(r, &(struct http_route){ .methods = "GET", .pattern = "/auth/{id}", .fn = server_login_page,
						 .arg = srv, .auth = SERVER_PUBLIC });
}
