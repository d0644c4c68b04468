/*
 * server/acme.c -- the configuration's tls_letsencrypt_* and acme_* keys handed to acme/.
 *
 * The cache is read while ports are bound; orders begin when the loops run and privileges are dropped, so that what is
 * written belongs to the account that serves.
 */
#include "server/server_priv.h"

#include <stdlib.h>

#include "acme/acme.h"

/* All that this router has is public. */
static enum http_verdict allow_all(void *arg, struct http_req *r)
{
	(void)arg;
	(void)r;
	return HTTP_ALLOW;
}

enum status server_acme_open(struct server *srv, struct err *err)
{
	const struct config *c = srv->config;
	const char *names[] = { c->tls_letsencrypt_hostname };
	enum status s;

	s = acme_new(&(struct acme_opts){ .loop = srv->main,
					  .directory_url = c->acme_url,
					  .names = names,
					  .n_names = 1,
					  .email = c->acme_email,
					  .cache_dir = c->tls_letsencrypt_cache_dir,
					  .challenge = c->tls_letsencrypt_challenge_type == CONFIG_ACME_HTTP_01 ? ACME_HTTP_01 : ACME_TLS_ALPN_01,
					  .ca_file = secure_getenv("SSL_CERT_FILE"), /* as the Go server's library does */
					  .redirect_to = c->server_url.text },
		     &srv->acme, err);
	if (s != ST_OK) {
		err_prefix(err, "tls_letsencrypt_hostname");
		return s;
	}
	if (c->tls_letsencrypt_challenge_type == CONFIG_ACME_HTTP_01) {
		srv->acme_router = http_router_new();
		http_router_set_before(srv->acme_router, server_name_request, srv);
		http_router_set_check(srv->acme_router, allow_all, NULL);
		acme_add_routes(srv->acme, srv->acme_router, SERVER_PUBLIC);
	}
	return ST_OK;
}

void server_acme_start(struct server *srv)
{
	if (srv->acme != NULL)
		acme_start(srv->acme);
}

void server_acme_close(struct server *srv)
{
	acme_free(&srv->acme);
	http_router_free(&srv->acme_router);
}
