/*
 * control/others.c -- what clients ask for beside registering and maps.
 *
 * SSH check: the destination node asks whether a session may go on, at a URL that its rule gave it. It is answered at
 * once if the pair was approved lately; else it is sent to a URL with an auth id, and asking there waits for a person.
 */
#include "control/control_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json_out.h"
#include "base/log.h"
#include "base/vec.h"
#include "policy/engine.h"
#include "proto/requests.h"

#define SSH_PERIOD_MAX_NS (168 * 3600 * NS_PER_S)

/* ---- small ones ---- */

static void update_health(void *arg, struct http_req *r)
{
	struct health_request h;

	(void)arg;
	if (health_request_parse(r->body, r->arena, &h, NULL) == ST_OK && h.error[0] != '\0')
		log_info("client reports a problem", LOG_STR("subsystem", h.subsys), LOG_STR("error", h.error), LOG_END);
	control_count(CONTROL_COUNT_HEALTH_REPORT);
	http_respond(r, 204, NULL, (struct bytes){ 0 });
}

/* Why a person switched the client off; kept in the log. */
static void audit_log(void *arg, struct http_req *r)
{
	struct noise_conn *nc = r->conn_data;
	struct audit_request q;
	const struct node *n;

	(void)arg;
	if (audit_request_parse(r->body, r->arena, &q, NULL) == ST_OK) {
		n = snapshot_node_by_key(nc->cl->snap, &q.node_key);
		if (n != NULL && machine_key_eq(&n->machine, &nc->machine))
			log_info("client event", LOG_U64("node", n->id), LOG_STR("action", q.action), LOG_STR("details", q.details),
				 LOG_END);
	}
	http_respond(r, 200, "application/json", BYTES_LIT("{}\n"));
}

static void whoami(void *arg, struct http_req *r)
{
	struct noise_conn *nc = r->conn_data;
	char text[KEY_TEXT_MAX];

	(void)arg;
	machine_key_format(&nc->machine, text);
	http_respond_text(r, 200, text);
}

/* `tailscale serve` and `funnel` ask how a missing feature is switched on. */
static void feature_query(void *arg, struct http_req *r)
{
	(void)arg;
	http_respond(r, 200, "application/json",
		     BYTES_LIT("{\"Text\":\"This server does not hand out certificates for names of nodes; serve inside the tailnet by "
			       "HTTP or TCP works without.\"}\n"));
}

static void not_offered(void *arg, struct http_req *r)
{
	(void)arg;
	http_respond_text(r, 501, "this server does not offer that");
}

/* ---- SSH check ---- */

struct ssh_wait {
	struct control *c;
	struct http_req *req; /* NULL: the client went away */
	struct loop *loop;
	node_id src, dst;
	const char *auth_id_asked; /* of the request's arena; NULL the first time */
	enum status status;
	struct err err;
	enum ssh_outcome outcome;
	char auth_id[AUTH_ID_LEN + 1];
	enum pending_verdict verdict;
	uint64_t token;
};

static void ssh_cancelled(void *arg, struct http_req *r)
{
	struct ssh_wait *w = arg;

	(void)r;
	w->req = NULL;
	if (w->token != 0)
		state_pending_cancel(w->c->state, w->token);
}

static void respond_action(struct ssh_wait *w, const struct ssh_action *x)
{
	struct buf b;
	struct jw j;

	buf_init(&b, 65536);
	jw_init(&j, &b);
	ssh_action_write(x, &j);
	buf_put_char(&b, '\n');
	http_respond(w->req, 200, "application/json", buf_bytes(&b));
	buf_release(&b);
	free(w);
}

static void ssh_accept(struct ssh_wait *w)
{
	respond_action(w, &(struct ssh_action){ .accept = true, .agent_forwarding = true, .local_forwarding = true, .remote_forwarding = true });
}

static void ssh_reject(struct ssh_wait *w)
{
	respond_action(w, &(struct ssh_action){ .reject = true, .message = "# This session was refused.\n" });
}

static void ssh_hold(struct ssh_wait *w)
{
	struct arena *a = w->req->arena;

	respond_action(w, &(struct ssh_action){
				  .message = arena_printf(a, "# Headscale SSH requires an additional check.\n# To authenticate, visit: %s/auth/%s\n",
							  w->c->server_url, w->auth_id),
				  .hold_url = arena_printf(a, "https://unused/machine/ssh/action/%llu/to/%llu?auth_id=%s",
							   (unsigned long long)w->src, (unsigned long long)w->dst, w->auth_id) });
}

static void ssh_verdict_given(void *arg)
{
	struct ssh_wait *w = arg;

	if (w->req == NULL) {
		free(w);
		return;
	}
	if (w->verdict == VERDICT_ACCEPTED)
		ssh_accept(w);
	else
		ssh_reject(w);
}

static void ssh_verdict(void *arg, enum pending_verdict v, struct node *node, struct user *user)
{
	struct ssh_wait *w = arg;

	(void)node;
	(void)user;
	w->verdict = v;
	loop_post(w->loop, ssh_verdict_given, w);
}

static void ssh_checked(void *arg)
{
	struct ssh_wait *w = arg;

	if (w->req == NULL) {
		free(w);
		return;
	}
	if (w->status != ST_OK) {
		http_respond_text(w->req, w->status == ST_DENIED ? 401 : 500, w->err.text[0] != '\0' ? w->err.text : "not now");
		free(w);
		return;
	}
	if (w->outcome == SSH_ACCEPT) {
		ssh_accept(w);
	} else if (w->outcome == SSH_REJECT) {
		ssh_reject(w);
	} else if (w->auth_id_asked == NULL || strcmp(w->auth_id_asked, w->auth_id) != 0) {
		ssh_hold(w);
	} else if (state_pending_wait(w->c->state, w->auth_id, NULL, NULL, w->src, w->dst, ssh_verdict, w, &w->token, NULL) != ST_OK) {
		http_respond_overload(w->req, 503, 2, 10);
		free(w);
	}
}

static void ssh_check_done(void *arg, enum status s, const struct err *err, const struct state_result *res)
{
	struct ssh_wait *w = arg;

	w->status = s;
	if (err != NULL)
		w->err = *err;
	if (s == ST_OK) {
		w->outcome = res->ssh;
		if (res->auth_id != NULL)
			snprintf(w->auth_id, sizeof w->auth_id, "%s", res->auth_id);
	}
	loop_post(w->loop, ssh_checked, w);
}

static bool number(const char *text, uint64_t *out)
{
	char *end = NULL;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return false;
	*out = strtoull(text, &end, 10);
	return *end == '\0';
}

static void ssh_action(void *arg, struct http_req *r)
{
	struct control *c = arg;
	struct noise_conn *nc = r->conn_data;
	const char *auth_id = http_req_query(r, "auth_id");
	struct policy_ssh_answer rule;
	struct ssh_wait *w;
	const struct node *dst;
	uint64_t src_id, dst_id;

	if (!number(http_req_param(r, "src"), &src_id)) {
		http_respond_text(r, 400, "Invalid src_node_id");
		return;
	}
	if (!number(http_req_param(r, "dst"), &dst_id)) {
		http_respond_text(r, 400, "Invalid dst_node_id");
		return;
	}
	dst = snapshot_node(nc->cl->snap, dst_id);
	if (dst == NULL) {
		http_respond_text(r, 404, "dst node not found");
		return;
	}
	if (!machine_key_eq(&dst->machine, &nc->machine)) {
		http_respond_text(r, 401, "machine key does not match dst node");
		return;
	}
	rule = policy_ssh_ask(nc->cl->snap->policy, src_id, dst_id, NULL);
	if (rule.verdict != POLICY_SSH_CHECK) {
		http_respond_text(r, 403, "no rule of the policy asks for a check between these nodes any more");
		return;
	}
	w = xcalloc(1, sizeof *w);
	w->c = c;
	w->req = r;
	w->loop = r->loop;
	w->src = src_id;
	w->dst = dst_id;
	w->auth_id_asked = auth_id;
	http_on_cancel(r, ssh_cancelled, w);
	if (state_ssh_check(c->state,
			    &(struct state_ssh_check){ .src = src_id,
						       .dst = dst_id,
						       .period_ns = rule.period_ns > SSH_PERIOD_MAX_NS ? SSH_PERIOD_MAX_NS : rule.period_ns,
						       .any_destination = rule.any_destination,
						       .auth_id = auth_id,
						       .source = control_source(nc) },
			    ssh_check_done, w, NULL) != ST_OK) {
		http_on_cancel(r, NULL, NULL);
		http_respond_overload(r, 503, 2, 10);
		free(w);
	}
}

/* A session was refused or ended because it could not be recorded. */
static void ssh_event(void *arg, struct http_req *r)
{
	(void)arg;
	log_warn("client could not record an SSH session", LOG_END);
	http_respond(r, 201, NULL, (struct bytes){ 0 });
}

void control_others_routes(struct control *c)
{
	static const struct {
		const char *methods, *pattern;
		http_handler_fn *fn;
	} routes[] = {
		{ "POST", "/machine/update-health", update_health },
		{ "POST", "/machine/audit-log", audit_log },
		{ "GET", "/machine/whoami", whoami },
		{ "POST", "/machine/feature/query", feature_query },
		{ "GET", "/machine/ssh/action/{src}/to/{dst}", ssh_action },
		{ "POST", "/machine/ssh/event", ssh_event },
		{ "*", "/machine/ping-response", control_ping_response },
		{ "*", "/machine/*", not_offered },
	};

	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		http_router_add(c->inner, &(struct http_route){ .methods = routes[i].methods, .pattern = routes[i].pattern,
								.fn = routes[i].fn, .arg = c, .auth = 1,
								.body_max = c->body_max });
}
