/*
 * derp/registry.h -- who is connected, and which connection a key's packets go to.
 *
 * One registry a relay, owned by one thread. It decides and says what follows by calling the functions of its
 * owner, who tells the loops: pure otherwise, no socket, no clock.
 *
 * - A key may have several connections; the one that spoke last is active and gets the packets. When it goes, the
 *   one that spoke before it takes over.
 * - A key that is not connected here may be reached through mesh peers; the peer that said so first is preferred.
 * - A key has gone when neither is left.
 */
#ifndef DERP_REGISTRY_H
#define DERP_REGISTRY_H

#include "base/bytes.h"
#include "base/status.h"
#include "derp/frame.h"

/* Names a connection for ever: loop, slot in the loop's table, generation of the slot. 0 is none. */
typedef uint64_t derp_handle;
#define DERP_HANDLE(loop, slot, gen) ((derp_handle)(loop) << 56 | (derp_handle)(slot) << 32 | (uint32_t)(gen))
#define DERP_HANDLE_LOOP(h) ((uint32_t)((h) >> 56) & 0x7f)
#define DERP_HANDLE_SLOT(h) ((uint32_t)((h) >> 32) & 0xffffff)
#define DERP_HANDLE_GEN(h)  ((uint32_t)(h))
#define DERP_LOOPS_MAX  128u
#define DERP_SLOTS_MAX  0x1000000u
/* In a route: the connection leads to a mesh peer, packets go as ForwardPacket. */
#define DERP_HANDLE_MESH ((derp_handle)1 << 63)

/* What a connection is told about its own key. */
enum derp_standing {
	DERP_STANDING_ONLY,    /* the one connection of its key */
	DERP_STANDING_ACTIVE,  /* one of several, and it gets the packets */
	DERP_STANDING_PASSIVE, /* one of several; say registry_spoke() when it speaks */
};

struct registry_ops {
	/** Packets for key go to `to` from now on; 0: nowhere. */
	void (*route)(void *arg, const uint8_t *key, derp_handle to);
	/** The key has left the region: tell those who heard from it. */
	void (*gone)(void *arg, const uint8_t *key);
	void (*standing)(void *arg, derp_handle conn, enum derp_standing s);
	/** A whole control frame for a connection (a watcher). Borrowed. */
	void (*send)(void *arg, derp_handle conn, struct bytes frame);
	void (*close)(void *arg, derp_handle conn);
};

struct registry;

struct registry_conn {
	const uint8_t *key; /* borrowed, 32 bytes */
	derp_handle handle;
	uint8_t ip[16];     /* as in PeerPresent */
	uint16_t port;
	uint8_t flags;      /* enum derp_present_flag */
	struct bytes app;   /* borrowed; at most DERP_APP_NAME_MAX */
};

struct registry_counts {
	size_t local, remote;       /* keys connected here; keys reached through mesh peers only */
	size_t conns;               /* connections, duplicates included */
	size_t dup_keys, dup_conns; /* keys with several connections, and how many those have */
	size_t watchers;
	uint64_t dup_total;                            /* connections that came to a key that had one */
	uint64_t multiforwarder_created, multiforwarder_deleted;
};

/** ops is copied. Returned (registry_free). */
struct registry *registry_new(const struct registry_ops *ops, void *arg);
void registry_free(struct registry **r);

/** A connection is logged in: it becomes the active one of its key. */
void registry_add(struct registry *r, const struct registry_conn *c);
/** It ended. Unknown handles do nothing. */
void registry_remove(struct registry *r, const uint8_t *key, derp_handle handle);
/** A passive connection spoke. */
void registry_spoke(struct registry *r, const uint8_t *key, derp_handle handle);
/** Make it a watcher and tell it of every key that is here; a second time, tell it again. self is the server's own
 *  key: a watcher with that key is ourselves and is ignored. */
void registry_watch(struct registry *r, const uint8_t *key, derp_handle handle, const uint8_t *self);
/** Close all connections of a key. */
void registry_close_key(struct registry *r, const uint8_t *key);

/** A mesh peer (our connection to it: mesh) has this key, or has it no more. Repeats do nothing. */
void registry_forward_add(struct registry *r, const uint8_t *key, derp_handle mesh);
void registry_forward_remove(struct registry *r, const uint8_t *key, derp_handle mesh);
/** The connection to a mesh peer is lost: all keys it had go. */
void registry_forward_lost(struct registry *r, derp_handle mesh);

struct registry_counts registry_counts(const struct registry *r);
/** Where packets for key go now; 0: nowhere. */
derp_handle registry_route(const struct registry *r, const uint8_t *key);
/** Call fn for each connection, in no order; the registry must not change meanwhile. */
void registry_each(const struct registry *r, void (*fn)(void *arg, const struct registry_conn *c), void *arg);

#endif
