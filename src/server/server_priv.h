/*
 * server/server_priv.h -- the running server: what was made of the configuration, and who owns it.
 *
 * One `struct server` for the process. Its main thread runs no connections: it handles signals, reloads and files on
 * a loop of its own (`main`). Each `struct server_loop` serves connections on its own thread.
 */
#ifndef SERVER_PRIV_H
#define SERVER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "config/config.h"
#include "control/control.h"
#include "derp/http.h"
#include "derp/map.h"
#include "derp/relay.h"
#include "http/server.h"
#include "mapper/mapper.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/tls_files.h"
#include "net/watch.h"
#include "server/fast_start.h"
#include "server/settings.h"
#include "state/state.h"

#define SERVER_LOOPS_MAX 64

/* What a route of the outer router asks for; continues enum api_auth. */
enum server_auth { SERVER_PUBLIC = API_AUTH_PUBLIC };

struct server;

struct server_loop {
	struct server *srv;
	unsigned index;
	struct loop *loop;
	struct http_server *http;       /* everything on listen_addr */
	struct http_server *local;      /* API on the Unix socket; loop 0 only */
	struct http_server *metrics;    /* metrics and debug; loop 0 only */
	struct http_server *challenges; /* HTTP-01 of ACME; loop 0 only */
	struct listener *listener, *local_listener, *metrics_listener, *challenges_listener;
	struct stun_server *stun; /* derp/stun_server.h; NULL: none */
	struct control_loop *control;
	bool drained;
};

struct server {
	struct config *config; /* what the process was started with: any thread, never replaced */
	struct config *live;   /* the same with what reloads took over; `config` before the first. Main thread; others hold live_lock */
	struct config *reloaded; /* the file that `live` borrows from; NULL before the first reload */
	pthread_mutex_t live_lock;
	const char *config_path;
	struct loop *main;
	struct state *state;
	struct mapper *mapper;
	char tailnet_id[TAILNET_ID_MAX];
	struct control *control;
	struct api *api;
	struct derp_relay *relay;      /* NULL: none embedded */
	struct net_tls_client *mesh_tls; /* towards the other relays of its region */
	struct derp_http derp_http;    /* what the relay's paths need */
	struct server_bootstrap *bootstrap; /* bootstrap.c */
	bool relay_stands_in;          /* no DERP map could be had at the start: the relay of this server is in it */
	struct config *stand_in;       /* then: `config` with the relay on */
	struct fast_start fast_start;
	struct http_router *router;    /* listen_addr */
	struct http_router *local_router, *metrics_router;
	struct conn_limits *limits;
	struct addr_rate *failures;    /* that are left; NULL: no limit */
	struct net_tls_server *tls;    /* NULL: plain HTTP */
	struct net_tls_files *tls_files;
	atomic_uint certificate_failures; /* readings of the files in a row */
	struct acme *acme;             /* acme/acme.h; NULL: certificates are files, or none */
	struct http_router *acme_router; /* of the listener for challenges; NULL: none */
	struct server_loop loops[SERVER_LOOPS_MAX];
	unsigned n_loops;
	struct file_watch *policy_watch, *records_watch;
	struct oidc *oidc; /* auth/oidc.h; NULL: none */
	struct server_derp_map *derp_maps; /* derp_maps.c: sources, refresh */
	atomic_uint loops_left;        /* still draining */
	int64_t started_ns;
	bool stopping;
	struct loop_signal *signals[4]; /* the three that stop, SIGHUP */
};

/** Which of the server's loops this is; never NULL on one of them. */
struct server_loop *server_loop_of(struct server *srv, struct loop *l);
/** The snapshot that this loop works with; borrowed for the call. */
struct snapshot *server_snapshot(void *srv, struct loop *l);

/* edge.c: listeners, TLS, routers, limits */
enum status server_edge_open(struct server *srv, struct err *err) MUST_CHECK;
void server_edge_close(struct server *srv);
/** ST_CONFLICT and words if another process listens there. type: SOCK_STREAM or SOCK_DGRAM. */
enum status server_port_is_free(const struct net_addr *addr, int type, const char *key, struct err *err) MUST_CHECK;
/** What came of reading the certificate's files: logged, counted. net_tls_files_fn with arg = the server. */
void server_certificate_read(void *srv, enum status s, const struct err *err);
/** A peer whose word on clients and requests counts. Any thread. */
bool server_is_trusted_proxy(void *srv, const struct net_addr *a);
/** Stop accepting and end what is open, spread over the configured time; done(arg) on the main loop. */
void server_edge_drain(struct server *srv, loop_fn *done, void *arg);

/* failures.c: server.limits.failed_logins_per_minute */
void server_failures_open(struct server *srv);
/** http_check_fn of the public listener, arg = the server: api_check() for addresses that have failures left. */
enum http_verdict server_check(void *srv, struct http_req *r);
/** A request was answered. Any loop. */
void server_failures_done(struct server *srv, const struct http_req *r, int status);
void server_failures_stats(uint64_t *failed_out, uint64_t *refused_out);

/* activation.c: what somebody else opened for us */
enum server_door { SERVER_DOOR_MAIN, SERVER_DOOR_METRICS, SERVER_DOOR_LOCAL, SERVER_DOORS };
/**
 * The listening descriptors handed over by socket activation, -1 where there is none. They are the caller's.
 * err says which one cannot be meant; then what was handed over stays open until the process ends.
 */
enum status server_activated(int fds_out[SERVER_DOORS], struct err *err) MUST_CHECK;

/* acme.c: certificates from an ACME authority */
enum status server_acme_open(struct server *srv, struct err *err) MUST_CHECK;
/** Orders may begin: the loops run, privileges are dropped. Does nothing unless it is configured. */
void server_acme_start(struct server *srv);
void server_acme_close(struct server *srv);

/* pages.c: what a browser or a probe asks for */
void server_pages_routes(struct server *srv, struct http_router *r);
/** /register/{id} and /auth/{id} without single sign-on; http_handler_fn with arg = the server. */
void server_login_page(void *srv, struct http_req *r);
void server_security_headers(void *arg, struct http_req *r);

/* relay.c: the embedded relay and STUN */
enum status server_relay_open(struct server *srv, struct err *err) MUST_CHECK;
/** Be a relay although the configuration does not ask for it; before server_relay_open(). */
void server_relay_stand_in(struct server *srv);
void server_relay_routes(struct server *srv, struct http_router *r);
/** GET /api/v1/derp/status, for administrators. Before the loops run, with the relay open if there is to be one. */
void server_relay_status_routes(struct server *srv, struct http_router *r);
/** Once TLS is open: put the relay's key behind the certificate, and keep it fresh. */
void server_relay_fast_start(struct server *srv);
/** After the loops have ended. */
void server_relay_close(struct server *srv);
void server_relay_published(struct server *srv, const struct publication *p);

/* bootstrap.c: /bootstrap-dns. All on the main loop, but for the answer */
/** The DERP map in force, kept; at first before server_bootstrap_start(). */
void server_bootstrap_map(struct server *srv, struct shared_bytes *json);
void server_bootstrap_start(struct server *srv);
/** Ask DNS no more; answers go on. */
void server_bootstrap_stop(struct server *srv);
/** No loop runs any more. */
void server_bootstrap_free(struct server *srv);
/** JSON of a name's addresses, of all names for ""; nothing for an unknown one. Any loop; the relay's `bootstrap`. */
void server_bootstrap_answer(void *srv, const char *name, struct buf *out);

/* sso.c: single sign-on; does nothing unless it is configured */
enum status server_sso_open(struct server *srv, struct err *err) MUST_CHECK;

/* derp_maps.c */
enum status server_derp_map_load(struct server *srv, struct shared_bytes **json_out, struct err *err) MUST_CHECK;
void server_derp_map_start(struct server *srv);
/** Read the sources again now; a map that is another is published. On the main loop. */
void server_derp_map_refresh(struct server *srv);
void server_derp_map_stop(struct server *srv);

/* reload.c */
void server_reload(void *srv); /* SIGHUP, on the main loop */
enum status server_watch_files(struct server *srv, struct err *err) MUST_CHECK;
enum status server_policy_text(const struct config *c, char **text_out, size_t *n_out, struct err *err) MUST_CHECK;
/** Free what reloads made; the loops have ended. */
void server_reload_close(struct server *srv);

/* access.c */
/** Before requests come. */
void server_access_open(void);
/** 1 to 64 of A-Z a-z 0-9 . _ - */
bool server_request_id_ok(const char *id);
/** Give the request its name, or take that of a trusted proxy; http_req_fn with arg = the server. */
void server_name_request(void *srv, struct http_req *r);
void server_log_request(const struct http_req *r, int status, uint64_t elapsed_ms);

/* debug.c */
void server_debug_routes(struct server *srv, struct http_router *r);

/* metrics.c */
void server_metrics_routes(struct server *srv, struct http_router *r);
void server_request_done(void *srv, const struct http_req *r, int status, uint64_t elapsed_ms);

/* privileges.c: drop root, tell systemd */
/**
 * Started as root with server.user set: go on as that account, which from here on owns what we make and must be able to
 * read what we read, and keep of root's rights only the binding of ports. Otherwise does nothing. Before any thread.
 */
enum status server_enter_account(const struct config *c, struct err *err) MUST_CHECK;
/** Once every port is bound: give up, on every thread, what server_enter_account() kept. Checked, not believed. */
enum status server_drop_privileges(const struct config *c, struct err *err) MUST_CHECK;
void server_notify(const char *message);

#endif
