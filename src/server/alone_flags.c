/*
 * server/alone_flags.c -- the command line of `headscale derp`: derper's flags, with one dash or two.
 *
 * A flag of derper that cannot be had here is refused by name, and the message says what to use instead: a relay that
 * silently does something else than its unit file says would be worse.
 */
#include "server/alone_priv.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

static const char usage[] =
	"headscale derp: run only a relay and STUN\n\n"
	"The flags are derper's; one dash or two.\n\n"
	"Listening\n"
	"  --a ADDR                  listen address (default :443); TLS if the port is 443 or --certmode is manual\n"
	"  --http-port PORT          plain HTTP beside TLS: captive-portal checks, ACME, redirects (default 80; -1: none)\n"
	"  --stun=true|false         answer STUN (default true)\n"
	"  --stun-port PORT          default 3478\n"
	"  --derp=true|false         relay (default true)\n"
	"  --dev                     plain HTTP on :3340, a key for this run\n"
	"  --status-socket PATH      for `headscale derp status` (default " ALONE_STATUS_SOCKET "; empty: none)\n\n"
	"Identity\n"
	"  --c FILE                  key file, made if missing; derper's are read too (default /var/lib/derper/derper.key)\n"
	"  --hostname NAME           name of the certificate; an IP address with --certmode manual\n"
	"  --certmode MODE           letsencrypt (default), or manual: NAME.crt and NAME.key are in --certdir\n"
	"  --certdir DIR             where certificates are kept (default ~/.cache/tailscale/derper-certs)\n"
	"  --acme-email ADDRESS      told to the authority\n"
	"  --acme-directory URL      another ACME authority than Let's Encrypt\n\n"
	"Who may use it\n"
	"  --verify-clients          only nodes that the tailscaled of this machine knows\n"
	"  --socket PATH             that tailscaled's socket (default /var/run/tailscale/tailscaled.sock)\n"
	"  --verify-client-url URL   only nodes that this URL agrees to: a control server's /verify\n"
	"  --verify-client-url-fail-open=true|false   when it cannot be asked (default true)\n"
	"  --disallow-app-names A,B  not clients that call themselves so\n\n"
	"Other relays of the region\n"
	"  --mesh-psk-file FILE      their common key, 64 hex digits\n"
	"  --mesh-with HOST,...      where they are; HOST/DIALHOST: connect to another address\n\n"
	"Limits\n"
	"  --accept-connection-limit N, --accept-connection-burst N   new connections a second\n"
	"  --rate-config FILE        bytes a second for each client; read again at SIGHUP\n"
	"  --tcp-keepalive-time, --tcp-user-timeout, --tcp-write-timeout DURATION   (10m, 15s, 2s)\n\n"
	"Pages\n"
	"  --home \"\"|blank|URL       what / answers\n"
	"  --bootstrap-dns-names A,B names that clients may ask /bootstrap-dns about\n\n"
	"  --version, --help\n";

enum flag {
	F_A = 1, F_C, F_HOSTNAME, F_CERTMODE, F_CERTDIR, F_STUN, F_STUNPORT, F_DERP, F_PSK, F_MESH, F_VERIFY, F_FAILOPEN, F_DEV,
	F_HELP, F_VERSION, F_HTTPPORT, F_STATUS, F_EMAIL, F_DIRECTORY, F_CLIENTS, F_SOCKET, F_APPS, F_LIMIT, F_BURST, F_RATES,
	F_IDLE, F_USER, F_WRITE, F_HOME, F_NAMES, F_REFUSED,
};

static const struct option options[] = {
	{ "a", required_argument, NULL, F_A },
	{ "c", required_argument, NULL, F_C },
	{ "hostname", required_argument, NULL, F_HOSTNAME },
	{ "certmode", required_argument, NULL, F_CERTMODE },
	{ "certdir", required_argument, NULL, F_CERTDIR },
	{ "stun", optional_argument, NULL, F_STUN },
	{ "stun-port", required_argument, NULL, F_STUNPORT },
	{ "derp", optional_argument, NULL, F_DERP },
	{ "mesh-psk-file", required_argument, NULL, F_PSK },
	{ "mesh-with", required_argument, NULL, F_MESH },
	{ "verify-client-url", required_argument, NULL, F_VERIFY },
	{ "verify-client-url-fail-open", optional_argument, NULL, F_FAILOPEN },
	{ "dev", optional_argument, NULL, F_DEV },
	{ "h", no_argument, NULL, F_HELP },
	{ "help", no_argument, NULL, F_HELP },
	{ "version", optional_argument, NULL, F_VERSION },
	{ "http-port", required_argument, NULL, F_HTTPPORT },
	{ "status-socket", required_argument, NULL, F_STATUS },
	{ "acme-email", required_argument, NULL, F_EMAIL },
	{ "acme-directory", required_argument, NULL, F_DIRECTORY },
	{ "verify-clients", optional_argument, NULL, F_CLIENTS },
	{ "socket", required_argument, NULL, F_SOCKET },
	{ "disallow-app-names", required_argument, NULL, F_APPS },
	{ "accept-connection-limit", required_argument, NULL, F_LIMIT },
	{ "accept-connection-burst", required_argument, NULL, F_BURST },
	{ "rate-config", required_argument, NULL, F_RATES },
	{ "tcp-keepalive-time", required_argument, NULL, F_IDLE },
	{ "tcp-user-timeout", required_argument, NULL, F_USER },
	{ "tcp-write-timeout", required_argument, NULL, F_WRITE },
	{ "home", required_argument, NULL, F_HOME },
	{ "bootstrap-dns-names", required_argument, NULL, F_NAMES },
	/* derper's that are not had here: refused[] says why */
	{ "acme-eab-kid", required_argument, NULL, F_REFUSED },
	{ "acme-eab-key", required_argument, NULL, F_REFUSED },
	{ "acme-ip-certs", optional_argument, NULL, F_REFUSED },
	{ "secrets-url", required_argument, NULL, F_REFUSED },
	{ "secrets-path-prefix", required_argument, NULL, F_REFUSED },
	{ "secrets-cache-dir", required_argument, NULL, F_REFUSED },
	{ "unpublished-bootstrap-dns-names", required_argument, NULL, F_REFUSED },
	{ "ace", optional_argument, NULL, F_REFUSED },
	{ NULL, 0, NULL, 0 },
};

static const struct {
	const char *name, *instead;
} refused[] = {
	{ "acme-eab-kid", "use Let's Encrypt, or --certmode manual with files that a certificate client renews" },
	{ "acme-eab-key", "use Let's Encrypt, or --certmode manual with files that a certificate client renews" },
	{ "acme-ip-certs", "use --certmode manual with the address as --hostname: clients then pin the certificate" },
	{ "secrets-url", "put the mesh key into a file and name it with --mesh-psk-file" },
	{ "secrets-path-prefix", "put the mesh key into a file and name it with --mesh-psk-file" },
	{ "secrets-cache-dir", "put the mesh key into a file and name it with --mesh-psk-file" },
	{ "unpublished-bootstrap-dns-names", "use --bootstrap-dns-names" },
	{ "ace", "run an HTTP proxy of its own" },
};

/* ---- values ---- */

/* As Go's flags read it; NULL: the flag alone. */
static enum status take_bool(const char *name, const char *text, bool *out, struct err *err)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" }, *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		if (text == NULL || strcmp(text, yes[i]) == 0) {
			*out = true;
			return ST_OK;
		}
		if (strcmp(text, no[i]) == 0) {
			*out = false;
			return ST_OK;
		}
	}
	err_set(err, "--%s \"%s\": expected true or false", name, text);
	return ST_BAD_INPUT;
}

static enum status take_int(const char *name, const char *text, long min, long max, long *out, struct err *err)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < min || n > max) {
		err_set(err, "--%s \"%s\": expected a number from %ld to %ld", name, text, min, max);
		return ST_BAD_INPUT;
	}
	*out = n;
	return ST_OK;
}

/* Connections a second, also less than one; "+Inf": no limit. */
static enum status take_rate(const char *name, const char *text, uint64_t *out, struct err *err)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end != '\0' || !(n > 0)) {
		err_set(err, "--%s \"%s\": expected a number above 0", name, text);
		return ST_BAD_INPUT;
	}
	*out = n > 1e9 ? 0 : n < 1 ? 1 : (uint64_t)(n + 0.5);
	return ST_OK;
}

static enum status take_duration(const char *name, const char *text, int64_t *out, struct err *err)
{
	int64_t ns;

	if (duration_parse(bytes_of_str(text), &ns) != ST_OK || ns < 0 || ns > 24 * 3600 * NS_PER_S) {
		err_set(err, "--%s \"%s\": expected a duration of at most a day, such as 15s", name, text);
		return ST_BAD_INPUT;
	}
	*out = ns;
	return ST_OK;
}

static enum status take_list(const char *name, char *text, struct alone_list *out, struct err *err)
{
	char *save = NULL;

	for (char *p = strtok_r(text, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
		while (*p == ' ')
			p++;
		if (*p == '\0')
			continue;
		if (out->n == ALONE_LIST_MAX) {
			err_set(err, "--%s: more than %u names", name, ALONE_LIST_MAX);
			return ST_TOO_BIG;
		}
		out->v[out->n++] = p;
	}
	return ST_OK;
}

static enum status take_cert_mode(struct alone_flags *f, const char *text, struct err *err)
{
	if (strcmp(text, "manual") == 0) {
		f->cert_mode = ALONE_MANUAL;
		return ST_OK;
	}
	if (strcmp(text, "letsencrypt") == 0) {
		f->cert_mode = ALONE_LETS_ENCRYPT;
		return ST_OK;
	}
	err_set(err, "--certmode %s is not offered; use letsencrypt, or manual with files that a certificate client renews", text);
	return ST_UNSUPPORTED;
}

static enum status take_text(struct alone_flags *f, int flag, char *value)
{
	const char **to = flag == F_A ? &f->listen : flag == F_C ? &f->key_path : flag == F_HOSTNAME ? &f->hostname
			: flag == F_CERTDIR ? &f->cert_dir : flag == F_PSK ? &f->psk_file : flag == F_VERIFY ? &f->verify_url
			: flag == F_STATUS ? &f->status_socket : flag == F_EMAIL ? &f->acme_email
			: flag == F_DIRECTORY ? &f->acme_directory : flag == F_SOCKET ? &f->socket
			: flag == F_RATES ? &f->rate_config : flag == F_HOME ? &f->home : NULL;

	if (to == NULL)
		return ST_NOT_FOUND;
	*to = value;
	return ST_OK;
}

static enum status take_flag(struct alone_flags *f, int flag, const char *name, char *value, struct err *err)
{
	long n = 0;
	enum status s;

	switch (flag) {
	case F_CERTMODE: return take_cert_mode(f, value, err);
	case F_STUN: return take_bool(name, value, &f->stun, err);
	case F_DERP: return take_bool(name, value, &f->derp, err);
	case F_DEV: return take_bool(name, value, &f->dev, err);
	case F_CLIENTS: return take_bool(name, value, &f->verify_clients, err);
	case F_FAILOPEN: return take_bool(name, value, &f->verify_fail_open, err);
	case F_MESH: return take_list(name, value, &f->mesh_with, err);
	case F_NAMES: return take_list(name, value, &f->bootstrap, err);
	case F_APPS: return take_list(name, value, &f->bad_apps, err);
	case F_LIMIT: return take_rate(name, value, &f->accepts.per_s, err);
	case F_IDLE: return take_duration(name, value, &f->tcp_idle_ns, err);
	case F_USER: return take_duration(name, value, &f->user_timeout_ns, err);
	case F_WRITE: return take_duration(name, value, &f->write_timeout_ns, err);
	case F_BURST:
		s = take_int(name, value, 1, LONG_MAX, &n, err);
		f->accepts.burst = (uint64_t)(n < 1000000000 ? n : 1000000000);
		return s;
	case F_STUNPORT:
		s = take_int(name, value, 1, 65535, &n, err);
		f->stun_port = (uint16_t)n;
		return s;
	case F_HTTPPORT:
		s = take_int(name, value, -1, 65535, &n, err);
		f->http_port = (int)n;
		return s;
	case F_REFUSED:
		for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
			if (strcmp(refused[i].name, name) == 0)
				err_set(err, "--%s is not offered; %s", name, refused[i].instead);
		return ST_UNSUPPORTED;
	}
	return take_text(f, flag, value);
}

/* ---- defaults that depend on where we are ---- */

static const char *in_home(const char *rest)
{
	static char text[4][1024];
	static unsigned next;
	const char *home = getenv("HOME");
	char *out = text[next++ % 4];

	snprintf(out, sizeof text[0], "%s/%s", home != NULL ? home : "", rest);
	return out;
}

static void fill_defaults(struct alone_flags *f)
{
	const char *cache = getenv("XDG_CACHE_HOME");

	if (f->listen == NULL || f->dev)
		f->listen = f->dev ? ":3340" : ":443";
	if (f->key_path == NULL && !f->dev)
		f->key_path = geteuid() == 0 ? "/var/lib/derper/derper.key" : "derper.key";
	if (f->cert_dir == NULL && cache != NULL && cache[0] == '/') {
		static char text[1024];

		snprintf(text, sizeof text, "%s/tailscale/derper-certs", cache);
		f->cert_dir = text;
	}
	if (f->cert_dir == NULL)
		f->cert_dir = in_home(".cache/tailscale/derper-certs");
	if (f->psk_file == NULL && access("/home/derp/keys/derp-mesh.key", R_OK) == 0)
		f->psk_file = "/home/derp/keys/derp-mesh.key";
	else if (f->psk_file == NULL && access(in_home("keys/derp-mesh.key"), R_OK) == 0)
		f->psk_file = in_home("keys/derp-mesh.key");
	if (f->status_socket == NULL)
		f->status_socket = ALONE_STATUS_SOCKET;
	if (f->socket == NULL || f->socket[0] == '\0')
		f->socket = "/var/run/tailscale/tailscaled.sock";
}

static enum status check(const struct alone_flags *f, struct err *err)
{
	if (f->home != NULL && f->home[0] != '\0' && strcmp(f->home, "blank") != 0 && strncmp(f->home, "http://", 7) != 0 &&
	    strncmp(f->home, "https://", 8) != 0) {
		err_set(err, "--home \"%s\": expected nothing, \"blank\" or a URL beginning with http:// or https://", f->home);
		return ST_BAD_INPUT;
	}
	if (f->mesh_with.n > 0 && !f->dev && f->psk_file == NULL) {
		err_set(err, "--mesh-with needs --mesh-psk-file: the key that the relays of the region share");
		return ST_BAD_INPUT;
	}
	return ST_OK;
}

/* The option's own name: getopt takes unambiguous beginnings too. */
static const char *name_of(int index)
{
	return index >= 0 && (size_t)index < sizeof options / sizeof *options && options[index].name != NULL ? options[index].name : "";
}

enum status alone_flags_take(struct alone_flags *f, int argc, char **argv, struct err *err)
{
	char **args = xcalloc((size_t)argc + 2, sizeof *args);
	enum status s = ST_OK;
	int flag, index = -1;

	*f = (struct alone_flags){ .stun = true, .derp = true, .verify_fail_open = true, .stun_port = 3478, .http_port = 80,
				   .hostname = "derp.tailscale.com", .accepts = { .burst = 1000000000 },
				   .tcp_idle_ns = 600 * NS_PER_S, .user_timeout_ns = 15 * NS_PER_S, .write_timeout_ns = 2 * NS_PER_S };
	args[0] = (char *)"headscale derp";
	for (int i = 0; i < argc; i++)
		args[i + 1] = argv[i];
	optind = 1;
	while (s == ST_OK && (flag = getopt_long_only(argc + 1, args, "", options, &index)) != -1) {
		if (flag == F_HELP || flag == F_VERSION) {
			fputs(flag == F_HELP ? usage : HEADSCALE_VERSION "\n", stdout);
			s = ST_CLOSED;
		} else if (flag == '?') {
			err_set(err, "see `headscale derp --help`");
			s = ST_BAD_INPUT;
		} else {
			s = take_flag(f, flag, name_of(index), optarg, err);
		}
	}
	if (s == ST_OK && optind < argc + 1) {
		err_set(err, "unexpected argument \"%s\"", args[optind]);
		s = ST_BAD_INPUT;
	}
	free(args);
	if (s != ST_OK)
		return s;
	fill_defaults(f);
	return check(f, err);
}
