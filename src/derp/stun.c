/*
 * derp/stun.c -- see derp/stun.h.
 *
 * Attributes are walked to the end of the datagram; the length in the header is not used for that, but the
 * fingerprint covers it. CRC-32 goes four bytes a step over tables made by the compiler's own loop at first use.
 */
#include "derp/stun.h"

#include <pthread.h>

#define COOKIE           0x2112a442u
#define FINGERPRINT_XOR  0x5354554eu
#define ATTR_XOR_MAPPED  0x0020
#define ATTR_XOR_MAPPED_OLD 0x8020
#define ATTR_SOFTWARE    0x8022
#define ATTR_FINGERPRINT 0x8028

static const uint8_t software[8] = { 't', 'a', 'i', 'l', 'n', 'o', 'd', 'e' };

static uint32_t crc_table[4][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void crc_fill(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
		crc_table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int t = 1; t < 4; t++)
			crc_table[t][i] = crc_table[t - 1][i] >> 8 ^ crc_table[0][crc_table[t - 1][i] & 0xff];
}

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
	uint32_t c = 0xffffffffu;

	pthread_once(&crc_once, crc_fill);
	for (; n >= 4; p += 4, n -= 4) {
		c ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		c = crc_table[3][c & 0xff] ^ crc_table[2][c >> 8 & 0xff] ^ crc_table[1][c >> 16 & 0xff] ^
		    crc_table[0][c >> 24];
	}
	for (; n; p++, n--)
		c = c >> 8 ^ crc_table[0][(c ^ *p) & 0xff];
	return ~c;
}

static uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

static void put_u16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put_u32(uint8_t *p, uint32_t v)
{
	put_u16(p, v >> 16);
	put_u16(p + 2, v & 0xffff);
}

/* One attribute off the front of *in: false at a damaged one. */
static bool next_attr(struct bytes *in, unsigned *type, struct bytes *value)
{
	size_t n, padded;

	if (in->n < 4)
		return false;
	*type = get_u16(in->p);
	n = get_u16(in->p + 2);
	padded = (n + 3) & ~(size_t)3;
	if (padded > in->n - 4)
		return false;
	*value = bytes_of(in->p + 4, n);
	*in = bytes_skip(*in, 4 + padded);
	return true;
}

enum status stun_request_parse(struct bytes in, const uint8_t **txid_out)
{
	struct bytes rest, v = { 0 };
	unsigned type = 0;
	bool ours = false;
	uint32_t print = 0;

	if (in.n < STUN_HEADER_LEN || in.n > STUN_DATAGRAM_MAX || in.p[0] != 0x00 || in.p[1] != 0x01 ||
	    get_u32(in.p + 4) != COOKIE)
		return ST_BAD_INPUT;
	rest = bytes_skip(in, STUN_HEADER_LEN);
	while (rest.n) {
		if (!next_attr(&rest, &type, &v))
			return ST_BAD_INPUT;
		if (type == ATTR_SOFTWARE && bytes_eq(v, bytes_of(software, sizeof software)))
			ours = true;
		if (type == ATTR_FINGERPRINT && v.n == 4)
			print = get_u32(v.p);
	}
	/* The last one must be the fingerprint: eight bytes that cover all before them. */
	if (!ours || type != ATTR_FINGERPRINT || v.n != 4 ||
	    print != (crc32_of(in.p, in.n - 8) ^ FINGERPRINT_XOR))
		return ST_BAD_INPUT;
	*txid_out = in.p + 8;
	return ST_OK;
}

size_t stun_request_put(uint8_t out[static STUN_REQUEST_LEN], const uint8_t txid[static STUN_TXID_LEN])
{
	put_u16(out, 0x0001);
	put_u16(out + 2, STUN_REQUEST_LEN - STUN_HEADER_LEN);
	put_u32(out + 4, COOKIE);
	memmove(out + 8, txid, STUN_TXID_LEN);
	put_u16(out + 20, ATTR_SOFTWARE);
	put_u16(out + 22, sizeof software);
	memcpy(out + 24, software, sizeof software);
	put_u16(out + 32, ATTR_FINGERPRINT);
	put_u16(out + 34, 4);
	put_u32(out + 36, crc32_of(out, 32) ^ FINGERPRINT_XOR);
	return STUN_REQUEST_LEN;
}

static bool is_v4_mapped(const uint8_t ip[static 16])
{
	static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	return memcmp(ip, prefix, sizeof prefix) == 0;
}

size_t stun_response_put(uint8_t out[static STUN_RESPONSE_MAX], const uint8_t txid[static STUN_TXID_LEN],
                         const uint8_t ip[static 16], uint16_t port)
{
	bool v4 = is_v4_mapped(ip);
	size_t addr = v4 ? 4 : 16;
	const uint8_t *from = v4 ? ip + 12 : ip;

	memmove(out + 8, txid, STUN_TXID_LEN);
	put_u16(out, 0x0101);
	put_u16(out + 2, (unsigned)(8 + addr));
	put_u32(out + 4, COOKIE);
	put_u16(out + 20, ATTR_XOR_MAPPED);
	put_u16(out + 22, (unsigned)(4 + addr));
	out[24] = 0;
	out[25] = v4 ? 1 : 2;
	put_u16(out + 26, (unsigned)(port ^ (COOKIE >> 16)));
	/* cookie and transaction stand behind each other: the key of the XOR */
	for (size_t i = 0; i < addr; i++)
		out[28 + i] = from[i] ^ out[4 + i];
	return 28 + addr;
}

enum status stun_response_parse(struct bytes in, const uint8_t **txid_out, uint8_t ip_out[static 16],
                                uint16_t *port_out)
{
	static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	struct bytes rest, v;
	unsigned type;

	if (in.n < STUN_HEADER_LEN || get_u16(in.p) != 0x0101 || get_u32(in.p + 4) != COOKIE)
		return ST_BAD_INPUT;
	rest = bytes_skip(in, STUN_HEADER_LEN);
	while (next_attr(&rest, &type, &v)) {
		size_t addr = v.n - 4;
		if (type != ATTR_XOR_MAPPED && type != ATTR_XOR_MAPPED_OLD)
			continue;
		if (v.n < 8 || !((v.p[1] == 1 && addr == 4) || (v.p[1] == 2 && addr == 16)))
			return ST_BAD_INPUT;
		memcpy(ip_out, prefix, sizeof prefix);
		for (size_t i = 0; i < addr; i++)
			ip_out[16 - addr + i] = v.p[4 + i] ^ in.p[4 + i];
		*port_out = (uint16_t)(get_u16(v.p + 2) ^ (COOKIE >> 16));
		*txid_out = in.p + 8;
		return ST_OK;
	}
	return ST_BAD_INPUT;
}
