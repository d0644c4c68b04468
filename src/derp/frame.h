/*
 * derp/frame.h -- the frames of a relay connection.
 *
 *     0        1               5                5 + len
 *     | type   | len, u32 BE   | payload ...    |
 *
 * Pure: no socket, no key, no allocation; any thread. The boxes of the login are derp/login.h.
 * Source: docs/wire/derp.md, "Frames".
 */
#ifndef DERP_FRAME_H
#define DERP_FRAME_H

#include "base/bytes.h"
#include "base/status.h"

enum derp_frame_type {
	DERP_SERVER_KEY = 0x01,     /* S>C  magic(8) key(32) */
	DERP_CLIENT_INFO = 0x02,    /* C>S  key(32) box */
	DERP_SERVER_INFO = 0x03,    /* S>C  box */
	DERP_SEND_PACKET = 0x04,    /* C>S  destination(32) packet */
	DERP_RECV_PACKET = 0x05,    /* S>C  source(32) packet */
	DERP_KEEP_ALIVE = 0x06,     /* S>C  nothing */
	DERP_NOTE_PREFERRED = 0x07, /* C>S  1: this is my home */
	DERP_PEER_GONE = 0x08,      /* S>C  key(32) reason(1) */
	DERP_PEER_PRESENT = 0x09,   /* S>C  key(32) ip(16) port(2) flags(1) name length(1) name */
	DERP_FORWARD_PACKET = 0x0a, /* mesh source(32) destination(32) packet */
	DERP_WATCH_CONNS = 0x10,    /* mesh nothing */
	DERP_CLOSE_PEER = 0x11,     /* mesh key(32) */
	DERP_PING = 0x12,           /* both 8 bytes */
	DERP_PONG = 0x13,           /* both the same 8 bytes */
	DERP_HEALTH = 0x14,         /* S>C  text, "" is healthy */
	DERP_RESTARTING = 0x15,     /* S>C  reconnect in ms(4), try for ms(4) */
};

#define DERP_HEADER_LEN      ((size_t)5)
#define DERP_KEY_LEN         ((size_t)32)
#define DERP_MAGIC_LEN       ((size_t)8)
#define DERP_NONCE_LEN       ((size_t)24)
#define DERP_TAG_LEN         ((size_t)16)
#define DERP_PACKET_MAX      ((size_t)65536) /* bytes a packet may have */
#define DERP_SEND_MAX        (DERP_KEY_LEN + DERP_PACKET_MAX)
#define DERP_FORWARD_MAX     (2 * DERP_KEY_LEN + DERP_PACKET_MAX)
#define DERP_CLIENT_INFO_MIN (DERP_KEY_LEN + DERP_NONCE_LEN)
#define DERP_CLIENT_INFO_MAX ((size_t)4096)  /* what we read of a login; clients send 109 to 400 */
#define DERP_PING_LEN        ((size_t)8)
#define DERP_PING_MAX        ((size_t)1000)
#define DERP_UNKNOWN_MAX     DERP_SEND_MAX   /* a longer frame of unknown type ends the connection */
#define DERP_APP_NAME_MAX    ((size_t)32)
#define DERP_PROTOCOL_VERSION 2

enum derp_gone_reason { DERP_GONE_DISCONNECTED = 0x00, DERP_GONE_NOT_HERE = 0x01 };

/* Flags of DERP_PEER_PRESENT. REGULAR stands alone; 0: the server is too old to say. */
enum derp_present_flag {
	DERP_PRESENT_REGULAR = 0x01,
	DERP_PRESENT_MESH = 0x02,
	DERP_PRESENT_PROBER = 0x04,
	DERP_PRESENT_NOT_IDEAL = 0x08,
};

/* Who reads: what a type may be, and how long, depends on it. */
enum derp_reader {
	DERP_READER_LOGIN,  /* a server that waits for ClientInfo */
	DERP_READER_CLIENT, /* a server that reads an ordinary client */
	DERP_READER_MESH,   /* a server that reads one who showed the mesh key */
	DERP_READER_SERVER, /* a client (ours is a mesh peer or a test) that reads a server */
};

struct derp_header {
	uint8_t type;
	uint32_t len; /* of the payload */
};

static inline uint32_t derp_get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/** The header at p, which has DERP_HEADER_LEN bytes. */
static inline struct derp_header derp_header_get(const uint8_t *p)
{
	return (struct derp_header){ p[0], derp_get_u32(p + 1) };
}

static inline void derp_header_put(uint8_t *p, enum derp_frame_type type, uint32_t len)
{
	p[0] = (uint8_t)type;
	p[1] = (uint8_t)(len >> 24);
	p[2] = (uint8_t)(len >> 16);
	p[3] = (uint8_t)(len >> 8);
	p[4] = (uint8_t)len;
}

/**
 * Judge a header before its payload has come.
 *
 * ST_OK           go on; an unknown type is to be skipped.
 * ST_BAD_INPUT    a length this type never has, or a type this reader never gets.
 * ST_TOO_BIG      longer than the type allows.
 * ST_DENIED       only mesh peers may send this.
 * All but ST_OK end the connection: there is no way to skip a malformed frame.
 */
enum status derp_header_check(struct derp_header h, enum derp_reader reader) MUST_CHECK;

/** A name for logs and metrics ("send-packet"), "unknown" for what is none. Static. */
const char *derp_frame_name(uint8_t type);

/** At least 62 bytes that begin with the magic of disco: 6 magic, 32 key, 24 nonce. */
static inline bool derp_looks_like_disco(const uint8_t *packet, size_t n)
{
	return n >= 62 && memcmp(packet, "TS\xf0\x9f\x92\xac", 6) == 0;
}

/* Whole frames, header included; each returns the bytes written. `key` has DERP_KEY_LEN bytes. */
#define DERP_SERVER_KEY_FRAME (DERP_HEADER_LEN + DERP_MAGIC_LEN + DERP_KEY_LEN)
size_t derp_put_server_key(uint8_t out[static DERP_SERVER_KEY_FRAME], const uint8_t *key);
#define DERP_PEER_GONE_FRAME (DERP_HEADER_LEN + DERP_KEY_LEN + 1)
size_t derp_put_peer_gone(uint8_t out[static DERP_PEER_GONE_FRAME], const uint8_t *key, enum derp_gone_reason reason);
#define DERP_PONG_FRAME (DERP_HEADER_LEN + DERP_PING_LEN)
size_t derp_put_ping(uint8_t out[static DERP_PONG_FRAME], const uint8_t data[static DERP_PING_LEN]);
size_t derp_put_pong(uint8_t out[static DERP_PONG_FRAME], const uint8_t data[static DERP_PING_LEN]);
size_t derp_put_keep_alive(uint8_t out[static DERP_HEADER_LEN]);
size_t derp_put_note_preferred(uint8_t out[static DERP_HEADER_LEN + 1], bool home);
size_t derp_put_watch_conns(uint8_t out[static DERP_HEADER_LEN]);
size_t derp_put_close_peer(uint8_t out[static DERP_HEADER_LEN + DERP_KEY_LEN], const uint8_t *key);
/** reconnect_in_ms: when to come back; try_for_ms: for how long to try. */
size_t derp_put_restarting(uint8_t out[static DERP_HEADER_LEN + 8], uint32_t reconnect_in_ms, uint32_t try_for_ms);
/** At most n bytes of text go out; out holds DERP_HEADER_LEN + text.n. */
size_t derp_put_health(uint8_t *out, struct bytes text);
/** Header and key of a packet's frame; the packet (packet_len bytes) follows. */
#define DERP_PACKET_HEAD (DERP_HEADER_LEN + DERP_KEY_LEN)
size_t derp_put_send_head(uint8_t out[static DERP_PACKET_HEAD], const uint8_t *dst, size_t packet_len);
size_t derp_put_recv_head(uint8_t out[static DERP_PACKET_HEAD], const uint8_t *src, size_t packet_len);
#define DERP_FORWARD_HEAD (DERP_HEADER_LEN + 2 * DERP_KEY_LEN)
size_t derp_put_forward_head(uint8_t out[static DERP_FORWARD_HEAD], const uint8_t *src, const uint8_t *dst,
                             size_t packet_len);

struct derp_present {
	const uint8_t *key;   /* borrowed, DERP_KEY_LEN bytes */
	uint8_t ip[16];       /* IPv4 as ::ffff:a.b.c.d; zero if not known */
	uint16_t port;
	uint8_t flags;        /* enum derp_present_flag */
	struct bytes app;     /* application name, borrowed; may be empty */
};

#define DERP_PEER_PRESENT_FRAME_MAX (DERP_HEADER_LEN + DERP_KEY_LEN + 16 + 2 + 1 + 1 + DERP_APP_NAME_MAX)
/** p->app.n is at most DERP_APP_NAME_MAX. */
size_t derp_put_peer_present(uint8_t out[static DERP_PEER_PRESENT_FRAME_MAX], const struct derp_present *p);
/**
 * Read a PeerPresent payload of 32, 50, 51 or more bytes; what is missing is zero.
 * out borrows from payload. ST_BAD_INPUT: shorter than a key.
 */
enum status derp_present_parse(struct bytes payload, struct derp_present *out) MUST_CHECK;

#endif
