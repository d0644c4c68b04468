/*
 * state/disk.c -- the store's thread: one job after the other, answers by state_job_done(); see state/state_priv.h.
 *
 * Rows and the JSON of audit entries are made here, from objects that nobody changes any more, so that the writer
 * does not pay for them.
 */
#include <stdlib.h>

#include "base/json_out.h"
#include "state/rows.h"
#include "state/state_priv.h"

/* ---- audit ------------------------------------------------------------------------------- */

static void put_texts(struct jw *w, const char *key, const struct str_list *l)
{
	jw_key(w, key);
	jw_arr_begin(w);
	for (uint32_t i = 0; l != NULL && i < l->n; i++)
		jw_str(w, l->v[i]);
	jw_arr_end(w);
}

static void put_prefixes(struct jw *w, const char *key, const struct prefix_list *l)
{
	char text[IP_PREFIX_TEXT_MAX];

	jw_key(w, key);
	jw_arr_begin(w);
	for (uint32_t i = 0; l != NULL && i < l->n; i++) {
		ip_prefix_format(&l->v[i], text);
		jw_str(w, text);
	}
	jw_arr_end(w);
}

static void put_time(struct jw *w, const char *key, int64_t ns)
{
	if (ns != TIME_NONE)
		jw_ktime(w, key, ns);
}

static void put_addr(struct jw *w, const char *key, const struct ip_addr *ip)
{
	char text[IP_TEXT_MAX];

	if (ip_format(ip, text) > 0)
		jw_kstr(w, key, text);
}

static void put_node(struct jw *w, const struct node *n)
{
	char text[KEY_TEXT_MAX];

	jw_kstr(w, "name", n->name);
	jw_kstr(w, "hostname", n->hostname);
	if (n->user != 0)
		jw_ku64(w, "user", n->user);
	machine_key_format(&n->machine, text);
	jw_kstr(w, "machineKey", text);
	node_key_format(&n->key, text);
	jw_kstr(w, "nodeKey", text);
	put_time(w, "expiry", n->key_expiry_ns);
	put_addr(w, "ipv4", &n->ip4);
	put_addr(w, "ipv6", &n->ip6);
	if (n->tags != NULL)
		put_texts(w, "tags", n->tags);
	if (n->announced_routes != NULL)
		put_prefixes(w, "announcedRoutes", n->announced_routes);
	if (n->approved_routes != NULL)
		put_prefixes(w, "approvedRoutes", n->approved_routes);
	if (n->auth_key != 0)
		jw_ku64(w, "authKey", n->auth_key);
	if (n->ephemeral)
		jw_kbool(w, "ephemeral", true);
}

static void put_user(struct jw *w, const struct user *u)
{
	static const char *const roles[] = { "member", "owner", "admin", "network-admin", "it-admin", "auditor" };

	jw_kstr(w, "name", u->name);
	jw_kstr(w, "displayName", u->display_name);
	jw_kstr(w, "email", u->email);
	if (u->provider_id[0] != '\0')
		jw_kstr(w, "providerId", u->provider_id);
	jw_kstr(w, "role", roles[u->role]);
}

static void put_preauth(struct jw *w, const struct preauth_key *k)
{
	jw_kstr(w, "prefix", k->name);
	if (k->user != 0)
		jw_ku64(w, "user", k->user);
	jw_kbool(w, "reusable", k->reusable);
	jw_kbool(w, "ephemeral", k->ephemeral);
	jw_kbool(w, "used", k->used);
	put_texts(w, "tags", k->tags);
	jw_kstr(w, "description", k->description);
	put_time(w, "expiry", k->expires_ns);
	put_time(w, "revoked", k->revoked_ns);
}

static void put_api_key(struct jw *w, const struct api_key *k)
{
	jw_kstr(w, "prefix", k->name);
	jw_ku64(w, "kind", k->kind);
	if (k->user != 0)
		jw_ku64(w, "user", k->user);
	put_texts(w, "scopes", k->scopes);
	put_texts(w, "tags", k->tags);
	jw_kstr(w, "description", k->description);
	put_time(w, "expiry", k->expires_ns);
	put_time(w, "revoked", k->revoked_ns);
}

static struct store_value audit_json(struct arena *a, enum audit_kind kind, const void *p)
{
	struct store_value v = store_text("");
	struct buf b;
	struct jw w;

	if (p == NULL || kind == AUDIT_NONE)
		return v;
	if (kind == AUDIT_TEXT)
		return store_text_bytes(shared_bytes_view(p));
	buf_init(&b, (size_t)1 << 20);
	jw_init(&w, &b);
	jw_obj_begin(&w);
	if (kind == AUDIT_NODE)
		put_node(&w, p);
	else if (kind == AUDIT_USER)
		put_user(&w, p);
	else if (kind == AUDIT_PREAUTH)
		put_preauth(&w, p);
	else
		put_api_key(&w, p);
	jw_obj_end(&w);
	v = store_text_bytes(arena_bytes_dup(a, buf_bytes(&b)));
	buf_release(&b);
	return v;
}

static enum status put_audit(struct store *s, struct arena *a, tailnet_id tailnet, const struct audit_entry *e,
			     struct err *err)
{
	struct store_value v[COL_AUDIT_COUNT];

	v[COL_AUDIT_TAILNET] = store_int(tailnet);
	v[COL_AUDIT_ID] = store_int((int64_t)e->id);
	v[COL_AUDIT_AT] = store_int(e->at_ns);
	v[COL_AUDIT_WHO] = store_text(e->who ? e->who : "");
	v[COL_AUDIT_WHY] = store_text(e->why ? e->why : "");
	v[COL_AUDIT_ACTION] = store_text(e->action);
	v[COL_AUDIT_OBJECT] = store_text(e->object);
	v[COL_AUDIT_BEFORE] = audit_json(a, e->kind, e->before);
	v[COL_AUDIT_AFTER] = audit_json(a, e->kind, e->after);
	return store_put(s, STORE_AUDIT, v, err);
}

struct old_audit {
	int64_t before_ns, last_id; /* last_id: 0, none is older */
	size_t n;
	bool over; /* a row that stays was met */
};

static enum status note_old_audit(void *arg, const struct store_value *v, struct err *err)
{
	struct old_audit *o = arg;

	(void)err;
	o->over = o->over || v[COL_AUDIT_AT].i >= o->before_ns;
	if (o->over)
		return ST_OK;
	o->last_id = v[COL_AUDIT_ID].i;
	o->n++;
	return ST_OK;
}

/*
 * Rows stand in the order of their making: the oldest few are looked at, whatever their number is in all. A row that a turned
 * clock made too young shields those behind it until it is old itself.
 */
static enum status prune_audit(struct store *s, tailnet_id tailnet, int64_t before_ns, atomic_bool *more, struct err *err)
{
	const struct store_cond mine = { COL_AUDIT_TAILNET, STORE_EQ, store_int(tailnet) };
	struct store_query first = { .table = STORE_AUDIT, .conds = &mine, .n_conds = 1, .limit = AUDIT_PRUNE_BATCH };
	struct old_audit o = { .before_ns = before_ns };
	struct store_cond old[] = { mine, { COL_AUDIT_ID, STORE_LT, store_int(0) } };
	enum status st = store_scan(s, &first, note_old_audit, &o, err);

	if (st != ST_OK || o.n == 0)
		return st;
	old[1].v = store_int(o.last_id + 1);
	st = store_delete_where(s, &(struct store_query){ .table = STORE_AUDIT, .conds = old, .n_conds = 2 }, err);
	if (st == ST_OK && o.n == AUDIT_PRUNE_BATCH)
		atomic_store(more, true);
	return st;
}

/* ---- the rest ---------------------------------------------------------------------------- */

static enum status del_id(struct store *s, enum store_table t, tailnet_id tailnet, uint64_t id, struct err *err)
{
	struct store_value key[] = { store_int(tailnet), store_int((int64_t)id) };

	return store_delete(s, t, key, err);
}

static enum status put_doc(struct store *s, tailnet_id tailnet, const struct doc *d, struct err *err)
{
	struct store_value v[COL_DOCS_COUNT] = { store_int(tailnet), store_text(d->kind), store_text(d->key) };

	if (d->text == NULL)
		return store_delete(s, STORE_DOCS, v, err);
	v[COL_DOCS_TEXT] = store_text_bytes(shared_bytes_view(d->text));
	v[COL_DOCS_AT] = store_int(d->at_ns);
	return store_put(s, STORE_DOCS, v, err);
}

static enum status put_op(struct store *s, struct arena *a, tailnet_id tailnet, const struct op *op, struct err *err)
{
	struct store_value v[STORE_COLUMNS_MAX];
	struct store_cond all = { 0, STORE_EQ, store_int(tailnet) };
	enum status st;

	switch (op->kind) {
	case OP_PUT_NODE:
		row_from_node(a, op->u.node, v);
		return store_put(s, STORE_NODES, v, err);
	case OP_PUT_PRESENCE:
		row_from_presence(a, op->u.node, v);
		return store_put(s, STORE_PRESENCE, v, err);
	case OP_DEL_NODE:
		st = del_id(s, STORE_NODES, tailnet, op->u.id, err);
		return st == ST_OK ? del_id(s, STORE_PRESENCE, tailnet, op->u.id, err) : st;
	case OP_PUT_USER:
		row_from_user(op->u.user, v);
		return store_put(s, STORE_USERS, v, err);
	case OP_DEL_USER: return del_id(s, STORE_USERS, tailnet, op->u.id, err);
	case OP_PUT_PREAUTH:
		row_from_preauth(a, op->u.preauth, v);
		return store_put(s, STORE_PREAUTH, v, err);
	case OP_DEL_PREAUTH: return del_id(s, STORE_PREAUTH, tailnet, op->u.id, err);
	case OP_PUT_API_KEY:
		row_from_api_key(a, op->u.api_key, v);
		return store_put(s, STORE_API_KEYS, v, err);
	case OP_DEL_API_KEY: return del_id(s, STORE_API_KEYS, tailnet, op->u.id, err);
	case OP_PUT_PENDING:
		row_from_pending(a, op->u.pending, v);
		return store_put(s, STORE_PENDING, v, err);
	case OP_DEL_PENDING:
		v[0] = store_int(tailnet);
		v[1] = store_text(op->u.pending->auth_id);
		return store_delete(s, STORE_PENDING, v, err);
	case OP_PUT_SSH:
	case OP_DEL_SSH:
		v[COL_SSH_TAILNET] = store_int(tailnet);
		v[COL_SSH_SRC] = store_int((int64_t)op->u.ssh->src);
		v[COL_SSH_DST] = store_int((int64_t)op->u.ssh->dst);
		v[COL_SSH_AT] = store_int(op->u.ssh->at_ns);
		return op->kind == OP_PUT_SSH ? store_put(s, STORE_SSH, v, err) : store_delete(s, STORE_SSH, v, err);
	case OP_CLEAR_SSH:
		return store_delete_where(s, &(struct store_query){ .table = STORE_SSH, .conds = &all, .n_conds = 1 },
					  err);
	case OP_PUT_DOC: return put_doc(s, tailnet, op->u.doc, err);
	case OP_AUDIT: return put_audit(s, a, tailnet, op->u.audit, err);
	case OP_PRUNE_AUDIT: return prune_audit(s, tailnet, op->u.prune.before_ns, op->u.prune.more, err);
	case OP_COUNTER:
		v[COL_COUNTERS_TAILNET] = store_int(tailnet);
		v[COL_COUNTERS_NAME] = store_text(op->u.counter.name);
		v[COL_COUNTERS_VALUE] = store_int((int64_t)op->u.counter.value);
		return store_put(s, STORE_COUNTERS, v, err);
	}
	return ST_IO;
}

static enum status commit(struct store *s, tailnet_id tailnet, const struct job *j, struct err *err)
{
	struct arena *a = arena_new();
	enum status st = store_begin(s, err);

	for (size_t i = 0; st == ST_OK && i < j->n_ops; i++) {
		st = put_op(s, a, tailnet, &j->ops[i], err);
		arena_reset(a);
	}
	if (st == ST_OK)
		st = store_commit(s, err);
	store_rollback(s);
	arena_free(&a);
	return st;
}

static void work(struct state *st, struct job *j)
{
	int64_t from = clock_mono_ns();

	switch (j->kind) {
	case JOB_COMMIT: j->status = commit(st->store, st->o.tailnet, j, &j->err); break;
	case JOB_READ:
		j->command->status = j->command->type->disk(st->store, j->command, &j->command->err);
		break;
	case JOB_LOAD: j->status = load_all(st->store, st->o.tailnet, &j->loaded, &j->err); break;
	case JOB_STOP: break;
	}
	j->took_ns = clock_mono_ns() - from;
}

static void *disk_main(void *arg)
{
	struct state *st = arg;

	for (bool stop = false; !stop;) {
		struct job *j;

		pthread_mutex_lock(&st->lock);
		while (st->jobs == NULL)
			pthread_cond_wait(&st->jobs_wake, &st->lock);
		j = st->jobs;
		st->jobs = j->next;
		if (st->jobs == NULL)
			st->jobs_last = &st->jobs;
		pthread_mutex_unlock(&st->lock);
		stop = j->kind == JOB_STOP;
		work(st, j);
		if (stop)
			free(j);
		else
			state_job_done(st, j);
	}
	return NULL;
}

void disk_post(struct state *st, struct job *j)
{
	j->next = NULL;
	pthread_mutex_lock(&st->lock);
	*st->jobs_last = j;
	st->jobs_last = &j->next;
	pthread_cond_signal(&st->jobs_wake);
	pthread_mutex_unlock(&st->lock);
}

void disk_start(struct state *st)
{
	st->jobs_last = &st->jobs;
	st->disk_runs = pthread_create(&st->disk, NULL, disk_main, st) == 0;
}

void disk_stop(struct state *st)
{
	struct job *j;

	if (!st->disk_runs)
		return;
	j = xcalloc(1, sizeof *j);
	j->kind = JOB_STOP;
	disk_post(st, j);
	pthread_join(st->disk, NULL);
	st->disk_runs = false;
}
