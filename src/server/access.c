/*
 * server/access.c -- a name for each request, and its line in the log when it has ended.
 *
 * Requests of people and programmes are logged at level info, what monitoring asks for again and again at debug, and so is
 * everything inside the control protocol: a map stream is one line when it ends, and no line at all by default. Lines have
 * no query and no credential; the answer carries the name as X-Request-Id, so that who complains can say which it was.
 */
#include "server/server_priv.h"

#include <stdio.h>

#include "base/random.h"

#define ID_MAX   64u  /* bytes of a name that a proxy gave */
#define PATH_MAX_LOGGED 256u

/* ---- names ---- */

static atomic_uint_fast64_t numbers;
static uint32_t boot; /* tells our names from those of the process before */

void server_access_open(void)
{
	random_bytes(&boot, sizeof boot);
}

static const char *new_id(struct arena *a)
{
	return arena_printf(a, "%08x-%llx", boot,
			    (unsigned long long)atomic_fetch_add_explicit(&numbers, 1, memory_order_relaxed));
}

bool server_request_id_ok(const char *id)
{
	size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return n >= 1 && n <= ID_MAX && id[n] == '\0';
}

void server_name_request(void *arg, struct http_req *r)
{
	struct server *srv = arg;
	const char *given = http_req_header(r, "x-request-id");

	if (given != NULL && server_request_id_ok(given) && server_is_trusted_proxy(srv, &r->conn->remote))
		r->id = given;
	else
		r->id = new_id(r->arena);
	http_resp_header(r, "X-Request-Id", r->id);
}

/* ---- lines ---- */

/* Links and API paths may hold what opens a door: of such a part only the kind is shown. */
static void put_part(char *out, size_t *n, const char *part, size_t len)
{
	static const char secret[] = "hskey-";
	size_t keep = len, room = PATH_MAX_LOGGED - 1 - *n;

	if (len > sizeof secret - 1 && strncmp(part, secret, sizeof secret - 1) == 0) {
		keep = sizeof secret - 1 + strcspn(part + sizeof secret - 1, "-/"); /* the kind: auth, authreq, api */
		if (keep >= len)
			keep = sizeof secret - 1;
	} else if (len > 64) {
		keep = 8;
	}
	if (keep > room)
		keep = room;
	memcpy(out + *n, part, keep);
	*n += keep;
	for (size_t i = 0; keep < len && i < 3 && *n < PATH_MAX_LOGGED - 1; i++)
		out[(*n)++] = '*';
}

/* `out` has PATH_MAX_LOGGED bytes. */
static void shown_path(const char *path, char *out)
{
	size_t n = 0;

	while (*path != '\0' && n < PATH_MAX_LOGGED - 1) {
		size_t len = strcspn(path, "/");

		put_part(out, &n, path, len);
		path += len;
		if (*path == '/' && n < PATH_MAX_LOGGED - 1) {
			out[n++] = '/';
			path++;
		}
	}
	out[n] = '\0';
}

static bool asked_again_and_again(const char *path)
{
	static const char *const paths[] = { "/health", "/metrics", "/derp/probe", "/derp/latency-check", "/generate_204" };

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		if (strcmp(path, paths[i]) == 0)
			return true;
	return false;
}

static const char *protocol_of(const struct http_req *r)
{
	if (r->version == HTTP_V2)
		return "HTTP/2.0";
	return r->version == HTTP_V11 ? "HTTP/1.1" : "HTTP/1.0";
}

void server_log_request(const struct http_req *r, int status, uint64_t elapsed_ms)
{
	bool inner = r->conn_data != NULL;
	enum log_level level = inner || asked_again_and_again(r->raw_path) ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
	char path[PATH_MAX_LOGGED], from[NET_ADDR_TEXT_MAX], who[CONTROL_WHO_MAX];

	if (!log_enabled(level))
		return;
	shown_path(r->raw_path, path);
	net_addr_format(net_addr_family(&r->client) != AF_UNSPEC ? &r->client : &r->conn->remote, from);
	control_who(r, who);
	log_at(level, "http request", LOG_STR("id", r->id != NULL ? r->id : new_id(r->arena)), LOG_STR("method", r->method),
	       LOG_STR("path", path), LOG_STR("proto", protocol_of(r)), LOG_STR("remote", from),
	       LOG_STR("who", r->who != NULL ? r->who : who), LOG_I64("status", status), LOG_U64("elapsed", elapsed_ms), LOG_END);
}
