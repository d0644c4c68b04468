/* noise/early.c -- see noise/early.h. */
#include "noise/early.h"

#include "base/json_in.h"
#include "base/json_out.h"

static const uint8_t magic[5] = { 0xff, 0xff, 0xff, 'T', 'S' };

void noise_early_encode(const struct challenge_key *challenge, struct buf *out)
{
	uint8_t header[NOISE_EARLY_HEADER_LEN] = { 0 };
	char text[KEY_TEXT_MAX];
	size_t start = out->n, n;
	struct jw w;

	memcpy(header, magic, sizeof magic);
	buf_put(out, header, sizeof header);
	challenge_key_format(challenge, text);
	jw_init(&w, out);
	jw_obj_begin(&w);
	jw_kstr(&w, "nodeKeyChallenge", text);
	jw_obj_end(&w);
	if (!buf_ok(out))
		return;
	n = out->n - start - NOISE_EARLY_HEADER_LEN;
	for (int i = 0; i < 4; i++)
		out->p[start + sizeof magic + (size_t)i] = (uint8_t)(n >> (24 - 8 * i));
}

static enum status read_challenge(struct bytes json, struct challenge_key *out)
{
	struct json_object *o = NULL;
	const char *text = "";
	enum status s = json_parse(json, NOISE_EARLY_JSON_MAX, &o, NULL);

	if (s == ST_OK)
		s = json_get_str(o, "nodeKeyChallenge", &text, NULL);
	if (s == ST_OK)
		s = challenge_key_parse(bytes_of_str(text), out);
	json_object_put(o);
	return s;
}

enum status noise_early_decode(struct bytes in, struct challenge_key *challenge_out, size_t *used_out)
{
	size_t common = in.n < sizeof magic ? in.n : sizeof magic, n;
	enum status s;

	if (common && memcmp(in.p, magic, common) != 0)
		return ST_NOT_FOUND;
	if (in.n < NOISE_EARLY_HEADER_LEN)
		return ST_AGAIN;
	n = (size_t)in.p[5] << 24 | (size_t)in.p[6] << 16 | (size_t)in.p[7] << 8 | in.p[8];
	if (n > NOISE_EARLY_JSON_MAX)
		return ST_TOO_BIG;
	if (in.n - NOISE_EARLY_HEADER_LEN < n)
		return ST_AGAIN;
	s = read_challenge(bytes_of(in.p + NOISE_EARLY_HEADER_LEN, n), challenge_out);
	if (s == ST_OK)
		*used_out = NOISE_EARLY_HEADER_LEN + n;
	return s;
}
