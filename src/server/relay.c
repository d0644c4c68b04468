/*
 * server/relay.c -- the relay and STUN inside this server, and the paths that relays elsewhere ask us at.
 *
 * Whether a node may use the relay is answered from the loop's snapshot. When a node goes, expires or changes its key, its
 * connections under the old key are closed by the publication that says so.
 */
#include "server/server_priv.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "base/vec.h"
#include "crypto/private_file.h"
#include "crypto/secret.h"
#include "derp/http.h"
#include "derp/status.h"
#include "derp/stun_server.h"
#include "server/mesh.h"

static bool may_relay(struct server *srv, struct loop *l, const struct node_key *key)
{
	const struct snapshot *s = server_snapshot(srv, l);
	const struct node *n = snapshot_node_by_key(s, key);

	return n != NULL && !node_expired(n, clock_unix_ns());
}

static enum derp_verdict admit(void *arg, const struct derp_admit_request *req)
{
	struct server *srv = arg;

	if (!srv->config->derp.server.verify_clients)
		return DERP_ADMIT_YES;
	return may_relay(srv, srv->loops[req->loop].loop, &req->key) ? DERP_ADMIT_YES : DERP_ADMIT_NO;
}

/* /verify: any node of ours, expired ones too, as relays elsewhere expect it. */
static bool known(void *arg, const struct node_key *key, const char *source)
{
	struct server *srv = arg;

	(void)source;
	return snapshot_node_by_key(server_snapshot(srv, loop_current()), key) != NULL;
}

/* What the relay is made from. */
static const struct config *relay_config(const struct server *srv)
{
	return srv->relay_stands_in ? srv->stand_in : srv->config;
}

static bool stun_port_is_free(const struct config_listen *l)
{
	struct net_addr addr;
	struct err err = { 0 };

	return net_addr_parse(bytes_of_str(l->host[0] != '\0' ? l->host : "::"), l->port, &addr) == ST_OK &&
	       server_port_is_free(&addr, SOCK_DGRAM, "", &err) == ST_OK;
}

/* What is not said of it is as in the example file. Nothing of it may stop the start: nobody asked for a relay. */
void server_relay_stand_in(struct server *srv)
{
	struct config *c = config_overlay(srv->config, srv->config);
	const char *noise = c->noise.private_key_path;

	c->derp.server.enabled = true;
	if (c->derp.server.region_id == 0)
		c->derp.server.region_id = 999;
	if (c->derp.server.region_code[0] == '\0')
		c->derp.server.region_code = "headscale";
	if (c->derp.server.region_name[0] == '\0')
		c->derp.server.region_name = "Headscale Embedded DERP";
	if (c->derp.server.private_key_path[0] == '\0')
		c->derp.server.private_key_path =
			config_text(c, "%.*sderp_server_private.key", (int)(strrchr(noise, '/') != NULL ? strrchr(noise, '/') + 1 - noise : 0), noise);
	if (c->derp.server.stun_listen_addr.text[0] != '\0' && !stun_port_is_free(&c->derp.server.stun_listen_addr))
		c->derp.server.stun_enabled = false;
	srv->stand_in = c;
	srv->relay_stands_in = true;
}

static enum status open_stun(struct server *srv, struct err *err)
{
	const struct config_listen *l = &relay_config(srv)->derp.server.stun_listen_addr;
	struct net_addr addr;
	enum status s;

	if (!relay_config(srv)->derp.server.stun_enabled || l->text[0] == '\0')
		return ST_OK;
	s = net_addr_parse(bytes_of_str(l->host[0] != '\0' ? l->host : "::"), l->port, &addr);
	if (s != ST_OK) {
		err_set(err, "derp.server.stun_listen_addr: \"%s\" is no address to listen at", l->text);
		return s;
	}
	s = server_port_is_free(&addr, SOCK_DGRAM, "derp.server.stun_listen_addr", err);
	if (s != ST_OK)
		return s;
	for (unsigned i = 0; i < srv->n_loops && s == ST_OK; i++)
		s = stun_server_new(srv->loops[i].loop, &addr, &srv->loops[i].stun, err);
	if (s != ST_OK)
		err_prefix(err, "derp.server.stun_listen_addr");
	return s;
}

/* The relay that only stands in is none of a region that others share. */
static bool is_meshed(const struct server *srv)
{
	return !srv->relay_stands_in && srv->config->server.relay.mesh_key_path[0] != '\0';
}

static enum status open_mesh(struct server *srv, struct err *err)
{
	const struct config_strings *with = &srv->config->server.relay.mesh_with;
	const struct server_mesh m = { with->v, with->n, false, "server.relay.mesh_with" };

	return is_meshed(srv) ? server_mesh_open(srv->relay, srv->n_loops, &m, &srv->mesh_tls, err) : ST_OK;
}

enum status server_relay_open(struct server *srv, struct err *err)
{
	const struct config *c = relay_config(srv);
	struct derp_settings settings = {
		.loops = srv->n_loops,
		.admit = admit,
		.admit_arg = srv,
		.max_conns = (uint32_t)c->server.relay.max_connections,
		.queue_frames = (uint32_t)c->server.relay.queue_frames,
		.limits = { .per_conn = { .per_s = (uint64_t)c->server.relay.bytes_per_second,
					  .burst = (uint64_t)c->server.relay.bytes_per_second } },
	};
	enum status s;

	srv->derp_http = (struct derp_http){ .bootstrap = server_bootstrap_answer, .known = known, .arg = srv };
	if (!c->derp.server.enabled)
		return ST_OK;
	s = private_file_load_node(c->derp.server.private_key_path, &settings.key, err);
	if (s != ST_OK) {
		err_prefix(err, "derp.server.private_key_path");
		return s;
	}
	if (is_meshed(srv))
		s = server_mesh_key(c->server.relay.mesh_key_path, "server.relay.mesh_key_path", &settings.mesh, err);
	if (s == ST_OK)
		srv->relay = derp_relay_new(&settings);
	secret_wipe(&settings.key, sizeof settings.key);
	secret_wipe(&settings.mesh, sizeof settings.mesh);
	if (s != ST_OK)
		return s;
	for (unsigned i = 0; i < srv->n_loops; i++)
		derp_relay_attach(srv->relay, i, srv->loops[i].loop);
	srv->derp_http.relay = srv->relay;
	s = open_mesh(srv, err);
	return s == ST_OK ? open_stun(srv, err) : s;
}

void server_relay_fast_start(struct server *srv)
{
	if (srv->relay == NULL || srv->tls == NULL)
		return;
	srv->fast_start = (struct fast_start){ .relay = srv->relay, .files = srv->tls_files, .acme = srv->acme };
	fast_start_begin(&srv->fast_start, srv->main);
}

void server_relay_close(struct server *srv)
{
	fast_start_stop(&srv->fast_start);
	for (unsigned i = 0; i < srv->n_loops; i++)
		stun_server_free(&srv->loops[i].stun);
	derp_relay_free(&srv->relay);
	net_tls_client_free(&srv->mesh_tls);
	config_free(&srv->stand_in);
}

void server_relay_routes(struct server *srv, struct http_router *r)
{
	static const struct {
		const char *methods, *pattern;
		http_handler_fn *fn;
	} routes[] = {
		{ "*", "/derp", derp_http_upgrade },
		{ "*", "/derp/probe", derp_http_probe },
		{ "*", "/derp/latency-check", derp_http_probe },
		{ "*", "/generate_204", derp_http_generate_204 },
		{ "*", "/bootstrap-dns", derp_http_bootstrap_dns },
		{ "POST", "/verify", derp_http_verify },
	};

	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		http_router_add(r, &(struct http_route){ .methods = routes[i].methods, .pattern = routes[i].pattern,
							 .fn = routes[i].fn, .arg = &srv->derp_http, .auth = SERVER_PUBLIC,
							 .body_max = DERP_VERIFY_MAX });
}

/* ---- how it does ---- */

static void status_region(void *arg, struct jw *w)
{
	const struct config *c = ((struct server *)arg)->config;

	jw_ki64(w, "id", c->derp.server.region_id);
	jw_kstr(w, "code", c->derp.server.region_code);
	jw_kstr(w, "name", c->derp.server.region_name);
}

static void status_node(void *arg, const struct node_key *key, struct jw *w)
{
	struct server *srv = arg;
	struct snapshot *s = server_snapshot(srv, srv->loops[0].loop);
	const struct node *n = snapshot_node_by_key(s, key);
	const struct user *u = n != NULL ? snapshot_user(s, n->user) : NULL;

	if (n == NULL)
		return;
	jw_ku64(w, "nodeId", n->id);
	jw_kstr(w, "node", n->name);
	if (u != NULL)
		jw_kstr(w, "user", u->name);
}

static bool status_stun(void *arg, struct stun_stats *out)
{
	struct server *srv = arg;
	bool any = false;

	for (unsigned i = 0; i < srv->n_loops; i++) {
		if (srv->loops[i].stun == NULL)
			continue;
		stun_server_stats(srv->loops[i].stun, out);
		any = true;
	}
	return any;
}

static struct derp_status status; /* there is one server in a process */

void server_relay_status_routes(struct server *srv, struct http_router *r)
{
	status = (struct derp_status){ .relay = srv->relay, .loops = srv->n_loops,
				       .admission = srv->config->derp.server.verify_clients ? "nodes of this server" : "anybody",
				       .mesh_key = is_meshed(srv), .started_unix_ns = srv->started_ns, .region = status_region, .node = status_node,
				       .stun = status_stun, .arg = srv };
	http_router_add(r, &(struct http_route){ .methods = "GET", .pattern = "/api/v1/derp/status", .fn = derp_status_handler,
						 .arg = &status, .auth = API_AUTH_ADMIN });
}

void server_relay_published(struct server *srv, const struct publication *p)
{
	int64_t now = clock_unix_ns();

	if (srv->relay == NULL || !srv->config->derp.server.verify_clients)
		return;
	for (size_t i = 0; i < p->n_nodes; i++) {
		const struct node *old, *next;

		if (p->nodes[i].kind == CHANGE_PRESENCE || p->nodes[i].kind == CHANGE_ADDED)
			continue;
		old = snapshot_node(p->prev, p->nodes[i].id);
		next = snapshot_node(p->next, p->nodes[i].id);
		if (old != NULL && (next == NULL || !node_key_eq(&old->key, &next->key) || node_expired(next, now)))
			derp_relay_disconnect(srv->relay, &old->key);
	}
}
