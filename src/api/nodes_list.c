/*
 * api/nodes_list.c -- GET /api/v1/node.
 *
 * A list of ten thousand nodes is written in pieces, one a turn, so that maps on the same loop do not wait for it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api/api_priv.h"
#include "api/list.h"
#include "base/random.h"
#include "base/vec.h"

#define NODES_PER_TURN 256

struct filter {
	user_id user; /* 0: all */
	const char *tag, *name;
	struct ip_addr ip; /* IP_NONE: any */
	enum api_wish online, expired;
};

struct list_job {
	struct http_req *req; /* NULL: the reader went away */
	struct snapshot *snap;
	struct preauth_key **keys; /* sorted by id */
	size_t n_keys;
	VEC(const void *) nodes;   /* struct node, of the snapshot */
	size_t at, end;
	struct api_out out;
};

static void list_free(struct list_job *j)
{
	for (size_t i = 0; i < j->n_keys; i++)
		preauth_key_unref(&j->keys[i]);
	free(j->keys);
	vec_release(&j->nodes);
	snapshot_unref(&j->snap);
	buf_release(&j->out.b);
	free(j);
}

static int by_id(const void *key, const void *elem)
{
	const key_id *id = key;
	struct preauth_key *const *k = elem;

	return *id < (*k)->id ? -1 : *id > (*k)->id;
}

static const struct preauth_key *key_of(const struct list_job *j, key_id id)
{
	struct preauth_key **k =
		id != 0 && j->n_keys > 0 ? bsearch(&id, j->keys, j->n_keys, sizeof *j->keys, by_id) : NULL;

	return k != NULL ? *k : NULL;
}

/* ---- which, and in what order ---- */

static bool wanted(const struct filter *f, const struct node *n, int64_t now_ns)
{
	if (f->user != 0 && (node_is_tagged(n) || n->user != f->user))
		return false;
	if (f->tag != NULL && !str_list_has(n->tags, f->tag))
		return false;
	if (f->name != NULL && !api_like(f->name, n->name) && !api_like(f->name, n->hostname))
		return false;
	if (f->ip.family != IP_NONE && !ip_eq(&f->ip, &n->ip4) && !ip_eq(&f->ip, &n->ip6))
		return false;
	return api_wish_fits(f->online, n->online) && api_wish_fits(f->expired, node_expired(n, now_ns));
}

static int compare_time(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_number(const void *a, const void *b)
{
	return ((const struct node *)a)->id < ((const struct node *)b)->id ? -1 : 1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->name, ((const struct node *)b)->name);
}

static int by_hostname(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->hostname, ((const struct node *)b)->hostname);
}

static int by_created(const void *a, const void *b)
{
	return compare_time(((const struct node *)a)->created_ns, ((const struct node *)b)->created_ns);
}

static int by_seen(const void *a, const void *b)
{
	return compare_time(((const struct node *)a)->last_seen_ns, ((const struct node *)b)->last_seen_ns);
}

static int by_expiry(const void *a, const void *b)
{
	return compare_time(((const struct node *)a)->key_expiry_ns, ((const struct node *)b)->key_expiry_ns);
}

static const struct api_sort sorts[] = { { "id", by_number },	 { "givenName", by_name }, { "name", by_hostname }, { "createdAt", by_created },
					 { "lastSeen", by_seen }, { "expiry", by_expiry },  { NULL, NULL } };

static bool parse_filter(struct http_req *r, const struct snapshot *s, struct filter *f)
{
	const char *user = api_given(r, "user"), *ip = api_given(r, "ip");

	*f = (struct filter){ .tag = api_given(r, "tag"), .name = api_given(r, "name") };
	if (user != NULL) {
		const struct user *u = snapshot_user_by_name(s, user);

		if (u == NULL) {
			api_problem(r, 404, "listing nodes", "user not found", "query.user");
			return false;
		}
		f->user = u->id;
	}
	if (ip != NULL && ip_parse(bytes_of_str(ip), &f->ip) != ST_OK) {
		api_problem(r, 422, "validation failed", "expected an IP address", "query.ip");
		return false;
	}
	return api_wish_parse(r, "online", &f->online) && api_wish_parse(r, "expired", &f->expired);
}

static void collect(struct list_job *j, const struct filter *f)
{
	int64_t now_ns = clock_unix_ns();

	for (size_t i = 0; i < j->snap->n_pages; i++) {
		const struct page *p = j->snap->pages[i];

		for (size_t k = 0; k < PAGE_SLOTS; k++)
			if (((p->used >> k) & 1) && wanted(f, p->slot[k].node, now_ns))
				vec_push(&j->nodes, p->slot[k].node);
	}
}

/* ---- has it changed? ---- */

/* The snapshot's number says it of the nodes; keys are not in it. Numbers begin anew with the process. */
static const char *tag_of(const struct list_job *j)
{
	static _Atomic uint64_t process;
	uint64_t none = 0, parts[3] = { 0, j->snap->seq, j->n_keys };
	char text[17];

	if (process == 0)
		atomic_compare_exchange_strong(&process, &none, random_u64() | 1);
	parts[0] = process;
	for (size_t i = 0; i < j->n_keys; i++) {
		const struct preauth_key *k = j->keys[i];

		const uint64_t facts[3] = { k->id, k->used, (uint64_t)k->expires_ns };

		parts[2] = bytes_hash(parts[2], bytes_of(facts, sizeof facts));
	}
	api_tag_of(bytes_of(parts, sizeof parts), text);
	return arena_strdup(j->req->arena, text);
}

/* ---- writing ---- */

static void list_step(void *arg)
{
	struct list_job *j = arg;
	size_t stop = j->at + NODES_PER_TURN < j->end ? j->at + NODES_PER_TURN : j->end;

	if (j->req == NULL) {
		list_free(j);
		return;
	}
	for (; j->at < stop; j->at++) {
		const struct node *n = j->nodes.v[j->at];

		api_put_node(&j->out.w, j->snap, n, key_of(j, n->auth_key));
	}
	if (j->at == j->end) {
		jw_arr_end(&j->out.w);
		jw_obj_end(&j->out.w);
		buf_put_char(&j->out.b, '\n');
	}
	http_resp_write(j->req, buf_bytes(&j->out.b));
	buf_reset(&j->out.b);
	if (j->at < j->end) {
		loop_post(j->req->loop, list_step, j);
		return;
	}
	http_resp_end(j->req);
	list_free(j);
}

static void list_cancelled(void *arg, struct http_req *r)
{
	struct list_job *j = arg;

	(void)r;
	j->req = NULL;
}

/* True: the head of the answer has been sent, the rest is list_step()'s. */
static bool begin(struct list_job *j)
{
	struct http_req *r = j->req;
	struct api_list how;
	struct filter f;
	size_t n;

	if (!api_list_parse(r, sorts, &how) || !parse_filter(r, j->snap, &f))
		return false;
	/* What is expired depends on the hour, not on the snapshot alone. */
	if (f.expired == API_ANY && api_etag(r, tag_of(j)))
		return false;
	collect(j, &f);
	api_list_cut(r, &how, j->nodes.v, j->nodes.n, &j->at, &n);
	j->end = j->at + n;
	http_on_cancel(r, list_cancelled, j);
	http_resp_header(r, "Content-Type", "application/json");
	http_resp_start(r, 200);
	jw_obj_begin(&j->out.w);
	jw_key(&j->out.w, "nodes");
	jw_arr_begin(&j->out.w);
	return true;
}

/* The pre-auth keys have come. */
static void list_start(struct api_op *op)
{
	struct list_job *j = xcalloc(1, sizeof *j);

	j->req = op->req;
	j->snap = snapshot_ref(api_snapshot(op->api, op->loop));
	j->keys = op->preauths;
	j->n_keys = op->n;
	op->preauths = NULL;
	op->n = 0;
	api_out_init(&j->out);
	if (begin(j))
		list_step(j);
	else
		list_free(j);
}

void api_nodes_list(void *arg, struct http_req *r)
{
	struct api *a = arg;
	struct err e = { 0 };
	struct api_op *op = api_op_new(a, r, "listing nodes", list_start);

	api_op_submitted(op, state_preauth_list(a->state, api_op_done, op, &e), &e);
}
