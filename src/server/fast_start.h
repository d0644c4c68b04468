/*
 * server/fast_start.h -- the certificate behind the chain that tells a client the relay's key, so that it may send its login with its
 * request; for the relay in this server and for the one that runs alone.
 */
#ifndef SERVER_FAST_START_H
#define SERVER_FAST_START_H

#include "net/loop.h"

struct acme;
struct derp_relay;
struct net_tls_files;

/* Where the certificates come from: one of the two, the other NULL. All is borrowed until fast_start_stop(). */
struct fast_start {
	struct derp_relay *relay;
	struct net_tls_files *files;
	struct acme *acme;
	struct loop_timer timer; /* private */
};

/** Make it now, and anew long before it ends. On the loop's thread, or before it runs. */
void fast_start_begin(struct fast_start *f, struct loop *l);
/** Also if it never began. */
void fast_start_stop(struct fast_start *f);

#endif
