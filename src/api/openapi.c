/*
 * api/openapi.c -- the description of API v1 for tools, made of the tables below.
 *
 * JSON is YAML too, so the .yaml paths answer the same text. 3.0 and 3.1 differ here in the version and in how "may be
 * null" is written.
 */
#include "api/api_priv.h"

#include <ctype.h>
#include <stdio.h>

enum type { STR, BOOL, INT, TIME, TIME_NULL, STRS, REF, REF_NULL, REFS, OBJECT, OBJECTS };

struct member {
	const char *name;
	enum type type;
	const char *ref;
};

struct schema {
	const char *name;
	struct member m[20];
};

static const struct schema schemas[] = {
	{ "User",
	  { { "id", STR, 0 }, { "name", STR, 0 }, { "createdAt", TIME, 0 }, { "displayName", STR, 0 }, { "email", STR, 0 },
	    { "providerId", STR, 0 }, { "provider", STR, 0 }, { "profilePicUrl", STR, 0 }, { "role", STR, 0 } } },
	{ "Node",
	  { { "id", STR, 0 }, { "machineKey", STR, 0 }, { "nodeKey", STR, 0 }, { "discoKey", STR, 0 }, { "ipAddresses", STRS, 0 },
	    { "name", STR, 0 }, { "user", REF_NULL, "User" }, { "lastSeen", TIME_NULL, 0 }, { "expiry", TIME_NULL, 0 },
	    { "preAuthKey", REF_NULL, "PreAuthKey" }, { "createdAt", TIME, 0 }, { "registerMethod", STR, 0 },
	    { "givenName", STR, 0 }, { "online", BOOL, 0 }, { "approvedRoutes", STRS, 0 }, { "availableRoutes", STRS, 0 },
	    { "subnetRoutes", STRS, 0 }, { "tags", STRS, 0 } } },
	{ "PreAuthKey",
	  { { "user", REF_NULL, "User" }, { "id", STR, 0 }, { "key", STR, 0 }, { "reusable", BOOL, 0 }, { "ephemeral", BOOL, 0 },
	    { "used", BOOL, 0 }, { "expiration", TIME, 0 }, { "createdAt", TIME, 0 }, { "aclTags", STRS, 0 } } },
	{ "ApiKey",
	  { { "id", STR, 0 }, { "prefix", STR, 0 }, { "expiration", TIME_NULL, 0 }, { "createdAt", TIME, 0 }, { "lastSeen", TIME_NULL, 0 } } },
	{ "AuditEntry",
	  { { "id", STR, 0 }, { "time", TIME, 0 }, { "actor", STR, 0 }, { "reason", STR, 0 }, { "action", STR, 0 }, { "target", STR, 0 },
	    { "before", STR, 0 }, { "after", STR, 0 } } },
	{ "ErrorDetail", { { "message", STR, 0 }, { "location", STR, 0 } } },
	{ "Problem",
	  { { "title", STR, 0 }, { "status", INT, 0 }, { "detail", STR, 0 }, { "errors", REFS, "ErrorDetail" }, { "code", INT, 0 },
	    { "message", STR, 0 } } },
	{ "CreateUserRequest", { { "name", STR, 0 }, { "displayName", STR, 0 }, { "email", STR, 0 }, { "pictureUrl", STR, 0 } } },
	{ "SetRoleRequest", { { "role", STR, 0 } } },
	{ "ExpireNodeRequest", { { "expiry", TIME, 0 }, { "disableExpiry", BOOL, 0 } } },
	{ "SetTagsRequest", { { "tags", STRS, 0 } } },
	{ "MoveNodeRequest", { { "user", STR, 0 } } },
	{ "DebugCreateNodeRequest", { { "user", STR, 0 }, { "key", STR, 0 }, { "name", STR, 0 }, { "routes", STRS, 0 } } },
	{ "SetApprovedRoutesRequest", { { "routes", STRS, 0 } } },
	{ "AuthRegisterRequest", { { "user", STR, 0 }, { "authId", STR, 0 } } },
	{ "AuthRequest", { { "authId", STR, 0 } } },
	{ "CreatePreAuthKeyRequest",
	  { { "user", STR, 0 }, { "reusable", BOOL, 0 }, { "ephemeral", BOOL, 0 }, { "expiration", TIME, 0 }, { "aclTags", STRS, 0 } } },
	{ "PreAuthKeyRequest", { { "id", STR, 0 }, { "key", STR, 0 } } },
	{ "ApiKeyRequest", { { "id", STR, 0 }, { "prefix", STR, 0 } } },
	{ "CreateApiKeyRequest", { { "expiration", TIME, 0 } } },
	{ "PolicyRequest", { { "policy", STR, 0 } } },
	{ "UserAnswer", { { "user", REF, "User" } } },
	{ "UsersAnswer", { { "users", REFS, "User" } } },
	{ "NodeAnswer", { { "node", REF, "Node" } } },
	{ "NodesAnswer", { { "nodes", REFS, "Node" } } },
	{ "ChangesAnswer", { { "changes", STRS, 0 } } },
	{ "PreAuthKeyAnswer", { { "preAuthKey", REF, "PreAuthKey" } } },
	{ "PreAuthKeysAnswer", { { "preAuthKeys", REFS, "PreAuthKey" } } },
	{ "ApiKeyAnswer", { { "apiKey", STR, 0 } } },
	{ "ApiKeysAnswer", { { "apiKeys", REFS, "ApiKey" } } },
	{ "PolicyAnswer", { { "policy", STR, 0 }, { "updatedAt", TIME, 0 } } },
	{ "AuditAnswer", { { "entries", REFS, "AuditEntry" } } },
	{ "HealthAnswer", { { "databaseConnectivity", BOOL, 0 } } },
	{ "DerpStatusAnswer",
	  { { "time", TIME, 0 }, { "relay", OBJECT, 0 }, { "region", OBJECT, 0 }, { "counters", OBJECT, 0 }, { "gauges", OBJECT, 0 },
	    { "drops", OBJECT, 0 }, { "closes", OBJECT, 0 }, { "stun", OBJECT, 0 }, { "meshPeers", OBJECTS, 0 },
	    { "connections", OBJECTS, 0 }, { "connectionsOmitted", INT, 0 } } },
	{ "EmptyAnswer", { { NULL, STR, 0 } } },
};

struct operation {
	const char *method, *path, *id, *summary;
	const char *query; /* names separated by blanks; "" */
	const char *body;  /* schema; NULL: none */
	const char *answer;
};

static const struct operation operations[] = {
	{ "post", "/api/v1/user", "createUser", "Create a user", "", "CreateUserRequest", "UserAnswer" },
	{ "get", "/api/v1/user", "listUsers", "List users", "id name email search provider role sort limit offset", NULL, "UsersAnswer" },
	{ "delete", "/api/v1/user/{id}", "deleteUser", "Delete a user without nodes", "", NULL, "EmptyAnswer" },
	{ "post", "/api/v1/user/{oldId}/rename/{newName}", "renameUser", "Rename a user", "", NULL, "UserAnswer" },
	{ "post", "/api/v1/user/{id}/role", "setUserRole", "Set a user's role", "", "SetRoleRequest", "UserAnswer" },
	{ "get", "/api/v1/node", "listNodes", "List nodes", "user tag name ip online expired sort limit offset", NULL, "NodesAnswer" },
	{ "get", "/api/v1/node/{nodeId}", "getNode", "Get a node", "", NULL, "NodeAnswer" },
	{ "delete", "/api/v1/node/{nodeId}", "deleteNode", "Delete a node", "", NULL, "EmptyAnswer" },
	{ "post", "/api/v1/node/{nodeId}/expire", "expireNode", "End a node's key", "", "ExpireNodeRequest", "NodeAnswer" },
	{ "post", "/api/v1/node/{nodeId}/rename/{newName}", "renameNode", "Rename a node", "", NULL, "NodeAnswer" },
	{ "post", "/api/v1/node/{nodeId}/tags", "setTags", "Replace a node's tags", "", "SetTagsRequest", "NodeAnswer" },
	{ "post", "/api/v1/node/{nodeId}/user", "moveNode", "Give a node another owner", "", "MoveNodeRequest", "NodeAnswer" },
	{ "post", "/api/v1/node/{nodeId}/approve_routes", "setApprovedRoutes", "Replace a node's approved routes", "", "SetApprovedRoutesRequest", "NodeAnswer" },
	{ "post", "/api/v1/debug/node", "debugCreateNode", "Make a login that waits, for tests", "", "DebugCreateNodeRequest", "NodeAnswer" },
	{ "post", "/api/v1/node/register", "registerNode", "Admit a machine (older form)", "user key", NULL, "NodeAnswer" },
	{ "post", "/api/v1/node/backfillips", "backfillNodeIPs", "Give missing addresses", "confirmed", NULL, "ChangesAnswer" },
	{ "post", "/api/v1/auth/register", "authRegister", "Admit a machine", "", "AuthRegisterRequest", "NodeAnswer" },
	{ "post", "/api/v1/auth/approve", "authApprove", "Approve an SSH check", "", "AuthRequest", "EmptyAnswer" },
	{ "post", "/api/v1/auth/reject", "authReject", "Refuse a login or an SSH check", "", "AuthRequest", "EmptyAnswer" },
	{ "post", "/api/v1/preauthkey", "createPreAuthKey", "Create a pre-auth key", "", "CreatePreAuthKeyRequest", "PreAuthKeyAnswer" },
	{ "get", "/api/v1/preauthkey", "listPreAuthKeys", "List pre-auth keys", "user tag used reusable ephemeral expired sort limit offset", NULL, "PreAuthKeysAnswer" },
	{ "delete", "/api/v1/preauthkey", "deletePreAuthKey", "Delete a pre-auth key", "id", NULL, "EmptyAnswer" },
	{ "post", "/api/v1/preauthkey/expire", "expirePreAuthKey", "End a pre-auth key", "", "PreAuthKeyRequest", "EmptyAnswer" },
	{ "post", "/api/v1/apikey", "createApiKey", "Create an API key", "", "CreateApiKeyRequest", "ApiKeyAnswer" },
	{ "get", "/api/v1/apikey", "listApiKeys", "List API keys", "expired sort limit offset", NULL, "ApiKeysAnswer" },
	{ "post", "/api/v1/apikey/expire", "expireApiKey", "End an API key", "", "ApiKeyRequest", "EmptyAnswer" },
	{ "delete", "/api/v1/apikey/{prefix}", "deleteApiKey", "Delete an API key", "", NULL, "EmptyAnswer" },
	{ "get", "/api/v1/policy", "getPolicy", "Get the policy", "", NULL, "PolicyAnswer" },
	{ "put", "/api/v1/policy", "setPolicy", "Replace the policy", "", "PolicyRequest", "PolicyAnswer" },
	{ "post", "/api/v1/policy/check", "checkPolicy", "Check a policy", "", "PolicyRequest", "EmptyAnswer" },
	{ "get", "/api/v1/audit", "listAudit", "List who changed what", "actor action target since until limit before", NULL, "AuditAnswer" },
	{ "get", "/api/v1/derp/status", "derpStatus", "See how the relay does", "limit", NULL, "DerpStatusAnswer" },
	{ "get", "/api/v1/health", "health", "Is the server well?", "", NULL, "HealthAnswer" },
};
#define N_OPERATIONS (sizeof operations / sizeof *operations)

static void put_ref(struct jw *w, const char *name)
{
	char text[80];

	snprintf(text, sizeof text, "#/components/schemas/%s", name);
	jw_obj_begin(w);
	jw_kstr(w, "$ref", text);
	jw_obj_end(w);
}

/* {"type": t} or one that may be null, in the way of the version. */
static void put_type(struct jw *w, const char *type, bool nullable, bool v30)
{
	if (!nullable || v30) {
		jw_kstr(w, "type", type);
		if (nullable)
			jw_kbool(w, "nullable", true);
		return;
	}
	jw_key(w, "type");
	jw_arr_begin(w);
	jw_str(w, type);
	jw_str(w, "null");
	jw_arr_end(w);
}

static void put_nullable_ref(struct jw *w, const char *name, bool v30)
{
	jw_obj_begin(w);
	jw_key(w, v30 ? "allOf" : "oneOf");
	jw_arr_begin(w);
	put_ref(w, name);
	if (!v30) {
		jw_obj_begin(w);
		jw_kstr(w, "type", "null");
		jw_obj_end(w);
	}
	jw_arr_end(w);
	if (v30)
		jw_kbool(w, "nullable", true);
	jw_obj_end(w);
}

static void put_member(struct jw *w, const struct member *m, bool v30)
{
	jw_key(w, m->name);
	if (m->type == REF) {
		put_ref(w, m->ref);
		return;
	}
	if (m->type == REF_NULL) {
		put_nullable_ref(w, m->ref, v30);
		return;
	}
	jw_obj_begin(w);
	if (m->type == STRS || m->type == REFS || m->type == OBJECTS) {
		jw_kstr(w, "type", "array");
		jw_key(w, "items");
		if (m->type == REFS) {
			put_ref(w, m->ref);
		} else {
			jw_obj_begin(w);
			jw_kstr(w, "type", m->type == STRS ? "string" : "object");
			jw_obj_end(w);
		}
	} else if (m->type == OBJECT) {
		jw_kstr(w, "type", "object");
	} else {
		put_type(w, m->type == BOOL ? "boolean" : m->type == INT ? "integer" : "string", m->type == TIME_NULL, v30);
		if (m->type == TIME || m->type == TIME_NULL)
			jw_kstr(w, "format", "date-time");
	}
	jw_obj_end(w);
}

static void put_schemas(struct jw *w, bool v30)
{
	jw_obj_begin(w);
	for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
		jw_key(w, schemas[i].name);
		jw_obj_begin(w);
		jw_kstr(w, "type", "object");
		jw_key(w, "properties");
		jw_obj_begin(w);
		for (const struct member *m = schemas[i].m; m->name != NULL; m++)
			put_member(w, m, v30);
		jw_obj_end(w);
		jw_obj_end(w);
	}
	jw_obj_end(w);
}

static bool among(const char *words, const char *name, size_t n)
{
	for (const char *p = words; *p != '\0'; p += strcspn(p, " "), p += strspn(p, " "))
		if (strcspn(p, " ") == n && memcmp(p, name, n) == 0)
			return true;
	return false;
}

static const char *parameter_type(const char *name, size_t n)
{
	if (among("limit offset", name, n))
		return "integer";
	return among("online expired used reusable ephemeral confirmed", name, n) ? "boolean" : "string";
}

static void put_parameter(struct jw *w, const char *name, size_t n, const char *in)
{
	jw_obj_begin(w);
	jw_key(w, "name");
	jw_str_bytes(w, bytes_of(name, n));
	jw_kstr(w, "in", in);
	if (strcmp(in, "path") == 0)
		jw_kbool(w, "required", true);
	jw_key(w, "schema");
	jw_obj_begin(w);
	jw_kstr(w, "type", strcmp(in, "query") == 0 ? parameter_type(name, n) : "string");
	jw_obj_end(w);
	jw_obj_end(w);
}

static void put_parameters(struct jw *w, const struct operation *op)
{
	jw_key(w, "parameters");
	jw_arr_begin(w);
	for (const char *p = strchr(op->path, '{'); p != NULL; p = strchr(p + 1, '{'))
		put_parameter(w, p + 1, strcspn(p + 1, "}"), "path");
	for (const char *q = op->query; *q != '\0'; q += strspn(q, " ")) {
		put_parameter(w, q, strcspn(q, " "), "query");
		q += strcspn(q, " ");
	}
	jw_arr_end(w);
}

static void put_content(struct jw *w, const char *type, const char *schema)
{
	jw_key(w, "content");
	jw_obj_begin(w);
	jw_key(w, type);
	jw_obj_begin(w);
	jw_key(w, "schema");
	put_ref(w, schema);
	jw_obj_end(w);
	jw_obj_end(w);
}

/* What api/list.c adds. */
static void put_list_headers(struct jw *w)
{
	jw_key(w, "headers");
	jw_raw(w, BYTES_LIT("{\"X-Total-Count\":{\"description\":\"elements before limit and offset\",\"schema\":{\"type\":\"integer\"}},"
			    "\"ETag\":{\"description\":\"for If-None-Match, answered with 304\",\"schema\":{\"type\":\"string\"}}}"));
}

static void put_operation(struct jw *w, const struct operation *op)
{
	jw_key(w, op->method);
	jw_obj_begin(w);
	jw_kstr(w, "operationId", op->id);
	jw_kstr(w, "summary", op->summary);
	put_parameters(w, op);
	if (op->body != NULL) {
		jw_key(w, "requestBody");
		jw_obj_begin(w);
		put_content(w, "application/json", op->body);
		jw_obj_end(w);
	}
	jw_key(w, "responses");
	jw_obj_begin(w);
	jw_key(w, "200");
	jw_obj_begin(w);
	jw_kstr(w, "description", "OK");
	if (strstr(op->query, "limit offset") != NULL)
		put_list_headers(w);
	put_content(w, "application/json", op->answer);
	jw_obj_end(w);
	jw_key(w, "default");
	jw_obj_begin(w);
	jw_kstr(w, "description", "Error");
	put_content(w, "application/problem+json", "Problem");
	jw_obj_end(w);
	jw_obj_end(w);
	jw_obj_end(w);
}

static bool seen_before(size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(operations[k].path, operations[i].path) == 0)
			return true;
	return false;
}

static void put_paths(struct jw *w)
{
	jw_obj_begin(w);
	for (size_t i = 0; i < N_OPERATIONS; i++) {
		if (seen_before(i))
			continue;
		jw_key(w, operations[i].path);
		jw_obj_begin(w);
		for (size_t k = i; k < N_OPERATIONS; k++)
			if (strcmp(operations[k].path, operations[i].path) == 0)
				put_operation(w, &operations[k]);
		jw_obj_end(w);
	}
	jw_obj_end(w);
}

static void put_document(struct jw *w, bool v30)
{
	jw_obj_begin(w);
	jw_kstr(w, "openapi", v30 ? "3.0.3" : "3.1.0");
	jw_key(w, "info");
	jw_obj_begin(w);
	jw_kstr(w, "title", "Headscale API");
	jw_kstr(w, "version", "v1");
	jw_obj_end(w);
	jw_key(w, "security");
	jw_arr_begin(w);
	jw_obj_begin(w);
	jw_key(w, "bearer");
	jw_arr_begin(w);
	jw_arr_end(w);
	jw_obj_end(w);
	jw_arr_end(w);
	jw_key(w, "paths");
	put_paths(w);
	jw_key(w, "components");
	jw_obj_begin(w);
	jw_key(w, "securitySchemes");
	jw_raw(w, BYTES_LIT("{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}}"));
	jw_key(w, "schemas");
	put_schemas(w, v30);
	jw_obj_end(w);
	jw_obj_end(w);
}

static void document(void *arg, struct http_req *r)
{
	bool yaml = strstr(r->path, ".yaml") != NULL;
	struct api_out o;

	(void)arg;
	api_out_init(&o);
	put_document(&o.w, strstr(r->path, "openapi-3.0") != NULL);
	buf_put_char(&o.b, '\n');
	http_respond(r, 200, yaml ? "application/yaml" : "application/json", buf_bytes(&o.b));
	buf_release(&o.b);
}

/* A page for people, from the same tables, without a script. */
static void docs(void *arg, struct http_req *r)
{
	struct buf b;

	(void)arg;
	buf_init(&b, 1u << 20);
	buf_put_str(&b, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Headscale API</title>"
			"<link rel=\"stylesheet\" href=\"/assets/style.css\"></head><body><main><article><h1>Headscale API v1</h1>"
			"<p><a href=\"/api/v1/openapi.json\">OpenAPI 3.1</a>, <a href=\"/api/v1/openapi-3.0.json\">OpenAPI 3.0</a>. "
			"Send an API key as <code>Authorization: Bearer KEY</code>.</p><dl>");
	for (size_t i = 0; i < N_OPERATIONS; i++) {
		char method[8] = "";

		for (size_t k = 0; operations[i].method[k] != '\0' && k < sizeof method - 1; k++)
			method[k] = (char)toupper((unsigned char)operations[i].method[k]);
		buf_printf(&b, "<dt>%s</dt><dd><code>%s</code><br>%s</dd>", method, operations[i].path, operations[i].summary);
	}
	buf_put_str(&b, "</dl></article></main></body></html>\n");
	http_respond(r, 200, "text/html; charset=utf-8", buf_bytes(&b));
	buf_release(&b);
}

void api_openapi_routes(struct api *a, struct http_router *r)
{
	static const char *const paths[] = { "/api/v1/openapi.json", "/api/v1/openapi.yaml", "/api/v1/openapi-3.0.json",
					     "/api/v1/openapi-3.0.yaml" };

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		http_router_add(r, &(struct http_route){ .methods = "GET", .pattern = paths[i], .fn = document, .arg = a,
							 .auth = API_AUTH_PUBLIC });
	http_router_add(r, &(struct http_route){ .methods = "GET", .pattern = "/api/v1/docs", .fn = docs, .arg = a,
						 .auth = API_AUTH_PUBLIC });
}
