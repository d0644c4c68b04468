/* proto/register.c -- see proto/register.h. */
#include "proto/register.h"

#include "base/json_in.h"
#include "base/json_out.h"
#include "proto/read.h"

static enum status read_auth(struct json_object *o, struct arena *a, struct register_request *out, struct err *err)
{
	struct json_object *auth = NULL;
	const char *text = NULL;
	enum status s = json_get_obj(o, "Auth", &auth, err);

	if (s != ST_OK || auth == NULL)
		return s;
	s = json_get_str(auth, "AuthKey", &text, err);
	if (s == ST_OK && text != NULL)
		out->auth_key = arena_bytes_dup(a, bytes_of_str(text));
	return s;
}

static enum status read_members(struct json_object *o, struct arena *a, struct register_request *out, struct err *err)
{
	const char *followup = "", *tailnet = "";
	int64_t version = 0;
	enum status s;

	out->expiry_ns = TIME_NONE;
	s = json_get_i64(o, "Version", &version, err);
	if (s == ST_OK)
		s = read_key(o, "NodeKey", KEY_NODE, out->node_key.b, err);
	if (s == ST_OK)
		s = read_key(o, "OldNodeKey", KEY_NODE, out->old_node_key.b, err);
	if (s == ST_OK)
		s = read_key(o, "NLKey", KEY_NL, out->nl_key.b, err);
	if (s == ST_OK)
		s = read_auth(o, a, out, err);
	if (s == ST_OK)
		s = json_get_time(o, "Expiry", &out->expiry_ns, err);
	if (s == ST_OK)
		s = json_get_str(o, "Followup", &followup, err);
	if (s == ST_OK)
		s = json_get_str(o, "Tailnet", &tailnet, err);
	if (s == ST_OK)
		s = json_get_bool(o, "Ephemeral", &out->ephemeral, err);
	if (s == ST_OK)
		s = read_object_text(o, "Hostinfo", a, &out->hostinfo, err);
	if (s != ST_OK)
		return s;
	out->version = version > 0 && version < UINT32_MAX ? (uint32_t)version : 0;
	out->followup = arena_strdup(a, followup);
	out->tailnet = arena_strdup(a, tailnet);
	if (node_key_is_zero(&out->node_key)) {
		err_set(err, "NodeKey is missing");
		return ST_BAD_INPUT;
	}
	return ST_OK;
}

enum status register_request_parse(struct bytes in, struct arena *a, struct register_request *out, struct err *err)
{
	struct register_request r = { 0 };
	struct json_object *o = NULL;
	enum status s = read_root(in, REGISTER_REQUEST_MAX, &o, err);

	if (s != ST_OK)
		return s;
	s = read_members(o, a, &r, err);
	json_object_put(o);
	if (s == ST_OK)
		*out = r;
	return s;
}

static void put_text_if(struct jw *w, const char *name, const char *text)
{
	if (text != NULL && text[0] != '\0')
		jw_kstr(w, name, text);
}

void register_response_encode(const struct register_response *r, struct buf *out)
{
	struct jw w;

	jw_init(&w, out);
	jw_obj_begin(&w);
	jw_key(&w, "User");
	jw_obj_begin(&w);
	jw_ku64(&w, "ID", r->user_id);
	jw_kstr(&w, "DisplayName", r->display_name);
	put_text_if(&w, "ProfilePicURL", r->picture_url);
	if (r->user_id != 0 && r->user_created_ns != TIME_NONE)
		jw_ktime(&w, "Created", r->user_created_ns);
	jw_obj_end(&w);
	jw_key(&w, "Login");
	jw_obj_begin(&w);
	jw_ku64(&w, "ID", r->user_id);
	jw_kstr(&w, "Provider", r->provider);
	jw_kstr(&w, "LoginName", r->login_name);
	jw_kstr(&w, "DisplayName", r->display_name);
	put_text_if(&w, "ProfilePicURL", r->picture_url);
	jw_obj_end(&w);
	jw_kbool(&w, "NodeKeyExpired", r->node_key_expired);
	jw_kbool(&w, "MachineAuthorized", r->machine_authorized);
	jw_kstr(&w, "AuthURL", r->auth_url);
	jw_key(&w, "NodeKeySignature");
	jw_null(&w);
	jw_kstr(&w, "Error", r->error);
	jw_obj_end(&w);
}
