/*
 * state/hostinfo.h -- what the server takes out of a client's Hostinfo, and what peers get of it.
 *
 * Read once on the thread that brings it, so that the writer never parses. Pure; any thread.
 * Source: docs/wire/map.md, "Hostinfo".
 */
#ifndef STATE_HOSTINFO_H
#define STATE_HOSTINFO_H

#include "base/shared.h"
#include "model/lists.h"
#include "model/node.h"

#define HOSTINFO_ROUTES_MAX 8192
#define HOSTINFO_TAGS_MAX 256
#define HOSTINFO_SSH_KEYS_MAX 32

struct hostinfo {
	struct shared_bytes *json;     /* as sent; NULL: none (absent, null or {}) */
	struct shared_bytes *peer;     /* reduced: what peers get; NULL with json */
	bool has_netinfo;
	uint32_t home_derp;            /* NetInfo.PreferredDERP */
	char hostname[NODE_HOSTNAME_MAX + 1];
	struct prefix_list *routes;    /* RoutableIPs, masked, each once, in order */
	struct str_list *request_tags; /* sorted */
	struct str_list *ssh_host_keys;
};

/**
 * in  a JSON object, null, or nothing.
 * ST_BAD_INPUT: malformed. ST_TOO_BIG: more than STATE_HOSTINFO_MAX bytes or too many routes, tags or keys.
 * out is filled on ST_OK; hostinfo_release() it.
 */
enum status hostinfo_parse(struct bytes in, struct hostinfo *out, struct err *err) MUST_CHECK;
void hostinfo_release(struct hostinfo *h);

/** `now` has no NetInfo: a copy that ends in the NetInfo of `old`, or `now` once more if that has none. Returned. */
struct shared_bytes *hostinfo_keep_netinfo(struct shared_bytes *now, const struct shared_bytes *old);

/* Posture facts, as texts ("" if not told). */
struct hostinfo_facts {
	char os[32], os_version[64], client_version[64];
};
void hostinfo_facts(const struct shared_bytes *json, struct hostinfo_facts *out);

#endif
