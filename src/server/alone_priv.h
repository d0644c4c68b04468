/* server/alone_priv.h -- what the files of `headscale derp` share: derp_alone.c and alone_*.c. */
#ifndef SERVER_ALONE_PRIV_H
#define SERVER_ALONE_PRIV_H

#include <pthread.h>

#include "acme/acme.h"
#include "base/log.h"
#include "base/vec.h"
#include "derp/http.h"
#include "derp/mesh.h"
#include "derp/status.h"
#include "derp/stun_server.h"
#include "http/router.h"
#include "http/server.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/tls_files.h"
#include "server/fast_start.h"

#define ALONE_LOOPS_MAX 64u
#define ALONE_LIST_MAX  64u
#define ALONE_CURLS_MAX 32u
#define ALONE_OPEN      1u /* the one kind of route there is */
#define ALONE_STATUS_SOCKET "/var/run/headscale/derp.sock"

enum alone_cert_mode { ALONE_LETS_ENCRYPT, ALONE_MANUAL };

struct alone_list {
	const char *v[ALONE_LIST_MAX];
	size_t n;
};

/* What the command line says. Texts are its own, or static. */
struct alone_flags {
	bool dev, stun, derp, verify_clients, verify_fail_open;
	const char *listen, *key_path, *cert_dir, *hostname, *verify_url, *socket, *home, *rate_config, *status_socket;
	const char *acme_email, *acme_directory, *psk_file;
	enum alone_cert_mode cert_mode;
	struct alone_list mesh_with, bootstrap, bad_apps;
	int http_port;       /* -1: none */
	uint16_t stun_port;
	struct rate_limit accepts; /* connections a second; per_s 0: no limit */
	int64_t tcp_idle_ns, user_timeout_ns, write_timeout_ns;
};

struct alone {
	struct alone_flags f;
	bool tls_wanted;
	struct derp_mesh_key mesh;
	unsigned n_loops;
	struct loop *loops[ALONE_LOOPS_MAX], *main;
	struct http_server *http[ALONE_LOOPS_MAX], *plain, *local; /* plain and local: loop 0 */
	struct listener *listeners[ALONE_LOOPS_MAX], *plain_listener, *local_listener;
	struct stun_server *stuns[ALONE_LOOPS_MAX];
	struct http_router *router, *plain_router, *local_router;
	struct derp_relay *relay;
	struct derp_http routes;
	struct derp_status status;
	struct net_tls_files *files;
	struct acme *acme;
	struct net_tls_server *tls;
	struct net_tls_client *mesh_tls;
	struct fast_start fast_start;
	struct loop_timer names_timer;
	struct rate_shared accepting;
	_Atomic uint64_t accepts_refused;
	int64_t started_ns;
	/* under lock: what is looked up elsewhere */
	pthread_mutex_t lock;
	struct buf names_json;            /* the answer of /bootstrap-dns; empty: none */
	void *curls[ALONE_CURLS_MAX];     /* CURL handles not in use: their connections are kept */
	unsigned n_curls;
};

/* alone_flags.c */
/** ST_CLOSED: help or version was printed. */
enum status alone_flags_take(struct alone_flags *f, int argc, char **argv, struct err *err) MUST_CHECK;

/* alone_admit.c */
/** For struct derp_settings: by the local tailscaled, by URL, by application name; whatever is configured, all must agree. */
enum derp_verdict alone_admit(void *alone, const struct derp_admit_request *req);
/** "nobody is asked", "url" ...; static. */
const char *alone_admission(const struct alone *a);
void alone_admit_release(struct alone *a);

/* alone_tls.c */
enum status alone_tls_open(struct alone *a, struct err *err) MUST_CHECK;
/** Once the relay's key is known: fast start. And certificates that are due are asked for. */
void alone_tls_start(struct alone *a);
void alone_tls_close(struct alone *a);

/* alone_pages.c */
void alone_routers_make(struct alone *a);
/** Look up the names of /bootstrap-dns, now and every ten minutes. */
void alone_names_start(struct alone *a);
void alone_names_stop(struct alone *a);

#endif
