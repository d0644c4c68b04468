/*
 * fuzz/derp_words.c -- the relay's small parsers: STUN, upgrade headers, challenges, questions to /verify, mesh hosts,
 * rate limits, PeerPresent, the login's boxes. The first byte chooses.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "derp/http.h"
#include "derp/limits.h"
#include "derp/login.h"
#include "derp/mesh.h"
#include "derp/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stun(struct bytes in)
{
	const uint8_t *txid;
	uint8_t out[STUN_RESPONSE_MAX], ip[16] = { 0x20, 1 }, back[16];
	uint16_t port;

	if (stun_request_parse(in, &txid) == ST_OK) {
		size_t n = stun_response_put(out, txid, ip, 1234);
		if (stun_response_parse(bytes_of(out, n), &txid, back, &port) != ST_OK || port != 1234 || memcmp(ip, back, 16))
			abort();
	}
	(void)!stun_response_parse(in, &txid, back, &port);
}

/* Up to three texts, cut at NUL bytes. */
static void headers(struct bytes in)
{
	char text[1024] = "", *v[3] = { NULL, NULL, NULL };
	size_t n = in.n < sizeof text - 1 ? in.n : sizeof text - 1, k = 0;

	memcpy(text, in.p, n);
	for (size_t at = 0; at <= n && k < 3; at += strlen(text + at) + 1)
		v[k++] = text + at;
	if (derp_upgrade_kind(v[0], v[1], v[2]) != DERP_UPGRADE_NONE && !v[0])
		abort();
	if (derp_challenge_ok(v[0]) && (strlen(v[0]) > 64 || strpbrk(v[0], " \r\n")))
		abort();
}

static void verify(struct bytes in)
{
	struct node_key key, again;
	char source[46], source_again[46];
	struct buf b;

	(void)!derp_verify_answer_parse(in);
	if (derp_verify_ask_parse(in, &key, source) != ST_OK)
		return;
	buf_init(&b, 65536);
	derp_verify_ask(&key, source, &b);
	if (derp_verify_ask_parse(buf_bytes(&b), &again, source_again) != ST_OK || !node_key_eq(&key, &again) ||
	    strcmp(source, source_again) != 0)
		abort();
	buf_release(&b);
}

static void login(struct bytes in)
{
	static const struct node_private priv = { { 0x40, [31] = 0x40 } };
	struct derp_client_info ci;
	struct derp_server_info si = { .version = 2 };
	struct node_key key = node_private_public(&priv);
	struct derp_mesh_key mesh;
	struct derp_present present;
	struct buf b;

	(void)!derp_client_info_open(in, &priv, &ci);
	(void)!derp_server_info_open(in, &priv, &key, &si);
	(void)!derp_mesh_key_parse(in, &mesh);
	if (derp_present_parse(in, &present) == ST_OK && present.app.n > in.n)
		abort();
	/* a box that opens, around the input as far as it may be a name */
	ci = (struct derp_client_info){ .version = 2 };
	for (size_t i = 0; i < in.n && ci.app_len < DERP_APP_NAME_MAX && in.p[i] >= ' ' && in.p[i] <= '~'; i++)
		ci.app[ci.app_len++] = (char)in.p[i];
	buf_init(&b, 4096);
	if (derp_client_info_seal(&ci, &priv, &key, &b) != ST_OK)
		abort();
	struct derp_client_info back;
	if (derp_client_info_open(bytes_skip(buf_bytes(&b), DERP_HEADER_LEN), &priv, &back) != ST_OK ||
	    back.app_len != ci.app_len || memcmp(back.app, ci.app, ci.app_len) != 0)
		abort();
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = { data + 1, size - 1 };
	struct mesh_opts mesh = { 0 };
	struct derp_limits limits;
	struct err err;
	char buf[512];

	if (size < 1)
		return 0;
	switch (data[0] % 6) {
	case 0: stun(in); break;
	case 1: headers(in); break;
	case 2: verify(in); break;
	case 3: login(in); break;
	case 4:
		if (derp_mesh_parse(in, buf, &mesh) == ST_OK && (!*mesh.host || strchr(mesh.host, ' ')))
			abort();
		break;
	default: (void)!derp_limits_parse(in, &limits, &err); break;
	}
	return 0;
}
