/*
 * derp/stun.h -- the one STUN request Tailscale clients send, and its answer.
 *
 *     0           2            4        8             20
 *     | type      | length     | cookie | transaction | attributes ...
 *
 * A small part of RFC 5389: Binding Request with SOFTWARE "tailnode" and a FINGERPRINT at the end, answered by
 * XOR-MAPPED-ADDRESS alone. What is anything else gets no answer at all. Pure; any thread.
 * Source: docs/wire/derp.md, "STUN".
 */
#ifndef DERP_STUN_H
#define DERP_STUN_H

#include "base/bytes.h"
#include "base/status.h"

#define STUN_HEADER_LEN  20
#define STUN_TXID_LEN    12
#define STUN_REQUEST_LEN 40
#define STUN_RESPONSE_MAX 44
#define STUN_DATAGRAM_MAX 1500 /* a longer request is no request */

/**
 * Judge a datagram.
 *
 * in        the whole datagram.
 * txid_out  set on ST_OK only: borrowed from in, STUN_TXID_LEN bytes.
 * ST_BAD_INPUT: not STUN, not a Binding Request, not from a Tailscale client, or damaged. Send nothing.
 */
enum status stun_request_parse(struct bytes in, const uint8_t **txid_out) MUST_CHECK;

/** The request of a stock client, byte for byte. For probes and tests. */
size_t stun_request_put(uint8_t out[static STUN_REQUEST_LEN], const uint8_t txid[static STUN_TXID_LEN]);

/**
 * The answer for one whose packet came from ip:port.
 *
 * ip    16 bytes, IPv4 as ::ffff:a.b.c.d, which gets the 4-byte form. port in host order.
 * Returns the length: 32 for IPv4, 44 for IPv6. out may overlap txid.
 */
size_t stun_response_put(uint8_t out[static STUN_RESPONSE_MAX], const uint8_t txid[static STUN_TXID_LEN],
                         const uint8_t ip[static 16], uint16_t port);

/** Read such an answer: transaction and address (as above). For probes and tests. */
enum status stun_response_parse(struct bytes in, const uint8_t **txid_out, uint8_t ip_out[static 16],
                                uint16_t *port_out) MUST_CHECK;

#endif
