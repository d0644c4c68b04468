/*
 * derp/login.c -- see derp/login.h.
 *
 * Members of the JSON are found without regard to case, as servers have always done. What is sealed is read with the
 * same strictness as anything else: whoever holds a node key is still a stranger.
 */
#include "derp/login.h"

#include "base/json_in.h"
#include "base/json_out.h"
#include "crypto/box.h"
#include "crypto/secret.h"
#include "derp/json_names.h"

enum status derp_mesh_key_parse(struct bytes text, struct derp_mesh_key *out)
{
	while (text.n && (*text.p == ' ' || *text.p == '\t' || *text.p == '\n' || *text.p == '\r'))
		text = bytes_skip(text, 1);
	while (text.n && strchr(" \t\r\n", text.p[text.n - 1]))
		text.n--;
	return hex_decode(text, out->b, sizeof out->b);
}

bool derp_mesh_key_eq(const struct derp_mesh_key *a, const struct derp_mesh_key *b)
{
	/* All three are always looked at: the time taken does not tell which one failed. */
	unsigned same = secret_equal(bytes_of(a->b, sizeof a->b), bytes_of(b->b, sizeof b->b));
	unsigned none = (unsigned)secret_is_zero(a->b, sizeof a->b) | (unsigned)secret_is_zero(b->b, sizeof b->b);

	return (same & ~none & 1u) != 0;
}

static struct json_object *member(struct json_object *o, const char *name, enum json_type type, bool *bad)
{
	struct json_object *found = json_member_any_case(o, name);

	if (found && !json_object_is_type(found, type)) {
		*bad = true;
		return NULL;
	}
	return found;
}

static bool read_app(struct json_object *v, struct derp_client_info *out)
{
	size_t n = v ? (size_t)json_object_get_string_len(v) : 0;
	const char *s = v ? json_object_get_string(v) : "";

	if (n > DERP_APP_NAME_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] < 0x20 || s[i] > 0x7e)
			return false;
	memcpy(out->app, s, n);
	out->app[n] = '\0';
	out->app_len = (uint8_t)n;
	return true;
}

static bool read_mesh(struct json_object *v, struct derp_client_info *out)
{
	struct bytes text;

	if (!v)
		return true;
	text = bytes_of(json_object_get_string(v), (size_t)json_object_get_string_len(v));
	return text.n == 0 || hex_decode(text, out->mesh.b, sizeof out->mesh.b) == ST_OK;
}

static enum status client_info_read(struct bytes json, struct derp_client_info *out)
{
	struct json_object *o = NULL, *v;
	bool bad = false;

	if (json_parse(json, DERP_CLIENT_INFO_MAX, &o, NULL) != ST_OK)
		return ST_BAD_INPUT;
	if (!json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return ST_BAD_INPUT;
	}
	v = member(o, "version", json_type_int, &bad);
	out->version = v ? json_object_get_int64(v) : 0;
	v = member(o, "CanAckPings", json_type_boolean, &bad);
	out->can_ack_pings = v && json_object_get_boolean(v);
	v = member(o, "IsProber", json_type_boolean, &bad);
	out->is_prober = v && json_object_get_boolean(v);
	if (!read_mesh(member(o, "meshKey", json_type_string, &bad), out) ||
	    !read_app(member(o, "AppName", json_type_string, &bad), out))
		bad = true;
	json_object_put(o);
	return bad ? ST_BAD_INPUT : ST_OK;
}

enum status derp_client_info_open(struct bytes payload, const struct node_private *server, struct derp_client_info *out)
{
	struct derp_client_info info = { 0 };
	uint8_t plain[DERP_CLIENT_INFO_MAX];
	struct bytes sealed;
	enum status s;

	if (payload.n < KEY_LEN + BOX_OVERHEAD || payload.n > DERP_CLIENT_INFO_MAX)
		return ST_BAD_INPUT;
	memcpy(info.key.b, payload.p, KEY_LEN);
	if (node_key_is_zero(&info.key))
		return ST_BAD_INPUT;
	sealed = bytes_skip(payload, KEY_LEN);
	s = box_open(server, &info.key, sealed, plain);
	if (s == ST_OK)
		s = client_info_read(bytes_of(plain, sealed.n - BOX_OVERHEAD), &info);
	if (s == ST_OK)
		*out = info;
	secret_wipe(plain, sizeof plain);
	secret_wipe(&info.mesh, sizeof info.mesh);
	return s == ST_OK ? ST_OK : ST_BAD_INPUT;
}

/* header, prefix, and the box of `json`, onto out */
static enum status seal_frame(enum derp_frame_type type, struct bytes prefix, const struct node_private *from,
                              const struct node_key *to, struct buf *json, struct buf *out)
{
	size_t len = prefix.n + BOX_OVERHEAD + json->n;
	uint8_t *p = buf_ok(json) ? buf_reserve(out, DERP_HEADER_LEN + len) : NULL;
	enum status s;

	if (!p)
		return ST_TOO_BIG;
	derp_header_put(p, type, (uint32_t)len);
	if (prefix.n)
		memcpy(p + DERP_HEADER_LEN, prefix.p, prefix.n);
	s = box_seal(from, to, buf_bytes(json), p + DERP_HEADER_LEN + prefix.n);
	if (s == ST_OK)
		out->n += DERP_HEADER_LEN + len;
	return s;
}

enum status derp_client_info_seal(const struct derp_client_info *info, const struct node_private *client,
                                  const struct node_key *server, struct buf *out)
{
	struct node_key key = node_private_public(client);
	char hex[2 * sizeof info->mesh.b + 1];
	struct buf json;
	struct jw w;
	enum status s;

	buf_init(&json, DERP_CLIENT_INFO_MAX);
	jw_init(&w, &json);
	jw_obj_begin(&w);
	if (!secret_is_zero(info->mesh.b, sizeof info->mesh.b)) {
		hex_encode(bytes_of(info->mesh.b, sizeof info->mesh.b), hex);
		jw_kstr(&w, "meshKey", hex);
		secret_wipe(hex, sizeof hex);
	}
	jw_ki64(&w, "version", info->version);
	jw_kbool(&w, "CanAckPings", info->can_ack_pings);
	if (info->is_prober)
		jw_kbool(&w, "IsProber", true);
	if (info->app_len)
		jw_kstr(&w, "AppName", info->app);
	jw_obj_end(&w);
	s = seal_frame(DERP_CLIENT_INFO, bytes_of(key.b, sizeof key.b), client, server, &json, out);
	if (json.p)
		secret_wipe(json.p, json.cap);
	buf_release(&json);
	return s;
}

enum status derp_server_info_seal(const struct derp_server_info *info, const struct node_private *server,
                                  const struct node_key *client, struct buf *out)
{
	struct buf json;
	struct jw w;
	enum status s;

	buf_init(&json, 256);
	jw_init(&w, &json);
	jw_obj_begin(&w);
	if (info->version)
		jw_ki64(&w, "version", info->version);
	if (info->bytes_per_s)
		jw_ki64(&w, "TokenBucketBytesPerSecond", info->bytes_per_s);
	if (info->burst)
		jw_ki64(&w, "TokenBucketBytesBurst", info->burst);
	jw_obj_end(&w);
	s = seal_frame(DERP_SERVER_INFO, (struct bytes){ 0 }, server, client, &json, out);
	buf_release(&json);
	return s;
}

static enum status server_info_read(struct bytes json, struct derp_server_info *out)
{
	struct json_object *o = NULL, *v;
	bool bad = false;

	if (json_parse(json, 4096, &o, NULL) != ST_OK)
		return ST_BAD_INPUT;
	if (!json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return ST_BAD_INPUT;
	}
	v = member(o, "version", json_type_int, &bad);
	out->version = v ? json_object_get_int64(v) : 0;
	v = member(o, "TokenBucketBytesPerSecond", json_type_int, &bad);
	out->bytes_per_s = v ? json_object_get_int64(v) : 0;
	v = member(o, "TokenBucketBytesBurst", json_type_int, &bad);
	out->burst = v ? json_object_get_int64(v) : 0;
	json_object_put(o);
	return bad ? ST_BAD_INPUT : ST_OK;
}

enum status derp_server_info_open(struct bytes payload, const struct node_private *client,
                                  const struct node_key *server, struct derp_server_info *out)
{
	struct derp_server_info info = { 0 };
	uint8_t plain[4096];

	if (payload.n < BOX_OVERHEAD || payload.n > sizeof plain ||
	    box_open(client, server, payload, plain) != ST_OK ||
	    server_info_read(bytes_of(plain, payload.n - BOX_OVERHEAD), &info) != ST_OK)
		return ST_BAD_INPUT;
	*out = info;
	return ST_OK;
}

enum status derp_server_key_parse(struct bytes payload, struct node_key *out)
{
	if (payload.n < DERP_MAGIC_LEN + KEY_LEN || memcmp(payload.p, "DERP\xf0\x9f\x94\x91", DERP_MAGIC_LEN) != 0)
		return ST_BAD_INPUT;
	memcpy(out->b, payload.p + DERP_MAGIC_LEN, KEY_LEN);
	return ST_OK;
}
