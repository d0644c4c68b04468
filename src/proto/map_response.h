/*
 * proto/map_response.h -- frames of a map stream, and the small messages that belong to nobody's map.
 *
 *     0            4
 *     | n, u32 LE  | n bytes: one JSON object, as one or several zstd frames or as it is |
 *
 * Source: docs/wire/map.md, "Frames".
 */
#ifndef PROTO_MAP_RESPONSE_H
#define PROTO_MAP_RESPONSE_H

#include "base/json_out.h"
#include "model/ip.h"
#include "proto/map_request.h"

#define MAP_PREFIX_LEN 4
#define MAP_FRAME_MAX ((size_t)256 << 20) /* bytes behind the prefix; clients refuse more */
#define MAP_JSON_MAX ((size_t)1 << 30)    /* decoded */

static inline void map_prefix_write(uint8_t out[static MAP_PREFIX_LEN], size_t n)
{
	for (int i = 0; i < MAP_PREFIX_LEN; i++)
		out[i] = (uint8_t)(n >> 8 * i);
}

/* One zstd compressor, kept for its memory. Of one thread. */
struct map_zip;
struct map_zip *map_zip_new(void);
void map_zip_free(struct map_zip **z);
/** Append `in` as one zstd frame, content size included. in.n may be 0 (an empty frame). */
void map_zip_put(struct map_zip *z, struct bytes in, struct buf *b);
/** Append `in` in this format: compressed, or as it is. */
void map_format_put(struct map_zip *z, enum map_format f, struct bytes in, struct buf *b);
/** The other way: all frames of a message joined. For tests and tools. ST_BAD_INPUT, ST_TOO_BIG (over max bytes). */
enum status map_unzip(struct bytes in, size_t max, struct buf *out) MUST_CHECK;

/*
 * {"KeepAlive":true,"ControlTime":".."}: never the bare 18 bytes, after which clients take any message of the same
 * compressed length for a keep-alive and drop it.
 */
void map_keepalive_encode(int64_t now_unix_ns, struct buf *b);

/* What may ride on a keep-alive, so that the client looks at nothing else. */
struct map_ping {
	const char *url;        /* where to answer; must differ from the one before on this stream */
	bool url_is_noise;      /* answer inside the channel */
	bool log;
	const char *types;      /* "" or NULL: HEAD the URL; "c2n"; or of disco,TSMP,ICMP,peerapi */
	struct ip_addr ip;      /* target of typed pings; IP_NONE: none */
	struct bytes payload;   /* c2n: an HTTP/1.1 request */
};
void map_ping_encode(const struct map_ping *p, int64_t now_unix_ns, struct buf *b);
/** "Open this in a browser." */
void map_pop_browser_encode(const char *url, int64_t now_unix_ns, struct buf *b);

/* One line of the client's health, as capability versions from MAP_CAP_MESSAGES on have it. */
#define MAP_CAP_MESSAGES 117
struct map_message {
	const char *id;         /* key */
	const char *title, *text;
	const char *severity;   /* "high", "medium", "low" */
	bool impacts_connectivity;
	const char *action_url, *action_label; /* NULL: none */
};
/**
 * The object of DisplayMessages, which replaces all before: {"*":null,"id":{..}}. Never a change of some: client 1.102.5 makes it in
 * the map that its last network map is being read from, and Go ends a programme that is caught at that.
 */
void map_messages_write(const struct map_message *m, size_t n, struct jw *w);
/**
 * The same for older clients: the list of Health. [] is "all is well". All lines are one text:
 * of several, clients before DisplayMessages show the last alone.
 */
void map_health_write(const struct map_message *m, size_t n, struct jw *w);

/* What a client is told of newer releases of itself. */
struct map_client_version {
	const char *latest; /* "1.104.5"; NULL: it runs the latest */
	bool urgent;        /* it should not wait */
};
/** The object of ClientVersion. */
void map_client_version_write(const struct map_client_version *v, struct jw *w);
/** The same alone, on a keep-alive: it costs the client no rebuild. */
void map_client_version_encode(const struct map_client_version *v, int64_t now_unix_ns, struct buf *b);

#endif
