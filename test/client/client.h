/*
 * client/client.h -- a client of the control protocol, for tests and for load: thousands in a process.
 *
 *     ctl_server   where the server is, and its key           GET /key
 *     ctl_client   one Noise connection with HTTP/2 inside    POST /ts2021
 *     ctl_call     a request on it, or a map stream           POST /machine/...
 *
 * All on one loop. Callbacks come from the loop, never inside the call that was given them. Everything may be freed inside a
 * callback.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "client/frames.h"
#include "crypto/keys.h"
#include "http/h2_client.h"
#include "net/connect.h"
#include "net/tls.h"
#include "noise/handshake.h"

#define CTL_VERSION 148

/* ---- the server ---- */

struct ctl_server {
	struct loop *loop;
	char host[256];
	uint16_t port;
	bool numeric;
	struct net_addr addr;              /* if numeric */
	struct net_tls_client *tls;        /* NULL: plain HTTP */
	struct machine_key key;
	struct map_decoder *decoder;       /* shared by the clients */
	uint64_t map_bytes;                /* of map streams, as they came */
	uint32_t call_window, conn_window; /* HTTP/2 windows of new clients; 0: the usual ones */
};

/** From "http://host:port" or "https://..."; certificates are not verified. ST_BAD_INPUT: no such URL. */
enum status ctl_server_init(struct ctl_server *s, struct loop *l, const char *url, struct err *err) MUST_CHECK;
void ctl_server_release(struct ctl_server *s);
/** GET /key; turns the loop until it is there. */
enum status ctl_server_fetch_key(struct ctl_server *s, unsigned timeout_ms, struct err *err) MUST_CHECK;

/* An answer of plain HTTP. */
struct ctl_reply {
	int status;
	struct buf body;
};
/** One HTTP/1 request on a connection of its own; turns the loop. reply_out is yours (ctl_reply_release). */
enum status ctl_http(struct ctl_server *s, const char *method, const char *target, const struct http_header *headers,
		     size_t n_headers, struct bytes body, unsigned timeout_ms, struct ctl_reply *reply_out) MUST_CHECK;
void ctl_reply_release(struct ctl_reply *r);

/* ---- who connects ---- */

struct ctl_identity {
	struct machine_private machine;
	struct node_private node;
	struct node_key node_public;
	struct disco_key disco;
	char hostname[64];
};
/** Fresh keys. */
void ctl_identity_new(struct ctl_identity *id, const char *hostname);

/* ---- the way to a Noise channel ---- */

struct ctl_dial;
struct ctl_dial_opts {
	struct ctl_server *server;
	const struct machine_private *machine;
	uint16_t version;     /* 0: CTL_VERSION */
	uint32_t timeout_ms;  /* 0: 30,000 */
	const char *header;   /* sent as the handshake instead of a good one; NULL: a good one */
	bool websocket;       /* as clients in a browser come */
	bool raw;             /* hand out the connection itself behind the handshake, without a Noise layer */
};

struct ctl_dialed {
	enum status status;
	struct stream *stream;   /* ST_OK: yours, paused, the plain side; else NULL */
	int http_status;         /* of the upgrade; 0: none came */
	const char *why;         /* words; the server's own behind an error frame */
	struct noise_keys *keys; /* with raw: what would seal; wiped after the call */
};
typedef void ctl_dial_fn(void *arg, const struct ctl_dialed *d);
/** Returned: gone when fn was called, or by ctl_dial_cancel(). */
struct ctl_dial *ctl_dial_start(const struct ctl_dial_opts *o, ctl_dial_fn *fn, void *arg);
/** No callback any more. Clears *d, accepts NULL inside. */
void ctl_dial_cancel(struct ctl_dial **d);

/* ---- a client ---- */

struct ctl_client;
struct ctl_client_handler {
	/** Requests may be sent. */
	void (*open)(void *arg);
	/** It could not be opened, or is gone; its calls were told before. Once. Free it here or later. */
	void (*closed)(void *arg, const char *why);
};
struct ctl_client_opts {
	struct ctl_server *server;
	const struct machine_private *machine;
	uint16_t version;
	bool websocket;
	uint32_t timeout_ms;
	const struct ctl_client_handler *handler;
	void *arg;
};
/** Begin to connect. Returned (ctl_client_free). */
struct ctl_client *ctl_client_new(const struct ctl_client_opts *o);
/** Close it; no callbacks any more, its calls are gone. Clears *c, accepts NULL inside. */
void ctl_client_free(struct ctl_client **c);
bool ctl_client_is_open(const struct ctl_client *c);
/** The server sent an early payload with a challenge. */
bool ctl_client_was_challenged(const struct ctl_client *c);

/* ---- requests ---- */

struct ctl_call;
struct ctl_answer {
	int status;            /* 0: none came */
	struct bytes body;
	const char *type;      /* Content-Type; "" */
	int retry_after;       /* seconds; -1: not said */
	uint32_t h2_error;
};
/** s is ST_OK with a whole answer of any status, ST_TOO_BIG past 64 MiB, or ST_CLOSED. Borrowed for the call. */
typedef void ctl_answer_fn(void *arg, enum status s, const struct ctl_answer *a);
/** Returned: borrowed until fn was called or ctl_call_cancel(). NULL: the client is not open; no callback. */
struct ctl_call *ctl_request(struct ctl_client *c, const char *method, const char *path, struct bytes body, ctl_answer_fn *fn, void *arg);

struct ctl_stream_handler {
	/** A message of `wire` bytes; json is empty if the stream does not decode. Borrowed. */
	void (*message)(void *arg, size_t wire, struct bytes json);
	/** The end. status: of HTTP, 0 if none came; s: ST_OK in order, ST_CLOSED reset, ST_BAD_INPUT what came was broken; text: the body of
	 *  an answer that is not 200. */
	void (*closed)(void *arg, enum status s, int status, struct bytes text);
};
enum ctl_decode { CTL_ZSTD, CTL_PLAIN, CTL_SKIP };
/** POST /machine/map and read messages from the answer. hold: give no window back but by ctl_call_consume(). Returned as above. */
struct ctl_call *ctl_stream(struct ctl_client *c, struct bytes body, enum ctl_decode decode, bool hold,
			    const struct ctl_stream_handler *h, void *arg);
void ctl_call_consume(struct ctl_call *c, size_t n);
/** Reset it; no callback any more. Clears *c, accepts NULL inside. */
void ctl_call_cancel(struct ctl_call **c);

/* ---- bodies ---- */

struct ctl_register_opts {
	unsigned version;                 /* 0: CTL_VERSION */
	const char *auth_key, *followup, *expiry; /* NULL: none */
	const struct node_key *old_key;           /* NULL: the zero key */
	const char *const *tags;
	size_t n_tags;
	bool ephemeral;
};
/** Append the body of a register request. */
void ctl_register_body(const struct ctl_identity *id, const struct ctl_register_opts *o, struct buf *out);

struct ctl_registered {
	int status;
	char error[512], auth_url[512], login[128];
	int64_t user;
	bool key_expired, authorized;
};
/** ST_BAD_INPUT: no answer to a register request. With a status other than 200, error is the body. */
enum status ctl_registered_parse(const struct ctl_answer *a, struct ctl_registered *out) MUST_CHECK;

struct ctl_map_opts {
	unsigned version;
	bool stream, omit_peers, read_only, plain, no_disco;
	const char *const *endpoints;
	size_t n_endpoints;
	int derp;                         /* home region; 0: not known, no NetInfo */
	const char *const *routes;
	size_t n_routes;
	const char *hostname;             /* NULL: the identity's */
	const char *const *tags;          /* asked for */
	size_t n_tags;
};
void ctl_map_body(const struct ctl_identity *id, const struct ctl_map_opts *o, struct buf *out);

#endif
