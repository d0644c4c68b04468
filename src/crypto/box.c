/* crypto/box.c -- see crypto/box.h. */
#include "crypto/box.h"

#include <sodium.h>

#include "base/random.h"

_Static_assert(BOX_NONCE_LEN == crypto_box_NONCEBYTES, "same length");
_Static_assert(BOX_OVERHEAD == crypto_box_NONCEBYTES + crypto_box_MACBYTES, "same length");

enum status box_seal(const struct node_private *from, const struct node_key *to, struct bytes plain, uint8_t *out)
{
	random_bytes(out, BOX_NONCE_LEN);
	if (crypto_box_easy(out + BOX_NONCE_LEN, plain.p, plain.n, out, to->b, from->b) != 0)
		return ST_BAD_INPUT;
	return ST_OK;
}

enum status box_open(const struct node_private *to, const struct node_key *from, struct bytes sealed, uint8_t *out)
{
	struct bytes body;

	if (sealed.n < BOX_OVERHEAD)
		return ST_BAD_INPUT;
	body = bytes_skip(sealed, BOX_NONCE_LEN);
	if (crypto_box_open_easy(out, body.p, body.n, sealed.p, from->b, to->b) != 0)
		return ST_BAD_INPUT;
	return ST_OK;
}
