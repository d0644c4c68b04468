/*
 * fuzz/noise_handshake.c -- both ends of the handshake, and what of it a stranger may send.
 *
 * The input is laid over a good initiation and a good response (xor); a message that was changed must be refused, an
 * unchanged one must be taken. The raw input goes into every reader as well.
 */
#include <stdlib.h>

#include "noise/early.h"
#include "noise/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* XOR the input over n bytes of `message`; true if that changed anything. */
static bool lay_over(struct bytes *in, uint8_t *message, size_t n)
{
	bool changed = false;

	for (size_t i = 0; i < n && in->n; i++, *in = bytes_skip(*in, 1)) {
		message[i] ^= in->p[0];
		changed |= in->p[0] != 0;
	}
	return changed;
}

static void check_raw(struct bytes in, const struct machine_private *server)
{
	uint8_t response[NOISE_RESPONSE_LEN];
	struct challenge_key challenge;
	struct noise_keys keys;
	uint16_t version;
	size_t used = 0;

	if (noise_initiation_check(in, &version) == ST_OK)
		check(in.n == NOISE_INITIATION_LEN && version == (in.p[0] << 8 | in.p[1]));
	check(noise_respond(server, NULL, in, response, &keys) != ST_OK);
	if (noise_early_decode(in, &challenge, &used) == ST_OK)
		check(used >= NOISE_EARLY_HEADER_LEN && used <= in.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct machine_private server = { { 8, 2 } }, client = { { 8, 3 } }, eph = { { 8, 4 } }, eph2 = { { 8, 5 } };
	struct machine_key server_public = machine_private_public(&server);
	uint8_t initiation[NOISE_INITIATION_LEN], response[NOISE_RESPONSE_LEN];
	struct bytes in = bytes_of(data, size);
	struct noise_keys at_server, at_client;
	struct noise_initiator i;
	bool changed;

	check_raw(in, &server);
	check(noise_initiate(&i, 145, &client, &eph, &server_public, initiation) == ST_OK);
	changed = lay_over(&in, initiation, sizeof initiation);
	check((noise_respond(&server, &eph2, bytes_of(initiation, sizeof initiation), response, &at_server) == ST_OK) == !changed);
	if (changed)
		return 0;
	changed = lay_over(&in, response, sizeof response);
	check((noise_initiator_finish(&i, bytes_of(response, sizeof response), &at_client) == ST_OK) == !changed);
	if (!changed)
		check(memcmp(at_server.hash, at_client.hash, 32) == 0 && memcmp(at_server.send, at_client.receive, 32) == 0);
	return 0;
}
