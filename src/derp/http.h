/*
 * derp/http.h -- the relay's HTTP paths, for a router to call.
 *
 *     /derp                        upgrade to the relay, plain, fast or by WebSocket
 *     /derp/probe, /derp/latency-check
 *     /generate_204
 *     /bootstrap-dns
 *     /verify                      POST: may this node use a relay? Asked by other relays
 *
 * Handlers of type http_handler_fn (http/http.h), with a struct derp_http as arg; on any loop of the relay.
 * Source: docs/wire/derp.md, "Upgrade" and "Other paths".
 */
#ifndef DERP_HTTP_H
#define DERP_HTTP_H

#include "base/bytes.h"
#include "crypto/keys.h"
#include "derp/relay.h"

struct http_req;

/* What the handlers need; the caller's, must outlive them. */
struct derp_http {
	struct derp_relay *relay; /* NULL: /derp is answered with 404 */
	/** The relay's index of a loop that serves HTTP; NULL: loop_index(). A connection stays on the loop it came by. */
	unsigned (*loop_of)(void *arg, const struct loop *l);
	/** The answer of /bootstrap-dns for the name asked for ("" if none): JSON onto out; nothing: an empty body. May be NULL. */
	void (*bootstrap)(void *arg, const char *name, struct buf *out);
	/** Whether /verify says yes; called on the loop, must not block. NULL: never. */
	bool (*known)(void *arg, const struct node_key *key, const char *source);
	void *arg;
};

void derp_http_upgrade(void *derp_http, struct http_req *r);
void derp_http_probe(void *derp_http, struct http_req *r);
void derp_http_generate_204(void *derp_http, struct http_req *r);
void derp_http_bootstrap_dns(void *derp_http, struct http_req *r);
void derp_http_verify(void *derp_http, struct http_req *r);

enum derp_upgrade_kind { DERP_UPGRADE_NONE, DERP_UPGRADE_PLAIN, DERP_UPGRADE_FAST, DERP_UPGRADE_WEBSOCKET };
/**
 * What a request for /derp wants, by its headers (NULL: absent). "Upgrade: WebSocket" without the subprotocol "derp"
 * is plain DERP, as it was before there was the other. Pure.
 */
enum derp_upgrade_kind derp_upgrade_kind(const char *upgrade, const char *fast_start, const char *ws_protocol);
/** A challenge that /generate_204 answers: 1 to 64 of [A-Za-z0-9._:-]. Pure. */
bool derp_challenge_ok(const char *challenge);

/* ---- /verify, both sides ---- */

#define DERP_VERIFY_MAX ((size_t)4096)
/** {"NodePublic":"nodekey:...","Source":"..."}: what a relay asks. */
void derp_verify_ask(const struct node_key *key, const char *source, struct buf *out);
/** Read such a question. source_out holds INET6_ADDRSTRLEN (46) bytes, "" if none is given. */
enum status derp_verify_ask_parse(struct bytes body, struct node_key *key_out, char source_out[static 46]) MUST_CHECK;
/** Read the answer {"Allow":true}. ST_OK: yes; ST_DENIED: no; ST_BAD_INPUT: no answer. */
enum status derp_verify_answer_parse(struct bytes body) MUST_CHECK;

#endif
