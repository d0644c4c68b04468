/* proto/register.c -- see proto/register.h. */
#include "proto/register.h"

#include "base/json_in.h"
#include "base/json_out.h"
#include "base/vec.h"
#include "proto/proto_priv.h"

#define TAILNET_TEXT_MAX 512

static enum status read_auth(struct json_object *o, struct arena *a, struct register_request *r, struct err *err)
{
	struct json_object *auth = NULL;
	const char *key = "";
	enum status s = json_get_obj(o, "Auth", &auth, err);

	if (s != ST_OK || auth == NULL)
		return s;
	s = proto_text(auth, "AuthKey", REGISTER_AUTH_KEY_MAX, a, &key, err);
	r->auth_key = bytes_of_str(key);
	if (s != ST_OK)
		err_prefix(err, "Auth");
	return s;
}

static enum status read_signature(struct json_object *o, struct arena *a, struct register_request *r, struct err *err)
{
	const char *text = "";
	enum status s = proto_text(o, "NodeKeySignature", BASE64_LEN(REGISTER_SIGNATURE_MAX), a, &text, err);
	size_t n = strlen(text);
	uint8_t *raw;

	if (s != ST_OK || n == 0)
		return s;
	raw = arena_alloc(a, n / 4 * 3 + 3);
	if (base64_decode(bytes_of(text, n), raw, &n) != ST_OK) {
		err_set(err, "NodeKeySignature is no base64");
		return ST_BAD_INPUT;
	}
	r->node_key_signature = bytes_of(raw, n);
	return ST_OK;
}

static enum status read_members(struct json_object *o, struct arena *a, struct register_request *r, struct err *err)
{
	enum status s;

	if ((s = proto_version(o, "Version", &r->version, err)) != ST_OK ||
	    (s = proto_key(o, "NodeKey", KEY_NODE, r->node_key.b, err)) != ST_OK ||
	    (s = proto_key(o, "OldNodeKey", KEY_NODE, r->old_node_key.b, err)) != ST_OK ||
	    (s = proto_key(o, "NLKey", KEY_NL, r->nl_key.b, err)) != ST_OK || (s = read_auth(o, a, r, err)) != ST_OK ||
	    (s = json_get_time(o, "Expiry", &r->expiry_ns, err)) != ST_OK ||
	    (s = proto_text(o, "Followup", REGISTER_FOLLOWUP_MAX, a, &r->followup, err)) != ST_OK ||
	    (s = proto_raw_object(o, "Hostinfo", a, &r->hostinfo, err)) != ST_OK ||
	    (s = json_get_bool(o, "Ephemeral", &r->ephemeral, err)) != ST_OK ||
	    (s = read_signature(o, a, r, err)) != ST_OK)
		return s;
	return proto_text(o, "Tailnet", TAILNET_TEXT_MAX, a, &r->tailnet, err);
}

enum status register_request_parse(struct bytes body, struct arena *a, struct register_request *out, struct err *err)
{
	struct register_request r = { .expiry_ns = TIME_NONE, .followup = "", .tailnet = "" };
	struct json_object *o = NULL;
	enum status s = proto_object(body, REGISTER_REQUEST_MAX, &o, err);

	if (s == ST_OK)
		s = read_members(o, a, &r, err);
	if (s == ST_OK && node_key_is_zero(&r.node_key)) {
		err_set(err, "NodeKey is missing or zero");
		s = ST_BAD_INPUT;
	}
	json_object_put(o);
	if (s == ST_OK)
		*out = r;
	return s;
}

/* ---- the answer ---- */

/* Who a node belongs to, as clients show it. */
struct owner {
	user_id id;
	const char *login, *display, *picture;
	int64_t created_ns;
	const char *provider;
	char login_buf[24], display_buf[24];
};

static void owner_of(const struct register_response *r, struct owner *o)
{
	*o = (struct owner){ .login = "", .display = "", .picture = "", .provider = "", .created_ns = TIME_NONE };
	if (r->node == NULL)
		return;
	if (node_is_tagged(r->node) || r->user == NULL) {
		o->id = USER_TAGGED_DEVICES;
		o->login = "tagged-devices";
		o->display = "Tagged Devices";
		return;
	}
	o->id = r->user->id;
	o->login = user_login(r->user, o->login_buf);
	o->display = user_display(r->user, o->display_buf);
	o->picture = r->user->picture_url;
	o->provider = r->user->provider;
	o->created_ns = r->user->created_ns;
}

static void write_user(const struct owner *o, struct jw *w)
{
	jw_key(w, "User");
	jw_obj_begin(w);
	jw_ku64(w, "ID", o->id);
	jw_kstr(w, "DisplayName", o->display);
	if (o->picture[0] != '\0')
		jw_kstr(w, "ProfilePicURL", o->picture);
	if (o->created_ns != TIME_NONE)
		jw_ktime(w, "Created", o->created_ns);
	jw_obj_end(w);
}

static void write_login(const struct owner *o, struct jw *w)
{
	jw_key(w, "Login");
	jw_obj_begin(w);
	jw_ku64(w, "ID", o->id);
	jw_kstr(w, "Provider", o->provider);
	jw_kstr(w, "LoginName", o->login);
	jw_kstr(w, "DisplayName", o->display);
	if (o->picture[0] != '\0')
		jw_kstr(w, "ProfilePicURL", o->picture);
	jw_obj_end(w);
}

static void write_signature(struct bytes sig, struct jw *w)
{
	char *text;

	jw_key(w, "NodeKeySignature");
	if (sig.n == 0 || sig.n > REGISTER_SIGNATURE_MAX) {
		jw_null(w);
		return;
	}
	text = xmalloc(BASE64_LEN(sig.n) + 1);
	base64_encode(sig, text);
	jw_str(w, text);
	free(text);
}

void register_response_encode(const struct register_response *r, struct buf *b)
{
	struct owner o;
	struct jw w;

	owner_of(r, &o);
	jw_init(&w, b);
	jw_obj_begin(&w);
	write_user(&o, &w);
	write_login(&o, &w);
	jw_kbool(&w, "NodeKeyExpired", r->node_key_expired);
	jw_kbool(&w, "MachineAuthorized", r->machine_authorized);
	jw_kstr(&w, "AuthURL", r->auth_url);
	write_signature(r->node_key_signature, &w);
	jw_kstr(&w, "Error", r->error);
	jw_obj_end(&w);
	buf_put_char(b, '\n');
}
