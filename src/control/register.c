/*
 * control/register.c -- /machine/register: logins, logouts, renewals, and waiting for a person.
 *
 * The writer decides (state_register); here the request is read, a Followup waits for its verdict, and the answer is worded.
 * Refusals travel in the answer's Error with status 200: that is where clients show them.
 */
#include "control/control_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/vec.h"
#include "net/addr_rate.h"
#include "proto/register.h"

struct reg {
	struct control *c;
	struct http_req *req; /* NULL: the client went away */
	struct loop *loop;
	struct register_request rr; /* memory of the request's arena */
	uint64_t token;             /* of a wait for a verdict; 0: none */
	/* What the writer said. */
	enum status status;
	struct err err;
	enum register_outcome outcome;
	struct node *node;
	struct user *user;
	char auth_id[AUTH_ID_LEN + 1];
	enum pending_verdict verdict;
};

static void reg_free(struct reg *g)
{
	node_unref(&g->node);
	user_unref(&g->user);
	free(g);
}

static void reg_cancelled(void *arg, struct http_req *r)
{
	struct reg *g = arg;

	(void)r;
	g->req = NULL;
	if (g->token != 0)
		state_pending_cancel(g->c->state, g->token);
}

static void answer(struct reg *g, const struct register_response *resp)
{
	struct buf b;

	buf_init(&b, 1u << 20);
	register_response_encode(resp, &b);
	http_respond(g->req, 200, "application/json", buf_bytes(&b));
	buf_release(&b);
	reg_free(g);
}

static void answer_error(struct reg *g, const char *text)
{
	control_count(CONTROL_COUNT_REGISTER_REFUSED);
	answer(g, &(struct register_response){ .error = text });
}

static void answer_node(struct reg *g)
{
	struct register_response resp = { .machine_authorized = true, .node = g->node, .user = g->user };

	resp.node_key_expired = node_expired(g->node, clock_unix_ns());
	answer(g, &resp);
}

static void answer_login(struct reg *g)
{
	answer(g, &(struct register_response){
			  .auth_url = arena_printf(g->req->arena, "%s/register/%s", g->c->server_url, g->auth_id) });
}

/* ---- the writer's answer ---- */

static void finish(void *arg)
{
	struct reg *g = arg;

	if (g->req == NULL) {
		reg_free(g);
		return;
	}
	if (g->status == ST_BUSY || g->status == ST_CLOSED || g->status == ST_UNCERTAIN || g->status == ST_IO) {
		log_warn("registration not done", LOG_STR("status", status_name(g->status)), LOG_STR("error", g->err.text), LOG_END);
		http_respond_overload(g->req, 503, 2, 10);
		reg_free(g);
		return;
	}
	if (g->status != ST_OK) {
		answer_error(g, g->err.text[0] != '\0' ? g->err.text : status_name(g->status));
		return;
	}
	switch (g->outcome) {
	case REGISTER_DONE:
		answer_node(g);
		return;
	case REGISTER_LOGIN:
		answer_login(g);
		return;
	case REGISTER_KEY_EXPIRED:
	case REGISTER_LOGGED_OUT:
		answer(g, &(struct register_response){ .node_key_expired = true });
		return;
	case REGISTER_NONE:
		break;
	}
	answer_error(g, "the server has no answer to this request");
}

static void done(void *arg, enum status s, const struct err *err, const struct state_result *res)
{
	struct reg *g = arg;

	g->status = s;
	if (err != NULL)
		g->err = *err;
	if (s == ST_OK) {
		g->outcome = res->outcome;
		g->node = res->node != NULL ? node_ref(res->node) : NULL;
		g->user = res->user != NULL ? user_ref(res->user) : NULL;
		if (res->auth_id != NULL && strlen(res->auth_id) < sizeof g->auth_id)
			strcpy(g->auth_id, res->auth_id);
	}
	loop_post(g->loop, finish, g);
}

static void submit(struct reg *g)
{
	struct noise_conn *nc = g->req->conn_data;
	const struct register_request *rr = &g->rr;
	struct err err = { 0 };
	enum status s;

	s = state_register(g->c->state,
			   &(struct state_register){ .machine = nc->machine,
						     .node_key = rr->node_key,
						     .old_node_key = rr->old_node_key,
						     .nl_key = rr->nl_key,
						     .auth_key = rr->auth_key,
						     .expiry_ns = rr->expiry_ns,
						     .hostinfo = rr->hostinfo,
						     .ephemeral = rr->ephemeral,
						     .cap = rr->version,
						     .source = control_source(nc) },
			   done, g, &err);
	if (s == ST_OK)
		return;
	http_on_cancel(g->req, NULL, NULL);
	g->status = s;
	g->err = err;
	finish(g);
}

/* ---- waiting for a person ---- */

static void verdict_given(void *arg)
{
	struct reg *g = arg;

	g->token = 0;
	if (g->req == NULL) {
		reg_free(g);
		return;
	}
	if (g->verdict == VERDICT_ACCEPTED && g->node != NULL)
		answer_node(g);
	else if (g->verdict == VERDICT_REJECTED)
		answer_error(g, "the login was refused by an administrator");
	else if (g->verdict == VERDICT_CANCELLED)
		http_respond_overload(g->req, 503, 1, 5), reg_free(g);
	else
		submit(g); /* the link is over or was never ours: begin a new login, with another link */
}

static void verdict(void *arg, enum pending_verdict v, struct node *node, struct user *user)
{
	struct reg *g = arg;

	g->verdict = v;
	g->node = node != NULL ? node_ref(node) : NULL;
	g->user = user != NULL ? user_ref(user) : NULL;
	loop_post(g->loop, verdict_given, g);
}

/* The id at the end of a link we gave out; NULL for any other text. */
static const char *auth_id_of(const char *url)
{
	const char *p = strstr(url, "/register/");

	if (p == NULL)
		return NULL;
	p += strlen("/register/");
	return strlen(p) == AUTH_ID_LEN && strncmp(p, AUTH_ID_PREFIX, strlen(AUTH_ID_PREFIX)) == 0 ? p : NULL;
}

static void follow_up(struct reg *g)
{
	struct noise_conn *nc = g->req->conn_data;
	const char *id = auth_id_of(g->rr.followup);

	http_req_drop_body(g->req);
	if (id == NULL ||
	    state_pending_wait(g->c->state, id, &nc->machine, &g->rr.node_key, 0, 0, verdict, g, &g->token, NULL) != ST_OK)
		submit(g);
}

void control_register(void *arg, struct http_req *r)
{
	struct control *c = arg;
	struct noise_conn *nc = r->conn_data;
	struct err err = { 0 };
	struct reg *g;

	control_count(CONTROL_COUNT_REGISTER);
	if (!addr_rate_take(c->registrations, &nc->client, clock_mono_ns())) {
		control_count(CONTROL_COUNT_REGISTER_LIMITED);
		http_respond_overload(r, 429, 5, 30);
		return;
	}
	g = xcalloc(1, sizeof *g);
	g->c = c;
	g->req = r;
	g->loop = r->loop;
	if (register_request_parse(r->body, r->arena, &g->rr, &err) != ST_OK) {
		reg_free(g);
		control_bad_request(r, err.text);
		return;
	}
	if (g->rr.version < CONTROL_CAP_FLOOR) {
		reg_free(g);
		control_count(CONTROL_COUNT_TOO_OLD);
		http_respond_text(r, 400, "unsupported client version: this server needs Tailscale 1.80 or newer");
		return;
	}
	http_on_cancel(r, reg_cancelled, g);
	if (g->rr.followup[0] != '\0')
		follow_up(g);
	else
		submit(g);
}
