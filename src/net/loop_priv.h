/*
 * net/loop_priv.h -- what the room's own files know of a loop.
 */
#ifndef NET_LOOP_PRIV_H
#define NET_LOOP_PRIV_H

#include "net/loop.h"

/* Buffers that all connections of a loop share: what is in them is used up before the callback returns. */
enum loop_buffer {
	LOOP_BUFFER_READ,  /* what a socket gave */
	LOOP_BUFFER_PLAIN, /* what TLS decrypted of it */
	LOOP_BUFFER_WRITE, /* stream_reserve() of streams without a place of their own */
	LOOP_BUFFER_ROOM,  /* loop_room() */
	LOOP_BUFFER_COUNT
};
#define LOOP_BUFFER_SIZE LOOP_ROOM_SIZE

/** LOOP_BUFFER_SIZE bytes, made at the first use. */
uint8_t *loop_buffer(struct loop *l, enum loop_buffer which);

/* Connections that have not shown a protocol yet, oldest first. */
struct pending_conn {
	struct pending_conn *next, *prev; /* NULL: not in the list */
};
struct pending_list {
	struct pending_conn head; /* a ring */
	uint32_t n;
};
struct pending_list *loop_pending(struct loop *l);

#endif
