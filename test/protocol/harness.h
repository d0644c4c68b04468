/*
 * protocol/harness.h -- a server of our own with an empty database, and nodes that talk to it.
 *
 * One server a programme: HEADSCALE names the binary (build/headscale otherwise). Files and socket lie in a fresh folder below
 * /tmp. Everything runs on one loop that the test itself turns: until() waits for what should come, hold_for() shows that
 * something does not.
 *
 * Another server with the same command line and configuration may be named too; KEEP=1 leaves the folder.
 */
#ifndef PROTOCOL_HARNESS_H
#define PROTOCOL_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/types.h>

#include "client/client.h"
#include "client/netmap.h"

struct world {
	struct loop *loop;
	struct ctl_server server;
	char dir[64], url[64];
	uint16_t port;
	pid_t pid;
	char key[160]; /* reusable */
};
extern struct world w;

/* The largest patience, for a machine that is busy and a server under sanitizers. */
#define PATIENCE_MS 30000

/* Turn the loop until cond holds; the test fails if it does not come to that. */
#define until(cond)                                                                                \
	do {                                                                                       \
		int64_t until_end = clock_mono_ns() + PATIENCE_MS * NS_PER_MS;                      \
		while (!(cond)) {                                                                  \
			if (clock_mono_ns() > until_end)                                           \
				fail_msg("never: %s", #cond);                                      \
			loop_turn(w.loop, 20);                                                     \
		}                                                                                  \
	} while (0)
/* Turn the loop for so long; cond must hold all the time. */
#define hold_for(ms, cond)                                                                         \
	do {                                                                                       \
		int64_t hold_end = clock_mono_ns() + (ms) * NS_PER_MS;                              \
		do {                                                                               \
			if (!(cond))                                                               \
				fail_msg("not any more: %s", #cond);                               \
			loop_turn(w.loop, 20);                                                     \
		} while (clock_mono_ns() < hold_end);                                              \
	} while (0)

/* Group fixtures. A test's fixture is node_sweep(). */
int world_start(void **state);
int world_stop(void **state);
/** Signal the server, wait until it is gone. */
void world_kill(int sig);
/** Start it (again) on the same files; returns when it answers. */
void world_run(void);

/** Run the command line; its output is yours (free()). Fails the test unless it exits with 0. */
char *cli(const char *fmt, ...) PRINTF_LIKE(1, 2);
/** The same with `-o json`, parsed; json_object_put() it. */
struct json_object *cli_json(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* A node and its connection. */
struct node {
	struct ctl_identity id;
	uint16_t version;
	bool websocket;             /* connects as clients in a browser do */
	int derp;                   /* told in map requests; 1 */
	const char *endpoint;       /* likewise; NULL: none */
	const char *const *routes;
	size_t n_routes;
	const char *const *tags;    /* asked for in map requests */
	size_t n_tags;
	struct ctl_client *client;
	struct ctl_call *stream;    /* open map stream */
	struct netmap *map;
	bool open, gone;            /* of the connection */
	char why[128];              /* it is gone */
	size_t messages, wire;      /* of the stream so far */
	bool ended;                 /* the stream has */
	enum status end_status;
	int end_http;
	char end_text[256];
	bool broken_rules_expected; /* node_sweep() does not look */
	struct node *next;
};

/** Fresh keys; not connected. Belongs to the harness: gone with node_sweep(). */
struct node *node_new(const char *hostname);
/** Teardown of every test: each node's map has kept the rules; all are closed. */
int node_sweep(void **state);
void node_connect(struct node *n);
/** Returns with n->open or n->gone. */
void node_try_connect(struct node *n);
void node_disconnect(struct node *n);

/* One request, waited for. The answer is copied. */
struct answer {
	enum status s;
	int status, retry_after;
	char body[4096], type[64];
	size_t n; /* of the whole body */
	uint32_t h2_error;
	bool done;
};
/** Fill an answer (arg): for requests that a test sends itself. */
void answer_take(void *arg, enum status s, const struct ctl_answer *a);
struct answer node_ask(struct node *n, const char *method, const char *path, struct bytes body);
struct answer node_ask_text(struct node *n, const char *path, const char *body);

/** Register with the key (NULL: the reusable one), which must work; connects if need be. */
void node_register(struct node *n, const char *key);
struct ctl_registered node_try_register(struct node *n, const struct ctl_register_opts *o);
/** A lite update with what the node says of itself; must be answered 200. */
void node_lite(struct node *n);
/** Open a map stream; returns at once. */
void node_stream(struct node *n);
/** The same with options of the test. */
void node_stream_with(struct node *n, const struct ctl_map_opts *o, bool hold);
/** node_new, node_register, node_lite, node_stream; returns when the first map is there. */
struct node *node_up(const char *hostname);
/** Reset the stream. */
void node_unstream(struct node *n);

/** The ID of the node in its own map. */
int64_t node_id(const struct node *n);
/** How `n` sees the node `other`: its object, or NULL. */
struct json_object *sees(const struct node *n, const struct node *other);
/** ... its first endpoint, home region, or "" and 0. */
const char *sees_endpoint(const struct node *n, const struct node *other);
int64_t sees_derp(const struct node *n, const struct node *other);
/** 1, 0, or -1: not said. */
int sees_online(const struct node *n, const struct node *other);
/** A text member. */
const char *sees_text(const struct node *n, const struct node *other, const char *member);

#endif
