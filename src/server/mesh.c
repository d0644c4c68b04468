/* server/mesh.c -- see server/mesh.h. */
#include "server/mesh.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "net/tls.h"
#include "server/settings.h"

#define PLAIN "http://"

enum status server_mesh_key(const char *path, const char *what, struct derp_mesh_key *out, struct err *err)
{
	char *text = NULL;
	size_t n = 0;
	enum status s = server_read_file(path, &text, &n, err);

	if (s != ST_OK) {
		err_prefix(err, "%s", what);
		return s;
	}
	s = derp_mesh_key_parse(bytes_of(text, n), out);
	if (s != ST_OK)
		err_set(err, "%s %s: expected 64 hex digits", what, path);
	secret_wipe(text, n);
	free(text);
	return s;
}

static enum status make_tls(struct net_tls_client **tls, struct err *err)
{
	const char *path = secure_getenv("SSL_CERT_FILE");
	struct bytes ca = { 0 };
	char *text = NULL;
	size_t n = 0;
	enum status s = ST_OK;

	if (path != NULL)
		s = server_read_file(path, &text, &n, err);
	if (s != ST_OK) {
		err_prefix(err, "SSL_CERT_FILE");
		return s;
	}
	if (path != NULL)
		ca = bytes_of(text, n);
	s = net_tls_client_new(&(struct net_tls_client_opts){ .ca_pem = ca }, tls, err);
	free(text);
	return s;
}

enum status server_mesh_open(struct derp_relay *relay, unsigned n_loops, const struct server_mesh *m, struct net_tls_client **tls,
			     struct err *err)
{
	enum status s = ST_OK;

	for (size_t i = 0; i < m->n && s == ST_OK; i++) {
		bool prefixed = strncmp(m->with[i], PLAIN, strlen(PLAIN)) == 0, plain = prefixed || m->plain;
		struct mesh_opts mo = { .tls = NULL };
		char buf[512];

		if (!plain && *tls == NULL)
			s = make_tls(tls, err);
		if (s != ST_OK)
			return s;
		mo.tls = plain ? NULL : *tls;
		s = derp_mesh_parse(bytes_of_str(m->with[i] + (prefixed ? strlen(PLAIN) : 0)), buf, &mo);
		if (s == ST_OK)
			derp_mesh_add(relay, (unsigned)i % n_loops, &mo);
		else
			err_set(err, "%s \"%s\": expected HOST, HOST:PORT or HOST/DIALHOST", m->what, m->with[i]);
	}
	return s;
}
