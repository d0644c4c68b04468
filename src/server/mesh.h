/*
 * server/mesh.h -- the other relays of a region, for the relay in this server and for the one that runs alone.
 */
#ifndef SERVER_MESH_H
#define SERVER_MESH_H

#include "base/status.h"
#include "derp/mesh.h"
#include "derp/relay.h"

/**
 * The key that the relays of a region share: a file of 64 hex digits. what ("server.relay.mesh_key_path") begins the error
 * together with the path. ST_NOT_FOUND, ST_IO, ST_TOO_BIG, ST_BAD_INPUT. Blocks.
 */
enum status server_mesh_key(const char *path, const char *what, struct derp_mesh_key *out, struct err *err) MUST_CHECK;

struct server_mesh {
	const char *const *with; /* HOST, HOST:PORT or HOST/DIALHOST, with "http://" before it: without TLS */
	size_t n;
	bool plain;              /* all of them without TLS */
	const char *what;        /* begins errors: "--mesh-with" */
};

/**
 * Keep connections to all of them, spread over the relay's loops, which do not run yet. Trusted are the system's authorities, or
 * those of the file SSL_CERT_FILE. *tls is made for them: net_tls_client_free() after the relay; NULL if none is needed.
 */
enum status server_mesh_open(struct derp_relay *relay, unsigned n_loops, const struct server_mesh *m, struct net_tls_client **tls,
			     struct err *err) MUST_CHECK;

#endif
