/*
 * proto/requests.h -- the small requests of clients: health, audit, features, DNS, pings, SSH. Pure; any thread.
 * Source: docs/wire/map.md, "Small requests".
 *
 * Each parse: memory is the arena's, texts are never NULL; ST_BAD_INPUT and err for what is malformed, ST_TOO_BIG above
 * SMALL_REQUEST_MAX bytes. Unknown members are passed over.
 */
#ifndef PROTO_REQUESTS_H
#define PROTO_REQUESTS_H

#include "base/arena.h"
#include "base/json_out.h"
#include "crypto/keys.h"
#include "model/ids.h"

#define SMALL_REQUEST_MAX ((size_t)64 << 10)

/* /machine/update-health; error "": well again. */
struct health_request {
	const char *subsys, *error;
	struct node_key node_key; /* zero if not told */
};
enum status health_request_parse(struct bytes body, struct arena *a, struct health_request *out, struct err *err) MUST_CHECK;

/* /machine/audit-log */
struct audit_request {
	uint32_t version;
	struct node_key node_key;
	const char *action, *details;
};
enum status audit_request_parse(struct bytes body, struct arena *a, struct audit_request *out, struct err *err) MUST_CHECK;

/* /machine/feature/query */
struct feature_request {
	const char *feature;
	struct node_key node_key;
};
enum status feature_request_parse(struct bytes body, struct arena *a, struct feature_request *out, struct err *err) MUST_CHECK;

/* /machine/set-dns */
struct dns_request {
	uint32_t version;
	struct node_key node_key;
	const char *name, *type, *value;
};
enum status dns_request_parse(struct bytes body, struct arena *a, struct dns_request *out, struct err *err) MUST_CHECK;

/* POST of a typed ping's URL. */
struct ping_response {
	const char *type, *ip, *node_ip, *node_name, *error, *endpoint, *peer_relay, *derp_region_code;
	double latency_s;
	int64_t derp_region;
	bool is_local_ip;
};
enum status ping_response_parse(struct bytes body, struct arena *a, struct ping_response *out, struct err *err) MUST_CHECK;

/* /machine/ssh/event */
enum ssh_event_type { SSH_EVENT_REJECTED = 1, SSH_EVENT_TERMINATED = 2, SSH_EVENT_CONTINUES = 3 };
struct ssh_event {
	int64_t type; /* enum ssh_event_type, or what a newer client says */
	const char *connection, *ssh_user, *local_user;
	struct node_key node_key;
	node_id src;
};
enum status ssh_event_parse(struct bytes body, struct arena *a, struct ssh_event *out, struct err *err) MUST_CHECK;

/* What a held SSH session may do. Exactly one of accept, reject, hold. */
struct ssh_action {
	bool accept, reject;
	const char *hold_url;      /* ask there; NULL: no */
	const char *message;       /* shown on the terminal; NULL: none */
	int64_t duration_ns;       /* 0: no end */
	bool agent_forwarding, local_forwarding, remote_forwarding;
};
void ssh_action_write(const struct ssh_action *x, struct jw *w);

/* An HTTP/1.1 request for the payload of a c2n ping. */
struct c2n_request {
	const char *method, *path; /* path with its query */
	struct bytes body;
	uint32_t timeout_s;        /* of the client's handler; 0: its default */
};
void c2n_request_encode(const struct c2n_request *r, struct buf *b);
struct c2n_reply {
	int status;
	struct bytes body; /* borrowed from the input, or from the arena if it came in chunks */
};
/** The whole HTTP/1.1 response that a client posts back. */
enum status c2n_reply_parse(struct bytes in, struct arena *a, struct c2n_reply *out, struct err *err) MUST_CHECK;

#endif
