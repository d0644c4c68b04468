/* state/world.c -- policy, settings, documents and the audit log; see state/state.h. */
#include <stdio.h>
#include <stdlib.h>

#include "policy/engine.h"
#include "policy/policy.h"
#include "state/state_priv.h"

#define AUDIT_MAX 1000
#define AUDIT_DEFAULT 100

/* ---- policy --------------------------------------------------------------------------------- */

struct policy_req {
	struct policy *policy;
	struct shared_bytes *text;
	bool expects;         /* only if the present one was stored at expect_at_ns */
	int64_t expect_at_ns;
};

static void policy_release(struct command *c)
{
	struct policy_req *r = c->req;

	policy_unref(&r->policy);
	shared_bytes_unref(&r->text);
}

static void list_failures(const struct policy_test_failure *f, size_t n, struct err *err)
{
	char text[sizeof err->text];
	size_t at = (size_t)snprintf(text, sizeof text, "%s", POLICY_TESTS_FAILED);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < f[i].n_errors && at < sizeof text; k++)
			at += (size_t)snprintf(text + at, sizeof text - at, "%s%s: %s", k + i == 0 ? ": " : "; ",
					       f[i].src, f[i].errors[k]);
	err_set(err, "%s", text);
}

/* Does it hold against the world as it is? */
static enum status try_policy(struct state *st, struct command *c, struct err *err)
{
	struct policy_req *r = c->req;
	struct policy_engine *e;
	const struct policy_test_failure *f = NULL;
	const struct policy_warning *warnings = NULL;
	const char **texts;
	enum status s = ST_OK;
	size_t n = 0;

	if (policy_has_tests(r->policy)) {
		e = facts_compile(st, st->cur, r->policy);
		s = policy_run_tests(e, c->a, &f, &n);
		policy_engine_unref(&e);
	}
	if (s != ST_OK) {
		list_failures(f, n, err);
		return s;
	}
	n = policy_warnings(r->policy, &warnings);
	texts = ARENA_ARRAY(c->a, const char *, n + 1);
	for (size_t i = 0; i < n; i++)
		texts[i] = arena_printf(c->a, "line %u: %s", warnings[i].line, warnings[i].text);
	c->r.n = n;
	c->r.texts = texts;
	return ST_OK;
}

static enum status policy_run(struct draft *d, struct command *c, struct err *err)
{
	struct policy_req *r = c->req;
	struct state *st = d->st;
	bool same = st->policy_text != NULL && bytes_eq(shared_bytes_view(st->policy_text), shared_bytes_view(r->text));
	enum status s;

	if (r->expects && st->policy_at_ns != r->expect_at_ns) {
		err_set(err, "the policy was replaced since it was read; read it again");
		return ST_CONFLICT;
	}
	s = try_policy(st, c, err);
	if (s != ST_OK)
		return s;
	c->r.text = shared_bytes_view(r->text);
	c->r.text_at_ns = d->now_ns;
	d->policy_at_ns = d->now_ns;
	policy_unref(&d->policy);
	d->policy = policy_ref(r->policy);
	shared_bytes_unref(&d->policy_text);
	d->policy_text = shared_bytes_ref(r->text);
	if (!same)
		draft_clear_ssh(d); /* who was let in was let in by rules that are gone */
	if (!st->o.policy_from_file) {
		draft_audit_text(d, "policy.set", "policy", shared_bytes_ref(st->policy_text),
				 shared_bytes_ref(r->text));
		draft_put_doc(d, "policy", "current", shared_bytes_ref(r->text));
	} else {
		/* Something to commit, so that it comes in its turn. */
		draft_audit_text(d, "policy.reload", "policy", NULL, NULL);
	}
	return ST_OK;
}

static void policy_finish(struct state *st, struct command *c)
{
	if (c->status == ST_OK)
		command_submit_internal(st, command_approve_all());
}

static enum status check_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	(void)t;
	return try_policy(st, c, err);
}

/* expect_at_ns NULL: whatever the present policy is. */
static enum status policy_submit(struct state *st, const struct command_type *type, const struct state_actor *by,
				 struct bytes text, const int64_t *expect_at_ns, state_done_fn done, void *arg, struct err *err)
{
	struct policy_error perr = { 0 };
	struct policy *p = NULL;
	struct policy_req *r;
	struct command *c;
	enum status s = policy_parse(text, NULL, &p, &perr);

	if (s != ST_OK) {
		if (perr.line > 0)
			err_set(err, "line %u, column %u: %s", perr.line, perr.column, perr.message);
		else
			err_set(err, "%s", perr.message);
		return s;
	}
	c = command_new(type, sizeof *r, by, done, arg);
	r = c->req;
	r->policy = p;
	r->text = shared_bytes_new(text);
	r->expects = expect_at_ns != NULL;
	r->expect_at_ns = expect_at_ns != NULL ? *expect_at_ns : TIME_NONE;
	return command_submit(st, c, err);
}

static const struct command_type set_type = { .name = "policy set", .class = CLASS_DURABLE, .run = policy_run,
					      .finish = policy_finish, .release = policy_release, .alone = true };

enum status state_policy_set(struct state *st, const struct state_actor *by, struct bytes text, state_done_fn done,
			     void *arg, struct err *err)
{
	return policy_submit(st, &set_type, by, text, NULL, done, arg, err);
}

enum status state_policy_set_if(struct state *st, const struct state_actor *by, struct bytes text, int64_t expect_at_ns,
				state_done_fn done, void *arg, struct err *err)
{
	return policy_submit(st, &set_type, by, text, &expect_at_ns, done, arg, err);
}

enum status state_policy_check(struct state *st, struct bytes text, state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "policy check", .class = CLASS_NOW, .now = check_now,
						   .release = policy_release };

	return policy_submit(st, &type, NULL, text, NULL, done, arg, err);
}

static enum status get_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	struct policy_req *r = c->req;

	(void)t;
	if (st->policy_text == NULL) {
		err_set(err, "acl policy not found");
		return ST_NOT_FOUND;
	}
	r->text = shared_bytes_ref(st->policy_text);
	c->r.text = shared_bytes_view(r->text);
	c->r.text_at_ns = st->o.policy_from_file ? TIME_NONE : st->policy_at_ns;
	return ST_OK;
}

enum status state_policy_get(struct state *st, state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "policy get", .class = CLASS_NOW, .now = get_now,
						   .release = policy_release };

	return command_submit(st, command_new(&type, sizeof(struct policy_req), NULL, done, arg), err);
}

/* ---- settings --------------------------------------------------------------------------------- */

static void world_release(struct command *c)
{
	struct state_world *w = c->req;

	tailnet_settings_unref(&w->settings);
	dns_settings_unref(&w->dns);
	shared_bytes_unref(&w->derp_map);
}

static bool engine_settings_eq(const struct tailnet_settings *a, const struct tailnet_settings *b)
{
	return a->auto_update == b->auto_update && a->file_sharing == b->file_sharing && a->https == b->https;
}

static enum status world_now(struct state *st, struct turn *t, struct command *c, struct err *err)
{
	struct state_world *w = c->req;
	const struct snapshot *cur = turn_world(t);
	struct snapshot *next;

	if (w->settings != NULL && prefixes_judge(st, cur, w->settings, err) != ST_OK)
		return ST_CONFLICT;
	prefixes_note(st);
	if (w->settings != NULL && !tailnet_settings_eq(w->settings, cur->settings)) {
		next = turn_edit(t);
		if (!engine_settings_eq(w->settings, next->settings))
			t->new_engine = true;
		tailnet_settings_unref(&next->settings);
		next->settings = tailnet_settings_ref(w->settings);
		addr_pool_set(&st->pool4, w->settings->prefix4, w->settings->random_addresses);
		addr_pool_set(&st->pool6, w->settings->prefix6, w->settings->random_addresses);
		t->world |= WORLD_SETTINGS;
	}
	if (w->dns != NULL && !dns_settings_eq(w->dns, cur->dns)) {
		next = turn_edit(t);
		dns_settings_unref(&next->dns);
		next->dns = dns_settings_ref(w->dns);
		t->world |= WORLD_DNS;
	}
	if (w->derp_map != NULL && !bytes_eq(shared_bytes_view(w->derp_map), shared_bytes_view(cur->derp_map))) {
		next = turn_edit(t);
		shared_bytes_unref(&next->derp_map);
		next->derp_map = shared_bytes_ref(w->derp_map);
		t->world |= WORLD_DERP;
	}
	return ST_OK;
}

enum status state_set_world(struct state *st, const struct state_world *w, state_done_fn done, void *arg,
			    struct err *err)
{
	static const struct command_type type = { .name = "set world", .class = CLASS_NOW, .now = world_now,
						   .release = world_release };
	struct command *c = command_new(&type, sizeof *w, NULL, done, arg);
	struct state_world *q = c->req;

	q->settings = tailnet_settings_ref(w->settings);
	q->dns = dns_settings_ref(w->dns);
	q->derp_map = shared_bytes_ref(w->derp_map);
	return command_submit(st, c, err);
}

/* ---- documents ----------------------------------------------------------------------------------- */

struct doc_req {
	const char *kind, *key;
	struct shared_bytes *text;
	tailnet_id tailnet;
	struct command *self;
};

static void doc_release(struct command *c)
{
	shared_bytes_unref(&((struct doc_req *)c->req)->text);
}

static bool doc_word(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] <= 0x20 || (unsigned char)s[i] >= 0x7f)
			return false;
	return n >= 1 && n <= 128;
}

static enum status doc_put_run(struct draft *d, struct command *c, struct err *err)
{
	struct doc_req *r = c->req;
	char object[64];

	(void)err;
	snprintf(object, sizeof object, "%s:%s", r->kind, r->key);
	draft_audit_text(d, r->text ? "document.put" : "document.delete", object, NULL, NULL);
	draft_put_doc(d, r->kind, r->key, shared_bytes_ref(r->text));
	return ST_OK;
}

static enum status doc_command(struct state *st, const struct command_type *type, const struct state_actor *by,
			       const char *kind, const char *key, state_done_fn done, void *arg, struct command **out,
			       struct err *err)
{
	struct command *c;
	struct doc_req *r;

	if (!doc_word(kind) || !doc_word(key) || strcmp(kind, "policy") == 0) {
		err_set(err, "a document has a kind and a key of 1 to 128 printable characters");
		return ST_BAD_INPUT;
	}
	c = command_new(type, sizeof *r, by, done, arg);
	r = c->req;
	r->kind = arena_strdup(c->a, kind);
	r->key = arena_strdup(c->a, key);
	r->tailnet = st->o.tailnet;
	r->self = c;
	*out = c;
	return ST_OK;
}

enum status state_doc_put(struct state *st, const struct state_actor *by, const char *kind, const char *key,
			  struct bytes text, state_done_fn done, void *arg, struct err *err)
{
	static const struct command_type type = { .name = "doc put", .class = CLASS_DURABLE, .run = doc_put_run,
						   .release = doc_release };
	struct command *c = NULL;
	enum status s;

	if (text.n > STATE_DOC_MAX) {
		err_set(err, "a document may have %zu bytes", STATE_DOC_MAX);
		return ST_TOO_BIG;
	}
	s = doc_command(st, &type, by, kind, key, done, arg, &c, err);
	if (s != ST_OK)
		return s;
	if (text.n > 0)
		((struct doc_req *)c->req)->text = shared_bytes_new(text);
	return command_submit(st, c, err);
}

static enum status doc_row(void *arg, const struct store_value *v, struct err *err)
{
	struct doc_req *r = arg;

	(void)err;
	r->text = shared_bytes_new(v[COL_DOCS_TEXT].b);
	r->self->r.text = shared_bytes_view(r->text);
	r->self->r.text_at_ns = v[COL_DOCS_AT].type == STORE_INT ? v[COL_DOCS_AT].i : TIME_NONE;
	return ST_OK;
}

static enum status doc_get_disk(struct store *s, struct command *c, struct err *err)
{
	struct doc_req *r = c->req;
	struct store_value key[] = { store_int(r->tailnet), store_text(r->kind), store_text(r->key) };
	enum status st = store_get(s, STORE_DOCS, key, doc_row, r, err);

	if (st == ST_NOT_FOUND)
		err_set(err, "there is no such document");
	return st;
}

enum status state_doc_get(struct state *st, const char *kind, const char *key, state_done_fn done, void *arg,
			  struct err *err)
{
	static const struct command_type type = { .name = "doc get", .class = CLASS_DISK, .disk = doc_get_disk,
						   .release = doc_release };
	struct command *c = NULL;
	enum status s = doc_command(st, &type, NULL, kind, key, done, arg, &c, err);

	return s == ST_OK ? command_submit(st, c, err) : s;
}

/* ---- audit ------------------------------------------------------------------------------------------ */

struct audit_req {
	struct state_audit_filter f;
	tailnet_id tailnet;
	struct command *self;
	struct audit_row *rows;
	size_t n;
};

static const char *text_of(struct arena *a, const struct store_value *v)
{
	return arena_strndup(a, v->b.p, v->b.n);
}

static enum status audit_row(void *arg, const struct store_value *v, struct err *err)
{
	struct audit_req *r = arg;
	struct arena *a = r->self->a;

	(void)err;
	r->rows[r->n++] = (struct audit_row){
		.id = (uint64_t)v[COL_AUDIT_ID].i,
		.at_ns = v[COL_AUDIT_AT].i,
		.who = text_of(a, &v[COL_AUDIT_WHO]),
		.why = text_of(a, &v[COL_AUDIT_WHY]),
		.action = text_of(a, &v[COL_AUDIT_ACTION]),
		.object = text_of(a, &v[COL_AUDIT_OBJECT]),
		.before = text_of(a, &v[COL_AUDIT_BEFORE]),
		.after = text_of(a, &v[COL_AUDIT_AFTER]),
	};
	return ST_OK;
}

static enum status audit_disk(struct store *s, struct command *c, struct err *err)
{
	struct audit_req *r = c->req;
	struct store_cond conds[8] = { { COL_AUDIT_TAILNET, STORE_EQ, store_int(r->tailnet) } };
	struct store_query q = { .table = STORE_AUDIT, .conds = conds, .n_conds = 1, .descending = true,
				 .limit = r->f.max };
	enum status st;

#define COND(column, op, value) conds[q.n_conds++] = (struct store_cond){ column, op, value }
	if (r->f.from_ns != TIME_NONE)
		COND(COL_AUDIT_AT, STORE_GE, store_int(r->f.from_ns));
	if (r->f.to_ns != TIME_NONE)
		COND(COL_AUDIT_AT, STORE_LT, store_int(r->f.to_ns));
	if (r->f.who != NULL)
		COND(COL_AUDIT_WHO, STORE_EQ, store_text(r->f.who));
	if (r->f.action != NULL)
		COND(COL_AUDIT_ACTION, strchr(r->f.action, '.') ? STORE_EQ : STORE_PREFIX,
		     store_text(strchr(r->f.action, '.') ? r->f.action : arena_printf(c->a, "%s.", r->f.action)));
	if (r->f.object != NULL)
		COND(COL_AUDIT_OBJECT, STORE_EQ, store_text(r->f.object));
	if (r->f.before_id != 0)
		COND(COL_AUDIT_ID, STORE_LT, store_int((int64_t)r->f.before_id));
#undef COND
	r->rows = ARENA_ARRAY(c->a, struct audit_row, r->f.max);
	st = store_scan(s, &q, audit_row, r, err);
	c->r.n = r->n;
	c->r.audit = r->rows;
	return st;
}

enum status state_audit_list(struct state *st, const struct state_audit_filter *f, state_done_fn done, void *arg,
			     struct err *err)
{
	static const struct command_type type = { .name = "audit list", .class = CLASS_DISK, .disk = audit_disk };
	struct command *c = command_new(&type, sizeof(struct audit_req), NULL, done, arg);
	struct audit_req *r = c->req;

	r->f = *f;
	r->f.who = arena_strdup(c->a, f->who);
	r->f.action = arena_strdup(c->a, f->action);
	r->f.object = arena_strdup(c->a, f->object);
	if (r->f.max == 0)
		r->f.max = AUDIT_DEFAULT;
	if (r->f.max > AUDIT_MAX)
		r->f.max = AUDIT_MAX;
	r->tailnet = st->o.tailnet;
	r->self = c;
	return command_submit(st, c, err);
}
