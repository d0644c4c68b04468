/*
 * derp/mesh.h -- the other relays of the region.
 *
 * Our side of a mesh connection is a client of the other relay: it logs in with our server key and the mesh key,
 * watches who is there, and carries the packets for them. Each relay does so to each other one. A lost connection
 * is tried again after MESH_RETRY_MS; a relay that turns out to be ourselves is left alone for good.
 *
 * Source: docs/wire/derp.md, "Mesh".
 */
#ifndef DERP_MESH_H
#define DERP_MESH_H

#include "derp/relay.h"

#define MESH_RETRY_MS 5000u

struct net_tls_client;

struct mesh_opts {
	const char *host;      /* name or address of the other relay; its TLS name and Host header */
	const char *dial_host; /* where to connect instead; NULL: host */
	uint16_t port;         /* 0: 443, or 80 without TLS */
	struct net_tls_client *tls; /* NULL: plain HTTP. Borrowed while the relay lives */
};

struct mesh_peer;

/**
 * Keep a connection to another relay, on a loop of the relay. opts is copied. Owned by the relay: ends with it.
 * On the loop's thread, or before it runs.
 */
struct mesh_peer *derp_mesh_add(struct derp_relay *r, unsigned loop, const struct mesh_opts *opts);

/** "host", "host:port" or "host/dialhost" as on a command line. Fills host_out, dial_out, port_out; texts of `buf`. */
enum status derp_mesh_parse(struct bytes text, char buf[static 512], struct mesh_opts *out) MUST_CHECK;

#endif
