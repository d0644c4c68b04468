/*
 * offline/offline.h -- commands that need no running server.
 *
 * They open the configured database themselves, or work on texts alone. Nothing here may be called
 * by a server; what may is in offline/import.h.
 */
#ifndef OFFLINE_OFFLINE_H
#define OFFLINE_OFFLINE_H

#include <json-c/json.h>

#include "base/arena.h"
#include "base/status.h"

/**
 * The policy in the configured database.
 *
 * config_path  NULL: search as the server does.
 * text_out     set on ST_OK; from `a`; "" if none is stored.
 * ST_BUSY      a server holds the database.
 */
enum status offline_policy_get(const char *config_path, struct arena *a, const char **text_out, struct err *err) MUST_CHECK;
/** Check a policy against the users and nodes stored, run its tests, and store it. Refusals as policy_check. */
enum status offline_policy_set(const char *config_path, const char *text, struct err *err) MUST_CHECK;
/** The same without storing. */
enum status offline_policy_check(const char *config_path, const char *text, struct err *err) MUST_CHECK;

struct offline_explain {
	const char *policy;         /* HuJSON; "" or NULL: none, everything is allowed */
	struct json_object *nodes;  /* array as `nodes list -o json` prints it */
	struct json_object *users;  /* array as `users list -o json` prints it; NULL: taken from the nodes */
	const char *src;            /* node name, address, user@, tag:x, group:x */
	const char *dst;            /* the same, with :port or without */
	const char *proto;          /* "tcp", "udp", "icmp", a number */
};
/**
 * Which rule lets src reach dst, or what comes nearest and why it does not.
 *
 * out  set on ST_OK; returned (json_object_put): members allowed, rule, line, reason, and text for people.
 * ST_BAD_INPUT  the policy does not compile; ST_NOT_FOUND  src or dst names nothing.
 */
enum status offline_policy_explain(const struct offline_explain *q, struct arena *a, struct json_object **out,
				   struct err *err) MUST_CHECK;

#endif
