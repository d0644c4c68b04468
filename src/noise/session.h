/*
 * noise/session.h -- seal and open the records that follow a handshake.
 *
 * A record is a frame of type NOISE_RECORD whose payload is ChaCha20-Poly1305 of up to NOISE_PLAIN_MAX bytes, no
 * associated data. Its nonce is not sent: four zero bytes, then the number of the record in its direction as u64 BE (big
 * endian, unlike what the Noise specification says). Boundaries of records mean nothing to what is inside.
 *
 * Pure: bytes in, bytes out. No allocation but the output buffer's growth. One owner at a time.
 * Source: docs/wire/noise.md, "Records".
 */
#ifndef NOISE_SESSION_H
#define NOISE_SESSION_H

#include "base/buf.h"
#include "crypto/aead.h"
#include "noise/frame.h"
#include "noise/handshake.h"

#define NOISE_PLAIN_MAX (NOISE_PAYLOAD_MAX - AEAD_TAG_LEN)
#define NOISE_RECORD_OVERHEAD (NOISE_HEADER_LEN + AEAD_TAG_LEN)

struct noise_session {
	struct aead *seal, *open; /* owned */
	uint64_t sealed, opened;  /* records so far: the next nonce */
	bool broken;              /* a record did not open: nothing opens any more */
};

/** Set up from a finished handshake; the keys are copied into the ciphers. */
void noise_session_init(struct noise_session *s, const struct noise_keys *keys);
/** Wipe and release. Accepts a zeroed struct. */
void noise_session_release(struct noise_session *s);

/** Bytes on the wire for n plain bytes. */
size_t noise_sealed_len(size_t n);

/**
 * Append the records that carry `plain` to `out`: as few as there can be, none for no bytes.
 *
 * ST_TOO_BIG  they do not fit under the ceiling of `out`: nothing was sealed, `out` is as before.
 * ST_CLOSED   the counter is used up (after 2^64 - 1 records): likewise, and for ever.
 */
enum status noise_session_seal(struct noise_session *s, struct bytes plain, struct buf *out) MUST_CHECK;

/**
 * The same into plain memory: noise_sealed_len(plain.n) bytes at `out`, which lie apart from `plain`.
 * ST_CLOSED as above.
 */
enum status noise_session_seal_to(struct noise_session *s, struct bytes plain, uint8_t *out) MUST_CHECK;

/**
 * Open the record at the front of `in`.
 *
 * out       apart from `in`; its first *n_out bytes are set on ST_OK. May be none: skip such a record.
 * used_out  set on ST_OK only: bytes of `in` to drop.
 *
 * ST_AGAIN   less than a record is there.
 * ST_CLOSED  the stream is lost: a frame that is no record, that is too long, that does not open, or the counter is used
 *            up; also on every later call.
 */
enum status noise_session_open_record(struct noise_session *s, struct bytes in, uint8_t out[static NOISE_PLAIN_MAX],
				      size_t *n_out, size_t *used_out) MUST_CHECK;

/**
 * Open the whole records at the front of `in` and append what they carry to `out`.
 *
 * used_out   set always: bytes of `in` that are done with (0 if no whole record is there). Records stay for the next call
 *            when `out` has no room for NOISE_PLAIN_MAX more bytes.
 * ST_OK      also when nothing was whole: more is needed.
 * ST_CLOSED  as above; what stood before the bad record has been appended.
 */
enum status noise_session_open(struct noise_session *s, struct bytes in, struct buf *out, size_t *used_out) MUST_CHECK;

#endif
