/* server/sso.c -- single sign-on: the configuration's `oidc` section handed to auth/, drawn with web/. */
#include "server/server_priv.h"

#include <stdlib.h>

#include "auth/oidc.h"
#include "base/clock.h"
#include "base/vec.h"
#include "web/pages.h"

static void confirm(struct buf *out, const char *action, const char *csrf, const char *user, const struct oidc_device *d)
{
	struct web_device w = { 0 };

	if (d != NULL)
		w = (struct web_device){ .hostname = d->hostname, .os = d->os, .address = d->address, .machine_key = d->machine_key,
					 .client_version = d->client_version, .until_unix = d->until_unix };
	web_page_confirm(out, action, csrf, user, &w, clock_unix_ns() / NS_PER_S);
}

static enum oidc_pkce pkce_of(const struct config *c)
{
	if (!c->oidc.pkce_enabled)
		return OIDC_PKCE_OFF;
	return c->oidc.pkce_method == CONFIG_PKCE_PLAIN ? OIDC_PKCE_PLAIN : OIDC_PKCE_S256;
}

static struct oidc_texts texts(const struct config_strings *s)
{
	return (struct oidc_texts){ s->v, s->n };
}

enum status server_sso_open(struct server *srv, struct err *err)
{
	const struct config *c = srv->config;
	struct oidc_param *params;
	enum status s;

	if (c->oidc.issuer[0] == '\0')
		return ST_OK;
	params = xcalloc(c->oidc.extra_params_n + 1, sizeof *params);
	for (size_t n = 0; n < c->oidc.extra_params_n; n++)
		params[n] = (struct oidc_param){ c->oidc.extra_params[n].name, c->oidc.extra_params[n].value };
	s = oidc_new(&(struct oidc_opts){ .loop = srv->main,
					  .state = srv->state,
					  .server_url = c->server_url.text,
					  .issuer = c->oidc.issuer,
					  .client_id = c->oidc.client_id,
					  .client_secret = c->oidc.client_secret,
					  .scopes = texts(&c->oidc.scope),
					  .extra_params = params,
					  .n_extra_params = c->oidc.extra_params_n,
					  .allowed_groups = texts(&c->oidc.allowed_groups),
					  .allowed_domains = texts(&c->oidc.allowed_domains),
					  .allowed_users = texts(&c->oidc.allowed_users),
					  .email_verified_required = c->oidc.email_verified_required,
					  .use_expiry_from_token = c->oidc.use_expiry_from_token,
					  .pkce = pkce_of(c),
					  .ca_file = getenv("SSL_CERT_FILE"),
					  .pages = { confirm, web_page_done, web_page_error },
					  .fallback = server_login_page,
					  .fallback_arg = srv },
		     &srv->oidc, err);
	free(params);
	if (s != ST_OK) {
		err_prefix(err, "oidc");
		return s;
	}
	s = oidc_discover_now(srv->oidc, 0, err);
	if (s == ST_OK)
		return ST_OK;
	if (c->oidc.only_start_if_oidc_is_available) {
		err_prefix(err, "oidc.issuer is not available, and oidc.only_start_if_oidc_is_available is set");
		return s;
	}
	log_warn("single sign-on is not available yet; logins are admitted by an administrator until it is",
		 LOG_STR("error", err->text), LOG_END);
	return ST_OK;
}
