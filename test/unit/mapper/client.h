/*
 * test/unit/mapper/client.h -- a model of the client: applies messages as clients do and refuses what they trip over.
 *
 * Checked in every message: its framing; that it names as patched or removed only peers that the client has, and never
 * itself; that lists are sorted; that patches hold only cheap fields; that nobody takes a key, address or name that
 * another peer had before this message; that every peer's user has a profile.
 */
#ifndef TEST_MAPPER_CLIENT_H
#define TEST_MAPPER_CLIENT_H

#include <json-c/json.h>

#include "mapper/mapper.h"

#define CLIENT_IDS_MAX 8192

struct client {
	node_id id;
	enum map_format format;
	bool open;              /* the sink takes */
	bool ended;
	enum map_end why;
	size_t messages, deltas, keepalives, bytes, pieces;
	bool strict_removals;
	struct json_object *self, *dns, *derp, *ssh; /* owned */
	struct json_object *peers;    /* id text -> node */
	struct json_object *filters;  /* name -> rules */
	struct json_object *profiles; /* id text -> profile */
	char domain[128];
	char error[512];        /* the first mistake; "" */
	struct json_object *last; /* the last message */
	bool started;
};
extern const struct map_sink client_sink; /* arg: struct client */
void client_init(struct client *c, node_id id, enum map_format f);
void client_release(struct client *c);
/** What it has is what this complete map says: NULL, or the difference in words (static). */
const char *client_compare(const struct client *c, struct bytes fresh);
/** The peers it has. */
size_t client_peers(const struct client *c);
bool client_has(const struct client *c, node_id id);

#endif
