/* api/api_priv.h -- what the files of this room share. */
#ifndef API_PRIV_H
#define API_PRIV_H

#include "api/api.h"
#include "api/objects.h"
#include "base/json_in.h"

struct api {
	struct state *state;
	struct snapshot *(*snapshot)(void *arg, struct loop *l);
	void *snapshot_arg;
	bool policy_in_database;
	char *policy_path;
	size_t policy_max;
	const struct http_router *router; /* for api_check */
	char **cors_origins;
	size_t n_cors_origins;
	struct addr_rate *rate; /* NULL: no limit */
};

/*
 * A request that waits for the writer. Made on the loop, filled on the writer's thread, answered on the loop.
 * If the peer goes away meanwhile, `req` is NULL when `answer` is due, and it is not called.
 */
struct api_op {
	struct api *api;
	struct http_req *req; /* NULL: cancelled */
	struct loop *loop;
	const char *action;   /* "renaming user": static */
	void (*answer)(struct api_op *op); /* on the loop, after a success */
	/* What the writer gave back, with references of our own. */
	enum status status;
	struct err err;
	struct node *node;
	struct user *user;
	struct preauth_key *preauth;
	struct api_key *api_key;
	char *secret, *text; /* owned; wiped */
	int64_t text_at_ns;
	struct preauth_key **preauths;
	struct api_key **api_keys;
	size_t n;
	char *json; /* audit and texts are encoded at once, on the writer's thread */
	size_t json_n;
	int conflict_http; /* for ST_CONFLICT; 0: 409 */
	uint64_t number;    /* of the handler's own */
	const char *wanted; /* likewise; memory of the request */
};

/** Begin: `answer` will be called on the loop unless the request fails or goes away. */
struct api_op *api_op_new(struct api *a, struct http_req *r, const char *action, void (*answer)(struct api_op *op));
/** The completion to hand to a state_* function, with arg = the op. */
void api_op_done(void *op, enum status s, const struct err *err, const struct state_result *res);
/** What a state_* function said: if it did not take the command, answer with the problem now and free the op. */
void api_op_submitted(struct api_op *op, enum status s, const struct err *err);

struct snapshot *api_snapshot(struct api *a, struct loop *l);
/** The actor for the audit log, from the credential; memory of the request. */
struct state_actor api_actor(struct http_req *r, const char *why);

/* A buffer with a writer that becomes the answer. */
struct api_out {
	struct buf b;
	struct jw w;
};
void api_out_init(struct api_out *o);
/** 200 with the JSON and a newline; releases o. Ends the request. */
void api_out_send(struct http_req *r, struct api_out *o);
/** The same with an ETag made of what it says; 304 if the client has it. */
void api_out_send_tagged(struct http_req *r, struct api_out *o);
/** 200 and {}. */
void api_send_empty(struct http_req *r);

/**
 * The body as an object. An empty body is an empty object when `optional`.
 *
 * members  the names that are known, separated by blanks; any other is refused. Names come out as they are spelled here.
 * On failure the answer has been given and false is returned. The tree lives as long as the request.
 */
bool api_body(struct http_req *r, bool optional, const char *members, struct json_object **out);
/**
 * A member as text without NUL, at most 4096 bytes: strings, and numbers where old clients send numbers. NULL: absent or
 * null. False: answered (422).
 */
bool api_text(struct http_req *r, struct json_object *o, const char *name, const char **out);
/** The same of any length that the body may have. */
bool api_long_text(struct http_req *r, struct json_object *o, const char *name, const char **out);
bool api_bool(struct http_req *r, struct json_object *o, const char *name, bool *out);
bool api_time(struct http_req *r, struct json_object *o, const char *name, int64_t *out);
/** A list of at most 1024 strings, from the arena; absent: none. */
bool api_strings(struct http_req *r, struct json_object *o, const char *name, const char ***out, size_t *n_out);
/** A list of prefixes, from the arena; false: answered with 400 and the element. */
bool api_prefixes(struct http_req *r, const char *name, const char *const *texts, size_t n, const struct ip_prefix **out);
/** A decimal number of a path or query; false: answered with 400, `what` and the place. */
bool api_number(struct http_req *r, const char *text, const char *what, const char *where, uint64_t *out);
/** A user by number, or by name as consoles of old say it; NULL or "": 0. A number need not exist. False: answered with 400. */
bool api_user_ref(struct http_req *r, const struct snapshot *s, const char *text, const char *where, user_id *out);

/** An auth id of the right form; false: answered with 400, `detail` and the member. */
bool api_auth_id(struct http_req *r, const char *detail, const char *id, const char *where);

void api_users_routes(struct api *a, struct http_router *r);
void api_nodes_list(void *api, struct http_req *r);
void api_nodes_routes(struct api *a, struct http_router *r);
void api_keys_routes(struct api *a, struct http_router *r);
void api_misc_routes(struct api *a, struct http_router *r);
void api_openapi_routes(struct api *a, struct http_router *r);
void api_route(struct http_router *r, struct api *a, const char *method, const char *pattern, http_handler_fn *fn);

#endif
