/* state/rows.c -- see state/rows.h. */
#include "state/rows.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/json_in.h"
#include "base/json_out.h"
#include "base/vec.h"

#define LIST_TEXT_MAX ((size_t)4 << 20)

/* ---- objects to values ------------------------------------------------------------------- */

static struct store_value time_value(int64_t ns)
{
	return ns == TIME_NONE ? store_null() : store_int(ns);
}

static struct store_value text_in(struct arena *a, const char *p, size_t n)
{
	return store_text_bytes(arena_bytes_dup(a, bytes_of(p, n)));
}

static struct store_value addr_value(struct arena *a, const struct ip_addr *ip)
{
	char text[IP_TEXT_MAX];

	return ip->family == IP_NONE ? store_null() : text_in(a, text, ip_format(ip, text));
}

static struct store_value key_value(struct arena *a, enum key_kind kind, const uint8_t b[static KEY_LEN])
{
	char text[KEY_TEXT_MAX];

	return key_bytes_are_zero(b) ? store_null() : text_in(a, text, key_text_format(kind, b, text));
}

static struct store_value blob_value(const struct shared_bytes *s)
{
	return s ? store_text_bytes(shared_bytes_view(s)) : store_null();
}

static struct store_value buf_value(struct arena *a, struct buf *b)
{
	struct store_value v = store_text_bytes(arena_bytes_dup(a, buf_bytes(b)));

	buf_release(b);
	return v;
}

static struct store_value texts_value(struct arena *a, const struct str_list *l)
{
	struct buf b;
	struct jw w;

	if (l == NULL)
		return store_null();
	buf_init(&b, LIST_TEXT_MAX);
	jw_init(&w, &b);
	jw_arr_begin(&w);
	for (uint32_t i = 0; i < l->n; i++)
		jw_str(&w, l->v[i]);
	jw_arr_end(&w);
	return buf_value(a, &b);
}

static struct store_value prefixes_value(struct arena *a, const struct prefix_list *l)
{
	char text[IP_PREFIX_TEXT_MAX];
	struct buf b;
	struct jw w;

	if (l == NULL)
		return store_null();
	buf_init(&b, LIST_TEXT_MAX);
	jw_init(&w, &b);
	jw_arr_begin(&w);
	for (uint32_t i = 0; i < l->n; i++) {
		ip_prefix_format(&l->v[i], text);
		jw_str(&w, text);
	}
	jw_arr_end(&w);
	return buf_value(a, &b);
}

/* ["1.2.3.4:41641/2", ...]: the number behind the slash is the type. */
static struct store_value endpoints_value(struct arena *a, const struct endpoint_list *l)
{
	char text[IP_TEXT_MAX];
	struct buf b;

	if (l == NULL)
		return store_null();
	buf_init(&b, LIST_TEXT_MAX);
	for (uint32_t i = 0; i < l->n; i++) {
		const char *fmt = l->v[i].addr.family == IP_V6 ? "%s\"[%s]:%u/%u\"" : "%s\"%s:%u/%u\"";

		ip_format(&l->v[i].addr, text);
		buf_printf(&b, fmt, i == 0 ? "[" : ",", text, (unsigned)l->v[i].port, (unsigned)l->v[i].type);
	}
	buf_put_char(&b, ']');
	return buf_value(a, &b);
}

void row_from_node(struct arena *a, const struct node *n, struct store_value v[static COL_NODES_COUNT])
{
	v[COL_NODES_TAILNET] = store_int(n->tailnet);
	v[COL_NODES_ID] = store_int((int64_t)n->id);
	v[COL_NODES_USER] = store_int((int64_t)n->user);
	v[COL_NODES_CREATED_BY] = store_int((int64_t)n->created_by);
	v[COL_NODES_MACHINE_KEY] = key_value(a, KEY_MACHINE, n->machine.b);
	v[COL_NODES_NODE_KEY] = key_value(a, KEY_NODE, n->key.b);
	v[COL_NODES_NL_KEY] = key_value(a, KEY_NL, n->nl_key.b);
	v[COL_NODES_KEY_EXPIRY] = time_value(n->key_expiry_ns);
	v[COL_NODES_CREATED] = time_value(n->created_ns);
	v[COL_NODES_METHOD] = store_int(n->method);
	v[COL_NODES_AUTH_KEY] = store_int((int64_t)n->auth_key);
	v[COL_NODES_EPHEMERAL] = store_int(n->ephemeral);
	v[COL_NODES_HOSTNAME] = store_text(n->hostname);
	v[COL_NODES_NAME] = store_text(n->name);
	v[COL_NODES_IP4] = addr_value(a, &n->ip4);
	v[COL_NODES_IP6] = addr_value(a, &n->ip6);
	v[COL_NODES_TAGS] = texts_value(a, n->tags);
	v[COL_NODES_ANNOUNCED] = prefixes_value(a, n->announced_routes);
	v[COL_NODES_APPROVED] = prefixes_value(a, n->approved_routes);
	v[COL_NODES_REQUEST_TAGS] = texts_value(a, n->request_tags);
	v[COL_NODES_SSH_HOST_KEYS] = texts_value(a, n->ssh_host_keys);
}

void row_from_presence(struct arena *a, const struct node *n, struct store_value v[static COL_PRESENCE_COUNT])
{
	v[COL_PRESENCE_TAILNET] = store_int(n->tailnet);
	v[COL_PRESENCE_NODE] = store_int((int64_t)n->id);
	v[COL_PRESENCE_DISCO_KEY] = key_value(a, KEY_DISCO, n->disco.b);
	v[COL_PRESENCE_ENDPOINTS] = endpoints_value(a, n->endpoints);
	v[COL_PRESENCE_HOME_DERP] = store_int(n->home_derp);
	v[COL_PRESENCE_CAP] = store_int(n->cap);
	v[COL_PRESENCE_ONLINE] = store_int(n->online);
	v[COL_PRESENCE_LAST_SEEN] = time_value(n->last_seen_ns);
	v[COL_PRESENCE_HOSTINFO] = blob_value(n->hostinfo);
	v[COL_PRESENCE_HOSTINFO_PEER] = blob_value(n->hostinfo_peer);
}

void row_from_user(const struct user *u, struct store_value v[static COL_USERS_COUNT])
{
	v[COL_USERS_TAILNET] = store_int(u->tailnet);
	v[COL_USERS_ID] = store_int((int64_t)u->id);
	v[COL_USERS_NAME] = store_text(u->name);
	v[COL_USERS_DISPLAY_NAME] = store_text(u->display_name);
	v[COL_USERS_EMAIL] = store_text(u->email);
	v[COL_USERS_PROVIDER] = store_text(u->provider);
	v[COL_USERS_PROVIDER_ID] = store_text(u->provider_id);
	v[COL_USERS_PICTURE_URL] = store_text(u->picture_url);
	v[COL_USERS_ROLE] = store_int(u->role);
	v[COL_USERS_CREATED] = time_value(u->created_ns);
}

void row_from_preauth(struct arena *a, const struct preauth_key *k, struct store_value v[static COL_PREAUTH_COUNT])
{
	v[COL_PREAUTH_TAILNET] = store_int(k->tailnet);
	v[COL_PREAUTH_ID] = store_int((int64_t)k->id);
	v[COL_PREAUTH_NAME] = store_text(k->name);
	v[COL_PREAUTH_HASH_FORM] = store_int(k->hash.form);
	v[COL_PREAUTH_HASH] = store_blob(bytes_of(k->hash.b, k->hash.n));
	v[COL_PREAUTH_USER] = store_int((int64_t)k->user);
	v[COL_PREAUTH_REUSABLE] = store_int(k->reusable);
	v[COL_PREAUTH_EPHEMERAL] = store_int(k->ephemeral);
	v[COL_PREAUTH_USED] = store_int(k->used);
	v[COL_PREAUTH_TAGS] = texts_value(a, k->tags);
	v[COL_PREAUTH_DESCRIPTION] = store_text(k->description);
	v[COL_PREAUTH_CREATED] = time_value(k->created_ns);
	v[COL_PREAUTH_EXPIRES] = time_value(k->expires_ns);
	v[COL_PREAUTH_REVOKED] = time_value(k->revoked_ns);
}

void row_from_api_key(struct arena *a, const struct api_key *k, struct store_value v[static COL_API_KEYS_COUNT])
{
	v[COL_API_KEYS_TAILNET] = store_int(k->tailnet);
	v[COL_API_KEYS_ID] = store_int((int64_t)k->id);
	v[COL_API_KEYS_KIND] = store_int(k->kind);
	v[COL_API_KEYS_NAME] = store_text(k->name);
	v[COL_API_KEYS_HASH_FORM] = store_int(k->hash.form);
	v[COL_API_KEYS_HASH] = store_blob(bytes_of(k->hash.b, k->hash.n));
	v[COL_API_KEYS_USER] = store_int((int64_t)k->user);
	v[COL_API_KEYS_PARENT] = store_int((int64_t)k->parent);
	v[COL_API_KEYS_SCOPES] = texts_value(a, k->scopes);
	v[COL_API_KEYS_TAGS] = texts_value(a, k->tags);
	v[COL_API_KEYS_DESCRIPTION] = store_text(k->description);
	v[COL_API_KEYS_CREATED] = time_value(k->created_ns);
	v[COL_API_KEYS_EXPIRES] = time_value(k->expires_ns);
	v[COL_API_KEYS_REVOKED] = time_value(k->revoked_ns);
	v[COL_API_KEYS_LAST_USED] = time_value(k->last_used_ns);
}

void row_from_pending(struct arena *a, const struct pending *p, struct store_value v[static COL_PENDING_COUNT])
{
	v[COL_PENDING_TAILNET] = store_int(p->tailnet);
	v[COL_PENDING_AUTH_ID] = store_text(p->auth_id);
	v[COL_PENDING_KIND] = store_int(p->kind);
	v[COL_PENDING_VERDICT] = store_int(p->verdict);
	v[COL_PENDING_CREATED] = time_value(p->created_ns);
	v[COL_PENDING_EXPIRES] = time_value(p->expires_ns);
	v[COL_PENDING_SOURCE] = addr_value(a, &p->source);
	v[COL_PENDING_MACHINE_KEY] = key_value(a, KEY_MACHINE, p->machine.b);
	v[COL_PENDING_NODE_KEY] = key_value(a, KEY_NODE, p->node_key.b);
	v[COL_PENDING_NL_KEY] = key_value(a, KEY_NL, p->nl_key.b);
	v[COL_PENDING_KEY_EXPIRY] = time_value(p->key_expiry_ns);
	v[COL_PENDING_CAP] = store_int(p->cap);
	v[COL_PENDING_EPHEMERAL] = store_int(p->ephemeral);
	v[COL_PENDING_HOSTINFO] = blob_value(p->hostinfo);
	v[COL_PENDING_HOSTNAME] = store_text(p->hostname);
	v[COL_PENDING_SRC] = store_int((int64_t)p->src);
	v[COL_PENDING_DST] = store_int((int64_t)p->dst);
	v[COL_PENDING_ANY_DST] = store_int(p->any_destination);
}

/* ---- values to objects ------------------------------------------------------------------- */

/* A row being read; remembers the first mistake, so that a reader checks once at the end. */
struct reader {
	const struct store_value *v;
	enum store_table table;
	enum status status;
	unsigned bad; /* column */
};

static void bad(struct reader *r, unsigned col)
{
	if (r->status == ST_OK)
		r->bad = col;
	r->status = ST_BAD_INPUT;
}

static enum status finish(const struct reader *r, struct err *err)
{
	const struct store_table_def *d = &store_tables[r->table];

	if (r->status != ST_OK && r->v[1].type == STORE_INT)
		err_set(err, "%s: the row with id %" PRId64 " has a bad %s", d->name, r->v[1].i, d->cols[r->bad]);
	else if (r->status != ST_OK)
		err_set(err, "%s: a row has a bad %s", d->name, d->cols[r->bad]);
	return r->status;
}

static int64_t get_int(struct reader *r, unsigned col)
{
	if (r->v[col].type == STORE_INT)
		return r->v[col].i;
	bad(r, col);
	return 0;
}

static uint64_t get_id(struct reader *r, unsigned col)
{
	int64_t i = get_int(r, col);

	if (i < 0 || i >= INT64_C(1) << 53)
		bad(r, col);
	return (uint64_t)i;
}

static int64_t get_time(struct reader *r, unsigned col)
{
	return r->v[col].type == STORE_NULL ? TIME_NONE : get_int(r, col);
}

static int get_enum(struct reader *r, unsigned col, int from, int to)
{
	int64_t i = get_int(r, col);

	if (i < from || i > to)
		bad(r, col);
	return (int)i;
}

/* A copy; returned. NULL gives NULL. */
static char *get_text(struct reader *r, unsigned col)
{
	const struct store_value *v = &r->v[col];

	if (v->type != STORE_TEXT || (v->b.n > 0 && memchr(v->b.p, 0, v->b.n) != NULL)) {
		bad(r, col);
		return xstrdup("");
	}
	return bytes_strdup(v->b);
}

static void get_name(struct reader *r, unsigned col, char *out, size_t cap)
{
	const struct store_value *v = &r->v[col];

	if (v->type != STORE_TEXT || v->b.n == 0 || v->b.n >= cap || memchr(v->b.p, 0, v->b.n) != NULL) {
		bad(r, col);
		return;
	}
	memcpy(out, v->b.p, v->b.n);
	out[v->b.n] = '\0';
}

static void get_key(struct reader *r, unsigned col, enum key_kind kind, uint8_t out[static KEY_LEN])
{
	const struct store_value *v = &r->v[col];

	if (v->type == STORE_NULL)
		memset(out, 0, KEY_LEN);
	else if (v->type != STORE_TEXT || key_text_parse(kind, v->b, out) != ST_OK)
		bad(r, col);
}

static void get_addr(struct reader *r, unsigned col, struct ip_addr *out)
{
	const struct store_value *v = &r->v[col];

	if (v->type == STORE_NULL)
		return;
	if (v->type != STORE_TEXT || ip_parse(v->b, out) != ST_OK)
		bad(r, col);
}

static struct shared_bytes *get_blob(struct reader *r, unsigned col)
{
	if (r->v[col].type == STORE_NULL)
		return NULL;
	if (r->v[col].type != STORE_TEXT)
		bad(r, col);
	return shared_bytes_new(r->v[col].b);
}

static void get_hash(struct reader *r, unsigned form_col, unsigned col, struct secret_hash *out)
{
	const struct store_value *v = &r->v[col];

	out->form = (enum secret_form)get_enum(r, form_col, SECRET_SHA256, SECRET_ARGON2ID);
	if (v->type != STORE_BLOB || v->b.n == 0 || v->b.n > SECRET_HASH_MAX) {
		bad(r, col);
		return;
	}
	out->n = (uint8_t)v->b.n;
	memcpy(out->b, v->b.p, v->b.n);
}

/* The JSON array of a column; NULL (with n 0) if the column is NULL or wrong. */
static struct json_object *get_array(struct reader *r, unsigned col, size_t *n_out)
{
	struct json_object *o = NULL;

	*n_out = 0;
	if (r->v[col].type == STORE_NULL)
		return NULL;
	if (r->v[col].type != STORE_TEXT || json_parse(r->v[col].b, LIST_TEXT_MAX, &o, NULL) != ST_OK ||
	    !json_object_is_type(o, json_type_array)) {
		bad(r, col);
		json_object_put(o);
		return NULL;
	}
	*n_out = json_object_array_length(o);
	return o;
}

static const char *array_text(struct json_object *o, size_t i)
{
	struct json_object *e = json_object_array_get_idx(o, i);

	return json_object_is_type(e, json_type_string) ? json_object_get_string(e) : "";
}

static struct str_list *get_texts(struct reader *r, unsigned col)
{
	struct str_list *l;
	size_t n;
	struct json_object *o = get_array(r, col, &n);
	const char **v = xcalloc(n + 1, sizeof *v);

	for (size_t i = 0; i < n; i++)
		v[i] = array_text(o, i);
	l = str_list_new(v, n);
	free(v);
	json_object_put(o);
	return l;
}

static struct prefix_list *get_prefixes(struct reader *r, unsigned col)
{
	struct prefix_list *l;
	size_t n;
	struct json_object *o = get_array(r, col, &n);
	struct ip_prefix *v = xcalloc(n + 1, sizeof *v);

	for (size_t i = 0; i < n; i++)
		if (ip_prefix_parse(bytes_of_str(array_text(o, i)), &v[i]) != ST_OK)
			bad(r, col);
	l = prefix_list_new(v, n);
	free(v);
	json_object_put(o);
	return l;
}

static bool number_at(const char *p, unsigned max, unsigned *out)
{
	unsigned v = 0;

	if (*p == '\0')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (unsigned)(*p - '0');
		if (v > max)
			return false;
	}
	*out = v;
	return *p == '\0' || *p == '/';
}

static bool endpoint_parse(const char *t, struct endpoint *out)
{
	const char *slash = strrchr(t, '/'), *colon = strrchr(t, ':');
	unsigned port, type;
	struct bytes host;

	if (slash == NULL || colon == NULL || colon > slash || !number_at(colon + 1, 65535, &port) ||
	    !number_at(slash + 1, 255, &type))
		return false;
	host = bytes_of(t, (size_t)(colon - t));
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = bytes_of(host.p + 1, host.n - 2);
	out->port = (uint16_t)port;
	out->type = (uint8_t)type;
	return ip_parse(host, &out->addr) == ST_OK;
}

static struct endpoint_list *get_endpoints(struct reader *r, unsigned col)
{
	struct endpoint_list *l;
	size_t n;
	struct json_object *o = get_array(r, col, &n);
	struct endpoint *v = xcalloc(n + 1, sizeof *v);

	for (size_t i = 0; i < n; i++)
		if (!endpoint_parse(array_text(o, i), &v[i]))
			bad(r, col);
	l = endpoint_list_new(v, n);
	free(v);
	json_object_put(o);
	return l;
}

enum status row_to_node(const struct store_value *v, struct node **out, struct err *err)
{
	struct reader r = { v, STORE_NODES, ST_OK, 0 };
	struct node *n = node_new();

	n->tailnet = (tailnet_id)get_id(&r, COL_NODES_TAILNET);
	n->id = get_id(&r, COL_NODES_ID);
	n->user = get_id(&r, COL_NODES_USER);
	n->created_by = get_id(&r, COL_NODES_CREATED_BY);
	get_key(&r, COL_NODES_MACHINE_KEY, KEY_MACHINE, n->machine.b);
	get_key(&r, COL_NODES_NODE_KEY, KEY_NODE, n->key.b);
	get_key(&r, COL_NODES_NL_KEY, KEY_NL, n->nl_key.b);
	n->key_expiry_ns = get_time(&r, COL_NODES_KEY_EXPIRY);
	n->created_ns = get_time(&r, COL_NODES_CREATED);
	n->method = (enum register_method)get_enum(&r, COL_NODES_METHOD, REGISTER_AUTHKEY, REGISTER_OIDC);
	n->auth_key = get_id(&r, COL_NODES_AUTH_KEY);
	n->ephemeral = get_int(&r, COL_NODES_EPHEMERAL) != 0;
	n->hostname = get_text(&r, COL_NODES_HOSTNAME);
	n->name = get_text(&r, COL_NODES_NAME);
	get_addr(&r, COL_NODES_IP4, &n->ip4);
	get_addr(&r, COL_NODES_IP6, &n->ip6);
	n->tags = get_texts(&r, COL_NODES_TAGS);
	n->announced_routes = get_prefixes(&r, COL_NODES_ANNOUNCED);
	n->approved_routes = get_prefixes(&r, COL_NODES_APPROVED);
	n->request_tags = get_texts(&r, COL_NODES_REQUEST_TAGS);
	n->ssh_host_keys = get_texts(&r, COL_NODES_SSH_HOST_KEYS);
	if (n->id == 0)
		bad(&r, COL_NODES_ID);
	if (node_key_is_zero(&n->key))
		bad(&r, COL_NODES_NODE_KEY);
	if (finish(&r, err) == ST_OK)
		*out = n;
	else
		node_unref(&n);
	return r.status;
}

enum status row_to_presence(const struct store_value *v, struct node *n, struct err *err)
{
	struct reader r = { v, STORE_PRESENCE, ST_OK, 0 };

	get_key(&r, COL_PRESENCE_DISCO_KEY, KEY_DISCO, n->disco.b);
	endpoint_list_unref(&n->endpoints);
	n->endpoints = get_endpoints(&r, COL_PRESENCE_ENDPOINTS);
	n->home_derp = (uint32_t)get_id(&r, COL_PRESENCE_HOME_DERP);
	n->cap = (uint32_t)get_id(&r, COL_PRESENCE_CAP);
	n->online = get_int(&r, COL_PRESENCE_ONLINE) != 0;
	n->last_seen_ns = get_time(&r, COL_PRESENCE_LAST_SEEN);
	shared_bytes_unref(&n->hostinfo);
	shared_bytes_unref(&n->hostinfo_peer);
	n->hostinfo = get_blob(&r, COL_PRESENCE_HOSTINFO);
	n->hostinfo_peer = get_blob(&r, COL_PRESENCE_HOSTINFO_PEER);
	return finish(&r, err);
}

enum status row_to_user(const struct store_value *v, struct user **out, struct err *err)
{
	struct reader r = { v, STORE_USERS, ST_OK, 0 };
	struct user *u = user_new();
	char **text[] = { &u->name, &u->display_name, &u->email, &u->provider, &u->provider_id, &u->picture_url };

	u->tailnet = (tailnet_id)get_id(&r, COL_USERS_TAILNET);
	u->id = get_id(&r, COL_USERS_ID);
	for (unsigned i = 0; i < 6; i++) {
		free(*text[i]);
		*text[i] = get_text(&r, COL_USERS_NAME + i);
	}
	u->role = (enum user_role)get_enum(&r, COL_USERS_ROLE, ROLE_MEMBER, ROLE_AUDITOR);
	u->created_ns = get_time(&r, COL_USERS_CREATED);
	if (u->id == 0)
		bad(&r, COL_USERS_ID);
	if (finish(&r, err) == ST_OK)
		*out = u;
	else
		user_unref(&u);
	return r.status;
}

enum status row_to_preauth(const struct store_value *v, struct preauth_key **out, struct err *err)
{
	struct reader r = { v, STORE_PREAUTH, ST_OK, 0 };
	struct preauth_key *k = preauth_key_new();

	k->tailnet = (tailnet_id)get_id(&r, COL_PREAUTH_TAILNET);
	k->id = get_id(&r, COL_PREAUTH_ID);
	get_name(&r, COL_PREAUTH_NAME, k->name, sizeof k->name);
	get_hash(&r, COL_PREAUTH_HASH_FORM, COL_PREAUTH_HASH, &k->hash);
	k->user = get_id(&r, COL_PREAUTH_USER);
	k->reusable = get_int(&r, COL_PREAUTH_REUSABLE) != 0;
	k->ephemeral = get_int(&r, COL_PREAUTH_EPHEMERAL) != 0;
	k->used = get_int(&r, COL_PREAUTH_USED) != 0;
	k->tags = get_texts(&r, COL_PREAUTH_TAGS);
	free(k->description);
	k->description = get_text(&r, COL_PREAUTH_DESCRIPTION);
	k->created_ns = get_time(&r, COL_PREAUTH_CREATED);
	k->expires_ns = get_time(&r, COL_PREAUTH_EXPIRES);
	k->revoked_ns = get_time(&r, COL_PREAUTH_REVOKED);
	if (finish(&r, err) == ST_OK)
		*out = k;
	else
		preauth_key_unref(&k);
	return r.status;
}

enum status row_to_api_key(const struct store_value *v, struct api_key **out, struct err *err)
{
	struct reader r = { v, STORE_API_KEYS, ST_OK, 0 };
	struct api_key *k = api_key_new();

	k->tailnet = (tailnet_id)get_id(&r, COL_API_KEYS_TAILNET);
	k->id = get_id(&r, COL_API_KEYS_ID);
	k->kind = (enum api_key_kind)get_enum(&r, COL_API_KEYS_KIND, API_KEY, API_TOKEN);
	get_name(&r, COL_API_KEYS_NAME, k->name, sizeof k->name);
	get_hash(&r, COL_API_KEYS_HASH_FORM, COL_API_KEYS_HASH, &k->hash);
	k->user = get_id(&r, COL_API_KEYS_USER);
	k->parent = get_id(&r, COL_API_KEYS_PARENT);
	k->scopes = get_texts(&r, COL_API_KEYS_SCOPES);
	k->tags = get_texts(&r, COL_API_KEYS_TAGS);
	free(k->description);
	k->description = get_text(&r, COL_API_KEYS_DESCRIPTION);
	k->created_ns = get_time(&r, COL_API_KEYS_CREATED);
	k->expires_ns = get_time(&r, COL_API_KEYS_EXPIRES);
	k->revoked_ns = get_time(&r, COL_API_KEYS_REVOKED);
	k->last_used_ns = get_time(&r, COL_API_KEYS_LAST_USED);
	if (finish(&r, err) == ST_OK)
		*out = k;
	else
		api_key_unref(&k);
	return r.status;
}

enum status row_to_pending(const struct store_value *v, struct pending **out, struct err *err)
{
	struct reader r = { v, STORE_PENDING, ST_OK, 0 };
	struct pending *p = pending_new();

	p->tailnet = (tailnet_id)get_id(&r, COL_PENDING_TAILNET);
	get_name(&r, COL_PENDING_AUTH_ID, p->auth_id, sizeof p->auth_id);
	p->kind = (enum pending_kind)get_enum(&r, COL_PENDING_KIND, PENDING_LOGIN, PENDING_SSH);
	p->verdict = (enum pending_verdict)get_enum(&r, COL_PENDING_VERDICT, VERDICT_OPEN, VERDICT_REJECTED);
	p->created_ns = get_time(&r, COL_PENDING_CREATED);
	p->expires_ns = get_time(&r, COL_PENDING_EXPIRES);
	get_addr(&r, COL_PENDING_SOURCE, &p->source);
	get_key(&r, COL_PENDING_MACHINE_KEY, KEY_MACHINE, p->machine.b);
	get_key(&r, COL_PENDING_NODE_KEY, KEY_NODE, p->node_key.b);
	get_key(&r, COL_PENDING_NL_KEY, KEY_NL, p->nl_key.b);
	p->key_expiry_ns = get_time(&r, COL_PENDING_KEY_EXPIRY);
	p->cap = (uint32_t)get_id(&r, COL_PENDING_CAP);
	p->ephemeral = get_int(&r, COL_PENDING_EPHEMERAL) != 0;
	p->hostinfo = get_blob(&r, COL_PENDING_HOSTINFO);
	free(p->hostname);
	p->hostname = get_text(&r, COL_PENDING_HOSTNAME);
	p->src = get_id(&r, COL_PENDING_SRC);
	p->dst = get_id(&r, COL_PENDING_DST);
	p->any_destination = get_int(&r, COL_PENDING_ANY_DST) != 0;
	if (finish(&r, err) == ST_OK)
		*out = p;
	else
		pending_unref(&p);
	return r.status;
}
