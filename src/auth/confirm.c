/*
 * auth/confirm.c -- the end of a login: the page with the button, what it does, and SSH checks, which have none.
 *
 * A person is stored when the button is pressed, and not before: who only looks leaves nothing behind. The page carries
 * a token, the browser a cookie with the same; both must come back, and only this browser has the second.
 */
#include "auth/oidc_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json_in.h"
#include "base/log.h"
#include "base/random.h"
#include "base/vec.h"
#include "crypto/secret.h"

#define CONFIRM_SECONDS (15 * 60)

void confirm_release(void *confirm)
{
	struct confirm *c = confirm;

	identity_free(&c->who);
	free(c);
}

/* Who does it, for the audit rows. */
static struct state_actor actor(const struct identity *who, const char *why)
{
	return (struct state_actor){ .who = who->email[0] ? who->email : who->provider_id, .why = why };
}

static struct state_user_login login_of(const struct identity *who, const char *why)
{
	return (struct state_user_login){
		.by = actor(who, why),
		.provider = "oidc",
		.provider_id = who->provider_id,
		.name = state_user_name_ok(who->name) ? who->name : NULL,
		.display_name = who->display_name,
		.email = who->email,
		.picture_url = who->picture_url,
	};
}

/* ---- the page ---- */

static const char *member(struct json_object *o, const char *name)
{
	const char *v = NULL;

	return o != NULL && json_get_str(o, name, &v, NULL) == ST_OK ? v : NULL;
}

static void put_tree(void *tree)
{
	json_object_put(tree);
}

/* What the machine said of itself. */
static struct oidc_device device_of(struct job *j)
{
	const struct pending *p = j->pending;
	int64_t until = oidc_now_ns(j->o) + CONFIRM_SECONDS * NS_PER_S;
	struct oidc_device d = { .hostname = p->hostname,
				 .until_unix = (p->expires_ns < until ? p->expires_ns : until) / NS_PER_S };
	struct json_object *info = NULL;
	char address[IP_TEXT_MAX], key[BASE64_LEN(KEY_LEN) + 1];

	if (p->hostinfo != NULL &&
	    json_parse(shared_bytes_view(p->hostinfo), STATE_HOSTINFO_MAX, &info, NULL) == ST_OK &&
	    json_object_is_type(info, json_type_object)) {
		d.os = member(info, "OS");
		d.client_version = member(info, "IPNVersion");
	}
	if (info != NULL)
		arena_on_free(j->a, put_tree, info);
	if (p->source.family != IP_NONE) {
		ip_format(&p->source, address);
		d.address = arena_strdup(j->a, address);
	}
	base64_encode(bytes_of(p->machine.b, KEY_LEN), key);
	d.machine_key = arena_printf(j->a, "[%.5s]", key);
	return d;
}

static const char *confirm_cookie(struct job *j, const char *auth_id, const char *value, unsigned seconds)
{
	return arena_printf(j->a, "%s=%s; Path=%s/register/confirm/%s; Max-Age=%u; HttpOnly; SameSite=Strict%s",
			    OIDC_CSRF_FIELD, value, j->o->base_path, auth_id, seconds, j->secure ? "; Secure" : "");
}

static bool of_link(const void *confirm, const void *auth_id)
{
	return strcmp(((const struct confirm *)confirm)->auth_id, auth_id) == 0;
}

static void show(struct job *j)
{
	struct oidc *o = j->o;
	char csrf[OIDC_SECRET_LEN + 1];
	uint8_t raw[OIDC_SECRET_LEN / 2];
	struct oidc_device d;
	struct confirm *c;

	if (j->pending == NULL || j->pending->verdict != VERDICT_OPEN || j->pending->kind != PENDING_LOGIN) {
		job_refuse_gone(j);
		return;
	}
	random_bytes(raw, sizeof raw);
	hex_encode(bytes_of(raw, sizeof raw), csrf);
	c = xcalloc(1, sizeof *c);
	snprintf(c->auth_id, sizeof c->auth_id, "%s", j->pending->auth_id);
	c->who = identity_copy(j->who);
	c->expiry_ns = o->opts.use_expiry_from_token ? j->token_expires_ns : TIME_NONE;
	c->made_ns = oidc_now_ns(o);
	waiting_thin(o->confirms, OIDC_TABS_MAX, of_link, c->auth_id);
	waiting_add(o->confirms, csrf, j->source, loop_now_ms(o->opts.loop), c);
	atomic_store(&o->n_confirms, waiting_count(o->confirms));
	d = device_of(j);
	job_header(j, "Set-Cookie", job_secret(j, confirm_cookie(j, c->auth_id, csrf, CONFIRM_SECONDS)));
	j->status = 200;
	o->opts.pages.confirm(&j->page, arena_printf(j->a, "%s/register/confirm/%s", o->base_path, c->auth_id), csrf,
			      identity_display(j->who), &d);
	secret_wipe(raw, sizeof raw);
	secret_wipe(csrf, sizeof csrf);
	job_answer(j);
}

void confirm_show(struct job *j)
{
	job_ask_state(j, show, state_pending_get(j->o->opts.state, j->login->auth_id, job_heard, j, NULL));
}

/* ---- the button ---- */

static struct confirm *confirm_of(struct job *j)
{
	struct oidc *o = j->o;

	return waiting_find(o->confirms, bytes_of_str(j->csrf), loop_now_ms(o->opts.loop));
}

static void show_registered(struct job *j, const struct confirm *c)
{
	const char *user = identity_display(c->who);

	if (c->again)
		job_done_page(j, "Node reauthenticated",
			      arena_printf(j->a, "Reauthenticated as %s. You can now close this window.", user));
	else
		job_done_page(j, "Node registered",
			      arena_printf(j->a, "Registered as %s. You can now close this window.", user));
}

static void state_refused(struct job *j)
{
	const char *words = arena_strdup(j->a, j->err.text);

	switch (j->st) {
	case ST_NOT_FOUND:
	case ST_EXPIRED:
		job_refuse_gone(j);
		break;
	case ST_DENIED:
		job_refuse(j, OIDC_CONFIRM_REFUSED, 403, words, words, "Please ask your administrator.");
		break;
	case ST_CONFLICT:
		job_refuse(j, OIDC_CONFIRM_REFUSED, 409, words, words,
			   "Start again on your machine, or ask your administrator.");
		break;
	case ST_BUSY:
		job_refuse_busy(j);
		break;
	default:
		log_error("a login could not be stored", LOG_STR("status", status_name(j->st)), LOG_STR("error", words),
			  LOG_END);
		job_refuse(j, OIDC_INTERNAL, 500, words, "Something went wrong", "Please try again later.");
	}
}

static void completed(struct job *j)
{
	struct confirm *c = confirm_of(j);

	if (c == NULL) { /* pushed out meanwhile: what was done is done */
		if (j->st == ST_OK)
			job_done_page(j, "Node registered", "You can now close this window.");
		else
			state_refused(j);
		return;
	}
	if (j->st == ST_OK && !c->registered) {
		c->registered = true;
		c->again = j->node != NULL && j->node->created_ns < c->made_ns;
		oidc_count(j->o, OIDC_REGISTERED);
		log_info("machine registered", LOG_STR("user", identity_display(c->who)),
			 LOG_U64("node", j->node != NULL ? j->node->id : 0), LOG_END);
	}
	if (c->registered) /* by this press of the button, or by one just before */
		show_registered(j, c);
	else
		state_refused(j);
}

static void user_stored(struct job *j)
{
	struct confirm *c = confirm_of(j);
	struct state_complete r;

	if (c == NULL) {
		job_refuse_gone(j);
		return;
	}
	if (j->st != ST_OK || j->user == NULL) {
		state_refused(j);
		return;
	}
	r = (struct state_complete){
		.by = actor(c->who, "login at the identity provider"),
		.auth_id = c->auth_id,
		.user = j->user->id,
		.method = REGISTER_OIDC,
		.expiry_ns = c->expiry_ns,
	};
	job_ask_state(j, completed, state_pending_complete(j->o->opts.state, &r, job_heard, j, NULL));
}

/* The machine still waits? Else nothing is stored about the person either. */
static void still_pending(struct job *j)
{
	struct confirm *c = confirm_of(j);
	struct state_user_login r;

	if (c != NULL && c->registered) {
		show_registered(j, c);
		return;
	}
	if (c == NULL || j->pending == NULL || j->pending->verdict != VERDICT_OPEN) {
		job_refuse_gone(j);
		return;
	}
	r = login_of(c->who, "login at the identity provider");
	job_ask_state(j, user_stored, state_user_from_provider(j->o->opts.state, &r, job_heard, j, NULL));
}

void confirm_pressed(struct job *j)
{
	struct oidc *o = j->o;
	struct confirm *c = confirm_of(j);

	atomic_store(&o->n_confirms, waiting_count(o->confirms));
	if (c == NULL) {
		job_refuse_gone(j);
	} else if (strcmp(c->auth_id, j->id) != 0) {
		job_refuse(j, OIDC_CONFIRM_CSRF, 403, "the form is another login's",
			   "This form was not made for this login", "Open the link that your machine shows again.");
	} else if (c->registered) {
		show_registered(j, c);
	} else if (c->expiry_ns != TIME_NONE && c->expiry_ns <= oidc_now_ns(o)) {
		job_refuse_gone(j);
	} else {
		job_ask_state(j, still_pending, state_pending_get(o->opts.state, j->id, job_heard, j, NULL));
	}
}

/* ---- SSH checks ---- */

static void ssh_decided(struct job *j)
{
	if (j->st != ST_OK) {
		state_refused(j);
		return;
	}
	oidc_count(j->o, OIDC_SSH_APPROVED);
	log_info("SSH session approved", LOG_STR("user", identity_display(j->who)), LOG_END);
	job_done_page(
	    j, "SSH session authorized",
	    arena_printf(j->a, "Authorized as %s. You may return to your terminal.", identity_display(j->who)));
}

static void ssh_user_stored(struct job *j)
{
	struct state_actor by = actor(j->who, "SSH check at the identity provider");

	/* What the provider says of the person could not be stored: that takes nothing from who they are. */
	job_ask_state(j, ssh_decided,
		      state_pending_decide(j->o->opts.state, &by, j->login->auth_id, true, job_heard, j, NULL));
}

/* Is the person the owner of the machine that the session comes from? */
static bool owns_source(struct job *j, const char **why)
{
	struct snapshot *s = state_snapshot(j->o->opts.state);
	const struct node *n = snapshot_node(s, j->pending->src);
	const struct user *u = n != NULL && !node_is_tagged(n) ? snapshot_user(s, n->user) : NULL;
	bool ok = u != NULL && strcmp(u->provider, "oidc") == 0 && strcmp(u->provider_id, j->who->provider_id) == 0;

	*why = n == NULL	   ? "the source is gone"
	       : node_is_tagged(n) ? "the source is tagged"
				   : "the source is another user's";
	snapshot_unref(&s);
	return ok;
}

static void ssh_known(struct job *j)
{
	struct state_user_login r;
	const char *why;

	if (j->pending == NULL || j->pending->verdict != VERDICT_OPEN || j->pending->kind != PENDING_SSH) {
		job_refuse_gone(j);
		return;
	}
	if (!owns_source(j, &why)) {
		job_refuse(j, OIDC_SSH_NOT_OWNER, 403, why, "This SSH session is not yours to approve",
			   "Only the owner of the machine that it comes from can do that.");
		return;
	}
	r = login_of(j->who, "SSH check at the identity provider");
	job_ask_state(j, ssh_user_stored, state_user_from_provider(j->o->opts.state, &r, job_heard, j, NULL));
}

void confirm_ssh(struct job *j)
{
	job_ask_state(j, ssh_known, state_pending_get(j->o->opts.state, j->login->auth_id, job_heard, j, NULL));
}
