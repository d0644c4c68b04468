/*
 * cli/http.c -- one request after the other to the server's API, through libcurl.
 *
 * Without an address in the configuration: over the Unix socket, no key needed. With one: to that URL with the API
 * key. While the server is starting (no socket yet, connection refused) the call is tried again until the time limit.
 */
#include "cli/cli_priv.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vec.h"
#include "config/config.h"

#define ANSWER_MAX (256u << 20)

struct cli_http {
	struct config *config;
	CURL *curl;
	struct curl_slist *headers;
	const char *base;
	int64_t deadline_ns;
};

/* All problems of the configuration, one after the other. */
static void report_problems(struct cli_ctx *c, const struct config_report *report)
{
	struct buf b;

	buf_init(&b, sizeof c->err.text);
	for (size_t i = 0; i < report->n; i++) {
		if (report->v[i].severity != CONFIG_ERROR)
			continue;
		if (b.n > 0)
			buf_put_str(&b, "; ");
		config_problem_print(&report->v[i], &b);
	}
	err_set(&c->err, "%.*s", (int)b.n, b.n > 0 ? (char *)b.p : "");
	buf_release(&b);
}

static enum status open_transport(struct cli_ctx *c)
{
	struct cli_http *h = xcalloc(1, sizeof *h);
	struct config_report report = { 0 };
	bool remote;
	enum status s;

	s = config_load(&(struct config_source){ .path = c->config_path, .env = environ, .purpose = CONFIG_FOR_CLIENT },
			&h->config, &report);
	if (s != ST_OK)
		report_problems(c, &report);
	config_report_release(&report);
	if (s != ST_OK) {
		free(h);
		return s;
	}
	c->http = h;
	remote = h->config->cli.address[0] != '\0';
	curl_global_init(remote ? CURL_GLOBAL_DEFAULT : CURL_GLOBAL_NOTHING);
	h->curl = curl_easy_init();
	if (h->curl == NULL) {
		err_set(&c->err, "no memory for a connection");
		return ST_IO;
	}
	h->deadline_ns = clock_mono_ns() + h->config->cli.timeout_ns;
	if (!remote) {
		h->base = "http://local";
		curl_easy_setopt(h->curl, CURLOPT_UNIX_SOCKET_PATH, h->config->unix_socket);
		return ST_OK;
	}
	if (h->config->cli.api_key[0] == '\0') {
		err_set(&c->err, "HEADSCALE_CLI_API_KEY environment variable needs to be set");
		return ST_BAD_INPUT;
	}
	h->base = strstr(h->config->cli.address, "://") != NULL ? h->config->cli.address
								: arena_printf(c->arena, "https://%s", h->config->cli.address);
	h->headers = curl_slist_append(h->headers, arena_printf(c->arena, "Authorization: Bearer %s", h->config->cli.api_key));
	if (getenv("SSL_CERT_FILE") != NULL) /* as OpenSSL's own tools take it; libcurl does not by itself */
		curl_easy_setopt(h->curl, CURLOPT_CAINFO, getenv("SSL_CERT_FILE"));
	if (h->config->cli.insecure) {
		curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return ST_OK;
}

void cli_http_close(struct cli_ctx *c)
{
	if (c->http == NULL)
		return;
	curl_slist_free_all(c->http->headers);
	if (c->http->curl != NULL)
		curl_easy_cleanup(c->http->curl);
	config_free(&c->http->config);
	free(c->http);
	c->http = NULL;
}

static size_t take(char *p, size_t size, size_t n, void *arg)
{
	struct buf *b = arg;

	buf_put(b, p, size * n);
	return buf_ok(b) ? size * n : 0;
}

const char *cli_escape(struct cli_ctx *c, const char *s)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = arena_alloc(c->arena, strlen(s) * 3 + 1), *o = out;

	for (; *s != '\0'; s++) {
		unsigned char ch = (unsigned char)*s;

		if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || strchr("-._~", ch) != NULL) {
			*o++ = (char)ch;
		} else {
			*o++ = '%';
			*o++ = hex[ch >> 4];
			*o++ = hex[ch & 15];
		}
	}
	return out;
}

/* One attempt. ST_AGAIN: nobody listens (yet). */
static enum status attempt(struct cli_ctx *c, const char *method, const char *url, const char *body, struct buf *answer,
			   long *code_out)
{
	struct cli_http *h = c->http;
	char text[CURL_ERROR_SIZE] = "";
	int64_t left_ms = (h->deadline_ns - clock_mono_ns()) / NS_PER_MS;
	CURLcode r;

	if (left_ms < 1)
		left_ms = 1;
	buf_reset(answer);
	curl_easy_setopt(h->curl, CURLOPT_URL, url);
	curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)left_ms);
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, text);
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, h->headers);
	if (body != NULL) {
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	} else {
		curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L);
		curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, method);
	}
	r = curl_easy_perform(h->curl);
	if (r == CURLE_OK) {
		curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, code_out);
		return ST_OK;
	}
	err_set(&c->err, "%s \"%s\": %s", method, url, text[0] ? text : curl_easy_strerror(r));
	if (r == CURLE_OPERATION_TIMEDOUT)
		err_set(&c->err, "%s \"%s\": context deadline exceeded (no answer in time)", method, url);
	return r == CURLE_COULDNT_CONNECT ? ST_AGAIN : ST_IO;
}

static bool socket_forbidden(const struct cli_http *h)
{
	const char *path = h->config->unix_socket;

	return h->config->cli.address[0] == '\0' && access(path, F_OK) == 0 && access(path, W_OK) != 0 && errno == EACCES;
}

static enum status reach(struct cli_ctx *c, const char *method, const char *url, const char *body, struct buf *answer,
			 long *code_out)
{
	int64_t pause_ns = 50 * NS_PER_MS;
	enum status s;

	if (socket_forbidden(c->http)) {
		err_set(&c->err,
			"connecting to headscale: unable to read/write to headscale socket \"%s\", do you have the correct "
			"permissions?",
			c->http->config->unix_socket);
		return ST_DENIED;
	}
	while ((s = attempt(c, method, url, body, answer, code_out)) == ST_AGAIN) {
		if (clock_mono_ns() + pause_ns >= c->http->deadline_ns) {
			if (c->http->config->cli.address[0] == '\0')
				err_set(&c->err, "no server listens at the socket \"%s\"; is it running, with this configuration?",
					c->http->config->unix_socket);
			return ST_IO;
		}
		usleep((useconds_t)(pause_ns / 1000));
		if (pause_ns < NS_PER_S)
			pause_ns += pause_ns / 2;
	}
	return s;
}

/* What an answer other than 200 says. */
static void say_refusal(struct cli_ctx *c, long code, struct json_object *tree)
{
	struct json_object *errors = cli_member(tree, "errors");
	const char *detail = cli_str(tree, "detail");
	const char *all;

	if (detail[0] == '\0')
		detail = cli_str(tree, "title");
	if (detail[0] == '\0')
		detail = arena_printf(c->arena, "%ld", code);
	all = detail;
	for (size_t i = 0; errors != NULL && i < json_object_array_length(errors); i++)
		all = arena_printf(c->arena, "%s: %s", all, cli_str(json_object_array_get_idx(errors, i), "message"));
	err_set(&c->err, "%s", all);
}

enum status cli_call(struct cli_ctx *c, const char *action, const char *method, const char *path, struct json_object *body,
		     struct json_object **out)
{
	struct json_object *tree = NULL;
	struct buf answer;
	long code = 0;
	enum status s = ST_OK;

	if (c->http == NULL)
		s = open_transport(c);
	if (s != ST_OK) {
		err_prefix(&c->err, "%s", action);
		return s;
	}
	buf_init(&answer, ANSWER_MAX);
	s = reach(c, method, arena_printf(c->arena, "%s%s", c->http->base, path),
		  body != NULL ? json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN) : NULL, &answer, &code);
	if (s == ST_OK && json_parse(buf_bytes(&answer), ANSWER_MAX, &tree, NULL) == ST_OK)
		cli_own(c, tree);
	buf_release(&answer);
	if (s == ST_OK && code != 200) {
		say_refusal(c, code, tree);
		s = ST_DENIED;
	} else if (s == ST_OK && tree == NULL) {
		err_set(&c->err, "the answer is no JSON; is this a headscale server?");
		s = ST_BAD_INPUT;
	}
	if (s != ST_OK && strncasecmp(c->err.text, action, strlen(action)) != 0) /* the server's words begin with it as a rule */
		err_prefix(&c->err, "%s", action);
	if (s == ST_OK)
		*out = tree;
	return s;
}
