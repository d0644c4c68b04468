/*
 * server/alone_tls.c -- certificates of a relay that stands alone: files, Let's Encrypt, or one made for an IP address; and
 * the extra one behind them for fast start.
 */
#include "server/alone_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/secret.h"
#include "derp/self_cert.h"

static bool is_ip(const char *host)
{
	unsigned char raw[16];

	return inet_pton(AF_INET, host, raw) == 1 || inet_pton(AF_INET6, host, raw) == 1;
}

static enum status write_new(const char *path, struct bytes b, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, b.p, b.n);
	bool ok = n == (ssize_t)b.n && fsync(fd) == 0;

	if (!ok)
		err_set(err, "cannot write %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok ? ST_OK : ST_IO;
}

static enum status make_self_signed(const char *ip, const char *cert, const char *key, struct err *err)
{
	struct buf c, k;
	enum status s;

	buf_init(&c, 1u << 16);
	buf_init(&k, 1u << 16);
	s = derp_self_cert(ip, clock_unix_ns() / NS_PER_S, &c, &k);
	if (s != ST_OK)
		err_set(err, "cannot make a certificate for %s", ip);
	if (s == ST_OK)
		s = write_new(key, buf_bytes(&k), err);
	if (s == ST_OK)
		s = write_new(cert, buf_bytes(&c), err);
	if (s == ST_OK)
		log_info("made a self-signed certificate", LOG_STR("address", ip), LOG_STR("file", cert), LOG_END);
	if (k.n > 0)
		secret_wipe(k.p, k.n);
	buf_release(&c);
	buf_release(&k);
	return s;
}

/* What the DERP map must say so that clients trust a certificate that nobody signed. */
static void tell_pin(struct alone *a)
{
	struct net_tls_cert *cert = net_tls_files_cert(a->files);
	struct net_addr at;
	char pin[DERP_PIN_MAX], node[512];

	derp_cert_pin(net_tls_cert_der(cert), pin);
	net_tls_cert_unref(&cert);
	if (net_addr_parse_port(bytes_of_str(a->f.listen), &at) != ST_OK)
		return;
	snprintf(node, sizeof node, "{\"Name\":\"%s\",\"RegionID\":900,\"HostName\":\"%s\",\"CertName\":\"%s\",\"DERPPort\":%u}",
		 a->f.hostname, a->f.hostname, pin, net_addr_port(&at));
	log_info("clients need this node in the DERP map, with a region of your own", LOG_STR("node", node), LOG_END);
}

static enum status open_files(struct alone *a, struct err *err)
{
	char cert[1200], key[1200];
	bool ip = is_ip(a->f.hostname);
	enum status s = ST_OK;

	snprintf(cert, sizeof cert, "%s/%s.crt", a->f.cert_dir, a->f.hostname);
	snprintf(key, sizeof key, "%s/%s.key", a->f.cert_dir, a->f.hostname);
	if (ip && access(cert, F_OK) != 0 && access(key, F_OK) != 0) {
		(void)mkdir(a->f.cert_dir, 0700);
		s = make_self_signed(a->f.hostname, cert, key, err);
	}
	if (s == ST_OK)
		s = net_tls_files_new(a->main, cert, key, NULL, NULL, &a->files, err);
	if (s == ST_OK && ip)
		tell_pin(a);
	if (s != ST_OK)
		err_prefix(err, "--certmode manual");
	return s;
}

static enum status open_acme(struct alone *a, struct err *err)
{
	const char *names[] = { a->f.hostname };
	char redirect[300];
	enum status s;

	if (is_ip(a->f.hostname)) {
		err_set(err, "--hostname %s is an address, for which no certificate is given; use --certmode manual", a->f.hostname);
		return ST_BAD_INPUT;
	}
	snprintf(redirect, sizeof redirect, "https://%s", a->f.hostname);
	s = acme_new(&(struct acme_opts){ .loop = a->main,
					  .directory_url = a->f.acme_directory,
					  .names = names,
					  .n_names = 1,
					  .email = a->f.acme_email,
					  .cache_dir = a->f.cert_dir,
					  .challenge = a->f.http_port == 80 ? ACME_HTTP_01 : ACME_TLS_ALPN_01,
					  .ca_file = secure_getenv("SSL_CERT_FILE"),
					  .redirect_to = redirect },
		     &a->acme, err);
	if (s != ST_OK)
		err_prefix(err, "--hostname");
	return s;
}

enum status alone_tls_open(struct alone *a, struct err *err)
{
	struct net_tls_server_opts o = { 0 };
	enum status s;

	if (!a->tls_wanted)
		return ST_OK;
	s = a->f.cert_mode == ALONE_MANUAL ? open_files(a, err) : open_acme(a, err);
	if (s != ST_OK)
		return s;
	o.provider = a->files != NULL ? net_tls_files_provider(a->files) : acme_provider(a->acme);
	return net_tls_server_new(&o, &a->tls, err);
}

void alone_tls_start(struct alone *a)
{
	if (a->acme != NULL)
		acme_start(a->acme);
	if (a->tls == NULL || a->relay == NULL)
		return;
	a->fast_start = (struct fast_start){ .relay = a->relay, .files = a->files, .acme = a->acme };
	fast_start_begin(&a->fast_start, a->main);
}

void alone_tls_close(struct alone *a)
{
	fast_start_stop(&a->fast_start);
	net_tls_server_free(&a->tls);
	net_tls_files_free(&a->files);
	acme_free(&a->acme);
	net_tls_client_free(&a->mesh_tls);
}
